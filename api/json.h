/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json.h - JSON text from clients, files and VM processes: bounded and strict.
 *
 * Every byte that comes in is hostile. json_parse() is the one way in: it takes RFC 8259 and
 * nothing else (no comments, no single quotes, no NaN, nothing after the value), in UTF-8, without
 * NUL in any string, no key twice in one object, within JSON_TEXT_MAX, JSON_DEPTH_MAX and
 * JSON_VALUES_MAX. Errors say where: the offset of a syntax error, the JSON pointer of a key.
 */
#ifndef API_JSON_H
#define API_JSON_H

#include <glib.h>
#include <json-c/json.h>

#include "base/error.h"

#define JSON_TEXT_MAX   (1U << 20) /* bytes of one text */
#define JSON_DEPTH_MAX  24         /* arrays and objects within one another */
#define JSON_VALUES_MAX 20000      /* of one text: an object costs up to 1 KiB of memory */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_object, json_object_put)

/*
 * A value that the caller puts; a JSON null gives a NULL in *@ret, which is no error. Any thread.
 */
bool json_parse(const char *text, size_t len, struct json_object **ret, GError **error);

/* The value as text on one line, without spaces; free with g_free(). */
char *json_text(struct json_object *json, size_t *ret_len);

/*
 * "an object", "'text'", "12": the value in a sentence, at most about 50 bytes, printable. Free
 * with g_free().
 */
char *json_describe(struct json_object *json);

/*
 * Appends "/" and @key as RFC 6901 escapes it, at most 64 bytes of it, control characters replaced.
 */
void json_pointer_append(GString *pointer, const char *key);

/* The string member @key of an object, or NULL. Borrowed. */
const char *json_member_string(struct json_object *object, const char *key);

/*
 * The JSON pointer with which an error message begins ("/disks/0: …"), or NULL; free with g_free().
 */
char *json_error_pointer(const GError *error);

#endif
