/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/virtio/ram.h"

#include "base/qs.h"

static struct gmem_block *block(const char *name, uint64_t size)
{
	struct gmem_block_conf conf = {.name = name, .size = size};
	g_autoptr(GError) error = NULL;
	struct gmem_block *b = gmem_block_new(&conf, &error);

	g_assert_no_error(error);
	return b;
}

void ram_commit(struct test_ram *m, bool high)
{
	struct gmem_range ranges[] = {
		{.gpa = GPA(0), .size = RAM_LOW, .block = m->low},
		{.gpa = GPA(RAM_ROM), .size = RAM_ROM_SIZE, .block = m->rom, .readonly = true},
		{.gpa = GPA(RAM_LOW), .size = RAM_SIZE - RAM_LOW, .block = m->high},
	};

	g_assert_cmpint(gmem_map_commit(m->gmem, ranges, high ? 3 : 2), ==, 0);
}

void ram_init(struct test_ram *m)
{
	qs_thread_init();
	m->gmem = gmem_new();
	m->low = block("low", RAM_LOW);
	m->high = block("high", RAM_SIZE - RAM_LOW);
	m->rom = block("rom", RAM_ROM_SIZE);
	ram_commit(m, true);
}

void ram_done(struct test_ram *m)
{
	gmem_free(m->gmem);
	qs_flush();
	gmem_block_unref(m->low);
	gmem_block_unref(m->high);
	gmem_block_unref(m->rom);
	qs_thread_done();
}

/* xorshift64* */
uint32_t rnd_next(struct rnd *r)
{
	r->s ^= r->s >> 12;
	r->s ^= r->s << 25;
	r->s ^= r->s >> 27;
	return (uint32_t)(r->s * UINT64_C(2685821657736338717) >> 32);
}

uint32_t rnd_below(struct rnd *r, uint32_t n)
{
	return rnd_next(r) % n;
}

bool rnd_one_in(struct rnd *r, uint32_t n)
{
	return rnd_below(r, n) == 0;
}
