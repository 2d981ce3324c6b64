/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smbios.h - what the machine says of itself. SMBIOS specification 3.6; entry point of 2.8, which every firmware and system reads.
 */
#ifndef VMMD_MACHINE_SMBIOS_H
#define VMMD_MACHINE_SMBIOS_H

#include "api/vmspec.h"

struct smbios_tables {
	GByteArray *tables;
	uint8_t anchor[31]; /* entry point, table address 0 */
};

struct smbios_conf {
	const struct vm_spec *spec;
	unsigned sockets;
	uint64_t low_size, high_size; /* of RAM below and above 4 GiB */
	bool firmware;                /* writes a type 0 of its own */
};

struct smbios_tables *smbios_build(const struct smbios_conf *conf);
void smbios_free(struct smbios_tables *t); /* NULL is fine */

/* The tables will be at @gpa: address and checksums of the entry point. */
void smbios_place(struct smbios_tables *t, uint32_t gpa);

/* Firmware reads these and places them. */
#define SMBIOS_FILE_TABLES "etc/smbios/smbios-tables"
#define SMBIOS_FILE_ANCHOR "etc/smbios/smbios-anchor"

#endif
