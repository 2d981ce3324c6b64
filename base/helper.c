/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"

#define REPORT_LIMIT 10000 /* ms until the helper must have said something */
#define REPORT_MAX   512   /* bytes */

/* ---- the side that starts ---- */

/*
 * Descriptors are first moved above the numbers that they get, so that none overwrites another; then they are close-on-exec, and
 * what is above the last one is closed anyway.
 */
static int spawn(char *const argv[], const int *fds, unsigned n_fds, pid_t *ret_pid)
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
	for (unsigned i = 0; i < n_fds; i++)
		posix_spawn_file_actions_adddup2(&actions, fds[i], HELPER_REPORT_FD + (int)i);
	posix_spawn_file_actions_addclosefrom_np(&actions, HELPER_REPORT_FD + (int)n_fds);
	err = posix_spawn(ret_pid, argv[0], &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return -err;
}

static bool wait_for_report(int fd, const char *helper, GError **error)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char line[REPORT_MAX];
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
	if (n)
		return err_set(error, VMMD_ERROR_HOST, "%s", line);
	return err_set(error, VMMD_ERROR_HOST, "%s ended at its start", helper);
}

/* Copies above the numbers that the helper's descriptors get. */
static bool copy_up(const int *fds, unsigned n, int *up)
{
	for (unsigned i = 0; i < n; i++) {
		up[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, HELPER_FIRST_FD + HELPER_FDS_MAX);
		if (up[i] < 0)
			return false;
	}
	return true;
}

static bool start(char *const argv[], const int *fds, unsigned n_fds, pid_t *pid, GError **error)
{
	int up[HELPER_FDS_MAX + 1] = {-1, -1, -1, -1, -1}, err;
	bool ok = copy_up(fds, n_fds, up);

	if (!ok)
		err_set_errno(error, errno, "cannot duplicate a descriptor");
	err = ok ? spawn(argv, up, n_fds, pid) : 0;
	if (err < 0)
		ok = err_set_errno(error, -err, "cannot start %s", argv[0]);
	for (unsigned i = 0; i < ARRAY_SIZE(up); i++)
		fd_close(&up[i]);
	return ok;
}

bool helper_start(char *const argv[], const int *fds, unsigned n_fds, GError **error)
{
	int report[2], all[HELPER_FDS_MAX + 1];
	pid_t pid = 0;
	bool ok;

	if (pipe2(report, O_CLOEXEC) < 0)
		return err_set_errno(error, errno, "cannot make a pipe");
	all[0] = report[1];
	for (unsigned i = 0; i < n_fds; i++)
		all[i + 1] = fds[i];
	ok = start(argv, all, n_fds + 1, &pid, error);
	fd_close(&report[1]);
	if (ok && !wait_for_report(report[0], argv[0], error)) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		ok = false;
	}
	fd_close(&report[0]);
	return ok;
}

/* ---- the helper's side ---- */

bool helper_ready(GError **error)
{
	/* A socket's end tells as well, but not to a process that is stopped. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_set_errno(error, errno, "cannot follow the VM's end");
	if (fd_write_all(HELPER_REPORT_FD, "ok\n", 3) < 0)
		return err_set(error, VMMD_ERROR_HOST, "nobody waits for the helper");
	close(HELPER_REPORT_FD);
	return true;
}

void helper_failed(const char *why)
{
	g_autofree char *line = g_strdup_printf("%s\n", why);

	/* Who does not hear it sees that we end. */
	(void)fd_write_all(HELPER_REPORT_FD, line, strlen(line));
}
