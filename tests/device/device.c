/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of a device, its timers, guest errors, groups of asynchronous operations; interrupt lines. */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/qs.h"
#include "tests/device/rig.h"

/* ---- life ---- */

struct clock_dev {
	struct dev dev;
	bool fail;           /* realize refuses */
	unsigned unrealized; /* reported through *count */
	unsigned *count;
	struct dev_timer timer;
	struct irq pin;
	unsigned fired;
	int64_t again; /* the timer arms itself that much later */
	struct async_group *quiescing;
	unsigned resumed, resets;
};

static struct clock_dev *clock_dev(struct dev *d)
{
	return container_of(d, struct clock_dev, dev);
}

static void fire(struct dev *d)
{
	struct clock_dev *c = clock_dev(d);

	c->fired++;
	if (c->again)
		dev_timer_set(&c->timer, dev_clock(d, VM_CLOCK_VIRTUAL) + c->again);
}

static bool clock_realize(struct dev *d, GError **error)
{
	struct clock_dev *c = clock_dev(d);

	dev_timer_init(&c->timer, d, VM_CLOCK_VIRTUAL, fire);
	c->pin = gsi_source(d->bus->gsi, 4);
	if (c->fail)
		return err_set(error, VMMD_ERROR_INVALID, "told to fail");
	return true;
}

static void clock_unrealize(struct dev *d)
{
	struct clock_dev *c = clock_dev(d);

	dev_lock(d);
	dev_timer_cancel(&c->timer);
	dev_unlock(d);
	if (c->count)
		(*c->count)++;
}

static void clock_reset(struct dev *d, enum reset_kind kind)
{
	clock_dev(d)->resets++;
	irq_set(&clock_dev(d)->pin, false);
}

static void clock_quiesce(struct dev *d, struct async_group *g)
{
	clock_dev(d)->quiescing = g;
}

static void clock_resume(struct dev *d)
{
	clock_dev(d)->resumed++;
}

static const struct dev_ops clock_ops = {
	.name = "clock",
	.size = sizeof(struct clock_dev),
	.realize = clock_realize,
	.unrealize = clock_unrealize,
	.reset = clock_reset,
	.quiesce = clock_quiesce,
	.resume = clock_resume,
	.state_none = "belongs to its test",
};

static struct clock_dev *clock_new(struct rig *r, const char *id)
{
	struct dev *d = dev_new(r->bus, &clock_ops, id);

	g_assert_true(dev_realize(d, NULL));
	return clock_dev(d);
}

static void life(void)
{
	struct rig *r = rig_new();
	g_autoptr(GError) error = NULL;
	unsigned unrealized = 0;
	struct clock_dev *a = clock_new(r, "a"), *b;
	struct dev *d;

	g_assert_true(bus_find_dev(r->bus, "a") == DEV(a));
	g_assert_null(bus_find_dev(r->bus, "b"));

	d = dev_new(r->bus, &clock_ops, "a");
	g_assert_false(dev_realize(d, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_EXISTS);
	g_clear_error(&error);

	d = dev_new(r->bus, &clock_ops, "b");
	clock_dev(d)->fail = true;
	clock_dev(d)->count = &unrealized;
	g_assert_false(dev_realize(d, &error));
	g_assert_cmpstr(error->message, ==, "told to fail");
	g_assert_cmpuint(unrealized, ==, 1);
	g_assert_null(bus_find_dev(r->bus, "b"));

	b = clock_new(r, "b");
	b->count = a->count = &unrealized;
	dev_free(DEV(a));
	g_assert_cmpuint(unrealized, ==, 2);
	g_assert_null(bus_find_dev(r->bus, "a"));
	g_assert_true(bus_find_dev(r->bus, "b") == DEV(b));
	dev_free(NULL);
	rig_free(r);
	g_assert_cmpuint(unrealized, ==, 3);
}

static void state_is_a_must(void)
{
	static const struct dev_ops stateless = {
		.name = "stateless", .size = sizeof(struct dev), .realize = clock_realize};
	struct rig *r = rig_new();
	g_autoptr(GError) error = NULL;

	g_assert_false(dev_realize(dev_new(r->bus, &stateless, "x"), &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_INTERNAL);
	rig_free(r);
}

static void unmapped_when_freed(void)
{
	struct rig *r = rig_new();
	struct probe *p = probe_new(r, "p");
	struct region port;

	region_init_io(&port, DEV(p), &probe_region_ops, "port", BUS_PIO, 4);
	bus_lock(r->bus);
	g_assert_cmpint(region_map(r->bus, &port, 0x80, 0), ==, 0);
	bus_unlock(r->bus);
	g_assert_cmphex(rig_read(r, BUS_PIO, 0x80, 1), ==, probe_byte(&port, 0));
	dev_free(DEV(p));
	g_assert_cmphex(rig_read(r, BUS_PIO, 0x80, 1), ==, 0xff);
	g_assert_false(port.mapped);
	rig_free(r);
}

/* ---- timers ---- */

static void timer_set_locked(struct clock_dev *c, int64_t deadline)
{
	dev_lock(DEV(c));
	if (deadline >= 0)
		dev_timer_set(&c->timer, deadline);
	else
		dev_timer_cancel(&c->timer);
	dev_unlock(DEV(c));
}

static void timer_basics(void)
{
	struct rig *r = rig_new();
	struct clock_dev *c = clock_new(r, "c");

	timer_set_locked(c, 100);
	g_assert_cmpint(clock_next_deadline(r->clocks), ==, 100);
	clock_step_to(r->clocks, 99);
	g_assert_cmpuint(c->fired, ==, 0);
	clock_step_to(r->clocks, 100);
	g_assert_cmpuint(c->fired, ==, 1);
	g_assert_cmpint(c->timer.deadline, ==, -1);

	timer_set_locked(c, 200);
	timer_set_locked(c, -1);
	clock_step_to(r->clocks, 300);
	g_assert_cmpuint(c->fired, ==, 1);
	g_assert_cmpint(clock_next_deadline(r->clocks), ==, -1);

	c->again = 10;
	timer_set_locked(c, 310);
	clock_step_to(r->clocks, 350);
	g_assert_cmpuint(c->fired, ==, 6);
	g_assert_cmpint(c->timer.deadline, ==, 360);
	c->again = 0;
	rig_free(r);
}

struct stepper {
	struct rig *r;
	int64_t to;
	int entered; /* atomic: the callback is about to be called */
};

static void *step_thread(void *opaque)
{
	struct stepper *s = opaque;

	__atomic_store_n(&s->entered, 1, __ATOMIC_RELEASE);
	clock_step_to(s->r->clocks, s->to);
	return NULL;
}

/* The clock has decided to call and waits for the lock; what is then changed under the lock holds. */
static void timer_race(void)
{
	struct rig *r = rig_new();
	struct clock_dev *c = clock_new(r, "c");

	for (unsigned i = 0; i < 200; i++) {
		struct stepper s = {.r = r, .to = clock_now(r->clocks, VM_CLOCK_VIRTUAL) + 100};
		unsigned fired = c->fired;
		pthread_t t;

		timer_set_locked(c, s.to);
		dev_lock(DEV(c));
		g_assert_cmpint(pthread_create(&t, NULL, step_thread, &s), ==, 0);
		while (timer_armed(&c->timer.timer))
			sched_yield();
		if (i % 2)
			dev_timer_cancel(&c->timer);
		else
			dev_timer_set(&c->timer, s.to + 50);
		dev_unlock(DEV(c));
		g_assert_cmpint(pthread_join(t, NULL), ==, 0);
		g_assert_cmpuint(c->fired, ==, fired);
		clock_step_to(r->clocks, s.to + 60);
		g_assert_cmpuint(c->fired, ==, fired + (i % 2 ? 0 : 1));
	}
	rig_free(r);
}

/* ---- guest errors ---- */

#define LOG_THREADS 3
#define LOG_ERRORS  2000

static void *complain(void *opaque)
{
	for (unsigned i = 0; i < LOG_ERRORS; i++)
		dev_guest_error(opaque, "write of %#x to a read-only register", i);
	return NULL;
}

static void guest_errors_child(void)
{
	struct rig *r = rig_new();
	struct clock_dev *c = clock_new(r, "c");
	pthread_t t[LOG_THREADS];

	for (unsigned i = 0; i < LOG_THREADS; i++)
		g_assert_cmpint(pthread_create(&t[i], NULL, complain, c), ==, 0);
	for (unsigned i = 0; i < LOG_THREADS; i++)
		g_assert_cmpint(pthread_join(t[i], NULL), ==, 0);
	g_assert_cmpuint(c->dev.guest_errors, ==, LOG_THREADS * LOG_ERRORS);
	rig_free(r);
}

static unsigned count_lines(const char *text)
{
	unsigned n = 0;

	while ((text = strchr(text, '\n'))) {
		text++;
		n++;
	}
	return n;
}

/* Six thousand errors are counted, few are written: a burst of ten and one a second. */
static void guest_errors(void)
{
	g_autofree char *out = NULL, *err = NULL;
	char *argv[] = {(char *)g_get_prgname(), "--guest-errors", NULL};
	unsigned lines;
	int status;

	argv[0] = g_file_read_link("/proc/self/exe", NULL);
	g_assert_true(g_spawn_sync(
		NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, &err, &status, NULL));
	g_free(argv[0]);
	g_assert_cmpint(status, ==, 0);
	lines = count_lines(err);
	g_assert_cmpuint(lines, >=, 10);
	g_assert_cmpuint(lines, <=, 20);
	g_assert_nonnull(strstr(err, "read-only register"));
}

/* ---- groups ---- */

struct waiting {
	struct async_group g;
	unsigned called;
};

static void group_done(struct async_group *g)
{
	container_of(g, struct waiting, g)->called++;
}

static void *done_thread(void *opaque)
{
	async_done(opaque);
	return NULL;
}

static void group(void)
{
	struct rig *r = rig_new();
	struct waiting w = {.called = 0};
	pthread_t t;

	async_begin(&w.g, r->loop, group_done);
	async_end(&w.g);
	g_assert_cmpuint(w.called, ==, 0);
	rig_poll(r);
	g_assert_cmpuint(w.called, ==, 1);

	async_begin(&w.g, r->loop, group_done);
	async_add(&w.g);
	async_add(&w.g);
	async_done(&w.g);
	async_end(&w.g);
	rig_poll(r);
	g_assert_cmpuint(w.called, ==, 1);
	g_assert_cmpint(pthread_create(&t, NULL, done_thread, &w.g), ==, 0);
	g_assert_cmpint(pthread_join(t, NULL), ==, 0);
	rig_poll(r);
	g_assert_cmpuint(w.called, ==, 2);
	rig_free(r);
}

static void quiesce_resume_reset(void)
{
	struct rig *r = rig_new();
	struct clock_dev *a = clock_new(r, "a"), *b = clock_new(r, "b");
	struct waiting w = {.called = 0};

	probe_new(r, "nothing to quiesce");
	async_begin(&w.g, r->loop, group_done);
	bus_quiesce(r->bus, &w.g);
	async_end(&w.g);
	async_done(b->quiescing);
	rig_poll(r);
	g_assert_cmpuint(w.called, ==, 0);
	async_done(a->quiescing);
	rig_poll(r);
	g_assert_cmpuint(w.called, ==, 1);

	irq_set(&a->pin, true);
	r->fake->gsi[4].level = false; /* the accelerator lost it */
	irq_set(&b->pin, true);
	bus_reset(r->bus, RESET_COLD);
	g_assert_cmpuint(a->resets, ==, 1);
	g_assert_cmpuint(b->resets, ==, 1);
	g_assert_false(fake_accel_level(r->fake, 4));
	bus_resume(r->bus);
	g_assert_cmpuint(a->resumed, ==, 1);
	g_assert_cmpuint(b->resumed, ==, 1);
	rig_free(r);
}

/* ---- interrupt lines ---- */

static void seen(void *opaque, unsigned gsi, bool level)
{
	g_string_append_printf(opaque, "%c%u ", level ? '+' : '-', gsi);
}

static void wired_or(void)
{
	struct rig *r = rig_new();
	g_autoptr(GString) trace = g_string_new("");
	struct irq a = gsi_source(r->bus->gsi, 10), b = gsi_source(r->bus->gsi, 10);
	struct irq c = gsi_source(r->bus->gsi, 11), nowhere = {.sink = NULL};

	gsi_intercept(r->bus->gsi, seen, trace);
	irq_set(&a, true);
	irq_set(&b, true);
	irq_set(&a, true);
	irq_set(&a, false);
	g_assert_true(gsi_level(r->bus->gsi, 10));
	g_assert_true(fake_accel_level(r->fake, 10));
	irq_set(&b, false);
	g_assert_false(gsi_level(r->bus->gsi, 10));
	g_assert_false(fake_accel_level(r->fake, 10));
	irq_pulse(&c);
	irq_pulse(&nowhere);
	g_assert_cmpstr(trace->str, ==, "+10 -10 +11 -11 ");
	gsi_intercept(r->bus->gsi, NULL, NULL);
	irq_pulse(&c);
	g_assert_cmpstr(trace->str, ==, "+10 -10 +11 -11 ");
	g_assert_cmpuint(fake_accel_rises(r->fake, 11), ==, 2);

	irq_set(&a, true);
	r->fake->gsi[10].level = false; /* as after a reset of the interrupt controllers */
	gsi_redrive(r->bus->gsi);
	g_assert_true(fake_accel_level(r->fake, 10));
	rig_free(r);
}

static void sources_are_limited(void)
{
	struct rig *r = rig_new();

	for (unsigned i = 0; i < GSI_SOURCES; i++)
		g_assert_nonnull(gsi_source(r->bus->gsi, 12).sink);
	g_assert_null(gsi_source(r->bus->gsi, 12).sink);
	g_assert_nonnull(gsi_source(r->bus->gsi, 13).sink);
	rig_free(r);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--guest-errors") == 0) {
		guest_errors_child();
		return 0;
	}
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/device/life", life);
	g_test_add_func("/device/state-is-a-must", state_is_a_must);
	g_test_add_func("/device/unmapped-when-freed", unmapped_when_freed);
	g_test_add_func("/device/timer", timer_basics);
	g_test_add_func("/device/timer-race", timer_race);
	g_test_add_func("/device/guest-errors", guest_errors);
	g_test_add_func("/device/group", group);
	g_test_add_func("/device/quiesce-resume-reset", quiesce_resume_reset);
	g_test_add_func("/irq/wired-or", wired_or);
	g_test_add_func("/irq/sources-are-limited", sources_are_limited);
	return g_test_run();
}
