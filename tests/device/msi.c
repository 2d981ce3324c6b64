/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MSI: the capability as the guest sees it, messages, and what it has to do with MSI-X and INTx. */
#include <errno.h>
#include <unistd.h>

#include "tests/device/rig.h"

#define SLOT    4
#define DEVFN   PCI_DEVFN(SLOT, 0)
#define CAP     PCI_PROBE_MSI_CAP
#define CONTROL (CAP + 2)
#define ADDR    (CAP + 4)
#define DATA    (CAP + 12)
#define MASK    (CAP + 16)
#define PENDING (CAP + 20)
#define ENABLE  0x0001
#define ALLOT_8 0x0030
#define ALLOT_2 0x0010
#define APIC    0xfee00000
#define IO_BAR  0xc000
#define PIN_GSI (16 + SLOT % 4)

struct setup {
	struct rig *r;
	struct pci_probe *p;
};

static void set(struct setup *s, unsigned offset, unsigned size, uint32_t v)
{
	rig_cfg_write(s->r, DEVFN, offset, size, v);
}

static uint32_t get(struct setup *s, unsigned offset, unsigned size)
{
	return rig_cfg_read(s->r, DEVFN, offset, size);
}

static struct setup setup(void)
{
	struct setup s = {.r = rig_new()};

	s.p = pci_probe_new(s.r, "p", SLOT);
	set(&s, PCI_BAR0 + 4, 4, IO_BAR);
	set(&s, PCI_COMMAND, 2, PCI_CMD_IO);
	set(&s, ADDR, 4, APIC | 0x3000);
	set(&s, DATA, 2, 0x4148);
	return s;
}

static void ring(int fd)
{
	static const uint64_t one = 1;

	g_assert_cmpint(write(fd, &one, sizeof(one)), ==, sizeof(one));
}

static void assert_sent(struct setup *s, unsigned n, uint32_t data)
{
	g_assert_cmpuint(fake_accel_msis(s->r->fake), ==, n);
	g_assert_cmphex(fake_accel_msi(s->r->fake, n - 1).data, ==, data);
}

/* ---- registers ---- */

static void writable_bits(void)
{
	static const uint8_t writable[24] = {
		[2] = 0x71,
		[4] = 0xfc,
		[5] = 0xff,
		[6] = 0xff,
		[7] = 0xff,
		[8] = 0xff,
		[9] = 0xff,
		[10] = 0xff,
		[11] = 0xff,
		[12] = 0xff,
		[13] = 0xff,
		[16] = 0xff,
	};
	struct rig *r = rig_new();

	pci_probe_new(r, "p", SLOT);
	g_assert_cmphex(rig_cfg_read(r, DEVFN, CAP, 1), ==, PCI_CAP_MSI);
	g_assert_cmphex(rig_cfg_read(r, DEVFN, CONTROL, 2), ==, 0x0186); /* masks, 64 bits, 8 */
	for (unsigned i = 0; i < sizeof(writable); i++) {
		uint8_t before = rig_cfg_read(r, DEVFN, CAP + i, 1);

		rig_cfg_write(r, DEVFN, CAP + i, 1, 0xff);
		g_assert_cmphex(rig_cfg_read(r, DEVFN, CAP + i, 1), ==, before | writable[i]);
		rig_cfg_write(r, DEVFN, CAP + i, 1, 0);
		g_assert_cmphex(rig_cfg_read(r, DEVFN, CAP + i, 1), ==, before & ~writable[i]);
	}
	rig_free(r);
}

static void bad_numbers(void)
{
	static const unsigned bad[] = {0, 3, 12, 33, 64, UINT32_MAX, 4 /* there is one already */};
	struct setup s = setup();

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		g_assert_cmpint(pci_msi_init(&s.p->pci, bad[i]), ==, -EINVAL);
	rig_free(s.r);
}

/* ---- sending ---- */

static void raised(void)
{
	struct setup s = setup();

	pci_msi_raise(&s.p->pci, 3);
	g_assert_false(pci_msi_enabled(&s.p->pci));
	set(&s, CONTROL, 2, ENABLE | ALLOT_8);
	g_assert_true(pci_msi_enabled(&s.p->pci));
	g_assert_cmpuint(fake_accel_msis(s.r->fake), ==, 0);
	pci_msi_raise(&s.p->pci, 3);
	assert_sent(&s, 1, 0x414b);
	g_assert_cmphex(fake_accel_msi(s.r->fake, 0).addr, ==, APIC | 0x3000);
	pci_msi_raise(&s.p->pci, PCI_PROBE_MSIS);
	g_assert_cmpuint(fake_accel_msis(s.r->fake), ==, 1);
	/* To ordinary memory, and to where nothing is. */
	set(&s, ADDR, 4, 0x5000);
	pci_msi_raise(&s.p->pci, 1);
	g_assert_cmphex(rig_ram32(s.r, 0x5000), ==, 0x4149);
	set(&s, ADDR + 4, 4, UINT32_MAX);
	pci_msi_raise(&s.p->pci, 1);
	g_assert_cmpuint(s.r->events, ==, 0);
	rig_free(s.r);
}

/* A guest that allots fewer gets several vectors in one; one that allots more, what there is. */
static void folded(void)
{
	struct setup s = setup();

	set(&s, CONTROL, 2, ENABLE | ALLOT_2);
	pci_msi_raise(&s.p->pci, 5);
	assert_sent(&s, 1, 0x4149);
	set(&s, CONTROL, 2, ENABLE);
	pci_msi_raise(&s.p->pci, 5);
	assert_sent(&s, 2, 0x4148);
	set(&s, DATA, 2, 0x41ff);
	set(&s, CONTROL, 2, ENABLE | 0x70);
	pci_msi_raise(&s.p->pci, 5);
	assert_sent(&s, 3, 0x41fd);
	rig_free(s.r);
}

static void masked(void)
{
	struct setup s = setup();
	int fd = pci_vector_fd(&s.p->pci, 1);

	set(&s, CONTROL, 2, ENABLE | ALLOT_2);
	set(&s, MASK, 4, 0x2);
	pci_msi_raise(&s.p->pci, 7);
	ring(fd);
	rig_poll(s.r);
	g_assert_cmpuint(fake_accel_msis(s.r->fake), ==, 0);
	g_assert_cmphex(get(&s, PENDING, 4), ==, 0x2);
	pci_msi_raise(&s.p->pci, 0);
	assert_sent(&s, 1, 0x4148);
	set(&s, MASK, 4, 0);
	assert_sent(&s, 2, 0x4149);
	g_assert_cmphex(get(&s, PENDING, 1), ==, 0);
	rig_free(s.r);
}

static void wired(void)
{
	struct setup s = setup();
	struct fake_accel *f = s.r->fake;
	int fd = pci_vector_fd(&s.p->pci, 2);
	const struct pci_vector *vec = &s.p->pci.vectors[2];

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(f->gsi[vec->gsi].irqfd, ==, -1);
	set(&s, CONTROL, 2, ENABLE | ALLOT_8);
	g_assert_cmpint(f->gsi[vec->gsi].irqfd, ==, fd);
	ring(fd);
	rig_poll(s.r);
	assert_sent(&s, 1, 0x414a);
	set(&s, DATA, 2, 0x50);
	ring(fd);
	rig_poll(s.r);
	assert_sent(&s, 2, 0x52);
	set(&s, CONTROL, 2, ALLOT_8);
	g_assert_cmpint(f->gsi[vec->gsi].irqfd, ==, -1);
	rig_free(s.r);
}

/* One eventfd, whichever kind the guest enables. */
static void or_msix(void)
{
	struct setup s = setup();
	int fd = pci_vector_fd(&s.p->pci, 1);

	set(&s, CONTROL, 2, ENABLE | ALLOT_8);
	ring(fd);
	rig_poll(s.r);
	assert_sent(&s, 1, 0x4149);
	set(&s, CONTROL, 2, 0);
	set(&s, PCI_BAR0, 4, 0xe0000000);
	set(&s, PCI_COMMAND, 2, PCI_CMD_MEM);
	rig_write(s.r, BUS_MMIO, 0xe0000000 + PCI_PROBE_TABLE + 16, 8, APIC);
	rig_write(s.r, BUS_MMIO, 0xe0000000 + PCI_PROBE_TABLE + 24, 8, 0x77);
	set(&s, 0x42, 2, 0x8000);
	ring(fd);
	rig_poll(s.r);
	assert_sent(&s, 2, 0x77);
	rig_free(s.r);
}

/* ---- the pin ---- */

static void no_pin(void)
{
	struct setup s = setup();

	rig_write(s.r, BUS_PIO, IO_BAR, 1, 1);
	g_assert_true(fake_accel_level(s.r->fake, PIN_GSI));
	set(&s, CONTROL, 2, ENABLE);
	g_assert_false(fake_accel_level(s.r->fake, PIN_GSI));
	g_assert_cmphex(get(&s, PCI_STATUS, 2) & PCI_STATUS_INTX, ==, PCI_STATUS_INTX);
	set(&s, CONTROL, 2, 0);
	g_assert_true(fake_accel_level(s.r->fake, PIN_GSI));
	set(&s, 0x42, 2, 0x8000);
	g_assert_false(fake_accel_level(s.r->fake, PIN_GSI));
	rig_free(s.r);
}

static void level(struct setup *s, bool high)
{
	dev_lock(DEV(&s->p->pci));
	pci_irq_set(&s->p->pci, high);
	dev_unlock(DEV(&s->p->pci));
}

/* What functions with one interrupt use: a level, or a message for each rise. */
static void pin_or_message(void)
{
	struct setup s = setup();

	level(&s, true);
	g_assert_true(fake_accel_level(s.r->fake, PIN_GSI));
	level(&s, false);
	g_assert_false(fake_accel_level(s.r->fake, PIN_GSI));
	set(&s, CONTROL, 2, ENABLE);
	level(&s, true);
	level(&s, true);
	assert_sent(&s, 1, 0x4148);
	g_assert_false(fake_accel_level(s.r->fake, PIN_GSI));
	level(&s, false);
	level(&s, true);
	assert_sent(&s, 2, 0x4148);
	rig_free(s.r);
}

/* ---- life ---- */

static void reset(void)
{
	struct setup s = setup();
	int fd = pci_vector_fd(&s.p->pci, 0);

	set(&s, MASK, 4, 0xff);
	set(&s, CONTROL, 2, ENABLE | ALLOT_8);
	pci_msi_raise(&s.p->pci, 0);
	ring(fd);
	bus_reset(s.r->bus, RESET_WARM);
	g_assert_cmphex(get(&s, CONTROL, 2), ==, 0x0186);
	g_assert_cmphex(get(&s, MASK, 4), ==, 0);
	g_assert_cmphex(get(&s, PENDING, 4), ==, 0);
	set(&s, CONTROL, 2, ENABLE);
	rig_poll(s.r);
	g_assert_cmpuint(fake_accel_msis(s.r->fake), ==, 0);
	rig_free(s.r);
}

static void saved_and_loaded(void)
{
	struct setup s = setup(), t = setup();
	g_autoptr(GByteArray) state = g_byte_array_new();
	int fd = pci_vector_fd(&s.p->pci, 1);

	set(&s, DATA, 2, 0x60);
	set(&s, MASK, 4, 0x2);
	set(&s, CONTROL, 2, ENABLE | ALLOT_8);
	ring(fd);
	bus_save(s.r->bus, state);
	g_assert_true(bus_load(t.r->bus, state->data, state->len, NULL));
	g_assert_cmphex(get(&t, PENDING, 4), ==, 0x2);
	set(&t, MASK, 4, 0);
	assert_sent(&t, 1, 0x61);
	pci_msi_raise(&t.p->pci, 4);
	assert_sent(&t, 2, 0x64);
	rig_free(s.r);
	rig_free(t.r);
}

static void hostile_state(void)
{
	struct setup s = setup();
	static const unsigned bad[] = {CONTROL, CONTROL + 1, ADDR, DATA + 2, MASK + 1};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		g_autoptr(GByteArray) state = g_byte_array_new();
		uint8_t *byte = &s.p->pci.pci_hw.cfg[bad[i]], was = *byte;

		*byte ^= 2;
		bus_save(s.r->bus, state);
		*byte = was;
		g_assert_false(bus_load(s.r->bus, state->data, state->len, NULL));
		bus_reset(s.r->bus, RESET_COLD);
	}
	rig_free(s.r);
}

static void step(struct setup *s, int fd)
{
	switch (g_test_rand_int_range(0, 8)) {
	case 0: set(s, CONTROL, 2, (uint32_t)g_test_rand_int()); break;
	case 1: set(s, MASK, 4, (uint32_t)g_test_rand_int()); break;
	case 2: set(s, 0x42, 2, (uint32_t)g_test_rand_int()); break;
	case 3: set(s, CAP + 4 * (uint32_t)g_test_rand_int_range(0, 6), 4, APIC); break;
	case 4: get(s, PENDING, 4); break;
	case 5: pci_msi_raise(&s->p->pci, (uint32_t)g_test_rand_int_range(0, 9)); break;
	case 6: ring(fd); break;
	case 7: rig_poll(s->r); break;
	}
}

/* Whatever was written: in the end a vector that is enabled and not masked sends. */
static void random_writes(void)
{
	struct setup s = setup();
	int fd = pci_vector_fd(&s.p->pci, 1);

	for (unsigned i = 0; i < 100000; i++)
		step(&s, fd);
	set(&s, 0x42, 2, 0);
	set(&s, MASK, 4, 0);
	set(&s, ADDR, 4, APIC);
	set(&s, ADDR + 4, 4, 0);
	set(&s, CONTROL, 2, ENABLE | ALLOT_8);
	g_assert_cmphex(get(&s, PENDING, 4), ==, 0);
	rig_poll(s.r);
	for (unsigned v = 0; v < PCI_PROBE_MSIS; v++) {
		unsigned before = fake_accel_msis(s.r->fake);

		pci_msi_raise(&s.p->pci, v);
		g_assert_cmpuint(fake_accel_msis(s.r->fake), ==, before + 1);
	}
	g_assert_cmpuint(s.r->events, ==, 0);
	rig_free(s.r);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/msi/writable-bits", writable_bits);
	g_test_add_func("/msi/bad-numbers", bad_numbers);
	g_test_add_func("/msi/raised", raised);
	g_test_add_func("/msi/folded", folded);
	g_test_add_func("/msi/masked", masked);
	g_test_add_func("/msi/wired", wired);
	g_test_add_func("/msi/or-msix", or_msix);
	g_test_add_func("/msi/no-pin", no_pin);
	g_test_add_func("/msi/pin-or-message", pin_or_message);
	g_test_add_func("/msi/reset", reset);
	g_test_add_func("/msi/saved-and-loaded", saved_and_loaded);
	g_test_add_func("/msi/hostile-state", hostile_state);
	g_test_add_func("/msi/random-writes", random_writes);
	return g_test_run();
}
