/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMBus host controller: PIIX4 (82371AB chapter 11) and its successor in ICH9 (section 20.2), which
 * adds blocks byte by byte, I2C reads and status bits. A transfer is over when its start bit was
 * written, but for blocks byte by byte, where each byte waits for BYTE_DONE to be cleared. Slaves:
 * EEPROMs with serial presence detect, write-protected (JEDEC standard 21-C).
 */
#include <errno.h>

#include "devmodel/chipset/chips.h"

enum { HST_STS, SLV_STS, HST_CNT, HST_CMD, XMIT_SLVA, HST_D0, HST_D1, BLOCK_DB, AUX_CTL = 13 };
#define STS_BUSY      0x01
#define STS_INTR      0x02
#define STS_DEV_ERR   0x04
#define STS_BUS_ERR   0x08
#define STS_FAILED    0x10
#define STS_INUSE     0x40 /* ICH: set when read, a semaphore */
#define STS_BYTE_DONE 0x80 /* ICH */
#define STS_W1C       (STS_INTR | STS_DEV_ERR | STS_BUS_ERR | STS_FAILED)
#define STS_W1C_ICH   (STS_W1C | STS_INUSE | STS_BYTE_DONE)
#define CNT_INTREN    0x01
#define CNT_KILL      0x02
#define CNT_PROTOCOL  0x1c
#define CNT_LAST_BYTE 0x20
#define CNT_START     0x40
#define AUX_BUFFER    0x02 /* ICH: blocks through the 32-byte buffer */
#define FIRST_EEPROM  0x50
#define EEPROM_SIZE   256

enum protocol { QUICK, BYTE, BYTE_DATA, WORD_DATA, PROCESS_CALL, BLOCK, I2C_READ };

struct transfer {
	uint8_t *eeprom, *pointer;
	bool read;
};

static uint8_t next_byte(struct transfer *t)
{
	return t->eeprom[(*t->pointer)++];
}

static bool find_slave(struct smbus *b, struct transfer *t)
{
	unsigned slot = (b->hw.address >> 1) - FIRST_EEPROM;

	if (slot >= SMBUS_EEPROMS || !b->eeprom[slot])
		return false;
	*t = (struct transfer){b->eeprom[slot], &b->hw.pointer[slot], b->hw.address & 1};
	return true;
}

static void finish(struct smbus *b, uint8_t status)
{
	b->hw.status = (uint8_t)((b->hw.status & ~STS_BUSY) | status);
}

/* ---- blocks ---- */

static bool byte_wise(const struct smbus *b)
{
	return b->ich && !(b->hw.aux & AUX_BUFFER);
}

/*
 * The next byte of a block is on the wire: the guest takes it, or gives the next, and clears
 * BYTE_DONE.
 */
static void step_block(struct smbus *b)
{
	bool i2c = (b->hw.control & CNT_PROTOCOL) >> 2 == I2C_READ;
	struct transfer t;

	if (!find_slave(b, &t)) {
		finish(b, STS_DEV_ERR);
	} else if (i2c ? b->hw.index && b->hw.control & CNT_LAST_BYTE
		       : b->hw.index == b->hw.data0) {
		finish(b, STS_INTR);
	} else {
		if (t.read || i2c)
			b->hw.block[0] = next_byte(&t);
		/* Only block transfers have an end by themselves. */
		b->hw.index = i2c ? 1 : b->hw.index + 1;
		b->hw.status |= STS_BYTE_DONE;
	}
}

/* An EEPROM knows no blocks: the count is the byte it has there. */
static void run_block(struct smbus *b, struct transfer *t)
{
	*t->pointer = b->hw.command;
	if (t->read)
		b->hw.data0 = next_byte(t);
	b->hw.index = 0;
	if (b->hw.data0 < 1 || b->hw.data0 > SMBUS_BLOCK) {
		finish(b, STS_DEV_ERR);
	} else if (byte_wise(b)) {
		b->hw.status |= STS_BUSY;
		step_block(b);
	} else {
		for (unsigned i = 0; t->read && i < b->hw.data0; i++)
			b->hw.block[i] = next_byte(t);
		finish(b, STS_INTR);
	}
}

static void run_i2c_read(struct smbus *b, struct transfer *t)
{
	if (!byte_wise(b)) {
		finish(b, STS_DEV_ERR);
		return;
	}
	*t->pointer = b->hw.data1;
	b->hw.index = 0;
	b->hw.status |= STS_BUSY;
	step_block(b);
}

/* ---- transfers ---- */

static void run_short(struct smbus *b, struct transfer *t, enum protocol protocol)
{
	if (protocol == BYTE && !t->read)
		*t->pointer = b->hw.command;
	if (protocol >= BYTE_DATA)
		*t->pointer = b->hw.command;
	if (protocol >= BYTE && t->read)
		b->hw.data0 = next_byte(t);
	if (protocol == WORD_DATA && t->read)
		b->hw.data1 = next_byte(t);
	finish(b, STS_INTR);
}

static void run(struct smbus *b)
{
	enum protocol protocol = (b->hw.control & CNT_PROTOCOL) >> 2;
	struct transfer t;

	if (b->hw.status & STS_BUSY)
		return;
	if (!find_slave(b, &t))
		finish(b, STS_DEV_ERR);
	else if (protocol <= WORD_DATA)
		run_short(b, &t, protocol);
	else if (protocol == BLOCK)
		run_block(b, &t);
	else if (protocol == I2C_READ && b->ich)
		run_i2c_read(b, &t);
	else
		finish(b, STS_DEV_ERR);
}

/* ---- registers ---- */

static void write_status(struct smbus *b, uint8_t value)
{
	bool go_on = b->hw.status & value & STS_BYTE_DONE;

	b->hw.status &= (uint8_t) ~(value & (b->ich ? STS_W1C_ICH : STS_W1C));
	if (go_on && b->hw.status & STS_BUSY)
		step_block(b);
}

static void write_control(struct smbus *b, uint8_t value)
{
	b->hw.control = value & (uint8_t)~CNT_START;
	if (value & CNT_KILL && b->hw.status & STS_BUSY)
		finish(b, STS_FAILED);
	else if (value & CNT_START)
		run(b);
}

/* With the buffer each access goes on by one; else there is the byte on the wire. */
static uint8_t *block_byte(struct smbus *b)
{
	return byte_wise(b) ? &b->hw.block[0] : &b->hw.block[b->hw.index++ % SMBUS_BLOCK];
}

uint8_t smbus_read(struct smbus *b, unsigned offset)
{
	uint8_t v = b->hw.status;

	switch (offset) {
	case HST_STS:
		if (b->ich)
			b->hw.status |= STS_INUSE;
		return v;
	case HST_CNT:
		if (!byte_wise(b))
			b->hw.index = 0;
		return b->hw.control;
	case HST_CMD: return b->hw.command;
	case XMIT_SLVA: return b->hw.address;
	case HST_D0: return b->hw.data0;
	case HST_D1: return b->hw.data1;
	case BLOCK_DB: return *block_byte(b);
	case AUX_CTL: return b->hw.aux;
	default: return 0;
	}
}

void smbus_write(struct smbus *b, unsigned offset, uint8_t value)
{
	switch (offset) {
	case HST_STS: write_status(b, value); break;
	case HST_CNT: write_control(b, value); break;
	case HST_CMD: b->hw.command = value; break;
	case XMIT_SLVA: b->hw.address = value; break;
	case HST_D0: b->hw.data0 = value; break;
	case HST_D1: b->hw.data1 = value; break;
	case BLOCK_DB: *block_byte(b) = value; break;
	case AUX_CTL: b->hw.aux = b->ich ? value & AUX_BUFFER : 0; break;
	default: break;
	}
}

bool smbus_interrupts(const struct smbus *b)
{
	return b->hw.control & CNT_INTREN && b->hw.status & (STS_W1C | STS_BYTE_DONE);
}

/* ---- life ---- */

void smbus_set_spd(struct smbus *b, unsigned slot, const uint8_t spd[EEPROM_SIZE])
{
	g_free(b->eeprom[slot]);
	b->eeprom[slot] = g_memdup2(spd, EEPROM_SIZE);
}

void smbus_done(struct smbus *b)
{
	for (unsigned i = 0; i < SMBUS_EEPROMS; i++)
		g_clear_pointer(&b->eeprom[i], g_free);
}

static const struct state_field fields[] = {
	ST_U(struct smbus_hw, status),
	ST_MAX(struct smbus_hw, control, (uint8_t)~CNT_START),
	ST_U(struct smbus_hw, command),
	ST_U(struct smbus_hw, address),
	ST_U(struct smbus_hw, data0),
	ST_U(struct smbus_hw, data1),
	ST_MAX(struct smbus_hw, aux, AUX_BUFFER),
	ST_U(struct smbus_hw, index),
	ST_BYTES(struct smbus_hw, block),
	ST_BYTES(struct smbus_hw, pointer),
	ST_END,
};

const struct state_desc smbus_state = {
	.name = "smbus", .version = 1, .size = sizeof(struct smbus_hw), .fields = fields};
