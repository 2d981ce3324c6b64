/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ISA DMA controllers: registers as the 8237A's data sheet has them, transfers as a device sees
 * them.
 */
#include "devmodel/platform/i8257.h"

#include <string.h>

#include "tests/lib/board.h"

#define AUTO     0x10
#define DOWN     0x20
#define SINGLE   0x40
#define CASCADE  0xc0
#define TO_MEM   0x04
#define FROM_MEM 0x08
#define VERIFY   0x00

static unsigned readies;

static void note_ready(void *opaque)
{
	readies++;
}

static struct isa_dma *start(struct board *b, unsigned channel)
{
	struct isa_dma *c;

	board_init(b);
	c = i8257_channel(board_add(b, &i8257_ops, "dma"), channel);
	c->ready = note_ready;
	readies = 0;
	return c;
}

/* As a driver does it: mask, mode, address, count in units, page, unmask. */
static void program(struct board *b, unsigned channel, uint8_t mode, uint32_t addr, unsigned units)
{
	static const uint8_t pages[] = {0x87, 0x83, 0x81, 0x82, 0x8f, 0x8b, 0x89, 0x8a};
	unsigned second = channel >= 4, n = channel % 4, base = second ? 0xc0 : 0;
	uint16_t offset = (uint16_t)(second ? addr >> 1 : addr);

	board_outb(b, (uint16_t)(base + (0xa << second)), (uint8_t)(4 | n));
	board_outb(b, (uint16_t)(base + (0xc << second)), 0);
	board_outb(b, (uint16_t)(base + (0xb << second)), (uint8_t)(mode | n));
	board_outb(b, (uint16_t)(base + (n * 2 << second)), (uint8_t)offset);
	board_outb(b, (uint16_t)(base + (n * 2 << second)), (uint8_t)(offset >> 8));
	board_outb(b, (uint16_t)(base + ((n * 2 + 1) << second)), (uint8_t)(units - 1));
	board_outb(b, (uint16_t)(base + ((n * 2 + 1) << second)), (uint8_t)((units - 1) >> 8));
	board_outb(b, pages[channel], (uint8_t)(addr >> 16));
	board_outb(b, (uint16_t)(base + (0xa << second)), (uint8_t)n);
}

static uint16_t counter(struct board *b, uint16_t port)
{
	uint16_t low;

	board_outb(b, 0x0c, 0);
	low = board_inb(b, port);
	return (uint16_t)(low | board_inb(b, port) << 8);
}

static void expect(struct board *b, uint32_t addr, const char *text)
{
	char got[64];

	g_assert_cmpint(gmem_read(b->gmem, GPA(addr), got, strlen(text)), ==, 0);
	g_assert_cmpmem(got, strlen(text), text, strlen(text));
}

static size_t give(struct isa_dma *c, const char *text, bool *tc)
{
	uint8_t buf[64];

	memcpy(buf, text, strlen(text));
	return isa_dma_transfer(c, true, buf, strlen(text), tc);
}

static void registers(void)
{
	struct board b;

	start(&b, 2);
	g_assert_cmphex(board_inb(&b, 0x0f), ==, 0x0f);
	g_assert_cmphex(board_inb(&b, 0xde), ==, 0x0f);
	program(&b, 2, SINGLE | TO_MEM, 0x12345, 0x1000);
	g_assert_cmphex(board_inb(&b, 0x0f), ==, 0x0b);
	g_assert_cmphex(counter(&b, 4), ==, 0x2345);
	g_assert_cmphex(counter(&b, 5), ==, 0x0fff);
	g_assert_cmphex(board_inb(&b, 0x81), ==, 1);
	/* the flip-flop is one for all channels */
	board_outb(&b, 0x0c, 0);
	board_outb(&b, 0x04, 0xaa);
	board_outb(&b, 0x06, 0xbb);
	g_assert_cmphex(counter(&b, 4), ==, 0x23aa);
	g_assert_cmphex(counter(&b, 6), ==, 0xbb00);
	/* pages of no channel are memory */
	board_outb(&b, 0x80, 0x5a);
	g_assert_cmphex(board_inb(&b, 0x80), ==, 0x5a);
	board_save_and_load(&b);
	g_assert_cmphex(counter(&b, 4), ==, 0x23aa);
	/* master clear masks all, clear mask none */
	board_outb(&b, 0x0d, 0);
	g_assert_cmphex(board_inb(&b, 0x0f), ==, 0x0f);
	board_outb(&b, 0x0e, 0);
	g_assert_cmphex(board_inb(&b, 0x0f), ==, 0);
	board_outb(&b, 0x0f, 0x15);
	g_assert_cmphex(board_inb(&b, 0x0f), ==, 5);
	board_outb(&b, 0x09, 0x06);
	g_assert_cmphex(board_inb(&b, 0x08), ==, 0x40);
	board_outb(&b, 0x09, 0x02);
	g_assert_cmphex(board_inb(&b, 0x08), ==, 0);
	g_assert_cmphex(board_inb(&b, 0x0d), ==, 0);
	board_done(&b);
}

static void to_memory(void)
{
	struct board b;
	struct isa_dma *c = start(&b, 2);
	bool tc;

	program(&b, 2, SINGLE | TO_MEM, 0x20000, 8);
	g_assert_cmpuint(give(c, "early", &tc), ==, 0);
	isa_dma_request(c, true);
	g_assert_cmpuint(readies, ==, 1);
	g_assert_cmphex(board_inb(&b, 0x08), ==, 0x40);
	g_assert_cmpuint(isa_dma_left(c), ==, 8);
	g_assert_cmpuint(give(c, "hello", &tc), ==, 5);
	g_assert_cmpuint(isa_dma_left(c), ==, 3);
	g_assert_false(tc);
	g_assert_cmphex(counter(&b, 5), ==, 2);
	board_save_and_load(&b);
	isa_dma_request(c, true);
	g_assert_cmpuint(give(c, "world", &tc), ==, 3);
	g_assert_true(tc);
	expect(&b, 0x20000, "hellowor");
	/* masked now; the status tells once */
	g_assert_cmphex(board_inb(&b, 0x08), ==, 0x44);
	g_assert_cmphex(board_inb(&b, 0x08), ==, 0x40);
	g_assert_cmphex(counter(&b, 5), ==, 0xffff);
	g_assert_cmpuint(give(c, "x", &tc), ==, 0);
	isa_dma_request(c, false);
	g_assert_cmphex(board_inb(&b, 0x08), ==, 0);
	board_done(&b);
}

static void from_memory(void)
{
	struct board b;
	struct isa_dma *c = start(&b, 1);
	uint8_t buf[16];
	bool tc;

	g_assert_cmpint(gmem_write(b.gmem, GPA(0x3fffe), "ab", 2), ==, 0);
	g_assert_cmpint(gmem_write(b.gmem, GPA(0x30000), "cd", 2), ==, 0);
	isa_dma_request(c, true);
	g_assert_cmpuint(readies, ==, 0);
	/* round the end of the page */
	program(&b, 1, SINGLE | FROM_MEM, 0x3fffe, 4);
	g_assert_cmpuint(readies, ==, 1);
	g_assert_cmpuint(isa_dma_transfer(c, false, buf, sizeof(buf), &tc), ==, 4);
	g_assert_true(tc);
	g_assert_cmpmem(buf, 4, "abcd", 4);
	/* where there is no memory */
	program(&b, 1, SINGLE | FROM_MEM, 0xf00000, 4);
	g_assert_cmpuint(isa_dma_transfer(c, false, buf, 2, &tc), ==, 2);
	g_assert_cmpmem(buf, 2, "\xff\xff", 2);
	board_done(&b);
}

static void auto_init(void)
{
	struct board b;
	struct isa_dma *c = start(&b, 3);
	bool tc;

	program(&b, 3, SINGLE | AUTO | TO_MEM, 0x10000, 4);
	isa_dma_request(c, true);
	g_assert_cmpuint(give(c, "0123", &tc), ==, 4);
	g_assert_true(tc);
	g_assert_cmphex(board_inb(&b, 0x0f), ==, 0x07);
	g_assert_cmpuint(give(c, "45", &tc), ==, 2);
	g_assert_false(tc);
	expect(&b, 0x10000, "4523");
	board_done(&b);
}

static void downwards(void)
{
	struct board b;
	struct isa_dma *c = start(&b, 0);
	bool tc;

	program(&b, 0, SINGLE | DOWN | TO_MEM, 0x10003, 4);
	isa_dma_request(c, true);
	g_assert_cmpuint(give(c, "abcd", &tc), ==, 4);
	expect(&b, 0x10000, "dcba");
	g_assert_cmphex(counter(&b, 0), ==, 0xffff);
	board_done(&b);
}

/* The second controller counts words, and bit 0 of its pages is not used. */
static void words(void)
{
	struct board b;
	struct isa_dma *c = start(&b, 5);
	bool tc;

	program(&b, 5, SINGLE | TO_MEM, 0x24560, 3);
	board_outb(&b, 0xc4, 0xb0);
	board_outb(&b, 0xc4, 0xa2);
	board_outb(&b, 0x8b, 3);
	isa_dma_request(c, true);
	/* half a word waits */
	g_assert_cmpuint(give(c, "abc", &tc), ==, 2);
	g_assert_cmpuint(give(c, "cdef", &tc), ==, 4);
	g_assert_true(tc);
	expect(&b, 0x34560, "abcdef");
	board_done(&b);
}

/*
 * Verify counts; so does the wrong direction; cascade and a disabled controller do not serve at
 * all.
 */
static void nothing_moves(void)
{
	struct board b;
	struct isa_dma *c = start(&b, 2);
	bool tc;

	g_assert_cmpint(gmem_write(b.gmem, GPA(0x10000), "----", 4), ==, 0);
	isa_dma_request(c, true);
	program(&b, 2, SINGLE | VERIFY, 0x10000, 4);
	g_assert_cmpuint(give(c, "abcd", &tc), ==, 4);
	g_assert_true(tc);
	program(&b, 2, SINGLE | FROM_MEM, 0x10000, 4);
	g_assert_cmpuint(give(c, "ab", &tc), ==, 2);
	program(&b, 2, CASCADE | TO_MEM, 0x10000, 4);
	g_assert_cmpuint(give(c, "ab", &tc), ==, 0);
	program(&b, 2, SINGLE | TO_MEM, 0x10000, 4);
	board_outb(&b, 0x08, 4);
	g_assert_cmpuint(give(c, "ab", &tc), ==, 0);
	expect(&b, 0x10000, "----");
	readies = 0;
	board_outb(&b, 0x08, 0);
	g_assert_cmpuint(readies, ==, 1);
	g_assert_cmpuint(give(c, "ab", &tc), ==, 2);
	expect(&b, 0x10000, "ab--");
	board_done(&b);
}

static void random_writes(void)
{
	struct board b;
	struct isa_dma *c = start(&b, 2);
	uint8_t buf[512] = {0};
	bool tc;

	for (unsigned i = 0; i < 1000; i++) {
		board_poke(&b, 100);
		isa_dma_request(c, i % 3);
		g_assert_cmpuint(
			isa_dma_transfer(c, i % 2, buf, sizeof(buf), &tc), <=, sizeof(buf));
	}
	board_reset(&b, RESET_COLD);
	g_assert_cmphex(board_inb(&b, 0x0f), ==, 0x0f);
	board_done(&b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/i8257/registers", registers);
	g_test_add_func("/i8257/to-memory", to_memory);
	g_test_add_func("/i8257/from-memory", from_memory);
	g_test_add_func("/i8257/auto-init", auto_init);
	g_test_add_func("/i8257/downwards", downwards);
	g_test_add_func("/i8257/words", words);
	g_test_add_func("/i8257/nothing-moves", nothing_moves);
	g_test_add_func("/i8257/random-writes", random_writes);
	return g_test_run();
}
