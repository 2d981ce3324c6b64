/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.h - command lines of vmctl's sub-commands: positional arguments and --name VALUE, in any
 * order.
 */
#ifndef API_VMCTL_OPTIONS_H
#define API_VMCTL_OPTIONS_H

#include "base/error.h"

struct option_row {
	const char *name; /* without dashes; NULL ends the table */
	const char *arg;  /* what its value is, for the help; NULL: it has none */
	const char *doc;
};

/*
 * Calls @option for each option (@value NULL for one without) and @positional for each other
 * argument, until one returns false. "--name=VALUE" is the same as "--name VALUE"; after "--"
 * nothing is an option. Errors: unknown options, missing and superfluous values.
 */
struct option_sink {
	const struct option_row *rows;
	bool (*option)(void *opaque, const char *name, const char *value, GError **error);
	bool (*positional)(void *opaque, const char *arg, GError **error);
	void *opaque;
};

bool options_parse(const struct option_sink *sink, char **args, GError **error);

/* The help of a table of options, and a line of it. */
void options_help(const struct option_row *rows);
void options_print(const char *left, const char *doc);

#endif
