/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network back-ends over descriptors: sockets with a peer in the test, and a tap device in a network of its own. */
#include <errno.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "virtio-backends/net/drivers.h"

#define PATIENCE_NS (20 * NSEC_PER_SEC)

static bool own_network; /* we are root in a network namespace of our own */

struct fixture {
	struct loop *loop;
	struct net *net;
	struct net_queue *q;
	int peer;
	unsigned rx, tx; /* callbacks */
	struct net_listener listener;
	unsigned link_downs;
};

static void on_rx(void *opaque)
{
	struct fixture *f = opaque;

	f->rx++;
	net_rx_enable(f->q, false); /* one at a time */
}

static void on_tx(void *opaque)
{
	((struct fixture *)opaque)->tx++;
}

static const struct net_front_ops front = {.rx_ready = on_rx, .tx_ready = on_tx};

static void on_link(struct net_listener *l, bool up)
{
	g_assert_false(up);
	container_of(l, struct fixture, listener)->link_downs++;
}

static void set_up_fd(struct fixture *f, int fd)
{
	g_autoptr(GError) error = NULL;

	*f = (struct fixture){
		.loop = loop_new("test", NULL), .listener.link_changed = on_link, .peer = -1};
	f->net = net_fd_new("net0", fd, f->loop, &error);
	g_assert_no_error(error);
	net_listen(f->net, &f->listener);
	g_assert_cmpint(net_queue_open(f->net, 1, f->loop, &front, f, &f->q), ==, -EINVAL);
	g_assert_cmpint(net_queue_open(f->net, 0, f->loop, &front, f, &f->q), ==, 0);
}

static void set_up(struct fixture *f, int type)
{
	int s[2];

	g_assert_cmpint(socketpair(AF_UNIX, type, 0, s), ==, 0);
	set_up_fd(f, s[0]);
	f->peer = s[1];
}

static void tear_down(struct fixture *f)
{
	net_queue_close(f->q);
	net_free(f->net);
	loop_iterate(f->loop, 0);
	loop_free(f->loop);
	if (f->peer >= 0)
		close(f->peer);
}

static struct net_stats stats_of(struct fixture *f)
{
	struct net_stats s;

	net_get_stats(f->net, &s);
	return s;
}

#define run_until(f, condition)                                   \
	do {                                                      \
		int64_t deadline = loop_now() + PATIENCE_NS;      \
		while (!(condition)) {                            \
			g_assert_cmpint(loop_now(), <, deadline); \
			loop_iterate((f)->loop, 50);              \
		}                                                 \
	} while (0)

/* Rounds that the loop makes in @ms milliseconds with nothing to do. */
static unsigned idle_rounds(struct fixture *f, int ms)
{
	int64_t end = loop_now() + ms * NSEC_PER_MSEC;
	unsigned rounds = 0;

	for (int64_t left; (left = end - loop_now()) > 0; rounds++)
		loop_iterate(f->loop, left / NSEC_PER_MSEC + 1);
	return rounds;
}

static void fill_random(uint8_t *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = g_test_rand_int();
}

/* @n bytes in @pieces pieces, with gaps between them. */
static struct giov scatter(struct iovec *segs, unsigned pieces, uint8_t *memory, size_t n)
{
	size_t at = 0;

	for (unsigned i = 0; i < pieces; i++) {
		size_t left = n - at, rest = pieces - i - 1;
		size_t part = rest ? g_test_rand_int_range(1, left - rest + 1) : left;

		segs[i] = (struct iovec){.iov_base = memory + at + i, .iov_len = part};
		at += part;
	}
	return (struct giov){.segs__ = segs, .n = pieces, .size = n};
}

static struct giov one_piece(struct iovec *seg, void *buf, size_t n)
{
	return giov_from_buf(seg, buf, n);
}

static ssize_t receive(struct fixture *f, const struct giov *v)
{
	ssize_t n;

	while ((n = net_recv(f->q, v)) == -EAGAIN) {
		unsigned rx = f->rx;

		net_rx_enable(f->q, true);
		run_until(f, f->rx > rx);
	}
	return n;
}

/* ---- sockets --------------------------------------------------------------------------------- */

/* Frames of any size in any number of pieces, under any header, in both directions. */
static void test_frames(const void *type)
{
	static const unsigned headers[] = {0, 10, 12};
	uint8_t frame[4096], memory[2 * 4096], got[4096];
	struct iovec segs[200];
	struct fixture f;

	set_up(&f, GPOINTER_TO_INT(type));
	g_assert_cmpuint(net_offloads(f.net), ==, 0);
	g_assert_cmpint(net_set_offloads(f.q, NET_OFFLOAD_CSUM), ==, -EOPNOTSUPP);
	for (int i = 0; i < 600; i++) {
		unsigned header = headers[i % 3],
			 pieces = g_test_rand_int_range(1, i % 7 ? 5 : 200);
		size_t n = g_test_rand_int_range(200, 2000), size = header + n;
		struct virtio_net_hdr_mrg_rxbuf h = {};
		struct giov v;

		g_assert_cmpint(net_set_header(f.q, header), ==, 0);
		fill_random(frame, n);
		v = scatter(segs, pieces, memory, size);
		giov_write(&v, 0, &h, header);
		giov_write(&v, header, frame, n);
		g_assert_cmpint(net_send(f.q, &v), ==, size);
		g_assert_cmpint(recv(f.peer, got, sizeof(got), MSG_DONTWAIT), ==, n);
		g_assert_cmpmem(got, n, frame, n);

		fill_random(frame, n);
		g_assert_cmpint(send(f.peer, frame, n, 0), ==, n);
		memset(memory, 0xee, sizeof(memory));
		v = scatter(segs, pieces, memory, size + g_test_rand_int_range(0, 500));
		g_assert_cmpint(receive(&f, &v), ==, size);
		g_assert_cmpint(giov_read(&v, header, got, n), ==, n);
		g_assert_cmpmem(got, n, frame, n);
		h.num_buffers = 1;
		giov_read(&v, 0, got, header);
		g_assert_cmpmem(got, header, &h, header);
	}
	g_assert_cmpint(
		net_recv(f.q, &(struct giov){.segs__ = segs, .n = 1, .size = 100}), ==, -EAGAIN);
	g_assert_cmpuint(stats_of(&f).tx_frames, ==, 600);
	g_assert_cmpuint(stats_of(&f).rx_frames, ==, 600);
	g_assert_cmpuint(stats_of(&f).tx_bytes, >, 600 * 200);
	g_assert_cmpuint(stats_of(&f).tx_drops + stats_of(&f).rx_drops, ==, 0);
	tear_down(&f);
}

/* What a socket cannot do is not sent on half done. */
static void test_refused(void)
{
	static const struct virtio_net_hdr asking[] = {
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM},
		{.gso_type = VIRTIO_NET_HDR_GSO_TCPV4},
		{.gso_type = VIRTIO_NET_HDR_GSO_UDP},
		{.gso_type = VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN},
	};
	g_autofree uint8_t *large = g_malloc0(NET_FRAME_MAX + 100);
	struct iovec seg;
	struct fixture f;
	struct giov v;
	unsigned drops = 0;

	set_up(&f, SOCK_SEQPACKET);
	g_assert_cmpint(net_set_header(f.q, 11), ==, -EINVAL);
	g_assert_cmpint(net_set_header(f.q, 10), ==, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(asking); i++) {
		memcpy(large, &asking[i], sizeof(asking[i]));
		v = one_piece(&seg, large, 10 + 60);
		g_assert_cmpint(net_send(f.q, &v), ==, -EINVAL);
		drops++;
	}
	memset(large, 0, 10);
	for (size_t n = 0; n < 10 + 14; n += 3) {
		v = one_piece(&seg, large, n);
		g_assert_cmpint(net_send(f.q, &v), ==, -EINVAL);
		drops++;
	}
	v = one_piece(&seg, large, 10 + NET_FRAME_MAX + 1);
	g_assert_cmpint(net_send(f.q, &v), ==, -EMSGSIZE);
	drops++;
	g_assert_cmpuint(stats_of(&f).tx_drops, ==, drops);
	g_assert_cmpint(recv(f.peer, large, 1, MSG_DONTWAIT), <, 0);

	v = one_piece(&seg, large, 10 + NET_FRAME_MAX);
	g_assert_cmpint(net_send(f.q, &v), ==, 10 + NET_FRAME_MAX);
	g_assert_cmpint(recv(f.peer, large, NET_FRAME_MAX + 100, MSG_DONTWAIT), ==, NET_FRAME_MAX);
	tear_down(&f);
}

static void test_too_large(void)
{
	uint8_t frame[1000] = {}, buf[600];
	struct iovec seg;
	struct giov v = one_piece(&seg, buf, sizeof(buf));
	struct fixture f;

	set_up(&f, SOCK_DGRAM);
	g_assert_cmpint(net_set_header(f.q, 12), ==, 0);
	g_assert_cmpint(send(f.peer, frame, 589, 0), ==, 589);
	g_assert_cmpint(send(f.peer, frame, 588, 0), ==, 588);
	g_assert_cmpint(send(f.peer, frame, 0, 0), ==, 0); /* no frame at all */
	g_assert_cmpint(send(f.peer, frame, 100, 0), ==, 100);
	g_assert_cmpint(receive(&f, &v), ==, -EMSGSIZE);
	g_assert_cmpint(receive(&f, &v), ==, 600);
	g_assert_cmpint(receive(&f, &v), ==, 12);
	g_assert_cmpint(receive(&f, &v), ==, 112);
	g_assert_cmpuint(stats_of(&f).rx_drops, ==, 1);
	g_assert_cmpuint(f.link_downs, ==, 0);
	tear_down(&f);
}

/* A full socket says when there is room again, once; nothing is lost, nothing spins. */
static void test_back_pressure(const void *type)
{
	uint8_t frame[1500] = {}, got[1500];
	struct iovec seg;
	struct giov v = one_piece(&seg, frame, sizeof(frame));
	unsigned sent = 0, received = 0;
	struct fixture f;

	set_up(&f, GPOINTER_TO_INT(type));
	for (; net_send(f.q, &v) == sizeof(frame); sent++)
		g_assert_cmpuint(sent, <, 100000);
	g_assert_cmpint(net_send(f.q, &v), ==, -EAGAIN);
	g_assert_cmpuint(idle_rounds(&f, 50), <=, 3);
	g_assert_cmpuint(f.tx, ==, 0);
	while (recv(f.peer, got, sizeof(got), MSG_DONTWAIT) == sizeof(frame))
		received++;
	g_assert_cmpuint(received, ==, sent);
	run_until(&f, f.tx == 1);
	g_assert_cmpuint(idle_rounds(&f, 50), <=, 3);
	g_assert_cmpuint(f.tx, ==, 1);
	g_assert_cmpint(net_send(f.q, &v), ==, sizeof(frame));
	g_assert_cmpuint(stats_of(&f).tx_drops, ==, 0);
	tear_down(&f);
}

static void test_rx_disabled(void)
{
	uint8_t frame[100] = {};
	struct fixture f;

	set_up(&f, SOCK_SEQPACKET);
	g_assert_cmpint(send(f.peer, frame, sizeof(frame), 0), ==, sizeof(frame));
	g_assert_cmpuint(idle_rounds(&f, 50), <=, 3);
	g_assert_cmpuint(f.rx, ==, 0);
	net_rx_enable(f.q, true);
	run_until(&f, f.rx == 1);
	g_assert_cmpuint(idle_rounds(&f, 50), <=, 3);
	g_assert_cmpuint(f.rx, ==, 1);
	tear_down(&f);
}

static void test_peer_gone(const void *type)
{
	uint8_t frame[100] = {};
	struct iovec seg;
	struct giov v = one_piece(&seg, frame, sizeof(frame));
	struct fixture f;
	uint64_t drops;

	set_up(&f, GPOINTER_TO_INT(type));
	g_assert_true(f.net->link_up);
	net_rx_enable(f.q, true);
	loop_iterate(f.loop, 0);
	close(f.peer);
	f.peer = -1;
	/* Either the loop finds out, or the front, whose next call fails; of a datagram socket only a sender. */
	if (GPOINTER_TO_INT(type) == SOCK_SEQPACKET)
		run_until(&f, f.link_downs || f.rx);
	else
		g_assert_cmpint(net_send(f.q, &v), ==, -ECONNREFUSED);
	g_assert_cmpint(net_recv(f.q, &v), ==, -EAGAIN);
	run_until(&f, f.link_downs == 1);
	drops = stats_of(&f).tx_drops;
	g_assert_false(f.net->link_up);
	g_assert_cmpint(net_send(f.q, &v), <, 0);
	net_rx_enable(f.q, true);
	g_assert_cmpuint(idle_rounds(&f, 50), <=, 3);
	g_assert_cmpuint(f.link_downs, ==, 1);
	g_assert_cmpuint(stats_of(&f).tx_drops, ==, drops + 1);
	tear_down(&f);
}

/* The queue's loop runs on its own thread while the main thread closes and frees. */
struct thread_fixture {
	struct fixture f;
	struct loop_call enable;
	unsigned frames; /* atomic */
};

static void thread_rx(void *opaque)
{
	struct thread_fixture *t = opaque;
	uint8_t buf[2000];
	struct iovec seg;
	struct giov v = one_piece(&seg, buf, sizeof(buf));

	while (net_recv(t->f.q, &v) > 0)
		__atomic_add_fetch(&t->frames, 1, __ATOMIC_RELEASE);
}

static void thread_enable(struct loop_call *c)
{
	net_rx_enable(container_of(c, struct thread_fixture, enable)->f.q, true);
}

static void test_thread(void)
{
	static const struct net_front_ops thread_front = {.rx_ready = thread_rx, .tx_ready = on_tx};
	struct thread_fixture t = {.enable.fn = thread_enable};
	struct loop *main_loop = loop_new("main", NULL);
	g_autoptr(GError) error = NULL;
	uint8_t frame[100] = {};
	int s[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s), ==, 0);
	t.f.net = net_fd_new("net0", s[0], main_loop, &error);
	g_assert_no_error(error);
	t.f.loop = loop_new("io", NULL);
	g_assert_true(loop_thread_start(t.f.loop, &error));
	g_assert_cmpint(net_queue_open(t.f.net, 0, t.f.loop, &thread_front, &t, &t.f.q), ==, 0);
	loop_post(t.f.loop, &t.enable);
	for (int i = 0; i < 1000; i++)
		g_assert_cmpint(send(s[1], frame, sizeof(frame), 0), ==, sizeof(frame));
	while (__atomic_load_n(&t.frames, __ATOMIC_ACQUIRE) < 1000)
		sched_yield();
	close(s[1]);
	while (t.f.net->link_up)
		loop_iterate(main_loop, 100);
	net_queue_close(t.f.q);
	net_free(t.f.net);
	loop_thread_join(t.f.loop);
	loop_free(t.f.loop);
	loop_iterate(main_loop, 0);
	loop_free(main_loop);
}

/* ---- null ------------------------------------------------------------------------------------ */

static void test_null(void)
{
	struct fixture f = {
		.loop = loop_new("test", NULL), .net = net_null_new("null0"), .peer = -1};
	uint8_t frame[100] = {};
	struct iovec seg;
	struct giov v = one_piece(&seg, frame, sizeof(frame));

	g_assert_false(f.net->link_up);
	g_assert_cmpint(net_queue_open(f.net, 0, f.loop, &front, &f, &f.q), ==, 0);
	g_assert_cmpint(net_set_header(f.q, 12), ==, 0);
	net_rx_enable(f.q, true);
	g_assert_cmpint(net_send(f.q, &v), ==, 100);
	g_assert_cmpint(net_recv(f.q, &v), ==, -EAGAIN);
	g_assert_cmpuint(stats_of(&f).tx_drops, ==, 1);
	g_assert_cmpuint(stats_of(&f).tx_frames, ==, 0);
	tear_down(&f);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void check_refused(int fd, const char *words)
{
	g_autoptr(GError) error = NULL;

	g_assert_cmpint(fd, >=, 0);
	g_assert_null(net_fd_new("net0", fd, NULL, &error));
	g_assert_nonnull(error);
	g_assert_nonnull(strstr(error->message, "net0"));
	if (!strstr(error->message, words))
		g_error("\"%s\" lacks \"%s\"", error->message, words);
	g_assert_cmpint(fcntl(fd, F_GETFD), ==, -1);
}

static int open_tun(short flags, char *name)
{
	struct ifreq ifr = {.ifr_flags = flags};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		close(fd);
		return -1;
	}
	if (name)
		memcpy(name, ifr.ifr_name, IFNAMSIZ);
	return fd;
}

static void test_errors(void)
{
	int p[2], s[2], fd;

	g_assert_cmpint(pipe(p), ==, 0);
	check_refused(p[0], "neither a tap device nor a socket");
	close(p[1]);
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, s), ==, 0);
	check_refused(s[0], "datagrams");
	close(s[1]);
	check_refused(socket(AF_UNIX, SOCK_DGRAM, 0), "not connected");
	check_refused(open("/dev/null", O_RDWR), "neither");
	fd = own_network ? open_tun(IFF_TAP | IFF_NO_PI, NULL) : -1;
	if (fd < 0) {
		g_test_message("no tap device to be had: its flags are not tried");
		return;
	}
	check_refused(fd, "IFF_VNET_HDR");
	check_refused(open_tun(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, NULL), "IFF_TAP");
}

/* ---- tap ------------------------------------------------------------------------------------- */

/* A packet socket on the host's side of the interface, which is up afterwards. */
static int host_side(const char *name)
{
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct ifreq ifr = {};

	g_assert_cmpint(s, >=, 0);
	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	g_assert_cmpint(ioctl(s, SIOCGIFFLAGS, &ifr), ==, 0);
	ifr.ifr_flags |= IFF_UP;
	g_assert_cmpint(ioctl(s, SIOCSIFFLAGS, &ifr), ==, 0);
	a.sll_ifindex = if_nametoindex(name);
	g_assert_cmpint(bind(s, (struct sockaddr *)&a, sizeof(a)), ==, 0);
	return s;
}

/* The next frame of our own experimental type on the host's side; the kernel sends frames of its own. */
static ssize_t host_receive(int s, uint8_t *buf, size_t n)
{
	for (;;) {
		struct pollfd p = {.fd = s, .events = POLLIN};
		ssize_t got;

		g_assert_cmpint(poll(&p, 1, 20000), ==, 1);
		got = recv(s, buf, n, 0);
		if (got > 14 && buf[12] == 0x88 && buf[13] == 0xb5)
			return got;
	}
}

static ssize_t guest_receive(struct fixture *f, struct giov *v, unsigned header)
{
	for (;;) {
		ssize_t got = receive(f, v);
		uint8_t type[2];

		giov_read(v, header + 12, type, 2);
		if (got < 0 || (type[0] == 0x88 && type[1] == 0xb5))
			return got;
	}
}

static void test_tap(void)
{
	static const unsigned headers[] = {0, 10, 12};
	uint8_t frame[1514], memory[2 * 2048], got[2048];
	struct iovec segs[100];
	char name[IFNAMSIZ];
	struct fixture f;
	int fd = own_network ? open_tun(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, name) : -1;

	if (fd < 0) {
		g_test_skip("no tap device to be had");
		return;
	}
	set_up_fd(&f, fd);
	f.peer = host_side(name);
	g_assert_cmpuint(net_offloads(f.net) & NET_OFFLOAD_TSO4, ==, NET_OFFLOAD_TSO4);
	g_assert_cmpint(net_set_offloads(f.q, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4), ==, 0);
	g_assert_cmpint(net_set_offloads(f.q, 0), ==, 0);
	for (int i = 0; i < 300; i++) {
		unsigned header = headers[i % 3],
			 pieces = g_test_rand_int_range(1, i % 5 ? 4 : 100);
		size_t n = g_test_rand_int_range(200, sizeof(frame) + 1);
		struct virtio_net_hdr_mrg_rxbuf h = {};
		struct giov v;

		g_assert_cmpint(net_set_header(f.q, header), ==, 0);
		fill_random(frame, n);
		memset(frame, 0xff, 6);
		frame[6] = 2; /* a station, locally administered */
		frame[12] = 0x88;
		frame[13] = 0xb5;
		v = scatter(segs, pieces, memory, header + n);
		giov_write(&v, 0, &h, header);
		giov_write(&v, header, frame, n);
		g_assert_cmpint(net_send(f.q, &v), ==, header + n);
		g_assert_cmpint(host_receive(f.peer, got, sizeof(got)), ==, n);
		g_assert_cmpmem(got, n, frame, n);

		frame[14]++;
		g_assert_cmpint(send(f.peer, frame, n, 0), ==, n);
		v = scatter(segs, pieces, memory, header + n);
		g_assert_cmpint(guest_receive(&f, &v, header), ==, header + n);
		giov_read(&v, header, got, n);
		g_assert_cmpmem(got, n, frame, n);
		if (header == 12) {
			giov_read(&v, 10, got, 2);
			g_assert_cmpuint(got[0] | got[1] << 8, ==, 1);
		}

		/* One byte too few. */
		g_assert_cmpint(send(f.peer, frame, n, 0), ==, n);
		v = scatter(segs, 1, memory, header + n - 1);
		g_assert_cmpint(guest_receive(&f, &v, header), ==, -EMSGSIZE);
	}
	g_assert_cmpuint(stats_of(&f).rx_drops, ==, 300);
	tear_down(&f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	own_network = unshare(CLONE_NEWNET) == 0;
	g_test_add_data_func(
		"/net-fd/frames/seqpacket", GINT_TO_POINTER(SOCK_SEQPACKET), test_frames);
	g_test_add_data_func("/net-fd/frames/dgram", GINT_TO_POINTER(SOCK_DGRAM), test_frames);
	g_test_add_func("/net-fd/refused", test_refused);
	g_test_add_func("/net-fd/too-large", test_too_large);
	g_test_add_data_func("/net-fd/back-pressure/seqpacket", GINT_TO_POINTER(SOCK_SEQPACKET),
		test_back_pressure);
	g_test_add_data_func(
		"/net-fd/back-pressure/dgram", GINT_TO_POINTER(SOCK_DGRAM), test_back_pressure);
	g_test_add_func("/net-fd/rx-disabled", test_rx_disabled);
	g_test_add_data_func(
		"/net-fd/peer-gone/seqpacket", GINT_TO_POINTER(SOCK_SEQPACKET), test_peer_gone);
	g_test_add_data_func(
		"/net-fd/peer-gone/dgram", GINT_TO_POINTER(SOCK_DGRAM), test_peer_gone);
	g_test_add_func("/net-fd/thread", test_thread);
	g_test_add_func("/net-fd/null", test_null);
	g_test_add_func("/net-fd/errors", test_errors);
	g_test_add_func("/net-fd/tap", test_tap);
	return g_test_run();
}
