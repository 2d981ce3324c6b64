/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/qs.h"

#include <glib.h>
#include <pthread.h>

#define READERS   3
#define SWAPS     2000
#define TABLE_LEN 16

static void count_call(void *ptr)
{
	++*(unsigned *)ptr;
}

static void nothing(void *ptr)
{
}

/* Between the first and the second wait the section is open. */
static void *sit_in_section(void *opaque)
{
	qs_thread_init();
	qs_enter();
	pthread_barrier_wait(opaque);
	pthread_barrier_wait(opaque);
	qs_leave();
	qs_thread_done();
	return NULL;
}

/* Runs what may be run. */
static void *defer_other(void *opaque)
{
	qs_defer(NULL, nothing);
	return NULL;
}

static void defer_runs_later(void)
{
	unsigned calls = 0;

	qs_defer(&calls, count_call);
	g_assert_cmpuint(calls, ==, 0);
	qs_flush();
	g_assert_cmpuint(calls, ==, 1);
	qs_flush();
	g_assert_cmpuint(calls, ==, 1);
}

/* A section holds back what was deferred after it began, and what is deferred inside does not run inside. */
static void section_holds_back(void)
{
	unsigned first = 0, second = 0;
	pthread_t t;

	qs_enter();
	qs_enter();
	qs_defer(&first, count_call);
	qs_leave();
	qs_defer(&second, count_call);
	g_assert_cmpuint(first, ==, 0);
	pthread_create(&t, NULL, defer_other, NULL);
	pthread_join(t, NULL);
	g_assert_cmpuint(first, ==, 0);
	g_assert_cmpuint(second, ==, 0);
	qs_leave();
	qs_flush();
	g_assert_cmpuint(first, ==, 1);
	g_assert_cmpuint(second, ==, 1);
}

/* Sections that begin after a deferral do not hold it back: memory comes free under steady readers. */
static void later_section_does_not_hold(void)
{
	pthread_barrier_t barrier;
	unsigned calls = 0;
	pthread_t t;

	pthread_barrier_init(&barrier, NULL, 2);
	qs_defer(&calls, count_call);
	pthread_create(&t, NULL, sit_in_section, &barrier);
	pthread_barrier_wait(&barrier);
	qs_defer(NULL, nothing);
	g_assert_cmpuint(calls, ==, 1);
	pthread_barrier_wait(&barrier);
	pthread_join(t, NULL);
	pthread_barrier_destroy(&barrier);
	qs_flush();
}

static void registration_nests(void)
{
	qs_thread_init();
	qs_thread_done();
	qs_enter();
	qs_leave();
}

/* ---- readers against a writer ---- */

struct table {
	uint64_t words[TABLE_LEN]; /* all the same, while it lives */
};

static struct table *table; /* atomic */
static int stop;            /* atomic */
static unsigned freed;      /* atomic */

static struct table *table_new(uint64_t value)
{
	struct table *t = g_new(struct table, 1);

	for (unsigned i = 0; i < TABLE_LEN; i++)
		t->words[i] = value;
	return t;
}

/* Poisoned first, so that a reader that comes too late is caught without a sanitizer too. */
static void table_free(void *ptr)
{
	struct table *t = ptr;

	for (unsigned i = 0; i < TABLE_LEN; i++)
		t->words[i] = i;
	g_free(t);
	__atomic_add_fetch(&freed, 1, __ATOMIC_RELAXED);
}

static void *reader(void *opaque)
{
	uint64_t *sections = opaque;

	qs_thread_init();
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		const struct table *t;

		qs_enter();
		t = __atomic_load_n(&table, __ATOMIC_SEQ_CST);
		for (unsigned i = 1; i < TABLE_LEN; i++)
			g_assert_cmpuint(t->words[i], ==, t->words[0]);
		qs_leave();
		++*sections;
	}
	qs_thread_done();
	return NULL;
}

static void swap_tables(uint64_t first, uint64_t n)
{
	for (uint64_t i = first; i < first + n; i++)
		qs_defer(__atomic_exchange_n(&table, table_new(i), __ATOMIC_SEQ_CST), table_free);
}

static void *writer(void *opaque)
{
	swap_tables(SWAPS, SWAPS);
	return NULL;
}

static void readers_and_writers(void)
{
	uint64_t sections[READERS] = {0};
	pthread_t readers[READERS], second;

	table = table_new(0);
	for (unsigned i = 0; i < READERS; i++)
		pthread_create(&readers[i], NULL, reader, &sections[i]);
	pthread_create(&second, NULL, writer, NULL);
	swap_tables(1, SWAPS);
	pthread_join(second, NULL);
	qs_flush();
	g_assert_cmpuint(__atomic_load_n(&freed, __ATOMIC_RELAXED), ==, 2 * SWAPS);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	g_free(table);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	qs_thread_init();
	g_test_add_func("/qs/defer-runs-later", defer_runs_later);
	g_test_add_func("/qs/section-holds-back", section_holds_back);
	g_test_add_func("/qs/later-section-does-not-hold", later_section_does_not_hold);
	g_test_add_func("/qs/registration-nests", registration_nests);
	g_test_add_func("/qs/readers-and-writers", readers_and_writers);

	int ret = g_test_run();

	qs_thread_done();
	return ret;
}
