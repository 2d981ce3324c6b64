/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/child.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static char *read_all(int fd)
{
	GString *s = g_string_new(NULL);
	char buf[512];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		g_string_append_len(s, buf, n);
	return g_string_free(s, FALSE);
}

struct child run_in_child(int (*fn)(const void *opaque), const void *opaque)
{
	struct child c;
	int p[2], status;
	pid_t pid;

	g_assert_cmpint(pipe2(p, O_CLOEXEC), ==, 0);
	pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (!pid) {
		dup2(p[1], STDERR_FILENO);
		close(p[1]);
		_exit(fn(opaque));
	}
	close(p[1]);
	c.output = read_all(p[0]);
	close(p[0]);
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	c.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
	return c;
}
