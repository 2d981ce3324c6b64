/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/prop.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

struct inner {
	char *name;
	uint8_t v;
};

struct conf {
	bool flag;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64, size;
	char *str;
	int mode;
	uint8_t mac[6], uuid[16];
	struct prop_pci addr;
	struct prop_file file;
	char *link;
	struct inner *object;
	struct inner **list;
	size_t n_list;
	char **extra;
};

static const char *const modes[] = {"none", "writeback", "unsafe", NULL};
static const struct prop inner_props[] = {
	PROP_STR("name", struct inner, name, 8, "x", "its name"),
	PROP_U8("v", struct inner, v, 0, 9, 4, "a number"),
	PROP_END,
};
static const struct prop_table inner_table = {
	"inner", "inner", sizeof(struct inner), inner_props, NULL};
static const struct prop props[] = {
	PROP_BOOL("flag", struct conf, flag, true, "a flag"),
	PROP_U8("u8", struct conf, u8, 1, 200, 5, "a byte"),
	PROP_U16("u16", struct conf, u16, 0, 65535, 0, "a short"),
	PROP_U32("u32", struct conf, u32, 0, UINT32_MAX, 7, "a word"),
	PROP_U64("u64", struct conf, u64, 0, UINT64_MAX, 0, "a long"),
	PROP_SIZE("size", struct conf, size, 4096, UINT64_MAX, 1 << 20, "bytes"),
	PROP_STR("str", struct conf, str, 5, NULL, "a string"),
	PROP_ENUM("mode", struct conf, mode, modes, 1, "a mode"),
	PROP_MAC("mac", struct conf, mac, "an address"),
	PROP_UUID("uuid", struct conf, uuid, "an id"),
	PROP_PCI("addr", struct conf, addr, "a slot"),
	PROP_FILE("file", struct conf, file, 0, "a file"),
	PROP_LINK("drive", struct conf, link, PROP_LINK_BLOCK, 0, "a disk"),
	PROP_OBJECT("object", struct conf, object, &inner_table, 0, "an object"),
	PROP_LIST("list", struct conf, list, n_list, &inner_table, "objects"),
	PROP_EXTRA(struct conf, extra, "the rest"),
	PROP_END,
};
static const struct prop_table table = {"conf", "a test", sizeof(struct conf), props, NULL};

static void set(struct conf *c, const char *name, const char *text)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(prop_set_text(prop_find(&table, name), c, text, &error));
	g_assert_no_error(error);
}

static void refuse(struct conf *c, const char *name, const char *text)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(prop_set_text(prop_find(&table, name), c, text, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_INVALID);
	g_assert_nonnull(strstr(error->message, name));
}

static void test_defaults(void)
{
	struct conf c;

	memset(&c, 0xaa, sizeof(c));
	prop_defaults(&table, &c);
	g_assert_true(c.flag);
	g_assert_cmpuint(c.u8, ==, 5);
	g_assert_cmpuint(c.size, ==, 1 << 20);
	g_assert_cmpint(c.mode, ==, 1);
	g_assert_null(c.str);
	g_assert_cmpint(c.addr.slot, ==, -1);
	g_assert_cmpint(c.file.fd, ==, -1);
	g_assert_cmpuint(c.n_list, ==, 0);
	for (const struct prop *p = props; p->name; p++)
		g_assert_true(prop_is_default(p, &c));
	prop_clear(&table, &c);
}

static void test_text(void)
{
	static const struct {
		const char *name, *text, *back;
	} good[] = {
		{"flag", "off", "off"},
		{"flag", "true", "on"},
		{"u8", "200", "200"},
		{"u8", "0x10", "16"},
		{"u32", "4294967295", "4294967295"},
		{"u64", "18446744073709551615", "18446744073709551615"},
		{"size", "512M", "536870912"},
		{"size", "4096", "4096"},
		{"size", "1GiB", "1073741824"},
		{"str", "abcde", "abcde"},
		{"mode", "unsafe", "unsafe"},
		{"mac", "52:54:00:Ab:cd:ef", "52:54:00:ab:cd:ef"},
		{"uuid", "01234567-89ab-cdef-0123-456789abcdef",
			"01234567-89ab-cdef-0123-456789abcdef"},
		{"addr", "1f.7", "1f.7"},
		{"addr", "5", "5"},
		{"addr", "5.0", "5"},
		{"file", "/a/b", "/a/b"},
		{"drive", "disk0", "disk0"},
	};
	struct conf c;

	prop_defaults(&table, &c);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const struct prop *p = prop_find(&table, good[i].name);
		g_autofree char *back = NULL;

		set(&c, good[i].name, good[i].text);
		back = prop_get_text(p, &c);
		g_assert_cmpstr(back, ==, good[i].back);
	}
	prop_clear(&table, &c);
}

static void test_refusals(void)
{
	static const char *const bad[][2] = {
		{"flag", "maybe"},
		{"flag", ""},
		{"u8", "0"},
		{"u8", "201"},
		{"u8", "-1"},
		{"u8", "7x"},
		{"u8", ""},
		{"u8", " 7"},
		{"u16", "65536"},
		{"u32", "4294967296"},
		{"u64", "18446744073709551616"},
		{"size", "4095"},
		{"size", "1X"},
		{"size", "1MM"},
		{"size", "99999999999T"},
		{"str", "abcdef"},
		{"str", "\xff"},
		{"mode", "writeback2"},
		{"mode", ""},
		{"mac", "52:54:00:12:34"},
		{"mac", "52:54:00:12:34:56:78"},
		{"mac", "53:54:00:12:34:56"},
		{"mac", "525400123456"},
		{"uuid", "01234567"},
		{"addr", "20"},
		{"addr", "1.8"},
		{"addr", "x"},
		{"addr", "1."},
		{"object", "x"},
		{"list", "x"},
	};
	struct conf c;

	prop_defaults(&table, &c);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refuse(&c, bad[i][0], bad[i][1]);
	for (const struct prop *p = props; p->name; p++)
		g_assert_true(prop_is_default(p, &c));
	prop_clear(&table, &c);
}

static void test_uint(void)
{
	g_autoptr(GError) error = NULL;
	struct conf c;

	prop_defaults(&table, &c);
	g_assert_true(prop_set_uint(prop_find(&table, "mode"), &c, 2, NULL));
	g_assert_false(prop_set_uint(prop_find(&table, "mode"), &c, 3, NULL));
	g_assert_cmpuint(prop_get_uint(prop_find(&table, "mode"), &c), ==, 2);
	g_assert_false(prop_set_uint(prop_find(&table, "str"), &c, 1, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_INVALID);
	g_assert_null(prop_find(&table, "*"));
	g_assert_null(prop_find(&table, "nothing"));
	prop_clear(&table, &c);
}

/* Clearing twice frees once and closes files. */
static void test_clear(void)
{
	struct conf c;
	int fd;

	prop_defaults(&table, &c);
	set(&c, "str", "abc");
	c.object = g_new0(struct inner, 1);
	prop_defaults(&inner_table, c.object);
	c.list = g_new0(struct inner *, 2);
	c.n_list = 2;
	for (int i = 0; i < 2; i++) {
		c.list[i] = g_new0(struct inner, 1);
		prop_defaults(&inner_table, c.list[i]);
	}
	c.extra = g_strsplit("a=1 b=2", " ", 0);
	fd = c.file.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	g_assert_cmpint(fd, >=, 0);
	prop_clear(&table, &c);
	g_assert_cmpint(fcntl(fd, F_GETFD), ==, -1);
	g_assert_null(c.object);
	g_assert_null(c.str);
	prop_clear(&table, &c);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/prop/defaults", test_defaults);
	g_test_add_func("/prop/text", test_text);
	g_test_add_func("/prop/refusals", test_refusals);
	g_test_add_func("/prop/uint", test_uint);
	g_test_add_func("/prop/clear", test_clear);
	return g_test_run();
}
