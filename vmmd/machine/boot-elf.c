/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ELF files with a PVH note: entered in 32-bit protected mode with ebx at struct hvm_start_info
 * (xen/include/public/arch-x86/hvm/start_info.h).
 */
#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include "vmmd/machine/boot-internal.h"

#define NOTE_PHYS32_ENTRY 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
#define NOTES_MAX         (64 * KiB)
#define SEGMENTS_MAX      64
#define START_MAGIC       0x336ec578

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modules, cmdline, rsdp, map;
	uint32_t map_entries, reserved;
};

struct start_module {
	uint64_t start, size, cmdline, reserved;
};

struct start_map {
	uint64_t addr, size;
	uint32_t type, reserved;
};

_Static_assert(sizeof(struct start_info) == 56 && sizeof(struct start_map) == 24, "PVH structures");

/* A program header of either class. */
struct segment {
	uint32_t type;
	uint64_t offset, paddr, filesz, memsz;
};

struct elf_file {
	const struct boot_image *img;
	bool is64;
	uint64_t phoff;
	unsigned phnum, phentsize;
};

static bool read_header(struct elf_file *f, GError **error)
{
	uint8_t ident[EI_NIDENT];
	Elf64_Ehdr h64;
	Elf32_Ehdr h32;

	if (!boot_read(f->img, 0, ident, sizeof(ident), error))
		return false;
	if (ident[EI_DATA] != ELFDATA2LSB ||
		(ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64))
		return err_set(error, VMMD_ERROR_INVALID,
			"the kernel is an ELF file for another kind of machine");
	f->is64 = ident[EI_CLASS] == ELFCLASS64;
	if (f->is64) {
		if (!boot_read(f->img, 0, &h64, sizeof(h64), error))
			return false;
		f->phoff = h64.e_phoff;
		f->phnum = h64.e_phnum;
		f->phentsize = h64.e_phentsize;
	} else {
		if (!boot_read(f->img, 0, &h32, sizeof(h32), error))
			return false;
		f->phoff = h32.e_phoff;
		f->phnum = h32.e_phnum;
		f->phentsize = h32.e_phentsize;
	}
	if (!f->phnum || f->phnum > SEGMENTS_MAX ||
		f->phentsize != (f->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
		f->phoff > f->img->size)
		return err_set(error, VMMD_ERROR_INVALID,
			"the kernel's ELF header is malformed (%u program headers at %" PRIu64 ")",
			f->phnum, f->phoff);
	return true;
}

static bool read_segment(const struct elf_file *f, unsigned i, struct segment *ret, GError **error)
{
	uint64_t at = f->phoff + (uint64_t)i * f->phentsize;
	Elf64_Phdr p64;
	Elf32_Phdr p32;

	if (f->is64) {
		if (!boot_read(f->img, at, &p64, sizeof(p64), error))
			return false;
		*ret = (struct segment){
			p64.p_type, p64.p_offset, p64.p_paddr, p64.p_filesz, p64.p_memsz};
	} else {
		if (!boot_read(f->img, at, &p32, sizeof(p32), error))
			return false;
		*ret = (struct segment){
			p32.p_type, p32.p_offset, p32.p_paddr, p32.p_filesz, p32.p_memsz};
	}
	return true;
}

/* The rest of memsz needs no clearing at a first boot, but does at a reset. */
static bool load_segment(struct gmem *g, const struct elf_file *f, const struct segment *s,
	uint64_t low_ram, uint64_t *end, GError **error)
{
	if (s->filesz > s->memsz || s->paddr < BOOT_KERNEL_MIN ||
		!range_fits(s->paddr, s->memsz, low_ram))
		return err_set(error, VMMD_ERROR_INVALID,
			"the kernel wants %" PRIu64 " KiB at address 0x%" PRIx64
			", the machine has memory from 0x%x to 0x%" PRIx64,
			s->memsz / KiB, s->paddr, BOOT_KERNEL_MIN, low_ram);
	if (!boot_copy(g, f->img, s->offset, s->paddr, s->filesz, error))
		return false;
	if (gmem_fill(g, GPA(s->paddr + s->filesz), 0, s->memsz - s->filesz) < 0)
		return err_set(error, VMMD_ERROR_INVALID,
			"the kernel's memory at 0x%" PRIx64 " is not RAM", s->paddr);
	*end = MAX(*end, s->paddr + s->memsz);
	return true;
}

/* The 32-bit entry among the notes [@buf, @buf + @n), 0 if it is not there. Names and data are padded to 4 bytes. */
static uint32_t find_entry(const uint8_t *buf, size_t n)
{
	size_t at = 0;

	while (n - at >= sizeof(Elf32_Nhdr)) {
		Elf32_Nhdr h;
		uint64_t name = at + sizeof(h), desc, next;
		uint32_t entry;

		memcpy(&h, buf + at, sizeof(h));
		desc = name + align_up(h.n_namesz, 4);
		next = desc + align_up(h.n_descsz, 4);
		if (next > n)
			break;
		if (h.n_type == NOTE_PHYS32_ENTRY && h.n_namesz == 4 &&
			memcmp(buf + name, "Xen", 4) == 0 && h.n_descsz >= sizeof(entry)) {
			memcpy(&entry, buf + desc, sizeof(entry));
			return entry;
		}
		at = next;
	}
	return 0;
}

static bool note_entry(
	const struct elf_file *f, const struct segment *s, uint32_t *entry, GError **error)
{
	g_autofree uint8_t *notes = NULL;

	if (s->filesz > NOTES_MAX)
		return err_set(error, VMMD_ERROR_INVALID,
			"the kernel has %" PRIu64 " bytes of ELF notes, too many", s->filesz);
	notes = g_malloc(s->filesz + 1);
	if (!boot_read(f->img, s->offset, notes, s->filesz, error))
		return false;
	if (!*entry)
		*entry = find_entry(notes, s->filesz);
	return true;
}

static bool put_start_info(struct gmem *g, const struct boot_conf *conf, uint64_t initrd,
	uint64_t initrd_size, GError **error)
{
	const struct start_module module = {.start = initrd, .size = initrd_size};
	const struct start_info info = {
		.magic = START_MAGIC,
		.version = 1,
		.nr_modules = initrd_size ? 1 : 0,
		.modules = initrd_size ? BOOT_MODULES : 0,
		.cmdline = BOOT_CMDLINE,
		.rsdp = conf->rsdp,
		.map = BOOT_PVH_MAP,
		.map_entries = conf->n_map,
	};
	struct start_map map[BOOT_MAP_MAX] = {};

	for (unsigned i = 0; i < conf->n_map; i++)
		map[i] = (struct start_map){
			conf->map[i].start, conf->map[i].size, conf->map[i].type, 0};
	return boot_put(g, BOOT_MODULES, &module, sizeof(module), error) &&
	       boot_put(g, BOOT_PVH_MAP, map, conf->n_map * sizeof(map[0]), error) &&
	       boot_put(g, BOOT_START_INFO, &info, sizeof(info), error);
}

bool boot_elf(struct gmem *g, const struct boot_conf *conf, const struct boot_image *img,
	struct accel_cpu_start *ret, GError **error)
{
	uint64_t end = BOOT_KERNEL_MIN, initrd, initrd_size;
	struct elf_file f = {.img = img};
	uint32_t entry = 0;

	if (!read_header(&f, error))
		return false;
	for (unsigned i = 0; i < f.phnum; i++) {
		struct segment s;

		if (!read_segment(&f, i, &s, error))
			return false;
		if (s.type == PT_NOTE && !note_entry(&f, &s, &entry, error))
			return false;
		if (s.type == PT_LOAD && s.memsz &&
			!load_segment(g, &f, &s, conf->low_ram, &end, error))
			return false;
	}
	if (!entry)
		return err_set(
			error, VMMD_ERROR_INVALID, "the kernel is an ELF file without a PVH note");
	if (!boot_initrd(g, conf, end, conf->low_ram, &initrd, &initrd_size, error) ||
		!boot_cmdline(g, conf, BOOT_CMDLINE_MAX - 1, error) || !boot_gdt(g, error) ||
		!put_start_info(g, conf, initrd, initrd_size, error))
		return false;
	*ret = (struct accel_cpu_start){
		.mode = ACCEL_CPU_PROTECTED,
		.rip = entry,
		.rbx = BOOT_START_INFO,
		.gdt = BOOT_GDT,
	};
	return true;
}
