/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 82371AB power management function (PIIX4), Intel order number 290562, chapters 7 and 11.
 * General-purpose events are not at PMBA + 0x0C but in a block of their own, as in QEMU's machine,
 * for which operating systems' drivers are written. No system management mode: the chip reports its
 * APM port as already set up, so firmware installs no handler.
 */
#include <errno.h>

#include "devmodel/chipset/chips.h"

#define PMBA            0x40 /* I/O base, section 7.1.1 */
#define DEVACTB         0x58
#define DEVACTB_APMC_EN 0x02 /* bit 25: of the byte at 0x5b */
#define PMREGMISC       0x80
#define PMIOSE          0x01
#define SMBBA           0x90
#define SMBHSTCFG       0xd2
#define SMB_HST_EN      0x01

#define PM_SIZE   64
#define GPE_BYTES 2 /* of status, then as many of enable */
#define SMB_SIZE  16

struct piix4_pm {
	struct pci_dev pci;
	struct acpi_pm acpi;
	struct smbus smbus;
	struct apm apm;
	struct region pm, smb, gpe;
};

static struct piix4_pm *to_pm(struct dev *d)
{
	return container_of(to_pci_dev(d), struct piix4_pm, pci);
}

/* ---- registers ---- */

static uint64_t pm_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return acpi_pm_read(&to_pm(d)->acpi, (unsigned)offset, size);
}

static void pm_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	acpi_pm_write(&to_pm(d)->acpi, (unsigned)offset, size, (uint32_t)value);
}

static const struct region_ops pm_region_ops = {
	.read = pm_read, .write = pm_write, .min = 1, .max = 4};

static uint64_t gpe_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return acpi_gpe_read(&to_pm(d)->acpi, (unsigned)offset);
}

static void gpe_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	acpi_gpe_write(&to_pm(d)->acpi, (unsigned)offset, (uint8_t)value);
}

static const struct region_ops gpe_region_ops = {
	.read = gpe_read, .write = gpe_write, .min = 1, .max = 1};

static uint64_t smb_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return smbus_read(&to_pm(d)->smbus, (unsigned)offset);
}

static void smb_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	smbus_write(&to_pm(d)->smbus, (unsigned)offset, (uint8_t)value);
}

static const struct region_ops smb_region_ops = {
	.read = smb_read, .write = smb_write, .min = 1, .max = 1};

static void on_timer(struct dev *d)
{
	acpi_pm_tick(&to_pm(d)->acpi);
}

/* ---- what the machine asks for ---- */

struct acpi_pm *piix4_pm_acpi(struct dev *d)
{
	return &to_pm(d)->acpi;
}

void piix4_pm_gpe(struct dev *d, unsigned n)
{
	acpi_pm_gpe(&to_pm(d)->acpi, n);
}

void piix4_pm_power_button(struct dev *d)
{
	acpi_pm_power_button(&to_pm(d)->acpi);
}

void piix4_pm_set_spd(struct dev *d, unsigned slot, const uint8_t spd[256])
{
	smbus_set_spd(&to_pm(d)->smbus, slot, spd);
}

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
	acpi_pm_init(&s->acpi, d, GPE_BYTES, on_timer);
	acpi_pm_set_sci(&s->acpi, gsi_source(d->bus->gsi, ACPI_SCI_GSI));
	apm_init(&s->apm, d, NULL);
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
	acpi_pm_reset(&s->acpi);
	s->smbus.hw = (struct smbus_hw){};
	s->apm.hw = (struct apm_hw){};
	update_maps(s);
}

static int post_load(struct dev *d)
{
	struct piix4_pm *s = to_pm(d);

	update_maps(s);
	if (acpi_pm_post_load(&s->acpi) < 0)
		return -EINVAL;
	return pci_dev_post_load(&s->pci);
}

static void unrealize(struct dev *d)
{
	struct piix4_pm *s = to_pm(d);

	acpi_pm_done(&s->acpi);
	smbus_done(&s->smbus);
	pci_dev_done(&s->pci);
}

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct piix4_pm, pci.pci_hw)},
	{&acpi_pm_state, offsetof(struct piix4_pm, acpi.hw)},
	{&smbus_state, offsetof(struct piix4_pm, smbus.hw)},
	{&apm_state, offsetof(struct piix4_pm, apm.hw)},
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
