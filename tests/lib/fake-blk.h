/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake-blk.h - a disk in memory whose requests complete when a test says so.
 *
 * By itself it completes what a commit has handed over on the queue's loop, in order. A test can hold requests and
 * complete them one by one, delay all of them, fail or park the next ones of a kind, and looks at what came.
 */
#ifndef TESTS_LIB_FAKE_BLK_H
#define TESTS_LIB_FAKE_BLK_H

#include <pthread.h>

#include "base/block.h"
#include "base/loop.h"

struct fake_blk_queue;

struct fake_blk_fault {
	unsigned count; /* how many of the next requests */
	int error;      /* negative errno */
	bool park;      /* as the policy "stop" does */
};

struct fake_blk {
	struct blk blk;
	struct blk_info info; /* changed by tests before use; size through fake_blk_resize() */
	uint8_t *data;
	struct loop *loop; /* main */

	pthread_mutex_t lock;
	struct fake_blk_queue *queues;
	struct blk_req *held, *parked;
	struct fake_blk_fault faults[BLK_OPS];
	bool hold;
	int64_t delay_ns;
	unsigned submitted[BLK_OPS]; /* by the front, all kinds of outcome */
	unsigned commits;
	unsigned in_flight; /* not counting parked and held back ones */
	unsigned drains;    /* nesting */
	struct fake_blk_drain *waiting;
};

/* @size bytes of zeroes, 512-byte blocks, everything offered. @loop is the main loop. */
struct fake_blk *fake_blk_new(struct loop *loop, uint64_t size);
/* Also blk_free(). All queues are closed. */
void fake_blk_free(struct fake_blk *f);

/* From now on requests wait for fake_blk_complete(), or come by themselves @delay_ns after their commit. */
void fake_blk_hold(struct fake_blk *f, bool hold);
void fake_blk_delay(struct fake_blk *f, int64_t delay_ns);

/* Lets the request that has been held longest go, with its own outcome: false when none is held. Any thread. */
bool fake_blk_complete(struct fake_blk *f);

/* The next @count requests of @op end with @error, or are parked. */
void fake_blk_fail(struct fake_blk *f, enum blk_op op, unsigned count, int error, bool park);

/* Grows or shrinks the disk and tells the listeners. Main thread, nothing in flight. */
void fake_blk_resize(struct fake_blk *f, uint64_t size);

unsigned fake_blk_submitted(struct fake_blk *f, enum blk_op op);
unsigned fake_blk_in_flight(struct fake_blk *f);
unsigned fake_blk_parked(struct fake_blk *f);

#endif
