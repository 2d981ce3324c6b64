/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's fw_cfg table loader: entries of 128 bytes, executed in order. */
#include "vmmd/machine/acpi-internal.h"

enum { LOADER_ALLOCATE = 1, LOADER_ADD_POINTER = 2, LOADER_ADD_CHECKSUM = 3 };
enum { LOADER_ZONE_HIGH = 1, LOADER_ZONE_FSEG = 2 };

struct loader_entry {
	uint32_t command;
	union {
		struct {
			char file[56];
			uint32_t align;
			uint8_t zone;
		} __attribute__((packed)) alloc;
		struct {
			char dest[56], src[56];
			uint32_t offset;
			uint8_t size;
		} __attribute__((packed)) pointer;
		struct {
			char file[56];
			uint32_t offset, start, length;
		} __attribute__((packed)) checksum;
		uint8_t pad[124];
	};
} __attribute__((packed));

_Static_assert(sizeof(struct loader_entry) == 128, "table loader entry");

static const char *loader_file(bool in_rsdp)
{
	return in_rsdp ? ACPI_FILE_RSDP : ACPI_FILE_TABLES;
}

static void loader_alloc(GByteArray *out, bool rsdp, uint32_t align, uint8_t zone)
{
	struct loader_entry e = {
		.command = LOADER_ALLOCATE, .alloc = {.align = align, .zone = zone}};

	g_strlcpy(e.alloc.file, loader_file(rsdp), sizeof(e.alloc.file));
	acpi_put(out, &e, sizeof(e));
}

/* The loader adds the address of @src to what stands in @dest, the target's offset. */
static void loader_pointer(GByteArray *out, const struct acpi_pointer *p)
{
	struct loader_entry e = {
		.command = LOADER_ADD_POINTER, .pointer = {.offset = p->at, .size = p->size}};

	g_strlcpy(e.pointer.dest, loader_file(p->in_rsdp), sizeof(e.pointer.dest));
	g_strlcpy(e.pointer.src, ACPI_FILE_TABLES, sizeof(e.pointer.src));
	acpi_put(out, &e, sizeof(e));
}

static void loader_checksum(GByteArray *out, const struct acpi_checksum *c)
{
	struct loader_entry e = {
		.command = LOADER_ADD_CHECKSUM,
		.checksum = {.offset = c->at, .start = c->start, .length = c->len},
	};

	g_strlcpy(e.checksum.file, loader_file(c->in_rsdp), sizeof(e.checksum.file));
	acpi_put(out, &e, sizeof(e));
}

GByteArray *acpi_loader_script(const struct acpi_tables *t)
{
	GByteArray *out = g_byte_array_new();

	loader_alloc(out, true, 16, LOADER_ZONE_FSEG);
	loader_alloc(out, false, 64, LOADER_ZONE_HIGH);
	for (guint i = 0; i < t->pointers->len; i++)
		loader_pointer(out, &g_array_index(t->pointers, struct acpi_pointer, i));
	for (guint i = 0; i < t->checksums->len; i++)
		loader_checksum(out, &g_array_index(t->checksums, struct acpi_checksum, i));
	return out;
}
