/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blk-io.h - what the tests of disks share: requests that remember their end, and waiting for a condition.
 */
#ifndef TESTS_UNIT_BLK_IO_H
#define TESTS_UNIT_BLK_IO_H

#include "base/block.h"
#include "base/loop.h"

struct io {
	struct blk_req r;
	struct iovec seg;
	unsigned done;   /* times */
	unsigned *total; /* one more for each end; NULL: nobody counts */
};

/* Prepares @io over @len bytes at @buf (NULL for requests without payload). */
void io_init(struct io *io, enum blk_op op, uint64_t offset, void *buf, uint64_t len);
/* The same with segments of the caller. */
void io_init_segments(
	struct io *io, enum blk_op op, uint64_t offset, const struct iovec *segs, unsigned n);

/* Runs @loop until *@flag is at least @n; fails the test after a minute. */
void run_until(struct loop *loop, const unsigned *flag, unsigned n);

/* Submits, commits and waits for the end; its result. */
int io_run(struct loop *loop, struct blk_queue *q, struct io *io);

/* io_init() and io_run() in one. */
int do_io(struct loop *loop, struct blk_queue *q, enum blk_op op, uint64_t offset, void *buf,
	uint64_t len);

/* blk_drain_begin() and waiting until it reports. */
void drain(struct loop *loop, struct blk *b);

#endif
