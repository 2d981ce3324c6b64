/* SPDX-License-Identifier: GPL-2.0-or-later */
/* i440FX, PIIX3 and PIIX4 power management, through configuration mechanism 1 as firmware uses it. */
#include "devmodel/chipset/chipset.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/board.h"

#define CONFADD  0xcf8
#define CONFDATA 0xcfc
#define RCR      0xcf9

#define PMC  PCI_DEVFN(0, 0)
#define ISA  PCI_DEVFN(1, 0)
#define PM   PCI_DEVFN(1, 3)
#define PORT PIIX4_PM_BASE

#define BIOS_SIZE (256 * KiB)

struct pc {
	struct board b;
	struct dev *pmc, *isa, *pm;
	struct gmem_block *bios;
};

static struct dev *add_function(struct pc *p, const struct dev_ops *ops, int8_t function)
{
	struct dev *d = dev_new(p->b.bus, ops, ops->name);

	to_pci_dev(d)->bus = i440fx_pci_bus(p->pmc);
	to_pci_dev(d)->addr = (struct prop_pci){.slot = 1, .function = function};
	board_realize(&p->b, d);
	return d;
}

/* Each KiB of the firmware begins with its number, "rom" behind it; RAM with "ram". */
static void mark(struct gmem_block *b, const char *name)
{
	for (uint64_t at = 0; at < gmem_block_size(b); at += KiB) {
		char text[8] = "";

		g_snprintf(text, sizeof(text), "%s%u", name, (unsigned)(at / KiB));
		g_assert_cmpint(gmem_block_load(b, at, text, sizeof(text)), ==, 0);
	}
}

static void pc_init(struct pc *p)
{
	const struct gmem_block_conf conf = {.name = "bios", .size = BIOS_SIZE};

	board_init(&p->b);
	p->bios = gmem_block_new(&conf, NULL);
	mark(p->bios, "rom");
	mark(p->b.ram, "ram");
	p->pmc = dev_new(p->b.bus, &i440fx_ops, "i440fx");
	i440fx_set_shadow(p->pmc, p->b.ram, p->bios);
	board_realize(&p->b, p->pmc);
	p->isa = add_function(p, &piix3_ops, 0);
	i440fx_set_router(p->pmc, piix3_router(p->isa));
	p->pm = add_function(p, &piix4_pm_ops, 3);
}

static void pc_done(struct pc *p)
{
	board_done(&p->b);
	gmem_block_unref(p->bios);
}

static void select_reg(struct pc *p, unsigned devfn, unsigned reg)
{
	board_outl(&p->b, CONFADD, 0x80000000 | devfn << 8 | (reg & 0xfc));
}

static uint32_t cfg_read(struct pc *p, unsigned devfn, unsigned reg, unsigned size)
{
	select_reg(p, devfn, reg);
	return (uint32_t)bus_read(p->b.bus, BUS_PIO, CONFDATA + reg % 4, size);
}

static void cfg_write(struct pc *p, unsigned devfn, unsigned reg, unsigned size, uint32_t v)
{
	select_reg(p, devfn, reg);
	bus_write(p->b.bus, BUS_PIO, CONFDATA + reg % 4, size, v);
}

/* ---- configuration mechanism ---- */

static void identities(void)
{
	struct pc p;

	pc_init(&p);
	g_assert_cmphex(cfg_read(&p, PMC, 0, 4), ==, 0x12378086);
	g_assert_cmphex(cfg_read(&p, PMC, 8, 4) >> 8, ==, 0x060000);
	g_assert_cmphex(cfg_read(&p, ISA, 0, 4), ==, 0x70008086);
	g_assert_cmphex(cfg_read(&p, ISA, 8, 4) >> 8, ==, 0x060100);
	g_assert_cmphex(cfg_read(&p, ISA, PCI_HEADER_TYPE, 1), ==, 0x80);
	g_assert_cmphex(cfg_read(&p, PM, 0, 4), ==, 0x71138086);
	g_assert_cmphex(cfg_read(&p, PM, 8, 4) >> 8, ==, 0x068000);
	g_assert_cmphex(cfg_read(&p, PM, PCI_INT_PIN, 1), ==, 1);
	g_assert_cmphex(cfg_read(&p, PCI_DEVFN(1, 1), 0, 4), ==, 0xffffffff);
	g_assert_cmphex(cfg_read(&p, PCI_DEVFN(2, 0), 0, 4), ==, 0xffffffff);
	pc_done(&p);
}

static void mechanism(void)
{
	struct pc p;

	pc_init(&p);
	g_assert_cmphex(cfg_read(&p, ISA, 2, 2), ==, 0x7000);
	g_assert_cmphex(cfg_read(&p, ISA, 1, 1), ==, 0x80);
	g_assert_cmphex(board_inl(&p.b, CONFADD), ==, 0x80000800);
	/* disabled, another bus, and narrower writes to the address, which are not for it */
	board_outl(&p.b, CONFADD, 0x00000800);
	g_assert_cmphex(board_inl(&p.b, CONFDATA), ==, 0xffffffff);
	board_outl(&p.b, CONFADD, 0x80010800);
	g_assert_cmphex(board_inl(&p.b, CONFDATA), ==, 0xffffffff);
	board_outl(&p.b, CONFADD, 0x80000800);
	board_outw(&p.b, CONFADD, 0x0000);
	board_outb(&p.b, CONFADD, 0x40);
	g_assert_cmphex(board_inl(&p.b, CONFADD), ==, 0x80000800);
	/* programs written for QEMU put the byte number into the address */
	board_outl(&p.b, CONFADD, 0x80000802);
	g_assert_cmphex(board_inw(&p.b, CONFDATA), ==, 0x7000);
	pc_done(&p);
}

/* 82371SB section 2.5.4.2: hard or soft, then go. */
static void reset_control(void)
{
	struct pc p;

	pc_init(&p);
	select_reg(&p, PM, 0x40);
	board_outb(&p.b, RCR, 0x02);
	g_assert_cmphex(board_inb(&p.b, RCR), ==, 0x02);
	g_assert_cmpuint(p.b.requests, ==, 0);
	board_outb(&p.b, RCR, 0x06);
	g_assert_true(board_requested(&p.b, BUS_REQUEST_RESET));
	g_assert_cmphex(board_inl(&p.b, CONFADD), ==, 0x80000b40);
	board_outl(&p.b, CONFADD, 0x80000604);
	g_assert_cmpuint(p.b.requests, ==, 0);
	board_reset(&p.b, RESET_WARM);
	g_assert_cmphex(board_inb(&p.b, RCR), ==, 0x00);
	pc_done(&p);
}

/* ---- PAM, SMRAM ---- */

/* The bytes at @addr as a CPU sees them. */
static void expect_memory(struct pc *p, uint64_t addr, const char *name)
{
	char text[8], want[8] = "";
	int err = bus_mem_read(p->b.bus, addr, text, sizeof(text));

	if (!name) {
		g_assert_cmpint(err, ==, -EFAULT);
		return;
	}
	g_snprintf(want, sizeof(want), "%s%u", name,
		(unsigned)((addr - (*name == 'r' && name[1] == 'o' ? MiB - BIOS_SIZE : 0)) / KiB));
	g_assert_cmpint(err, ==, 0);
	g_assert_cmpmem(text, sizeof(text), want, sizeof(want));
}

struct pam_field {
	uint8_t reg, shift;
	uint32_t start, size;
};

static struct pam_field pam_field(unsigned i)
{
	if (i == 0)
		return (struct pam_field){0x59, 4, 0xf0000, 0x10000};
	return (struct pam_field){(uint8_t)(0x5a + (i - 1) / 2), (i - 1) % 2 ? 4 : 0,
		0xc0000 + (i - 1) * 0x4000, 0x4000};
}

#define PAM_FIELDS 13

/* Section 3.2.16: each field shows firmware (or nothing), RAM to read, or RAM; the others stay as they are. */
static void shadowing(void)
{
	struct pc p;

	pc_init(&p);
	for (unsigned i = 0; i < PAM_FIELDS; i++) {
		struct pam_field f = pam_field(i);
		const char *hidden = f.start >= 0xe0000 ? "rom" : NULL;
		uint64_t last = f.start + f.size - KiB;
		uint8_t byte = 'X';

		expect_memory(&p, f.start, hidden);
		expect_memory(&p, last, hidden);
		g_assert_cmpint(bus_mem_write(p.b.bus, f.start + 9, &byte, 1), ==, -EFAULT);

		cfg_write(&p, PMC, f.reg, 1, 1u << f.shift);
		expect_memory(&p, f.start, "ram");
		expect_memory(&p, last, "ram");
		g_assert_cmpint(bus_mem_write(p.b.bus, f.start + 9, &byte, 1), ==, -EFAULT);
		g_assert_cmpint(gmem_write(p.b.gmem, GPA(f.start + 9), &byte, 1), ==, -EACCES);

		cfg_write(&p, PMC, f.reg, 1, 3u << f.shift);
		g_assert_cmpint(bus_mem_write(p.b.bus, f.start + 9, &byte, 1), ==, 0);
		g_assert_cmpint(bus_mem_read(p.b.bus, f.start + 9, &byte, 1), ==, 0);
		g_assert_cmpint(byte, ==, 'X');

		for (unsigned j = i + 1; j < PAM_FIELDS; j++)
			expect_memory(&p, pam_field(j).start,
				pam_field(j).start >= 0xe0000 ? "rom" : NULL);
		cfg_write(&p, PMC, f.reg, 1, 0);
		expect_memory(&p, f.start, hidden);
	}
	pc_done(&p);
}

/* What firmware does: all of it to RAM, copy itself, make it read-only. */
static void shadow_all(void)
{
	char text[8];
	struct pc p;

	pc_init(&p);
	cfg_write(&p, PMC, 0x58, 4, 0x33333000);
	cfg_write(&p, PMC, 0x5c, 4, 0x33333333);
	g_assert_cmphex(cfg_read(&p, PMC, 0x58, 4), ==, 0x33333000);
	g_assert_cmpint(bus_mem_write(p.b.bus, 0xffff0, "reset", 6), ==, 0);
	cfg_write(&p, PMC, 0x59, 1, 0x10);
	g_assert_cmpint(bus_mem_read(p.b.bus, 0xffff0, text, 6), ==, 0);
	g_assert_cmpstr(text, ==, "reset");
	board_save_and_load(&p.b);
	g_assert_cmpint(bus_mem_read(p.b.bus, 0xffff0, text, 6), ==, 0);
	g_assert_cmpstr(text, ==, "reset");
	board_reset(&p.b, RESET_WARM);
	expect_memory(&p, 0xf0000, "rom");
	/* reserved bits stay 0 */
	cfg_write(&p, PMC, 0x58, 4, 0xffffffff);
	cfg_write(&p, PMC, 0x5c, 4, 0xffffffff);
	g_assert_cmphex(cfg_read(&p, PMC, 0x58, 4), ==, 0x33333000);
	g_assert_cmphex(cfg_read(&p, PMC, 0x5c, 4), ==, 0x33333333);
	pc_done(&p);
}

/* Section 3.2.22: D_LCK closes the window and freezes the register until reset. */
static void smram(void)
{
	struct pc p;

	pc_init(&p);
	g_assert_cmphex(cfg_read(&p, PMC, 0x72, 1), ==, 0x02);
	cfg_write(&p, PMC, 0x72, 1, 0xff & ~0x10);
	g_assert_cmphex(cfg_read(&p, PMC, 0x72, 1), ==, 0x6a);
	cfg_write(&p, PMC, 0x72, 1, 0x58);
	g_assert_cmphex(cfg_read(&p, PMC, 0x72, 1), ==, 0x1a);
	board_save_and_load(&p.b);
	cfg_write(&p, PMC, 0x72, 1, 0x40);
	g_assert_cmphex(cfg_read(&p, PMC, 0x72, 1), ==, 0x1a);
	board_reset(&p.b, RESET_WARM);
	cfg_write(&p, PMC, 0x72, 1, 0x48);
	g_assert_cmphex(cfg_read(&p, PMC, 0x72, 1), ==, 0x4a);
	pc_done(&p);
}

/* ---- PIRQ router ---- */

static void pirq(struct pc *p, unsigned n, bool level)
{
	struct irq_sink *router = piix3_router(p->isa);

	router->set(router, n, level);
}

static void routing(void)
{
	static const bool routable[16] = {[3] = true,
		true,
		true,
		true,
		true,
		[9] = true,
		true,
		true,
		true,
		[14] = true,
		true};
	struct pc p;

	pc_init(&p);
	g_assert_cmphex(cfg_read(&p, ISA, 0x60, 4), ==, 0x80808080);
	pirq(&p, 0, true);
	for (unsigned irq = 0; irq < 16; irq++) {
		cfg_write(&p, ISA, 0x60, 1, irq);
		g_assert_cmphex(cfg_read(&p, ISA, 0x60, 1), ==, irq);
		for (unsigned other = 0; other < 16; other++)
			g_assert_cmpint(board_irq(&p.b, other), ==, other == irq && routable[irq]);
	}
	cfg_write(&p, ISA, 0x60, 1, 0x8b);
	g_assert_false(board_irq(&p.b, 11));
	cfg_write(&p, ISA, 0x60, 1, 0x7b);
	g_assert_cmphex(cfg_read(&p, ISA, 0x60, 1), ==, 0x0b);
	g_assert_true(board_irq(&p.b, 11));
	pirq(&p, 0, false);
	g_assert_false(board_irq(&p.b, 11));
	pc_done(&p);
}

/* Two PIRQs on one interrupt: it is up as long as one of them is. */
static void shared_routes(void)
{
	struct pc p;

	pc_init(&p);
	cfg_write(&p, ISA, 0x60, 4, 0x0a0b0b0b);
	pirq(&p, 0, true);
	pirq(&p, 2, true);
	pirq(&p, 3, true);
	pirq(&p, 0, false);
	g_assert_true(board_irq(&p.b, 11));
	g_assert_true(board_irq(&p.b, 10));
	board_save_and_load(&p.b);
	pirq(&p, 2, false);
	g_assert_false(board_irq(&p.b, 11));
	cfg_write(&p, ISA, 0x63, 1, 0x0b);
	g_assert_false(board_irq(&p.b, 10));
	g_assert_true(board_irq(&p.b, 11));
	pc_done(&p);
}

static void placed_for_direct_boot(void)
{
	static const uint8_t gsi[4] = {10, 10, 11, 11};
	struct pc p;

	pc_init(&p);
	bus_lock(p.b.bus);
	piix3_route(p.isa, gsi);
	piix4_pm_place(p.pm, PIIX4_PM_BASE, PIIX4_SMB_BASE);
	bus_unlock(p.b.bus);
	g_assert_cmphex(cfg_read(&p, ISA, 0x60, 4), ==, 0x0b0b0a0a);
	pirq(&p, 3, true);
	g_assert_true(board_irq(&p.b, 11));
	pirq(&p, 3, false);
	g_assert_cmphex(cfg_read(&p, PM, 0x40, 4), ==, PIIX4_PM_BASE | 1);
	g_assert_cmphex(cfg_read(&p, PM, 0x90, 4), ==, PIIX4_SMB_BASE | 1);
	g_assert_cmphex(board_inw(&p.b, PORT + 4), ==, 0x0001);
	g_assert_cmphex(board_inb(&p.b, PIIX4_SMB_BASE), ==, 0x00);
	pc_done(&p);
}

/* ---- power management ---- */

static void place_pm(struct pc *p)
{
	cfg_write(p, PM, 0x40, 4, PORT | 1);
	cfg_write(p, PM, 0x80, 1, 1);
}

static void pm_base(void)
{
	struct pc p;

	pc_init(&p);
	/* SMM is set up already, so that firmware does not wait for an interrupt that never comes */
	g_assert_cmphex(cfg_read(&p, PM, 0x58, 4), ==, 0x02000000);
	g_assert_cmphex(cfg_read(&p, PM, 0x40, 4), ==, 0x00000001);
	g_assert_cmphex(board_inw(&p.b, PORT + 4), ==, 0xffff);
	cfg_write(&p, PM, 0x40, 4, 0xffffffff);
	g_assert_cmphex(cfg_read(&p, PM, 0x40, 4), ==, 0x0000ffc1);
	place_pm(&p);
	g_assert_cmphex(board_inw(&p.b, PORT + 4), ==, 0x0001);
	cfg_write(&p, PM, 0x40, 4, 0xb000 | 1);
	g_assert_cmphex(board_inw(&p.b, PORT + 4), ==, 0xffff);
	g_assert_cmphex(board_inw(&p.b, 0xb004), ==, 0x0001);
	board_save_and_load(&p.b);
	g_assert_cmphex(board_inw(&p.b, 0xb004), ==, 0x0001);
	cfg_write(&p, PM, 0x80, 1, 0);
	g_assert_cmphex(board_inw(&p.b, 0xb004), ==, 0xffff);
	board_reset(&p.b, RESET_WARM);
	g_assert_cmphex(cfg_read(&p, PM, 0x40, 4), ==, 0x00000001);
	pc_done(&p);
}

static uint32_t ticks_at(uint64_t ns)
{
	return (uint32_t)((unsigned __int128)ns * 3579545 / 1000000000 & 0xffffff);
}

static void pm_timer(void)
{
	static const int64_t steps[] = {
		0, 1, 279, 280, 1000000, 1000000000, 3000000000, 86400000000000};
	uint64_t ns = 0;
	struct pc p;

	pc_init(&p);
	place_pm(&p);
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		board_step(&p.b, steps[i]);
		ns += (uint64_t)steps[i];
		g_assert_cmphex(board_inl(&p.b, PORT + 8), ==, ticks_at(ns));
	}
	board_outl(&p.b, PORT + 8, 0);
	g_assert_cmphex(board_inl(&p.b, PORT + 8), ==, ticks_at(ns));
	pc_done(&p);
}

/* The top bit changes every 2^23 ticks, 2.34 s: status each time, an interrupt if it is wanted. */
static void pm_timer_overflow(void)
{
	const int64_t half = (INT64_C(1) << 23) * NSEC_PER_SEC / 3579545 + 1;
	struct pc p;

	pc_init(&p);
	place_pm(&p);
	board_step(&p.b, half - 1);
	g_assert_cmphex(board_inw(&p.b, PORT), ==, 0);
	board_step(&p.b, 1);
	g_assert_cmphex(board_inw(&p.b, PORT), ==, 1);
	g_assert_false(board_irq(&p.b, ACPI_SCI_GSI));
	board_outw(&p.b, PORT + 2, 1);
	g_assert_true(board_irq(&p.b, ACPI_SCI_GSI));
	board_outw(&p.b, PORT, 1);
	g_assert_false(board_irq(&p.b, ACPI_SCI_GSI));
	board_step(&p.b, half - 2);
	g_assert_false(board_irq(&p.b, ACPI_SCI_GSI));
	board_save_and_load(&p.b);
	board_step(&p.b, 2);
	g_assert_true(board_irq(&p.b, ACPI_SCI_GSI));
	pc_done(&p);
}

static void power_button(void)
{
	struct pc p;

	pc_init(&p);
	place_pm(&p);
	piix4_pm_power_button(p.pm);
	g_assert_cmphex(board_inw(&p.b, PORT), ==, 0x0100);
	g_assert_false(board_irq(&p.b, ACPI_SCI_GSI));
	board_outw(&p.b, PORT + 2, 0xffff);
	g_assert_cmphex(board_inw(&p.b, PORT + 2), ==, 0x0521);
	g_assert_true(board_irq(&p.b, ACPI_SCI_GSI));
	/* byte by byte, as some drivers do */
	board_outb(&p.b, PORT, 0xff);
	g_assert_cmphex(board_inw(&p.b, PORT), ==, 0x0100);
	board_outb(&p.b, PORT + 1, 0x01);
	g_assert_cmphex(board_inl(&p.b, PORT), ==, 0x05210000);
	g_assert_false(board_irq(&p.b, ACPI_SCI_GSI));
	pc_done(&p);
}

static void sleeping(void)
{
	struct pc p;

	pc_init(&p);
	place_pm(&p);
	board_outw(&p.b, PORT + 4, 0x1400);
	g_assert_cmphex(board_inw(&p.b, PORT + 4), ==, 0x1401);
	board_outw(&p.b, PORT + 4, 0x0000);
	g_assert_cmpuint(p.b.requests, ==, 0);
	/* a type that the tables do not offer */
	board_outw(&p.b, PORT + 4, 0x3c00);
	g_assert_cmpuint(p.b.requests, ==, 0);
	board_outw(&p.b, PORT + 4, 0x2000);
	g_assert_true(board_requested(&p.b, BUS_REQUEST_SHUTDOWN));
	g_assert_cmphex(board_inw(&p.b, PORT + 4), ==, 0x0001);
	pc_done(&p);
}

static void general_purpose_events(void)
{
	struct pc p;

	pc_init(&p);
	piix4_pm_gpe(p.pm, 1);
	piix4_pm_gpe(p.pm, 10);
	g_assert_cmphex(board_inl(&p.b, PIIX4_GPE0_BASE), ==, 0x00000402);
	g_assert_false(board_irq(&p.b, ACPI_SCI_GSI));
	board_outw(&p.b, PIIX4_GPE0_BASE + 2, 0x0400);
	g_assert_true(board_irq(&p.b, ACPI_SCI_GSI));
	board_save_and_load(&p.b);
	g_assert_true(board_irq(&p.b, ACPI_SCI_GSI));
	board_outw(&p.b, PIIX4_GPE0_BASE, 0x0400);
	g_assert_cmphex(board_inw(&p.b, PIIX4_GPE0_BASE), ==, 0x0002);
	g_assert_false(board_irq(&p.b, ACPI_SCI_GSI));
	pc_done(&p);
}

/* No slave answers: a transaction that is started ends with a device error. */
static void smbus(void)
{
	struct pc p;

	pc_init(&p);
	cfg_write(&p, PM, 0x90, 4, PIIX4_SMB_BASE | 1);
	g_assert_cmphex(board_inb(&p.b, PIIX4_SMB_BASE), ==, 0xff);
	cfg_write(&p, PM, 0xd2, 1, 0x01);
	board_outb(&p.b, PIIX4_SMB_BASE + 4, 0xa1);
	g_assert_cmphex(board_inb(&p.b, PIIX4_SMB_BASE + 4), ==, 0xa1);
	board_outb(&p.b, PIIX4_SMB_BASE + 2, 0x48);
	g_assert_cmphex(board_inb(&p.b, PIIX4_SMB_BASE + 2), ==, 0x08);
	g_assert_cmphex(board_inb(&p.b, PIIX4_SMB_BASE), ==, 0x04);
	board_outb(&p.b, PIIX4_SMB_BASE, 0x04);
	g_assert_cmphex(board_inb(&p.b, PIIX4_SMB_BASE), ==, 0x00);
	pc_done(&p);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/chipset/identities", identities);
	g_test_add_func("/chipset/mechanism", mechanism);
	g_test_add_func("/chipset/reset-control", reset_control);
	g_test_add_func("/chipset/shadowing", shadowing);
	g_test_add_func("/chipset/shadow-all", shadow_all);
	g_test_add_func("/chipset/smram", smram);
	g_test_add_func("/chipset/routing", routing);
	g_test_add_func("/chipset/shared-routes", shared_routes);
	g_test_add_func("/chipset/placed-for-direct-boot", placed_for_direct_boot);
	g_test_add_func("/chipset/pm-base", pm_base);
	g_test_add_func("/chipset/pm-timer", pm_timer);
	g_test_add_func("/chipset/pm-timer-overflow", pm_timer_overflow);
	g_test_add_func("/chipset/power-button", power_button);
	g_test_add_func("/chipset/sleeping", sleeping);
	g_test_add_func("/chipset/general-purpose-events", general_purpose_events);
	g_test_add_func("/chipset/smbus", smbus);
	return g_test_run();
}
