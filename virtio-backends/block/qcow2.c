/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The node, its queues, and what they do by themselves. */
#include "virtio-backends/block/qcow2.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/error.h"

static struct qcow2 *qcow2_of(const struct node *n)
{
	return container_of(n, struct qcow2, node);
}

static struct qcow2_queue *queue_of(struct node_queue *q)
{
	return container_of(q, struct qcow2_queue, base);
}

static struct qcow2_part *part_of(struct blk_req *r)
{
	return container_of(r, struct qcow2_part, r);
}

/* ---- epochs ---------------------------------------------------------------------------------- */

/* From here until part_leave() no cluster that the part finds mapped is used for something else. */
static void part_enter(struct qcow2_part *p)
{
	struct qcow2 *q2 = qcow2_of(p->queue->base.node);
	unsigned *active;

	for (;;) {
		p->epoch = __atomic_load_n(&q2->epoch, __ATOMIC_ACQUIRE);
		active = &p->queue->active[p->epoch & 1];
		__atomic_store_n(active, *active + 1, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (likely(__atomic_load_n(&q2->epoch, __ATOMIC_ACQUIRE) == p->epoch))
			break;
		__atomic_store_n(active, *active - 1, __ATOMIC_RELEASE);
	}
	p->mapped = true;
}

static void part_leave(struct qcow2_part *p)
{
	unsigned *active = &p->queue->active[p->epoch & 1];

	if (p->mapped)
		__atomic_store_n(active, *active - 1, __ATOMIC_RELEASE);
	p->mapped = false;
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void to_owner(struct qcow2_part *p)
{
	struct qcow2 *q2 = qcow2_of(p->queue->base.node);

	part_leave(p);
	pthread_mutex_lock(&q2->lock);
	req_list_add(&q2->inbox, &p->r);
	loop_post(q2->loop, &q2->wake);
	pthread_mutex_unlock(&q2->lock);
}

/* The piece of the payload from `progress` on. */
static int piece(struct qcow2_part *p, uint64_t n, struct giov *ret)
{
	const struct giov *v = &p->parent->data;
	struct iovec *segs = p->segs;

	if (n == v->size) {
		*ret = *v;
		return 0;
	}
	if (v->n > ARRAY_SIZE(p->segs)) {
		if (!p->more)
			p->more = g_try_new(struct iovec, v->n);
		segs = p->more;
	}
	return segs ? giov_slice(v, p->progress, n, segs, v->n, ret) : -ENOMEM;
}

static void part_done(struct blk_req *r);

/* True when it is on its way. */
static bool send_down(struct qcow2_part *p, struct edge_queue *q, uint64_t offset, uint64_t n)
{
	p->r = (struct blk_req){.op = p->parent->op, .offset = offset, .len = n, .done = part_done};
	p->len = n;
	p->result = n ? piece(p, n, &p->r.data) : 0;
	if (p->result < 0)
		return false;
	edge_submit(q, &p->r);
	return true;
}

/* What was never written: from below, and zeroes behind its end. True when it is on its way. */
static bool read_below(struct qcow2_part *p, uint64_t offset, uint64_t n)
{
	struct qcow2 *q2 = qcow2_of(p->queue->base.node);

	part_leave(p);
	if (q2->has_backing && offset < q2->backing_size)
		return send_down(p, &p->queue->backing, offset, MIN(n, q2->backing_size - offset));
	giov_fill(&p->parent->data, p->progress, 0, n);
	p->progress += n;
	return false;
}

/* The next piece of a read or write. True when it is on its way. */
static bool next_piece(struct qcow2_part *p)
{
	const struct blk_req *r = p->parent;
	uint64_t offset = r->offset + p->progress;
	struct extent e = {};
	bool known;

	part_enter(p);
	known = qcow2_lookup(qcow2_of(p->queue->base.node), offset, r->len - p->progress, &e);
	if (known && e.type == EXTENT_DATA && (r->op == BLK_READ || e.in_place))
		return send_down(p, &p->queue->file, e.host, e.len);
	if (known && r->op == BLK_READ && e.type == EXTENT_NONE)
		return read_below(p, offset, e.len);
	if (known && r->op == BLK_READ && e.type == EXTENT_ZERO) {
		part_leave(p);
		giov_fill(&r->data, p->progress, 0, e.len);
		p->progress += e.len;
		return false;
	}
	to_owner(p);
	return true;
}

static bool moves_bytes(const struct qcow2_part *p)
{
	return p->parent->op == BLK_READ ||
	       (p->parent->op == BLK_WRITE && !(p->parent->flags & BLK_F_FUA));
}

/* True when something is on its way, false when the request has ended. */
static bool go_on(struct qcow2_part *p)
{
	while (p->result >= 0 && p->progress < p->parent->len) {
		if (next_piece(p))
			return true;
	}
	part_leave(p);
	return false;
}

static bool begin(struct qcow2_part *p)
{
	struct qcow2 *q2 = qcow2_of(p->queue->base.node);

	if (moves_bytes(p))
		return go_on(p);
	if (p->parent->op == BLK_FLUSH && !__atomic_load_n(&q2->dirty, __ATOMIC_ACQUIRE))
		return send_down(p, &p->queue->file, 0, 0);
	to_owner(p);
	return true;
}

/* ---- queues ---------------------------------------------------------------------------------- */

static void start(struct qcow2_queue *q, struct blk_req *r)
{
	struct blk_req *idle = req_list_take(&q->idle);
	struct qcow2_part *p;

	if (!idle) {
		req_list_add(&q->waiting, r);
		return;
	}
	p = part_of(idle);
	p->parent = r;
	p->progress = 0;
	p->result = 0;
	p->retried = false;
	if (!begin(p)) {
		req_list_add(&q->ended, &p->r);
		loop_post(q->base.loop, &q->finish);
	}
}

static void commit(struct qcow2_queue *q)
{
	edge_commit(&q->file);
	if (q->backing.to)
		edge_commit(&q->backing);
}

/* The front commits what it submits in done() itself, once for as much as it likes. */
static void end(struct qcow2_part *p)
{
	struct qcow2_queue *q = p->queue;
	struct blk_req *r = p->parent, *next;

	part_leave(p);
	g_free(p->more);
	p->more = NULL;
	req_list_add(&q->idle, &p->r);
	next = req_list_take(&q->waiting);
	if (next) {
		start(q, next);
		commit(q);
	}
	node_complete(r, p->result);
}

static void part_done(struct blk_req *r)
{
	struct qcow2_part *p = part_of(r);
	struct qcow2_queue *q = p->queue;

	part_leave(p);
	p->result = r->result;
	p->progress += p->len;
	if (p->parent->op == BLK_FLUSH || !go_on(p))
		end(p);
	else
		commit(q);
}

/* Reads that the owner has prepared go on here. */
static void part_returned(struct qcow2_part *p)
{
	if (p->parent->op != BLK_READ || !go_on(p))
		end(p);
}

static void queue_free(struct qcow2_queue *q)
{
	pthread_mutex_destroy(&q->lock);
	g_free(q->parts);
	g_free(q);
}

static void finish_fn(struct loop_call *c)
{
	struct qcow2_queue *q = container_of(c, struct qcow2_queue, finish);
	struct req_list ended, returned;
	struct blk_req *r;

	if (q->closed) {
		queue_free(q);
		return;
	}
	pthread_mutex_lock(&q->lock);
	returned = req_list_take_all(&q->returned);
	pthread_mutex_unlock(&q->lock);
	ended = req_list_take_all(&q->ended);
	while ((r = req_list_take(&ended)))
		end(part_of(r));
	while ((r = req_list_take(&returned)))
		part_returned(part_of(r));
	commit(q);
}

static void submit(struct node_queue *q, struct blk_req *r)
{
	start(queue_of(q), r);
}

static void commit_op(struct node_queue *q)
{
	commit(queue_of(q));
}

static int open_below(struct qcow2 *q2, struct qcow2_queue *q, struct loop *loop)
{
	int err = edge_queue_open(&q2->file, loop, &q->file);

	if (err >= 0 && q2->has_backing) {
		err = edge_queue_open(&q2->backing, loop, &q->backing);
		if (err < 0)
			edge_queue_close(&q->file);
	}
	return err;
}

static int queue_open(struct node *n, struct loop *loop, struct node_queue **ret)
{
	struct qcow2 *q2 = qcow2_of(n);
	struct qcow2_queue *q = g_new0(struct qcow2_queue, 1);
	int err = open_below(q2, q, loop);

	if (err < 0) {
		g_free(q);
		return err;
	}
	q->base = (struct node_queue){.node = n, .loop = loop};
	q->finish.fn = finish_fn;
	pthread_mutex_init(&q->lock, NULL);
	q->parts = g_new0(struct qcow2_part, QCOW2_PARTS);
	for (unsigned i = 0; i < QCOW2_PARTS; i++) {
		q->parts[i].queue = q;
		req_list_add(&q->idle, &q->parts[i].r);
	}
	pthread_mutex_lock(&q2->lock);
	q->next = q2->queues;
	q2->queues = q;
	pthread_mutex_unlock(&q2->lock);
	*ret = &q->base;
	return 0;
}

static void queue_close(struct node_queue *nq)
{
	struct qcow2_queue *q = queue_of(nq), **p;
	struct qcow2 *q2 = qcow2_of(nq->node);

	pthread_mutex_lock(&q2->lock);
	p = &q2->queues;
	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
	pthread_mutex_unlock(&q2->lock);
	edge_queue_close(&q->file);
	edge_queue_close(&q->backing);
	q->closed = true;
	if (!__atomic_load_n(&q->finish.queued, __ATOMIC_ACQUIRE))
		queue_free(q);
}

/* ---- the owner ------------------------------------------------------------------------------- */

/* The lock is held across the post: once the part is taken, nothing of its queue is touched here any more. */
static void hand_back(struct qcow2_part *p)
{
	struct qcow2_queue *q = p->queue;

	pthread_mutex_lock(&q->lock);
	req_list_add(&q->returned, &p->r);
	loop_post(q->base.loop, &q->finish);
	pthread_mutex_unlock(&q->lock);
}

static struct req_list take_inbox(struct qcow2 *q2, bool *ret_closing)
{
	struct req_list inbox;

	pthread_mutex_lock(&q2->lock);
	inbox = req_list_take_all(&q2->inbox);
	*ret_closing = q2->closing;
	pthread_mutex_unlock(&q2->lock);
	return inbox;
}

/* Until there is nothing: what came in meanwhile has woken a wait of its own. False when the node is to be closed. */
static bool serve(struct qcow2 *q2)
{
	bool closing;
	struct req_list inbox = take_inbox(q2, &closing);
	struct blk_req *r;

	while (inbox.first) {
		while ((r = req_list_take(&inbox))) {
			qcow2_part_run(q2, part_of(r));
			hand_back(part_of(r));
		}
		inbox = take_inbox(q2, &closing);
	}
	return !closing;
}

static void tear_down(struct qcow2 *q2)
{
	edge_queue_close(&q2->file_queue);
	edge_queue_close(&q2->backing_queue);
	loop_iterate(q2->loop, 0); /* what queues below have posted to be freed */
	node_edge_done(&q2->backing);
	node_edge_done(&q2->file);
	loop_free(q2->loop);
	qcow2_cache_done(&q2->l2);
	qcow2_cache_done(&q2->refblocks);
	g_array_free(q2->l1_dirty, TRUE);
	g_array_free(q2->metadata, TRUE);
	g_array_free(q2->unlinked, TRUE);
	g_array_free(q2->grace, TRUE);
	g_array_free(q2->free_clusters, TRUE);
	g_free(q2->l1);
	g_free(q2->reftable);
	free(q2->header);
	free(q2->bounce);
	free(q2->cow);
	free(q2->compressed);
	free(q2->decompressed);
	pthread_mutex_destroy(&q2->lock);
	node_done(&q2->node);
	g_free(q2);
}

/* More than once, for a commit makes free what it has unlinked. What cannot be written is lost as by a cut; no flush has promised it. */
static void *owner_main(void *opaque)
{
	struct qcow2 *q2 = opaque;

	pthread_setname_np(pthread_self(), "qcow2");
	while (serve(q2))
		loop_iterate(q2->loop, -1);
	for (int i = 0; i < 3 && (q2->dirty || q2->grace->len); i++) {
		if (qcow2_commit(q2) < 0)
			break;
	}
	tear_down(q2);
	return NULL;
}

static void wake_fn(struct loop_call *c)
{
}

/* Any thread; the owner may be gone as soon as it has the lock. */
static void node_free(struct node *n)
{
	struct qcow2 *q2 = qcow2_of(n);

	pthread_mutex_lock(&q2->lock);
	q2->closing = true;
	loop_post(q2->loop, &q2->wake);
	pthread_mutex_unlock(&q2->lock);
}

static void get_info(struct node *n, struct blk_info *ret)
{
	*ret = qcow2_of(n)->info;
}

static const struct node_ops qcow2_ops = {
	.name = "qcow2",
	.get_info = get_info,
	.queue_open = queue_open,
	.queue_close = queue_close,
	.submit = submit,
	.commit = commit_op,
	.free = node_free,
};

/* Signals are for the main thread and for vCPUs. */
static bool start_owner(struct qcow2 *q2, GError **error)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all;
	int err;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setsigmask_np(&attr, &all);
	err = pthread_create(&thread, &attr, owner_main, q2);
	pthread_attr_destroy(&attr);
	return !err || err_set_errno(error, err, "%s: thread of the image", q2->node.name);
}

static bool open_queues(struct qcow2 *q2, GError **error)
{
	int err = edge_queue_open(&q2->file, q2->loop, &q2->file_queue);

	if (err >= 0 && q2->has_backing)
		err = edge_queue_open(&q2->backing, q2->loop, &q2->backing_queue);
	return err >= 0 ||
	       err_set_errno(error, -err, "%s: queue of the image's file", q2->node.name);
}

struct node *qcow2_node_new(const struct blk_qcow2_conf *conf, GError **error)
{
	struct qcow2 *q2 = g_new0(struct qcow2, 1);

	node_init(&q2->node, &qcow2_ops, conf->name);
	node_edge_init(&q2->file, &q2->node, NULL, conf->file);
	q2->has_backing = conf->backing;
	if (conf->backing)
		node_edge_init(&q2->backing, &q2->node, NULL, conf->backing);
	q2->wake.fn = wake_fn;
	pthread_mutex_init(&q2->lock, NULL);
	q2->l1_dirty = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	q2->metadata = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	q2->unlinked = g_array_new(FALSE, FALSE, sizeof(struct range));
	q2->grace = g_array_new(FALSE, FALSE, sizeof(struct range));
	q2->free_clusters = g_array_new(FALSE, FALSE, sizeof(struct range));
	q2->loop = loop_new("qcow2", NULL);
	if (!q2->loop) {
		err_set(error, VMMD_ERROR_HOST, "%s: no event loop for the image", conf->name);
		tear_down(q2);
		return NULL;
	}
	if (!open_queues(q2, error) || !qcow2_open(q2, conf, error) || !start_owner(q2, error)) {
		tear_down(q2);
		return NULL;
	}
	return &q2->node;
}
