/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vq-internal.h - what vq.c (requests, guest memory, life) shares with the two layouts, vq-split.c and vq-packed.c.
 *
 * The layout knows where ring words lie and in which order they are read and written; vq.c knows everything else. Ring
 * words are read and written by the vq_load and vq_store functions below, nowhere else.
 */
#ifndef VIRTIO_VQ_INTERNAL_H
#define VIRTIO_VQ_INTERNAL_H

#include <errno.h>

#include "virtio-backends/virtio/vq.h"

/* Descriptor flags, sections 2.7.5 and 2.8. */
#define VQ_DESC_NEXT     0x0001
#define VQ_DESC_WRITE    0x0002
#define VQ_DESC_INDIRECT 0x0004
#define VQ_DESC_SIZE     16 /* bytes, both layouts, in rings and in indirect tables */

/* One of the three areas of a ring, section 2.6. */
struct vq_area {
	uint8_t *hva;
	struct gmem_block *block; /* held while hva is kept */
	gpa_t gpa;
	uint64_t size;
	bool writable;
};

/* A piece of guest memory in which a buffer was found lately. */
struct vq_window {
	uint64_t gpa, size;
	uint8_t *hva;
	bool writable;
};

#define VQ_WINDOWS 4

/* A descriptor as either layout loads it: addr, then len | id or flags | flags or next in one word. */
struct vq_desc {
	uint64_t addr, word;
};

struct vq_layout {
	/* 1 and @r filled (segments, id, n_desc) with the ring advanced; 0 empty; -EAGAIN no long buffer; -EBADMSG. */
	int (*pop)(struct vq *q, struct vq_req *r);
	bool (*has_work)(struct vq *q);
	void (*unpop)(struct vq *q, const struct vq_req *r);
	/* Writes a used element that the driver cannot see yet, counts it in q->staged; and lets the driver see all of them. */
	void (*push)(struct vq *q, const struct vq_req *r, uint32_t written);
	void (*publish)(struct vq *q);
	/* After publish and a full barrier: does the driver want an interrupt for the q->staged slots? */
	bool (*interrupt_wanted)(struct vq *q);
	void (*kick_disable)(struct vq *q);
	void (*kick_enable)(struct vq *q);
};

extern const struct vq_layout vq_split, vq_packed;

struct vq {
	struct gmem *gmem;              /* [c] */
	const struct vq_host_ops *host; /* [c] */
	void *opaque;                   /* [c] */
	unsigned index;                 /* [c] */
	uint16_t max_size;              /* [c] */
	size_t stride;                  /* [c] bytes from request to request */

	/* from vq_start() to vq_stop() */
	bool up;
	int blocked; /* atomic */
	struct vq_ring ring;
	const struct vq_layout *layout;
	uint64_t generation; /* of the map that areas and windows come from */
	struct vq_area desc, driver, device;
	struct vq_window windows[VQ_WINDOWS];
	unsigned next_window;

	/* where we stand; split: free running, packed: below ring.size, with the wrap counters */
	uint16_t avail_idx, used_idx;
	uint16_t avail_seen; /* split: the driver's index when last read */
	bool avail_wrap, used_wrap;
	uint16_t in_flight;               /* requests */
	uint16_t taken;                   /* ring slots that they occupy (packed) */
	uint16_t staged;                  /* ring slots pushed since the last publish */
	uint16_t first_slot, first_flags; /* packed: what publish makes visible */
	unsigned budget;                  /* pops left in this round */
	bool starved;                     /* a chain waits for a long buffer */
	bool refilled;                    /* and one was given back */

	/* requests: a stack of free slots; slots from fresh on were never used */
	uint8_t *reqs;
	uint16_t *free_slots;
	uint16_t n_free, fresh;

	/* pool for chains longer than VQ_SEGS */
	uint16_t long_room; /* [c] segments of one buffer */
	struct iovec *long_segs;
	gpa_t *long_gpas;
	uint8_t free_long[VQ_LONG];
	uint8_t n_free_long;

	struct vq_desc *table; /* copy of an indirect table, max_size entries */
	struct vq_stats stats;
};

/* ---- ring words: each is loaded once ---- */

static inline uint16_t vq_load16(const void *p)
{
	return __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED);
}

static inline uint32_t vq_load32(const void *p)
{
	return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
}

static inline uint64_t vq_load64(const void *p)
{
	return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
}

/* What the driver has written before it stored this word is seen by the loads that follow. */
static inline uint16_t vq_load16_acquire(const void *p)
{
	return __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE);
}

static inline uint64_t vq_load64_acquire(const void *p)
{
	return __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE);
}

static inline void vq_store16(void *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)p, v, __ATOMIC_RELAXED);
}

static inline void vq_store32(void *p, uint32_t v)
{
	__atomic_store_n((uint32_t *)p, v, __ATOMIC_RELAXED);
}

/* The driver that sees this word sees what was stored before it. */
static inline void vq_store16_release(void *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)p, v, __ATOMIC_RELEASE);
}

/* Between a store to the ring and a load from it that must not pass it. */
static inline void vq_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* ---- from vq.c, for the layouts ---- */

/* The driver broke the ring: blocks the queue, fails the device; returns -EBADMSG. */
int vq_broken(struct vq *q, const char *why);

/* vq_chain_add() for what is not the plain case. */
int vq_chain_add_slow(struct vq *q, struct vq_req *r, uint64_t addr, uint32_t len, bool write);

/*
 * Appends a descriptor's buffer to the chain. -EAGAIN: it needs a long buffer and there is none; -EBADMSG: outside of RAM, too
 * many segments, or readable after writable.
 */
static inline int vq_chain_add(
	struct vq *q, struct vq_req *r, uint64_t addr, uint32_t len, bool write)
{
	const struct vq_window *w = &q->windows[0];
	uint64_t off = addr - w->gpa;
	unsigned i = r->n_out + r->n_in;

	if (unlikely(off >= w->size || len > w->size - off || !len || i >= r->room - VQ_SPLITS ||
		     (write ? !w->writable : r->n_in)))
		return vq_chain_add_slow(q, r, addr, len, write);
	r->segs[i] = (struct iovec){.iov_base = w->hva + off, .iov_len = len};
	r->gpas[i] = GPA(addr);
	if (write) {
		r->n_in++;
		r->in_size += len;
	} else {
		r->n_out++;
		r->out_size += len;
	}
	return 0;
}

/* Copies an indirect table into q->table. Its number of entries, or -EBADMSG. */
int vq_table_load(struct vq *q, uint64_t addr, uint32_t len);

/* Marks ring words that we have written. */
void vq_area_dirty(struct vq *q, const struct vq_area *a, uint64_t off, uint64_t n);

#endif
