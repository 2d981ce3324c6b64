/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transmit: slots (data sheet of the RTL8139C, "Transmit operation"), descriptors (data sheet, "Tx
 * descriptor").
 */
#include <endian.h>

#include "devmodel/net/rtl8139.h"

#define TSD_SIZE(v) ((v)&0x1fff)
#define TSD_OWN     0x00002000u
#define TSD_TOK     0x00008000u

#define TXD_LARGE  0x08000000u
#define TXD_MSS(v) ((v) >> 16 & 0x7ff)
#define TXD_IPCS   0x00040000u
#define TXD_UDPCS  0x00020000u
#define TXD_TCPCS  0x00010000u
/* Where the status goes, what was asked for stood: all of it is 0 when a frame was sent. */
#define TXD_KEPT     (DESC_EOR | DESC_FS | DESC_LS | 0xffffu)
#define TXD_SIZE(v)  ((v)&0xffff)
#define TXD_VLAN     0x00020000u /* of the second word */
#define TCP_CHECKSUM 16
#define UDP_CHECKSUM 6

/* Registers and bit of TPPOLL of each ring, the one that goes first at the end. */
static const struct {
	uint8_t reg, poll;
} rings[RTL_QUEUES] = {{R_TSAD, TPPOLL_NPQ}, {R_TSAD + 8, TPPOLL_HPQ}};

static bool read_data(struct rtl8139 *s, struct packet *p, uint64_t from, uint32_t n)
{
	if (n > PACKET_MAX - p->size ||
		gmem_read(s->pci.dev.bus->gmem, GPA(from), p->data + p->size, n) < 0)
		return false;
	p->size += n;
	return true;
}

/* ---- C mode ---- */

/* Slots are sent in turn. */
static enum nic_tx next_slot(struct rtl8139 *s, struct packet *p)
{
	unsigned slot = s->hw.tx_slot;
	uint32_t tsd = rtl_get32(s, R_TSD + 4 * slot);

	if (tsd & TSD_OWN)
		return NIC_TX_NONE;
	s->cplus = false;
	if (!read_data(s, p, rtl_get32(s, R_TSAD + 4 * slot), TSD_SIZE(tsd)) || !packet_check(p)) {
		dev_guest_error(&s->pci.dev, "transmit slot %u: no frame", slot);
		p->size = 0;
		rtl8139_tx_done(&s->pci.dev, p);
		return NIC_TX_MORE;
	}
	return NIC_TX_PACKET;
}

static void slot_done(struct rtl8139 *s)
{
	unsigned reg = R_TSD + 4 * s->hw.tx_slot;

	rtl_set32(s, reg, rtl_get32(s, reg) | TSD_OWN | TSD_TOK);
	s->hw.tx_slot = (s->hw.tx_slot + 1) % RTL_SLOTS;
}

/* ---- C+ mode ---- */

/*
 * The sum of TCP or UDP: the device makes the pseudo-header's itself, whatever the driver has left
 * there.
 */
static void want_l4(struct packet *p, const struct frame_info *f, bool segments)
{
	uint32_t len = f->end - f->l4_offset;
	uint16_t at = (uint16_t)(f->l4_offset + (f->l4 == L4_TCP ? TCP_CHECKSUM : UDP_CHECKSUM));

	p->tcp = f->l4 == L4_TCP;
	p->l4 = (struct packet_csum){.wanted = true, .start = f->l4_offset, .at = at};
	if (f->end < p->size)
		p->l4.end = (uint16_t)(f->end - 1); /* padding follows */
	put_be16(p->data + at, csum_fold(frame_pseudo_sum(p->data, f, segments ? 0 : len)));
}

static void want_ip(struct packet *p, const struct frame_info *f)
{
	uint16_t at = f->l3_offset + 10;

	p->ip = (struct packet_csum){true, f->l3_offset, at, f->l4_offset - 1};
	put_be16(p->data + at, 0);
}

/* "Large-send task offload Tx descriptor". */
static void want_segments(struct packet *p, const struct frame_info *f, uint16_t mss)
{
	unsigned header = f->l4_offset + (p->data[f->l4_offset + 12] >> 4) * 4u;

	if (f->ip != 4 || f->l4 != L4_TCP || f->end != p->size || !mss)
		return;
	want_ip(p, f);
	want_l4(p, f, true);
	p->mss = mss;
	p->header = (uint16_t)header;
	p->l3_offset = f->l3_offset;
	p->l4_offset = f->l4_offset;
}

/* What the first descriptor asks for, of a packet that is all there. */
static void want(struct packet *p, uint32_t command, uint32_t vlan)
{
	struct frame_info f;

	if (vlan & TXD_VLAN) {
		p->has_vlan = true;
		p->vlan = __builtin_bswap16((uint16_t)vlan);
	}
	frame_parse(p->data, p->size, &f);
	if (command & TXD_LARGE) {
		want_segments(p, &f, TXD_MSS(command));
		return;
	}
	if (command & TXD_IPCS && f.ip == 4)
		want_ip(p, &f);
	if ((command & TXD_TCPCS && f.l4 == L4_TCP) || (command & TXD_UDPCS && f.l4 == L4_UDP))
		want_l4(p, &f, false);
}

/* Descriptors up to the one that ends a packet; a ring without one is given back. */
static enum nic_tx collect(struct rtl8139 *s, unsigned queue, struct packet *p)
{
	uint8_t i = s->hw.tx_desc[queue];
	uint32_t command = 0, vlan = 0;
	struct rtl8139_desc t;
	bool good = true;

	s->cplus = true;
	s->queue = queue;
	for (s->n_descs = 0; s->n_descs < RTL_DESCS; i = rtl8139_next_desc(i, t.command)) {
		if (!rtl8139_read_desc(s, rings[queue].reg, i, &t) || !(t.command & DESC_OWN)) {
			s->hw.polled &= (uint8_t)~rings[queue].poll;
			if (!s->n_descs)
				rtl8139_cause(s, ISR_TDU);
			return NIC_TX_NONE;
		}
		if (!s->n_descs++)
			command = t.command;
		vlan |= t.vlan;
		good = good && read_data(s, p, (uint64_t)t.high << 32 | t.low, TXD_SIZE(t.command));
		if (t.command & DESC_LS)
			break;
	}
	if (good && p->size >= ETH_HEADER) {
		want(p, command, vlan);
		good = s->n_descs < RTL_DESCS || t.command & DESC_LS;
	}
	if (good && packet_check(p))
		return NIC_TX_PACKET;
	dev_guest_error(&s->pci.dev, "transmit ring %u: no frame in its descriptors", queue);
	p->size = 0;
	rtl8139_tx_done(&s->pci.dev, p);
	return NIC_TX_MORE;
}

static void descs_done(struct rtl8139 *s)
{
	uint8_t *i = &s->hw.tx_desc[s->queue];
	struct rtl8139_desc t;
	gpa_t at;

	while (s->n_descs--) {
		if (!rtl8139_read_desc(s, rings[s->queue].reg, *i, &t) ||
			!rtl8139_desc_at(s, rings[s->queue].reg, *i, &at))
			return;
		t.command = htole32(t.command & TXD_KEPT);
		(void)!gmem_write(s->pci.dev.bus->gmem, at, &t.command, sizeof(t.command));
		*i = rtl8139_next_desc(*i, le32toh(t.command));
	}
}

/* ---- both ---- */

enum nic_tx rtl8139_tx_next(struct dev *d, struct packet *p)
{
	struct rtl8139 *s = to_rtl8139(d);

	if (!(s->hw.reg[R_CR] & CR_TE) || !pci_may_dma(&s->pci))
		return NIC_TX_NONE;
	if (!(rtl_get16(s, R_CPCR) & CPCR_TX))
		return next_slot(s, p);
	for (unsigned q = RTL_QUEUES; q-- > 0;) {
		enum nic_tx ret;

		if (!(s->hw.polled & rings[q].poll))
			continue;
		ret = collect(s, q, p);
		if (ret != NIC_TX_NONE)
			return ret;
		p->size = 0;
	}
	return NIC_TX_NONE;
}

void rtl8139_tx_done(struct dev *d, const struct packet *p)
{
	struct rtl8139 *s = to_rtl8139(d);

	if (s->cplus)
		descs_done(s);
	else
		slot_done(s);
	if (p->size)
		s->hw.tally.tx_ok += packet_frames(p);
	rtl8139_cause(s, p->size ? ISR_TOK : ISR_TER);
}
