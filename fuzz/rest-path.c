/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Method, path, query and body of a REST request, separated by newlines: what is matched must be an
 * operation with parameters that decode or are refused, what is not must have a status.
 */
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/prop-json.h"
#include "api/rest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_params(const struct rest_match *m)
{
	g_autoptr(GError) e = NULL;
	void *params;

	if (!m->op->params)
		return;
	params = prop_decode(m->op->params, m->params, 0, &e);
	if (!params && !e)
		abort();
	prop_object_free(m->op->params, params);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	g_auto(GStrv) part = g_strsplit(text, "\n", 4);
	struct rest_request r = {0};
	struct rest_match m;
	g_autoptr(GError) e = NULL;

	if (g_strv_length(part) < 2)
		return 0;
	r.method = part[0];
	r.path = part[1];
	r.query = part[2];
	r.body = part[2] ? part[3] : NULL;
	r.body_len = r.body ? strlen(r.body) : 0;
	if (rest_match(host_operations, &r, &m, &e))
		try_params(&m);
	else if (m.status < 400 || !e)
		abort();
	rest_match_done(&m);
	return 0;
}
