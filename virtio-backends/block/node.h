/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * node.h - the graph that a disk is made of.
 *
 *	struct disk ──edge──► filter ──edge──► format ──edge──► protocol (file, null)
 *	                                         └─────edge──► backing
 *
 * A node takes requests that were checked and says by node_complete() how each ended; it knows nothing of fronts, policies or
 * statistics. A protocol moves the bytes itself, a filter passes requests on as they are, a format makes requests of its own
 * from them. Nodes have a name and are reference counted; an edge holds one reference on what it leads to.
 *
 * For each queue of its own a parent has one edge_queue below each of its edges. The data path follows it with no lock and no
 * allocation. node_replace() re-points edges: it drains the disks above first, so that nobody uses what it changes. The shape of
 * graphs changes on the main thread (a last reference may go on any) and is guarded by one lock of which requests know nothing.
 */
#ifndef BLOCK_NODE_H
#define BLOCK_NODE_H

#include "base/block.h"
#include "base/loop.h"

struct node;

/* Every node's queue begins with this. */
struct node_queue {
	struct node *node;
	struct loop *loop;
};

struct node_ops {
	const char *name;                                       /* of the driver */
	void (*get_info)(struct node *n, struct blk_info *ret); /* any thread */
	int (*queue_open)(
		struct node *n, struct loop *loop, struct node_queue **ret); /* main thread */
	/* Nothing is in flight and nothing calls it any more. The queue's thread, or any if its loop does not run. */
	void (*queue_close)(struct node_queue *q);
	/* The queue's thread. Neither calls node_complete() before it returns. */
	void (*submit)(struct node_queue *q, struct blk_req *r);
	void (*commit)(struct node_queue *q);
	void (*free)(struct node *n); /* no queue is open and no edge leads to it; any thread */
};

struct node {
	const struct node_ops *ops;
	char *name;
	int refs;                /* atomic */
	struct node_edge *above; /* edges that lead here */
	struct node_edge *edges; /* edges that lead from here */
};

struct node_edge {
	struct node *from; /* NULL: from a disk */
	struct blk *disk;  /* of an edge from a disk: whom to drain */
	struct node *to;
	struct edge_queue *queues;
	struct node_edge *next_above, *next_edge;
};

/* Embedded in the parent's queue. */
struct edge_queue {
	struct node_queue *to;
	struct node_queue *replacement; /* while edges are re-pointed */
	struct node_edge *edge;
	struct edge_queue *next;
};

/* Begins a node with one reference, the caller's. @name is copied. */
void node_init(struct node *n, const struct node_ops *ops, const char *name);
/* What node_init() has made, by ops->free. */
void node_done(struct node *n);
struct node *node_ref(struct node *n);
void node_unref(struct node *n); /* NULL is fine; any thread */

/* The node called @name that @n is or that is reached from it, borrowed; or NULL. Main thread. */
struct node *node_find(struct node *n, const char *name);

/* An edge from @from (NULL: from @disk) to @to, whose reference it takes over. */
void node_edge_init(struct node_edge *e, struct node *from, struct blk *disk, struct node *to);
/* No queue is open through it. Idempotent; fine for an edge that was never begun but is all zeroes. Any thread. */
void node_edge_done(struct node_edge *e);

/* What @e leads to says of itself. Any thread. */
void node_edge_info(struct node_edge *e, struct blk_info *ret);

/* As node_ops.queue_open and queue_close, of what the edge leads to. Closing is idempotent. */
int edge_queue_open(struct node_edge *e, struct loop *loop, struct edge_queue *ret);
void edge_queue_close(struct edge_queue *q);

static inline void edge_submit(struct edge_queue *q, struct blk_req *r)
{
	q->to->node->ops->submit(q->to, r);
}

static inline void edge_commit(struct edge_queue *q)
{
	q->to->node->ops->commit(q->to);
}

/*
 * By nodes: @r has ended with 0 or a negative errno. The queue's thread, never inside submit or commit. A request that a node has
 * made of its own (blk_req.queue is NULL) goes back to it by done(); any other to its disk. In there requests may be submitted and
 * committed, no queue may be closed.
 */
void node_complete(struct blk_req *r, int result);

/*
 * Leads every edge that leads to @old to @new instead, but for those in @new's own subtree: a filter over @old is put in that
 * way, and taken out by replacing it with what is below it. Drains the disks above, re-points, ends the drains and
 * calls @fn on the main loop. @result: 0; -EINVAL if size or block size of the two differ; or the errno of a queue that could not
 * be opened, and then nothing has changed. The caller keeps its references. No disk above is freed before @fn. Main thread.
 */
void node_replace(
	struct node *old, struct node *new, void (*fn)(void *opaque, int result), void *opaque);

/* ---- filters: queues that only pass on ---- */

struct filter {
	struct node node;
	struct node_edge below;
};

struct filter_queue {
	struct node_queue base;
	struct edge_queue below;
};

/* A filter that passes everything on unchanged, over @below, whose reference it takes over. Others replace submit and commit. */
struct node *filter_new(const char *name, struct node *below);

void filter_get_info(struct node *n, struct blk_info *ret);
int filter_queue_open(struct node *n, struct loop *loop, struct node_queue **ret);
void filter_queue_close(struct node_queue *q);
void filter_submit(struct node_queue *q, struct blk_req *r);
void filter_commit(struct node_queue *q);

/* ---- a queue of requests, linked by blk_req.next: a request is on at most one ---- */

struct req_list {
	struct blk_req *first, *last;
};

static inline void req_list_add(struct req_list *l, struct blk_req *r)
{
	r->next = NULL;
	if (l->first)
		l->last->next = r;
	else
		l->first = r;
	l->last = r;
}

static inline struct blk_req *req_list_take(struct req_list *l)
{
	struct blk_req *r = l->first;

	if (r)
		l->first = r->next;
	return r;
}

/* All of @l, which is then empty. */
static inline struct req_list req_list_take_all(struct req_list *l)
{
	struct req_list all = *l;

	l->first = NULL;
	return all;
}

#endif
