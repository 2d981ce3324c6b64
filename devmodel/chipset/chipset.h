/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chipset.h - the i440FX machine's chips: 82441FX host bridge (PMC), PIIX3 (82371SB) ISA bridge, PIIX4 (82371AB) power
 * management function.
 *
 *	00.0 i440fx	configuration mechanism 1 (0xCF8, 0xCFC), PAM shadowing, SMRAM register
 *	01.0 piix3	PIRQ router A..D → ISA IRQ, reset control register 0xCF9, ELCR
 *	01.3 piix4-pm	ACPI PM1, PM timer, GPE0, SCI on GSI 9, SMBus host registers
 */
#ifndef DEVMODEL_CHIPSET_CHIPSET_H
#define DEVMODEL_CHIPSET_CHIPSET_H

#include "devmodel/pci/pci.h"

/* Ends with NULL. */
extern const struct dev_ops *const chipset_devices[];

extern const struct dev_ops i440fx_ops;
extern const struct dev_ops piix3_ops;
extern const struct dev_ops piix4_pm_ops;

/* The root bus that the host bridge makes. Set-up order: i440fx, piix3 (which becomes its router), the rest. */
struct pci_bus *i440fx_pci_bus(struct dev *d);

/*
 * What the PAM registers shadow (82441FX data sheet, section 3.2.16): @ram is the block behind 0xC0000..0xFFFFF (from
 * its offset @ram_offset = 0xC0000 on), @rom what shows there where reading is disabled: the last bytes of the firmware, ending at
 * 1 MiB; NULL: nothing. Before realize.
 */
void i440fx_set_shadow(struct dev *d, struct gmem_block *ram, struct gmem_block *rom);

/* PIIX3's PIRQ inputs 0..3, to which the host bridge passes the root bus's interrupts. Set-up. */
void i440fx_set_router(struct dev *d, struct irq_sink *router);
struct irq_sink *piix3_router(struct dev *d);

/*
 * Direct boot, where no firmware does it: routes PIRQ A..D to @gsi; places the PM and SMBus registers (I/O) and enables them.
 * After bus_reset(). Bus lock held.
 */
void piix3_route(struct dev *d, const uint8_t gsi[4]);
void piix4_pm_place(struct dev *d, uint16_t pm_base, uint16_t smb_base);

/* Power button: PM1_STS.PWRBTN_STS, SCI if enabled. Takes the device's lock. Main thread. */
void piix4_pm_power_button(struct dev *d);
/* GPE0 status bit @n, SCI if enabled. Takes the device's lock. Main thread. */
void piix4_pm_gpe(struct dev *d, unsigned n);

/* Fixed by our firmware tables: where SeaBIOS puts it too. */
#define PIIX4_PM_BASE   0x600
#define PIIX4_SMB_BASE  0x700
#define PIIX4_GPE0_BASE 0xafe0
#define ACPI_SCI_GSI    9

#endif
