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

#define RIG_RAM       (16 * MiB)
#define RIG_RING(i)   (0x100000 * ((uint64_t)(i) + 1))
#define RIG_BAR4      0xfe000000
#define RIG_BAR1      0xfe100000
#define RIG_MSIX_DATA 0x4100 /* + vector */
#define RIG_QUEUES    8      /* that the rig's own driver can set up */

/* Registers in BAR 4, from the specification, section 4.1.4.3; found by their capabilities. */
enum {
	RIG_DEVICE_FEATURE_SELECT = 0x00,
	RIG_DEVICE_FEATURE = 0x04,
	RIG_DRIVER_FEATURE_SELECT = 0x08,
	RIG_DRIVER_FEATURE = 0x0c,
	RIG_CONFIG_VECTOR = 0x10,
	RIG_NUM_QUEUES = 0x12,
	RIG_STATUS = 0x14,
	RIG_GENERATION = 0x15,
	RIG_QUEUE_SELECT = 0x16,
	RIG_QUEUE_SIZE = 0x18,
	RIG_QUEUE_VECTOR = 0x1a,
	RIG_QUEUE_ENABLE = 0x1c,
	RIG_QUEUE_NOTIFY = 0x1e,
	RIG_QUEUE_DESC = 0x20,
	RIG_QUEUE_DRIVER = 0x28,
	RIG_QUEUE_DEVICE = 0x30,
};

struct rig {
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
	struct guest_vq vq[RIG_QUEUES];
};

void rig_init(struct rig *r);
/* A device that is not realized yet, for properties and back-ends. */
struct dev *rig_new(struct rig *r, const struct dev_ops *ops);
/* Realizes, resets and finds it on the bus: BARs mapped, bus master, structures located. */
void rig_plug(struct rig *r);
/* Quiesces and frees the device; then the machine. */
void rig_unplug(struct rig *r);
void rig_done(struct rig *r);

/* Memory-mapped registers and configuration space, as a vCPU. */
uint64_t rig_read(struct rig *r, uint64_t addr, unsigned size);
void rig_write(struct rig *r, uint64_t addr, unsigned size, uint64_t value);
uint32_t rig_cfg_read(struct rig *r, unsigned off, unsigned size);
void rig_cfg_write(struct rig *r, unsigned off, unsigned size, uint32_t value);
uint64_t rig_common(struct rig *r, unsigned reg, unsigned size);
void rig_set_common(struct rig *r, unsigned reg, unsigned size, uint64_t value);
uint8_t rig_status(struct rig *r);
void rig_set_status(struct rig *r, uint8_t status);

uint64_t rig_features(struct rig *r);
/* Reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK: true when that stayed set. */
bool rig_negotiate(struct rig *r, uint64_t features);
/* Routes every vector to a message RIG_MSIX_DATA + vector, queue i to vector i + 1, configuration to 0; before rig_queue. */
void rig_msix(struct rig *r);
/* Sets up and enables queue @i with @size entries, laid out as negotiated. */
struct guest_vq *rig_queue(struct rig *r, unsigned i, uint16_t size);
void rig_driver_ok(struct rig *r);
/* All of it with @features | VERSION_1, MSI-X and @n queues of @size. */
void rig_start(struct rig *r, uint64_t features, unsigned n, uint16_t size);

/* The guest rings; by ioeventfd if the accelerator has one. */
void rig_kick(struct rig *r, unsigned queue);
/* Publishes queue @i and rings if the device wants it. */
void rig_publish(struct rig *r, unsigned i);

/* Rounds of the loop until nothing more happens by itself. */
void rig_settle(struct rig *r);
/* Rounds until @done(@opaque); fails the test after ten seconds. */
void rig_wait(struct rig *r, bool (*done)(void *opaque), void *opaque);
/* Waits for a chain of queue @i; its id, the length in *@len. */
int rig_wait_used(struct rig *r, unsigned i, uint32_t *len);

/* How many messages of @vector have come since the last call for any; -1 counts all. */
unsigned rig_msis(struct rig *r, int vector);

/* What the machine does; each waits until it is over. */
void rig_quiesce(struct rig *r);
void rig_resume(struct rig *r);
void rig_system_reset(struct rig *r);

#endif
