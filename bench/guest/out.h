/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest says: lines of key=value on the debug console, and on the first serial port if
 * asked; the last line is "done" or "fail REASON".
 */
#ifndef BENCH_GUEST_OUT_H
#define BENCH_GUEST_OUT_H

#include <stdint.h>

/* %s, %c, %d, %u, %x, %lu, %lx and %%. At most 255 bytes at a time; what is beyond is cut off. */
void out(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* KEY=a/b with three decimals. */
void out_ratio(const char *key, uint64_t a, uint64_t b);

/* Copy all further output to the 16550 at port 0x3f8. */
void out_to_serial(void);

/* Say "fail ..." and end the machine with exit status 3. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Say "done" and end the machine with exit status 1. */
_Noreturn void done(void);

#endif
