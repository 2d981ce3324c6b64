/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Buses: who is where, how an access to configuration space finds its function, and where interrupt
 * pins meet.
 */
#include <pthread.h>

#include "devmodel/pci/internal.h"

/* ---- INTx ---- */

unsigned pci_swizzle(unsigned slot, unsigned pin)
{
	return (slot + pin - 1) % PCI_PINS;
}

/* A bridge's own pin does not turn: it is one of the four that its secondary bus passes on. */
static unsigned router_input(const struct pci_bus *b, unsigned n)
{
	unsigned slot = n / PCI_PINS / PCI_FUNCS, pin = n % PCI_PINS + 1;

	return slot == PCI_SLOTS ? pin - 1 : b->map(slot, pin);
}

static void drive(struct pci_bus *b, unsigned input, bool level)
{
	if (b->bridge)
		input += b->bridge->devfn * PCI_PINS;
	if (b->router)
		b->router->set(b->router, input, level);
}

static void intx_set(struct irq_sink *s, unsigned n, bool level)
{
	struct pci_bus *b = container_of(s, struct pci_bus, sink);
	unsigned input = router_input(b, n);
	bool before;

	pthread_mutex_lock(&b->lock);
	before = b->high[input];
	b->high[input] += level - b->level[n];
	b->level[n] = level;
	if (before != !!b->high[input])
		drive(b, input, level);
	pthread_mutex_unlock(&b->lock);
}

struct irq pci_bus_pin(struct pci_bus *b, unsigned devfn, unsigned pin)
{
	return (struct irq){.sink = &b->sink, .n = devfn * PCI_PINS + pin - 1};
}

struct irq pci_bridge_pin(struct pci_bus *b, unsigned pin)
{
	return (struct irq){.sink = &b->sink, .n = PCI_DEVFNS * PCI_PINS + pin - 1};
}

/* ---- buses ---- */

static struct pci_bus *make_bus(struct bus *bus, enum pci_bus_kind kind, struct irq_sink *router)
{
	struct pci_bus *b = g_new0(struct pci_bus, 1);

	b->sink.set = intx_set;
	b->map = pci_swizzle;
	b->bus = bus;
	b->kind = kind;
	b->router = router;
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

struct pci_bus *pci_bus_new(struct bus *bus, struct irq_sink *router)
{
	return make_bus(bus, PCI_BUS_CONVENTIONAL, router);
}

struct pci_bus *pci_root_complex_new(
	struct bus *bus, struct irq_sink *router, unsigned (*map)(unsigned slot, unsigned pin))
{
	struct pci_bus *b = make_bus(bus, PCI_BUS_ROOT_COMPLEX, router);

	b->map = map;
	return b;
}

void pci_bus_set_router(struct pci_bus *b, struct irq_sink *router)
{
	b->router = router;
}

static void free_bus(void *p)
{
	struct pci_bus *b = p;

	pthread_mutex_destroy(&b->lock);
	g_free(b);
}

void pci_bus_free(struct pci_bus *b)
{
	if (b)
		free_bus(b);
}

struct pci_bus *pci_bus_behind(struct pci_dev *bridge, enum pci_bus_kind kind)
{
	struct pci_bus *up = bridge->bus, *b = make_bus(up->bus, kind, &up->sink);

	b->bridge = bridge;
	b->next = up->children;
	__atomic_store_n(&up->children, b, __ATOMIC_RELEASE);
	return b;
}

/* A vCPU may be on its way through it. */
void pci_bus_remove(struct pci_bus *b)
{
	struct pci_bus **at = &b->bridge->bus->children;

	while (*at != b)
		at = &(*at)->next;
	__atomic_store_n(at, b->next, __ATOMIC_RELEASE);
	qs_defer(b, free_bus);
}

enum pci_bus_kind pci_bus_kind(const struct pci_bus *b)
{
	return b->kind;
}

struct pci_dev *pci_bus_bridge(const struct pci_bus *b)
{
	return b->bridge;
}

static uint8_t bridge_register(const struct pci_bus *b, unsigned offset)
{
	return __atomic_load_n(&b->bridge->pci_hw.cfg[offset], __ATOMIC_RELAXED);
}

unsigned pci_bus_number(const struct pci_bus *b)
{
	return b->bridge ? bridge_register(b, PCI_SECONDARY) : 0;
}

/*
 * True when configuration requests for bus @n pass through the bridge above @b. 0 is what it holds
 * before it is set up.
 */
static bool leads_to(const struct pci_bus *b, unsigned n)
{
	unsigned first = pci_bus_number(b);

	return first && n >= first && n <= bridge_register(b, PCI_SUBORDINATE) &&
	       !pci_bus_is_down(b, PCI_DOWN_RESET | PCI_DOWN_LINK);
}

/* As deep as bridges are plugged into each other, whatever their registers say. */
static struct pci_bus *find_bus(struct pci_bus *b, unsigned n)
{
	struct pci_bus *c;

	if (n == pci_bus_number(b))
		return b;
	for (c = __atomic_load_n(&b->children, __ATOMIC_ACQUIRE); c && !leads_to(c, n);)
		c = __atomic_load_n(&c->next, __ATOMIC_ACQUIRE);
	return c ? find_bus(c, n) : NULL;
}

/* ---- functions ---- */

struct pci_dev *pci_bus_dev(struct pci_bus *b, unsigned devfn)
{
	return devfn < PCI_DEVFNS ? __atomic_load_n(&b->devs[devfn], __ATOMIC_ACQUIRE) : NULL;
}

/* At the other end of a link there is one device (PCI Express 2.0 section 7.3.1). */
unsigned pci_bus_slots(const struct pci_bus *b)
{
	return b->kind == PCI_BUS_LINK ? 1 : PCI_SLOTS;
}

int pci_bus_free_devfn(struct pci_bus *b, unsigned first_slot)
{
	for (unsigned slot = first_slot; slot < pci_bus_slots(b); slot++) {
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

void pci_bus_each(struct pci_bus *b, void (*fn)(struct pci_dev *p))
{
	for (unsigned devfn = 0; devfn < PCI_DEVFNS; devfn++) {
		if (b->devs[devfn])
			fn(b->devs[devfn]);
	}
	for (struct pci_bus *c = b->children; c; c = c->next)
		pci_bus_each(c, fn);
}

/* ---- links ---- */

bool pci_bus_is_down(const struct pci_bus *b, unsigned why)
{
	return __atomic_load_n(&b->down, __ATOMIC_RELAXED) & why;
}

/* pci_may_dma() is another now. */
static void tell_function(struct pci_dev *p)
{
	dev_lock(DEV(p));
	if (p->dev.realized && p->pci_ops->command_changed)
		p->pci_ops->command_changed(p);
	dev_unlock(DEV(p));
}

void pci_bus_set_down(struct pci_bus *b, unsigned why, bool down)
{
	unsigned before = b->down, now = down ? before | why : before & ~why;

	__atomic_store_n(&b->down, now, __ATOMIC_RELAXED);
	pci_bus_each(b, pci_dev_remap);
	if (!before != !now)
		pci_bus_each(b, tell_function);
}

/* ---- configuration mechanism ---- */

static bool access_ok(unsigned offset, unsigned size)
{
	return (size == 1 || size == 2 || size == 4) && offset % size == 0 &&
	       range_fits(offset, size, PCI_CFG_SIZE);
}

static struct pci_dev *find_function(struct pci_bus *root, unsigned rid)
{
	struct pci_bus *b = rid < PCI_RID(256, 0) ? find_bus(root, rid / PCI_DEVFNS) : NULL;

	return b ? pci_bus_dev(b, rid % PCI_DEVFNS) : NULL;
}

/*
 * The qs section keeps the memory; "realized", under the device's lock, tells whether the function
 * is still there.
 */
uint32_t pci_config_read(struct pci_bus *root, unsigned rid, unsigned offset, unsigned size)
{
	struct pci_dev *p = find_function(root, rid);
	uint32_t value = (uint32_t)ones(size);

	if (!p || !access_ok(offset, size) || offset >= p->cfg_size)
		return value;
	dev_lock(DEV(p));
	if (p->dev.realized)
		value = pci_function_read(p, offset, size);
	dev_unlock(DEV(p));
	return value;
}

void pci_config_write(
	struct pci_bus *root, unsigned rid, unsigned offset, unsigned size, uint32_t value)
{
	struct pci_dev *p;

	if (!access_ok(offset, size))
		return;
	bus_lock(root->bus);
	p = find_function(root, rid);
	if (p && offset < p->cfg_size) {
		dev_lock(DEV(p));
		if (p->dev.realized)
			pci_function_write(p, offset, size, value);
		dev_unlock(DEV(p));
	}
	bus_unlock(root->bus);
}

/* ---- hotplug ---- */

void pci_bus_set_hotplug(
	struct pci_bus *b, const struct pci_hotplug_ops *ops, void *opaque, uint32_t slots)
{
	b->hotplug = ops;
	b->hotplug_opaque = opaque;
	b->hotplug_slots = slots;
}

static bool hotpluggable(const struct pci_bus *b, unsigned slot)
{
	return b->hotplug && b->hotplug_slots >> slot & 1;
}

int pci_slot_plug(struct pci_bus *b, unsigned slot)
{
	if (slot >= PCI_SLOTS || !hotpluggable(b, slot))
		return -ENOTSUP;
	b->hotplug->plugged(b->hotplug_opaque, slot);
	return 0;
}

int pci_slot_unplug(struct pci_bus *b, unsigned slot)
{
	if (slot >= PCI_SLOTS || !hotpluggable(b, slot))
		return -ENOTSUP;
	return b->hotplug->request(b->hotplug_opaque, slot);
}

void pci_bus_set_released(struct pci_bus *root,
	void (*released)(void *opaque, struct pci_bus *b, unsigned slot), void *opaque)
{
	root->released = released;
	root->released_opaque = opaque;
}

void pci_slot_released(struct pci_bus *b, unsigned slot)
{
	const struct pci_bus *root = b;

	while (root->bridge)
		root = root->bridge->bus;
	if (root->released)
		root->released(root->released_opaque, b, slot);
}

void pci_slot_emptied(struct pci_bus *b, unsigned slot)
{
	if (slot < PCI_SLOTS && hotpluggable(b, slot) && b->hotplug->emptied)
		b->hotplug->emptied(b->hotplug_opaque, slot);
}
