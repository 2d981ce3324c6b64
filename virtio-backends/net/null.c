/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "virtio-backends/net/backend.h"

static struct backend *backend_of(struct net_queue *q)
{
	return container_of(q->net, struct backend, net);
}

static unsigned null_offloads(struct net *n)
{
	return 0;
}

static int null_queue_open(struct net *n, unsigned index, struct loop *loop,
	const struct net_front_ops *front, void *opaque, struct net_queue **ret)
{
	struct net_queue *q = g_new0(struct net_queue, 1);

	*q = (struct net_queue){.net = n, .loop = loop, .front = front, .opaque = opaque};
	*ret = q;
	return 0;
}

static void null_queue_close(struct net_queue *q)
{
	g_free(q);
}

static int null_set(struct net_queue *q, unsigned value)
{
	return 0;
}

static ssize_t null_send(struct net_queue *q, const struct giov *frame)
{
	counter_add(&backend_of(q)->stats.tx_drops, 1);
	return frame->size;
}

static ssize_t null_recv(struct net_queue *q, const struct giov *buf)
{
	return -EAGAIN;
}

static void null_rx_enable(struct net_queue *q, bool on)
{
}

static const struct net_ops null_ops = {
	.name = "null",
	.offloads = null_offloads,
	.queue_open = null_queue_open,
	.queue_close = null_queue_close,
	.set_header = null_set,
	.set_offloads = null_set,
	.send = null_send,
	.recv = null_recv,
	.rx_enable = null_rx_enable,
	.free = backend_free,
};

static void null_destroy(struct backend *b)
{
	g_free(b);
}

struct net *net_null_new(const char *id)
{
	struct backend *b = g_new0(struct backend, 1);

	backend_init(b, &null_ops, id, NULL, null_destroy);
	b->net.link_up = false; /* no cable */
	return &b->net;
}
