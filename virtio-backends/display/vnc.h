/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnc.h - who shows a display to people: vmmd-vnc, a process of its own, and our end of its socket.
 *
 *	display ─► struct vnc ═socket═► vmmd-vnc ─► VNC clients, PNG screenshots
 *	input   ◄─           ◄═══════
 *
 * The helper asks for each picture, at most so often as it can use one, and only while a client is connected: nobody
 * looks, nothing is drawn. Pixels are in a memfd that both have mapped; the socket carries rectangles, keys and
 * positions (vnc-protocol.h). What comes from the helper is checked as if a guest had sent it: it talks to a network.
 *
 * Main loop only.
 */
#ifndef VIRTIO_BACKENDS_DISPLAY_VNC_H
#define VIRTIO_BACKENDS_DISPLAY_VNC_H

#include <glib.h>
#include <sys/types.h>

#include "base/util.h"

struct display;
struct input;
struct loop;
struct vnc;

/* What happens to the others when a client connects that wants to be alone. */
enum vnc_share {
	VNC_SHARE_ALLOW_EXCLUSIVE, /* they are disconnected */
	VNC_SHARE_FORCE_SHARED,    /* it is refused while there are others */
	VNC_SHARE_IGNORE,          /* nothing */
};

/* Without listen_fd, port and websocket nobody can connect: the helper takes screenshots only. */
struct vnc_conf {
	const char *name;         /* of the VM, shown by clients */
	int listen_fd;            /* listening Unix stream socket, or -1; taken over by vnc_new() */
	const char *address;      /* IPv4 or IPv6 address to listen on; NULL: 127.0.0.1 */
	uint16_t port, websocket; /* TCP; 0: none */
	const char *password;     /* at most 8 bytes (RFC 6143 section 7.2.2); NULL: none */
	/* PEM files, opened by the helper before its sandbox: TLS (VeNCrypt) is then demanded, also on websocket. */
	const char *tls_cert, *tls_key;
	const char *tls_ca; /* clients show a certificate of this authority; NULL: they need none */
	enum vnc_share share;
	uid_t uid; /* the helper becomes this user, when root; (uid_t)-1: stay */
	gid_t gid;
	struct loop *loop;
};

/*
 * Starts @helper, the path of vmmd-vnc, for @display and @input (borrowed; they outlive it). Before the sandbox. Errors:
 * no such program, an address that is taken, a certificate that is none.
 */
struct vnc *vnc_new(const char *helper, const struct vnc_conf *conf, struct display *display,
	struct input *input, GError **error);
/* The same over a socket (taken over) to a helper that somebody else has started: tests. */
struct vnc *vnc_attach(int sock, struct loop *loop, struct display *display, struct input *input);
/* Ends the helper. NULL is fine. */
void vnc_free(struct vnc *v);

/*
 * For the next who connect; NULL: nobody is let in any more (where there was none before, too). -EINVAL: longer than 8
 * bytes; -EPIPE: the helper has ended.
 */
int vnc_set_password(struct vnc *v, const char *password);

/*
 * A PNG of what the display shows now. @fn runs on the main loop, exactly once, with the file's bytes (owned by the
 * caller; gone when it returns) or with @err: -EPIPE the helper has ended, -ENOMEM, -ENODATA nothing to show yet.
 */
typedef void vnc_png_fn(void *opaque, const uint8_t *png, size_t n, int err);
void vnc_screenshot(struct vnc *v, vnc_png_fn *fn, void *opaque);

/* How many clients are connected. */
unsigned vnc_clients(const struct vnc *v);

#endif
