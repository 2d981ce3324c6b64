/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox.h - how a process gives up what it does not need.
 *
 * Order: open everything, sandbox_enter() while still single threaded, sandbox_trap_init(), start threads, sandbox_seccomp()
 * on each. After that the process opens no path, makes no socket, gains no privilege. What each step did is reported, so that
 * `what can it still do` can be answered from outside.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <glib.h>
#include <linux/filter.h>
#include <sys/types.h>

#include "base/util.h"

struct sandbox_conf {
	uid_t uid; /* to become, when started as root; (uid_t)-1: stay */
	gid_t gid;
	bool keep_network; /* helpers that talk to the host's network: no network namespace, no socket filter */
};

/* Bits of what was achieved; the rest could not be had (not root, old kernel) and is logged by the caller. */
#define SANDBOX_NO_NEW_PRIVS 0x001
#define SANDBOX_UID          0x002
#define SANDBOX_CAPS         0x004
#define SANDBOX_EMPTY_ROOT   0x008
#define SANDBOX_MOUNT_NS     0x010
#define SANDBOX_IPC_NS       0x020
#define SANDBOX_NET_NS       0x040
#define SANDBOX_UTS_NS       0x080
#define SANDBOX_LANDLOCK     0x100
#define SANDBOX_SECCOMP      0x200
#define SANDBOX_NO_CORE      0x400

/*
 * Namespaces, empty root, Landlock without any path, uid and gid, no capabilities, no_new_privs, no core dump
 * of guest memory. Single-threaded process. As root every step must succeed; as a user those that need privilege are
 * left out. @ret_done receives the SANDBOX_ bits.
 */
bool sandbox_enter(const struct sandbox_conf *conf, unsigned *ret_done, GError **error);

/*
 * What a filter refuses from now on is logged by name, counted, and fails with EPERM, instead of ending the process: a
 * guest gains nothing by it and an operator sees it. Installs the process's SIGSYS handler; no thread may block that signal.
 * Before the first filter, after log_open(). 0 or -errno.
 */
int sandbox_trap_init(void);

/* System calls refused so far, in the whole process. Any thread. */
uint64_t sandbox_trap_count(void);

/* In a compiled filter this constant stands for the process's own id, which is put in as the filter is loaded. */
#define SANDBOX_SELF 0x464c4553u

/*
 * Loads a filter that the build compiled (tools/seccomp-gen) on the calling thread and on those that it will start.
 * Irrevocable; further filters only take away. @role names the thread in the log (static string). 0 or -errno.
 */
int sandbox_seccomp(const char *role, const struct sock_filter *prog, unsigned short len);

/* "no-new-privs,uid,…" for the log and the API; free with g_free(). */
char *sandbox_describe(unsigned done);

#endif
