/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The block device over a disk whose requests the input holds, completes, fails and parks. */
#include "tests/lib/fake-blk.h"
#include "tests/lib/virtio-fuzz.h"
#include "virtio-backends/devices/devices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DISK (256 * KiB)

static struct fake_blk *disk;

static void make(struct vrig *r)
{
	struct dev *d = vrig_new(r, &virtio_blk_pci_ops);

	disk = fake_blk_new(r->loop, DISK);
	virtio_blk_set_backend(d, &disk->blk);
	g_assert_true(prop_set_text(prop_find(d->ops->props, "packed"), d, "on", NULL));
	g_assert_true(prop_set_text(prop_find(d->ops->props, "num-queues"), d, "2", NULL));
	g_assert_true(prop_set_text(prop_find(d->ops->props, "serial"), d, "fuzz", NULL));
}

static void own(struct vrig *r, struct fuzz_input *in)
{
	unsigned what = (unsigned)fuzz_take(in, 1), n = what >> 4;

	switch (what % 6) {
	case 0: fake_blk_hold(disk, n & 1); break;
	case 1: fake_blk_complete(disk); break;
	case 2: fake_blk_fail(disk, n % BLK_OPS, 1, -EIO, false); break;
	case 3: fake_blk_fail(disk, n % BLK_OPS, 2, -ENOSPC, true); break;
	case 4: blk_unpark(&disk->blk); break;
	case 5:
		/* The disk itself shrinks only while nothing is in flight. */
		if (!fake_blk_in_flight(disk) && !fake_blk_parked(disk))
			blk_notify_resized(&disk->blk);
		break;
	}
}

static void finish(struct vrig *r)
{
	fake_blk_hold(disk, false);
	while (fake_blk_complete(disk))
		continue;
}

static const struct virtio_fuzz target = {.make = make, .own = own, .finish = finish};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	virtio_fuzz(&target, data, size);
	return 0;
}
