/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VESA Enhanced EDID Standard, release A revision 2 (EDID 1.4). */
#include <endian.h>
#include <string.h>

#include "devmodel/display/vga-internal.h"

#define REFRESH_HZ  60
#define DPI         96
#define DESCRIPTORS 54 /* four of 18 bytes */
#define DESCRIPTOR  18
#define CHECKSUM    127

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static unsigned millimetres(uint32_t pixels)
{
	return pixels * 254 / (DPI * 10);
}

/* Detailed timing, section 3.10.2: blanking about as GTF has it. */
static void put_timing(uint8_t *d, uint32_t xres, uint32_t yres)
{
	uint32_t h_blank = align_up(xres / 4, 8), v_blank = yres / 20 + 6;
	uint32_t h_front = h_blank / 4, h_sync = align_up(h_blank / 3, 8), v_front = 3, v_sync = 4;
	uint32_t clock = (uint32_t)((uint64_t)(xres + h_blank) * (yres + v_blank) * REFRESH_HZ /
				    10000);
	unsigned width = millimetres(xres), height = millimetres(yres);

	put16(d, MIN(clock, UINT16_MAX));
	d[2] = (uint8_t)xres;
	d[3] = (uint8_t)h_blank;
	d[4] = (uint8_t)(xres >> 8 << 4 | h_blank >> 8);
	d[5] = (uint8_t)yres;
	d[6] = (uint8_t)v_blank;
	d[7] = (uint8_t)(yres >> 8 << 4 | v_blank >> 8);
	d[8] = (uint8_t)h_front;
	d[9] = (uint8_t)h_sync;
	d[10] = (uint8_t)(v_front << 4 | v_sync);
	d[11] = (uint8_t)(h_front >> 8 << 6 | h_sync >> 8 << 4);
	d[12] = (uint8_t)width;
	d[13] = (uint8_t)height;
	d[14] = (uint8_t)(width >> 8 << 4 | height >> 8);
	d[17] = 0x18; /* digital separate sync */
}

/* Display descriptor, section 3.10.3: 13 characters, ended by a line feed. */
static void put_name(uint8_t *d, const char *name)
{
	size_t n = strlen(name);

	d[3] = 0xfc;
	memset(d + 5, ' ', 13);
	memcpy(d + 5, name, n);
	d[5 + n] = '\n';
}

/* Display range limits, section 3.10.3.3: 50 to 125 Hz, 30 to 160 kHz, up to 2550 MHz. */
static void put_limits(uint8_t *d)
{
	static const uint8_t limits[] = {
		0, 0, 0, 0xfd, 0, 50, 125, 30, 160, 255, 0x01, '\n', ' ', ' ', ' ', ' ', ' ', ' '};

	memcpy(d, limits, sizeof(limits));
}

/* Standard timings, section 3.9, at 60 Hz: width, and the code of its proportions (0: 16:10, 1: 4:3, 2: 5:4, 3: 16:9). */
static void put_standard(uint8_t *p)
{
	static const struct {
		uint16_t width;
		uint8_t aspect;
	} modes[8] = {{1920, 3}, {1680, 0}, {1600, 1}, {1440, 0}, {1280, 2}, {1280, 0}, {1280, 3},
		{1024, 1}};

	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		p[2 * i] = (uint8_t)(modes[i].width / 8 - 31);
		p[2 * i + 1] = (uint8_t)(modes[i].aspect << 6);
	}
}

void vga_edid_fill(uint8_t edid[VGA_EDID_SIZE], uint32_t xres, uint32_t yres)
{
	static const uint8_t header[] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
	/* Chromaticity of sRGB, section 3.7. */
	static const uint8_t srgb[] = {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54};
	uint8_t *d = edid + DESCRIPTORS, sum = 0;

	memset(edid, 0, VGA_EDID_SIZE);
	memcpy(edid, header, sizeof(header));
	edid[8] = ('V' - '@') << 2 | ('M' - '@') >> 3; /* VMD: three letters of five bits */
	edid[9] = (uint8_t)(('M' - '@') << 5 | ('D' - '@'));
	put16(edid + 10, 0x1111);
	edid[17] = 2026 - 1990;
	edid[18] = 1;
	edid[19] = 4;
	edid[20] = 0xa5; /* digital, 8 bits a colour, DisplayPort */
	edid[21] = (uint8_t)(millimetres(xres) / 10);
	edid[22] = (uint8_t)(millimetres(yres) / 10);
	edid[23] = 120;  /* gamma 2.2 */
	edid[24] = 0x06; /* sRGB; the first detailed timing is the preferred one */
	memcpy(edid + 25, srgb, sizeof(srgb));
	edid[35] = 0x21; /* 640x480 and 800x600 at 60 Hz */
	edid[36] = 0x08; /* 1024x768 at 60 Hz */
	put_standard(edid + 38);
	put_timing(d, xres, yres);
	put_limits(d + DESCRIPTOR);
	put_name(d + 2 * DESCRIPTOR, "vmmd");
	d[3 * DESCRIPTOR + 3] = 0x10; /* nothing here */
	for (unsigned i = 0; i < CHECKSUM; i++)
		sum += edid[i];
	edid[CHECKSUM] = (uint8_t)-sum;
}
