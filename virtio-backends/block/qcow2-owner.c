/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests on the owner's thread: what has to be allocated, copied, decompressed or freed. */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "virtio-backends/block/qcow2.h"

static uint64_t l2_index(const struct qcow2 *q2, uint64_t offset)
{
	return offset / (q2->cluster_size * q2->l2_entries);
}

static int extent_at(struct qcow2 *q2, uint64_t offset, uint64_t len, struct extent *ret)
{
	uint64_t span = q2->cluster_size * q2->l2_entries;
	struct table *t;
	int err = qcow2_l2_get(q2, l2_index(q2, offset), false, &t);

	*ret = (struct extent){.len = MIN(len, span - offset % span)};
	if (err >= 0 && t)
		*ret = qcow2_extent_in(q2, t->data, offset, len);
	return err < 0 ? err : ret->type == EXTENT_BAD ? -EIO : 0;
}

/* ---- compressed clusters --------------------------------------------------------------------- */

static bool inflate_cluster(struct qcow2 *q2, size_t n)
{
	z_stream z = {.next_in = q2->compressed,
		.avail_in = n,
		.next_out = q2->decompressed,
		.avail_out = q2->cluster_size};

	/* Raw deflate, window of 4 KiB. */
	if (inflateInit2(&z, -12) != Z_OK)
		return false;
	inflate(&z, Z_FINISH);
	inflateEnd(&z);
	return z.avail_out == 0;
}

/* The length is known to the sector only: what follows the frame is not looked at. */
static bool unzstd_cluster(struct qcow2 *q2, size_t n)
{
	ZSTD_DCtx *d = ZSTD_createDCtx();
	ZSTD_inBuffer in = {q2->compressed, n, 0};
	ZSTD_outBuffer out = {q2->decompressed, q2->cluster_size, 0};
	size_t before, got = 1;

	while (d && got && !ZSTD_isError(got) && out.pos < out.size) {
		before = in.pos + out.pos;
		got = ZSTD_decompressStream(d, &out, &in);
		if (in.pos + out.pos == before)
			break;
	}
	ZSTD_freeDCtx(d);
	return out.pos == out.size;
}

static int decompress(struct qcow2 *q2, uint64_t entry)
{
	uint64_t offset, len, start;
	int err;

	if (q2->decompressed_entry == entry)
		return 0;
	q2->decompressed_entry = 0;
	qcow2_compressed_range(q2, entry, &offset, &len);
	start = align_down(offset, 4096);
	err = qcow2_read(q2, start, q2->compressed, align_up(offset + len, 4096) - start);
	if (err < 0)
		return err;
	memmove(q2->compressed, q2->compressed + (offset - start), len);
	if (!(q2->zstd ? unzstd_cluster(q2, len) : inflate_cluster(q2, len)))
		return -EIO;
	q2->decompressed_entry = entry;
	return 0;
}

/* ---- read ------------------------------------------------------------------------------------ */

/* A part of a payload as one of its own; *@segs is to be freed. */
static int slice(const struct giov *v, size_t off, size_t n, struct iovec **segs, struct giov *ret)
{
	*segs = g_try_new(struct iovec, v->n);
	return *segs ? giov_slice(v, off, n, *segs, v->n, ret) : -ENOMEM;
}

static int transfer(struct qcow2 *q2, struct edge_queue *q, enum blk_op op, uint64_t host,
	const struct giov *v, size_t off, size_t n)
{
	struct iovec *segs;
	struct giov part;
	int err = slice(v, off, n, &segs, &part);

	if (err >= 0)
		err = qcow2_io(q2, q, op, host, part);
	g_free(segs);
	return err;
}

static int read_backing(
	struct qcow2 *q2, uint64_t offset, const struct giov *v, size_t off, size_t n)
{
	size_t there = 0;

	if (q2->has_backing && offset < q2->backing_size)
		there = MIN(n, q2->backing_size - offset);
	giov_fill(v, off + there, 0, n - there);
	return there ? transfer(q2, &q2->backing_queue, BLK_READ, offset, v, off, there) : 0;
}

/* Reads from @offset what one extent holds, at most the payload from @off on; *@ret_n bytes. */
static int read_extent(
	struct qcow2 *q2, uint64_t offset, const struct giov *v, size_t off, size_t *ret_n)
{
	struct extent e;
	int err = extent_at(q2, offset, v->size - off, &e);

	if (err < 0)
		return err;
	*ret_n = e.len;
	switch (e.type) {
	case EXTENT_NONE: return read_backing(q2, offset, v, off, e.len);
	case EXTENT_DATA: return transfer(q2, &q2->file_queue, BLK_READ, e.host, v, off, e.len);
	case EXTENT_COMPRESSED:
		err = decompress(q2, e.host);
		if (err >= 0)
			giov_write(v, off, q2->decompressed + (offset & (q2->cluster_size - 1)),
				e.len);
		return err;
	default: giov_fill(v, off, 0, e.len); return 0;
	}
}

static int read_all(struct qcow2 *q2, uint64_t offset, void *buf, size_t n)
{
	struct iovec seg;
	struct giov v = giov_from_buf(&seg, buf, n);
	size_t got;
	int err = 0;

	for (size_t done = 0; done < n && err >= 0; done += got)
		err = read_extent(q2, offset + done, &v, done, &got);
	return err;
}

/* ---- entries --------------------------------------------------------------------------------- */

struct entry {
	uint64_t word, bitmap;
};

static struct entry entry_get(const struct qcow2 *q2, const struct table *t, uint64_t offset)
{
	uint64_t i = (offset >> q2->cluster_bits) % q2->l2_entries * q2->entry_words;

	return (struct entry){be64toh(t->data[i]), q2->extended ? be64toh(t->data[i + 1]) : 0};
}

static void entry_set(struct qcow2 *q2, struct table *t, uint64_t offset, struct entry e)
{
	uint64_t i = (offset >> q2->cluster_bits) % q2->l2_entries * q2->entry_words;

	qcow2_table_change(t);
	__atomic_store_n(&t->data[i], htobe64(e.word), __ATOMIC_RELAXED);
	if (q2->extended)
		__atomic_store_n(&t->data[i + 1], htobe64(e.bitmap), __ATOMIC_RELAXED);
	qcow2_table_changed(t);
	t->dirty = true;
	__atomic_store_n(&q2->dirty, 1, __ATOMIC_RELEASE);
}

/* What @e led to is not mapped any more. */
static void unlink_entry(struct qcow2 *q2, struct entry e)
{
	uint64_t offset, len, first, last;

	if (e.word & L2_COMPRESSED) {
		qcow2_compressed_range(q2, e.word, &offset, &len);
		first = offset >> q2->cluster_bits;
		last = (offset + len - 1) >> q2->cluster_bits;
		for (uint64_t c = first; c <= last; c++)
			qcow2_unlink(q2, c << q2->cluster_bits, 1);
	} else if (e.word & L2_OFFSET) {
		qcow2_unlink(q2, e.word & L2_OFFSET, 1);
	}
}

/* ---- write ----------------------------------------------------------------------------------- */

/* What a write puts: payload from @off on, or zeroes if there is none. */
struct source {
	const struct giov *v;
	size_t off;
};

/* Bits of the subclusters that [@from, @to) of a cluster touches. */
static uint64_t subclusters(const struct qcow2 *q2, uint64_t from, uint64_t to)
{
	uint64_t first = from / q2->unit, last = (to - 1) / q2->unit;

	return ((UINT64_C(2) << last) - 1) & ~((UINT64_C(1) << first) - 1);
}

/* Fills a cluster's buffer from @from to @to with what the guest sees after the write of [@a, @b). */
static int compose(struct qcow2 *q2, uint64_t cluster, struct range span, uint64_t a, uint64_t b,
	const struct source *s)
{
	uint64_t from = span.first, to = span.first + span.n, size = q2->info.size;
	uint64_t seen = MIN(to, size - cluster);
	int err = 0;

	memset(q2->cow + from, 0, to - from);
	if (a > from)
		err = read_all(q2, cluster + from, q2->cow + from, a - from);
	if (err >= 0 && b < seen)
		err = read_all(q2, cluster + b, q2->cow + b, seen - b);
	if (err >= 0 && s->v)
		giov_read(s->v, s->off, q2->cow + a, b - a);
	return err;
}

/* Of the cluster that [@offset, @offset + @n) lies in, what has to be written besides. */
static struct range span_to_write(
	const struct qcow2 *q2, struct entry old, bool reuse, uint64_t a, uint64_t b)
{
	uint64_t from = align_down(a, q2->unit), to = align_up(b, q2->unit);

	/* A cluster that moves takes all it has along. */
	if (!reuse && (old.word & (L2_COMPRESSED | L2_OFFSET)))
		return (struct range){0, q2->cluster_size};
	return (struct range){from, to - from};
}

static struct entry entry_after(
	const struct qcow2 *q2, struct entry old, uint64_t host, struct range span)
{
	struct entry e = {.word = host | L2_COPIED};
	uint64_t touched;

	if (!q2->extended)
		return e;
	touched = subclusters(q2, span.first, span.first + span.n);
	e.bitmap = old.word & L2_COMPRESSED ? 0 : old.bitmap;
	e.bitmap = (e.bitmap | touched) & ~(touched << 32);
	return e;
}

/*
 * Within one cluster and one extent that is not written in place: other threads write to no byte of what is composed here,
 * so that nothing of theirs is overwritten with what it was.
 */
static int write_cluster(struct qcow2 *q2, uint64_t offset, uint64_t n, const struct source *s)
{
	uint64_t a = offset & (q2->cluster_size - 1), cluster = offset - a, host;
	struct table *t;
	struct entry old;
	struct range span;
	bool reuse;
	int err = qcow2_l2_get(q2, l2_index(q2, offset), true, &t);

	if (err < 0)
		return err;
	old = entry_get(q2, t, offset);
	reuse = old.word & L2_COPIED && old.word & L2_OFFSET && !(old.word & L2_COMPRESSED);
	span = span_to_write(q2, old, reuse, a, a + n);
	host = old.word & L2_OFFSET;
	err = compose(q2, cluster, span, a, a + n, s);
	if (err >= 0 && !reuse)
		err = qcow2_alloc(q2, 1, &host);
	if (err < 0)
		return err;
	err = qcow2_write(q2, host + span.first, q2->cow + span.first, span.n);
	if (err >= 0)
		err = qcow2_l2_get(q2, l2_index(q2, offset), true, &t);
	if (err < 0) {
		if (!reuse)
			qcow2_unlink(q2, host, 1);
		return err;
	}
	entry_set(q2, t, offset, entry_after(q2, old, host, span));
	if (!reuse)
		unlink_entry(q2, old);
	return 0;
}

/* How many whole clusters from @offset on, at most @n, are without a place of their own and in the same L2 table. */
static uint64_t run_without_place(
	const struct qcow2 *q2, const struct table *t, uint64_t offset, uint64_t n)
{
	uint64_t left = q2->l2_entries - (offset >> q2->cluster_bits) % q2->l2_entries, i;

	for (i = 0; i < MIN(n, left); i++) {
		struct entry e = entry_get(q2, t, offset + i * q2->cluster_size);

		if (e.word & L2_COPIED)
			break;
	}
	return i;
}

/* @n whole clusters, that all move to new places next to each other. */
static int write_run(struct qcow2 *q2, uint64_t offset, uint64_t n, const struct source *s)
{
	uint64_t bytes = n << q2->cluster_bits, host;
	struct range all = {0, q2->cluster_size};
	struct table *t;
	int err = qcow2_alloc(q2, n, &host);

	if (err < 0)
		return err;
	err = transfer(q2, &q2->file_queue, BLK_WRITE, host, s->v, s->off, bytes);
	if (err >= 0)
		err = qcow2_l2_get(q2, l2_index(q2, offset), true, &t);
	if (err < 0) {
		qcow2_unlink(q2, host, n);
		return err;
	}
	for (uint64_t i = 0; i < n; i++) {
		uint64_t at = offset + (i << q2->cluster_bits);
		struct entry old = entry_get(q2, t, at);

		entry_set(q2, t, at, entry_after(q2, (struct entry){}, host + (at - offset), all));
		unlink_entry(q2, old);
	}
	return 0;
}

static int write_in_place(struct qcow2 *q2, uint64_t host, uint64_t n, const struct source *s)
{
	if (s->v)
		return transfer(q2, &q2->file_queue, BLK_WRITE, host, s->v, s->off, n);
	memset(q2->cow, 0, n);
	return qcow2_write(q2, host, q2->cow, n);
}

static int write_some(
	struct qcow2 *q2, uint64_t offset, uint64_t len, const struct source *s, uint64_t *ret_n)
{
	uint64_t in_cluster = offset & (q2->cluster_size - 1), run = 0;
	struct table *t;
	struct extent e;
	int err = qcow2_l2_get(q2, l2_index(q2, offset), true, &t);

	if (err < 0)
		return err;
	e = qcow2_extent_in(q2, t->data, offset, len);
	if (e.type == EXTENT_BAD)
		return -EIO;
	if (e.type == EXTENT_DATA && e.in_place) {
		*ret_n = s->v ? e.len : MIN(e.len, q2->cluster_size);
		return write_in_place(q2, e.host, *ret_n, s);
	}
	if (s->v && !in_cluster)
		run = run_without_place(q2, t, offset, len >> q2->cluster_bits);
	if (run) {
		*ret_n = run << q2->cluster_bits;
		return write_run(q2, offset, run, s);
	}
	*ret_n = MIN(e.len, q2->cluster_size - in_cluster);
	return write_cluster(q2, offset, *ret_n, s);
}

/* ---- discard, write zeroes ------------------------------------------------------------------- */

/* The entry of a whole cluster of zeroes; false if the format or what is below needs real ones. */
static bool zero_entry(const struct qcow2 *q2, struct entry old, bool keep, struct entry *ret)
{
	bool own = old.word & L2_COPIED && !(old.word & L2_COMPRESSED);

	*ret = (struct entry){};
	if (keep && own && q2->version >= 3)
		ret->word = old.word & (L2_OFFSET | L2_COPIED);
	if (q2->extended)
		ret->bitmap = UINT64_C(0xffffffff) << 32;
	else if (q2->version >= 3)
		ret->word |= L2_ZERO;
	return q2->version >= 3 || !q2->has_backing;
}

static int zero_cluster(struct qcow2 *q2, uint64_t offset, const struct blk_req *r)
{
	bool discard = r->op == BLK_DISCARD, keep = !discard && !(r->flags & BLK_F_UNMAP);
	struct source zeroes = {};
	struct table *t;
	struct entry old, e;
	int err = qcow2_l2_get(q2, l2_index(q2, offset), true, &t);

	if (err < 0)
		return err;
	old = entry_get(q2, t, offset);
	if (!zero_entry(q2, old, keep, &e))
		return discard ? 0 : write_cluster(q2, offset, q2->cluster_size, &zeroes);
	if (old.word == e.word && old.bitmap == e.bitmap)
		return 0;
	entry_set(q2, t, offset, e);
	if (!(e.word & L2_OFFSET))
		unlink_entry(q2, old);
	return 0;
}

/* Reads as zeroes for it was never written and nothing is below. */
static bool is_bare(struct qcow2 *q2, uint64_t offset)
{
	return !q2->has_backing && !q2->l1[l2_index(q2, offset)];
}

static int zero_some(
	struct qcow2 *q2, uint64_t offset, uint64_t len, const struct blk_req *r, uint64_t *ret_n)
{
	uint64_t span = q2->cluster_size * q2->l2_entries;
	uint64_t in_cluster = offset & (q2->cluster_size - 1);
	struct source zeroes = {};

	if (is_bare(q2, offset)) {
		*ret_n = MIN(len, span - offset % span);
		return 0;
	}
	*ret_n = MIN(len, q2->cluster_size - in_cluster);
	if (!in_cluster && (*ret_n == q2->cluster_size || offset + *ret_n == q2->info.size))
		return zero_cluster(q2, offset, r);
	return r->op == BLK_DISCARD ? 0 : write_some(q2, offset, *ret_n, &zeroes, ret_n);
}

/* ---- requests -------------------------------------------------------------------------------- */

static int change_all(struct qcow2 *q2, struct qcow2_part *p)
{
	const struct blk_req *r = p->parent;
	uint64_t n;
	int err = 0;

	while (p->progress < r->len && err >= 0) {
		uint64_t offset = r->offset + p->progress, left = r->len - p->progress;
		struct source s = {.v = &r->data, .off = p->progress};

		if (r->op == BLK_WRITE)
			err = write_some(q2, offset, left, &s, &n);
		else
			err = zero_some(q2, offset, left, r, &n);
		if (err >= 0)
			p->progress += n;
	}
	if (err >= 0 && r->flags & BLK_F_FUA)
		err = qcow2_commit(q2);
	return err;
}

/* The first time it is enough that the table is in memory. */
static int read_part(struct qcow2 *q2, struct qcow2_part *p)
{
	const struct blk_req *r = p->parent;
	uint64_t offset = r->offset + p->progress;
	struct extent e;
	size_t n;
	int err;

	if (!p->retried) {
		p->retried = true;
		err = extent_at(q2, offset, r->len - p->progress, &e);
		if (err < 0 || e.type != EXTENT_COMPRESSED)
			return err;
	}
	err = read_extent(q2, offset, &r->data, p->progress, &n);
	if (err >= 0)
		p->progress += n;
	return err;
}

void qcow2_part_run(struct qcow2 *q2, struct qcow2_part *p)
{
	switch (p->parent->op) {
	case BLK_READ: p->result = read_part(q2, p); break;
	case BLK_FLUSH: p->result = qcow2_commit(q2); break;
	default: p->result = change_all(q2, p); break;
	}
}
