/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * irq.h - interrupt lines: from a device's pin over routers to the GSIs of the accelerator.
 *
 *	dev pin ──► struct irq ──► irq_sink (ISA line, PIRQ router, GSI bank) ──► accel->gsi_set
 *
 * Lines are level. A GSI is the wired OR of its sources: each source drives its own bit, the accelerator is told
 * when the OR changes. irq_set() may be called under a device's lock and from I/O threads; the locks in here are the
 * innermost (bus < device < irq).
 */
#ifndef DEVMODEL_BUS_IRQ_H
#define DEVMODEL_BUS_IRQ_H

#include "base/accel.h"

struct irq_sink {
	/* Input @n goes to @level. Takes only irq locks. */
	void (*set)(struct irq_sink *s, unsigned n, bool level);
};

/* An output pin wired to input @n of a sink. Unwired (sink NULL) pins go nowhere. */
struct irq {
	struct irq_sink *sink;
	unsigned n;
};

static inline void irq_set(const struct irq *i, bool level)
{
	if (i->sink)
		i->sink->set(i->sink, i->n, level);
}

static inline void irq_pulse(const struct irq *i)
{
	irq_set(i, true);
	irq_set(i, false);
}

#define GSI_PINS    24 /* of the IOAPIC */
#define GSI_SOURCES 64 /* per GSI */

struct gsi_bank;

/* The GSIs 0..23 of @a. Owned by the machine's bus. */
struct gsi_bank *gsi_bank_new(struct accel *a);
void gsi_bank_free(struct gsi_bank *b);

/* A new source of @gsi (below GSI_PINS), as a pin to wire: {NULL, 0} when GSI_SOURCES are taken. Set-up only. */
struct irq gsi_source(struct gsi_bank *b, unsigned gsi);

/* The present level of a pin. Any thread. */
bool gsi_level(struct gsi_bank *b, unsigned gsi);

/*
 * A look from outside (qtest irq_intercept_in): called with each change of a pin, under the bank's lock. NULL ends
 * it.
 */
void gsi_intercept(
	struct gsi_bank *b, void (*fn)(void *opaque, unsigned gsi, bool level), void *opaque);

/* Tells the accelerator every level again (after reset of its interrupt controllers or loading of state). */
void gsi_redrive(struct gsi_bank *b);

#endif
