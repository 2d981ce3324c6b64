/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seccomp.h - the system calls that each thread of the engine keeps. The policies are in seccomp/, as text.
 *
 *	main	starts the others, so its filter contains theirs; best entered after the vCPUs have started, which then
 *		pass through one filter only
 *	io	block, net and console back-ends
 *	vcpu	KVM_RUN and register handlers: least of all, closest to the guest
 */
#ifndef VMMD_VM_SECCOMP_H
#define VMMD_VM_SECCOMP_H

#include "base/util.h"

enum vm_role { VM_ROLE_MAIN, VM_ROLE_IO, VM_ROLE_VCPU, VM_ROLES };

/*
 * Before the first thread starts: refused calls are logged (sandbox_trap_init()), and malloc keeps to one arena, because as
 * others shrink it opens a file in /proc. 0 or -errno.
 */
int vm_seccomp_init(void);

/*
 * Loads the filter of @role on the calling thread. Irrevocable; inherited by threads started from here on. 0 or -errno (-ENOSYS: a kernel without seccomp).
 */
int vm_seccomp_enter(enum vm_role role);

#endif
