/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processor: address space, interrupts, the calls into ring 0, the clock. */
#ifndef BENCH_GUEST_CPU_H
#define BENCH_GUEST_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

/* Fill the page tables and descriptor tables, grant all ports, enable the local APIC. First of all. */
void cpu_init(void);

/*
 * fn(a, b) at ring 0 with interrupts off; returns what it returns. Instructions there may be
 * emulated, at a microsecond each.
 */
uint64_t cpu_call0(void *fn, uintptr_t a, uintptr_t b);

/* Interrupts taken so far on device vector VEC_IRQ + n, n below VEC_IRQS. */
uint32_t cpu_irqs(unsigned int n);

/* Halt until vector VEC_IRQ + n has been taken more than @seen times, or another interrupt comes. */
void cpu_wait_irq(unsigned int n, uint32_t seen);

/* Halt for ever. */
_Noreturn void cpu_halt(void);

/*
 * Time stamp counter frequency in kHz, as the hypervisor tells by its paravirtual clock or the
 * processor by CPUID leaf 0x15 or 0x16; 0 where nobody does.
 */
uint32_t cpu_tsc_khz(void);

/* The TSC value @ms milliseconds from now; a frequency nobody tells is taken as 4 GHz. */
uint64_t cpu_deadline(unsigned int ms);

#endif
