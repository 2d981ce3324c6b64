/* SPDX-License-Identifier: GPL-2.0-or-later */
/* User-mode networking: a helper process at the other end of a socket. */
#include <errno.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "base/helper.h"
#include "virtio-backends/net/drivers.h"

#define SOCKET_BUFFER (1 << 20)

static void add(GPtrArray *args, const char *option, char *value)
{
	g_ptr_array_add(args, g_strdup(option));
	if (value)
		g_ptr_array_add(args, value);
}

static GPtrArray *make_arguments(const char *helper, const struct net_user_conf *c)
{
	GPtrArray *args = g_ptr_array_new_with_free_func(g_free);

	add(args, helper, NULL);
	if (c->network)
		add(args, "--network", g_strdup(c->network));
	if (c->hostname)
		add(args, "--hostname", g_strdup(c->hostname));
	if (c->restrict_out)
		add(args, "--restrict", NULL);
	if (c->uid != (uid_t)-1) {
		add(args, "--uid", g_strdup_printf("%u", c->uid));
		add(args, "--gid", g_strdup_printf("%u", c->gid));
	}
	for (unsigned i = 0; i < c->n_forwards; i++) {
		const struct net_user_forward *f = &c->forwards[i];

		add(args, "--forward",
			g_strdup_printf("%s,%s,%u,%u", f->udp ? "udp" : "tcp",
				f->host_address ? f->host_address : "127.0.0.1", f->host_port,
				f->guest_port));
	}
	g_ptr_array_add(args, NULL);
	return args;
}

static bool make_channel(int sock[2], GError **error)
{
	int size = SOCKET_BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0) {
		sock[0] = sock[1] = -1;
		return err_set_errno(error, errno, "cannot make a socket pair");
	}
	for (int i = 0; i < 2; i++) {
		if (setsockopt(sock[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0)
			return err_set_errno(error, errno, "cannot size a socket's buffer");
	}
	return true;
}

struct net *net_user_new(
	const char *id, const char *helper, const struct net_user_conf *conf, GError **error)
{
	g_autoptr(GPtrArray) args = make_arguments(helper, conf);
	struct net *net = NULL;
	int sock[2];

	if (make_channel(sock, error) && helper_start((char **)args->pdata, &sock[1], 1, error)) {
		net = net_fd_new(id, sock[0], conf->loop, error);
		sock[0] = -1;
	}
	fd_close(&sock[0]);
	fd_close(&sock[1]);
	return net;
}
