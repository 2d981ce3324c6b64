/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one register access costs, as the guest sees it. */
#include "commands.h"
#include "cpu.h"
#include "io.h"
#include "layout.h"
#include "lib.h"

#define MAX_SAMPLES 1000000

static void access_port(uintptr_t port, bool write)
{
	if (write)
		outb(port, 0);
	else
		inb(port);
}

static void access_memory(uintptr_t addr, bool write)
{
	if (write)
		mmio_write32(addr, 0);
	else
		mmio_read32(addr);
}

static void measure(const struct args *a, uintptr_t where, void (*access)(uintptr_t, bool))
{
	size_t n = arg_range(a, "n", 1, MAX_SAMPLES);
	bool write = arg_is(a, "dir", "out", "in");
	struct samples s;

	samples_init(&s, n);
	for (size_t i = 0; i < n; i++) {
		uint64_t t = rdtsc();

		access(where, write);
		samples_add(&s, rdtsc() - t);
	}
	samples_report(&s, a->command->name, "cycles");
}

void cmd_pio(const struct args *a)
{
	measure(a, arg_range(a, "port", 0, 0xffff), access_port);
}

void cmd_mmio(const struct args *a)
{
	measure(a, arg_range(a, "addr", GUEST_MMIO, 0xfffffffc), access_memory);
}
