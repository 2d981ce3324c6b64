/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * User-mode networking through vmmd-slirp, the program that is installed; this test is the guest. In a network of its own where it
 * may make one, so that ports and the name server are its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/unit/backends/guest-net.h"
#include "virtio-backends/net/drivers.h"

#define GATEWAY 0x0a000202
#define DNS     0x0a000203
#define FIRST   0x0a00020f

static bool own_network; /* and our own /etc/resolv.conf, which names 127.0.0.1 */

static struct loop *loop;

static struct net *start(const struct net_user_conf *conf, GError **error)
{
	struct net_user_conf c = *conf;

	c.uid = (uid_t)-1;
	c.gid = (gid_t)-1;
	c.loop = loop;
	return net_user_new("net0", VMMD_SLIRP, &c, error);
}

static void set_up(struct guest *g, const struct net_user_conf *conf)
{
	g_autoptr(GError) error = NULL;
	struct net *net;

	loop = loop_new("test", NULL);
	net = start(conf, &error);
	g_assert_no_error(error);
	guest_init(g, loop, net);
}

/* The helper ends by itself when its guest is gone. */
static void tear_down(struct guest *g)
{
	int status;

	guest_done(g);
	loop_free(loop);
	g_assert_cmpint(waitpid(-1, &status, 0), >, 0);
	g_assert_true(WIFEXITED(status));
}

/* ---- the host's side ------------------------------------------------------------------------- */

static int host_socket(int type, uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(*port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

	g_assert_cmpint(fd, >=, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	g_assert_cmpint(bind(fd, (struct sockaddr *)&a, sizeof(a)), ==, 0);
	if (type == SOCK_STREAM)
		g_assert_cmpint(listen(fd, 5), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&a, &len), ==, 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static int host_connect(int type, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	g_assert_cmpint(connect(fd, (struct sockaddr *)&a, sizeof(a)), ==, 0);
	return fd;
}

/* A port that nobody has just now. */
static uint16_t free_port(int type)
{
	uint16_t port = 0;

	close(host_socket(type, &port));
	return port;
}

static void wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	g_assert_cmpint(poll(&p, 1, 20000), ==, 1);
}

static void host_read(int fd, void *buf, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t got;

		wait_readable(fd);
		got = read(fd, (char *)buf + at, n - at);
		g_assert_cmpint(got, >, 0);
		at += got;
	}
}

static void fill_random(uint8_t *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = g_test_rand_int();
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_dhcp(void)
{
	struct guest_lease lease;
	struct guest g;

	set_up(&g, &(struct net_user_conf){.hostname = "guest-7"});
	g_assert_true(guest_dhcp(&g, &lease));
	g_assert_cmphex(lease.ip, ==, FIRST);
	g_assert_cmphex(lease.router, ==, GATEWAY);
	g_assert_cmphex(lease.dns, ==, DNS);
	g_assert_cmphex(lease.mask, ==, 0xffffff00);
	g_assert_cmpstr(lease.hostname, ==, "guest-7");
	g_assert_true(guest_resolve_gateway(&g));
	tear_down(&g);

	set_up(&g, &(struct net_user_conf){.network = "192.168.77.64/26"});
	g_assert_true(guest_dhcp(&g, &lease));
	g_assert_cmphex(lease.ip, ==, 0xc0a84d40 + 15);
	g_assert_cmphex(lease.router, ==, 0xc0a84d40 + 2);
	g_assert_cmphex(lease.dns, ==, 0xc0a84d40 + 3);
	g_assert_cmphex(lease.mask, ==, 0xffffffc0);
	tear_down(&g);
}

static void test_ipv6(void)
{
	static const uint8_t site_local[8] = {0xfe, 0xc0};
	uint8_t prefix[8];
	struct guest g;

	set_up(&g, &(struct net_user_conf){});
	g_assert_true(guest_router_prefix(&g, prefix));
	g_assert_cmpmem(prefix, 8, site_local, 8);
	tear_down(&g);
}

/* A query to the guest's name server comes to the host's, and its answer back. */
static void test_dns(void)
{
	static const char query[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04vmmd\x04te"
				    "st\x00\x00\x01\x00\x01";
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint16_t port = 53, guest_port;
	uint32_t guest_from;
	char buf[128];
	struct guest g;
	ssize_t n;
	int server;

	if (!own_network) {
		g_test_skip("needs a network namespace");
		return;
	}
	server = host_socket(SOCK_DGRAM, &port);
	set_up(&g, &(struct net_user_conf){});
	g_assert_true(guest_resolve_gateway(&g));
	guest_send_udp(&g, DNS, 3333, 53, query, sizeof(query));
	wait_readable(server);
	n = recvfrom(server, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
	g_assert_cmpmem(buf, n, query, sizeof(query));
	g_assert_cmpint(sendto(server, "the answer", 10, 0, (struct sockaddr *)&from, len), ==, 10);
	n = guest_receive_udp(&g, 3333, buf, sizeof(buf), &guest_from, &guest_port, 20000);
	g_assert_cmpmem(buf, n, "the answer", 10);
	g_assert_cmphex(guest_from, ==, DNS);
	g_assert_cmpuint(guest_port, ==, 53);
	tear_down(&g);
	close(server);
}

enum { TRANSFER = 300000, WINDOW = 20000 };

/* Both directions in turn, in amounts that fit the windows, for the guest does not retransmit. */
static void exchange(struct guest_tcp *c, int host)
{
	g_autofree uint8_t *data = g_malloc(WINDOW), *got = g_malloc(WINDOW);

	for (unsigned total = 0; total < TRANSFER; total += WINDOW) {
		fill_random(data, WINDOW);
		for (unsigned at = 0; at < WINDOW; at += WINDOW / 4) {
			guest_tcp_send(c, data + at, WINDOW / 4);
			host_read(host, got + at, WINDOW / 4);
		}
		g_assert_cmpmem(got, WINDOW, data, WINDOW);
		fill_random(data, WINDOW);
		g_assert_cmpint(write(host, data, WINDOW), ==, WINDOW);
		g_assert_cmpuint(guest_tcp_receive(c, got, WINDOW), ==, WINDOW);
		g_assert_cmpmem(got, WINDOW, data, WINDOW);
	}
}

static void test_tcp_out(void)
{
	uint16_t port = 0;
	int server = host_socket(SOCK_STREAM, &port), host;
	struct guest_tcp c;
	struct guest g;
	char byte;

	set_up(&g, &(struct net_user_conf){});
	g_assert_true(guest_resolve_gateway(&g));
	g_assert_true(guest_tcp_connect(&g, &c, GATEWAY, port, 20000));
	wait_readable(server);
	host = accept(server, NULL, NULL);
	g_assert_cmpint(host, >=, 0);
	exchange(&c, host);

	/* Each side learns that the other has closed. */
	close(host);
	g_assert_cmpuint(guest_tcp_receive(&c, &byte, 1), ==, 0);
	g_assert_true(c.closed);
	close(server);
	g_assert_false(guest_tcp_connect(&g, &c, GATEWAY, port, 20000)); /* refused */
	tear_down(&g);
}

static void test_tcp_in(void)
{
	struct net_user_forward f = {.host_port = free_port(SOCK_STREAM), .guest_port = 8080};
	struct guest_tcp c;
	struct guest g;
	char byte;
	int host;

	set_up(&g, &(struct net_user_conf){.forwards = &f, .n_forwards = 1});
	g_assert_true(guest_resolve_gateway(&g));
	host = host_connect(SOCK_STREAM, f.host_port);
	g_assert_true(guest_tcp_accept(&g, &c, 8080, 20000));
	exchange(&c, host);
	guest_tcp_close(&c);
	while (poll(&(struct pollfd){.fd = host, .events = POLLIN}, 1, 10) == 0)
		guest_receive(&g, 10);
	g_assert_cmpint(read(host, &byte, 1), ==, 0);
	close(host);
	tear_down(&g);
}

static void test_udp(void)
{
	struct net_user_forward f = {.udp = true,
		.host_address = "127.0.0.1",
		.host_port = free_port(SOCK_DGRAM),
		.guest_port = 69};
	uint16_t port = 0, from_port;
	int server = host_socket(SOCK_DGRAM, &port), host;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct guest g;
	uint32_t from_ip;
	char buf[100];
	ssize_t n;

	set_up(&g, &(struct net_user_conf){.forwards = &f, .n_forwards = 1});
	g_assert_true(guest_resolve_gateway(&g));
	guest_send_udp(&g, GATEWAY, 5555, port, "out", 3);
	wait_readable(server);
	n = recvfrom(server, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
	g_assert_cmpmem(buf, n, "out", 3);
	g_assert_cmpint(sendto(server, "back", 4, 0, (struct sockaddr *)&from, len), ==, 4);
	n = guest_receive_udp(&g, 5555, buf, sizeof(buf), &from_ip, &from_port, 20000);
	g_assert_cmpmem(buf, n, "back", 4);
	g_assert_cmphex(from_ip, ==, GATEWAY);
	g_assert_cmpuint(from_port, ==, port);

	host = host_connect(SOCK_DGRAM, f.host_port);
	g_assert_cmpint(write(host, "in", 2), ==, 2);
	n = guest_receive_udp(&g, 69, buf, sizeof(buf), &from_ip, &from_port, 20000);
	g_assert_cmpmem(buf, n, "in", 2);
	guest_send_udp(&g, from_ip, 69, from_port, "reply", 5);
	wait_readable(host);
	n = read(host, buf, sizeof(buf));
	g_assert_cmpmem(buf, n, "reply", 5);
	close(host);
	close(server);
	tear_down(&g);
}

/* No way out, but in through a forward. */
static void test_restrict(void)
{
	struct net_user_forward f = {.host_port = free_port(SOCK_STREAM), .guest_port = 22};
	uint16_t port = 0;
	int server = host_socket(SOCK_STREAM, &port), host;
	struct guest_tcp c;
	struct guest g;

	set_up(&g, &(struct net_user_conf){.forwards = &f, .n_forwards = 1, .restrict_out = true});
	g_assert_true(guest_resolve_gateway(&g));
	g_assert_false(guest_tcp_connect(&g, &c, GATEWAY, port, 500));
	g_assert_cmpint(poll(&(struct pollfd){.fd = server, .events = POLLIN}, 1, 0), ==, 0);
	host = host_connect(SOCK_STREAM, f.host_port);
	g_assert_true(guest_tcp_accept(&g, &c, 22, 20000));
	close(host);
	close(server);
	tear_down(&g);
}

/* Frames of garbage, and of garbage behind sound headers: the helper lives and still serves. */
static void test_hostile(void)
{
	static const uint16_t types[] = {0x0800, 0x0806, 0x86dd, 0x8100, 0x0003};
	uint8_t frame[GUEST_FRAME_MAX];
	struct guest g;

	set_up(&g, &(struct net_user_conf){});
	g_assert_true(guest_resolve_gateway(&g));
	for (int i = 0; i < 20000 && !g.link_down; i++) {
		size_t n = g_test_rand_int_range(14, i % 8 ? 200 : sizeof(frame));
		uint16_t type = types[g_test_rand_int_range(0, ARRAY_SIZE(types))];

		fill_random(frame, n);
		memcpy(frame, g.gateway_mac, 6);
		frame[12] = type >> 8;
		frame[13] = type;
		if (n > 34 && i & 1) {
			frame[14] = type == 0x0800 ? 0x45 : 0x60;
			frame[16] = (n - 14) >> 8;
			frame[17] = n - 14;
			frame[23] = (const uint8_t[]){1, 6, 17, 58}[i / 2 % 4];
		}
		guest_send(&g, frame, n);
		if (i % 64 == 0) {
			while (guest_receive(&g, 0))
				continue;
		}
	}
	g_assert_false(g.link_down);
	g_assert_true(guest_resolve_gateway(&g));
	tear_down(&g);
}

/* ---- life and errors ------------------------------------------------------------------------- */

static bool port_is_free(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	bool ok;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	ok = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
	close(fd);
	return ok;
}

/* The only child we have. */
static pid_t helper_pid(void)
{
	g_autofree char *path = g_strdup_printf("/proc/self/task/%d/children", getpid());
	g_autofree char *text = NULL;

	return g_file_get_contents(path, &text, NULL, NULL) ? atoi(text) : 0;
}

/* The helper goes with its VM: its socket is closed, the host's port is free again. */
static void test_ends(void)
{
	struct net_user_forward f = {.host_port = free_port(SOCK_STREAM), .guest_port = 22};
	struct guest g;

	set_up(&g, &(struct net_user_conf){.forwards = &f, .n_forwards = 1});
	g_assert_false(port_is_free(f.host_port));
	tear_down(&g);
	g_assert_true(port_is_free(f.host_port));
}

/* Its death takes the guest's link down. */
static void test_killed(void)
{
	struct guest g;
	pid_t pid;

	set_up(&g, &(struct net_user_conf){});
	pid = helper_pid();
	if (pid <= 0) {
		g_test_skip("this kernel does not tell children");
		tear_down(&g);
		return;
	}
	g_assert_true(guest_resolve_gateway(&g));
	g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
	while (!g.link_down)
		guest_receive(&g, 1000);
	g_assert_false(g.net->link_up);
	g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
	guest_done(&g);
	loop_free(loop);
}

static void check_refused(const struct net_user_conf *conf, const char *words)
{
	g_autoptr(GError) error = NULL;

	loop = loop_new("test", NULL);
	g_assert_null(start(conf, &error));
	g_assert_nonnull(error);
	if (!strstr(error->message, words))
		g_error("\"%s\" lacks \"%s\"", error->message, words);
	loop_free(loop);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
}

static void test_errors(void)
{
	static const char *const networks[] = {
		"10.0.2.0", "10.0.2.0/30", "10.0.2.0/4", "10.0.2.0/24x", "10.0.2/24", "/24", ""};
	struct net_user_forward taken = {.guest_port = 22};
	struct net_user_forward bad = {.host_address = "nowhere", .host_port = 1, .guest_port = 22};
	struct net_user_forward zero = {.host_port = free_port(SOCK_STREAM), .guest_port = 0};
	struct net_user_conf conf = {.uid = (uid_t)-1};
	g_autoptr(GError) error = NULL;
	int server = host_socket(SOCK_STREAM, &taken.host_port);

	for (unsigned i = 0; i < ARRAY_SIZE(networks); i++)
		check_refused(&(struct net_user_conf){.network = networks[i]}, "network");
	check_refused(&(struct net_user_conf){.forwards = &taken, .n_forwards = 1}, "in use");
	check_refused(&(struct net_user_conf){.forwards = &bad, .n_forwards = 1}, "nowhere");
	check_refused(&(struct net_user_conf){.forwards = &zero, .n_forwards = 1}, "1 to 65535");
	close(server);
	g_assert_null(net_user_new("net0", "/nonexistent/vmmd-slirp", &conf, &error));
	g_assert_nonnull(strstr(error->message, "/nonexistent/vmmd-slirp"));
}

/* ---- set-up ---------------------------------------------------------------------------------- */

static bool loopback_up(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok = ioctl(s, SIOCSIFFLAGS, &ifr) == 0;

	close(s);
	return ok;
}

/* A network with nothing but its loopback, and a resolv.conf that names it; in a mount namespace of our own. */
static bool enter_own_network(void)
{
	char path[] = "/tmp/vmmd-test-resolv-XXXXXX";
	int fd;
	bool ok;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || !loopback_up() ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	fd = mkstemp(path);
	ok = fd >= 0 && write(fd, "nameserver 127.0.0.1\n", 21) == 21 && fchmod(fd, 0644) == 0 &&
	     mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0;
	unlink(path);
	close(fd);
	return ok;
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	own_network = enter_own_network();
	g_test_add_func("/net-user/dhcp", test_dhcp);
	g_test_add_func("/net-user/ipv6", test_ipv6);
	g_test_add_func("/net-user/dns", test_dns);
	g_test_add_func("/net-user/tcp/out", test_tcp_out);
	g_test_add_func("/net-user/tcp/in", test_tcp_in);
	g_test_add_func("/net-user/udp", test_udp);
	g_test_add_func("/net-user/restrict", test_restrict);
	g_test_add_func("/net-user/hostile", test_hostile);
	g_test_add_func("/net-user/ends", test_ends);
	g_test_add_func("/net-user/killed", test_killed);
	g_test_add_func("/net-user/errors", test_errors);
	return g_test_run();
}
