/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/net/backend.h"

static void link_down_fn(struct loop_call *c)
{
	struct backend *b = container_of(c, struct backend, link_down);

	if (!b->freed)
		net_set_link(&b->net, false);
	backend_unref(b);
}

void backend_init(struct backend *b, const struct net_ops *ops, const char *id, struct loop *loop,
	void (*destroy)(struct backend *b))
{
	b->net = (struct net){.ops = ops, .id = g_strdup(id), .queues = 1, .link_up = true};
	b->loop = loop;
	b->refs = 1;
	b->link_down.fn = link_down_fn;
	b->destroy = destroy;
}

void backend_ref(struct backend *b)
{
	__atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
}

void backend_unref(struct backend *b)
{
	if (__atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL))
		return;
	g_free(b->net.id);
	b->destroy(b);
}

void backend_free(struct net *n)
{
	struct backend *b = container_of(n, struct backend, net);

	b->freed = true;
	backend_unref(b);
}

void backend_set_gone(struct backend *b)
{
	if (__atomic_exchange_n(&b->gone, 1, __ATOMIC_ACQ_REL) || !b->loop)
		return;
	backend_ref(b);
	loop_post(b->loop, &b->link_down);
}

void net_get_stats(struct net *n, struct net_stats *ret)
{
	const struct net_stats *s = &container_of(n, struct backend, net)->stats;

	*ret = (struct net_stats){
		.tx_frames = counter_get(&s->tx_frames),
		.tx_bytes = counter_get(&s->tx_bytes),
		.tx_drops = counter_get(&s->tx_drops),
		.rx_frames = counter_get(&s->rx_frames),
		.rx_bytes = counter_get(&s->rx_bytes),
		.rx_drops = counter_get(&s->rx_drops),
	};
}
