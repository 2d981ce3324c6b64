/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Linux/x86 boot protocol 2.12 and later, 64-bit entry: Documentation/x86/boot.rst of the kernel. */
#include <inttypes.h>
#include <string.h>

#include "vmmd/machine/boot-internal.h"

#define PAGE_ZERO_SIZE 4096

/* Offsets in the file's first sectors, and the same in boot_params. */
enum {
	HDR_START = 0x1f1,
	HDR_SETUP_SECTS = 0x1f1,
	HDR_BOOT_FLAG = 0x1fe,
	HDR_JUMP_LEN = 0x201,
	HDR_MAGIC = 0x202,
	HDR_VERSION = 0x206,
	HDR_LOADER = 0x210,
	HDR_LOADFLAGS = 0x211,
	HDR_RAMDISK_IMAGE = 0x218,
	HDR_RAMDISK_SIZE = 0x21c,
	HDR_CMDLINE_PTR = 0x228,
	HDR_INITRD_MAX = 0x22c,
	HDR_ALIGNMENT = 0x230,
	HDR_RELOCATABLE = 0x234,
	HDR_XLOADFLAGS = 0x236,
	HDR_CMDLINE_SIZE = 0x238,
	HDR_PREF_ADDRESS = 0x258,
	HDR_INIT_SIZE = 0x260,
	HDR_END = 0x268,
};

/* Elsewhere in boot_params (Documentation/x86/zero-page.rst). */
enum {
	ZP_ACPI_RSDP = 0x070,
	ZP_E820_ENTRIES = 0x1e8,
	ZP_E820_TABLE = 0x2d0,
};

#define LOADER_OTHER    0xff
#define LOADFLAG_HIGH   0x01
#define XLOAD_KERNEL_64 0x0001
#define ENTRY_64        0x200
#define KERNEL_SIZE_MAX GiB

static uint64_t get(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return v;
}

static void set(uint8_t *p, unsigned size, uint64_t v)
{
	memcpy(p, &v, size);
}

static bool check_header(const uint8_t *h, GError **error)
{
	uint64_t version = get(h + HDR_VERSION, 2);

	if (get(h + HDR_BOOT_FLAG, 2) != 0xaa55 || memcmp(h + HDR_MAGIC, "HdrS", 4) != 0)
		return err_set(error, VMMD_ERROR_INVALID,
			"the kernel is neither a Linux bzImage nor an ELF file with a PVH note");
	if (version < 0x20c || !(get(h + HDR_XLOADFLAGS, 2) & XLOAD_KERNEL_64))
		return err_set(error, VMMD_ERROR_UNSUPPORTED,
			"the kernel has boot protocol %" PRIu64 ".%02" PRIu64
			" and no 64-bit entry: boot it through firmware",
			version >> 8, version & 0xff);
	return true;
}

/* Where it wants to be if there is room, else as low as it can be moved. */
static bool choose_address(const uint8_t *h, uint64_t low_ram, uint64_t *ret, GError **error)
{
	uint64_t pref = get(h + HDR_PREF_ADDRESS, 8), size = get(h + HDR_INIT_SIZE, 4);
	uint64_t align = get(h + HDR_ALIGNMENT, 4);

	if (pref >= BOOT_KERNEL_MIN && range_fits(pref, size, low_ram)) {
		*ret = pref;
		return true;
	}
	if (h[HDR_RELOCATABLE] && is_power_of_2(align) && align <= GiB) {
		*ret = align_up(BOOT_KERNEL_MIN, align);
		if (range_fits(*ret, size, low_ram))
			return true;
	}
	return err_set(error, VMMD_ERROR_INVALID,
		"the kernel needs %" PRIu64 " MiB from address 0x%" PRIx64
		" on, the machine has %" PRIu64 " MiB there",
		(size + MiB - 1) / MiB, pref, low_ram / MiB);
}

static void fill_zero_page(uint8_t *zp, const uint8_t *h, const struct boot_conf *conf,
	uint64_t initrd, uint64_t initrd_size)
{
	/* The header's length is told by its jump instruction. */
	size_t end = MIN((size_t)HDR_MAGIC + h[HDR_JUMP_LEN], (size_t)HDR_END);

	memset(zp, 0, PAGE_ZERO_SIZE);
	memcpy(zp + HDR_START, h + HDR_START, MAX(end, (size_t)HDR_START) - HDR_START);
	zp[HDR_LOADER] = LOADER_OTHER;
	zp[HDR_LOADFLAGS] |= LOADFLAG_HIGH;
	set(zp + HDR_RAMDISK_IMAGE, 4, initrd);
	set(zp + HDR_RAMDISK_SIZE, 4, initrd_size);
	set(zp + HDR_CMDLINE_PTR, 4, BOOT_CMDLINE);
	set(zp + ZP_ACPI_RSDP, 8, conf->rsdp);
	zp[ZP_E820_ENTRIES] = (uint8_t)conf->n_map;
	for (unsigned i = 0; i < conf->n_map; i++) {
		uint8_t *e = zp + ZP_E820_TABLE + i * 20;

		set(e, 8, conf->map[i].start);
		set(e + 8, 8, conf->map[i].size);
		set(e + 16, 4, conf->map[i].type);
	}
}

bool boot_bzimage(struct gmem *g, const struct boot_conf *conf, const struct boot_image *img,
	struct accel_cpu_start *ret, GError **error)
{
	uint64_t at = 0, setup, payload, initrd, initrd_size, limit;
	uint8_t h[HDR_END], zp[PAGE_ZERO_SIZE];

	if (img->size < sizeof(h))
		return err_set(error, VMMD_ERROR_INVALID,
			"the kernel has %" PRIu64 " bytes: neither a Linux bzImage nor an ELF file",
			img->size);
	if (!boot_read(img, 0, h, sizeof(h), error) || !check_header(h, error))
		return false;
	setup = ((h[HDR_SETUP_SECTS] ? h[HDR_SETUP_SECTS] : 4) + 1) * UINT64_C(512);
	if (img->size <= setup + ENTRY_64 || img->size > KERNEL_SIZE_MAX)
		return err_set(error, VMMD_ERROR_INVALID,
			"the kernel is truncated: %" PRIu64 " bytes, of which %" PRIu64
			" are its real-mode part",
			img->size, setup);
	payload = img->size - setup;
	if (!choose_address(h, conf->low_ram, &at, error))
		return false;
	limit = MAX(get(h + HDR_INITRD_MAX, 4), BOOT_KERNEL_MIN) + 1;
	if (!range_fits(at, payload, conf->low_ram))
		return err_set(error, VMMD_ERROR_INVALID,
			"the kernel of %" PRIu64 " MiB does not fit into memory", payload / MiB);
	if (!boot_copy(g, img, setup, at, payload, error) ||
		!boot_initrd(g, conf, at + MAX(payload, get(h + HDR_INIT_SIZE, 4)), limit, &initrd,
			&initrd_size, error) ||
		!boot_cmdline(
			g, conf, MIN(get(h + HDR_CMDLINE_SIZE, 4), BOOT_CMDLINE_MAX - 1), error))
		return false;
	fill_zero_page(zp, h, conf, initrd, initrd_size);
	if (!boot_put(g, BOOT_PARAMS, zp, sizeof(zp), error) || !boot_gdt(g, error) ||
		!boot_page_tables(g, error))
		return false;
	*ret = (struct accel_cpu_start){
		.mode = ACCEL_CPU_LONG,
		.rip = at + ENTRY_64,
		.rsp = BOOT_STACK,
		.rsi = BOOT_PARAMS,
		.cr3 = BOOT_PAGE_TABLES,
		.gdt = BOOT_GDT,
	};
	return true;
}
