/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pvpanic, QEMU's docs/specs/pvpanic.rst: a guest's panic notifier writes what happened; a read tells which events are known.
 */
#include "devmodel/platform/platform.h"

#define PVPANIC_PORT         0x505
#define PVPANIC_PANICKED     0x1
#define PVPANIC_CRASH_LOADED 0x2 /* a crash kernel takes over: the guest handles it by itself */
#define PVPANIC_EVENTS       (PVPANIC_PANICKED | PVPANIC_CRASH_LOADED)

struct pvpanic {
	struct dev dev;
	struct region region;
};

static uint64_t pvpanic_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return PVPANIC_EVENTS;
}

static void pvpanic_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	unsigned events = (unsigned)value & PVPANIC_EVENTS;

	if (value & ~(uint64_t)PVPANIC_EVENTS)
		dev_guest_error(d, "unknown panic events 0x%x", (unsigned)value);
	if (events)
		d->bus->request(d->bus, BUS_REQUEST_PANIC, events);
}

static const struct region_ops pvpanic_region = {
	.read = pvpanic_read,
	.write = pvpanic_write,
	.min = 1,
	.max = 1,
};

static bool pvpanic_realize(struct dev *d, GError **error)
{
	struct pvpanic *p = container_of(d, struct pvpanic, dev);

	region_init_io(&p->region, d, &pvpanic_region, "pvpanic", BUS_PIO, 1);
	return region_map(d->bus, &p->region, PVPANIC_PORT, REGION_PRIO_DEVICE) == 0;
}

static void pvpanic_reset(struct dev *d, enum reset_kind kind)
{
}

const struct dev_ops pvpanic_ops = {
	.name = "pvpanic",
	.doc = "port by which a guest reports that it has panicked",
	.size = sizeof(struct pvpanic),
	.realize = pvpanic_realize,
	.reset = pvpanic_reset,
	.state_none = "no guest-visible state",
};
