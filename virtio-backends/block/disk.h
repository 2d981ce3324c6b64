/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk.h - what all disks have in common, whatever holds their bytes: error policy, statistics, drain.
 *
 *	front ──► struct disk_queue ──► struct disk     policy, statistics, hold and park; one per disk
 *	               │
 *	               ▼
 *	          struct node_queue ──► struct node     moves bytes: the root of the disk's graph (node.h)
 *
 * Between the moment drain reports and its end there is no request below any disk_queue.
 *
 * Threads: a disk_queue and its node_queue belong to the thread of their loop; the disk's own state belongs to the main
 * loop. What the main loop wants of a queue it writes into atomic fields and pokes the queue; the queue answers the same way. No
 * request takes a lock or writes a cache line that two queues share.
 *
 *	             submit           node_complete
 *	  (front) ─────┬──► node ───────────┬───────────► done
 *	               │      ▲             │ error, policy says stop
 *	   drained     ▼      │ drain_end   ▼
 *	             held ────┘           parked ──► node (unpark)
 *	                                         └─► done, -ECANCELED (cancel_parked)
 */
#ifndef BLOCK_DISK_H
#define BLOCK_DISK_H

#include "virtio-backends/block/drivers.h"
#include "virtio-backends/block/node.h"

struct disk_conf {
	const char *id;
	struct loop *loop; /* main loop */
	enum blk_error_policy read_error, write_error;
	void (*error_event)(
		void *opaque, const struct blk_error_event *e); /* NULL: nobody listens */
	void *opaque;
};

/* A disk over @root, whose reference it takes over. The blk is the caller's. Main thread; cannot fail. */
struct blk *disk_new(const struct disk_conf *conf, struct node *root);

/* The root of @b's graph, borrowed; a disk made by disk_new(). Main thread. */
struct node *disk_root(struct blk *b);

#endif
