/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chipset's ports, the registers that its configuration space moves about, its interrupts and buttons. */
#include "devmodel/chipset/chipset.h"
#include "tests/lib/board-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct chips {
	struct dev *pmc, *isa, *pm;
};

/* The configuration mechanism in one step: a fuzzer does not find its address register by chance. */
static void configure(struct board *b, uint8_t what, uint8_t value)
{
	static const uint8_t functions[] = {PCI_DEVFN(0, 0), PCI_DEVFN(1, 0), PCI_DEVFN(1, 3)};

	for (unsigned i = 0; i < ARRAY_SIZE(functions); i++) {
		board_outl(b, 0xcf8, 0x80000000u | (unsigned)functions[i] << 8 | (what & 0xfc));
		board_outb(b, (uint16_t)(0xcfc + what % 4), value);
	}
}

static void board_event(struct board *b, uint8_t what, uint8_t value, void *opaque)
{
	struct chips *c = opaque;
	struct irq_sink *router = piix3_router(c->isa);

	if (what >= 0x40)
		configure(b, what, value);
	else if (what == 0)
		piix4_pm_power_button(c->pm);
	else if (what == 1)
		piix4_pm_gpe(c->pm, value);
	else
		router->set(router, what % 4, value & 1);
}

static struct dev *add_function(
	struct board *b, struct chips *c, const struct dev_ops *ops, int8_t function)
{
	struct dev *d = dev_new(b->bus, ops, ops->name);

	to_pci_dev(d)->bus = i440fx_pci_bus(c->pmc);
	to_pci_dev(d)->addr = (struct prop_pci){.slot = 1, .function = function};
	board_realize(b, d);
	return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_range ranges[] = {
		{0xcf8, 8}, {PIIX4_PM_BASE, 64}, {PIIX4_SMB_BASE, 16}, {PIIX4_GPE0_BASE, 4}, {0}};
	struct chips c;
	const struct fuzz_target target = {.ranges = ranges, .own = board_event, .opaque = &c};
	struct board b;

	board_init(&b);
	c.pmc = dev_new(b.bus, &i440fx_ops, "i440fx");
	i440fx_set_shadow(c.pmc, b.ram, b.ram);
	board_realize(&b, c.pmc);
	c.isa = add_function(&b, &c, &piix3_ops, 0);
	i440fx_set_router(c.pmc, piix3_router(c.isa));
	c.pm = add_function(&b, &c, &piix4_pm_ops, 3);
	bus_lock(b.bus);
	piix4_pm_place(c.pm, PIIX4_PM_BASE, PIIX4_SMB_BASE);
	bus_unlock(b.bus);
	board_fuzz(&b, &target, data, size);
	board_done(&b);
	return 0;
}
