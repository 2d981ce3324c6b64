/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machine type pc: i440FX, PIIX3, PIIX4 power management. */
#include "devmodel/chipset/chipset.h"
#include "devmodel/storage/storage.h"
#include "vmmd/machine/acpi.h"
#include "vmmd/machine/machine-internal.h"

static bool add_chipset(struct machine *m, GError **error)
{
	struct dev *d = dev_new(m->bus, &i440fx_ops, i440fx_ops.name);

	i440fx_set_shadow(d, m->ram, m->firmware);
	if (!dev_realize(d, error))
		return false;
	m->host = d;
	m->pci = i440fx_pci_bus(d);
	m->isa = machine_add_function(m, &piix3_ops, 1, 0, error);
	if (!m->isa)
		return false;
	i440fx_set_router(m->host, piix3_router(m->isa));
	m->pm = machine_add_function(m, &piix4_pm_ops, 1, 3, error);
	return m->pm;
}

static uint64_t low_end(uint64_t size)
{
	return PCI_HOLE_START;
}

/* Two lines, as SeaBIOS spreads them. */
static const uint8_t pirq_irqs[4] = {10, 10, 11, 11};

static void direct(struct machine *m)
{
	piix3_route(m->isa, pirq_irqs);
	piix4_pm_place(m->pm, PIIX4_PM_BASE, PIIX4_SMB_BASE);
	for (struct dev *d = m->bus->devs; d; d = d->next) {
		if (d->ops == &piix3_ide_ops)
			piix_ide_enable(d);
	}
}

static void power_button(struct machine *m)
{
	piix4_pm_power_button(m->pm);
}

const struct machine_type machine_pc = {
	.acpi = &acpi_pc,
	.isa_bridge = {1, 0},
	.low_end = low_end,
	.build = add_chipset,
	.pam0 = 0x59,
	.hpet_intcap = 0x4,
	.pirq_irqs = pirq_irqs,
	.direct = direct,
	.power_button = power_button,
};
