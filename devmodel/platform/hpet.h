/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hpet.h - High Precision Event Timers, IA-PC HPET specification 1.0a: a counter of 100 MHz and
 * three comparators, at HPET_BASE. ACPI announces it (table HPET with HPET_ID, device PNP0103).
 *
 * With legacy replacement routing timer 0 takes the place of the 8254 and timer 1 that of the RTC:
 * the outputs of those two are then disconnected, which only the machine can do.
 */
#ifndef DEVMODEL_PLATFORM_HPET_H
#define DEVMODEL_PLATFORM_HPET_H

#include "devmodel/bus/bus.h"

/*
 * Property "intcap": bit n set: a timer may interrupt by input n of the IOAPIC (QEMU's values: 0x4
 * for pc, 0xff0104 for q35).
 */
extern const struct dev_ops hpet_ops;

#define HPET_BASE   UINT64_C(0xfed00000)
#define HPET_SIZE   0x400
#define HPET_TIMERS 3
#define HPET_ID     0x8086a201u /* low half of the capabilities register, for the ACPI table */

/*
 * @fn is told when legacy replacement routing goes on and off: it disconnects or connects the
 * 8254's output 0 and the RTC's interrupt (rtc_disconnect()). Called on any thread, with the HPET's
 * lock held: it may take irq locks only. Before realize.
 */
void hpet_set_legacy(struct dev *d, void (*fn)(void *opaque, bool on), void *opaque);

#endif
