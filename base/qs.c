/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each thread counts the beginnings and ends of its sections: odd means inside. A grace period begins with a look at all
 * counts, and is over when each thread was outside then, or has moved on since. What was deferred before it
 * began is free to go then; what is deferred meanwhile waits for the next one.
 *
 *	reader				writer
 *	count++ (odd)			unlink the table
 *	light fence			heavy fence
 *	load table			look at all counts … look again → free
 *	count++ (even)
 *
 * Either the first look sees the reader inside, or the reader's load of the table comes after it and so after the
 * unlinking. A reader touches nothing but its own count.
 */
#include "base/qs.h"

#include <glib.h>
#include <pthread.h>
#include <time.h>

struct qs_thread {
	struct qs_reader *reader;
	unsigned registrations;
	uint64_t seen; /* lock: count when the grace period began */
	struct qs_thread *next;
};

struct deferred {
	struct deferred *next;
	void *ptr;
	void (*fn)(void *ptr);
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t idle; /* running went to 0 */
	struct qs_thread *threads;
	uint64_t begun, over;           /* grace periods; equal when none is under way */
	struct deferred *waiting;       /* for the one under way */
	struct deferred *fresh, **last; /* for the next one */
	unsigned running;               /* threads that are calling deferred functions */
} qs = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.idle = PTHREAD_COND_INITIALIZER,
	.last = &qs.fresh,
};

__thread struct qs_reader qs_self;
static __thread struct qs_thread self;

void qs_thread_init(void)
{
	if (self.registrations++)
		return;
	self.reader = &qs_self;
	qs_self.cheap_fence = fence_init();
	pthread_mutex_lock(&qs.lock);
	self.seen = 0;
	self.next = qs.threads;
	qs.threads = &self;
	pthread_mutex_unlock(&qs.lock);
}

void qs_thread_done(void)
{
	struct qs_thread **p = &qs.threads;

	g_assert(self.registrations && !qs_self.nesting);
	if (--self.registrations)
		return;
	pthread_mutex_lock(&qs.lock);
	while (*p != &self)
		p = &(*p)->next;
	*p = self.next;
	pthread_mutex_unlock(&qs.lock);
	qs_self.cheap_fence = false;
}

void qs_enter_slow(void)
{
	g_assert(self.registrations);
	fence_light(false);
}

/* ---- grace periods ---- */

static uint64_t count_of(const struct qs_thread *t)
{
	return __atomic_load_n(&t->reader->count, __ATOMIC_ACQUIRE);
}

static bool are_others_locked(void)
{
	return qs.threads && (qs.threads != &self || qs.threads->next);
}

static void begin_locked(void)
{
	qs.begun++;
	qs.waiting = qs.fresh;
	qs.fresh = NULL;
	qs.last = &qs.fresh;
	if (are_others_locked())
		fence_heavy();
	for (struct qs_thread *t = qs.threads; t; t = t->next)
		t->seen = count_of(t);
}

static bool is_over_locked(void)
{
	for (const struct qs_thread *t = qs.threads; t; t = t->next) {
		if (t->seen % 2 && count_of(t) == t->seen)
			return false;
	}
	return true;
}

/* Ends the period under way if it is over; the list of what is free to go then, which may be empty. */
static bool end_locked(struct deferred **ret)
{
	if (qs.over == qs.begun || !is_over_locked())
		return false;
	qs.over = qs.begun;
	*ret = qs.waiting;
	qs.waiting = NULL;
	return true;
}

static void call_all(struct deferred *d)
{
	struct deferred *next;

	for (; d; d = next) {
		next = d->next;
		d->fn(d->ptr);
		g_free(d);
	}
}

/*
 * Goes on as far as readers allow, until period @target is over or, short of that, nothing is waiting. Lock held, but given
 * up while functions are called. True when @target is over.
 */
static bool advance_locked(uint64_t target)
{
	struct deferred *ready;

	for (;;) {
		if (qs.over == qs.begun) {
			if (qs.over >= target && !qs.fresh)
				return true;
			begin_locked();
		}
		if (!end_locked(&ready))
			return qs.over >= target;
		if (!ready)
			continue;
		qs.running++;
		pthread_mutex_unlock(&qs.lock);
		call_all(ready);
		pthread_mutex_lock(&qs.lock);
		if (--qs.running == 0)
			pthread_cond_broadcast(&qs.idle);
	}
}

void qs_defer(void *ptr, void (*fn)(void *ptr))
{
	struct deferred *d = g_new(struct deferred, 1);

	*d = (struct deferred){.ptr = ptr, .fn = fn};
	pthread_mutex_lock(&qs.lock);
	if (!qs_self.nesting)
		advance_locked(0);
	*qs.last = d;
	qs.last = &d->next;
	/* At once, so that sections which begin later do not hold it back. */
	if (qs.over == qs.begun)
		begin_locked();
	pthread_mutex_unlock(&qs.lock);
}

void qs_flush(void)
{
	static const struct timespec nap = {.tv_nsec = 20 * NSEC_PER_USEC};
	uint64_t target;

	g_assert(!qs_self.nesting);
	pthread_mutex_lock(&qs.lock);
	/* One that is under way may have begun before what was deferred last. */
	target = qs.begun + 1;
	/* A wake-up by the reader would cost each qs_leave() a barrier; sections are short, so look again. */
	while (!advance_locked(target)) {
		pthread_mutex_unlock(&qs.lock);
		nanosleep(&nap, NULL);
		pthread_mutex_lock(&qs.lock);
	}
	while (qs.running)
		pthread_cond_wait(&qs.idle, &qs.lock);
	pthread_mutex_unlock(&qs.lock);
}
