/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop.h - the event loop: epoll, messages from other threads, monotonic timers.
 *
 * One kind of loop serves the VM process's main thread and its I/O threads; in programs that need a
 * GMainContext (the daemon's REST server) loop_source_new() embeds one into it. All callbacks of a loop run on
 * its thread, one at a time, and do not block. State belongs to one loop; others send it messages (loop_post).
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <glib.h>
#include <sys/epoll.h>

#include "base/util.h"

struct loop;

/* @name (at most 15 bytes) becomes the thread's name. Owned by the caller. Errors: no epoll or eventfd. */
struct loop *loop_new(const char *name, GError **error);
/* The loop does not run any more and nothing is registered. */
void loop_free(struct loop *l);

/* Runs callbacks on the calling thread until loop_quit(); registers the thread with qs. */
void loop_run(struct loop *l);
/* One round: waits at most @timeout_ms (-1: for ever) and dispatches what is ready. Tests and qtest. */
void loop_iterate(struct loop *l, int timeout_ms);
/* The round in progress is the last; what was posted before still runs. Any thread. */
void loop_quit(struct loop *l);

/* Starts a thread that runs @l; loop_thread_join() quits it and waits. Main thread. */
bool loop_thread_start(struct loop *l, GError **error);
void loop_thread_join(struct loop *l);

/* True on the loop's own thread (or when it does not run yet). */
bool loop_is_current(const struct loop *l);

/* ---- file descriptors (loop thread, or before the loop runs) ---- */

struct loop_fd {
	int fd; /* borrowed */
	void (*ready)(struct loop_fd *f, uint32_t events);
	uint32_t events; /* EPOLLIN, EPOLLOUT; set by add and mod */
	bool added;
};

/* Level triggered. 0 or -errno (EPERM: a regular file cannot be polled). EPOLLHUP and EPOLLERR are always reported. */
int loop_fd_add(struct loop *l, struct loop_fd *f, uint32_t events);
int loop_fd_mod(struct loop *l, struct loop_fd *f, uint32_t events);
/* After it returns @f is not called again, even if it was ready in this round. NULL-safe, idempotent. */
void loop_fd_del(struct loop *l, struct loop_fd *f);

/* ---- messages ---- */

/* Embedded in its owner; may be posted again from within @fn. */
struct loop_call {
	void (*fn)(struct loop_call *c);
	struct loop_call *next;
	int queued;
};

/*
 * Runs @c->fn once on the loop's thread, in order of posting; a call that is queued already stays queued once. Any
 * thread; takes no lock and makes at most one system call (none while the loop is busy).
 */
void loop_post(struct loop *l, struct loop_call *c);

/*
 * Takes @c out of the queue: after it returns @c->fn is not called any more and @c may be freed, provided that nobody posts it
 * again. Loop thread, or while the loop does not run. Idempotent.
 */
void loop_call_cancel(struct loop *l, struct loop_call *c);

/* ---- timers on CLOCK_MONOTONIC (loop thread) ---- */

struct loop_timer {
	void (*fn)(struct loop_timer *t);
	int64_t deadline; /* ns */
	unsigned pos;     /* in the heap, 0 = not armed */
};

void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t deadline_ns);
void loop_timer_cancel(struct loop *l, struct loop_timer *t);
int64_t loop_now(void); /* CLOCK_MONOTONIC, ns */

/* ---- end-of-round hooks (loop thread) ---- */

/* Called after the callbacks of each round: where an I/O engine submits what the round has gathered. */
struct loop_hook {
	void (*fn)(struct loop_hook *h);
	struct loop_hook *next;
};

void loop_hook_add(struct loop *l, struct loop_hook *h);
void loop_hook_del(struct loop *l, struct loop_hook *h);

/* ---- embedding ---- */

/* The loop as a source of a GMainContext (attach it yourself); its callbacks then run on that context's thread. */
GSource *loop_source_new(struct loop *l);

#endif
