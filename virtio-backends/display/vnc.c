/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our end of the socket to vmmd-vnc. */
#include "virtio-backends/display/vnc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "base/helper.h"
#include "base/input.h"
#include "base/log.h"
#include "base/loop.h"
#include "virtio-backends/display/vnc-protocol.h"

#define REFRESH_NS (10 * NSEC_PER_MSEC) /* a helper that asks more often waits */
#define BATCH      64                   /* messages taken before others have their turn */

struct shot {
	vnc_png_fn *fn;
	void *opaque;
};

struct vnc {
	struct loop_fd socket; /* fd -1: the helper has ended */
	struct loop_timer timer;
	struct loop *loop;
	struct display *display;
	struct input *input;
	struct display_viewer viewer;
	struct vnc_changes changes; /* since the helper's last refresh */
	int64_t refreshed;          /* when, ns */
	bool asked;                 /* the helper waits for changes */
	unsigned clients;
	uint32_t x, y; /* the last position, pixels */
	GQueue *shots; /* struct shot */
};

/* ---- the end ---- */

static void answer_shot(struct vnc *v, const uint8_t *png, size_t n, int err)
{
	g_autofree struct shot *s = g_queue_pop_head(v->shots);

	s->fn(s->opaque, png, n, err);
}

static void hang_up(struct vnc *v, const char *why)
{
	if (v->socket.fd < 0)
		return;
	log_warning("vnc: %s", why);
	loop_fd_del(v->loop, &v->socket);
	fd_close(&v->socket.fd);
	loop_timer_cancel(v->loop, &v->timer);
	v->asked = false;
	v->clients = 0;
	input_release_all(v->input);
	while (!g_queue_is_empty(v->shots))
		answer_shot(v, NULL, 0, -EPIPE);
}

/* The protocol bounds what is under way; so a full socket is a helper that does not read. */
static int send_message(struct vnc *v, const void *message, size_t n, int fd)
{
	int err;

	if (v->socket.fd < 0)
		return -EPIPE;
	err = fdpass_send(v->socket.fd, message, n, &fd, fd >= 0);
	if (err < 0)
		hang_up(v, "the helper does not read");
	return err;
}

/* ---- display ---- */

static void resized(struct display_viewer *viewer, const struct display_surface *s)
{
	struct vnc *v = container_of(viewer, struct vnc, viewer);
	const struct vnc_surface m = {VNC_SURFACE, s->width, s->height, s->stride};

	v->changes.n = 0;
	send_message(v, &m, sizeof(m), s->fd);
}

static struct display_rect cover(struct display_rect a, struct display_rect b)
{
	uint32_t x = MIN(a.x, b.x), y = MIN(a.y, b.y);

	return (struct display_rect){
		x, y, MAX(a.x + a.w, b.x + b.w) - x, MAX(a.y + a.h, b.y + b.h) - y};
}

static void updated(struct display_viewer *viewer, struct display_rect r)
{
	struct vnc_changes *c = &container_of(viewer, struct vnc, viewer)->changes;

	if (c->n < VNC_RECTS_MAX)
		c->rects[c->n++] = r;
	else
		c->rects[VNC_RECTS_MAX - 1] = cover(c->rects[VNC_RECTS_MAX - 1], r);
}

static void answer_refresh(struct vnc *v)
{
	v->asked = false;
	v->refreshed = loop_now();
	display_refresh(v->display);
	v->changes.type = VNC_CHANGES;
	send_message(v, &v->changes, sizeof(v->changes), -1);
	v->changes = (struct vnc_changes){.n = 0};
}

static void timer_fired(struct loop_timer *t)
{
	answer_refresh(container_of(t, struct vnc, timer));
}

static void on_refresh(struct vnc *v)
{
	int64_t due = v->refreshed + REFRESH_NS;

	if (v->asked)
		return;
	v->asked = true;
	if (loop_now() >= due)
		answer_refresh(v);
	else
		loop_timer_set(v->loop, &v->timer, due);
}

/* ---- input ---- */

static unsigned scaled(uint32_t pixel, uint32_t side)
{
	return side > 1 ? (unsigned)((uint64_t)pixel * INPUT_ABS_MAX / (side - 1)) : 0;
}

/* A mouse gets the way from the last place: a guest that moves its pointer by as much stays in step. */
static void on_pointer(struct vnc *v, const struct vnc_pointer *m)
{
	const struct display_surface *s = display_surface(v->display);
	uint32_t x, y;

	if (!s->width)
		return;
	x = MIN(m->x, s->width - 1);
	y = MIN(m->y, s->height - 1);
	if (input_is_absolute(v->input))
		input_point(
			v->input, scaled(x, s->width), scaled(y, s->height), m->wheel, m->buttons);
	else
		input_move(v->input, (int)x - (int)v->x, (int)y - (int)v->y, m->wheel, m->buttons);
	v->x = x;
	v->y = y;
}

static void on_clients(struct vnc *v, uint32_t n)
{
	if (n < v->clients)
		input_release_all(v->input);
	v->clients = n;
}

/* ---- screenshots ---- */

void vnc_screenshot(struct vnc *v, vnc_png_fn *fn, void *opaque)
{
	const struct vnc_screenshot m = {VNC_SCREENSHOT};
	struct shot *s;

	display_refresh(v->display);
	if (!display_surface(v->display)->width) {
		fn(opaque, NULL, 0, -ENODATA);
		return;
	}
	if (v->socket.fd < 0) {
		fn(opaque, NULL, 0, -EPIPE);
		return;
	}
	s = g_new(struct shot, 1);
	*s = (struct shot){fn, opaque};
	g_queue_push_tail(v->shots, s);
	send_message(v, &m, sizeof(m), -1);
}

/* The file in memory that nobody can shrink under our feet; or -errno. */
static int map_png(int fd, uint32_t size, void **ret)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) < 0 || st.st_size < size)
		return -EBADMSG;
	*ret = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	return *ret == MAP_FAILED ? -errno : 0;
}

/* False: nobody asked for it, or it is none. */
static bool on_png(struct vnc *v, const struct vnc_png *m, int fd)
{
	void *png;
	int err;

	if (g_queue_is_empty(v->shots) ||
		(!m->error && (fd < 0 || !m->size || m->size > VNC_PNG_MAX)))
		return false;
	if (m->error) {
		answer_shot(v, NULL, 0, -ENOMEM);
		return true;
	}
	err = map_png(fd, m->size, &png);
	if (err < 0)
		return false;
	answer_shot(v, png, m->size, 0);
	munmap(png, m->size);
	return true;
}

/* ---- messages ---- */

static bool handle(struct vnc *v, const union vnc_any *m, size_t n, int fd)
{
	static const size_t sizes[] = {
		[VNC_REFRESH] = sizeof(struct vnc_refresh),
		[VNC_KEY] = sizeof(struct vnc_key),
		[VNC_POINTER] = sizeof(struct vnc_pointer),
		[VNC_CLIENTS] = sizeof(struct vnc_clients),
		[VNC_PNG] = sizeof(struct vnc_png),
	};

	if (n < sizeof(m->type) || m->type >= ARRAY_SIZE(sizes) || !sizes[m->type] ||
		n != sizes[m->type])
		return false;
	switch (m->type) {
	case VNC_REFRESH: on_refresh(v); return true;
	case VNC_KEY: return input_key(v->input, m->key.code, m->key.down != 0) == 0;
	case VNC_POINTER: on_pointer(v, &m->pointer); return true;
	case VNC_CLIENTS: on_clients(v, m->clients.n); return true;
	default: return on_png(v, &m->png, fd);
	}
}

static void ready(struct loop_fd *f, uint32_t events)
{
	struct vnc *v = container_of(f, struct vnc, socket);

	for (unsigned i = 0; i < BATCH && f->fd >= 0; i++) {
		union vnc_any m;
		unsigned n_fds = 1;
		int fd = -1;
		ssize_t n = fdpass_recv(f->fd, &m, sizeof(m), &fd, &n_fds);

		if (n == -EAGAIN || n == -EINTR)
			return;
		if (n <= 0)
			hang_up(v, "the helper has ended");
		else if (!handle(v, &m, (size_t)n, n_fds ? fd : -1))
			hang_up(v, "the helper does not keep to its protocol");
		if (n > 0 && n_fds)
			fd_close(&fd);
	}
}

/* ---- life ---- */

static void add(GPtrArray *args, const char *option, char *value)
{
	g_ptr_array_add(args, g_strdup(option));
	if (value)
		g_ptr_array_add(args, value);
}

static void add_address(GPtrArray *args, const char *option, const char *address, uint16_t port)
{
	if (!address)
		address = "127.0.0.1";
	if (port)
		add(args, option,
			g_strdup_printf(strchr(address, ':') ? "[%s]:%u" : "%s:%u", address, port));
}

static GPtrArray *make_arguments(const char *helper, const struct vnc_conf *c)
{
	static const char *const shares[] = {
		[VNC_SHARE_ALLOW_EXCLUSIVE] = "allow-exclusive",
		[VNC_SHARE_FORCE_SHARED] = "force-shared",
		[VNC_SHARE_IGNORE] = "ignore",
	};
	GPtrArray *args = g_ptr_array_new_with_free_func(g_free);

	add(args, helper, NULL);
	add(args, "--name", g_strdup(c->name ? c->name : "vmmd"));
	add(args, "--share", g_strdup(shares[c->share]));
	if (c->listen_fd >= 0)
		add(args, "--listen-fd", g_strdup_printf("%d", HELPER_FIRST_FD + 1));
	add_address(args, "--listen", c->address, c->port);
	add_address(args, "--websocket", c->address, c->websocket);
	if (c->password)
		add(args, "--password", NULL);
	if (c->tls_cert) {
		add(args, "--tls-cert", g_strdup(c->tls_cert));
		add(args, "--tls-key", g_strdup(c->tls_key));
	}
	if (c->tls_ca)
		add(args, "--tls-ca", g_strdup(c->tls_ca));
	if (c->uid != (uid_t)-1) {
		add(args, "--uid", g_strdup_printf("%u", c->uid));
		add(args, "--gid", g_strdup_printf("%u", c->gid));
	}
	g_ptr_array_add(args, NULL);
	return args;
}

static bool start(const char *helper, const struct vnc_conf *c, int *ret_socket, GError **error)
{
	g_autoptr(GPtrArray) args = make_arguments(helper, c);
	int sock[2];
	bool ok;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return err_set_errno(error, errno, "cannot make a socket pair");
	ok = helper_start((char **)args->pdata, (const int[]){sock[1], c->listen_fd},
		c->listen_fd >= 0 ? 2 : 1, error);
	fd_close(&sock[1]);
	if (ok && fd_set_nonblock(sock[0], true) < 0)
		ok = err_set_errno(error, errno, "cannot set up a socket");
	if (!ok)
		fd_close(&sock[0]);
	*ret_socket = sock[0];
	return ok;
}

struct vnc *vnc_attach(int sock, struct loop *loop, struct display *display, struct input *input)
{
	struct vnc *v = g_new0(struct vnc, 1);

	v->loop = loop;
	v->display = display;
	v->input = input;
	v->shots = g_queue_new();
	v->viewer = (struct display_viewer){.resized = resized, .updated = updated};
	v->timer.fn = timer_fired;
	v->socket = (struct loop_fd){.fd = sock, .ready = ready};
	if (loop_fd_add(loop, &v->socket, EPOLLIN) < 0)
		hang_up(v, "the socket cannot be waited for");
	display_view(display, &v->viewer);
	return v;
}

struct vnc *vnc_new(const char *helper, const struct vnc_conf *conf, struct display *display,
	struct input *input, GError **error)
{
	int sock, listen_fd = conf->listen_fd;
	struct vnc *v = NULL;

	if (conf->password && strlen(conf->password) > VNC_PASSWORD_MAX)
		err_set(error, VMMD_ERROR_INVALID, "password: longer than %u bytes",
			VNC_PASSWORD_MAX);
	else if (start(helper, conf, &sock, error))
		v = vnc_attach(sock, conf->loop, display, input);
	fd_close(&listen_fd);
	if (v && conf->password)
		vnc_set_password(v, conf->password);
	return v;
}

void vnc_free(struct vnc *v)
{
	if (!v)
		return;
	display_unview(v->display, &v->viewer);
	while (!g_queue_is_empty(v->shots))
		answer_shot(v, NULL, 0, -EPIPE);
	loop_timer_cancel(v->loop, &v->timer);
	loop_fd_del(v->loop, &v->socket);
	fd_close(&v->socket.fd);
	g_queue_free(v->shots);
	g_free(v);
}

int vnc_set_password(struct vnc *v, const char *password)
{
	struct vnc_password m = {.type = VNC_PASSWORD, .set = password != NULL};
	size_t n = password ? strlen(password) : 0;

	if (n > sizeof(m.text))
		return -EINVAL;
	if (n)
		memcpy(m.text, password, n);
	return send_message(v, &m, sizeof(m), -1);
}

unsigned vnc_clients(const struct vnc *v)
{
	return v->clients;
}
