/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device core and the PCI transport as registers: identity, common configuration, features, status, the window in
 * configuration space.
 */
#include "tests/unit/virtio/echo.h"

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
	return g_test_run();
}
