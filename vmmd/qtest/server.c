/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fdpass.h"
#include "vmmd/qtest/internal.h"

#define LINE_MAX_BYTES (16 * MiB)
#define OUT_MAX_BYTES  (96 * MiB) /* a peer that does not read while interrupts come is let go */
#define COMPACT_BYTES  (4 * MiB)
#define READ_CHUNK     (64 * KiB)

/* ---- log ---- */

static void log_line(struct qtest_server *s, char direction, const char *text, size_t n)
{
	char stamp[48];
	int len;

	if (s->log_fd < 0)
		return;
	len = snprintf(stamp, sizeof(stamp), "[%c +%.6f] ", direction,
		(double)(loop_now() - s->start) / NSEC_PER_SEC);
	if (fd_write_all(s->log_fd, stamp, len) < 0 || fd_write_all(s->log_fd, text, n) < 0 ||
		fd_write_all(s->log_fd, "\n", 1) < 0)
		s->log_fd = -1; /* nobody reads it any more */
}

/* ---- out ---- */

void qtest_send_bytes(struct qtest_server *s, const char *text, size_t n)
{
	pthread_mutex_lock(&s->lock);
	log_line(s, 'S', text, n);
	g_byte_array_append(s->out, (const uint8_t *)text, n);
	g_byte_array_append(s->out, (const uint8_t *)"\n", 1);
	pthread_mutex_unlock(&s->lock);
	/* A reply goes sooner, when its command is done; an interrupt may come at any time and from any thread. */
	loop_post(s->loop, &s->flush_call);
}

void qtest_send(struct qtest_server *s, const char *fmt, ...)
{
	g_autofree char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	qtest_send_bytes(s, text, strlen(text));
}

/* The last thing that is done with @s: its owner may free it. */
static void hang_up(struct qtest_server *s)
{
	if (!s->open)
		return;
	s->open = false;
	loop_fd_del(s->loop, &s->conn);
	s->closed(s->opaque);
}

/* Forgets what was sent; seldom, because the rest has to move. */
static void compact_locked(struct qtest_server *s)
{
	if (s->sent == s->out->len || s->sent > COMPACT_BYTES) {
		g_byte_array_remove_range(s->out, 0, s->sent);
		s->sent = 0;
	}
}

/* Bytes still to go, or -errno. */
static ssize_t write_out(struct qtest_server *s)
{
	ssize_t left, n = 0;

	pthread_mutex_lock(&s->lock);
	if (s->out->len)
		n = send(s->conn.fd, s->out->data + s->sent, s->out->len - s->sent, MSG_NOSIGNAL);
	if (n < 0)
		n = errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n > 0) {
		s->sent += n;
		compact_locked(s);
	}
	left = n < 0 ? n : s->out->len - s->sent;
	pthread_mutex_unlock(&s->lock);
	return left;
}

/* True when everything has gone; false when the socket is full, or the connection at its end (then @s too). */
static bool flush(struct qtest_server *s)
{
	ssize_t left = write_out(s);
	uint32_t events = left > 0 ? EPOLLOUT : EPOLLIN;

	if (left < 0 || left > OUT_MAX_BYTES) {
		hang_up(s);
		return false;
	}
	if (s->conn.events != events)
		loop_fd_mod(s->loop, &s->conn, events);
	return left == 0;
}

/* ---- in ---- */

/* The next whole line, terminated, or NULL. *@ret_n: its bytes with the end. */
static char *next_line(struct qtest_server *s, guint start, guint *ret_n)
{
	uint8_t *from = s->in->data + MAX(start, s->scanned), *end;

	end = memchr(from, '\n', s->in->data + s->in->len - from);
	if (!end) {
		s->scanned = s->in->len;
		return NULL;
	}
	*end = '\0';
	*ret_n = end + 1 - (s->in->data + start);
	return (char *)s->in->data + start;
}

/*
 * Lines wait while the replies to earlier ones do, so a peer that only writes does not fill our memory. False when @s has
 * come to its end.
 */
static bool run_lines(struct qtest_server *s)
{
	guint start = 0, n;
	bool sent = true;
	char *line;

	while (sent && start < s->in->len && (line = next_line(s, start, &n))) {
		log_line(s, 'R', line, strlen(line));
		qtest_execute(s, line);
		start += n;
		sent = flush(s);
		if (!sent && !s->open)
			return false;
	}
	if (start) {
		g_byte_array_remove_range(s->in, 0, start);
		s->scanned = s->scanned > start ? s->scanned - start : 0;
	}
	return true;
}

static void receive(struct qtest_server *s)
{
	uint8_t buf[READ_CHUNK];
	ssize_t n = recv(s->conn.fd, buf, sizeof(buf), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(s);
		return;
	}
	g_byte_array_append(s->in, buf, n);
	if (run_lines(s) && s->in->len > LINE_MAX_BYTES)
		hang_up(s);
}

/* A peer that has gone away shows as EPOLLHUP: what it still has to say is read first, or the writing fails. */
static void ready(struct loop_fd *f, uint32_t events)
{
	struct qtest_server *s = container_of(f, struct qtest_server, conn);

	if (f->events & EPOLLOUT) {
		if (flush(s))
			run_lines(s);
		return;
	}
	receive(s);
}

static void flush_posted(struct loop_call *c)
{
	struct qtest_server *s = container_of(c, struct qtest_server, flush_call);

	if (s->open)
		flush(s);
}

/* ---- life ---- */

struct qtest_server *qtest_serve(struct accel *a, struct bus *bus, int fd, int log_fd,
	void (*closed)(void *opaque), void *opaque)
{
	struct qtest_server *s = g_new0(struct qtest_server, 1);

	s->bus = bus;
	s->loop = qtest_accel_attach(a, bus);
	s->conn = (struct loop_fd){.fd = fd, .ready = ready};
	s->log_fd = log_fd;
	s->start = loop_now();
	s->closed = closed;
	s->opaque = opaque;
	s->in = g_byte_array_new();
	s->out = g_byte_array_new();
	s->flush_call.fn = flush_posted;
	s->open = true;
	pthread_mutex_init(&s->lock, NULL);
	/* Neither can fail for a connected socket of ours. */
	fd_set_nonblock(fd, true);
	loop_fd_add(s->loop, &s->conn, EPOLLIN);
	return s;
}

void qtest_server_free(struct qtest_server *s)
{
	if (!s)
		return;
	if (s->intercepting)
		gsi_intercept(s->bus->gsi, NULL, NULL);
	for (unsigned gsi = 0; gsi < GSI_PINS; gsi++)
		irq_set(&s->inputs[gsi], false);
	loop_call_cancel(s->loop, &s->flush_call);
	loop_fd_del(s->loop, &s->conn);
	fd_close(&s->conn.fd);
	g_byte_array_unref(s->in);
	g_byte_array_unref(s->out);
	pthread_mutex_destroy(&s->lock);
	g_free(s);
}
