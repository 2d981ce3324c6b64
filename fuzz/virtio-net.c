/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network device: what the driver sends, frames from outside, a back-end that fills up, the link. */
#include <string.h>

#include "tests/lib/fake-net.h"
#include "tests/lib/virtio-fuzz.h"
#include "virtio-backends/devices/devices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HDR 12

static struct fake_net *net;

static void make(struct vrig *r)
{
	struct dev *d = vrig_new(r, &virtio_net_pci_ops);

	net = fake_net_new(2);
	virtio_net_set_backend(d, &net->net);
	g_assert_true(prop_set_text(prop_find(d->ops->props, "mac"), d, "52:54:00:12:34:56", NULL));
	g_assert_true(prop_set_text(prop_find(d->ops->props, "packed"), d, "on", NULL));
	g_assert_true(prop_set_text(prop_find(d->ops->props, "num-queue-pairs"), d, "2", NULL));
	g_assert_true(prop_set_text(prop_find(d->ops->props, "mtu"), d, "1500", NULL));
}

static void inject(unsigned pair, struct fuzz_input *in)
{
	static const uint32_t sizes[] = {0, 14, 60, 1514, 1515, 9000, 65535, NET_FRAME_MAX};
	static uint8_t frame[HDR + NET_FRAME_MAX];
	uint32_t n = sizes[fuzz_take(in, 1) % ARRAY_SIZE(sizes)];

	memset(frame, 0, HDR);
	for (unsigned i = 0; i < 18; i++)
		frame[HDR + i] = (uint8_t)fuzz_take(in, 1);
	fake_net_inject(net, pair, frame, HDR + n);
}

static void drop_sent(unsigned pair)
{
	GBytes *b;

	while ((b = fake_net_take(net, pair)))
		g_bytes_unref(b);
}

static void own(struct vrig *r, struct fuzz_input *in)
{
	unsigned what = (unsigned)fuzz_take(in, 1), pair = what >> 7;

	switch (what % 4) {
	case 0: inject(pair, in); break;
	case 1: fake_net_set_room(net, pair, (what >> 4) % 4); break;
	case 2: net_set_link(&net->net, what & 0x40); break;
	case 3: drop_sent(pair); break;
	}
}

/* A frame that nobody takes may wait for ever: it is no part of a reset. Memory is given back. */
static void finish(struct vrig *r)
{
	for (unsigned i = 0; i < 2; i++) {
		drop_sent(i);
		g_queue_clear_full(&net->queues[i].waiting, (GDestroyNotify)g_bytes_unref);
	}
}

static const struct virtio_fuzz target = {.make = make, .own = own, .finish = finish};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	virtio_fuzz(&target, data, size);
	return 0;
}
