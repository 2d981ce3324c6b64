/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floppy disk controller: commands and their results as the data sheet of the 82077AA has them. */
#include <errno.h>
#include <string.h>

#include "base/qs.h"
#include "devmodel/platform/i8257.h"
#include "devmodel/storage/fdc.h"
#include "tests/lib/board.h"
#include "tests/lib/fake-blk.h"

#define DOR  0x3f2
#define MSR  0x3f4
#define FIFO 0x3f5
#define DIR  0x3f7
#define IRQ  6

#define RQM    0x80
#define DIO    0x40
#define NONDMA 0x20
#define BUSY   0x10

#define SECTOR   512
#define SIZE_144 (80 * 2 * 18 * SECTOR)
#define BUFFER   0x20000 /* in RAM */

struct fixture {
	struct board b;
	struct dev *dma, *fdc;
	struct fake_blk *blk;
	uint8_t result[10];
};

/* Each sector begins with its number. */
static struct fake_blk *medium(struct board *b, uint64_t size)
{
	struct fake_blk *f = fake_blk_new(b->loop, size);

	for (uint32_t lba = 0; lba < size / SECTOR; lba++) {
		memset(f->data + lba * SECTOR, (int)(lba * 7), SECTOR);
		memcpy(f->data + lba * SECTOR, &lba, sizeof(lba));
	}
	return f;
}

static void start_with(struct fixture *x, enum fdc_type type, uint64_t size, bool with_dma)
{
	g_autoptr(GError) error = NULL;

	*x = (struct fixture){.blk = NULL};
	board_init(&x->b);
	if (with_dma)
		x->dma = board_add(&x->b, &i8257_ops, "dma");
	x->fdc = dev_new(x->b.bus, &isa_fdc_ops, "fdc");
	if (with_dma)
		fdc_set_dma(x->fdc, i8257_channel(x->dma, 2));
	qs_leave();
	dev_realize(x->fdc, &error);
	qs_enter();
	g_assert_no_error(error);
	x->blk = size ? medium(&x->b, size) : NULL;
	fdc_attach(x->fdc, 0, type, x->blk ? &x->blk->blk : NULL, &error);
	g_assert_no_error(error);
	board_reset(&x->b, RESET_COLD);
	board_outb(&x->b, DIR, type == FDC_2880 ? 3 : 0);
}

static void start(struct fixture *x)
{
	start_with(x, FDC_1440, SIZE_144, true);
}

/* The controller goes before what it uses. */
static void finish(struct fixture *x)
{
	board_remove(&x->b, x->fdc);
	fake_blk_free(x->blk);
	board_done(&x->b);
}

static void send(struct fixture *x, const uint8_t *bytes, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		g_assert_cmphex(board_inb(&x->b, MSR) & (RQM | DIO), ==, RQM);
		board_outb(&x->b, FIFO, bytes[i]);
	}
}

#define SEND(x, ...) send(x, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void receive(struct fixture *x, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		g_assert_cmphex(board_inb(&x->b, MSR) & (RQM | DIO | BUSY), ==, RQM | DIO | BUSY);
		x->result[i] = board_inb(&x->b, FIFO);
	}
	g_assert_cmphex(board_inb(&x->b, MSR) & (DIO | BUSY), ==, 0);
}

/* A result phase that has come, of the seven bytes of a transfer. */
static void expect(struct fixture *x, const uint8_t *want)
{
	g_assert_true(board_irq(&x->b, IRQ));
	receive(x, 7);
	g_assert_cmpmem(x->result, 7, want, 7);
	g_assert_false(board_irq(&x->b, IRQ));
}

#define EXPECT(x, ...) expect(x, (const uint8_t[7]){__VA_ARGS__})

/* Until the controller stops being busy by itself. */
static void wait(struct fixture *x)
{
	for (unsigned i = 0; i < 1000 && !(board_inb(&x->b, MSR) & RQM); i++)
		board_poll(&x->b);
	g_assert_cmphex(board_inb(&x->b, MSR) & RQM, ==, RQM);
}

static void program(struct fixture *x, uint8_t mode, unsigned bytes)
{
	static const uint16_t ports[] = {0x0a, 0x0c, 0x0b, 0x04, 0x04, 0x05, 0x05, 0x81, 0x0a};
	const uint8_t values[] = {6, 0, (uint8_t)(0x42 | mode), (uint8_t)BUFFER,
		(uint8_t)(BUFFER >> 8), (uint8_t)(bytes - 1), (uint8_t)((bytes - 1) >> 8),
		BUFFER >> 16, 2};

	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
		board_outb(&x->b, ports[i], values[i]);
}

#define TO_MEMORY   0x04
#define FROM_MEMORY 0x08

static void expect_memory(struct fixture *x, unsigned sector, uint32_t lba)
{
	uint8_t got[SECTOR];

	g_assert_cmpint(gmem_read(x->b.gmem, GPA(BUFFER + sector * SECTOR), got, SECTOR), ==, 0);
	g_assert_cmpmem(got, SECTOR, x->blk->data + lba * SECTOR, SECTOR);
}

static void fill_memory(struct fixture *x, uint8_t first, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++) {
		uint8_t v = (uint8_t)(first + i / SECTOR);

		g_assert_cmpint(gmem_write(x->b.gmem, GPA(BUFFER + i), &v, 1), ==, 0);
	}
}

static void sense(struct fixture *x, uint8_t st0, uint8_t cylinder)
{
	SEND(x, 0x08);
	receive(x, 2);
	g_assert_cmphex(x->result[0], ==, st0);
	g_assert_cmphex(x->result[1], ==, cylinder);
}

static void seek(struct fixture *x, uint8_t cylinder)
{
	SEND(x, 0x0f, 0, cylinder);
	g_assert_true(board_irq(&x->b, IRQ));
	g_assert_cmphex(board_inb(&x->b, MSR), ==, RQM | 1);
	sense(x, 0x20, cylinder);
	g_assert_false(board_irq(&x->b, IRQ));
}

/* ---- registers and short commands ---- */

static void resets(void)
{
	struct fixture x;

	start(&x);
	g_assert_cmphex(board_inb(&x.b, DOR), ==, 0x0c);
	g_assert_cmphex(board_inb(&x.b, MSR), ==, RQM);
	seek(&x, 5);
	board_outb(&x.b, DOR, 0x08);
	g_assert_cmphex(board_inb(&x.b, MSR), ==, 0);
	board_outb(&x.b, FIFO, 0x08);
	board_outb(&x.b, DOR, 0x1c);
	g_assert_true(board_irq(&x.b, IRQ));
	board_save_and_load(&x.b);
	for (uint8_t drive = 0; drive < 4; drive++) {
		sense(&x, 0xc0 | drive, 0);
		g_assert_false(board_irq(&x.b, IRQ));
	}
	/* nothing more to tell */
	SEND(&x, 0x08);
	receive(&x, 1);
	g_assert_cmphex(x.result[0], ==, 0x80);
	/* by the data rate register, and unseen while the gate is closed */
	board_outb(&x.b, DOR, 0x14);
	board_outb(&x.b, MSR, 0x80);
	g_assert_false(board_irq(&x.b, IRQ));
	board_outb(&x.b, DOR, 0x1c);
	g_assert_true(board_irq(&x.b, IRQ));
	/* a seek takes the place of what nobody asked for */
	SEND(&x, 0x0f, 0, 3);
	sense(&x, 0x20, 3);
	/* without polling there is nothing to tell */
	SEND(&x, 0x13, 0, 0x57, 0);
	SEND(&x, 0x94);
	receive(&x, 1);
	board_outb(&x.b, MSR, 0x80);
	g_assert_false(board_irq(&x.b, IRQ));
	finish(&x);
}

static void identity(void)
{
	struct fixture x;

	start(&x);
	SEND(&x, 0x10);
	receive(&x, 1);
	g_assert_cmphex(x.result[0], ==, 0x90);
	/* as Linux tells the 82077AA from others: PART ID and what is not modelled is invalid */
	for (unsigned i = 0; i < 4; i++) {
		static const uint8_t codes[] = {0x18, 0x00, 0x1f, 0x11};

		SEND(&x, codes[i]);
		receive(&x, 1);
		g_assert_cmphex(x.result[0], ==, 0x80);
	}
	g_assert_false(board_irq(&x.b, IRQ));
	finish(&x);
}

static void registers_dumped(void)
{
	static const uint8_t want[] = {7, 0, 0, 9, 0xaf, 0x02, 0, 0x94, 0x57, 0x2a};
	struct fixture x;

	start(&x);
	seek(&x, 7);
	SEND(&x, 0x0f, 3, 9);
	sense(&x, 0x23, 9);
	SEND(&x, 0x03, 0xaf, 0x02);
	SEND(&x, 0x13, 0, 0x57, 0x2a);
	SEND(&x, 0x12, 0x94);
	SEND(&x, 0x94);
	receive(&x, 1);
	g_assert_cmphex(x.result[0], ==, 0x10);
	SEND(&x, 0x0e);
	receive(&x, 10);
	g_assert_cmpmem(x.result, 10, want, 10);
	/* locked: a reset keeps CONFIGURE; unlocked it does not */
	board_outb(&x.b, MSR, 0x80);
	SEND(&x, 0x0e);
	receive(&x, 10);
	g_assert_cmphex(x.result[8], ==, 0x57);
	SEND(&x, 0x14);
	receive(&x, 1);
	g_assert_cmphex(x.result[0], ==, 0);
	board_outb(&x.b, MSR, 0x80);
	SEND(&x, 0x0e);
	receive(&x, 10);
	g_assert_cmphex(x.result[8], ==, 0x20);
	finish(&x);
}

static void heads_move(void)
{
	struct fixture x;

	start(&x);
	SEND(&x, 0x04, 0);
	receive(&x, 1);
	g_assert_cmphex(x.result[0], ==, 0x38);
	seek(&x, 40);
	SEND(&x, 0x04, 4);
	receive(&x, 1);
	g_assert_cmphex(x.result[0], ==, 0x2c);
	SEND(&x, 0xcf, 0, 3);
	sense(&x, 0x20, 43);
	SEND(&x, 0x8f, 0, 50);
	sense(&x, 0x20, 0);
	seek(&x, 4);
	SEND(&x, 0x07, 0);
	sense(&x, 0x20, 0);
	/* where no drive is, track 0 is never found */
	SEND(&x, 0x07, 1);
	sense(&x, 0x71, 0);
	/* two seeks, told one after the other */
	SEND(&x, 0x0f, 0, 1);
	SEND(&x, 0x0f, 1, 2);
	sense(&x, 0x20, 1);
	g_assert_true(board_irq(&x.b, IRQ));
	sense(&x, 0x21, 2);
	g_assert_false(board_irq(&x.b, IRQ));
	finish(&x);
}

static void ids(void)
{
	struct fixture x;

	start(&x);
	seek(&x, 12);
	SEND(&x, 0x4a, 4);
	EXPECT(&x, 0x04, 0, 0, 12, 1, 2, 2);
	SEND(&x, 0x4a, 0);
	EXPECT(&x, 0x00, 0, 0, 12, 0, 3, 2);
	/* the wrong rate finds nothing */
	board_outb(&x.b, DIR, 2);
	SEND(&x, 0x4a, 0);
	EXPECT(&x, 0x40, 1, 0, 0, 0, 0, 0);
	/* nor does a track that is none, or a drive that is not there */
	board_outb(&x.b, DIR, 0);
	SEND(&x, 0x0f, 0, 81);
	sense(&x, 0x20, 81);
	SEND(&x, 0x4a, 0);
	EXPECT(&x, 0x40, 1, 0, 0, 0, 0, 0);
	SEND(&x, 0x4a, 1);
	EXPECT(&x, 0x41, 1, 0, 0, 0, 0, 0);
	finish(&x);
}

/* ---- reads ---- */

static void read_dma(void)
{
	struct fixture x;

	start(&x);
	seek(&x, 3);
	program(&x, TO_MEMORY, 2 * SECTOR);
	SEND(&x, 0xe6, 4, 3, 1, 5, 2, 18, 0x1b, 0xff);
	g_assert_cmphex(board_inb(&x.b, MSR) & ~1, ==, BUSY);
	wait(&x);
	EXPECT(&x, 0x04, 0, 0, 3, 1, 7, 2);
	expect_memory(&x, 0, (3 * 2 + 1) * 18 + 4);
	expect_memory(&x, 1, (3 * 2 + 1) * 18 + 5);
	/* no more of the medium than the channel counts */
	g_assert_cmpuint(fake_blk_submitted(x.blk, BLK_READ), ==, 1);
	finish(&x);
}

/* A terminal count that ends a track, with and without the other side. */
static void read_to_the_end(void)
{
	struct fixture x;

	start(&x);
	program(&x, TO_MEMORY, 18 * SECTOR);
	SEND(&x, 0x66, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
	wait(&x);
	EXPECT(&x, 0x00, 0, 0, 1, 0, 1, 2);
	program(&x, TO_MEMORY, 18 * SECTOR);
	SEND(&x, 0xe6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
	wait(&x);
	EXPECT(&x, 0x00, 0, 0, 0, 1, 1, 2);
	program(&x, TO_MEMORY, 36 * SECTOR);
	SEND(&x, 0xe6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
	wait(&x);
	EXPECT(&x, 0x04, 0, 0, 1, 0, 1, 2);
	for (unsigned i = 0; i < 36; i++)
		expect_memory(&x, i, i);
	/* the count is longer than the track */
	program(&x, TO_MEMORY, 20 * SECTOR);
	SEND(&x, 0x66, 4, 0, 1, 10, 2, 18, 0x1b, 0xff);
	wait(&x);
	EXPECT(&x, 0x44, 0x80, 0, 1, 1, 1, 2);
	expect_memory(&x, 8, 35);
	/* sectors behind the last one */
	program(&x, TO_MEMORY, 20 * SECTOR);
	SEND(&x, 0x66, 0, 0, 0, 17, 2, 20, 0x1b, 0xff);
	wait(&x);
	EXPECT(&x, 0x40, 0x04, 0, 0, 0, 19, 2);
	expect_memory(&x, 1, 17);
	finish(&x);
}

static void not_found(void)
{
	struct fixture x;

	start(&x);
	/* cylinder, head, sector, size */
	SEND(&x, 0x46, 0, 1, 0, 1, 2, 18, 0x1b, 0xff);
	EXPECT(&x, 0x40, 0x04, 0x10, 1, 0, 1, 2);
	SEND(&x, 0x46, 0, 0, 1, 1, 2, 18, 0x1b, 0xff);
	EXPECT(&x, 0x40, 0x04, 0, 0, 1, 1, 2);
	SEND(&x, 0x46, 0, 0, 0, 19, 2, 18, 0x1b, 0xff);
	EXPECT(&x, 0x40, 0x04, 0, 0, 0, 19, 2);
	SEND(&x, 0x46, 0, 0, 0, 0, 2, 18, 0x1b, 0xff);
	EXPECT(&x, 0x40, 0x04, 0, 0, 0, 0, 2);
	SEND(&x, 0x46, 0, 0, 0, 1, 3, 18, 0x1b, 0xff);
	EXPECT(&x, 0x40, 0x04, 0, 0, 0, 1, 3);
	/* no drive */
	SEND(&x, 0x46, 1, 0, 0, 1, 2, 18, 0x1b, 0xff);
	EXPECT(&x, 0x41, 0x01, 0, 0, 0, 1, 2);
	/* an implied seek gets there */
	SEND(&x, 0x13, 0, 0x60, 0);
	program(&x, TO_MEMORY, SECTOR);
	SEND(&x, 0x46, 0, 33, 0, 1, 2, 18, 0x1b, 0xff);
	wait(&x);
	EXPECT(&x, 0x00, 0, 0, 33, 0, 2, 2);
	expect_memory(&x, 0, 33 * 36);
	finish(&x);
}

/* A masked channel holds the data back. */
static void read_waits(void)
{
	struct fixture x;

	start(&x);
	program(&x, TO_MEMORY, SECTOR);
	board_outb(&x.b, 0x0a, 6);
	SEND(&x, 0x46, 0, 0, 0, 2, 2, 18, 0x1b, 0xff);
	board_poll(&x.b);
	g_assert_cmphex(board_inb(&x.b, MSR), ==, BUSY);
	g_assert_cmphex(board_inb(&x.b, 0x08) & 0x40, ==, 0x40);
	board_save_and_load(&x.b);
	g_assert_cmphex(board_inb(&x.b, MSR), ==, BUSY);
	board_outb(&x.b, 0x0a, 2);
	wait(&x);
	EXPECT(&x, 0x00, 0, 0, 0, 0, 3, 2);
	expect_memory(&x, 0, 1);
	finish(&x);
}

static void read_pio(void)
{
	struct fixture x;
	uint8_t got[2 * 18 * SECTOR];

	start_with(&x, FDC_1440, SIZE_144, false);
	SEND(&x, 0x03, 0xdf, 0x03);
	SEND(&x, 0xe6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
	wait(&x);
	g_assert_true(board_irq(&x.b, IRQ));
	for (unsigned i = 0; i < sizeof(got); i++) {
		g_assert_cmphex(board_inb(&x.b, MSR), ==, RQM | DIO | NONDMA | BUSY);
		got[i] = board_inb(&x.b, FIFO);
		if (i == 1000)
			board_save_and_load(&x.b);
	}
	g_assert_cmpmem(got, sizeof(got), x.blk->data, sizeof(got));
	EXPECT(&x, 0x04, 0, 0, 1, 0, 1, 2);
	/* without a channel DMA overruns */
	SEND(&x, 0x03, 0xdf, 0x02);
	SEND(&x, 0x46, 0, 0, 0, 1, 2, 1, 0x1b, 0xff);
	wait(&x);
	EXPECT(&x, 0x40, 0x10, 0, 0, 0, 1, 2);
	finish(&x);
}

static void verify_and_track(void)
{
	struct fixture x;

	start(&x);
	SEND(&x, 0x56, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
	wait(&x);
	EXPECT(&x, 0x00, 0, 0, 1, 0, 1, 2);
	SEND(&x, 0xd6, 0x80, 0, 0, 17, 2, 18, 0x1b, 4);
	wait(&x);
	EXPECT(&x, 0x04, 0, 0, 0, 1, 3, 2);
	program(&x, TO_MEMORY, 3 * SECTOR);
	SEND(&x, 0x42, 4, 0, 1, 9, 2, 3, 0x1b, 0xff);
	wait(&x);
	g_assert_true(board_irq(&x.b, IRQ));
	receive(&x, 7);
	g_assert_cmphex(x.result[0], ==, 0x04);
	expect_memory(&x, 0, 18);
	expect_memory(&x, 2, 20);
	finish(&x);
}

/* ---- writes ---- */

static void write_dma(void)
{
	struct fixture x;

	start(&x);
	fill_memory(&x, 0xa0, 3 * SECTOR);
	program(&x, FROM_MEMORY, 2 * SECTOR + 100);
	SEND(&x, 0x45, 0, 0, 0, 17, 2, 18, 0x1b, 0xff);
	wait(&x);
	/* the track ends first */
	EXPECT(&x, 0x40, 0x80, 0, 1, 0, 1, 2);
	g_assert_cmphex(x.blk->data[16 * SECTOR], ==, 0xa0);
	g_assert_cmphex(x.blk->data[18 * SECTOR - 1], ==, 0xa1);
	/* half a sector is filled up with zeroes */
	program(&x, FROM_MEMORY, SECTOR + 100);
	SEND(&x, 0xc5, 0, 0, 0, 18, 2, 18, 0x1b, 0xff);
	wait(&x);
	EXPECT(&x, 0x04, 0, 0, 0, 1, 2, 2);
	g_assert_cmphex(x.blk->data[17 * SECTOR], ==, 0xa0);
	g_assert_cmphex(x.blk->data[18 * SECTOR + 99], ==, 0xa1);
	g_assert_cmphex(x.blk->data[18 * SECTOR + 100], ==, 0);
	g_assert_cmphex(x.blk->data[19 * SECTOR - 1], ==, 0);
	g_assert_cmphex(x.blk->data[19 * SECTOR], ==, 19);
	finish(&x);
}

static void write_pio(void)
{
	struct fixture x;

	start_with(&x, FDC_2880, 80 * 2 * 36 * SECTOR, false);
	SEND(&x, 0x03, 0xdf, 0x03);
	SEND(&x, 0x45, 4, 0, 1, 35, 2, 36, 0x1b, 0xff);
	g_assert_true(board_irq(&x.b, IRQ));
	for (unsigned i = 0; i < 2 * SECTOR; i++) {
		g_assert_cmphex(board_inb(&x.b, MSR), ==, RQM | NONDMA | BUSY);
		board_outb(&x.b, FIFO, (uint8_t)(i / 2));
		if (i == 700)
			board_save_and_load(&x.b);
	}
	wait(&x);
	EXPECT(&x, 0x04, 0, 0, 1, 1, 1, 2);
	for (unsigned i = 0; i < 2 * SECTOR; i++)
		g_assert_cmphex(x.blk->data[70 * SECTOR + i], ==, (uint8_t)(i / 2));
	finish(&x);
}

static void protected(void)
{
	struct fixture x;
	g_autoptr(GError) error = NULL;
	struct fake_blk *disk;

	start_with(&x, FDC_1440, 0, true);
	disk = x.blk = medium(&x.b, SIZE_144);
	disk->info.readonly = true;
	fdc_insert(x.fdc, 0, &disk->blk, &error);
	g_assert_no_error(error);
	SEND(&x, 0x04, 0);
	receive(&x, 1);
	g_assert_cmphex(x.result[0], ==, 0x78);
	SEND(&x, 0x45, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
	EXPECT(&x, 0x40, 0x02, 0, 0, 0, 1, 2);
	SEND(&x, 0x4d, 0, 2, 18, 0x54, 0xf6);
	g_assert_true(board_irq(&x.b, IRQ));
	receive(&x, 7);
	g_assert_cmphex(x.result[1], ==, 0x02);
	finish(&x);
}

static void format(void)
{
	struct fixture x;

	start(&x);
	seek(&x, 2);
	for (uint8_t i = 0; i < 18; i++) {
		const uint8_t id[] = {2, 1, (uint8_t)(i * 5 % 18 + 1), 2};

		g_assert_cmpint(gmem_write(x.b.gmem, GPA(BUFFER + i * 4), id, 4), ==, 0);
	}
	program(&x, FROM_MEMORY, 18 * 4);
	SEND(&x, 0x4d, 4, 2, 18, 0x54, 0xf6);
	wait(&x);
	g_assert_true(board_irq(&x.b, IRQ));
	receive(&x, 7);
	g_assert_cmphex(x.result[0], ==, 0x04);
	for (unsigned i = 0; i < 18 * SECTOR; i++)
		g_assert_cmphex(x.blk->data[5 * 18 * SECTOR + i], ==, 0xf6);
	g_assert_cmphex(x.blk->data[6 * 18 * SECTOR], ==, 6 * 18);
	g_assert_cmphex(x.blk->data[5 * 18 * SECTOR - 1], ==, (uint8_t)((5 * 18 - 1) * 7));
	/* an ID of another cylinder */
	program(&x, FROM_MEMORY, 18 * 4);
	SEND(&x, 0x4d, 0, 2, 18, 0x54, 0xf6);
	wait(&x);
	receive(&x, 7);
	g_assert_cmphex(x.result[0], ==, 0x40);
	g_assert_cmphex(x.result[1], ==, 0x04);
	finish(&x);
}

static void errors(void)
{
	struct fixture x;

	start(&x);
	fake_blk_fail(x.blk, BLK_READ, 1, -EIO, false);
	program(&x, TO_MEMORY, SECTOR);
	SEND(&x, 0x46, 0, 0, 0, 4, 2, 18, 0x1b, 0xff);
	wait(&x);
	EXPECT(&x, 0x40, 0x20, 0x20, 0, 0, 4, 2);
	SEND(&x, 0x46, 0, 0, 0, 4, 2, 18, 0x1b, 0xff);
	wait(&x);
	EXPECT(&x, 0x00, 0, 0, 0, 0, 5, 2);
	expect_memory(&x, 0, 3);
	finish(&x);
}

/* ---- media and what happens meanwhile ---- */

static void formats(void)
{
	static const struct {
		enum fdc_type type;
		unsigned cylinders, sectors;
		uint8_t rate;
	} known[] = {
		{FDC_1440, 80, 18, 0},
		{FDC_1440, 80, 9, 2},
		{FDC_2880, 80, 36, 3},
		{FDC_2880, 80, 18, 0},
		{FDC_720, 80, 9, 2},
		{FDC_1200, 80, 15, 0},
		{FDC_1200, 40, 9, 1},
		{FDC_360, 40, 9, 2},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		unsigned c = known[i].cylinders, s = known[i].sectors;
		uint8_t at = (uint8_t)(c - 1);
		struct fixture x;

		start_with(&x, known[i].type, (uint64_t)c * 2 * s * SECTOR, true);
		board_outb(&x.b, DIR, known[i].rate);
		/* a drive of 80 tracks steps twice for each of 40 */
		seek(&x, known[i].type == FDC_1200 && c == 40 ? (uint8_t)(2 * at) : at);
		program(&x, TO_MEMORY, SECTOR);
		SEND(&x, 0x46, 4, at, 1, (uint8_t)s, 2, (uint8_t)s, 0x1b, 0xff);
		wait(&x);
		EXPECT(&x, 0x04, 0, 0, (uint8_t)c, 1, 1, 2);
		expect_memory(&x, 0, c * 2 * s - 1);
		finish(&x);
	}
}

static void refusals(void)
{
	struct fixture x;
	struct fake_blk *other;
	g_autoptr(GError) error = NULL;

	start_with(&x, FDC_720, 0, true);
	other = medium(&x.b, SIZE_144);
	g_assert_false(fdc_insert(x.fdc, 0, &other->blk, &error));
	g_assert_nonnull(strstr(error->message, "does not fit"));
	g_clear_error(&error);
	g_assert_false(fdc_insert(x.fdc, 1, &other->blk, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_false(fdc_attach(x.fdc, 0, FDC_1440, NULL, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_EXISTS);
	g_clear_error(&error);
	g_assert_false(fdc_attach(x.fdc, 2, FDC_1440, NULL, &error));
	g_clear_error(&error);
	g_assert_false(fdc_eject(x.fdc, 0, NULL, NULL, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_STATE);
	g_clear_error(&error);
	fake_blk_free(other);
	other = medium(&x.b, MiB);
	g_assert_false(fdc_attach(x.fdc, 1, FDC_AUTO, &other->blk, &error));
	g_assert_nonnull(strstr(error->message, "no floppy format"));
	g_clear_error(&error);
	g_assert_true(fdc_attach(x.fdc, 1, FDC_AUTO, NULL, &error));
	g_assert_cmpint(fdc_status(x.fdc, 1, NULL), ==, FDC_1440);
	fake_blk_free(other);
	finish(&x);
}

static void note_closed(void *opaque, struct blk *old)
{
	*(struct blk **)opaque = old;
}

static void eject(struct fixture *x, struct blk **ret)
{
	g_autoptr(GError) error = NULL;

	*ret = NULL;
	fdc_eject(x->fdc, 0, note_closed, ret, &error);
	g_assert_no_error(error);
}

static void media_change(void)
{
	struct fixture x;
	struct blk *closed;
	g_autoptr(GError) error = NULL;

	start(&x);
	g_assert_cmphex(board_inb(&x.b, DIR), ==, 0x80);
	seek(&x, 1);
	g_assert_cmphex(board_inb(&x.b, DIR), ==, 0);
	eject(&x, &closed);
	g_assert_null(closed);
	board_poll(&x.b);
	g_assert_true(closed == &x.blk->blk);
	g_assert_cmphex(board_inb(&x.b, DIR), ==, 0x80);
	seek(&x, 2);
	g_assert_cmphex(board_inb(&x.b, DIR), ==, 0x80);
	SEND(&x, 0x46, 0, 2, 0, 1, 2, 18, 0x1b, 0xff);
	EXPECT(&x, 0x40, 0x01, 0, 2, 0, 1, 2);
	fdc_insert(x.fdc, 0, &x.blk->blk, &error);
	g_assert_no_error(error);
	g_assert_cmphex(board_inb(&x.b, DIR), ==, 0x80);
	board_save_and_load(&x.b);
	g_assert_cmphex(board_inb(&x.b, DIR), ==, 0x80);
	seek(&x, 3);
	g_assert_cmphex(board_inb(&x.b, DIR), ==, 0);
	/* of the other drive, where none is */
	board_outb(&x.b, DOR, 0x1d);
	g_assert_cmphex(board_inb(&x.b, DIR), ==, 0);
	finish(&x);
}

/*
 * The medium goes while it is read: the command fails at once, the blk comes back when its request
 * has.
 */
static void media_change_under_load(void)
{
	struct fixture x;
	struct blk *closed;
	g_autoptr(GError) error = NULL;

	start(&x);
	for (unsigned i = 0; i < 50; i++) {
		fake_blk_hold(x.blk, i % 2 == 0);
		program(&x, TO_MEMORY, 4 * SECTOR);
		SEND(&x, 0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
		if (i % 3)
			board_poll(&x.b);
		if (board_inb(&x.b, MSR) & RQM)
			receive(&x, 7);
		eject(&x, &closed);
		board_poll(&x.b);
		if (i % 2 == 0 && i % 3) {
			g_assert_null(closed);
			EXPECT(&x, 0x40, 0x01, 0, 0, 0, 1, 2);
			g_assert_true(fake_blk_complete(x.blk));
			board_poll(&x.b);
		} else if (i % 3 == 0) {
			wait(&x);
			EXPECT(&x, 0x40, 0x01, 0, 0, 0, 1, 2);
		}
		board_poll(&x.b);
		g_assert_true(closed == &x.blk->blk);
		fdc_insert(x.fdc, 0, &x.blk->blk, &error);
		g_assert_no_error(error);
	}
	finish(&x);
}

/* A reset does not wait for what is under way, and what comes back is nobody's. */
static void reset_under_load(void)
{
	struct fixture x;

	start(&x);
	fake_blk_hold(x.blk, true);
	program(&x, TO_MEMORY, SECTOR);
	SEND(&x, 0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
	board_poll(&x.b);
	g_assert_cmpuint(fake_blk_in_flight(x.blk), ==, 1);
	board_outb(&x.b, MSR, 0x80);
	for (uint8_t drive = 0; drive < 4; drive++)
		sense(&x, 0xc0 | drive, 0);
	SEND(&x, 0x46, 0, 0, 0, 3, 2, 18, 0x1b, 0xff);
	board_poll(&x.b);
	g_assert_cmphex(board_inb(&x.b, MSR), ==, BUSY);
	g_assert_true(fake_blk_complete(x.blk));
	board_poll(&x.b);
	g_assert_true(fake_blk_complete(x.blk));
	wait(&x);
	EXPECT(&x, 0x00, 0, 0, 0, 0, 4, 2);
	expect_memory(&x, 0, 2);
	finish(&x);
}

static void all_quiet(struct async_group *g)
{
	g->fn = NULL;
}

static void quiesce(struct fixture *x)
{
	struct async_group g;

	async_begin(&g, x->b.loop, all_quiet);
	bus_quiesce(x->b.bus, &g);
	async_end(&g);
	for (unsigned i = 0; g.fn; i++) {
		g_assert_cmpuint(i, <, 100);
		board_poll(&x->b);
	}
}

/* A request that the error policy has parked is state: saved, loaded, and made anew. */
static void parked(void)
{
	struct fixture x;

	start(&x);
	fake_blk_fail(x.blk, BLK_READ, 1, -EIO, true);
	program(&x, TO_MEMORY, SECTOR);
	SEND(&x, 0x46, 0, 0, 0, 8, 2, 18, 0x1b, 0xff);
	board_poll(&x.b);
	g_assert_cmpuint(fake_blk_parked(x.blk), ==, 1);
	quiesce(&x);
	board_save_and_load(&x.b);
	bus_resume(x.b.bus);
	wait(&x);
	EXPECT(&x, 0x00, 0, 0, 0, 0, 9, 2);
	expect_memory(&x, 0, 7);
	finish(&x);
}

static void random_writes(void)
{
	struct fixture x;

	start(&x);
	for (unsigned i = 0; i < 1000; i++) {
		board_poke(&x.b, 100);
		if (i % 100 == 50) {
			quiesce(&x);
			board_save_and_load(&x.b);
			bus_resume(x.b.bus);
		}
	}
	quiesce(&x);
	board_reset(&x.b, RESET_COLD);
	bus_resume(x.b.bus);
	board_poll(&x.b);
	g_assert_cmphex(board_inb(&x.b, MSR), ==, RQM);
	g_assert_false(board_irq(&x.b, IRQ));
	finish(&x);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} tests[] = {
		{"/fdc/resets", resets},
		{"/fdc/identity", identity},
		{"/fdc/registers-dumped", registers_dumped},
		{"/fdc/heads-move", heads_move},
		{"/fdc/ids", ids},
		{"/fdc/read-dma", read_dma},
		{"/fdc/read-to-the-end", read_to_the_end},
		{"/fdc/not-found", not_found},
		{"/fdc/read-waits", read_waits},
		{"/fdc/read-pio", read_pio},
		{"/fdc/verify-and-track", verify_and_track},
		{"/fdc/write-dma", write_dma},
		{"/fdc/write-pio", write_pio},
		{"/fdc/protected", protected},
		{"/fdc/format", format},
		{"/fdc/errors", errors},
		{"/fdc/formats", formats},
		{"/fdc/refusals", refusals},
		{"/fdc/media-change", media_change},
		{"/fdc/media-change-under-load", media_change_under_load},
		{"/fdc/reset-under-load", reset_under_load},
		{"/fdc/parked", parked},
		{"/fdc/random-writes", random_writes},
	};

	g_test_init(&argc, &argv, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(tests); i++)
		g_test_add_func(tests[i].name, tests[i].fn);
	return g_test_run();
}
