/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HPET's registers and any passing of time (tests/lib/board-fuzz.h). */
#include "devmodel/platform/hpet.h"
#include "tests/lib/board-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_range ranges[] = {{HPET_BASE, HPET_SIZE}, {0}};
	const struct fuzz_target target = {.space = BUS_MMIO, .ranges = ranges};
	struct board b;

	board_init(&b);
	board_add(&b, &hpet_ops, "hpet");
	board_fuzz(&b, &target, data, size);
	board_done(&b);
	return 0;
}
