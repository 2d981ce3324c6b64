/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/fake-blk.h"

#include <errno.h>
#include <string.h>

struct fake_blk_queue {
	struct blk_queue q;
	struct fake_blk_queue *next;
	struct blk_req *ready;   /* outcome is known, waits for the loop */
	struct blk_req *backlog; /* came during a drain */
	bool resetting;          /* the front is: nothing is parked */
	struct loop_call call, restart, close;
	struct loop_timer timer;
};

struct fake_blk_drain {
	struct loop_call call;
	struct fake_blk_drain *next;
	void (*fn)(void *opaque);
	void *opaque;
};

static struct fake_blk *to_fake(struct blk *b)
{
	return container_of(b, struct fake_blk, blk);
}

static struct fake_blk_queue *to_queue(struct blk_queue *q)
{
	return container_of(q, struct fake_blk_queue, q);
}

static void append(struct blk_req **list, struct blk_req *r)
{
	while (*list)
		list = &(*list)->next;
	r->next = NULL;
	*list = r;
}

static struct blk_req *take_first(struct blk_req **list)
{
	struct blk_req *r = *list;

	if (r)
		*list = r->next;
	return r;
}

static unsigned count(const struct blk_req *r)
{
	unsigned n = 0;

	for (; r; r = r->next)
		n++;
	return n;
}

/* ---- the disk -------------------------------------------------------------------------------- */

static int perform(struct fake_blk *f, struct blk_req *r)
{
	switch (r->op) {
	case BLK_READ: giov_write(&r->data, 0, f->data + r->offset, r->len); return 0;
	case BLK_WRITE: giov_read(&r->data, 0, f->data + r->offset, r->len); return 0;
	case BLK_DISCARD:
	case BLK_WRITE_ZEROES: memset(f->data + r->offset, 0, r->len); return 0;
	case BLK_FLUSH: return 0;
	default: return -EOPNOTSUPP;
	}
}

/* Decides the outcome of @r; true when it is parked. */
static bool judge_locked(struct fake_blk *f, struct blk_req *r)
{
	struct fake_blk_fault *fault = &f->faults[r->op];

	if (!fault->count) {
		r->result = blk_check(&f->info, r);
		if (!r->result)
			r->result = perform(f, r);
		return false;
	}
	fault->count--;
	r->result = fault->error;
	return fault->park && !to_queue(r->queue)->resetting;
}

static void drained(struct loop_call *c)
{
	struct fake_blk_drain *d = container_of(c, struct fake_blk_drain, call);

	d->fn(d->opaque);
	g_free(d);
}

static void leave_flight_locked(struct fake_blk *f)
{
	struct fake_blk_drain *d;

	if (--f->in_flight)
		return;
	while ((d = f->waiting)) {
		f->waiting = d->next;
		loop_post(f->loop, &d->call);
	}
}

/* The outcome is decided here, the front hears of it from its loop. True when the queue must be told. */
static bool finish_locked(struct fake_blk *f, struct blk_req *r)
{
	if (judge_locked(f, r)) {
		append(&f->parked, r);
		leave_flight_locked(f);
		return false;
	}
	append(&to_queue(r->queue)->ready, r);
	return true;
}

static void deliver(struct fake_blk_queue *q)
{
	struct fake_blk *f = to_fake(q->q.blk);
	struct blk_req *r;

	for (;;) {
		pthread_mutex_lock(&f->lock);
		r = take_first(&q->ready);
		pthread_mutex_unlock(&f->lock);
		if (!r)
			break;
		r->done(r);
		pthread_mutex_lock(&f->lock);
		leave_flight_locked(f);
		pthread_mutex_unlock(&f->lock);
	}
}

static void deliver_call(struct loop_call *c)
{
	deliver(container_of(c, struct fake_blk_queue, call));
}

static void deliver_timer(struct loop_timer *t)
{
	deliver(container_of(t, struct fake_blk_queue, timer));
}

/* ---- ops ------------------------------------------------------------------------------------- */

static void fake_get_info(struct blk *b, struct blk_info *ret)
{
	struct fake_blk *f = to_fake(b);

	pthread_mutex_lock(&f->lock);
	*ret = f->info;
	pthread_mutex_unlock(&f->lock);
}

static void accept_locked(struct fake_blk *f, struct blk_req *r)
{
	if (f->drains) {
		append(&to_queue(r->queue)->backlog, r);
		return;
	}
	f->in_flight++;
	if (f->hold)
		append(&f->held, r);
	else
		(void)finish_locked(f, r); /* the commit tells the queue */
}

static void fake_submit(struct blk_queue *queue, struct blk_req *r)
{
	struct fake_blk *f = to_fake(queue->blk);

	g_assert_true(loop_is_current(queue->loop));
	pthread_mutex_lock(&f->lock);
	f->submitted[r->op]++;
	to_queue(queue)->resetting = false;
	accept_locked(f, r);
	pthread_mutex_unlock(&f->lock);
}

static void fake_commit(struct blk_queue *queue)
{
	struct fake_blk *f = to_fake(queue->blk);
	struct fake_blk_queue *q = to_queue(queue);
	int64_t delay;

	pthread_mutex_lock(&f->lock);
	f->commits++;
	delay = f->delay_ns;
	pthread_mutex_unlock(&f->lock);
	if (delay)
		loop_timer_set(queue->loop, &q->timer, loop_now() + delay);
	else
		loop_post(queue->loop, &q->call);
}

/* After a drain: what was held back goes its way. */
static void restart_call(struct loop_call *c)
{
	struct fake_blk_queue *q = container_of(c, struct fake_blk_queue, restart);
	struct fake_blk *f = to_fake(q->q.blk);
	struct blk_req *backlog, *r;

	pthread_mutex_lock(&f->lock);
	backlog = q->backlog;
	q->backlog = NULL;
	while ((r = take_first(&backlog)))
		accept_locked(f, r);
	pthread_mutex_unlock(&f->lock);
	fake_commit(&q->q);
}

static int fake_queue_open(struct blk *b, struct loop *loop, struct blk_queue **ret)
{
	struct fake_blk *f = to_fake(b);
	struct fake_blk_queue *q = g_new0(struct fake_blk_queue, 1);

	q->q = (struct blk_queue){.blk = b, .loop = loop};
	q->call.fn = deliver_call;
	q->restart.fn = restart_call;
	q->timer.fn = deliver_timer;
	pthread_mutex_lock(&f->lock);
	q->next = f->queues;
	f->queues = q;
	pthread_mutex_unlock(&f->lock);
	*ret = &q->q;
	return 0;
}

/* On the queue's loop, where messages to it may still be waiting. */
static void close_call(struct loop_call *c)
{
	struct fake_blk_queue *q = container_of(c, struct fake_blk_queue, close);

	loop_call_cancel(q->q.loop, &q->call);
	loop_call_cancel(q->q.loop, &q->restart);
	loop_timer_cancel(q->q.loop, &q->timer);
	g_free(q);
}

static void fake_queue_close(struct blk_queue *queue)
{
	struct fake_blk *f = to_fake(queue->blk);
	struct fake_blk_queue *q = to_queue(queue), **p = &f->queues;

	pthread_mutex_lock(&f->lock);
	g_assert_null(q->ready);
	g_assert_null(q->backlog);
	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
	pthread_mutex_unlock(&f->lock);
	q->close.fn = close_call;
	if (loop_is_current(queue->loop))
		close_call(&q->close);
	else
		loop_post(queue->loop, &q->close);
}

static void fake_drain_begin(struct blk *b, void (*fn)(void *opaque), void *opaque)
{
	struct fake_blk *f = to_fake(b);
	struct fake_blk_drain *d = g_new0(struct fake_blk_drain, 1);

	*d = (struct fake_blk_drain){.call = {.fn = drained}, .fn = fn, .opaque = opaque};
	pthread_mutex_lock(&f->lock);
	f->drains++;
	if (f->in_flight) {
		d->next = f->waiting;
		f->waiting = d;
	} else {
		loop_post(f->loop, &d->call);
	}
	pthread_mutex_unlock(&f->lock);
}

static void fake_drain_end(struct blk *b)
{
	struct fake_blk *f = to_fake(b);

	pthread_mutex_lock(&f->lock);
	g_assert_cmpuint(f->drains, >, 0);
	f->drains--;
	for (struct fake_blk_queue *q = f->drains ? NULL : f->queues; q; q = q->next)
		loop_post(q->q.loop, &q->restart);
	pthread_mutex_unlock(&f->lock);
}

static void fake_cancel_parked(struct blk_queue *queue)
{
	struct fake_blk *f = to_fake(queue->blk);
	struct blk_req **p = &f->parked, *r;

	pthread_mutex_lock(&f->lock);
	to_queue(queue)->resetting = true;
	while ((r = *p)) {
		if (r->queue != queue) {
			p = &r->next;
			continue;
		}
		*p = r->next;
		r->result = -ECANCELED;
		f->in_flight++;
		append(&to_queue(queue)->ready, r);
	}
	pthread_mutex_unlock(&f->lock);
	loop_post(queue->loop, &to_queue(queue)->call);
}

static void fake_unpark(struct blk *b)
{
	struct fake_blk *f = to_fake(b);
	struct blk_req *r;

	pthread_mutex_lock(&f->lock);
	while ((r = take_first(&f->parked))) {
		append(&to_queue(r->queue)->backlog, r);
		loop_post(r->queue->loop, &to_queue(r->queue)->restart);
	}
	pthread_mutex_unlock(&f->lock);
}

static void fake_free(struct blk *b)
{
	struct fake_blk *f = to_fake(b);

	g_assert_null(f->queues);
	pthread_mutex_destroy(&f->lock);
	g_free(f->blk.id);
	g_free(f->data);
	g_free(f);
}

static const struct blk_ops fake_ops = {
	.name = "fake",
	.get_info = fake_get_info,
	.queue_open = fake_queue_open,
	.queue_close = fake_queue_close,
	.submit = fake_submit,
	.commit = fake_commit,
	.drain_begin = fake_drain_begin,
	.drain_end = fake_drain_end,
	.cancel_parked = fake_cancel_parked,
	.unpark = fake_unpark,
	.free = fake_free,
};

/* ---- for tests ------------------------------------------------------------------------------- */

struct fake_blk *fake_blk_new(struct loop *loop, uint64_t size)
{
	struct fake_blk *f = g_new0(struct fake_blk, 1);

	f->blk.ops = &fake_ops;
	f->blk.id = g_strdup("fake");
	f->loop = loop;
	f->data = g_malloc0(size);
	f->info = (struct blk_info){
		.size = size,
		.logical_block = 512,
		.physical_block = 512,
		.discard_align = 512,
		.can_discard = true,
		.can_write_zeroes = true,
		.write_cache = true,
	};
	pthread_mutex_init(&f->lock, NULL);
	return f;
}

void fake_blk_free(struct fake_blk *f)
{
	blk_free(f ? &f->blk : NULL);
}

void fake_blk_hold(struct fake_blk *f, bool hold)
{
	pthread_mutex_lock(&f->lock);
	f->hold = hold;
	pthread_mutex_unlock(&f->lock);
}

void fake_blk_delay(struct fake_blk *f, int64_t delay_ns)
{
	pthread_mutex_lock(&f->lock);
	f->delay_ns = delay_ns;
	pthread_mutex_unlock(&f->lock);
}

bool fake_blk_complete(struct fake_blk *f)
{
	struct blk_req *r;

	pthread_mutex_lock(&f->lock);
	r = take_first(&f->held);
	if (r) {
		struct fake_blk_queue *q = to_queue(r->queue);

		if (finish_locked(f, r))
			loop_post(q->q.loop, &q->call);
	}
	pthread_mutex_unlock(&f->lock);
	return r;
}

void fake_blk_fail(struct fake_blk *f, enum blk_op op, unsigned n, int error, bool park)
{
	pthread_mutex_lock(&f->lock);
	f->faults[op] = (struct fake_blk_fault){.count = n, .error = error, .park = park};
	pthread_mutex_unlock(&f->lock);
}

void fake_blk_resize(struct fake_blk *f, uint64_t size)
{
	pthread_mutex_lock(&f->lock);
	f->data = g_realloc(f->data, size);
	if (size > f->info.size)
		memset(f->data + f->info.size, 0, size - f->info.size);
	f->info.size = size;
	pthread_mutex_unlock(&f->lock);
	blk_notify_resized(&f->blk);
}

unsigned fake_blk_submitted(struct fake_blk *f, enum blk_op op)
{
	unsigned n;

	pthread_mutex_lock(&f->lock);
	n = f->submitted[op];
	pthread_mutex_unlock(&f->lock);
	return n;
}

unsigned fake_blk_in_flight(struct fake_blk *f)
{
	unsigned n;

	pthread_mutex_lock(&f->lock);
	n = f->in_flight;
	pthread_mutex_unlock(&f->lock);
	return n;
}

unsigned fake_blk_parked(struct fake_blk *f)
{
	unsigned n;

	pthread_mutex_lock(&f->lock);
	n = count(f->parked);
	pthread_mutex_unlock(&f->lock);
	return n;
}
