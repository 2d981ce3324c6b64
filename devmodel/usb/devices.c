/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/usb/usb-internal.h"

#define UHCI_DEVICES \
	&piix3_uhci_ops, &piix4_uhci_ops, &ich9_uhci1_ops, &ich9_uhci2_ops, &ich9_uhci3_ops
#define FUNCTIONS &usb_tablet_ops, &usb_mouse_ops, &usb_kbd_ops, &usb_storage_ops

const struct dev_ops *const usb_controllers[] = {UHCI_DEVICES, NULL};
const struct dev_ops *const usb_functions[] = {FUNCTIONS, NULL};
const struct dev_ops *const usb_devices[] = {UHCI_DEVICES, FUNCTIONS, NULL};
