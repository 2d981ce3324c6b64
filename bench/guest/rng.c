/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-rng (virtio 1.2, 5.4). */
#include "commands.h"
#include "cpu.h"
#include "io.h"
#include "lib.h"
#include "out.h"
#include "virtio.h"

#define MAX_BYTES 65536

static unsigned int count_ones(const uint8_t *p, uint32_t n)
{
	unsigned int ones = 0;

	for (; n; n--, p++) {
		for (uint8_t b = *p; b; b &= b - 1)
			ones++;
	}
	return ones;
}

/* Read @n times @bytes one after another; random bits are ones about half of the time. */
void cmd_rng(const struct args *a)
{
	uint64_t n = arg_range(a, "n", 1, UINT32_MAX), got = 0, ones = 0, begin;
	uint32_t bytes = arg_range(a, "bytes", 1, MAX_BYTES), len, before = cpu_irqs(0);
	struct virtio v;
	struct vq q;
	uint8_t *data;

	virtio_start(&v, VIRTIO_RNG, 0, a);
	virtio_start_queue(&v, &q, 0, VQ_MAX_SIZE);
	virtio_go(&v);
	data = pool_alloc(bytes, 4096);
	begin = rdtsc();
	for (uint64_t i = 0; i < n; i++) {
		unsigned int id;

		vq_add(&q, &(struct vq_segment){data, bytes, true}, 1, 0);
		vq_kick(&q);
		while (!vq_get(&q, &id, &len))
			vq_wait(&q);
		if (!len || len > bytes)
			fail("rng: %u bytes of %u", len, bytes);
		got += len;
		ones += count_ones(data, len);
	}
	virtio_report("rng", &q, n, rdtsc() - begin, cpu_irqs(0) - before);
	out("rng.bytes=%lu\n", got);
	out_ratio("rng.ones_per_bit", ones, got * 8);
	virtio_reset(&v);
}
