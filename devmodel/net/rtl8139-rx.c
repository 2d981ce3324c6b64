/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receive: the ring of bytes (data sheet of the RTL8139C, "Receive operation"), descriptors (data
 * sheet, "Rx descriptor").
 */
#include <endian.h>
#include <string.h>

#include "devmodel/net/rtl8139.h"

#define RING_ALIGN  4
#define RING_HEADER 4     /* status, length */
#define CAPR_AHEAD  16    /* CAPR is that much behind where the driver reads */
#define FRAME_ROOM  2048u /* without that much a frame waits at the back-end */
#define FRAME_MAX   1792u /* bytes with FCS that the chip takes in C mode */
#define RETRY_NS    NSEC_PER_MSEC

/* Status, by the place where it is: in the ring's header, in a descriptor. */
#define RING_ROK     0x0001
#define RING_BAR     0x2000
#define RING_PAM     0x4000
#define RING_MAR     0x8000
#define DESC_MAR     0x04000000u
#define DESC_PAM     0x02000000u
#define DESC_BAR     0x01000000u
#define DESC_TCP     0x00010000u /* protocol: 1 TCP, 2 UDP, 3 IP */
#define DESC_UDP     0x00020000u
#define DESC_IP      0x00030000u
#define DESC_IPF     0x00008000u
#define DESC_UDPF    0x00004000u
#define DESC_TCPF    0x00002000u
#define DESC_ROOM(v) ((v)&0x1fff)
#define DESC_TAVA    0x00010000u /* of the second word */

/* Why a frame is taken. */
enum match { MATCH_NONE, MATCH_OTHER, MATCH_OWN, MATCH_MULTICAST, MATCH_BROADCAST };

static bool cplus(const struct rtl8139 *s)
{
	return rtl_get16(s, R_CPCR) & CPCR_RX;
}

/* ---- the ring of bytes ---- */

uint32_t rtl8139_ring_size(const struct rtl8139 *s)
{
	return 8192u << RCR_RBLEN(rtl_get32(s, R_RCR));
}

/* Where the driver reads next. */
static uint32_t read_pointer(const struct rtl8139 *s)
{
	return (rtl_get16(s, R_CAPR) + CAPR_AHEAD) & (rtl8139_ring_size(s) - 1);
}

static uint32_t write_pointer(const struct rtl8139 *s)
{
	return s->hw.cbr & (rtl8139_ring_size(s) - 1);
}

bool rtl8139_ring_empty(const struct rtl8139 *s)
{
	return read_pointer(s) == write_pointer(s);
}

/* Bytes that can be written; one word stays free, for a full ring is no empty one. */
static uint32_t ring_room(const struct rtl8139 *s)
{
	uint32_t size = rtl8139_ring_size(s);

	return ((read_pointer(s) - write_pointer(s) - 1) & (size - 1)) & ~(RING_ALIGN - 1u);
}

/*
 * With RCR.WRAP a frame that reaches the end of the ring goes on behind it, where the driver has
 * left room; a ring of 64 KiB knows no such thing.
 */
static int ring_write(struct rtl8139 *s, uint32_t at, const uint8_t *data, uint32_t n)
{
	uint32_t size = rtl8139_ring_size(s), base = rtl_get32(s, R_RBSTART), first = n;
	struct gmem *g = s->pci.dev.bus->gmem;
	int err;

	if (!(rtl_get32(s, R_RCR) & RCR_WRAP) || size == 64 * KiB)
		first = MIN(n, size - at);
	err = gmem_write(g, GPA((uint64_t)base + at), data, first);
	return !err && n > first ? gmem_write(g, GPA(base), data + first, n - first) : err;
}

static bool put_ring(struct rtl8139 *s, uint8_t *frame, uint32_t n, enum match m)
{
	static const uint16_t status[] = {
		[MATCH_OTHER] = RING_ROK,
		[MATCH_OWN] = RING_ROK | RING_PAM,
		[MATCH_MULTICAST] = RING_ROK | RING_MAR,
		[MATCH_BROADCAST] = RING_ROK | RING_BAR,
	};
	uint32_t at = write_pointer(s);
	uint32_t taken = (uint32_t)align_up(RING_HEADER + n, RING_ALIGN);
	uint16_t header[] = {htole16(status[m]), htole16((uint16_t)n)};

	if (n > FRAME_MAX || taken > ring_room(s)) {
		rtl8139_cause(s, ISR_RDU);
		return false;
	}
	if (ring_write(s, at, (const uint8_t *)header, sizeof(header)) < 0 ||
		ring_write(s, at + RING_HEADER, frame, n) < 0) {
		dev_guest_error(&s->pci.dev, "receive ring outside of memory");
		return false;
	}
	s->hw.cbr = (uint16_t)((at + taken) & (rtl8139_ring_size(s) - 1));
	return true;
}

/* ---- descriptors ---- */

static bool desc_free(struct rtl8139 *s)
{
	struct rtl8139_desc t;

	return rtl8139_read_desc(s, R_RDSAR, s->hw.rx_desc, &t) && t.command & DESC_OWN;
}

/* "Rx descriptor": protocol, and which sums are wrong. */
static uint32_t csum_status(struct rtl8139 *s, const uint8_t *frame, uint32_t n)
{
	struct frame_info f;
	uint32_t v;

	if (!(rtl_get16(s, R_CPCR) & CPCR_RX_CSUM))
		return 0;
	frame_parse(frame, n, &f);
	if (f.ip != 4)
		return 0;
	v = f.l4 == L4_TCP ? DESC_TCP : f.l4 == L4_UDP ? DESC_UDP : DESC_IP;
	if (!f.ip_good)
		v |= DESC_IPF;
	if (f.l4 == L4_NONE)
		return v;
	frame_check_l4(frame, &f);
	if (!f.l4_good)
		v |= f.l4 == L4_TCP ? DESC_TCPF : DESC_UDPF;
	return v;
}

/*
 * The tag out of the frame, as the second word of a descriptor shows it; 0: there is none, or it
 * stays.
 */
static uint32_t take_vlan(struct rtl8139 *s, uint8_t **frame, uint32_t *n)
{
	uint32_t v;

	if (!(rtl_get16(s, R_CPCR) & CPCR_RX_VLAN) || get_be16(*frame + ETH_MACS) != ETH_TYPE_VLAN)
		return 0;
	v = DESC_TAVA | __builtin_bswap16(get_be16(*frame + ETH_HEADER));
	memmove(*frame + VLAN_TAG, *frame, ETH_MACS);
	*frame += VLAN_TAG;
	*n -= VLAN_TAG;
	return v;
}

/* The next @n bytes into the next descriptor. Bytes taken; 0: none is free. */
static uint32_t put_desc(struct rtl8139 *s, const uint8_t *data, uint32_t n, uint32_t first,
	uint32_t last, uint32_t vlan)
{
	struct gmem *g = s->pci.dev.bus->gmem;
	struct rtl8139_desc t;
	uint32_t part;
	gpa_t at;

	if (!rtl8139_read_desc(s, R_RDSAR, s->hw.rx_desc, &t) || !(t.command & DESC_OWN) ||
		!rtl8139_desc_at(s, R_RDSAR, s->hw.rx_desc, &at))
		return 0;
	part = MIN(n, DESC_ROOM(t.command));
	if (!part || gmem_write(g, GPA((uint64_t)t.high << 32 | t.low), data, part) < 0) {
		dev_guest_error(&s->pci.dev, "receive descriptor without memory");
		return 0;
	}
	s->hw.rx_desc = rtl8139_next_desc(s->hw.rx_desc, t.command);
	t.command = htole32((t.command & DESC_EOR) | first | (part == n ? last : part));
	t.vlan = htole32(vlan);
	/* The word with OWN goes last. */
	if (gmem_write(g, GPA(at.v + 4), &t.vlan, sizeof(t.vlan)) < 0 ||
		gmem_write(g, at, &t.command, sizeof(t.command)) < 0)
		return 0;
	return part;
}

static bool put_descs(struct rtl8139 *s, uint8_t *frame, uint32_t n, enum match m)
{
	static const uint32_t of[] = {[MATCH_OTHER] = 0,
		[MATCH_OWN] = DESC_PAM,
		[MATCH_MULTICAST] = DESC_MAR,
		[MATCH_BROADCAST] = DESC_BAR};
	uint32_t vlan = take_vlan(s, &frame, &n), done = 0, part;
	uint32_t last = DESC_LS | of[m] | csum_status(s, frame, n - ETH_FCS) | DESC_ROOM(n);

	while (done < n) {
		part = put_desc(s, frame + done, n - done, done ? 0 : DESC_FS, last, vlan);
		if (!part) {
			rtl8139_cause(s, ISR_RDU);
			return false;
		}
		done += part;
	}
	return true;
}

/*
 * There is no doorbell for receive descriptors. The driver is told once that there are none; they
 * are looked at again when it writes to an interrupt register, or a little later.
 */
static bool descs_ready(struct rtl8139 *s)
{
	if (desc_free(s)) {
		s->hw.starved = false;
		return true;
	}
	if (!s->hw.starved)
		rtl8139_cause(s, ISR_RDU);
	s->hw.starved = true;
	s->hw.retry = (uint64_t)dev_clock(&s->pci.dev, VM_CLOCK_VIRTUAL) + RETRY_NS;
	rtl8139_timer_rearm(s);
	return false;
}

bool rtl8139_rx_ready(struct dev *d)
{
	struct rtl8139 *s = to_rtl8139(d);

	if (!(s->hw.reg[R_CR] & CR_RE) || !pci_may_dma(&s->pci) || !s->nic.net->link_up)
		return false;
	return cplus(s) ? descs_ready(s) : ring_room(s) >= FRAME_ROOM;
}

/* ---- filter: RCR, MAR ---- */

/* The first six bits of the CRC, as it is sent, choose one of 64. */
static bool in_multicast_table(const struct rtl8139 *s, const uint8_t *frame)
{
	uint32_t crc = ~eth_crc32(frame, ETH_ALEN);
	unsigned hash = 0;

	for (unsigned i = 0; i < 6; i++)
		hash |= (crc >> i & 1) << (5 - i);
	return s->hw.reg[R_MAR + hash / 8] >> (hash % 8) & 1;
}

static enum match match(const struct rtl8139 *s, const uint8_t *frame)
{
	uint32_t rcr = rtl_get32(s, R_RCR);

	if (get_be32(frame) == UINT32_MAX && get_be16(frame + 4) == UINT16_MAX)
		return rcr & (RCR_AB | RCR_AAP) ? MATCH_BROADCAST : MATCH_NONE;
	if (frame[0] & 1)
		return rcr & RCR_AAP || (rcr & RCR_AM && in_multicast_table(s, frame))
			       ? MATCH_MULTICAST
			       : MATCH_NONE;
	if (rcr & RCR_APM && !memcmp(frame, s->hw.reg + R_IDR, ETH_ALEN))
		return MATCH_OWN;
	return rcr & RCR_AAP ? MATCH_OTHER : MATCH_NONE;
}

/* ---- a frame comes ---- */

static void count(struct rtl8139 *s, enum match m)
{
	s->hw.tally.rx_ok++;
	s->hw.tally.rx_ok_physical += m == MATCH_OWN;
	s->hw.tally.rx_ok_broadcast += m == MATCH_BROADCAST;
	s->hw.tally.rx_ok_multicast += m == MATCH_MULTICAST;
}

static void missed(struct rtl8139 *s)
{
	s->hw.tally.missed++;
	rtl_set32(s, R_MPC, (rtl_get32(s, R_MPC) + 1) & 0xffffff);
}

void rtl8139_rx_frame(struct dev *d, uint8_t *frame, size_t n)
{
	struct rtl8139 *s = to_rtl8139(d);
	uint32_t crc, size = (uint32_t)n + ETH_FCS;
	enum match m;

	if (!(s->hw.reg[R_CR] & CR_RE) || !pci_may_dma(&s->pci) || size > DESC_ROOM(UINT32_MAX))
		return;
	m = match(s, frame);
	if (m == MATCH_NONE)
		return;
	crc = htole32(eth_crc32(frame, n));
	memcpy(frame + n, &crc, sizeof(crc));
	if (cplus(s) ? put_descs(s, frame, size, m) : put_ring(s, frame, size, m)) {
		count(s, m);
		rtl8139_cause(s, ISR_ROK);
	} else {
		missed(s);
	}
}
