/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt controllers and interval timer together, with lines that move and a CPU that
 * acknowledges.
 */
#include "devmodel/platform/irqchip.h"
#include "tests/lib/board-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct chips {
	struct dev *pic, *ioapic;
};

/* @what: 0-3 a line, 4 select and 5 window of the IOAPIC, 6 acknowledge, 7 EOI. */
static void outside(struct board *b, uint8_t what, uint8_t v, void *opaque)
{
	struct chips *c = opaque;
	struct irq_sink *pic = i8259_inputs(c->pic), *io = ioapic_inputs(c->ioapic);

	switch (what % 8) {
	case 4: bus_write(b->bus, BUS_MMIO, IOAPIC_BASE, 4, v); break;
	case 5: bus_write(b->bus, BUS_MMIO, IOAPIC_BASE + 0x10, 4, v * 0x01010101u); break;
	case 6: i8259_acknowledge(c->pic); break;
	case 7: ioapic_eoi(c->ioapic, v); break;
	default: pic->set(pic, v % 32, what & 1); io->set(io, v % 32, what & 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_range ranges[] = {
		{0x20, 2}, {0xa0, 2}, {0x4d0, 2}, {0x40, 4}, {0x61, 1}, {0}};
	struct chips chips;
	const struct fuzz_target target = {.ranges = ranges, .own = outside, .opaque = &chips};
	struct board b;

	board_init(&b);
	chips.pic = board_add(&b, &i8259_ops, "pic");
	chips.ioapic = board_add(&b, &ioapic_ops, "ioapic");
	board_add(&b, &i8254_ops, "pit");
	board_fuzz(&b, &target, data, size);
	board_done(&b);
	return 0;
}
