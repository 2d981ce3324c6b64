/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker.h - threads for system calls that block: started when there is work, ended when there has been none for a
 * while.
 *
 * A pool holds no thread until the first worker_pool_run(). Work waits in one queue, first come first served. Threads block all
 * signals and have a buffer each, made when first asked for: what a pool can take of memory is its number of threads times
 * WORKER_BUFFER.
 */
#ifndef BLOCK_WORKER_H
#define BLOCK_WORKER_H

#include "base/util.h"

#define WORKER_BUFFER       (256 * KiB)
#define WORKER_BUFFER_ALIGN 4096

struct worker_pool;
struct worker;

/* Embedded in its owner. */
struct work {
	void (*fn)(struct work *w,
		struct worker *self); /* on a thread of the pool; @w may be gone afterwards */
	struct work *next;
};

/* @name (at most 15 bytes) becomes the threads' name. Main thread. */
struct worker_pool *worker_pool_new(const char *name, unsigned max_threads);
/* No work is waiting or running. Its threads end on their own. Any thread; NULL is fine. */
void worker_pool_free(struct worker_pool *p);

/*
 * Runs @w->fn on a thread of the pool. Any thread. 0, or -EAGAIN if there is no thread and none can be started:
 * @w is then not run.
 */
int worker_pool_run(struct worker_pool *p, struct work *w) __must_check;

/* By work: the thread's buffer of WORKER_BUFFER bytes, aligned to WORKER_BUFFER_ALIGN, or NULL if there is no memory. */
void *worker_buffer(struct worker *self);

#endif
