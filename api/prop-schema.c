/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "api/json.h"
#include "api/prop-json.h"

/* What a text type looks like. */
static const char *const patterns[] = {
	[PROP_TYPE_SIZE] = "^(0x[0-9A-Fa-f]+|[0-9]+)([KMGTkmgt](iB|B)?)?$",
	[PROP_TYPE_MAC] = "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$",
	[PROP_TYPE_UUID] = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
	[PROP_TYPE_PCI] = "^[0-1]?[0-9A-Fa-f](\\.[0-7])?$",
	[PROP_TYPE_EXTRA] = NULL,
};

static void put_string(struct json_object *to, const char *key, const char *value)
{
	if (value)
		json_object_object_add(to, key, json_object_new_string(value));
}

static void put_uint(struct json_object *to, const char *key, uint64_t value)
{
	json_object_object_add(to, key, json_object_new_uint64(value));
}

static struct json_object *of_type(const char *type)
{
	struct json_object *s = json_object_new_object();

	put_string(s, "type", type);
	return s;
}

static struct json_object *integer_schema(const struct prop *p)
{
	struct json_object *s = of_type("integer");

	put_uint(s, "minimum", p->min);
	/*
	 * JSON numbers are exact only to 2^53; the largest limit is no limit that a reader could
	 * use.
	 */
	if (p->max != UINT64_MAX)
		put_uint(s, "maximum", p->max);
	return s;
}

static struct json_object *string_schema(const struct prop *p)
{
	struct json_object *s = of_type("string");

	put_string(s, "pattern", patterns[p->type]);
	if (p->type == PROP_TYPE_STR && p->max)
		put_uint(s, "maxLength", p->max);
	if (p->type == PROP_TYPE_FILE)
		put_uint(s, "minLength", 1);
	return s;
}

static struct json_object *enum_schema(const struct prop *p)
{
	struct json_object *s = of_type("string"), *names = json_object_new_array();

	for (int i = 0; p->names[i]; i++)
		json_object_array_add(names, json_object_new_string(p->names[i]));
	json_object_object_add(s, "enum", names);
	return s;
}

static struct json_object *size_schema(const struct prop *p)
{
	struct json_object *s = json_object_new_object(), *any = json_object_new_array();

	json_object_array_add(any, integer_schema(p));
	json_object_array_add(any, string_schema(p));
	json_object_object_add(s, "anyOf", any);
	return s;
}

static struct json_object *array_schema(struct json_object *items)
{
	struct json_object *s = of_type("array");

	put_uint(s, "maxItems", PROP_MAX_LIST);
	json_object_object_add(s, "items", items);
	return s;
}

static struct json_object *reference(
	const struct prop_table *t, const char *ref_prefix, struct json_object *defs)
{
	struct json_object *s = json_object_new_object();
	g_autofree char *ref = g_strconcat(ref_prefix, t->name, NULL);

	put_string(s, "$ref", ref);
	if (!json_object_object_get_ex(defs, t->name, NULL)) {
		json_object_object_add(defs, t->name, NULL); /* its place, and the end of a cycle */
		json_object_object_add(defs, t->name, prop_schema(t, ref_prefix, defs));
	}
	return s;
}

static struct json_object *type_schema(
	const struct prop *p, const char *ref_prefix, struct json_object *defs)
{
	switch (p->type) {
	case PROP_TYPE_BOOL: return of_type("boolean");
	case PROP_TYPE_U8:
	case PROP_TYPE_U16:
	case PROP_TYPE_U32:
	case PROP_TYPE_U64: return integer_schema(p);
	case PROP_TYPE_SIZE: return size_schema(p);
	case PROP_TYPE_ENUM: return enum_schema(p);
	case PROP_TYPE_OBJECT: return reference(p->sub, ref_prefix, defs);
	case PROP_TYPE_LIST: return array_schema(reference(p->sub, ref_prefix, defs));
	case PROP_TYPE_STRS: return array_schema(of_type("string"));
	default: return string_schema(p);
	}
}

static void put_default(struct json_object *s, const struct prop *p)
{
	switch (p->type) {
	case PROP_TYPE_BOOL:
		json_object_object_add(s, "default", json_object_new_boolean(p->def != 0));
		break;
	case PROP_TYPE_U8:
	case PROP_TYPE_U16:
	case PROP_TYPE_U32:
	case PROP_TYPE_U64:
	case PROP_TYPE_SIZE: put_uint(s, "default", p->def); break;
	case PROP_TYPE_ENUM: put_string(s, "default", p->names[p->def]); break;
	default: put_string(s, "default", p->def_str);
	}
}

static struct json_object *extra_schema(const struct prop *p)
{
	static const char *const types[] = {"string", "integer", "boolean"};
	struct json_object *s = json_object_new_object(), *list = json_object_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		json_object_array_add(list, json_object_new_string(types[i]));
	json_object_object_add(s, "type", list);
	put_string(s, "description", p->doc);
	return s;
}

struct json_object *prop_schema(
	const struct prop_table *t, const char *ref_prefix, struct json_object *defs)
{
	struct json_object *s = of_type("object"), *members = json_object_new_object();
	struct json_object *required = json_object_new_array(),
			   *others = json_object_new_boolean(false);

	for (const struct prop *p = t->props; p->name; p++) {
		struct json_object *m;

		if (p->type == PROP_TYPE_EXTRA) {
			json_object_put(others);
			others = extra_schema(p);
			continue;
		}
		m = type_schema(p, ref_prefix, defs);
		put_string(m, "description", p->doc);
		if (p->flags & PROP_REQUIRED)
			json_object_array_add(required, json_object_new_string(p->name));
		else
			put_default(m, p);
		json_object_object_add(members, p->name, m);
	}
	put_string(s, "description", t->doc);
	json_object_object_add(s, "properties", members);
	json_object_object_add(s, "required", required);
	json_object_object_add(s, "additionalProperties", others);
	return s;
}

struct json_object *prop_table_schema(const struct prop_table *t)
{
	struct json_object *defs = json_object_new_object(), *root = json_object_new_object();
	struct json_object *body = prop_schema(t, "#/$defs/", defs);

	put_string(root, "$schema", "https://json-schema.org/draft/2020-12/schema");
	put_string(root, "title", t->name);
	json_object_object_foreach(body, key, value)
		json_object_object_add(root, key, json_object_get(value));
	json_object_put(body);
	json_object_object_add(root, "$defs", defs);
	return root;
}
