/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MCH, ICH9 LPC bridge and SMBus: ports, configuration space, what their windows cover, interrupts,
 * events.
 */
#include "devmodel/chipset/chipset.h"
#include "tests/lib/board-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LPC_DEVFN   PCI_DEVFN(0x1f, 0)
#define SMBUS_DEVFN PCI_DEVFN(0x1f, 3)

struct chips {
	struct dev *mch, *lpc, *smbus;
	unsigned devfn; /* the function that is configured next */
};

/*
 * The configuration mechanism in one step: a fuzzer does not find its address register by chance.
 */
static void configure(struct board *b, const struct chips *c, uint8_t what, uint8_t value)
{
	board_outl(b, 0xcf8, 0x80000000u | c->devfn << 8 | (what & 0xfc));
	board_outb(b, (uint16_t)(0xcfc + what % 4), value);
}

/* Through the windows, wherever they are now. */
static void window_access(struct board *b, const struct chips *c, uint8_t value)
{
	uint64_t ecam = mch_ecam_base(c->mch);
	uint32_t rcba = pci_get32(to_pci_dev(c->lpc), 0xf0) & ~UINT32_C(0x3fff);

	if (ecam) {
		bus_write(b->bus, BUS_MMIO, ecam + value * 16, 4, value * 0x01010101u);
		bus_read(b->bus, BUS_MMIO, ecam + ((uint64_t)c->devfn << 12) + value, 1);
	}
	bus_write(b->bus, BUS_MMIO, rcba + 0x3400 + value, 1, value);
	bus_read(b->bus, BUS_MMIO, rcba + 0x3000 + value * 8, 4);
	bus_write(b->bus, BUS_MMIO, 0x80000 + value * 0x1000u, 4, value);
}

static void board_event(struct board *b, uint8_t what, uint8_t value, void *opaque)
{
	static const uint8_t functions[] = {0, LPC_DEVFN, SMBUS_DEVFN};
	struct chips *c = opaque;
	struct irq_sink *router = ich9_router(c->lpc);

	if (what >= 0x40)
		configure(b, c, what, value);
	else if (what == 0)
		acpi_pm_power_button(ich9_acpi(c->lpc));
	else if (what == 1)
		acpi_pm_gpe(ich9_acpi(c->lpc), value);
	else if (what == 2)
		c->devfn = functions[value % ARRAY_SIZE(functions)];
	else if (what == 3)
		configure(b, c, value & 0x3f, what);
	else if (what == 4)
		window_access(b, c, value);
	else
		router->set(router, what % 8, value & 1);
}

static struct dev *add_function(
	struct board *b, struct chips *c, const struct dev_ops *ops, int8_t function)
{
	struct dev *d = dev_new(b->bus, ops, ops->name);

	to_pci_dev(d)->bus = mch_pci_bus(c->mch);
	to_pci_dev(d)->addr = (struct prop_pci){.slot = 0x1f, .function = function};
	if (ops == &ich9_lpc_ops)
		prop_set_uint(prop_find(ops->props, "smm"), d, true, NULL);
	else
		ich9_smbus_set_spd(d, 0, (const uint8_t[256]){128, 8, 7});
	board_realize(b, d);
	return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_range ranges[] = {
		{0xcf8, 8}, {ICH9_PM_BASE, 128}, {0x700, 16}, {0xb2, 2}, {0}};
	static const uint8_t gsi[8] = {10, 10, 11, 11, 10, 10, 11, 11};
	struct mch_memory memory = {.high_end = 4 * GiB, .low_end = BOARD_RAM_SIZE, .smm = true};
	struct chips c = {.devfn = 0};
	const struct fuzz_target target = {.ranges = ranges, .own = board_event, .opaque = &c};
	struct board b;

	board_init(&b);
	memory.ram = memory.firmware = b.ram;
	c.mch = dev_new(b.bus, &mch_ops, "mch");
	prop_set_uint(prop_find(mch_ops.props, "extended-tseg-mbytes"), c.mch, 0, NULL);
	mch_set_memory(c.mch, &memory);
	board_realize(&b, c.mch);
	c.lpc = add_function(&b, &c, &ich9_lpc_ops, 0);
	mch_set_router(c.mch, ich9_router(c.lpc));
	c.smbus = add_function(&b, &c, &ich9_smbus_ops, 3);
	bus_lock(b.bus);
	mch_place_ecam(c.mch, MCH_ECAM_BASE);
	ich9_place(c.lpc, ICH9_PM_BASE, gsi);
	bus_unlock(b.bus);
	pci_config_write(mch_pci_bus(c.mch), SMBUS_DEVFN, 0x20, 4, 0x700);
	pci_config_write(mch_pci_bus(c.mch), SMBUS_DEVFN, PCI_COMMAND, 2, PCI_CMD_IO);
	pci_config_write(mch_pci_bus(c.mch), SMBUS_DEVFN, 0x40, 1, 1);
	board_fuzz(&b, &target, data, size);
	board_done(&b);
	return 0;
}
