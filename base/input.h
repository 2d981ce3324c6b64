/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * input.h - the interface between those who type and point (VNC helper, control operations) and the
 * devices that a guest sees them by (PS/2, USB HID, virtio-input).
 *
 *	input_key(), input_move() … ──► struct input ──► handlers: one for keys, one for the pointer
 *
 * Of several handlers of a kind the one added or activated last gets the events: a guest that
 * starts its USB tablet takes the pointer away from the PS/2 mouse; keys that are down go up on the
 * handler that loses them. An absolute position is passed on to a relative device as the difference
 * to the last one, a movement to an absolute device as the place where it ends; the screen is then
 * taken to be INPUT_NOMINAL_SIDE pixels wide and high.
 *
 * Main loop only, but for what a device says when its guest has written a register
 * (input_activate(), input_set_leds()): those are for any thread, also with the device's lock held.
 * A handler takes its device's lock itself.
 */
#ifndef BASE_INPUT_H
#define BASE_INPUT_H

#include <glib.h>

#include "base/util.h"

/* Keys are the codes of linux/input-event-codes.h (KEY_*): what a US keyboard has printed on it. */
#define INPUT_KEY_MAX 0xff

/* The full range of an absolute axis; 0 is left and top. */
#define INPUT_ABS_MAX      0x7fff
#define INPUT_NOMINAL_SIDE 1024

enum input_button {
	INPUT_BUTTON_LEFT = 0x01,
	INPUT_BUTTON_RIGHT = 0x02,
	INPUT_BUTTON_MIDDLE = 0x04,
	INPUT_BUTTON_SIDE = 0x08,
	INPUT_BUTTON_EXTRA = 0x10,
};

struct input;

/* A device's ears; a callback that is NULL means that it has no such thing. */
struct input_handler {
	void (*key)(struct input_handler *h, unsigned code, bool down);
	/* Relative movement: right, down; wheel: up is positive. @buttons: all that are down now. */
	void (*rel)(struct input_handler *h, int dx, int dy, int wheel, unsigned buttons);
	/* A position, 0..INPUT_ABS_MAX each. */
	void (*abs)(struct input_handler *h, unsigned x, unsigned y, int wheel, unsigned buttons);
	struct input_handler *next; /* input.c's */
	unsigned rank;              /* input.c's; atomic */
};

enum input_led { INPUT_LED_SCROLL = 0x1, INPUT_LED_NUM = 0x2, INPUT_LED_CAPS = 0x4 };

struct input *input_new(void);
void input_free(struct input *i); /* NULL is fine; handlers were removed */

/* By devices, at realize and unrealize. */
void input_add(struct input *i, struct input_handler *h);
void input_remove(struct input *i, struct input_handler *h);
/* The guest has begun to use @h: it gets the events of its kinds from now on. Any thread. */
void input_activate(struct input *i, struct input_handler *h);
/* The guest has set its keyboard's lights (enum input_led). Any thread. */
void input_set_leds(struct input *i, unsigned leds);

/*
 * By those who type. A key that is down already repeats; one that is not cannot be released: that is dropped, as is all
 * without a handler. -EINVAL: no such key.
 */
int input_key(struct input *i, unsigned code, bool down);
void input_move(struct input *i, int dx, int dy, int wheel, unsigned buttons);
void input_point(struct input *i, unsigned x, unsigned y, int wheel, unsigned buttons);
/* Releases all keys and buttons that are down: the one who typed has gone. */
void input_release_all(struct input *i);
/* Whether positions reach a device as they are: a viewer then shows no pointer of its own. */
bool input_is_absolute(const struct input *i);
unsigned input_leds(const struct input *i);

/* The key that QEMU and libvirt call @name ("ctrl", "ret", "f1", "kp_enter"); 0: none. */
unsigned input_key_by_name(const char *name);

#endif
