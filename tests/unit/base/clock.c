/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/clock.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "base/loop.h"

#define EPOCH (INT64_C(1700000000) * NSEC_PER_SEC)

struct probe {
	struct timer t;
	GString *trace;
	char name;
	int64_t seen;   /* its clock when it fired */
	int64_t period; /* arms itself again */
	unsigned left;
	struct loop *quit;
};

static void probe_fn(void *opaque)
{
	struct probe *p = opaque;

	p->seen = clock_now(p->t.clocks, p->t.type);
	if (p->trace)
		g_string_append_c(p->trace, p->name);
	if (p->left) {
		p->left--;
		timer_set(&p->t, p->t.deadline + p->period);
	} else if (p->quit) {
		loop_quit(p->quit);
	}
}

static void probe_init(
	struct probe *p, struct clocks *c, enum clock_type type, GString *trace, char name)
{
	*p = (struct probe){.trace = trace, .name = name};
	timer_init(&p->t, c, type, probe_fn, p);
}

/* ---- stepped ---- */

static void stepped_in_order(void)
{
	struct clocks *c = clocks_new_stepped(EPOCH);
	g_autoptr(GString) trace = g_string_new("");
	struct probe v, v2, r, h;

	probe_init(&v, c, VM_CLOCK_VIRTUAL, trace, 'v');
	probe_init(&v2, c, VM_CLOCK_VIRTUAL, trace, 'w');
	probe_init(&r, c, VM_CLOCK_RTC, trace, 'r');
	probe_init(&h, c, VM_CLOCK_HOST, trace, 'h');
	g_assert_cmpint(clock_now(c, VM_CLOCK_VIRTUAL), ==, 0);
	g_assert_cmpint(clock_now(c, VM_CLOCK_RTC), ==, EPOCH);
	g_assert_cmpint(clock_next_deadline(c), ==, -1);
	timer_set(&v.t, 300);
	timer_set(&v2.t, 100);
	timer_set(&r.t, EPOCH + 200);
	timer_set(&h.t, 250);
	g_assert_cmpint(clock_next_deadline(c), ==, 100);

	clock_step_to(c, 99);
	g_assert_cmpstr(trace->str, ==, "");
	clock_step_to(c, 1000);
	g_assert_cmpstr(trace->str, ==, "wrhv");
	g_assert_cmpint(v.seen, ==, 300);
	g_assert_cmpint(r.seen, ==, EPOCH + 200);
	g_assert_cmpint(clock_now(c, VM_CLOCK_VIRTUAL), ==, 1000);
	g_assert_false(timer_armed(&v.t));

	clock_step_to(c, 500);
	g_assert_cmpint(clock_now(c, VM_CLOCK_VIRTUAL), ==, 1000);
	clocks_free(c);
}

static void stepped_periodic_and_late(void)
{
	struct clocks *c = clocks_new_stepped(EPOCH);
	g_autoptr(GString) trace = g_string_new("");
	struct probe p, late;

	probe_init(&p, c, VM_CLOCK_VIRTUAL, trace, 'p');
	probe_init(&late, c, VM_CLOCK_VIRTUAL, trace, 'l');
	p.period = 10;
	p.left = 4;
	timer_set(&p.t, 10);
	clock_step_to(c, 35);
	g_assert_cmpstr(trace->str, ==, "ppp");
	timer_set(&late.t, 5);
	clock_step_to(c, 35);
	g_assert_cmpstr(trace->str, ==, "pppl");
	g_assert_cmpint(late.seen, ==, 35);
	clock_step_to(c, 1000);
	g_assert_cmpstr(trace->str, ==, "ppplpp");
	g_assert_cmpint(p.seen, ==, 50);
	clocks_free(c);
}

static void stepped_cancel_and_extremes(void)
{
	struct clocks *c = clocks_new_stepped(EPOCH);
	g_autoptr(GString) trace = g_string_new("");
	struct probe p, never, rtc;

	probe_init(&p, c, VM_CLOCK_VIRTUAL, trace, 'p');
	probe_init(&never, c, VM_CLOCK_VIRTUAL, trace, 'n');
	probe_init(&rtc, c, VM_CLOCK_RTC, trace, 'r');
	timer_set(&p.t, 10);
	timer_cancel(&p.t);
	timer_cancel(&p.t);
	timer_set(&never.t, INT64_MAX);
	timer_set(&rtc.t, INT64_MIN);
	clock_step_to(c, 100);
	g_assert_cmpstr(trace->str, ==, "r");
	g_assert_true(timer_armed(&never.t));
	timer_cancel(&never.t);
	clocks_free(c);
}

static void stepped_set(void)
{
	struct clocks *c = clocks_new_stepped(EPOCH);
	g_autoptr(GString) trace = g_string_new("");
	struct probe r;

	probe_init(&r, c, VM_CLOCK_RTC, trace, 'r');
	timer_set(&r.t, EPOCH + 10 * NSEC_PER_SEC);
	clock_step_to(c, 5);
	clocks_set_virtual(c, 1000);
	clocks_set_rtc(c, EPOCH + 9 * NSEC_PER_SEC);
	g_assert_cmpint(clock_now(c, VM_CLOCK_VIRTUAL), ==, 1000);
	g_assert_cmpint(clock_now(c, VM_CLOCK_RTC), ==, EPOCH + 9 * NSEC_PER_SEC);
	clock_step_to(c, 1000 + NSEC_PER_SEC - 1);
	g_assert_cmpstr(trace->str, ==, "");
	clock_step_to(c, 1000 + NSEC_PER_SEC);
	g_assert_cmpstr(trace->str, ==, "r");
	clocks_free(c);
}

/* ---- real ---- */

static struct clocks *real_clocks(struct loop **ret_loop)
{
	GError *error = NULL;
	struct clocks *c;

	*ret_loop = loop_new("test", &error);
	g_assert_no_error(error);
	c = clocks_new(*ret_loop, &error);
	g_assert_no_error(error);
	return c;
}

static void real_pause_and_run(void)
{
	struct loop *l;
	struct clocks *c = real_clocks(&l);
	int64_t host = clock_now(c, VM_CLOCK_HOST), at;

	g_assert_cmpint(clock_now(c, VM_CLOCK_VIRTUAL), ==, 0);
	clocks_set_virtual(c, 7 * NSEC_PER_SEC);
	g_assert_cmpint(clock_now(c, VM_CLOCK_VIRTUAL), ==, 7 * NSEC_PER_SEC);
	clocks_run(c);
	clocks_run(c);
	loop_iterate(l, 2);
	clocks_pause(c);
	at = clock_now(c, VM_CLOCK_VIRTUAL);
	g_assert_cmpint(at, >=, 7 * NSEC_PER_SEC + 2 * NSEC_PER_MSEC);
	g_assert_cmpint(at, <, 60 * NSEC_PER_SEC);
	loop_iterate(l, 2);
	clocks_pause(c);
	g_assert_cmpint(clock_now(c, VM_CLOCK_VIRTUAL), ==, at);
	g_assert_cmpint(clock_now(c, VM_CLOCK_HOST), >=, host + 4 * NSEC_PER_MSEC);
	clocks_free(c);
	loop_free(l);
}

static void real_rtc_is_wall_clock(void)
{
	struct loop *l;
	struct clocks *c = real_clocks(&l);
	int64_t diff = clock_now(c, VM_CLOCK_RTC) - time(NULL) * NSEC_PER_SEC;

	g_assert_cmpint(diff, >, -2 * NSEC_PER_SEC);
	g_assert_cmpint(diff, <, 2 * NSEC_PER_SEC);
	clocks_set_rtc(c, EPOCH);
	diff = clock_now(c, VM_CLOCK_RTC) - EPOCH;
	g_assert_cmpint(diff, >=, 0);
	g_assert_cmpint(diff, <, 60 * NSEC_PER_SEC);
	clocks_free(c);
	loop_free(l);
}

/* Later deadlines first, so that each setting has to bring the timerfd forward; none comes early. */
static void real_timers_fire(void)
{
	struct loop *l;
	struct clocks *c = real_clocks(&l);
	g_autoptr(GString) trace = g_string_new("");
	struct probe a, b, p;

	probe_init(&a, c, VM_CLOCK_HOST, trace, 'a');
	probe_init(&b, c, VM_CLOCK_VIRTUAL, trace, 'b');
	probe_init(&p, c, VM_CLOCK_RTC, trace, 'p');
	clocks_run(c);
	timer_set(&a.t, clock_now(c, VM_CLOCK_HOST) + 12 * NSEC_PER_MSEC);
	timer_set(&b.t, clock_now(c, VM_CLOCK_VIRTUAL) + 6 * NSEC_PER_MSEC);
	timer_set(&p.t, clock_now(c, VM_CLOCK_RTC) + NSEC_PER_MSEC);
	a.quit = l;
	loop_run(l);
	g_assert_cmpstr(trace->str, ==, "pba");
	g_assert_cmpint(a.seen, >=, a.t.deadline);
	g_assert_cmpint(b.seen, >=, b.t.deadline);
	g_assert_cmpint(p.seen, >=, p.t.deadline);
	clocks_free(c);
	loop_free(l);
}

/* A timer of the virtual clock waits while the clock stands, and fires when it goes on. */
static void real_paused_timer_waits(void)
{
	struct loop *l;
	struct clocks *c = real_clocks(&l);
	g_autoptr(GString) trace = g_string_new("");
	struct probe v, h;

	probe_init(&v, c, VM_CLOCK_VIRTUAL, trace, 'v');
	probe_init(&h, c, VM_CLOCK_HOST, trace, 'h');
	timer_set(&v.t, 1);
	timer_set(&h.t, clock_now(c, VM_CLOCK_HOST) + 3 * NSEC_PER_MSEC);
	h.quit = v.quit = l;
	loop_run(l);
	g_assert_cmpstr(trace->str, ==, "h");
	clocks_run(c);
	loop_run(l);
	g_assert_cmpstr(trace->str, ==, "hv");
	clocks_free(c);
	loop_free(l);
}

struct setter {
	struct clocks *clocks;
	struct probe probe;
	unsigned fired; /* atomic */
};

static void setter_fn(void *opaque)
{
	struct setter *s = opaque;

	__atomic_add_fetch(&s->fired, 1, __ATOMIC_RELEASE);
}

static void *setter_main(void *opaque)
{
	struct setter *s = opaque;

	for (unsigned i = 0; i < 300; i++) {
		unsigned before = __atomic_load_n(&s->fired, __ATOMIC_ACQUIRE);

		timer_set(&s->probe.t, clock_now(s->clocks, VM_CLOCK_HOST) + NSEC_PER_SEC);
		timer_cancel(&s->probe.t);
		timer_set(&s->probe.t, clock_now(s->clocks, VM_CLOCK_HOST) + 20 * NSEC_PER_USEC);
		while (__atomic_load_n(&s->fired, __ATOMIC_ACQUIRE) == before)
			sched_yield();
	}
	return NULL;
}

/* vCPU threads arm timers that the loop's thread fires. */
static void real_timers_from_threads(void)
{
	struct loop *l;
	struct clocks *c = real_clocks(&l);
	struct setter s[2] = {{.clocks = c}, {.clocks = c}};
	pthread_t t[2];
	GError *error = NULL;

	g_assert_true(loop_thread_start(l, &error));
	for (unsigned i = 0; i < 2; i++) {
		timer_init(&s[i].probe.t, c, VM_CLOCK_HOST, setter_fn, &s[i]);
		pthread_create(&t[i], NULL, setter_main, &s[i]);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	loop_thread_join(l);
	for (unsigned i = 0; i < 2; i++)
		g_assert_cmpuint(s[i].fired, ==, 300);
	clocks_free(c);
	loop_free(l);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/clock/stepped-in-order", stepped_in_order);
	g_test_add_func("/clock/stepped-periodic-and-late", stepped_periodic_and_late);
	g_test_add_func("/clock/stepped-cancel-and-extremes", stepped_cancel_and_extremes);
	g_test_add_func("/clock/stepped-set", stepped_set);
	g_test_add_func("/clock/real-pause-and-run", real_pause_and_run);
	g_test_add_func("/clock/real-rtc-is-wall-clock", real_rtc_is_wall_clock);
	g_test_add_func("/clock/real-timers-fire", real_timers_fire);
	g_test_add_func("/clock/real-paused-timer-waits", real_paused_timer_waits);
	g_test_add_func("/clock/real-timers-from-threads", real_timers_from_threads);
	return g_test_run();
}
