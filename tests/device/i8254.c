/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interval timer 8254 by its registers: modes, latches, read-back, gate of counter 2, IRQ 0. */
#include "devmodel/platform/irqchip.h"
#include "tests/lib/board.h"

static struct dev *start(struct board *b)
{
	board_init(b);
	return board_add(b, &i8254_ops, "pit");
}

/* To the first ns of clock @n. */
static void to_clock(struct board *b, uint64_t n)
{
	int64_t ns = (int64_t)((n * 1000000000 + I8254_HZ - 1) / I8254_HZ);

	board_step(b, ns - clock_now(b->clocks, VM_CLOCK_VIRTUAL));
}

static void set_up(struct board *b, unsigned n, unsigned mode, uint16_t count)
{
	board_outb(b, 0x43, (uint8_t)(n << 6 | 0x30 | mode << 1));
	board_outb(b, (uint16_t)(0x40 + n), (uint8_t)count);
	board_outb(b, (uint16_t)(0x40 + n), (uint8_t)(count >> 8));
}

static uint16_t count_of(struct board *b, unsigned n)
{
	uint16_t low;

	board_outb(b, 0x43, (uint8_t)(n << 6));
	low = board_inb(b, (uint16_t)(0x40 + n));
	return (uint16_t)(low | board_inb(b, (uint16_t)(0x40 + n)) << 8);
}

static uint8_t status_of(struct board *b, unsigned n)
{
	board_outb(b, 0x43, (uint8_t)(0xe0 | 2 << n));
	return board_inb(b, (uint16_t)(0x40 + n));
}

static bool out2(struct board *b)
{
	return board_inb(b, 0x61) & 0x20;
}

static void mode_0(void)
{
	struct board b;
	unsigned before;

	start(&b);
	set_up(&b, 0, 0, 1000);
	g_assert_cmphex(status_of(&b, 0), ==, 0x30);
	to_clock(&b, 999);
	g_assert_cmpuint(count_of(&b, 0), ==, 1);
	g_assert_false(board_irq(&b, 0));
	to_clock(&b, 1000);
	g_assert_true(board_irq(&b, 0));
	g_assert_cmphex(status_of(&b, 0), ==, 0xb0);
	/* counts on */
	to_clock(&b, 1010);
	g_assert_cmphex(count_of(&b, 0), ==, 0xfff6);
	board_save_and_load(&b);
	g_assert_true(board_irq(&b, 0));
	g_assert_cmphex(count_of(&b, 0), ==, 0xfff6);
	/* the control word takes the output down, and says that the count is missing */
	board_outb(&b, 0x43, 0x30);
	g_assert_false(board_irq(&b, 0));
	g_assert_cmphex(status_of(&b, 0), ==, 0x70);
	before = board_irq_edges(&b, 0);
	to_clock(&b, 200000);
	g_assert_cmpuint(board_irq_edges(&b, 0), ==, before);
	board_done(&b);
}

/* What Linux and every BIOS does: 18.2 or 100 or 250 interrupts a second. */
static void periodic(void)
{
	struct board b;

	start(&b);
	for (unsigned mode = 2; mode <= 3; mode++) {
		unsigned before = board_irq_edges(&b, 0);

		set_up(&b, 0, mode, 11932);
		board_step(&b, NSEC_PER_SEC);
		g_assert_cmpuint(board_irq_edges(&b, 0) - before, ==, 99);
		board_save_and_load(&b);
		board_step(&b, NSEC_PER_SEC);
		g_assert_cmpuint(board_irq_edges(&b, 0) - before, ==, 199);
	}
	/* count 0 is 65536 */
	set_up(&b, 0, 2, 0);
	board_outb(&b, 0x43, 0);
	g_assert_cmphex(count_of(&b, 0), ==, 0);
	board_done(&b);
}

/* The shortest periods do not keep the host busy: at most 20000 interrupts a second. */
static void short_period(void)
{
	struct board b;

	start(&b);
	set_up(&b, 0, 2, 2);
	board_step(&b, NSEC_PER_SEC);
	g_assert_cmpuint(board_irq_edges(&b, 0), >, 10000);
	g_assert_cmpuint(board_irq_edges(&b, 0), <=, 20001);
	board_done(&b);
}

static void values(void)
{
	struct board b;

	start(&b);
	set_up(&b, 1, 2, 100);
	to_clock(&b, 250);
	g_assert_cmpuint(count_of(&b, 1), ==, 50);
	g_assert_cmphex(status_of(&b, 1) & 0x80, ==, 0x80);
	to_clock(&b, 299);
	g_assert_cmpuint(count_of(&b, 1), ==, 1);
	g_assert_cmphex(status_of(&b, 1) & 0x80, ==, 0);
	to_clock(&b, 300);
	set_up(&b, 1, 3, 100);
	to_clock(&b, 310);
	g_assert_cmpuint(count_of(&b, 1), ==, 80);
	g_assert_cmphex(status_of(&b, 1) & 0x80, ==, 0x80);
	to_clock(&b, 349);
	g_assert_cmphex(status_of(&b, 1) & 0x80, ==, 0x80);
	to_clock(&b, 350);
	g_assert_cmphex(status_of(&b, 1) & 0x80, ==, 0);
	g_assert_cmpuint(count_of(&b, 1), ==, 100);
	/* odd counts are high for a clock more than low */
	set_up(&b, 1, 3, 5);
	to_clock(&b, 352);
	g_assert_cmphex(status_of(&b, 1) & 0x80, ==, 0x80);
	to_clock(&b, 353);
	g_assert_cmphex(status_of(&b, 1) & 0x80, ==, 0);
	to_clock(&b, 355);
	g_assert_cmphex(status_of(&b, 1) & 0x80, ==, 0x80);
	/* software-triggered strobe */
	set_up(&b, 1, 4, 10);
	to_clock(&b, 364);
	g_assert_cmphex(status_of(&b, 1) & 0x80, ==, 0x80);
	to_clock(&b, 365);
	g_assert_cmphex(status_of(&b, 1) & 0x80, ==, 0);
	to_clock(&b, 366);
	g_assert_cmphex(status_of(&b, 1) & 0x80, ==, 0x80);
	board_done(&b);
}

static void decimal(void)
{
	struct board b;

	start(&b);
	board_outb(&b, 0x43, 0x71);
	board_outb(&b, 0x41, 0x00);
	board_outb(&b, 0x41, 0x10);
	to_clock(&b, 1);
	g_assert_cmphex(count_of(&b, 1), ==, 0x0999);
	to_clock(&b, 1001);
	g_assert_cmphex(count_of(&b, 1), ==, 0x9999);
	board_done(&b);
}

static void latches(void)
{
	struct board b;

	start(&b);
	set_up(&b, 1, 2, 1000);
	to_clock(&b, 100);
	board_outb(&b, 0x43, 0x40);
	to_clock(&b, 200);
	/* the first latch holds, and is read in halves */
	board_outb(&b, 0x43, 0x40);
	g_assert_cmphex(board_inb(&b, 0x41), ==, 900 & 0xff);
	board_save_and_load(&b);
	g_assert_cmphex(board_inb(&b, 0x41), ==, 900 >> 8);
	g_assert_cmphex(board_inb(&b, 0x41), ==, 800 & 0xff);
	g_assert_cmphex(board_inb(&b, 0x41), ==, 800 >> 8);
	/* read-back of count and status: the status comes first; of several counters at once */
	board_outb(&b, 0x43, 0xce);
	to_clock(&b, 300);
	g_assert_cmphex(board_inb(&b, 0x41), ==, 0xb4);
	g_assert_cmphex(board_inb(&b, 0x41), ==, 800 & 0xff);
	g_assert_cmphex(board_inb(&b, 0x41), ==, 800 >> 8);
	g_assert_cmphex(board_inb(&b, 0x40), ==, 0xf6);
	/* one byte only */
	board_outb(&b, 0x43, 0x54);
	board_outb(&b, 0x41, 0x80);
	to_clock(&b, 316);
	g_assert_cmphex(board_inb(&b, 0x41), ==, 0x70);
	g_assert_cmphex(board_inb(&b, 0x41), ==, 0x70);
	board_outb(&b, 0x43, 0x64);
	board_outb(&b, 0x41, 0x80);
	g_assert_cmphex(board_inb(&b, 0x41), ==, 0x80);
	g_assert_cmphex(board_inb(&b, 0x43), ==, 0);
	board_done(&b);
}

/* As Linux calibrates its clocks: mode 0, gate up, wait for the output. */
static void gate(void)
{
	struct board b;

	start(&b);
	g_assert_cmphex(board_inb(&b, 0x61) & 0x03, ==, 0);
	set_up(&b, 2, 0, 1000);
	to_clock(&b, 5000);
	g_assert_cmpuint(count_of(&b, 2), ==, 1000);
	g_assert_false(out2(&b));
	board_outb(&b, 0x61, 0x01);
	to_clock(&b, 5400);
	board_outb(&b, 0x61, 0x02);
	g_assert_cmphex(board_inb(&b, 0x61) & 0x03, ==, 0x02);
	to_clock(&b, 9000);
	g_assert_cmpuint(count_of(&b, 2), ==, 600);
	board_save_and_load(&b);
	board_outb(&b, 0x61, 0x03);
	to_clock(&b, 9599);
	g_assert_false(out2(&b));
	to_clock(&b, 9600);
	g_assert_true(out2(&b));
	/* a one-shot waits for its trigger, again and again */
	board_outb(&b, 0x61, 0);
	set_up(&b, 2, 1, 100);
	g_assert_true(out2(&b));
	to_clock(&b, 10000);
	g_assert_true(out2(&b));
	board_outb(&b, 0x61, 1);
	g_assert_false(out2(&b));
	to_clock(&b, 10050);
	board_outb(&b, 0x61, 0);
	board_outb(&b, 0x61, 1);
	to_clock(&b, 10149);
	g_assert_false(out2(&b));
	to_clock(&b, 10150);
	g_assert_true(out2(&b));
	/* a square wave stays high without its gate, and begins anew with it */
	set_up(&b, 2, 3, 100);
	to_clock(&b, 10210);
	g_assert_false(out2(&b));
	board_outb(&b, 0x61, 0);
	g_assert_true(out2(&b));
	board_outb(&b, 0x61, 1);
	g_assert_true(out2(&b));
	g_assert_cmpuint(count_of(&b, 2), ==, 100);
	board_done(&b);
}

static void refresh(void)
{
	struct board b;
	unsigned changes = 0;
	uint8_t last = 0, v;

	start(&b);
	for (unsigned i = 0; i < 1000; i++, last = v) {
		board_step(&b, 1000);
		v = board_inb(&b, 0x61) & 0x10;
		changes += v != last;
	}
	g_assert_cmpuint(changes, ==, 66);
	board_done(&b);
}

static void disconnected(void)
{
	struct board b;
	struct dev *d = start(&b);

	i8254_disconnect(d, true);
	set_up(&b, 0, 0, 10);
	to_clock(&b, 10);
	g_assert_false(board_irq(&b, 0));
	i8254_disconnect(d, false);
	g_assert_true(board_irq(&b, 0));
	board_reset(&b, RESET_WARM);
	g_assert_false(board_irq(&b, 0));
	board_done(&b);
}

static void random_writes(void)
{
	struct board b;

	start(&b);
	for (unsigned i = 0; i < 100; i++) {
		board_poke(&b, 1000);
		board_save_and_load(&b);
	}
	board_reset(&b, RESET_COLD);
	g_assert_false(board_irq(&b, 0));
	board_done(&b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/i8254/mode-0", mode_0);
	g_test_add_func("/i8254/periodic", periodic);
	g_test_add_func("/i8254/short-period", short_period);
	g_test_add_func("/i8254/values", values);
	g_test_add_func("/i8254/decimal", decimal);
	g_test_add_func("/i8254/latches", latches);
	g_test_add_func("/i8254/gate", gate);
	g_test_add_func("/i8254/refresh", refresh);
	g_test_add_func("/i8254/disconnected", disconnected);
	g_test_add_func("/i8254/random-writes", random_writes);
	return g_test_run();
}
