/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest sees of the processor: the host's, as far as KVM can offer it, with the guest's own topology. Leaf numbers as in
 * Intel SDM volume 2A "CPUID" and AMD APM volume 3 appendix E; KVM's leaves as in the kernel's Documentation/virt/kvm/x86/cpuid.rst.
 */
#include <errno.h>
#include <string.h>

#include "vmmd/kvm/kvm-internal.h"

#define MAX_ENTRIES 256

/* Leaf 1 */
#define ECX1_TSC_DEADLINE (1u << 24)
#define ECX1_HYPERVISOR   (1u << 31)
#define EDX1_HTT          (1u << 28)

static uint32_t set_field(uint32_t reg, unsigned shift, unsigned width, uint32_t value)
{
	uint32_t mask = (uint32_t)((UINT64_C(1) << width) - 1) << shift;

	return (reg & ~mask) | (value << shift & mask);
}

static void leaf_features(
	struct kvm_cpuid_entry2 *e, const struct accel_cpus *cpus, uint32_t apic_id, bool deadline)
{
	unsigned siblings = 1u << accel_package_bits(cpus);

	e->ebx = set_field(e->ebx, 24, 8, apic_id);
	e->ebx = set_field(e->ebx, 16, 8, MIN(siblings, 255u));
	e->ecx |= ECX1_HYPERVISOR | (deadline ? ECX1_TSC_DEADLINE : 0);
	if (siblings > 1)
		e->edx |= EDX1_HTT;
	else
		e->edx &= ~EDX1_HTT;
}

/* Leaf 4, and AMD's 8000_001Dh of the same shape: which caches threads share. L1 and L2 belong to a core, L3 to the package. */
static void leaf_caches(struct kvm_cpuid_entry2 *e, const struct accel_cpus *cpus)
{
	unsigned level = e->eax >> 5 & 7;
	unsigned sharing = level < 3 ? accel_thread_bits(cpus) : accel_package_bits(cpus);

	if (!(e->eax & 0x1f))
		return;
	e->eax = set_field(e->eax, 14, 12, (1u << sharing) - 1);
	if (e->function == 4)
		e->eax = set_field(e->eax, 26, 6,
			(1u << (accel_package_bits(cpus) - accel_thread_bits(cpus))) - 1);
}

/* Leaves 0xB and 0x1F: level 0 threads, level 1 cores. */
static void leaf_topology(
	struct kvm_cpuid_entry2 *e, const struct accel_cpus *cpus, uint32_t apic_id)
{
	static const uint32_t type_of_level[] = {1, 2};

	e->ecx = e->index & 0xff;
	e->eax = e->ebx = 0;
	e->edx = apic_id;
	if (e->index >= ARRAY_SIZE(type_of_level))
		return;
	e->ecx |= type_of_level[e->index] << 8;
	e->eax = e->index ? accel_package_bits(cpus) : accel_thread_bits(cpus);
	e->ebx = e->index ? cpus->threads * cpus->cores : cpus->threads;
}

/* AMD: cores in the package (8000_0008h ECX), and this one's place (8000_001Eh). */
static void leaf_amd_cores(struct kvm_cpuid_entry2 *e, const struct accel_cpus *cpus)
{
	unsigned n = cpus->cores * cpus->threads;

	e->ecx = n > 1 ? (accel_package_bits(cpus) << 12 | (n - 1)) : 0;
}

static void leaf_amd_place(
	struct kvm_cpuid_entry2 *e, const struct accel_cpus *cpus, uint32_t apic_id)
{
	e->eax = apic_id;
	e->ebx = (cpus->threads - 1) << 8 | (apic_id >> accel_thread_bits(cpus) & 0xff);
	e->ecx = apic_id >> accel_package_bits(cpus) & 0xff;
	e->edx = 0;
}

static void fit(
	struct kvm_cpuid_entry2 *e, const struct accel_cpus *cpus, uint32_t apic_id, bool deadline)
{
	switch (e->function) {
	case 0x00000001: leaf_features(e, cpus, apic_id, deadline); break;
	case 0x00000004:
	case 0x8000001d: leaf_caches(e, cpus); break;
	case 0x0000000b:
	case 0x0000001f: leaf_topology(e, cpus, apic_id); break;
	case 0x80000008: leaf_amd_cores(e, cpus); break;
	case 0x8000001e: leaf_amd_place(e, cpus, apic_id); break;
	default: break;
	}
}

/* KVM lists one sub-leaf of the topology leaves; the guest walks them until a level of type 0. */
static void add_topology_levels(struct kvm_cpuid2 *c, uint32_t function)
{
	uint32_t have = 0, i;

	for (i = 0; i < c->nent; i++) {
		if (c->entries[i].function == function)
			have |= 1u << MIN(c->entries[i].index, 31u);
	}
	if (!have)
		return;
	for (i = 0; i < 3 && c->nent < MAX_ENTRIES; i++) {
		if (!(have & 1u << i))
			c->entries[c->nent++] = (struct kvm_cpuid_entry2){.function = function,
				.index = i,
				.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX};
	}
}

bool kvm_cpuid_apply(struct kvm *k, GError **error)
{
	size_t size = sizeof(struct kvm_cpuid2) + MAX_ENTRIES * sizeof(struct kvm_cpuid_entry2);
	g_autofree struct kvm_cpuid2 *host = g_malloc0(size), *own = g_malloc0(size);
	bool deadline = kvm_ioctl(k->dev_fd, KVM_CHECK_EXTENSION,
				(void *)KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	int err;

	host->nent = MAX_ENTRIES - 6;
	err = kvm_ioctl(k->dev_fd, KVM_GET_SUPPORTED_CPUID, host);
	if (err < 0)
		return kvm_step_failed(
			&k->accel, error, -err, "KVM does not tell what CPUID it can offer");
	add_topology_levels(host, 0x0b);
	add_topology_levels(host, 0x1f);
	for (unsigned i = 0; i < k->n_vcpus; i++) {
		memcpy(own, host, size);
		for (uint32_t n = 0; n < own->nent; n++)
			fit(&own->entries[n], &k->cpus, accel_apic_id(&k->cpus, i), deadline);
		err = kvm_ioctl(k->vcpus[i].fd, KVM_SET_CPUID2, own);
		if (err < 0)
			return kvm_step_failed(
				&k->accel, error, -err, "KVM refuses the CPUID of vCPU %u", i);
	}
	return true;
}
