/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnc-protocol.h - what the engine and vmmd-vnc say to each other over a SOCK_SEQPACKET socket, one structure a message.
 *
 *	engine ─► helper	surface (with its memfd), changes, password, screenshot
 *	helper ─► engine	refresh, key, pointer, clients, png (with a memfd)
 *
 *	helper: refresh ─► engine: draws, [surface,] changes ─► helper: shows them, waits a frame ─► refresh …
 *
 * The helper asks for a picture when a client waits for one, and not again before the answer. Numbers are host order: both ends
 * are one build on one machine. Neither trusts the other: a message has exactly the size of its structure, and what it
 * says is checked against what is known; anything else ends the connection.
 */
#ifndef VIRTIO_BACKENDS_DISPLAY_VNC_PROTOCOL_H
#define VIRTIO_BACKENDS_DISPLAY_VNC_PROTOCOL_H

#include "base/display.h"

#define VNC_PASSWORD_MAX 8  /* bytes that VNC authentication looks at */
#define VNC_RECTS_MAX    64 /* of one answer; where there are more the last one covers the rest */
#define VNC_PNG_MAX      (512u << 20)

enum vnc_message {
	/* engine ─► helper */
	VNC_SURFACE = 1,
	VNC_CHANGES,
	VNC_PASSWORD,
	VNC_SCREENSHOT,
	/* helper ─► engine */
	VNC_REFRESH,
	VNC_KEY,
	VNC_POINTER,
	VNC_CLIENTS,
	VNC_PNG,
};

/* With a descriptor: a memfd of height * stride bytes, sealed against shrinking. Another one takes its place. */
struct vnc_surface {
	uint32_t type;
	uint32_t width, height, stride;
};

/* The answer to refresh: what has changed since the last one, perhaps nothing. */
struct vnc_changes {
	uint32_t type;
	uint32_t n;
	struct display_rect rects[VNC_RECTS_MAX];
};

struct vnc_password {
	uint32_t type;
	uint32_t set; /* 0: nobody is let in */
	char text[VNC_PASSWORD_MAX];
};

/* Asks for a PNG of the surface, after a refresh of its own. */
struct vnc_screenshot {
	uint32_t type;
};

struct vnc_refresh {
	uint32_t type;
};

struct vnc_key {
	uint32_t type;
	uint32_t code; /* KEY_* */
	uint32_t down;
};

struct vnc_pointer {
	uint32_t type;
	uint32_t x, y; /* pixels */
	int32_t wheel;
	uint32_t buttons; /* enum input_button */
};

struct vnc_clients {
	uint32_t type;
	uint32_t n;
};

/* The answers to screenshots come in their order. With a descriptor, a memfd of @size bytes sealed against shrinking, unless @error is set. */
struct vnc_png {
	uint32_t type;
	uint32_t size;
	int32_t error; /* errno */
};

/* Room for any of them. */
union vnc_any {
	uint32_t type;
	struct vnc_surface surface;
	struct vnc_changes changes;
	struct vnc_password password;
	struct vnc_screenshot screenshot;
	struct vnc_refresh refresh;
	struct vnc_key key;
	struct vnc_pointer pointer;
	struct vnc_clients clients;
	struct vnc_png png;
};

#endif
