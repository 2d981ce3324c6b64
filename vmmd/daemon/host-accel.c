/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "vmmd/daemon/handlers.h"

/* What an operator can do about a /dev/kvm that does not open. */
static const struct {
	int err;
	const char *text;
} faults[] = {
	{ENOENT, "/dev/kvm is not there: load the module kvm_intel or kvm_amd, and inside a VM "
		 "enable nested virtualization"},
	{EACCES, "no permission to open /dev/kvm: run as a member of the group "
		 "that owns it (kvm)"},
	{EPERM, "no permission to open /dev/kvm: the device is not among those that this service "
		"or container may use"},
	{ENODEV, "/dev/kvm has no hypervisor behind it: the processor has no VT-x or AMD-V, or the "
		 "firmware keeps it switched off"},
	{ENXIO, "/dev/kvm has no hypervisor behind it: no module serves it"},
};

static char *open_fault(int err)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		if (faults[i].err == err)
			return g_strdup(faults[i].text);
	}
	return g_strdup_printf("/dev/kvm cannot be opened: %s", err_text(err));
}

/* CPUID 1 ECX bit 5: VMX (Intel SDM); 8000_0001h ECX bit 2: SVM (AMD APM volume 3, appendix E). */
static const char *virtualization(void)
{
	unsigned a, b, c, d;

	if (__get_cpuid(1, &a, &b, &c, &d) && (c & 1 << 5))
		return "VT-x";
	return __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & 1 << 2) ? "AMD-V" : NULL;
}

static char *kvm_quality(void)
{
	const char *hardware = virtualization();

	if (hardware)
		return g_strdup_printf("/dev/kvm works, and the processor has %s", hardware);
	return g_strdup(
		"/dev/kvm works, but the processor shows neither VT-x nor AMD-V: privileged code "
		"of guests is interpreted, and an operating system starts very slowly; inside a VM "
		"enable nested virtualization");
}

const char *host_accel(char **ret_reason)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), version;

	if (fd < 0) {
		*ret_reason = open_fault(errno);
		return "none";
	}
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	fd_close(&fd);
	if (version == KVM_API_VERSION) {
		*ret_reason = kvm_quality();
		return "kvm";
	}
	*ret_reason = version < 0 ? g_strdup("/dev/kvm does not answer as KVM")
				  : g_strdup_printf("KVM has API version %d, %d is needed", version,
					    KVM_API_VERSION);
	return "none";
}
