/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random 4 KiB reads through a disk's engine, on one loop: requests per second. Not a test.
 *
 *	blk-bench FILE|null CACHE-MODE(0..3) DEPTH SECONDS
 *
 * With depth above 1 the requests that complete together are submitted together, as a virtqueue's are.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/loop.h"
#include "virtio-backends/block/drivers.h"

#define DEPTH_MAX 256

struct bench {
	struct loop *loop;
	struct blk_queue *q;
	uint64_t blocks, done, end;
	uint32_t seed;
	struct loop_hook hook;
	struct bench_io {
		struct blk_req r;
		struct iovec seg;
		struct bench *bench;
		void *buf;
	} ios[DEPTH_MAX];
};

static uint64_t next_block(struct bench *b)
{
	b->seed ^= b->seed << 13;
	b->seed ^= b->seed >> 17;
	b->seed ^= b->seed << 5;
	return b->seed % b->blocks;
}

static void submit(struct bench_io *io)
{
	io->r.op = BLK_READ;
	io->r.offset = next_block(io->bench) * 4096;
	io->r.len = 4096;
	io->r.data = giov_from_buf(&io->seg, io->buf, 4096);
	blk_submit(io->bench->q, &io->r);
}

static void done(struct blk_req *r)
{
	struct bench_io *io = container_of(r, struct bench_io, r);

	if (r->result < 0) {
		fprintf(stderr, "read fails: %s\n", g_strerror(-r->result));
		exit(1);
	}
	io->bench->done++;
	submit(io);
}

static void commit(struct loop_hook *h)
{
	blk_commit(container_of(h, struct bench, hook)->q);
}

static struct blk *open_disk(struct loop *loop, const char *path, int cache)
{
	struct blk_file_conf conf = {.id = "bench", .cache = cache, .readonly = true, .loop = loop};
	g_autoptr(GError) error = NULL;
	struct blk *b;

	if (g_str_equal(path, "null"))
		return blk_null_new("bench", GiB, true, loop);
	conf.fd = open(path, blk_file_open_flags(cache, true));
	b = blk_file_new(&conf, &error);
	if (!b)
		fprintf(stderr, "%s\n", error->message);
	return b;
}

int main(int argc, char **argv)
{
	struct bench b = {.seed = 2463534242, .hook.fn = commit};
	unsigned depth = argc == 5 ? atoi(argv[3]) : 0;
	struct blk_info info;
	struct blk_stats stats;
	struct blk *blk;
	int64_t start, ns;

	if (!depth || depth > DEPTH_MAX) {
		fprintf(stderr, "usage: %s FILE|null CACHE-MODE DEPTH SECONDS\n", argv[0]);
		return 2;
	}
	b.loop = loop_new("bench", NULL);
	blk = open_disk(b.loop, argv[1], atoi(argv[2]));
	if (!blk || blk_queue_open(blk, b.loop, &b.q) < 0)
		return 1;
	blk_get_info(blk, &info);
	b.blocks = info.size / 4096;
	loop_hook_add(b.loop, &b.hook);
	for (unsigned i = 0; i < depth; i++) {
		b.ios[i].bench = &b;
		b.ios[i].r.done = done;
		b.ios[i].buf = aligned_alloc(4096, 4096);
		submit(&b.ios[i]);
	}
	blk_commit(b.q);
	start = loop_now();
	do
		loop_iterate(b.loop, 100);
	while ((ns = loop_now() - start) < atoi(argv[4]) * NSEC_PER_SEC);
	blk_get_stats(blk, &stats);
	printf("%.0f requests/s, %.2f us in the engine each\n", b.done * 1e9 / ns,
		stats.ns[BLK_READ] / 1e3 / stats.ops[BLK_READ]);
	return 0;
}
