/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ACPI tables: structure by walking them as an operating system does, AML by ACPICA's disassembler. */
#include "vmmd/machine/acpi.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "vmmd/machine/aml.h"

#define BASE 0xe0040u

static const uint32_t nodes[] = {0, 0, 0, 1, 1, 1};
static const struct acpi_memory memory[] = {
	{.start = 0, .size = 0x40000000, .node = 0},
	{.start = UINT64_C(0x100000000), .size = 0x80000000, .node = 1},
};

static const struct acpi_conf conf = {
	.chipset = &acpi_pc,
	.cpus = {.count = 6, .sockets = 2, .cores = 3, .threads = 1},
	.com_ports = 1,
	.pvpanic = true,
	.pci_window_first = 0x80000000,
	.hpet = 0xfed00000,
	.hpet_id = 0x8086a201,
	.cpu_nodes = nodes,
	.memory = memory,
	.n_memory = ARRAY_SIZE(memory),
};

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint8_t sum(const uint8_t *p, uint32_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

/* The table at guest address @gpa, its length and checksum verified. */
static const uint8_t *table_at(const struct acpi_tables *t, uint64_t gpa)
{
	const uint8_t *p;

	g_assert_cmpuint(gpa, >=, BASE);
	g_assert_cmpuint(gpa + 36, <=, BASE + t->tables->len);
	p = t->tables->data + (gpa - BASE);
	g_assert_cmpuint(gpa + u32(p + 4), <=, BASE + t->tables->len);
	g_assert_cmpuint(sum(p, u32(p + 4)), ==, 0);
	return p;
}

static const uint8_t *find(const struct acpi_tables *t, const char *signature)
{
	const uint8_t *rsdt = table_at(t, u32(t->rsdp->data + 16));

	g_assert_cmpmem(rsdt, 4, "RSDT", 4);
	for (uint32_t at = 36; at < u32(rsdt + 4); at += 4) {
		const uint8_t *p = table_at(t, u32(rsdt + at));

		if (memcmp(p, signature, 4) == 0)
			return p;
	}
	g_error("no %s", signature);
}

static void test_walk(void)
{
	struct acpi_tables *t = acpi_build(&conf);
	const uint8_t *fadt, *facs;

	acpi_place(t, BASE);
	g_assert_cmpmem(t->rsdp->data, 8, "RSD PTR ", 8);
	g_assert_cmpuint(sum(t->rsdp->data, 20), ==, 0);
	g_assert_cmpuint(sum(t->rsdp->data, 36), ==, 0);
	g_assert_cmpmem(table_at(t, u32(t->rsdp->data + 24)), 4, "XSDT", 4);
	fadt = find(t, "FACP");
	g_assert_cmpmem(table_at(t, u32(fadt + 40)), 4, "DSDT", 4);
	g_assert_cmpuint(u32(fadt + 40), ==, u32(fadt + 140));
	facs = t->tables->data + (u32(fadt + 36) - BASE);
	g_assert_cmpmem(facs, 4, "FACS", 4);
	g_assert_cmpuint(u32(fadt + 36) % 64, ==, 0);
	g_assert_cmpuint(u32(fadt + 76), ==, 0x608);
	acpi_free(t);
}

/* Processor entries carry the APIC ids of the topology: three cores take two bits. */
static void test_madt(void)
{
	static const uint8_t want[] = {0, 1, 2, 4, 5, 6};
	struct acpi_tables *t = acpi_build(&conf);
	const uint8_t *madt;
	unsigned n = 0;

	acpi_place(t, BASE);
	madt = find(t, "APIC");
	for (uint32_t at = 44; at < u32(madt + 4); at += madt[at + 1]) {
		g_assert_cmpuint(madt[at + 1], >, 0);
		if (madt[at] != 0)
			continue;
		g_assert_cmpuint(n, <, ARRAY_SIZE(want));
		g_assert_cmpuint(madt[at + 2], ==, n);
		g_assert_cmpuint(madt[at + 3], ==, want[n]);
		n++;
	}
	g_assert_cmpuint(n, ==, ARRAY_SIZE(want));
	acpi_free(t);
}

static uint64_t u64(const uint8_t *p)
{
	return u32(p) | (uint64_t)u32(p + 4) << 32;
}

static void test_srat(void)
{
	struct acpi_tables *t = acpi_build(&conf);
	const uint8_t *srat;
	unsigned cpus = 0, pieces = 0;

	acpi_place(t, BASE);
	srat = find(t, "SRAT");
	for (uint32_t at = 48; at < u32(srat + 4); at += srat[at + 1]) {
		const uint8_t *e = srat + at;

		g_assert_cmpuint(e[1], >, 0);
		if (e[0] == 0) {
			g_assert_cmpuint(e[2], ==, nodes[cpus]);
			g_assert_cmpuint(e[3], ==, accel_apic_id(&conf.cpus, cpus));
			cpus++;
			continue;
		}
		g_assert_cmpuint(e[0], ==, 1);
		g_assert_cmpuint(u32(e + 2), ==, memory[pieces].node);
		g_assert_cmpuint(u64(e + 8), ==, memory[pieces].start);
		g_assert_cmpuint(u64(e + 16), ==, memory[pieces].size);
		g_assert_cmpuint(u32(e + 28), ==, 1);
		pieces++;
	}
	g_assert_cmpuint(cpus, ==, 6);
	g_assert_cmpuint(pieces, ==, 2);
	acpi_free(t);
}

static void test_hpet(void)
{
	struct acpi_tables *t = acpi_build(&conf);
	const uint8_t *hpet;

	acpi_place(t, BASE);
	hpet = find(t, "HPET");
	g_assert_cmpuint(u32(hpet + 4), ==, 56);
	g_assert_cmphex(u32(hpet + 36), ==, conf.hpet_id);
	g_assert_cmphex(u64(hpet + 44), ==, conf.hpet);
	acpi_free(t);
}

/* What the loader's commands do to the blobs must give what acpi_place() gives. */
static void test_loader(void)
{
	struct acpi_tables *t = acpi_build(&conf), *placed = acpi_build(&conf);
	GByteArray *script = acpi_loader_script(t);

	acpi_place(placed, BASE);
	g_assert_cmpuint(script->len % 128, ==, 0);
	for (guint at = 0; at < script->len; at += 128) {
		const uint8_t *e = script->data + at;
		GByteArray *blob = strcmp((const char *)e + 4, ACPI_FILE_RSDP) == 0 ? t->rsdp
										    : t->tables;

		if (u32(e) == 2) {
			uint64_t v = 0;

			memcpy(&v, blob->data + u32(e + 116), e[120]);
			v += BASE;
			memcpy(blob->data + u32(e + 116), &v, e[120]);
		} else if (u32(e) == 3) {
			uint8_t s = sum(blob->data + u32(e + 64), u32(e + 68));

			blob->data[u32(e + 60)] = (uint8_t)(blob->data[u32(e + 60)] - s);
		}
	}
	g_assert_cmpmem(t->tables->data, t->tables->len, placed->tables->data, placed->tables->len);
	g_assert_cmpmem(t->rsdp->data, t->rsdp->len, placed->rsdp->data, placed->rsdp->len);
	g_byte_array_unref(script);
	acpi_free(t);
	acpi_free(placed);
}

static void write_table(const char *dir, const char *name, const uint8_t *table)
{
	g_autofree char *path = g_strdup_printf("%s/%s.aml", dir, name);

	g_assert_true(g_file_set_contents(path, (const char *)table, u32(table + 4), NULL));
}

/* ACPICA reads both definition blocks, resolves the names between them, and finds what was put in. */
static void test_disassemble(void)
{
	g_autofree char *dir = g_dir_make_tmp("acpi-XXXXXX", NULL);
	g_autofree char *out = NULL, *errors = NULL, *text = NULL, *command = NULL,
			*ssdt_dsl = NULL, *dsdt_dsl = NULL, *dsdt_text = NULL;
	struct acpi_tables *t = acpi_build(&conf);
	const uint8_t *dsdt;
	int status = -1;

	acpi_place(t, BASE);
	dsdt = table_at(t, u32(find(t, "FACP") + 40));
	write_table(dir, "SSDT", find(t, "SSDT"));
	write_table(dir, "DSDT", dsdt);
	command = g_strdup_printf("cd %s && iasl -e DSDT.aml -d SSDT.aml && iasl -d DSDT.aml", dir);
	g_assert_true(g_spawn_sync(NULL, (char *[]){"sh", "-c", command, NULL}, NULL,
		G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &errors, &status, NULL));
	g_assert_cmpint(status, ==, 0);
	ssdt_dsl = g_strdup_printf("%s/SSDT.dsl", dir);
	g_assert_true(g_file_get_contents(ssdt_dsl, &text, NULL, NULL));
	dsdt_dsl = g_strdup_printf("%s/DSDT.dsl", dir);
	g_assert_true(g_file_get_contents(dsdt_dsl, &dsdt_text, NULL, NULL));
	g_assert_nonnull(strstr(dsdt_text, "Name (VCOM, 0x01)"));
	g_assert_nonnull(strstr(dsdt_text, "Name (VFDC, 0x00)"));
	/* SeaBIOS stops reading at the first one. */
	g_assert_null(strstr(dsdt_text, "External ("));
	g_assert_nonnull(strstr(text, "Device (C005)"));
	g_assert_null(strstr(text, "Device (C006)"));
	g_assert_nonnull(strstr(text, "0x80000000,         // Range Minimum"));
	g_assert_nonnull(strstr(text, "0x7EC00000,         // Length"));
	/* Slot 3, INTA: PIRQC. */
	g_assert_nonnull(strstr(text, "0x0003FFFF"));
	command = (g_free(command), g_strdup_printf("rm -r %s", dir));
	g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, &status, NULL));
	acpi_free(t);
}

/* PkgLength at its borders: 1, 2 and 3 bytes. */
static void test_lengths(void)
{
	static const struct {
		unsigned body, bytes;
	} cases[] = {{62, 1}, {63, 2}, {4093, 2}, {4094, 3}, {70000, 3}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		g_autoptr(GByteArray) out = g_byte_array_new();
		guint len = 0, at = 0;

		g_byte_array_set_size(out, cases[i].body);
		memset(out->data, 0xaa, out->len);
		aml_end(out, 0);
		g_assert_cmpuint(out->len, ==, cases[i].body + cases[i].bytes);
		at = out->data[0] >> 6;
		g_assert_cmpuint(at + 1, ==, cases[i].bytes);
		len = at ? out->data[0] & 0xf : out->data[0];
		for (guint b = 0; b < at; b++)
			len |= (guint)out->data[1 + b] << (4 + 8 * b);
		g_assert_cmpuint(len, ==, out->len);
		g_assert_cmpuint(out->data[at + 1], ==, 0xaa);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/acpi/walk", test_walk);
	g_test_add_func("/acpi/madt", test_madt);
	g_test_add_func("/acpi/srat", test_srat);
	g_test_add_func("/acpi/hpet", test_hpet);
	g_test_add_func("/acpi/loader", test_loader);
	g_test_add_func("/acpi/disassemble", test_disassemble);
	g_test_add_func("/aml/lengths", test_lengths);
	return g_test_run();
}
