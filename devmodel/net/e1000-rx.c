/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receive, manual sections 3.2 (filters, descriptors, checksums) and 13.4.22 (RCTL); 82574 section
 * 7.1 for the extended and packet split formats and for receive-side scaling.
 */
#include <endian.h>
#include <string.h>

#include "devmodel/net/e1000.h"

#define LONG_FRAME   1522  /* greatest with FCS and tag, without RCTL.LPE */
#define JUMBO_FRAME  16384 /* with it */
#define PS_BUFFERS   4
#define PS_HDR_SPLIT 0x8000u /* of the header length: the header is in buffer 0 */
#define RSS_INPUT    36      /* bytes: two IPv6 addresses, two ports */
#define RSS_KEY      (4 * E1000_RSSRK)

/* The formats of descriptors. */
struct legacy_desc {
	uint64_t address;
	uint16_t length, csum;
	uint8_t status, errors;
	uint16_t special;
};

struct extended_desc {
	uint32_t mrq, rss; /* rss, or IP identification and checksum */
	uint32_t status;   /* and errors */
	uint16_t length, vlan;
};

struct split_desc {
	uint32_t mrq, rss, status;
	uint16_t length0, vlan, header_status, lengths[PS_BUFFERS - 1];
	uint64_t unused;
};

_Static_assert(sizeof(struct legacy_desc) == DESC_SIZE, "manual section 3.2.3");
_Static_assert(sizeof(struct extended_desc) == DESC_SIZE, "82574 section 7.1");
_Static_assert(sizeof(struct split_desc) == DESC_PS_SIZE, "82574 section 7.1");

enum rx_format { RX_LEGACY, RX_EXTENDED, RX_SPLIT };

/* A frame on its way into memory. */
struct rx_frame {
	const uint8_t *data;
	uint32_t size; /* with FCS if that is stored */
	struct frame_info info;
	uint32_t status; /* RXS_ bits, and errors from RXX_ERRORS on */
	uint16_t vlan, csum;
	uint32_t rss, mrq;
	unsigned queue;
};

/* ---- rings ---- */

static enum rx_format format(const struct e1000_core *c)
{
	if (c->model->is_82574 && c->hw.rctl & RCTL_DTYP_PS)
		return RX_SPLIT;
	return c->model->is_82574 && c->hw.rfctl & RFCTL_EXSTEN ? RX_EXTENDED : RX_LEGACY;
}

static uint32_t desc_size(const struct e1000_core *c)
{
	return format(c) == RX_SPLIT ? DESC_PS_SIZE : DESC_SIZE;
}

static uint32_t ring_size(const struct e1000_core *c, const struct e1000_ring *r)
{
	return r->len / desc_size(c);
}

/* Descriptors that the driver has put there. A tail outside of the ring counts as its end. */
static uint32_t available(const struct e1000_core *c, const struct e1000_ring *r)
{
	uint32_t n = ring_size(c, r), tail;

	if (!n)
		return 0;
	tail = MIN(r->tail, n - 1);
	return r->head <= tail ? tail - r->head : n - MIN(r->head, n) + tail;
}

bool e1000_rx_ready(struct dev *d)
{
	struct e1000_core *c = to_e1000(d);

	if (!(c->hw.rctl & RCTL_EN) || !pci_may_dma(&c->pci) || !e1000_link_up(c))
		return false;
	for (unsigned q = 0; q < c->model->queues; q++) {
		if (available(c, &c->hw.rx[q]))
			return true;
	}
	return false;
}

/* RCTL.BSIZE, BSEX, FLXBUF. */
static uint32_t buffer_size(const struct e1000_core *c)
{
	static const uint16_t sizes[] = {2048, 1024, 512, 256};
	uint32_t size = sizes[RCTL_BSIZE(c->hw.rctl)];

	if (c->model->is_82574 && RCTL_FLXBUF(c->hw.rctl))
		return RCTL_FLXBUF(c->hw.rctl) * 1024;
	return c->hw.rctl & RCTL_BSEX && size < 2048 ? size * 16 : size;
}

/* PSRCTL: buffer 0 in 128 bytes, the others in KiB. */
static uint32_t split_size(const struct e1000_core *c, unsigned i)
{
	uint32_t v = c->hw.psrctl >> (8 * i);

	return i ? (v & 0x3f) * 1024 : (v & 0x7f) * 128;
}

static uint32_t room_of_one(const struct e1000_core *c)
{
	uint32_t n = 0;

	if (format(c) != RX_SPLIT)
		return buffer_size(c);
	for (unsigned i = 0; i < PS_BUFFERS; i++)
		n += split_size(c, i);
	return n;
}

/* ---- filters ---- */

static bool tagged(const struct e1000_core *c, const uint8_t *frame)
{
	return get_be16(frame + ETH_MACS) == (c->hw.vet & 0xffff);
}

static bool passes_vlan(const struct e1000_core *c, const uint8_t *frame)
{
	uint16_t tci = get_be16(frame + ETH_HEADER);

	if (!(c->hw.rctl & RCTL_VFE) || !tagged(c, frame))
		return true;
	if (c->hw.rctl & RCTL_CFIEN && !(tci & 0x1000) != !(c->hw.rctl & RCTL_CFI))
		return false;
	return c->hw.vfta[(tci & 0xfff) / 32] >> (tci % 32) & 1;
}

static bool is_own(const struct e1000_core *c, const uint8_t *frame)
{
	uint8_t address[8];

	for (unsigned i = 0; i < E1000_RA; i++) {
		uint32_t low = htole32(c->hw.ra[2 * i]), high = htole32(c->hw.ra[2 * i + 1]);

		memcpy(address, &low, 4);
		memcpy(address + 4, &high, 4);
		if (c->hw.ra[2 * i + 1] & RAH_AV && !(c->hw.ra[2 * i + 1] & RAH_ASEL) &&
			!memcmp(address, frame, ETH_ALEN))
			return true;
	}
	return false;
}

/* Twelve bits of the last two bytes choose one of 4096, manual section 13.5.1. */
static bool in_multicast_table(const struct e1000_core *c, const uint8_t *frame)
{
	static const uint8_t shifts[] = {4, 3, 2, 0};
	unsigned bits = (unsigned)frame[5] << 8 | frame[4];
	unsigned hash = bits >> shifts[RCTL_MO(c->hw.rctl)] & 0xfff;

	return c->hw.mta[hash / 32] >> (hash % 32) & 1;
}

static bool is_broadcast(const uint8_t *frame)
{
	return get_be32(frame) == UINT32_MAX && get_be16(frame + 4) == UINT16_MAX;
}

/* Stores in @ret_inexact whether software has to look at the address too. */
static bool passes_address(const struct e1000_core *c, const uint8_t *frame, bool *ret_inexact)
{
	bool multicast = frame[0] & 1;

	*ret_inexact = false;
	if (is_own(c, frame) || (is_broadcast(frame) && c->hw.rctl & RCTL_BAM))
		return true;
	*ret_inexact = true;
	if (c->hw.rctl & (multicast ? RCTL_MPE : RCTL_UPE))
		return true;
	return multicast && in_multicast_table(c, frame);
}

/* ---- what is said about a frame ---- */

/* Manual section 3.2.9. */
static void look_at_checksums(struct e1000_core *c, struct rx_frame *f, uint32_t size)
{
	uint32_t csum = c->hw.rxcsum, start = csum & RXCSUM_PCSS;
	struct frame_info *info = &f->info;

	f->csum = start < size ? (uint16_t)~csum_fold(csum_add(0, f->data + start, size - start))
			       : 0;
	if (csum & RXCSUM_IPOFL && info->ip == 4) {
		f->status |= RXS_IPCS;
		if (!info->ip_good)
			f->status |= RXE_IPE << RXX_ERRORS;
	}
	if (!(csum & RXCSUM_TUOFL) || info->l4 == L4_NONE)
		return;
	frame_check_l4(f->data, info);
	f->status |= RXS_TCPCS;
	if (c->model->is_82574 && info->l4 == L4_UDP)
		f->status |= RXS_UDPCS;
	if (!info->l4_good)
		f->status |= RXE_TCPE << RXX_ERRORS;
}

/*
 * The Toeplitz hash, 82574 section 7.1: for each set bit of the input, 32 bits of the key from
 * there on.
 */
static uint32_t toeplitz(const struct e1000_core *c, const uint8_t *input, unsigned n)
{
	uint8_t key[RSS_KEY];
	uint64_t window = 0;
	uint32_t hash = 0;

	for (unsigned i = 0; i < E1000_RSSRK; i++) {
		uint32_t w = htole32(c->hw.rssrk[i]);

		memcpy(key + 4 * i, &w, sizeof(w));
	}
	window = (uint64_t)get_be32(key) << 32;
	for (unsigned i = 0; i < n; i++) {
		window |= (uint64_t)key[i + 4] << 24;
		for (unsigned bit = 0; bit < 8; bit++, window <<= 1) {
			if (input[i] & 0x80 >> bit)
				hash ^= (uint32_t)(window >> 32);
		}
	}
	return hash;
}

/*
 * MRQC bits 16 on: TCP over IPv4, IPv4, TCP over IPv6, IPv6 with extensions, IPv6. Type numbers as
 * written back.
 */
static unsigned rss_type(const struct e1000_core *c, const struct frame_info *info)
{
	uint32_t enabled = c->hw.mrqc >> 16;
	bool tcp = info->l4 == L4_TCP;

	if (info->ip == 4)
		return tcp && enabled & 0x01 ? 1 : enabled & 0x02 ? 2 : 0;
	if (info->ip == 6)
		return tcp && enabled & 0x04 ? 3 : enabled & 0x10 ? 5 : 0;
	return 0;
}

/* Which queue: the low bits of the hash choose an entry of RETA, whose top bit is the queue. */
static void scale(struct e1000_core *c, struct rx_frame *f)
{
	const uint8_t *ip = f->data + f->info.l3_offset, *l4 = f->data + f->info.l4_offset;
	unsigned addresses = f->info.ip == 4 ? 8 : 32, type, entry;
	uint8_t input[RSS_INPUT];

	if (!c->model->is_82574 || (c->hw.mrqc & 3) != MRQC_RSS)
		return;
	type = rss_type(c, &f->info);
	if (!type)
		return;
	memcpy(input, ip + (f->info.ip == 4 ? 12 : 8), addresses);
	if (type == 1 || type == 3)
		memcpy(input + addresses, l4, 4);
	f->rss = toeplitz(c, input, addresses + (type == 1 || type == 3 ? 4 : 0));
	entry = f->rss & 0x7f;
	f->queue = c->hw.reta[entry / 4] >> (8 * (entry % 4) + 7) & 1;
	f->mrq = type;
}

/* ---- into memory ---- */

static bool store(
	struct e1000_core *c, uint64_t to, const struct rx_frame *f, uint32_t from, uint32_t n)
{
	return gmem_write(c->pci.dev.bus->gmem, GPA(to), f->data + from, n) == 0;
}

static bool desc_address(const struct e1000_core *c, const struct e1000_ring *r, gpa_t *ret)
{
	return gpa_add(e1000_ring_base(r), (uint64_t)r->head * desc_size(c), ret);
}

static uint32_t final_status(const struct rx_frame *f, bool last)
{
	return RXS_DD | (last ? f->status | RXS_EOP : 0);
}

/*
 * The next @n bytes of the frame at @from into the buffer, then what is said about them into the
 * descriptor at @at.
 */
static bool put_legacy(
	struct e1000_core *c, gpa_t at, const struct rx_frame *f, uint32_t from, uint32_t n)
{
	uint32_t status = final_status(f, from + n == f->size);
	struct legacy_desc d;

	if (gmem_read(c->pci.dev.bus->gmem, at, &d, sizeof(d)) < 0 ||
		!store(c, le64toh(d.address), f, from, n))
		return false;
	d.length = htole16((uint16_t)n);
	d.csum = htole16(f->csum);
	d.status = (uint8_t)status;
	d.errors = (uint8_t)(status >> RXX_ERRORS);
	d.special = htole16(f->vlan);
	return gmem_write(c->pci.dev.bus->gmem, at, &d, sizeof(d)) == 0;
}

/* IP identification and packet checksum share their place with the RSS hash. */
static uint32_t rss_word(const struct e1000_core *c, const struct rx_frame *f)
{
	uint16_t id = f->info.ip == 4 ? get_be16(f->data + f->info.l3_offset + 4) : 0;

	return c->hw.rxcsum & RXCSUM_PCSD ? f->rss : (uint32_t)f->csum << 16 | id;
}

static bool put_extended(
	struct e1000_core *c, gpa_t at, const struct rx_frame *f, uint32_t from, uint32_t n)
{
	uint64_t address;
	struct extended_desc d = {
		.mrq = htole32(f->mrq | f->queue << 8),
		.rss = htole32(rss_word(c, f)),
		.status = htole32(final_status(f, from + n == f->size)),
		.length = htole16((uint16_t)n),
		.vlan = htole16(f->vlan),
	};

	return gmem_read(c->pci.dev.bus->gmem, at, &address, sizeof(address)) == 0 &&
	       store(c, le64toh(address), f, from, n) &&
	       gmem_write(c->pci.dev.bus->gmem, at, &d, sizeof(d)) == 0;
}

/* How much of the frame goes into buffer 0: its headers, if they are known and fit. */
static uint32_t split_header(const struct e1000_core *c, const struct rx_frame *f)
{
	uint32_t n = f->info.l4_offset;

	if (f->info.l4 == L4_TCP)
		n += (f->data[f->info.l4_offset + 12] >> 4) * 4u;
	else if (f->info.l4 == L4_UDP)
		n += 8;
	return f->info.l4 != L4_NONE && n <= MIN(split_size(c, 0), f->size) ? n : 0;
}

/* Buffers 0 to 3; the payload begins in buffer 1 where the header was split off. */
static bool put_split(
	struct e1000_core *c, gpa_t at, const struct rx_frame *f, uint32_t from, uint32_t n)
{
	uint32_t header = from ? 0 : split_header(c, f);
	uint64_t address[PS_BUFFERS];
	uint16_t length[PS_BUFFERS];
	struct split_desc d = {
		.mrq = htole32(f->mrq | f->queue << 8),
		.rss = htole32(rss_word(c, f)),
		.vlan = htole16(f->vlan),
		.header_status = htole16((uint16_t)(header | (header ? PS_HDR_SPLIT : 0))),
	};

	if (gmem_read(c->pci.dev.bus->gmem, at, address, sizeof(address)) < 0)
		return false;
	for (unsigned i = 0; i < PS_BUFFERS; i++) {
		uint32_t part = MIN(n, i == 0 && header ? header : split_size(c, i));

		if (part && !store(c, le64toh(address[i]), f, from, part))
			return false;
		length[i] = htole16((uint16_t)part);
		from += part;
		n -= part;
	}
	d.status = htole32(final_status(f, from == f->size));
	d.length0 = length[0];
	memcpy(d.lengths, length + 1, sizeof(d.lengths));
	return gmem_write(c->pci.dev.bus->gmem, at, &d, sizeof(d)) == 0;
}

/* How many bytes of the frame the descriptor at the head takes. */
static uint32_t next_part(const struct e1000_core *c, const struct rx_frame *f, uint32_t from)
{
	uint32_t room = room_of_one(c), header;

	if (format(c) == RX_SPLIT && !from) {
		header = split_header(c, f);
		if (header)
			room = room - split_size(c, 0) + header;
	}
	return MIN(f->size - from, room);
}

/* A first descriptor with a split header takes less than the others. */
static bool fits(const struct e1000_core *c, const struct rx_frame *f)
{
	uint32_t n = available(c, &c->hw.rx[f->queue]), first = next_part(c, f, 0);

	return n && f->size - first <= (uint64_t)room_of_one(c) * (n - 1);
}

static bool put(struct e1000_core *c, gpa_t at, const struct rx_frame *f, uint32_t from, uint32_t n)
{
	switch (format(c)) {
	case RX_SPLIT: return put_split(c, at, f, from, n);
	case RX_EXTENDED: return put_extended(c, at, f, from, n);
	default: return put_legacy(c, at, f, from, n);
	}
}

/* A ring that is not in memory loses the frame and its descriptors: each is tried once. */
static void deliver(struct e1000_core *c, const struct rx_frame *f)
{
	struct e1000_ring *r = &c->hw.rx[f->queue];
	uint32_t before = available(c, r), from = 0, n;
	gpa_t at;

	while (from < f->size && available(c, r)) {
		n = next_part(c, f, from);
		if (!desc_address(c, r, &at) || !put(c, at, f, from, n))
			dev_guest_error(&c->pci.dev, "receive queue %u: no memory at a descriptor",
				f->queue);
		r->head = r->head + 1 < ring_size(c, r) ? r->head + 1 : 0;
		from += n;
	}
	/* RCTL.RDMTS: half, a quarter or an eighth of the ring. */
	n = ring_size(c, r) >> (RCTL_RDMTS(c->hw.rctl) + 1);
	if (before > n && available(c, r) <= n)
		e1000_cause(c, ICR_RXDMT0 | (c->model->is_82574 ? ICR_RXQ0 << f->queue : 0));
	if (f->size <= (c->hw.rsrpd & 0xfff))
		e1000_cause(c, ICR_SRPD);
	e1000_cause_rx(c, f->queue);
}

/* ---- a frame comes ---- */

static bool too_long(const struct e1000_core *c, size_t n)
{
	return n + ETH_FCS > (c->hw.rctl & RCTL_LPE ? JUMBO_FRAME : LONG_FRAME);
}

static void no_room(struct e1000_core *c)
{
	e1000_stat_add(c, STAT_RNBC, 1);
	e1000_stat_add(c, STAT_MPC, 1);
	e1000_cause(c, ICR_RXO);
}

/* Takes the tag out: addresses move up to the type that follows it. */
static void strip_vlan(struct rx_frame *f, uint8_t *frame)
{
	f->vlan = get_be16(frame + ETH_HEADER);
	f->status |= RXS_VP;
	memmove(frame + VLAN_TAG, frame, ETH_MACS);
	f->data = frame + VLAN_TAG;
	f->size -= VLAN_TAG;
}

static void put_fcs(uint8_t *end, uint32_t crc)
{
	crc = htole32(crc);
	memcpy(end, &crc, sizeof(crc));
}

void e1000_rx_frame(struct dev *d, uint8_t *frame, size_t n)
{
	struct e1000_core *c = to_e1000(d);
	struct rx_frame f = {.data = frame, .size = (uint32_t)n};
	bool inexact;

	if (!(c->hw.rctl & RCTL_EN) || !pci_may_dma(&c->pci))
		return;
	e1000_stat_total(c, E1000_RX, f.size, 1);
	if (too_long(c, n)) {
		e1000_stat_add(c, STAT_ROC, 1);
		return;
	}
	if (!passes_vlan(c, frame) || !passes_address(c, frame, &inexact))
		return;
	if (!(c->hw.rctl & RCTL_SECRC))
		put_fcs(frame + n, eth_crc32(frame, n));
	f.status = inexact ? RXS_PIF : 0;
	if (c->hw.ctrl & CTRL_VME && tagged(c, frame))
		strip_vlan(&f, frame);
	frame_parse(f.data, f.size, &f.info);
	look_at_checksums(c, &f, f.size);
	scale(c, &f);
	if (!(c->hw.rctl & RCTL_SECRC))
		f.size += ETH_FCS;
	if (!fits(c, &f)) {
		no_room(c);
		return;
	}
	e1000_stat_frame(c, E1000_RX, f.data, (uint32_t)n, 1);
	deliver(c, &f);
}
