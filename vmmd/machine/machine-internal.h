/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine-internal.h - what the files of this folder share.
 *
 *	machine.c     memory, accelerator, order of construction
 *	pc.c	      the chips and ports of machine type pc
 *	devices.c     disks, NICs, consoles and other devices of the spec, with their back-ends
 *	start.c	      reset: fw_cfg, firmware tables, direct boot
 *	direct.c      what firmware would have set up, for a direct boot
 *	acpi.c aml.c dsdt-pc.asl   ACPI
 *	boot*.c	      kernels
 */
#ifndef VMMD_MACHINE_MACHINE_INTERNAL_H
#define VMMD_MACHINE_MACHINE_INTERNAL_H

#include "base/error.h"
#include "devmodel/pci/pci.h"
#include "vmmd/machine/machine.h"

#define PCI_HOLE_START (UINT64_C(3) * GiB)  /* RAM below 4 GiB ends here at the latest */
#define PCI_HOLE_END   UINT64_C(0xfec00000) /* IOAPIC, LAPIC, firmware from here on */
#define PCI_IO_FIRST   0xc000u              /* BARs of a direct boot */
#define VGA_START      UINT64_C(0xa0000)
#define VGA_SIZE       UINT64_C(0x20000)
#define TABLES_START   UINT64_C(0xe0000) /* ACPI tables of a direct boot */
#define TABLES_SIZE    UINT64_C(0x20000)
#define FIRMWARE_MAX   (16 * MiB)

bool machine_build_pc(struct machine *m, GError **error);
bool machine_build_devices(struct machine *m, GError **error);

/* A new device of @ops, realized; on failure NULL. */
struct dev *machine_add(
	struct machine *m, const struct dev_ops *ops, const char *id, GError **error);

/* A chardev of the spec, owned by the machine. NULL with @error set. */
struct chardev *machine_add_chardev(
	struct machine *m, const char *id, const struct spec_chardev *c, GError **error);

/* What the firmware is told about the machine and by the operator; once. */
bool machine_fill_fw_cfg(struct machine *m, GError **error);

/* First byte of the 32-bit PCI memory window. */
uint32_t machine_pci_window(const struct machine *m);
unsigned machine_com_ports(const struct machine *m);

/*
 * Places BARs, routes interrupts, enables functions, opens the BIOS area for writing: the state in which firmware hands over. After
 * bus_reset().
 */
bool machine_direct_setup(struct machine *m, GError **error);

#endif
