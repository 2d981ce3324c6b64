/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/machine/acpi-internal.h"

#include <string.h>

struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t ext_checksum, reserved[3];
} __attribute__((packed));

_Static_assert(sizeof(struct acpi_rsdp) == 36, "RSDP revision 2");

void acpi_put(GByteArray *out, const void *p, size_t n)
{
	g_byte_array_append(out, p, (guint)n);
}

static uint8_t sum(const uint8_t *p, uint32_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

/* ---- framing ---- */

/* Starts a table; returns where. */
uint32_t acpi_table_begin(struct acpi_tables *t, const char *signature, uint8_t revision)
{
	struct acpi_header h = {
		.revision = revision,
		.oem_id = {'V', 'M', 'M', 'D', ' ', ' '},
		.oem_table_id = {'V', 'M', 'M', 'D', 'P', 'C', ' ', ' '},
		.oem_revision = 1,
		.creator_id = {'V', 'M', 'M', 'D'},
		.creator_revision = 1,
	};
	uint32_t start = t->tables->len;

	memcpy(h.signature, signature, 4);
	acpi_put(t->tables, &h, sizeof(h));
	return start;
}

static void add_checksum(
	struct acpi_tables *t, bool in_rsdp, uint32_t at, uint32_t start, uint32_t len)
{
	struct acpi_checksum c = {.in_rsdp = in_rsdp, .at = at, .start = start, .len = len};

	g_array_append_val(t->checksums, c);
}

void acpi_table_end(struct acpi_tables *t, uint32_t start)
{
	struct acpi_header *h = (void *)(t->tables->data + start);

	h->length = t->tables->len - start;
	add_checksum(t, false, start + (uint32_t)offsetof(struct acpi_header, checksum), start,
		h->length);
}

static uint8_t *bytes_of(const struct acpi_tables *t, bool in_rsdp)
{
	return (in_rsdp ? t->rsdp : t->tables)->data;
}

/* The place holds the target's offset until an address is added to it. */
void acpi_add_pointer(
	struct acpi_tables *t, bool in_rsdp, uint32_t at, uint8_t size, uint32_t target)
{
	struct acpi_pointer p = {.in_rsdp = in_rsdp, .at = at, .size = size};
	uint64_t offset = target;

	memcpy(bytes_of(t, in_rsdp) + at, &offset, size);
	g_array_append_val(t->pointers, p);
}

/* ---- root tables ---- */

/* RSDT with 4-byte entries, XSDT with 8-byte ones (sections 5.2.7 and 5.2.8). */
static uint32_t add_root(struct acpi_tables *t, const char *signature, uint8_t entry,
	const uint32_t *tables, size_t n)
{
	static const uint64_t zero;
	uint32_t start = acpi_table_begin(t, signature, 1);

	for (size_t i = 0; i < n; i++) {
		acpi_put(t->tables, &zero, entry);
		acpi_add_pointer(t, false, t->tables->len - entry, entry, tables[i]);
	}
	acpi_table_end(t, start);
	return start;
}

static void add_rsdp(struct acpi_tables *t, uint32_t rsdt, uint32_t xsdt)
{
	const struct acpi_rsdp r = {
		.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
		.oem_id = {'V', 'M', 'M', 'D', ' ', ' '},
		.revision = 2,
		.length = sizeof(r),
	};

	acpi_put(t->rsdp, &r, sizeof(r));
	acpi_add_pointer(t, true, offsetof(struct acpi_rsdp, rsdt), 4, rsdt);
	acpi_add_pointer(t, true, offsetof(struct acpi_rsdp, xsdt), 8, xsdt);
	add_checksum(t, true, offsetof(struct acpi_rsdp, checksum), 0, 20);
	add_checksum(t, true, offsetof(struct acpi_rsdp, ext_checksum), 0, sizeof(r));
}

static bool want_hpet(const struct acpi_conf *conf)
{
	return conf->hpet;
}

static bool want_mcfg(const struct acpi_conf *conf)
{
	return conf->ecam_buses;
}

static bool want_srat(const struct acpi_conf *conf)
{
	return conf->n_memory;
}

/* Tables that some machines have. */
static const struct {
	bool (*wanted)(const struct acpi_conf *conf);
	uint32_t (*add)(struct acpi_tables *t, const struct acpi_conf *conf);
} tables[] = {
	{NULL, acpi_add_ssdt},
	{NULL, acpi_add_madt},
	{NULL, acpi_add_waet},
	{want_hpet, acpi_add_hpet},
	{want_mcfg, acpi_add_mcfg},
	{want_srat, acpi_add_srat},
};

struct acpi_tables *acpi_build(const struct acpi_conf *conf)
{
	struct acpi_tables *t = g_new0(struct acpi_tables, 1);
	uint32_t roots[1 + ARRAY_SIZE(tables)], facs, dsdt, rsdt, xsdt;
	size_t n = 0;

	t->tables = g_byte_array_new();
	t->rsdp = g_byte_array_new();
	t->pointers = g_array_new(FALSE, FALSE, sizeof(struct acpi_pointer));
	t->checksums = g_array_new(FALSE, FALSE, sizeof(struct acpi_checksum));
	facs = acpi_add_facs(t);
	dsdt = acpi_add_dsdt(t, conf);
	roots[n++] = acpi_add_fadt(t, conf, facs, dsdt);
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		if (!tables[i].wanted || tables[i].wanted(conf))
			roots[n++] = tables[i].add(t, conf);
	}
	rsdt = add_root(t, "RSDT", 4, roots, n);
	xsdt = add_root(t, "XSDT", 8, roots, n);
	add_rsdp(t, rsdt, xsdt);
	return t;
}

void acpi_free(struct acpi_tables *t)
{
	if (!t)
		return;
	g_byte_array_unref(t->tables);
	g_byte_array_unref(t->rsdp);
	g_array_unref(t->pointers);
	g_array_unref(t->checksums);
	g_free(t);
}

void acpi_place(struct acpi_tables *t, uint32_t tables_gpa)
{
	for (guint i = 0; i < t->pointers->len; i++) {
		const struct acpi_pointer *p = &g_array_index(t->pointers, struct acpi_pointer, i);
		uint8_t *at = bytes_of(t, p->in_rsdp) + p->at;
		uint64_t address = 0;

		memcpy(&address, at, p->size);
		address += tables_gpa;
		memcpy(at, &address, p->size);
	}
	for (guint i = 0; i < t->checksums->len; i++) {
		const struct acpi_checksum *c = &g_array_index(
			t->checksums, struct acpi_checksum, i);
		uint8_t *data = bytes_of(t, c->in_rsdp);

		data[c->at] = 0;
		data[c->at] = (uint8_t)-sum(data + c->start, c->len);
	}
}
