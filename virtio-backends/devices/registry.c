/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/devices/devices.h"

const struct dev_ops *const virtio_devices[] = {
	&virtio_blk_pci_ops,
	&virtio_net_pci_ops,
	&virtio_console_pci_ops,
	&virtio_rng_pci_ops,
	NULL,
};
