/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keyboard controller, IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller".
 *
 *	0x60	read: output buffer; write: byte for the keyboard, or argument of a controller command
 *	0x64	read: status; write: controller command
 *
 * One byte at a time is in the output buffer: the controller's own answer first, then the keyboard's bytes, then the
 * mouse's. Each that is put there raises its interrupt anew.
 */
#include "devmodel/input/input.h"

#include "base/input.h"
#include "devmodel/input/ps2.h"

#define DATA_PORT    0x60
#define COMMAND_PORT 0x64
#define KBD_GSI      1
#define MOUSE_GSI    12
#define RAM_SIZE     32

/* Controller commands; 0x20 to 0x3f read, 0x60 to 0x7f write the controller's memory. */
enum {
	CTL_READ_RAM = 0x20,
	CTL_WRITE_RAM = 0x60,
	CTL_MOUSE_DISABLE = 0xa7,
	CTL_MOUSE_ENABLE = 0xa8,
	CTL_MOUSE_TEST = 0xa9,
	CTL_SELF_TEST = 0xaa,
	CTL_KBD_TEST = 0xab,
	CTL_KBD_DISABLE = 0xad,
	CTL_KBD_ENABLE = 0xae,
	CTL_READ_INPUT = 0xc0,
	CTL_READ_OUTPUT = 0xd0,
	CTL_WRITE_OUTPUT = 0xd1,
	CTL_WRITE_KBD_BUFFER = 0xd2,
	CTL_WRITE_MOUSE_BUFFER = 0xd3,
	CTL_WRITE_MOUSE = 0xd4,
	CTL_A20_OFF = 0xdd,
	CTL_A20_ON = 0xdf,
	CTL_READ_TEST = 0xe0,
	CTL_PULSE = 0xf0, /* to 0xff: bits that are 0 go low for a moment */
};

#define SELF_TEST_OK 0x55
#define LINE_OK      0x00
#define INPUT_PORT   0x80 /* keyboard not locked */

/* Command byte: byte 0 of the controller's memory. */
#define MODE_KBD_INT       0x01
#define MODE_MOUSE_INT     0x02
#define MODE_SYSTEM        0x04
#define MODE_KBD_DISABLE   0x10
#define MODE_MOUSE_DISABLE 0x20
#define MODE_TRANSLATE     0x40

#define STATUS_FULL     0x01
#define STATUS_COMMAND  0x08 /* the last write was to the command port */
#define STATUS_UNLOCKED 0x10
#define STATUS_MOUSE    0x20

#define OUTPUT_RESET 0x01 /* low active */
#define OUTPUT_A20   0x02
#define OUTPUT_KBD   0x10 /* the interrupt lines */
#define OUTPUT_MOUSE 0x20
#define OUTPUT_IDLE  0xc0 /* clock and data of the keyboard */

struct i8042_hw {
	struct ps2_kbd_hw kbd;
	struct ps2_mouse_hw mouse;
	uint8_t ram[RAM_SIZE];
	uint8_t argument_of; /* controller command whose argument is the next data byte, 0 none */
	uint8_t output_port;
	uint8_t buffer; /* output buffer, and whose byte it is */
	bool full, from_mouse;
	uint8_t answer; /* of the controller, until the buffer is free */
	bool has_answer, answer_is_mouse;
	bool last_was_command;
	bool break_code; /* the keyboard's 0xF0 was met: the next is one */
};

struct i8042 {
	struct dev dev;
	struct i8042_hw hw;  /* [s] */
	struct input *input; /* [c] may be NULL */
	struct input_handler handler;
	struct irq kbd_irq, mouse_irq;
	struct region data, command;
};

static struct i8042 *i8042(struct dev *d)
{
	return container_of(d, struct i8042, dev);
}

static uint8_t *mode(struct i8042 *c)
{
	return &c->hw.ram[0];
}

/* ---- output buffer --------------------------------------------------------------------------- */

static bool int_of(struct i8042 *c, bool mouse)
{
	return c->hw.full && c->hw.from_mouse == mouse &&
	       *mode(c) & (mouse ? MODE_MOUSE_INT : MODE_KBD_INT);
}

static void update_irqs(struct i8042 *c)
{
	irq_set(&c->kbd_irq, int_of(c, false));
	irq_set(&c->mouse_irq, int_of(c, true));
}

/* The keyboard's next byte, in set 1 if the controller translates: a break code then is one byte. */
static bool next_of_kbd(struct i8042 *c, uint8_t *ret)
{
	while (ps2_kbd_read(&c->hw.kbd, ret)) {
		if (!(*mode(c) & MODE_TRANSLATE))
			return true;
		if (*ret == 0xf0) {
			c->hw.break_code = true;
			continue;
		}
		*ret = ps2_set2_to_set1(*ret) | (c->hw.break_code ? 0x80 : 0);
		c->hw.break_code = false;
		return true;
	}
	return false;
}

static void fill_buffer(struct i8042 *c)
{
	struct i8042_hw *hw = &c->hw;

	if (hw->full)
		return;
	if (hw->has_answer) {
		hw->buffer = hw->answer;
		hw->from_mouse = hw->answer_is_mouse;
		hw->has_answer = false;
		hw->full = true;
	} else if (!(*mode(c) & MODE_KBD_DISABLE) && next_of_kbd(c, &hw->buffer)) {
		hw->from_mouse = false;
		hw->full = true;
	} else if (!(*mode(c) & MODE_MOUSE_DISABLE) && ps2_mouse_read(&hw->mouse, &hw->buffer)) {
		hw->from_mouse = true;
		hw->full = true;
	}
}

/* After anything that may have given a byte to pass on. */
static void update(struct i8042 *c)
{
	fill_buffer(c);
	update_irqs(c);
}

static void answer(struct i8042 *c, uint8_t byte, bool mouse)
{
	c->hw.answer = byte;
	c->hw.answer_is_mouse = mouse;
	c->hw.has_answer = true;
}

static void show_leds(struct i8042 *c)
{
	if (c->input)
		input_set_leds(c->input, c->hw.kbd.leds);
}

/* ---- commands -------------------------------------------------------------------------------- */

static void request_reset(struct i8042 *c)
{
	c->dev.bus->request(c->dev.bus, BUS_REQUEST_RESET, 0);
}

static uint8_t read_output_port(struct i8042 *c)
{
	return c->hw.output_port | OUTPUT_IDLE | (int_of(c, false) ? OUTPUT_KBD : 0) |
	       (int_of(c, true) ? OUTPUT_MOUSE : 0);
}

static void write_output_port(struct i8042 *c, uint8_t v)
{
	c->hw.output_port = v & (OUTPUT_RESET | OUTPUT_A20);
	if (!(v & OUTPUT_RESET))
		request_reset(c);
}

static void set_mode(struct i8042 *c, uint8_t bits, bool on)
{
	*mode(c) = on ? *mode(c) | bits : *mode(c) & ~bits;
}

static void single_command(struct i8042 *c, uint8_t cmd)
{
	switch (cmd) {
	case CTL_MOUSE_DISABLE:
	case CTL_MOUSE_ENABLE: set_mode(c, MODE_MOUSE_DISABLE, cmd == CTL_MOUSE_DISABLE); break;
	case CTL_KBD_DISABLE:
	case CTL_KBD_ENABLE: set_mode(c, MODE_KBD_DISABLE, cmd == CTL_KBD_DISABLE); break;
	case CTL_SELF_TEST:
		set_mode(c, MODE_SYSTEM, true);
		answer(c, SELF_TEST_OK, false);
		break;
	case CTL_MOUSE_TEST:
	case CTL_KBD_TEST: answer(c, LINE_OK, false); break;
	case CTL_READ_INPUT: answer(c, INPUT_PORT, false); break;
	case CTL_READ_OUTPUT: answer(c, read_output_port(c), false); break;
	case CTL_READ_TEST: answer(c, 0, false); break;
	case CTL_A20_OFF: c->hw.output_port &= ~OUTPUT_A20; break;
	case CTL_A20_ON: c->hw.output_port |= OUTPUT_A20; break;
	case CTL_WRITE_OUTPUT:
	case CTL_WRITE_KBD_BUFFER:
	case CTL_WRITE_MOUSE_BUFFER:
	case CTL_WRITE_MOUSE: c->hw.argument_of = cmd; break;
	default: dev_guest_error(&c->dev, "unknown command 0x%02x", cmd); break;
	}
}

static void controller_command(struct i8042 *c, uint8_t cmd)
{
	unsigned cell = cmd % RAM_SIZE;

	c->hw.argument_of = 0;
	if (cmd - cell == CTL_READ_RAM)
		answer(c, c->hw.ram[cell], false);
	else if (cmd - cell == CTL_WRITE_RAM)
		c->hw.argument_of = cmd;
	else if (cmd < CTL_PULSE)
		single_command(c, cmd);
	else if (!(cmd & OUTPUT_RESET))
		request_reset(c);
}

static void controller_argument(struct i8042 *c, uint8_t cmd, uint8_t arg)
{
	switch (cmd) {
	case CTL_WRITE_OUTPUT: write_output_port(c, arg); break;
	case CTL_WRITE_KBD_BUFFER: answer(c, arg, false); break;
	case CTL_WRITE_MOUSE_BUFFER: answer(c, arg, true); break;
	case CTL_WRITE_MOUSE:
		set_mode(c, MODE_MOUSE_DISABLE, false);
		ps2_mouse_write(&c->hw.mouse, arg);
		break;
	default: c->hw.ram[cmd % RAM_SIZE] = arg; break;
	}
}

/* ---- ports ----------------------------------------------------------------------------------- */

/* The line goes down before the next byte raises it: an edge for each. */
static uint64_t data_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct i8042 *c = i8042(d);
	uint8_t byte = c->hw.buffer;

	c->hw.full = false;
	update_irqs(c);
	update(c);
	return byte;
}

/* A byte for the keyboard lets its clock run again. */
static void data_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct i8042 *c = i8042(d);
	uint8_t cmd = c->hw.argument_of;

	c->hw.last_was_command = false;
	c->hw.argument_of = 0;
	if (cmd) {
		controller_argument(c, cmd, (uint8_t)value);
	} else {
		set_mode(c, MODE_KBD_DISABLE, false);
		ps2_kbd_write(&c->hw.kbd, (uint8_t)value);
		show_leds(c);
	}
	update(c);
}

static uint64_t status_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	const struct i8042_hw *hw = &i8042(d)->hw;

	return STATUS_UNLOCKED | (hw->ram[0] & MODE_SYSTEM) | (hw->full ? STATUS_FULL : 0) |
	       (hw->full && hw->from_mouse ? STATUS_MOUSE : 0) |
	       (hw->last_was_command ? STATUS_COMMAND : 0);
}

static void command_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct i8042 *c = i8042(d);

	c->hw.last_was_command = true;
	controller_command(c, (uint8_t)value);
	update(c);
}

static const struct region_ops data_region = {
	.read = data_read,
	.write = data_write,
	.min = 1,
	.max = 1,
};

static const struct region_ops command_region = {
	.read = status_read,
	.write = command_write,
	.min = 1,
	.max = 1,
};

/* ---- input ----------------------------------------------------------------------------------- */

static struct i8042 *of_handler(struct input_handler *h)
{
	return container_of(h, struct i8042, handler);
}

static void handle_key(struct input_handler *h, unsigned code, bool down)
{
	struct i8042 *c = of_handler(h);

	dev_lock(&c->dev);
	ps2_kbd_key(&c->hw.kbd, code, down);
	update(c);
	dev_unlock(&c->dev);
}

/* A mouse counts upwards, and its wheel towards the user. */
static void handle_rel(struct input_handler *h, int dx, int dy, int wheel, unsigned buttons)
{
	struct i8042 *c = of_handler(h);

	dev_lock(&c->dev);
	ps2_mouse_move(&c->hw.mouse, dx, -CLAMP(dy, -INT_MAX, INT_MAX),
		-CLAMP(wheel, -INT_MAX, INT_MAX), buttons);
	update(c);
	dev_unlock(&c->dev);
}

void i8042_set_input(struct dev *d, struct input *input)
{
	i8042(d)->input = input;
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool i8042_realize(struct dev *d, GError **error)
{
	struct i8042 *c = i8042(d);

	c->kbd_irq = gsi_source(d->bus->gsi, KBD_GSI);
	c->mouse_irq = gsi_source(d->bus->gsi, MOUSE_GSI);
	c->handler = (struct input_handler){.key = handle_key, .rel = handle_rel};
	if (c->input)
		input_add(c->input, &c->handler);
	region_init_io(&c->data, d, &data_region, "i8042-data", BUS_PIO, 1);
	region_init_io(&c->command, d, &command_region, "i8042-command", BUS_PIO, 1);
	return region_map(d->bus, &c->data, DATA_PORT, REGION_PRIO_DEVICE) == 0 &&
	       region_map(d->bus, &c->command, COMMAND_PORT, REGION_PRIO_DEVICE) == 0;
}

/*
 * As a BIOS leaves it: interrupts and translation on. A system that starts knows these before it finds others on USB.
 */
static void i8042_reset(struct dev *d, enum reset_kind kind)
{
	struct i8042 *c = i8042(d);

	c->hw = (struct i8042_hw){.output_port = OUTPUT_RESET | OUTPUT_A20};
	*mode(c) = MODE_KBD_INT | MODE_MOUSE_INT | MODE_TRANSLATE;
	ps2_kbd_reset(&c->hw.kbd, false);
	ps2_mouse_reset(&c->hw.mouse, false);
	update_irqs(c);
	show_leds(c);
	if (c->input)
		input_activate(c->input, &c->handler);
}

static void i8042_unrealize(struct dev *d)
{
	if (i8042(d)->input)
		input_remove(i8042(d)->input, &i8042(d)->handler);
	irq_set(&i8042(d)->kbd_irq, false);
	irq_set(&i8042(d)->mouse_irq, false);
}

static int i8042_post_load(struct dev *d)
{
	show_leds(i8042(d));
	update_irqs(i8042(d));
	return 0;
}

static const struct state_field i8042_fields[] = {
	ST_STRUCT(struct i8042_hw, kbd, ps2_kbd_fields),
	ST_STRUCT(struct i8042_hw, mouse, ps2_mouse_fields),
	ST_BYTES(struct i8042_hw, ram),
	ST_U(struct i8042_hw, argument_of),
	ST_MAX(struct i8042_hw, output_port, OUTPUT_RESET | OUTPUT_A20),
	ST_U(struct i8042_hw, buffer),
	ST_BOOL(struct i8042_hw, full),
	ST_BOOL(struct i8042_hw, from_mouse),
	ST_U(struct i8042_hw, answer),
	ST_BOOL(struct i8042_hw, has_answer),
	ST_BOOL(struct i8042_hw, answer_is_mouse),
	ST_BOOL(struct i8042_hw, last_was_command),
	ST_BOOL(struct i8042_hw, break_code),
	ST_END,
};

static const struct state_desc i8042_state = {
	.name = "i8042",
	.version = 1,
	.size = sizeof(struct i8042_hw),
	.fields = i8042_fields,
};

const struct dev_ops i8042_ops = {
	.name = "i8042",
	.doc = "keyboard controller with PS/2 keyboard and mouse",
	.size = sizeof(struct i8042),
	.realize = i8042_realize,
	.reset = i8042_reset,
	.unrealize = i8042_unrealize,
	.post_load = i8042_post_load,
	.state =
		(const struct dev_part[]){
			{&i8042_state, offsetof(struct i8042, hw)},
			{.desc = NULL},
		},
};

const struct dev_ops *const input_devices[] = {&i8042_ops, NULL};
