/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/heap.h"

#include <glib.h>

struct item {
	int64_t deadline;
	unsigned order;
	unsigned pos;
};

static struct item *pop(struct heap *h)
{
	struct item *it = heap_first(h)->item;

	heap_remove(h, it);
	g_assert_cmpuint(it->pos, ==, 0);
	return it;
}

static void equal_deadlines_in_order(void)
{
	struct item items[20] = {0};
	struct heap h;

	heap_init(&h, offsetof(struct item, pos));
	for (unsigned i = 0; i < ARRAY_SIZE(items); i++)
		heap_set(&h, &items[i], 5);
	for (unsigned i = 0; i < ARRAY_SIZE(items); i++)
		g_assert_true(pop(&h) == &items[i]);
	g_assert_null(heap_first(&h));
	heap_done(&h);
}

/* Sets, moves and removes at random; what is left leaves in order of deadline, then of setting. */
static void random_order(void)
{
	struct item items[200] = {0}, *last = NULL;
	unsigned order = 0, armed = 0;
	struct heap h;

	heap_init(&h, offsetof(struct item, pos));
	for (unsigned i = 0; i < 5000; i++) {
		struct item *it = &items[g_test_rand_int_range(0, ARRAY_SIZE(items))];

		if (g_test_rand_int_range(0, 3) == 0) {
			heap_remove(&h, it);
			g_assert_cmpuint(it->pos, ==, 0);
			continue;
		}
		it->deadline = g_test_rand_int_range(-50, 50);
		it->order = order++;
		heap_set(&h, it, it->deadline);
		g_assert_cmpuint(it->pos, !=, 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(items); i++)
		armed += items[i].pos != 0;
	g_assert_cmpuint(h.n, ==, armed);
	for (; heap_first(&h); armed--) {
		struct item *it = pop(&h);

		if (last && last->deadline == it->deadline)
			g_assert_cmpuint(last->order, <, it->order);
		else if (last)
			g_assert_cmpint(last->deadline, <, it->deadline);
		last = it;
	}
	g_assert_cmpuint(armed, ==, 0);
	heap_done(&h);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/heap/equal-deadlines-in-order", equal_deadlines_in_order);
	g_test_add_func("/heap/random-order", random_order);
	return g_test_run();
}
