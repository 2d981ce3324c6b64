/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/block/disk.h"

struct null {
	struct node node;
	struct blk_info info;
};

struct null_queue {
	struct node_queue base;
	struct req_list submitted;
	struct loop_call finish;
	bool closed; /* finish was queued still: frees */
};

static struct null_queue *queue_of(struct node_queue *q)
{
	return container_of(q, struct null_queue, base);
}

static void finish_fn(struct loop_call *c)
{
	struct null_queue *q = container_of(c, struct null_queue, finish);
	struct req_list submitted = req_list_take_all(&q->submitted);
	struct blk_req *r;

	if (q->closed) {
		g_free(q);
		return;
	}
	while ((r = req_list_take(&submitted))) {
		if (r->op == BLK_READ)
			giov_fill(&r->data, 0, 0, r->len);
		node_complete(r, 0);
	}
}

static void null_submit(struct node_queue *q, struct blk_req *r)
{
	req_list_add(&queue_of(q)->submitted, r);
}

static void null_commit(struct node_queue *q)
{
	if (queue_of(q)->submitted.first)
		loop_post(q->loop, &queue_of(q)->finish);
}

static int null_queue_open(struct node *n, struct loop *loop, struct node_queue **ret)
{
	struct null_queue *q = g_new0(struct null_queue, 1);

	q->base = (struct node_queue){.node = n, .loop = loop};
	q->finish.fn = finish_fn;
	*ret = &q->base;
	return 0;
}

static void null_queue_close(struct node_queue *eq)
{
	struct null_queue *q = queue_of(eq);

	q->closed = true;
	if (!__atomic_load_n(&q->finish.queued, __ATOMIC_ACQUIRE))
		g_free(q);
}

static void null_get_info(struct node *n, struct blk_info *ret)
{
	*ret = container_of(n, struct null, node)->info;
}

static void null_free(struct node *n)
{
	node_done(n);
	g_free(container_of(n, struct null, node));
}

static const struct node_ops null_ops = {
	.name = "null",
	.get_info = null_get_info,
	.queue_open = null_queue_open,
	.queue_close = null_queue_close,
	.submit = null_submit,
	.commit = null_commit,
	.free = null_free,
};

struct node *null_node_new(const char *name, uint64_t size, bool readonly)
{
	struct null *n = g_new0(struct null, 1);

	node_init(&n->node, &null_ops, name);
	n->info = (struct blk_info){
		.size = align_down(size, 512),
		.logical_block = 512,
		.physical_block = 512,
		.readonly = readonly,
		.can_discard = !readonly,
		.can_write_zeroes = !readonly,
	};
	return &n->node;
}

struct blk *blk_null_new(const char *id, uint64_t size, bool readonly, struct loop *loop)
{
	struct disk_conf disk = {.id = id, .loop = loop};

	return disk_new(&disk, null_node_new(id, size, readonly));
}
