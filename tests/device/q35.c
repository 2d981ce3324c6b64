/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MCH and ICH9, through configuration space as firmware uses it. */
#include "devmodel/chipset/chipset.h"
#include "tests/lib/board.h"

#define CONFADD  0xcf8
#define CONFDATA 0xcfc
#define MCH      PCI_DEVFN(0, 0)
#define LPC      PCI_DEVFN(0x1f, 0)
#define PORT     ICH9_PM_BASE
#define ECAM     MCH_ECAM_BASE
#define RCBA     0xfed1c000
#define SCI      9
#define TSEG_END (8 * MiB) /* low memory of the board's RAM that the MCH is told */
#define RAM_SIZE (16 * MiB)

struct q35 {
	struct board b;
	struct gmem_block *ram;
	struct region ram_region;
	struct dev *mch, *lpc;
};

static void init(struct q35 *q, bool smm)
{
	const struct gmem_block_conf conf = {.name = "low", .size = RAM_SIZE};
	struct mch_memory m = {.low_end = TSEG_END, .high_end = 5 * GiB, .smm = smm};

	board_init(&q->b);
	q->ram = gmem_block_new(&conf, NULL);
	m.ram = q->ram;
	bus_lock(q->b.bus);
	region_init_mem(&q->ram_region, "low", q->ram, 0, TSEG_END, false);
	region_map(q->b.bus, &q->ram_region, 0, REGION_PRIO_BACKGROUND + 1);
	bus_unlock(q->b.bus);
	q->mch = dev_new(q->b.bus, &mch_ops, "mch");
	mch_set_memory(q->mch, &m);
	board_realize(&q->b, q->mch);
	q->lpc = dev_new(q->b.bus, &ich9_lpc_ops, "lpc");
	to_pci_dev(q->lpc)->bus = mch_pci_bus(q->mch);
	to_pci_dev(q->lpc)->addr = (struct prop_pci){.slot = 0x1f, .function = 0};
	g_assert_true(prop_set_uint(prop_find(ich9_lpc_ops.props, "smm"), q->lpc, smm, NULL));
	board_realize(&q->b, q->lpc);
	mch_set_router(q->mch, ich9_router(q->lpc));
}

static void done(struct q35 *q)
{
	board_done(&q->b);
	gmem_block_unref(q->ram);
}

static uint32_t get(struct q35 *q, unsigned devfn, unsigned reg, unsigned size)
{
	board_outl(&q->b, CONFADD, 0x80000000 | devfn << 8 | (reg & 0xfc));
	return (uint32_t)bus_read(q->b.bus, BUS_PIO, CONFDATA + reg % 4, size);
}

static void set(struct q35 *q, unsigned devfn, unsigned reg, unsigned size, uint32_t v)
{
	board_outl(&q->b, CONFADD, 0x80000000 | devfn << 8 | (reg & 0xfc));
	bus_write(q->b.bus, BUS_PIO, CONFDATA + reg % 4, size, v);
}

static uint32_t peek(struct q35 *q, uint64_t addr, unsigned size)
{
	return (uint32_t)bus_read(q->b.bus, BUS_MMIO, addr, size);
}

static void poke(struct q35 *q, uint64_t addr, unsigned size, uint32_t v)
{
	bus_write(q->b.bus, BUS_MMIO, addr, size, v);
}

/* What is behind @addr for a CPU: an offset in RAM, UINT64_MAX: no memory. */
static uint64_t slot_at(const struct accel_slot *slots, size_t n, uint64_t addr)
{
	for (size_t i = 0; i < n; i++) {
		if (addr >= slots[i].gpa.v && addr - slots[i].gpa.v < slots[i].size)
			return slots[i].offset + addr - slots[i].gpa.v;
	}
	return UINT64_MAX;
}

static uint64_t normal_view(struct q35 *q, uint64_t addr)
{
	return slot_at(q->b.accel->slots, q->b.accel->n_slots, addr);
}

static uint64_t smm_view(struct q35 *q, uint64_t addr)
{
	return slot_at(q->b.accel->smm_slots, q->b.accel->n_smm_slots, addr);
}

/* ---- MCH ---- */

static void identities(void)
{
	struct q35 q;

	init(&q, false);
	g_assert_cmphex(get(&q, MCH, 0, 4), ==, 0x29c08086);
	g_assert_cmphex(get(&q, MCH, 8, 4), ==, 0x06000002);
	g_assert_cmphex(get(&q, LPC, 0, 4), ==, 0x29188086);
	g_assert_cmphex(get(&q, LPC, 8, 4), ==, 0x06010002);
	g_assert_cmphex(get(&q, LPC, PCI_HEADER_TYPE, 1), ==, 0x80);
	/* TOM, TOUUD, TOLUD */
	g_assert_cmphex(get(&q, MCH, 0xa0, 4), ==, 0x14000050);
	g_assert_cmphex(get(&q, MCH, 0xb0, 2), ==, 0x0080);
	done(&q);
}

static void ecam(void)
{
	struct q35 q;

	init(&q, false);
	g_assert_cmphex(mch_ecam_base(q.mch), ==, 0);
	g_assert_cmphex(peek(&q, ECAM, 4), ==, 0xffffffff);
	set(&q, MCH, 0x64, 4, 0);
	set(&q, MCH, 0x60, 4, (uint32_t)ECAM | 1);
	g_assert_cmphex(mch_ecam_base(q.mch), ==, ECAM);
	g_assert_cmphex(peek(&q, ECAM, 4), ==, 0x29c08086);
	g_assert_cmphex(peek(&q, ECAM + (LPC << 12) + 2, 2), ==, 0x2918);
	g_assert_cmphex(peek(&q, ECAM + (1 << 20), 4), ==, 0xffffffff);
	g_assert_cmphex(peek(&q, ECAM + 0x100, 4), ==, 0xffffffff); /* a conventional function */
	poke(&q, ECAM + (LPC << 12) + PCI_INT_LINE, 1, 0x5a);
	g_assert_cmphex(get(&q, LPC, PCI_INT_LINE, 1), ==, 0x5a);
	g_assert_cmphex(bus_read(q.b.bus, BUS_MMIO, ECAM, 8), ==,
		UINT64_C(0x29c08086) | (uint64_t)get(&q, MCH, 4, 4) << 32);
	/* 64 buses; the reserved length; elsewhere; off. */
	set(&q, MCH, 0x60, 4, (uint32_t)ECAM | 5);
	g_assert_cmphex(peek(&q, ECAM + 64 * MiB, 4), ==, 0xffffffff);
	g_assert_cmphex(peek(&q, ECAM, 4), ==, 0x29c08086);
	set(&q, MCH, 0x60, 4, (uint32_t)ECAM | 7);
	g_assert_cmphex(peek(&q, ECAM, 4), ==, 0xffffffff);
	set(&q, MCH, 0x60, 4, 0xe0000001);
	g_assert_cmphex(peek(&q, 0xe0000000, 4), ==, 0x29c08086);
	set(&q, MCH, 0x64, 4, 0xffffffff);
	g_assert_cmphex(mch_ecam_base(q.mch), ==, 0xfe0000000);
	board_save_and_load(&q.b);
	g_assert_cmphex(peek(&q, 0xfe0000000, 4), ==, 0x29c08086);
	board_reset(&q.b, RESET_WARM);
	g_assert_cmphex(mch_ecam_base(q.mch), ==, 0);
	done(&q);
}

static void shadowing(void)
{
	struct q35 q;

	init(&q, false);
	g_assert_cmphex(normal_view(&q, 0xf0000), ==, UINT64_MAX);
	set(&q, MCH, 0x90, 1, 0xff);
	g_assert_cmphex(get(&q, MCH, 0x90, 1), ==, 0x30);
	g_assert_cmphex(normal_view(&q, 0xf0000), ==, 0xf0000);
	set(&q, MCH, 0x96, 1, 0x30);
	g_assert_cmphex(normal_view(&q, 0xec000), ==, 0xec000);
	g_assert_cmphex(normal_view(&q, 0xe8000), ==, UINT64_MAX);
	done(&q);
}

static void smram_segment(void)
{
	struct q35 q;

	init(&q, true);
	g_assert_cmphex(get(&q, MCH, 0x9d, 1), ==, 0x02);
	/*
	 * The board's RAM is below everything; closed, the normal view has what is there, SMM the
	 * same.
	 */
	set(&q, MCH, 0x9d, 1, 0x0a);
	g_assert_cmphex(smm_view(&q, 0xa0000), ==, 0xa0000);
	g_assert_true(to_pci_dev(q.mch)->pci_hw.cfg[0x9d] & 0x08);
	set(&q, MCH, 0x9d, 1, 0x4a); /* open */
	g_assert_cmphex(normal_view(&q, 0xbffff), ==, 0xbffff);
	set(&q, MCH, 0x9d, 1, 0x5a); /* locked: no longer open, and it stays so */
	g_assert_cmphex(get(&q, MCH, 0x9d, 1), ==, 0x1a);
	set(&q, MCH, 0x9d, 1, 0x00);
	g_assert_cmphex(get(&q, MCH, 0x9d, 1), ==, 0x1a);
	board_reset(&q.b, RESET_WARM);
	g_assert_cmphex(get(&q, MCH, 0x9d, 1), ==, 0x02);
	done(&q);
}

static void tseg(void)
{
	struct q35 q;
	uint64_t base = TSEG_END - MiB;

	init(&q, true);
	poke(&q, base + 16, 4, 0x12345678);
	g_assert_cmphex(get(&q, MCH, 0x9e, 1), ==, 0x38);
	set(&q, MCH, 0x9e, 1, 0x01);
	g_assert_cmphex(peek(&q, base + 16, 4), ==, 0x12345678); /* G_SMRAME is still off */
	set(&q, MCH, 0x9d, 1, 0x0a);
	g_assert_cmphex(get(&q, MCH, 0xac, 4), ==, base);
	/*
	 * Outside of system management mode nobody is there, for CPUs and devices; in it there is
	 * RAM.
	 */
	g_assert_cmphex(peek(&q, base + 16, 4), ==, 0xffffffff);
	g_assert_cmphex(normal_view(&q, base), ==, UINT64_MAX);
	g_assert_cmpint(gmem_write(q.b.gmem, GPA(base), "x", 1), <, 0);
	g_assert_cmphex(smm_view(&q, base + 16), ==, base + 16);
	g_assert_cmphex(normal_view(&q, base - 1), ==, base - 1);
	/* 2 MiB, 8 MiB (all of this memory: refused), what the register at 0x50 says. */
	set(&q, MCH, 0x9e, 1, 0x03);
	g_assert_cmphex(normal_view(&q, TSEG_END - 2 * MiB), ==, UINT64_MAX);
	set(&q, MCH, 0x9e, 1, 0x05);
	g_assert_cmphex(normal_view(&q, base), ==, base);
	g_assert_cmphex(get(&q, MCH, 0x50, 2), ==, 0);
	set(&q, MCH, 0x50, 2, 0xffff);
	g_assert_cmphex(get(&q, MCH, 0x50, 2), ==, 16);
	/* The lock. */
	set(&q, MCH, 0x9e, 1, 0x01);
	set(&q, MCH, 0x9d, 1, 0x1a);
	set(&q, MCH, 0x9e, 1, 0x00);
	g_assert_cmphex(get(&q, MCH, 0x9e, 1), ==, 0x39);
	board_save_and_load(&q.b);
	g_assert_cmphex(smm_view(&q, base), ==, base);
	g_assert_cmphex(normal_view(&q, base), ==, UINT64_MAX);
	set(&q, MCH, 0x9e, 1, 0x00);
	g_assert_cmphex(normal_view(&q, base), ==, UINT64_MAX);
	board_reset(&q.b, RESET_WARM);
	g_assert_cmphex(peek(&q, base + 16, 4), ==, 0x12345678);
	done(&q);
}

static void no_smm(void)
{
	struct q35 q;

	init(&q, false);
	set(&q, MCH, 0x9d, 2, 0xffff);
	g_assert_cmphex(get(&q, MCH, 0x9d, 2), ==, 0x3802);
	set(&q, MCH, 0x50, 2, 0xffff);
	g_assert_cmphex(get(&q, MCH, 0x50, 2), ==, 0);
	set(&q, LPC, 0x40, 2, PORT);
	set(&q, LPC, 0x44, 1, 0x80);
	/* As if somebody had set the APM port up already. */
	g_assert_cmphex(board_inl(&q.b, PORT + 0x30), ==, 0x22);
	board_outl(&q.b, PORT + 0x30, 1);
	g_assert_cmphex(board_inl(&q.b, PORT + 0x30), ==, 0x23);
	board_outb(&q.b, 0xb2, 7);
	g_assert_cmphex(board_inb(&q.b, 0xb2), ==, 7);
	g_assert_cmpuint(q.b.accel->smis, ==, 0);
	done(&q);
}

/* ---- ICH9: interrupts ---- */

static void pin(struct q35 *q, unsigned pirq, bool level)
{
	ich9_router(q->lpc)->set(ich9_router(q->lpc), pirq, level);
}

static void wiring(void)
{
	/* Slots 0 to 24 turn through E to H, the chipset's own begin at A. */
	g_assert_cmpuint(ich9_pirq(0, 1), ==, 4);
	g_assert_cmpuint(ich9_pirq(1, 1), ==, 5);
	g_assert_cmpuint(ich9_pirq(3, 2), ==, 4);
	g_assert_cmpuint(ich9_pirq(24, 4), ==, 7);
	g_assert_cmpuint(ich9_pirq(25, 1), ==, 0);
	g_assert_cmpuint(ich9_pirq(31, 2), ==, 1);
	g_assert_cmpuint(ich9_pirq(31, 4), ==, 3);
}

static void routing(void)
{
	struct q35 q;

	init(&q, false);
	for (unsigned n = 0; n < 8; n++) {
		unsigned reg = n < 4 ? 0x60 + n : 0x68 + n - 4;

		g_assert_cmphex(get(&q, LPC, reg, 1), ==, 0x80);
		pin(&q, n, true);
		g_assert_true(board_irq(&q.b, 16 + n));
		g_assert_false(board_irq(&q.b, 10));
		set(&q, LPC, reg, 1, 10);
		g_assert_true(board_irq(&q.b, 10));
		g_assert_true(board_irq(&q.b, 16 + n));
		set(&q, LPC, reg, 1, 13); /* reserved */
		g_assert_false(board_irq(&q.b, 10));
		set(&q, LPC, reg, 1, 11);
		pin(&q, n, false);
		g_assert_false(board_irq(&q.b, 11));
		g_assert_false(board_irq(&q.b, 16 + n));
		set(&q, LPC, reg, 1, 0xff);
		g_assert_cmphex(get(&q, LPC, reg, 1), ==, 0x8f);
	}
	set(&q, LPC, 0x6b, 1, 5);
	pin(&q, 7, true);
	board_save_and_load(&q.b);
	g_assert_true(board_irq(&q.b, 5));
	g_assert_true(board_irq(&q.b, 23));
	done(&q);
}

/* ---- ICH9: power management ---- */

static void place_pm(struct q35 *q)
{
	set(q, LPC, 0x40, 2, PORT | 1);
	set(q, LPC, 0x44, 1, 0x80);
}

static void pm_base(void)
{
	struct q35 q;

	init(&q, false);
	g_assert_cmphex(board_inl(&q.b, PORT), ==, 0xffffffff);
	set(&q, LPC, 0x40, 4, 0xffff067f);
	g_assert_cmphex(get(&q, LPC, 0x40, 4), ==, 0x00000601);
	g_assert_cmphex(board_inl(&q.b, PORT), ==, 0xffffffff);
	set(&q, LPC, 0x44, 1, 0x80);
	g_assert_cmphex(board_inw(&q.b, PORT + 4), ==, 0x0001);
	board_step(&q.b, NSEC_PER_SEC);
	g_assert_cmphex(board_inl(&q.b, PORT + 8), ==, 3579545 & 0xffffff);
	/* The TCO is halted, and cannot be used as a watchdog. */
	g_assert_cmphex(board_inw(&q.b, PORT + 0x68), ==, 0x0800);
	board_outw(&q.b, PORT + 0x68, 0);
	g_assert_cmphex(board_inw(&q.b, PORT + 0x68), ==, 0x0800);
	board_outw(&q.b, PORT + 4, 0x2000);
	g_assert_true(board_requested(&q.b, BUS_REQUEST_SHUTDOWN));
	done(&q);
}

static void events(void)
{
	static const uint8_t sci[] = {9, 10, 11, 0, 20, 21, 22, 23};
	struct acpi_pm *pm;
	struct irq gpe;
	struct q35 q;
	unsigned edges;

	init(&q, false);
	place_pm(&q);
	pm = ich9_acpi(q.lpc);
	gpe = acpi_pm_gpe_pin(pm, 1);
	irq_pulse(&gpe);
	acpi_pm_gpe(pm, 60);
	g_assert_cmphex(board_inl(&q.b, PORT + 0x20), ==, 0x00000002);
	g_assert_cmphex(board_inl(&q.b, PORT + 0x24), ==, 0x10000000);
	g_assert_false(board_irq(&q.b, SCI));
	board_outl(&q.b, PORT + 0x28, 0x00000002);
	g_assert_true(board_irq(&q.b, SCI));
	for (unsigned i = 0; i < ARRAY_SIZE(sci); i++) {
		set(&q, LPC, 0x44, 1, 0x80 | i);
		for (unsigned gsi = 0; gsi < GSI_PINS; gsi++)
			g_assert_cmpint(board_irq(&q.b, gsi), ==, sci[i] && gsi == sci[i]);
	}
	set(&q, LPC, 0x44, 1, 0x80);
	/* Registers that have nothing to do with it do not make it go down and up. */
	edges = board_irq_edges(&q.b, SCI);
	set(&q, LPC, 0x60, 4, 0x0b0b0a0a);
	g_assert_cmpuint(board_irq_edges(&q.b, SCI), ==, edges);
	board_outl(&q.b, PORT + 0x20, 0x00000002);
	g_assert_false(board_irq(&q.b, SCI));
	g_assert_cmphex(board_inl(&q.b, PORT + 0x20), ==, 0);
	acpi_pm_power_button(pm);
	board_outw(&q.b, PORT + 2, 0x0100);
	g_assert_true(board_irq(&q.b, SCI));
	board_save_and_load(&q.b);
	g_assert_true(board_irq(&q.b, SCI));
	board_outw(&q.b, PORT, 0x0100);
	g_assert_false(board_irq(&q.b, SCI));
	done(&q);
}

static void system_management_interrupt(void)
{
	struct fake_accel *f;
	struct q35 q;

	init(&q, true);
	f = q.b.accel;
	place_pm(&q);
	g_assert_cmphex(board_inl(&q.b, PORT + 0x30), ==, 0x02);
	board_outb(&q.b, 0xb3, 0x77);
	board_outb(&q.b, 0xb2, 0x01);
	g_assert_cmphex(board_inw(&q.b, 0xb2), ==, 0x7701);
	g_assert_cmpuint(f->smis, ==, 0);
	board_outl(&q.b, PORT + 0x30, 0x21);
	board_outb(&q.b, 0xb2, 0x02);
	g_assert_cmpuint(f->smis, ==, 1);
	g_assert_cmpuint(f->smis_to_all, ==, 0);
	g_assert_cmphex(board_inl(&q.b, PORT + 0x34), ==, 0x20);
	board_outl(&q.b, PORT + 0x34, 0x20);
	g_assert_cmphex(board_inl(&q.b, PORT + 0x34), ==, 0);
	ich9_set_smi_broadcast(q.lpc, true);
	board_outb(&q.b, 0xb2, 0x02);
	g_assert_cmpuint(f->smis_to_all, ==, 1);
	/* SMI_LOCK keeps the global enable bit, and itself. */
	set(&q, LPC, 0xa0, 1, 0x10);
	board_outl(&q.b, PORT + 0x30, 0);
	g_assert_cmphex(board_inl(&q.b, PORT + 0x30), ==, 0x03);
	set(&q, LPC, 0xa0, 1, 0);
	g_assert_cmphex(get(&q, LPC, 0xa0, 1), ==, 0x10);
	board_reset(&q.b, RESET_WARM);
	g_assert_cmphex(get(&q, LPC, 0xa0, 1), ==, 0);
	done(&q);
}

/* ---- ICH9: chipset configuration registers ---- */

static void rcba(void)
{
	struct q35 q;

	init(&q, false);
	set(&q, LPC, 0xf0, 4, RCBA);
	g_assert_cmphex(peek(&q, RCBA + 0x3404, 4), ==, 0xffffffff);
	set(&q, LPC, 0xf0, 4, RCBA | 0x3fff);
	g_assert_cmphex(get(&q, LPC, 0xf0, 4), ==, RCBA | 1);
	g_assert_cmphex(peek(&q, RCBA + 0x3404, 4), ==, 0x80);
	g_assert_cmphex(peek(&q, RCBA + 0x3140, 2), ==, 0x3210);
	g_assert_cmphex(peek(&q, RCBA + 0x3144, 4), ==, 0x32103210);
	g_assert_cmphex(peek(&q, RCBA + 0x3141, 1), ==, 0x32);
	g_assert_cmphex(peek(&q, RCBA + 0x3410, 4), ==, 0x20);
	poke(&q, RCBA + 0x3410, 4, 0xffffffff);
	g_assert_cmphex(peek(&q, RCBA + 0x3410, 4), ==, 0x0c64);
	poke(&q, RCBA + 0x31fe, 2, 0x0103);
	g_assert_cmphex(peek(&q, RCBA + 0x31fe, 1), ==, 0x03);
	board_save_and_load(&q.b);
	g_assert_cmphex(peek(&q, RCBA + 0x31fe, 1), ==, 0x03);
	done(&q);
}

static void reset_control(void)
{
	struct q35 q;

	init(&q, false);
	board_outb(&q.b, 0xcf9, 0x02);
	g_assert_cmpuint(q.b.requests, ==, 0);
	board_outb(&q.b, 0xcf9, 0x06);
	g_assert_true(board_requested(&q.b, BUS_REQUEST_RESET));
	done(&q);
}

static void placed_for_direct_boot(void)
{
	static const uint8_t gsi[8] = {10, 10, 11, 11, 10, 10, 11, 11};
	struct q35 q;

	init(&q, false);
	bus_lock(q.b.bus);
	mch_place_ecam(q.mch, ECAM);
	ich9_place(q.lpc, PORT, gsi);
	bus_unlock(q.b.bus);
	g_assert_cmphex(peek(&q, ECAM, 4), ==, 0x29c08086);
	g_assert_cmphex(board_inw(&q.b, PORT + 4), ==, 0x0001);
	pin(&q, 6, true);
	g_assert_true(board_irq(&q.b, 11));
	done(&q);
}

/* ---- random writes ---- */

static void random_access(struct q35 *q)
{
	static const uint16_t bases[] = {PORT, PORT + 0x20, 0xb2, CONFADD, CONFDATA};
	static const uint8_t hot[] = {
		0x40, 0x44, 0x50, 0x60, 0x64, 0x68, 0x90, 0x9c, 0x9d, 0x9e, 0xa0, 0xf0};
	unsigned size = 1u << g_test_rand_int_range(0, 3), reg;
	uint32_t v = (uint32_t)g_test_rand_int();

	switch (g_test_rand_int_range(0, 5)) {
	case 0:
	case 1:
		reg = g_test_rand_bit() ? (unsigned)g_test_rand_int_range(0, 256)
					: hot[g_test_rand_int_range(0, ARRAY_SIZE(hot))];
		set(q, g_test_rand_bit() ? MCH : LPC, reg & ~(size - 1), size, v);
		break;
	case 2:
		bus_write(q->b.bus, BUS_PIO,
			bases[g_test_rand_int_range(0, ARRAY_SIZE(bases))] +
				(unsigned)g_test_rand_int_range(0, 32),
			size, v);
		break;
	case 3: poke(q, RCBA + (uint64_t)g_test_rand_int_range(0, 0x3500), size, v); break;
	case 4: poke(q, mch_ecam_base(q->mch) + (v & 0x1fffff), size, v >> 8); break;
	}
}

static void random_writes(void)
{
	struct q35 q;

	init(&q, true);
	for (unsigned i = 0; i < 100000; i++) {
		random_access(&q);
		if (i % 1000 == 0)
			place_pm(&q);
		if (i % 20000 == 0)
			board_save_and_load(&q.b);
		if (i % 500 == 0) {
			board_step(&q.b, g_test_rand_int_range(0, 1000000));
			board_reset(&q.b, RESET_WARM);
		}
	}
	board_reset(&q.b, RESET_WARM);
	place_pm(&q);
	g_assert_cmphex(get(&q, MCH, 0, 4), ==, 0x29c08086);
	g_assert_cmphex(get(&q, LPC, 0, 4), ==, 0x29188086);
	g_assert_cmphex(board_inw(&q.b, PORT + 4), ==, 0x0001);
	g_assert_cmphex(peek(&q, TSEG_END - 4, 4), !=, 0xffffffff);
	done(&q);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/q35/identities", identities);
	g_test_add_func("/q35/ecam", ecam);
	g_test_add_func("/q35/shadowing", shadowing);
	g_test_add_func("/q35/smram-segment", smram_segment);
	g_test_add_func("/q35/tseg", tseg);
	g_test_add_func("/q35/no-smm", no_smm);
	g_test_add_func("/q35/wiring", wiring);
	g_test_add_func("/q35/routing", routing);
	g_test_add_func("/q35/pm-base", pm_base);
	g_test_add_func("/q35/events", events);
	g_test_add_func("/q35/system-management-interrupt", system_management_interrupt);
	g_test_add_func("/q35/rcba", rcba);
	g_test_add_func("/q35/reset-control", reset_control);
	g_test_add_func("/q35/placed-for-direct-boot", placed_for_direct_boot);
	g_test_add_func("/q35/random-writes", random_writes);
	return g_test_run();
}
