/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/net/nic.h"

#include <errno.h>
#include <string.h>

#include "base/qs.h"

#define TX_BATCH  64 /* packets, or looks for one, of one round */
#define RX_BATCH  64
#define VNET_SIZE 12
#define NIC_SEGS  5

/* struct virtio_net_hdr_mrg_rxbuf, virtio 1.2 section 5.1.6. */
struct vnet_hdr {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset;
	uint16_t num_buffers;
};

_Static_assert(sizeof(struct vnet_hdr) == VNET_SIZE, "virtio 1.2 section 5.1.6");

#define VNET_NEEDS_CSUM 0x01
#define VNET_GSO_TCP4   1
#define VNET_GSO_TCP6   4

static const struct state_field fields[] = {
	ST_MAX(struct nic_hw, tx_sent, PACKET_MAX),
	ST_END,
};

const struct state_desc nic_state = {
	.name = "nic", .version = 1, .size = sizeof(struct nic_hw), .fields = fields};

/* ---- transmit ---- */

/* The pieces of one frame. */
struct pieces {
	struct iovec segs[NIC_SEGS];
	unsigned n;
	size_t size;
};

static void add(struct pieces *f, void *data, size_t n)
{
	if (!n)
		return;
	(void)giov_from_buf(&f->segs[f->n++], data, n);
	f->size += n;
}

static void add_header(
	struct pieces *f, const struct packet *p, uint8_t *tag, uint8_t *header, size_t n)
{
	add(f, header, ETH_MACS);
	if (p->has_vlan) {
		put_be16(tag, ETH_TYPE_VLAN);
		put_be16(tag + 2, p->vlan);
		add(f, tag, VLAN_TAG);
	}
	add(f, header + ETH_MACS, n - ETH_MACS);
}

/*
 * Can the back-end put in the last sum? It sums to the end of the frame, and finds the place behind
 * the start. A tag would be one more header for it to look through.
 */
static bool offloads_csum(const struct nic *n, const struct packet *p)
{
	return n->offloads & NET_OFFLOAD_CSUM && !n->looped && p->l4.wanted && !p->l4.end &&
	       p->l4.at >= p->l4.start && !p->has_vlan;
}

static bool offloads_tso(const struct nic *n, const struct packet *p)
{
	unsigned needs = p->ip6 ? NET_OFFLOAD_TSO6 : NET_OFFLOAD_TSO4;

	return p->mss && p->tcp && n->offloads & needs && offloads_csum(n, p) &&
	       p->l4.start == p->l4_offset && packet_frames(p) > 1;
}

/* Once for each packet: what is the same for all of its frames. */
static void prepare(struct nic *n)
{
	struct packet *p = &n->packet;

	if (n->prepared)
		return;
	n->prepared = true;
	n->tso = offloads_tso(n, p) && !n->sent && packet_prepare_tso(p);
	if (!p->mss)
		packet_sum(p, !offloads_csum(n, p));
}

static struct vnet_hdr vnet_header(const struct nic *n)
{
	const struct packet *p = &n->packet;
	struct vnet_hdr h = {.flags = 0};

	if (!n->tso && (p->mss || !offloads_csum(n, p)))
		return h;
	h.flags = VNET_NEEDS_CSUM;
	h.csum_start = p->l4.start;
	h.csum_offset = (uint16_t)(p->l4.at - p->l4.start);
	if (n->tso) {
		h.gso_type = p->ip6 ? VNET_GSO_TCP6 : VNET_GSO_TCP4;
		h.gso_size = p->mss;
		h.hdr_len = p->header;
	}
	return h;
}

/* Back to the guest, as one piece. */
static void loop_back(struct nic *n, const struct giov *frame)
{
	size_t skip = n->offloads ? VNET_SIZE : 0, size = frame->size - skip;

	if (size > NET_FRAME_MAX)
		return;
	giov_read(frame, skip, n->rx, size);
	dev_lock(n->dev);
	n->ops->rx_frame(n->dev, n->rx, size);
	dev_unlock(n->dev);
}

/* Without a link, frames are lost as on a cable that is not plugged in. */
static ssize_t send_pieces(struct nic *n, const struct pieces *f)
{
	struct giov frame = giov_from_segs(f->segs, f->n, f->size);

	if (n->looped)
		loop_back(n, &frame);
	else if (n->net->link_up)
		return net_send(n->queue, &frame);
	return (ssize_t)f->size;
}

/* The @i-th frame of the packet. -EAGAIN: later. */
static ssize_t send_frame(struct nic *n, unsigned i)
{
	struct packet *p = &n->packet;
	uint8_t tag[VLAN_TAG], header[PACKET_HEADER_MAX];
	struct vnet_hdr h = vnet_header(n);
	struct pieces f = {.n = 0};
	uint32_t payload, size;

	if (n->offloads)
		add(&f, &h, sizeof(h));
	if (!p->mss || n->tso) {
		add_header(&f, p, tag, p->data, p->size);
	} else {
		packet_segment(p, i, header, &payload, &size);
		add_header(&f, p, tag, header, p->header);
		add(&f, p->data + payload, size);
	}
	return send_pieces(n, &f);
}

static bool send_packet(struct nic *n)
{
	unsigned frames;

	prepare(n);
	frames = n->tso ? 1 : packet_frames(&n->packet);
	for (; n->sent < frames; n->sent++) {
		/* Other errors lose the frame, as networks do; the back-end counts it. */
		if (send_frame(n, n->sent) == -EAGAIN)
			return false;
	}
	return true;
}

/* Lock held. */
static bool packet_holds(const struct nic *n)
{
	return n->has_packet && n->packet_resets == n->resets;
}

static enum nic_tx next_packet(struct nic *n)
{
	enum nic_tx ret = NIC_TX_NONE;

	dev_lock(n->dev);
	if (packet_holds(n)) {
		ret = NIC_TX_PACKET;
	} else if (!n->stopped) {
		uint8_t *data = n->packet.data;

		n->packet = (struct packet){.data = data};
		ret = n->ops->tx_next(n->dev, &n->packet);
		n->has_packet = ret == NIC_TX_PACKET;
		n->packet_resets = n->resets;
		n->looped = n->loopback;
		n->sent = n->hw.tx_sent;
		n->prepared = false;
	}
	dev_unlock(n->dev);
	return ret;
}

static void finish_packet(struct nic *n)
{
	dev_lock(n->dev);
	if (packet_holds(n)) {
		n->hw.tx_sent = 0;
		n->ops->tx_done(n->dev, &n->packet);
	}
	n->has_packet = false;
	dev_unlock(n->dev);
}

/* True when there is more to do. */
static bool transmit(struct nic *n)
{
	for (unsigned i = 0; i < TX_BATCH; i++) {
		switch (next_packet(n)) {
		case NIC_TX_NONE: return false;
		case NIC_TX_MORE: continue;
		case NIC_TX_PACKET: break;
		}
		if (!send_packet(n))
			return false; /* tx_ready() will come */
		finish_packet(n);
	}
	return true;
}

/* ---- receive ---- */

static void rx_enable(struct nic *n, bool on)
{
	n->rx_on = on;
	net_rx_enable(n->queue, on);
}

static bool rx_possible(struct nic *n)
{
	bool ret;

	dev_lock(n->dev);
	ret = !n->stopped && !n->loopback && n->ops->rx_ready(n->dev);
	dev_unlock(n->dev);
	return ret;
}

/*
 * What is shorter than the shortest frame of a real network was not padded yet: senders' hardware
 * does that.
 */
static void take_frame(struct nic *n, size_t size)
{
	uint8_t *frame = n->rx + (n->offloads ? VNET_SIZE : 0);

	if (n->offloads)
		size -= MIN(size, VNET_SIZE);
	if (size < ETH_HEADER)
		return;
	if (size < ETH_MIN) {
		memset(frame + size, 0, ETH_MIN - size);
		size = ETH_MIN;
	}
	dev_lock(n->dev);
	if (!n->stopped)
		n->ops->rx_frame(n->dev, frame, size);
	dev_unlock(n->dev);
}

/* True when there may be more. */
static bool receive(struct nic *n)
{
	struct iovec seg;
	struct giov room = giov_from_buf(&seg, n->rx, VNET_SIZE + NET_FRAME_MAX);

	for (unsigned i = 0; i < RX_BATCH; i++) {
		ssize_t size;

		if (!rx_possible(n)) {
			rx_enable(n, false); /* nic_kick() will come */
			return false;
		}
		size = net_recv(n->queue, &room);
		if (size == -EAGAIN) {
			rx_enable(n, true); /* rx_ready() will come */
			return false;
		}
		if (size > 0)
			take_frame(n, (size_t)size);
	}
	return true;
}

/* ---- the loop ---- */

static void work(struct loop_call *c)
{
	struct nic *n = container_of(c, struct nic, call);
	bool more;

	qs_enter();
	more = transmit(n);
	more |= receive(n);
	qs_leave();
	if (more)
		nic_kick(n);
}

static void rx_ready(void *opaque)
{
	nic_kick(opaque);
}

static const struct net_front_ops front_ops = {.rx_ready = rx_ready, .tx_ready = rx_ready};

void nic_kick(struct nic *n)
{
	loop_post(n->dev->bus->loop, &n->call);
}

void nic_forget(struct nic *n)
{
	n->resets++;
	n->hw.tx_sent = 0;
}

void nic_quiesce(struct nic *n)
{
	n->stopped = true;
	if (packet_holds(n))
		n->hw.tx_sent = n->sent;
	n->has_packet = false;
	if (n->rx_on)
		rx_enable(n, false);
}

void nic_resume(struct nic *n)
{
	n->stopped = false;
	nic_kick(n);
}

void nic_post_load(struct nic *n)
{
	n->resets++;
	nic_kick(n);
}

/* ---- life ---- */

static void link_changed(struct net_listener *l, bool up)
{
	struct nic *n = container_of(l, struct nic, listener);

	dev_lock(n->dev);
	n->ops->link_changed(n->dev, up);
	dev_unlock(n->dev);
}

static bool open_queue(struct nic *n, GError **error)
{
	int err = net_queue_open(n->net, 0, n->dev->bus->loop, &front_ops, n, &n->queue);

	n->offloads = net_offloads(n->net);
	if (!(n->offloads & NET_OFFLOAD_CSUM))
		n->offloads = 0;
	if (!err && n->offloads)
		err = net_set_header(n->queue, VNET_SIZE);
	if (err < 0)
		return err_set_errno(error, -err, "device %s: network %s", n->dev->id, n->net->id);
	return true;
}

bool nic_init(
	struct nic *n, struct dev *d, const struct nic_ops *ops, const uint8_t *mac, GError **error)
{
	static const uint8_t none[ETH_ALEN];

	n->dev = d;
	n->ops = ops;
	n->call.fn = work;
	if (!n->net)
		return err_set(error, VMMD_ERROR_INVALID, "device %s: it has no network", d->id);
	if (!memcmp(mac, none, ETH_ALEN))
		return err_set(error, VMMD_ERROR_INVALID, "device %s: it has no mac", d->id);
	if (!open_queue(n, error))
		return false;
	n->rx = g_malloc(VNET_SIZE + NET_FRAME_MAX + ETH_FCS);
	n->packet.data = g_malloc(PACKET_MAX);
	n->listener.link_changed = link_changed;
	net_listen(n->net, &n->listener);
	return true;
}

void nic_done(struct nic *n)
{
	if (!n->dev)
		return;
	if (n->net)
		net_unlisten(n->net, &n->listener);
	net_queue_close(n->queue);
	n->queue = NULL;
	loop_call_cancel(n->dev->bus->loop, &n->call);
	g_clear_pointer(&n->rx, g_free);
	g_clear_pointer(&n->packet.data, g_free);
}
