/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/block/disk.h"

#include <errno.h>
#include <pthread.h>

struct disk;

/*
 * A message between the threads of a disk. While it is on its way it holds a reference on its disk (and, if it goes to a queue, on
 * the queue), so that a disk may be freed at any time.
 */
struct message {
	struct loop_call call;
	int pending; /* atomic */
};

struct drain_waiter {
	struct drain_waiter *next;
	void (*fn)(void *opaque);
	void *opaque;
};

struct disk_queue {
	struct blk_queue base;
	struct disk_queue *next; /* disk->lock */
	struct edge_queue below;
	int refs; /* atomic: the front's, and one for each message under way */

	/* Of the queue's thread. */
	unsigned in_flight; /* below */
	bool hold;          /* the disk is drained */
	bool resetting;     /* the front is: nothing is parked */
	struct req_list held, parked, cancelled;
	struct blk_stats stats; /* written here, read by any thread */

	/* Between the threads, atomic. */
	unsigned idle_epoch; /* the last epoch in which it has reported that nothing is in flight */
	int unpark;          /* resubmit what is parked */
	int closed;
	struct message sync;   /* on the queue's loop: look at epoch, unpark, closed */
	struct message cancel; /* on the queue's loop: finish `cancelled` */
};

struct disk {
	struct blk blk;
	struct blk_ops ops; /* disk_ops under the root's name */
	struct node_edge root;
	struct disk_conf conf;
	int refs; /* atomic: the owner's, one for each queue and for each message under way */

	/* Of the main thread. */
	unsigned drains; /* nested drain_begin */
	struct drain_waiter *waiters;

	unsigned epoch;       /* atomic, written by the main thread: odd while drained */
	struct message check; /* on the main loop: is everything idle, is there an event to tell? */

	pthread_mutex_t lock;
	struct disk_queue *queues;
	struct blk_stats closed_stats; /* of queues that are gone */
	struct blk_error_event event;  /* to be told; error 0: none */
};

static struct disk *disk_of(struct blk *b)
{
	return container_of(b, struct disk, blk);
}

static struct disk_queue *queue_of(struct blk_queue *q)
{
	return container_of(q, struct disk_queue, base);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void disk_unref(struct disk *d)
{
	if (__atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL))
		return;
	node_edge_done(&d->root);
	pthread_mutex_destroy(&d->lock);
	g_free(d->blk.id);
	g_free(d);
}

static void queue_unref(struct disk_queue *q)
{
	if (__atomic_sub_fetch(&q->refs, 1, __ATOMIC_ACQ_REL))
		return;
	disk_unref(disk_of(q->base.blk));
	g_free(q);
}

/* True when the caller has to take the references of a message and to post it; else it is under way already. */
static bool message_arm(struct message *m)
{
	return !__atomic_exchange_n(&m->pending, 1, __ATOMIC_ACQ_REL);
}

static void message_disarm(struct message *m)
{
	__atomic_exchange_n(&m->pending, 0, __ATOMIC_ACQ_REL);
}

static void queue_send(struct disk_queue *q, struct message *m)
{
	if (!message_arm(m))
		return;
	__atomic_add_fetch(&q->refs, 1, __ATOMIC_RELAXED);
	loop_post(q->base.loop, &m->call);
}

static void disk_send(struct disk *d)
{
	if (!message_arm(&d->check))
		return;
	__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
	loop_post(d->conf.loop, &d->check.call);
}

/* ---- statistics ------------------------------------------------------------------------------ */

static void account(struct disk_queue *q, const struct blk_req *r, int result)
{
	counter_add(&q->stats.ops[r->op], 1);
	counter_add(&q->stats.ns[r->op], loop_now() - r->start_ns);
	if (result < 0)
		counter_add(&q->stats.errors[r->op], 1);
	else if (r->op != BLK_FLUSH)
		counter_add(&q->stats.bytes[r->op], r->len);
}

static void stats_add(uint64_t *sum, const uint64_t *counters)
{
	for (unsigned i = 0; i < BLK_OPS; i++)
		sum[i] += counter_get(&counters[i]);
}

static void stats_add_all(struct blk_stats *sum, const struct blk_stats *s)
{
	stats_add(sum->ops, s->ops);
	stats_add(sum->bytes, s->bytes);
	stats_add(sum->errors, s->errors);
	stats_add(sum->ns, s->ns);
}

void blk_get_stats(struct blk *b, struct blk_stats *ret)
{
	struct disk *d = disk_of(b);

	pthread_mutex_lock(&d->lock);
	*ret = d->closed_stats;
	for (struct disk_queue *q = d->queues; q; q = q->next)
		stats_add_all(ret, &q->stats);
	pthread_mutex_unlock(&d->lock);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void to_node(struct disk_queue *q, struct blk_req *r)
{
	if (unlikely(q->hold)) {
		req_list_add(&q->held, r);
		return;
	}
	r->start_ns = loop_now();
	q->in_flight++;
	edge_submit(&q->below, r);
}

/* A drained disk keeps off what is below: it may be exchanged. */
static void commit(struct disk_queue *q)
{
	if (likely(!q->hold))
		edge_commit(&q->below);
}

static void resubmit(struct disk_queue *q, struct req_list *l)
{
	struct req_list again = req_list_take_all(l);
	struct blk_req *r;

	while ((r = req_list_take(&again)))
		to_node(q, r);
	commit(q);
}

static void finish(struct blk_req *r, int result)
{
	r->result = result;
	r->done(r);
}

/* What the error policy makes of the failure of @r. */
static enum blk_error_policy verdict(const struct disk *d, const struct blk_req *r, int result)
{
	enum blk_error_policy p = r->op == BLK_READ ? d->conf.read_error : d->conf.write_error;

	if (p == BLK_ERROR_ENOSPC)
		p = result == -ENOSPC ? BLK_ERROR_STOP : BLK_ERROR_REPORT;
	return p;
}

/*
 * At most one event waits: a guest can make errors faster than the main loop tells them. One that parked a request is
 * never lost, for the VM has to stop.
 */
static void raise_event(struct disk *d, const struct blk_req *r, int result, bool parked)
{
	pthread_mutex_lock(&d->lock);
	if (!d->event.error || (parked && !d->event.parked))
		d->event = (struct blk_error_event){
			.id = d->blk.id, .op = r->op, .error = -result, .parked = parked};
	pthread_mutex_unlock(&d->lock);
	disk_send(d);
}

static void failed(struct disk_queue *q, struct blk_req *r, int result)
{
	struct disk *d = disk_of(q->base.blk);
	enum blk_error_policy policy = verdict(d, r, result);

	if (q->resetting) {
		finish(r, -ECANCELED);
		return;
	}
	raise_event(d, r, result, policy == BLK_ERROR_STOP);
	if (policy == BLK_ERROR_STOP)
		req_list_add(&q->parked, r);
	else
		finish(r, policy == BLK_ERROR_IGNORE ? 0 : result);
}

static void report_if_idle(struct disk_queue *q)
{
	struct disk *d = disk_of(q->base.blk);

	if (!q->hold || q->in_flight)
		return;
	__atomic_store_n(
		&q->idle_epoch, __atomic_load_n(&d->epoch, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
	disk_send(d);
}

void node_complete(struct blk_req *r, int result)
{
	struct disk_queue *q;

	if (!r->queue) {
		finish(r, result);
		return;
	}
	q = queue_of(r->queue);
	account(q, r, result);
	if (likely(result >= 0))
		finish(r, 0);
	else
		failed(q, r, result);
	/* Only now: who is told that nothing is in flight may rely on done() having run. */
	q->in_flight--;
	report_if_idle(q);
}

static void disk_submit(struct blk_queue *bq, struct blk_req *r)
{
	queue_of(bq)->resetting = false;
	to_node(queue_of(bq), r);
}

static void disk_commit(struct blk_queue *bq)
{
	commit(queue_of(bq));
}

static void cancel_fn(struct loop_call *c)
{
	struct disk_queue *q = container_of(c, struct disk_queue, cancel.call);
	struct req_list cancelled;
	struct blk_req *r;

	message_disarm(&q->cancel);
	cancelled = req_list_take_all(&q->cancelled);
	while ((r = req_list_take(&cancelled)))
		finish(r, -ECANCELED);
	queue_unref(q);
}

static void disk_cancel_parked(struct blk_queue *bq)
{
	struct disk_queue *q = queue_of(bq);
	struct blk_req *r;

	q->resetting = true;
	while ((r = req_list_take(&q->parked)))
		req_list_add(&q->cancelled, r);
	if (q->cancelled.first)
		queue_send(q, &q->cancel);
}

/* ---- queues ---------------------------------------------------------------------------------- */

/* The main thread wants something: drain or its end, unpark, close. */
static void sync_fn(struct loop_call *c)
{
	struct disk_queue *q = container_of(c, struct disk_queue, sync.call);
	struct disk *d = disk_of(q->base.blk);

	message_disarm(&q->sync);
	if (__atomic_load_n(&q->closed, __ATOMIC_ACQUIRE)) {
		edge_queue_close(&q->below);
		queue_unref(q);
		return;
	}
	q->hold = __atomic_load_n(&d->epoch, __ATOMIC_ACQUIRE) & 1;
	if (!q->hold && q->held.first)
		resubmit(q, &q->held);
	if (__atomic_exchange_n(&q->unpark, 0, __ATOMIC_ACQ_REL))
		resubmit(q, &q->parked);
	report_if_idle(q);
	queue_unref(q);
}

static int disk_queue_open(struct blk *b, struct loop *loop, struct blk_queue **ret)
{
	struct disk *d = disk_of(b);
	struct disk_queue *q = g_new0(struct disk_queue, 1);
	int err = edge_queue_open(&d->root, loop, &q->below);

	if (err < 0) {
		g_free(q);
		return err;
	}
	q->base = (struct blk_queue){.blk = b, .loop = loop};
	q->refs = 1;
	q->sync.call.fn = sync_fn;
	q->cancel.call.fn = cancel_fn;
	q->hold = d->epoch & 1;
	q->idle_epoch = d->epoch;
	__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&d->lock);
	q->next = d->queues;
	d->queues = q;
	pthread_mutex_unlock(&d->lock);
	*ret = &q->base;
	return 0;
}

static void disk_queue_close(struct blk_queue *bq)
{
	struct disk_queue *q = queue_of(bq);
	struct disk *d = disk_of(bq->blk);
	struct disk_queue **p = &d->queues;

	pthread_mutex_lock(&d->lock);
	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
	stats_add_all(&d->closed_stats, &q->stats);
	pthread_mutex_unlock(&d->lock);

	__atomic_store_n(&q->closed, 1, __ATOMIC_RELEASE);
	if (loop_is_current(bq->loop)) {
		edge_queue_close(&q->below);
	} else {
		queue_send(q, &q->sync);
	}
	queue_unref(q);
	disk_send(d); /* a drain may have waited for it */
}

/* ---- drain, park ----------------------------------------------------------------------------- */

/* All queues look at what the main thread has changed. */
static void poke_queues(struct disk *d)
{
	for (struct disk_queue *q = d->queues; q; q = q->next)
		queue_send(q, &q->sync);
}

static bool all_idle(const struct disk *d)
{
	for (const struct disk_queue *q = d->queues; q; q = q->next) {
		if (__atomic_load_n(&q->idle_epoch, __ATOMIC_ACQUIRE) != d->epoch)
			return false;
	}
	return true;
}

static void tell_event(struct disk *d)
{
	struct blk_error_event e;

	pthread_mutex_lock(&d->lock);
	e = d->event;
	d->event.error = 0;
	pthread_mutex_unlock(&d->lock);
	if (e.error && d->conf.error_event)
		d->conf.error_event(d->conf.opaque, &e);
}

static void tell_drained(struct disk *d)
{
	struct drain_waiter *w;

	/* A waiter may end the drain, which drops the others. */
	while (d->drains && all_idle(d) && (w = d->waiters)) {
		d->waiters = w->next;
		w->fn(w->opaque);
		g_free(w);
	}
}

static void check_fn(struct loop_call *c)
{
	struct disk *d = container_of(c, struct disk, check.call);

	message_disarm(&d->check);
	tell_event(d);
	tell_drained(d);
	disk_unref(d);
}

static void disk_drain_begin(struct blk *b, void (*fn)(void *opaque), void *opaque)
{
	struct disk *d = disk_of(b);
	struct drain_waiter *w = g_new(struct drain_waiter, 1), **p = &d->waiters;

	*w = (struct drain_waiter){.fn = fn, .opaque = opaque};
	while (*p)
		p = &(*p)->next;
	*p = w;
	if (!d->drains++) {
		__atomic_store_n(&d->epoch, d->epoch + 1, __ATOMIC_RELEASE);
		poke_queues(d);
	}
	disk_send(d);
}

static void drop_waiters(struct disk *d)
{
	struct drain_waiter *w;

	while ((w = d->waiters)) {
		d->waiters = w->next;
		g_free(w);
	}
}

static void disk_drain_end(struct blk *b)
{
	struct disk *d = disk_of(b);

	g_assert(d->drains);
	if (--d->drains)
		return;
	drop_waiters(d); /* they gave up before it was drained */
	__atomic_store_n(&d->epoch, d->epoch + 1, __ATOMIC_RELEASE);
	poke_queues(d);
}

static void disk_unpark(struct blk *b)
{
	struct disk *d = disk_of(b);

	for (struct disk_queue *q = d->queues; q; q = q->next) {
		__atomic_store_n(&q->unpark, 1, __ATOMIC_RELEASE);
		queue_send(q, &q->sync);
	}
}

/* ---- the disk -------------------------------------------------------------------------------- */

static void disk_get_info(struct blk *b, struct blk_info *ret)
{
	struct disk *d = disk_of(b);

	node_edge_info(&d->root, ret);
}

static void disk_free(struct blk *b)
{
	struct disk *d = disk_of(b);

	g_assert(!d->queues);
	d->conf.error_event = NULL;
	d->drains = 0;
	drop_waiters(d);
	disk_unref(d);
}

static const struct blk_ops disk_ops = {
	.get_info = disk_get_info,
	.queue_open = disk_queue_open,
	.queue_close = disk_queue_close,
	.submit = disk_submit,
	.commit = disk_commit,
	.drain_begin = disk_drain_begin,
	.drain_end = disk_drain_end,
	.cancel_parked = disk_cancel_parked,
	.unpark = disk_unpark,
	.free = disk_free,
};

struct blk *disk_new(const struct disk_conf *conf, struct node *root)
{
	struct disk *d = g_new0(struct disk, 1);

	d->ops = disk_ops;
	d->ops.name = root->ops->name;
	d->blk = (struct blk){.ops = &d->ops, .id = g_strdup(conf->id)};
	node_edge_init(&d->root, NULL, &d->blk, root);
	d->conf = *conf;
	d->conf.id = d->blk.id;
	d->refs = 1;
	d->check.call.fn = check_fn;
	pthread_mutex_init(&d->lock, NULL);
	return &d->blk;
}

struct node *disk_root(struct blk *b)
{
	return disk_of(b)->root.to;
}
