/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtqueue against a driver that behaves: a model is run through millions of random operations of both sides, and
 * no byte, length, interrupt or doorbell may differ from it.
 */
#include <inttypes.h>
#include <string.h>

#include "base/qs.h"
#include "tests/lib/guest-vq.h"
#include "tests/unit/virtio/ram.h"
#include "virtio-backends/virtio/vq.h"

#define RING      0x10000
#define AREAS     (1 * MiB) /* of the chains; AREAS + chain × AREA, across the end of the low block */
#define AREA      0x8000
#define TABLES    (14 * MiB)
#define BUFS_MAX  40
#define QUEUE_MAX 256

/* What driver and device know of one chain. */
struct chain {
	bool used;
	unsigned n_bufs;
	struct guest_buf bufs[BUFS_MAX];
	uint64_t out, in;
	uint32_t seed;
	uint64_t written;
	bool pushed;
};

struct model {
	struct test_ram ram;
	struct rnd rnd;
	struct guest_vq g;
	struct vq *vq;
	struct vq_ring ring;
	struct chain chains[QUEUE_MAX]; /* by id */
	struct vq_req *popped[QUEUE_MAX];
	unsigned n_popped, unpublished, visible; /* chains: popped, added only, available */
	unsigned pushed;                         /* published by the device or not, not taken */
	unsigned staged;
	unsigned budget; /* of the round */
	unsigned failures, interrupts;
	bool armed; /* the driver waits for an interrupt */
	uint64_t ops;
};

static void failed(void *opaque, struct vq *q, const char *why)
{
	struct model *m = opaque;

	g_test_message("queue failed: %s", why);
	m->failures++;
}

static void interrupted(void *opaque, struct vq *q)
{
	struct model *m = opaque;

	m->interrupts++;
}

static const struct vq_host_ops host = {.fail = failed, .interrupt = interrupted};

/* ---- a chain's bytes ---- */

static uint8_t pattern(uint32_t seed, uint64_t off)
{
	return (uint8_t)((seed ^ off) * 167 + (off >> 8));
}

/* Copies between host bytes and the chain's out or in part, as the driver sees it. */
static void chain_bytes(struct model *m, const struct chain *c, bool in, uint8_t *bytes, bool store)
{
	for (unsigned i = 0; i < c->n_bufs; i++) {
		const struct guest_buf *b = &c->bufs[i];

		if (b->write != in)
			continue;
		if (store)
			guest_write(m->ram.gmem, b->gpa, bytes, b->len);
		else
			guest_read(m->ram.gmem, b->gpa, bytes, b->len);
		bytes += b->len;
	}
}

static void fill_pattern(uint8_t *buf, uint32_t seed, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		buf[i] = pattern(seed, i);
}

static unsigned random_len(struct rnd *r)
{
	switch (rnd_below(r, 16)) {
	case 0: return 0;
	case 1: return 1 + rnd_below(r, 4096);
	default: return 1 + rnd_below(r, 24);
	}
}

/* A chain in the area @slot: the buffers lie behind each other with gaps. */
static void random_chain(struct model *m, struct chain *c, unsigned slot)
{
	uint64_t at = AREAS + (uint64_t)slot * AREA, end = at + AREA;
	unsigned n_out;

	memset(c, 0, sizeof(*c));
	c->n_bufs = rnd_one_in(&m->rnd, 8) ? 1 + rnd_below(&m->rnd, BUFS_MAX)
					   : 1 + rnd_below(&m->rnd, 4);
	c->seed = rnd_next(&m->rnd);
	n_out = rnd_below(&m->rnd, c->n_bufs + 1);
	for (unsigned i = 0; i < c->n_bufs; i++) {
		struct guest_buf *b = &c->bufs[i];

		at += rnd_below(&m->rnd, 8);
		b->gpa = at;
		b->len = MIN(random_len(&m->rnd), (uint32_t)(end - at));
		b->write = i >= n_out;
		at += b->len;
		*(b->write ? &c->in : &c->out) += b->len;
	}
}

/* ---- the driver ---- */

static unsigned chains_free(struct model *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->ring.size; i++)
		n += !m->chains[i].used;
	return n;
}

/* The areas are dealt out by a counter: a chain's bytes stay until it is taken back. */
static void driver_add(struct model *m)
{
	uint8_t buf[AREA];
	static uint8_t area_used[QUEUE_MAX];
	struct chain c;
	unsigned slot = 0;
	bool indirect = rnd_one_in(&m->rnd, 3);
	int id;

	if (!chains_free(m))
		return;
	memset(area_used, 0, sizeof(area_used));
	for (unsigned i = 0; i < m->ring.size; i++) {
		if (m->chains[i].used)
			area_used[(m->chains[i].bufs[0].gpa - AREAS) / AREA] = 1;
	}
	while (area_used[slot])
		slot++;
	random_chain(m, &c, slot);
	if (indirect && c.n_bufs > m->ring.size)
		return;
	fill_pattern(buf, c.seed, c.out);
	chain_bytes(m, &c, false, buf, true);
	memset(buf, 0xee, c.in);
	chain_bytes(m, &c, true, buf, true);
	id = guest_vq_add(&m->g, c.bufs, c.n_bufs,
		indirect ? TABLES + slot * 4096 + rnd_below(&m->rnd, 16) : 0);
	if (id < 0)
		return;
	g_assert_false(m->chains[id].used);
	c.used = true;
	m->chains[id] = c;
	m->unpublished++;
}

/* A doorbell that the device needs must ring: it has said so, and has seen nothing since. */
static void driver_publish(struct model *m, bool *sleeping)
{
	bool kick = guest_vq_publish(&m->g);

	if (*sleeping && m->unpublished)
		g_assert_true(kick);
	if (kick)
		*sleeping = false;
	m->visible += m->unpublished;
	m->unpublished = 0;
}

static void driver_take(struct model *m)
{
	uint8_t got[AREA];
	uint32_t len;
	int id = guest_vq_take(&m->g, &len);
	struct chain *c;

	if (id < 0)
		return;
	c = &m->chains[id];
	g_assert_true(c->used);
	g_assert_true(c->pushed);
	g_assert_cmpuint(len, ==, c->written);
	chain_bytes(m, c, true, got, false);
	for (uint64_t i = 0; i < c->in; i++)
		g_assert_cmpuint(got[i], ==, i < c->written ? pattern(~c->seed, i) : 0xee);
	c->used = false;
	m->pushed--;
}

/* ---- the device ---- */

static void device_pop(struct model *m)
{
	uint8_t got[AREA];
	struct vq_req *r;
	int n = vq_pop(m->vq, &r);
	struct chain *c;

	g_assert_cmpuint(m->failures, ==, 0);
	if (n == 0) {
		unsigned long_ones = 0;

		for (unsigned i = 0; i < m->n_popped; i++)
			long_ones += m->popped[i]->segs != m->popped[i]->own_segs;
		g_assert_true(m->visible == 0 || m->budget == 0 || long_ones == VQ_LONG);
		return;
	}
	if (m->budget != UINT_MAX)
		m->budget--;
	g_assert_cmpint(n, ==, 1);
	g_assert_cmpuint(m->visible, >, 0);
	c = &m->chains[r->id];
	g_assert_true(c->used);
	g_assert_cmpuint(r->out_size, ==, c->out);
	g_assert_cmpuint(r->in_size, ==, c->in);
	if (rnd_one_in(&m->rnd, 16)) {
		vq_unpop(r);
		return;
	}
	m->visible--;
	memset(r->device, 0x5a, 32);
	g_assert_cmpint(vq_read(r, 0, got, r->out_size), ==, 0);
	for (uint64_t i = 0; i < c->out; i++)
		g_assert_cmpuint(got[i], ==, pattern(c->seed, i));
	g_assert_cmpint(vq_read(r, c->out, got, 1), ==, -EBADMSG);
	m->popped[m->n_popped++] = r;
}

/* Fills the in part by copying, or through a giov as an engine would. */
static void write_in(struct model *m, struct vq_req *r, const struct chain *c, uint64_t n)
{
	uint8_t bytes[AREA];
	uint64_t begin = n ? rnd_below(&m->rnd, (uint32_t)n) : 0;
	struct giov v;

	fill_pattern(bytes, ~c->seed, n);
	if (rnd_one_in(&m->rnd, 2)) {
		g_assert_cmpint(vq_write(r, 0, bytes, n), ==, 0);
		return;
	}
	g_assert_cmpint(vq_write(r, 0, bytes, begin), ==, 0);
	g_assert_cmpint(vq_payload_in(r, begin, n - begin, &v), ==, 0);
	g_assert_cmpuint(v.size, ==, n - begin);
	g_assert_cmpuint(giov_write(&v, 0, bytes + begin, n - begin), ==, n - begin);
	g_assert_cmpint(vq_payload_in(r, 0, c->in + 1, &v), ==, -EBADMSG);
}

/* The out part as an engine sees it. */
static void check_out(struct model *m, struct vq_req *r, const struct chain *c)
{
	uint8_t bytes[AREA];
	uint64_t begin = c->out ? rnd_below(&m->rnd, (uint32_t)c->out) : 0;
	uint64_t n = c->out - begin ? rnd_below(&m->rnd, (uint32_t)(c->out - begin)) : 0;
	struct giov v;

	g_assert_cmpint(vq_payload_out(r, begin, n, &v), ==, 0);
	g_assert_cmpuint(giov_read(&v, 0, bytes, n), ==, n);
	for (uint64_t i = 0; i < n; i++)
		g_assert_cmpuint(bytes[i], ==, pattern(c->seed, begin + i));
}

static void device_push(struct model *m)
{
	unsigned i;
	struct vq_req *r;
	struct chain *c;

	if (!m->n_popped)
		return;
	i = rnd_below(&m->rnd, m->n_popped);
	r = m->popped[i];
	m->popped[i] = m->popped[--m->n_popped];
	c = &m->chains[r->id];
	check_out(m, r, c);
	c->written = c->in ? rnd_below(&m->rnd, (uint32_t)c->in + 1) : 0;
	write_in(m, r, c, c->written);
	c->pushed = true;
	vq_push(r, c->written == c->in ? UINT64_MAX : c->written);
	m->pushed++;
	m->staged++;
}

static void device_notify(struct model *m)
{
	unsigned before = m->interrupts;

	vq_notify(m->vq);
	if (m->armed && m->staged) {
		g_assert_cmpuint(m->interrupts, ==, before + 1);
		m->armed = false;
	}
	m->staged = 0;
}

/* Both sides stop, as a device that is quiesced, saved and loaded does. */
static void device_restart(struct model *m)
{
	uint16_t avail, used;

	while (m->n_popped)
		device_push(m);
	device_notify(m);
	vq_position(m->vq, &avail, &used);
	vq_stop(m->vq);
	g_assert_false(vq_is_up(m->vq));
	g_assert_cmpint(vq_start(m->vq, &m->ring, avail, used), ==, 0);
	m->budget = UINT_MAX;
}

/* ---- a run ---- */

static void step(struct model *m, bool *sleeping)
{
	switch (rnd_below(&m->rnd, 16)) {
	case 0 ... 3: driver_add(m); break;
	case 4 ... 5: driver_publish(m, sleeping); break;
	case 6 ... 8: driver_take(m); break;
	case 9 ... 11:
		*sleeping = false;
		device_pop(m);
		break;
	case 12 ... 13: device_push(m); break;
	case 14: device_notify(m); break;
	case 15:
		switch (rnd_below(&m->rnd, 5)) {
		case 0:
			vq_kick_disable(m->vq);
			m->budget = m->ring.size;
			*sleeping = false;
			break;
		case 1:
			m->budget = UINT_MAX;
			*sleeping = !vq_kick_enable(m->vq) && m->visible == 0;
			break;
		case 2: m->armed = !guest_vq_enable_interrupts(&m->g); break;
		case 3:
			guest_vq_disable_interrupts(&m->g);
			m->armed = false;
			break;
		case 4:
			if (rnd_one_in(&m->rnd, 50))
				device_restart(m);
			else if (rnd_one_in(&m->rnd, 20))
				ram_commit(&m->ram, true);
			break;
		}
		break;
	}
	m->ops++;
}

static void model_run(uint16_t size, bool packed, bool event_idx, uint64_t seed, uint64_t ops)
{
	g_autofree struct model *m = g_new0(struct model, 1);
	bool sleeping = false;
	struct vq_stats stats;

	m->rnd.s = seed;
	m->budget = UINT_MAX;
	ram_init(&m->ram);
	guest_vq_init(&m->g, m->ram.gmem, RING, size, packed, event_idx);
	m->vq = vq_new(m->ram.gmem, 3, QUEUE_MAX, 32, &host, m);
	g_assert_cmpuint(vq_index(m->vq), ==, 3);
	m->ring = (struct vq_ring){
		.size = size,
		.desc = GPA(m->g.desc),
		.avail = GPA(m->g.driver),
		.used = GPA(m->g.device),
		.packed = packed,
		.event_idx = event_idx,
		.indirect = true,
	};
	qs_enter();
	g_assert_cmpint(vq_start(m->vq, &m->ring, packed ? 0x8000 : 0, packed ? 0x8000 : 0), ==, 0);
	qs_leave();
	while (m->ops < ops) {
		qs_enter();
		step(m, &sleeping);
		qs_leave();
		g_assert_cmpuint(vq_in_flight(m->vq), ==, m->n_popped);
	}
	/* Nothing is lost: all comes back. */
	qs_enter();
	vq_kick_disable(m->vq);
	m->budget = UINT_MAX;
	g_assert_false(vq_kick_enable(m->vq) && !m->visible);
	driver_publish(m, &sleeping);
	while (m->visible || m->n_popped) {
		device_pop(m);
		device_push(m);
	}
	device_notify(m);
	qs_leave();
	while (m->pushed)
		driver_take(m);
	g_assert_cmpuint(chains_free(m), ==, size);
	g_assert_cmpuint(m->failures, ==, 0);
	vq_get_stats(m->vq, &stats);
	g_assert_cmpuint(stats.interrupts, ==, m->interrupts);
	g_assert_cmpuint(stats.requests, >, 0);
	g_test_message("size %u: %" PRIu64 " requests, %u interrupts", size, stats.requests,
		m->interrupts);
	vq_free(m->vq);
	ram_done(&m->ram);
}

struct variant {
	bool packed, event_idx;
};

static void test_model(gconstpointer opaque)
{
	const struct variant *v = opaque;
	static const uint16_t sizes[] = {2, 4, 8, 64, 256};
	const char *env = g_getenv("VQ_MODEL_OPS");
	uint64_t ops = env ? g_ascii_strtoull(env, NULL, 10) : 200000;

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		model_run(sizes[i], v->packed, v->event_idx,
			0x9e3779b97f4a7c15u + i + v->packed * 100, ops);
	if (v->packed)
		model_run(77, true, v->event_idx, 42, ops);
}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		{false, false}, {false, true}, {true, false}, {true, true}};

	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/vq/model/split", &variants[0], test_model);
	g_test_add_data_func("/vq/model/split-event-idx", &variants[1], test_model);
	g_test_add_data_func("/vq/model/packed", &variants[2], test_model);
	g_test_add_data_func("/vq/model/packed-event-idx", &variants[3], test_model);
	return g_test_run();
}
