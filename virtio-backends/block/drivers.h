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
	bool grows; /* holds a format: any size, reads as zeroes behind its end, may be written there */
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

struct blk_qcow2_conf {
	const char *name;
	struct node *file;    /* the image's bytes; see blk_file_conf.grows */
	struct node *backing; /* what the image's backing file holds; NULL if it has none */
	bool readonly;
	uint64_t l2_cache,
		refcount_cache; /* bytes of tables in memory, 0: 1 MiB, 256 KiB; at least 4 clusters each */
};

/*
 * A format node over conf->file, version 2 or 3 of qcow2. Takes over the references in @conf, also when it fails. Reads the tables
 * that stay in memory and repairs the refcounts of an image that was not closed (lazy refcounts) before it returns. Main thread.
 * Errors: not a qcow2 image, a feature that is not known, a backing file that conf->backing does not give, tables that lie outside
 * the image or overlap.
 *
 * When it is freed what is in memory still is written by a thread of its own, to which loops of its parents are of no concern.
 */
struct node *qcow2_node_new(const struct blk_qcow2_conf *conf, GError **error);

/* Numbers since start; any thread. */
struct blk_stats {
	uint64_t ops[BLK_OPS], bytes[BLK_OPS], errors[BLK_OPS], ns[BLK_OPS];
};
void blk_get_stats(struct blk *b, struct blk_stats *ret);

#endif
