/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xHCI by its registers and rings: xHCI 1.0, chapters 4 and 5. */
#include <linux/input-event-codes.h>
#include <string.h>

#include "base/input.h"
#include "tests/device/uhci-driver.h"
#include "tests/device/xhci-driver.h"

#define OPER_CMD (XHCI_OPER + 0)
#define OPER_STS (XHCI_OPER + 4)
#define CRCR     (XHCI_OPER + 0x18)

enum { CC_SUCCESS = 1, CC_TRB = 5, CC_STALL = 6, CC_SHORT = 13, CC_STATE = 19, CC_STOPPED = 26 };

struct host {
	struct usb_driver u;
	struct input *input;
	struct dev *kbd;
};

/* With a keyboard on connector 1, configured. */
static void host_init(struct host *h)
{
	*h = (struct host){.input = input_new()};
	usb_driver_init(&h->u, &xhci_driver);
	h->kbd = dev_new(h->u.r->bus, &usb_kbd_ops, "kbd");
	usb_hid_set_input(h->kbd, h->input);
	g_assert_true(dev_realize(h->kbd, NULL));
	usb_insert(&h->u, h->kbd);
}

static void host_done(struct host *h)
{
	usb_driver_done(&h->u);
	input_free(h->input);
}

static bool intx(struct usb_driver *u)
{
	bool level = false;

	for (unsigned gsi = 16; gsi < 20; gsi++)
		level |= fake_accel_level(u->r->fake, gsi);
	return level;
}

static uint32_t slot_bits(const struct usb_driver *u)
{
	return (uint32_t)u->address << 24;
}

static uint32_t ep_bits(const struct usb_driver *u, unsigned dci)
{
	return slot_bits(u) | dci << 16;
}

static unsigned ep_state(struct usb_driver *u, unsigned dci)
{
	return rig_ram32(u->r, XHCI_OUTPUT + 32 * dci) & 7;
}

/* The next event is a transfer event of @dci with this code, length field and pointer. */
static void expect_transfer(
	struct usb_driver *u, unsigned dci, unsigned cc, uint32_t len, uint64_t pointer)
{
	struct xhci_test_trb e;

	g_assert_true(xhci_next_event(u, &e, 20));
	g_assert_cmphex(e.control & ~5u, ==, XHCI_TYPE(32) | ep_bits(u, dci));
	g_assert_cmpuint(e.status >> 24, ==, cc);
	g_assert_cmpuint(e.status & 0xffffff, ==, len);
	g_assert_cmphex(e.param, ==, pointer);
}

static void expect_no_event(struct usb_driver *u)
{
	struct xhci_test_trb e;

	g_assert_false(xhci_next_event(u, &e, 20));
}

static void expect_port_event(struct usb_driver *u, unsigned port)
{
	struct xhci_test_trb e;

	g_assert_true(xhci_next_event(u, &e, 1));
	g_assert_cmphex(e.control & ~1u, ==, XHCI_TYPE(34));
	g_assert_cmphex(e.param, ==, (uint64_t)port << 24);
}

/* ---- registers ---- */

static void capabilities(void)
{
	struct usb_driver u;
	unsigned devfn;

	usb_driver_init(&u, &xhci_driver);
	devfn = to_pci_dev(u.controller)->devfn;
	g_assert_cmphex(rig_cfg_read(u.r, devfn, 0, 4), ==, 0x000d1b36);
	g_assert_cmphex(rig_cfg_read(u.r, devfn, 8, 4) >> 8, ==, 0x0c0330);
	g_assert_cmphex(rig_cfg_read(u.r, devfn, 0x60, 1), ==, 0x30);
	g_assert_cmphex(xhci_reg(&u, 0), ==, 0x01000040);
	g_assert_cmphex(rig_read(u.r, BUS_MMIO, u.base, 1), ==, 0x40);
	g_assert_cmphex(rig_read(u.r, BUS_MMIO, u.base + 2, 2), ==, 0x0100);
	g_assert_cmphex(xhci_reg(&u, 4), ==, 0x08001020);
	g_assert_cmphex(xhci_reg(&u, 0x14), ==, 0x2000);
	g_assert_cmphex(xhci_reg(&u, 0x18), ==, 0x1000);
	/* the protocols' ports */
	g_assert_cmphex(xhci_reg(&u, 0x10) >> 16, ==, 8);
	g_assert_cmphex(xhci_reg(&u, 0x20), ==, 0x02000402);
	g_assert_cmphex(xhci_reg(&u, 0x24), ==, 0x20425355);
	g_assert_cmphex(xhci_reg(&u, 0x28), ==, 0x401);
	g_assert_cmphex(xhci_reg(&u, 0x30), ==, 0x03000002);
	g_assert_cmphex(xhci_reg(&u, 0x38), ==, 0x405);
	g_assert_cmphex(xhci_reg(&u, XHCI_OPER + 8), ==, 1);
	usb_driver_done(&u);
}

static void run_and_halt(void)
{
	struct usb_driver u;

	usb_driver_init(&u, &xhci_driver);
	usb_step(&u, 10);
	g_assert_cmpuint(xhci_reg(&u, 0x1000), ==, 80);
	xhci_set(&u, OPER_CMD, 4);
	g_assert_cmphex(xhci_reg(&u, OPER_STS) & 1, ==, 1);
	/* controller restore: there was nothing to keep it in */
	xhci_set(&u, OPER_CMD, 0x200);
	g_assert_cmphex(xhci_reg(&u, OPER_STS), ==, 0x401);
	xhci_set(&u, OPER_STS, 0x400);
	g_assert_cmphex(xhci_reg(&u, OPER_STS), ==, 1);
	xhci_set(&u, OPER_CMD, 2);
	g_assert_cmphex(xhci_reg(&u, OPER_CMD), ==, 0);
	g_assert_cmphex(xhci_reg(&u, XHCI_OPER + 0x38), ==, 0);
	g_assert_cmphex(xhci_reg(&u, XHCI_INTR(0) + 4), ==, 4000);
	g_assert_cmphex(xhci_reg(&u, XHCI_PORT(1)), ==, 0x2a0);
	usb_driver_done(&u);
}

/* ---- ports ---- */

static void ports(void)
{
	struct usb_driver u;
	struct dev *tablet;

	usb_driver_init(&u, &xhci_driver);
	tablet = usb_add(&u, &usb_tablet_ops, "tablet");
	g_assert_true(usb_plug(u.controller, tablet, 3, NULL));
	expect_port_event(&u, 3);
	g_assert_cmphex(xhci_reg(&u, XHCI_PORT(3)), ==, 0x206e1);
	/* a change that was not cleared is not told again */
	usb_unplug(tablet);
	g_assert_cmphex(xhci_reg(&u, XHCI_PORT(3)), ==, 0x202a0);
	expect_no_event(&u);
	xhci_set(&u, XHCI_PORT(3), 0x20200);
	g_assert_cmphex(xhci_reg(&u, XHCI_PORT(3)), ==, 0x2a0);
	g_assert_true(usb_plug(u.controller, tablet, 3, NULL));
	expect_port_event(&u, 3);
	xhci_set(&u, XHCI_PORT(3), 0x20210);
	expect_port_event(&u, 3);
	g_assert_cmphex(xhci_reg(&u, XHCI_PORT(3)), ==, 0x200603);
	/* writing PED disables */
	xhci_set(&u, XHCI_PORT(3), 0x200202);
	g_assert_cmphex(xhci_reg(&u, XHCI_PORT(3)), ==, 0x601);
	usb_driver_done(&u);
}

static void suspend_and_wakeup(void)
{
	const struct usb_setup allow = {0, 3, 1, 0, 0};
	struct host h;
	struct usb_driver *u = &h.u;
	uint8_t buf[8];

	host_init(&h);
	usb_must(u, &allow, NULL);
	g_assert_cmpint(usb_poll(u, 0x81, buf, 8, NULL, 2), ==, USB_NAK);
	xhci_set(u, XHCI_PORT(1), 0x10260);
	g_assert_cmphex(xhci_reg(u, XHCI_PORT(1)) & 0x1e0, ==, 0x60);
	input_key(h.input, KEY_A, true);
	expect_port_event(u, 1);
	g_assert_cmphex(xhci_reg(u, XHCI_PORT(1)) & 0x4001e0, ==, 0x4001e0);
	g_assert_cmpint(usb_poll(u, 0x81, buf, 8, NULL, 2), ==, USB_NAK);
	xhci_set(u, XHCI_PORT(1), 0x410200);
	g_assert_cmpint(usb_poll(u, 0x81, buf, 8, NULL, 2), ==, USB_ACK);
	g_assert_cmphex(buf[2], ==, 4);
	host_done(&h);
}

/* What is unplugged fails its transfers; another in its place is found. */
static void unplugged(void)
{
	struct host h;
	struct usb_driver *u = &h.u;
	uint8_t buf[8];

	host_init(&h);
	g_assert_cmpint(usb_poll(u, 0x81, buf, 8, NULL, 2), ==, USB_NAK);
	usb_unplug(h.kbd);
	g_assert_cmpint(usb_poll(u, 0x81, buf, 8, NULL, 2), ==, USB_GONE);
	g_assert_cmpuint(ep_state(u, 3), ==, 2);
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(10) | slot_bits(u), NULL), ==, CC_SUCCESS);
	xhci_set(u, XHCI_PORT(1), 0xfe0200);
	usb_insert(u, h.kbd);
	input_key(h.input, KEY_A, true);
	g_assert_cmpint(usb_poll(u, 0x81, buf, 8, NULL, 10), ==, USB_ACK);
	host_done(&h);
}

/* ---- commands ---- */

static void commands(void)
{
	struct host h;
	struct usb_driver *u = &h.u;
	unsigned slot, last = 0, n = 0;

	host_init(&h);
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(23), NULL), ==, CC_SUCCESS);
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(49), NULL), ==, CC_TRB);
	/* as many slots as CONFIG allows; one is taken */
	while (xhci_command(u, 0, XHCI_TYPE(9), &slot) == CC_SUCCESS) {
		last = slot;
		n++;
	}
	g_assert_cmpuint(n, ==, 7);
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(9), NULL), ==, 9);
	/* its port has another's slot */
	ram_write32(u->r, XHCI_INPUT + 4, 3);
	ram_write32(u->r, XHCI_DCBAA + 8 * last, XHCI_OUTPUT + 0x800);
	g_assert_cmpuint(xhci_command(u, XHCI_INPUT, XHCI_TYPE(11) | last << 24, NULL), ==, CC_TRB);
	/* nobody at that port, and no such port, and behind a hub */
	ram_write32(u->r, XHCI_INPUT + 36, 2 << 16);
	g_assert_cmpuint(xhci_command(u, XHCI_INPUT, XHCI_TYPE(11) | last << 24, NULL), ==, 4);
	ram_write32(u->r, XHCI_INPUT + 36, 9 << 16);
	g_assert_cmpuint(xhci_command(u, XHCI_INPUT, XHCI_TYPE(11) | last << 24, NULL), ==, CC_TRB);
	ram_write32(u->r, XHCI_INPUT + 32, 1);
	ram_write32(u->r, XHCI_INPUT + 36, 1 << 16);
	g_assert_cmpuint(xhci_command(u, XHCI_INPUT, XHCI_TYPE(11) | last << 24, NULL), ==, CC_TRB);
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(10) | last << 24, NULL), ==, CC_SUCCESS);
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(10) | last << 24, NULL), ==, 11);
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(10) | 99u << 24, NULL), ==, 11);
	/* states: addressed already, not halted, not enabled, not stopped */
	g_assert_cmpuint(
		xhci_command(u, XHCI_INPUT, XHCI_TYPE(11) | slot_bits(u), NULL), ==, CC_STATE);
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(14) | ep_bits(u, 3), NULL), ==, CC_STATE);
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(15) | ep_bits(u, 4), NULL), ==, 12);
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(16) | ep_bits(u, 3), NULL), ==, CC_STATE);
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(15) | ep_bits(u, 0), NULL), ==, CC_TRB);
	/* reset device: back to default, endpoint 0 alone */
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(17) | slot_bits(u), NULL), ==, CC_SUCCESS);
	g_assert_cmphex(rig_ram32(u->r, XHCI_OUTPUT + 12), ==, 1u << 27);
	g_assert_cmpuint(ep_state(u, 3), ==, 0);
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(17) | slot_bits(u), NULL), ==, CC_STATE);
	host_done(&h);
}

static void contexts(void)
{
	struct host h;
	struct usb_driver *u = &h.u;

	host_init(&h);
	/* greatest packet of endpoint 0, interrupter of the slot */
	ram_write32(u->r, XHCI_INPUT, 0);
	ram_write32(u->r, XHCI_INPUT + 4, 3);
	ram_write32(u->r, XHCI_INPUT + 40, 2u << 22);
	ram_write32(u->r, XHCI_INPUT + 68, 8u << 16);
	g_assert_cmpuint(
		xhci_command(u, XHCI_INPUT, XHCI_TYPE(13) | slot_bits(u), NULL), ==, CC_SUCCESS);
	g_assert_cmphex(rig_ram32(u->r, XHCI_OUTPUT + 8), ==, 2u << 22);
	g_assert_cmphex(rig_ram32(u->r, XHCI_OUTPUT + 36) >> 16, ==, 8);
	/* streams are not there */
	ram_write32(u->r, XHCI_INPUT, 1u << 3);
	ram_write32(u->r, XHCI_INPUT + 4, 1u << 3 | 1);
	ram_write32(u->r, XHCI_INPUT + 32 * 4, 1u << 10);
	g_assert_cmpuint(xhci_command(u, XHCI_INPUT, XHCI_TYPE(12) | slot_bits(u), NULL), ==, 17);
	/* deconfigure */
	g_assert_cmpuint(
		xhci_command(u, 0, XHCI_TYPE(12) | 0x200 | slot_bits(u), NULL), ==, CC_SUCCESS);
	g_assert_cmphex(rig_ram32(u->r, XHCI_OUTPUT + 12) >> 27, ==, 2);
	g_assert_cmpuint(ep_state(u, 3), ==, 0);
	host_done(&h);
}

static void command_ring_stop(void)
{
	struct xhci_test_trb e;
	struct usb_driver u;

	usb_driver_init(&u, &xhci_driver);
	g_assert_cmpuint(xhci_command(&u, 0, XHCI_TYPE(23), NULL), ==, CC_SUCCESS);
	g_assert_cmphex(xhci_reg(&u, CRCR), ==, 8);
	xhci_set(&u, CRCR, 2);
	g_assert_cmphex(xhci_reg(&u, CRCR), ==, 0);
	g_assert_true(xhci_next_event(&u, &e, 1));
	g_assert_cmpuint(e.status >> 24, ==, 24);
	g_assert_cmphex(e.param, ==, XHCI_RING(0) + 16);
	g_assert_cmpuint(xhci_command(&u, 0, XHCI_TYPE(23), NULL), ==, CC_SUCCESS);
	usb_driver_done(&u);
}

/* ---- transfers ---- */

/* Three TRBs and an event data TRB for a control read of 18 bytes, of which 40 were asked for. */
static void event_kinds(void)
{
	const uint64_t get_device = UINT64_C(0x0028000001000680);
	struct host h;
	struct usb_driver *u = &h.u;
	uint64_t setup, first, second, status;

	host_init(&h);
	setup = xhci_put(u, 1, get_device, 8, XHCI_TYPE(2) | 0x40 | 0x20 | 3u << 16);
	first = xhci_put(u, 1, XHCI_BUFFER(1), 10, XHCI_TYPE(3) | 0x34 | 0x10000);
	second = xhci_put(u, 1, XHCI_BUFFER(1) + 10, 30, XHCI_TYPE(1) | 0x14);
	xhci_put(u, 1, 0xfeed, 0, XHCI_TYPE(7) | 0x20);
	status = xhci_put(u, 1, 0, 0, XHCI_TYPE(4) | 0x20);
	xhci_set(u, XHCI_BELL(u->address), 1);
	expect_transfer(u, 1, CC_SUCCESS, 0, setup);
	expect_transfer(u, 1, CC_SUCCESS, 0, first);
	expect_transfer(u, 1, CC_SHORT, 22, second);
	expect_transfer(u, 1, CC_SHORT, 18, 0xfeed);
	expect_transfer(u, 1, CC_SUCCESS, 0, status);
	expect_no_event(u);
	/* without ISP the event comes where IOC is */
	xhci_put(u, 1, get_device, 8, XHCI_TYPE(2) | 0x40 | 3u << 16);
	xhci_put(u, 1, XHCI_BUFFER(1), 20, XHCI_TYPE(3) | 0x10 | 0x10000);
	second = xhci_put(u, 1, XHCI_BUFFER(1) + 20, 20, XHCI_TYPE(1) | 0x20);
	xhci_put(u, 1, 0, 0, XHCI_TYPE(4));
	xhci_set(u, XHCI_BELL(u->address), 1);
	expect_transfer(u, 1, CC_SHORT, 20, second);
	expect_no_event(u);
	host_done(&h);
}

/* Incomplete descriptors wait, no-ops and immediate data pass. */
static void ring_forms(void)
{
	const struct usb_setup set_leds = {0x21, 9, 0x200, 0, 1};
	struct host h;
	struct usb_driver *u = &h.u;
	uint64_t noop, status;
	uint64_t setup = set_leds.type | (uint64_t)set_leds.request << 8 |
			 (uint64_t)set_leds.value << 16 | UINT64_C(1) << 48;

	host_init(&h);
	noop = xhci_put(u, 1, 0, 0, XHCI_TYPE(8) | 0x20);
	xhci_set(u, XHCI_BELL(u->address), 1);
	expect_transfer(u, 1, CC_SUCCESS, 0, noop);
	/* the data stage is immediate; its last TRB is not there yet */
	xhci_put(u, 1, setup, 8, XHCI_TYPE(2) | 0x40 | 2u << 16);
	xhci_put(u, 1, INPUT_LED_NUM, 1, XHCI_TYPE(3) | 0x50);
	xhci_set(u, XHCI_BELL(u->address), 1);
	expect_no_event(u);
	xhci_put(u, 1, 0x1234, 0, XHCI_TYPE(7) | 0x20);
	xhci_set(u, XHCI_BELL(u->address), 1);
	expect_transfer(u, 1, CC_SUCCESS, 1, 0x1234);
	status = xhci_put(u, 1, 0, 0, XHCI_TYPE(4) | 0x20 | 0x10000);
	xhci_set(u, XHCI_BELL(u->address), 1);
	expect_transfer(u, 1, CC_SUCCESS, 0, status);
	g_assert_cmpuint(input_leds(h.input), ==, INPUT_LED_CAPS);
	host_done(&h);
}

/* A kind of TRB that does not belong there; a stage that stalls. */
static void errors(void)
{
	struct host h;
	struct usb_driver *u = &h.u;
	uint64_t bad;

	host_init(&h);
	bad = xhci_put(u, 3, 0, 8, XHCI_TYPE(4));
	xhci_set(u, XHCI_BELL(u->address), 3);
	expect_transfer(u, 3, CC_TRB, 0, bad);
	g_assert_cmpuint(ep_state(u, 3), ==, 4);
	g_assert_cmpuint(xhci_command(u, XHCI_RING(3) | 1, XHCI_TYPE(16) | ep_bits(u, 3), NULL), ==,
		CC_SUCCESS);
	g_assert_cmpuint(ep_state(u, 3), ==, 3);
	xhci_put(u, 1, UINT64_C(0x0008000009000680), 8, XHCI_TYPE(2) | 0x40 | 3u << 16);
	bad = xhci_put(u, 1, XHCI_BUFFER(1), 8, XHCI_TYPE(3) | 0x10000);
	xhci_set(u, XHCI_BELL(u->address), 1);
	expect_transfer(u, 1, CC_STALL, 8, bad);
	g_assert_cmpuint(ep_state(u, 1), ==, 2);
	/* halted: a doorbell changes nothing */
	xhci_set(u, XHCI_BELL(u->address), 1);
	expect_no_event(u);
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(14) | ep_bits(u, 1), NULL), ==, CC_SUCCESS);
	g_assert_cmpuint(ep_state(u, 1), ==, 3);
	host_done(&h);
}

/* Stop Endpoint tells of the transfer that waits; it goes on after a doorbell, or is passed over. */
static void stop_endpoint(void)
{
	struct host h;
	struct usb_driver *u = &h.u;
	struct xhci_test_trb e;
	uint64_t waits, next;

	host_init(&h);
	waits = xhci_put(u, 3, XHCI_BUFFER(3), 8, XHCI_TYPE(1) | 0x20);
	xhci_set(u, XHCI_BELL(u->address), 3);
	expect_no_event(u);
	xhci_put(u, 0, 0, 0, XHCI_TYPE(15) | ep_bits(u, 3));
	xhci_set(u, XHCI_BELL(0), 0);
	expect_transfer(u, 3, CC_STOPPED, 8, waits);
	g_assert_true(xhci_next_event(u, &e, 1));
	g_assert_cmpuint(e.status >> 24, ==, CC_SUCCESS);
	g_assert_cmpuint(ep_state(u, 3), ==, 3);
	g_assert_cmphex(rig_ram32(u->r, XHCI_OUTPUT + 32 * 3 + 8), ==, waits | 1);
	input_key(h.input, KEY_A, true);
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(23), NULL), ==, CC_SUCCESS);
	xhci_set(u, XHCI_BELL(u->address), 3);
	g_assert_cmpuint(ep_state(u, 3), ==, 1);
	expect_transfer(u, 3, CC_SUCCESS, 0, waits);
	/* stopped, and set behind it */
	xhci_put(u, 3, XHCI_BUFFER(3), 8, XHCI_TYPE(1) | 0x20);
	xhci_set(u, XHCI_BELL(u->address), 3);
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(15) | ep_bits(u, 3), NULL), ==, CC_SUCCESS);
	next = xhci_put(u, 3, XHCI_BUFFER(3), 8, XHCI_TYPE(1) | 0x20);
	g_assert_cmpuint(
		xhci_command(u, next | 1, XHCI_TYPE(16) | ep_bits(u, 3), NULL), ==, CC_SUCCESS);
	xhci_set(u, XHCI_BELL(u->address), 3);
	input_key(h.input, KEY_A, false);
	expect_transfer(u, 3, CC_SUCCESS, 0, next);
	host_done(&h);
}

/* ---- events and interrupts ---- */

/* A ring that is not emptied: nothing is lost, work waits. */
static void event_ring_full(void)
{
	struct xhci_test_trb e;
	struct usb_driver u;
	uint64_t addr[100];

	usb_driver_init(&u, &xhci_driver);
	for (unsigned i = 0; i < ARRAY_SIZE(addr); i++)
		addr[i] = xhci_put(&u, 0, 0, 0, XHCI_TYPE(23));
	xhci_set(&u, XHCI_BELL(0), 0);
	usb_step(&u, 5);
	for (unsigned i = 0; i < ARRAY_SIZE(addr); i++) {
		g_assert_true(xhci_next_event(&u, &e, 1));
		g_assert_cmphex(e.param, ==, addr[i]);
	}
	expect_no_event(&u);
	g_assert_cmpuint(u.controller->guest_errors, ==, 0);
	usb_driver_done(&u);
}

/* Two segments: events go on in the second, then in the first with the other cycle bit. */
static void event_ring_segments(void)
{
	const uint32_t erst[8] = {XHCI_EVENTS, 0, 16, 0, XHCI_EVENTS + 0x800, 0, 16, 0};
	struct usb_driver u;

	usb_driver_init(&u, &xhci_driver);
	ram_write(u.r, XHCI_ERST, erst, sizeof(erst));
	xhci_set(&u, XHCI_INTR(0) + 8, 2);
	xhci_set(&u, XHCI_INTR(0) + 0x14, 0);
	for (unsigned i = 0; i < 40; i++) {
		uint64_t at = XHCI_EVENTS + (i % 32 < 16 ? i % 32 : i % 32 - 16 + 0x80) * 16;
		uint64_t addr = xhci_put(&u, 0, 0, 0, XHCI_TYPE(23));

		xhci_set(&u, XHCI_BELL(0), 0);
		usb_step(&u, 1);
		g_assert_cmphex(rig_ram32(u.r, at), ==, addr);
		g_assert_cmphex(rig_ram32(u.r, at + 12) & 1, ==, i < 32);
		xhci_set(&u, XHCI_INTR(0) + 0x18, (uint32_t)at | 8);
	}
	usb_driver_done(&u);
}

static void noop_command(struct usb_driver *u)
{
	xhci_put(u, 0, 0, 0, XHCI_TYPE(23));
	xhci_set(u, XHCI_BELL(0), 0);
	usb_step(u, 1);
}

static void legacy_interrupt(void)
{
	struct xhci_test_trb e;
	struct usb_driver u;

	usb_driver_init(&u, &xhci_driver);
	g_assert_false(intx(&u));
	noop_command(&u);
	g_assert_true(intx(&u));
	g_assert_cmphex(xhci_reg(&u, OPER_STS) & 8, ==, 8);
	g_assert_cmphex(xhci_reg(&u, XHCI_INTR(0)), ==, 3);
	xhci_set(&u, OPER_CMD, 1);
	g_assert_false(intx(&u));
	xhci_set(&u, OPER_CMD, 5);
	g_assert_true(intx(&u));
	xhci_set(&u, XHCI_INTR(0), 3);
	g_assert_false(intx(&u));
	/* not while the handler is busy, but at its end */
	noop_command(&u);
	g_assert_cmphex(xhci_reg(&u, XHCI_INTR(0) + 0x18) & 8, ==, 8);
	xhci_set(&u, XHCI_INTR(0), 3);
	g_assert_true(xhci_next_event(&u, &e, 0));
	g_assert_true(intx(&u));
	g_assert_true(xhci_next_event(&u, &e, 0));
	usb_driver_done(&u);
}

static void message_interrupt(void)
{
	struct xhci_test_trb e;
	struct usb_driver u;
	unsigned devfn, cap;

	usb_driver_init(&u, &xhci_driver);
	devfn = to_pci_dev(u.controller)->devfn;
	cap = to_pci_dev(u.controller)->msix_cap;
	g_assert_cmphex(rig_cfg_read(u.r, devfn, cap + 2, 2) & 0x7ff, ==, 15);
	xhci_set(&u, 0x3000, 0xfee00000);
	xhci_set(&u, 0x3008, 0x41);
	xhci_set(&u, 0x300c, 0);
	rig_cfg_write(u.r, devfn, cap + 2, 2, 0x8000);
	noop_command(&u);
	g_assert_cmpuint(fake_accel_msis(u.r->fake), ==, 1);
	g_assert_cmphex(fake_accel_msi(u.r->fake, 0).data, ==, 0x41);
	g_assert_cmphex(xhci_reg(&u, XHCI_INTR(0)), ==, 2);
	noop_command(&u);
	g_assert_cmpuint(fake_accel_msis(u.r->fake), ==, 1);
	g_assert_true(xhci_next_event(&u, &e, 0));
	g_assert_cmpuint(fake_accel_msis(u.r->fake), ==, 2);
	g_assert_true(xhci_next_event(&u, &e, 0));
	g_assert_cmpuint(fake_accel_msis(u.r->fake), ==, 2);
	g_assert_false(intx(&u));
	usb_driver_done(&u);
}

/* ---- guests that mean no good ---- */

static void expect_dead(struct usb_driver *u)
{
	usb_step(u, 2);
	g_assert_cmphex(xhci_reg(u, OPER_STS) & 0x1001, ==, 0x1001);
	xhci_set(u, OPER_CMD, 5);
	g_assert_cmphex(xhci_reg(u, OPER_CMD) & 1, ==, 0);
	u->ops->start(u);
	g_assert_cmphex(xhci_reg(u, OPER_STS) & 0x1001, ==, 0);
}

static void hostile(void)
{
	const uint32_t bad_segment[4] = {XHCI_EVENTS, 0, 15, 0};
	struct host h;
	struct usb_driver *u = &h.u;

	host_init(&h);
	/* a descriptor that goes round in circles */
	ram_write32(u->r, XHCI_RING(3) + 12, XHCI_TYPE(1) | 0x10 | 1);
	ram_write32(u->r, XHCI_RING(3) + 16, XHCI_RING(3));
	ram_write32(u->r, XHCI_RING(3) + 28, XHCI_TYPE(6) | 0x10 | 1);
	xhci_set(u, XHCI_BELL(u->address), 3);
	usb_step(u, 2);
	g_assert_cmpuint(ep_state(u, 3), ==, 4);
	/* links and nothing else, on the command ring too */
	ram_write32(u->r, XHCI_RING(1) + (u->ring[1] >> 1) * 16, XHCI_RING(3) + 16);
	ram_write32(
		u->r, XHCI_RING(1) + (u->ring[1] >> 1) * 16 + 12, XHCI_TYPE(6) | (u->ring[1] & 1));
	ram_write32(u->r, XHCI_RING(3) + 16, XHCI_RING(3) + 16);
	ram_write32(u->r, XHCI_RING(3) + 28, XHCI_TYPE(6) | (u->ring[1] & 1));
	xhci_set(u, XHCI_BELL(u->address), 1);
	usb_step(u, 2);
	g_assert_cmpuint(ep_state(u, 1), ==, 4);
	ram_write32(u->r, XHCI_RING(0) + (u->ring[0] >> 1) * 16, XHCI_RING(3) + 16);
	ram_write32(
		u->r, XHCI_RING(0) + (u->ring[0] >> 1) * 16 + 12, XHCI_TYPE(6) | (u->ring[0] & 1));
	xhci_set(u, XHCI_BELL(0), 0);
	usb_step(u, 2);
	g_assert_cmphex(xhci_reg(u, OPER_STS) & 0x1001, ==, 0);
	/* not in memory: rings, contexts, segments */
	u->ops->start(u);
	rig_write(u->r, BUS_MMIO, u->base + CRCR, 8, UINT64_C(0xfffffffff000));
	xhci_set(u, XHCI_BELL(0), 0);
	expect_dead(u);
	rig_write(u->r, BUS_MMIO, u->base + XHCI_OPER + 0x30, 8, UINT64_C(0x800000000));
	xhci_put(u, 0, 0, 0, XHCI_TYPE(9));
	xhci_put(u, 0, XHCI_INPUT, 0, XHCI_TYPE(11) | 1u << 24);
	xhci_set(u, XHCI_BELL(0), 0);
	expect_dead(u);
	ram_write(u->r, XHCI_ERST, bad_segment, sizeof(bad_segment));
	xhci_set(u, XHCI_INTR(0) + 0x14, 0);
	expect_dead(u);
	g_assert_cmpuint(u->controller->guest_errors, ==, 5);
	host_done(&h);
}

static void random_writes(void)
{
	struct host h;
	struct usb_driver *u = &h.u;

	host_init(&h);
	for (unsigned i = 0; i < 100000; i++) {
		static const uint32_t at[] = {0x40, 0x58, 0x440, 0x1020, 0x2000, 0x3000};
		uint32_t offset = at[g_test_rand_int_range(0, ARRAY_SIZE(at))] +
				  (uint32_t)g_test_rand_int_range(0, 32) * 4;
		uint32_t v = (uint32_t)g_test_rand_int() >> g_test_rand_int_range(0, 32);

		/* mostly running */
		if (offset == OPER_CMD && g_test_rand_int_range(0, 8))
			v = 5;
		xhci_set(u, offset, v);
		xhci_reg(u, offset);
		if (i % 8 == 0)
			ram_write32(u->r,
				XHCI_DCBAA + (uint32_t)g_test_rand_int_range(0, 0x8000) * 4,
				(uint32_t)g_test_rand_int() % RIG_RAM);
		if (i % 64 == 0)
			usb_step(u, 1);
	}
	usb_unplug(h.kbd);
	u->ops->start(u);
	usb_insert(u, h.kbd);
	host_done(&h);
}

static void nec(void)
{
	struct rig *r = rig_new();
	struct dev *d = dev_new(r->bus, &nec_xhci_ops, "nec");

	to_pci_dev(d)->bus = r->pci;
	g_assert_true(dev_realize(d, NULL));
	g_assert_cmphex(rig_cfg_read(r, to_pci_dev(d)->devfn, 0, 4), ==, 0x01941033);
	rig_free(r);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} tests[] = {
		{"capabilities", capabilities},
		{"run-and-halt", run_and_halt},
		{"ports", ports},
		{"suspend-and-wakeup", suspend_and_wakeup},
		{"unplugged", unplugged},
		{"commands", commands},
		{"contexts", contexts},
		{"command-ring-stop", command_ring_stop},
		{"event-kinds", event_kinds},
		{"ring-forms", ring_forms},
		{"errors", errors},
		{"stop-endpoint", stop_endpoint},
		{"event-ring-full", event_ring_full},
		{"event-ring-segments", event_ring_segments},
		{"legacy-interrupt", legacy_interrupt},
		{"message-interrupt", message_interrupt},
		{"hostile", hostile},
		{"random-writes", random_writes},
		{"nec", nec},
	};

	g_test_init(&argc, &argv, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
		g_autofree char *path = g_strdup_printf("/xhci/%s", tests[i].name);

		g_test_add_func(path, tests[i].fn);
	}
	return g_test_run();
}
