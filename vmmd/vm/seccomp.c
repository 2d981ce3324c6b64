/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/vm/seccomp.h"

#include <errno.h>
#include <malloc.h>

#include "base/sandbox.h"
#include "vmmd/vm/seccomp/io.gen.h"
#include "vmmd/vm/seccomp/main.gen.h"
#include "vmmd/vm/seccomp/vcpu.gen.h"

static const struct {
	const char *name;
	const struct sock_filter *prog;
	unsigned short len;
} filters[VM_ROLES] = {
	[VM_ROLE_MAIN] = {"main", main_filter, ARRAY_SIZE(main_filter)},
	[VM_ROLE_IO] = {"io", io_filter, ARRAY_SIZE(io_filter)},
	[VM_ROLE_VCPU] = {"vcpu", vcpu_filter, ARRAY_SIZE(vcpu_filter)},
};

int vm_seccomp_init(void)
{
	if (!mallopt(M_ARENA_MAX, 1))
		return -EINVAL;
	return sandbox_trap_init();
}

int vm_seccomp_enter(enum vm_role role)
{
	return sandbox_seccomp(filters[role].name, filters[role].prog, filters[role].len);
}
