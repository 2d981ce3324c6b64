/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pseudo terminal tells of its last closing by a hang-up that lasts, and of an opening not at all: while nobody has
 * it open a timer looks whether the hang-up is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "virtio-backends/char/stream.h"

#define LOOK_INTERVAL (250 * NSEC_PER_MSEC)

struct pty {
	struct stream s;
	struct termios raw;
	struct loop_timer look;
};

static struct pty *pty_of(struct stream *s)
{
	return container_of(s, struct pty, s);
}

static void look_again(struct pty *p)
{
	loop_timer_set(p->s.chr.loop, &p->look, loop_now() + LOOK_INTERVAL);
}

static void look_fn(struct loop_timer *t)
{
	struct pty *p = container_of(t, struct pty, look);
	struct pollfd pfd = {.fd = p->s.in.fd, .events = POLLIN};

	if (poll(&pfd, 1, 0) < 0)
		pfd.revents = POLLHUP;
	if (!(pfd.revents & POLLHUP)) {
		stream_connect(&p->s, true);
		return;
	}
	/* Somebody was there between two looks and left input. */
	if (pfd.revents & POLLIN)
		(void)stream_read(&p->s);
	look_again(p);
}

static void pty_start(struct stream *s)
{
	look_fn(&pty_of(s)->look);
}

static void pty_stop(struct stream *s)
{
	loop_timer_cancel(s->chr.loop, &pty_of(s)->look);
	if (s->connected)
		stream_disconnect(s, true);
}

/*
 * What the last one has not read is in the history and comes again from there, so the terminal must forget it: the part on
 * its way (TCOFLUSH) and the part that has arrived (TCSAFLUSH, which on a master is about the other side). The next one finds a raw
 * terminal, whatever the last one made of it.
 */
static void pty_hangup(struct stream *s, struct loop_fd *which)
{
	stream_disconnect(s, true);
	(void)tcflush(s->in.fd, TCOFLUSH);
	(void)tcsetattr(s->in.fd, TCSAFLUSH, &pty_of(s)->raw);
	look_again(pty_of(s));
}

static void pty_free(struct stream *s)
{
	fd_close(&s->in.fd);
	fd_close(&s->out.fd);
}

static const struct stream_ops pty_stream_ops = {
	.start = pty_start,
	.stop = pty_stop,
	.hangup = pty_hangup,
	.free = pty_free,
	.watch_hangup = true,
};

static const struct chardev_ops pty_ops = {
	.name = "pty",
	.attach = stream_attach,
	.detach = stream_detach,
	.write = stream_write,
	.accept_input = stream_accept_input,
	.free = stream_free,
};

/* The other side is opened and closed once, so that from now on its hang-up says whether somebody has it open. */
static int make_ready(struct pty *p, char *name, size_t size)
{
	int master = p->s.in.fd, slave, err;

	if (grantpt(master) < 0 || unlockpt(master) < 0)
		return -errno;
	err = ptsname_r(master, name, size);
	if (err)
		return -err;
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	close(slave);
	if (tcgetattr(master, &p->raw) < 0)
		return -errno;
	cfmakeraw(&p->raw);
	if (tcsetattr(master, TCSANOW, &p->raw) < 0)
		return -errno;
	p->s.out.fd = fcntl(master, F_DUPFD_CLOEXEC, 0);
	return p->s.out.fd < 0 ? -errno : 0;
}

struct chardev *chardev_pty_new(const char *id, size_t history, char **ret_name, GError **error)
{
	struct pty *p = g_new0(struct pty, 1);
	struct stream *s = &p->s;
	char name[64];
	int err;

	stream_init(s, &pty_ops, &pty_stream_ops, id, history);
	p->look.fn = look_fn;
	s->in.fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	err = s->in.fd < 0 ? -errno : make_ready(p, name, sizeof(name));
	if (err < 0) {
		err_set_errno(
			error, -err, "character device %s: cannot make a pseudo terminal", id);
		stream_free(&s->chr);
		return NULL;
	}
	*ret_name = g_strdup(name);
	return &s->chr;
}
