/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/openapi.h"

#include <string.h>

#include "api/json.h"
#include "api/prop-json.h"
#include "api/rest.h"
#include "api/version.h"

#define REF_PREFIX "#/components/schemas/"

static void put(struct json_object *to, const char *key, struct json_object *value)
{
	json_object_object_add(to, key, value);
}

static void put_string(struct json_object *to, const char *key, const char *value)
{
	put(to, key, json_object_new_string(value));
}

static struct json_object *wrap(const char *key, struct json_object *value)
{
	struct json_object *o = json_object_new_object();

	put(o, key, value);
	return o;
}

static struct json_object *ref(const char *path)
{
	return wrap("$ref", json_object_new_string(path));
}

/* {"application/json": {"schema": …}} */
static struct json_object *json_content(struct json_object *schema)
{
	return wrap("application/json", wrap("schema", schema));
}

static bool takes_query(const struct operation *op)
{
	return strcmp(op->method, "GET") == 0 || strcmp(op->method, "DELETE") == 0;
}

/* ---- parameters ---- */

static struct json_object *parameter(
	const struct prop *p, const char *in, struct json_object *members, bool required)
{
	struct json_object *o = json_object_new_object();

	put_string(o, "name", p->name);
	put_string(o, "in", in);
	put(o, "required", json_object_new_boolean(required));
	put_string(o, "description", p->doc);
	put(o, "schema", json_object_get(json_object_object_get(members, p->name)));
	return o;
}

/* Those in path and query; @members are the schemas of all. NULL: none. */
static struct json_object *parameters(const struct operation *op, struct json_object *members)
{
	struct json_object *array = json_object_new_array();

	for (const struct prop *p = op->params->props; p->name; p++) {
		bool in_path = rest_is_path_param(op->path, p->name);

		if (in_path || takes_query(op))
			json_object_array_add(
				array, parameter(p, in_path ? "path" : "query", members,
					       in_path || (p->flags & PROP_REQUIRED)));
	}
	if (json_object_array_length(array))
		return array;
	json_object_put(array);
	return NULL;
}

/* The names in @required that do not come with the path. */
static struct json_object *without_path_params(
	const struct operation *op, struct json_object *required)
{
	struct json_object *left = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(required); i++) {
		struct json_object *name = json_object_array_get_idx(required, i);

		if (!rest_is_path_param(op->path, json_object_get_string(name)))
			json_object_array_add(left, json_object_get(name));
	}
	return left;
}

/* What is left of the parameters for the body. NULL: nothing. */
static struct json_object *request_body(const struct operation *op, struct json_object *schema)
{
	struct json_object *members = json_object_object_get(schema, "properties"), *body,
			   *required;

	for (const struct prop *p = op->params->props; p->name; p++) {
		if (rest_is_path_param(op->path, p->name))
			json_object_object_del(members, p->name);
	}
	if (!json_object_object_length(members))
		return NULL;
	required = without_path_params(op, json_object_object_get(schema, "required"));
	body = wrap("required", json_object_new_boolean(json_object_array_length(required) > 0));
	put(schema, "required", required);
	put(body, "content", json_content(json_object_get(schema)));
	return body;
}

static struct json_object *whole_body(const struct prop_table *t)
{
	g_autofree char *path = g_strconcat(REF_PREFIX, t->name, NULL);
	struct json_object *body = wrap("required", json_object_new_boolean(true));

	put(body, "content", json_content(ref(path)));
	return body;
}

static void put_params(
	struct json_object *to, const struct operation *op, struct json_object *schemas)
{
	g_autoptr(json_object) schema = prop_schema(op->params, REF_PREFIX, schemas);
	struct json_object *in_url, *body = NULL;

	in_url = parameters(op, json_object_object_get(schema, "properties"));
	if (in_url)
		put(to, "parameters", in_url);
	if (takes_query(op))
		return;
	if (in_url) {
		body = request_body(op, schema);
	} else {
		put(schemas, op->params->name, json_object_get(schema));
		body = whole_body(op->params);
	}
	if (body)
		put(to, "requestBody", body);
}

/* ---- operations ---- */

static struct json_object *responses(const struct operation *op, struct json_object *schemas)
{
	g_autofree char *status = g_strdup_printf("%u", op->status);
	struct json_object *all = json_object_new_object(), *good = json_object_new_object();

	if (op->result) {
		g_autofree char *path = g_strconcat(REF_PREFIX, op->result->name, NULL);

		put_string(good, "description", op->result->doc);
		put(good, "content", json_content(ref(path)));
		if (!json_object_object_get_ex(schemas, op->result->name, NULL))
			put(schemas, op->result->name,
				prop_schema(op->result, REF_PREFIX, schemas));
	} else {
		put_string(
			good, "description", op->flags & OP_STREAM ? "The stream begins" : "Done");
	}
	put(all, status, good);
	put(all, "default", ref("#/components/responses/error"));
	return all;
}

static struct json_object *operation(const struct operation *op, struct json_object *schemas)
{
	static const char *const roles[] = {"viewer", "operator", "admin"};
	struct json_object *o = json_object_new_object();

	put_string(o, "operationId", op->name);
	put_string(o, "summary", op->doc);
	put_string(o, "x-role", roles[op->role]);
	if (op->params)
		put_params(o, op, schemas);
	put(o, "responses", responses(op, schemas));
	return o;
}

static struct json_object *paths(const struct operation *ops, struct json_object *schemas)
{
	struct json_object *all = json_object_new_object();

	for (; ops->name; ops++) {
		g_autofree char *method = NULL;
		struct json_object *path = NULL;

		if (!ops->path)
			continue;
		method = g_ascii_strdown(ops->method, -1);
		if (!json_object_object_get_ex(all, ops->path, &path)) {
			path = json_object_new_object();
			put(all, ops->path, path);
		}
		put(path, method, operation(ops, schemas));
	}
	return all;
}

/* ---- errors ---- */

static struct json_object *error_schema(void)
{
	static const struct {
		const char *name, *doc;
	} members[] = {
		{"code", "what a program acts on"},
		{"message", "a sentence for people"},
		{"path", "JSON pointer of what is wrong in the request"},
	};
	struct json_object *o = json_object_new_object(), *props = json_object_new_object();
	struct json_object *required = json_object_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		struct json_object *m = wrap("type", json_object_new_string("string"));

		put_string(m, "description", members[i].doc);
		put(props, members[i].name, m);
		if (i < 2)
			json_object_array_add(required, json_object_new_string(members[i].name));
	}
	put_string(o, "type", "object");
	put(o, "properties", props);
	put(o, "required", required);
	return o;
}

static struct json_object *error_response(void)
{
	struct json_object *o = wrap("description", json_object_new_string("Refused or failed"));
	struct json_object *schema = wrap("type", json_object_new_string("object"));

	put(schema, "properties", wrap("error", ref(REF_PREFIX "error")));
	put(o, "content", json_content(schema));
	return o;
}

struct json_object *openapi_document(const struct operation *ops)
{
	struct json_object *doc = json_object_new_object(), *info = json_object_new_object();
	struct json_object *schemas = json_object_new_object(),
			   *components = json_object_new_object();

	put_string(doc, "openapi", "3.1.0");
	put_string(info, "title", "vmmd");
	put_string(info, "version", vmmd_version);
	put_string(info, "description", "Virtual machines of one host");
	put(doc, "info", info);
	put(doc, "paths", paths(ops, schemas));
	put(schemas, "error", error_schema());
	put(components, "schemas", schemas);
	put(components, "responses", wrap("error", error_response()));
	put(doc, "components", components);
	return doc;
}
