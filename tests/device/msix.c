/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MSI-X: table and pending bits as the guest sees them; where signals go when vectors are masked meanwhile. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/device/rig.h"

#define SLOT     4
#define DEVFN    PCI_DEVFN(SLOT, 0)
#define BAR      0xe0000000
#define TABLE    (BAR + PCI_PROBE_TABLE)
#define PBA      (BAR + PCI_PROBE_PBA)
#define CONTROL  0x42
#define ENABLE   0x8000
#define MASK_ALL 0x4000
#define APIC     0xfee00000

struct setup {
	struct rig *r;
	struct pci_probe *p;
};

static struct setup setup(void)
{
	struct setup s = {.r = rig_new()};

	s.p = pci_probe_new(s.r, "p", SLOT);
	rig_cfg_write(s.r, DEVFN, PCI_BAR0, 4, BAR);
	rig_cfg_write(s.r, DEVFN, PCI_COMMAND, 2, PCI_CMD_MEM);
	return s;
}

static void control(struct setup *s, uint16_t v)
{
	rig_cfg_write(s->r, DEVFN, CONTROL, 2, v);
}

static void entry_mask(struct setup *s, unsigned v, bool masked)
{
	rig_write(s->r, BUS_MMIO, TABLE + v * 16 + 12, 4, masked);
}

static void entry(struct setup *s, unsigned v, uint64_t addr, uint32_t data)
{
	rig_write(s->r, BUS_MMIO, TABLE + v * 16, 8, addr);
	rig_write(s->r, BUS_MMIO, TABLE + v * 16 + 8, 4, data);
	entry_mask(s, v, false);
}

static bool is_pending(struct setup *s, unsigned v)
{
	return rig_read(s->r, BUS_MMIO, PBA + v / 32 * 4, 4) >> (v % 32) & 1;
}

static void ring(int fd)
{
	static const uint64_t one = 1;

	g_assert_cmpint(write(fd, &one, sizeof(one)), ==, sizeof(one));
}

/* ---- registers ---- */

static void table_bits(void)
{
	struct setup s = setup();

	g_assert_cmphex(rig_read(s.r, BUS_MMIO, TABLE, 8), ==, 0);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, TABLE + 8, 8), ==, UINT64_C(1) << 32);
	rig_write(s.r, BUS_MMIO, TABLE + 16, 8, UINT64_MAX);
	rig_write(s.r, BUS_MMIO, TABLE + 24, 8, UINT64_MAX);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, TABLE + 16, 8), ==, UINT64_MAX - 3);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, TABLE + 24, 8), ==, 0x1ffffffff);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, TABLE + 20, 4), ==, 0xffffffff);
	rig_write(s.r, BUS_MMIO, TABLE + 28, 4, 0xfffffffe);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, TABLE + 28, 4), ==, 0);
	/* Bytes are not for this table. */
	rig_write(s.r, BUS_MMIO, TABLE + 16, 1, 0);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, TABLE + 16, 4), ==, 0xfffffffc);
	/* The pending bits are read-only, and the device's own registers are around the two. */
	rig_write(s.r, BUS_MMIO, PBA, 8, UINT64_MAX);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, PBA, 8), ==, 0);
	g_assert_cmphex(
		rig_read(s.r, BUS_MMIO, TABLE - 4, 4), ==, 0x10000000 + PCI_PROBE_TABLE - 4);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, TABLE + PCI_PROBE_VECTORS * 16, 4), ==,
		0x10000000 + PCI_PROBE_TABLE + PCI_PROBE_VECTORS * 16);
	rig_free(s.r);
}

static void bad_layouts(void)
{
	static const struct {
		unsigned n, bar;
		uint32_t table, pba;
	} bad[] = {
		{0, 0, 0, 0x1000},
		{257, 0, 0, 0x1800},
		{4, 4, 0, 0x1000},
		{4, 6, 0, 0x1000},
		{4, 0, 4, 0x1000},
		{4, 0, 0, 0x1004},
		{4, 0, 0, 0x38},
		{4, 0, 0x1ff0, 0},
		{4, 0, 0, 0x2000},
		{256, 0, 0x1008, 0x0},
		{4, 0, 0xfffffff8, 0},
	};
	struct setup s = setup();

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		g_assert_cmpint(
			pci_msix_init(&s.p->pci, bad[i].n, bad[i].bar, bad[i].table, bad[i].pba),
			==, -EINVAL);
	rig_free(s.r);
}

/* ---- sending ---- */

static void raised(void)
{
	struct setup s = setup();
	struct accel_msi m;

	entry(&s, 3, APIC | 0x1000, 0x4041);
	pci_msix_raise(&s.p->pci, 3);
	g_assert_cmpuint(fake_accel_msis(s.r->fake), ==, 0);
	g_assert_true(is_pending(&s, 3));
	control(&s, ENABLE);
	g_assert_true(pci_msix_enabled(&s.p->pci));
	g_assert_cmpuint(fake_accel_msis(s.r->fake), ==, 1);
	g_assert_false(is_pending(&s, 3));
	m = fake_accel_msi(s.r->fake, 0);
	g_assert_cmphex(m.addr, ==, APIC | 0x1000);
	g_assert_cmphex(m.data, ==, 0x4041);

	pci_msix_raise(&s.p->pci, 3);
	g_assert_cmpuint(fake_accel_msis(s.r->fake), ==, 2);
	entry_mask(&s, 3, true);
	pci_msix_raise(&s.p->pci, 3);
	pci_msix_raise(&s.p->pci, 3);
	g_assert_cmpuint(fake_accel_msis(s.r->fake), ==, 2);
	g_assert_true(is_pending(&s, 3));
	entry_mask(&s, 3, false);
	g_assert_cmpuint(fake_accel_msis(s.r->fake), ==, 3);
	control(&s, ENABLE | MASK_ALL);
	pci_msix_raise(&s.p->pci, 3);
	g_assert_true(is_pending(&s, 3));
	control(&s, ENABLE);
	g_assert_cmpuint(fake_accel_msis(s.r->fake), ==, 4);

	pci_msix_raise(&s.p->pci, PCI_PROBE_VECTORS);
	g_assert_cmpint(pci_vector_fd(&s.p->pci, PCI_PROBE_VECTORS), ==, -EINVAL);
	rig_free(s.r);
}

static void garbage_addresses(void)
{
	struct setup s = setup();
	int fd = pci_vector_fd(&s.p->pci, 2);

	control(&s, ENABLE);
	entry(&s, 0, 0x3003, 0xabcd1234); /* ordinary memory; the low bits do not stick */
	entry(&s, 1, UINT64_MAX, 1);
	entry(&s, 2, UINT64_C(0xfee0000000000000), 2);
	pci_msix_raise(&s.p->pci, 0);
	g_assert_cmphex(rig_ram32(s.r, 0x3000), ==, 0xabcd1234);
	pci_msix_raise(&s.p->pci, 1);
	ring(fd);
	rig_poll(s.r);
	entry(&s, 1, BAR, 1); /* a register is not memory */
	pci_msix_raise(&s.p->pci, 1);
	g_assert_cmpuint(s.r->events, ==, 0);
	rig_free(s.r);
}

static void wired(void)
{
	struct setup s = setup();
	struct fake_accel *f = s.r->fake;
	int fd = pci_vector_fd(&s.p->pci, 5);
	const struct pci_vector *vec = &s.p->pci.vectors[5];

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(pci_vector_fd(&s.p->pci, 5), ==, fd);
	g_assert_cmpint(f->gsi[vec->gsi].irqfd, ==, -1);
	entry(&s, 5, APIC, 0x55);
	g_assert_cmpuint(f->route_commits, ==, 0);
	control(&s, ENABLE);
	g_assert_cmpint(f->gsi[vec->gsi].irqfd, ==, fd);
	g_assert_cmphex(f->gsi[vec->gsi].route.data, ==, 0x55);
	ring(fd);
	rig_poll(s.r);
	g_assert_cmpuint(fake_accel_msis(f), ==, 1);

	/* Another message for a vector that is live. */
	rig_write(s.r, BUS_MMIO, TABLE + 5 * 16 + 8, 4, 0x66);
	g_assert_cmphex(f->gsi[vec->gsi].route.data, ==, 0x66);

	entry_mask(&s, 5, true);
	g_assert_cmpint(f->gsi[vec->gsi].irqfd, ==, -1);
	ring(fd);
	rig_poll(s.r);
	g_assert_cmpuint(fake_accel_msis(f), ==, 1);
	g_assert_true(is_pending(&s, 5));
	entry_mask(&s, 5, false);
	rig_poll(s.r);
	g_assert_cmpuint(fake_accel_msis(f), ==, 2);
	g_assert_cmphex(fake_accel_msi(f, 1).data, ==, 0x66);
	g_assert_false(is_pending(&s, 5));

	/* Made while the vector is live already. */
	entry(&s, 6, APIC, 0x77);
	fd = pci_vector_fd(&s.p->pci, 6);
	ring(fd);
	rig_poll(s.r);
	g_assert_cmphex(fake_accel_msi(f, 2).data, ==, 0x77);
	control(&s, 0);
	ring(fd);
	rig_poll(s.r);
	g_assert_cmpuint(fake_accel_msis(f), ==, 3);
	rig_free(s.r);
}

/* What a driver does at start: all vectors under the function mask, then one write lets all of them go. */
static void routes_in_one_go(void)
{
	struct setup s = setup();
	struct fake_accel *f = s.r->fake;

	control(&s, ENABLE | MASK_ALL);
	for (unsigned v = 0; v < PCI_PROBE_VECTORS; v++) {
		g_assert_cmpint(pci_vector_fd(&s.p->pci, v), >=, 0);
		entry(&s, v, APIC, 0x30 + v);
	}
	g_assert_cmpuint(f->route_commits, ==, 0);
	control(&s, ENABLE);
	g_assert_cmpuint(f->route_commits, ==, 1);
	for (unsigned v = 0; v < PCI_PROBE_VECTORS; v++) {
		const struct pci_vector *vec = &s.p->pci.vectors[v];

		g_assert_cmphex(f->gsi[vec->gsi].route.data, ==, 0x30 + v);
		g_assert_cmpint(f->gsi[vec->gsi].irqfd, ==, vec->eventfd);
	}
	rig_free(s.r);
}

static void no_route_left(void)
{
	struct setup s = setup();
	int fd;

	while (s.r->fake->accel.ops->gsi_alloc(&s.r->fake->accel) > 0)
		;
	g_assert_cmpint(pci_vector_fd(&s.p->pci, 0), ==, -ENOSPC);
	/* Interrupts come all the same, by a call. */
	entry(&s, 0, APIC, 0x99);
	control(&s, ENABLE);
	pci_msix_raise(&s.p->pci, 0);
	g_assert_cmpuint(fake_accel_msis(s.r->fake), ==, 1);
	s.r->fake->accel.ops->gsi_free(&s.r->fake->accel, 100);
	fd = pci_vector_fd(&s.p->pci, 0);
	g_assert_cmpint(fd, >=, 0);
	ring(fd);
	rig_poll(s.r);
	g_assert_cmpuint(fake_accel_msis(s.r->fake), ==, 2);
	rig_free(s.r);
}

static void everything_is_given_back(void)
{
	struct setup s = setup();
	struct fake_accel *f = s.r->fake;

	control(&s, ENABLE);
	for (unsigned v = 0; v < PCI_PROBE_VECTORS; v++) {
		entry(&s, v, APIC, v);
		g_assert_cmpint(pci_vector_fd(&s.p->pci, v), >=, 0);
	}
	dev_free(DEV(&s.p->pci));
	for (unsigned i = 0; i < FAKE_GSIS; i++) {
		g_assert_cmpint(f->gsi[i].irqfd, ==, -1);
		g_assert_false(f->gsi[i].allocated);
	}
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, TABLE, 4), ==, 0xffffffff);
	rig_free(s.r);
}

static void reset(void)
{
	struct setup s = setup();
	struct fake_accel *f = s.r->fake;
	int live = pci_vector_fd(&s.p->pci, 0), masked = pci_vector_fd(&s.p->pci, 1);

	control(&s, ENABLE);
	entry(&s, 0, APIC, 0x50);
	entry(&s, 1, APIC, 0x51);
	entry_mask(&s, 1, true);
	ring(masked);
	pci_msix_raise(&s.p->pci, 2);
	bus_reset(s.r->bus, RESET_WARM);
	g_assert_false(pci_msix_enabled(&s.p->pci));
	rig_cfg_write(s.r, DEVFN, PCI_BAR0, 4, BAR);
	rig_cfg_write(s.r, DEVFN, PCI_COMMAND, 2, PCI_CMD_MEM);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, PBA, 8), ==, 0);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, TABLE + 12, 4), ==, 1);
	g_assert_cmphex(rig_read(s.r, BUS_MMIO, TABLE, 8), ==, 0);
	/* The eventfds are the same, and empty. */
	g_assert_cmpint(pci_vector_fd(&s.p->pci, 0), ==, live);
	control(&s, ENABLE);
	entry(&s, 1, APIC, 0x61);
	rig_poll(s.r);
	g_assert_cmpuint(fake_accel_msis(f), ==, 0);
	ring(masked);
	rig_poll(s.r);
	g_assert_cmpuint(fake_accel_msis(f), ==, 1);
	rig_free(s.r);
}

/* Signals that wait in eventfds travel as pending bits. */
static void saved_and_loaded(void)
{
	struct setup s = setup(), t = setup();
	g_autoptr(GByteArray) state = g_byte_array_new();
	int fd = pci_vector_fd(&s.p->pci, 33), there = pci_vector_fd(&t.p->pci, 34);

	entry(&s, 33, APIC, 0x33);
	entry(&s, 34, APIC, 0x34);
	control(&s, ENABLE | MASK_ALL);
	ring(fd);
	ring(there); /* of the life before the load */
	bus_save(s.r->bus, state);
	g_assert_true(bus_load(t.r->bus, state->data, state->len, NULL));
	g_assert_true(is_pending(&t, 33));
	g_assert_false(is_pending(&t, 34));
	control(&t, ENABLE);
	g_assert_cmpuint(fake_accel_msis(t.r->fake), ==, 1);
	g_assert_cmphex(fake_accel_msi(t.r->fake, 0).data, ==, 0x33);
	ring(there);
	rig_poll(t.r);
	g_assert_cmphex(fake_accel_msi(t.r->fake, 1).data, ==, 0x34);

	/* And here, where it was saved, it is not lost. */
	control(&s, ENABLE);
	g_assert_cmpuint(fake_accel_msis(s.r->fake), ==, 1);
	rig_free(s.r);
	rig_free(t.r);
}

static void hostile_state(void)
{
	struct setup s = setup();
	struct pci_hw *hw = &s.p->pci.pci_hw;
	uint8_t *bad[] = {
		&hw->msix[0],                          /* low address bit */
		&hw->msix[12 + 1],                     /* reserved control bit */
		&hw->msix[PCI_PROBE_VECTORS * 16 + 4], /* behind the table */
		&hw->pba[PCI_PROBE_VECTORS / 8],       /* behind the pending bits */
		&hw->cfg[0x44],                        /* another BAR for the table */
		&hw->cfg[0x42],                        /* more vectors */
		&hw->cfg[0x41],                        /* a longer list of capabilities */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		g_autoptr(GByteArray) state = g_byte_array_new();
		uint8_t was = *bad[i];

		*bad[i] ^= 2;
		bus_save(s.r->bus, state);
		*bad[i] = was;
		g_assert_false(bus_load(s.r->bus, state->data, state->len, NULL));
		bus_reset(s.r->bus, RESET_COLD);
	}
	rig_free(s.r);
}

/* ---- signals while the guest masks, unmasks, switches and reads ---- */

#define ROUNDS 3000

struct ringer {
	struct setup *s;
	int fd;
	int stop; /* atomic */
};

static void *ring_thread(void *opaque)
{
	struct ringer *g = opaque;

	for (unsigned i = 0; !__atomic_load_n(&g->stop, __ATOMIC_ACQUIRE); i++) {
		if (i % 8 == 7)
			pci_msix_raise(&g->s->p->pci, 0);
		else
			ring(g->fd);
		sched_yield();
	}
	return NULL;
}

static void guest_step(struct setup *s, unsigned i)
{
	switch (g_test_rand_int_range(0, 7)) {
	case 0: entry_mask(s, 0, true); break;
	case 1: entry_mask(s, 0, false); break;
	case 2: control(s, ENABLE); break;
	case 3: control(s, i % 2 ? 0 : ENABLE | MASK_ALL); break;
	case 4: rig_write(s->r, BUS_MMIO, TABLE + 8, 4, i); break;
	case 5: is_pending(s, 0); break;
	case 6: rig_poll(s->r); break;
	}
}

/* Whatever came between, the last signal is not lost: it ends as a message. */
static void nothing_is_lost(void)
{
	struct setup s = setup();
	struct ringer g = {.s = &s, .fd = pci_vector_fd(&s.p->pci, 0)};

	entry(&s, 0, APIC, 1);
	for (unsigned round = 0; round < 20; round++) {
		pthread_t t;
		unsigned before;

		g.stop = 0;
		g_assert_cmpint(pthread_create(&t, NULL, ring_thread, &g), ==, 0);
		for (unsigned i = 0; i < ROUNDS / 20; i++)
			guest_step(&s, i);
		entry_mask(&s, 0, round % 2);
		control(&s, round % 4 < 2 ? ENABLE | MASK_ALL : 0);
		__atomic_store_n(&g.stop, 1, __ATOMIC_RELEASE);
		g_assert_cmpint(pthread_join(t, NULL), ==, 0);
		rig_poll(s.r);

		before = fake_accel_msis(s.r->fake);
		ring(g.fd);
		g_assert_true(is_pending(&s, 0));
		g_assert_cmpuint(fake_accel_msis(s.r->fake), ==, before);
		entry_mask(&s, 0, false);
		control(&s, ENABLE);
		rig_poll(s.r);
		g_assert_cmpuint(fake_accel_msis(s.r->fake), >, before);
		g_assert_false(is_pending(&s, 0));
	}
	g_assert_cmpuint(s.r->events, ==, 0);
	rig_free(s.r);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/msix/table-bits", table_bits);
	g_test_add_func("/msix/bad-layouts", bad_layouts);
	g_test_add_func("/msix/raised", raised);
	g_test_add_func("/msix/garbage-addresses", garbage_addresses);
	g_test_add_func("/msix/wired", wired);
	g_test_add_func("/msix/routes-in-one-go", routes_in_one_go);
	g_test_add_func("/msix/no-route-left", no_route_left);
	g_test_add_func("/msix/everything-is-given-back", everything_is_given_back);
	g_test_add_func("/msix/reset", reset);
	g_test_add_func("/msix/saved-and-loaded", saved_and_loaded);
	g_test_add_func("/msix/hostile-state", hostile_state);
	g_test_add_func("/msix/nothing-is-lost", nothing_is_lost);
	return g_test_run();
}
