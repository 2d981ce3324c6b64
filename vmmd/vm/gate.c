/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/vm/gate.h"

static void on_interval(struct loop_timer *t)
{
	struct gate *g = container_of(t, struct gate, timer);

	g->closed = false;
	gate_flush(g);
}

void gate_init(struct gate *g, struct loop *loop, int64_t interval_ns, void (*tell)(struct gate *g))
{
	*g = (struct gate){
		.tell = tell, .loop = loop, .interval = interval_ns, .timer.fn = on_interval};
}

void gate_pass(struct gate *g)
{
	if (g->closed)
		g->waiting = true;
	else
		gate_push(g);
}

void gate_push(struct gate *g)
{
	g->closed = true;
	g->waiting = false;
	loop_timer_set(g->loop, &g->timer, loop_now() + g->interval);
	g->tell(g);
}

void gate_flush(struct gate *g)
{
	if (g->waiting)
		gate_push(g);
}

void gate_done(struct gate *g)
{
	loop_timer_cancel(g->loop, &g->timer);
	g->closed = g->waiting = false;
}
