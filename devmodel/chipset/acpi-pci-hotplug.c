/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI hotplug through ACPI, for conventional buses, which have no slot registers of their own: the
 * interface that QEMU's docs/specs/acpi_pci_hotplug describes. GPE 1's handler selects each bus and
 * reads what was plugged and who is to go.
 */
#include <errno.h>

#include "devmodel/chipset/chips.h"

enum {
	REG_UP = 0x00,
	REG_DOWN = 0x04,
	REG_EJECT = 0x08,
	REG_REMOVABLE = 0x0c,
	REG_BUS = 0x10,
	REG_END = 0x14
};

struct pcihp_hw {
	uint32_t bus; /* [g] selected, may be out of range */
	uint32_t up
		[ACPI_HOTPLUG_BUSES]; /* a bit a slot: plugged, and the guest has not read it yet */
	uint32_t down[ACPI_HOTPLUG_BUSES]; /* asked to let go, and has not yet */
};

struct pcihp;

struct pcihp_bus {
	struct pcihp *owner;
	struct pci_bus *bus; /* NULL: no such number */
	uint32_t slots;
};

struct pcihp {
	struct acpi_hotplug h;
	struct pcihp_hw hw;
	struct pcihp_bus buses[ACPI_HOTPLUG_BUSES]; /* [c] */
};

static struct pcihp *to_pcihp(struct dev *d)
{
	return container_of(to_acpi_hotplug(d), struct pcihp, h);
}

/* ---- the host's side ---- */

static void announce(struct pcihp_bus *b, uint32_t *events, unsigned slot)
{
	struct pcihp *s = b->owner;

	dev_lock(&s->h.dev);
	events[b - s->buses] |= 1u << slot;
	dev_unlock(&s->h.dev);
	irq_pulse(&s->h.gpe);
}

static void plugged(void *opaque, unsigned slot)
{
	struct pcihp_bus *b = opaque;

	announce(b, b->owner->hw.up, slot);
}

static int request(void *opaque, unsigned slot)
{
	struct pcihp_bus *b = opaque;

	announce(b, b->owner->hw.down, slot);
	return 0;
}

static const struct pci_hotplug_ops hotplug_ops = {.plugged = plugged, .request = request};

void acpi_pci_hotplug_add_bus(
	struct dev *d, unsigned bsel, struct pci_bus *bus, uint32_t hotpluggable)
{
	struct pcihp *s = to_pcihp(d);

	s->buses[bsel] = (struct pcihp_bus){.owner = s, .bus = bus, .slots = hotpluggable};
	pci_bus_set_hotplug(bus, &hotplug_ops, &s->buses[bsel], hotpluggable);
}

/* ---- the guest's side ---- */

static bool occupied(struct pci_bus *b, unsigned slot)
{
	return pci_bus_dev(b, PCI_DEVFN(slot, 0));
}

static void eject(struct pcihp *s, unsigned bsel, uint32_t slots)
{
	struct pcihp_bus *b = &s->buses[bsel];

	slots &= b->slots;
	s->hw.down[bsel] &= ~slots;
	for (unsigned slot = 0; slots; slot++, slots >>= 1) {
		if (slots & 1 && occupied(b->bus, slot))
			pci_slot_released(b->bus, slot);
	}
}

static uint64_t hp_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct pcihp *s = to_pcihp(d);
	uint32_t bus = s->hw.bus, v;

	if (offset == REG_BUS)
		return bus;
	if (bus >= ACPI_HOTPLUG_BUSES || !s->buses[bus].bus)
		return 0;
	switch (offset) {
	case REG_UP:
		v = s->hw.up[bus];
		s->hw.up[bus] = 0;
		return v;
	case REG_DOWN: return s->hw.down[bus];
	case REG_REMOVABLE: return s->buses[bus].slots;
	default: return 0; /* REG_EJECT: features; there are none */
	}
}

static void hp_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct pcihp *s = to_pcihp(d);
	uint32_t bus = s->hw.bus;

	if (offset == REG_BUS)
		s->hw.bus = (uint32_t)value;
	else if (offset == REG_EJECT && bus < ACPI_HOTPLUG_BUSES && s->buses[bus].bus)
		eject(s, bus, (uint32_t)value);
}

static const struct region_ops hp_ops = {.read = hp_read, .write = hp_write, .min = 4, .max = 4};

/* ---- life ---- */

static bool realize(struct dev *d, GError **error)
{
	acpi_hotplug_map(to_acpi_hotplug(d), &hp_ops, REG_END);
	return true;
}

/* A guest that is reset has nothing left to say about what was to go. */
static void reset(struct dev *d, enum reset_kind kind)
{
	struct pcihp *s = to_pcihp(d);

	for (unsigned bus = 0; bus < ACPI_HOTPLUG_BUSES; bus++) {
		if (s->buses[bus].bus)
			eject(s, bus, s->hw.down[bus]);
	}
	s->hw = (struct pcihp_hw){};
}

static int post_load(struct dev *d)
{
	const struct pcihp *s = to_pcihp(d);

	for (unsigned bus = 0; bus < ACPI_HOTPLUG_BUSES; bus++) {
		if ((s->hw.up[bus] | s->hw.down[bus]) & ~s->buses[bus].slots)
			return -EINVAL;
	}
	return 0;
}

static const struct state_field fields[] = {
	ST_U(struct pcihp_hw, bus),
	ST_ARRAY(struct pcihp_hw, up, UINT32_MAX),
	ST_ARRAY(struct pcihp_hw, down, UINT32_MAX),
	ST_END,
};

static const struct state_desc state = {.name = "acpi-pci-hotplug",
	.version = 1,
	.size = sizeof(struct pcihp_hw),
	.fields = fields};

static const struct dev_part parts[] = {
	{&state, offsetof(struct pcihp, hw)},
	{},
};

static const struct prop props[] = {
	PROP_U16("base", struct pcihp, h.base, 0, UINT16_MAX, ACPI_PCI_HOTPLUG_BASE,
		"first of the ports"),
	PROP_END,
};

static const struct prop_table table = {.name = "acpi-pci-hotplug",
	.doc = "PCI hotplug registers",
	.size = sizeof(struct pcihp),
	.props = props};

const struct dev_ops acpi_pci_hotplug_ops = {
	.name = "acpi-pci-hotplug",
	.doc = "PCI hotplug through ACPI, as QEMU specifies it",
	.size = sizeof(struct pcihp),
	.props = &table,
	.realize = realize,
	.reset = reset,
	.post_load = post_load,
	.state = parts,
};
