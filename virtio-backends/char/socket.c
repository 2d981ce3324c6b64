/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "virtio-backends/char/stream.h"

#define RETRY_INTERVAL NSEC_PER_SEC /* when there are no descriptors for a client */

struct server {
	struct stream s;
	struct loop_fd listen;
	struct loop_timer retry; /* listen again */
};

static struct server *server_of(struct stream *s)
{
	return container_of(s, struct server, s);
}

static void listen_on(struct server *v)
{
	if (loop_fd_add(v->s.chr.loop, &v->listen, EPOLLIN) < 0)
		loop_timer_set(v->s.chr.loop, &v->retry, loop_now() + RETRY_INTERVAL);
}

static void retry_fn(struct loop_timer *t)
{
	listen_on(container_of(t, struct server, retry));
}

static void drop_client(struct stream *s, struct loop_fd *which)
{
	stream_disconnect(s, true);
	fd_close(&s->in.fd);
	fd_close(&s->out.fd);
}

static void serve(struct server *v, int client)
{
	struct stream *s = &v->s;

	s->in.fd = client;
	s->out.fd = fcntl(client, F_DUPFD_CLOEXEC, 0);
	if (s->out.fd < 0)
		fd_close(&s->in.fd);
	else
		stream_connect(s, true);
}

/*
 * What cannot be accepted for lack of descriptors or memory stays in the backlog and would be announced again at
 * once: look away for a while.
 */
static void listen_ready(struct loop_fd *f, uint32_t events)
{
	struct server *v = container_of(f, struct server, listen);
	int client = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (client >= 0 && !v->s.connected) {
		serve(v, client);
	} else if (client >= 0) {
		close(client); /* one at a time */
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		loop_fd_del(v->s.chr.loop, f);
		loop_timer_set(v->s.chr.loop, &v->retry, loop_now() + RETRY_INTERVAL);
	}
}

static void server_admit(struct stream *s)
{
	listen_ready(&server_of(s)->listen, EPOLLIN);
}

static void server_start(struct stream *s)
{
	listen_on(server_of(s));
}

static void server_stop(struct stream *s)
{
	struct server *v = server_of(s);

	loop_fd_del(s->chr.loop, &v->listen);
	loop_timer_cancel(s->chr.loop, &v->retry);
	if (s->connected)
		drop_client(s, NULL);
}

static void server_free(struct stream *s)
{
	fd_close(&server_of(s)->listen.fd);
}

static const struct stream_ops server_stream_ops = {
	.start = server_start,
	.stop = server_stop,
	.admit = server_admit,
	.hangup = drop_client,
	.free = server_free,
	.watch_hangup = true,
};

static const struct chardev_ops server_ops = {
	.name = "socket",
	.attach = stream_attach,
	.detach = stream_detach,
	.write = stream_write,
	.accept_input = stream_accept_input,
	.free = stream_free,
};

/* The value of a SOL_SOCKET option, or -1. */
static int socket_option(int fd, int option)
{
	socklen_t n = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &n) < 0 ? -1 : value;
}

struct chardev *chardev_socket_new(const char *id, int listen_fd, size_t history, GError **error)
{
	struct server *v = g_new0(struct server, 1);

	stream_init(&v->s, &server_ops, &server_stream_ops, id, history);
	v->listen = (struct loop_fd){.fd = listen_fd, .ready = listen_ready};
	v->retry.fn = retry_fn;
	if (socket_option(listen_fd, SO_DOMAIN) == AF_UNIX &&
		socket_option(listen_fd, SO_TYPE) == SOCK_STREAM &&
		socket_option(listen_fd, SO_ACCEPTCONN) == 1 &&
		fd_set_nonblock(listen_fd, true) == 0)
		return &v->s.chr;
	err_set(error, VMMD_ERROR_INVALID,
		"character device %s: descriptor %d is not a listening Unix stream socket", id,
		listen_fd);
	stream_free(&v->s.chr);
	return NULL;
}
