/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out.h"
#include "cpu.h"
#include "io.h"
#include "layout.h"
#include "lib.h"

#include <stdarg.h>

#define SERIAL_DATA      0x3f8
#define SERIAL_LSR       0x3fd
#define SERIAL_THR_EMPTY 0x20
#define SERIAL_MAX_POLLS 100000

struct line {
	char text[255];
	uint8_t n;
};

static bool serial;

static void put(struct line *l, char c)
{
	if (l->n < sizeof(l->text))
		l->text[l->n++] = c;
}

static void put_string(struct line *l, const char *s)
{
	while (*s)
		put(l, *s++);
}

static void put_number(struct line *l, uint64_t v, unsigned int base)
{
	char digits[20];
	unsigned int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
	} while (v /= base);
	while (n)
		put(l, digits[--n]);
}

static void put_signed(struct line *l, int v)
{
	if (v < 0)
		put(l, '-');
	put_number(l, v < 0 ? -(int64_t)v : v, 10);
}

static void format_line(struct line *l, const char *f, va_list ap)
{
	for (; *f; f++) {
		bool wide;

		if (*f != '%') {
			put(l, *f);
			continue;
		}
		wide = *++f == 'l';
		if (wide)
			f++;
		switch (*f) {
		case 's': put_string(l, va_arg(ap, const char *)); break;
		case 'c': put(l, va_arg(ap, int)); break;
		case 'd': put_signed(l, va_arg(ap, int)); break;
		case 'u':
		case 'x':
			put_number(l, wide ? va_arg(ap, uint64_t) : va_arg(ap, uint32_t),
				*f == 'x' ? 16 : 10);
			break;
		default: put(l, *f);
		}
	}
}

/* A device that never gets ready loses its output, it does not stop the guest. */
static void serial_put(char c)
{
	for (unsigned int i = 0; i < SERIAL_MAX_POLLS; i++) {
		if (inb(SERIAL_LSR) & SERIAL_THR_EMPTY)
			break;
	}
	outb(SERIAL_DATA, c);
}

static void flush(const struct line *l)
{
	outs(PORT_CONSOLE, l->text, l->n);
	for (unsigned int i = 0; serial && i < l->n; i++)
		serial_put(l->text[i]);
}

void out(const char *format, ...)
{
	struct line l = {.n = 0};
	va_list ap;

	va_start(ap, format);
	format_line(&l, format, ap);
	va_end(ap);
	flush(&l);
}

void out_ratio(const char *key, uint64_t a, uint64_t b)
{
	uint64_t milli = b ? a * 1000 / b : 0;

	out("%s=%lu.%c%c%c\n", key, milli / 1000, (char)('0' + milli / 100 % 10),
		(char)('0' + milli / 10 % 10), (char)('0' + milli % 10));
}

void out_to_serial(void)
{
	serial = true;
}

/* isa-debug-exit makes 2 * code + 1 of it. A machine without that device halts. */
static _Noreturn void leave(uint8_t code)
{
	outb(PORT_EXIT, code);
	cpu_halt();
}

void fail(const char *format, ...)
{
	struct line l = {.n = 0};
	va_list ap;

	put_string(&l, "fail ");
	va_start(ap, format);
	format_line(&l, format, ap);
	va_end(ap);
	put(&l, '\n');
	flush(&l);
	leave(1);
}

void done(void)
{
	out("done\n");
	leave(0);
}
