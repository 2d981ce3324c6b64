/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uhci.h - between uhci.c (registers, ports, time) and uhci-schedule.c (what is in guest memory). */
#ifndef DEVMODEL_USB_UHCI_H
#define DEVMODEL_USB_UHCI_H

#include "devmodel/usb/usb-internal.h"

#define UHCI_STS_INT    0x01
#define UHCI_STS_ERROR  0x02
#define UHCI_STS_RESUME 0x04
#define UHCI_STS_HSE    0x08 /* host system error */
#define UHCI_STS_HCPE   0x10 /* host controller process error */
#define UHCI_STS_HALTED 0x20
#define UHCI_STS_W1C \
	(UHCI_STS_INT | UHCI_STS_ERROR | UHCI_STS_RESUME | UHCI_STS_HSE | UHCI_STS_HCPE)

#define UHCI_INTR_ERROR  0x1
#define UHCI_INTR_RESUME 0x2
#define UHCI_INTR_IOC    0x4
#define UHCI_INTR_SHORT  0x8

#define UHCI_PORT_PE      0x0004
#define UHCI_PORT_SUSPEND 0x1000

#define UHCI_PORTS      2
#define UHCI_IDLE_AFTER 64 /* frames without progress */

struct uhci_hw {
	uint16_t cmd, sts, intr, frnum; /* [g] */
	uint32_t flbase;                /* [g] */
	uint8_t sofmod;                 /* [g] */
	uint8_t cause;                  /* of UHCI_STS_INT: UHCI_INTR_IOC, UHCI_INTR_SHORT */
	uint16_t port[UHCI_PORTS];      /* [g] */
	uint16_t quiet;                 /* frames since the last progress */
	uint8_t pad[4];
	uint64_t next; /* virtual ns at which frame frnum begins */
};

struct uhci {
	struct usb_hc hc;
	struct uhci_hw hw;
	struct region regs;
	struct dev_timer timer;
	bool quiesced;
	uint64_t frames, wakeups; /* counters */
};

/*
 * Walks frame hw.frnum of the schedule; status bits and hw.quiet tell what happened. False: the schedule cannot be followed, with
 * UHCI_STS_HSE or UHCI_STS_HCPE set, and the controller halts. Main loop, lock held.
 */
bool uhci_walk_frame(struct uhci *s);

#endif
