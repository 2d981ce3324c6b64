/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSI, PCI 3.0 section 6.8.1: one message in configuration space, of whose data the function
 * changes the low bits to tell its vectors apart. A guest may allot fewer vectors than were asked
 * for; then several share a message.
 *
 * The registers are the guest's under the device's lock. Who interrupts holds vector_lock only, and
 * looks at p->msi, a copy made whenever the guest has written to the capability.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "devmodel/pci/internal.h"

/* The capability with 64-bit address and per-vector masking, section 6.8.1.1. */
enum {
	MSI_CONTROL = 2,
	MSI_ADDR = 4,
	MSI_ADDR_HIGH = 8,
	MSI_DATA = 12,
	MSI_MASK = 16,
	MSI_PENDING = 20,
	MSI_SIZE = 24
};
#define MSI_ENABLE     0x0001
#define MSI_CAPABLE(n) ((n) << 1) /* log2 of the vectors wanted */
#define MSI_ALLOTTED   0x0070     /* log2 of those granted */
#define MSI_64         0x0080
#define MSI_MASKS      0x0100

static uint8_t control(const struct pci_dev *p)
{
	return __atomic_load_n(&p->pci_hw.cfg[p->msi_cap + MSI_CONTROL], __ATOMIC_RELAXED);
}

bool pci_msi_enabled(struct pci_dev *p)
{
	return p->msi_cap && control(p) & MSI_ENABLE;
}

unsigned pci_msi_number(const struct pci_dev *p, unsigned v)
{
	return p->msi.enabled ? v & (p->msi.allotted - 1) : v;
}

bool pci_msi_active(const struct pci_dev *p, unsigned v)
{
	return p->msi.enabled && v < p->msi_n && !(p->msi.mask >> pci_msi_number(p, v) & 1);
}

struct accel_msi pci_msi_message(const struct pci_dev *p, unsigned v)
{
	struct accel_msi m = p->msi.message;

	m.data = (m.data & ~(p->msi.allotted - 1)) | pci_msi_number(p, v);
	return m;
}

void pci_msi_raise(struct pci_dev *p, unsigned v)
{
	if (v < p->msi_n && pci_msi_enabled(p))
		pci_vector_raise(p, v);
}

/* ---- the capability ---- */

/*
 * A guest that allots more than was asked for, or one of the reserved codes, gets what was asked
 * for.
 */
void pci_msi_load(struct pci_dev *p)
{
	unsigned cap = p->msi_cap, log = (control(p) & MSI_ALLOTTED) >> 4;

	if (!cap)
		return;
	p->msi = (struct pci_msi){
		.enabled = control(p) & MSI_ENABLE,
		.allotted = MIN(1u << log, p->msi_n),
		.mask = pci_get32(p, cap + MSI_MASK),
		.message = {.addr = (uint64_t)pci_get32(p, cap + MSI_ADDR_HIGH) << 32 |
				    pci_get32(p, cap + MSI_ADDR),
			.data = pci_get16(p, cap + MSI_DATA)},
	};
}

static bool touches(const struct pci_dev *p, unsigned offset, unsigned size)
{
	return p->msi_cap && offset < p->msi_cap + MSI_SIZE && offset + size > p->msi_cap;
}

bool pci_msi_written(struct pci_dev *p, unsigned offset, unsigned size)
{
	bool before;

	if (!touches(p, offset, size))
		return false;
	pci_vectors_lock(p);
	before = p->msi.enabled;
	pci_msi_load(p);
	pci_vectors_update(p, 0, p->nvectors);
	pci_vectors_unlock(p);
	return before != p->msi.enabled;
}

void pci_msi_show_pending(struct pci_dev *p)
{
	uint32_t bits = 0;

	if (!p->msi_cap)
		return;
	for (unsigned v = 0; v < p->msi_n; v++)
		bits |= (uint32_t)pci_vector_pending(p, v) << v;
	pci_set32(p, p->msi_cap + MSI_PENDING, bits);
}

void pci_msi_will_read(struct pci_dev *p, unsigned offset, unsigned size)
{
	if (!touches(p, offset, size))
		return;
	pci_vectors_lock(p);
	pci_vectors_collect(p);
	pci_msi_show_pending(p);
	pci_vectors_unlock(p);
}

/* The pending bits come from the state of the vectors. */
int pci_msi_check(const struct pci_dev *p)
{
	return !p->msi_cap || pci_unchanged(p, p->msi_cap, MSI_PENDING) ? 0 : -EINVAL;
}

int pci_msi_init(struct pci_dev *p, unsigned n)
{
	unsigned log = (unsigned)ffs((int)n) - 1;
	int cap;

	if (n < 1 || n > PCI_MSI_MAX || n != 1u << log || p->msi_cap)
		return -EINVAL;
	cap = pci_cap_add(p, PCI_CAP_MSI, MSI_SIZE);
	if (cap < 0)
		return cap;
	pci_set16(p, cap + MSI_CONTROL, MSI_CAPABLE(log) | MSI_64 | MSI_MASKS);
	p->wmask[cap + MSI_CONTROL] = MSI_ENABLE | MSI_ALLOTTED;
	memset(p->wmask + cap + MSI_ADDR, 0xff, 10);
	p->wmask[cap + MSI_ADDR] = 0xfc;
	pci_mask32(p->wmask, cap + MSI_MASK, (uint32_t)(UINT64_C(1) << n) - 1);
	p->msi_cap = cap;
	p->msi_n = n;
	p->msi.allotted = 1;
	pci_vectors_init(p, n);
	return 0;
}
