/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/vq-fuzz.h"

#include <string.h>

#include "base/gmem.h"
#include "base/qs.h"
#include "tests/lib/fuzz-input.h"
#include "virtio-backends/virtio/vq.h"

#define BLOCK        (64 * KiB) /* low and high, which touch */
#define HOLE         (2 * BLOCK)
#define ROM          (4 * BLOCK)
#define DESC         0x0000 /* 64 descriptors */
#define DRIVER       0x1000
#define DEVICE       0x2000
#define TABLES       0x3000
#define DATA         0x4000
#define SIZE_MAX_EXP 6
#define MAX_SIZE     (1u << SIZE_MAX_EXP)

static struct {
	struct gmem *gmem;
	struct gmem_block *low, *high, *rom;
	struct vq *vq;
	struct vq_ring ring;
	struct vq_req *popped[MAX_SIZE];
	unsigned n_popped;
	bool last_is_newest; /* popped[n - 1] was popped last, nothing since */
} s;

static void failed(void *opaque, struct vq *q, const char *why)
{
}

static void interrupted(void *opaque, struct vq *q)
{
}

static const struct vq_host_ops host = {.fail = failed, .interrupt = interrupted};

static struct gmem_block *block(const char *name, uint64_t size)
{
	struct gmem_block_conf conf = {.name = name, .size = size};

	return gmem_block_new(&conf, NULL);
}

static void commit(bool high)
{
	struct gmem_range ranges[] = {
		{.gpa = GPA(0), .size = BLOCK, .block = s.low},
		{.gpa = GPA(ROM), .size = GMEM_PAGE_SIZE, .block = s.rom, .readonly = true},
		{.gpa = GPA(BLOCK), .size = BLOCK, .block = s.high},
	};

	g_assert_cmpint(gmem_map_commit(s.gmem, ranges, high ? 3 : 2), ==, 0);
}

static void init(void)
{
	if (s.gmem)
		return;
	qs_thread_init();
	s.gmem = gmem_new();
	s.low = block("low", BLOCK);
	s.high = block("high", BLOCK);
	s.rom = block("rom", GMEM_PAGE_SIZE);
	s.vq = vq_new(s.gmem, 0, MAX_SIZE, 8, &host, NULL);
}

/* Addresses that are near something. */
static uint64_t take_address(struct fuzz_input *in)
{
	static const uint64_t near[] = {
		DATA, TABLES, DESC, BLOCK - 64, HOLE - 64, ROM, UINT64_MAX - 63, DEVICE};
	uint64_t a = near[fuzz_take(in, 1) % ARRAY_SIZE(near)];

	return a + fuzz_take(in, 1) * 4;
}

static uint32_t take_len(struct fuzz_input *in)
{
	static const uint32_t lens[] = {0, 1, 16, 32, 48, 64, 128, 1024, 65536, UINT32_MAX};

	return lens[fuzz_take(in, 1) % ARRAY_SIZE(lens)];
}

static void put(uint64_t at, const void *src, size_t n)
{
	g_assert_cmpint(gmem_block_load(s.low, at, src, n), ==, 0);
}

static void put_desc(uint64_t base, struct fuzz_input *in)
{
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t a, b;
	} d;
	uint64_t at = base + fuzz_take(in, 1) % 64 * 16;

	d.addr = take_address(in);
	d.len = take_len(in);
	d.a = (uint16_t)fuzz_take(in, 1);
	d.b = (uint16_t)fuzz_take(in, 1);
	/* Packed: flags in the second place, with the two bits that make a descriptor available. */
	if (s.ring.packed)
		d.b = (uint16_t)((d.b & 7) | (d.b & 0x40 ? 0x80 : 0) | (d.b & 0x80 ? 0x8000 : 0));
	put(at, &d, sizeof(d));
}

static void make_available(struct fuzz_input *in)
{
	uint16_t idx, head = (uint16_t)fuzz_take(in, 1);

	memcpy(&idx, (uint8_t *)gmem_block_hva(s.low) + DRIVER + 2, 2);
	put(DRIVER + 4 + 2 * (idx % s.ring.size), &head, 2);
	idx++;
	put(DRIVER + 2, &idx, 2);
}

static bool in_block(const struct iovec *v, struct gmem_block *b)
{
	uintptr_t off = (uintptr_t)v->iov_base - (uintptr_t)gmem_block_hva(b);

	return range_fits(off, v->iov_len, gmem_block_size(b));
}

static void check(const struct vq_req *r)
{
	uint64_t out = 0, in = 0;

	g_assert_cmpuint(r->n_out + r->n_in, <=, r->room);
	for (unsigned i = 0; i < r->n_out + r->n_in; i++) {
		const struct iovec *v = &r->segs[i];

		g_assert_true(in_block(v, s.low) || in_block(v, s.high) ||
			      (i < r->n_out && in_block(v, s.rom)));
		*(i < r->n_out ? &out : &in) += v->iov_len;
	}
	g_assert_cmpuint(out, ==, r->out_size);
	g_assert_cmpuint(in, ==, r->in_size);
}

static void pop(void)
{
	struct vq_req *r;

	if (vq_pop(s.vq, &r) <= 0)
		return;
	check(r);
	memset(r->device, 0xff, 8);
	g_assert_cmpuint(s.n_popped, <, MAX_SIZE);
	s.popped[s.n_popped++] = r;
	s.last_is_newest = true;
}

static struct vq_req *take_popped(struct fuzz_input *in)
{
	unsigned i = (unsigned)fuzz_take(in, 1);
	struct vq_req *r;

	if (!s.n_popped)
		return NULL;
	i %= s.n_popped;
	r = s.popped[i];
	s.popped[i] = s.popped[--s.n_popped];
	s.last_is_newest = false;
	return r;
}

static void contents(struct fuzz_input *in)
{
	uint8_t buf[300];
	struct vq_req *r = s.n_popped ? s.popped[fuzz_take(in, 1) % s.n_popped] : NULL;
	uint64_t off = fuzz_take(in, 1) * fuzz_take(in, 1), n = fuzz_take(in, 1);
	struct giov v;

	if (!r)
		return;
	memset(buf, 0x42, sizeof(buf));
	(void)!vq_read(r, off, buf, n);
	(void)!vq_write(r, off, buf, n);
	if (vq_payload_out(r, off, n, &v) == 0)
		giov_read(&v, 0, buf, n);
	if (vq_payload_in(r, off, n, &v) == 0)
		giov_write(&v, 0, buf, n);
	check(r);
}

static int start(uint16_t avail, uint16_t used)
{
	s.n_popped = 0;
	return vq_start(s.vq, &s.ring, avail, used);
}

static void restart(struct fuzz_input *in)
{
	uint16_t avail, used;
	unsigned how = (unsigned)fuzz_take(in, 1);

	if (!vq_is_up(s.vq))
		return;
	vq_position(s.vq, &avail, &used);
	if (how & 1)
		avail = used = s.ring.packed ? VQ_WRAP : 0;
	if (how & 2)
		avail = (uint16_t)fuzz_take(in, 2);
	(void)start(avail, used);
}

static void step(struct fuzz_input *in)
{
	struct vq_req *r;
	uint16_t word, at;

	switch (fuzz_take(in, 1) % 16) {
	case 0:
		at = (uint16_t)(fuzz_take(in, 2) % (DATA - 1));
		word = (uint16_t)fuzz_take(in, 2);
		put(at, &word, 2);
		break;
	case 1:
	case 2: put_desc(DESC, in); break;
	case 3: put_desc(TABLES, in); break;
	case 4:
	case 5: make_available(in); break;
	case 6:
	case 7: pop(); break;
	case 8:
		r = take_popped(in);
		if (r)
			vq_push(r, fuzz_take(in, 2));
		break;
	case 9: vq_notify(s.vq); break;
	case 10: vq_kick_disable(s.vq); break;
	case 11: (void)!vq_kick_enable(s.vq); break;
	case 12:
		if (s.last_is_newest && s.n_popped)
			vq_unpop(s.popped[--s.n_popped]);
		s.last_is_newest = false;
		break;
	case 13: contents(in); break;
	case 14: restart(in); break;
	case 15:
		switch (fuzz_take(in, 1) % 4) {
		case 0: commit(true); break;
		case 1: commit(false); break;
		case 2: vq_block(s.vq); break;
		case 3:
			r = take_popped(in);
			if (r)
				vq_drop(r);
			break;
		}
		break;
	}
}

void vq_fuzz(bool packed, const uint8_t *data, size_t size)
{
	struct fuzz_input in = {.p = data, .left = size};
	unsigned exp = (unsigned)fuzz_take(&in, 1), features = (unsigned)fuzz_take(&in, 1);

	init();
	commit(true);
	memset(gmem_block_hva(s.low), 0, BLOCK);
	memset(gmem_block_hva(s.high), 0, BLOCK);
	s.ring = (struct vq_ring){
		.size = (uint16_t)(packed ? 1 + exp % MAX_SIZE : 1u << exp % (SIZE_MAX_EXP + 1)),
		.desc = GPA(DESC),
		.avail = GPA(DRIVER),
		.used = GPA(DEVICE),
		.packed = packed,
		.event_idx = features & 1,
		.indirect = features & 2,
	};
	qs_enter();
	g_assert_cmpint(start(packed ? VQ_WRAP : 0, packed ? VQ_WRAP : 0), ==, 0);
	while (in.left) {
		step(&in);
		g_assert_cmpuint(vq_in_flight(s.vq), ==, s.n_popped);
	}
	vq_stop(s.vq);
	qs_leave();
}
