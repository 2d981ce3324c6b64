/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pci.h"
#include "commands.h"
#include "io.h"
#include "layout.h"
#include "lib.h"
#include "out.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc
#define PCI_ENABLE  0x80000000u

#define PCI_VENDOR       0x00
#define PCI_COMMAND      0x04
#define PCI_COMMAND_ON   0x0007 /* I/O, memory, bus master */
#define PCI_STATUS       0x06
#define PCI_STATUS_CAPS  0x0010
#define PCI_HEADER       0x0e
#define PCI_HEADER_MULTI 0x80
#define PCI_BAR          0x10
#define PCI_BAR_IO       0x01
#define PCI_BAR_64       0x04
#define PCI_CAPS         0x34
#define PCI_MAX_CAPS     48 /* as many as fit in 192 bytes: a looped list ends */

#define PCI_CAP_MSIX 0x11
#define MSIX_CONTROL 2
#define MSIX_ENABLE  0x8000
#define MSIX_TABLE   4
#define MSI_ADDRESS  0xfee00000 /* APIC 0, physical destination */

#define MAX_FUNCTIONS 64

static struct pci_dev functions[MAX_FUNCTIONS];
static unsigned int n_functions;
static uintptr_t next_port = GUEST_PORTS, next_bar = GUEST_BARS;

static uint16_t select_register(const struct pci_dev *d, uint8_t offset)
{
	outl(PCI_ADDRESS, PCI_ENABLE | d->dev << 11 | d->fn << 8 | (offset & 0xfc));
	return PCI_DATA + (offset & 3);
}

uint32_t pci_read(const struct pci_dev *d, uint8_t offset)
{
	return inl(select_register(d, offset));
}

uint16_t pci_read16(const struct pci_dev *d, uint8_t offset)
{
	return inw(select_register(d, offset));
}

uint8_t pci_read8(const struct pci_dev *d, uint8_t offset)
{
	return inb(select_register(d, offset));
}

void pci_write(const struct pci_dev *d, uint8_t offset, uint32_t v)
{
	outl(select_register(d, offset), v);
}

void pci_write16(const struct pci_dev *d, uint8_t offset, uint16_t v)
{
	outw(select_register(d, offset), v);
}

/* Add the function if it answers. */
static bool probe(uint8_t dev, uint8_t fn)
{
	struct pci_dev d = {.dev = dev, .fn = fn};
	uint32_t id = pci_read(&d, PCI_VENDOR);

	if ((id & 0xffff) == 0xffff || n_functions == MAX_FUNCTIONS)
		return false;
	d.vendor = id;
	d.device = id >> 16;
	functions[n_functions++] = d;
	return true;
}

unsigned int pci_scan(void)
{
	if (n_functions)
		return n_functions;
	for (uint8_t dev = 0; dev < 32; dev++) {
		if (!probe(dev, 0))
			continue;
		if (!(pci_read8(&functions[n_functions - 1], PCI_HEADER) & PCI_HEADER_MULTI))
			continue;
		for (uint8_t fn = 1; fn < 8; fn++)
			probe(dev, fn);
	}
	return n_functions;
}

struct pci_dev *pci_get(unsigned int i)
{
	return &functions[i];
}

struct pci_dev *pci_find(uint16_t vendor, uint16_t device)
{
	for (unsigned int i = 0; i < pci_scan(); i++) {
		if (functions[i].vendor == vendor && functions[i].device == device)
			return &functions[i];
	}
	return NULL;
}

uint8_t pci_capability(const struct pci_dev *d, uint8_t id, uint8_t after)
{
	uint8_t at;

	if (!(pci_read16(d, PCI_STATUS) & PCI_STATUS_CAPS))
		return 0;
	at = after ? pci_read8(d, after + 1) : pci_read8(d, PCI_CAPS);
	for (unsigned int i = 0; at && i < PCI_MAX_CAPS; i++) {
		uint16_t header = pci_read16(d, at &= 0xfc);

		if ((header & 0xff) == id)
			return at;
		at = header >> 8;
	}
	return 0;
}

static uintptr_t allot(uintptr_t *next, uintptr_t end, uint32_t size)
{
	uintptr_t at = (*next + size - 1) & ~(uintptr_t)(size - 1);

	if (size > end - at)
		fail("no room for a base address register of %u bytes", size);
	*next = at + size;
	return at;
}

/*
 * Size the register at @offset, place it if need be. Only the low half of a 64-bit register is
 * sized: a device with 4 GiB of registers is none that this guest drives.
 */
static uintptr_t place_bar(const struct pci_dev *d, uint8_t offset, uint32_t old)
{
	bool io = old & PCI_BAR_IO, wide = !io && (old & PCI_BAR_64);
	uint32_t flags = io ? 0x3 : 0xf, size;
	uintptr_t at = old & ~flags;

	pci_write(d, offset, ~0u);
	size = pci_read(d, offset) & ~flags;
	if (io)
		size |= 0xffff0000;
	size = -size;
	if (!size)
		return 0;
	if (wide && pci_read(d, offset + 4))
		at = 0;
	if (io && !at)
		at = allot(&next_port, 0x10000, size);
	else if (!io && at < GUEST_MMIO)
		at = allot(&next_bar, GUEST_BARS_END, size);
	pci_write(d, offset, at);
	if (wide)
		pci_write(d, offset + 4, 0);
	return at;
}

void pci_enable(struct pci_dev *d)
{
	uint16_t command = pci_read16(d, PCI_COMMAND);

	pci_write16(d, PCI_COMMAND, command & ~PCI_COMMAND_ON);
	for (unsigned int i = 0; i < PCI_BARS; i++) {
		uint8_t offset = PCI_BAR + 4 * i;
		uint32_t old = pci_read(d, offset);

		d->bar[i] = place_bar(d, offset, old);
		if (!(old & PCI_BAR_IO) && (old & PCI_BAR_64))
			i++;
	}
	pci_write16(d, PCI_COMMAND, command | PCI_COMMAND_ON);
}

bool pci_enable_msix(struct pci_dev *d, unsigned int irq)
{
	uint8_t cap = pci_capability(d, PCI_CAP_MSIX, 0);
	uintptr_t entry;
	uint32_t table;

	if (!cap)
		return false;
	table = pci_read(d, cap + MSIX_TABLE);
	entry = d->bar[table & 7] + (table & ~7u);
	pci_write16(d, cap + MSIX_CONTROL, MSIX_ENABLE);
	mmio_write32(entry, MSI_ADDRESS);
	mmio_write32(entry + 4, 0);
	mmio_write32(entry + 8, VEC_IRQ + irq);
	mmio_write32(entry + 12, 0);
	return true;
}

void cmd_pci(const struct args *a)
{
	unsigned int n = pci_scan();

	(void)a;
	for (unsigned int i = 0; i < n; i++) {
		const struct pci_dev *d = &functions[i];

		out("pci.%u.%u=%x:%x class %x\n", d->dev, d->fn, d->vendor, d->device,
			pci_read(d, 8) >> 8);
	}
	out("pci.n=%u\n", n);
}
