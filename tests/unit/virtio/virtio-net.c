/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network device through its registers and rings; the other end of its network is the test.
 */
#include <string.h>

#include "tests/lib/fake-net.h"
#include "tests/lib/virtio-rig.h"
#include "virtio-backends/devices/devices.h"

#define DATA 0x800000
#define HDR  12

enum {
	F_CSUM = 0,
	F_GUEST_CSUM = 1,
	F_CTRL_GUEST_OFFLOADS = 2,
	F_MTU = 3,
	F_MAC = 5,
	F_GUEST_TSO4 = 7,
	F_GUEST_TSO6 = 8,
	F_GUEST_ECN = 9,
	F_GUEST_UFO = 10,
	F_HOST_TSO4 = 11,
	F_HOST_TSO6 = 12,
	F_HOST_ECN = 13,
	F_HOST_UFO = 14,
	F_MRG_RXBUF = 15,
	F_STATUS = 16,
	F_CTRL_VQ = 17,
	F_CTRL_RX = 18,
	F_CTRL_VLAN = 19,
	F_CTRL_RX_EXTRA = 20,
	F_MQ = 22,
	F_CTRL_MAC_ADDR = 23
};
enum { RX = 0, TX = 1, CTRL = 2 };
enum { CFG_MAC = 0, CFG_STATUS = 6, CFG_PAIRS = 8, CFG_MTU = 10 };

#define BIT(n) VIRTIO_BIT(n)

static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint64_t ctrl_features = BIT(F_CTRL_VQ) | BIT(F_CTRL_RX) | BIT(F_CTRL_RX_EXTRA) |
				      BIT(F_CTRL_VLAN) | BIT(F_CTRL_MAC_ADDR);
static const uint64_t tx_offloads = BIT(F_CSUM) | BIT(F_HOST_TSO4) | BIT(F_HOST_TSO6) |
				    BIT(F_HOST_ECN) | BIT(F_HOST_UFO);
static const uint64_t rx_offloads = BIT(F_GUEST_CSUM) | BIT(F_GUEST_TSO4) | BIT(F_GUEST_TSO6) |
				    BIT(F_GUEST_ECN) | BIT(F_GUEST_UFO);

struct fixture {
	struct vrig rig;
	struct fake_net *net;
};

static void set_prop(struct dev *d, const char *name, const char *value)
{
	g_autoptr(GError) error = NULL;

	prop_set_text(prop_find(d->ops->props, name), d, value, &error);
	g_assert_no_error(error);
}

static void setup(struct fixture *f, const void *data)
{
	vrig_init(&f->rig);
	f->net = fake_net_new(4);
	virtio_net_set_backend(vrig_new(&f->rig, &virtio_net_pci_ops), &f->net->net);
	set_prop(f->rig.dev, "mac", "52:54:00:12:34:56");
	set_prop(f->rig.dev, "packed", "on");
}

static void teardown(struct fixture *f, const void *data)
{
	vrig_unplug(&f->rig);
	fake_net_free(f->net);
	vrig_done(&f->rig);
}

/* ---- frames ---- */

struct header {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};

static void make_frame(uint8_t *buf, const uint8_t *to, size_t n)
{
	memset(buf, 0, HDR);
	buf[10] = 1;
	memcpy(buf + HDR, to, 6);
	memcpy(buf + HDR + 6, "\2\0\0\0\0\1\x08\0", 8);
	for (size_t i = HDR + 14; i < HDR + n; i++)
		buf[i] = (uint8_t)(i * 13 + n);
}

/* A frame of @n bytes to the guest. */
static void inject(struct fixture *f, unsigned pair, const uint8_t *to, size_t n)
{
	g_autofree uint8_t *buf = g_malloc(HDR + n);

	make_frame(buf, to, n);
	fake_net_inject(f->net, pair, buf, HDR + n);
}

/* Gives the guest's queue @q one receive buffer of @len bytes at DATA + @slot × 64 KiB. */
static int give_buffer(struct fixture *f, unsigned q, unsigned slot, uint32_t len)
{
	struct guest_buf buf = {DATA + slot * 0x10000, len, true};
	int id = guest_vq_add(&f->rig.vq[q], &buf, 1, 0);

	g_assert_cmpint(id, >=, 0);
	vrig_publish(&f->rig, q);
	return id;
}

static void check_received(struct fixture *f, unsigned slot, const uint8_t *to, size_t n)
{
	g_autofree uint8_t *want = g_malloc(HDR + n), *got = g_malloc(HDR + n);

	make_frame(want, to, n);
	guest_read(f->rig.gmem, DATA + slot * 0x10000, got, HDR + n);
	g_assert_cmpmem(got, HDR + n, want, HDR + n);
}

static bool nothing_received(struct fixture *f, unsigned q)
{
	uint32_t len;

	vrig_settle(&f->rig);
	return guest_vq_take(&f->rig.vq[q], &len) < 0;
}

/* Is a frame to @to delivered? One buffer must be there, and is given again. */
static bool delivered(struct fixture *f, const uint8_t *to)
{
	inject(f, 0, to, 60);
	if (nothing_received(f, RX) && g_queue_is_empty(&f->net->queues[0].waiting))
		return false;
	return true;
}

/* ---- control commands ---- */

static uint8_t ctrl(struct fixture *f, uint8_t class, uint8_t command, const void *data, uint32_t n)
{
	struct guest_buf bufs[] = {{DATA + 0x700000, 2, false}, {DATA + 0x700100, n, false},
		{DATA + 0x704000, 1, true}};
	uint8_t head[2] = {class, command}, ack = 0xee;

	guest_write(f->rig.gmem, bufs[0].gpa, head, 2);
	guest_write(f->rig.gmem, bufs[1].gpa, data, n);
	guest_write(f->rig.gmem, bufs[2].gpa, &ack, 1);
	g_assert_cmpint(guest_vq_add(&f->rig.vq[CTRL], bufs, 3, 0), >=, 0);
	vrig_publish(&f->rig, CTRL);
	vrig_wait_used(&f->rig, CTRL, NULL);
	vrig_settle(&f->rig);
	guest_read(f->rig.gmem, bufs[2].gpa, &ack, 1);
	return ack;
}

static uint8_t ctrl_byte(struct fixture *f, uint8_t class, uint8_t command, uint8_t byte)
{
	return ctrl(f, class, command, &byte, 1);
}

enum { OK = 0, ERR = 1 };

/* ---- features ---- */

static void test_features(struct fixture *f, const void *data)
{
	uint64_t got;

	set_prop(f->rig.dev, "mtu", "1400");
	set_prop(f->rig.dev, "num-queue-pairs", "2");
	vrig_plug(&f->rig);
	got = vrig_features(&f->rig);
	g_assert_cmphex(got & 0xffffff, ==,
		tx_offloads | rx_offloads | ctrl_features | BIT(F_CTRL_GUEST_OFFLOADS) |
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
		ctrl_features | BIT(F_MAC) | BIT(F_MRG_RXBUF) | BIT(F_STATUS));
	g_assert_cmpuint(vrig_common(&f->rig, VRIG_NUM_QUEUES, 2), ==, 3);
}

static void test_partial_offloads(struct fixture *f, const void *data)
{
	f->net->can_offload = NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4;
	vrig_plug(&f->rig);
	g_assert_cmphex(vrig_features(&f->rig) & (tx_offloads | rx_offloads), ==,
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

static void send_frame(struct fixture *f, const struct header *h, const uint8_t *frame, uint32_t n)
{
	struct guest_buf bufs[] = {{DATA, HDR, false}, {DATA + 64, n, false}};

	guest_write(f->rig.gmem, DATA, h, HDR);
	guest_write(f->rig.gmem, DATA + 64, frame, n);
	g_assert_cmpint(guest_vq_add(&f->rig.vq[TX], bufs, 2, 0), >=, 0);
	vrig_publish(&f->rig, TX);
	vrig_wait_used(&f->rig, TX, NULL);
}

/* What came out, or NULL. */
static GBytes *sent(struct fixture *f)
{
	return fake_net_take(f->net, 0);
}

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

/* Takes a frame that lies in several buffers, in order; their number. */
static unsigned take_merged(struct fixture *f, uint8_t *frame, size_t *ret_n)
{
	uint16_t want = 1, got = 0;
	size_t n = 0;

	while (got < want) {
		uint32_t len;
		int id = vrig_wait_used(&f->rig, RX, &len);
		uint64_t at = DATA + (uint64_t)id * 0x4000;

		guest_read(f->rig.gmem, at, frame + n, len);
		if (!got)
			want = guest_read16(f->rig.gmem, at + 10);
		n += len;
		got++;
	}
	*ret_n = n;
	return got;
}

static void give_mergeable(struct fixture *f, unsigned count, uint32_t len)
{
	for (unsigned i = 0; i < count; i++) {
		struct guest_vq *q = &f->rig.vq[RX];
		/* The id that comes next decides where the buffer lies: split and packed rings number differently. */
		uint16_t next = q->packed ? q->free_ids[q->n_free_ids - 1] : q->free_head;
		struct guest_buf buf = {DATA + (uint64_t)next * 0x4000, len, true};

		g_assert_cmpint(guest_vq_add(q, &buf, 1, 0), ==, next);
	}
	vrig_publish(&f->rig, RX);
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
	vrig_start(&f->rig, rx_offloads | BIT(F_CTRL_VQ) | BIT(F_CTRL_GUEST_OFFLOADS), 3, 16);
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

/* ---- the filter ---- */

static void start_filtered(struct fixture *f)
{
	vrig_plug(&f->rig);
	vrig_start(&f->rig, ctrl_features, 3, 64);
	for (unsigned i = 0; i < 60; i++)
		give_buffer(f, RX, 0, 2048);
	g_assert_cmpuint(ctrl_byte(f, 0, 0, 0), ==, OK); /* not promiscuous */
}

static const uint8_t other[6] = {2, 0, 0, 0, 0, 9};
static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 1};

static void test_filter_modes(struct fixture *f, const void *data)
{
	start_filtered(f);
	g_assert_true(delivered(f, mac));
	g_assert_true(delivered(f, broadcast));
	g_assert_false(delivered(f, other));
	g_assert_false(delivered(f, group));
	g_assert_cmpuint(ctrl_byte(f, 0, 1, 1), ==, OK); /* allmulti */
	g_assert_true(delivered(f, group));
	g_assert_false(delivered(f, other));
	g_assert_cmpuint(ctrl_byte(f, 0, 3, 1), ==, OK); /* nomulti */
	g_assert_false(delivered(f, group));
	g_assert_cmpuint(ctrl_byte(f, 0, 2, 1), ==, OK); /* alluni */
	g_assert_true(delivered(f, other));
	g_assert_cmpuint(ctrl_byte(f, 0, 4, 1), ==, OK); /* nouni */
	g_assert_false(delivered(f, other));
	g_assert_false(delivered(f, mac));
	g_assert_cmpuint(ctrl_byte(f, 0, 5, 1), ==, OK); /* nobcast */
	g_assert_false(delivered(f, broadcast));
	g_assert_cmpuint(ctrl_byte(f, 0, 0, 1), ==, OK); /* promiscuous */
	g_assert_true(delivered(f, other));
	g_assert_true(delivered(f, group));
	g_assert_true(delivered(f, broadcast));
	/* Malformed or unknown. */
	g_assert_cmpuint(ctrl(f, 0, 0, "\1\1", 2), ==, ERR);
	g_assert_cmpuint(ctrl(f, 0, 0, "", 0), ==, ERR);
	g_assert_cmpuint(ctrl_byte(f, 0, 6, 1), ==, ERR);
	g_assert_cmpuint(ctrl_byte(f, 9, 0, 1), ==, ERR);
	g_assert_cmpuint(ctrl_byte(f, 4, 0, 1), ==, ERR);
}

/* Commands of features that the driver has not taken. */
static void test_unnegotiated_commands(struct fixture *f, const void *data)
{
	static const uint8_t commands[][2] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 4}, {0, 5},
		{1, 0}, {1, 1}, {2, 0}, {2, 1}, {4, 0}, {5, 0}};
	uint8_t zero[8] = {0};
	static const uint8_t sizes[] = {1, 1, 1, 1, 1, 1, 8, 6, 2, 2, 2, 8};

	vrig_plug(&f->rig);
	vrig_start(&f->rig, BIT(F_CTRL_VQ), 3, 16);
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		g_assert_cmpuint(ctrl(f, commands[i][0], commands[i][1], zero, sizes[i]), ==, ERR);
	/* Without a control queue, queue 2 is not read. */
	vrig_start(&f->rig, 0, 3, 16);

	struct guest_buf buf = {DATA, 16, true};
	uint32_t len;

	g_assert_cmpint(guest_vq_add(&f->rig.vq[CTRL], &buf, 1, 0), >=, 0);
	vrig_publish(&f->rig, CTRL);
	vrig_settle(&f->rig);
	g_assert_cmpint(guest_vq_take(&f->rig.vq[CTRL], &len), ==, -1);
}

static void put_table(GByteArray *a, unsigned n, uint8_t first)
{
	uint32_t count = n;

	g_byte_array_append(a, (uint8_t *)&count, 4);
	for (unsigned i = 0; i < n; i++) {
		uint8_t addr[6] = {first, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i};

		g_byte_array_append(a, addr, 6);
	}
}

static uint8_t set_tables(struct fixture *f, unsigned n_uni, unsigned n_multi)
{
	g_autoptr(GByteArray) a = g_byte_array_new();

	put_table(a, n_uni, 2);
	put_table(a, n_multi, 3);
	return ctrl(f, 1, 0, a->data, a->len);
}

static void test_mac_table(struct fixture *f, const void *data)
{
	static const uint8_t uni3[6] = {2, 0, 0, 0, 0, 3}, multi3[6] = {3, 0, 0, 0, 0, 3};

	start_filtered(f);
	g_assert_cmpuint(set_tables(f, 3, 3), ==, OK);
	g_assert_false(delivered(f, uni3));
	g_assert_false(delivered(f, multi3));
	g_assert_cmpuint(set_tables(f, 4, 4), ==, OK);
	g_assert_true(delivered(f, uni3));
	g_assert_true(delivered(f, multi3));
	g_assert_true(delivered(f, mac));
	g_assert_cmpuint(set_tables(f, 0, 0), ==, OK);
	g_assert_false(delivered(f, uni3));
	g_assert_false(delivered(f, multi3));
	/* More than there is room for counts as all. */
	g_assert_cmpuint(set_tables(f, 65, 1), ==, OK);
	g_assert_true(delivered(f, other));
	g_assert_false(delivered(f, multi3));
	g_assert_cmpuint(set_tables(f, 1, 64), ==, OK);
	g_assert_false(delivered(f, other));
	g_assert_true(delivered(f, group));
	g_assert_cmpuint(set_tables(f, 32, 32), ==, OK);
	g_assert_false(delivered(f, group));
	/* Counts that lie change nothing. */
	static const uint8_t lies[][16] = {{2, 0, 0, 0, 2, 0, 0, 0, 0, 3}, {0xff, 0xff, 0xff, 0xff},
		{0, 0, 0, 0, 1, 0, 0, 0}, {0, 0, 0, 0, 0}};
	static const uint8_t lengths[] = {10, 16, 8, 5};

	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++)
		g_assert_cmpuint(ctrl(f, 1, 0, lies[i], lengths[i]), ==, ERR);
	g_assert_true(delivered(f, uni3));
}

static void test_mac_address(struct fixture *f, const void *data)
{
	start_filtered(f);
	g_assert_false(delivered(f, other));
	g_assert_cmpuint(ctrl(f, 1, 1, other, 6), ==, OK);
	g_assert_true(delivered(f, other));
	g_assert_false(delivered(f, mac));
	g_assert_cmphex(vrig_read(&f->rig, f->rig.config + 4, 2), ==, 0x0900);
	g_assert_cmpuint(ctrl(f, 1, 1, other, 5), ==, ERR);
	/* A reset gives the station its own address again. */
	vrig_start(&f->rig, 0, 2, 16);
	g_assert_cmphex(vrig_read(&f->rig, f->rig.config + 4, 2), ==, 0x5634);
	/* Writing the configuration does not. */
	vrig_write(&f->rig, f->rig.config, 4, 0);
	g_assert_cmphex(vrig_read(&f->rig, f->rig.config, 4), ==, 0x12005452);
}

static bool delivered_vlan(struct fixture *f, uint16_t vid)
{
	uint8_t frame[HDR + 64] = {0};

	memcpy(frame + HDR, mac, 6);
	memcpy(frame + HDR + 12, (uint8_t[]){0x81, 0, (uint8_t)(vid >> 8), (uint8_t)vid}, 4);
	fake_net_inject(f->net, 0, frame, sizeof(frame));
	return !nothing_received(f, RX);
}

static void test_vlan(struct fixture *f, const void *data)
{
	start_filtered(f);
	g_assert_false(delivered_vlan(f, 5));
	g_assert_cmpuint(ctrl(f, 2, 0, "\5\0", 2), ==, OK);
	g_assert_true(delivered_vlan(f, 5));
	g_assert_true(delivered_vlan(f, 0xe005)); /* priority bits are no part of the number */
	g_assert_false(delivered_vlan(f, 6));
	g_assert_cmpuint(ctrl(f, 2, 0, "\xff\x0f", 2), ==, OK);
	g_assert_true(delivered_vlan(f, 4095));
	g_assert_cmpuint(ctrl(f, 2, 1, "\5\0", 2), ==, OK);
	g_assert_false(delivered_vlan(f, 5));
	g_assert_cmpuint(ctrl(f, 2, 0, "\0\x10", 2), ==, ERR);
	g_assert_cmpuint(ctrl(f, 2, 0, "\0", 1), ==, ERR);
	/* Who does not take the feature gets every VLAN. */
	vrig_start(&f->rig, BIT(F_CTRL_VQ) | BIT(F_CTRL_RX), 3, 16);
	give_buffer(f, RX, 0, 2048);
	g_assert_cmpuint(ctrl_byte(f, 0, 0, 0), ==, OK);
	g_assert_true(delivered_vlan(f, 77));
}

static void test_ctrl_malformed(struct fixture *f, const void *data)
{
	static const struct guest_buf bad[][2] = {{{DATA, 1, false}, {DATA + 64, 1, true}},
		{{DATA, 2, false}, {DATA + 64, 0, true}}, {{DATA, 0, false}, {DATA + 64, 8, true}}};

	vrig_plug(&f->rig);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		vrig_start(&f->rig, ctrl_features, 3, 16);
		g_assert_cmpint(guest_vq_add(&f->rig.vq[CTRL], bad[i], 2, 0), >=, 0);
		vrig_publish(&f->rig, CTRL);
		vrig_settle(&f->rig);
		g_assert_cmphex(vrig_status(&f->rig) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
	}
}

/* ---- link ---- */

static void test_link(struct fixture *f, const void *data)
{
	struct header h = {0};
	uint8_t frame[60] = {0};

	vrig_plug(&f->rig);
	vrig_start(&f->rig, BIT(F_STATUS), 2, 16);
	give_buffer(f, RX, 0, 2048);
	g_assert_true(delivered(f, mac));
	vrig_msis(&f->rig, -1);
	net_set_link(&f->net->net, false);
	g_assert_cmpuint(vrig_msis(&f->rig, 0), ==, 1);
	g_assert_cmpuint(vrig_read(&f->rig, f->rig.config + CFG_STATUS, 2), ==, 0);
	give_buffer(f, RX, 0, 2048);
	g_assert_false(delivered(f, mac));
	send_frame(f, &h, frame, sizeof(frame));
	g_assert_null(sent(f));
	net_set_link(&f->net->net, true);
	g_assert_cmpuint(vrig_msis(&f->rig, 0), ==, 1);
	g_assert_true(delivered(f, mac));
	send_frame(f, &h, frame, sizeof(frame));

	g_autoptr(GBytes) out = sent(f);

	g_assert_nonnull(out);
}

/* ---- pairs ---- */

static void test_pairs(struct fixture *f, const void *data)
{
	uint32_t len;

	set_prop(f->rig.dev, "num-queue-pairs", "2");
	vrig_plug(&f->rig);
	g_assert_true(
		vrig_negotiate(&f->rig, BIT(VIRTIO_F_VERSION_1) | BIT(F_CTRL_VQ) | BIT(F_MQ)));
	vrig_msix(&f->rig);
	for (unsigned i = 0; i < 5; i++)
		vrig_queue(&f->rig, i, 16);
	vrig_driver_ok(&f->rig);
	vrig_settle(&f->rig);
	give_buffer(f, 0, 0, 2048);
	give_buffer(f, 2, 2, 2048);
	/* One pair until the driver says more. */
	inject(f, 1, mac, 100);
	g_assert_true(nothing_received(f, 2));

	struct guest_buf bufs[] = {{DATA + 0x700000, 4, false}, {DATA + 0x700100, 1, true}};
	static const struct {
		uint8_t pairs, ack;
	} sets[] = {{0, ERR}, {3, ERR}, {2, OK}};

	for (unsigned i = 0; i < ARRAY_SIZE(sets); i++) {
		uint8_t cmd[4] = {4, 0, sets[i].pairs, 0}, ack;

		guest_write(f->rig.gmem, bufs[0].gpa, cmd, 4);
		g_assert_cmpint(guest_vq_add(&f->rig.vq[4], bufs, 2, 0), >=, 0);
		vrig_publish(&f->rig, 4);
		vrig_wait_used(&f->rig, 4, NULL);
		guest_read(f->rig.gmem, bufs[1].gpa, &ack, 1);
		g_assert_cmpuint(ack, ==, sets[i].ack);
	}
	vrig_wait_used(&f->rig, 2, &len);
	check_received(f, 2, mac, 100);
	inject(f, 0, mac, 200);
	vrig_wait_used(&f->rig, 0, &len);
	check_received(f, 0, mac, 200);
	/* Without MQ the control queue is queue 2, whatever the device could do. */
	vrig_start(&f->rig, ctrl_features, 3, 16);
	g_assert_cmpuint(ctrl_byte(f, 0, 0, 0), ==, OK);
}

/* ---- quiesce and state ---- */

static void test_quiesce(struct fixture *f, const void *data)
{
	uint32_t len;

	vrig_plug(&f->rig);
	for (unsigned packed = 0; packed < 2; packed++) {
		vrig_start(&f->rig,
			BIT(F_MRG_RXBUF) | ctrl_features | (packed ? BIT(VIRTIO_F_RING_PACKED) : 0),
			3, 64);
		give_mergeable(f, 50, 1524);
		vrig_settle(&f->rig);
		for (unsigned i = 0; i < 10; i++) {
			uint8_t got[2048];
			size_t n;

			/* The window of popped buffers is put back, and frames that come meanwhile wait outside. */
			vrig_quiesce(&f->rig);
			g_assert_cmpuint(vq_in_flight(f->rig.vp->vdev.queues[RX].vq), ==, 0);
			inject(f, 0, mac, 100 + i);
			vrig_settle(&f->rig);
			g_assert_cmpint(guest_vq_take(&f->rig.vq[RX], &len), ==, -1);
			vrig_resume(&f->rig);
			g_assert_cmpuint(take_merged(f, got, &n), ==, 1);
			g_assert_cmpuint(n, ==, HDR + 100 + i);
			give_mergeable(f, 1, 1524);
		}
	}
}

static void test_save_load(void)
{
	g_autoptr(GByteArray) state = g_byte_array_new();
	g_autoptr(GError) error = NULL;
	struct fixture a = {0}, b = {0};
	uint32_t len;

	setup(&a, NULL);
	setup(&b, NULL);
	start_filtered(&a);
	g_assert_cmpuint(ctrl(&a, 1, 1, other, 6), ==, OK);
	g_assert_cmpuint(ctrl(&a, 2, 0, "\5\0", 2), ==, OK);
	vrig_plug(&b.rig);
	vrig_quiesce(&a.rig);
	vrig_quiesce(&b.rig);
	bus_save(a.rig.bus, state);
	gmem_block_load(b.rig.ram, 0, gmem_block_hva(a.rig.ram), VRIG_RAM);
	net_set_link(&b.net->net, false);
	g_assert_true(bus_load(b.rig.bus, state->data, state->len, &error));
	g_assert_no_error(error);
	memcpy(b.rig.vq, a.rig.vq, sizeof(b.rig.vq));
	for (unsigned i = 0; i < VRIG_QUEUES; i++)
		b.rig.vq[i].gmem = b.rig.gmem;
	vrig_resume(&b.rig);
	/* The link is what it is here; addresses and VLANs came along. */
	g_assert_cmpuint(vrig_read(&b.rig, b.rig.config + CFG_STATUS, 2), ==, 0);
	net_set_link(&b.net->net, true);
	vrig_settle(&b.rig);
	g_assert_false(delivered(&b, mac));
	g_assert_true(delivered(&b, other));
	g_assert_false(delivered(&b, group));
	inject(&b, 0, other, 60);
	vrig_wait_used(&b.rig, RX, &len);
	vrig_resume(&a.rig);
	teardown(&a, NULL);
	teardown(&b, NULL);
}

static void test_thread(void)
{
	g_autoptr(GError) error = NULL;
	struct fixture f = {0};
	struct loop *io = loop_new("io", &error);

	g_assert_no_error(error);
	setup(&f, NULL);
	f.rig.vp->loop = io;
	vrig_plug(&f.rig);
	g_assert_true(loop_thread_start(io, &error));
	for (unsigned round = 0; round < 6; round++) {
		struct header h = {0};
		uint8_t frame[60] = {0};

		vrig_start(
			&f.rig, ctrl_features | (round % 2 ? BIT(VIRTIO_F_RING_PACKED) : 0), 3, 64);
		for (unsigned i = 0; i < 50; i++) {
			give_buffer(&f, RX, 0, 2048);
			send_frame(&f, &h, frame, sizeof(frame));
			if (i % 10 == 0)
				g_assert_cmpuint(ctrl_byte(&f, 0, 0, i % 20 == 0), ==, OK);
			if (i % 10 == 5)
				net_set_link(&f.net->net, i % 20 == 5);
		}
		if (round % 3 == 0) {
			vrig_quiesce(&f.rig);
			vrig_resume(&f.rig);
		} else if (round % 3 == 1) {
			vrig_system_reset(&f.rig);
		}
	}
	vrig_unplug(&f.rig);
	loop_thread_join(io);
	loop_free(io);
	fake_net_free(f.net);
	vrig_done(&f.rig);
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
	ADD("filter-modes", test_filter_modes);
	ADD("unnegotiated-commands", test_unnegotiated_commands);
	ADD("mac-table", test_mac_table);
	ADD("mac-address", test_mac_address);
	ADD("vlan", test_vlan);
	ADD("ctrl-malformed", test_ctrl_malformed);
	ADD("link", test_link);
	ADD("pairs", test_pairs);
	ADD("quiesce", test_quiesce);
	g_test_add_func("/virtio-net/save-load", test_save_load);
	g_test_add_func("/virtio-net/thread", test_thread);
	return g_test_run();
}
