/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmmd-vnc: shows one VM's display to VNC clients and makes screenshots of it, in a process of its own: libvncserver, gnutls and
 * libpng are only here. Started by vmmd-vm with a socket (vnc-protocol.h); ends when the other end of it does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "base/helper.h"
#include "base/sandbox.h"
#include "vmmd/vnc/vnc-helper.h"

#define BACKLOG    16
#define FILES_MAX  256
#define POLL_MAX   (1 + ALL_LISTENERS + 2 * CLIENTS_MAX)
#define POLL_LIMIT 1000 /* ms: dawdlers are looked for so often */
#define TLS_RECORD 0x16 /* the first byte of a TLS client: a handshake record */

int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

void log_bounded(struct helper *h, const char *fmt, ...)
{
	g_autofree char *line = NULL;
	uint64_t missed;
	va_list args;

	if (!ratelimit_ok(&h->messages, now_ns(), &missed))
		return;
	va_start(args, fmt);
	line = g_strdup_vprintf(fmt, args);
	va_end(args);
	log_notice("%s (%" G_GUINT64_FORMAT " not shown)", line, missed);
}

/* ---- connections ---- */

static void accept_one(struct helper *h, const struct listener *l)
{
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct waiting w = {.fd = fd, .since = now_ns()};

	if (fd < 0)
		return;
	if (!l->websocket)
		screen_add_client(h, fd, false);
	else if (h->waiting->len < CLIENTS_MAX)
		g_array_append_val(h->waiting, w);
	else
		close(fd);
}

/* The first byte of a WebSocket connection has come. False: it waits on, inside of TLS. */
static bool admit(struct helper *h, struct waiting *w)
{
	uint8_t first;
	ssize_t n = recv(w->fd, &first, 1, MSG_PEEK);

	if (n == 1 && first != TLS_RECORD && (!h->tls || w->tls)) {
		screen_add_client(h, w->fd, w->tls);
		return true;
	}
	if (n == 1 && first == TLS_RECORD && h->tls && !w->tls) {
		w->fd = tls_start(h, w->fd);
		w->tls = true;
		return w->fd < 0;
	}
	fd_close(&w->fd);
	return true;
}

static void look_at_waiting(struct helper *h, const struct pollfd *polled, unsigned n)
{
	for (unsigned i = n; i-- > 0;) {
		struct waiting *w = &g_array_index(h->waiting, struct waiting, i);
		bool gone = now_ns() - w->since > HANDSHAKE_LIMIT;

		if (gone)
			close(w->fd);
		else if (polled[i].revents)
			gone = admit(h, w);
		if (gone)
			g_array_remove_index(h->waiting, i);
	}
}

/* ---- the loop ---- */

static unsigned add_clients(struct helper *h, struct pollfd *p, unsigned room)
{
	rfbClientIteratorPtr i = rfbGetClientIterator(h->screen);
	unsigned n = 0;
	rfbClientPtr cl;

	while ((cl = rfbClientIteratorNext(i)) && n < room) {
		if (cl->sock >= 0)
			p[n++] = (struct pollfd){.fd = cl->sock, .events = POLLIN};
	}
	rfbReleaseClientIterator(i);
	return n;
}

static void round_run(struct helper *h)
{
	struct pollfd p[POLL_MAX] = {{.fd = h->engine, .events = POLLIN}};
	int timeout = link_refresh(h);
	unsigned n = 1, listeners = n, waiting = listeners + h->n_listeners;

	for (unsigned i = 0; i < h->n_listeners; i++)
		p[n++] = (struct pollfd){.fd = h->listeners[i].fd, .events = POLLIN};
	for (guint i = 0; i < h->waiting->len; i++)
		p[n++] = (struct pollfd){
			.fd = g_array_index(h->waiting, struct waiting, i).fd, .events = POLLIN};
	n += add_clients(h, p + n, POLL_MAX - n);
	if (poll(p, n, timeout < 0 ? POLL_LIMIT : MIN(timeout, POLL_LIMIT)) < 0)
		return;
	look_at_waiting(h, p + waiting, h->waiting->len);
	for (unsigned i = 0; i < h->n_listeners; i++) {
		if (p[listeners + i].revents)
			accept_one(h, &h->listeners[i]);
	}
	if (p[0].revents)
		link_read(h);
	screen_run(h);
}

/* ---- configuration ---- */

struct options {
	const char *name, *share, *tls_cert, *tls_key, *tls_ca;
	const char *listen, *websocket; /* ADDRESS:PORT or [ADDRESS]:PORT */
	int listen_fd;
	bool password;
	uid_t uid;
	gid_t gid;
};

static bool parse_options(struct options *o, int argc, char **argv, GError **error)
{
	static const struct option options[] = {
		{"name", required_argument, NULL, 'n'},
		{"share", required_argument, NULL, 's'},
		{"listen-fd", required_argument, NULL, 'f'},
		{"listen", required_argument, NULL, 'l'},
		{"websocket", required_argument, NULL, 'w'},
		{"password", no_argument, NULL, 'p'},
		{"tls-cert", required_argument, NULL, 'c'},
		{"tls-key", required_argument, NULL, 'k'},
		{"tls-ca", required_argument, NULL, 'a'},
		{"uid", required_argument, NULL, 'u'},
		{"gid", required_argument, NULL, 'g'},
		{},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'n': o->name = optarg; break;
		case 's': o->share = optarg; break;
		case 'f': o->listen_fd = atoi(optarg); break;
		case 'l': o->listen = optarg; break;
		case 'w': o->websocket = optarg; break;
		case 'p': o->password = true; break;
		case 'c': o->tls_cert = optarg; break;
		case 'k': o->tls_key = optarg; break;
		case 'a': o->tls_ca = optarg; break;
		case 'u': o->uid = (uid_t)strtoul(optarg, NULL, 10); break;
		case 'g': o->gid = (gid_t)strtoul(optarg, NULL, 10); break;
		default:
			return err_set(error, VMMD_ERROR_INVALID,
				"vmmd-vnc is started by vmmd-vm, with a socket");
		}
	}
	return true;
}

/* "[::1]:5900" in its parts. */
static bool split_address(const char *text, char **ret_host, char **ret_port)
{
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[' && colon > text && colon[-1] == ']';

	if (!colon)
		return false;
	*ret_host = bracketed ? g_strndup(text + 1, (gsize)(colon - text) - 2)
			      : g_strndup(text, (gsize)(colon - text));
	*ret_port = g_strdup(colon + 1);
	return true;
}

static int bind_to(const struct addrinfo *a)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static bool add_tcp(struct helper *h, const char *text, bool websocket, GError **error)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM};
	g_autofree char *host = NULL, *port = NULL;
	struct addrinfo *a = NULL;
	int fd;

	if (!split_address(text, &host, &port) || getaddrinfo(host, port, &hints, &a) != 0)
		return err_set(
			error, VMMD_ERROR_INVALID, "VNC cannot listen on '%s': no address", text);
	fd = bind_to(a);
	freeaddrinfo(a);
	if (fd < 0)
		return err_set_errno(error, -fd, "VNC cannot listen on %s", text);
	h->listeners[h->n_listeners++] = (struct listener){fd, websocket};
	return true;
}

static bool add_listeners(struct helper *h, const struct options *o, GError **error)
{
	if (o->listen_fd >= 0) {
		if (fd_set_cloexec(o->listen_fd, true) < 0 ||
			fd_set_nonblock(o->listen_fd, true) < 0 ||
			listen(o->listen_fd, BACKLOG) < 0)
			return err_set_errno(
				error, errno, "VNC cannot listen on the socket it was given");
		h->listeners[h->n_listeners++] = (struct listener){o->listen_fd, false};
	}
	return (!o->listen || add_tcp(h, o->listen, false, error)) &&
	       (!o->websocket || add_tcp(h, o->websocket, true, error));
}

static bool start(struct helper *h, const struct options *o, GError **error)
{
	const struct sandbox_conf conf = {.uid = o->uid, .gid = o->gid};
	const struct rlimit files = {.rlim_cur = FILES_MAX, .rlim_max = FILES_MAX};
	unsigned done;

	h->needs_password = o->password;
	signal(SIGPIPE, SIG_IGN);
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_set_errno(error, errno, "cannot limit open files");
	if (fd_set_cloexec(h->engine, true) < 0 || fd_set_nonblock(h->engine, true) < 0)
		return err_set_errno(error, errno, "cannot set up the engine's socket");
	return (!o->tls_cert || tls_load(h, o->tls_cert, o->tls_key, o->tls_ca, error)) &&
	       add_listeners(h, o, error) && screen_start(h, o->name, o->share, error) &&
	       sandbox_enter(&conf, &done, error) && helper_ready(error);
}

static bool serve(const struct options *o)
{
	g_autoptr(GError) error = NULL;
	struct helper h = {
		.engine = HELPER_FIRST_FD,
		.waiting = g_array_new(FALSE, FALSE, sizeof(struct waiting)),
		.messages = RATELIMIT_INIT(NSEC_PER_SEC, 5),
	};
	bool ok = start(&h, o, &error);

	if (!ok)
		helper_failed(error->message);
	while (ok && !h.ended)
		round_run(&h);
	g_array_unref(h.waiting);
	screen_done(&h);
	return ok;
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	struct options o = {
		.name = "vmmd",
		.share = "allow-exclusive",
		.listen_fd = -1,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
	};

	if (!parse_options(&o, argc, argv, &error)) {
		fprintf(stderr, "vmmd-vnc: %s\n", error->message);
		return 1;
	}
	log_open("vmmd-vnc", NULL, LOG_LEVEL_NOTICE);
	return serve(&o) ? 0 : 1;
}
