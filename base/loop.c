/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "base/heap.h"
#include "base/qs.h"

#define LOOP_EVENTS 64 /* taken from epoll in one round; the rest come in the next */

struct loop {
	char name[16];
	int epfd;
	int wake_fd; /* eventfd */
	struct loop_fd wake;
	pthread_t owner;  /* atomic: thread inside loop_run(), 0 none */
	pthread_t thread; /* of loop_thread_start(), 0 none */
	int quit;         /* atomic */

	/*
	 * Messages: any thread pushes on a stack, the loop takes the whole stack and turns it round into
	 * `calls`. A poster writes to wake_fd only if it is the one who takes `asleep` away.
	 */
	struct loop_call *posted; /* atomic, newest first */
	struct loop_call *calls;  /* oldest first */
	int asleep;               /* atomic: the loop waits in epoll, or is about to */

	struct heap timers;
	struct loop_hook *hooks;
	struct loop_hook *next_hook; /* of the walk in progress */

	/* Events of this round that are not dispatched yet: events[event..n_events) */
	struct epoll_event events[LOOP_EVENTS];
	int event, n_events;
	bool in_round;
};

int64_t loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* The eventfd is edge triggered: each write is an event, and nobody needs to read it. */
static void wake_ready(struct loop_fd *f, uint32_t events)
{
}

static void wake(struct loop *l)
{
	static const uint64_t one = 1;

	/* Fails only when the counter is full, 2^64 wake-ups from now. */
	(void)!write(l->wake_fd, &one, sizeof(one));
}

struct loop *loop_new(const char *name, GError **error)
{
	struct loop *l = g_new0(struct loop, 1);

	g_strlcpy(l->name, name, sizeof(l->name));
	heap_init(&l->timers, offsetof(struct loop_timer, pos));
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->wake = (struct loop_fd){.fd = l->wake_fd, .ready = wake_ready};
	if (l->epfd < 0 || l->wake_fd < 0 || loop_fd_add(l, &l->wake, EPOLLIN | EPOLLET) < 0) {
		err_set_errno(error, errno, "event loop %s", name);
		loop_free(l);
		return NULL;
	}
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	g_assert(!l->owner && !l->thread && !l->timers.n && !l->hooks);
	fd_close(&l->epfd);
	fd_close(&l->wake_fd);
	heap_done(&l->timers);
	g_free(l);
}

/* ---- file descriptors ------------------------------------------------------------------------ */

static int fd_control(struct loop *l, struct loop_fd *f, int op, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = f};

	if (epoll_ctl(l->epfd, op, f->fd, &e) < 0)
		return -errno;
	f->events = events;
	f->added = true;
	return 0;
}

int loop_fd_add(struct loop *l, struct loop_fd *f, uint32_t events)
{
	return fd_control(l, f, EPOLL_CTL_ADD, events);
}

int loop_fd_mod(struct loop *l, struct loop_fd *f, uint32_t events)
{
	return f->events == events ? 0 : fd_control(l, f, EPOLL_CTL_MOD, events);
}

void loop_fd_del(struct loop *l, struct loop_fd *f)
{
	if (!f || !f->added)
		return;
	/* Fails if the descriptor was closed before: then epoll has forgotten it by itself. */
	(void)epoll_ctl(l->epfd, EPOLL_CTL_DEL, f->fd, NULL);
	f->added = false;
	for (int i = l->event; i < l->n_events; i++) {
		if (l->events[i].data.ptr == f)
			l->events[i].data.ptr = NULL;
	}
}

static void dispatch_fds(struct loop *l)
{
	while (l->event < l->n_events) {
		const struct epoll_event *e = &l->events[l->event++];
		struct loop_fd *f = e->data.ptr;

		if (f)
			f->ready(f, e->events);
	}
}

/* ---- messages -------------------------------------------------------------------------------- */

void loop_post(struct loop *l, struct loop_call *c)
{
	if (__atomic_exchange_n(&c->queued, 1, __ATOMIC_ACQ_REL))
		return;
	c->next = __atomic_load_n(&l->posted, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(
		&l->posted, &c->next, c, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		continue;
	if (__atomic_load_n(&l->asleep, __ATOMIC_SEQ_CST) &&
		__atomic_exchange_n(&l->asleep, 0, __ATOMIC_SEQ_CST))
		wake(l);
}

/* Appends what was posted to `calls`. */
static void take_posted(struct loop *l)
{
	struct loop_call *stack = __atomic_exchange_n(&l->posted, NULL, __ATOMIC_ACQ_REL);
	struct loop_call *list = NULL, **end = &l->calls;

	while (stack) {
		struct loop_call *c = stack;

		stack = c->next;
		c->next = list;
		list = c;
	}
	while (*end)
		end = &(*end)->next;
	*end = list;
}

void loop_call_cancel(struct loop *l, struct loop_call *c)
{
	struct loop_call **p = &l->calls;

	if (!__atomic_load_n(&c->queued, __ATOMIC_ACQUIRE))
		return;
	take_posted(l);
	while (*p && *p != c)
		p = &(*p)->next;
	if (!*p)
		return;
	*p = c->next;
	__atomic_store_n(&c->queued, 0, __ATOMIC_RELEASE);
}

static bool calls_wait(const struct loop *l)
{
	return l->calls || __atomic_load_n(&l->posted, __ATOMIC_SEQ_CST);
}

/* As many as waited at the beginning: a call that posts itself leaves the others their turn. */
static void dispatch_calls(struct loop *l)
{
	struct loop_call *c;
	unsigned n = 0;

	take_posted(l);
	for (c = l->calls; c; c = c->next)
		n++;
	while (n-- && (c = l->calls)) {
		l->calls = c->next;
		/* From here on it may be posted again; whoever saw it queued before had written its data before. */
		__atomic_exchange_n(&c->queued, 0, __ATOMIC_ACQ_REL);
		c->fn(c);
	}
}

/* ---- timers ---------------------------------------------------------------------------------- */

void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t deadline_ns)
{
	t->deadline = deadline_ns;
	heap_set(&l->timers, t, deadline_ns);
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	heap_remove(&l->timers, t);
}

/* At most as many as were armed: a timer that is always due does not stop the loop. */
static void dispatch_timers(struct loop *l)
{
	int64_t now = l->timers.n ? loop_now() : 0;

	for (unsigned n = l->timers.n; n; n--) {
		const struct heap_entry *e = heap_first(&l->timers);
		struct loop_timer *t;

		if (!e || e->deadline > now)
			break;
		t = e->item;
		heap_remove(&l->timers, t);
		t->fn(t);
	}
}

/* Nanoseconds until the first timer, at most @limit (-1: no limit); -1 for ever. */
static int64_t time_to_wait(const struct loop *l, int64_t limit)
{
	const struct heap_entry *e = heap_first(&l->timers);
	int64_t ns;

	if (!e)
		return limit;
	ns = e->deadline - loop_now();
	ns = MAX(ns, 0);
	return limit < 0 ? ns : MIN(ns, limit);
}

/* ---- hooks ----------------------------------------------------------------------------------- */

void loop_hook_add(struct loop *l, struct loop_hook *h)
{
	h->next = l->hooks;
	l->hooks = h;
}

void loop_hook_del(struct loop *l, struct loop_hook *h)
{
	struct loop_hook **p = &l->hooks;

	while (*p && *p != h)
		p = &(*p)->next;
	if (!*p)
		return;
	*p = h->next;
	if (l->next_hook == h)
		l->next_hook = h->next;
}

static void call_hooks(struct loop *l)
{
	for (struct loop_hook *h = l->hooks; h; h = l->next_hook) {
		l->next_hook = h->next;
		h->fn(h);
	}
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/*
 * True when the loop may sleep: posters ring from now on. What was posted before is seen here; what is posted
 * later sees `asleep`.
 */
static bool fall_asleep(struct loop *l)
{
	__atomic_store_n(&l->asleep, 1, __ATOMIC_SEQ_CST);
	return !calls_wait(l);
}

static void wait_for_events(struct loop *l, int64_t timeout_ns)
{
	struct timespec ts;
	int n;

	timeout_ns = time_to_wait(l, timeout_ns);
	if (timeout_ns && !fall_asleep(l))
		timeout_ns = 0;
	ts.tv_sec = timeout_ns / NSEC_PER_SEC;
	ts.tv_nsec = timeout_ns % NSEC_PER_SEC;
	n = epoll_pwait2(l->epfd, l->events, LOOP_EVENTS, timeout_ns < 0 ? NULL : &ts, NULL);
	__atomic_store_n(&l->asleep, 0, __ATOMIC_RELAXED);
	l->event = 0;
	l->n_events = MAX(n, 0); /* EINTR: an empty round */
}

static void round_run(struct loop *l, int64_t timeout_ns)
{
	g_assert(!l->in_round);
	wait_for_events(l, timeout_ns);
	l->in_round = true;
	dispatch_fds(l);
	dispatch_timers(l);
	dispatch_calls(l);
	call_hooks(l);
	l->in_round = false;
}

void loop_iterate(struct loop *l, int timeout_ms)
{
	round_run(l, timeout_ms < 0 ? -1 : timeout_ms * NSEC_PER_MSEC);
}

void loop_run(struct loop *l)
{
	qs_thread_init();
	__atomic_store_n(&l->owner, pthread_self(), __ATOMIC_RELEASE);
	/* Each quit ends one run, also a run that has not begun yet. */
	while (!__atomic_exchange_n(&l->quit, 0, __ATOMIC_ACQ_REL))
		round_run(l, -1);
	/* Messages from before the quit are not lost: owners let go of what they hold by message. */
	dispatch_calls(l);
	__atomic_store_n(&l->owner, 0, __ATOMIC_RELEASE);
	qs_thread_done();
}

void loop_quit(struct loop *l)
{
	__atomic_store_n(&l->quit, 1, __ATOMIC_RELEASE);
	wake(l);
}

bool loop_is_current(const struct loop *l)
{
	pthread_t owner = __atomic_load_n(&l->owner, __ATOMIC_ACQUIRE);

	return !owner || pthread_equal(owner, pthread_self());
}

static void *thread_main(void *opaque)
{
	struct loop *l = opaque;

	pthread_setname_np(pthread_self(), l->name);
	loop_run(l);
	return NULL;
}

/* Signals are for the main thread and for vCPUs; only that of a refused system call comes to whoever made it. */
bool loop_thread_start(struct loop *l, GError **error)
{
	pthread_attr_t attr;
	sigset_t blocked;
	int err;

	sigfillset(&blocked);
	sigdelset(&blocked, SIGSYS);
	pthread_attr_init(&attr);
	pthread_attr_setsigmask_np(&attr, &blocked);
	err = pthread_create(&l->thread, &attr, thread_main, l);
	pthread_attr_destroy(&attr);
	if (err) {
		l->thread = 0;
		return err_set_errno(error, err, "thread of event loop %s", l->name);
	}
	return true;
}

void loop_thread_join(struct loop *l)
{
	if (!l->thread)
		return;
	loop_quit(l);
	pthread_join(l->thread, NULL);
	l->thread = 0;
}

/* ---- embedding ------------------------------------------------------------------------------- */

struct loop_source {
	GSource source;
	struct loop *loop;
	gpointer tag; /* of epfd */
};

static gboolean source_prepare(GSource *source, gint *timeout)
{
	struct loop *l = ((struct loop_source *)source)->loop;
	int64_t ns = time_to_wait(l, -1);

	if (!fall_asleep(l))
		ns = 0;
	*timeout = ns < 0 ? -1 : (gint)MIN((ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC, G_MAXINT);
	return ns == 0;
}

static gboolean source_check(GSource *source)
{
	struct loop_source *s = (struct loop_source *)source;

	return g_source_query_unix_fd(source, s->tag) || time_to_wait(s->loop, -1) == 0 ||
	       calls_wait(s->loop);
}

static gboolean source_dispatch(GSource *source, GSourceFunc fn, gpointer opaque)
{
	round_run(((struct loop_source *)source)->loop, 0);
	return G_SOURCE_CONTINUE;
}

GSource *loop_source_new(struct loop *l)
{
	static GSourceFuncs funcs = {
		.prepare = source_prepare,
		.check = source_check,
		.dispatch = source_dispatch,
	};
	GSource *source = g_source_new(&funcs, sizeof(struct loop_source));
	struct loop_source *s = (struct loop_source *)source;

	s->loop = l;
	s->tag = g_source_add_unix_fd(source, l->epfd, G_IO_IN);
	g_source_set_name(source, l->name);
	return source;
}
