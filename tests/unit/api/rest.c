/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/rest.h"

#include <string.h>

#include "api/json.h"
#include "api/openapi.h"

struct wish {
	char *name, *part;
	uint32_t depth;
	bool all;
};

static const struct prop wish_props[] = {
	PROP_STR("name", struct wish, name, 64, NULL, "name"),
	PROP_STR("part", struct wish, part, 64, NULL, "part"),
	PROP_U32("depth", struct wish, depth, 0, 9, 0, "depth"),
	PROP_BOOL("all", struct wish, all, false, "all"),
	PROP_END,
};
static const struct prop_table wish_table = {"wish", "a wish", sizeof(struct wish), wish_props};

static const struct operation ops[] = {
	{.name = "list", .method = "GET", .path = "/v1/things", .params = &wish_table},
	{.name = "make", .method = "POST", .path = "/v1/things", .params = &wish_table},
	{.name = "get", .method = "GET", .path = "/v1/things/{name}", .params = &wish_table},
	{.name = "drop", .method = "DELETE", .path = "/v1/things/{name}", .params = &wish_table},
	{.name = "fix",
		.method = "POST",
		.path = "/v1/things/{name}/parts/{part}/fix",
		.params = &wish_table},
	{.name = "inner"},
	{.name = NULL},
};

static const struct {
	const char *method, *path, *query, *body, *op, *params;
} matched[] = {
	{"GET", "/v1/things", NULL, "", "list", "{}"},
	{"GET", "/v1/things", "depth=3&all=true", "", "list", "{\"depth\":3,\"all\":true}"},
	{"GET", "/v1/things", "depth=x&name=a%20b%2Fc", "", "list",
		"{\"depth\":\"x\",\"name\":\"a b/c\"}"},
	{"GET", "/v1/things", "nonsense=1", "", "list", "{\"nonsense\":\"1\"}"},
	{"POST", "/v1/things", "", "{\"name\":\"x\"}", "make", "{\"name\":\"x\"}"},
	{"POST", "/v1/things", NULL, "", "make", "{}"},
	{"GET", "/v1/things/a-b.c", NULL, "", "get", "{\"name\":\"a-b.c\"}"},
	{"GET", "/v1/things/%7Bname%7D", NULL, "", "get", "{\"name\":\"{name}\"}"},
	{"GET", "/v1/things/..", NULL, "", "get", "{\"name\":\"..\"}"},
	{"GET", "/v1/things/a%2Fb", NULL, "", "get", "{\"name\":\"a/b\"}"},
	{"DELETE", "/v1/things/x", "all=false", "", "drop", "{\"name\":\"x\",\"all\":false}"},
	{"POST", "/v1/things/x/parts/y/fix", NULL, "{\"depth\":2}", "fix",
		"{\"name\":\"x\",\"part\":\"y\",\"depth\":2}"},
};

static void test_matched(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(matched); i++) {
		struct rest_request r = {.method = matched[i].method,
			.path = matched[i].path,
			.query = matched[i].query,
			.body = matched[i].body,
			.body_len = strlen(matched[i].body)};
		struct rest_match m;
		g_autofree char *params = NULL;
		GError *e = NULL;

		g_test_message("%s %s", r.method, r.path);
		g_assert_true(rest_match(ops, &r, &m, &e));
		g_assert_no_error(e);
		g_assert_cmpstr(m.op->name, ==, matched[i].op);
		params = json_text(m.params, NULL);
		g_assert_cmpstr(params, ==, matched[i].params);
		rest_match_done(&m);
	}
}

static const struct {
	const char *method, *path, *query, *body;
	unsigned status;
	const char *says, *allow;
} refused[] = {
	{"GET", "", NULL, "", 404, "nothing at this path"},
	{"GET", "/", NULL, "", 404, "nothing at this path"},
	{"GET", "/v1/things/", NULL, "", 404, "nothing at this path"},
	{"GET", "/v1/thingsx", NULL, "", 404, "nothing at this path"},
	{"GET", "/v1//things", NULL, "", 404, "nothing at this path"},
	{"GET", "/v1/things/a/b", NULL, "", 404, "nothing at this path"},
	{"GET", "/V1/things", NULL, "", 404, "nothing at this path"},
	{"POST", "/v1/things/x/parts//fix", NULL, "", 404, "nothing at this path"},
	{"PUT", "/v1/things", NULL, "", 405, "has only GET, POST", "GET, POST"},
	{"get", "/v1/things", NULL, "", 405, "has only GET, POST", "GET, POST"},
	{"POST", "/v1/things/x", NULL, "", 405, "has only GET, DELETE", "GET, DELETE"},
	{"GET", "/v1/things/%", NULL, "", 400, "not properly encoded"},
	{"GET", "/v1/things/%zz", NULL, "", 400, "not properly encoded"},
	{"GET", "/v1/things/%00", NULL, "", 400, "not properly encoded"},
	{"GET", "/v1/things/%ff", NULL, "", 400, "not properly encoded"},
	{"GET", "/v1/things", "a=%", "", 400, "not properly encoded"},
	{"GET", "/v1/things", "a=%ff", "", 400, "query is not"},
	{"GET", "/v1/things", "all", "", 400, "not properly encoded"},
	{"GET", "/v1/things", "depth=1&depth=2", "", 400, "/depth: is given twice"},
	{"GET", "/v1/things/x", "name=y", "", 400, "/name: is given twice"},
	{"GET", "/v1/things", NULL, "{}", 400, "takes no body"},
	{"DELETE", "/v1/things/x", NULL, "{}", 400, "takes no body"},
	{"POST", "/v1/things", "depth=1", "{}", 400, "go into the body"},
	{"POST", "/v1/things", NULL, "{", 400, "not valid JSON"},
	{"POST", "/v1/things", NULL, "[]", 400, "must be a JSON object"},
	{"POST", "/v1/things", NULL, "null", 400, "must be a JSON object"},
	{"POST", "/v1/things/x/parts/y/fix", NULL, "{\"name\":\"z\"}", 400,
		"/name: is given twice"},
};

static void test_refused(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct rest_request r = {.method = refused[i].method,
			.path = refused[i].path,
			.query = refused[i].query,
			.body = refused[i].body,
			.body_len = strlen(refused[i].body)};
		struct rest_match m;
		g_autoptr(GError) e = NULL;

		g_test_message("%s %s?%s", r.method, r.path, r.query ? r.query : "");
		g_assert_false(rest_match(ops, &r, &m, &e));
		g_test_message("-> %s", e->message);
		g_assert_cmpuint(m.status, ==, refused[i].status);
		g_assert_nonnull(strstr(e->message, refused[i].says));
		g_assert_cmpstr(m.allow, ==, refused[i].allow);
		rest_match_done(&m);
	}
}

static void test_long(void)
{
	g_autofree char *path = g_strnfill(2000, '/'), *query = g_strnfill(5000, 'a');
	struct rest_request r = {.method = "GET", .path = path};
	struct rest_match m;

	g_assert_false(rest_match(ops, &r, &m, NULL));
	g_assert_cmpuint(m.status, ==, 414);
	rest_match_done(&m);
	r.path = "/v1/things";
	r.query = query;
	g_assert_false(rest_match(ops, &r, &m, NULL));
	g_assert_cmpuint(m.status, ==, 414);
	rest_match_done(&m);
}

static void test_error_text(void)
{
	g_autoptr(GError) e = g_error_new_literal(VMMD_ERROR, VMMD_ERROR_INVALID, "/a: bad");
	size_t len;
	g_autofree char *text = rest_error_text(e, &len);

	g_assert_cmpstr(text, ==,
		"{\"error\":{\"code\":\"invalid\",\"message\":\"/a: bad\",\"path\":\"/a\"}}");
	g_assert_cmpuint(len, ==, strlen(text));
}

/* Every row can be reached: its own path, with names filled in, routes to it. */
static void test_every_row(void)
{
	for (const struct operation *op = host_operations; op->name; op++) {
		g_autoptr(GString) path = g_string_new(op->path);
		struct rest_request r = {.method = op->method};
		struct rest_match m;

		g_string_replace(path, "{name}", "web-1", 0);
		g_assert_null(strchr(path->str, '{'));
		r.path = path->str;
		g_test_message("%s %s", r.method, r.path);
		g_assert_true(rest_match(host_operations, &r, &m, NULL));
		g_assert_true(m.op == op);
		g_assert_true(op_find(host_operations, op->name) == op);
		rest_match_done(&m);
	}
}

/*
 * The document has every row, every reference in it leads somewhere, and operation ids are unique.
 */
static void check_refs(struct json_object *v, struct json_object *doc, unsigned *n)
{
	struct json_object *to = NULL;
	const char *ref;

	if (json_object_is_type(v, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(v); i++)
			check_refs(json_object_array_get_idx(v, i), doc, n);
	}
	if (!json_object_is_type(v, json_type_object))
		return;
	ref = json_member_string(v, "$ref");
	if (ref) {
		g_test_message("%s", ref);
		g_assert_cmpint(json_pointer_get(doc, ref + 1, &to), ==, 0);
		g_assert_nonnull(to);
		++*n;
	}
	json_object_object_foreach(v, key, member)
	{
		g_assert_nonnull(key);
		check_refs(member, doc, n);
	}
}

static void test_openapi(void)
{
	g_autoptr(json_object) doc = openapi_document(host_operations);
	struct json_object *paths = json_object_object_get(doc, "paths");
	unsigned n = 0;

	for (const struct operation *op = host_operations; op->name; op++) {
		g_autofree char *method = g_ascii_strdown(op->method, -1);
		struct json_object *path = json_object_object_get(paths, op->path);
		struct json_object *row = json_object_object_get(path, method);

		g_test_message("%s", op->name);
		g_assert_cmpstr(json_member_string(row, "operationId"), ==, op->name);
		g_assert_cmpstr(json_member_string(row, "summary"), ==, op->doc);
	}
	check_refs(doc, doc, &n);
	g_assert_cmpuint(n, >, 30);
}

static void test_reference(void)
{
	g_autofree char *text = api_reference();

	for (const struct operation *op = host_operations; op->name; op++) {
		g_autofree char *heading = g_strdup_printf("\n### %s\n", op->name);

		g_assert_nonnull(strstr(text, heading));
	}
	for (const struct op_event *const *e = vm_events; *e; e++)
		g_assert_nonnull(strstr(text, (*e)->name));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/rest/matched", test_matched);
	g_test_add_func("/rest/refused", test_refused);
	g_test_add_func("/rest/long", test_long);
	g_test_add_func("/rest/error-text", test_error_text);
	g_test_add_func("/rest/every-row", test_every_row);
	g_test_add_func("/rest/openapi", test_openapi);
	g_test_add_func("/rest/reference", test_reference);
	return g_test_run();
}
