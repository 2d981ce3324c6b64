/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * helper.h - starting a helper program of ours: a process of its own for what the engine is not to link.
 *
 * The helper gets standard input, output and error, a pipe at HELPER_REPORT_FD, the descriptors meant for it from
 * HELPER_FIRST_FD on, and no blocked signal; nothing else of ours. It opens what it needs, gives up what it does not,
 * and writes one line to the pipe: "ok", or why not.
 */
#ifndef BASE_HELPER_H
#define BASE_HELPER_H

#include <glib.h>
#include <sys/types.h>

#include "base/util.h"

#define HELPER_REPORT_FD 3
#define HELPER_FIRST_FD  4
#define HELPER_FDS_MAX   4

/*
 * Starts @argv[0] (a path), with @fds (borrowed) as HELPER_FIRST_FD and so on, and waits for its report, 10 s at most. Before
 * the sandbox. Errors: no such program, or what it reported; it is then gone. It is not waited for later: it ends with
 * its socket, or with us (helper_ready()).
 */
bool helper_start(char *const argv[], const int *fds, unsigned n_fds, GError **error);

/*
 * In the helper, after its own change of user: it dies with the process that started it, and then reports that it is ready. Closes
 * the pipe.
 */
bool helper_ready(GError **error);
/* In the helper: reports why it cannot start. */
void helper_failed(const char *why);

#endif
