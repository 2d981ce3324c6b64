/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <png.h>
#include <setjmp.h>

#include "vmmd/vnc/vnc-helper.h"

#define COMPRESSION 3 /* of zlib: screens are mostly plain areas */

static void put(png_structp png, png_bytep data, png_size_t n)
{
	GByteArray *out = png_get_io_ptr(png);

	if (n > VNC_PNG_MAX - out->len)
		png_error(png, "too large");
	g_byte_array_append(out, data, (guint)n);
}

static void flush(png_structp png)
{
}

static void say_nothing(png_structp png, png_const_charp message)
{
}

/* Rows as they are in the surface: blue, green, red, and a byte that means nothing. */
static void write_all(
	png_structp png, png_infop info, const struct vnc_surface *s, const uint8_t *pixels)
{
	png_set_IHDR(png, info, s->width, s->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
		PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_set_compression_level(png, COMPRESSION);
	png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE);
	png_write_info(png, info);
	png_set_bgr(png);
	png_set_filler(png, 0, PNG_FILLER_AFTER);
	for (uint32_t y = 0; y < s->height; y++)
		png_write_row(png, pixels + (size_t)y * s->stride);
	png_write_end(png, NULL);
}

GByteArray *png_encode(const struct vnc_surface *surface, const uint8_t *pixels)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, say_nothing);
	GByteArray *volatile out = g_byte_array_new();
	png_infop info = png ? png_create_info_struct(png) : NULL;

	/* libpng's errors come back to here. */
	if (!info || setjmp(png_jmpbuf(png))) {
		g_byte_array_unref(out);
		out = NULL;
	} else {
		png_set_write_fn(png, out, put, flush);
		write_all(png, info, surface, pixels);
	}
	png_destroy_write_struct(&png, &info);
	return out;
}
