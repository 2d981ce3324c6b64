/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio.h"
#include "cpu.h"
#include "io.h"
#include "lib.h"
#include "out.h"

#define VIRTIO_VENDOR    0x1af4
#define VIRTIO_MODERN_ID 0x1040 /* plus the device type */
#define PCI_SUBSYSTEM    0x2e   /* of a transitional device: the device type */
#define PCI_CAP_VENDOR   0x09
#define RESET_MS         10000
#define NO_VECTOR        0xffff

/* struct virtio_pci_cap */
#define CAP_TYPE       3
#define CAP_BAR        4
#define CAP_OFFSET     8
#define CAP_MULTIPLIER 16
enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_CONFIG = 4 };

/* struct virtio_pci_common_cfg */
#define COMMON_DEVICE_FEATURE_SELECT 0x00
#define COMMON_DEVICE_FEATURE        0x04
#define COMMON_DRIVER_FEATURE_SELECT 0x08
#define COMMON_DRIVER_FEATURE        0x0c
#define COMMON_MSIX_CONFIG           0x10
#define COMMON_NUM_QUEUES            0x12
#define COMMON_STATUS                0x14
#define COMMON_QUEUE_SELECT          0x16
#define COMMON_QUEUE_SIZE            0x18
#define COMMON_QUEUE_MSIX            0x1a
#define COMMON_QUEUE_ENABLE          0x1c
#define COMMON_QUEUE_NOTIFY_OFF      0x1e
#define COMMON_QUEUE_DESC            0x20
#define COMMON_QUEUE_DRIVER          0x28
#define COMMON_QUEUE_DEVICE          0x30

static uint16_t device_type(const struct pci_dev *d)
{
	if (d->vendor != VIRTIO_VENDOR)
		return 0;
	if (d->device > VIRTIO_MODERN_ID)
		return d->device - VIRTIO_MODERN_ID;
	return pci_read16(d, PCI_SUBSYSTEM);
}

static struct pci_dev *nth_device(enum virtio_id id, unsigned int nth)
{
	for (unsigned int i = 0; i < pci_scan(); i++) {
		if (device_type(pci_get(i)) == id && nth-- == 0)
			return pci_get(i);
	}
	return NULL;
}

static void find_structures(struct virtio *v)
{
	uintptr_t *const where[] = {
		[CAP_COMMON] = &v->common,
		[CAP_NOTIFY] = &v->notify,
		[CAP_ISR] = &v->isr,
		[CAP_CONFIG] = &v->config,
	};
	uint8_t at = 0;

	while ((at = pci_capability(v->pci, PCI_CAP_VENDOR, at))) {
		uint8_t type = pci_read8(v->pci, at + CAP_TYPE);
		uint8_t bar = pci_read8(v->pci, at + CAP_BAR);

		if (type < CAP_COMMON || type > CAP_CONFIG || bar >= PCI_BARS || *where[type])
			continue;
		*where[type] = v->pci->bar[bar] + pci_read(v->pci, at + CAP_OFFSET);
		if (type == CAP_NOTIFY)
			v->notify_multiplier = pci_read(v->pci, at + CAP_MULTIPLIER);
	}
	if (!v->common || !v->notify)
		fail("pci %u: no modern virtio interface", v->pci->dev);
}

bool virtio_find(struct virtio *v, enum virtio_id id, unsigned int nth)
{
	*v = (struct virtio){.pci = nth_device(id, nth)};
	if (!v->pci)
		return false;
	pci_enable(v->pci);
	find_structures(v);
	return true;
}

uint8_t virtio_status(const struct virtio *v)
{
	return mmio_read8(v->common + COMMON_STATUS);
}

static void add_status(const struct virtio *v, uint8_t bits)
{
	mmio_write8(v->common + COMMON_STATUS, virtio_status(v) | bits);
}

void virtio_reset(struct virtio *v)
{
	uint64_t end = cpu_deadline(RESET_MS);

	mmio_write8(v->common + COMMON_STATUS, 0);
	while (virtio_status(v)) {
		if (rdtsc() > end)
			fail("pci %u: not reset in %d ms", v->pci->dev, RESET_MS);
	}
}

static uint64_t read_features(const struct virtio *v)
{
	uint64_t f;

	mmio_write32(v->common + COMMON_DEVICE_FEATURE_SELECT, 1);
	f = (uint64_t)mmio_read32(v->common + COMMON_DEVICE_FEATURE) << 32;
	mmio_write32(v->common + COMMON_DEVICE_FEATURE_SELECT, 0);
	return f | mmio_read32(v->common + COMMON_DEVICE_FEATURE);
}

static void write_features(const struct virtio *v, uint64_t f)
{
	for (unsigned int i = 0; i < 2; i++) {
		mmio_write32(v->common + COMMON_DRIVER_FEATURE_SELECT, i);
		mmio_write32(v->common + COMMON_DRIVER_FEATURE, f >> 32 * i);
	}
}

static void negotiate(struct virtio *v, uint64_t required, uint64_t wanted)
{
	virtio_reset(v);
	add_status(v, VIRTIO_STATUS_ACKNOWLEDGE);
	add_status(v, VIRTIO_STATUS_DRIVER);
	v->offered = read_features(v);
	if (required & ~v->offered)
		fail("pci %u: features 0x%lx are not offered", v->pci->dev, required & ~v->offered);
	v->features = v->offered & (required | wanted);
	write_features(v, v->features);
	add_status(v, VIRTIO_STATUS_FEATURES_OK);
	if (!(virtio_status(v) & VIRTIO_STATUS_FEATURES_OK))
		fail("pci %u: features 0x%lx are refused", v->pci->dev, v->features);
}

void virtio_start(struct virtio *v, enum virtio_id id, uint64_t wanted, const struct args *a)
{
	uint64_t required = VIRTIO_F_VERSION_1;
	unsigned int nth = arg_num(a, "dev");

	if (!virtio_find(v, id, nth))
		fail("no virtio device %u of type %u", nth, (unsigned int)id);
	if (arg_is(a, "event", "yes", "no"))
		required |= VIRTIO_F_EVENT_INDEX;
	if (arg_is(a, "indirect", "yes", "no"))
		required |= VIRTIO_F_INDIRECT;
	v->interrupts = arg_is(a, "wait", "irq", "poll");
	negotiate(v, required, wanted);
	if (v->interrupts && !pci_enable_msix(v->pci, 0))
		fail("pci %u: no MSI-X", v->pci->dev);
	mmio_write16(v->common + COMMON_MSIX_CONFIG, NO_VECTOR);
}

void virtio_select_queue(const struct virtio *v, uint16_t index)
{
	mmio_write16(v->common + COMMON_QUEUE_SELECT, index);
}

void virtio_set_queue_size(const struct virtio *v, uint16_t size)
{
	mmio_write16(v->common + COMMON_QUEUE_SIZE, size);
}

static void write_address(uintptr_t reg, uint64_t addr)
{
	mmio_write32(reg, addr);
	mmio_write32(reg + 4, addr >> 32);
}

void virtio_set_rings(const struct virtio *v, uint64_t desc, uint64_t driver, uint64_t device)
{
	write_address(v->common + COMMON_QUEUE_DESC, desc);
	write_address(v->common + COMMON_QUEUE_DRIVER, driver);
	write_address(v->common + COMMON_QUEUE_DEVICE, device);
}

uint16_t virtio_enable_queue(const struct virtio *v)
{
	mmio_write16(v->common + COMMON_QUEUE_ENABLE, 1);
	return mmio_read16(v->common + COMMON_QUEUE_ENABLE);
}

uintptr_t virtio_doorbell(const struct virtio *v)
{
	uint16_t offset = mmio_read16(v->common + COMMON_QUEUE_NOTIFY_OFF);

	return v->notify + (uintptr_t)offset * v->notify_multiplier;
}

static uint16_t negotiate_size(const struct virtio *v, uint16_t size)
{
	uint16_t max = mmio_read16(v->common + COMMON_QUEUE_SIZE);

	if (size > VQ_MAX_SIZE)
		size = VQ_MAX_SIZE;
	if (size > max)
		size = max;
	virtio_set_queue_size(v, size);
	return size;
}

void virtio_start_queue(struct virtio *v, struct vq *q, uint16_t index, uint16_t size)
{
	virtio_select_queue(v, index);
	size = negotiate_size(v, size);
	if (!size)
		fail("pci %u: no queue %u", v->pci->dev, index);
	q->event_index = v->features & VIRTIO_F_EVENT_INDEX;
	q->indirect = v->features & VIRTIO_F_INDIRECT;
	q->interrupts = v->interrupts;
	vq_init(q, &vq_split, size);
	q->index = index;
	q->notify = virtio_doorbell(v);
	virtio_set_rings(v, (uintptr_t)q->desc, (uintptr_t)q->driver, (uintptr_t)q->device);
	mmio_write16(v->common + COMMON_QUEUE_MSIX, v->interrupts ? 0 : NO_VECTOR);
	if (v->interrupts && mmio_read16(v->common + COMMON_QUEUE_MSIX) == NO_VECTOR)
		fail("pci %u: no vector for queue %u", v->pci->dev, index);
	if (!virtio_enable_queue(v))
		fail("pci %u: queue %u is not enabled", v->pci->dev, index);
}

void virtio_go(struct virtio *v)
{
	add_status(v, VIRTIO_STATUS_DRIVER_OK);
}

uint16_t virtio_queue_count(const struct virtio *v)
{
	return mmio_read16(v->common + COMMON_NUM_QUEUES);
}

void virtio_report(const char *name, const struct vq *q, uint64_t requests, uint64_t cycles,
	uint32_t interrupts)
{
	uint32_t khz = cpu_tsc_khz();

	out("%s.requests=%lu\n%s.cycles=%lu\n%s.tsc_khz=%u\n", name, requests, name, cycles, name,
		khz);
	out("%s.rps=%lu\n", name, cycles / 1000 ? requests * khz / (cycles / 1000) : 0);
	out("%s.notify=0x%lx\n%s.waits=%lu\n", name, q->notify, name, q->waits);
	out("%s.doorbells=%lu\n%s.interrupts=%u\n", name, q->doorbells, name, interrupts);
}
