/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio devices over PCI, the modern interface (virtio 1.2, 4.1). */
#ifndef BENCH_GUEST_VIRTIO_H
#define BENCH_GUEST_VIRTIO_H

#include "command.h"
#include "pci.h"
#include "virtqueue.h"

enum virtio_id {
	VIRTIO_NET = 1,
	VIRTIO_BLOCK = 2,
	VIRTIO_CONSOLE = 3,
	VIRTIO_RNG = 4,
};

#define VIRTIO_F_INDIRECT    (1ull << 28)
#define VIRTIO_F_EVENT_INDEX (1ull << 29)
#define VIRTIO_F_VERSION_1   (1ull << 32)

#define VIRTIO_STATUS_ACKNOWLEDGE 1
#define VIRTIO_STATUS_DRIVER      2
#define VIRTIO_STATUS_DRIVER_OK   4
#define VIRTIO_STATUS_FEATURES_OK 8
#define VIRTIO_STATUS_NEEDS_RESET 64

struct virtio {
	struct pci_dev *pci;
	uintptr_t common, notify, isr, config; /* addresses of the four structures */
	uint32_t notify_multiplier;
	uint64_t offered, features;
	bool interrupts;
};

/* Parameters that every command which drives a device has; virtio_start() takes them. */
#define VIRTIO_PARAMS "dev=0 wait=poll event=yes indirect=no"

/* Device number @nth of the type, its PCI function enabled; false if there is none. */
bool virtio_find(struct virtio *v, enum virtio_id id, unsigned int nth);

/* Write 0 to the status and wait until it reads 0; the guest fails if it does not in ten seconds. */
void virtio_reset(struct virtio *v);

uint8_t virtio_status(const struct virtio *v);

/*
 * Find the device that the parameters of VIRTIO_PARAMS say, reset it and negotiate VERSION_1, what the
 * parameters say, and of @wanted what the device offers. The guest fails if that cannot be.
 */
void virtio_start(struct virtio *v, enum virtio_id id, uint64_t wanted, const struct args *a);

/* Set queue @index up with at most @size descriptors and enable it. */
void virtio_start_queue(struct virtio *v, struct vq *q, uint16_t index, uint16_t size);

/* DRIVER_OK: from here on the device works. */
void virtio_go(struct virtio *v);

uint16_t virtio_queue_count(const struct virtio *v);

/* Print NAME.requests, .cycles, .rps, and per request doorbells and interrupts. */
void virtio_report(const char *name, const struct vq *q, uint64_t requests, uint64_t cycles,
	uint32_t interrupts);

/* Writes by register, for tests that break the rules. */
void virtio_select_queue(const struct virtio *v, uint16_t index);
void virtio_set_queue_size(const struct virtio *v, uint16_t size);
void virtio_set_rings(const struct virtio *v, uint64_t desc, uint64_t driver, uint64_t device);
uint16_t virtio_enable_queue(const struct virtio *v);
uintptr_t virtio_doorbell(const struct virtio *v);

#endif
