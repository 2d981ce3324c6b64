/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-blk.c - block device, virtio 1.2 section 5.2.
 *
 *	chain	type 4, reserved 4, sector 8, payload …		device reads
 *		… payload, status 1				device writes
 *
 * Header and status are counted from the two ends of the chain; how the driver cuts it does not matter. A round pops all that
 * waits, submits each and commits once.
 */
#include <errno.h>
#include <string.h>

#include "base/block.h"
#include "base/qs.h"
#include "virtio-backends/devices/devices.h"

#define SECTOR         512
#define ID_SIZE        20 /* bytes of GET_ID */
#define MIN_SEGMENT    4096
#define BLK_QUEUE_SIZE 256

enum {
	F_SIZE_MAX = 1,
	F_SEG_MAX = 2,
	F_RO = 5,
	F_BLK_SIZE = 6,
	F_FLUSH = 9,
	F_TOPOLOGY = 10,
	F_CONFIG_WCE = 11,
	F_MQ = 12,
	F_DISCARD = 13,
	F_WRITE_ZEROES = 14,
};

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };

enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };

/* Section 5.2.4. */
struct blk_config {
	uint64_t capacity; /* sectors */
	uint32_t size_max, seg_max;
	uint16_t cylinders;
	uint8_t heads, sectors;
	uint32_t blk_size;
	uint8_t physical_block_exp, alignment_offset;
	uint16_t min_io_size;
	uint32_t opt_io_size;
	uint8_t writeback, unused0;
	uint16_t num_queues;
	uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
	uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap, unused1[3];
};

_Static_assert(sizeof(struct blk_config) == 64, "one hole of four bytes at the end");
#define CONFIG_SIZE (offsetof(struct blk_config, unused1) + 3)

struct blk_header {
	uint32_t type, reserved;
	uint64_t sector;
};

#define RANGE_UNMAP 0x1

struct blk_range {
	uint64_t sector;
	uint32_t num_sectors, flags;
};

struct vblk_queue {
	struct virtio_blk *vb;
	struct vqueue *q;
	struct blk_queue *bq;
	struct blk_info info;          /* [q] as of start, and brought up to date by info_call */
	bool draining;                 /* [q] vqueue_drained() is owed */
	int waiting;                   /* atomic: for the disk to be drained */
	struct loop_call stopped_call; /* on the main loop: this queue submits no more */
	struct loop_call idle_call;    /* on the queue's loop: what is in flight is parked */
	struct loop_call info_call;    /* on the queue's loop: the disk was resized */
};

struct virtio_blk {
	struct virtio_pci vp; /* first */
	struct blk *blk;
	struct blk_listener listener;
	struct vblk_queue *queues;
	int writeback; /* atomic: the driver wants a write cache */

	struct async_group *quiescing; /* main thread, like the next two */
	unsigned to_stop;              /* queues that may still submit */
	bool drained;                  /* blk_drain_begin() was called */

	char *serial;
	uint16_t num_queues, queue_size;
	bool config_wce, discard, write_zeroes;
};

struct vblk_req {
	struct blk_req io;
	struct vblk_queue *q;
	struct vq_req *r;
};

static struct virtio_blk *to_blk(struct dev *d)
{
	return container_of(d, struct virtio_blk, vp.pci.dev);
}

/* ---- requests, on the queue's thread ---- */

static uint8_t status_of(int err)
{
	switch (err) {
	case 0: return S_OK;
	case -EOPNOTSUPP: return S_UNSUPP;
	default: return S_IOERR;
	}
}

static void finish(struct vq_req *r, int err)
{
	uint8_t status = status_of(err);

	if (vq_write(r, r->in_size - 1, &status, 1) < 0)
		vq_drop(r); /* the device is being reset */
	else
		vq_push(r, r->in_size);
}

static void drain_done(struct vblk_queue *q)
{
	q->draining = false;
	__atomic_store_n(&q->waiting, 0, __ATOMIC_RELEASE);
	vqueue_drained(q->q);
}

static void io_done(struct blk_req *io)
{
	struct vblk_req *req = container_of(io, struct vblk_req, io);
	struct vblk_queue *q = req->q;

	qs_enter();
	finish(req->r, io->result);
	qs_leave();
	if (q->draining && !vq_in_flight(q->q->vq))
		drain_done(q);
}

/* Bytes from sectors: false on overflow. */
static bool set_offset(struct blk_req *io, uint64_t sector)
{
	return !__builtin_mul_overflow(sector, SECTOR, &io->offset);
}

static int prepare_read(struct vblk_req *req, const struct blk_header *h)
{
	req->io.op = BLK_READ;
	req->io.len = req->r->in_size - 1;
	if (!set_offset(&req->io, h->sector))
		return -ERANGE;
	return vq_payload_in(req->r, 0, req->io.len, &req->io.data);
}

static int prepare_write(struct vblk_req *req, const struct blk_header *h)
{
	req->io.op = BLK_WRITE;
	req->io.len = req->r->out_size - sizeof(*h);
	if (!__atomic_load_n(&req->q->vb->writeback, __ATOMIC_RELAXED))
		req->io.flags = BLK_F_FUA;
	if (!set_offset(&req->io, h->sector))
		return -ERANGE;
	return vq_payload_out(req->r, sizeof(*h), req->io.len, &req->io.data);
}

static int prepare_flush(struct vblk_req *req, const struct blk_header *h)
{
	req->io.op = BLK_FLUSH;
	return 0;
}

/* Section 5.2.6.2: unknown flags, and unmap on a discard, are unsupported. One range is what we offer. */
static int prepare_range(struct vblk_req *req, enum blk_op op, uint32_t flags)
{
	struct blk_range range;

	if (req->r->out_size != sizeof(struct blk_header) + sizeof(range))
		return -EINVAL;
	if (vq_read(req->r, sizeof(struct blk_header), &range, sizeof(range)) < 0)
		return -EINVAL;
	if (range.flags & ~flags)
		return -EOPNOTSUPP;
	req->io.op = op;
	req->io.len = (uint64_t)range.num_sectors * SECTOR;
	if (range.flags & RANGE_UNMAP)
		req->io.flags = BLK_F_UNMAP;
	return set_offset(&req->io, range.sector) ? 0 : -ERANGE;
}

static int prepare_discard(struct vblk_req *req, const struct blk_header *h)
{
	if (!vdev_has_feature(req->q->q->vdev, F_DISCARD))
		return -EOPNOTSUPP;
	return prepare_range(req, BLK_DISCARD, 0);
}

static int prepare_write_zeroes(struct vblk_req *req, const struct blk_header *h)
{
	if (!vdev_has_feature(req->q->q->vdev, F_WRITE_ZEROES))
		return -EOPNOTSUPP;
	return prepare_range(req, BLK_WRITE_ZEROES, RANGE_UNMAP);
}

static int (*const prepare[])(struct vblk_req *req, const struct blk_header *h) = {
	[T_IN] = prepare_read,
	[T_OUT] = prepare_write,
	[T_FLUSH] = prepare_flush,
	[T_DISCARD] = prepare_discard,
	[T_WRITE_ZEROES] = prepare_write_zeroes,
};

static int get_id(struct vblk_req *req)
{
	char id[ID_SIZE] = {0};
	const char *serial = req->q->vb->serial;

	if (serial)
		memcpy(id, serial, strnlen(serial, sizeof(id)));
	return vq_write(req->r, 0, id, MIN(sizeof(id), req->r->in_size - 1));
}

/* True when it was submitted; otherwise it is answered. */
static bool handle(struct vblk_req *req, const struct blk_header *h)
{
	int err = -EOPNOTSUPP;

	if (h->type == T_GET_ID) {
		finish(req->r, get_id(req));
		return false;
	}
	req->io.flags = 0;
	req->io.len = 0;
	req->io.done = io_done;
	if (h->type < ARRAY_SIZE(prepare) && prepare[h->type])
		err = prepare[h->type](req, h);
	if (!err)
		err = blk_check(&req->q->info, &req->io);
	if (err) {
		finish(req->r, err);
		return false;
	}
	blk_submit(req->q->bq, &req->io);
	return true;
}

static bool vblk_kick(struct vdev *v, struct vqueue *vqueue)
{
	struct vblk_queue *q = vqueue->priv;
	struct blk_header h;
	struct vq_req *r;
	bool submitted = false;

	while (vq_pop(vqueue->vq, &r) > 0) {
		struct vblk_req *req = r->device;

		req->q = q;
		req->r = r;
		if (!r->in_size || vq_read(r, 0, &h, sizeof(h)) < 0) {
			vdev_fail(v, "queue %u: request without header or status", vqueue->index);
			vq_drop(r);
			break;
		}
		submitted |= handle(req, &h);
	}
	if (submitted)
		blk_commit(q->bq);
	return true;
}

/* A reset waits for what is in flight, a quiesce until all of it is done or parked. */
static void vblk_drain(struct vdev *v, struct vqueue *vqueue, bool reset)
{
	struct vblk_queue *q = vqueue->priv;

	if (!reset)
		loop_post(v->dev->bus->loop, &q->stopped_call);
	if (!vq_in_flight(vqueue->vq)) {
		vqueue_drained(vqueue);
		return;
	}
	q->draining = true;
	__atomic_store_n(&q->waiting, !reset, __ATOMIC_RELEASE);
	if (reset)
		blk_cancel_parked(q->bq);
}

static void idle_called(struct loop_call *c)
{
	drain_done(container_of(c, struct vblk_queue, idle_call));
}

static void info_called(struct loop_call *c)
{
	struct vblk_queue *q = container_of(c, struct vblk_queue, info_call);

	blk_get_info(q->vb->blk, &q->info);
}

/* ---- quiesce and resume, main thread ---- */

/* The disk is drained: what queues still wait for is parked. */
static void disk_drained(void *opaque)
{
	struct virtio_blk *vb = opaque;

	for (unsigned i = 0; i < vb->num_queues; i++) {
		struct vblk_queue *q = &vb->queues[i];

		if (__atomic_load_n(&q->waiting, __ATOMIC_ACQUIRE))
			loop_post(q->q->loop, &q->idle_call);
	}
	async_done(vb->quiescing);
	vb->quiescing = NULL;
}

/* Not before the last queue has submitted its last: requests that a drain holds back would run after a reset. */
static void queue_stopped(struct loop_call *c)
{
	struct virtio_blk *vb = container_of(c, struct vblk_queue, stopped_call)->vb;

	if (--vb->to_stop == 0)
		blk_drain_begin(vb->blk, disk_drained, vb);
}

static void vblk_quiesce(struct dev *d, struct async_group *g)
{
	struct virtio_blk *vb = to_blk(d);
	struct vdev *v = &vb->vp.vdev;

	async_add(g); /* for the disk */
	vb->quiescing = g;
	vb->drained = true;
	vb->to_stop = 0;
	for (unsigned i = 0; v->phase == VDEV_RUNNING && i < v->n_queues; i++)
		vb->to_stop += v->queues[i].lent;
	if (!vb->to_stop)
		blk_drain_begin(vb->blk, disk_drained, vb);
	virtio_pci_quiesce(d, g);
}

static void vblk_resume(struct dev *d)
{
	struct virtio_blk *vb = to_blk(d);

	if (vb->drained)
		blk_drain_end(vb->blk);
	vb->drained = false;
	virtio_pci_resume(d);
}

/* ---- features and configuration ---- */

static uint64_t vblk_features(struct vdev *v)
{
	const struct virtio_blk *vb = v->priv;
	struct blk_info info;
	uint64_t f = VIRTIO_BIT(F_SEG_MAX) | VIRTIO_BIT(F_BLK_SIZE) | VIRTIO_BIT(F_TOPOLOGY);

	blk_get_info(vb->blk, &info);
	if (info.max_transfer)
		f |= VIRTIO_BIT(F_SIZE_MAX);
	if (info.readonly)
		f |= VIRTIO_BIT(F_RO);
	if (info.write_cache)
		f |= VIRTIO_BIT(F_FLUSH);
	if (info.write_cache && vb->config_wce)
		f |= VIRTIO_BIT(F_CONFIG_WCE);
	if (vb->num_queues > 1)
		f |= VIRTIO_BIT(F_MQ);
	if (info.can_discard && vb->discard && !info.readonly)
		f |= VIRTIO_BIT(F_DISCARD);
	if (info.can_write_zeroes && vb->write_zeroes && !info.readonly)
		f |= VIRTIO_BIT(F_WRITE_ZEROES);
	return f;
}

/* @bytes (0: no limit) in sectors, whole logical blocks. */
static uint32_t limit_sectors(uint32_t bytes, uint32_t logical_block)
{
	return (uint32_t)align_down(bytes ? bytes : UINT32_MAX, logical_block) / SECTOR;
}

static void make_config(const struct virtio_blk *vb, struct blk_config *c)
{
	struct blk_info info;
	uint32_t blocks;

	blk_get_info(vb->blk, &info);
	blocks = info.physical_block / info.logical_block;
	*c = (struct blk_config){
		.capacity = info.size / SECTOR,
		.seg_max = vb->queue_size - 2, /* one for the header, one for the status */
		.blk_size = info.logical_block,
		.physical_block_exp = (uint8_t)__builtin_ctz(blocks),
		.min_io_size = (uint16_t)blocks,
		.opt_io_size = info.opt_io / info.logical_block,
		.writeback = info.write_cache,
		.num_queues = vb->num_queues,
		.max_discard_sectors = limit_sectors(info.max_discard, info.logical_block),
		.max_discard_seg = 1,
		.discard_sector_alignment = MAX(info.discard_align, info.logical_block) / SECTOR,
		.max_write_zeroes_sectors = limit_sectors(info.max_discard, info.logical_block),
		.max_write_zeroes_seg = 1,
		.write_zeroes_may_unmap = info.can_discard,
	};
	/* There is no field for the size of a whole request: the two limits together keep it below. */
	if (info.max_transfer) {
		c->seg_max = MAX(MIN(c->seg_max, info.max_transfer / MIN_SEGMENT), 1);
		c->size_max = info.max_transfer / c->seg_max & ~(MIN_SEGMENT - 1u);
	}
}

/* Section 5.2.5.1: the driver may switch between write-back and write-through. */
static void vblk_config_write(struct vdev *v, unsigned off, const uint8_t *buf, unsigned n)
{
	struct virtio_blk *vb = v->priv;
	uint8_t writeback;

	if (off != offsetof(struct blk_config, writeback) || n != 1 ||
		!(v->hw.driver_features & VIRTIO_BIT(F_CONFIG_WCE)))
		return;
	writeback = buf[0] & 1;
	vdev_config_set(v, off, &writeback, 1);
	__atomic_store_n(&vb->writeback, writeback, __ATOMIC_RELAXED);
}

/* Section 5.2.5.2: without CONFIG_WCE a driver that cannot flush gets write-through. */
static int vblk_start(struct vdev *v, bool resumed)
{
	struct virtio_blk *vb = v->priv;
	bool writeback = vdev_has_feature(v, F_FLUSH);

	if (vdev_has_feature(v, F_CONFIG_WCE))
		writeback = v->hw.config[offsetof(struct blk_config, writeback)];
	__atomic_store_n(&vb->writeback, writeback, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < v->n_queues; i++)
		blk_get_info(vb->blk, &vb->queues[i].info);
	return 0;
}

static void vblk_reset(struct vdev *v)
{
	struct blk_config c;

	make_config(v->priv, &c);
	vdev_config_set(v, offsetof(struct blk_config, writeback), &c.writeback, 1);
}

static void resized(struct blk_listener *l)
{
	struct virtio_blk *vb = container_of(l, struct virtio_blk, listener);
	struct vdev *v = &vb->vp.vdev;
	struct blk_config c;

	make_config(vb, &c);
	dev_lock(v->dev);
	for (unsigned i = 0; i < v->n_queues; i++) {
		if (v->queues[i].lent)
			loop_post(v->queues[i].loop, &vb->queues[i].info_call);
	}
	dev_unlock(v->dev);
	vdev_config_update(
		v, offsetof(struct blk_config, capacity), &c.capacity, sizeof(c.capacity));
}

static const struct vdev_ops vblk_ops = {
	.name = "virtio-blk",
	.id = 2,
	.req_size = sizeof(struct vblk_req),
	.config_size = CONFIG_SIZE,
	.features = vblk_features,
	.config_write = vblk_config_write,
	.start = vblk_start,
	.kick = vblk_kick,
	.drain = vblk_drain,
	.reset = vblk_reset,
};

/* ---- life ---- */

void virtio_blk_set_backend(struct dev *d, struct blk *blk)
{
	to_blk(d)->blk = blk;
}

static bool open_queues(struct virtio_blk *vb, GError **error)
{
	vb->queues = g_new0(struct vblk_queue, vb->num_queues);
	for (unsigned i = 0; i < vb->num_queues; i++) {
		struct vblk_queue *q = &vb->queues[i];
		int err;

		q->vb = vb;
		q->q = &vb->vp.vdev.queues[i];
		q->q->priv = q;
		q->stopped_call.fn = queue_stopped;
		q->idle_call.fn = idle_called;
		q->info_call.fn = info_called;
		err = blk_queue_open(vb->blk, q->q->loop, &q->bq);
		if (err < 0)
			return err_set_errno(error, -err, "device %s: queue %u of disk %s",
				vb->vp.pci.dev.id, i, vb->blk->id);
	}
	return true;
}

static bool vblk_realize(struct dev *d, GError **error)
{
	struct virtio_blk *vb = to_blk(d);
	struct virtio_pci_conf conf = {
		.class_code = 0x010000, /* mass storage, SCSI */
		.n_queues = vb->num_queues,
		.queue_size = vb->queue_size,
	};
	struct blk_config c;

	if (!vb->blk)
		return err_set(error, VMMD_ERROR_INVALID, "device %s: it has no disk", d->id);
	if (!is_power_of_2(vb->queue_size))
		return err_set(error, VMMD_ERROR_INVALID,
			"device %s: queue-size %u is not a power of two", d->id, vb->queue_size);
	if (!virtio_pci_init(&vb->vp, &vblk_ops, vb, &conf, error) || !open_queues(vb, error))
		return false;
	make_config(vb, &c);
	vdev_config_set(&vb->vp.vdev, 0, &c, CONFIG_SIZE);
	vb->listener.resized = resized;
	blk_listen(vb->blk, &vb->listener);
	return true;
}

static void vblk_unrealize(struct dev *d)
{
	struct virtio_blk *vb = to_blk(d);

	if (vb->blk)
		blk_unlisten(vb->blk, &vb->listener);
	for (unsigned i = 0; vb->queues && i < vb->num_queues; i++)
		blk_queue_close(vb->queues[i].bq);
	virtio_pci_done(&vb->vp);
	g_clear_pointer(&vb->queues, g_free);
	if (vb->drained)
		blk_drain_end(vb->blk);
	vb->drained = false;
}

/* The disk may be another size than where the state was saved. */
static int vblk_post_load(struct dev *d)
{
	struct virtio_blk *vb = to_blk(d);
	uint8_t writeback = vb->vp.vdev.hw.config[offsetof(struct blk_config, writeback)];
	struct blk_config c;

	make_config(vb, &c);
	c.writeback &= writeback;
	vdev_config_set(&vb->vp.vdev, 0, &c, CONFIG_SIZE);
	return virtio_pci_post_load(d);
}

static const struct prop vblk_props[] = {VIRTIO_PCI_PROPS(struct virtio_blk, vp),
	PROP_STR("serial", struct virtio_blk, serial, ID_SIZE, NULL,
		"serial number that the guest sees, at most 20 bytes"),
	PROP_U16("num-queues", struct virtio_blk, num_queues, 1, VIRTIO_MAX_QUEUES, 1,
		"request queues"),
	PROP_U16("queue-size", struct virtio_blk, queue_size, 4, VQ_SIZE_MAX, BLK_QUEUE_SIZE,
		"entries of each queue, a power of two"),
	PROP_BOOL("config-wce", struct virtio_blk, config_wce, true,
		"let the guest switch the write cache on and off"),
	PROP_BOOL("discard", struct virtio_blk, discard, true, "offer discard if the disk can"),
	PROP_BOOL("write-zeroes", struct virtio_blk, write_zeroes, true,
		"offer write zeroes if the disk can"),
	PROP_END};

static const struct prop_table vblk_prop_table = {
	.name = "virtio-blk-pci",
	.doc = "virtio block device",
	.size = sizeof(struct virtio_blk),
	.props = vblk_props,
};

static const struct dev_part vblk_state[] = {VIRTIO_PCI_STATE(struct virtio_blk, vp), {NULL, 0}};

const struct dev_ops virtio_blk_pci_ops = {
	.name = "virtio-blk-pci",
	.doc = "Virtio block device (virtio 1.2, section 5.2)",
	.size = sizeof(struct virtio_blk),
	.props = &vblk_prop_table,
	.realize = vblk_realize,
	.reset = virtio_pci_reset,
	.quiesce = vblk_quiesce,
	.resume = vblk_resume,
	.unrealize = vblk_unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = vblk_post_load,
	.state = vblk_state,
};
