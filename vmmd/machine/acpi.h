/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acpi.h - the ACPI tables of a machine. ACPI Specification 6.4, chapter 5.
 *
 * One blob of tables with offsets where addresses will be, and the list of fix-ups that makes them addresses: firmware does it
 * with its own placement (fw_cfg table loader), direct boot with acpi_place().
 */
#ifndef VMMD_MACHINE_ACPI_H
#define VMMD_MACHINE_ACPI_H

#include <glib.h>

#include "base/accel.h"

/* What is fixed for a machine type. */
struct acpi_chipset {
	const uint8_t *dsdt;
	size_t dsdt_size;
	uint16_t pm_base; /* PM1a event block; control block at + 4, timer at + 8 */
	uint16_t gpe0_base;
	uint8_t gpe0_len;
	uint16_t level_irqs; /* ISA interrupts that are level-triggered, active high, a bit each */
	/* Which link, 0 = LNKA, pin 1 to 4 of a slot of the root bus is wired to. */
	unsigned (*pirq)(unsigned slot, unsigned pin);
	uint8_t pirq_gsi; /* GSI of LNKA's line while the IOAPIC is in use; 0: that of the link */
};

extern const struct acpi_chipset acpi_pc, acpi_q35;

struct acpi_memory {
	uint64_t start, size;
	uint32_t node;
};

struct acpi_conf {
	const struct acpi_chipset *chipset;
	struct accel_cpus cpus;
	unsigned com_ports; /* bit n: COMn+1 */
	bool pvpanic, fdc;
	uint32_t
		pci_window_first; /* memory of PCI below 4 GiB, up to the IOAPIC and but for ecam */
	uint64_t pci_window64, pci_window64_size; /* above 4 GiB; 0: none */
	uint64_t hpet;                            /* its address; 0: none */
	uint32_t hpet_id;                         /* low half of its capabilities register */
	uint64_t ecam;             /* memory-mapped configuration space of ecam_buses buses */
	unsigned ecam_buses;       /* 0: none */
	const uint32_t *cpu_nodes; /* NUMA node of each vCPU */
	const struct acpi_memory *memory;
	size_t n_memory; /* 0: no NUMA */
};

/* The @size bytes at @at hold an offset into the tables, to which their address is added. */
struct acpi_pointer {
	bool in_rsdp; /* @at is in the RSDP, else in the tables */
	uint32_t at;
	uint8_t size;
};

/* The byte at @at makes the bytes [@start, @start + @len) sum to 0. */
struct acpi_checksum {
	bool in_rsdp;
	uint32_t at, start, len;
};

struct acpi_tables {
	GByteArray *tables; /* FACS first, 64-byte aligned; all below 4 GiB */
	GByteArray *rsdp;
	GArray *pointers;  /* struct acpi_pointer */
	GArray *checksums; /* struct acpi_checksum */
};

/* Owned by the caller. */
struct acpi_tables *acpi_build(const struct acpi_conf *conf);
void acpi_free(struct acpi_tables *t);

/* Direct boot: turns offsets into addresses for tables at @tables_gpa and computes checksums. Once. */
void acpi_place(struct acpi_tables *t, uint32_t tables_gpa);

/* Firmware: the contents of etc/table-loader, for files named as below. QEMU's table loader protocol. */
#define ACPI_FILE_TABLES "etc/acpi/tables"
#define ACPI_FILE_RSDP   "etc/acpi/rsdp"
#define ACPI_FILE_LOADER "etc/table-loader"
GByteArray *acpi_loader_script(const struct acpi_tables *t);

#endif
