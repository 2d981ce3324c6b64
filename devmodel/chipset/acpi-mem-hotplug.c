/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory hotplug through ACPI: the registers that QEMU's docs/specs/acpi_mem_hotplug describes. GPE
 * 3's handler looks at every slot.
 */
#include <errno.h>

#include "devmodel/chipset/chips.h"

enum { /* read */ REG_BASE = 0x00,
	REG_SIZE = 0x08,
	REG_NODE = 0x10,
	REG_FLAGS = 0x14,
	REG_END = 0x18,
	/* written */ REG_SELECTOR = 0x00,
	REG_OST_EVENT = 0x04,
	REG_OST_STATUS = 0x08 };

#define FLAG_ENABLED 0x01
#define FLAG_INSERT  0x02
#define FLAG_REMOVE  0x04
#define FLAG_EJECT   0x08
#define EVENTS       (FLAG_INSERT | FLAG_REMOVE)

struct memhp_hw {
	uint32_t selector; /* [g] may be out of range */
	uint32_t ost_event;
	uint8_t events[ACPI_HOTPLUG_DIMMS]; /* FLAG_INSERT, FLAG_REMOVE */
};

struct memhp {
	struct acpi_hotplug h;
	struct memhp_hw hw;
	uint32_t slots; /* property */
	struct acpi_dimm dimms[ACPI_HOTPLUG_DIMMS];
};

static struct memhp *to_memhp(struct dev *d)
{
	return container_of(to_acpi_hotplug(d), struct memhp, h);
}

/* ---- the host's side ---- */

void acpi_mem_hotplug_present(
	struct dev *d, unsigned slot, const struct acpi_dimm *dimm, bool event)
{
	struct memhp *s = to_memhp(d);

	if (slot >= s->slots)
		return;
	dev_lock(d);
	s->dimms[slot] = *dimm;
	s->hw.events[slot] = dimm->size && event ? FLAG_INSERT : 0;
	dev_unlock(d);
	if (dimm->size && event)
		irq_pulse(&s->h.gpe);
}

int acpi_mem_hotplug_request(struct dev *d, unsigned slot)
{
	struct memhp *s = to_memhp(d);

	if (slot >= s->slots || !s->dimms[slot].size)
		return -EINVAL;
	dev_lock(d);
	s->hw.events[slot] |= FLAG_REMOVE;
	dev_unlock(d);
	irq_pulse(&s->h.gpe);
	return 0;
}

/* ---- the guest's side ---- */

static uint64_t mem_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	const struct memhp *s = to_memhp(d);
	uint32_t slot = s->hw.selector;
	const struct acpi_dimm *m;

	if (slot >= s->slots)
		return ones(size);
	m = &s->dimms[slot];
	switch (offset) {
	case REG_BASE: return (uint32_t)m->base;
	case REG_BASE + 4: return m->base >> 32;
	case REG_SIZE: return (uint32_t)m->size;
	case REG_SIZE + 4: return m->size >> 32;
	case REG_NODE: return m->node;
	case REG_FLAGS: return s->hw.events[slot] | (m->size ? FLAG_ENABLED : 0);
	default: return ones(size);
	}
}

static void write_flags(struct memhp *s, uint8_t value)
{
	uint32_t slot = s->hw.selector;

	s->hw.events[slot] &= (uint8_t) ~(value & EVENTS);
	if (value & FLAG_EJECT && s->dimms[slot].size)
		acpi_hotplug_ejected(&s->h, slot);
}

static void mem_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct memhp *s = to_memhp(d);

	if (offset == REG_SELECTOR && size == 4)
		s->hw.selector = (uint32_t)value;
	if (s->hw.selector >= s->slots)
		return;
	if (offset == REG_OST_EVENT && size == 4)
		s->hw.ost_event = (uint32_t)value;
	else if (offset == REG_OST_STATUS && size == 4)
		acpi_hotplug_status(&s->h, s->hw.selector, s->hw.ost_event, (uint32_t)value);
	else if (offset == REG_FLAGS)
		write_flags(s, (uint8_t)value);
}

static const struct region_ops mem_ops = {.read = mem_read, .write = mem_write, .min = 1, .max = 4};

/* ---- life ---- */

static bool realize(struct dev *d, GError **error)
{
	acpi_hotplug_map(to_acpi_hotplug(d), &mem_ops, REG_END);
	return true;
}

/* What is present firmware and the guest find by themselves when they start. */
static void reset(struct dev *d, enum reset_kind kind)
{
	to_memhp(d)->hw = (struct memhp_hw){};
}

static int post_load(struct dev *d)
{
	const struct memhp *s = to_memhp(d);

	for (unsigned i = 0; i < ACPI_HOTPLUG_DIMMS; i++) {
		if (s->hw.events[i] & (i < s->slots ? (uint8_t)~EVENTS : 0xff))
			return -EINVAL;
	}
	return 0;
}

static const struct state_field fields[] = {
	ST_U(struct memhp_hw, selector),
	ST_U(struct memhp_hw, ost_event),
	ST_ARRAY(struct memhp_hw, events, EVENTS),
	ST_END,
};

static const struct state_desc state = {.name = "acpi-mem-hotplug",
	.version = 1,
	.size = sizeof(struct memhp_hw),
	.fields = fields};

static const struct dev_part parts[] = {
	{&state, offsetof(struct memhp, hw)},
	{},
};

static const struct prop props[] = {
	PROP_U16("base", struct memhp, h.base, 0, UINT16_MAX, ACPI_MEM_HOTPLUG_BASE,
		"first of the ports"),
	PROP_U32("slots", struct memhp, slots, 1, ACPI_HOTPLUG_DIMMS, ACPI_HOTPLUG_DIMMS,
		"places for memory devices"),
	PROP_END,
};

static const struct prop_table table = {.name = "acpi-mem-hotplug",
	.doc = "memory hotplug registers",
	.size = sizeof(struct memhp),
	.props = props};

const struct dev_ops acpi_mem_hotplug_ops = {
	.name = "acpi-mem-hotplug",
	.doc = "memory hotplug through ACPI, as QEMU specifies it",
	.size = sizeof(struct memhp),
	.props = &table,
	.realize = realize,
	.reset = reset,
	.post_load = post_load,
	.state = parts,
};
