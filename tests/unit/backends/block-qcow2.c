/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: whatever is done to an image reads back as from a plain array, and qemu-img finds it sound and equal. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "base/error.h"
#include "tests/unit/backends/blk-load.h"
#include "tests/unit/backends/blk-qcow2.h"

#define SIZE          (8 * MiB)
#define L2_COPIED_BIT (UINT64_C(1) << 63)

struct files {
	char dir[32];
	char image[64], raw[64], base[64];
};

static void files_init(struct files *f)
{
	strcpy(f->dir, "/tmp/vmmd-qcow2-XXXXXX");
	g_assert_nonnull(mkdtemp(f->dir));
	g_snprintf(f->image, sizeof(f->image), "%s/image.qcow2", f->dir);
	g_snprintf(f->raw, sizeof(f->raw), "%s/model.raw", f->dir);
	g_snprintf(f->base, sizeof(f->base), "%s/base.raw", f->dir);
}

static void files_done(struct files *f)
{
	unlink(f->image);
	unlink(f->raw);
	unlink(f->base);
	g_assert_cmpint(rmdir(f->dir), ==, 0);
}

static void save(const char *path, const uint8_t *bytes, uint64_t n)
{
	g_autoptr(GError) error = NULL;

	g_file_set_contents(path, (const char *)bytes, n, &error);
	g_assert_no_error(error);
}

static void check_image(const struct files *f, const uint8_t *model)
{
	save(f->raw, model, SIZE);
	g_assert_cmpint(qemu_img("check %s", f->image), ==, 0);
	g_assert_cmpint(qemu_img("compare -F raw -f qcow2 %s %s", f->image, f->raw), ==, 0);
}

/* Mostly short, sometimes whole clusters. */
static void random_range(uint64_t *offset, uint64_t *len)
{
	uint64_t max = g_test_rand_int_range(0, 4) ? 32 : 512;

	*len = g_test_rand_int_range(1, max) * 512;
	*offset = g_test_rand_int_range(0, (SIZE - *len) / 512 + 1) * 512;
	if (!g_test_rand_int_range(0, 3)) {
		*offset = align_down(*offset, 64 * KiB);
		*len = MIN(align_up(*len, 64 * KiB), SIZE - *offset);
	}
}

/* What a discard has left is a matter of chance: it is read and taken over. */
static void random_op(struct image *im, uint8_t *model, uint8_t *buf)
{
	static const enum blk_op ops[] = {BLK_WRITE, BLK_WRITE, BLK_WRITE, BLK_READ, BLK_READ,
		BLK_WRITE_ZEROES, BLK_DISCARD, BLK_FLUSH};
	enum blk_op op = ops[g_test_rand_int_range(0, ARRAY_SIZE(ops))];
	uint64_t offset, len;

	random_range(&offset, &len);
	if (op == BLK_FLUSH) {
		g_assert_cmpint(image_io(im, op, 0, NULL, 0), ==, 0);
		return;
	}
	if (op == BLK_WRITE) {
		memset(buf, g_test_rand_int_range(0, 256), len);
		memcpy(model + offset, buf, len);
	}
	g_assert_cmpint(image_io(im, op, offset, op <= BLK_WRITE ? buf : NULL, len), ==, 0);
	if (op == BLK_READ)
		g_assert_cmpmem(buf, len, model + offset, len);
	else if (op == BLK_WRITE_ZEROES)
		memset(model + offset, 0, len);
	else if (op == BLK_DISCARD)
		g_assert_cmpint(image_io(im, BLK_READ, offset, model + offset, len), ==, 0);
}

static void read_all(struct image *im, const uint8_t *model)
{
	g_autofree uint8_t *buf = g_malloc(SIZE);

	g_assert_cmpint(image_io(im, BLK_READ, 0, buf, SIZE), ==, 0);
	g_assert_cmpmem(buf, SIZE, model, SIZE);
}

/* Two sessions of random requests on the image at f->image, that holds @model. */
static void exercise(const struct files *f, uint8_t *model, bool backing)
{
	g_autofree uint8_t *buf = g_malloc(SIZE);
	struct image im;

	for (int session = 0; session < 2; session++) {
		image_open(&im, image_file(f->image, false),
			backing ? image_file(f->base, true) : NULL);
		g_assert_cmpuint(im.size, ==, SIZE);
		read_all(&im, model);
		for (int i = 0; i < 100; i++)
			random_op(&im, model, buf);
		read_all(&im, model);
		image_close(&im);
		check_image(f, model);
	}
}

static void fill(uint8_t *p, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		p[i] = i / 3000 % 5 ? (i >> 9) + i % 7 : 0;
}

static void test_random(gconstpointer options)
{
	g_autofree uint8_t *model = g_malloc0(SIZE);
	struct files f;

	files_init(&f);
	g_assert_cmpint(
		qemu_img("create -q -f qcow2 -o %s %s 8M", (const char *)options, f.image), ==, 0);
	exercise(&f, model, false);
	files_done(&f);
}

/* What is below shows through, also where it is shorter. */
static void test_backing(gconstpointer options)
{
	g_autofree uint8_t *model = g_malloc0(SIZE);
	struct files f;

	files_init(&f);
	fill(model, SIZE / 2 + 512);
	save(f.base, model, SIZE / 2 + 512);
	g_assert_cmpint(qemu_img("create -q -f qcow2 -o %s -F raw -b %s %s 8M",
				(const char *)options, f.base, f.image),
		==, 0);
	exercise(&f, model, true);
	files_done(&f);
}

static void test_compressed(gconstpointer options)
{
	g_autofree uint8_t *model = g_malloc0(SIZE);
	struct files f;

	files_init(&f);
	fill(model, SIZE);
	save(f.raw, model, SIZE);
	g_assert_cmpint(qemu_img("convert -q -c -f raw -O qcow2 -o %s %s %s", (const char *)options,
				f.raw, f.image),
		==, 0);
	exercise(&f, model, false);
	files_done(&f);
}

/* A snapshot keeps what it has while the image is written. */
static void test_snapshot(void)
{
	g_autofree uint8_t *model = g_malloc0(SIZE), *before = NULL;
	struct files f;

	files_init(&f);
	fill(model, SIZE);
	save(f.raw, model, SIZE);
	before = g_memdup2(model, SIZE);
	g_assert_cmpint(qemu_img("convert -q -f raw -O qcow2 %s %s", f.raw, f.image), ==, 0);
	g_assert_cmpint(qemu_img("snapshot -c s %s", f.image), ==, 0);
	exercise(&f, model, false);
	g_assert_cmpint(qemu_img("snapshot -a s %s", f.image), ==, 0);
	check_image(&f, before);
	files_done(&f);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void patch(const char *path, uint64_t offset, const void *bytes, size_t n)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	g_assert_cmpint(pwrite(fd, bytes, n, offset), ==, n);
	close(fd);
}

static void patch64(const char *path, uint64_t offset, uint64_t v)
{
	v = htobe64(v);
	patch(path, offset, &v, sizeof(v));
}

/* The dirty bit, and a refcount block full of nothing: counted anew on open. */
static void test_dirty(void)
{
	static const uint8_t nothing[4096];
	g_autofree uint8_t *model = g_malloc0(SIZE);
	struct image im;
	struct files f;

	files_init(&f);
	fill(model, SIZE);
	save(f.raw, model, SIZE);
	g_assert_cmpint(
		qemu_img("convert -q -f raw -O qcow2 -o lazy_refcounts=on %s %s", f.raw, f.image),
		==, 0);
	patch64(f.image, 72, 1);
	patch(f.image, 2 * 64 * KiB, nothing, sizeof(nothing));
	g_assert_cmpint(qemu_img("check %s", f.image), ==, 2);
	image_open(&im, image_file(f.image, false), NULL);
	read_all(&im, model);
	image_close(&im);
	check_image(&f, model);
	files_done(&f);
}

static void test_refused(void)
{
	static const struct {
		const char *what;
		uint64_t offset, value;
		const char *said; /* part of the message */
	} cases[] = {
		{"magic", 0, 0, "not a qcow2"},
		{"unknown feature", 72, 0x20, "feature bits 0x20"},
		{"data file", 72, 4, "external data file"},
		{"corrupt", 72, 2, "corrupt"},
		{"compression", 72, 8, "disagree"},
		{"l1 unaligned", 40, 0x30200, "L1 table"},
		{"l1 outside", 40, UINT64_C(1) << 50, "L1 table"},
		{"l1 on header", 40, 0, "L1 table"},
		{"l1 on refcounts", 40, 0x20000, "L1 table"},
		{"reftable unaligned", 48, 0x10001, "refcount table"},
		{"reftable outside", 48, UINT64_C(1) << 60, "refcount table"},
		{"size zero", 24, 0, "size"},
		{"size odd", 24, 513, "size"},
		{"size huge", 24, UINT64_C(1) << 55, "L1 table"},
		{"size beyond all", 24, UINT64_MAX, "size"},
		{"l2 loop", 0x30000, 0x8000000000030000, "overlap"},
		{"l2 unaligned", 0x30000, 0x8000000000030200, "L1 table"},
		{"l2 outside", 0x30000, 0x8000100000000000, "L1 table"},
		{"l2 reserved", 0x30000, 0x8000000000040001, "L1 table"},
		{"refblock unaligned", 0x10000, 0x20200, "refcount table"},
		{"refblock on l1", 0x10000, 0x30000, "overlap"},
	};
	g_autofree uint8_t *model = g_malloc0(SIZE);
	struct files f;

	files_init(&f);
	fill(model, SIZE);
	save(f.raw, model, SIZE);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		g_autoptr(GError) error = NULL;
		struct image im;

		g_assert_cmpint(
			qemu_img("convert -q -f raw -O qcow2 %s %s", f.raw, f.image), ==, 0);
		patch64(f.image, cases[i].offset, cases[i].value);
		g_test_message("%s", cases[i].what);
		g_assert_false(image_try(&im, image_file(f.image, false), NULL, &error));
		g_assert_nonnull(error);
		g_test_message("%s", error->message);
		g_assert_nonnull(strstr(error->message, cases[i].said));
	}
	files_done(&f);
}

/* A table that points where it must not is an error of the request, and no byte is written. */
static void test_bad_l2(void)
{
	static const uint64_t entries[] = {
		L2_COPIED_BIT | 0x10000, /* the refcount table */
		L2_COPIED_BIT | 0x30000, /* the L1 table */
		L2_COPIED_BIT, /* the header: reads as unallocated, so that only this is no error */
		L2_COPIED_BIT | 0x50200,
		L2_COPIED_BIT | UINT64_C(1) << 50,
		UINT64_C(1) << 60 | 0x50000,
	};
	g_autofree uint8_t *model = g_malloc0(SIZE);
	struct files f;
	struct image im;
	uint8_t buf[512] = {1};

	files_init(&f);
	fill(model, SIZE);
	save(f.raw, model, SIZE);
	for (unsigned i = 0; i < ARRAY_SIZE(entries); i++) {
		int expected = entries[i] == L2_COPIED_BIT ? 0 : -EIO;

		g_assert_cmpint(
			qemu_img("convert -q -f raw -O qcow2 %s %s", f.raw, f.image), ==, 0);
		patch64(f.image, 0x40000, entries[i]);
		image_open(&im, image_file(f.image, false), NULL);
		g_assert_cmpint(image_io(&im, BLK_READ, 0, buf, 512), ==, expected);
		g_assert_cmpint(image_io(&im, BLK_WRITE, 0, buf, 512), ==, expected);
		image_close(&im);
	}
	files_done(&f);
}

static void test_backing_unnamed(void)
{
	g_autoptr(GError) error = NULL;
	struct image im;
	struct files f;
	uint8_t block[512] = {};

	files_init(&f);
	save(f.base, block, sizeof(block));
	g_assert_cmpint(qemu_img("create -q -f qcow2 -F raw -b %s %s 8M", f.base, f.image), ==, 0);
	g_assert_false(image_try(&im, image_file(f.image, false), NULL, &error));
	g_assert_nonnull(strstr(error->message, f.base));
	g_clear_error(&error);
	g_assert_cmpint(qemu_img("create -q -f qcow2 %s 8M", f.image), ==, 0);
	g_assert_false(
		image_try(&im, image_file(f.image, false), image_file(f.base, true), &error));
	g_assert_nonnull(error);
	files_done(&f);
}

/* ---- under load ------------------------------------------------------------------------------ */

/* Three threads write and read, while the main thread discards clusters next to theirs, so that they are used again. */
static void test_load(gconstpointer options)
{
	struct load_job jobs[LOAD_JOBS];
	uint8_t block[4096] = {};
	struct image im;
	struct files f;

	files_init(&f);
	g_assert_cmpint(
		qemu_img("create -q -f qcow2 -o %s %s 8M", (const char *)options, f.image), ==, 0);
	image_open(&im, image_file(f.image, false), NULL);
	for (unsigned i = 0; i < LOAD_JOBS; i++)
		load_start(&jobs[i], im.blk, i);
	for (int i = 0; i < 60; i++) {
		uint64_t at = SIZE / 2 + i % 8 * 64 * KiB;

		load_wait(im.loop, jobs, load_total(jobs));
		g_assert_cmpint(image_io(&im, BLK_WRITE, at, block, sizeof(block)), ==, 0);
		g_assert_cmpint(image_io(&im, BLK_DISCARD, at, NULL, 64 * KiB), ==, 0);
		g_assert_cmpint(image_io(&im, BLK_FLUSH, 0, NULL, 0), ==, 0);
	}
	for (unsigned i = 0; i < LOAD_JOBS; i++)
		load_finish(&jobs[i]);
	image_close(&im);
	g_assert_cmpint(qemu_img("check %s", f.image), ==, 0);
	files_done(&f);
}

/* Discarded clusters are used again: an image that is written and discarded over and over does not grow. */
static void test_reuse(void)
{
	g_autofree uint8_t *buf = g_malloc0(MiB);
	struct image im;
	struct files f;
	GStatBuf st;

	files_init(&f);
	g_assert_cmpint(qemu_img("create -q -f qcow2 %s 8M", f.image), ==, 0);
	image_open(&im, image_file(f.image, false), NULL);
	for (int i = 0; i < 40; i++) {
		g_assert_cmpint(image_io(&im, BLK_WRITE, i % 8 * MiB, buf, MiB), ==, 0);
		g_assert_cmpint(image_io(&im, BLK_FLUSH, 0, NULL, 0), ==, 0);
		g_assert_cmpint(image_io(&im, BLK_DISCARD, i % 8 * MiB, NULL, MiB), ==, 0);
		g_assert_cmpint(image_io(&im, BLK_FLUSH, 0, NULL, 0), ==, 0);
	}
	image_close(&im);
	g_assert_cmpint(g_stat(f.image, &st), ==, 0);
	g_assert_cmpint(st.st_size, <, 4 * MiB);
	g_assert_cmpint(qemu_img("check %s", f.image), ==, 0);
	files_done(&f);
}

int main(int argc, char **argv)
{
	static const char *const options[] = {"compat=1.1", "compat=0.10", "cluster_size=512",
		"cluster_size=4096,refcount_bits=1", "cluster_size=2M", "extended_l2=on",
		"extended_l2=on,cluster_size=16k,refcount_bits=64", "preallocation=metadata",
		"lazy_refcounts=on,refcount_bits=8"};
	static const char *const backed[] = {
		"compat=1.1", "compat=0.10", "extended_l2=on", "cluster_size=1024"};
	static const char *const compressed[] = {"compat=1.1", "compression_type=zstd",
		"compat=0.10,cluster_size=512", "compression_type=zstd,extended_l2=on"};

	g_test_init(&argc, &argv, NULL);
	if (!have_qemu_img())
		return 77;
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
		g_autofree char *name = g_strdup_printf("/block-qcow2/random/%s", options[i]);

		g_test_add_data_func(name, options[i], test_random);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(backed); i++) {
		g_autofree char *name = g_strdup_printf("/block-qcow2/backing/%s", backed[i]);

		g_test_add_data_func(name, backed[i], test_backing);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(compressed); i++) {
		g_autofree char *name = g_strdup_printf(
			"/block-qcow2/compressed/%s", compressed[i]);

		g_test_add_data_func(name, compressed[i], test_compressed);
	}
	g_test_add_func("/block-qcow2/snapshot", test_snapshot);
	g_test_add_func("/block-qcow2/dirty", test_dirty);
	g_test_add_func("/block-qcow2/refused", test_refused);
	g_test_add_func("/block-qcow2/bad-l2", test_bad_l2);
	g_test_add_func("/block-qcow2/backing-unnamed", test_backing_unnamed);
	g_test_add_func("/block-qcow2/reuse", test_reuse);
	g_test_add_data_func("/block-qcow2/load/plain", "compat=1.1", test_load);
	g_test_add_data_func("/block-qcow2/load/extended", "extended_l2=on", test_load);
	return g_test_run();
}
