/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 16550A: registers as the PC16550D data sheet has them. */
#include "devmodel/serial/serial.h"

#include <sched.h>
#include <string.h>

#include "tests/lib/board.h"
#include "tests/lib/fake-chardev.h"

#define COM1 0x3f8
#define IRQ  4

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR, DLL = DATA, DLM = IER };

#define LSR_IDLE 0x60 /* THRE, TEMT */
#define OUT2     0x08

/* One character of 8 bits, no parity, one stop bit at 9600 baud: 10 bits. */
#define CHAR_9600 (10 * NSEC_PER_SEC / 9600)

struct port {
	struct board b;
	struct fake_chardev *chr;
	struct dev *dev;
};

static void port_init(struct port *p)
{
	board_init(&p->b);
	p->chr = fake_chardev_new();
	p->dev = dev_new(p->b.bus, &isa_serial_ops, "serial0");
	isa_serial_set_chardev(p->dev, &p->chr->chr);
	board_realize(&p->b, p->dev);
}

static void port_done(struct port *p)
{
	board_done(&p->b);
	g_assert_null(p->chr->chr.front);
	fake_chardev_free(p->chr);
}

static uint8_t in(struct port *p, unsigned reg)
{
	return board_inb(&p->b, (uint16_t)(COM1 + reg));
}

static void out(struct port *p, unsigned reg, uint8_t v)
{
	board_outb(&p->b, (uint16_t)(COM1 + reg), v);
}

static bool irq(struct port *p)
{
	return board_irq(&p->b, IRQ);
}

static void expect_output(struct port *p, const char *text)
{
	g_autofree char *got = NULL;

	board_poll(&p->b);
	got = fake_chardev_take(p->chr);
	g_assert_cmpstr(got, ==, text);
}

static void input(struct port *p, const char *text)
{
	fake_chardev_input(p->chr, text, strlen(text));
}

/* ---- registers ---- */

static void reset_values(void)
{
	static const uint8_t values[] = {[DATA] = 0,
		[IER] = 0,
		[IIR] = 0x01,
		[LCR] = 0,
		[MCR] = 0,
		[LSR] = LSR_IDLE,
		[MSR] = 0xb0,
		[SCR] = 0};
	struct port p;

	port_init(&p);
	for (unsigned reg = 0; reg < ARRAY_SIZE(values); reg++)
		g_assert_cmphex(in(&p, reg), ==, values[reg]);
	out(&p, LCR, 0x80);
	g_assert_cmphex(in(&p, DLL), ==, 12);
	g_assert_cmphex(in(&p, DLM), ==, 0);
	port_done(&p);
}

static void masks_and_latches(void)
{
	struct port p;

	port_init(&p);
	out(&p, IER, 0xff);
	g_assert_cmphex(in(&p, IER), ==, 0x0f);
	out(&p, MCR, 0xff);
	g_assert_cmphex(in(&p, MCR), ==, 0x1f);
	out(&p, SCR, 0x5a);
	g_assert_cmphex(in(&p, SCR), ==, 0x5a);
	out(&p, LCR, 0x83);
	board_outw(&p.b, COM1, 0x1234);
	g_assert_cmphex(board_inw(&p.b, COM1), ==, 0x1234);
	out(&p, LCR, 0x03);
	g_assert_cmphex(in(&p, IER), ==, 0x0f);
	/* read-only registers */
	out(&p, LSR, 0xff);
	out(&p, MSR, 0xff);
	out(&p, MCR, 0);
	in(&p, MSR);
	g_assert_cmphex(in(&p, LSR), ==, LSR_IDLE);
	g_assert_cmphex(in(&p, MSR), ==, 0xb0);
	port_done(&p);
}

/* Section 8.4: the FIFO shows in IIR; other bits of FCR count only with its enable bit. */
static void fifo_enable(void)
{
	struct port p;

	port_init(&p);
	out(&p, FCR, 0xc0);
	g_assert_cmphex(in(&p, IIR), ==, 0x01);
	out(&p, FCR, 0x01);
	g_assert_cmphex(in(&p, IIR), ==, 0xc1);
	input(&p, "abc");
	out(&p, FCR, 0x03);
	g_assert_cmphex(in(&p, LSR), ==, LSR_IDLE);
	input(&p, "abc");
	out(&p, FCR, 0x00);
	g_assert_cmphex(in(&p, LSR), ==, LSR_IDLE);
	port_done(&p);
}

/* ---- transmitter ---- */

static void output(void)
{
	struct port p;

	port_init(&p);
	for (const char *s = "login: "; *s; s++) {
		g_assert_cmphex(in(&p, LSR), ==, LSR_IDLE);
		out(&p, DATA, (uint8_t)*s);
	}
	expect_output(&p, "login: ");
	port_done(&p);
}

/* Section 8.6: the interrupt comes when THR becomes empty or is empty on enabling; IIR's read takes it back. */
static void transmitter_interrupt(void)
{
	struct port p;

	port_init(&p);
	out(&p, MCR, OUT2);
	out(&p, IER, 0x02);
	g_assert_true(irq(&p));
	g_assert_cmphex(in(&p, IIR), ==, 0x02);
	g_assert_cmphex(in(&p, IIR), ==, 0x01);
	g_assert_false(irq(&p));
	out(&p, DATA, 'x');
	g_assert_true(irq(&p));
	g_assert_cmphex(in(&p, IIR), ==, 0x02);
	out(&p, IER, 0x02);
	g_assert_false(irq(&p));
	out(&p, IER, 0x00);
	out(&p, IER, 0x02);
	g_assert_true(irq(&p));
	out(&p, IER, 0x00);
	g_assert_false(irq(&p));
	port_done(&p);
}

/* A host that does not take bytes makes the transmitter busy; nothing is lost as long as the guest looks at THRE. */
static void transmitter_busy(void)
{
	unsigned sent = 0, taken;
	g_autofree char *text = NULL;
	struct port p;

	port_init(&p);
	fake_chardev_set_room(p.chr, 0);
	while (in(&p, LSR) & 0x20) {
		for (unsigned i = 0; i < 16; i++)
			out(&p, DATA, (uint8_t)('a' + sent++ % 26));
		board_poll(&p.b);
		g_assert_cmpuint(sent, <, 10000);
	}
	g_assert_cmphex(in(&p, LSR), ==, 0);
	out(&p, MCR, OUT2);
	out(&p, IER, 0x02);
	g_assert_false(irq(&p));
	fake_chardev_set_room(p.chr, SIZE_MAX);
	g_assert_true(irq(&p));
	g_assert_cmphex(in(&p, LSR), ==, LSR_IDLE);
	text = fake_chardev_take(p.chr);
	taken = (unsigned)strlen(text);
	g_assert_cmpuint(taken, ==, sent);
	for (unsigned i = 0; i < taken; i++)
		g_assert_cmpint(text[i], ==, 'a' + i % 26);
	port_done(&p);
}

static void nothing_connected(void)
{
	struct board b;

	board_init(&b);
	board_add(&b, &isa_serial_ops, "serial0");
	for (unsigned i = 0; i < 5000; i++)
		board_outb(&b, COM1, 'x');
	g_assert_cmphex(board_inb(&b, COM1 + LSR), ==, LSR_IDLE);
	g_assert_cmphex(board_inb(&b, COM1 + MSR), ==, 0);
	board_poll(&b);
	board_done(&b);
}

/* ---- receiver ---- */

static void without_fifo(void)
{
	struct port p;

	port_init(&p);
	out(&p, MCR, OUT2);
	out(&p, IER, 0x01);
	input(&p, "ab");
	g_assert_true(irq(&p));
	g_assert_cmphex(in(&p, IIR), ==, 0x04);
	g_assert_cmphex(in(&p, LSR), ==, LSR_IDLE | 0x01);
	g_assert_cmpint(in(&p, DATA), ==, 'a');
	g_assert_false(irq(&p));
	g_assert_cmphex(in(&p, LSR), ==, LSR_IDLE);
	board_poll(&p.b);
	g_assert_true(irq(&p));
	g_assert_cmpint(in(&p, DATA), ==, 'b');
	port_done(&p);
}

/* Section 8.4: interrupts from the trigger level on, 1, 4, 8 or 14 bytes. */
static void trigger_levels(void)
{
	static const uint8_t levels[] = {1, 4, 8, 14};
	struct port p;

	port_init(&p);
	out(&p, MCR, OUT2);
	out(&p, IER, 0x01);
	for (unsigned i = 0; i < ARRAY_SIZE(levels); i++) {
		out(&p, FCR, (uint8_t)(0x03 | i << 6));
		for (unsigned n = 1; n <= 16; n++) {
			input(&p, "x");
			g_assert_cmpint(irq(&p), ==, n >= levels[i]);
		}
		g_assert_cmphex(in(&p, IIR), ==, 0xc4);
		for (unsigned n = 16; n; n--) {
			g_assert_cmpint(irq(&p), ==, n >= levels[i]);
			in(&p, DATA);
		}
	}
	port_done(&p);
}

/* Section 8.5.1: four characters' time after the last one came or was read. */
static void receive_timeout(void)
{
	struct port p;

	port_init(&p);
	out(&p, LCR, 0x03);
	out(&p, MCR, OUT2);
	out(&p, IER, 0x01);
	out(&p, FCR, 0x81);
	input(&p, "a");
	board_step(&p.b, 3 * CHAR_9600);
	input(&p, "b");
	board_step(&p.b, 4 * CHAR_9600 - NSEC_PER_USEC);
	g_assert_false(irq(&p));
	board_step(&p.b, 2 * NSEC_PER_USEC);
	g_assert_true(irq(&p));
	g_assert_cmphex(in(&p, IIR), ==, 0xcc);
	g_assert_cmpint(in(&p, DATA), ==, 'a');
	g_assert_false(irq(&p));
	board_step(&p.b, 4 * CHAR_9600 + NSEC_PER_USEC);
	g_assert_true(irq(&p));
	g_assert_cmpint(in(&p, DATA), ==, 'b');
	board_step(&p.b, NSEC_PER_SEC);
	g_assert_false(irq(&p));
	port_done(&p);
}

/* The chardev keeps what does not fit, and hears when there is room. */
static void input_is_paced(void)
{
	char text[41] = "";
	struct port p;

	port_init(&p);
	out(&p, FCR, 0x01);
	for (unsigned i = 0; i < 40; i++)
		text[i] = (char)('0' + i);
	input(&p, text);
	for (unsigned i = 0; i < 40; i++) {
		g_assert_cmphex(in(&p, LSR), ==, LSR_IDLE | 0x01);
		g_assert_cmpint(in(&p, DATA), ==, '0' + i);
		board_poll(&p.b);
	}
	g_assert_cmphex(in(&p, LSR), ==, LSR_IDLE);
	g_assert_cmpuint(p.chr->input->len, ==, 0);
	port_done(&p);
}

/* ---- loop mode, modem lines ---- */

static void loop_back(void)
{
	struct port p;

	port_init(&p);
	out(&p, FCR, 0x01);
	out(&p, MCR, 0x10);
	for (unsigned i = 0; i < 17; i++)
		out(&p, DATA, (uint8_t)i);
	g_assert_cmphex(in(&p, LSR), ==, LSR_IDLE | 0x03);
	g_assert_cmphex(in(&p, LSR), ==, LSR_IDLE | 0x01);
	for (unsigned i = 0; i < 16; i++)
		g_assert_cmphex(in(&p, DATA), ==, i);
	input(&p, "a");
	g_assert_cmphex(in(&p, LSR), ==, LSR_IDLE);
	out(&p, MCR, 0x00);
	board_poll(&p.b);
	g_assert_cmpint(in(&p, DATA), ==, 'a');
	expect_output(&p, "");
	port_done(&p);
}

/* Without FIFO the second character replaces the first; the line status interrupt has the highest priority. */
static void overrun(void)
{
	struct port p;

	port_init(&p);
	out(&p, IER, 0x05);
	out(&p, MCR, 0x10);
	out(&p, DATA, 1);
	g_assert_cmphex(in(&p, IIR), ==, 0x04);
	out(&p, DATA, 2);
	g_assert_cmphex(in(&p, IIR), ==, 0x06);
	g_assert_cmphex(in(&p, LSR), ==, LSR_IDLE | 0x03);
	g_assert_cmphex(in(&p, IIR), ==, 0x04);
	g_assert_cmphex(in(&p, DATA), ==, 2);
	g_assert_cmphex(in(&p, IIR), ==, 0x01);
	port_done(&p);
}

/* Section 8.7: DTR, RTS, OUT1, OUT2 are DSR, CTS, RI, DCD in loop mode. Section 8.8: deltas; RI counts when it falls. */
static void modem_status(void)
{
	static const struct {
		uint8_t mcr, msr;
	} steps[] = {
		{0x10, 0x0b},
		{0x10, 0x00},
		{0x11, 0x22},
		{0x12, 0x13},
		{0x14, 0x41},
		{0x18, 0x8c},
		{0x1f, 0xf3},
		{0x1f, 0xf0},
		{0x10, 0x0f},
		{0x00, 0xbb},
		{0x00, 0xb0},
	};
	struct port p;

	port_init(&p);
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		out(&p, MCR, steps[i].mcr);
		g_assert_cmphex(in(&p, MSR), ==, steps[i].msr);
	}
	out(&p, IER, 0x08);
	out(&p, MCR, 0x11);
	g_assert_cmphex(in(&p, IIR), ==, 0x00);
	in(&p, MSR);
	g_assert_cmphex(in(&p, IIR), ==, 0x01);
	port_done(&p);
}

/* In a PC OUT2 lets the interrupt through, and it is inactive in loop mode. */
static void out2_gates(void)
{
	struct port p;

	port_init(&p);
	out(&p, IER, 0x02);
	g_assert_false(irq(&p));
	out(&p, MCR, OUT2);
	g_assert_true(irq(&p));
	out(&p, MCR, OUT2 | 0x10);
	g_assert_false(irq(&p));
	g_assert_cmphex(in(&p, IIR), ==, 0x02);
	port_done(&p);
}

/* ---- threads ---- */

#define FED 20000

struct feeder {
	struct loop_call call;
	struct port *p;
	unsigned fed;
};

static void feed(struct loop_call *c)
{
	struct feeder *f = container_of(c, struct feeder, call);
	uint8_t byte = (uint8_t)f->fed;

	fake_chardev_input(f->p->chr, &byte, 1);
	if (++f->fed < FED)
		loop_post(f->p->b.loop, c);
}

/* A vCPU sends and receives while the loop's thread does so at the other end: nothing is lost or doubled. */
static void both_ends_at_once(void)
{
	struct port p;
	struct feeder f = {.call.fn = feed, .p = &p};
	unsigned sent = 0, received = 0;
	GError *error = NULL;

	port_init(&p);
	out(&p, FCR, 0x01);
	out(&p, MCR, OUT2);
	out(&p, IER, 0x03);
	g_assert_true(loop_thread_start(p.b.loop, &error));
	loop_post(p.b.loop, &f.call);
	while (received < FED || sent < FED) {
		uint8_t lsr = in(&p, LSR);

		g_assert_cmphex(lsr & 0x02, ==, 0);
		if (lsr & 0x01)
			g_assert_cmphex(in(&p, DATA), ==, (uint8_t)received++);
		for (unsigned i = 0; lsr & 0x20 && i < 16 && sent < FED; i++)
			out(&p, DATA, (uint8_t)sent++);
		if (!(lsr & 0x01))
			sched_yield();
		in(&p, IIR);
	}
	loop_thread_join(p.b.loop);
	board_poll(&p.b);
	g_assert_cmpuint(p.chr->output->len, ==, FED);
	for (unsigned i = 0; i < FED; i++)
		g_assert_cmphex(p.chr->output->data[i], ==, (uint8_t)i);
	port_done(&p);
}

/* ---- life ---- */

static void saved(void)
{
	struct port p;

	port_init(&p);
	out(&p, LCR, 0x83);
	board_outw(&p.b, COM1, 0x000c);
	out(&p, LCR, 0x03);
	out(&p, SCR, 0x77);
	out(&p, IER, 0x01);
	out(&p, MCR, OUT2);
	out(&p, FCR, 0x81);
	input(&p, "ab");
	board_save_and_load(&p.b);
	g_assert_cmphex(in(&p, SCR), ==, 0x77);
	g_assert_cmphex(in(&p, IER), ==, 0x01);
	g_assert_false(irq(&p));
	board_step(&p.b, 4 * CHAR_9600 + NSEC_PER_USEC);
	g_assert_true(irq(&p));
	board_save_and_load(&p.b);
	g_assert_true(irq(&p));
	g_assert_cmpint(in(&p, DATA), ==, 'a');
	g_assert_cmpint(in(&p, DATA), ==, 'b');
	port_done(&p);
}

/* Table 3: a warm reset leaves divisor and scratch register alone. */
static void resets(void)
{
	struct port p;

	port_init(&p);
	out(&p, SCR, 0x12);
	out(&p, LCR, 0x80);
	out(&p, DLL, 1);
	out(&p, LCR, 0x00);
	out(&p, MCR, OUT2);
	out(&p, IER, 0x02);
	g_assert_true(irq(&p));
	board_reset(&p.b, RESET_WARM);
	g_assert_false(irq(&p));
	g_assert_cmphex(in(&p, SCR), ==, 0x12);
	out(&p, LCR, 0x80);
	g_assert_cmphex(in(&p, DLL), ==, 1);
	board_reset(&p.b, RESET_COLD);
	g_assert_cmphex(in(&p, SCR), ==, 0);
	g_assert_cmphex(in(&p, LCR), ==, 0);
	port_done(&p);
}

static void placed(void)
{
	struct fake_chardev *chr = fake_chardev_new();
	struct board b;
	struct dev *d;

	board_init(&b);
	d = dev_new(b.bus, &isa_serial_ops, "serial1");
	g_assert_true(prop_set_text(prop_find(isa_serial_ops.props, "iobase"), d, "0x2f8", NULL));
	g_assert_true(prop_set_text(prop_find(isa_serial_ops.props, "irq"), d, "3", NULL));
	board_realize(&b, d);
	board_outb(&b, 0x2f8 + MCR, OUT2);
	board_outb(&b, 0x2f8 + IER, 0x02);
	g_assert_true(board_irq(&b, 3));
	board_remove(&b, d);
	g_assert_false(board_irq(&b, 3));
	g_assert_cmphex(board_inb(&b, 0x2f8 + IER), ==, 0xff);

	d = dev_new(b.bus, &isa_serial_ops, "serial2");
	g_assert_true(prop_set_text(prop_find(isa_serial_ops.props, "iobase"), d, "0xfffc", NULL));
	board_refuse(&b, d, "0xfffc");

	/* a chardev serves one front */
	d = dev_new(b.bus, &isa_serial_ops, "serial3");
	isa_serial_set_chardev(d, &chr->chr);
	board_realize(&b, d);
	d = dev_new(b.bus, &isa_serial_ops, "serial4");
	isa_serial_set_chardev(d, &chr->chr);
	board_refuse(&b, d, "serial4");
	board_done(&b);
	fake_chardev_free(chr);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/serial/reset-values", reset_values);
	g_test_add_func("/serial/masks-and-latches", masks_and_latches);
	g_test_add_func("/serial/fifo-enable", fifo_enable);
	g_test_add_func("/serial/output", output);
	g_test_add_func("/serial/transmitter-interrupt", transmitter_interrupt);
	g_test_add_func("/serial/transmitter-busy", transmitter_busy);
	g_test_add_func("/serial/nothing-connected", nothing_connected);
	g_test_add_func("/serial/without-fifo", without_fifo);
	g_test_add_func("/serial/trigger-levels", trigger_levels);
	g_test_add_func("/serial/receive-timeout", receive_timeout);
	g_test_add_func("/serial/input-is-paced", input_is_paced);
	g_test_add_func("/serial/loop-back", loop_back);
	g_test_add_func("/serial/overrun", overrun);
	g_test_add_func("/serial/modem-status", modem_status);
	g_test_add_func("/serial/out2-gates", out2_gates);
	g_test_add_func("/serial/both-ends-at-once", both_ends_at_once);
	g_test_add_func("/serial/saved", saved);
	g_test_add_func("/serial/resets", resets);
	g_test_add_func("/serial/placed", placed);
	return g_test_run();
}
