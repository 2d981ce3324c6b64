/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System control port A, IBM PS/2 Hardware Interface Technical Reference: fast reset and the gate of address line 20.
 *
 * The gate is a bit to read and write only: no processor that can run us masks the line, so it is open from reset on.
 */
#include "devmodel/platform/platform.h"

#define PORT92          0x92
#define PORT92_RESET    0x01 /* a change to 1 resets the system */
#define PORT92_A20      0x02
#define PORT92_WRITABLE 0x03

struct port92_hw {
	uint8_t value;
};

struct port92 {
	struct dev dev;
	struct port92_hw hw; /* [s] */
	struct region region;
};

static uint64_t port92_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return container_of(d, struct port92, dev)->hw.value;
}

static void port92_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct port92 *p = container_of(d, struct port92, dev);
	bool reset = value & ~p->hw.value & PORT92_RESET;

	p->hw.value = value & PORT92_WRITABLE;
	if (reset)
		d->bus->request(d->bus, BUS_REQUEST_RESET, 0);
}

static const struct region_ops port92_region = {
	.read = port92_read,
	.write = port92_write,
	.min = 1,
	.max = 1,
};

static bool port92_realize(struct dev *d, GError **error)
{
	struct port92 *p = container_of(d, struct port92, dev);

	region_init_io(&p->region, d, &port92_region, "port92", BUS_PIO, 1);
	return region_map(d->bus, &p->region, PORT92, REGION_PRIO_DEVICE) == 0;
}

static void port92_reset(struct dev *d, enum reset_kind kind)
{
	container_of(d, struct port92, dev)->hw.value = PORT92_A20;
}

static const struct state_field port92_fields[] = {
	ST_MAX(struct port92_hw, value, PORT92_WRITABLE),
	ST_END,
};

static const struct state_desc port92_state = {
	.name = "port92",
	.version = 1,
	.size = sizeof(struct port92_hw),
	.fields = port92_fields,
};

const struct dev_ops port92_ops = {
	.name = "port92",
	.doc = "PS/2 system control port A: fast reset, A20 gate",
	.size = sizeof(struct port92),
	.realize = port92_realize,
	.reset = port92_reset,
	.state =
		(const struct dev_part[]){
			{&port92_state, offsetof(struct port92, hw)},
			{.desc = NULL},
		},
};
