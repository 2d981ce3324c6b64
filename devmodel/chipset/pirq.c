/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interrupt router of the ISA bridges: 82371SB section 2.2.5, ICH9 section 13.1.18. */
#include <pthread.h>

#include "devmodel/chipset/chips.h"

/* IRQ 3-7, 9-12, 14 and 15; the other codes are reserved. */
#define VALID_IRQS 0xdef8u

static void drive(struct pirq *q, unsigned n, bool level)
{
	if (q->routed[n] < ISA_IRQS)
		irq_set(&q->irqs[n][q->routed[n]], level);
}

static void pirq_set(struct irq_sink *sink, unsigned n, bool level)
{
	struct pirq *q = container_of(sink, struct pirq, sink);

	pthread_mutex_lock(&q->lock);
	q->hw.level[n] = level;
	drive(q, n, level);
	irq_set(&q->direct[n], level);
	pthread_mutex_unlock(&q->lock);
}

void pirq_route(struct pirq *q, unsigned n, uint8_t reg)
{
	uint8_t irq = reg & PIRQ_IRQ;

	if ((reg & PIRQ_OFF) || !(VALID_IRQS & 1u << irq))
		irq = ISA_IRQS;
	pthread_mutex_lock(&q->lock);
	if (irq != q->routed[n]) {
		drive(q, n, false);
		q->routed[n] = irq;
		drive(q, n, q->hw.level[n]);
	}
	pthread_mutex_unlock(&q->lock);
}

void pirq_post_load(struct pirq *q)
{
	for (unsigned n = 0; n < q->n; n++)
		pirq_set(&q->sink, n, q->hw.level[n]);
}

void pirq_init(struct pirq *q, struct dev *d, unsigned n, unsigned direct)
{
	struct gsi_bank *bank = d->bus->gsi;

	pthread_mutex_init(&q->lock, NULL);
	q->sink.set = pirq_set;
	q->n = n;
	for (unsigned i = 0; i < n; i++) {
		q->routed[i] = ISA_IRQS;
		if (direct)
			q->direct[i] = gsi_source(bank, direct + i);
		for (unsigned irq = 0; irq < ISA_IRQS; irq++) {
			if (VALID_IRQS & 1u << irq)
				q->irqs[i][irq] = gsi_source(bank, irq);
		}
	}
}

void pirq_done(struct pirq *q)
{
	if (q->n)
		pthread_mutex_destroy(&q->lock);
	q->n = 0;
}

static const struct state_field fields[] = {
	ST_ARRAY(struct pirq_hw, level, 1),
	ST_END,
};

const struct state_desc pirq_state = {
	.name = "pirq", .version = 1, .size = sizeof(struct pirq_hw), .fields = fields};
