/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Linux kernel for firmware to enter: its parts and where they belong, as fw_cfg items, by the kernel's Documentation/x86/boot.rst.
 * UEFI reads them by itself, SeaBIOS by an option ROM.
 *
 *	0x10000 real-mode part (setup)	0x20000 command line	0x100000 protected-mode part	top of low RAM: the initrd
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devmodel/platform/platform.h"
#include "vmmd/machine/machine-internal.h"

#define FILE_MAX      (GiB)
#define SETUP_ADDR    0x10000u
#define CMDLINE_ADDR  0x20000u
#define KERNEL_ADDR   0x100000u
#define SECTOR        512u
#define TABLES_ROOM   (2 * MiB) /* below the end of RAM: firmware's tables */
#define LOADER_TYPE   0xb0      /* QEMU: what firmware's loaders are made for */
#define CAN_USE_HEAP  0x80
#define HEADER_MIN    0x250u
#define PROTOCOL_2_03 0x203 /* has initrd_addr_max */
#define INITRD_MAX    0x37ffffffu

/* Offsets of the setup header. */
enum {
	SETUP_SECTS = 0x1f1,
	HEADER_MAGIC = 0x202,
	PROTOCOL = 0x206,
	TYPE_OF_LOADER = 0x210,
	LOADFLAGS = 0x211,
	RAMDISK_IMAGE = 0x218,
	RAMDISK_SIZE = 0x21c,
	HEAP_END_PTR = 0x224,
	CMD_LINE_PTR = 0x228,
	INITRD_ADDR_MAX = 0x22c,
};

struct image {
	uint8_t *data;
	uint32_t size;
};

static void put(uint8_t *setup, unsigned offset, uint32_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		setup[offset + i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get(const uint8_t *setup, unsigned offset, unsigned bytes)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint32_t)setup[offset + i] << (8 * i);
	return v;
}

static bool load(const char *key, int fd, struct image *ret, GError **error)
{
	struct stat st;

	*ret = (struct image){};
	if (fd < 0)
		return true;
	if (fstat(fd, &st) < 0)
		return err_set_errno(error, errno, "/boot/%s cannot be looked at", key);
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_MAX)
		return err_set(error, VMMD_ERROR_INVALID,
			"/boot/%s must be a regular file of at most 1 GiB", key);
	ret->size = (uint32_t)st.st_size;
	ret->data = g_malloc(ret->size + 1);
	if (pread(fd, ret->data, ret->size, 0) == (ssize_t)ret->size)
		return true;
	return err_set(error, VMMD_ERROR_HOST, "/boot/%s cannot be read", key);
}

static bool is_kernel(const struct image *k)
{
	return k->size > HEADER_MIN && memcmp(k->data + HEADER_MAGIC, "HdrS", 4) == 0 &&
	       get(k->data, PROTOCOL, 2) >= PROTOCOL_2_03;
}

static int add_part(struct machine *m, uint16_t address_key, uint32_t address, uint16_t size_key,
	uint16_t data_key, const uint8_t *data, uint32_t size)
{
	int err = fw_cfg_add_u32(m->fw_cfg, address_key, address);

	if (!err)
		err = fw_cfg_add_u32(m->fw_cfg, size_key, size);
	return err ? err : fw_cfg_add(m->fw_cfg, data_key, data, size);
}

/* Highest below what the kernel takes and firmware leaves. */
static uint32_t initrd_address(const struct machine *m, const uint8_t *setup, uint32_t size)
{
	uint32_t max = get(setup, INITRD_ADDR_MAX, 4);
	uint64_t ram = m->low_size > TABLES_ROOM ? m->low_size - TABLES_ROOM : 0;
	uint64_t top = MIN(ram, MIN(max ? max : INITRD_MAX, INITRD_MAX));

	return size < top ? (uint32_t)align_down(top - size, GMEM_PAGE_SIZE) : 0;
}

static bool add_parts(
	struct machine *m, struct image *kernel, const struct image *initrd, GError **error)
{
	const char *cmdline = m->spec->boot->cmdline ? m->spec->boot->cmdline : "";
	uint8_t *setup = kernel->data;
	uint32_t sects = setup[SETUP_SECTS] ? setup[SETUP_SECTS] : 4;
	uint32_t setup_size = (sects + 1) * SECTOR;
	uint32_t initrd_addr = initrd_address(m, setup, initrd->size);
	int err;

	if (setup_size > kernel->size || (initrd->size && initrd_addr < KERNEL_ADDR + kernel->size))
		return err_set(error, VMMD_ERROR_INVALID,
			"/boot/kernel: it is truncated, or does not fit into memory with its "
			"initrd");
	setup[TYPE_OF_LOADER] = LOADER_TYPE;
	setup[LOADFLAGS] |= CAN_USE_HEAP;
	put(setup, HEAP_END_PTR, CMDLINE_ADDR - SETUP_ADDR - SECTOR, 2);
	put(setup, CMD_LINE_PTR, CMDLINE_ADDR, 4);
	put(setup, RAMDISK_IMAGE, initrd->size ? initrd_addr : 0, 4);
	put(setup, RAMDISK_SIZE, initrd->size, 4);
	err = add_part(m, FW_CFG_SETUP_ADDR, SETUP_ADDR, FW_CFG_SETUP_SIZE, FW_CFG_SETUP_DATA,
		setup, setup_size);
	if (!err)
		err = add_part(m, FW_CFG_KERNEL_ADDR, KERNEL_ADDR, FW_CFG_KERNEL_SIZE,
			FW_CFG_KERNEL_DATA, setup + setup_size, kernel->size - setup_size);
	if (!err)
		err = add_part(m, FW_CFG_CMDLINE_ADDR, CMDLINE_ADDR, FW_CFG_CMDLINE_SIZE,
			FW_CFG_CMDLINE_DATA, (const uint8_t *)cmdline,
			(uint32_t)strlen(cmdline) + 1);
	if (!err && initrd->size)
		err = add_part(m, FW_CFG_INITRD_ADDR, initrd_addr, FW_CFG_INITRD_SIZE,
			FW_CFG_INITRD_DATA, initrd->data, initrd->size);
	return err == 0 || err_set_errno(error, -err, "/boot/kernel: firmware cannot be given it");
}

bool machine_add_kernel(struct machine *m, GError **error)
{
	const struct spec_boot *b = m->spec->boot;
	struct image kernel = {}, initrd = {};
	bool ok;

	if (b->kernel_entry != SPEC_KERNEL_FIRMWARE)
		return true;
	ok = load("kernel", b->kernel.fd, &kernel, error) &&
	     load("initrd", b->initrd.fd, &initrd, error);
	if (ok && !is_kernel(&kernel))
		ok = err_set(error, VMMD_ERROR_INVALID,
			"/boot/kernel: firmware enters only Linux kernels (bzImage, boot protocol "
			"2.03 "
			"or later)");
	ok = ok && add_parts(m, &kernel, &initrd, error);
	g_free(kernel.data);
	g_free(initrd.data);
	return ok;
}
