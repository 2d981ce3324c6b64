/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chips.h - the parts from which the two chipsets are made. Each part has its registers' state and
 * a table for it, which the chip lists among its own; init is for realize, the rest for the
 * functions of the same name. What is not said to be otherwise needs the chip's lock.
 */
#ifndef DEVMODEL_CHIPSET_CHIPS_H
#define DEVMODEL_CHIPSET_CHIPS_H

#include "devmodel/chipset/chipset.h"

/*
 * ---- configuration mechanism 1: CONFADD 0xCF8, CONFDATA 0xCFC; and the reset control register
 * 0xCF9 ----
 */

struct conf_ports_hw {
	uint32_t confadd;
	uint8_t rcr;
	uint8_t pad[3];
};

struct conf_ports {
	struct conf_ports_hw hw;
	struct region confadd, confdata;
	struct pci_bus *root;
};

extern const struct state_desc conf_ports_state;

void conf_ports_init(struct conf_ports *c, struct dev *d, struct pci_bus *root);
void conf_ports_reset(struct conf_ports *c);

/* ---- PAM: who answers in 0xC0000..0xFFFFF ---- */

#define PAM_REGS     7
#define PAM_SEGMENTS 13

/* A piece that one field of a register governs. */
struct pam_segment {
	uint32_t start, size;
	uint8_t reg, shift;
	struct region region; /* what shows there now */
};

struct pam {
	struct pci_dev *pci;
	struct gmem_block *ram, *firmware; /* set before init; see i440fx_set_shadow() */
	struct pam_segment segments[PAM_SEGMENTS];
};

/* The registers are @reg to @reg + 6. Bus lock held, as for the rest. */
void pam_init(struct pam *pam, struct pci_dev *p, unsigned reg);
/* The registers [@first, @last] may have changed. */
void pam_update(struct pam *pam, unsigned first, unsigned last);
void pam_update_all(struct pam *pam);
void pam_done(struct pam *pam);

/* ---- PIRQ: inputs that registers route to ISA interrupts ---- */

#define PIRQ_MAX 8
#define PIRQ_OFF 0x80 /* in a routing register: nowhere; the interrupt is in the low four bits */
#define PIRQ_IRQ 0x0f
#define ISA_IRQS 16

struct pirq_hw {
	uint8_t level[PIRQ_MAX]; /* of the inputs */
};

struct pirq {
	struct pirq_hw hw; /* lock */
	struct irq_sink sink;
	unsigned n;                          /* [c] inputs */
	pthread_mutex_t lock;                /* an irq lock, innermost but the GSI bank's */
	uint8_t routed[PIRQ_MAX];            /* lock: where each goes now, ISA_IRQS: nowhere */
	struct irq irqs[PIRQ_MAX][ISA_IRQS]; /* [c] a source of its own for each pair */
	struct irq direct[PIRQ_MAX];         /* [c] where it goes besides, or unwired */
};

extern const struct state_desc pirq_state;

/* @direct: GSI of input 0, to which the inputs go whatever the registers say; 0: to none. */
void pirq_init(struct pirq *q, struct dev *d, unsigned n, unsigned direct);
/*
 * The routing register of input @n holds @reg: the level leaves its old interrupt and appears at
 * the new one.
 */
void pirq_route(struct pirq *q, unsigned n, uint8_t reg);
/* Levels were loaded. */
void pirq_post_load(struct pirq *q);
void pirq_done(struct pirq *q);

/* ---- APM: ports 0xB2 (a command, SMI) and 0xB3 (a byte for it) ---- */

struct apm_hw {
	uint8_t cnt, sts;
};

struct apm {
	struct apm_hw hw;
	struct region region;
	void (*command)(struct dev *d, uint8_t cnt); /* after a write to 0xB2; may be NULL */
};

extern const struct state_desc apm_state;

void apm_init(struct apm *a, struct dev *d, void (*command)(struct dev *d, uint8_t cnt));

/* ---- SMBus host controller with serial presence detect EEPROMs ---- */

#define SMBUS_EEPROMS 8
#define SMBUS_BLOCK   32

struct smbus_hw {
	uint8_t status, control, command, address, data0, data1, aux;
	uint8_t index; /* next byte of block */
	uint8_t block[SMBUS_BLOCK];
	uint8_t pointer[SMBUS_EEPROMS]; /* of the EEPROMs */
};

struct smbus {
	struct smbus_hw hw;
	bool ich;                       /* [c] as in ICH: byte-wise blocks, I2C reads; else PIIX4 */
	uint8_t *eeprom[SMBUS_EEPROMS]; /* [c] 256 bytes each, NULL: no such slave */
};

extern const struct state_desc smbus_state;

void smbus_set_spd(struct smbus *b, unsigned slot, const uint8_t spd[256]);
uint8_t smbus_read(struct smbus *b, unsigned offset);
void smbus_write(struct smbus *b, unsigned offset, uint8_t value);
/* True while it wants to interrupt. */
bool smbus_interrupts(const struct smbus *b);
void smbus_done(struct smbus *b);

/* ---- what the devices with hotplug registers have in common ---- */

/* First in their structures. */
struct acpi_hotplug {
	struct dev dev;
	uint16_t base; /* property */
	struct region region;
	struct irq gpe;                /* [c] pulsed for each event */
	struct acpi_hotplug_user user; /* [c] */
};

static inline struct acpi_hotplug *to_acpi_hotplug(struct dev *d)
{
	return container_of(d, struct acpi_hotplug, dev);
}

/* Maps @size ports at the property. From realize. */
void acpi_hotplug_map(struct acpi_hotplug *h, const struct region_ops *ops, uint64_t size);
/* Tells the user; lock held. */
void acpi_hotplug_ejected(struct acpi_hotplug *h, unsigned n);
void acpi_hotplug_status(struct acpi_hotplug *h, unsigned n, uint32_t event, uint32_t status);

#endif
