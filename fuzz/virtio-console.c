/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The console device with a stream that is slow at both ends. */
#include "tests/lib/fake-chardev.h"
#include "tests/lib/virtio-fuzz.h"
#include "virtio-backends/devices/devices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fake_chardev *chr;

static void make(struct vrig *r)
{
	struct dev *d = vrig_new(r, &virtio_console_pci_ops);

	chr = fake_chardev_new();
	virtio_console_set_backend(d, &chr->chr);
	g_assert_true(prop_set_text(prop_find(d->ops->props, "packed"), d, "on", NULL));
}

static void own(struct vrig *r, struct fuzz_input *in)
{
	static const uint8_t text[255];
	unsigned what = (unsigned)fuzz_take(in, 1);

	switch (what % 4) {
	case 0: fake_chardev_input(chr, text, fuzz_take(in, 1)); break;
	case 1: fake_chardev_set_room(chr, what >> 2); break;
	case 2: fake_chardev_set_room(chr, SIZE_MAX); break;
	case 3: g_free(fake_chardev_take(chr)); break;
	}
}

static void finish(struct vrig *r)
{
	g_free(fake_chardev_take(chr));
	g_byte_array_set_size(chr->input, 0);
}

static const struct virtio_fuzz target = {.make = make, .own = own, .finish = finish};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	virtio_fuzz(&target, data, size);
	return 0;
}
