/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-blk (virtio 1.2, 5.2): requests per second, and disks that keep what was written. */
#include "commands.h"
#include "cpu.h"
#include "io.h"
#include "lib.h"
#include "out.h"
#include "virtio.h"

#define SECTOR    512
#define MAX_DEPTH 64
#define MAX_BYTES (1u << 20)
#define ID_BYTES  20

#define BLK_F_RO       (1ull << 5)
#define BLK_F_BLK_SIZE (1ull << 6)
#define BLK_F_FLUSH    (1ull << 9)

#define CONFIG_CAPACITY 0x00 /* sectors */
#define CONFIG_BLK_SIZE 0x14

enum blk_type { BLK_IN = 0, BLK_OUT = 1, BLK_FLUSH = 4, BLK_GET_ID = 8 };

#define STATUS_NONE 0xff /* not written by the device */

struct blk_header {
	uint32_t type, reserved;
	uint64_t sector;
};

struct request {
	struct blk_header header;
	volatile uint8_t status;
	uint64_t started;
	uint64_t *data;
};

struct disk {
	struct virtio v;
	struct vq q;
	uint64_t sectors;
	struct request requests[MAX_DEPTH];
};

/* One run of equal requests. */
struct job {
	enum blk_type type;
	uint64_t n, first_sector, span; /* sectors from first_sector that are addressed */
	unsigned int depth;
	uint32_t bytes;
	bool random, verify;
	uint64_t seed;
	struct rng rng;
	uint64_t issued, finished, errors;
	struct samples latency;
};

static struct disk disk;

static void open_disk(const struct args *a)
{
	virtio_start(&disk.v, VIRTIO_BLOCK, BLK_F_RO | BLK_F_BLK_SIZE | BLK_F_FLUSH, a);
	disk.sectors = mmio_read32(disk.v.config + CONFIG_CAPACITY) |
		       (uint64_t)mmio_read32(disk.v.config + CONFIG_CAPACITY + 4) << 32;
	virtio_start_queue(&disk.v, &disk.q, 0, VQ_MAX_SIZE);
	virtio_go(&disk.v);
}

/* What sector @lba holds at word @i when it was written with @seed. */
static uint64_t pattern(uint64_t seed, uint64_t lba, unsigned int i)
{
	return (lba << 8 ^ i ^ seed << 48) * 0x9e3779b97f4a7c15;
}

static void fill_pattern(const struct job *j, struct request *r)
{
	for (uint32_t w = 0; w < j->bytes / 8; w++)
		r->data[w] = pattern(
			j->seed, r->header.sector + w / (SECTOR / 8), w % (SECTOR / 8));
}

static void check_pattern(const struct job *j, const struct request *r)
{
	for (uint32_t w = 0; w < j->bytes / 8; w++) {
		uint64_t lba = r->header.sector + w / (SECTOR / 8);
		uint64_t want = pattern(j->seed, lba, w % (SECTOR / 8));

		if (r->data[w] != want)
			fail("sector %lu byte %u: 0x%lx instead of 0x%lx", lba,
				w % (SECTOR / 8) * 8, r->data[w], want);
	}
}

static uint64_t next_sector(struct job *j)
{
	uint64_t unit = j->bytes / SECTOR, units = j->span / unit;
	uint64_t at = j->random ? rng_next(&j->rng) % units : j->issued % units;

	return j->first_sector + at * unit;
}

static void submit(struct job *j, unsigned int slot)
{
	struct request *r = &disk.requests[slot];
	struct vq_segment s[3] = {{&r->header, sizeof(r->header), false}};
	unsigned int n = 1;

	r->header = (struct blk_header){.type = j->type};
	r->status = STATUS_NONE;
	if (j->bytes) {
		if (j->type != BLK_GET_ID)
			r->header.sector = next_sector(j);
		if (j->verify && j->type == BLK_OUT)
			fill_pattern(j, r);
		s[n++] = (struct vq_segment){r->data, j->bytes, j->type != BLK_OUT};
	}
	s[n++] = (struct vq_segment){(void *)&r->status, 1, true};
	r->started = rdtsc();
	if (!vq_add(&disk.q, s, n, slot))
		fail("the ring is full at %u requests", slot);
	j->issued++;
}

static void complete(struct job *j, unsigned int slot)
{
	struct request *r = &disk.requests[slot];

	if (slot >= j->depth)
		fail("completion of a request that was not made");
	samples_add(&j->latency, rdtsc() - r->started);
	j->finished++;
	if (r->status == STATUS_NONE)
		fail("sector %lu: completed without a status", r->header.sector);
	if (r->status)
		j->errors++;
	else if (j->verify && j->type == BLK_IN)
		check_pattern(j, r);
}

/* Keep @depth requests in flight until @n are done. */
static uint64_t run(struct job *j)
{
	uint64_t begin = rdtsc();
	unsigned int slot;
	uint32_t len;

	for (slot = 0; slot < j->depth && j->issued < j->n; slot++)
		submit(j, slot);
	while (j->finished < j->n) {
		vq_kick(&disk.q);
		vq_wait(&disk.q);
		while (vq_get(&disk.q, &slot, &len)) {
			complete(j, slot);
			if (j->issued < j->n)
				submit(j, slot);
		}
	}
	return rdtsc() - begin;
}

static void allocate(struct job *j)
{
	for (unsigned int i = 0; i < j->depth; i++)
		disk.requests[i].data = pool_alloc(j->bytes ? j->bytes : 8, 4096);
	samples_init(&j->latency, j->n < 1000000 ? j->n : 1000000);
}

static void set_span(struct job *j, const struct args *a)
{
	j->first_sector = arg_num(a, "first");
	j->span = arg_num(a, "span");
	if (j->first_sector >= disk.sectors)
		fail("the disk has %lu sectors", disk.sectors);
	if (!j->span || j->span > disk.sectors - j->first_sector)
		j->span = disk.sectors - j->first_sector;
	if (j->span < j->bytes / SECTOR)
		fail("a request is larger than the disk");
}

static void transfer(const struct args *a, enum blk_type type)
{
	uint32_t before = cpu_irqs(0);
	struct job j = {
		.type = type,
		.n = arg_range(a, "n", 1, UINT32_MAX),
		.depth = arg_range(a, "qd", 1, MAX_DEPTH),
		.bytes = arg_range(a, "bytes", SECTOR, MAX_BYTES) & ~(SECTOR - 1),
		.random = arg_is(a, "order", "rand", "seq"),
		.verify = arg_is(a, "verify", "yes", "no"),
		.seed = arg_num(a, "seed"),
	};
	uint64_t cycles;

	open_disk(a);
	set_span(&j, a);
	rng_seed(&j.rng, j.seed);
	allocate(&j);
	cycles = run(&j);
	virtio_report(a->command->name, &disk.q, j.n, cycles, cpu_irqs(0) - before);
	out("%s.errors=%lu\n", a->command->name, j.errors);
	if (j.errors && arg_is(a, "errors", "fail", "count"))
		fail("%s: %lu of %lu requests failed", a->command->name, j.errors, j.n);
	samples_report(&j.latency, a->command->name, "latency");
	virtio_reset(&disk.v);
}

void cmd_blk_read(const struct args *a)
{
	transfer(a, BLK_IN);
}

void cmd_blk_write(const struct args *a)
{
	transfer(a, BLK_OUT);
}

/* A single request without an address; its status. */
static uint8_t single(enum blk_type type, uint32_t bytes)
{
	struct job j = {.type = type, .n = 1, .depth = 1, .bytes = bytes};

	allocate(&j);
	run(&j);
	return disk.requests[0].status;
}

void cmd_blk_flush(const struct args *a)
{
	open_disk(a);
	if (!(disk.v.features & BLK_F_FLUSH))
		fail("blk-flush: not offered");
	out("blk-flush.status=%u\n", single(BLK_FLUSH, 0));
	virtio_reset(&disk.v);
}

void cmd_blk_info(const struct args *a)
{
	char id[ID_BYTES + 1] = "";

	open_disk(a);
	out("blk-info.features=0x%lx\n", disk.v.offered);
	out("blk-info.sectors=%lu\n", disk.sectors);
	out("blk-info.queues=%u\n", virtio_queue_count(&disk.v));
	out("blk-info.read_only=%u\n", disk.v.features & BLK_F_RO ? 1 : 0);
	if (disk.v.features & BLK_F_BLK_SIZE)
		out("blk-info.block=%u\n", mmio_read32(disk.v.config + CONFIG_BLK_SIZE));
	if (single(BLK_GET_ID, ID_BYTES) == 0)
		memcpy(id, disk.requests[0].data, ID_BYTES);
	out("blk-info.id=%s\n", id);
	virtio_reset(&disk.v);
}
