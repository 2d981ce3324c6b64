/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/bus/device.h"

#include <stdarg.h>

#include "devmodel/bus/bus.h"
#include "devmodel/bus/internal.h"

/* Lines a guest can put into the log by one device: ten at once, then one a second. */
#define GUEST_ERROR_INTERVAL NSEC_PER_SEC
#define GUEST_ERROR_BURST    10

struct dev *dev_new(struct bus *bus, const struct dev_ops *ops, const char *id)
{
	struct dev *d = g_malloc0(ops->size);

	d->ops = ops;
	d->bus = bus;
	d->id = g_strdup(id);
	d->guest_error_limit = (struct ratelimit)RATELIMIT_INIT(
		GUEST_ERROR_INTERVAL, GUEST_ERROR_BURST);
	if (ops->props)
		prop_defaults(ops->props, d);
	return d;
}

/* What can be judged before the device is asked. */
static bool check(struct dev *d, GError **error)
{
	const struct dev_ops *ops = d->ops;

	if (!ops->state && !ops->state_none)
		return err_set(error, VMMD_ERROR_INTERNAL,
			"device model %s has neither a state table nor a reason for having none",
			ops->name);
	if (bus_find_dev(d->bus, d->id))
		return err_set(error, VMMD_ERROR_EXISTS, "there is a device \"%s\" already", d->id);
	return !ops->props || !ops->props->check || ops->props->check(d, error);
}

static void append(struct bus *b, struct dev *d)
{
	struct dev **p = &b->devs;

	while (*p)
		p = &(*p)->next;
	*p = d;
}

static void unlink_dev(struct bus *b, struct dev *d)
{
	struct dev **p = &b->devs;

	while (*p && *p != d)
		p = &(*p)->next;
	if (*p)
		*p = d->next;
}

static void set_realized(struct dev *d, bool realized)
{
	dev_lock(d);
	d->realized = realized;
	dev_unlock(d);
}

bool dev_realize(struct dev *d, GError **error)
{
	bool ok;

	bus_lock(d->bus);
	ok = check(d, error);
	if (ok) {
		d->begun = true;
		ok = d->ops->realize(d, error);
	}
	if (ok) {
		append(d->bus, d);
		set_realized(d, true);
	}
	bus_unlock(d->bus);
	if (!ok)
		dev_free(d);
	return ok;
}

/*
 * Twice around: first no access of the guest's reaches the device any more, then it gives up what such an access would
 * have used. The second time the last one who found it on its way (configuration space) has passed.
 */
void dev_free(struct dev *d)
{
	struct bus *b;

	if (!d)
		return;
	b = d->bus;
	bus_lock(b);
	bus_unmap_dev(b, d);
	set_realized(d, false);
	bus_unlock(b);
	bus_passed(b);

	bus_lock(b);
	unlink_dev(b, d);
	if (d->begun && d->ops->unrealize)
		d->ops->unrealize(d);
	bus_unlock(b);
	bus_passed(b);

	if (d->ops->props)
		prop_clear(d->ops->props, d);
	g_free(d->id);
	g_free(d);
}

void dev_guest_error(struct dev *d, const char *fmt, ...)
{
	g_autofree char *text = NULL;
	uint64_t missed;
	va_list ap;

	__atomic_add_fetch(&d->guest_errors, 1, __ATOMIC_RELAXED);
	/* Who comes while another thread is here is counted, and that is enough. */
	if (__atomic_exchange_n(&d->guest_error_busy, 1, __ATOMIC_ACQUIRE))
		return;
	if (ratelimit_ok(&d->guest_error_limit, loop_now(), &missed)) {
		va_start(ap, fmt);
		text = g_strdup_vprintf(fmt, ap);
		va_end(ap);
		if (missed)
			log_msg(LOG_LEVEL_WARNING, d->id, "%s (and %" G_GUINT64_FORMAT " more)",
				text, missed);
		else
			log_msg(LOG_LEVEL_WARNING, d->id, "%s", text);
	}
	__atomic_store_n(&d->guest_error_busy, 0, __ATOMIC_RELEASE);
}

/* ---- timers ---- */

/*
 * Between the clock's decision to call and our lock the timer may have been cancelled, moved or even moved and become
 * due again: t->deadline, changed under the lock only, says what holds.
 */
static void timer_due(void *opaque)
{
	struct dev_timer *t = opaque;

	dev_lock(t->dev);
	if (t->deadline >= 0 && clock_now(t->timer.clocks, t->timer.type) >= t->deadline) {
		dev_timer_cancel(t);
		t->fn(t->dev);
	}
	dev_unlock(t->dev);
}

void dev_timer_init(
	struct dev_timer *t, struct dev *d, enum clock_type type, void (*fn)(struct dev *d))
{
	*t = (struct dev_timer){.dev = d, .fn = fn, .deadline = -1};
	timer_init(&t->timer, d->bus->clocks, type, timer_due, t);
}

void dev_timer_set(struct dev_timer *t, int64_t deadline_ns)
{
	t->deadline = MAX(deadline_ns, 0);
	timer_set(&t->timer, t->deadline);
}

void dev_timer_cancel(struct dev_timer *t)
{
	t->deadline = -1;
	if (t->dev)
		timer_cancel(&t->timer);
}

int64_t dev_clock(struct dev *d, enum clock_type type)
{
	return clock_now(d->bus->clocks, type);
}
