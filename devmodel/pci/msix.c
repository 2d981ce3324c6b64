/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSI-X, PCI 3.0 section 6.8.2: the table and the pending bits that overlay one of the function's
 * BARs.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "devmodel/pci/internal.h"
#include "devmodel/pci/trace.gen.h"

#define CAP_SIZE      12
#define CAP_TABLE     4
#define CAP_PBA       8
#define ENTRY_DATA    8
#define ENTRY_CONTROL 12
#define ENTRY_MASKED  0x1
#define VECTORS_MASK  0x07ff /* of Message Control: vectors - 1 */

/* Writable bits of an entry's words: address (of a 32-bit word), upper address, data, mask bit. */
static const uint32_t entry_writable[] = {0xfffffffc, 0xffffffff, 0xffffffff, ENTRY_MASKED};

static uint32_t entry_get32(const struct pci_dev *p, unsigned v, unsigned offset)
{
	uint32_t w;

	memcpy(&w, p->pci_hw.msix + v * PCI_MSIX_ENTRY + offset, sizeof(w));
	return le32toh(w);
}

static void entry_set32(struct pci_dev *p, unsigned v, unsigned offset, uint32_t w)
{
	w = htole32(w);
	memcpy(p->pci_hw.msix + v * PCI_MSIX_ENTRY + offset, &w, sizeof(w));
}

struct accel_msi pci_msix_message(const struct pci_dev *p, unsigned v)
{
	return (struct accel_msi){
		.addr = (uint64_t)entry_get32(p, v, 4) << 32 | entry_get32(p, v, 0),
		.data = entry_get32(p, v, ENTRY_DATA),
	};
}

/* The upper byte of Message Control, with the two bits that matter. */
static uint8_t control(const struct pci_dev *p)
{
	return __atomic_load_n(&p->pci_hw.cfg[p->msix_cap + MSIX_CONTROL + 1], __ATOMIC_RELAXED);
}

bool pci_msix_enabled(struct pci_dev *p)
{
	return p->msix_n && control(p) & MSIX_ENABLE >> 8;
}

void pci_msix_load(struct pci_dev *p)
{
	p->msix_on = pci_msix_enabled(p);
	p->msix_masked = p->msix_on && control(p) & MSIX_FUNC_MASK >> 8;
}

bool pci_msix_active(const struct pci_dev *p, unsigned v)
{
	return v < p->msix_n && !p->msix_masked &&
	       !(entry_get32(p, v, ENTRY_CONTROL) & ENTRY_MASKED);
}

void pci_msix_raise(struct pci_dev *p, unsigned v)
{
	if (v < p->msix_n)
		pci_vector_raise(p, v);
}

/* ---- registers ---- */

static uint64_t table_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct pci_dev *p = to_pci_dev(d);
	uint64_t value = 0;

	pci_vectors_lock(p);
	memcpy(&value, p->pci_hw.msix + offset, size);
	pci_vectors_unlock(p);
	return le64toh(value);
}

static void table_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct pci_dev *p = to_pci_dev(d);
	unsigned v = offset / PCI_MSIX_ENTRY;
	struct accel_msi msi;

	pci_vectors_lock(p);
	for (unsigned i = offset % PCI_MSIX_ENTRY; size; i += 4, size -= 4, value >>= 32)
		entry_set32(p, v, i, (uint32_t)value & entry_writable[i / 4]);
	msi = pci_msix_message(p, v);
	trace_pci_msix_route(
		p->dev.id, v, msi.addr, msi.data, entry_get32(p, v, ENTRY_CONTROL) & ENTRY_MASKED);
	pci_vectors_update(p, v, 1);
	pci_vectors_unlock(p);
}

/* Section 6.8.2: whole words and double words only. */
static const struct region_ops table_ops = {
	.read = table_read,
	.write = table_write,
	.min = 4,
	.max = 8,
};

static uint64_t pba_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct pci_dev *p = to_pci_dev(d);
	uint64_t value = 0;

	pci_vectors_lock(p);
	pci_vectors_collect(p);
	memcpy(&value, p->pci_hw.pba + offset, size);
	pci_vectors_unlock(p);
	return le64toh(value);
}

static const struct region_ops pba_ops = {
	.read = pba_read,
	.min = 4,
	.max = 8,
};

void pci_msix_control_changed(struct pci_dev *p)
{
	pci_vectors_lock(p);
	pci_msix_load(p);
	pci_vectors_update(p, 0, p->nvectors);
	pci_vectors_unlock(p);
}

/* ---- life ---- */

static size_t table_size(unsigned n)
{
	return (size_t)n * PCI_MSIX_ENTRY;
}

static size_t pba_size(unsigned n)
{
	return align_up(n, 64) / 8;
}

static bool layout_ok(
	const struct pci_dev *p, unsigned n, unsigned bar, uint32_t table, uint32_t pba)
{
	return n >= 1 && n <= PCI_MSIX_MAX && bar < PCI_BARS && p->bars[bar].region &&
	       table % 8 == 0 && pba % 8 == 0 &&
	       range_fits(table, table_size(n), p->bars[bar].size) &&
	       range_fits(pba, pba_size(n), p->bars[bar].size) &&
	       (table + table_size(n) <= pba || pba + pba_size(n) <= table);
}

void pci_msix_clear(struct pci_dev *p)
{
	memset(p->pci_hw.msix, 0, sizeof(p->pci_hw.msix));
	for (unsigned v = 0; v < p->msix_n; v++)
		entry_set32(p, v, ENTRY_CONTROL, ENTRY_MASKED);
}

int pci_msix_init(struct pci_dev *p, unsigned n, unsigned bar, uint32_t table_off, uint32_t pba_off)
{
	int cap;

	if (!layout_ok(p, n, bar, table_off, pba_off))
		return -EINVAL;
	cap = pci_cap_add(p, PCI_CAP_MSIX, CAP_SIZE);
	if (cap < 0)
		return cap;
	pci_set16(p, cap + MSIX_CONTROL, n - 1);
	pci_set32(p, cap + CAP_TABLE, table_off | bar);
	pci_set32(p, cap + CAP_PBA, pba_off | bar);
	p->wmask[cap + MSIX_CONTROL + 1] = (MSIX_ENABLE | MSIX_FUNC_MASK) >> 8;

	p->msix_cap = cap;
	p->msix_bar = bar;
	p->msix_table_off = table_off;
	p->msix_pba_off = pba_off;
	p->msix_n = n;
	pci_vectors_init(p, n);
	pci_msix_clear(p);
	region_init_io(
		&p->msix_table_region, &p->dev, &table_ops, "msix-table", BUS_MMIO, table_size(n));
	region_init_io(&p->msix_pba_region, &p->dev, &pba_ops, "msix-pba", BUS_MMIO, pba_size(n));
	return 0;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	while (n && !*p) {
		p++;
		n--;
	}
	return n == 0;
}

static bool entries_ok(const struct pci_dev *p)
{
	for (unsigned v = 0; v < p->msix_n; v++) {
		for (unsigned i = 0; i < ARRAY_SIZE(entry_writable); i++) {
			if (entry_get32(p, v, i * 4) & ~entry_writable[i])
				return false;
		}
	}
	return true;
}

int pci_msix_check(const struct pci_dev *p)
{
	const struct pci_hw *hw = &p->pci_hw;
	size_t used = table_size(p->msix_n);

	if (!all_zero(hw->msix + used, sizeof(hw->msix) - used) || !entries_ok(p) ||
		(p->msix_n && !pci_unchanged(p, p->msix_cap, CAP_SIZE)))
		return -EINVAL;
	return 0;
}

void pci_msix_unmap(struct pci_dev *p)
{
	region_unmap(p->dev.bus, &p->msix_table_region);
	region_unmap(p->dev.bus, &p->msix_pba_region);
}
