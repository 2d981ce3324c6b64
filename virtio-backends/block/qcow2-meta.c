/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/block/qcow2.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RANGES_MAX   65536     /* remembered of clusters to be freed; more are leaked */
#define SKIP_MAX     (1 << 20) /* clusters behind the end that are in use all the same */
#define OFFSET_LIMIT (UINT64_C(1) << 55)

/* ---- calls that wait ------------------------------------------------------------------------- */

struct waiting_io {
	struct blk_req r;
	bool done;
};

static void io_done(struct blk_req *r)
{
	container_of(r, struct waiting_io, r)->done = true;
}

int qcow2_io(
	struct qcow2 *q2, struct edge_queue *q, enum blk_op op, uint64_t offset, struct giov data)
{
	struct waiting_io io = {
		.r = {.op = op, .offset = offset, .len = data.size, .data = data, .done = io_done}};

	edge_submit(q, &io.r);
	edge_commit(q);
	while (!io.done)
		loop_iterate(q2->loop, -1);
	return io.r.result;
}

int qcow2_read(struct qcow2 *q2, uint64_t offset, void *buf, size_t n)
{
	struct iovec seg;

	return qcow2_io(q2, &q2->file_queue, BLK_READ, offset, giov_from_buf(&seg, buf, n));
}

int qcow2_write(struct qcow2 *q2, uint64_t offset, const void *buf, size_t n)
{
	struct iovec seg;

	return qcow2_io(
		q2, &q2->file_queue, BLK_WRITE, offset, giov_from_buf(&seg, (void *)buf, n));
}

int qcow2_flush_file(struct qcow2 *q2)
{
	return qcow2_io(q2, &q2->file_queue, BLK_FLUSH, 0, (struct giov){});
}

/* ---- the caches ------------------------------------------------------------------------------ */

void qcow2_cache_init(struct table_cache *c, const struct qcow2 *q2, uint64_t bytes)
{
	c->sets = MAX(bytes / q2->cluster_size / QCOW2_WAYS, 1);
	c->tables = g_new0(struct table, c->sets * QCOW2_WAYS);
	for (unsigned i = 0; i < c->sets * QCOW2_WAYS; i++)
		c->tables[i].index = -1;
}

void qcow2_cache_done(struct table_cache *c)
{
	for (unsigned i = 0; c->tables && i < c->sets * QCOW2_WAYS; i++)
		free(c->tables[i].data);
	g_free(c->tables);
}

void qcow2_table_change(struct table *t)
{
	__atomic_store_n(&t->seq, t->seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void qcow2_table_changed(struct table *t)
{
	__atomic_store_n(&t->seq, t->seq + 1, __ATOMIC_RELEASE);
}

static struct table *cache_find(struct table_cache *c, int64_t index)
{
	struct table *t = &c->tables[index % c->sets * QCOW2_WAYS];

	for (unsigned i = 0; i < QCOW2_WAYS; i++, t++) {
		if (t->index == index) {
			__atomic_store_n(&t->used, 1, __ATOMIC_RELAXED);
			return t;
		}
	}
	return NULL;
}

/* Second chance: the first that nobody used since the hand came by. */
static struct table *cache_victim(struct table_cache *c, int64_t index)
{
	struct table *set = &c->tables[index % c->sets * QCOW2_WAYS], *t;

	for (unsigned i = 0; i < QCOW2_WAYS; i++) {
		if (set[i].index < 0)
			return &set[i];
	}
	for (;;) {
		t = &set[c->hand++ % QCOW2_WAYS];
		if (c->hand % (2 * QCOW2_WAYS) == 0 || !t->used)
			return t;
		__atomic_store_n(&t->used, 0, __ATOMIC_RELAXED);
	}
}

/* Reads @host into @t, or zeroes it if @host is 0. */
static int table_fill(struct qcow2 *q2, struct table *t, int64_t index, uint64_t host)
{
	void *p = t->data;
	int err = 0;

	if (!p && posix_memalign(&p, 4096, q2->cluster_size))
		return -ENOMEM;
	t->data = p;
	qcow2_table_change(t);
	__atomic_store_n(&t->index, -1, __ATOMIC_RELAXED);
	if (host)
		err = qcow2_read(q2, host, p, q2->cluster_size);
	else
		memset(p, 0, q2->cluster_size);
	t->dirty = false;
	if (err >= 0)
		__atomic_store_n(&t->index, index, __ATOMIC_RELAXED);
	qcow2_table_changed(t);
	return err;
}

static void table_drop(struct table *t)
{
	qcow2_table_change(t);
	__atomic_store_n(&t->index, -1, __ATOMIC_RELAXED);
	t->dirty = false;
	qcow2_table_changed(t);
}

static int table_write(struct qcow2 *q2, struct table *t, uint64_t host)
{
	int err = qcow2_write(q2, host, t->data, q2->cluster_size);

	if (err >= 0)
		t->dirty = false;
	return err;
}

static void set_dirty(struct qcow2 *q2, struct table *t)
{
	t->dirty = true;
	__atomic_store_n(&q2->dirty, 1, __ATOMIC_RELEASE);
}

/* ---- clusters with tables -------------------------------------------------------------------- */

static unsigned metadata_pos(const struct qcow2 *q2, uint64_t cluster)
{
	unsigned lo = 0, hi = q2->metadata->len;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (g_array_index(q2->metadata, uint64_t, mid) < cluster)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool qcow2_is_metadata(const struct qcow2 *q2, uint64_t cluster)
{
	unsigned i = metadata_pos(q2, cluster);

	return i < q2->metadata->len && g_array_index(q2->metadata, uint64_t, i) == cluster;
}

bool qcow2_metadata_add(struct qcow2 *q2, uint64_t cluster)
{
	if (qcow2_is_metadata(q2, cluster))
		return false;
	g_array_insert_val(q2->metadata, metadata_pos(q2, cluster), cluster);
	return true;
}

static void metadata_remove(struct qcow2 *q2, uint64_t cluster)
{
	if (qcow2_is_metadata(q2, cluster))
		g_array_remove_index(q2->metadata, metadata_pos(q2, cluster));
}

/* ---- refcounts ------------------------------------------------------------------------------- */

static void reftable_changed(struct qcow2 *q2, uint64_t index)
{
	if (q2->reftable_lo >= q2->reftable_hi)
		q2->reftable_lo = index;
	q2->reftable_lo = MIN(q2->reftable_lo, index);
	q2->reftable_hi = MAX(q2->reftable_hi, index + 1);
	__atomic_store_n(&q2->dirty, 1, __ATOMIC_RELEASE);
}

/* At the end, where nothing can be. */
static int append(struct qcow2 *q2, uint64_t n, uint64_t *ret_first)
{
	if (q2->end + n > OFFSET_LIMIT >> q2->cluster_bits)
		return -ENOSPC;
	*ret_first = q2->end;
	q2->end += n;
	return 0;
}

/* A longer table elsewhere; the header leads there with the next commit. */
static int reftable_grow(struct qcow2 *q2, uint64_t entries)
{
	uint64_t n = align_up(MAX(entries, q2->reftable_entries * 2) * 8, q2->cluster_size);
	uint64_t old_bytes = q2->reftable_entries * 8, first, *grown;
	int err = n > QCOW2_REFTABLE_MAX ? -ENOSPC : append(q2, n >> q2->cluster_bits, &first);

	if (err < 0)
		return err;
	grown = g_try_malloc0(n);
	if (!grown)
		return -ENOMEM;
	memcpy(grown, q2->reftable, old_bytes);
	g_free(q2->reftable);
	for (uint64_t i = 0; i < old_bytes >> q2->cluster_bits; i++)
		metadata_remove(q2, (q2->reftable_offset >> q2->cluster_bits) + i);
	qcow2_unlink(q2, q2->reftable_offset, old_bytes >> q2->cluster_bits);
	q2->reftable = grown;
	q2->reftable_entries = n / 8;
	q2->reftable_offset = first << q2->cluster_bits;
	q2->reftable_moved = true;
	reftable_changed(q2, 0);
	for (uint64_t i = 0; i < n >> q2->cluster_bits && err >= 0; i++) {
		qcow2_metadata_add(q2, first + i);
		err = qcow2_refcount_set(q2, first + i, 1);
	}
	return err;
}

/* An empty slot of the cache for the refcount block of @index. A dirty one may be written at any time: no count in it is too low. */
static int refblock_slot(struct qcow2 *q2, uint64_t index, uint64_t host, struct table **ret)
{
	struct table *t = cache_victim(&q2->refblocks, index);
	int err = 0;

	if (t->dirty)
		err = table_write(q2, t, q2->reftable[t->index]);
	if (err >= 0)
		err = table_fill(q2, t, index, host);
	*ret = t;
	return err;
}

static int refblock_create(struct qcow2 *q2, uint64_t index, struct table **ret)
{
	uint64_t cluster;
	int err = index < q2->reftable_entries ? 0 : reftable_grow(q2, index + 1);

	if (err < 0 || (index < q2->reftable_entries && q2->reftable[index]))
		return err;
	err = append(q2, 1, &cluster);
	if (err >= 0)
		err = refblock_slot(q2, index, 0, ret);
	if (err < 0)
		return err;
	set_dirty(q2, *ret);
	q2->reftable[index] = cluster << q2->cluster_bits;
	reftable_changed(q2, index);
	qcow2_metadata_add(q2, cluster);
	return qcow2_refcount_set(q2, cluster, 1);
}

/* *@ret NULL: there is none, its counts are 0. */
static int refblock_get(struct qcow2 *q2, uint64_t index, struct table **ret)
{
	*ret = cache_find(&q2->refblocks, index);
	if (*ret || index >= q2->reftable_entries || !q2->reftable[index])
		return 0;
	return refblock_slot(q2, index, q2->reftable[index], ret);
}

static uint64_t count_get(const struct qcow2 *q2, const void *block, uint64_t i)
{
	unsigned bits = 1u << q2->refcount_order;
	const uint8_t *p = (const uint8_t *)block + i * bits / 8;

	switch (q2->refcount_order) {
	case 3: return *p;
	case 4: return p[0] << 8 | p[1];
	case 5: return be32toh(*(const uint32_t *)p);
	case 6: return be64toh(*(const uint64_t *)p);
	default: return *p >> (i * bits % 8) & ((1u << bits) - 1);
	}
}

static void count_set(const struct qcow2 *q2, void *block, uint64_t i, uint64_t n)
{
	unsigned bits = 1u << q2->refcount_order, shift = i * bits % 8;
	uint8_t *p = (uint8_t *)block + i * bits / 8;

	switch (q2->refcount_order) {
	case 3: *p = n; break;
	case 4:
		p[0] = n >> 8;
		p[1] = n;
		break;
	case 5: *(uint32_t *)p = htobe32(n); break;
	case 6: *(uint64_t *)p = htobe64(n); break;
	default: *p = (*p & ~(((1u << bits) - 1) << shift)) | n << shift; break;
	}
}

int qcow2_refcount(struct qcow2 *q2, uint64_t cluster, uint64_t *ret)
{
	struct table *t;
	int err = refblock_get(q2, cluster / q2->refblock_entries, &t);

	if (err >= 0)
		*ret = t ? count_get(q2, t->data, cluster % q2->refblock_entries) : 0;
	return err;
}

int qcow2_refcount_set(struct qcow2 *q2, uint64_t cluster, uint64_t n)
{
	uint64_t index = cluster / q2->refblock_entries;
	struct table *t = NULL;
	int err = refblock_get(q2, index, &t);

	if (err >= 0 && !t) {
		err = refblock_create(q2, index, &t);
		/* What it needed itself may have pushed it out. */
		if (err >= 0)
			err = refblock_get(q2, index, &t);
	}
	if (err < 0)
		return err;
	count_set(q2, t->data, cluster % q2->refblock_entries, n);
	set_dirty(q2, t);
	return 0;
}

/* ---- clusters to give and take --------------------------------------------------------------- */

static void remember(GArray *ranges, uint64_t first, uint64_t n)
{
	struct range *last = ranges->len ? &g_array_index(ranges, struct range, ranges->len - 1)
					 : NULL;
	struct range r = {first, n};

	if (last && last->first + last->n == first)
		last->n += n;
	else if (ranges->len < RANGES_MAX)
		g_array_append_val(ranges, r);
}

void qcow2_unlink(struct qcow2 *q2, uint64_t offset, uint64_t n)
{
	remember(q2->unlinked, offset >> q2->cluster_bits, n);
	__atomic_store_n(&q2->dirty, 1, __ATOMIC_RELEASE);
}

static int decrement(struct qcow2 *q2, uint64_t cluster)
{
	uint64_t n;
	int err = qcow2_refcount(q2, cluster, &n);

	if (err < 0 || !n)
		return err;
	err = qcow2_refcount_set(q2, cluster, n - 1);
	if (err >= 0 && n == 1)
		remember(q2->free_clusters, cluster, 1);
	return err;
}

static bool grace_over(struct qcow2 *q2)
{
	unsigned parity = (q2->epoch - 1) & 1;
	bool over = true;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	pthread_mutex_lock(&q2->lock);
	for (struct qcow2_queue *q = q2->queues; q; q = q->next)
		over &= !__atomic_load_n(&q->active[parity], __ATOMIC_ACQUIRE);
	pthread_mutex_unlock(&q2->lock);
	return over;
}

/* A count that cannot be read or written leaves its cluster in use: a leak, no harm. */
static void grace_end(struct qcow2 *q2)
{
	if (!q2->grace->len || !grace_over(q2))
		return;
	for (unsigned i = 0; i < q2->grace->len; i++) {
		struct range r = g_array_index(q2->grace, struct range, i);

		for (uint64_t c = 0; c < r.n; c++) {
			if (decrement(q2, r.first + c) < 0)
				break;
		}
	}
	g_array_set_size(q2->grace, 0);
}

/* The file no longer maps what was unlinked; requests under way may. */
static void grace_begin(struct qcow2 *q2)
{
	GArray *empty = q2->grace;

	grace_end(q2);
	if (q2->grace->len || !q2->unlinked->len)
		return;
	q2->grace = q2->unlinked;
	q2->unlinked = empty;
	__atomic_store_n(&q2->epoch, q2->epoch + 1, __ATOMIC_SEQ_CST);
	grace_end(q2);
}

/* Looks at one refcount block more for clusters that an earlier session has left. */
static void scan_some(struct qcow2 *q2)
{
	uint64_t stop = MIN(q2->end, (q2->scan / q2->refblock_entries + 1) * q2->refblock_entries);
	uint64_t n;

	for (; q2->scan < stop; q2->scan++) {
		if (qcow2_refcount(q2, q2->scan, &n) >= 0 && !n && !qcow2_is_metadata(q2, q2->scan))
			remember(q2->free_clusters, q2->scan, 1);
	}
}

/* How many clusters from @first on nobody uses, at most @n; or -errno. */
static int64_t count_free(struct qcow2 *q2, uint64_t first, uint64_t n)
{
	uint64_t i, count;

	for (i = 0; i < n; i++) {
		int err = qcow2_refcount(q2, first + i, &count);

		if (err < 0)
			return err;
		if (count || qcow2_is_metadata(q2, first + i))
			break;
	}
	return i;
}

/* False: none of that length is known. */
static bool take_free(struct qcow2 *q2, uint64_t n, uint64_t *ret_first)
{
	while (q2->free_clusters->len) {
		struct range *r = &g_array_index(
			q2->free_clusters, struct range, q2->free_clusters->len - 1);
		uint64_t first = r->first;

		if (r->n < n)
			return false;
		r->first += n;
		r->n -= n;
		if (!r->n)
			g_array_set_size(q2->free_clusters, q2->free_clusters->len - 1);
		if (count_free(q2, first, n) == (int64_t)n) {
			*ret_first = first;
			return true;
		}
	}
	return false;
}

/* Counts may say that what is behind the end is in use: it is passed over. */
static int take_end(struct qcow2 *q2, uint64_t n, uint64_t *ret_first)
{
	uint64_t limit = q2->end + SKIP_MAX;

	while (q2->end < limit) {
		int64_t got = count_free(q2, q2->end, n);

		if (got < 0)
			return got;
		if (got == (int64_t)n)
			return append(q2, n, ret_first);
		q2->end += got + 1;
	}
	return -EIO;
}

int qcow2_alloc(struct qcow2 *q2, uint64_t n, uint64_t *ret_offset)
{
	uint64_t first;
	int err = 0;

	grace_end(q2);
	if (!q2->free_clusters->len)
		scan_some(q2);
	if (!take_free(q2, n, &first))
		err = take_end(q2, n, &first);
	for (uint64_t i = 0; i < n && err >= 0; i++)
		err = qcow2_refcount_set(q2, first + i, 1);
	*ret_offset = first << q2->cluster_bits;
	return err;
}

/* ---- L2 tables ------------------------------------------------------------------------------- */

/* A clean slot with the table at @host in it, or zeroes. */
static int l2_slot(struct qcow2 *q2, uint64_t index, uint64_t host, struct table **ret)
{
	struct table *t = cache_victim(&q2->l2, index);
	int err = t->dirty ? qcow2_commit(q2) : 0;

	if (err >= 0)
		err = table_fill(q2, t, index, host);
	if (err >= 0 && host && !qcow2_l2_valid(q2, t->data)) {
		table_drop(t);
		err = -EIO;
	}
	*ret = t;
	return err;
}

/* The table moves to a cluster of its own; @t holds its content. */
static int l2_place(struct qcow2 *q2, uint64_t index, struct table *t)
{
	uint64_t old = q2->l1[index] & L2_OFFSET, offset;
	int err = qcow2_alloc(q2, 1, &offset);

	if (err < 0)
		return err;
	qcow2_metadata_add(q2, offset >> q2->cluster_bits);
	if (old) {
		metadata_remove(q2, old >> q2->cluster_bits);
		qcow2_unlink(q2, old, 1);
	}
	set_dirty(q2, t);
	g_array_append_val(q2->l1_dirty, index);
	__atomic_store_n(&q2->l1[index], offset | L2_COPIED, __ATOMIC_RELEASE);
	return 0;
}

int qcow2_l2_get(struct qcow2 *q2, uint64_t index, bool create, struct table **ret)
{
	uint64_t entry = q2->l1[index];
	int err = 0;

	*ret = NULL;
	if (!entry && !create)
		return 0;
	*ret = cache_find(&q2->l2, index);
	if (!*ret)
		err = l2_slot(q2, index, entry & L2_OFFSET, ret);
	if (err >= 0 && create && !(entry & L2_COPIED)) {
		err = l2_place(q2, index, *ret);
		if (err < 0 && !entry)
			table_drop(*ret);
	}
	return err;
}

/* ---- commit ---------------------------------------------------------------------------------- */

/* Entries [@lo, @hi) of a table in memory, in chunks. */
static int words_write(
	struct qcow2 *q2, uint64_t offset, const uint64_t *words, uint64_t n, struct range dirty)
{
	uint64_t per = q2->chunk / 8, lo = dirty.first / per * per, hi = dirty.first + dirty.n;
	uint64_t *out = (uint64_t *)q2->bounce;
	int err = 0;

	for (uint64_t at = lo; at < hi && err >= 0; at += per) {
		for (uint64_t i = 0; i < per; i++)
			out[i] = at + i < n ? htobe64(words[at + i]) : 0;
		err = qcow2_write(q2, offset + at * 8, out, q2->chunk);
	}
	return err;
}

static int write_tables(struct qcow2 *q2, struct table_cache *c, const uint64_t *where)
{
	int err = 0;

	for (unsigned i = 0; i < c->sets * QCOW2_WAYS && err >= 0; i++) {
		struct table *t = &c->tables[i];

		if (t->dirty)
			err = table_write(q2, t, where[t->index] & L2_OFFSET);
	}
	return err;
}

static int write_reftable(struct qcow2 *q2)
{
	struct range dirty = {q2->reftable_lo, q2->reftable_hi - q2->reftable_lo};
	int err;

	if (!q2->reftable_moved && q2->reftable_lo >= q2->reftable_hi)
		return 0;
	err = qcow2_flush_file(q2);
	if (q2->reftable_moved)
		dirty = (struct range){0, q2->reftable_entries};
	if (err >= 0)
		err = words_write(
			q2, q2->reftable_offset, q2->reftable, q2->reftable_entries, dirty);
	if (err >= 0 && q2->reftable_moved) {
		err = qcow2_flush_file(q2);
		if (err >= 0)
			err = qcow2_header_write(q2);
	}
	if (err < 0)
		return err;
	q2->reftable_lo = q2->reftable_hi = 0;
	q2->reftable_moved = false;
	return 0;
}

static int write_l1(struct qcow2 *q2)
{
	int err = q2->l1_dirty->len ? qcow2_flush_file(q2) : 0;

	for (unsigned i = 0; i < q2->l1_dirty->len && err >= 0; i++) {
		struct range dirty = {g_array_index(q2->l1_dirty, uint64_t, i), 1};

		err = words_write(q2, q2->l1_offset, q2->l1, q2->l1_size, dirty);
	}
	if (err >= 0)
		g_array_set_size(q2->l1_dirty, 0);
	return err;
}

static int write_metadata(struct qcow2 *q2)
{
	int err = write_tables(q2, &q2->refblocks, q2->reftable);

	if (err >= 0)
		err = write_reftable(q2);
	if (err >= 0)
		err = qcow2_flush_file(q2);
	if (err >= 0)
		err = write_tables(q2, &q2->l2, q2->l1);
	if (err >= 0)
		err = write_l1(q2);
	return err;
}

/* Only its end clears `dirty`: a flush that sees it clear goes to the file alone. */
int qcow2_commit(struct qcow2 *q2)
{
	int err = q2->dirty ? write_metadata(q2) : 0;

	if (err >= 0)
		err = qcow2_flush_file(q2);
	if (err < 0)
		return err;
	__atomic_store_n(&q2->dirty, 0, __ATOMIC_RELEASE);
	grace_begin(q2);
	return 0;
}
