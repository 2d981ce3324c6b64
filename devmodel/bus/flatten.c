/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/bus/internal.h"

/* The first of @flats that ends after @addr; its length when there is none. */
static guint first_after(const GArray *flats, uint64_t addr)
{
	guint lo = 0, hi = flats->len;

	while (lo < hi) {
		guint mid = lo + (hi - lo) / 2;

		if (g_array_index(flats, struct flat, mid).end > addr)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* Fills the gaps that stronger regions have left of @r. */
static void paint(GArray *flats, struct region *r)
{
	uint64_t at = r->base, end = r->base + r->size;

	for (guint i = first_after(flats, at); at < end; i++) {
		struct flat next = {.start = end, .end = end};

		if (i < flats->len)
			next = g_array_index(flats, struct flat, i);
		if (at < next.start) {
			struct flat gap = {at, MIN(end, next.start), r};

			g_array_insert_val(flats, i, gap);
			i++;
		}
		at = next.end;
	}
}

GArray *bus_flatten(struct bus *b, enum bus_space space, enum region_view not )
{
	GArray *flats = g_array_new(false, false, sizeof(struct flat));

	for (struct region *r = b->regions; r; r = r->next) {
		if (r->space == space && r->view != not )
			paint(flats, r);
	}
	return flats;
}
