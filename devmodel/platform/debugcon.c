/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ISA debug console: each byte written to the port is output, a read gives 0xE9, by which firmware finds it (Bochs port
 * 0xE9, and SeaBIOS' and OVMF's debug output at 0x402).
 */
#include "base/charout.h"
#include "devmodel/platform/platform.h"

#define READBACK 0xe9

struct debugcon {
	struct dev dev;
	uint16_t iobase; /* [c] */
	struct chardev *chr;
	struct charout out;
	struct region region;
};

static uint64_t debugcon_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return READBACK;
}

/* What comes faster than the host takes it is lost: there is nothing that would make the guest wait. */
static void debugcon_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct debugcon *c = container_of(d, struct debugcon, dev);
	uint8_t byte = (uint8_t)value;

	charout_put(&c->out, &byte, 1);
}

static const struct region_ops debugcon_region = {
	.read = debugcon_read,
	.write = debugcon_write,
	.min = 1,
	.max = 1,
};

static size_t no_input(void *opaque)
{
	return 0;
}

static void writable(void *opaque)
{
	charout_writable(&((struct debugcon *)opaque)->out);
}

static const struct chardev_front debugcon_front = {.can_read = no_input, .writable = writable};

static bool debugcon_realize(struct dev *d, GError **error)
{
	struct debugcon *c = container_of(d, struct debugcon, dev);
	int err = c->chr ? chardev_attach(c->chr, d->bus->loop, &debugcon_front, c) : 0;

	if (err < 0)
		return err_set_errno(
			error, -err, "device \"%s\": chardev \"%s\"", d->id, c->chr->id);
	charout_init(&c->out, c->chr, d->bus->loop, NULL, NULL);
	region_init_io(&c->region, d, &debugcon_region, "debugcon", BUS_PIO, 1);
	return region_map(d->bus, &c->region, c->iobase, REGION_PRIO_DEVICE) == 0;
}

static void debugcon_unrealize(struct dev *d)
{
	struct debugcon *c = container_of(d, struct debugcon, dev);

	charout_done(&c->out);
	if (c->chr && c->out.loop)
		chardev_detach(c->chr);
}

static void debugcon_reset(struct dev *d, enum reset_kind kind)
{
}

void isa_debugcon_set_chardev(struct dev *d, struct chardev *chr)
{
	container_of(d, struct debugcon, dev)->chr = chr;
}

static const struct prop debugcon_props[] = {
	PROP_U16("iobase", struct debugcon, iobase, 0, 0xffff, 0x402, "I/O port"),
	PROP_END,
};

static const struct prop_table debugcon_table = {
	.name = "isa-debugcon",
	.doc = "ISA debug console",
	.size = sizeof(struct debugcon),
	.props = debugcon_props,
};

const struct dev_ops isa_debugcon_ops = {
	.name = "isa-debugcon",
	.doc = "debug console of firmware: one output port",
	.size = sizeof(struct debugcon),
	.props = &debugcon_table,
	.realize = debugcon_realize,
	.reset = debugcon_reset,
	.unrealize = debugcon_unrealize,
	.state_none = "no guest-visible state",
};
