/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk.h - what all disks have in common, whatever holds their bytes: error policy, statistics, drain.
 *
 *	front ──► struct disk_queue ──► struct disk     policy, statistics, hold and park; one per disk
 *	               │
 *	               ▼
 *	          struct engine_queue ──► struct engine   moves bytes: file, null
 *
 * An engine knows nothing of fronts, policies or statistics: it takes requests that were checked and says by
 * disk_complete() how each ended. It is what will be the root node of a disk's graph. A filter or a format is then an
 * engine whose queues hold queues of other engines: it passes a request on as it is (throttle, gate) or makes requests of
 * its own from it (qcow2). An edge between two engines may be re-pointed while the disks above are drained: between
 * the moment drain reports and its end there is no request below any disk_queue.
 *
 * Threads: a disk_queue and its engine_queue belong to the thread of their loop; the disk's own state belongs to the main
 * loop. What the main loop wants of a queue it writes into atomic fields and pokes the queue; the queue answers the same way. No
 * request takes a lock or writes a cache line that two queues share.
 *
 *	             submit           disk_complete
 *	  (front) ─────┬──► engine ─────────┬───────────► done
 *	               │      ▲             │ error, policy says stop
 *	   drained     ▼      │ drain_end   ▼
 *	             held ────┘           parked ──► engine (unpark)
 *	                                         └─► done, -ECANCELED (cancel_parked)
 */
#ifndef BLOCK_DISK_H
#define BLOCK_DISK_H

#include "base/loop.h"
#include "virtio-backends/block/drivers.h"

struct engine;

/* Every engine's queue begins with this. */
struct engine_queue {
	struct engine *engine;
	struct loop *loop;
};

struct engine_ops {
	const char *name;
	void (*get_info)(struct engine *e, struct blk_info *ret); /* any thread */
	int (*queue_open)(
		struct engine *e, struct loop *loop, struct engine_queue **ret); /* main thread */
	/* Nothing is in flight and nothing calls it any more. The queue's thread, or any if its loop does not run. */
	void (*queue_close)(struct engine_queue *q);
	/* The queue's thread. Neither calls disk_complete() before it returns. */
	void (*submit)(struct engine_queue *q, struct blk_req *r);
	void (*commit)(struct engine_queue *q);
	void (*free)(struct engine *e); /* no queue is open; any thread */
};

struct engine {
	const struct engine_ops *ops;
};

struct disk_conf {
	const char *id;
	struct loop *loop; /* main loop */
	enum blk_error_policy read_error, write_error;
	void (*error_event)(
		void *opaque, const struct blk_error_event *e); /* NULL: nobody listens */
	void *opaque;
};

/* A disk over @e, which it owns. The blk is the caller's. Main thread; cannot fail. */
struct blk *disk_new(const struct disk_conf *conf, struct engine *e);

/*
 * By engines: @r has ended with 0 or a negative errno. The queue's thread, never inside submit or commit. The front's done()
 * runs in here; it may submit and commit, it may not close the queue.
 */
void disk_complete(struct blk_req *r, int result);

/* ---- a queue of requests, linked by blk_req.next: a request is on at most one ---- */

struct req_list {
	struct blk_req *first, *last;
};

static inline void req_list_add(struct req_list *l, struct blk_req *r)
{
	r->next = NULL;
	if (l->first)
		l->last->next = r;
	else
		l->first = r;
	l->last = r;
}

static inline struct blk_req *req_list_take(struct req_list *l)
{
	struct blk_req *r = l->first;

	if (r)
		l->first = r->next;
	return r;
}

/* All of @l, which is then empty. */
static inline struct req_list req_list_take_all(struct req_list *l)
{
	struct req_list all = *l;

	l->first = NULL;
	return all;
}

#endif
