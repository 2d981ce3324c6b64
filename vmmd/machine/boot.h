/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot.h - direct boot: a kernel, initrd and command line in guest memory, and the state in which vCPU 0 begins.
 *
 * bzImage by the 64-bit entry of the kernel's Documentation/x86/boot.rst, ELF with a PVH note by
 * xen/include/public/arch-x86/hvm/start_info.h. Images are untrusted files: every offset and size is checked against the file
 * and against guest memory before anything is written.
 *
 *	0x06000 GDT, PVH start info, module list, memory map	0x07000 boot_params	0x08ff0 stack
 *	0x09000 page tables (6 pages)	0x20000 command line	0x100000 and up: the kernel	top of low RAM: the initrd
 */
#ifndef VMMD_MACHINE_BOOT_H
#define VMMD_MACHINE_BOOT_H

#include "base/accel.h"

enum boot_memory_type { BOOT_RAM = 1, BOOT_RESERVED = 2, BOOT_ACPI = 3 }; /* as in E820 */

struct boot_memory {
	uint64_t start, size;
	uint32_t type;
};

struct boot_conf {
	int kernel_fd, initrd_fd; /* read with pread; initrd -1: none */
	const char *cmdline;      /* NULL: empty */
	uint64_t low_ram;         /* bytes of RAM from 0, below the PCI hole */
	uint64_t rsdp;            /* address, 0: no ACPI */
	const struct boot_memory *map;
	unsigned n_map;
};

#define BOOT_MAP_MAX 32

/*
 * Loads everything and fills @ret. Paused, inside a qs section. Errors name the file's flaw: not a kernel (what kinds are known),
 * truncated, too old, does not fit into memory (how much it needs).
 */
bool boot_load(
	struct gmem *g, const struct boot_conf *conf, struct accel_cpu_start *ret, GError **error);

#endif
