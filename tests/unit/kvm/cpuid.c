/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processor that each vCPU finds by CPUID: topology, the host's features, KVM's own leaves. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/kvm/kvmrig.h"

GUEST(cpuid);

#define ALL  UINT32_MAX
#define LIST 0x6000 /* in RAM: what the program asks */

struct regs {
	uint32_t eax, ebx, ecx, edx;
};

struct query {
	uint32_t leaf, subleaf;
};

enum {
	VENDOR,
	FEATURES,
	CACHE_L1,
	CACHE_L2,
	CACHE_L3,
	THREADS,
	CORES,
	BEYOND,
	KVM_SIGNATURE,
	KVM_FEATURES,
	QUERIES
};

static const struct query queries[QUERIES + 1] = {
	[VENDOR] = {0x00, 0},
	[FEATURES] = {0x01, 0},
	[CACHE_L1] = {0x04, 0},
	[CACHE_L2] = {0x04, 2},
	[CACHE_L3] = {0x04, 3},
	[THREADS] = {0x0b, 0},
	[CORES] = {0x0b, 1},
	[BEYOND] = {0x0b, 2},
	[KVM_SIGNATURE] = {0x40000000, 0},
	[KVM_FEATURES] = {0x40000001, 0},
	[QUERIES] = {ALL, ALL},
};

/* Runs the program on all vCPUs, each from the reset vector. */
static struct rig *ask(const struct accel_cpus *cpus)
{
	static const struct kvm_mp_state runnable = {KVM_MP_STATE_RUNNABLE};
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_RESET, cpuid, .cpus = cpus));

	rig_set_ram(r, LIST, queries, sizeof(queries));
	for (unsigned i = 1; i < cpus->count; i++)
		g_assert_cmpint(spy_ioctl(spy.vcpu_fd[i], KVM_SET_MP_STATE, &runnable), ==, 0);
	rig_run_until_done(r, cpus->count);
	return r;
}

static struct regs answer(struct rig *r, uint32_t apic_id, unsigned query)
{
	struct regs regs;
	uint64_t at = (16 + apic_id) * 0x1000 + query * sizeof(regs);

	g_assert_cmpint(gmem_read(r->gmem, GPA(at), &regs, sizeof(regs)), ==, 0);
	return regs;
}

/* How many APIC ids share what leaf 4 describes, and 0 where there is no such cache. */
static unsigned sharing(const struct regs *cache)
{
	return cache->eax & 0x1f ? (cache->eax >> 14 & 0xfff) + 1 : 0;
}

static void check_caches(struct rig *r, const struct accel_cpus *cpus, uint32_t id)
{
	for (unsigned q = CACHE_L1; q <= CACHE_L3; q++) {
		struct regs c = answer(r, id, q);
		unsigned level = c.eax >> 5 & 7;
		unsigned bits = level == 3 ? accel_package_bits(cpus) : accel_thread_bits(cpus);

		if (!sharing(&c))
			continue;
		g_assert_cmpuint(sharing(&c), ==, 1u << bits);
		g_assert_cmpuint((c.eax >> 26) + 1, ==,
			1u << (accel_package_bits(cpus) - accel_thread_bits(cpus)));
	}
}

static bool is_intel(struct regs vendor)
{
	return vendor.ebx == 0x756e6547; /* "Genu" */
}

/* As Intel SDM volume 3, section 9.9.3, finds a processor's place. */
static void check_place(struct rig *r, const struct accel_cpus *cpus, unsigned index)
{
	uint32_t id = accel_apic_id(cpus, index);
	struct regs one = answer(r, id, FEATURES), threads = answer(r, id, THREADS),
		    cores = answer(r, id, CORES);
	unsigned in_package = cpus->cores * cpus->threads;

	g_assert_cmpuint(one.ebx >> 24, ==, id);
	/* Software KVM shows the host's feature bits, whatever it was told. */
	if (in_package > 1 || !kvm_is_software())
		g_assert_cmpint(!!(one.edx & 1 << 28), ==, in_package > 1);
	g_assert_cmpuint(one.ebx >> 16 & 0xff, >=, in_package);
	g_assert_true(one.ecx & 1u << 31);
	check_caches(r, cpus, id);
	/* Older processors, of AMD's too, have no leaf 0xB. */
	if (answer(r, id, VENDOR).eax < 0xb || (!is_intel(answer(r, id, VENDOR)) && !threads.ebx))
		return;
	g_assert_cmpuint(threads.edx, ==, id);
	g_assert_cmpuint(threads.ecx >> 8 & 0xff, ==, 1);
	g_assert_cmpuint(threads.ebx, ==, cpus->threads);
	g_assert_cmpuint(cores.ecx >> 8 & 0xff, ==, 2);
	g_assert_cmpuint(cores.ebx, ==, in_package);
	g_assert_cmpuint(answer(r, id, BEYOND).ecx >> 8 & 0xff, ==, 0);
	/* Back from the id to thread, core, socket. */
	g_assert_cmpuint(id & ((1u << threads.eax) - 1), ==, index % cpus->threads);
	g_assert_cmpuint(id >> threads.eax & ((1u << (cores.eax - threads.eax)) - 1), ==,
		index / cpus->threads % cpus->cores);
	g_assert_cmpuint(id >> cores.eax, ==, index / in_package);
}

static void test_topology(void)
{
	static const struct accel_cpus shapes[] = {{1, 1, 1, 1}, {2, 1, 2, 1}, {2, 1, 1, 2},
		{2, 2, 1, 1}, {4, 1, 2, 2}, {6, 2, 3, 1}, {6, 1, 3, 2}, {3, 2, 2, 1}};

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct rig *r = ask(&shapes[i]);

		for (unsigned n = 0; n < shapes[i].count; n++)
			check_place(r, &shapes[i], n);
		rig_free(r);
	}
}

static struct kvm_cpuid_entry2 supported(uint32_t leaf)
{
	g_autofree struct kvm_cpuid2 *c = g_malloc0(sizeof(*c) + 256 * sizeof(c->entries[0]));
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	c->nent = 256;
	g_assert_cmpint(spy_ioctl(fd, KVM_GET_SUPPORTED_CPUID, c), ==, 0);
	close(fd);
	for (uint32_t i = 0; i < c->nent; i++) {
		if (c->entries[i].function == leaf && !c->entries[i].index)
			return c->entries[i];
	}
	g_assert_not_reached();
}

/* What KVM offers the guest gets, its paravirtual features among it. */
static void test_features(void)
{
	static const unsigned char pv[] = {
		0, /* clock */
		3, /* clock, second generation */
		4, /* asynchronous page faults */
		5, /* steal time */
		6, /* end of interrupt */
		7, /* spinlocks */
		9, /* TLB flush */
	};
	const struct accel_cpus one = {1, 1, 1, 1};
	struct rig *r = ask(&one);
	struct regs kvm = answer(r, 0, KVM_FEATURES), signature = answer(r, 0, KVM_SIGNATURE);
	struct kvm_cpuid_entry2 host = supported(1), host_pv = supported(0x40000001);

	g_assert_cmpmem(&signature.ebx, 12, "KVMKVMKVM\0\0\0", 12);
	g_assert_cmphex(signature.eax, >=, 0x40000001);
	for (size_t i = 0; i < ARRAY_SIZE(pv); i++) {
		g_test_message("feature %u: %s", pv[i],
			kvm.eax & 1u << pv[i] ? "yes" : "not in this kernel");
		g_assert_cmpint(kvm.eax >> pv[i] & 1, ==, host_pv.eax >> pv[i] & 1);
	}
	g_assert_true(kvm.eax & 1 << 3);
	g_assert_cmphex(host.edx & ~answer(r, 0, FEATURES).edx & ~(1u << 28), ==, 0);
	/* OSXSAVE follows the guest's CR4. */
	g_assert_cmphex(host.ecx & ~answer(r, 0, FEATURES).ecx & ~(1u << 27), ==, 0);
	rig_free(r);
}

int main(int argc, char **argv)
{
	rig_test_init(&argc, &argv);
	g_test_add_func("/kvm/cpuid/topology", test_topology);
	g_test_add_func("/kvm/cpuid/features", test_features);
	return g_test_run();
}
