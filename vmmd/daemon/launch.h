/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * launch.h - from a spec to a running VM process: opens what is privileged, and hands descriptors
 * over.
 *
 *	vmmd-vm --name NAME --spec-fd N --file POINTER=N … --kvm-fd N
 *		--control-listen-fd N --status-fd N --ready-fd N
 *
 * The process is a session of its own, with nothing of the daemon but these descriptors; it lives
 * on when the daemon dies. It writes "running" or "error: …" to the ready pipe when it has started
 * or cannot.
 */
#ifndef VMMD_DAEMON_LAUNCH_H
#define VMMD_DAEMON_LAUNCH_H

#include <sys/types.h>

#include "api/vmspec.h"
#include "base/error.h"

/* The same for all VMs. */
struct launch_conf {
	const char *run; /* run folder */
	const char *vmm; /* path of vmmd-vm */
	bool set_user;   /* run VM processes as: */
	uid_t uid;
	gid_t gid;
	const char *log_level; /* NULL: its default */
	unsigned stop_s;       /* from "stop" to SIGKILL */
};

struct launch {
	const struct launch_conf *conf;
	struct vm_spec *spec; /* owned, complete; files are opened and sockets named in it */

	/* What came of it. */
	GError *error; /* NULL: it has been started */
	pid_t pid;
	int pidfd;
	int ready; /* its end of the pipe, non-blocking */
	int dir;   /* run folder of the VM */
};

/* Takes over @spec. */
struct launch *launch_new(const struct launch_conf *conf, struct vm_spec *spec);
/* Blocks; any thread. */
void launch_run(struct launch *l);
/* Closes what was not taken out. */
void launch_free(struct launch *l);

/*
 * The id of the serial port or console that is the VM's console: the first whose chardev is a
 * socket; NULL: none.
 */
const char *launch_console_id(const struct vm_spec *spec);
/* The socket of the serial port or console called @id; free with g_free(). */
char *launch_console_file(const char *id);

/* Does the daemon take such a spec at all? Its paths are absolute, and nothing needs a terminal. */
bool launch_check(struct vm_spec *spec, GError **error);

#endif
