/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flash memory: three bytes of input are one access, an offset with its direction, and a value. */
#include "devmodel/platform/pflash.h"
#include "tests/lib/board.h"

#define BASE UINT64_C(0xffc00000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct board b;
	struct dev *d;

	board_init(&b);
	d = dev_new(b.bus, &pflash_ops, "flash");
	prop_set_uint(prop_find(pflash_ops.props, "base"), d, BASE, NULL);
	board_realize(&b, d);
	for (; size >= 3; data += 3, size -= 3) {
		uint64_t at = BASE + (data[0] | (data[1] & 0x7f) << 8);

		if (data[1] & 0x80)
			bus_read(b.bus, BUS_MMIO, at, 1u << (data[2] & 3));
		else
			bus_write(b.bus, BUS_MMIO, at, 1, data[2]);
	}
	board_save_and_load(&b);
	board_done(&b);
	return 0;
}
