/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000.h - what the 82540EM (e1000.c) and the 82574L (e1000e.c) have in common: registers,
 * descriptor engines, interrupts, PHY. What only one of them has is asked of its struct
 * e1000_model.
 *
 *	e1000-core.c	the table of registers, their effects, life
 *	e1000-irq.c	causes, masks, moderation; pin, MSI, MSI-X
 *	e1000-phy.c	MDI registers, link, EEPROM
 *	e1000-tx.c	descriptors to packets
 *	e1000-rx.c	filters, frames to descriptors
 *	e1000-stat.c	statistics
 *
 * Everything is under the device's lock.
 */
#ifndef DEVMODEL_NET_E1000_H
#define DEVMODEL_NET_E1000_H

#include "devmodel/net/e1000-regs.h"
#include "devmodel/net/eeprom.h"
#include "devmodel/net/nic.h"

#define E1000_QUEUES   2
#define E1000_RA       16 /* receive addresses */
#define E1000_MTA      128
#define E1000_VFTA     128
#define E1000_RETA     32
#define E1000_RSSRK    10
#define E1000_STATS    64
#define E1000_PHY_REGS 32
#define E1000_TX_DESCS 512 /* of one packet; a longer chain is an error of the driver */

/* What differs. */
struct e1000_model {
	const char *name;
	uint16_t device;
	bool is_82574;
	unsigned queues;
	uint16_t phy_id2;     /* low word of the PHY's identifier */
	uint32_t phy_address; /* on the MDI */
	const uint16_t *nvm;  /* EEPROM_WORDS: address and checksum are filled in */
};

struct e1000_ring {
	uint32_t bal, bah, len, head, tail; /* [g] */
	uint32_t dctl;                      /* [g] RXDCTL, TXDCTL */
};

/* A context descriptor, manual section 3.3.6. */
struct e1000_context {
	uint8_t ipcss, ipcso, tucss, tucso;
	uint16_t ipcse, tucse, mss;
	uint8_t header, command;
};

/* Timers: moderation, negotiation. */
enum e1000_timer {
	E1000_T_RDTR, /* since the last frame */
	E1000_T_RADV, /* since the first one */
	E1000_T_TIDV,
	E1000_T_TADV,
	E1000_T_ITR,                               /* no interrupt before it ends */
	E1000_T_EITR,                              /* of the vectors */
	E1000_T_LINK = E1000_T_EITR + ICR_VECTORS, /* negotiation ends */
	E1000_TIMERS,
};

struct e1000_hw {
	/* [g] all but counters and clock */
	uint32_t ctrl, status, eecd, eerd, eewr, ctrl_ext, mdic, fcal, fcah, fct, vet, fcttv, txcw,
		rxcw;
	uint32_t icr, ims, iam, itr, eiac, ivar, eitr[ICR_VECTORS];
	uint32_t rctl, tctl, tipg, ait, ledctl, pba, pbs, eemngctl, flop;
	uint32_t fcrtl, fcrth, rdtr, radv, rsrpd, tidv, tadv, psrctl, tarc[E1000_QUEUES];
	uint32_t rxcsum, rfctl, mrqc;
	uint32_t mta[E1000_MTA], vfta[E1000_VFTA], ra[2 * E1000_RA];
	uint32_t reta[E1000_RETA], rssrk[E1000_RSSRK];
	uint32_t wuc, wufc, wus, ipav, manc, gcr, swsm, swsm2, fwsm, factps, extcnf, phy_ctrl;
	uint32_t timinca, systim_adjust[2]; /* SYSTIM at systim_base */
	uint32_t stat[E1000_STATS];         /* from 0x4000 on */
	uint32_t io_addr;                   /* IOADDR */
	uint32_t rx_delayed, tx_delayed;    /* causes that wait for RDTR, TIDV */
	uint32_t sent; /* MSI-X: causes whose message was sent since they were set */
	struct e1000_ring rx[E1000_QUEUES], tx[E1000_QUEUES];
	struct e1000_context context[E1000_QUEUES][2]; /* without and with segmentation */
	uint16_t phy[E1000_PHY_REGS];
	struct eeprom_hw eeprom;
	uint64_t deadline[E1000_TIMERS]; /* virtual ns; 0: not running */
	uint64_t systim_base;            /* virtual ns */
	uint8_t tx_queue;                /* served next */
	bool tx_discard[E1000_QUEUES];   /* up to the next end of packet */
	bool asserted;                   /* the interrupt of pin or MSI */
	bool throttled;                  /* it waits for ITR to end */
	uint8_t pad[3];
};

extern const struct state_desc e1000_state;

/* The packet on its way: which descriptors are to be given back, and how. */
struct e1000_tx_packet {
	unsigned queue, n;
	uint8_t commands[E1000_TX_DESCS];
};

struct e1000_core {
	struct pci_dev pci;
	struct nic nic;
	const struct e1000_model *model; /* [c] */
	struct e1000_hw hw;              /* [s] */
	struct region mem, io;
	struct dev_timer timer; /* to the first of hw.deadline */
	struct e1000_tx_packet tx;
	uint8_t mac[ETH_ALEN]; /* [c] property */
};

#define E1000_MEM_SIZE (128 * KiB)

static inline struct e1000_core *to_e1000(struct dev *d)
{
	return container_of(to_pci_dev(d), struct e1000_core, pci);
}

/* ---- e1000-core.c: parts of dev_ops ---- */

/* After pci_dev_init(): regions (not yet in BARs), timer, back-end. */
bool e1000_init(
	struct e1000_core *c, const struct e1000_model *m, uint64_t io_size, GError **error);
void e1000_reset(struct dev *d, enum reset_kind kind);
void e1000_quiesce(struct dev *d, struct async_group *g);
void e1000_resume(struct dev *d);
int e1000_post_load(struct dev *d);
void e1000_unrealize(struct dev *d);
extern const struct pci_ops e1000_pci_ops;
int64_t e1000_now(struct e1000_core *c);

/* ---- e1000-irq.c ---- */

/* Causes were set. */
void e1000_cause(struct e1000_core *c, uint32_t causes);
/* Causes of a frame received (@queue), of descriptors given back; moderated. */
void e1000_cause_rx(struct e1000_core *c, unsigned queue);
void e1000_cause_tx(struct e1000_core *c, unsigned queue, bool delayed);
/* What waits for RDTR or RADV, TIDV or TADV, now. */
void e1000_flush_rx(struct e1000_core *c);
void e1000_flush_tx(struct e1000_core *c);
/* Anything that interrupts depend on has changed. */
void e1000_irq_update(struct e1000_core *c);
uint32_t e1000_icr_read(struct e1000_core *c);
void e1000_icr_write(struct e1000_core *c, uint32_t value);
/* @after ns from now. */
void e1000_timer_start(struct e1000_core *c, enum e1000_timer t, int64_t after);
void e1000_timer_rearm(struct e1000_core *c);
void e1000_timer_fn(struct dev *d);

/* ---- e1000-phy.c ---- */

void e1000_phy_reset(struct e1000_core *c);
void e1000_mdic_write(struct e1000_core *c, uint32_t value);
/* The back-end's link, or the PHY, has changed. */
void e1000_link_update(struct e1000_core *c);
void e1000_link_timer(struct e1000_core *c);
bool e1000_link_up(const struct e1000_core *c);
/* EEPROM as it comes from the factory. */
void e1000_nvm_init(struct e1000_core *c);
void e1000_eecd_write(struct e1000_core *c, uint32_t value);
uint32_t e1000_eecd_read(const struct e1000_core *c);
void e1000_eerd_write(struct e1000_core *c, uint32_t value);
void e1000_eewr_write(struct e1000_core *c, uint32_t value);

/* ---- e1000-tx.c, e1000-rx.c: struct nic_ops ---- */

enum nic_tx e1000_tx_next(struct dev *d, struct packet *p);
void e1000_tx_done(struct dev *d, const struct packet *p);
bool e1000_rx_ready(struct dev *d);
void e1000_rx_frame(struct dev *d, uint8_t *frame, size_t n);

static inline gpa_t e1000_ring_base(const struct e1000_ring *r)
{
	return GPA((uint64_t)r->bah << 32 | (r->bal & ~15u));
}

/* ---- e1000-stat.c ---- */

enum { E1000_TX, E1000_RX };

/* A frame of @size bytes without FCS was sent, or received and stored. */
void e1000_stat_frame(
	struct e1000_core *c, unsigned way, const uint8_t *eth, uint32_t size, uint32_t frames);
/* A frame came to us, whatever becomes of it. */
void e1000_stat_total(struct e1000_core *c, unsigned way, uint32_t size, uint32_t frames);
/*
 * Adds to a 32-bit counter, which stays at its greatest value (manual section 13.7). @offset: of
 * the register.
 */
void e1000_stat_add(struct e1000_core *c, unsigned offset, uint32_t n);

enum {
	STAT_RXERRC = 0x400c,
	STAT_MPC = 0x4010,
	STAT_PRC64 = 0x405c,
	STAT_PTC64 = 0x40d8,
	STAT_GPRC = 0x4074,
	STAT_BPRC = 0x4078,
	STAT_MPRC = 0x407c,
	STAT_GPTC = 0x4080,
	STAT_GORCL = 0x4088,
	STAT_GOTCL = 0x4090,
	STAT_RNBC = 0x40a0,
	STAT_ROC = 0x40ac,
	STAT_TORL = 0x40c0,
	STAT_TOTL = 0x40c8,
	STAT_TPR = 0x40d0,
	STAT_TPT = 0x40d4,
	STAT_MPTC = 0x40f0,
	STAT_BPTC = 0x40f4,
	STAT_TSCTC = 0x40f8,
};

#define E1000_STAT_BASE 0x4000
/* Reading the high half of a 64-bit counter clears both. */
uint32_t e1000_stat_read(struct e1000_core *c, unsigned offset);

#endif
