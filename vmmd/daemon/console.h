/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console.h - the console of a running VM, shared out to any number of clients.
 *
 *	VM process ── one connection ── ring of recent output ──┬─► client (WebSocket)
 *	                                                        ├─► client
 *	             ◄── input of all ── bounded queue ◄────────┘
 *
 * The VM process serves one client at a time and replays its history to it; the hub is that client
 * while it has clients itself, and replays what it has heard to each newcomer. A client that does
 * not read is skipped ahead when the ring has overtaken it: it never holds up the others or the
 * guest. Main thread.
 */
#ifndef VMMD_DAEMON_CONSOLE_H
#define VMMD_DAEMON_CONSOLE_H

#include <libsoup/soup.h>

#include "base/util.h"

#define CONSOLE_RING    (256 * KiB)
#define CONSOLE_INPUT   (64 * KiB) /* input that waits for the guest */
#define CONSOLE_CLIENTS 32

struct console;

/* The socket is @file in the folder @dir, which is borrowed until console_end(). */
struct console *console_new(int dir, const char *file);

/*
 * Adds a client; it is served until it closes, or the console ends. The reference is the console's
 * own.
 */
void console_join(struct console *c, SoupWebsocketConnection *ws);

/* Closes @ws with @reason, for one that cannot join. */
void console_refuse(SoupWebsocketConnection *ws, const char *reason);

/* The VM has ended: clients get what is left, then a close with @reason. Frees @c. */
void console_end(struct console *c, const char *reason);

#endif
