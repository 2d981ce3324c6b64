/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-devices.h - what a machine needs to give its guest USB: host controllers, devices, and how one is
 * plugged into the other.
 *
 *	dev_new(usb_tablet_ops) ─► usb_hid_set_input() ─► dev_realize() ─► usb_plug(controller, tablet, …)
 *	dev_new(usb_storage_ops) ─► usb_storage_set_backend() ─► dev_realize() ─► usb_plug()
 *
 * A controller is a PCI function like others. A USB device is on the machine's bus for its
 * configuration, reset and state, and sits in a port of a controller while it is plugged. A device that
 * is freed is unplugged by that. All of this happens on the main thread.
 */
#ifndef DEVMODEL_USB_USB_DEVICES_H
#define DEVMODEL_USB_USB_DEVICES_H

#include "devmodel/bus/device.h"

struct blk;
struct input;

/* Ends with NULL. */
extern const struct dev_ops *const usb_devices[];

/* UHCI: two ports, low and full speed. */
extern const struct dev_ops piix3_uhci_ops; /* "piix3-usb-uhci", function 2 of the PIIX3 */
extern const struct dev_ops piix4_uhci_ops; /* "piix4-usb-uhci" */
extern const struct dev_ops ich9_uhci1_ops; /* "ich9-usb-uhci1", 00:1d.0 */
extern const struct dev_ops ich9_uhci2_ops; /* "ich9-usb-uhci2", 00:1d.1 */
extern const struct dev_ops ich9_uhci3_ops; /* "ich9-usb-uhci3", 00:1d.2 */

/*
 * xHCI: properties p2 and p3, 1 to 15, say how many connectors have USB 2 and USB 3 contacts. Connector
 * n has both when n is at most the smaller of them.
 */
extern const struct dev_ops qemu_xhci_ops; /* "qemu-xhci" */
extern const struct dev_ops nec_xhci_ops;  /* "nec-usb-xhci" */

extern const struct dev_ops usb_tablet_ops;  /* "usb-tablet": absolute */
extern const struct dev_ops usb_mouse_ops;   /* "usb-mouse": relative */
extern const struct dev_ops usb_kbd_ops;     /* "usb-kbd" */
extern const struct dev_ops usb_storage_ops; /* "usb-storage": disk, CD-ROM */

/* Where a HID device's events come from; borrowed. Before realize; without it the device is silent. */
void usb_hid_set_input(struct dev *d, struct input *input);

/* The disk, borrowed. Before realize, which fails without one; a CD-ROM drive may have no medium. */
void usb_storage_set_backend(struct dev *d, struct blk *blk);

/*
 * Plugs @device into connector @port (from 1; 0: the first free one that suits its speeds) of
 * @controller; both are realized. The guest sees it arrive. Errors: not a controller, not a USB device,
 * plugged already, no such port, taken (by whom), none free, no speed in common.
 */
bool usb_plug(struct dev *controller, struct dev *device, unsigned port, GError **error);

/* Pulls it out: the guest sees it leave. Idempotent. */
void usb_unplug(struct dev *device);

/* The connector (from 1) that @device is in, 0 when it is in none. */
unsigned usb_port_of(const struct dev *device);

/* Milliseconds of UHCI schedule walked, and how often the controller's timer fired for them: statistics. */
void uhci_stats(const struct dev *d, uint64_t *ret_frames, uint64_t *ret_wakeups);

#endif
