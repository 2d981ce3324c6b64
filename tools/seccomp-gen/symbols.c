/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/seccomp-gen/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* clang-format off */
#define SYMBOL(x) {#x, (uint64_t)(x)}
/* clang-format on */

static const struct symbol {
	const char *name;
	uint64_t value;
} symbols[] = {
	/* KVM: system */
	SYMBOL(KVM_CHECK_EXTENSION),
	SYMBOL(KVM_GET_SUPPORTED_CPUID),
	/* KVM: VM */
	SYMBOL(KVM_CREATE_IRQCHIP),
	SYMBOL(KVM_CREATE_PIT2),
	SYMBOL(KVM_CREATE_VCPU),
	SYMBOL(KVM_GET_CLOCK),
	SYMBOL(KVM_GET_DIRTY_LOG),
	SYMBOL(KVM_GET_IRQCHIP),
	SYMBOL(KVM_GET_PIT2),
	SYMBOL(KVM_IOEVENTFD),
	SYMBOL(KVM_IRQFD),
	SYMBOL(KVM_IRQ_LINE),
	SYMBOL(KVM_SET_CLOCK),
	SYMBOL(KVM_SET_GSI_ROUTING),
	SYMBOL(KVM_SET_IRQCHIP),
	SYMBOL(KVM_SET_PIT2),
	SYMBOL(KVM_SET_USER_MEMORY_REGION),
	SYMBOL(KVM_SIGNAL_MSI),
	SYMBOL(KVM_SMI),
	/* KVM: vCPU */
	SYMBOL(KVM_GET_DEBUGREGS),
	SYMBOL(KVM_GET_LAPIC),
	SYMBOL(KVM_GET_MP_STATE),
	SYMBOL(KVM_GET_MSRS),
	SYMBOL(KVM_GET_REGS),
	SYMBOL(KVM_GET_SREGS),
	SYMBOL(KVM_GET_VCPU_EVENTS),
	SYMBOL(KVM_GET_XCRS),
	SYMBOL(KVM_GET_XSAVE),
	SYMBOL(KVM_KVMCLOCK_CTRL),
	SYMBOL(KVM_NMI),
	SYMBOL(KVM_RUN),
	SYMBOL(KVM_SET_CPUID2),
	SYMBOL(KVM_SET_DEBUGREGS),
	SYMBOL(KVM_SET_LAPIC),
	SYMBOL(KVM_SET_MP_STATE),
	SYMBOL(KVM_SET_MSRS),
	SYMBOL(KVM_SET_REGS),
	SYMBOL(KVM_SET_SREGS),
	SYMBOL(KVM_SET_VCPU_EVENTS),
	SYMBOL(KVM_SET_XCRS),
	SYMBOL(KVM_SET_XSAVE),
	/* processors */
	SYMBOL(MEMBARRIER_CMD_PRIVATE_EXPEDITED),
	/* block devices, terminals, taps */
	SYMBOL(BLKDISCARD),
	SYMBOL(BLKGETSIZE64),
	SYMBOL(BLKZEROOUT),
	SYMBOL(FIONBIO),
	SYMBOL(TCGETS),
	SYMBOL(TCSETS),
	SYMBOL(TCSETSW),
	SYMBOL(TIOCGWINSZ),
	SYMBOL(TUNSETOFFLOAD),
	SYMBOL(TUNSETQUEUE),
	SYMBOL(TUNSETVNETHDRSZ),
	/* memory */
	SYMBOL(MAP_ANONYMOUS),
	SYMBOL(PROT_EXEC),
	/* files, sockets */
	SYMBOL(AF_UNIX),
	SYMBOL(AT_EMPTY_PATH),
	SYMBOL(F_ADD_SEALS),
	SYMBOL(F_GET_SEALS),
	SYMBOL(F_DUPFD_CLOEXEC),
	SYMBOL(F_GETFD),
	SYMBOL(F_GETFL),
	SYMBOL(F_SETFD),
	SYMBOL(F_SETFL),
	SYMBOL(SOL_SOCKET),
	/* processes, threads */
	SYMBOL(CLONE_THREAD),
	SYMBOL(PR_SET_NAME),
	SYMBOL(SECCOMP_SET_MODE_FILTER),
};

static const struct symbol errnos[] = {
	SYMBOL(EACCES),
	SYMBOL(ENOSYS),
	SYMBOL(EPERM),
};

static bool find(const struct symbol *table, size_t n, const char *name, uint64_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(table[i].name, name) == 0) {
			*ret = table[i].value;
			return true;
		}
	}
	return false;
}

bool symbol_value(const char *name, uint64_t *ret_value)
{
	return find(symbols, ARRAY_SIZE(symbols), name, ret_value);
}

bool symbol_errno(const char *name, unsigned *ret_errno)
{
	uint64_t v;

	if (!find(errnos, ARRAY_SIZE(errnos), name, &v))
		return false;
	*ret_errno = (unsigned)v;
	return true;
}
