/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * input.h - keyboard controller 8042 at 0x60 and 0x64 with PS/2 keyboard and mouse, GSI 1 and 12. IBM PS/2 Technical Reference.
 */
#ifndef DEVMODEL_INPUT_INPUT_H
#define DEVMODEL_INPUT_INPUT_H

#include "devmodel/bus/bus.h"

/* Ends with NULL. */
extern const struct dev_ops *const input_devices[];
extern const struct dev_ops i8042_ops;

/* A key by its set-1 scan code sequence (0xE0 prefix in bits 15..8), pressed or released. Main thread; takes the lock. */
void i8042_key(struct dev *d, uint16_t scancode, bool down);
/* Relative movement (right, up) and buttons (bit 0 left, 1 right, 2 middle). */
void i8042_mouse(struct dev *d, int dx, int dy, unsigned buttons);

#endif
