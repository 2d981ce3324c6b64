/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm-internal.h - what the files of this folder share.
 *
 *	kvm.c	   open, the accel_ops table
 *	capabilities.c what is needed of the kernel
 *	memory.c   memory slots, dirty log
 *	irq.c	   interrupt controllers, routes, irqfd, ioeventfd
 *	cpuid.c	   what the guest sees of the processor
 *	vcpu.c	   vCPU threads: run, pause
 *	cpu-state.c state of vCPUs and interrupt controllers: tables, reset, save, load
 */
#ifndef VMMD_KVM_KVM_INTERNAL_H
#define VMMD_KVM_KVM_INTERNAL_H

#include <linux/kvm.h>
#include <pthread.h>

#include "base/error.h"
#include "base/loop.h"
#include "devmodel/bus/bus.h"
#include "vmmd/kvm/kvm.h"

#define KVM_MAX_SLOTS  64
#define KVM_MAX_ROUTES 1024 /* GSIs in all: pins and MSI */

struct kvm;

/* All that its thread needs between two runs of the guest, so that it touches little else. */
struct vcpu {
	struct kvm *kvm;
	struct bus *bus;
	unsigned index;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
	uint64_t start;              /* kvm lock: which start of the VM it has used */
	bool smi;                    /* atomic: one is to be made pending by its own thread */
	bool inside;                 /* atomic: in KVM_RUN, or about to be; own thread writes */
	bool held;                   /* atomic: may not enter the guest; kvm lock for writing */
	bool cheap_fence;            /* fence_init() */
	uint64_t exits[KVM_EXITS_N]; /* own thread writes, anyone reads */
};

struct kvm_slot {
	bool used;
	struct accel_slot slot;
};

/* What KVM calls address spaces: the second is what vCPUs in system management mode see. */
enum { KVM_VIEW_NORMAL, KVM_VIEW_SMM, KVM_VIEWS };

struct kvm_view {
	struct kvm_slot slots[KVM_MAX_SLOTS];
};

struct kvm {
	struct accel accel;
	struct accel_ops ops; /* [c] those of this VM: with or without system management mode */
	struct kvm_conf conf; /* [c] */
	int dev_fd, vm_fd;    /* [c] */

	/* memory.c: serialised by the bus */
	struct kvm_view views[KVM_VIEWS];
	bool dirty_log;

	/* irq.c */
	pthread_mutex_t route_lock;
	struct kvm_irq_routing_entry *routes; /* of GSI n at [n]; used when used[n] */
	bool *route_used;
	unsigned n_routes;
	bool routes_changed;

	/* vcpu.c */
	struct accel_cpus cpus;
	struct vcpu *vcpus;
	unsigned n_vcpus;
	int run_size;
	pthread_mutex_t lock;
	pthread_cond_t go;      /* running, quitting or a vCPU's held has changed */
	pthread_cond_t outside; /* a held vCPU has left the guest */
	bool running, quitting; /* lock */
	uint64_t starts;        /* lock: how often the VM was started */
	unsigned parked;        /* lock: vCPU threads waiting for the next start */
	struct loop_call paused_call;
	void (*paused_fn)(void *opaque);
	void *paused_opaque;
};

#define to_kvm(a) container_of((a), struct kvm, accel)

/* ioctl that returns -errno. */
int kvm_ioctl(int fd, unsigned long request, const void *arg);

/* False and an error that names what is missing, of what nothing else would miss in time. */
bool kvm_capabilities_check(const struct kvm *k, GError **error);
bool kvm_smm_check(const struct kvm *k, GError **error);
int kvm_memory_commit(struct accel *a, const struct accel_slot *slots, size_t n);
int kvm_smm_memory_commit(struct accel *a, const struct accel_slot *slots, size_t n);
/* Gives back what slots refer to; the VM is gone. */
void kvm_memory_done(struct kvm *k);
int kvm_dirty_log(struct accel *a, bool on);
int kvm_dirty_sync(struct accel *a);

void kvm_irq_init(struct kvm *k);
void kvm_irq_done(struct kvm *k);
int kvm_pit_connect(struct accel *a, bool connected);
bool kvm_irqchip_create(struct accel *a, GError **error);
int kvm_gsi_set(struct accel *a, unsigned gsi, bool level);
int kvm_msi_send(struct accel *a, const struct accel_msi *msi);
int kvm_gsi_alloc(struct accel *a);
void kvm_gsi_free(struct accel *a, unsigned gsi);
void kvm_route_set(struct accel *a, unsigned gsi, const struct accel_msi *msi);
int kvm_route_commit(struct accel *a);
int kvm_irqfd(struct accel *a, unsigned gsi, int fd, int resample, bool assign);
int kvm_ioeventfd(struct accel *a, const struct accel_ioeventfd *e, bool assign);

/* Sets CPUID of every vCPU of @k. */
bool kvm_cpuid_apply(struct kvm *k, GError **error);

bool kvm_vcpus_create(
	struct accel *a, const struct accel_cpus *cpus, struct bus *bus, GError **error);
void kvm_run_all(struct accel *a);
void kvm_pause(struct accel *a, void (*fn)(void *opaque), void *opaque);
void kvm_vcpus_free(struct kvm *k);
/*
 * Keeps every vCPU outside the guest for a moment, for changes that none may see half done; hold
 * waits until they are. Main thread or a vCPU thread, one holder at a time.
 */
void kvm_vcpus_hold(struct kvm *k);
void kvm_vcpus_release(struct kvm *k);

extern const struct state_desc kvm_vcpu_state, kvm_irqchip_state;

int kvm_reset(struct accel *a, const struct accel_cpu_start *start);
int kvm_save(struct accel *a, GByteArray *out);
bool kvm_load(struct accel *a, const uint8_t *buf, size_t len, GError **error);
int kvm_nmi(struct accel *a);
int kvm_smi(struct accel *a, bool all);

#endif
