/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames that e1000 and e1000e send and receive: rings, checksums, segmentation, filters, tags. */
#include <string.h>

#include "tests/device/e1000-driver.h"

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void start(struct e1000_driver *d, gconstpointer ops)
{
	driver_init(d, ops, 0, 16, 16);
}

/* ---- transmit ---- */

static void send_legacy(gconstpointer ops)
{
	struct e1000_driver d;
	uint8_t frame[NIC_FRAME];

	start(&d, ops);
	nic_set(&d.n, E_IMS, 1);
	nic_make_frame(frame, broadcast, sizeof(frame), 3);
	driver_send(&d, frame, sizeof(frame));
	nic_assert_sent(&d.n, frame, sizeof(frame));
	g_assert_cmphex(driver_tx_desc(&d, 0).upper & 0xff, ==, 1);
	g_assert_true(nic_irq(&d.n));
	g_assert_cmphex(nic_get(&d.n, E_ICR) & 3, ==, 3);
	g_assert_false(nic_irq(&d.n));
	g_assert_cmpuint(nic_get(&d.n, 0x4080), ==, 1);    /* GPTC */
	g_assert_cmpuint(nic_get(&d.n, 0x4090), ==, 1518); /* GOTCL */
	g_assert_cmpuint(nic_get(&d.n, 0x4094), ==, 0);    /* and high half: clears */
	g_assert_cmpuint(nic_get(&d.n, 0x4090), ==, 0);
	g_assert_cmpuint(nic_get(&d.n, 0x40ec), ==, 1); /* PTC1522 */
	g_assert_cmpuint(nic_get(&d.n, 0x40f4), ==, 1); /* BPTC */
	g_assert_cmpuint(nic_get(&d.n, 0x40f4), ==, 0);
	driver_done(&d);
}

/* A frame in pieces, the last of which comes later; without RS nothing is written back. */
static void send_pieces(gconstpointer ops)
{
	struct e1000_driver d;
	uint8_t frame[300];

	start(&d, ops);
	nic_make_frame(frame, broadcast, sizeof(frame), 4);
	driver_put(&d, (struct raw_desc){driver_buffer(&d, frame, 20), 0x08000000 | 20, 0});
	driver_put(&d, (struct raw_desc){driver_buffer(&d, frame + 20, 80), 80, 0});
	driver_ring(&d);
	nic_assert_nothing_sent(&d.n);
	driver_put(&d, (struct raw_desc){driver_buffer(&d, frame + 100, 200), 0x01000000 | 200, 0});
	driver_ring(&d);
	nic_assert_sent(&d.n, frame, sizeof(frame));
	g_assert_cmphex(driver_tx_desc(&d, 0).upper, ==, 1);
	g_assert_cmphex(driver_tx_desc(&d, 1).upper, ==, 0);
	g_assert_cmphex(driver_tx_desc(&d, 2).upper, ==, 0);
	g_assert_cmpuint(nic_get(&d.n, E_TDH), ==, 3);
	driver_done(&d);
}

/*
 * Random frames in random pieces through a small ring, with a network that is full now and then:
 * nothing lost or doubled.
 */
static void send_many(gconstpointer ops)
{
	struct e1000_driver d;
	uint8_t frame[NIC_FRAME];

	driver_init(&d, ops, 0, 8, 8);
	for (unsigned i = 0; i < 500; i++) {
		size_t n = (size_t)g_test_rand_int_range(14, NIC_FRAME), done = 0;
		unsigned pieces = (unsigned)g_test_rand_int_range(1, 6);

		nic_make_frame(frame, broadcast, n, (uint8_t)i);
		if (i % 3 == 0)
			fake_net_set_room(d.n.net, 0, 0);
		while (pieces--) {
			size_t part = pieces ? (n - done) / 2 : n - done;
			uint32_t command = (pieces ? 0 : 0x01000000) | 0x08000000 | (uint32_t)part;

			driver_put(&d, (struct raw_desc){
					       driver_buffer(&d, frame + done, part), command, 0});
			done += part;
		}
		driver_ring(&d);
		if (i % 3 == 0) {
			nic_assert_nothing_sent(&d.n);
			if (i % 2)
				nic_save_and_load(&d.n);
			fake_net_set_room(d.n.net, 0, 1000);
			nic_poll(&d.n);
		}
		nic_assert_sent(&d.n, frame, n);
		nic_assert_nothing_sent(&d.n);
		g_assert_cmpuint(nic_get(&d.n, E_TDH), ==, d.tx_tail);
	}
	driver_done(&d);
}

/* TCP over IPv4 in one data descriptor with a context: IP and TCP sums put in. */
static void send_checksums(gconstpointer ops)
{
	struct e1000_driver d;
	struct tso_packet p;

	start(&d, ops);
	for (unsigned i = 0; i < 4; i++) {
		unsigned size;
		uint8_t *ip = p.data + 14;
		g_autoptr(GBytes) b = NULL;
		gsize n;

		tso_make(&p, false, i % 2, 700 + i, 0);
		size = p.header + p.payload;
		ip[2] = (uint8_t)((size - 14) >> 8);
		ip[3] = (uint8_t)(size - 14);
		if (p.udp) {
			p.data[p.l4 + 4] = (uint8_t)((size - p.l4) >> 8);
			p.data[p.l4 + 5] = (uint8_t)(size - p.l4);
		}
		/* The stack's pseudo-header has the length. */
		uint8_t *at = p.data + p.l4 + (p.udp ? 6 : 16);
		unsigned sum = at[0] * 256u + at[1] + size - p.l4;

		sum = (sum & 0xffff) + (sum >> 16);
		at[0] = (uint8_t)(sum >> 8);
		at[1] = (uint8_t)sum;
		driver_put(&d, (struct raw_desc){14 | 24u << 8 | 33u << 16 | 34ull << 32 |
							 (uint64_t)(34 + (p.udp ? 6 : 16)) << 40,
				       0x20000000, 0});
		driver_put(&d, (struct raw_desc){
				       driver_buffer(&d, p.data, size), 0x29100000 | size, 0x300});
		driver_ring(&d);
		b = nic_sent(&d.n);
		g_assert_nonnull(b);
		ref_check_frame(g_bytes_get_data(b, &n), size);
		g_assert_cmpuint(n, ==, size);
	}
	driver_done(&d);
}

static void segmentation(gconstpointer ops)
{
	struct e1000_driver d;
	struct tso_packet p;

	driver_init(&d, ops, 0, 256, 8);
	nic_set(&d.n, E_CTRL, nic_get(&d.n, E_CTRL) | 0x40000000);
	for (unsigned i = 0; i < 150; i++) {
		unsigned mss = (unsigned)g_test_rand_int_range(100, 1461);
		unsigned payload = (unsigned)g_test_rand_int_range(1, i % 10 ? 9000 : 65000);
		int vlan = i % 5 == 0 ? g_test_rand_int_range(0, 0x10000) : -1;

		tso_make(&p, i % 2, i % 7 == 0, payload, mss);
		if (i % 4 == 0)
			fake_net_set_room(d.n.net, 0, 2);
		driver_send_tso(&d, &p, vlan);
		if (i % 8 == 0)
			nic_save_and_load(&d.n);
		fake_net_set_room(d.n.net, 0, 10000);
		nic_poll(&d.n);
		driver_check_tso(&d, &p, vlan);
	}
	driver_done(&d);
}

/* A network that cuts gets the packet whole, with a header that says how; small ones it sums. */
static void segmentation_offload(gconstpointer ops)
{
	struct e1000_driver d;
	struct tso_packet p;

	driver_init(&d, ops, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6, 64, 8);
	for (unsigned i = 0; i < 20; i++) {
		g_autoptr(GBytes) b = NULL;
		const uint8_t *h;
		unsigned tcp, sum;
		gsize n;

		tso_make(&p, i % 2, false, (unsigned)g_test_rand_int_range(3000, 60000), 1400);
		driver_send_tso(&d, &p, -1);
		b = nic_sent(&d.n);
		g_assert_nonnull(b);
		nic_assert_nothing_sent(&d.n);
		h = g_bytes_get_data(b, &n);
		g_assert_cmpuint(n, ==, 12 + p.header + p.payload);
		g_assert_cmpuint(h[0], ==, 1);
		g_assert_cmpuint(h[1], ==, i % 2 ? 4 : 1);
		g_assert_cmpuint(h[2] + h[3] * 256u, ==, p.header);
		g_assert_cmpuint(h[4] + h[5] * 256u, ==, 1400);
		g_assert_cmpuint(h[6] + h[7] * 256u, ==, p.l4);
		g_assert_cmpuint(h[8] + h[9] * 256u, ==, 16);
		h += 12;
		if (!p.ip6) {
			g_assert_cmpuint(ref_csum(h + 14, 20, 0), ==, 0);
			g_assert_cmpuint(h[16] * 256u + h[17], ==, p.header - 14 + p.payload);
		}
		/* The pseudo-header's sum, with length. */
		tcp = p.header - p.l4 + p.payload;
		sum = 0xffffu - ref_csum(h + (p.ip6 ? 22 : 26), p.ip6 ? 32 : 8, 6 + tcp);
		g_assert_cmpuint(h[p.l4 + 16] * 256u + h[p.l4 + 17], ==, sum);
	}
	driver_done(&d);
}

/*
 * A chain that never ends, a length beyond everything, memory that is not there: the device goes on
 * with the next packet.
 */
static void bad_descriptors(gconstpointer ops)
{
	struct e1000_driver d;
	uint8_t frame[100];
	uint64_t errors;

	start(&d, ops);
	nic_make_frame(frame, broadcast, sizeof(frame), 9);
	for (unsigned i = 0; i < 15; i++)
		driver_put(&d, (struct raw_desc){BUFFER_TX, 60, 0});
	driver_ring(&d);
	g_assert_cmpuint(nic_get(&d.n, E_TDH), ==, d.tx_tail);
	driver_put(&d, (struct raw_desc){BUFFER_TX, 0x09000000 | 60, 0});
	driver_ring(&d); /* the end of that chain */
	driver_put(&d, (struct raw_desc){UINT64_C(1) << 60, 0x09000000 | 60, 0});
	driver_put(&d, (struct raw_desc){BUFFER_TX, 0x291fffff, 0});
	driver_put(&d, (struct raw_desc){14 | 24u << 8 | 34ull << 32 | 250ull << 40, 0x27000100,
			       60u << 8 | 100u << 16});
	driver_put(&d, (struct raw_desc){BUFFER_TX, 0x2d100000 | 200, 0x300});
	driver_put(&d, (struct raw_desc){BUFFER_TX, 0x09000000 | 5, 0});
	driver_ring(&d);
	nic_assert_nothing_sent(&d.n);
	errors = d.n.d->guest_errors;
	g_assert_cmpuint(errors, ==, 5);
	driver_send(&d, frame, sizeof(frame));
	nic_assert_sent(&d.n, frame, sizeof(frame));
	g_assert_cmpuint(nic_get(&d.n, E_TDH), ==, d.tx_tail);
	driver_done(&d);
}

/* ---- receive ---- */

static void receive(gconstpointer ops)
{
	struct e1000_driver d;

	start(&d, ops);
	nic_set(&d.n, E_IMS, 0x80);
	nic_inject(&d.n, nic_mac, 1000, 5);
	driver_assert_received(&d, 0, nic_mac, 1000, 5);
	g_assert_true(nic_irq(&d.n));
	g_assert_cmphex(nic_get(&d.n, E_ICR) & 0x80, ==, 0x80);
	g_assert_false(nic_irq(&d.n));
	g_assert_cmpuint(nic_get(&d.n, E_RDH), ==, 1);
	g_assert_cmpuint(nic_get(&d.n, 0x4074), ==, 1);    /* GPRC */
	g_assert_cmpuint(nic_get(&d.n, 0x4088), ==, 1004); /* GORCL */
	driver_done(&d);
}

/* A network that sums and cuts puts its header before each frame; the guest does not see it. */
static void receive_offload(gconstpointer ops)
{
	struct e1000_driver d;

	driver_init(&d, ops, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4, 16, 16);
	g_assert_cmpuint(d.n.net->queues[0].header, ==, 12);
	g_assert_cmphex(d.n.net->queues[0].offloads, ==, 0);
	nic_inject(&d.n, nic_mac, 1000, 5);
	nic_inject(&d.n, nic_mac, 60, 6);
	driver_assert_received(&d, 0, nic_mac, 1000, 5);
	driver_assert_received(&d, 1, nic_mac, 60, 6);
	driver_done(&d);
}

/* Short frames are padded; the FCS is there unless it is to be stripped. */
static void padding_and_fcs(gconstpointer ops)
{
	struct e1000_driver d;
	uint8_t frame[64];
	uint32_t crc = UINT32_MAX;
	struct rx_desc r;

	start(&d, ops);
	nic_set(&d.n, E_RCTL, nic_get(&d.n, E_RCTL) & ~0x04000000u);
	nic_inject(&d.n, nic_mac, 20, 5);
	r = driver_rx_desc(&d, 0);
	g_assert_cmpuint(r.length, ==, 64);
	nic_mem_read(&d.n, r.address, frame, 64);
	for (unsigned i = 20; i < 60; i++)
		g_assert_cmpuint(frame[i], ==, 0);
	for (unsigned i = 0; i < 64; i++) {
		crc ^= frame[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	g_assert_cmphex(crc, ==, 0xdebb20e3); /* what is left of a frame with a good FCS */
	driver_done(&d);
}

/* Frames of all sizes round a ring of buffers of 256 bytes that the driver gives back late. */
static void receive_many(gconstpointer ops)
{
	struct e1000_driver d;
	unsigned next = 0;

	start(&d, ops);
	nic_set(&d.n, E_RCTL, nic_get(&d.n, E_RCTL) | 3u << 16);
	for (unsigned i = 0; i < 300; i++) {
		size_t n = (size_t)g_test_rand_int_range(60, NIC_FRAME), done = 0;
		uint8_t got[NIC_FRAME], frame[NIC_FRAME];

		nic_make_frame(frame, nic_mac, n, (uint8_t)i);
		nic_inject(&d.n, nic_mac, n, (uint8_t)i);
		while (done < n) {
			struct rx_desc r = driver_rx_desc(&d, next);
			size_t part = MIN(n - done, 256u);

			g_assert_cmpuint(r.length, ==, part);
			g_assert_cmphex(r.status & 3, ==, done + part == n ? 3 : 1);
			nic_mem_read(&d.n, r.address, got + done, part);
			r.status = 0;
			nic_mem_write(&d.n, RING_RX + next * sizeof(r), &r, sizeof(r));
			next = (next + 1) % 16;
			done += part;
		}
		g_assert_cmpmem(got, n, frame, n);
		g_assert_cmpuint(nic_get(&d.n, E_RDH), ==, next);
		nic_set(&d.n, E_RDT, (next + 15) % 16);
	}
	g_assert_cmpuint(nic_get(&d.n, 0x4010), ==, 0); /* MPC */
	driver_done(&d);
}

/*
 * Without descriptors frames wait at the back-end; one that is too large for those that are left is
 * missed.
 */
static void receive_full(gconstpointer ops)
{
	struct e1000_driver d;

	start(&d, ops);
	nic_set(&d.n, E_RDT, 2);
	for (uint8_t i = 0; i < 5; i++)
		nic_inject(&d.n, nic_mac, 100, i);
	g_assert_cmpuint(nic_get(&d.n, E_RDH), ==, 2);
	g_assert_cmpuint(d.n.net->queues[0].waiting.length, ==, 3);
	g_assert_false(d.n.net->queues[0].rx_enabled);
	nic_set(&d.n, E_RDT, 15);
	nic_poll(&d.n);
	for (uint8_t i = 0; i < 5; i++)
		driver_assert_received(&d, i, nic_mac, 100, i);
	g_assert_cmpuint(nic_get(&d.n, 0x4010), ==, 0);

	nic_get(&d.n, E_ICR);
	nic_set(&d.n, E_RCTL, nic_get(&d.n, E_RCTL) | 3u << 16);
	nic_set(&d.n, E_RDT, 7);
	nic_inject(&d.n, nic_mac, 1000, 7);
	g_assert_cmpuint(nic_get(&d.n, 0x4010), ==, 1);
	g_assert_cmpuint(nic_get(&d.n, 0x40a0), ==, 1); /* RNBC */
	g_assert_cmphex(nic_get(&d.n, E_ICR) & 0x40, ==, 0x40);
	g_assert_cmpuint(nic_get(&d.n, E_RDH), ==, 5);
	driver_done(&d);
}

static bool gets(struct e1000_driver *d, const uint8_t *to, size_t n)
{
	unsigned before = nic_get(&d->n, E_RDH);

	nic_inject(&d->n, to, n, 1);
	nic_set(&d->n, E_RDT, (nic_get(&d->n, E_RDH) + 15) % 16);
	return nic_get(&d->n, E_RDH) != before;
}

static void filters(gconstpointer ops)
{
	static const uint8_t other[6] = {0x52, 0x54, 0, 9, 9, 9}, group[6] = {1, 0, 0x5e, 1, 2, 3};
	struct e1000_driver d;
	unsigned hash = (0x03 << 4 | 0x02 >> 4) & 0xfff;
	uint32_t rctl = 0x04000002;

	start(&d, ops);
	nic_set(&d.n, E_RCTL, rctl);
	g_assert_true(gets(&d, nic_mac, 60));
	g_assert_false(gets(&d, other, 60));
	g_assert_false(gets(&d, broadcast, 60));
	g_assert_false(gets(&d, group, 60));
	nic_set(&d.n, E_RCTL, rctl | 0x8000);
	g_assert_true(gets(&d, broadcast, 60));
	nic_set(&d.n, E_RCTL, rctl | 8);
	g_assert_true(gets(&d, other, 60));
	g_assert_false(gets(&d, group, 60));
	nic_set(&d.n, E_RCTL, rctl | 0x10);
	g_assert_true(gets(&d, group, 60));
	g_assert_false(gets(&d, other, 60));
	nic_set(&d.n, E_RCTL, rctl);
	nic_set(&d.n, E_MTA + hash / 32 * 4, 1u << hash % 32);
	g_assert_true(gets(&d, group, 60));
	g_assert_cmphex(
		driver_rx_desc(&d, (nic_get(&d.n, E_RDH) + 15) % 16).status & 0x80, ==, 0x80);
	nic_set(&d.n, E_MTA + hash / 32 * 4, 0);
	g_assert_false(gets(&d, group, 60));
	/* A second address. */
	nic_set(&d.n, E_RAL + 8, 0x09005452);
	nic_set(&d.n, E_RAL + 12, 0x80000909);
	g_assert_true(gets(&d, other, 60));
	nic_set(&d.n, E_RAL + 12, 0x00000909);
	g_assert_false(gets(&d, other, 60));
	/* Length. */
	g_assert_true(gets(&d, nic_mac, 1518));
	g_assert_false(gets(&d, nic_mac, 1519));
	g_assert_cmpuint(nic_get(&d.n, 0x40ac), ==, 1); /* ROC */
	nic_set(&d.n, E_RCTL, rctl | 0x20);
	g_assert_true(gets(&d, nic_mac, 9000));
	driver_done(&d);
}

static void inject_tagged(struct e1000_driver *d, unsigned tci)
{
	uint8_t frame[104];

	nic_make_frame(frame, nic_mac, 100, 6);
	memmove(frame + 16, frame + 12, 88);
	memcpy(frame + 12, (uint8_t[]){0x81, 0, (uint8_t)(tci >> 8), (uint8_t)tci}, 4);
	fake_net_inject(d->n.net, 0, frame, sizeof(frame));
	nic_poll(&d->n);
}

static void vlan(gconstpointer ops)
{
	struct e1000_driver d;
	struct rx_desc r;

	start(&d, ops);
	inject_tagged(&d, 0x2064);
	r = driver_rx_desc(&d, 0);
	g_assert_cmpuint(r.length, ==, 104);
	g_assert_cmphex(r.status & 8, ==, 0);
	nic_set(&d.n, E_CTRL, nic_get(&d.n, E_CTRL) | 0x40000000);
	inject_tagged(&d, 0x2064);
	r = driver_rx_desc(&d, 1);
	g_assert_cmphex(r.status & 8, ==, 8);
	g_assert_cmphex(r.special, ==, 0x2064);
	driver_assert_received(&d, 1, nic_mac, 100, 6);
	/* The table of those that pass. */
	nic_set(&d.n, E_RCTL, nic_get(&d.n, E_RCTL) | 0x40000);
	inject_tagged(&d, 0x2064);
	g_assert_cmpuint(nic_get(&d.n, E_RDH), ==, 2);
	nic_set(&d.n, E_VFTA + 4 * (0x64 / 32), 1u << 0x64 % 32);
	inject_tagged(&d, 0x2064);
	g_assert_cmpuint(nic_get(&d.n, E_RDH), ==, 3);
	nic_inject(&d.n, nic_mac, 100, 6);
	g_assert_cmpuint(nic_get(&d.n, E_RDH), ==, 4);
	driver_done(&d);
}

static void receive_checksums(gconstpointer ops)
{
	struct e1000_driver d;
	struct tso_packet p;

	start(&d, ops);
	nic_set(&d.n, E_RXCSUM, 0x300 | 14);
	for (unsigned i = 0; i < 12; i++) {
		bool bad_ip = i % 3 == 1, bad_l4 = i % 3 == 2;
		g_autoptr(GBytes) b = NULL;
		g_autofree uint8_t *f = NULL;
		struct rx_desc r;
		gsize n;

		/* A good frame is one that the device has made itself. */
		tso_make(&p, i >= 6, i % 2, 600, 1000);
		driver_send_tso(&d, &p, -1);
		b = nic_sent(&d.n);
		n = g_bytes_get_size(b);
		f = g_memdup2(g_bytes_get_data(b, NULL), n);
		f[22] ^= bad_ip && !p.ip6;
		f[n - 1] ^= bad_l4;
		fake_net_inject(d.n.net, 0, f, n);
		nic_poll(&d.n);
		r = driver_rx_desc(&d, i);
		g_assert_cmphex(r.status & 0x60, ==, p.ip6 ? 0x20 : 0x60);
		g_assert_cmphex(r.errors, ==, (bad_ip && !p.ip6 ? 0x40 : 0) | (bad_l4 ? 0x20 : 0));
		g_assert_cmphex(r.csum, ==, ref_csum(f + 14, n - 14, 0));
	}
	driver_done(&d);
}

static const struct {
	const char *name;
	void (*fn)(gconstpointer ops);
} tests[] = {
	{"send/legacy", send_legacy},
	{"send/pieces", send_pieces},
	{"send/many", send_many},
	{"send/checksums", send_checksums},
	{"send/segmentation", segmentation},
	{"send/segmentation-offload", segmentation_offload},
	{"send/bad-descriptors", bad_descriptors},
	{"receive/one", receive},
	{"receive/offload", receive_offload},
	{"receive/padding-and-fcs", padding_and_fcs},
	{"receive/many", receive_many},
	{"receive/full", receive_full},
	{"receive/filters", filters},
	{"receive/vlan", vlan},
	{"receive/checksums", receive_checksums},
};

int main(int argc, char **argv)
{
	static const struct dev_ops *const models[] = {&e1000_ops, &e1000e_ops};

	g_test_init(&argc, &argv, NULL);
	for (unsigned m = 0; m < ARRAY_SIZE(models); m++) {
		for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
			g_autofree char *path = g_strdup_printf(
				"/%s/%s", models[m]->name, tests[i].name);

			g_test_add_data_func(path, models[m], tests[i].fn);
		}
	}
	return g_test_run();
}
