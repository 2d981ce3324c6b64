/* SPDX-License-Identifier: BSD-2-Clause */
/* Source: Microsoft's "PE Format" specification. */
#include <glib.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "guest-drivers/windows/test/peload.h"

#define MACHINE_X64         0x8664
#define SECTION_DISCARDABLE 0x02000000u
#define SECTION_EXECUTE     0x20000000u
#define SECTION_READ        0x40000000u
#define SECTION_WRITE       0x80000000u
#define RELOC_ABSOLUTE      0
#define RELOC_DIR64         10
#define PAGE                4096u

/* Offsets in the PE header, from its signature. */
enum {
	PE_MACHINE = 4,
	PE_SECTIONS = 6,
	PE_OPTIONAL_SIZE = 20,
	PE_OPTIONAL = 24,
	PE_ENTRY = PE_OPTIONAL + 16,
	PE_BASE = PE_OPTIONAL + 24,
	PE_IMAGE_SIZE = PE_OPTIONAL + 56,
	PE_EXPORTS = PE_OPTIONAL + 112,
	PE_IMPORTS = PE_EXPORTS + 8,
	PE_RELOCS = PE_EXPORTS + 40,
};

struct section {
	char name[8];
	uint32_t virtual_size, rva, raw_size, raw;
	uint32_t unused[3];
	uint32_t flags;
};

struct peload {
	uint8_t *base; /* page-aligned, size bytes */
	size_t size;
	uint8_t *pe; /* PE header in the mapped image */
};

static uint16_t get16(const uint8_t *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static void put64(uint8_t *p, uint64_t value)
{
	memcpy(p, &value, sizeof(value));
}

static struct section section_at(const struct peload *image, unsigned int n)
{
	struct section section;
	const uint8_t *headers = image->pe + PE_OPTIONAL + get16(image->pe + PE_OPTIONAL_SIZE);

	memcpy(&section, headers + n * sizeof(section), sizeof(section));
	return section;
}

static unsigned int n_sections(const struct peload *image)
{
	return get16(image->pe + PE_SECTIONS);
}

/* Headers and sections at their addresses, all writable for now. */
static void map_sections(struct peload *image, const char *file, size_t length)
{
	uint32_t pe = get32((const uint8_t *)file + 0x3c);

	g_assert_cmpuint(get16((const uint8_t *)file + pe + PE_MACHINE), ==, MACHINE_X64);
	image->size = get32((const uint8_t *)file + pe + PE_IMAGE_SIZE);
	image->base = mmap(
		NULL, image->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	g_assert_true(image->base != MAP_FAILED);
	memcpy(image->base, file, MIN(length, PAGE));
	image->pe = image->base + pe;
	for (unsigned int i = 0; i < n_sections(image); i++) {
		struct section s = section_at(image, i);

		g_assert_cmpuint(s.raw + s.raw_size, <=, length);
		memcpy(image->base + s.rva, file + s.raw, MIN(s.raw_size, s.virtual_size));
	}
}

static void relocate(struct peload *image)
{
	uint64_t delta = (uintptr_t)image->base - get64(image->pe + PE_BASE);
	uint8_t *block = image->base + get32(image->pe + PE_RELOCS);
	uint8_t *end = block + get32(image->pe + PE_RELOCS + 4);

	for (; block < end; block += get32(block + 4)) {
		for (uint8_t *entry = block + 8; entry < block + get32(block + 4); entry += 2) {
			uint8_t *place = image->base + get32(block) + (get16(entry) & 0xfff);

			if (get16(entry) >> 12 == RELOC_ABSOLUTE)
				continue;
			g_assert_cmpuint(get16(entry) >> 12, ==, RELOC_DIR64);
			put64(place, get64(place) + delta);
		}
	}
}

static void bind_imports(struct peload *image, struct peload *exporter)
{
	uint32_t table = get32(image->pe + PE_IMPORTS);

	if (!table)
		return;
	for (uint8_t *dll = image->base + table; get32(dll + 12); dll += 20) {
		uint8_t *lookup = image->base + get32(dll);
		uint8_t *address = image->base + get32(dll + 16);

		for (; get64(lookup); lookup += 8, address += 8) {
			const char *name = (char *)image->base + get64(lookup) + 2;
			void *function = exporter ? peload_export(exporter, name) : NULL;

			if (!function)
				g_error("nobody exports %s", name);
			put64(address, (uintptr_t)function);
		}
	}
}

static void protect(struct peload *image)
{
	g_assert_cmpint(mprotect(image->base, PAGE, PROT_READ), ==, 0);
	for (unsigned int i = 0; i < n_sections(image); i++) {
		struct section s = section_at(image, i);
		int protection = (s.flags & SECTION_READ ? PROT_READ : 0) |
				 (s.flags & SECTION_WRITE ? PROT_WRITE : 0) |
				 (s.flags & SECTION_EXECUTE ? PROT_EXEC : 0);

		g_assert_cmpint(mprotect(image->base + s.rva, s.virtual_size, protection), ==, 0);
	}
}

struct peload *peload_new(const char *path, struct peload *exporter)
{
	struct peload *image = g_new0(struct peload, 1);
	g_autoptr(GError) error = NULL;
	g_autofree char *file = NULL;
	size_t length;

	g_file_get_contents(path, &file, &length, &error);
	g_assert_no_error(error);
	map_sections(image, file, length);
	relocate(image);
	bind_imports(image, exporter);
	protect(image);
	return image;
}

void peload_free(struct peload *image)
{
	munmap(image->base, image->size);
	g_free(image);
}

void *peload_entry(struct peload *image)
{
	return image->base + get32(image->pe + PE_ENTRY);
}

void *peload_export(struct peload *image, const char *name)
{
	const uint8_t *exports = image->base + get32(image->pe + PE_EXPORTS);
	const uint8_t *functions = image->base + get32(exports + 28);
	const uint8_t *names = image->base + get32(exports + 32);
	const uint8_t *ordinals = image->base + get32(exports + 36);

	for (uint32_t i = 0; i < get32(exports + 24); i++) {
		if (strcmp((char *)image->base + get32(names + 4 * i), name) == 0)
			return image->base + get32(functions + 4 * get16(ordinals + 2 * i));
	}
	return NULL;
}

void peload_discard(struct peload *image)
{
	for (unsigned int i = 0; i < n_sections(image); i++) {
		struct section s = section_at(image, i);

		if (s.flags & SECTION_DISCARDABLE)
			mprotect(image->base + s.rva, s.virtual_size, PROT_NONE);
	}
}
