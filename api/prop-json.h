/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prop-json.h - JSON to structures and back, by property tables (base/prop.h).
 *
 *	type in the table	in JSON
 *	bool			true, false
 *	u8 … u64		an integer
 *	size			an integer of bytes, or a string such as "512M"
 *	enum			one of its names
 *	str, link		a string
 *	mac, uuid, pci		a string: "52:54:00:12:34:56", "1f.2"
 *	file			a string: its path
 *	object, list		an object, an array of objects
 *	strs			an array of strings
 *	extra			every other key, with a string, an integer or a boolean
 *
 * Errors begin with the JSON pointer of what is wrong: "/disks/0/cache: must be one of none,
 * writeback, not 'x'"; where the whole is wrong, with the name of its table. Any thread.
 */
#ifndef API_PROP_JSON_H
#define API_PROP_JSON_H

#include <glib.h>

#include "base/prop.h"

struct json_object;

#define PROP_EXTRA_MAX 64             /* unknown keys that one object may collect */
#define PROP_STR_MAX   UINT64_C(4096) /* bytes of a string whose property names no limit */

#define PROP_DECODE_LENIENT 0x1 /* unknown keys are skipped: for answers of another release */
#define PROP_ENCODE_BRIEF   0x1 /* without what equals its default */

/* A structure of table @t with its defaults set; free with prop_object_free(). */
void *prop_object_new(const struct prop_table *t);
void prop_object_free(const struct prop_table *t, void *obj); /* NULL is fine */

/*
 * A new structure from @json (NULL stands for an empty object). NULL with @error set when it does
 * not fit.
 */
void *prop_decode(
	const struct prop_table *t, struct json_object *json, unsigned flags, GError **error);

/* Absent strings, files, addresses and objects are left out always. The caller puts it. */
struct json_object *prop_encode(const struct prop_table *t, const void *obj, unsigned flags);

/*
 * The JSON value that @text, from a query or a command line, stands for as the value of @p: a
 * boolean or an integer where it is one, else a string, which decoding judges. @p may be NULL. The
 * caller puts it.
 */
struct json_object *prop_value_of_text(const struct prop *p, const char *text);

/*
 * The JSON schema of @t itself. References to other tables are "@ref_prefix" + their name; the
 * tables so named are added to the object @defs with their schemas. The caller puts the result.
 */
struct json_object *prop_schema(
	const struct prop_table *t, const char *ref_prefix, struct json_object *defs);

/*
 * A whole schema document (JSON Schema draft 2020-12) of @t, with the tables it refers to under
 * $defs. The caller puts it.
 */
struct json_object *prop_table_schema(const struct prop_table *t);

#endif
