/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest-net.h - a guest's network stack for tests, as small as it may be: frames over a struct net, ARP, IPv4, UDP and TCP without
 * retransmission (the frames cross a reliable socket).
 */
#ifndef TESTS_UNIT_GUEST_NET_H
#define TESTS_UNIT_GUEST_NET_H

#include <netinet/in.h>

#include "base/loop.h"
#include "base/net.h"

#define GUEST_FRAME_MAX 2048
#define GUEST_MSS       1400

struct guest {
	struct loop *loop;
	struct net *net;
	struct net_queue *q;
	struct net_listener listener;
	uint32_t ip, gateway; /* host byte order */
	uint8_t gateway_mac[6];
	bool rx_ready, link_down;
	/* The last packet received: a UDP datagram or TCP segment for us. */
	uint8_t frame[GUEST_FRAME_MAX];
	size_t frame_len;
	uint16_t next_port, next_id;
};

/* A connection of the guest's; numbers in host byte order. */
struct guest_tcp {
	struct guest *g;
	uint32_t peer;
	uint16_t port, peer_port;
	uint32_t sent, received; /* the next sequence numbers */
	bool closed;             /* the peer has sent FIN or RST */
};

/* Takes @net, opens its queue. */
void guest_init(struct guest *g, struct loop *loop, struct net *net);
void guest_done(struct guest *g);

/* Sends raw bytes as a frame. */
void guest_send(struct guest *g, const void *frame, size_t n);

/* Runs the loop until a frame comes; its length, or 0 after @timeout_ms. ARP requests for us are answered inside. */
size_t guest_receive(struct guest *g, int timeout_ms);

/* Asks for the gateway's address, which later packets go to. False: no answer. */
bool guest_resolve_gateway(struct guest *g);

void guest_send_udp(
	struct guest *g, uint32_t to, uint16_t port, uint16_t to_port, const void *data, size_t n);
/* Waits for a datagram to @port: its payload is copied; -1 after @timeout_ms. */
ssize_t guest_receive_udp(struct guest *g, uint16_t port, void *data, size_t n, uint32_t *ret_from,
	uint16_t *ret_from_port, int timeout_ms);

/* DHCP (RFC 2131): discover, offer, request, acknowledge. */
struct guest_lease {
	uint32_t ip, router, dns, mask;
	char hostname[64];
};
bool guest_dhcp(struct guest *g, struct guest_lease *ret);

/* IPv6: solicits a router (RFC 4861); its prefix of 64 bits. */
bool guest_router_prefix(struct guest *g, uint8_t ret_prefix[8]);

/* False: refused or not answered. */
bool guest_tcp_connect(
	struct guest *g, struct guest_tcp *c, uint32_t to, uint16_t port, int timeout_ms);
/* Waits for a connection to @port. */
bool guest_tcp_accept(struct guest *g, struct guest_tcp *c, uint16_t port, int timeout_ms);
void guest_tcp_send(struct guest_tcp *c, const void *data, size_t n);
/* Waits for @n bytes; fewer only when the peer closes. */
size_t guest_tcp_receive(struct guest_tcp *c, void *data, size_t n);
void guest_tcp_close(struct guest_tcp *c);

#endif
