/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/bus/device.h"

static void all_done(struct loop_call *c)
{
	struct async_group *g = container_of(c, struct async_group, call);

	g->fn(g);
}

void async_begin(struct async_group *g, struct loop *loop, void (*fn)(struct async_group *g))
{
	/* The one that async_end() takes back: no party can be the last while others are still added. */
	*g = (struct async_group){.pending = 1, .loop = loop, .fn = fn, .call.fn = all_done};
}

void async_add(struct async_group *g)
{
	__atomic_add_fetch(&g->pending, 1, __ATOMIC_RELAXED);
}

void async_done(struct async_group *g)
{
	if (__atomic_sub_fetch(&g->pending, 1, __ATOMIC_ACQ_REL) == 0)
		loop_post(g->loop, &g->call);
}

void async_end(struct async_group *g)
{
	async_done(g);
}
