/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/char/stream.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define HISTORY_MIN (64 * KiB) /* how far a peer may fall behind, at least */
#define READ_MAX    4096       /* bytes taken from the peer at a time */

void chardev_get_stats(struct chardev *c, struct chardev_stats *ret)
{
	struct stream *s = container_of(c, struct stream, chr);

	ret->in = counter_get(&s->stats.in);
	ret->out = counter_get(&s->stats.out);
	ret->lost = counter_get(&s->stats.lost);
}

/* ---- input ----------------------------------------------------------------------------------- */

static size_t front_room(const struct stream *s)
{
	return s->chr.front ? s->chr.front->can_read(s->chr.opaque) : 0;
}

bool stream_read(struct stream *s)
{
	uint8_t buf[READ_MAX];
	size_t room = front_room(s);
	ssize_t n;

	if (!room)
		return true;
	n = read(s->in.fd, buf, MIN(room, sizeof(buf)));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n)
		return false;
	counter_add(&s->stats.in, n);
	s->chr.front->read(s->chr.opaque, buf, n);
	return true;
}

/* Watches the input while the front has room, and for the peer's end in any case if the kind wants to know. */
static void watch_input(struct stream *s)
{
	uint32_t events = front_room(s) ? EPOLLIN : 0;
	int err;

	if (s->in.fd < 0 || !s->connected)
		return;
	if (!events && !s->ops->watch_hangup) {
		loop_fd_del(s->chr.loop, &s->in);
		return;
	}
	if (s->in_unpollable) {
		loop_post(s->chr.loop, &s->service);
		return;
	}
	err = s->in.added ? loop_fd_mod(s->chr.loop, &s->in, events)
			  : loop_fd_add(s->chr.loop, &s->in, events);
	if (err == -EPERM) {
		s->in_unpollable = true;
		watch_input(s);
	}
}

static void input_ready(struct loop_fd *f, uint32_t events)
{
	struct stream *s = container_of(f, struct stream, in);
	bool more = (events & EPOLLIN) || !(events & (EPOLLHUP | EPOLLERR));

	/* With a hang-up what was sent before is read first, as long as there is any. */
	if (more && stream_read(s))
		watch_input(s);
	else
		s->ops->hangup(s, f);
}

/* ---- output ---------------------------------------------------------------------------------- */

/* A peer that was overtaken goes on with the oldest byte there is. */
static void skip_lost(struct stream *s)
{
	uint64_t start = history_start(&s->history);

	if (s->sent >= start)
		return;
	counter_add(&s->stats.lost, start - s->sent);
	s->sent = start;
}

/* What has not been sent never will be. */
static void drop_rest(struct stream *s)
{
	counter_add(&s->stats.lost, s->history.head - s->sent);
	s->sent = s->history.head;
}

static ssize_t send_some(struct stream *s)
{
	struct iovec iov[2];
	unsigned pieces = history_get(&s->history, s->sent, iov);
	ssize_t n;

	do
		n = writev(s->out.fd, iov, pieces);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* False when the peer is gone. */
static bool flush(struct stream *s)
{
	skip_lost(s);
	if (s->out.fd < 0)
		drop_rest(s);
	while (s->sent < s->history.head) {
		ssize_t n = send_some(s);

		if (n == -EAGAIN)
			return loop_fd_add(s->chr.loop, &s->out, EPOLLOUT) == 0 || s->out.added;
		if (n == -ENOSPC || n == -EDQUOT || n == -EFBIG) {
			drop_rest(s); /* a full disk; a later line may fit again */
		} else if (n < 0) {
			return false;
		} else {
			s->sent += n;
		}
	}
	return true;
}

static void output_ready(struct loop_fd *f, uint32_t events)
{
	struct stream *s = container_of(f, struct stream, out);

	loop_fd_del(s->chr.loop, &s->out);
	if (!flush(s))
		s->ops->hangup(s, f);
}

ssize_t stream_write(struct chardev *c, const uint8_t *buf, size_t n)
{
	struct stream *s = container_of(c, struct stream, chr);

	history_add(&s->history, buf, n);
	counter_add(&s->stats.out, n);
	if (s->connected && !s->out.added)
		loop_post(c->loop, &s->service);
	return n;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void really_free(struct stream *s)
{
	history_done(&s->history);
	g_free(s->chr.id);
	g_free(s);
}

static void service_fn(struct loop_call *c)
{
	struct stream *s = container_of(c, struct stream, service);

	if (s->freed) {
		really_free(s);
		return;
	}
	if (!s->chr.front)
		return;
	if (!s->started) {
		s->started = true;
		s->ops->start(s);
	}
	if (s->connected && !s->out.added && !flush(s))
		s->ops->hangup(s, &s->out);
	if (s->connected && s->in_unpollable)
		input_ready(&s->in, EPOLLIN);
}

void stream_init(struct stream *s, const struct chardev_ops *chr_ops, const struct stream_ops *ops,
	const char *id, size_t replay)
{
	s->chr = (struct chardev){.ops = chr_ops, .id = g_strdup(id)};
	s->ops = ops;
	s->replay = replay;
	s->in = (struct loop_fd){.fd = -1, .ready = input_ready};
	s->out = (struct loop_fd){.fd = -1, .ready = output_ready};
	s->service.fn = service_fn;
	history_init(&s->history, MAX(replay, HISTORY_MIN));
}

/* The loop may run on another thread already: it starts there. */
int stream_attach(struct chardev *c, struct loop *loop)
{
	struct stream *s = container_of(c, struct stream, chr);

	if (loop_is_current(loop))
		service_fn(&s->service);
	else
		loop_post(loop, &s->service);
	return 0;
}

void stream_detach(struct chardev *c)
{
	struct stream *s = container_of(c, struct stream, chr);

	if (!s->started)
		return;
	if (s->connected)
		(void)flush(s); /* last words */
	s->ops->stop(s);
	s->started = false;
}

void chardev_finish(struct chardev *c, int timeout_ms)
{
	struct stream *s = container_of(c, struct stream, chr);
	int64_t left, end = loop_now() + timeout_ms * NSEC_PER_MSEC;

	if (!s->connected && s->started && s->ops->admit)
		s->ops->admit(s);
	while (s->connected && flush(s) && s->sent < s->history.head) {
		left = (end - loop_now()) / NSEC_PER_MSEC;
		if (left <= 0)
			break;
		poll(&(struct pollfd){.fd = s->out.fd, .events = POLLOUT}, 1, (int)left);
	}
}

void stream_accept_input(struct chardev *c)
{
	watch_input(container_of(c, struct stream, chr));
}

void stream_free(struct chardev *c)
{
	struct stream *s = container_of(c, struct stream, chr);

	s->ops->free(s);
	s->freed = true;
	if (!__atomic_load_n(&s->service.queued, __ATOMIC_ACQUIRE))
		really_free(s);
}

static void tell_front(struct stream *s, bool open)
{
	if (s->chr.front && s->chr.front->opened)
		s->chr.front->opened(s->chr.opaque, open);
}

void stream_connect(struct stream *s, bool tell)
{
	s->connected = true;
	s->sent = s->history.head - MIN(s->history.head, s->replay);
	if (tell)
		tell_front(s, true);
	loop_post(s->chr.loop, &s->service);
	watch_input(s);
}

void stream_disconnect(struct stream *s, bool tell)
{
	s->connected = false;
	loop_fd_del(s->chr.loop, &s->in);
	loop_fd_del(s->chr.loop, &s->out);
	if (tell)
		tell_front(s, false);
}
