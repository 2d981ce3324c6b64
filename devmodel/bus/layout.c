/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of the flattened bus leaves it: the memory map, memory slots and doorbells. Each list is
 * compared with the one handed on last, so a commit that changes nothing calls nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devmodel/bus/internal.h"

struct doorbell {
	struct accel_ioeventfd e;
	bool assigned; /* else the region's handler gets the write */
};

struct layout {
	GArray *map;       /* struct gmem_range */
	GArray *slots;     /* struct accel_slot */
	GArray *smm_slots; /* likewise, for system management mode */
	GArray *doorbells; /* struct doorbell, sorted */
};

/* Elements are zeroed, so that their padding compares equal. */
static void *add(GArray *a)
{
	guint n = a->len;

	g_array_set_size(a, n + 1);
	return a->data + (size_t)n * g_array_get_element_size(a);
}

static GArray *list_new(size_t size)
{
	return g_array_new(false, true, (guint)size);
}

struct layout *layout_new(void)
{
	struct layout *l = g_new0(struct layout, 1);

	l->map = list_new(sizeof(struct gmem_range));
	l->slots = list_new(sizeof(struct accel_slot));
	l->smm_slots = list_new(sizeof(struct accel_slot));
	l->doorbells = list_new(sizeof(struct doorbell));
	return l;
}

void layout_free(struct layout *l)
{
	if (!l)
		return;
	g_array_unref(l->map);
	g_array_unref(l->slots);
	g_array_unref(l->smm_slots);
	g_array_unref(l->doorbells);
	g_free(l);
}

static bool lists_equal(const GArray *a, const GArray *b, size_t size)
{
	return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len * size) == 0);
}

/* ---- memory ---- */

static bool is_memory(const struct flat *f)
{
	return f->region->kind == REGION_RAM || f->region->kind == REGION_ROM;
}

static uint64_t block_offset(const struct flat *f, uint64_t addr)
{
	return f->region->block_offset + (addr - f->region->base);
}

static GArray *make_map(const GArray *flats)
{
	GArray *map = list_new(sizeof(struct gmem_range));

	for (guint i = 0; i < flats->len; i++) {
		const struct flat *f = &g_array_index(flats, struct flat, i);
		struct gmem_range *r;

		if (!is_memory(f))
			continue;
		r = add(map);
		r->gpa = GPA(f->start);
		r->size = f->end - f->start;
		r->block = f->region->block;
		r->offset = block_offset(f, f->start);
		r->readonly = f->region->kind == REGION_ROM;
	}
	return map;
}

/*
 * Slots are made of whole pages. Memory that shares a page with something else is left out: its
 * accesses exit, and dispatch.c finds it in the map. Neighbours are not joined, so that shadowing a
 * ROM leaves the slots around it alone.
 */
static GArray *make_slots(const GArray *flats)
{
	GArray *slots = list_new(sizeof(struct accel_slot));

	for (guint i = 0; i < flats->len; i++) {
		const struct flat *f = &g_array_index(flats, struct flat, i);
		uint64_t start = align_up(f->start, GMEM_PAGE_SIZE);
		uint64_t end = align_down(f->end, GMEM_PAGE_SIZE);
		struct accel_slot *s;

		if (!is_memory(f) || start >= end || block_offset(f, start) % GMEM_PAGE_SIZE)
			continue;
		s = add(slots);
		s->gpa = GPA(start);
		s->size = end - start;
		s->block = f->region->block;
		s->offset = block_offset(f, start);
		s->readonly = f->region->kind == REGION_ROM;
	}
	return slots;
}

/* The list that now holds: @fresh when it was handed on, else still @old; the other is dropped. */
static GArray *settle(GArray *old, GArray *fresh, int err)
{
	g_array_unref(err < 0 ? fresh : old);
	return err < 0 ? old : fresh;
}

static int commit_map(struct layout *l, struct bus *b, const GArray *flats)
{
	GArray *map = make_map(flats);
	int err = 0;

	if (!lists_equal(map, l->map, sizeof(struct gmem_range)))
		err = gmem_map_commit(b->gmem, (const struct gmem_range *)map->data, map->len);
	l->map = settle(l->map, map, err);
	return err;
}

static int commit_slots(GArray **have, struct bus *b, const GArray *flats,
	int (*commit)(struct accel *a, const struct accel_slot *slots, size_t n))
{
	GArray *slots = make_slots(flats);
	int err = 0;

	if (!lists_equal(slots, *have, sizeof(struct accel_slot)))
		err = commit(b->accel, (const struct accel_slot *)slots->data, slots->len);
	*have = settle(*have, slots, err);
	return err;
}

static int commit_smm_slots(struct layout *l, struct bus *b)
{
	GArray *flats;
	int err;

	if (!b->accel->ops->smm_memory_commit)
		return 0;
	flats = bus_flatten(b, BUS_MMIO, REGION_VIEW_NORMAL);
	err = commit_slots(&l->smm_slots, b, flats, b->accel->ops->smm_memory_commit);
	g_array_unref(flats);
	return err;
}

/* ---- doorbells ---- */

/* One that something hides in part is left to the handlers. */
static bool is_visible(const struct flat *f, const struct region_doorbell *d)
{
	uint64_t size = MAX(d->len, 1);

	return range_fits(d->offset, size, f->region->size) &&
	       f->region->base + d->offset >= f->start &&
	       f->region->base + d->offset + size <= f->end;
}

static void add_doorbells(GArray *doorbells, const struct flat *f)
{
	const struct region *r = f->region;

	for (unsigned i = 0; i < r->n_doorbells; i++) {
		const struct region_doorbell *d = &r->doorbells[i];

		if (!is_visible(f, d))
			continue;
		*(struct doorbell *)add(doorbells) = (struct doorbell){
			.e = {
				.addr = r->base + d->offset,
				.len = d->len,
				.pio = r->space == BUS_PIO,
				.match = d->match,
				.data = d->match ? d->data : 0,
				.fd = d->fd,
			}};
	}
}

static int compare(const void *pa, const void *pb)
{
	const struct accel_ioeventfd *a = &((const struct doorbell *)pa)->e;
	const struct accel_ioeventfd *b = &((const struct doorbell *)pb)->e;
	const uint64_t ka[] = {a->pio, a->addr, a->len, a->match, a->data, (uint64_t)a->fd};
	const uint64_t kb[] = {b->pio, b->addr, b->len, b->match, b->data, (uint64_t)b->fd};

	for (size_t i = 0; i < ARRAY_SIZE(ka); i++) {
		if (ka[i] != kb[i])
			return ka[i] < kb[i] ? -1 : 1;
	}
	return 0;
}

static GArray *make_doorbells(GArray *const flats[BUS_SPACES])
{
	GArray *doorbells = list_new(sizeof(struct doorbell));

	for (enum bus_space space = 0; space < BUS_SPACES; space++) {
		for (guint i = 0; i < flats[space]->len; i++)
			add_doorbells(doorbells, &g_array_index(flats[space], struct flat, i));
	}
	g_array_sort(doorbells, compare);
	return doorbells;
}

static struct doorbell *find_doorbell(const GArray *a, const struct doorbell *d)
{
	if (!a->len)
		return NULL;
	return bsearch(d, a->data, a->len, sizeof(*d), compare);
}

/* Those that go leave before others come, who may want their place. */
static int commit_doorbells(struct layout *l, struct bus *b, GArray *const flats[BUS_SPACES])
{
	GArray *fresh = make_doorbells(flats), *old = l->doorbells;
	int ret = 0;

	for (guint i = 0; i < old->len; i++) {
		struct doorbell *d = &g_array_index(old, struct doorbell, i);

		if (d->assigned && !find_doorbell(fresh, d))
			b->accel->ops->ioeventfd(b->accel, &d->e, false);
	}
	for (guint i = 0; i < fresh->len; i++) {
		struct doorbell *d = &g_array_index(fresh, struct doorbell, i);
		struct doorbell *known = find_doorbell(old, d);
		int err = 0;

		if (known) {
			d->assigned = known->assigned;
			continue;
		}
		err = b->accel->ops->ioeventfd(b->accel, &d->e, true);
		d->assigned = err == 0;
		/* No doorbells, or no room for more of them: the handler rings. */
		if (err < 0 && err != -ENOTSUP && err != -ENOSPC)
			ret = err;
	}
	l->doorbells = settle(old, fresh, 0);
	return ret;
}

int layout_commit(struct layout *l, struct bus *b, GArray *const flats[BUS_SPACES])
{
	int err = commit_map(l, b, flats[BUS_MMIO]);

	if (!err)
		err = commit_slots(&l->slots, b, flats[BUS_MMIO], b->accel->ops->memory_commit);
	if (!err)
		err = commit_smm_slots(l, b);
	if (!err)
		err = commit_doorbells(l, b, flats);
	return err;
}
