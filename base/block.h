/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.h - the interface between a disk device (front) and what holds its bytes (back-end).
 *
 *	front ── blk_queue (one per virtqueue or channel, bound to one loop) ──► struct blk ──► file, qcow2, …
 *
 * Asynchronous: blk_submit() never completes inside itself; done() runs later on the queue's loop. Requests
 * are embedded in the front's own request, allocated beforehand. A front submits what it has popped and then calls
 * blk_commit() once, so that an engine enters the kernel once per batch.
 *
 * A request that fails is judged by the disk's error policy before the front sees it: report (done with the error), ignore (done
 * with 0), stop (parked: kept as state, an event is raised, resubmitted when the VM goes on), enospc (stop for -ENOSPC,
 * report for the rest). Name, size, throttle, policy and statistics belong to the disk, never to the front.
 */
#ifndef BASE_BLOCK_H
#define BASE_BLOCK_H

#include <glib.h>

#include "base/gmem.h"

struct loop;
struct blk;
struct blk_queue;

enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_WRITE_ZEROES, BLK_OPS };

#define BLK_F_FUA   0x1 /* write: durable before done */
#define BLK_F_UNMAP 0x2 /* write zeroes: may deallocate */

struct blk_req {
	/* set by the front */
	enum blk_op op;
	unsigned flags;
	uint64_t offset; /* bytes, multiple of the logical block size */
	uint64_t len;    /* bytes; of the payload for reads and writes */
	struct giov data;
	void (*done)(struct blk_req *r); /* on the queue's loop */

	/* set by the back-end */
	int result; /* 0, or negative errno */

	/* the back-end's own, from submit to done */
	struct blk_queue *queue;
	struct blk_req *next;
	int64_t start_ns;
	void *priv[8];
};

/* What does not change while the disk is open, but for size. */
struct blk_info {
	uint64_t size;           /* bytes, multiple of logical_block */
	uint32_t logical_block;  /* bytes, 512 or 4096 */
	uint32_t physical_block; /* bytes, power of two ≥ logical_block */
	uint32_t opt_io;         /* bytes, 0 unknown */
	uint32_t max_transfer;   /* bytes of one request, 0 no limit of its own */
	uint32_t max_discard;    /* bytes of one discard or write-zeroes, 0 unlimited */
	uint32_t discard_align;  /* bytes */
	bool readonly;
	bool can_discard;
	bool can_write_zeroes;
	bool write_cache; /* flush has an effect */
};

/* A front's ears. Called on the main loop. */
struct blk_listener {
	void (*resized)(struct blk_listener *l); /* blk_get_info() shows the new size */
	struct blk_listener *next;
};

struct blk_ops {
	const char *name; /* of the driver: "file", "qcow2", "null", … */

	void (*get_info)(struct blk *b, struct blk_info *ret);

	/* A queue whose requests complete on @loop; opened once, at the front's realize. Main thread. 0 or -errno. */
	int (*queue_open)(struct blk *b, struct loop *loop, struct blk_queue **ret);
	/* Nothing is in flight on it. Main thread. */
	void (*queue_close)(struct blk_queue *q);

	/* The queue's loop thread. The request was checked (blk_check). */
	void (*submit)(struct blk_queue *q, struct blk_req *r);
	void (*commit)(struct blk_queue *q);

	/*
	 * Asynchronous: @fn runs on the main loop when nothing is in flight; parked requests count as not in flight. New requests
	 * are held back until drain_end. Nests. Main thread.
	 */
	void (*drain_begin)(struct blk *b, void (*fn)(void *opaque), void *opaque);
	void (*drain_end)(struct blk *b);

	/*
	 * The front is reset: parked requests of @q are done with -ECANCELED, later, and what is in flight will not be parked
	 * any more, until the next submit. The queue's loop thread.
	 */
	void (*cancel_parked)(struct blk_queue *q);

	/* Resubmits what the error policy has parked; called when the VM goes on. Main thread. */
	void (*unpark)(struct blk *b);

	void (*free)(struct blk *b);
};

struct blk {
	const struct blk_ops *ops;
	char *id; /* of the disk: stable, in log, events and statistics */
	struct blk_listener *listeners;
};

/* Every implementation's queue begins with this. */
struct blk_queue {
	struct blk *blk;
	struct loop *loop;
};

void blk_get_info(struct blk *b, struct blk_info *ret);
int blk_queue_open(struct blk *b, struct loop *loop, struct blk_queue **ret);
void blk_queue_close(struct blk_queue *q); /* NULL is fine */

/*
 * Checks @r against @info: range (no overflow), alignment, payload length, read-only, discard limits. 0, -EINVAL (alignment,
 * length), -ERANGE (beyond the end), -EROFS, -EOPNOTSUPP. Fronts call it on guest requests and map the errno to
 * their status; blk_submit() asserts nothing about the guest.
 */
int __must_check blk_check(const struct blk_info *info, const struct blk_req *r);

void blk_submit(struct blk_queue *q, struct blk_req *r);
void blk_commit(struct blk_queue *q);

void blk_listen(struct blk *b, struct blk_listener *l);
void blk_unlisten(struct blk *b, struct blk_listener *l);
void blk_notify_resized(struct blk *b); /* by back-ends, main thread */

void blk_drain_begin(struct blk *b, void (*fn)(void *opaque), void *opaque);
void blk_drain_end(struct blk *b);
void blk_unpark(struct blk *b);
void blk_cancel_parked(struct blk_queue *q);
void blk_free(struct blk *b); /* NULL is fine */

#endif
