/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Section numbers are those of the SMBIOS specification 3.6. */
#include "vmmd/machine/smbios.h"

#include <string.h>

/* A structure being written: its fixed part, then the strings that it numbers from 1 on (section 6.1). */
struct writer {
	struct smbios_tables *t;
	guint start;
	GPtrArray *strings;
	uint16_t largest, count;
};

static void begin(struct writer *w, uint8_t type, uint16_t handle)
{
	const uint8_t head[4] = {type, 0, (uint8_t)handle, (uint8_t)(handle >> 8)};

	w->start = w->t->tables->len;
	g_ptr_array_set_size(w->strings, 0);
	g_byte_array_append(w->t->tables, head, sizeof(head));
}

static void put(struct writer *w, uint64_t value, unsigned bytes)
{
	uint8_t v[8];

	for (unsigned i = 0; i < bytes; i++)
		v[i] = (uint8_t)(value >> (8 * i));
	g_byte_array_append(w->t->tables, v, bytes);
}

/* The number of a string; 0 stands for none. */
static void put_string(struct writer *w, const char *s)
{
	if (s && *s)
		g_ptr_array_add(w->strings, (char *)(uintptr_t)s);
	put(w, s && *s ? w->strings->len : 0, 1);
}

static void end(struct writer *w)
{
	GByteArray *out = w->t->tables;

	out->data[w->start + 1] = (uint8_t)(out->len - w->start);
	for (guint i = 0; i < w->strings->len; i++) {
		const char *s = g_ptr_array_index(w->strings, i);

		g_byte_array_append(out, (const guint8 *)s, (guint)strlen(s) + 1);
	}
	put(w, 0, w->strings->len ? 1 : 2);
	w->largest = MAX(w->largest, (uint16_t)(out->len - w->start));
	w->count++;
}

/* ---- structures ---- */

#define HANDLE_BIOS       0x000
#define HANDLE_SYSTEM     0x100
#define HANDLE_BOARD      0x200
#define HANDLE_CHASSIS    0x300
#define HANDLE_CPU        0x400
#define HANDLE_OEM        0xb00
#define HANDLE_ARRAY      0x1000
#define HANDLE_DIMM       0x1100
#define HANDLE_MAPPED     0x1300
#define HANDLE_BOOT       0x2000
#define HANDLE_END        0x7f00
#define DIMM_SIZE         (16 * GiB) /* of each memory device but the last */
#define MEMORY_ERROR_NONE 3
#define NO_HANDLE         0xfffe

static const char *either(const char *s, const char *otherwise)
{
	return s ? s : otherwise;
}

/* Section 7.1. */
static void add_bios(struct writer *w, const struct spec_smbios_bios *b)
{
	begin(w, 0, HANDLE_BIOS);
	put_string(w, either(b->vendor, "vmmd"));
	put_string(w, either(b->version, "1.0"));
	put(w, 0xe800, 2); /* segment */
	put_string(w, either(b->date, "01/01/2026"));
	put(w, 0, 1);       /* 64 KiB */
	put(w, 1u << 3, 8); /* characteristics are not known */
	put(w, 0, 1);
	put(w, 1u << 2 | 1u << 4, 1); /* targeted content distribution, a virtual machine */
	put(w, 0xffff, 2);            /* BIOS release, EC release: none */
	put(w, 0xffff, 2);
	end(w);
}

/* Section 7.2; the UUID's first three fields are little-endian. */
static void add_system(
	struct writer *w, const struct spec_smbios_item *i, const struct vm_spec *spec)
{
	static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

	begin(w, 1, HANDLE_SYSTEM);
	put_string(w, either(i->manufacturer, "vmmd"));
	put_string(w,
		either(i->product, spec->machine == SPEC_MACHINE_Q35 ? "Virtual Machine (Q35)"
								     : "Virtual Machine (i440FX)"));
	put_string(w, either(i->version, "1.0"));
	put_string(w, i->serial);
	for (unsigned n = 0; n < sizeof(order); n++)
		put(w, spec->uuid[order[n]], 1);
	put(w, 6, 1); /* woken by the power switch */
	put_string(w, i->sku);
	put_string(w, i->family);
	end(w);
}

/* Section 7.3. */
static void add_board(struct writer *w, const struct spec_smbios_item *i)
{
	begin(w, 2, HANDLE_BOARD);
	put_string(w, either(i->manufacturer, "vmmd"));
	put_string(w, i->product);
	put_string(w, i->version);
	put_string(w, i->serial);
	put_string(w, i->asset);
	put(w, 1, 1); /* hosting board */
	put_string(w, NULL);
	put(w, HANDLE_CHASSIS, 2);
	put(w, 0x0a, 1); /* motherboard */
	put(w, 0, 1);
	end(w);
}

/* Section 7.4. */
static void add_chassis(struct writer *w, const struct spec_smbios_item *i)
{
	begin(w, 3, HANDLE_CHASSIS);
	put_string(w, either(i->manufacturer, "vmmd"));
	put(w, 1, 1); /* other */
	put_string(w, i->version);
	put_string(w, i->serial);
	put_string(w, i->asset);
	put(w, 0x03030303, 4); /* states: safe; security: none */
	put(w, 0, 4);
	put(w, 0, 4); /* height, cords, elements */
	put_string(w, i->sku);
	end(w);
}

/* Section 7.5. */
static void add_cpu(struct writer *w, unsigned socket, const struct spec_cpus *c)
{
	g_autofree char *name = g_strdup_printf("CPU %u", socket);
	uint8_t cores = (uint8_t)MIN(c->cores, 255u);

	begin(w, 4, (uint16_t)(HANDLE_CPU + socket));
	put_string(w, name);
	put(w, 3, 1); /* central processor */
	put(w, 1, 1); /* family: other */
	put_string(w, "vmmd");
	put(w, 0, 8); /* what CPUID says differs from host to host */
	put_string(w, NULL);
	put(w, 0, 1); /* voltage, clocks: unknown */
	put(w, 0, 6);
	put(w, 0x41, 1);                     /* populated, enabled */
	put(w, 1, 1);                        /* socket: other */
	put(w, UINT64_C(0xffffffffffff), 6); /* caches: not told */
	put(w, 0, 3);                        /* serial, asset, part */
	put(w, cores, 1);
	put(w, cores, 1);
	put(w, (uint8_t)MIN(c->cores * c->threads, 255u), 1);
	put(w, 2, 2); /* characteristics unknown */
	put(w, 1, 2); /* family 2: other */
	put(w, c->cores, 2);
	put(w, c->cores, 2);
	put(w, c->cores * c->threads, 2);
	end(w);
}

/* Section 7.12. */
static void add_oem_strings(struct writer *w, char **strings)
{
	begin(w, 11, HANDLE_OEM);
	put(w, g_strv_length(strings), 1);
	for (; *strings; strings++)
		g_ptr_array_add(w->strings, **strings ? *strings : " ");
	end(w);
}

/* Section 7.17. */
static void add_array(struct writer *w, uint64_t size, unsigned dimms)
{
	bool large = size / KiB >= 0x80000000;

	begin(w, 16, HANDLE_ARRAY);
	put(w, 0x01, 1); /* location: other */
	put(w, 0x03, 1); /* system memory */
	put(w, MEMORY_ERROR_NONE, 1);
	put(w, large ? 0x80000000 : size / KiB, 4);
	put(w, NO_HANDLE, 2);
	put(w, dimms, 2);
	put(w, large ? size : 0, 8);
	end(w);
}

/* Section 7.18; sizes from 32 GiB on would go into the extended field. */
static void add_dimm(struct writer *w, unsigned n, uint64_t size)
{
	g_autofree char *name = g_strdup_printf("DIMM %u", n);

	begin(w, 17, (uint16_t)(HANDLE_DIMM + n));
	put(w, HANDLE_ARRAY, 2);
	put(w, NO_HANDLE, 2);
	put(w, 0xffff, 2); /* widths: unknown */
	put(w, 0xffff, 2);
	put(w, size / MiB, 2);
	put(w, 0x09, 1); /* DIMM */
	put(w, 0, 1);
	put_string(w, name);
	put_string(w, NULL);
	put(w, 0x07, 1);    /* RAM */
	put(w, 1u << 1, 2); /* detail: other */
	put(w, 0, 2);
	put_string(w, "vmmd");
	put(w, 0, 3); /* serial, asset, part */
	put(w, 0, 1);
	put(w, 0, 4);
	put(w, 0, 2);
	put(w, 0, 6); /* voltages */
	end(w);
}

/* Section 7.20: in KiB, or from 4 TiB on in bytes. */
static void add_mapped(struct writer *w, unsigned n, uint64_t start, uint64_t size)
{
	bool large = (start + size) / KiB > UINT32_MAX;

	begin(w, 19, (uint16_t)(HANDLE_MAPPED + n));
	put(w, large ? UINT32_MAX : start / KiB, 4);
	put(w, large ? UINT32_MAX : (start + size) / KiB - 1, 4);
	put(w, HANDLE_ARRAY, 2);
	put(w, 1, 1);
	put(w, large ? start : 0, 8);
	put(w, large ? start + size - 1 : 0, 8);
	end(w);
}

static void add_memory(struct writer *w, const struct smbios_conf *c)
{
	uint64_t size = c->spec->memory->size;
	unsigned dimms = (unsigned)((size + DIMM_SIZE - 1) / DIMM_SIZE);

	add_array(w, size, dimms);
	for (unsigned i = 0; i < dimms; i++)
		add_dimm(w, i, MIN(size - i * DIMM_SIZE, DIMM_SIZE));
	add_mapped(w, 0, 0, c->low_size);
	if (c->high_size)
		add_mapped(w, 1, 4 * GiB, c->high_size);
}

/* Section 7.33: no errors; and 7.45. */
static void add_ends(struct writer *w)
{
	begin(w, 32, HANDLE_BOOT);
	put(w, 0, 7);
	end(w);
	begin(w, 127, HANDLE_END);
	end(w);
}

/* ---- entry point, section 5.2.1 ---- */

static uint8_t sum(const uint8_t *p, size_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

#define ANCHOR_INTERMEDIATE 0x10 /* "_DMI_", with a checksum of its own */
#define ANCHOR_ADDRESS      0x18

static void make_anchor(const struct writer *w)
{
	uint8_t *a = w->t->anchor;
	uint16_t len = (uint16_t)w->t->tables->len;

	memcpy(a, "_SM_", 4);
	a[5] = sizeof(w->t->anchor);
	a[6] = 2;
	a[7] = 8;
	a[8] = (uint8_t)w->largest;
	a[9] = (uint8_t)(w->largest >> 8);
	memcpy(a + ANCHOR_INTERMEDIATE, "_DMI_", 5);
	a[0x16] = (uint8_t)len;
	a[0x17] = (uint8_t)(len >> 8);
	a[0x1c] = (uint8_t)w->count;
	a[0x1d] = (uint8_t)(w->count >> 8);
	a[0x1e] = 0x28;
	smbios_place(w->t, 0);
}

void smbios_place(struct smbios_tables *t, uint32_t gpa)
{
	uint8_t *a = t->anchor;

	for (unsigned i = 0; i < 4; i++)
		a[ANCHOR_ADDRESS + i] = (uint8_t)(gpa >> (8 * i));
	a[ANCHOR_INTERMEDIATE + 5] = 0;
	a[ANCHOR_INTERMEDIATE + 5] = (uint8_t)-sum(
		a + ANCHOR_INTERMEDIATE, sizeof(t->anchor) - ANCHOR_INTERMEDIATE);
	a[4] = 0;
	a[4] = (uint8_t)-sum(a, sizeof(t->anchor));
}

struct smbios_tables *smbios_build(const struct smbios_conf *c)
{
	static const struct spec_smbios_bios own_bios;
	static const struct spec_smbios_item nothing;
	static const struct spec_smbios none;
	const struct spec_smbios *s = c->spec->smbios ? c->spec->smbios : &none;
	struct smbios_tables *t = g_new0(struct smbios_tables, 1);
	struct writer w = {.t = t, .strings = g_ptr_array_new()};

	t->tables = g_byte_array_new();
	if (s->bios || !c->firmware)
		add_bios(&w, s->bios ? s->bios : &own_bios);
	add_system(&w, s->system ? s->system : &nothing, c->spec);
	if (s->board)
		add_board(&w, s->board);
	add_chassis(&w, s->chassis ? s->chassis : &nothing);
	for (unsigned i = 0; i < c->sockets; i++)
		add_cpu(&w, i, c->spec->cpus);
	if (s->oem_strings && s->oem_strings[0])
		add_oem_strings(&w, s->oem_strings);
	add_memory(&w, c);
	add_ends(&w);
	make_anchor(&w);
	g_ptr_array_unref(w.strings);
	return t;
}

void smbios_free(struct smbios_tables *t)
{
	if (!t)
		return;
	g_byte_array_unref(t->tables);
	g_free(t);
}
