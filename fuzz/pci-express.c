/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that configures bridges, ports and what is behind them, while devices are plugged and
 * unplugged, and while it uses the ACPI hotplug registers. Input: steps of 8 bytes: kind, function
 * and size, offset (16 bits), value (32 bits).
 */
#include <stdlib.h>
#include <string.h>

#include "devmodel/chipset/chipset.h"
#include "tests/device/rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 2000
#define PORT      PCI_DEVFN(2, 0)
#define BRIDGE    PCI_DEVFN(3, 0)
#define DEEP      PCI_DEVFN(1, 0) /* a bridge behind that */

struct step {
	uint8_t kind, what;
	uint16_t offset;
	uint32_t value;
};

struct target {
	struct rig *r;
	struct dev *port, *bridge, *deep, *hotplug;
	struct dev *plugged; /* in the port's slot */
	unsigned plugs;
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* As a guest has numbered them at first; what it makes of that later is its own affair. */
static const unsigned rids[] = {
	PORT, BRIDGE, PCI_RID(2, DEEP), PCI_RID(1, 0), PCI_RID(2, PCI_DEVFN(4, 0)), PCI_RID(3, 0)};

static void number(struct target *t)
{
	rig_cfg_write(t->r, PORT, PCI_PRIMARY, 4, 0x00010100);
	rig_cfg_write(t->r, BRIDGE, PCI_PRIMARY, 4, 0x00030200);
	rig_cfg_write(t->r, PCI_RID(2, DEEP), PCI_PRIMARY, 4, 0x00030302);
}

static void config_write(struct target *t, const struct step *s)
{
	rig_cfg_write(t->r, rids[s->what % ARRAY_SIZE(rids)], s->offset, s->what >> 4, s->value);
}

static void config_read(struct target *t, const struct step *s)
{
	rig_cfg_read(t->r, s->value & 0xffff, s->offset, s->what >> 4);
	must(rig_cfg_read(t->r, PORT, PCI_VENDOR_ID, 4) == 0x000c1b36);
}

static void renumber(struct target *t, const struct step *s)
{
	number(t);
}

static void plug(struct target *t, const struct step *s)
{
	g_autofree char *id = g_strdup_printf("plugged%u", t->plugs++);

	if (t->plugged) {
		pci_slot_unplug(bridge_pci_bus(t->port), 0);
		return;
	}
	t->plugged = rig_function(t->r, &pci_probe_ops, id, bridge_pci_bus(t->port), 0);
	must(pci_slot_plug(bridge_pci_bus(t->port), 0) == 0);
}

static void pull(struct target *t, const struct step *s)
{
	dev_free(t->plugged);
	t->plugged = NULL;
	pci_slot_emptied(bridge_pci_bus(t->port), 0);
}

static void hotplug_access(struct target *t, const struct step *s)
{
	uint16_t port = (uint16_t)(ACPI_PCI_HOTPLUG_BASE + s->offset % 24);

	pci_slot_unplug(bridge_pci_bus(t->bridge), s->what % 32);
	rig_write(t->r, BUS_PIO, port, 4, s->value);
	rig_read(t->r, BUS_PIO, port, 4);
}

static void any_access(struct target *t, const struct step *s)
{
	rig_write(t->r, s->what & 0x80 ? BUS_MMIO : BUS_PIO, s->value, 4, s->offset);
	rig_poll(t->r);
}

static void reset(struct target *t, const struct step *s)
{
	bus_reset(t->r->bus, RESET_WARM);
	number(t);
}

static void save_and_load(struct target *t, const struct step *s)
{
	g_autoptr(GByteArray) state = g_byte_array_new();

	bus_save(t->r->bus, state);
	must(bus_load(t->r->bus, state->data, state->len, NULL));
}

static void released(void *opaque, struct pci_bus *b, unsigned slot)
{
	must(pci_bus_dev(b, PCI_DEVFN(slot, 0)) != NULL);
}

static void init(struct target *t)
{
	*t = (struct target){.r = rig_new()};
	rig_make_express(t->r);
	pci_bus_set_released(t->r->pci, released, t);
	t->port = rig_function(t->r, &pcie_root_port_ops, "port", t->r->pci, 2);
	t->bridge = rig_function(t->r, &pcie_pci_bridge_ops, "bridge", t->r->pci, 3);
	t->deep = rig_function(t->r, &pci_bridge_ops, "deep", bridge_pci_bus(t->bridge), 1);
	rig_function(t->r, &pci_probe_ops, "near", bridge_pci_bus(t->bridge), 4);
	rig_function(t->r, &pci_probe_ops, "far", bridge_pci_bus(t->deep), 0);
	t->hotplug = dev_new(t->r->bus, &acpi_pci_hotplug_ops, "hotplug");
	must(dev_realize(t->hotplug, NULL));
	acpi_pci_hotplug_add_bus(t->hotplug, 0, bridge_pci_bus(t->bridge), UINT32_MAX);
	bus_reset(t->r->bus, RESET_COLD);
	number(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const kinds[])(struct target * t, const struct step *s) = {config_write,
		config_write, config_read, renumber, plug, pull, hotplug_access, any_access, reset,
		save_and_load};
	struct target t;
	struct step s;

	init(&t);
	for (unsigned i = 0; size >= sizeof(s) && i < STEPS_MAX; i++) {
		memcpy(&s, data, sizeof(s));
		data += sizeof(s);
		size -= sizeof(s);
		kinds[s.kind % ARRAY_SIZE(kinds)](&t, &s);
	}
	must(!t.r->events);
	rig_free(t.r);
	return 0;
}
