/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/rest.h"

#include <string.h>

#include "api/json.h"
#include "api/prop-json.h"
#include "api/wire-error.h"

#define PATH_MAX_BYTES  1024
#define QUERY_MAX_BYTES 4096

/* One segment of a path: up to the next '/' or the end. */
static const char *segment_end(const char *p)
{
	return strchrnul(p, '/');
}

static bool is_param(const char *segment, const char *end)
{
	return end - segment > 2 && *segment == '{' && end[-1] == '}';
}

/* Does @path have the shape of @template? Parameters are not looked at. */
static bool path_fits(const char *template, const char *path)
{
	for (;;) {
		const char *te = segment_end(template), *pe = segment_end(path);

		if (is_param(template, te)) {
			if (pe == path)
				return false;
		} else if (te - template != pe - path ||
			   memcmp(template, path, (size_t)(te - template)) != 0) {
			return false;
		}
		if (!*te || !*pe)
			return *te == *pe;
		template = te + 1;
		path = pe + 1;
	}
}

void rest_path_params(
	const char *template, void (*fn)(void *opaque, const char *name, size_t len), void *opaque)
{
	for (const char *p = template; *p;) {
		const char *end = segment_end(p);

		if (is_param(p, end))
			fn(opaque, p + 1, (size_t)(end - p - 2));
		p = *end ? end + 1 : end;
	}
}

struct wanted {
	const char *name;
	bool found;
};

static void compare_param(void *opaque, const char *name, size_t len)
{
	struct wanted *w = opaque;

	w->found |= strlen(w->name) == len && memcmp(w->name, name, len) == 0;
}

bool rest_is_path_param(const char *template, const char *name)
{
	struct wanted w = {.name = name};

	rest_path_params(template, compare_param, &w);
	return w.found;
}

/* ---- where the parameters come from ---- */

static bool refuse(GError **error, struct rest_match *m, unsigned status, const char *what)
{
	m->status = status;
	return err_set(error, VMMD_ERROR_INVALID, "%s", what);
}

static bool take_path(struct rest_match *m, const char *path, GError **error)
{
	const char *template = m->op->path;

	for (;;) {
		const char *te = segment_end(template), *pe = segment_end(path);

		if (is_param(template, te)) {
			g_autofree char *key = g_strndup(template + 1, (gsize)(te - template - 2));
			g_autofree char *value = g_uri_unescape_segment(path, pe, NULL);

			if (!value || !g_utf8_validate(value, -1, NULL))
				return refuse(error, m, 400, "the path is not properly encoded");
			json_object_object_add(m->params, key, json_object_new_string(value));
		}
		if (!*te)
			return true;
		template = te + 1;
		path = pe + 1;
	}
}

static bool take_once(
	struct rest_match *m, const char *key, struct json_object *value, GError **error)
{
	g_autoptr(GString) pointer = NULL;

	if (!json_object_object_get_ex(m->params, key, NULL)) {
		json_object_object_add(m->params, key, value);
		return true;
	}
	json_object_put(value);
	pointer = g_string_new(NULL);
	json_pointer_append(pointer, key);
	m->status = 400;
	return err_set(error, VMMD_ERROR_INVALID, "%s: is given twice", pointer->str);
}

static bool take_query(struct rest_match *m, const char *query, GError **error)
{
	const struct prop_table *t = m->op->params;
	GUriParamsIter it;
	char *key, *value;
	bool ok = true;
	g_autoptr(GError) e = NULL;

	if (strlen(query) > QUERY_MAX_BYTES)
		return refuse(error, m, 414, "the query is too long");
	g_uri_params_iter_init(&it, query, -1, "&", G_URI_PARAMS_WWW_FORM);
	while (ok && g_uri_params_iter_next(&it, &key, &value, &e)) {
		const struct prop *prop = t ? prop_find(t, key) : NULL;

		if (g_utf8_validate(key, -1, NULL) && g_utf8_validate(value, -1, NULL))
			ok = take_once(m, key, prop_value_of_text(prop, value), error);
		else
			ok = refuse(error, m, 400, "the query is not UTF-8");
		g_free(key);
		g_free(value);
	}
	if (ok && e)
		return refuse(error, m, 400, "the query is not properly encoded");
	return ok;
}

static bool take_body(struct rest_match *m, const struct rest_request *r, GError **error)
{
	g_autoptr(json_object) body = NULL;

	m->status = 400;
	if (!json_parse(r->body, r->body_len, &body, error))
		return false;
	if (!json_object_is_type(body, json_type_object))
		return refuse(error, m, 400, "the body must be a JSON object");
	json_object_object_foreach(body, key, value)
	{
		if (!take_once(m, key, json_object_get(value), error))
			return false;
	}
	return true;
}

static bool has_body(const struct operation *op)
{
	return strcmp(op->method, "GET") != 0 && strcmp(op->method, "DELETE") != 0;
}

static bool take_params(struct rest_match *m, const struct rest_request *r, GError **error)
{
	if (!take_path(m, r->path, error))
		return false;
	if (r->query && *r->query && has_body(m->op))
		return refuse(error, m, 400,
			"parameters of this operation go into the body, not the query");
	if (r->body_len && !has_body(m->op))
		return refuse(error, m, 400, "this operation takes no body");
	if (r->query && *r->query)
		return take_query(m, r->query, error);
	return !r->body_len || take_body(m, r, error);
}

/* ---- routing ---- */

static void find_row(
	const struct operation *ops, const struct rest_request *r, struct rest_match *m)
{
	g_autoptr(GString) allow = g_string_new(NULL);

	for (; ops->name; ops++) {
		if (!ops->path || !path_fits(ops->path, r->path))
			continue;
		if (strcmp(ops->method, r->method) == 0) {
			m->op = ops;
			return;
		}
		g_string_append_printf(allow, "%s%s", allow->len ? ", " : "", ops->method);
	}
	if (allow->len)
		m->allow = g_strdup(allow->str);
}

bool rest_match(const struct operation *ops, const struct rest_request *r, struct rest_match *ret,
	GError **error)
{
	*ret = (struct rest_match){.params = json_object_new_object()};
	if (strlen(r->path) > PATH_MAX_BYTES)
		return refuse(error, ret, 414, "the path is too long");
	find_row(ops, r, ret);
	if (ret->op)
		return take_params(ret, r, error);
	if (ret->allow) {
		ret->status = 405;
		return err_set(error, VMMD_ERROR_UNSUPPORTED, "this path has only %s", ret->allow);
	}
	ret->status = 404;
	return err_set(error, VMMD_ERROR_NOT_FOUND, "there is nothing at this path");
}

void rest_match_done(struct rest_match *m)
{
	json_object_put(m->params);
	g_free(m->allow);
	*m = (struct rest_match){0};
}

char *rest_error_text(const GError *error, size_t *ret_len)
{
	g_autoptr(json_object) o = json_object_new_object();

	json_object_object_add(o, "error", wire_error_encode(error));
	return json_text(o, ret_len);
}
