/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/backends/blk-io.h"

#include <string.h>

#define PATIENCE_NS (60 * NSEC_PER_SEC) /* a disk may be slow */

static void io_done(struct blk_req *r)
{
	struct io *io = container_of(r, struct io, r);

	io->done++;
	if (io->total)
		++*io->total;
}

void io_init(struct io *io, enum blk_op op, uint64_t offset, void *buf, uint64_t len)
{
	memset(io, 0, sizeof(*io));
	io->r = (struct blk_req){.op = op, .offset = offset, .len = len, .done = io_done};
	if (buf)
		io->r.data = giov_from_buf(&io->seg, buf, len);
}

void io_init_segments(
	struct io *io, enum blk_op op, uint64_t offset, const struct iovec *segs, unsigned n)
{
	size_t size = 0;

	for (unsigned i = 0; i < n; i++)
		size += segs[i].iov_len;
	io_init(io, op, offset, NULL, size);
	io->r.data = (struct giov){.segs__ = segs, .n = n, .size = size};
}

void run_until(struct loop *loop, const unsigned *flag, unsigned n)
{
	int64_t deadline = loop_now() + PATIENCE_NS;

	while (__atomic_load_n(flag, __ATOMIC_ACQUIRE) < n) {
		g_assert_cmpint(loop_now(), <, deadline);
		loop_iterate(loop, 100);
	}
}

int io_run(struct loop *loop, struct blk_queue *q, struct io *io)
{
	blk_submit(q, &io->r);
	g_assert_cmpuint(io->done, ==, 0);
	blk_commit(q);
	g_assert_cmpuint(io->done, ==, 0);
	run_until(loop, &io->done, 1);
	g_assert_cmpuint(io->done, ==, 1);
	return io->r.result;
}

int do_io(struct loop *loop, struct blk_queue *q, enum blk_op op, uint64_t offset, void *buf,
	uint64_t len)
{
	struct io io;

	io_init(&io, op, offset, buf, len);
	return io_run(loop, q, &io);
}

static void set_flag(void *opaque)
{
	*(unsigned *)opaque = 1;
}

void drain(struct loop *loop, struct blk *b)
{
	unsigned drained = 0;

	blk_drain_begin(b, set_flag, &drained);
	g_assert_cmpuint(drained, ==, 0);
	run_until(loop, &drained, 1);
}
