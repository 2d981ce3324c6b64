/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices of one or a few ports: system control port A, debug console, debug exit, pvpanic. */
#include "devmodel/platform/platform.h"
#include "tests/lib/board-fuzz.h"
#include "tests/lib/fake-chardev.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void host(struct board *b, uint8_t what, uint8_t value, void *opaque)
{
	fake_chardev_set_room(opaque, (size_t)what << 8 | value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_range ranges[] = {
		{0x92, 1}, {0xf4, 4}, {0x402, 1}, {0x505, 1}, {0}};
	struct fake_chardev *chr = fake_chardev_new();
	const struct fuzz_target target = {.ranges = ranges, .own = host, .opaque = chr};
	struct board b;
	struct dev *d;

	board_init(&b);
	board_add(&b, &port92_ops, "port92");
	board_add(&b, &isa_debug_exit_ops, "exit");
	board_add(&b, &pvpanic_ops, "pvpanic");
	d = dev_new(b.bus, &isa_debugcon_ops, "debugcon");
	isa_debugcon_set_chardev(d, &chr->chr);
	board_realize(&b, d);
	board_fuzz(&b, &target, data, size);
	board_done(&b);
	fake_chardev_free(chr);
	return 0;
}
