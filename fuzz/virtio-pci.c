/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The core and the PCI transport: registers, capabilities, interrupts, rings, under a device that has little of its own. */
#include "tests/lib/virtio-fuzz.h"
#include "virtio-backends/devices/devices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make(struct vrig *r)
{
	struct dev *d = vrig_new(r, &virtio_rng_pci_ops);

	g_assert_true(prop_set_text(prop_find(d->ops->props, "packed"), d, "on", NULL));
	g_assert_true(prop_set_text(prop_find(d->ops->props, "period"), d, "1", NULL));
}

static const struct virtio_fuzz target = {.make = make};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	virtio_fuzz(&target, data, size);
	return 0;
}
