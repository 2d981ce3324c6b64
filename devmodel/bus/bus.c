/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/bus/bus.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/qs.h"
#include "devmodel/bus/internal.h"
#include "devmodel/bus/trace.gen.h"

static uint64_t new_generation(void)
{
	static uint64_t last; /* atomic */

	return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

struct bus *bus_new(
	struct accel *accel, struct gmem *gmem, struct clocks *clocks, struct loop *loop)
{
	g_autoptr(GArray) nothing = g_array_new(false, false, sizeof(struct flat));
	struct bus *b = g_new0(struct bus, 1);

	b->accel = accel;
	b->gmem = gmem;
	b->clocks = clocks;
	b->loop = loop;
	b->gsi = gsi_bank_new(accel);
	pthread_mutex_init(&b->lock, NULL);
	b->layout = layout_new();
	for (enum bus_space space = 0; space < BUS_SPACES; space++)
		b->tables[space] = dispatch_new(nothing);
	b->generation = new_generation();
	return b;
}

static struct dev *last_dev(struct bus *b)
{
	struct dev *d = b->devs;

	while (d && d->next)
		d = d->next;
	return d;
}

void bus_free(struct bus *b)
{
	struct dev *d;

	if (!b)
		return;
	b->live = false;
	while ((d = last_dev(b)))
		dev_free(d);
	for (enum bus_space space = 0; space < BUS_SPACES; space++)
		g_free(b->tables[space]);
	layout_free(b->layout);
	pthread_mutex_destroy(&b->lock);
	gsi_bank_free(b->gsi);
	g_free(b);
}

/* ---- regions ---- */

/* What a region without handlers says: reads give all ones, writes vanish. */
static const struct region_ops no_handlers = {.min = 1, .max = 8};

void region_init_io(struct region *r, struct dev *d, const struct region_ops *ops, const char *name,
	enum bus_space space, uint64_t size)
{
	*r = (struct region){.name = name,
		.kind = REGION_IO,
		.space = space,
		.size = size,
		.dev = d,
		.ops = ops ? ops : &no_handlers};
}

void region_init_mem(struct region *r, const char *name, struct gmem_block *block, uint64_t offset,
	uint64_t size, bool rom)
{
	*r = (struct region){.name = name,
		.kind = rom ? REGION_ROM : REGION_RAM,
		.space = BUS_MMIO,
		.size = size,
		.block = block,
		.block_offset = offset};
}

void region_handle_writes(struct region *r, struct dev *d, const struct region_ops *ops)
{
	r->dev = d;
	r->ops = ops;
}

int region_map(struct bus *b, struct region *r, uint64_t base, int priority)
{
	struct region **p = &b->regions;

	region_unmap(b, r);
	if (!r->size || !range_fits(base, r->size, bus_space_end(r->space)))
		return -EINVAL;
	while (*p && (*p)->priority > priority)
		p = &(*p)->next;
	r->base = base;
	r->priority = priority;
	r->mapped = true;
	r->next = *p;
	*p = r;
	b->dirty = true;
	return 0;
}

void region_unmap(struct bus *b, struct region *r)
{
	struct region **p = &b->regions;

	if (!r->mapped)
		return;
	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	r->next = NULL;
	r->mapped = false;
	b->dirty = true;
}

void bus_unmap_dev(struct bus *b, struct dev *d)
{
	struct region *next;

	for (struct region *r = b->regions; r; r = next) {
		next = r->next;
		if (r->dev == d)
			region_unmap(b, r);
	}
}

/* ---- commit ---- */

static void publish(struct bus *b, enum bus_space space, const GArray *flats)
{
	struct dispatch *fresh = dispatch_new(flats);

	struct dispatch *old;

	if (dispatch_equal(fresh, b->tables[space])) {
		g_free(fresh);
		return;
	}
	old = __atomic_exchange_n(&b->tables[space], fresh, __ATOMIC_SEQ_CST);
	__atomic_store_n(&b->generation, new_generation(), __ATOMIC_SEQ_CST);
	qs_defer(old, g_free);
}

static int commit_locked(struct bus *b)
{
	GArray *flats[BUS_SPACES];
	int err;

	b->dirty = false;
	for (enum bus_space space = 0; space < BUS_SPACES; space++) {
		flats[space] = bus_flatten(b, space, REGION_VIEW_SMM);
		publish(b, space, flats[space]);
	}
	err = layout_commit(b->layout, b, flats);
	trace_bus_commit(
		dispatch_ranges(b->tables[BUS_PIO]), dispatch_ranges(b->tables[BUS_MMIO]), err);
	for (enum bus_space space = 0; space < BUS_SPACES; space++)
		g_array_unref(flats[space]);
	return err;
}

int bus_commit(struct bus *b)
{
	int err;

	pthread_mutex_lock(&b->lock);
	b->live = true;
	err = commit_locked(b);
	pthread_mutex_unlock(&b->lock);
	return err;
}

void bus_lock(struct bus *b)
{
	pthread_mutex_lock(&b->lock);
}

void bus_unlock(struct bus *b)
{
	int err = b->live && b->dirty ? commit_locked(b) : 0;

	pthread_mutex_unlock(&b->lock);
	if (err < 0)
		bus_accel_failed(b, "memory layout", -err);
}

void bus_synchronize(struct bus *b)
{
	qs_flush();
}

void bus_passed(struct bus *b)
{
	if (b->live)
		bus_synchronize(b);
}

/* ---- devices ---- */

struct dev *bus_find_dev(struct bus *b, const char *id)
{
	struct dev *d = b->devs;

	while (d && strcmp(d->id, id) != 0)
		d = d->next;
	return d;
}

void bus_quiesce(struct bus *b, struct async_group *g)
{
	for (struct dev *d = b->devs; d; d = d->next) {
		if (!d->ops->quiesce)
			continue;
		async_add(g);
		dev_lock(d);
		d->ops->quiesce(d, g);
		dev_unlock(d);
	}
}

void bus_resume(struct bus *b)
{
	for (struct dev *d = b->devs; d; d = d->next) {
		if (!d->ops->resume)
			continue;
		dev_lock(d);
		d->ops->resume(d);
		dev_unlock(d);
	}
}

void bus_reset(struct bus *b, enum reset_kind kind)
{
	bus_lock(b);
	for (struct dev *d = b->devs; d; d = d->next) {
		dev_lock(d);
		d->ops->reset(d, kind);
		dev_unlock(d);
	}
	bus_unlock(b);
}

/* ---- accelerator ---- */

/* Intel SDM volume 3, section 11.11.1: bits 31..20 of a message address name the local APICs. */
static bool is_apic_address(uint64_t addr)
{
	return addr >> 20 == 0xfee;
}

int bus_msi_send(struct bus *b, const struct accel_msi *msi)
{
	uint32_t data = htole32(msi->data);
	int err;

	if (is_apic_address(msi->addr))
		return b->accel->ops->msi_send(b->accel, msi);
	qs_enter();
	err = gmem_write(b->gmem, GPA(msi->addr), &data, sizeof(data));
	qs_leave();
	return err;
}

void bus_accel_failed(struct bus *b, const char *what, int err)
{
	struct accel *a = b->accel;
	g_autofree char *detail = g_strdup_printf("%s: %s", what, strerror(err));

	if (a->event)
		a->event(a->event_opaque, ACCEL_INTERNAL_ERROR, 0, detail);
}
