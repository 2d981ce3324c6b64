/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * registry.h - all VMs of the host: their definitions in the store, their instances in memory.
 *
 * A definition that cannot be read puts that one VM into quarantine and nothing else. What the API
 * acknowledges is durable. Main thread; the store is written by workers, one job at a time for each
 * VM.
 */
#ifndef VMMD_DAEMON_REGISTRY_H
#define VMMD_DAEMON_REGISTRY_H

#include "vmmd/daemon/instance.h"
#include "vmmd/daemon/store.h"

#define REGISTRY_VMS_MAX 10000

struct registry {
	const struct launch_conf *conf;
	struct store store;
	GTree *instances; /* name → struct instance, in the order of names */
	unsigned adopting;
};

/*
 * Reads all definitions below @state_dir and finds the VMs that run. While r->adopting is not 0,
 * states of running VMs are not known yet. Errors: the folder cannot be used.
 */
bool registry_open(
	struct registry *r, const char *state_dir, const struct launch_conf *conf, GError **error);
void registry_close(struct registry *r);

/* Starts those with autostart; once a boot, whatever number of daemons there are. */
void registry_autostart(struct registry *r);

/* The VM called @name, or NULL with @error set. One that is just being defined is not there yet. */
struct instance *registry_find(struct registry *r, const char *name, GError **error);

/* Calls @fn for each, in the order of names. */
void registry_foreach(
	struct registry *r, void (*fn)(struct instance *i, void *opaque), void *opaque);

/* Both answer @call later, or at once with an error. @spec as a client gave it; it is copied. */
void registry_define(struct registry *r, const struct vm_spec *spec, struct op_call *call);
void registry_delete(struct registry *r, const char *name, struct op_call *call);

#endif
