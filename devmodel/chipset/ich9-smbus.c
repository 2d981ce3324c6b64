/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 82801IB SMBus controller (ICH9), Intel order number 316972, chapter 20. Slave and alert functions
 * are not there.
 */
#include "devmodel/chipset/chips.h"

#define BAR      4
#define SIZE     32
#define HOSTC    0x40
#define HST_EN   0x01
#define HOSTC_RW 0x07

struct ich9_smbus {
	struct pci_dev pci;
	struct smbus smbus;
	struct region io;
};

static struct ich9_smbus *to_smbus(struct dev *d)
{
	return container_of(to_pci_dev(d), struct ich9_smbus, pci);
}

static uint64_t io_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return smbus_read(&to_smbus(d)->smbus, (unsigned)offset);
}

/* Section 20.1.16: without HST_EN the host controller does nothing. */
static void io_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct ich9_smbus *s = to_smbus(d);

	if (!(s->pci.pci_hw.cfg[HOSTC] & HST_EN))
		return;
	smbus_write(&s->smbus, (unsigned)offset, (uint8_t)value);
	pci_intx_set(&s->pci, smbus_interrupts(&s->smbus));
}

static const struct region_ops io_ops = {.read = io_read, .write = io_write, .min = 1, .max = 1};

void ich9_smbus_set_spd(struct dev *d, unsigned slot, const uint8_t spd[256])
{
	smbus_set_spd(&to_smbus(d)->smbus, slot, spd);
}

/* ---- life ---- */

static const struct pci_ops pci_ops;

static bool realize(struct dev *d, GError **error)
{
	static const struct pci_conf conf = {.vendor = 0x8086,
		.device = 0x2930,
		.subsys_vendor = 0x1af4,
		.subsys = 0x1100,
		.class_code = 0x0c0500,
		.revision = 2,
		.pin = 2};
	struct ich9_smbus *s = to_smbus(d);

	if (!pci_dev_init(&s->pci, &pci_ops, &conf, error))
		return false;
	s->smbus.ich = true;
	s->pci.wmask[HOSTC] = HOSTC_RW;
	region_init_io(&s->io, d, &io_ops, "smbus", BUS_PIO, SIZE);
	pci_bar_init(&s->pci, BAR, &s->io, false, false);
	return true;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct ich9_smbus *s = to_smbus(d);

	pci_dev_reset(&s->pci);
	s->smbus.hw = (struct smbus_hw){};
}

static int post_load(struct dev *d)
{
	return pci_dev_post_load(to_pci_dev(d));
}

static void unrealize(struct dev *d)
{
	pci_dev_done(to_pci_dev(d));
	smbus_done(&to_smbus(d)->smbus);
}

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct ich9_smbus, pci.pci_hw)},
	{&smbus_state, offsetof(struct ich9_smbus, smbus.hw)},
	{},
};

const struct dev_ops ich9_smbus_ops = {
	.name = "ich9-smbus",
	.doc = "Intel 82801IB SMBus controller",
	.size = sizeof(struct ich9_smbus),
	.realize = realize,
	.reset = reset,
	.unrealize = unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = post_load,
	.state = parts,
};
