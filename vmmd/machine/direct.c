/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A direct boot has no firmware, and kernels count on what firmware does: BARs placed, interrupts routed, power management
 * ports in place, the BIOS area writable. Done the way firmware does it, over configuration space.
 */
#include "vmmd/machine/acpi.h"
#include "vmmd/machine/machine-internal.h"

/*
 * 82441FX section 3.2.16, 82Q35 section 5.1.14: read and write enabled for both halves of a PAM register; PAM0 has only its
 * upper half.
 */
#define PAM_REGISTERS 7
#define PAM_RW        0x33
#define PAM0_RW       0x30
#define HEADER_TYPE   0x7f

struct windows {
	uint64_t io, mem; /* next free address */
};

/* The size that a BAR asks for, 0 if it is not there (PCI 6.2.5.1). */
static uint64_t bar_size(struct pci_bus *pci, unsigned devfn, unsigned reg, uint32_t *ret_flags)
{
	uint32_t old = pci_config_read(pci, devfn, reg, 4), mask;

	pci_config_write(pci, devfn, reg, 4, UINT32_MAX);
	mask = pci_config_read(pci, devfn, reg, 4);
	pci_config_write(pci, devfn, reg, 4, old);
	if (!mask)
		return 0;
	*ret_flags = mask & 0xf;
	mask &= mask & 1 ? ~3u : ~0xfu;
	return mask & 0xffff0000u ? (uint32_t)(~mask + 1) : (uint16_t)(~mask + 1);
}

static bool place_bar(
	struct machine *m, unsigned devfn, unsigned *bar, struct windows *w, GError **error)
{
	unsigned reg = PCI_BAR0 + 4 * *bar;
	uint32_t flags = 0;
	uint64_t size = bar_size(m->pci, devfn, reg, &flags), *next = flags & 1 ? &w->io : &w->mem;
	uint64_t limit = flags & 1 ? 0x10000 : PCI_HOLE_END;

	if (!size)
		return true;
	*next = align_up(*next, size);
	if (!range_fits(*next, size, limit))
		return err_set(error, VMMD_ERROR_INVALID,
			"there is no address space left for PCI device %02x.%x", devfn >> 3,
			devfn & 7);
	pci_config_write(m->pci, devfn, reg, 4, (uint32_t)*next);
	*next += size;
	if ((flags & 7) == 4) { /* 64-bit memory: the upper half is zero */
		++*bar;
		pci_config_write(m->pci, devfn, reg + 4, 4, 0);
	}
	return true;
}

static bool place_function(struct machine *m, unsigned devfn, struct windows *w, GError **error)
{
	uint8_t pin = (uint8_t)pci_config_read(m->pci, devfn, PCI_INT_PIN, 1);

	/* Bridges and what is behind them are left to the kernel, which finds them without bus numbers. */
	if ((pci_config_read(m->pci, devfn, PCI_HEADER_TYPE, 1) & HEADER_TYPE) != 0)
		return true;
	for (unsigned bar = 0; bar < PCI_BARS; bar++) {
		if (!place_bar(m, devfn, &bar, w, error))
			return false;
	}
	if (pin)
		pci_config_write(m->pci, devfn, PCI_INT_LINE, 1,
			m->type->pirq_irqs[m->type->acpi->pirq(devfn >> 3, pin)]);
	pci_config_write(m->pci, devfn, PCI_COMMAND, 2,
		pci_config_read(m->pci, devfn, PCI_COMMAND, 2) | PCI_CMD_IO | PCI_CMD_MEM);
	return true;
}

bool machine_direct_setup(struct machine *m, GError **error)
{
	struct windows w = {
		.io = PCI_IO_FIRST, .mem = MAX(machine_pci_window(m), m->type->direct_mem)};

	for (unsigned i = 0; i < PAM_REGISTERS; i++)
		pci_config_write(
			m->pci, PCI_DEVFN(0, 0), m->type->pam0 + i, 1, i ? PAM_RW : PAM0_RW);
	for (unsigned devfn = 0; devfn < PCI_SLOTS * PCI_FUNCS; devfn++) {
		if (pci_bus_dev(m->pci, devfn) && !place_function(m, devfn, &w, error))
			return false;
	}
	bus_lock(m->bus);
	m->type->direct(m);
	bus_unlock(m->bus);
	return true;
}
