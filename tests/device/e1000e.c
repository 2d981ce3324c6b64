/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What only the 82574L has: capabilities, MSI and MSI-X, extended descriptors, packet split,
 * scaling, semaphores, SYSTIM.
 */
#include <string.h>

#include "base/qs.h"
#include "devmodel/pci/express.h"
#include "tests/device/e1000-driver.h"

#define MSIX_BAR (NIC_MEM + 3 * MiB)
#define VECTORS  5

static void start(struct e1000_driver *d)
{
	driver_init(d, &e1000e_ops, 0, 16, 16);
}

/* ---- configuration space ---- */

static unsigned capability(struct nic_rig *n, unsigned id)
{
	unsigned at = rig_cfg_read(n->r, n->devfn, PCI_CAP_PTR, 1);

	while (at && rig_cfg_read(n->r, n->devfn, at, 1) != id)
		at = rig_cfg_read(n->r, n->devfn, at + 1, 1);
	return at;
}

static void capabilities(void)
{
	struct e1000_driver d;
	unsigned msix;

	start(&d);
	g_assert_cmphex(rig_cfg_read(d.n.r, d.n.devfn, 0, 4), ==, 0x10d38086);
	g_assert_cmpuint(capability(&d.n, 1), !=, 0);
	g_assert_cmpuint(capability(&d.n, 5), !=, 0);
	msix = capability(&d.n, 0x11);
	g_assert_cmpuint(msix, !=, 0);
	g_assert_cmphex(rig_cfg_read(d.n.r, d.n.devfn, msix + 2, 2), ==, VECTORS - 1);
	g_assert_cmphex(rig_cfg_read(d.n.r, d.n.devfn, msix + 4, 4), ==, 3);
	/* On a conventional bus it is a conventional function. */
	g_assert_cmpuint(capability(&d.n, 0x10), ==, 0);
	driver_done(&d);
}

static void express(void)
{
	struct nic_rig n = {.r = rig_new(), .net = fake_net_new(1)};
	static const uint8_t rom[0x10000] = {0x55, 0xaa};
	g_autoptr(GError) error = NULL;
	struct pci_dev *p;

	rig_make_express(n.r);
	n.d = dev_new(n.r->bus, &e1000e_ops, "nic");
	p = to_pci_dev(n.d);
	p->bus = n.r->pci;
	e1000e_set_backend(n.d, &n.net->net);
	g_assert_true(pci_set_rom(p, rom, sizeof(rom), NULL));
	g_assert_true(
		prop_set_text(prop_find(n.d->ops->props, "mac"), n.d, "52:54:00:12:34:56", NULL));
	dev_realize(n.d, &error);
	g_assert_no_error(error);
	bus_reset(n.r->bus, RESET_COLD);
	n.devfn = p->devfn;
	g_assert_cmpuint(capability(&n, 0x10), !=, 0);
	/* AER, then the serial number made of the address. */
	g_assert_cmphex(rig_cfg_read(n.r, n.devfn, 0x100, 4) & 0xffff, ==, 1);
	g_assert_cmphex(
		rig_cfg_read(n.r, n.devfn, rig_cfg_read(n.r, n.devfn, 0x102, 2) >> 4, 2), ==, 3);
	/* The option ROM. */
	rig_cfg_write(n.r, n.devfn, PCI_ROM, 4, 0xfffff800);
	g_assert_cmphex(rig_cfg_read(n.r, n.devfn, PCI_ROM, 4), ==, 0xffff0000);
	rig_cfg_write(n.r, n.devfn, PCI_ROM, 4, 0xd0000001);
	rig_cfg_write(n.r, n.devfn, PCI_COMMAND, 2, PCI_CMD_MEM);
	g_assert_cmphex(rig_ram32(n.r, 0xd0000000) & 0xffff, ==, 0xaa55);
	nic_rig_done(&n);
}

/* ---- MSI, MSI-X ---- */

static void enable_msi(struct e1000_driver *d)
{
	unsigned at = capability(&d->n, 5);

	rig_cfg_write(d->n.r, d->n.devfn, at + 4, 4, 0xfee00000);
	rig_cfg_write(d->n.r, d->n.devfn, at + 12, 2, 0x4041);
	rig_cfg_write(d->n.r, d->n.devfn, at + 2, 2, 1);
}

static unsigned messages(struct e1000_driver *d)
{
	nic_poll(&d->n);
	return fake_accel_msis(d->n.r->fake);
}

/* As Linux drives it: reading ICR acknowledges and, with CTRL_EXT.IAME, masks what IAM names. */
static void msi(void)
{
	struct e1000_driver d;

	start(&d);
	enable_msi(&d);
	nic_set(&d.n, E_IAM, UINT32_MAX);
	nic_set(&d.n, E_CTRL_EXT, 1u << 27);
	nic_set(&d.n, E_IMS, 0x85);
	nic_inject(&d.n, nic_mac, 60, 1);
	g_assert_cmpuint(messages(&d), ==, 1);
	g_assert_cmphex(fake_accel_msi(d.n.r->fake, 0).data, ==, 0x4041);
	g_assert_false(nic_irq(&d.n));
	g_assert_cmphex(nic_get(&d.n, E_ICR) & 0x80000080, ==, 0x80000080);
	g_assert_cmphex(nic_get(&d.n, E_IMS), ==, 0);
	nic_inject(&d.n, nic_mac, 60, 1);
	g_assert_cmpuint(messages(&d), ==, 1);
	nic_set(&d.n, E_IMS, 0x85);
	g_assert_cmpuint(messages(&d), ==, 2);
	/* Another cause before the first was looked at. */
	nic_set(&d.n, E_ICS, 4);
	g_assert_cmpuint(messages(&d), ==, 3);
	driver_done(&d);
}

/* Vector v has data 0x50 + v. */
static void enable_msix(struct e1000_driver *d)
{
	unsigned at = capability(&d->n, 0x11);

	for (unsigned v = 0; v < VECTORS; v++) {
		rig_write(d->n.r, BUS_MMIO, MSIX_BAR + 16 * v, 4, 0xfee00000);
		rig_write(d->n.r, BUS_MMIO, MSIX_BAR + 16 * v + 8, 4, 0x50 + v);
		rig_write(d->n.r, BUS_MMIO, MSIX_BAR + 16 * v + 12, 4, 0);
	}
	rig_cfg_write(d->n.r, d->n.devfn, at + 2, 2, 0x8000);
	/* RXQ0 to 0, RXQ1 to 3, TXQ0 to 1, TXQ1 to 4, others to 2. */
	nic_set(&d->n, E_IVAR, 0x8 | 0xb << 4 | 0x9 << 8 | 0xc << 12 | 0xa << 16);
}

static uint32_t last_message(struct e1000_driver *d)
{
	return fake_accel_msi(d->n.r->fake, messages(d) - 1).data;
}

static void msix(void)
{
	struct e1000_driver d;
	uint8_t frame[60];

	start(&d);
	enable_msix(&d);
	nic_set(&d.n, E_EIAC, 0x01f00000);
	nic_set(&d.n, E_IMS, 0x01f00004);
	nic_inject(&d.n, nic_mac, 60, 1);
	g_assert_cmpuint(messages(&d), ==, 1);
	g_assert_cmphex(last_message(&d), ==, 0x50);
	/* Cleared by itself: the next frame interrupts again. */
	nic_inject(&d.n, nic_mac, 60, 1);
	g_assert_cmpuint(messages(&d), ==, 2);
	nic_make_frame(frame, nic_mac, sizeof(frame), 1);
	driver_send(&d, frame, sizeof(frame));
	g_assert_cmpuint(messages(&d), ==, 3);
	g_assert_cmphex(last_message(&d), ==, 0x51);
	nic_save_and_load(&d.n);
	net_set_link(&d.n.net->net, false);
	g_assert_cmpuint(messages(&d), ==, 4);
	g_assert_cmphex(last_message(&d), ==, 0x52);
	g_assert_false(nic_irq(&d.n));
	driver_done(&d);
}

/*
 * EIAME: a message masks its cause, the driver unmasks it; what came meanwhile is told then, once.
 */
static void msix_automask(void)
{
	struct e1000_driver d;

	start(&d);
	enable_msix(&d);
	nic_set(&d.n, E_EIAC, 0x01f00000);
	nic_set(&d.n, E_IAM, UINT32_MAX);
	nic_set(&d.n, E_CTRL_EXT, 1u << 24);
	nic_set(&d.n, E_IMS, 0x00100000);
	nic_inject(&d.n, nic_mac, 60, 1);
	g_assert_cmpuint(messages(&d), ==, 1);
	g_assert_cmphex(nic_get(&d.n, E_IMS), ==, 0);
	nic_inject(&d.n, nic_mac, 60, 1);
	nic_inject(&d.n, nic_mac, 60, 1);
	g_assert_cmpuint(messages(&d), ==, 1);
	nic_set(&d.n, E_IMS, 0x00100000);
	g_assert_cmpuint(messages(&d), ==, 2);
	nic_set(&d.n, E_IMS, 0x00100000);
	g_assert_cmpuint(messages(&d), ==, 2);
	driver_done(&d);
}

/* EITR of vector 0: 400 units of 256 ns. */
static void msix_throttling(void)
{
	struct e1000_driver d;

	start(&d);
	enable_msix(&d);
	nic_set(&d.n, E_EIAC, 0x01f00000);
	nic_set(&d.n, E_EITR, 400);
	nic_set(&d.n, E_IMS, 0x01f00000);
	nic_inject(&d.n, nic_mac, 60, 1);
	nic_inject(&d.n, nic_mac, 60, 1);
	g_assert_cmpuint(messages(&d), ==, 1);
	nic_step(&d.n, 400 * 256 - 1);
	g_assert_cmpuint(messages(&d), ==, 1);
	nic_step(&d.n, 1);
	g_assert_cmpuint(messages(&d), ==, 2);
	driver_done(&d);
}

/*
 * Causes without a vector of their own are found by reading ICR, which clears them, also with
 * MSI-X.
 */
static void msix_other(void)
{
	struct e1000_driver d;

	start(&d);
	enable_msix(&d);
	nic_set(&d.n, E_IMS, 0x01000004);
	net_set_link(&d.n.net->net, false);
	g_assert_cmpuint(messages(&d), ==, 1);
	g_assert_cmphex(nic_get(&d.n, E_ICR), ==, 0x81000004);
	g_assert_cmphex(nic_get(&d.n, E_ICR), ==, 0);
	net_set_link(&d.n.net->net, true);
	g_assert_cmpuint(messages(&d), ==, 2);
	driver_done(&d);
}

/* ---- receive formats ---- */

struct extended {
	uint32_t mrq, rss, status;
	uint16_t length, vlan;
};

static void refill(struct e1000_driver *d, unsigned i)
{
	struct raw_desc t = {.address = BUFFER_RX + i * RX_BUFFER};

	nic_mem_write(&d->n, RING_RX + i * sizeof(t), &t, sizeof(t));
}

static void extended(void)
{
	struct e1000_driver d;
	struct extended x;
	uint8_t got[200], frame[200];

	start(&d);
	nic_set(&d.n, E_RFCTL, 0x8000);
	for (unsigned i = 0; i < 40; i++) {
		nic_make_frame(frame, nic_mac, sizeof(frame), (uint8_t)i);
		nic_inject(&d.n, nic_mac, sizeof(frame), (uint8_t)i);
		nic_mem_read(&d.n, RING_RX + i % 16 * sizeof(x), &x, sizeof(x));
		g_assert_cmphex(x.status & 0xff000003, ==, 3);
		g_assert_cmpuint(x.length, ==, 200);
		nic_mem_read(&d.n, BUFFER_RX + i % 16 * RX_BUFFER, got, sizeof(got));
		g_assert_cmpmem(got, 200, frame, 200);
		refill(&d, i % 16);
		nic_set(&d.n, E_RDT, i % 16);
	}
	driver_done(&d);
}

struct split {
	uint32_t mrq, rss, status;
	uint16_t length0, vlan, header_status, lengths[3];
	uint64_t unused;
};

/* Headers in a buffer of 256 bytes, the rest in pages, as Linux does with jumbo frames. */
static void packet_split(void)
{
	struct e1000_driver d;
	struct tso_packet p;
	g_autoptr(GBytes) b = NULL;
	uint8_t got[4096];
	struct split x;
	const uint8_t *f;

	start(&d);
	tso_make(&p, false, false, 5000, 9000);
	driver_send_tso(&d, &p, -1);
	b = nic_sent(&d.n);
	f = g_bytes_get_data(b, NULL);

	for (unsigned i = 0; i < 8; i++) {
		uint64_t addresses[4];

		for (unsigned k = 0; k < 4; k++)
			addresses[k] = 0x600000 + i * 0x10000 + k * 0x1000;
		nic_mem_write(&d.n, RING_RX + 32 * i, addresses, sizeof(addresses));
	}
	nic_set(&d.n, E_RDT, 7);
	nic_set(&d.n, E_PSRCTL, 2 | 4 << 8 | 4 << 16 | 4 << 24);
	nic_set(&d.n, E_RCTL, nic_get(&d.n, E_RCTL) | 0x420);
	fake_net_inject(d.n.net, 0, f, g_bytes_get_size(b));
	nic_poll(&d.n);
	nic_mem_read(&d.n, RING_RX, &x, sizeof(x));
	g_assert_cmphex(x.status & 0xff000003, ==, 3);
	g_assert_cmphex(x.header_status, ==, 0x8000 | p.header);
	g_assert_cmpuint(x.length0, ==, p.header);
	g_assert_cmpuint(x.lengths[0], ==, 4096);
	g_assert_cmpuint(x.lengths[1], ==, 5000 - 4096);
	g_assert_cmpuint(x.lengths[2], ==, 0);
	nic_mem_read(&d.n, 0x600000, got, p.header);
	g_assert_cmpmem(got, p.header, f, p.header);
	nic_mem_read(&d.n, 0x601000, got, 4096);
	g_assert_cmpmem(got, 4096, f + p.header, 4096);
	nic_mem_read(&d.n, 0x602000, got, 904);
	g_assert_cmpmem(got, 904, f + p.header + 4096, 904);
	/* Without headers to split the frame begins in buffer 0 and fills it. */
	nic_inject(&d.n, nic_mac, 1000, 7);
	nic_mem_read(&d.n, RING_RX + 32, &x, sizeof(x));
	g_assert_cmphex(x.header_status, ==, 0);
	g_assert_cmpuint(x.length0, ==, 256);
	g_assert_cmpuint(x.lengths[0], ==, 744);
	driver_done(&d);
}

/*
 * The hash's verification suite of Microsoft's documentation of RSS: addresses, ports, hash with
 * ports, without.
 */
static const struct {
	uint8_t source[4], target[4];
	uint16_t source_port, target_port;
	uint32_t tcp, ip;
} rss_suite[] = {
	{{66, 9, 149, 187}, {161, 142, 100, 80}, 2794, 1766, 0x51ccc178, 0x323e8fc2},
	{{199, 92, 111, 2}, {65, 69, 140, 83}, 14230, 4739, 0xc626b0ea, 0xd718262a},
	{{24, 19, 198, 95}, {12, 22, 207, 184}, 12898, 38024, 0x5c2b394a, 0xd2d0a5de},
	{{38, 27, 205, 30}, {209, 142, 163, 6}, 48228, 2217, 0xafc7327f, 0x82989176},
	{{153, 39, 163, 191}, {202, 188, 127, 2}, 44251, 1303, 0x10e828a2, 0x5d1809c5},
};

static const uint8_t rss_key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
	0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77,
	0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static void rss_frame(struct e1000_driver *d, unsigned i, bool tcp)
{
	uint8_t f[60];

	nic_make_frame(f, nic_mac, sizeof(f), 1);
	f[12] = 8;
	f[13] = 0;
	memcpy(f + 14, "\x45\x00\x00\x2e\x00\x00\x40\x00\x40\x06\x00\x00", 12);
	f[23] = tcp ? 6 : 47;
	memcpy(f + 26, rss_suite[i].source, 4);
	memcpy(f + 30, rss_suite[i].target, 4);
	f[34] = (uint8_t)(rss_suite[i].source_port >> 8);
	f[35] = (uint8_t)rss_suite[i].source_port;
	f[36] = (uint8_t)(rss_suite[i].target_port >> 8);
	f[37] = (uint8_t)rss_suite[i].target_port;
	fake_net_inject(d->n.net, 0, f, sizeof(f));
	nic_poll(&d->n);
}

static void scaling(void)
{
	struct e1000_driver d;
	struct extended x;
	uint32_t word;

	start(&d);
	for (unsigned i = 0; i < 10; i++) {
		memcpy(&word, rss_key + 4 * i, 4);
		nic_set(&d.n, E_RSSRK + 4 * i, word);
	}
	/* Odd entries to queue 1, whose ring is at RING_RX + 0x1000. */
	for (unsigned i = 0; i < 32; i++)
		nic_set(&d.n, E_RETA + 4 * i, 0x80008000);
	for (unsigned i = 0; i < 16; i++) {
		struct raw_desc t = {.address = 0x700000 + i * RX_BUFFER};

		nic_mem_write(&d.n, RING_RX + 0x1000 + i * sizeof(t), &t, sizeof(t));
	}
	nic_set(&d.n, E_RDBAL + 0x100, RING_RX + 0x1000);
	nic_set(&d.n, E_RDLEN + 0x100, 256);
	nic_set(&d.n, E_RDT + 0x100, 15);
	nic_set(&d.n, E_RFCTL, 0x8000);
	nic_set(&d.n, E_RXCSUM, 0x2000);
	nic_set(&d.n, E_MRQC, 1 | 3u << 16);
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(rss_suite); i++) {
		bool tcp = i % 2;
		uint32_t hash = tcp ? rss_suite[i / 2].tcp : rss_suite[i / 2].ip;
		unsigned queue = hash & 1;
		uint32_t head = nic_get(&d.n, E_RDH + 0x100 * queue);

		rss_frame(&d, i / 2, tcp);
		g_assert_cmpuint(nic_get(&d.n, E_RDH + 0x100 * queue), ==, head + 1);
		nic_mem_read(&d.n, RING_RX + 0x1000 * queue + 16 * head, &x, sizeof(x));
		g_assert_cmphex(x.rss, ==, hash);
		g_assert_cmphex(x.mrq, ==, (tcp ? 1 : 2) | queue << 8);
	}
	/* What is not IP goes to queue 0. */
	nic_inject(&d.n, nic_mac, 60, 1);
	nic_mem_read(&d.n, RING_RX + 16 * (nic_get(&d.n, E_RDH) - 1), &x, sizeof(x));
	g_assert_cmphex(x.mrq, ==, 0);
	driver_done(&d);
}

/* ---- the second transmit queue, and others ---- */

static void second_queue(void)
{
	struct e1000_driver d;
	uint8_t frame[100];
	struct raw_desc t = {.command = 0x09000000 | 100};

	start(&d);
	enable_msix(&d);
	nic_set(&d.n, E_IMS, 0x01f00000);
	nic_set(&d.n, E_TDBAL + 0x100, RING_TX + 0x1000);
	nic_set(&d.n, E_TDLEN + 0x100, 256);
	nic_make_frame(frame, nic_mac, sizeof(frame), 9);
	t.address = driver_buffer(&d, frame, sizeof(frame));
	nic_mem_write(&d.n, RING_TX + 0x1000, &t, sizeof(t));
	nic_set(&d.n, E_TDT + 0x100, 1);
	nic_poll(&d.n);
	nic_assert_sent(&d.n, frame, sizeof(frame));
	g_assert_cmpuint(nic_get(&d.n, E_TDH + 0x100), ==, 1);
	g_assert_cmpuint(nic_get(&d.n, E_TDH), ==, 0);
	g_assert_cmphex(last_message(&d), ==, 0x54);
	driver_done(&d);
}

static void semaphores(void)
{
	struct e1000_driver d;

	start(&d);
	g_assert_cmphex(nic_get(&d.n, E_SWSM), ==, 0);
	g_assert_cmphex(nic_get(&d.n, E_SWSM), ==, 1);
	nic_set(&d.n, E_SWSM, 3);
	g_assert_cmphex(nic_get(&d.n, E_SWSM), ==, 3);
	nic_set(&d.n, E_SWSM, 0);
	g_assert_cmphex(nic_get(&d.n, E_SWSM), ==, 0);
	/* MDIO ownership, and master disable as drivers ask for it before a reset. */
	nic_set(&d.n, 0xf00, 0x20);
	g_assert_cmphex(nic_get(&d.n, 0xf00) & 0x20, ==, 0x20);
	g_assert_cmphex(nic_get(&d.n, E_STATUS) & 0x80000, ==, 0x80000);
	nic_set(&d.n, E_CTRL, nic_get(&d.n, E_CTRL) | 4);
	g_assert_cmphex(nic_get(&d.n, E_STATUS) & 0x80000, ==, 0);
	driver_done(&d);
}

static void nvm_write(void)
{
	struct e1000_driver d;

	start(&d);
	nic_set(&d.n, 0x102c, 0xbeef0000 | 0x20 << 2 | 1);
	g_assert_cmphex(nic_get(&d.n, 0x102c) & 2, ==, 2);
	nic_save_and_load(&d.n);
	nic_set(&d.n, E_EERD, 0x20 << 2 | 1);
	g_assert_cmphex(nic_get(&d.n, E_EERD) >> 16, ==, 0xbeef);
	nic_set(&d.n, E_EERD, 0x1000 << 2 | 1);
	g_assert_cmphex(nic_get(&d.n, E_EERD) >> 16, ==, 0xffff);
	driver_done(&d);
}

/* TIMINCA: each tick of 40 ns adds 640 (16 ns shifted by 4 bits would do as well). */
static void systim(void)
{
	struct e1000_driver d;

	start(&d);
	g_assert_cmpuint(nic_get(&d.n, 0xb600), ==, 0);
	nic_set(&d.n, 0xb608, 1u << 24 | 640);
	nic_step(&d.n, 4000);
	g_assert_cmpuint(nic_get(&d.n, 0xb600), ==, 64000);
	nic_set(&d.n, 0xb604, 7);
	nic_set(&d.n, 0xb600, 5);
	nic_step(&d.n, 400);
	nic_save_and_load(&d.n);
	g_assert_cmpuint(nic_get(&d.n, 0xb600), ==, 6405);
	g_assert_cmpuint(nic_get(&d.n, 0xb604), ==, 7);
	driver_done(&d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/e1000e/capabilities", capabilities);
	g_test_add_func("/e1000e/express", express);
	g_test_add_func("/e1000e/msi", msi);
	g_test_add_func("/e1000e/msix", msix);
	g_test_add_func("/e1000e/msix-automask", msix_automask);
	g_test_add_func("/e1000e/msix-throttling", msix_throttling);
	g_test_add_func("/e1000e/msix-other", msix_other);
	g_test_add_func("/e1000e/extended", extended);
	g_test_add_func("/e1000e/packet-split", packet_split);
	g_test_add_func("/e1000e/scaling", scaling);
	g_test_add_func("/e1000e/second-queue", second_queue);
	g_test_add_func("/e1000e/semaphores", semaphores);
	g_test_add_func("/e1000e/nvm-write", nvm_write);
	g_test_add_func("/e1000e/systim", systim);
	return g_test_run();
}
