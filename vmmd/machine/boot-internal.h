/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot-internal.h - what the kernel formats share; see boot.h. */
#ifndef VMMD_MACHINE_BOOT_INTERNAL_H
#define VMMD_MACHINE_BOOT_INTERNAL_H

#include "base/error.h"
#include "vmmd/machine/boot.h"

#define BOOT_GDT         0x6000
#define BOOT_START_INFO  0x6100
#define BOOT_MODULES     0x6200
#define BOOT_PVH_MAP     0x6400
#define BOOT_PARAMS      0x7000
#define BOOT_STACK       0x8ff0
#define BOOT_PAGE_TABLES 0x9000
#define BOOT_CMDLINE     0x20000
#define BOOT_CMDLINE_MAX 0x10000 /* bytes with the terminating zero */
#define BOOT_KERNEL_MIN  0x100000

struct boot_image {
	int fd;
	uint64_t size;
};

/* All of [@off, @off + @n) into @dst. */
bool boot_read(const struct boot_image *img, uint64_t off, void *dst, size_t n, GError **error);
/* All of it into guest memory at @gpa. */
bool boot_copy(struct gmem *g, const struct boot_image *img, uint64_t off, uint64_t gpa, uint64_t n,
	GError **error);
/* A small structure into guest memory. */
bool boot_put(struct gmem *g, uint64_t gpa, const void *src, size_t n, GError **error);
/* The initrd at the top of low RAM but not above @limit, clear of [0, @kernel_end). 0 bytes without one. */
bool boot_initrd(struct gmem *g, const struct boot_conf *conf, uint64_t kernel_end, uint64_t limit,
	uint64_t *ret_start, uint64_t *ret_size, GError **error);
/* The command line, at most @max bytes. */
bool boot_cmdline(struct gmem *g, const struct boot_conf *conf, size_t max, GError **error);
/* Flat GDT of struct accel_cpu_start; identity map of the first 4 GiB in 2 MiB pages. */
bool boot_gdt(struct gmem *g, GError **error);
bool boot_page_tables(struct gmem *g, GError **error);

bool boot_bzimage(struct gmem *g, const struct boot_conf *conf, const struct boot_image *img,
	struct accel_cpu_start *ret, GError **error);
bool boot_elf(struct gmem *g, const struct boot_conf *conf, const struct boot_image *img,
	struct accel_cpu_start *ret, GError **error);

#endif
