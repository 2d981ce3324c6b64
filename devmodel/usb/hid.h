/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hid.h - what hid.c and its table of keys share. */
#ifndef DEVMODEL_USB_HID_H
#define DEVMODEL_USB_HID_H

#include <stdint.h>

#define HID_USAGE_LEFT_CONTROL 0xe0 /* the first of eight modifiers */

/* The usage (HID Usage Tables 1.12, page 7) of a key of linux/input-event-codes.h, 0: none. */
uint8_t hid_usage_of_key(unsigned code);

#endif
