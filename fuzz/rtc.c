/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The RTC's ports and any passing of time (tests/lib/board-fuzz.h). */
#include "devmodel/platform/platform.h"
#include "tests/lib/board-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_range ranges[] = {{0x70, 2}, {0}};
	const struct fuzz_target target = {.ranges = ranges};
	struct board b;

	board_init(&b);
	board_add(&b, &rtc_ops, "rtc");
	board_fuzz(&b, &target, data, size);
	board_done(&b);
	return 0;
}
