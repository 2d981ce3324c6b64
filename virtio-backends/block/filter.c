/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/block/node.h"

static struct filter_queue *queue_of(struct node_queue *q)
{
	return container_of(q, struct filter_queue, base);
}

void filter_get_info(struct node *n, struct blk_info *ret)
{
	node_edge_info(&container_of(n, struct filter, node)->below, ret);
}

int filter_queue_open(struct node *n, struct loop *loop, struct node_queue **ret)
{
	struct filter_queue *q = g_new0(struct filter_queue, 1);
	int err = edge_queue_open(&container_of(n, struct filter, node)->below, loop, &q->below);

	if (err < 0) {
		g_free(q);
		return err;
	}
	q->base = (struct node_queue){.node = n, .loop = loop};
	*ret = &q->base;
	return 0;
}

void filter_queue_close(struct node_queue *q)
{
	edge_queue_close(&queue_of(q)->below);
	g_free(queue_of(q));
}

void filter_submit(struct node_queue *q, struct blk_req *r)
{
	edge_submit(&queue_of(q)->below, r);
}

void filter_commit(struct node_queue *q)
{
	edge_commit(&queue_of(q)->below);
}

static void filter_free(struct node *n)
{
	struct filter *f = container_of(n, struct filter, node);

	node_edge_done(&f->below);
	node_done(n);
	g_free(f);
}

static const struct node_ops filter_ops = {
	.name = "filter",
	.get_info = filter_get_info,
	.queue_open = filter_queue_open,
	.queue_close = filter_queue_close,
	.submit = filter_submit,
	.commit = filter_commit,
	.free = filter_free,
};

struct node *filter_new(const char *name, struct node *below)
{
	struct filter *f = g_new0(struct filter, 1);

	node_init(&f->node, &filter_ops, name);
	node_edge_init(&f->below, &f->node, NULL, below);
	return &f->node;
}
