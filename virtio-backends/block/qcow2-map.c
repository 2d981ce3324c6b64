/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/block/qcow2.h"

#include <endian.h>

uint64_t qcow2_l1_needed(const struct qcow2 *q2, uint64_t size)
{
	uint64_t span = q2->cluster_size * q2->l2_entries;

	return size / span + (size % span != 0);
}

static uint64_t word(const uint64_t *data, uint64_t i)
{
	return be64toh(__atomic_load_n(&data[i], __ATOMIC_RELAXED));
}

void qcow2_compressed_range(
	const struct qcow2 *q2, uint64_t entry, uint64_t *ret_offset, uint64_t *ret_len)
{
	unsigned shift = 62 - (q2->cluster_bits - 8);
	uint64_t sectors = (entry & ~(L2_COPIED | L2_COMPRESSED)) >> shift;

	*ret_offset = entry & ((UINT64_C(1) << shift) - 1);
	*ret_len = (sectors + 1) * 512 - (*ret_offset & 511);
}

/* One unit of mapping. */
struct unit {
	enum extent_type type;
	uint64_t host; /* of its first byte */
	bool in_place;
};

static enum extent_type subcluster_type(uint64_t entry, uint64_t bitmap, unsigned sub)
{
	bool allocated = bitmap >> sub & 1, zero = bitmap >> (32 + sub) & 1;

	if (allocated && zero)
		return EXTENT_BAD;
	if (zero)
		return EXTENT_ZERO;
	if (!allocated)
		return EXTENT_NONE;
	return entry & L2_OFFSET ? EXTENT_DATA : EXTENT_BAD;
}

static struct unit unit_at(const struct qcow2 *q2, const uint64_t *data, uint64_t offset)
{
	uint64_t index = (offset >> q2->cluster_bits) % q2->l2_entries;
	uint64_t entry = word(data, index * q2->entry_words);
	uint64_t in_cluster = align_down(offset & (q2->cluster_size - 1), q2->unit);
	struct unit u = {.in_place = entry & L2_COPIED};

	if (entry & L2_COMPRESSED)
		return (struct unit){.type = EXTENT_COMPRESSED, .host = entry};
	if (q2->extended)
		u.type = subcluster_type(entry, word(data, index * 2 + 1), in_cluster / q2->unit);
	else if (entry & L2_ZERO)
		u.type = EXTENT_ZERO;
	else
		u.type = entry & L2_OFFSET ? EXTENT_DATA : EXTENT_NONE;
	u.host = (entry & L2_OFFSET) + in_cluster;
	return u;
}

static bool goes_on(const struct unit *first, const struct unit *u, uint64_t distance)
{
	if (u->type != first->type)
		return false;
	return first->type != EXTENT_DATA ||
	       (u->host == first->host + distance && u->in_place == first->in_place);
}

struct extent qcow2_extent_in(
	const struct qcow2 *q2, const uint64_t *data, uint64_t offset, uint64_t len)
{
	uint64_t span = q2->cluster_size * q2->l2_entries, start = align_down(offset, q2->unit);
	uint64_t stop = MIN(offset + len, (offset / span + 1) * span);
	struct unit first = unit_at(q2, data, start), u;
	uint64_t at = start + q2->unit;
	struct extent e = {.type = first.type, .host = first.host, .in_place = first.in_place};

	if (first.type == EXTENT_COMPRESSED) {
		at = align_down(offset, q2->cluster_size) + q2->cluster_size;
	} else {
		for (; at < stop; at += q2->unit) {
			u = unit_at(q2, data, at);
			if (!goes_on(&first, &u, at - start))
				break;
		}
	}
	if (first.type == EXTENT_DATA)
		e.host += offset - start;
	e.len = MIN(at, stop) - offset;
	return e;
}

bool qcow2_lookup(struct qcow2 *q2, uint64_t offset, uint64_t len, struct extent *ret)
{
	uint64_t span = q2->cluster_size * q2->l2_entries;
	int64_t index = offset / span;
	struct table *t = &q2->l2.tables[index % q2->l2.sets * QCOW2_WAYS];

	if (!__atomic_load_n(&q2->l1[index], __ATOMIC_ACQUIRE)) {
		*ret = (struct extent){.len = MIN(len, span - offset % span)};
		return true;
	}
	for (unsigned i = 0; i < QCOW2_WAYS; i++, t++) {
		uint32_t seq = __atomic_load_n(&t->seq, __ATOMIC_ACQUIRE);

		if (seq & 1 || __atomic_load_n(&t->index, __ATOMIC_RELAXED) != index)
			continue;
		*ret = qcow2_extent_in(q2, t->data, offset, len);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&t->seq, __ATOMIC_RELAXED) != seq)
			return false;
		if (!__atomic_load_n(&t->used, __ATOMIC_RELAXED))
			__atomic_store_n(&t->used, 1, __ATOMIC_RELAXED);
		return true;
	}
	return false;
}

/* ---- what a table from the file may say ------------------------------------------------------ */

static bool in_image(const struct qcow2 *q2, uint64_t offset, uint64_t len)
{
	return range_fits(offset, len, q2->end << q2->cluster_bits);
}

static bool compressed_valid(const struct qcow2 *q2, uint64_t entry)
{
	uint64_t offset, len;

	qcow2_compressed_range(q2, entry, &offset, &len);
	return offset >= q2->cluster_size && offset < q2->end << q2->cluster_bits;
}

static bool entry_valid(const struct qcow2 *q2, uint64_t entry, uint64_t bitmap)
{
	uint64_t host = entry & L2_OFFSET;
	uint64_t reserved = ~(L2_OFFSET | L2_COPIED | L2_COMPRESSED | L2_ZERO);

	if (entry & L2_COMPRESSED)
		return !bitmap && !(entry & L2_COPIED) && compressed_valid(q2, entry);
	if (q2->extended || q2->version < 3)
		reserved |= L2_ZERO;
	if (entry & reserved || host & (q2->cluster_size - 1))
		return false;
	if (bitmap & (bitmap >> 32) & UINT32_MAX || (!host && bitmap & UINT32_MAX))
		return false;
	return !host || (in_image(q2, host, q2->cluster_size) &&
				!qcow2_is_metadata(q2, host >> q2->cluster_bits));
}

bool qcow2_l2_valid(const struct qcow2 *q2, const uint64_t *data)
{
	for (uint64_t i = 0; i < q2->l2_entries; i++) {
		uint64_t entry = word(data, i * q2->entry_words);
		uint64_t bitmap = q2->extended ? word(data, i * 2 + 1) : 0;

		if (!entry_valid(q2, entry, bitmap))
			return false;
	}
	return true;
}
