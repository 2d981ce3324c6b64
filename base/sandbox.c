/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "base/syscall-names.gen.h"

/* Mounts, System V IPC, host name; the network too unless the process is there for it. */
static bool enter_namespaces(const struct sandbox_conf *conf, unsigned *done, GError **error)
{
	int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

	if (!conf->keep_network)
		flags |= CLONE_NEWNET;
	if (unshare(flags) < 0)
		return err_set_errno(error, errno, "cannot enter new namespaces");
	*done |= SANDBOX_MOUNT_NS | SANDBOX_IPC_NS | SANDBOX_UTS_NS;
	if (!conf->keep_network)
		*done |= SANDBOX_NET_NS;
	return true;
}

/*
 * A root without a single file: an empty read-only tmpfs, mounted over a place that exists everywhere in our own
 * mount namespace, becomes /, and the old root is detached.
 */
static bool enter_empty_root(unsigned *done, GError **error)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_set_errno(error, errno, "cannot make the mount namespace private");
	if (mount("none", "/proc", "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC | MS_RDONLY,
		    "size=4k,mode=0555") < 0 ||
		chdir("/proc") < 0)
		return err_set_errno(error, errno, "cannot mount an empty root");
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_set_errno(error, errno, "cannot change to the empty root");
	*done |= SANDBOX_EMPTY_ROOT;
	return true;
}

/* Handles every file-system right that this kernel's Landlock knows and grants none. */
static bool enter_landlock(unsigned *done, GError **error)
{
	static const uint64_t rights_of_abi[] = {
		0, (1ULL << 13) - 1, (1ULL << 14) - 1, (1ULL << 15) - 1};
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr;
	int fd;

	if (abi <= 0)
		return true; /* not in this kernel: not in @done, which the caller reports */
	attr.handled_access_fs = rights_of_abi[MIN(abi, (long)ARRAY_SIZE(rights_of_abi) - 1)];
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0)
		return err_set_errno(error, errno, "cannot create a Landlock rule set");
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0) {
		err_set_errno(error, errno, "cannot enforce Landlock");
		fd_close(&fd);
		return false;
	}
	fd_close(&fd);
	*done |= SANDBOX_LANDLOCK;
	return true;
}

static bool become_user(const struct sandbox_conf *conf, unsigned *done, GError **error)
{
	if (conf->uid == (uid_t)-1)
		return true;
	if (setgroups(0, NULL) < 0 || setresgid(conf->gid, conf->gid, conf->gid) < 0 ||
		setresuid(conf->uid, conf->uid, conf->uid) < 0)
		return err_set_errno(
			error, errno, "cannot become user %u and group %u", conf->uid, conf->gid);
	*done |= SANDBOX_UID;
	return true;
}

/* Raw capset(2): all sets empty. The bounding set needs no care once no_new_privs is on. */
static bool drop_capabilities(unsigned *done, GError **error)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {};

	if (syscall(SYS_capset, &head, none) < 0)
		return err_set_errno(error, errno, "cannot drop capabilities");
	*done |= SANDBOX_CAPS;
	return true;
}

bool sandbox_enter(const struct sandbox_conf *conf, unsigned *ret_done, GError **error)
{
	*ret_done = 0;
	if (geteuid() == 0) {
		if (!enter_namespaces(conf, ret_done, error))
			return false;
		/* A helper that resolves names needs its host's /etc/resolv.conf: Landlock below is for those without. */
		if (!conf->keep_network && !enter_empty_root(ret_done, error))
			return false;
		if (!become_user(conf, ret_done, error))
			return false;
	}
	if (!drop_capabilities(ret_done, error))
		return false;
	/* Guest memory in a core file would be a copy that nobody guards. Also forbids ptrace by the same user. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_set_errno(error, errno, "cannot forbid core dumps");
	*ret_done |= SANDBOX_NO_CORE;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set_errno(error, errno, "cannot set no_new_privs");
	*ret_done |= SANDBOX_NO_NEW_PRIVS;
	return conf->keep_network || enter_landlock(ret_done, error);
}

/* ---- system call filters ---- */

/* si_code SYS_SECCOMP of the kernel's asm-generic/siginfo.h, which does not mix with the C library's <signal.h>. */
#define TRAPPED_BY_FILTER 1

static __thread const char *thread_role;
static uint64_t traps; /* atomic */

/* One thread at a time writes its line; a thread that finds another one at it is only counted. */
static struct {
	bool busy; /* atomic */
	struct ratelimit limit;
} trap_log = {.limit = RATELIMIT_INIT(NSEC_PER_SEC, 10)};

static size_t append(char *buf, size_t size, size_t n, const char *s)
{
	while (*s && n + 1 < size)
		buf[n++] = *s++;
	return n;
}

static size_t append_number(char *buf, size_t size, size_t n, uint64_t v)
{
	char digits[21];
	size_t i = sizeof(digits) - 1;

	digits[i] = '\0';
	do
		digits[--i] = (char)('0' + v % 10);
	while (v /= 10);
	return append(buf, size, n, digits + i);
}

/* "the vcpu thread is not allowed openat (system call 257), 4 more not logged". Async-signal-safe. */
static void log_trap(unsigned nr, uint64_t missed)
{
	const char *name = nr < ARRAY_SIZE(syscall_names) ? syscall_names[nr] : "";
	char text[160];
	size_t n = 0;

	n = append(text, sizeof(text), n, "sandbox: the ");
	n = append(text, sizeof(text), n, thread_role ? thread_role : "unnamed");
	n = append(text, sizeof(text), n, " thread is not allowed ");
	n = append(text, sizeof(text), n, *name ? name : "an unknown one");
	n = append(text, sizeof(text), n, " (system call ");
	n = append_number(text, sizeof(text), n, nr);
	n = append(text, sizeof(text), n, ")");
	if (missed) {
		n = append(text, sizeof(text), n, ", ");
		n = append_number(text, sizeof(text), n, missed);
		n = append(text, sizeof(text), n, " more not logged");
	}
	log_signal(text, n);
}

static int64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* The kernel has left the call undone; what RAX holds on return is its result. */
static void trap_handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	int saved = errno;
	uint64_t missed;

	if (info->si_code != TRAPPED_BY_FILTER)
		return;
	__atomic_fetch_add(&traps, 1, __ATOMIC_RELAXED);
	uc->uc_mcontext.gregs[REG_RAX] = -EPERM;
	if (!__atomic_exchange_n(&trap_log.busy, true, __ATOMIC_ACQUIRE)) {
		if (ratelimit_ok(&trap_log.limit, monotonic_ns(), &missed))
			log_trap((unsigned)info->si_syscall, missed);
		__atomic_store_n(&trap_log.busy, false, __ATOMIC_RELEASE);
	}
	errno = saved;
}

int sandbox_trap_init(void)
{
	struct sigaction sa = {.sa_sigaction = trap_handler, .sa_flags = SA_SIGINFO | SA_NODEFER};

	return sigaction(SIGSYS, &sa, NULL) < 0 ? -errno : 0;
}

uint64_t sandbox_trap_count(void)
{
	return __atomic_load_n(&traps, __ATOMIC_RELAXED);
}

/* @prog with the process's id for SANDBOX_SELF; the caller frees it. */
static struct sock_filter *fill_in_self(const struct sock_filter *prog, unsigned short len)
{
	struct sock_filter *own = g_memdup2(prog, len * sizeof(*prog));

	for (unsigned i = 0; i < len; i++) {
		if (own[i].code == (BPF_JMP | BPF_JEQ | BPF_K) && own[i].k == SANDBOX_SELF)
			own[i].k = (uint32_t)getpid();
	}
	return own;
}

/* no_new_privs is set only when it is missing: a thread that already has a filter may not call prctl(2) any more. */
int sandbox_seccomp(const char *role, const struct sock_filter *prog, unsigned short len)
{
	g_autofree struct sock_filter *own = fill_in_self(prog, len);
	struct sock_fprog p = {.len = len, .filter = own};
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p);

	if (r < 0 && errno == EACCES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p);
	if (r < 0)
		return -errno;
	thread_role = role;
	return 0;
}

char *sandbox_describe(unsigned done)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{SANDBOX_NO_NEW_PRIVS, "no-new-privs"},
		{SANDBOX_UID, "uid"},
		{SANDBOX_CAPS, "no-capabilities"},
		{SANDBOX_EMPTY_ROOT, "empty-root"},
		{SANDBOX_MOUNT_NS, "mount-namespace"},
		{SANDBOX_IPC_NS, "ipc-namespace"},
		{SANDBOX_NET_NS, "network-namespace"},
		{SANDBOX_UTS_NS, "uts-namespace"},
		{SANDBOX_LANDLOCK, "landlock"},
		{SANDBOX_SECCOMP, "seccomp"},
		{SANDBOX_NO_CORE, "no-core"},
	};
	g_autoptr(GString) s = g_string_new(NULL);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (done & names[i].bit)
			g_string_append_printf(s, "%s%s", s->len ? "," : "", names[i].name);
	}
	return g_string_free(g_steal_pointer(&s), FALSE);
}
