/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What e1000 and e1000e have in common, register by register as Linux's, iPXE's and Windows' drivers go. What only the 82574L
 * has: e1000e.c.
 */
#include <string.h>

#include "tests/device/e1000-driver.h"

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void start(struct e1000_driver *d, gconstpointer ops)
{
	driver_init(d, ops, 0, 16, 16);
}

static bool is_82574(const struct e1000_driver *d)
{
	return d->n.d->ops == &e1000e_ops;
}

/* ---- EEPROM, PHY, link ---- */

static uint16_t read_eerd(struct e1000_driver *d, unsigned word)
{
	uint32_t done = is_82574(d) ? 0x2 : 0x10, v;

	nic_set(&d->n, E_EERD, word << (is_82574(d) ? 2 : 8) | 1);
	v = nic_get(&d->n, E_EERD);
	g_assert_true(v & done);
	return (uint16_t)(v >> 16);
}

static void check_nvm(
	struct e1000_driver *d, uint16_t (*read)(struct e1000_driver *d, unsigned word))
{
	uint16_t sum = 0;

	for (unsigned i = 0; i < 64; i++)
		sum = (uint16_t)(sum + read(d, i));
	g_assert_cmphex(sum, ==, 0xbaba);
	g_assert_cmphex(read(d, 0), ==, 0x5452);
	g_assert_cmphex(read(d, 1), ==, 0x1200);
	g_assert_cmphex(read(d, 2), ==, 0x5634);
}

static void eerd(gconstpointer ops)
{
	struct e1000_driver d;

	start(&d, ops);
	check_nvm(&d, read_eerd);
	driver_done(&d);
}

/* Microwire, as a driver that knows no EERD does it: EECD bits SK 1, CS 2, DI 4, DO 8, REQ 0x40, GNT 0x80. */
static void clock_bits(struct e1000_driver *d, uint32_t eecd, unsigned value, unsigned bits)
{
	while (bits--) {
		uint32_t v = eecd | (value >> bits & 1 ? 4 : 0);

		nic_set(&d->n, E_EECD, v);
		nic_set(&d->n, E_EECD, v | 1);
		nic_set(&d->n, E_EECD, v);
	}
}

static uint16_t clock_in(struct e1000_driver *d, uint32_t eecd)
{
	unsigned v = 0;

	for (unsigned i = 0; i < 16; i++) {
		nic_set(&d->n, E_EECD, eecd | 1);
		v = v << 1 | (nic_get(&d->n, E_EECD) >> 3 & 1);
		nic_set(&d->n, E_EECD, eecd);
	}
	return (uint16_t)v;
}

static uint16_t read_microwire(struct e1000_driver *d, unsigned word)
{
	uint16_t v;

	nic_set(&d->n, E_EECD, 0x40);
	g_assert_true(nic_get(&d->n, E_EECD) & 0x80);
	nic_set(&d->n, E_EECD, 0x42);
	clock_bits(d, 0x42, 6, 3);
	clock_bits(d, 0x42, word, 6);
	v = clock_in(d, 0x42);
	/* The next word follows. */
	nic_set(&d->n, E_EECD, 0x40);
	nic_set(&d->n, E_EECD, 0);
	g_assert_false(nic_get(&d->n, E_EECD) & 0x80);
	return v;
}

static void write_microwire(struct e1000_driver *d, unsigned word, uint16_t value)
{
	nic_set(&d->n, E_EECD, 0x42);
	clock_bits(d, 0x42, 0x13, 5); /* EWEN */
	clock_bits(d, 0x42, 0, 4);
	nic_set(&d->n, E_EECD, 0x40);
	nic_set(&d->n, E_EECD, 0x42);
	clock_bits(d, 0x42, 5, 3);
	clock_bits(d, 0x42, word, 6);
	clock_bits(d, 0x42, value, 16);
	nic_set(&d->n, E_EECD, 0x40);
	nic_set(&d->n, E_EECD, 0x42);
	g_assert_true(nic_get(&d->n, E_EECD) & 8); /* ready */
	nic_set(&d->n, E_EECD, 0);
}

static void microwire(gconstpointer ops)
{
	struct e1000_driver d;

	start(&d, ops);
	check_nvm(&d, read_microwire);
	write_microwire(&d, 0x10, 0xcafe);
	g_assert_cmphex(read_microwire(&d, 0x10), ==, 0xcafe);
	nic_save_and_load(&d.n);
	bus_reset(d.n.r->bus, RESET_WARM);
	g_assert_cmphex(to_pci_dev(d.n.d)->pci_hw.cfg[0], ==, 0x86);
	driver_done(&d);
}

static uint16_t phy_read(struct e1000_driver *d, unsigned reg)
{
	uint32_t v;

	nic_set(&d->n, E_MDIC, 0x08200000u | reg << 16);
	v = nic_get(&d->n, E_MDIC);
	g_assert_cmphex(v & 0x50000000u, ==, 0x10000000u);
	return (uint16_t)v;
}

static void phy_write(struct e1000_driver *d, unsigned reg, uint16_t value)
{
	nic_set(&d->n, E_MDIC, 0x04200000u | reg << 16 | value);
	g_assert_cmphex(nic_get(&d->n, E_MDIC) & 0x50000000u, ==, 0x10000000u);
}

static void phy(gconstpointer ops)
{
	struct e1000_driver d;

	start(&d, ops);
	g_assert_cmphex(phy_read(&d, 2), ==, 0x0141);
	g_assert_cmphex(phy_read(&d, 3), ==, is_82574(&d) ? 0x0cb1 : 0x0c20);
	g_assert_cmphex(phy_read(&d, 1) & 0x24, ==, 0x24);
	g_assert_cmphex(phy_read(&d, 17) & 0xc400, ==, 0x8400);
	g_assert_cmphex(nic_get(&d.n, E_STATUS) & 0xc3, ==, 0x83);
	/* Nobody at another address. */
	nic_set(&d.n, E_MDIC, 0x08600000u | 2u << 16);
	g_assert_cmphex(nic_get(&d.n, E_MDIC) & 0x40000000u, ==, 0x40000000u);
	/* With its interrupt. */
	nic_set(&d.n, E_IMS, 0x200);
	nic_set(&d.n, E_MDIC, 0x28200000u | 1u << 16);
	g_assert_true(nic_irq(&d.n));
	g_assert_cmphex(nic_get(&d.n, E_ICR) & 0x200, ==, 0x200);
	driver_done(&d);
}

static void negotiation(gconstpointer ops)
{
	struct e1000_driver d;

	start(&d, ops);
	nic_set(&d.n, E_IMS, 4);
	phy_write(&d, 0, 0x1340);
	g_assert_cmphex(phy_read(&d, 1) & 0x24, ==, 0);
	g_assert_cmphex(nic_get(&d.n, E_STATUS) & 2, ==, 0);
	g_assert_cmphex(nic_get(&d.n, E_ICR) & 4, ==, 4);
	nic_save_and_load(&d.n);
	nic_step(&d.n, 2 * NSEC_PER_SEC);
	g_assert_cmphex(phy_read(&d, 1) & 0x24, ==, 0x24);
	g_assert_cmphex(nic_get(&d.n, E_STATUS) & 2, ==, 2);
	g_assert_true(nic_irq(&d.n));
	g_assert_cmphex(nic_get(&d.n, E_ICR) & 4, ==, 4);
	g_assert_false(nic_irq(&d.n));
	driver_done(&d);
}

static void link_changes(gconstpointer ops)
{
	struct e1000_driver d;
	uint8_t frame[60];

	start(&d, ops);
	nic_set(&d.n, E_IMS, 4);
	net_set_link(&d.n.net->net, false);
	nic_poll(&d.n);
	g_assert_true(nic_irq(&d.n));
	g_assert_cmphex(nic_get(&d.n, E_ICR) & 4, ==, 4);
	g_assert_cmphex(nic_get(&d.n, E_STATUS) & 2, ==, 0);
	g_assert_cmphex(phy_read(&d, 1) & 4, ==, 0);
	/* What is sent meanwhile is gone, and the driver is told that it was sent. */
	nic_make_frame(frame, broadcast, sizeof(frame), 1);
	driver_send(&d, frame, sizeof(frame));
	nic_assert_nothing_sent(&d.n);
	g_assert_cmpuint(nic_get(&d.n, E_TDH), ==, 1);
	net_set_link(&d.n.net->net, true);
	nic_poll(&d.n);
	g_assert_cmphex(nic_get(&d.n, E_ICR) & 4, ==, 4);
	g_assert_cmphex(nic_get(&d.n, E_STATUS) & 2, ==, 2);
	driver_done(&d);
}

static void io_window(gconstpointer ops)
{
	struct e1000_driver d;

	start(&d, ops);
	nic_out(&d.n, 0, 4, E_STATUS);
	g_assert_cmphex(nic_in(&d.n, 4, 4), ==, nic_get(&d.n, E_STATUS));
	nic_out(&d.n, 0, 4, E_VET);
	nic_out(&d.n, 4, 4, 0x88a8);
	g_assert_cmphex(nic_get(&d.n, E_VET), ==, 0x88a8);
	g_assert_cmphex(nic_in(&d.n, 0, 4), ==, E_VET);
	driver_done(&d);
}

static void reset_bit(gconstpointer ops)
{
	struct e1000_driver d;

	start(&d, ops);
	nic_set(&d.n, E_RAL, 0);
	nic_set(&d.n, E_IMS, 0xff);
	nic_set(&d.n, E_CTRL, nic_get(&d.n, E_CTRL) | 0x04000000);
	g_assert_cmphex(nic_get(&d.n, E_CTRL) & 0x04000000, ==, 0);
	g_assert_cmphex(nic_get(&d.n, E_RCTL), ==, 0);
	g_assert_cmphex(nic_get(&d.n, E_TDBAL), ==, 0);
	g_assert_cmphex(nic_get(&d.n, E_IMS), ==, 0);
	/* The first address comes from the EEPROM again. */
	g_assert_cmphex(nic_get(&d.n, E_RAL), ==, 0x12005452);
	g_assert_cmphex(nic_get(&d.n, E_RAL + 4), ==, 0x80005634);
	g_assert_cmphex(nic_get(&d.n, E_STATUS) & 2, ==, 2);
	driver_done(&d);
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

/* Random frames in random pieces through a small ring, with a network that is full now and then: nothing lost or doubled. */
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

/* A chain that never ends, a length beyond everything, memory that is not there: the device goes on with the next packet. */
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

struct rx_desc {
	uint64_t address;
	uint16_t length, csum;
	uint8_t status, errors;
	uint16_t special;
};

static struct rx_desc rx_desc(struct e1000_driver *d, unsigned i)
{
	struct rx_desc r;

	nic_mem_read(&d->n, RING_RX + i * sizeof(r), &r, sizeof(r));
	return r;
}

static void assert_received(
	struct e1000_driver *d, unsigned i, const uint8_t *to, size_t n, uint8_t seed)
{
	uint8_t got[NIC_FRAME], frame[NIC_FRAME];
	struct rx_desc r = rx_desc(d, i);

	nic_make_frame(frame, to, n, seed);
	g_assert_cmphex(r.status & 3, ==, 3);
	g_assert_cmphex(r.errors, ==, 0);
	g_assert_cmpuint(r.length, ==, n);
	nic_mem_read(&d->n, r.address, got, n);
	g_assert_cmpmem(got, n, frame, n);
}

static void receive(gconstpointer ops)
{
	struct e1000_driver d;

	start(&d, ops);
	nic_set(&d.n, E_IMS, 0x80);
	nic_inject(&d.n, nic_mac, 1000, 5);
	assert_received(&d, 0, nic_mac, 1000, 5);
	g_assert_true(nic_irq(&d.n));
	g_assert_cmphex(nic_get(&d.n, E_ICR) & 0x80, ==, 0x80);
	g_assert_false(nic_irq(&d.n));
	g_assert_cmpuint(nic_get(&d.n, E_RDH), ==, 1);
	g_assert_cmpuint(nic_get(&d.n, 0x4074), ==, 1);    /* GPRC */
	g_assert_cmpuint(nic_get(&d.n, 0x4088), ==, 1004); /* GORCL */
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
	r = rx_desc(&d, 0);
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
			struct rx_desc r = rx_desc(&d, next);
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

/* Without descriptors frames wait at the back-end; one that is too large for those that are left is missed. */
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
		assert_received(&d, i, nic_mac, 100, i);
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
	g_assert_cmphex(rx_desc(&d, (nic_get(&d.n, E_RDH) + 15) % 16).status & 0x80, ==, 0x80);
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
	r = rx_desc(&d, 0);
	g_assert_cmpuint(r.length, ==, 104);
	g_assert_cmphex(r.status & 8, ==, 0);
	nic_set(&d.n, E_CTRL, nic_get(&d.n, E_CTRL) | 0x40000000);
	inject_tagged(&d, 0x2064);
	r = rx_desc(&d, 1);
	g_assert_cmphex(r.status & 8, ==, 8);
	g_assert_cmphex(r.special, ==, 0x2064);
	assert_received(&d, 1, nic_mac, 100, 6);
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
		r = rx_desc(&d, i);
		g_assert_cmphex(r.status & 0x60, ==, p.ip6 ? 0x20 : 0x60);
		g_assert_cmphex(r.errors, ==, (bad_ip && !p.ip6 ? 0x40 : 0) | (bad_l4 ? 0x20 : 0));
		g_assert_cmphex(r.csum, ==, ref_csum(f + 14, n - 14, 0));
	}
	driver_done(&d);
}

/* ---- interrupts ---- */

static void masks(gconstpointer ops)
{
	struct e1000_driver d;

	start(&d, ops);
	nic_set(&d.n, E_ICS, 0x10);
	g_assert_false(nic_irq(&d.n));
	nic_set(&d.n, E_IMS, 0x14);
	g_assert_true(nic_irq(&d.n));
	g_assert_cmphex(nic_get(&d.n, E_IMS), ==, 0x14);
	nic_set(&d.n, E_IMC, 0x10);
	g_assert_false(nic_irq(&d.n));
	nic_set(&d.n, E_ICR, 0x10);
	nic_set(&d.n, E_IMS, 0x10);
	g_assert_false(nic_irq(&d.n));
	nic_set(&d.n, E_ICS, 0x4);
	nic_save_and_load(&d.n);
	g_assert_true(nic_irq(&d.n));
	g_assert_cmphex(nic_get(&d.n, E_ICR) & 0x14, ==, 0x4);
	g_assert_cmphex(nic_get(&d.n, E_ICR), ==, 0);
	driver_done(&d);
}

/* ITR: 1000 units of 256 ns from one interrupt to the next. */
static void throttling(gconstpointer ops)
{
	struct e1000_driver d;

	start(&d, ops);
	nic_set(&d.n, E_ITR, 1000);
	nic_set(&d.n, E_IMS, 0x4);
	nic_set(&d.n, E_ICS, 0x4);
	g_assert_true(nic_irq(&d.n));
	nic_get(&d.n, E_ICR);
	nic_set(&d.n, E_ICS, 0x4);
	g_assert_false(nic_irq(&d.n));
	nic_step(&d.n, 255000);
	g_assert_false(nic_irq(&d.n));
	nic_save_and_load(&d.n);
	nic_step(&d.n, 1000);
	g_assert_true(nic_irq(&d.n));
	driver_done(&d);
}

/* RDTR 100 units of 1.024 µs after the last frame, RADV 150 after the first. */
static void receive_delay(gconstpointer ops)
{
	struct e1000_driver d;

	start(&d, ops);
	nic_set(&d.n, E_RDTR, 100);
	nic_set(&d.n, E_RADV, 150);
	nic_set(&d.n, E_IMS, 0x80);
	nic_inject(&d.n, nic_mac, 60, 1);
	g_assert_false(nic_irq(&d.n));
	nic_step(&d.n, 102000);
	g_assert_false(nic_irq(&d.n));
	nic_step(&d.n, 1000);
	g_assert_true(nic_irq(&d.n));
	nic_get(&d.n, E_ICR);
	nic_inject(&d.n, nic_mac, 60, 1);
	nic_step(&d.n, 80 * 1024);
	nic_inject(&d.n, nic_mac, 60, 1);
	nic_step(&d.n, 69 * 1024);
	g_assert_false(nic_irq(&d.n));
	nic_step(&d.n, 2 * 1024);
	g_assert_true(nic_irq(&d.n));
	nic_get(&d.n, E_ICR);
	nic_inject(&d.n, nic_mac, 60, 1);
	nic_set(&d.n, E_RDTR, 0x80000000u | 100);
	g_assert_true(nic_irq(&d.n));
	driver_done(&d);
}

static void transmit_delay(gconstpointer ops)
{
	struct e1000_driver d;
	uint8_t frame[60];

	start(&d, ops);
	nic_make_frame(frame, broadcast, sizeof(frame), 2);
	nic_set(&d.n, E_TIDV, 50);
	nic_set(&d.n, E_IMS, 1);
	driver_put(&d, (struct raw_desc){driver_buffer(&d, frame, 60), 0x89000000 | 60, 0});
	driver_ring(&d);
	g_assert_false(nic_irq(&d.n));
	g_assert_cmphex(driver_tx_desc(&d, 0).upper & 1, ==, 1);
	nic_step(&d.n, 50 * 1024);
	g_assert_true(nic_irq(&d.n));
	driver_done(&d);
}

static void threshold(gconstpointer ops)
{
	struct e1000_driver d;

	start(&d, ops);
	for (unsigned i = 0; i < 6; i++)
		nic_inject(&d.n, nic_mac, 60, 1);
	g_assert_cmphex(nic_get(&d.n, E_ICR) & 0x10, ==, 0);
	nic_inject(&d.n, nic_mac, 60, 1);
	g_assert_cmphex(nic_get(&d.n, E_ICR) & 0x10, ==, 0x10);
	driver_done(&d);
}

/* ---- life ---- */

/* PHY loopback, as drivers test themselves. */
static void loopback(gconstpointer ops)
{
	struct e1000_driver d;
	uint8_t frame[200];

	start(&d, ops);
	nic_make_frame(frame, nic_mac, sizeof(frame), 8);
	phy_write(&d, 0, 0x4140);
	driver_send(&d, frame, sizeof(frame));
	nic_assert_nothing_sent(&d.n);
	assert_received(&d, 0, nic_mac, sizeof(frame), 8);
	driver_done(&d);
}

static void no_bus_master(gconstpointer ops)
{
	struct e1000_driver d;
	uint8_t frame[60];

	start(&d, ops);
	nic_make_frame(frame, broadcast, sizeof(frame), 2);
	rig_cfg_write(d.n.r, d.n.devfn, PCI_COMMAND, 2, PCI_CMD_MEM);
	driver_send(&d, frame, sizeof(frame));
	nic_inject(&d.n, nic_mac, 60, 1);
	nic_assert_nothing_sent(&d.n);
	g_assert_cmpuint(nic_get(&d.n, E_RDH), ==, 0);
	rig_cfg_write(d.n.r, d.n.devfn, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
	nic_poll(&d.n);
	nic_assert_sent(&d.n, frame, sizeof(frame));
	g_assert_cmpuint(nic_get(&d.n, E_RDH), ==, 1);
	driver_done(&d);
}

/* A quiesced device does nothing; what was told to it is done afterwards. */
static void quiesced(gconstpointer ops)
{
	struct e1000_driver d;
	uint8_t frame[60];

	start(&d, ops);
	nic_make_frame(frame, broadcast, sizeof(frame), 2);
	nic_rig_quiesce(&d.n);
	driver_send(&d, frame, sizeof(frame));
	nic_inject(&d.n, nic_mac, 60, 1);
	nic_assert_nothing_sent(&d.n);
	g_assert_cmpuint(nic_get(&d.n, E_RDH), ==, 0);
	nic_rig_resume(&d.n);
	nic_poll(&d.n);
	nic_assert_sent(&d.n, frame, sizeof(frame));
	g_assert_cmpuint(nic_get(&d.n, E_RDH), ==, 1);
	driver_done(&d);
}

/* Reset while a packet waits for the network: it is not sent, and its descriptors are left alone. */
static void reset_while_blocked(gconstpointer ops)
{
	struct e1000_driver d;
	uint8_t frame[60];

	start(&d, ops);
	nic_make_frame(frame, broadcast, sizeof(frame), 2);
	fake_net_set_room(d.n.net, 0, 0);
	driver_send(&d, frame, sizeof(frame));
	nic_set(&d.n, E_CTRL, 0x04000000);
	fake_net_set_room(d.n.net, 0, 100);
	nic_poll(&d.n);
	nic_assert_nothing_sent(&d.n);
	g_assert_cmphex(driver_tx_desc(&d, 0).upper, ==, 0);
	g_assert_cmpuint(nic_get(&d.n, E_TDH), ==, 0);
	driver_done(&d);
}

static void random_writes(gconstpointer ops)
{
	struct e1000_driver d;
	uint8_t frame[60];

	start(&d, ops);
	nic_random_writes(&d.n, 100000);
	nic_make_frame(frame, broadcast, sizeof(frame), 2);
	nic_set(&d.n, E_TDBAL, RING_TX);
	nic_set(&d.n, E_TDLEN, 16 * 16);
	nic_set(&d.n, E_TCTL, 2);
	d.tx_tail = 0;
	driver_send(&d, frame, sizeof(frame));
	nic_assert_sent(&d.n, frame, sizeof(frame));
	driver_done(&d);
}

static const struct {
	const char *name;
	void (*fn)(gconstpointer ops);
} tests[] = {
	{"eerd", eerd},
	{"microwire", microwire},
	{"phy", phy},
	{"negotiation", negotiation},
	{"link", link_changes},
	{"io-window", io_window},
	{"reset-bit", reset_bit},
	{"send/legacy", send_legacy},
	{"send/pieces", send_pieces},
	{"send/many", send_many},
	{"send/checksums", send_checksums},
	{"send/segmentation", segmentation},
	{"send/segmentation-offload", segmentation_offload},
	{"send/bad-descriptors", bad_descriptors},
	{"receive/one", receive},
	{"receive/padding-and-fcs", padding_and_fcs},
	{"receive/many", receive_many},
	{"receive/full", receive_full},
	{"receive/filters", filters},
	{"receive/vlan", vlan},
	{"receive/checksums", receive_checksums},
	{"irq/masks", masks},
	{"irq/throttling", throttling},
	{"irq/receive-delay", receive_delay},
	{"irq/transmit-delay", transmit_delay},
	{"irq/threshold", threshold},
	{"loopback", loopback},
	{"no-bus-master", no_bus_master},
	{"quiesced", quiesced},
	{"reset-while-blocked", reset_while_blocked},
	{"random-writes", random_writes},
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
