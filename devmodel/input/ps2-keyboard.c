/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/input/ps2.h"

#include <linux/input-event-codes.h>

#define KEYS_MAX 16 /* bytes of the keyboard's own buffer: beyond it keys are lost */

/* Commands. */
enum {
	KBD_SET_LEDS = 0xed,
	KBD_ECHO = 0xee,
	KBD_SCAN_SET = 0xf0,
	KBD_IDENTIFY = 0xf2,
	KBD_TYPEMATIC = 0xf3,
	KBD_ENABLE = 0xf4,
	KBD_DISABLE = 0xf5,
	KBD_DEFAULTS = 0xf6,
	KBD_ALL_TYPEMATIC = 0xf7, /* to 0xfa: key types of scan code set 3 */
	KBD_ALL_TYPEMATIC_MAKE_BREAK = 0xfa,
	KBD_RESEND = 0xfe,
	KBD_RESET = 0xff,
};

#define EXTENDED          0xe0
#define BREAK_SET1        0x80
#define BREAK_SET2        0xf0
#define OVERRUN_SET1      0xff
#define OVERRUN_SET2      0x00
#define CODE_PRINT        0xe037
#define CODE_BREAK        0xe046
#define CODE_FALSE_SHIFT  0xe02a
#define TYPEMATIC_DEFAULT 0x2b /* 10.9 characters a second after 500 ms */

/* ---- queue ---- */

const struct state_field ps2_queue_fields[] = {
	ST_BYTES(struct ps2_queue, data),
	ST_MAX(struct ps2_queue, head, PS2_QUEUE - 1),
	ST_MAX(struct ps2_queue, len, PS2_QUEUE),
	ST_END,
};

void ps2_put(struct ps2_queue *q, uint8_t byte)
{
	if (q->len < PS2_QUEUE)
		q->data[(q->head + q->len++) % PS2_QUEUE] = byte;
}

bool ps2_get(struct ps2_queue *q, uint8_t *ret)
{
	if (!q->len)
		return false;
	*ret = q->data[q->head];
	q->head = (q->head + 1) % PS2_QUEUE;
	q->len--;
	return true;
}

/* ---- scan codes ---- */

/* Set 1 by set 2: what the controller of the PC/AT made of its keyboard's codes, for XT programs. */
static const uint8_t set1[128] = {
	0xff,
	0x43,
	0x41,
	0x3f,
	0x3d,
	0x3b,
	0x3c,
	0x58,
	0x64,
	0x44,
	0x42,
	0x40,
	0x3e,
	0x0f,
	0x29,
	0x59,
	0x65,
	0x38,
	0x2a,
	0x70,
	0x1d,
	0x10,
	0x02,
	0x5a,
	0x66,
	0x71,
	0x2c,
	0x1f,
	0x1e,
	0x11,
	0x03,
	0x5b,
	0x67,
	0x2e,
	0x2d,
	0x20,
	0x12,
	0x05,
	0x04,
	0x5c,
	0x68,
	0x39,
	0x2f,
	0x21,
	0x14,
	0x13,
	0x06,
	0x5d,
	0x69,
	0x31,
	0x30,
	0x23,
	0x22,
	0x15,
	0x07,
	0x5e,
	0x6a,
	0x72,
	0x32,
	0x24,
	0x16,
	0x08,
	0x09,
	0x5f,
	0x6b,
	0x33,
	0x25,
	0x17,
	0x18,
	0x0b,
	0x0a,
	0x60,
	0x6c,
	0x34,
	0x35,
	0x26,
	0x27,
	0x19,
	0x0c,
	0x61,
	0x6d,
	0x73,
	0x28,
	0x74,
	0x1a,
	0x0d,
	0x62,
	0x6e,
	0x3a,
	0x36,
	0x1c,
	0x1b,
	0x75,
	0x2b,
	0x63,
	0x76,
	0x55,
	0x56,
	0x77,
	0x78,
	0x79,
	0x7a,
	0x0e,
	0x7b,
	0x7c,
	0x4f,
	0x7d,
	0x4b,
	0x47,
	0x7e,
	0x7f,
	0x6f,
	0x52,
	0x53,
	0x50,
	0x4c,
	0x4d,
	0x48,
	0x01,
	0x45,
	0x57,
	0x4e,
	0x51,
	0x4a,
	0x37,
	0x49,
	0x46,
	0x54,
};

/* Two keys have codes beyond the table; F7's is the one that keyboards send, not the table's 0x02. */
#define SET2_F7    0x83
#define SET2_SYSRQ 0x84
#define SET1_F7    0x41
#define SET1_SYSRQ 0x54

uint8_t ps2_set2_to_set1(uint8_t byte)
{
	if (byte == SET2_F7)
		return SET1_F7;
	if (byte == SET2_SYSRQ)
		return SET1_SYSRQ;
	return byte < sizeof(set1) ? set1[byte] : byte;
}

/* 0 for a code of no key. */
static uint8_t set2_of_set1(uint8_t code)
{
	if (code == SET1_F7)
		return SET2_F7;
	if (code == SET1_SYSRQ)
		return SET2_SYSRQ;
	for (unsigned i = 1; i < sizeof(set1); i++) {
		if (set1[i] == code)
			return (uint8_t)i;
	}
	return 0;
}

/*
 * Set 1 codes of keys (0xe0xx: with prefix) where they are not the number of the key itself, as they are for those in
 * scan_code(). "101- and 102-Key Keyboard"; multimedia, Japanese and F13 to F24: Microsoft, "Keyboard scan code
 * specification".
 */
static const uint16_t set1_of_key[] = {
	[KEY_RO] = 0x73,
	[KEY_KATAKANA] = 0x78,
	[KEY_HIRAGANA] = 0x77,
	[KEY_HENKAN] = 0x79,
	[KEY_KATAKANAHIRAGANA] = 0x70,
	[KEY_MUHENKAN] = 0x7b,
	[KEY_KPENTER] = 0xe01c,
	[KEY_RIGHTCTRL] = 0xe01d,
	[KEY_KPSLASH] = 0xe035,
	[KEY_RIGHTALT] = 0xe038,
	[KEY_HOME] = 0xe047,
	[KEY_UP] = 0xe048,
	[KEY_PAGEUP] = 0xe049,
	[KEY_LEFT] = 0xe04b,
	[KEY_RIGHT] = 0xe04d,
	[KEY_END] = 0xe04f,
	[KEY_DOWN] = 0xe050,
	[KEY_PAGEDOWN] = 0xe051,
	[KEY_INSERT] = 0xe052,
	[KEY_DELETE] = 0xe053,
	[KEY_MUTE] = 0xe020,
	[KEY_VOLUMEDOWN] = 0xe02e,
	[KEY_VOLUMEUP] = 0xe030,
	[KEY_POWER] = 0xe05e,
	[KEY_KPEQUAL] = 0x59,
	[KEY_KPCOMMA] = 0x7e,
	[KEY_YEN] = 0x7d,
	[KEY_LEFTMETA] = 0xe05b,
	[KEY_RIGHTMETA] = 0xe05c,
	[KEY_COMPOSE] = 0xe05d,
	[KEY_STOP] = 0xe068,
	[KEY_CALC] = 0xe021,
	[KEY_SLEEP] = 0xe05f,
	[KEY_WAKEUP] = 0xe063,
	[KEY_MAIL] = 0xe06c,
	[KEY_BOOKMARKS] = 0xe066,
	[KEY_COMPUTER] = 0xe06b,
	[KEY_BACK] = 0xe06a,
	[KEY_FORWARD] = 0xe069,
	[KEY_NEXTSONG] = 0xe019,
	[KEY_PLAYPAUSE] = 0xe022,
	[KEY_PREVIOUSSONG] = 0xe010,
	[KEY_STOPCD] = 0xe024,
	[KEY_HOMEPAGE] = 0xe032,
	[KEY_REFRESH] = 0xe067,
	[KEY_F13] = 0x64,
	[KEY_F14] = 0x65,
	[KEY_F15] = 0x66,
	[KEY_F16] = 0x67,
	[KEY_F17] = 0x68,
	[KEY_F18] = 0x69,
	[KEY_F19] = 0x6a,
	[KEY_F20] = 0x6b,
	[KEY_F21] = 0x6c,
	[KEY_F22] = 0x6d,
	[KEY_F23] = 0x6e,
	[KEY_F24] = 0x76,
	[KEY_SEARCH] = 0xe065,
	[KEY_MEDIA] = 0xe06d,
};

static uint16_t scan_code(unsigned key)
{
	if (key <= KEY_KPDOT || key == KEY_102ND || key == KEY_F11 || key == KEY_F12)
		return (uint16_t)key;
	return key < ARRAY_SIZE(set1_of_key) ? set1_of_key[key] : 0;
}

/* ---- keys ---- */

/* Bits of struct ps2_kbd_hw, down. */
#define DOWN_SHIFT_L 0x01
#define DOWN_SHIFT_R 0x02
#define DOWN_CTRL_L  0x04
#define DOWN_CTRL_R  0x08
#define DOWN_ALT_L   0x10
#define DOWN_ALT_R   0x20
#define DOWN_SHIFT   (DOWN_SHIFT_L | DOWN_SHIFT_R)
#define DOWN_CTRL    (DOWN_CTRL_L | DOWN_CTRL_R)
#define DOWN_ALT     (DOWN_ALT_L | DOWN_ALT_R)

static void note_modifier(struct ps2_kbd_hw *k, unsigned key, bool down)
{
	static const uint8_t bits[] = {
		[KEY_LEFTSHIFT] = DOWN_SHIFT_L,
		[KEY_RIGHTSHIFT] = DOWN_SHIFT_R,
		[KEY_LEFTCTRL] = DOWN_CTRL_L,
		[KEY_RIGHTCTRL] = DOWN_CTRL_R,
		[KEY_LEFTALT] = DOWN_ALT_L,
		[KEY_RIGHTALT] = DOWN_ALT_R,
	};
	uint8_t bit = key < sizeof(bits) ? bits[key] : 0;

	k->down = down ? k->down | bit : k->down & ~bit;
}

/* What one key sends: collected, then queued as a whole. */
struct codes {
	uint8_t bytes[8];
	size_t n;
	uint8_t set;
};

static void add_raw(struct codes *c, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		c->bytes[c->n++] = bytes[i];
}

static void add(struct codes *c, uint16_t scancode, bool down)
{
	uint8_t code = (uint8_t)scancode, code2 = set2_of_set1(code);

	if (!code2)
		return;
	if (scancode >> 8 == EXTENDED)
		c->bytes[c->n++] = EXTENDED;
	if (c->set == 1) {
		c->bytes[c->n++] = down ? code : code | BREAK_SET1;
		return;
	}
	if (!down)
		c->bytes[c->n++] = BREAK_SET2;
	c->bytes[c->n++] = code2;
}

/* Has no break code: pressing sends both. With Ctrl it is another key, Break. */
static void add_pause(struct codes *c, const struct ps2_kbd_hw *k, bool down)
{
	static const uint8_t codes1[] = {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5};
	static const uint8_t codes2[] = {0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77};

	if (!down)
		return;
	if (k->down & DOWN_CTRL) {
		add(c, CODE_BREAK, true);
		add(c, CODE_BREAK, false);
	} else if (c->set == 1) {
		add_raw(c, codes1, sizeof(codes1));
	} else {
		add_raw(c, codes2, sizeof(codes2));
	}
}

/* Pretends a Shift of its own unless one is down; with Alt it is another key, SysRq. */
static void add_print(struct codes *c, struct ps2_kbd_hw *k, bool down)
{
	bool shift = !(k->down & (DOWN_SHIFT | DOWN_CTRL));

	if (down ? k->down & DOWN_ALT : k->sysrq) {
		k->sysrq = down;
		add(c, SET1_SYSRQ, down);
		return;
	}
	if (shift && down)
		add(c, CODE_FALSE_SHIFT, true);
	add(c, CODE_PRINT, down);
	if (shift && !down)
		add(c, CODE_FALSE_SHIFT, false);
}

static void put_all(struct ps2_queue *q, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ps2_put(q, bytes[i]);
}

void ps2_kbd_key(struct ps2_kbd_hw *k, unsigned code, bool down)
{
	struct codes c = {.set = k->set};

	note_modifier(k, code, down);
	if (!k->scanning)
		return;
	if (code == KEY_PAUSE)
		add_pause(&c, k, down);
	else if (code == KEY_SYSRQ)
		add_print(&c, k, down);
	else
		add(&c, scan_code(code), down);
	if (!c.n || k->queue.len > KEYS_MAX)
		return;
	if (k->queue.len + c.n > KEYS_MAX) {
		c.bytes[0] = k->set == 1 ? OVERRUN_SET1 : OVERRUN_SET2;
		c.n = 1;
	}
	put_all(&k->queue, c.bytes, c.n);
}

/* ---- commands ---- */

static void set_defaults(struct ps2_kbd_hw *k)
{
	k->set = 2;
	k->rate = TYPEMATIC_DEFAULT;
	k->queue.len = 0;
}

void ps2_kbd_reset(struct ps2_kbd_hw *k, bool bat)
{
	*k = (struct ps2_kbd_hw){.down = k->down, .sysrq = k->sysrq, .scanning = true};
	set_defaults(k);
	if (bat)
		ps2_put(&k->queue, PS2_BAT_OK);
}

static uint8_t argument(struct ps2_kbd_hw *k, uint8_t command, uint8_t arg)
{
	switch (command) {
	case KBD_SET_LEDS: k->leds = arg & 0x07; return PS2_ACK;
	case KBD_TYPEMATIC: k->rate = arg; return PS2_ACK;
	default:
		if (arg == 1 || arg == 2)
			k->set = arg;
		return arg <= 2 ? PS2_ACK : PS2_RESEND;
	}
}

static void command(struct ps2_kbd_hw *k, uint8_t c)
{
	static const uint8_t identity[] = {PS2_ACK, 0xab, 0x83};
	struct ps2_queue *q = &k->queue;

	switch (c) {
	case KBD_SET_LEDS:
	case KBD_SCAN_SET:
	case KBD_TYPEMATIC:
		k->argument_of = c;
		ps2_put(q, PS2_ACK);
		break;
	case KBD_ECHO: ps2_put(q, KBD_ECHO); break;
	case KBD_IDENTIFY: put_all(q, identity, sizeof(identity)); break;
	case KBD_ENABLE:
	case KBD_DISABLE:
	case KBD_DEFAULTS:
		if (c != KBD_ENABLE)
			set_defaults(k);
		if (c != KBD_DEFAULTS)
			k->scanning = c == KBD_ENABLE;
		ps2_put(q, PS2_ACK);
		break;
	case KBD_ALL_TYPEMATIC ... KBD_ALL_TYPEMATIC_MAKE_BREAK: ps2_put(q, PS2_ACK); break;
	case KBD_RESEND: ps2_put(q, k->last); break;
	case KBD_RESET:
		ps2_kbd_reset(k, false);
		ps2_put(q, PS2_ACK);
		ps2_put(q, PS2_BAT_OK);
		break;
	default: ps2_put(q, PS2_RESEND); break;
	}
}

/* No argument has bit 7: such a byte is a new command instead of it. */
void ps2_kbd_write(struct ps2_kbd_hw *k, uint8_t byte)
{
	uint8_t waiting = k->argument_of;

	k->argument_of = 0;
	if (!waiting || byte & 0x80) {
		command(k, byte);
		return;
	}
	ps2_put(&k->queue, argument(k, waiting, byte));
	if (waiting == KBD_SCAN_SET && byte == 0)
		ps2_put(&k->queue, k->set);
}

bool ps2_kbd_read(struct ps2_kbd_hw *k, uint8_t *ret)
{
	if (!ps2_get(&k->queue, ret))
		return false;
	if (*ret != PS2_RESEND)
		k->last = *ret;
	return true;
}

const struct state_field ps2_kbd_fields[] = {
	ST_STRUCT(struct ps2_kbd_hw, queue, ps2_queue_fields),
	ST_U(struct ps2_kbd_hw, argument_of),
	ST_U(struct ps2_kbd_hw, last),
	ST_MAX(struct ps2_kbd_hw, leds, 0x07),
	ST_U(struct ps2_kbd_hw, rate),
	ST_RANGE(struct ps2_kbd_hw, set, 1, 2),
	ST_MAX(struct ps2_kbd_hw, down, DOWN_SHIFT | DOWN_CTRL | DOWN_ALT),
	ST_BOOL(struct ps2_kbd_hw, sysrq),
	ST_BOOL(struct ps2_kbd_hw, scanning),
	ST_END,
};
