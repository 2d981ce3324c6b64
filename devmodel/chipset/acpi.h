/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acpi.h - ACPI hardware: the fixed registers that PIIX4 and ICH9 have in common, and the registers
 * through which firmware's AML learns what was plugged.
 *
 * Whoever has an event for the guest drives an input of struct acpi_pm's `gpe` sink; its status bit
 * then stays set until the guest clears it, and interrupts by SCI if it is enabled.
 *
 *	hotplug device ──► struct irq ──► acpi_pm.gpe: GPE0_STS ──► SCI ──► _E0n method ──► hotplug registers ──► Notify()
 */
#ifndef DEVMODEL_CHIPSET_ACPI_H
#define DEVMODEL_CHIPSET_ACPI_H

#include "devmodel/bus/bus.h"

struct pci_bus;

/* ---- the fixed registers (ACPI 6.4 section 4.8) ---- */

#define ACPI_GPE_BYTES 8 /* of status, then as many of enable; PIIX4 has 2 */

struct acpi_pm_hw {
	uint16_t sts, en, cnt; /* PM1 */
	uint8_t pad[2];
	uint8_t gpe_sts[ACPI_GPE_BYTES], gpe_en[ACPI_GPE_BYTES];
	uint64_t
		overflow; /* virtual ns at which the timer's bit 23 changes next and sets TMR_STS */
};

/*
 * Embedded in the chip, which decodes the addresses. Registers: device lock held, which guards the
 * timer too.
 */
struct acpi_pm {
	struct acpi_pm_hw hw;   /* lock */
	struct dev *dev;        /* [c] the chip */
	pthread_mutex_t lock;   /* an irq lock: events come from any thread */
	unsigned gpe_bytes;     /* [c] */
	struct irq_sink gpe;    /* input n going high sets status bit n */
	struct irq sci;         /* changed by acpi_pm_set_sci() */
	struct dev_timer timer; /* armed while its interrupt is wanted */
};

/* The state of a chip with an acpi_pm: {&acpi_pm_state, offsetof(struct X, pm.hw)}. */
extern const struct state_desc acpi_pm_state;

/* @on_timer: calls acpi_pm_tick(). */
void acpi_pm_init(
	struct acpi_pm *pm, struct dev *d, unsigned gpe_bytes, void (*on_timer)(struct dev *d));
void acpi_pm_tick(struct acpi_pm *pm);
void acpi_pm_done(struct acpi_pm *pm);
void acpi_pm_reset(struct acpi_pm *pm);
int acpi_pm_post_load(struct acpi_pm *pm);
/* SCI goes to another interrupt from now on. */
void acpi_pm_set_sci(struct acpi_pm *pm, struct irq sci);

/*
 * PM1_STS, PM1_EN, PM1_CNT and the timer: bytes 0 to 11 of the block; above reads 0. @size 1 to 4.
 */
uint32_t acpi_pm_read(struct acpi_pm *pm, unsigned offset, unsigned size);
void acpi_pm_write(struct acpi_pm *pm, unsigned offset, unsigned size, uint32_t value);
/* GPE0_STS, then GPE0_EN; a byte. */
uint8_t acpi_gpe_read(struct acpi_pm *pm, unsigned offset);
void acpi_gpe_write(struct acpi_pm *pm, unsigned offset, uint8_t value);

/* Any thread. */
void acpi_pm_power_button(struct acpi_pm *pm);
void acpi_pm_gpe(struct acpi_pm *pm, unsigned n);
/* A pin for a device that announces events: input @n of gpe. */
struct irq acpi_pm_gpe_pin(struct acpi_pm *pm, unsigned n);

/* Events as AML and devices agree on them. */
enum { ACPI_GPE_PCI = 1, ACPI_GPE_CPU = 2, ACPI_GPE_MEMORY = 3 };

/*
 * ---- hotplug registers: the interfaces that QEMU's documents acpi_{pci,cpu,mem}_hotplug specify
 * ----
 */

/*
 * What the guest has let go of: the machine notes it, wakes its main loop and takes the thing away
 * there. Called on a vCPU's thread with locks held. @n: index of the CPU, slot of the memory. (PCI
 * tells pci_bus_set_released().)
 */
struct acpi_hotplug_user {
	void (*ejected)(void *opaque, unsigned n);
	/* _OST: how the guest fared with an event; may be NULL. */
	void (*status)(void *opaque, unsigned n, uint32_t event, uint32_t status);
	void *opaque;
};

extern const struct dev_ops acpi_pci_hotplug_ops; /* pc: 0xae00, 20 bytes */
extern const struct dev_ops acpi_cpu_hotplug_ops; /* pc: 0xaf00, q35: 0xcd8; 12 bytes */
extern const struct dev_ops acpi_mem_hotplug_ops; /* 0xa00, 24 bytes */

#define ACPI_PCI_HOTPLUG_BASE     0xae00
#define ACPI_CPU_HOTPLUG_BASE_PC  0xaf00
#define ACPI_CPU_HOTPLUG_BASE_Q35 0x0cd8
#define ACPI_MEM_HOTPLUG_BASE     0x0a00
#define ACPI_HOTPLUG_BUSES        32
#define ACPI_HOTPLUG_CPUS         288
#define ACPI_HOTPLUG_DIMMS        256

/*
 * Before realize: the GPE pin, and who is told (NULL: nobody). Where the registers are, property
 * "base" says.
 */
void acpi_hotplug_wire(struct dev *d, struct irq gpe, const struct acpi_hotplug_user *user);

/*
 * PCI. @bsel: the number by which AML selects the bus; its slots in @hotpluggable (a bit each) can
 * be ejected. Set-up. After that pci_slot_plug() and pci_slot_unplug() work on the bus.
 */
void acpi_pci_hotplug_add_bus(
	struct dev *d, unsigned bsel, struct pci_bus *bus, uint32_t hotpluggable);

/*
 * CPUs. The machine has @n of them, possible ones included, with these APIC ids; before realize.
 * @present: there now, or there from now on (then an insert event, unless the guest does not run
 * yet). Main thread.
 */
void acpi_cpu_hotplug_set(struct dev *d, const uint32_t *apic_ids, unsigned n);
void acpi_cpu_hotplug_present(struct dev *d, unsigned cpu, bool present, bool event);
/* Asks the guest to give it up: remove event. -EINVAL: it is not there, or the first one. */
int acpi_cpu_hotplug_request(struct dev *d, unsigned cpu);

/* Memory devices, likewise. @size 0: none in that slot. */
struct acpi_dimm {
	uint64_t base, size;
	uint32_t node;
};
void acpi_mem_hotplug_present(
	struct dev *d, unsigned slot, const struct acpi_dimm *dimm, bool event);
int acpi_mem_hotplug_request(struct dev *d, unsigned slot);

#endif
