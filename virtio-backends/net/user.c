/* SPDX-License-Identifier: GPL-2.0-or-later */
/* User-mode networking: a helper process at the other end of a socket. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "virtio-backends/net/drivers.h"

#define GUEST_FD      3 /* in the helper */
#define REPORT_FD     4
#define REPORT_LIMIT  10000 /* ms until the helper must have said something */
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
	add(args, "--guest-fd", g_strdup_printf("%d", GUEST_FD));
	add(args, "--report-fd", g_strdup_printf("%d", REPORT_FD));
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

/*
 * The helper gets its two descriptors, standard input, output and error, and no blocked signal; nothing else of ours. @guest and
 * @report lie above the numbers they get, so that neither overwrites the other.
 */
static int spawn(const char *helper, char **argv, int guest, int report, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	extern char **environ;
	sigset_t none;
	int err;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, guest, GUEST_FD);
	posix_spawn_file_actions_adddup2(&actions, report, REPORT_FD);
	posix_spawn_file_actions_addclosefrom_np(&actions, REPORT_FD + 1);
	err = posix_spawn(ret_pid, helper, &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return -err;
}

/* The helper's one line: "ok", or why not. */
static bool wait_for_report(int fd, const char *helper, GError **error)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char line[512];
	size_t n = 0;

	while (n < sizeof(line) - 1) {
		ssize_t r;
		int ready = poll(&p, 1, REPORT_LIMIT);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready == 0)
			return err_set(error, VMMD_ERROR_TIMEOUT, "%s does not start", helper);
		r = read(fd, line + n, sizeof(line) - 1 - n);
		if (r <= 0)
			break;
		n += (size_t)r;
	}
	line[n] = '\0';
	g_strchomp(line);
	if (strcmp(line, "ok") == 0)
		return true;
	return err_set(error, VMMD_ERROR_HOST, "%s",
		n ? line : "the helper for user networking ended at its start");
}

/* To a number above those that the helper's descriptors get. */
static bool move_up(int *fd)
{
	int up = fcntl(*fd, F_DUPFD_CLOEXEC, REPORT_FD + 1);

	if (up < 0)
		return false;
	close(*fd);
	*fd = up;
	return true;
}

static bool make_channel(int sock[2], int report[2], GError **error)
{
	int size = SOCKET_BUFFER;

	report[0] = report[1] = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0) {
		sock[0] = sock[1] = -1;
		return err_set_errno(error, errno, "cannot make a socket pair");
	}
	if (pipe2(report, O_CLOEXEC) < 0)
		return err_set_errno(error, errno, "cannot make a pipe");
	for (int i = 0; i < 2; i++) {
		if (setsockopt(sock[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0)
			return err_set_errno(error, errno, "cannot size a socket's buffer");
	}
	if (!move_up(&sock[1]) || !move_up(&report[1]))
		return err_set_errno(error, errno, "cannot duplicate a descriptor");
	return true;
}

struct net *net_user_new(
	const char *id, const char *helper, const struct net_user_conf *conf, GError **error)
{
	g_autoptr(GPtrArray) args = make_arguments(helper, conf);
	int sock[2], report[2], err;
	struct net *net = NULL;
	pid_t pid = 0;
	bool ok;

	ok = make_channel(sock, report, error);
	if (ok) {
		err = spawn(helper, (char **)args->pdata, sock[1], report[1], &pid);
		if (err < 0)
			ok = err_set_errno(error, -err, "cannot start %s", helper);
	}
	fd_close(&sock[1]);
	fd_close(&report[1]);
	if (ok && !wait_for_report(report[0], helper, error)) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		ok = false;
	}
	fd_close(&report[0]);
	if (ok) {
		net = net_fd_new(id, sock[0], conf->loop, error);
		sock[0] = -1;
	}
	fd_close(&sock[0]);
	return net;
}
