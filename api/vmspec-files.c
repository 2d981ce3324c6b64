/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>

#include "api/vmspec.h"

struct walk {
	GString *pointer;
	vm_spec_file_fn *fn;
	void *opaque;
	GError **error;
};

static void *field(const struct prop *p, void *obj)
{
	return (char *)obj + p->offset;
}

/* The value of an integer property called @name, or @otherwise where the table has none. */
static uint64_t member(
	const struct prop_table *t, const void *obj, const char *name, uint64_t otherwise)
{
	const struct prop *p = prop_find(t, name);

	return p ? prop_get_uint(p, obj) : otherwise;
}

static int open_flags(const struct prop_table *t, const void *obj, const struct prop *p)
{
	int flags = O_RDONLY;

	if (p->flags & PROP_APPEND)
		return O_WRONLY | O_APPEND | O_CREAT;
	if ((p->flags & PROP_READWRITE) && !member(t, obj, "readonly", false))
		flags = O_RDWR;
	if (member(t, obj, "cache", SPEC_CACHE_WRITEBACK) == SPEC_CACHE_NONE)
		flags |= O_DIRECT;
	return flags;
}

static bool walk_object(struct walk *w, const struct prop_table *t, void *obj);

static bool walk_list(struct walk *w, const struct prop *p, void *obj)
{
	void **items = *(void ***)field(p, obj);
	size_t n = *(size_t *)((char *)obj + p->offset_n), base = w->pointer->len;
	bool ok = true;

	for (size_t i = 0; ok && i < n; i++) {
		g_string_append_printf(w->pointer, "/%zu", i);
		ok = walk_object(w, p->sub, items[i]);
		g_string_truncate(w->pointer, base);
	}
	return ok;
}

static bool walk_value(struct walk *w, const struct prop_table *t, const struct prop *p, void *obj)
{
	switch (p->type) {
	case PROP_TYPE_FILE:
		return w->fn(w->pointer->str, p, field(p, obj), open_flags(t, obj, p), w->opaque,
			w->error);
	case PROP_TYPE_OBJECT:
		return !*(void **)field(p, obj) || walk_object(w, p->sub, *(void **)field(p, obj));
	case PROP_TYPE_LIST: return walk_list(w, p, obj);
	default: return true;
	}
}

static bool walk_object(struct walk *w, const struct prop_table *t, void *obj)
{
	size_t base = w->pointer->len;
	bool ok = true;

	for (const struct prop *p = t->props; ok && p->name; p++) {
		g_string_append_printf(w->pointer, "/%s", p->name);
		ok = walk_value(w, t, p, obj);
		g_string_truncate(w->pointer, base);
	}
	return ok;
}

bool vm_spec_foreach_file(struct vm_spec *spec, vm_spec_file_fn *fn, void *opaque, GError **error)
{
	struct walk w = {.pointer = g_string_new(NULL), .fn = fn, .opaque = opaque, .error = error};
	bool ok = walk_object(&w, &vm_spec_table, spec);

	g_string_free(w.pointer, TRUE);
	return ok;
}
