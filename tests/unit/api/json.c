/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/json.h"

#include <string.h>

#include "api/lines.h"

static const char *const good[] = {
	"{}",
	"[]",
	"null",
	"true",
	"0",
	"-0",
	"-1.5e+3",
	" {\"a\" : [1, 2] } \n",
	"\"\\u00e9\\ud83d\\ude00\"",
	"{\"\": 1}",
	"[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]",
	"{\"a\": {\"a\": 1}, \"b\": {\"a\": 1}}",
	"[{\"a\": 1}, {\"a\": 1}]",
	"\"a/b\\/c\"",
	"18446744073709551615",
};

static void test_good(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct json_object *v = NULL;
		GError *e = NULL;

		g_test_message("%s", good[i]);
		g_assert_true(json_parse(good[i], strlen(good[i]), &v, &e));
		g_assert_no_error(e);
		json_object_put(v);
	}
}

static const struct {
	const char *text, *says;
} bad[] = {
	{"", "not valid JSON at byte 0"},
	{"  ", "unexpected end"},
	{"{", "unexpected end"},
	{"{\"a\":1", "unexpected end"},
	{"}", "closes what was not opened"},
	{"[1]]", "closes what was not opened"},
	{"[1}", "not valid JSON"},
	{"{\"a\":1,}", "not valid JSON"},
	{"[1,]", "not valid JSON"},
	{"{\"a\" 1}", "separator"},
	{"{a:1}", "a key or the end"},
	{"{{\"a\":1,\"a\":1}}", "a key or the end"},
	{"{1:2}", "a key or the end"},
	{"{\"a\"\"b\"}", "not valid JSON"},
	{"'a'", "a value is expected"},
	{"NaN", "a value is expected"},
	{"Infinity", "a value is expected"},
	{"-Infinity", "a number begins"},
	{"[01]", "a number begins"},
	{"-01", "a number begins"},
	{"1.", "digits must follow the point"},
	{"1e", "digits must follow the exponent"},
	{".5", "a value is expected"},
	{"+1", "a value is expected"},
	{"0x10", "not valid JSON"},
	{"tru", "not valid JSON"},
	{"TRUE", "a value is expected"},
	{"truefalse", "not valid JSON"},
	{"1 2", "not valid JSON"},
	{"{} {}", "not valid JSON"},
	{"/* c */ 1", "a value is expected"},
	{"\"a", "without its closing quote"},
	{"\"a\\", "without its closing quote"},
	{"\"\\x\"", "not valid JSON"},
	{"\"\\u12\"", "four hexadecimal digits"},
	{"\"\\u0000\"", "must not hold NUL"},
	{"\"\\ud800\"", "surrogate"},
	{"\"\\ud800\\u0041\"", "surrogate"},
	{"\"\\udc00\"", "surrogate"},
	{"\"a\nb\"", "control character"},
	{"\"\x01\"", "control character"},
	{"\"\xff\"", "not valid UTF-8"},
	{"\"\xed\xa0\x80\"", "not valid UTF-8"},
	{"{\"a\":1,\"a\":2}", "/a: is given twice"},
	{"{\"a\":1,\"\\u0061\":2}", "/a: is given twice"},
	{"{\"x\":[0,{\"b\":1,\"c/d\":2,\"c/d\":3}]}", "/x/1/c~1d: is given twice"},
	{"[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]", "nested too deeply"},
};

static void test_bad(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		g_autofree char *shown = g_strescape(bad[i].text, NULL);
		struct json_object *v = NULL;
		GError *e = NULL;

		g_test_message("%s", shown);
		g_assert_false(json_parse(bad[i].text, strlen(bad[i].text), &v, &e));
		g_assert_error(e, VMMD_ERROR, VMMD_ERROR_INVALID);
		g_test_message("-> %s", e->message);
		g_assert_nonnull(strstr(e->message, bad[i].says));
		g_assert_null(v);
		g_clear_error(&e);
	}
}

static void refuse(const char *text, size_t len, const char *says)
{
	struct json_object *v = NULL;
	GError *e = NULL;

	g_assert_false(json_parse(text, len, &v, &e));
	g_assert_error(e, VMMD_ERROR, VMMD_ERROR_INVALID);
	g_assert_nonnull(strstr(e->message, says));
	g_clear_error(&e);
}

static void test_limits(void)
{
	g_autofree char *big = g_malloc(JSON_TEXT_MAX + 1);
	g_autoptr(GString) many = g_string_new("[");
	g_autoptr(GString) deep = g_string_new(NULL);

	memset(big, ' ', JSON_TEXT_MAX + 1);
	refuse(big, JSON_TEXT_MAX + 1, "limit");
	refuse("1\0", 2, "not valid UTF-8");
	for (unsigned i = 0; i < JSON_VALUES_MAX; i++)
		g_string_append(many, "0,");
	g_string_append(many, "0]");
	refuse(many->str, many->len, "too many values");
	for (unsigned i = 0; i < JSON_TEXT_MAX; i++)
		g_string_append_c(deep, '[');
	refuse(deep->str, deep->len, "nested too deeply");
}

static void test_describe(void)
{
	static const struct {
		const char *json, *text;
	} cases[] = {
		{"{}", "an object"},
		{"[]", "an array"},
		{"null", "null"},
		{"12", "12"},
		{"\"x\"", "'x'"},
		{"\"a\\u001b[2Jb\"", "'a<U+001B>[2Jb'"},
		{"\"0123456789012345678901234567890123456789ab\"",
			"'0123456789012345678901234567890123456789…'"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		g_autoptr(json_object) v = NULL;
		g_autofree char *text = NULL;

		g_assert_true(json_parse(cases[i].json, strlen(cases[i].json), &v, NULL));
		text = json_describe(v);
		g_assert_cmpstr(text, ==, cases[i].text);
	}
}

static void test_error_pointer(void)
{
	static const struct {
		const char *message, *pointer;
	} cases[] = {
		{"/disks/0/cache: must be one of none", "/disks/0/cache"},
		{"the daemon is tired: very", NULL},
		{"/a/path without a colon", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		g_autoptr(GError) e = g_error_new_literal(VMMD_ERROR, 0, cases[i].message);
		g_autofree char *p = json_error_pointer(e);

		g_assert_cmpstr(p, ==, cases[i].pointer);
	}
}

struct gathered {
	char *lines[8];
	unsigned n;
};

static bool gather(void *opaque, const char *line, size_t len)
{
	struct gathered *g = opaque;

	g->lines[g->n++] = g_strndup(line, len);
	return len != 4;
}

static void test_lines(void)
{
	static const char stream[] = "one\n\ntwo\nthree\npart";
	struct gathered g = {0};
	struct lines l;

	/* Byte by byte is the same as all at once. */
	lines_init(&l, 8);
	for (size_t i = 0; i < strlen(stream); i++)
		g_assert_true(lines_feed(&l, stream + i, 1, gather, &g));
	g_assert_true(lines_feed(&l, "ial\n2\n", 6, gather, &g));
	g_assert_cmpuint(g.n, ==, 5);
	g_assert_cmpstr(g.lines[0], ==, "one");
	g_assert_cmpstr(g.lines[1], ==, "two");
	g_assert_cmpstr(g.lines[2], ==, "three");
	g_assert_cmpstr(g.lines[3], ==, "partial");
	g_assert_cmpstr(g.lines[4], ==, "2");
	g_assert_true(lines_feed(&l, "12345678", 8, gather, &g));
	g_assert_false(lines_feed(&l, "9", 1, gather, &g));
	lines_done(&l);

	lines_init(&l, 8);
	g_assert_false(lines_feed(&l, "stop\nnext\n", 10, gather, &g));
	g_assert_cmpuint(g.n, ==, 6);
	lines_done(&l);
	for (unsigned i = 0; i < g.n; i++)
		g_free(g.lines[i]);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/json/good", test_good);
	g_test_add_func("/json/bad", test_bad);
	g_test_add_func("/json/limits", test_limits);
	g_test_add_func("/json/describe", test_describe);
	g_test_add_func("/json/error-pointer", test_error_pointer);
	g_test_add_func("/json/lines", test_lines);
	return g_test_run();
}
