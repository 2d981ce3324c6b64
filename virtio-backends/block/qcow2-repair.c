/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lazy refcounts: an image that was not closed has tables that are right and counts that may not be. */
#include <endian.h>
#include <errno.h>

#include "base/error.h"
#include "virtio-backends/block/qcow2.h"

struct counts {
	uint16_t *n; /* saturating */
	uint64_t clusters;
};

static void count(struct counts *c, uint64_t cluster)
{
	if (cluster < c->clusters && c->n[cluster] < UINT16_MAX)
		c->n[cluster]++;
}

static void count_entry(const struct qcow2 *q2, struct counts *c, uint64_t entry)
{
	uint64_t offset, len;

	if (entry & L2_COMPRESSED) {
		qcow2_compressed_range(q2, entry, &offset, &len);
		for (uint64_t i = offset >> q2->cluster_bits;
			i <= (offset + len - 1) >> q2->cluster_bits; i++)
			count(c, i);
	} else if (entry & L2_OFFSET) {
		count(c, (entry & L2_OFFSET) >> q2->cluster_bits);
	}
}

static int count_data(struct qcow2 *q2, struct counts *c)
{
	struct table *t;
	int err = 0;

	for (uint64_t i = 0; i < q2->l1_size && err >= 0; i++) {
		err = qcow2_l2_get(q2, i, false, &t);
		for (uint64_t e = 0; err >= 0 && t && e < q2->l2_entries; e++)
			count_entry(q2, c, be64toh(t->data[e * q2->entry_words]));
	}
	return err;
}

static int correct(struct qcow2 *q2, const struct counts *c)
{
	uint64_t bits = UINT64_C(1) << q2->refcount_order, have;
	uint64_t max = bits >= 16 ? UINT16_MAX : (UINT64_C(1) << bits) - 1;
	int err = 0;

	for (uint64_t i = 0; i < c->clusters && err >= 0; i++) {
		err = qcow2_refcount(q2, i, &have);
		if (err >= 0 && have != MIN(c->n[i], max))
			err = qcow2_refcount_set(q2, i, MIN(c->n[i], max));
	}
	return err;
}

static int repair(struct qcow2 *q2, struct counts *c)
{
	int err;

	for (unsigned i = 0; i < q2->metadata->len; i++)
		count(c, g_array_index(q2->metadata, uint64_t, i));
	err = count_data(q2, c);
	if (err >= 0)
		err = correct(q2, c);
	if (err >= 0)
		err = qcow2_commit(q2);
	q2->incompat &= ~INCOMPAT_DIRTY;
	if (err >= 0)
		err = qcow2_header_write(q2);
	return err >= 0 ? qcow2_flush_file(q2) : err;
}

bool qcow2_repair(struct qcow2 *q2, GError **error)
{
	struct counts c = {.clusters = q2->end};
	int err;

	if (q2->snapshots || c.clusters > QCOW2_REPAIR_MAX)
		return err_set(error, VMMD_ERROR_UNSUPPORTED,
			"%s: the image was not closed and has snapshots or is too large to be "
			"repaired here: run qemu-img check -r all",
			q2->node.name);
	c.n = g_try_new0(uint16_t, c.clusters);
	err = c.n ? repair(q2, &c) : -ENOMEM;
	g_free(c.n);
	return err >= 0 || err_set_errno(error, -err,
				   "%s: the image was not closed and its refcounts cannot be "
				   "repaired (qemu-img check -r all may)",
				   q2->node.name);
}
