/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device core and the PCI transport, through the real registers, with a device of the test's own: it echoes the out part of a
 * chain into its in part, at once or when it is told to.
 */
#include <string.h>
#include <sys/eventfd.h>

#include "base/qs.h"
#include "tests/lib/virtio-rig.h"

#define DATA       0x800000
#define QUEUE_SIZE 16
#define HELD_MAX   16

enum { F_A = 0, F_B = 1, F_NEEDS_A = 2 };

struct echo {
	struct virtio_pci vp; /* first */
	struct vq_req *held[HELD_MAX];
	unsigned n_held;
	bool hold;       /* requests are kept */
	bool park;       /* a quiesce does not wait for them */
	bool stop_early; /* kick() says that it will schedule itself */
	int start_error;
	unsigned starts, resumes, resets, kicks;
	uint64_t handled;
	void (*on_request)(struct echo *e);
	void *opaque;
	struct vqueue *draining;
	struct loop_call wake_call;
};

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

/* On the queue's thread: the oldest held request is answered. */
static void release_one(struct echo *e)
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

static const struct dev_ops echo_dev_ops = {
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

struct fixture {
	struct vrig rig;
	struct echo *echo;
	struct loop *io; /* NULL: the main loop */
};

static void setup(struct fixture *f, const void *data)
{
	vrig_init(&f->rig);
	f->echo = to_echo(vrig_new(&f->rig, &echo_dev_ops));
	vrig_plug(&f->rig);
}

static void teardown(struct fixture *f, const void *data)
{
	vrig_done(&f->rig);
}

/* ---- helpers ---- */

/* Adds one echo request of @n bytes to queue @i; its id. */
static int add_echo(struct vrig *r, unsigned i, uint64_t at, unsigned n, uint64_t table)
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

static void check_echo(struct vrig *r, uint64_t at, unsigned n)
{
	uint8_t out[256], in[256];

	guest_read(r->gmem, at, out, n);
	guest_read(r->gmem, at + 256, in, n);
	g_assert_cmpint(memcmp(in, out, n), ==, 0);
}

static void echo_once(struct vrig *r, unsigned i)
{
	uint32_t len;
	int id = add_echo(r, i, DATA, 100, 0);

	g_assert_cmpint(id, >=, 0);
	vrig_publish(r, i);
	g_assert_cmpint(vrig_wait_used(r, i, &len), ==, id);
	g_assert_cmpuint(len, ==, 100);
	check_echo(r, DATA, 100);
}

static bool status_is_0(void *opaque)
{
	return vrig_status(opaque) == 0;
}

static void check_broken(struct fixture *f)
{
	vrig_settle(&f->rig);
	g_assert_cmpuint(vrig_status(&f->rig) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
	g_assert_cmpuint(f->rig.dev->guest_errors, ==, 1);
}

/* ---- what the bus shows ---- */

static void test_identity(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	g_assert_cmphex(vrig_cfg_read(r, PCI_VENDOR_ID, 2), ==, 0x1af4);
	g_assert_cmphex(vrig_cfg_read(r, PCI_DEVICE_ID, 2), ==, 0x1040 + 42);
	g_assert_cmphex(vrig_cfg_read(r, PCI_SUBSYS_VENDOR, 2), ==, 0x1af4);
	g_assert_cmphex(vrig_cfg_read(r, PCI_SUBSYS_ID, 2), ==, 0x1100);
	g_assert_cmphex(vrig_cfg_read(r, PCI_REVISION, 1), ==, 1);
	g_assert_cmphex(vrig_cfg_read(r, PCI_INT_PIN, 1), ==, 1);
	g_assert_cmphex(
		vrig_cfg_read(r, r->vp->pci.msix_cap + 2, 2) & 0x7ff, ==, 2); /* 3 vectors */
	g_assert_cmphex(vrig_cfg_read(r, PCI_BAR0 + 16, 4) & 0xf, ==, 0xc);
	g_assert_cmpuint(r->common % 4, ==, 0);
	g_assert_cmpuint(r->notify_step, ==, 4);
}

static void test_common(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	g_assert_cmpuint(vrig_common(r, VRIG_NUM_QUEUES, 2), ==, 2);
	for (unsigned i = 0; i < 2; i++) {
		vrig_set_common(r, VRIG_QUEUE_SELECT, 2, i);
		g_assert_cmpuint(vrig_common(r, VRIG_QUEUE_SIZE, 2), ==, QUEUE_SIZE);
		g_assert_cmpuint(vrig_common(r, VRIG_QUEUE_NOTIFY, 2), ==, i);
		g_assert_cmphex(vrig_common(r, VRIG_QUEUE_VECTOR, 2), ==, VIRTIO_NO_VECTOR);
		g_assert_cmpuint(vrig_common(r, VRIG_QUEUE_ENABLE, 2), ==, 0);
	}
	/* Section 4.1.4.3.1: 0 says that there is no such queue. */
	vrig_set_common(r, VRIG_QUEUE_SELECT, 2, 2);
	g_assert_cmpuint(vrig_common(r, VRIG_QUEUE_SIZE, 2), ==, 0);
	vrig_set_common(r, VRIG_QUEUE_SIZE, 2, 4);
	vrig_set_common(r, VRIG_QUEUE_ENABLE, 2, 1);
	g_assert_cmpuint(vrig_common(r, VRIG_QUEUE_SIZE, 2), ==, 0);
	g_assert_cmpuint(vrig_common(r, VRIG_QUEUE_ENABLE, 2), ==, 0);
	vrig_set_common(r, VRIG_QUEUE_SELECT, 2, 0xffff);
	g_assert_cmpuint(vrig_common(r, VRIG_QUEUE_SIZE, 2), ==, 0);
	vrig_set_common(r, VRIG_DEVICE_FEATURE_SELECT, 4, 2);
	g_assert_cmphex(vrig_common(r, VRIG_DEVICE_FEATURE, 4), ==, 0);
	vrig_set_common(r, VRIG_DEVICE_FEATURE_SELECT, 4, 0xffffffff);
	g_assert_cmphex(vrig_common(r, VRIG_DEVICE_FEATURE, 4), ==, 0);
	/* Other widths than a field's own find nothing and change nothing. */
	g_assert_cmphex(vrig_common(r, VRIG_NUM_QUEUES, 1), ==, 0);
	g_assert_cmphex(vrig_common(r, VRIG_STATUS, 4), ==, 0);
	vrig_set_common(r, VRIG_STATUS, 2, VIRTIO_STATUS_ACKNOWLEDGE);
	g_assert_cmphex(vrig_status(r), ==, 0);
	/* 64-bit registers are two of 32 bits; nothing lies behind the last. */
	vrig_set_common(r, VRIG_QUEUE_SELECT, 2, 0);
	vrig_set_common(r, VRIG_QUEUE_DESC, 8, UINT64_C(0x1122334455667788));
	g_assert_cmphex(vrig_common(r, VRIG_QUEUE_DESC, 8), ==, UINT64_C(0x1122334455667788));
	g_assert_cmphex(vrig_common(r, VRIG_QUEUE_DESC + 4, 4), ==, 0x11223344);
	g_assert_cmphex(vrig_common(r, 0x100, 4), ==, 0);
	vrig_set_common(r, 0xffc, 4, 1);
}

static void test_features(struct fixture *f, const void *data)
{
	const uint64_t v1 = VIRTIO_BIT(VIRTIO_F_VERSION_1);
	struct vrig *r = &f->rig;

	g_assert_cmphex(vrig_features(r), ==,
		VIRTIO_BIT(F_A) | VIRTIO_BIT(F_B) | VIRTIO_BIT(F_NEEDS_A) |
			VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC) | VIRTIO_BIT(VIRTIO_F_EVENT_IDX) | v1 |
			VIRTIO_BIT(VIRTIO_F_RING_PACKED));
	g_assert_true(vrig_negotiate(r, v1));
	g_assert_true(vrig_negotiate(r, v1 | VIRTIO_BIT(F_A) | VIRTIO_BIT(F_NEEDS_A)));
	g_assert_false(vrig_negotiate(r, v1 | VIRTIO_BIT(F_NEEDS_A)));
	g_assert_false(vrig_negotiate(r, VIRTIO_BIT(F_A)));
	g_assert_false(vrig_negotiate(r, v1 | VIRTIO_BIT(5)));
	g_assert_false(vrig_negotiate(r, v1 | VIRTIO_BIT(63)));
	/* A refusal can be mended; what is accepted stays. */
	vrig_set_common(r, VRIG_DRIVER_FEATURE_SELECT, 4, 1);
	vrig_set_common(r, VRIG_DRIVER_FEATURE, 4, v1 >> 32);
	vrig_set_status(r, vrig_status(r) | VIRTIO_STATUS_FEATURES_OK);
	g_assert_cmphex(vrig_status(r) & VIRTIO_STATUS_FEATURES_OK, !=, 0);
	vrig_set_common(r, VRIG_DRIVER_FEATURE, 4, 0);
	g_assert_cmphex(vrig_common(r, VRIG_DRIVER_FEATURE, 4), ==, v1 >> 32);
	vrig_set_common(r, VRIG_DRIVER_FEATURE_SELECT, 4, 7);
	vrig_set_common(r, VRIG_DRIVER_FEATURE, 4, 0xffffffff);
	g_assert_cmphex(vrig_common(r, VRIG_DRIVER_FEATURE, 4), ==, 0);
}

static void test_status(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	vrig_set_status(r, VIRTIO_STATUS_ACKNOWLEDGE);
	vrig_set_status(r, VIRTIO_STATUS_DRIVER);
	g_assert_cmphex(vrig_status(r), ==, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	vrig_set_status(r, VIRTIO_STATUS_NEEDS_RESET | VIRTIO_STATUS_FAILED | 0x30);
	g_assert_cmphex(vrig_status(r), ==,
		VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FAILED);
	vrig_set_status(r, 0);
	g_assert_cmphex(vrig_status(r), ==, 0);
	vrig_start(r, 0, 1, 4);
	g_assert_cmphex(vrig_status(r), ==, 0xf);
	g_assert_cmpuint(f->echo->starts, ==, 1);
	vrig_set_common(r, VRIG_QUEUE_SELECT, 2, 0);
	g_assert_cmpuint(vrig_common(r, VRIG_QUEUE_SIZE, 2), ==, 4);
	vrig_set_status(r, 0);
	vrig_wait(r, status_is_0, r);
	g_assert_cmpuint(vrig_common(r, VRIG_QUEUE_SIZE, 2), ==, QUEUE_SIZE);
	g_assert_cmpuint(vrig_common(r, VRIG_QUEUE_ENABLE, 2), ==, 0);
	g_assert_cmphex(vrig_common(r, VRIG_CONFIG_VECTOR, 2), ==, VIRTIO_NO_VECTOR);
	g_assert_cmpuint(f->echo->resets, ==, 4); /* cold, and three by the driver */
	g_assert_cmpuint(r->dev->guest_errors, ==, 0);
}

static void test_driver_ok_too_early(struct fixture *f, const void *data)
{
	vrig_set_status(&f->rig,
		VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_DRIVER_OK);
	check_broken(f);
	g_assert_cmpuint(f->echo->starts, ==, 0);
	vrig_start(&f->rig, 0, 1, 4);
	echo_once(&f->rig, 0);
}

static void test_start_fails(struct fixture *f, const void *data)
{
	f->echo->start_error = -EIO;
	vrig_start(&f->rig, 0, 1, 4);
	check_broken(f);
	f->echo->start_error = 0;
	vrig_start(&f->rig, 0, 1, 4);
	echo_once(&f->rig, 0);
}

/* A ring that is not in RAM: found at DRIVER_OK, told by status and a configuration interrupt. */
static void test_bad_ring(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;
	static const struct {
		unsigned reg, size;
		uint64_t value;
	} bad[] = {
		{VRIG_QUEUE_DESC, 8, UINT64_C(0xfe000000)},
		{VRIG_QUEUE_DRIVER, 8, UINT64_MAX},
		{VRIG_QUEUE_DEVICE, 8, VRIG_RAM - 4},
		{VRIG_QUEUE_SIZE, 2, 3},
		{VRIG_QUEUE_SIZE, 2, 0},
		{VRIG_QUEUE_SIZE, 2, 2 * QUEUE_SIZE},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		g_assert_true(vrig_negotiate(r, VIRTIO_BIT(VIRTIO_F_VERSION_1)));
		vrig_msix(r);
		vrig_set_common(r, VRIG_QUEUE_SELECT, 2, 0);
		vrig_set_common(r, bad[i].reg, bad[i].size, bad[i].value);
		vrig_set_common(r, VRIG_QUEUE_ENABLE, 2, 1);
		vrig_msis(r, -1);
		vrig_driver_ok(r);
		vrig_settle(r);
		g_assert_cmphex(vrig_status(r), ==, 0xf | VIRTIO_STATUS_NEEDS_RESET);
		g_assert_cmpuint(vrig_msis(r, 0), ==, 1);
		g_assert_cmpuint(r->dev->guest_errors, ==, i + 1);
	}
	g_assert_cmpuint(f->echo->starts, ==, 0);
}

static void test_queue_registers(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	g_assert_true(vrig_negotiate(r, VIRTIO_BIT(VIRTIO_F_VERSION_1)));
	vrig_queue(r, 0, 8);
	vrig_set_common(r, VRIG_QUEUE_SIZE, 2, 4);
	vrig_set_common(r, VRIG_QUEUE_DESC, 4, 0);
	vrig_set_common(r, VRIG_QUEUE_ENABLE, 2, 0);
	g_assert_cmpuint(vrig_common(r, VRIG_QUEUE_SIZE, 2), ==, 8);
	g_assert_cmphex(vrig_common(r, VRIG_QUEUE_DESC, 4), ==, VRIG_RING(0));
	g_assert_cmpuint(vrig_common(r, VRIG_QUEUE_ENABLE, 2), ==, 1);
	vrig_driver_ok(r);
	vrig_settle(r);
	echo_once(r, 0);
	vrig_set_common(r, VRIG_QUEUE_SELECT, 2, 1);
	vrig_set_common(r, VRIG_QUEUE_ENABLE, 2, 1);
	check_broken(f);
}

/* ---- configuration space of the device ---- */

static void test_config(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;
	static const uint8_t change[2] = {0x55, 0x66};
	uint8_t generation;

	g_assert_cmphex(vrig_read(r, r->config, 4), ==, 0x03020100);
	g_assert_cmphex(vrig_read(r, r->config + 6, 2), ==, 0x0706);
	g_assert_cmphex(vrig_read(r, r->config + 13, 1), ==, 13);
	g_assert_cmphex(vrig_read(r, r->config + 12, 4), ==, 0x0d0c); /* what lies behind reads 0 */
	g_assert_cmphex(vrig_read(r, r->config + 14, 1), ==, 0);
	g_assert_cmphex(vrig_read(r, r->config + 0xffc, 4), ==, 0);
	vrig_write(r, r->config, 4, 0xffffffff);
	g_assert_cmphex(vrig_read(r, r->config, 4), ==, 0x03020100);
	vrig_write(r, r->config + 8, 4, 0xa1b2c3d4);
	g_assert_cmphex(vrig_read(r, r->config + 8, 4), ==, 0xa1b2c3d4);
	vrig_write(r, r->config + 12, 4, 0xffffffff); /* beyond the end: refused whole */
	g_assert_cmphex(vrig_read(r, r->config + 12, 2), ==, 0x0d0c);

	generation = (uint8_t)vrig_common(r, VRIG_GENERATION, 1);
	vdev_config_update(&f->echo->vp.vdev, 2, change, 2);
	g_assert_cmphex(vrig_read(r, r->config, 4), ==, 0x66550100);
	g_assert_cmpuint(vrig_common(r, VRIG_GENERATION, 1), ==, (uint8_t)(generation + 1));
	vrig_start(r, 0, 1, 4);
	g_assert_cmpuint(vrig_msis(r, 0), ==, 0);
	vdev_config_update(&f->echo->vp.vdev, 2, change, 2); /* no news */
	g_assert_cmpuint(vrig_msis(r, 0), ==, 0);
	vdev_config_update(&f->echo->vp.vdev, 4, change, 2);
	g_assert_cmpuint(vrig_msis(r, 0), ==, 1);
	g_assert_cmpuint(vrig_common(r, VRIG_GENERATION, 1), ==, (uint8_t)(generation + 2));
	/* Without MSI-X the ISR says that it was the configuration. */
	vrig_cfg_write(r, r->vp->pci.msix_cap + 2, 2, 0);
	vdev_config_update(&f->echo->vp.vdev, 2, change + 1, 1);
	g_assert_cmphex(r->intx, !=, 0);
	g_assert_cmphex(vrig_read(r, r->isr, 1), ==, 2);
	g_assert_cmphex(r->intx, ==, 0);
	g_assert_cmphex(vrig_read(r, r->isr, 1), ==, 0);
}

/* Section 4.1.4.9: the same registers through configuration space. */
static void test_window(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;
	unsigned cap = r->vp->cfg_cap;
	uint32_t status = (uint32_t)(r->common - VRIG_BAR4) + VRIG_STATUS;
	uint32_t config = (uint32_t)(r->config - VRIG_BAR4);

	g_assert_cmphex(vrig_cfg_read(r, cap + 3, 1), ==, 5);
	vrig_cfg_write(r, cap + 4, 1, 4);
	vrig_cfg_write(r, cap + 8, 4, status);
	vrig_cfg_write(r, cap + 12, 4, 1);
	vrig_cfg_write(r, cap + 16, 4, VIRTIO_STATUS_ACKNOWLEDGE);
	g_assert_cmphex(vrig_status(r), ==, VIRTIO_STATUS_ACKNOWLEDGE);
	g_assert_cmphex(vrig_cfg_read(r, cap + 16, 4), ==, VIRTIO_STATUS_ACKNOWLEDGE);
	vrig_cfg_write(r, cap + 8, 4, config);
	vrig_cfg_write(r, cap + 12, 4, 4);
	g_assert_cmphex(vrig_cfg_read(r, cap + 16, 4), ==, 0x03020100);
	/* A window that is set to nonsense reads what was written last, and reaches nothing. */
	static const struct {
		uint32_t bar, offset, length;
	} bad[] = {{1, 0, 4}, {0, 0, 4}, {4, 0x4000, 4}, {4, 0xfffffffc, 4}, {4, 2, 4}, {4, 0, 3},
		{4, 0, 8}, {4, 0, 0}};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		vrig_cfg_write(r, cap + 4, 1, bad[i].bar);
		vrig_cfg_write(r, cap + 8, 4, bad[i].offset);
		vrig_cfg_write(r, cap + 12, 4, bad[i].length);
		vrig_cfg_write(r, cap + 16, 4, 0);
		g_assert_cmphex(vrig_cfg_read(r, cap + 16, 4), ==, 0);
		g_assert_cmphex(vrig_status(r), ==, VIRTIO_STATUS_ACKNOWLEDGE);
	}
	/* A doorbell and the ISR work here too. */
	vrig_start(r, 0, 1, 4);
	vrig_cfg_write(r, r->vp->pci.msix_cap + 2, 2, 0);
	add_echo(r, 0, DATA, 8, 0);
	guest_vq_publish(&r->vq[0]);
	vrig_cfg_write(r, cap + 4, 1, 4);
	vrig_cfg_write(r, cap + 8, 4, (uint32_t)(r->notify - VRIG_BAR4));
	vrig_cfg_write(r, cap + 12, 4, 2);
	vrig_cfg_write(r, cap + 16, 4, 0);
	vrig_wait_used(r, 0, NULL);
	vrig_settle(r);
	g_assert_cmphex(r->intx, !=, 0);
	vrig_cfg_write(r, cap + 8, 4, (uint32_t)(r->isr - VRIG_BAR4));
	vrig_cfg_write(r, cap + 12, 4, 1);
	g_assert_cmphex(vrig_cfg_read(r, cap + 16, 4) & 0xff, ==, 1);
	g_assert_cmphex(r->intx, ==, 0);
}

/* ---- requests, by every kind of ring and interrupt ---- */

struct way {
	bool packed, event_idx, indirect, msix, ioeventfd;
};

static void run_way(struct fixture *f, const struct way *w)
{
	struct vrig *r = &f->rig;
	uint64_t features = (w->packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0) |
			    (w->event_idx ? VIRTIO_BIT(VIRTIO_F_EVENT_IDX) : 0) |
			    (w->indirect ? VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC) : 0) |
			    VIRTIO_BIT(VIRTIO_F_VERSION_1);

	g_assert_true(vrig_negotiate(r, features));
	if (w->msix)
		vrig_msix(r);
	else
		vrig_cfg_write(r, r->vp->pci.msix_cap + 2, 2, 0);
	vrig_queue(r, 0, 8);
	vrig_queue(r, 1, 16);
	vrig_driver_ok(r);
	vrig_settle(r);
	vrig_msis(r, -1);
	for (unsigned round = 0; round < 40; round++) {
		unsigned q = round % 2, n = 1 + round % 3;

		g_assert_false(guest_vq_enable_interrupts(&r->vq[q]));
		for (unsigned i = 0; i < n; i++)
			g_assert_cmpint(add_echo(r, q, DATA + i * 512, 16 + i,
						w->indirect ? 0xa00000 + i * 64 : 0),
				>=, 0);
		vrig_publish(r, q);
		for (unsigned i = 0; i < n; i++) {
			vrig_wait_used(r, q, NULL);
			check_echo(r, DATA + i * 512, 16 + i);
		}
		/* One interrupt for the batch, through the right vector. */
		if (w->msix) {
			g_assert_cmpuint(vrig_msis(r, (int)q + 1), ==, 1);
		} else {
			g_assert_cmphex(r->intx, !=, 0);
			g_assert_cmphex(vrig_read(r, r->isr, 1), ==, 1);
			g_assert_cmphex(r->intx, ==, 0);
		}
	}
	/* And none that was not asked for. */
	guest_vq_disable_interrupts(&r->vq[0]);
	add_echo(r, 0, DATA, 16, 0);
	vrig_publish(r, 0);
	vrig_wait_used(r, 0, NULL);
	vrig_settle(r);
	g_assert_cmpuint(vrig_msis(r, -1), ==, 0);
	g_assert_cmphex(r->intx, ==, 0);
	g_assert_cmpuint(r->dev->guest_errors, ==, 0);
}

static void test_requests(void)
{
	for (unsigned i = 0; i < 32; i++) {
		struct way w = {i & 1, i & 2, i & 4, i & 8, i & 16};
		struct fixture f = {0};

		vrig_init(&f.rig);
		f.rig.accel->no_ioeventfd = !w.ioeventfd;
		f.echo = to_echo(vrig_new(&f.rig, &echo_dev_ops));
		vrig_plug(&f.rig);
		run_way(&f, &w);
		vrig_done(&f.rig);
	}
}

/* An indirect descriptor without negotiation breaks the device: the feature bit is real. */
static void test_indirect_unnegotiated(struct fixture *f, const void *data)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		vrig_start(&f->rig, packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0, 1, 4);
		add_echo(&f->rig, 0, DATA, 16, 0xa00000);
		vrig_publish(&f->rig, 0);
		vrig_settle(&f->rig);
		g_assert_cmphex(vrig_status(&f->rig) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
		g_assert_cmpuint(f->rig.dev->guest_errors, ==, packed + 1);
	}
}

/* A vector that does not exist reads back as none; a masked one waits. */
static void test_vectors(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	vrig_start(r, 0, 1, 4);
	vrig_set_common(r, VRIG_CONFIG_VECTOR, 2, 3);
	g_assert_cmphex(vrig_common(r, VRIG_CONFIG_VECTOR, 2), ==, VIRTIO_NO_VECTOR);
	vrig_set_common(r, VRIG_CONFIG_VECTOR, 2, 2);
	g_assert_cmphex(vrig_common(r, VRIG_CONFIG_VECTOR, 2), ==, 2);
	vrig_set_common(r, VRIG_QUEUE_SELECT, 2, 0);
	vrig_set_common(r, VRIG_QUEUE_VECTOR, 2, 0x1000);
	g_assert_cmphex(vrig_common(r, VRIG_QUEUE_VECTOR, 2), ==, VIRTIO_NO_VECTOR);
	vrig_msis(r, -1);
	echo_once(r, 0);
	vrig_settle(r);
	g_assert_cmpuint(vrig_msis(r, -1), ==, 0);
	g_assert_cmphex(r->intx, ==, 0);
	vrig_set_common(r, VRIG_QUEUE_VECTOR, 2, 2);
	vrig_write(r, VRIG_BAR1 + 2 * 16 + 12, 4, 1);
	echo_once(r, 0);
	vrig_settle(r);
	g_assert_cmpuint(vrig_msis(r, -1), ==, 0);
	vrig_write(r, VRIG_BAR1 + 2 * 16 + 12, 4, 0);
	g_assert_cmpuint(vrig_msis(r, 2), ==, 1);
}

/* Doorbells before DRIVER_OK are not lost: what is available at start is found. */
static void test_kick_before_start(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	g_assert_true(vrig_negotiate(r, VIRTIO_BIT(VIRTIO_F_VERSION_1)));
	vrig_queue(r, 0, 4);
	add_echo(r, 0, DATA, 16, 0);
	vrig_publish(r, 0);
	vrig_settle(r);
	g_assert_cmpuint(f->echo->handled, ==, 0);
	vrig_driver_ok(r);
	vrig_wait_used(r, 0, NULL);
	check_echo(r, DATA, 16);
}

static void refill(struct echo *e)
{
	struct vrig *r = e->opaque;
	uint32_t len;

	vq_notify(e->vp.vdev.queues[0].vq);
	if (guest_vq_take(&r->vq[0], &len) >= 0)
		add_echo(r, 0, DATA, 16, 0);
	guest_vq_publish(&r->vq[0]);
}

/* A driver that makes a buffer available for each one it gets back does not keep the loop: others have their turn. */
static void test_no_starvation(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	vrig_start(r, 0, 1, 8);
	f->echo->on_request = refill;
	f->echo->opaque = r;
	add_echo(r, 0, DATA, 16, 0);
	vrig_publish(r, 0);
	for (unsigned i = 1; i <= 10; i++) {
		loop_iterate(r->loop, 1000);
		/* A round by the doorbell, and one that it has posted. */
		g_assert_cmpuint(f->echo->handled, <=, 16 * i);
		g_assert_cmpuint(f->echo->handled, >, 4 * (i - 1));
	}
	f->echo->on_request = NULL;
}

/* A device that stops by itself hears no doorbell until it schedules itself. */
static void test_stop_early(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	f->echo->stop_early = true;
	vrig_start(r, 0, 1, 8);
	g_assert_cmpuint(f->echo->kicks, ==, 1);
	add_echo(r, 0, DATA, 16, 0);
	g_assert_false(guest_vq_publish(&r->vq[0]));
	vrig_settle(r);
	g_assert_cmpuint(f->echo->handled, ==, 0);
	f->echo->stop_early = false;
	vqueue_schedule(&f->echo->vp.vdev.queues[0]);
	vrig_wait_used(r, 0, NULL);
	add_echo(r, 0, DATA, 16, 0);
	g_assert_true(guest_vq_publish(&r->vq[0]));
	vrig_kick(r, 0);
	vrig_wait_used(r, 0, NULL);
}

/* ---- reset ---- */

static void test_reset_in_flight(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;
	uint8_t byte;
	uint32_t len;

	f->echo->hold = true;
	vrig_start(r, 0, 1, 8);
	for (unsigned i = 0; i < 3; i++)
		add_echo(r, 0, DATA + i * 512, 16, 0);
	vrig_publish(r, 0);
	vrig_settle(r);
	g_assert_cmpuint(f->echo->n_held, ==, 3);
	vrig_set_status(r, 0);
	vrig_settle(r);
	/* Section 2.4.1: the reset is not over before the device has let go of the buffers. */
	g_assert_cmphex(vrig_status(r), !=, 0);
	release_one(f->echo);
	release_one(f->echo);
	vrig_settle(r);
	g_assert_cmphex(vrig_status(r), !=, 0);
	release_one(f->echo);
	vrig_settle(r);
	g_assert_cmphex(vrig_status(r), ==, 0);
	/* Not a byte came back after the reset had begun. */
	g_assert_cmpint(guest_vq_take(&r->vq[0], &len), ==, -1);
	guest_read(r->gmem, DATA + 256, &byte, 1);
	g_assert_cmphex(byte, ==, 0xcc);
	g_assert_cmpuint(vrig_msis(r, -1), ==, 0);
	f->echo->hold = false;
	vrig_start(r, 0, 1, 8);
	echo_once(r, 0);
}

/* A driver that does not wait for the end of the reset: it starts when the old requests are gone. */
static void test_reset_without_waiting(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	f->echo->hold = true;
	vrig_start(r, 0, 1, 8);
	add_echo(r, 0, DATA, 16, 0);
	vrig_publish(r, 0);
	vrig_settle(r);
	vrig_set_status(r, 0);
	vrig_set_status(r, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	vrig_set_common(r, VRIG_DRIVER_FEATURE_SELECT, 4, 1);
	vrig_set_common(r, VRIG_DRIVER_FEATURE, 4, 1);
	vrig_set_status(r, 0xb);
	g_assert_cmphex(vrig_status(r), ==, 0xb);
	vrig_queue(r, 0, 8);
	f->echo->hold = false;
	add_echo(r, 0, DATA + 512, 16, 0);
	vrig_publish(r, 0);
	vrig_driver_ok(r);
	vrig_kick(r, 0);
	vrig_settle(r);
	g_assert_cmpuint(f->echo->starts, ==, 1);
	g_assert_cmpuint(f->echo->handled, ==, 1);
	release_one(f->echo);
	vrig_wait_used(r, 0, NULL);
	check_echo(r, DATA + 512, 16);
	g_assert_cmpuint(f->echo->starts, ==, 2);
	g_assert_cmphex(vrig_status(r), ==, 0xf);
}

static void test_system_reset(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	vrig_start(r, 0, 2, 8);
	echo_once(r, 0);
	vrig_system_reset(r);
	g_assert_cmphex(vrig_status(r), ==, 0);
	g_assert_cmpuint(vrig_cfg_read(r, r->vp->pci.msix_cap + 2, 2) & 0x8000, ==, 0);
	vrig_start(r, VIRTIO_BIT(VIRTIO_F_RING_PACKED), 2, 8);
	echo_once(r, 1);
	/* With parked requests in it, too. */
	f->echo->hold = f->echo->park = true;
	add_echo(r, 0, DATA, 16, 0);
	vrig_publish(r, 0);
	vrig_settle(r);
	vrig_system_reset(r);
	g_assert_cmphex(vrig_status(r), !=, 0);
	release_one(f->echo);
	vrig_settle(r);
	g_assert_cmphex(vrig_status(r), ==, 0);
	f->echo->hold = f->echo->park = false;
	vrig_start(r, 0, 2, 8);
	echo_once(r, 0);
}

/* ---- broken ---- */

static void test_broken(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;
	uint32_t len;

	vrig_start(r, 0, 2, 4);
	vrig_msis(r, -1);
	guest_write16(r->gmem, r->vq[0].driver + 2, 100);
	vrig_kick(r, 0);
	check_broken(f);
	g_assert_cmpuint(vrig_msis(r, 0), ==, 1);
	/* All queues are dead, and once is enough. */
	add_echo(r, 1, DATA, 16, 0);
	vrig_publish(r, 1);
	vrig_kick(r, 1);
	vrig_settle(r);
	g_assert_cmpint(guest_vq_take(&r->vq[1], &len), ==, -1);
	g_assert_cmpuint(f->echo->handled, ==, 0);
	vdev_fail(&f->echo->vp.vdev, "again");
	check_broken(f);
	g_assert_cmpuint(vrig_msis(r, -1), ==, 0);
	/* It can be quiesced and resumed, and stays broken, until reset. */
	vrig_quiesce(r);
	vrig_resume(r);
	check_broken(f);
	vrig_start(r, 0, 2, 4);
	g_assert_cmphex(vrig_status(r), ==, 0xf);
	echo_once(r, 1);
}

/* ---- bus mastering ---- */

static void test_bus_master(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;
	uint32_t len;

	/* Nothing starts without. */
	vrig_cfg_write(r, PCI_COMMAND, 2, PCI_CMD_MEM);
	g_assert_true(vrig_negotiate(r, VIRTIO_BIT(VIRTIO_F_VERSION_1)));
	vrig_queue(r, 0, 8);
	add_echo(r, 0, DATA, 16, 0);
	vrig_publish(r, 0);
	vrig_driver_ok(r);
	vrig_settle(r);
	g_assert_cmpint(guest_vq_take(&r->vq[0], &len), ==, -1);
	vrig_cfg_write(r, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
	vrig_wait_used(r, 0, NULL);
	/* Taken away, nothing is written any more. */
	f->echo->hold = true;
	add_echo(r, 0, DATA, 16, 0);
	vrig_publish(r, 0);
	vrig_settle(r);
	vrig_cfg_write(r, PCI_COMMAND, 2, PCI_CMD_MEM);
	release_one(f->echo);
	vrig_settle(r);
	g_assert_cmpint(guest_vq_take(&r->vq[0], &len), ==, -1);
	vrig_cfg_write(r, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
	vrig_kick(r, 0);
	vrig_settle(r);
	g_assert_cmpint(guest_vq_take(&r->vq[0], &len), ==, -1);
	f->echo->hold = false;
	vrig_start(r, 0, 1, 8);
	echo_once(r, 0);
	g_assert_cmpuint(r->dev->guest_errors, ==, 0);
}

/* ---- quiesce, resume, save, load ---- */

static void test_quiesce(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	for (unsigned packed = 0; packed < 2; packed++) {
		vrig_start(r, packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0, 2, 8);
		f->echo->starts = f->echo->resumes = 0;
		for (unsigned i = 0; i < 20; i++) {
			unsigned before = (unsigned)f->echo->handled;

			echo_once(r, i % 2);
			vrig_quiesce(r);
			/* Rung meanwhile: nothing happens until resume. */
			add_echo(r, 0, DATA + 512, 16, 0);
			vrig_publish(r, 0);
			vrig_kick(r, 0);
			vrig_settle(r);
			g_assert_cmpuint(f->echo->handled, ==, before + 1);
			vrig_resume(r);
			vrig_wait_used(r, 0, NULL);
			check_echo(r, DATA + 512, 16);
		}
		g_assert_cmpuint(f->echo->resumes, ==, 20);
		g_assert_cmpuint(f->echo->starts, ==, 0);
	}
}

/* What cannot finish stays in the device and is answered after it goes on. */
static void test_parked(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	for (unsigned packed = 0; packed < 2; packed++) {
		f->echo->hold = f->echo->park = true;
		vrig_start(r, packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0, 1, 8);
		for (unsigned i = 0; i < 3; i++)
			add_echo(r, 0, DATA + i * 512, 16, 0);
		vrig_publish(r, 0);
		vrig_settle(r);
		vrig_quiesce(r);
		g_assert_cmpuint(f->echo->n_held, ==, 3);
		vrig_resume(r);
		f->echo->hold = false;
		for (unsigned i = 0; i < 3; i++) {
			release_one(f->echo);
			vrig_wait_used(r, 0, NULL);
			check_echo(r, DATA + i * 512, 16);
		}
		echo_once(r, 0);
	}
}

static GByteArray *save(struct vrig *r)
{
	GByteArray *state = g_byte_array_new();

	vrig_quiesce(r);
	bus_save(r->bus, state);
	return state;
}

/* The machine goes on elsewhere: memory is copied, state is loaded into a fresh device. */
static void test_save_load(void)
{
	for (unsigned i = 0; i < 4; i++) {
		uint64_t features = (i & 1 ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0) |
				    (i & 2 ? VIRTIO_BIT(VIRTIO_F_EVENT_IDX) : 0);
		struct fixture a = {0}, b = {0};
		g_autoptr(GByteArray) state = NULL, again = NULL;
		g_autoptr(GError) error = NULL;

		setup(&a, NULL);
		setup(&b, NULL);
		vrig_start(&a.rig, features, 2, 8);
		for (unsigned k = 0; k < 11; k++)
			echo_once(&a.rig, k % 2);
		state = save(&a.rig);
		vrig_quiesce(&b.rig);
		gmem_block_load(b.rig.ram, 0, gmem_block_hva(a.rig.ram), VRIG_RAM);
		g_assert_true(bus_load(b.rig.bus, state->data, state->len, &error));
		g_assert_no_error(error);
		again = g_byte_array_new();
		bus_save(b.rig.bus, again);
		g_assert_cmpmem(state->data, state->len, again->data, again->len);
		memcpy(b.rig.vq, a.rig.vq, sizeof(b.rig.vq));
		for (unsigned k = 0; k < VRIG_QUEUES; k++)
			b.rig.vq[k].gmem = b.rig.gmem;
		vrig_resume(&b.rig);
		g_assert_cmphex(vrig_status(&b.rig), ==, 0xf);
		g_assert_cmpuint(b.echo->starts, ==, 0);
		g_assert_cmpuint(b.echo->resumes, ==, 1);
		vrig_msis(&b.rig, -1);
		guest_vq_enable_interrupts(&b.rig.vq[0]);
		for (unsigned k = 0; k < 20; k++)
			echo_once(&b.rig, k % 2);
		g_assert_cmpuint(vrig_msis(&b.rig, 1), >, 0);
		vrig_resume(&a.rig);
		teardown(&a, NULL);
		teardown(&b, NULL);
	}
}

/* State is untrusted: whatever byte of it is changed, loading fails cleanly or the device can be driven and reset. */
static void test_load_mutated(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;
	g_autoptr(GByteArray) state = NULL;
	unsigned refused = 0;

	vrig_start(r, VIRTIO_BIT(VIRTIO_F_RING_PACKED), 2, 8);
	echo_once(r, 0);
	state = save(r);
	for (unsigned i = 0; i < state->len; i += i < 6000 ? 1 : 97) {
		uint8_t old = state->data[i];

		state->data[i] ^= (uint8_t)(1 + i % 255);
		if (!bus_load(r->bus, state->data, state->len, NULL))
			refused++;
		vrig_resume(r);
		vrig_kick(r, 0);
		vrig_settle(r);
		vrig_system_reset(r);
		vrig_quiesce(r);
		state->data[i] = old;
	}
	g_assert_cmpuint(refused, >, 100);
	g_assert_true(bus_load(r->bus, state->data, state->len, NULL));
	vrig_resume(r);
	echo_once(r, 0);
}

/* A broken device is saved and loaded broken. */
static void test_save_broken(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;
	g_autoptr(GByteArray) state = NULL;

	vrig_start(r, 0, 1, 8);
	vdev_fail(&f->echo->vp.vdev, "test");
	vrig_settle(r);
	state = save(r);
	bus_reset(r->bus, RESET_COLD);
	vrig_settle(r);
	g_assert_true(bus_load(r->bus, state->data, state->len, NULL));
	vrig_resume(r);
	g_assert_cmphex(vrig_status(r), ==, 0xf | VIRTIO_STATUS_NEEDS_RESET);
	vrig_start(r, 0, 1, 8);
	echo_once(r, 0);
}

/* ---- queues on a thread of their own ---- */

static void test_thread(void)
{
	g_autoptr(GError) error = NULL;
	struct fixture f = {0};
	struct vrig *r = &f.rig;
	struct loop *io = loop_new("io", &error);

	g_assert_no_error(error);
	vrig_init(r);
	f.echo = to_echo(vrig_new(r, &echo_dev_ops));
	f.echo->vp.loop = io;
	vrig_plug(r);
	g_assert_true(loop_thread_start(io, &error));
	for (unsigned round = 0; round < 8; round++) {
		vrig_start(r,
			round % 2
				? VIRTIO_BIT(VIRTIO_F_RING_PACKED) | VIRTIO_BIT(VIRTIO_F_EVENT_IDX)
				: 0,
			2, 8);
		for (unsigned i = 0; i < 200; i++)
			echo_once(r, i % 2);
		add_echo(r, 0, DATA, 16, 0);
		vrig_publish(r, 0);
		switch (round % 4) {
		case 0: vrig_set_status(r, 0); break;
		case 1:
			vrig_quiesce(r);
			vrig_resume(r);
			vrig_wait_used(r, 0, NULL);
			break;
		case 2: vrig_system_reset(r); break;
		case 3: vdev_fail(&f.echo->vp.vdev, "test"); break;
		}
	}
	vrig_unplug(r);
	loop_thread_join(io);
	loop_free(io);
	vrig_done(r);
}

#define ADD(name, fn) g_test_add("/virtio/" name, struct fixture, NULL, setup, fn, teardown)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("identity", test_identity);
	ADD("common", test_common);
	ADD("features", test_features);
	ADD("status", test_status);
	ADD("driver-ok-too-early", test_driver_ok_too_early);
	ADD("start-fails", test_start_fails);
	ADD("bad-ring", test_bad_ring);
	ADD("queue-registers", test_queue_registers);
	ADD("config", test_config);
	ADD("window", test_window);
	g_test_add_func("/virtio/requests", test_requests);
	ADD("indirect-unnegotiated", test_indirect_unnegotiated);
	ADD("vectors", test_vectors);
	ADD("kick-before-start", test_kick_before_start);
	ADD("no-starvation", test_no_starvation);
	ADD("stop-early", test_stop_early);
	ADD("reset-in-flight", test_reset_in_flight);
	ADD("reset-without-waiting", test_reset_without_waiting);
	ADD("system-reset", test_system_reset);
	ADD("broken", test_broken);
	ADD("bus-master", test_bus_master);
	ADD("quiesce", test_quiesce);
	ADD("parked", test_parked);
	g_test_add_func("/virtio/save-load", test_save_load);
	ADD("load-mutated", test_load_mutated);
	ADD("save-broken", test_save_broken);
	g_test_add_func("/virtio/thread", test_thread);
	return g_test_run();
}
