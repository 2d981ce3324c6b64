/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ISA debug exit: a write of v ends the VM process with status v << 1 | 1. For test kernels. */
#include "devmodel/platform/platform.h"

struct debug_exit {
	struct dev dev;
	uint16_t iobase; /* [c] */
	uint8_t iosize;  /* [c] */
	struct region region;
};

static uint64_t debug_exit_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return 0;
}

static void debug_exit_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	d->bus->request(d->bus, BUS_REQUEST_EXIT, (unsigned)value << 1 | 1);
}

static const struct region_ops debug_exit_region = {
	.read = debug_exit_read,
	.write = debug_exit_write,
	.min = 1,
	.max = 4,
};

static bool debug_exit_realize(struct dev *d, GError **error)
{
	struct debug_exit *e = container_of(d, struct debug_exit, dev);

	region_init_io(&e->region, d, &debug_exit_region, "debug-exit", BUS_PIO, e->iosize);
	if (region_map(d->bus, &e->region, e->iobase, REGION_PRIO_DEVICE) < 0)
		return err_set(error, VMMD_ERROR_INVALID,
			"device \"%s\": %u ports from 0x%x on end beyond 0xffff", d->id, e->iosize,
			e->iobase);
	return true;
}

static void debug_exit_reset(struct dev *d, enum reset_kind kind)
{
}

static const struct prop debug_exit_props[] = {
	PROP_U16("iobase", struct debug_exit, iobase, 0, 0xffff, 0xf4, "first I/O port"),
	PROP_U8("iosize", struct debug_exit, iosize, 1, 8, 4, "number of I/O ports"),
	PROP_END,
};

static const struct prop_table debug_exit_table = {
	.name = "isa-debug-exit",
	.doc = "exit port for test kernels",
	.size = sizeof(struct debug_exit),
	.props = debug_exit_props,
};

const struct dev_ops isa_debug_exit_ops = {
	.name = "isa-debug-exit",
	.doc = "ends the VM with a status that the guest chooses, for test kernels",
	.size = sizeof(struct debug_exit),
	.props = &debug_exit_table,
	.realize = debug_exit_realize,
	.reset = debug_exit_reset,
	.state_none = "no guest-visible state",
};
