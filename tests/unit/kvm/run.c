/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vCPUs that run, stop, start each other and fail. */
#include <errno.h>
#include <string.h>

#include "base/sandbox.h"
#include "tests/lib/child.h"
#include "tests/unit/kvm/echo.h"
#include "vmmd/vm/seccomp.h"

GUEST(spin);
GUEST(echo);
GUEST(echo_ring0);
GUEST(halt);
GUEST(smp);
GUEST(ap);
GUEST(triple);
GUEST(lost);

/* ---- pause ---- */

/* Stopped wherever it is, a thousand times: no access is lost, none comes twice, none comes while it is stopped. */
static void pause_often(const struct rig_conf *conf, unsigned times)
{
	struct rig *r = rig_new(conf);
	int64_t begin = loop_now();

	for (unsigned i = 0; i < times; i++) {
		uint64_t n = echo_given(r);

		rig_run(r);
		if (i % 2)
			rig_wait(r, echo_given(r) > n);
		rig_pause(r);
		n = echo_given(r);
		/* The last number given is in the guest, whether or not it came to count it. */
		g_assert_cmpuint(n - rig_ram(r, ECHO_COUNT, 4), <=, 1);
		g_assert_cmpuint(r->test[ECHO_WRONG], ==, 0);
		g_assert_cmpuint(echo_given(r), ==, n);
	}
	g_assert_cmpuint(echo_given(r), >=, times / 2);
	g_test_message("%u pauses, %" G_GUINT64_FORMAT " accesses, %" G_GINT64_FORMAT " us a pause",
		times, echo_given(r), (loop_now() - begin) / times / NSEC_PER_USEC);
	rig_free(r);
}

static void test_pause_native(void)
{
	pause_often(RIG_CONF(ACCEL_CPU_LONG, echo, .access = echo_access), 1000);
}

static void test_pause_ring0(void)
{
	pause_often(RIG_CONF(ACCEL_CPU_PROTECTED, echo_ring0, .access = echo_access), 1000);
}

/* A guest that never exits by itself. */
static void test_pause_spin(void)
{
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_LONG, spin));
	uint64_t before = 0, stopped;

	rig_run(r);
	rig_wait(r, rig_atomic(&r->done));
	for (unsigned i = 0; i < 100; i++) {
		rig_wait(r, rig_ram(r, 0x1000, 8) > before);
		rig_pause(r);
		stopped = rig_ram(r, 0x1000, 8);
		loop_iterate(r->loop, 0);
		g_assert_cmpuint(rig_ram(r, 0x1000, 8), ==, stopped);
		before = stopped;
		rig_run(r);
	}
	rig_free(r);
}

/* In HLT with interrupts off nothing but the kick wakes it. */
static void test_pause_halt(void)
{
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_PROTECTED, halt));
	uint64_t n[KVM_EXITS_N];

	rig_run(r);
	rig_wait(r, rig_atomic(&r->done));
	for (unsigned i = 0; i < 100; i++) {
		rig_pause(r);
		rig_run(r);
	}
	kvm_exit_counts(r->accel, 0, n);
	g_assert_cmpuint(n[KVM_EXITS_IO], ==, 1);
	g_assert_cmpuint(n[KVM_EXITS_OTHER] + n[KVM_EXITS_HLT], ==, 0);
	rig_free(r);
}

/* Before the first start, and twice: it answers each time. Running what runs changes nothing. */
static void test_pause_idle(void)
{
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_LONG, echo, .access = echo_access));

	rig_pause(r);
	rig_pause(r);
	g_assert_cmpuint(echo_given(r), ==, 0);
	rig_run(r);
	rig_run(r);
	rig_wait(r, echo_given(r) > 10);
	rig_pause(r);
	rig_pause(r);
	rig_free(r);
}

/* ---- several ---- */

static void test_smp(void)
{
	static const struct accel_cpus shapes[] = {
		{2, 1, 2, 1}, {2, 2, 1, 1}, {4, 2, 1, 2}, {5, 2, 3, 1}};

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_PROTECTED, smp, .cpus = &shapes[i]));

		rig_set_ram(r, 0xb000, guest_ap, (size_t)(guest_ap_end - guest_ap));
		r->start.rsi = shapes[i].count - 1;
		rig_reset(r);
		rig_run_until_done(r, 1);
		g_assert_cmpuint(rig_ram(r, 0x1000, 4), ==, shapes[i].count - 1);
		g_assert_cmphex(rig_ram(r, 0x1004, 2), ==, 0xb00);
		/* The others wait for their start again after a reset. */
		rig_set_ram(r, 0x1000, "\0\0\0\0", 4);
		rig_reset(r);
		rig_run_until_done(r, 2);
		g_assert_cmpuint(rig_ram(r, 0x1000, 4), ==, shapes[i].count - 1);
		rig_free(r);
	}
}

/* ---- failure ---- */

#define STARTS 0 /* in rig.test */

static void count_start(struct rig *r, struct rig_access *a)
{
	if (a->write && a->value == 0x77)
		__atomic_fetch_add(&r->test[STARTS], 1, __ATOMIC_RELEASE);
}

/* The event comes once, the vCPU waits, and a reset brings it back. */
static void test_triple_fault(void)
{
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_LONG, triple, .access = count_start));

	for (unsigned i = 1; i <= 5; i++) {
		rig_run(r);
		rig_wait(r, rig_atomic(&r->events[ACCEL_TRIPLE_FAULT]) == i);
		rig_pause(r);
		g_assert_cmpuint(r->test[STARTS], ==, i);
		g_assert_cmpstr(r->detail, ==, "triple fault");
		rig_reset(r);
	}
	g_assert_cmpuint(rig_atomic(&r->events[ACCEL_INTERNAL_ERROR]), ==, 0);
	rig_free(r);
}

/* Running what has failed does not make it fail again: only pause and run do. */
static void test_triple_fault_waits(void)
{
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_LONG, triple, .access = count_start));

	rig_run(r);
	rig_wait(r, rig_atomic(&r->events[ACCEL_TRIPLE_FAULT]) == 1);
	rig_run(r);
	rig_pause(r);
	g_assert_cmpuint(rig_atomic(&r->events[ACCEL_TRIPLE_FAULT]), ==, 1);
	rig_free(r);
}

static void test_internal_error(void)
{
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_PROTECTED, lost));

	for (unsigned i = 1; i <= 3; i++) {
		rig_run(r);
		rig_wait(r, rig_atomic(&r->events[ACCEL_INTERNAL_ERROR]) == i);
		rig_pause(r);
		g_assert_cmpstr(r->detail, ==, "KVM internal error, suberror 1");
		rig_reset(r);
	}
	rig_free(r);
}

static int refuse(unsigned vcpu)
{
	return -EPERM;
}

static void test_thread_setup_fails(void)
{
	struct rig *r = rig_new(
		RIG_CONF(ACCEL_CPU_LONG, echo, .access = echo_access, .thread_setup = refuse));

	rig_run(r);
	rig_wait(r, rig_atomic(&r->events[ACCEL_INTERNAL_ERROR]));
	rig_pause(r);
	g_assert_nonnull(strstr(r->detail, "sandbox"));
	g_assert_cmpuint(echo_given(r), ==, 0);
	rig_free(r);
}

/* ---- under the filter of the engine's vCPU threads ---- */

static int enter_filter(unsigned vcpu)
{
	return vm_seccomp_enter(VM_ROLE_VCPU);
}

static int run_filtered(const void *opaque)
{
	struct rig *r;

	if (vm_seccomp_init() < 0)
		return 1;
	r = rig_new(RIG_CONF(
		ACCEL_CPU_LONG, echo, .access = echo_access, .thread_setup = enter_filter));
	for (unsigned i = 0; i < 20; i++) {
		uint64_t n = echo_given(r);

		rig_run(r);
		rig_wait(r, echo_given(r) > n + 10);
		rig_pause(r);
	}
	rig_free(r);
	return sandbox_trap_count() == 0 ? 0 : 2;
}

static void test_filter(void)
{
	struct child child = run_in_child(run_filtered, NULL);

	g_assert_cmpstr(child.output, ==, "");
	g_assert_cmpint(child.status, ==, 0);
	g_free(child.output);
}

int main(int argc, char **argv)
{
	rig_test_init(&argc, &argv);
	g_test_add_func("/kvm/pause/native", test_pause_native);
	g_test_add_func("/kvm/pause/ring0", test_pause_ring0);
	g_test_add_func("/kvm/pause/spin", test_pause_spin);
	g_test_add_func("/kvm/pause/halt", test_pause_halt);
	g_test_add_func("/kvm/pause/idle", test_pause_idle);
	g_test_add_func("/kvm/smp", test_smp);
	g_test_add_func("/kvm/triple-fault/reset", test_triple_fault);
	g_test_add_func("/kvm/triple-fault/waits", test_triple_fault_waits);
	g_test_add_func("/kvm/internal-error", test_internal_error);
	g_test_add_func("/kvm/thread-setup-fails", test_thread_setup_fails);
	g_test_add_func("/kvm/filter", test_filter);
	return g_test_run();
}
