/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/virtio-fuzz.h"

#include <string.h>
#include <sys/mman.h>

#include "base/log.h"

#define DATA      0xc00000 /* buffers of the chains */
#define TABLES    0xb00000
#define DATA_SIZE 0x20000
#define BUFS_MAX  8
#define DESC_SIZE 16

struct driver_queue {
	uint16_t avail, next; /* split: index and next free descriptor; packed: slot */
	bool wrap;
};

static struct {
	struct vrig rig;
	const struct virtio_fuzz *t;
	struct driver_queue queues[VRIG_QUEUES];
	bool started;
	unsigned dear; /* operations of this input that cost a hundred others */
} s;

#define DEAR_MAX 6

static unsigned n_queues(void)
{
	return MIN(s.rig.vp->vdev.n_queues, VRIG_QUEUES);
}

static void finish(void)
{
	if (s.t->finish)
		s.t->finish(&s.rig);
}

/* Rounds until the status register reads 0: a reset that does not end is a failure. */
static bool is_reset(void *opaque)
{
	finish();
	return vrig_status(&s.rig) == 0;
}

static void reset(void)
{
	vrig_set_status(&s.rig, 0);
	vrig_wait(&s.rig, is_reset, NULL);
}

static bool is_quiesced(void *opaque)
{
	finish();
	return *(bool *)opaque;
}

struct quiesce {
	struct async_group group;
	bool done;
};

static void quiesced(struct async_group *g)
{
	container_of(g, struct quiesce, group)->done = true;
}

static void quiesce(void)
{
	struct quiesce q = {.done = false};

	async_begin(&q.group, s.rig.loop, quiesced);
	bus_quiesce(s.rig.bus, &q.group);
	async_end(&q.group);
	vrig_wait(&s.rig, is_quiesced, &q.done);
}

static void enable(void)
{
	vrig_cfg_write(&s.rig, PCI_BAR0 + 4, 4, VRIG_BAR1);
	vrig_cfg_write(&s.rig, PCI_BAR0 + 16, 4, VRIG_BAR4);
	vrig_cfg_write(&s.rig, PCI_BAR0 + 20, 4, 0);
	vrig_cfg_write(&s.rig, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
}

static void system_reset(void)
{
	quiesce();
	bus_reset(s.rig.bus, RESET_COLD);
	bus_resume(s.rig.bus);
	vrig_settle(&s.rig);
	enable();
	s.started = false;
}

/* ---- the driver ---- */

/* A whole start: what of the offered features, which size, which kind of interrupts the input says. */
static void start(struct fuzz_input *in)
{
	uint64_t features = fuzz_take(in, 5);
	uint16_t size = (uint16_t)(1u << fuzz_take(in, 1) % 8);
	bool msix = fuzz_take(in, 1) & 1;

	if (s.dear++ >= DEAR_MAX)
		return;
	enable();
	reset();
	features &= vrig_features(&s.rig);
	if (!vrig_negotiate(&s.rig, features | VIRTIO_BIT(VIRTIO_F_VERSION_1)))
		return;
	if (msix)
		vrig_msix(&s.rig);
	for (unsigned i = 0; i < n_queues(); i++) {
		vrig_set_common(&s.rig, VRIG_QUEUE_SELECT, 2, i);
		vrig_queue(&s.rig, i, MIN(size, (uint16_t)vrig_common(&s.rig, VRIG_QUEUE_SIZE, 2)));
		s.queues[i] = (struct driver_queue){.wrap = true};
	}
	vrig_driver_ok(&s.rig);
	s.started = true;
}

static void put16(uint64_t at, uint16_t v)
{
	if (at < VRIG_RAM - 1)
		guest_write16(s.rig.gmem, at & ~UINT64_C(1), v);
}

static void put_desc(const struct guest_vq *q, uint64_t at, const struct guest_buf *b,
	uint16_t flags, uint16_t last)
{
	guest_vq_set_desc((struct guest_vq *)(uintptr_t)q, at, b->gpa, b->len, flags, last);
}

static uint16_t buf_flags(const struct guest_buf *b, bool next)
{
	return (b->write ? GUEST_DESC_WRITE : 0) | (next ? GUEST_DESC_NEXT : 0);
}

/* Unlike the driver of guest-vq.h this one does not look at what comes back: the ring may be anything by now. */
static void add_split(struct guest_vq *q, struct driver_queue *d, const struct guest_buf *bufs,
	unsigned n, bool table)
{
	uint16_t head = d->next % q->size;

	put16(q->driver + 4 + 2 * (d->avail % q->size), head);
	for (unsigned i = 0; i < n; i++) {
		uint16_t at = d->next++ % q->size;
		uint16_t flags = table ? GUEST_DESC_INDIRECT : buf_flags(&bufs[i], i + 1 < n);

		put_desc(q, q->desc + at * DESC_SIZE, &bufs[i], flags, d->next % q->size);
	}
	put16(q->driver + 2, ++d->avail);
}

static void add_packed(struct guest_vq *q, struct driver_queue *d, const struct guest_buf *bufs,
	unsigned n, bool table)
{
	for (unsigned i = 0; i < n; i++) {
		uint16_t flags = table ? GUEST_DESC_INDIRECT : buf_flags(&bufs[i], i + 1 < n);

		put_desc(q, q->desc + d->avail * DESC_SIZE, &bufs[i],
			flags | (d->wrap ? 0x80 : 0x8000), d->next++);
		if (++d->avail == q->size) {
			d->avail = 0;
			d->wrap = !d->wrap;
		}
	}
}

/* A chain of up to eight buffers behind each other, with bytes of the input at their beginning. */
static void chain(struct fuzz_input *in)
{
	static const uint32_t lens[] = {
		0, 1, 2, 6, 8, 12, 16, 20, 64, 512, 513, 1514, 4096, 0x10000, 0x20000, 0xffffffff};
	unsigned q = (unsigned)fuzz_take(in, 1), n = 1 + (q >> 4) % BUFS_MAX;
	struct guest_buf bufs[BUFS_MAX];
	bool table = q & 8;
	uint64_t at = DATA + fuzz_take(in, 1) * 256;
	struct guest_vq *vq;

	q %= n_queues();
	vq = &s.rig.vq[q];
	if (!s.started)
		return;
	for (unsigned i = 0; i < n; i++) {
		unsigned what = (unsigned)fuzz_take(in, 1), bytes = what >> 5;
		uint8_t content[8];

		bufs[i] = (struct guest_buf){at, lens[what & 15], what & 16};
		for (unsigned k = 0; k < bytes; k++)
			content[k] = (uint8_t)fuzz_take(in, 1);
		guest_write(s.rig.gmem, at, content, bytes);
		at += MIN(bufs[i].len, 0x2000u);
	}
	if (table) {
		uint64_t where = TABLES + (s.queues[q].next % 64) * 256;

		for (unsigned i = 0; i < n; i++)
			put_desc(vq, where + i * DESC_SIZE, &bufs[i],
				buf_flags(&bufs[i], i + 1 < n), (uint16_t)(i + 1));
		bufs[0] = (struct guest_buf){where, n * DESC_SIZE, false};
		n = 1;
	}
	(vq->packed ? add_packed : add_split)(vq, &s.queues[q], bufs, n, table);
}

/* ---- single words ---- */

static void ring_word(struct fuzz_input *in)
{
	unsigned q = (unsigned)fuzz_take(in, 1);
	const struct guest_vq *vq = &s.rig.vq[q % n_queues()];
	uint64_t base = q & 0x80 ? vq->desc : q & 0x40 ? vq->driver : vq->device;
	uint64_t off = fuzz_take(in, 1) * 2;

	put16(base + off, (uint16_t)fuzz_take(in, 2));
}

static void registers(struct fuzz_input *in)
{
	unsigned what = (unsigned)fuzz_take(in, 1);
	uint64_t off = fuzz_take(in, 1) | (uint64_t)(what & 3) << 12;
	unsigned size = 1u << (what >> 2 & 3);

	if (what & 0x80)
		off |= (uint64_t)fuzz_take(in, 1) << 8;
	if (what & 0x40)
		vrig_read(&s.rig, VRIG_BAR4 + off, size);
	else
		vrig_write(&s.rig, VRIG_BAR4 + off, size, fuzz_take(in, size));
}

static void config_space(struct fuzz_input *in)
{
	unsigned what = (unsigned)fuzz_take(in, 1), off = (unsigned)fuzz_take(in, 1),
		 size = 1u << what % 3;

	/* Often the capability that is a window into the registers. */
	if (what & 0x40)
		off = s.rig.vp->cfg_cap + off % 20;
	if (what & 0x80)
		vrig_cfg_read(&s.rig, off, size);
	else
		vrig_cfg_write(&s.rig, off, size, (uint32_t)fuzz_take(in, size));
}

static void machine(struct fuzz_input *in)
{
	g_autoptr(GByteArray) state = g_byte_array_new();
	unsigned what = (unsigned)fuzz_take(in, 1);

	if (what % 4 < 3 && s.dear++ >= DEAR_MAX)
		return;
	switch (what % 4) {
	case 0:
		quiesce();
		bus_resume(s.rig.bus);
		break;
	case 1: system_reset(); break;
	case 2:
		quiesce();
		bus_save(s.rig.bus, state);
		if (what & 0x80)
			state->data[fuzz_take(in, 2) % state->len] = (uint8_t)fuzz_take(in, 1);
		/* A refused state leaves a device that must be reset. */
		if (!bus_load(s.rig.bus, state->data, state->len, NULL))
			bus_reset(s.rig.bus, RESET_COLD);
		bus_resume(s.rig.bus);
		break;
	case 3: vrig_set_status(&s.rig, (uint8_t)fuzz_take(in, 1)); break;
	}
}

static void step(struct fuzz_input *in)
{
	switch (fuzz_take(in, 1) % 16) {
	case 0: start(in); break;
	case 1 ... 4: chain(in); break;
	case 5 ... 6: vrig_kick(&s.rig, (unsigned)fuzz_take(in, 1) % n_queues()); break;
	case 7: loop_iterate(s.rig.loop, 0); break;
	case 8: ring_word(in); break;
	case 9 ... 10: registers(in); break;
	case 11: config_space(in); break;
	case 12: machine(in); break;
	case 13 ... 14:
		if (s.t->own)
			s.t->own(&s.rig, in);
		break;
	case 15: vrig_settle(&s.rig); break;
	}
}

static void init(const struct virtio_fuzz *t)
{
	if (s.t)
		return;
	log_open("fuzz", NULL, LOG_LEVEL_ERROR);
	s.t = t;
	vrig_init(&s.rig);
	t->make(&s.rig);
	vrig_plug(&s.rig);
	/* A few pages are touched, and given back after each input: huge ones would cost milliseconds. */
	(void)madvise(gmem_block_hva(s.rig.ram), VRIG_RAM, MADV_NOHUGEPAGE);
}

void virtio_fuzz(const struct virtio_fuzz *t, const uint8_t *data, size_t size)
{
	struct fuzz_input in = {.p = data, .left = size};

	init(t);
	system_reset();
	/* All of RAM reads as zero again. */
	g_assert_cmpint(madvise(gmem_block_hva(s.rig.ram), VRIG_RAM, MADV_DONTNEED), ==, 0);
	s.rig.accel->n_msi = 0;
	s.dear = 0;
	while (in.left)
		step(&in);
	vrig_settle(&s.rig);
}
