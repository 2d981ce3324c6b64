/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control queue, virtio 1.2 section 5.1.6.5, and the filter that it sets.
 *
 *	chain	class 1, command 1, data …	device reads		ack 1	device writes
 *
 * A command is checked whole before it changes anything; one that is malformed or was not negotiated is answered with ERR.
 */
#include <errno.h>
#include <string.h>

#include "virtio-backends/devices/virtio-net.h"

enum { ACK_OK = 0, ACK_ERR = 1 };

enum { CLASS_RX = 0, CLASS_MAC = 1, CLASS_VLAN = 2, CLASS_MQ = 4, CLASS_GUEST_OFFLOADS = 5 };

#define ETHERTYPE_VLAN 0x8100
#define VLAN_ID        0x0fff

struct ctrl_head {
	uint8_t class, command;
};

/* What a command sees: its data, and the state that it may change. */
struct ctrl {
	struct virtio_net *vn;
	struct vq_req *r;
	struct vnet_hw *hw;
	uint64_t size; /* of the data */
};

/* Copies command data; false when there is not as much. */
static bool data(const struct ctrl *c, uint64_t off, void *dst, size_t n)
{
	return vq_read(c->r, sizeof(struct ctrl_head) + off, dst, n) == 0;
}

/* ---- rx modes: one byte, on or off ---- */

static bool set_mode(const struct ctrl *c, uint8_t *mode)
{
	uint8_t on;

	if (c->size != 1 || !data(c, 0, &on, 1))
		return false;
	*mode = !!on;
	return true;
}

static bool rx_promisc(const struct ctrl *c)
{
	return set_mode(c, &c->hw->filter.promisc);
}

static bool rx_allmulti(const struct ctrl *c)
{
	return set_mode(c, &c->hw->filter.allmulti);
}

static bool rx_alluni(const struct ctrl *c)
{
	return set_mode(c, &c->hw->filter.alluni);
}

static bool rx_nomulti(const struct ctrl *c)
{
	return set_mode(c, &c->hw->filter.nomulti);
}

static bool rx_nouni(const struct ctrl *c)
{
	return set_mode(c, &c->hw->filter.nouni);
}

static bool rx_nobcast(const struct ctrl *c)
{
	return set_mode(c, &c->hw->filter.nobcast);
}

/* ---- addresses ---- */

/*
 * One of the two tables at *@off: a count and that many addresses. What exceeds our room is read by its length only and
 * sets *@overflow.
 */
static bool take_table(
	const struct ctrl *c, struct vnet_filter *f, uint64_t *off, uint8_t *overflow)
{
	uint32_t n;

	if (!data(c, *off, &n, sizeof(n)))
		return false;
	*off += sizeof(n);
	if (!range_fits(*off, (uint64_t)n * ETH_ALEN, c->size))
		return false;
	*overflow = n > VNET_MACS - f->n_macs;
	if (!*overflow) {
		if (!data(c, *off, f->macs + f->n_macs * ETH_ALEN, n * ETH_ALEN))
			return false;
		f->n_macs += (uint8_t)n;
	}
	*off += (uint64_t)n * ETH_ALEN;
	return true;
}

static bool mac_table_set(const struct ctrl *c)
{
	struct vnet_filter f = c->hw->filter;
	uint64_t off = 0;

	memset(f.macs, 0, sizeof(f.macs));
	f.n_macs = 0;
	if (!take_table(c, &f, &off, &f.uni_overflow))
		return false;
	f.n_uni = f.n_macs;
	if (!take_table(c, &f, &off, &f.multi_overflow) || off != c->size)
		return false;
	c->hw->filter = f;
	return true;
}

static bool mac_addr_set(const struct ctrl *c)
{
	uint8_t mac[ETH_ALEN];

	if (c->size != sizeof(mac) || !data(c, 0, mac, sizeof(mac)))
		return false;
	memcpy(c->hw->filter.mac, mac, sizeof(mac));
	vdev_config_set(&c->vn->vp.vdev, offsetof(struct vnet_config, mac), mac, sizeof(mac));
	return true;
}

/* ---- VLANs ---- */

static bool vlan_set(const struct ctrl *c, bool on)
{
	uint8_t *byte, bit;
	uint16_t vid;

	if (c->size != sizeof(vid) || !data(c, 0, &vid, sizeof(vid)) || vid >= VNET_VLANS)
		return false;
	byte = &c->hw->filter.vlans[vid / 8];
	bit = (uint8_t)(1u << (vid % 8));
	*byte = on ? *byte | bit : *byte & (uint8_t)~bit;
	return true;
}

static bool vlan_add(const struct ctrl *c)
{
	return vlan_set(c, true);
}

static bool vlan_del(const struct ctrl *c)
{
	return vlan_set(c, false);
}

/* ---- pairs and offloads ---- */

static bool mq_pairs_set(const struct ctrl *c)
{
	uint16_t pairs;

	if (c->size != sizeof(pairs) || !data(c, 0, &pairs, sizeof(pairs)))
		return false;
	if (!pairs || pairs > c->vn->num_pairs)
		return false;
	c->hw->pairs = pairs;
	return true;
}

static bool guest_offloads_set(const struct ctrl *c)
{
	uint64_t offloads;

	if (c->size != sizeof(offloads) || !data(c, 0, &offloads, sizeof(offloads)))
		return false;
	if (offloads & ~(c->vn->vp.vdev.features & VNET_GUEST_OFFLOADS))
		return false;
	c->hw->offloads = offloads;
	return true;
}

/* ---- dispatch ---- */

static const struct ctrl_command {
	struct ctrl_head head;
	uint8_t feature; /* that the driver must have taken */
	bool (*run)(const struct ctrl *c);
} commands[] = {
	{{CLASS_RX, 0}, VNET_F_CTRL_RX, rx_promisc},
	{{CLASS_RX, 1}, VNET_F_CTRL_RX, rx_allmulti},
	{{CLASS_RX, 2}, VNET_F_CTRL_RX_EXTRA, rx_alluni},
	{{CLASS_RX, 3}, VNET_F_CTRL_RX_EXTRA, rx_nomulti},
	{{CLASS_RX, 4}, VNET_F_CTRL_RX_EXTRA, rx_nouni},
	{{CLASS_RX, 5}, VNET_F_CTRL_RX_EXTRA, rx_nobcast},
	{{CLASS_MAC, 0}, VNET_F_CTRL_RX, mac_table_set},
	{{CLASS_MAC, 1}, VNET_F_CTRL_MAC_ADDR, mac_addr_set},
	{{CLASS_VLAN, 0}, VNET_F_CTRL_VLAN, vlan_add},
	{{CLASS_VLAN, 1}, VNET_F_CTRL_VLAN, vlan_del},
	{{CLASS_MQ, 0}, VNET_F_MQ, mq_pairs_set},
	{{CLASS_GUEST_OFFLOADS, 0}, VNET_F_CTRL_GUEST_OFFLOADS, guest_offloads_set},
};

static uint8_t execute(struct virtio_net *vn, struct vq_req *r, const struct ctrl_head *head)
{
	struct ctrl c = {.vn = vn, .r = r, .hw = &vn->hw, .size = r->out_size - sizeof(*head)};

	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct ctrl_command *cmd = &commands[i];

		if (cmd->head.class == head->class && cmd->head.command == head->command)
			return vdev_has_feature(&vn->vp.vdev, cmd->feature) && cmd->run(&c)
				       ? ACK_OK
				       : ACK_ERR;
	}
	return ACK_ERR;
}

/* Receiving may go on, or stop: the pairs look. */
void vnet_changed(struct virtio_net *vn)
{
	__atomic_add_fetch(&vn->changes, 1, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < vn->num_pairs; i++)
		vdev_schedule(&vn->vp.vdev, 2 * i);
}

bool vnet_ctrl_kick(struct virtio_net *vn, struct vqueue *q)
{
	struct ctrl_head head;
	struct vq_req *r;
	uint8_t ack;

	while (vq_pop(q->vq, &r) > 0) {
		if (!r->in_size || vq_read(r, 0, &head, sizeof(head)) < 0) {
			vdev_fail(&vn->vp.vdev,
				"control request without command or room for the answer");
			vq_drop(r);
			break;
		}
		dev_lock(vn->vp.vdev.dev);
		ack = execute(vn, r, &head);
		vnet_changed(vn);
		dev_unlock(vn->vp.vdev.dev);
		vq_push(r, vq_write(r, 0, &ack, 1) < 0 ? 0 : 1);
	}
	return true;
}

/* ---- filter ---- */

static bool in_table(const struct vnet_filter *f, unsigned first, unsigned end, const uint8_t *mac)
{
	for (unsigned i = first; i < end; i++) {
		if (!memcmp(f->macs + i * ETH_ALEN, mac, ETH_ALEN))
			return true;
	}
	return false;
}

static bool vlan_pass(const struct vnet_filter *f, const uint8_t *eth)
{
	unsigned vid = (eth[14] << 8 | eth[15]) & VLAN_ID;

	if ((eth[12] << 8 | eth[13]) != ETHERTYPE_VLAN)
		return true;
	return f->vlans[vid / 8] >> (vid % 8) & 1;
}

bool vnet_filter_pass(const struct vnet_filter *f, const uint8_t *eth)
{
	static const uint8_t broadcast[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	if (f->promisc)
		return true;
	if (!vlan_pass(f, eth))
		return false;
	if (!memcmp(eth, broadcast, ETH_ALEN))
		return !f->nobcast;
	if (eth[0] & 1)
		return !f->nomulti &&
		       (f->allmulti || f->multi_overflow || in_table(f, f->n_uni, f->n_macs, eth));
	return !f->nouni && (f->alluni || f->uni_overflow || !memcmp(f->mac, eth, ETH_ALEN) ||
				    in_table(f, 0, f->n_uni, eth));
}

/* ---- state ---- */

void vnet_ctrl_reset(struct virtio_net *vn)
{
	vn->hw = (struct vnet_hw){.pairs = 1};
	vn->hw.filter.promisc = 1; /* a driver without a control queue gets all */
	memcpy(vn->hw.filter.mac, vn->mac, ETH_ALEN);
	memset(vn->hw.filter.vlans, 0xff, sizeof(vn->hw.filter.vlans));
	vnet_changed(vn);
}

/* Section 5.1.6.5.3: with CTRL_VLAN no VLAN passes until it is added. */
void vnet_ctrl_start(struct virtio_net *vn)
{
	vn->hw.offloads = vn->vp.vdev.features & VNET_GUEST_OFFLOADS;
	if (vdev_has_feature(&vn->vp.vdev, VNET_F_CTRL_VLAN))
		memset(vn->hw.filter.vlans, 0, sizeof(vn->hw.filter.vlans));
	vnet_changed(vn);
}

static const struct state_field filter_fields[] = {
	ST_BYTES(struct vnet_filter, mac),
	ST_MAX(struct vnet_filter, promisc, 1),
	ST_MAX(struct vnet_filter, allmulti, 1),
	ST_MAX(struct vnet_filter, alluni, 1),
	ST_MAX(struct vnet_filter, nomulti, 1),
	ST_MAX(struct vnet_filter, nouni, 1),
	ST_MAX(struct vnet_filter, nobcast, 1),
	ST_MAX(struct vnet_filter, uni_overflow, 1),
	ST_MAX(struct vnet_filter, multi_overflow, 1),
	ST_MAX(struct vnet_filter, n_uni, VNET_MACS),
	ST_MAX(struct vnet_filter, n_macs, VNET_MACS),
	ST_BYTES(struct vnet_filter, macs),
	ST_BYTES(struct vnet_filter, vlans),
	ST_END,
};

static const struct state_field vnet_fields[] = {
	ST_STRUCT(struct vnet_hw, filter, filter_fields),
	ST_U(struct vnet_hw, offloads),
	ST_RANGE(struct vnet_hw, pairs, 1, VNET_PAIRS),
	ST_PAD(struct vnet_hw, pad),
	ST_END,
};

static int vnet_state_check(const void *p)
{
	const struct vnet_hw *hw = p;

	if (hw->filter.n_uni > hw->filter.n_macs || hw->offloads & ~VNET_GUEST_OFFLOADS)
		return -EINVAL;
	return 0;
}

const struct state_desc vnet_state = {
	.name = "virtio-net",
	.version = 1,
	.size = sizeof(struct vnet_hw),
	.fields = vnet_fields,
	.check = vnet_state_check,
};
