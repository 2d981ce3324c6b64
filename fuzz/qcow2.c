/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The input is a qcow2 image, as hostile as may be: it is refused, or its requests end, in bounded time and memory.
 *
 * A valid small image of the corpus has its tables in the first clusters of 512 bytes, so that every byte is within reach.
 */
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/loop.h"
#include "virtio-backends/block/disk.h"

#define IMAGE_MAX (256 * KiB)
#define PIECE     (64 * KiB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct loop *loop;
	struct blk_queue *q;
	struct blk_info info;
	struct blk_req r;
	struct iovec seg;
	uint8_t *buf;
	bool done;
};

static void done(struct blk_req *r)
{
	container_of(r, struct run, r)->done = true;
}

static void request(struct run *u, enum blk_op op, uint64_t offset, uint64_t len)
{
	u->r = (struct blk_req){.op = op, .offset = offset, .len = len, .done = done};
	if (op == BLK_READ || op == BLK_WRITE)
		u->r.data = giov_from_buf(&u->seg, u->buf, len);
	if (blk_check(&u->info, &u->r) < 0)
		return;
	u->done = false;
	blk_submit(u->q, &u->r);
	blk_commit(u->q);
	while (!u->done)
		loop_iterate(u->loop, 1000);
}

static void requests(struct run *u)
{
	uint64_t end = align_down(u->info.size - MIN(u->info.size, PIECE), 512);

	for (uint64_t at = 0; at < 4 * PIECE; at += PIECE)
		request(u, BLK_READ, at, MIN(PIECE, u->info.size));
	request(u, BLK_READ, end, 512);
	request(u, BLK_WRITE, 0, 512);
	request(u, BLK_WRITE, end, 512);
	request(u, BLK_FLUSH, 0, 0);
	request(u, BLK_DISCARD, 0, PIECE);
	request(u, BLK_WRITE_ZEROES, 512, PIECE);
	request(u, BLK_WRITE, PIECE, PIECE);
	request(u, BLK_FLUSH, 0, 0);
	request(u, BLK_READ, 0, PIECE);
}

static struct node *file_of(const uint8_t *data, size_t size)
{
	struct blk_file_conf conf = {.id = "file", .cache = BLK_CACHE_WRITEBACK, .grows = true};

	conf.fd = memfd_create("fuzz", MFD_CLOEXEC);
	g_assert_cmpint(write(conf.fd, data, size), ==, size);
	return file_node_new(&conf, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[PIECE];
	struct run u = {.buf = buf};
	struct blk_qcow2_conf conf = {.name = "image", .l2_cache = 1, .refcount_cache = 1};
	struct disk_conf disk = {.id = "disk0"};
	struct node *file, *image;
	struct blk *blk;

	if (!size || size > IMAGE_MAX)
		return 0;
	file = file_of(data, size);
	conf.file = node_ref(file);
	image = qcow2_node_new(&conf, NULL);
	if (image) {
		u.loop = loop_new("main", NULL);
		disk.loop = u.loop;
		blk = disk_new(&disk, image);
		g_assert_cmpint(blk_queue_open(blk, u.loop, &u.q), ==, 0);
		blk_get_info(blk, &u.info);
		requests(&u);
		blk_queue_close(u.q);
		blk_free(blk);
		while (__atomic_load_n(&file->refs, __ATOMIC_ACQUIRE) > 1) {
			loop_iterate(u.loop, 0);
			sched_yield();
		}
		loop_free(u.loop);
	}
	node_unref(file);
	return 0;
}
