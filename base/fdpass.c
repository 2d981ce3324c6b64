/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union fd_control {
	char buf[CMSG_SPACE(sizeof(int) * FDPASS_MAX)];
	struct cmsghdr align;
};

int fdpass_send(int sock, const void *buf, size_t n, const int *fds, unsigned nfds)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	union fd_control control = {};
	ssize_t sent;

	if (!n || nfds > FDPASS_MAX)
		return -EINVAL;
	if (nfds) {
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	do
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	/* The descriptors went with the first byte; the rest of a stream message follows plainly. */
	return fd_write_all(sock, (const char *)buf + sent, n - (size_t)sent);
}

/* Moves the descriptors of @msg to @fds (@room), closing what does not fit. Returns -EMFILE if some did not. */
static int take_fds(struct msghdr *msg, int *fds, unsigned room, unsigned *ret_n)
{
	unsigned taken = 0;
	int ret = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (taken < room) {
				fds[taken++] = fd;
			} else {
				close(fd);
				ret = -EMFILE;
			}
		}
	}
	*ret_n = taken;
	return ret;
}

ssize_t fdpass_recv(int sock, void *buf, size_t n, int *fds, unsigned *nfds)
{
	struct iovec iov = {.iov_base = buf, .iov_len = n};
	union fd_control control = {};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf)};
	unsigned taken = 0;
	ssize_t got;
	int err;

	do
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		*nfds = 0;
		return -errno;
	}
	err = take_fds(&msg, fds, *nfds, &taken);
	if (!err && (msg.msg_flags & MSG_CTRUNC))
		err = -EMFILE;
	if (err) {
		for (unsigned i = 0; i < taken; i++)
			close(fds[i]);
		taken = 0;
	}
	*nfds = taken;
	return err ? err : got;
}

int fd_set_cloexec(int fd, bool on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

int fd_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int fd_write_all(int fd, const void *buf, size_t n)
{
	const char *p = buf;

	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

int fd_read_all(int fd, void *buf, size_t n)
{
	char *p = buf;

	while (n) {
		ssize_t r = read(fd, p, n);

		if (r < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!r)
			return -EPIPE;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int compare_int(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

void fd_close_others(int first, const int *keep, unsigned n)
{
	g_autofree int *sorted = g_memdup2(keep, n * sizeof(int));
	unsigned from = (unsigned)first;

	qsort(sorted, n, sizeof(int), compare_int);
	for (unsigned i = 0; i < n; i++) {
		unsigned k = (unsigned)sorted[i];

		if (sorted[i] < 0 || k < from)
			continue;
		if (k > from)
			close_range(from, k - 1, 0);
		from = k + 1;
	}
	close_range(from, ~0U, 0);
}
