/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration mechanism 1 (PCI 3.0 section 3.2.2.3.2). The reset control register of the ISA
 * bridges (82371SB section 2.5.4.2, ICH9 section 13.7.5) lies in the middle of CONFADD, which is a
 * register only for 32-bit accesses; so it is decoded here.
 */
#include "devmodel/chipset/chips.h"

#define CONFADD        0xcf8
#define CONFDATA       0xcfc
#define CONFADD_ENABLE 0x80000000u
#define RCR            1 /* offset in CONFADD */
#define RCR_HARD       0x02
#define RCR_RESET      0x04

static uint64_t confadd_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	const struct conf_ports *c = r->opaque;

	if (size == 4)
		return c->hw.confadd;
	return size == 1 && offset == RCR ? c->hw.rcr : ones(size);
}

static void confadd_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct conf_ports *c = r->opaque;

	if (size == 4) {
		__atomic_store_n(&c->hw.confadd, (uint32_t)value, __ATOMIC_RELAXED);
	} else if (size == 1 && offset == RCR) {
		c->hw.rcr = value & RCR_HARD;
		if (value & RCR_RESET)
			d->bus->request(d->bus, BUS_REQUEST_RESET, 0);
	}
}

static const struct region_ops confadd_ops = {
	.read = confadd_read, .write = confadd_write, .min = 1, .max = 4};

/*
 * The function and register that an access at @offset of CONFDATA means; false if there is none.
 * Bits 1..0 of CONFADD are not masked: programs written for QEMU put the byte number there and
 * always use offset 0.
 */
static bool target(const struct conf_ports *c, uint64_t offset, unsigned *rid, unsigned *reg)
{
	uint32_t a = __atomic_load_n(&c->hw.confadd, __ATOMIC_RELAXED);

	*rid = a >> 8 & 0xffff;
	*reg = (a & 0xff) | (unsigned)offset;
	return a & CONFADD_ENABLE;
}

static uint64_t confdata_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	const struct conf_ports *c = r->opaque;
	unsigned rid, reg;

	return target(c, offset, &rid, &reg) ? pci_config_read(c->root, rid, reg, size)
					     : ones(size);
}

static void confdata_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	const struct conf_ports *c = r->opaque;
	unsigned rid, reg;

	if (target(c, offset, &rid, &reg))
		pci_config_write(c->root, rid, reg, size, (uint32_t)value);
}

/* The target's lock is taken, and for writes the bus lock, so ours is not. */
static const struct region_ops confdata_ops = {
	.read = confdata_read, .write = confdata_write, .min = 1, .max = 4, .unlocked = true};

void conf_ports_init(struct conf_ports *c, struct dev *d, struct pci_bus *root)
{
	c->root = root;
	region_init_io(&c->confadd, d, &confadd_ops, "confadd", BUS_PIO, 4);
	region_init_io(&c->confdata, d, &confdata_ops, "confdata", BUS_PIO, 4);
	c->confadd.opaque = c->confdata.opaque = c;
	region_map(d->bus, &c->confadd, CONFADD, REGION_PRIO_DEVICE);
	region_map(d->bus, &c->confdata, CONFDATA, REGION_PRIO_DEVICE);
}

void conf_ports_reset(struct conf_ports *c)
{
	c->hw = (struct conf_ports_hw){};
}

static const struct state_field fields[] = {
	ST_U(struct conf_ports_hw, confadd),
	ST_MAX(struct conf_ports_hw, rcr, RCR_HARD),
	ST_PAD(struct conf_ports_hw, pad),
	ST_END,
};

const struct state_desc conf_ports_state = {
	.name = "conf-ports", .version = 1, .size = sizeof(struct conf_ports_hw), .fields = fields};
