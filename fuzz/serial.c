/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A serial port between the guest and a host that sends, takes, and stops taking. */
#include "devmodel/serial/serial.h"
#include "tests/lib/board-fuzz.h"
#include "tests/lib/fake-chardev.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void host(struct board *b, uint8_t what, uint8_t value, void *opaque)
{
	struct fake_chardev *chr = opaque;

	switch (what % 3) {
	case 0: fake_chardev_input(chr, "abcdefghijklmnopqrstuvwxyz", value % 27); break;
	case 1: fake_chardev_set_room(chr, value); break;
	case 2: fake_chardev_open(chr, value & 1); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_range ranges[] = {{0x3f8, 8}, {0}};
	struct fake_chardev *chr = fake_chardev_new();
	const struct fuzz_target target = {.ranges = ranges, .own = host, .opaque = chr};
	struct board b;
	struct dev *d;

	board_init(&b);
	d = dev_new(b.bus, &isa_serial_ops, "serial");
	isa_serial_set_chardev(d, &chr->chr);
	board_realize(&b, d);
	board_fuzz(&b, &target, data, size);
	board_done(&b);
	fake_chardev_free(chr);
	return 0;
}
