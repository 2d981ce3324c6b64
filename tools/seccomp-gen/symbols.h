/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * symbols.h - the names that a policy may use for values: constants of the kernel's headers.
 */
#ifndef TOOLS_SECCOMP_GEN_SYMBOLS_H
#define TOOLS_SECCOMP_GEN_SYMBOLS_H

#include "base/util.h"

/* False when @name is not known. */
bool symbol_value(const char *name, uint64_t *ret_value);

/* Value of an errno by name ("ENOSYS"); false when not known. */
bool symbol_errno(const char *name, unsigned *ret_errno);

#endif
