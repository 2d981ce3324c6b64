/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 82574L: PCI Express, two queues each way, MSI-X with five vectors, receive-side scaling; BM
 * PHY.
 */
#include "devmodel/net/e1000.h"
#include "devmodel/net/net-devices.h"
#include "devmodel/pci/express.h"

/* 82574 chapter 9. */
#define BAR_MEM     0
#define BAR_IO      2 /* 1: flash, not there */
#define BAR_MSIX    3
#define IO_SIZE     32
#define MSIX_SIZE   (16 * KiB)
#define MSIX_TABLE  0x0000
#define MSIX_PBA    0x2000
#define CAP_POWER   0x01   /* PCI Power Management 1.2 */
#define POWER_PMC   0x0002 /* version; D0 and D3 */
#define POWER_STATE 0x03

/* 82574 chapter 6. Words 0 to 2 are the address, 0x3f the checksum. */
static const uint16_t nvm[EEPROM_WORDS] = {
	[0x03] = 0x0420, /* compatibility: a NIC */
	[0x04] = 0xf746, /* version */
	[0x05] = 0x2010,
	[0x08] = 0xffff, /* no part number */
	[0x09] = 0xffff,
	[0x0a] = 0x026b, /* initialization control 1 */
	[0x0b] = 0x0000,
	[0x0c] = 0x8086, /* subsystem */
	[0x0d] = 0x10d3,
	[0x0e] = 0x8086, /* device, vendor */
	[0x0f] = 0xb001, /* initialization control 2 */
	[0x23] = 0x8400, /* its bit 15: compatible with what drivers check */
};

struct e1000e {
	struct e1000_core core; /* first */
	struct region msix;
};

static const struct e1000_model model = {
	.name = "e1000e",
	.device = 0x10d3,
	.is_82574 = true,
	.queues = 2,
	.phy_id2 = 0x0cb1, /* BM */
	.phy_address = 1,
	.nvm = nvm,
};

void e1000e_set_backend(struct dev *d, struct net *net)
{
	to_e1000(d)->nic.net = net;
}

/* The serial number is the address with FFFEh in the middle, 82574 chapter 9. */
static uint64_t serial(const uint8_t *mac)
{
	return (uint64_t)mac[0] << 56 | (uint64_t)mac[1] << 48 | (uint64_t)mac[2] << 40 |
	       UINT64_C(0xfffe) << 24 | (uint64_t)mac[3] << 16 | (uint64_t)mac[4] << 8 | mac[5];
}

/* Power states are stored, and mean nothing. */
static int init_power(struct pci_dev *p)
{
	int at = pci_cap_add(p, CAP_POWER, 8);

	if (at < 0)
		return at;
	pci_set16(p, (unsigned)at + 2, POWER_PMC);
	p->wmask[at + 4] = POWER_STATE;
	return 0;
}

static int init_capabilities(struct e1000e *e)
{
	struct pci_dev *p = &e->core.pci;
	int err = init_power(p);

	if (!err)
		err = pci_msi_init(p, 1);
	if (!err)
		err = pci_msix_init(p, ICR_VECTORS, BAR_MSIX, MSIX_TABLE, MSIX_PBA);
	if (!err)
		err = pci_exp_init(p, PCI_EXP_ENDPOINT);
	if (err > 0)
		err = pci_aer_init(p);
	if (!err && p->cfg_size > PCI_CFG_CONVENTIONAL)
		err = pci_serial_init(p, serial(e->core.mac));
	return err;
}

static bool realize(struct dev *d, GError **error)
{
	static const struct pci_conf conf = {.vendor = 0x8086,
		.device = 0x10d3,
		.subsys_vendor = 0x8086,
		.subsys = 0x0000,
		.class_code = 0x020000,
		.revision = 0,
		.pin = 1};
	struct e1000_core *c = to_e1000(d);
	struct e1000e *e = container_of(c, struct e1000e, core);
	int err;

	if (!pci_dev_init(&c->pci, &e1000_pci_ops, &conf, error) ||
		!e1000_init(c, &model, IO_SIZE, error))
		return false;
	pci_bar_init(&c->pci, BAR_MEM, &c->mem, false, false);
	pci_bar_init(&c->pci, BAR_IO, &c->io, false, false);
	region_init_io(&e->msix, d, NULL, "msix", BUS_MMIO, MSIX_SIZE);
	pci_bar_init(&c->pci, BAR_MSIX, &e->msix, false, false);
	err = init_capabilities(e);
	if (err < 0)
		return err_set_errno(error, -err, "device %s: capabilities", d->id);
	return true;
}

static const struct prop props[] = {
	PROP_MAC("mac", struct e1000e, core.mac, "address of the station"),
	PROP_PCI("addr", struct e1000e, core.pci.addr,
		"PCI slot and function; unset: the first free slot"),
	PROP_END,
};

static const struct prop_table prop_table = {.name = "e1000e",
	.doc = "Intel 82574L Gigabit Ethernet controller",
	.size = sizeof(struct e1000e),
	.props = props};

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct e1000e, core.pci.pci_hw)},
	{&nic_state, offsetof(struct e1000e, core.nic.hw)},
	{&e1000_state, offsetof(struct e1000e, core.hw)},
	{},
};

const struct dev_ops e1000e_ops = {
	.name = "e1000e",
	.doc = "Intel 82574L Gigabit Ethernet controller",
	.size = sizeof(struct e1000e),
	.props = &prop_table,
	.realize = realize,
	.reset = e1000_reset,
	.quiesce = e1000_quiesce,
	.resume = e1000_resume,
	.unrealize = e1000_unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = e1000_post_load,
	.state = parts,
};
