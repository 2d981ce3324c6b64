/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a virtqueue costs the device: nanoseconds to pop, look at and push a request as virtio-blk's driver makes them (header of
 * 16 bytes, 4 KiB of payload, 1 byte of status), without any I/O. Batches of 32; the driver's own work is not timed.
 *
 *	bench-vq [SECONDS]	one line for each layout: least and median of the batches
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/gmem.h"
#include "base/loop.h"
#include "base/qs.h"
#include "virtio-backends/virtio/vq.h"

#define SIZE    256
#define BATCH   32
#define SAMPLES 200000
#define RAM     (64 * MiB)
#define DESC    0x10000
#define DRIVER  0x20000
#define DEVICE  0x30000
#define TABLES  0x40000
#define DATA    (1 * MiB)

enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

struct variant {
	const char *name;
	bool packed, indirect;
};

struct bench {
	const struct variant *v;
	struct gmem *gmem;
	struct gmem_block *block;
	struct vq *vq;
	uint16_t avail; /* split: index; packed: slot */
	bool wrap;
	unsigned chain; /* next to be made available */
};

static void failed(void *opaque, struct vq *q, const char *why)
{
	fprintf(stderr, "bench-vq: %s\n", why);
	exit(1);
}

static void interrupt(void *opaque, struct vq *q)
{
}

static const struct vq_host_ops host = {.fail = failed, .interrupt = interrupt};

static void put(struct bench *b, uint64_t at, const void *src, size_t n)
{
	if (gmem_block_load(b->block, at, src, n) < 0)
		failed(NULL, b->vq, "outside of memory");
}

static void put16(struct bench *b, uint64_t at, uint16_t v)
{
	put(b, at, &v, sizeof(v));
}

static void put_desc(
	struct bench *b, uint64_t at, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	uint16_t avail = b->wrap ? 0x0080 : 0x8000;
	uint64_t desc[2] = {addr, len};

	if (b->v->packed)
		desc[1] |= (uint64_t)next << 32 | (uint64_t)(flags | avail) << 48;
	else
		desc[1] |= (uint64_t)flags << 32 | (uint64_t)next << 48;
	put(b, at, desc, sizeof(desc));
}

static void put_chain(struct bench *b, uint64_t at, unsigned first, unsigned chain)
{
	uint64_t data = DATA + chain * 0x2000;

	put_desc(b, at, data, 16, NEXT, (uint16_t)(first + 1));
	put_desc(b, at + 16, data + 0x1000, 4096, NEXT | WRITE, (uint16_t)(first + 2));
	put_desc(b, at + 32, data + 16, 1, WRITE, (uint16_t)chain);
}

/* One request more for the device, as cheap as can be: it is not what is measured. */
static void add(struct bench *b)
{
	unsigned chains = b->v->indirect ? SIZE : SIZE / 3;
	unsigned chain = b->chain++ % chains;
	unsigned slot = b->v->packed ? b->avail : chain * (b->v->indirect ? 1 : 3);
	uint64_t at = DESC + slot * 16;

	if (b->v->indirect) {
		put_chain(b, TABLES + chain * 48, 0, chain);
		put_desc(b, at, TABLES + chain * 48, 48, INDIRECT, (uint16_t)chain);
	} else {
		put_chain(b, at, slot, chain);
	}
	if (!b->v->packed) {
		put16(b, DRIVER + 4 + 2 * (b->avail % SIZE), (uint16_t)slot);
		put16(b, DRIVER + 2, ++b->avail);
		return;
	}
	b->avail += b->v->indirect ? 1 : 3;
	if (b->avail >= (b->v->indirect ? SIZE : SIZE / 3 * 3)) {
		b->avail = 0;
		b->wrap = !b->wrap;
	}
}

/* The device's part of a batch. */
static void serve(struct bench *b)
{
	uint64_t header[2];
	uint8_t status = 0;
	struct vq_req *r;
	struct giov v;

	vq_kick_disable(b->vq);
	while (vq_pop(b->vq, &r) > 0) {
		if (vq_read(r, 0, header, sizeof(header)) < 0 ||
			vq_payload_in(r, 0, r->in_size - 1, &v) < 0 || v.size != 4096 ||
			vq_write(r, r->in_size - 1, &status, 1) < 0)
			failed(NULL, b->vq, "a chain is not what was put there");
		vq_push(r, r->in_size);
	}
	if (vq_kick_enable(b->vq))
		failed(NULL, b->vq, "work is left");
	vq_notify(b->vq);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void run(struct bench *b, int64_t ns)
{
	static int64_t samples[SAMPLES];
	int64_t end = loop_now() + ns;
	unsigned n = 0;

	while (n < SAMPLES && loop_now() < end) {
		int64_t begin;

		for (unsigned i = 0; i < BATCH; i++)
			add(b);
		qs_enter();
		begin = loop_now();
		serve(b);
		samples[n++] = loop_now() - begin;
		qs_leave();
	}
	qsort(samples, n, sizeof(*samples), by_value);
	printf("%-16s least %5.1f ns, median %5.1f ns a request (%u batches)\n", b->v->name,
		(double)samples[0] / BATCH, (double)samples[n / 2] / BATCH, n);
}

static void run_variant(const struct variant *v, int64_t ns)
{
	struct gmem_block_conf conf = {.name = "ram", .size = RAM};
	struct gmem_block *block = gmem_block_new(&conf, NULL);
	struct bench b = {.v = v, .gmem = gmem_new(), .block = block, .wrap = true};
	struct gmem_range range = {.gpa = GPA(0), .size = RAM, .block = block};
	struct vq_ring ring = {
		/* A packed ring of whole chains: none is cut by its end. */
		.size = v->packed && !v->indirect ? SIZE / 3 * 3 : SIZE,
		.desc = GPA(DESC),
		.avail = GPA(DRIVER),
		.used = GPA(DEVICE),
		.packed = v->packed,
		.indirect = v->indirect,
		.event_idx = true,
	};

	b.vq = vq_new(b.gmem, 0, SIZE, 64, &host, &b);
	qs_enter();
	if (gmem_map_commit(b.gmem, &range, 1) < 0 ||
		vq_start(b.vq, &ring, v->packed ? VQ_WRAP : 0, v->packed ? VQ_WRAP : 0) < 0)
		failed(NULL, b.vq, "cannot start");
	qs_leave();
	run(&b, ns);
	vq_free(b.vq);
	gmem_free(b.gmem);
	gmem_block_unref(block);
}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		{"split", false, false},
		{"split indirect", false, true},
		{"packed", true, false},
		{"packed indirect", true, true},
	};
	double seconds = argc > 1 ? g_ascii_strtod(argv[1], NULL) : 1;

	qs_thread_init();
	for (unsigned i = 0; i < ARRAY_SIZE(variants); i++)
		run_variant(&variants[i], (int64_t)(seconds * NSEC_PER_SEC));
	qs_thread_done();
	return 0;
}
