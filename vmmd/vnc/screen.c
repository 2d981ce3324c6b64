/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rfb/rfb.h>
#include <rfb/rfbregion.h> /* needs the former */

#include "base/error.h"
#include "base/input.h"
#include "vmmd/vnc/vnc-helper.h"

/* What is shown while there is no display yet. */
#define EMPTY_WIDTH  640
#define EMPTY_HEIGHT 480

/* QEMU extended key event: RFB pseudo-encoding, client message and sub-message. */
#define ENCODING_EXTENDED_KEY (-258)
#define MESSAGE_QEMU          255
#define QEMU_EXTENDED_KEY     0

struct client {
	bool private_; /* by TLS */
	int64_t since; /* ns */
	int buttons;   /* as RFB has them */
};

struct helper *client_helper(rfbClientPtr cl)
{
	return cl->screen->screenData;
}

static struct client *client(rfbClientPtr cl)
{
	return cl->clientData;
}

void client_is_private(rfbClientPtr cl)
{
	client(cl)->private_ = true;
}

/* ---- clients come and go ---- */

static void tell_clients(struct helper *h)
{
	const struct vnc_clients m = {VNC_CLIENTS, h->clients};

	link_send(h, &m, sizeof(m), -1);
}

static void client_gone(rfbClientPtr cl)
{
	struct helper *h = client_helper(cl);

	g_free(cl->clientData);
	cl->clientData = NULL;
	h->clients--;
	tell_clients(h);
}

static enum rfbNewClientAction new_client(rfbClientPtr cl)
{
	struct helper *h = client_helper(cl);
	struct client *c = g_new0(struct client, 1);

	c->since = now_ns();
	cl->clientData = c;
	cl->clientGoneHook = client_gone;
	h->clients++;
	tell_clients(h);
	return RFB_CLIENT_ACCEPT;
}

void screen_add_client(struct helper *h, int fd, bool tls)
{
	rfbClientPtr cl;

	if (h->clients >= CLIENTS_MAX) {
		log_bounded(h, "more than %u clients", CLIENTS_MAX);
		close(fd);
		return;
	}
	cl = rfbNewClient(h->screen, fd);
	if (cl && tls)
		client_is_private(cl);
}

/* DES in constant time is not to be had; the comparison is. */
static rfbBool check_password(rfbClientPtr cl, const char *response, int n)
{
	struct helper *h = client_helper(cl);
	uint8_t expected[CHALLENGESIZE], differs = 0;

	if (n != CHALLENGESIZE || !h->has_password || (h->tls && !client(cl)->private_)) {
		log_bounded(h, "a client was refused");
		return FALSE;
	}
	memcpy(expected, cl->authChallenge, sizeof(expected));
	rfbEncryptBytes(expected, h->password);
	for (unsigned i = 0; i < sizeof(expected); i++)
		differs |= expected[i] ^ (uint8_t)response[i];
	if (differs)
		log_bounded(h, "a client has shown a wrong password");
	return !differs;
}

/* ---- input ---- */

static void send_key(struct helper *h, unsigned code, bool down)
{
	const struct vnc_key m = {VNC_KEY, code, down};

	h->unchanged = 0;
	if (code)
		link_send(h, &m, sizeof(m), -1);
}

static void on_key(rfbBool down, rfbKeySym keysym, rfbClientPtr cl)
{
	send_key(client_helper(cl), key_of_keysym(keysym), down);
}

/* Buttons 4 and 5 are clicks of the wheel. */
static void on_pointer(int mask, int x, int y, rfbClientPtr cl)
{
	struct helper *h = client_helper(cl);
	int pressed = mask & ~client(cl)->buttons;
	const struct vnc_pointer m = {
		.type = VNC_POINTER,
		.x = (uint32_t)MAX(x, 0),
		.y = (uint32_t)MAX(y, 0),
		.wheel = (pressed & rfbButton4Mask ? 1 : 0) - (pressed & rfbButton5Mask ? 1 : 0),
		.buttons = (mask & rfbButton1Mask ? INPUT_BUTTON_LEFT : 0) |
			   (mask & rfbButton2Mask ? INPUT_BUTTON_MIDDLE : 0) |
			   (mask & rfbButton3Mask ? INPUT_BUTTON_RIGHT : 0),
	};

	client(cl)->buttons = mask;
	h->unchanged = 0;
	link_send(h, &m, sizeof(m), -1);
}

/* The client may send such keys from now on: an empty rectangle of that encoding says so. */
static rfbBool enable_extended_key(rfbClientPtr cl, void **data, int encoding)
{
	static const uint8_t yes[] = {
		rfbFramebufferUpdate, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xfe, 0xfe};

	return rfbWriteExact(cl, (const char *)yes, sizeof(yes)) == 1;
}

/* Type, sub-type, down (2 bytes), keysym, scan code (4 each), big-endian. Its type has been read. */
static rfbBool extended_key(rfbClientPtr cl, void *data, const rfbClientToServerMsg *message)
{
	uint8_t m[11];
	unsigned code;

	if (message->type != MESSAGE_QEMU)
		return FALSE;
	if (rfbReadExact(cl, (char *)m, sizeof(m)) <= 0 || m[0] != QEMU_EXTENDED_KEY) {
		rfbCloseClient(cl);
		return TRUE;
	}
	code = key_of_scan_code((uint32_t)m[7] << 24 | m[8] << 16 | m[9] << 8 | m[10]);
	if (!code)
		code = key_of_keysym((uint32_t)m[3] << 24 | m[4] << 16 | m[5] << 8 | m[6]);
	send_key(client_helper(cl), code, m[1] || m[2]);
	return TRUE;
}

static void register_extended_key(void)
{
	static int encodings[] = {ENCODING_EXTENDED_KEY, 0};
	static rfbProtocolExtension extension = {
		.pseudoEncodings = encodings,
		.enablePseudoEncoding = enable_extended_key,
		.handleMessage = extended_key,
	};

	rfbRegisterProtocolExtension(&extension);
}

/* ---- the picture ---- */

/* Pixels are 0x00RRGGBB; libvncserver thinks otherwise of whatever it is given. */
static void set_format(struct helper *h)
{
	rfbClientIteratorPtr i = rfbGetClientIterator(h->screen);
	rfbPixelFormat *f = &h->screen->serverFormat;
	rfbClientPtr cl;

	f->redShift = 16;
	f->greenShift = 8;
	f->blueShift = 0;
	while ((cl = rfbClientIteratorNext(i)))
		rfbSetTranslateFunction(cl);
	rfbReleaseClientIterator(i);
}

void screen_resize(struct helper *h)
{
	const struct vnc_surface *s = &h->surface;

	rfbNewFramebuffer(h->screen, (char *)h->pixels, (int)s->width, (int)s->height, 8, 3, 4);
	set_format(h);
	rfbMarkRectAsModified(h->screen, 0, 0, (int)s->width, (int)s->height);
}

void screen_changed(struct helper *h, const struct display_rect *r)
{
	rfbMarkRectAsModified(
		h->screen, (int)r->x, (int)r->y, (int)(r->x + r->w), (int)(r->y + r->h));
}

bool screen_waited_for(const struct helper *h)
{
	rfbClientIteratorPtr i = rfbGetClientIterator(h->screen);
	bool waited = false;
	rfbClientPtr cl;

	while ((cl = rfbClientIteratorNext(i)))
		waited |= cl->state == RFB_NORMAL && !sraRgnEmpty(cl->requestedRegion);
	rfbReleaseClientIterator(i);
	return waited;
}

static void close_dawdlers(struct helper *h)
{
	rfbClientIteratorPtr i = rfbGetClientIterator(h->screen);
	rfbClientPtr cl;

	while ((cl = rfbClientIteratorNext(i))) {
		if (cl->state != RFB_NORMAL && client(cl) &&
			now_ns() - client(cl)->since > HANDSHAKE_LIMIT)
			rfbCloseClient(cl);
	}
	rfbReleaseClientIterator(i);
}

void screen_run(struct helper *h)
{
	close_dawdlers(h);
	rfbProcessEvents(h->screen, 0);
}

/* ---- life ---- */

/* Most of what libvncserver calls an error is a client's doing, or no error. */
static void library_says(const char *fmt, ...)
{
	g_autofree char *line = NULL;
	va_list args;

	va_start(args, fmt);
	line = g_strdup_vprintf(fmt, args);
	va_end(args);
	log_debug("%s", g_strchomp(line));
}

static void say_nothing(const char *fmt, ...)
{
}

static bool set_share(rfbScreenInfoPtr s, const char *share)
{
	if (strcmp(share, "ignore") == 0)
		s->alwaysShared = TRUE;
	else if (strcmp(share, "force-shared") == 0)
		s->dontDisconnect = TRUE;
	else
		return strcmp(share, "allow-exclusive") == 0;
	return true;
}

bool screen_start(struct helper *h, const char *name, const char *share, GError **error)
{
	static char program[] = "vmmd-vnc", *argv[] = {program, NULL};
	static uint8_t empty[EMPTY_WIDTH * EMPTY_HEIGHT * 4];
	int argc = 1;

	rfbLog = say_nothing;
	rfbErr = library_says;
	h->screen = rfbGetScreen(&argc, argv, EMPTY_WIDTH, EMPTY_HEIGHT, 8, 3, 4);
	if (!h->screen)
		return err_set(error, VMMD_ERROR_HOST, "libvncserver does not start");
	h->screen->screenData = h;
	h->screen->frameBuffer = (char *)empty;
	h->screen->desktopName = name;
	h->screen->port = h->screen->ipv6port = 0;
	h->screen->cursor = NULL;
	h->screen->deferUpdateTime = 0;
	h->screen->maxClientWait = CLIENT_WAIT;
	h->screen->newClientHook = new_client;
	h->screen->kbdAddEvent = on_key;
	h->screen->ptrAddEvent = on_pointer;
	h->screen->passwordCheck = check_password;
	/* Without TLS and password nobody is asked; the value means nothing. */
	h->screen->authPasswdData = h->tls || h->needs_password ? h : NULL;
	if (!set_share(h->screen, share))
		return err_set(error, VMMD_ERROR_INVALID, "--share: there is no '%s'", share);
	set_format(h);
	register_extended_key();
	if (h->tls)
		vencrypt_register();
	rfbInitServer(h->screen);
	return true;
}

void screen_done(struct helper *h)
{
	if (h->screen)
		rfbScreenCleanup(h->screen);
}
