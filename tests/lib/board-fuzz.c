/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/board-fuzz.h"

struct input {
	const uint8_t *p;
	size_t left;
};

static uint32_t take(struct input *in, unsigned n)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < n && in->left; i++, in->left--)
		v |= (uint32_t)*in->p++ << (8 * i);
	return v;
}

static uint64_t take_place(struct input *in, const struct fuzz_target *t)
{
	const struct fuzz_range *r;
	unsigned total = 0, n;

	for (r = t->ranges; r->n; r++)
		total += r->n;
	n = take(in, t->space == BUS_MMIO ? 2 : 1) % total;
	for (r = t->ranges; n >= r->n; r++)
		n -= r->n;
	return r->base + n;
}

static void life(struct board *b, unsigned n)
{
	switch (n % 4) {
	case 0: board_save_and_load(b); break;
	case 1: board_reset(b, RESET_WARM); break;
	case 2: board_reset(b, RESET_COLD); break;
	case 3: board_poll(b); break;
	}
}

static void access_one(struct board *b, const struct fuzz_target *t, struct input *in, unsigned op)
{
	static const uint8_t sizes[] = {1, 1, 1, 2, 4, 1, 1, 2, 4};
	uint64_t place = take_place(in, t);
	unsigned size = sizes[op];

	if (op < 5)
		bus_write(b->bus, t->space, place, size, take(in, size));
	else
		bus_read(b->bus, t->space, place, size);
}

static void run(struct board *b, const struct fuzz_target *t, struct input *in, unsigned op)
{
	uint8_t what;

	switch (op) {
	case 9: board_step(b, INT64_C(1) << (take(in, 1) % 36)); break;
	case 10:
		what = (uint8_t)take(in, 1);
		if (t->own)
			t->own(b, what, (uint8_t)take(in, 1), t->opaque);
		break;
	case 11: life(b, take(in, 1)); break;
	default: access_one(b, t, in, op); break;
	}
}

void board_fuzz(struct board *b, const struct fuzz_target *t, const uint8_t *data, size_t size)
{
	struct input in = {.p = data, .left = size};

	while (in.left)
		run(b, t, &in, take(&in, 1) % 12);
}
