/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/virtio-rig.h"

#include <string.h>

#include "base/qs.h"

#define DEADLINE (10 * NSEC_PER_SEC)

static void router_set(struct irq_sink *s, unsigned n, bool level)
{
	struct vrig *r = container_of(s, struct vrig, router);

	r->intx = (r->intx & ~(1u << n)) | (unsigned)level << n;
}

void vrig_init(struct vrig *r)
{
	struct gmem_block_conf conf = {.name = "ram", .size = VRIG_RAM};
	g_autoptr(GError) error = NULL;

	memset(r, 0, sizeof(*r));
	qs_thread_init();
	r->accel = fake_accel_new();
	r->gmem = gmem_new();
	r->clocks = clocks_new_stepped(0);
	r->loop = loop_new("main", &error);
	g_assert_no_error(error);
	r->bus = bus_new(&r->accel->accel, r->gmem, r->clocks, r->loop);
	r->router.set = router_set;
	r->pci = pci_bus_new(r->bus, &r->router);
	r->ram = gmem_block_new(&conf, &error);
	g_assert_no_error(error);
	region_init_mem(&r->ram_region, "ram", r->ram, 0, VRIG_RAM, false);
	bus_lock(r->bus);
	g_assert_cmpint(region_map(r->bus, &r->ram_region, 0, REGION_PRIO_BACKGROUND), ==, 0);
	bus_unlock(r->bus);
	g_assert_cmpint(bus_commit(r->bus), ==, 0);
}

struct dev *vrig_new(struct vrig *r, const struct dev_ops *ops)
{
	r->dev = dev_new(r->bus, ops, "dev");
	r->vp = container_of(r->dev, struct virtio_pci, pci.dev);
	r->vp->pci.bus = r->pci;
	return r->dev;
}

/* ---- registers ---- */

uint64_t vrig_read(struct vrig *r, uint64_t addr, unsigned size)
{
	uint64_t v;

	qs_enter();
	v = bus_read(r->bus, BUS_MMIO, addr, size);
	qs_leave();
	return v;
}

void vrig_write(struct vrig *r, uint64_t addr, unsigned size, uint64_t value)
{
	qs_enter();
	bus_write(r->bus, BUS_MMIO, addr, size, value);
	qs_leave();
}

uint32_t vrig_cfg_read(struct vrig *r, unsigned off, unsigned size)
{
	uint32_t v;

	qs_enter();
	v = pci_config_read(r->pci, r->vp->pci.devfn, off, size);
	qs_leave();
	return v;
}

void vrig_cfg_write(struct vrig *r, unsigned off, unsigned size, uint32_t value)
{
	qs_enter();
	pci_config_write(r->pci, r->vp->pci.devfn, off, size, value);
	qs_leave();
}

uint64_t vrig_common(struct vrig *r, unsigned reg, unsigned size)
{
	return vrig_read(r, r->common + reg, size);
}

void vrig_set_common(struct vrig *r, unsigned reg, unsigned size, uint64_t value)
{
	vrig_write(r, r->common + reg, size, value);
}

uint8_t vrig_status(struct vrig *r)
{
	return (uint8_t)vrig_common(r, VRIG_STATUS, 1);
}

void vrig_set_status(struct vrig *r, uint8_t status)
{
	vrig_set_common(r, VRIG_STATUS, 1, status);
}

/* ---- plug and unplug ---- */

/* Section 4.1.4: the first capability of each type counts. */
static void find_structures(struct vrig *r)
{
	uint64_t *const where[] = {
		[1] = &r->common, [2] = &r->notify, [3] = &r->isr, [4] = &r->config};

	for (unsigned cap = vrig_cfg_read(r, PCI_CAP_PTR, 1); cap;
		cap = vrig_cfg_read(r, cap + 1, 1)) {
		unsigned type = vrig_cfg_read(r, cap + 3, 1);

		if (vrig_cfg_read(r, cap, 1) != PCI_CAP_VENDOR || type < 1 || type > 4)
			continue;
		g_assert_cmpuint(vrig_cfg_read(r, cap + 4, 1), ==, 4);
		*where[type] = VRIG_BAR4 + vrig_cfg_read(r, cap + 8, 4);
		if (type == 2)
			r->notify_step = vrig_cfg_read(r, cap + 16, 4);
	}
	g_assert_true(r->common && r->notify && r->isr && r->config);
}

static void enable(struct vrig *r)
{
	vrig_cfg_write(r, PCI_BAR0 + 4 * 1, 4, VRIG_BAR1);
	vrig_cfg_write(r, PCI_BAR0 + 4 * 4, 4, VRIG_BAR4);
	vrig_cfg_write(r, PCI_BAR0 + 4 * 5, 4, 0);
	vrig_cfg_write(r, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
}

void vrig_plug(struct vrig *r)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(dev_realize(r->dev, &error));
	g_assert_no_error(error);
	bus_reset(r->bus, RESET_COLD);
	enable(r);
	find_structures(r);
}

void vrig_unplug(struct vrig *r)
{
	if (!r->dev)
		return;
	vrig_quiesce(r);
	dev_free(r->dev);
	r->dev = NULL;
}

void vrig_done(struct vrig *r)
{
	vrig_unplug(r);
	bus_free(r->bus);
	pci_bus_free(r->pci);
	fake_accel_free(r->accel);
	clocks_free(r->clocks);
	loop_free(r->loop);
	gmem_free(r->gmem);
	qs_flush();
	gmem_block_unref(r->ram);
	qs_thread_done();
}

/* ---- driver ---- */

uint64_t vrig_features(struct vrig *r)
{
	uint64_t f;

	vrig_set_common(r, VRIG_DEVICE_FEATURE_SELECT, 4, 0);
	f = vrig_common(r, VRIG_DEVICE_FEATURE, 4);
	vrig_set_common(r, VRIG_DEVICE_FEATURE_SELECT, 4, 1);
	return f | vrig_common(r, VRIG_DEVICE_FEATURE, 4) << 32;
}

static bool is_reset(void *opaque)
{
	return vrig_status(opaque) == 0;
}

bool vrig_negotiate(struct vrig *r, uint64_t features)
{
	vrig_set_status(r, 0);
	vrig_wait(r, is_reset, r);
	vrig_set_status(r, VIRTIO_STATUS_ACKNOWLEDGE);
	vrig_set_status(r, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	for (unsigned i = 0; i < 2; i++) {
		vrig_set_common(r, VRIG_DRIVER_FEATURE_SELECT, 4, i);
		vrig_set_common(r, VRIG_DRIVER_FEATURE, 4, features >> (32 * i) & 0xffffffff);
	}
	vrig_set_status(
		r, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
	return vrig_status(r) & VIRTIO_STATUS_FEATURES_OK;
}

void vrig_msix(struct vrig *r)
{
	unsigned cap = r->vp->pci.msix_cap;

	for (unsigned v = 0; v < r->vp->pci.nvectors; v++) {
		vrig_write(r, VRIG_BAR1 + v * 16, 4, 0xfee00000);
		vrig_write(r, VRIG_BAR1 + v * 16 + 4, 4, 0);
		vrig_write(r, VRIG_BAR1 + v * 16 + 8, 4, VRIG_MSIX_DATA + v);
		vrig_write(r, VRIG_BAR1 + v * 16 + 12, 4, 0);
	}
	vrig_cfg_write(r, cap + 2, 2, 0x8000);
	vrig_set_common(r, VRIG_CONFIG_VECTOR, 2, 0);
}

static uint64_t driver_features(struct vrig *r)
{
	uint64_t f = 0;

	for (unsigned i = 0; i < 2; i++) {
		vrig_set_common(r, VRIG_DRIVER_FEATURE_SELECT, 4, i);
		f |= vrig_common(r, VRIG_DRIVER_FEATURE, 4) << (32 * i);
	}
	return f;
}

static void set_address(struct vrig *r, unsigned reg, uint64_t gpa)
{
	vrig_set_common(r, reg, 4, gpa & 0xffffffff);
	vrig_set_common(r, reg + 4, 4, gpa >> 32);
}

struct guest_vq *vrig_queue(struct vrig *r, unsigned i, uint16_t size)
{
	uint64_t f = driver_features(r);
	struct guest_vq *q = &r->vq[i];

	g_assert_cmpuint(i, <, VRIG_QUEUES);
	guest_vq_init(q, r->gmem, VRIG_RING(i), size, f & VIRTIO_BIT(VIRTIO_F_RING_PACKED),
		f & VIRTIO_BIT(VIRTIO_F_EVENT_IDX));
	vrig_set_common(r, VRIG_QUEUE_SELECT, 2, i);
	g_assert_cmpuint(vrig_common(r, VRIG_QUEUE_SIZE, 2), >=, size);
	vrig_set_common(r, VRIG_QUEUE_SIZE, 2, size);
	if (pci_msix_enabled(&r->vp->pci))
		vrig_set_common(r, VRIG_QUEUE_VECTOR, 2, i + 1);
	set_address(r, VRIG_QUEUE_DESC, q->desc);
	set_address(r, VRIG_QUEUE_DRIVER, q->driver);
	set_address(r, VRIG_QUEUE_DEVICE, q->device);
	vrig_set_common(r, VRIG_QUEUE_ENABLE, 2, 1);
	g_assert_cmpuint(vrig_common(r, VRIG_QUEUE_ENABLE, 2), ==, 1);
	return q;
}

void vrig_driver_ok(struct vrig *r)
{
	vrig_set_status(r, vrig_status(r) | VIRTIO_STATUS_DRIVER_OK);
}

void vrig_start(struct vrig *r, uint64_t features, unsigned n, uint16_t size)
{
	g_assert_true(vrig_negotiate(r, features | VIRTIO_BIT(VIRTIO_F_VERSION_1)));
	vrig_msix(r);
	for (unsigned i = 0; i < n; i++)
		vrig_queue(r, i, size);
	vrig_driver_ok(r);
	vrig_settle(r);
}

void vrig_kick(struct vrig *r, unsigned queue)
{
	uint64_t addr;

	vrig_set_common(r, VRIG_QUEUE_SELECT, 2, queue);
	addr = r->notify + vrig_common(r, VRIG_QUEUE_NOTIFY, 2) * r->notify_step;
	if (!fake_accel_doorbell(r->accel, false, addr, 2, queue))
		vrig_write(r, addr, 2, queue);
}

void vrig_publish(struct vrig *r, unsigned i)
{
	if (guest_vq_publish(&r->vq[i]))
		vrig_kick(r, i);
}

/* ---- time ---- */

/* A message posts at most a few others in turn; a dozen idle rounds are more than any path is long. */
void vrig_settle(struct vrig *r)
{
	for (unsigned i = 0; i < 12; i++)
		loop_iterate(r->loop, 0);
	fake_accel_poll(r->accel);
}

void vrig_wait(struct vrig *r, bool (*done)(void *opaque), void *opaque)
{
	int64_t end = loop_now() + DEADLINE;

	while (!done(opaque)) {
		g_assert_cmpint(loop_now(), <, end);
		loop_iterate(r->loop, 1);
	}
	fake_accel_poll(r->accel);
}

struct used_wait {
	struct guest_vq *vq;
	uint32_t len;
	int id;
};

static bool used_came(void *opaque)
{
	struct used_wait *w = opaque;

	w->id = guest_vq_take(w->vq, &w->len);
	return w->id >= 0;
}

int vrig_wait_used(struct vrig *r, unsigned i, uint32_t *len)
{
	struct used_wait w = {.vq = &r->vq[i]};

	vrig_wait(r, used_came, &w);
	if (len)
		*len = w.len;
	return w.id;
}

unsigned vrig_msis(struct vrig *r, int vector)
{
	unsigned n = 0;

	fake_accel_poll(r->accel);
	for (unsigned end = fake_accel_msis(r->accel); r->msis_seen < end; r->msis_seen++) {
		struct accel_msi msi = fake_accel_msi(r->accel, r->msis_seen);

		n += vector < 0 || msi.data == VRIG_MSIX_DATA + (unsigned)vector;
	}
	return n;
}

/* ---- machine ---- */

struct quiesce {
	struct async_group group;
	bool done;
};

static void quiesced(struct async_group *g)
{
	container_of(g, struct quiesce, group)->done = true;
}

static bool is_quiesced(void *opaque)
{
	return ((struct quiesce *)opaque)->done;
}

void vrig_quiesce(struct vrig *r)
{
	struct quiesce q = {.done = false};

	async_begin(&q.group, r->loop, quiesced);
	bus_quiesce(r->bus, &q.group);
	async_end(&q.group);
	vrig_wait(r, is_quiesced, &q);
}

void vrig_resume(struct vrig *r)
{
	bus_resume(r->bus);
	vrig_settle(r);
}

void vrig_system_reset(struct vrig *r)
{
	vrig_quiesce(r);
	bus_reset(r->bus, RESET_WARM);
	vrig_resume(r);
	enable(r);
}
