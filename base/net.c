/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/net.h"

#include <errno.h>

unsigned net_offloads(struct net *n)
{
	return n->ops->offloads(n);
}

int net_queue_open(struct net *n, unsigned index, struct loop *loop,
	const struct net_front_ops *front, void *opaque, struct net_queue **ret)
{
	if (index >= n->queues)
		return -EINVAL;
	return n->ops->queue_open(n, index, loop, front, opaque, ret);
}

void net_queue_close(struct net_queue *q)
{
	if (q)
		q->net->ops->queue_close(q);
}

int net_set_header(struct net_queue *q, unsigned len)
{
	if (len != 0 && len != 10 && len != 12)
		return -EINVAL;
	return q->net->ops->set_header(q, len);
}

int net_set_offloads(struct net_queue *q, unsigned offloads)
{
	if (offloads & ~net_offloads(q->net))
		return -EOPNOTSUPP;
	return q->net->ops->set_offloads(q, offloads);
}

ssize_t net_send(struct net_queue *q, const struct giov *frame)
{
	return q->net->ops->send(q, frame);
}

ssize_t net_recv(struct net_queue *q, const struct giov *buf)
{
	return q->net->ops->recv(q, buf);
}

void net_rx_enable(struct net_queue *q, bool on)
{
	q->net->ops->rx_enable(q, on);
}

void net_listen(struct net *n, struct net_listener *l)
{
	l->next = n->listeners;
	n->listeners = l;
}

void net_unlisten(struct net *n, struct net_listener *l)
{
	struct net_listener **p = &n->listeners;

	while (*p && *p != l)
		p = &(*p)->next;
	if (*p)
		*p = l->next;
}

void net_set_link(struct net *n, bool up)
{
	struct net_listener *next;

	if (n->link_up == up)
		return;
	n->link_up = up;
	for (struct net_listener *l = n->listeners; l; l = next) {
		next = l->next;
		l->link_changed(l, up);
	}
}

void net_free(struct net *n)
{
	if (n)
		n->ops->free(n);
}
