/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VeNCrypt 0.2, RFB security type 19: the client chooses a kind of TLS, the session begins, and what was chosen with it follows
 * inside: nothing, or VNC authentication. https://github.com/rfbproto/rfbproto, "VeNCrypt".
 *
 *	S: 0 2   C: 0 2   S: 0   S: n, kinds   C: kind   S: 1   TLS …
 */
#include <endian.h>
#include <string.h>
#include <unistd.h>

#include "vmmd/vnc/vnc-helper.h"

#define SECURITY_VENCRYPT 19
#define ACCEPTED          1

static bool put(rfbClientPtr cl, const void *bytes, size_t n)
{
	return rfbWriteExact(cl, bytes, (int)n) == 1;
}

static bool get(rfbClientPtr cl, void *bytes, size_t n)
{
	return rfbReadExact(cl, bytes, (int)n) == 1;
}

static uint32_t kind(const struct helper *h)
{
	return h->needs_password ? rfbVeNCryptX509VNC : rfbVeNCryptX509None;
}

/* One kind is offered. */
static bool negotiate(rfbClientPtr cl)
{
	static const uint8_t version[] = {0, 2}, ok = 0, one = 1, accepted = ACCEPTED;
	uint32_t offered = htobe32(kind(client_helper(cl))), chosen;
	uint8_t theirs[2];

	return put(cl, version, sizeof(version)) && get(cl, theirs, sizeof(theirs)) &&
	       memcmp(theirs, version, sizeof(version)) == 0 && put(cl, &ok, 1) &&
	       put(cl, &one, 1) && put(cl, &offered, sizeof(offered)) &&
	       get(cl, &chosen, sizeof(chosen)) && chosen == offered && put(cl, &accepted, 1);
}

/*
 * From now on libvncserver talks to our session, which talks to the client: the descriptor that it knows becomes the session's
 * inner end.
 */
static bool change_to_tls(rfbClientPtr cl)
{
	int client = dup(cl->sock), inner = client < 0 ? -1 : tls_start(client_helper(cl), client);
	bool ok = inner >= 0 && dup2(inner, cl->sock) >= 0 && rfbSetNonBlocking(cl->sock);

	if (inner >= 0)
		close(inner);
	if (ok)
		client_is_private(cl);
	return ok;
}

static bool begin_authentication(rfbClientPtr cl)
{
	static const uint32_t result_ok = 0;

	if (client_helper(cl)->needs_password) {
		rfbRandomBytes(cl->authChallenge);
		cl->state = RFB_AUTHENTICATION;
		return put(cl, cl->authChallenge, CHALLENGESIZE);
	}
	cl->state = RFB_INITIALISATION;
	return cl->protocolMinorVersion < 8 || put(cl, &result_ok, sizeof(result_ok));
}

static void handler(rfbClientPtr cl)
{
	if (negotiate(cl) && change_to_tls(cl) && begin_authentication(cl))
		return;
	log_bounded(client_helper(cl), "a client does not keep to VeNCrypt");
	rfbCloseClient(cl);
}

void vencrypt_register(void)
{
	static rfbSecurityHandler vencrypt = {.type = SECURITY_VENCRYPT, .handler = handler};

	rfbRegisterSecurityHandler(&vencrypt);
}
