/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header and the tables that stay in memory, checked before anything is done with them. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "virtio-backends/block/qcow2.h"

#define MAGIC          0x514649fb
#define CHUNK          4096
#define AUTOCLEAR      88 /* offset in the header */
#define INCOMPAT       72
#define REFTABLE       48
#define REFTABLE_LEN   56
#define COMPRESSION    104
#define NAME_MAX_BYTES 1023
#define TABLE_RESERVED UINT64_C(0x7f000000000001ff)
#define L2_CACHE       (1 * MiB)
#define REFCOUNT_CACHE (256 * KiB)
#define MAX_DISCARD    (1 * GiB)
#define SIZE_MAX_BYTES (UINT64_C(1) << 56)

static uint32_t get32(const struct qcow2 *q2, unsigned at)
{
	uint32_t v;

	memcpy(&v, q2->header + at, sizeof(v));
	return be32toh(v);
}

static uint64_t get64(const struct qcow2 *q2, unsigned at)
{
	uint64_t v;

	memcpy(&v, q2->header + at, sizeof(v));
	return be64toh(v);
}

static void put32(struct qcow2 *q2, unsigned at, uint32_t v)
{
	v = htobe32(v);
	memcpy(q2->header + at, &v, sizeof(v));
}

static void put64(struct qcow2 *q2, unsigned at, uint64_t v)
{
	v = htobe64(v);
	memcpy(q2->header + at, &v, sizeof(v));
}

int qcow2_header_write(struct qcow2 *q2)
{
	put64(q2, REFTABLE, q2->reftable_offset);
	put32(q2, REFTABLE_LEN, q2->reftable_entries * 8 >> q2->cluster_bits);
	if (q2->version >= 3) {
		put64(q2, INCOMPAT, q2->incompat);
		put64(q2, AUTOCLEAR, 0);
	}
	return qcow2_write(q2, 0, q2->header, q2->chunk);
}

static bool bad(const struct qcow2 *q2, GError **error, const char *what)
{
	return err_set(
		error, VMMD_ERROR_INVALID, "%s: damaged qcow2 image: %s", q2->node.name, what);
}

static bool unsupported(const struct qcow2 *q2, GError **error, const char *what)
{
	return err_set(
		error, VMMD_ERROR_UNSUPPORTED, "%s: the qcow2 image %s", q2->node.name, what);
}

/* ---- the header ------------------------------------------------------------------------------ */

static bool check_features(struct qcow2 *q2, bool readonly, GError **error)
{
	static const uint64_t known = INCOMPAT_DIRTY | INCOMPAT_CORRUPT | INCOMPAT_DATA_FILE |
				      INCOMPAT_COMPRESSION | INCOMPAT_EXTENDED_L2;
	uint64_t unknown;

	q2->incompat = q2->version >= 3 ? get64(q2, INCOMPAT) : 0;
	unknown = q2->incompat & ~known;
	if (unknown)
		return err_set(error, VMMD_ERROR_UNSUPPORTED,
			"%s: the qcow2 image needs feature bits %#" G_GINT64_MODIFIER
			"x, which are not known",
			q2->node.name, unknown);
	if (q2->incompat & INCOMPAT_DATA_FILE)
		return unsupported(q2, error, "has an external data file: convert it");
	if (q2->incompat & INCOMPAT_CORRUPT && !readonly)
		return unsupported(q2, error,
			"is marked corrupt: repair it with qemu-img check -r all, or open it "
			"read-only");
	if (get32(q2, 32))
		return unsupported(q2, error, "is encrypted: convert it");
	q2->extended = q2->incompat & INCOMPAT_EXTENDED_L2;
	return true;
}

static bool check_compression(struct qcow2 *q2, GError **error)
{
	bool has_type = q2->version >= 3 && get32(q2, 100) > COMPRESSION;
	uint8_t type = has_type ? q2->header[COMPRESSION] : 0;

	if (type > 1)
		return unsupported(q2, error, "uses a compression that is not known");
	if (type != !!(q2->incompat & INCOMPAT_COMPRESSION))
		return bad(q2, error, "compression type and feature bit disagree");
	q2->zstd = type;
	return true;
}

static bool check_geometry(struct qcow2 *q2, GError **error)
{
	uint32_t order = q2->version >= 3 ? get32(q2, 96) : 4;

	if (order > 6)
		return bad(q2, error, "the width of its refcounts");
	if (q2->version >= 3 && (get32(q2, 100) < 104 || get32(q2, 100) > q2->cluster_size))
		return bad(q2, error, "the length of its header");
	if (q2->extended && q2->cluster_bits < 14)
		return bad(q2, error, "clusters too small for extended L2 entries");
	q2->refcount_order = order;
	q2->refblock_entries = q2->cluster_size * 8 >> order;
	q2->entry_words = q2->extended ? 2 : 1;
	q2->l2_entries = q2->cluster_size / 8 / q2->entry_words;
	q2->unit = q2->extended ? q2->cluster_size / QCOW2_SUBCLUSTERS : q2->cluster_size;
	return true;
}

static bool check_backing(const struct qcow2 *q2, GError **error)
{
	g_autofree char *name = NULL, *shown = NULL;
	uint64_t offset = get64(q2, 8);
	uint32_t len = get32(q2, 16);

	if (!offset && q2->has_backing)
		return err_set(error, VMMD_ERROR_INVALID,
			"%s: the image has no backing file, yet one is given", q2->node.name);
	if (!offset || q2->has_backing)
		return true;
	/* The name is for the operator; what does not fit into what was read is not shown. */
	if (len <= NAME_MAX_BYTES && range_fits(offset, len, q2->chunk))
		name = g_strndup((const char *)q2->header + offset, len);
	shown = g_strescape(name ? name : "?", NULL);
	return err_set(error, VMMD_ERROR_INVALID,
		"%s: the image has the backing file \"%s\", which is opened only if the disk's "
		"configuration names it",
		q2->node.name, shown);
}

static bool check_size(struct qcow2 *q2, const struct blk_info *file, GError **error)
{
	uint64_t size = get64(q2, 24);

	if (!size || size > SIZE_MAX_BYTES || size % file->logical_block)
		return err_set(error, VMMD_ERROR_INVALID,
			"%s: the image's size of %" G_GUINT64_FORMAT
			" bytes is not a multiple of %u or out of range",
			q2->node.name, size, file->logical_block);
	q2->info = *file;
	q2->info.size = size;
	return true;
}

static bool read_header(struct qcow2 *q2, const struct blk_qcow2_conf *conf, GError **error)
{
	struct blk_info file;
	int err;

	node_edge_info(&q2->file, &file);
	if (posix_memalign((void **)&q2->header, CHUNK, CHUNK))
		return err_set_errno(error, ENOMEM, "%s", q2->node.name);
	err = qcow2_read(q2, 0, q2->header, CHUNK);
	if (err < 0)
		return err_set_errno(error, -err, "%s: cannot read the image", q2->node.name);
	q2->version = get32(q2, 4);
	q2->cluster_bits = get32(q2, 20);
	if (get32(q2, 0) != MAGIC)
		return err_set(error, VMMD_ERROR_INVALID, "%s: not a qcow2 image", q2->node.name);
	if (q2->version != 2 && q2->version != 3)
		return unsupported(q2, error, "is of a version other than 2 and 3");
	if (q2->cluster_bits < 9 || q2->cluster_bits > 21)
		return bad(q2, error, "the size of its clusters");
	q2->cluster_size = UINT64_C(1) << q2->cluster_bits;
	if (q2->cluster_size < file.logical_block)
		return unsupported(q2, error, "has clusters smaller than the host's blocks");
	q2->chunk = MIN(q2->cluster_size, CHUNK);
	q2->end = align_up(file.size, q2->cluster_size) >> q2->cluster_bits;
	q2->snapshots = get32(q2, 60);
	return check_features(q2, conf->readonly, error) && check_compression(q2, error) &&
	       check_geometry(q2, error) && check_backing(q2, error) &&
	       check_size(q2, &file, error);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static bool table_fits(const struct qcow2 *q2, uint64_t offset, uint64_t bytes)
{
	return offset && !(offset & (q2->cluster_size - 1)) &&
	       range_fits(offset, bytes, q2->end << q2->cluster_bits);
}

static void add_clusters(struct qcow2 *q2, uint64_t offset, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += q2->cluster_size) {
		uint64_t cluster = (offset + at) >> q2->cluster_bits;

		g_array_append_val(q2->metadata, cluster);
	}
}

/* @n big-endian words at @offset, as words of the host. */
static uint64_t *read_words(struct qcow2 *q2, uint64_t offset, uint64_t n)
{
	uint64_t bytes = align_up(n * 8, q2->cluster_size), *words;
	void *p = NULL;

	words = g_try_malloc0(bytes);
	if (!words || posix_memalign(&p, CHUNK, bytes) || qcow2_read(q2, offset, p, bytes) < 0) {
		g_free(words);
		free(p);
		return NULL;
	}
	for (uint64_t i = 0; i < n; i++)
		words[i] = be64toh(((uint64_t *)p)[i]);
	free(p);
	return words;
}

static bool read_l1(struct qcow2 *q2, GError **error)
{
	uint64_t bytes;

	q2->l1_size = get32(q2, 36);
	q2->l1_offset = get64(q2, 40);
	bytes = align_up(q2->l1_size * 8, q2->cluster_size);
	if (q2->l1_size < qcow2_l1_needed(q2, q2->info.size) || bytes > QCOW2_L1_MAX)
		return bad(q2, error, "the size of its L1 table");
	if (!table_fits(q2, q2->l1_offset, bytes))
		return bad(q2, error, "the place of its L1 table");
	q2->l1 = read_words(q2, q2->l1_offset, q2->l1_size);
	if (!q2->l1)
		return bad(q2, error, "its L1 table cannot be read");
	add_clusters(q2, q2->l1_offset, bytes);
	for (uint64_t i = 0; i < q2->l1_size; i++) {
		uint64_t offset = q2->l1[i] & L2_OFFSET;

		if (!q2->l1[i])
			continue;
		if (q2->l1[i] & TABLE_RESERVED || !table_fits(q2, offset, q2->cluster_size))
			return bad(q2, error, "an entry of its L1 table");
		add_clusters(q2, offset, q2->cluster_size);
	}
	return true;
}

static bool read_reftable(struct qcow2 *q2, GError **error)
{
	uint64_t bytes = (uint64_t)get32(q2, REFTABLE_LEN) << q2->cluster_bits;

	q2->reftable_offset = get64(q2, REFTABLE);
	if (!bytes || bytes > QCOW2_REFTABLE_MAX || !table_fits(q2, q2->reftable_offset, bytes))
		return bad(q2, error, "size or place of its refcount table");
	q2->reftable_entries = bytes / 8;
	q2->reftable = read_words(q2, q2->reftable_offset, q2->reftable_entries);
	if (!q2->reftable)
		return bad(q2, error, "its refcount table cannot be read");
	add_clusters(q2, q2->reftable_offset, bytes);
	for (uint64_t i = 0; i < q2->reftable_entries; i++) {
		if (!q2->reftable[i])
			continue;
		if (!table_fits(q2, q2->reftable[i], q2->cluster_size))
			return bad(q2, error, "an entry of its refcount table");
		add_clusters(q2, q2->reftable[i], q2->cluster_size);
	}
	return true;
}

static int compare_clusters(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static bool check_overlap(struct qcow2 *q2, GError **error)
{
	add_clusters(q2, 0, q2->cluster_size);
	g_array_sort(q2->metadata, compare_clusters);
	for (unsigned i = 1; i < q2->metadata->len; i++) {
		if (g_array_index(q2->metadata, uint64_t, i) ==
			g_array_index(q2->metadata, uint64_t, i - 1))
			return bad(q2, error, "two of its tables overlap");
	}
	return true;
}

static bool allocate(struct qcow2 *q2, const struct blk_qcow2_conf *conf, GError **error)
{
	uint64_t n = q2->cluster_size;

	qcow2_cache_init(&q2->l2, q2, conf->l2_cache ? conf->l2_cache : L2_CACHE);
	qcow2_cache_init(
		&q2->refblocks, q2, conf->refcount_cache ? conf->refcount_cache : REFCOUNT_CACHE);
	if (posix_memalign((void **)&q2->bounce, CHUNK, MAX(n, CHUNK)) ||
		posix_memalign((void **)&q2->cow, CHUNK, MAX(n, CHUNK)) ||
		posix_memalign((void **)&q2->compressed, CHUNK, 2 * n + 3 * CHUNK) ||
		posix_memalign((void **)&q2->decompressed, CHUNK, MAX(n, CHUNK)))
		return err_set_errno(error, ENOMEM, "%s", q2->node.name);
	return true;
}

static void fill_info(struct qcow2 *q2, bool readonly)
{
	struct blk_info backing;

	q2->info.readonly = readonly || q2->info.readonly;
	q2->info.can_discard = !q2->info.readonly;
	q2->info.can_write_zeroes = !q2->info.readonly;
	q2->info.max_discard = MAX_DISCARD;
	q2->info.discard_align = q2->cluster_size;
	q2->info.write_cache = true;
	if (q2->has_backing) {
		node_edge_info(&q2->backing, &backing);
		q2->backing_size = backing.size;
	}
}

bool qcow2_open(struct qcow2 *q2, const struct blk_qcow2_conf *conf, GError **error)
{
	int err = 0;

	if (!read_header(q2, conf, error) || !allocate(q2, conf, error) || !read_l1(q2, error) ||
		!read_reftable(q2, error) || !check_overlap(q2, error))
		return false;
	fill_info(q2, conf->readonly);
	if (q2->info.readonly)
		return true;
	if (q2->incompat & INCOMPAT_DIRTY)
		return qcow2_repair(q2, error);
	/* Features that whoever changes the image without knowing them has to clear. */
	if (q2->version >= 3 && get64(q2, AUTOCLEAR))
		err = qcow2_header_write(q2);
	if (err >= 0)
		err = qcow2_flush_file(q2);
	return err >= 0 ||
	       err_set_errno(error, -err, "%s: cannot write the image's header", q2->node.name);
}
