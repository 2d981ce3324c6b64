/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"

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

int sandbox_seccomp(const struct sock_filter *prog, unsigned short len)
{
	struct sock_fprog p = {.len = len, .filter = (struct sock_filter *)(uintptr_t)prog};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p) < 0)
		return -errno;
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
