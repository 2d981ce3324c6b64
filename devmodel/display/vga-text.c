/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text modes: characters in plane 0, attributes in plane 1, their shapes in plane 2. FreeVGA, "VGA Text Mode Operation".
 */
#include <string.h>

#include "devmodel/display/vga-internal.h"

#define GLYPH_SIZE    32 /* bytes in plane 2, whatever the height of a row */
#define ATTR_BLINKS   0x80
#define ATTR_FONT_A   0x08
#define LINE_GRAPHICS 0xc0 /* to 0xdf: characters that reach into their ninth column */
#define LINE_LAST     0xdf

/* ---- shapes ---- */

/* Character map select: three bits, of which the third lies apart. */
static uint32_t font_address(uint8_t select, unsigned low, unsigned high)
{
	unsigned n = select >> low & 3;

	return n * 2 * VGA_FONT_SIZE + (select >> high & 1) * VGA_FONT_SIZE;
}

static void load_font(struct vga_frame *f, uint8_t *font, uint32_t address)
{
	g_autofree uint8_t *words = g_malloc(VGA_FONT_SIZE * 4);

	gmem_block_read(f->vram, (uint64_t)address * 4, words, VGA_FONT_SIZE * 4);
	for (unsigned i = 0; i < VGA_FONT_SIZE; i++)
		font[i] = words[4 * i + 2];
}

void vga_text_init(struct vga_frame *f)
{
	uint8_t select = f->hw.seq[SEQ_FONT];

	load_font(f, f->fonts[0], font_address(select, 0, 4));
	load_font(f, f->fonts[1], font_address(select, 2, 5));
	f->cells_of = UINT32_MAX;
}

/* ---- characters ---- */

static void load_row(struct vga_frame *f, uint32_t address)
{
	const uint8_t *crtc = f->hw.crtc;
	uint16_t cursor = (uint16_t)(crtc[CRTC_CURSOR_HIGH] << 8 | crtc[CRTC_CURSOR_LOW]);

	if (f->cells_of == address)
		return;
	f->cells_of = address;
	for (uint32_t i = 0; i < VGA_COLUMNS; i++) {
		uint32_t word = vga_fetch(f, address + i, 0);

		f->cells[i] = (struct vga_cell){
			.code = (uint8_t)word,
			.attr = (uint8_t)(word >> 8),
			.cursor = (uint16_t)(address + i) == cursor,
		};
	}
}

static bool cursor_line(const struct vga_frame *f, unsigned row_line)
{
	uint8_t start = f->hw.crtc[CRTC_CURSOR_START], end = f->hw.crtc[CRTC_CURSOR_END];

	return f->cursor_on && !(start & CURSOR_OFF) && row_line >= (start & MAX_SCAN_ROWS) &&
	       row_line <= (end & MAX_SCAN_ROWS);
}

/* The shape of one line of a character, leftmost pixel in bit 8. */
static unsigned shape(const struct vga_frame *f, const struct vga_cell *c, unsigned row_line)
{
	unsigned bits = f->fonts[c->attr & ATTR_FONT_A ? 1 : 0][c->code * GLYPH_SIZE + row_line]
			<< 1;
	bool reaches = c->code >= LINE_GRAPHICS && c->code <= LINE_LAST;

	if (reaches && f->hw.attr[ATTR_MODE] & ATTR_LINE_9TH)
		bits |= bits >> 1 & 1;
	if (row_line == (f->hw.crtc[CRTC_UNDERLINE] & MAX_SCAN_ROWS) && (c->attr & 0x77) == 0x01)
		bits = 0x1ff;
	if (c->cursor && cursor_line(f, row_line))
		bits = 0x1ff;
	return bits;
}

static void draw(const struct vga_frame *f, const struct vga_cell *c, unsigned row_line,
	uint32_t *out, unsigned dots)
{
	unsigned fg = c->attr & 0x0f, bg = c->attr >> 4, bits = shape(f, c, row_line);

	if (f->hw.attr[ATTR_MODE] & ATTR_BLINK) {
		bg &= 0x07;
		if (c->attr & ATTR_BLINKS && !f->blink_on &&
			!(c->cursor && cursor_line(f, row_line)))
			bits = 0;
	}
	for (unsigned i = 0; i < dots; i++)
		out[i] = f->palette[bits >> (8 - i) & 1 ? fg : bg];
}

void vga_text_line(struct vga_frame *f, unsigned y, uint32_t *out, unsigned n)
{
	unsigned dots = vga_char_dots(&f->hw);
	struct vga_scan s = vga_scan_line(f, y);
	uint32_t last[9];

	load_row(f, s.address);
	for (unsigned i = 0; i < VGA_COLUMNS && n; i++) {
		unsigned part = MIN(n, dots);

		draw(f, &f->cells[i], s.row_line, part < dots ? last : out, dots);
		if (part < dots)
			memcpy(out, last, part * sizeof(*out));
		out += part;
		n -= part;
	}
}
