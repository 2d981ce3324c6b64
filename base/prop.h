/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prop.h - property tables: what can be configured, once, for every reader of a configuration.
 *
 * A table describes a C structure: a device's configuration, a back-end's, or an object of the VmSpec. From
 * the same tables come: decoding and encoding (api/), the JSON schema, `-device` and device_add parsing,
 * device-list-properties, and docs/devices.md. This file knows no JSON.
 *
 *	static const struct prop rtc_props[] = {
 *		PROP_U32("base-year", struct rtc, base_year, 1900, 2100, 2000, "first year of the century byte"),
 *		PROP_END
 *	};
 */
#ifndef BASE_PROP_H
#define BASE_PROP_H

#include <glib.h>

#include "base/util.h"

enum prop_type {
	PROP_TYPE_BOOL,   /* bool */
	PROP_TYPE_U8,     /* uint8_t */
	PROP_TYPE_U16,    /* uint16_t */
	PROP_TYPE_U32,    /* uint32_t */
	PROP_TYPE_U64,    /* uint64_t */
	PROP_TYPE_SIZE,   /* uint64_t bytes; text takes K, M, G, T (powers of 1024) */
	PROP_TYPE_STR,    /* char *, owned, NULL when absent; max = greatest length in bytes */
	PROP_TYPE_ENUM,   /* int, index into names */
	PROP_TYPE_MAC,    /* uint8_t[6] */
	PROP_TYPE_UUID,   /* uint8_t[16], RFC 4122 byte order */
	PROP_TYPE_PCI,    /* struct prop_pci */
	PROP_TYPE_FILE,   /* struct prop_file: a path to open before the sandbox, or a passed fd */
	PROP_TYPE_LINK,   /* char *: id of a back-end of the kind `link` */
	PROP_TYPE_OBJECT, /* struct X *, owned, NULL when absent: sub table */
	PROP_TYPE_LIST, /* struct X **, owned array of owned objects, count at offset_n: sub table */
	PROP_TYPE_STRS, /* char **, owned, NULL-terminated: list of strings */
	PROP_TYPE_EXTRA, /* char **, owned: every key the table does not know, as "name=value"; at most one */
};

enum prop_link {
	PROP_LINK_BLOCK,
	PROP_LINK_NET,
	PROP_LINK_CHAR,
	PROP_LINK_DISPLAY,
	PROP_LINK_IOTHREAD
};

/* A PCI address as users write it: "1f.2" or "3"; unset (-1, -1) means: allot one and store it. */
struct prop_pci {
	int8_t slot, function;
};

/* A host file: how to open it is said by the property (flags), who opens it by the process. */
struct prop_file {
	char *path; /* owned; NULL when absent */
	int fd;     /* -1 until opened or passed; owned */
};

#define PROP_REQUIRED  0x1  /* must be given */
#define PROP_READWRITE 0x2  /* a file is opened for writing too (unless its object says readonly) */
#define PROP_APPEND    0x4  /* a file is appended to, and made when it is missing */
#define PROP_LISTEN    0x8  /* not a file: a listening Unix stream socket is made at the path */
#define PROP_CONNECT   0x10 /* not a file: a Unix stream socket that is connected to */
#define PROP_MAX_LIST  256  /* entries of any list: a limit on every user-controlled resource */

struct prop_table;

struct prop {
	const char *name; /* as written by users: lower case, hyphens */
	enum prop_type type;
	size_t offset;
	size_t offset_n; /* lists: offset of the size_t count */
	uint64_t min, max, def;
	const char *def_str;
	const char *const *names;     /* enum: NULL-terminated */
	const struct prop_table *sub; /* object, list */
	enum prop_link link;
	unsigned flags;
	const char *doc; /* one sentence without full stop, units named */
};

struct prop_table {
	const char *name; /* of the schema object, e.g. "disk" */
	const char *doc;
	size_t size; /* sizeof the structure */
	const struct prop *props;
	/* Judges across properties, after all were set; the message names them. May be NULL. */
	bool (*check)(const void *obj, GError **error);
};

#define PROP_BOOL(n, s, f, d, text)                                                      \
	{                                                                                \
		.name = (n), .type = PROP_TYPE_BOOL, .offset = offsetof(s, f), .max = 1, \
		.def = (d), .doc = (text)                                                \
	}
#define PROP_NUM__(t, n, s, f, lo, hi, d, text)                                               \
	{                                                                                     \
		.name = (n), .type = (t), .offset = offsetof(s, f), .min = (lo), .max = (hi), \
		.def = (d), .doc = (text)                                                     \
	}
#define PROP_U8(n, s, f, lo, hi, d, text)   PROP_NUM__(PROP_TYPE_U8, n, s, f, lo, hi, d, text)
#define PROP_U16(n, s, f, lo, hi, d, text)  PROP_NUM__(PROP_TYPE_U16, n, s, f, lo, hi, d, text)
#define PROP_U32(n, s, f, lo, hi, d, text)  PROP_NUM__(PROP_TYPE_U32, n, s, f, lo, hi, d, text)
#define PROP_U64(n, s, f, lo, hi, d, text)  PROP_NUM__(PROP_TYPE_U64, n, s, f, lo, hi, d, text)
#define PROP_SIZE(n, s, f, lo, hi, d, text) PROP_NUM__(PROP_TYPE_SIZE, n, s, f, lo, hi, d, text)
#define PROP_STR(n, s, f, maxlen, d, text)                                                     \
	{                                                                                      \
		.name = (n), .type = PROP_TYPE_STR, .offset = offsetof(s, f), .max = (maxlen), \
		.def_str = (d), .doc = (text)                                                  \
	}
#define PROP_ENUM(n, s, f, nm, d, text)                                                       \
	{                                                                                     \
		.name = (n), .type = PROP_TYPE_ENUM, .offset = offsetof(s, f), .names = (nm), \
		.def = (d), .doc = (text)                                                     \
	}
#define PROP_PLAIN__(t, n, s, f, fl, text)                                                       \
	{                                                                                        \
		.name = (n), .type = (t), .offset = offsetof(s, f), .flags = (fl), .doc = (text) \
	}
#define PROP_MAC(n, s, f, text)      PROP_PLAIN__(PROP_TYPE_MAC, n, s, f, 0, text)
#define PROP_UUID(n, s, f, text)     PROP_PLAIN__(PROP_TYPE_UUID, n, s, f, 0, text)
#define PROP_PCI(n, s, f, text)      PROP_PLAIN__(PROP_TYPE_PCI, n, s, f, 0, text)
#define PROP_FILE(n, s, f, fl, text) PROP_PLAIN__(PROP_TYPE_FILE, n, s, f, fl, text)
#define PROP_STRS(n, s, f, text)     PROP_PLAIN__(PROP_TYPE_STRS, n, s, f, 0, text)
#define PROP_EXTRA(s, f, text)       PROP_PLAIN__(PROP_TYPE_EXTRA, "*", s, f, 0, text)
#define PROP_LINK(n, s, f, kind, fl, text)                                                     \
	{                                                                                      \
		.name = (n), .type = PROP_TYPE_LINK, .offset = offsetof(s, f), .link = (kind), \
		.flags = (fl), .doc = (text)                                                   \
	}
#define PROP_OBJECT(n, s, f, table, fl, text)                                                    \
	{                                                                                        \
		.name = (n), .type = PROP_TYPE_OBJECT, .offset = offsetof(s, f), .sub = (table), \
		.flags = (fl), .doc = (text)                                                     \
	}
#define PROP_LIST(n, s, f, count, table, text)                                 \
	{                                                                      \
		.name = (n), .type = PROP_TYPE_LIST, .offset = offsetof(s, f), \
		.offset_n = offsetof(s, count), .sub = (table), .doc = (text)  \
	}
#define PROP_END             \
	{                    \
		.name = NULL \
	}

/* Sets every property of @obj to its default (files to fd -1, PCI addresses to unset). */
void prop_defaults(const struct prop_table *t, void *obj);

/* The property called @name, or NULL. */
const struct prop *prop_find(const struct prop_table *t, const char *name);

/*
 * Sets one scalar property from text, as -device, device_add and a command line write it: booleans
 * on/off/true/false, numbers decimal or 0x, sizes with K/M/G/T, enums by name. The old value is freed.
 * Errors name the property, its range and what was given. Objects and lists are for api/ and refused here.
 */
bool prop_set_text(const struct prop *p, void *obj, const char *text, GError **error);

/* Sets an integer property (bool, U8..U64, size, enum index) after checking min..max. */
bool prop_set_uint(const struct prop *p, void *obj, uint64_t value, GError **error);
uint64_t prop_get_uint(const struct prop *p, const void *obj);

/* The value as text that prop_set_text() takes; free with g_free(). NULL for absent values, objects, lists. */
char *prop_get_text(const struct prop *p, const void *obj);

/* True when the value equals the default: an encoder leaves it out. */
bool prop_is_default(const struct prop *p, const void *obj);

/* Frees what the properties own (strings, fds, objects, lists) and leaves them absent; not @obj itself. Idempotent. */
void prop_clear(const struct prop_table *t, void *obj);

#endif
