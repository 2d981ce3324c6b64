/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/device/usb-fuzz.h"

#include <string.h>

#include "base/input.h"

#define STEPS_MAX 2000
#define RAM_FIRST 0x10000u /* where the drivers have their structures */

struct step {
	uint8_t kind, size;
	uint16_t offset;
	uint32_t value;
};

struct fuzz {
	struct usb_driver u;
	struct input *input;
	struct dev *kbd;
};

static unsigned width(const struct step *s)
{
	return 1u << s->size % 3;
}

static enum bus_space space_of(const struct fuzz *f)
{
	return f->u.base < 0x10000 ? BUS_PIO : BUS_MMIO;
}

static void reg_write(struct fuzz *f, const struct step *s)
{
	rig_write(f->u.r, space_of(f), f->u.base + s->offset % 0x4000, width(s), s->value);
}

static void reg_read(struct fuzz *f, const struct step *s)
{
	rig_read(f->u.r, space_of(f), f->u.base + s->offset % 0x4000, width(s));
}

static void ram_write_step(struct fuzz *f, const struct step *s)
{
	uint64_t addr = RAM_FIRST + s->offset * 4u;

	if (gmem_write(f->u.r->gmem, GPA(addr), &s->value, sizeof(s->value)) < 0)
		g_assert_not_reached();
}

static void step_time(struct fuzz *f, const struct step *s)
{
	usb_step(&f->u, s->value % 16 + 1);
}

static void user(struct fuzz *f, const struct step *s)
{
	if (s->size & 1)
		input_key(f->input, s->value & 0x7f, s->size & 2);
	else
		input_point(f->input, s->offset, s->value, (int8_t)s->size, s->value >> 24);
}

static void plug(struct fuzz *f, const struct step *s)
{
	if (usb_port_of(f->kbd))
		usb_unplug(f->kbd);
	else
		usb_plug(f->u.controller, f->kbd, s->offset % 4, NULL);
}

static void life(struct fuzz *f, const struct step *s)
{
	if (s->size % 4)
		usb_save_and_load(&f->u);
	else
		bus_reset(f->u.r->bus, RESET_WARM);
}

static struct dev *add_hid(struct fuzz *f, const struct dev_ops *ops, const char *id)
{
	struct dev *d = dev_new(f->u.r->bus, ops, id);

	usb_hid_set_input(d, f->input);
	g_assert_true(dev_realize(d, NULL));
	return d;
}

int usb_fuzz(const struct usb_driver_ops *driver, const uint8_t *data, size_t size)
{
	static void (*const kinds[])(struct fuzz * f, const struct step *s) = {
		reg_write, reg_read, ram_write_step, step_time, user, plug, life};
	struct fuzz f = {.input = input_new()};
	struct step s;

	usb_driver_init(&f.u, driver);
	f.kbd = add_hid(&f, &usb_kbd_ops, "kbd");
	usb_insert(&f.u, f.kbd);
	g_assert_true(usb_plug(f.u.controller, add_hid(&f, &usb_tablet_ops, "tablet"), 0, NULL));
	for (unsigned i = 0; size >= sizeof(s) && i < STEPS_MAX; i++) {
		memcpy(&s, data, sizeof(s));
		data += sizeof(s);
		size -= sizeof(s);
		kinds[s.kind % ARRAY_SIZE(kinds)](&f, &s);
	}
	usb_driver_done(&f.u);
	input_free(f.input);
	return 0;
}
