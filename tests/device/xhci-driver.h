/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xhci-driver.h - where the xHCI driver keeps its things, for tests that look at them or write their own. */
#ifndef TESTS_DEVICE_XHCI_DRIVER_H
#define TESTS_DEVICE_XHCI_DRIVER_H

#include "tests/device/usb-driver.h"

#define XHCI_DCBAA       0x10000u
#define XHCI_ERST        0x10800u
#define XHCI_EVENTS      0x11000u
#define XHCI_N_EVENTS    64u
#define XHCI_INPUT       0x12000u
#define XHCI_OUTPUT      0x13000u
#define XHCI_RING(dci)   (0x20000u + (dci)*0x1000u) /* 0: commands */
#define XHCI_RING_SIZE   128u                       /* TRBs, the link among them */
#define XHCI_BUFFER(dci) (0x100000u + (dci)*0x40000u)

#define XHCI_OPER    0x40u
#define XHCI_PORT(n) (0x440u + 0x10u * ((n)-1)) /* from 1 */
#define XHCI_INTR(n) (0x1020u + 0x20u * (n))
#define XHCI_BELL(n) (0x2000u + 4u * (n))

struct xhci_test_trb {
	uint64_t param;
	uint32_t status, control;
};

uint32_t xhci_reg(struct usb_driver *u, uint32_t offset);
void xhci_set(struct usb_driver *u, uint32_t offset, uint32_t v);

/* Puts a TRB on a ring, cycle bit added; the address it got. */
uint64_t xhci_put(
	struct usb_driver *u, unsigned dci, uint64_t param, uint32_t status, uint32_t control);
/* The next event, taken off the ring; false: there is none after @ms. */
bool xhci_next_event(struct usb_driver *u, struct xhci_test_trb *ret, unsigned ms);
/* A command; completion code, and in @ret_slot (may be NULL) the slot of the event. Other events are dropped. */
unsigned xhci_command(struct usb_driver *u, uint64_t param, uint32_t control, unsigned *ret_slot);
/* A slot and an address for what sits in port @port (from 1). */
void xhci_address(struct usb_driver *u, unsigned port);

#define XHCI_TYPE(t) ((uint32_t)(t) << 10)

#endif
