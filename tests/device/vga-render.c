/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pictures of the VGA. What a pixel must be is worked out here from what was written to memory, one pixel at a time, by the rules
 * of the mode and of nothing else.
 */
#include "tests/device/vga-rig.h"

#define TEXT 0x18000 /* of the window */

static void refresh(struct vga_rig *v, uint32_t width, uint32_t height)
{
	display_refresh(v->display);
	g_assert_cmpuint(display_surface(v->display)->width, ==, width);
	g_assert_cmpuint(display_surface(v->display)->height, ==, height);
}

/* A DAC in which every entry is another colour. */
static uint32_t colour(unsigned index)
{
	unsigned r = index & 63, g = (index * 7) & 63, b = 63 - (index >> 2);

	return (r << 2 | r >> 4) << 16 | (g << 2 | g >> 4) << 8 | (b << 2 | b >> 4);
}

static void fill_dac(struct vga_rig *v)
{
	for (unsigned i = 0; i < 256; i++)
		vga_dac(v, (uint8_t)i, i & 63, (i * 7) & 63, (uint8_t)(63 - (i >> 2)));
}

/* What the palette of modes 3 and 12h makes of sixteen colours. */
static uint32_t ega(unsigned n)
{
	static const uint8_t entries[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38,
		0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f};

	return colour(entries[n]);
}

/* ---- text ---- */

#define COLUMNS 80
#define ROWS    25

/* A font of noise: what each line of each character looks like. */
static uint8_t glyph(unsigned font, unsigned code, unsigned line)
{
	return (uint8_t)((code * 31 + line * 57 + font * 101) ^ (code >> 3));
}

/* Character map @font, whose first byte is at @at of plane 2. */
static void load_font(struct vga_rig *v, unsigned font, uint32_t at)
{
	vga_out_at(v, 0x3c4, 2, 0x04);
	vga_out_at(v, 0x3c4, 4, 0x06);
	vga_out_at(v, 0x3ce, 5, 0x00);
	vga_out_at(v, 0x3ce, 6, 0x04);
	for (unsigned code = 0; code < 256; code++) {
		for (unsigned line = 0; line < 16; line++)
			vga_poke(v, at + code * 32 + line, glyph(font, code, line));
	}
	vga_out_at(v, 0x3c4, 2, 0x03);
	vga_out_at(v, 0x3c4, 4, 0x02);
	vga_out_at(v, 0x3ce, 5, 0x10);
	vga_out_at(v, 0x3ce, 6, 0x0e);
}

static uint8_t code_at(unsigned n)
{
	return (uint8_t)(n * 7 + n / 80);
}

static uint8_t attr_at(unsigned n)
{
	return (uint8_t)(n * 13 + 3);
}

static void fill_text(struct vga_rig *v)
{
	for (unsigned n = 0; n < COLUMNS * ROWS; n++) {
		vga_poke(v, TEXT + 2 * n, code_at(n));
		vga_poke(v, TEXT + 2 * n + 1, attr_at(n));
	}
}

/* What a test can choose about a text screen. */
struct text {
	unsigned dots;   /* 8 or 9 */
	unsigned first;  /* character at the upper left */
	unsigned cursor; /* whose lines 13 and 14 are full; ROWS * COLUMNS: none */
	unsigned font_a; /* of characters with bit 3 of their attribute */
	bool blink_off;  /* in the dark half of blinking */
	unsigned underline;
};

static uint32_t text_pixel(const struct text *t, unsigned x, unsigned y)
{
	unsigned n = t->first + y / 16 * COLUMNS + x / t->dots, line = y % 16, dot = x % t->dots;
	unsigned attr = attr_at(n), font = attr & 8 ? t->font_a : 0;
	bool on = dot < 8 ? glyph(font, code_at(n), line) >> (7 - dot) & 1
			  : code_at(n) >= 0xc0 && code_at(n) < 0xe0 &&
				    glyph(font, code_at(n), line) & 1;

	if (line == t->underline && (attr & 0x77) == 1)
		on = true;
	if (attr & 0x80 && t->blink_off)
		on = false;
	if (n == t->cursor && (line == 13 || line == 14))
		on = true;
	return ega(on ? attr & 15 : attr >> 4 & 7);
}

static void check_text(struct vga_rig *v, const struct text *t)
{
	refresh(v, COLUMNS * t->dots, 400);
	for (unsigned y = 0; y < 400; y++) {
		for (unsigned x = 0; x < COLUMNS * t->dots; x++) {
			if (t->first + y / 16 * COLUMNS + x / t->dots < COLUMNS * ROWS)
				g_assert_cmphex(vga_pixel(v, x, y), ==, text_pixel(t, x, y));
		}
	}
}

static void text(struct vga_rig *v)
{
	struct text t = {.dots = 9, .cursor = 85, .underline = 32};

	vga_mode(v, 0x03);
	fill_dac(v);
	load_font(v, 0, 0);
	fill_text(v);
	vga_out_at(v, 0x3d4, 0x0e, 0);
	vga_out_at(v, 0x3d4, 0x0f, 85);
	check_text(v, &t);
	/* eight dots; no cursor; scrolled */
	vga_out_at(v, 0x3c4, 1, 0x01);
	vga_out_at(v, 0x3d4, 0x0a, 0x2d);
	vga_out_at(v, 0x3d4, 0x0d, 3 * COLUMNS);
	t = (struct text){
		.dots = 8, .cursor = COLUMNS * ROWS, .first = 3 * COLUMNS, .underline = 32};
	check_text(v, &t);
	/* a second font in the fourth map, underlined characters */
	load_font(v, 1, 0xc000);
	vga_out_at(v, 0x3c4, 3, 0x0c);
	vga_out_at(v, 0x3d4, 0x14, 15);
	t.font_a = 1;
	t.underline = 15;
	check_text(v, &t);
}

static void blinking(struct vga_rig *v)
{
	struct text t = {.dots = 9, .cursor = 85, .underline = 32};
	int64_t frame = NSEC_PER_SEC / 70;

	vga_mode(v, 0x03);
	fill_dac(v);
	load_font(v, 0, 0);
	fill_text(v);
	vga_out_at(v, 0x3d4, 0x0f, 85);
	check_text(v, &t);
	clock_step_to(v->r->clocks, 8 * frame + frame / 2);
	t.cursor = COLUMNS * ROWS;
	check_text(v, &t);
	clock_step_to(v->r->clocks, 16 * frame + frame / 2);
	t.cursor = 85;
	t.blink_off = true;
	check_text(v, &t);
	clock_step_to(v->r->clocks, 32 * frame + frame / 2);
	t.blink_off = false;
	check_text(v, &t);
}

/* ---- IBM graphics ---- */

static uint8_t noise(uint32_t n)
{
	return (uint8_t)(n * 151 + (n >> 8) * 37 + (n >> 16));
}

static void graphics_16(struct vga_rig *v)
{
	vga_mode(v, 0x12);
	fill_dac(v);
	for (unsigned p = 0; p < 4; p++) {
		vga_out_at(v, 0x3c4, 2, 1u << p);
		for (uint32_t n = 0; n < 80 * 480; n++)
			vga_poke(v, n, noise(n + p * 1000));
	}
	refresh(v, 640, 480);
	for (unsigned y = 0; y < 480; y++) {
		for (unsigned x = 0; x < 640; x++) {
			unsigned n = y * 80 + x / 8, c = 0;

			for (unsigned p = 0; p < 4; p++)
				c |= (unsigned)(noise(n + p * 1000) >> (7 - x % 8) & 1) << p;
			g_assert_cmphex(vga_pixel(v, x, y), ==, ega(c));
		}
	}
	/* five pixels to the left; below line 99 from the beginning, and not shifted */
	vga_attr(v, 0x30, 0x21);
	vga_attr(v, 0x33, 5);
	vga_out_at(v, 0x3d4, 0x0d, 80);
	vga_out_at(v, 0x3d4, 0x18, 99);
	vga_out_at(v, 0x3d4, 0x07, 0x2e);
	vga_out_at(v, 0x3d4, 0x09, 0x00);
	refresh(v, 640, 480);
	for (unsigned y = 0; y < 400; y++) {
		for (unsigned x = 0; x < 600; x++) {
			unsigned at = y <= 99 ? x + 5 : x, row = y <= 99 ? y + 1 : y - 100;
			unsigned n = row * 80 + at / 8, c = 0;

			for (unsigned p = 0; p < 4; p++)
				c |= (unsigned)(noise(n + p * 1000) >> (7 - at % 8) & 1) << p;
			g_assert_cmphex(vga_pixel(v, x, y), ==, ega(c));
		}
	}
}

static void graphics_256(struct vga_rig *v)
{
	vga_mode(v, 0x13);
	fill_dac(v);
	for (uint32_t n = 0; n < 320 * 200; n++)
		vga_poke(v, n, noise(n));
	refresh(v, 640, 400);
	for (unsigned y = 0; y < 400; y++) {
		for (unsigned x = 0; x < 640; x++)
			g_assert_cmphex(vga_pixel(v, x, y), ==, colour(noise(y / 2 * 320 + x / 2)));
	}
	vga_out(v, 0x3c6, 0x0f);
	refresh(v, 640, 400);
	g_assert_cmphex(vga_pixel(v, 6, 0), ==, colour(noise(3) & 0x0f));
	vga_out(v, 0x3c6, 0xff);
	/* unchained: four pages, the second shown; one pixel to the left is two in the register */
	vga_out_at(v, 0x3c4, 4, 0x06);
	vga_out_at(v, 0x3d4, 0x14, 0x00);
	vga_out_at(v, 0x3d4, 0x17, 0xe3);
	for (unsigned p = 0; p < 4; p++) {
		vga_out_at(v, 0x3c4, 2, 1u << p);
		for (uint32_t n = 0; n < 80 * 200; n++)
			vga_poke(v, 16000 + n, noise(n * 4 + p + 5));
	}
	vga_out_at(v, 0x3d4, 0x0c, 16000 >> 8);
	vga_out_at(v, 0x3d4, 0x0d, 16000 & 0xff);
	vga_attr(v, 0x33, 2);
	refresh(v, 640, 400);
	for (unsigned y = 0; y < 398; y++) {
		for (unsigned x = 0; x < 640; x++)
			g_assert_cmphex(
				vga_pixel(v, x, y), ==, colour(noise(y / 2 * 320 + x / 2 + 1 + 5)));
	}
}

/* 320 by 200 in four colours: even and odd lines in two banks. */
static void cga_4(struct vga_rig *v)
{
	static const uint8_t palette[] = {0x00, 0x13, 0x15, 0x17};

	vga_mode(v, 0x04);
	fill_dac(v);
	for (uint32_t n = 0; n < 16384; n++)
		vga_poke(v, TEXT + n, noise(n));
	refresh(v, 640, 400);
	for (unsigned y = 0; y < 400; y++) {
		for (unsigned x = 0; x < 640; x++) {
			unsigned line = y / 2, n = (line & 1) * 8192 + line / 2 * 80 + x / 8;
			unsigned c = noise(n) >> (6 - 2 * (x / 2 % 4)) & 3;

			g_assert_cmphex(vga_pixel(v, x, y), ==, colour(palette[c]));
		}
	}
}

static void cga_2(struct vga_rig *v)
{
	vga_mode(v, 0x06);
	fill_dac(v);
	for (uint32_t n = 0; n < 16384; n++)
		vga_poke(v, TEXT + n, noise(n));
	refresh(v, 640, 400);
	for (unsigned y = 0; y < 400; y++) {
		for (unsigned x = 0; x < 640; x++) {
			unsigned line = y / 2, n = (line & 1) * 8192 + line / 2 * 80 + x / 8;

			g_assert_cmphex(vga_pixel(v, x, y), ==,
				colour(noise(n) >> (7 - x % 8) & 1 ? 0x17 : 0x00));
		}
	}
}

static void colour_select(struct vga_rig *v)
{
	vga_mode(v, 0x12);
	fill_dac(v);
	vga_out_at(v, 0x3c4, 2, 0x05);
	vga_poke(v, 0, 0x80);
	vga_attr(v, 0x30, 0x81);
	vga_attr(v, 0x34, 0x0e);
	refresh(v, 640, 480);
	g_assert_cmphex(vga_pixel(v, 0, 0), ==, colour(0xe5));
	vga_attr(v, 0x32, 0x04);
	refresh(v, 640, 480);
	g_assert_cmphex(vga_pixel(v, 0, 0), ==, colour(0xe4));
}

/* ---- VBE ---- */

static uint32_t expand(unsigned v, unsigned bits)
{
	return (v << (8 - bits) | v >> (2 * bits - 8)) & 0xff;
}

/* The colour of the pixel whose bytes are noise from @n on. */
static uint32_t vbe_colour(unsigned bpp, uint32_t n)
{
	unsigned v = noise(n) | noise(n + 1) << 8;

	switch (bpp) {
	case 8: return colour(noise(n));
	case 15:
		return expand(v >> 10 & 31, 5) << 16 | expand(v >> 5 & 31, 5) << 8 |
		       expand(v & 31, 5);
	case 16: return expand(v >> 11, 5) << 16 | expand(v >> 5 & 63, 6) << 8 | expand(v & 31, 5);
	default: return v | (uint32_t)noise(n + 2) << 16;
	}
}

static void vbe_depth(struct vga_rig *v, unsigned bpp)
{
	unsigned bytes = (bpp + 7) / 8, pitch = 160 * bytes;

	vbe_mode(v, 128, 64, (uint16_t)bpp);
	fill_dac(v);
	vbe_out(v, VBE_REG_VIRT_WIDTH, 160);
	vbe_out(v, VBE_REG_X_OFFSET, 9);
	vbe_out(v, VBE_REG_Y_OFFSET, 3);
	for (uint32_t n = 0; n < pitch * 80; n++)
		rig_write(v->r, BUS_MMIO, VGA_FB + n, 1, noise(n));
	refresh(v, 128, 64);
	for (unsigned y = 0; y < 64; y++) {
		for (unsigned x = 0; x < 128; x++)
			g_assert_cmphex(vga_pixel(v, x, y), ==,
				vbe_colour(bpp, (y + 3) * pitch + (x + 9) * bytes));
	}
}

static void vbe_depths(struct vga_rig *v)
{
	static const uint8_t depths[] = {8, 15, 16, 24, 32};

	vga_rig_map(v);
	for (unsigned i = 0; i < ARRAY_SIZE(depths); i++)
		vbe_depth(v, depths[i]);
}

static void vbe_planes(struct vga_rig *v)
{
	vga_rig_map(v);
	vga_mode(v, 0x12);
	fill_dac(v);
	vbe_mode(v, 800, 600, 4);
	rig_write(v->r, BUS_MMIO, VGA_FB + (599 * 100 + 99) * 4, 4, 0x01000101);
	refresh(v, 800, 600);
	g_assert_cmphex(vga_pixel(v, 799, 599), ==, ega(0x0b));
	g_assert_cmphex(vga_pixel(v, 798, 599), ==, ega(0));
}

static void dac_of_8_bits(struct vga_rig *v)
{
	vga_rig_map(v);
	vbe_mode(v, 640, 480, 8);
	vbe_out(v, VBE_REG_ENABLE, 0x61);
	vga_dac(v, 1, 0x12, 0x34, 0xfe);
	rig_write(v->r, BUS_MMIO, VGA_FB, 1, 1);
	refresh(v, 640, 480);
	g_assert_cmphex(vga_pixel(v, 0, 0), ==, 0x1234fe);
}

/* ---- what changes ---- */

struct watcher {
	struct display_viewer v;
	GArray *rects;
};

static void resized(struct display_viewer *v, const struct display_surface *s)
{
}

static void updated(struct display_viewer *v, struct display_rect r)
{
	g_array_append_val(container_of(v, struct watcher, v)->rects, r);
}

/* Only what differs is named, and of a screen that stands still nothing. */
static void changes(struct vga_rig *v)
{
	struct watcher w = {.v = {.resized = resized, .updated = updated}};
	const struct display_rect *r;

	w.rects = g_array_new(FALSE, FALSE, sizeof(struct display_rect));
	vga_rig_map(v);
	vbe_mode(v, 640, 480, 32);
	display_view(v->display, &w.v);
	display_refresh(v->display);
	g_array_set_size(w.rects, 0);
	display_refresh(v->display);
	g_assert_cmpuint(w.rects->len, ==, 0);
	rig_write(v->r, BUS_MMIO, VGA_FB + (10 * 640 + 20) * 4, 4, 0xffffff);
	rig_write(v->r, BUS_MMIO, VGA_FB + (11 * 640 + 30) * 4, 4, 0xffffff);
	rig_write(v->r, BUS_MMIO, VGA_FB + (400 * 640 + 639) * 4, 4, 0xffffff);
	/* the byte that is not seen */
	rig_write(v->r, BUS_MMIO, VGA_FB + 3, 1, 0xff);
	display_refresh(v->display);
	g_assert_cmpuint(w.rects->len, ==, 2);
	r = (const struct display_rect *)(void *)w.rects->data;
	g_assert_true(r[0].x == 20 && r[0].y == 10 && r[0].w == 11 && r[0].h == 2);
	g_assert_true(r[1].x == 639 && r[1].y == 400 && r[1].w == 1 && r[1].h == 1);
	display_unview(v->display, &w.v);
	g_array_free(w.rects, TRUE);
}

/* A screen that is off is black and keeps its size. */
static void off(struct vga_rig *v)
{
	refresh(v, 720, 400);
	g_assert_cmphex(vga_pixel(v, 0, 0), ==, 0);
	vga_mode(v, 0x12);
	vga_dac(v, 0, 63, 63, 63);
	refresh(v, 640, 480);
	g_assert_cmphex(vga_pixel(v, 0, 0), ==, 0xffffff);
	vga_out_at(v, 0x3c4, 1, 0x21);
	refresh(v, 640, 480);
	g_assert_cmphex(vga_pixel(v, 0, 0), ==, 0);
	vga_out_at(v, 0x3c4, 1, 0x01);
	vga_in(v, 0x3da);
	vga_out(v, 0x3c0, 0x00);
	refresh(v, 640, 480);
	g_assert_cmphex(vga_pixel(v, 0, 0), ==, 0);
}

static void run(gconstpointer fn)
{
	struct vga_rig v;

	vga_rig_init(&v);
	((void (*)(struct vga_rig *))(uintptr_t)fn)(&v);
	vga_rig_done(&v);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *path;
		void (*fn)(struct vga_rig *v);
	} tests[] = {
		{"/vga-render/text", text},
		{"/vga-render/blinking", blinking},
		{"/vga-render/graphics-16", graphics_16},
		{"/vga-render/graphics-256", graphics_256},
		{"/vga-render/cga-4", cga_4},
		{"/vga-render/cga-2", cga_2},
		{"/vga-render/colour-select", colour_select},
		{"/vga-render/vbe-depths", vbe_depths},
		{"/vga-render/vbe-planes", vbe_planes},
		{"/vga-render/dac-of-8-bits", dac_of_8_bits},
		{"/vga-render/changes", changes},
		{"/vga-render/off", off},
	};

	g_test_init(&argc, &argv, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(tests); i++)
		g_test_add_data_func(tests[i].path, (gconstpointer)(uintptr_t)tests[i].fn, run);
	return g_test_run();
}
