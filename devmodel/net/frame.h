/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame.h - Ethernet frames as NICs see them: what is inside, checksums, and cutting a large packet
 * into frames.
 *
 * Pure functions over host memory: whatever the bytes are, nothing outside [data, data + size) is
 * touched.
 */
#ifndef DEVMODEL_NET_FRAME_H
#define DEVMODEL_NET_FRAME_H

#include "base/util.h"

#define ETH_ALEN      6
#define ETH_MACS      (2 * ETH_ALEN) /* bytes in front of a VLAN tag, or of the type */
#define ETH_HEADER    14
#define ETH_FCS       4
#define ETH_MIN       60 /* without FCS */
#define ETH_MTU_MAX   1514
#define VLAN_TAG      4
#define ETH_TYPE_IP4  0x0800
#define ETH_TYPE_IP6  0x86dd
#define ETH_TYPE_VLAN 0x8100

static inline uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)get_be16(p) << 16 | get_be16(p + 2);
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, (uint16_t)(v >> 16));
	put_be16(p + 2, (uint16_t)v);
}

/* ---- sums ---- */

/*
 * The Internet checksum (RFC 1071) of @n bytes, not complemented, added to @sum. Big-endian, @data
 * at an even offset.
 */
uint32_t csum_add(uint32_t sum, const uint8_t *data, size_t n);
/* Carries added: 16 bits, not complemented. */
uint16_t csum_fold(uint32_t sum);

/* The frame check sequence (IEEE 802.3 section 3.2.9), least significant byte first on the wire. */
uint32_t eth_crc32(const uint8_t *data, size_t n);

/* ---- what is in a frame ---- */

enum frame_l4 { L4_NONE, L4_TCP, L4_UDP };

struct frame_info {
	uint8_t ip;       /* 4, 6, or 0: something else */
	enum frame_l4 l4; /* L4_NONE also in a fragment, and where the packet is cut short */
	bool fragment;
	bool ip_good;       /* IPv4: its header checksum is right */
	bool l4_good;       /* only after frame_check_l4() */
	uint16_t l3_offset; /* of the IP header */
	uint16_t l4_offset; /* of the TCP or UDP header */
	uint32_t end;       /* of the IP packet: what follows is padding */
	uint8_t l4_proto;   /* IP protocol number */
};

/*
 * Looks at a frame of @n bytes, which may have one VLAN tag. IPv6 extension headers are not
 * followed (L4_NONE).
 */
void frame_parse(const uint8_t *data, size_t n, struct frame_info *ret);
/*
 * Sum over TCP or UDP with pseudo-header; a UDP checksum of 0 is none and good (IPv4). Only when
 * @f->l4 is one of them.
 */
void frame_check_l4(const uint8_t *data, struct frame_info *f);
/*
 * Sum of the pseudo-header (RFC 793, RFC 8200 section 8.1) for @len bytes of TCP or UDP; not
 * complemented.
 */
uint32_t frame_pseudo_sum(const uint8_t *data, const struct frame_info *f, uint32_t len);

/* ---- packets to send ---- */

/*
 * A checksum to put in: of the bytes from start to end (0: to the packet's end), which hold what is
 * to be added to it.
 */
struct packet_csum {
	bool wanted;
	uint16_t start, at, end;
};

/* The longest packet that is sent: 64 KiB of payload and a header. */
#define PACKET_MAX        (65535 + 256)
#define PACKET_HEADER_MAX 256 /* that is put before each segment */

/*
 * What a driver has handed over. With mss, headers of header bytes and payload that is to be cut
 * into frames of at most mss bytes each; the sum at l4.at is then that of the pseudo-header without
 * length.
 */
struct packet {
	uint8_t *data; /* room for PACKET_MAX bytes */
	uint32_t size;
	bool has_vlan; /* put vlan (a TCI) behind the addresses */
	uint16_t vlan;
	struct packet_csum ip, l4;
	bool tcp; /* l4 is that of TCP; otherwise of UDP, where 0 would mean that there is none */
	/* with mss: */
	uint16_t mss, header;
	uint16_t l3_offset, l4_offset;
	bool ip6; /* else IPv4 */
};

/* False: what is wanted lies outside the packet, and nobody can do it. */
bool packet_check(const struct packet *p);
/* How many frames it makes, and how long the @i-th is, VLAN tag included. */
unsigned packet_frames(const struct packet *p);
uint32_t packet_frame_size(const struct packet *p, unsigned i);
/* Puts the checksums of a packet without mss into it. With @l4 false only that of the IP header. */
void packet_sum(struct packet *p, bool l4);
/*
 * The header of the @i-th segment into @header (PACKET_HEADER_MAX bytes), lengths, numbers and
 * checksums done; stores which part of p->data is its payload.
 */
void packet_segment(const struct packet *p, unsigned i, uint8_t *header, uint32_t *ret_payload,
	uint32_t *ret_size);
/*
 * Makes the header right for who cuts the packet itself: lengths and IP checksum of the whole, the
 * pseudo-header's sum with length. False: it is too long for that.
 */
bool packet_prepare_tso(struct packet *p);

#endif
