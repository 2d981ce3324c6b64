/* SPDX-License-Identifier: GPL-2.0-or-later */
/* High precision event timers by their registers, IA-PC HPET specification 1.0a. */
#include "devmodel/platform/hpet.h"
#include "tests/lib/board.h"

#define CONFIG  0x010
#define STATUS  0x020
#define COUNTER 0x0f0
#define TN(n)   (0x100 + 0x20 * (n))
#define COMP(n) (TN(n) + 8)

#define LEVEL    0x002
#define ENABLE   0x004
#define PERIODIC 0x008
#define VAL_SET  0x040
#define BITS32   0x100
#define ROUTE(n) ((n) << 9)

#define TICKS(n) ((int64_t)(n)*10) /* ns */

static uint64_t get(struct board *b, unsigned reg)
{
	return bus_read(b->bus, BUS_MMIO, HPET_BASE + reg, 8);
}

static void put(struct board *b, unsigned reg, uint64_t v)
{
	bus_write(b->bus, BUS_MMIO, HPET_BASE + reg, 8, v);
}

static struct dev *start_board(struct board *b)
{
	struct dev *d;

	board_init(b);
	d = dev_new(b->bus, &hpet_ops, "hpet");
	g_assert_true(prop_set_text(prop_find(hpet_ops.props, "intcap"), d, "0xff0104", NULL));
	board_realize(b, d);
	return d;
}

static void identity(void)
{
	struct board b;

	start_board(&b);
	g_assert_cmphex(get(&b, 0), ==, 0x009896808086a201);
	put(&b, 0, 0);
	g_assert_cmphex(get(&b, 0), ==, 0x009896808086a201);
	for (unsigned n = 0; n < HPET_TIMERS; n++) {
		g_assert_cmphex(get(&b, TN(n)), ==, 0x00ff010400000430);
		g_assert_cmphex(get(&b, COMP(n)), ==, UINT64_MAX);
		g_assert_cmphex(get(&b, TN(n) + 0x10), ==, 0);
	}
	g_assert_cmphex(get(&b, 0x160), ==, 0);
	g_assert_cmphex(get(&b, 0x008), ==, 0);
	/* halves, and what is too narrow */
	g_assert_cmphex(bus_read(b.bus, BUS_MMIO, HPET_BASE + 4, 4), ==, 10000000);
	g_assert_cmphex(bus_read(b.bus, BUS_MMIO, HPET_BASE, 1), ==, 0xff);
	board_done(&b);
}

static void counter(void)
{
	struct board b;

	start_board(&b);
	board_step(&b, TICKS(1000));
	g_assert_cmpuint(get(&b, COUNTER), ==, 0);
	put(&b, CONFIG, 1);
	board_step(&b, TICKS(1000));
	g_assert_cmpuint(get(&b, COUNTER), ==, 1000);
	/* not while it runs */
	put(&b, COUNTER, 5);
	g_assert_cmpuint(get(&b, COUNTER), ==, 1000);
	put(&b, CONFIG, 0);
	board_step(&b, TICKS(77));
	g_assert_cmpuint(get(&b, COUNTER), ==, 1000);
	put(&b, COUNTER, 0xfffffffffffffff0);
	bus_write(b.bus, BUS_MMIO, HPET_BASE + COUNTER, 4, 0xfffffff8);
	g_assert_cmphex(get(&b, COUNTER), ==, 0xfffffffffffffff8);
	put(&b, CONFIG, 1);
	board_step(&b, TICKS(10));
	g_assert_cmphex(get(&b, COUNTER), ==, 2);
	board_save_and_load(&b);
	board_step(&b, TICKS(1));
	g_assert_cmphex(get(&b, COUNTER), ==, 3);
	board_done(&b);
}

static void one_shot(void)
{
	struct board b;

	start_board(&b);
	put(&b, TN(1), ENABLE | ROUTE(8));
	put(&b, COMP(1), 500);
	put(&b, CONFIG, 1);
	board_step(&b, TICKS(499));
	g_assert_cmpuint(board_irq_edges(&b, 8), ==, 0);
	board_step(&b, TICKS(1));
	g_assert_cmpuint(board_irq_edges(&b, 8), ==, 1);
	g_assert_false(board_irq(&b, 8));
	g_assert_cmphex(get(&b, STATUS), ==, 0);
	board_step(&b, NSEC_PER_SEC);
	g_assert_cmpuint(board_irq_edges(&b, 8), ==, 1);
	/* a comparator that has passed waits for the counter to come round */
	put(&b, COMP(1), 500);
	board_step(&b, 100 * NSEC_PER_SEC);
	g_assert_cmpuint(board_irq_edges(&b, 8), ==, 1);
	put(&b, COMP(1), get(&b, COUNTER) + 7);
	board_save_and_load(&b);
	board_step(&b, TICKS(7));
	g_assert_cmpuint(board_irq_edges(&b, 8), ==, 2);
	board_done(&b);
}

/* In 32-bit mode the comparator matches each time that the low half of the counter comes by. */
static void narrow(void)
{
	struct board b;

	start_board(&b);
	put(&b, TN(0), ENABLE | BITS32 | ROUTE(16));
	put(&b, COMP(0), 0x1234500000064);
	g_assert_cmphex(get(&b, COMP(0)), ==, 100);
	put(&b, CONFIG, 1);
	board_step(&b, TICKS(100));
	g_assert_cmpuint(board_irq_edges(&b, 16), ==, 1);
	board_step(&b, TICKS(INT64_C(1) << 32));
	g_assert_cmpuint(board_irq_edges(&b, 16), ==, 2);
	board_step(&b, TICKS(INT64_C(1) << 32) - TICKS(1));
	g_assert_cmpuint(board_irq_edges(&b, 16), ==, 2);
	board_step(&b, TICKS(1));
	g_assert_cmpuint(board_irq_edges(&b, 16), ==, 3);
	board_done(&b);
}

/* As Linux sets it: the next match with VAL_SET, then the period. */
static void periodic(void)
{
	struct board b;

	start_board(&b);
	put(&b, CONFIG, 1);
	put(&b, TN(0), ENABLE | PERIODIC | VAL_SET | ROUTE(2));
	put(&b, COMP(0), 50000);
	g_assert_cmphex(get(&b, TN(0)) & VAL_SET, ==, 0);
	put(&b, COMP(0), 100000);
	g_assert_cmpuint(get(&b, COMP(0)), ==, 50000);
	board_step(&b, TICKS(50000));
	g_assert_cmpuint(board_irq_edges(&b, 0), ==, 1);
	g_assert_cmpuint(get(&b, COMP(0)), ==, 150000);
	board_step(&b, TICKS(1000000));
	g_assert_cmpuint(board_irq_edges(&b, 0), ==, 11);
	board_save_and_load(&b);
	board_step(&b, TICKS(99999));
	g_assert_cmpuint(board_irq_edges(&b, 0), ==, 11);
	board_step(&b, TICKS(1));
	g_assert_cmpuint(board_irq_edges(&b, 0), ==, 12);
	/* stopped in between, nothing is lost */
	put(&b, CONFIG, 0);
	board_step(&b, NSEC_PER_SEC);
	put(&b, CONFIG, 1);
	board_step(&b, TICKS(99999));
	g_assert_cmpuint(board_irq_edges(&b, 0), ==, 12);
	board_step(&b, TICKS(1));
	g_assert_cmpuint(board_irq_edges(&b, 0), ==, 13);
	board_done(&b);
}

/* A period of a tick does not keep the host busy: at most 20000 interrupts a second. */
static void short_period(void)
{
	struct board b;
	unsigned edges;

	start_board(&b);
	put(&b, TN(2), ENABLE | PERIODIC | VAL_SET | ROUTE(17));
	put(&b, COMP(2), 1);
	put(&b, CONFIG, 1);
	board_step(&b, NSEC_PER_SEC);
	edges = board_irq_edges(&b, 17);
	g_assert_cmpuint(edges, >, 10000);
	g_assert_cmpuint(edges, <=, 20001);
	board_done(&b);
}

static void level(void)
{
	struct board b;

	start_board(&b);
	put(&b, TN(1), ENABLE | LEVEL | ROUTE(20));
	put(&b, COMP(1), 10);
	put(&b, CONFIG, 1);
	board_step(&b, TICKS(10));
	g_assert_true(board_irq(&b, 20));
	g_assert_cmphex(get(&b, STATUS), ==, 2);
	put(&b, STATUS, 5);
	g_assert_true(board_irq(&b, 20));
	board_save_and_load(&b);
	g_assert_true(board_irq(&b, 20));
	/* the line follows the enables and the route */
	put(&b, TN(1), LEVEL | ROUTE(20));
	g_assert_false(board_irq(&b, 20));
	put(&b, TN(1), ENABLE | LEVEL | ROUTE(21));
	g_assert_true(board_irq(&b, 21));
	put(&b, CONFIG, 0);
	g_assert_false(board_irq(&b, 21));
	put(&b, CONFIG, 1);
	put(&b, STATUS, 2);
	g_assert_false(board_irq(&b, 21));
	g_assert_cmphex(get(&b, STATUS), ==, 0);
	/* without the enable a match shows in the status, and interrupts once it is enabled */
	put(&b, TN(1), LEVEL | ROUTE(21));
	put(&b, COMP(1), get(&b, COUNTER) + 3);
	board_step(&b, TICKS(5));
	g_assert_cmphex(get(&b, STATUS), ==, 2);
	g_assert_false(board_irq(&b, 21));
	put(&b, TN(1), ENABLE | LEVEL | ROUTE(21));
	g_assert_true(board_irq(&b, 21));
	board_reset(&b, RESET_COLD);
	g_assert_false(board_irq(&b, 21));
	board_done(&b);
}

static void note_legacy(void *opaque, bool on)
{
	unsigned *seen = opaque;

	*seen = *seen << 2 | 2 | on;
}

static void legacy(void)
{
	unsigned seen = 0;
	struct board b;
	struct dev *d;

	board_init(&b);
	d = dev_new(b.bus, &hpet_ops, "hpet");
	hpet_set_legacy(d, note_legacy, &seen);
	board_realize(&b, d);
	put(&b, TN(0), ENABLE);
	put(&b, TN(1), ENABLE);
	put(&b, COMP(0), 10);
	put(&b, COMP(1), 20);
	put(&b, CONFIG, 3);
	g_assert_cmphex(seen, ==, 3);
	board_step(&b, TICKS(20));
	g_assert_cmpuint(board_irq_edges(&b, 0), ==, 1);
	g_assert_cmpuint(board_irq_edges(&b, 8), ==, 1);
	put(&b, CONFIG, 1);
	g_assert_cmphex(seen, ==, 0xe);
	put(&b, CONFIG, 3);
	board_reset(&b, RESET_WARM);
	g_assert_cmphex(seen, ==, 0xee);
	board_done(&b);
}

/* An input that is not offered leaves the route as it is. */
static void routes(void)
{
	struct board b;

	start_board(&b);
	put(&b, TN(0), ROUTE(23));
	g_assert_cmphex(get(&b, TN(0)) & 0xffff, ==, ROUTE(23) | 0x30);
	put(&b, TN(0), ROUTE(5) | ENABLE | 0xc001);
	g_assert_cmphex(get(&b, TN(0)) & 0xffff, ==, ROUTE(23) | 0x30 | ENABLE);
	put(&b, TN(0), ROUTE(31));
	g_assert_cmphex(get(&b, TN(0)) & 0xffff, ==, ROUTE(23) | 0x30);
	board_done(&b);
}

static void random_writes(void)
{
	struct board b;

	start_board(&b);
	board_poke(&b, 100000);
	board_reset(&b, RESET_COLD);
	g_assert_cmphex(get(&b, CONFIG), ==, 0);
	for (unsigned gsi = 0; gsi < 24; gsi++)
		g_assert_false(board_irq(&b, gsi));
	board_done(&b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hpet/identity", identity);
	g_test_add_func("/hpet/counter", counter);
	g_test_add_func("/hpet/one-shot", one_shot);
	g_test_add_func("/hpet/narrow", narrow);
	g_test_add_func("/hpet/periodic", periodic);
	g_test_add_func("/hpet/short-period", short_period);
	g_test_add_func("/hpet/level", level);
	g_test_add_func("/hpet/legacy", legacy);
	g_test_add_func("/hpet/routes", routes);
	g_test_add_func("/hpet/random-writes", random_writes);
	return g_test_run();
}
