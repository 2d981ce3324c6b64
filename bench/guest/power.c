/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reset and power off, by the registers that operating systems use. */
#include "commands.h"
#include "cpu.h"
#include "io.h"
#include "layout.h"
#include "lib.h"
#include "out.h"
#include "pci.h"

/* RAM keeps its contents over a reset; .bss does not. */
#define SURVIVOR_MAGIC 0x7265736574766d6dull

struct survivor {
	uint64_t magic;
	uint32_t next;
};

static struct survivor *const survivor = (struct survivor *)GUEST_SURVIVOR;

unsigned int power_resumes_at(void)
{
	if (survivor->magic != SURVIVOR_MAGIC)
		return 0;
	survivor->magic = 0;
	return survivor->next;
}

static void reset_cf9(void)
{
	outb(0xcf9, 0x02); /* PIIX3/ICH RST_CNT: hard reset, then the rising edge of RST_CPU */
	outb(0xcf9, 0x06);
}

static void reset_keyboard(void)
{
	outb(0x64, 0xfe); /* 8042: pulse output line 0 */
}

static uint64_t forget_idt0(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = {0, 0};

	__asm__ volatile("lidt %0" : : "m"(none));
	return 0;
}

static void reset_triple_fault(void)
{
	cpu_call0(forget_idt0, 0, 0);
	__asm__ volatile("ud2");
}

void cmd_reset(const struct args *a)
{
	static const struct {
		const char *name;
		void (*reset)(void);
	} ways[] = {
		{"cf9", reset_cf9},
		{"kbd", reset_keyboard},
		{"triple", reset_triple_fault},
	};
	const char *by = arg_str(a, "by");

	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
		if (!str_eq(ways[i].name, by))
			continue;
		*survivor = (struct survivor){.magic = SURVIVOR_MAGIC, .next = a->index + 1};
		out("reset=%s\n", by);
		ways[i].reset();
		cpu_halt();
	}
	fail("reset: by must be cf9, kbd or triple");
}

/* The PIIX4 decodes its power management registers once firmware has said where (PMBASE, PMREGMISC). */
static void place_piix4_registers(uint16_t port)
{
	const struct pci_dev *d = pci_find(0x8086, 0x7113);

	if (!d)
		return;
	pci_write(d, 0x40, port & 0xffc0);
	pci_write(d, 0x80, pci_read(d, 0x80) | 1);
}

/* ACPI 4.8.3.2: PM1 control, SLP_TYP in bits 12:10, SLP_EN bit 13. */
void cmd_poweroff(const struct args *a)
{
	uint16_t port = arg_range(a, "port", 1, 0xffff);
	uint16_t type = arg_range(a, "type", 0, 7);

	place_piix4_registers(port);
	out("poweroff\n");
	outw(port, type << 10 | 1 << 13);
	cpu_halt();
}
