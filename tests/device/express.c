/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI Express: capabilities, extended configuration space, a root port's slot. */
#include <errno.h>

#include "devmodel/chipset/chipset.h"
#include "devmodel/pci/express.h"
#include "tests/device/rig.h"

#define SLOT  4
#define PORT  PCI_DEVFN(SLOT, 0)
#define FAR   PCI_RID(1, 0)
#define ID    0x00051b36
#define MSI   0xfee01000
#define POWER (PCI_SLTCTL_PIC_ON)
#define OFF   (PCI_SLTCTL_PIC_OFF | PCI_SLTCTL_POWER_OFF)
#define ALL   0x103f /* all events, and their interrupt */

struct setup {
	struct rig *r;
	struct dev *port;
	unsigned exp, msi; /* capabilities */
	unsigned released;
};

static uint32_t get(struct setup *s, unsigned offset, unsigned size)
{
	return rig_cfg_read(s->r, PORT, offset, size);
}

static void set(struct setup *s, unsigned offset, unsigned size, uint32_t v)
{
	rig_cfg_write(s->r, PORT, offset, size, v);
}

static unsigned find_cap(struct rig *r, unsigned rid, uint8_t id)
{
	unsigned cap = rig_cfg_read(r, rid, PCI_CAP_PTR, 1);

	while (cap && rig_cfg_read(r, rid, cap, 1) != id)
		cap = rig_cfg_read(r, rid, cap + 1, 1);
	return cap;
}

static void on_released(void *opaque, struct pci_bus *b, unsigned slot)
{
	struct setup *s = opaque;

	g_assert_true(b == bridge_pci_bus(s->port));
	g_assert_cmpuint(slot, ==, 0);
	s->released++;
}

static void add_port(struct setup *s)
{
	s->port = rig_function(s->r, &pcie_root_port_ops, "port", s->r->pci, SLOT);
	s->exp = find_cap(s->r, PORT, PCI_CAP_EXP);
	s->msi = find_cap(s->r, PORT, PCI_CAP_MSI);
	pci_bus_set_released(s->r->pci, on_released, s);
}

/* What firmware does: numbers, and messages with data 0x55. */
static void prepare(struct setup *s)
{
	set(s, PCI_PRIMARY, 4, 0x00010100);
	set(s, s->msi + 4, 4, MSI);
	set(s, s->msi + 12, 2, 0x55);
	set(s, s->msi + 2, 2, 1);
}

static struct dev *add_far(struct setup *s, const char *id)
{
	return rig_function(s->r, &pci_probe_ops, id, bridge_pci_bus(s->port), 0);
}

static void setup(struct setup *s)
{
	*s = (struct setup){.r = rig_new()};
	rig_make_express(s->r);
	add_port(s);
	prepare(s);
}

static uint16_t slot_status(struct setup *s)
{
	return get(s, s->exp + PCI_EXP_SLTSTA, 2);
}

static void slot_control(struct setup *s, uint16_t v)
{
	set(s, s->exp + PCI_EXP_SLTCTL, 2, v);
}

/*
 * Handles the events so far, and checks that there was an interrupt for them exactly if there were
 * some.
 */
static void expect_events(struct setup *s, uint16_t events)
{
	static unsigned before;
	unsigned now = fake_accel_msis(s->r->fake);

	g_assert_cmphex(slot_status(s) & 0x11f, ==, events);
	set(s, s->exp + PCI_EXP_SLTSTA, 2, 0x11f);
	g_assert_cmphex(slot_status(s) & 0x11f, ==, 0);
	if (!events)
		g_assert_cmpuint(now, ==, before);
	before = now;
}

/* ---- capabilities ---- */

static void port_capability(void)
{
	struct setup s;

	setup(&s);
	g_assert_cmphex(get(&s, s.exp + PCI_EXP_FLAGS, 2), ==, 0x0142); /* root port with slot */
	g_assert_cmphex(get(&s, s.exp + PCI_EXP_LNKCAP, 4) & 0x1003ff, ==, 0x100011);
	g_assert_cmphex(get(&s, s.exp + PCI_EXP_SLTCAP, 4), ==, 0x7b);
	g_assert_cmphex(get(&s, s.exp + PCI_EXP_SLTCTL, 2), ==, 0x07c0);
	g_assert_cmphex(get(&s, s.exp + PCI_EXP_LNKSTA, 2), ==, 0x1011);
	/* AER is the first extended capability; conventional functions have none. */
	g_assert_cmphex(get(&s, 0x100, 4), ==, 0x00010001);
	g_assert_cmphex(get(&s, 0x10c, 4), ==, 0x00462030);
	set(&s, 0x108, 4, UINT32_MAX);
	g_assert_cmphex(get(&s, 0x108, 4), ==, 0x003ff030);
	g_assert_cmphex(get(&s, 0xffc, 4), ==, 0);
	rig_free(s.r);
}

static void endpoints(void)
{
	struct setup s;
	struct pci_dev *p;
	unsigned cap;

	setup(&s);
	p = to_pci_dev(rig_function(s.r, &pci_probe_ops, "near", s.r->pci, 9));
	cap = find_cap(s.r, p->devfn, PCI_CAP_EXP);
	g_assert_cmphex(rig_cfg_read(s.r, p->devfn, cap + 2, 2), ==, 0x0092); /* integrated */
	g_assert_cmphex(rig_cfg_read(s.r, p->devfn, cap + PCI_EXP_LNKCAP, 4), ==, 0);
	g_assert_cmpint(pci_serial_init(p, 0x1122334455667788), ==, 0);
	g_assert_cmphex(rig_cfg_read(s.r, p->devfn, 0x104, 4), ==, 0x55667788);
	g_assert_cmpint(pci_aer_init(p), ==, 0);
	g_assert_cmphex(rig_cfg_read(s.r, p->devfn, 0x100, 4), ==, 0x10c10003);
	g_assert_cmphex(rig_cfg_read(s.r, p->devfn, 0x10c, 4), ==, 0x00010001);

	add_far(&s, "far");
	pci_slot_plug(bridge_pci_bus(s.port), 0);
	slot_control(&s, POWER);
	cap = find_cap(s.r, FAR, PCI_CAP_EXP);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, cap + 2, 2), ==, 0x0002);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, cap + PCI_EXP_LNKSTA, 2), ==, 0x1011);
	rig_free(s.r);
}

/* Behind a bridge to conventional PCI there is no PCI Express. */
static void conventional(void)
{
	struct setup s;
	struct dev *bridge;
	struct pci_dev *p;

	setup(&s);
	bridge = rig_function(s.r, &pcie_pci_bridge_ops, "bridge", s.r->pci, 10);
	rig_cfg_write(s.r, PCI_DEVFN(10, 0), PCI_PRIMARY, 4, 0x00020200);
	g_assert_cmpuint(find_cap(s.r, PCI_DEVFN(10, 0), PCI_CAP_EXP), >, 0);
	p = to_pci_dev(rig_function(s.r, &pci_probe_ops, "far", bridge_pci_bus(bridge), 3));
	g_assert_cmphex(rig_cfg_read(s.r, PCI_RID(2, p->devfn), 0, 4), ==, ID);
	g_assert_cmpuint(find_cap(s.r, PCI_RID(2, p->devfn), PCI_CAP_EXP), ==, 0);
	g_assert_cmphex(rig_cfg_read(s.r, PCI_RID(2, p->devfn), 0x100, 4), ==, UINT32_MAX);
	g_assert_cmpint(pci_serial_init(p, 1), ==, -ENOSPC);
	rig_free(s.r);
}

static void function_level_reset(void)
{
	struct setup s;
	struct pci_dev *p;
	unsigned cap;

	setup(&s);
	p = to_pci_dev(rig_function(s.r, &pci_probe_ops, "endpoint", s.r->pci, 9));
	cap = find_cap(s.r, p->devfn, PCI_CAP_EXP);
	g_assert_cmphex(rig_cfg_read(s.r, p->devfn, cap + PCI_EXP_DEVCAP, 4), ==, 0x10008000);
	rig_cfg_write(s.r, p->devfn, PCI_BAR0, 4, 0xe0000000);
	rig_cfg_write(s.r, p->devfn, PCI_COMMAND, 2, PCI_CMD_MEM);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, 0xe0000000, 4), ==, 0x10000000);
	rig_cfg_write(s.r, p->devfn, cap + PCI_EXP_DEVCTL, 2, PCI_DEVCTL_FLR);
	g_assert_cmphex(rig_cfg_read(s.r, p->devfn, cap + PCI_EXP_DEVCTL, 2), ==, 0x2810);
	g_assert_cmphex(rig_cfg_read(s.r, p->devfn, PCI_COMMAND, 2), ==, 0);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, 0xe0000000, 4), ==, UINT32_MAX);
	rig_free(s.r);
}

/* One device at the end of a link; ports only on the root bus. */
static void places(void)
{
	struct setup s;
	struct dev *d;
	g_autoptr(GError) error = NULL;

	setup(&s);
	d = dev_new(s.r->bus, &pci_probe_ops, "second");
	to_pci_dev(d)->bus = bridge_pci_bus(s.port);
	to_pci_dev(d)->addr = (struct prop_pci){.slot = 1, .function = 0};
	g_assert_false(dev_realize(d, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_INVALID);
	g_clear_error(&error);
	d = dev_new(s.r->bus, &pcie_root_port_ops, "wrong");
	to_pci_dev(d)->bus = bridge_pci_bus(s.port);
	g_assert_false(dev_realize(d, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_INVALID);
	rig_free(s.r);
}

/* ---- the slot ---- */

static void present_at_reset(void)
{
	struct setup s;
	struct dev *far;
	unsigned told;

	setup(&s);
	far = add_far(&s, "far");
	bus_reset(s.r->bus, RESET_COLD);
	prepare(&s);
	g_assert_cmphex(get(&s, s.exp + PCI_EXP_SLTCTL, 2), ==, 0x01c0);
	g_assert_cmphex(slot_status(&s), ==, PCI_SLTSTA_PRESENT);
	g_assert_cmphex(get(&s, s.exp + PCI_EXP_LNKSTA, 2), ==, 0x3011);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, ID);
	/* The link can be switched off. */
	rig_cfg_write(s.r, FAR, PCI_COMMAND, 2, PCI_CMD_MASTER);
	g_assert_true(pci_may_dma(to_pci_dev(far)));
	told = container_of(far, struct pci_probe, pci.dev)->commands;
	set(&s, s.exp + PCI_EXP_LNKCTL, 2, PCI_LNKCTL_DISABLE);
	g_assert_false(pci_may_dma(to_pci_dev(far)));
	g_assert_cmpuint(container_of(far, struct pci_probe, pci.dev)->commands, ==, told + 1);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, UINT32_MAX);
	g_assert_cmphex(slot_status(&s), ==, PCI_SLTSTA_PRESENT | PCI_SLTSTA_LINK);
	set(&s, s.exp + PCI_EXP_LNKCTL, 2, 0);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, ID);
	rig_free(s.r);
}

static void plug_and_unplug(void)
{
	struct setup s;
	struct dev *far;

	setup(&s);
	slot_control(&s, OFF | ALL);
	expect_events(&s, PCI_SLOT_COMPLETED);

	far = add_far(&s, "far");
	g_assert_cmpint(pci_slot_plug(bridge_pci_bus(s.port), 0), ==, 0);
	g_assert_cmphex(fake_accel_msi(s.r->fake, 0).data, ==, 0x55);
	expect_events(&s, PCI_SLOT_PRESENCE);
	g_assert_cmphex(slot_status(&s), ==, PCI_SLTSTA_PRESENT);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, UINT32_MAX); /* no power yet */
	slot_control(&s, PCI_SLTCTL_PIC_BLINK | ALL);
	expect_events(&s, PCI_SLOT_COMPLETED | PCI_SLTSTA_LINK);
	slot_control(&s, POWER | ALL);
	expect_events(&s, PCI_SLOT_COMPLETED);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, ID);

	g_assert_cmpint(pci_slot_unplug(bridge_pci_bus(s.port), 0), ==, 0);
	expect_events(&s, PCI_SLOT_BUTTON);
	slot_control(&s, PCI_SLTCTL_PIC_BLINK | ALL);
	expect_events(&s, PCI_SLOT_COMPLETED);
	g_assert_cmpint(pci_slot_unplug(bridge_pci_bus(s.port), 0), ==, -EAGAIN);
	slot_control(&s, PCI_SLTCTL_PIC_BLINK | PCI_SLTCTL_POWER_OFF | ALL);
	expect_events(&s, PCI_SLOT_COMPLETED | PCI_SLTSTA_LINK);
	g_assert_cmpuint(s.released, ==, 0);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, UINT32_MAX);
	slot_control(&s, OFF | ALL);
	g_assert_cmpuint(s.released, ==, 1);
	slot_control(&s, OFF | ALL);
	g_assert_cmpuint(s.released, ==, 1);
	expect_events(&s, PCI_SLOT_COMPLETED);
	dev_free(far);
	pci_slot_emptied(bridge_pci_bus(s.port), 0);
	expect_events(&s, PCI_SLOT_PRESENCE);
	g_assert_cmphex(slot_status(&s), ==, 0);

	/* And another one; this time nobody there cares: it never gets power and can go at once. */
	far = add_far(&s, "another");
	pci_slot_plug(bridge_pci_bus(s.port), 0);
	expect_events(&s, PCI_SLOT_PRESENCE);
	g_assert_cmpint(pci_slot_unplug(bridge_pci_bus(s.port), 0), ==, 0);
	g_assert_cmpuint(s.released, ==, 2);
	dev_free(far);
	pci_slot_emptied(bridge_pci_bus(s.port), 0);
	rig_free(s.r);
}

/* Without MSI it is the pin, and it stays high until the events are acknowledged. */
static void pin(void)
{
	struct setup s;
	unsigned gsi = 16 + SLOT % 4;

	setup(&s);
	set(&s, s.msi + 2, 2, 0);
	slot_control(&s, OFF | ALL);
	g_assert_true(fake_accel_level(s.r->fake, gsi));
	set(&s, s.exp + PCI_EXP_SLTSTA, 2, PCI_SLOT_COMPLETED);
	g_assert_false(fake_accel_level(s.r->fake, gsi));
	add_far(&s, "far");
	pci_slot_plug(bridge_pci_bus(s.port), 0);
	g_assert_true(fake_accel_level(s.r->fake, gsi));
	slot_control(&s, OFF);
	g_assert_false(fake_accel_level(s.r->fake, gsi));
	rig_free(s.r);
}

static void no_hotplug(void)
{
	struct setup s = {.r = rig_new()};
	struct dev *d;

	rig_make_express(s.r);
	d = dev_new(s.r->bus, &pcie_root_port_ops, "port");
	to_pci_dev(d)->bus = s.r->pci;
	to_pci_dev(d)->addr = (struct prop_pci){.slot = SLOT, .function = 0};
	g_assert_true(
		prop_set_uint(prop_find(pcie_root_port_ops.props, "hotplug"), d, false, NULL));
	g_assert_true(dev_realize(d, NULL));
	s.port = d;
	s.exp = find_cap(s.r, PORT, PCI_CAP_EXP);
	add_far(&s, "far");
	bus_reset(s.r->bus, RESET_COLD);
	set(&s, PCI_PRIMARY, 4, 0x00010100);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, ID);
	slot_control(&s, OFF);
	g_assert_cmphex(get(&s, s.exp + PCI_EXP_SLTCTL, 2), ==, 0);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, ID);
	g_assert_cmpint(pci_slot_unplug(bridge_pci_bus(d), 0), ==, -ENOTSUP);
	g_assert_cmpint(pci_slot_plug(bridge_pci_bus(d), 1), ==, -ENOTSUP);
	rig_free(s.r);
}

static void saved_and_loaded(void)
{
	struct setup s, t;
	g_autoptr(GByteArray) state = g_byte_array_new();

	setup(&s);
	setup(&t);
	add_far(&s, "far");
	add_far(&t, "far");
	bus_reset(s.r->bus, RESET_COLD);
	prepare(&s);
	slot_control(&s, PCI_SLTCTL_PIC_BLINK | PCI_SLTCTL_POWER_OFF | ALL);
	bus_save(s.r->bus, state);
	g_assert_true(bus_load(t.r->bus, state->data, state->len, NULL));
	g_assert_cmphex(slot_status(&t), ==, slot_status(&s));
	g_assert_cmphex(rig_cfg_read(t.r, FAR, 0, 4), ==, UINT32_MAX);
	slot_control(&t, POWER);
	g_assert_cmphex(rig_cfg_read(t.r, FAR, 0, 4), ==, ID);
	rig_free(s.r);
	rig_free(t.r);
}

static void random_writes(void)
{
	struct setup s;
	struct dev *far = NULL;

	setup(&s);
	for (unsigned i = 0; i < 100000; i++) {
		unsigned size = 1u << g_test_rand_int_range(0, 3), offset;

		offset = (unsigned)g_test_rand_int_range(0, g_test_rand_bit() ? 0x140 : 0x3c);
		offset = (offset + (g_test_rand_bit() ? s.exp : 0)) & ~(size - 1);
		set(&s, offset, size, (uint32_t)g_test_rand_int());
		if (i % 500 == 0 && !far) {
			far = add_far(&s, "far");
			pci_slot_plug(bridge_pci_bus(s.port), 0);
		} else if (i % 500 == 250 && far) {
			dev_free(far);
			far = NULL;
			pci_slot_emptied(bridge_pci_bus(s.port), 0);
		}
		g_assert_cmpint(!!(slot_status(&s) & PCI_SLTSTA_PRESENT), ==, !!far);
	}
	if (!far)
		add_far(&s, "far");
	bus_reset(s.r->bus, RESET_WARM);
	prepare(&s);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, ID);
	g_assert_cmpuint(s.r->events, ==, 0);
	rig_free(s.r);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/express/port-capability", port_capability);
	g_test_add_func("/express/endpoints", endpoints);
	g_test_add_func("/express/conventional", conventional);
	g_test_add_func("/express/function-level-reset", function_level_reset);
	g_test_add_func("/express/places", places);
	g_test_add_func("/express/present-at-reset", present_at_reset);
	g_test_add_func("/express/plug-and-unplug", plug_and_unplug);
	g_test_add_func("/express/pin", pin);
	g_test_add_func("/express/no-hotplug", no_hotplug);
	g_test_add_func("/express/saved-and-loaded", saved_and_loaded);
	g_test_add_func("/express/random-writes", random_writes);
	return g_test_run();
}
