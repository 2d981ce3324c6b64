/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * accel.h - what a machine asks of its accelerator: memory slots, interrupts, doorbells, dirty log.
 *
 * Implemented by vmmd/kvm (the kernel does it) and vmmd/qtest (a program at the other end of a
 * socket looks on).
 *
 * Order of set-up, which decides how fast a VM starts: memory_commit before irqchip_create (a
 * memory slot that is added to a VM with an irqchip waits for a grace period), then vcpus_create,
 * then run.
 *
 * Devices do not call it: the bus, the PCI core and the irq core do. Numbers of interrupt lines are
 * GSIs: 0 to 23 are the pins of PIC and IOAPIC, from accel_gsi_alloc() on they are MSI routes.
 */
#ifndef BASE_ACCEL_H
#define BASE_ACCEL_H

#include <glib.h>

#include "base/gmem.h"

struct accel;

struct accel_slot {
	gpa_t gpa;
	uint64_t size; /* bytes, multiple of 4 KiB */
	struct gmem_block *block;
	uint64_t offset;
	bool readonly; /* guest writes exit as MMIO */
};

struct accel_msi {
	uint64_t addr;
	uint32_t data;
};

/* A doorbell: a guest write at an address signals an eventfd without an exit to user space. */
struct accel_ioeventfd {
	uint64_t addr;
	unsigned len; /* 1, 2, 4, 8; 0: any length (memory only) */
	bool pio;
	bool match; /* only when the value written equals @data */
	uint64_t data;
	int fd; /* borrowed */
};

/* State in which a vCPU begins after reset. */
enum accel_cpu_mode {
	ACCEL_CPU_RESET,     /* the architecture's reset state: F000:FFF0 */
	ACCEL_CPU_LONG,      /* 64-bit, flat, paging on with @cr3 (bzImage 64-bit entry) */
	ACCEL_CPU_PROTECTED, /* 32-bit, flat, paging off (PVH, multiboot) */
};

struct accel_cpu_start {
	enum accel_cpu_mode mode;
	uint64_t rip, rsp, rbx, rsi, cr3;
	uint64_t gdt; /* where a GDT with these flat segments lies: 0x10 code, 0x18 data */
};

/* Sockets × dies × cores × threads = count of a full machine; count may be less (hot plug). */
struct accel_cpus {
	unsigned count;
	unsigned sockets, cores, threads;
};

/*
 * Initial APIC id of vCPU @index: socket, core and thread number in fields of a power of two each,
 * as CPUID leaf 0xB describes them (Intel SDM volume 3, section 9.9).
 */
uint32_t accel_apic_id(const struct accel_cpus *cpus, unsigned index);
/* Width of the thread field, and of thread and core fields together, bits. */
unsigned accel_thread_bits(const struct accel_cpus *cpus);
unsigned accel_package_bits(const struct accel_cpus *cpus);

struct bus;

struct accel_ops {
	const char *name;

	/* PIC, IOAPIC, LAPICs and PIT of the machine. Main thread, after memory_commit. */
	bool (*irqchip_create)(struct accel *a, GError **error);
	/* Creates the vCPUs, stopped, in reset state; their accesses go to @bus. Main thread. */
	bool (*vcpus_create)(
		struct accel *a, const struct accel_cpus *cpus, struct bus *bus, GError **error);

	/* Lets all vCPUs go. Main thread. */
	void (*run)(struct accel *a);
	/*
	 * Stops all vCPUs outside the guest; @fn runs on the main loop when the last one has
	 * stopped. Main thread; nothing waits. A second pause before the first has finished is an
	 * error of the caller.
	 */
	void (*pause)(struct accel *a, void (*fn)(void *opaque), void *opaque);
	/*
	 * Puts vCPU 0 into @start and the others into wait-for-SIPI, and resets the interrupt
	 * controllers. Paused. 0 or -errno.
	 */
	int (*reset)(struct accel *a, const struct accel_cpu_start *start);

	/*
	 * State of vCPUs and interrupt controllers, through tables (state.h). Paused. save: 0 or
	 * -errno.
	 */
	int (*save)(struct accel *a, GByteArray *out);
	bool (*load)(struct accel *a, const uint8_t *buf, size_t len, GError **error);

	/* An NMI to every vCPU. -ENOTSUP. */
	int (*nmi)(struct accel *a);

	/* Ends the vCPU threads and frees everything. Paused. */
	void (*free)(struct accel *a);

	/*
	 * The complete layout of guest memory; the accelerator changes what differs from the last
	 * one. Slots are sorted and do not overlap. Main thread or a vCPU thread, serialised by the
	 * bus. 0 or -errno.
	 */
	int (*memory_commit)(struct accel *a, const struct accel_slot *slots, size_t n);

	/*
	 * System management mode. smm_memory_commit: like memory_commit, for what vCPUs see while
	 * they are in it. smi: an SMI to the vCPU on whose thread it is called, or to @all; pending
	 * when it returns, taken before the vCPU's next instruction. NULL, both: this accelerator
	 * has none.
	 */
	int (*smm_memory_commit)(struct accel *a, const struct accel_slot *slots, size_t n);
	int (*smi)(struct accel *a, bool all);

	/* Level of an interrupt pin. Any thread; serialised per GSI by the irq core. */
	int (*gsi_set)(struct accel *a, unsigned gsi, bool level);

	/*
	 * Output 0 of the PIT goes to its interrupt, as after reset, or nowhere: the HPET takes its
	 * place. Main thread. NULL: this accelerator has no PIT.
	 */
	int (*pit_connect)(struct accel *a, bool connected);

	/* Sends one message-signalled interrupt now. Any thread. */
	int (*msi_send)(struct accel *a, const struct accel_msi *msi);

	/*
	 * MSI routes: alloc takes a free GSI (-ENOSPC), set stages its message, commit hands all
	 * staged changes to the accelerator in one call. Addresses are the guest's: a message that
	 * is not for a local APIC (0xFEExxxxx) must not become an interrupt; qtest writes it to
	 * memory, KVM loses it. Any thread; serialised inside.
	 */
	int (*gsi_alloc)(struct accel *a);
	void (*gsi_free)(struct accel *a, unsigned gsi);
	void (*route_set)(struct accel *a, unsigned gsi, const struct accel_msi *msi);
	int (*route_commit)(struct accel *a);

	/*
	 * Connects eventfd @fd (borrowed) to @gsi, or disconnects it. @resample (-1: none) is
	 * signalled when the guest acknowledges a level interrupt.
	 */
	int (*irqfd)(struct accel *a, unsigned gsi, int fd, int resample, bool assign);

	/*
	 * -ENOTSUP: this accelerator has none, the region's write handler will be called and rings
	 * itself. Other errors are real.
	 */
	int (*ioeventfd)(struct accel *a, const struct accel_ioeventfd *e, bool assign);

	/*
	 * Vcpu dirty logging on and off; sync moves what vCPUs wrote into the blocks' dirty logs.
	 * Main thread.
	 */
	int (*dirty_log)(struct accel *a, bool on);
	int (*dirty_sync)(struct accel *a);
};

/*
 * What ended in a vCPU without the guest asking for it; set by the machine before run, called on
 * the vCPU's thread.
 */
enum accel_event {
	ACCEL_TRIPLE_FAULT,   /* the guest shut its CPU down: the machine resets */
	ACCEL_INTERNAL_ERROR, /* the accelerator cannot go on: the VM stops in state internal-error */
};

struct accel {
	const struct accel_ops *ops;
	void (*event)(void *opaque, enum accel_event e, unsigned vcpu, const char *detail);
	void *event_opaque;
};

#endif
