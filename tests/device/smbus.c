/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SMBus controllers of both chipsets, reading the EEPROM of a memory module. */
#include "devmodel/chipset/chipset.h"
#include "tests/lib/board.h"

#define BASE   0x700
#define STS    (BASE + 0)
#define CNT    (BASE + 2)
#define CMD    (BASE + 3)
#define ADDR   (BASE + 4)
#define D0     (BASE + 5)
#define D1     (BASE + 6)
#define BLOCK  (BASE + 7)
#define AUX    (BASE + 13)
#define START  0x40
#define LAST   0x20
#define INTREN 0x01
#define READ   0xa5 /* slave 0x52 */
#define WRITE  0xa4
#define GSI    20
#define QUICK  (0 << 2 | START)
#define BYTE   (1 << 2 | START)
#define DATA   (2 << 2 | START)
#define WORD   (3 << 2 | START)
#define CALL   (4 << 2 | START)
#define BLOCKS (5 << 2 | START)
#define I2C    (6 << 2 | START)

struct setup {
	struct board b;
	struct pci_bus *pci;
	struct dev *d;
	struct irq_sink router;
	struct irq irq;
	uint8_t spd[256];
};

static void router_set(struct irq_sink *s, unsigned n, bool level)
{
	irq_set(&container_of(s, struct setup, router)->irq, level);
}

static void init(struct setup *s, const struct dev_ops *ops)
{
	board_init(&s->b);
	s->router.set = router_set;
	s->irq = gsi_source(s->b.bus->gsi, GSI);
	s->pci = pci_bus_new(s->b.bus, &s->router);
	for (unsigned i = 0; i < sizeof(s->spd); i++)
		s->spd[i] = (uint8_t)(i * 7 + 3);
	s->spd[0x40] = 4; /* the count of a block */
	s->d = dev_new(s->b.bus, ops, "smbus");
	to_pci_dev(s->d)->bus = s->pci;
	(ops == &ich9_smbus_ops ? ich9_smbus_set_spd : piix4_pm_set_spd)(s->d, 2, s->spd);
	board_realize(&s->b, s->d);
}

static void config(struct setup *s, unsigned reg, unsigned size, uint32_t v)
{
	pci_config_write(s->pci, to_pci_dev(s->d)->devfn, reg, size, v);
}

static void init_piix4(struct setup *s)
{
	init(s, &piix4_pm_ops);
	config(s, 0x90, 4, BASE);
	config(s, 0xd2, 1, 1);
}

static void init_ich9(struct setup *s)
{
	init(s, &ich9_smbus_ops);
	config(s, 0x20, 4, BASE);
	config(s, PCI_COMMAND, 2, PCI_CMD_IO);
	config(s, 0x40, 1, 1);
}

static void done(struct setup *s)
{
	board_done(&s->b);
	pci_bus_free(s->pci);
}

/* Runs one, and returns the status without the semaphore. */
static uint8_t run(struct setup *s, uint8_t addr, uint8_t cmd, uint8_t cnt)
{
	board_outb(&s->b, STS, 0xff);
	board_outb(&s->b, ADDR, addr);
	board_outb(&s->b, CMD, cmd);
	board_outb(&s->b, CNT, cnt);
	return board_inb(&s->b, STS) & 0xbf;
}

static uint8_t in(struct setup *s, uint16_t port)
{
	return board_inb(&s->b, port);
}

/* ---- what both do ---- */

static void short_transfers(struct setup *s)
{
	g_assert_cmphex(run(s, READ, 0, QUICK), ==, 0x02);
	g_assert_cmphex(run(s, READ, 0x10, DATA), ==, 0x02);
	g_assert_cmphex(in(s, D0), ==, s->spd[0x10]);
	g_assert_cmphex(run(s, READ, 0xff, WORD), ==, 0x02);
	g_assert_cmphex(in(s, D0), ==, s->spd[0xff]);
	g_assert_cmphex(in(s, D1), ==, s->spd[0]);
	/* Send byte sets the address, receive byte reads on from there. */
	g_assert_cmphex(run(s, WRITE, 0x20, BYTE), ==, 0x02);
	g_assert_cmphex(run(s, READ, 0, BYTE), ==, 0x02);
	g_assert_cmphex(in(s, D0), ==, s->spd[0x20]);
	g_assert_cmphex(run(s, READ, 0, BYTE), ==, 0x02);
	g_assert_cmphex(in(s, D0), ==, s->spd[0x21]);
	/* It is write-protected. */
	board_outb(&s->b, D0, 0x99);
	g_assert_cmphex(run(s, WRITE, 0x10, DATA), ==, 0x02);
	g_assert_cmphex(run(s, READ, 0x10, DATA), ==, 0x02);
	g_assert_cmphex(in(s, D0), ==, s->spd[0x10]);
	/* Nobody there; a protocol that nobody speaks. */
	g_assert_cmphex(run(s, 0xa1, 0, DATA), ==, 0x04);
	g_assert_cmphex(run(s, 0x11, 0, QUICK), ==, 0x04);
	g_assert_cmphex(run(s, READ, 0, CALL), ==, 0x04);
	board_outb(&s->b, STS, 0x04);
	g_assert_cmphex(in(s, STS) & 0x3f, ==, 0);
}

static void buffered_block(struct setup *s)
{
	g_assert_cmphex(run(s, READ, 0x40, BLOCKS), ==, 0x02);
	g_assert_cmphex(in(s, D0), ==, 4);
	in(s, CNT);
	for (unsigned i = 0; i < 4; i++)
		g_assert_cmphex(in(s, BLOCK), ==, s->spd[0x41 + i]);
	in(s, CNT);
	g_assert_cmphex(in(s, BLOCK), ==, s->spd[0x41]);
	/* A count that is none. */
	g_assert_cmphex(run(s, READ, 0x20, BLOCKS), ==, 0x04);
}

static void piix4(void)
{
	struct setup s;

	init_piix4(&s);
	short_transfers(&s);
	buffered_block(&s);
	g_assert_cmphex(run(&s, READ, 0, I2C), ==, 0x04);
	run(&s, WRITE, 0x30, BYTE);
	board_save_and_load(&s.b);
	run(&s, READ, 0, BYTE);
	g_assert_cmphex(in(&s, D0), ==, s.spd[0x30]);
	done(&s);
}

static void ich9(void)
{
	struct setup s;

	init_ich9(&s);
	short_transfers(&s);
	board_outb(&s.b, AUX, 0xff);
	g_assert_cmphex(in(&s, AUX), ==, 0x02);
	buffered_block(&s);
	/* The semaphore: whoever reads it as 0 has it. */
	board_outb(&s.b, STS, 0x40);
	g_assert_cmphex(in(&s, STS) & 0x40, ==, 0);
	g_assert_cmphex(in(&s, STS) & 0x40, ==, 0x40);
	/* Switched off it does nothing. */
	config(&s, 0x40, 1, 0);
	board_outb(&s.b, CMD, 0x5a);
	g_assert_cmphex(in(&s, CMD), !=, 0x5a);
	done(&s);
}

/* ---- ICH: byte by byte ---- */

static void block_byte_by_byte(void)
{
	struct setup s;

	init_ich9(&s);
	g_assert_cmphex(run(&s, READ, 0x40, BLOCKS), ==, 0x81);
	g_assert_cmphex(in(&s, D0), ==, 4);
	for (unsigned i = 0; i < 4; i++) {
		g_assert_cmphex(in(&s, STS) & 0xbf, ==, 0x81);
		g_assert_cmphex(in(&s, BLOCK), ==, s.spd[0x41 + i]);
		board_outb(&s.b, STS, 0x80);
	}
	g_assert_cmphex(in(&s, STS) & 0xbf, ==, 0x02);
	/* Another start while one is going on is ignored; KILL ends it. */
	g_assert_cmphex(run(&s, READ, 0x40, BLOCKS), ==, 0x81);
	board_outb(&s.b, CNT, DATA);
	g_assert_cmphex(in(&s, STS) & 0xbf, ==, 0x81);
	board_outb(&s.b, CNT, 0x02);
	g_assert_cmphex(in(&s, STS) & 0x1f, ==, 0x10);
	done(&s);
}

static void i2c_read(void)
{
	struct setup s;

	init_ich9(&s);
	board_outb(&s.b, D1, 0xfe);
	g_assert_cmphex(run(&s, READ, 0, I2C), ==, 0x81);
	for (unsigned i = 0; i < 40; i++) {
		g_assert_cmphex(in(&s, BLOCK), ==, s.spd[(0xfe + i) & 0xff]);
		if (i == 39)
			board_outb(&s.b, CNT, (I2C & ~START) | LAST);
		board_outb(&s.b, STS, 0x80);
	}
	g_assert_cmphex(in(&s, STS) & 0xbf, ==, 0x02);
	done(&s);
}

static void interrupt(void)
{
	struct setup s;

	init_ich9(&s);
	run(&s, READ, 0, DATA);
	g_assert_false(board_irq(&s.b, GSI));
	board_outb(&s.b, STS, 0xff);
	board_outb(&s.b, CNT, DATA | INTREN);
	g_assert_true(board_irq(&s.b, GSI));
	board_outb(&s.b, STS, 0x02);
	g_assert_false(board_irq(&s.b, GSI));
	done(&s);
}

static void random_writes(void)
{
	struct setup s;

	for (unsigned chip = 0; chip < 2; chip++) {
		(chip ? init_ich9 : init_piix4)(&s);
		for (unsigned i = 0; i < 100000; i++) {
			unsigned port = (unsigned)g_test_rand_int_range(0, 16);

			if (port == 4 && g_test_rand_bit())
				board_outb(&s.b, ADDR, READ);
			else if (g_test_rand_bit())
				board_outb(
					&s.b, (uint16_t)(BASE + port), (uint8_t)g_test_rand_int());
			else
				in(&s, (uint16_t)(BASE + port));
		}
		board_save_and_load(&s.b);
		board_outb(&s.b, CNT, 0x02);
		board_outb(&s.b, STS, 0xff);
		g_assert_cmphex(run(&s, READ, 0x33, DATA), ==, 0x02);
		g_assert_cmphex(in(&s, D0), ==, s.spd[0x33]);
		done(&s);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/smbus/piix4", piix4);
	g_test_add_func("/smbus/ich9", ich9);
	g_test_add_func("/smbus/block-byte-by-byte", block_byte_by_byte);
	g_test_add_func("/smbus/i2c-read", i2c_read);
	g_test_add_func("/smbus/interrupt", interrupt);
	g_test_add_func("/smbus/random-writes", random_writes);
	return g_test_run();
}
