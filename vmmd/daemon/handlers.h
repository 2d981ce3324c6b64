/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * handlers.h - the operations of scope host (api/operations.def), bound to the registry.
 */
#ifndef VMMD_DAEMON_HANDLERS_H
#define VMMD_DAEMON_HANDLERS_H

#include "api/operations.h"

/* Their process is a struct registry. */
extern const struct host_handlers host_handlers;

/*
 * What runs guest code on this host, and why: "kvm" or "none", and a sentence. Free the sentence
 * with g_free().
 */
const char *host_accel(char **ret_reason);

#endif
