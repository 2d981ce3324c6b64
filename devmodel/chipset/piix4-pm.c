/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 82371AB power management function (PIIX4), Intel order number 290562, chapters 7 and 11; fixed
 * ACPI hardware as in the ACPI specification, section 4.8. General-purpose events are not at PMBA +
 * 0x0C but in a block of their own, as in QEMU's machine, for which operating systems' drivers are
 * written. No system management mode: SCI_EN is always set, and the chip reports its APM port as
 * already set up, so firmware installs no handler. No slave answers on the SMBus.
 */
#include "devmodel/chipset/chipset.h"

#define PMBA            0x40 /* I/O base, section 7.1.1 */
#define DEVACTB         0x58
#define DEVACTB_APMC_EN 0x02 /* bit 25: of the byte at 0x5b */
#define PMREGMISC       0x80
#define PMIOSE          0x01
#define SMBBA           0x90
#define SMBHSTCFG       0xd2
#define SMB_HST_EN      0x01

enum { PM1_STS = 0, PM1_EN = 2, PM1_CNT = 4, PM_TMR = 8, PM_SIZE = 64 };
#define STS_TMR    0x0001
#define STS_GBL    0x0020
#define STS_PWRBTN 0x0100
#define STS_RTC    0x0400
#define STS_WAK    0x8000
#define STS_ALL    (STS_TMR | 0x0010 | STS_GBL | STS_PWRBTN | STS_RTC | STS_WAK)
#define EN_ALL     (STS_TMR | STS_GBL | STS_PWRBTN | STS_RTC)
#define CNT_SCI_EN 0x0001
#define CNT_SLP_EN 0x2000
#define CNT_STORED 0x1c02 /* BM_RLD, SLP_TYP */
#define SLP_TYP(v) ((v) >> 10 & 7)
#define SLP_S5     0

#define PM_TIMER_HZ   UINT64_C(3579545)
#define PM_TIMER_MASK 0xffffffu

enum { SMB_STS = 0, SMB_CNT = 2, SMB_REGS = 8, SMB_SIZE = 16 };
#define SMB_STS_DEV_ERR 0x04
#define SMB_STS_W1C     0x1e
#define SMB_CNT_START   0x40

#define GPE_BYTES 2 /* of status, then as many of enable */

struct pm_hw {
	uint16_t sts, en, cnt;
	uint8_t gpe_sts[GPE_BYTES], gpe_en[GPE_BYTES];
	uint8_t smb[SMB_REGS];
	uint8_t pad[6];
	uint64_t
		overflow; /* virtual ns at which the timer's bit 23 changes next and sets TMR_STS */
};

struct piix4_pm {
	struct pci_dev pci;
	struct pm_hw hw;
	struct region pm, smb, gpe;
	struct dev_timer timer; /* armed while its interrupt is wanted */
	struct irq sci;
};

static struct piix4_pm *to_pm(struct dev *d)
{
	return container_of(to_pci_dev(d), struct piix4_pm, pci);
}

/* ---- SCI and timer ---- */

static uint64_t ticks_of_ns(uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * PM_TIMER_HZ / NSEC_PER_SEC);
}

/* The first ns at which the timer shows @ticks. */
static uint64_t ns_of_ticks(uint64_t ticks)
{
	return (uint64_t)(((unsigned __int128)ticks * NSEC_PER_SEC + PM_TIMER_HZ - 1) /
			  PM_TIMER_HZ);
}

static uint64_t now(struct piix4_pm *s)
{
	return (uint64_t)dev_clock(DEV(&s->pci), VM_CLOCK_VIRTUAL);
}

/* When the top bit changes next: every 2^23 ticks. */
static uint64_t next_overflow(uint64_t ns)
{
	const uint64_t half = (PM_TIMER_MASK + 1) / 2;

	return ns_of_ticks((ticks_of_ns(ns) / half + 1) * half);
}

/* Brings TMR_STS up to date with the clock. */
static void update_timer_status(struct piix4_pm *s)
{
	if (now(s) >= s->hw.overflow) {
		s->hw.sts |= STS_TMR;
		s->hw.overflow = next_overflow(now(s));
	}
}

static void update_sci(struct piix4_pm *s)
{
	bool level = s->hw.sts & s->hw.en & EN_ALL;

	for (unsigned i = 0; i < GPE_BYTES; i++)
		level |= s->hw.gpe_sts[i] & s->hw.gpe_en[i];
	irq_set(&s->sci, level);
	/*
	 * Nobody needs to be woken for an overflow that interrupts nobody, or has done so already.
	 */
	if ((s->hw.en & STS_TMR) && !(s->hw.sts & STS_TMR))
		dev_timer_set(&s->timer, (int64_t)s->hw.overflow);
	else
		dev_timer_cancel(&s->timer);
}

static void on_overflow(struct dev *d)
{
	struct piix4_pm *s = to_pm(d);

	update_timer_status(s);
	update_sci(s);
}

/* ---- PM registers ---- */

static uint64_t pm_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct piix4_pm *s = to_pm(d);
	uint64_t block[PM_SIZE / 8] = {};
	uint8_t *b = (uint8_t *)block;
	uint64_t v = 0;

	update_timer_status(s);
	*(uint16_t *)(void *)(b + PM1_STS) = s->hw.sts;
	*(uint16_t *)(void *)(b + PM1_EN) = s->hw.en;
	*(uint16_t *)(void *)(b + PM1_CNT) = s->hw.cnt;
	*(uint32_t *)(void *)(b + PM_TMR) = (uint32_t)(ticks_of_ns(now(s)) & PM_TIMER_MASK);
	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)b[offset + i] << (8 * i);
	return v;
}

static void write_cnt(struct piix4_pm *s, uint16_t value)
{
	struct bus *b = s->pci.dev.bus;

	s->hw.cnt = (value & CNT_STORED) | CNT_SCI_EN;
	if ((value & CNT_SLP_EN) && SLP_TYP(value) == SLP_S5)
		b->request(b, BUS_REQUEST_SHUTDOWN, 0);
}

/* One byte at a time: a guest may write any of them by itself. */
static void pm_write_byte(struct piix4_pm *s, uint64_t offset, uint8_t value)
{
	unsigned shift = offset & 1 ? 8 : 0;
	uint16_t v = (uint16_t)(value << shift), mask = (uint16_t)(0xff << shift);

	switch (offset & ~UINT64_C(1)) {
	case PM1_STS: s->hw.sts &= (uint16_t) ~(v & STS_ALL); break;
	case PM1_EN: s->hw.en = (uint16_t)((s->hw.en & ~mask) | (v & EN_ALL)); break;
	case PM1_CNT: write_cnt(s, (uint16_t)((s->hw.cnt & ~mask) | v)); break;
	default: break;
	}
}

static void pm_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct piix4_pm *s = to_pm(d);

	update_timer_status(s);
	for (unsigned i = 0; i < size; i++)
		pm_write_byte(s, offset + i, (uint8_t)(value >> (8 * i)));
	update_sci(s);
}

static const struct region_ops pm_region_ops = {
	.read = pm_read, .write = pm_write, .min = 1, .max = 4};

/* ---- general-purpose events ---- */

static uint64_t gpe_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	const struct piix4_pm *s = to_pm(d);

	return offset < GPE_BYTES ? s->hw.gpe_sts[offset] : s->hw.gpe_en[offset - GPE_BYTES];
}

static void gpe_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct piix4_pm *s = to_pm(d);

	if (offset < GPE_BYTES)
		s->hw.gpe_sts[offset] &= (uint8_t)~value;
	else
		s->hw.gpe_en[offset - GPE_BYTES] = (uint8_t)value;
	update_sci(s);
}

static const struct region_ops gpe_region_ops = {
	.read = gpe_read, .write = gpe_write, .min = 1, .max = 1};

void piix4_pm_gpe(struct dev *d, unsigned n)
{
	struct piix4_pm *s = to_pm(d);

	dev_lock(d);
	s->hw.gpe_sts[n / 8 % GPE_BYTES] |= (uint8_t)(1u << n % 8);
	update_sci(s);
	dev_unlock(d);
}

void piix4_pm_power_button(struct dev *d)
{
	struct piix4_pm *s = to_pm(d);

	dev_lock(d);
	s->hw.sts |= STS_PWRBTN;
	update_sci(s);
	dev_unlock(d);
}

/* ---- SMBus host controller, chapter 11 ---- */

static uint64_t smb_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return offset < SMB_REGS ? to_pm(d)->hw.smb[offset] : 0;
}

static void smb_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	uint8_t *smb = to_pm(d)->hw.smb;

	if (offset >= SMB_REGS)
		return;
	if (offset == SMB_STS) {
		smb[SMB_STS] &= (uint8_t) ~(value & SMB_STS_W1C);
		return;
	}
	smb[offset] = (uint8_t)value;
	if (offset == SMB_CNT && (value & SMB_CNT_START)) {
		smb[SMB_CNT] &= (uint8_t)~SMB_CNT_START;
		smb[SMB_STS] |= SMB_STS_DEV_ERR;
	}
}

static const struct region_ops smb_region_ops = {
	.read = smb_read, .write = smb_write, .min = 1, .max = 1};

/* ---- where the registers are ---- */

static void update_map(
	struct piix4_pm *s, struct region *r, unsigned base_reg, bool enabled, uint16_t mask)
{
	uint16_t base = pci_get16(&s->pci, base_reg) & mask;
	struct bus *b = s->pci.dev.bus;

	if (enabled && base)
		region_map(b, r, base, REGION_PRIO_DEVICE);
	else
		region_unmap(b, r);
}

static void update_maps(struct piix4_pm *s)
{
	const uint8_t *cfg = s->pci.pci_hw.cfg;

	update_map(s, &s->pm, PMBA, cfg[PMREGMISC] & PMIOSE, (uint16_t) ~(PM_SIZE - 1));
	update_map(s, &s->smb, SMBBA, cfg[SMBHSTCFG] & SMB_HST_EN, (uint16_t) ~(SMB_SIZE - 1));
}

static void config_write(struct pci_dev *p, unsigned offset, unsigned size)
{
	update_maps(container_of(p, struct piix4_pm, pci));
}

static const struct pci_ops pci_ops = {.config_write = config_write};

void piix4_pm_place(struct dev *d, uint16_t pm_base, uint16_t smb_base)
{
	struct piix4_pm *s = to_pm(d);

	dev_lock(d);
	pci_set16(&s->pci, PMBA, pm_base | 1);
	pci_set16(&s->pci, SMBBA, smb_base | 1);
	s->pci.pci_hw.cfg[PMREGMISC] |= PMIOSE;
	s->pci.pci_hw.cfg[SMBHSTCFG] |= SMB_HST_EN;
	update_maps(s);
	dev_unlock(d);
}

/* ---- life ---- */

/* Registers that firmware writes, with the values that they have at reset. */
static void init_config(struct piix4_pm *s)
{
	uint8_t *cfg = s->pci.pci_hw.cfg, *wmask = s->pci.wmask;

	pci_set16(&s->pci, PMBA, 1);
	wmask[PMBA] = (uint8_t) ~(PM_SIZE - 1);
	wmask[PMBA + 1] = 0xff;
	pci_set16(&s->pci, SMBBA, 1);
	wmask[SMBBA] = (uint8_t) ~(SMB_SIZE - 1);
	wmask[SMBBA + 1] = 0xff;
	wmask[PMREGMISC] = PMIOSE;
	wmask[SMBHSTCFG] = 0x0f;
	cfg[DEVACTB + 3] = DEVACTB_APMC_EN;
}

static bool realize(struct dev *d, GError **error)
{
	static const struct pci_conf conf = {.vendor = 0x8086,
		.device = 0x7113,
		.subsys_vendor = 0x1af4,
		.subsys = 0x1100,
		.class_code = 0x068000,
		.revision = 3,
		.pin = 1};
	struct piix4_pm *s = to_pm(d);

	if (!pci_dev_init(&s->pci, &pci_ops, &conf, error))
		return false;
	init_config(s);
	s->sci = gsi_source(d->bus->gsi, ACPI_SCI_GSI);
	dev_timer_init(&s->timer, d, VM_CLOCK_VIRTUAL, on_overflow);
	region_init_io(&s->pm, d, &pm_region_ops, "pm", BUS_PIO, PM_SIZE);
	region_init_io(&s->smb, d, &smb_region_ops, "smbus", BUS_PIO, SMB_SIZE);
	region_init_io(&s->gpe, d, &gpe_region_ops, "gpe0", BUS_PIO, 2 * GPE_BYTES);
	region_map(d->bus, &s->gpe, PIIX4_GPE0_BASE, REGION_PRIO_DEVICE);
	return true;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct piix4_pm *s = to_pm(d);

	pci_dev_reset(&s->pci);
	s->hw = (struct pm_hw){.cnt = CNT_SCI_EN, .overflow = next_overflow(now(s))};
	update_maps(s);
	update_sci(s);
}

static int post_load(struct dev *d)
{
	struct piix4_pm *s = to_pm(d);

	update_maps(s);
	update_sci(s);
	return pci_dev_post_load(&s->pci);
}

static void unrealize(struct dev *d)
{
	struct piix4_pm *s = to_pm(d);

	dev_lock(d);
	if (s->timer.dev)
		dev_timer_cancel(&s->timer);
	dev_unlock(d);
	irq_set(&s->sci, false);
	pci_dev_done(&s->pci);
}

static const struct state_field fields[] = {
	ST_MAX(struct pm_hw, sts, STS_ALL),
	ST_MAX(struct pm_hw, en, EN_ALL),
	ST_RANGE(struct pm_hw, cnt, CNT_SCI_EN, CNT_STORED | CNT_SCI_EN),
	ST_BYTES(struct pm_hw, gpe_sts),
	ST_BYTES(struct pm_hw, gpe_en),
	ST_BYTES(struct pm_hw, smb),
	ST_PAD(struct pm_hw, pad),
	ST_MAX(struct pm_hw, overflow, INT64_MAX),
	ST_END,
};

static const struct state_desc state = {
	.name = "piix4-pm", .version = 1, .size = sizeof(struct pm_hw), .fields = fields};

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct piix4_pm, pci.pci_hw)},
	{&state, offsetof(struct piix4_pm, hw)},
	{},
};

const struct dev_ops piix4_pm_ops = {
	.name = "piix4-pm",
	.doc = "Intel 82371AB power management function",
	.size = sizeof(struct piix4_pm),
	.realize = realize,
	.reset = reset,
	.unrealize = unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = post_load,
	.state = parts,
};
