/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vq-packed.c - the packed ring, virtio 1.2 section 2.8.
 *
 *	descriptor ring		addr 8, len 4, id 2, flags 2		both write
 *	driver event		off | wrap << 15 2, flags 2		driver writes: when it wants interrupts
 *	device event		the same				device writes: when it wants doorbells
 *
 * A descriptor is available when its AVAIL bit equals the wrap counter and its USED bit does not, and used when both do.
 */
#include "virtio-backends/virtio/vq-internal.h"

#define DESC_AVAIL 0x0080
#define DESC_USED  0x8000

#define EVENT_ENABLE  0
#define EVENT_DISABLE 1
#define EVENT_DESC    2 /* at the descriptor named by off and wrap */
#define EVENT_MASK    3

/* The words of a descriptor: len | id << 32 | flags << 48. */
static inline uint32_t desc_len(const struct vq_desc *d)
{
	return (uint32_t)d->word;
}

static inline uint16_t desc_id(const struct vq_desc *d)
{
	return (uint16_t)(d->word >> 32);
}

static inline uint16_t desc_flags(const struct vq_desc *d)
{
	return (uint16_t)(d->word >> 48);
}

static inline bool is_available(uint16_t flags, bool wrap)
{
	return !!(flags & DESC_AVAIL) == wrap && !!(flags & DESC_USED) != wrap;
}

static inline void step(const struct vq *q, uint16_t *idx, bool *wrap, unsigned n)
{
	unsigned i = *idx + n;

	if (i >= q->ring.size) {
		i -= q->ring.size;
		*wrap = !*wrap;
	}
	*idx = (uint16_t)i;
}

/* Section 2.8.7: a table is a plain sequence, of its flags only WRITE counts. */
static int walk_table(struct vq *q, struct vq_req *r, const struct vq_desc *ref)
{
	int n = vq_table_load(q, ref->addr, desc_len(ref));

	for (int i = 0; i < n; i++) {
		const struct vq_desc *d = &q->table[i];
		int ret = vq_chain_add(q, r, d->addr, desc_len(d), desc_flags(d) & VQ_DESC_WRITE);

		if (ret < 0)
			return ret;
	}
	return n < 0 ? n : 0;
}

/* One descriptor of a chain that lies in the ring. */
static int add_desc(struct vq *q, struct vq_req *r, const struct vq_desc *d)
{
	uint16_t flags = desc_flags(d);

	if (q->taken + q->staged + r->n_desc > q->ring.size)
		return vq_broken(q, "more descriptors available than the ring has");
	if (!(flags & VQ_DESC_INDIRECT))
		return vq_chain_add(q, r, d->addr, desc_len(d), flags & VQ_DESC_WRITE);
	if (!q->ring.indirect)
		return vq_broken(q, "indirect descriptor, not negotiated");
	if (flags & VQ_DESC_NEXT || r->n_desc > 1)
		return vq_broken(q, "indirect descriptor in a chain");
	return walk_table(q, r, d);
}

/* The flags of the first descriptor are the last thing the driver writes of a chain. */
static int packed_pop(struct vq *q, struct vq_req *r)
{
	uint16_t idx = q->avail_idx;
	bool wrap = q->avail_wrap;

	for (;;) {
		const uint8_t *p = q->desc.hva + idx * VQ_DESC_SIZE;
		struct vq_desc d = {.word = vq_load64_acquire(p + 8)};
		int ret;

		if (!is_available(desc_flags(&d), wrap))
			return r->n_desc ? vq_broken(q, "chain runs into a descriptor that is not "
							"available")
					 : 0;
		d.addr = vq_load64(p);
		r->n_desc++;
		ret = add_desc(q, r, &d);
		if (ret < 0)
			return ret;
		step(q, &idx, &wrap, 1);
		if (desc_flags(&d) & VQ_DESC_NEXT)
			continue;
		r->id = desc_id(&d);
		q->avail_idx = idx;
		q->avail_wrap = wrap;
		return 1;
	}
}

static bool packed_has_work(struct vq *q)
{
	return is_available(
		vq_load16_acquire(q->desc.hva + q->avail_idx * VQ_DESC_SIZE + 14), q->avail_wrap);
}

static void packed_unpop(struct vq *q, const struct vq_req *r)
{
	if (q->avail_idx >= r->n_desc) {
		q->avail_idx -= r->n_desc;
		return;
	}
	q->avail_idx = (uint16_t)(q->avail_idx + q->ring.size - r->n_desc);
	q->avail_wrap = !q->avail_wrap;
}

static void packed_push(struct vq *q, const struct vq_req *r, uint32_t written)
{
	unsigned off = q->used_idx * VQ_DESC_SIZE;
	uint8_t *p = q->desc.hva + off;
	uint16_t flags = (q->used_wrap ? DESC_AVAIL | DESC_USED : 0) |
			 (written ? VQ_DESC_WRITE : 0);

	vq_store32(p + 8, written);
	vq_store16(p + 12, r->id);
	if (q->staged) {
		vq_store16(p + 14, flags);
	} else {
		/* The driver looks at used descriptors in order: as long as it cannot see this one, it sees none. */
		q->first_slot = q->used_idx;
		q->first_flags = flags;
	}
	vq_area_dirty(q, &q->desc, off, VQ_DESC_SIZE);
	step(q, &q->used_idx, &q->used_wrap, r->n_desc);
	q->staged += r->n_desc;
}

static void packed_publish(struct vq *q)
{
	unsigned off = q->first_slot * VQ_DESC_SIZE;

	vq_store16_release(q->desc.hva + off + 14, q->first_flags);
	vq_area_dirty(q, &q->desc, off, VQ_DESC_SIZE);
}

/* A place in the ring, with the wrap counter, as one number below twice the size. */
static inline unsigned linear(const struct vq *q, unsigned idx, bool wrap)
{
	return idx + (wrap ? 0 : q->ring.size);
}

/* Section 2.8.10: the driver names the descriptor whose use it wants to hear of. */
static bool packed_interrupt_wanted(struct vq *q)
{
	uint32_t event = vq_load32(q->driver.hva);
	unsigned flags = event >> 16 & EVENT_MASK;
	unsigned twice = 2u * q->ring.size;
	unsigned first, at;

	if (flags != EVENT_DESC || !q->ring.event_idx)
		return flags != EVENT_DISABLE;
	at = linear(q, event & (VQ_WRAP - 1), event & VQ_WRAP);
	first = linear(q, q->used_idx, q->used_wrap) + twice - q->staged;
	return (at + twice - first % twice) % twice < q->staged;
}

static void packed_kick_disable(struct vq *q)
{
	vq_store32(q->device.hva, EVENT_DISABLE << 16);
	vq_area_dirty(q, &q->device, 0, 4);
}

static void packed_kick_enable(struct vq *q)
{
	uint32_t event = EVENT_ENABLE << 16;

	if (q->ring.event_idx)
		event = EVENT_DESC << 16 | (q->avail_wrap ? VQ_WRAP : 0) | q->avail_idx;
	vq_store32(q->device.hva, event);
	vq_area_dirty(q, &q->device, 0, 4);
}

const struct vq_layout vq_packed = {
	.pop = packed_pop,
	.has_work = packed_has_work,
	.unpop = packed_unpop,
	.push = packed_push,
	.publish = packed_publish,
	.interrupt_wanted = packed_interrupt_wanted,
	.kick_disable = packed_kick_disable,
	.kick_enable = packed_kick_enable,
};
