/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga-rig.h - a VGA on the rig, with the hands of a BIOS: modes, ports, memory.
 */
#ifndef TESTS_DEVICE_VGA_RIG_H
#define TESTS_DEVICE_VGA_RIG_H

#include "base/display.h"
#include "devmodel/display/vga.h"
#include "tests/device/rig.h"

#define VGA_FB   UINT64_C(0xe0000000) /* BAR 0, while mapped by vga_rig_map() */
#define VGA_MMIO UINT64_C(0xf0000000) /* BAR 2 */

enum vbe_register {
	VBE_REG_ID,
	VBE_REG_XRES,
	VBE_REG_YRES,
	VBE_REG_BPP,
	VBE_REG_ENABLE,
	VBE_REG_BANK,
	VBE_REG_VIRT_WIDTH,
	VBE_REG_VIRT_HEIGHT,
	VBE_REG_X_OFFSET,
	VBE_REG_Y_OFFSET,
	VBE_REG_MEMORY,
};

struct vga_rig {
	struct rig *r;
	struct display *display;
	struct dev *d;
};

void vga_rig_init(struct vga_rig *v);
void vga_rig_done(struct vga_rig *v);
/* BARs at VGA_FB and VGA_MMIO. */
void vga_rig_map(struct vga_rig *v);

void vga_out(struct vga_rig *v, uint16_t port, uint8_t value);
uint8_t vga_in(struct vga_rig *v, uint16_t port);
/* Register @index behind @port, 0x3c4, 0x3ce or 0x3d4; and of the attribute controller. */
void vga_out_at(struct vga_rig *v, uint16_t port, uint8_t index, uint8_t value);
uint8_t vga_in_at(struct vga_rig *v, uint16_t port, uint8_t index);
void vga_attr(struct vga_rig *v, uint8_t index, uint8_t value);
uint8_t vga_attr_get(struct vga_rig *v, uint8_t index);
void vga_dac(struct vga_rig *v, uint8_t index, uint8_t red, uint8_t green, uint8_t blue);

void vbe_out(struct vga_rig *v, enum vbe_register index, uint16_t value);
uint16_t vbe_in(struct vga_rig *v, enum vbe_register index);
/* Sets a mode with the framebuffer cleared. */
void vbe_mode(struct vga_rig *v, uint16_t width, uint16_t height, uint16_t bpp);

/* Through the window: offset 0 is 0xa0000. */
void vga_poke(struct vga_rig *v, uint32_t offset, uint8_t value);
uint8_t vga_peek(struct vga_rig *v, uint32_t offset);

/* An IBM mode, 0x03, 0x04, 0x06, 0x12 or 0x13, as a BIOS sets it: registers only. */
void vga_mode(struct vga_rig *v, uint8_t mode);

/* The pixel that is shown at (@x, @y), after display_refresh(). */
uint32_t vga_pixel(struct vga_rig *v, uint32_t x, uint32_t y);

#endif
