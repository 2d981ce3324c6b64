/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/device/e1000-driver.h"

#include <string.h>

#define TX_ROOM 0x180000u /* bytes of BUFFER_TX */

static void fill_rx_ring(struct e1000_driver *d)
{
	for (unsigned i = 0; i < d->rx_size; i++) {
		struct raw_desc t = {.address = BUFFER_RX + i * RX_BUFFER};

		nic_mem_write(&d->n, RING_RX + i * sizeof(t), &t, sizeof(t));
	}
}

void driver_init(struct e1000_driver *d, const struct dev_ops *ops, unsigned offloads,
	unsigned tx_size, unsigned rx_size)
{
	*d = (struct e1000_driver){.tx_size = tx_size, .rx_size = rx_size};
	nic_rig_init(
		&d->n, ops, ops == &e1000_ops ? e1000_set_backend : e1000e_set_backend, offloads);
	fill_rx_ring(d);
	nic_set(&d->n, E_TDBAL, RING_TX);
	nic_set(&d->n, E_TDLEN, tx_size * 16);
	nic_set(&d->n, E_TCTL, 0x0103f0fa);
	nic_set(&d->n, E_RDBAL, RING_RX);
	nic_set(&d->n, E_RDLEN, rx_size * 16);
	nic_set(&d->n, E_RDT, rx_size - 1);
	nic_set(&d->n, E_RCTL, 0x0400801a); /* EN, UPE, MPE, BAM, SECRC, 2048 bytes */
	nic_poll(&d->n);
	nic_get(&d->n, E_ICR);
}

void driver_done(struct e1000_driver *d)
{
	nic_rig_done(&d->n);
}

void driver_put(struct e1000_driver *d, struct raw_desc t)
{
	nic_mem_write(&d->n, RING_TX + d->tx_tail * sizeof(t), &t, sizeof(t));
	d->tx_tail = (d->tx_tail + 1) % d->tx_size;
}

void driver_ring(struct e1000_driver *d)
{
	nic_set(&d->n, E_TDT, d->tx_tail);
	nic_poll(&d->n);
}

struct raw_desc driver_tx_desc(struct e1000_driver *d, unsigned i)
{
	struct raw_desc t;

	nic_mem_read(&d->n, RING_TX + i * sizeof(t), &t, sizeof(t));
	return t;
}

uint64_t driver_buffer(struct e1000_driver *d, const void *data, size_t n)
{
	uint64_t at;

	if (d->tx_buffer + n > TX_ROOM)
		d->tx_buffer = 0;
	at = BUFFER_TX + d->tx_buffer;
	d->tx_buffer += (unsigned)n;
	nic_mem_write(&d->n, at, data, n);
	return at;
}

void driver_send(struct e1000_driver *d, const void *frame, size_t n)
{
	driver_put(d, (struct raw_desc){.address = driver_buffer(d, frame, n),
			      .command = 0x0b000000 | (uint32_t)n}); /* EOP, IFCS, RS */
	driver_ring(d);
}

struct rx_desc driver_rx_desc(struct e1000_driver *d, unsigned i)
{
	struct rx_desc r;

	nic_mem_read(&d->n, RING_RX + i * sizeof(r), &r, sizeof(r));
	return r;
}

void driver_assert_received(
	struct e1000_driver *d, unsigned i, const uint8_t *to, size_t n, uint8_t seed)
{
	uint8_t got[NIC_FRAME], frame[NIC_FRAME];
	struct rx_desc r = driver_rx_desc(d, i);

	nic_make_frame(frame, to, n, seed);
	g_assert_cmphex(r.status & 3, ==, 3);
	g_assert_cmphex(r.errors, ==, 0);
	g_assert_cmpuint(r.length, ==, n);
	nic_mem_read(&d->n, r.address, got, n);
	g_assert_cmpmem(got, n, frame, n);
}

/* ---- packets to be cut ---- */

static void random_bytes(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)g_test_rand_int();
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void make_ip(struct tso_packet *p)
{
	uint8_t *ip = p->data + 14;
	unsigned addresses = p->ip6 ? 8 : 12, size = p->ip6 ? 32 : 8;
	uint8_t *sum = p->data + p->l4 + (p->udp ? 6 : 16);

	put16(p->data + 12, p->ip6 ? 0x86dd : 0x0800);
	ip[0] = p->ip6 ? 0x60 : 0x45;
	if (p->ip6) {
		put16(ip + 4, 0);
		ip[6] = p->udp ? 17 : 6;
	} else {
		put16(ip + 2, 0);
		ip[6] = 0x40;
		ip[7] = 0;
		ip[9] = p->udp ? 17 : 6;
		put16(ip + 10, 0);
	}
	put16(sum, 0xffffu - ref_csum(ip + addresses, size, p->udp ? 17 : 6));
}

void tso_make(struct tso_packet *p, bool ip6, bool udp, unsigned payload, unsigned mss)
{
	unsigned options = udp ? 0 : 4u * (unsigned)g_test_rand_int_range(0, 4);

	p->ip6 = ip6;
	p->udp = udp;
	p->payload = payload;
	p->mss = mss;
	p->l4 = 14 + (ip6 ? 40 : 20);
	p->header = p->l4 + (udp ? 8 : 20) + options;
	random_bytes(p->data, p->header + payload);
	p->data[0] &= 0xfe;
	if (!udp)
		p->data[p->l4 + 12] = (uint8_t)((20 + options) / 4 << 4);
	make_ip(p);
}

static void put_context(struct e1000_driver *d, const struct tso_packet *p)
{
	unsigned ipcse = p->ip6 ? 0 : p->l4 - 1, tucso = p->l4 + (p->udp ? 6 : 16);

	driver_put(d, (struct raw_desc){
			      .address = 14 | 24u << 8 | (uint64_t)ipcse << 16 |
					 (uint64_t)p->l4 << 32 | (uint64_t)tucso << 40,
			      .command = (0x24u << 24) | (p->udp ? 0 : 1u << 24) |
					 (p->ip6 ? 0 : 2u << 24) | p->payload,
			      .upper = p->header << 8 | p->mss << 16,
		      });
}

void driver_send_tso(struct e1000_driver *d, const struct tso_packet *p, int vlan)
{
	uint32_t popts = (p->ip6 ? 2u : 3u) << 8, done = 0, size = p->header + p->payload;

	put_context(d, p);
	while (done < size) {
		uint32_t most = (uint32_t)g_test_rand_int_range(1, 12000);
		uint32_t piece = MIN(size - done, most);
		uint32_t command = 0x24100000u | piece; /* DEXT, TSE, data */

		if (done + piece == size)
			command |= 0x09000000u; /* EOP, RS */
		if (vlan >= 0)
			command |= 0x40000000u;
		driver_put(d, (struct raw_desc){.address = driver_buffer(d, p->data + done, piece),
				      .command = command,
				      .upper = popts | (uint32_t)(vlan >= 0 ? vlan : 0) << 16});
		done += piece;
	}
	driver_ring(d);
}

static unsigned get16(const uint8_t *p)
{
	return p[0] * 256u + p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) * 65536u + get16(p + 2);
}

/* What is not a length, a number or a sum is as in the original header. */
static void check_header(const struct tso_packet *p, const uint8_t *f, unsigned i, bool last)
{
	const uint8_t *tcp = f + p->l4, *was = p->data + p->l4;

	g_assert_cmpmem(f, 14, p->data, 14);
	if (!p->ip6)
		g_assert_cmpuint(get16(f + 18), ==, (get16(p->data + 18) + i) % 65536);
	g_assert_cmpmem(tcp, 4, was, 4);
	if (p->udp)
		return;
	g_assert_cmpuint(get32(tcp + 4), ==, (uint32_t)(get32(was + 4) + i * p->mss));
	g_assert_cmpuint(tcp[13], ==, last ? was[13] : was[13] & ~9u);
	g_assert_cmpmem(tcp + 18, p->header - p->l4 - 18, was + 18, p->header - p->l4 - 18);
}

static void check_frame(const struct tso_packet *p, const uint8_t *f, size_t n, unsigned i)
{
	unsigned done = i * p->mss, want = MIN(p->mss, p->payload - done);

	g_assert_cmpuint(n, ==, p->header + want);
	ref_check_frame(f, n);
	check_header(p, f, i, done + want == p->payload);
	g_assert_cmpmem(f + p->header, want, p->data + p->header + done, want);
}

void driver_check_tso(struct e1000_driver *d, const struct tso_packet *p, int vlan)
{
	unsigned frames = (p->payload + p->mss - 1) / p->mss;

	for (unsigned i = 0; i < frames; i++) {
		g_autoptr(GBytes) b = nic_sent(&d->n);
		gsize n;
		g_autofree uint8_t *f = NULL;

		g_assert_nonnull(b);
		f = g_memdup2(g_bytes_get_data(b, &n), g_bytes_get_size(b));
		n = g_bytes_get_size(b);
		if (vlan >= 0) {
			g_assert_cmpuint(get32(f + 12), ==, 0x81000000u + (unsigned)vlan);
			memmove(f + 12, f + 16, n - 16);
			n -= 4;
		}
		check_frame(p, f, n, i);
	}
	nic_assert_nothing_sent(&d->n);
}
