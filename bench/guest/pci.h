/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI bus 0 by configuration mechanism 1 (ports 0xcf8 and 0xcfc), with the part of firmware. */
#ifndef BENCH_GUEST_PCI_H
#define BENCH_GUEST_PCI_H

#include <stdbool.h>
#include <stdint.h>

#define PCI_BARS 6

struct pci_dev {
	uint8_t dev, fn;
	uint16_t vendor, device;
	uintptr_t bar[PCI_BARS]; /* after pci_enable(): address or port, 0 where there is none */
};

/* Find all functions, once; how many there are. */
unsigned int pci_scan(void);

/* Function number @i of the scan. */
struct pci_dev *pci_get(unsigned int i);

/* The first function with this vendor and device; NULL if there is none. */
struct pci_dev *pci_find(uint16_t vendor, uint16_t device);

/* Aligned 4-byte access, and narrower access by the byte lanes of the data port. */
uint32_t pci_read(const struct pci_dev *d, uint8_t offset);
uint16_t pci_read16(const struct pci_dev *d, uint8_t offset);
uint8_t pci_read8(const struct pci_dev *d, uint8_t offset);
void pci_write(const struct pci_dev *d, uint8_t offset, uint32_t v);
void pci_write16(const struct pci_dev *d, uint8_t offset, uint16_t v);

/* Offset of the capability @id behind offset @after (0: the first); 0 if there is none. */
uint8_t pci_capability(const struct pci_dev *d, uint8_t id, uint8_t after);

/*
 * Fill bar[] and enable I/O, memory and bus mastering. A base register that firmware has set within
 * the guest's device memory is kept, any other is given an address or port of its own.
 */
void pci_enable(struct pci_dev *d);

/* Route MSI-X table entry 0 to vector VEC_IRQ + @irq and enable MSI-X; false if the device has none. */
bool pci_enable_msix(struct pci_dev *d, unsigned int irq);

#endif
