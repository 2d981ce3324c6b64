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

struct input;

/* Where keys and movements come from (borrowed); before realize. Without it nobody types. */
void i8042_set_input(struct dev *d, struct input *input);

#endif
