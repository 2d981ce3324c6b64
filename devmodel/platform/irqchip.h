/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * irqchip.h - own models of what an accelerator usually has inside: interrupt controllers and
 * interval timer. For accelerators that have none (qtest) or only local APICs (split irqchip).
 *
 *	GSI bank ──► accel->gsi_set ─┬─► i8259 inputs 0..15 ──► INTR ──► i8259_acknowledge()
 *	i8254 ─ IRQ 0 ─┘             └─► ioapic inputs 0..23 ──► messages ──► ioapic_eoi()
 *
 * GSI 0 is input 2 of the IOAPIC, and nothing drives GSI 2: as the accelerators' own have it and
 * the MADT says. Port 0x61 comes with our own timer only: KVM's answers it inside the kernel
 * (KVM_PIT_SPEAKER_DUMMY), with its own gate and output and without an exit.
 *
 * All functions: any thread, device locks held or not; what they lock are irq locks.
 */
#ifndef DEVMODEL_PLATFORM_IRQCHIP_H
#define DEVMODEL_PLATFORM_IRQCHIP_H

#include "devmodel/bus/bus.h"

/* ---- two 8259A with edge/level control registers: 0x20, 0xa0, 0x4d0 ---- */

extern const struct dev_ops i8259_ops;

struct irq_sink *i8259_inputs(struct dev *d);
/* Where INTR goes. Before realize. */
void i8259_set_output(struct dev *d, struct irq intr);
/* An INTA cycle: the vector; that of a spurious IRQ 7 when nothing is pending any more. */
uint8_t i8259_acknowledge(struct dev *d);

/* ---- 8254 and system control port B: 0x40 to 0x43, 0x61 ---- */

extern const struct dev_ops i8254_ops;

#define I8254_HZ 1193182

/* Its output 0 goes nowhere (hpet_set_legacy()), or to IRQ 0 again. */
void i8254_disconnect(struct dev *d, bool disconnect);

/* ---- 82093AA: 0xfec00000 ---- */

extern const struct dev_ops ioapic_ops;

#define IOAPIC_BASE UINT64_C(0xfec00000)

struct irq_sink *ioapic_inputs(struct dev *d);
/* A local APIC has ended a level-triggered interrupt of @vector. */
void ioapic_eoi(struct dev *d, uint8_t vector);

#endif
