/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drivers.h - the block back-ends: what a disk is made of. Each returns a struct blk (base/block.h) owned by the caller.
 */
#ifndef BLOCK_DRIVERS_H
#define BLOCK_DRIVERS_H

#include "base/block.h"

struct node;

enum blk_cache {
	BLK_CACHE_NONE,         /* O_DIRECT on the fd, flushes go through */
	BLK_CACHE_WRITEBACK,    /* page cache, flushes go through */
	BLK_CACHE_WRITETHROUGH, /* page cache, every write durable before done */
	BLK_CACHE_UNSAFE,       /* page cache, flushes ignored */
};

enum blk_error_policy { BLK_ERROR_REPORT, BLK_ERROR_STOP, BLK_ERROR_IGNORE, BLK_ERROR_ENOSPC };

/* Told on the main loop: the VM stops itself on BLK_ERROR_STOP, an operator sees an event. */
struct blk_error_event {
	const char *id;
	enum blk_op op;
	int error; /* positive errno */
	bool parked;
};

struct blk_file_conf {
	const char *id;
	int fd; /* regular file or block device, opened as the cache mode says; owned from now on */
	enum blk_cache cache;
	bool readonly;
	uint32_t logical_block, physical_block; /* 0: what the host's device says, 512 for files */
	enum blk_error_policy read_error, write_error;
	struct loop *loop; /* main loop */
	void (*error_event)(void *opaque, const struct blk_error_event *e);
	void *opaque;
};

/*
 * A raw image or block device through libaio, completions by eventfd. A host without O_DIRECT for this file (the fd
 * has the flag but it fails) is an error here, not at the first request. Requests that libaio cannot take (flush on old kernels,
 * discard, zeroes) go to a small thread pool.
 */
struct blk *blk_file_new(const struct blk_file_conf *conf, GError **error);

/* The same as a node of that name, to be put into a graph: of @conf only what says how to open it counts. */
struct node *file_node_new(const struct blk_file_conf *conf, GError **error);

/* Open flags for an image of that cache mode. */
int blk_file_open_flags(enum blk_cache cache, bool readonly);

/* Reads zeroes at once, takes writes: benchmarks. @size in bytes; @loop is the main loop. Cannot fail. */
struct blk *blk_null_new(const char *id, uint64_t size, bool readonly, struct loop *loop);
struct node *null_node_new(const char *name, uint64_t size, bool readonly);

/* Numbers since start; any thread. */
struct blk_stats {
	uint64_t ops[BLK_OPS], bytes[BLK_OPS], errors[BLK_OPS], ns[BLK_OPS];
};
void blk_get_stats(struct blk *b, struct blk_stats *ret);

#endif
