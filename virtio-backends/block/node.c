/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/block/node.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

/* The shape of all graphs: lists of edges and of their queues. Recursive, for queues open and close queues below. */
static pthread_mutex_t shape = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

/* ---- life ------------------------------------------------------------------------------------ */

void node_init(struct node *n, const struct node_ops *ops, const char *name)
{
	*n = (struct node){.ops = ops, .name = g_strdup(name), .refs = 1};
}

void node_done(struct node *n)
{
	g_free(n->name);
	n->name = NULL;
}

struct node *node_ref(struct node *n)
{
	__atomic_add_fetch(&n->refs, 1, __ATOMIC_RELAXED);
	return n;
}

void node_unref(struct node *n)
{
	if (n && !__atomic_sub_fetch(&n->refs, 1, __ATOMIC_ACQ_REL))
		n->ops->free(n);
}

struct node *node_find(struct node *n, const char *name)
{
	if (!strcmp(n->name, name))
		return n;
	for (struct node_edge *e = n->edges; e; e = e->next_edge) {
		struct node *found = node_find(e->to, name);

		if (found)
			return found;
	}
	return NULL;
}

/* ---- edges ----------------------------------------------------------------------------------- */

static void add_above(struct node_edge *e, struct node *to)
{
	e->to = to;
	e->next_above = to->above;
	to->above = e;
}

static void remove_above(struct node_edge *e)
{
	struct node_edge **p = &e->to->above;

	while (*p != e)
		p = &(*p)->next_above;
	*p = e->next_above;
}

void node_edge_init(struct node_edge *e, struct node *from, struct blk *disk, struct node *to)
{
	pthread_mutex_lock(&shape);
	*e = (struct node_edge){.from = from, .disk = disk};
	add_above(e, to);
	if (from) {
		e->next_edge = from->edges;
		from->edges = e;
	}
	pthread_mutex_unlock(&shape);
}

void node_edge_done(struct node_edge *e)
{
	struct node *to = e->to;

	if (!to)
		return;
	g_assert(!e->queues);
	pthread_mutex_lock(&shape);
	remove_above(e);
	if (e->from) {
		struct node_edge **p = &e->from->edges;

		while (*p != e)
			p = &(*p)->next_edge;
		*p = e->next_edge;
	}
	e->to = NULL;
	pthread_mutex_unlock(&shape);
	node_unref(to);
}

void node_edge_info(struct node_edge *e, struct blk_info *ret)
{
	pthread_mutex_lock(&shape);
	e->to->ops->get_info(e->to, ret);
	pthread_mutex_unlock(&shape);
}

int edge_queue_open(struct node_edge *e, struct loop *loop, struct edge_queue *ret)
{
	int err;

	pthread_mutex_lock(&shape);
	*ret = (struct edge_queue){.edge = e};
	err = e->to->ops->queue_open(e->to, loop, &ret->to);
	if (err >= 0) {
		ret->next = e->queues;
		e->queues = ret;
	}
	pthread_mutex_unlock(&shape);
	return err;
}

void edge_queue_close(struct edge_queue *q)
{
	struct edge_queue **p;

	if (!q->to)
		return;
	pthread_mutex_lock(&shape);
	p = &q->edge->queues;
	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
	q->to->node->ops->queue_close(q->to);
	q->to = NULL;
	pthread_mutex_unlock(&shape);
}

/* ---- replace --------------------------------------------------------------------------------- */

struct replace {
	struct node *old, *new;
	void (*fn)(void *opaque, int result);
	void *opaque;
	GPtrArray *disks; /* that are drained */
	unsigned waiting; /* for so many of them */
};

/* A queue that is used no more, on its way to its thread. */
struct closing {
	struct loop_call call;
	struct node_queue *queue;
	struct node *node; /* a reference */
};

static void closing_fn(struct loop_call *c)
{
	struct closing *cl = container_of(c, struct closing, call);

	pthread_mutex_lock(&shape);
	cl->node->ops->queue_close(cl->queue);
	pthread_mutex_unlock(&shape);
	node_unref(cl->node);
	g_free(cl);
}

static void close_on_its_thread(struct node_queue *q)
{
	struct closing *cl = g_new0(struct closing, 1);

	cl->call.fn = closing_fn;
	cl->queue = q;
	cl->node = node_ref(q->node);
	loop_post(q->loop, &cl->call);
}

static bool reaches(const struct node *n, const struct node *to)
{
	if (n == to)
		return true;
	for (const struct node_edge *e = n->edges; e; e = e->next_edge) {
		if (reaches(e->to, to))
			return true;
	}
	return false;
}

static bool stays(const struct replace *r, const struct node_edge *e)
{
	return e->from && reaches(r->new, e->from);
}

/* All or none get a queue of the new node. */
static int open_replacements(struct replace *r)
{
	int err = 0;

	for (struct node_edge *e = r->old->above; e; e = e->next_above) {
		for (struct edge_queue *q = e->queues; q && !stays(r, e); q = q->next) {
			q->replacement = NULL;
			if (err >= 0)
				err = r->new->ops->queue_open(r->new, q->to->loop, &q->replacement);
			if (err < 0)
				q->replacement = NULL;
		}
	}
	for (struct node_edge *e = r->old->above; e && err < 0; e = e->next_above) {
		for (struct edge_queue *q = e->queues; q && !stays(r, e); q = q->next) {
			if (q->replacement)
				close_on_its_thread(q->replacement);
		}
	}
	return err;
}

static void repoint(struct replace *r)
{
	struct node_edge *next;

	for (struct node_edge *e = r->old->above; e; e = next) {
		next = e->next_above;
		if (stays(r, e))
			continue;
		for (struct edge_queue *q = e->queues; q; q = q->next) {
			close_on_its_thread(q->to);
			q->to = q->replacement;
		}
		remove_above(e);
		add_above(e, node_ref(r->new));
		node_unref(r->old); /* not the last: ours */
	}
}

static int same_shape(struct node *a, struct node *b)
{
	struct blk_info x, y;

	a->ops->get_info(a, &x);
	b->ops->get_info(b, &y);
	return x.size == y.size && x.logical_block == y.logical_block ? 0 : -EINVAL;
}

static void replace_drained(struct replace *r)
{
	int err = 0;

	pthread_mutex_lock(&shape);
	if (r->old != r->new) {
		err = same_shape(r->old, r->new);
		if (err >= 0)
			err = open_replacements(r);
		if (err >= 0)
			repoint(r);
	}
	pthread_mutex_unlock(&shape);
	for (unsigned i = 0; i < r->disks->len; i++)
		blk_drain_end(g_ptr_array_index(r->disks, i));
	r->fn(r->opaque, err);
	node_unref(r->old);
	node_unref(r->new);
	g_ptr_array_free(r->disks, TRUE);
	g_free(r);
}

static void one_drained(void *opaque)
{
	struct replace *r = opaque;

	if (!--r->waiting)
		replace_drained(r);
}

static void find_disks(const struct node *n, GPtrArray *disks)
{
	for (const struct node_edge *e = n->above; e; e = e->next_above) {
		if (e->from)
			find_disks(e->from, disks);
		else if (!g_ptr_array_find(disks, e->disk, NULL))
			g_ptr_array_add(disks, e->disk);
	}
}

void node_replace(
	struct node *old, struct node *new, void (*fn)(void *opaque, int result), void *opaque)
{
	struct replace *r = g_new0(struct replace, 1);

	*r = (struct replace){.old = node_ref(old),
		.new = node_ref(new),
		.fn = fn,
		.opaque = opaque,
		.disks = g_ptr_array_new()};
	pthread_mutex_lock(&shape);
	find_disks(old, r->disks);
	find_disks(new, r->disks);
	pthread_mutex_unlock(&shape);
	r->waiting = r->disks->len + 1;
	for (unsigned i = 0; i < r->disks->len; i++)
		blk_drain_begin(g_ptr_array_index(r->disks, i), one_drained, r);
	one_drained(r); /* where no disk is above */
}
