/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-fuzz.h - a guest that writes what it likes to a USB controller's registers and schedules. Input: steps of 8 bytes: kind,
 * size, offset (16 bits), value (32 bits).
 */
#ifndef TESTS_DEVICE_USB_FUZZ_H
#define TESTS_DEVICE_USB_FUZZ_H

#include "tests/device/usb-driver.h"

/* On a controller with a keyboard and a tablet, the keyboard configured. */
int usb_fuzz(const struct usb_driver_ops *driver, const uint8_t *data, size_t size);

#endif
