/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ioctl-spy.h - stands between vmmd/kvm and the kernel: counts KVM's requests, can answer some of them itself, and shows
 * the descriptors of the last VM, so that a test sees registers as the kernel has them.
 */
#ifndef TESTS_UNIT_KVM_IOCTL_SPY_H
#define TESTS_UNIT_KVM_IOCTL_SPY_H

#include <linux/kvm.h>
#include <stdbool.h>

#define SPY_VCPUS 16

struct ioctl_spy {
	unsigned count[256]; /* by number of the request, _IOC_NR(); atomic */
	int vm_fd;
	int vcpu_fd[SPY_VCPUS]; /* in order of creation */
	unsigned n_vcpus;

	/* Answers a request instead of the kernel: true when it did, the result is then *@ret (-errno for failure). */
	bool (*answer)(unsigned long request, unsigned long arg, int *ret);
};

extern struct ioctl_spy spy;

/* The kernel itself; -errno. */
int spy_ioctl(int fd, unsigned long request, const void *arg);

static inline unsigned spy_count(unsigned long request)
{
	return __atomic_load_n(&spy.count[_IOC_NR(request)], __ATOMIC_RELAXED);
}

#endif
