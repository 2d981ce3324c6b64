/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From reset, or from a PVH loader, to C at privilege level 3.
 *
 * Instructions at ring 0 may be emulated, at a microsecond each, so ring 0 does only what ring 3
 * cannot: three page table entries, the descriptor tables, long mode, the task register, iretq.
 * Copying the image out of ROM, clearing .bss and the other page tables are left to ring 3.
 *
 * The boot code is the last kilobyte of the image, which holds the reset vector. It runs at
 * GUEST_ROM as firmware and at GUEST_IMAGE under PVH; %ebp is the difference to the address it is
 * linked at.
 */
#include "layout.h"

#define PTE_TABLE 0x07  /* present, writable, user */
#define PTE_LARGE 0xe7  /* and accessed, dirty, 2 MiB page */
#define CR0_PE    0x00000001
#define CR0_LONG  0x80050033 /* PG AM WP NE ET MP PE */
#define CR4_PAE   0x20
#define MSR_EFER  0xc0000080
#define EFER_LME  0x100
#define RFLAGS_IF 0x202

#define BOOT_OFFSET    (GUEST_IMAGE_SIZE - 0x400)
#define ROM_LINEAR(sym) (GUEST_ROM + BOOT_OFFSET + (sym - boot))
#define ROM_SEGMENT(sym) (BOOT_OFFSET + (sym - boot))

	.section .boot, "ax"
boot:

/* PVH entry: 32-bit protected mode without paging, %ebx = struct hvm_start_info. */
	.code32
	.globl pvh_start
pvh_start:
	mov $PORT_CONSOLE, %dx
	mov $'X', %al
	out %al, %dx
	cli
	xor %ebp, %ebp
	jmp boot32

/* From the reset vector: real mode, code segment base 0xffff0000. */
	.code16
real_start:
	mov $PORT_CONSOLE, %dx
	mov $'X', %al
	out %al, %dx
	cli
	lgdtl %cs:ROM_SEGMENT(rom_gdt_ptr)
	mov $CR0_PE, %eax
	mov %eax, %cr0
	ljmpl $SEL_CODE32, $ROM_LINEAR(firmware32)

	.code32
firmware32:
	mov $SEL_DATA0, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $(GUEST_ROM - GUEST_IMAGE), %ebp
	xor %ebx, %ebx

/* Flat segments from here on; a PVH loader has set its own. */
boot32:
	mov $stack0_end, %esp

	/* The descriptor table must be in RAM: ltr marks the task busy in it. */
	lea gdt_image(%ebp), %esi
	mov $gdt, %edi
	mov $((gdt_image_end - gdt_image) / 4), %ecx
	rep movsl
	lgdt gdt_ptr(%ebp)

	/* The first 2 MiB, which hold ROM and image alike. */
	xor %eax, %eax
	movl $(pdpt + PTE_TABLE), pml4
	mov %eax, pml4 + 4
	movl $(page_dir_low + PTE_TABLE), pdpt
	mov %eax, pdpt + 4
	movl $PTE_LARGE, page_dir_low
	mov %eax, page_dir_low + 4

	/* The ring 0 stack of interrupts; ports are granted by cpu_init(). */
	movl $stack0_end, tss + 4
	mov %eax, tss + 8

	mov $CR4_PAE, %eax
	mov %eax, %cr4
	mov $pml4, %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	mov $EFER_LME, %eax
	xor %edx, %edx
	wrmsr
	mov $CR0_LONG, %eax
	mov %eax, %cr0
	lea long_mode(%ebp), %eax
	push $SEL_CODE0
	push %eax
	lret

	.code64
long_mode:
	lidt idt_ptr(%rip)
	mov $SEL_TSS, %eax
	ltr %ax
	/* Nothing may interrupt until the tables are filled: mask both 8259s. */
	mov $0xff, %al
	out %al, $0x21
	out %al, $0xa1
	pushq $SEL_DATA3
	pushq $(stack3_end - 8)
	pushq $RFLAGS_IF
	pushq $SEL_CODE3
	lea ring3(%rip), %rax
	push %rax
	iretq

/* Privilege level 3, native from here on. */
ring3:
	test %ebp, %ebp
	jz 1f
	mov $GUEST_ROM, %esi
	mov $GUEST_IMAGE, %edi
	mov $image_size, %ecx
	rep movsb
1:	mov $bss_start, %edi
	mov $bss_size, %ecx
	xor %eax, %eax
	rep stosb
	mov %ebx, %edi
	mov $guest_main, %eax
	jmp *%rax

	.balign 8
gdt_image:
	.quad 0
	.quad 0x00cf9b000000ffff /* SEL_CODE32 */
	.quad 0x00af9b000000ffff /* SEL_CODE0 */
	.quad 0x00cf93000000ffff /* SEL_DATA0 */
	.quad 0x00cff3000000ffff /* SEL_DATA3 */
	.quad 0x00affb000000ffff /* SEL_CODE3 */
	.word tss_limit, tss_base_low /* SEL_TSS: available 64-bit task, below 16 MiB */
	.byte tss_base_mid, 0x89, 0, 0
	.quad 0
gdt_image_end:

rom_gdt_ptr:
	.word gdt_image_end - gdt_image - 1
	.long ROM_LINEAR(gdt_image)
gdt_ptr:
	.word gdt_image_end - gdt_image - 1
	.long gdt
idt_ptr:
	.word 256 * 16 - 1
	.quad idt

	.org 0x3f0
	.code16
	jmp real_start
	.org 0x400

/*
 * Interrupt stubs, at ring 0 and therefore short. A device interrupt counts itself and signals the
 * end of interrupt; whoever waits for it watches the counter.
 */
	.text
	.code64
	.balign STUB_SIZE
	.globl irq_stubs
irq_stubs:
	vector = 0
	.rept VEC_IRQS
	.balign STUB_SIZE
	incl irq_count + 4 * vector
	movl $0, GUEST_LAPIC + 0xb0
	iretq
	vector = vector + 1
	.endr

	.balign STUB_SIZE
	.globl spurious_stub
spurious_stub:
	iretq

/*
 * int3: call the function in %rax at ring 0 with the caller's argument registers. It is int3 because
 * every hypervisor delivers it from ring 3; software KVM does not deliver other `int`s.
 */
	.globl call0_stub
call0_stub:
	call *%rax
	iretq

/* Exceptions go on in cpu_exception() at ring 3, on a fresh stack. */
	.balign STUB_SIZE
	.globl exception_stubs
exception_stubs:
	vector = 0
	.rept VEC_EXCEPTIONS
	.balign STUB_SIZE
	.if !((1 << vector) & 0x60227d00) /* those that push an error code */
	push $0
	.endif
	push $vector
	jmp exception
	vector = vector + 1
	.endr

exception:
	pop %rdi /* vector */
	pop %rsi /* error code */
	mov (%rsp), %rdx
	mov %cr2, %rcx
	movq $cpu_exception, (%rsp)
	movq $SEL_CODE3, 8(%rsp)
	movq $RFLAGS_IF, 16(%rsp)
	movq $(stack3_end - 8), 24(%rsp)
	movq $SEL_DATA3, 32(%rsp)
	iretq

/* void cpu_call0(fn, a, b): fn(a, b) at ring 0 with interrupts off. Returns what fn returns. */
	.globl cpu_call0
cpu_call0:
	mov %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsi
	int3
	ret

/*
 * At ring 0: halt until an interrupt, unless the counter has moved on already. The instruction
 * after sti still runs with interrupts held back, so none is lost between the look and the halt.
 */
	.globl cpu_idle0
cpu_idle0:
	cmp %esi, (%rdi)
	jne 1f
	sti
	hlt
	cli
1:	ret

/* ELF note: where a PVH loader enters (Xen's XEN_ELFNOTE_PHYS32_ENTRY). */
	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 4, 18
	.asciz "Xen"
	.long pvh_start

/* Not part of the image, and not cleared: ring 0 has written here before ring 3 clears .bss. */
	.section .tables, "aw", @nobits
	.balign 4096
	.globl pml4, pdpt, page_dir_low, page_dir_high, idt, tss
pml4:
	.skip 4096
pdpt:
	.skip 4096
page_dir_low:
	.skip 4096
page_dir_high:
	.skip 4096
idt:
	.skip 4096
gdt:
	.skip 64
stack0:
	.skip 4096 - 64
stack0_end:
stack3:
	.skip 32768
stack3_end:
tss:
	.skip 0x68 + 8192 + 1
tss_limit = . - tss - 1

	.section .note.GNU-stack, "", @progbits
