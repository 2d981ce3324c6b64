/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drivers.h - the character back-ends. Each returns a struct chardev (base/chardev.h) owned by the caller; fds are owned from
 * the call on, also when it fails. The process ignores SIGPIPE.
 */
#ifndef CHAR_DRIVERS_H
#define CHAR_DRIVERS_H

#include "base/chardev.h"

/* Output is dropped, no input. */
struct chardev *chardev_null_new(const char *id);

/* Output is written to @fd (file, pipe), input read from @in_fd (-1: none). A full pipe drops output rather than blocks, and counts. */
struct chardev *chardev_fd_new(const char *id, int fd, int in_fd, GError **error);

/*
 * A pseudo terminal in raw mode; its name is in *@ret_name (free with g_free). Output while nobody has it open goes to the
 * history, which the next opener reads first.
 */
struct chardev *chardev_pty_new(const char *id, size_t history, char **ret_name, GError **error);

/*
 * A listening Unix stream socket: one client has input and output; further ones are refused while it is there. The last @history bytes
 * of output are sent to each new client first. A client that does not read loses bytes (counted), never blocks the guest.
 */
struct chardev *chardev_socket_new(const char *id, int listen_fd, size_t history, GError **error);

/*
 * For the end of the process: waits until the peer, also one that has just come, has taken all output, or @timeout_ms are over.
 * The only call here that waits; on the chardev's loop, which does not run any more.
 */
void chardev_finish(struct chardev *c, int timeout_ms);

/* Bytes since start; any thread. */
struct chardev_stats {
	uint64_t in, out; /* from the peer to the front, from the front */
	uint64_t
		lost; /* of out: that no peer will get, because the one there was too slow or is gone */
};
void chardev_get_stats(struct chardev *c, struct chardev_stats *ret);

#endif
