/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmmd-slirp: user-mode networking for one NIC, in a process of its own. The guest's frames come over a SOCK_SEQPACKET socket, one a
 * message; libslirp answers them with the privileges of an ordinary program of the host. It ends when the other end of the
 * socket does.
 *
 * One thread and poll(2), as libslirp wants to be driven: it names its descriptors before each wait. What the guest does not take
 * waits in a bounded queue; while anything waits, nothing is read from the network, so TCP slows down instead of losing frames.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <glib.h>
#include <libslirp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "base/error.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/sandbox.h"

#define FRAME_MAX   65536
#define QUEUE_MAX   512  /* frames */
#define BATCH       64   /* frames taken from the guest before the network has its turn */
#define TIMEOUT_MAX 1000 /* ms; libslirp's own timers need a look now and then */
#define FILES_MAX   1024 /* descriptors, and so connections that a guest can have */

struct helper {
	int guest; /* descriptor */
	Slirp *slirp;
	GArray *polled;    /* struct pollfd; the first is the guest's */
	GQueue *waiting;   /* GBytes: frames for the guest */
	GPtrArray *timers; /* struct slirp_timer */
	struct ratelimit messages;
};

struct slirp_timer {
	SlirpTimerId id;
	void *opaque;
	int64_t expires; /* ms, -1: not armed */
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* ---- what libslirp calls ---- */

static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
	struct helper *h = opaque;

	if (g_queue_is_empty(h->waiting) &&
		send(h->guest, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return (ssize_t)len;
	/* Beyond the bound the frame is lost, as on a wire. */
	if (g_queue_get_length(h->waiting) < QUEUE_MAX)
		g_queue_push_tail(h->waiting, g_bytes_new(buf, len));
	return (ssize_t)len;
}

/* A guest can cause any line of libslirp's. */
static void log_bounded(struct helper *h, const char *message)
{
	uint64_t missed;

	if (ratelimit_ok(&h->messages, now_ns(), &missed))
		log_notice("%s (%" G_GUINT64_FORMAT " not shown)", message, missed);
}

static void guest_error(const char *msg, void *opaque)
{
	log_bounded(opaque, msg);
}

/* What libslirp says through GLib. */
static void glib_message(
	const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer opaque)
{
	log_bounded(opaque, message);
}

static int64_t clock_get_ns(void *opaque)
{
	return now_ns();
}

static void *timer_new(SlirpTimerId id, void *timer_opaque, void *opaque)
{
	struct helper *h = opaque;
	struct slirp_timer *t = g_new(struct slirp_timer, 1);

	*t = (struct slirp_timer){.id = id, .opaque = timer_opaque, .expires = -1};
	g_ptr_array_add(h->timers, t);
	return t;
}

static void timer_free(void *timer, void *opaque)
{
	g_ptr_array_remove(((struct helper *)opaque)->timers, timer);
}

static void timer_mod(void *timer, int64_t expires_ms, void *opaque)
{
	((struct slirp_timer *)timer)->expires = expires_ms;
}

/* Descriptors are named anew before each wait. */
static void poll_fd_changed(int fd, void *opaque)
{
}

static void notify(void *opaque)
{
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = clock_get_ns,
	.timer_new_opaque = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = poll_fd_changed,
	.unregister_poll_fd = poll_fd_changed,
	.notify = notify,
};

/* ---- the loop ---- */

static const struct {
	int slirp;
	short poll;
} event_bits[] = {
	{SLIRP_POLL_IN, POLLIN},
	{SLIRP_POLL_OUT, POLLOUT},
	{SLIRP_POLL_PRI, POLLPRI},
	{SLIRP_POLL_ERR, POLLERR},
	{SLIRP_POLL_HUP, POLLHUP},
};

static int add_poll(int fd, int events, void *opaque)
{
	struct helper *h = opaque;
	struct pollfd p = {.fd = fd};

	for (size_t i = 0; i < ARRAY_SIZE(event_bits); i++) {
		if (events & event_bits[i].slirp)
			p.events |= event_bits[i].poll;
	}
	g_array_append_val(h->polled, p);
	return (int)h->polled->len - 1;
}

static int get_revents(int idx, void *opaque)
{
	const struct helper *h = opaque;
	short got = g_array_index(h->polled, struct pollfd, idx).revents;
	int events = 0;

	for (size_t i = 0; i < ARRAY_SIZE(event_bits); i++) {
		if (got & event_bits[i].poll)
			events |= event_bits[i].slirp;
	}
	return events;
}

static void run_timers(struct helper *h, uint32_t *timeout)
{
	int64_t now = now_ns() / NSEC_PER_MSEC;

	for (guint i = 0; i < h->timers->len; i++) {
		struct slirp_timer *t = g_ptr_array_index(h->timers, i);

		if (t->expires < 0)
			continue;
		if (t->expires > now) {
			*timeout = MIN(*timeout, (uint32_t)(t->expires - now));
			continue;
		}
		t->expires = -1;
		slirp_handle_timer(h->slirp, t->id, t->opaque);
	}
}

/* False: the guest's end is gone. */
static bool send_waiting(struct helper *h)
{
	GBytes *frame;

	while ((frame = g_queue_peek_head(h->waiting))) {
		gsize n;
		const void *data = g_bytes_get_data(frame, &n);

		if (send(h->guest, data, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return errno == EAGAIN || errno == ENOBUFS || errno == EINTR;
		g_bytes_unref(g_queue_pop_head(h->waiting));
	}
	return true;
}

static bool receive(struct helper *h)
{
	static uint8_t frame[FRAME_MAX];

	for (unsigned i = 0; i < BATCH; i++) {
		ssize_t n = recv(h->guest, frame, sizeof(frame), MSG_DONTWAIT);

		if (n > 0)
			slirp_input(h->slirp, frame, (int)n);
		else
			return n < 0 && (errno == EAGAIN || errno == EINTR);
	}
	return true;
}

static bool round_run(struct helper *h)
{
	bool blocked = !g_queue_is_empty(h->waiting);
	struct pollfd guest = {.fd = h->guest, .events = (short)(POLLIN | (blocked ? POLLOUT : 0))};
	uint32_t timeout = TIMEOUT_MAX;
	int n;

	run_timers(h, &timeout);
	g_array_set_size(h->polled, 0);
	g_array_append_val(h->polled, guest);
	if (!blocked)
		slirp_pollfds_fill(h->slirp, &timeout, add_poll, h);
	n = poll((struct pollfd *)(void *)h->polled->data, h->polled->len,
		(int)MIN(timeout, TIMEOUT_MAX));
	if (!blocked)
		slirp_pollfds_poll(h->slirp, n < 0, get_revents, h);
	guest = g_array_index(h->polled, struct pollfd, 0);
	if (n > 0 && (guest.revents & POLLOUT) && !send_waiting(h))
		return false;
	return n <= 0 || !(guest.revents & (POLLIN | POLLHUP | POLLERR)) || receive(h);
}

/* ---- configuration ---- */

struct options {
	const char *network, *hostname;
	bool restricted;
	uid_t uid;
	gid_t gid;
	GPtrArray *forwards; /* text: tcp|udp,ADDRESS,PORT,GUEST-PORT */
};

/* A decimal number from @min to @max and nothing else, or 0. */
static unsigned parse_number(const char *text, unsigned min, unsigned max)
{
	guint64 n;

	return text && g_ascii_string_to_unsigned(text, 10, min, max, &n, NULL) ? (unsigned)n : 0;
}

/* "10.0.2.0/24": at least a /27, so that gateway .2, DNS .3 and guests from .15 on have room. */
static bool parse_network(const char *text, SlirpConfig *c, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(text, "/", 2);
	unsigned bits = parts[0] ? parse_number(parts[1], 8, 27) : 0;
	uint32_t base, mask;
	struct in_addr a;

	if (!bits || !inet_pton(AF_INET, parts[0], &a))
		return err_set(error, VMMD_ERROR_INVALID,
			"the network must be like 10.0.2.0/24, /8 to /27, not '%s'", text);
	mask = UINT32_MAX << (32 - bits);
	base = ntohl(a.s_addr) & mask;
	c->vnetwork.s_addr = htonl(base);
	c->vnetmask.s_addr = htonl(mask);
	c->vhost.s_addr = htonl(base + 2);
	c->vnameserver.s_addr = htonl(base + 3);
	c->vdhcp_start.s_addr = htonl(base + 15);
	return true;
}

static bool start_slirp(struct helper *h, const struct options *o, GError **error)
{
	SlirpConfig c = {
		.version = 4,
		.restricted = o->restricted,
		.in_enabled = true,
		.in6_enabled = true,
		.vprefix_len = 64,
		.vhostname = o->hostname,
	};

	if (!parse_network(o->network, &c, error))
		return false;
	inet_pton(AF_INET6, "fec0::", &c.vprefix_addr6);
	inet_pton(AF_INET6, "fec0::2", &c.vhost6);
	inet_pton(AF_INET6, "fec0::3", &c.vnameserver6);
	h->slirp = slirp_new(&c, &callbacks, h);
	if (!h->slirp)
		return err_set(error, VMMD_ERROR_HOST, "libslirp refuses its configuration");
	return true;
}

static bool add_forward(struct helper *h, const char *text, GError **error)
{
	g_auto(GStrv) f = g_strsplit(text, ",", 4);
	struct in_addr host, guest = {}; /* the first address that DHCP gives */
	unsigned host_port, guest_port;
	bool udp;

	if (g_strv_length(f) != 4 || !inet_pton(AF_INET, f[1], &host))
		return err_set(error, VMMD_ERROR_INVALID,
			"a forward must be PROTOCOL,ADDRESS,PORT,GUEST-PORT, not '%s'", text);
	udp = strcmp(f[0], "udp") == 0;
	if (!udp && strcmp(f[0], "tcp") != 0)
		return err_set(error, VMMD_ERROR_INVALID,
			"a forward's protocol must be tcp or udp: '%s'", text);
	host_port = parse_number(f[2], 1, UINT16_MAX);
	guest_port = parse_number(f[3], 1, UINT16_MAX);
	if (!host_port || !guest_port)
		return err_set(error, VMMD_ERROR_INVALID,
			"a forward's ports must be from 1 to 65535: '%s'", text);
	if (slirp_add_hostfwd(h->slirp, udp, host, (int)host_port, guest, (int)guest_port) < 0)
		return err_set_errno(
			error, errno, "cannot forward %s port %s of %s", f[0], f[2], f[1]);
	return true;
}

static bool parse_options(struct options *o, int argc, char **argv, GError **error)
{
	static const struct option options[] = {
		{"network", required_argument, NULL, 'n'},
		{"hostname", required_argument, NULL, 'h'},
		{"restrict", no_argument, NULL, 'R'},
		{"forward", required_argument, NULL, 'f'},
		{"uid", required_argument, NULL, 'u'},
		{"gid", required_argument, NULL, 'G'},
		{},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'n': o->network = optarg; break;
		case 'h': o->hostname = optarg; break;
		case 'R': o->restricted = true; break;
		case 'f': g_ptr_array_add(o->forwards, optarg); break;
		case 'u': o->uid = (uid_t)strtoul(optarg, NULL, 10); break;
		case 'G': o->gid = (gid_t)strtoul(optarg, NULL, 10); break;
		default:
			return err_set(error, VMMD_ERROR_INVALID,
				"vmmd-slirp is started by vmmd-vm, with a socket");
		}
	}
	return true;
}

/* Ports of the host are bound before the sandbox: some need privilege. */
static bool start(struct helper *h, const struct options *o, GError **error)
{
	const struct sandbox_conf conf = {.uid = o->uid, .gid = o->gid, .keep_network = true};
	const struct rlimit files = {.rlim_cur = FILES_MAX, .rlim_max = FILES_MAX};
	unsigned done;

	signal(SIGPIPE, SIG_IGN);
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_set_errno(error, errno, "cannot limit open files");
	if (!start_slirp(h, o, error))
		return false;
	for (guint i = 0; i < o->forwards->len; i++) {
		if (!add_forward(h, g_ptr_array_index(o->forwards, i), error))
			return false;
	}
	return sandbox_enter(&conf, &done, error) && helper_ready(error);
}

static void free_frame(void *frame)
{
	g_bytes_unref(frame);
}

static void helper_init(struct helper *h)
{
	*h = (struct helper){
		.polled = g_array_new(FALSE, FALSE, sizeof(struct pollfd)),
		.waiting = g_queue_new(),
		.timers = g_ptr_array_new_with_free_func(g_free),
		.messages = RATELIMIT_INIT(NSEC_PER_SEC, 5),
	};
}

static void helper_done(struct helper *h)
{
	if (h->slirp)
		slirp_cleanup(h->slirp);
	g_ptr_array_unref(h->timers);
	g_queue_free_full(h->waiting, free_frame);
	g_array_unref(h->polled);
}

/* Starts, reports and serves until the guest's end is gone. */
static bool serve(const struct options *o)
{
	g_autoptr(GError) error = NULL;
	struct helper h;
	bool ok;

	helper_init(&h);
	h.guest = HELPER_FIRST_FD;
	g_log_set_default_handler(glib_message, &h);
	ok = start(&h, o, &error);
	if (ok) {
		while (round_run(&h))
			continue;
	} else {
		helper_failed(error->message);
	}
	helper_done(&h);
	return ok;
}

int main(int argc, char **argv)
{
	g_autoptr(GPtrArray) forwards = g_ptr_array_new();
	g_autoptr(GError) error = NULL;
	struct options o = {
		.network = "10.0.2.0/24",
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.forwards = forwards,
	};

	if (!parse_options(&o, argc, argv, &error)) {
		fprintf(stderr, "vmmd-slirp: %s\n", error->message);
		return 1;
	}
	log_open("vmmd-slirp", NULL, LOG_LEVEL_NOTICE);
	return serve(&o) ? 0 : 1;
}
