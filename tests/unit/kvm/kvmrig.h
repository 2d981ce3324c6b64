/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvmrig.h - a machine of 16 MiB RAM, a 64 KiB firmware and one device, on the KVM accelerator; its programs are in guests.S.
 *
 *	0x00000000  RAM			0x02000 page tables, 0x06000 GDT, 0x08000 IDT, 0x0f000 stack of PROTECTED and LONG
 *					0x10000 program of PROTECTED and LONG, 0x18000 interrupt stubs
 *	0x000d0000  device, 4 KiB	over the RAM
 *	0xffff0000  firmware		program of RESET: entered at 0, the reset vector jumps there
 *	port 0x500  device, 256 ports
 *
 * The device logs each access. A write to RIG_DONE counts as a report that the program has come to its end.
 */
#ifndef TESTS_UNIT_KVM_KVMRIG_H
#define TESTS_UNIT_KVM_KVMRIG_H

#include "devmodel/bus/bus.h"
#include "tests/unit/kvm/ioctl-spy.h"
#include "vmmd/kvm/kvm.h"

#define RIG_RAM      (16 * MiB)
#define RIG_PORTS    0x500
#define RIG_IRQ_PORT 0x508 /* the interrupt stubs write their vector here */
#define RIG_DONE     0x5f0
#define RIG_MMIO     0xd0000
#define RIG_PROGRAM  0x10000
#define RIG_LOG      4096

struct rig_access {
	enum bus_space space;
	bool write;
	uint64_t offset; /* within ports or page */
	unsigned size;
	uint64_t value; /* written, or given */
};

struct rig;

struct rig_dev {
	struct dev dev;
	struct region ports, page;
	struct rig *rig;
	struct rig_access log[RIG_LOG]; /* under the device's lock while the VM runs */
	unsigned n;
	/* Instead of the log, on the vCPU's thread; reads store their value. May be NULL. */
	void (*access)(struct rig *r, struct rig_access *a);
};

struct rig {
	struct loop *loop;
	struct clocks *clocks;
	struct gmem *gmem;
	struct gmem_block *ram, *rom;
	struct region ram_region, rom_region;
	struct accel *accel;
	struct bus *bus;
	struct rig_dev *dev;
	const uint8_t *program, *program_end;
	struct accel_cpu_start start; /* of the next reset */
	unsigned done;                /* atomic: reports */
	unsigned events[2];           /* atomic: by enum accel_event */
	char detail[160];             /* of the last event */
	uint64_t test[4];             /* a test's own */
};

struct rig_conf {
	enum accel_cpu_mode mode;
	const uint8_t *program, *end;
	const struct accel_cpus *cpus;                       /* NULL: one */
	int (*thread_setup)(unsigned vcpu);                  /* may be NULL */
	void (*access)(struct rig *r, struct rig_access *a); /* may be NULL */
	bool smm;
};

/* A program of guests.S. */
#define GUEST(name) extern const uint8_t guest_##name[], guest_##name##_end[]
#define RIG_CONF(m, name, ...)     \
	(&(const struct rig_conf){ \
		.mode = (m), .program = guest_##name, .end = guest_##name##_end, __VA_ARGS__})

/* Built, committed, reset: ready for rig_run(). */
struct rig *rig_new(const struct rig_conf *conf);
void rig_free(struct rig *r); /* pauses first */

void rig_run(struct rig *r);
void rig_pause(struct rig *r); /* waits for the answer */
/* The accelerator; then the program again as it was, for one that changes its tables (LTR). Paused. */
void rig_reset(struct rig *r);

/* Turns the loop until @cond; fails the test after 20 s. */
#define rig_wait(r, cond)                                                  \
	do {                                                               \
		int64_t rig_wait_end = loop_now() + 20 * NSEC_PER_SEC;     \
		while (!(cond)) {                                          \
			if (loop_now() > rig_wait_end)                     \
				rig_stuck((r), #cond, __FILE__, __LINE__); \
			loop_iterate((r)->loop, 1);                        \
		}                                                          \
	} while (0)

/* Shows where vCPU 0 is and fails the test. */
void rig_stuck(struct rig *r, const char *waits_for, const char *file, int line)
	__attribute__((noreturn));

/* Runs until the program has reported @n times in all, then pauses. */
void rig_run_until_done(struct rig *r, unsigned n);

uint64_t rig_ram(struct rig *r, uint64_t addr, unsigned size);
void rig_set_ram(struct rig *r, uint64_t addr, const void *src, size_t n);

static inline unsigned rig_atomic(const unsigned *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* g_test_init() and, where /dev/kvm cannot be used, the end of the program as a skip with the reason. */
void rig_test_init(int *argc, char ***argv);

#endif
