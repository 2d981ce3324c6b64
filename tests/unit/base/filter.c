/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tools/seccomp-gen and the trap handler of sandbox.c: each case runs in a child under the filter of filter.policy and
 * makes one raw system call.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sandbox.h"
#include "tests/lib/child.h"
#include "tests/unit/base/filter.gen.h"

#define BYTES_ANYWHERE (MAP_PRIVATE | MAP_ANONYMOUS)
#define HIGH(x)        ((x) | 0x100000000L)

static const struct call {
	const char *name;
	long nr;
	long args[6];
	int error;          /* expected; 0: allowed, whatever the kernel then says */
	const char *logged; /* NULL: nothing */
} calls[] = {
	{"allowed", SYS_gettid},
	{"refused", SYS_getuid, .error = EPERM, .logged = "getuid (system call 102)"},
	{"refused-open", SYS_openat, {AT_FDCWD}, EPERM, "openat (system call 257)"},
	{"unknown-number", 0x3fffff, .error = EPERM,
		.logged = "an unknown one (system call 4194303)"},
	{"value", SYS_lseek, {-1, 10}, EBADF},
	{"other-value", SYS_lseek, {-1, 20}, EBADF},
	{"wrong-value", SYS_lseek, {-1, 11}, EPERM, "lseek"},
	{"wrong-high-half", SYS_lseek, {-1, HIGH(10)}, EPERM, "lseek"},
	{"int", SYS_fcntl, {-1, F_GETFL}, EBADF},
	{"int-high-half-ignored", SYS_fcntl, {-1, HIGH(F_GETFL)}, EBADF},
	{"wrong-int", SYS_fcntl, {-1, F_SETFL}, EPERM, "fcntl"},
	{"mask", SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, BYTES_ANYWHERE, -1}, 0},
	{"mask-first-bit", SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, BYTES_ANYWHERE, -1}, EPERM,
		"mmap"},
	{"mask-second-bit", SYS_mmap, {0, 4096, 0x1000, BYTES_ANYWHERE, -1}, EPERM, "mmap"},
	{"second-condition", SYS_mmap, {0, 8192, PROT_READ, BYTES_ANYWHERE, -1}, EPERM, "mmap"},
	{"not-self", SYS_tgkill, {1, 1, 0}, EPERM, "tgkill"},
	{"quiet", SYS_getppid, .error = EACCES},
	{"wider-line-wins", SYS_getpid, {2}},
};

static int enter(void)
{
	log_open("prog", "vm1", LOG_LEVEL_NOTICE);
	return sandbox_trap_init() || sandbox_seccomp("test", test_filter, ARRAY_SIZE(test_filter));
}

static int make_call(const void *opaque)
{
	const struct call *c = opaque;
	const long *a = c->args;
	long r;

	if (enter() != 0)
		return 1;
	errno = 0;
	r = syscall(c->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (c->error ? r != -1 || errno != c->error : r < 0)
		return 2;
	return sandbox_trap_count() == !!c->logged ? 0 : 3;
}

static void test_call(const void *opaque)
{
	const struct call *c = opaque;
	struct child child = run_in_child(make_call, c);

	g_assert_cmpint(child.status, ==, 0);
	if (c->logged) {
		g_assert_true(g_str_has_prefix(child.output,
			"prog: vm1: warning: sandbox: the test thread is not allowed "));
		g_assert_nonnull(strstr(child.output, c->logged));
		g_assert_true(g_str_has_suffix(child.output, ")\n"));
	} else {
		g_assert_cmpstr(child.output, ==, "");
	}
	g_free(child.output);
}

static int signal_self(const void *opaque)
{
	pid_t pid = getpid();

	if (enter() != 0)
		return 1;
	return syscall(SYS_tgkill, pid, pid, 0) == 0 ? 0 : 2;
}

static void test_self(void)
{
	struct child child = run_in_child(signal_self, NULL);

	g_test_message("%s", child.output);
	g_assert_cmpint(child.status, ==, 0);
	g_free(child.output);
}

#define MANY 1000

static int many_traps(const void *opaque)
{
	if (enter() != 0)
		return 1;
	for (int i = 0; i < MANY; i++) {
		if (syscall(SYS_getuid) != -1)
			return 2;
	}
	return sandbox_trap_count() == MANY ? 0 : 3;
}

static void test_rate(void)
{
	struct child child = run_in_child(many_traps, NULL);
	g_auto(GStrv) lines = g_strsplit(child.output, "\n", -1);

	g_assert_cmpint(child.status, ==, 0);
	/* The burst, one more for each second that the loop may have taken, and the empty string after the last. */
	g_assert_cmpuint(g_strv_length(lines), >=, 11);
	g_assert_cmpuint(g_strv_length(lines), <, 40);
	g_free(child.output);
}

/* Without the handler the same call ends the process. */
static int trap_without_handler(const void *opaque)
{
	if (sandbox_seccomp("test", test_filter, ARRAY_SIZE(test_filter)) != 0)
		return 1;
	syscall(SYS_getuid);
	return 0;
}

static void test_no_handler(void)
{
	struct child child = run_in_child(trap_without_handler, NULL);

	g_assert_cmpint(child.status, ==, -SIGSYS);
	g_free(child.output);
}

/* ---- what the generator refuses ---- */

static const struct {
	const char *name, *policy, *complaint;
} bad[] = {
	{"no-such-call", "read\nopenatt\n", ":2: x86-64 has no system call openatt"},
	{"no-such-name", "ioctl int1 == KVM_RUNN\n", ":1: unknown name KVM_RUNN"},
	{"no-argument", "ioctl arg6 == 1\n", ":1: arg6: a condition begins with"},
	{"no-value", "ioctl arg1 ==\n", ":1: a value is missing"},
	{"no-comparison", "ioctl arg1 = 1\n", ":1: \"arg1 = 1\" is not a condition"},
	{"impossible", "mmap arg2 & 4 == 2\n", ":1: \"arg2 & 4 == 2\" can never be true"},
	{"impossible-int", "ioctl int1 == 0x100000000\n", "can never be true"},
	{"same-argument", "ioctl int1 == 1 && arg1 == 2\n", ":1: two conditions on one argument"},
	{"bad-number", "ioctl int1 == 0x1g\n", ":1: 0x1g is not a number"},
	{"reserved-number", "ioctl int1 == 0x464c4553\n", "stands for the process id"},
	{"no-such-error", "clone3 return EWHAT\n", ":1: unknown error EWHAT"},
	{"contradiction", "read\nread return EPERM\n", ":2: contradicts an earlier line"},
	{"no-such-file", "include nowhere.policy\n", "nowhere.policy"},
	{"own-tail", "include bad.policy\n", "include each other too deeply"},
};

static void test_refused(void)
{
	const char *gen = g_getenv("SECCOMP_GEN");
	g_autofree char *dir = g_dir_make_tmp("seccomp-XXXXXX", NULL);
	g_autofree char *policy = g_build_filename(dir, "bad.policy", NULL);
	g_autofree char *header = g_build_filename(dir, "bad.h", NULL);

	g_assert_nonnull(gen);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *argv[] = {gen, "x", policy, header, NULL};
		g_autofree char *errors = NULL;
		int status;

		g_assert_true(g_file_set_contents(policy, bad[i].policy, -1, NULL));
		g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL,
			NULL, &errors, &status, NULL));
		g_test_message("%s: %s", bad[i].name, errors);
		g_assert_cmpint(status, !=, 0);
		g_assert_nonnull(strstr(errors, bad[i].complaint));
		g_assert_false(g_file_test(header, G_FILE_TEST_EXISTS));
	}
	g_unlink(policy);
	g_rmdir(dir);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		g_autofree char *path = g_strdup_printf("/filter/call/%s", calls[i].name);

		g_test_add_data_func(path, &calls[i], test_call);
	}
	g_test_add_func("/filter/self", test_self);
	g_test_add_func("/filter/rate", test_rate);
	g_test_add_func("/filter/no-handler", test_no_handler);
	g_test_add_func("/filter/refused", test_refused);
	return g_test_run();
}
