/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs of the KVM tests; kvmrig.h says where they run. GUEST16 begins at the reset vector in real mode, data segments at 0,
 * no stack. GUEST32 is flat protected mode, GUEST64 long mode; both have a stack. GUEST64 can take interrupts, vectors
 * 0x20 to 0x5f, whose stubs write the vector to port 0x508 (KVM's emulator has no IRET of protected mode). Ring 0 is slow where KVM emulates it, so they are short.
 */
	.section .rodata

.macro GUEST bits, name
	.balign	16
	.globl	guest_\name
guest_\name:
	.code\bits
.endm

.macro END name
	.globl	guest_\name\()_end
guest_\name\()_end:
	.code64
.endm

/* Reports that the program is through; then nothing more. */
.macro DONE
	mov	$0x5f0, %dx
	out	%al, %dx
9:	hlt
	jmp	9b
.endm

.macro LAPIC_ON
	movl	$0x1ff, 0xfee000f0
.endm

/* Limit and base of the IDT of kvmrig.c, on the stack. */
.macro IDT64
	pushq	$0x8000
	pushw	$0x5ff
	lidt	(%rsp)
	add	$10, %rsp
.endm

/* A word to a register of LAPIC or IOAPIC; addresses above 2 GiB go through a register. */
.macro APIC value, address
	mov	$\address, %edi
	movl	$\value, (%rdi)
.endm

GUEST 64, irq_stubs
	.set	vector, 0x20
	.rept	64
	.balign	16
	push	%rax
	push	%rdx
	mov	$vector, %al
	mov	$0x508, %edx
	out	%al, %dx
	jmp	irq_end
	.set	vector, vector + 1
	.endr
irq_end:
	mov	$0xfee000b0, %edx
	movl	$0, (%rdx)
	pop	%rdx
	pop	%rax
	iretq
END irq_stubs

/* Every width, both directions, and strings. */
GUEST 16, ports
	mov	$0x500, %dx
	mov	$0x12, %al
	out	%al, %dx
	mov	$0x502, %dx
	mov	$0x3456, %ax
	out	%ax, %dx
	mov	$0x504, %dx
	mov	$0x789abcde, %eax
	out	%eax, %dx
	mov	$0x511, %dx
	in	%dx, %al
	mov	%al, 0x1000
	mov	$0x512, %dx
	in	%dx, %ax
	mov	%ax, 0x1004
	mov	$0x514, %dx
	in	%dx, %eax
	mov	%eax, 0x1008
	mov	$0x2000, %si
	mov	$5, %cx
	mov	$0x520, %dx
	rep	outsb
	mov	$0x3000, %di
	mov	$3, %cx
	mov	$0x530, %dx
	rep	insw
	mov	$0x2000, %si
	mov	$2, %cx
	mov	$0x540, %dx
	rep	outsl
	DONE
END ports

/* Every width, both directions, read-modify-write, string, misaligned, over the end of the page. */
GUEST 64, mmio
	mov	$0xd0000, %edi
	movb	$0x12, (%rdi)
	movw	$0x3456, 2(%rdi)
	movl	$0x789abcde, 4(%rdi)
	mov	$0x0123456789abcdef, %rax
	mov	%rax, 8(%rdi)
	movzbl	0x11(%rdi), %eax
	mov	%rax, 0x1000
	movzwl	0x22(%rdi), %eax
	mov	%rax, 0x1008
	mov	0x34(%rdi), %eax
	mov	%rax, 0x1010
	mov	0x48(%rdi), %rax
	mov	%rax, 0x1018
	addl	$1, 0x50(%rdi)
	movl	$0xa1b2c3d4, 0x71(%rdi)
	mov	$0x1122334455667788, %rax
	mov	%rax, 0xffc(%rdi)
	mov	$0xa000, %esi
	mov	$0xd0060, %edi
	mov	$2, %ecx
	rep	movsq
	DONE
END mmio

/* What a direct boot finds in its registers. */
GUEST 32, start
	mov	%esi, 0x1000
	mov	%ebx, 0x1004
	mov	%esp, 0x1008
	mov	%cs, 0x100c
	mov	%ss, 0x1010
	mov	%cr0, %eax
	mov	%eax, 0x1014
	DONE
END start

/* ROM takes no writes. */
GUEST 32, rom
	movl	$0xdeadbeef, 0xffff8000
	mov	0xffff8000, %eax
	mov	%eax, 0x1000
	DONE
END rom

/* Shows what is at 0xa0000, for ever. */
GUEST 32, watch
	mov	$0x500, %edx
1:	mov	0xa0000, %eax
	out	%eax, %dx
	jmp	1b
END watch

/* Doorbells: those that match, in front of those that do not. */
GUEST 32, doorbells
	mov	$0x560, %edx
	mov	$3, %eax
	out	%ax, %dx	/* any value, two bytes */
	out	%al, %dx	/* not one */
	mov	$0x570, %edx
	mov	$7, %eax
	out	%eax, %dx	/* the value 7 */
	inc	%eax
	out	%eax, %dx	/* not 8 */
	movb	$1, 0xd0800	/* any length */
	movw	$2, 0xd0800
	movl	$3, 0xd0800
	movl	$7, 0xd0900	/* the value 7 */
	movl	$8, 0xd0900
	DONE
END doorbells

/* Writes every 16th page of 1 to 2 MiB. */
GUEST 32, dirty_pages
	mov	$0x100000, %edi
1:	movl	$1, (%edi)
	add	$0x10000, %edi
	cmp	$0x200000, %edi
	jne	1b
	DONE
END dirty_pages

/* To ring 3 with the TSS of kvmrig.c, which gives it all ports; the program goes on at the next instruction. */
.macro RING3
	sub	$16, %rsp
	movw	$0x4f, 6(%rsp)
	movq	$0x6000, 8(%rsp)
	lgdt	6(%rsp)
	mov	$0x40, %eax
	ltr	%ax
	pushq	$0x2b
	pushq	$0xe000
	pushq	$2
	pushq	$0x33
	lea	8f(%rip), %rax
	push	%rax
	iretq
8:
.endm

/* Counts as fast as it can and leaves the guest only when it is made to. */
GUEST 64, spin
	RING3
	mov	$0x5f0, %edx
	out	%al, %dx
1:	incq	0x1000
	jmp	1b
END spin

/* Takes a number from a register at 0xd0550, works a while, gives it back: the device sees whether one is lost or doubled. */
GUEST 64, echo
	RING3
	xor	%r15d, %r15d
	mov	$0xd0550, %edx
1:	mov	(%rdx), %eax
	mov	$200, %ecx
2:	dec	%ecx
	jnz	2b
	inc	%r15
	mov	%r15, 0x1000
	mov	%eax, (%rdx)
	jmp	1b
END echo

/* The same in ring 0 and by port 0x550. */
GUEST 32, echo_ring0
	mov	$0x550, %edx
1:	in	%dx, %eax
	incl	0x1000
	out	%eax, %dx
	jmp	1b
END echo_ring0

GUEST 32, halt
	mov	$0x5f0, %edx
	out	%al, %dx
	cli
	hlt
END halt

/* Ready for interrupts of vectors 0x20 to 0x5f and for the NMI. */
GUEST 64, interrupts
	IDT64
	APIC	0x1ff, 0xfee000f0
	mov	$0x5f0, %edx
	out	%al, %dx
	sti
1:	hlt
	jmp	1b
END interrupts

/* The timer of the LAPIC, one shot 2^29 ticks of the TSC from now, vector 0x50. */
GUEST 64, deadline
	IDT64
	APIC	0x1ff, 0xfee000f0
	APIC	0x40050, 0xfee00320
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	add	$0x20000000, %rax
	mov	%rax, %rdx
	shr	$32, %rdx
	mov	$0x6e0, %ecx
	wrmsr
	mov	$0x5f0, %edx
	out	%al, %dx
	sti
1:	hlt
	jmp	1b
END deadline

/* IOAPIC: pin 10 level to vector 0x31, pin 5 edge to vector 0x32. The 8259A, on the same pins, is masked. */
GUEST 64, ioapic
	IDT64
	mov	$0xff, %al
	out	%al, $0x21
	out	%al, $0xa1
	APIC	0x1ff, 0xfee000f0
	APIC	0x24, 0xfec00000
	APIC	0x8031, 0xfec00010
	APIC	0x1a, 0xfec00000
	APIC	0x32, 0xfec00010
	mov	$0x5f0, %edx
	out	%al, %dx
	sti
1:	hlt
	jmp	1b
END ioapic

/* Both 8259A, IRQ 1 and 12 on vectors 9 and 0x74, handled by the program at 0xe000 and 0xe010. Runs at f000:0 in RAM. */
GUEST 16, pic
	ljmp	$0xf000, $1f - guest_pic
1:	mov	$0xe000, %sp
	mov	$0x11, %al
	out	%al, $0x20
	out	%al, $0xa0
	mov	$0x08, %al
	out	%al, $0x21
	mov	$0x70, %al
	out	%al, $0xa1
	mov	$4, %al
	out	%al, $0x21
	mov	$2, %al
	out	%al, $0xa1
	mov	$1, %al
	out	%al, $0x21
	out	%al, $0xa1
	mov	$0xf9, %al	/* IRQ 1 and the cascade */
	out	%al, $0x21
	mov	$0xef, %al	/* IRQ 12 */
	out	%al, $0xa1
	mov	$0x5f0, %dx
	out	%al, %dx
	sti
2:	hlt
	jmp	2b
END pic

GUEST 16, pic_handlers
	mov	$9, %al
	jmp	1f
	.balign	16, 0x90
	mov	$0x74, %al
1:	mov	$0x508, %dx
	out	%al, %dx
	mov	$0x20, %al
	out	%al, $0xa0
	out	%al, $0x20
	iretw
END pic_handlers

/* Starts the others at 0xb000 and waits until as many as ESI have reported. */
GUEST 32, smp
	LAPIC_ON
	movl	$0xc4500, 0xfee00300
	movl	$0xc460b, 0xfee00300
1:	pause
	cmp	%esi, 0x1000
	jne	1b
	DONE
END smp

GUEST 16, ap
	mov	%cs, 0x1004
	lock	incl 0x1000
1:	cli
	hlt
	jmp	1b
END ap

/* Tells that it runs, then takes a page fault, for which a direct boot has no IDT. */
GUEST 64, triple
	mov	$0x500, %edx
	mov	$0x77, %eax
	out	%al, %dx
	mov	0x40000000, %eax
END triple

/* Goes where no memory is. */
GUEST 32, lost
	mov	$0x40000000, %eax
	jmp	*%eax
END lost

/* Leaves traces everywhere that a reset must reach. */
GUEST 32, disorder
	LAPIC_ON
	pushl	$0x8000
	pushw	$0x5ff
	lidt	(%esp)
	movl	$0x20, 0xfee00080	/* TPR */
	movl	$0x00010055, 0xfee00320 /* LVT timer, masked */
	movl	$0x24, 0xfec00000
	movl	$0x8031, 0xfec00010
	mov	$0x11, %al
	out	%al, $0x20
	mov	$0x40, %al
	out	%al, $0x21
	mov	$4, %al
	out	%al, $0x21
	mov	$1, %al
	out	%al, $0x21
	mov	$0x12, %al
	out	%al, $0x21
	mov	$0x11, %al
	out	%al, $0xa0
	mov	$0x50, %al
	out	%al, $0xa1
	mov	$0x08, %al
	mov	$0x4d0, %dx
	out	%al, %dx
	mov	$0x36, %al
	out	%al, $0x43
	mov	$0x9c, %al
	out	%al, $0x40
	out	%al, $0x40
	mov	$0xc0000081, %ecx	/* STAR */
	mov	$0x11111111, %eax
	mov	%eax, %edx
	wrmsr
	mov	$0xc0000102, %ecx	/* KERNEL_GS_BASE */
	xor	%edx, %edx
	wrmsr
	mov	$0x277, %ecx		/* PAT */
	mov	$0x01010101, %eax
	mov	%eax, %edx
	wrmsr
	mov	%cr0, %eax
	or	$0x10000, %eax
	mov	%eax, %cr0
	mov	$0xfe000000, %eax
	mov	%eax, %cr2
	mov	%eax, %dr0
	mov	$0x1234, %ebp
	DONE
END disorder

/*
 * CPUID as a table: for each pair (leaf, sub-leaf) at 0x6000, ended by a leaf of ones, four registers go to 0x1000 times
 * (16 plus initial APIC id). On every vCPU at once.
 */
GUEST 16, cpuid
	mov	$1, %eax
	cpuid
	shr	$24, %ebx
	add	$16, %bx
	shl	$8, %bx
	mov	%bx, %es
	xor	%di, %di
	mov	$0x6000, %si
	cld
1:	lodsl
	cmp	$0xffffffff, %eax
	je	2f
	mov	%eax, %ebp
	lodsl
	mov	%eax, %ecx
	mov	%ebp, %eax
	cpuid
	stosl
	mov	%ebx, %eax
	stosl
	mov	%ecx, %eax
	stosl
	mov	%edx, %eax
	stosl
	jmp	1b
2:	DONE
END cpuid

/* What it reads at 0xA0000, before, during (the handler's report) and after a system management interrupt. */
GUEST 32, smi
	mov	0xa0000, %eax
	mov	$0x510, %dx
	out	%eax, %dx
	mov	$0x520, %dx
	out	%al, %dx
	mov	0xa0000, %eax
	mov	$0x514, %dx
	out	%eax, %dx
	DONE
END smi

/* At SMBASE + 0x8000: real mode with segments of 4 GiB. */
GUEST 16, smi_handler
	addr32 movl	0xa0000, %eax
	mov	$0x518, %dx
	out	%eax, %dx
	rsm
END smi_handler

	.section .note.GNU-stack, "", @progbits
