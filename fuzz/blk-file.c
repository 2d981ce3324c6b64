/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests as a guest may make them against a small image: what blk_check() passes is carried out as on a plain array, whatever the
 * buffers look like; the rest is refused.
 *
 *	input: the cache mode, then 8 bytes a request: operation, flags, first block (2), blocks (2), shape of the buffer (2)
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/loop.h"
#include "virtio-backends/block/drivers.h"

#define BLOCKS       512
#define BLOCK        512
#define REQUESTS_MAX 64
#define SEGS_MAX     200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One disk a cache mode for all inputs; its image begins anew with each. */
static struct disk {
	struct loop *loop;
	struct blk_queue *q;
	struct blk_info info;
	int fd;
} disks[3];

struct run {
	struct disk *disk;
	uint8_t model[BLOCKS * BLOCK];
	bool discarded[BLOCKS]; /* content is not known */
	struct blk_req r;
	bool done;
};

static void done(struct blk_req *r)
{
	container_of(r, struct run, r)->done = true;
}

/* The payload of the request in pieces of a length that need not divide anything, from an address of any alignment. */
static struct giov cut(struct iovec *segs, uint8_t *memory, size_t n, uint16_t shape)
{
	size_t part = MAX(shape >> 4, (int)(n / SEGS_MAX + 1)), at = 0;
	unsigned used = 0;

	for (; at < n; at += segs[used++].iov_len)
		segs[used] = (struct iovec){.iov_base = memory + at, .iov_len = MIN(part, n - at)};
	return (struct giov){.segs__ = segs, .n = used, .size = n};
}

static void compare(const struct run *u, const uint8_t *got)
{
	for (uint64_t at = 0; at < u->r.len; at += BLOCK) {
		uint64_t offset = u->r.offset + at;

		if (!u->discarded[offset / BLOCK])
			g_assert_cmpmem(got + at, BLOCK, u->model + offset, BLOCK);
	}
}

static void apply(struct run *u, const uint8_t *buf)
{
	struct blk_req *r = &u->r;

	g_assert_cmpint(r->result, ==, 0);
	switch (r->op) {
	case BLK_READ: compare(u, buf); break;
	case BLK_WRITE: memcpy(u->model + r->offset, buf, r->len); break;
	case BLK_WRITE_ZEROES: memset(u->model + r->offset, 0, r->len); break;
	default: break;
	}
	for (uint64_t at = r->offset;
		r->op != BLK_READ && r->op != BLK_FLUSH && at < r->offset + r->len; at += BLOCK)
		u->discarded[at / BLOCK] = r->op == BLK_DISCARD;
}

static void do_request(struct run *u, const uint8_t *in)
{
	static uint8_t memory[BLOCKS * BLOCK + 16];
	uint16_t first = in[2] | in[3] << 8, blocks = in[4] | in[5] << 8,
		 shape = in[6] | in[7] << 8;
	uint8_t *buf = memory + shape % 16;
	struct iovec segs[SEGS_MAX + 1];

	u->r = (struct blk_req){
		.op = in[0] % (BLK_OPS + 1),
		.flags = in[1] & (BLK_F_FUA | BLK_F_UNMAP),
		.offset = (uint64_t)first * BLOCK + (in[1] & 0x80 ? 1 : 0),
		.len = (uint64_t)blocks * BLOCK,
		.done = done,
	};
	if (in[1] & 0x40)
		u->r.offset += UINT64_MAX - 3 * BLOCK;
	if (u->r.len <= BLOCKS * BLOCK) {
		memset(buf, in[1] ^ first, u->r.len);
		u->r.data = cut(segs, buf, u->r.len, shape);
	}
	if (blk_check(&u->disk->info, &u->r) < 0)
		return;
	u->done = false;
	blk_submit(u->disk->q, &u->r);
	blk_commit(u->disk->q);
	while (!u->done)
		loop_iterate(u->disk->loop, 1000);
	apply(u, buf);
}

static void open_disk(struct disk *d, enum blk_cache cache)
{
	struct blk_file_conf conf = {.id = "fuzz", .cache = cache};
	struct blk *blk;

	d->loop = loop_new("fuzz", NULL);
	d->fd = memfd_create("fuzz", MFD_CLOEXEC);
	g_assert_cmpint(ftruncate(d->fd, BLOCKS * BLOCK), ==, 0);
	conf.loop = d->loop;
	conf.fd = dup(d->fd);
	blk = blk_file_new(&conf, NULL);
	g_assert_cmpint(blk_queue_open(blk, d->loop, &d->q), ==, 0);
	blk_get_info(blk, &d->info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree struct run *u = g_new0(struct run, 1);
	struct disk *d;

	if (size < 1)
		return 0;
	d = &disks[data[0] % ARRAY_SIZE(disks)];
	if (!d->loop)
		open_disk(d, BLK_CACHE_WRITEBACK + data[0] % ARRAY_SIZE(disks));
	g_assert_cmpint(ftruncate(d->fd, 0), ==, 0);
	g_assert_cmpint(ftruncate(d->fd, BLOCKS * BLOCK), ==, 0);
	u->disk = d;
	for (size_t at = 1, n = 0; at + 8 <= size && n < REQUESTS_MAX; at += 8, n++)
		do_request(u, data + at);
	return 0;
}
