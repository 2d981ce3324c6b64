/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga.h - the standard VGA: an IBM VGA with the Bochs VBE extensions as PCI function 1234:1111, the display that every
 * operating system has a driver for. The layout of its registers is QEMU's (docs/specs/standard-vga).
 *
 * docs/display.md. A PCI function: the machine sets pci_dev.bus before realize, and its option ROM (SeaBIOS' vgabios-stdvga.bin) by
 * pci_set_rom(). Class and legacy addresses are those of the one VGA of a machine: there is at most one.
 */
#ifndef DEVMODEL_DISPLAY_VGA_H
#define DEVMODEL_DISPLAY_VGA_H

#include "devmodel/pci/pci.h"

struct display;

/* Ends with NULL. */
extern const struct dev_ops *const display_devices[];
extern const struct dev_ops vga_ops;

/*
 * What is drawn on: @display is borrowed and stays until the device is gone. Without it nobody looks. Main thread, before
 * realize.
 */
void vga_set_display(struct dev *d, struct display *display);

#endif
