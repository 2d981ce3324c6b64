/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu.h"
#include "io.h"
#include "lib.h"
#include "out.h"

#define PTE_TABLE    0x07 /* present, writable, user */
#define PTE_RAM      0xe7 /* and accessed, dirty, 2 MiB page */
#define PTE_MMIO     0xff /* and uncached: PCD, PWT */
#define LARGE_PAGE   0x200000ull
#define PAGE_ENTRIES 512

#define GATE_RING0 (0x8eull << 40) /* present interrupt gate */
#define GATE_RING3 (0xeeull << 40) /* that ring 3 may call */

#define LAPIC_BASE       0xfee00000
#define LAPIC_TPR        0x080
#define LAPIC_SVR        0x0f0
#define LAPIC_SVR_ENABLE 0x100

#define TSS_IOPB 0x66 /* offset of the field with the port bitmap's offset */

struct gate {
	uint64_t low, high;
};

/* boot.S */
extern uint64_t pml4[], pdpt[], page_dir_low[], page_dir_high[];
extern struct gate idt[];
extern uint8_t tss[];
extern const char irq_stubs[], exception_stubs[], call0_stub[], spurious_stub[];
extern void cpu_idle0(void);
_Noreturn void cpu_exception(uint64_t vector, uint64_t code, uint64_t rip, uint64_t cr2);

volatile uint32_t irq_count[VEC_IRQS]; /* counted by the stubs */

static void map_memory(void)
{
	for (unsigned int i = 1; i < PAGE_ENTRIES; i++) {
		pml4[i] = 0;
		pdpt[i] = 0;
		page_dir_low[i] = i * LARGE_PAGE | PTE_RAM;
	}
	for (unsigned int i = 0; i < PAGE_ENTRIES; i++)
		page_dir_high[i] = (GUEST_MMIO + i * LARGE_PAGE) | PTE_MMIO;
	page_dir_low[GUEST_LAPIC / LARGE_PAGE] = LAPIC_BASE | PTE_MMIO;
	pdpt[GUEST_MMIO >> 30] = (uintptr_t)page_dir_high | PTE_TABLE;
}

static void set_gate(unsigned int vector, const char *stub, uint64_t type)
{
	uint64_t addr = (uintptr_t)stub;

	idt[vector].low = (addr & 0xffff) | SEL_CODE0 << 16 | type | (addr >> 16) << 48;
	idt[vector].high = addr >> 32;
}

static void set_gates(void)
{
	memset(idt, 0, 256 * sizeof(*idt));
	for (unsigned int i = 0; i < VEC_EXCEPTIONS; i++)
		set_gate(i, exception_stubs + i * STUB_SIZE, GATE_RING0);
	for (unsigned int i = 0; i < VEC_IRQS; i++)
		set_gate(VEC_IRQ + i, irq_stubs + i * STUB_SIZE, GATE_RING0);
	set_gate(VEC_CALL0, call0_stub, GATE_RING3);
	set_gate(VEC_SPURIOUS, spurious_stub, GATE_RING0);
}

/* A zero bit grants a port; the processor reads one byte beyond the last port, which must be ones. */
static void grant_ports(void)
{
	uint8_t *bitmap = tss + TSS_IOPB + 2;

	memset(bitmap, 0, 8192);
	bitmap[8192] = 0xff;
	tss[TSS_IOPB] = TSS_IOPB + 2;
	tss[TSS_IOPB + 1] = 0;
}

void cpu_init(void)
{
	map_memory();
	set_gates();
	grant_ports();
	mmio_write32(GUEST_LAPIC + LAPIC_SVR, LAPIC_SVR_ENABLE | VEC_SPURIOUS);
	mmio_write32(GUEST_LAPIC + LAPIC_TPR, 0);
}

_Noreturn void cpu_exception(uint64_t vector, uint64_t code, uint64_t rip, uint64_t cr2)
{
	fail("exception %lu code 0x%lx at 0x%lx address 0x%lx", vector, code, rip, cr2);
}

uint32_t cpu_irqs(unsigned int n)
{
	return irq_count[n];
}

void cpu_wait_irq(unsigned int n, uint32_t seen)
{
	cpu_call0(cpu_idle0, (uintptr_t)&irq_count[n], seen);
}

_Noreturn void cpu_halt(void)
{
	for (;;)
		cpu_wait_irq(0, irq_count[0]);
}

/* CPUID and WRMSR go through ring 0: at ring 3 a hypervisor may not see the former. */
struct cpuid {
	uint32_t a, b, c, d;
};

static uint64_t cpuid0(uint32_t leaf, struct cpuid *r)
{
	__asm__ volatile("cpuid"
			 : "=a"(r->a), "=b"(r->b), "=c"(r->c), "=d"(r->d)
			 : "a"(leaf), "c"(0));
	return 0;
}

static uint64_t wrmsr0(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
			 : "memory");
	return 0;
}

static struct cpuid cpuid(uint32_t leaf)
{
	struct cpuid r;

	cpu_call0(cpuid0, leaf, (uintptr_t)&r);
	return r;
}

/* Linux Documentation/virt/kvm/x86/cpuid.rst and msr.rst. */
#define KVM_CPUID_SIGNATURE 0x40000000
#define KVM_CPUID_FEATURES  0x40000001
#define KVM_FEATURE_CLOCK2  (1u << 3)
#define KVM_MSR_SYSTEM_TIME 0x4b564d01
#define KVM_SYSTEM_TIME_ON  1

struct pvclock {
	uint32_t version, pad;
	uint64_t tsc_timestamp, system_time;
	uint32_t mul; /* nanoseconds = ((ticks << shift) * mul) >> 32 */
	int8_t shift;
	uint8_t flags, pad2[2];
};

static uint32_t pvclock_khz(void)
{
	static volatile struct pvclock clock __attribute__((aligned(64)));
	struct cpuid r = cpuid(KVM_CPUID_SIGNATURE);
	uint64_t khz;

	if (r.b != 0x4b4d564b || r.a < KVM_CPUID_FEATURES) /* "KVMK", of KVMKVMKVM */
		return 0;
	if (!(cpuid(KVM_CPUID_FEATURES).a & KVM_FEATURE_CLOCK2))
		return 0;
	cpu_call0(wrmsr0, KVM_MSR_SYSTEM_TIME, (uintptr_t)&clock | KVM_SYSTEM_TIME_ON);
	khz = clock.mul ? (1000000ull << 32) / clock.mul : 0;
	khz = clock.shift < 0 ? khz << -clock.shift : khz >> clock.shift;
	cpu_call0(wrmsr0, KVM_MSR_SYSTEM_TIME, 0);
	return khz;
}

static uint32_t cpuid_khz(void)
{
	uint32_t max = cpuid(0).a;
	struct cpuid r;

	if (max >= 0x15) {
		r = cpuid(0x15);
		if (r.a && r.b && r.c)
			return (uint64_t)r.c * r.b / r.a / 1000;
	}
	return max >= 0x16 ? (cpuid(0x16).a & 0xffff) * 1000 : 0;
}

uint32_t cpu_tsc_khz(void)
{
	static uint32_t khz;
	static bool asked;

	if (!asked) {
		asked = true;
		khz = pvclock_khz();
		if (!khz)
			khz = cpuid_khz();
	}
	return khz;
}

uint64_t cpu_deadline(unsigned int ms)
{
	uint32_t khz = cpu_tsc_khz();

	return rdtsc() + (uint64_t)ms * (khz ? khz : 4000000);
}
