/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/platform/irq-gate.h"

static void input(struct irq_sink *s, unsigned n, bool level)
{
	struct irq_gate *g = container_of(s, struct irq_gate, sink);

	pthread_mutex_lock(&g->lock);
	g->level = level;
	if (g->open)
		irq_set(&g->out, level);
	pthread_mutex_unlock(&g->lock);
}

void irq_gate_init(struct irq_gate *g, struct irq out)
{
	*g = (struct irq_gate){.sink.set = input, .out = out, .open = true};
	pthread_mutex_init(&g->lock, NULL);
}

void irq_gate_done(struct irq_gate *g)
{
	if (!g->sink.set)
		return;
	irq_set(&g->out, false);
	pthread_mutex_destroy(&g->lock);
	g->sink.set = NULL;
}

struct irq irq_gate_pin(struct irq_gate *g)
{
	return (struct irq){.sink = &g->sink};
}

void irq_gate_set(struct irq_gate *g, bool open)
{
	pthread_mutex_lock(&g->lock);
	g->open = open;
	irq_set(&g->out, open && g->level);
	pthread_mutex_unlock(&g->lock);
}
