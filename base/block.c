/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/block.h"

#include <errno.h>

void blk_get_info(struct blk *b, struct blk_info *ret)
{
	b->ops->get_info(b, ret);
}

int blk_queue_open(struct blk *b, struct loop *loop, struct blk_queue **ret)
{
	return b->ops->queue_open(b, loop, ret);
}

void blk_queue_close(struct blk_queue *q)
{
	if (q)
		q->blk->ops->queue_close(q);
}

static bool op_offered(const struct blk_info *info, enum blk_op op)
{
	switch (op) {
	case BLK_READ:
	case BLK_WRITE:
	case BLK_FLUSH: return true;
	case BLK_DISCARD: return info->can_discard;
	case BLK_WRITE_ZEROES: return info->can_write_zeroes;
	default: return false;
	}
}

/* A request for no bytes is as malformed as half a block: engines need not think about it. */
static bool length_ok(const struct blk_info *info, const struct blk_req *r)
{
	bool payload = r->op == BLK_READ || r->op == BLK_WRITE;
	uint32_t max = payload ? info->max_transfer : info->max_discard;

	return r->len && (!max || r->len <= max) && (!payload || r->data.size == r->len);
}

int blk_check(const struct blk_info *info, const struct blk_req *r)
{
	if (!op_offered(info, r->op))
		return -EOPNOTSUPP;
	if (r->op == BLK_FLUSH)
		return 0;
	if (r->op != BLK_READ && info->readonly)
		return -EROFS;
	if ((r->offset | r->len) % info->logical_block || !length_ok(info, r))
		return -EINVAL;
	return range_fits(r->offset, r->len, info->size) ? 0 : -ERANGE;
}

void blk_submit(struct blk_queue *q, struct blk_req *r)
{
	r->queue = q;
	q->blk->ops->submit(q, r);
}

void blk_commit(struct blk_queue *q)
{
	q->blk->ops->commit(q);
}

void blk_listen(struct blk *b, struct blk_listener *l)
{
	l->next = b->listeners;
	b->listeners = l;
}

void blk_unlisten(struct blk *b, struct blk_listener *l)
{
	struct blk_listener **p = &b->listeners;

	while (*p && *p != l)
		p = &(*p)->next;
	if (*p)
		*p = l->next;
}

void blk_notify_resized(struct blk *b)
{
	struct blk_listener *next;

	for (struct blk_listener *l = b->listeners; l; l = next) {
		next = l->next;
		l->resized(l);
	}
}

void blk_drain_begin(struct blk *b, void (*fn)(void *opaque), void *opaque)
{
	b->ops->drain_begin(b, fn, opaque);
}

void blk_drain_end(struct blk *b)
{
	b->ops->drain_end(b);
}

void blk_unpark(struct blk *b)
{
	b->ops->unpark(b);
}

void blk_cancel_parked(struct blk_queue *q)
{
	q->blk->ops->cancel_parked(q);
}

void blk_free(struct blk *b)
{
	if (b)
		b->ops->free(b);
}
