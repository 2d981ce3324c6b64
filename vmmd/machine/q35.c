/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machine type q35: Q35 host bridge with memory-mapped configuration space, ICH9. */
#include "devmodel/chipset/chipset.h"
#include "vmmd/machine/acpi.h"
#include "vmmd/machine/machine-internal.h"

#define LPC_SLOT       0x1f
#define SMBUS_FUNCTION 3

static bool build(struct machine *m, GError **error)
{
	const struct mch_memory memory = {
		.ram = m->ram,
		.firmware = m->firmware,
		.low_end = m->low_size,
		.high_end = 4 * GiB + m->high_size,
		.smm = machine_has_smm(m),
	};
	struct dev *d = dev_new(m->bus, &mch_ops, mch_ops.name);

	mch_set_memory(d, &memory);
	if (!dev_realize(d, error))
		return false;
	m->host = d;
	m->pci = mch_pci_bus(d);
	m->isa = machine_add_function(m, &ich9_lpc_ops, LPC_SLOT, 0, error);
	if (!m->isa)
		return false;
	m->pm = m->isa;
	mch_set_router(m->host, ich9_router(m->isa));
	return machine_add_function(m, &ich9_smbus_ops, LPC_SLOT, SMBUS_FUNCTION, error);
}

/* Configuration space begins where RAM ends at the latest; with more RAM than fits below, 2 GiB of addresses are for PCI. */
static uint64_t low_end(uint64_t size)
{
	return size <= MCH_ECAM_BASE ? MCH_ECAM_BASE : 2 * GiB;
}

static const uint8_t pirq_irqs[8] = {10, 10, 11, 11, 10, 10, 11, 11};

static void direct(struct machine *m)
{
	mch_place_ecam(m->host, MCH_ECAM_BASE);
	ich9_place(m->isa, ICH9_PM_BASE, pirq_irqs);
}

/* Before firmware has set it: where SeaBIOS and a direct boot have it. */
static uint64_t ecam(const struct machine *m)
{
	uint64_t base = mch_ecam_base(m->host);

	return base ? base : MCH_ECAM_BASE;
}

static void power_button(struct machine *m)
{
	acpi_pm_power_button(ich9_acpi(m->isa));
}

const struct machine_type machine_q35 = {
	.acpi = &acpi_q35,
	.isa_bridge = {LPC_SLOT, 0},
	.low_end = low_end,
	.ecam = ecam,
	.build = build,
	.pam0 = 0x90,
	.hpet_intcap = 0xff0104,
	.direct_mem = MCH_ECAM_BASE + MCH_ECAM_SIZE,
	.pirq_irqs = pirq_irqs,
	.direct = direct,
	.power_button = power_button,
};
