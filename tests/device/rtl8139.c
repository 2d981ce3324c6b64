/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RTL8139C+ as its drivers go: C mode like 8139too, Windows' and iPXE's; C+ mode like 8139cp.
 * Registers by ports or by memory, of any width.
 */
#include <string.h>

#include "tests/device/nic.h"

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

enum {
	IDR = 0x00,
	MAR = 0x08,
	TSD = 0x10,
	TSAD = 0x20,
	RBSTART = 0x30,
	CR = 0x37,
	CAPR = 0x38,
	CBR = 0x3a,
	IMR = 0x3c,
	ISR = 0x3e,
	TCR = 0x40,
	RCR = 0x44,
	TCTR = 0x48,
	MPC = 0x4c,
	EE = 0x50,
	CONFIG1 = 0x52,
	TIMER_INT = 0x54,
	MSR = 0x58,
	TSAD_ALL = 0x60,
	BMCR = 0x62,
	BMSR = 0x64,
	TPPOLL = 0xd9,
	CPCR = 0xe0,
	RDSAR = 0xe4,
};

#define RX_RING   0x100000u
#define TX_BUFFER 0x200000u
#define TX_RING   0x140000u
#define RX_DESCS  0x150000u
#define RX_BUFFER 0x300000u
#define OWN       0x80000000u
#define EOR       0x40000000u
#define FS        0x20000000u
#define LS        0x10000000u

struct desc {
	uint32_t command, vlan, low, high;
};

static void plug(struct nic_rig *n)
{
	nic_rig_init(n, &rtl8139_ops, rtl8139_set_backend, 0);
}

/* C mode: receiver with a ring of 8 KiB, everything accepted. */
static void start_c(struct nic_rig *n, uint32_t rcr)
{
	plug(n);
	nic_out(n, CR, 1, 0x10);
	g_assert_cmphex(nic_in(n, CR, 1) & 0x10, ==, 0);
	nic_out(n, RBSTART, 4, RX_RING);
	nic_out(n, CR, 1, 0x0c);
	nic_out(n, RCR, 4, 0xe70f | rcr);
	nic_out(n, TCR, 4, 0x03000700);
	nic_poll(n);
}

/* ---- registers ---- */

static void identity(void)
{
	struct nic_rig n;

	plug(&n);
	g_assert_cmphex(rig_cfg_read(n.r, n.devfn, 0, 4), ==, 0x813910ec);
	g_assert_cmphex(rig_cfg_read(n.r, n.devfn, 8, 1), ==, 0x20);
	g_assert_cmphex(nic_in(&n, TCR, 4) & 0x7cc00000, ==, 0x74800000);
	g_assert_cmphex(nic_get(&n, IDR), ==, 0x12005452);
	g_assert_cmphex(nic_in(&n, IDR + 4, 2), ==, 0x5634);
	g_assert_cmphex(nic_in(&n, MSR, 1) & 4, ==, 0);
	g_assert_cmphex(nic_in(&n, BMSR, 2) & 0x24, ==, 0x24);
	g_assert_cmphex(nic_in(&n, CR, 1) & 1, ==, 1);
	g_assert_cmphex(nic_in(&n, TSD, 4), ==, 0x2000);
	g_assert_cmphex(nic_in(&n, CAPR, 2), ==, 0xfff0);
	nic_rig_done(&n);
}

static void config_lock(void)
{
	struct nic_rig n;
	uint8_t before;

	plug(&n);
	before = (uint8_t)nic_in(&n, CONFIG1, 1);
	nic_out(&n, CONFIG1, 1, before ^ 0x20);
	g_assert_cmphex(nic_in(&n, CONFIG1, 1), ==, before);
	nic_out(&n, EE, 1, 0xc0);
	nic_out(&n, CONFIG1, 1, before ^ 0x20);
	g_assert_cmphex(nic_in(&n, CONFIG1, 1), ==, before ^ 0x20);
	nic_out(&n, EE, 1, 0);
	nic_out(&n, CONFIG1, 1, before);
	g_assert_cmphex(nic_in(&n, CONFIG1, 1), ==, before ^ 0x20);
	/* Auto-load puts the EEPROM's values back. */
	nic_out(&n, IDR, 4, 0);
	nic_out(&n, EE, 1, 0x40);
	g_assert_cmphex(nic_in(&n, EE, 1), ==, 0);
	g_assert_cmphex(nic_in(&n, IDR, 4), ==, 0x12005452);
	g_assert_cmphex(nic_in(&n, CONFIG1, 1), ==, before);
	nic_rig_done(&n);
}

static void clock_bit(struct nic_rig *n, bool di)
{
	uint8_t v = (uint8_t)(0x88 | (di ? 2 : 0));

	nic_out(n, EE, 1, v);
	nic_out(n, EE, 1, v | 4);
}

/* As 8139too reads it; with @address_bits that are not the chip's, nonsense comes out. */
static uint16_t read_eeprom(struct nic_rig *n, unsigned word, unsigned address_bits)
{
	unsigned command = 6u << address_bits | word, v = 0;

	nic_out(n, EE, 1, 0x80);
	nic_out(n, EE, 1, 0x88);
	for (unsigned i = address_bits + 3; i-- > 0;)
		clock_bit(n, command >> i & 1);
	nic_out(n, EE, 1, 0x88);
	for (unsigned i = 0; i < 16; i++) {
		nic_out(n, EE, 1, 0x8c);
		v = v << 1 | (nic_in(n, EE, 1) & 1);
		nic_out(n, EE, 1, 0x88);
	}
	nic_out(n, EE, 1, 0x80);
	nic_out(n, EE, 1, 0);
	return (uint16_t)v;
}

static void eeprom(void)
{
	struct nic_rig n;

	plug(&n);
	g_assert_cmphex(read_eeprom(&n, 0, 8), !=, 0x8129);
	g_assert_cmphex(read_eeprom(&n, 0, 6), ==, 0x8129);
	g_assert_cmphex(read_eeprom(&n, 7, 6), ==, 0x5452);
	g_assert_cmphex(read_eeprom(&n, 8, 6), ==, 0x1200);
	g_assert_cmphex(read_eeprom(&n, 9, 6), ==, 0x5634);
	nic_rig_done(&n);
}

static void link_changes(void)
{
	struct nic_rig n;

	plug(&n);
	nic_out(&n, IMR, 2, 0x20);
	net_set_link(&n.net->net, false);
	g_assert_true(nic_irq(&n));
	g_assert_cmphex(nic_in(&n, MSR, 1) & 4, ==, 4);
	g_assert_cmphex(nic_in(&n, BMSR, 2) & 4, ==, 0);
	nic_out(&n, ISR, 2, 0x20);
	g_assert_false(nic_irq(&n));
	net_set_link(&n.net->net, true);
	g_assert_true(nic_irq(&n));
	g_assert_cmphex(nic_in(&n, BMSR, 2) & 4, ==, 4);
	nic_rig_done(&n);
}

/* TCTR counts at 33 MHz; TimeOut comes when it shows TimerInt. */
static void timer(void)
{
	struct nic_rig n;

	plug(&n);
	nic_out(&n, IMR, 2, 0x4000);
	nic_out(&n, TCTR, 4, 0);
	nic_out(&n, TIMER_INT, 4, 33000);
	nic_step(&n, 500000);
	g_assert_cmpuint(nic_in(&n, TCTR, 4), ==, 16500);
	g_assert_false(nic_irq(&n));
	nic_save_and_load(&n);
	nic_step(&n, 500000);
	g_assert_true(nic_irq(&n));
	g_assert_cmphex(nic_in(&n, ISR, 2), ==, 0x4000);
	nic_out(&n, ISR, 2, 0x4000);
	nic_step(&n, NSEC_PER_SEC);
	g_assert_false(nic_irq(&n));
	nic_out(&n, TCTR, 4, 0);
	nic_step(&n, 1000001);
	g_assert_true(nic_irq(&n));
	nic_rig_done(&n);
}

/* ---- C mode: transmit ---- */

static void send_slot(struct nic_rig *n, unsigned slot, const uint8_t *frame, size_t size)
{
	nic_mem_write(n, TX_BUFFER + slot * 2048, frame, size);
	nic_out(n, (TSAD + 4 * slot), 4, TX_BUFFER + slot * 2048);
	nic_out(n, (TSD + 4 * slot), 4, (uint32_t)size | 0x30000);
	nic_poll(n);
}

static void transmit(void)
{
	struct nic_rig n;
	uint8_t frame[1514];

	start_c(&n, 0);
	nic_out(&n, IMR, 2, 4);
	for (unsigned i = 0; i < 50; i++) {
		size_t size = (size_t)g_test_rand_int_range(60, 1515);

		nic_make_frame(frame, broadcast, size, (uint8_t)i);
		send_slot(&n, i % 4, frame, size);
		nic_assert_sent(&n, frame, size);
		g_assert_cmphex(nic_in(&n, TSD + 4 * (i % 4), 4) & 0xa000, ==, 0xa000);
		g_assert_cmphex(nic_in(&n, TSAD_ALL, 2) >> (12 + i % 4) & 1, ==, 1);
		g_assert_true(nic_irq(&n));
		g_assert_cmphex(nic_in(&n, ISR, 2), ==, 4);
		nic_out(&n, ISR, 2, 4);
		g_assert_false(nic_irq(&n));
		if (i % 7 == 0)
			nic_save_and_load(&n);
	}
	nic_rig_done(&n);
}

/* Four slots full, then room for one frame after the other: in order, each once. */
static void transmit_blocked(void)
{
	struct nic_rig n;
	uint8_t frame[100];

	start_c(&n, 0);
	fake_net_set_room(n.net, 0, 0);
	for (unsigned i = 0; i < 4; i++) {
		nic_make_frame(frame, broadcast, sizeof(frame), (uint8_t)i);
		send_slot(&n, i, frame, sizeof(frame));
	}
	nic_assert_nothing_sent(&n);
	nic_save_and_load(&n);
	for (unsigned i = 0; i < 4; i++) {
		fake_net_set_room(n.net, 0, 1);
		nic_poll(&n);
		nic_make_frame(frame, broadcast, sizeof(frame), (uint8_t)i);
		nic_assert_sent(&n, frame, sizeof(frame));
		nic_assert_nothing_sent(&n);
	}
	g_assert_cmphex(nic_in(&n, TSAD_ALL, 2), ==, 0xf00f);
	nic_rig_done(&n);
}

/* ---- C mode: receive ---- */

/* A model of a driver: reads the frame at its pointer, as far as there is one. */
struct reader {
	uint32_t at, size;
	bool linear; /* frames run over the end of the ring */
};

static void ring_read(
	struct nic_rig *n, const struct reader *r, uint32_t at, uint8_t *to, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		nic_mem_read(n, RX_RING + (r->linear ? at + i : (at + i) % r->size), to + i, 1);
}

/* The next frame with its FCS into @to; its length, or 0. Moves CAPR. */
static uint32_t next_frame(struct nic_rig *n, struct reader *r, uint8_t *to, uint16_t *ret_status)
{
	uint8_t head[4];
	uint32_t size;

	if (nic_in(n, CR, 1) & 1)
		return 0;
	ring_read(n, r, r->at, head, 4);
	*ret_status = (uint16_t)(head[0] | head[1] << 8);
	size = head[2] | (uint32_t)head[3] << 8;
	g_assert_cmpuint(size, <=, 1800);
	ring_read(n, r, r->at + 4, to, size);
	r->at = (r->at + size + 4 + 3) / 4 * 4 % r->size;
	nic_out(n, CAPR, 2, (uint16_t)(r->at - 16));
	nic_poll(n);
	return size;
}

static uint32_t crc(const uint8_t *p, size_t n)
{
	uint32_t c = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		c ^= p[i];
		for (unsigned bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
	}
	return c;
}

/* Frames of all sizes round and round; the reader is now and then late, and frames wait. */
static void receive_ring(gconstpointer data)
{
	uint32_t rcr = GPOINTER_TO_UINT(data);
	struct reader r = {.size = 8192u << (rcr >> 11 & 3), .linear = rcr & 0x80};
	struct nic_rig n;
	uint8_t got[1800], frame[1514];
	unsigned sent = 0, taken = 0;
	size_t sizes[64];
	uint16_t status;

	start_c(&n, rcr);
	while (taken < 400) {
		for (int k = g_test_rand_int_range(0, 20); k && sent - taken < 64; k--, sent++) {
			sizes[sent % 64] = (size_t)g_test_rand_int_range(60, 1515);
			nic_inject(&n, nic_mac, sizes[sent % 64], (uint8_t)sent);
		}
		if (sent % 5 == 0)
			nic_save_and_load(&n);
		for (int k = g_test_rand_int_range(0, 20); k && taken < sent; k--, taken++) {
			size_t size = sizes[taken % 64];
			uint32_t have = next_frame(&n, &r, got, &status);

			nic_make_frame(frame, nic_mac, size, (uint8_t)taken);
			g_assert_cmpuint(have, ==, size + 4);
			g_assert_cmpmem(got, size, frame, size);
			g_assert_cmphex(crc(got, have), ==, 0xdebb20e3);
			g_assert_cmphex(status, ==, 0x4001);
			g_assert_cmpuint(nic_in(&n, MPC, 4), ==, 0);
		}
	}
	nic_rig_done(&n);
}

static void receive_interrupt(void)
{
	struct nic_rig n;
	uint16_t status;
	uint8_t got[1800];
	struct reader r = {.size = 8192};

	start_c(&n, 0);
	nic_out(&n, IMR, 2, 1);
	nic_inject(&n, broadcast, 60, 1);
	g_assert_true(nic_irq(&n));
	g_assert_cmphex(nic_in(&n, CR, 1) & 1, ==, 0);
	g_assert_cmpuint(nic_in(&n, CBR, 2), ==, 68);
	nic_out(&n, ISR, 2, 1);
	g_assert_false(nic_irq(&n));
	g_assert_cmpuint(next_frame(&n, &r, got, &status), ==, 64);
	g_assert_cmphex(status, ==, 0x2001);
	g_assert_cmphex(nic_in(&n, CR, 1) & 1, ==, 1);
	nic_rig_done(&n);
}

static bool gets(struct nic_rig *n, const uint8_t *to)
{
	unsigned before = nic_in(n, CBR, 2);

	nic_inject(n, to, 60, 1);
	nic_out(n, CAPR, 2, (uint16_t)(nic_in(n, CBR, 2) - 16));
	nic_poll(n);
	return nic_in(n, CBR, 2) != before;
}

static void filters(void)
{
	static const uint8_t other[6] = {2, 2, 2, 2, 2, 2}, group[6] = {1, 0, 0x5e, 0, 0, 1};
	struct nic_rig n;
	unsigned hash = 0;
	uint32_t c = UINT32_MAX;

	/* The CRC register as the wire fills it, most significant bit first. */
	for (unsigned i = 0; i < 48; i++) {
		bool bit = (c >> 31) ^ (group[i / 8] >> (i % 8) & 1);

		c = c << 1 ^ (bit ? 0x04c11db7u : 0);
	}
	hash = c >> 26;
	start_c(&n, 0);
	nic_out(&n, RCR, 4, 2);
	g_assert_true(gets(&n, nic_mac));
	g_assert_false(gets(&n, other));
	g_assert_false(gets(&n, group));
	g_assert_false(gets(&n, broadcast));
	nic_out(&n, RCR, 4, 8);
	g_assert_true(gets(&n, broadcast));
	g_assert_false(gets(&n, nic_mac));
	nic_out(&n, RCR, 4, 4);
	g_assert_false(gets(&n, group));
	nic_out(&n, MAR + hash / 32 * 4, 4, 1u << hash % 32);
	g_assert_true(gets(&n, group));
	g_assert_false(gets(&n, nic_mac));
	nic_out(&n, RCR, 4, 1);
	g_assert_true(gets(&n, other));
	nic_rig_done(&n);
}

/* ---- C+ mode ---- */

#define RX_N 16

struct cplus {
	struct nic_rig n;
	unsigned tx, rx; /* next descriptors */
	unsigned tx_n;
};

static struct desc get_desc(struct cplus *c, uint32_t ring, unsigned i)
{
	struct desc t;

	nic_mem_read(&c->n, ring + 16 * i, &t, sizeof(t));
	return t;
}

static void put_desc(struct cplus *c, uint32_t ring, unsigned i, struct desc t)
{
	nic_mem_write(&c->n, ring + 16 * i, &t, sizeof(t));
}

static void give_rx(struct cplus *c, unsigned i)
{
	put_desc(c, RX_DESCS, i,
		(struct desc){.command = OWN | (i == RX_N - 1 ? EOR : 0) | 1536,
			.low = RX_BUFFER + i * 2048});
}

static void start_cplus(struct cplus *c, unsigned tx_n, unsigned cpcr)
{
	*c = (struct cplus){.tx_n = tx_n};
	plug(&c->n);
	for (unsigned i = 0; i < RX_N; i++)
		give_rx(c, i);
	for (unsigned i = 0; i < tx_n; i++)
		put_desc(c, TX_RING, i, (struct desc){.command = i == tx_n - 1 ? EOR : 0});
	nic_out(&c->n, CR, 1, 0x10);
	nic_out(&c->n, CPCR, 2, 0x0b | cpcr);
	nic_out(&c->n, TSAD, 4, TX_RING);
	nic_out(&c->n, TSAD + 4, 4, 0);
	nic_out(&c->n, RDSAR, 4, RX_DESCS);
	nic_out(&c->n, RDSAR + 4, 4, 0);
	nic_out(&c->n, CR, 1, 0x0c);
	nic_out(&c->n, RCR, 4, 0x0f);
	nic_poll(&c->n);
}

static void put_tx(struct cplus *c, uint64_t at, uint32_t command, uint32_t vlan)
{
	put_desc(c, TX_RING, c->tx,
		(struct desc){.command = OWN | command | (c->tx == c->tx_n - 1 ? EOR : 0),
			.vlan = vlan,
			.low = (uint32_t)at,
			.high = (uint32_t)(at >> 32)});
	c->tx = (c->tx + 1) % c->tx_n;
}

static void ring_tx(struct cplus *c)
{
	nic_out(&c->n, TPPOLL, 1, 0x40);
	nic_poll(&c->n);
}

static void cplus_transmit(void)
{
	struct cplus c;
	uint8_t frame[1514];

	start_cplus(&c, 7, 0);
	nic_out(&c.n, IMR, 2, 4);
	for (unsigned i = 0; i < 100; i++) {
		uint32_t size = (uint32_t)g_test_rand_int_range(60, 1515), cut = size / 3;

		nic_make_frame(frame, broadcast, size, (uint8_t)i);
		nic_mem_write(&c.n, TX_BUFFER, frame, size);
		if (i % 4 == 0)
			fake_net_set_room(c.n.net, 0, 0);
		if (i % 2) {
			put_tx(&c, TX_BUFFER, FS | LS | size, 0);
		} else {
			put_tx(&c, TX_BUFFER, FS | cut, 0);
			put_tx(&c, TX_BUFFER + cut, LS | (size - cut), 0);
		}
		ring_tx(&c);
		if (i % 4 == 0) {
			g_assert_cmphex(
				get_desc(&c, TX_RING, (c.tx + 6) % 7).command & OWN, ==, OWN);
			nic_save_and_load(&c.n);
			fake_net_set_room(c.n.net, 0, 1000);
			nic_poll(&c.n);
		}
		nic_assert_sent(&c.n, frame, size);
		nic_assert_nothing_sent(&c.n);
		g_assert_cmphex(get_desc(&c, TX_RING, (c.tx + 6) % 7).command & OWN, ==, 0);
		g_assert_cmphex(nic_in(&c.n, ISR, 2) & 0x84, ==, 0x84);
		nic_out(&c.n, ISR, 2, 0xffff);
	}
	nic_rig_done(&c.n);
}

/* A TCP or UDP packet whose sums are nonsense. */
static uint32_t make_packet(uint8_t *p, bool udp, uint32_t payload)
{
	uint32_t l4 = udp ? 8 : 20, size = 34 + l4 + payload;

	nic_make_frame(p, broadcast, size, 3);
	p[0] = 2;
	p[12] = 8;
	p[13] = 0;
	p[14] = 0x45;
	p[16] = (uint8_t)((size - 14) >> 8);
	p[17] = (uint8_t)(size - 14);
	p[20] = p[21] = 0;
	p[23] = udp ? 17 : 6;
	if (udp) {
		p[38] = (uint8_t)((8 + payload) >> 8);
		p[39] = (uint8_t)(8 + payload);
	} else {
		p[46] = 0x50;
		p[47] = 0x19;
	}
	return size;
}

static void cplus_checksums(void)
{
	struct cplus c;
	uint8_t p[1514];

	start_cplus(&c, 64, 0);
	for (unsigned i = 0; i < 40; i++) {
		bool udp = i % 2;
		uint32_t size = make_packet(p, udp, (uint32_t)g_test_rand_int_range(0, 1400));
		g_autoptr(GBytes) b = NULL;

		nic_mem_write(&c.n, TX_BUFFER, p, size);
		put_tx(&c, TX_BUFFER, FS | LS | 1u << 18 | (udp ? 1u << 17 : 1u << 16) | size, 0);
		ring_tx(&c);
		b = nic_sent(&c.n);
		g_assert_nonnull(b);
		ref_check_frame(g_bytes_get_data(b, NULL), g_bytes_get_size(b));
	}
	nic_rig_done(&c.n);
}

static void cplus_large_send(void)
{
	static uint8_t p[65535];
	struct cplus c;

	start_cplus(&c, 64, 0);
	for (unsigned round = 0; round < 30; round++) {
		uint32_t payload = (uint32_t)g_test_rand_int_range(1, 60000);
		uint32_t mss = (uint32_t)g_test_rand_int_range(200, 1461), done = 0;
		uint32_t size = make_packet(p, false, payload), seq = 0;

		nic_mem_write(&c.n, TX_BUFFER, p, size);
		if (round % 3 == 0)
			fake_net_set_room(c.n.net, 0, 3);
		put_tx(&c, TX_BUFFER, FS | 1u << 27 | mss << 16 | (size + 1) / 2, 0);
		put_tx(&c, TX_BUFFER + (size + 1) / 2, LS | size / 2, 0);
		ring_tx(&c);
		nic_save_and_load(&c.n);
		fake_net_set_room(c.n.net, 0, 1000);
		nic_poll(&c.n);
		for (; done < payload; done += MIN(mss, payload - done)) {
			g_autoptr(GBytes) b = nic_sent(&c.n);
			const uint8_t *f;
			uint32_t n = MIN(mss, payload - done);

			g_assert_nonnull(b);
			f = g_bytes_get_data(b, NULL);
			g_assert_cmpuint(g_bytes_get_size(b), ==, 54 + n);
			ref_check_frame(f, 54 + n);
			g_assert_cmpmem(f + 54, n, p + 54 + done, n);
			seq = (uint32_t)f[38] << 24 | (uint32_t)f[39] << 16 | (uint32_t)f[40] << 8 |
			      f[41];
			g_assert_cmphex(seq, ==,
				((uint32_t)p[38] << 24 | (uint32_t)p[39] << 16 |
					(uint32_t)p[40] << 8 | p[41]) +
					done);
			g_assert_cmphex(f[47], ==, done + n == payload ? 0x19 : 0x10);
		}
		/* No bit of the MSS is taken for an error. */
		g_assert_cmphex(
			get_desc(&c, TX_RING, (c.tx + 63) % 64).command & 0x8fff0000, ==, 0);
		g_assert_cmphex(
			get_desc(&c, TX_RING, (c.tx + 62) % 64).command & 0x8fff0000, ==, 0);
		nic_assert_nothing_sent(&c.n);
	}
	nic_rig_done(&c.n);
}

static void cplus_vlan(void)
{
	struct cplus c;
	uint8_t frame[100], tagged[104];
	g_autoptr(GBytes) b = NULL;
	struct desc t;

	start_cplus(&c, 4, 0x40);
	nic_make_frame(frame, nic_mac, sizeof(frame), 1);
	nic_mem_write(&c.n, TX_BUFFER, frame, sizeof(frame));
	put_tx(&c, TX_BUFFER, FS | LS | 100, 0x20000 | 0x3412);
	ring_tx(&c);
	memcpy(tagged, frame, 12);
	memcpy(tagged + 12, "\x81\x00\x12\x34", 4);
	memcpy(tagged + 16, frame + 12, 88);
	nic_assert_sent(&c.n, tagged, 104);
	fake_net_inject(c.n.net, 0, tagged, 104);
	nic_poll(&c.n);
	t = get_desc(&c, RX_DESCS, 0);
	g_assert_cmphex(t.vlan, ==, 0x13412);
	g_assert_cmpuint(t.command & 0x1fff, ==, 104);
	nic_mem_read(&c.n, RX_BUFFER, tagged, 100);
	g_assert_cmpmem(tagged, 100, frame, 100);
	nic_rig_done(&c.n);
}

static void cplus_receive(void)
{
	struct cplus c;
	uint8_t got[1514], frame[1514];

	start_cplus(&c, 4, 0x20);
	nic_out(&c.n, IMR, 2, 1);
	for (unsigned i = 0; i < 100; i++) {
		size_t size = (size_t)g_test_rand_int_range(60, 1515);
		struct desc t;

		nic_make_frame(frame, nic_mac, size, (uint8_t)i);
		nic_inject(&c.n, nic_mac, size, (uint8_t)i);
		g_assert_true(nic_irq(&c.n));
		nic_out(&c.n, ISR, 2, 0xffff);
		t = get_desc(&c, RX_DESCS, c.rx);
		g_assert_cmphex(
			t.command & ~0x40000000u, ==, FS | LS | 0x02000000u | (uint32_t)(size + 4));
		g_assert_cmphex(t.command & EOR, ==, c.rx == RX_N - 1 ? EOR : 0);
		nic_mem_read(&c.n, t.low, got, size);
		g_assert_cmpmem(got, size, frame, size);
		give_rx(&c, c.rx);
		c.rx = (c.rx + 1) % RX_N;
		if (i % 10 == 0)
			nic_save_and_load(&c.n);
	}
	nic_rig_done(&c.n);
}

static void cplus_receive_checksums(void)
{
	struct cplus c;

	start_cplus(&c, 4, 0x20);
	for (unsigned i = 0; i < 6; i++) {
		bool udp = i % 2, bad_ip = i / 2 == 1, bad_l4 = i / 2 == 2;
		uint8_t p[300];
		uint32_t size = make_packet(p, udp, 200), want;
		g_autoptr(GBytes) b = NULL;

		nic_mem_write(&c.n, TX_BUFFER, p, size);
		put_tx(&c, TX_BUFFER, FS | LS | 1u << 18 | (udp ? 1u << 17 : 1u << 16) | size, 0);
		ring_tx(&c);
		b = nic_sent(&c.n);
		memcpy(p, g_bytes_get_data(b, NULL), size);
		p[22] ^= bad_ip;
		p[size - 1] ^= bad_l4;
		fake_net_inject(c.n.net, 0, p, size);
		nic_poll(&c.n);
		want = (udp ? 0x20000u : 0x10000u) | (bad_ip ? 0x8000u : 0) |
		       (bad_l4 ? (udp ? 0x4000u : 0x2000u) : 0);
		g_assert_cmphex(get_desc(&c, RX_DESCS, i).command & 0x3e000, ==, want);
	}
	nic_rig_done(&c.n);
}

/* Without descriptors frames wait; the driver is told, and needs no doorbell to go on. */
static void cplus_starved(void)
{
	struct cplus c;

	start_cplus(&c, 4, 0);
	nic_out(&c.n, IMR, 2, 0x10);
	for (unsigned i = 0; i < RX_N; i++)
		nic_inject(&c.n, nic_mac, 60, (uint8_t)i);
	nic_poll(&c.n);
	g_assert_true(nic_irq(&c.n));
	nic_out(&c.n, ISR, 2, 0xffff);
	nic_inject(&c.n, nic_mac, 60, 99);
	g_assert_cmpuint(c.n.net->queues[0].waiting.length, ==, 1);
	g_assert_false(nic_irq(&c.n));
	give_rx(&c, 0);
	nic_step(&c.n, 2 * NSEC_PER_MSEC);
	g_assert_cmpuint(c.n.net->queues[0].waiting.length, ==, 0);
	g_assert_cmphex(get_desc(&c, RX_DESCS, 0).command & OWN, ==, 0);
	/* Or at the next write to an interrupt register. */
	nic_inject(&c.n, nic_mac, 60, 98);
	give_rx(&c, 1);
	nic_out(&c.n, IMR, 2, 0x11);
	nic_poll(&c.n);
	g_assert_cmpuint(c.n.net->queues[0].waiting.length, ==, 0);
	nic_rig_done(&c.n);
}

static void cplus_tally(void)
{
	struct cplus c;
	uint64_t dump[8];

	start_cplus(&c, 4, 0);
	nic_inject(&c.n, nic_mac, 60, 1);
	nic_inject(&c.n, broadcast, 60, 1);
	nic_mem_write(&c.n, TX_BUFFER, broadcast, 6);
	put_tx(&c, TX_BUFFER, FS | LS | 60, 0);
	ring_tx(&c);
	nic_out(&c.n, TSD + 4, 4, 0);
	nic_out(&c.n, TSD, 4, 0x500000 | 8);
	g_assert_cmphex(nic_in(&c.n, TSD, 4), ==, 0x500000);
	nic_mem_read(&c.n, 0x500000, dump, sizeof(dump));
	g_assert_cmpuint(dump[0], ==, 1);
	g_assert_cmpuint(dump[1], ==, 2);
	g_assert_cmpuint(dump[5], ==, 1);
	g_assert_cmpuint(dump[6], ==, 1);
	nic_rig_done(&c.n);
}

/* Rings without an end, or without memory. */
static void cplus_bad_descriptors(void)
{
	struct cplus c;
	uint8_t frame[60];

	start_cplus(&c, 4, 0);
	nic_make_frame(frame, broadcast, sizeof(frame), 1);
	nic_mem_write(&c.n, TX_BUFFER, frame, sizeof(frame));
	for (unsigned i = 0; i < 4; i++)
		put_tx(&c, TX_BUFFER, FS | 0xffff, 0);
	ring_tx(&c);
	put_tx(&c, UINT64_C(1) << 61, FS | LS | 60, 0);
	put_tx(&c, TX_BUFFER, FS | LS | 3, 0);
	ring_tx(&c);
	nic_assert_nothing_sent(&c.n);
	g_assert_cmpuint(c.n.d->guest_errors, ==, 3);
	put_tx(&c, TX_BUFFER, FS | LS | 60, 0);
	ring_tx(&c);
	nic_assert_sent(&c.n, frame, 60);
	nic_out(&c.n, TSAD + 4, 4, 0x70000000);
	ring_tx(&c);
	nic_assert_nothing_sent(&c.n);
	nic_rig_done(&c.n);
}

/* ---- life ---- */

static void loopback(void)
{
	struct nic_rig n;
	struct reader r = {.size = 8192};
	uint8_t frame[200], got[1800];
	uint16_t status;

	start_c(&n, 0);
	nic_out(&n, TCR, 4, 0x03060700);
	nic_make_frame(frame, nic_mac, sizeof(frame), 1);
	send_slot(&n, 0, frame, sizeof(frame));
	nic_assert_nothing_sent(&n);
	g_assert_cmpuint(next_frame(&n, &r, got, &status), ==, 204);
	g_assert_cmpmem(got, 200, frame, 200);
	nic_rig_done(&n);
}

static void random_writes(void)
{
	struct nic_rig n;
	uint8_t frame[60];

	start_c(&n, 0);
	nic_random_writes(&n, 100000);
	nic_out(&n, CR, 1, 0x0c);
	nic_make_frame(frame, broadcast, sizeof(frame), 1);
	send_slot(&n, 0, frame, sizeof(frame));
	nic_assert_sent(&n, frame, sizeof(frame));
	nic_rig_done(&n);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/rtl8139/identity", identity);
	g_test_add_func("/rtl8139/config-lock", config_lock);
	g_test_add_func("/rtl8139/eeprom", eeprom);
	g_test_add_func("/rtl8139/link", link_changes);
	g_test_add_func("/rtl8139/timer", timer);
	g_test_add_func("/rtl8139/c/transmit", transmit);
	g_test_add_func("/rtl8139/c/transmit-blocked", transmit_blocked);
	g_test_add_data_func("/rtl8139/c/receive-8k", GUINT_TO_POINTER(0), receive_ring);
	g_test_add_data_func("/rtl8139/c/receive-8k-wrap", GUINT_TO_POINTER(0x80), receive_ring);
	g_test_add_data_func("/rtl8139/c/receive-32k-wrap", GUINT_TO_POINTER(0x1080), receive_ring);
	g_test_add_data_func("/rtl8139/c/receive-64k", GUINT_TO_POINTER(0x1800), receive_ring);
	g_test_add_func("/rtl8139/c/receive-interrupt", receive_interrupt);
	g_test_add_func("/rtl8139/c/filters", filters);
	g_test_add_func("/rtl8139/cplus/transmit", cplus_transmit);
	g_test_add_func("/rtl8139/cplus/checksums", cplus_checksums);
	g_test_add_func("/rtl8139/cplus/large-send", cplus_large_send);
	g_test_add_func("/rtl8139/cplus/vlan", cplus_vlan);
	g_test_add_func("/rtl8139/cplus/receive", cplus_receive);
	g_test_add_func("/rtl8139/cplus/receive-checksums", cplus_receive_checksums);
	g_test_add_func("/rtl8139/cplus/starved", cplus_starved);
	g_test_add_func("/rtl8139/cplus/tally", cplus_tally);
	g_test_add_func("/rtl8139/cplus/bad-descriptors", cplus_bad_descriptors);
	g_test_add_func("/rtl8139/loopback", loopback);
	g_test_add_func("/rtl8139/random-writes", random_writes);
	return g_test_run();
}
