/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/control-server.h"

#include <errno.h>
#include <sys/socket.h>

#include "api/json.h"
#include "api/jsonrpc.h"
#include "base/fdpass.h"
#include "base/loop.h"

#define BACKLOG   16
#define READ_SIZE 16384
#define OUT_PAUSE (64 * KiB)            /* bytes waiting from which on a client is not read */
#define OUT_MAX   (2 * JSON_TEXT_MAX)   /* bytes waiting from which on it is dropped */
#define ACCEPT_NS (100 * NSEC_PER_MSEC) /* pause after the host had no descriptor for a client */

struct client {
	struct control_server *server;
	struct jsonrpc_conn *conn;
	struct loop_fd io;
	GString *out;
	bool dead; /* to be freed in the server's reaper, out of everybody's callbacks */
};

struct control_server {
	struct loop *loop;
	const struct op_service *service;
	struct loop_fd listener;
	struct loop_timer accept_again;
	struct loop_timer reaper; /* a timer, because that can be cancelled */
	GPtrArray *clients;
};

/* ---- one client ---- */

static void client_free(struct client *c)
{
	loop_fd_del(c->server->loop, &c->io);
	fd_close(&c->io.fd);
	jsonrpc_conn_free(c->conn);
	g_string_free(c->out, TRUE);
	g_free(c);
}

static void client_drop(struct client *c)
{
	c->dead = true;
	loop_fd_del(c->server->loop, &c->io);
	loop_timer_set(c->server->loop, &c->server->reaper, loop_now());
}

static void client_watch(struct client *c)
{
	uint32_t events = c->out->len < OUT_PAUSE ? EPOLLIN : 0;

	if (c->out->len)
		events |= EPOLLOUT;
	if (events != c->io.events)
		loop_fd_mod(c->server->loop, &c->io, events);
}

static void client_flush(struct client *c)
{
	while (!c->dead && c->out->len) {
		ssize_t n = send(c->io.fd, c->out->str, c->out->len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			g_string_erase(c->out, 0, n);
		else if (n < 0 && errno == EINTR)
			continue;
		else if (n < 0 && errno == EAGAIN)
			break;
		else
			client_drop(c);
	}
	if (!c->dead)
		client_watch(c);
}

static void client_send(void *opaque, const char *line, size_t len)
{
	struct client *c = opaque;

	if (c->dead)
		return;
	if (len > OUT_MAX - c->out->len) {
		client_drop(c);
		return;
	}
	g_string_append_len(c->out, line, (gssize)len);
	client_flush(c);
}

static void client_read(struct client *c)
{
	char buf[READ_SIZE];
	ssize_t n = recv(c->io.fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || !jsonrpc_conn_feed(c->conn, buf, (size_t)n))
		client_drop(c);
}

static void client_ready(struct loop_fd *f, uint32_t events)
{
	struct client *c = container_of(f, struct client, io);

	if (events & EPOLLOUT)
		client_flush(c);
	if (!c->dead && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		client_read(c);
}

/* ---- all of them ---- */

static void reap(struct loop_timer *t)
{
	struct control_server *s = container_of(t, struct control_server, reaper);

	for (guint i = s->clients->len; i--;) {
		struct client *c = g_ptr_array_index(s->clients, i);

		if (c->dead) {
			g_ptr_array_remove_index_fast(s->clients, i);
			client_free(c);
		}
	}
}

static void client_add(struct control_server *s, int fd)
{
	struct client *c = g_new0(struct client, 1);

	c->server = s;
	c->io = (struct loop_fd){.fd = fd, .ready = client_ready};
	c->out = g_string_new(NULL);
	c->conn = jsonrpc_conn_new(s->service, OP_ADMIN, client_send, c);
	if (s->clients->len >= CONTROL_CLIENTS_MAX || loop_fd_add(s->loop, &c->io, EPOLLIN) < 0)
		client_free(c);
	else
		g_ptr_array_add(s->clients, c);
}

static void accept_clients(struct loop_fd *f, uint32_t events)
{
	struct control_server *s = container_of(f, struct control_server, listener);
	int fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		client_add(s, fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		/*
		 * No descriptor or memory: the socket stays readable, so it must not be looked at.
		 */
		loop_fd_mod(s->loop, f, 0);
		loop_timer_set(s->loop, &s->accept_again, loop_now() + ACCEPT_NS);
	}
}

static void accept_again(struct loop_timer *t)
{
	struct control_server *s = container_of(t, struct control_server, accept_again);

	loop_fd_mod(s->loop, &s->listener, EPOLLIN);
}

struct control_server *control_server_new(
	struct loop *loop, int listen_fd, const struct op_service *service, GError **error)
{
	struct control_server *s = g_new0(struct control_server, 1);
	int r;

	s->loop = loop;
	s->service = service;
	s->listener = (struct loop_fd){.fd = listen_fd, .ready = accept_clients};
	s->accept_again.fn = accept_again;
	s->reaper.fn = reap;
	s->clients = g_ptr_array_new();
	r = listen(listen_fd, BACKLOG) < 0 ? -errno : fd_set_nonblock(listen_fd, true);
	if (!r)
		r = loop_fd_add(loop, &s->listener, EPOLLIN);
	if (!r)
		return s;
	err_set_errno(error, -r, "cannot listen on the control socket");
	control_server_free(s);
	return NULL;
}

void control_server_event(
	struct control_server *s, const struct op_event *event, const void *params)
{
	g_autofree char *line = NULL;
	size_t len;

	line = jsonrpc_event_line(event, params, &len);
	for (guint i = 0; i < s->clients->len; i++)
		client_send(g_ptr_array_index(s->clients, i), line, len);
}

void control_server_free(struct control_server *s)
{
	if (!s)
		return;
	for (guint i = 0; i < s->clients->len; i++)
		client_free(g_ptr_array_index(s->clients, i));
	g_ptr_array_unref(s->clients);
	loop_timer_cancel(s->loop, &s->reaper);
	loop_timer_cancel(s->loop, &s->accept_again);
	loop_fd_del(s->loop, &s->listener);
	fd_close(&s->listener.fd);
	g_free(s);
}
