/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of all devices, little-endian:
 *
 *	"VBUS" u32 devices, then for each: u32 id length, id, u32 length of its sections, sections (base/state.h)
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "devmodel/bus/bus.h"

static const char magic[] = {'V', 'B', 'U', 'S'};

/* ---- writing ---- */

static void put_u32(GByteArray *out, uint32_t v)
{
	v = htole32(v);
	g_byte_array_append(out, (const uint8_t *)&v, sizeof(v));
}

static const struct dev_part *first_part(const struct dev *d)
{
	static const struct dev_part none = {.desc = NULL};

	return d->ops->state ? d->ops->state : &none;
}

static void *part_hw(struct dev *d, const struct dev_part *p)
{
	return (char *)d + p->offset;
}

static void save_dev(struct dev *d, GByteArray *out)
{
	guint start;
	uint32_t n;

	put_u32(out, (uint32_t)strlen(d->id));
	g_byte_array_append(out, (const uint8_t *)d->id, (guint)strlen(d->id));
	put_u32(out, 0);
	start = out->len;

	dev_lock(d);
	if (d->ops->pre_save)
		d->ops->pre_save(d);
	for (const struct dev_part *p = first_part(d); p->desc; p++)
		state_save(p->desc, part_hw(d, p), out);
	dev_unlock(d);

	n = htole32(out->len - start);
	memcpy(out->data + start - sizeof(n), &n, sizeof(n));
}

void bus_save(struct bus *b, GByteArray *out)
{
	uint32_t n = 0;

	for (struct dev *d = b->devs; d; d = d->next)
		n++;
	g_byte_array_append(out, (const uint8_t *)magic, sizeof(magic));
	put_u32(out, n);
	for (struct dev *d = b->devs; d; d = d->next)
		save_dev(d, out);
}

/* ---- reading ---- */

struct reader {
	const uint8_t *p;
	size_t left;
};

static bool get(struct reader *r, size_t n, const uint8_t **ret)
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
	uint32_t v;

	if (!get(r, sizeof(v), &p))
		return false;
	memcpy(&v, p, sizeof(v));
	*ret = le32toh(v);
	return true;
}

/* A length and as many bytes. */
static bool get_block(struct reader *r, struct reader *ret)
{
	uint32_t n;

	if (!get_u32(r, &n) || !get(r, n, &ret->p))
		return false;
	ret->left = n;
	return true;
}

static bool truncated(GError **error)
{
	return err_set(error, VMMD_ERROR_INVALID, "saved state: truncated or malformed");
}

static const char *reason(int err)
{
	switch (err) {
	case -ENOENT: return "belongs to another kind of device";
	case -ENOTSUP: return "was saved by a newer version";
	case -ERANGE: return "has a value out of its range";
	case -EINVAL: return "contradicts itself";
	default: return "is truncated or malformed";
	}
}

static bool load_dev(struct dev *d, struct reader body, GError **error)
{
	int err = 0;

	dev_lock(d);
	for (const struct dev_part *p = first_part(d); p->desc && !err; p++) {
		size_t used = 0;

		err = state_load(p->desc, part_hw(d, p), body.p, body.left, &used);
		body.p += used;
		body.left -= used;
	}
	dev_unlock(d);
	if (!err && body.left)
		err = -EBADMSG;
	if (err < 0)
		return err_set(error, VMMD_ERROR_INVALID, "saved state of device \"%s\" %s", d->id,
			reason(err));
	return true;
}

/* The device of the next frame, once each: @seen are those that had theirs. */
static struct dev *next_dev(struct bus *b, struct reader *r, GPtrArray *seen, GError **error)
{
	g_autofree char *id = NULL;
	struct reader name;
	struct dev *d;

	if (!get_block(r, &name)) {
		truncated(error);
		return NULL;
	}
	id = g_strndup((const char *)name.p, MIN(name.left, 255));
	d = strlen(id) == name.left ? bus_find_dev(b, id) : NULL;
	if (!d) {
		g_autofree char *shown = g_strescape(id, NULL);

		err_set(error, VMMD_ERROR_INVALID, "saved state: this machine has no device \"%s\"",
			shown);
		return NULL;
	}
	if (g_ptr_array_find(seen, d, NULL)) {
		err_set(error, VMMD_ERROR_INVALID, "saved state: device \"%s\" comes twice", id);
		return NULL;
	}
	g_ptr_array_add(seen, d);
	return d;
}

static bool all_seen(struct bus *b, GPtrArray *seen, GError **error)
{
	for (struct dev *d = b->devs; d; d = d->next) {
		if (!g_ptr_array_find(seen, d, NULL))
			return err_set(error, VMMD_ERROR_INVALID,
				"saved state: nothing about device \"%s\"", d->id);
	}
	return true;
}

static bool load_all(struct bus *b, struct reader r, GError **error)
{
	g_autoptr(GPtrArray) seen = g_ptr_array_new();
	const uint8_t *head;
	uint32_t n;

	if (!get(&r, sizeof(magic), &head) || memcmp(head, magic, sizeof(magic)) != 0 ||
		!get_u32(&r, &n))
		return truncated(error);
	while (n--) {
		struct dev *d = next_dev(b, &r, seen, error);
		struct reader body;

		if (!d)
			return false;
		if (!get_block(&r, &body))
			return truncated(error);
		if (!load_dev(d, body, error))
			return false;
	}
	return r.left ? truncated(error) : all_seen(b, seen, error);
}

static bool post_load_all(struct bus *b, GError **error)
{
	for (struct dev *d = b->devs; d; d = d->next) {
		int err;

		if (!d->ops->post_load)
			continue;
		dev_lock(d);
		err = d->ops->post_load(d);
		dev_unlock(d);
		if (err < 0)
			return err_set(error, VMMD_ERROR_INVALID,
				"saved state of device \"%s\" is not possible in this machine",
				d->id);
	}
	return true;
}

bool bus_load(struct bus *b, const uint8_t *buf, size_t len, GError **error)
{
	bool ok = load_all(b, (struct reader){.p = buf, .left = len}, error);

	if (!ok)
		return false;
	bus_lock(b);
	ok = post_load_all(b, error);
	bus_unlock(b);
	gsi_redrive(b->gsi);
	return ok;
}
