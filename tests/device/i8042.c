/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keyboard controller, keyboard and mouse, as drivers talk to them. */
#include "devmodel/input/input.h"

#include <limits.h>
#include <linux/input-event-codes.h>

#include "base/input.h"
#include "tests/lib/board.h"

#define DATA   0x60
#define STATUS 0x64
#define FULL   0x01
#define MOUSE  0x20

#define KBD_IRQ   1
#define MOUSE_IRQ 12

#define ACK    0xfa
#define RESEND 0xfe

struct pc {
	struct board b;
	struct input *input;
	struct dev *dev;
};

static void pc_init(struct pc *p)
{
	board_init(&p->b);
	p->input = input_new();
	p->dev = dev_new(p->b.bus, &i8042_ops, "i8042");
	i8042_set_input(p->dev, p->input);
	board_realize(&p->b, p->dev);
}

static void pc_done(struct pc *p)
{
	board_done(&p->b);
	input_free(p->input);
}

static void key(struct pc *p, unsigned code, bool down)
{
	g_assert_cmpint(input_key(p->input, code, down), ==, 0);
}

/* To the right and up. */
static void move(struct pc *p, int dx, int dy, unsigned buttons)
{
	input_move(p->input, dx, -dy, 0, buttons);
}

static uint8_t status(struct pc *p)
{
	return board_inb(&p->b, STATUS);
}

static void command(struct pc *p, uint8_t c)
{
	board_outb(&p->b, STATUS, c);
}

static void data(struct pc *p, uint8_t v)
{
	board_outb(&p->b, DATA, v);
}

static void command2(struct pc *p, uint8_t c, uint8_t arg)
{
	command(p, c);
	data(p, arg);
}

/* The controller has a byte from the controller or the keyboard, or with @mouse from there, and it is @v. */
static void expect_from(struct pc *p, bool mouse, uint8_t v)
{
	g_assert_cmphex(status(p) & (FULL | MOUSE), ==, mouse ? FULL | MOUSE : FULL);
	g_assert_cmphex(board_inb(&p->b, DATA), ==, v);
}

static void expect(struct pc *p, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect_from(p, false, (uint8_t)bytes[i]);
	g_assert_cmphex(status(p) & FULL, ==, 0);
}

#define EXPECT(p, bytes) expect(p, bytes, sizeof(bytes) - 1)

static void mouse(struct pc *p, uint8_t v)
{
	command2(p, 0xd4, v);
}

static void expect_mouse(struct pc *p, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect_from(p, true, (uint8_t)bytes[i]);
	g_assert_cmphex(status(p) & FULL, ==, 0);
}

#define EXPECT_MOUSE(p, bytes) expect_mouse(p, bytes, sizeof(bytes) - 1)

static void mouse_ack(struct pc *p, uint8_t v)
{
	mouse(p, v);
	EXPECT_MOUSE(p, "\xfa");
}

/* Translation off, so that the keyboard's own bytes show. */
static void raw(struct pc *p)
{
	command2(p, 0x60, 0x03);
}

/* ---- controller ---- */

static void controller_commands(void)
{
	struct pc p;

	pc_init(&p);
	g_assert_cmphex(status(&p), ==, 0x10);
	command(&p, 0xaa);
	g_assert_cmphex(status(&p), ==, 0x1d);
	EXPECT(&p, "\x55");
	command(&p, 0xab);
	EXPECT(&p, "\0");
	command(&p, 0xa9);
	EXPECT(&p, "\0");
	command(&p, 0xc0);
	EXPECT(&p, "\x80");
	command(&p, 0xe0);
	EXPECT(&p, "\0");
	command(&p, 0x20);
	EXPECT(&p, "\x47");
	command2(&p, 0x60, 0x65);
	g_assert_cmphex(status(&p), ==, 0x14);
	command(&p, 0x20);
	EXPECT(&p, "\x65");
	command2(&p, 0x7f, 0x99);
	command(&p, 0x3f);
	EXPECT(&p, "\x99");
	command(&p, 0x99);
	g_assert_cmphex(status(&p) & FULL, ==, 0);
	g_assert_cmpuint(p.dev->guest_errors, ==, 1);
	pc_done(&p);
}

static void ports_disabled(void)
{
	struct pc p;

	pc_init(&p);
	command(&p, 0xad);
	command(&p, 0xa7);
	command(&p, 0x20);
	EXPECT(&p, "\x73");
	key(&p, KEY_A, true);
	g_assert_cmphex(status(&p) & FULL, ==, 0);
	command(&p, 0xae);
	EXPECT(&p, "\x1e");
	command(&p, 0xa8);
	command(&p, 0x20);
	EXPECT(&p, "\x43");
	/* a byte to a device opens its port */
	command(&p, 0xad);
	command(&p, 0xa7);
	data(&p, 0xee);
	EXPECT(&p, "\xee");
	mouse_ack(&p, 0xe6);
	command(&p, 0x20);
	EXPECT(&p, "\x43");
	pc_done(&p);
}

/* 0xd2 and 0xd3 put a byte where it would come from a device: how drivers find the mouse port and its interrupt. */
static void output_buffers(void)
{
	struct pc p;

	pc_init(&p);
	command2(&p, 0xd3, 0x5a);
	g_assert_true(board_irq(&p.b, MOUSE_IRQ));
	g_assert_false(board_irq(&p.b, KBD_IRQ));
	EXPECT_MOUSE(&p, "\x5a");
	g_assert_false(board_irq(&p.b, MOUSE_IRQ));
	command2(&p, 0xd2, 0xa5);
	g_assert_true(board_irq(&p.b, KBD_IRQ));
	EXPECT(&p, "\xa5");
	g_assert_false(board_irq(&p.b, KBD_IRQ));
	command2(&p, 0x60, 0x00);
	command2(&p, 0xd3, 0x5a);
	command2(&p, 0xd2, 0x5a);
	g_assert_false(board_irq(&p.b, MOUSE_IRQ) || board_irq(&p.b, KBD_IRQ));
	pc_done(&p);
}

static void output_port(void)
{
	struct pc p;

	pc_init(&p);
	command(&p, 0xd0);
	EXPECT(&p, "\xc3");
	command(&p, 0xdd);
	command(&p, 0xd0);
	EXPECT(&p, "\xc1");
	command(&p, 0xdf);
	command(&p, 0xd0);
	EXPECT(&p, "\xc3");
	command2(&p, 0xd1, 0x01);
	command(&p, 0xd0);
	EXPECT(&p, "\xc1");
	command(&p, 0xff);
	command(&p, 0xf1);
	g_assert_cmpuint(p.b.requests, ==, 0);
	command(&p, 0xfe);
	g_assert_true(board_requested(&p.b, BUS_REQUEST_RESET));
	command(&p, 0xf0);
	g_assert_true(board_requested(&p.b, BUS_REQUEST_RESET));
	command2(&p, 0xd1, 0xfe);
	g_assert_true(board_requested(&p.b, BUS_REQUEST_RESET));
	pc_done(&p);
}

/* Each byte is an edge of its own; the controller's answer goes before what waits in the devices. */
static void one_byte_at_a_time(void)
{
	struct pc p;

	pc_init(&p);
	key(&p, KEY_A, true);
	key(&p, KEY_A, false);
	mouse(&p, 0xe9);
	g_assert_cmpuint(board_irq_edges(&p.b, KBD_IRQ), ==, 1);
	command(&p, 0x20);
	expect_from(&p, false, 0x1e);
	expect_from(&p, false, 0x43);
	g_assert_cmpuint(board_irq_edges(&p.b, KBD_IRQ), ==, 3);
	expect_from(&p, false, 0x9e);
	g_assert_cmpuint(board_irq_edges(&p.b, MOUSE_IRQ), ==, 1);
	EXPECT_MOUSE(&p, "\xfa\0\x02\x64");
	g_assert_cmpuint(board_irq_edges(&p.b, MOUSE_IRQ), ==, 4);
	g_assert_cmphex(board_inb(&p.b, DATA), ==, 0x64);
	pc_done(&p);
}

/* ---- keyboard ---- */

static void keyboard_commands(void)
{
	struct pc p;

	pc_init(&p);
	data(&p, 0xf2);
	EXPECT(&p, "\xfa\xab\x41");
	raw(&p);
	data(&p, 0xf2);
	EXPECT(&p, "\xfa\xab\x83");
	data(&p, 0xff);
	EXPECT(&p, "\xfa\xaa");
	data(&p, 0xfe);
	EXPECT(&p, "\xaa");
	data(&p, 0xed);
	EXPECT(&p, "\xfa");
	data(&p, 0x02);
	EXPECT(&p, "\xfa");
	data(&p, 0xf3);
	EXPECT(&p, "\xfa");
	data(&p, 0x00);
	EXPECT(&p, "\xfa");
	data(&p, 0xf8);
	EXPECT(&p, "\xfa");
	data(&p, 0x17);
	EXPECT(&p, "\xfe");
	/* a command instead of an argument */
	data(&p, 0xed);
	data(&p, 0xee);
	EXPECT(&p, "\xfa\xee");
	pc_done(&p);
}

static void scan_code_sets(void)
{
	struct pc p;

	pc_init(&p);
	raw(&p);
	data(&p, 0xf0);
	data(&p, 0x00);
	EXPECT(&p, "\xfa\xfa\x02");
	key(&p, KEY_A, true);
	key(&p, KEY_A, false);
	key(&p, KEY_UP, true);
	key(&p, KEY_UP, false);
	key(&p, KEY_F7, true);
	EXPECT(&p, "\x1c\xf0\x1c\xe0\x75\xe0\xf0\x75\x83");
	key(&p, KEY_PAUSE, true);
	key(&p, KEY_PAUSE, false);
	EXPECT(&p, "\xe1\x14\x77\xe1\xf0\x14\xf0\x77");
	data(&p, 0xf0);
	data(&p, 0x01);
	EXPECT(&p, "\xfa\xfa");
	key(&p, KEY_A, true);
	key(&p, KEY_UP, true);
	key(&p, KEY_UP, false);
	key(&p, KEY_PAUSE, true);
	EXPECT(&p, "\x1e\xe0\x48\xe0\xc8\xe1\x1d\x45\xe1\x9d\xc5");
	data(&p, 0xf0);
	data(&p, 0x03);
	EXPECT(&p, "\xfa\xfe");
	data(&p, 0xf6);
	data(&p, 0xf0);
	data(&p, 0x00);
	EXPECT(&p, "\xfa\xfa\xfa\x02");
	pc_done(&p);
}

/* Pressed and released it sends @make and @make with bit 7, behind the prefix if there is one. */
static void expect_key(struct pc *p, unsigned code, uint8_t prefix, uint8_t make)
{
	key(p, code, true);
	key(p, code, false);
	if (prefix)
		expect_from(p, false, prefix);
	expect_from(p, false, make);
	if (prefix)
		expect_from(p, false, prefix);
	expect_from(p, false, make | 0x80);
	g_assert_cmphex(status(p) & FULL, ==, 0);
}

/* Through set 2 and back: the codes of set 1 that a PC's software knows. */
static void translation(void)
{
	static const uint8_t extended[][2] = {{KEY_KPENTER, 0x1c}, {KEY_RIGHTCTRL, 0x1d},
		{KEY_KPSLASH, 0x35}, {KEY_RIGHTALT, 0x38}, {KEY_HOME, 0x47}, {KEY_UP, 0x48},
		{KEY_PAGEUP, 0x49}, {KEY_LEFT, 0x4b}, {KEY_RIGHT, 0x4d}, {KEY_END, 0x4f},
		{KEY_DOWN, 0x50}, {KEY_PAGEDOWN, 0x51}, {KEY_INSERT, 0x52}, {KEY_DELETE, 0x53},
		{KEY_LEFTMETA, 0x5b}, {KEY_RIGHTMETA, 0x5c}, {KEY_COMPOSE, 0x5d}, {KEY_MUTE, 0x20},
		{KEY_VOLUMEUP, 0x30}, {KEY_VOLUMEDOWN, 0x2e}};
	struct pc p;

	pc_init(&p);
	for (uint8_t code = KEY_ESC; code <= KEY_KPDOT; code++)
		expect_key(&p, code, 0, code);
	expect_key(&p, KEY_102ND, 0, 0x56);
	expect_key(&p, KEY_F11, 0, 0x57);
	expect_key(&p, KEY_F12, 0, 0x58);
	expect_key(&p, KEY_F13, 0, 0x64);
	expect_key(&p, KEY_F24, 0, 0x76);
	expect_key(&p, KEY_RO, 0, 0x73);
	for (unsigned i = 0; i < ARRAY_SIZE(extended); i++)
		expect_key(&p, extended[i][0], 0xe0, extended[i][1]);
	key(&p, KEY_PAUSE, true);
	EXPECT(&p, "\xe1\x1d\x45\xe1\x9d\xc5");
	/* no PS/2 keyboard has these */
	key(&p, KEY_ZENKAKUHANKAKU, true);
	key(&p, INPUT_KEY_MAX, true);
	g_assert_cmphex(status(&p) & FULL, ==, 0);
	pc_done(&p);
}

/* Every key that there is leaves whole sequences, and none more than the buffer has room for. */
static void every_key(void)
{
	struct pc p;
	unsigned n;

	pc_init(&p);
	raw(&p);
	for (unsigned code = 1; code <= INPUT_KEY_MAX; code++) {
		key(&p, code, true);
		key(&p, code, false);
		for (n = 0; status(&p) & FULL; n++)
			board_inb(&p.b, DATA);
		g_assert_cmpuint(n, !=, 1);
		g_assert_cmpuint(n, <=, 10);
	}
	pc_done(&p);
}

static void press(struct pc *p, unsigned code)
{
	key(p, code, true);
	key(p, code, false);
}

static void print_screen_and_pause(void)
{
	struct pc p;

	pc_init(&p);
	press(&p, KEY_SYSRQ);
	EXPECT(&p, "\xe0\x2a\xe0\x37\xe0\xb7\xe0\xaa");
	key(&p, KEY_RIGHTSHIFT, true);
	press(&p, KEY_SYSRQ);
	key(&p, KEY_RIGHTSHIFT, false);
	EXPECT(&p, "\x36\xe0\x37\xe0\xb7\xb6");
	/* it goes up as what it went down */
	key(&p, KEY_LEFTALT, true);
	key(&p, KEY_SYSRQ, true);
	key(&p, KEY_LEFTALT, false);
	key(&p, KEY_SYSRQ, false);
	EXPECT(&p, "\x38\x54\xb8\xd4");
	key(&p, KEY_RIGHTCTRL, true);
	press(&p, KEY_PAUSE);
	EXPECT(&p, "\xe0\x1d\xe0\x46\xe0\xc6");
	raw(&p);
	press(&p, KEY_PAUSE);
	key(&p, KEY_RIGHTCTRL, false);
	EXPECT(&p, "\xe0\x7e\xe0\xf0\x7e\xe0\xf0\x14");
	press(&p, KEY_SYSRQ);
	EXPECT(&p, "\xe0\x12\xe0\x7c\xe0\xf0\x7c\xe0\xf0\x12");
	pc_done(&p);
}

static void lights(void)
{
	struct pc p;

	pc_init(&p);
	data(&p, 0xed);
	data(&p, 0x06);
	EXPECT(&p, "\xfa\xfa");
	g_assert_cmpuint(input_leds(p.input), ==, INPUT_LED_NUM | INPUT_LED_CAPS);
	board_save_and_load(&p.b);
	g_assert_cmpuint(input_leds(p.input), ==, INPUT_LED_NUM | INPUT_LED_CAPS);
	board_reset(&p.b, RESET_WARM);
	g_assert_cmpuint(input_leds(p.input), ==, 0);
	pc_done(&p);
}

static void scanning(void)
{
	struct pc p;

	pc_init(&p);
	data(&p, 0xf5);
	EXPECT(&p, "\xfa");
	key(&p, KEY_A, true);
	g_assert_cmphex(status(&p) & FULL, ==, 0);
	data(&p, 0xf4);
	EXPECT(&p, "\xfa");
	key(&p, KEY_A, true);
	EXPECT(&p, "\x1e");
	pc_done(&p);
}

/* A reader that does not come loses keys, and is told; commands are still answered. */
static void keys_are_lost(void)
{
	struct pc p;
	unsigned n = 0;
	uint8_t last = 0;

	pc_init(&p);
	raw(&p);
	for (unsigned i = 0; i < 100; i++) {
		key(&p, KEY_A, true);
		key(&p, KEY_A, false);
	}
	data(&p, 0xee);
	while (status(&p) & FULL) {
		uint8_t v = board_inb(&p.b, DATA);

		if (v == 0xee)
			g_assert_cmphex(last, ==, 0x00);
		last = v;
		n++;
	}
	g_assert_cmphex(last, ==, 0xee);
	g_assert_cmpuint(n, >=, 16);
	g_assert_cmpuint(n, <=, 20);
	key(&p, KEY_A, true);
	EXPECT(&p, "\x1c");
	pc_done(&p);
}

/* However many commands nobody reads the answers of, there is an end of them. */
static void answers_are_bounded(void)
{
	struct pc p;
	unsigned n = 0;

	pc_init(&p);
	for (unsigned i = 0; i < 1000; i++) {
		data(&p, 0xf2);
		mouse(&p, 0xe9);
	}
	for (; status(&p) & FULL; n++)
		board_inb(&p.b, DATA);
	g_assert_cmpuint(n, <, 100);
	pc_done(&p);
}

/* ---- mouse ---- */

static void mouse_commands(void)
{
	struct pc p;

	pc_init(&p);
	mouse(&p, 0xff);
	EXPECT_MOUSE(&p, "\xfa\xaa\0");
	mouse(&p, 0xf2);
	EXPECT_MOUSE(&p, "\xfa\0");
	mouse(&p, 0xe9);
	EXPECT_MOUSE(&p, "\xfa\0\x02\x64");
	mouse_ack(&p, 0xe8);
	mouse_ack(&p, 0x03);
	mouse_ack(&p, 0xe8);
	mouse(&p, 0x04);
	EXPECT_MOUSE(&p, "\xfe");
	mouse_ack(&p, 0xf3);
	mouse_ack(&p, 0x28);
	mouse_ack(&p, 0xe7);
	mouse_ack(&p, 0xf4);
	mouse(&p, 0xe9);
	EXPECT_MOUSE(&p, "\xfa\x30\x03\x28");
	mouse(&p, 0xfe);
	EXPECT_MOUSE(&p, "\x28");
	mouse_ack(&p, 0xf0);
	mouse(&p, 0xe9);
	EXPECT_MOUSE(&p, "\xfa\x70\x03\x28");
	mouse_ack(&p, 0xf6);
	mouse(&p, 0xe9);
	EXPECT_MOUSE(&p, "\xfa\0\x02\x64");
	mouse(&p, 0x55);
	EXPECT_MOUSE(&p, "\xfe");
	pc_done(&p);
}

static void wrap_mode(void)
{
	struct pc p;

	pc_init(&p);
	mouse_ack(&p, 0xee);
	mouse(&p, 0xf2);
	EXPECT_MOUSE(&p, "\xf2");
	mouse_ack(&p, 0xec);
	mouse(&p, 0xf2);
	EXPECT_MOUSE(&p, "\xfa\0");
	mouse_ack(&p, 0xee);
	mouse(&p, 0xff);
	EXPECT_MOUSE(&p, "\xfa\xaa\0");
	pc_done(&p);
}

static void stream_mode(void)
{
	struct pc p;

	pc_init(&p);
	move(&p, 5, 5, 1);
	g_assert_cmphex(status(&p) & FULL, ==, 0);
	mouse_ack(&p, 0xf6);
	mouse_ack(&p, 0xf4);
	move(&p, 3, -2, 1);
	EXPECT_MOUSE(&p, "\x29\x03\xfe");
	move(&p, 0, 0, 1);
	g_assert_cmphex(status(&p) & FULL, ==, 0);
	move(&p, 0, 0, 6);
	EXPECT_MOUSE(&p, "\x0e\0\0");
	/* what moves while a packet waits goes into the next ones, 255 counts at most in each */
	move(&p, -1, 0, 0);
	move(&p, 200, 0, 0);
	move(&p, 200, 1000, 0);
	EXPECT_MOUSE(&p, "\x18\xff\0\x08\xff\xff\x08\x91\xff\x08\0\xff\x08\0\xeb");
	mouse_ack(&p, 0xf5);
	move(&p, 1, 1, 0);
	g_assert_cmphex(status(&p) & FULL, ==, 0);
	pc_done(&p);
}

static void set_rates(struct pc *p, uint8_t a, uint8_t b, uint8_t c)
{
	const uint8_t rates[] = {a, b, c};

	for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
		mouse_ack(p, 0xf3);
		mouse_ack(p, rates[i]);
	}
}

static void wheel(void)
{
	struct pc p;

	pc_init(&p);
	set_rates(&p, 100, 200, 80);
	mouse(&p, 0xf2);
	EXPECT_MOUSE(&p, "\xfa\0");
	mouse_ack(&p, 0xf4);
	input_move(p.input, 0, 0, 1, INPUT_BUTTON_SIDE);
	g_assert_cmphex(status(&p) & FULL, ==, 0);
	set_rates(&p, 200, 100, 80);
	mouse(&p, 0xf2);
	EXPECT_MOUSE(&p, "\xfa\x03");
	input_move(p.input, 1, 0, 1, INPUT_BUTTON_LEFT | INPUT_BUTTON_SIDE);
	EXPECT_MOUSE(&p, "\x09\x01\0\xff");
	input_move(p.input, 0, 0, -9, INPUT_BUTTON_LEFT);
	EXPECT_MOUSE(&p, "\x09\0\0\x07\x09\0\0\x02");
	set_rates(&p, 200, 200, 80);
	mouse(&p, 0xf2);
	EXPECT_MOUSE(&p, "\xfa\x04");
	input_move(p.input, 0, 0, 2, INPUT_BUTTON_SIDE | INPUT_BUTTON_RIGHT);
	EXPECT_MOUSE(&p, "\x0a\0\0\x1e");
	input_move(p.input, 0, 0, 0, INPUT_BUTTON_EXTRA);
	EXPECT_MOUSE(&p, "\x08\0\0\x20");
	/* defaults leave it what it is, a reset does not */
	mouse_ack(&p, 0xf6);
	mouse(&p, 0xf2);
	EXPECT_MOUSE(&p, "\xfa\x04");
	mouse(&p, 0xff);
	EXPECT_MOUSE(&p, "\xfa\xaa\0");
	mouse(&p, 0xf2);
	EXPECT_MOUSE(&p, "\xfa\0");
	pc_done(&p);
}

/* What is kept for a host that does not read has an end. */
static void movement_is_bounded(void)
{
	struct pc p;
	unsigned n = 0;

	pc_init(&p);
	mouse(&p, 0xf4);
	for (unsigned i = 0; i < 1000; i++)
		move(&p, INT_MAX, -INT_MAX, 0);
	for (; status(&p) & FULL; n++)
		board_inb(&p.b, DATA);
	g_assert_cmpuint(n, <, 200);
	pc_done(&p);
}

static void remote_mode(void)
{
	struct pc p;

	pc_init(&p);
	mouse_ack(&p, 0xf0);
	mouse_ack(&p, 0xf4);
	move(&p, 7, 8, 2);
	g_assert_cmphex(status(&p) & FULL, ==, 0);
	mouse(&p, 0xeb);
	EXPECT_MOUSE(&p, "\xfa\x0a\x07\x08");
	mouse(&p, 0xeb);
	EXPECT_MOUSE(&p, "\xfa\x0a\0\0");
	mouse_ack(&p, 0xea);
	move(&p, 1, 0, 2);
	EXPECT_MOUSE(&p, "\x0a\x01\0");
	pc_done(&p);
}

static void scaling(void)
{
	static const int8_t table[][2] = {
		{1, 1}, {2, 1}, {3, 3}, {4, 6}, {5, 9}, {6, 12}, {60, 120}};
	struct pc p;

	pc_init(&p);
	mouse_ack(&p, 0xe7);
	mouse_ack(&p, 0xf4);
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		move(&p, table[i][0], -table[i][0], 0);
		expect_from(&p, true, 0x28);
		expect_from(&p, true, (uint8_t)table[i][1]);
		expect_from(&p, true, (uint8_t)-table[i][1]);
	}
	mouse_ack(&p, 0xe6);
	move(&p, 60, 0, 0);
	EXPECT_MOUSE(&p, "\x08\x3c\0");
	pc_done(&p);
}

/* ---- life ---- */

static void saved(void)
{
	struct pc p;

	pc_init(&p);
	mouse_ack(&p, 0xf4);
	key(&p, KEY_UP, true);
	move(&p, 300, 0, 1);
	command(&p, 0xd4);
	board_save_and_load(&p.b);
	g_assert_true(board_irq(&p.b, KBD_IRQ));
	data(&p, 0xe9);
	expect_from(&p, false, 0xe0);
	expect_from(&p, false, 0x48);
	EXPECT_MOUSE(&p, "\xfa\x24\x02\x64\x09\x2d\0");
	board_reset(&p.b, RESET_WARM);
	g_assert_cmphex(status(&p), ==, 0x10);
	g_assert_false(board_irq(&p.b, KBD_IRQ));
	pc_done(&p);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/i8042/controller-commands", controller_commands);
	g_test_add_func("/i8042/ports-disabled", ports_disabled);
	g_test_add_func("/i8042/output-buffers", output_buffers);
	g_test_add_func("/i8042/output-port", output_port);
	g_test_add_func("/i8042/one-byte-at-a-time", one_byte_at_a_time);
	g_test_add_func("/i8042/keyboard-commands", keyboard_commands);
	g_test_add_func("/i8042/scan-code-sets", scan_code_sets);
	g_test_add_func("/i8042/translation", translation);
	g_test_add_func("/i8042/every-key", every_key);
	g_test_add_func("/i8042/print-screen-and-pause", print_screen_and_pause);
	g_test_add_func("/i8042/lights", lights);
	g_test_add_func("/i8042/scanning", scanning);
	g_test_add_func("/i8042/keys-are-lost", keys_are_lost);
	g_test_add_func("/i8042/answers-are-bounded", answers_are_bounded);
	g_test_add_func("/i8042/mouse-commands", mouse_commands);
	g_test_add_func("/i8042/wrap-mode", wrap_mode);
	g_test_add_func("/i8042/stream-mode", stream_mode);
	g_test_add_func("/i8042/wheel", wheel);
	g_test_add_func("/i8042/movement-is-bounded", movement_is_bounded);
	g_test_add_func("/i8042/remote-mode", remote_mode);
	g_test_add_func("/i8042/scaling", scaling);
	g_test_add_func("/i8042/saved", saved);
	return g_test_run();
}
