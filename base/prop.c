/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/prop.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fdpass.h"

static void *field(const struct prop *p, const void *obj)
{
	return (char *)(uintptr_t)obj + p->offset;
}

static size_t *list_count(const struct prop *p, const void *obj)
{
	return (size_t *)((char *)(uintptr_t)obj + p->offset_n);
}

static bool is_string(const struct prop *p)
{
	return p->type == PROP_TYPE_STR || p->type == PROP_TYPE_LINK;
}

const struct prop *prop_find(const struct prop_table *t, const char *name)
{
	for (const struct prop *p = t->props; p->name; p++) {
		if (p->type != PROP_TYPE_EXTRA && strcmp(p->name, name) == 0)
			return p;
	}
	return NULL;
}

/* ---- integers ---- */

static void store_uint(const struct prop *p, void *obj, uint64_t v)
{
	void *f = field(p, obj);

	switch (p->type) {
	case PROP_TYPE_BOOL: *(bool *)f = v != 0; break;
	case PROP_TYPE_U8: *(uint8_t *)f = (uint8_t)v; break;
	case PROP_TYPE_U16: *(uint16_t *)f = (uint16_t)v; break;
	case PROP_TYPE_U32: *(uint32_t *)f = (uint32_t)v; break;
	case PROP_TYPE_U64:
	case PROP_TYPE_SIZE: *(uint64_t *)f = v; break;
	case PROP_TYPE_ENUM: *(int *)f = (int)v; break;
	default: g_assert_not_reached();
	}
}

uint64_t prop_get_uint(const struct prop *p, const void *obj)
{
	const void *f = field(p, obj);

	switch (p->type) {
	case PROP_TYPE_BOOL: return *(const bool *)f;
	case PROP_TYPE_U8: return *(const uint8_t *)f;
	case PROP_TYPE_U16: return *(const uint16_t *)f;
	case PROP_TYPE_U32: return *(const uint32_t *)f;
	case PROP_TYPE_U64:
	case PROP_TYPE_SIZE: return *(const uint64_t *)f;
	case PROP_TYPE_ENUM: return (uint64_t) * (const int *)f;
	default: g_assert_not_reached();
	}
}

static bool is_integer(const struct prop *p)
{
	return p->type <= PROP_TYPE_SIZE || p->type == PROP_TYPE_ENUM;
}

static uint64_t greatest(const struct prop *p)
{
	return p->type == PROP_TYPE_ENUM ? g_strv_length((char **)(uintptr_t)p->names) - 1 : p->max;
}

bool prop_set_uint(const struct prop *p, void *obj, uint64_t value, GError **error)
{
	if (!is_integer(p))
		return err_set(error, VMMD_ERROR_INVALID, "%s is not a number", p->name);
	if (value < p->min || value > greatest(p))
		return err_set(error, VMMD_ERROR_INVALID,
			"%s must be from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
			", not %" G_GUINT64_FORMAT,
			p->name, p->min, greatest(p), value);
	store_uint(p, obj, value);
	return true;
}

/* ---- text ---- */

static bool parse_bool(const struct prop *p, void *obj, const char *text, GError **error)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {{"on", true}, {"true", true}, {"yes", true}, {"off", false}, {"false", false},
		{"no", false}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(text, words[i].word) == 0)
			return prop_set_uint(p, obj, words[i].value, error);
	}
	return err_set(error, VMMD_ERROR_INVALID, "%s must be on or off, not '%s'", p->name, text);
}

/* The power of 1024 of a size's suffix ("", K, KiB, M, …), or -1. */
static int size_shift(const char *suffix)
{
	static const char letters[] = "KMGT";
	const char *at;

	if (!*suffix)
		return 0;
	at = strchr(letters, g_ascii_toupper(*suffix));
	if (!at || (suffix[1] && strcmp(suffix + 1, "iB") != 0 && strcmp(suffix + 1, "B") != 0))
		return -1;
	return 10 * (int)(at - letters + 1);
}

static bool parse_number(const struct prop *p, void *obj, const char *text, GError **error)
{
	char *end = NULL;
	uint64_t v;
	int shift = 0;

	errno = 0;
	v = g_ascii_strtoull(text, &end, 0);
	if (p->type == PROP_TYPE_SIZE)
		shift = size_shift(end);
	if (!g_ascii_isdigit(*text) || errno || shift < 0 || (p->type != PROP_TYPE_SIZE && *end) ||
		(v << shift) >> shift != v)
		return err_set(error, VMMD_ERROR_INVALID, "%s must be a %s, not '%s'", p->name,
			p->type == PROP_TYPE_SIZE ? "size such as 512M" : "number", text);
	return prop_set_uint(p, obj, v << shift, error);
}

static bool parse_enum(const struct prop *p, void *obj, const char *text, GError **error)
{
	g_autofree char *all = NULL;

	for (int i = 0; p->names[i]; i++) {
		if (strcmp(p->names[i], text) == 0) {
			store_uint(p, obj, (uint64_t)i);
			return true;
		}
	}
	all = g_strjoinv(", ", (char **)(uintptr_t)p->names);
	return err_set(
		error, VMMD_ERROR_INVALID, "%s must be one of %s, not '%s'", p->name, all, text);
}

/* Reads @n bytes of hexadecimal pairs, @sep (0: none) between any two that it is written between. */
static bool parse_hex(const char *text, uint8_t *out, size_t n, char sep, bool sep_everywhere)
{
	for (size_t i = 0; i < n; i++) {
		int hi, lo;

		if (i && *text == sep)
			text++;
		else if (i && sep_everywhere)
			return false;
		hi = g_ascii_xdigit_value(text[0]);
		lo = hi < 0 ? -1 : g_ascii_xdigit_value(text[1]);
		if (lo < 0)
			return false;
		out[i] = (uint8_t)(hi << 4 | lo);
		text += 2;
	}
	return !*text;
}

static bool parse_mac(const struct prop *p, void *obj, const char *text, GError **error)
{
	uint8_t mac[6];

	if (!parse_hex(text, mac, sizeof(mac), ':', true))
		return err_set(error, VMMD_ERROR_INVALID,
			"%s must be like 52:54:00:12:34:56, not '%s'", p->name, text);
	if (mac[0] & 1)
		return err_set(error, VMMD_ERROR_INVALID,
			"%s must not be a multicast address: '%s'", p->name, text);
	memcpy(field(p, obj), mac, sizeof(mac));
	return true;
}

static bool parse_uuid(const struct prop *p, void *obj, const char *text, GError **error)
{
	uint8_t uuid[16];

	if (!g_uuid_string_is_valid(text) || !parse_hex(text, uuid, sizeof(uuid), '-', false))
		return err_set(
			error, VMMD_ERROR_INVALID, "%s must be a UUID, not '%s'", p->name, text);
	memcpy(field(p, obj), uuid, sizeof(uuid));
	return true;
}

/* "SLOT[.FUNCTION]", both hexadecimal, as QEMU and lspci write them. */
static bool parse_pci(const struct prop *p, void *obj, const char *text, GError **error)
{
	struct prop_pci *addr = field(p, obj);
	char *end = NULL;
	uint64_t slot = g_ascii_strtoull(text, &end, 16), fn = 0;

	if (end != text && *end == '.' && g_ascii_isdigit(end[1]))
		fn = g_ascii_strtoull(end + 1, &end, 16);
	if (!g_ascii_isxdigit(*text) || *end || slot > 31 || fn > 7)
		return err_set(error, VMMD_ERROR_INVALID,
			"%s must be a PCI slot 0 to 1f with function, like 5.0, not '%s'", p->name,
			text);
	*addr = (struct prop_pci){.slot = (int8_t)slot, .function = (int8_t)fn};
	return true;
}

static bool set_string(const struct prop *p, char **where, const char *text, GError **error)
{
	size_t n = strlen(text);

	if (p->max && n > p->max)
		return err_set(error, VMMD_ERROR_INVALID,
			"%s is %zu bytes long, the limit is %" G_GUINT64_FORMAT, p->name, n,
			p->max);
	if (!g_utf8_validate(text, (gssize)n, NULL))
		return err_set(error, VMMD_ERROR_INVALID, "%s is not valid UTF-8", p->name);
	g_free(*where);
	*where = g_strdup(text);
	return true;
}

bool prop_set_text(const struct prop *p, void *obj, const char *text, GError **error)
{
	switch (p->type) {
	case PROP_TYPE_BOOL: return parse_bool(p, obj, text, error);
	case PROP_TYPE_U8:
	case PROP_TYPE_U16:
	case PROP_TYPE_U32:
	case PROP_TYPE_U64:
	case PROP_TYPE_SIZE: return parse_number(p, obj, text, error);
	case PROP_TYPE_ENUM: return parse_enum(p, obj, text, error);
	case PROP_TYPE_MAC: return parse_mac(p, obj, text, error);
	case PROP_TYPE_UUID: return parse_uuid(p, obj, text, error);
	case PROP_TYPE_PCI: return parse_pci(p, obj, text, error);
	case PROP_TYPE_STR:
	case PROP_TYPE_LINK: return set_string(p, field(p, obj), text, error);
	case PROP_TYPE_FILE:
		return set_string(p, &((struct prop_file *)field(p, obj))->path, text, error);
	case PROP_TYPE_OBJECT:
	case PROP_TYPE_LIST:
	case PROP_TYPE_STRS:
	case PROP_TYPE_EXTRA: break;
	}
	return err_set(error, VMMD_ERROR_INVALID, "%s cannot be given as text", p->name);
}

static char *text_of_uint(const struct prop *p, const void *obj)
{
	uint64_t v = prop_get_uint(p, obj);

	if (p->type == PROP_TYPE_BOOL)
		return g_strdup(v ? "on" : "off");
	if (p->type == PROP_TYPE_ENUM)
		return g_strdup(p->names[v]);
	return g_strdup_printf("%" G_GUINT64_FORMAT, v);
}

static char *text_of_uuid(const uint8_t *u)
{
	return g_strdup_printf(
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
		u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
		u[15]);
}

static char *text_of_pci(const struct prop_pci *a)
{
	if (a->slot < 0)
		return NULL;
	return a->function ? g_strdup_printf("%x.%x", (unsigned)a->slot, (unsigned)a->function)
			   : g_strdup_printf("%x", (unsigned)a->slot);
}

static bool all_zero(const uint8_t *p, size_t n)
{
	while (n--) {
		if (*p++)
			return false;
	}
	return true;
}

char *prop_get_text(const struct prop *p, const void *obj)
{
	const void *f = field(p, obj);
	const uint8_t *b = f;

	switch (p->type) {
	case PROP_TYPE_MAC:
		return all_zero(b, 6) ? NULL
				      : g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1],
						b[2], b[3], b[4], b[5]);
	case PROP_TYPE_UUID: return all_zero(b, 16) ? NULL : text_of_uuid(b);
	case PROP_TYPE_PCI: return text_of_pci(f);
	case PROP_TYPE_STR:
	case PROP_TYPE_LINK: return g_strdup(*(char *const *)f);
	case PROP_TYPE_FILE: return g_strdup(((const struct prop_file *)f)->path);
	case PROP_TYPE_OBJECT:
	case PROP_TYPE_LIST:
	case PROP_TYPE_STRS:
	case PROP_TYPE_EXTRA: return NULL;
	default: return text_of_uint(p, obj);
	}
}

bool prop_is_default(const struct prop *p, const void *obj)
{
	g_autofree char *text = NULL;

	if (is_integer(p))
		return prop_get_uint(p, obj) == p->def;
	if (p->type == PROP_TYPE_LIST)
		return *list_count(p, obj) == 0;
	if (p->type == PROP_TYPE_OBJECT || p->type == PROP_TYPE_STRS || p->type == PROP_TYPE_EXTRA)
		return !*(void *const *)field(p, obj);
	text = prop_get_text(p, obj);
	return g_strcmp0(text, p->def_str) == 0;
}

/* ---- life ---- */

static void set_default(const struct prop *p, void *obj)
{
	void *f = field(p, obj);

	switch (p->type) {
	case PROP_TYPE_MAC: memset(f, 0, 6); break;
	case PROP_TYPE_UUID: memset(f, 0, 16); break;
	case PROP_TYPE_PCI:
		*(struct prop_pci *)f = (struct prop_pci){.slot = -1, .function = -1};
		break;
	case PROP_TYPE_FILE: *(struct prop_file *)f = (struct prop_file){.fd = -1}; break;
	case PROP_TYPE_LIST: *list_count(p, obj) = 0; __attribute__((fallthrough));
	case PROP_TYPE_OBJECT:
	case PROP_TYPE_STRS:
	case PROP_TYPE_EXTRA: *(void **)f = NULL; break;
	default:
		if (is_string(p))
			*(char **)f = g_strdup(p->def_str);
		else
			store_uint(p, obj, p->def);
	}
}

void prop_defaults(const struct prop_table *t, void *obj)
{
	for (const struct prop *p = t->props; p->name; p++)
		set_default(p, obj);
}

static void free_values(const struct prop_table *t, void *obj);

static void free_object(const struct prop_table *t, void *obj)
{
	if (!obj)
		return;
	free_values(t, obj);
	g_free(obj);
}

static void free_list(const struct prop *p, void *obj)
{
	void **items = *(void ***)field(p, obj);

	for (size_t i = 0; i < *list_count(p, obj); i++)
		free_object(p->sub, items[i]);
	g_free(items);
}

static void free_value(const struct prop *p, void *obj)
{
	void *f = field(p, obj);

	switch (p->type) {
	case PROP_TYPE_STR:
	case PROP_TYPE_LINK: g_free(*(char **)f); break;
	case PROP_TYPE_FILE:
		g_free(((struct prop_file *)f)->path);
		fd_close(&((struct prop_file *)f)->fd);
		break;
	case PROP_TYPE_OBJECT: free_object(p->sub, *(void **)f); break;
	case PROP_TYPE_LIST: free_list(p, obj); break;
	case PROP_TYPE_STRS:
	case PROP_TYPE_EXTRA: g_strfreev(*(char ***)f); break;
	default: break;
	}
}

static void free_values(const struct prop_table *t, void *obj)
{
	for (const struct prop *p = t->props; p->name; p++)
		free_value(p, obj);
}

void prop_clear(const struct prop_table *t, void *obj)
{
	free_values(t, obj);
	for (const struct prop *p = t->props; p->name; p++) {
		if (is_string(p))
			*(char **)field(p, obj) = NULL;
		else
			set_default(p, obj);
	}
}
