/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupt controllers: 8259A and 82093AA by their registers and lines. */
#include "devmodel/platform/irqchip.h"
#include "tests/lib/board.h"
#include "vmmd/qtest/qtest.h"

#define BASE 0x20 /* vectors */

struct probe {
	struct irq_sink sink;
	bool level;
};

static void note(struct irq_sink *s, unsigned n, bool level)
{
	container_of(s, struct probe, sink)->level = level;
}

static struct probe intr;

static void line(struct dev *d, unsigned n, bool level)
{
	struct irq_sink *s = i8259_inputs(d);

	s->set(s, n, level);
}

static void write_port(struct board *b, uint16_t port, uint8_t v)
{
	board_outb(b, port, v);
}

/* As firmware does it: vectors 0x20 and 0x28, nothing masked. */
static struct dev *start_pic(struct board *b)
{
	struct dev *d;

	board_init(b);
	intr = (struct probe){.sink.set = note};
	d = dev_new(b->bus, &i8259_ops, "pic");
	i8259_set_output(d, (struct irq){.sink = &intr.sink});
	board_realize(b, d);
	for (unsigned chip = 0; chip < 2; chip++) {
		uint16_t port = chip ? 0xa0 : 0x20;

		write_port(b, port, 0x11);
		write_port(b, port + 1, (uint8_t)(BASE + 8 * chip));
		write_port(b, port + 1, chip ? 2 : 4);
		write_port(b, port + 1, 1);
		write_port(b, port + 1, 0);
	}
	return d;
}

static uint8_t in_service(struct board *b, uint16_t port)
{
	write_port(b, port, 0x0b);
	return board_inb(b, port);
}

static uint8_t requested(struct board *b, uint16_t port)
{
	write_port(b, port, 0x0a);
	return board_inb(b, port);
}

static void edges(void)
{
	struct board b;
	struct dev *d = start_pic(&b);

	g_assert_false(intr.level);
	line(d, 3, true);
	g_assert_true(intr.level);
	g_assert_cmphex(requested(&b, 0x20), ==, 8);
	/* latched */
	line(d, 3, false);
	g_assert_true(intr.level);
	g_assert_cmphex(i8259_acknowledge(d), ==, BASE + 3);
	g_assert_false(intr.level);
	g_assert_cmphex(in_service(&b, 0x20), ==, 8);
	board_save_and_load(&b);
	g_assert_cmphex(in_service(&b, 0x20), ==, 8);
	/* of lower priority waits, of higher does not */
	line(d, 4, true);
	g_assert_false(intr.level);
	line(d, 1, true);
	g_assert_true(intr.level);
	g_assert_cmphex(i8259_acknowledge(d), ==, BASE + 1);
	g_assert_cmphex(in_service(&b, 0x20), ==, 0x0a);
	write_port(&b, 0x20, 0x20);
	g_assert_cmphex(in_service(&b, 0x20), ==, 8);
	write_port(&b, 0x20, 0x63);
	g_assert_cmphex(in_service(&b, 0x20), ==, 0);
	g_assert_cmphex(i8259_acknowledge(d), ==, BASE + 4);
	write_port(&b, 0x20, 0x20);
	/* the line is still high: no second edge */
	g_assert_false(intr.level);
	g_assert_cmphex(i8259_acknowledge(d), ==, BASE + 7);
	g_assert_cmphex(in_service(&b, 0x20), ==, 0);
	board_done(&b);
}

static void masks(void)
{
	struct board b;
	struct dev *d = start_pic(&b);

	write_port(&b, 0x21, 0x20);
	g_assert_cmphex(board_inb(&b, 0x21), ==, 0x20);
	line(d, 5, true);
	g_assert_false(intr.level);
	write_port(&b, 0x21, 0);
	g_assert_true(intr.level);
	/* special mask mode: what is masked in service holds nothing back */
	g_assert_cmphex(i8259_acknowledge(d), ==, BASE + 5);
	line(d, 6, true);
	g_assert_false(intr.level);
	write_port(&b, 0x21, 0x20);
	g_assert_false(intr.level);
	write_port(&b, 0x20, 0x68);
	g_assert_true(intr.level);
	write_port(&b, 0x20, 0x48);
	g_assert_false(intr.level);
	board_done(&b);
}

static void cascade(void)
{
	struct board b;
	struct dev *d = start_pic(&b);

	line(d, 12, true);
	line(d, 8, true);
	g_assert_cmphex(i8259_acknowledge(d), ==, BASE + 8);
	g_assert_cmphex(in_service(&b, 0x20), ==, 4);
	g_assert_cmphex(in_service(&b, 0xa0), ==, 1);
	g_assert_false(intr.level);
	write_port(&b, 0xa0, 0x20);
	g_assert_false(intr.level);
	write_port(&b, 0x20, 0x20);
	g_assert_true(intr.level);
	g_assert_cmphex(i8259_acknowledge(d), ==, BASE + 12);
	write_port(&b, 0xa0, 0x20);
	write_port(&b, 0x20, 0x20);
	g_assert_false(intr.level);
	/* nobody drives input 2 but the second controller, and what is masked there goes away */
	line(d, 2, true);
	g_assert_false(intr.level);
	line(d, 14, true);
	g_assert_true(intr.level);
	write_port(&b, 0xa1, 0x40);
	g_assert_false(intr.level);
	board_done(&b);
}

static void levels(void)
{
	struct board b;
	struct dev *d = start_pic(&b);

	write_port(&b, 0x4d0, 0xff);
	write_port(&b, 0x4d1, 0xff);
	g_assert_cmphex(board_inb(&b, 0x4d0), ==, 0xf8);
	g_assert_cmphex(board_inb(&b, 0x4d1), ==, 0xde);
	line(d, 10, true);
	g_assert_true(intr.level);
	line(d, 10, false);
	g_assert_false(intr.level);
	line(d, 10, true);
	g_assert_cmphex(i8259_acknowledge(d), ==, BASE + 10);
	write_port(&b, 0xa0, 0x20);
	write_port(&b, 0x20, 0x20);
	/* still high: again */
	g_assert_true(intr.level);
	g_assert_cmphex(i8259_acknowledge(d), ==, BASE + 10);
	line(d, 10, false);
	write_port(&b, 0xa0, 0x20);
	write_port(&b, 0x20, 0x20);
	g_assert_false(intr.level);
	board_done(&b);
}

static void rotation(void)
{
	struct board b;
	struct dev *d = start_pic(&b);

	/* 2 becomes the lowest: 3 is the highest */
	write_port(&b, 0x20, 0xc2);
	line(d, 1, true);
	line(d, 3, true);
	g_assert_cmphex(i8259_acknowledge(d), ==, BASE + 3);
	/* and now 3 */
	write_port(&b, 0x20, 0xa0);
	line(d, 3, false);
	line(d, 3, true);
	g_assert_cmphex(i8259_acknowledge(d), ==, BASE + 1);
	write_port(&b, 0x20, 0x20);
	g_assert_cmphex(i8259_acknowledge(d), ==, BASE + 3);
	board_done(&b);
}

static void automatic(void)
{
	struct board b;
	struct dev *d = start_pic(&b);

	write_port(&b, 0x20, 0x11);
	write_port(&b, 0x21, 0x40);
	write_port(&b, 0x21, 4);
	write_port(&b, 0x21, 3);
	line(d, 1, true);
	g_assert_cmphex(i8259_acknowledge(d), ==, 0x41);
	g_assert_cmphex(in_service(&b, 0x20), ==, 0);
	/* poll mode: the read acknowledges */
	line(d, 6, true);
	write_port(&b, 0x20, 0x0c);
	g_assert_cmphex(board_inb(&b, 0x20), ==, 0x86);
	g_assert_false(intr.level);
	write_port(&b, 0x20, 0x0c);
	g_assert_cmphex(board_inb(&b, 0x20), ==, 0);
	board_done(&b);
}

/* ---- IOAPIC ---- */

static uint32_t get(struct board *b, uint8_t index)
{
	bus_write(b->bus, BUS_MMIO, IOAPIC_BASE, 4, index);
	return (uint32_t)bus_read(b->bus, BUS_MMIO, IOAPIC_BASE + 0x10, 4);
}

static void put(struct board *b, uint8_t index, uint32_t v)
{
	bus_write(b->bus, BUS_MMIO, IOAPIC_BASE, 4, index);
	bus_write(b->bus, BUS_MMIO, IOAPIC_BASE + 0x10, 4, v);
}

static void pin(struct dev *d, unsigned n, bool level)
{
	struct irq_sink *s = ioapic_inputs(d);

	s->set(s, n, level);
}

static void ioapic_registers(void)
{
	struct board b;

	board_init(&b);
	board_add(&b, &ioapic_ops, "ioapic");
	g_assert_cmphex(get(&b, 1), ==, 0x00170020);
	put(&b, 1, 0);
	g_assert_cmphex(get(&b, 1), ==, 0x00170020);
	put(&b, 0, 0xffffffff);
	g_assert_cmphex(get(&b, 0), ==, 0x0f000000);
	g_assert_cmphex(get(&b, 2), ==, 0x0f000000);
	for (uint8_t n = 0; n < 24; n++) {
		g_assert_cmphex(get(&b, 0x10 + 2 * n), ==, 0x10000);
		put(&b, 0x11 + 2 * n, 0xffffffff);
		g_assert_cmphex(get(&b, 0x11 + 2 * n), ==, 0xff000000);
	}
	put(&b, 0x10, 0xffffffff);
	g_assert_cmphex(get(&b, 0x10), ==, 0x1afff);
	g_assert_cmphex(get(&b, 0x40), ==, 0);
	board_save_and_load(&b);
	g_assert_cmphex(get(&b, 0x10), ==, 0x1afff);
	board_done(&b);
}

static void ioapic_edges(void)
{
	struct board b;
	struct dev *d;

	board_init(&b);
	d = board_add(&b, &ioapic_ops, "ioapic");
	pin(d, 4, true);
	pin(d, 4, false);
	/* masked: lost */
	put(&b, 0x19, 0x05000000);
	put(&b, 0x18, 0x0931);
	g_assert_cmpuint(fake_accel_msis(b.accel), ==, 0);
	pin(d, 4, true);
	pin(d, 4, true);
	g_assert_cmpuint(fake_accel_msis(b.accel), ==, 1);
	g_assert_cmphex(fake_accel_msi(b.accel, 0).addr, ==, 0xfee05004);
	g_assert_cmphex(fake_accel_msi(b.accel, 0).data, ==, 0x0131);
	pin(d, 4, false);
	pin(d, 4, true);
	g_assert_cmpuint(fake_accel_msis(b.accel), ==, 2);
	g_assert_cmphex(get(&b, 0x18), ==, 0x0931);
	board_done(&b);
}

static void ioapic_levels(void)
{
	struct board b;
	struct dev *d;

	board_init(&b);
	d = board_add(&b, &ioapic_ops, "ioapic");
	pin(d, 20, true);
	put(&b, 0x38, 0x8041);
	g_assert_cmpuint(fake_accel_msis(b.accel), ==, 1);
	g_assert_cmphex(fake_accel_msi(b.accel, 0).data, ==, 0xc041);
	g_assert_cmphex(get(&b, 0x38), ==, 0xc041);
	pin(d, 20, false);
	pin(d, 20, true);
	g_assert_cmpuint(fake_accel_msis(b.accel), ==, 1);
	ioapic_eoi(d, 0x40);
	g_assert_cmpuint(fake_accel_msis(b.accel), ==, 1);
	board_save_and_load(&b);
	/* still asserted: again */
	ioapic_eoi(d, 0x41);
	g_assert_cmpuint(fake_accel_msis(b.accel), ==, 2);
	pin(d, 20, false);
	bus_write(b.bus, BUS_MMIO, IOAPIC_BASE + 0x40, 4, 0x41);
	g_assert_cmpuint(fake_accel_msis(b.accel), ==, 2);
	g_assert_cmphex(get(&b, 0x38), ==, 0x8041);
	/* masked while it waits, and made an edge, it forgets remote IRR */
	pin(d, 20, true);
	put(&b, 0x38, 0x18041);
	g_assert_cmphex(get(&b, 0x38), ==, 0x1c041);
	put(&b, 0x38, 0x10041);
	g_assert_cmphex(get(&b, 0x38), ==, 0x10041);
	board_done(&b);
}

/* Under qtest GSIs come to both, as in the kernel. */
static void wired(void)
{
	struct board b;
	struct dev *pic, *io;
	struct accel *a;

	board_init(&b);
	a = qtest_accel_new(b.loop);
	pic = board_add(&b, &i8259_ops, "pic");
	io = board_add(&b, &ioapic_ops, "ioapic");
	qtest_accel_wire(a, i8259_inputs(pic), ioapic_inputs(io));
	put(&b, 0x14, 0x50);
	g_assert_cmpint(a->ops->gsi_set(a, 0, true), ==, 0);
	g_assert_cmphex(requested(&b, 0x20), ==, 1);
	g_assert_cmpuint(fake_accel_msis(b.accel), ==, 1);
	a->ops->gsi_set(a, 2, true);
	a->ops->gsi_set(a, 15, true);
	a->ops->gsi_set(a, 23, true);
	g_assert_cmphex(requested(&b, 0xa0), ==, 0x80);
	g_assert_cmpuint(fake_accel_msis(b.accel), ==, 1);
	a->ops->free(a);
	board_done(&b);
}

static void random_writes(void)
{
	struct board b;
	struct dev *pic = start_pic(&b), *io = board_add(&b, &ioapic_ops, "ioapic");

	for (unsigned i = 0; i < 10000; i++) {
		board_poke(&b, 10);
		line(pic, (unsigned)g_test_rand_int_range(0, 16), i & 1);
		pin(io, (unsigned)g_test_rand_int_range(0, 24), i & 1);
		if (intr.level && i % 4 == 0)
			i8259_acknowledge(pic);
		if (i % 1000 == 0)
			board_save_and_load(&b);
	}
	board_reset(&b, RESET_COLD);
	g_assert_false(intr.level);
	g_assert_cmphex(get(&b, 0x10), ==, 0x10000);
	board_done(&b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/irqchip/pic/edges", edges);
	g_test_add_func("/irqchip/pic/masks", masks);
	g_test_add_func("/irqchip/pic/cascade", cascade);
	g_test_add_func("/irqchip/pic/levels", levels);
	g_test_add_func("/irqchip/pic/rotation", rotation);
	g_test_add_func("/irqchip/pic/automatic", automatic);
	g_test_add_func("/irqchip/ioapic/registers", ioapic_registers);
	g_test_add_func("/irqchip/ioapic/edges", ioapic_edges);
	g_test_add_func("/irqchip/ioapic/levels", ioapic_levels);
	g_test_add_func("/irqchip/wired", wired);
	g_test_add_func("/irqchip/random-writes", random_writes);
	return g_test_run();
}
