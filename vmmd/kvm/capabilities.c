/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What we need of KVM beyond its version 12, and who needs it (Linux,
 * Documentation/virt/kvm/api.rst).
 *
 * A question is a system call of every start. So what would be missed only later, by a running
 * guest or without a word, is asked for at once; the rest when a step of the set-up has failed, to
 * say why.
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "vmmd/kvm/kvm-internal.h"

struct capability {
	unsigned long number;
	const char *name;
	const char *need;
	bool at_once;
};

#define NEEDED(n, text)                                                      \
	{                                                                    \
		.number = KVM_CAP_##n, .name = "KVM_CAP_" #n, .need = (text) \
	}
#define AT_ONCE(n, text)                                                                      \
	{                                                                                     \
		.number = KVM_CAP_##n, .name = "KVM_CAP_" #n, .need = (text), .at_once = true \
	}

/* The youngest, of Linux 4.11, first: a kernel without it may lack others too. */
static const struct capability capabilities[] = {
	AT_ONCE(IMMEDIATE_EXIT, "to stop a vCPU"),
	AT_ONCE(IRQFD, "for interrupts of virtio devices"),
	NEEDED(IOEVENTFD_ANY_LENGTH, "for doorbells of virtio devices"),
	NEEDED(READONLY_MEM, "for firmware in ROM"),
	NEEDED(USER_MEMORY, "for guest memory"),
	NEEDED(SET_TSS_ADDR, "for real mode on Intel processors"),
	NEEDED(SET_IDENTITY_MAP_ADDR, "for real mode on Intel processors"),
	NEEDED(IRQCHIP, "for the interrupt controllers"),
	NEEDED(PIT2, "for the interval timer"),
	NEEDED(IRQ_ROUTING, "for interrupts of devices"),
	NEEDED(SIGNAL_MSI, "for message-signalled interrupts"),
	NEEDED(EXT_CPUID, "for the processor that the guest sees"),
	NEEDED(MP_STATE, "for several vCPUs"),
	NEEDED(VCPU_EVENTS, "for the state of a vCPU"),
	NEEDED(DEBUGREGS, "for the state of a vCPU"),
	NEEDED(XSAVE, "for the state of a vCPU"),
	NEEDED(PIT_STATE2, "for the state of the interval timer"),
	NEEDED(ADJUST_CLOCK, "for the state of the guest's clock"),
};

static bool has(const struct kvm *k, const struct capability *c)
{
	return ioctl(k->dev_fd, KVM_CHECK_EXTENSION, c->number) > 0;
}

/* "KVM_CAP_X (what for), KVM_CAP_Y (what for)", or NULL when nothing is missing. */
static char *list_missing(const struct kvm *k)
{
	g_autoptr(GString) list = g_string_new(NULL);

	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
		const struct capability *c = &capabilities[i];

		if (!has(k, c))
			g_string_append_printf(
				list, "%s%s (%s)", list->len ? ", " : "", c->name, c->need);
	}
	return list->len ? g_string_free(g_steal_pointer(&list), FALSE) : NULL;
}

static bool set_missing(GError **error, const char *missing)
{
	return err_set(error, VMMD_ERROR_UNSUPPORTED,
		"this kernel's KVM lacks %s: Linux 4.11 with all of KVM is needed", missing);
}

bool kvm_capabilities_check(const struct kvm *k, GError **error)
{
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
		const struct capability *c = &capabilities[i];
		g_autofree char *missing = NULL;

		if (!c->at_once || has(k, c))
			continue;
		missing = list_missing(k);
		return set_missing(error, missing ? missing : c->name);
	}
	return true;
}

bool kvm_smm_check(const struct kvm *k, GError **error)
{
	if (ioctl(k->dev_fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM) > 0 &&
		ioctl(k->dev_fd, KVM_CHECK_EXTENSION, KVM_CAP_MULTI_ADDRESS_SPACE) > 1)
		return true;
	return err_set(error, VMMD_ERROR_UNSUPPORTED,
		"this kernel's KVM lacks system management mode (KVM_CAP_X86_SMM, "
		"KVM_CAP_MULTI_ADDRESS_SPACE), which the VM's firmware needs");
}

bool kvm_step_failed(struct accel *a, GError **error, int err, const char *fmt, ...)
{
	g_autofree char *missing = list_missing(to_kvm(a)), *what = NULL;
	va_list ap;

	if (missing)
		return set_missing(error, missing);
	va_start(ap, fmt);
	what = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	return err_set_errno(error, err, "%s", what);
}
