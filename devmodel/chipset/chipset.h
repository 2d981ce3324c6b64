/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chipset.h - the chips of the two machines, and the bridges that both can have.
 *
 *	pc   00.0 i440fx	82441FX: configuration mechanism 1, PAM shadowing, SMRAM
 *	     01.0 piix3		82371SB: PIRQ A..D → ISA IRQ, reset control register 0xCF9
 *	     01.3 piix4-pm	82371AB: ACPI registers, SCI, SMBus, APM ports
 *
 *	q35  00.0 mch		82Q35: mechanism 1, ECAM, PAM shadowing, SMRAM, TSEG
 *	     1f.0 ich9-lpc	82801IB: PIRQ A..H → IRQ or GSI 16..23, ACPI registers, SCI, APM and SMI, RCBA, 0xCF9
 *	     1f.3 ich9-smbus	82801IB SMBus
 *
 * Set-up order: host bridge (it makes the root bus), ISA bridge (its router becomes the host
 * bridge's), the rest. devmodel/chipset/acpi.h has what the two have in common of ACPI, and the
 * hotplug registers.
 */
#ifndef DEVMODEL_CHIPSET_CHIPSET_H
#define DEVMODEL_CHIPSET_CHIPSET_H

#include "devmodel/chipset/acpi.h"
#include "devmodel/pci/pci.h"

/* Ends with NULL. */
extern const struct dev_ops *const chipset_devices[];

/* ---- pc ---- */

extern const struct dev_ops i440fx_ops;
extern const struct dev_ops piix3_ops;
extern const struct dev_ops piix4_pm_ops;

/* The root bus that the host bridge makes. */
struct pci_bus *i440fx_pci_bus(struct dev *d);

/*
 * What the PAM registers shadow (82441FX data sheet, section 3.2.16): @ram is the block behind
 * 0xC0000..0xFFFFF (from its offset @ram_offset = 0xC0000 on), @rom what shows there where reading
 * is disabled: the last bytes of the firmware, ending at 1 MiB; NULL: nothing. Before realize.
 */
void i440fx_set_shadow(struct dev *d, struct gmem_block *ram, struct gmem_block *rom);

/* PIIX3's PIRQ inputs 0..3, to which the host bridge passes the root bus's interrupts. Set-up. */
void i440fx_set_router(struct dev *d, struct irq_sink *router);
struct irq_sink *piix3_router(struct dev *d);

/*
 * Direct boot, where no firmware does it: routes PIRQ A..D to @gsi; places the PM and SMBus
 * registers (I/O) and enables them. After bus_reset(). Bus lock held.
 */
void piix3_route(struct dev *d, const uint8_t gsi[4]);
void piix4_pm_place(struct dev *d, uint16_t pm_base, uint16_t smb_base);

/* Its ACPI registers: power button, general-purpose events. */
struct acpi_pm *piix4_pm_acpi(struct dev *d);
/* Power button: PM1_STS.PWRBTN_STS, SCI if enabled. Any thread. */
void piix4_pm_power_button(struct dev *d);
/* GPE0 status bit @n, SCI if enabled. Any thread. */
void piix4_pm_gpe(struct dev *d, unsigned n);

/* ---- q35 ---- */

extern const struct dev_ops mch_ops;
extern const struct dev_ops ich9_lpc_ops;
extern const struct dev_ops ich9_smbus_ops;

struct pci_bus *mch_pci_bus(struct dev *d);

/*
 * What the MCH's registers lay over each other. @ram is the block at address 0; @firmware as for
 * i440fx_set_shadow(). RAM below 4 GiB ends at @low_end (a multiple of 1 MiB: TOLUD), above 4 GiB
 * at @high_end (4 GiB when there is none: TOM, TOUUD). @smm: there is system management mode, if
 * the accelerator has it; without it TSEG and the SMRAM window stay closed. Before realize.
 */
struct mch_memory {
	struct gmem_block *ram, *firmware;
	uint64_t low_end, high_end;
	bool smm;
};
void mch_set_memory(struct dev *d, const struct mch_memory *m);

/* ICH9's PIRQ inputs 0..7 (A..H). Set-up. */
void mch_set_router(struct dev *d, struct irq_sink *router);
struct irq_sink *ich9_router(struct dev *d);

/*
 * Which PIRQ (0..7) a pin (1..4) of slot @slot of the root bus is wired to: 0 to 24 rotate through
 * E..H, from 25 on INTA to INTD are A to D (RCBA's DxxIR registers at their reset values). For
 * _PRT.
 */
unsigned ich9_pirq(unsigned slot, unsigned pin);

/* The base of ECAM as the guest has set it, 0: disabled. Any thread. */
uint64_t mch_ecam_base(struct dev *d);

/*
 * Direct boot: ECAM at @ecam_base with 256 buses, ACPI registers at @pm_base, PIRQ A..H routed to
 * the ISA IRQs @gsi (0 to 15) and, as always while they are not, to GSI 16 to 23. After
 * bus_reset(). Bus lock held.
 */
void mch_place_ecam(struct dev *d, uint64_t ecam_base);
void ich9_place(struct dev *d, uint16_t pm_base, const uint8_t gsi[8]);

struct acpi_pm *ich9_acpi(struct dev *d);

/*
 * SMI goes to all vCPUs, not only to the one that writes to the APM port: until the next reset,
 * when firmware has asked for it (fw_cfg "etc/smi/requested-features", bit 0). Any thread.
 */
void ich9_set_smi_broadcast(struct dev *d, bool on);

/* Where SeaBIOS and OVMF put them too. */
#define ICH9_PM_BASE  0x600
#define ICH9_GPE0_OFF 0x20 /* in PM_BASE, 16 bytes */
#define MCH_ECAM_BASE UINT64_C(0xb0000000)
#define MCH_ECAM_SIZE UINT64_C(0x10000000)

/* ---- bridges ---- */

extern const struct dev_ops pcie_root_port_ops;   /* 1b36:000c, one slot with hotplug */
extern const struct dev_ops i82801b11_bridge_ops; /* 8086:244e, PCI Express to conventional PCI */
extern const struct dev_ops pcie_pci_bridge_ops;  /* 1b36:000e, the same behind a port */
extern const struct dev_ops pci_bridge_ops;       /* 1b36:0001, conventional to conventional */

/*
 * The secondary bus of a realized bridge: where functions behind it are put (struct pci_dev.bus).
 */
struct pci_bus *bridge_pci_bus(struct dev *d);

/* ---- SMBus: serial presence detect ---- */

/*
 * The contents of the EEPROM at slave address 0x50 + @slot (0..7), 256 bytes, copied; of piix4-pm
 * and ich9-smbus. Before realize.
 */
void piix4_pm_set_spd(struct dev *d, unsigned slot, const uint8_t spd[256]);
void ich9_smbus_set_spd(struct dev *d, unsigned slot, const uint8_t spd[256]);

/* Fixed by our firmware tables: where SeaBIOS puts it too. */
#define PIIX4_PM_BASE   0x600
#define PIIX4_SMB_BASE  0x700
#define PIIX4_GPE0_BASE 0xafe0
#define ACPI_SCI_GSI    9

#endif
