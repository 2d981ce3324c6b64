/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * error.h - error codes of set-up, configuration and API functions.
 *
 * Such functions are `bool f(..., GError **error)`: the message is a sentence that an operator can act
 * on and names the thing that is wrong (a field path, a file, a device id). The code is what a program
 * acts on; api/ maps each to one JSON-RPC code and one HTTP status. The data path uses negative errno.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <glib.h>

#include "base/util.h"

enum vmmd_error {
	VMMD_ERROR_INVALID,     /* the request or spec is malformed or out of range */
	VMMD_ERROR_NOT_FOUND,   /* no such VM, device, file, operation */
	VMMD_ERROR_EXISTS,      /* the name is taken */
	VMMD_ERROR_STATE,       /* not possible in the present state */
	VMMD_ERROR_UNSUPPORTED, /* known, and not offered by this host or build */
	VMMD_ERROR_PERMISSION,  /* the host or the daemon refuses */
	VMMD_ERROR_HOST,        /* a system call or a resource of the host failed */
	VMMD_ERROR_TIMEOUT,     /* a deadline passed */
	VMMD_ERROR_INTERNAL,    /* a bug of ours, reported instead of hidden */
};

#define VMMD_ERROR (vmmd_error_quark())
GQuark vmmd_error_quark(void);

/* Stable name of a code for programs, e.g. "not-found". Static storage. */
const char *vmmd_error_name(enum vmmd_error code);

/*
 * What a positive errno means, in English. Static storage. Unlike strerror() it opens no file of the C library's, which a sandbox
 * would not let it.
 */
const char *err_text(int err);

/*
 * Sets @error (which may be NULL) to @code with the formatted message, and returns false so that a
 * caller can write `return err_set(...)`.
 */
bool err_set(GError **error, enum vmmd_error code, const char *fmt, ...) __printf(3, 4);

/*
 * The same for a failed system call: appends ": " and the text of @err (a positive errno). EACCES and
 * EPERM become VMMD_ERROR_PERMISSION, ENOENT VMMD_ERROR_NOT_FOUND, all else VMMD_ERROR_HOST.
 */
bool err_set_errno(GError **error, int err, const char *fmt, ...) __printf(3, 4);

#endif
