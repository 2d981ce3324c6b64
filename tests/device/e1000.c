/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What e1000 and e1000e have in common, register by register as Linux's, iPXE's and Windows'
 * drivers go: EEPROM, PHY, interrupts, life. Frames: e1000-frames.c; what only the 82574L has:
 * e1000e.c.
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

/*
 * Microwire, as a driver that knows no EERD does it: EECD bits SK 1, CS 2, DI 4, DO 8, REQ 0x40,
 * GNT 0x80.
 */
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
	driver_assert_received(&d, 0, nic_mac, sizeof(frame), 8);
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

/*
 * Reset while a packet waits for the network: it is not sent, and its descriptors are left alone.
 */
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
