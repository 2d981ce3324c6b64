/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/backends/guest-net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#define PATIENCE_MS 20000

static const uint8_t guest_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct arp_packet {
	uint16_t hw, protocol;
	uint8_t hw_len, protocol_len;
	uint16_t operation;
	uint8_t sender_mac[6];
	uint32_t sender_ip;
	uint8_t target_mac[6];
	uint32_t target_ip;
} __attribute__((packed));

struct arp_frame {
	struct ether_header eth;
	struct arp_packet arp;
} __attribute__((packed));

struct ip_frame {
	struct ether_header eth;
	struct iphdr ip;
	union {
		struct udphdr udp;
		struct tcphdr tcp;
	};
} __attribute__((packed));

#define UDP_HEADERS (sizeof(struct ether_header) + sizeof(struct iphdr) + sizeof(struct udphdr))
#define TCP_HEADERS (sizeof(struct ether_header) + sizeof(struct iphdr) + sizeof(struct tcphdr))

/* ---- frames ---------------------------------------------------------------------------------- */

static void on_rx(void *opaque)
{
	struct guest *g = opaque;

	g->rx_ready = true;
	net_rx_enable(g->q, false);
}

static void on_tx(void *opaque)
{
}

static const struct net_front_ops front = {.rx_ready = on_rx, .tx_ready = on_tx};

static void on_link(struct net_listener *l, bool up)
{
	container_of(l, struct guest, listener)->link_down = !up;
}

void guest_init(struct guest *g, struct loop *loop, struct net *net)
{
	*g = (struct guest){
		.loop = loop,
		.net = net,
		.listener.link_changed = on_link,
		.ip = 0x0a00020f,
		.gateway = 0x0a000202,
		.next_port = 40000,
	};
	g_assert_cmpint(net_queue_open(net, 0, loop, &front, g, &g->q), ==, 0);
	net_listen(net, &g->listener);
}

void guest_done(struct guest *g)
{
	net_queue_close(g->q);
	net_free(g->net);
	loop_iterate(g->loop, 0);
}

void guest_send(struct guest *g, const void *frame, size_t n)
{
	struct iovec seg;
	struct giov v = giov_from_buf(&seg, (void *)(uintptr_t)frame, n);
	int64_t deadline = loop_now() + PATIENCE_MS * NSEC_PER_MSEC;

	while (net_send(g->q, &v) == -EAGAIN) {
		g_assert_cmpint(loop_now(), <, deadline);
		loop_iterate(g->loop, 10);
	}
}

static void send_arp(struct guest *g, const uint8_t *to, uint16_t operation, uint32_t target)
{
	struct arp_frame f = {
		.eth.ether_type = htons(ETHERTYPE_ARP),
		.arp =
			{
				.hw = htons(1),
				.protocol = htons(ETHERTYPE_IP),
				.hw_len = 6,
				.protocol_len = 4,
				.operation = htons(operation),
				.sender_ip = htonl(g->ip),
				.target_ip = htonl(target),
			},
	};

	memcpy(f.eth.ether_dhost, to, 6);
	memcpy(f.eth.ether_shost, guest_mac, 6);
	memcpy(f.arp.sender_mac, guest_mac, 6);
	memcpy(f.arp.target_mac, to, 6);
	guest_send(g, &f, sizeof(f));
}

static bool answer_arp(struct guest *g)
{
	const struct arp_frame *f = (const struct arp_frame *)g->frame;

	if (g->frame_len < sizeof(*f) || ntohs(f->eth.ether_type) != ETHERTYPE_ARP ||
		ntohs(f->arp.operation) != 1)
		return false;
	if (ntohl(f->arp.target_ip) == g->ip)
		send_arp(g, f->arp.sender_mac, 2, ntohl(f->arp.sender_ip));
	return true;
}

size_t guest_receive(struct guest *g, int timeout_ms)
{
	int64_t deadline = loop_now() + timeout_ms * NSEC_PER_MSEC;
	struct iovec seg;
	struct giov v = giov_from_buf(&seg, g->frame, sizeof(g->frame));

	for (;;) {
		ssize_t n = net_recv(g->q, &v);
		int64_t left = deadline - loop_now();

		if (n > 0) {
			g->frame_len = n;
			if (!answer_arp(g))
				return n;
			continue;
		}
		if (left <= 0 || g->link_down)
			return 0;
		net_rx_enable(g->q, true);
		loop_iterate(g->loop, left / NSEC_PER_MSEC + 1);
	}
}

bool guest_resolve_gateway(struct guest *g)
{
	const struct arp_frame *f = (const struct arp_frame *)g->frame;

	send_arp(g, broadcast, 1, g->gateway);
	while (guest_receive(g, PATIENCE_MS)) {
		if (g->frame_len < sizeof(*f) || ntohs(f->eth.ether_type) != ETHERTYPE_ARP ||
			ntohl(f->arp.sender_ip) != g->gateway)
			continue;
		memcpy(g->gateway_mac, f->arp.sender_mac, 6);
		return true;
	}
	return false;
}

/* ---- IPv4 ------------------------------------------------------------------------------------ */

static uint32_t sum_words(const void *data, size_t n, uint32_t sum)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : p[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

/* Fills in all but the transport's header, whose checksum it returns: over @n bytes from there. */
static uint16_t finish_ip(
	struct guest *g, struct ip_frame *f, uint8_t protocol, uint32_t from, uint32_t to, size_t n)
{
	uint32_t sum;

	memcpy(f->eth.ether_dhost, to == INADDR_BROADCAST ? broadcast : g->gateway_mac, 6);
	memcpy(f->eth.ether_shost, guest_mac, 6);
	f->eth.ether_type = htons(ETHERTYPE_IP);
	f->ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.ttl = 64,
		.id = htons(g->next_id++),
		.protocol = protocol,
		.saddr = htonl(from),
		.daddr = htonl(to),
		.tot_len = htons(sizeof(f->ip) + n),
	};
	f->ip.check = fold(sum_words(&f->ip, sizeof(f->ip), 0));
	sum = sum_words(&f->ip.saddr, 8, protocol + n);
	return fold(sum_words(&f->udp, n, sum));
}

/* The transport's header and what follows, if the frame received is of @protocol and for us; its length. */
static size_t payload_of(struct guest *g, uint8_t protocol, size_t header)
{
	const struct ip_frame *f = (const struct ip_frame *)g->frame;
	size_t total;

	if (g->frame_len < sizeof(f->eth) + sizeof(f->ip) + header ||
		ntohs(f->eth.ether_type) != ETHERTYPE_IP || f->ip.protocol != protocol ||
		f->ip.ihl != 5)
		return 0;
	total = ntohs(f->ip.tot_len);
	if (sizeof(f->eth) + total > g->frame_len || total < sizeof(f->ip) + header)
		return 0;
	g_assert_cmpuint(fold(sum_words(&f->ip, sizeof(f->ip), 0)), ==, 0);
	return total - sizeof(f->ip);
}

/* ---- UDP ------------------------------------------------------------------------------------- */

static void send_udp(struct guest *g, uint32_t from, uint32_t to, uint16_t port, uint16_t to_port,
	const void *data, size_t n)
{
	uint8_t buf[GUEST_FRAME_MAX] = {};
	struct ip_frame *f = (struct ip_frame *)buf;

	g_assert_cmpuint(n, <=, sizeof(buf) - UDP_HEADERS);
	memcpy(buf + UDP_HEADERS, data, n);
	f->udp = (struct udphdr){
		.source = htons(port), .dest = htons(to_port), .len = htons(sizeof(f->udp) + n)};
	f->udp.check = finish_ip(g, f, IPPROTO_UDP, from, to, sizeof(f->udp) + n);
	guest_send(g, buf, UDP_HEADERS + n);
}

void guest_send_udp(
	struct guest *g, uint32_t to, uint16_t port, uint16_t to_port, const void *data, size_t n)
{
	send_udp(g, g->ip, to, port, to_port, data, n);
}

ssize_t guest_receive_udp(struct guest *g, uint16_t port, void *data, size_t n, uint32_t *ret_from,
	uint16_t *ret_from_port, int timeout_ms)
{
	const struct ip_frame *f = (const struct ip_frame *)g->frame;
	size_t got;

	while (guest_receive(g, timeout_ms)) {
		got = payload_of(g, IPPROTO_UDP, sizeof(f->udp));
		if (!got || ntohs(f->udp.dest) != port)
			continue;
		got = MIN(n, got - sizeof(f->udp));
		memcpy(data, g->frame + UDP_HEADERS, got);
		*ret_from = ntohl(f->ip.saddr);
		*ret_from_port = ntohs(f->udp.source);
		return got;
	}
	return -1;
}

/* ---- DHCP ------------------------------------------------------------------------------------ */

struct dhcp {
	uint8_t op, htype, hlen, hops;
	uint32_t xid;
	uint16_t secs, flags;
	uint32_t ciaddr, yiaddr, siaddr, giaddr;
	uint8_t chaddr[16];
	uint8_t sname[64], file[128];
	uint8_t magic[4];
	uint8_t options[312];
} __attribute__((packed));

enum { DHCP_DISCOVER = 1, DHCP_OFFER = 2, DHCP_REQUEST = 3, DHCP_ACK = 5 };
enum {
	OPT_MASK = 1,
	OPT_ROUTER = 3,
	OPT_DNS = 6,
	OPT_HOSTNAME = 12,
	OPT_ADDRESS = 50,
	OPT_TYPE = 53,
	OPT_SERVER = 54,
	OPT_END = 255
};

static const uint8_t *find_option(const struct dhcp *d, size_t len, uint8_t code)
{
	const uint8_t *p = d->options, *end = (const uint8_t *)d + len;

	while (p + 2 <= end && *p != OPT_END) {
		if (*p == code && p + 2 + p[1] <= end)
			return p + 1;
		p += *p ? 2 + p[1] : 1;
	}
	return NULL;
}

static uint32_t option_u32(const struct dhcp *d, size_t len, uint8_t code)
{
	const uint8_t *o = find_option(d, len, code);
	uint32_t v = 0;

	if (o && o[0] >= 4)
		memcpy(&v, o + 1, 4);
	return ntohl(v);
}

/* Sends @type and waits for @answer; the length of @reply, or -1. */
static ssize_t dhcp_exchange(struct guest *g, uint8_t type, uint32_t address, uint32_t server,
	uint8_t answer, struct dhcp *reply)
{
	struct dhcp d = {.op = 1,
		.htype = 1,
		.hlen = 6,
		.xid = htonl(0x1234),
		.magic = {0x63, 0x82, 0x53, 0x63}};
	uint8_t *o = d.options;
	uint32_t from;
	uint16_t port;
	ssize_t n;

	memcpy(d.chaddr, guest_mac, 6);
	o = memcpy(o, (uint8_t[]){OPT_TYPE, 1, type}, 3) + 3;
	if (address) {
		o = memcpy(o,
			    (uint8_t[]){OPT_ADDRESS, 4, address >> 24, address >> 16, address >> 8,
				    address},
			    6) +
		    6;
		o = memcpy(o,
			    (uint8_t[]){
				    OPT_SERVER, 4, server >> 24, server >> 16, server >> 8, server},
			    6) +
		    6;
	}
	*o = OPT_END;
	send_udp(g, 0, INADDR_BROADCAST, 68, 67, &d, sizeof(d));
	while ((n = guest_receive_udp(g, 68, reply, sizeof(*reply), &from, &port, PATIENCE_MS)) >=
		0) {
		const uint8_t *t = find_option(reply, n, OPT_TYPE);

		if (port == 67 && reply->xid == d.xid && t && t[1] == answer)
			return n;
	}
	return -1;
}

bool guest_dhcp(struct guest *g, struct guest_lease *ret)
{
	struct dhcp d;
	ssize_t n = dhcp_exchange(g, DHCP_DISCOVER, 0, 0, DHCP_OFFER, &d);
	const uint8_t *name;
	uint32_t offered;

	if (n < 0)
		return false;
	offered = ntohl(d.yiaddr);
	n = dhcp_exchange(g, DHCP_REQUEST, offered, option_u32(&d, n, OPT_SERVER), DHCP_ACK, &d);
	if (n < 0 || ntohl(d.yiaddr) != offered)
		return false;
	*ret = (struct guest_lease){
		.ip = offered,
		.router = option_u32(&d, n, OPT_ROUTER),
		.dns = option_u32(&d, n, OPT_DNS),
		.mask = option_u32(&d, n, OPT_MASK),
	};
	name = find_option(&d, n, OPT_HOSTNAME);
	if (name)
		memcpy(ret->hostname, name + 1, MIN(name[0], sizeof(ret->hostname) - 1));
	return true;
}

/* ---- IPv6 ------------------------------------------------------------------------------------ */

struct icmp6_frame {
	struct ether_header eth;
	struct ip6_hdr ip;
	struct icmp6_hdr icmp;
	uint8_t body[512];
} __attribute__((packed));

enum { ROUTER_SOLICITATION = 133, ROUTER_ADVERTISEMENT = 134, OPT_PREFIX = 3 };

static void send_router_solicitation(struct guest *g)
{
	static const uint8_t all_routers_mac[6] = {0x33, 0x33, 0, 0, 0, 2};
	struct icmp6_frame f = {
		.eth.ether_type = htons(ETHERTYPE_IPV6),
		.ip = {.ip6_plen = htons(8), .ip6_nxt = IPPROTO_ICMPV6, .ip6_hlim = 255},
		.icmp.icmp6_type = ROUTER_SOLICITATION,
	};

	memcpy(f.eth.ether_dhost, all_routers_mac, 6);
	memcpy(f.eth.ether_shost, guest_mac, 6);
	f.ip.ip6_vfc = 6 << 4;
	inet_pton(AF_INET6, "fe80::5054:ff:fe12:3456", &f.ip.ip6_src);
	inet_pton(AF_INET6, "ff02::2", &f.ip.ip6_dst);
	f.icmp.icmp6_cksum = fold(
		sum_words(&f.icmp, 8, sum_words(&f.ip.ip6_src, 32, 8 + IPPROTO_ICMPV6)));
	guest_send(g, &f, sizeof(f) - sizeof(f.body));
}

bool guest_router_prefix(struct guest *g, uint8_t ret_prefix[8])
{
	const struct icmp6_frame *f = (const struct icmp6_frame *)g->frame;

	send_router_solicitation(g);
	while (guest_receive(g, PATIENCE_MS)) {
		const uint8_t *p = f->body + 8,
			      *end = g->frame + g->frame_len; /* behind the two timers */

		if (g->frame_len < sizeof(*f) - sizeof(f->body) ||
			ntohs(f->eth.ether_type) != ETHERTYPE_IPV6 ||
			f->ip.ip6_nxt != IPPROTO_ICMPV6 ||
			f->icmp.icmp6_type != ROUTER_ADVERTISEMENT)
			continue;
		for (; p + 32 <= end && p[1]; p += p[1] * 8) {
			if (p[0] == OPT_PREFIX && p[2] == 64) {
				memcpy(ret_prefix, p + 16, 8);
				return true;
			}
		}
	}
	return false;
}

/* ---- TCP ------------------------------------------------------------------------------------- */

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static void tcp_send(struct guest_tcp *c, uint8_t flags, const void *data, size_t n)
{
	uint8_t buf[GUEST_FRAME_MAX] = {};
	struct ip_frame *f = (struct ip_frame *)buf;

	if (n)
		memcpy(buf + TCP_HEADERS, data, n);
	f->tcp = (struct tcphdr){
		.source = htons(c->port),
		.dest = htons(c->peer_port),
		.seq = htonl(c->sent),
		.ack_seq = flags & ACK ? htonl(c->received) : 0,
		.doff = 5,
		.window = htons(65535),
	};
	f->tcp.th_flags = flags;
	f->tcp.check = finish_ip(c->g, f, IPPROTO_TCP, c->g->ip, c->peer, sizeof(f->tcp) + n);
	guest_send(c->g, buf, TCP_HEADERS + n);
	c->sent += n + !!(flags & (SYN | FIN));
}

/* Waits for a segment to c->port, of the connection if it has a peer; false after @timeout_ms. */
static bool tcp_receive(struct guest_tcp *c, const struct ip_frame **ret, size_t *ret_data,
	size_t *ret_len, int timeout_ms)
{
	const struct ip_frame *f = (const struct ip_frame *)c->g->frame;

	while (guest_receive(c->g, timeout_ms)) {
		size_t n = payload_of(c->g, IPPROTO_TCP, sizeof(f->tcp)), header = f->tcp.doff * 4;

		if (!n || header > n || ntohs(f->tcp.dest) != c->port)
			continue;
		if (c->peer_port &&
			(ntohs(f->tcp.source) != c->peer_port || ntohl(f->ip.saddr) != c->peer))
			continue;
		*ret = f;
		*ret_data = sizeof(f->eth) + sizeof(f->ip) + header;
		*ret_len = n - header;
		return true;
	}
	return false;
}

bool guest_tcp_connect(
	struct guest *g, struct guest_tcp *c, uint32_t to, uint16_t port, int timeout_ms)
{
	const struct ip_frame *f;
	size_t data, len;

	*c = (struct guest_tcp){
		.g = g, .peer = to, .peer_port = port, .port = g->next_port++, .sent = 1000};
	tcp_send(c, SYN, NULL, 0);
	while (tcp_receive(c, &f, &data, &len, timeout_ms)) {
		if (f->tcp.th_flags & RST)
			return false;
		if ((f->tcp.th_flags & (SYN | ACK)) != (SYN | ACK))
			continue;
		c->received = ntohl(f->tcp.seq) + 1;
		tcp_send(c, ACK, NULL, 0);
		return true;
	}
	return false;
}

bool guest_tcp_accept(struct guest *g, struct guest_tcp *c, uint16_t port, int timeout_ms)
{
	const struct ip_frame *f;
	size_t data, len;

	*c = (struct guest_tcp){.g = g, .port = port, .sent = 5000};
	while (tcp_receive(c, &f, &data, &len, timeout_ms)) {
		if (!(f->tcp.th_flags & SYN))
			continue;
		c->peer = ntohl(f->ip.saddr);
		c->peer_port = ntohs(f->tcp.source);
		c->received = ntohl(f->tcp.seq) + 1;
		tcp_send(c, SYN | ACK, NULL, 0);
		return true;
	}
	return false;
}

void guest_tcp_send(struct guest_tcp *c, const void *data, size_t n)
{
	const uint8_t *p = data;

	while (n) {
		size_t part = MIN(n, GUEST_MSS);

		tcp_send(c, ACK | PSH, p, part);
		p += part;
		n -= part;
	}
}

size_t guest_tcp_receive(struct guest_tcp *c, void *data, size_t n)
{
	uint8_t *p = data;
	const struct ip_frame *f;
	size_t at, len, got = 0;

	while (got < n && !c->closed && tcp_receive(c, &f, &at, &len, PATIENCE_MS)) {
		if (f->tcp.th_flags & RST)
			c->closed = true;
		if (ntohl(f->tcp.seq) != c->received || f->tcp.th_flags & (SYN | RST))
			continue; /* repeated */
		g_assert_cmpuint(len, <=, n - got);
		memcpy(p + got, c->g->frame + at, len);
		got += len;
		c->received += len;
		if (f->tcp.th_flags & FIN) {
			c->received++;
			c->closed = true;
		}
		if (len || c->closed)
			tcp_send(c, ACK, NULL, 0);
	}
	return got;
}

void guest_tcp_close(struct guest_tcp *c)
{
	tcp_send(c, FIN | ACK, NULL, 0);
}
