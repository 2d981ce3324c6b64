/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/machine/aml.h"

#include <string.h>

#define AML_NAME       0x08
#define AML_BYTE       0x0a
#define AML_WORD       0x0b
#define AML_DWORD      0x0c
#define AML_STRING     0x0d
#define AML_QWORD      0x0e
#define AML_SCOPE      0x10
#define AML_BUFFER     0x11
#define AML_METHOD     0x14
#define AML_IF         0xa0
#define AML_RETURN     0xa4
#define AML_PACKAGE    0x12
#define AML_DUAL_NAME  0x2e
#define AML_MULTI_NAME 0x2f
#define AML_EXT        0x5b
#define AML_EXT_DEVICE 0x82
#define AML_IF         0xa0
#define AML_RETURN     0xa4

static void put(GByteArray *out, const void *p, size_t n)
{
	g_byte_array_append(out, p, (guint)n);
}

static void put_u8(GByteArray *out, uint8_t v)
{
	put(out, &v, 1);
}

static void put_u16(GByteArray *out, uint16_t v)
{
	put(out, &v, sizeof(v));
}

static void put_u32(GByteArray *out, uint32_t v)
{
	put(out, &v, sizeof(v));
}

/* NameString, section 20.2.2: segments of four characters, filled with underscores. */
void aml_path(GByteArray *out, const char *path)
{
	g_auto(GStrv) segs = NULL;
	guint n;

	if (*path == '\\') {
		put_u8(out, '\\');
		path++;
	}
	segs = g_strsplit(path, ".", 0);
	n = g_strv_length(segs);
	if (n == 2)
		put_u8(out, AML_DUAL_NAME);
	if (n > 2) {
		put_u8(out, AML_MULTI_NAME);
		put_u8(out, (uint8_t)n);
	}
	for (guint i = 0; i < n; i++) {
		char seg[] = "____";

		memcpy(seg, segs[i], MIN(strlen(segs[i]), 4));
		put(out, seg, 4);
	}
}

void aml_name(GByteArray *out, const char *path)
{
	put_u8(out, AML_NAME);
	aml_path(out, path);
}

void aml_int(GByteArray *out, uint64_t v)
{
	if (v <= 1) {
		put_u8(out, (uint8_t)v); /* ZeroOp, OneOp */
	} else if (v <= UINT8_MAX) {
		put_u8(out, AML_BYTE);
		put_u8(out, (uint8_t)v);
	} else if (v <= UINT16_MAX) {
		put_u8(out, AML_WORD);
		put_u16(out, (uint16_t)v);
	} else if (v <= UINT32_MAX) {
		put_u8(out, AML_DWORD);
		put_u32(out, (uint32_t)v);
	} else {
		put_u8(out, AML_QWORD);
		put(out, &v, sizeof(v));
	}
}

void aml_string(GByteArray *out, const char *s)
{
	put_u8(out, AML_STRING);
	put(out, s, strlen(s) + 1);
}

/* PkgLength counts itself and is written last: its bytes are inserted at @begin. Section 20.2.4. */
void aml_end(GByteArray *out, guint begin)
{
	guint len = out->len - begin, bytes, total;
	uint8_t enc[4];

	for (bytes = 1; bytes < 4; bytes++) {
		total = len + bytes;
		if (total < (bytes == 1 ? 1u << 6 : 1u << (4 + 8 * (bytes - 1))))
			break;
	}
	total = len + bytes;
	if (bytes == 1) {
		enc[0] = (uint8_t)total;
	} else {
		enc[0] = (uint8_t)((bytes - 1) << 6 | (total & 0xf));
		for (guint i = 1; i < bytes; i++)
			enc[i] = (uint8_t)(total >> (4 + 8 * (i - 1)));
	}
	g_byte_array_set_size(out, out->len + bytes);
	memmove(out->data + begin + bytes, out->data + begin, len);
	memcpy(out->data + begin, enc, bytes);
}

guint aml_scope_begin(GByteArray *out, const char *path)
{
	guint begin;

	put_u8(out, AML_SCOPE);
	begin = out->len;
	aml_path(out, path);
	return begin;
}

guint aml_device_begin(GByteArray *out, const char *path)
{
	guint begin;

	put_u8(out, AML_EXT);
	put_u8(out, AML_EXT_DEVICE);
	begin = out->len;
	aml_path(out, path);
	return begin;
}

guint aml_method_begin(GByteArray *out, const char *path, uint8_t args)
{
	guint begin;

	put_u8(out, AML_METHOD);
	begin = out->len;
	aml_path(out, path);
	put_u8(out, args);
	return begin;
}

guint aml_if_begin(GByteArray *out)
{
	put_u8(out, AML_IF);
	return out->len;
}

void aml_return(GByteArray *out)
{
	put_u8(out, AML_RETURN);
}

guint aml_package_begin(GByteArray *out, uint8_t elements)
{
	guint begin;

	put_u8(out, AML_PACKAGE);
	begin = out->len;
	put_u8(out, elements);
	return begin;
}

void aml_resources(GByteArray *out, const GByteArray *res)
{
	guint begin;

	put_u8(out, AML_BUFFER);
	begin = out->len;
	aml_int(out, res->len + 2);
	put(out, res->data, res->len);
	put_u16(out, 0x0079); /* end tag, checksum 0: not computed */
	aml_end(out, begin);
}

/* ---- resource descriptors, section 6.4 ---- */

/* Word address space descriptor, 6.4.3.5.3. Flags: producer, positive decode, fixed minimum and maximum. */
static void word_window(
	GByteArray *res, uint8_t type, uint8_t specific, uint16_t first, uint16_t last)
{
	put_u8(res, 0x88);
	put_u16(res, 13);
	put_u8(res, type);
	put_u8(res, 0x0c);
	put_u8(res, specific);
	put_u16(res, 0);
	put_u16(res, first);
	put_u16(res, last);
	put_u16(res, 0);
	put_u16(res, (uint16_t)(last - first + 1));
}

void aml_res_bus(GByteArray *res, uint16_t first, uint16_t last)
{
	word_window(res, 2, 0, first, last);
}

void aml_res_io_window(GByteArray *res, uint16_t first, uint16_t last)
{
	word_window(res, 1, 3, first, last);
}

/* I/O port descriptor, 6.4.2.5, 16-bit decode. */
void aml_res_io(GByteArray *res, uint16_t base, uint8_t len)
{
	put_u8(res, 0x47);
	put_u8(res, 1);
	put_u16(res, base);
	put_u16(res, base);
	put_u8(res, 1);
	put_u8(res, len);
}

/* Double word address space descriptor, 6.4.3.5.2, read-write. */
void aml_res_mem_window(GByteArray *res, uint32_t first, uint32_t end, bool cacheable)
{
	put_u8(res, 0x87);
	put_u16(res, 23);
	put_u8(res, 0);
	put_u8(res, 0x0c);
	put_u8(res, cacheable ? 0x03 : 0x01);
	put_u32(res, 0);
	put_u32(res, first);
	put_u32(res, end == first ? first : end - 1);
	put_u32(res, 0);
	put_u32(res, end - first);
}

/* Quad word address space descriptor, 6.4.3.5.1, read-write, prefetchable. */
void aml_res_mem64_window(GByteArray *res, uint64_t first, uint64_t end)
{
	const uint64_t words[] = {0, first, end - 1, 0, end - first};

	put_u8(res, 0x8a);
	put_u16(res, 43);
	put_u8(res, 0);
	put_u8(res, 0x0c);
	put_u8(res, 0x03);
	put(res, words, sizeof(words));
}

/* 32-bit fixed memory range descriptor, 6.4.3.4. */
void aml_res_memory(GByteArray *res, uint32_t base, uint32_t len)
{
	put_u8(res, 0x86);
	put_u16(res, 9);
	put_u8(res, 1);
	put_u32(res, base);
	put_u32(res, len);
}
