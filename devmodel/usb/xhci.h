/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xhci.h - between the files of the xHCI controller. eXtensible Host Controller Interface 1.0; sections named in comments are
 * those of this specification.
 *
 *	xhci.c		registers, ports, life
 *	xhci-event.c	guest memory, event rings and interrupters
 *	xhci-command.c	the command ring, slots and contexts
 *	xhci-transfer.c	transfer rings
 *
 * vCPUs write registers; a doorbell notes what is to be looked at and posts it to the main loop, where everything else happens.
 * Rings and contexts are the guest's: each block is copied once and checked. What the controller knows of a slot is in
 * struct xhci_slot_hw, the output device context is only written.
 */
#ifndef DEVMODEL_USB_XHCI_H
#define DEVMODEL_USB_XHCI_H

#include "devmodel/usb/usb-internal.h"

#define XHCI_SLOTS    32 /* numbered from 1 */
#define XHCI_INTRS    16
#define XHCI_EPS      31 /* device context index 1 to 31 */
#define XHCI_TRB      16 /* bytes */
#define XHCI_ERST_MAX 8  /* segments of an event ring, a power of two */

/* TRB types, section 6.4.6. */
enum {
	TRB_NORMAL = 1,
	TRB_SETUP = 2,
	TRB_DATA = 3,
	TRB_STATUS = 4,
	TRB_ISOCH = 5,
	TRB_LINK = 6,
	TRB_EVENT_DATA = 7,
	TRB_NOOP = 8,
	TRB_ENABLE_SLOT = 9,
	TRB_DISABLE_SLOT = 10,
	TRB_ADDRESS_DEVICE = 11,
	TRB_CONFIGURE_EP = 12,
	TRB_EVALUATE_CONTEXT = 13,
	TRB_RESET_EP = 14,
	TRB_STOP_EP = 15,
	TRB_SET_DEQUEUE = 16,
	TRB_RESET_DEVICE = 17,
	TRB_NOOP_COMMAND = 23,
	TRB_TRANSFER_EVENT = 32,
	TRB_COMMAND_EVENT = 33,
	TRB_PORT_EVENT = 34,
	TRB_HOST_EVENT = 37,
	TRB_NEC_EVENT = 48,
	TRB_NEC_FIRMWARE = 49,
};

/* Completion codes, section 6.4.5. */
enum xhci_cc {
	CC_INVALID = 0,
	CC_SUCCESS = 1,
	CC_BABBLE = 3,
	CC_TRANSACTION = 4,
	CC_TRB = 5,
	CC_STALL = 6,
	CC_NO_SLOTS = 9,
	CC_SLOT_NOT_ENABLED = 11,
	CC_EP_NOT_ENABLED = 12,
	CC_SHORT = 13,
	CC_PARAMETER = 17,
	CC_CONTEXT_STATE = 19,
	CC_RING_FULL = 21,
	CC_COMMAND_STOPPED = 24,
	CC_STOPPED = 26,
};

/* TRB control word. */
#define TRB_C        0x001u
#define TRB_TC       0x002u /* link: toggle cycle */
#define TRB_ISP      0x004u
#define TRB_CH       0x010u
#define TRB_IOC      0x020u
#define TRB_IDT      0x040u
#define TRB_BEI      0x200u
#define TRB_BSR      0x200u /* Address Device; Configure Endpoint: deconfigure */
#define TRB_DIR_IN   0x10000u
#define TRB_TYPE(c)  ((c) >> 10 & 0x3f)
#define TRB_EP(c)    ((c) >> 16 & 0x1f)
#define TRB_SLOT(c)  ((c) >> 24)
#define TRB_LEN(s)   ((s)&0x1ffff)
#define TRB_INTR(s)  ((s) >> 22)
#define TRB_EVENT_ED 0x4u
#define TRB_MAKE(t)  ((uint32_t)(t) << 10)

struct xhci_trb {
	uint64_t param;
	uint32_t status, control;
};

#define XHCI_STS_HCH  0x0001u
#define XHCI_STS_EINT 0x0008u
#define XHCI_STS_PCD  0x0010u
#define XHCI_STS_SRE  0x0400u
#define XHCI_STS_HCE  0x1000u
#define XHCI_CMD_RS   0x1u
#define XHCI_CMD_INTE 0x4u

#define XHCI_IMAN_IP  0x1u
#define XHCI_IMAN_IE  0x2u
#define XHCI_ERDP_EHB 0x8u

struct xhci_intr_hw {
	uint32_t iman, imod, erstsz; /* [g] */
	uint32_t left;               /* entries of the segment from enqueue on */
	uint64_t erstba, erdp;       /* [g] */
	uint64_t enqueue;            /* where the next event goes */
	uint32_t segment;
	bool cycle;
	bool ready; /* ERSTBA was written: there is a ring */
	uint8_t pad[2];
};

enum xhci_ep_state { EP_DISABLED, EP_RUNNING, EP_HALTED, EP_STOPPED, EP_ERROR };

struct xhci_ep_hw {
	uint64_t dequeue; /* [g] of the transfer descriptor that is due */
	uint32_t done;    /* bytes of it that have passed */
	uint8_t state;    /* enum xhci_ep_state */
	bool cycle;
	uint8_t pad[2];
};

enum xhci_slot_state { SLOT_DISABLED, SLOT_DEFAULT, SLOT_ADDRESSED, SLOT_CONFIGURED };

struct xhci_slot_hw {
	bool enabled;
	uint8_t state;
	uint8_t port; /* from 1; 0: none yet */
	uint8_t pad[5];
	uint64_t context; /* [g] output device context */
	struct xhci_ep_hw eps[XHCI_EPS];
};

struct xhci_port_hw {
	uint32_t portsc, portpmsc; /* [g] */
};

struct xhci_hw {
	uint32_t usbcmd, usbsts, dnctrl, config; /* [g] */
	uint64_t dcbaap;                         /* [g] */
	uint64_t command;                        /* [g] dequeue pointer of the command ring */
	uint64_t started;                        /* virtual ns: MFINDEX was 0 */
	bool command_cycle, command_running;
	uint8_t pad[2];
	uint32_t port_events; /* ports whose change was not told yet */
	struct xhci_port_hw ports[USB_PORTS];
	struct xhci_intr_hw intrs[XHCI_INTRS];
	struct xhci_slot_hw slots[XHCI_SLOTS];
};

/* The longest transfer descriptor that we carry out, and what its buffers may be in pieces of memory. */
#define XHCI_TD_TRBS 512
#define XHCI_TD_SEGS 1024

struct xhci_td_trb {
	struct xhci_trb trb;
	uint64_t addr;
};

struct xhci {
	struct usb_hc hc;
	struct xhci_hw hw;
	uint8_t p2, p3; /* properties */
	bool nec;       /* [c] */
	bool quiesced;
	bool starved; /* work waits for room in an event ring */
	struct region regs;
	struct loop_call call;
	bool command_due;         /* lock: doorbell 0 was rung */
	uint32_t due[XHCI_SLOTS]; /* lock: endpoints, bit by device context index */
	/* Main loop: the transfer descriptor at hand. */
	struct xhci_td_trb td[XHCI_TD_TRBS];
	unsigned td_trbs;
	struct iovec segs[XHCI_TD_SEGS];
};

static inline struct xhci *to_xhci(struct dev *d)
{
	return container_of(to_pci_dev(d), struct xhci, hc.pci);
}

static inline struct dev *xhci_dev(struct xhci *s)
{
	return DEV(&s->hc.pci);
}

/* All of the following: main loop, controller's lock held, unless said otherwise. */

/* ---- xhci-event.c ---- */

/* False: there is no memory; the controller has stopped with Host Controller Error. */
bool xhci_read(struct xhci *s, uint64_t addr, void *dst, size_t n);
bool xhci_write(struct xhci *s, uint64_t addr, const void *src, size_t n);
/* The specification leaves no other way: HCE, and nothing happens until a reset. Any thread. */
void xhci_die(struct xhci *s, const char *why);
/* It runs, is not quiesced, may use memory. */
bool xhci_works(struct xhci *s);

/* The TRB at *@addr; false as xhci_read(). */
bool xhci_fetch(struct xhci *s, uint64_t addr, struct xhci_trb *trb);

/* Whether event ring @n takes an event without getting full. Work that ends in an event waits until it does. */
bool xhci_event_room(struct xhci *s, unsigned n);
/* Without a cycle bit in @trb; @block: no interrupt now (BEI). */
void xhci_event(struct xhci *s, unsigned n, struct xhci_trb trb, bool block);
/* Tells of ports that have changed. */
void xhci_port_events(struct xhci *s);

/* Registers of an interrupter. Any thread. */
uint32_t xhci_intr_read(struct xhci *s, uint32_t offset);
void xhci_intr_write(struct xhci *s, uint32_t offset, uint32_t v);
/* INTx as interrupter 0 wants it. Any thread. */
void xhci_update_irq(struct xhci *s);

/* ---- xhci-command.c ---- */

void xhci_run_commands(struct xhci *s);
/* CRCR bits stop and abort: the command ring stops. Any thread. */
void xhci_stop_commands(struct xhci *s);
/* The slot whose device sits in @port (from 1), 0: none. */
unsigned xhci_slot_of_port(const struct xhci *s, unsigned port);
/* Writes state and dequeue pointer into the output context of endpoint @dci of @slot. Any thread. */
void xhci_put_ep(struct xhci *s, unsigned slot, unsigned dci);

static inline struct xhci_slot_hw *xhci_slot(struct xhci *s, unsigned slot)
{
	return &s->hw.slots[slot - 1];
}

static inline struct xhci_ep_hw *xhci_ep(struct xhci *s, unsigned slot, unsigned dci)
{
	return &xhci_slot(s, slot)->eps[dci - 1];
}

/* ---- xhci-transfer.c ---- */

/* Carries out what endpoint @dci of @slot has to do. */
void xhci_run_ep(struct xhci *s, unsigned slot, unsigned dci);
/* Stop Endpoint: tells how far the descriptor at hand has come. */
void xhci_stopped_event(struct xhci *s, unsigned slot, unsigned dci);
/* Something of what is due has to be looked at again. Any thread. */
void xhci_kick(struct xhci *s, unsigned slot, unsigned dci);
void xhci_kick_all(struct xhci *s);

/* ---- xhci.c ---- */

/* The port of @slot, NULL when nobody sits in it or it is not enabled. */
struct usb_port *xhci_port_of(struct xhci *s, unsigned slot);

#endif
