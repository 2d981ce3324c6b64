/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/fence.h"

#include <glib.h>
#include <pthread.h>

#define MEETINGS 20000

/* Two threads, each of which writes its word and reads the other's; they meet before and after. */
struct meeting {
	pthread_barrier_t barrier;
	bool cheap;
	unsigned words[2];          /* atomic */
	unsigned seen[2][MEETINGS]; /* what each read */
};

static void *meet_often(void *opaque)
{
	struct meeting *m = opaque;

	for (unsigned i = 0; i < MEETINGS; i++) {
		pthread_barrier_wait(&m->barrier);
		__atomic_store_n(&m->words[0], i + 1, __ATOMIC_RELAXED);
		fence_light(m->cheap);
		m->seen[0][i] = __atomic_load_n(&m->words[1], __ATOMIC_RELAXED);
	}
	return NULL;
}

static void meet_rarely(struct meeting *m)
{
	for (unsigned i = 0; i < MEETINGS; i++) {
		pthread_barrier_wait(&m->barrier);
		__atomic_store_n(&m->words[1], i + 1, __ATOMIC_RELAXED);
		fence_heavy();
		m->seen[1][i] = __atomic_load_n(&m->words[0], __ATOMIC_RELAXED);
	}
}

static void run_meetings(bool cheap)
{
	g_autofree struct meeting *m = g_new0(struct meeting, 1);
	unsigned missed = 0;
	pthread_t t;

	m->cheap = cheap;
	pthread_barrier_init(&m->barrier, NULL, 2);
	pthread_create(&t, NULL, meet_often, m);
	meet_rarely(m);
	pthread_join(t, NULL);
	pthread_barrier_destroy(&m->barrier);
	for (unsigned i = 0; i < MEETINGS; i++)
		missed += m->seen[0][i] != i + 1 && m->seen[1][i] != i + 1;
	g_assert_cmpuint(missed, ==, 0);
}

static void one_side_sees_the_other(void)
{
	run_meetings(fence_init());
}

static void one_side_sees_the_other_without_membarrier(void)
{
	run_meetings(false);
}

static void answer_stays(void)
{
	g_assert_cmpint(fence_init(), ==, fence_init());
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fence/answer-stays", answer_stays);
	g_test_add_func("/fence/one-side-sees-the-other", one_side_sees_the_other);
	g_test_add_func("/fence/without-membarrier", one_side_sees_the_other_without_membarrier);
	return g_test_run();
}
