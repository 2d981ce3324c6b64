/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acpi-internal.h - how tables are written; see acpi.h.
 *
 *	acpi.c          framing, root tables
 *	acpi-tables.c   tables of fixed structure
 *	acpi-ssdt.c     AML that differs from VM to VM
 *	acpi-loader.c   the script for firmware
 */
#ifndef VMMD_MACHINE_ACPI_INTERNAL_H
#define VMMD_MACHINE_ACPI_INTERNAL_H

#include "base/util.h"
#include "vmmd/machine/acpi.h"

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

_Static_assert(sizeof(struct acpi_header) == 36, "ACPI table header");

void acpi_put(GByteArray *out, const void *p, size_t n);
/* Starts a table; returns where. What follows is its body. */
uint32_t acpi_table_begin(struct acpi_tables *t, const char *signature, uint8_t revision);
/* Ends the table that began at @start: length, checksum. */
void acpi_table_end(struct acpi_tables *t, uint32_t start);
/* The @size bytes at @at will be the address of what lies at offset @target of the tables. */
void acpi_add_pointer(
	struct acpi_tables *t, bool in_rsdp, uint32_t at, uint8_t size, uint32_t target);

/* Each adds its table and returns where it begins. */
uint32_t acpi_add_facs(struct acpi_tables *t);
uint32_t acpi_add_fadt(
	struct acpi_tables *t, const struct acpi_conf *conf, uint32_t facs, uint32_t dsdt);
uint32_t acpi_add_dsdt(struct acpi_tables *t, const struct acpi_conf *conf);
uint32_t acpi_add_ssdt(struct acpi_tables *t, const struct acpi_conf *conf);
uint32_t acpi_add_madt(struct acpi_tables *t, const struct acpi_conf *conf);
uint32_t acpi_add_waet(struct acpi_tables *t, const struct acpi_conf *conf);
uint32_t acpi_add_hpet(struct acpi_tables *t, const struct acpi_conf *conf);
uint32_t acpi_add_mcfg(struct acpi_tables *t, const struct acpi_conf *conf);
uint32_t acpi_add_srat(struct acpi_tables *t, const struct acpi_conf *conf);

#endif
