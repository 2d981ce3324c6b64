/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "vmmd/vnc/vnc-helper.h"

#define HANDSHAKE_MS 10000
#define WRITE_MS     30000 /* a client that takes nothing for so long has gone */
#define CHUNK        16384 /* of a TLS record */

struct session {
	gnutls_session_t tls;
	int client; /* non-blocking */
	int inner;
};

/* ---- waiting ---- */

static bool wait_for(int fd, short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, ms) > 0;
}

/* After a call of gnutls' that could not go on: false when it never will. */
static bool wait_for_client(struct session *s, int ret, int ms)
{
	if (ret == GNUTLS_E_INTERRUPTED)
		return true;
	return ret == GNUTLS_E_AGAIN &&
	       wait_for(s->client, gnutls_record_get_direction(s->tls) ? POLLOUT : POLLIN, ms);
}

/* ---- the thread ---- */

static bool handshake(struct session *s)
{
	int64_t limit = now_ns() + HANDSHAKE_MS * NSEC_PER_MSEC;
	int ret;

	while ((ret = gnutls_handshake(s->tls)) < 0) {
		int left = (int)((limit - now_ns()) / NSEC_PER_MSEC);

		if (ret == GNUTLS_E_WARNING_ALERT_RECEIVED)
			continue;
		if (left <= 0 || !wait_for_client(s, ret, left))
			return false;
	}
	return true;
}

static bool from_client(struct session *s)
{
	uint8_t buf[CHUNK];
	ssize_t n = gnutls_record_recv(s->tls, buf, sizeof(buf));

	if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
		return true;
	return n > 0 && fd_write_all(s->inner, buf, (size_t)n) == 0;
}

static bool to_client(struct session *s)
{
	uint8_t buf[CHUNK];
	ssize_t n = read(s->inner, buf, sizeof(buf));

	for (ssize_t sent = 0; sent < n;) {
		ssize_t part = gnutls_record_send(s->tls, buf + sent, (size_t)(n - sent));

		if (part > 0)
			sent += part;
		else if (!wait_for_client(s, (int)part, WRITE_MS))
			return false;
	}
	return n > 0;
}

static bool pump(struct session *s)
{
	struct pollfd p[] = {
		{.fd = s->client, .events = POLLIN}, {.fd = s->inner, .events = POLLIN}};
	bool pending = gnutls_record_check_pending(s->tls) > 0;

	if (poll(p, 2, pending ? 0 : -1) < 0)
		return errno == EINTR;
	if (p[1].revents && !to_client(s))
		return false;
	return !(pending || p[0].revents) || from_client(s);
}

static void session_free(struct session *s)
{
	if (s->tls)
		gnutls_deinit(s->tls);
	fd_close(&s->client);
	fd_close(&s->inner);
	g_free(s);
}

static void *session_run(void *opaque)
{
	struct session *s = opaque;

	if (handshake(s)) {
		while (pump(s))
			continue;
		gnutls_bye(s->tls, GNUTLS_SHUT_WR);
	}
	session_free(s);
	return NULL;
}

/* ---- set-up ---- */

static int session_init(struct session *s, struct helper *h)
{
	int err = gnutls_init(&s->tls, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);

	if (err < 0) {
		s->tls = NULL;
		return err;
	}
	gnutls_transport_set_int(s->tls, s->client);
	if (h->tls_clients)
		gnutls_certificate_server_set_request(s->tls, GNUTLS_CERT_REQUIRE);
	err = gnutls_set_default_priority(s->tls);
	return err < 0 ? err : gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE, h->tls);
}

/* A certificate that the credentials' verification refuses ends the handshake. */
static int verify(gnutls_session_t tls)
{
	unsigned status = 0;

	return gnutls_certificate_verify_peers2(tls, &status) < 0 || status;
}

int tls_start(struct helper *h, int client)
{
	struct session *s = g_new0(struct session, 1);
	int pair[2] = {-1, -1};
	pthread_t thread;

	s->client = client;
	s->inner = -1;
	if (fd_set_nonblock(client, true) < 0 || session_init(s, h) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		session_free(s);
		return -1;
	}
	s->inner = pair[0];
	if (pthread_create(&thread, NULL, session_run, s) != 0) {
		session_free(s);
		close(pair[1]);
		return -1;
	}
	pthread_detach(thread);
	return pair[1];
}

bool tls_load(struct helper *h, const char *cert, const char *key, const char *ca, GError **error)
{
	int err = gnutls_certificate_allocate_credentials(&h->tls);

	if (err >= 0)
		err = gnutls_certificate_set_x509_key_file(h->tls, cert, key, GNUTLS_X509_FMT_PEM);
	if (err < 0)
		return err_set(error, VMMD_ERROR_INVALID, "TLS certificate %s with key %s: %s",
			cert, key, gnutls_strerror(err));
	if (!ca)
		return true;
	err = gnutls_certificate_set_x509_trust_file(h->tls, ca, GNUTLS_X509_FMT_PEM);
	if (err <= 0)
		return err_set(error, VMMD_ERROR_INVALID, "TLS authority %s: %s", ca,
			err ? gnutls_strerror(err) : "no certificate in it");
	gnutls_certificate_set_verify_function(h->tls, verify);
	h->tls_clients = true;
	return true;
}
