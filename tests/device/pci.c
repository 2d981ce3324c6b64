/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration space, base addresses, INTx. Vectors: msix.c. */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/qs.h"
#include "tests/device/rig.h"

#define SLOT   5
#define DEVFN  PCI_DEVFN(SLOT, 0)
#define BAR(n) (PCI_BAR0 + 4 * (n))

static uint32_t get(struct rig *r, unsigned offset, unsigned size)
{
	return rig_cfg_read(r, DEVFN, offset, size);
}

static void set(struct rig *r, unsigned offset, unsigned size, uint32_t value)
{
	rig_cfg_write(r, DEVFN, offset, size, value);
}

/* ---- registers ---- */

static void header(void)
{
	struct rig *r = rig_new();

	pci_probe_new(r, "p", SLOT);
	g_assert_cmphex(get(r, PCI_VENDOR_ID, 4), ==, 0x00051b36);
	g_assert_cmphex(get(r, PCI_REVISION, 4), ==, 0x00ff0103);
	g_assert_cmphex(get(r, PCI_PROG_IF, 1), ==, 0x01);
	g_assert_cmphex(get(r, PCI_HEADER_TYPE, 1), ==, 0);
	g_assert_cmphex(get(r, PCI_SUBSYS_VENDOR, 4), ==, 0x11001af4);
	g_assert_cmphex(get(r, PCI_INT_PIN, 1), ==, 1);
	g_assert_cmphex(get(r, PCI_COMMAND, 4), ==, PCI_STATUS_CAPS << 16);
	g_assert_cmphex(get(r, PCI_CAP_PTR, 1), ==, 0x40);
	g_assert_cmphex(get(r, 0x40, 4), ==,
		(PCI_PROBE_VECTORS - 1) << 16 | PCI_PROBE_MSI_CAP << 8 | PCI_CAP_MSIX);
	g_assert_cmphex(get(r, 0x44, 4), ==, PCI_PROBE_TABLE);
	g_assert_cmphex(get(r, 0x48, 4), ==, PCI_PROBE_PBA);
	rig_free(r);
}

/* Every byte of the header is written; what comes back differs in the writable bits only. */
static void writable_bits(void)
{
	static const uint8_t writable[PCI_HEADER_SIZE] = {
		[PCI_COMMAND] = 0x07,
		[PCI_COMMAND + 1] = 0x05,
		[PCI_CACHE_LINE] = 0xff,
		[BAR(0) + 1] = 0xe0,
		[BAR(0) + 2] = 0xff,
		[BAR(0) + 3] = 0xff,
		[BAR(1)] = 0xe0,
		[BAR(1) + 1] = 0xff,
		[BAR(1) + 2] = 0xff,
		[BAR(1) + 3] = 0xff,
		[BAR(2) + 2] = 0xf0,
		[BAR(2) + 3] = 0xff,
		[BAR(3)] = 0xff,
		[BAR(3) + 1] = 0xff,
		[BAR(3) + 2] = 0xff,
		[BAR(3) + 3] = 0xff,
		[PCI_ROM] = 0x01,
		[PCI_ROM + 1] = 0xf0,
		[PCI_ROM + 2] = 0xff,
		[PCI_ROM + 3] = 0xff,
		[PCI_INT_LINE] = 0xff,
	};
	struct rig *r = rig_new();

	pci_probe_new(r, "p", SLOT);
	for (unsigned i = 0; i < PCI_HEADER_SIZE; i++) {
		uint8_t before = get(r, i, 1);

		set(r, i, 1, 0xff);
		g_assert_cmphex(get(r, i, 1), ==, before | writable[i]);
		set(r, i, 1, 0);
		g_assert_cmphex(get(r, i, 1), ==, before & ~writable[i]);
	}
	rig_free(r);
}

static void device_registers(void)
{
	struct rig *r = rig_new();
	struct pci_probe *p = pci_probe_new(r, "p", SLOT);

	set(r, 0xe0, 1, 0xff);
	g_assert_cmphex(get(r, 0xe0, 1), ==, 0x0f);
	g_assert_cmpuint(p->writes, ==, 1);
	pci_set16(&p->pci, 0xe0, 0xf5a0);
	set(r, 0xe0, 4, 0x5003);
	g_assert_cmphex(get(r, 0xe0, 4), ==, 0xa5a3); /* 5 of the high nibble f was cleared */
	g_assert_cmphex(get(r, 0xf0, 2), ==, 0x5678);
	rig_free(r);
}

static void nobody(void)
{
	struct rig *r = rig_new();

	pci_probe_new(r, "p", SLOT);
	g_assert_cmphex(rig_cfg_read(r, DEVFN + 1, 0, 4), ==, 0xffffffff);
	g_assert_cmphex(rig_cfg_read(r, DEVFN + 8, 0, 2), ==, 0xffff);
	g_assert_cmphex(rig_cfg_read(r, 4711, 0, 4), ==, 0xffffffff);
	g_assert_cmphex(get(r, 2, 4), ==, 0xffffffff);
	g_assert_cmphex(get(r, 1, 2), ==, 0xffff);
	g_assert_cmphex(get(r, 256, 1), ==, 0xff);
	g_assert_cmphex(get(r, UINT32_MAX, 1), ==, 0xff);
	g_assert_cmphex(get(r, 0, 3), ==, 0xffffff);
	set(r, 256, 4, 0);
	set(r, 2, 4, 0);
	set(r, UINT32_MAX - 3, 4, 0);
	rig_cfg_write(r, DEVFN + 1, 4, 2, 7);
	g_assert_cmphex(get(r, 0, 4), ==, 0x00051b36);
	rig_free(r);
}

/* ---- base addresses ---- */

static uint32_t probe_size(struct rig *r, unsigned reg)
{
	uint32_t old = get(r, reg, 4), v;

	set(r, reg, 4, 0xffffffff);
	v = get(r, reg, 4);
	set(r, reg, 4, old);
	return v;
}

static void sizing(void)
{
	struct rig *r = rig_new();

	pci_probe_new(r, "p", SLOT);
	g_assert_cmphex(probe_size(r, BAR(0)), ==, 0xffffe000);
	g_assert_cmphex(probe_size(r, BAR(1)), ==, 0xffffffe1);
	g_assert_cmphex(probe_size(r, BAR(2)), ==, 0xfff0000c);
	g_assert_cmphex(probe_size(r, BAR(3)), ==, 0xffffffff);
	g_assert_cmphex(probe_size(r, BAR(4)), ==, 0);
	g_assert_cmphex(probe_size(r, BAR(5)), ==, 0);
	g_assert_cmphex(probe_size(r, PCI_ROM), ==, 0xfffff001);
	rig_free(r);
}

static void mapping(void)
{
	struct rig *r = rig_new();
	struct pci_probe *p = pci_probe_new(r, "p", SLOT);

	set(r, BAR(0), 4, 0xe0000000);
	set(r, BAR(1), 4, 0xc000);
	set(r, BAR(2), 4, 0x00100000);
	set(r, BAR(3), 4, 0x8);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xe0000010, 4), ==, 0xffffffff);
	set(r, PCI_COMMAND, 2, PCI_CMD_MEM);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xe0000010, 4), ==, 0x10000010);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0x800100020, 4), ==, 0x30000020);
	g_assert_cmphex(rig_read(r, BUS_PIO, 0xc004, 4), ==, 0xffffffff);
	g_assert_cmpuint(r->fake->n_ioeventfds, ==, 0);
	set(r, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM);
	g_assert_cmphex(rig_read(r, BUS_PIO, 0xc004, 4), ==, 0x20000004);
	g_assert_cmpuint(r->fake->n_ioeventfds, ==, 1);
	g_assert_true(fake_accel_doorbell(r->fake, true, 0xc008, 2, 0));
	/* The end of the BAR that the region does not fill, and beyond. */
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xe0001fff, 1), ==, 0xff);

	/* Moved byte by byte. */
	set(r, BAR(0) + 2, 1, 0x10);
	g_assert_cmphex(p->mem.base, ==, 0xe0100000);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xe0000010, 4), ==, 0xffffffff);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xe0100010, 4), ==, 0x10000010);

	/* The ROM needs its own enable bit, and memory space. */
	set(r, PCI_ROM, 4, 0xe0200000);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xe0200000, 2), ==, 0xffff);
	set(r, PCI_ROM, 4, 0xe0200001);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xe0200000, 2), ==, 0xaa55);
	set(r, PCI_COMMAND, 2, PCI_CMD_IO);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xe0200000, 2), ==, 0xffff);
	g_assert_false(p->mem.mapped);
	g_assert_false(p->pci.msix_table_region.mapped);
	g_assert_true(p->io.mapped);
	rig_free(r);
}

/* Addresses that no sane guest writes. */
static void hostile_addresses(void)
{
	struct rig *r = rig_new();
	struct pci_probe *p = pci_probe_new(r, "p", SLOT), *q = pci_probe_new(r, "q", SLOT + 1);
	unsigned other = PCI_DEVFN(SLOT + 1, 0);

	set(r, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM);
	g_assert_false(p->mem.mapped); /* still at 0 */

	/* Above all address space, and at its last place. */
	set(r, BAR(2), 4, 0xffffffff);
	set(r, BAR(3), 4, 0xffffffff);
	g_assert_false(p->mem64.mapped);
	set(r, BAR(3), 4, 0x000fffff);
	g_assert_true(p->mem64.mapped);
	set(r, BAR(3), 4, 0x00100000);
	g_assert_false(p->mem64.mapped);
	set(r, BAR(3), 4, 0);
	g_assert_cmphex(p->mem64.base, ==, 0xfff00000);
	set(r, BAR(2), 4, 0);
	g_assert_false(p->mem64.mapped);

	/* Ports beyond 64 Ki. */
	set(r, BAR(1), 4, 0x10000);
	g_assert_false(p->io.mapped);
	set(r, BAR(1), 4, 0xffffffff);
	g_assert_false(p->io.mapped);
	set(r, BAR(1), 4, 0xffe0);
	g_assert_true(p->io.mapped);

	/* Over RAM: the BAR is there, the RAM around it stays. */
	rig_write(r, BUS_MMIO, 0x1ffffc, 4, 0x12345678);
	set(r, BAR(0), 4, 0x200000);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0x200000, 4), ==, 0x10000000);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0x1ffffc, 4), ==, 0x12345678);
	set(r, BAR(0), 4, 0xfff00000);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0x200000, 4), ==, 0);

	/* Over each other: the later one is seen, until it goes. */
	rig_cfg_write(r, other, BAR(0), 4, 0xfff00000);
	rig_cfg_write(r, other, PCI_COMMAND, 2, PCI_CMD_MEM);
	q->mem.opaque = GUINT_TO_POINTER(0x40000000);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xfff00004, 4), ==, 0x40000004);
	rig_cfg_write(r, other, PCI_COMMAND, 2, 0);
	g_assert_cmphex(rig_read(r, BUS_MMIO, 0xfff00004, 4), ==, 0x10000004);
	g_assert_cmpuint(r->events, ==, 0);
	rig_free(r);
}

/* ---- random writes: the bus agrees with what the registers say ---- */

static void check_bar(struct rig *r, struct region *region, bool on, uint64_t addr, uint64_t size)
{
	uint64_t end = region->space == BUS_PIO ? 0x10000 : UINT64_C(1) << 52;
	bool mapped = on && addr && addr < end && region->size <= end - addr;

	g_assert_cmphex(addr & (size - 1), ==, 0);
	g_assert_cmpint(region->mapped, ==, mapped);
	if (mapped)
		g_assert_cmphex(region->base, ==, addr);
}

static void check_function(struct rig *r, struct pci_probe *p)
{
	uint16_t cmd = get(r, PCI_COMMAND, 2);
	bool mem = cmd & PCI_CMD_MEM;
	uint32_t rom = get(r, PCI_ROM, 4);

	check_bar(r, &p->mem, mem, get(r, BAR(0), 4) & ~15u, 0x2000);
	check_bar(r, &p->io, cmd & PCI_CMD_IO, get(r, BAR(1), 4) & ~3u, 32);
	check_bar(r, &p->mem64, mem,
		((uint64_t)get(r, BAR(3), 4) << 32 | get(r, BAR(2), 4)) & ~UINT64_C(15), MiB);
	check_bar(r, &p->rom, mem && (rom & 1), rom & ~1u, 4096);
	g_assert_cmpint(p->pci.msix_table_region.mapped, ==, p->mem.mapped);
	g_assert_cmpint(p->pci.msix_pba_region.mapped, ==, p->mem.mapped);
	if (p->mem.mapped)
		g_assert_cmphex(p->pci.msix_pba_region.base, ==, p->mem.base + PCI_PROBE_PBA);
	g_assert_cmpint(pci_may_dma(&p->pci), ==, !!(cmd & PCI_CMD_MASTER));
	g_assert_cmpint(pci_msix_enabled(&p->pci), ==, get(r, 0x42, 2) >> 15);
	g_assert_cmphex(get(r, PCI_VENDOR_ID, 4), ==, 0x00051b36);
	g_assert_cmphex(get(r, BAR(1), 1) & 3, ==, 1);
	g_assert_cmphex(get(r, BAR(2), 1), ==, 0xc);
}

static void random_writes(void)
{
	static const uint8_t often[] = {PCI_COMMAND, BAR(0), BAR(1), BAR(2), BAR(3), PCI_ROM, 0x40};
	static const uint32_t values[] = {
		0, 0xffffffff, 0xe0000000, 0x00001000, 0xc000, 0xfee00000, 7, 0x00100000, 1};
	struct rig *r = rig_new();
	struct pci_probe *p = pci_probe_new(r, "p", SLOT);

	for (unsigned i = 0; i < 20000; i++) {
		unsigned size = 1u << g_test_rand_int_range(0, 3);
		unsigned offset = g_test_rand_int_range(0, 256 / size) * size;
		uint32_t value = g_test_rand_int();

		if (g_test_rand_bit())
			offset = often[g_test_rand_int_range(0, ARRAY_SIZE(often))];
		if (g_test_rand_bit())
			value = values[g_test_rand_int_range(0, ARRAY_SIZE(values))];
		set(r, offset, size, value);
		check_function(r, p);
		g_assert_cmpuint(r->events, ==, 0);
	}
	rig_free(r);
}

/* ---- INTx ---- */

static void port_write(struct rig *r, uint64_t port, uint8_t v)
{
	rig_write(r, BUS_PIO, port, 1, v);
}

static void intx(void)
{
	struct rig *r = rig_new();
	struct pci_probe *p = pci_probe_new(r, "p", SLOT);
	unsigned gsi = 16 + SLOT % 4; /* INTA */

	set(r, BAR(1), 4, 0xc000);
	set(r, PCI_COMMAND, 2, PCI_CMD_IO);
	port_write(r, 0xc000, 1);
	g_assert_true(fake_accel_level(r->fake, gsi));
	g_assert_cmphex(get(r, PCI_STATUS, 2) & PCI_STATUS_INTX, !=, 0);
	/* Disabled: the status bit stays. */
	set(r, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_NOINTX);
	g_assert_cmpuint(p->commands, ==, 1);
	g_assert_false(fake_accel_level(r->fake, gsi));
	g_assert_cmphex(get(r, PCI_STATUS, 2) & PCI_STATUS_INTX, !=, 0);
	set(r, PCI_COMMAND, 2, PCI_CMD_IO);
	g_assert_true(fake_accel_level(r->fake, gsi));
	/* The bit is not the guest's to clear. */
	set(r, PCI_STATUS, 2, 0xffff);
	g_assert_true(fake_accel_level(r->fake, gsi));
	g_assert_cmphex(get(r, PCI_STATUS, 2) & PCI_STATUS_INTX, !=, 0);
	port_write(r, 0xc000, 0);
	g_assert_false(fake_accel_level(r->fake, gsi));
	g_assert_cmphex(get(r, PCI_STATUS, 2) & PCI_STATUS_INTX, ==, 0);

	port_write(r, 0xc000, 1);
	bus_reset(r->bus, RESET_WARM);
	g_assert_false(fake_accel_level(r->fake, gsi));
	g_assert_cmphex(get(r, PCI_STATUS, 2) & PCI_STATUS_INTX, ==, 0);
	rig_free(r);
}

/* Slots four apart share an input: the line is high as long as one of them drives it. */
static void intx_is_shared(void)
{
	struct rig *r = rig_new();
	struct pci_probe *a = pci_probe_new(r, "a", 6), *b = pci_probe_new(r, "b", 10);
	struct pci_probe *c = pci_probe_new(r, "c", 7);

	for (unsigned i = 0; i < 2; i++) {
		pci_intx_set(&a->pci, true);
		pci_intx_set(&b->pci, true);
		pci_intx_set(&b->pci, true);
		g_assert_true(fake_accel_level(r->fake, 16 + 2));
		g_assert_false(fake_accel_level(r->fake, 16 + 3));
		pci_intx_set(&a->pci, false);
		g_assert_true(fake_accel_level(r->fake, 16 + 2));
		pci_intx_set(&b->pci, false);
		g_assert_false(fake_accel_level(r->fake, 16 + 2));
		g_assert_cmpuint(fake_accel_rises(r->fake, 16 + 2), ==, i + 1);
	}
	pci_intx_set(&c->pci, true);
	g_assert_true(fake_accel_level(r->fake, 16 + 3));
	dev_free(DEV(&c->pci));
	g_assert_false(fake_accel_level(r->fake, 16 + 3));
	rig_free(r);
}

/* ---- addresses of functions ---- */

static void refuse(struct rig *r, struct prop_pci addr, int code, const char *text)
{
	struct dev *d = dev_new(r->bus, &pci_probe_ops, "new");
	g_autoptr(GError) error = NULL;

	to_pci_dev(d)->bus = r->pci;
	to_pci_dev(d)->addr = addr;
	g_assert_false(dev_realize(d, &error));
	g_assert_error(error, VMMD_ERROR, code);
	g_assert_nonnull(strstr(error->message, text));
}

static void addresses(void)
{
	struct rig *r = rig_new();
	struct pci_probe *p;
	struct dev *d;
	g_autoptr(GError) error = NULL;

	p = pci_probe_new(r, "p", -1);
	g_assert_cmpint(p->pci.addr.slot, ==, 2);
	g_assert_true(pci_bus_dev(r->pci, PCI_DEVFN(2, 0)) == &p->pci);
	pci_probe_new(r, "q", 3);
	g_assert_cmpint(pci_probe_new(r, "s", -1)->pci.addr.slot, ==, 4);
	g_assert_cmpint(pci_bus_free_devfn(r->pci, 0), ==, 0);
	g_assert_cmpint(pci_bus_free_devfn(r->pci, 3), ==, PCI_DEVFN(5, 0));

	refuse(r, (struct prop_pci){3, 0}, VMMD_ERROR_EXISTS, "03.0 is taken by \"q\"");
	refuse(r, (struct prop_pci){3, 1}, VMMD_ERROR_INVALID, "not a multifunction device");
	refuse(r, (struct prop_pci){32, 0}, VMMD_ERROR_INVALID, "20.0");
	refuse(r, (struct prop_pci){4, 8}, VMMD_ERROR_INVALID, "04.8");
	refuse(r, (struct prop_pci){4, -1}, VMMD_ERROR_INVALID, "no PCI address");

	d = dev_new(r->bus, &pci_probe_ops, "lost");
	g_assert_false(dev_realize(d, &error));
	g_assert_nonnull(strstr(error->message, "no PCI bus"));

	for (unsigned slot = 5; slot < PCI_SLOTS; slot++) {
		g_autofree char *id = g_strdup_printf("f%u", slot);

		pci_probe_new(r, id, -1);
	}
	refuse(r, (struct prop_pci){-1, -1}, VMMD_ERROR_INVALID, "all slots");
	dev_free(bus_find_dev(r->bus, "f17"));
	g_assert_cmphex(rig_cfg_read(r, PCI_DEVFN(17, 0), 0, 4), ==, 0xffffffff);
	g_assert_cmpint(pci_probe_new(r, "again", -1)->pci.addr.slot, ==, 17);
	rig_free(r);
}

static void capabilities_end(void)
{
	struct rig *r = rig_new();
	struct pci_probe *p = pci_probe_new(r, "p", SLOT);
	static const uint8_t first[] = {PCI_CAP_MSIX, PCI_CAP_MSI};
	const uint8_t *cfg = p->pci.pci_hw.cfg;
	unsigned offset, n = 0;

	g_assert_cmpint(pci_cap_add(&p->pci, PCI_CAP_VENDOR, 15), ==, 0x64);
	while (pci_cap_add(&p->pci, PCI_CAP_VENDOR, 64) > 0)
		;
	while (pci_cap_add(&p->pci, PCI_CAP_VENDOR, 4) > 0)
		;
	g_assert_cmpint(pci_cap_add(&p->pci, PCI_CAP_VENDOR, 2), ==, -ENOSPC);
	for (offset = cfg[PCI_CAP_PTR]; offset; offset = cfg[offset + 1]) {
		g_assert_cmphex(cfg[offset], ==, n < 2 ? first[n] : PCI_CAP_VENDOR);
		g_assert_cmpuint(n, <, 48);
		n++;
	}
	g_assert_cmpuint(n, ==, 2 + 1 + 2 + 3);
	rig_free(r);
}

/* ---- reset and state ---- */

static void reset(void)
{
	struct rig *r = rig_new();
	struct pci_probe *p = pci_probe_new(r, "p", SLOT);
	uint8_t before[PCI_CFG_SIZE];

	memcpy(before, p->pci.pci_hw.cfg, sizeof(before));
	for (unsigned i = 0; i < PCI_CFG_SIZE; i++)
		set(r, i, 1, 0x5f);
	g_assert_true(p->mem.mapped);
	bus_reset(r->bus, RESET_WARM);
	g_assert_cmpmem(before, sizeof(before), p->pci.pci_hw.cfg, sizeof(before));
	g_assert_false(p->io.mapped || p->mem.mapped || p->mem64.mapped || p->rom.mapped);
	rig_free(r);
}

static bool reload(struct rig *r, const GByteArray *a)
{
	return bus_load(r->bus, a->data, a->len, NULL);
}

static void saved_and_loaded(void)
{
	struct rig *r = rig_new(), *other = rig_new();
	struct pci_probe *p = pci_probe_new(r, "p", SLOT), *q = pci_probe_new(other, "p", SLOT);
	g_autoptr(GByteArray) state = g_byte_array_new(), again = g_byte_array_new();

	set(r, BAR(0), 4, 0xe0000000);
	set(r, BAR(1), 4, 0xc000);
	set(r, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
	pci_intx_set(&p->pci, true);
	bus_save(r->bus, state);
	g_assert_true(reload(other, state));
	g_assert_cmphex(rig_read(other, BUS_PIO, 0xc001, 1), ==, 0x01);
	g_assert_true(q->mem.mapped && q->mem.base == 0xe0000000);
	g_assert_true(fake_accel_level(other->fake, 16 + SLOT % 4));
	g_assert_true(pci_may_dma(&q->pci));
	bus_save(other->bus, again);
	g_assert_cmpmem(state->data, state->len, again->data, again->len);

	/* Another function at the same place; then this one's own state again. */
	p->pci.pci_hw.cfg[PCI_DEVICE_ID] ^= 1;
	g_byte_array_set_size(again, 0);
	bus_save(r->bus, again);
	g_assert_false(reload(other, again));
	bus_reset(other->bus, RESET_COLD);
	g_assert_cmphex(rig_cfg_read(other, DEVFN, 0, 4), ==, 0x00051b36);
	g_assert_false(q->mem.mapped);
	g_assert_true(reload(other, state));
	rig_free(r);
	rig_free(other);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pci/header", header);
	g_test_add_func("/pci/writable-bits", writable_bits);
	g_test_add_func("/pci/device-registers", device_registers);
	g_test_add_func("/pci/nobody", nobody);
	g_test_add_func("/pci/sizing", sizing);
	g_test_add_func("/pci/mapping", mapping);
	g_test_add_func("/pci/hostile-addresses", hostile_addresses);
	g_test_add_func("/pci/random-writes", random_writes);
	g_test_add_func("/pci/intx", intx);
	g_test_add_func("/pci/intx-is-shared", intx_is_shared);
	g_test_add_func("/pci/addresses", addresses);
	g_test_add_func("/pci/capabilities-end", capabilities_end);
	g_test_add_func("/pci/reset", reset);
	g_test_add_func("/pci/saved-and-loaded", saved_and_loaded);
	return g_test_run();
}
