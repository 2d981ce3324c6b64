/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 82Q35 memory controller hub (MCH), Intel order number 316966, chapter 5: the host bridge, device
 * 0. Not modelled: DRAM timing, MCHBAR, DMIBAR, EPBAR and graphics (they read 0), REMAP (RAM above
 * 4 GiB is where the machine puts it).
 *
 * System management RAM, sections 5.1.20 and 5.1.21: the compatible segment at 0xA0000 and TSEG
 * below TOLUD. In system management mode both are RAM; outside the segment is the VGA's unless it
 * is opened, and TSEG is nobody's as long as it is enabled. The lock bit makes all of it read-only
 * until reset.
 *
 * As QEMU's machine has it, and OVMF asks: the word at 0x50 tells how large a TSEG of size 3 is.
 */
#include "devmodel/chipset/chips.h"

#define EXT_TSEG       0x50
#define EXT_TSEG_QUERY 0xffff
#define PCIEXBAR       0x60 /* section 5.1.13 */
#define PCIEXBAR_EN    0x1
#define PCIEXBAR_128M  0x2
#define PCIEXBAR_64M   0x4
#define PCIEXBAR_LEN   0x6
#define PAM0           0x90
#define PAM6           0x96
#define SMRAM          0x9d
#define SMRAM_RESET    0x02
#define SMRAM_ENABLE   0x08
#define SMRAM_LOCK     0x10
#define SMRAM_CLOSED   0x20
#define SMRAM_OPEN     0x40
#define SMRAM_WRITABLE 0x78
#define ESMRAMC        0x9e
#define ESMRAMC_RESET  0x38 /* cacheable: read-only ones */
#define TSEG_ENABLE    0x01
#define TSEG_SIZE(v)   ((v) >> 1 & 3)
#define TSEG_WRITABLE  0x07
#define TOM            0xa0 /* 64 MiB units */
#define TOUUD          0xa2 /* 1 MiB units */
#define TSEGMB         0xac
#define TOLUD          0xb0 /* bits 15..4: 1 MiB units */
#define SEGMENT        0xa0000
#define SEGMENT_SIZE   (128 * KiB)
#define ECAM_MAX       (256 * MiB)

struct mch {
	struct pci_dev pci;
	struct conf_ports ports;
	struct pam pam;
	struct mch_memory mem;
	uint16_t ext_tseg; /* MiB */
	struct region ecam;
	struct region segment;            /* of RAM at 0xA0000: open, or for SMM only */
	struct region tseg_ram, tseg_gap; /* in system management mode, and outside */
};

static struct mch *to_mch(struct dev *d)
{
	return container_of(to_pci_dev(d), struct mch, pci);
}

/* ---- enhanced configuration access (PCI Express 2.0 section 7.2.2) ---- */

static uint64_t ecam_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return pci_config_read(to_mch(d)->pci.bus, (unsigned)(offset >> 12), offset & 0xfff, size);
}

static void ecam_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	pci_config_write(to_mch(d)->pci.bus, (unsigned)(offset >> 12), offset & 0xfff, size,
		(uint32_t)value);
}

/* The target's lock is taken, and for writes the bus lock, so ours is not. */
static const struct region_ops ecam_ops = {
	.read = ecam_read, .write = ecam_write, .min = 1, .max = 4, .unlocked = true};

static uint64_t ecam_size(const struct mch *s)
{
	static const uint64_t sizes[] = {256 * MiB, 128 * MiB, 64 * MiB, 0 /* reserved */};

	return sizes[(s->pci.pci_hw.cfg[PCIEXBAR] & PCIEXBAR_LEN) >> 1];
}

static uint64_t ecam_base(const struct mch *s)
{
	uint64_t v = (uint64_t)pci_get32(&s->pci, PCIEXBAR + 4) << 32 |
		     pci_get32(&s->pci, PCIEXBAR);

	return v & PCIEXBAR_EN && ecam_size(s) ? v & -ecam_size(s) : 0;
}

static void update_ecam(struct mch *s)
{
	struct bus *b = s->pci.dev.bus;
	uint64_t base = ecam_base(s);

	if (base && s->ecam.mapped && s->ecam.base == base && s->ecam.size == ecam_size(s))
		return;
	region_unmap(b, &s->ecam);
	s->ecam.size = ecam_size(s);
	if (base)
		(void)region_map(b, &s->ecam, base, REGION_PRIO_DEVICE);
}

uint64_t mch_ecam_base(struct dev *d)
{
	return ecam_base(to_mch(d));
}

void mch_place_ecam(struct dev *d, uint64_t base)
{
	struct mch *s = to_mch(d);

	dev_lock(d);
	pci_set32(&s->pci, PCIEXBAR, (uint32_t)base | PCIEXBAR_EN);
	pci_set32(&s->pci, PCIEXBAR + 4, (uint32_t)(base >> 32));
	update_ecam(s);
	dev_unlock(d);
}

/* ---- system management RAM ---- */

static uint64_t tseg_size(const struct mch *s)
{
	const uint64_t sizes[] = {1 * MiB, 2 * MiB, 8 * MiB, s->ext_tseg * MiB};

	return sizes[TSEG_SIZE(s->pci.pci_hw.cfg[ESMRAMC])];
}

static void update_segment(struct mch *s)
{
	uint8_t smram = s->pci.pci_hw.cfg[SMRAM];
	struct bus *b = s->pci.dev.bus;

	region_unmap(b, &s->segment);
	s->segment.view = smram & SMRAM_OPEN ? REGION_VIEW_ALL : REGION_VIEW_SMM;
	if (smram & SMRAM_ENABLE)
		region_map(b, &s->segment, SEGMENT, REGION_PRIO_OVERLAY);
}

static void update_tseg(struct mch *s)
{
	const uint8_t *cfg = s->pci.pci_hw.cfg;
	uint64_t size = tseg_size(s), base = s->mem.low_end - size;
	struct bus *b = s->pci.dev.bus;
	bool on = cfg[SMRAM] & SMRAM_ENABLE && cfg[ESMRAMC] & TSEG_ENABLE && size &&
		  size < s->mem.low_end;

	region_unmap(b, &s->tseg_ram);
	region_unmap(b, &s->tseg_gap);
	pci_set32(&s->pci, TSEGMB, on ? (uint32_t)base : (uint32_t)s->mem.low_end);
	if (!on)
		return;
	region_init_mem(&s->tseg_ram, "tseg", s->mem.ram, base, size, false);
	s->tseg_ram.view = REGION_VIEW_SMM;
	s->tseg_gap = (struct region){.name = "tseg-hole",
		.kind = REGION_HOLE,
		.space = BUS_MMIO,
		.size = size,
		.view = REGION_VIEW_NORMAL};
	region_map(b, &s->tseg_ram, base, REGION_PRIO_OVERLAY);
	region_map(b, &s->tseg_gap, base, REGION_PRIO_OVERLAY);
}

static void update_smram(struct mch *s)
{
	uint8_t *cfg = s->pci.pci_hw.cfg, *wmask = s->pci.wmask;
	bool locked = cfg[SMRAM] & SMRAM_LOCK;

	if (!s->mem.smm)
		return;
	wmask[SMRAM] = locked ? SMRAM_CLOSED : SMRAM_WRITABLE;
	wmask[ESMRAMC] = locked ? 0 : TSEG_WRITABLE;
	if (locked)
		cfg[SMRAM] &= (uint8_t)~SMRAM_OPEN;
	update_segment(s);
	update_tseg(s);
}

/* ---- registers ---- */

static void update_ext_tseg(struct mch *s)
{
	if (pci_get16(&s->pci, EXT_TSEG) == EXT_TSEG_QUERY)
		pci_set16(&s->pci, EXT_TSEG, s->ext_tseg);
}

static void update_all(struct mch *s)
{
	pam_update_all(&s->pam);
	update_ecam(s);
	update_smram(s);
}

static void config_write(struct pci_dev *p, unsigned offset, unsigned size)
{
	struct mch *s = container_of(p, struct mch, pci);

	if (offset == EXT_TSEG)
		update_ext_tseg(s);
	else if (offset >= PCIEXBAR && offset < PCIEXBAR + 8)
		update_ecam(s);
	else if (offset <= PAM6 && offset + size > PAM0)
		pam_update(&s->pam, offset, offset + size - 1);
	else if (offset <= ESMRAMC && offset + size > SMRAM)
		update_smram(s);
}

static const struct pci_ops pci_ops = {.config_write = config_write};

static void init_config(struct mch *s)
{
	uint8_t *cfg = s->pci.pci_hw.cfg, *wmask = s->pci.wmask;

	wmask[PCIEXBAR] = PCIEXBAR_LEN | PCIEXBAR_EN;
	wmask[PCIEXBAR + 3] = 0xfc; /* bits 35..26 */
	wmask[PCIEXBAR + 4] = 0x0f;
	cfg[SMRAM] = SMRAM_RESET;
	cfg[ESMRAMC] = ESMRAMC_RESET;
	pci_set16(&s->pci, TOM, (uint16_t)(align_up(s->mem.high_end, 64 * MiB) / (64 * MiB)));
	pci_set16(&s->pci, TOUUD, (uint16_t)(s->mem.high_end / MiB));
	pci_set16(&s->pci, TOLUD, (uint16_t)(s->mem.low_end / MiB << 4));
	pci_set32(&s->pci, TSEGMB, (uint32_t)s->mem.low_end);
	if (s->mem.smm && s->ext_tseg) {
		wmask[EXT_TSEG] = 0xff;
		wmask[EXT_TSEG + 1] = 0xff;
	}
}

/* ---- life ---- */

struct pci_bus *mch_pci_bus(struct dev *d)
{
	return to_mch(d)->pci.bus;
}

void mch_set_memory(struct dev *d, const struct mch_memory *m)
{
	struct mch *s = to_mch(d);

	s->mem = *m;
	s->pam.ram = m->ram;
	s->pam.firmware = m->firmware;
}

void mch_set_router(struct dev *d, struct irq_sink *router)
{
	pci_bus_set_router(to_mch(d)->pci.bus, router);
}

static bool realize(struct dev *d, GError **error)
{
	static const struct pci_conf conf = {.vendor = 0x8086,
		.device = 0x29c0,
		.subsys_vendor = 0x1af4,
		.subsys = 0x1100,
		.class_code = 0x060000,
		.revision = 2};
	struct mch *s = to_mch(d);

	s->pci.bus = pci_root_complex_new(d->bus, NULL, ich9_pirq);
	s->pci.addr = (struct prop_pci){0, 0};
	if (!pci_dev_init(&s->pci, &pci_ops, &conf, error))
		return false;
	if (s->mem.smm && !s->mem.ram)
		return err_set(error, VMMD_ERROR_INVALID,
			"device \"%s\": system management mode needs RAM", d->id);
	s->mem.smm = s->mem.smm && d->bus->accel->ops->smm_memory_commit;
	init_config(s);
	region_init_io(&s->ecam, d, &ecam_ops, "ecam", BUS_MMIO, ECAM_MAX);
	if (s->mem.smm)
		region_init_mem(&s->segment, "smram", s->mem.ram, SEGMENT, SEGMENT_SIZE, false);
	pam_init(&s->pam, &s->pci, PAM0);
	conf_ports_init(&s->ports, d, s->pci.bus);
	return true;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct mch *s = to_mch(d);

	pci_dev_reset(&s->pci);
	conf_ports_reset(&s->ports);
	update_all(s);
}

static int post_load(struct dev *d)
{
	struct mch *s = to_mch(d);

	update_all(s);
	return pci_dev_post_load(&s->pci);
}

static void unrealize(struct dev *d)
{
	struct mch *s = to_mch(d);

	region_unmap(d->bus, &s->segment);
	region_unmap(d->bus, &s->tseg_ram);
	region_unmap(d->bus, &s->tseg_gap);
	pam_done(&s->pam);
	pci_dev_done(&s->pci);
	pci_bus_free(s->pci.bus);
}

static const struct prop props[] = {
	PROP_U16("extended-tseg-mbytes", struct mch, ext_tseg, 0, 0xfff, 16,
		"size in MiB of a TSEG of size 3; 0: there is none"),
	PROP_END,
};

static const struct prop_table table = {
	.name = "mch", .doc = "the q35 host bridge", .size = sizeof(struct mch), .props = props};

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct mch, pci.pci_hw)},
	{&conf_ports_state, offsetof(struct mch, ports.hw)},
	{},
};

const struct dev_ops mch_ops = {
	.name = "mch",
	.doc = "Intel 82Q35 memory controller hub",
	.size = sizeof(struct mch),
	.props = &table,
	.realize = realize,
	.reset = reset,
	.unrealize = unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = post_load,
	.state = parts,
};
