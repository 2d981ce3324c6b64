/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VGA's registers and memory, as a driver sees them. */
#include "tests/device/vga-rig.h"

#include "base/qs.h"

#define FRAME_US 14268 /* of mode 3: 900 dots by 449 lines at 28.322 MHz */

/* ---- registers ---- */

/* All bits written, those that exist read. */
static void check_bits(struct vga_rig *v, uint16_t port, const uint8_t *bits, uint8_t n)
{
	for (uint8_t i = 0; i < n; i++) {
		vga_out_at(v, port, i, 0xff);
		g_assert_cmphex(vga_in_at(v, port, i), ==, bits[i]);
		vga_out_at(v, port, i, 0x00);
		g_assert_cmphex(vga_in_at(v, port, i), ==, 0x00);
	}
}

static void indexed_registers(struct vga_rig *v)
{
	static const uint8_t seq[] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
	static const uint8_t gc[] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
	uint8_t crtc[25];

	memset(crtc, 0xff, sizeof(crtc));
	check_bits(v, 0x3c4, seq, sizeof(seq));
	check_bits(v, 0x3ce, gc, sizeof(gc));
	check_bits(v, 0x3d4, crtc, sizeof(crtc));
	vga_out(v, 0x3c4, 0xff);
	g_assert_cmphex(vga_in(v, 0x3c4), ==, 0x07);
	g_assert_cmphex(vga_in(v, 0x3c5), ==, 0);
	vga_out(v, 0x3d4, 0xff);
	g_assert_cmphex(vga_in(v, 0x3d4), ==, 0x3f);
	vga_out(v, 0x3d5, 0x12);
	g_assert_cmphex(vga_in(v, 0x3d5), ==, 0);
}

static void crtc_protection(struct vga_rig *v)
{
	vga_out_at(v, 0x3d4, 0x07, 0x01);
	vga_out_at(v, 0x3d4, 0x11, 0x80);
	vga_out_at(v, 0x3d4, 0x00, 0x55);
	vga_out_at(v, 0x3d4, 0x07, 0xfe);
	vga_out_at(v, 0x3d4, 0x08, 0x55);
	g_assert_cmphex(vga_in_at(v, 0x3d4, 0x00), ==, 0);
	g_assert_cmphex(vga_in_at(v, 0x3d4, 0x07), ==, 0x11);
	g_assert_cmphex(vga_in_at(v, 0x3d4, 0x08), ==, 0x55);
}

static void attribute_controller(struct vga_rig *v)
{
	vga_attr(v, 0x05, 0xff);
	g_assert_cmphex(vga_attr_get(v, 0x05), ==, 0x3f);
	vga_attr(v, 0x10, 0xff);
	g_assert_cmphex(vga_attr_get(v, 0x10), ==, 0xef);
	vga_attr(v, 0x13, 0xff);
	g_assert_cmphex(vga_attr_get(v, 0x13), ==, 0x0f);
	vga_attr(v, 0x15, 0xff);
	g_assert_cmphex(vga_attr_get(v, 0x15), ==, 0);
	/* while the display has the palette nobody writes it */
	vga_attr(v, 0x25, 0x11);
	g_assert_cmphex(vga_attr_get(v, 0x05), ==, 0x3f);
	vga_attr(v, 0x31, 0x22);
	g_assert_cmphex(vga_attr_get(v, 0x11), ==, 0x22);
	vga_in(v, 0x3da);
	vga_out(v, 0x3c0, 0x33);
	g_assert_cmphex(vga_in(v, 0x3c0), ==, 0x33);
	/* without 0x3da the next write is data */
	vga_out(v, 0x3c0, 0x02);
	g_assert_cmphex(vga_in(v, 0x3c0), ==, 0x33);
	g_assert_cmphex(vga_attr_get(v, 0x13), ==, 0x02);
}

static void dac(struct vga_rig *v)
{
	vga_out(v, 0x3c8, 0xff);
	g_assert_cmphex(vga_in(v, 0x3c7), ==, 0x00);
	for (unsigned i = 0; i < 6; i++)
		vga_out(v, 0x3c9, (uint8_t)(0xc1 + i));
	g_assert_cmphex(vga_in(v, 0x3c8), ==, 0x01);
	/* an entry that was not completed stays as it was */
	vga_out(v, 0x3c9, 0x3f);
	vga_out(v, 0x3c7, 0xff);
	g_assert_cmphex(vga_in(v, 0x3c7), ==, 0x03);
	for (unsigned i = 0; i < 6; i++)
		g_assert_cmphex(vga_in(v, 0x3c9), ==, 0x01 + i);
	g_assert_cmphex(vga_in(v, 0x3c9), ==, 0x00);
	vga_out(v, 0x3c6, 0x5a);
	g_assert_cmphex(vga_in(v, 0x3c6), ==, 0x5a);
	vbe_out(v, VBE_REG_ENABLE, 0x20);
	vga_dac(v, 7, 0xc1, 0xff, 0x80);
	vga_out(v, 0x3c7, 7);
	g_assert_cmphex(vga_in(v, 0x3c9), ==, 0xc1);
	g_assert_cmphex(vga_in(v, 0x3c9), ==, 0xff);
	g_assert_cmphex(vga_in(v, 0x3c9), ==, 0x80);
}

static void mono_and_colour(struct vga_rig *v)
{
	vga_out(v, 0x3c2, 0x00);
	g_assert_cmphex(vga_in(v, 0x3cc), ==, 0x00);
	vga_out(v, 0x3b4, 0x0e);
	g_assert_cmphex(vga_in(v, 0x3b4), ==, 0x0e);
	g_assert_cmphex(vga_in(v, 0x3d4), ==, 0xff);
	vga_out(v, 0x3da, 0x01);
	vga_out(v, 0x3ba, 0x02);
	g_assert_cmphex(vga_in(v, 0x3ca), ==, 0x02);
	vga_out(v, 0x3c2, 0xff);
	g_assert_cmphex(vga_in(v, 0x3cc), ==, 0xef);
	g_assert_cmphex(vga_in(v, 0x3d4), ==, 0x0e);
	g_assert_cmphex(vga_in(v, 0x3b4), ==, 0xff);
	g_assert_cmphex(vga_in(v, 0x3c2) & 0x10, ==, 0x10);
	/* the parallel port's place is not ours */
	g_assert_cmphex(vga_in(v, 0x3bc), ==, 0xff);
	vga_out(v, 0x3c3, 0xff);
	g_assert_cmphex(vga_in(v, 0x3c3), ==, 0x01);
}

/* A frame of mode 3: retrace and blanking as long and as often as on the real one. */
static void retrace(struct vga_rig *v)
{
	unsigned retraces = 0, blanks = 0, begins = 0;
	bool last = false;

	vga_mode(v, 0x03);
	for (unsigned us = 0; us < 10 * FRAME_US; us++) {
		uint8_t status = vga_in(v, 0x3da);

		retraces += status >> 3 & 1;
		blanks += status & 1;
		begins += (status & 8) && !last;
		last = status & 8;
		clock_step_to(v->r->clocks, clock_now(v->r->clocks, VM_CLOCK_VIRTUAL) + 1000);
	}
	g_assert_cmpuint(begins, ==, 10);
	/* two lines of 31.8 µs each */
	g_assert_cmpuint(retraces, >=, 10 * 62);
	g_assert_cmpuint(retraces, <=, 10 * 66);
	/* 1 - 400/449 · 80/100 of the time */
	g_assert_cmpuint(blanks, >=, FRAME_US * 10 * 0.27);
	g_assert_cmpuint(blanks, <=, FRAME_US * 10 * 0.31);
	vbe_mode(v, 1024, 768, 32);
	for (unsigned us = begins = 0; us < 1000000; us += 50) {
		uint8_t status = vga_in(v, 0x3da);

		begins += (status & 8) && !last;
		last = status & 8;
		clock_step_to(v->r->clocks, clock_now(v->r->clocks, VM_CLOCK_VIRTUAL) + 50000);
	}
	g_assert_cmpuint(begins, >=, 59);
	g_assert_cmpuint(begins, <=, 61);
}

/* ---- memory ---- */

/* Planes 0 to 3 at @offset, read in mode 0. */
static uint32_t planes(struct vga_rig *v, uint32_t offset)
{
	uint32_t word = 0;

	for (uint8_t p = 0; p < 4; p++) {
		vga_out_at(v, 0x3ce, 4, p);
		word |= (uint32_t)vga_peek(v, offset) << (8 * p);
	}
	return word;
}

static void set_planes(struct vga_rig *v, uint32_t offset, uint32_t word)
{
	for (unsigned p = 0; p < 4; p++) {
		vga_out_at(v, 0x3c4, 2, 1u << p);
		vga_poke(v, offset, (uint8_t)(word >> (8 * p)));
	}
	vga_out_at(v, 0x3c4, 2, 0x0f);
}

static void write_mode_0(struct vga_rig *v)
{
	vga_mode(v, 0x12);
	set_planes(v, 5, 0x44332211);
	g_assert_cmphex(planes(v, 5), ==, 0x44332211);
	g_assert_cmphex(planes(v, 4), ==, 0);
	/* map mask */
	vga_out_at(v, 0x3c4, 2, 0x05);
	vga_poke(v, 5, 0xff);
	g_assert_cmphex(planes(v, 5), ==, 0x44ff22ff);
	/* set/reset of planes 0 and 1, to 0 and 1 */
	vga_out_at(v, 0x3c4, 2, 0x0f);
	vga_out_at(v, 0x3ce, 0, 0x02);
	vga_out_at(v, 0x3ce, 1, 0x03);
	vga_poke(v, 5, 0x5a);
	g_assert_cmphex(planes(v, 5), ==, 0x5a5aff00);
	/* bit mask: the rest comes from the latches, not from memory */
	vga_out_at(v, 0x3ce, 1, 0);
	set_planes(v, 6, 0x01020304);
	vga_out_at(v, 0x3ce, 8, 0xf0);
	vga_peek(v, 6);
	vga_poke(v, 5, 0xaa);
	g_assert_cmphex(planes(v, 5), ==, 0xa1a2a3a4);
	/* rotate, and the logical functions */
	vga_out_at(v, 0x3ce, 8, 0xff);
	vga_out_at(v, 0x3ce, 3, 0x03);
	vga_poke(v, 5, 0x81);
	g_assert_cmphex(planes(v, 5), ==, 0x30303030);
	for (uint8_t f = 1; f <= 3; f++) {
		/* 0x1e with 0x01020304: and, or, exclusive or */
		static const uint32_t expected[] = {0, 0x00020204, 0x1f1e1f1e, 0x1f1c1d1a};

		vga_out_at(v, 0x3ce, 3, 0);
		set_planes(v, 6, 0x01020304);
		vga_peek(v, 6);
		vga_out_at(v, 0x3ce, 3, (uint8_t)(f << 3));
		vga_poke(v, 7, 0x1e);
		g_assert_cmphex(planes(v, 7), ==, expected[f]);
	}
}

static void write_modes_1_to_3(struct vga_rig *v)
{
	vga_mode(v, 0x12);
	set_planes(v, 1, 0x44332211);
	vga_out_at(v, 0x3ce, 5, 0x01);
	vga_peek(v, 1);
	vga_poke(v, 2, 0xff);
	g_assert_cmphex(planes(v, 2), ==, 0x44332211);
	/* a colour */
	vga_out_at(v, 0x3ce, 5, 0x02);
	vga_out_at(v, 0x3ce, 8, 0x0f);
	vga_peek(v, 1);
	vga_poke(v, 3, 0xf9);
	g_assert_cmphex(planes(v, 3), ==, 0x4f30201f);
	/* what is written is a mask for set/reset, whose enable does not matter */
	vga_out_at(v, 0x3ce, 5, 0x03);
	vga_out_at(v, 0x3ce, 8, 0x3c);
	vga_out_at(v, 0x3ce, 0, 0x06);
	vga_out_at(v, 0x3ce, 3, 0x01);
	vga_peek(v, 1);
	vga_poke(v, 3, 0x78 << 1);
	g_assert_cmphex(planes(v, 3), ==, 0x443b3a01);
}

static void read_mode_1(struct vga_rig *v)
{
	vga_mode(v, 0x12);
	/* pixels 7 to 0 have colours 5, 5, 1, 0, 15, 4, 13, 5 */
	set_planes(v, 0, 0x0au << 24 | 0xcfu << 16 | 0x08u << 8 | 0xebu);
	vga_out_at(v, 0x3ce, 5, 0x08);
	vga_out_at(v, 0x3ce, 2, 0x05);
	vga_out_at(v, 0x3ce, 7, 0x0f);
	g_assert_cmphex(vga_peek(v, 0), ==, 0xc1);
	vga_out_at(v, 0x3ce, 7, 0x07);
	g_assert_cmphex(vga_peek(v, 0), ==, 0xc3);
	vga_out_at(v, 0x3ce, 7, 0x00);
	g_assert_cmphex(vga_peek(v, 0), ==, 0xff);
}

static void odd_even(struct vga_rig *v)
{
	vga_mode(v, 0x03);
	vga_poke(v, 0x18000, 'A');
	vga_poke(v, 0x18001, 0x1f);
	g_assert_cmphex(vga_peek(v, 0x18000), ==, 'A');
	g_assert_cmphex(vga_peek(v, 0x18001), ==, 0x1f);
	/* only there: other maps do not answer */
	g_assert_cmphex(vga_peek(v, 0), ==, 0xff);
	vga_poke(v, 0, 'B');
	g_assert_cmphex(vga_peek(v, 0x18000), ==, 'A');
	vga_out_at(v, 0x3ce, 6, 0x05);
	vga_out_at(v, 0x3ce, 5, 0x00);
	vga_out_at(v, 0x3c4, 4, 0x06);
	g_assert_cmphex(planes(v, 0), ==, 0x1f41);
	/* and not without leave */
	vga_out(v, 0x3c2, 0x65);
	g_assert_cmphex(vga_peek(v, 0), ==, 0xff);
}

static bool is_memory(struct vga_rig *v)
{
	uint8_t byte;
	int err;

	qs_enter();
	err = gmem_read(v->r->gmem, GPA(0xa0000), &byte, 1);
	qs_leave();
	return err == 0;
}

/* Chain 4: memory as long as nothing changes bytes on their way, else registers with the same contents. */
static void chain_4(struct vga_rig *v)
{
	g_assert_false(is_memory(v));
	vga_mode(v, 0x13);
	g_assert_true(is_memory(v));
	vga_rig_map(v);
	for (uint32_t i = 0; i < 64; i++)
		vga_poke(v, i, (uint8_t)(i * 3));
	vga_out_at(v, 0x3c4, 2, 0x0b);
	g_assert_false(is_memory(v));
	for (uint32_t i = 0; i < 64; i++) {
		g_assert_cmphex(vga_peek(v, i), ==, (uint8_t)(i * 3));
		vga_poke(v, i, 0xee);
		g_assert_cmphex(vga_peek(v, i), ==, i % 4 == 2 ? (uint8_t)(i * 3) : 0xee);
		g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_FB + i, 1), ==, vga_peek(v, i));
	}
	vga_out_at(v, 0x3c4, 2, 0x0f);
	g_assert_true(is_memory(v));
	g_assert_cmphex(vga_peek(v, 6), ==, 18);
	/* planes under it, as a program for unchained modes finds them */
	vga_out_at(v, 0x3c4, 4, 0x06);
	g_assert_false(is_memory(v));
	g_assert_cmphex(planes(v, 1), ==, 0xee12eeee);
	vga_mode(v, 0x13);
	vga_out(v, 0x3c2, 0x61);
	g_assert_false(is_memory(v));
}

/* ---- VBE ---- */

static void vbe_registers(struct vga_rig *v)
{
	g_assert_cmphex(vbe_in(v, VBE_REG_ID), ==, 0xb0c5);
	vbe_out(v, VBE_REG_ID, 0xb0c2);
	g_assert_cmphex(vbe_in(v, VBE_REG_ID), ==, 0xb0c2);
	vbe_out(v, VBE_REG_ID, 0xb0c6);
	g_assert_cmphex(vbe_in(v, VBE_REG_ID), ==, 0xb0c2);
	g_assert_cmpuint(vbe_in(v, VBE_REG_MEMORY), ==, 256);
	vbe_out(v, VBE_REG_ENABLE, 0x02);
	g_assert_cmpuint(vbe_in(v, VBE_REG_XRES), ==, DISPLAY_MAX_SIDE);
	g_assert_cmpuint(vbe_in(v, VBE_REG_YRES), ==, DISPLAY_MAX_SIDE);
	g_assert_cmpuint(vbe_in(v, VBE_REG_BPP), ==, 32);
	g_assert_cmpuint(rig_read(v->r, BUS_PIO, 0x1ce, 2), ==, VBE_REG_BPP);
	rig_write(v->r, BUS_PIO, 0x1ce, 2, 0x1234);
	rig_write(v->r, BUS_PIO, 0x1cf, 2, 0x1234);
	g_assert_cmpuint(rig_read(v->r, BUS_PIO, 0x1cf, 2), ==, 0);
}

static void vbe_modes(struct vga_rig *v)
{
	vga_rig_map(v);
	rig_write(v->r, BUS_MMIO, VGA_FB + 1024 * 768 * 2 - 1, 1, 0x77);
	rig_write(v->r, BUS_MMIO, VGA_FB + 1024 * 768 * 2, 1, 0x77);
	vbe_mode(v, 1027, 768, 16);
	g_assert_cmpuint(vbe_in(v, VBE_REG_XRES), ==, 1024);
	g_assert_cmpuint(vbe_in(v, VBE_REG_VIRT_WIDTH), ==, 1024);
	g_assert_cmpuint(vbe_in(v, VBE_REG_VIRT_HEIGHT), ==, 8192);
	/* cleared, as far as it is seen */
	g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_FB + 1024 * 768 * 2 - 1, 1), ==, 0);
	g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_FB + 1024 * 768 * 2, 1), ==, 0x77);
	/* fixed while in force */
	vbe_out(v, VBE_REG_XRES, 640);
	g_assert_cmpuint(vbe_in(v, VBE_REG_XRES), ==, 1024);
	vbe_out(v, VBE_REG_VIRT_WIDTH, 2051);
	g_assert_cmpuint(vbe_in(v, VBE_REG_VIRT_WIDTH), ==, 2048);
	g_assert_cmpuint(vbe_in(v, VBE_REG_VIRT_HEIGHT), ==, 4096);
	vbe_out(v, VBE_REG_X_OFFSET, 1024);
	vbe_out(v, VBE_REG_Y_OFFSET, 0xffff);
	g_assert_cmpuint(vbe_in(v, VBE_REG_X_OFFSET), ==, 1024);
	g_assert_cmpuint(vbe_in(v, VBE_REG_Y_OFFSET), ==, 4096 - 768);
	vbe_out(v, VBE_REG_VIRT_WIDTH, 100);
	g_assert_cmpuint(vbe_in(v, VBE_REG_VIRT_WIDTH), ==, 1024);
	g_assert_cmpuint(vbe_in(v, VBE_REG_X_OFFSET), ==, 0);
	/* a screen larger than memory is as high as memory; a mode that is none stays off */
	vbe_mode(v, 4096, 4096, 32);
	g_assert_cmpuint(vbe_in(v, VBE_REG_YRES), ==, 1024);
	vbe_mode(v, 640, 480, 17);
	g_assert_cmphex(vbe_in(v, VBE_REG_ENABLE) & 1, ==, 0);
	vbe_mode(v, 0, 480, 32);
	g_assert_cmphex(vbe_in(v, VBE_REG_ENABLE) & 1, ==, 0);
	vbe_mode(v, 640, 0, 32);
	g_assert_cmphex(vbe_in(v, VBE_REG_ENABLE) & 1, ==, 0);
	g_assert_cmpuint(v->d->guest_errors, ==, 3);
}

/* Banks of 64 KiB through the window, which is memory. */
static void vbe_banks(struct vga_rig *v)
{
	vga_rig_map(v);
	vbe_mode(v, 1024, 768, 8);
	vga_out(v, 0x3c2, 0x67);
	g_assert_true(is_memory(v));
	for (uint16_t bank = 0; bank < 12; bank++) {
		vbe_out(v, VBE_REG_BANK, bank);
		vga_poke(v, 0xffff, (uint8_t)(bank + 1));
	}
	for (uint16_t bank = 0; bank < 12; bank++)
		g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_FB + bank * 0x10000 + 0xffff, 1), ==,
			bank + 1);
	vbe_out(v, VBE_REG_BANK, 0x1ff);
	g_assert_cmphex(vbe_in(v, VBE_REG_BANK), ==, 0xff);
	vga_poke(v, 0xffff, 0x99);
	g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_FB + 16 * MiB - 1, 1), ==, 0x99);
	/* sixteen colours are planes also here */
	vbe_mode(v, 800, 600, 4);
	vga_out_at(v, 0x3c4, 4, 0x06);
	vga_out_at(v, 0x3ce, 6, 0x05);
	vga_out_at(v, 0x3ce, 8, 0xff);
	g_assert_false(is_memory(v));
	vbe_out(v, VBE_REG_BANK, 1);
	set_planes(v, 2, 0x44332211);
	g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_FB + (0x10000 + 2) * 4, 4), ==, 0x44332211);
}

/* BAR 2 has all of it again. */
static void mmio(struct vga_rig *v)
{
	uint8_t sum = 0;

	vga_rig_map(v);
	g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_MMIO + 0x500, 2), ==, 0xb0c5);
	rig_write(v->r, BUS_MMIO, VGA_MMIO + 0x502, 2, 800);
	g_assert_cmpuint(vbe_in(v, VBE_REG_XRES), ==, 800);
	g_assert_cmpuint(rig_read(v->r, BUS_MMIO, VGA_MMIO + 0x514, 2), ==, 256);
	rig_write(v->r, BUS_MMIO, VGA_MMIO + 0x404, 2, 0x0502);
	g_assert_cmphex(vga_in_at(v, 0x3c4, 2), ==, 0x05);
	g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_MMIO + 0x404, 2), ==, 0x0502);
	g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_MMIO + 0x600, 4), ==, 8);
	g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_MMIO + 0x604, 4), ==, 0x1e1e1e1e);
	rig_write(v->r, BUS_MMIO, VGA_MMIO + 0x604, 4, 0xbebebebe);
	g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_MMIO + 0x604, 4), ==, 0x1e1e1e1e);
	g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_MMIO + 0x800, 4), ==, 0);
	/* EDID */
	g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_MMIO, 4), ==, 0xffffff00);
	for (unsigned i = 0; i < 128; i++)
		sum += (uint8_t)rig_read(v->r, BUS_MMIO, VGA_MMIO + i, 1);
	g_assert_cmphex(sum, ==, 0);
	/* the preferred mode: 1280x800 */
	g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_MMIO + 56, 1), ==, 1280 & 0xff);
	g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_MMIO + 58, 1) >> 4, ==, 1280 >> 8);
	g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_MMIO + 59, 1), ==, 800 & 0xff);
	g_assert_cmphex(rig_read(v->r, BUS_MMIO, VGA_MMIO + 61, 1) >> 4, ==, 800 >> 8);
}

static void identity(struct vga_rig *v)
{
	unsigned devfn = PCI_DEVFN(2, 0);

	g_assert_cmphex(rig_cfg_read(v->r, devfn, PCI_VENDOR_ID, 4), ==, 0x11111234);
	g_assert_cmphex(rig_cfg_read(v->r, devfn, PCI_REVISION, 4) >> 8, ==, 0x030000);
	rig_cfg_write(v->r, devfn, PCI_BAR0, 4, UINT32_MAX);
	g_assert_cmphex(rig_cfg_read(v->r, devfn, PCI_BAR0, 4), ==, 0xff000008);
	rig_cfg_write(v->r, devfn, PCI_BAR0 + 8, 4, UINT32_MAX);
	g_assert_cmphex(rig_cfg_read(v->r, devfn, PCI_BAR0 + 8, 4), ==, 0xfffff000);
}

/* ---- life ---- */

static void saved(struct vga_rig *v)
{
	g_autoptr(GByteArray) state = g_byte_array_new();

	vga_mode(v, 0x13);
	vga_dac(v, 3, 1, 2, 3);
	vga_poke(v, 0, 0x5a);
	bus_save(v->r->bus, state);
	bus_reset(v->r->bus, RESET_WARM);
	g_assert_false(is_memory(v));
	g_assert_true(bus_load(v->r->bus, state->data, state->len, NULL));
	g_assert_true(is_memory(v));
	g_assert_cmphex(vga_peek(v, 0), ==, 0x5a);
	vga_out(v, 0x3c7, 3);
	g_assert_cmphex(vga_in(v, 0x3c9), ==, 1);
}

/* Whatever is written where, there is a picture, or none, and the state can be saved and loaded. */
static void random_writes(struct vga_rig *v)
{
	static const uint16_t bases[] = {0x3b0, 0x3c0, 0x3c0, 0x3c0, 0x3d0, 0x1ce};
	g_autoptr(GRand) rand = g_rand_new_with_seed(1);
	g_autoptr(GByteArray) state = g_byte_array_new();

	vga_rig_map(v);
	for (unsigned i = 0; i < 100000; i++) {
		uint32_t n = g_rand_int(rand), value = g_rand_int(rand);

		if (n % 8 == 0) {
			vga_poke(v, value % 0x20000, (uint8_t)value);
		} else if (n % 8 == 1) {
			vbe_out(v, n >> 8 & 15, (uint16_t)(n & 0x10000 ? value % 1024 : value));
		} else {
			unsigned base = bases[(n >> 8) % ARRAY_SIZE(bases)];

			rig_write(v->r, BUS_PIO, base + (n >> 16 & 15), 1u << (n >> 24 & 1), value);
			rig_read(v->r, BUS_PIO, base + (n >> 20 & 15), 1);
		}
		if (i % 1000 == 999)
			display_refresh(v->display);
	}
	bus_save(v->r->bus, state);
	g_assert_true(bus_load(v->r->bus, state->data, state->len, NULL));
	display_refresh(v->display);
	bus_reset(v->r->bus, RESET_COLD);
	vga_mode(v, 0x12);
	g_assert_cmphex(vga_in_at(v, 0x3d4, 0x12), ==, 0xdf);
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
		{"/vga/indexed-registers", indexed_registers},
		{"/vga/crtc-protection", crtc_protection},
		{"/vga/attribute-controller", attribute_controller},
		{"/vga/dac", dac},
		{"/vga/mono-and-colour", mono_and_colour},
		{"/vga/retrace", retrace},
		{"/vga/write-mode-0", write_mode_0},
		{"/vga/write-modes-1-to-3", write_modes_1_to_3},
		{"/vga/read-mode-1", read_mode_1},
		{"/vga/odd-even", odd_even},
		{"/vga/chain-4", chain_4},
		{"/vga/vbe-registers", vbe_registers},
		{"/vga/vbe-modes", vbe_modes},
		{"/vga/vbe-banks", vbe_banks},
		{"/vga/mmio", mmio},
		{"/vga/identity", identity},
		{"/vga/saved", saved},
		{"/vga/random-writes", random_writes},
	};

	g_test_init(&argc, &argv, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(tests); i++)
		g_test_add_data_func(tests[i].path, (gconstpointer)(uintptr_t)tests[i].fn, run);
	return g_test_run();
}
