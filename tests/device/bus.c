/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Regions, their flattening and dispatch; memory slots and doorbells; saved state. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/qs.h"
#include "tests/device/rig.h"

static void map(struct rig *r, struct region *region, uint64_t base, int priority)
{
	bus_lock(r->bus);
	g_assert_cmpint(region_map(r->bus, region, base, priority), ==, 0);
	bus_unlock(r->bus);
}

static void unmap(struct rig *r, struct region *region)
{
	bus_lock(r->bus);
	region_unmap(r->bus, region);
	bus_unlock(r->bus);
}

/* ---- dispatch ---- */

static void widths(void)
{
	static const struct {
		uint8_t min, max;
		unsigned offset, size;
		const char *trace;
		uint64_t unanswered; /* bytes that read as ones */
		bool misaligned;
	} cases[] = {
		{1, 4, 0, 1, "r0:1 ", 0},
		{1, 4, 2, 2, "r2:2 ", 0},
		{1, 4, 4, 4, "r4:4 ", 0},
		{1, 4, 0, 8, "r0:4 r4:4 ", 0},
		{1, 4, 1, 4, "r1:1 r2:2 r4:1 ", 0},
		{1, 4, 3, 2, "r3:1 r4:1 ", 0},
		{1, 1, 0, 4, "r0:1 r1:1 r2:1 r3:1 ", 0},
		{1, 8, 8, 8, "r8:8 ", 0},
		{1, 8, 4, 8, "r4:4 r8:4 ", 0},
		{1, 8, 1, 7, "r1:1 r2:2 r4:4 ", 0},
		{2, 4, 0, 1, "", 0x1},
		{2, 4, 1, 2, "", 0x3},
		{2, 4, 1, 4, "r2:2 ", 0x9},
		{4, 4, 0, 8, "r0:4 r4:4 ", 0},
		{4, 4, 0, 2, "", 0x3},
		{4, 4, 2, 6, "r4:4 ", 0x3},
		{1, 4, 14, 4, "re:2 ", 0xc}, /* over the end */
		{2, 2, 1, 2, "r1:2 ", 0, true},
		{2, 4, 3, 4, "r3:4 ", 0, true},
	};
	struct rig *r = rig_new();
	struct probe *p = probe_new(r, "p");

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct region_ops ops = probe_region_ops;
		struct region region;
		uint64_t want = 0, addr = 0xd0000000 + cases[i].offset;
		g_autofree char *writes = g_strdup(cases[i].trace);

		ops.min = cases[i].min;
		ops.max = cases[i].max;
		ops.misaligned = cases[i].misaligned;
		region_init_io(&region, DEV(p), &ops, "r", BUS_MMIO, 16);
		map(r, &region, 0xd0000000, 0);
		for (unsigned b = 0; b < cases[i].size; b++) {
			uint8_t byte = cases[i].unanswered >> b & 1
					       ? 0xff
					       : probe_byte(&region, cases[i].offset + b);

			want |= (uint64_t)byte << (8 * b);
		}
		p->trace = g_string_new("");
		g_assert_cmphex(rig_read(r, BUS_MMIO, addr, cases[i].size), ==, want);
		g_assert_cmpstr(p->trace->str, ==, cases[i].trace);

		g_string_truncate(p->trace, 0);
		rig_write(r, BUS_MMIO, addr, cases[i].size, UINT64_MAX);
		g_strdelimit(writes, "r", 'w');
		g_assert_cmpstr(p->trace->str, ==, writes);
		if (p->trace->len)
			g_assert_cmphex(p->last.value, ==, ones(p->last.size));
		g_string_free(p->trace, true);
		p->trace = NULL;
		unmap(r, &region);
	}
	rig_free(r);
}

static void values_are_split(void)
{
	struct rig *r = rig_new();
	struct probe *p = probe_new(r, "p");
	struct region_ops bytes = probe_region_ops;
	struct region a, b;

	bytes.max = 1;
	region_init_io(&a, DEV(p), &bytes, "a", BUS_PIO, 2);
	region_init_io(&b, DEV(p), &probe_region_ops, "b", BUS_PIO, 2);
	map(r, &a, 0x100, 0);
	map(r, &b, 0x102, 0);
	rig_write(r, BUS_PIO, 0x100, 4, 0x44332211);
	g_assert_cmpuint(p->accesses, ==, 3);
	g_assert_true(p->last.region == &b);
	g_assert_cmphex(p->last.value, ==, 0x4433);
	rig_write(r, BUS_PIO, 0x101, 1, 0xabcd);
	g_assert_cmphex(p->last.value, ==, 0xcd);
	rig_free(r);
}

static void nobody(void)
{
	struct rig *r = rig_new();
	struct probe *p = probe_new(r, "p");
	struct region_ops mute = {.min = 1, .max = 4};
	struct region top, silent;
	uint8_t buf[16];

	g_assert_cmphex(rig_read(r, BUS_PIO, 0x60, 1), ==, 0xff);
	g_assert_cmphex(rig_read(r, BUS_PIO, 0x60, 4), ==, 0xffffffff);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xfed00000, 8), ==, UINT64_MAX);
	g_assert_cmphex(rig_read(r, BUS_MMIO, UINT64_MAX - 3, 8), ==, UINT64_MAX);
	rig_write(r, BUS_MMIO, UINT64_MAX - 3, 8, 0);
	rig_write(r, BUS_PIO, 0xfffe, 4, 0);
	g_assert_cmphex(rig_ram32(r, 0), ==, 0);

	/* The last ports: what goes over the end meets nobody, and does not begin again at port 0. */
	region_init_io(&top, DEV(p), &probe_region_ops, "top", BUS_PIO, 2);
	map(r, &top, 0xfffe, 0);
	g_assert_cmphex(rig_read(r, BUS_PIO, 0xfffe, 4), ==,
		0xffff0000 | probe_byte(&top, 0) | probe_byte(&top, 1) << 8);

	region_init_io(&silent, DEV(p), &mute, "silent", BUS_PIO, 4);
	map(r, &silent, 0x70, 0);
	g_assert_cmphex(rig_read(r, BUS_PIO, 0x70, 2), ==, 0xffff);
	rig_write(r, BUS_PIO, 0x70, 2, 0);

	qs_enter();
	g_assert_cmpint(bus_mem_read(r->bus, UINT64_MAX - 7, buf, sizeof(buf)), ==, -EFAULT);
	g_assert_cmpint(bus_mem_read(r->bus, RIG_RAM - 8, buf, sizeof(buf)), ==, -EFAULT);
	qs_leave();
	for (unsigned i = 0; i < 16; i++)
		g_assert_cmphex(buf[i], ==, i < 8 ? 0 : 0xff);
	rig_free(r);
}

static void placement(void)
{
	struct rig *r = rig_new();
	struct probe *p = probe_new(r, "p");
	struct region a;

	region_init_io(&a, DEV(p), &probe_region_ops, "a", BUS_PIO, 16);
	bus_lock(r->bus);
	g_assert_cmpint(region_map(r->bus, &a, 0xfff1, 0), ==, -EINVAL);
	g_assert_false(a.mapped);
	g_assert_cmpint(region_map(r->bus, &a, 0xfff0, 0), ==, 0);
	g_assert_cmpint(region_map(r->bus, &a, UINT64_MAX - 3, 0), ==, -EINVAL);
	g_assert_false(a.mapped);
	a.size = 0;
	g_assert_cmpint(region_map(r->bus, &a, 0, 0), ==, -EINVAL);
	a.space = BUS_MMIO;
	a.size = 4096;
	g_assert_cmpint(region_map(r->bus, &a, (UINT64_C(1) << 52) - 4096, 0), ==, 0);
	g_assert_cmpint(region_map(r->bus, &a, (UINT64_C(1) << 52) - 4095, 0), ==, -EINVAL);
	region_unmap(r->bus, &a);
	region_unmap(r->bus, &a);
	bus_unlock(r->bus);
	rig_free(r);
}

static void precedence(void)
{
	struct rig *r = rig_new();
	struct probe *p = probe_new(r, "p");
	struct region low, high, late, hole;

	region_init_io(&low, DEV(p), &probe_region_ops, "low", BUS_PIO, 64);
	region_init_io(&high, DEV(p), &probe_region_ops, "high", BUS_PIO, 16);
	region_init_io(&late, DEV(p), &probe_region_ops, "late", BUS_PIO, 64);
	low.opaque = GUINT_TO_POINTER(1);
	high.opaque = GUINT_TO_POINTER(2);
	late.opaque = GUINT_TO_POINTER(3);
	hole = (struct region){.name = "hole", .kind = REGION_HOLE, .space = BUS_PIO, .size = 4};

	map(r, &high, 0x210, 5);
	map(r, &low, 0x200, 0);
	g_assert_cmphex(rig_read(r, BUS_PIO, 0x20f, 1), ==, probe_byte(&low, 0xf));
	g_assert_cmphex(rig_read(r, BUS_PIO, 0x210, 1), ==, probe_byte(&high, 0));
	g_assert_cmphex(rig_read(r, BUS_PIO, 0x220, 1), ==, probe_byte(&low, 0x20));
	map(r, &late, 0x204, 0);
	g_assert_cmphex(rig_read(r, BUS_PIO, 0x203, 1), ==, probe_byte(&low, 3));
	g_assert_cmphex(rig_read(r, BUS_PIO, 0x204, 1), ==, probe_byte(&late, 0));
	g_assert_cmphex(rig_read(r, BUS_PIO, 0x210, 1), ==, probe_byte(&high, 0));
	map(r, &hole, 0x210, 6);
	g_assert_cmphex(rig_read(r, BUS_PIO, 0x210, 4), ==, 0xffffffff);
	g_assert_cmphex(rig_read(r, BUS_PIO, 0x214, 1), ==, probe_byte(&high, 4));
	/* Mapped again it is the later one. */
	map(r, &low, 0x200, 0);
	g_assert_cmphex(rig_read(r, BUS_PIO, 0x204, 1), ==, probe_byte(&low, 4));
	rig_free(r);
}

/* ---- memory ---- */

static void slots_are_whole_pages(void)
{
	struct rig *r = rig_new();
	struct probe *p = probe_new(r, "p");
	struct region io;
	const struct accel_slot *s = r->fake->slots;
	uint8_t buf[32];

	g_assert_cmpuint(r->fake->n_slots, ==, 1);
	region_init_io(&io, DEV(p), &probe_region_ops, "io", BUS_MMIO, 16);
	map(r, &io, 0x3008, 0);
	g_assert_cmpuint(r->fake->n_slots, ==, 2);
	g_assert_cmphex(s[0].gpa.v + s[0].size, ==, 0x3000);
	g_assert_cmphex(s[1].gpa.v, ==, 0x4000);
	g_assert_cmphex(s[1].offset, ==, 0x4000);
	g_assert_cmphex(s[1].gpa.v + s[1].size, ==, RIG_RAM);

	/* The RAM around the registers is still there, for the CPU by exits. */
	rig_write(r, BUS_MMIO, 0x3000, 8, 0x1122334455667788);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0x3000, 8), ==, 0x1122334455667788);
	g_assert_cmpuint(p->accesses, ==, 0);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0x3004, 8) & 0xffffffff, ==, 0x11223344);
	g_assert_cmpuint(p->accesses, ==, 1);
	g_assert_cmphex(rig_ram32(r, 0x3004), ==, 0x11223344);
	qs_enter();
	g_assert_cmpint(gmem_read(r->gmem, GPA(0x3008), buf, 1), ==, -EFAULT);
	g_assert_cmpint(gmem_read(r->gmem, GPA(0x3018), buf, 8), ==, 0);
	g_assert_cmpint(bus_mem_read(r->bus, 0x3000, buf, 32), ==, 0);
	qs_leave();
	g_assert_cmphex(buf[7], ==, 0x11);
	g_assert_cmphex(buf[8], ==, probe_byte(&io, 0));
	g_assert_cmphex(buf[23], ==, probe_byte(&io, 15));
	g_assert_cmphex(buf[24], ==, 0);

	unmap(r, &io);
	g_assert_cmpuint(r->fake->n_slots, ==, 1);
	rig_free(r);
}

static void rom(void)
{
	static const struct gmem_block_conf conf = {.name = "rom", .size = 64 * KiB};
	struct rig *r = rig_new();
	struct gmem_block *block = gmem_block_new(&conf, NULL);
	struct region shadow;
	uint8_t two[2] = {0x12, 0x34};

	g_assert_cmpint(gmem_block_load(block, 0x8000, "\x55\xaa", 2), ==, 0);
	region_init_mem(&shadow, "rom", block, 0x8000, 0x8000, true);
	map(r, &shadow, 0xf8000, REGION_PRIO_OVERLAY);
	g_assert_cmpuint(r->fake->n_slots, ==, 3);
	g_assert_true(r->fake->slots[1].readonly);
	g_assert_true(r->fake->slots[1].block == block);
	g_assert_cmphex(r->fake->slots[1].offset, ==, 0x8000);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xf8000, 2), ==, 0xaa55);
	rig_write(r, BUS_MMIO, 0xf8000, 2, 0);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xf8000, 2), ==, 0xaa55);
	qs_enter();
	g_assert_cmpint(bus_mem_write(r->bus, 0xf7fff, two, 2), ==, -EFAULT);
	qs_leave();
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xf7fff, 1), ==, 0x12);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xf8000, 2), ==, 0xaa55);
	unmap(r, &shadow);
	bus_synchronize(r->bus);
	gmem_block_unref(block);
	rig_free(r);
}

/* A block whose pages do not fall on guest pages cannot be a slot, but is memory all the same. */
static void crooked_block(void)
{
	static const struct gmem_block_conf conf = {.name = "crooked", .size = 64 * KiB};
	struct rig *r = rig_new();
	struct gmem_block *block = gmem_block_new(&conf, NULL);
	struct region region;

	region_init_mem(&region, "crooked", block, 0x100, 0x4000, false);
	map(r, &region, 0xc0000000, 0);
	g_assert_cmpuint(r->fake->n_slots, ==, 1);
	rig_write(r, BUS_MMIO, 0xc0000ffe, 4, 0xcafef00d);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xc0000ffe, 4), ==, 0xcafef00d);
	unmap(r, &region);
	bus_synchronize(r->bus);
	gmem_block_unref(block);
	rig_free(r);
}

static void no_change_no_call(void)
{
	struct rig *r = rig_new();
	struct probe *p = probe_new(r, "p");
	struct region hidden, port;
	struct dispatch *pio = r->bus->tables[BUS_PIO], *mmio = r->bus->tables[BUS_MMIO];
	uint64_t generation = gmem_generation(r->gmem);
	unsigned commits = r->fake->memory_commits;

	region_init_io(&hidden, DEV(p), &probe_region_ops, "hidden", BUS_MMIO, 0x1000);
	map(r, &hidden, 0x5000, REGION_PRIO_BACKGROUND - 1);
	g_assert_cmpint(bus_commit(r->bus), ==, 0);
	g_assert_true(r->bus->tables[BUS_PIO] == pio);
	g_assert_true(r->bus->tables[BUS_MMIO] == mmio);
	g_assert_cmpuint(r->fake->memory_commits, ==, commits);
	g_assert_cmpuint(gmem_generation(r->gmem), ==, generation);

	/* Ports do not concern memory. */
	region_init_io(&port, DEV(p), &probe_region_ops, "port", BUS_PIO, 4);
	map(r, &port, 0x80, 0);
	g_assert_true(r->bus->tables[BUS_PIO] != pio);
	g_assert_true(r->bus->tables[BUS_MMIO] == mmio);
	g_assert_cmpuint(r->fake->memory_commits, ==, commits);
	rig_free(r);
}

static void accelerator_refuses(void)
{
	struct rig *r = rig_new();
	struct probe *p = probe_new(r, "p");
	struct region io;

	region_init_io(&io, DEV(p), &probe_region_ops, "io", BUS_MMIO, 0x1000);
	r->fake->memory_error = -ENOMEM;
	map(r, &io, 0x5000, 0);
	g_assert_cmpuint(r->events, ==, 1);
	g_assert_cmpuint(r->fake->n_slots, ==, 1);
	/* The next one brings the accelerator up to date. */
	g_assert_cmpint(bus_commit(r->bus), ==, 0);
	g_assert_cmpuint(r->fake->n_slots, ==, 2);
	r->fake->memory_error = -ENOSPC;
	bus_lock(r->bus);
	region_unmap(r->bus, &io);
	g_assert_cmpuint(r->events, ==, 1);
	bus_unlock(r->bus);
	g_assert_cmpuint(r->events, ==, 2);
	rig_free(r);
}

/* ---- doorbells ---- */

static void doorbells(void)
{
	struct rig *r = rig_new();
	struct probe *p = probe_new(r, "p");
	struct region bar, over;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct region_doorbell list[] = {
		{.offset = 0, .len = 0, .fd = fd}, {.offset = 4, .len = 2, .fd = fd},
		{.offset = 8, .len = 4, .match = true, .data = 7, .fd = fd},
		{.offset = 14, .len = 4, .fd = fd}, /* leaves the region */
	};
	uint64_t n;

	region_init_io(&bar, DEV(p), &probe_region_ops, "bar", BUS_MMIO, 16);
	region_init_io(&over, DEV(p), &probe_region_ops, "over", BUS_MMIO, 4);
	bar.doorbells = list;
	bar.n_doorbells = ARRAY_SIZE(list);
	map(r, &bar, 0xe0000000, 0);
	g_assert_cmpuint(r->fake->n_ioeventfds, ==, 3);
	g_assert_true(fake_accel_doorbell(r->fake, false, 0xe0000004, 2, 1));
	g_assert_cmpint(read(fd, &n, sizeof(n)), ==, sizeof(n));
	g_assert_false(fake_accel_doorbell(r->fake, false, 0xe0000008, 4, 6));
	g_assert_true(fake_accel_doorbell(r->fake, false, 0xe0000008, 4, 7));

	/* Half of the second is hidden: all of it goes to the handlers. */
	map(r, &over, 0xe0000005, 1);
	g_assert_cmpuint(r->fake->n_ioeventfds, ==, 1);
	g_assert_true(fake_accel_doorbell(r->fake, false, 0xe0000000, 1, 0));
	unmap(r, &over);
	g_assert_cmpuint(r->fake->n_ioeventfds, ==, 3);

	map(r, &bar, 0xe0001000, 0);
	g_assert_cmpuint(r->fake->n_ioeventfds, ==, 3);
	g_assert_false(fake_accel_doorbell(r->fake, false, 0xe0000000, 4, 0));
	g_assert_true(fake_accel_doorbell(r->fake, false, 0xe0001000, 4, 0));
	unmap(r, &bar);
	g_assert_cmpuint(r->fake->n_ioeventfds, ==, 0);

	/* Without ioeventfds the handler is called, and nothing is taken back that was never given. */
	r->fake->no_ioeventfd = true;
	map(r, &bar, 0xe0000000, 0);
	g_assert_cmpuint(r->fake->n_ioeventfds, ==, 0);
	rig_write(r, BUS_MMIO, 0xe0000004, 2, 3);
	g_assert_cmphex(p->last.value, ==, 3);
	unmap(r, &bar);
	g_assert_cmpuint(r->events, ==, 0);
	close(fd);
	rig_free(r);
}

/* ---- against a model: for every byte of a small space, who answers ---- */

#define MODEL_SIZE    UINT64_C(0x10000)
#define MODEL_REGIONS 24
#define MODEL_PAGES   (MODEL_SIZE / 4096)

struct model {
	struct rig *r;
	struct probe *p;
	enum bus_space space;
	uint64_t base; /* of the modelled piece */
	struct gmem_block *block;
	struct region regions[MODEL_REGIONS];
	struct region_doorbell doorbells[MODEL_REGIONS];
	uint64_t order[MODEL_REGIONS]; /* of mapping */
	uint64_t orders;
	struct region *owner[MODEL_SIZE];
};

static uint64_t random_size(void)
{
	static const uint64_t sizes[] = {1, 2, 3, 4, 8, 16, 100, 0x1000, 0x1800, 0x3000, 0x8000};

	return sizes[g_test_rand_int_range(0, ARRAY_SIZE(sizes))];
}

static void model_region_init(struct model *m, unsigned i)
{
	struct region *r = &m->regions[i];
	uint64_t size = random_size(), off = (uint64_t)g_test_rand_int_range(0, 4) * 4096;
	int kind = m->space == BUS_PIO ? 0 : g_test_rand_int_range(0, 4);

	if (kind == 1 || kind == 2)
		region_init_mem(r, "mem", m->block, off, size, kind == 2);
	else
		region_init_io(r, DEV(m->p), &probe_region_ops, "io", m->space, size);
	if (kind == 3)
		r->kind = REGION_HOLE;
	r->opaque = GUINT_TO_POINTER(i + 1);
	m->doorbells[i] = (struct region_doorbell){
		.offset = g_test_rand_int_range(0, size), .len = 1u << (i % 4), .fd = i};
	r->doorbells = &m->doorbells[i];
	r->n_doorbells = r->kind == REGION_IO;
}

static void model_paint(struct model *m)
{
	for (uint64_t a = 0; a < MODEL_SIZE; a++) {
		struct region *best = NULL;

		for (unsigned i = 0; i < MODEL_REGIONS; i++) {
			struct region *r = &m->regions[i];

			if (!r->mapped || m->base + a < r->base || m->base + a - r->base >= r->size)
				continue;
			if (!best || r->priority > best->priority ||
				(r->priority == best->priority &&
					m->order[i] > m->order[best - m->regions]))
				best = r;
		}
		m->owner[a] = best;
	}
}

/* What the pattern in the block says at @offset. */
static uint8_t pattern(uint64_t offset)
{
	return (uint8_t)(offset * 13 + (offset >> 8) * 5);
}

static uint8_t model_byte(const struct model *m, uint64_t a)
{
	const struct region *r = a < MODEL_SIZE ? m->owner[a] : NULL;

	if (!r || r->kind == REGION_HOLE)
		return 0xff;
	if (r->kind == REGION_IO)
		return probe_byte(r, m->base + a - r->base);
	return pattern(r->block_offset + (m->base + a - r->base));
}

static bool model_is_memory(const struct model *m, uint64_t a)
{
	return m->owner[a] && (m->owner[a]->kind == REGION_RAM || m->owner[a]->kind == REGION_ROM);
}

static void check_reads(struct model *m)
{
	for (unsigned i = 0; i < 400; i++) {
		uint64_t a = g_test_rand_int_range(0, MODEL_SIZE - 8), want = 0;
		unsigned size = m->space == BUS_PIO ? 1u << g_test_rand_int_range(0, 3)
						    : g_test_rand_int_range(1, 9);

		for (unsigned b = 0; b < size; b++)
			want |= (uint64_t)model_byte(m, a + b) << (8 * b);
		g_assert_cmphex(rig_read(m->r, m->space, m->base + a, size), ==, want);
	}
}

static void check_all_bytes(struct model *m)
{
	g_autofree uint8_t *got = g_malloc(MODEL_SIZE);

	qs_enter();
	(void)bus_mem_read(m->r->bus, m->base, got, MODEL_SIZE);
	for (uint64_t a = 0; a < MODEL_SIZE; a++) {
		uint8_t byte;
		int err = gmem_read(m->r->gmem, GPA(m->base + a), &byte, 1);

		g_assert_cmphex(got[a], ==, model_byte(m, a));
		g_assert_cmpint(err, ==, model_is_memory(m, a) ? 0 : -EFAULT);
		if (!err)
			g_assert_cmphex(byte, ==, model_byte(m, a));
	}
	qs_leave();
}

/* Slots cover exactly the pages whose bytes all come from one memory region. */
static void check_slots(struct model *m)
{
	struct fake_accel *f = m->r->fake;
	bool covered[MODEL_PAGES] = {false};

	for (size_t i = 0; i < f->n_slots; i++) {
		const struct accel_slot *s = &f->slots[i];

		g_assert_cmphex((s->gpa.v | s->size | s->offset) & 4095, ==, 0);
		if (s->gpa.v < m->base)
			continue;
		for (uint64_t a = s->gpa.v - m->base; a < s->gpa.v - m->base + s->size; a += 4096) {
			const struct region *r = m->owner[a];

			covered[a / 4096] = true;
			g_assert_true(r && r->block == s->block);
			g_assert_cmpint(s->readonly, ==, r->kind == REGION_ROM);
			g_assert_cmphex(s->offset + (m->base + a - s->gpa.v), ==,
				r->block_offset + (m->base + a - r->base));
		}
	}
	for (uint64_t page = 0; page < MODEL_PAGES; page++) {
		struct region *r = m->owner[page * 4096];
		bool whole = model_is_memory(m, page * 4096) &&
			     (r->base - r->block_offset) % 4096 == 0;

		for (uint64_t a = page * 4096; whole && a < (page + 1) * 4096; a++)
			whole = m->owner[a] == r;
		g_assert_cmpint(covered[page], ==, whole);
	}
}

static void check_doorbells(struct model *m)
{
	struct fake_accel *f = m->r->fake;
	unsigned want = 0;

	for (unsigned i = 0; i < MODEL_REGIONS; i++) {
		struct region *r = &m->regions[i];
		const struct region_doorbell *d = &m->doorbells[i];
		uint64_t a = r->base + d->offset - m->base;
		bool visible = r->mapped && r->n_doorbells && d->offset + d->len <= r->size;
		bool found = false;

		for (unsigned b = 0; visible && b < d->len; b++)
			visible = m->owner[a + b] == r;
		for (unsigned k = 0; k < f->n_ioeventfds; k++)
			found |= f->ioeventfds[k].fd == (int)i &&
				 f->ioeventfds[k].addr == m->base + a &&
				 f->ioeventfds[k].pio == (m->space == BUS_PIO);
		g_assert_cmpint(found, ==, visible);
		want += visible;
	}
	g_assert_cmpuint(f->n_ioeventfds, ==, want);
}

static void model_change(struct model *m)
{
	for (int n = g_test_rand_int_range(1, 6); n; n--) {
		unsigned i = g_test_rand_int_range(0, MODEL_REGIONS);
		struct region *r = &m->regions[i];

		region_unmap(m->r->bus, r);
		if (g_test_rand_int_range(0, 4) == 0)
			continue;
		model_region_init(m, i);
		/* Often at a page, so that slots come about. */
		uint64_t at = g_test_rand_int_range(0, MODEL_SIZE - r->size + 1);

		if (g_test_rand_bit())
			at = align_down(at, 4096);
		g_assert_cmpint(
			region_map(m->r->bus, r, m->base + at, g_test_rand_int_range(-2, 3)), ==,
			0);
		m->order[i] = ++m->orders;
	}
}

static void against_model(gconstpointer space)
{
	static const struct gmem_block_conf conf = {.name = "model", .size = 64 * KiB};
	struct model *m = g_new0(struct model, 1);
	g_autofree uint8_t *bytes = g_malloc(64 * KiB);

	m->r = rig_new();
	m->p = probe_new(m->r, "p");
	m->space = GPOINTER_TO_INT(space);
	m->base = m->space == BUS_PIO ? 0 : 0xc0000000;
	m->block = gmem_block_new(&conf, NULL);
	for (uint64_t i = 0; i < 64 * KiB; i++)
		bytes[i] = pattern(i);
	g_assert_cmpint(gmem_block_load(m->block, 0, bytes, 64 * KiB), ==, 0);

	for (unsigned round = 0; round < 60; round++) {
		bus_lock(m->r->bus);
		model_change(m);
		bus_unlock(m->r->bus);
		g_assert_cmpuint(m->r->events, ==, 0);
		model_paint(m);
		check_reads(m);
		check_doorbells(m);
		if (m->space == BUS_MMIO) {
			check_all_bytes(m);
			check_slots(m);
		}
	}
	bus_lock(m->r->bus);
	for (unsigned i = 0; i < MODEL_REGIONS; i++)
		region_unmap(m->r->bus, &m->regions[i]);
	bus_unlock(m->r->bus);
	gmem_block_unref(m->block);
	rig_free(m->r);
	g_free(m);
}

/* ---- messages ---- */

static void msi(void)
{
	struct rig *r = rig_new();
	struct accel_msi m = {.addr = 0xfee01000, .data = 0x41};

	g_assert_cmpint(bus_msi_send(r->bus, &m), ==, 0);
	g_assert_cmpuint(fake_accel_msis(r->fake), ==, 1);
	g_assert_cmphex(fake_accel_msi(r->fake, 0).data, ==, 0x41);
	m = (struct accel_msi){.addr = 0x2000, .data = 0xcafe};
	g_assert_cmpint(bus_msi_send(r->bus, &m), ==, 0);
	g_assert_cmphex(rig_ram32(r, 0x2000), ==, 0xcafe);
	m.addr = 0x1fee00000;
	g_assert_cmpint(bus_msi_send(r->bus, &m), ==, -EFAULT);
	m.addr = RIG_RAM - 2;
	g_assert_cmpint(bus_msi_send(r->bus, &m), ==, -EFAULT);
	m.addr = UINT64_MAX;
	g_assert_cmpint(bus_msi_send(r->bus, &m), ==, -EFAULT);
	g_assert_cmpuint(fake_accel_msis(r->fake), ==, 1);
	rig_free(r);
}

/* ---- saved state: the frame; what is in it, generic.c judges ---- */

static bool load(struct rig *r, const GByteArray *a, const char *want)
{
	g_autoptr(GError) error = NULL;
	bool ok = bus_load(r->bus, a->data, a->len, &error);

	if (ok) {
		g_assert_no_error(error);
	} else {
		g_assert_error(error, VMMD_ERROR, VMMD_ERROR_INVALID);
		if (want && !strstr(error->message, want))
			g_error("\"%s\" does not say \"%s\"", error->message, want);
	}
	return ok;
}

static void frames(void)
{
	struct rig *r = rig_new(), *other = rig_new();
	g_autoptr(GByteArray) both = g_byte_array_new(), one = g_byte_array_new();
	g_autoptr(GByteArray) twice = g_byte_array_new();
	uint32_t two = 2, body;

	pci_probe_new(r, "a", -1);
	bus_save(r->bus, one);
	g_assert_true(load(r, one, NULL));
	/* More in its frame than its tables take: the length stands behind the 1-byte id. */
	g_byte_array_append(twice, one->data, one->len);
	g_byte_array_append(twice, (const uint8_t *)"x", 1);
	body = one->len - 17 + 1;
	memcpy(twice->data + 13, &body, sizeof(body));
	g_assert_false(load(r, twice, "truncated or malformed"));
	g_byte_array_set_size(twice, 0);
	/* The same device again after itself. */
	g_byte_array_append(twice, one->data, one->len);
	memcpy(twice->data + 4, &two, sizeof(two));
	g_byte_array_append(twice, one->data + 8, one->len - 8);
	g_assert_false(load(r, twice, "\"a\" comes twice"));

	pci_probe_new(r, "b", -1);
	bus_save(r->bus, both);
	g_assert_true(load(r, both, NULL));
	g_assert_false(load(r, one, "nothing about device \"b\""));

	/* Another order of the same devices. */
	pci_probe_new(other, "b", 3);
	pci_probe_new(other, "a", 2);
	g_assert_true(load(other, both, NULL));

	probe_new(r, "c");
	g_byte_array_set_size(twice, 0);
	bus_save(r->bus, twice);
	g_assert_false(load(other, twice, "no device \"c\""));

	for (guint n = 0; n < both->len; n++) {
		g_autoptr(GByteArray) cut = g_byte_array_new();

		g_byte_array_append(cut, both->data, n);
		g_assert_false(load(other, cut, NULL));
	}
	g_byte_array_append(both, (const uint8_t *)"x", 1);
	g_assert_false(load(other, both, "malformed"));
	rig_free(r);
	rig_free(other);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/bus/widths", widths);
	g_test_add_func("/bus/values-are-split", values_are_split);
	g_test_add_func("/bus/nobody", nobody);
	g_test_add_func("/bus/placement", placement);
	g_test_add_func("/bus/precedence", precedence);
	g_test_add_func("/bus/slots-are-whole-pages", slots_are_whole_pages);
	g_test_add_func("/bus/rom", rom);
	g_test_add_func("/bus/crooked-block", crooked_block);
	g_test_add_func("/bus/no-change-no-call", no_change_no_call);
	g_test_add_func("/bus/accelerator-refuses", accelerator_refuses);
	g_test_add_func("/bus/doorbells", doorbells);
	g_test_add_data_func("/bus/model/pio", GINT_TO_POINTER(BUS_PIO), against_model);
	g_test_add_data_func("/bus/model/mmio", GINT_TO_POINTER(BUS_MMIO), against_model);
	g_test_add_func("/bus/msi", msi);
	g_test_add_func("/bus/frames", frames);
	return g_test_run();
}
