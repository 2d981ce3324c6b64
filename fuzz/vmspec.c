/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VmSpec from anywhere: what decodes must complete or be refused, and what was completed must
 * survive encoding and decoding unchanged.
 */
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/vmspec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *encode(const struct vm_spec *s)
{
	g_autoptr(json_object) json = vm_spec_encode(s);

	return json_text(json, NULL);
}

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void round_trip(const struct vm_spec *s)
{
	g_autofree char *text = encode(s), *again = NULL;
	struct vm_spec *t = vm_spec_parse(text, strlen(text), NULL);

	must(t && vm_spec_complete(t, NULL));
	again = encode(t);
	must(strcmp(text, again) == 0);
	vm_spec_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GError) e = NULL;
	struct vm_spec *s = vm_spec_parse((const char *)data, size, &e);

	must(!s == (e != NULL));
	if (e)
		must(g_utf8_validate(e->message, -1, NULL));
	if (s && vm_spec_complete(s, NULL))
		round_trip(s);
	vm_spec_free(s);
	return 0;
}
