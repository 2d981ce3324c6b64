/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/vm/gate.h"

#include <glib.h>

#include "base/qs.h"

#define INTERVAL (20 * NSEC_PER_MSEC)
#define FLOOD    1000

struct fixture {
	struct loop *loop;
	struct gate gate;
	unsigned told;
	int64_t last; /* when */
};

static void tell(struct gate *g)
{
	struct fixture *f = container_of(g, struct fixture, gate);

	f->told++;
	f->last = loop_now();
}

static void set_up(struct fixture *f, const void *data)
{
	f->loop = loop_new("test", NULL);
	gate_init(&f->gate, f->loop, INTERVAL, tell);
}

static void tear_down(struct fixture *f, const void *data)
{
	gate_done(&f->gate);
	loop_free(f->loop);
}

static void wait_open(struct fixture *f)
{
	while (f->gate.closed)
		loop_iterate(f->loop, -1);
}

static void first_at_once(struct fixture *f, const void *data)
{
	gate_pass(&f->gate);
	g_assert_cmpuint(f->told, ==, 1);
	wait_open(f);
	g_assert_cmpuint(f->told, ==, 1);
	gate_pass(&f->gate);
	g_assert_cmpuint(f->told, ==, 2);
}

static void flood_becomes_one(struct fixture *f, const void *data)
{
	int64_t first;

	gate_pass(&f->gate);
	first = f->last;
	for (unsigned i = 0; i < FLOOD; i++)
		gate_pass(&f->gate);
	g_assert_cmpuint(f->told, ==, 1);
	wait_open(f);
	g_assert_cmpuint(f->told, ==, 2);
	g_assert_cmpint(f->last - first, >=, INTERVAL);
}

static void push_takes_what_waits(struct fixture *f, const void *data)
{
	gate_pass(&f->gate);
	gate_pass(&f->gate);
	gate_push(&f->gate);
	g_assert_cmpuint(f->told, ==, 2);
	wait_open(f);
	g_assert_cmpuint(f->told, ==, 2);
}

static void flush_tells_only_what_waits(struct fixture *f, const void *data)
{
	gate_flush(&f->gate);
	g_assert_cmpuint(f->told, ==, 0);
	gate_pass(&f->gate);
	gate_flush(&f->gate);
	g_assert_cmpuint(f->told, ==, 1);
	gate_pass(&f->gate);
	gate_flush(&f->gate);
	g_assert_cmpuint(f->told, ==, 2);
}

static void done_forgets(struct fixture *f, const void *data)
{
	gate_pass(&f->gate);
	gate_pass(&f->gate);
	gate_done(&f->gate);
	loop_iterate(f->loop, 2 * INTERVAL / NSEC_PER_MSEC);
	g_assert_cmpuint(f->told, ==, 1);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *path;
		void (*fn)(struct fixture *f, const void *data);
	} tests[] = {
		{"/gate/first-at-once", first_at_once},
		{"/gate/flood-becomes-one", flood_becomes_one},
		{"/gate/push-takes-what-waits", push_takes_what_waits},
		{"/gate/flush-tells-only-what-waits", flush_tells_only_what_waits},
		{"/gate/done-forgets", done_forgets},
	};

	g_test_init(&argc, &argv, NULL);
	qs_thread_init();
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].path, struct fixture, NULL, set_up, tests[i].fn, tear_down);
	return g_test_run();
}
