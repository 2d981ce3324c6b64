/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.h - declarative state: what a device or vCPU is, as a table of named fields with ranges.
 *
 *	struct uart_hw { uint8_t ier, lcr; uint16_t divisor; uint8_t fifo[16]; uint8_t fifo_len; };
 *
 *	static const struct state_field uart_fields[] = {
 *		ST_MAX(struct uart_hw, ier, 0x0f),
 *		ST_U(struct uart_hw, lcr),
 *		ST_U(struct uart_hw, divisor),
 *		ST_BYTES(struct uart_hw, fifo),
 *		ST_MAX(struct uart_hw, fifo_len, 16),
 *		ST_END
 *	};
 *
 * Architectural state lives in a struct X_hw of its own; host handles stay outside. One generic test walks
 * every registered device: its fields must cover X_hw exactly (a forgotten byte fails), save → load → save
 * must be byte-equal, and mutated streams must fail cleanly. A stream is untrusted: names are matched, sizes
 * and ranges checked, then check() judges across fields; the structure is written only when all of it is good.
 */
#ifndef BASE_STATE_H
#define BASE_STATE_H

#include <glib.h>

#include "base/util.h"

enum state_type {
	ST_TYPE_UINT,   /* 1, 2, 4 or 8 bytes, unsigned, min..max */
	ST_TYPE_BOOL,   /* C bool, 0 or 1 */
	ST_TYPE_BYTES,  /* uint8_t array of fixed length */
	ST_TYPE_ARRAY,  /* count × unsigned of elem_size bytes, min..max each */
	ST_TYPE_STRUCT, /* count × a sub-structure with its own table */
	ST_TYPE_PAD,    /* padding or a derived cache: covered, not saved, zeroed by load */
};

struct state_field {
	const char *name;
	enum state_type type;
	size_t offset;
	size_t size; /* of the whole member, bytes */
	size_t elem_size;
	size_t count;
	uint64_t min, max;
	const struct state_field *sub;
	unsigned since; /* version of the table that first had it: older streams leave it zero */
};

#define ST_SIZEOF(s, f) sizeof(((s *)0)->f)
#define ST_RANGE(s, f, lo, hi)                                                                  \
	{                                                                                       \
		.name = #f, .type = ST_TYPE_UINT, .offset = offsetof(s, f),                     \
		.size = ST_SIZEOF(s, f), .elem_size = ST_SIZEOF(s, f), .count = 1, .min = (lo), \
		.max = (hi)                                                                     \
	}
#define ST_MAX(s, f, hi) ST_RANGE(s, f, 0, hi)
#define ST_U(s, f)       ST_RANGE(s, f, 0, UINT64_MAX)
#define ST_BOOL(s, f)                                                         \
	{                                                                     \
		.name = #f, .type = ST_TYPE_BOOL, .offset = offsetof(s, f),   \
		.size = ST_SIZEOF(s, f), .elem_size = 1, .count = 1, .max = 1 \
	}
#define ST_BYTES(s, f)                                                            \
	{                                                                         \
		.name = #f, .type = ST_TYPE_BYTES, .offset = offsetof(s, f),      \
		.size = ST_SIZEOF(s, f), .elem_size = 1, .count = ST_SIZEOF(s, f) \
	}
#define ST_ARRAY(s, f, hi)                                                   \
	{                                                                    \
		.name = #f, .type = ST_TYPE_ARRAY, .offset = offsetof(s, f), \
		.size = ST_SIZEOF(s, f), .elem_size = ST_SIZEOF(s, f[0]),    \
		.count = ARRAY_SIZE(((s *)0)->f), .max = (hi)                \
	}
#define ST_STRUCT(s, f, fields)                                                                    \
	{                                                                                          \
		.name = #f, .type = ST_TYPE_STRUCT, .offset = offsetof(s, f),                      \
		.size = ST_SIZEOF(s, f), .elem_size = ST_SIZEOF(s, f), .count = 1, .sub = (fields) \
	}
#define ST_STRUCTS(s, f, fields)                                              \
	{                                                                     \
		.name = #f, .type = ST_TYPE_STRUCT, .offset = offsetof(s, f), \
		.size = ST_SIZEOF(s, f), .elem_size = ST_SIZEOF(s, f[0]),     \
		.count = ARRAY_SIZE(((s *)0)->f), .sub = (fields)             \
	}
#define ST_PAD(s, f)                                                                               \
	{                                                                                          \
		.name = #f, .type = ST_TYPE_PAD, .offset = offsetof(s, f), .size = ST_SIZEOF(s, f) \
	}
#define ST_END               \
	{                    \
		.name = NULL \
	}

struct state_desc {
	const char *name; /* stable: the section's name in the stream */
	unsigned version; /* written; a stream with a higher one is refused */
	size_t size;      /* sizeof the X_hw structure */
	const struct state_field *fields;
	/* Judges a loaded structure across its fields before it is used: 0 or -EINVAL. May be NULL. */
	int (*check)(const void *hw);
};

/* Appends one section holding @hw to @out. Cannot fail. The caller holds the lock of what @hw belongs to. */
void state_save(const struct state_desc *d, const void *hw, GByteArray *out);

/*
 * Reads one section from [@buf, @buf + @len) into @hw; stores the bytes consumed in @ret_used.
 * -EBADMSG malformed or truncated, -ENOENT another section's name, -ENOTSUP a newer version, -ERANGE a value
 * out of its range, or what check() returned; @hw is then untouched.
 */
int __must_check state_load(
	const struct state_desc *d, void *hw, const uint8_t *buf, size_t len, size_t *ret_used);

/*
 * True when the fields cover all of [0, size) with no gap and no overlap; else false and @error names the
 * byte and its neighbours. There is no allowance for padding that the compiler adds: order the members, or
 * give the hole a name and an ST_PAD. Tests only.
 */
bool state_desc_covers(const struct state_desc *d, GError **error);

#endif
