/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A UHCI driver: one queue head in every frame, transfers are chains of descriptors below it. */
#include <string.h>

#include "tests/device/uhci-driver.h"

static void io_write(struct usb_driver *u, unsigned reg, unsigned size, uint32_t v)
{
	rig_write(u->r, BUS_PIO, u->base + reg, size, v);
}

static uint16_t io_read(struct usb_driver *u, unsigned reg)
{
	return (uint16_t)rig_read(u->r, BUS_PIO, u->base + reg, 2);
}

void ram_write(struct rig *r, uint64_t addr, const void *p, size_t n)
{
	g_assert_cmpint(gmem_write(r->gmem, GPA(addr), p, n), ==, 0);
}

void ram_read(struct rig *r, uint64_t addr, void *p, size_t n)
{
	g_assert_cmpint(gmem_read(r->gmem, GPA(addr), p, n), ==, 0);
}

void ram_write32(struct rig *r, uint64_t addr, uint32_t v)
{
	ram_write(r, addr, &v, sizeof(v));
}

static void start(struct usb_driver *u)
{
	io_write(u, UHCI_CMD, 2, 0x02); /* HCRESET */
	for (unsigned i = 0; i < 1024; i++)
		ram_write32(u->r, UHCI_FRAMES + 4 * i, UHCI_QH | 2);
	ram_write32(u->r, UHCI_QH, 1);
	ram_write32(u->r, UHCI_QH + 4, 1);
	io_write(u, UHCI_FLBASE, 4, UHCI_FRAMES);
	io_write(u, UHCI_INTR, 2, 0x0f);
	io_write(u, UHCI_CMD, 2, 0xc1); /* MAXP, CF, RS */
	g_assert_cmphex(io_read(u, UHCI_STS) & 0x20, ==, 0);
}

void uhci_put_td(
	struct rig *r, unsigned i, uint32_t link, uint32_t token, uint32_t flags, uint32_t buffer)
{
	const uint32_t td[4] = {link, UHCI_ACTIVE | 3u << 27 | flags, token, buffer};

	ram_write(r, UHCI_TD(i), td, sizeof(td));
}

uint32_t uhci_token(struct usb_driver *u, enum usb_pid pid, uint8_t ep, size_t n)
{
	return (uint32_t)pid | (uint32_t)u->address << 8 | (uint32_t)(ep & 0xf) << 15 |
	       ((uint32_t)n - 1) << 21;
}

/* What became of descriptors 0 to @last: the result of the first that is not done well. */
static enum usb_result judge(struct usb_driver *u, unsigned first, unsigned last, size_t *ret_done)
{
	for (unsigned i = first; i <= last; i++) {
		uint32_t td[4], max, got;

		ram_read(u->r, UHCI_TD(i), td, sizeof(td));
		got = (td[1] + 1) & 0x7ff;
		max = ((td[2] >> 21) + 1) & 0x7ff;
		if (td[1] & UHCI_ACTIVE)
			return USB_NAK;
		*ret_done += got;
		if (td[1] & 1u << 20)
			return USB_BABBLE;
		if (td[1] & 1u << 18)
			return USB_GONE;
		if (td[1] & 1u << 22)
			return USB_STALL;
		if (got < max)
			return USB_SHORT;
	}
	return USB_ACK;
}

/* Hangs descriptors 0 to @last below the queue head and waits for them. */
static enum usb_result run(
	struct usb_driver *u, unsigned first, unsigned last, size_t *ret_done, unsigned ms)
{
	enum usb_result result;

	ram_write32(u->r, UHCI_QH + 4, UHCI_TD(first));
	do {
		usb_step(u, 1);
		*ret_done = 0;
		result = judge(u, first, last, ret_done);
	} while (result == USB_NAK && --ms);
	return result;
}

static unsigned put_data(
	struct usb_driver *u, unsigned first, enum usb_pid pid, uint8_t ep, size_t n, unsigned max)
{
	unsigned i = first;
	size_t done = 0;

	do {
		size_t len = MIN(n - done, max);

		uhci_put_td(u->r, i, done + len < n ? UHCI_TD(i + 1) | 4 : 1,
			uhci_token(u, pid, ep, len), pid == USB_PID_IN ? 1u << 29 : 0,
			(uint32_t)(UHCI_BUFFER + done));
		done += len;
		i++;
	} while (done < n);
	return i - 1;
}

static enum usb_result status_stage(struct usb_driver *u, enum usb_pid pid)
{
	size_t done = 0;

	uhci_put_td(u->r, 0, 1, uhci_token(u, pid, 0, 0), 1u << 24, 0);
	return run(u, 0, 0, &done, 10);
}

static enum usb_result control(
	struct usb_driver *u, const struct usb_setup *s, void *data, size_t *ret_done)
{
	const uint16_t setup[4] = {
		(uint16_t)(s->type | s->request << 8), s->value, s->index, s->length};
	enum usb_pid pid = s->type & USB_TYPE_IN ? USB_PID_IN : USB_PID_OUT;
	enum usb_result result;
	size_t done = 0;

	ram_write(u->r, UHCI_SETUP, setup, sizeof(setup));
	uhci_put_td(u->r, 0, 1, uhci_token(u, USB_PID_SETUP, 0, 8), 0, UHCI_SETUP);
	result = run(u, 0, 0, &done, 10);
	if (result != USB_ACK)
		return result;
	*ret_done = 0;
	if (s->length) {
		unsigned last;

		if (pid == USB_PID_OUT)
			ram_write(u->r, UHCI_BUFFER, data, s->length);
		last = put_data(u, 0, pid, 0, s->length, u->max_packet[0]);
		result = run(u, 0, last, ret_done, 100);
		if (result != USB_ACK && result != USB_SHORT)
			return result;
		if (pid == USB_PID_IN)
			ram_read(u->r, UHCI_BUFFER, data, *ret_done);
	}
	return status_stage(u, s->length && pid == USB_PID_IN ? USB_PID_OUT : USB_PID_IN);
}

/* At most UHCI_TDS packets at a time, all in one chain. */
static enum usb_result pipe_once(
	struct usb_driver *u, uint8_t ep, void *data, size_t n, size_t *ret_done, unsigned ms)
{
	enum usb_pid pid = ep & USB_EP_IN ? USB_PID_IN : USB_PID_OUT;
	enum usb_result result;
	unsigned last;

	if (pid == USB_PID_OUT && n)
		ram_write(u->r, UHCI_BUFFER, data, n);
	last = put_data(u, 0, pid, ep, n, u->max_packet[ep & 0xf]);
	result = run(u, 0, last, ret_done, ms);
	if (pid == USB_PID_IN && *ret_done)
		ram_read(u->r, UHCI_BUFFER, data, *ret_done);
	ram_write32(u->r, UHCI_QH + 4, 1);
	return result;
}

static enum usb_result pipe_transfer(
	struct usb_driver *u, uint8_t ep, void *data, size_t n, size_t *ret_done, unsigned ms)
{
	size_t chunk = (size_t)u->max_packet[ep & 0xf] * UHCI_TDS, done = 0;
	enum usb_result result;

	do {
		size_t got = 0;

		result = pipe_once(u, ep, (uint8_t *)data + done, MIN(n - done, chunk), &got, ms);
		done += got;
	} while (result == USB_ACK && done < n);
	*ret_done = done;
	return result;
}

static void enumerate(struct usb_driver *u)
{
	struct usb_setup s = {
		.type = USB_TYPE_IN, .request = USB_GET_DESCRIPTOR, .value = 1 << 8, .length = 8};
	unsigned reg = UHCI_PORTSC + 2 * (u->port - 1);
	uint8_t device[8];

	g_assert_cmphex(io_read(u, reg) & 3, ==, 3);
	io_write(u, reg, 2, 0x02);
	io_write(u, reg, 2, 0x200);
	usb_step(u, 10);
	io_write(u, reg, 2, 0);
	io_write(u, reg, 2, 0x04);
	g_assert_cmphex(io_read(u, reg) & 0x107, ==, 0x05);
	u->address = 0;
	u->max_packet[0] = 8;
	usb_must(u, &s, device);
	u->max_packet[0] = device[7];
	s = (struct usb_setup){.request = 5, .value = 5};
	usb_must(u, &s, NULL);
	u->address = 5;
}

static void configure(struct usb_driver *u, const uint8_t *config)
{
	unsigned total = config[2] | (unsigned)config[3] << 8;

	for (unsigned i = 0; i < total; i += config[i]) {
		if (config[i + 1] == 5)
			u->max_packet[config[i + 2] & 0xf] = config[i + 4];
	}
}

static void restart_pipe(struct usb_driver *u, uint8_t ep)
{
}

const struct usb_driver_ops uhci_driver = {
	.name = "uhci",
	.controller = &piix3_uhci_ops,
	.start = start,
	.enumerate = enumerate,
	.configure = configure,
	.control = control,
	.pipe = pipe_transfer,
	.restart_pipe = restart_pipe,
};
