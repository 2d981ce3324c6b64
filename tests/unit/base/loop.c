/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/qs.h"

#define POSTERS 4
#define POSTS   5000
#define PINGS   2000

static struct loop *new_loop(void)
{
	GError *error = NULL;
	struct loop *l = loop_new("test", &error);

	g_assert_no_error(error);
	return l;
}

static int new_eventfd(uint64_t value)
{
	int fd = eventfd((unsigned)value, EFD_CLOEXEC | EFD_NONBLOCK);

	g_assert_cmpint(fd, >=, 0);
	return fd;
}

/* ---- file descriptors ---- */

struct watcher {
	struct loop_fd f;
	struct loop *loop;
	unsigned calls;
	struct watcher *victim; /* taken off by the callback */
};

static void watcher_ready(struct loop_fd *f, uint32_t events)
{
	struct watcher *w = container_of(f, struct watcher, f);

	g_assert_true(events & EPOLLIN);
	w->calls++;
	if (w->victim)
		loop_fd_del(w->loop, &w->victim->f);
}

static void fd_level_triggered(void)
{
	struct loop *l = new_loop();
	struct watcher w = {.f = {.fd = new_eventfd(1), .ready = watcher_ready}};
	uint64_t n;

	g_assert_cmpint(loop_fd_add(l, &w.f, EPOLLIN), ==, 0);
	g_assert_cmpint(loop_fd_add(l, &w.f, EPOLLIN), ==, -EEXIST);
	loop_iterate(l, 0);
	loop_iterate(l, 0);
	g_assert_cmpuint(w.calls, ==, 2);
	g_assert_cmpint(loop_fd_mod(l, &w.f, 0), ==, 0);
	loop_iterate(l, 0);
	g_assert_cmpuint(w.calls, ==, 2);
	g_assert_cmpint(loop_fd_mod(l, &w.f, EPOLLIN), ==, 0);
	loop_iterate(l, -1);
	g_assert_cmpuint(w.calls, ==, 3);
	g_assert_cmpint(read(w.f.fd, &n, sizeof(n)), ==, sizeof(n));
	loop_iterate(l, 0);
	g_assert_cmpuint(w.calls, ==, 3);
	loop_fd_del(l, &w.f);
	loop_fd_del(l, &w.f);
	loop_fd_del(l, NULL);
	close(w.f.fd);
	loop_free(l);
}

/* Both are ready; whichever comes first takes the other off, which must not be called although it is in the batch. */
static void fd_deleted_in_batch(void)
{
	struct loop *l = new_loop();
	struct watcher *a = g_new0(struct watcher, 1), *b = g_new0(struct watcher, 1);

	*a = (struct watcher){
		.f = {.fd = new_eventfd(1), .ready = watcher_ready}, .loop = l, .victim = b};
	*b = (struct watcher){
		.f = {.fd = new_eventfd(1), .ready = watcher_ready}, .loop = l, .victim = a};
	g_assert_cmpint(loop_fd_add(l, &a->f, EPOLLIN), ==, 0);
	g_assert_cmpint(loop_fd_add(l, &b->f, EPOLLIN), ==, 0);
	loop_iterate(l, 0);
	g_assert_cmpuint(a->calls + b->calls, ==, 1);
	g_assert_true(a->f.added != b->f.added);
	loop_fd_del(l, &a->f);
	loop_fd_del(l, &b->f);
	close(a->f.fd);
	close(b->f.fd);
	g_free(a);
	g_free(b);
	loop_free(l);
}

static void fd_regular_file(void)
{
	struct loop *l = new_loop();
	struct loop_fd f = {.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), .ready = NULL};

	g_assert_cmpint(f.fd, >=, 0);
	g_assert_cmpint(loop_fd_add(l, &f, EPOLLIN), ==, -EPERM);
	g_assert_false(f.added);
	close(f.fd);
	loop_free(l);
}

/* ---- messages ---- */

struct message {
	struct loop_call call;
	struct loop *loop;
	unsigned calls, again; /* post itself so often */
	GString *trace;
	char name;
	struct message *victim; /* cancelled by the call */
};

static void message_fn(struct loop_call *c)
{
	struct message *m = container_of(c, struct message, call);

	m->calls++;
	if (m->trace)
		g_string_append_c(m->trace, m->name);
	if (m->victim)
		loop_call_cancel(m->loop, &m->victim->call);
	if (m->again) {
		m->again--;
		loop_post(m->loop, &m->call);
	}
}

static void post_in_order_once(void)
{
	struct loop *l = new_loop();
	g_autoptr(GString) trace = g_string_new("");
	struct message m[4];

	for (unsigned i = 0; i < ARRAY_SIZE(m); i++)
		m[i] = (struct message){
			.call.fn = message_fn, .loop = l, .trace = trace, .name = (char)('a' + i)};
	m[1].again = 1;
	for (unsigned i = 0; i < ARRAY_SIZE(m); i++)
		loop_post(l, &m[i].call);
	loop_post(l, &m[0].call);
	loop_iterate(l, -1);
	g_assert_cmpstr(trace->str, ==, "abcd");
	loop_iterate(l, -1);
	g_assert_cmpstr(trace->str, ==, "abcdb");
	loop_iterate(l, 0);
	g_assert_cmpstr(trace->str, ==, "abcdb");
	loop_free(l);
}

/* A call takes another off that waits behind it; both places where a message can wait are met. */
static void post_cancelled(void)
{
	struct loop *l = new_loop();
	g_autoptr(GString) trace = g_string_new("");
	struct message m[3];

	for (unsigned i = 0; i < ARRAY_SIZE(m); i++)
		m[i] = (struct message){
			.call.fn = message_fn, .loop = l, .trace = trace, .name = (char)('a' + i)};
	m[1].victim = &m[2];
	loop_call_cancel(l, &m[0].call);
	for (unsigned i = 0; i < ARRAY_SIZE(m); i++)
		loop_post(l, &m[i].call);
	loop_call_cancel(l, &m[0].call);
	loop_iterate(l, -1);
	g_assert_cmpstr(trace->str, ==, "b");
	loop_post(l, &m[0].call);
	loop_post(l, &m[2].call);
	loop_iterate(l, -1);
	g_assert_cmpstr(trace->str, ==, "bac");
	loop_free(l);
}

struct counter {
	struct loop_call call;
	unsigned wanted; /* atomic: rises with each post */
	unsigned seen;   /* loop thread: the last value a call saw */
	unsigned calls;
	struct loop *loop;
};

static void counter_fn(struct loop_call *c)
{
	struct counter *n = container_of(c, struct counter, call);

	n->seen = __atomic_load_n(&n->wanted, __ATOMIC_RELAXED);
	n->calls++;
}

static void *poster(void *opaque)
{
	struct counter *n = opaque;

	for (unsigned i = 0; i < POSTS; i++) {
		__atomic_add_fetch(&n->wanted, 1, __ATOMIC_RELAXED);
		loop_post(n->loop, &n->call);
		if (i % 64 == 0)
			sched_yield();
	}
	return NULL;
}

/* Each thread raises its number and posts: no number may be left unseen, in whatever way the posts were merged. */
static void post_from_many_threads(void)
{
	struct loop *l = new_loop();
	struct counter n[POSTERS];
	pthread_t t[POSTERS];
	GError *error = NULL;

	g_assert_true(loop_thread_start(l, &error));
	g_assert_no_error(error);
	for (unsigned i = 0; i < POSTERS; i++) {
		n[i] = (struct counter){.call.fn = counter_fn, .loop = l};
		pthread_create(&t[i], NULL, poster, &n[i]);
	}
	for (unsigned i = 0; i < POSTERS; i++)
		pthread_join(t[i], NULL);
	loop_thread_join(l);
	/* What was posted after the quit is still there. */
	loop_iterate(l, 0);
	for (unsigned i = 0; i < POSTERS; i++) {
		g_assert_cmpuint(n[i].seen, ==, POSTS);
		g_assert_cmpuint(n[i].calls, >, 0);
		g_assert_cmpuint(n[i].calls, <=, POSTS);
	}
	loop_free(l);
}

struct ping {
	struct loop_call call;
	struct loop *here, *there;
	struct ping *other;
	unsigned left;
};

static void ping_fn(struct loop_call *c)
{
	struct ping *p = container_of(c, struct ping, call);

	g_assert_true(loop_is_current(p->here));
	/* While the first message is under way, the other loop may not run yet, and is anybody's. */
	if (p->left < PINGS)
		g_assert_false(loop_is_current(p->there));
	qs_enter();
	qs_leave();
	if (p->left-- == 0)
		loop_quit(p->there);
	else
		loop_post(p->there, &p->other->call);
}

/* Two loops that both sleep between messages: a lost wake-up would hang here. */
static void ping_pong_wakes(void)
{
	struct loop *a = new_loop(), *b = new_loop();
	struct ping pa = {.call.fn = ping_fn, .here = a, .there = b, .left = PINGS};
	struct ping pb = {.call.fn = ping_fn, .here = b, .there = a, .left = PINGS};
	GError *error = NULL;

	pa.other = &pb;
	pb.other = &pa;
	g_assert_true(loop_thread_start(b, &error));
	loop_post(b, &pb.call);
	loop_run(a);
	loop_thread_join(b);
	g_assert_cmpuint(pa.left, ==, 0);
	loop_free(a);
	loop_free(b);
}

static void quit_before_run(void)
{
	struct loop *l = new_loop();
	GError *error = NULL;

	loop_quit(l);
	loop_run(l);
	g_assert_true(loop_thread_start(l, &error));
	g_assert_no_error(error);
	loop_thread_join(l);
	loop_free(l);
}

/* ---- timers ---- */

struct tick {
	struct loop_timer t;
	struct loop *loop;
	GString *trace;
	char name;
	struct tick *victim;
	bool always; /* arms itself in the past */
};

static void tick_fn(struct loop_timer *t)
{
	struct tick *k = container_of(t, struct tick, t);

	g_assert_cmpint(loop_now(), >=, t->deadline);
	g_string_append_c(k->trace, k->name);
	if (k->victim)
		loop_timer_cancel(k->loop, &k->victim->t);
	if (k->always)
		loop_timer_set(k->loop, t, t->deadline);
}

static void timers_in_order(void)
{
	struct loop *l = new_loop();
	g_autoptr(GString) trace = g_string_new("");
	int64_t start = loop_now();
	struct tick k[4];

	for (unsigned i = 0; i < ARRAY_SIZE(k); i++)
		k[i] = (struct tick){
			.t.fn = tick_fn, .loop = l, .trace = trace, .name = (char)('a' + i)};
	k[1].victim = &k[3];
	loop_timer_set(l, &k[0].t, start + 9 * NSEC_PER_MSEC);
	loop_timer_set(l, &k[1].t, start + 5 * NSEC_PER_MSEC);
	loop_timer_set(l, &k[2].t, start + 1 * NSEC_PER_MSEC);
	loop_timer_set(l, &k[3].t, start + 7 * NSEC_PER_MSEC);
	loop_timer_set(l, &k[2].t, start + 6 * NSEC_PER_MSEC);
	while (trace->len < 3)
		loop_iterate(l, -1);
	g_assert_cmpstr(trace->str, ==, "bca");
	g_assert_cmpint(loop_now() - start, >=, 9 * NSEC_PER_MSEC);
	loop_timer_cancel(l, &k[3].t);
	loop_free(l);
}

/* A timer that is always due gets one turn a round, and messages get theirs. */
static void timer_always_due(void)
{
	struct loop *l = new_loop();
	g_autoptr(GString) trace = g_string_new("");
	struct tick k = {.t.fn = tick_fn, .loop = l, .trace = trace, .name = 't', .always = true};
	struct message m = {.call.fn = message_fn, .loop = l, .trace = trace, .name = 'm'};

	loop_timer_set(l, &k.t, loop_now());
	loop_post(l, &m.call);
	loop_iterate(l, -1);
	loop_iterate(l, -1);
	g_assert_cmpstr(trace->str, ==, "tmt");
	loop_timer_cancel(l, &k.t);
	loop_free(l);
}

static void iterate_times_out(void)
{
	struct loop *l = new_loop();
	int64_t start = loop_now();

	loop_iterate(l, 5);
	g_assert_cmpint(loop_now() - start, >=, 5 * NSEC_PER_MSEC);
	loop_free(l);
}

/* ---- hooks ---- */

struct counting_hook {
	struct loop_hook h;
	struct loop *loop;
	unsigned calls;
	bool once;
};

static void counting_fn(struct loop_hook *h)
{
	struct counting_hook *c = container_of(h, struct counting_hook, h);

	c->calls++;
	if (c->once)
		loop_hook_del(c->loop, h);
}

static void hooks_end_a_round(void)
{
	struct loop *l = new_loop();
	struct counting_hook a = {.h.fn = counting_fn, .loop = l};
	struct counting_hook b = {.h.fn = counting_fn, .loop = l, .once = true};

	loop_hook_add(l, &a.h);
	loop_hook_add(l, &b.h);
	loop_iterate(l, 0);
	loop_iterate(l, 0);
	g_assert_cmpuint(a.calls, ==, 2);
	g_assert_cmpuint(b.calls, ==, 1);
	loop_hook_del(l, &a.h);
	loop_hook_del(l, &b.h);
	loop_iterate(l, 0);
	g_assert_cmpuint(a.calls, ==, 2);
	loop_free(l);
}

/* ---- embedding ---- */

static void source_serves_everything(void)
{
	struct loop *l = new_loop();
	g_autoptr(GMainContext) context = g_main_context_new();
	g_autoptr(GString) trace = g_string_new("");
	GSource *source = loop_source_new(l);
	struct watcher w = {
		.f = {.fd = new_eventfd(0), .ready = watcher_ready}, .loop = l, .victim = &w};
	struct tick k = {.t.fn = tick_fn, .loop = l, .trace = trace, .name = 't'};
	struct message m = {
		.call.fn = message_fn, .loop = l, .trace = trace, .name = 'm', .again = 1};
	uint64_t one = 1;

	g_source_attach(source, context);
	g_assert_cmpint(loop_fd_add(l, &w.f, EPOLLIN), ==, 0);
	loop_post(l, &m.call);
	loop_timer_set(l, &k.t, loop_now() + 3 * NSEC_PER_MSEC);
	while (m.calls < 2)
		g_main_context_iteration(context, TRUE);
	while (!strchr(trace->str, 't'))
		g_main_context_iteration(context, TRUE);
	g_assert_cmpint(write(w.f.fd, &one, sizeof(one)), ==, sizeof(one));
	while (!w.calls)
		g_main_context_iteration(context, TRUE);
	g_assert_cmpstr(trace->str, ==, "mmt");
	g_source_destroy(source);
	g_source_unref(source);
	close(w.f.fd);
	loop_free(l);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/loop/fd-level-triggered", fd_level_triggered);
	g_test_add_func("/loop/fd-deleted-in-batch", fd_deleted_in_batch);
	g_test_add_func("/loop/fd-regular-file", fd_regular_file);
	g_test_add_func("/loop/post-in-order-once", post_in_order_once);
	g_test_add_func("/loop/post-cancelled", post_cancelled);
	g_test_add_func("/loop/post-from-many-threads", post_from_many_threads);
	g_test_add_func("/loop/ping-pong-wakes", ping_pong_wakes);
	g_test_add_func("/loop/quit-before-run", quit_before_run);
	g_test_add_func("/loop/timers-in-order", timers_in_order);
	g_test_add_func("/loop/timer-always-due", timer_always_due);
	g_test_add_func("/loop/iterate-times-out", iterate_times_out);
	g_test_add_func("/loop/hooks-end-a-round", hooks_end_a_round);
	g_test_add_func("/loop/source-serves-everything", source_serves_everything);
	return g_test_run();
}
