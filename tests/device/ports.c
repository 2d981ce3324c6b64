/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices of one or a few ports: system control port A, debug console, debug exit, pvpanic. */
#include "devmodel/platform/platform.h"
#include "tests/lib/board.h"
#include "tests/lib/fake-chardev.h"

static void set_prop(struct dev *d, const char *name, const char *value)
{
	g_assert_true(prop_set_text(prop_find(d->ops->props, name), d, value, NULL));
}

static void port92(void)
{
	struct board b;

	board_init(&b);
	board_add(&b, &port92_ops, "port92");
	g_assert_cmphex(board_inb(&b, 0x92), ==, 0x02);
	board_outb(&b, 0x92, 0xfe);
	g_assert_cmphex(board_inb(&b, 0x92), ==, 0x02);
	board_outb(&b, 0x92, 0x00);
	g_assert_cmphex(board_inb(&b, 0x92), ==, 0x00);
	g_assert_cmpuint(b.requests, ==, 0);
	board_outb(&b, 0x92, 0x01);
	g_assert_true(board_requested(&b, BUS_REQUEST_RESET));
	/* a change to 1 resets, not the level */
	board_outb(&b, 0x92, 0x03);
	g_assert_cmpuint(b.requests, ==, 0);
	board_save_and_load(&b);
	g_assert_cmphex(board_inb(&b, 0x92), ==, 0x03);
	board_reset(&b, RESET_WARM);
	g_assert_cmphex(board_inb(&b, 0x92), ==, 0x02);
	board_done(&b);
}

static void debugcon(void)
{
	struct fake_chardev *chr = fake_chardev_new();
	g_autofree char *text = NULL;
	struct board b;
	struct dev *d;

	board_init(&b);
	d = dev_new(b.bus, &isa_debugcon_ops, "debugcon");
	isa_debugcon_set_chardev(d, &chr->chr);
	board_realize(&b, d);
	g_assert_cmphex(board_inb(&b, 0x402), ==, 0xe9);
	for (const char *s = "SeaBIOS\n"; *s; s++)
		board_outb(&b, 0x402, (uint8_t)*s);
	board_poll(&b);
	text = fake_chardev_take(chr);
	g_assert_cmpstr(text, ==, "SeaBIOS\n");
	fake_chardev_input(chr, "x", 1);
	g_assert_cmpuint(chr->input->len, ==, 1);
	board_done(&b);
	g_assert_null(chr->chr.front);
	fake_chardev_free(chr);
}

/* A host that takes nothing costs output, never the guest's time; what was kept comes when it takes again. */
static void debugcon_full(void)
{
	struct fake_chardev *chr = fake_chardev_new();
	struct board b;
	struct dev *d;

	board_init(&b);
	d = dev_new(b.bus, &isa_debugcon_ops, "debugcon");
	isa_debugcon_set_chardev(d, &chr->chr);
	set_prop(d, "iobase", "0xe9");
	board_realize(&b, d);
	fake_chardev_set_room(chr, 0);
	for (unsigned i = 0; i < 100000; i++)
		board_outb(&b, 0xe9, (uint8_t)('a' + i % 26));
	board_poll(&b);
	g_assert_cmpuint(chr->output->len, ==, 0);
	fake_chardev_set_room(chr, SIZE_MAX);
	g_assert_cmpuint(chr->output->len, >, 1000);
	g_assert_cmpuint(chr->output->len, <, 100000);
	for (unsigned i = 0; i < chr->output->len; i++)
		g_assert_cmpint(chr->output->data[i], ==, 'a' + i % 26);
	board_done(&b);
	fake_chardev_free(chr);
}

/* What is on its way when the device goes is still written; and without a chardev everything is dropped. */
static void debugcon_ends(void)
{
	struct fake_chardev *chr = fake_chardev_new();
	struct board b;
	struct dev *d;

	board_init(&b);
	d = dev_new(b.bus, &isa_debugcon_ops, "debugcon");
	isa_debugcon_set_chardev(d, &chr->chr);
	board_realize(&b, d);
	board_outb(&b, 0x402, '!');
	board_remove(&b, d);
	g_assert_cmpmem(chr->output->data, chr->output->len, "!", 1);
	board_add(&b, &isa_debugcon_ops, "debugcon");
	board_outb(&b, 0x402, '?');
	board_poll(&b);
	g_assert_cmpuint(chr->output->len, ==, 1);
	board_done(&b);
	fake_chardev_free(chr);
}

static void debug_exit(void)
{
	struct board b;
	struct dev *d;

	board_init(&b);
	board_add(&b, &isa_debug_exit_ops, "exit");
	g_assert_cmphex(board_inl(&b, 0xf4), ==, 0);
	board_outb(&b, 0xf4, 0x10);
	g_assert_true(board_requested(&b, BUS_REQUEST_EXIT));
	g_assert_cmpuint(b.last_detail, ==, 0x21);
	board_outl(&b, 0xf4, 0);
	g_assert_true(board_requested(&b, BUS_REQUEST_EXIT));
	g_assert_cmpuint(b.last_detail, ==, 1);
	d = dev_new(b.bus, &isa_debug_exit_ops, "exit2");
	set_prop(d, "iobase", "0x501");
	set_prop(d, "iosize", "2");
	board_realize(&b, d);
	board_outb(&b, 0x502, 3);
	g_assert_true(board_requested(&b, BUS_REQUEST_EXIT));
	g_assert_cmpuint(b.last_detail, ==, 7);
	g_assert_cmphex(board_inb(&b, 0x503), ==, 0xff);
	d = dev_new(b.bus, &isa_debug_exit_ops, "exit3");
	set_prop(d, "iobase", "0xfffe");
	board_refuse(&b, d, "0xfffe");
	board_done(&b);
}

static void pvpanic(void)
{
	struct board b;
	struct dev *d;

	board_init(&b);
	d = board_add(&b, &pvpanic_ops, "pvpanic");
	g_assert_cmphex(board_inb(&b, 0x505), ==, 0x03);
	board_outb(&b, 0x505, 0x01);
	g_assert_true(board_requested(&b, BUS_REQUEST_PANIC));
	g_assert_cmpuint(b.last_detail, ==, 0x01);
	board_outb(&b, 0x505, 0x02);
	g_assert_true(board_requested(&b, BUS_REQUEST_PANIC));
	g_assert_cmpuint(b.last_detail, ==, 0x02);
	board_outb(&b, 0x505, 0x00);
	g_assert_cmpuint(b.requests, ==, 0);
	g_assert_cmpuint(d->guest_errors, ==, 0);
	board_outb(&b, 0x505, 0xf0);
	g_assert_cmpuint(b.requests, ==, 0);
	g_assert_cmpuint(d->guest_errors, ==, 1);
	board_done(&b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ports/port92", port92);
	g_test_add_func("/ports/debugcon", debugcon);
	g_test_add_func("/ports/debugcon-full", debugcon_full);
	g_test_add_func("/ports/debugcon-ends", debugcon_ends);
	g_test_add_func("/ports/debug-exit", debug_exit);
	g_test_add_func("/ports/pvpanic", pvpanic);
	return g_test_run();
}
