/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an operator is told when KVM cannot be used: each cause its own code and sentence. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "tests/lib/child.h"
#include "tests/unit/kvm/kvmrig.h"

#define NEEDS_ROOT 77 /* exit status of a child that cannot make its situation */

/* The message goes to the test by stderr. Exit status 0: the error has code @code. */
static int try_kvm(int fd, int code)
{
	const struct kvm_conf conf = {.fd = fd, .loop = loop_new("main", NULL), .irqchip = true};
	g_autoptr(GError) error = NULL;
	struct accel *a = kvm_new(&conf, &error);

	if (a || !error || error->domain != VMMD_ERROR || error->code != code)
		return 1;
	dprintf(STDERR_FILENO, "%s", error->message);
	return 0;
}

/* A /dev of our own. */
static bool private_dev(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", "/dev", "tmpfs", 0, NULL) == 0;
}

static int no_device(const void *opaque)
{
	return private_dev() ? try_kvm(-1, VMMD_ERROR_NOT_FOUND) : NEEDS_ROOT;
}

/* The node is there, no driver behind it: 10:254 belongs to none that Linux documents. */
static int no_driver(const void *opaque)
{
	if (!private_dev() || mknod("/dev/kvm", S_IFCHR | 0600, makedev(10, 254)) < 0)
		return NEEDS_ROOT;
	return try_kvm(-1, VMMD_ERROR_UNSUPPORTED);
}

static int no_permission(const void *opaque)
{
	if (!private_dev() || mknod("/dev/kvm", S_IFCHR | 0660, makedev(10, 232)) < 0 ||
		setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
		setresuid(65534, 65534, 65534) < 0)
		return NEEDS_ROOT;
	return try_kvm(-1, VMMD_ERROR_PERMISSION);
}

static int not_kvm(const void *opaque)
{
	int p[2];

	return pipe2(p, O_CLOEXEC) == 0 ? try_kvm(p[0], VMMD_ERROR_HOST) : 1;
}

/* ---- answers of kernels that we do not have ---- */

static bool old_api(unsigned long request, unsigned long arg, int *ret)
{
	*ret = 11;
	return request == KVM_GET_API_VERSION;
}

static bool no_capability(unsigned long request, unsigned long arg, int *ret)
{
	*ret = 0;
	return request == KVM_CHECK_EXTENSION;
}

static bool virtualization_off(unsigned long request, unsigned long arg, int *ret)
{
	*ret = -EOPNOTSUPP;
	return request == KVM_CREATE_VM;
}

static bool virtualization_taken(unsigned long request, unsigned long arg, int *ret)
{
	*ret = -EBUSY;
	return request == KVM_CREATE_VM;
}

static bool no_memory(unsigned long request, unsigned long arg, int *ret)
{
	*ret = -ENOMEM;
	return request == KVM_CREATE_VM;
}

struct fault {
	bool (*answer)(unsigned long request, unsigned long arg, int *ret);
	int code;
};

static int faulty_kernel(const void *opaque)
{
	const struct fault *f = opaque;

	spy.answer = f->answer;
	return try_kvm(-1, f->code);
}

#define FAULT(fn, c)                         \
	faulty_kernel, &(const struct fault) \
	{                                    \
		fn, c                        \
	}

static const struct {
	const char *name;
	int (*fn)(const void *opaque);
	const struct fault *fault;
	const char *words; /* of the message */
} cases[] = {
	{"no-device", no_device, NULL, "/dev/kvm is not there"},
	{"no-driver", no_driver, NULL, "/dev/kvm has no hypervisor behind it"},
	{"no-permission", no_permission, NULL, "no permission to open /dev/kvm"},
	{"not-kvm", not_kvm, NULL, "/dev/kvm does not answer as KVM"},
	{"old-api", FAULT(old_api, VMMD_ERROR_UNSUPPORTED), "API version 11, 12 is needed"},
	{"off", FAULT(virtualization_off, VMMD_ERROR_UNSUPPORTED), "VT-x or AMD-V is off"},
	{"taken", FAULT(virtualization_taken, VMMD_ERROR_UNSUPPORTED),
		"taken by another hypervisor"},
	{"no-memory", FAULT(no_memory, VMMD_ERROR_HOST), "Cannot allocate memory"},
};

static void test_case(const void *opaque)
{
	size_t i = GPOINTER_TO_SIZE(opaque);
	struct child child = run_in_child(cases[i].fn, cases[i].fault);

	if (child.status == NEEDS_ROOT) {
		g_test_skip("needs root");
	} else {
		g_test_message("%s", child.output);
		g_assert_cmpint(child.status, ==, 0);
		g_assert_nonnull(strstr(child.output, cases[i].words));
	}
	g_free(child.output);
}

/* ---- missing capabilities ---- */

#define NONE UINT32_MAX

/* A request that fails, a capability that is not there. */
static unsigned long refused = NONE, lacking = NONE;

static bool refuse(unsigned long request, unsigned long arg, int *ret)
{
	bool asked = request == KVM_CHECK_EXTENSION && arg == lacking;

	*ret = asked ? 0 : -EINVAL;
	return asked || request == refused;
}

/* The error of a set-up in which @request fails on a kernel without @capability. */
static GError *set_up_lacking(unsigned long request, unsigned long capability)
{
	const struct accel_cpus cpus = {2, 1, 2, 1};
	struct kvm_conf conf = {
		.fd = -1, .loop = loop_new("main", NULL), .irqchip = true, .pit = true};
	GError *error = NULL;
	struct accel *a;

	refused = request;
	lacking = capability;
	spy.answer = refuse;
	a = kvm_new(&conf, &error);
	if (a) {
		g_assert_false(a->ops->irqchip_create(a, &error) &&
			       a->ops->vcpus_create(a, &cpus, NULL, &error));
		a->ops->free(a);
	}
	spy.answer = NULL;
	refused = lacking = NONE;
	loop_free(conf.loop);
	g_assert_nonnull(error);
	g_test_message("%s", error->message);
	return error;
}

/* What would be missed too late is asked for; what fails a step of the set-up is named then, with those who need it. */
static void test_capabilities(void)
{
	static const struct {
		unsigned long capability, refused;
		const char *words;
	} kernels[] = {
		{KVM_CAP_IMMEDIATE_EXIT, NONE, "KVM_CAP_IMMEDIATE_EXIT (to stop a vCPU)"},
		{KVM_CAP_IRQFD, NONE, "KVM_CAP_IRQFD (for interrupts"},
		{KVM_CAP_SET_TSS_ADDR, KVM_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR (for real mode"},
		{KVM_CAP_IRQCHIP, KVM_CREATE_IRQCHIP, "KVM_CAP_IRQCHIP (for the interrupt"},
		{KVM_CAP_PIT2, KVM_CREATE_PIT2, "KVM_CAP_PIT2 (for the interval timer)"},
		{KVM_CAP_IRQ_ROUTING, KVM_SET_GSI_ROUTING, "KVM_CAP_IRQ_ROUTING (for interrupts"},
		{KVM_CAP_EXT_CPUID, KVM_GET_SUPPORTED_CPUID, "KVM_CAP_EXT_CPUID (for the"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
		g_autoptr(GError) error = set_up_lacking(kernels[i].refused, kernels[i].capability);

		g_assert_error(error, VMMD_ERROR, VMMD_ERROR_UNSUPPORTED);
		g_assert_nonnull(strstr(error->message, kernels[i].words));
		/* It alone is named. */
		g_assert_true(strstr(error->message, "KVM_CAP_") ==
			      g_strrstr(error->message, "KVM_CAP_"));
	}
}

/* For steps that are others', like the layout of memory. */
static void test_capabilities_later(void)
{
	const struct kvm_conf conf = {.fd = -1, .irqchip = true};
	g_autoptr(GError) error = NULL, other = NULL;
	struct accel *a = kvm_new(&conf, &error);

	g_assert_no_error(error);
	lacking = KVM_CAP_READONLY_MEM;
	spy.answer = refuse;
	g_assert_false(kvm_step_failed(a, &error, EINVAL, "ROM %u", 7));
	lacking = NONE;
	g_assert_false(kvm_step_failed(a, &other, EINVAL, "ROM %u", 7));
	spy.answer = NULL;
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_UNSUPPORTED);
	g_assert_nonnull(strstr(error->message, "KVM_CAP_READONLY_MEM (for firmware in ROM)"));
	g_assert_error(other, VMMD_ERROR, VMMD_ERROR_HOST);
	g_assert_cmpstr(other->message, ==, "ROM 7: Invalid argument");
	a->ops->free(a);
}

/* A kernel that lacks more than one: all are named at once. */
static void test_capabilities_all(void)
{
	g_autoptr(GError) error = NULL;

	spy.answer = no_capability;
	g_assert_null(kvm_new(&(struct kvm_conf){.fd = -1, .irqchip = true}, &error));
	spy.answer = NULL;
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_UNSUPPORTED);
	g_assert_nonnull(strstr(error->message, "KVM_CAP_IMMEDIATE_EXIT ("));
	g_assert_nonnull(strstr(error->message, ", KVM_CAP_XSAVE ("));
}

/* ---- later failures ---- */

/* Set-up that fails half way: an error with its words, and everything is given back. */
static void test_setup(void)
{
	static const struct {
		unsigned long request;
		const char *words;
	} steps[] = {
		{KVM_CREATE_IRQCHIP, "interrupt controllers"},
		{KVM_CREATE_PIT2, "interval timer"},
		{KVM_SET_GSI_ROUTING, "interrupt routes"},
		{KVM_CREATE_VCPU, "vCPU 0 (APIC id 0)"},
		{KVM_GET_SUPPORTED_CPUID, "CPUID"},
		{KVM_SET_CPUID2, "CPUID of vCPU 0"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		g_autoptr(GError) error = set_up_lacking(steps[i].request, NONE);

		g_assert_error(error, VMMD_ERROR, VMMD_ERROR_HOST);
		g_assert_nonnull(strstr(error->message, steps[i].words));
	}
}

/* The kernel refuses memory to a running guest: the VM stops with an internal error that says so. */
static void test_memory_refused(void)
{
	GUEST(halt);
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_PROTECTED, halt));

	rig_run(r);
	rig_wait(r, rig_atomic(&r->done));
	refused = KVM_SET_USER_MEMORY_REGION;
	spy.answer = refuse;
	bus_lock(r->bus);
	region_unmap(r->bus, &r->rom_region);
	bus_unlock(r->bus);
	spy.answer = NULL;
	g_assert_cmpuint(rig_atomic(&r->events[ACCEL_INTERNAL_ERROR]), ==, 1);
	g_assert_nonnull(strstr(r->detail, "memory"));
	rig_free(r);
}

int main(int argc, char **argv)
{
	rig_test_init(&argc, &argv);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		g_autofree char *path = g_strdup_printf("/kvm/error/%s", cases[i].name);

		g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_case);
	}
	g_test_add_func("/kvm/error/capabilities", test_capabilities);
	g_test_add_func("/kvm/error/capabilities-later", test_capabilities_later);
	g_test_add_func("/kvm/error/capabilities-all", test_capabilities_all);
	g_test_add_func("/kvm/error/setup", test_setup);
	g_test_add_func("/kvm/error/memory", test_memory_refused);
	return g_test_run();
}
