/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnc-helper.h - what the files of vmmd-vnc share.
 *
 *	main.c     options, listeners, sandbox, the loop
 *	screen.c   what libvncserver shows and hears: clients, their keys and pointers, passwords
 *	link.c     the engine's socket: surfaces, changes, passwords, screenshots
 *	vencrypt.c RFB security type 19: TLS first, then none or VNC authentication
 *	tls.c      a TLS session between a client and libvncserver
 *	keys.c     keysyms and PC scan codes to key codes
 *	png.c      a picture as a file
 *
 * One thread and poll(2), and a thread for each TLS session. libvncserver reads and writes its clients' sockets itself, and
 * waits for a slow one for CLIENT_WAIT at most; a client that does not finish its handshake goes after HANDSHAKE_LIMIT.
 * Neither the engine nor any client is trusted; an end of the engine's socket is the end of the process.
 */
#ifndef VMMD_VNC_VNC_HELPER_H
#define VMMD_VNC_VNC_HELPER_H

#include <glib.h>
#include <gnutls/gnutls.h>
#include <rfb/rfb.h>

#include "base/log.h"
#include "base/util.h"
#include "virtio-backends/display/vnc-protocol.h"

#define CLIENTS_MAX     16
#define CLIENT_WAIT     2000 /* ms */
#define HANDSHAKE_LIMIT (INT64_C(20) * NSEC_PER_SEC)
#define ALL_LISTENERS   3

struct listener {
	int fd;
	bool websocket;
};

/* A connection of which a first byte is awaited: a WebSocket client speaks first. */
struct waiting {
	int fd;
	bool tls;
	int64_t since; /* ns */
};

struct helper {
	int engine; /* descriptor */
	rfbScreenInfoPtr screen;
	struct listener listeners[ALL_LISTENERS];
	unsigned n_listeners;
	GArray *waiting; /* struct waiting */
	unsigned clients;
	bool ended; /* the engine has gone, or does not keep to the protocol */

	/* The surface, mapped read-only; NULL before the first one. */
	uint8_t *pixels;
	struct vnc_surface surface;

	/* Pictures: one is asked for at a time. */
	bool asked;
	int64_t asked_at;   /* ns */
	unsigned unchanged; /* answers in a row that were empty */

	bool needs_password, has_password;
	char password[VNC_PASSWORD_MAX + 1];
	gnutls_certificate_credentials_t tls; /* NULL: no TLS */
	bool tls_clients;                     /* show a certificate of their own */
	struct ratelimit messages;
};

int64_t now_ns(void);
/* What a client or libvncserver has to say, at a bounded rate. */
void log_bounded(struct helper *h, const char *fmt, ...) __printf(2, 3);

/* ---- screen.c ---- */

/* Before the sandbox. @name and @share (the option's word) as in the options. */
bool screen_start(struct helper *h, const char *name, const char *share, GError **error);
void screen_done(struct helper *h);
/* A client's connection, taken over. @tls: what it says arrives by a TLS session of ours. */
void screen_add_client(struct helper *h, int fd, bool tls);
/* The surface is another one: h->pixels and h->surface. */
void screen_resize(struct helper *h);
void screen_changed(struct helper *h, const struct display_rect *r);
/* Whether a client waits for a picture. */
bool screen_waited_for(const struct helper *h);
/* Lets libvncserver read and write, and closes what has been at its handshake for too long. */
void screen_run(struct helper *h);
/* The client's end of a socket pair of tls.c takes the place of its socket; the client is a trusted one from now on. */
void client_is_private(rfbClientPtr cl);
struct helper *client_helper(rfbClientPtr cl);

/* ---- link.c ---- */

/* What the engine has sent; sets h->ended. */
void link_read(struct helper *h);
/* False: the engine does not read; h->ended is set. */
bool link_send(struct helper *h, const void *message, size_t n, int fd);
/* Asks for a picture if one is due, and returns the ms until one will be; -1: nobody waits. */
int link_refresh(struct helper *h);

/* ---- vencrypt.c ---- */

void vencrypt_register(void);

/* ---- tls.c ---- */

/* Certificate, key and, unless NULL, the authority of clients' certificates, from PEM files. */
bool tls_load(struct helper *h, const char *cert, const char *key, const char *ca, GError **error);
/*
 * Starts a session with the client at @client (taken over, also on failure) in a thread of its own. Returns a socket with what
 * the client says inside of it, or -1.
 */
int tls_start(struct helper *h, int client);

/* ---- keys.c ---- */

/* KEY_* of a US keyboard's key with @keysym on it, 0: none has. */
unsigned key_of_keysym(uint32_t keysym);
/* KEY_* of a set 1 scan code, bit 7 for those with prefix 0xe0, as the QEMU extended key event has it; 0: none. */
unsigned key_of_scan_code(uint32_t code);

/* ---- png.c ---- */

/* A file of @surface's pixels. NULL: too large, or no memory. */
GByteArray *png_encode(const struct vnc_surface *surface, const uint8_t *pixels);

#endif
