/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 82371SB PCI-to-ISA bridge (PIIX3), Intel order number 290550: the interrupt router. Its interrupt
 * controllers, timer and their ELCR are the accelerator's; the reset control register is decoded by
 * i440fx.c. Not modelled: X-bus chip selects, DMA channels, the registers of which read 0.
 */
#include "devmodel/chipset/chips.h"

#define PIRQRC 0x60 /* A..D, section 2.2.5 */
#define PIRQS  4

struct piix3 {
	struct pci_dev pci;
	struct pirq pirq;
};

static struct piix3 *to_piix3(struct dev *d)
{
	return container_of(to_pci_dev(d), struct piix3, pci);
}

struct irq_sink *piix3_router(struct dev *d)
{
	return &to_piix3(d)->pirq.sink;
}

static void update_routes(struct piix3 *s)
{
	for (unsigned n = 0; n < PIRQS; n++)
		pirq_route(&s->pirq, n, s->pci.pci_hw.cfg[PIRQRC + n]);
}

static void config_write(struct pci_dev *p, unsigned offset, unsigned size)
{
	update_routes(container_of(p, struct piix3, pci));
}

static const struct pci_ops pci_ops = {.config_write = config_write};

void piix3_route(struct dev *d, const uint8_t gsi[PIRQS])
{
	struct piix3 *s = to_piix3(d);

	dev_lock(d);
	for (unsigned n = 0; n < PIRQS; n++)
		s->pci.pci_hw.cfg[PIRQRC + n] = gsi[n];
	update_routes(s);
	dev_unlock(d);
}

/* ---- life ---- */

static bool realize(struct dev *d, GError **error)
{
	static const struct pci_conf conf = {.vendor = 0x8086,
		.device = 0x7000,
		.subsys_vendor = 0x1af4,
		.subsys = 0x1100,
		.class_code = 0x060100,
		.multifunction = true};
	struct piix3 *s = to_piix3(d);

	pirq_init(&s->pirq, d, PIRQS, 0);
	if (!pci_dev_init(&s->pci, &pci_ops, &conf, error))
		return false;
	for (unsigned n = 0; n < PIRQS; n++) {
		s->pci.pci_hw.cfg[PIRQRC + n] = PIRQ_OFF;
		s->pci.wmask[PIRQRC + n] = PIRQ_OFF | PIRQ_IRQ;
	}
	return true;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct piix3 *s = to_piix3(d);

	pci_dev_reset(&s->pci);
	update_routes(s);
}

static int post_load(struct dev *d)
{
	struct piix3 *s = to_piix3(d);

	update_routes(s);
	pirq_post_load(&s->pirq);
	return pci_dev_post_load(&s->pci);
}

static void unrealize(struct dev *d)
{
	struct piix3 *s = to_piix3(d);

	pci_dev_done(&s->pci);
	pirq_done(&s->pirq);
}

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct piix3, pci.pci_hw)},
	{&pirq_state, offsetof(struct piix3, pirq.hw)},
	{},
};

const struct dev_ops piix3_ops = {
	.name = "piix3",
	.doc = "Intel 82371SB PCI-to-ISA bridge",
	.size = sizeof(struct piix3),
	.realize = realize,
	.reset = reset,
	.unrealize = unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = post_load,
	.state = parts,
};
