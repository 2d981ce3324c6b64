/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/gmem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/qs.h"

#define PAGE GMEM_PAGE_SIZE

static struct gmem_block *new_block(const char *name, uint64_t size, enum gmem_kind kind)
{
	const struct gmem_block_conf conf = {.name = name, .size = size, .kind = kind};
	GError *error = NULL;
	struct gmem_block *b = gmem_block_new(&conf, &error);

	g_assert_no_error(error);
	return b;
}

/* The map of most tests: low RAM, a hole, more RAM of the same block, a ROM right behind it. */
struct world {
	struct gmem *g;
	struct gmem_block *ram, *rom;
};

#define LOW_SIZE  (16 * PAGE)
#define HIGH_BASE UINT64_C(0x100000000)
#define HIGH_SIZE (8 * PAGE)
#define ROM_BASE  (HIGH_BASE + HIGH_SIZE)
#define ROM_SIZE  (2 * PAGE)

static void world_init(struct world *w)
{
	w->g = gmem_new();
	w->ram = new_block("ram", LOW_SIZE + HIGH_SIZE, GMEM_PRIVATE);
	w->rom = new_block("rom", ROM_SIZE, GMEM_PRIVATE);

	const struct gmem_range ranges[] = {
		{.gpa = GPA(ROM_BASE), .size = ROM_SIZE, .block = w->rom, .readonly = true},
		{.gpa = GPA(HIGH_BASE), .size = HIGH_SIZE, .block = w->ram, .offset = LOW_SIZE},
		{.gpa = GPA(0), .size = LOW_SIZE, .block = w->ram},
	};

	g_assert_cmpint(gmem_map_commit(w->g, ranges, ARRAY_SIZE(ranges)), ==, 0);
	qs_enter();
}

static void world_done(struct world *w)
{
	qs_leave();
	gmem_free(w->g);
	gmem_block_unref(w->ram);
	gmem_block_unref(w->rom);
	qs_flush();
}

/* ---- blocks ---- */

static void block_kinds(void)
{
	static const enum gmem_kind kinds[] = {GMEM_PRIVATE, GMEM_SHARED};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct gmem_block *b = new_block("b", 5 * MiB, kinds[i]);
		uint8_t *p = gmem_block_hva(b);

		g_assert_cmpstr(gmem_block_name(b), ==, "b");
		g_assert_cmpuint(gmem_block_size(b), ==, 5 * MiB);
		g_assert_cmpuint((uintptr_t)p % (2 * MiB), ==, 0);
		g_assert_cmpint(p[0] | p[5 * MiB - 1], ==, 0);
		g_assert_cmpint(gmem_block_load(b, 5 * MiB - 2, "xy", 2), ==, 0);
		g_assert_cmpint(gmem_block_load(b, 5 * MiB - 1, "xy", 2), ==, -ERANGE);
		g_assert_cmpint(gmem_block_load(b, UINT64_MAX, "xy", 2), ==, -ERANGE);
		g_assert_cmpint(p[5 * MiB - 1], ==, 'y');
		gmem_block_unref(gmem_block_ref(b));
		g_assert_cmpint(p[5 * MiB - 2], ==, 'x');
		gmem_block_unref(b);
	}
	gmem_block_unref(NULL);
}

/* Another process sees the bytes of a shared block through its fd, and cannot change its size. */
static void block_shared_fd(void)
{
	struct gmem_block *b = new_block("shared", 4 * PAGE, GMEM_SHARED);
	struct gmem_block *private = new_block("private", PAGE, GMEM_PRIVATE);
	char *p;

	g_assert_cmpint(gmem_block_fd(private), ==, -1);
	p = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, gmem_block_fd(b), 0);
	g_assert_true(p != MAP_FAILED);
	g_assert_cmpint(gmem_block_load(b, PAGE, "seen", 5), ==, 0);
	g_assert_cmpstr(p + PAGE, ==, "seen");
	g_assert_cmpint(ftruncate(gmem_block_fd(b), PAGE), ==, -1);
	g_assert_cmpint(ftruncate(gmem_block_fd(b), 8 * PAGE), ==, -1);
	munmap(p, 4 * PAGE);
	gmem_block_unref(b);
	gmem_block_unref(private);
}

static void block_prealloc(void)
{
	static const enum gmem_kind kinds[] = {GMEM_PRIVATE, GMEM_SHARED};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct gmem_block_conf conf = {
			.name = "b", .size = 16 * PAGE, .kind = kinds[i], .prealloc = true};
		g_autoptr(GError) error = NULL;
		struct gmem_block *b = gmem_block_new(&conf, &error);
		unsigned char resident[16];

		g_assert_no_error(error);
		g_assert_cmpint(mincore(gmem_block_hva(b), 16 * PAGE, resident), ==, 0);
		for (unsigned j = 0; j < 16; j++)
			g_assert_cmpint(resident[j] & 1, ==, 1);
		gmem_block_unref(b);
	}
}

static void block_refused(void)
{
	static const struct {
		struct gmem_block_conf conf;
		enum vmmd_error code;
		const char *says;
	} cases[] = {
		{{.name = "none", .size = 0}, VMMD_ERROR_INVALID, "none"},
		{{.name = "odd", .size = PAGE + 1}, VMMD_ERROR_INVALID, "multiple of 4096"},
		{{.name = "huge", .size = PAGE, .page_size = 2 * MiB}, VMMD_ERROR_INVALID,
			"multiple of 2097152"},
		{{.name = "page", .size = 4 * MiB, .page_size = 4 * MiB}, VMMD_ERROR_INVALID,
			"2 MiB or 1 GiB"},
		{{.name = "vast", .size = UINT64_C(1) << 60}, VMMD_ERROR_HOST, "vast"},
		{{.name = "vast", .size = UINT64_C(1) << 60, .kind = GMEM_SHARED}, VMMD_ERROR_HOST,
			"vast"},
		{{.name = "pages", .size = 4096 * GiB, .page_size = GiB}, VMMD_ERROR_HOST,
			"are free"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_null(gmem_block_new(&cases[i].conf, &error));
		g_assert_error(error, VMMD_ERROR, (int)cases[i].code);
		g_assert_nonnull(strstr(error->message, cases[i].conf.name));
		g_assert_nonnull(strstr(error->message, cases[i].says));
	}
}

/* ---- the map ---- */

static int collect(const struct gmem_range *r, void *opaque)
{
	g_string_append_printf(opaque, "%" PRIx64 "+%" PRIx64 ":%s+%" PRIx64 "%s ", r->gpa.v,
		r->size, gmem_block_name(r->block), r->offset, r->readonly ? "r" : "");
	return 0;
}

static int stop_at_first(const struct gmem_range *r, void *opaque)
{
	++*(unsigned *)opaque;
	return -7;
}

static void map_sorted(void)
{
	g_autoptr(GString) s = g_string_new("");
	struct world w;
	unsigned calls = 0;

	world_init(&w);
	g_assert_cmpint(gmem_map_foreach(w.g, collect, s), ==, 0);
	g_assert_cmpstr(
		s->str, ==, "0+10000:ram+0 100000000+8000:ram+10000 100008000+2000:rom+0r ");
	g_assert_cmpint(gmem_map_foreach(w.g, stop_at_first, &calls), ==, -7);
	g_assert_cmpuint(calls, ==, 1);
	g_assert_cmpuint(gmem_ram_size(w.g), ==, LOW_SIZE + HIGH_SIZE);
	world_done(&w);
}

static void map_refused(void)
{
	struct gmem *g = gmem_new();
	struct gmem_block *b = new_block("b", 4 * PAGE, GMEM_PRIVATE);
	const struct gmem_range bad[][2] = {
		{{.gpa = GPA(0), .size = 2 * PAGE, .block = b},
			{.gpa = GPA(PAGE), .size = PAGE, .block = b}},
		{{.gpa = GPA(0), .size = PAGE, .block = b},
			{.gpa = GPA(0), .size = PAGE, .block = b}},
		{{.gpa = GPA(0), .size = PAGE, .block = b},
			{.gpa = GPA(PAGE), .size = 0, .block = b}},
		{{.gpa = GPA(0), .size = PAGE, .block = b},
			{.gpa = GPA(PAGE), .size = 4 * PAGE, .block = b, .offset = PAGE}},
		{{.gpa = GPA(0), .size = PAGE, .block = b},
			{.gpa = GPA(PAGE), .size = PAGE, .block = b, .offset = UINT64_MAX}},
		{{.gpa = GPA(0), .size = PAGE, .block = b},
			{.gpa = GPA(UINT64_MAX - PAGE + 1), .size = PAGE, .block = b}},
	};
	uint64_t generation = gmem_generation(g);

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		g_assert_cmpint(gmem_map_commit(g, bad[i], 2), ==, -EINVAL);
	g_assert_cmpuint(gmem_generation(g), ==, generation);
	g_assert_cmpuint(gmem_ram_size(g), ==, 0);
	g_assert_cmpint(gmem_map_commit(g, bad[0], 1), ==, 0);
	g_assert_cmpuint(gmem_generation(g), !=, generation);
	gmem_free(g);
	gmem_block_unref(b);
	qs_flush();
}

static void gpa_sums(void)
{
	gpa_t sum = GPA(1);

	g_assert_false(gpa_add(GPA(UINT64_MAX), 1, &sum));
	g_assert_cmpuint(sum.v, ==, 1);
	g_assert_true(gpa_add(GPA(UINT64_MAX - 1), 1, &sum));
	g_assert_cmpuint(sum.v, ==, UINT64_MAX);
}

/* ---- copying access ---- */

static void copy_and_faults(void)
{
	struct world w;
	uint8_t buf[3 * PAGE];

	world_init(&w);
	g_assert_cmpint(gmem_write(w.g, GPA(100), "hello", 6), ==, 0);
	g_assert_cmpint(gmem_read(w.g, GPA(100), buf, 6), ==, 0);
	g_assert_cmpstr((char *)buf, ==, "hello");

	/* across two ranges of different blocks */
	g_assert_cmpint(gmem_block_load(w.rom, 0, "ROM", 3), ==, 0);
	g_assert_cmpint(gmem_fill(w.g, GPA(ROM_BASE - 2), 'r', 2), ==, 0);
	g_assert_cmpint(gmem_read(w.g, GPA(ROM_BASE - 2), buf, 5), ==, 0);
	g_assert_cmpmem(buf, 5, "rrROM", 5);

	g_assert_cmpint(gmem_write(w.g, GPA(ROM_BASE), "x", 1), ==, -EACCES);
	g_assert_cmpint(gmem_fill(w.g, GPA(ROM_BASE - 1), 'x', 2), ==, -EACCES);
	g_assert_cmpint(gmem_write(w.g, GPA(LOW_SIZE - 1), "xx", 2), ==, -EFAULT);
	g_assert_cmpint(gmem_read(w.g, GPA(LOW_SIZE), buf, 1), ==, -EFAULT);
	g_assert_cmpint(gmem_read(w.g, GPA(ROM_BASE + ROM_SIZE - 1), buf, 2), ==, -EFAULT);
	g_assert_cmpint(gmem_read(w.g, GPA(UINT64_MAX), buf, 2), ==, -EFAULT);
	g_assert_cmpint(gmem_fill(w.g, GPA(0), 0, UINT64_MAX), ==, -EFAULT);
	g_assert_cmpint(gmem_read(w.g, GPA(UINT64_MAX), buf, 0), ==, 0);
	world_done(&w);
}

static void host_addresses(void)
{
	struct world w;
	struct gmem_block *b = NULL;
	uint8_t *ram;

	world_init(&w);
	ram = gmem_block_hva(w.ram);
	g_assert_true(gmem_hva(w.g, GPA(HIGH_BASE + 5), 3, true, &b) == ram + LOW_SIZE + 5);
	g_assert_true(b == w.ram);
	gmem_block_unref(b);
	g_assert_true(gmem_hva(w.g, GPA(0), LOW_SIZE, true, NULL) == ram);
	g_assert_null(gmem_hva(w.g, GPA(0), LOW_SIZE + 1, true, NULL));
	g_assert_null(gmem_hva(w.g, GPA(ROM_BASE), 1, true, NULL));
	g_assert_nonnull(gmem_hva(w.g, GPA(ROM_BASE), 1, false, NULL));
	g_assert_null(gmem_hva(w.g, GPA(1), UINT64_MAX, false, NULL));
	world_done(&w);
}

/* What random operations do to the map they do to a flat copy of the address space too; the ends are beyond RAM. */
static void random_copies(void)
{
	g_autofree uint8_t *model = g_malloc0(HIGH_SIZE), *buf = g_malloc(HIGH_SIZE);
	struct world w;

	world_init(&w);
	for (unsigned i = 0; i < 3000; i++) {
		size_t off = (size_t)g_test_rand_int_range(0, HIGH_SIZE);
		size_t n = (size_t)g_test_rand_int_range(0, 3 * PAGE);
		gpa_t gpa = GPA(HIGH_BASE + off);

		if (off + n > HIGH_SIZE) {
			memset(buf, (int)i, n);
			g_assert_cmpint(gmem_write(w.g, gpa, buf, n), ==, -EACCES);
			memcpy(model + off, (uint8_t *)gmem_block_hva(w.ram) + LOW_SIZE + off,
				HIGH_SIZE - off);
		} else if (i % 3 == 0) {
			memset(buf, (int)i, n);
			g_assert_cmpint(gmem_write(w.g, gpa, buf, n), ==, 0);
			memset(model + off, (int)i, n);
		} else if (i % 3 == 1) {
			g_assert_cmpint(gmem_fill(w.g, gpa, (uint8_t)~i, n), ==, 0);
			memset(model + off, (uint8_t)~i, n);
		}
		g_assert_cmpint(gmem_read(w.g, GPA(HIGH_BASE), buf, HIGH_SIZE), ==, 0);
		g_assert_cmpmem(buf, HIGH_SIZE, model, HIGH_SIZE);
	}
	world_done(&w);
}

/* ---- payload ---- */

static void giov_from_guest(void)
{
	struct world w;
	struct iovec segs[3];
	struct giov v;
	unsigned used = 0;
	char buf[8] = "";

	world_init(&w);
	g_assert_cmpint(gmem_write(w.g, GPA(10), "abc", 3), ==, 0);
	g_assert_cmpint(gmem_write(w.g, GPA(ROM_BASE - 2), "de", 2), ==, 0);
	g_assert_cmpint(gmem_block_load(w.rom, 0, "fg", 2), ==, 0);
	g_assert_cmpint(giov_add_gpa(w.g, GPA(10), 3, true, segs, 3, &used), ==, 0);
	g_assert_cmpint(giov_add_gpa(w.g, GPA(ROM_BASE - 2), 4, true, segs, 3, &used), ==, -EACCES);
	g_assert_cmpint(giov_add_gpa(w.g, GPA(LOW_SIZE - 1), 2, true, segs, 3, &used), ==, -EFAULT);
	g_assert_cmpint(giov_add_gpa(w.g, GPA(ROM_BASE - 2), 4, false, segs, 2, &used), ==, -E2BIG);
	g_assert_cmpuint(used, ==, 1);
	g_assert_cmpint(giov_add_gpa(w.g, GPA(ROM_BASE - 2), 4, false, segs, 3, &used), ==, 0);
	g_assert_cmpuint(used, ==, 3);

	v = (struct giov){.segs__ = segs, .n = used, .size = 7};
	g_assert_cmpuint(giov_read(&v, 0, buf, 8), ==, 7);
	g_assert_cmpstr(buf, ==, "abcdefg");
	g_assert_true(giov_iovec(&v)[0].iov_base == (uint8_t *)gmem_block_hva(w.ram) + 10);
	world_done(&w);
}

/* Copies and slices of a random payload against the same on flat bytes. */
static void giov_random(void)
{
	uint8_t flat[256], bytes[256], out[300], out2[300];
	struct iovec segs[8], part_segs[8];
	struct giov whole = {.segs__ = segs, .n = ARRAY_SIZE(segs)}, part;

	for (unsigned i = 0; i < sizeof(flat); i++)
		flat[i] = bytes[i] = (uint8_t)(i * 7);
	for (unsigned round = 0; round < 3000; round++) {
		size_t at = 0, off, n, poff, pn;

		for (unsigned i = 0; i < ARRAY_SIZE(segs); i++) {
			size_t len = (size_t)g_test_rand_int_range(0, 33);

			segs[i] = (struct iovec){.iov_base = bytes + at, .iov_len = len};
			at += len;
		}
		whole.size = at;
		off = (size_t)g_test_rand_int_range(0, 260);
		n = (size_t)g_test_rand_int_range(0, 260);
		if (!range_fits(off, n, at)) {
			g_assert_cmpint(
				giov_slice(&whole, off, n, part_segs, 8, &part), ==, -ERANGE);
			g_assert_cmpuint(giov_read(&whole, off, out, n), ==,
				off < at ? MIN(n, at - off) : 0);
			continue;
		}
		g_assert_cmpint(giov_slice(&whole, off, n, part_segs, 8, &part), ==, 0);
		g_assert_cmpuint(part.size, ==, n);
		poff = (size_t)g_test_rand_int_range(0, (gint32)n + 1);
		pn = (size_t)g_test_rand_int_range(0, 100);
		g_assert_cmpuint(giov_read(&part, poff, out, pn), ==, MIN(pn, n - poff));
		g_assert_cmpmem(out, MIN(pn, n - poff), flat + off + poff, MIN(pn, n - poff));

		memset(out2, (int)round, sizeof(out2));
		pn = giov_write(&part, poff, out2, pn);
		memcpy(flat + off + poff, out2, pn);
		pn = giov_fill(&part, 0, (uint8_t)(round + 1), poff);
		memset(flat + off, (int)round + 1, pn);
		g_assert_cmpmem(bytes, sizeof(bytes), flat, sizeof(flat));
	}
}

static void giov_host_memory(void)
{
	struct iovec seg, small[1];
	char buf[] = "payload";
	struct giov v = giov_from_buf(&seg, buf, 7), part;

	g_assert_cmpuint(v.n, ==, 1);
	g_assert_cmpuint(v.size, ==, 7);
	g_assert_cmpint(giov_slice(&v, 3, 4, small, 1, &part), ==, 0);
	g_assert_cmpuint(giov_write(&part, 0, "LOAD", 4), ==, 4);
	g_assert_cmpstr(buf, ==, "payLOAD");
	g_assert_cmpint(giov_slice(&v, 3, 4, small, 0, &part), ==, -ERANGE);
	g_assert_cmpint(giov_slice(&v, 7, 0, small, 0, &part), ==, 0);
	g_assert_cmpuint(part.n, ==, 0);
}

/* ---- dirty log ---- */

static void dirty_marks(void)
{
	uint64_t bitmap[1] = {0};
	struct world w;

	world_init(&w);
	qs_leave();
	g_assert_cmpint(gmem_write(w.g, GPA(0), "x", 1), ==, 0);
	g_assert_false(gmem_dirty_on(w.g));
	g_assert_cmpuint(gmem_dirty_take(w.ram, bitmap), ==, 0);
	g_assert_cmpint(gmem_dirty_start(w.g), ==, 0);
	g_assert_true(gmem_dirty_on(w.g));
	qs_enter();

	g_assert_cmpint(gmem_write(w.g, GPA(PAGE - 1), "xy", 2), ==, 0);
	g_assert_cmpint(gmem_fill(w.g, GPA(3 * PAGE), 0, PAGE), ==, 0);
	gmem_dirty_mark(w.g, GPA(HIGH_BASE), 1);
	gmem_dirty_mark(w.g, GPA(HIGH_BASE), 0);
	gmem_dirty_mark(w.g, GPA(UINT64_MAX), UINT64_MAX);
	gmem_dirty_mark_block(w.ram, LOW_SIZE + HIGH_SIZE, 1);
	g_assert_cmpuint(gmem_dirty_take(w.ram, bitmap), ==, 4);
	g_assert_cmphex(bitmap[0], ==, 0x1000b);
	g_assert_cmpint(gmem_write(w.g, GPA(0), "x", 1), ==, 0);
	g_assert_cmpuint(gmem_dirty_take(w.ram, bitmap), ==, 0);

	/* what was marked in one log is forgotten by the next */
	g_assert_cmpint(gmem_write(w.g, GPA(0), "x", 1), ==, 0);
	gmem_dirty_stop(w.g);
	g_assert_cmpint(gmem_write(w.g, GPA(0), "x", 1), ==, 0);
	qs_leave();
	g_assert_cmpint(gmem_dirty_start(w.g), ==, 0);
	qs_enter();
	bitmap[0] = 0;
	g_assert_cmpuint(gmem_dirty_take(w.ram, bitmap), ==, 0);
	world_done(&w);
}

/* Long runs cross the words of the bitmap. */
static void dirty_runs(void)
{
	const uint64_t pages = 200;
	struct gmem_block *b = new_block("b", pages * PAGE, GMEM_PRIVATE);
	const struct gmem_range range = {.gpa = GPA(0), .size = pages * PAGE, .block = b};
	struct gmem *g = gmem_new();

	g_assert_cmpint(gmem_dirty_start(g), ==, 0);
	g_assert_cmpint(gmem_map_commit(g, &range, 1), ==, 0);
	for (uint64_t first = 0; first < pages; first += 13) {
		for (uint64_t n = 1; first + n <= pages; n += 11) {
			uint64_t bitmap[4] = {0};

			gmem_dirty_mark_block(b, first * PAGE + 5, n * PAGE - 5);
			g_assert_cmpuint(gmem_dirty_take(b, bitmap), ==, n);
			for (uint64_t i = 0; i < 256; i++)
				g_assert_cmpuint(bitmap[i / 64] >> (i % 64) & 1, ==,
					i >= first && i < first + n);
		}
	}
	gmem_free(g);
	gmem_block_unref(b);
	qs_flush();
}

struct marker {
	struct gmem_block *block;
	unsigned first;
	int *go; /* atomic */
};

static void *mark_thread(void *opaque)
{
	struct marker *m = opaque;

	for (unsigned i = 0; i < 4096; i++)
		gmem_dirty_mark_block(m->block, (m->first + 2 * (i % 512)) * PAGE, 1);
	__atomic_sub_fetch(m->go, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Two threads mark neighbouring bits while a third takes them: none is lost. */
static void dirty_concurrent(void)
{
	struct gmem_block *b = new_block("b", 1024 * PAGE, GMEM_PRIVATE);
	const struct gmem_range range = {.gpa = GPA(0), .size = 1024 * PAGE, .block = b};
	struct gmem *g = gmem_new();
	uint64_t bitmap[16] = {0}, moved = 0;
	int running = 2;
	struct marker m[2] = {{b, 0, &running}, {b, 1, &running}};
	pthread_t t[2];

	g_assert_cmpint(gmem_map_commit(g, &range, 1), ==, 0);
	g_assert_cmpint(gmem_dirty_start(g), ==, 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, mark_thread, &m[i]);
	while (__atomic_load_n(&running, __ATOMIC_ACQUIRE))
		moved += gmem_dirty_take(b, bitmap);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	moved += gmem_dirty_take(b, bitmap);
	g_assert_cmpuint(moved, ==, 1024);
	for (unsigned i = 0; i < 16; i++)
		g_assert_cmphex(bitmap[i], ==, UINT64_MAX);
	gmem_free(g);
	gmem_block_unref(b);
	qs_flush();
}

/* ---- maps swapped under readers ---- */

struct map_reader {
	struct gmem *g;
	int *stop; /* atomic */
	uint64_t reads;
};

static void *map_reader_main(void *opaque)
{
	struct map_reader *r = opaque;

	qs_thread_init();
	while (!__atomic_load_n(r->stop, __ATOMIC_RELAXED)) {
		uint64_t v[2];

		qs_enter();
		g_assert_cmpint(gmem_read(r->g, GPA(PAGE - 8), v, sizeof(v)), ==, 0);
		qs_leave();
		g_assert_cmphex(v[0], ==, v[1]);
		r->reads++;
	}
	qs_thread_done();
	return NULL;
}

/* Each map has blocks of its own, which go with it; a read across both always meets one whole map. */
static void map_swapped_under_readers(void)
{
	struct gmem *g = gmem_new();
	int stop = 0;
	struct map_reader r[2] = {{.g = g, .stop = &stop}, {.g = g, .stop = &stop}};
	pthread_t t[2];

	for (uint64_t i = 0; i < 200; i++) {
		struct gmem_block *lo = new_block("lo", PAGE, GMEM_PRIVATE),
				  *hi = new_block("hi", PAGE, GMEM_PRIVATE);
		const struct gmem_range ranges[] = {
			{.gpa = GPA(0), .size = PAGE, .block = lo},
			{.gpa = GPA(PAGE), .size = PAGE, .block = hi},
		};

		g_assert_cmpint(gmem_block_load(lo, PAGE - 8, &i, 8), ==, 0);
		g_assert_cmpint(gmem_block_load(hi, 0, &i, 8), ==, 0);
		g_assert_cmpint(gmem_map_commit(g, ranges, 2), ==, 0);
		gmem_block_unref(lo);
		gmem_block_unref(hi);
		for (unsigned j = 0; i == 0 && j < 2; j++)
			pthread_create(&t[j], NULL, map_reader_main, &r[j]);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (unsigned j = 0; j < 2; j++)
		pthread_join(t[j], NULL);
	gmem_free(g);
	qs_flush();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	qs_thread_init();
	g_test_add_func("/gmem/block-kinds", block_kinds);
	g_test_add_func("/gmem/block-shared-fd", block_shared_fd);
	g_test_add_func("/gmem/block-prealloc", block_prealloc);
	g_test_add_func("/gmem/block-refused", block_refused);
	g_test_add_func("/gmem/map-sorted", map_sorted);
	g_test_add_func("/gmem/map-refused", map_refused);
	g_test_add_func("/gmem/gpa-sums", gpa_sums);
	g_test_add_func("/gmem/copy-and-faults", copy_and_faults);
	g_test_add_func("/gmem/host-addresses", host_addresses);
	g_test_add_func("/gmem/random-copies", random_copies);
	g_test_add_func("/gmem/giov-from-guest", giov_from_guest);
	g_test_add_func("/gmem/giov-random", giov_random);
	g_test_add_func("/gmem/giov-host-memory", giov_host_memory);
	g_test_add_func("/gmem/dirty-marks", dirty_marks);
	g_test_add_func("/gmem/dirty-runs", dirty_runs);
	g_test_add_func("/gmem/dirty-concurrent", dirty_concurrent);
	g_test_add_func("/gmem/map-swapped-under-readers", map_swapped_under_readers);

	int ret = g_test_run();

	qs_thread_done();
	return ret;
}
