/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/net/eeprom.h"

#define COMMAND_BITS (3 + EEPROM_ADDR_BITS) /* start, opcode, address */
#define DATA_BITS    16

enum { OP_CONTROL, OP_WRITE, OP_READ, OP_ERASE };
enum { CONTROL_EWDS, CONTROL_WRAL, CONTROL_ERAL, CONTROL_EWEN }; /* top bits of the address */

const struct state_field eeprom_fields[] = {
	ST_ARRAY(struct eeprom_hw, words, UINT16_MAX),
	ST_U(struct eeprom_hw, shift),
	ST_U(struct eeprom_hw, out),
	ST_MAX(struct eeprom_hw, bits, COMMAND_BITS + DATA_BITS),
	ST_MAX(struct eeprom_hw, out_left, DATA_BITS),
	ST_MAX(struct eeprom_hw, addr, EEPROM_WORDS - 1),
	ST_BOOL(struct eeprom_hw, reading),
	ST_BOOL(struct eeprom_hw, cs),
	ST_BOOL(struct eeprom_hw, sk),
	ST_BOOL(struct eeprom_hw, dout),
	ST_BOOL(struct eeprom_hw, write_enabled),
	ST_PAD(struct eeprom_hw, pad),
	ST_END,
};

static void end_command(struct eeprom_hw *e)
{
	e->shift = 0;
	e->bits = e->out_left = 0;
	e->reading = false;
	e->dout = true;
}

void eeprom_reset(struct eeprom_hw *e)
{
	end_command(e);
	e->cs = e->sk = e->write_enabled = false;
}

static void fill(struct eeprom_hw *e, uint16_t value)
{
	for (unsigned i = 0; i < EEPROM_WORDS; i++)
		e->words[i] = value;
}

static void control(struct eeprom_hw *e)
{
	switch (e->addr >> (EEPROM_ADDR_BITS - 2)) {
	case CONTROL_EWDS: e->write_enabled = false; break;
	case CONTROL_EWEN: e->write_enabled = true; break;
	case CONTROL_ERAL:
		if (e->write_enabled)
			fill(e, UINT16_MAX);
		break;
	case CONTROL_WRAL: break; /* after its data */
	}
}

/* A whole opcode and address are in. */
static void begin(struct eeprom_hw *e)
{
	unsigned op = e->shift >> EEPROM_ADDR_BITS & 3;

	e->addr = e->shift & (EEPROM_WORDS - 1);
	switch (op) {
	case OP_CONTROL: control(e); break;
	case OP_WRITE: break; /* after its data */
	case OP_READ:
		/*
		 * A dummy zero comes first, with the clock that took the last bit of the address.
		 */
		e->reading = true;
		e->dout = false;
		e->out = e->words[e->addr];
		e->out_left = DATA_BITS;
		break;
	case OP_ERASE:
		if (e->write_enabled)
			e->words[e->addr] = UINT16_MAX;
		break;
	}
}

/* Its data too. */
static void finish(struct eeprom_hw *e)
{
	unsigned op = e->shift >> (EEPROM_ADDR_BITS + DATA_BITS) & 3;
	uint16_t data = (uint16_t)e->shift;

	if (op == OP_WRITE && e->write_enabled)
		e->words[e->addr] = data;
	else if (op == OP_CONTROL && e->addr >> (EEPROM_ADDR_BITS - 2) == CONTROL_WRAL &&
		 e->write_enabled)
		fill(e, data);
}

/* Sequential read: the address counts on. */
static void clock_out(struct eeprom_hw *e)
{
	if (!e->out_left) {
		e->addr = (e->addr + 1) % EEPROM_WORDS;
		e->out = e->words[e->addr];
		e->out_left = DATA_BITS;
	}
	e->dout = e->out >> 15;
	e->out = (uint16_t)(e->out << 1);
	e->out_left--;
}

static void clock_in(struct eeprom_hw *e, bool di)
{
	if ((!e->bits && !di) || e->bits == COMMAND_BITS + DATA_BITS)
		return;
	e->shift = e->shift << 1 | di;
	e->bits++;
	if (e->bits == COMMAND_BITS)
		begin(e);
	else if (e->bits == COMMAND_BITS + DATA_BITS)
		finish(e);
}

void eeprom_pins(struct eeprom_hw *e, bool cs, bool sk, bool di)
{
	bool rising = cs && e->cs && sk && !e->sk;

	if (!cs)
		end_command(e);
	else if (rising && e->reading)
		clock_out(e);
	else if (rising)
		clock_in(e, di);
	e->cs = cs;
	e->sk = sk;
}

bool eeprom_out(const struct eeprom_hw *e)
{
	return e->dout;
}
