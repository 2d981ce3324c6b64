/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/vmctl/output.h"

#include <stdio.h>
#include <string.h>

#include "api/json.h"

void output_json(struct json_object *json)
{
	g_autofree char *text = json_text(json, NULL);

	printf("%s\n", text);
}

char *output_printable(const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	GString *s = g_string_new(NULL);

	for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);

		if (g_unichar_isprint(c))
			g_string_append_unichar(s, c);
		else
			g_string_append_printf(s, "\\x%02x", c);
	}
	return g_string_free(s, FALSE);
}

/* 536870912 is 512M; what is no whole number of a fitting unit is given to a tenth: ~23.5G. */
static char *size_text(uint64_t bytes)
{
	static const char units[] = "BKMGTP";
	uint64_t unit = 1;
	unsigned i = 0;

	for (; units[i + 1] && bytes / unit >= 10240 && i < 4; i++)
		unit *= 1024;
	for (; units[i + 1] && bytes && bytes % (unit * 1024) == 0; i++)
		unit *= 1024;
	if (bytes % unit)
		return g_strdup_printf("~%.1f%c", (double)bytes / (double)unit, units[i]);
	return g_strdup_printf("%" G_GUINT64_FORMAT "%.*s", bytes / unit, i ? 1 : 0, units + i);
}

/* A scalar for people. */
static char *cell(const struct prop *p, struct json_object *v)
{
	if (!v)
		return g_strdup("-");
	if (p->type == PROP_TYPE_SIZE)
		return size_text(json_object_get_uint64(v));
	if (p->type == PROP_TYPE_BOOL)
		return g_strdup(json_object_get_boolean(v) ? "yes" : "no");
	return output_printable(json_object_get_string(v));
}

static bool is_scalar(const struct prop *p)
{
	return p->type < PROP_TYPE_OBJECT;
}

/* ---- tables ---- */

static size_t width(const char *text)
{
	return (size_t)g_utf8_strlen(text, -1);
}

struct column {
	const struct prop *p;
	GPtrArray *cells;
	size_t width;
	bool used; /* some row has a value */
};

/* In a table 0 says that there is none: no process, nothing known of a VM whose definition is lost. */
static char *table_cell(const struct prop *p, struct json_object *v)
{
	bool none = json_object_is_type(v, json_type_int) && !json_object_get_uint64(v);

	return cell(p, none ? NULL : v);
}

static struct column column_new(const struct prop *p, struct json_object *rows)
{
	struct column c = {
		.p = p, .cells = g_ptr_array_new_with_free_func(g_free), .width = width(p->name)};

	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		struct json_object *v = NULL;
		char *text;

		json_object_object_get_ex(json_object_array_get_idx(rows, i), p->name, &v);
		text = table_cell(p, v);
		c.used |= v != NULL;
		c.width = MAX(c.width, width(text));
		g_ptr_array_add(c.cells, text);
	}
	return c;
}

static bool is_last(const GArray *columns, guint i)
{
	for (i++; i < columns->len; i++) {
		if (g_array_index(columns, struct column, i).used)
			return false;
	}
	return true;
}

/* Row -1 is the heading. */
static void print_row(const GArray *columns, int row)
{
	for (guint i = 0; i < columns->len; i++) {
		const struct column *c = &g_array_index(columns, struct column, i);
		g_autofree char *text = row < 0 ? g_ascii_strup(c->p->name, -1)
						: g_strdup(c->cells->pdata[row]);

		if (!c->used)
			continue;
		printf("%s%*s", text, is_last(columns, i) ? 0 : (int)(c->width - width(text) + 2),
			"");
	}
	putchar('\n');
}

/* Columns that no row fills are left out. */
static void print_table(const struct prop_table *t, struct json_object *rows)
{
	g_autoptr(GArray) columns = g_array_new(FALSE, FALSE, sizeof(struct column));

	for (const struct prop *p = t->props; p->name; p++) {
		struct column c;

		if (!is_scalar(p))
			continue;
		c = column_new(p, rows);
		c.used |= p == t->props;
		g_array_append_val(columns, c);
	}
	for (int row = -1; row < (int)json_object_array_length(rows); row++)
		print_row(columns, row);
	for (guint i = 0; i < columns->len; i++)
		g_ptr_array_unref(g_array_index(columns, struct column, i).cells);
}

/* ---- one object ---- */

static void print_object(const struct prop_table *t, struct json_object *json, int indent);

static void print_list(const struct prop *p, struct json_object *list, int indent)
{
	printf("%*s%s:%s\n", indent, "", p->name, json_object_array_length(list) ? "" : " none");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		printf("%*s- %s %zu\n", indent + 2, "", p->sub->name, i);
		print_object(p->sub, json_object_array_get_idx(list, i), indent + 4);
	}
}

static void print_member(const struct prop *p, struct json_object *v, int indent)
{
	g_autofree char *text = NULL;

	if (p->type == PROP_TYPE_LIST) {
		print_list(p, v, indent);
	} else if (p->type == PROP_TYPE_OBJECT) {
		printf("%*s%s:\n", indent, "", p->name);
		print_object(p->sub, v, indent + 2);
	} else {
		text = is_scalar(p) ? cell(p, v) : output_printable(json_object_to_json_string(v));
		printf("%*s%s: %s\n", indent, "", p->name, text);
	}
}

static void print_object(const struct prop_table *t, struct json_object *json, int indent)
{
	for (const struct prop *p = t->props; p->name; p++) {
		struct json_object *v = NULL;

		if (json_object_object_get_ex(json, p->name, &v) && v)
			print_member(p, v, indent);
	}
}

void output_result(const struct prop_table *t, struct json_object *json)
{
	struct json_object *rows = NULL;

	if (t->props[0].type == PROP_TYPE_LIST &&
		json_object_object_get_ex(json, t->props[0].name, &rows))
		print_table(t->props[0].sub, rows);
	else
		print_object(t, json, 0);
}
