/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/vmctl/options.h"

#include <stdio.h>
#include <string.h>

static const struct option_row *find(const struct option_row *rows, const char *name)
{
	for (; rows->name; rows++) {
		if (strcmp(rows->name, name) == 0)
			return rows;
	}
	return NULL;
}

/* Takes the option at **@args, and its value from the next argument if it needs one. */
static bool take_option(const struct option_sink *s, char ***args, GError **error)
{
	g_auto(GStrv) part = g_strsplit(**args + 2, "=", 2);
	const struct option_row *row = find(s->rows, part[0] ? part[0] : "");
	const char *value = part[0] ? part[1] : NULL;

	if (!row)
		return err_set(error, VMMD_ERROR_INVALID, "there is no option %s", **args);
	if (!row->arg && value)
		return err_set(error, VMMD_ERROR_INVALID, "--%s takes no value", row->name);
	if (row->arg && !value)
		value = *++*args;
	if (row->arg && !value)
		return err_set(error, VMMD_ERROR_INVALID, "--%s needs %s", row->name, row->arg);
	return s->option(s->opaque, row->name, value, error);
}

bool options_parse(const struct option_sink *s, char **args, GError **error)
{
	bool only_positional = false;

	for (; *args; args++) {
		bool ok = true;

		if (!only_positional && strcmp(*args, "--") == 0)
			only_positional = true;
		else if (!only_positional && g_str_has_prefix(*args, "--"))
			ok = take_option(s, &args, error);
		else
			ok = s->positional(s->opaque, *args, error);
		if (!ok)
			return false;
	}
	return true;
}

#define COLUMN 24

void options_print(const char *left, const char *doc)
{
	if (strlen(left) < COLUMN - 1)
		printf("  %-*s%s\n", COLUMN, left, doc);
	else
		printf("  %s\n  %*s%s\n", left, COLUMN, "", doc);
}

void options_help(const struct option_row *rows)
{
	for (; rows->name; rows++) {
		g_autofree char *left = rows->arg
						? g_strdup_printf("--%s %s", rows->name, rows->arg)
						: g_strdup_printf("--%s", rows->name);

		options_print(left, rows->doc);
	}
}
