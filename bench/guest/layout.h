/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's physical memory and descriptor tables: the numbers that boot.S, guest.ld and the C
 * files have to agree on. Virtual and physical addresses are the same but for the local APIC.
 *
 *   0xf0000 .. 0xfffff      the image as firmware (read-only), first code to run
 *   0x100000 .. 0x10ffff    the image in RAM, the address it is linked at (GUEST_IMAGE)
 *   0x110000 ..             page tables, descriptor tables, stacks, .bss
 *   0x1ff000                what survives a reset (GUEST_SURVIVOR)
 *   0x200000 .. 0x3ffffff   the pool: rings, request headers, data (lib.h)
 *   0x4000000 .. 0x5ffffff  the arena: what a device may overwrite in garbage tests
 *   0x3fe00000              the local APIC, aliased so that a stub reaches it by a 32-bit address
 *   0xc0000000 .. 0xffffffff  device memory, uncached
 */
#ifndef BENCH_GUEST_LAYOUT_H
#define BENCH_GUEST_LAYOUT_H

#define GUEST_IMAGE      0x100000
#define GUEST_IMAGE_SIZE 0x10000
#define GUEST_ROM        0xf0000 /* the same image as firmware below 1 MiB */
#define GUEST_SURVIVOR   0x1ff000
#define GUEST_POOL       0x200000
#define GUEST_POOL_END   0x4000000
#define GUEST_ARENA      0x4000000
#define GUEST_ARENA_SIZE 0x2000000
#define GUEST_LAPIC      0x3fe00000

/* Device memory the page tables map; base address registers are assigned from GUEST_BARS. */
#define GUEST_MMIO     0xc0000000
#define GUEST_BARS     0xe0000000
#define GUEST_BARS_END 0xfec00000
#define GUEST_PORTS    0xc000

/* Selectors. Ring 3 carries its privilege level in the two low bits. */
#define SEL_CODE32 0x08
#define SEL_CODE0  0x10
#define SEL_DATA0  0x18
#define SEL_DATA3  (0x20 | 3)
#define SEL_CODE3  (0x28 | 3)
#define SEL_TSS    0x30

/* Interrupt vectors. */
#define VEC_EXCEPTIONS 32   /* 0 .. 31, architectural */
#define VEC_IRQ        0x40 /* first of VEC_IRQS device vectors */
#define VEC_IRQS       8
#define VEC_CALL0      3 /* int3: call a function at ring 0 */
#define VEC_SPURIOUS   0xff
#define STUB_SIZE      32 /* bytes between two entry points of one stub table */

/* The ports of the two debug devices every host gives this guest. */
#define PORT_CONSOLE 0x402
#define PORT_EXIT    0xf4

#endif
