/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-rig.h - a machine of one virtio function, and a driver for it that goes through the real registers: configuration
 * mechanism, BARs, common configuration, doorbells, MSI-X.
 *
 *	0x00000000	16 MiB RAM; rings at 0x100000 × (queue + 1), the rest is the test's
 *	0xfe000000	BAR 4		0xfe100000  BAR 1
 *
 * One thread plays vCPU, main loop and, unless the test gives the device another, the queues' loop.
 */
#ifndef TESTS_LIB_VIRTIO_RIG_H
#define TESTS_LIB_VIRTIO_RIG_H

#include "tests/lib/fake-accel.h"
#include "tests/lib/guest-vq.h"
#include "virtio-backends/virtio/virtio-pci.h"

#define VRIG_RAM       (16 * MiB)
#define VRIG_RING(i)   (0x100000 * ((uint64_t)(i) + 1))
#define VRIG_BAR4      0xfe000000
#define VRIG_BAR1      0xfe100000
#define VRIG_MSIX_DATA 0x4100 /* + vector */
#define VRIG_QUEUES    8      /* that the rig's own driver can set up */

/* Registers in BAR 4, from the specification, section 4.1.4.3; found by their capabilities. */
enum {
	VRIG_DEVICE_FEATURE_SELECT = 0x00,
	VRIG_DEVICE_FEATURE = 0x04,
	VRIG_DRIVER_FEATURE_SELECT = 0x08,
	VRIG_DRIVER_FEATURE = 0x0c,
	VRIG_CONFIG_VECTOR = 0x10,
	VRIG_NUM_QUEUES = 0x12,
	VRIG_STATUS = 0x14,
	VRIG_GENERATION = 0x15,
	VRIG_QUEUE_SELECT = 0x16,
	VRIG_QUEUE_SIZE = 0x18,
	VRIG_QUEUE_VECTOR = 0x1a,
	VRIG_QUEUE_ENABLE = 0x1c,
	VRIG_QUEUE_NOTIFY = 0x1e,
	VRIG_QUEUE_DESC = 0x20,
	VRIG_QUEUE_DRIVER = 0x28,
	VRIG_QUEUE_DEVICE = 0x30,
};

struct vrig {
	struct fake_accel *accel;
	struct gmem *gmem;
	struct clocks *clocks;
	struct loop *loop;
	struct bus *bus;
	struct irq_sink router;
	unsigned intx; /* levels of the router's inputs, bits */
	struct pci_bus *pci;
	struct gmem_block *ram;
	struct region ram_region;
	struct dev *dev;
	struct virtio_pci *vp;
	uint64_t common, isr, config, notify; /* addresses */
	uint32_t notify_step;
	unsigned msis_seen;
	struct guest_vq vq[VRIG_QUEUES];
};

void vrig_init(struct vrig *r);
/* A device that is not realized yet, for properties and back-ends. */
struct dev *vrig_new(struct vrig *r, const struct dev_ops *ops);
/* Realizes, resets and finds it on the bus: BARs mapped, bus master, structures located. */
void vrig_plug(struct vrig *r);
/* Quiesces and frees the device; then the machine. */
void vrig_unplug(struct vrig *r);
void vrig_done(struct vrig *r);

/* Memory-mapped registers and configuration space, as a vCPU. */
uint64_t vrig_read(struct vrig *r, uint64_t addr, unsigned size);
void vrig_write(struct vrig *r, uint64_t addr, unsigned size, uint64_t value);
uint32_t vrig_cfg_read(struct vrig *r, unsigned off, unsigned size);
void vrig_cfg_write(struct vrig *r, unsigned off, unsigned size, uint32_t value);
uint64_t vrig_common(struct vrig *r, unsigned reg, unsigned size);
void vrig_set_common(struct vrig *r, unsigned reg, unsigned size, uint64_t value);
uint8_t vrig_status(struct vrig *r);
void vrig_set_status(struct vrig *r, uint8_t status);

uint64_t vrig_features(struct vrig *r);
/* Reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK: true when that stayed set. */
bool vrig_negotiate(struct vrig *r, uint64_t features);
/* Routes every vector to a message VRIG_MSIX_DATA + vector, queue i to vector i + 1, configuration to 0; before vrig_queue. */
void vrig_msix(struct vrig *r);
/* Sets up and enables queue @i with @size entries, laid out as negotiated. */
struct guest_vq *vrig_queue(struct vrig *r, unsigned i, uint16_t size);
void vrig_driver_ok(struct vrig *r);
/* All of it with @features | VERSION_1, MSI-X and @n queues of @size. */
void vrig_start(struct vrig *r, uint64_t features, unsigned n, uint16_t size);

/* The guest rings; by ioeventfd if the accelerator has one. */
void vrig_kick(struct vrig *r, unsigned queue);
/* Publishes queue @i and rings if the device wants it. */
void vrig_publish(struct vrig *r, unsigned i);

/* Rounds of the loop until nothing more happens by itself. */
void vrig_settle(struct vrig *r);
/* Rounds until @done(@opaque); fails the test after ten seconds. */
void vrig_wait(struct vrig *r, bool (*done)(void *opaque), void *opaque);
/* Waits for a chain of queue @i; its id, the length in *@len. */
int vrig_wait_used(struct vrig *r, unsigned i, uint32_t *len);

/* How many messages of @vector have come since the last call for any; -1 counts all. */
unsigned vrig_msis(struct vrig *r, int vector);

/* What the machine does; each waits until it is over. */
void vrig_quiesce(struct vrig *r);
void vrig_resume(struct vrig *r);
void vrig_system_reset(struct vrig *r);

#endif
