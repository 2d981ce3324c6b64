/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all disks have in common: error policy, park, drain, statistics; over a node that the test drives by hand. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/backends/blk-io.h"
#include "tests/unit/backends/blk-load.h"
#include "virtio-backends/block/disk.h"

/* ---- a node that does nothing by itself --------------------------------------------------- */

struct hand_queue {
	struct node_queue base;
};

struct hand {
	struct node node;
	struct req_list submitted;
	unsigned n_submitted; /* now */
	unsigned commits, queues;
	bool freed;
};

static struct hand *hand_of(struct node *n)
{
	return container_of(n, struct hand, node);
}

static void hand_get_info(struct node *n, struct blk_info *ret)
{
	*ret = (struct blk_info){.size = MiB, .logical_block = 512, .physical_block = 512};
}

static int hand_queue_open(struct node *n, struct loop *loop, struct node_queue **ret)
{
	struct hand_queue *q = g_new0(struct hand_queue, 1);

	q->base = (struct node_queue){.node = n, .loop = loop};
	hand_of(n)->queues++;
	*ret = &q->base;
	return 0;
}

static void hand_queue_close(struct node_queue *q)
{
	hand_of(q->node)->queues--;
	g_free(q);
}

static void hand_submit(struct node_queue *q, struct blk_req *r)
{
	req_list_add(&hand_of(q->node)->submitted, r);
	hand_of(q->node)->n_submitted++;
}

static void hand_commit(struct node_queue *q)
{
	hand_of(q->node)->commits++;
}

static void hand_free(struct node *n)
{
	node_done(n);
	hand_of(n)->freed = true;
}

static const struct node_ops hand_ops = {
	.name = "hand",
	.get_info = hand_get_info,
	.queue_open = hand_queue_open,
	.queue_close = hand_queue_close,
	.submit = hand_submit,
	.commit = hand_commit,
	.free = hand_free,
};

struct fixture {
	struct hand hand;
	struct loop *loop;
	struct blk *blk;
	struct blk_queue *q;
	unsigned events;
	struct blk_error_event event;
};

static void on_error(void *opaque, const struct blk_error_event *e)
{
	struct fixture *f = opaque;

	f->event = *e;
	f->events++;
}

static void set_up(
	struct fixture *f, enum blk_error_policy read_error, enum blk_error_policy write_error)
{
	struct disk_conf conf = {.id = "disk0",
		.read_error = read_error,
		.write_error = write_error,
		.error_event = on_error,
		.opaque = f};

	*f = (struct fixture){};
	node_init(&f->hand.node, &hand_ops, "disk0");
	f->loop = loop_new("test", NULL);
	conf.loop = f->loop;
	f->blk = disk_new(&conf, &f->hand.node);
	g_assert_cmpint(blk_queue_open(f->blk, f->loop, &f->q), ==, 0);
}

static void iterate(struct fixture *f)
{
	for (int i = 0; i < 4; i++)
		loop_iterate(f->loop, 0);
}

static void tear_down(struct fixture *f)
{
	blk_queue_close(f->q);
	g_assert_cmpuint(f->hand.queues, ==, 0);
	blk_free(f->blk);
	iterate(f);
	g_assert_true(f->hand.freed);
	loop_free(f->loop);
}

/* Ends the request that was submitted first. */
static void complete(struct fixture *f, int result)
{
	struct blk_req *r = req_list_take(&f->hand.submitted);

	g_assert_nonnull(r);
	f->hand.n_submitted--;
	node_complete(r, result);
}

static void submit(struct fixture *f, struct io *io, enum blk_op op)
{
	static uint8_t buf[512];

	io_init(io, op, 0, op == BLK_READ || op == BLK_WRITE ? buf : NULL,
		op == BLK_FLUSH ? 0 : 512);
	blk_submit(f->q, &io->r);
	blk_commit(f->q);
}

/* ---- error policy ---------------------------------------------------------------------------- */

#define PARKED 1

static void test_policies(void)
{
	static const struct {
		enum blk_error_policy policy;
		int error;
		int outcome; /* result, or PARKED */
	} cases[] = {
		{BLK_ERROR_REPORT, -EIO, -EIO},
		{BLK_ERROR_REPORT, -ENOSPC, -ENOSPC},
		{BLK_ERROR_IGNORE, -EIO, 0},
		{BLK_ERROR_STOP, -EIO, PARKED},
		{BLK_ERROR_STOP, -ENOSPC, PARKED},
		{BLK_ERROR_ENOSPC, -EIO, -EIO},
		{BLK_ERROR_ENOSPC, -ENOSPC, PARKED},
	};

	for (unsigned op = 0; op < BLK_OPS; op++) {
		for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
			bool read = op == BLK_READ;
			struct fixture f;
			struct io io;

			/* The other policy is one that cannot be mistaken for this one. */
			set_up(&f, read ? cases[i].policy : BLK_ERROR_IGNORE,
				read ? BLK_ERROR_IGNORE : cases[i].policy);
			submit(&f, &io, op);
			complete(&f, cases[i].error);
			g_assert_cmpuint(io.done, ==, cases[i].outcome != PARKED);
			g_assert_cmpuint(f.events, ==, 0); /* by the main loop only */
			iterate(&f);
			g_assert_cmpuint(f.events, ==, 1);
			g_assert_cmpint(f.event.error, ==, -cases[i].error);
			g_assert_cmpint(f.event.op, ==, op);
			g_assert_cmpint(f.event.parked, ==, cases[i].outcome == PARKED);
			if (cases[i].outcome == PARKED) {
				blk_unpark(f.blk);
				iterate(&f);
				complete(&f, 0);
			}
			g_assert_cmpuint(io.done, ==, 1);
			g_assert_cmpint(
				io.r.result, ==, cases[i].outcome == PARKED ? 0 : cases[i].outcome);
			tear_down(&f);
		}
	}
}

/* Many errors before the main loop comes round make one event, and parking is never hidden by another. */
static void test_event_flood(void)
{
	struct fixture f;
	struct io reads[50], write;

	set_up(&f, BLK_ERROR_REPORT, BLK_ERROR_STOP);
	for (unsigned i = 0; i < ARRAY_SIZE(reads); i++)
		submit(&f, &reads[i], BLK_READ);
	submit(&f, &write, BLK_WRITE);
	for (unsigned i = 0; i < ARRAY_SIZE(reads); i++)
		complete(&f, -EIO);
	complete(&f, -ENXIO);
	iterate(&f);
	g_assert_cmpuint(f.events, ==, 1);
	g_assert_true(f.event.parked);
	g_assert_cmpint(f.event.error, ==, ENXIO);
	blk_cancel_parked(f.q);
	g_assert_cmpuint(write.done, ==, 0);
	iterate(&f);
	g_assert_cmpuint(write.done, ==, 1);
	g_assert_cmpint(write.r.result, ==, -ECANCELED);
	tear_down(&f);
}

static void test_stats(void)
{
	struct blk_stats stats;
	struct fixture f;
	struct io io;

	set_up(&f, BLK_ERROR_REPORT, BLK_ERROR_REPORT);
	for (unsigned op = 0; op < BLK_OPS; op++) {
		for (unsigned i = 0; i <= op; i++) {
			submit(&f, &io, op);
			complete(&f, i ? 0 : -EIO);
		}
	}
	blk_queue_close(f.q); /* what it has counted stays */
	blk_get_stats(f.blk, &stats);
	for (unsigned op = 0; op < BLK_OPS; op++) {
		g_assert_cmpuint(stats.ops[op], ==, op + 1);
		g_assert_cmpuint(stats.errors[op], ==, 1);
		g_assert_cmpuint(stats.bytes[op], ==, op == BLK_FLUSH ? 0 : op * 512);
	}
	g_assert_cmpint(blk_queue_open(f.blk, f.loop, &f.q), ==, 0);
	tear_down(&f);
}

/* ---- drain ----------------------------------------------------------------------------------- */

static void count_call(void *opaque)
{
	++*(unsigned *)opaque;
}

static void test_drain(void)
{
	unsigned first = 0, second = 0;
	struct fixture f;
	struct io a, b, c;

	set_up(&f, BLK_ERROR_REPORT, BLK_ERROR_STOP);
	submit(&f, &a, BLK_READ);
	submit(&f, &b, BLK_WRITE);
	blk_drain_begin(f.blk, count_call, &first);
	iterate(&f);
	submit(&f, &c, BLK_READ);
	g_assert_cmpuint(f.hand.n_submitted, ==, 2); /* c is held back */
	complete(&f, 0);
	iterate(&f);
	g_assert_cmpuint(first, ==, 0);
	complete(&f, -EIO); /* parked: not in flight any more */
	g_assert_cmpuint(first, ==, 0);
	iterate(&f);
	g_assert_cmpuint(first, ==, 1);
	g_assert_cmpuint(b.done, ==, 0);

	/* Nested: told at once, held until both have ended; what is unparked meanwhile is held too. */
	blk_drain_begin(f.blk, count_call, &second);
	g_assert_cmpuint(second, ==, 0);
	iterate(&f);
	g_assert_cmpuint(second, ==, 1);
	blk_unpark(f.blk);
	blk_drain_end(f.blk);
	iterate(&f);
	g_assert_cmpuint(f.hand.n_submitted, ==, 0);
	blk_drain_end(f.blk);
	iterate(&f);
	g_assert_cmpuint(f.hand.n_submitted, ==, 2);
	complete(&f, 0);
	complete(&f, 0);
	g_assert_cmpuint(b.done + c.done, ==, 2);
	g_assert_cmpuint(first + second, ==, 2);
	tear_down(&f);
}

/* Who gives up before it is drained is not told any more. */
static void test_drain_given_up(void)
{
	unsigned told = 0;
	struct fixture f;
	struct io a, b;

	set_up(&f, BLK_ERROR_REPORT, BLK_ERROR_REPORT);
	submit(&f, &a, BLK_READ);
	blk_drain_begin(f.blk, count_call, &told);
	iterate(&f);
	submit(&f, &b, BLK_READ);
	blk_drain_end(f.blk);
	iterate(&f);
	g_assert_cmpuint(f.hand.n_submitted, ==, 2);
	complete(&f, 0);
	complete(&f, 0);
	iterate(&f);
	g_assert_cmpuint(told, ==, 0);

	/* Begin and end without a round between leave nothing behind. */
	for (int i = 0; i < 3; i++) {
		blk_drain_begin(f.blk, count_call, &told);
		blk_drain_end(f.blk);
	}
	drain(f.loop, f.blk);
	blk_drain_end(f.blk);
	submit(&f, &a, BLK_READ);
	iterate(&f);
	complete(&f, 0);
	g_assert_cmpuint(told, ==, 0);
	g_assert_cmpuint(a.done, ==, 1);
	tear_down(&f);
}

/* A queue that opens while the disk is drained begins held; one that closes is not waited for. */
static void test_drain_queues(void)
{
	unsigned told = 0;
	struct blk_queue *late;
	struct fixture f;
	struct io io;

	set_up(&f, BLK_ERROR_REPORT, BLK_ERROR_REPORT);
	drain(f.loop, f.blk);
	g_assert_cmpint(blk_queue_open(f.blk, f.loop, &late), ==, 0);
	blk_drain_begin(f.blk, count_call, &told);
	iterate(&f);
	g_assert_cmpuint(told, ==, 1);
	io_init(&io, BLK_FLUSH, 0, NULL, 0);
	blk_submit(late, &io.r);
	blk_commit(late);
	g_assert_cmpuint(f.hand.n_submitted, ==, 0);
	blk_drain_end(f.blk);
	blk_drain_end(f.blk);
	iterate(&f);
	complete(&f, 0);
	g_assert_cmpuint(io.done, ==, 1);

	blk_drain_begin(f.blk, count_call, &told);
	blk_queue_close(late);
	iterate(&f);
	g_assert_cmpuint(told, ==, 2);
	blk_drain_end(f.blk);
	tear_down(&f);
}

/* ---- under load ------------------------------------------------------------------------------ */

/* Drain stops everything and loses nothing, again and again, with requests of three threads in flight. */
static void test_load(gconstpointer arg)
{
	enum blk_cache cache = GPOINTER_TO_INT(arg);
	char path[] = "/dev/shm/vmmd-test-XXXXXX";
	struct loop *loop = loop_new("main", NULL);
	struct blk_file_conf conf = {
		.id = "disk0", .fd = mkstemp(path), .cache = cache, .loop = loop};
	g_autoptr(GError) error = NULL;
	struct load_job jobs[LOAD_JOBS];
	struct blk *b;

	g_assert_cmpint(ftruncate(conf.fd, LOAD_JOBS * LOAD_REGION), ==, 0);
	if (cache == BLK_CACHE_NONE && fcntl(conf.fd, F_SETFL, O_DIRECT) < 0) {
		close(conf.fd);
		unlink(path);
		loop_free(loop);
		g_test_skip("no O_DIRECT on tmpfs");
		return;
	}
	b = blk_file_new(&conf, &error);
	g_assert_no_error(error);
	for (unsigned i = 0; i < LOAD_JOBS; i++)
		load_start(&jobs[i], b, i);
	for (int round = 0; round < 100; round++) {
		unsigned done = load_total(jobs);

		load_wait(loop, jobs, done);
		drain(loop, b);
		done = load_total(jobs);
		for (int i = 0; i < 50; i++) {
			sched_yield();
			loop_iterate(loop, 0);
			g_assert_cmpuint(load_total(jobs), ==, done);
		}
		blk_drain_end(b);
	}
	for (unsigned i = 0; i < LOAD_JOBS; i++)
		load_finish(&jobs[i]);
	blk_free(b);
	loop_iterate(loop, 0);
	loop_free(loop);
	unlink(path);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/block-disk/policies", test_policies);
	g_test_add_func("/block-disk/event-flood", test_event_flood);
	g_test_add_func("/block-disk/stats", test_stats);
	g_test_add_func("/block-disk/drain/basic", test_drain);
	g_test_add_func("/block-disk/drain/given-up", test_drain_given_up);
	g_test_add_func("/block-disk/drain/queues", test_drain_queues);
	g_test_add_data_func("/block-disk/load/none", GINT_TO_POINTER(BLK_CACHE_NONE), test_load);
	g_test_add_data_func(
		"/block-disk/load/writeback", GINT_TO_POINTER(BLK_CACHE_WRITEBACK), test_load);
	return g_test_run();
}
