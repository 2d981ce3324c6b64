/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2.h - what hangs on the two ports of the keyboard controller: a keyboard and a mouse. IBM PS/2 Hardware Interface
 * Technical Reference, "Keyboard and Auxiliary Device Controller"; "101- and 102-Key Keyboard"; "Mouse".
 *
 * No lock, no device: state and functions that the controller calls under its own lock. Bytes for the host wait in a queue
 * that the controller empties.
 */
#ifndef DEVMODEL_INPUT_PS2_H
#define DEVMODEL_INPUT_PS2_H

#include "base/state.h"

#define PS2_QUEUE 32 /* bytes: keys or packets, and the answers to commands */

struct ps2_queue {
	uint8_t data[PS2_QUEUE];
	uint8_t head, len;
};

extern const struct state_field ps2_queue_fields[];

/* Answers and events of every PS/2 device. */
enum {
	PS2_BAT_OK = 0xaa,
	PS2_ACK = 0xfa,
	PS2_RESEND = 0xfe,
};

/* What does not fit is lost. */
void ps2_put(struct ps2_queue *q, uint8_t byte);
/* False when it is empty. */
bool ps2_get(struct ps2_queue *q, uint8_t *ret);

/* ---- keyboard ---- */

struct ps2_kbd_hw {
	struct ps2_queue queue;
	uint8_t argument_of; /* command whose argument is the next byte, 0 none */
	uint8_t last;        /* byte sent last, for resend */
	uint8_t leds;
	uint8_t rate; /* typematic rate and delay as set; whoever feeds us keys repeats them */
	uint8_t set;  /* of scan codes: 1 or 2 */
	uint8_t down; /* modifier keys: bits of ps2-keyboard.c */
	bool sysrq;   /* Print Screen went down as SysRq and goes up as such */
	bool scanning;
};

extern const struct state_field ps2_kbd_fields[];

/* Power-on; the self-test's answer is queued if @bat. */
void ps2_kbd_reset(struct ps2_kbd_hw *k, bool bat);
void ps2_kbd_write(struct ps2_kbd_hw *k, uint8_t byte);
bool ps2_kbd_read(struct ps2_kbd_hw *k, uint8_t *ret);
/* A key by its code in linux/input-event-codes.h; one that a PS/2 keyboard does not have is ignored. */
void ps2_kbd_key(struct ps2_kbd_hw *k, unsigned code, bool down);
/* The controller's translation of a byte of set 2 to set 1. */
uint8_t ps2_set2_to_set1(uint8_t byte);

/* ---- mouse ---- */

struct ps2_mouse_hw {
	struct ps2_queue queue;
	uint16_t dx, dy, wheel; /* not reported yet, two's complement */
	uint8_t argument_of;
	uint8_t last;
	uint8_t buttons, reported_buttons;
	uint8_t rate;       /* samples per second */
	uint8_t knock[3];   /* the last three rates that were set */
	uint8_t id;         /* enum ps2_mouse_id */
	uint8_t resolution; /* 0..3: 1, 2, 4, 8 counts per mm */
	bool scaling_2, remote, wrap, enabled;
};

/*
 * What the mouse is: IntelliMouse and IntelliMouse Explorer begin as a plain one, and become themselves when a driver that
 * knows them sets the sample rates 200, 100, 80 or 200, 200, 80 (Microsoft, "Intellipoint mouse protocol").
 */
enum ps2_mouse_id {
	PS2_MOUSE_PLAIN = 0,    /* three buttons */
	PS2_MOUSE_WHEEL = 3,    /* and a wheel: packets of four bytes */
	PS2_MOUSE_EXPLORER = 4, /* and five buttons */
};

extern const struct state_field ps2_mouse_fields[];

void ps2_mouse_reset(struct ps2_mouse_hw *m, bool bat);
void ps2_mouse_write(struct ps2_mouse_hw *m, uint8_t byte);
bool ps2_mouse_read(struct ps2_mouse_hw *m, uint8_t *ret);
/* Counts to the right, up, and clicks of the wheel towards the user; buttons: enum input_button (base/input.h). */
void ps2_mouse_move(struct ps2_mouse_hw *m, int dx, int dy, int wheel, unsigned buttons);

#endif
