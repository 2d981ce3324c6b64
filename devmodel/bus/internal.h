/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * internal.h - what the files of the bus share.
 *
 *	regions ──flatten──► struct flat[] ──► struct dispatch	(dispatch.c)
 *					   └─► struct layout	(layout.c)
 */
#ifndef DEVMODEL_BUS_INTERNAL_H
#define DEVMODEL_BUS_INTERNAL_H

#include "devmodel/bus/bus.h"

#define PIO_END  UINT64_C(0x10000)
#define MMIO_END (UINT64_C(1) << 52) /* what x86-64 page tables can name */

static inline uint64_t bus_space_end(enum bus_space space)
{
	return space == BUS_PIO ? PIO_END : MMIO_END;
}

/* A part of a region that nothing hides: [@start, @end). */
struct flat {
	uint64_t start, end;
	struct region *region;
};

/*
 * Paints the mapped regions of @space, but those for view @not only, over each other; the result is
 * ascending and disjoint, holes included, and the caller's. Bus lock held.
 */
GArray *bus_flatten(struct bus *b, enum bus_space space, enum region_view not );

/*
 * The parts of @flats (struct flat) that answer as a new table; g_free() it when no reader is left.
 */
struct dispatch *dispatch_new(const GArray *flats);
bool dispatch_equal(const struct dispatch *a, const struct dispatch *b);
unsigned dispatch_ranges(const struct dispatch *t);

/* What of memory and doorbells was last handed on. Nothing yet. */
struct layout *layout_new(void);
void layout_free(struct layout *l);
/*
 * Hands on what has changed against @l: the memory map to gmem, slots and doorbells to the
 * accelerator. @flats of both spaces. 0 or -errno. Bus lock held.
 */
int layout_commit(struct layout *l, struct bus *b, GArray *const flats[BUS_SPACES]);

/* Unmaps every io region of @d. Bus lock held. */
void bus_unmap_dev(struct bus *b, struct dev *d);
/* bus_synchronize() once there are vCPUs, else nothing. */
void bus_passed(struct bus *b);

#endif
