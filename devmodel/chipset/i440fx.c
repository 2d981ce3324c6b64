/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 82441FX PCI and memory controller (PMC), Intel order number 290549. Numbers of sections are those
 * of its data sheet. Not modelled: DRAM timing and boundary registers (read 0), SMRAM (there is no
 * system management mode; the register holds what is written).
 */
#include "devmodel/chipset/chips.h"

#define PAM0           0x59 /* section 3.2.16 */
#define SMRAM          0x72 /* section 3.2.22 */
#define SMRAM_RESET    0x02
#define SMRAM_LOCK     0x10
#define SMRAM_OPEN     0x40
#define SMRAM_WRITABLE 0x78 /* D_OPEN, D_CLS, D_LCK, G_SMRAME */

struct i440fx {
	struct pci_dev pci;
	struct conf_ports ports;
	struct pam pam;
	struct irq_sink from_bus; /* the root bus's four lines */
	struct irq_sink *router;
};

static struct i440fx *to_i440fx(struct dev *d)
{
	return container_of(to_pci_dev(d), struct i440fx, pci);
}

/* The lock bit closes the window and makes the register read-only until reset. */
static void update_smram(struct i440fx *s)
{
	uint8_t *smram = &s->pci.pci_hw.cfg[SMRAM];
	bool locked = *smram & SMRAM_LOCK;

	s->pci.wmask[SMRAM] = locked ? 0 : SMRAM_WRITABLE;
	if (locked)
		*smram &= (uint8_t)~SMRAM_OPEN;
}

static void config_write(struct pci_dev *p, unsigned offset, unsigned size)
{
	struct i440fx *s = container_of(p, struct i440fx, pci);

	pam_update(&s->pam, offset, offset + size - 1);
	update_smram(s);
}

static const struct pci_ops pci_ops = {.config_write = config_write};

/* ---- interrupts ---- */

/*
 * The board's wiring: INTA of slot 1 is PIRQA, so the bus's line n is PIRQ n - 1. Firmware relies
 * on it.
 */
static void route(struct irq_sink *sink, unsigned n, bool level)
{
	struct i440fx *s = container_of(sink, struct i440fx, from_bus);

	if (s->router)
		s->router->set(s->router, (n + 3) % 4, level);
}

void i440fx_set_router(struct dev *d, struct irq_sink *router)
{
	to_i440fx(d)->router = router;
}

/* ---- life ---- */

struct pci_bus *i440fx_pci_bus(struct dev *d)
{
	return to_i440fx(d)->pci.bus;
}

void i440fx_set_shadow(struct dev *d, struct gmem_block *ram, struct gmem_block *firmware)
{
	struct i440fx *s = to_i440fx(d);

	s->pam.ram = ram;
	s->pam.firmware = firmware;
}

static bool realize(struct dev *d, GError **error)
{
	static const struct pci_conf conf = {.vendor = 0x8086,
		.device = 0x1237,
		.subsys_vendor = 0x1af4,
		.subsys = 0x1100,
		.class_code = 0x060000,
		.revision = 2};
	struct i440fx *s = to_i440fx(d);

	s->from_bus.set = route;
	s->pci.bus = pci_bus_new(d->bus, &s->from_bus);
	s->pci.addr = (struct prop_pci){0, 0};
	if (!pci_dev_init(&s->pci, &pci_ops, &conf, error))
		return false;
	s->pci.pci_hw.cfg[SMRAM] = SMRAM_RESET;
	pam_init(&s->pam, &s->pci, PAM0);
	conf_ports_init(&s->ports, d, s->pci.bus);
	return true;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct i440fx *s = to_i440fx(d);

	pci_dev_reset(&s->pci);
	conf_ports_reset(&s->ports);
	update_smram(s);
	pam_update_all(&s->pam);
}

static int post_load(struct dev *d)
{
	struct i440fx *s = to_i440fx(d);

	update_smram(s);
	pam_update_all(&s->pam);
	return pci_dev_post_load(&s->pci);
}

static void unrealize(struct dev *d)
{
	struct i440fx *s = to_i440fx(d);

	pam_done(&s->pam);
	pci_dev_done(&s->pci);
	pci_bus_free(s->pci.bus);
}

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct i440fx, pci.pci_hw)},
	{&conf_ports_state, offsetof(struct i440fx, ports.hw)},
	{},
};

const struct dev_ops i440fx_ops = {
	.name = "i440fx",
	.doc = "Intel 82441FX PCI and memory controller",
	.size = sizeof(struct i440fx),
	.realize = realize,
	.reset = reset,
	.unrealize = unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = post_load,
	.state = parts,
};
