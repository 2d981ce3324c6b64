/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest-vq.h - the driver's side of a virtqueue, split or packed, as virtio 1.2 sections 2.7 and 2.8 ask it of a driver.
 *
 * It behaves; a test that wants a hostile driver writes over the ring with guest_write() or a descriptor with
 * guest_vq_set_desc(). Buffers and rings are guest addresses, reached through a gmem. The calling thread is registered with qs.
 */
#ifndef TESTS_LIB_GUEST_VQ_H
#define TESTS_LIB_GUEST_VQ_H

#include "base/gmem.h"

#define GUEST_VQ_MAX 1024

#define GUEST_DESC_NEXT     1
#define GUEST_DESC_WRITE    2
#define GUEST_DESC_INDIRECT 4

/* Guest memory; every byte must be there. */
void guest_write(struct gmem *g, uint64_t gpa, const void *src, size_t n);
void guest_read(struct gmem *g, uint64_t gpa, void *dst, size_t n);
void guest_write16(struct gmem *g, uint64_t gpa, uint16_t v);
uint16_t guest_read16(struct gmem *g, uint64_t gpa);

struct guest_buf {
	uint64_t gpa;
	uint32_t len;
	bool write; /* by the device */
};

struct guest_vq {
	struct gmem *gmem;
	uint16_t size;
	bool packed, event_idx;
	uint64_t desc, driver, device; /* the three areas */

	/* split */
	uint16_t free_head, n_free;
	uint16_t next[GUEST_VQ_MAX];
	uint16_t avail_idx;     /* next to fill */
	uint16_t used_idx;      /* next to look at */
	uint16_t published_idx; /* what the device can see */

	/* packed */
	uint16_t avail_slot, used_slot;
	bool avail_wrap, used_wrap;
	uint16_t first_slot;  /* of what is not published yet */
	uint64_t first_word;  /* its len, id and flags */
	uint16_t unpublished; /* slots */
	uint16_t free_ids[GUEST_VQ_MAX], n_free_ids;

	uint16_t n_desc
		[GUEST_VQ_MAX]; /* ring descriptors of the chain with this id; 0: not in use */
};

/* Bytes that a queue of @size takes at its base, whatever its layout. */
uint64_t guest_vq_bytes(uint16_t size);
/* An empty ring at @base (4 KiB aligned); fills ->desc, ->driver, ->device. */
void guest_vq_init(struct guest_vq *q, struct gmem *g, uint64_t base, uint16_t size, bool packed,
	bool event_idx);

/*
 * Puts a chain into the ring, through an indirect table at @table unless that is 0. Its id, or -1 when the ring has no room. The device
 * sees it after guest_vq_publish().
 */
int guest_vq_add(struct guest_vq *q, const struct guest_buf *bufs, unsigned n, uint64_t table);

/* Makes what was added available. True when the device wants its doorbell rung for it. */
bool guest_vq_publish(struct guest_vq *q);

/* Takes back the next used chain: its id, with the length the device claims in *@len; -1: none. */
int guest_vq_take(struct guest_vq *q, uint32_t *len);

/* Interrupts off, or on: then true means that something was used meanwhile, so look again. */
void guest_vq_disable_interrupts(struct guest_vq *q);
bool guest_vq_enable_interrupts(struct guest_vq *q);

/* For hostile tests: one descriptor of a ring or of an indirect table at @at. */
void guest_vq_set_desc(struct guest_vq *q, uint64_t at, uint64_t addr, uint32_t len, uint16_t flags,
	uint16_t next);

#endif
