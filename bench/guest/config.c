/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "io.h"
#include "lib.h"
#include "out.h"

/* QEMU docs/specs/fw_cfg. */
#define FW_CFG_SELECTOR  0x510
#define FW_CFG_DATA      0x511
#define FW_CFG_SIGNATURE 0x00
#define FW_CFG_DIRECTORY 0x19
#define FW_CFG_MAX_FILES 256

struct fw_cfg_file {
	uint32_t size; /* big endian, as select */
	uint16_t select;
	uint16_t reserved;
	char name[56];
};

/* Xen public/arch-x86/hvm/start_info.h. */
#define START_INFO_MAGIC 0x336ec578

struct hvm_start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline;
};

static char command_line[CONFIG_MAX];

static bool from_pvh(uintptr_t start_info)
{
	const struct hvm_start_info *info = (const void *)start_info;
	const char *s;

	if (!info || info->magic != START_INFO_MAGIC || !info->cmdline)
		return false;
	s = (const char *)(uintptr_t)info->cmdline;
	if (strlen(s) >= CONFIG_MAX)
		fail("the command line is longer than %d bytes", CONFIG_MAX - 1);
	memcpy(command_line, s, strlen(s) + 1);
	return *s != '\0';
}

static void fw_cfg_read(uint16_t key, void *dst, size_t n)
{
	outw(FW_CFG_SELECTOR, key);
	ins(FW_CFG_DATA, dst, n);
}

static bool fw_cfg_find(struct fw_cfg_file *f)
{
	char signature[4];
	uint32_t n;

	fw_cfg_read(FW_CFG_SIGNATURE, signature, sizeof(signature));
	if (memcmp(signature, "QEMU", sizeof(signature)))
		return false;
	fw_cfg_read(FW_CFG_DIRECTORY, &n, sizeof(n));
	n = __builtin_bswap32(n);
	for (uint32_t i = 0; i < n && i < FW_CFG_MAX_FILES; i++) {
		ins(FW_CFG_DATA, f, sizeof(*f));
		if (!memcmp(f->name, CONFIG_FILE, sizeof(CONFIG_FILE)))
			return true;
	}
	return false;
}

static bool from_fw_cfg(void)
{
	struct fw_cfg_file f;
	uint32_t size;

	if (!fw_cfg_find(&f))
		return false;
	size = __builtin_bswap32(f.size);
	if (size >= CONFIG_MAX)
		fail("%s is longer than %d bytes", CONFIG_FILE, CONFIG_MAX - 1);
	fw_cfg_read(__builtin_bswap16(f.select), command_line, size);
	command_line[size] = '\0';
	return size > 0;
}

char *config_command_line(uintptr_t start_info)
{
	if (!from_pvh(start_info) && !from_fw_cfg())
		memcpy(command_line, "start", sizeof("start"));
	return command_line;
}
