/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network device's data path through its registers and rings: features, transmit, receive, offloads.
 */
#include <string.h>

#include "tests/unit/virtio/net-rig.h"

/* ---- features ---- */

static void test_features(struct fixture *f, const void *data)
{
	uint64_t got;

	set_prop(f->rig.dev, "mtu", "1400");
	set_prop(f->rig.dev, "num-queue-pairs", "2");
	vrig_plug(&f->rig);
	got = vrig_features(&f->rig);
	g_assert_cmphex(got & 0xffffff, ==,
		TX_OFFLOADS | RX_OFFLOADS | CTRL_FEATURES | BIT(F_CTRL_GUEST_OFFLOADS) |
			BIT(F_MTU) | BIT(F_MAC) | BIT(F_MRG_RXBUF) | BIT(F_STATUS) | BIT(F_MQ));
	g_assert_cmphex(vrig_cfg_read(&f->rig, PCI_DEVICE_ID, 2), ==, 0x1041);
	g_assert_cmphex(vrig_cfg_read(&f->rig, PCI_CLASS, 1), ==, 2);
	g_assert_cmphex(vrig_read(&f->rig, f->rig.config + CFG_MAC, 4), ==, 0x12005452);
	g_assert_cmphex(vrig_read(&f->rig, f->rig.config + CFG_MAC + 4, 2), ==, 0x5634);
	g_assert_cmpuint(vrig_read(&f->rig, f->rig.config + CFG_STATUS, 2), ==, 1);
	g_assert_cmpuint(vrig_read(&f->rig, f->rig.config + CFG_PAIRS, 2), ==, 2);
	g_assert_cmpuint(vrig_read(&f->rig, f->rig.config + CFG_MTU, 2), ==, 1400);
	g_assert_cmpuint(vrig_common(&f->rig, VRIG_NUM_QUEUES, 2), ==, 5);
}

/* No offloads in the back-end, none offered; no MTU, no second pair. */
static void test_few_features(struct fixture *f, const void *data)
{
	f->net->can_offload = 0;
	set_prop(f->rig.dev, "packed", "off");
	vrig_plug(&f->rig);
	g_assert_cmphex(vrig_features(&f->rig) & 0xffffff, ==,
		CTRL_FEATURES | BIT(F_MAC) | BIT(F_MRG_RXBUF) | BIT(F_STATUS));
	g_assert_cmpuint(vrig_common(&f->rig, VRIG_NUM_QUEUES, 2), ==, 3);
}

static void test_partial_offloads(struct fixture *f, const void *data)
{
	f->net->can_offload = NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4;
	vrig_plug(&f->rig);
	g_assert_cmphex(vrig_features(&f->rig) & (TX_OFFLOADS | RX_OFFLOADS), ==,
		BIT(F_CSUM) | BIT(F_HOST_TSO4) | BIT(F_GUEST_CSUM) | BIT(F_GUEST_TSO4));
}

/* Section 5.1.3.1: what needs another feature is refused without it. */
static void test_dependencies(struct fixture *f, const void *data)
{
	static const struct {
		unsigned feature, needs;
	} deps[] = {
		{F_GUEST_TSO4, F_GUEST_CSUM},
		{F_GUEST_TSO6, F_GUEST_CSUM},
		{F_GUEST_UFO, F_GUEST_CSUM},
		{F_HOST_TSO4, F_CSUM},
		{F_HOST_TSO6, F_CSUM},
		{F_HOST_UFO, F_CSUM},
		{F_CTRL_RX, F_CTRL_VQ},
		{F_CTRL_RX_EXTRA, F_CTRL_VQ},
		{F_CTRL_VLAN, F_CTRL_VQ},
		{F_CTRL_MAC_ADDR, F_CTRL_VQ},
		{F_CTRL_GUEST_OFFLOADS, F_CTRL_VQ},
		{F_MQ, F_CTRL_VQ},
	};
	const uint64_t v1 = BIT(VIRTIO_F_VERSION_1);

	set_prop(f->rig.dev, "num-queue-pairs", "2");
	vrig_plug(&f->rig);
	for (unsigned i = 0; i < ARRAY_SIZE(deps); i++) {
		g_assert_false(vrig_negotiate(&f->rig, v1 | BIT(deps[i].feature)));
		g_assert_true(
			vrig_negotiate(&f->rig, v1 | BIT(deps[i].feature) | BIT(deps[i].needs)));
	}
	g_assert_false(vrig_negotiate(&f->rig, v1 | BIT(F_HOST_ECN) | BIT(F_CSUM)));
	g_assert_true(
		vrig_negotiate(&f->rig, v1 | BIT(F_HOST_ECN) | BIT(F_CSUM) | BIT(F_HOST_TSO6)));
	g_assert_false(vrig_negotiate(&f->rig, v1 | BIT(F_GUEST_ECN) | BIT(F_GUEST_CSUM)));
	g_assert_true(vrig_negotiate(
		&f->rig, v1 | BIT(F_GUEST_ECN) | BIT(F_GUEST_CSUM) | BIT(F_GUEST_TSO4)));
}

static void test_bad_properties(void)
{
	static const struct {
		const char *name, *value, *says;
	} bad[] = {
		{"mac", "00:00:00:00:00:00", "mac"},
		{"queue-size", "100", "queue-size 100"},
		{"mtu", "67", "mtu 67"},
		{"num-queue-pairs", "5", "5 queue pairs"},
	};
	struct fixture f = {0};

	setup(&f, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		g_autoptr(GError) error = NULL;

		if (i)
			virtio_net_set_backend(vrig_new(&f.rig, &virtio_net_pci_ops), &f.net->net);
		set_prop(f.rig.dev, "mac", "52:54:00:12:34:56");
		set_prop(f.rig.dev, bad[i].name, bad[i].value);
		g_assert_false(dev_realize(f.rig.dev, &error));
		g_assert_nonnull(strstr(error->message, bad[i].says));
	}
	f.rig.dev = NULL;
	teardown(&f, NULL);
}

/* ---- transmit ---- */

static void test_transmit(struct fixture *f, const void *data)
{
	struct header h = {0};
	uint8_t frame[HDR + 1514];

	vrig_plug(&f->rig);
	for (unsigned packed = 0; packed < 2; packed++) {
		vrig_start(&f->rig, packed ? BIT(VIRTIO_F_RING_PACKED) : 0, 2, 64);
		make_frame(frame, broadcast, 1514);
		for (unsigned n = 14; n <= 1514; n += 100) {
			g_autoptr(GBytes) out = NULL;

			send_frame(f, &h, frame + HDR, n);
			out = sent(f);
			g_assert_nonnull(out);
			g_assert_cmpuint(g_bytes_get_size(out), ==, HDR + n);
			g_assert_cmpmem((const uint8_t *)g_bytes_get_data(out, NULL) + HDR, n,
				frame + HDR, n);
		}
		g_assert_cmpuint(vrig_msis(&f->rig, TX + 1), >, 0);
	}
	g_assert_cmpuint(f->net->queues[0].header, ==, HDR);
	/* Cut where the driver likes, header and all. */
	struct guest_buf bufs[] = {{DATA, 5, false}, {DATA + 5, 20, false}, {DATA + 25, 1, false},
		{DATA + 26, 100, false}};
	g_autoptr(GBytes) out = NULL;

	memset(frame, 0, HDR);
	guest_write(f->rig.gmem, DATA, frame, 126);
	g_assert_cmpint(guest_vq_add(&f->rig.vq[TX], bufs, 4, 0), >=, 0);
	vrig_publish(&f->rig, TX);
	vrig_wait_used(&f->rig, TX, NULL);
	out = sent(f);
	g_assert_cmpmem(g_bytes_get_data(out, NULL), g_bytes_get_size(out), frame, 126);
}

/* A full back-end: the frame waits in the ring, nothing is lost, order is kept. */
static void test_transmit_full(struct fixture *f, const void *data)
{
	struct guest_buf buf = {DATA, HDR + 60, false};
	uint8_t zero[HDR + 60] = {0};
	uint32_t len;

	vrig_plug(&f->rig);
	vrig_start(&f->rig, 0, 2, 64);
	fake_net_set_room(f->net, 0, 3);
	guest_write(f->rig.gmem, DATA, zero, sizeof(zero));
	for (unsigned i = 0; i < 8; i++) {
		buf.gpa = DATA + i * 256;
		zero[HDR + 59] = (uint8_t)i;
		guest_write(f->rig.gmem, buf.gpa, zero, sizeof(zero));
		g_assert_cmpint(guest_vq_add(&f->rig.vq[TX], &buf, 1, 0), >=, 0);
	}
	vrig_publish(&f->rig, TX);
	vrig_settle(&f->rig);
	for (unsigned i = 0; i < 3; i++)
		g_assert_cmpint(guest_vq_take(&f->rig.vq[TX], &len), >=, 0);
	g_assert_cmpint(guest_vq_take(&f->rig.vq[TX], &len), ==, -1);
	/* Also across a quiesce. */
	vrig_quiesce(&f->rig);
	vrig_resume(&f->rig);
	fake_net_set_room(f->net, 0, 100);
	for (unsigned i = 3; i < 8; i++)
		vrig_wait_used(&f->rig, TX, NULL);
	for (unsigned i = 0; i < 8; i++) {
		g_autoptr(GBytes) out = sent(f);

		g_assert_cmpuint(((const uint8_t *)g_bytes_get_data(out, NULL))[HDR + 59], ==, i);
	}
}

struct tx_case {
	struct header h;
	uint64_t features;
	uint32_t n;
	bool passes;
};

/* Section 5.1.6.2: a header that asks for what was not negotiated, or points outside of its frame, loses the frame. */
static void test_transmit_headers(struct fixture *f, const void *data)
{
	static const struct tx_case cases[] = {
		{{.flags = 1, .csum_start = 34, .csum_offset = 16}, BIT(F_CSUM), 100, true},
		{{.flags = 1, .csum_start = 34, .csum_offset = 16}, 0, 100, false},
		{{.flags = 1, .csum_start = 84, .csum_offset = 14}, BIT(F_CSUM), 100, true},
		{{.flags = 1, .csum_start = 84, .csum_offset = 15}, BIT(F_CSUM), 100, false},
		{{.flags = 1, .csum_start = 0xffff, .csum_offset = 0xffff}, BIT(F_CSUM), 100,
			false},
		{{.flags = 1, .csum_start = 0xffff, .csum_offset = 1}, BIT(F_CSUM), 100, false},
		{{.flags = 1, .gso_type = 1, .gso_size = 50, .csum_start = 34, .csum_offset = 16},
			BIT(F_CSUM) | BIT(F_HOST_TSO4), 1000, true},
		{{.flags = 1, .gso_type = 1, .gso_size = 50, .csum_start = 34, .csum_offset = 16},
			BIT(F_CSUM), 1000, false},
		{{.flags = 1, .gso_type = 1, .gso_size = 0, .csum_start = 34},
			BIT(F_CSUM) | BIT(F_HOST_TSO4), 1000, false},
		{{.flags = 0, .gso_type = 1, .gso_size = 50}, BIT(F_CSUM) | BIT(F_HOST_TSO4), 1000,
			false},
		{{.flags = 1, .gso_type = 4, .gso_size = 50, .csum_start = 54},
			BIT(F_CSUM) | BIT(F_HOST_TSO6), 1000, true},
		{{.flags = 1, .gso_type = 4, .gso_size = 50, .csum_start = 54},
			BIT(F_CSUM) | BIT(F_HOST_TSO4), 1000, false},
		{{.flags = 1, .gso_type = 3, .gso_size = 50, .csum_start = 34},
			BIT(F_CSUM) | BIT(F_HOST_UFO), 1000, true},
		{{.flags = 1, .gso_type = 3, .gso_size = 50, .csum_start = 34},
			BIT(F_CSUM) | BIT(F_HOST_TSO4), 1000, false},
		{{.flags = 1, .gso_type = 0x81, .gso_size = 50, .csum_start = 34},
			BIT(F_CSUM) | BIT(F_HOST_TSO4) | BIT(F_HOST_ECN), 1000, true},
		{{.flags = 1, .gso_type = 0x81, .gso_size = 50, .csum_start = 34},
			BIT(F_CSUM) | BIT(F_HOST_TSO4), 1000, false},
		{{.flags = 1, .gso_type = 0x80, .csum_start = 34},
			BIT(F_CSUM) | BIT(F_HOST_TSO4) | BIT(F_HOST_ECN), 1000, false},
		{{.flags = 1, .gso_type = 2, .gso_size = 50}, BIT(F_CSUM) | BIT(F_HOST_TSO4), 1000,
			false},
		{{.flags = 1, .gso_type = 0x7f, .gso_size = 50}, BIT(F_CSUM) | BIT(F_HOST_TSO4),
			1000, false},
		{{.hdr_len = 101}, 0, 100, false},
		{{.hdr_len = 100}, 0, 100, true},
		{{.flags = 0xfe}, 0, 100, true}, /* bits that mean nothing here are not passed on */
		{{.flags = 0}, 0, 13, false},
	};
	uint8_t frame[1000] = {0};

	vrig_plug(&f->rig);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct tx_case *c = &cases[i];
		g_autoptr(GBytes) out = NULL;

		vrig_start(&f->rig, c->features, 2, 16);
		send_frame(f, &c->h, frame, c->n);
		out = sent(f);
		g_test_message("case %u", i);
		g_assert_cmpint(out != NULL, ==, c->passes);
		if (!out)
			continue;
		struct header got;

		memcpy(&got, g_bytes_get_data(out, NULL), HDR);
		g_assert_cmphex(got.flags, ==, c->h.flags & 1);
		g_assert_cmphex(got.gso_type, ==, c->h.gso_type);
		g_assert_cmphex(got.gso_size, ==, c->h.gso_size);
		g_assert_cmphex(got.csum_start, ==, c->h.csum_start);
	}
}

static void test_transmit_no_header(struct fixture *f, const void *data)
{
	struct guest_buf buf = {DATA, HDR - 1, false};

	vrig_plug(&f->rig);
	vrig_start(&f->rig, 0, 2, 16);
	g_assert_cmpint(guest_vq_add(&f->rig.vq[TX], &buf, 1, 0), >=, 0);
	vrig_publish(&f->rig, TX);
	vrig_settle(&f->rig);
	g_assert_cmphex(vrig_status(&f->rig) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
}

/* Frames too long for anything: lost, not broken. */
static void test_transmit_too_long(struct fixture *f, const void *data)
{
	struct guest_buf bufs[] = {{DATA, HDR, false}, {DATA + 64, NET_FRAME_MAX + 1, false}};
	uint8_t zero[HDR] = {0};

	vrig_plug(&f->rig);
	vrig_start(&f->rig, 0, 2, 16);
	for (unsigned i = 0; i < 2; i++) {
		g_autoptr(GBytes) out = NULL;

		guest_write(f->rig.gmem, DATA, zero, HDR);
		g_assert_cmpint(guest_vq_add(&f->rig.vq[TX], bufs, 2, 0), >=, 0);
		vrig_publish(&f->rig, TX);
		vrig_wait_used(&f->rig, TX, NULL);
		out = sent(f);
		g_assert_cmpint(out != NULL, ==, i == 1);
		bufs[1].len--;
	}
}

/* ---- receive ---- */

static void test_receive(struct fixture *f, const void *data)
{
	uint32_t len;

	vrig_plug(&f->rig);
	for (unsigned packed = 0; packed < 2; packed++) {
		vrig_start(&f->rig, packed ? BIT(VIRTIO_F_RING_PACKED) : 0, 2, 16);
		vrig_msis(&f->rig, -1);
		for (unsigned i = 0; i < 40; i++) {
			size_t n = 14 + i * 37;
			int id = give_buffer(f, RX, i % 4, 2048);

			inject(f, 0, i % 2 ? mac : broadcast, n);
			g_assert_cmpint(vrig_wait_used(&f->rig, RX, &len), ==, id);
			g_assert_cmpuint(len, ==, HDR + n);
			check_received(f, i % 4, i % 2 ? mac : broadcast, n);
			vrig_settle(&f->rig);
			g_assert_cmpuint(vrig_msis(&f->rig, RX + 1), ==, 1);
		}
		/* First the frame, then the buffer. */
		inject(f, 0, mac, 100);
		g_assert_true(nothing_received(f, RX));
		g_assert_false(f->net->queues[0].rx_enabled);
		give_buffer(f, RX, 0, 2048);
		vrig_wait_used(&f->rig, RX, &len);
		check_received(f, 0, mac, 100);
		/* A frame that does not fit is lost, the buffer is not. */
		give_buffer(f, RX, 0, 200);
		inject(f, 0, mac, 300);
		g_assert_true(nothing_received(f, RX));
		inject(f, 0, mac, 188);
		vrig_wait_used(&f->rig, RX, &len);
		g_assert_cmpuint(len, ==, 200);
	}
	g_assert_cmpuint(f->net->queues[0].too_small, ==, 2);
}

static void test_receive_small_buffer(struct fixture *f, const void *data)
{
	vrig_plug(&f->rig);
	vrig_start(&f->rig, 0, 2, 16);
	give_buffer(f, RX, 0, HDR - 1);
	vrig_settle(&f->rig);
	g_assert_cmphex(vrig_status(&f->rig) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
}

static void test_mergeable(struct fixture *f, const void *data)
{
	g_autofree uint8_t *want = g_malloc(HDR + NET_FRAME_MAX),
			   *got = g_malloc(HDR + NET_FRAME_MAX + 0x4000);
	static const size_t sizes[] = {
		60, 1514, 1524 - HDR, 1525 - HDR, 9000, 65535, NET_FRAME_MAX};

	vrig_plug(&f->rig);
	for (unsigned packed = 0; packed < 2; packed++) {
		vrig_start(&f->rig, BIT(F_MRG_RXBUF) | (packed ? BIT(VIRTIO_F_RING_PACKED) : 0), 2,
			128);
		/* Plenty: frames go into guest memory directly. Then scarce: 20 buffers, frames wait for more. */
		for (unsigned scarce = 0; scarce < 2; scarce++) {
			unsigned have = scarce ? 0 : 120;

			if (have)
				give_mergeable(f, have, 1524);
			for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
				size_t n = sizes[i], len;
				unsigned bufs = (unsigned)((HDR + n + 1523) / 1524);

				inject(f, 0, mac, n);
				while (scarce && have < bufs) {
					g_assert_true(nothing_received(f, RX));
					give_mergeable(f, 5, 1524);
					have += 5;
				}
				g_assert_cmpuint(take_merged(f, got, &len), ==, bufs);
				have -= bufs;
				g_assert_cmpuint(len, ==, HDR + n);
				make_frame(want, mac, n);
				g_assert_cmpmem(got + HDR, n, want + HDR, n);
				if (!scarce) {
					give_mergeable(f, bufs, 1524);
					have += bufs;
				}
			}
			/* The rest goes back by a reset. */
			vrig_start(&f->rig,
				BIT(F_MRG_RXBUF) | (packed ? BIT(VIRTIO_F_RING_PACKED) : 0), 2,
				128);
		}
	}
	g_assert_cmpuint(f->net->queues[0].too_small, ==, 0);
}

/* Without the feature a frame takes one buffer, however many there are. */
static void test_not_mergeable(struct fixture *f, const void *data)
{
	vrig_plug(&f->rig);
	vrig_start(&f->rig, 0, 2, 128);
	give_mergeable(f, 60, 1524);
	inject(f, 0, mac, 3000);
	g_assert_true(nothing_received(f, RX));
	g_assert_cmpuint(f->net->queues[0].too_small, ==, 1);
}

/* What the driver takes of the offloads reaches the back-end, and CTRL_GUEST_OFFLOADS changes it. */
static void test_guest_offloads(struct fixture *f, const void *data)
{
	uint64_t set = BIT(F_GUEST_CSUM) | BIT(F_GUEST_TSO6);

	vrig_plug(&f->rig);
	vrig_start(&f->rig, 0, 2, 16);
	give_buffer(f, RX, 0, 2048);
	vrig_settle(&f->rig);
	g_assert_cmphex(f->net->queues[0].offloads, ==, 0);
	vrig_start(&f->rig, RX_OFFLOADS | BIT(F_CTRL_VQ) | BIT(F_CTRL_GUEST_OFFLOADS), 3, 16);
	give_buffer(f, RX, 0, 2048);
	vrig_settle(&f->rig);
	g_assert_cmphex(f->net->queues[0].offloads, ==,
		NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN |
			NET_OFFLOAD_UFO);
	g_assert_cmpuint(ctrl(f, 5, 0, &set, 8), ==, OK);
	g_assert_cmphex(f->net->queues[0].offloads, ==, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO6);
	set |= BIT(F_MRG_RXBUF);
	g_assert_cmpuint(ctrl(f, 5, 0, &set, 8), ==, ERR);
	g_assert_cmpuint(ctrl(f, 5, 0, &set, 7), ==, ERR);
	g_assert_cmphex(f->net->queues[0].offloads, ==, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO6);
	/* Kept over a quiesce, gone after a reset. */
	vrig_quiesce(&f->rig);
	vrig_resume(&f->rig);
	g_assert_cmphex(f->net->queues[0].offloads, ==, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO6);
	vrig_start(&f->rig, BIT(F_GUEST_CSUM), 2, 16);
	give_buffer(f, RX, 0, 2048);
	vrig_settle(&f->rig);
	g_assert_cmphex(f->net->queues[0].offloads, ==, NET_OFFLOAD_CSUM);
}

#define ADD(name, fn) g_test_add("/virtio-net/" name, struct fixture, NULL, setup, fn, teardown)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("features", test_features);
	ADD("few-features", test_few_features);
	ADD("partial-offloads", test_partial_offloads);
	ADD("dependencies", test_dependencies);
	g_test_add_func("/virtio-net/bad-properties", test_bad_properties);
	ADD("transmit", test_transmit);
	ADD("transmit-full", test_transmit_full);
	ADD("transmit-headers", test_transmit_headers);
	ADD("transmit-no-header", test_transmit_no_header);
	ADD("transmit-too-long", test_transmit_too_long);
	ADD("receive", test_receive);
	ADD("receive-small-buffer", test_receive_small_buffer);
	ADD("mergeable", test_mergeable);
	ADD("not-mergeable", test_not_mergeable);
	ADD("guest-offloads", test_guest_offloads);
	return g_test_run();
}
