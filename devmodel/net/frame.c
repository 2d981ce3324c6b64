/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/net/frame.h"

#include <glib.h>
#include <pthread.h>
#include <string.h>

#define IP4_MIN    20
#define IP6_HEADER 40
#define TCP_MIN    20
#define UDP_HEADER 8
#define PROTO_TCP  6
#define PROTO_UDP  17
#define TCP_FIN    0x01
#define TCP_PSH    0x08
#define CRC_POLY   0xedb88320u /* bits reflected */

/* ---- sums ---- */

/*
 * The sum does not care for byte order (RFC 1071 section 2B): words are added as they lie in
 * memory, and the result is turned once.
 */
uint32_t csum_add(uint32_t sum, const uint8_t *data, size_t n)
{
	uint64_t acc = 0;
	uint32_t word;

	for (; n >= sizeof(word); n -= sizeof(word), data += sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		acc += word;
	}
	if (n) {
		word = 0;
		memcpy(&word, data, n);
		acc += word;
	}
	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	return csum_fold(sum) + __builtin_bswap16((uint16_t)acc);
}

uint16_t csum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static uint32_t crc_table[8][256]; /* [k][b]: byte b, followed by k zeroes */

static void make_crc_table(void)
{
	for (unsigned b = 0; b < 256; b++) {
		uint32_t crc = b;

		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? CRC_POLY : 0);
		crc_table[0][b] = crc;
	}
	for (unsigned k = 1; k < 8; k++) {
		for (unsigned b = 0; b < 256; b++) {
			uint32_t crc = crc_table[k - 1][b];

			crc_table[k][b] = crc >> 8 ^ crc_table[0][crc & 0xff];
		}
	}
}

/* Eight bytes at a time: each moves through the register by as many zeroes as bytes follow it. */
uint32_t eth_crc32(const uint8_t *data, size_t n)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint32_t crc = UINT32_MAX;

	pthread_once(&once, make_crc_table);
	for (; n >= 8; n -= 8, data += 8) {
		uint32_t low, high;

		memcpy(&low, data, 4);
		memcpy(&high, data + 4, 4);
		low ^= crc;
		crc = crc_table[7][low & 0xff] ^ crc_table[6][low >> 8 & 0xff] ^
		      crc_table[5][low >> 16 & 0xff] ^ crc_table[4][low >> 24] ^
		      crc_table[3][high & 0xff] ^ crc_table[2][high >> 8 & 0xff] ^
		      crc_table[1][high >> 16 & 0xff] ^ crc_table[0][high >> 24];
	}
	while (n--)
		crc = crc >> 8 ^ crc_table[0][(crc ^ *data++) & 0xff];
	return ~crc;
}

/* ---- what is in a frame ---- */

static void parse_l4(struct frame_info *f)
{
	uint32_t size = f->end - f->l4_offset;

	if (f->l4_proto == PROTO_TCP && size >= TCP_MIN)
		f->l4 = L4_TCP;
	else if (f->l4_proto == PROTO_UDP && size >= UDP_HEADER)
		f->l4 = L4_UDP;
}

static void parse_ip4(const uint8_t *data, size_t n, struct frame_info *f)
{
	const uint8_t *ip = data + f->l3_offset;
	size_t room = n - f->l3_offset;
	unsigned header, total;

	if (room < IP4_MIN || ip[0] >> 4 != 4)
		return;
	header = (ip[0] & 0xfu) * 4;
	total = get_be16(ip + 2);
	if (header < IP4_MIN || header > room || total < header || total > room)
		return;
	f->ip = 4;
	f->ip_good = csum_fold(csum_add(0, ip, header)) == 0xffff;
	f->fragment = get_be16(ip + 6) & 0x3fff;
	f->l4_proto = ip[9];
	f->l4_offset = (uint16_t)(f->l3_offset + header);
	f->end = f->l3_offset + total;
	if (!f->fragment)
		parse_l4(f);
}

static void parse_ip6(const uint8_t *data, size_t n, struct frame_info *f)
{
	const uint8_t *ip = data + f->l3_offset;
	size_t room = n - f->l3_offset;

	if (room < IP6_HEADER || ip[0] >> 4 != 6 || get_be16(ip + 4) > room - IP6_HEADER)
		return;
	f->ip = 6;
	f->l4_proto = ip[6];
	f->l4_offset = (uint16_t)(f->l3_offset + IP6_HEADER);
	f->end = f->l4_offset + get_be16(ip + 4);
	parse_l4(f);
}

void frame_parse(const uint8_t *data, size_t n, struct frame_info *ret)
{
	uint16_t type;

	*ret = (struct frame_info){.l3_offset = ETH_HEADER};
	if (n < ETH_HEADER + VLAN_TAG)
		return;
	type = get_be16(data + ETH_MACS);
	if (type == ETH_TYPE_VLAN) {
		type = get_be16(data + ETH_MACS + VLAN_TAG);
		ret->l3_offset += VLAN_TAG;
	}
	if (type == ETH_TYPE_IP4)
		parse_ip4(data, n, ret);
	else if (type == ETH_TYPE_IP6)
		parse_ip6(data, n, ret);
}

uint32_t frame_pseudo_sum(const uint8_t *data, const struct frame_info *f, uint32_t len)
{
	const uint8_t *ip = data + f->l3_offset;
	uint32_t sum = f->l4_proto + (len >> 16) + (len & 0xffff);

	return f->ip == 4 ? csum_add(sum, ip + 12, 8) : csum_add(sum, ip + 8, 32);
}

void frame_check_l4(const uint8_t *data, struct frame_info *f)
{
	const uint8_t *l4 = data + f->l4_offset;
	uint32_t len = f->end - f->l4_offset;

	if (f->l4 == L4_UDP) {
		if (f->ip == 4 && get_be16(l4 + 6) == 0) {
			f->l4_good = true;
			return;
		}
		if (get_be16(l4 + 4) < UDP_HEADER || get_be16(l4 + 4) > len)
			return;
		len = get_be16(l4 + 4);
	}
	f->l4_good = csum_fold(csum_add(frame_pseudo_sum(data, f, len), l4, len)) == 0xffff;
}

/* ---- packets to send ---- */

static uint32_t csum_end(const struct packet_csum *c, uint32_t size)
{
	return c->end ? c->end + 1u : size;
}

/* @size: that the sum may range over; @room: that its place is in. */
static bool csum_ok(const struct packet_csum *c, uint32_t size, uint32_t room)
{
	return !c->wanted ||
	       (c->start < csum_end(c, size) && csum_end(c, size) <= size && c->at + 2u <= room);
}

bool packet_check(const struct packet *p)
{
	uint32_t ip = p->ip6 ? IP6_HEADER : IP4_MIN, l4 = p->tcp ? TCP_MIN : UDP_HEADER;

	if (p->size < ETH_HEADER || p->size > PACKET_MAX)
		return false;
	if (!p->mss)
		return csum_ok(&p->ip, p->size, p->size) && csum_ok(&p->l4, p->size, p->size);
	return p->header <= MIN(p->size, PACKET_HEADER_MAX) && p->l3_offset >= ETH_HEADER &&
	       p->l3_offset + ip <= p->l4_offset && p->l4_offset + l4 <= p->header &&
	       csum_ok(&p->ip, p->header, p->header) &&
	       (!p->l4.wanted || (p->l4.start < p->header && p->l4.at + 2u <= p->header));
}

static uint32_t payload_size(const struct packet *p)
{
	return p->size - p->header;
}

unsigned packet_frames(const struct packet *p)
{
	if (!p->mss || !payload_size(p))
		return 1;
	return (payload_size(p) + p->mss - 1) / p->mss;
}

static uint32_t segment_size(const struct packet *p, unsigned i)
{
	return MIN(p->mss, payload_size(p) - i * p->mss);
}

uint32_t packet_frame_size(const struct packet *p, unsigned i)
{
	uint32_t tag = p->has_vlan ? VLAN_TAG : 0;

	return tag + (p->mss ? p->header + segment_size(p, i) : p->size);
}

/*
 * The sum's complement; 0, which would mean that there is none, is written as its other form where
 * @udp (RFC 768).
 */
static void put_csum(uint8_t *at, uint32_t sum, bool udp)
{
	uint16_t v = (uint16_t)~csum_fold(sum);

	put_be16(at, !v && udp ? 0xffff : v);
}

static void insert_csum(uint8_t *data, uint32_t size, const struct packet_csum *c, bool udp)
{
	uint32_t n = csum_end(c, size) - c->start;

	if (c->wanted)
		put_csum(data + c->at, csum_add(0, data + c->start, n), udp);
}

void packet_sum(struct packet *p, bool l4)
{
	insert_csum(p->data, p->size, &p->ip, false);
	if (l4)
		insert_csum(p->data, p->size, &p->l4, !p->tcp);
}

/* Lengths of the frame that @header begins, @size bytes in all; @i counts them. */
static void put_lengths(const struct packet *p, uint8_t *header, uint32_t size, unsigned i)
{
	uint8_t *ip = header + p->l3_offset;

	if (p->ip6) {
		put_be16(ip + 4, (uint16_t)(size - p->l3_offset - IP6_HEADER));
	} else {
		put_be16(ip + 2, (uint16_t)(size - p->l3_offset));
		put_be16(ip + 4, (uint16_t)(get_be16(ip + 4) + i));
	}
	if (!p->tcp)
		put_be16(header + p->l4_offset + 4, (uint16_t)(size - p->l4_offset));
}

/*
 * 82540 manual, section 3.5: the sequence number grows by what was sent, FIN and PSH are for the
 * last one.
 */
static void put_tcp(const struct packet *p, uint8_t *header, unsigned i)
{
	uint8_t *tcp = header + p->l4_offset;

	put_be32(tcp + 4, get_be32(tcp + 4) + i * p->mss);
	if (i + 1 < packet_frames(p))
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

/* What the header holds of it, the pseudo-header's length, and @n bytes of payload. */
static uint32_t segment_l4_sum(
	const struct packet *p, const uint8_t *header, const uint8_t *payload, uint32_t n)
{
	uint32_t in_header = p->header - p->l4.start, sum = csum_add(0, payload, n);

	/* A payload that begins in the middle of a word has its bytes the other way round. */
	if (in_header % 2)
		sum = __builtin_bswap16(csum_fold(sum));
	return csum_add(sum + p->header + n - p->l4_offset, header + p->l4.start, in_header);
}

void packet_segment(const struct packet *p, unsigned i, uint8_t *header, uint32_t *ret_payload,
	uint32_t *ret_size)
{
	uint32_t payload = p->header + i * p->mss, n = segment_size(p, i);

	memcpy(header, p->data, p->header);
	put_lengths(p, header, p->header + n, i);
	if (p->tcp)
		put_tcp(p, header, i);
	insert_csum(header, p->header, &p->ip, false);
	if (p->l4.wanted)
		put_csum(header + p->l4.at, segment_l4_sum(p, header, p->data + payload, n),
			!p->tcp);
	*ret_payload = payload;
	*ret_size = n;
}

bool packet_prepare_tso(struct packet *p)
{
	uint8_t *at = p->data + p->l4.at;

	if (p->size - p->l3_offset > UINT16_MAX)
		return false;
	put_lengths(p, p->data, p->size, 0);
	insert_csum(p->data, p->header, &p->ip, false);
	put_be16(at, csum_fold((uint32_t)get_be16(at) + p->size - p->l4_offset));
	return true;
}
