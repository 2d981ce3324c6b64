/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bridges a machine can be given: they differ in their identity and in what is on their two
 * sides. Those of vendor 0x1b36 are QEMU's own inventions (its docs/specs/pci-ids), for which
 * firmware and operating systems have generic drivers.
 */
#include "devmodel/chipset/chipset.h"
#include "devmodel/pci/bridge.h"
#include "devmodel/pci/express.h"

#define CLASS_PCI_BRIDGE 0x060400
#define NOT_EXPRESS      (-1)

struct bridge {
	struct pci_dev pci;
	bool multifunction, hotplug;
	uint8_t port, chassis;
	uint16_t slot;
};

struct model {
	const struct dev_ops *ops;
	struct pci_conf conf;
	enum pci_bus_kind behind;
	int exp_type; /* or NOT_EXPRESS */
	bool port;    /* with a slot, and errors to report */
};

#define SLOT_ID_SIZE    4
#define SLOT_ID_CHASSIS 3
#define LNKCAP_PORT(n)  ((uint32_t)(n) << 24)

static const struct model models[] = {
	{
		.ops = &pcie_root_port_ops,
		.conf = {.vendor = 0x1b36, .device = 0x000c, .pin = 1},
		.behind = PCI_BUS_LINK,
		.exp_type = PCI_EXP_ROOT_PORT,
		.port = true,
	},
	{
		.ops = &i82801b11_bridge_ops,
		.conf = {.vendor = 0x8086, .device = 0x244e, .revision = 0x92},
		.behind = PCI_BUS_CONVENTIONAL,
		.exp_type = NOT_EXPRESS,
	},
	{
		.ops = &pcie_pci_bridge_ops,
		.conf = {.vendor = 0x1b36, .device = 0x000e, .pin = 1},
		.behind = PCI_BUS_CONVENTIONAL,
		.exp_type = PCI_EXP_PCI_BRIDGE,
	},
	{
		.ops = &pci_bridge_ops,
		.conf = {.vendor = 0x1b36, .device = 0x0001, .pin = 1},
		.behind = PCI_BUS_CONVENTIONAL,
		.exp_type = NOT_EXPRESS,
	},
};

static struct bridge *to_bridge(struct dev *d)
{
	return container_of(to_pci_dev(d), struct bridge, pci);
}

static const struct model *model_of(const struct dev *d)
{
	const struct model *m = models;

	while (m->ops != d->ops)
		m++;
	return m;
}

struct pci_bus *bridge_pci_bus(struct dev *d)
{
	return to_bridge(d)->pci.secondary;
}

/* ---- life ---- */

static void init_port(struct bridge *b)
{
	unsigned lnkcap = b->pci.exp_cap + PCI_EXP_LNKCAP;

	pci_set32(&b->pci, lnkcap, pci_get32(&b->pci, lnkcap) | LNKCAP_PORT(b->port));
	pci_slot_init(&b->pci, b->slot, b->hotplug);
}

/* Slot identification, PPB 3.2.6: the chassis, and no expansion slots. */
static bool init_slot_id(struct bridge *b)
{
	int cap = pci_cap_add(&b->pci, PCI_CAP_SLOT, SLOT_ID_SIZE);

	if (cap > 0)
		b->pci.pci_hw.cfg[cap + SLOT_ID_CHASSIS] = b->chassis;
	return cap > 0;
}

static bool init_capabilities(struct bridge *b, const struct model *m)
{
	struct pci_dev *p = &b->pci;

	if (m->exp_type != NOT_EXPRESS && pci_exp_init(p, m->exp_type) < 0)
		return false;
	if (m->conf.pin && pci_msi_init(p, 1) < 0)
		return false;
	if (pci_bridge_ssvid(p, 0x1af4, 0x1100) < 0)
		return false;
	return m->port ? pci_aer_init(p) == 0 : init_slot_id(b);
}

static const struct pci_ops no_ops;

static bool realize(struct dev *d, GError **error)
{
	struct bridge *b = to_bridge(d);
	const struct model *m = model_of(d);
	struct pci_conf conf = m->conf;

	conf.class_code = CLASS_PCI_BRIDGE;
	conf.bridge = true;
	conf.multifunction = b->multifunction;
	if (m->port && b->pci.bus && pci_bus_kind(b->pci.bus) != PCI_BUS_ROOT_COMPLEX)
		return err_set(error, VMMD_ERROR_INVALID,
			"device \"%s\": %s is for the root bus of PCI Express", d->id,
			d->ops->name);
	if (!pci_dev_init(&b->pci, &no_ops, &conf, error))
		return false;
	pci_bridge_init(&b->pci, m->behind);
	if (!init_capabilities(b, m))
		return err_set(error, VMMD_ERROR_INTERNAL,
			"device \"%s\": no room for its capabilities", d->id);
	if (m->port)
		init_port(b);
	return true;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	pci_dev_reset(to_pci_dev(d));
}

static int post_load(struct dev *d)
{
	return pci_dev_post_load(to_pci_dev(d));
}

static void unrealize(struct dev *d)
{
	pci_dev_done(to_pci_dev(d));
}

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct bridge, pci.pci_hw)},
	{},
};

/* ---- tables ---- */

static const struct prop port_props[] = {
	PROP_PCI("addr", struct bridge, pci.addr, "PCI address on the root bus"),
	PROP_BOOL("multifunction", struct bridge, multifunction, false,
		"other functions share its device number"),
	PROP_BOOL("hotplug", struct bridge, hotplug, true,
		"a device can be plugged and unplugged while the guest runs"),
	PROP_U8("port", struct bridge, port, 0, 255, 0, "number of the port"),
	PROP_U8("chassis", struct bridge, chassis, 0, 255, 0,
		"number of the chassis, which the guest does not see"),
	PROP_U16("slot", struct bridge, slot, 0, 0x1fff, 0, "number of the slot in the chassis"),
	PROP_END,
};

static const struct prop bridge_props[] = {
	PROP_PCI("addr", struct bridge, pci.addr, "PCI address"),
	PROP_BOOL("multifunction", struct bridge, multifunction, false,
		"other functions share its device number"),
	PROP_U8("chassis-nr", struct bridge, chassis, 0, 255, 0, "number of the chassis"),
	PROP_END,
};

static const struct prop_table pcie_root_port_table = {.name = "pcie-root-port",
	.doc = "a PCI bridge",
	.size = sizeof(struct bridge),
	.props = port_props};
static const struct prop_table i82801b11_bridge_table = {.name = "i82801b11-bridge",
	.doc = "a PCI bridge",
	.size = sizeof(struct bridge),
	.props = bridge_props};
static const struct prop_table pcie_pci_bridge_table = {.name = "pcie-pci-bridge",
	.doc = "a PCI bridge",
	.size = sizeof(struct bridge),
	.props = bridge_props};
static const struct prop_table pci_bridge_table = {.name = "pci-bridge",
	.doc = "a PCI bridge",
	.size = sizeof(struct bridge),
	.props = bridge_props};

#define BRIDGE(n, text, table)                                                                \
	{                                                                                     \
		.name = (n), .doc = (text), .size = sizeof(struct bridge), .props = &(table), \
		.realize = realize, .reset = reset, .unrealize = unrealize,                   \
		.pre_save = pci_dev_pre_save, .post_load = post_load, .state = parts          \
	}

const struct dev_ops pcie_root_port_ops = BRIDGE(
	"pcie-root-port", "PCI Express root port with one slot", pcie_root_port_table);
const struct dev_ops i82801b11_bridge_ops = BRIDGE("i82801b11-bridge",
	"Intel 82801 bridge from PCI Express to conventional PCI", i82801b11_bridge_table);
const struct dev_ops pcie_pci_bridge_ops = BRIDGE(
	"pcie-pci-bridge", "PCI Express to PCI bridge", pcie_pci_bridge_table);
const struct dev_ops pci_bridge_ops = BRIDGE("pci-bridge", "PCI-to-PCI bridge", pci_bridge_table);
