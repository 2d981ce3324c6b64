/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control-client.h - the daemon's end of a VM process's control socket: calls, answers, events.
 *
 * Asynchronous, on the default GMainContext of the calling thread. The VM process is not trusted:
 * its lines are bounded and decoded strictly, except that members and events which this release
 * does not know are skipped, because a VM process may be older or newer than the daemon.
 */
#ifndef API_CONTROL_CLIENT_H
#define API_CONTROL_CLIENT_H

#include "api/operations.h"

struct control_client;

struct control_client_ops {
	/* @params is a structure of the event's table, or NULL; borrowed. */
	void (*event)(void *opaque, const struct op_event *event, const void *params);
	/*
	 * The connection has ended; calls in progress have been answered. The last callback;
	 * control_client_free() is due.
	 */
	void (*closed)(void *opaque, const GError *error);
};

/* Takes over @fd, a connected stream socket. */
struct control_client *control_client_new(
	int fd, const struct control_client_ops *ops, void *opaque);

/*
 * @result is a structure of the operation's table or NULL, borrowed; exactly one of it and @error,
 * or neither.
 */
typedef void control_reply_fn(void *opaque, const void *result, const GError *error);

/*
 * Calls an operation without parameters; @fn runs exactly once and never before this returns, with
 * VMMD_ERROR_TIMEOUT if there is no answer after @timeout_ms, VMMD_ERROR_HOST if the connection
 * ends.
 */
void control_client_call(struct control_client *c, const struct operation *op, unsigned timeout_ms,
	control_reply_fn *fn, void *opaque);

/* Takes what has come and not been read yet: for a process that is known to have ended. */
void control_client_drain(struct control_client *c);

/*
 * Calls in progress are answered with an error before it returns; @ops are not called any more.
 * From within callbacks too. NULL is fine.
 */
void control_client_free(struct control_client *c);

#endif
