/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 82371SB PCI-to-ISA bridge (PIIX3), Intel order number 290550: the interrupt router. Its interrupt
 * controllers, timer and their ELCR are the accelerator's; the reset control register is decoded by
 * i440fx.c. Not modelled: X-bus chip selects, DMA channels, the registers of which read 0.
 */
#include <pthread.h>

#include "devmodel/chipset/chipset.h"

#define PIRQRC   0x60 /* A..D, section 2.2.5 */
#define PIRQS    4
#define PIRQ_OFF 0x80
#define PIRQ_IRQ 0x0f
#define ISA_IRQS 16
/* IRQ 3-7, 9-12, 14 and 15; the other codes are reserved. */
#define VALID_IRQS 0xdef8u

struct piix3_hw {
	uint8_t level[PIRQS]; /* of the inputs */
};

struct piix3 {
	struct pci_dev pci;
	struct piix3_hw hw; /* irq_lock */
	struct irq_sink sink;
	pthread_mutex_t irq_lock;         /* an irq lock, innermost but the GSI bank's */
	uint8_t routed[PIRQS];            /* irq_lock: where each goes now, ISA_IRQS: nowhere */
	struct irq irqs[PIRQS][ISA_IRQS]; /* [c] a source of its own for each pair */
};

static struct piix3 *to_piix3(struct dev *d)
{
	return container_of(to_pci_dev(d), struct piix3, pci);
}

static void drive(struct piix3 *s, unsigned n, bool level)
{
	if (s->routed[n] < ISA_IRQS)
		irq_set(&s->irqs[n][s->routed[n]], level);
}

static void pirq_set(struct irq_sink *sink, unsigned n, bool level)
{
	struct piix3 *s = container_of(sink, struct piix3, sink);

	pthread_mutex_lock(&s->irq_lock);
	s->hw.level[n] = level;
	drive(s, n, level);
	pthread_mutex_unlock(&s->irq_lock);
}

struct irq_sink *piix3_router(struct dev *d)
{
	return &to_piix3(d)->sink;
}

/* Takes over the routing registers: levels leave their old interrupt and appear at the new one. */
static void update_routes(struct piix3 *s)
{
	pthread_mutex_lock(&s->irq_lock);
	for (unsigned n = 0; n < PIRQS; n++) {
		uint8_t reg = s->pci.pci_hw.cfg[PIRQRC + n], irq = reg & PIRQ_IRQ;

		if ((reg & PIRQ_OFF) || !(VALID_IRQS & 1u << irq))
			irq = ISA_IRQS;
		if (irq == s->routed[n])
			continue;
		drive(s, n, false);
		s->routed[n] = irq;
		drive(s, n, s->hw.level[n]);
	}
	pthread_mutex_unlock(&s->irq_lock);
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

	pthread_mutex_init(&s->irq_lock, NULL);
	s->sink.set = pirq_set;
	for (unsigned n = 0; n < PIRQS; n++) {
		s->routed[n] = ISA_IRQS;
		for (unsigned irq = 0; irq < ISA_IRQS; irq++) {
			if (VALID_IRQS & 1u << irq)
				s->irqs[n][irq] = gsi_source(d->bus->gsi, irq);
		}
	}
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
	return pci_dev_post_load(&s->pci);
}

static void unrealize(struct dev *d)
{
	struct piix3 *s = to_piix3(d);

	pci_dev_done(&s->pci);
	pthread_mutex_destroy(&s->irq_lock);
}

static const struct state_field fields[] = {
	ST_ARRAY(struct piix3_hw, level, 1),
	ST_END,
};

static const struct state_desc state = {
	.name = "piix3", .version = 1, .size = sizeof(struct piix3_hw), .fields = fields};

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct piix3, pci.pci_hw)},
	{&state, offsetof(struct piix3, hw)},
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
