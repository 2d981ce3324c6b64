/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gen-docs - prints what the build makes from the tables: api.md, openapi.json or
 * vmspec.schema.json.
 */
#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "api/openapi.h"
#include "api/prop-json.h"

static char *pretty(struct json_object *json)
{
	int flags = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_PRETTY_TAB |
		    JSON_C_TO_STRING_NOSLASHESCAPE;
	char *text = g_strconcat(json_object_to_json_string_ext(json, flags), "\n", NULL);

	json_object_put(json);
	return text;
}

static char *openapi_json(void)
{
	return pretty(openapi_document(host_operations));
}

static char *vmspec_schema_json(void)
{
	return pretty(prop_table_schema(&vm_spec_table));
}

static const struct {
	const char *name;
	char *(*make)(void);
} documents[] = {
	{"api.md", api_reference},
	{"openapi.json", openapi_json},
	{"vmspec.schema.json", vmspec_schema_json},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(documents); i++) {
		g_autofree char *text = NULL;

		if (strcmp(argv[1], documents[i].name) != 0)
			continue;
		text = documents[i].make();
		return fputs(text, stdout) < 0 || fflush(stdout) ? 1 : 0;
	}
	fprintf(stderr, "usage: gen-docs api.md|openapi.json|vmspec.schema.json\n");
	return 2;
}
