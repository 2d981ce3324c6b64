/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * eeprom.h - a serial EEPROM with Microwire interface: 93C46, 64 words of 16 bits, as it sits
 * beside NICs.
 *
 * The owner passes the levels of the chip's pins as the guest drives them, and asks for DO. A
 * command is a start bit, two bits of opcode and the address, most significant bit first, clocked
 * in by rising edges (93C46 data sheet, table of instructions).
 */
#ifndef DEVMODEL_NET_EEPROM_H
#define DEVMODEL_NET_EEPROM_H

#include "base/state.h"

#define EEPROM_WORDS     64
#define EEPROM_ADDR_BITS 6

struct eeprom_hw {
	uint16_t words[EEPROM_WORDS]; /* [g] */
	uint32_t shift;               /* bits that came in since the start bit */
	uint16_t out;                 /* bits to go out, first one at the top */
	uint8_t bits;                 /* in shift; 0: no start bit yet */
	uint8_t out_left;             /* in out; then the next word follows */
	uint8_t addr;                 /* of the command */
	bool reading;                 /* words go out until CS falls */
	bool cs, sk, dout;            /* levels of pins */
	bool write_enabled;           /* after EWEN */
	uint8_t pad[2];
};

/* A sub table for ST_STRUCT(). */
extern const struct state_field eeprom_fields[];

/* The pins at power-on; words stay. */
void eeprom_reset(struct eeprom_hw *e);
/* New levels of chip select, clock and data in. */
void eeprom_pins(struct eeprom_hw *e, bool cs, bool sk, bool di);
/* Level of data out; high when the chip drives nothing, or is ready. */
bool eeprom_out(const struct eeprom_hw *e);

#endif
