/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 82801IB LPC interface bridge (ICH9), Intel order number 316972, chapter 13, and the chipset
 * configuration registers (RCBA), chapter 10. Interrupt controllers, timer and DMA are other
 * devices; the reset control register is decoded by conf-ports.c. Not modelled: GPIO, generic I/O
 * decode ranges, the TCO (it reads as halted, and cannot be started), power states of the chip;
 * function disable and the like keep what is written.
 */
#include <errno.h>

#include "devmodel/chipset/chips.h"

#define PMBASE      0x40
#define ACPI_CNTL   0x44
#define ACPI_EN     0x80
#define ACPI_SCI    0x07
#define PIRQA       0x60 /* to D; E to H at 0x68 */
#define PIRQE       0x68
#define GEN_PMCON_1 0xa0
#define SMI_LOCK    0x10
#define RCBA        0xf0
#define RCBA_EN     0x1
#define PIRQS       8
#define FIRST_GSI   16 /* of PIRQA */

#define PM_SIZE      128
#define GPE_BYTES    8
#define SMI_EN       0x30
#define SMI_STS      0x34
#define TCO1_CNT     0x68
#define TCO_HALTED   0x0800
#define SMI_GBL      0x00000001
#define SMI_APMC     0x00000020
#define SMI_EN_BITS  0x0001f83f
#define SMI_STS_BITS 0x0021ff7c
#define SMI_EOS      0x00000002

#define RCRB_SIZE     (16 * KiB)
#define OIC           0x31fe
#define HPTC          0x3404
#define GCS           0x3410
#define GCS_NO_REBOOT 0x20 /* strapped: so nobody takes the TCO for a watchdog */
#define GCS_WRITABLE  0x0c44

struct ich9_hw {
	uint32_t smi_en, smi_sts;
	uint32_t gcs;
	uint16_t oic;
	bool smi_broadcast; /* as agreed upon with firmware */
	uint8_t pad;
};

struct ich9 {
	struct pci_dev pci;
	struct ich9_hw hw;
	struct acpi_pm acpi;
	struct apm apm;
	struct pirq pirq;
	bool smm; /* property */
	struct region pm, rcrb;
	struct irq sci[24]; /* [c] a source for each that can be chosen */
};

static struct ich9 *to_ich9(struct dev *d)
{
	return container_of(to_pci_dev(d), struct ich9, pci);
}

/* ---- interrupts ---- */

unsigned ich9_pirq(unsigned slot, unsigned pin)
{
	return slot < 25 ? 4 + pci_swizzle(slot, pin) : pin - 1;
}

struct irq_sink *ich9_router(struct dev *d)
{
	return &to_ich9(d)->pirq.sink;
}

static unsigned routing_register(unsigned n)
{
	return n < 4 ? PIRQA + n : PIRQE + n - 4;
}

static void update_routes(struct ich9 *s)
{
	for (unsigned n = 0; n < PIRQS; n++)
		pirq_route(&s->pirq, n, s->pci.pci_hw.cfg[routing_register(n)]);
}

/* Section 13.1.12; code 3 is reserved. */
static const uint8_t sci_gsi[] = {9, 10, 11, 0, 20, 21, 22, 23};

static void update_sci(struct ich9 *s)
{
	unsigned gsi = sci_gsi[s->pci.pci_hw.cfg[ACPI_CNTL] & ACPI_SCI];

	acpi_pm_set_sci(&s->acpi, s->sci[gsi]);
}

/* ---- SMI ---- */

static void on_apm(struct dev *d, uint8_t cnt)
{
	struct ich9 *s = to_ich9(d);
	struct accel *a = d->bus->accel;

	if (!s->smm || ~s->hw.smi_en & (SMI_GBL | SMI_APMC))
		return;
	s->hw.smi_sts |= SMI_APMC;
	/* It fails for a vCPU that cannot go on anyway. */
	(void)a->ops->smi(a, s->hw.smi_broadcast);
}

void ich9_set_smi_broadcast(struct dev *d, bool on)
{
	dev_lock(d);
	to_ich9(d)->hw.smi_broadcast = on;
	dev_unlock(d);
}

/*
 * Without system management mode the APM port shows as set up already, so firmware installs no
 * handler.
 */
static uint32_t smi_en_reset(const struct ich9 *s)
{
	return s->smm ? SMI_EOS : SMI_EOS | SMI_APMC;
}

static void write_smi_en(struct ich9 *s, uint32_t v)
{
	uint32_t fixed = s->smm ? ~SMI_EN_BITS : ~SMI_EN_BITS | SMI_APMC;

	if (s->pci.pci_hw.cfg[GEN_PMCON_1] & SMI_LOCK)
		fixed |= SMI_GBL;
	s->hw.smi_en = (s->hw.smi_en & fixed) | (v & ~fixed) | SMI_EOS;
}

/* ---- the block at PMBASE, section 13.8.3 ---- */

static uint32_t *smi_register(struct ich9 *s, unsigned offset)
{
	switch (offset & ~3u) {
	case SMI_EN: return &s->hw.smi_en;
	case SMI_STS: return &s->hw.smi_sts;
	default: return NULL;
	}
}

static uint8_t pm_byte(struct ich9 *s, unsigned offset)
{
	const uint32_t *smi = smi_register(s, offset);

	if (smi)
		return (uint8_t)(*smi >> 8 * (offset % 4));
	if (offset >= ICH9_GPE0_OFF && offset < ICH9_GPE0_OFF + 2 * GPE_BYTES)
		return acpi_gpe_read(&s->acpi, offset - ICH9_GPE0_OFF);
	return offset == TCO1_CNT + 1 ? TCO_HALTED >> 8 : 0;
}

static uint64_t pm_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct ich9 *s = to_ich9(d);
	uint64_t v = 0;

	if (offset < ICH9_GPE0_OFF)
		return acpi_pm_read(&s->acpi, (unsigned)offset, size);
	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)pm_byte(s, (unsigned)offset + i) << (8 * i);
	return v;
}

static void pm_write_byte(struct ich9 *s, unsigned offset, uint8_t value)
{
	unsigned shift = 8 * (offset % 4);

	if ((offset & ~3u) == SMI_EN)
		write_smi_en(s, (s->hw.smi_en & ~(0xffu << shift)) | (uint32_t)value << shift);
	else if ((offset & ~3u) == SMI_STS)
		s->hw.smi_sts &= ~((uint32_t)value << shift);
	else if (offset >= ICH9_GPE0_OFF && offset < ICH9_GPE0_OFF + 2 * GPE_BYTES)
		acpi_gpe_write(&s->acpi, offset - ICH9_GPE0_OFF, value);
}

static void pm_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct ich9 *s = to_ich9(d);

	if (offset < ICH9_GPE0_OFF) {
		acpi_pm_write(&s->acpi, (unsigned)offset, size, (uint32_t)value);
		return;
	}
	for (unsigned i = 0; i < size; i++)
		pm_write_byte(s, (unsigned)offset + i, (uint8_t)(value >> (8 * i)));
}

static const struct region_ops pm_ops = {.read = pm_read, .write = pm_write, .min = 1, .max = 4};

static void on_timer(struct dev *d)
{
	acpi_pm_tick(&to_ich9(d)->acpi);
}

struct acpi_pm *ich9_acpi(struct dev *d)
{
	return &to_ich9(d)->acpi;
}

/* ---- chipset configuration registers, chapter 10 ---- */

/*
 * Those that read the same always: words. Pins and routes of devices 25 to 31 are as ich9_pirq()
 * has them.
 */
static const struct {
	uint16_t offset, value;
} rcrb_fixed[] = {
	{0x3100, 0x2100}, /* D31IP: SATA and SMBus on INTB, thermal on INTC */
	{0x3108, 0x4321}, /* D29IP */
	{0x310c, 0x4321}, /* D28IP */
	{0x3110, 0x0001}, /* D27IP */
	{0x3114, 0x0021}, /* D26IP */
	{0x3118, 0x0001}, /* D25IP */
	{0x3140, 0x3210}, /* D31IR */
	{0x3144, 0x3210}, /* D29IR */
	{0x3146, 0x3210}, /* D28IR */
	{0x3148, 0x3210}, /* D27IR */
	{0x314c, 0x3210}, /* D26IR */
	{0x3150, 0x3210}, /* D25IR */
	{HPTC, 0x0080},   /* the HPET is decoded, at 0xFED00000 */
};

static uint16_t rcrb_word(const struct ich9 *s, unsigned offset)
{
	if (offset == OIC)
		return s->hw.oic;
	if (offset == GCS)
		return (uint16_t)s->hw.gcs;
	for (unsigned i = 0; i < ARRAY_SIZE(rcrb_fixed); i++) {
		if (rcrb_fixed[i].offset == offset)
			return rcrb_fixed[i].value;
	}
	return 0;
}

static uint64_t rcrb_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	const struct ich9 *s = to_ich9(d);
	unsigned at = (unsigned)offset & ~1u;
	uint32_t v = rcrb_word(s, at) | (uint32_t)rcrb_word(s, at + 2) << 16;

	return v >> 8 * (offset % 2);
}

static void rcrb_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct ich9 *s = to_ich9(d);

	if (offset == OIC)
		s->hw.oic = value & 0x3;
	else if (offset == GCS)
		s->hw.gcs = ((uint32_t)value & GCS_WRITABLE) | GCS_NO_REBOOT;
}

static const struct region_ops rcrb_ops = {
	.read = rcrb_read, .write = rcrb_write, .min = 1, .max = 4};

/* ---- configuration space ---- */

static void update_map(struct ich9 *s, struct region *r, uint64_t base)
{
	if (base)
		(void)region_map(s->pci.dev.bus, r, base, REGION_PRIO_DEVICE);
	else
		region_unmap(s->pci.dev.bus, r);
}

static void update_maps(struct ich9 *s)
{
	const uint8_t *cfg = s->pci.pci_hw.cfg;
	uint32_t rcba = pci_get32(&s->pci, RCBA);

	update_map(s, &s->pm,
		cfg[ACPI_CNTL] & ACPI_EN ? pci_get16(&s->pci, PMBASE) & ~(PM_SIZE - 1) : 0);
	update_map(s, &s->rcrb, rcba & RCBA_EN ? rcba & ~(RCRB_SIZE - 1) : 0);
}

/* SMI_LOCK, once set, stays until reset (section 13.8.1.1). */
static void update_all(struct ich9 *s)
{
	bool locked = s->pci.pci_hw.cfg[GEN_PMCON_1] & SMI_LOCK;

	s->pci.wmask[GEN_PMCON_1] = locked ? 0xa0 : 0xa0 | SMI_LOCK;
	update_routes(s);
	update_sci(s);
	update_maps(s);
}

static void config_write(struct pci_dev *p, unsigned offset, unsigned size)
{
	update_all(container_of(p, struct ich9, pci));
}

static const struct pci_ops pci_ops = {.config_write = config_write};

/*
 * What firmware and operating systems write, besides what has an effect here; all of it reads back.
 */
static const struct {
	uint8_t offset, wmask, reset;
} registers[] = {
	{PMBASE, 0x80, 0x01},
	{PMBASE + 1, 0xff, 0},
	{ACPI_CNTL, ACPI_EN | ACPI_SCI, 0},
	{0x48, 0x80, 0x01}, /* GPIOBASE */
	{0x49, 0xff, 0},
	{0x4c, 0x11, 0}, /* GPIO control */
	{PIRQA, 0x8f, PIRQ_OFF},
	{PIRQA + 1, 0x8f, PIRQ_OFF},
	{PIRQA + 2, 0x8f, PIRQ_OFF},
	{PIRQA + 3, 0x8f, PIRQ_OFF},
	{0x64, 0xdf, 0x10}, /* serial IRQ */
	{PIRQE, 0x8f, PIRQ_OFF},
	{PIRQE + 1, 0x8f, PIRQ_OFF},
	{PIRQE + 2, 0x8f, PIRQ_OFF},
	{PIRQE + 3, 0x8f, PIRQ_OFF},
	{0x80, 0x77, 0}, /* LPC I/O decode ranges */
	{0x81, 0x13, 0},
	{0x82, 0x0f, 0x0f}, /* LPC enables */
	{0x83, 0x3f, 0x3f},
	{GEN_PMCON_1, 0xa0 | SMI_LOCK, 0},
	{GEN_PMCON_1 + 1, 0x04, 0},
	{0xa2, 0xbf, 0}, /* GEN_PMCON_2 */
	{0xa4, 0x3d, 0}, /* GEN_PMCON_3 */
	{0xdc, 0x03, 0}, /* BIOS control */
	{RCBA, 0x01, 0},
	{RCBA + 1, 0xc0, 0},
	{RCBA + 2, 0xff, 0},
	{RCBA + 3, 0xff, 0},
};

static void init_config(struct ich9 *s)
{
	for (unsigned i = 0; i < ARRAY_SIZE(registers); i++) {
		s->pci.wmask[registers[i].offset] = registers[i].wmask;
		s->pci.pci_hw.cfg[registers[i].offset] = registers[i].reset;
	}
}

void ich9_place(struct dev *d, uint16_t pm_base, const uint8_t gsi[PIRQS])
{
	struct ich9 *s = to_ich9(d);

	dev_lock(d);
	pci_set16(&s->pci, PMBASE, pm_base | 1);
	s->pci.pci_hw.cfg[ACPI_CNTL] = ACPI_EN;
	for (unsigned n = 0; n < PIRQS; n++)
		s->pci.pci_hw.cfg[routing_register(n)] = gsi[n];
	update_all(s);
	dev_unlock(d);
}

/* ---- life ---- */

static bool realize(struct dev *d, GError **error)
{
	static const struct pci_conf conf = {.vendor = 0x8086,
		.device = 0x2918,
		.subsys_vendor = 0x1af4,
		.subsys = 0x1100,
		.class_code = 0x060100,
		.revision = 2,
		.multifunction = true};
	struct ich9 *s = to_ich9(d);

	if (!pci_dev_init(&s->pci, &pci_ops, &conf, error))
		return false;
	s->smm = s->smm && d->bus->accel->ops->smi;
	init_config(s);
	pirq_init(&s->pirq, d, PIRQS, FIRST_GSI);
	for (unsigned i = 0; i < ARRAY_SIZE(sci_gsi); i++) {
		if (sci_gsi[i])
			s->sci[sci_gsi[i]] = gsi_source(d->bus->gsi, sci_gsi[i]);
	}
	acpi_pm_init(&s->acpi, d, GPE_BYTES, on_timer);
	apm_init(&s->apm, d, on_apm);
	region_init_io(&s->pm, d, &pm_ops, "pm", BUS_PIO, PM_SIZE);
	region_init_io(&s->rcrb, d, &rcrb_ops, "rcrb", BUS_MMIO, RCRB_SIZE);
	return true;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct ich9 *s = to_ich9(d);

	pci_dev_reset(&s->pci);
	s->hw = (struct ich9_hw){.smi_en = smi_en_reset(s), .gcs = GCS_NO_REBOOT};
	s->apm.hw = (struct apm_hw){};
	acpi_pm_reset(&s->acpi);
	update_all(s);
}

static int post_load(struct dev *d)
{
	struct ich9 *s = to_ich9(d);

	update_all(s);
	pirq_post_load(&s->pirq);
	if (acpi_pm_post_load(&s->acpi) < 0)
		return -EINVAL;
	return pci_dev_post_load(&s->pci);
}

static void unrealize(struct dev *d)
{
	struct ich9 *s = to_ich9(d);

	acpi_pm_done(&s->acpi);
	pci_dev_done(&s->pci);
	pirq_done(&s->pirq);
}

static const struct prop props[] = {
	PROP_BOOL("smm", struct ich9, smm, true,
		"the APM port raises SMI, where the accelerator has system management mode"),
	PROP_END,
};

static const struct prop_table table = {.name = "ich9-lpc",
	.doc = "the q35 ISA bridge",
	.size = sizeof(struct ich9),
	.props = props};

static const struct state_field fields[] = {
	ST_MAX(struct ich9_hw, smi_en, SMI_EN_BITS),
	ST_MAX(struct ich9_hw, smi_sts, SMI_STS_BITS),
	ST_MAX(struct ich9_hw, gcs, GCS_WRITABLE | GCS_NO_REBOOT),
	ST_MAX(struct ich9_hw, oic, 3),
	ST_BOOL(struct ich9_hw, smi_broadcast),
	ST_PAD(struct ich9_hw, pad),
	ST_END,
};

static const struct state_desc state = {
	.name = "ich9-lpc", .version = 1, .size = sizeof(struct ich9_hw), .fields = fields};

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct ich9, pci.pci_hw)},
	{&state, offsetof(struct ich9, hw)},
	{&acpi_pm_state, offsetof(struct ich9, acpi.hw)},
	{&apm_state, offsetof(struct ich9, apm.hw)},
	{&pirq_state, offsetof(struct ich9, pirq.hw)},
	{},
};

const struct dev_ops ich9_lpc_ops = {
	.name = "ich9-lpc",
	.doc = "Intel 82801IB LPC interface bridge",
	.size = sizeof(struct ich9),
	.props = &table,
	.realize = realize,
	.reset = reset,
	.unrealize = unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = post_load,
	.state = parts,
};
