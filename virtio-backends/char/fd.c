/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "virtio-backends/char/stream.h"

struct fd_stream {
	struct stream s;
	int in_flags,
		out_flags; /* as they came: others may share the open file, a shell its terminal */
};

static struct fd_stream *fd_of(struct stream *s)
{
	return container_of(s, struct fd_stream, s);
}

static void fd_start(struct stream *s)
{
	stream_connect(s, false);
}

static void fd_stop(struct stream *s)
{
	stream_disconnect(s, false);
}

static void release(int *fd, int flags)
{
	if (*fd >= 0)
		(void)fcntl(*fd, F_SETFL, flags);
	fd_close(fd);
}

/* One direction has ended; the other goes on. */
static void fd_hangup(struct stream *s, struct loop_fd *which)
{
	loop_fd_del(s->chr.loop, which);
	release(&which->fd, which == &s->in ? fd_of(s)->in_flags : fd_of(s)->out_flags);
}

static void fd_free(struct stream *s)
{
	release(&s->in.fd, fd_of(s)->in_flags);
	release(&s->out.fd, fd_of(s)->out_flags);
}

static const struct stream_ops fd_stream_ops = {
	.start = fd_start,
	.stop = fd_stop,
	.hangup = fd_hangup,
	.free = fd_free,
};

static const struct chardev_ops fd_ops = {
	.name = "fd",
	.attach = stream_attach,
	.detach = stream_detach,
	.write = stream_write,
	.accept_input = stream_accept_input,
	.free = stream_free,
};

static bool adopt(
	const char *id, int fd, int unwanted_mode, const char *what, int *ret_flags, GError **error)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return err_set_errno(error, errno, "character device %s: descriptor %d", id, fd);
	if ((flags & O_ACCMODE) == unwanted_mode)
		return err_set(error, VMMD_ERROR_INVALID,
			"character device %s: descriptor %d is not open for %s", id, fd, what);
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_set_errno(error, errno, "character device %s: descriptor %d", id, fd);
	*ret_flags = flags;
	return true;
}

struct chardev *chardev_fd_new(const char *id, int fd, int in_fd, GError **error)
{
	struct fd_stream *f = g_new0(struct fd_stream, 1);

	stream_init(&f->s, &fd_ops, &fd_stream_ops, id, 0);
	if (adopt(id, fd, O_RDONLY, "writing", &f->out_flags, error)) {
		f->s.out.fd = fd;
		fd = -1;
		if (in_fd < 0 || adopt(id, in_fd, O_WRONLY, "reading", &f->in_flags, error)) {
			f->s.in.fd = in_fd;
			return &f->s.chr;
		}
	}
	fd_close(&fd);
	fd_close(&in_fd);
	stream_free(&f->s.chr);
	return NULL;
}
