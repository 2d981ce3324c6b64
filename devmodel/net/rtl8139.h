/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtl8139.h - the RTL8139C+: registers as an array of bytes, which drivers access in any width, and
 * the two engines.
 *
 *	C mode		four transmit slots (TSD, TSAD); one receive ring of bytes (RBSTART, CAPR, CBR)
 *	C+ mode		rings of descriptors (TNPDS, THPDS, RDSAR); checksums, large send, tags
 *
 * "RTL8139C(L)+ Advanced PCI/Mini-PCI/Cardbus 3.3V Single-Chip Fast Ethernet Controller" (rev. 1.6;
 * "data sheet" in comments) and, for C mode, "RTL8139C(L) …" (rev. 1.4).
 *
 *	rtl8139.c	registers, life
 *	rtl8139-tx.c	slots and descriptors to packets
 *	rtl8139-rx.c	filters, frames to the ring or to descriptors
 */
#ifndef DEVMODEL_NET_RTL8139_H
#define DEVMODEL_NET_RTL8139_H

#include "devmodel/net/eeprom.h"
#include "devmodel/net/nic.h"

/* Offsets; the registers are described in the data sheet by these names. */
enum {
	R_IDR = 0x00,
	R_MAR = 0x08,
	R_TSD = 0x10,  /* C+: DTCCR */
	R_TSAD = 0x20, /* C+: TNPDS, THPDS */
	R_RBSTART = 0x30,
	R_CR = 0x37,
	R_CAPR = 0x38,
	R_CBR = 0x3a,
	R_IMR = 0x3c,
	R_ISR = 0x3e,
	R_TCR = 0x40,
	R_RCR = 0x44,
	R_TCTR = 0x48,
	R_MPC = 0x4c,
	R_9346CR = 0x50,
	R_CONFIG0 = 0x51,
	R_CONFIG1 = 0x52,
	R_TIMER_INT = 0x54,
	R_MSR = 0x58,
	R_CONFIG3 = 0x59,
	R_CONFIG4 = 0x5a,
	R_RERID = 0x5e,
	R_TSAD_ALL = 0x60,
	R_BMCR = 0x62,
	R_BMSR = 0x64,
	R_ANAR = 0x66,
	R_ANLPAR = 0x68,
	R_ANER = 0x6a,
	R_CSCR = 0x74,
	R_PHY2 = 0x84,
	R_WAKE_FIRST = 0x8c,
	R_WAKE_LAST = 0xd3,
	R_CONFIG5 = 0xd8,
	R_TPPOLL = 0xd9,
	R_CPCR = 0xe0,
	R_RDSAR = 0xe4,
	R_SIZE = 0x100,
};

#define CR_BUFE 0x01
#define CR_TE   0x04
#define CR_RE   0x08
#define CR_RST  0x10

#define ISR_ROK     0x0001u
#define ISR_TOK     0x0004u
#define ISR_TER     0x0008u
#define ISR_RDU     0x0010u /* C mode: receive buffer overflow */
#define ISR_LINK    0x0020u
#define ISR_TDU     0x0080u
#define ISR_SWINT   0x0100u
#define ISR_TIMEOUT 0x4000u

#define TCR_CRC      0x00010000u /* appended by software */
#define TCR_LOOPBACK 0x00060000u

#define RCR_AAP      0x01u
#define RCR_APM      0x02u
#define RCR_AM       0x04u
#define RCR_AB       0x08u
#define RCR_WRAP     0x80u
#define RCR_RBLEN(v) ((v) >> 11 & 3)

#define CPCR_TX      0x0001u
#define CPCR_RX      0x0002u
#define CPCR_RX_CSUM 0x0020u
#define CPCR_RX_VLAN 0x0040u

#define TPPOLL_SWINT 0x01
#define TPPOLL_NPQ   0x40
#define TPPOLL_HPQ   0x80

#define RTL_SLOTS  4
#define RTL_DESCS  64 /* of a ring, at most */
#define RTL_QUEUES 2  /* normal, high priority */

struct rtl8139_tally {
	uint64_t tx_ok, rx_ok, rx_ok_physical, rx_ok_broadcast;
	uint32_t rx_ok_multicast, missed;
};

struct rtl8139_hw {
	uint8_t reg[R_SIZE]; /* [g] */
	struct eeprom_hw eeprom;
	struct rtl8139_tally tally;
	uint64_t timer_base; /* virtual ns at which TCTR was 0 */
	uint64_t timeout;    /* virtual ns of the next TimeOut; 0: none */
	uint64_t retry;      /* virtual ns at which descriptors are looked at again; 0: not */
	uint16_t cbr;        /* C mode: where the next frame goes */
	uint8_t rx_desc;     /* C+: next descriptor */
	uint8_t tx_slot;     /* C mode: next slot */
	uint8_t tx_desc[RTL_QUEUES];
	uint8_t polled; /* TPPOLL_ bits: descriptors may wait */
	bool starved;   /* C+: the driver was told that there are no descriptors */
};

struct rtl8139 {
	struct pci_dev pci;
	struct nic nic;
	struct rtl8139_hw hw; /* [s] */
	struct region io, mem;
	struct dev_timer timer; /* TimerInt, or hw.retry */

	/* the packet on its way */
	bool cplus;              /* from descriptors */
	unsigned queue, n_descs; /* from hw.tx_desc[queue] on */

	uint8_t mac[ETH_ALEN]; /* [c] property */
};

static inline struct rtl8139 *to_rtl8139(struct dev *d)
{
	return container_of(to_pci_dev(d), struct rtl8139, pci);
}

static inline uint16_t rtl_get16(const struct rtl8139 *s, unsigned offset)
{
	return (uint16_t)(s->hw.reg[offset] | s->hw.reg[offset + 1] << 8);
}

static inline uint32_t rtl_get32(const struct rtl8139 *s, unsigned offset)
{
	return rtl_get16(s, offset) | (uint32_t)rtl_get16(s, offset + 2) << 16;
}

static inline void rtl_set16(struct rtl8139 *s, unsigned offset, uint16_t v)
{
	s->hw.reg[offset] = (uint8_t)v;
	s->hw.reg[offset + 1] = (uint8_t)(v >> 8);
}

static inline void rtl_set32(struct rtl8139 *s, unsigned offset, uint32_t v)
{
	rtl_set16(s, offset, (uint16_t)v);
	rtl_set16(s, offset + 2, (uint16_t)(v >> 16));
}

/* Descriptors of both directions. */
struct rtl8139_desc {
	uint32_t command; /* OWN, EOR, FS, LS, size; status */
	uint32_t vlan;
	uint32_t low, high;
};

#define DESC_OWN   0x80000000u
#define DESC_EOR   0x40000000u
#define DESC_FS    0x20000000u
#define DESC_LS    0x10000000u
#define DESC_BYTES 16

/* Base of the ring whose address is in the registers at @reg; descriptor @i of it. */
bool rtl8139_desc_at(struct rtl8139 *s, unsigned reg, unsigned i, gpa_t *ret);
bool rtl8139_read_desc(struct rtl8139 *s, unsigned reg, unsigned i, struct rtl8139_desc *ret);
/* The next one, after one whose command is @command. */
static inline uint8_t rtl8139_next_desc(uint8_t i, uint32_t command)
{
	return command & DESC_EOR || i + 1 == RTL_DESCS ? 0 : i + 1;
}

/* Sets bits of ISR. */
void rtl8139_cause(struct rtl8139 *s, uint16_t causes);
void rtl8139_timer_rearm(struct rtl8139 *s);

/* ---- struct nic_ops ---- */

enum nic_tx rtl8139_tx_next(struct dev *d, struct packet *p);
void rtl8139_tx_done(struct dev *d, const struct packet *p);
bool rtl8139_rx_ready(struct dev *d);
void rtl8139_rx_frame(struct dev *d, uint8_t *frame, size_t n);

/* Bytes of the receive ring; nothing waits in it. */
uint32_t rtl8139_ring_size(const struct rtl8139 *s);
bool rtl8139_ring_empty(const struct rtl8139 *s);

#endif
