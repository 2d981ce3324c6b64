/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mutex.h"

#include <glib.h>
#include <pthread.h>
#include <sched.h>

#define THREADS 4
#define ROUNDS  20000

struct account {
	struct mutex lock;
	unsigned inside;   /* atomic, to see a second one in the section */
	unsigned together; /* lock */
	uint64_t sum;      /* lock, not atomic */
};

static void *add_up(void *opaque)
{
	struct account *a = opaque;

	for (unsigned i = 0; i < ROUNDS; i++) {
		mutex_lock(&a->lock);
		a->together += __atomic_fetch_add(&a->inside, 1, __ATOMIC_RELAXED) != 0;
		a->sum++;
		/* Now and then long enough that others go to sleep. */
		if (i % 64 == 0)
			sched_yield();
		__atomic_fetch_sub(&a->inside, 1, __ATOMIC_RELAXED);
		mutex_unlock(&a->lock);
	}
	return NULL;
}

static void excludes(void)
{
	struct account a = {.sum = 0};
	pthread_t t[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, add_up, &a);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	g_assert_cmpuint(a.together, ==, 0);
	g_assert_cmpuint(a.sum, ==, THREADS * ROUNDS);
	g_assert_cmpuint(a.lock.state, ==, MUTEX_FREE);
}

static void *lock_once(void *opaque)
{
	struct mutex *m = opaque;

	mutex_lock(m);
	mutex_unlock(m);
	return NULL;
}

/* Nobody sleeps on for ever: each of those who wait is woken by the one before. */
static void wakes_all(void)
{
	struct mutex m = {0};
	pthread_t t[THREADS];

	mutex_lock(&m);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, lock_once, &m);
	while (__atomic_load_n(&m.state, __ATOMIC_RELAXED) != MUTEX_WAITED_FOR)
		sched_yield();
	mutex_unlock(&m);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	g_assert_cmpuint(m.state, ==, MUTEX_FREE);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/mutex/excludes", excludes);
	g_test_add_func("/mutex/wakes-all", wakes_all);
	return g_test_run();
}
