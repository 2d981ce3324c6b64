/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console.h - the console of a VM on this terminal.
 *
 * The terminal is raw while attached and is put back in every case but SIGKILL. Ctrl-] leaves;
 * standard input that is no terminal is sent as it is, and its end does not leave.
 */
#ifndef API_VMCTL_CONSOLE_H
#define API_VMCTL_CONSOLE_H

#include "api/vmctl/client.h"

enum console_end {
	CONSOLE_LEFT,   /* by Ctrl-] */
	CONSOLE_ENDED,  /* the VM has ended */
	CONSOLE_LOST,   /* the daemon has gone */
	CONSOLE_SIGNAL, /* vmctl was told to end */
};

/* Attaches to @name until one of the above. False with @error set: it cannot be attached. */
bool console_attach(struct client *c, const char *name, enum console_end *ret_end, GError **error);

#endif
