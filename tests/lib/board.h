/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * board.h - a bare PC board to plug devices into: fake accelerator, RAM, stepped clocks; the test is the CPU.
 *
 * Time is 0 at start, the RTC at BOARD_EPOCH; both move by board_step() only. Everything runs on the test's thread, which
 * is registered with qs and inside a section from board_init() to board_done().
 */
#ifndef TESTS_LIB_BOARD_H
#define TESTS_LIB_BOARD_H

#include "devmodel/bus/bus.h"
#include "tests/lib/fake-accel.h"

#define BOARD_RAM_SIZE (1 * MiB)                           /* at address 0 */
#define BOARD_EPOCH    (INT64_C(951782399) * NSEC_PER_SEC) /* 2000-02-28 23:59:59 UTC, a Monday */

struct board {
	struct fake_accel *accel;
	struct gmem *gmem;
	struct clocks *clocks;
	struct loop *loop;
	struct bus *bus;
	struct gmem_block *ram;
	struct region ram_region;

	/* What devices have asked of the machine since board_requested(). */
	unsigned requests;
	enum bus_request last_request;
	unsigned last_detail;
};

void board_init(struct board *b);
void board_done(struct board *b);

/* A realized and reset device; the second form for what has to be set before realize. */
struct dev *board_add(struct board *b, const struct dev_ops *ops, const char *id);
void board_realize(struct board *b, struct dev *d);
/* Realize must fail, with @says in its message. */
void board_refuse(struct board *b, struct dev *d, const char *says);
void board_remove(struct board *b, struct dev *d);

/* Registers, as a CPU sees them. */
uint8_t board_inb(struct board *b, uint16_t port);
uint16_t board_inw(struct board *b, uint16_t port);
uint32_t board_inl(struct board *b, uint16_t port);
void board_outb(struct board *b, uint16_t port, uint8_t v);
void board_outw(struct board *b, uint16_t port, uint16_t v);
void board_outl(struct board *b, uint16_t port, uint32_t v);

/* @n accesses of any kind to any register of the board's devices, time and messages now and then. */
void board_poke(struct board *b, unsigned n);

/* Time goes on by @ns. */
void board_step(struct board *b, int64_t ns);
/* The loop's messages, and those that they post. */
void board_poll(struct board *b);

/* True when exactly one request came since the last call, and it was @what. */
bool board_requested(struct board *b, enum bus_request what);

/* The level of a GSI at the accelerator, and how often it has gone up. */
bool board_irq(struct board *b, unsigned gsi);
unsigned board_irq_edges(struct board *b, unsigned gsi);

void board_reset(struct board *b, enum reset_kind kind);
/*
 * Saves all devices, resets, loads, and asserts that saving again gives the same bytes: what a device does not save or
 * restore shows in the registers that a test reads afterwards.
 */
void board_save_and_load(struct board *b);

#endif
