/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/json.h"

#include <string.h>

/*
 * json-c builds the value; it takes more than RFC 8259 (NaN, "01" inside arrays, control characters
 * and lone surrogates in strings, the last of two equal keys), so a scanner goes over the text
 * first. The scanner judges only tokens, keys and quantity, and leaves to json-c whether they stand
 * in a sensible order.
 */

struct frame {
	GHashTable *keys; /* of an object so far; NULL: an array */
	char *key;        /* the present one, owned by keys */
	unsigned index;
};

struct scan {
	const char *text;
	size_t len, at;
	struct frame stack[JSON_DEPTH_MAX];
	unsigned depth;
	unsigned values;
	bool key_next;
	GError **error;
};

static bool bad_at(struct scan *s, const char *what)
{
	return err_set(s->error, VMMD_ERROR_INVALID, "not valid JSON at byte %zu: %s", s->at, what);
}

static char *scan_pointer(const struct scan *s, const char *key)
{
	GString *p = g_string_new(NULL);

	for (unsigned i = 0; i < s->depth; i++) {
		const struct frame *f = &s->stack[i];

		if (!f->keys)
			g_string_append_printf(p, "/%u", f->index);
		else
			json_pointer_append(p, i + 1 == s->depth ? key : f->key);
	}
	return g_string_free(p, FALSE);
}

/* ---- tokens ---- */

static size_t digits(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && g_ascii_isdigit(*p))
		p++;
	return (size_t)(p - from);
}

/* RFC 8259 section 6: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
static bool scan_number(struct scan *s)
{
	const char *p = s->text + s->at, *end = s->text + s->len;
	size_t n;

	if (*p == '-')
		p++;
	n = digits(p, end);
	if (!n || (*p == '0' && n > 1))
		return bad_at(s, "a number begins with one digit that is not 0, or is 0");
	p += n;
	if (p < end && *p == '.') {
		n = digits(++p, end);
		if (!n)
			return bad_at(s, "digits must follow the point of a number");
		p += n;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		n = digits(p, end);
		if (!n)
			return bad_at(s, "digits must follow the exponent of a number");
		p += n;
	}
	s->at = (size_t)(p - s->text);
	return true;
}

/* The code unit of \uXXXX at @p, or -1. */
static int code_unit(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int d = g_ascii_xdigit_value(p[i]);

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

/* Length of the escape at the cursor, or 0 with the error set. */
static size_t scan_escape(struct scan *s)
{
	const char *p = s->text + s->at, *end = s->text + s->len;
	int unit, low;

	if (end - p < 2 || p[1] != 'u')
		return 2;
	unit = code_unit(p, end);
	if (unit <= 0) {
		bad_at(s,
			unit ? "\\u needs four hexadecimal digits" : "a string must not hold NUL");
		return 0;
	}
	if (unit < 0xd800 || unit > 0xdfff)
		return 6;
	low = code_unit(p + 6, end);
	if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) {
		bad_at(s, "half of a surrogate pair");
		return 0;
	}
	return 12;
}

/* From the opening quote to beyond the closing one. */
static bool scan_string(struct scan *s)
{
	for (s->at++; s->at < s->len;) {
		unsigned char c = (unsigned char)s->text[s->at];
		size_t n = 1;

		if (c == '"') {
			s->at++;
			return true;
		}
		if (c < 0x20)
			return bad_at(s, "a control character in a string");
		if (c == '\\')
			n = scan_escape(s);
		if (!n)
			return false;
		s->at += n;
	}
	s->at = s->len;
	return bad_at(s, "a string without its closing quote");
}

/* ---- structure ---- */

/* The key whose quotes are at @from and before the cursor. */
static char *scan_key_text(const struct scan *s, size_t from)
{
	g_autofree char *quoted = g_strndup(s->text + from, s->at - from);
	g_autoptr(json_object) key = NULL;

	if (!strchr(quoted, '\\'))
		return g_strndup(s->text + from + 1, s->at - from - 2);
	key = json_tokener_parse(quoted);
	return g_strdup(key ? json_object_get_string(key) : quoted);
}

static bool scan_key(struct scan *s)
{
	struct frame *f = &s->stack[s->depth - 1];
	g_autofree char *pointer = NULL;
	size_t from = s->at;
	char *key;

	if (!scan_string(s))
		return false;
	key = scan_key_text(s, from);
	if (g_hash_table_contains(f->keys, key)) {
		pointer = scan_pointer(s, key);
		g_free(key);
		return err_set(s->error, VMMD_ERROR_INVALID, "%s: is given twice", pointer);
	}
	g_hash_table_add(f->keys, key);
	f->key = key;
	s->key_next = false;
	return true;
}

static bool scan_open(struct scan *s, bool object)
{
	struct frame *f = &s->stack[s->depth];

	if (s->depth == JSON_DEPTH_MAX)
		return bad_at(s, "nested too deeply");
	*f = (struct frame){0};
	if (object)
		f->keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	s->depth++;
	s->key_next = object;
	s->at++;
	return true;
}

static bool scan_close(struct scan *s)
{
	struct frame *f;

	if (!s->depth)
		return bad_at(s, "closes what was not opened");
	f = &s->stack[--s->depth];
	g_clear_pointer(&f->keys, g_hash_table_unref);
	s->key_next = false;
	s->at++;
	return true;
}

static bool scan_comma(struct scan *s)
{
	if (s->depth) {
		s->stack[s->depth - 1].index++;
		s->key_next = s->stack[s->depth - 1].keys;
	}
	s->at++;
	return true;
}

static bool scan_value(struct scan *s)
{
	char c = s->text[s->at];

	if (++s->values > JSON_VALUES_MAX)
		return bad_at(s, "too many values");
	if (s->key_next)
		return bad_at(s, "a key or the end of the object is expected");
	if (c == '{' || c == '[')
		return scan_open(s, c == '{');
	if (c == '"')
		return scan_string(s);
	if (c == '-' || g_ascii_isdigit(c))
		return scan_number(s);
	if (!strchr("tfn", c))
		return bad_at(s, "a value is expected");
	while (s->at < s->len && g_ascii_islower(s->text[s->at]))
		s->at++;
	return true;
}

static bool scan_token(struct scan *s)
{
	switch (s->text[s->at]) {
	case ' ':
	case '\t':
	case '\r':
	case '\n':
	case ':': s->at++; return true;
	case ',': return scan_comma(s);
	case '}':
	case ']': return scan_close(s);
	case '"': return s->key_next ? scan_key(s) : scan_value(s);
	default: return scan_value(s);
	}
}

static bool scan_text(const char *text, size_t len, GError **error)
{
	struct scan s = {.text = text, .len = len, .error = error};
	bool ok = true;

	while (ok && s.at < s.len)
		ok = scan_token(&s);
	while (s.depth)
		g_clear_pointer(&s.stack[--s.depth].keys, g_hash_table_unref);
	return ok;
}

/* ---- parsing ---- */

static bool build(const char *text, size_t len, struct json_object **ret, GError **error)
{
	struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
	g_autofree char *copy = g_strndup(text, len);
	enum json_tokener_error e;
	size_t at;

	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	/* With its final NUL: a number ends only with what follows it. */
	*ret = json_tokener_parse_ex(tok, copy, (int)len + 1);
	e = json_tokener_get_error(tok);
	at = json_tokener_get_parse_end(tok);
	json_tokener_free(tok);
	if (e == json_tokener_success)
		return true;
	return err_set(error, VMMD_ERROR_INVALID, "not valid JSON at byte %zu: %s", MIN(at, len),
		json_tokener_error_desc(e));
}

bool json_parse(const char *text, size_t len, struct json_object **ret, GError **error)
{
	*ret = NULL;
	if (len > JSON_TEXT_MAX)
		return err_set(error, VMMD_ERROR_INVALID,
			"the JSON text is %zu bytes long, the limit is %u", len, JSON_TEXT_MAX);
	if (!g_utf8_validate_len(text, len, NULL))
		return err_set(error, VMMD_ERROR_INVALID, "the JSON text is not valid UTF-8");
	return scan_text(text, len, error) && build(text, len, ret, error);
}

char *json_text(struct json_object *json, size_t *ret_len)
{
	size_t len = 0;
	const char *text = json_object_to_json_string_length(
		json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	if (ret_len)
		*ret_len = len;
	return g_strndup(text, len);
}

/* ---- for messages ---- */

#define SHOW_MAX 40

static void append_printable(GString *to, const char *text, size_t max)
{
	size_t n = strlen(text);
	const char *end = n > max ? g_utf8_find_prev_char(text, text + max + 1) : text + n;

	for (const char *p = text; end && p < end; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);

		if (g_unichar_isprint(c))
			g_string_append_unichar(to, c);
		else
			g_string_append_printf(to, "<U+%04X>", c);
	}
	if (n > max)
		g_string_append(to, "…");
}

char *json_describe(struct json_object *json)
{
	GString *s;

	switch (json_object_get_type(json)) {
	case json_type_object: return g_strdup("an object");
	case json_type_array: return g_strdup("an array");
	case json_type_null: return g_strdup("null");
	case json_type_string:
		s = g_string_new("'");
		append_printable(s, json_object_get_string(json), SHOW_MAX);
		g_string_append_c(s, '\'');
		return g_string_free(s, FALSE);
	default:
		s = g_string_new(NULL);
		append_printable(s, json_object_get_string(json), SHOW_MAX);
		return g_string_free(s, FALSE);
	}
}

void json_pointer_append(GString *pointer, const char *key)
{
	g_autoptr(GString) escaped = g_string_new(NULL);

	append_printable(escaped, key, 64);
	g_string_append_c(pointer, '/');
	for (const char *p = escaped->str; *p; p++) {
		if (*p == '~' || *p == '/')
			g_string_append(pointer, *p == '~' ? "~0" : "~1");
		else
			g_string_append_c(pointer, *p);
	}
}

const char *json_member_string(struct json_object *object, const char *key)
{
	struct json_object *v = NULL;

	if (!json_object_is_type(object, json_type_object) ||
		!json_object_object_get_ex(object, key, &v) ||
		!json_object_is_type(v, json_type_string))
		return NULL;
	return json_object_get_string(v);
}

char *json_error_pointer(const GError *error)
{
	const char *end = error->message[0] == '/' ? strstr(error->message, ": ") : NULL;

	return end ? g_strndup(error->message, (gsize)(end - error->message)) : NULL;
}
