/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/backends/blk-tape.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

struct tape {
	struct node node;
	pthread_mutex_t lock; /* of all that follows */
	uint8_t *first, *now;
	uint64_t first_len, len, room;
	GArray *events;
};

struct tape_queue {
	struct node_queue base;
	struct req_list submitted;
	struct loop_call finish;
	bool closed;
};

static struct tape *tape_of(struct node *n)
{
	return container_of(n, struct tape, node);
}

static struct tape_queue *queue_of(struct node_queue *q)
{
	return container_of(q, struct tape_queue, base);
}

static void record_write(struct tape *t, const struct blk_req *r)
{
	struct tape_event e = {.offset = r->offset, .len = r->len, .bytes = g_malloc(r->len)};

	giov_read(&r->data, 0, e.bytes, r->len);
	memcpy(t->now + r->offset, e.bytes, r->len);
	t->len = MAX(t->len, r->offset + r->len);
	g_array_append_val(t->events, e);
}

static int run(struct tape *t, struct blk_req *r)
{
	struct tape_event flush = {.flush = true, .covers = GPOINTER_TO_UINT(r->priv[0])};

	if (r->op == BLK_FLUSH) {
		g_array_append_val(t->events, flush);
		return 0;
	}
	if (!range_fits(r->offset, r->len, t->room))
		return -ENOSPC;
	if (r->op == BLK_READ)
		giov_write(&r->data, 0, t->now + r->offset, r->len);
	else
		record_write(t, r);
	return 0;
}

static void finish_fn(struct loop_call *c)
{
	struct tape_queue *q = container_of(c, struct tape_queue, finish);
	struct req_list submitted = req_list_take_all(&q->submitted);
	struct tape *t;
	struct blk_req *r;

	if (q->closed) {
		g_free(q);
		return;
	}
	t = tape_of(q->base.node);
	while ((r = req_list_take(&submitted))) {
		int result;

		pthread_mutex_lock(&t->lock);
		result = run(t, r);
		pthread_mutex_unlock(&t->lock);
		node_complete(r, result);
	}
}

static void submit(struct node_queue *nq, struct blk_req *r)
{
	/* A flush covers what has ended before it was asked for, not what ends meanwhile. */
	if (r->op == BLK_FLUSH)
		r->priv[0] = GUINT_TO_POINTER(tape_length(nq->node));
	req_list_add(&queue_of(nq)->submitted, r);
}

static void commit(struct node_queue *nq)
{
	if (queue_of(nq)->submitted.first)
		loop_post(nq->loop, &queue_of(nq)->finish);
}

static int queue_open(struct node *n, struct loop *loop, struct node_queue **ret)
{
	struct tape_queue *q = g_new0(struct tape_queue, 1);

	q->base = (struct node_queue){.node = n, .loop = loop};
	q->finish.fn = finish_fn;
	*ret = &q->base;
	return 0;
}

static void queue_close(struct node_queue *nq)
{
	struct tape_queue *q = queue_of(nq);

	q->closed = true;
	if (!__atomic_load_n(&q->finish.queued, __ATOMIC_ACQUIRE))
		g_free(q);
}

static void get_info(struct node *n, struct blk_info *ret)
{
	struct tape *t = tape_of(n);

	*ret = (struct blk_info){.size = t->len, .logical_block = 512, .physical_block = 512};
}

static void tape_free(struct node *n)
{
	struct tape *t = tape_of(n);

	for (unsigned i = 0; i < t->events->len; i++)
		g_free(g_array_index(t->events, struct tape_event, i).bytes);
	g_array_free(t->events, TRUE);
	pthread_mutex_destroy(&t->lock);
	g_free(t->first);
	g_free(t->now);
	node_done(n);
	g_free(t);
}

static const struct node_ops tape_ops = {
	.name = "tape",
	.get_info = get_info,
	.queue_open = queue_open,
	.queue_close = queue_close,
	.submit = submit,
	.commit = commit,
	.free = tape_free,
};

struct node *tape_new(const uint8_t *bytes, uint64_t n, uint64_t room)
{
	struct tape *t = g_new0(struct tape, 1);

	node_init(&t->node, &tape_ops, "tape");
	pthread_mutex_init(&t->lock, NULL);
	t->events = g_array_new(FALSE, FALSE, sizeof(struct tape_event));
	t->first = g_memdup2(bytes, n);
	t->now = g_malloc0(room);
	memcpy(t->now, bytes, n);
	t->first_len = n;
	t->len = align_up(n, 512);
	t->room = room;
	return &t->node;
}

unsigned tape_length(struct node *n)
{
	struct tape *t = tape_of(n);
	unsigned length;

	pthread_mutex_lock(&t->lock);
	length = t->events->len;
	pthread_mutex_unlock(&t->lock);
	return length;
}

const struct tape_event *tape_event(struct node *n, unsigned i)
{
	return &g_array_index(tape_of(n)->events, struct tape_event, i);
}

static uint64_t kept(const struct tape_event *e, bool durable)
{
	if (durable)
		return e->len;
	switch (g_test_rand_int_range(0, 3)) {
	case 0: return 0;
	case 1: return e->len;
	default: return align_down(g_test_rand_int_range(0, e->len + 1), 512);
	}
}

uint8_t *tape_cut(struct node *n, unsigned events, uint64_t *ret_len)
{
	struct tape *t = tape_of(n);
	uint8_t *image = g_malloc0(t->room);
	unsigned durable = 0;

	memcpy(image, t->first, t->first_len);
	*ret_len = t->first_len;
	for (unsigned i = 0; i < events; i++) {
		if (tape_event(n, i)->flush)
			durable = MAX(durable, tape_event(n, i)->covers);
	}
	for (unsigned i = 0; i < events; i++) {
		const struct tape_event *e = tape_event(n, i);
		uint64_t len = e->flush ? 0 : kept(e, i < durable);

		if (!len)
			continue;
		memcpy(image + e->offset, e->bytes, len);
		*ret_len = MAX(*ret_len, e->offset + len);
	}
	return image;
}
