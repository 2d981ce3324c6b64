/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * irq-gate.h - a switch in an interrupt line: what stands between a device's pin and its
 * destination where another chip can disconnect the two (HPET legacy replacement routing).
 *
 * Its lock is an irq lock: any thread, device locks held or not.
 */
#ifndef DEVMODEL_PLATFORM_IRQ_GATE_H
#define DEVMODEL_PLATFORM_IRQ_GATE_H

#include <pthread.h>

#include "devmodel/bus/irq.h"

struct irq_gate {
	struct irq_sink sink;
	pthread_mutex_t lock;
	struct irq out;
	bool level, open; /* lock: of the input; connected */
};

/* Open, its input low. */
void irq_gate_init(struct irq_gate *g, struct irq out);
void irq_gate_done(struct irq_gate *g);
/* The pin that a device drives. */
struct irq irq_gate_pin(struct irq_gate *g);
/* Connects, or disconnects: then the output is low. */
void irq_gate_set(struct irq_gate *g, bool open);

#endif
