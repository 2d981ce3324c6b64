/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/prop-json.h"

#include <inttypes.h>
#include <string.h>

#include "api/json.h"

static void *field(const struct prop *p, const void *obj)
{
	return (char *)(uintptr_t)obj + p->offset;
}

static size_t *list_count(const struct prop *p, const void *obj)
{
	return (size_t *)((char *)(uintptr_t)obj + p->offset_n);
}

void *prop_object_new(const struct prop_table *t)
{
	void *obj = g_malloc0(t->size);

	prop_defaults(t, obj);
	return obj;
}

void prop_object_free(const struct prop_table *t, void *obj)
{
	if (!obj)
		return;
	prop_clear(t, obj);
	g_free(obj);
}

/* ---- decoding ---- */

struct decoder {
	GString *pointer; /* of the value that is decoded now */
	const char *root; /* name of the outermost table */
	unsigned flags;
	GError **error;
};

static bool bad(const struct decoder *d, const char *fmt, ...) __printf(2, 3);
static bool bad(const struct decoder *d, const char *fmt, ...)
{
	g_autofree char *what = NULL;
	va_list ap;

	va_start(ap, fmt);
	what = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	return err_set(d->error, VMMD_ERROR_INVALID, "%s: %s",
		d->pointer->len ? d->pointer->str : d->root, what);
}

static bool bad_type(const struct decoder *d, const char *must, struct json_object *json)
{
	g_autofree char *is = json_describe(json);

	return bad(d, "must be %s, not %s", must, is);
}

/*
 * Gives an error of base/prop.c, whose sentences begin with the property's name, the pointer
 * instead of the name.
 */
static bool bad_prop(const struct decoder *d, const struct prop *p, GError *e)
{
	const char *text = e->message;

	if (g_str_has_prefix(text, p->name))
		text += strlen(p->name);
	while (*text == ' ')
		text++;
	bad(d, "%s", text);
	g_error_free(e);
	return false;
}

static bool decode_text(
	const struct decoder *d, const struct prop *p, void *obj, struct json_object *json)
{
	uint64_t limit = p->max ? p->max : PROP_STR_MAX;
	GError *e = NULL;
	size_t len;

	if (!json_object_is_type(json, json_type_string))
		return bad_type(d, "a string", json);
	len = (size_t)json_object_get_string_len(json);
	if (p->type != PROP_TYPE_STR && p->type != PROP_TYPE_FILE)
		limit = 128;
	if (len > limit)
		return bad(d, "is %zu bytes long, the limit is %" PRIu64, len, limit);
	if (!prop_set_text(p, obj, json_object_get_string(json), &e))
		return bad_prop(d, p, e);
	return true;
}

static bool decode_uint(
	const struct decoder *d, const struct prop *p, void *obj, struct json_object *json)
{
	g_autofree char *must = g_strdup_printf(
		"an integer from %" PRIu64 " to %" PRIu64, p->min, p->max);
	uint64_t v;

	if (!json_object_is_type(json, json_type_int))
		return bad_type(d, must, json);
	v = json_object_get_uint64(json);
	/*
	 * json-c turns what does not fit into the nearest that does, and a negative number into 0.
	 */
	if (json_object_get_int64(json) < 0 || v == UINT64_MAX || v < p->min || v > p->max)
		return bad_type(d, must, json);
	return prop_set_uint(p, obj, v, d->error);
}

static bool decode_bool(
	const struct decoder *d, const struct prop *p, void *obj, struct json_object *json)
{
	if (!json_object_is_type(json, json_type_boolean))
		return bad_type(d, "true or false", json);
	return prop_set_uint(p, obj, json_object_get_boolean(json), d->error);
}

static bool decode_file(
	const struct decoder *d, const struct prop *p, void *obj, struct json_object *json)
{
	if (!decode_text(d, p, obj, json))
		return false;
	if (!*((struct prop_file *)field(p, obj))->path)
		return bad(d, "must be a path, not ''");
	return true;
}

static void *decode_object(struct decoder *d, const struct prop_table *t, struct json_object *json);

static bool decode_sub(struct decoder *d, const struct prop *p, void *obj, struct json_object *json)
{
	void *sub = decode_object(d, p->sub, json);

	*(void **)field(p, obj) = sub;
	return sub;
}

/* Calls @item for each element of an array, with the pointer at it. */
static bool decode_array(struct decoder *d, struct json_object *json,
	bool (*item)(struct decoder *d, struct json_object *json, size_t i, void *opaque),
	void *opaque)
{
	size_t base = d->pointer->len, n;
	bool ok = true;

	if (!json_object_is_type(json, json_type_array))
		return bad_type(d, "an array", json);
	n = json_object_array_length(json);
	if (n > PROP_MAX_LIST)
		return bad(d, "has %zu entries, the limit is %d", n, PROP_MAX_LIST);
	for (size_t i = 0; ok && i < n; i++) {
		g_string_append_printf(d->pointer, "/%zu", i);
		ok = item(d, json_object_array_get_idx(json, i), i, opaque);
		g_string_truncate(d->pointer, base);
	}
	return ok;
}

struct list_target {
	const struct prop *p;
	void *obj;
};

static bool decode_list_item(struct decoder *d, struct json_object *json, size_t i, void *opaque)
{
	struct list_target *to = opaque;
	void *item = decode_object(d, to->p->sub, json);

	if (!item)
		return false;
	(*(void ***)field(to->p, to->obj))[i] = item;
	*list_count(to->p, to->obj) = i + 1;
	return true;
}

static bool decode_list(
	struct decoder *d, const struct prop *p, void *obj, struct json_object *json)
{
	struct list_target to = {.p = p, .obj = obj};

	*(void ***)field(p, obj) = g_new0(void *, PROP_MAX_LIST + 1);
	return decode_array(d, json, decode_list_item, &to);
}

static bool decode_string_item(struct decoder *d, struct json_object *json, size_t i, void *opaque)
{
	char **strs = opaque;

	if (!json_object_is_type(json, json_type_string))
		return bad_type(d, "a string", json);
	if ((size_t)json_object_get_string_len(json) > PROP_STR_MAX)
		return bad(d, "is too long, the limit is %" PRIu64 " bytes", PROP_STR_MAX);
	strs[i] = g_strdup(json_object_get_string(json));
	return true;
}

static bool decode_strs(
	struct decoder *d, const struct prop *p, void *obj, struct json_object *json)
{
	char **strs = g_new0(char *, PROP_MAX_LIST + 1);

	*(char ***)field(p, obj) = strs;
	return decode_array(d, json, decode_string_item, strs);
}

static bool decode_value(
	struct decoder *d, const struct prop *p, void *obj, struct json_object *json)
{
	switch (p->type) {
	case PROP_TYPE_BOOL: return decode_bool(d, p, obj, json);
	case PROP_TYPE_U8:
	case PROP_TYPE_U16:
	case PROP_TYPE_U32:
	case PROP_TYPE_U64: return decode_uint(d, p, obj, json);
	case PROP_TYPE_SIZE:
		return json_object_is_type(json, json_type_string) ? decode_text(d, p, obj, json)
								   : decode_uint(d, p, obj, json);
	case PROP_TYPE_STR:
	case PROP_TYPE_ENUM:
	case PROP_TYPE_MAC:
	case PROP_TYPE_UUID:
	case PROP_TYPE_PCI:
	case PROP_TYPE_LINK: return decode_text(d, p, obj, json);
	case PROP_TYPE_FILE: return decode_file(d, p, obj, json);
	case PROP_TYPE_OBJECT: return decode_sub(d, p, obj, json);
	case PROP_TYPE_LIST: return decode_list(d, p, obj, json);
	case PROP_TYPE_STRS: return decode_strs(d, p, obj, json);
	case PROP_TYPE_EXTRA: break;
	}
	return bad(d, "cannot be given");
}

/* ---- keys that the table does not know ---- */

static const struct prop *find_extra(const struct prop_table *t)
{
	const struct prop *p = t->props;

	while (p->name && p->type != PROP_TYPE_EXTRA)
		p++;
	return p->name ? p : NULL;
}

static bool is_scalar(struct json_object *json)
{
	enum json_type type = json_object_get_type(json);

	return type == json_type_string || type == json_type_int || type == json_type_boolean;
}

static bool decode_extra(struct decoder *d, const struct prop *p, void *obj, const char *key,
	struct json_object *json)
{
	char ***strs = field(p, obj);
	size_t n = *strs ? g_strv_length(*strs) : 0;

	if (n == PROP_EXTRA_MAX)
		return bad(d, "is one property too many, the limit is %d", PROP_EXTRA_MAX);
	if (!*key || strlen(key) > 64 || strchr(key, '='))
		return bad(d, "is not the name of a property");
	if (!is_scalar(json))
		return bad_type(d, "a string, an integer, true or false", json);
	if ((size_t)json_object_get_string_len(json) > PROP_STR_MAX)
		return bad(d, "is too long, the limit is %" PRIu64 " bytes", PROP_STR_MAX);
	*strs = g_renew(char *, *strs, n + 2);
	(*strs)[n] = g_strdup_printf("%s=%s", key, json_object_get_string(json));
	(*strs)[n + 1] = NULL;
	return true;
}

static bool decode_unknown(struct decoder *d, const struct prop_table *t, void *obj,
	const char *key, struct json_object *json)
{
	const struct prop *extra = find_extra(t);
	g_autoptr(GString) known = g_string_new(NULL);

	if (extra)
		return decode_extra(d, extra, obj, key, json);
	if (d->flags & PROP_DECODE_LENIENT)
		return true;
	for (const struct prop *p = t->props; p->name; p++)
		g_string_append_printf(known, "%s%s", known->len ? ", " : "", p->name);
	return bad(d, "is not known; %s has %s", t->name, known->len ? known->str : "no members");
}

/* ---- whole objects ---- */

static bool decode_members(
	struct decoder *d, const struct prop_table *t, void *obj, struct json_object *json)
{
	size_t base = d->pointer->len;
	bool ok = true;

	json_object_object_foreach(json, key, value)
	{
		const struct prop *p = prop_find(t, key);

		json_pointer_append(d->pointer, key);
		ok = p ? decode_value(d, p, obj, value) : decode_unknown(d, t, obj, key, value);
		g_string_truncate(d->pointer, base);
		if (!ok)
			break;
	}
	return ok;
}

static bool check_required(struct decoder *d, const struct prop_table *t, struct json_object *json)
{
	for (const struct prop *p = t->props; p->name; p++) {
		if (!(p->flags & PROP_REQUIRED) || json_object_object_get_ex(json, p->name, NULL))
			continue;
		json_pointer_append(d->pointer, p->name);
		return bad(d, "is required");
	}
	return true;
}

static bool check_whole(struct decoder *d, const struct prop_table *t, const void *obj)
{
	GError *e = NULL;

	if (!t->check || t->check(obj, &e))
		return true;
	bad(d, "%s", e->message);
	g_error_free(e);
	return false;
}

static void *decode_object(struct decoder *d, const struct prop_table *t, struct json_object *json)
{
	void *obj;

	if (!json_object_is_type(json, json_type_object)) {
		bad_type(d, "an object", json);
		return NULL;
	}
	obj = prop_object_new(t);
	if (decode_members(d, t, obj, json) && check_required(d, t, json) && check_whole(d, t, obj))
		return obj;
	prop_object_free(t, obj);
	return NULL;
}

void *prop_decode(
	const struct prop_table *t, struct json_object *json, unsigned flags, GError **error)
{
	g_autoptr(GString) pointer = g_string_new(NULL);
	g_autoptr(json_object) none = json_object_new_object();
	struct decoder d = {.pointer = pointer, .root = t->name, .flags = flags, .error = error};

	return decode_object(&d, t, json ? json : none);
}

/* ---- encoding ---- */

static struct json_object *encode_list(const struct prop *p, const void *obj, unsigned flags)
{
	void *const *items = *(void **const *)field(p, obj);
	size_t n = *list_count(p, obj);
	struct json_object *array = json_object_new_array_ext((int)n);

	for (size_t i = 0; i < n; i++)
		json_object_array_add(array, prop_encode(p->sub, items[i], flags));
	return array;
}

static struct json_object *encode_strs(char *const *strs)
{
	struct json_object *array = json_object_new_array();

	for (; strs && *strs; strs++)
		json_object_array_add(array, json_object_new_string(*strs));
	return array;
}

static void encode_extra(struct json_object *to, char *const *strs)
{
	for (; strs && *strs; strs++) {
		g_auto(GStrv) pair = g_strsplit(*strs, "=", 2);

		json_object_object_add(to, pair[0], json_object_new_string(pair[1] ? pair[1] : ""));
	}
}

static struct json_object *encode_text(const struct prop *p, const void *obj)
{
	g_autofree char *text = prop_get_text(p, obj);

	return text ? json_object_new_string(text) : NULL;
}

/* NULL: absent. */
static struct json_object *encode_value(const struct prop *p, const void *obj, unsigned flags)
{
	void *f = field(p, obj);

	switch (p->type) {
	case PROP_TYPE_BOOL: return json_object_new_boolean(*(const bool *)f);
	case PROP_TYPE_U8:
	case PROP_TYPE_U16:
	case PROP_TYPE_U32:
	case PROP_TYPE_U64:
	case PROP_TYPE_SIZE: return json_object_new_uint64(prop_get_uint(p, obj));
	case PROP_TYPE_OBJECT: return *(void **)f ? prop_encode(p->sub, *(void **)f, flags) : NULL;
	case PROP_TYPE_LIST: return encode_list(p, obj, flags);
	case PROP_TYPE_STRS: return *(char ***)f ? encode_strs(*(char ***)f) : NULL;
	default: return encode_text(p, obj);
	}
}

struct json_object *prop_encode(const struct prop_table *t, const void *obj, unsigned flags)
{
	struct json_object *to = json_object_new_object();

	for (const struct prop *p = t->props; p->name; p++) {
		struct json_object *v;

		if (p->type == PROP_TYPE_EXTRA) {
			encode_extra(to, *(char ***)field(p, obj));
			continue;
		}
		if ((flags & PROP_ENCODE_BRIEF) && !(p->flags & PROP_REQUIRED) &&
			prop_is_default(p, obj))
			continue;
		v = encode_value(p, obj, flags);
		if (v)
			json_object_object_add(to, p->name, v);
	}
	return to;
}

struct json_object *prop_value_of_text(const struct prop *p, const char *text)
{
	guint64 number;

	if (p && p->type == PROP_TYPE_BOOL && (!strcmp(text, "true") || !strcmp(text, "false")))
		return json_object_new_boolean(*text == 't');
	if (p && p->type >= PROP_TYPE_U8 && p->type <= PROP_TYPE_U64 &&
		g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX, &number, NULL))
		return json_object_new_uint64(number);
	return json_object_new_string(text);
}
