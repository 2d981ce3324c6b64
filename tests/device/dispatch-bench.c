/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nanoseconds that the bus adds to a register access: qs section, look-up, the device's lock (uncontended), handler.
 * As many regions as a PC with a few functions has. Prints the median of several rounds a case.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/qs.h"
#include "tests/device/rig.h"

#define REGIONS  48
#define ACCESSES 1000000
#define ROUNDS   9

static uint64_t answer(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return offset;
}

static void take(struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
}

static const struct region_ops ops = {.read = answer, .write = take, .min = 1, .max = 4};

enum pattern { SAME, TURNS, SPLIT, NOBODY };

struct bench {
	struct rig *r;
	struct region pio[REGIONS], mmio[REGIONS];
};

static uint64_t port_of(unsigned i)
{
	return 0x100 + i % REGIONS * 0x20;
}

/* Of this thread: what others do on the machine does not count. */
static int64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static double round_ns(struct bench *b, enum bus_space space, enum pattern p)
{
	uint64_t base = space == BUS_PIO ? 0 : 0xe0000000;
	int64_t start = cpu_ns();

	for (unsigned i = 0; i < ACCESSES; i++) {
		uint64_t addr = base + port_of(p == TURNS ? i * 7 : 3) + (p == NOBODY ? 0x10 : 0);

		qs_enter();
		if (i & 1)
			bus_write(b->r->bus, space, addr + (p == SPLIT), 4, i);
		else
			bus_read(b->r->bus, space, addr + (p == SPLIT), 4);
		qs_leave();
	}
	return (double)(cpu_ns() - start) / ACCESSES;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median_ns(struct bench *b, enum bus_space space, enum pattern p)
{
	double ns[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++)
		ns[i] = round_ns(b, space, p);
	qsort(ns, ROUNDS, sizeof(ns[0]), compare);
	return ns[ROUNDS / 2];
}

int main(void)
{
	static const char *const names[] = {
		[SAME] = "one device again and again",
		[TURNS] = "devices in turns",
		[SPLIT] = "misaligned, in three pieces",
		[NOBODY] = "nobody there",
	};
	struct bench b = {.r = rig_new()};
	struct dev *d = DEV(probe_new(b.r, "p"));

	bus_lock(b.r->bus);
	for (unsigned i = 0; i < REGIONS; i++) {
		region_init_io(&b.pio[i], d, &ops, "pio", BUS_PIO, 16);
		region_init_io(&b.mmio[i], d, &ops, "mmio", BUS_MMIO, 16);
		region_map(b.r->bus, &b.pio[i], port_of(i), 0);
		region_map(b.r->bus, &b.mmio[i], 0xe0000000 + port_of(i), 0);
	}
	bus_unlock(b.r->bus);
	for (enum pattern p = SAME; p <= NOBODY; p++)
		printf("%-28s port %5.1f ns  memory %5.1f ns\n", names[p],
			median_ns(&b, BUS_PIO, p), median_ns(&b, BUS_MMIO, p));
	bus_lock(b.r->bus);
	for (unsigned i = 0; i < REGIONS; i++) {
		region_unmap(b.r->bus, &b.pio[i]);
		region_unmap(b.r->bus, &b.mmio[i]);
	}
	bus_unlock(b.r->bus);
	rig_free(b.r);
	return 0;
}
