/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * board-fuzz.h - register accesses and clock steps out of a fuzzer's bytes.
 *
 * An operation is one byte, then what it needs; where the input ends, zeroes are read:
 *
 *	0-4	write: place, value; 0-2 a byte, 3 a word, 4 a double word (values little-endian)
 *	5-8	read: place; 5, 6 a byte, 7 a word, 8 a double word
 *	9	clock step: n; 2^(n % 36) ns
 *	10	the target's own: two bytes
 *	11	n: save and load, warm reset, cold reset, messages of the loop
 *
 * A place is a byte, modulo the number of the target's ports; of a target in memory a word.
 */
#ifndef TESTS_LIB_BOARD_FUZZ_H
#define TESTS_LIB_BOARD_FUZZ_H

#include "tests/lib/board.h"

struct fuzz_range {
	uint64_t base;
	uint32_t n; /* ports, or bytes of memory */
};

struct fuzz_target {
	enum bus_space space;
	const struct fuzz_range *ranges; /* ends with n = 0 */
	void (*own)(struct board *b, uint8_t what, uint8_t value, void *opaque); /* may be NULL */
	void *opaque;
};

void board_fuzz(struct board *b, const struct fuzz_target *t, const uint8_t *data, size_t size);

#endif
