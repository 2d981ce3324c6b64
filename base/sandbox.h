/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox.h - how a process gives up what it does not need.
 *
 * Order: open everything, sandbox_enter() while still single threaded, start threads, sandbox_seccomp() on each. After that
 * the process opens no path, makes no socket, gains no privilege. What each step did is reported, so that
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
 * Loads a filter that the build compiled (tools/seccomp-gen) on the calling thread. Irrevocable. 0 or -errno.
 */
int sandbox_seccomp(const struct sock_filter *prog, unsigned short len);

/* "no-new-privs,uid,…" for the log and the API; free with g_free(). */
char *sandbox_describe(unsigned done);

#endif
