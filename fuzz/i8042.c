/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keyboard controller, with keys and mouse movements in between. */
#include "base/input.h"
#include "devmodel/input/input.h"
#include "tests/lib/board-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void user(struct board *b, uint8_t what, uint8_t value, void *opaque)
{
	struct input *input = opaque;

	if (what & 2)
		input_move(input, (int8_t)value * (what >> 2), (int8_t)~value, (what >> 3) - 16,
			what >> 2);
	else if (input_key(input, value, what & 1) < 0)
		input_release_all(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_range ranges[] = {{0x60, 1}, {0x64, 1}, {0}};
	struct fuzz_target target = {.ranges = ranges, .own = user};
	struct input *input = input_new();
	struct board b;
	struct dev *d;

	board_init(&b);
	d = dev_new(b.bus, &i8042_ops, "i8042");
	i8042_set_input(d, input);
	board_realize(&b, d);
	target.opaque = input;
	board_fuzz(&b, &target, data, size);
	board_done(&b);
	input_free(input);
	return 0;
}
