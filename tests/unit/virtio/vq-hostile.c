/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtqueue against a driver that breaks the rules, one at a time: each ends in fail() with its reason, nothing is
 * touched afterwards. Then one that changes the ring while it is read.
 */
#include <pthread.h>
#include <string.h>

#include "base/loop.h"
#include "base/qs.h"
#include "tests/lib/guest-vq.h"
#include "tests/unit/virtio/ram.h"
#include "virtio-backends/virtio/vq.h"

#define RING  0x10000
#define SIZE  8
#define LARGE 1024
#define DATA  0x200000
#define TABLE 0x300000

struct queue {
	struct test_ram ram;
	struct guest_vq g;
	struct vq *vq;
	struct vq_ring ring;
	unsigned failures, interrupts;
	char why[128];
};

static void failed(void *opaque, struct vq *vq, const char *why)
{
	struct queue *q = opaque;

	q->failures++;
	g_strlcpy(q->why, why, sizeof(q->why));
}

static void interrupted(void *opaque, struct vq *vq)
{
	((struct queue *)opaque)->interrupts++;
}

static const struct vq_host_ops host = {.fail = failed, .interrupt = interrupted};

static int start(struct queue *q)
{
	uint16_t begin = q->ring.packed ? 0x8000 : 0;

	return vq_start(q->vq, &q->ring, begin, begin);
}

static void queue_init(struct queue *q, bool packed, uint16_t size)
{
	memset(q, 0, sizeof(*q));
	ram_init(&q->ram);
	guest_vq_init(&q->g, q->ram.gmem, RING, size, packed, true);
	q->vq = vq_new(q->ram.gmem, 0, LARGE, 0, &host, q);
	q->ring = (struct vq_ring){
		.size = size,
		.desc = GPA(q->g.desc),
		.avail = GPA(q->g.driver),
		.used = GPA(q->g.device),
		.packed = packed,
		.event_idx = true,
		.indirect = true,
	};
	qs_enter();
	g_assert_cmpint(start(q), ==, 0);
}

static void queue_done(struct queue *q)
{
	qs_leave();
	vq_free(q->vq);
	ram_done(&q->ram);
}

/* ---- rules ---- */

static uint64_t slot(const struct queue *q, unsigned i)
{
	return q->g.desc + 16 * i;
}

/* A descriptor of the ring, available at once if the layout is packed. */
static void ring_desc(
	struct queue *q, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	guest_vq_set_desc(&q->g, slot(q, i), addr, len, flags | (q->ring.packed ? 0x80 : 0), next);
}

static void table_desc(
	struct queue *q, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	guest_vq_set_desc(&q->g, TABLE + 16 * i, addr, len, flags, next);
}

static void make_available(struct queue *q, uint16_t head, uint16_t idx)
{
	if (q->ring.packed)
		return;
	guest_write16(q->ram.gmem, q->g.driver + 4, head);
	guest_write16(q->ram.gmem, q->g.driver + 2, idx);
}

#define NEXT  GUEST_DESC_NEXT
#define WRITE GUEST_DESC_WRITE
#define IND   GUEST_DESC_INDIRECT

static void head_beyond(struct queue *q)
{
	make_available(q, SIZE, 1);
}

static void index_beyond(struct queue *q)
{
	ring_desc(q, 0, DATA, 16, 0, 0);
	make_available(q, 0, SIZE + 1);
}

static void next_beyond(struct queue *q)
{
	ring_desc(q, 0, DATA, 16, NEXT, SIZE);
}

static void loop_of_two(struct queue *q)
{
	ring_desc(q, 0, DATA, 16, NEXT, 1);
	ring_desc(q, 1, DATA, 16, NEXT, 0);
}

static void loop_on_itself(struct queue *q)
{
	ring_desc(q, 0, DATA, 16, NEXT, 0);
}

static void out_after_in(struct queue *q)
{
	ring_desc(q, 0, DATA, 16, NEXT | WRITE, 1);
	ring_desc(q, 1, DATA, 16, 0, 0);
}

static void in_hole(struct queue *q)
{
	ring_desc(q, 0, RAM_HOLE, 16, 0, 0);
}

static void runs_into_hole(struct queue *q)
{
	ring_desc(q, 0, RAM_HOLE - 16, 17, WRITE, 0);
}

static void wraps_around(struct queue *q)
{
	ring_desc(q, 0, UINT64_MAX - 7, 16, 0, 0);
}

static void far_away(struct queue *q)
{
	ring_desc(q, 0, UINT64_C(1) << 62, UINT32_MAX, WRITE, 0);
}

static void write_to_rom(struct queue *q)
{
	ring_desc(q, 0, RAM_ROM, 16, WRITE, 0);
}

static void indirect_unnegotiated(struct queue *q)
{
	q->ring.indirect = false;
	g_assert_cmpint(start(q), ==, 0);
	ring_desc(q, 0, TABLE, 16, IND, 0);
}

static void indirect_with_next(struct queue *q)
{
	table_desc(q, 0, DATA, 16, 0, 0);
	ring_desc(q, 0, TABLE, 16, IND | NEXT, 1);
	ring_desc(q, 1, DATA, 16, 0, 0);
}

static void indirect_empty(struct queue *q)
{
	ring_desc(q, 0, TABLE, 0, IND, 0);
}

static void indirect_uneven(struct queue *q)
{
	ring_desc(q, 0, TABLE, 24, IND, 0);
}

static void indirect_too_long(struct queue *q)
{
	ring_desc(q, 0, TABLE, (LARGE + 1) * 16, IND, 0);
}

static void indirect_huge(struct queue *q)
{
	ring_desc(q, 0, TABLE, UINT32_MAX & ~15u, IND, 0);
}

static void indirect_in_hole(struct queue *q)
{
	ring_desc(q, 0, RAM_HOLE - 16, 32, IND, 0);
}

static void indirect_nested(struct queue *q)
{
	table_desc(q, 0, TABLE + 0x100, 16, IND, 0);
	ring_desc(q, 0, TABLE, 16, IND, 0);
}

static void indirect_loop(struct queue *q)
{
	table_desc(q, 0, DATA, 16, NEXT, 1);
	table_desc(q, 1, DATA, 16, NEXT, 0);
	ring_desc(q, 0, TABLE, 32, IND, 0);
}

static void indirect_next_beyond(struct queue *q)
{
	table_desc(q, 0, DATA, 16, NEXT, 2);
	ring_desc(q, 0, TABLE, 32, IND, 0);
}

static void indirect_out_after_in(struct queue *q)
{
	table_desc(q, 0, DATA, 16, NEXT | WRITE, 1);
	table_desc(q, 1, DATA, 16, 0, 0);
	ring_desc(q, 0, TABLE, 32, IND, 0);
}

static void indirect_to_hole(struct queue *q)
{
	table_desc(q, 0, RAM_HOLE, 16, 0, 0);
	ring_desc(q, 0, TABLE, 16, IND, 0);
}

/* Each of 400 descriptors names the same 12 MiB. */
static void more_than_4gib(struct queue *q)
{
	for (unsigned i = 0; i < 400; i++)
		table_desc(
			q, i, RAM_LOW, RAM_SIZE - RAM_LOW, i == 399 ? 0 : NEXT, (uint16_t)(i + 1));
	ring_desc(q, 0, TABLE, 400 * 16, IND, 0);
}

/* Each of 1024 descriptors lies in two blocks. */
static void too_many_segments(struct queue *q)
{
	for (unsigned i = 0; i < LARGE; i++)
		table_desc(q, i, RAM_LOW - 8, 16, i == LARGE - 1 ? 0 : NEXT, (uint16_t)(i + 1));
	ring_desc(q, 0, TABLE, LARGE * 16, IND, 0);
}

static void chain_unavailable(struct queue *q)
{
	ring_desc(q, 0, DATA, 16, NEXT, 0);
	guest_vq_set_desc(&q->g, slot(q, 1), DATA, 16, 0, 0);
}

static void chain_all_the_way_round(struct queue *q)
{
	for (unsigned i = 0; i < SIZE; i++)
		ring_desc(q, i, DATA, 16, NEXT, 0);
}

static void indirect_in_chain(struct queue *q)
{
	table_desc(q, 0, DATA, 16, 0, 0);
	ring_desc(q, 0, DATA, 16, NEXT, 0);
	ring_desc(q, 1, TABLE, 16, IND, 0);
}

enum { SPLIT = 1, PACKED = 2, BOTH = 3 };

static const struct rule {
	const char *name;
	void (*break_it)(struct queue *q);
	const char *why;
	int layouts;
} rules[] = {
	{"head-beyond", head_beyond, "head beyond", SPLIT},
	{"index-beyond", index_beyond, "available index beyond", SPLIT},
	{"next-beyond", next_beyond, "next beyond the ring", SPLIT},
	{"loop-of-two", loop_of_two, "loop in a chain", SPLIT},
	{"loop-on-itself", loop_on_itself, "loop in a chain", SPLIT},
	{"out-after-in", out_after_in, "device-readable buffer after", BOTH},
	{"in-hole", in_hole, "outside of RAM", BOTH},
	{"runs-into-hole", runs_into_hole, "outside of RAM", BOTH},
	{"wraps-around", wraps_around, "outside of RAM", BOTH},
	{"far-away", far_away, "outside of RAM", BOTH},
	{"write-to-rom", write_to_rom, "outside of RAM", BOTH},
	{"indirect-unnegotiated", indirect_unnegotiated, "not negotiated", BOTH},
	{"indirect-with-next", indirect_with_next, "indirect descriptor", BOTH},
	{"indirect-empty", indirect_empty, "bad length", BOTH},
	{"indirect-uneven", indirect_uneven, "bad length", BOTH},
	{"indirect-too-long", indirect_too_long, "longer than the queue", BOTH},
	{"indirect-huge", indirect_huge, "longer than the queue", BOTH},
	{"indirect-in-hole", indirect_in_hole, "table outside of RAM", BOTH},
	{"indirect-nested", indirect_nested, "in an indirect table", SPLIT},
	{"indirect-loop", indirect_loop, "loop in an indirect table", SPLIT},
	{"indirect-next-beyond", indirect_next_beyond, "next beyond the indirect table", SPLIT},
	{"indirect-out-after-in", indirect_out_after_in, "device-readable buffer after", BOTH},
	{"indirect-to-hole", indirect_to_hole, "outside of RAM", BOTH},
	{"more-than-4gib", more_than_4gib, "more than 4 GiB", BOTH},
	{"too-many-segments", too_many_segments, "more segments", BOTH},
	{"chain-unavailable", chain_unavailable, "not available", PACKED},
	{"chain-all-the-way-round", chain_all_the_way_round, "not available", PACKED},
	{"indirect-in-chain", indirect_in_chain, "indirect descriptor in a chain", PACKED},
};

/* The queue is dead until it is started again. */
static void check_dead(struct queue *q)
{
	struct vq_req *r;
	struct vq_stats stats;

	g_assert_cmpint(vq_pop(q->vq, &r), ==, -EBADMSG);
	g_assert_false(vq_has_work(q->vq));
	g_assert_false(vq_kick_enable(q->vq));
	vq_notify(q->vq);
	g_assert_cmpuint(q->failures, ==, 1);
	g_assert_cmpuint(q->interrupts, ==, 0);
	g_assert_cmpuint(vq_in_flight(q->vq), ==, 0);
	vq_get_stats(q->vq, &stats);
	g_assert_cmpuint(stats.errors, ==, 1);
	g_assert_cmpuint(stats.requests, ==, 0);
}

static void run_rule(const struct rule *rule, bool packed)
{
	struct queue q;
	struct vq_req *r;

	queue_init(&q, packed, SIZE);
	make_available(&q, 0, 1);
	rule->break_it(&q);
	g_assert_cmpint(vq_pop(q.vq, &r), ==, -EBADMSG);
	g_assert_nonnull(strstr(q.why, rule->why));
	check_dead(&q);
	queue_done(&q);
}

static void test_split(gconstpointer rule)
{
	run_rule(rule, false);
}

static void test_packed(gconstpointer rule)
{
	run_rule(rule, true);
}

/* A chain is there, so that an empty ring is not why nothing is popped. */
static void test_good(gconstpointer opaque)
{
	bool packed = GPOINTER_TO_INT(opaque);
	struct vq_req *r;
	struct queue q;

	queue_init(&q, packed, SIZE);
	ring_desc(&q, 0, DATA, 16, 0, 0);
	make_available(&q, 0, 1);
	g_assert_cmpint(vq_pop(q.vq, &r), ==, 1);
	vq_push(r, 0);
	queue_done(&q);
}

/* Section 2.7.5.3.2: the write flag of a descriptor that refers to a table means nothing; buffers of no bytes are skipped. */
static void test_tolerated(gconstpointer opaque)
{
	bool packed = GPOINTER_TO_INT(opaque);
	struct vq_req *r;
	struct queue q;

	queue_init(&q, packed, SIZE);
	table_desc(&q, 0, DATA, 16, NEXT, 1);
	table_desc(&q, 1, RAM_HOLE, 0, NEXT, 2);
	table_desc(&q, 2, DATA + 16, 4, WRITE, 0);
	ring_desc(&q, 0, TABLE, 48, IND | WRITE, 0);
	make_available(&q, 0, 1);
	g_assert_cmpint(vq_pop(q.vq, &r), ==, 1);
	g_assert_cmpuint(r->out_size, ==, 16);
	g_assert_cmpuint(r->in_size, ==, 4);
	g_assert_cmpuint(r->n_out + r->n_in, ==, 2);
	vq_push(r, 4);
	queue_done(&q);
}

/* ---- more available than the ring has ---- */

static void test_too_many(gconstpointer opaque)
{
	bool packed = GPOINTER_TO_INT(opaque);
	struct vq_req *r;
	struct queue q;

	queue_init(&q, packed, SIZE);
	for (unsigned i = 0; i < SIZE; i++) {
		ring_desc(&q, i, DATA, 16, 0, 0);
		if (!packed)
			guest_write16(q.ram.gmem, q.g.driver + 4 + 2 * i, (uint16_t)i);
	}
	if (!packed)
		guest_write16(q.ram.gmem, q.g.driver + 2, SIZE);
	for (unsigned i = 0; i < SIZE; i++)
		g_assert_cmpint(vq_pop(q.vq, &r), ==, 1);
	/* All are in flight, yet the driver offers another. */
	if (packed)
		guest_vq_set_desc(&q.g, slot(&q, 0), DATA, 16, 0x8000, 0);
	else
		guest_write16(q.ram.gmem, q.g.driver + 2, SIZE + 1);
	g_assert_cmpint(vq_pop(q.vq, &r), ==, -EBADMSG);
	g_assert_cmpuint(q.failures, ==, 1);
	g_assert_cmpuint(vq_in_flight(q.vq), ==, SIZE);
	queue_done(&q);
}

/* ---- rings that cannot be started ---- */

static void check_start(struct queue *q, struct vq_ring ring, int expected)
{
	uint16_t begin = ring.packed ? 0x8000 : 0;

	g_assert_cmpint(vq_start(q->vq, &ring, begin, begin), ==, expected);
	g_assert_cmpint(vq_is_up(q->vq), ==, expected == 0);
}

static void test_start(gconstpointer opaque)
{
	bool packed = GPOINTER_TO_INT(opaque);
	struct vq_ring good, r;
	struct queue q;

	queue_init(&q, packed, SIZE);
	good = q.ring;
#define TRY(expected, ...)                    \
	do {                                  \
		r = good;                     \
		__VA_ARGS__;                  \
		check_start(&q, r, expected); \
	} while (0)
	TRY(0, (void)r);
	TRY(-EINVAL, r.size = 0);
	TRY(-EINVAL, r.size = LARGE + 1);
	TRY(-EINVAL, r.size = 32768);
	TRY(packed ? 0 : -EINVAL, r.size = 7);
	TRY(-EINVAL, r.desc.v += 8);
	TRY(-EINVAL, r.avail.v += 1);
	TRY(packed ? -EINVAL : 0, r.avail.v += 2);
	TRY(-EINVAL, r.used.v += 2);
	TRY(-EFAULT, r.desc = GPA(RAM_HOLE));
	TRY(-EFAULT, r.desc = GPA(RAM_HOLE - 16));
	TRY(-EFAULT, r.avail = GPA(RAM_HOLE + 4));
	TRY(-EFAULT, r.used = GPA(RAM_HOLE + 4));
	TRY(-EFAULT, r.used = GPA(RAM_HOLE));
	TRY(-EFAULT, r.used = GPA(UINT64_MAX - 3));
	TRY(-EFAULT, r.desc = GPA(UINT64_MAX - 15));
	TRY(-EFAULT, r.used = GPA(RAM_ROM));
	TRY(packed ? -EFAULT : 0, r.desc = GPA(RAM_ROM));
	TRY(0, r.avail = GPA(RAM_ROM));
	/* Two blocks that touch are not one ring. */
	TRY(-EFAULT, r.desc = GPA(RAM_LOW - 16));
#undef TRY
	if (packed)
		g_assert_cmpint(vq_start(q.vq, &good, 0x8000 | SIZE, 0x8000), ==, -EINVAL);
	queue_done(&q);
}

/* ---- memory that goes ---- */

static void test_memory_gone(gconstpointer opaque)
{
	bool packed = GPOINTER_TO_INT(opaque);
	struct vq_req *r;
	struct queue q;

	queue_init(&q, packed, SIZE);
	guest_vq_init(&q.g, q.ram.gmem, RAM_LOW, SIZE, packed, true);
	q.ring.desc = GPA(q.g.desc);
	q.ring.avail = GPA(q.g.driver);
	q.ring.used = GPA(q.g.device);
	g_assert_cmpint(start(&q), ==, 0);
	ring_desc(&q, 0, DATA, 16, 0, 0);
	make_available(&q, 0, 1);
	ram_commit(&q.ram, false);
	g_assert_cmpint(vq_pop(q.vq, &r), ==, -EBADMSG);
	g_assert_nonnull(strstr(q.why, "taken away"));
	check_dead(&q);
	queue_done(&q);
}

/* The ring stays, a buffer's block goes and comes: translations are not kept across a commit. */
static void test_buffer_gone(gconstpointer opaque)
{
	bool packed = GPOINTER_TO_INT(opaque);
	struct guest_buf buf = {.gpa = RAM_LOW + 0x1000, .len = 16, .write = true};
	struct vq_req *r;
	struct queue q;

	queue_init(&q, packed, SIZE);
	for (unsigned i = 0; i < 3; i++) {
		ram_commit(&q.ram, i != 2);
		g_assert_cmpint(guest_vq_add(&q.g, &buf, 1, 0), >=, 0);
		guest_vq_publish(&q.g);
		if (i == 2)
			break;
		g_assert_cmpint(vq_pop(q.vq, &r), ==, 1);
		vq_push(r, 16);
		vq_notify(q.vq);
	}
	g_assert_cmpint(vq_pop(q.vq, &r), ==, -EBADMSG);
	queue_done(&q);
}

/* ---- what is written is marked ---- */

static bool take_dirty(struct queue *q, uint64_t gpa)
{
	static uint64_t bitmap[RAM_LOW / GMEM_PAGE_SIZE / 64];
	bool dirty;

	memset(bitmap, 0, sizeof(bitmap));
	gmem_dirty_take(q->ram.low, bitmap);
	dirty = bitmap[gpa / GMEM_PAGE_SIZE / 64] >> (gpa / GMEM_PAGE_SIZE % 64) & 1;
	/* Only this page is taken: the others are marked again. */
	for (uint64_t page = 0; page < RAM_LOW / GMEM_PAGE_SIZE; page++) {
		if (bitmap[page / 64] >> (page % 64) & 1 && page != gpa / GMEM_PAGE_SIZE)
			gmem_dirty_mark_block(q->ram.low, page * GMEM_PAGE_SIZE, 1);
	}
	return dirty;
}

static void test_dirty(gconstpointer opaque)
{
	bool packed = GPOINTER_TO_INT(opaque);
	struct guest_buf bufs[] = {
		{DATA, 16, false}, {DATA + 0x1000, 16, true}, {DATA + 0x2000, 16, true}};
	struct vq_req *r;
	struct queue q;

	queue_init(&q, packed, SIZE);
	qs_leave();
	g_assert_cmpint(gmem_dirty_start(q.ram.gmem), ==, 0);
	qs_enter();
	g_assert_cmpint(guest_vq_add(&q.g, bufs, 3, 0), >=, 0);
	guest_vq_publish(&q.g);
	for (unsigned i = 0; i < 2; i++) {
		take_dirty(&q, q.g.desc);
		take_dirty(&q, q.g.driver);
		take_dirty(&q, q.g.device);
	}
	g_assert_cmpint(vq_pop(q.vq, &r), ==, 1);
	g_assert_false(take_dirty(&q, packed ? q.g.desc : q.g.device));
	vq_push(r, 20);
	vq_notify(q.vq);
	g_assert_false(take_dirty(&q, DATA));
	g_assert_true(take_dirty(&q, DATA + 0x1000));
	g_assert_true(take_dirty(&q, DATA + 0x2000));
	g_assert_true(take_dirty(&q, packed ? q.g.desc : q.g.device));
	g_assert_false(take_dirty(&q, q.g.driver));
	vq_kick_disable(q.vq);
	g_assert_false(vq_kick_enable(q.vq));
	g_assert_true(take_dirty(&q, q.g.device));
	gmem_dirty_stop(q.ram.gmem);
	queue_done(&q);
}

/* ---- blocked ---- */

static void test_blocked(gconstpointer opaque)
{
	bool packed = GPOINTER_TO_INT(opaque);
	struct guest_buf buf = {DATA, 16, true};
	uint8_t byte = 0x77, got;
	struct vq_req *r, *r2;
	uint32_t len;
	struct queue q;

	queue_init(&q, packed, SIZE);
	for (unsigned i = 0; i < 2; i++)
		g_assert_cmpint(guest_vq_add(&q.g, &buf, 1, 0), >=, 0);
	guest_vq_publish(&q.g);
	g_assert_cmpint(vq_pop(q.vq, &r), ==, 1);
	g_assert_cmpint(vq_pop(q.vq, &r2), ==, 1);
	vq_push(r2, 0);
	vq_block(q.vq);
	g_assert_cmpint(vq_write(r, 0, &byte, 1), ==, -EBADMSG);
	guest_read(q.ram.gmem, DATA, &got, 1);
	g_assert_cmpuint(got, ==, 0);
	vq_push(r, 1);
	vq_notify(q.vq);
	g_assert_cmpuint(vq_in_flight(q.vq), ==, 0);
	g_assert_cmpuint(q.interrupts, ==, 0);
	g_assert_cmpuint(q.failures, ==, 0);
	g_assert_cmpint(guest_vq_take(&q.g, &len), ==, -1);
	queue_done(&q);
}

/* ---- chains longer than a request's own segments ---- */

static void test_long(gconstpointer opaque)
{
	bool packed = GPOINTER_TO_INT(opaque);
	struct guest_buf bufs[VQ_SEGS + 1];
	struct vq_req *r[VQ_LONG + 1];
	struct queue q;

	queue_init(&q, packed, LARGE);
	for (unsigned i = 0; i < ARRAY_SIZE(bufs); i++)
		bufs[i] = (struct guest_buf){DATA + i * 32, 16, true};
	for (unsigned i = 0; i <= VQ_LONG; i++)
		g_assert_cmpint(guest_vq_add(&q.g, bufs, ARRAY_SIZE(bufs), 0), >=, 0);
	guest_vq_publish(&q.g);
	for (unsigned i = 0; i < VQ_LONG; i++)
		g_assert_cmpint(vq_pop(q.vq, &r[i]), ==, 1);
	g_assert_false(vq_retry(q.vq));
	g_assert_cmpint(vq_pop(q.vq, &r[VQ_LONG]), ==, 0);
	/* It waits in the ring: a busy loop would find nothing, so none is asked for. */
	g_assert_true(vq_has_work(q.vq));
	g_assert_false(vq_kick_enable(q.vq));
	g_assert_false(vq_retry(q.vq));
	vq_push(r[3], 0);
	g_assert_true(vq_retry(q.vq));
	g_assert_false(vq_retry(q.vq));
	g_assert_cmpint(vq_pop(q.vq, &r[VQ_LONG]), ==, 1);
	g_assert_cmpuint(r[VQ_LONG]->in_size, ==, 16 * ARRAY_SIZE(bufs));
	g_assert_cmpuint(q.failures, ==, 0);
	queue_done(&q);
}

/* Cuts: as many as promised, then an error and no damage. */
static void test_cuts(gconstpointer opaque)
{
	struct guest_buf bufs[] = {{DATA, 64, false}, {DATA + 64, 64, true}};
	uint8_t bytes[64], got[64];
	struct vq_req *r;
	struct queue q;
	struct giov v;

	queue_init(&q, GPOINTER_TO_INT(opaque), SIZE);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	guest_write(q.ram.gmem, DATA, bytes, sizeof(bytes));
	g_assert_cmpint(guest_vq_add(&q.g, bufs, 2, 0), >=, 0);
	guest_vq_publish(&q.g);
	g_assert_cmpint(vq_pop(q.vq, &r), ==, 1);
	for (unsigned room = r->room - 2, i = 0; i < room; i++) {
		g_assert_cmpint(vq_payload_out(r, i + 1, 63 - i, &v), ==, 0);
		g_assert_cmpuint(giov_read(&v, 0, got, sizeof(got)), ==, 63 - i);
		g_assert_cmpint(memcmp(got, bytes + i + 1, 63 - i), ==, 0);
	}
	g_assert_cmpint(vq_payload_in(r, 1, 2, &v), ==, -EBADMSG);
	g_assert_cmpint(vq_read(r, 0, got, 64), ==, 0);
	g_assert_cmpint(memcmp(got, bytes, 64), ==, 0);
	g_assert_cmpint(vq_payload_in(r, 0, 64, &v), ==, 0);
	g_assert_cmpuint(v.n, ==, 1);
	g_assert_cmpint(vq_payload_out(r, 64, 0, &v), ==, 0);
	g_assert_cmpuint(v.n, ==, 0);
	g_assert_cmpint(vq_payload_out(r, 65, 0, &v), ==, -EBADMSG);
	g_assert_cmpint(vq_payload_out(r, 1, UINT64_MAX, &v), ==, -EBADMSG);
	vq_push(r, 0);
	queue_done(&q);
}

/* ---- a ring that changes under our eyes ---- */

#define ENOUGH 5000 /* requests, and failures */

struct scribbler {
	struct queue *q;
	int stop; /* atomic */
};

static void *scribble(void *opaque)
{
	struct scribbler *s = opaque;
	struct rnd rnd = {.s = 77};
	uint8_t *ring = gmem_block_hva(s->q->ram.low);
	uint64_t bytes = guest_vq_bytes(SIZE);

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		uint64_t at = RING + rnd_below(&rnd, (uint32_t)bytes / 2) * 2;
		static const uint16_t words[] = {
			0, 1, 2, 3, 4, 7, 8, 0x80, 0x8000, 0x8080, 0xffff, 0x20, 0x30};

		if (rnd_one_in(&rnd, 4))
			at = RING + rnd_below(&rnd, SIZE * 8) * 2;
		else if (rnd_one_in(&rnd, 4))
			at = TABLE + rnd_below(&rnd, SIZE * 8) * 2;
		__atomic_store_n((uint16_t *)(ring + at),
			rnd_one_in(&rnd, 8) ? (uint16_t)rnd_next(&rnd)
					    : words[rnd_below(&rnd, ARRAY_SIZE(words))],
			__ATOMIC_RELAXED);
	}
	return NULL;
}

static bool in_block(const void *p, size_t n, struct gmem_block *b)
{
	uintptr_t off = (uintptr_t)p - (uintptr_t)gmem_block_hva(b);

	return range_fits(off, n, gmem_block_size(b));
}

/* Whatever the scribbler does between two loads, what is popped is consistent and lies in RAM. */
static void check_request(struct queue *q, struct vq_req *r)
{
	uint64_t out = 0, in = 0;

	g_assert_cmpuint(r->n_out + r->n_in, <=, r->room);
	for (unsigned i = 0; i < r->n_out + r->n_in; i++) {
		const struct iovec *s = &r->segs[i];
		bool rom = in_block(s->iov_base, s->iov_len, q->ram.rom);

		g_assert_true(in_block(s->iov_base, s->iov_len, q->ram.low) ||
			      in_block(s->iov_base, s->iov_len, q->ram.high) ||
			      (rom && i < r->n_out));
		*(i < r->n_out ? &out : &in) += s->iov_len;
	}
	g_assert_cmpuint(out, ==, r->out_size);
	g_assert_cmpuint(in, ==, r->in_size);
}

/* A ring full of good chains, which the scribbler then takes apart. */
static void repair(struct queue *q)
{
	for (unsigned i = 0; i < SIZE; i++) {
		bool table = i % 3 == 0, last = i % 3 == 2 || i == SIZE - 1;

		table_desc(q, i, DATA, 16, i % 2 ? WRITE : NEXT, (uint16_t)(i + 1));
		ring_desc(q, i, table ? TABLE + 32 * (i / 3) : DATA, 32,
			table  ? IND
			: last ? WRITE
			       : NEXT,
			(uint16_t)(i + 1));
		if (!q->ring.packed)
			guest_write16(q->ram.gmem, q->g.driver + 4 + 2 * i, (uint16_t)i);
	}
	if (!q->ring.packed)
		guest_write16(q->ram.gmem, q->g.driver + 2, SIZE);
	g_assert_cmpint(start(q), ==, 0);
}

static void test_scribbler(gconstpointer opaque)
{
	int64_t end = loop_now() + 30 * NSEC_PER_SEC;
	struct vq_req *held[SIZE];
	struct scribbler s;
	struct queue q;
	unsigned popped = 0, n = 0;
	pthread_t t;

	queue_init(&q, GPOINTER_TO_INT(opaque), SIZE);
	s = (struct scribbler){.q = &q};
	g_assert_cmpint(pthread_create(&t, NULL, scribble, &s), ==, 0);
	for (unsigned round = 0; (popped < ENOUGH || q.failures < ENOUGH) && loop_now() < end;
		round++) {
		struct vq_req *r;
		int ret = n < SIZE ? vq_pop(q.vq, &r) : 0;

		if (ret < 0 || round % 64 == 0) {
			n = 0;
			repair(&q);
			continue;
		}
		if (ret == 1) {
			check_request(&q, r);
			held[n++] = r;
			popped++;
		}
		if (n && round % 3 == 0)
			vq_push(held[--n], round);
		if (round % 5 == 0)
			vq_notify(q.vq);
		if (round % 7 == 0)
			vq_kick_disable(q.vq);
		if (round % 11 == 0)
			(void)!vq_kick_enable(q.vq);
	}
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	g_test_message("%u requests, %u failures", popped, q.failures);
	g_assert_cmpuint(popped, >=, ENOUGH);
	g_assert_cmpuint(q.failures, >=, ENOUGH);
	queue_done(&q);
}

static void add_both(const char *name, void (*fn)(gconstpointer packed))
{
	g_autofree char *split = g_strdup_printf("/vq/hostile/split/%s", name);
	g_autofree char *packed = g_strdup_printf("/vq/hostile/packed/%s", name);

	g_test_add_data_func(split, GINT_TO_POINTER(false), fn);
	g_test_add_data_func(packed, GINT_TO_POINTER(true), fn);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
		g_autofree char *split = g_strdup_printf("/vq/hostile/split/%s", rules[i].name);
		g_autofree char *packed = g_strdup_printf("/vq/hostile/packed/%s", rules[i].name);

		if (rules[i].layouts & SPLIT)
			g_test_add_data_func(split, &rules[i], test_split);
		if (rules[i].layouts & PACKED)
			g_test_add_data_func(packed, &rules[i], test_packed);
	}
	add_both("good", test_good);
	add_both("tolerated", test_tolerated);
	add_both("too-many", test_too_many);
	add_both("start", test_start);
	add_both("memory-gone", test_memory_gone);
	add_both("buffer-gone", test_buffer_gone);
	add_both("dirty", test_dirty);
	add_both("blocked", test_blocked);
	add_both("long", test_long);
	add_both("cuts", test_cuts);
	add_both("scribbler", test_scribbler);
	return g_test_run();
}
