/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-pci.h - virtio over PCI, virtio 1.2 section 4.1: one function, MSI-X, a modern memory BAR.
 *
 *	BAR 1	MSI-X table and pending bits
 *	BAR 4	+0x0000 common configuration	+0x1000 ISR	+0x2000 device configuration	+0x3000 notification, 4 bytes a queue
 *
 * Doorbells are ioeventfds: a notification never leaves the kernel.
 */
#ifndef VIRTIO_VIRTIO_PCI_H
#define VIRTIO_VIRTIO_PCI_H

#include "devmodel/pci/pci.h"
#include "virtio-backends/virtio/virtio.h"

struct virtio_pci {
	struct pci_dev pci; /* first */
	struct vdev vdev;
	struct region msix_bar, bar;
	struct region_doorbell *doorbells;
	uint8_t cfg_cap; /* offset of the VIRTIO_PCI_CAP_PCI_CFG capability, section 4.1.4.9 */
	uint32_t
		vectors; /* property: MSI-X vectors, 0: one a queue and one for configuration changes */
	bool packed;     /* property: packed rings are offered */
	struct loop *
		loop; /* owner of the queues; set by the machine before realize, NULL: the main loop */
};

/* Properties of every virtio function; @s its structure, whose struct virtio_pci is @m. */
#define VIRTIO_PCI_PROPS(s, m)                                                                     \
	PROP_PCI("addr", s, m.pci.addr, "PCI slot and function; unset: the first free slot"),      \
		PROP_U32("vectors", s, m.vectors, 0, PCI_MSIX_MAX, 0,                              \
			"MSI-X vectors; 0: one for each queue and one for configuration changes"), \
		PROP_BOOL("packed", s, m.packed, false, "offer packed virtqueues")

/* State parts of every virtio function. */
#define VIRTIO_PCI_STATE(s, m)                      \
	{&pci_state, offsetof(s, m.pci.pci_hw)},    \
	{                                           \
		&vdev_state, offsetof(s, m.vdev.hw) \
	}

#define VIRTIO_PCI(x) container_of((x), struct virtio_pci, pci)

/*
 * From a device's realize, after its own checks: puts the function on its bus (vp->pci.bus) with @n queues of @size into it. @class_code
 * as in struct pci_conf. On failure virtio_pci_done() still works.
 */
struct virtio_pci_conf {
	uint32_t class_code;
	unsigned n_queues;
	uint16_t queue_size;
};

bool virtio_pci_init(struct virtio_pci *vp, const struct vdev_ops *ops, void *priv,
	const struct virtio_pci_conf *conf, GError **error);
void virtio_pci_done(struct virtio_pci *vp);

/* Members of every virtio function's dev_ops, with pci_dev_pre_save(). */
void virtio_pci_reset(struct dev *d, enum reset_kind kind);
void virtio_pci_quiesce(struct dev *d, struct async_group *g);
void virtio_pci_resume(struct dev *d);
int virtio_pci_post_load(struct dev *d);

#endif
