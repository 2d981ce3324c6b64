/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blk-load.h - threads that write to a disk and check what they read back, for as long as the test likes.
 */
#ifndef TESTS_UNIT_BLK_LOAD_H
#define TESTS_UNIT_BLK_LOAD_H

#include "tests/unit/backends/blk-io.h"

enum { LOAD_JOBS = 3, LOAD_DEPTH = 16, LOAD_REGION = 64 * KiB };

struct load_job {
	struct loop *loop;
	struct blk_queue *q;
	struct loop_call start;
	uint64_t base; /* of its part of the disk */
	struct load_io {
		struct blk_req r;
		struct iovec seg;
		struct load_job *job;
		uint64_t *buf;    /* a block */
		uint64_t written; /* the number it holds */
	} ios[LOAD_DEPTH];
	unsigned done;     /* atomic */
	unsigned running;  /* atomic: requests not done */
	unsigned stop;     /* atomic */
	unsigned failures; /* atomic: wrong results or content */
};

/* A thread with LOAD_DEPTH requests on the @index-th region of @b. */
void load_start(struct load_job *j, struct blk *b, unsigned index);
/* Stops it; fails the test if a request failed or read something else than was written. */
void load_finish(struct load_job *j);

/* Requests done by LOAD_JOBS threads. */
unsigned load_total(const struct load_job *jobs);
/* Runs @loop until there are some more than @from. */
void load_wait(struct loop *loop, const struct load_job *jobs, unsigned from);

#endif
