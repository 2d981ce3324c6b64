/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network device's data path, virtio 1.2 section 5.1.6. No copies: the back-end sends from and receives into guest
 * buffers.
 *
 * Receiving, a pair keeps a window of popped buffers that is large enough for the largest frame, and offers all of it to the
 * back-end; a frame uses up buffers at its front. With mergeable buffers, when the driver has given less than that, a frame comes
 * into host memory first and waits there until there is room for it.
 */
#include <errno.h>
#include <string.h>

#include "base/qs.h"
#include "virtio-backends/devices/virtio-net.h"

#define NET_QUEUE_SIZE 256
#define FRAME_ROOM     (VNET_HDR_SIZE + NET_FRAME_MAX) /* bytes of the largest frame, with header */
#define RX_BATCH       64                              /* frames of one round */
#define ETH_LOOK       (ETH_HLEN + 4)                  /* bytes that the filter sees */

#define HDR_NEEDS_CSUM 0x01
#define GSO_NONE       0
#define GSO_TCPV4      1
#define GSO_UDP        3
#define GSO_TCPV6      4
#define GSO_ECN        0x80

/* A popped receive buffer. */
struct rx_buffer {
	struct vq_req *r;
	unsigned n_segs;
};

/*
 * Popped buffers in order, and their segments: segs[first_seg, first_seg + n_segs). What a frame uses up leaves at the
 * front.
 */
struct rx_window {
	struct rx_buffer *buffers; /* room for a whole queue */
	unsigned n;
	uint64_t size; /* bytes */
	struct iovec *segs;
	unsigned first_seg, n_segs;
};

#define WINDOW_SEGS 1024 /* that one readv(2) takes */

/* One rx queue, one tx queue, one queue of the back-end. Everything [q] unless marked. */
struct vnet_pair {
	struct virtio_net *vn;  /* [c] */
	unsigned index;         /* [c] */
	struct vqueue *rx, *tx; /* [c] */
	struct net_queue *nq;   /* [c] */

	/* settings as copied from vn */
	unsigned changes;
	bool in_use, link_up;
	struct vnet_filter filter;

	struct rx_window window;
	uint8_t *bounce; /* FRAME_ROOM bytes */
	size_t bounced;  /* bytes of the frame that waits there */
	struct iovec *tx_segs;
	unsigned tx_room; /* [c] */
};

static struct virtio_net *to_net(struct dev *d)
{
	return container_of(d, struct virtio_net, vp.pci.dev);
}

/* ---- what the control queue has set ---- */

static const struct {
	uint8_t feature;
	unsigned offload;
} guest_offloads[] = {
	{VNET_F_GUEST_CSUM, NET_OFFLOAD_CSUM},
	{VNET_F_GUEST_TSO4, NET_OFFLOAD_TSO4},
	{VNET_F_GUEST_TSO6, NET_OFFLOAD_TSO6},
	{VNET_F_GUEST_ECN, NET_OFFLOAD_ECN},
	{VNET_F_GUEST_UFO, NET_OFFLOAD_UFO},
};

static unsigned offloads_of(uint64_t features)
{
	unsigned offloads = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(guest_offloads); i++) {
		if (features & VIRTIO_BIT(guest_offloads[i].feature))
			offloads |= guest_offloads[i].offload;
	}
	return offloads;
}

/* Copies the settings if they have changed, and tells the back-end. */
static void renew_settings(struct vnet_pair *p)
{
	struct virtio_net *vn = p->vn;
	struct vdev *v = &vn->vp.vdev;
	unsigned offloads;
	int err;

	if (__atomic_load_n(&vn->changes, __ATOMIC_ACQUIRE) == p->changes)
		return;
	dev_lock(v->dev);
	p->changes = vn->changes;
	p->filter = vn->hw.filter;
	p->in_use = p->index < vn->hw.pairs;
	p->link_up = v->hw.config[offsetof(struct vnet_config, status)] & VNET_STATUS_LINK_UP;
	offloads = offloads_of(vn->hw.offloads);
	dev_unlock(v->dev);
	err = net_set_header(p->nq, VNET_HDR_SIZE);
	if (!err)
		err = net_set_offloads(p->nq, offloads);
	if (err < 0)
		vdev_fail(v, "back-end refuses the offloads that it offered: %s", strerror(-err));
}

/* ---- receive ---- */

static bool mergeable(const struct vnet_pair *p)
{
	return vdev_has_feature(&p->vn->vp.vdev, VNET_F_MRG_RXBUF);
}

/* Puts the segments of @r behind those that are there. False: no room. */
static bool append(struct rx_window *w, struct vq_req *r)
{
	unsigned end = w->first_seg + w->n_segs;
	struct giov part, copy;

	if (vq_payload_in(r, 0, r->in_size, &part) < 0)
		return false;
	if (part.n > WINDOW_SEGS - end) {
		memmove(w->segs, w->segs + w->first_seg, w->n_segs * sizeof(*w->segs));
		w->first_seg = 0;
		end = w->n_segs;
	}
	if (giov_slice(&part, 0, part.size, w->segs + end, WINDOW_SEGS - end, &copy) < 0)
		return false;
	w->buffers[w->n++] = (struct rx_buffer){.r = r, .n_segs = copy.n};
	w->n_segs += copy.n;
	w->size += r->in_size;
	return true;
}

/* Pops until the largest frame fits, or one buffer when a frame may take no more. False: the driver has not given as much. */
static bool fill_window(struct vnet_pair *p)
{
	struct rx_window *w = &p->window;
	uint64_t want = mergeable(p) ? FRAME_ROOM : 1;

	while (w->size < want) {
		struct vq_req *r;

		if (vq_pop(p->rx->vq, &r) <= 0)
			return false;
		if (r->in_size < VNET_HDR_SIZE) {
			vdev_fail(&p->vn->vp.vdev,
				"queue %u: receive buffer smaller than its header", p->rx->index);
			vq_drop(r);
			return false;
		}
		if (!append(w, r)) {
			vq_unpop(r);
			return true; /* many small segments: as much as can be offered at once */
		}
	}
	return true;
}

static struct giov window_giov(const struct rx_window *w)
{
	return giov_from_segs(w->segs + w->first_seg, w->n_segs, w->size);
}

/* Hands the first buffers of the window, which hold a frame of @n bytes, to the driver. */
static void give(struct rx_window *w, size_t n)
{
	uint16_t used = 0;

	for (size_t left = n; left; used++)
		left -= MIN(left, w->buffers[used].r->in_size);
	/* Only a blocked queue refuses, and then nobody looks. */
	(void)!vq_write(
		w->buffers[0].r, offsetof(struct vnet_hdr, num_buffers), &used, sizeof(used));
	for (unsigned i = 0; i < used; i++) {
		struct rx_buffer *b = &w->buffers[i];
		size_t part = MIN(n, b->r->in_size);

		n -= part;
		w->size -= b->r->in_size;
		w->first_seg += b->n_segs;
		w->n_segs -= b->n_segs;
		vq_push(b->r, part);
	}
	w->n -= used;
	memmove(w->buffers, w->buffers + used, w->n * sizeof(*w->buffers));
}

static bool wanted(const struct vnet_pair *p, const struct giov *frame, size_t n)
{
	uint8_t eth[ETH_LOOK] = {0};

	if (!p->link_up || n <= VNET_HDR_SIZE)
		return false;
	giov_read(frame, VNET_HDR_SIZE, eth, MIN(n - VNET_HDR_SIZE, sizeof(eth)));
	return vnet_filter_pass(&p->filter, eth);
}

/* The frame that waits in host memory. -ENOBUFS: it still does. */
static int deliver_bounced(struct vnet_pair *p)
{
	struct giov window = window_giov(&p->window);

	if (window.size < p->bounced)
		return -ENOBUFS;
	giov_write(&window, 0, p->bounce, p->bounced);
	give(&p->window, p->bounced);
	p->bounced = 0;
	return 0;
}

/* Receives one frame. 0; -EAGAIN: none waits; -ENOBUFS: the driver has given too little. */
static int receive(struct vnet_pair *p)
{
	bool full = fill_window(p) || !mergeable(p);
	struct iovec seg;
	struct giov v;
	ssize_t n;

	if (!p->window.n)
		return -ENOBUFS;
	if (p->bounced)
		return deliver_bounced(p);
	v = full ? window_giov(&p->window) : giov_from_buf(&seg, p->bounce, FRAME_ROOM);
	n = net_recv(p->nq, &v);
	if (n == -EAGAIN)
		return -EAGAIN;
	if (n < 0 || (size_t)n > v.size || !wanted(p, &v, (size_t)n))
		return 0; /* lost, as frames are */
	if (full) {
		give(&p->window, (size_t)n);
		return 0;
	}
	p->bounced = (size_t)n;
	return deliver_bounced(p);
}

static bool rx_kick(struct vnet_pair *p)
{
	renew_settings(p);
	if (!p->in_use) {
		net_rx_enable(p->nq, false);
		return false; /* vnet_changed() will come */
	}
	for (unsigned i = 0; i < RX_BATCH; i++) {
		int ret = receive(p);

		if (ret == -EAGAIN) {
			net_rx_enable(p->nq, true);
			return false; /* rx_ready() will come */
		}
		if (ret == -ENOBUFS) {
			net_rx_enable(p->nq, false);
			return true; /* the doorbell will come */
		}
	}
	vqueue_schedule(p->rx);
	return false;
}

static void rx_ready(void *opaque)
{
	struct vnet_pair *p = opaque;

	if (p->rx->running)
		vqueue_schedule(p->rx);
}

/* The window goes back in reverse order, so that the ring is as it was. */
static void rx_drain(struct vnet_pair *p, bool reset)
{
	struct rx_window *w = &p->window;

	net_rx_enable(p->nq, false);
	while (w->n) {
		struct vq_req *r = w->buffers[--w->n].r;

		if (reset)
			vq_drop(r);
		else
			vq_unpop(r);
	}
	w->size = 0;
	w->first_seg = w->n_segs = 0;
	p->bounced = 0;
}

/* ---- transmit ---- */

static bool gso_ok(const struct vdev *v, const struct vnet_hdr *h)
{
	if (h->gso_type & GSO_ECN && !vdev_has_feature(v, VNET_F_HOST_ECN))
		return false;
	switch (h->gso_type & ~GSO_ECN) {
	case GSO_NONE: return h->gso_type == GSO_NONE;
	case GSO_TCPV4: return h->gso_size && vdev_has_feature(v, VNET_F_HOST_TSO4);
	case GSO_TCPV6: return h->gso_size && vdev_has_feature(v, VNET_F_HOST_TSO6);
	case GSO_UDP: return h->gso_size && vdev_has_feature(v, VNET_F_HOST_UFO);
	default: return false;
	}
}

/* Section 5.1.6.2: what the header asks for was negotiated, and lies inside the frame of @n bytes. */
static bool header_ok(const struct vdev *v, struct vnet_hdr *h, uint64_t n)
{
	h->flags &= HDR_NEEDS_CSUM;
	h->num_buffers = 0;
	if (h->flags) {
		if (!vdev_has_feature(v, VNET_F_CSUM))
			return false;
		if ((uint64_t)h->csum_start + h->csum_offset + 2 > n)
			return false;
	} else if (h->gso_type) {
		return false;
	}
	return gso_ok(v, h) && h->hdr_len <= n;
}

/* The back-end gets the header that was checked, then the guest's bytes. */
static ssize_t send_frame(struct vnet_pair *p, struct vq_req *r, struct vnet_hdr *h)
{
	uint64_t n = r->out_size - sizeof(*h);
	struct giov frame, payload, copy;

	if (n < ETH_HLEN || n > NET_FRAME_MAX || !header_ok(&p->vn->vp.vdev, h, n)) {
		dev_guest_error(p->vn->vp.vdev.dev, "queue %u: frame with a bad length or header",
			p->tx->index);
		return -EINVAL;
	}
	if (vq_payload_out(r, sizeof(*h), n, &payload) < 0 ||
		giov_slice(&payload, 0, n, p->tx_segs + 1, p->tx_room - 1, &copy) < 0)
		return -EINVAL;
	(void)giov_from_buf(&p->tx_segs[0], h, sizeof(*h));
	frame = giov_from_segs(p->tx_segs, copy.n + 1, r->out_size);
	return net_send(p->nq, &frame);
}

static bool tx_kick(struct vnet_pair *p)
{
	struct vnet_hdr h;
	struct vq_req *r;

	renew_settings(p);
	while (vq_pop(p->tx->vq, &r) > 0) {
		if (vq_read(r, 0, &h, sizeof(h)) < 0) {
			vdev_fail(&p->vn->vp.vdev, "queue %u: frame without header", p->tx->index);
			vq_drop(r);
			break;
		}
		/* Whatever else becomes of it, the frame is gone: networks lose frames. */
		if (p->link_up && send_frame(p, r, &h) == -EAGAIN) {
			vq_unpop(r);
			return false; /* tx_ready() will come */
		}
		vq_push(r, 0);
	}
	return true;
}

static void tx_ready(void *opaque)
{
	struct vnet_pair *p = opaque;

	if (p->tx->running)
		vqueue_schedule(p->tx);
}

static const struct net_front_ops front_ops = {.rx_ready = rx_ready, .tx_ready = tx_ready};

/* ---- the device ---- */

/* The control queue comes after the pairs that the driver knows of, section 5.1.2. */
static unsigned ctrl_index(const struct virtio_net *vn)
{
	return vdev_has_feature(&vn->vp.vdev, VNET_F_MQ) ? 2u * vn->num_pairs : 2;
}

static bool is_ctrl(const struct virtio_net *vn, unsigned queue)
{
	return vdev_has_feature(&vn->vp.vdev, VNET_F_CTRL_VQ) && queue == ctrl_index(vn);
}

static bool vnet_kick(struct vdev *v, struct vqueue *q)
{
	struct virtio_net *vn = v->priv;

	if (is_ctrl(vn, q->index))
		return vnet_ctrl_kick(vn, q);
	if (q->index >= 2u * vn->num_pairs)
		return true;
	return q->index % 2 ? tx_kick(&vn->pairs[q->index / 2]) : rx_kick(&vn->pairs[q->index / 2]);
}

static void vnet_drain(struct vdev *v, struct vqueue *q, bool reset)
{
	struct virtio_net *vn = v->priv;

	if (!is_ctrl(vn, q->index) && q->index < 2u * vn->num_pairs && q->index % 2 == 0)
		rx_drain(&vn->pairs[q->index / 2], reset);
	vqueue_drained(q);
}

/* A feature is offered or taken only with another one, sections 5.1.3.1 and 5.1.5. */
static const struct {
	uint8_t feature, needs;
} dependencies[] = {
	{VNET_F_GUEST_TSO4, VNET_F_GUEST_CSUM},
	{VNET_F_GUEST_TSO6, VNET_F_GUEST_CSUM},
	{VNET_F_GUEST_UFO, VNET_F_GUEST_CSUM},
	{VNET_F_HOST_TSO4, VNET_F_CSUM},
	{VNET_F_HOST_TSO6, VNET_F_CSUM},
	{VNET_F_HOST_UFO, VNET_F_CSUM},
	{VNET_F_CTRL_GUEST_OFFLOADS, VNET_F_CTRL_VQ},
	{VNET_F_CTRL_RX, VNET_F_CTRL_VQ},
	{VNET_F_CTRL_RX_EXTRA, VNET_F_CTRL_VQ},
	{VNET_F_CTRL_VLAN, VNET_F_CTRL_VQ},
	{VNET_F_CTRL_MAC_ADDR, VNET_F_CTRL_VQ},
	{VNET_F_MQ, VNET_F_CTRL_VQ},
};

static bool vnet_validate(struct vdev *v)
{
	uint64_t f = v->hw.driver_features;
	uint64_t guest_tso = VIRTIO_BIT(VNET_F_GUEST_TSO4) | VIRTIO_BIT(VNET_F_GUEST_TSO6);
	uint64_t host_tso = VIRTIO_BIT(VNET_F_HOST_TSO4) | VIRTIO_BIT(VNET_F_HOST_TSO6);

	for (unsigned i = 0; i < ARRAY_SIZE(dependencies); i++) {
		if (f & VIRTIO_BIT(dependencies[i].feature) &&
			!(f & VIRTIO_BIT(dependencies[i].needs)))
			return false;
	}
	return !(f & VIRTIO_BIT(VNET_F_GUEST_ECN) && !(f & guest_tso)) &&
	       !(f & VIRTIO_BIT(VNET_F_HOST_ECN) && !(f & host_tso));
}

static const struct {
	unsigned offload;
	uint64_t features;
} offered[] = {
	{NET_OFFLOAD_CSUM, VIRTIO_BIT(VNET_F_CSUM) | VIRTIO_BIT(VNET_F_GUEST_CSUM) |
				   VIRTIO_BIT(VNET_F_CTRL_GUEST_OFFLOADS)},
	{NET_OFFLOAD_TSO4, VIRTIO_BIT(VNET_F_HOST_TSO4) | VIRTIO_BIT(VNET_F_GUEST_TSO4)},
	{NET_OFFLOAD_TSO6, VIRTIO_BIT(VNET_F_HOST_TSO6) | VIRTIO_BIT(VNET_F_GUEST_TSO6)},
	{NET_OFFLOAD_ECN, VIRTIO_BIT(VNET_F_HOST_ECN) | VIRTIO_BIT(VNET_F_GUEST_ECN)},
	{NET_OFFLOAD_UFO, VIRTIO_BIT(VNET_F_HOST_UFO) | VIRTIO_BIT(VNET_F_GUEST_UFO)},
};

static uint64_t vnet_features(struct vdev *v)
{
	const struct virtio_net *vn = v->priv;
	unsigned offloads = net_offloads(vn->net);
	uint64_t f = VIRTIO_BIT(VNET_F_MAC) | VIRTIO_BIT(VNET_F_MRG_RXBUF) |
		     VIRTIO_BIT(VNET_F_STATUS) | VIRTIO_BIT(VNET_F_CTRL_VQ) |
		     VIRTIO_BIT(VNET_F_CTRL_RX) | VIRTIO_BIT(VNET_F_CTRL_VLAN) |
		     VIRTIO_BIT(VNET_F_CTRL_RX_EXTRA) | VIRTIO_BIT(VNET_F_CTRL_MAC_ADDR);

	for (unsigned i = 0; i < ARRAY_SIZE(offered) && offloads & NET_OFFLOAD_CSUM; i++) {
		if (offloads & offered[i].offload)
			f |= offered[i].features;
	}
	if (vn->mtu)
		f |= VIRTIO_BIT(VNET_F_MTU);
	if (vn->num_pairs > 1)
		f |= VIRTIO_BIT(VNET_F_MQ);
	return f;
}

static int vnet_start(struct vdev *v, bool resumed)
{
	if (!resumed)
		vnet_ctrl_start(v->priv);
	return 0;
}

static void make_config(struct virtio_net *vn)
{
	struct vnet_config c = {
		.status = vn->net->link_up ? VNET_STATUS_LINK_UP : 0,
		.max_virtqueue_pairs = vn->num_pairs,
		.mtu = vn->mtu,
	};

	memcpy(c.mac, vn->hw.filter.mac, ETH_ALEN);
	vdev_config_set(&vn->vp.vdev, 0, &c, sizeof(c));
}

static void vnet_reset(struct vdev *v)
{
	vnet_ctrl_reset(v->priv);
	make_config(v->priv);
}

static void link_changed(struct net_listener *l, bool up)
{
	struct virtio_net *vn = container_of(l, struct virtio_net, listener);
	uint16_t status = up ? VNET_STATUS_LINK_UP : 0;

	vdev_config_update(
		&vn->vp.vdev, offsetof(struct vnet_config, status), &status, sizeof(status));
	dev_lock(vn->vp.vdev.dev);
	vnet_changed(vn);
	dev_unlock(vn->vp.vdev.dev);
}

static const struct vdev_ops vnet_ops = {
	.name = "virtio-net",
	.id = 1,
	.config_size = sizeof(struct vnet_config),
	.features = vnet_features,
	.validate = vnet_validate,
	.start = vnet_start,
	.kick = vnet_kick,
	.drain = vnet_drain,
	.reset = vnet_reset,
};

/* ---- life ---- */

void virtio_net_set_backend(struct dev *d, struct net *net)
{
	to_net(d)->net = net;
}

static bool open_pair(struct virtio_net *vn, unsigned i, GError **error)
{
	struct vnet_pair *p = &vn->pairs[i];
	int err;

	p->vn = vn;
	p->index = i;
	p->rx = &vn->vp.vdev.queues[2 * i];
	p->tx = &vn->vp.vdev.queues[2 * i + 1];
	p->changes = vn->changes - 1;
	p->window.buffers = g_new0(struct rx_buffer, vn->queue_size);
	p->window.segs = g_new0(struct iovec, WINDOW_SEGS);
	p->tx_room = 1u + vn->queue_size + VQ_SEGS + VQ_SPLITS;
	p->tx_segs = g_new0(struct iovec, p->tx_room);
	p->bounce = g_malloc0(FRAME_ROOM);
	err = net_queue_open(vn->net, i, p->rx->loop, &front_ops, p, &p->nq);
	if (err < 0)
		return err_set_errno(error, -err, "device %s: queue %u of network %s",
			vn->vp.pci.dev.id, i, vn->net->id);
	return true;
}

static void close_pair(struct vnet_pair *p)
{
	net_queue_close(p->nq);
	g_free(p->bounce);
	g_free(p->tx_segs);
	g_free(p->window.segs);
	g_free(p->window.buffers);
}

static bool check_properties(const struct virtio_net *vn, GError **error)
{
	const char *id = vn->vp.pci.dev.id;
	static const uint8_t none[ETH_ALEN];

	if (!vn->net)
		return err_set(error, VMMD_ERROR_INVALID, "device %s: it has no network", id);
	if (!memcmp(vn->mac, none, ETH_ALEN))
		return err_set(error, VMMD_ERROR_INVALID, "device %s: it has no mac", id);
	if (!is_power_of_2(vn->queue_size))
		return err_set(error, VMMD_ERROR_INVALID,
			"device %s: queue-size %u is not a power of two", id, vn->queue_size);
	if (vn->mtu && vn->mtu < NET_MTU_MIN)
		return err_set(error, VMMD_ERROR_INVALID, "device %s: mtu %u is below %u", id,
			vn->mtu, NET_MTU_MIN);
	if (vn->num_pairs > vn->net->queues)
		return err_set(error, VMMD_ERROR_INVALID,
			"device %s: %u queue pairs, but network %s has %u", id, vn->num_pairs,
			vn->net->id, vn->net->queues);
	return true;
}

static bool vnet_realize(struct dev *d, GError **error)
{
	struct virtio_net *vn = to_net(d);
	struct virtio_pci_conf conf = {
		.class_code = 0x020000, /* Ethernet controller */
		.n_queues = 2u * vn->num_pairs + 1,
		.queue_size = vn->queue_size,
	};

	if (!check_properties(vn, error) || !virtio_pci_init(&vn->vp, &vnet_ops, vn, &conf, error))
		return false;
	vn->pairs = g_new0(struct vnet_pair, vn->num_pairs);
	for (unsigned i = 0; i < vn->num_pairs; i++) {
		if (!open_pair(vn, i, error))
			return false;
	}
	vnet_reset(&vn->vp.vdev);
	vn->listener.link_changed = link_changed;
	net_listen(vn->net, &vn->listener);
	return true;
}

static void vnet_unrealize(struct dev *d)
{
	struct virtio_net *vn = to_net(d);

	if (vn->net)
		net_unlisten(vn->net, &vn->listener);
	for (unsigned i = 0; vn->pairs && i < vn->num_pairs; i++)
		close_pair(&vn->pairs[i]);
	g_clear_pointer(&vn->pairs, g_free);
	virtio_pci_done(&vn->vp);
}

/* The link may be another here than where the state was saved. */
static int vnet_post_load(struct dev *d)
{
	struct virtio_net *vn = to_net(d);

	if (vn->hw.pairs > vn->num_pairs)
		return -EINVAL;
	make_config(vn);
	vnet_changed(vn);
	return virtio_pci_post_load(d);
}

static const struct prop vnet_props[] = {VIRTIO_PCI_PROPS(struct virtio_net, vp),
	PROP_MAC("mac", struct virtio_net, mac, "address of the station"),
	PROP_U16("mtu", struct virtio_net, mtu, 0, NET_MTU_MAX, 0,
		"MTU that the guest is told; 0: none"),
	PROP_U16("num-queue-pairs", struct virtio_net, num_pairs, 1, VNET_PAIRS, 1,
		"pairs of receive and transmit queues"),
	PROP_U16("queue-size", struct virtio_net, queue_size, 4, VQ_SIZE_MAX, NET_QUEUE_SIZE,
		"entries of each queue, a power of two"),
	PROP_END};

static const struct prop_table vnet_prop_table = {
	.name = "virtio-net-pci",
	.doc = "virtio network device",
	.size = sizeof(struct virtio_net),
	.props = vnet_props,
};

static const struct dev_part vnet_parts[] = {
	VIRTIO_PCI_STATE(struct virtio_net, vp),
	{&vnet_state, offsetof(struct virtio_net, hw)},
	{NULL, 0},
};

const struct dev_ops virtio_net_pci_ops = {
	.name = "virtio-net-pci",
	.doc = "Virtio network device (virtio 1.2, section 5.1)",
	.size = sizeof(struct virtio_net),
	.props = &vnet_prop_table,
	.realize = vnet_realize,
	.reset = virtio_pci_reset,
	.quiesce = virtio_pci_quiesce,
	.resume = virtio_pci_resume,
	.unrealize = vnet_unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = vnet_post_load,
	.state = vnet_parts,
};
