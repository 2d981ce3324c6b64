/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/block.h"

#include <errno.h>
#include <string.h>

#include "base/loop.h"
#include "tests/lib/fake-blk.h"

#define DISK_SIZE (64 * KiB)

/* ---- blk_check ---- */

static const struct blk_info disk = {
	.size = DISK_SIZE,
	.logical_block = 512,
	.physical_block = 512,
	.max_transfer = 8192,
	.max_discard = 16384,
	.can_discard = true,
	.can_write_zeroes = true,
};

static int check(
	const struct blk_info *info, enum blk_op op, uint64_t offset, uint64_t len, size_t payload)
{
	const struct blk_req r = {.op = op, .offset = offset, .len = len, .data.size = payload};

	return blk_check(info, &r);
}

static void check_ranges(void)
{
	g_assert_cmpint(check(&disk, BLK_READ, 0, 512, 512), ==, 0);
	g_assert_cmpint(check(&disk, BLK_WRITE, DISK_SIZE - 512, 512, 512), ==, 0);
	g_assert_cmpint(check(&disk, BLK_WRITE, DISK_SIZE - 512, 1024, 1024), ==, -ERANGE);
	g_assert_cmpint(check(&disk, BLK_READ, DISK_SIZE, 512, 512), ==, -ERANGE);
	g_assert_cmpint(check(&disk, BLK_READ, -UINT64_C(512), 1024, 1024), ==, -ERANGE);
	g_assert_cmpint(check(&disk, BLK_DISCARD, DISK_SIZE, 512, 0), ==, -ERANGE);
}

static void check_shape(void)
{
	g_assert_cmpint(check(&disk, BLK_READ, 1, 512, 512), ==, -EINVAL);
	g_assert_cmpint(check(&disk, BLK_READ, 0, 511, 511), ==, -EINVAL);
	g_assert_cmpint(check(&disk, BLK_READ, 0, 0, 0), ==, -EINVAL);
	g_assert_cmpint(check(&disk, BLK_READ, 0, 512, 1024), ==, -EINVAL);
	g_assert_cmpint(check(&disk, BLK_WRITE, 0, 1024, 512), ==, -EINVAL);
	g_assert_cmpint(check(&disk, BLK_READ, 0, 8192, 8192), ==, 0);
	g_assert_cmpint(check(&disk, BLK_READ, 0, 8704, 8704), ==, -EINVAL);
	g_assert_cmpint(check(&disk, BLK_DISCARD, 0, 16384, 0), ==, 0);
	g_assert_cmpint(check(&disk, BLK_WRITE_ZEROES, 0, 16896, 0), ==, -EINVAL);
	g_assert_cmpint(check(&disk, BLK_DISCARD, 3, 512, 0), ==, -EINVAL);
	g_assert_cmpint(check(&disk, BLK_FLUSH, 3, 7, 9), ==, 0);
}

static void check_abilities(void)
{
	struct blk_info info = disk;

	info.readonly = true;
	g_assert_cmpint(check(&info, BLK_READ, 0, 512, 512), ==, 0);
	g_assert_cmpint(check(&info, BLK_FLUSH, 0, 0, 0), ==, 0);
	g_assert_cmpint(check(&info, BLK_WRITE, 0, 512, 512), ==, -EROFS);
	g_assert_cmpint(check(&info, BLK_DISCARD, 0, 512, 0), ==, -EROFS);
	g_assert_cmpint(check(&info, BLK_WRITE_ZEROES, 0, 512, 0), ==, -EROFS);
	info = disk;
	info.can_discard = info.can_write_zeroes = false;
	g_assert_cmpint(check(&info, BLK_DISCARD, 0, 512, 0), ==, -EOPNOTSUPP);
	g_assert_cmpint(check(&info, BLK_WRITE_ZEROES, 0, 512, 0), ==, -EOPNOTSUPP);
	g_assert_cmpint(check(&info, BLK_OPS, 0, 512, 512), ==, -EOPNOTSUPP);
}

/* ---- a front over the fake disk: what every back-end has to do ---- */

struct front {
	struct loop *loop;
	struct fake_blk *disk;
	struct blk_queue *queue;
};

struct front_req {
	struct blk_req r;
	struct iovec seg;
	uint8_t buf[512];
	unsigned done;
};

static void front_init(struct front *f)
{
	GError *error = NULL;

	f->loop = loop_new("test", &error);
	g_assert_no_error(error);
	f->disk = fake_blk_new(f->loop, DISK_SIZE);
	g_assert_cmpint(blk_queue_open(&f->disk->blk, f->loop, &f->queue), ==, 0);
}

static void front_done(struct front *f)
{
	blk_queue_close(f->queue);
	blk_queue_close(NULL);
	blk_free(&f->disk->blk);
	blk_free(NULL);
	loop_free(f->loop);
}

static void front_req_done(struct blk_req *r)
{
	container_of(r, struct front_req, r)->done++;
}

static void submit(struct front *f, struct front_req *q, enum blk_op op, uint64_t offset, int byte)
{
	q->done = 0;
	memset(q->buf, byte, sizeof(q->buf));
	q->r = (struct blk_req){
		.op = op, .offset = offset, .len = sizeof(q->buf), .done = front_req_done};
	q->r.data = giov_from_buf(&q->seg, q->buf, sizeof(q->buf));
	blk_submit(f->queue, &q->r);
}

static void wait_done(struct front *f, const struct front_req *q)
{
	while (!q->done)
		loop_iterate(f->loop, -1);
	g_assert_cmpuint(q->done, ==, 1);
}

static void reads_and_writes(void)
{
	struct front f;
	struct front_req w, r;

	front_init(&f);
	submit(&f, &w, BLK_WRITE, 1024, 0x5a);
	submit(&f, &r, BLK_READ, 1024, 0);
	g_assert_cmpuint(w.done, ==, 0);
	blk_commit(f.queue);
	g_assert_cmpuint(w.done, ==, 0);
	wait_done(&f, &r);
	g_assert_cmpuint(w.done, ==, 1);
	g_assert_cmpint(w.r.result, ==, 0);
	g_assert_cmpint(r.r.result, ==, 0);
	g_assert_cmpint(r.buf[0], ==, 0x5a);
	g_assert_cmpint(r.buf[511], ==, 0x5a);
	g_assert_cmpuint(fake_blk_submitted(f.disk, BLK_WRITE), ==, 1);
	g_assert_cmpuint(f.disk->commits, ==, 1);
	front_done(&f);
}

static void errors_and_holding(void)
{
	struct front f;
	struct front_req a, b;

	front_init(&f);
	fake_blk_fail(f.disk, BLK_READ, 1, -EIO, false);
	submit(&f, &a, BLK_READ, 0, 0);
	blk_commit(f.queue);
	wait_done(&f, &a);
	g_assert_cmpint(a.r.result, ==, -EIO);

	fake_blk_hold(f.disk, true);
	submit(&f, &a, BLK_READ, 0, 0);
	submit(&f, &b, BLK_READ, DISK_SIZE, 0);
	blk_commit(f.queue);
	loop_iterate(f.loop, 0);
	g_assert_cmpuint(a.done + b.done, ==, 0);
	g_assert_cmpuint(fake_blk_in_flight(f.disk), ==, 2);
	g_assert_true(fake_blk_complete(f.disk));
	wait_done(&f, &a);
	g_assert_cmpuint(b.done, ==, 0);
	g_assert_true(fake_blk_complete(f.disk));
	g_assert_false(fake_blk_complete(f.disk));
	wait_done(&f, &b);
	g_assert_cmpint(b.r.result, ==, -ERANGE);
	front_done(&f);
}

static void set_true(void *opaque)
{
	*(bool *)opaque = true;
}

static void draining(void)
{
	struct front f;
	struct front_req a, b;
	bool drained = false;

	front_init(&f);
	fake_blk_hold(f.disk, true);
	submit(&f, &a, BLK_READ, 0, 0);
	blk_commit(f.queue);
	blk_drain_begin(&f.disk->blk, set_true, &drained);
	submit(&f, &b, BLK_READ, 0, 0);
	blk_commit(f.queue);
	loop_iterate(f.loop, 0);
	g_assert_false(drained);
	g_assert_true(fake_blk_complete(f.disk));
	g_assert_false(fake_blk_complete(f.disk));
	while (!drained)
		loop_iterate(f.loop, -1);
	g_assert_cmpuint(a.done, ==, 1);
	g_assert_cmpuint(b.done, ==, 0);
	fake_blk_hold(f.disk, false);
	blk_drain_end(&f.disk->blk);
	wait_done(&f, &b);
	front_done(&f);
}

static void parking(void)
{
	struct front f;
	struct front_req a, b;
	bool drained = false;

	front_init(&f);
	fake_blk_fail(f.disk, BLK_WRITE, 2, -ENOSPC, true);
	submit(&f, &a, BLK_WRITE, 0, 1);
	submit(&f, &b, BLK_WRITE, 512, 2);
	blk_commit(f.queue);
	loop_iterate(f.loop, 0);
	g_assert_cmpuint(a.done + b.done, ==, 0);
	g_assert_cmpuint(fake_blk_parked(f.disk), ==, 2);
	blk_drain_begin(&f.disk->blk, set_true, &drained);
	while (!drained)
		loop_iterate(f.loop, -1);
	blk_drain_end(&f.disk->blk);

	blk_unpark(&f.disk->blk);
	wait_done(&f, &a);
	wait_done(&f, &b);
	g_assert_cmpint(a.r.result, ==, 0);
	g_assert_cmpint(f.disk->data[512], ==, 2);

	fake_blk_fail(f.disk, BLK_WRITE, 1, -EIO, true);
	submit(&f, &a, BLK_WRITE, 0, 9);
	blk_commit(f.queue);
	blk_cancel_parked(f.queue);
	wait_done(&f, &a);
	g_assert_cmpint(a.r.result, ==, -ECANCELED);
	g_assert_cmpint(f.disk->data[0], ==, 1);
	front_done(&f);
}

struct ear {
	struct blk_listener l;
	struct blk *blk;
	unsigned calls;
	bool once;
};

static void ear_resized(struct blk_listener *l)
{
	struct ear *e = container_of(l, struct ear, l);

	e->calls++;
	if (e->once)
		blk_unlisten(e->blk, l);
}

static void resizing(void)
{
	struct front f;
	struct blk_info info;

	front_init(&f);

	struct ear a = {.l.resized = ear_resized, .blk = &f.disk->blk, .once = true};
	struct ear b = {.l.resized = ear_resized, .blk = &f.disk->blk};

	blk_listen(&f.disk->blk, &b.l);
	blk_listen(&f.disk->blk, &a.l);
	fake_blk_resize(f.disk, 2 * DISK_SIZE);
	fake_blk_resize(f.disk, DISK_SIZE);
	blk_get_info(&f.disk->blk, &info);
	g_assert_cmpuint(info.size, ==, DISK_SIZE);
	g_assert_cmpuint(a.calls, ==, 1);
	g_assert_cmpuint(b.calls, ==, 2);
	blk_unlisten(&f.disk->blk, &b.l);
	blk_unlisten(&f.disk->blk, &b.l);
	front_done(&f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/block/check-ranges", check_ranges);
	g_test_add_func("/block/check-shape", check_shape);
	g_test_add_func("/block/check-abilities", check_abilities);
	g_test_add_func("/block/reads-and-writes", reads_and_writes);
	g_test_add_func("/block/errors-and-holding", errors_and_holding);
	g_test_add_func("/block/draining", draining);
	g_test_add_func("/block/parking", parking);
	g_test_add_func("/block/resizing", resizing);
	return g_test_run();
}
