/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/kvm/kvm-internal.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fdpass.h"

int kvm_ioctl(int fd, unsigned long request, const void *arg)
{
	int r = ioctl(fd, request, arg);

	return r < 0 ? -errno : r;
}

bool kvm_is_software(void)
{
	unsigned a, b, c, d;

	/*
	 * CPUID 1 ECX bit 5: VMX (Intel SDM); 8000_0001h ECX bit 2: SVM (AMD APM volume 3, appendix
	 * E).
	 */
	if (__get_cpuid(1, &a, &b, &c, &d) && (c & 1 << 5))
		return false;
	return !(__get_cpuid(0x80000001, &a, &b, &c, &d) && (c & 1 << 2));
}

static int open_device(GError **error)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
		err_set(error, VMMD_ERROR_NOT_FOUND,
			"/dev/kvm is not there: load the module kvm_intel or kvm_amd, and inside a "
			"VM enable "
			"nested virtualization");
		break;
	case EACCES:
	case EPERM:
		err_set(error, VMMD_ERROR_PERMISSION,
			"no permission to open /dev/kvm: run as a member of the group that owns it "
			"(kvm)");
		break;
	case ENODEV:
	case ENXIO:
		err_set(error, VMMD_ERROR_UNSUPPORTED,
			"/dev/kvm has no hypervisor behind it: the processor has no VT-x or AMD-V, "
			"or the "
			"firmware keeps it switched off");
		break;
	default: err_set_errno(error, errno, "cannot open /dev/kvm");
	}
	return -1;
}

static bool check_device(struct kvm *k, GError **error)
{
	int version = ioctl(k->dev_fd, KVM_GET_API_VERSION, 0);

	if (version < 0)
		return err_set_errno(error, errno, "/dev/kvm does not answer as KVM");
	if (version != KVM_API_VERSION)
		return err_set(error, VMMD_ERROR_UNSUPPORTED,
			"KVM has API version %d, %d is needed", version, KVM_API_VERSION);
	return kvm_capabilities_check(k, error) && (!k->conf.smm || kvm_smm_check(k, error));
}

static bool create_vm(struct kvm *k, GError **error)
{
	/* Three pages below the firmware, for processors that run real mode as a task (Intel). */
	const uint64_t identity_map = 0xfeffc000;
	int err;

	do
		k->vm_fd = ioctl(k->dev_fd, KVM_CREATE_VM, 0);
	while (k->vm_fd < 0 && errno == EINTR);
	if (k->vm_fd < 0 && (errno == EOPNOTSUPP || errno == ENODEV || errno == EBUSY))
		return err_set(error, VMMD_ERROR_UNSUPPORTED,
			"KVM cannot create a VM: %s: VT-x or AMD-V is off in the firmware or taken "
			"by another hypervisor",
			err_text(errno));
	if (k->vm_fd < 0)
		return err_set_errno(error, errno, "KVM cannot create a VM");
	k->run_size = ioctl(k->dev_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (k->run_size < 0)
		return err_set_errno(
			error, errno, "KVM does not tell the size of a vCPU's shared page");
	err = kvm_ioctl(k->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map);
	if (!err && ioctl(k->vm_fd, KVM_SET_TSS_ADDR, identity_map + 0x1000) < 0)
		err = -errno;
	if (err < 0)
		return kvm_step_failed(
			&k->accel, error, -err, "KVM refuses the place of its real-mode pages");
	return true;
}

static void kvm_free(struct accel *a)
{
	struct kvm *k = to_kvm(a);

	kvm_vcpus_free(k);
	kvm_irq_done(k);
	fd_close(&k->vm_fd);
	kvm_memory_done(k);
	fd_close(&k->dev_fd);
	pthread_mutex_destroy(&k->lock);
	pthread_cond_destroy(&k->go);
	pthread_cond_destroy(&k->outside);
	g_free(k);
}

static const struct accel_ops kvm_accel_ops = {
	.name = "kvm",
	.irqchip_create = kvm_irqchip_create,
	.vcpus_create = kvm_vcpus_create,
	.run = kvm_run_all,
	.pause = kvm_pause,
	.reset = kvm_reset,
	.save = kvm_save,
	.load = kvm_load,
	.nmi = kvm_nmi,
	.free = kvm_free,
	.memory_commit = kvm_memory_commit,
	.gsi_set = kvm_gsi_set,
	.pit_connect = kvm_pit_connect,
	.msi_send = kvm_msi_send,
	.gsi_alloc = kvm_gsi_alloc,
	.gsi_free = kvm_gsi_free,
	.route_set = kvm_route_set,
	.route_commit = kvm_route_commit,
	.irqfd = kvm_irqfd,
	.ioeventfd = kvm_ioeventfd,
	.dirty_log = kvm_dirty_log,
	.dirty_sync = kvm_dirty_sync,
};

struct accel *kvm_new(const struct kvm_conf *conf, GError **error)
{
	struct kvm *k = g_new0(struct kvm, 1);

	k->ops = kvm_accel_ops;
	if (conf->smm) {
		k->ops.smm_memory_commit = kvm_smm_memory_commit;
		k->ops.smi = kvm_smi;
	}
	k->accel.ops = &k->ops;
	k->conf = *conf;
	k->vm_fd = -1;
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->go, NULL);
	pthread_cond_init(&k->outside, NULL);
	kvm_irq_init(k);
	k->dev_fd = conf->fd >= 0 ? conf->fd : open_device(error);
	if (k->dev_fd < 0 || !check_device(k, error) || !create_vm(k, error)) {
		kvm_free(&k->accel);
		return NULL;
	}
	return &k->accel;
}

void kvm_exit_counts(struct accel *a, unsigned vcpu, uint64_t ret[KVM_EXITS_N])
{
	const struct vcpu *c = &to_kvm(a)->vcpus[vcpu];

	for (unsigned r = 0; r < KVM_EXITS_N; r++)
		ret[r] = __atomic_load_n(&c->exits[r], __ATOMIC_RELAXED);
}
