/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/bus/irq.h"

#include <pthread.h>
#include <string.h>

#include "base/log.h"

struct gsi {
	uint64_t sources; /* one bit a source: those that drive the line */
	unsigned taken;   /* sources handed out */
};

struct gsi_bank {
	struct irq_sink sink;
	struct accel *accel;
	pthread_mutex_t lock;
	struct gsi gsi[GSI_PINS];
	void (*intercept)(void *opaque, unsigned gsi, bool level);
	void *opaque;
};

/* An input of the sink is a GSI and the number of its source. */
static unsigned input_of(unsigned gsi, unsigned source)
{
	return gsi * GSI_SOURCES + source;
}

static void drive(struct gsi_bank *b, unsigned gsi)
{
	int err = b->accel->ops->gsi_set(b->accel, gsi, b->gsi[gsi].sources);

	if (err < 0)
		log_debug("GSI %u: %s", gsi, strerror(-err));
}

static void bank_set(struct irq_sink *s, unsigned n, bool level)
{
	struct gsi_bank *b = container_of(s, struct gsi_bank, sink);
	unsigned gsi = n / GSI_SOURCES;
	struct gsi *g = &b->gsi[gsi];
	uint64_t bit = UINT64_C(1) << (n % GSI_SOURCES);
	bool before;

	pthread_mutex_lock(&b->lock);
	before = g->sources;
	g->sources = level ? g->sources | bit : g->sources & ~bit;
	if (before != !!g->sources) {
		drive(b, gsi);
		if (b->intercept)
			b->intercept(b->opaque, gsi, level);
	}
	pthread_mutex_unlock(&b->lock);
}

struct gsi_bank *gsi_bank_new(struct accel *a)
{
	struct gsi_bank *b = g_new0(struct gsi_bank, 1);

	b->sink.set = bank_set;
	b->accel = a;
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

void gsi_bank_free(struct gsi_bank *b)
{
	if (!b)
		return;
	pthread_mutex_destroy(&b->lock);
	g_free(b);
}

struct irq gsi_source(struct gsi_bank *b, unsigned gsi)
{
	struct gsi *g = &b->gsi[gsi];

	if (g->taken == GSI_SOURCES)
		return (struct irq){.sink = NULL};
	return (struct irq){.sink = &b->sink, .n = input_of(gsi, g->taken++)};
}

bool gsi_level(struct gsi_bank *b, unsigned gsi)
{
	bool level;

	pthread_mutex_lock(&b->lock);
	level = b->gsi[gsi].sources;
	pthread_mutex_unlock(&b->lock);
	return level;
}

void gsi_intercept(
	struct gsi_bank *b, void (*fn)(void *opaque, unsigned gsi, bool level), void *opaque)
{
	pthread_mutex_lock(&b->lock);
	b->intercept = fn;
	b->opaque = opaque;
	pthread_mutex_unlock(&b->lock);
}

void gsi_redrive(struct gsi_bank *b)
{
	pthread_mutex_lock(&b->lock);
	for (unsigned gsi = 0; gsi < GSI_PINS; gsi++)
		drive(b, gsi);
	pthread_mutex_unlock(&b->lock);
}
