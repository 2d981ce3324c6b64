/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * openapi.h - documents made from the table of operations.
 */
#ifndef API_OPENAPI_H
#define API_OPENAPI_H

#include "api/operations.h"

/* The OpenAPI 3.1 document of the REST operations among @ops. The caller puts it. */
struct json_object *openapi_document(const struct operation *ops);

/* docs/api.md: the operations reference; free with g_free(). */
char *api_reference(void);

#endif
