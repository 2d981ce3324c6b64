/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * child.h - runs a piece of a test in a process of its own, which it may ruin: filters, namespaces, other users.
 */
#ifndef TESTS_LIB_CHILD_H
#define TESTS_LIB_CHILD_H

#include <glib.h>

struct child {
	int status;   /* exit status, or minus the number of the signal that ended it */
	char *output; /* what it wrote to stderr; the caller frees it */
};

/* Forks; the child calls @fn(@opaque) and exits with what it returns, without atexit handlers. */
struct child run_in_child(int (*fn)(const void *opaque), const void *opaque);

#endif
