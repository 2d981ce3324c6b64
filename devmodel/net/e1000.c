/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 82540EM: PCI, one queue each way, Microwire EEPROM, M88E1011 PHY. */
#include "devmodel/net/e1000.h"
#include "devmodel/net/net-devices.h"

#define BAR_MEM 0
#define BAR_IO  2 /* 1: flash, not there. Manual section 4.1 */
#define IO_SIZE 64

/* Manual table 5-2. Words 0 to 2 are the address, 0x3f the checksum. */
static const uint16_t nvm[EEPROM_WORDS] = {
	[0x04] = 0xffff, /* LEDs as by default */
	[0x0a] = 0x4403, /* valid; identifiers are loaded */
	[0x0b] = 0x001e,
	[0x0c] = 0x8086, /* subsystem */
	[0x0d] = 0x100e,
	[0x0e] = 0x8086, /* device, vendor */
	[0x0f] = 0x3040, /* flow control advertised */
	[0x21] = 0x0000,
};

static const struct e1000_model model = {
	.name = "e1000",
	.device = 0x100e,
	.queues = 1,
	.phy_id2 = 0x0c20, /* M88E1011 */
	.phy_address = 1,
	.nvm = nvm,
};

void e1000_set_backend(struct dev *d, struct net *net)
{
	to_e1000(d)->nic.net = net;
}

static bool realize(struct dev *d, GError **error)
{
	static const struct pci_conf conf = {.vendor = 0x8086,
		.device = 0x100e,
		.subsys_vendor = 0x8086,
		.subsys = 0x001e,
		.class_code = 0x020000,
		.revision = 2,
		.pin = 1};
	struct e1000_core *c = to_e1000(d);

	if (!pci_dev_init(&c->pci, &e1000_pci_ops, &conf, error) ||
		!e1000_init(c, &model, IO_SIZE, error))
		return false;
	pci_bar_init(&c->pci, BAR_MEM, &c->mem, false, false);
	pci_bar_init(&c->pci, BAR_IO, &c->io, false, false);
	return true;
}

static const struct prop props[] = {
	PROP_MAC("mac", struct e1000_core, mac, "address of the station"),
	PROP_PCI("addr", struct e1000_core, pci.addr,
		"PCI slot and function; unset: the first free slot"),
	PROP_END,
};

static const struct prop_table prop_table = {.name = "e1000",
	.doc = "Intel 82540EM Gigabit Ethernet controller",
	.size = sizeof(struct e1000_core),
	.props = props};

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct e1000_core, pci.pci_hw)},
	{&nic_state, offsetof(struct e1000_core, nic.hw)},
	{&e1000_state, offsetof(struct e1000_core, hw)},
	{},
};

const struct dev_ops e1000_ops = {
	.name = "e1000",
	.doc = "Intel 82540EM Gigabit Ethernet controller",
	.size = sizeof(struct e1000_core),
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
