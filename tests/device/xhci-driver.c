/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An xHCI driver for one device: one interrupter, rings of one segment with a link at the end. */
#include "tests/device/xhci-driver.h"

#include <string.h>

#include "tests/device/uhci-driver.h"

#define PIECE 4096u /* payload of a TRB: descriptors get long */

uint32_t xhci_reg(struct usb_driver *u, uint32_t offset)
{
	return (uint32_t)rig_read(u->r, BUS_MMIO, u->base + offset, 4);
}

void xhci_set(struct usb_driver *u, uint32_t offset, uint32_t v)
{
	rig_write(u->r, BUS_MMIO, u->base + offset, 4, v);
}

static void zero(struct usb_driver *u, uint64_t addr, size_t n)
{
	g_assert_cmpint(gmem_fill(u->r->gmem, GPA(addr), 0, n), ==, 0);
}

/* Rings: ring[] is place << 1 | cycle bit. */
static void new_ring(struct usb_driver *u, unsigned dci)
{
	zero(u, XHCI_RING(dci), XHCI_RING_SIZE * 16);
	u->ring[dci] = 1;
	u->waiting[dci] = false;
}

static uint64_t ring_addr(const struct usb_driver *u, unsigned dci)
{
	return XHCI_RING(dci) + (u->ring[dci] >> 1) * 16;
}

static void put_raw(struct usb_driver *u, unsigned dci, struct xhci_test_trb t)
{
	t.control |= u->ring[dci] & 1;
	ram_write(u->r, ring_addr(u, dci), &t, sizeof(t));
}

uint64_t xhci_put(
	struct usb_driver *u, unsigned dci, uint64_t param, uint32_t status, uint32_t control)
{
	uint64_t addr;

	if (u->ring[dci] >> 1 == XHCI_RING_SIZE - 1) {
		/* the chain bit goes over the link */
		put_raw(u, dci,
			(struct xhci_test_trb){
				XHCI_RING(dci), 0, XHCI_TYPE(6) | 2 | (control & 0x10)});
		u->ring[dci] = ~u->ring[dci] & 1;
	}
	addr = ring_addr(u, dci);
	put_raw(u, dci, (struct xhci_test_trb){param, status, control});
	u->ring[dci] += 2;
	return addr;
}

static bool take_event(struct usb_driver *u, struct xhci_test_trb *ret)
{
	uint32_t at = u->event >> 1;

	ram_read(u->r, XHCI_EVENTS + at * 16, ret, sizeof(*ret));
	if ((ret->control & 1) != (u->event & 1))
		return false;
	u->event = at + 1 == XHCI_N_EVENTS ? ~u->event & 1 : u->event + 2;
	xhci_set(u, XHCI_INTR(0) + 0x18, (XHCI_EVENTS + (u->event >> 1) * 16) | 8);
	xhci_set(u, XHCI_INTR(0) + 0x1c, 0);
	return true;
}

bool xhci_next_event(struct usb_driver *u, struct xhci_test_trb *ret, unsigned ms)
{
	for (unsigned i = 0;; i++) {
		rig_poll(u->r);
		if (take_event(u, ret))
			return true;
		if (i == ms)
			return false;
		usb_step(u, 1);
	}
}

unsigned xhci_command(struct usb_driver *u, uint64_t param, uint32_t control, unsigned *ret_slot)
{
	uint64_t addr = xhci_put(u, 0, param, 0, control);
	struct xhci_test_trb e;

	xhci_set(u, XHCI_BELL(0), 0);
	do {
		g_assert_true(xhci_next_event(u, &e, 10));
	} while ((e.control >> 10 & 0x3f) != 33);
	g_assert_cmphex(e.param, ==, addr);
	if (ret_slot)
		*ret_slot = e.control >> 24;
	return e.status >> 24;
}

static void start(struct usb_driver *u)
{
	const uint32_t erst[4] = {XHCI_EVENTS, 0, XHCI_N_EVENTS, 0};

	xhci_set(u, XHCI_OPER, 2);
	g_assert_cmphex(xhci_reg(u, XHCI_OPER) & 2, ==, 0);
	zero(u, XHCI_DCBAA, 0x10000);
	for (unsigned dci = 0; dci < USB_DRIVER_PIPES; dci++)
		new_ring(u, dci);
	u->event = 1;
	ram_write(u->r, XHCI_ERST, erst, sizeof(erst));
	xhci_set(u, XHCI_OPER + 0x38, 8);
	rig_write(u->r, BUS_MMIO, u->base + XHCI_OPER + 0x30, 8, XHCI_DCBAA);
	rig_write(u->r, BUS_MMIO, u->base + XHCI_OPER + 0x18, 8, XHCI_RING(0) | 1);
	xhci_set(u, XHCI_INTR(0) + 8, 1);
	rig_write(u->r, BUS_MMIO, u->base + XHCI_INTR(0) + 0x18, 8, XHCI_EVENTS);
	rig_write(u->r, BUS_MMIO, u->base + XHCI_INTR(0) + 0x10, 8, XHCI_ERST);
	xhci_set(u, XHCI_INTR(0), 2);
	xhci_set(u, XHCI_OPER, 5);
	g_assert_cmphex(xhci_reg(u, XHCI_OPER + 4) & 1, ==, 0);
}

static void put_slot_context(struct usb_driver *u, unsigned port, unsigned entries)
{
	uint32_t slot[8] = {(uint32_t)u->speed << 20 | entries << 27, port << 16};

	ram_write(u->r, XHCI_INPUT + 32, slot, sizeof(slot));
}

static void put_ep_context(struct usb_driver *u, unsigned dci, unsigned type, unsigned packet)
{
	uint32_t ep[8] = {0, packet << 16 | type << 3 | 3 << 1, XHCI_RING(dci) | 1};

	new_ring(u, dci);
	ram_write(u->r, XHCI_INPUT + 32 * (dci + 1), ep, sizeof(ep));
}

static void put_control_context(struct usb_driver *u, uint32_t drop, uint32_t add)
{
	ram_write32(u->r, XHCI_INPUT, drop);
	ram_write32(u->r, XHCI_INPUT + 4, add);
}

void xhci_address(struct usb_driver *u, unsigned port)
{
	static const uint16_t packets[] = {0, 64, 8, 64, 512};
	unsigned slot;

	u->port = port;
	u->speed = xhci_reg(u, XHCI_PORT(port)) >> 10 & 0xf;
	g_assert_cmpuint(xhci_command(u, 0, XHCI_TYPE(9), &slot), ==, 1);
	u->address = (uint8_t)slot;
	zero(u, XHCI_INPUT, 0x1000);
	zero(u, XHCI_OUTPUT, 0x1000);
	ram_write32(u->r, XHCI_DCBAA + 8 * slot, XHCI_OUTPUT);
	put_control_context(u, 0, 3);
	put_slot_context(u, port, 1);
	put_ep_context(u, 1, 4, packets[u->speed]);
	g_assert_cmpuint(xhci_command(u, XHCI_INPUT, XHCI_TYPE(11) | slot << 24, NULL), ==, 1);
	g_assert_cmphex(rig_ram32(u->r, XHCI_OUTPUT + 12), ==, 2u << 27 | slot);
}

/* The connector's port of USB 2 or of USB 3, whichever has a device. */
static void enumerate(struct usb_driver *u)
{
	unsigned port = u->port;

	if (!(xhci_reg(u, XHCI_PORT(port)) & 1))
		port += 4;
	g_assert_cmphex(xhci_reg(u, XHCI_PORT(port)) & 0x20001, ==, 0x20001);
	xhci_set(u, XHCI_PORT(port), 0x20200);
	xhci_set(u, XHCI_PORT(port), 0x210);
	g_assert_cmphex(xhci_reg(u, XHCI_PORT(port)) & 0x2003f3, ==, 0x200203);
	xhci_set(u, XHCI_PORT(port), 0x200200);
	xhci_address(u, port);
}

static void configure(struct usb_driver *u, const uint8_t *config)
{
	unsigned total = config[2] | (unsigned)config[3] << 8;
	uint32_t add = 1;

	zero(u, XHCI_INPUT, 0x1000);
	for (unsigned i = 0; i < total; i += config[i]) {
		const uint8_t *e = config + i;
		unsigned dci;

		if (e[1] != 5)
			continue;
		dci = (e[2] & 0xf) * 2u + (e[2] >> 7);
		add |= 1u << dci;
		put_ep_context(u, dci, (e[3] & 3) + (e[2] & 0x80 ? 4 : 0), e[4] | e[5] << 8);
	}
	put_control_context(u, 0, add);
	put_slot_context(u, u->port, 31);
	g_assert_cmpuint(
		xhci_command(u, XHCI_INPUT, XHCI_TYPE(12) | (uint32_t)u->address << 24, NULL), ==,
		1);
	g_assert_cmphex(rig_ram32(u->r, XHCI_OUTPUT + 12) >> 27, ==, 3);
}

static enum usb_result result_of(unsigned cc)
{
	switch (cc) {
	case 1: return USB_ACK;
	case 13: return USB_SHORT;
	case 6: return USB_STALL;
	case 3: return USB_BABBLE;
	default: return USB_GONE;
	}
}

static uint32_t ep_command(struct usb_driver *u, unsigned type, unsigned dci)
{
	return XHCI_TYPE(type) | dci << 16 | (uint32_t)u->address << 24;
}

/* Section 4.6.8: what a driver does about a halted endpoint. */
static void recover(struct usb_driver *u, unsigned dci)
{
	g_assert_cmpuint(xhci_command(u, 0, ep_command(u, 14, dci), NULL), ==, 1);
	g_assert_cmpuint(xhci_command(u, ring_addr(u, dci) | (u->ring[dci] & 1),
				 ep_command(u, 16, dci), NULL),
		==, 1);
	u->waiting[dci] = false;
}

/* The next transfer event of @dci; others (of ports) are dropped. */
static bool wait_transfer(struct usb_driver *u, unsigned dci, struct xhci_test_trb *e, unsigned ms)
{
	while (xhci_next_event(u, e, ms)) {
		if ((e->control >> 10 & 0x3f) != 32)
			continue;
		g_assert_cmpuint(e->control >> 24, ==, u->address);
		g_assert_cmpuint(e->control >> 16 & 0x1f, ==, dci);
		return true;
	}
	return false;
}

static enum usb_result control(
	struct usb_driver *u, const struct usb_setup *s, void *data, size_t *ret_done)
{
	bool in = s->type & USB_TYPE_IN;
	struct xhci_test_trb e;
	uint64_t setup = s->type | (uint64_t)s->request << 8 | (uint64_t)s->value << 16 |
			 (uint64_t)s->index << 32 | (uint64_t)s->length << 48;

	if (s->length && !in)
		ram_write(u->r, XHCI_BUFFER(1), data, s->length);
	xhci_put(u, 1, setup, 8, XHCI_TYPE(2) | 0x40 | (s->length ? 2u + in : 0) << 16);
	if (s->length)
		xhci_put(u, 1, XHCI_BUFFER(1), s->length, XHCI_TYPE(3) | 0x4 | (in ? 0x10000u : 0));
	xhci_put(u, 1, 0, 0, XHCI_TYPE(4) | 0x20 | (s->length && in ? 0 : 0x10000u));
	xhci_set(u, XHCI_BELL(u->address), 1);
	*ret_done = s->length;
	for (;;) {
		g_assert_true(wait_transfer(u, 1, &e, 10));
		if (e.status >> 24 != 13)
			break;
		*ret_done = s->length - (e.status & 0xffffff);
	}
	if (e.status >> 24 != 1)
		recover(u, 1);
	else if (in)
		ram_read(u->r, XHCI_BUFFER(1), data, *ret_done);
	return result_of(e.status >> 24);
}

static void put_transfer(struct usb_driver *u, unsigned dci, size_t n)
{
	size_t done = 0;

	do {
		uint32_t len = (uint32_t)MIN(n - done, PIECE);
		bool last = done + len == n;

		xhci_put(u, dci, XHCI_BUFFER(dci) + done, len,
			XHCI_TYPE(1) | 0x4 | (last ? 0x20 : 0x10));
		done += len;
	} while (done < n);
	xhci_set(u, XHCI_BELL(u->address), dci);
}

static enum usb_result pipe_transfer(
	struct usb_driver *u, uint8_t ep, void *data, size_t n, size_t *ret_done, unsigned ms)
{
	unsigned dci = (ep & 0xf) * 2u + (ep >> 7);
	struct xhci_test_trb e, at;

	if (!u->waiting[dci]) {
		if (!(ep & USB_EP_IN) && n)
			ram_write(u->r, XHCI_BUFFER(dci), data, n);
		put_transfer(u, dci, n);
		u->waiting[dci] = true;
	}
	if (!wait_transfer(u, dci, &e, ms))
		return USB_NAK;
	u->waiting[dci] = false;
	ram_read(u->r, e.param, &at, sizeof(at));
	*ret_done = at.param - XHCI_BUFFER(dci) + (at.status & 0x1ffff) - (e.status & 0xffffff);
	if (ep & USB_EP_IN && *ret_done)
		ram_read(u->r, XHCI_BUFFER(dci), data, *ret_done);
	return result_of(e.status >> 24);
}

static void restart_pipe(struct usb_driver *u, uint8_t ep)
{
	unsigned dci = (ep & 0xf) * 2u + (ep >> 7);

	/* Stopped or halted: the context says. */
	if ((rig_ram32(u->r, XHCI_OUTPUT + 32 * dci) & 7) == 1)
		g_assert_cmpuint(xhci_command(u, 0, ep_command(u, 15, dci), NULL), ==, 1);
	if ((rig_ram32(u->r, XHCI_OUTPUT + 32 * dci) & 7) == 2) {
		recover(u, dci);
		return;
	}
	g_assert_cmpuint(xhci_command(u, ring_addr(u, dci) | (u->ring[dci] & 1),
				 ep_command(u, 16, dci), NULL),
		==, 1);
	u->waiting[dci] = false;
}

const struct usb_driver_ops xhci_driver = {
	.name = "xhci",
	.controller = &qemu_xhci_ops,
	.start = start,
	.enumerate = enumerate,
	.configure = configure,
	.control = control,
	.pipe = pipe_transfer,
	.restart_pipe = restart_pipe,
};
