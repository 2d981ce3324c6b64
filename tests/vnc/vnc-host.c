/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in for an engine where vmmd-vnc is tested: a display that is drawn by lines on standard input, and input that is printed.
 *
 *	vnc-host HELPER [unix=PATH] [address=A] [port=N] [websocket=N] [password=TEXT] [cert=F key=F [ca=F]] [share=N]
 *
 *	size W H | fill X Y W H RRGGBB | noise | shot FILE | password [TEXT] | absolute 0|1 | clients | bench FRAMES
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/display.h"
#include "base/input.h"
#include "base/loop.h"
#include "base/qs.h"
#include "virtio-backends/display/vnc.h"

struct host {
	struct loop *loop;
	struct display *display;
	struct display_source source;
	struct input *input;
	struct input_handler keyboard, tablet;
	bool absolute;
	struct vnc *vnc;
	struct loop_fd commands;
	FILE *in;
	char *shot;      /* file that waits for its PNG */
	unsigned frames; /* of a bench that are left */
};

/* ---- what is heard ---- */

static void say(const char *fmt, ...) __printf(1, 2);

static void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static void on_key(struct input_handler *h, unsigned code, bool down)
{
	say("key %u %d", code, down);
}

static void on_rel(struct input_handler *h, int dx, int dy, int wheel, unsigned buttons)
{
	say("rel %d %d %d %u", dx, dy, wheel, buttons);
}

static void on_abs(struct input_handler *h, unsigned x, unsigned y, int wheel, unsigned buttons)
{
	say("abs %u %u %d %u", x, y, wheel, buttons);
}

static void on_png(void *opaque, const uint8_t *png, size_t n, int err)
{
	struct host *h = opaque;

	if (!err && !g_file_set_contents(h->shot, (const char *)png, (gssize)n, NULL))
		err = -EIO;
	say("shot %d", err);
}

/* ---- what is shown ---- */

static uint32_t *pixel(struct host *h, uint32_t x, uint32_t y)
{
	struct display_surface *s = display_surface(h->display);

	return (uint32_t *)(void *)(s->pixels + (size_t)y * s->stride) + x;
}

static void fill(struct host *h, struct display_rect r, uint32_t colour)
{
	for (uint32_t y = r.y; y < r.y + r.h; y++) {
		for (uint32_t x = r.x; x < r.x + r.w; x++)
			*pixel(h, x, y) = colour;
	}
	display_update(h->display, r);
}

static void noise(struct host *h)
{
	struct display_surface *s = display_surface(h->display);

	for (uint32_t y = 0; y < s->height; y++) {
		for (uint32_t x = 0; x < s->width; x++)
			*pixel(h, x, y) = (x * 7 + y * 131) * 0x010305 & 0xffffff;
	}
	display_update(h->display, (struct display_rect){0, 0, s->width, s->height});
	say("noise");
}

/* A line of text more at the bottom: everything moves up by 16 lines. */
static void scroll(struct host *h)
{
	struct display_surface *s = display_surface(h->display);
	uint32_t rows = s->height - 16;

	memmove(s->pixels, s->pixels + (size_t)s->stride * 16, (size_t)s->stride * rows);
	for (uint32_t y = rows; y < s->height; y++) {
		for (uint32_t x = 0; x < s->width; x++)
			*pixel(h, x, y) = (x / 8 * 2654435761u + h->frames * 40503u) >> (y % 16) & 1
						  ? 0xaaaaaa
						  : 0;
	}
	display_update(h->display, (struct display_rect){0, 0, s->width, s->height});
}

static void refresh(struct display_source *source)
{
	struct host *h = container_of(source, struct host, source);

	if (!h->frames)
		return;
	scroll(h);
	if (!--h->frames)
		say("bench done");
}

/* ---- commands ---- */

static void command(struct host *h, char *line)
{
	struct display_rect r;
	uint32_t colour;
	char text[256];

	if (sscanf(line, "size %u %u", &r.w, &r.h) == 2)
		say("size %d", display_resize(h->display, r.w, r.h));
	else if (sscanf(line, "fill %u %u %u %u %x", &r.x, &r.y, &r.w, &r.h, &colour) == 5)
		fill(h, r, colour);
	else if (strcmp(line, "noise") == 0)
		noise(h);
	else if (sscanf(line, "bench %u", &h->frames) == 1)
		say("bench");
	else if (sscanf(line, "password %255s", text) == 1)
		say("password %d", vnc_set_password(h->vnc, text));
	else if (strcmp(line, "password") == 0)
		say("password %d", vnc_set_password(h->vnc, NULL));
	else if (strcmp(line, "absolute") == 0)
		input_add(h->input, &h->tablet);
	else if (strcmp(line, "clients") == 0)
		say("clients %u", vnc_clients(h->vnc));
	else if (sscanf(line, "shot %255s", text) == 1) {
		g_free(h->shot);
		h->shot = g_strdup(text);
		vnc_screenshot(h->vnc, on_png, h);
	}
}

static void on_command(struct loop_fd *f, uint32_t events)
{
	struct host *h = container_of(f, struct host, commands);
	char line[512];

	if (!fgets(line, sizeof(line), h->in)) {
		loop_quit(h->loop);
		return;
	}
	command(h, g_strchomp(line));
}

/* ---- start ---- */

static int listen_on(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_strlcpy(a.sun_path, path, sizeof(a.sun_path));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		g_error("%s: %s", path, strerror(errno));
	return fd;
}

static const char *value(const char *arg, const char *name)
{
	size_t n = strlen(name);

	return strncmp(arg, name, n) == 0 && arg[n] == '=' ? arg + n + 1 : NULL;
}

static void option(struct vnc_conf *c, const char *arg)
{
	const struct {
		const char *name;
		const char **text;
	} texts[] = {{"address", &c->address}, {"password", &c->password}, {"cert", &c->tls_cert},
		{"key", &c->tls_key}, {"ca", &c->tls_ca}};
	const char *v;

	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
		v = value(arg, texts[i].name);
		if (v)
			*texts[i].text = v;
	}
	v = value(arg, "unix");
	if (v)
		c->listen_fd = listen_on(v);
	v = value(arg, "port");
	if (v)
		c->port = (uint16_t)atoi(v);
	v = value(arg, "websocket");
	if (v)
		c->websocket = (uint16_t)atoi(v);
	v = value(arg, "share");
	if (v)
		c->share = (enum vnc_share)atoi(v);
}

static void host_init(struct host *h)
{
	*h = (struct host){
		.loop = loop_new("vnc-host", NULL),
		.display = display_new("test"),
		.source = {.refresh = refresh},
		.input = input_new(),
		.keyboard = {.key = on_key, .rel = on_rel},
		.tablet = {.abs = on_abs},
		.in = stdin,
		.commands = {.fd = STDIN_FILENO, .ready = on_command},
	};
	setvbuf(stdin, NULL, _IONBF, 0);
	display_set_source(h->display, &h->source);
	input_add(h->input, &h->keyboard);
	loop_fd_add(h->loop, &h->commands, EPOLLIN);
}

static void host_done(struct host *h)
{
	vnc_free(h->vnc);
	loop_fd_del(h->loop, &h->commands);
	input_remove(h->input, &h->keyboard);
	input_remove(h->input, &h->tablet);
	input_free(h->input);
	display_free(h->display);
	loop_free(h->loop);
	g_free(h->shot);
}

int main(int argc, char **argv)
{
	struct vnc_conf conf = {
		.name = "test", .listen_fd = -1, .uid = (uid_t)-1, .gid = (gid_t)-1};
	g_autoptr(GError) error = NULL;
	struct host h;

	qs_thread_init();
	host_init(&h);
	conf.loop = h.loop;
	if (geteuid() == 0)
		conf.uid = conf.gid = 65534;
	for (int i = 2; i < argc; i++)
		option(&conf, argv[i]);
	h.vnc = vnc_new(argv[1], &conf, h.display, h.input, &error);
	say("%s%s", h.vnc ? "ready" : "error ", h.vnc ? "" : error->message);
	if (h.vnc)
		loop_run(h.loop);
	host_done(&h);
	return h.vnc ? 0 : 1;
}
