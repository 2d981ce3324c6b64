/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver that breaks every rule: ring addresses, descriptors, indices and chains at random, then
 * doorbells. After each round the device must take a reset; what it does on the way is its own
 * affair, as long as the host process and, beyond the arena, this guest survive. Commands behind this
 * one on the line prove that the device still works.
 *
 * Addresses are in the arena (memory that holds nothing), just below the end of it, in device memory,
 * or anywhere in 64 bits. So whatever the device writes cannot hurt the guest.
 */
#include "commands.h"
#include "cpu.h"
#include "io.h"
#include "layout.h"
#include "lib.h"
#include "out.h"
#include "virtio.h"

#define RING_BYTES 8192 /* rewritten each round, for each area of each queue */
#define MAX_QUEUES 8
#define KICKS      4

static struct rng rng;

static uint64_t below(uint64_t n)
{
	return rng_next(&rng) % n;
}

static uint64_t random_address(void)
{
	switch (below(8)) {
	case 0: return rng_next(&rng);
	case 1: return GUEST_MMIO + below(GUEST_BARS_END - GUEST_MMIO);
	case 2: return GUEST_ARENA + GUEST_ARENA_SIZE - below(64);
	default: return GUEST_ARENA + (below(GUEST_ARENA_SIZE) & ~15ull);
	}
}

static uint32_t random_length(void)
{
	static const uint32_t lengths[] = {0, 1, 12, 16, 511, 512, 4096, 0x10000, 0xffffffff};

	return below(4) ? lengths[below(ARRAY_SIZE(lengths))] : rng_next(&rng);
}

/* Descriptors that are wrong in single fields get further into a device than noise does. */
static void fill_descriptors(struct vq_desc *d, uint16_t size)
{
	for (unsigned int i = 0; i < RING_BYTES / sizeof(*d); i++)
		d[i] = (struct vq_desc){
			.addr = random_address(),
			.len = random_length(),
			.flags = below(16) ? below(8) : rng_next(&rng),
			.next = below(4) ? below(size) : rng_next(&rng),
		};
}

static void fill_noise(uint64_t *p)
{
	for (unsigned int i = 0; i < RING_BYTES / sizeof(*p); i++)
		p[i] = rng_next(&rng);
}

/* Available heads: mostly valid numbers, so that chains are followed. */
static void fill_available(uint16_t *p, uint16_t size)
{
	for (unsigned int i = 0; i < RING_BYTES / sizeof(*p); i++)
		p[i] = below(8) ? below(size) : rng_next(&rng);
	p[0] = below(2);
	p[1] = below(4) ? 1 + below(size) : rng_next(&rng);
}

/* Offer queue @index with garbage in it and return its doorbell. */
static uintptr_t spoil_queue(const struct virtio *v, uint16_t index, uint8_t *areas)
{
	uint16_t size = 1 << below(9);
	uint64_t desc = (uintptr_t)areas;
	uint64_t driver = desc + RING_BYTES, device = driver + RING_BYTES;

	fill_descriptors((void *)desc, size);
	fill_available((void *)driver, size);
	fill_noise((void *)device);
	virtio_select_queue(v, index);
	if (!below(8))
		size = rng_next(&rng);
	virtio_set_queue_size(v, size);
	virtio_set_rings(v, below(8) ? desc : random_address(),
		below(8) ? driver : random_address(), below(8) ? device : random_address());
	virtio_enable_queue(v);
	return virtio_doorbell(v);
}

/* One round; true if the device asked for a reset. */
static bool spoil(struct virtio *v, const struct args *a, enum virtio_id id, uint8_t *areas)
{
	uintptr_t doorbells[MAX_QUEUES];
	uint16_t n;
	bool broken;

	virtio_start(v, id, 0, a);
	n = virtio_queue_count(v);
	if (n > MAX_QUEUES)
		n = MAX_QUEUES;
	for (uint16_t i = 0; i < n; i++)
		doorbells[i] = spoil_queue(v, i, areas + i * 3 * RING_BYTES);
	if (below(8))
		virtio_go(v);
	for (unsigned int k = 0; k < KICKS * n; k++) {
		uint16_t i = below(n);

		mmio_write16(doorbells[i], below(8) ? i : rng_next(&rng));
	}
	broken = virtio_status(v) & VIRTIO_STATUS_NEEDS_RESET;
	virtio_reset(v);
	return broken;
}

static enum virtio_id device_by_name(const char *name)
{
	static const struct {
		const char *name;
		enum virtio_id id;
	} names[] = {
		{"net", VIRTIO_NET},
		{"blk", VIRTIO_BLOCK},
		{"console", VIRTIO_CONSOLE},
		{"rng", VIRTIO_RNG},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		if (str_eq(names[i].name, name))
			return names[i].id;
	}
	fail("garbage: no device type %s", name);
}

void cmd_garbage(const struct args *a)
{
	uint64_t n = arg_range(a, "n", 1, UINT32_MAX), broken = 0;
	enum virtio_id id = device_by_name(arg_str(a, "type"));
	uint8_t *areas = (uint8_t *)(uintptr_t)GUEST_ARENA;
	struct virtio v;

	rng_seed(&rng, arg_num(a, "seed"));
	for (uint64_t i = 0; i < n; i++)
		broken += spoil(&v, a, id, areas);
	out("garbage.rounds=%lu\ngarbage.needs_reset=%lu\n", n, broken);
}
