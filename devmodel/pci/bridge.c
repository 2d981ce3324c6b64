/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/pci/bridge.h"

#include "devmodel/pci/internal.h"

#define CONTROL_WRITABLE \
	0x085f /* PPB 3.2.5.18, without the error statuses; bit 11: discard timer SERR */
#define CONTROL_RESET 0x0040
#define SECONDARY_W1C 0xf900
#define IO_32         0x01 /* of I/O base and limit */
#define PREF_64       0x01
#define WINDOW_BITS   0xfff0
#define SSVID_SIZE    8

/* ---- windows ---- */

struct window {
	uint64_t base, limit; /* inclusive; base > limit: closed */
};

static struct window io_window(const struct pci_dev *p)
{
	const uint8_t *cfg = p->pci_hw.cfg;

	return (struct window){
		.base = (uint64_t)pci_get16(p, PCI_IO_BASE_HIGH) << 16 | (cfg[PCI_IO_BASE] & 0xf0)
										 << 8,
		.limit = (uint64_t)pci_get16(p, PCI_IO_LIMIT_HIGH) << 16 |
			 (cfg[PCI_IO_LIMIT] & 0xf0) << 8 | 0xfff,
	};
}

static struct window mem_window(const struct pci_dev *p)
{
	return (struct window){
		.base = (uint64_t)(pci_get16(p, PCI_MEM_BASE) & WINDOW_BITS) << 16,
		.limit = (uint64_t)(pci_get16(p, PCI_MEM_LIMIT) & WINDOW_BITS) << 16 | 0xfffff,
	};
}

static struct window pref_window(const struct pci_dev *p)
{
	return (struct window){
		.base = (uint64_t)pci_get32(p, PCI_PREF_BASE_HIGH) << 32 |
			(uint64_t)(pci_get16(p, PCI_PREF_BASE) & WINDOW_BITS) << 16,
		.limit = (uint64_t)pci_get32(p, PCI_PREF_LIMIT_HIGH) << 32 |
			 (uint64_t)(pci_get16(p, PCI_PREF_LIMIT) & WINDOW_BITS) << 16 | 0xfffff,
	};
}

static bool within(struct window w, uint64_t addr, uint64_t size)
{
	return addr >= w.base && addr <= w.limit && size - 1 <= w.limit - addr;
}

static bool forwards(const struct pci_dev *p, bool io, uint64_t addr, uint64_t size)
{
	uint16_t command = pci_get16(p, PCI_COMMAND);

	if (!(command & (io ? PCI_CMD_IO : PCI_CMD_MEM)))
		return false;
	if (io)
		return within(io_window(p), addr, size);
	return within(mem_window(p), addr, size) || within(pref_window(p), addr, size);
}

bool pci_bus_forwards(const struct pci_bus *b, bool io, uint64_t addr, uint64_t size)
{
	for (; b->bridge; b = b->bridge->bus) {
		if (b->down || !forwards(b->bridge, io, addr, size))
			return false;
	}
	return true;
}

/* ---- registers ---- */

void pci_bridge_sync(struct pci_dev *p)
{
	if (p->secondary)
		pci_bus_set_down(p->secondary, PCI_DOWN_RESET,
			pci_get16(p, PCI_BRIDGE_CONTROL) & CONTROL_RESET);
}

void pci_bridge_written(struct pci_dev *p, unsigned offset, unsigned size)
{
	if (!p->secondary || offset >= PCI_HEADER_SIZE)
		return;
	if (pci_get16(p, PCI_BRIDGE_CONTROL) & CONTROL_RESET &&
		!pci_bus_is_down(p->secondary, PCI_DOWN_RESET))
		pci_bus_each(p->secondary, pci_function_reset);
	pci_bridge_sync(p);
}

static void mask16(uint8_t *mask, unsigned offset, uint16_t v)
{
	mask[offset] = (uint8_t)v;
	mask[offset + 1] = v >> 8;
}

void pci_bridge_init(struct pci_dev *p, enum pci_bus_kind kind)
{
	uint8_t *cfg = p->pci_hw.cfg, *wmask = p->wmask;

	memset(wmask + PCI_PRIMARY, 0xff, 4); /* bus numbers, latency */
	if (kind == PCI_BUS_LINK)
		wmask[PCI_SECONDARY_LATENCY] = 0; /* PCIe 7.5.3.4 */
	cfg[PCI_IO_BASE] = cfg[PCI_IO_LIMIT] = IO_32;
	wmask[PCI_IO_BASE] = wmask[PCI_IO_LIMIT] = 0xf0;
	mask16(p->w1c, PCI_SECONDARY_STATUS, SECONDARY_W1C);
	cfg[PCI_PREF_BASE] = cfg[PCI_PREF_LIMIT] = PREF_64;
	for (unsigned reg = PCI_MEM_BASE; reg <= PCI_PREF_LIMIT; reg += 2)
		mask16(wmask, reg, WINDOW_BITS);
	memset(wmask + PCI_PREF_BASE_HIGH, 0xff, 12); /* and I/O base and limit, upper halves */
	mask16(wmask, PCI_BRIDGE_CONTROL, CONTROL_WRITABLE);
	p->secondary = pci_bus_behind(p, kind);
	if (cfg[PCI_INT_PIN])
		p->pin = pci_bridge_pin(p->secondary, cfg[PCI_INT_PIN]);
}

int pci_bridge_ssvid(struct pci_dev *p, uint16_t vendor, uint16_t id)
{
	int cap = pci_cap_add(p, PCI_CAP_SSVID, SSVID_SIZE);

	if (cap < 0)
		return cap;
	pci_set16(p, cap + 4, vendor);
	pci_set16(p, cap + 6, id);
	return 0;
}

void pci_bridge_done(struct pci_dev *p)
{
	if (!p->secondary)
		return;
	pci_bus_remove(p->secondary);
	p->secondary = NULL;
}
