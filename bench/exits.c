/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A library to preload into a VMM: how long its vCPU threads take from KVM_RUN's return to the next
 * KVM_RUN, and for which exits. It sees the calls because VMMs make them through libc's ioctl().
 *
 * Samples go to the file named by $BENCH_EXITS, mapped shared before main(), so that no system call is
 * added, a sandbox does not matter, and the samples outlive the process however it ends. The layout,
 * little endian: struct log, then log.capacity times struct sample; bench/lib/exits.py reads it.
 */
#undef _FILE_OFFSET_BITS /* with it mmap is but another name of mmap64 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#define LOG_VARIABLE "BENCH_EXITS"
#define CAPACITY     (1u << 19)
#define MAX_VCPUS    64

enum kind {
	KIND_OTHER,
	KIND_PORT_IN,
	KIND_PORT_OUT,
	KIND_MMIO_READ,
	KIND_MMIO_WRITE,
	KIND_INTERRUPTED, /* by a signal, or by immediate_exit */
};

struct sample {
	uint64_t addr;   /* port or guest physical address; exit reason for KIND_OTHER */
	uint32_t cycles; /* until the next KVM_RUN */
	uint32_t kind;
};

struct log {
	uint32_t capacity;
	_Atomic uint32_t n; /* samples wanted; those beyond capacity are counted only */
	struct sample samples[];
};

static struct vcpu {
	int fd;
	struct kvm_run *run;
} vcpus[MAX_VCPUS];
static _Atomic unsigned int n_vcpus;

static struct log *log_file;

static __thread struct {
	struct vcpu *vcpu;
	uint64_t returned; /* TSC; 0: nothing to measure from */
	uint64_t addr;
	enum kind kind;
} self;

int ioctl(int fd, unsigned long request, ...);

__attribute__((constructor)) static void open_log(void)
{
	size_t size = sizeof(struct log) + CAPACITY * sizeof(struct sample);
	const char *path = getenv(LOG_VARIABLE);
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	struct log *l = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, (off_t)size))
		l = (void *)syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, fd, 0);
	if (l == MAP_FAILED) {
		fprintf(stderr, "exits: $" LOG_VARIABLE ": no log: %m\n");
		_exit(1);
	}
	close(fd);
	l->capacity = CAPACITY;
	log_file = l;
}

static struct vcpu *find_vcpu(int fd)
{
	for (unsigned int i = 0; i < n_vcpus && i < MAX_VCPUS; i++) {
		if (vcpus[i].fd == fd)
			return &vcpus[i];
	}
	return NULL;
}

static void note_vcpu(int fd)
{
	unsigned int i = n_vcpus;

	if (fd < 0 || i == MAX_VCPUS)
		return;
	vcpus[i].fd = fd;
	n_vcpus = i + 1;
}

static void note_exit(const struct kvm_run *run)
{
	self.addr = run->exit_reason;
	self.kind = KIND_OTHER;
	if (run->exit_reason == KVM_EXIT_IO) {
		self.addr = run->io.port;
		self.kind = run->io.direction == KVM_EXIT_IO_OUT ? KIND_PORT_OUT : KIND_PORT_IN;
	} else if (run->exit_reason == KVM_EXIT_MMIO) {
		self.addr = run->mmio.phys_addr;
		self.kind = run->mmio.is_write ? KIND_MMIO_WRITE : KIND_MMIO_READ;
	}
}

static void write_sample(uint64_t cycles)
{
	uint32_t i = atomic_fetch_add_explicit(&log_file->n, 1, memory_order_relaxed);

	if (i >= CAPACITY)
		return;
	log_file->samples[i] = (struct sample){
		.addr = self.addr,
		.cycles = cycles > UINT32_MAX ? UINT32_MAX : (uint32_t)cycles,
		.kind = self.kind,
	};
}

static int run_vcpu(int fd, long arg)
{
	uint64_t called = __rdtsc();
	int r;

	if (self.returned)
		write_sample(called - self.returned);
	if (!self.vcpu || self.vcpu->fd != fd)
		self.vcpu = find_vcpu(fd);
	r = (int)syscall(SYS_ioctl, fd, KVM_RUN, arg);
	if (r < 0)
		self.kind = KIND_INTERRUPTED;
	else if (self.vcpu && self.vcpu->run)
		note_exit(self.vcpu->run);
	self.returned = __rdtsc();
	return r;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	long arg;
	int r;

	va_start(ap, request);
	arg = va_arg(ap, long);
	va_end(ap);
	if (request == KVM_RUN && log_file)
		return run_vcpu(fd, arg);
	r = (int)syscall(SYS_ioctl, fd, request, arg);
	if (request == KVM_CREATE_VCPU)
		note_vcpu(r);
	return r;
}

/* The vCPU's run structure is what gets mapped from offset 0 of its descriptor. */
void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	void *p = (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
	struct vcpu *v = fd >= 0 && !(flags & MAP_ANONYMOUS) ? find_vcpu(fd) : NULL;

	if (v && p != MAP_FAILED && !offset)
		v->run = p;
	return p;
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
	__attribute__((alias("mmap64")));
