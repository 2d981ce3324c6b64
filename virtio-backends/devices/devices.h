/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * devices.h - the virtio devices: their registration, and what the machine connects to them before realize.
 */
#ifndef VIRTIO_DEVICES_DEVICES_H
#define VIRTIO_DEVICES_DEVICES_H

#include "virtio-backends/virtio/virtio-pci.h"

struct blk;
struct net;
struct chardev;

/* Ends with NULL. */
extern const struct dev_ops *const virtio_devices[];

extern const struct dev_ops virtio_blk_pci_ops;
extern const struct dev_ops virtio_net_pci_ops;
extern const struct dev_ops virtio_rng_pci_ops;
extern const struct dev_ops virtio_console_pci_ops;

/* Back-ends are lent until the device is freed. */
void virtio_blk_set_backend(struct dev *d, struct blk *blk);
void virtio_net_set_backend(struct dev *d, struct net *net);
/* Port 0, the console. NULL: output is dropped. */
void virtio_console_set_backend(struct dev *d, struct chardev *chr);

#endif
