/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stream, all little-endian:
 *
 *	section	"VST1" u32 version, u8 name length, name, u32 body length, body
 *	body	fields in the order of the table:
 *		u8 name length, name, u32 data length, data (a sub-structure's data is again a body, one an element)
 *
 * Names make a stream readable by a later table that has gained fields, and refuse one that has lost any.
 */
#include "base/state.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"

#define SECTION_MAGIC 0x31545356u /* "VST1" */
#define NESTING_MAX   8

/* ---- writing ---- */

static void put_bytes(GByteArray *out, const void *p, size_t n)
{
	g_byte_array_append(out, p, (guint)n);
}

static void put_u32(GByteArray *out, uint32_t v)
{
	v = htole32(v);
	put_bytes(out, &v, sizeof(v));
}

static void put_name(GByteArray *out, const char *name)
{
	uint8_t n = (uint8_t)strlen(name);

	put_bytes(out, &n, 1);
	put_bytes(out, name, n);
}

/* Begins a block whose length is filled in by end_block(). */
static guint begin_block(GByteArray *out)
{
	put_u32(out, 0);
	return out->len;
}

static void end_block(GByteArray *out, guint start)
{
	uint32_t n = htole32(out->len - start);

	memcpy(out->data + start - sizeof(n), &n, sizeof(n));
}

static uint64_t load_uint(const void *p, size_t size)
{
	uint64_t v = 0;

	/* x86-64 only (meson.build): host order is little-endian. */
	memcpy(&v, p, size);
	return v;
}

static void save_fields(const struct state_field *f, const uint8_t *hw, GByteArray *out)
{
	for (; f->name; f++) {
		const uint8_t *p = hw + f->offset;
		guint start;

		if (f->type == ST_TYPE_PAD)
			continue;
		put_name(out, f->name);
		start = begin_block(out);
		if (f->type == ST_TYPE_STRUCT) {
			for (size_t i = 0; i < f->count; i++)
				save_fields(f->sub, p + i * f->elem_size, out);
		} else {
			put_bytes(out, p, f->size);
		}
		end_block(out, start);
	}
}

void state_save(const struct state_desc *d, const void *hw, GByteArray *out)
{
	guint start;

	put_u32(out, SECTION_MAGIC);
	put_u32(out, d->version);
	put_name(out, d->name);
	start = begin_block(out);
	save_fields(d->fields, hw, out);
	end_block(out, start);
}

/* ---- reading: every length is checked against what is left ---- */

struct reader {
	const uint8_t *p;
	size_t left;
};

static bool get_bytes(struct reader *r, const uint8_t **ret, size_t n)
{
	if (n > r->left)
		return false;
	*ret = r->p;
	r->p += n;
	r->left -= n;
	return true;
}

static bool get_u32(struct reader *r, uint32_t *ret)
{
	const uint8_t *p;

	if (!get_bytes(r, &p, sizeof(*ret)))
		return false;
	*ret = (uint32_t)load_uint(p, sizeof(*ret));
	return true;
}

static bool get_name(struct reader *r, const uint8_t **ret, size_t *ret_len)
{
	const uint8_t *len;

	if (!get_bytes(r, &len, 1))
		return false;
	*ret_len = *len;
	return get_bytes(r, ret, *ret_len);
}

static bool name_is(const uint8_t *name, size_t len, const char *want)
{
	return strlen(want) == len && memcmp(name, want, len) == 0;
}

static int load_fields(const struct state_field *f, unsigned version, uint8_t *hw, struct reader *r,
	unsigned depth);

static int load_elements(const struct state_field *f, const uint8_t *data, uint8_t *dst)
{
	for (size_t i = 0; i < f->count; i++) {
		uint64_t v = load_uint(data + i * f->elem_size, f->elem_size);

		if (f->type != ST_TYPE_BYTES && (v < f->min || v > f->max))
			return -ERANGE;
	}
	memcpy(dst, data, f->size);
	return 0;
}

static int load_one(const struct state_field *f, unsigned version, uint8_t *hw, struct reader *body,
	unsigned depth)
{
	const uint8_t *data;

	if (f->type == ST_TYPE_STRUCT) {
		for (size_t i = 0; i < f->count; i++) {
			int err = load_fields(f->sub, version, hw + f->offset + i * f->elem_size,
				body, depth + 1);

			if (err < 0)
				return err;
		}
		return body->left ? -EBADMSG : 0;
	}
	if (body->left != f->size || !get_bytes(body, &data, f->size))
		return -EBADMSG;
	return load_elements(f, data, hw + f->offset);
}

static int load_fields(const struct state_field *f, unsigned version, uint8_t *hw, struct reader *r,
	unsigned depth)
{
	if (depth > NESTING_MAX)
		return -EBADMSG;
	for (; f->name; f++) {
		const uint8_t *name, *data;
		struct reader body;
		uint32_t len;
		size_t n;
		int err;

		if (f->type == ST_TYPE_PAD || f->since > version)
			continue;
		if (!get_name(r, &name, &n) || !name_is(name, n, f->name) || !get_u32(r, &len) ||
			!get_bytes(r, &data, len))
			return -EBADMSG;
		body = (struct reader){.p = data, .left = len};
		err = load_one(f, version, hw, &body, depth);
		if (err < 0)
			return err;
	}
	return 0;
}

int state_load(
	const struct state_desc *d, void *hw, const uint8_t *buf, size_t len, size_t *ret_used)
{
	struct reader r = {.p = buf, .left = len}, body;
	g_autofree uint8_t *copy = NULL;
	const uint8_t *name, *data;
	uint32_t magic, version, n;
	size_t name_len;
	int err;

	if (!get_u32(&r, &magic) || magic != SECTION_MAGIC || !get_u32(&r, &version) ||
		!get_name(&r, &name, &name_len))
		return -EBADMSG;
	if (!name_is(name, name_len, d->name))
		return -ENOENT;
	if (version > d->version)
		return -ENOTSUP;
	if (!get_u32(&r, &n) || !get_bytes(&r, &data, n))
		return -EBADMSG;
	body = (struct reader){.p = data, .left = n};
	copy = g_malloc0(d->size);
	err = load_fields(d->fields, version, copy, &body, 0);
	if (!err && body.left)
		err = -EBADMSG;
	if (!err && d->check)
		err = d->check(copy);
	if (err < 0)
		return err;
	memcpy(hw, copy, d->size);
	*ret_used = len - r.left;
	return 0;
}

/* ---- coverage ---- */

/* Claims [@offset, @offset + @size) of @owner for @f; false if somebody has it. */
static bool claim(const struct state_field **owner, size_t total, const struct state_field *f,
	size_t offset, size_t size, GError **error)
{
	if (!range_fits(offset, size, total))
		return err_set(
			error, VMMD_ERROR_INTERNAL, "field %s leaves its structure", f->name);
	for (size_t i = offset; i < offset + size; i++) {
		if (owner[i])
			return err_set(error, VMMD_ERROR_INTERNAL,
				"byte %zu belongs to both %s and %s", i, owner[i]->name, f->name);
		owner[i] = f;
	}
	return true;
}

static bool fields_cover(
	const char *name, const struct state_field *fields, size_t size, GError **error)
{
	g_autofree const struct state_field **owner = g_new0(const struct state_field *, size);
	const char *before = "the start";

	for (const struct state_field *f = fields; f->name; f++) {
		if (!claim(owner, size, f, f->offset, f->size, error))
			return false;
		if (f->type != ST_TYPE_PAD && f->size != f->elem_size * f->count)
			return err_set(error, VMMD_ERROR_INTERNAL,
				"%s.%s: size does not match its count", name, f->name);
		if (f->sub && !fields_cover(f->name, f->sub, f->elem_size, error))
			return false;
	}
	for (size_t i = 0; i < size; i++) {
		if (!owner[i])
			return err_set(error, VMMD_ERROR_INTERNAL,
				"%s: byte %zu, after %s, is in no field", name, i, before);
		before = owner[i]->name;
	}
	return true;
}

bool state_desc_covers(const struct state_desc *d, GError **error)
{
	return fields_cover(d->name, d->fields, d->size, error);
}
