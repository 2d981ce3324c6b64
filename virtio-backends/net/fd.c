/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tap device or a datagram socket: one frame a system call, straight between guest memory and the kernel. That the other end is
 * gone a seqpacket socket says by itself, a datagram socket when something is sent.
 *
 *	front's header	0	10 or 12
 *	tap		10 zeroes are put before	as it is: the kernel does what it asks for
 *	socket		nothing to do			taken off, put before as zeroes; may ask for nothing
 *
 * The descriptor is in epoll only while frames or room are waited for: one whose other end is gone is ready for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "virtio-backends/net/backend.h"

#define TAP_HEADER 10 /* struct virtio_net_hdr: the least that a tap device takes */
#define FRAME_SEGS 64 /* pieces of a frame; of more the frame is copied together */
#define FRAME_MIN  14 /* an Ethernet header */

struct fd_net {
	struct backend backend;
	int fd;
	bool tap, seqpacket;
	unsigned offloads; /* tap: NET_OFFLOAD_ it can do */
};

struct fd_queue {
	struct net_queue base;
	struct loop_fd io;
	struct loop_call close;
	unsigned header; /* of the front, bytes */
	bool rx_on;      /* the front wants frames */
	bool tx_waits;   /* the front waits for room */
	int closed;      /* atomic */
	uint8_t *copy;   /* of a frame in many pieces; NULL until needed */
};

static struct fd_net *net_of(struct net *n)
{
	return container_of(n, struct fd_net, backend.net);
}

static struct fd_queue *queue_of(struct net_queue *q)
{
	return container_of(q, struct fd_queue, base);
}

/* ---- readiness ------------------------------------------------------------------------------- */

static void watch(struct fd_queue *q)
{
	struct loop *l = q->base.loop;
	struct backend *b = &net_of(q->base.net)->backend;
	uint32_t events = (q->rx_on ? EPOLLIN : 0) | (q->tx_waits ? EPOLLOUT : 0);
	int err = 0;

	if (!events || __atomic_load_n(&b->gone, __ATOMIC_ACQUIRE))
		loop_fd_del(l, &q->io);
	else if (q->io.added)
		err = loop_fd_mod(l, &q->io, events);
	else
		err = loop_fd_add(l, &q->io, events);
	if (err < 0)
		backend_set_gone(
			b); /* no memory for it: as if the cable were pulled, rather than silence */
}

static void gone(struct fd_queue *q)
{
	backend_set_gone(&net_of(q->base.net)->backend);
	loop_fd_del(q->base.loop, &q->io);
}

static void io_ready(struct loop_fd *f, uint32_t events)
{
	struct fd_queue *q = container_of(f, struct fd_queue, io);

	if (__atomic_load_n(&q->closed, __ATOMIC_ACQUIRE))
		return;
	if (!(events & (EPOLLIN | EPOLLOUT))) {
		gone(q);
		return;
	}
	if ((events & EPOLLOUT) && q->tx_waits) {
		q->tx_waits = false;
		watch(q);
		q->base.front->tx_ready(q->base.opaque);
	}
	if ((events & EPOLLIN) && q->rx_on)
		q->base.front->rx_ready(q->base.opaque);
}

static void fd_rx_enable(struct net_queue *nq, bool on)
{
	struct fd_queue *q = queue_of(nq);

	q->rx_on = on;
	watch(q);
}

/* ---- frames ---------------------------------------------------------------------------------- */

struct frame {
	struct iovec iov[FRAME_SEGS + 2]; /* with one before and one behind */
	unsigned n;
	uint8_t zeroes[TAP_HEADER];
	uint8_t excess; /* a byte too many: the frame did not fit */
};

static uint8_t *copy_buffer(struct fd_queue *q)
{
	if (!q->copy)
		q->copy = g_malloc(NET_FRAME_MAX + sizeof(struct virtio_net_hdr_mrg_rxbuf));
	return q->copy;
}

static void frame_add(struct frame *f, void *base, size_t n)
{
	f->iov[f->n++] = (struct iovec){.iov_base = base, .iov_len = n};
}

/* The bytes of @v as the other end sees them, or of a copy of them if they are in too many pieces. */
static void frame_init(struct frame *f, struct fd_queue *q, const struct giov *v)
{
	bool tap = net_of(q->base.net)->tap;
	size_t skip = tap ? 0 : q->header;
	const struct iovec *segs = giov_iovec(v);

	f->n = 0;
	if (tap && !q->header) {
		memset(f->zeroes, 0, sizeof(f->zeroes));
		frame_add(f, f->zeroes, sizeof(f->zeroes));
	}
	if (v->n > FRAME_SEGS) {
		frame_add(f, copy_buffer(q) + skip, v->size - skip);
		return;
	}
	for (unsigned i = 0; i < v->n; i++) {
		size_t part = MIN(skip, segs[i].iov_len);

		skip -= part;
		if (segs[i].iov_len > part)
			frame_add(f, (char *)segs[i].iov_base + part, segs[i].iov_len - part);
	}
}

/* ---- sending --------------------------------------------------------------------------------- */

/* No frame, or one that asks of a socket what only a tap device can do. Its header is read once. */
static int check_frame(const struct fd_queue *q, const struct giov *v)
{
	struct virtio_net_hdr h = {};

	if (v->size < q->header + FRAME_MIN)
		return -EINVAL;
	if (v->size - q->header > NET_FRAME_MAX)
		return -EMSGSIZE;
	if (net_of(q->base.net)->tap)
		return 0;
	giov_read(v, 0, &h, MIN(sizeof(h), q->header));
	return (h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || h.gso_type != VIRTIO_NET_HDR_GSO_NONE
		       ? -EINVAL
		       : 0;
}

static int transmit(const struct fd_net *n, const struct frame *f)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)f->iov, .msg_iovlen = f->n};
	ssize_t sent;

	do
		sent = n->tap ? writev(n->fd, f->iov, f->n)
			      : sendmsg(n->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

static bool means_gone(int err)
{
	switch (err) {
	case -EPIPE:
	case -ECONNRESET:
	case -ECONNREFUSED:
	case -ENOTCONN:
	case -EBADFD:
	case -ENODEV: return true;
	default: return false;
	}
}

static ssize_t fd_send(struct net_queue *nq, const struct giov *v)
{
	struct fd_queue *q = queue_of(nq);
	struct fd_net *n = net_of(nq->net);
	struct frame f;
	int err = check_frame(q, v);

	if (!err && __atomic_load_n(&n->backend.gone, __ATOMIC_ACQUIRE))
		err = -ENETDOWN;
	if (!err) {
		if (v->n > FRAME_SEGS)
			giov_read(v, 0, copy_buffer(q), v->size);
		frame_init(&f, q, v);
		err = transmit(n, &f);
	}
	if (err == -EAGAIN) {
		q->tx_waits = true;
		watch(q);
		return err;
	}
	if (err < 0) {
		counter_add(&n->backend.stats.tx_drops, 1);
		if (means_gone(err))
			gone(q);
		return err;
	}
	counter_add(&n->backend.stats.tx_frames, 1);
	counter_add(&n->backend.stats.tx_bytes, v->size - q->header);
	return v->size;
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* Bytes received, of which more than there was room for are one too many; or -errno. */
static ssize_t receive(const struct fd_net *n, struct frame *f)
{
	struct msghdr msg = {.msg_iov = f->iov, .msg_iovlen = f->n};
	ssize_t got;

	do
		got = n->tap ? readv(n->fd, f->iov, f->n) : recvmsg(n->fd, &msg, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* What the front finds before a frame: a socket's says nothing; num_buffers is written by neither kind. */
static void write_header(const struct fd_queue *q, const struct giov *v)
{
	struct virtio_net_hdr_mrg_rxbuf h = {.num_buffers = 1};

	if (!net_of(q->base.net)->tap)
		giov_write(v, 0, &h, q->header);
	else if (q->header == sizeof(h))
		giov_write(v, sizeof(h.hdr), &h.num_buffers, sizeof(h.num_buffers));
}

/* Bytes that the wire has and the front has not: 10 (tap without header) … -12 (socket). */
static int wire_excess(const struct fd_queue *q)
{
	if (net_of(q->base.net)->tap)
		return q->header ? 0 : TAP_HEADER;
	return -(int)q->header;
}

static ssize_t fd_recv(struct net_queue *nq, const struct giov *v)
{
	struct fd_queue *q = queue_of(nq);
	struct fd_net *n = net_of(nq->net);
	struct giov room = *v;
	struct frame f;
	ssize_t got;

	if (__atomic_load_n(&n->backend.gone, __ATOMIC_ACQUIRE))
		return -EAGAIN;
	if (v->size < q->header)
		return -EINVAL;
	/* A copy takes the largest frame; what guests offer beyond that is not needed. */
	if (v->n > FRAME_SEGS)
		room.size = MIN(v->size, NET_FRAME_MAX + q->header);
	frame_init(&f, q, &room);
	frame_add(&f, &f.excess, 1);
	got = receive(n, &f);
	if (got == -EAGAIN || got == -ENOBUFS || got == -ENOMEM)
		return -EAGAIN;
	/* A closed seqpacket socket gives messages of no bytes for ever. */
	if (got < 0 || (!got && n->seqpacket)) {
		gone(q);
		return -EAGAIN;
	}
	got -= wire_excess(q);
	if (got > (ssize_t)room.size) {
		counter_add(&n->backend.stats.rx_drops, 1);
		return -EMSGSIZE;
	}
	if (v->n > FRAME_SEGS)
		giov_write(v, 0, copy_buffer(q), got);
	write_header(q, v);
	counter_add(&n->backend.stats.rx_frames, 1);
	counter_add(&n->backend.stats.rx_bytes, got - q->header);
	return got;
}

/* ---- queues ---------------------------------------------------------------------------------- */

static int fd_set_header(struct net_queue *nq, unsigned len)
{
	struct fd_net *n = net_of(nq->net);
	int wire = len ? len : TAP_HEADER;

	if (n->tap && ioctl(n->fd, TUNSETVNETHDRSZ, &wire) < 0)
		return -errno;
	queue_of(nq)->header = len;
	return 0;
}

static int fd_set_offloads(struct net_queue *nq, unsigned offloads)
{
	struct fd_net *n = net_of(nq->net);

	if (!n->tap)
		return 0;
	return ioctl(n->fd, TUNSETOFFLOAD, (unsigned long)offloads) < 0 ? -errno : 0;
}

static void release(struct fd_queue *q)
{
	loop_fd_del(q->base.loop, &q->io);
	backend_unref(&net_of(q->base.net)->backend);
	g_free(q->copy);
	g_free(q);
}

static void close_fn(struct loop_call *c)
{
	release(container_of(c, struct fd_queue, close));
}

static void fd_queue_close(struct net_queue *nq)
{
	struct fd_queue *q = queue_of(nq);

	__atomic_store_n(&q->closed, 1, __ATOMIC_RELEASE);
	if (loop_is_current(nq->loop))
		release(q);
	else
		loop_post(nq->loop, &q->close);
}

static int fd_queue_open(struct net *net, unsigned index, struct loop *loop,
	const struct net_front_ops *front, void *opaque, struct net_queue **ret)
{
	struct fd_net *n = net_of(net);
	struct fd_queue *q = g_new0(struct fd_queue, 1);
	int err;

	q->base = (struct net_queue){.net = net, .loop = loop, .front = front, .opaque = opaque};
	q->io = (struct loop_fd){.fd = n->fd, .ready = io_ready};
	q->close.fn = close_fn;
	err = fd_set_header(&q->base, 0);
	if (!err)
		err = fd_set_offloads(&q->base, 0);
	if (err < 0) {
		g_free(q);
		return err;
	}
	backend_ref(&n->backend);
	*ret = &q->base;
	return 0;
}

/* ---- the back-end ---------------------------------------------------------------------------- */

static unsigned fd_offloads(struct net *n)
{
	return net_of(n)->offloads;
}

static const struct net_ops fd_ops = {
	.name = "fd",
	.offloads = fd_offloads,
	.queue_open = fd_queue_open,
	.queue_close = fd_queue_close,
	.set_header = fd_set_header,
	.set_offloads = fd_set_offloads,
	.send = fd_send,
	.recv = fd_recv,
	.rx_enable = fd_rx_enable,
	.free = backend_free,
};

static void fd_destroy(struct backend *b)
{
	struct fd_net *n = container_of(b, struct fd_net, backend);

	fd_close(&n->fd);
	g_free(n);
}

/* UFO came and went with kernel versions; the rest every tap device has. */
static unsigned tap_offloads(int fd)
{
	static const unsigned common = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	unsigned can = 0;

	if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)(common | TUN_F_UFO)) == 0)
		can = common | TUN_F_UFO;
	else if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)common) == 0)
		can = common;
	(void)ioctl(fd, TUNSETOFFLOAD, 0UL);
	return can;
}

/*
 * 1: a tap device that we can use; 0: no tap device; negative: one that we cannot, with @error. TUNGETIFF does not tell IFF_NO_PI: it
 * returns IFF_NOFILTER in that bit.
 */
static int probe_tap(struct fd_net *n, GError **error)
{
	static const short needed = IFF_TAP | IFF_VNET_HDR;
	struct ifreq ifr = {};

	if (ioctl(n->fd, TUNGETIFF, &ifr) < 0)
		return 0;
	if ((ifr.ifr_flags & needed) != needed) {
		err_set(error, VMMD_ERROR_INVALID,
			"network back-end %s: interface %s has not the flags IFF_TAP and "
			"IFF_VNET_HDR",
			n->backend.net.id, ifr.ifr_name);
		return -EINVAL;
	}
	n->tap = true;
	n->offloads = tap_offloads(n->fd);
	return 1;
}

static bool probe_socket(struct fd_net *n, GError **error)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(int), peer_len = sizeof(peer);
	int type;

	if (getsockopt(n->fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return err_set(error, VMMD_ERROR_INVALID,
			"network back-end %s: descriptor %d is neither a tap device nor a socket",
			n->backend.net.id, n->fd);
	if (type != SOCK_DGRAM && type != SOCK_SEQPACKET)
		return err_set(error, VMMD_ERROR_INVALID,
			"network back-end %s: the socket is neither of datagrams nor of sequenced "
			"packets",
			n->backend.net.id);
	n->seqpacket = type == SOCK_SEQPACKET;
	if (getpeername(n->fd, (struct sockaddr *)&peer, &peer_len) < 0)
		return err_set_errno(error, errno,
			"network back-end %s: the socket is not connected", n->backend.net.id);
	return true;
}

struct net *net_fd_new(const char *id, int fd, struct loop *loop, GError **error)
{
	struct fd_net *n = g_new0(struct fd_net, 1);
	int tap, err;

	backend_init(&n->backend, &fd_ops, id, loop, fd_destroy);
	n->fd = fd;
	tap = probe_tap(n, error);
	if (tap == 1 || (tap == 0 && probe_socket(n, error))) {
		err = fd_set_nonblock(fd, true);
		if (!err)
			return &n->backend.net;
		err_set_errno(error, -err, "network back-end %s", id);
	}
	backend_free(&n->backend.net);
	return NULL;
}
