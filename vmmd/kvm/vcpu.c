/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU's thread: park until the VM runs, then KVM_RUN and dispatch until asked to stop.
 *
 * To stop one, the main thread clears `running` and signals the thread. The handler sets
 * immediate_exit in the shared page, so that KVM_RUN returns EINTR whether the signal came before
 * or inside it; an access in flight is completed by that same KVM_RUN. So the loop looks at
 * `running` only after EINTR, and a register access costs no check.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/fence.h"
#include "base/log.h"
#include "base/qs.h"
#include "vmmd/kvm/kvm-internal.h"
#include "vmmd/kvm/trace.gen.h"

#define KICK_SIGNAL SIGUSR1

static __thread struct kvm_run *current_run;

static void kick_handler(int sig)
{
	if (current_run)
		current_run->immediate_exit = 1;
}

static void raise_event(struct vcpu *c, enum accel_event e, const char *detail)
{
	struct accel *a = &c->kvm->accel;

	if (a->event)
		a->event(a->event_opaque, e, c->index, detail);
}

/* ---- system management interrupts ---- */

/* Own thread: pending before the next instruction. */
static void take_smi(struct vcpu *c)
{
	int err = kvm_ioctl(c->fd, KVM_SMI, NULL);

	if (err < 0)
		raise_event(c, ACCEL_INTERNAL_ERROR, "KVM refuses a system management interrupt");
}

int kvm_smi(struct accel *a, bool all)
{
	struct kvm *k = to_kvm(a);

	for (unsigned i = 0; i < k->n_vcpus; i++) {
		struct vcpu *c = &k->vcpus[i];

		if (c->run == current_run) {
			take_smi(c);
		} else if (all) {
			__atomic_store_n(&c->smi, true, __ATOMIC_RELEASE);
			pthread_kill(c->thread, KICK_SIGNAL);
		}
	}
	return 0;
}

/*
 * The bytes of a port access, in the page that KVM shares: eight can be moved whatever the size,
 * the bus and KVM take as many as count.
 */
static void port_access(struct vcpu *c, const struct kvm_run *run, uint8_t *data)
{
	uint64_t v;

	if (run->io.direction == KVM_EXIT_IO_OUT) {
		memcpy(&v, data, sizeof(v));
		bus_write(c->bus, BUS_PIO, run->io.port, run->io.size, v);
	} else {
		v = bus_read(c->bus, BUS_PIO, run->io.port, run->io.size);
		memcpy(data, &v, sizeof(v));
	}
}

/* INS and OUTS: bytes beside the one that is moved are others'. */
static __attribute__((noinline, cold)) void port_string(
	struct vcpu *c, const struct kvm_run *run, uint8_t *data)
{
	unsigned size = run->io.size;

	for (uint32_t i = 0; i < run->io.count; i++, data += size) {
		uint64_t v = 0;

		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&v, data, size);
			bus_write(c->bus, BUS_PIO, run->io.port, size, v);
		} else {
			v = bus_read(c->bus, BUS_PIO, run->io.port, size);
			memcpy(data, &v, size);
		}
	}
}

static void handle_io(struct vcpu *c, struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	counter_add(&c->exits[KVM_EXITS_IO], 1);
	trace_kvm_exit_io(c->index, run->io.port, run->io.size, run->io.count,
		run->io.direction == KVM_EXIT_IO_OUT);
	qs_enter();
	if (likely(run->io.count == 1))
		port_access(c, run, data);
	else
		port_string(c, run, data);
	qs_leave();
}

static void handle_mmio(struct vcpu *c, struct kvm_run *run)
{
	struct bus *bus = c->bus;
	uint8_t *data = run->mmio.data;
	uint64_t v;

	counter_add(&c->exits[KVM_EXITS_MMIO], 1);
	trace_kvm_exit_mmio(c->index, run->mmio.phys_addr, run->mmio.len, run->mmio.is_write);
	qs_enter();
	if (!is_power_of_2(run->mmio.len) || run->mmio.len > 8) {
		/* An instruction of another width (REP MOVS over a page end): bytes. */
		for (unsigned i = 0; i < MIN(run->mmio.len, 8u); i++) {
			if (run->mmio.is_write)
				bus_write(bus, BUS_MMIO, run->mmio.phys_addr + i, 1, data[i]);
			else
				data[i] = (uint8_t)bus_read(
					bus, BUS_MMIO, run->mmio.phys_addr + i, 1);
		}
	} else if (run->mmio.is_write) {
		memcpy(&v, data, sizeof(v));
		bus_write(bus, BUS_MMIO, run->mmio.phys_addr, run->mmio.len, v);
	} else {
		v = bus_read(bus, BUS_MMIO, run->mmio.phys_addr, run->mmio.len);
		memcpy(data, &v, sizeof(v));
	}
	qs_leave();
}

/* Exits that end the run of this vCPU until the machine does something. False: park. */
static bool handle_rare(struct vcpu *c, struct kvm_run *run)
{
	char detail[160];

	counter_add(
		&c->exits[run->exit_reason == KVM_EXIT_HLT ? KVM_EXITS_HLT : KVM_EXITS_OTHER], 1);
	trace_kvm_exit_other(c->index, run->exit_reason);
	switch (run->exit_reason) {
	case KVM_EXIT_HLT:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_SET_TPR: return true;
	case KVM_EXIT_SHUTDOWN: raise_event(c, ACCEL_TRIPLE_FAULT, "triple fault"); return false;
	case KVM_EXIT_INTERNAL_ERROR:
		snprintf(detail, sizeof(detail), "KVM internal error, suberror %u",
			run->internal.suberror);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		snprintf(detail, sizeof(detail),
			"the processor refuses to enter the guest, reason 0x%llx",
			run->fail_entry.hardware_entry_failure_reason);
		break;
	default: snprintf(detail, sizeof(detail), "unexpected KVM exit %u", run->exit_reason);
	}
	raise_event(c, ACCEL_INTERNAL_ERROR, detail);
	return false;
}

/* ---- entering and leaving the guest ---- */

static void wait_while_held(struct vcpu *c)
{
	struct kvm *k = c->kvm;

	pthread_mutex_lock(&k->lock);
	__atomic_store_n(&c->inside, false, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&k->outside);
	while (c->held)
		pthread_cond_wait(&k->go, &k->lock);
	pthread_mutex_unlock(&k->lock);
}

/* Either the holder sees `inside` and kicks, or this sees `held` and waits. */
static void guest_enter(struct vcpu *c)
{
	for (;;) {
		__atomic_store_n(&c->inside, true, __ATOMIC_RELAXED);
		fence_light(c->cheap_fence);
		if (likely(!__atomic_load_n(&c->held, __ATOMIC_ACQUIRE)))
			return;
		wait_while_held(c);
	}
}

static void guest_leave(struct vcpu *c)
{
	__atomic_store_n(&c->inside, false, __ATOMIC_RELEASE);
	fence_light(c->cheap_fence);
	if (unlikely(__atomic_load_n(&c->held, __ATOMIC_ACQUIRE))) {
		pthread_mutex_lock(&c->kvm->lock);
		pthread_cond_broadcast(&c->kvm->outside);
		pthread_mutex_unlock(&c->kvm->lock);
	}
}

static int guest_run(struct vcpu *c)
{
	int r;

	guest_enter(c);
	r = ioctl(c->fd, KVM_RUN, 0) < 0 ? -errno : 0;
	guest_leave(c);
	return r;
}

static void set_held_locked(struct kvm *k, bool held)
{
	for (unsigned i = 0; i < k->n_vcpus; i++)
		__atomic_store_n(&k->vcpus[i].held, held, __ATOMIC_RELEASE);
}

static bool is_inside(const struct vcpu *c)
{
	return __atomic_load_n(&c->inside, __ATOMIC_ACQUIRE);
}

void kvm_vcpus_hold(struct kvm *k)
{
	pthread_mutex_lock(&k->lock);
	set_held_locked(k, true);
	fence_heavy();
	for (unsigned i = 0; i < k->n_vcpus; i++) {
		if (is_inside(&k->vcpus[i]))
			pthread_kill(k->vcpus[i].thread, KICK_SIGNAL);
	}
	for (unsigned i = 0; i < k->n_vcpus; i++) {
		while (is_inside(&k->vcpus[i]))
			pthread_cond_wait(&k->outside, &k->lock);
	}
	pthread_mutex_unlock(&k->lock);
}

void kvm_vcpus_release(struct kvm *k)
{
	pthread_mutex_lock(&k->lock);
	set_held_locked(k, false);
	pthread_cond_broadcast(&k->go);
	pthread_mutex_unlock(&k->lock);
}

/* Runs the guest until the VM is to stop (EINTR and not running) or this vCPU cannot go on. */
static __access_path(0) __attribute__((aligned(4096))) void run_guest(struct vcpu *c)
{
	struct kvm_run *run = c->run;
	char detail[96];
	bool stop;

	for (;;) {
		int r = guest_run(c);

		if (r < 0) {
			if (r == -EAGAIN)
				continue; /* an AP was woken by INIT or SIPI */
			if (r != -EINTR) {
				snprintf(detail, sizeof(detail), "KVM_RUN: %s", err_text(-r));
				raise_event(c, ACCEL_INTERNAL_ERROR, detail);
				return;
			}
			counter_add(&c->exits[KVM_EXITS_INTR], 1);
			run->immediate_exit = 0;
			if (__atomic_exchange_n(&c->smi, false, __ATOMIC_ACQUIRE))
				take_smi(c);
			stop = !__atomic_load_n(&c->kvm->running, __ATOMIC_ACQUIRE);
			trace_kvm_kicked(c->index, stop);
			if (stop)
				return;
			continue;
		}
		if (likely(run->exit_reason == KVM_EXIT_IO))
			handle_io(c, run);
		else if (run->exit_reason == KVM_EXIT_MMIO)
			handle_mmio(c, run);
		else if (!handle_rare(c, run))
			return;
	}
}

/*
 * Waits for the next start of the VM. A vCPU that has given up by itself waits here too: until the
 * VM was paused and started again, not for the start it has already used. False: the thread ends.
 */
static bool park(struct vcpu *c)
{
	struct kvm *k = c->kvm;
	bool go;

	pthread_mutex_lock(&k->lock);
	k->parked++;
	if (!k->running && k->parked == k->n_vcpus && k->paused_fn)
		loop_post(k->conf.loop, &k->paused_call);
	while (!k->quitting && (!k->running || k->starts == c->start))
		pthread_cond_wait(&k->go, &k->lock);
	k->parked--;
	c->start = k->starts;
	go = !k->quitting;
	pthread_mutex_unlock(&k->lock);
	return go;
}

static void *vcpu_thread(void *opaque)
{
	struct vcpu *c = opaque;
	char name[16];
	int err;

	snprintf(name, sizeof(name), "vcpu%u", c->index);
	pthread_setname_np(pthread_self(), name);
	qs_thread_init();
	current_run = c->run;
	err = c->kvm->conf.thread_setup ? c->kvm->conf.thread_setup(c->index) : 0;
	while (park(c)) {
		if (err < 0)
			raise_event(
				c, ACCEL_INTERNAL_ERROR, "the thread could not enter its sandbox");
		else
			run_guest(c);
	}
	current_run = NULL;
	qs_thread_done();
	return NULL;
}

void kvm_run_all(struct accel *a)
{
	struct kvm *k = to_kvm(a);

	pthread_mutex_lock(&k->lock);
	if (!k->running) {
		__atomic_store_n(&k->running, true, __ATOMIC_RELEASE);
		k->starts++;
	}
	pthread_mutex_unlock(&k->lock);
	/* After the unlocking: who wakes up takes the lock at once. */
	pthread_cond_broadcast(&k->go);
}

static void all_parked(struct loop_call *call)
{
	struct kvm *k = container_of(call, struct kvm, paused_call);
	void (*fn)(void *opaque) = k->paused_fn;

	k->paused_fn = NULL;
	if (fn)
		fn(k->paused_opaque);
}

void kvm_pause(struct accel *a, void (*fn)(void *opaque), void *opaque)
{
	struct kvm *k = to_kvm(a);

	pthread_mutex_lock(&k->lock);
	__atomic_store_n(&k->running, false, __ATOMIC_RELEASE);
	k->paused_call.fn = all_parked;
	k->paused_fn = fn;
	k->paused_opaque = opaque;
	if (k->parked == k->n_vcpus)
		loop_post(k->conf.loop, &k->paused_call);
	pthread_mutex_unlock(&k->lock);
	for (unsigned i = 0; i < k->n_vcpus; i++)
		pthread_kill(k->vcpus[i].thread, KICK_SIGNAL);
}

static bool vcpu_open(struct kvm *k, struct vcpu *c, GError **error)
{
	uint32_t id = accel_apic_id(&k->cpus, c->index);

	c->fd = ioctl(k->vm_fd, KVM_CREATE_VCPU, (unsigned long)id);
	if (c->fd < 0)
		return kvm_step_failed(&k->accel, error, errno,
			"KVM cannot create vCPU %u (APIC id %u)", c->index, id);
	c->run = mmap(NULL, (size_t)k->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (c->run == MAP_FAILED) {
		c->run = NULL;
		return err_set_errno(
			error, errno, "cannot map the shared page of vCPU %u", c->index);
	}
	return true;
}

static bool vcpu_start_thread(struct vcpu *c, GError **error)
{
	int err = pthread_create(&c->thread, NULL, vcpu_thread, c);

	if (err)
		return err_set_errno(error, err, "cannot start the thread of vCPU %u", c->index);
	c->started = true;
	return true;
}

bool kvm_vcpus_create(
	struct accel *a, const struct accel_cpus *cpus, struct bus *bus, GError **error)
{
	struct sigaction sa = {.sa_handler = kick_handler};
	struct kvm *k = to_kvm(a);

	k->cpus = *cpus;
	k->vcpus = g_new0(struct vcpu, cpus->count);
	for (unsigned i = 0; i < cpus->count; i++)
		k->vcpus[i] = (struct vcpu){
			.kvm = k, .bus = bus, .index = i, .fd = -1, .cheap_fence = fence_init()};
	k->n_vcpus = cpus->count;
	for (unsigned i = 0; i < k->n_vcpus; i++) {
		if (!vcpu_open(k, &k->vcpus[i], error))
			return false;
	}
	if (!kvm_cpuid_apply(k, error))
		return false;
	if (sigaction(KICK_SIGNAL, &sa, NULL) < 0)
		return err_set_errno(error, errno, "cannot install the handler that stops vCPUs");
	for (unsigned i = 0; i < k->n_vcpus; i++) {
		if (!vcpu_start_thread(&k->vcpus[i], error))
			return false;
	}
	return true;
}

void kvm_vcpus_free(struct kvm *k)
{
	pthread_mutex_lock(&k->lock);
	k->quitting = true;
	__atomic_store_n(&k->running, false, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&k->go);
	pthread_mutex_unlock(&k->lock);
	for (unsigned i = 0; i < k->n_vcpus; i++) {
		struct vcpu *c = &k->vcpus[i];

		if (c->started) {
			pthread_kill(c->thread, KICK_SIGNAL);
			pthread_join(c->thread, NULL);
		}
		if (c->run)
			munmap(c->run, (size_t)k->run_size);
		fd_close(&c->fd);
	}
	g_free(k->vcpus);
	k->vcpus = NULL;
	k->n_vcpus = 0;
}

/*
 * A message with delivery mode NMI to all (Intel SDM volume 3, section 11.11): needs no vCPU to be
 * stopped.
 */
int kvm_nmi(struct accel *a)
{
	const struct accel_msi all = {.addr = 0xfeeff000, .data = 4 << 8};

	return kvm_msi_send(a, &all);
}
