/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/fake-net.h"

#include <errno.h>
#include <limits.h>

#define HEADER_MAX 12

static struct fake_net_queue *to_queue(struct net_queue *q)
{
	return container_of(q, struct fake_net_queue, q);
}

static unsigned fake_offloads(struct net *n)
{
	return container_of(n, struct fake_net, net)->can_offload;
}

static void wake_rx(struct fake_net_queue *q)
{
	if (q->open && q->rx_enabled && !g_queue_is_empty(&q->waiting))
		loop_post(q->q.loop, &q->rx_call);
}

/* Things may have changed since it was posted. */
static void rx_call(struct loop_call *c)
{
	struct fake_net_queue *q = container_of(c, struct fake_net_queue, rx_call);

	if (q->open && q->rx_enabled)
		q->q.front->rx_ready(q->q.opaque);
}

static void tx_call(struct loop_call *c)
{
	struct fake_net_queue *q = container_of(c, struct fake_net_queue, tx_call);

	if (q->open)
		q->q.front->tx_ready(q->q.opaque);
}

static int fake_queue_open(struct net *n, unsigned index, struct loop *loop,
	const struct net_front_ops *front, void *opaque, struct net_queue **ret)
{
	struct fake_net_queue *q = &container_of(n, struct fake_net, net)->queues[index];

	g_assert_false(q->open);
	q->q = (struct net_queue){.net = n, .loop = loop, .front = front, .opaque = opaque};
	q->open = true;
	q->rx_enabled = false;
	q->header = q->offloads = 0;
	*ret = &q->q;
	return 0;
}

static void fake_queue_close(struct net_queue *queue)
{
	to_queue(queue)->open = false;
}

static int fake_set_header(struct net_queue *queue, unsigned len)
{
	to_queue(queue)->header = len;
	return 0;
}

static int fake_set_offloads(struct net_queue *queue, unsigned offloads)
{
	to_queue(queue)->offloads = offloads;
	return 0;
}

static ssize_t fake_send(struct net_queue *queue, const struct giov *frame)
{
	struct fake_net_queue *q = to_queue(queue);
	void *copy;

	if (frame->size < q->header || frame->size > NET_FRAME_MAX + HEADER_MAX)
		return -EMSGSIZE;
	if (!q->room) {
		q->blocked = true;
		return -EAGAIN;
	}
	q->room--;
	copy = g_malloc(frame->size);
	giov_read(frame, 0, copy, frame->size);
	g_queue_push_tail(&q->sent, g_bytes_new_take(copy, frame->size));
	return (ssize_t)frame->size;
}

static ssize_t fake_recv(struct net_queue *queue, const struct giov *buf)
{
	struct fake_net_queue *q = to_queue(queue);
	g_autoptr(GBytes) frame = g_queue_pop_head(&q->waiting);
	gsize n;
	const void *data;

	if (!frame)
		return -EAGAIN;
	data = g_bytes_get_data(frame, &n);
	if (n > buf->size) {
		q->too_small++;
		return -EMSGSIZE;
	}
	giov_write(buf, 0, data, n);
	return (ssize_t)n;
}

static void fake_rx_enable(struct net_queue *queue, bool on)
{
	to_queue(queue)->rx_enabled = on;
	wake_rx(to_queue(queue));
}

static void fake_free(struct net *n)
{
	struct fake_net *f = container_of(n, struct fake_net, net);

	for (unsigned i = 0; i < FAKE_NET_QUEUES; i++) {
		g_assert_false(f->queues[i].open);
		g_queue_clear_full(&f->queues[i].sent, (GDestroyNotify)g_bytes_unref);
		g_queue_clear_full(&f->queues[i].waiting, (GDestroyNotify)g_bytes_unref);
	}
	g_free(f->net.id);
	g_free(f);
}

static const struct net_ops fake_ops = {
	.name = "fake",
	.offloads = fake_offloads,
	.queue_open = fake_queue_open,
	.queue_close = fake_queue_close,
	.set_header = fake_set_header,
	.set_offloads = fake_set_offloads,
	.send = fake_send,
	.recv = fake_recv,
	.rx_enable = fake_rx_enable,
	.free = fake_free,
};

struct fake_net *fake_net_new(unsigned queues)
{
	struct fake_net *f = g_new0(struct fake_net, 1);

	g_assert_cmpuint(queues, <=, FAKE_NET_QUEUES);
	f->net = (struct net){
		.ops = &fake_ops, .id = g_strdup("fake"), .queues = queues, .link_up = true};
	f->can_offload = NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN |
			 NET_OFFLOAD_UFO;
	for (unsigned i = 0; i < FAKE_NET_QUEUES; i++) {
		f->queues[i].room = UINT_MAX;
		f->queues[i].rx_call.fn = rx_call;
		f->queues[i].tx_call.fn = tx_call;
	}
	return f;
}

void fake_net_free(struct fake_net *f)
{
	net_free(f ? &f->net : NULL);
}

void fake_net_inject(struct fake_net *f, unsigned queue, const void *frame, size_t n)
{
	g_queue_push_tail(&f->queues[queue].waiting, g_bytes_new(frame, n));
	wake_rx(&f->queues[queue]);
}

GBytes *fake_net_take(struct fake_net *f, unsigned queue)
{
	return g_queue_pop_head(&f->queues[queue].sent);
}

void fake_net_set_room(struct fake_net *f, unsigned queue, unsigned frames)
{
	struct fake_net_queue *q = &f->queues[queue];

	q->room = frames;
	if (!frames || !q->blocked)
		return;
	q->blocked = false;
	if (q->open)
		loop_post(q->q.loop, &q->tx_call);
}
