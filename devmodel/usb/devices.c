/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/usb/usb-internal.h"

#define CONTROLLERS                                                                          \
	&piix3_uhci_ops, &piix4_uhci_ops, &ich9_uhci1_ops, &ich9_uhci2_ops, &ich9_uhci3_ops, \
		&qemu_xhci_ops, &nec_xhci_ops
#define FUNCTIONS &usb_tablet_ops, &usb_mouse_ops, &usb_kbd_ops, &usb_storage_ops

const struct dev_ops *const usb_controllers[] = {CONTROLLERS, NULL};
const struct dev_ops *const usb_functions[] = {FUNCTIONS, NULL};
const struct dev_ops *const usb_devices[] = {CONTROLLERS, FUNCTIONS, NULL};
