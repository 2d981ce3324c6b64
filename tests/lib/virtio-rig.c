/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/virtio-rig.h"

#include <string.h>

#include "base/qs.h"

#define DEADLINE (10 * NSEC_PER_SEC)

static void router_set(struct irq_sink *s, unsigned n, bool level)
{
	struct rig *r = container_of(s, struct rig, router);

	r->intx = (r->intx & ~(1u << n)) | (unsigned)level << n;
}

void rig_init(struct rig *r)
{
	struct gmem_block_conf conf = {.name = "ram", .size = RIG_RAM};
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
	region_init_mem(&r->ram_region, "ram", r->ram, 0, RIG_RAM, false);
	bus_lock(r->bus);
	g_assert_cmpint(region_map(r->bus, &r->ram_region, 0, REGION_PRIO_BACKGROUND), ==, 0);
	bus_unlock(r->bus);
	g_assert_cmpint(bus_commit(r->bus), ==, 0);
}

struct dev *rig_new(struct rig *r, const struct dev_ops *ops)
{
	r->dev = dev_new(r->bus, ops, "dev");
	r->vp = container_of(r->dev, struct virtio_pci, pci.dev);
	r->vp->pci.bus = r->pci;
	return r->dev;
}

/* ---- registers ---- */

uint64_t rig_read(struct rig *r, uint64_t addr, unsigned size)
{
	uint64_t v;

	qs_enter();
	v = bus_read(r->bus, BUS_MMIO, addr, size);
	qs_leave();
	return v;
}

void rig_write(struct rig *r, uint64_t addr, unsigned size, uint64_t value)
{
	qs_enter();
	bus_write(r->bus, BUS_MMIO, addr, size, value);
	qs_leave();
}

uint32_t rig_cfg_read(struct rig *r, unsigned off, unsigned size)
{
	uint32_t v;

	qs_enter();
	v = pci_config_read(r->pci, r->vp->pci.devfn, off, size);
	qs_leave();
	return v;
}

void rig_cfg_write(struct rig *r, unsigned off, unsigned size, uint32_t value)
{
	qs_enter();
	pci_config_write(r->pci, r->vp->pci.devfn, off, size, value);
	qs_leave();
}

uint64_t rig_common(struct rig *r, unsigned reg, unsigned size)
{
	return rig_read(r, r->common + reg, size);
}

void rig_set_common(struct rig *r, unsigned reg, unsigned size, uint64_t value)
{
	rig_write(r, r->common + reg, size, value);
}

uint8_t rig_status(struct rig *r)
{
	return (uint8_t)rig_common(r, RIG_STATUS, 1);
}

void rig_set_status(struct rig *r, uint8_t status)
{
	rig_set_common(r, RIG_STATUS, 1, status);
}

/* ---- plug and unplug ---- */

/* Section 4.1.4: the first capability of each type counts. */
static void find_structures(struct rig *r)
{
	uint64_t *const where[] = {
		[1] = &r->common, [2] = &r->notify, [3] = &r->isr, [4] = &r->config};

	for (unsigned cap = rig_cfg_read(r, PCI_CAP_PTR, 1); cap;
		cap = rig_cfg_read(r, cap + 1, 1)) {
		unsigned type = rig_cfg_read(r, cap + 3, 1);

		if (rig_cfg_read(r, cap, 1) != PCI_CAP_VENDOR || type < 1 || type > 4)
			continue;
		g_assert_cmpuint(rig_cfg_read(r, cap + 4, 1), ==, 4);
		*where[type] = RIG_BAR4 + rig_cfg_read(r, cap + 8, 4);
		if (type == 2)
			r->notify_step = rig_cfg_read(r, cap + 16, 4);
	}
	g_assert_true(r->common && r->notify && r->isr && r->config);
}

static void enable(struct rig *r)
{
	rig_cfg_write(r, PCI_BAR0 + 4 * 1, 4, RIG_BAR1);
	rig_cfg_write(r, PCI_BAR0 + 4 * 4, 4, RIG_BAR4);
	rig_cfg_write(r, PCI_BAR0 + 4 * 5, 4, 0);
	rig_cfg_write(r, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
}

void rig_plug(struct rig *r)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(dev_realize(r->dev, &error));
	g_assert_no_error(error);
	bus_reset(r->bus, RESET_COLD);
	enable(r);
	find_structures(r);
}

void rig_unplug(struct rig *r)
{
	if (!r->dev)
		return;
	rig_quiesce(r);
	dev_free(r->dev);
	r->dev = NULL;
}

void rig_done(struct rig *r)
{
	rig_unplug(r);
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

uint64_t rig_features(struct rig *r)
{
	uint64_t f;

	rig_set_common(r, RIG_DEVICE_FEATURE_SELECT, 4, 0);
	f = rig_common(r, RIG_DEVICE_FEATURE, 4);
	rig_set_common(r, RIG_DEVICE_FEATURE_SELECT, 4, 1);
	return f | rig_common(r, RIG_DEVICE_FEATURE, 4) << 32;
}

static bool is_reset(void *opaque)
{
	return rig_status(opaque) == 0;
}

bool rig_negotiate(struct rig *r, uint64_t features)
{
	rig_set_status(r, 0);
	rig_wait(r, is_reset, r);
	rig_set_status(r, VIRTIO_STATUS_ACKNOWLEDGE);
	rig_set_status(r, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	for (unsigned i = 0; i < 2; i++) {
		rig_set_common(r, RIG_DRIVER_FEATURE_SELECT, 4, i);
		rig_set_common(r, RIG_DRIVER_FEATURE, 4, features >> (32 * i) & 0xffffffff);
	}
	rig_set_status(
		r, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
	return rig_status(r) & VIRTIO_STATUS_FEATURES_OK;
}

void rig_msix(struct rig *r)
{
	unsigned cap = r->vp->pci.msix_cap;

	for (unsigned v = 0; v < r->vp->pci.nvectors; v++) {
		rig_write(r, RIG_BAR1 + v * 16, 4, 0xfee00000);
		rig_write(r, RIG_BAR1 + v * 16 + 4, 4, 0);
		rig_write(r, RIG_BAR1 + v * 16 + 8, 4, RIG_MSIX_DATA + v);
		rig_write(r, RIG_BAR1 + v * 16 + 12, 4, 0);
	}
	rig_cfg_write(r, cap + 2, 2, 0x8000);
	rig_set_common(r, RIG_CONFIG_VECTOR, 2, 0);
}

static uint64_t driver_features(struct rig *r)
{
	uint64_t f = 0;

	for (unsigned i = 0; i < 2; i++) {
		rig_set_common(r, RIG_DRIVER_FEATURE_SELECT, 4, i);
		f |= rig_common(r, RIG_DRIVER_FEATURE, 4) << (32 * i);
	}
	return f;
}

static void set_address(struct rig *r, unsigned reg, uint64_t gpa)
{
	rig_set_common(r, reg, 4, gpa & 0xffffffff);
	rig_set_common(r, reg + 4, 4, gpa >> 32);
}

struct guest_vq *rig_queue(struct rig *r, unsigned i, uint16_t size)
{
	uint64_t f = driver_features(r);
	struct guest_vq *q = &r->vq[i];

	g_assert_cmpuint(i, <, RIG_QUEUES);
	guest_vq_init(q, r->gmem, RIG_RING(i), size, f & VIRTIO_BIT(VIRTIO_F_RING_PACKED),
		f & VIRTIO_BIT(VIRTIO_F_EVENT_IDX));
	rig_set_common(r, RIG_QUEUE_SELECT, 2, i);
	g_assert_cmpuint(rig_common(r, RIG_QUEUE_SIZE, 2), >=, size);
	rig_set_common(r, RIG_QUEUE_SIZE, 2, size);
	if (pci_msix_enabled(&r->vp->pci))
		rig_set_common(r, RIG_QUEUE_VECTOR, 2, i + 1);
	set_address(r, RIG_QUEUE_DESC, q->desc);
	set_address(r, RIG_QUEUE_DRIVER, q->driver);
	set_address(r, RIG_QUEUE_DEVICE, q->device);
	rig_set_common(r, RIG_QUEUE_ENABLE, 2, 1);
	g_assert_cmpuint(rig_common(r, RIG_QUEUE_ENABLE, 2), ==, 1);
	return q;
}

void rig_driver_ok(struct rig *r)
{
	rig_set_status(r, rig_status(r) | VIRTIO_STATUS_DRIVER_OK);
}

void rig_start(struct rig *r, uint64_t features, unsigned n, uint16_t size)
{
	g_assert_true(rig_negotiate(r, features | VIRTIO_BIT(VIRTIO_F_VERSION_1)));
	rig_msix(r);
	for (unsigned i = 0; i < n; i++)
		rig_queue(r, i, size);
	rig_driver_ok(r);
	rig_settle(r);
}

void rig_kick(struct rig *r, unsigned queue)
{
	uint64_t addr;

	rig_set_common(r, RIG_QUEUE_SELECT, 2, queue);
	addr = r->notify + rig_common(r, RIG_QUEUE_NOTIFY, 2) * r->notify_step;
	if (!fake_accel_doorbell(r->accel, false, addr, 2, queue))
		rig_write(r, addr, 2, queue);
}

void rig_publish(struct rig *r, unsigned i)
{
	if (guest_vq_publish(&r->vq[i]))
		rig_kick(r, i);
}

/* ---- time ---- */

/* A message posts at most a few others in turn; a dozen idle rounds are more than any path is long. */
void rig_settle(struct rig *r)
{
	for (unsigned i = 0; i < 12; i++)
		loop_iterate(r->loop, 0);
	fake_accel_poll(r->accel);
}

void rig_wait(struct rig *r, bool (*done)(void *opaque), void *opaque)
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

int rig_wait_used(struct rig *r, unsigned i, uint32_t *len)
{
	struct used_wait w = {.vq = &r->vq[i]};

	rig_wait(r, used_came, &w);
	if (len)
		*len = w.len;
	return w.id;
}

unsigned rig_msis(struct rig *r, int vector)
{
	unsigned n = 0;

	fake_accel_poll(r->accel);
	for (unsigned end = fake_accel_msis(r->accel); r->msis_seen < end; r->msis_seen++) {
		struct accel_msi msi = fake_accel_msi(r->accel, r->msis_seen);

		n += vector < 0 || msi.data == RIG_MSIX_DATA + (unsigned)vector;
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

void rig_quiesce(struct rig *r)
{
	struct quiesce q = {.done = false};

	async_begin(&q.group, r->loop, quiesced);
	bus_quiesce(r->bus, &q.group);
	async_end(&q.group);
	rig_wait(r, is_quiesced, &q);
}

void rig_resume(struct rig *r)
{
	bus_resume(r->bus);
	rig_settle(r);
}

void rig_system_reset(struct rig *r)
{
	rig_quiesce(r);
	bus_reset(r->bus, RESET_WARM);
	rig_resume(r);
	enable(r);
}
