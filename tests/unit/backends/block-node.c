/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The graph below a disk: names, references, and edges that are re-pointed while three threads write and check. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/backends/blk-io.h"
#include "tests/unit/backends/blk-load.h"
#include "virtio-backends/block/disk.h"

struct outcome {
	unsigned told;
	int result;
};

static void on_replaced(void *opaque, int result)
{
	struct outcome *o = opaque;

	o->told++;
	o->result = result;
}

static int replace(struct loop *loop, struct node *old, struct node *new)
{
	struct outcome o = {};

	node_replace(old, new, on_replaced, &o);
	run_until(loop, &o.told, 1);
	g_assert_cmpuint(o.told, ==, 1);
	return o.result;
}

/* A node is gone with its last reference, and what it alone has held with it. */
static void test_names(void)
{
	struct node *null = null_node_new("bytes", MiB, false), *a, *b;

	node_ref(null);
	a = filter_new("a", null);
	b = filter_new("b", node_ref(a));
	g_assert_true(node_find(b, "b") == b);
	g_assert_true(node_find(b, "a") == a);
	g_assert_true(node_find(b, "bytes") == null);
	g_assert_null(node_find(b, "c"));
	g_assert_null(node_find(a, "b"));
	node_unref(b);
	g_assert_cmpint(a->refs, ==, 1);
	node_unref(a);
	g_assert_cmpint(null->refs, ==, 1);
	g_assert_null(null->above);
	node_unref(null);
}

static void test_refused(void)
{
	struct loop *loop = loop_new("main", NULL);
	struct disk_conf conf = {.id = "disk0", .loop = loop};
	struct node *small = null_node_new("small", MiB / 2, false);
	struct node *null = null_node_new("bytes", MiB, false);
	struct blk *b = disk_new(&conf, null);

	g_assert_cmpint(replace(loop, null, small), ==, -EINVAL);
	g_assert_true(disk_root(b) == null);
	g_assert_cmpint(replace(loop, null, null), ==, 0);
	g_assert_true(disk_root(b) == null);
	node_unref(small);
	blk_free(b);
	loop_iterate(loop, 0);
	loop_free(loop);
}

/* A queue that cannot be opened: nothing has changed. */
static int refuse_queue(struct node *n, struct loop *loop, struct node_queue **ret)
{
	return -EMFILE;
}

static void free_nothing(struct node *n)
{
	node_done(n);
}

static void test_no_queue(void)
{
	static const struct node_ops ops = {.name = "none",
		.get_info = filter_get_info,
		.queue_open = refuse_queue,
		.free = free_nothing};
	struct loop *loop = loop_new("main", NULL);
	struct disk_conf conf = {.id = "disk0", .loop = loop};
	struct node *null = null_node_new("bytes", MiB, false);
	struct blk *b = disk_new(&conf, null);
	struct filter f = {};
	struct blk_queue *q;
	uint8_t buf[512];

	g_assert_cmpint(blk_queue_open(b, loop, &q), ==, 0);
	node_init(&f.node, &ops, "none");
	node_edge_init(&f.below, &f.node, NULL, node_ref(null));
	g_assert_cmpint(replace(loop, null, &f.node), ==, -EMFILE);
	g_assert_true(disk_root(b) == null);
	g_assert_cmpint(do_io(loop, q, BLK_READ, 0, buf, sizeof(buf)), ==, 0);
	node_edge_done(&f.below);
	node_unref(&f.node);
	blk_queue_close(q);
	blk_free(b);
	loop_iterate(loop, 0);
	loop_free(loop);
}

/* ---- under load ------------------------------------------------------------------------------ */

struct graph {
	struct loop *loop;
	struct blk *disk;
	char path[32];
	struct node *filters[4]; /* that are in, the topmost last */
	unsigned n_filters;
	struct node *file; /* below them all */
	unsigned made;
};

static struct node *open_file(struct graph *g)
{
	g_autofree char *name = g_strdup_printf("file%u", g->made++);
	struct blk_file_conf conf = {
		.id = name, .fd = open(g->path, O_RDWR | O_CLOEXEC), .cache = BLK_CACHE_WRITEBACK};
	g_autoptr(GError) error = NULL;
	struct node *n = file_node_new(&conf, &error);

	g_assert_no_error(error);
	return n;
}

static struct node *node_at(struct graph *g, unsigned i)
{
	return i ? g->filters[i - 1] : g->file;
}

/* Puts a filter over the @i-th node from below. */
static void put_in(struct graph *g, unsigned i)
{
	g_autofree char *name = g_strdup_printf("filter%u", g->made++);
	struct node *f = filter_new(name, node_ref(node_at(g, i)));

	g_assert_cmpint(replace(g->loop, node_at(g, i), f), ==, 0);
	memmove(&g->filters[i + 1], &g->filters[i], (g->n_filters - i) * sizeof(g->filters[0]));
	g->filters[i] = f;
	g->n_filters++;
	g_assert_true(node_find(disk_root(g->disk), name) == f);
}

static void take_out(struct graph *g, unsigned i)
{
	struct node *f = g->filters[i];

	g_assert_cmpint(replace(g->loop, f, node_at(g, i)), ==, 0);
	g_assert_null(f->above);
	g_assert_null(node_find(disk_root(g->disk), f->name));
	node_unref(f);
	g->n_filters--;
	memmove(&g->filters[i], &g->filters[i + 1], (g->n_filters - i) * sizeof(g->filters[0]));
}

/* Another node over the same bytes. */
static void exchange_file(struct graph *g)
{
	struct node *old = g->file;

	g->file = open_file(g);
	g_assert_cmpint(replace(g->loop, old, g->file), ==, 0);
	g_assert_null(old->above);
	node_unref(old);
}

static void change(struct graph *g)
{
	switch (g_test_rand_int_range(0, 3)) {
	case 0:
		if (g->n_filters < ARRAY_SIZE(g->filters))
			put_in(g, g_test_rand_int_range(0, g->n_filters + 1));
		break;
	case 1:
		if (g->n_filters)
			take_out(g, g_test_rand_int_range(0, g->n_filters));
		break;
	default: exchange_file(g); break;
	}
	g_assert_true(disk_root(g->disk) == node_at(g, g->n_filters));
}

/* Whatever is put in, taken out or exchanged: every request ends once, with what was written. */
static void test_load(void)
{
	struct graph g = {.loop = loop_new("main", NULL), .path = "/tmp/vmmd-test-XXXXXX"};
	struct disk_conf conf = {.id = "disk0", .loop = g.loop};
	struct load_job jobs[LOAD_JOBS];
	int fd = mkstemp(g.path);

	g_assert_cmpint(ftruncate(fd, LOAD_JOBS * LOAD_REGION), ==, 0);
	close(fd);
	g.file = open_file(&g);
	g.disk = disk_new(&conf, node_ref(g.file));
	for (unsigned i = 0; i < LOAD_JOBS; i++)
		load_start(&jobs[i], g.disk, i);
	for (int round = 0; round < 200; round++) {
		change(&g);
		load_wait(g.loop, jobs, load_total(jobs));
	}
	while (g.n_filters)
		take_out(&g, 0);
	for (unsigned i = 0; i < LOAD_JOBS; i++)
		load_finish(&jobs[i]);
	blk_free(g.disk);
	loop_iterate(g.loop, 0);
	g_assert_cmpint(g.file->refs, ==, 1);
	node_unref(g.file);
	loop_free(g.loop);
	unlink(g.path);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/block-node/names", test_names);
	g_test_add_func("/block-node/refused", test_refused);
	g_test_add_func("/block-node/no-queue", test_no_queue);
	g_test_add_func("/block-node/load", test_load);
	return g_test_run();
}
