/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floppy disk controller with its DMA controller; media come and go, requests fail and are held. */
#include <errno.h>

#include "devmodel/platform/i8257.h"
#include "devmodel/storage/fdc.h"
#include "tests/lib/board-fuzz.h"
#include "tests/lib/fake-blk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct drive {
	struct dev *fdc;
	struct fake_blk *blk;
	bool closing;
};

static void closed(void *opaque, struct blk *old)
{
	((struct drive *)opaque)->closing = false;
}

static void change(struct drive *d)
{
	struct blk *blk;

	fdc_status(d->fdc, 0, &blk);
	if (blk)
		d->closing = fdc_eject(d->fdc, 0, closed, d, NULL);
	else if (!d->closing)
		g_assert_true(fdc_insert(d->fdc, 0, &d->blk->blk, NULL));
}

static void host(struct board *b, uint8_t what, uint8_t n, void *opaque)
{
	struct drive *d = opaque;

	switch (what % 5) {
	case 0: change(d); break;
	case 1: fake_blk_hold(d->blk, n & 1); break;
	case 2: fake_blk_complete(d->blk); break;
	case 3: fake_blk_fail(d->blk, n % BLK_OPS, n >> 4, -EIO, false); break;
	case 4: board_poll(b); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_range ranges[] = {
		{0x3f2, 4}, {0x3f7, 1}, {0x04, 2}, {0x0a, 3}, {0x81, 1}, {0}};
	struct drive d = {.closing = false};
	const struct fuzz_target target = {.ranges = ranges, .own = host, .opaque = &d};
	struct dev *dma;
	struct board b;

	board_init(&b);
	dma = board_add(&b, &i8257_ops, "dma");
	d.blk = fake_blk_new(b.loop, 80 * 2 * 18 * 512);
	d.fdc = dev_new(b.bus, &isa_fdc_ops, "fdc");
	fdc_set_dma(d.fdc, i8257_channel(dma, 2));
	board_realize(&b, d.fdc);
	g_assert_true(fdc_attach(d.fdc, 0, FDC_1440, &d.blk->blk, NULL));
	board_fuzz(&b, &target, data, size);
	fake_blk_hold(d.blk, false);
	while (fake_blk_in_flight(d.blk)) {
		fake_blk_complete(d.blk);
		board_poll(&b);
	}
	board_remove(&b, d.fdc);
	fake_blk_free(d.blk);
	board_done(&b);
	return 0;
}
