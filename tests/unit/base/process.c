/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log, fdpass and sandbox: what a process does with its descriptors and privileges. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "base/sandbox.h"

static void test_errors(void)
{
	g_autoptr(GError) a = NULL, b = NULL, c = NULL;

	g_assert_false(err_set(&a, VMMD_ERROR_STATE, "%s is %d", "x", 3));
	g_assert_error(a, VMMD_ERROR, VMMD_ERROR_STATE);
	g_assert_cmpstr(a->message, ==, "x is 3");
	err_set_errno(&b, EACCES, "cannot open %s", "/x");
	g_assert_error(b, VMMD_ERROR, VMMD_ERROR_PERMISSION);
	g_assert_cmpstr(b->message, ==, "cannot open /x: Permission denied");
	err_set_errno(&c, ENOSPC, "y");
	g_assert_error(c, VMMD_ERROR, VMMD_ERROR_HOST);
	g_assert_false(err_set(NULL, VMMD_ERROR_HOST, "nobody listens"));
	g_assert_cmpstr(vmmd_error_name(VMMD_ERROR_NOT_FOUND), ==, "not-found");
}

static void test_ratelimit(void)
{
	struct ratelimit rl = RATELIMIT_INIT(NSEC_PER_SEC, 3);
	uint64_t missed = 99;

	for (int i = 0; i < 3; i++)
		g_assert_true(ratelimit_ok(&rl, 5, &missed));
	g_assert_cmpuint(missed, ==, 0);
	for (int i = 0; i < 10; i++)
		g_assert_false(ratelimit_ok(&rl, NSEC_PER_SEC - 1, &missed));
	g_assert_true(ratelimit_ok(&rl, NSEC_PER_SEC, &missed));
	g_assert_cmpuint(missed, ==, 10);
	g_assert_false(ratelimit_ok(&rl, NSEC_PER_SEC + 1, &missed));
	/* Long silence refills the burst and no more. */
	for (int i = 0; i < 3; i++)
		g_assert_true(ratelimit_ok(&rl, 1000 * NSEC_PER_SEC, &missed));
	g_assert_false(ratelimit_ok(&rl, 1000 * NSEC_PER_SEC, &missed));
}

static void test_log_escapes(void)
{
	int saved = dup(STDERR_FILENO), p[2];
	char buf[512] = "";

	g_assert_cmpint(pipe(p), ==, 0);
	dup2(p[1], STDERR_FILENO);
	log_open("prog", "vm1", LOG_LEVEL_INFO);
	log_msg(LOG_LEVEL_ERROR, "disk0", "bad\nline %c", 7);
	log_debug("not written");
	dup2(saved, STDERR_FILENO);
	g_assert_cmpint(read(p[0], buf, sizeof(buf) - 1), >, 0);
	g_assert_cmpstr(buf, ==, "prog: vm1: disk0: error: bad\\x0aline \\x07\n");
	close(p[0]);
	close(p[1]);
	close(saved);
}

static void test_fdpass(void)
{
	int s[2], p[2], got[4], small[1];
	unsigned n = 4;
	char buf[8];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), ==, 0);
	g_assert_cmpint(pipe2(p, O_CLOEXEC), ==, 0);
	g_assert_cmpint(fdpass_send(s[0], "hello", 5, (int[]){p[0], p[1]}, 2), ==, 0);
	g_assert_cmpint(fdpass_recv(s[1], buf, sizeof(buf), got, &n), ==, 5);
	g_assert_cmpuint(n, ==, 2);
	g_assert_cmpint(fcntl(got[0], F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
	g_assert_cmpint(fd_write_all(got[1], "abc", 3), ==, 0);
	g_assert_cmpint(fd_read_all(p[0], buf, 3), ==, 0);
	g_assert_cmpmem(buf, 3, "abc", 3);
	close(got[0]);
	close(got[1]);
	/* More descriptors than there is room for: an error, and none of them stays open. */
	n = 1;
	g_assert_cmpint(fdpass_send(s[0], "x", 1, (int[]){p[0], p[1]}, 2), ==, 0);
	g_assert_cmpint(fdpass_recv(s[1], buf, sizeof(buf), small, &n), ==, -EMFILE);
	g_assert_cmpuint(n, ==, 0);
	close(p[1]);
	g_assert_cmpint(fd_read_all(p[0], buf, 1), ==, -EPIPE);
	close(p[0]);
	close(s[0]);
	n = 1;
	g_assert_cmpint(fdpass_recv(s[1], buf, sizeof(buf), small, &n), ==, 0);
	close(s[1]);
}

/* In a child: keeps what it is told to and nothing else from @first up. */
static void test_close_others(void)
{
	int a = fcntl(STDIN_FILENO, F_DUPFD, 100), b = fcntl(STDIN_FILENO, F_DUPFD, 120);
	int c = fcntl(STDIN_FILENO, F_DUPFD, 140), status;
	pid_t pid = fork();

	g_assert_cmpint(pid, >=, 0);
	if (!pid) {
		fd_close_others(90, (int[]){b, -1}, 2);
		_exit(fcntl(a, F_GETFD) == -1 && fcntl(b, F_GETFD) != -1 && fcntl(c, F_GETFD) == -1
				? 0
				: 1);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_cmpint(status, ==, 0);
	close(a);
	close(b);
	close(c);
}

/* What a sandboxed child can still do; each exit code names the first thing that was wrong. */
static int sandboxed_child(void)
{
	struct sandbox_conf conf = {.uid = geteuid() ? (uid_t)-1 : 65534, .gid = 65534};
	unsigned done = 0;

	if (!sandbox_enter(&conf, &done, NULL))
		return 1;
	if (open("/etc/passwd", O_RDONLY) >= 0 || open("/", O_RDONLY) >= 0)
		return (done & SANDBOX_LANDLOCK) ? 2 : 0;
	if (conf.uid != (uid_t)-1 && (geteuid() != 65534 || getegid() != 65534 || setuid(0) == 0))
		return 3;
	if (conf.uid != (uid_t)-1 && (done & (SANDBOX_EMPTY_ROOT | SANDBOX_NET_NS)) !=
					     (SANDBOX_EMPTY_ROOT | SANDBOX_NET_NS))
		return 4;
	if (!(done & SANDBOX_NO_NEW_PRIVS) || !(done & SANDBOX_CAPS))
		return 5;
	return 0;
}

static void test_sandbox(void)
{
	g_autofree char *words = sandbox_describe(SANDBOX_NO_NEW_PRIVS | SANDBOX_SECCOMP);
	pid_t pid = fork();
	int status;

	g_assert_cmpstr(words, ==, "no-new-privs,seccomp");
	g_assert_cmpint(pid, >=, 0);
	if (!pid)
		_exit(sandboxed_child());
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_cmpint(status, ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/error/set", test_errors);
	g_test_add_func("/log/ratelimit", test_ratelimit);
	g_test_add_func("/log/escapes", test_log_escapes);
	g_test_add_func("/fdpass/send-receive", test_fdpass);
	g_test_add_func("/fdpass/close-others", test_close_others);
	g_test_add_func("/sandbox/enter", test_sandbox);
	return g_test_run();
}
