/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The advanced power management ports, 82371AB section 7.3.1, ICH9 section 13.7. */
#include "devmodel/chipset/chips.h"

#define APM_CNT 0xb2

static uint64_t apm_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	const struct apm *a = r->opaque;

	return offset ? a->hw.sts : a->hw.cnt;
}

static void apm_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct apm *a = r->opaque;

	if (offset) {
		a->hw.sts = (uint8_t)value;
		return;
	}
	a->hw.cnt = (uint8_t)value;
	if (a->command)
		a->command(d, a->hw.cnt);
}

static const struct region_ops apm_ops = {.read = apm_read, .write = apm_write, .min = 1, .max = 1};

void apm_init(struct apm *a, struct dev *d, void (*command)(struct dev *d, uint8_t cnt))
{
	a->command = command;
	region_init_io(&a->region, d, &apm_ops, "apm", BUS_PIO, 2);
	a->region.opaque = a;
	region_map(d->bus, &a->region, APM_CNT, REGION_PRIO_DEVICE);
}

static const struct state_field fields[] = {
	ST_U(struct apm_hw, cnt),
	ST_U(struct apm_hw, sts),
	ST_END,
};

const struct state_desc apm_state = {
	.name = "apm", .version = 1, .size = sizeof(struct apm_hw), .fields = fields};
