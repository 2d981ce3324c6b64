/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reset, save and load of vCPUs and interrupt controllers, seen with the kernel's own eyes. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/kvm/echo.h"

GUEST(deadline);
GUEST(disorder);
GUEST(echo);
GUEST(echo_ring0);
GUEST(halt);
GUEST(interrupts);

#define MSRS 6

/* Everything that the kernel tells of vCPU 0 and of the chips, moments apart. */
struct snapshot {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	struct kvm_xcrs xcrs;
	uint8_t fpu[416]; /* the legacy region of XSAVE, up to the end of XMM15 */
	struct kvm_lapic_state lapic;
	struct kvm_irqchip chips[3];
	struct kvm_pit_state2 pit;
	uint64_t msrs[MSRS];
};

static const uint32_t msr_index[MSRS] = {
	0xc0000081, /* STAR */
	0xc0000102, /* KERNEL_GS_BASE */
	0x00000277, /* PAT */
	0x000001a0, /* MISC_ENABLE */
	0x000002ff, /* MTRR_DEF_TYPE */
	0x00000174, /* SYSENTER_CS */
};

static void get(int fd, unsigned long request, void *to)
{
	g_assert_cmpint(spy_ioctl(fd, request, to), >=, 0);
}

static void get_msrs(int fd, struct snapshot *s)
{
	for (unsigned i = 0; i < MSRS; i++) {
		union {
			struct kvm_msrs head;
			uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
		} one = {.head.nmsrs = 1};

		one.head.entries[0].index = msr_index[i];
		g_assert_cmpint(spy_ioctl(fd, KVM_GET_MSRS, &one), ==, 1);
		s->msrs[i] = one.head.entries[0].data;
	}
}

static struct snapshot *take_snapshot(void)
{
	struct snapshot *s = g_new0(struct snapshot, 1);
	g_autofree struct kvm_xsave *xsave = g_malloc0(8192);
	int fd = spy.vcpu_fd[0];

	get(fd, KVM_GET_REGS, &s->regs);
	get(fd, KVM_GET_SREGS, &s->sregs);
	/* VT-x and AMD-V begin differently: a busy TSS of 16 or of 32 bits; accessed or not. */
	s->sregs.tr.type |= 8;
	s->sregs.cs.type |= 1;
	s->sregs.ss.type |= 1;
	get(fd, KVM_GET_DEBUGREGS, &s->debugregs);
	get(fd, KVM_GET_VCPU_EVENTS, &s->events);
	get(fd, KVM_GET_MP_STATE, &s->mp_state);
	get(fd, KVM_GET_XCRS, &s->xcrs);
	get(fd, KVM_GET_XSAVE, xsave);
	memcpy(s->fpu, xsave, sizeof(s->fpu));
	memset(s->fpu + 28, 0, 4); /* MXCSR_MASK tells about the processor and is not state */
	get(fd, KVM_GET_LAPIC, &s->lapic);
	get_msrs(fd, s);
	for (unsigned i = 0; i < 3; i++) {
		s->chips[i].chip_id = i;
		get(spy.vm_fd, KVM_GET_IRQCHIP, &s->chips[i]);
	}
	get(spy.vm_fd, KVM_GET_PIT2, &s->pit);
	for (unsigned i = 0; i < 3; i++)
		s->pit.channels[i].count_load_time = 0; /* a moment of the host's clock */
	return s;
}

static void compare(const char *what, const void *a, const void *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (((const uint8_t *)a)[i] != ((const uint8_t *)b)[i])
			g_test_message("%s: byte %zu is 0x%02x, should be 0x%02x", what, i,
				((const uint8_t *)a)[i], ((const uint8_t *)b)[i]);
	}
	g_assert_cmpmem(a, n, b, n);
}

#define COMPARE(a, b, part) compare(#part, &(a)->part, &(b)->part, sizeof((a)->part))

static void compare_snapshots(const struct snapshot *a, const struct snapshot *b)
{
	COMPARE(a, b, regs);
	COMPARE(a, b, sregs);
	COMPARE(a, b, debugregs);
	COMPARE(a, b, events);
	COMPARE(a, b, mp_state);
	COMPARE(a, b, xcrs);
	COMPARE(a, b, fpu);
	COMPARE(a, b, lapic);
	COMPARE(a, b, chips[0]);
	COMPARE(a, b, chips[1]);
	COMPARE(a, b, chips[2]);
	COMPARE(a, b, pit);
	COMPARE(a, b, msrs);
}

/* ---- reset ---- */

static struct snapshot *of_fresh_vm(const struct rig_conf *conf)
{
	struct rig *r = rig_new(conf);
	struct snapshot *s = take_snapshot();

	rig_free(r);
	return s;
}

/* After a program that changes all it can, a reset makes what a new VM has: for a direct boot and for firmware. */
static void test_reset(void)
{
	g_autofree struct snapshot *fresh = of_fresh_vm(RIG_CONF(ACCEL_CPU_PROTECTED, disorder));
	g_autofree struct snapshot *firmware = of_fresh_vm(RIG_CONF(ACCEL_CPU_RESET, halt));
	g_autofree struct snapshot *mess = NULL, *again = NULL, *cold = NULL;
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_PROTECTED, disorder));

	rig_run_until_done(r, 1);
	mess = take_snapshot();
	g_assert_cmphex(mess->msrs[0], ==, 0x1111111111111111);
	g_assert_cmphex(mess->regs.rbp, ==, 0x1234);
	g_assert_true(memcmp(&mess->lapic, &fresh->lapic, sizeof(fresh->lapic)) != 0);
	for (unsigned i = 0; i < 3; i++)
		g_assert_true(
			memcmp(&mess->chips[i], &fresh->chips[i], sizeof(fresh->chips[i])) != 0);
	rig_reset(r);
	again = take_snapshot();
	compare_snapshots(again, fresh);
	r->start.mode = ACCEL_CPU_RESET;
	rig_reset(r);
	cold = take_snapshot();
	compare_snapshots(cold, firmware);
	rig_free(r);
}

/* What a new VM has is what the data sheets say (Intel SDM volume 3, table 10-1 and section 11.4.7). */
static void test_reset_state(void)
{
	g_autofree struct snapshot *s = of_fresh_vm(RIG_CONF(ACCEL_CPU_RESET, halt));

	g_assert_cmphex(s->sregs.cs.base + s->regs.rip, ==, 0xfffffff0);
	g_assert_cmphex(s->sregs.cs.selector, ==, 0xf000);
	g_assert_cmphex(s->sregs.cr0, ==, 0x60000010);
	g_assert_cmphex(s->sregs.efer | s->sregs.cr3 | s->sregs.cr4, ==, 0);
	g_assert_cmphex(s->regs.rflags, ==, 2);
	g_assert_cmphex(s->sregs.idt.limit, ==, 0xffff);
	g_assert_cmphex(s->sregs.apic_base, ==, 0xfee00900);
	g_assert_cmphex(s->msrs[2], ==, 0x0007040600070406);
	g_assert_cmphex(s->msrs[3] & 1, ==, 1);
	g_assert_cmphex(*(const uint32_t *)(const void *)(s->lapic.regs + 0xf0), ==, 0xff);
	g_assert_cmphex(*(const uint16_t *)(const void *)s->fpu, ==, 0x37f);
	g_assert_cmphex(*(const uint32_t *)(const void *)(s->fpu + 24), ==, 0x1f80);
}

/* A program that was reset in its middle begins again. */
static void test_reset_running(void)
{
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_LONG, echo, .access = echo_access));

	for (unsigned i = 0; i < 20; i++) {
		uint64_t n = echo_given(r);

		rig_run(r);
		rig_wait(r, echo_given(r) > n + 20);
		rig_pause(r);
		g_assert_cmpuint(r->test[ECHO_WRONG], ==, 0);
		rig_reset(r);
		r->test[ECHO_OWED] = false;
	}
	rig_free(r);
}

/* ---- save and load ---- */

static GByteArray *save(struct rig *r)
{
	GByteArray *a = g_byte_array_new();

	g_assert_cmpint(r->accel->ops->save(r->accel, a), ==, 0);
	return a;
}

static void copy_ram(struct rig *to, struct rig *from)
{
	memcpy(gmem_block_hva(to->ram), gmem_block_hva(from->ram), RIG_RAM);
}

/* Again and again into another VM, in the middle of whatever it does: the device sees one guest. */
static void travel(const struct rig_conf *conf, unsigned times)
{
	struct rig *r = rig_new(conf);

	for (unsigned i = 0; i < times; i++) {
		g_autofree struct snapshot *before = NULL, *after = NULL;
		g_autoptr(GByteArray) state = NULL;
		uint64_t n = echo_given(r);
		struct rig *next;

		rig_run(r);
		rig_wait(r, echo_given(r) > n + 20 + i % 7);
		rig_pause(r);
		before = take_snapshot();
		state = save(r);
		next = rig_new(conf);
		copy_ram(next, r);
		memcpy(next->test, r->test, sizeof(r->test));
		rig_free(r);
		r = next;
		g_assert_true(r->accel->ops->load(r->accel, state->data, state->len, NULL));
		after = take_snapshot();
		compare_snapshots(after, before);
		g_assert_cmpuint(r->test[ECHO_WRONG], ==, 0);
	}
	rig_free(r);
}

static void test_travel_native(void)
{
	travel(RIG_CONF(ACCEL_CPU_LONG, echo, .access = echo_access), 20);
}

static void test_travel_ring0(void)
{
	travel(RIG_CONF(ACCEL_CPU_PROTECTED, echo_ring0, .access = echo_access), 20);
}

static void take_vector(struct rig *r, struct rig_access *a)
{
	__atomic_store_n(&r->test[0], a->value, __ATOMIC_RELEASE);
}

/* A halted guest takes its interrupt in the VM that it was loaded into; LAPIC and halt state came with it. */
static void test_travel_halted(void)
{
	const struct rig_conf *conf = RIG_CONF(ACCEL_CPU_LONG, interrupts, .access = take_vector);
	const struct accel_msi msi = {.addr = 0xfee00000, .data = 0x44};
	struct rig *a = rig_new(conf), *b;
	g_autoptr(GByteArray) state = NULL;

	rig_run(a);
	rig_wait(a, rig_atomic(&a->done));
	rig_pause(a);
	state = save(a);
	b = rig_new(conf);
	copy_ram(b, a);
	rig_free(a);
	g_assert_true(b->accel->ops->load(b->accel, state->data, state->len, NULL));
	rig_run(b);
	g_assert_cmpint(b->accel->ops->msi_send(b->accel, &msi), ==, 0);
	rig_wait(b, __atomic_load_n(&b->test[0], __ATOMIC_ACQUIRE) == 0x44);
	rig_free(b);
}

/* A timer that was set in the one VM goes off in the other. */
static void test_travel_timer(void)
{
	const struct rig_conf *conf = RIG_CONF(ACCEL_CPU_LONG, deadline, .access = take_vector);
	struct rig *a = rig_new(conf), *b;
	g_autoptr(GByteArray) state = NULL;

	rig_run(a);
	rig_wait(a, rig_atomic(&a->done));
	rig_pause(a);
	g_assert_cmpuint(a->test[0], ==, 0);
	state = save(a);
	b = rig_new(conf);
	copy_ram(b, a);
	rig_free(a);
	g_assert_true(b->accel->ops->load(b->accel, state->data, state->len, NULL));
	rig_run(b);
	rig_wait(b, __atomic_load_n(&b->test[0], __ATOMIC_ACQUIRE) == 0x50);
	rig_free(b);
}

static void test_time_goes_on(void)
{
	const struct rig_conf *conf = RIG_CONF(ACCEL_CPU_LONG, echo, .access = echo_access);
	struct rig *r = rig_new(conf);
	g_autoptr(GByteArray) state = NULL;
	struct kvm_clock_data before = {}, after = {};

	rig_run(r);
	rig_wait(r, echo_given(r) > 20);
	rig_pause(r);
	get(spy.vm_fd, KVM_GET_CLOCK, &before);
	state = save(r);
	rig_free(r);
	r = rig_new(conf);
	g_assert_true(r->accel->ops->load(r->accel, state->data, state->len, NULL));
	get(spy.vm_fd, KVM_GET_CLOCK, &after);
	g_assert_cmpuint(after.clock, >=, before.clock);
	g_assert_cmpuint(after.clock - before.clock, <, 5 * NSEC_PER_SEC);
	rig_free(r);
}

/* ---- what cannot be loaded ---- */

static void test_truncated(void)
{
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_LONG, echo, .access = echo_access));
	g_autoptr(GByteArray) state = save(r);

	for (guint n = 0; n < state->len; n += 1 + n / 16) {
		g_autoptr(GError) error = NULL;

		g_assert_false(r->accel->ops->load(r->accel, state->data, n, &error));
		g_assert_nonnull(error);
	}
	rig_free(r);
}

/* Any bytes: refused or loaded, and after the next reset the VM is as good as new. */
static void test_mutated(void)
{
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_LONG, echo, .access = echo_access));
	GRand *rand = g_rand_new_with_seed(1);
	g_autoptr(GByteArray) state = NULL;
	unsigned refused = 0;

	rig_run(r);
	rig_wait(r, echo_given(r) > 20);
	rig_pause(r);
	state = save(r);
	for (unsigned i = 0; i < 300; i++) {
		g_autofree uint8_t *bytes = g_memdup2(state->data, state->len);

		for (unsigned n = 0; n < 1 + i % 40; n++)
			bytes[g_rand_int_range(rand, 0, (gint32)state->len)] ^=
				(uint8_t)(1 << g_rand_int_range(rand, 0, 8));
		refused += !r->accel->ops->load(r->accel, bytes, state->len, NULL);
	}
	g_rand_free(rand);
	g_test_message("%u of 300 refused", refused);
	g_assert_cmpuint(refused, >, 0);
	r->test[ECHO_OWED] = false;
	rig_reset(r);
	rig_run(r);
	rig_wait(r, echo_given(r) > 40);
	rig_pause(r);
	g_assert_cmpuint(r->test[ECHO_WRONG], ==, 0);
	rig_free(r);
}

int main(int argc, char **argv)
{
	rig_test_init(&argc, &argv);
	g_test_add_func("/kvm/reset/state", test_reset_state);
	g_test_add_func("/kvm/reset/everything", test_reset);
	g_test_add_func("/kvm/reset/running", test_reset_running);
	g_test_add_func("/kvm/save/native", test_travel_native);
	g_test_add_func("/kvm/save/ring0", test_travel_ring0);
	g_test_add_func("/kvm/save/halted", test_travel_halted);
	g_test_add_func("/kvm/save/timer", test_travel_timer);
	g_test_add_func("/kvm/save/clock", test_time_goes_on);
	g_test_add_func("/kvm/load/truncated", test_truncated);
	g_test_add_func("/kvm/load/mutated", test_mutated);
	return g_test_run();
}
