/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usb-internal.h - between the files of this folder. */
#ifndef DEVMODEL_USB_USB_INTERNAL_H
#define DEVMODEL_USB_USB_INTERNAL_H

#include "devmodel/usb/usb-devices.h"
#include "devmodel/usb/usb.h"

/* Both end with NULL: devices that begin with struct usb_hc, and with struct usb_dev. */
extern const struct dev_ops *const usb_controllers[];
extern const struct dev_ops *const usb_functions[];

/* Standard descriptor @type, @index of @u into @buf (USB_CONTROL bytes): length, or -1. Section 9.6. */
int usb_get_descriptor(const struct usb_dev *u, uint8_t type, uint8_t index, uint8_t *buf);

#endif
