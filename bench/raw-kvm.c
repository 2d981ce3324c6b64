/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raw-kvm FIRMWARE: the least program that starts the bench guest, as the floor under every VMM's
 * start-up time. 128 MiB, in-kernel interrupt controllers, the debug console at port 0x402 on standard
 * output, isa-debug-exit at port 0xf4; no device, no sandbox, no second thread.
 *
 * Memory slots are set before the interrupt controllers are made: the other way round each slot waits
 * for a grace period.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM_SIZE      (128ul << 20)
#define FIRMWARE_SIZE 0x10000ul
#define FIRMWARE_LOW  0xf0000ul
#define FIRMWARE_HIGH 0xffff0000ul
#define TSS_ADDRESS   0xfffbd000ul /* where firmware is not, as Intel processors want it */
#define MAX_CPUID     256

#define PORT_CONSOLE 0x402
#define PORT_EXIT    0xf4

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int kvm_ioctl(int fd, unsigned long request, void *arg, const char *what)
{
	int r = ioctl(fd, request, arg);

	if (r < 0)
		die(what);
	return r;
}

static void *allocate(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static uint8_t *load_firmware(const char *path)
{
	uint8_t *firmware = allocate(FIRMWARE_SIZE);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, firmware, FIRMWARE_SIZE) != (ssize_t)FIRMWARE_SIZE)
		die(path);
	close(fd);
	return firmware;
}

static void set_memory(int vm, uint8_t *ram, uint8_t *firmware)
{
	const struct kvm_userspace_memory_region regions[] = {
		{0, 0, 0, FIRMWARE_LOW, (uintptr_t)ram},
		{1, KVM_MEM_READONLY, FIRMWARE_LOW, FIRMWARE_SIZE, (uintptr_t)firmware},
		{2, 0, 0x100000, RAM_SIZE - 0x100000, (uintptr_t)ram + 0x100000},
		{3, KVM_MEM_READONLY, FIRMWARE_HIGH, FIRMWARE_SIZE, (uintptr_t)firmware},
	};

	for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++)
		kvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, (void *)&regions[i], "memory region");
}

static void set_cpuid(int kvm, int vcpu)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + MAX_CPUID * sizeof(c->entries[0]));

	if (!c)
		die("calloc");
	c->nent = MAX_CPUID;
	kvm_ioctl(kvm, KVM_GET_SUPPORTED_CPUID, c, "supported CPUID");
	kvm_ioctl(vcpu, KVM_SET_CPUID2, c, "CPUID");
	free(c);
}

static void put(const void *data, size_t n)
{
	if (write(STDOUT_FILENO, data, n) != (ssize_t)n)
		die("standard output");
}

/* Until the guest leaves; its exit code the way isa-debug-exit makes one. */
static int run_guest(int vcpu, struct kvm_run *run)
{
	for (;;) {
		const uint8_t *data;

		kvm_ioctl(vcpu, KVM_RUN, NULL, "run");
		if (run->exit_reason == KVM_EXIT_MMIO)
			continue;
		if (run->exit_reason != KVM_EXIT_IO) {
			fprintf(stderr, "exit reason %u\n", run->exit_reason);
			return 2;
		}
		data = (const uint8_t *)run + run->io.data_offset;
		if (run->io.direction == KVM_EXIT_IO_IN)
			memset((uint8_t *)run + run->io.data_offset, 0xff,
				(size_t)run->io.size * run->io.count);
		else if (run->io.port == PORT_CONSOLE)
			put(data, run->io.count);
		else if (run->io.port == PORT_EXIT)
			return data[0] * 2 + 1;
	}
}

int main(int argc, char **argv)
{
	int kvm, vm, vcpu;
	struct kvm_run *run;

	if (argc != 2) {
		fputs("usage: raw-kvm FIRMWARE\n", stderr);
		return 2;
	}
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		die("/dev/kvm");
	vm = kvm_ioctl(kvm, KVM_CREATE_VM, NULL, "VM");
	set_memory(vm, allocate(RAM_SIZE), load_firmware(argv[1]));
	kvm_ioctl(vm, KVM_SET_TSS_ADDR, (void *)TSS_ADDRESS, "TSS address");
	kvm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL, "interrupt controllers");
	vcpu = kvm_ioctl(vm, KVM_CREATE_VCPU, NULL, "vCPU");
	run = mmap(NULL, (size_t)kvm_ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "run size"),
		PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		die("run structure");
	set_cpuid(kvm, vcpu);
	return run_guest(vcpu, run);
}
