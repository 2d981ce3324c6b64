/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of one access from a vCPU to a handler. The common one, of a declared width and within one region, takes a
 * look-up and the device's lock; everything else is cut into pieces by cross().
 */
#include <errno.h>
#include <string.h>

#include "devmodel/bus/internal.h"
#include "devmodel/bus/trace.gen.h"

/*
 * A copy of what a region and its ops said when the table was made: the region may be moved while we are in
 * here. Memory without handlers, which is here because its page has registers too or because it is ROM, has no device and no
 * sizes: nothing fits, see cross().
 */
struct range {
	uint64_t start, last; /* visible */
	uint64_t base;        /* address of offset 0 */
	struct region *region;
	struct dev *dev;
	uint64_t (*read)(struct dev *d, struct region *r, uint64_t offset, unsigned size);
	void (*write)(
		struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value);
	uint16_t sizes; /* bit n: accesses of n bytes fit */
	uint8_t min, max;
	bool unlocked, misaligned;
};

struct dispatch {
	size_t n;
	struct range ranges[]; /* ascending */
};

/* Where this thread found its last address, so that the next access to it touches no table. */
static __thread struct hit {
	uint64_t generation; /* of the bus then */
	struct range range;
} hits[BUS_SPACES];

static struct range range_of(const struct flat *f)
{
	const struct region *r = f->region;
	struct range g = {
		.start = f->start, .last = f->end - 1, .base = r->base, .region = f->region};

	if (r->ops) {
		g.dev = r->dev;
		g.read = r->ops->read;
		g.write = r->ops->write;
		g.min = r->ops->min;
		g.max = r->ops->max;
		for (unsigned size = MAX(g.min, 1u); size <= g.max; size *= 2)
			g.sizes |= (uint16_t)(1u << size);
		g.unlocked = r->ops->unlocked;
		g.misaligned = r->ops->misaligned;
	}
	return g;
}

struct dispatch *dispatch_new(const GArray *flats)
{
	struct dispatch *t = g_malloc0(sizeof(*t) + flats->len * sizeof(struct range));

	for (guint i = 0; i < flats->len; i++) {
		const struct flat *f = &g_array_index(flats, struct flat, i);

		if (f->region->kind != REGION_HOLE)
			t->ranges[t->n++] = range_of(f);
	}
	return t;
}

bool dispatch_equal(const struct dispatch *a, const struct dispatch *b)
{
	return a->n == b->n && memcmp(a->ranges, b->ranges, a->n * sizeof(struct range)) == 0;
}

unsigned dispatch_ranges(const struct dispatch *t)
{
	return (unsigned)t->n;
}

/* ---- look-up ---- */

static const struct dispatch *table_get(struct bus *b, enum bus_space space)
{
	return __atomic_load_n(&b->tables[space], __ATOMIC_SEQ_CST);
}

/* Index of the first range that does not end before @addr. */
static size_t first_from(const struct dispatch *t, uint64_t addr)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->ranges[mid].last < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool contains(const struct range *g, uint64_t addr)
{
	return addr >= g->start && addr <= g->last;
}

static const struct range *look_up(
	struct bus *b, enum bus_space space, uint64_t addr, struct hit *h)
{
	/* First the generation, then the table: the table may be newer, but never older than the hit says. */
	uint64_t generation = __atomic_load_n(&b->generation, __ATOMIC_ACQUIRE);
	const struct dispatch *t = table_get(b, space);
	size_t i = first_from(t, addr);

	if (i == t->n || addr < t->ranges[i].start)
		return NULL;
	h->generation = generation;
	h->range = t->ranges[i];
	return &h->range;
}

static const struct range *find(struct bus *b, enum bus_space space, uint64_t addr)
{
	struct hit *h = &hits[space];

	if (likely(h->generation == __atomic_load_n(&b->generation, __ATOMIC_ACQUIRE) &&
		    contains(&h->range, addr)))
		return &h->range;
	return look_up(b, space, addr, h);
}

/* True when the handler takes the access as it is. */
static bool fits(const struct range *g, uint64_t addr, unsigned size)
{
	return g->sizes >> size & 1 && (!((addr - g->base) & (size - 1)) || g->misaligned) &&
	       size - 1 <= g->last - addr;
}

/* ---- handlers ---- */

/* Whose lock the handler runs under: asked for once, since what a range says may have changed when it returns. */
static struct dev *enter(const struct range *g)
{
	if (g->unlocked)
		return NULL;
	dev_lock(g->dev);
	return g->dev;
}

static void leave(struct dev *locked)
{
	if (locked)
		dev_unlock(locked);
}

static uint64_t call_read(const struct range *g, uint64_t offset, unsigned size)
{
	if (!g->read)
		return ones(size);
	return g->read(g->dev, g->region, offset, size) & ones(size);
}

static void call_write(const struct range *g, uint64_t offset, unsigned size, uint64_t value)
{
	if (g->write)
		g->write(g->dev, g->region, offset, size, value & ones(size));
}

/* ---- accesses in pieces ---- */

/* Bytes on their way, in guest order; one of the two is NULL. */
struct xfer {
	uint8_t *read;
	const uint8_t *write;
};

static struct xfer xfer_at(struct xfer x, size_t n)
{
	return (struct xfer){x.read ? x.read + n : NULL, x.write ? x.write + n : NULL};
}

/* Greatest aligned piece at @offset of at most @n and @max bytes. */
static unsigned piece_size(uint64_t offset, size_t n, unsigned max)
{
	unsigned size = max;

	while (size > n || offset & (size - 1))
		size /= 2;
	return size;
}

static void io_piece(const struct range *g, uint64_t offset, struct xfer x, unsigned size)
{
	bool decoded = size >= g->min;
	uint64_t v = 0;

	/* x86-64 only (meson.build): host order is guest order. */
	if (x.read) {
		v = decoded ? call_read(g, offset, size) : ones(size);
		memcpy(x.read, &v, size);
	} else if (decoded) {
		memcpy(&v, x.write, size);
		call_write(g, offset, size, v);
	}
}

static void io_access(const struct range *g, uint64_t offset, struct xfer x, size_t n)
{
	struct dev *locked = enter(g);

	for (size_t done = 0; done < n;) {
		unsigned size = piece_size(offset + done, n - done, g->max);

		io_piece(g, offset + done, xfer_at(x, done), size);
		done += size;
	}
	leave(locked);
}

static int unclaimed(struct xfer x, size_t n)
{
	if (x.read)
		memset(x.read, 0xff, n);
	return -EFAULT;
}

static int mem_access(struct bus *b, uint64_t addr, struct xfer x, size_t n)
{
	if (x.write)
		return gmem_write(b->gmem, GPA(addr), x.write, n);
	/* The map is swapped after the table: for a moment it may know less. */
	return gmem_read(b->gmem, GPA(addr), x.read, n) < 0 ? unclaimed(x, n) : 0;
}

static int range_access(
	struct bus *b, const struct range *g, uint64_t addr, struct xfer x, size_t n)
{
	if (!g->dev)
		return mem_access(b, addr, x, n);
	io_access(g, addr - g->base, x, n);
	return 0;
}

/* Any access: across regions, gaps and the end of the space. 0, or -EFAULT when some byte found nobody. */
static int cross(struct bus *b, enum bus_space space, uint64_t addr, struct xfer x, size_t n)
{
	const struct dispatch *t = table_get(b, space);
	uint64_t end = bus_space_end(space);
	size_t inside = addr < end ? MIN(n, end - addr) : 0;
	size_t i = first_from(t, addr);
	int ret = 0;

	for (size_t done = 0, part; done < inside; done += part) {
		const struct range *g = i < t->n ? &t->ranges[i] : NULL;
		struct xfer rest = xfer_at(x, done);
		uint64_t at = addr + done;
		int err;

		part = inside - done;
		if (g && contains(g, at)) {
			part = MIN(part, g->last - at + 1);
			err = range_access(b, g, at, rest, part);
			i++;
		} else {
			part = g ? MIN(part, g->start - at) : part;
			trace_bus_unclaimed(space, at, part, x.write);
			err = unclaimed(rest, part);
		}
		if (err < 0)
			ret = -EFAULT;
	}
	return inside < n ? unclaimed(xfer_at(x, inside), n - inside) : ret;
}

/* ---- entry ---- */

__access_path(1) uint64_t
	bus_read(struct bus *b, enum bus_space space, uint64_t addr, unsigned size)
{
	const struct range *g = find(b, space, addr);
	uint64_t v = 0;

	if (likely(g && fits(g, addr, size))) {
		struct dev *locked = enter(g);

		v = call_read(g, addr - g->base, size);
		leave(locked);
	} else {
		cross(b, space, addr, (struct xfer){.read = (uint8_t *)&v}, size);
	}
	return v;
}

__access_path(1) void bus_write(
	struct bus *b, enum bus_space space, uint64_t addr, unsigned size, uint64_t value)
{
	const struct range *g = find(b, space, addr);

	if (likely(g && fits(g, addr, size))) {
		struct dev *locked = enter(g);

		call_write(g, addr - g->base, size, value);
		leave(locked);
	} else {
		cross(b, space, addr, (struct xfer){.write = (const uint8_t *)&value}, size);
	}
}

int bus_mem_read(struct bus *b, uint64_t addr, void *buf, size_t n)
{
	return cross(b, BUS_MMIO, addr, (struct xfer){.read = buf}, n);
}

int bus_mem_write(struct bus *b, uint64_t addr, const void *buf, size_t n)
{
	return cross(b, BUS_MMIO, addr, (struct xfer){.write = buf}, n);
}
