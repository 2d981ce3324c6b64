/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/kvm/ioctl-spy.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ioctl_spy spy;

static void note(unsigned long request, int result)
{
	__atomic_fetch_add(&spy.count[_IOC_NR(request)], 1, __ATOMIC_RELAXED);
	if (request == KVM_CREATE_VM) {
		spy.vm_fd = result;
		spy.n_vcpus = 0;
	} else if (request == KVM_CREATE_VCPU && spy.n_vcpus < SPY_VCPUS) {
		spy.vcpu_fd[spy.n_vcpus++] = result;
	}
}

/* In the program itself, so it comes before the C library's. */
int ioctl(int fd, unsigned long request, ...)
{
	unsigned long arg;
	va_list ap;
	int ret;

	va_start(ap, request);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	if (spy.answer && spy.answer(request, arg, &ret)) {
		errno = ret < 0 ? -ret : errno;
		return ret < 0 ? -1 : ret;
	}
	ret = (int)syscall(SYS_ioctl, fd, request, arg);
	if (_IOC_TYPE(request) == KVMIO)
		note(request, ret);
	return ret;
}

int spy_ioctl(int fd, unsigned long request, const void *arg)
{
	long r = syscall(SYS_ioctl, fd, request, arg);

	return r < 0 ? -errno : (int)r;
}
