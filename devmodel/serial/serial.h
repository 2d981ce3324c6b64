/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serial.h - 16550A UART, PC16550D data sheet. COM1..COM4: properties iobase (0x3f8, 0x2f8, 0x3e8, 0x2e8) and irq (4, 3, 4, 3).
 */
#ifndef DEVMODEL_SERIAL_SERIAL_H
#define DEVMODEL_SERIAL_SERIAL_H

#include "devmodel/bus/bus.h"

struct chardev;

/* Ends with NULL. */
extern const struct dev_ops *const serial_devices[];
extern const struct dev_ops isa_serial_ops;

/* Lent until the device is freed; NULL: nothing is connected. Before realize. */
void isa_serial_set_chardev(struct dev *d, struct chardev *chr);

#endif
