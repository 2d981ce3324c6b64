/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State of vCPUs and of the interrupt controllers in the kernel: read from it, written to it, described by tables. Reset is a
 * load of the architecture's reset state (Intel SDM volume 3, table 10-1 and section 11.4.7), so one way leads in.
 */
#include <errno.h>
#include <string.h>

#include "vmmd/kvm/kvm-internal.h"

#define MSRS 64

struct msr_value {
	uint32_t index;
	uint32_t present; /* KVM knows it */
	uint64_t value;
};

struct vcpu_hw {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	uint32_t xsave[1024]; /* struct kvm_xsave: all but AMX tiles */
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	uint32_t n_msrs;
	struct kvm_lapic_state lapic;
	struct msr_value msrs[MSRS];
};

struct irqchip_hw {
	uint8_t pic[2][512]; /* as KVM_GET_IRQCHIP gives them */
	uint8_t ioapic[512];
	struct kvm_pit_state2 pit;
	uint64_t clock; /* kvmclock, ns */
};

static const struct state_field msr_fields[] = {
	ST_U(struct msr_value, index),
	ST_MAX(struct msr_value, present, 1),
	ST_U(struct msr_value, value),
	ST_END,
};

/* The kernel checks registers when they are set; what a load refuses comes back as its error. */
#define ST_OPAQUE(s, f)                                                           \
	{                                                                         \
		.name = #f, .type = ST_TYPE_BYTES, .offset = offsetof(s, f),      \
		.size = ST_SIZEOF(s, f), .elem_size = 1, .count = ST_SIZEOF(s, f) \
	}

static const struct state_field vcpu_fields[] = {
	ST_OPAQUE(struct vcpu_hw, regs),
	ST_OPAQUE(struct vcpu_hw, sregs),
	ST_OPAQUE(struct vcpu_hw, xsave),
	ST_OPAQUE(struct vcpu_hw, xcrs),
	ST_OPAQUE(struct vcpu_hw, debugregs),
	ST_OPAQUE(struct vcpu_hw, events),
	ST_OPAQUE(struct vcpu_hw, mp_state),
	ST_MAX(struct vcpu_hw, n_msrs, MSRS),
	ST_OPAQUE(struct vcpu_hw, lapic),
	ST_STRUCTS(struct vcpu_hw, msrs, msr_fields),
	ST_END,
};

static const struct state_field irqchip_fields[] = {
	ST_OPAQUE(struct irqchip_hw, pic),
	ST_OPAQUE(struct irqchip_hw, ioapic),
	ST_OPAQUE(struct irqchip_hw, pit),
	ST_U(struct irqchip_hw, clock),
	ST_END,
};

const struct state_desc kvm_irqchip_state = {.name = "irqchip",
	.version = 1,
	.size = sizeof(struct irqchip_hw),
	.fields = irqchip_fields};

/*
 * Model-specific registers that hold guest state, with their values at reset. The order matters to KVM in two places: the
 * clock's MSRs and the deadline, which arms the LAPIC's timer, come after the TSC.
 */
static const struct {
	uint32_t index;
	uint64_t reset;
	uint64_t keep; /* bits that reset leaves as they are */
} msr_table[] = {
	{0x00000010, 0, UINT64_MAX},         /* IA32_TIME_STAMP_COUNTER */
	{0x0000003b, 0, 0},                  /* IA32_TSC_ADJUST */
	{0x000006e0, 0, 0},                  /* IA32_TSC_DEADLINE */
	{0x0000009e, 0x30000, 0},            /* IA32_SMBASE */
	{0x000000e1, 0, 0},                  /* IA32_UMWAIT_CONTROL */
	{0x00000122, 0, 0},                  /* IA32_TSX_CTRL */
	{0x00000174, 0, 0},                  /* IA32_SYSENTER_CS */
	{0x00000175, 0, 0},                  /* IA32_SYSENTER_ESP */
	{0x00000176, 0, 0},                  /* IA32_SYSENTER_EIP */
	{0x000001a0, 1, 0x1800},             /* IA32_MISC_ENABLE: fast strings; no BTS, no PEBS */
	{0x00000277, 0x0007040600070406, 0}, /* IA32_PAT */
	{0xc0000081, 0, 0},                  /* IA32_STAR */
	{0xc0000082, 0, 0},                  /* IA32_LSTAR */
	{0xc0000083, 0, 0},                  /* IA32_CSTAR */
	{0xc0000084, 0, 0},                  /* IA32_FMASK */
	{0xc0000102, 0, 0},                  /* IA32_KERNEL_GS_BASE */
	{0xc0000103, 0, 0},                  /* IA32_TSC_AUX */
	{0x00000048, 0, 0},                  /* IA32_SPEC_CTRL */
	{0x00000da0, 0, 0},                  /* IA32_XSS */
	{0x000002ff, 0, 0},                  /* IA32_MTRR_DEF_TYPE */
	{0x00000250, 0, 0},                  /* IA32_MTRR_FIX64K_00000 */
	{0x00000258, 0, 0},                  /* IA32_MTRR_FIX16K_80000 */
	{0x00000259, 0, 0},                  /* IA32_MTRR_FIX16K_A0000 */
	{0x00000268, 0, 0},                  /* IA32_MTRR_FIX4K_C0000 … F8000 */
	{0x00000269, 0, 0}, {0x0000026a, 0, 0}, {0x0000026b, 0, 0}, {0x0000026c, 0, 0},
	{0x0000026d, 0, 0}, {0x0000026e, 0, 0}, {0x0000026f, 0, 0},
	{0x00000200, 0, 0}, /* IA32_MTRR_PHYSBASE0, PHYSMASK0 … 7 */
	{0x00000201, 0, 0}, {0x00000202, 0, 0}, {0x00000203, 0, 0}, {0x00000204, 0, 0},
	{0x00000205, 0, 0}, {0x00000206, 0, 0}, {0x00000207, 0, 0}, {0x00000208, 0, 0},
	{0x00000209, 0, 0}, {0x0000020a, 0, 0}, {0x0000020b, 0, 0}, {0x0000020c, 0, 0},
	{0x0000020d, 0, 0}, {0x0000020e, 0, 0}, {0x0000020f, 0, 0},
	{0x4b564d00, 0, 0}, /* MSR_KVM_WALL_CLOCK_NEW */
	{0x4b564d01, 0, 0}, /* MSR_KVM_SYSTEM_TIME_NEW */
	{0x4b564d02, 0, 0}, /* MSR_KVM_ASYNC_PF_EN */
	{0x4b564d03, 0, 0}, /* MSR_KVM_STEAL_TIME */
	{0x4b564d04, 0, 0}, /* MSR_KVM_PV_EOI_EN */
	{0x4b564d05, 1, 0}, /* MSR_KVM_POLL_CONTROL */
	{0x4b564d06, 0, 0}, /* MSR_KVM_ASYNC_PF_INT */
};

_Static_assert(ARRAY_SIZE(msr_table) <= MSRS, "the state has room for every MSR");

static bool msr_known(uint32_t index)
{
	for (size_t i = 0; i < ARRAY_SIZE(msr_table); i++) {
		if (msr_table[i].index == index)
			return true;
	}
	return false;
}

/* A stream writes no other MSR than those that we save. */
static int vcpu_check(const void *state)
{
	const struct vcpu_hw *hw = state;

	for (size_t i = 0; i < hw->n_msrs; i++) {
		if (!msr_known(hw->msrs[i].index))
			return -EINVAL;
	}
	return 0;
}

const struct state_desc kvm_vcpu_state = {.name = "vcpu",
	.version = 1,
	.size = sizeof(struct vcpu_hw),
	.fields = vcpu_fields,
	.check = vcpu_check};

/* One at a time: which MSRs exist depends on processor and kernel, and KVM stops at the first it does not know. */
static int msr_access(struct vcpu *c, unsigned long request, struct msr_value *m)
{
	union {
		struct kvm_msrs head;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} one = {.head.nmsrs = 1};
	int r;

	one.head.entries[0] = (struct kvm_msr_entry){.index = m->index, .data = m->value};
	r = kvm_ioctl(c->fd, request, &one);
	if (r < 0)
		return r;
	m->present = r == 1;
	m->value = one.head.entries[0].data;
	return 0;
}

/* ---- reading ---- */

static int vcpu_get(struct vcpu *c, struct vcpu_hw *hw)
{
	struct {
		unsigned long request;
		void *to;
	} parts[] = {
		{KVM_GET_REGS, &hw->regs},
		{KVM_GET_SREGS, &hw->sregs},
		{KVM_GET_XSAVE, hw->xsave},
		{KVM_GET_XCRS, &hw->xcrs},
		{KVM_GET_DEBUGREGS, &hw->debugregs},
		{KVM_GET_VCPU_EVENTS, &hw->events},
		{KVM_GET_MP_STATE, &hw->mp_state},
		{KVM_GET_LAPIC, &hw->lapic},
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int err = kvm_ioctl(c->fd, parts[i].request, parts[i].to);

		if (err < 0)
			return err;
	}
	hw->n_msrs = ARRAY_SIZE(msr_table);
	for (size_t i = 0; i < ARRAY_SIZE(msr_table); i++) {
		int err;

		hw->msrs[i] = (struct msr_value){.index = msr_table[i].index};
		err = msr_access(c, KVM_GET_MSRS, &hw->msrs[i]);
		if (err < 0)
			return err;
	}
	return 0;
}

static int chip_access(struct kvm *k, unsigned long request, struct irqchip_hw *hw)
{
	uint8_t *place[] = {
		[KVM_IRQCHIP_PIC_MASTER] = hw->pic[0],
		[KVM_IRQCHIP_PIC_SLAVE] = hw->pic[1],
		[KVM_IRQCHIP_IOAPIC] = hw->ioapic,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(place); i++) {
		struct kvm_irqchip chip = {.chip_id = i};
		int err;

		memcpy(chip.chip.dummy, place[i], sizeof(chip.chip.dummy));
		err = kvm_ioctl(k->vm_fd, request, &chip);
		if (err < 0)
			return err;
		memcpy(place[i], chip.chip.dummy, sizeof(chip.chip.dummy));
	}
	return 0;
}

static int irqchip_get(struct kvm *k, struct irqchip_hw *hw)
{
	struct kvm_clock_data clock = {};
	int err = chip_access(k, KVM_GET_IRQCHIP, hw);

	if (!err && k->conf.pit)
		err = kvm_ioctl(k->vm_fd, KVM_GET_PIT2, &hw->pit);
	if (!err)
		err = kvm_ioctl(k->vm_fd, KVM_GET_CLOCK, &clock);
	hw->clock = clock.clock;
	return err;
}

/* ---- writing ---- */

/* Some MSRs can be read and not written on a processor without the feature; they are right as long as they have the value. */
static int msr_set(struct vcpu *c, struct msr_value want)
{
	struct msr_value m = want;
	int err = msr_access(c, KVM_SET_MSRS, &m);

	if (!err && !m.present)
		err = msr_access(c, KVM_GET_MSRS, &m);
	if (err < 0)
		return err;
	return m.present && m.value == want.value ? 0 : -EINVAL;
}

static int vcpu_set(struct vcpu *c, struct vcpu_hw *hw)
{
	struct {
		unsigned long request;
		void *from;
	} parts[] = {
		{KVM_SET_MP_STATE, &hw->mp_state},
		{KVM_SET_SREGS, &hw->sregs},
		{KVM_SET_REGS, &hw->regs},
		{KVM_SET_XCRS, &hw->xcrs},
		{KVM_SET_XSAVE, hw->xsave},
		{KVM_SET_DEBUGREGS, &hw->debugregs},
		{KVM_SET_LAPIC, &hw->lapic},
		{KVM_SET_VCPU_EVENTS, &hw->events},
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int err;

		/* A processor without XSAVE has none, and KVM refuses to set them. */
		if (parts[i].from == &hw->xcrs && !hw->xcrs.nr_xcrs)
			continue;
		err = kvm_ioctl(c->fd, parts[i].request, parts[i].from);
		if (err < 0)
			return err;
	}
	for (size_t i = 0; i < hw->n_msrs; i++) {
		int err = hw->msrs[i].present ? msr_set(c, hw->msrs[i]) : 0;

		if (err < 0)
			return err;
	}
	return 0;
}

static int irqchip_set(struct kvm *k, struct irqchip_hw *hw, bool with_clock)
{
	struct kvm_clock_data clock = {.clock = hw->clock};
	int err = chip_access(k, KVM_SET_IRQCHIP, hw);

	if (!err && k->conf.pit)
		err = kvm_ioctl(k->vm_fd, KVM_SET_PIT2, &hw->pit);
	if (!err && with_clock)
		err = kvm_ioctl(k->vm_fd, KVM_SET_CLOCK, &clock);
	return err;
}

/* ---- reset ---- */

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool is64, bool is32)
{
	return (struct kvm_segment){
		.selector = selector,
		.limit = 0xffffffff,
		.type = type,
		.present = 1,
		.s = 1,
		.l = is64,
		.db = is32,
		.g = 1,
	};
}

/* Real-mode segments have 64 KiB and no granularity. */
static struct kvm_segment real_segment(uint16_t selector, uint64_t base, uint8_t type)
{
	return (struct kvm_segment){.selector = selector,
		.base = base,
		.limit = 0xffff,
		.type = type,
		.present = 1,
		.s = 1};
}

static void sregs_reset(struct kvm_sregs *s)
{
	struct kvm_segment data = real_segment(0, 0, 3);

	s->cs = real_segment(0xf000, 0xffff0000, 11);
	s->ds = s->es = s->fs = s->gs = s->ss = data;
	s->tr = (struct kvm_segment){.limit = 0xffff, .type = 11, .present = 1};
	s->ldt = (struct kvm_segment){.limit = 0xffff, .type = 2, .present = 1};
	s->gdt.base = s->idt.base = 0;
	s->gdt.limit = s->idt.limit = 0xffff;
	s->cr0 = 0x60000010;
	s->cr2 = s->cr3 = s->cr4 = s->cr8 = s->efer = 0;
	memset(s->interrupt_bitmap, 0, sizeof(s->interrupt_bitmap));
}

/* What a loader asks for on top of the reset state. */
static void sregs_start(struct kvm_sregs *s, const struct accel_cpu_start *start)
{
	bool is64 = start->mode == ACCEL_CPU_LONG;

	s->cs = segment(0x10, 11, is64, !is64);
	s->ds = s->es = s->fs = s->gs = s->ss = segment(0x18, 3, false, true);
	s->gdt.base = start->gdt;
	s->gdt.limit = 4 * 8 - 1;
	s->idt.limit = 0;
	s->cr0 = 0x11; /* PE, ET */
	if (is64) {
		s->cr3 = start->cr3;
		s->cr4 = 0x20;        /* PAE */
		s->efer = 0x500;      /* LME, LMA */
		s->cr0 |= 0x80000000; /* PG */
	}
}

/* Section 11.4.7.1; the version and the id stay. LINT0 of the first processor takes the PIC's interrupts (ExtINT). */
static void lapic_reset(struct kvm_lapic_state *l, bool first)
{
	/* Timer, LINT0, LINT1, error; then those that not every processor has. */
	static const uint16_t lvts[] = {0x320, 0x350, 0x360, 0x370, 0x340, 0x330, 0x2f0};
	uint32_t id, version;

	memcpy(&id, l->regs + 0x20, sizeof(id));
	memcpy(&version, l->regs + 0x30, sizeof(version));
	memset(l->regs, 0, sizeof(l->regs));
	memcpy(l->regs + 0x20, &id, sizeof(id));
	memcpy(l->regs + 0x30, &version, sizeof(version));
	*(uint32_t *)(void *)(l->regs + 0xe0) = 0xffffffff; /* DFR */
	*(uint32_t *)(void *)(l->regs + 0xf0) = 0xff;       /* SVR */
	for (size_t i = 0; i < ARRAY_SIZE(lvts) && i <= (version >> 16 & 0xff); i++)
		*(uint32_t *)(void *)(l->regs + lvts[i]) = 0x10000;
	if (first)
		*(uint32_t *)(void *)(l->regs + 0x350) = 0x700;
}

static void vcpu_hw_reset(struct vcpu *c, struct vcpu_hw *hw, const struct accel_cpu_start *start)
{
	uint64_t apic_base = hw->sregs.apic_base & ~0x500ULL; /* BSP and x2APIC bits */
	bool first = c->index == 0, direct = first && start->mode != ACCEL_CPU_RESET;

	sregs_reset(&hw->sregs);
	hw->sregs.apic_base = apic_base | 0x800 | (first ? 0x100 : 0);
	/* RDX: "family 6", as KVM has it in a new vCPU. */
	hw->regs = (struct kvm_regs){.rip = 0xfff0, .rflags = 2, .rdx = 0x600};
	if (direct) {
		sregs_start(&hw->sregs, start);
		hw->regs.rdx = 0;
		hw->regs.rip = start->rip;
		hw->regs.rsp = start->rsp;
		hw->regs.rbx = start->rbx;
		hw->regs.rsi = start->rsi;
	}
	memset(hw->xsave, 0, sizeof(hw->xsave));
	hw->xsave[0] = 0x37f;  /* FCW */
	hw->xsave[6] = 0x1f80; /* MXCSR */
	hw->xsave[128] = 3;    /* XSTATE_BV: x87 and SSE */
	if (hw->xcrs.nr_xcrs)
		hw->xcrs = (struct kvm_xcrs){.nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = 1}}};
	hw->debugregs = (struct kvm_debugregs){.dr6 = 0xffff0ff0, .dr7 = 0x400};
	hw->events = (struct kvm_vcpu_events){.flags = hw->events.flags};
	hw->mp_state.mp_state = first ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED;
	lapic_reset(&hw->lapic, first);
	for (size_t i = 0; i < ARRAY_SIZE(msr_table); i++) {
		hw->msrs[i].value = (hw->msrs[i].value & msr_table[i].keep) | msr_table[i].reset;
		if (msr_table[i].keep == UINT64_MAX)
			hw->msrs[i].present = 0; /* not written: time goes on */
		/* No firmware sets MTRRs up for a direct boot: enabled, write-back everywhere. */
		if (direct && msr_table[i].index == 0x2ff)
			hw->msrs[i].value = 0x806;
	}
}

/*
 * 8259A: cleared, ICW1 awaited; ELCR masks stay. IOAPIC: every redirection entry masked. Both as KVM itself makes
 * them; the offsets are those of struct kvm_pic_state and struct kvm_ioapic_state.
 */
static void irqchip_hw_reset(struct irqchip_hw *hw)
{
	struct kvm_ioapic_state *io = (void *)hw->ioapic;
	uint64_t base = io->base_address;
	uint32_t id = io->id;

	for (int i = 0; i < 2; i++) {
		struct kvm_pic_state *pic = (void *)hw->pic[i];
		uint8_t mask = pic->elcr_mask;

		*pic = (struct kvm_pic_state){.elcr_mask = mask};
	}
	memset(io, 0, sizeof(*io));
	io->base_address = base;
	io->id = id;
	for (size_t i = 0; i < ARRAY_SIZE(io->redirtbl); i++)
		io->redirtbl[i].fields.mask = 1;
}

static int irqchip_reset(struct kvm *k)
{
	g_autofree struct irqchip_hw *hw = g_new0(struct irqchip_hw, 1);
	int err = irqchip_get(k, hw);

	if (err < 0)
		return err;
	irqchip_hw_reset(hw);
	for (unsigned i = 0; i < ARRAY_SIZE(hw->pit.channels); i++)
		hw->pit.channels[i] = (struct kvm_pit_channel_state){.mode = 0xff, .gate = i != 2};
	return irqchip_set(k, hw, false);
}

/* KVM begins without fast strings, and Linux then does without REP MOVSB. */
static int enable_fast_strings(struct vcpu *c)
{
	struct msr_value m = {.index = 0x1a0};
	int err = msr_access(c, KVM_GET_MSRS, &m);

	if (err < 0 || !m.present || m.value & 1)
		return err;
	m.value |= 1;
	return msr_set(c, m);
}

/*
 * A fresh VM otherwise is in reset state: vCPUs as the architecture says, chips empty. Only a direct boot's start costs
 * more system calls.
 */
static int first_start(struct kvm *k, const struct accel_cpu_start *start)
{
	struct vcpu *c = &k->vcpus[0];
	struct kvm_regs regs = {.rip = start->rip,
		.rsp = start->rsp,
		.rbx = start->rbx,
		.rsi = start->rsi,
		.rflags = 2};
	struct msr_value mtrr = {.index = 0x2ff, .value = 0x806};
	struct kvm_sregs sregs = {};
	int err = 0;

	for (unsigned i = 0; i < k->n_vcpus && !err; i++)
		err = enable_fast_strings(&k->vcpus[i]);
	if (err < 0 || start->mode == ACCEL_CPU_RESET)
		return err;
	err = kvm_ioctl(c->fd, KVM_GET_SREGS, &sregs);
	if (err < 0)
		return err;
	sregs_start(&sregs, start);
	err = kvm_ioctl(c->fd, KVM_SET_SREGS, &sregs);
	if (!err)
		err = kvm_ioctl(c->fd, KVM_SET_REGS, &regs);
	return err ? err : msr_access(c, KVM_SET_MSRS, &mtrr);
}

int kvm_reset(struct accel *a, const struct accel_cpu_start *start)
{
	g_autofree struct vcpu_hw *hw = NULL;
	struct kvm *k = to_kvm(a);
	int err;

	if (!k->starts)
		return first_start(k, start);
	hw = g_new0(struct vcpu_hw, 1);
	for (unsigned i = 0; i < k->n_vcpus; i++) {
		__atomic_store_n(&k->vcpus[i].smi, false, __ATOMIC_RELAXED);
		err = vcpu_get(&k->vcpus[i], hw);
		if (!err) {
			vcpu_hw_reset(&k->vcpus[i], hw, start);
			err = vcpu_set(&k->vcpus[i], hw);
		}
		if (err < 0)
			return err;
	}
	return irqchip_reset(k);
}

/* ---- save and load ---- */

int kvm_save(struct accel *a, GByteArray *out)
{
	g_autofree struct irqchip_hw *chips = g_new0(struct irqchip_hw, 1);
	g_autofree struct vcpu_hw *hw = g_new0(struct vcpu_hw, 1);
	struct kvm *k = to_kvm(a);
	int err;

	for (unsigned i = 0; i < k->n_vcpus; i++) {
		memset(hw, 0, sizeof(*hw));
		err = vcpu_get(&k->vcpus[i], hw);
		if (err < 0)
			return err;
		state_save(&kvm_vcpu_state, hw, out);
	}
	err = irqchip_get(k, chips);
	if (!err)
		state_save(&kvm_irqchip_state, chips, out);
	return err;
}

bool kvm_load(struct accel *a, const uint8_t *buf, size_t len, GError **error)
{
	g_autofree struct irqchip_hw *chips = g_new0(struct irqchip_hw, 1);
	g_autofree struct vcpu_hw *hw = g_new0(struct vcpu_hw, 1);
	struct kvm *k = to_kvm(a);
	size_t used;
	int err;

	for (unsigned i = 0; i < k->n_vcpus; i++) {
		err = state_load(&kvm_vcpu_state, hw, buf, len, &used);
		if (!err)
			err = vcpu_set(&k->vcpus[i], hw);
		if (err < 0)
			return err_set_errno(
				error, -err, "the saved state of vCPU %u cannot be loaded", i);
		buf += used;
		len -= used;
	}
	err = state_load(&kvm_irqchip_state, chips, buf, len, &used);
	if (!err)
		err = irqchip_set(k, chips, true);
	if (err < 0)
		return err_set_errno(error, -err,
			"the saved state of the interrupt controllers cannot be loaded");
	return true;
}
