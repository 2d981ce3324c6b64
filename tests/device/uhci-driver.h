/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uhci-driver.h - where the UHCI driver keeps its things, for tests that look at them or write their own. */
#ifndef TESTS_DEVICE_UHCI_DRIVER_H
#define TESTS_DEVICE_UHCI_DRIVER_H

#include "tests/device/usb-driver.h"

enum {
	UHCI_CMD = 0,
	UHCI_STS = 2,
	UHCI_INTR = 4,
	UHCI_FRNUM = 6,
	UHCI_FLBASE = 8,
	UHCI_SOFMOD = 12,
	UHCI_PORTSC = 16,
};

#define UHCI_FRAMES 0x10000u
#define UHCI_QH     0x20000u
#define UHCI_SETUP  0x20100u
#define UHCI_TD(i)  (0x21000u + (i)*16u)
#define UHCI_TDS    1024u
#define UHCI_BUFFER 0x40000u
#define UHCI_ACTIVE (1u << 23)

void ram_write(struct rig *r, uint64_t addr, const void *p, size_t n);
void ram_read(struct rig *r, uint64_t addr, void *p, size_t n);
void ram_write32(struct rig *r, uint64_t addr, uint32_t v);

/* Transfer descriptor @i, active, three errors allowed. */
void uhci_put_td(
	struct rig *r, unsigned i, uint32_t link, uint32_t token, uint32_t flags, uint32_t buffer);
uint32_t uhci_token(struct usb_driver *u, enum usb_pid pid, uint8_t ep, size_t n);

#endif
