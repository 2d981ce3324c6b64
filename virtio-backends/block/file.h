/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file.h - inside the file engine: a raw image or block device on the host.
 *
 *	            aligned read, write, flush          completion ring
 *	  submit ──┬──────────────────────────► libaio ────────┬──► node_complete
 *	           │                              │ short, would block, refused
 *	           │ discard, zeroes, unaligned   ▼            │
 *	           └──────────────────────────► worker ────────┘
 *
 * The fast way is libaio. Whatever it cannot do without blocking the queue's thread, or does only in part, is
 * finished by a worker thread with plain blocking calls (file_sync_run), whose word on a request is final.
 *
 * Page cache (any mode but BLK_CACHE_NONE): libaio would block in io_submit(2), so requests carry RWF_NOWAIT; those that
 * miss the cache, and everything where the file system knows no RWF_NOWAIT, go to the workers.
 *
 * O_DIRECT: the kernel wants memory and lengths aligned. Guests may give any; unaligned buffers are copied through the workers'
 * buffers, so that they are slow, never refused, and take bounded memory.
 */
#ifndef BLOCK_FILE_H
#define BLOCK_FILE_H

#include "virtio-backends/block/disk.h"
#include "virtio-backends/block/worker.h"

#define FILE_WORKERS 8 /* threads of one disk, at most */
#define FILE_MAX_DISCARD \
	(1 * GiB) /* of one request: what it takes where zeroes have to be written is bounded */
#define FILE_MAX_SEGMENTS 1024 /* UIO_MAXIOV, of one system call */

struct file {
	struct node node;
	int fd;
	enum blk_cache cache;
	bool direct, block_device, grows;
	uint32_t mem_align, len_align; /* O_DIRECT: of buffer addresses; of lengths and offsets */
	struct blk_info info;
	struct worker_pool *workers;

	/* Atomic; found out on the way. */
	int nowait_read, nowait_write; /* the file system may know RWF_NOWAIT */
	int no_zero_range;             /* it does not know FALLOC_FL_ZERO_RANGE */
	int flush_error; /* page cache: a flush has failed and what was dirty may be lost, so that no later one may succeed */
};

/*
 * Judges conf->fd and fills in what the fields above, but for the workers, say of it. Errors: not a file or device, empty, not
 * openable this way, sizes or alignments that do not go together.
 */
bool file_probe(struct file *f, const struct blk_file_conf *conf, GError **error);

/* True when the payload of @r can be handed to the kernel as it is. */
bool file_is_aligned(const struct file *f, const struct blk_req *r);

/* RWF_ flags that make @r as durable as the cache mode and the request ask. */
int file_durability(const struct file *f, const struct blk_req *r);

/* A failed flush: see flush_error. */
void file_flush_failed(struct file *f, int error);

/*
 * Does @r from byte @progress on (reads and writes; else 0) with blocking calls on a worker's thread. 0 or -errno. Does not complete
 * it.
 */
int file_sync_run(struct file *f, const struct blk_req *r, uint64_t progress, struct worker *self);

#endif
