/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/accel.h"

/* Bits that number @n things. */
static unsigned field_width(unsigned n)
{
	return n > 1 ? 32 - (unsigned)__builtin_clz(n - 1) : 0;
}

unsigned accel_thread_bits(const struct accel_cpus *cpus)
{
	return field_width(cpus->threads);
}

unsigned accel_package_bits(const struct accel_cpus *cpus)
{
	return accel_thread_bits(cpus) + field_width(cpus->cores);
}

uint32_t accel_apic_id(const struct accel_cpus *cpus, unsigned index)
{
	unsigned thread = index % cpus->threads;
	unsigned core = index / cpus->threads % cpus->cores;
	unsigned socket = index / cpus->threads / cpus->cores;

	return socket << accel_package_bits(cpus) | core << accel_thread_bits(cpus) | thread;
}
