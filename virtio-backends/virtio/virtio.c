/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/virtio/virtio.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/qs.h"
#include "devmodel/bus/bus.h"

#define STATUS_BY_DRIVER                                                              \
	(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_DRIVER_OK | \
		VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_FAILED)

static struct loop *main_loop(struct vdev *v)
{
	return v->dev->bus->loop;
}

/* ---- a broken device ---- */

static bool is_broken(struct vdev *v)
{
	return __atomic_load_n(&v->health, __ATOMIC_ACQUIRE) != VDEV_INTACT;
}

void vdev_fail(struct vdev *v, const char *fmt, ...)
{
	int intact = VDEV_INTACT;
	va_list ap;

	if (!__atomic_compare_exchange_n(
		    &v->health, &intact, VDEV_FAILING, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	va_start(ap, fmt);
	vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
	__atomic_store_n(&v->health, VDEV_FAILED, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < v->n_queues; i++)
		vq_block(v->queues[i].vq);
	loop_post(main_loop(v), &v->broken_call);
}

/* Section 2.1.2: a driver that runs is told by a configuration change. */
static void report_broken_locked(struct vdev *v)
{
	if (__atomic_load_n(&v->health, __ATOMIC_ACQUIRE) != VDEV_FAILED)
		return;
	__atomic_store_n(&v->health, VDEV_REPORTED, __ATOMIC_RELEASE);
	dev_guest_error(v->dev, "%s", v->why);
	if (v->reset_due)
		return;
	v->hw.status |= VIRTIO_STATUS_NEEDS_RESET;
	if (v->hw.status & VIRTIO_STATUS_DRIVER_OK)
		v->transport->config_interrupt(v);
}

static void broken_called(struct loop_call *c)
{
	struct vdev *v = container_of(c, struct vdev, broken_call);

	dev_lock(v->dev);
	report_broken_locked(v);
	dev_unlock(v->dev);
}

static void queue_failed(void *opaque, struct vq *vq, const char *why)
{
	struct vqueue *q = opaque;

	vdev_fail(q->vdev, "queue %u: %s", q->index, why);
}

static void queue_interrupts(void *opaque, struct vq *vq)
{
	struct vqueue *q = opaque;
	int fd = __atomic_load_n(&q->call_fd, __ATOMIC_ACQUIRE);

	if (fd >= 0)
		(void)eventfd_write(fd, 1); /* fails only when it is set anyway */
	else
		q->vdev->transport->queue_interrupt(q->vdev, q);
}

static const struct vq_host_ops host_ops = {
	.fail = queue_failed,
	.interrupt = queue_interrupts,
};

/* ---- queues on the threads of their loops ---- */

static void run_round(struct vqueue *q)
{
	struct vdev *v = q->vdev;

	if (!q->running || is_broken(v))
		return;
	qs_enter();
	vq_kick_disable(q->vq);
	if (v->ops->kick(v, q) && vq_kick_enable(q->vq))
		vqueue_schedule(q);
	qs_leave();
}

/* Edge triggered: each ringing is an event, and nobody needs to read the eventfd. */
static void kick_ready(struct loop_fd *f, uint32_t events)
{
	struct vqueue *q = container_of(f, struct vqueue, kick);

	vq_kicked(q->vq);
	run_round(q);
}

static void run_called(struct loop_call *c)
{
	run_round(container_of(c, struct vqueue, run_call));
}

void vqueue_schedule(struct vqueue *q)
{
	loop_post(q->loop, &q->run_call);
}

/* Before the queue's drain_call, which the lock's next holder may post: so it is over when the queue is back. */
void vdev_schedule(struct vdev *v, unsigned queue)
{
	if (v->phase == VDEV_RUNNING && v->queues[queue].lent)
		vqueue_schedule(&v->queues[queue]);
}

static void round_ended(struct loop_hook *h)
{
	struct vqueue *q = container_of(h, struct vqueue, round_end);

	qs_enter();
	vq_notify(q->vq);
	qs_leave();
	if (q->running && vq_retry(q->vq))
		vqueue_schedule(q);
}

static void start_called(struct loop_call *c)
{
	struct vqueue *q = container_of(c, struct vqueue, start_call);
	int err;

	loop_hook_add(q->loop, &q->round_end);
	q->running = true;
	err = loop_fd_add(q->loop, &q->kick, EPOLLIN | EPOLLET);
	if (err < 0)
		vdev_fail(q->vdev, "queue %u: doorbell: %s", q->index, strerror(-err));
	run_round(q); /* buffers may have been made available before */
}

static void drain_called(struct loop_call *c)
{
	struct vqueue *q = container_of(c, struct vqueue, drain_call);
	struct vdev *v = q->vdev;

	q->running = false;
	loop_fd_del(q->loop, &q->kick);
	if (q->reset)
		vq_block(q->vq); /* what completes from here on is forgotten */
	qs_enter();
	if (v->ops->drain)
		v->ops->drain(v, q, q->reset);
	else
		vqueue_drained(q);
	qs_leave();
}

static void give_back(struct vdev *v)
{
	if (!__atomic_sub_fetch(&v->active_queues, 1, __ATOMIC_ACQ_REL))
		loop_post(main_loop(v), &v->stopped_call);
}

static void drained_called(struct loop_call *c)
{
	give_back(container_of(c, struct vqueue, drained_call)->vdev);
}

void vqueue_drained(struct vqueue *q)
{
	qs_enter();
	vq_notify(q->vq);
	qs_leave();
	loop_hook_del(q->loop, &q->round_end);
	/* Behind whatever this queue has posted: once it is back, its device may go. */
	loop_post(q->loop, &q->drained_call);
}

/* ---- start and stop, lock held ---- */

static int start_ring(struct vdev *v, unsigned i)
{
	const struct vqueue_hw *hw = &v->hw.queues[i];
	struct vq_ring ring = {
		.size = hw->size,
		.desc = GPA(hw->desc),
		.avail = GPA(hw->avail),
		.used = GPA(hw->used),
		.packed = vdev_has_feature(v, VIRTIO_F_RING_PACKED),
		.event_idx = vdev_has_feature(v, VIRTIO_F_EVENT_IDX),
		.indirect = vdev_has_feature(v, VIRTIO_F_INDIRECT_DESC),
	};
	int ret;

	if (vq_is_up(v->queues[i].vq))
		return 0; /* comes back from quiesce */
	qs_enter();
	ret = vq_start(v->queues[i].vq, &ring, hw->avail_idx, hw->used_idx);
	qs_leave();
	if (ret < 0)
		vdev_fail(v, "queue %u: %s", i,
			ret == -EFAULT ? "ring outside of RAM" : "bad size or alignment");
	return ret;
}

static bool prepare_start(struct vdev *v)
{
	int ret;

	v->features = v->hw.driver_features;
	for (unsigned i = 0; i < v->n_queues; i++) {
		if (v->hw.queues[i].enabled && start_ring(v, i) < 0)
			return false;
	}
	ret = v->ops->start ? v->ops->start(v, !v->fresh) : 0;
	v->fresh = false;
	if (ret < 0)
		vdev_fail(v, "cannot start: %s", strerror(-ret));
	return ret >= 0;
}

static void try_start(struct vdev *v)
{
	if (v->phase != VDEV_IDLE || v->reset_due || v->quiesced || !v->may_dma)
		return;
	if (!(v->hw.status & VIRTIO_STATUS_DRIVER_OK) || is_broken(v) || !prepare_start(v))
		return;
	v->phase = VDEV_RUNNING;
	__atomic_store_n(&v->active_queues, 1, __ATOMIC_RELAXED); /* given back by stop_queues() */
	for (unsigned i = 0; i < v->n_queues; i++) {
		struct vqueue *q = &v->queues[i];

		q->lent = vq_is_up(q->vq);
		if (!q->lent)
			continue;
		__atomic_add_fetch(&v->active_queues, 1, __ATOMIC_RELAXED);
		loop_post(q->loop, &q->start_call);
	}
}

/* The queues that are lent come back by stopped_call. */
static void stop_queues(struct vdev *v, bool reset)
{
	v->phase = VDEV_STOPPING;
	for (unsigned i = 0; i < v->n_queues; i++) {
		struct vqueue *q = &v->queues[i];

		if (!q->lent)
			continue;
		q->reset = reset;
		loop_post(q->loop, &q->drain_call);
	}
	give_back(v);
}

/* Requests that a quiesced device kept: lends their queues once more, to drop them. False when there are none. */
static bool drop_parked(struct vdev *v)
{
	unsigned n = 0;

	for (unsigned i = 0; i < v->n_queues; i++) {
		v->queues[i].lent = vq_in_flight(v->queues[i].vq) > 0;
		n += v->queues[i].lent;
	}
	if (!n)
		return false;
	__atomic_store_n(&v->active_queues, n + 1, __ATOMIC_RELAXED);
	stop_queues(v, true);
	return true;
}

static void save_positions(struct vdev *v)
{
	for (unsigned i = 0; i < v->n_queues; i++) {
		struct vqueue_hw *hw = &v->hw.queues[i];

		if (vq_is_up(v->queues[i].vq))
			vq_position(v->queues[i].vq, &hw->avail_idx, &hw->used_idx);
	}
}

/* All queues are here: what was waiting for that. */
static void settle(struct vdev *v)
{
	if (v->phase != VDEV_IDLE)
		return;
	if (v->reset_due) {
		if (drop_parked(v))
			return;
		for (unsigned i = 0; i < v->n_queues; i++)
			vq_stop(v->queues[i].vq);
		if (v->ops->reset)
			v->ops->reset(v);
		report_broken_locked(v);
		__atomic_store_n(&v->health, VDEV_INTACT, __ATOMIC_RELEASE);
		v->reset_due = false;
	}
	save_positions(v);
	if (v->quiescing) {
		async_done(v->quiescing);
		v->quiescing = NULL;
	}
	try_start(v);
}

static void stopped_called(struct loop_call *c)
{
	struct vdev *v = container_of(c, struct vdev, stopped_call);

	dev_lock(v->dev);
	for (unsigned i = 0; i < v->n_queues; i++)
		v->queues[i].lent = false;
	v->phase = VDEV_IDLE;
	settle(v);
	dev_unlock(v->dev);
}

/* Configuration space survives: what the driver could write of it is the device's to reset. */
static void reset_registers(struct vdev *v)
{
	struct vdev_hw *hw = &v->hw;
	struct vdev_hw fresh = {
		.config_vector = VIRTIO_NO_VECTOR,
		.config_generation = hw->config_generation,
	};

	memcpy(fresh.config, hw->config, sizeof(fresh.config));
	for (unsigned i = 0; i < v->n_queues; i++) {
		fresh.queues[i].size = v->queue_size;
		fresh.queues[i].vector = VIRTIO_NO_VECTOR;
		__atomic_store_n(&v->queues[i].call_fd, -1, __ATOMIC_RELEASE);
	}
	*hw = fresh;
}

static void begin_reset(struct vdev *v)
{
	if (v->hw.status)
		v->old_status = v->hw.status;
	reset_registers(v);
	v->reset_due = true;
	if (v->phase == VDEV_RUNNING)
		stop_queues(v, true);
	else
		settle(v);
}

/* ---- registers ---- */

/* Section 3.1.1, step 6. A modern device has no driver without VERSION_1. */
static bool features_acceptable(struct vdev *v)
{
	uint64_t f = v->hw.driver_features;

	if (f & ~v->device_features || !(f & VIRTIO_BIT(VIRTIO_F_VERSION_1)))
		return false;
	return !v->ops->validate || v->ops->validate(v);
}

static void driver_ok(struct vdev *v)
{
	bool packed = v->hw.driver_features & VIRTIO_BIT(VIRTIO_F_RING_PACKED);
	uint16_t begin = packed ? VQ_WRAP : 0; /* section 2.8.1 */

	if (!(v->hw.status & VIRTIO_STATUS_FEATURES_OK)) {
		vdev_fail(v, "DRIVER_OK without FEATURES_OK");
		return;
	}
	for (unsigned i = 0; i < v->n_queues; i++) {
		v->hw.queues[i].avail_idx = begin;
		v->hw.queues[i].used_idx = begin;
	}
	v->fresh = true;
	try_start(v);
}

void vdev_write_status(struct vdev *v, uint8_t status)
{
	uint8_t set = status & ~v->hw.status & STATUS_BY_DRIVER;

	if (!status) {
		begin_reset(v);
		return;
	}
	if (set & VIRTIO_STATUS_FEATURES_OK && !features_acceptable(v))
		set &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
	v->hw.status |= set;
	if (set & VIRTIO_STATUS_DRIVER_OK)
		driver_ok(v);
}

uint8_t vdev_read_status(struct vdev *v)
{
	if (v->reset_due)
		return v->hw.status ? v->hw.status : v->old_status;
	return v->hw.status | (is_broken(v) ? VIRTIO_STATUS_NEEDS_RESET : 0);
}

void vdev_write_features(struct vdev *v, uint32_t select, uint32_t value)
{
	unsigned shift = select * 32;

	if (select > 1 || v->hw.status & VIRTIO_STATUS_FEATURES_OK)
		return;
	v->hw.driver_features &= ~(UINT64_C(0xffffffff) << shift);
	v->hw.driver_features |= (uint64_t)value << shift;
}

uint32_t vdev_read_features(struct vdev *v, uint32_t select)
{
	return select > 1 ? 0 : (uint32_t)(v->device_features >> (select * 32));
}

struct vqueue_hw *vdev_selected_queue(struct vdev *v)
{
	return v->hw.queue_select < v->n_queues ? &v->hw.queues[v->hw.queue_select] : NULL;
}

void vdev_queue_enable(struct vdev *v)
{
	struct vqueue_hw *hw = vdev_selected_queue(v);

	if (!hw || hw->enabled)
		return;
	if (v->hw.status & VIRTIO_STATUS_DRIVER_OK) {
		vdev_fail(v, "queue %u enabled after DRIVER_OK", v->hw.queue_select);
		return;
	}
	hw->enabled = true;
}

void vdev_config_read(struct vdev *v, unsigned off, void *buf, unsigned n)
{
	memset(buf, 0, n);
	if (off < v->ops->config_size)
		memcpy(buf, v->hw.config + off, MIN(n, v->ops->config_size - off));
}

void vdev_config_write(struct vdev *v, unsigned off, const void *buf, unsigned n)
{
	if (v->ops->config_write && range_fits(off, n, v->ops->config_size))
		v->ops->config_write(v, off, buf, n);
}

void vdev_config_set(struct vdev *v, unsigned off, const void *buf, unsigned n)
{
	memcpy(v->hw.config + off, buf, n);
}

void vdev_config_update(struct vdev *v, unsigned off, const void *buf, unsigned n)
{
	dev_lock(v->dev);
	if (memcmp(v->hw.config + off, buf, n)) {
		vdev_config_set(v, off, buf, n);
		v->hw.config_generation++;
		if (v->hw.status & VIRTIO_STATUS_DRIVER_OK)
			v->transport->config_interrupt(v);
	}
	dev_unlock(v->dev);
}

/* A driver that takes bus mastering away reuses its memory: not a byte of it is written from here on. */
void vdev_set_dma(struct vdev *v, bool on)
{
	if (on == v->may_dma)
		return;
	v->may_dma = on;
	if (on) {
		try_start(v);
		return;
	}
	if (v->phase == VDEV_IDLE)
		return;
	for (unsigned i = 0; i < v->n_queues; i++)
		vq_block(v->queues[i].vq);
}

void vdev_ring(struct vdev *v, unsigned queue)
{
	if (queue < v->n_queues)
		(void)eventfd_write(
			v->queues[queue].kick_fd, 1); /* fails only when it is rung anyway */
}

/* ---- the machine's wishes ---- */

void vdev_quiesce(struct vdev *v, struct async_group *g)
{
	v->quiesced = true;
	v->quiescing = g;
	if (v->phase == VDEV_RUNNING)
		stop_queues(v, false);
	else
		settle(v);
}

void vdev_resume(struct vdev *v)
{
	v->quiesced = false;
	try_start(v);
}

void vdev_reset(struct vdev *v)
{
	begin_reset(v);
}

/* ---- state ---- */

static const struct state_field queue_fields[] = {ST_U(struct vqueue_hw, desc),
	ST_U(struct vqueue_hw, avail), ST_U(struct vqueue_hw, used), ST_U(struct vqueue_hw, size),
	ST_U(struct vqueue_hw, vector), ST_U(struct vqueue_hw, avail_idx),
	ST_U(struct vqueue_hw, used_idx), ST_BOOL(struct vqueue_hw, enabled),
	ST_PAD(struct vqueue_hw, pad), ST_END};

static const struct state_field vdev_fields[] = {ST_U(struct vdev_hw, driver_features),
	ST_U(struct vdev_hw, device_feature_select), ST_U(struct vdev_hw, driver_feature_select),
	ST_U(struct vdev_hw, queue_select), ST_U(struct vdev_hw, config_vector),
	ST_MAX(struct vdev_hw, status, STATUS_BY_DRIVER | VIRTIO_STATUS_NEEDS_RESET),
	ST_MAX(struct vdev_hw, isr, 3), ST_U(struct vdev_hw, config_generation),
	ST_PAD(struct vdev_hw, pad), ST_BYTES(struct vdev_hw, config),
	ST_STRUCTS(struct vdev_hw, queues, queue_fields), ST_END};

static int vdev_state_check(const void *p)
{
	const struct vdev_hw *hw = p;

	if (hw->status & VIRTIO_STATUS_DRIVER_OK && !(hw->status & VIRTIO_STATUS_FEATURES_OK) &&
		!(hw->status & VIRTIO_STATUS_NEEDS_RESET))
		return -EINVAL;
	return 0;
}

const struct state_desc vdev_state = {
	.name = "virtio",
	.version = 1,
	.size = sizeof(struct vdev_hw),
	.fields = vdev_fields,
	.check = vdev_state_check,
};

int vdev_post_load(struct vdev *v)
{
	bool broken;

	if (v->phase != VDEV_IDLE || v->reset_due)
		return -EBUSY;
	if (v->hw.status & VIRTIO_STATUS_FEATURES_OK && !features_acceptable(v))
		return -EINVAL;
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++) {
		const struct vqueue_hw *q = &v->hw.queues[i];

		if (i >= v->n_queues ? q->enabled : q->size > v->queue_size)
			return -EINVAL;
	}
	for (unsigned i = 0; i < v->n_queues; i++) {
		if (vq_in_flight(v->queues[i].vq))
			return -EBUSY;
		vq_stop(v->queues[i].vq);
	}
	broken = v->hw.status & VIRTIO_STATUS_NEEDS_RESET;
	__atomic_store_n(&v->health, broken ? VDEV_REPORTED : VDEV_INTACT, __ATOMIC_RELEASE);
	v->fresh = false;
	try_start(v);
	return 0;
}

/* ---- life ---- */

static uint64_t ring_features(const struct vdev *v)
{
	return VIRTIO_BIT(VIRTIO_F_VERSION_1) | VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC) |
	       VIRTIO_BIT(VIRTIO_F_EVENT_IDX) | (v->packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0);
}

static bool queue_init(struct vdev *v, unsigned i, struct loop *loop, GError **error)
{
	struct vqueue *q = &v->queues[i];
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return err_set_errno(
			error, errno, "device %s: doorbell of queue %u", v->dev->id, i);
	*q = (struct vqueue){
		.vdev = v,
		.vq = vq_new(v->dev->bus->gmem, i, v->queue_size, v->ops->req_size, &host_ops, q),
		.index = i,
		.loop = loop,
		.kick = {.fd = fd, .ready = kick_ready},
		.kick_fd = fd,
		.call_fd = -1,
		.start_call.fn = start_called,
		.drain_call.fn = drain_called,
		.drained_call.fn = drained_called,
		.run_call.fn = run_called,
		.round_end.fn = round_ended,
	};
	v->n_queues++;
	return true;
}

bool vdev_init(struct vdev *v, struct dev *d, const struct vdev_ops *ops, unsigned n, uint16_t size,
	struct loop *loop, GError **error)
{
	v->dev = d;
	v->ops = ops;
	v->queue_size = size;
	v->stopped_call.fn = stopped_called;
	v->broken_call.fn = broken_called;
	v->queues = g_new0(struct vqueue, n);
	for (unsigned i = 0; i < n; i++) {
		if (!queue_init(v, i, loop, error))
			return false;
	}
	v->device_features = ring_features(v) | ops->features(v);
	reset_registers(v);
	return true;
}

void vdev_done(struct vdev *v)
{
	for (unsigned i = 0; i < v->n_queues; i++) {
		vq_free(v->queues[i].vq);
		fd_close(&v->queues[i].kick_fd);
	}
	v->n_queues = 0;
	g_clear_pointer(&v->queues, g_free);
}

void vdev_set_loop(struct vdev *v, unsigned queue, struct loop *loop)
{
	v->queues[queue].loop = loop;
}
