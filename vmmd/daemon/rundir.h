/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rundir.h - what a running VM leaves in the run folder, where a new daemon finds it again.
 *
 *	RUN/vms/NAME/control.sock	bound by the daemon, listened on by the VM process:
 *					the VM is alive as long as it takes connections
 *	RUN/vms/NAME/ID.console		the same for each serial port or console with a socket
 *	RUN/vms/NAME/spec.json		what it was started with
 *	RUN/vms/NAME/status.json	empty, then how it ended (api/operations.h, struct op_exit)
 *	RUN/vms/NAME/log, log.1		what it wrote to its standard error
 *
 * Paths may be longer than a socket address takes, so sockets are reached through the folder's
 * descriptor.
 */
#ifndef VMMD_DAEMON_RUNDIR_H
#define VMMD_DAEMON_RUNDIR_H

#include <glib.h>

#include "api/operations.h"
#include "base/error.h"

#define RUNDIR_CONTROL "control.sock"
#define RUNDIR_SPEC    "spec.json"
#define RUNDIR_STATUS  "status.json"
#define RUNDIR_LOG     "log"

/* Opens the folder of VM @name below @run; @make: makes it. Its descriptor, or -1. */
int rundir_open(const char *run, const char *name, bool make, GError **error);

/* Removes it with everything in it. */
void rundir_remove(const char *run, const char *name);

/* A socket bound to @file in the folder @dir, in place of what was there. -1 with @error set. */
int rundir_bind(int dir, const char *file, GError **error);

/*
 * A socket connected to @file, non-blocking; or -errno: -ECONNREFUSED or -ENOENT when nobody
 * listens, -EAGAIN when who does is behind.
 */
int rundir_connect(int dir, const char *file);

/*
 * Writes @text as @file, in place of what was there. Not durable: the folder does not survive a
 * boot either.
 */
bool rundir_write(int dir, const char *file, const char *text, size_t len, GError **error);

/*
 * The content of @file, at most @max bytes of its end; NULL if there is none. Free with g_free().
 */
char *rundir_read_tail(int dir, const char *file, size_t max, size_t *ret_len);

/* How the process of @dir ended, a structure of op_exit_table; NULL: it did not say. */
struct op_exit *rundir_read_status(int dir);

/* Opens the log for appending, with what was there before moved aside. -1 with @error set. */
int rundir_open_log(int dir, GError **error);

/* Keeps the log within its bound: a longer one is moved aside by its end and begins anew. */
void rundir_trim_log(int dir);

/* Its last line, for an operator; NULL: none. Free with g_free(). */
char *rundir_last_words(int dir);

#endif
