/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/virtio/echo.h"

#include <string.h>

#include "base/qs.h"

static struct echo *to_echo(struct dev *d)
{
	return container_of(d, struct echo, vp.pci.dev);
}

static void answer(struct vq_req *r)
{
	uint8_t buf[256];
	uint64_t n = MIN(MIN(r->out_size, r->in_size), sizeof(buf));

	if (vq_read(r, 0, buf, n) < 0 || vq_write(r, 0, buf, n) < 0)
		n = 0;
	vq_push(r, n);
}

static uint64_t echo_features(struct vdev *v)
{
	return VIRTIO_BIT(F_A) | VIRTIO_BIT(F_B) | VIRTIO_BIT(F_NEEDS_A);
}

static bool echo_validate(struct vdev *v)
{
	uint64_t f = v->hw.driver_features;

	return !(f & VIRTIO_BIT(F_NEEDS_A)) || f & VIRTIO_BIT(F_A);
}

static void echo_config_write(struct vdev *v, unsigned off, const uint8_t *buf, unsigned n)
{
	if (off >= 8)
		vdev_config_set(v, off, buf, n);
}

static int echo_start(struct vdev *v, bool resumed)
{
	struct echo *e = v->priv;

	resumed ? e->resumes++ : e->starts++;
	return e->start_error;
}

static bool echo_kick(struct vdev *v, struct vqueue *q)
{
	struct echo *e = v->priv;
	struct vq_req *r;

	e->kicks++;
	while (vq_pop(q->vq, &r) > 0) {
		e->handled++;
		memset(r->device, 0xff, 24);
		if (e->hold)
			e->held[e->n_held++] = r;
		else
			answer(r);
		if (e->on_request)
			e->on_request(e);
	}
	return !e->stop_early;
}

static void echo_drain(struct vdev *v, struct vqueue *q, bool reset)
{
	struct echo *e = v->priv;

	if (vq_in_flight(q->vq) && !(e->park && !reset))
		e->draining = q;
	else
		vqueue_drained(q);
}

static void echo_reset(struct vdev *v)
{
	((struct echo *)v->priv)->resets++;
}

void release_one(struct echo *e)
{
	struct vq_req *r = e->held[0];
	struct vqueue *q = e->draining;

	g_assert_cmpuint(e->n_held, >, 0);
	memmove(e->held, e->held + 1, --e->n_held * sizeof(*e->held));
	qs_enter();
	answer(r);
	qs_leave();
	if (q && !vq_in_flight(q->vq)) {
		e->draining = NULL;
		vqueue_drained(q);
	}
}

static const struct vdev_ops echo_ops = {
	.name = "echo",
	.id = 42,
	.req_size = 24,
	.config_size = 14,
	.features = echo_features,
	.validate = echo_validate,
	.config_write = echo_config_write,
	.start = echo_start,
	.kick = echo_kick,
	.drain = echo_drain,
	.reset = echo_reset,
};

static bool echo_realize(struct dev *d, GError **error)
{
	struct echo *e = to_echo(d);
	struct virtio_pci_conf conf = {
		.class_code = 0x00ff00, .n_queues = 2, .queue_size = QUEUE_SIZE};
	static const uint8_t config[14] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};

	e->vp.packed = true;
	if (!virtio_pci_init(&e->vp, &echo_ops, e, &conf, error))
		return false;
	vdev_config_set(&e->vp.vdev, 0, config, sizeof(config));
	return true;
}

static void echo_unrealize(struct dev *d)
{
	virtio_pci_done(&to_echo(d)->vp);
}

static const struct dev_part echo_state[] = {VIRTIO_PCI_STATE(struct echo, vp), {NULL, 0}};

const struct dev_ops echo_dev_ops = {
	.name = "echo",
	.size = sizeof(struct echo),
	.realize = echo_realize,
	.reset = virtio_pci_reset,
	.quiesce = virtio_pci_quiesce,
	.resume = virtio_pci_resume,
	.unrealize = echo_unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = virtio_pci_post_load,
	.state = echo_state,
};

/* ---- tests ---- */

void setup(struct fixture *f, const void *data)
{
	vrig_init(&f->rig);
	f->echo = to_echo(vrig_new(&f->rig, &echo_dev_ops));
	vrig_plug(&f->rig);
}

void teardown(struct fixture *f, const void *data)
{
	vrig_done(&f->rig);
}

int add_echo(struct vrig *r, unsigned i, uint64_t at, unsigned n, uint64_t table)
{
	struct guest_buf bufs[] = {{at, n, false}, {at + 256, n, true}};
	uint8_t bytes[256];

	for (unsigned k = 0; k < n; k++)
		bytes[k] = (uint8_t)(at / 512 + k * 3);
	guest_write(r->gmem, at, bytes, n);
	memset(bytes, 0xcc, n);
	guest_write(r->gmem, at + 256, bytes, n);
	return guest_vq_add(&r->vq[i], bufs, 2, table);
}

void check_echo(struct vrig *r, uint64_t at, unsigned n)
{
	uint8_t out[256], in[256];

	guest_read(r->gmem, at, out, n);
	guest_read(r->gmem, at + 256, in, n);
	g_assert_cmpint(memcmp(in, out, n), ==, 0);
}

void echo_once(struct vrig *r, unsigned i)
{
	uint32_t len;
	int id = add_echo(r, i, DATA, 100, 0);

	g_assert_cmpint(id, >=, 0);
	vrig_publish(r, i);
	g_assert_cmpint(vrig_wait_used(r, i, &len), ==, id);
	g_assert_cmpuint(len, ==, 100);
	check_echo(r, DATA, 100);
}

bool status_is_0(void *opaque)
{
	return vrig_status(opaque) == 0;
}

void check_broken(struct fixture *f)
{
	vrig_settle(&f->rig);
	g_assert_cmpuint(vrig_status(&f->rig) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
	g_assert_cmpuint(f->rig.dev->guest_errors, ==, 1);
}
