/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All three clocks are one source plus an offset. The source is CLOCK_MONOTONIC, or for stepped clocks a counter moved by
 * hand. So a deadline of any clock is a deadline of the source, and one timerfd serves them all.
 */
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "base/heap.h"
#include "base/loop.h"

#define NEVER INT64_MAX

struct clocks {
	struct loop *loop;         /* [c] NULL: stepped */
	int64_t stepped;           /* atomic: the source of stepped clocks */
	int64_t offset[VM_CLOCKS]; /* atomic: clock = source + offset */
	int64_t paused_at;         /* atomic: where the virtual clock stands; -1 while it runs */

	pthread_mutex_t lock;
	struct heap heaps[VM_CLOCKS]; /* by deadline of their clock */
	struct loop_fd timerfd;
	int64_t programmed; /* when timerfd fires, in time of the source; NEVER */
};

static int64_t source_now(struct clocks *c)
{
	return c->loop ? loop_now() : __atomic_load_n(&c->stepped, __ATOMIC_ACQUIRE);
}

static int64_t offset_get(struct clocks *c, enum clock_type type)
{
	return __atomic_load_n(&c->offset[type], __ATOMIC_RELAXED);
}

static int64_t paused_at(struct clocks *c)
{
	return __atomic_load_n(&c->paused_at, __ATOMIC_ACQUIRE);
}

int64_t clock_now(struct clocks *c, enum clock_type type)
{
	int64_t paused = type == VM_CLOCK_VIRTUAL ? paused_at(c) : -1;

	return paused >= 0 ? paused : source_now(c) + offset_get(c, type);
}

/* The clock's first deadline in time of the source; NEVER when nothing is armed or the clock stands still. */
static int64_t first_deadline_locked(struct clocks *c, enum clock_type type)
{
	const struct heap_entry *e = heap_first(&c->heaps[type]);
	int64_t at;

	if (!e || (type == VM_CLOCK_VIRTUAL && paused_at(c) >= 0))
		return NEVER;
	/* Saturates: a guest may ask for any point in time. */
	if (__builtin_sub_overflow(e->deadline, offset_get(c, type), &at))
		return e->deadline < 0 ? 0 : NEVER;
	return at;
}

/* The clock whose timer is due first, and when. */
static enum clock_type first_clock_locked(struct clocks *c, int64_t *ret_at)
{
	enum clock_type first = VM_CLOCK_VIRTUAL;

	*ret_at = NEVER;
	for (enum clock_type type = 0; type < VM_CLOCKS; type++) {
		int64_t at = first_deadline_locked(c, type);

		if (at < *ret_at) {
			*ret_at = at;
			first = type;
		}
	}
	return first;
}

/* Setting the time also clears an expiry, so that the descriptor needs no read; 0 disarms. */
static void program_locked(struct clocks *c, int64_t at)
{
	struct itimerspec its = {0};

	if (at != NEVER) {
		at = MAX(at, 1);
		its.it_value = (struct timespec){
			.tv_sec = at / NSEC_PER_SEC, .tv_nsec = at % NSEC_PER_SEC};
	}
	c->programmed = at;
	/* Fails only for what is not a timerfd or not a time. */
	(void)timerfd_settime(c->timerfd.fd, TFD_TIMER_ABSTIME, &its, NULL);
}

/* A later deadline than the programmed one can wait: the expiry looks again. */
static void program_earlier_locked(struct clocks *c)
{
	int64_t at;

	first_clock_locked(c, &at);
	if (c->loop && at < c->programmed)
		program_locked(c, at);
}

/* Takes the first timer that is due at @now (in time of the source); NULL when none is. */
static struct timer *take_due_locked(struct clocks *c, int64_t now, int64_t *ret_at)
{
	enum clock_type type = first_clock_locked(c, ret_at);
	struct timer *t;

	if (*ret_at == NEVER || *ret_at > now)
		return NULL;
	t = heap_first(&c->heaps[type])->item;
	heap_remove(&c->heaps[type], t);
	return t;
}

/* Callbacks run without the lock: they take their owner's and arm timers. */
static void fire_locked(struct clocks *c, struct timer *t)
{
	pthread_mutex_unlock(&c->lock);
	t->fn(t->opaque);
	pthread_mutex_lock(&c->lock);
}

static unsigned armed_locked(const struct clocks *c)
{
	unsigned n = 0;

	for (enum clock_type type = 0; type < VM_CLOCKS; type++)
		n += c->heaps[type].n;
	return n;
}

/* At most as many as were armed: a timer that is always due does not stop the loop. */
static void expired(struct loop_fd *f, uint32_t events)
{
	struct clocks *c = container_of(f, struct clocks, timerfd);
	int64_t now = source_now(c), at;
	struct timer *t;

	pthread_mutex_lock(&c->lock);
	for (unsigned n = armed_locked(c); n && (t = take_due_locked(c, now, &at)); n--)
		fire_locked(c, t);
	first_clock_locked(c, &at);
	program_locked(c, at);
	pthread_mutex_unlock(&c->lock);
}

static struct clocks *clocks_alloc(void)
{
	struct clocks *c = g_new0(struct clocks, 1);

	c->paused_at = -1;
	c->programmed = NEVER;
	c->timerfd = (struct loop_fd){.fd = -1, .ready = expired};
	pthread_mutex_init(&c->lock, NULL);
	for (enum clock_type type = 0; type < VM_CLOCKS; type++)
		heap_init(&c->heaps[type], offsetof(struct timer, pos));
	return c;
}

static int64_t realtime_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

struct clocks *clocks_new(struct loop *loop, GError **error)
{
	struct clocks *c = clocks_alloc();
	int err;

	c->loop = loop;
	c->paused_at = 0;
	c->offset[VM_CLOCK_RTC] = realtime_now() - source_now(c);
	c->timerfd.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	err = c->timerfd.fd < 0 ? -errno : loop_fd_add(loop, &c->timerfd, EPOLLIN);
	if (err < 0) {
		err_set_errno(error, -err, "timer of the clocks");
		clocks_free(c);
		return NULL;
	}
	return c;
}

struct clocks *clocks_new_stepped(int64_t rtc_epoch_ns)
{
	struct clocks *c = clocks_alloc();

	c->offset[VM_CLOCK_RTC] = rtc_epoch_ns;
	return c;
}

void clocks_free(struct clocks *c)
{
	if (!c)
		return;
	g_assert(!armed_locked(c));
	if (c->loop)
		loop_fd_del(c->loop, &c->timerfd);
	fd_close(&c->timerfd.fd);
	for (enum clock_type type = 0; type < VM_CLOCKS; type++)
		heap_done(&c->heaps[type]);
	pthread_mutex_destroy(&c->lock);
	g_free(c);
}

static void set_offset_locked(struct clocks *c, enum clock_type type, int64_t now)
{
	__atomic_store_n(&c->offset[type], now - source_now(c), __ATOMIC_RELAXED);
}

/* The offset first: whoever sees the clock running finds it. Stepped time stands still anyway. */
void clocks_run(struct clocks *c)
{
	pthread_mutex_lock(&c->lock);
	if (paused_at(c) >= 0) {
		set_offset_locked(c, VM_CLOCK_VIRTUAL, paused_at(c));
		__atomic_store_n(&c->paused_at, -1, __ATOMIC_RELEASE);
		program_earlier_locked(c);
	}
	pthread_mutex_unlock(&c->lock);
}

void clocks_pause(struct clocks *c)
{
	if (!c->loop)
		return;
	pthread_mutex_lock(&c->lock);
	__atomic_store_n(&c->paused_at, clock_now(c, VM_CLOCK_VIRTUAL), __ATOMIC_RELEASE);
	pthread_mutex_unlock(&c->lock);
}

void clocks_set_virtual(struct clocks *c, int64_t ns)
{
	pthread_mutex_lock(&c->lock);
	if (c->loop)
		__atomic_store_n(&c->paused_at, ns, __ATOMIC_RELEASE);
	else
		set_offset_locked(c, VM_CLOCK_VIRTUAL, ns);
	pthread_mutex_unlock(&c->lock);
}

void clocks_set_rtc(struct clocks *c, int64_t epoch_ns)
{
	pthread_mutex_lock(&c->lock);
	set_offset_locked(c, VM_CLOCK_RTC, epoch_ns);
	program_earlier_locked(c);
	pthread_mutex_unlock(&c->lock);
}

/* Each timer finds the time of its deadline on the clock, as if it had fired exactly then. */
void clock_step_to(struct clocks *c, int64_t to_ns)
{
	struct timer *t;
	int64_t target, at;

	pthread_mutex_lock(&c->lock);
	target = MAX(to_ns - offset_get(c, VM_CLOCK_VIRTUAL), c->stepped);
	while ((t = take_due_locked(c, target, &at))) {
		__atomic_store_n(&c->stepped, MAX(at, c->stepped), __ATOMIC_RELEASE);
		fire_locked(c, t);
	}
	__atomic_store_n(&c->stepped, target, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&c->lock);
}

int64_t clock_next_deadline(struct clocks *c)
{
	const struct heap_entry *e;
	int64_t deadline;

	pthread_mutex_lock(&c->lock);
	e = heap_first(&c->heaps[VM_CLOCK_VIRTUAL]);
	deadline = e ? e->deadline : -1;
	pthread_mutex_unlock(&c->lock);
	return deadline;
}

/* ---- timers ---------------------------------------------------------------------------------- */

void timer_init(
	struct timer *t, struct clocks *c, enum clock_type type, void (*fn)(void *), void *opaque)
{
	*t = (struct timer){.clocks = c, .type = type, .fn = fn, .opaque = opaque};
}

void timer_set(struct timer *t, int64_t deadline_ns)
{
	struct clocks *c = t->clocks;

	pthread_mutex_lock(&c->lock);
	t->deadline = deadline_ns;
	heap_set(&c->heaps[t->type], t, deadline_ns);
	program_earlier_locked(c);
	pthread_mutex_unlock(&c->lock);
}

void timer_cancel(struct timer *t)
{
	pthread_mutex_lock(&t->clocks->lock);
	heap_remove(&t->clocks->heaps[t->type], t);
	pthread_mutex_unlock(&t->clocks->lock);
}

bool timer_armed(struct timer *t)
{
	bool armed;

	pthread_mutex_lock(&t->clocks->lock);
	armed = t->pos;
	pthread_mutex_unlock(&t->clocks->lock);
	return armed;
}
