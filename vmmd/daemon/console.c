/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/daemon/console.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "vmmd/daemon/rundir.h"

#define CHUNK        16384
#define RECONNECT_MS 200
#define REASON_MAX   100 /* a close frame takes 123 bytes, and making text valid may add a few */

struct client {
	struct console *console;
	SoupWebsocketConnection *ws;
	uint64_t at;       /* next byte it gets */
	GSource *writable; /* NULL: not waiting for room */
};

struct console {
	int dir;
	char *file;
	int fd; /* -1: not connected */
	guint watch, reconnect;
	uint8_t *ring;
	uint64_t head; /* bytes ever heard */
	GByteArray *input;
	GPtrArray *clients;
};

/* ---- towards clients ---- */

/* Both parts of the ring from @at, up to CHUNK bytes. */
static void send_chunk(struct client *c, size_t n)
{
	const struct console *hub = c->console;
	size_t from = c->at % CONSOLE_RING, first = MIN(n, CONSOLE_RING - from);
	g_autofree uint8_t *buf = g_malloc(n);

	memcpy(buf, hub->ring + from, first);
	memcpy(buf + first, hub->ring, n - first);
	soup_websocket_connection_send_binary(c->ws, buf, n);
	c->at += n;
}

static size_t backlog(struct client *c)
{
	const struct console *hub = c->console;

	if (hub->head - c->at > CONSOLE_RING)
		c->at = hub->head - CONSOLE_RING;
	return hub->head - c->at;
}

static gboolean client_writable(GPollableOutputStream *stream, gpointer data);

static GPollableOutputStream *client_stream(struct client *c)
{
	GIOStream *io = soup_websocket_connection_get_io_stream(c->ws);

	return G_POLLABLE_OUTPUT_STREAM(g_io_stream_get_output_stream(io));
}

static void client_wait(struct client *c)
{
	if (c->writable)
		return;
	c->writable = g_pollable_output_stream_create_source(client_stream(c), NULL);
	g_source_set_callback(c->writable, G_SOURCE_FUNC(client_writable), c, NULL);
	g_source_attach(c->writable, NULL);
}

static void client_stop_waiting(struct client *c)
{
	if (!c->writable)
		return;
	g_source_destroy(c->writable);
	g_clear_pointer(&c->writable, g_source_unref);
}

/*
 * libsoup queues without bound what a connection cannot take, so it gets a chunk only when there is
 * room in the socket: one round of the main loop for each, in which libsoup writes out the one
 * before.
 */
static void client_push(struct client *c)
{
	size_t n = backlog(c);

	if (!n || soup_websocket_connection_get_state(c->ws) != SOUP_WEBSOCKET_STATE_OPEN) {
		client_stop_waiting(c);
		return;
	}
	if (g_pollable_output_stream_is_writable(client_stream(c)))
		send_chunk(c, MIN(n, CHUNK));
	if (c->at != c->console->head)
		client_wait(c);
	else
		client_stop_waiting(c);
}

static gboolean client_writable(GPollableOutputStream *stream, gpointer data)
{
	client_push(data);
	return G_SOURCE_CONTINUE;
}

static void hear(struct console *c, const uint8_t *buf, size_t n)
{
	size_t at = c->head % CONSOLE_RING, first = MIN(n, CONSOLE_RING - at);

	memcpy(c->ring + at, buf, first);
	memcpy(c->ring, buf + first, n - first);
	c->head += n;
	for (guint i = 0; i < c->clients->len; i++) {
		struct client *client = g_ptr_array_index(c->clients, i);

		if (!client->writable)
			client_push(client);
	}
}

/* ---- towards the VM ---- */

static void hub_watch(struct console *c);
static gboolean hub_ready(gint fd, GIOCondition condition, gpointer data);

static gboolean connect_again(gpointer data)
{
	struct console *c = data;

	c->reconnect = 0;
	hub_watch(c);
	return G_SOURCE_REMOVE;
}

static void hub_disconnect(struct console *c)
{
	g_clear_handle_id(&c->watch, g_source_remove);
	g_clear_handle_id(&c->reconnect, g_source_remove);
	fd_close(&c->fd);
}

/*
 * Connects if need be, and waits for what is wanted. Where nobody answers it tries again: the VM's
 * end is the instance's to tell.
 */
static void hub_watch(struct console *c)
{
	GIOCondition want = G_IO_IN | (c->input->len ? G_IO_OUT : 0);

	if (c->fd < 0) {
		int fd = rundir_connect(c->dir, c->file);

		c->fd = fd < 0 ? -1 : fd;
	}
	g_clear_handle_id(&c->watch, g_source_remove);
	if (c->fd >= 0)
		c->watch = g_unix_fd_add(c->fd, want, hub_ready, c);
	else if (!c->reconnect)
		c->reconnect = g_timeout_add(RECONNECT_MS, connect_again, c);
}

/* False: the connection has ended. */
static bool hub_read(struct console *c)
{
	uint8_t buf[CHUNK];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0)
		hear(c, buf, (size_t)n);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void hub_write(struct console *c)
{
	ssize_t n = send(c->fd, c->input->data, c->input->len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0)
		g_byte_array_remove_range(c->input, 0, (guint)n);
}

static gboolean hub_ready(gint fd, GIOCondition condition, gpointer data)
{
	struct console *c = data;
	bool had = c->input->len;

	if (had && (condition & G_IO_OUT))
		hub_write(c);
	if ((condition & (G_IO_IN | G_IO_HUP | G_IO_ERR)) && !hub_read(c)) {
		hub_disconnect(c);
		c->reconnect = g_timeout_add(RECONNECT_MS, connect_again, c);
	} else if (had && !c->input->len) {
		hub_watch(c);
	}
	return G_SOURCE_CONTINUE; /* it has been removed where it is not wanted any more */
}

/* ---- clients come and go ---- */

/* The closing handshake takes a while; libsoup bounds it, and emits "closed" in any case. */
static void close_client(SoupWebsocketConnection *ws, gushort code, const char *reason)
{
	g_signal_connect(g_object_ref(ws), "closed", G_CALLBACK(g_object_unref), NULL);
	soup_websocket_connection_close(ws, code, reason);
}

void console_refuse(SoupWebsocketConnection *ws, const char *reason)
{
	g_autofree char *text = g_strndup(reason, REASON_MAX), *valid = g_utf8_make_valid(text, -1);

	close_client(ws, SOUP_WEBSOCKET_CLOSE_POLICY_VIOLATION, valid);
}

static void client_free(gpointer data)
{
	struct client *c = data;

	client_stop_waiting(c);
	g_signal_handlers_disconnect_by_data(c->ws, c);
	g_object_unref(c->ws);
	g_free(c);
}

static void on_closed(SoupWebsocketConnection *ws, gpointer data)
{
	struct client *c = data;
	struct console *hub = c->console;

	g_ptr_array_remove_fast(hub->clients, c);
	if (hub->clients->len)
		return;
	/* The VM keeps the history now; what is heard here would not be all of it. */
	hub_disconnect(hub);
	g_byte_array_set_size(hub->input, 0);
	hub->head = 0;
}

static void on_message(SoupWebsocketConnection *ws, gint type, GBytes *message, gpointer data)
{
	struct client *c = data;
	struct console *hub = c->console;
	gsize n;
	const void *bytes = g_bytes_get_data(message, &n);

	if (soup_websocket_connection_get_state(ws) != SOUP_WEBSOCKET_STATE_OPEN)
		return;
	if (n > CONSOLE_INPUT - hub->input->len) {
		console_refuse(ws, "input comes faster than the guest takes it");
		return;
	}
	g_byte_array_append(hub->input, bytes, (guint)n);
	hub_watch(hub);
}

void console_join(struct console *hub, SoupWebsocketConnection *ws)
{
	struct client *c;

	if (hub->clients->len >= CONSOLE_CLIENTS) {
		console_refuse(ws, "too many clients are at this console");
		return;
	}
	c = g_new0(struct client, 1);
	c->console = hub;
	c->ws = g_object_ref(ws);
	c->at = hub->head > CONSOLE_RING ? hub->head - CONSOLE_RING : 0;
	soup_websocket_connection_set_max_incoming_payload_size(ws, CONSOLE_INPUT);
	g_signal_connect(ws, "message", G_CALLBACK(on_message), c);
	g_signal_connect(ws, "closed", G_CALLBACK(on_closed), c);
	g_ptr_array_add(hub->clients, c);
	if (hub->fd < 0 && !hub->reconnect)
		hub_watch(hub);
	client_push(c);
}

struct console *console_new(int dir, const char *file)
{
	struct console *c = g_new0(struct console, 1);

	c->dir = dir;
	c->file = g_strdup(file);
	c->fd = -1;
	c->ring = g_malloc(CONSOLE_RING);
	c->input = g_byte_array_new();
	c->clients = g_ptr_array_new_with_free_func(client_free);
	return c;
}

/* The rest of the output is bounded by the ring, so it may be queued whole. */
static void client_end(struct client *c, const char *reason)
{
	g_autofree char *text = g_strndup(reason ? reason : "", REASON_MAX);
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	size_t n = backlog(c);

	if (soup_websocket_connection_get_state(c->ws) != SOUP_WEBSOCKET_STATE_OPEN)
		return;
	if (n)
		send_chunk(c, n);
	close_client(c->ws, SOUP_WEBSOCKET_CLOSE_NORMAL, valid);
}

void console_end(struct console *c, const char *reason)
{
	/* What the guest said last may still wait in the socket, whose other end is closed. */
	for (size_t i = 0; c->fd >= 0 && i < CONSOLE_RING / CHUNK && hub_read(c); i++)
		continue;
	hub_disconnect(c);
	for (guint i = 0; i < c->clients->len; i++)
		client_end(g_ptr_array_index(c->clients, i), reason);
	g_ptr_array_unref(c->clients);
	g_byte_array_unref(c->input);
	g_free(c->ring);
	g_free(c->file);
	g_free(c);
}
