/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vq-split.c - the split ring, virtio 1.2 section 2.7.
 *
 *	descriptor table	addr 8, len 4, flags 2, next 2				driver writes
 *	available ring		flags 2, idx 2, head 2 × size, used_event 2		driver writes
 *	used ring		flags 2, idx 2, (id 4, len 4) × size, avail_event 2	device writes
 */
#include "virtio-backends/virtio/vq-internal.h"

#define AVAIL_FLAGS        0
#define AVAIL_IDX          2
#define AVAIL_RING(i)      (4 + 2 * (i))
#define AVAIL_NO_INTERRUPT 0x0001

#define USED_FLAGS     0
#define USED_IDX       2
#define USED_RING(i)   (4 + 8 * (i))
#define USED_NO_NOTIFY 0x0001

/* The words of a descriptor: len | flags << 32 | next << 48. */
static inline uint32_t desc_len(const struct vq_desc *d)
{
	return (uint32_t)d->word;
}

static inline uint16_t desc_flags(const struct vq_desc *d)
{
	return (uint16_t)(d->word >> 32);
}

static inline uint16_t desc_next(const struct vq_desc *d)
{
	return (uint16_t)(d->word >> 48);
}

static inline unsigned ring_slot(const struct vq *q, uint16_t idx)
{
	return idx & (q->ring.size - 1u);
}

/* How many heads wait. The driver cannot have made more buffers available than it has back. */
static int split_pending(struct vq *q)
{
	uint16_t pending = (uint16_t)(q->avail_seen - q->avail_idx);

	if (pending)
		return pending;
	q->avail_seen = vq_load16_acquire(q->driver.hva + AVAIL_IDX);
	pending = (uint16_t)(q->avail_seen - q->avail_idx);
	if (unlikely(pending + q->in_flight + q->staged > q->ring.size)) {
		q->avail_seen = q->avail_idx;
		return vq_broken(q, "available index beyond the ring");
	}
	return pending;
}

/* Section 2.7.5.3: a table is chained like the ring, and does not nest. */
static int walk_table(struct vq *q, struct vq_req *r, const struct vq_desc *ref)
{
	int n = vq_table_load(q, ref->addr, desc_len(ref));
	unsigned i = 0;

	for (int seen = 0; n > 0; seen++) {
		const struct vq_desc *d = &q->table[i];
		uint16_t flags = desc_flags(d);
		int ret;

		if (seen == n)
			return vq_broken(q, "loop in an indirect table");
		if (flags & VQ_DESC_INDIRECT)
			return vq_broken(q, "indirect descriptor in an indirect table");
		ret = vq_chain_add(q, r, d->addr, desc_len(d), flags & VQ_DESC_WRITE);
		if (ret < 0)
			return ret;
		if (!(flags & VQ_DESC_NEXT))
			return 0;
		i = desc_next(d);
		if (i >= (unsigned)n)
			return vq_broken(q, "next beyond the indirect table");
	}
	return n;
}

static int walk(struct vq *q, struct vq_req *r, unsigned i)
{
	for (unsigned seen = 0; seen < q->ring.size; seen++) {
		const uint8_t *p = q->desc.hva + i * VQ_DESC_SIZE;
		struct vq_desc d = {.addr = vq_load64(p), .word = vq_load64(p + 8)};
		uint16_t flags = desc_flags(&d);
		int ret;

		if (flags & VQ_DESC_INDIRECT) {
			if (!q->ring.indirect)
				return vq_broken(q, "indirect descriptor, not negotiated");
			if (flags & VQ_DESC_NEXT)
				return vq_broken(q, "indirect descriptor with a next one");
			return walk_table(q, r, &d);
		}
		ret = vq_chain_add(q, r, d.addr, desc_len(&d), flags & VQ_DESC_WRITE);
		if (ret < 0)
			return ret;
		if (!(flags & VQ_DESC_NEXT))
			return 0;
		i = desc_next(&d);
		if (i >= q->ring.size)
			return vq_broken(q, "next beyond the ring");
	}
	return vq_broken(q, "loop in a chain");
}

static int split_pop(struct vq *q, struct vq_req *r)
{
	int ret = split_pending(q);

	if (ret <= 0)
		return ret;
	r->id = vq_load16(q->driver.hva + AVAIL_RING(ring_slot(q, q->avail_idx)));
	if (r->id >= q->ring.size)
		return vq_broken(q, "head beyond the ring");
	ret = walk(q, r, r->id);
	if (ret < 0)
		return ret;
	q->avail_idx++;
	return 1;
}

static bool split_has_work(struct vq *q)
{
	return split_pending(q) > 0;
}

static void split_unpop(struct vq *q, const struct vq_req *r)
{
	q->avail_idx--;
}

static void split_push(struct vq *q, const struct vq_req *r, uint32_t written)
{
	unsigned off = USED_RING(ring_slot(q, q->used_idx));

	vq_store32(q->device.hva + off, r->id);
	vq_store32(q->device.hva + off + 4, written);
	vq_area_dirty(q, &q->device, off, 8);
	q->used_idx++;
	q->staged++;
}

static void split_publish(struct vq *q)
{
	vq_store16_release(q->device.hva + USED_IDX, q->used_idx);
	vq_area_dirty(q, &q->device, USED_IDX, 2);
}

/* Sections 2.7.7 and 2.7.10: with event index, when the index the driver named lies among those just published. */
static bool split_interrupt_wanted(struct vq *q)
{
	uint16_t event;

	if (!q->ring.event_idx)
		return !(vq_load16(q->driver.hva + AVAIL_FLAGS) & AVAIL_NO_INTERRUPT);
	event = vq_load16(q->driver.hva + AVAIL_RING(q->ring.size));
	return (uint16_t)(q->used_idx - event - 1) < q->staged;
}

static void split_kick_disable(struct vq *q)
{
	/* With event index the driver rings only when it passes avail_event, which we leave behind. */
	if (q->ring.event_idx)
		return;
	vq_store16(q->device.hva + USED_FLAGS, USED_NO_NOTIFY);
	vq_area_dirty(q, &q->device, USED_FLAGS, 2);
}

static void split_kick_enable(struct vq *q)
{
	unsigned off = q->ring.event_idx ? USED_RING(q->ring.size) : USED_FLAGS;

	vq_store16(q->device.hva + off, q->ring.event_idx ? q->avail_idx : 0);
	vq_area_dirty(q, &q->device, off, 2);
}

const struct vq_layout vq_split = {
	.pop = split_pop,
	.has_work = split_has_work,
	.unpop = split_unpop,
	.push = split_push,
	.publish = split_publish,
	.interrupt_wanted = split_interrupt_wanted,
	.kick_disable = split_kick_disable,
	.kick_enable = split_kick_enable,
};
