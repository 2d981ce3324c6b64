/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serial ATA controller of the I/O controller hub 9 in AHCI mode (Intel order number 316972,
 * chapter 15): six ports, the generic host control registers (AHCI 1.3.1, section 3.1), one
 * interrupt as INTx or MSI. Not modelled: port multipliers, enclosure management, command
 * completion coalescing, power states of the link, staggered spin-up.
 */
#include "devmodel/storage/ahci.h"

/* Generic host control. */
enum { CAP = 0x00, GHC = 0x04, IS = 0x08, PI = 0x0c, VS = 0x10 };
/* 64-bit addresses, NCQ, command list override, AHCI only, 6 Gb/s, 32 slots, six ports. */
#define CAP_VALUE \
	(1u << 31 | 1u << 30 | 1u << 24 | 1u << 18 | 3u << 20 | 31u << 8 | (AHCI_PORTS - 1))
#define VERSION 0x00010301u
#define GHC_HR  (1u << 0)
#define GHC_IE  (1u << 1)
#define GHC_AE  (1u << 31)
#define PORTS   ((1u << AHCI_PORTS) - 1)

#define REGS_SIZE  0x1000
#define PORT_BASE  0x100
#define INDEX_SIZE 32 /* BAR 4: index and data pair (ICH9 section 15.1.16) */
#define INDEX      0x10
#define DATA       0x14
#define INDEX_BAR  4
#define REGS_BAR   5

#define MAP       0x90 /* configuration space: AHCI mode, six ports */
#define PCS       0x92 /* ports enabled */
#define FIRST_CAP 0xa8
#define CAP_SATA  0x12

struct ahci_hw {
	uint32_t ghc, is, index;
	uint32_t pad;
	struct ahci_port_hw ports[AHCI_PORTS];
	struct drive_hw drives[STORAGE_AHCI_BAYS];
};

struct ahci {
	struct storage storage; /* first */
	struct ahci_hw hw;
	struct ahci_port ports[AHCI_PORTS];
	struct region regs, index;
	bool line; /* an interrupt is pending */
};

static struct ahci *to_ahci(struct dev *d)
{
	return container_of(TO_STORAGE(d), struct ahci, storage);
}

static struct ahci_port *port_of(struct drive *d)
{
	return &container_of(d->host, struct ahci, storage)->ports[d->bay];
}

/* ---- interrupts (section 10.7) ---- */

/* A message tells of each bit that comes, and of those that were left when some were cleared. */
static void update_irq(struct ahci *s, bool again)
{
	uint32_t before = s->hw.is;
	bool was = s->line;

	for (unsigned i = 0; i < AHCI_PORTS; i++) {
		if (ahci_port_pending(&s->ports[i]))
			s->hw.is |= 1u << i;
	}
	s->line = s->hw.is && s->hw.ghc & GHC_IE;
	if (s->line != was)
		pci_intx_set(&s->storage.pci, s->line);
	if (s->line && (again || !was || s->hw.is & ~before))
		pci_msi_raise(&s->storage.pci, 0);
}

static void port_update(struct ahci_port *p)
{
	update_irq(container_of(p->host, struct ahci, storage), false);
}

/* ---- registers ---- */

static void check_reset(struct ahci *s)
{
	if (!(s->hw.ghc & GHC_HR))
		return;
	for (unsigned i = 0; i < AHCI_PORTS; i++) {
		if (ahci_port_resetting(&s->ports[i]))
			return;
	}
	s->hw.ghc &= ~GHC_HR;
}

/* Section 10.4.3: the bit stays until all ports are done. */
static void host_reset(struct ahci *s)
{
	s->hw.ghc = GHC_AE | GHC_HR;
	s->hw.is = 0;
	for (unsigned i = 0; i < AHCI_PORTS; i++) {
		if (s->storage.bays[i])
			s->storage.bays[i]->hw->regs.status = ATA_BSY;
		ahci_port_reset(&s->ports[i], false);
	}
	s->hw.is = 0;
	update_irq(s, false);
	check_reset(s);
}

static uint32_t host_read(struct ahci *s, unsigned offset)
{
	switch (offset) {
	case CAP: return CAP_VALUE;
	case GHC: return s->hw.ghc;
	case IS: return s->hw.is;
	case PI: return PORTS;
	case VS: return VERSION;
	default: return 0;
	}
}

static void host_write(struct ahci *s, unsigned offset, uint32_t v)
{
	switch (offset) {
	case GHC:
		if (v & GHC_HR) {
			host_reset(s);
			break;
		}
		s->hw.ghc = GHC_AE | (v & GHC_IE) | (s->hw.ghc & GHC_HR);
		update_irq(s, false);
		break;
	case IS:
		s->hw.is &= ~v;
		update_irq(s, s->hw.is != 0);
		break;
	}
}

static uint32_t reg_read(struct ahci *s, unsigned offset)
{
	unsigned n = (offset - PORT_BASE) / AHCI_PORT_SIZE;

	if (offset < PORT_BASE)
		return host_read(s, offset);
	return n < AHCI_PORTS ? ahci_port_read(&s->ports[n], offset % AHCI_PORT_SIZE) : 0;
}

static void reg_write(struct ahci *s, unsigned offset, uint32_t v)
{
	unsigned n = (offset - PORT_BASE) / AHCI_PORT_SIZE;

	if (offset < PORT_BASE)
		host_write(s, offset, v);
	else if (n < AHCI_PORTS)
		ahci_port_write(&s->ports[n], offset % AHCI_PORT_SIZE, v);
}

static uint64_t regs_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return reg_read(to_ahci(d), (unsigned)offset);
}

static void regs_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	reg_write(to_ahci(d), (unsigned)offset, (uint32_t)value);
}

static uint64_t index_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct ahci *s = to_ahci(d);

	switch (offset) {
	case INDEX: return s->hw.index;
	case DATA: return reg_read(s, s->hw.index);
	default: return 0;
	}
}

static void index_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct ahci *s = to_ahci(d);

	if (offset == INDEX)
		s->hw.index = (uint32_t)value & (REGS_SIZE - 4);
	else if (offset == DATA)
		reg_write(s, s->hw.index, (uint32_t)value);
}

static const struct region_ops regs_ops = {
	.read = regs_read, .write = regs_write, .min = 4, .max = 4};
static const struct region_ops index_ops = {
	.read = index_read, .write = index_write, .min = 4, .max = 4};

/* ---- what the drives want ---- */

static int link_map(struct drive *d, unsigned tag, uint64_t off, uint32_t n, struct iovec *segs,
	unsigned room, struct giov *ret)
{
	return ahci_port_map(port_of(d), tag, off, n, segs, room, ret);
}

static void link_moved(struct drive *d, unsigned tag, uint64_t off, uint32_t n)
{
	ahci_port_moved(port_of(d), tag, off, n);
}

static void link_drq(struct drive *d, bool irq)
{
}

static void link_end(struct drive *d, unsigned tag, const struct drive_cmd_hw *h)
{
	ahci_port_end(port_of(d), d, tag, h);
}

static void link_stopped(struct drive *d)
{
	ahci_port_stopped(port_of(d));
	check_reset(container_of(d->host, struct ahci, storage));
}

static void link_plugged(struct storage *host, unsigned bay)
{
	struct ahci *s = container_of(host, struct ahci, storage);

	ahci_port_plugged(&s->ports[bay]);
	check_reset(s);
}

static void link_fetch(struct storage *host)
{
	struct ahci *s = container_of(host, struct ahci, storage);

	for (unsigned i = 0; i < AHCI_PORTS; i++)
		ahci_port_fetch(&s->ports[i]);
}

static const struct drive_link_ops ahci_link = {
	.map = link_map,
	.moved = link_moved,
	.drq = link_drq,
	.end = link_end,
	.stopped = link_stopped,
	.plugged = link_plugged,
	.fetch = link_fetch,
};

/* ---- configuration ---- */

static void command_changed(struct pci_dev *p)
{
	struct ahci *s = to_ahci(DEV(p));

	for (unsigned i = 0; i < AHCI_PORTS; i++) {
		if (s->storage.bays[i])
			drive_kick(s->storage.bays[i]);
	}
	storage_kick(&s->storage);
}

static const struct pci_ops pci_ops = {.command_changed = command_changed};

static bool init_config(struct pci_dev *p)
{
	int sata;

	pci_set16(p, MAP, 0x0040);
	pci_set16(p, PCS, PORTS);
	p->wmask[PCS] = PORTS;
	p->next_cap = FIRST_CAP;
	sata = pci_cap_add(p, CAP_SATA, 8);
	if (sata < 0)
		return false;
	pci_set32(
		p, (unsigned)sata + 2, 0x00480010); /* revision 1.0; the pair is at 10h of BAR 4 */
	return pci_msi_init(p, 1) == 0;
}

/* ---- life ---- */

static void init_regions(struct ahci *s)
{
	struct dev *d = &s->storage.pci.dev;

	region_init_io(&s->regs, d, &regs_ops, "ahci", BUS_MMIO, REGS_SIZE);
	region_init_io(&s->index, d, &index_ops, "ahci-index", BUS_PIO, INDEX_SIZE);
	pci_bar_init(&s->storage.pci, INDEX_BAR, &s->index, false, false);
	pci_bar_init(&s->storage.pci, REGS_BAR, &s->regs, false, false);
}

static bool ahci_realize(struct dev *d, GError **error)
{
	static const struct pci_conf conf = {.vendor = 0x8086,
		.device = 0x2922,
		.subsys_vendor = 0x1af4,
		.subsys = 0x1100,
		.class_code = 0x010601,
		.revision = 2,
		.pin = 1};
	struct ahci *s = to_ahci(d);

	if (!pci_dev_init(&s->storage.pci, &pci_ops, &conf, error))
		return false;
	if (!init_config(&s->storage.pci))
		return err_set(error, VMMD_ERROR_INTERNAL,
			"device %s: no room for its capabilities", d->id);
	for (unsigned i = 0; i < AHCI_PORTS; i++) {
		s->ports[i].host = &s->storage;
		s->ports[i].index = i;
		s->ports[i].hw = &s->hw.ports[i];
		s->ports[i].update = port_update;
	}
	init_regions(s);
	storage_init(&s->storage, &ahci_link, s->hw.drives, STORAGE_AHCI_BAYS);
	return true;
}

static void ahci_unrealize(struct dev *d)
{
	struct ahci *s = to_ahci(d);

	storage_done(&s->storage);
	pci_dev_done(&s->storage.pci);
}

static void ahci_reset(struct dev *d, enum reset_kind kind)
{
	struct ahci *s = to_ahci(d);

	pci_dev_reset(&s->storage.pci);
	s->line = false;
	s->hw.ghc = GHC_AE;
	s->hw.is = s->hw.index = 0;
	storage_reset(&s->storage);
	for (unsigned i = 0; i < AHCI_PORTS; i++)
		ahci_port_reset(&s->ports[i], true);
}

static int ahci_post_load(struct dev *d)
{
	struct ahci *s = to_ahci(d);
	int err = storage_post_load(&s->storage);

	if (err < 0)
		return err;
	for (unsigned i = 0; i < AHCI_PORTS; i++)
		ahci_port_forget(&s->ports[i]);
	s->line = s->hw.is && s->hw.ghc & GHC_IE;
	return pci_dev_post_load(&s->storage.pci);
}

static const struct state_field fields[] = {
	ST_U(struct ahci_hw, ghc),
	ST_U(struct ahci_hw, is),
	ST_MAX(struct ahci_hw, index, REGS_SIZE - 4),
	ST_PAD(struct ahci_hw, pad),
	ST_STRUCTS(struct ahci_hw, ports, ahci_port_fields),
	ST_STRUCTS(struct ahci_hw, drives, drive_fields),
	ST_END,
};

static const struct state_desc state = {
	.name = "ahci", .version = 1, .size = sizeof(struct ahci_hw), .fields = fields};

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct ahci, storage.pci.pci_hw)},
	{&state, offsetof(struct ahci, hw)},
	{},
};

static const struct prop props[] = {
	PROP_PCI("addr", struct ahci, storage.pci.addr, "PCI address"),
	PROP_END,
};

static const struct prop_table prop_table = {
	.name = "ich9-ahci",
	.doc = "Serial ATA controller",
	.size = sizeof(struct ahci),
	.props = props,
};

const struct dev_ops ich9_ahci_ops = {
	.name = "ich9-ahci",
	.doc = "Intel ICH9 Serial ATA controller, AHCI 1.3.1",
	.size = sizeof(struct ahci),
	.props = &prop_table,
	.realize = ahci_realize,
	.reset = ahci_reset,
	.quiesce = storage_quiesce,
	.resume = storage_resume,
	.unrealize = ahci_unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = ahci_post_load,
	.state = parts,
};
