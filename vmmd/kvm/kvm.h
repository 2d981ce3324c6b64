/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm.h - the KVM accelerator: /dev/kvm, one VM, its vCPU threads.
 *
 * Everything after kvm_new() goes through struct accel (base/accel.h). One thread per vCPU: KVM_RUN, dispatch on the
 * bus inside a qs section, again. A vCPU is stopped by a signal with immediate_exit set.
 */
#ifndef VMMD_KVM_KVM_H
#define VMMD_KVM_KVM_H

#include "base/accel.h"

struct loop;

struct kvm_conf {
	int fd;            /* of /dev/kvm, passed; -1: open it */
	struct loop *loop; /* main loop: where pause() answers */
	bool pit, irqchip; /* normally both */
	bool smm;          /* system management mode: accel->ops->smi and smm_memory_commit */
	/* Called first on each vCPU thread: name, seccomp filter. 0 or -errno. */
	int (*thread_setup)(unsigned vcpu);
};

/*
 * Opens KVM and creates a VM. Errors, each its own sentence: no /dev/kvm (module not loaded), no permission (who may), a
 * /dev/kvm without VT-x or AMD-V behind it is used and reported by kvm_is_software(), a missing capability by its name.
 */
struct accel *kvm_new(const struct kvm_conf *conf, GError **error);

/*
 * Sets @error for a step of the set-up of @a, from kvm_new(), that failed with @err, a positive errno: names the capabilities that
 * are missing (VMMD_ERROR_UNSUPPORTED), else says what failed as err_set_errno() does. Returns false. Main thread, before its
 * system call filter.
 */
bool kvm_step_failed(struct accel *a, GError **error, int err, const char *fmt, ...) __printf(4, 5);

/* True when no processor here has VT-x or AMD-V: CPL 0 code then runs about a thousand times slower than CPL 3. */
bool kvm_is_software(void);

/* Exits of vCPU @vcpu to user space since start, by reason, for statistics. Any thread. */
enum kvm_exit {
	KVM_EXITS_IO,
	KVM_EXITS_MMIO,
	KVM_EXITS_INTR,
	KVM_EXITS_HLT,
	KVM_EXITS_OTHER,
	KVM_EXITS_N
};
void kvm_exit_counts(struct accel *a, unsigned vcpu, uint64_t ret[KVM_EXITS_N]);

#endif
