/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flash memory: commands, what reads without exits, what reaches the disk. */
#include "devmodel/platform/pflash.h"
#include "tests/lib/board.h"
#include "tests/lib/fake-blk.h"

#define BASE   UINT64_C(0xffc00000)
#define SIZE   (64 * KiB)
#define OFFSET 0x1234u /* in the second block */

struct fixture {
	struct board b;
	struct gmem_block *contents;
	struct fake_blk *disk;
	struct dev *d;
};

static void set_up(struct fixture *f)
{
	const struct gmem_block_conf conf = {.name = "flash", .size = SIZE};
	g_autofree uint8_t *ones = g_malloc(SIZE);

	board_init(&f->b);
	memset(ones, 0xff, SIZE);
	f->contents = gmem_block_new(&conf, NULL);
	gmem_block_load(f->contents, 0, ones, SIZE);
	f->disk = fake_blk_new(f->b.loop, SIZE);
	memset(f->disk->data, 0xff, SIZE);
	f->d = dev_new(f->b.bus, &pflash_ops, "flash");
	prop_set_uint(prop_find(pflash_ops.props, "base"), f->d, BASE, NULL);
	prop_set_uint(prop_find(pflash_ops.props, "size"), f->d, SIZE, NULL);
	pflash_set_contents(f->d, f->contents, &f->disk->blk);
	board_realize(&f->b, f->d);
}

static void tear_down(struct fixture *f)
{
	board_done(&f->b);
	fake_blk_free(f->disk);
	gmem_block_unref(f->contents);
}

static uint8_t peek(struct fixture *f, uint64_t offset)
{
	return (uint8_t)bus_read(f->b.bus, BUS_MMIO, BASE + offset, 1);
}

static void poke(struct fixture *f, uint64_t offset, uint8_t value)
{
	bus_write(f->b.bus, BUS_MMIO, BASE + offset, 1, value);
}

static void program(struct fixture *f, uint64_t offset, uint8_t value)
{
	poke(f, offset, 0x10);
	poke(f, offset, value);
	poke(f, offset, 0xff);
}

/* What the accelerator has there is memory, read-only; while a command is under way it has nothing. */
static bool mapped(struct fixture *f)
{
	struct fake_accel *a = f->b.accel;

	for (size_t i = 0; i < a->n_slots; i++) {
		if (a->slots[i].gpa.v == BASE) {
			g_assert_true(a->slots[i].readonly);
			g_assert_cmpuint(a->slots[i].size, ==, SIZE);
			return true;
		}
	}
	return false;
}

static void test_detect(void)
{
	struct fixture f;

	/* As OVMF asks: memory keeps what is written, ROM ignores it, flash answers. */
	set_up(&f);
	g_assert_true(mapped(&f));
	g_assert_cmphex(peek(&f, OFFSET), ==, 0xff);
	poke(&f, OFFSET, 0x50);
	g_assert_true(mapped(&f));
	g_assert_cmphex(peek(&f, OFFSET), ==, 0xff);
	poke(&f, OFFSET, 0x70);
	g_assert_false(mapped(&f));
	g_assert_cmphex(peek(&f, OFFSET), ==, 0x80);
	poke(&f, OFFSET, 0x90);
	g_assert_cmphex(peek(&f, 0), ==, 0x89);
	g_assert_cmphex(peek(&f, 0x1001), ==, 0x16);
	poke(&f, 0, 0x98);
	g_assert_cmphex(peek(&f, 0x10), ==, 'Q');
	g_assert_cmphex(peek(&f, 0x12), ==, 'Y');
	g_assert_cmpuint(1u << peek(&f, 0x27), ==, SIZE);
	g_assert_cmpuint((peek(&f, 0x2d) | peek(&f, 0x2e) << 8) + 1, ==, SIZE / PFLASH_BLOCK);
	g_assert_cmpuint(peek(&f, 0x2f) << 8 | peek(&f, 0x30) << 16, ==, PFLASH_BLOCK);
	g_assert_cmphex(peek(&f, 0x31), ==, 0);
	poke(&f, OFFSET, 0xff);
	g_assert_true(mapped(&f));
	tear_down(&f);
}

static void test_program(void)
{
	struct fixture f;
	uint8_t byte;

	set_up(&f);
	program(&f, OFFSET, 0x5a);
	g_assert_cmphex(peek(&f, OFFSET), ==, 0x5a);
	/* A second one only clears bits. */
	program(&f, OFFSET, 0xf0);
	g_assert_cmphex(peek(&f, OFFSET), ==, 0x50);
	g_assert_cmphex(peek(&f, OFFSET + 1), ==, 0xff);
	gmem_block_read(f.contents, OFFSET, &byte, 1);
	g_assert_cmphex(byte, ==, 0x50);
	tear_down(&f);
}

static void test_erase(void)
{
	struct fixture f;

	set_up(&f);
	program(&f, PFLASH_BLOCK - 1, 0);
	program(&f, OFFSET, 0);
	program(&f, 2 * PFLASH_BLOCK, 0);
	poke(&f, OFFSET, 0x20);
	g_assert_cmphex(peek(&f, OFFSET), ==, 0x80);
	poke(&f, OFFSET, 0xd0);
	poke(&f, OFFSET, 0xff);
	g_assert_cmphex(peek(&f, OFFSET), ==, 0xff);
	g_assert_cmphex(peek(&f, PFLASH_BLOCK - 1), ==, 0);
	g_assert_cmphex(peek(&f, 2 * PFLASH_BLOCK), ==, 0);
	/* Not confirmed: both error bits, until they are cleared. */
	poke(&f, 0, 0x20);
	poke(&f, 0, 0xff);
	g_assert_cmphex(peek(&f, 0), ==, 0xb0);
	poke(&f, 0, 0x50);
	g_assert_cmphex(peek(&f, 0), ==, 0x80);
	poke(&f, 0, 0xff);
	g_assert_cmphex(peek(&f, PFLASH_BLOCK - 1), ==, 0);
	tear_down(&f);
}

static void quiesced(struct async_group *g)
{
	g->fn = NULL;
}

/* What changes while a write is under way is written by the next; quiesced means that all of it is there. */
static void test_disk(void)
{
	struct async_group g;
	struct fixture f;

	set_up(&f);
	fake_blk_hold(f.disk, true);
	program(&f, OFFSET, 0x11);
	board_poll(&f.b);
	g_assert_cmpuint(fake_blk_submitted(f.disk, BLK_WRITE), ==, 1);
	program(&f, OFFSET + 1, 0x22);
	program(&f, SIZE - 1, 0x33);
	board_poll(&f.b);
	g_assert_cmpuint(fake_blk_submitted(f.disk, BLK_WRITE), ==, 1);
	async_begin(&g, f.b.loop, quiesced);
	bus_quiesce(f.b.bus, &g);
	async_end(&g);
	board_poll(&f.b);
	g_assert_nonnull(g.fn);
	g_assert_true(fake_blk_complete(f.disk));
	board_poll(&f.b);
	g_assert_cmpuint(fake_blk_submitted(f.disk, BLK_WRITE), ==, 2);
	g_assert_true(fake_blk_complete(f.disk));
	board_poll(&f.b);
	g_assert_null(g.fn);
	g_assert_cmphex(f.disk->data[OFFSET], ==, 0x11);
	g_assert_cmphex(f.disk->data[OFFSET + 1], ==, 0x22);
	g_assert_cmphex(f.disk->data[SIZE - 1], ==, 0x33);
	bus_resume(f.b.bus);
	tear_down(&f);
}

static void test_reset(void)
{
	struct fixture f;

	set_up(&f);
	poke(&f, 0, 0x70);
	board_save_and_load(&f.b);
	g_assert_cmphex(peek(&f, OFFSET), ==, 0x80);
	board_reset(&f.b, RESET_WARM);
	g_assert_true(mapped(&f));
	g_assert_cmphex(peek(&f, OFFSET), ==, 0xff);
	tear_down(&f);
}

static void test_refused(void)
{
	struct fixture f;
	struct dev *d;

	set_up(&f);
	d = dev_new(f.b.bus, &pflash_ops, "odd");
	prop_set_uint(prop_find(pflash_ops.props, "size"), d, 5000, NULL);
	board_refuse(&f.b, d, "multiples of 4096");
	d = dev_new(f.b.bus, &pflash_ops, "small");
	prop_set_uint(prop_find(pflash_ops.props, "size"), d, SIZE / 2, NULL);
	pflash_set_contents(d, f.contents, &f.disk->blk);
	board_refuse(&f.b, d, "size of the flash");
	tear_down(&f);
}

static void test_random(void)
{
	struct fixture f;
	g_autoptr(GRand) rand = g_rand_new_with_seed(1);

	set_up(&f);
	for (unsigned i = 0; i < 100000; i++) {
		static const uint8_t commands[] = {0xff, 0x90, 0x98, 0x70, 0x50, 0x40, 0x20, 0xd0};
		uint8_t v = g_rand_boolean(rand) ? commands[g_rand_int_range(rand, 0, 8)]
						 : (uint8_t)g_rand_int(rand);

		poke(&f, g_rand_int_range(rand, 0, SIZE), v);
		peek(&f, g_rand_int_range(rand, 0, SIZE));
		if (i % 64 == 0)
			board_poll(&f.b);
	}
	poke(&f, 0, 0xff);
	poke(&f, 0, 0xff);
	board_poll(&f.b);
	for (unsigned i = 0; i < SIZE; i++)
		g_assert_cmphex(peek(&f, i), ==, f.disk->data[i]);
	tear_down(&f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pflash/detect", test_detect);
	g_test_add_func("/pflash/program", test_program);
	g_test_add_func("/pflash/erase", test_erase);
	g_test_add_func("/pflash/disk", test_disk);
	g_test_add_func("/pflash/reset", test_reset);
	g_test_add_func("/pflash/refused", test_refused);
	g_test_add_func("/pflash/random", test_random);
	return g_test_run();
}
