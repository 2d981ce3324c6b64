/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/device/nic-fuzz.h"

#include <string.h>

#define WAITING_MAX 8
#define HEADER_MAX  12

struct cable {
	struct rig *r;
	struct fake_net *net;
};

static void (*plug_in)(struct dev *d, struct net *net);

static void *plug(struct rig *r, struct dev *d)
{
	struct cable *c = g_new(struct cable, 1);

	*c = (struct cable){.r = r, .net = fake_net_new(1)};
	plug_in(d, &c->net->net);
	g_assert_true(prop_set_text(prop_find(d->ops->props, "mac"), d, "52:54:00:12:34:56", NULL));
	return c;
}

static void inject(struct cable *c, struct fuzz_input *in)
{
	static const uint16_t sizes[] = {14, 60, 64, 342, 1514, 1518, 9018, 65535};
	static uint8_t frame[HEADER_MAX + 65535];
	uint16_t n = sizes[fuzz_take(in, 1) % ARRAY_SIZE(sizes)];
	unsigned header = c->net->queues[0].header;

	if (c->net->queues[0].waiting.length >= WAITING_MAX)
		return;
	memset(frame, 0, header);
	for (unsigned i = 0; i < 54; i++)
		frame[header + i] = (uint8_t)fuzz_take(in, 1);
	if (frame[header] == 0)
		memcpy(frame + header, nic_mac, sizeof(nic_mac));
	fake_net_inject(c->net, 0, frame, header + n);
}

static void drop_sent(struct cable *c)
{
	g_queue_clear_full(&c->net->queues[0].sent, (GDestroyNotify)g_bytes_unref);
}

static void own(void *plugged, struct fuzz_input *in)
{
	struct cable *c = plugged;
	unsigned what = (unsigned)fuzz_take(in, 1);

	switch (what % 4) {
	case 0: inject(c, in); break;
	case 1: fake_net_set_room(c->net, 0, what / 4 % 8); break;
	case 2: net_set_link(&c->net->net, what & 4); break;
	case 3: fake_net_set_room(c->net, 0, UINT_MAX); break;
	}
	drop_sent(c);
}

static void unplug(void *plugged)
{
	struct cable *c = plugged;

	fake_net_free(c->net);
	g_free(c);
}

int nic_fuzz(const struct dev_ops *ops, void (*set_backend)(struct dev *d, struct net *net),
	const uint8_t *data, size_t size)
{
	const struct pci_fuzz_target t = {.ops = ops, .plug = plug, .own = own, .unplug = unplug};

	plug_in = set_backend;
	return pci_fuzz(&t, data, size);
}
