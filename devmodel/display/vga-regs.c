/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports of the VGA. Where no bit is mentioned a register keeps what is written, and reads it back. */
#include <string.h>

#include "devmodel/display/vga-internal.h"

/* 25.175 and 28.322 MHz; the other two clocks of the IBM VGA are external and not there. */
static const uint32_t dot_clocks[] = {25175000, 28322000, 25175000, 25175000};

#define FRAME_NS       (NSEC_PER_SEC / 60)
#define LINE_NS_MIN    1000
#define DAC_STATE_READ 0x03 /* 0x3c7 as read: which of the two indexes was written last */
#define SWITCH_SENSE   0x10 /* 0x3c2 as read: a colour monitor is connected */
#define STATUS_BLANK   0x01 /* 0x3da */
#define STATUS_RETRACE 0x08
#define DAC_6BIT       0x3f

void vga_regs_reset(struct vga_hw *hw)
{
	*hw = (struct vga_hw){.misc = MISC_COLOUR, .enable = 1, .dac_mask = 0xff};
	hw->seq[SEQ_RESET] = 0x03;
}

/* ---- where the beam is ---- */

/* Lines and characters of a frame with their borders, and what of it is seen. */
struct timing {
	int64_t line_ns;
	unsigned lines, visible_lines, sync, sync_lines;
	unsigned columns, visible_columns;
};

static struct timing vbe_timing(const struct vga_hw *hw)
{
	unsigned y = hw->vbe[VBE_YRES];
	struct timing t = {
		.lines = y + y / 16 + 6,
		.visible_lines = y,
		.sync = y + 2,
		.sync_lines = 4,
		.columns = 5,
		.visible_columns = 4,
	};

	t.line_ns = FRAME_NS / t.lines;
	return t;
}

static struct timing crtc_timing(const struct vga_hw *hw)
{
	uint32_t clock = dot_clocks[(hw->misc & MISC_CLOCK) >> 2];
	struct timing t = {
		.lines = vga_crtc_10(hw, CRTC_V_TOTAL, 0, 5) + 2,
		.visible_lines = vga_crtc_lines(hw),
		.sync = vga_crtc_10(hw, CRTC_V_SYNC_START, 2, 7),
		.columns = hw->crtc[CRTC_H_TOTAL] + 5u,
		.visible_columns = hw->crtc[CRTC_H_END] + 1u,
	};
	unsigned dots = t.columns * vga_char_dots(hw);

	/* The end is known by its low four bits. */
	t.sync_lines = (hw->crtc[CRTC_V_SYNC_END] - t.sync) & 0x0f;
	if (hw->seq[SEQ_CLOCKING] & CLOCKING_HALF)
		dots *= 2;
	t.line_ns = MAX(dots * NSEC_PER_SEC / clock, LINE_NS_MIN);
	return t;
}

static uint8_t beam(struct vga *v)
{
	struct timing t = vga_vbe_enabled(&v->hw) ? vbe_timing(&v->hw) : crtc_timing(&v->hw);
	int64_t at = dev_clock(&v->pci.dev, VM_CLOCK_VIRTUAL) % (t.lines * t.line_ns);
	unsigned line = (unsigned)(at / t.line_ns);
	unsigned column = (unsigned)(at % t.line_ns * t.columns / t.line_ns);
	bool blank = line >= t.visible_lines || column >= t.visible_columns;
	bool retrace = line >= t.sync && line < t.sync + MAX(t.sync_lines, 1);

	return (blank ? STATUS_BLANK : 0) | (retrace ? STATUS_RETRACE | STATUS_BLANK : 0);
}

/* ---- indexed registers ---- */

static void seq_write(struct vga_hw *hw, uint8_t value)
{
	static const uint8_t bits[SEQ_REGS] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};

	if (hw->seq_index < SEQ_REGS)
		hw->seq[hw->seq_index] = value & bits[hw->seq_index];
}

/* Of protected registers only bit 8 of line compare can be written. */
static void crtc_write(struct vga_hw *hw, uint8_t value)
{
	unsigned i = hw->crtc_index;

	if (i >= CRTC_REGS)
		return;
	if (i > CRTC_OVERFLOW || !(hw->crtc[CRTC_V_SYNC_END] & PROTECT))
		hw->crtc[i] = value;
	else if (i == CRTC_OVERFLOW)
		hw->crtc[i] = (hw->crtc[i] & ~0x10) | (value & 0x10);
}

static void gc_write(struct vga_hw *hw, uint8_t value)
{
	static const uint8_t bits[GC_REGS] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};

	if (hw->gc_index < GC_REGS)
		hw->gc[hw->gc_index] = value & bits[hw->gc_index];
}

/* Index and data in turns. The palette's registers belong to the display while it is on. */
static void attr_write(struct vga_hw *hw, uint8_t value)
{
	static const uint8_t bits[] = {[ATTR_MODE] = 0xef,
		[ATTR_OVERSCAN] = 0xff,
		[ATTR_PLANES] = 0x3f,
		[ATTR_PAN] = 0x0f,
		[ATTR_COLOUR] = 0x0f};
	unsigned i = hw->attr_index & ATTR_INDEX;

	hw->attr_data = !hw->attr_data;
	if (hw->attr_data)
		hw->attr_index = value & (ATTR_INDEX | ATTR_ON);
	else if (i < ATTR_MODE && !(hw->attr_index & ATTR_ON))
		hw->attr[i] = value & 0x3f;
	else if (i >= ATTR_MODE && i < ATTR_REGS)
		hw->attr[i] = value & bits[i];
}

static uint8_t indexed(const uint8_t *regs, unsigned n, unsigned index)
{
	return index < n ? regs[index] : 0;
}

/* ---- DAC ---- */

static void dac_next(struct vga_hw *hw)
{
	hw->dac_part = (hw->dac_part + 1) % 3;
	if (!hw->dac_part)
		hw->dac_index++;
}

static uint8_t dac_read(struct vga_hw *hw)
{
	uint8_t value = hw->dac[hw->dac_index][hw->dac_part];

	dac_next(hw);
	return value;
}

/* An entry changes when all of it is there. */
static void dac_write(struct vga_hw *hw, uint8_t value)
{
	hw->dac_new[hw->dac_part] = hw->vbe[VBE_ENABLE] & VBE_DAC_8BIT ? value : value & DAC_6BIT;
	if (hw->dac_part == 2)
		memcpy(hw->dac[hw->dac_index], hw->dac_new, sizeof(hw->dac_new));
	dac_next(hw);
}

/* ---- ports ---- */

/* The CRTC and its neighbours are at 0x3bx or 0x3dx; nobody is at the other. Others are where they are. */
static bool decoded(const struct vga_hw *hw, uint16_t port)
{
	bool colour = hw->misc & MISC_COLOUR;

	return (port & 0x3f0) == (colour ? 0x3d0 : 0x3b0) || (port & 0x3f0) == 0x3c0;
}

/* Ports of both places by their number in the colour one. */
static uint16_t canonical(uint16_t port)
{
	return port < 0x3c0 ? port + 0x20 : port;
}

uint8_t vga_port_read(struct vga *v, uint16_t port)
{
	struct vga_hw *hw = &v->hw;

	if (!decoded(hw, port))
		return 0xff;
	switch (canonical(port)) {
	case 0x3c0: return hw->attr_index;
	case 0x3c1: return indexed(hw->attr, ATTR_REGS, hw->attr_index & ATTR_INDEX);
	case 0x3c2: return SWITCH_SENSE;
	case 0x3c3: return hw->enable;
	case 0x3c4: return hw->seq_index;
	case 0x3c5: return indexed(hw->seq, SEQ_REGS, hw->seq_index);
	case 0x3c6: return hw->dac_mask;
	case 0x3c7: return hw->dac_reading ? DAC_STATE_READ : 0;
	case 0x3c8: return hw->dac_index;
	case 0x3c9: return dac_read(hw);
	case 0x3ca: return hw->feature;
	case 0x3cc: return hw->misc;
	case 0x3ce: return hw->gc_index;
	case 0x3cf: return indexed(hw->gc, GC_REGS, hw->gc_index);
	case 0x3d4: return hw->crtc_index;
	case 0x3d5: return indexed(hw->crtc, CRTC_REGS, hw->crtc_index);
	case 0x3da: hw->attr_data = false; return beam(v);
	default: return 0xff;
	}
}

static void dac_select(struct vga_hw *hw, uint8_t index, bool reading)
{
	hw->dac_index = index;
	hw->dac_part = 0;
	hw->dac_reading = reading;
}

void vga_port_write(struct vga *v, uint16_t port, uint8_t value)
{
	struct vga_hw *hw = &v->hw;

	if (!decoded(hw, port))
		return;
	switch (canonical(port)) {
	case 0x3c0: attr_write(hw, value); break;
	case 0x3c2: hw->misc = value & ~0x10; break;
	case 0x3c3: hw->enable = value & 0x01; break;
	case 0x3c4: hw->seq_index = value & 0x07; break;
	case 0x3c5: seq_write(hw, value); break;
	case 0x3c6: hw->dac_mask = value; break;
	case 0x3c7: dac_select(hw, value, true); break;
	case 0x3c8: dac_select(hw, value, false); break;
	case 0x3c9: dac_write(hw, value); break;
	case 0x3ce: hw->gc_index = value & 0x0f; break;
	case 0x3cf: gc_write(hw, value); break;
	case 0x3d4: hw->crtc_index = value & 0x3f; break;
	case 0x3d5: crtc_write(hw, value); break;
	case 0x3da: hw->feature = value & 0x0b; break;
	default: break;
	}
}
