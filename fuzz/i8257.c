/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DMA controllers, with a device on each channel that asks and moves bytes in between. */
#include "devmodel/platform/i8257.h"
#include "tests/lib/board-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* @what: channel, direction, level of DREQ. */
static void device(struct board *b, uint8_t what, uint8_t n, void *opaque)
{
	struct isa_dma *c = i8257_channel(opaque, what % 8);
	uint8_t buf[UINT8_MAX] = {0};
	bool tc;

	isa_dma_request(c, what & 0x10);
	g_assert_cmpuint(isa_dma_transfer(c, what & 0x20, buf, n, &tc), <=, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_range ranges[] = {{0x00, 0x10}, {0x80, 0x10}, {0xc0, 0x20}, {0}};
	struct fuzz_target target = {.ranges = ranges, .own = device};
	struct board b;

	board_init(&b);
	target.opaque = board_add(&b, &i8257_ops, "dma");
	board_fuzz(&b, &target, data, size);
	board_done(&b);
	return 0;
}
