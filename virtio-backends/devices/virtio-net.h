/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net.h - what the data path (virtio-net.c) and the control queue (virtio-net-ctrl.c) of the network device share.
 * Virtio 1.2 section 5.1.
 *
 *	queue	0 rx, 1 tx, 2 rx, 3 tx, … 2N control	(control is queue 2 where the driver did not take VIRTIO_NET_F_MQ)
 *
 * A pair of rx and tx runs on one loop, with one queue of the back-end. What the control queue sets is in vnet_hw, under the
 * device's lock; each pair works with a copy that it renews when `changes` has moved.
 */
#ifndef VIRTIO_DEVICES_VIRTIO_NET_H
#define VIRTIO_DEVICES_VIRTIO_NET_H

#include "base/net.h"
#include "virtio-backends/devices/devices.h"

/* Feature bits, section 5.1.3. */
enum {
	VNET_F_CSUM = 0,
	VNET_F_GUEST_CSUM = 1,
	VNET_F_CTRL_GUEST_OFFLOADS = 2,
	VNET_F_MTU = 3,
	VNET_F_MAC = 5,
	VNET_F_GUEST_TSO4 = 7,
	VNET_F_GUEST_TSO6 = 8,
	VNET_F_GUEST_ECN = 9,
	VNET_F_GUEST_UFO = 10,
	VNET_F_HOST_TSO4 = 11,
	VNET_F_HOST_TSO6 = 12,
	VNET_F_HOST_ECN = 13,
	VNET_F_HOST_UFO = 14,
	VNET_F_MRG_RXBUF = 15,
	VNET_F_STATUS = 16,
	VNET_F_CTRL_VQ = 17,
	VNET_F_CTRL_RX = 18,
	VNET_F_CTRL_VLAN = 19,
	VNET_F_CTRL_RX_EXTRA = 20,
	VNET_F_MQ = 22,
	VNET_F_CTRL_MAC_ADDR = 23,
};

#define ETH_ALEN      6
#define ETH_HLEN      14
#define VNET_MACS     64 /* of the driver's table; more count as all */
#define VNET_VLANS    4096
#define VNET_PAIRS    ((VIRTIO_MAX_QUEUES - 1) / 2)
#define VNET_HDR_SIZE 12

/* Section 5.1.6. */
struct vnet_hdr {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset;
	uint16_t num_buffers;
};

_Static_assert(sizeof(struct vnet_hdr) == VNET_HDR_SIZE, "section 5.1.6");

/* Section 5.1.4. */
struct vnet_config {
	uint8_t mac[ETH_ALEN];
	uint16_t status;
	uint16_t max_virtqueue_pairs;
	uint16_t mtu;
};

#define VNET_STATUS_LINK_UP 0x1

/* Which frames the driver wants, section 5.1.6.5. */
struct vnet_filter {
	uint8_t mac[ETH_ALEN];
	uint8_t promisc, allmulti, alluni, nomulti, nouni, nobcast;
	uint8_t uni_overflow, multi_overflow; /* the table was too long: all pass */
	uint8_t n_uni, n_macs; /* macs[0, n_uni) unicast, [n_uni, n_macs) multicast */
	uint8_t macs[VNET_MACS * ETH_ALEN];
	uint8_t vlans[VNET_VLANS / 8];
};

struct vnet_hw {
	struct vnet_filter filter;
	uint64_t offloads; /* GUEST_ feature bits in force */
	uint16_t pairs;    /* in use */
	uint8_t pad[6];
};

extern const struct state_desc vnet_state;

struct vnet_pair;

struct virtio_net {
	struct virtio_pci vp; /* first */
	struct net *net;
	struct net_listener listener;
	struct vnet_hw hw;       /* [s] lock */
	unsigned changes;        /* atomic: of hw */
	struct vnet_pair *pairs; /* [c] num_pairs */

	uint8_t mac[ETH_ALEN];
	uint16_t mtu, num_pairs, queue_size;
};

/* hw or the link has changed: the pairs will renew their copies. Lock held. */
void vnet_changed(struct virtio_net *vn);
/* Fresh from reset: everything passes, one pair. Lock held. */
void vnet_ctrl_reset(struct virtio_net *vn);
/* What negotiation means for it. Lock held. */
void vnet_ctrl_start(struct virtio_net *vn);
/* ops->kick of the control queue. */
bool vnet_ctrl_kick(struct virtio_net *vn, struct vqueue *q);

/* GUEST_ feature bits that VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET may name. */
#define VNET_GUEST_OFFLOADS                                                    \
	(VIRTIO_BIT(VNET_F_GUEST_CSUM) | VIRTIO_BIT(VNET_F_GUEST_TSO4) |       \
		VIRTIO_BIT(VNET_F_GUEST_TSO6) | VIRTIO_BIT(VNET_F_GUEST_ECN) | \
		VIRTIO_BIT(VNET_F_GUEST_UFO))

/* Does a frame that begins with @eth (ETH_HLEN + 4 bytes, zero-padded) pass? */
bool vnet_filter_pass(const struct vnet_filter *f, const uint8_t *eth);

#endif
