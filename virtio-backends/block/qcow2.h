/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2.h - inside the qcow2 node (docs/interop/qcow2.txt of QEMU is the format's specification).
 *
 *	queue's thread   mapped, in place ──────────────────────────────► file
 *	      │          zeroes, backing  ──► fill, backing
 *	      └─ all else ──► owner's thread: tables, allocation, copy on write ──► file
 *
 * One thread, the owner, changes metadata, one request after the other with calls that wait; it is the node's own, so
 * nothing else waits with it. A queue's thread looks a mapping up in the L2 cache without a lock (table_read_begin) and hands the
 * request to the owner when it is not there or not enough.
 *
 * Changes stay in memory until a flush or until the cache is full; then qcow2_commit() writes them in an order in
 * which a cut at any point leaves at worst clusters that nobody uses:
 *
 *	refcount blocks │ refcount table, header │ L2 tables │ L1 table │ decrements, in memory
 *	                flush                    flush       flush      flush
 *
 * A cluster that nothing maps any more is free only after that, and after every request that may have found it has ended (epochs).
 *
 * The image is hostile: each offset is checked when its table is read, memory is bounded by the operator's cache size and by
 * limits on the two tables that stay in memory.
 */
#ifndef BLOCK_QCOW2_H
#define BLOCK_QCOW2_H

#include <pthread.h>

#include "virtio-backends/block/drivers.h"
#include "virtio-backends/block/node.h"

#define QCOW2_L1_MAX       (32 * MiB) /* bytes */
#define QCOW2_REFTABLE_MAX (8 * MiB)
#define QCOW2_REPAIR_MAX   (UINT64_C(64) << 20) /* clusters whose references are counted on open */
#define QCOW2_WAYS         4
#define QCOW2_SUBCLUSTERS  32

#define L2_OFFSET     UINT64_C(0x00fffffffffffe00)
#define L2_COPIED     (UINT64_C(1) << 63)
#define L2_COMPRESSED (UINT64_C(1) << 62)
#define L2_ZERO       UINT64_C(1)

#define INCOMPAT_DIRTY       UINT64_C(0x01)
#define INCOMPAT_CORRUPT     UINT64_C(0x02)
#define INCOMPAT_DATA_FILE   UINT64_C(0x04)
#define INCOMPAT_COMPRESSION UINT64_C(0x08)
#define INCOMPAT_EXTENDED_L2 UINT64_C(0x10)

/* A table of a cluster's size in memory: big-endian, as in the file. Written by the owner only. */
struct table {
	uint32_t seq;  /* atomic: odd while it changes */
	uint32_t used; /* atomic: since the hand came by */
	int64_t index; /* atomic: in the table above, -1 none */
	bool dirty;
	uint64_t *data; /* atomic words */
};

struct table_cache {
	struct table *tables;
	unsigned sets;
	unsigned hand;
};

struct range {
	uint64_t first, n; /* clusters */
};

struct qcow2 {
	struct node node;
	struct node_edge file, backing;
	bool has_backing;
	struct blk_info info;
	uint64_t backing_size;

	/* Constant once open. */
	unsigned version, cluster_bits, refcount_order;
	bool extended, zstd;
	uint64_t cluster_size, unit; /* unit: of mapping, a cluster or subcluster */
	unsigned entry_words;        /* of 8 bytes, in an L2 entry */
	uint64_t l2_entries, refblock_entries;
	uint64_t l1_offset, l1_size; /* entries */
	uint64_t incompat;
	uint8_t *header; /* its first chunk */
	uint32_t snapshots;
	uint32_t chunk; /* bytes of the L1 and refcount tables written at once */

	/* Read by any thread, written by the owner. */
	uint64_t *l1; /* atomic words, in host order */
	struct table_cache l2;
	unsigned epoch; /* atomic */
	int dirty;      /* atomic: a flush has more to do than to flush the file */

	/* The owner's. */
	struct loop *loop;
	struct edge_queue file_queue, backing_queue;
	uint64_t *reftable; /* host order */
	uint64_t reftable_offset, reftable_entries;
	uint64_t reftable_lo, reftable_hi; /* entries to be written */
	bool reftable_moved;
	struct table_cache refblocks;
	GArray *l1_dirty;      /* of uint64_t: indices */
	GArray *metadata;      /* of uint64_t: clusters with tables, sorted */
	GArray *unlinked;      /* of struct range: mapped by what is in the file still */
	GArray *grace;         /* of struct range: a request of the epoch before may use them */
	GArray *free_clusters; /* of struct range: a hint, refcounts decide */
	uint64_t end;          /* clusters from here on have never been used */
	uint64_t scan;         /* clusters before it were looked at for free ones */
	uint8_t *bounce;       /* a cluster; of commits */
	uint8_t *cow;          /* a cluster */
	uint8_t *compressed;   /* more than a compressed cluster */
	uint8_t *decompressed; /* the cluster of decompressed_entry */
	uint64_t decompressed_entry;

	struct loop_call wake;
	pthread_mutex_t lock;
	struct req_list inbox;      /* under the lock */
	struct qcow2_queue *queues; /* under the lock */
	bool closing;               /* under the lock */
};

/* A request on its way through, or a part of it. */
struct qcow2_part {
	struct blk_req r; /* below; its `next` also links free parts and the inbox */
	struct blk_req *parent;
	struct qcow2_queue *queue;
	uint64_t progress;
	uint64_t len;   /* of the piece under way */
	unsigned epoch; /* of `mapped` */
	bool mapped;    /* the piece is counted in the queue's `active` */
	bool retried;   /* the owner has read the table once */
	int result;
	struct iovec *more; /* for payload of many segments */
	struct iovec segs[32];
};

#define QCOW2_PARTS 128

struct qcow2_queue {
	struct node_queue base;
	struct qcow2_queue *next;
	struct edge_queue file, backing;
	unsigned
		active[2]; /* atomic: pieces in the file that were mapped in an even or odd epoch */
	struct qcow2_part *parts;
	struct req_list idle, waiting, ended;
	struct loop_call finish;
	bool closed;
	pthread_mutex_t lock;
	struct req_list returned; /* under the lock: from the owner */
};

enum extent_type { EXTENT_NONE, EXTENT_ZERO, EXTENT_DATA, EXTENT_COMPRESSED, EXTENT_BAD };

struct extent {
	enum extent_type type;
	uint64_t host; /* of data: the byte's; of compressed: the entry */
	uint64_t len;  /* from the offset asked for, at most what was asked for */
	bool in_place; /* data that nothing else refers to */
};

/* ---- qcow2-map.c: lookup ---- */

/* How many entries of @q2's L1 table cover @size bytes. */
uint64_t qcow2_l1_needed(const struct qcow2 *q2, uint64_t size);
/* The extent at @offset in the L2 table @data that covers it. */
struct extent qcow2_extent_in(
	const struct qcow2 *q2, const uint64_t *data, uint64_t offset, uint64_t len);
/* On any thread: false when the owner has to be asked. */
bool qcow2_lookup(struct qcow2 *q2, uint64_t offset, uint64_t len, struct extent *ret);
/* Where and in how many bytes a compressed cluster lies. */
void qcow2_compressed_range(
	const struct qcow2 *q2, uint64_t entry, uint64_t *ret_offset, uint64_t *ret_len);
/* Ranges, alignment and overlap with metadata of all entries. */
bool qcow2_l2_valid(const struct qcow2 *q2, const uint64_t *data);

/* ---- qcow2-meta.c: tables, refcounts, commit; owner ---- */

int qcow2_io(
	struct qcow2 *q2, struct edge_queue *q, enum blk_op op, uint64_t offset, struct giov data);
int qcow2_read(struct qcow2 *q2, uint64_t offset, void *buf, size_t n);
int qcow2_write(struct qcow2 *q2, uint64_t offset, const void *buf, size_t n);
int qcow2_flush_file(struct qcow2 *q2);

void qcow2_cache_init(struct table_cache *c, const struct qcow2 *q2, uint64_t bytes);
void qcow2_cache_done(struct table_cache *c);
void qcow2_table_change(struct table *t);
void qcow2_table_changed(struct table *t);

/* The L2 table of @index, valid until the next call; *@ret NULL if there is none and @create is false. */
int qcow2_l2_get(struct qcow2 *q2, uint64_t index, bool create, struct table **ret);

int qcow2_refcount(struct qcow2 *q2, uint64_t cluster, uint64_t *ret);
int qcow2_refcount_set(struct qcow2 *q2, uint64_t cluster, uint64_t n);
/* @n clusters one after the other, each with one reference. */
int qcow2_alloc(struct qcow2 *q2, uint64_t n, uint64_t *ret_offset);
/* Nothing in memory refers to @n clusters at @offset any more; the file still may. */
void qcow2_unlink(struct qcow2 *q2, uint64_t offset, uint64_t n);
/* Puts a cluster among those that hold tables. False: it is one already. */
bool qcow2_metadata_add(struct qcow2 *q2, uint64_t cluster);
bool qcow2_is_metadata(const struct qcow2 *q2, uint64_t cluster);
int qcow2_commit(struct qcow2 *q2);

/* ---- qcow2-owner.c: requests that need metadata ---- */

void qcow2_part_run(struct qcow2 *q2, struct qcow2_part *p);

/* ---- qcow2-open.c, qcow2-repair.c; owner's loop, before its thread ---- */

bool qcow2_open(struct qcow2 *q2, const struct blk_qcow2_conf *conf, GError **error);
bool qcow2_repair(struct qcow2 *q2, GError **error);
int qcow2_header_write(struct qcow2 *q2);

#endif
