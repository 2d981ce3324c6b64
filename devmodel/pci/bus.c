/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>

#include "devmodel/pci/internal.h"

#define PINS 4 /* INTA..INTD, and inputs of the router */

struct pci_bus {
	struct irq_sink sink; /* input: devfn * PINS + pin - 1 */
	struct bus *bus;
	struct irq_sink *router;
	struct pci_dev *devs[PCI_DEVFNS]; /* atomic; changed under the bus lock */

	pthread_mutex_t lock; /* an irq lock: below */
	bool level[PCI_DEVFNS * PINS];
	unsigned high[PINS]; /* pins that drive a router input */
};

/* ---- INTx ---- */

/*
 * Each slot turns the four pins by one, so that the INTA of neighbours do not meet (section 2.2.6).
 */
static unsigned router_input(unsigned n)
{
	unsigned slot = n / PINS / PCI_FUNCS, pin = n % PINS;

	return (slot + pin) % PINS;
}

static void intx_set(struct irq_sink *s, unsigned n, bool level)
{
	struct pci_bus *b = container_of(s, struct pci_bus, sink);
	unsigned input = router_input(n);
	bool before;

	pthread_mutex_lock(&b->lock);
	before = b->high[input];
	b->high[input] += level - b->level[n];
	b->level[n] = level;
	if (before != !!b->high[input])
		b->router->set(b->router, input, level);
	pthread_mutex_unlock(&b->lock);
}

struct irq pci_bus_pin(struct pci_bus *b, unsigned devfn, unsigned pin)
{
	return (struct irq){.sink = &b->sink, .n = devfn * PINS + pin - 1};
}

/* ---- functions ---- */

struct pci_bus *pci_bus_new(struct bus *bus, struct irq_sink *router)
{
	struct pci_bus *b = g_new0(struct pci_bus, 1);

	b->sink.set = intx_set;
	b->bus = bus;
	b->router = router;
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

void pci_bus_free(struct pci_bus *b)
{
	if (!b)
		return;
	pthread_mutex_destroy(&b->lock);
	g_free(b);
}

struct pci_dev *pci_bus_dev(struct pci_bus *b, unsigned devfn)
{
	return devfn < PCI_DEVFNS ? __atomic_load_n(&b->devs[devfn], __ATOMIC_ACQUIRE) : NULL;
}

int pci_bus_free_devfn(struct pci_bus *b, unsigned first_slot)
{
	for (unsigned slot = first_slot; slot < PCI_SLOTS; slot++) {
		unsigned fn = 0;

		while (fn < PCI_FUNCS && !b->devs[PCI_DEVFN(slot, fn)])
			fn++;
		if (fn == PCI_FUNCS)
			return PCI_DEVFN(slot, 0);
	}
	return -1;
}

void pci_bus_attach(struct pci_bus *b, struct pci_dev *p, unsigned devfn)
{
	__atomic_store_n(&b->devs[devfn], p, __ATOMIC_RELEASE);
}

void pci_bus_detach(struct pci_bus *b, struct pci_dev *p)
{
	if (b->devs[p->devfn] == p)
		__atomic_store_n(&b->devs[p->devfn], NULL, __ATOMIC_RELEASE);
}

/* ---- configuration mechanism ---- */

static bool access_ok(unsigned offset, unsigned size)
{
	return (size == 1 || size == 2 || size == 4) && offset % size == 0 &&
	       range_fits(offset, size, PCI_CFG_SIZE);
}

/*
 * The qs section keeps the memory; "realized", under the device's lock, tells whether the function
 * is still there.
 */
uint32_t pci_config_read(struct pci_bus *b, unsigned devfn, unsigned offset, unsigned size)
{
	struct pci_dev *p = pci_bus_dev(b, devfn);
	uint32_t value = (uint32_t)ones(size);

	if (!p || !access_ok(offset, size))
		return value;
	dev_lock(DEV(p));
	if (p->dev.realized)
		value = pci_function_read(p, offset, size);
	dev_unlock(DEV(p));
	return value;
}

void pci_config_write(
	struct pci_bus *b, unsigned devfn, unsigned offset, unsigned size, uint32_t value)
{
	struct pci_dev *p;

	if (!access_ok(offset, size))
		return;
	bus_lock(b->bus);
	p = pci_bus_dev(b, devfn);
	if (p) {
		dev_lock(DEV(p));
		if (p->dev.realized)
			pci_function_write(p, offset, size, value);
		dev_unlock(DEV(p));
	}
	bus_unlock(b->bus);
}
