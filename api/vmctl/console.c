/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/vmctl/console.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "api/json.h"
#include "api/vmctl/output.h"
#include "base/fdpass.h"

#define LEAVE 0x1d /* Ctrl-] */

struct session {
	SoupWebsocketConnection *ws;
	GMainLoop *loop;
	const char *name;
	struct termios saved;
	bool raw;
	guint input;
	enum console_end end;
};

/* ---- the terminal ---- */

static void make_raw(struct session *s)
{
	struct termios t;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &s->saved) < 0)
		return;
	t = s->saved;
	cfmakeraw(&t);
	s->raw = tcsetattr(STDIN_FILENO, TCSANOW, &t) == 0;
}

static void make_cooked(struct session *s)
{
	if (s->raw && tcsetattr(STDIN_FILENO, TCSADRAIN, &s->saved) < 0)
		fprintf(stderr, "vmctl: the terminal cannot be put back: try \"reset\"\n");
	s->raw = false;
}

static void finish(struct session *s, enum console_end end)
{
	s->end = end;
	g_main_loop_quit(s->loop);
}

/* ---- bytes ---- */

static gboolean on_input(gint fd, GIOCondition condition, gpointer data)
{
	struct session *s = data;
	char buf[4096], *leave;
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return G_SOURCE_CONTINUE;
	if (n <= 0) {
		s->input = 0;
		return G_SOURCE_REMOVE;
	}
	leave = s->raw ? memchr(buf, LEAVE, (size_t)n) : NULL;
	if (leave)
		n = leave - buf;
	if (n && soup_websocket_connection_get_state(s->ws) == SOUP_WEBSOCKET_STATE_OPEN)
		soup_websocket_connection_send_binary(s->ws, buf, (gsize)n);
	if (leave)
		finish(s, CONSOLE_LEFT);
	return G_SOURCE_CONTINUE;
}

static void on_message(SoupWebsocketConnection *ws, gint type, GBytes *message, gpointer data)
{
	gsize n;
	const void *bytes = g_bytes_get_data(message, &n);

	if (fd_write_all(STDOUT_FILENO, bytes, n) < 0)
		finish(data, CONSOLE_SIGNAL); /* nobody reads it any more */
}

static void on_closed(SoupWebsocketConnection *ws, gpointer data)
{
	struct session *s = data;
	gushort code = soup_websocket_connection_get_close_code(ws);
	const char *why = soup_websocket_connection_get_close_data(ws);
	g_autofree char *text = output_printable(why ? why : "");

	make_cooked(s);
	if (code == SOUP_WEBSOCKET_CLOSE_NORMAL)
		fprintf(stderr, "\n%s has ended%s%s\n", s->name, *text ? ": " : "", text);
	else
		fprintf(stderr, "\nThe daemon has closed the console%s%s\n", *text ? ": " : "",
			text);
	finish(s, code == SOUP_WEBSOCKET_CLOSE_NORMAL ? CONSOLE_ENDED : CONSOLE_LOST);
}

static gboolean on_signal(gpointer data)
{
	finish(data, CONSOLE_SIGNAL);
	return G_SOURCE_CONTINUE;
}

/* ---- attaching ---- */

static void run(struct session *s)
{
	static const int signals[] = {SIGTERM, SIGHUP, SIGINT};
	guint sources[ARRAY_SIZE(signals)];

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sources[i] = g_unix_signal_add(signals[i], on_signal, s);
	s->loop = g_main_loop_new(NULL, FALSE);
	g_signal_connect(s->ws, "message", G_CALLBACK(on_message), s);
	g_signal_connect(s->ws, "closed", G_CALLBACK(on_closed), s);
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "Connected to the console of %s; Ctrl-] leaves it.\n", s->name);
	make_raw(s);
	s->input = g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_input, s);
	g_main_loop_run(s->loop);
	make_cooked(s);
	if (s->end == CONSOLE_LEFT)
		fprintf(stderr, "\nLeft the console of %s; it runs on.\n", s->name);
	g_clear_handle_id(&s->input, g_source_remove);
	g_signal_handlers_disconnect_by_data(s->ws, s);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		g_source_remove(sources[i]);
	g_main_loop_unref(s->loop);
}

/* Sends what is queued, and the close. */
static void hang_up(SoupWebsocketConnection *ws)
{
	if (soup_websocket_connection_get_state(ws) == SOUP_WEBSOCKET_STATE_OPEN)
		soup_websocket_connection_close(ws, SOUP_WEBSOCKET_CLOSE_NORMAL, NULL);
	while (soup_websocket_connection_get_state(ws) != SOUP_WEBSOCKET_STATE_CLOSED)
		g_main_context_iteration(NULL, TRUE);
}

bool console_attach(struct client *c, const char *name, enum console_end *ret_end, GError **error)
{
	g_autofree char *escaped = g_uri_escape_string(name, NULL, FALSE);
	g_autofree char *path = g_strdup_printf("/v1/vms/%s/console", escaped);
	struct session s = {.name = name};

	s.ws = client_websocket(c, path, error);
	if (!s.ws)
		return false;
	soup_websocket_connection_set_max_incoming_payload_size(s.ws, 0);
	run(&s);
	hang_up(s.ws);
	g_object_unref(s.ws);
	*ret_end = s.end;
	return true;
}
