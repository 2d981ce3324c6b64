/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IDE function of 82371SB (PIIX3, Intel order number 290550, section 2.6) and 82371AB (PIIX4, order
 * number 290562, chapter 6): two channels at the legacy ports, with IRQ 14 and 15, each decoded
 * while bit 15 of its timing register is set. Timings are held, and have no effect.
 */
#include "devmodel/storage/ide.h"

#define IDETIM        0x40 /* one of 16 bits for each channel */
#define IDETIM_DECODE 0x80 /* in its high byte */
#define SIDETIM       0x44
#define UDMACTL       0x48 /* PIIX4 */
#define UDMATIM       0x4a
#define BM_SIZE       16 /* 8 for each channel */
#define BM_BAR        4

struct piix_ide_hw {
	struct ide_channel_hw channels[IDE_CHANNELS];
	struct drive_hw drives[STORAGE_IDE_BAYS];
};

struct piix_ide {
	struct storage storage; /* first */
	struct piix_ide_hw hw;
	struct ide_channel channels[IDE_CHANNELS];
	struct region command[IDE_CHANNELS], control[IDE_CHANNELS], bus_master;
};

static const struct {
	uint16_t command, control;
	uint8_t irq;
} legacy[IDE_CHANNELS] = {{0x1f0, 0x3f6, 14}, {0x170, 0x376, 15}};

static struct piix_ide *to_ide(struct dev *d)
{
	return container_of(TO_STORAGE(d), struct piix_ide, storage);
}

static struct ide_channel *channel_of(struct drive *d)
{
	struct piix_ide *s = container_of(d->host, struct piix_ide, storage);

	return &s->channels[d->bay / IDE_UNITS];
}

/* ---- registers ---- */

static uint64_t command_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return ide_read(r->opaque, (unsigned)offset, size);
}

static void command_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	ide_write(r->opaque, (unsigned)offset, size, (uint32_t)value);
}

static uint64_t control_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return ide_read_control(r->opaque);
}

static void control_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	ide_write_control(r->opaque, (uint8_t)value);
}

static uint64_t bm_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct piix_ide *s = to_ide(d);
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++, offset++)
		v |= (uint64_t)ide_bm_read(&s->channels[offset / 8], offset % 8) << (8 * i);
	return v;
}

static void bm_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct piix_ide *s = to_ide(d);

	for (unsigned i = 0; i < size; i++, offset++, value >>= 8)
		ide_bm_write(&s->channels[offset / 8], offset % 8, (uint8_t)value);
}

static const struct region_ops command_ops = {
	.read = command_read, .write = command_write, .min = 1, .max = 4};
static const struct region_ops control_ops = {
	.read = control_read, .write = control_write, .min = 1, .max = 1};
static const struct region_ops bm_ops = {.read = bm_read, .write = bm_write, .min = 1, .max = 4};

/* ---- what the drives want ---- */

static int link_map(struct drive *d, unsigned tag, uint64_t off, uint32_t n, struct iovec *segs,
	unsigned room, struct giov *ret)
{
	return ide_map(channel_of(d), d, off, n, segs, room, ret);
}

static bool link_can_map(struct drive *d)
{
	return ide_can_map(channel_of(d));
}

static void link_moved(struct drive *d, unsigned tag, uint64_t off, uint32_t n)
{
	ide_moved(channel_of(d), d, off, n);
}

static void link_drq(struct drive *d, bool irq)
{
	if (irq)
		ide_interrupt(channel_of(d), d);
}

/* A PIO data-in command of a disk has told all with its last DRQ block. */
static void link_end(struct drive *d, unsigned tag, const struct drive_cmd_hw *h)
{
	bool quiet = (h->flags & (CMD_TO_GUEST | CMD_DMA | CMD_PACKET)) == CMD_TO_GUEST &&
		     !(d->hw->regs.status & ATA_ERR);

	if (!quiet)
		ide_interrupt(channel_of(d), d);
}

static void link_stopped(struct drive *d)
{
	ide_stopped(channel_of(d), d);
}

static void link_plugged(struct storage *host, unsigned bay)
{
	struct piix_ide *s = container_of(host, struct piix_ide, storage);

	ide_plugged(&s->channels[bay / IDE_UNITS], bay % IDE_UNITS);
}

static const struct drive_link_ops ide_link = {
	.data_register = true,
	.map = link_map,
	.can_map = link_can_map,
	.moved = link_moved,
	.drq = link_drq,
	.end = link_end,
	.stopped = link_stopped,
	.plugged = link_plugged,
};

/* ---- configuration ---- */

static void place(struct bus *b, struct region *r, uint16_t port, bool decode)
{
	if (!decode)
		region_unmap(b, r);
	else if (!r->mapped)
		region_map(b, r, port, REGION_PRIO_DEVICE);
}

static void update_decode(struct piix_ide *s)
{
	struct pci_dev *p = &s->storage.pci;

	for (unsigned i = 0; i < IDE_CHANNELS; i++) {
		bool decode = p->pci_hw.cfg[IDETIM + 2 * i + 1] & IDETIM_DECODE;

		place(p->dev.bus, &s->command[i], legacy[i].command, decode);
		place(p->dev.bus, &s->control[i], legacy[i].control, decode);
	}
}

static void config_write(struct pci_dev *p, unsigned offset, unsigned size)
{
	update_decode(to_ide(DEV(p)));
}

/* Transfers that wait for the bus. */
static void command_changed(struct pci_dev *p)
{
	struct storage *s = TO_STORAGE(DEV(p));

	for (unsigned i = 0; i < s->n_bays; i++) {
		if (s->bays[i])
			drive_kick(s->bays[i]);
	}
}

static const struct pci_ops pci_ops = {
	.config_write = config_write, .command_changed = command_changed};

void piix_ide_enable(struct dev *d)
{
	struct piix_ide *s = to_ide(d);

	dev_lock(d);
	for (unsigned i = 0; i < IDE_CHANNELS; i++)
		s->storage.pci.pci_hw.cfg[IDETIM + 2 * i + 1] |= IDETIM_DECODE;
	update_decode(s);
	dev_unlock(d);
}

/* ---- life ---- */

static void init_regions(struct piix_ide *s)
{
	struct dev *d = &s->storage.pci.dev;

	for (unsigned i = 0; i < IDE_CHANNELS; i++) {
		region_init_io(&s->command[i], d, &command_ops, "ide-command", BUS_PIO, 8);
		region_init_io(&s->control[i], d, &control_ops, "ide-control", BUS_PIO, 1);
		s->command[i].opaque = s->control[i].opaque = &s->channels[i];
	}
	region_init_io(&s->bus_master, d, &bm_ops, "ide-bus-master", BUS_PIO, BM_SIZE);
	pci_bar_init(&s->storage.pci, BM_BAR, &s->bus_master, false, false);
}

static void init_config(struct pci_dev *p, bool ultra)
{
	for (unsigned i = 0; i < 2 * IDE_CHANNELS; i++)
		p->wmask[IDETIM + i] = 0xff;
	p->wmask[SIDETIM] = 0xff;
	if (!ultra)
		return;
	p->wmask[UDMACTL] = 0x0f;
	p->wmask[UDMATIM] = p->wmask[UDMATIM + 1] = 0x33;
}

static bool realize_function(struct dev *d, uint16_t device, bool ultra, GError **error)
{
	const struct pci_conf conf = {.vendor = 0x8086,
		.device = device,
		.subsys_vendor = 0x1af4,
		.subsys = 0x1100,
		.class_code = 0x010180};
	struct piix_ide *s = to_ide(d);

	if (!pci_dev_init(&s->storage.pci, &pci_ops, &conf, error))
		return false;
	init_config(&s->storage.pci, ultra);
	for (unsigned i = 0; i < IDE_CHANNELS; i++)
		s->channels[i] = (struct ide_channel){.host = &s->storage,
			.index = i,
			.hw = &s->hw.channels[i],
			.irq = gsi_source(d->bus->gsi, legacy[i].irq)};
	init_regions(s);
	storage_init(&s->storage, &ide_link, s->hw.drives, STORAGE_IDE_BAYS);
	return true;
}

static bool piix3_realize(struct dev *d, GError **error)
{
	return realize_function(d, 0x7010, false, error);
}

static bool piix4_realize(struct dev *d, GError **error)
{
	return realize_function(d, 0x7111, true, error);
}

static void ide_unrealize(struct dev *d)
{
	struct piix_ide *s = to_ide(d);

	for (unsigned i = 0; i < IDE_CHANNELS; i++) {
		irq_set(&s->channels[i].irq, false);
		region_unmap(d->bus, &s->command[i]);
		region_unmap(d->bus, &s->control[i]);
	}
	storage_done(&s->storage);
	pci_dev_done(&s->storage.pci);
}

static void ide_function_reset(struct dev *d, enum reset_kind kind)
{
	struct piix_ide *s = to_ide(d);

	pci_dev_reset(&s->storage.pci);
	update_decode(s);
	storage_reset(&s->storage);
	for (unsigned i = 0; i < IDE_CHANNELS; i++)
		ide_reset(&s->channels[i]);
}

static int ide_post_load(struct dev *d)
{
	struct piix_ide *s = to_ide(d);
	int err = storage_post_load(&s->storage);

	if (err < 0)
		return err;
	update_decode(s);
	for (unsigned i = 0; i < IDE_CHANNELS; i++)
		ide_drive_irq(&s->channels[i]);
	return pci_dev_post_load(&s->storage.pci);
}

static const struct state_field fields[] = {
	ST_STRUCTS(struct piix_ide_hw, channels, ide_channel_fields),
	ST_STRUCTS(struct piix_ide_hw, drives, drive_fields),
	ST_END,
};

static const struct state_desc state = {
	.name = "ide", .version = 1, .size = sizeof(struct piix_ide_hw), .fields = fields};

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct piix_ide, storage.pci.pci_hw)},
	{&state, offsetof(struct piix_ide, hw)},
	{},
};

static const struct prop props[] = {
	PROP_PCI("addr", struct piix_ide, storage.pci.addr, "PCI address"),
	PROP_END,
};

static const struct prop_table prop_table = {
	.name = "piix-ide",
	.doc = "IDE controller",
	.size = sizeof(struct piix_ide),
	.props = props,
};

const struct dev_ops piix3_ide_ops = {
	.name = "piix3-ide",
	.doc = "Intel 82371SB IDE controller (PIIX3)",
	.size = sizeof(struct piix_ide),
	.props = &prop_table,
	.realize = piix3_realize,
	.reset = ide_function_reset,
	.quiesce = storage_quiesce,
	.resume = storage_resume,
	.unrealize = ide_unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = ide_post_load,
	.state = parts,
};

const struct dev_ops piix4_ide_ops = {
	.name = "piix4-ide",
	.doc = "Intel 82371AB IDE controller (PIIX4)",
	.size = sizeof(struct piix_ide),
	.props = &prop_table,
	.realize = piix4_realize,
	.reset = ide_function_reset,
	.quiesce = storage_quiesce,
	.resume = storage_resume,
	.unrealize = ide_unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = ide_post_load,
	.state = parts,
};
