/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdpass.h - file descriptors across processes: sent over Unix sockets, handed to children by number.
 */
#ifndef BASE_FDPASS_H
#define BASE_FDPASS_H

#include <sys/types.h>

#include "base/util.h"

#define FDPASS_MAX 16 /* descriptors in one message */

/* Sends @n bytes (at least 1) with @nfds descriptors; retries on EINTR. 0 or -errno. */
int fdpass_send(int sock, const void *buf, size_t n, const int *fds, unsigned nfds);

/*
 * Receives one message; descriptors arrive close-on-exec and are the caller's. *@nfds is room on entry and count on return; more
 * descriptors than room are closed and give -EMFILE. Bytes read, 0 at end, or -errno.
 */
ssize_t fdpass_recv(int sock, void *buf, size_t n, int *fds, unsigned *nfds);

/* Sets or clears close-on-exec and O_NONBLOCK. 0 or -errno. */
int fd_set_cloexec(int fd, bool on);
int fd_set_nonblock(int fd, bool on);

/* Closes *@fd unless it is -1, and sets it to -1. */
void fd_close(int *fd);

/* Writes or reads all of it, retrying on EINTR and short transfers. 0, -EPIPE at end of file, or -errno. */
int fd_write_all(int fd, const void *buf, size_t n);
int fd_read_all(int fd, void *buf, size_t n);

/* Closes every descriptor from @first up that is not in @keep (sorted or not). For children before exec. */
void fd_close_others(int first, const int *keep, unsigned n);

#endif
