/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The picture. Registers are copied under the lock; then line after line is drawn beside what is shown, compared with it, and
 * what differs goes into the surface. So no CPU waits for us, and no write of theirs costs them anything: what a frame costs is
 * one look at display memory.
 *
 * The picture has the dots and scan lines that a monitor gets: modes of 200 lines are shown in 400, and 320 pixels in 640, and so
 * have the proportions that they were made for. Panning and the split screen: FreeVGA, "CRT Controller Registers".
 */
#include <string.h>

#include "devmodel/display/vga-internal.h"

/* Of a display that shows nothing and has shown nothing yet. */
#define BLANK_WIDTH  720
#define BLANK_HEIGHT 400
#define COUNTER_BITS 0xffffu
#define BLINK_NS     (NSEC_PER_SEC / 70)

/* ---- where the CRTC looks ---- */

struct vga_scan vga_scan_line(const struct vga_frame *f, unsigned y)
{
	const struct vga_hw *hw = &f->hw;
	uint8_t max_scan = hw->crtc[CRTC_MAX_SCAN], preset = hw->crtc[CRTC_PRESET_ROW];
	unsigned split = hw->crtc[CRTC_LINE_COMPARE] | (hw->crtc[CRTC_OVERFLOW] >> 4 & 1) << 8 |
			 (max_scan >> 6 & 1) << 9;
	unsigned rows = (max_scan & MAX_SCAN_ROWS) + 1u, stride = hw->crtc[CRTC_OFFSET] * 2u;
	struct vga_scan s = {.pan = hw->attr[ATTR_PAN]};
	bool below = y > split;

	if (below) {
		y -= split + 1;
		if (hw->attr[ATTR_MODE] & ATTR_PAN_SPLIT)
			s.pan = 0;
	} else {
		s.address = (uint32_t)(hw->crtc[CRTC_START_HIGH] << 8 | hw->crtc[CRTC_START_LOW]);
		s.address += preset >> 5 & 3;
	}
	if (max_scan & MAX_SCAN_DOUBLE)
		y /= 2;
	if (!below)
		y += preset & MAX_SCAN_ROWS;
	s.address += y / rows * stride;
	s.row_line = y % rows;
	return s;
}

/* What the counter's bits are wired to, see vga-internal.h about doublewords. */
static uint32_t crtc_address(const struct vga_hw *hw, uint32_t counter, unsigned row_line)
{
	uint8_t mode = hw->crtc[CRTC_MODE];
	uint32_t a = counter & COUNTER_BITS;
	bool packed = hw->crtc[CRTC_UNDERLINE] & UNDERLINE_DWORD ||
		      hw->seq[SEQ_MEMORY] & MEMORY_CHAIN_4;

	if (!packed && !(mode & MODE_BYTE))
		a = (a << 1 | (a >> (mode & MODE_A0_IS_A15 ? 15 : 13) & 1)) & COUNTER_BITS;
	if (!(mode & MODE_A13_IS_RA0))
		a = (a & ~0x2000u) | (row_line & 1) << 13;
	if (!(mode & MODE_A14_IS_RA1))
		a = (a & ~0x4000u) | (row_line >> 1 & 1) << 14;
	return a;
}

uint32_t vga_fetch(const struct vga_frame *f, uint32_t counter, unsigned row_line)
{
	uint32_t word = 0;

	gmem_block_read(f->vram, (uint64_t)crtc_address(&f->hw, counter, row_line) * 4, &word,
		sizeof(word));
	return word;
}

/* ---- VGA graphics ---- */

static void put_16(const struct vga_frame *f, uint32_t word, uint32_t *out)
{
	for (unsigned i = 0; i < 8; i++) {
		uint32_t bits = word >> (7 - i);

		out[i] = f->palette[(bits & 1) | (bits >> 7 & 2) | (bits >> 14 & 4) |
				    (bits >> 21 & 8)];
	}
}

/* Two bits a pixel, as the CGA has them: four pixels of planes 0 and 2, then four of 1 and 3. */
static void put_cga(const struct vga_frame *f, uint32_t word, uint32_t *out)
{
	for (unsigned i = 0; i < 8; i++) {
		uint32_t half = i < 4 ? word : word >> 8;
		unsigned shift = 6 - 2 * (i & 3);

		out[i] = f->palette[(half >> shift & 3) | (half >> (16 + shift) & 3) << 2];
	}
}

static void put_256(const struct vga_frame *f, uint32_t word, uint32_t *out)
{
	for (unsigned i = 0; i < 4; i++)
		out[i] = f->palette[word >> (8 * i) & 0xff];
}

static void graphics_line(struct vga_frame *f, unsigned y, uint32_t *out, unsigned n)
{
	uint8_t mode = f->hw.gc[GC_MODE];
	unsigned step = mode & GC_SHIFT_256 ? 4 : 8;
	struct vga_scan s = vga_scan_line(f, y);
	uint32_t pixels[8];

	for (unsigned done = 0; done < n; done += step) {
		uint32_t word = vga_fetch(f, s.address++, s.row_line);

		if (mode & GC_SHIFT_256)
			put_256(f, word, pixels);
		else if (mode & GC_SHIFT_CGA)
			put_cga(f, word, pixels);
		else
			put_16(f, word, pixels);
		memcpy(out + done, pixels, MIN(step, n - done) * sizeof(*out));
	}
}

static void blank_line(struct vga_frame *f, unsigned y, uint32_t *out, unsigned n)
{
	memset(out, 0, n * sizeof(*out));
}

/* ---- VBE ---- */

static uint32_t from_15(uint16_t v)
{
	uint32_t r = v >> 10 & 31, g = v >> 5 & 31, b = v & 31;

	return (r << 3 | r >> 2) << 16 | (g << 3 | g >> 2) << 8 | (b << 3 | b >> 2);
}

static uint32_t from_16(uint16_t v)
{
	uint32_t r = v >> 11, g = v >> 5 & 63, b = v & 31;

	return (r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 | (b << 3 | b >> 2);
}

static uint64_t vbe_line_start(const struct vga_frame *f, unsigned y)
{
	return (uint64_t)vga_vbe_pitch(&f->hw) * (y + f->hw.vbe[VBE_Y_OFFSET]);
}

/* The commonest depth: only the unused byte of each pixel is to go. */
static void vbe_32_line(struct vga_frame *f, unsigned y, uint32_t *out, unsigned n)
{
	if (gmem_block_read(f->vram, vbe_line_start(f, y) + f->hw.vbe[VBE_X_OFFSET] * 4u, out,
		    n * sizeof(*out)) < 0) {
		blank_line(f, y, out, n);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		out[i] &= 0xffffff;
}

/* Where display memory's line is copied to; NULL: it has none. */
static const uint8_t *fetch_line(struct vga_frame *f, unsigned y, unsigned n)
{
	unsigned bytes = vga_vbe_pixel_bytes(&f->hw);
	uint64_t at = vbe_line_start(f, y) + f->hw.vbe[VBE_X_OFFSET] * bytes;

	return gmem_block_read(f->vram, at, f->line_buffer, (size_t)n * bytes) < 0 ? NULL
										   : f->line_buffer;
}

static void vbe_8_line(struct vga_frame *f, unsigned y, uint32_t *out, unsigned n)
{
	const uint8_t *in = fetch_line(f, y, n);

	for (unsigned i = 0; i < n; i++)
		out[i] = in ? f->palette[in[i]] : 0;
}

static void vbe_15_line(struct vga_frame *f, unsigned y, uint32_t *out, unsigned n)
{
	const uint8_t *in = fetch_line(f, y, n);

	for (unsigned i = 0; i < n; i++)
		out[i] = in ? from_15((uint16_t)(in[2 * i] | in[2 * i + 1] << 8)) : 0;
}

static void vbe_16_line(struct vga_frame *f, unsigned y, uint32_t *out, unsigned n)
{
	const uint8_t *in = fetch_line(f, y, n);

	for (unsigned i = 0; i < n; i++)
		out[i] = in ? from_16((uint16_t)(in[2 * i] | in[2 * i + 1] << 8)) : 0;
}

static void vbe_24_line(struct vga_frame *f, unsigned y, uint32_t *out, unsigned n)
{
	const uint8_t *in = fetch_line(f, y, n);

	for (unsigned i = 0; i < n; i++)
		out[i] = in ? in[3 * i] | (uint32_t)in[3 * i + 1] << 8 |
					 (uint32_t)in[3 * i + 2] << 16
			    : 0;
}

/* Sixteen colours: bytes of the planes from whole addresses on. */
static void vbe_4_line(struct vga_frame *f, unsigned y, uint32_t *out, unsigned n)
{
	uint64_t at = (vbe_line_start(f, y) + f->hw.vbe[VBE_X_OFFSET] / 8) * 4;
	uint32_t word = 0;

	for (unsigned done = 0; done < n; done += 8, at += 4) {
		gmem_block_read(f->vram, at, &word, sizeof(word));
		put_16(f, word, out + done);
	}
}

/* ---- colours ---- */

static uint32_t dac_colour(const struct vga_hw *hw, unsigned index)
{
	const uint8_t *c = hw->dac[index & hw->dac_mask];
	uint32_t rgb = 0;

	for (unsigned i = 0; i < 3; i++) {
		unsigned v = c[i];

		if (!(hw->vbe[VBE_ENABLE] & VBE_DAC_8BIT))
			v = (v << 2 | v >> 4) & 0xff;
		rgb = rgb << 8 | v;
	}
	return rgb;
}

/* Of sixteen colours the attribute controller makes numbers of the DAC. */
static unsigned attr_colour(const struct vga_hw *hw, unsigned n)
{
	unsigned v = hw->attr[n & hw->attr[ATTR_PLANES]], select = hw->attr[ATTR_COLOUR];

	if (hw->attr[ATTR_MODE] & ATTR_P54)
		v = (v & 0x0f) | (select & 3) << 4;
	return (v & 0x3f) | (select >> 2 & 3) << 6;
}

static void make_palette(struct vga_frame *f, bool all)
{
	const struct vga_hw *hw = &f->hw;

	for (unsigned i = 0; i < 256; i++)
		f->palette[i] = dac_colour(hw, all ? i : attr_colour(hw, i & 0x0f));
}

/* ---- frames ---- */

static bool blanked(const struct vga_hw *hw)
{
	return !(hw->attr_index & ATTR_ON) || hw->seq[SEQ_CLOCKING] & CLOCKING_OFF;
}

static void frame_vbe(struct vga_frame *f)
{
	static const struct {
		unsigned bpp;
		void (*line)(struct vga_frame *f, unsigned y, uint32_t *out, unsigned n);
	} depths[] = {{8, vbe_8_line}, {15, vbe_15_line}, {16, vbe_16_line}, {24, vbe_24_line},
		{32, vbe_32_line}};

	f->width = f->hw.vbe[VBE_XRES];
	f->height = f->hw.vbe[VBE_YRES];
	f->scale = 1;
	f->line = vbe_4_line;
	for (size_t i = 0; i < ARRAY_SIZE(depths); i++) {
		if (depths[i].bpp == f->hw.vbe[VBE_BPP])
			f->line = depths[i].line;
	}
	make_palette(f, f->hw.vbe[VBE_BPP] == 8);
}

static void frame_vga(struct vga_frame *f)
{
	const struct vga_hw *hw = &f->hw;
	bool text = !(hw->gc[GC_MISC] & 1);
	unsigned clocks = hw->seq[SEQ_CLOCKING] & CLOCKING_HALF ? 2 : 1;

	f->width = (hw->crtc[CRTC_H_END] + 1u) * (text ? vga_char_dots(hw) : 8) * clocks;
	f->height = vga_crtc_lines(hw);
	f->scale = !text && hw->gc[GC_MODE] & GC_SHIFT_256 ? 2 * clocks : clocks;
	f->line = text ? vga_text_line : graphics_line;
	make_palette(f, !text && hw->gc[GC_MODE] & GC_SHIFT_256);
	if (text)
		vga_text_init(f);
}

/* What is off keeps its size: it may be in the middle of changing its mode. */
static void frame_blank(struct vga_frame *f, const struct display_surface *s)
{
	f->width = s->width ? s->width : BLANK_WIDTH;
	f->height = s->height ? s->height : BLANK_HEIGHT;
	f->scale = 1;
	f->line = blank_line;
}

static void frame_init(struct vga_frame *f, struct vga *v)
{
	uint64_t n;

	dev_lock(&v->pci.dev);
	f->hw = v->hw;
	n = (uint64_t)(dev_clock(&v->pci.dev, VM_CLOCK_VIRTUAL) / BLINK_NS);
	dev_unlock(&v->pci.dev);
	f->vram = v->vram;
	f->cursor_on = n % VGA_BLINK_FAST < VGA_BLINK_FAST / 2;
	f->blink_on = n % VGA_BLINK_SLOW < VGA_BLINK_SLOW / 2;
	if (vga_vbe_enabled(&f->hw))
		frame_vbe(f);
	else if (blanked(&f->hw))
		frame_blank(f, display_surface(v->display));
	else
		frame_vga(f);
}

/* Pixels that a line is shifted to the left by. Eight stands for none where characters are nine wide. */
static unsigned pan(const struct vga_frame *f, unsigned y)
{
	unsigned n;

	if (f->line != vga_text_line && f->line != graphics_line)
		return 0;
	n = vga_scan_line(f, y).pan;
	if (f->line == graphics_line)
		return f->hw.gc[GC_MODE] & GC_SHIFT_256 ? n / 2 & 3 : n & 7;
	return vga_char_dots(&f->hw) == 8 ? n & 7 : n < 8 ? n + 1 : 0;
}

/* Line @y as it is shown, in @out; @tmp is as long with VGA_PAN_MAX pixels more. */
static void draw_line(struct vga_frame *f, unsigned y, uint32_t *tmp, uint32_t *out)
{
	unsigned shift = pan(f, y), n = f->width / f->scale;

	if (f->scale == 1 && !shift) {
		f->line(f, y, out, n);
		return;
	}
	f->line(f, y, tmp, n + shift);
	for (unsigned i = 0; i < f->width; i++)
		out[i] = tmp[i / f->scale + shift];
}

/* ---- what has changed ---- */

/* A rectangle that grows by lines that follow each other. */
struct change {
	uint32_t left, right, top, lines;
};

static void change_flush(struct change *c, struct display *d)
{
	if (c->lines)
		display_update(
			d, (struct display_rect){c->left, c->top, c->right - c->left, c->lines});
	c->lines = 0;
}

static void change_add(struct change *c, uint32_t y, uint32_t left, uint32_t right)
{
	if (!c->lines)
		*c = (struct change){.left = left, .right = right, .top = y};
	c->left = MIN(c->left, left);
	c->right = MAX(c->right, right);
	c->lines++;
}

/* Brings one line of the surface to @now; false: it is so. */
static bool show_line(uint32_t *shown, const uint32_t *now, uint32_t width, uint32_t *ret_left,
	uint32_t *ret_right)
{
	uint32_t left = 0, right = width;

	if (memcmp(shown, now, width * sizeof(*now)) == 0)
		return false;
	while (shown[left] == now[left])
		left++;
	while (shown[right - 1] == now[right - 1])
		right--;
	memcpy(shown + left, now + left, (right - left) * sizeof(*now));
	*ret_left = left;
	*ret_right = right;
	return true;
}

static void show(struct vga_frame *f, struct display *d)
{
	const struct display_surface *s = display_surface(d);
	g_autofree uint32_t *now = g_new(uint32_t, f->width + 8);
	g_autofree uint32_t *tmp = g_new(uint32_t, f->width + 8 + VGA_PAN_MAX);
	struct change c = {};

	f->line_buffer = (uint8_t *)tmp;
	for (uint32_t y = 0; y < f->height; y++) {
		uint32_t *shown = (uint32_t *)(void *)(s->pixels + (size_t)y * s->stride), left,
			 right;

		draw_line(f, y, tmp, now);
		if (show_line(shown, now, f->width, &left, &right))
			change_add(&c, y, left, right);
		else
			change_flush(&c, d);
	}
	change_flush(&c, d);
}

void vga_refresh(struct display_source *source)
{
	struct vga *v = container_of(source, struct vga, source);
	const struct display_surface *s = display_surface(v->display);
	g_autofree struct vga_frame *f = g_new0(struct vga_frame, 1);

	frame_init(f, v);
	if (f->width == s->width && f->height == s->height)
		show(f, v->display);
	else if (display_resize(v->display, f->width, f->height) == 0)
		show(f, v->display);
}
