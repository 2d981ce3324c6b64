/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI-to-PCI bridges: bus numbers, windows, pins, reset of the bus behind. */
#include <pthread.h>
#include <sched.h>

#include "base/qs.h"
#include "devmodel/chipset/chipset.h"
#include "tests/device/rig.h"

#define SLOT     3
#define BRIDGE   PCI_DEVFN(SLOT, 0)
#define BUS      7
#define FAR_SLOT 2
#define FAR      PCI_RID(BUS, PCI_DEVFN(FAR_SLOT, 0))
#define ID       0x00051b36
#define BAR      0xe0000000
#define PORTS    0xc000
#define RESET    0x40

struct setup {
	struct rig *r;
	struct dev *bridge;
	struct pci_probe *far; /* behind it */
};

static void bset(struct setup *s, unsigned offset, unsigned size, uint32_t v)
{
	rig_cfg_write(s->r, BRIDGE, offset, size, v);
}

static uint32_t bget(struct setup *s, unsigned offset, unsigned size)
{
	return rig_cfg_read(s->r, BRIDGE, offset, size);
}

static void number(struct setup *s, uint8_t primary, uint8_t secondary, uint8_t subordinate)
{
	bset(s, PCI_PRIMARY, 4, primary | (uint32_t)secondary << 8 | (uint32_t)subordinate << 16);
}

static struct setup setup(void)
{
	struct setup s = {.r = rig_new()};

	s.bridge = rig_function(s.r, &pci_bridge_ops, "bridge", s.r->pci, SLOT);
	s.far = container_of(
		rig_function(s.r, &pci_probe_ops, "far", bridge_pci_bus(s.bridge), FAR_SLOT),
		struct pci_probe, pci.dev);
	number(&s, 0, BUS, BUS);
	return s;
}

/* The function behind at BAR and PORTS, the bridge's windows closed. */
static void place(struct setup *s)
{
	rig_cfg_write(s->r, FAR, PCI_BAR0, 4, BAR);
	rig_cfg_write(s->r, FAR, PCI_BAR0 + 4, 4, PORTS);
	rig_cfg_write(s->r, FAR, PCI_BAR0 + 8, 4, 0x00100000);
	rig_cfg_write(s->r, FAR, PCI_BAR0 + 12, 4, 0x8);
	rig_cfg_write(s->r, FAR, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM);
	bset(s, PCI_IO_BASE, 2, 0x00f0);
	bset(s, PCI_MEM_BASE, 4, 0x0000fff0);
	bset(s, PCI_PREF_BASE, 4, 0x0000fff0);
	bset(s, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM);
}

/* ---- registers ---- */

static void header(void)
{
	struct setup s = setup();
	unsigned caps = 0;

	g_assert_cmphex(bget(&s, PCI_VENDOR_ID, 4), ==, 0x00011b36);
	g_assert_cmphex(bget(&s, PCI_REVISION, 4), ==, 0x06040000);
	g_assert_cmphex(bget(&s, PCI_HEADER_TYPE, 1), ==, 1);
	g_assert_cmphex(bget(&s, PCI_IO_BASE, 2), ==, 0x0101);
	g_assert_cmphex(bget(&s, PCI_PREF_BASE, 4), ==, 0x00010001);
	g_assert_cmphex(bget(&s, PCI_INT_PIN, 1), ==, 1);
	/* No BARs, no subsystem in the header: it is in a capability; the chassis is in another. */
	bset(&s, PCI_BAR0, 4, UINT32_MAX);
	g_assert_cmphex(bget(&s, PCI_BAR0, 4), ==, 0);
	for (unsigned cap = bget(&s, PCI_CAP_PTR, 1); cap; cap = bget(&s, cap + 1, 1)) {
		if (bget(&s, cap, 1) == PCI_CAP_SSVID)
			g_assert_cmphex(bget(&s, cap + 4, 4), ==, 0x11001af4);
		if (bget(&s, cap, 1) == PCI_CAP_SLOT)
			g_assert_cmphex(bget(&s, cap + 2, 2), ==, 0);
		caps |= 1u << bget(&s, cap, 1);
	}
	g_assert_cmphex(caps, ==, 1u << PCI_CAP_MSI | 1u << PCI_CAP_SSVID | 1u << PCI_CAP_SLOT);
	rig_free(s.r);
}

static void writable_bits(void)
{
	static const uint8_t writable[PCI_HEADER_SIZE] = {
		[PCI_COMMAND] = 0x07,
		[PCI_COMMAND + 1] = 0x05,
		[PCI_CACHE_LINE] = 0xff,
		[PCI_PRIMARY] = 0xff,
		[PCI_SECONDARY] = 0xff,
		[PCI_SUBORDINATE] = 0xff,
		[PCI_SECONDARY_LATENCY] = 0xff,
		[PCI_IO_BASE] = 0xf0,
		[PCI_IO_LIMIT] = 0xf0,
		[PCI_MEM_BASE] = 0xf0,
		[PCI_MEM_BASE + 1] = 0xff,
		[PCI_MEM_LIMIT] = 0xf0,
		[PCI_MEM_LIMIT + 1] = 0xff,
		[PCI_PREF_BASE] = 0xf0,
		[PCI_PREF_BASE + 1] = 0xff,
		[PCI_PREF_LIMIT] = 0xf0,
		[PCI_PREF_LIMIT + 1] = 0xff,
		[PCI_PREF_BASE_HIGH] = 0xff,
		[PCI_PREF_BASE_HIGH + 1] = 0xff,
		[PCI_PREF_BASE_HIGH + 2] = 0xff,
		[PCI_PREF_BASE_HIGH + 3] = 0xff,
		[PCI_PREF_LIMIT_HIGH] = 0xff,
		[PCI_PREF_LIMIT_HIGH + 1] = 0xff,
		[PCI_PREF_LIMIT_HIGH + 2] = 0xff,
		[PCI_PREF_LIMIT_HIGH + 3] = 0xff,
		[PCI_IO_BASE_HIGH] = 0xff,
		[PCI_IO_BASE_HIGH + 1] = 0xff,
		[PCI_IO_LIMIT_HIGH] = 0xff,
		[PCI_IO_LIMIT_HIGH + 1] = 0xff,
		[PCI_INT_LINE] = 0xff,
		[PCI_BRIDGE_CONTROL] = 0x5f,
		[PCI_BRIDGE_CONTROL + 1] = 0x08,
	};
	struct setup s = setup();

	for (unsigned i = 0; i < PCI_HEADER_SIZE; i++) {
		uint8_t before = bget(&s, i, 1);

		bset(&s, i, 1, 0xff);
		g_assert_cmphex(bget(&s, i, 1), ==, before | writable[i]);
		bset(&s, i, 1, 0);
		g_assert_cmphex(bget(&s, i, 1), ==, before & ~writable[i]);
	}
	rig_free(s.r);
}

/* ---- bus numbers ---- */

static void numbers(void)
{
	struct setup s = setup();

	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, ID);
	g_assert_cmpuint(pci_bus_number(bridge_pci_bus(s.bridge)), ==, BUS);
	/* Not on the root bus, not in other slots, not on buses next to it. */
	g_assert_cmphex(rig_cfg_read(s.r, FAR & 0xff, 0, 4), ==, UINT32_MAX);
	g_assert_cmphex(rig_cfg_read(s.r, FAR + 8, 0, 4), ==, UINT32_MAX);
	g_assert_cmphex(rig_cfg_read(s.r, FAR + 0x100, 0, 4), ==, UINT32_MAX);
	number(&s, 0, 0, 0);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, UINT32_MAX);
	number(&s, 0, BUS, BUS - 1);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, UINT32_MAX);
	number(&s, 0, 0xff, 0xff);
	g_assert_cmphex(rig_cfg_read(s.r, PCI_RID(0xff, FAR & 0xff), 0, 4), ==, ID);
	rig_free(s.r);
}

/* Bridges behind a bridge, and two that claim the same bus. */
static void nested(void)
{
	struct setup s = setup();
	struct dev *second = rig_function(
		s.r, &pci_bridge_ops, "second", bridge_pci_bus(s.bridge), 5);
	struct dev *rival = rig_function(s.r, &pci_bridge_ops, "rival", s.r->pci, SLOT + 1);
	unsigned deep = PCI_RID(9, PCI_DEVFN(1, 0));

	rig_function(s.r, &pci_probe_ops, "deep", bridge_pci_bus(second), 1);
	g_assert_cmphex(rig_cfg_read(s.r, deep, 0, 4), ==, UINT32_MAX);
	rig_cfg_write(s.r, PCI_RID(BUS, PCI_DEVFN(5, 0)), PCI_PRIMARY, 4, 0x00090907);
	g_assert_cmphex(rig_cfg_read(s.r, deep, 0, 4), ==, UINT32_MAX);
	number(&s, 0, BUS, 9);
	g_assert_cmphex(rig_cfg_read(s.r, deep, 0, 4), ==, ID);
	/* One of the two gets the request, and nothing gets lost for good. */
	rig_cfg_write(s.r, PCI_DEVFN(SLOT + 1, 0), PCI_PRIMARY, 4, 0x00ff0900);
	rig_cfg_read(s.r, deep, 0, 4);
	dev_free(rival);
	g_assert_cmphex(rig_cfg_read(s.r, deep, 0, 4), ==, ID);
	/* A bridge that leads to itself. */
	rig_cfg_write(s.r, PCI_RID(BUS, PCI_DEVFN(5, 0)), PCI_PRIMARY, 4, 0x00ff0707);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, ID);
	rig_free(s.r);
}

/* ---- windows ---- */

static void io_window(void)
{
	struct setup s = setup();

	place(&s);
	g_assert_cmphex(rig_read(s.r, BUS_PIO, PORTS, 4), ==, UINT32_MAX);
	bset(&s, PCI_IO_BASE, 2, 0xc0c0);
	g_assert_cmphex(rig_read(s.r, BUS_PIO, PORTS, 4), ==, 0x20000000);
	bset(&s, PCI_COMMAND, 2, PCI_CMD_MEM);
	g_assert_cmphex(rig_read(s.r, BUS_PIO, PORTS, 4), ==, UINT32_MAX);
	bset(&s, PCI_COMMAND, 2, PCI_CMD_IO);
	g_assert_cmphex(rig_read(s.r, BUS_PIO, PORTS, 4), ==, 0x20000000);
	bset(&s, PCI_IO_BASE, 2, 0xe0d0);
	g_assert_cmphex(rig_read(s.r, BUS_PIO, PORTS, 4), ==, UINT32_MAX);
	bset(&s, PCI_IO_BASE, 2, 0xf0b0);
	g_assert_cmphex(rig_read(s.r, BUS_PIO, PORTS, 4), ==, 0x20000000);
	bset(&s, PCI_IO_BASE_HIGH, 4, 0x00010001);
	g_assert_cmphex(rig_read(s.r, BUS_PIO, PORTS, 4), ==, UINT32_MAX);
	rig_free(s.r);
}

static void memory_windows(void)
{
	struct setup s = setup();

	place(&s);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, BAR, 4), ==, UINT32_MAX);
	bset(&s, PCI_MEM_BASE, 4, 0xe000e000);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, BAR, 4), ==, 0x10000000);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, 0x800100000, 4), ==, UINT32_MAX);
	/* The prefetchable window goes above 4 GiB. */
	bset(&s, PCI_PREF_BASE_HIGH, 4, 8);
	bset(&s, PCI_PREF_LIMIT_HIGH, 4, 8);
	bset(&s, PCI_PREF_BASE, 4, 0x00100010);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, 0x800100000, 4), ==, 0x30000000);
	/* A BAR that the window cuts is not decoded. */
	bset(&s, PCI_PREF_BASE, 4, 0x00100020);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, 0x800100000, 4), ==, UINT32_MAX);
	bset(&s, PCI_COMMAND, 2, 0);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, BAR, 4), ==, UINT32_MAX);
	g_assert_cmpuint(s.r->events, ==, 0);
	rig_free(s.r);
}

/* ---- pins ---- */

static void pins(void)
{
	struct setup s = setup();
	/*
	 * INTA of slot 2 is the bridge's INTC, which slot 3 turns to the router's input 1; its own
	 * INTA goes to 3.
	 */
	unsigned gsi = 16 + (FAR_SLOT + SLOT) % 4, own = 16 + SLOT;

	place(&s);
	bset(&s, PCI_IO_BASE, 2, 0xc0c0);
	rig_write(s.r, BUS_PIO, PORTS, 1, 1);
	g_assert_true(fake_accel_level(s.r->fake, gsi));
	g_assert_false(fake_accel_level(s.r->fake, own));
	dev_lock(s.bridge);
	pci_intx_set(to_pci_dev(s.bridge), true);
	dev_unlock(s.bridge);
	g_assert_true(fake_accel_level(s.r->fake, own));
	rig_write(s.r, BUS_PIO, PORTS, 1, 0);
	g_assert_false(fake_accel_level(s.r->fake, gsi));
	/* Slot 0 behind shares INTA with the bridge. */
	dev_free(DEV(&s.far->pci));
	s.far = container_of(rig_function(s.r, &pci_probe_ops, "zero", bridge_pci_bus(s.bridge), 0),
		struct pci_probe, pci.dev);
	dev_lock(DEV(&s.far->pci));
	pci_intx_set(&s.far->pci, true);
	dev_unlock(DEV(&s.far->pci));
	dev_lock(s.bridge);
	pci_intx_set(to_pci_dev(s.bridge), false);
	dev_unlock(s.bridge);
	g_assert_true(fake_accel_level(s.r->fake, own));
	dev_free(DEV(&s.far->pci));
	g_assert_false(fake_accel_level(s.r->fake, own));
	rig_free(s.r);
}

/* ---- reset of the bus behind ---- */

static void bus_in_reset(void)
{
	struct setup s = setup();

	place(&s);
	bset(&s, PCI_MEM_BASE, 4, 0xe000e000);
	rig_cfg_write(s.r, FAR, PCI_INT_LINE, 1, 0x5a);
	bset(&s, PCI_BRIDGE_CONTROL, 2, RESET);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, UINT32_MAX);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, BAR, 4), ==, UINT32_MAX);
	bset(&s, PCI_BRIDGE_CONTROL, 2, 0);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, ID);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, PCI_COMMAND, 2), ==, 0);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, PCI_INT_LINE, 1), ==, 0);
	/* The bridge itself keeps its registers. */
	g_assert_cmphex(bget(&s, PCI_MEM_BASE, 4), ==, 0xe000e000);
	/* Other writes while it is set do not reset again; a reset of the machine ends it. */
	bset(&s, PCI_BRIDGE_CONTROL, 2, RESET);
	bset(&s, PCI_INT_LINE, 1, 1);
	bus_reset(s.r->bus, RESET_WARM);
	number(&s, 0, BUS, BUS);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, ID);
	rig_free(s.r);
}

static void saved_and_loaded(void)
{
	struct setup s = setup(), t = setup();
	g_autoptr(GByteArray) state = g_byte_array_new();

	place(&s);
	bset(&s, PCI_MEM_BASE, 4, 0xe000e000);
	bus_save(s.r->bus, state);
	g_assert_true(bus_load(t.r->bus, state->data, state->len, NULL));
	g_assert_cmphex(rig_read(t.r, BUS_MMIO, BAR, 4), ==, 0x10000000);
	g_assert_cmphex(rig_read(t.r, BUS_PIO, PORTS, 4), ==, UINT32_MAX);
	bset(&s, PCI_BRIDGE_CONTROL, 2, RESET);
	g_byte_array_set_size(state, 0);
	bus_save(s.r->bus, state);
	g_assert_true(bus_load(t.r->bus, state->data, state->len, NULL));
	g_assert_cmphex(rig_cfg_read(t.r, FAR, 0, 4), ==, UINT32_MAX);
	rig_free(s.r);
	rig_free(t.r);
}

/*
 * ---- random writes: a BAR is decoded exactly if the registers of function and bridge say so ----
 */

static bool in(uint64_t base, uint64_t limit, uint64_t addr, uint64_t size)
{
	return base <= limit && addr >= base && addr + size - 1 <= limit;
}

static void check(struct setup *s)
{
	uint16_t far = rig_cfg_read(s->r, FAR, PCI_COMMAND, 2), near = bget(s, PCI_COMMAND, 2);
	uint64_t addr = rig_cfg_read(s->r, FAR, PCI_BAR0, 4) & ~15u;
	uint64_t base = (uint64_t)(bget(s, PCI_MEM_BASE, 2) & 0xfff0) << 16;
	uint64_t limit = (uint64_t)(bget(s, PCI_MEM_LIMIT, 2) & 0xfff0) << 16 | 0xfffff;
	uint64_t pbase = (uint64_t)bget(s, PCI_PREF_BASE_HIGH, 4) << 32 |
			 (uint64_t)(bget(s, PCI_PREF_BASE, 2) & 0xfff0) << 16;
	uint64_t plimit = (uint64_t)bget(s, PCI_PREF_LIMIT_HIGH, 4) << 32 |
			  (uint64_t)(bget(s, PCI_PREF_LIMIT, 2) & 0xfff0) << 16 | 0xfffff;
	bool visible = (in(base, limit, addr, 0x2000) || in(pbase, plimit, addr, 0x2000)) &&
		       (far & near & PCI_CMD_MEM) && addr;

	if (bget(s, PCI_BRIDGE_CONTROL, 2) & RESET)
		g_assert_false(s->far->mem.mapped);
	else
		g_assert_cmpint(s->far->mem.mapped, ==, visible);
}

static void random_writes(void)
{
	static const uint32_t values[] = {0, UINT32_MAX, 0xe000e000, BAR, 0x00070707, 7, 0x0020};
	struct setup s = setup();

	for (unsigned i = 0; i < 100000; i++) {
		unsigned size = 1u << g_test_rand_int_range(0, 3);
		unsigned offset = (unsigned)g_test_rand_int_range(0, PCI_HEADER_SIZE / size) * size;
		uint32_t v = g_test_rand_int_range(0, 4)
				     ? values[g_test_rand_int_range(0, ARRAY_SIZE(values))]
				     : (uint32_t)g_test_rand_int();

		if (g_test_rand_bit())
			bset(&s, offset, size, v);
		else
			rig_cfg_write(s.r, FAR, offset, size, v);
		if (i % 64 == 0) {
			number(&s, 0, BUS, BUS);
			check(&s);
		}
	}
	bus_reset(s.r->bus, RESET_WARM);
	number(&s, 0, BUS, BUS);
	g_assert_cmphex(rig_cfg_read(s.r, FAR, 0, 4), ==, ID);
	g_assert_cmpuint(s.r->events, ==, 0);
	rig_free(s.r);
}

/* ---- bridges come and go while vCPUs look for what is behind them ---- */

#define READERS 2
#define ROUNDS  300

struct reader {
	struct rig *r;
	pthread_t thread;
	int stop;          /* atomic */
	unsigned answered; /* and what came was right */
	unsigned wrong;
};

static void *read_config(void *opaque)
{
	struct reader *reader = opaque;

	qs_thread_init();
	while (!__atomic_load_n(&reader->stop, __ATOMIC_ACQUIRE)) {
		uint32_t v = rig_cfg_read(reader->r, FAR, PCI_VENDOR_ID, 4);

		__atomic_fetch_add(v == ID ? &reader->answered : &reader->wrong, v != UINT32_MAX,
			__ATOMIC_RELAXED);
		sched_yield();
	}
	qs_thread_done();
	return NULL;
}

static void come_and_go(void)
{
	struct rig *r = rig_new();
	struct reader readers[READERS] = {0};

	for (unsigned i = 0; i < READERS; i++) {
		readers[i].r = r;
		g_assert_cmpint(
			pthread_create(&readers[i].thread, NULL, read_config, &readers[i]), ==, 0);
	}
	for (unsigned i = 0; i < ROUNDS || !__atomic_load_n(&readers[0].answered, __ATOMIC_RELAXED);
		i++) {
		struct dev *bridge = rig_function(r, &pci_bridge_ops, "bridge", r->pci, SLOT);
		struct dev *far = rig_function(
			r, &pci_probe_ops, "far", bridge_pci_bus(bridge), FAR_SLOT);

		rig_cfg_write(r, BRIDGE, PCI_PRIMARY, 4, BUS << 8 | BUS << 16);
		sched_yield();
		rig_cfg_write(r, BRIDGE, PCI_BRIDGE_CONTROL, 2, i % 2 ? RESET : 0);
		dev_free(far);
		dev_free(bridge);
	}
	for (unsigned i = 0; i < READERS; i++) {
		__atomic_store_n(&readers[i].stop, 1, __ATOMIC_RELEASE);
		g_assert_cmpint(pthread_join(readers[i].thread, NULL), ==, 0);
		g_assert_cmpuint(readers[i].wrong, ==, 0);
	}
	rig_free(r);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/bridge/header", header);
	g_test_add_func("/bridge/writable-bits", writable_bits);
	g_test_add_func("/bridge/numbers", numbers);
	g_test_add_func("/bridge/nested", nested);
	g_test_add_func("/bridge/io-window", io_window);
	g_test_add_func("/bridge/memory-windows", memory_windows);
	g_test_add_func("/bridge/pins", pins);
	g_test_add_func("/bridge/bus-in-reset", bus_in_reset);
	g_test_add_func("/bridge/saved-and-loaded", saved_and_loaded);
	g_test_add_func("/bridge/come-and-go", come_and_go);
	g_test_add_func("/bridge/random-writes", random_writes);
	return g_test_run();
}
