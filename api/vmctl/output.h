/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * output.h - results for people and for programs, from the tables that describe them.
 */
#ifndef API_VMCTL_OUTPUT_H
#define API_VMCTL_OUTPUT_H

#include "base/prop.h"

struct json_object;

enum output_format { OUTPUT_TABLE, OUTPUT_JSON };

/* One line of JSON. */
void output_json(struct json_object *json);

/* A structure of @t: a table if its first property is a list, else a line for each property. */
void output_result(const struct prop_table *t, struct json_object *json);

/* @text with what a terminal would act on made visible; free with g_free(). */
char *output_printable(const char *text);

#endif
