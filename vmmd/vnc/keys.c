/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/input-event-codes.h>
#include <rfb/keysym.h>

#include "vmmd/vnc/vnc-helper.h"

/* Printable ASCII: where each character is on a US keyboard. */
static const uint8_t ascii[] = {
	[' '] = KEY_SPACE,
	['!'] = KEY_1,
	['"'] = KEY_APOSTROPHE,
	['#'] = KEY_3,
	['$'] = KEY_4,
	['%'] = KEY_5,
	['&'] = KEY_7,
	['\''] = KEY_APOSTROPHE,
	['('] = KEY_9,
	[')'] = KEY_0,
	['*'] = KEY_8,
	['+'] = KEY_EQUAL,
	[','] = KEY_COMMA,
	['-'] = KEY_MINUS,
	['.'] = KEY_DOT,
	['/'] = KEY_SLASH,
	['0'] = KEY_0,
	['1'] = KEY_1,
	['2'] = KEY_2,
	['3'] = KEY_3,
	['4'] = KEY_4,
	['5'] = KEY_5,
	['6'] = KEY_6,
	['7'] = KEY_7,
	['8'] = KEY_8,
	['9'] = KEY_9,
	[':'] = KEY_SEMICOLON,
	[';'] = KEY_SEMICOLON,
	['<'] = KEY_COMMA,
	['='] = KEY_EQUAL,
	['>'] = KEY_DOT,
	['?'] = KEY_SLASH,
	['@'] = KEY_2,
	['['] = KEY_LEFTBRACE,
	['\\'] = KEY_BACKSLASH,
	[']'] = KEY_RIGHTBRACE,
	['^'] = KEY_6,
	['_'] = KEY_MINUS,
	['`'] = KEY_GRAVE,
	['a'] = KEY_A,
	['b'] = KEY_B,
	['c'] = KEY_C,
	['d'] = KEY_D,
	['e'] = KEY_E,
	['f'] = KEY_F,
	['g'] = KEY_G,
	['h'] = KEY_H,
	['i'] = KEY_I,
	['j'] = KEY_J,
	['k'] = KEY_K,
	['l'] = KEY_L,
	['m'] = KEY_M,
	['n'] = KEY_N,
	['o'] = KEY_O,
	['p'] = KEY_P,
	['q'] = KEY_Q,
	['r'] = KEY_R,
	['s'] = KEY_S,
	['t'] = KEY_T,
	['u'] = KEY_U,
	['v'] = KEY_V,
	['w'] = KEY_W,
	['x'] = KEY_X,
	['y'] = KEY_Y,
	['z'] = KEY_Z,
	['{'] = KEY_LEFTBRACE,
	['|'] = KEY_BACKSLASH,
	['}'] = KEY_RIGHTBRACE,
	['~'] = KEY_GRAVE,
};

/* The keys without a character: the low byte of keysyms 0xff00 to 0xffff. */
static const uint8_t functions[256] = {
	[XK_BackSpace & 0xff] = KEY_BACKSPACE,
	[XK_Tab & 0xff] = KEY_TAB,
	[XK_Return & 0xff] = KEY_ENTER,
	[XK_Pause & 0xff] = KEY_PAUSE,
	[XK_Scroll_Lock & 0xff] = KEY_SCROLLLOCK,
	[XK_Sys_Req & 0xff] = KEY_SYSRQ,
	[XK_Escape & 0xff] = KEY_ESC,
	[XK_Delete & 0xff] = KEY_DELETE,
	[XK_Home & 0xff] = KEY_HOME,
	[XK_Left & 0xff] = KEY_LEFT,
	[XK_Up & 0xff] = KEY_UP,
	[XK_Right & 0xff] = KEY_RIGHT,
	[XK_Down & 0xff] = KEY_DOWN,
	[XK_Page_Up & 0xff] = KEY_PAGEUP,
	[XK_Page_Down & 0xff] = KEY_PAGEDOWN,
	[XK_End & 0xff] = KEY_END,
	[XK_Print & 0xff] = KEY_SYSRQ,
	[XK_Insert & 0xff] = KEY_INSERT,
	[XK_Menu & 0xff] = KEY_COMPOSE,
	[XK_Break & 0xff] = KEY_PAUSE,
	[XK_Num_Lock & 0xff] = KEY_NUMLOCK,
	[XK_KP_Enter & 0xff] = KEY_KPENTER,
	[XK_KP_Home & 0xff] = KEY_KP7,
	[XK_KP_Left & 0xff] = KEY_KP4,
	[XK_KP_Up & 0xff] = KEY_KP8,
	[XK_KP_Right & 0xff] = KEY_KP6,
	[XK_KP_Down & 0xff] = KEY_KP2,
	[XK_KP_Page_Up & 0xff] = KEY_KP9,
	[XK_KP_Page_Down & 0xff] = KEY_KP3,
	[XK_KP_End & 0xff] = KEY_KP1,
	[XK_KP_Begin & 0xff] = KEY_KP5,
	[XK_KP_Insert & 0xff] = KEY_KP0,
	[XK_KP_Delete & 0xff] = KEY_KPDOT,
	[XK_KP_Equal & 0xff] = KEY_KPEQUAL,
	[XK_KP_Multiply & 0xff] = KEY_KPASTERISK,
	[XK_KP_Add & 0xff] = KEY_KPPLUS,
	[XK_KP_Separator & 0xff] = KEY_KPCOMMA,
	[XK_KP_Subtract & 0xff] = KEY_KPMINUS,
	[XK_KP_Decimal & 0xff] = KEY_KPDOT,
	[XK_KP_Divide & 0xff] = KEY_KPSLASH,
	[XK_KP_0 & 0xff] = KEY_KP0,
	[XK_KP_1 & 0xff] = KEY_KP1,
	[XK_KP_2 & 0xff] = KEY_KP2,
	[XK_KP_3 & 0xff] = KEY_KP3,
	[XK_KP_4 & 0xff] = KEY_KP4,
	[XK_KP_5 & 0xff] = KEY_KP5,
	[XK_KP_6 & 0xff] = KEY_KP6,
	[XK_KP_7 & 0xff] = KEY_KP7,
	[XK_KP_8 & 0xff] = KEY_KP8,
	[XK_KP_9 & 0xff] = KEY_KP9,
	[XK_F1 & 0xff] = KEY_F1,
	[XK_F2 & 0xff] = KEY_F2,
	[XK_F3 & 0xff] = KEY_F3,
	[XK_F4 & 0xff] = KEY_F4,
	[XK_F5 & 0xff] = KEY_F5,
	[XK_F6 & 0xff] = KEY_F6,
	[XK_F7 & 0xff] = KEY_F7,
	[XK_F8 & 0xff] = KEY_F8,
	[XK_F9 & 0xff] = KEY_F9,
	[XK_F10 & 0xff] = KEY_F10,
	[XK_F11 & 0xff] = KEY_F11,
	[XK_F12 & 0xff] = KEY_F12,
	[XK_Shift_L & 0xff] = KEY_LEFTSHIFT,
	[XK_Shift_R & 0xff] = KEY_RIGHTSHIFT,
	[XK_Control_L & 0xff] = KEY_LEFTCTRL,
	[XK_Control_R & 0xff] = KEY_RIGHTCTRL,
	[XK_Caps_Lock & 0xff] = KEY_CAPSLOCK,
	[XK_Meta_L & 0xff] = KEY_LEFTALT,
	[XK_Meta_R & 0xff] = KEY_RIGHTALT,
	[XK_Alt_L & 0xff] = KEY_LEFTALT,
	[XK_Alt_R & 0xff] = KEY_RIGHTALT,
	[XK_Super_L & 0xff] = KEY_LEFTMETA,
	[XK_Super_R & 0xff] = KEY_RIGHTMETA,
};

#define ISO_LEVEL3_SHIFT 0xfe03 /* AltGr */
#define ISO_LEFT_TAB     0xfe20 /* Shift and Tab */

unsigned key_of_keysym(uint32_t keysym)
{
	if (keysym >= 'A' && keysym <= 'Z')
		return ascii[keysym - 'A' + 'a'];
	if (keysym < sizeof(ascii))
		return ascii[keysym];
	if (keysym >> 8 == 0xff)
		return functions[keysym & 0xff];
	return keysym == ISO_LEVEL3_SHIFT ? KEY_RIGHTALT : keysym == ISO_LEFT_TAB ? KEY_TAB : 0;
}

/* Set 1 codes with prefix. IBM, "101- and 102-Key Keyboard"; Microsoft, "Keyboard scan code specification". */
static const uint8_t prefixed[128] = {
	[0x10] = KEY_PREVIOUSSONG,
	[0x19] = KEY_NEXTSONG,
	[0x1c] = KEY_KPENTER,
	[0x1d] = KEY_RIGHTCTRL,
	[0x20] = KEY_MUTE,
	[0x21] = KEY_CALC,
	[0x22] = KEY_PLAYPAUSE,
	[0x24] = KEY_STOPCD,
	[0x2e] = KEY_VOLUMEDOWN,
	[0x30] = KEY_VOLUMEUP,
	[0x32] = KEY_HOMEPAGE,
	[0x35] = KEY_KPSLASH,
	[0x37] = KEY_SYSRQ,
	[0x38] = KEY_RIGHTALT,
	[0x46] = KEY_PAUSE,
	[0x47] = KEY_HOME,
	[0x48] = KEY_UP,
	[0x49] = KEY_PAGEUP,
	[0x4b] = KEY_LEFT,
	[0x4d] = KEY_RIGHT,
	[0x4f] = KEY_END,
	[0x50] = KEY_DOWN,
	[0x51] = KEY_PAGEDOWN,
	[0x52] = KEY_INSERT,
	[0x53] = KEY_DELETE,
	[0x5b] = KEY_LEFTMETA,
	[0x5c] = KEY_RIGHTMETA,
	[0x5d] = KEY_COMPOSE,
	[0x5e] = KEY_POWER,
	[0x5f] = KEY_SLEEP,
	[0x63] = KEY_WAKEUP,
};

/* Beyond the PC/AT's keys, without prefix. */
static unsigned plain(uint32_t code)
{
	switch (code) {
	case 0x54: return KEY_SYSRQ;
	case 0x56: return KEY_102ND;
	case 0x57: return KEY_F11;
	case 0x58: return KEY_F12;
	case 0x70: return KEY_KATAKANAHIRAGANA;
	case 0x73: return KEY_RO;
	case 0x79: return KEY_HENKAN;
	case 0x7b: return KEY_MUHENKAN;
	case 0x7d: return KEY_YEN;
	default: return code <= KEY_KPDOT ? code : 0;
	}
}

unsigned key_of_scan_code(uint32_t code)
{
	if (code > 0xff)
		return 0;
	return code & 0x80 ? prefixed[code & 0x7f] : plain(code);
}
