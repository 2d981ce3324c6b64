/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bochs VBE: modes beyond the VGA, set by a number of 16-bit registers. A driver writes the size of the mode, then the enable
 * register, and may then pan over a virtual screen as wide as it says and as high as memory goes.
 */
#include <errno.h>
#include <string.h>

#include "devmodel/display/vga-internal.h"

/* Registers that take effect when a mode is enabled, and are fixed while it is. */
static bool is_mode(unsigned index)
{
	return index == VBE_XRES || index == VBE_YRES || index == VBE_BPP;
}

void vga_vbe_reset(struct vga_hw *hw)
{
	memset(hw->vbe, 0, sizeof(hw->vbe));
	hw->vbe_index = 0;
	hw->vbe[VBE_ID] = VBE_ID_LATEST;
}

bool vga_vbe_enabled(const struct vga_hw *hw)
{
	return hw->vbe[VBE_ENABLE] & VBE_ENABLED;
}

bool vga_vbe_linear(const struct vga_hw *hw)
{
	return vga_vbe_enabled(hw) && hw->vbe[VBE_BPP] >= 8;
}

unsigned vga_vbe_pixel_bytes(const struct vga_hw *hw)
{
	return hw->vbe[VBE_BPP] < 8 ? 0 : (hw->vbe[VBE_BPP] + 7u) / 8;
}

uint32_t vga_vbe_pitch(const struct vga_hw *hw)
{
	unsigned bytes = vga_vbe_pixel_bytes(hw);

	return bytes ? hw->vbe[VBE_VIRT_WIDTH] * bytes : hw->vbe[VBE_VIRT_WIDTH] / 8u;
}

/* Lines that memory has room for. */
static uint64_t lines(const struct vga *v)
{
	uint64_t size = vga_vbe_pixel_bytes(&v->hw) ? v->vram_size : v->vram_size / 4;
	uint32_t pitch = vga_vbe_pitch(&v->hw);

	return pitch ? MIN(size / pitch, UINT16_MAX) : 0;
}

static bool depth_ok(uint16_t bpp)
{
	return bpp == 4 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 || bpp == 32;
}

int vga_vbe_check(const struct vga_hw *hw)
{
	const uint16_t *r = hw->vbe;

	if (!vga_vbe_enabled(hw))
		return 0;
	if (!depth_ok(r[VBE_BPP]) || r[VBE_XRES] < 8 || r[VBE_XRES] % 8 ||
		r[VBE_XRES] > DISPLAY_MAX_SIDE || !r[VBE_YRES] || r[VBE_YRES] > DISPLAY_MAX_SIDE)
		return -EINVAL;
	return r[VBE_X_OFFSET] + r[VBE_XRES] <= r[VBE_VIRT_WIDTH] &&
			       r[VBE_Y_OFFSET] + r[VBE_YRES] <= r[VBE_VIRT_HEIGHT]
		       ? 0
		       : -EINVAL;
}

/* ---- reading ---- */

static uint16_t capability(unsigned index)
{
	return index == VBE_BPP ? 32 : DISPLAY_MAX_SIDE;
}

uint16_t vga_vbe_read(struct vga *v, unsigned index)
{
	if (index == VBE_MEMORY_64K)
		return (uint16_t)(v->vram_size / VGA_BANK);
	if (index >= VBE_MEMORY_64K)
		return 0;
	if (v->hw.vbe[VBE_ENABLE] & VBE_GETCAPS && is_mode(index))
		return capability(index);
	return v->hw.vbe[index];
}

/* ---- writing ---- */

static void set_virtual_width(struct vga *v, uint16_t width)
{
	uint16_t *r = v->hw.vbe;

	/* Whole bytes in every mode. */
	r[VBE_VIRT_WIDTH] = (uint16_t)align_down(CLAMP(width, r[VBE_XRES], UINT16_MAX - 7), 8);
	if (lines(v) < r[VBE_YRES])
		r[VBE_VIRT_WIDTH] = r[VBE_XRES];
	r[VBE_VIRT_HEIGHT] = (uint16_t)lines(v);
	r[VBE_X_OFFSET] = (uint16_t)MIN(r[VBE_X_OFFSET], r[VBE_VIRT_WIDTH] - r[VBE_XRES]);
	r[VBE_Y_OFFSET] = (uint16_t)MIN(r[VBE_Y_OFFSET], r[VBE_VIRT_HEIGHT] - r[VBE_YRES]);
}

/* Black, which with four planes is the same bytes. */
static void clear(struct vga *v)
{
	static const uint8_t zeros[4096];
	uint64_t size = (uint64_t)vga_vbe_pitch(&v->hw) * v->hw.vbe[VBE_YRES];

	if (!vga_vbe_pixel_bytes(&v->hw))
		size *= 4;
	for (uint64_t at = 0; at < size; at += sizeof(zeros))
		gmem_block_load(v->vram, at, zeros, MIN(size - at, sizeof(zeros)));
}

/* The guest's mode, made one that we have: multiples of 8 wide, as high as memory goes. False: there is none like it. */
static bool fix_mode(struct vga *v)
{
	uint16_t *r = v->hw.vbe;

	if (!depth_ok(r[VBE_BPP]) || r[VBE_XRES] < 8 || r[VBE_XRES] > DISPLAY_MAX_SIDE)
		return false;
	r[VBE_XRES] = (uint16_t)align_down(r[VBE_XRES], 8);
	r[VBE_VIRT_WIDTH] = r[VBE_XRES];
	r[VBE_YRES] = (uint16_t)MIN(r[VBE_YRES], MIN(lines(v), DISPLAY_MAX_SIDE));
	return r[VBE_YRES] > 0;
}

static void set_enable(struct vga *v, uint16_t value)
{
	bool was = vga_vbe_enabled(&v->hw);
	uint16_t *r = v->hw.vbe;

	r[VBE_ENABLE] = value;
	if (!(value & VBE_ENABLED) || was)
		return;
	if (!fix_mode(v)) {
		r[VBE_ENABLE] &= ~VBE_ENABLED;
		dev_guest_error(&v->pci.dev, "no such mode: %ux%u, %u bits a pixel", r[VBE_XRES],
			r[VBE_YRES], r[VBE_BPP]);
		return;
	}
	r[VBE_BANK] = r[VBE_X_OFFSET] = r[VBE_Y_OFFSET] = 0;
	set_virtual_width(v, r[VBE_XRES]);
	if (!(value & VBE_NOCLEAR))
		clear(v);
}

/* Offsets mean something in a mode only: it begins with none. */
static void set_offset(struct vga *v, unsigned index, uint16_t value)
{
	uint16_t *r = v->hw.vbe;
	unsigned room = index == VBE_X_OFFSET ? r[VBE_VIRT_WIDTH] - r[VBE_XRES]
					      : r[VBE_VIRT_HEIGHT] - r[VBE_YRES];

	if (vga_vbe_enabled(&v->hw))
		r[index] = (uint16_t)MIN(value, room);
}

void vga_vbe_write(struct vga *v, unsigned index, uint16_t value)
{
	uint16_t *r = v->hw.vbe;

	switch (index) {
	case VBE_ID:
		if (value >= VBE_ID_FIRST && value <= VBE_ID_LATEST)
			r[VBE_ID] = value;
		break;
	case VBE_XRES:
	case VBE_YRES:
	case VBE_BPP:
		if (!vga_vbe_enabled(&v->hw))
			r[index] = value;
		break;
	case VBE_ENABLE: set_enable(v, value); break;
	case VBE_BANK: r[VBE_BANK] = (uint16_t)(value & (v->vram_size / VGA_BANK - 1)); break;
	case VBE_VIRT_WIDTH:
		if (vga_vbe_enabled(&v->hw))
			set_virtual_width(v, value);
		break;
	case VBE_X_OFFSET:
	case VBE_Y_OFFSET: set_offset(v, index, value); break;
	default: break;
	}
}
