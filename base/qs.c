/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Epochs: a global counter moves on with every deferral, a reader publishes the epoch in which its section began. What
 * was deferred in epoch e is free to go when every open section began later than e.
 *
 *	reader				writer
 *	e = load epoch			unlink the table
 *	active = e (full barrier)	tag = epoch++ (full barrier)
 *	load table			scan: all active are 0 or > tag → free
 *
 * Either the scan sees the reader's active, or the reader's load of the table comes after the scan and so after the
 * unlinking. A reader that read epoch > tag has seen the increment and with it the unlinking.
 */
#include "base/qs.h"

#include <glib.h>
#include <pthread.h>
#include <time.h>

/* A thread's record; active is written by its thread and read by all, so it has a cache line of its own. */
struct qs_thread {
	_Alignas(64) uint64_t active; /* atomic: epoch in which the section began, 0 outside */
	unsigned nesting;
	unsigned registrations;
	struct qs_thread *next;
};

struct deferred {
	struct deferred *next;
	uint64_t tag;
	void *ptr;
	void (*fn)(void *ptr);
};

static uint64_t epoch = 1; /* atomic */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t idle; /* running went to 0 */
	struct qs_thread *threads;
	struct deferred *first, **last; /* ascending tags */
	unsigned running;               /* threads that are calling deferred functions */
} qs = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.idle = PTHREAD_COND_INITIALIZER,
	.last = &qs.first,
};

static __thread struct qs_thread self;

void qs_thread_init(void)
{
	if (self.registrations++)
		return;
	pthread_mutex_lock(&qs.lock);
	self.next = qs.threads;
	qs.threads = &self;
	pthread_mutex_unlock(&qs.lock);
}

void qs_thread_done(void)
{
	struct qs_thread **p = &qs.threads;

	g_assert(self.registrations && !self.nesting);
	if (--self.registrations)
		return;
	pthread_mutex_lock(&qs.lock);
	while (*p != &self)
		p = &(*p)->next;
	*p = self.next;
	pthread_mutex_unlock(&qs.lock);
}

__hot_path void qs_enter(void)
{
	if (self.nesting++)
		return;
	g_assert(self.registrations);
	/* An exchange is a full barrier, and unlike a fence it is seen by the thread sanitizer. */
	__atomic_exchange_n(
		&self.active, __atomic_load_n(&epoch, __ATOMIC_ACQUIRE), __ATOMIC_SEQ_CST);
}

__hot_path void qs_leave(void)
{
	g_assert(self.nesting);
	if (--self.nesting == 0)
		__atomic_store_n(&self.active, 0, __ATOMIC_RELEASE);
}

/* Epoch of the longest open section, UINT64_MAX when there is none. */
static uint64_t oldest_section_locked(void)
{
	uint64_t oldest = UINT64_MAX;

	for (struct qs_thread *t = qs.threads; t; t = t->next) {
		uint64_t e = __atomic_load_n(&t->active, __ATOMIC_SEQ_CST);

		if (e && e < oldest)
			oldest = e;
	}
	return oldest;
}

/* Takes what no section can see any more off the list. */
static struct deferred *take_ready_locked(void)
{
	uint64_t oldest = oldest_section_locked();
	struct deferred *ready = qs.first, **end = &qs.first;

	while (*end && (*end)->tag < oldest)
		end = &(*end)->next;
	if (end == &qs.first)
		return NULL;
	qs.first = *end;
	*end = NULL;
	if (!qs.first)
		qs.last = &qs.first;
	return ready;
}

static void run_ready(void)
{
	struct deferred *d, *next;

	pthread_mutex_lock(&qs.lock);
	d = take_ready_locked();
	qs.running++;
	pthread_mutex_unlock(&qs.lock);

	for (; d; d = next) {
		next = d->next;
		d->fn(d->ptr);
		g_free(d);
	}

	pthread_mutex_lock(&qs.lock);
	if (--qs.running == 0)
		pthread_cond_broadcast(&qs.idle);
	pthread_mutex_unlock(&qs.lock);
}

void qs_defer(void *ptr, void (*fn)(void *ptr))
{
	struct deferred *d = g_new(struct deferred, 1);

	*d = (struct deferred){.ptr = ptr, .fn = fn};
	if (!self.nesting)
		run_ready();
	pthread_mutex_lock(&qs.lock);
	d->tag = __atomic_fetch_add(&epoch, 1, __ATOMIC_SEQ_CST);
	*qs.last = d;
	qs.last = &d->next;
	pthread_mutex_unlock(&qs.lock);
}

void qs_flush(void)
{
	static const struct timespec nap = {.tv_nsec = 20 * NSEC_PER_USEC};
	uint64_t tag = __atomic_fetch_add(&epoch, 1, __ATOMIC_SEQ_CST);
	bool open;

	g_assert(!self.nesting);
	/* A wake-up by the reader would cost each qs_leave() a barrier; sections are short, so look again. */
	for (;;) {
		pthread_mutex_lock(&qs.lock);
		open = oldest_section_locked() <= tag;
		pthread_mutex_unlock(&qs.lock);
		if (!open)
			break;
		nanosleep(&nap, NULL);
	}
	run_ready();

	pthread_mutex_lock(&qs.lock);
	while (qs.running)
		pthread_cond_wait(&qs.idle, &qs.lock);
	pthread_mutex_unlock(&qs.lock);
}
