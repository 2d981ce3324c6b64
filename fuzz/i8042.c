/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keyboard controller, with keys and mouse movements in between. */
#include "devmodel/input/input.h"
#include "tests/lib/board-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void user(struct board *b, uint8_t what, uint8_t value, void *opaque)
{
	struct dev *d = opaque;

	switch (what & 3) {
	case 0: i8042_key(d, value, what & 4); break;
	case 1: i8042_key(d, 0xe000 | value, what & 4); break;
	case 2: i8042_key(d, 0xe11d, what & 4); break;
	case 3: i8042_mouse(d, (int8_t)value * (what >> 2), (int8_t)~value, what >> 5); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_range ranges[] = {{0x60, 1}, {0x64, 1}, {0}};
	struct fuzz_target target = {.ranges = ranges, .own = user};
	struct board b;

	board_init(&b);
	target.opaque = board_add(&b, &i8042_ops, "i8042");
	board_fuzz(&b, &target, data, size);
	board_done(&b);
	return 0;
}
