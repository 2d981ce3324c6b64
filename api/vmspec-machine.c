/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "api/vmspec-tables.h"

static bool check_memory(const void *obj, GError **error)
{
	const struct spec_memory *m = obj;

	if (m->size % MiB)
		return spec_invalid(error, "size must be a multiple of 1M");
	if (m->page_size && m->page_size != 2 * MiB && m->page_size != GiB)
		return spec_invalid(error, "page-size must be 0, 2M or 1G");
	if (m->page_size && m->size % m->page_size)
		return spec_invalid(error, "size must be a multiple of page-size");
	if (m->max && (m->max < m->size || m->max % MiB))
		return spec_invalid(error, "max must be a multiple of 1M and at least size");
	if ((m->max > m->size) != (m->slots != 0))
		return spec_invalid(error, "max above size and slots come together");
	return true;
}

static const struct prop memory_props[] = {
	PROP_SIZE("size", struct spec_memory, size, VM_MEMORY_MIN, VM_MEMORY_MAX, 512 * MiB,
		"bytes of guest memory, a multiple of 1M"),
	PROP_BOOL("shared", struct spec_memory, shared, false,
		"back it with a file descriptor that other processes can map (vhost-user)"),
	PROP_SIZE("page-size", struct spec_memory, page_size, 0, GiB, 0,
		"bytes of the huge pages to take it from: 2M or 1G; 0: ordinary memory"),
	PROP_BOOL("prealloc", struct spec_memory, prealloc, false,
		"touch all of it before the guest starts"),
	PROP_SIZE("max", struct spec_memory, max, 0, VM_MEMORY_MAX, 0,
		"bytes with all that can be plugged while it runs; 0: size"),
	PROP_U32("slots", struct spec_memory, slots, 0, VM_MEMORY_SLOTS, 0,
		"memory modules that can be plugged"),
	PROP_END,
};

const struct prop_table spec_memory_table = {
	.name = "memory",
	.doc = "Guest memory",
	.size = sizeof(struct spec_memory),
	.props = memory_props,
	.check = check_memory,
};

static bool check_cpus(const void *obj, GError **error)
{
	const struct spec_cpus *c = obj;
	uint64_t all = (uint64_t)c->sockets * c->cores * c->threads;

	if (c->max && c->max < c->count)
		return spec_invalid(error, "max must be at least count");
	if (all && all < MAX(c->count, c->max))
		return spec_invalid(
			error, "sockets × cores × threads must be at least count and max");
	if (all > VM_CPUS_MAX)
		return err_set(error, VMMD_ERROR_INVALID,
			"sockets × cores × threads must be at most %d", VM_CPUS_MAX);
	return true;
}

static const struct prop cpus_props[] = {
	PROP_U32("count", struct spec_cpus, count, 1, VM_CPUS_MAX, 1, "virtual CPUs at start"),
	PROP_U32("max", struct spec_cpus, max, 0, VM_CPUS_MAX, 0,
		"with all that can be plugged while it runs; 0: count"),
	PROP_U32("sockets", struct spec_cpus, sockets, 0, VM_CPUS_MAX, 0,
		"sockets of a full machine; 0: derived"),
	PROP_U32("cores", struct spec_cpus, cores, 0, VM_CPUS_MAX, 0,
		"cores of a socket; 0: derived"),
	PROP_U32("threads", struct spec_cpus, threads, 0, VM_CPUS_MAX, 0,
		"threads of a core; 0: derived"),
	PROP_END,
};

const struct prop_table spec_cpus_table = {
	.name = "cpus",
	.doc = "Virtual CPUs and their topology",
	.size = sizeof(struct spec_cpus),
	.props = cpus_props,
	.check = check_cpus,
};

bool vm_spec_cpu_list(const char *text, uint64_t ret[SPEC_CPU_WORDS])
{
	memset(ret, 0, SPEC_CPU_WORDS * sizeof(*ret));
	for (const char *at = text;; at++) {
		char *end;
		unsigned long first, last;

		if (!g_ascii_isdigit(*at))
			return false;
		first = last = strtoul(at, &end, 10);
		if (*end == '-' && g_ascii_isdigit(end[1]))
			last = strtoul(end + 1, &end, 10);
		if (first > last || last >= VM_CPUS_MAX)
			return false;
		for (; first <= last; first++)
			ret[first / 64] |= UINT64_C(1) << first % 64;
		if (!*end)
			return true;
		if (*end != ',')
			return false;
		at = end;
	}
}

static bool check_numa(const void *obj, GError **error)
{
	const struct spec_numa *n = obj;
	uint64_t cpus[SPEC_CPU_WORDS];

	if (n->cpus && !vm_spec_cpu_list(n->cpus, cpus))
		return spec_invalid(error, "cpus must be a list of vCPUs such as 0-3,8");
	if (n->memory % MiB)
		return spec_invalid(error, "memory must be a multiple of 1M");
	return true;
}

static const struct prop numa_props[] = {
	PROP_STR("cpus", struct spec_numa, cpus, 1024, NULL,
		"its vCPUs by index, such as 0-3,8; those that no node names belong to the first"),
	PROP_SIZE("memory", struct spec_numa, memory, 0, VM_MEMORY_MAX, 0,
		"bytes of its memory; those of all nodes make up the size of memory"),
	PROP_END,
};

const struct prop_table spec_numa_table = {
	.name = "numa",
	.doc = "A NUMA node",
	.size = sizeof(struct spec_numa),
	.props = numa_props,
	.check = check_numa,
};

/* ---- boot ---- */

static const struct prop option_rom_props[] = {
	PROP_FILE("file", struct spec_option_rom, file, 0, "its image"),
	SPEC_PROP_BOOTINDEX(struct spec_option_rom),
	PROP_END,
};

static bool check_option_rom(const void *obj, GError **error)
{
	return ((const struct spec_option_rom *)obj)->file.path ||
	       spec_invalid(error, "needs a file");
}

static const struct prop_table option_rom_table = {
	.name = "option-rom",
	.doc = "An option ROM that belongs to no device",
	.size = sizeof(struct spec_option_rom),
	.props = option_rom_props,
	.check = check_option_rom,
};

static const char *const kernel_entries[] = {
	[SPEC_KERNEL_DIRECT] = "direct", [SPEC_KERNEL_FIRMWARE] = "firmware", NULL};

static bool check_boot(const void *obj, GError **error)
{
	const struct spec_boot *b = obj;

	if (b->initrd.path && !b->kernel.path)
		return spec_invalid(error, "initrd needs a kernel");
	if (b->cmdline && !b->kernel.path)
		return spec_invalid(error, "cmdline needs a kernel");
	if (b->kernel_entry == SPEC_KERNEL_FIRMWARE && !b->kernel.path)
		return spec_invalid(error, "kernel-entry needs a kernel");
	if (b->kernel_rom.path && b->kernel_entry != SPEC_KERNEL_FIRMWARE)
		return spec_invalid(error, "kernel-rom is for kernel-entry firmware");
	if (b->vars.path && !b->firmware.path)
		return spec_invalid(error, "vars needs a firmware");
	if (b->secure && !b->vars.path)
		return spec_invalid(error, "secure needs vars");
	if (b->order && (!*b->order || strspn(b->order, "acdn") != strlen(b->order)))
		return spec_invalid(
			error, "order must be of a (floppy), c (disk), d (CD-ROM), n (network)");
	return true;
}

static const struct prop boot_props[] = {
	PROP_FILE("firmware", struct spec_boot, firmware, 0,
		"firmware image, mapped below 4 GiB; absent: SeaBIOS, unless a kernel is entered "
		"directly"),
	PROP_FILE("vars", struct spec_boot, vars, PROP_READWRITE,
		"UEFI variables: flash memory below the firmware, which is flash memory too then"),
	PROP_BOOL("secure", struct spec_boot, secure, false,
		"flash memory is written in system management mode only, as UEFI secure boot needs "
		"it"),
	PROP_FILE("kernel", struct spec_boot, kernel, 0,
		"bzImage, ELF with a PVH note, or multiboot"),
	PROP_ENUM("kernel-entry", struct spec_boot, kernel_entry, kernel_entries,
		SPEC_KERNEL_DIRECT,
		"who enters the kernel: the machine, without firmware, or the firmware"),
	PROP_FILE("kernel-rom", struct spec_boot, kernel_rom, 0,
		"option ROM by which a BIOS enters the kernel; absent: linuxboot_dma.bin of "
		"package "
		"qemu-system-data, unless there are UEFI variables"),
	PROP_FILE("initrd", struct spec_boot, initrd, 0, "initial RAM disk for the kernel"),
	PROP_STR("cmdline", struct spec_boot, cmdline, 4095, NULL, "command line for the kernel"),
	PROP_STR("order", struct spec_boot, order, 4, NULL,
		"kinds of devices to boot from: a floppy, c disk, d CD-ROM, n network; those with "
		"a "
		"bootindex come first"),
	PROP_BOOL("menu", struct spec_boot, menu, false, "the firmware offers a choice"),
	PROP_U32("menu-timeout", struct spec_boot, menu_timeout, 0, UINT16_MAX, 0,
		"milliseconds for that choice; 0: as the firmware likes"),
	PROP_U32("fail-timeout", struct spec_boot, fail_timeout, 0, UINT16_MAX, 0,
		"milliseconds after which a machine resets that found nothing to boot; 0: never"),
	PROP_LIST("roms", struct spec_boot, roms, n_roms, &option_rom_table,
		"option ROMs that belong to no device"),
	PROP_END,
};

const struct prop_table spec_boot_table = {
	.name = "boot",
	.doc = "What the machine starts with",
	.size = sizeof(struct spec_boot),
	.props = boot_props,
	.check = check_boot,
};

/* ---- features ---- */

static const char *const switches[] = {
	[SPEC_AUTO] = "auto", [SPEC_ON] = "on", [SPEC_OFF] = "off", NULL};

static const struct prop features_props[] = {
	PROP_BOOL("hpet", struct spec_features, hpet, false,
		"high precision event timer; guests with a clock of KVM's do not need it"),
	PROP_ENUM("smm", struct spec_features, smm, switches, SPEC_AUTO,
		"system management mode; auto: where secure firmware needs it"),
	PROP_BOOL("pvpanic", struct spec_features, pvpanic, false,
		"a port by which the guest reports a panic"),
	PROP_UUID("genid", struct spec_features, genid,
		"VM generation ID, changed by who clones or rolls back the VM; absent: none"),
	PROP_END,
};

const struct prop_table spec_features_table = {
	.name = "features",
	.doc = "What the machine has beside its devices",
	.size = sizeof(struct spec_features),
	.props = features_props,
};

/* ---- SMBIOS ---- */

#define SMBIOS_STR(n, s, f, text) PROP_STR(n, s, f, 64, NULL, text)

static const struct prop smbios_item_props[] = {
	SMBIOS_STR("manufacturer", struct spec_smbios_item, manufacturer, "who made it"),
	SMBIOS_STR("product", struct spec_smbios_item, product, "name of the product"),
	SMBIOS_STR("version", struct spec_smbios_item, version, "version of the product"),
	SMBIOS_STR("serial", struct spec_smbios_item, serial, "serial number"),
	SMBIOS_STR("sku", struct spec_smbios_item, sku, "stock keeping unit; system and chassis"),
	SMBIOS_STR("family", struct spec_smbios_item, family, "family of products; system only"),
	SMBIOS_STR("asset", struct spec_smbios_item, asset, "asset tag; board and chassis"),
	PROP_END,
};

static const struct prop_table smbios_item_table = {
	.name = "smbios-item",
	.doc = "What SMBIOS tells about the system, its board or its chassis",
	.size = sizeof(struct spec_smbios_item),
	.props = smbios_item_props,
};

static const struct prop smbios_bios_props[] = {
	SMBIOS_STR("vendor", struct spec_smbios_bios, vendor, "who wrote it"),
	SMBIOS_STR("version", struct spec_smbios_bios, version, "its version"),
	SMBIOS_STR("date", struct spec_smbios_bios, date, "its date, mm/dd/yyyy"),
	PROP_END,
};

static const struct prop_table smbios_bios_table = {
	.name = "smbios-bios",
	.doc = "What SMBIOS tells about the firmware",
	.size = sizeof(struct spec_smbios_bios),
	.props = smbios_bios_props,
};

static const struct prop smbios_props[] = {
	PROP_OBJECT("bios", struct spec_smbios, bios, &smbios_bios_table, 0,
		"type 0; absent: the firmware's own"),
	PROP_OBJECT("system", struct spec_smbios, system, &smbios_item_table, 0, "type 1"),
	PROP_OBJECT("board", struct spec_smbios, board, &smbios_item_table, 0,
		"type 2; absent: no such structure"),
	PROP_OBJECT("chassis", struct spec_smbios, chassis, &smbios_item_table, 0, "type 3"),
	PROP_STRS("oem-strings", struct spec_smbios, oem_strings, "strings of type 11"),
	PROP_END,
};

const struct prop_table spec_smbios_table = {
	.name = "smbios",
	.doc = "What the machine says of itself through SMBIOS",
	.size = sizeof(struct spec_smbios),
	.props = smbios_props,
};
