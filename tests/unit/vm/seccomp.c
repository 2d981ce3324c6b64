/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's three filters: which role may make which call, and that threads work under them. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sandbox.h"
#include "tests/lib/child.h"
#include "vmmd/vm/seccomp.h"

#define M (1u << VM_ROLE_MAIN)
#define I (1u << VM_ROLE_IO)
#define V (1u << VM_ROLE_VCPU)

#define NO_FD  (-1)
#define MEMORY (MAP_PRIVATE | MAP_ANONYMOUS)

/* All with arguments that do no harm where they are let through. */
static const struct {
	const char *name;
	unsigned roles; /* that may */
	long nr;
	long args[6];
} calls[] = {
	{"read", M | I | V, SYS_read, {NO_FD}},
	{"write", M | I | V, SYS_write, {NO_FD}},
	{"timerfd_settime", M | I | V, SYS_timerfd_settime, {NO_FD}},
	{"mmap", M | I | V, SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, MEMORY, NO_FD}},
	{"mmap executable", 0, SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MEMORY, NO_FD}},
	{"mprotect executable", 0, SYS_mprotect, {0, 4096, PROT_EXEC}},
	{"pkey_mprotect", 0, SYS_pkey_mprotect, {0, 4096, PROT_EXEC, -1}},
	{"sendto connected", M | I | V, SYS_sendto, {NO_FD}},
	{"sendto address", 0, SYS_sendto, {NO_FD, 0, 0, 0, 4096}},
	{"tgkill other", 0, SYS_tgkill, {1, 1, 0}},
	{"kill", 0, SYS_kill, {1, 0}},

	{"KVM_RUN", M | V, SYS_ioctl, {NO_FD, KVM_RUN}},
	{"KVM_IRQ_LINE", M | I | V, SYS_ioctl, {NO_FD, KVM_IRQ_LINE}},
	{"KVM_SIGNAL_MSI", M | I | V, SYS_ioctl, {NO_FD, KVM_SIGNAL_MSI}},
	{"KVM_SMI", M | V, SYS_ioctl, {NO_FD, KVM_SMI}},
	{"KVM_SET_USER_MEMORY_REGION", M | V, SYS_ioctl, {NO_FD, KVM_SET_USER_MEMORY_REGION}},
	{"KVM_IOEVENTFD", M | V, SYS_ioctl, {NO_FD, KVM_IOEVENTFD}},
	{"KVM_IRQFD", M | V, SYS_ioctl, {NO_FD, KVM_IRQFD}},
	{"KVM_SET_GSI_ROUTING", M | V, SYS_ioctl, {NO_FD, KVM_SET_GSI_ROUTING}},
	{"KVM_SET_SREGS", M, SYS_ioctl, {NO_FD, KVM_SET_SREGS}},
	{"KVM_GET_DIRTY_LOG", M, SYS_ioctl, {NO_FD, KVM_GET_DIRTY_LOG}},
	{"KVM_CREATE_VM", 0, SYS_ioctl, {NO_FD, KVM_CREATE_VM}},
	{"KVM_CREATE_DEVICE", 0, SYS_ioctl, {NO_FD, KVM_CREATE_DEVICE}},
	{"TIOCSTI", 0, SYS_ioctl, {NO_FD, TIOCSTI}},

	{"io_submit", M | I, SYS_io_submit, {0}},
	{"pread64", M | I, SYS_pread64, {NO_FD}},
	{"pwritev2", M | I, SYS_pwritev2, {NO_FD}},
	{"fdatasync", M | I, SYS_fdatasync, {NO_FD}},
	{"fallocate", M | I, SYS_fallocate, {NO_FD}},
	{"fstat", M | I, SYS_fstat, {NO_FD}},
	{"epoll_ctl", M | I, SYS_epoll_ctl, {NO_FD}},
	{"sendmsg", M | I, SYS_sendmsg, {NO_FD}},
	{"recvmsg", M | I, SYS_recvmsg, {NO_FD}},
	{"stat by path", 0, SYS_newfstatat, {AT_FDCWD}},

	{"accept4", M, SYS_accept4, {NO_FD}},
	{"eventfd2", M | V, SYS_eventfd2, {0, -1}},
	{"io_setup", M, SYS_io_setup, {0, 0}},
	{"fcntl F_GETFL", M, SYS_fcntl, {NO_FD, F_GETFL}},
	{"fcntl F_SETOWN", 0, SYS_fcntl, {NO_FD, F_SETOWN}},
	{"close", M, SYS_close, {NO_FD}},
	{"shutdown", M, SYS_shutdown, {NO_FD}},

	{"openat", 0, SYS_openat, {AT_FDCWD}},
	{"open", 0, SYS_open, {0}},
	{"openat2", 0, SYS_openat2, {AT_FDCWD}},
	{"open_by_handle_at", 0, SYS_open_by_handle_at, {NO_FD}},
	{"creat", 0, SYS_creat, {0}},
	{"unlinkat", 0, SYS_unlinkat, {AT_FDCWD}},
	{"socket", 0, SYS_socket, {AF_UNIX, -1}},
	{"connect", 0, SYS_connect, {NO_FD}},
	{"bind", 0, SYS_bind, {NO_FD}},
	{"execve", 0, SYS_execve, {0}},
	{"execveat", 0, SYS_execveat, {NO_FD}},
	{"fork", 0, SYS_clone, {SIGCHLD | CLONE_UNTRACED}},
	{"vfork", 0, SYS_vfork, {0}},
	{"ptrace", 0, SYS_ptrace, {-1}},
	{"process_vm_writev", 0, SYS_process_vm_writev, {0}},
	{"mount", 0, SYS_mount, {0}},
	{"unshare", 0, SYS_unshare, {-1}},
	{"setns", 0, SYS_setns, {NO_FD}},
	{"prctl PR_SET_NAME", M | I, SYS_prctl, {PR_SET_NAME, 0}},
	{"prctl PR_SET_DUMPABLE", 0, SYS_prctl, {PR_SET_DUMPABLE, -1}},
	{"bpf", 0, SYS_bpf, {-1}},
	{"io_uring_setup", 0, SYS_io_uring_setup, {0}},
	{"userfaultfd", 0, SYS_userfaultfd, {-1}},
	{"keyctl", 0, SYS_keyctl, {-1}},
};

static int enter(enum vm_role role)
{
	log_open("vmmd-vm", NULL, LOG_LEVEL_NOTICE);
	return vm_seccomp_init() || vm_seccomp_enter(role);
}

/* Writes what is wrong to stderr, below the lines about refused calls. */
static int make_calls(const void *opaque)
{
	enum vm_role role = *(const enum vm_role *)opaque;
	int wrong = enter(role) ? 1 : 0;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		const long *a = calls[i].args;
		uint64_t before = sandbox_trap_count();
		bool may;

		syscall(calls[i].nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		may = sandbox_trap_count() == before;
		if (may != !!(calls[i].roles & 1u << role)) {
			log_error("%s is %s", calls[i].name, may ? "allowed" : "refused");
			wrong++;
		}
	}
	return MIN(wrong, 100);
}

static void test_calls(const void *role)
{
	struct child child = run_in_child(make_calls, role);

	if (child.status)
		g_test_message("%s", child.output);
	g_assert_cmpint(child.status, ==, 0);
	g_free(child.output);
}

/* What a thread of the C library does by itself: stack, malloc, lock, end. */
static void *busy_thread(void *opaque)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int err = opaque ? vm_seccomp_enter(*(const enum vm_role *)opaque) : 0;
	void *p[64];

	for (size_t i = 0; i < ARRAY_SIZE(p); i++)
		p[i] = malloc(i * 4096);
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	for (size_t i = 0; i < ARRAY_SIZE(p); i++)
		free(p[i]);
	return (void *)(intptr_t)err;
}

static bool thread_works(const enum vm_role *role)
{
	pthread_t t;
	void *ret = NULL;

	return pthread_create(&t, NULL, busy_thread, (void *)(uintptr_t)role) == 0 &&
	       pthread_join(t, &ret) == 0 && !ret && !sandbox_trap_count();
}

static const enum vm_role roles[] = {VM_ROLE_MAIN, VM_ROLE_IO, VM_ROLE_VCPU};

static int main_starts_threads(const void *opaque)
{
	if (enter(VM_ROLE_MAIN) != 0)
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		if (!thread_works(&roles[i]))
			return 2;
	}
	return 0;
}

/* An I/O thread is never the first one that the process starts. */
static int io_starts_worker(const void *opaque)
{
	return thread_works(NULL) && enter(VM_ROLE_IO) == 0 && thread_works(NULL) ? 0 : 1;
}

static void test_threads(void)
{
	struct child a = run_in_child(main_starts_threads, NULL);
	struct child b = run_in_child(io_starts_worker, NULL);

	g_assert_cmpstr(a.output, ==, "");
	g_assert_cmpint(a.status, ==, 0);
	g_assert_cmpstr(b.output, ==, "");
	g_assert_cmpint(b.status, ==, 0);
	g_free(a.output);
	g_free(b.output);
}

/* abort() signals itself: it must still end the process, with its own signal. */
static int call_abort(const void *opaque)
{
	signal(SIGABRT, SIG_DFL);
	if (enter(VM_ROLE_VCPU) != 0)
		return 1;
	abort();
}

static void test_abort(void)
{
	struct child child = run_in_child(call_abort, NULL);

	g_assert_cmpint(child.status, ==, -SIGABRT);
	g_free(child.output);
}

static int role_in_log(const void *opaque)
{
	if (enter(VM_ROLE_VCPU) != 0)
		return 1;
	return socket(AF_UNIX, SOCK_STREAM, 0) == -1 ? 0 : 2;
}

static void test_log(void)
{
	struct child child = run_in_child(role_in_log, NULL);

	g_assert_cmpint(child.status, ==, 0);
	g_assert_cmpstr(child.output, ==,
		"vmmd-vm: warning: sandbox: the vcpu thread is not allowed socket (system call "
		"41)\n");
	g_free(child.output);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/seccomp/calls/main", &roles[0], test_calls);
	g_test_add_data_func("/seccomp/calls/io", &roles[1], test_calls);
	g_test_add_data_func("/seccomp/calls/vcpu", &roles[2], test_calls);
	g_test_add_func("/seccomp/threads", test_threads);
	g_test_add_func("/seccomp/abort", test_abort);
	g_test_add_func("/seccomp/log", test_log);
	return g_test_run();
}
