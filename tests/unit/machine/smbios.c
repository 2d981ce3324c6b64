/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SMBIOS tables, read as an operating system does. */
#include "vmmd/machine/smbios.h"

#include <string.h>

#include "base/error.h"

static struct vm_spec *spec_of(const char *text)
{
	GError *e = NULL;
	struct vm_spec *s = vm_spec_parse(text, strlen(text), &e);

	g_assert_no_error(e);
	g_assert_true(vm_spec_complete(s, &e));
	return s;
}

static struct smbios_tables *build(const struct vm_spec *s, bool firmware)
{
	const struct smbios_conf conf = {.spec = s,
		.sockets = s->cpus->sockets,
		.low_size = MIN(s->memory->size, 3 * GiB),
		.high_size = s->memory->size - MIN(s->memory->size, 3 * GiB),
		.firmware = firmware};

	return smbios_build(&conf);
}

static uint8_t sum(const uint8_t *p, size_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

/* The @n-th structure of @type, or NULL; @ret_all: how many structures there are. */
static const uint8_t *find(
	const struct smbios_tables *t, uint8_t type, unsigned n, unsigned *ret_all)
{
	const uint8_t *p = t->tables->data, *end = p + t->tables->len, *found = NULL;
	unsigned all = 0;

	while (p < end) {
		g_assert_cmpuint(p[1], >=, 4);
		if (p[0] == type && !n--)
			found = p;
		all++;
		p += p[1];
		while (p[0] || p[1])
			p++;
		p += 2;
	}
	g_assert_true(p == end);
	if (ret_all)
		*ret_all = all;
	return found;
}

static const char *string(const uint8_t *structure, unsigned offset)
{
	const char *s = (const char *)structure + structure[1];

	if (!structure[offset])
		return NULL;
	for (unsigned i = 1; i < structure[offset]; i++)
		s += strlen(s) + 1;
	return s;
}

static void test_anchor(void)
{
	struct vm_spec *s = spec_of("{\"name\":\"a\"}");
	struct smbios_tables *t = build(s, true);
	unsigned all;

	smbios_place(t, 0xf0020);
	g_assert_cmpmem(t->anchor, 4, "_SM_", 4);
	g_assert_cmpuint(sum(t->anchor, sizeof(t->anchor)), ==, 0);
	g_assert_cmpuint(sum(t->anchor + 0x10, 15), ==, 0);
	g_assert_cmphex(
		t->anchor[0x18] | t->anchor[0x19] << 8 | t->anchor[0x1a] << 16, ==, 0xf0020);
	g_assert_cmpuint(t->anchor[0x16] | t->anchor[0x17] << 8, ==, t->tables->len);
	g_assert_nonnull(find(t, 127, 0, &all));
	g_assert_cmpuint(t->anchor[0x1c] | t->anchor[0x1d] << 8, ==, all);
	/* The firmware has its own type 0. */
	g_assert_null(find(t, 0, 0, NULL));
	g_assert_null(find(t, 2, 0, NULL));
	smbios_free(t);
	t = build(s, false);
	g_assert_nonnull(find(t, 0, 0, NULL));
	smbios_free(t);
	vm_spec_free(s);
}

static void test_strings(void)
{
	struct vm_spec *s = spec_of(
		"{\"name\":\"a\",\"uuid\":\"00112233-4455-6677-8899-aabbccddeeff\","
		"\"smbios\":{\"system\":{\"manufacturer\":\"Maker\",\"serial\":\"S1\",\"sku\":"
		"\"K\"},"
		"\"board\":{\"asset\":\"A\"},\"oem-strings\":[\"one\",\"two\"]}}");
	static const uint8_t uuid[16] = {0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99,
		0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
	struct smbios_tables *t = build(s, true);
	const uint8_t *p = find(t, 1, 0, NULL);

	g_assert_cmpuint(p[1], ==, 27);
	g_assert_cmpstr(string(p, 4), ==, "Maker");
	g_assert_nonnull(string(p, 5));
	g_assert_cmpstr(string(p, 7), ==, "S1");
	g_assert_cmpmem(p + 8, 16, uuid, 16);
	g_assert_cmpstr(string(p, 25), ==, "K");
	g_assert_null(string(p, 26));
	p = find(t, 2, 0, NULL);
	g_assert_cmpstr(string(p, 8), ==, "A");
	p = find(t, 11, 0, NULL);
	g_assert_cmpuint(p[4], ==, 2);
	g_assert_cmpstr((const char *)p + p[1], ==, "one");
	g_assert_cmpstr((const char *)p + p[1] + 4, ==, "two");
	smbios_free(t);
	vm_spec_free(s);
}

static void test_hardware(void)
{
	struct vm_spec *s = spec_of(
		"{\"name\":\"a\",\"memory\":{\"size\":\"20G\"},"
		"\"cpus\":{\"count\":8,\"sockets\":2,\"cores\":2,\"threads\":2}}");
	struct smbios_tables *t = build(s, true);
	const uint8_t *p;
	uint32_t v;

	g_assert_nonnull(find(t, 4, 1, NULL));
	g_assert_null(find(t, 4, 2, NULL));
	p = find(t, 4, 1, NULL);
	g_assert_cmpuint(p[1], ==, 0x30);
	g_assert_cmpuint(p[0x23], ==, 2);
	g_assert_cmpuint(p[0x25], ==, 4);
	p = find(t, 17, 0, NULL);
	g_assert_cmpuint(p[1], ==, 0x28);
	g_assert_cmpuint(p[12] | p[13] << 8, ==, 16384);
	p = find(t, 17, 1, NULL);
	g_assert_cmpuint(p[12] | p[13] << 8, ==, 4096);
	g_assert_null(find(t, 17, 2, NULL));
	p = find(t, 19, 1, NULL);
	g_assert_cmpuint(p[1], ==, 0x1f);
	memcpy(&v, p + 4, 4);
	g_assert_cmpuint(v, ==, 4 * MiB);
	memcpy(&v, p + 8, 4);
	g_assert_cmpuint(v, ==, 21 * MiB - 1);
	smbios_free(t);
	vm_spec_free(s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/smbios/anchor", test_anchor);
	g_test_add_func("/smbios/strings", test_strings);
	g_test_add_func("/smbios/hardware", test_hardware);
	return g_test_run();
}
