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

struct acpi_conf {
	struct accel_cpus cpus;
	unsigned com_ports; /* bit n: COMn+1 */
	bool pvpanic;
	uint32_t pci_window_first; /* first byte of the 32-bit PCI memory window */
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
