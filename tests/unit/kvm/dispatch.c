/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest's instructions become on the bus: width, value, order; and how a direct boot begins. */
#include "tests/unit/kvm/kvmrig.h"

GUEST(ports);
GUEST(mmio);
GUEST(start);

#define READ(offset) (UINT64_C(0x1122334455667788) + (offset))
#define PIO_W        BUS_PIO, true
#define PIO_R        BUS_PIO, false
#define MMIO_W       BUS_MMIO, true
#define MMIO_R       BUS_MMIO, false

static void check_log(struct rig *r, const struct rig_access *want, unsigned n)
{
	for (unsigned i = 0; i < MIN(n, r->dev->n); i++) {
		const struct rig_access *a = &r->dev->log[i];

		g_test_message("%u: %s %s 0x%" G_GINT64_MODIFIER "x size %u", i,
			a->space == BUS_PIO ? "port" : "memory", a->write ? "write" : "read",
			a->offset, a->size);
		g_assert_cmpint(a->space, ==, want[i].space);
		g_assert_cmpint(a->write, ==, want[i].write);
		g_assert_cmphex(a->offset, ==, want[i].offset);
		g_assert_cmpuint(a->size, ==, want[i].size);
		g_assert_cmphex(a->value & ones(a->size), ==, want[i].value & ones(a->size));
	}
	g_assert_cmpuint(r->dev->n, ==, n);
}

static void test_ports(void)
{
	static const struct rig_access want[] = {
		{PIO_W, 0x00, 1, 0x12},
		{PIO_W, 0x02, 2, 0x3456},
		{PIO_W, 0x04, 4, 0x789abcde},
		{PIO_R, 0x11, 1, READ(0x11)},
		{PIO_R, 0x12, 2, READ(0x12)},
		{PIO_R, 0x14, 4, READ(0x14)},
		{PIO_W, 0x20, 1, 'a'},
		{PIO_W, 0x20, 1, 'b'},
		{PIO_W, 0x20, 1, 'c'},
		{PIO_W, 0x20, 1, 'd'},
		{PIO_W, 0x20, 1, 'e'},
		{PIO_R, 0x30, 2, READ(0x30)},
		{PIO_R, 0x30, 2, READ(0x30)},
		{PIO_R, 0x30, 2, READ(0x30)},
		{PIO_W, 0x40, 4, 0x64636261},
		{PIO_W, 0x40, 4, 0x68676665},
	};
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_RESET, ports));

	rig_set_ram(r, 0x2000, "abcdefgh", 8);
	rig_run_until_done(r, 1);
	check_log(r, want, ARRAY_SIZE(want));
	g_assert_cmphex(rig_ram(r, 0x1000, 1), ==, READ(0x11) & 0xff);
	g_assert_cmphex(rig_ram(r, 0x1004, 2), ==, READ(0x12) & 0xffff);
	g_assert_cmphex(rig_ram(r, 0x1008, 4), ==, READ(0x14) & 0xffffffff);
	for (unsigned i = 0; i < 3; i++)
		g_assert_cmphex(rig_ram(r, 0x3000 + i * 2, 2), ==, READ(0x30) & 0xffff);
	rig_free(r);
}

static void test_mmio(void)
{
	static const struct rig_access want[] = {
		{MMIO_W, 0x00, 1, 0x12},
		{MMIO_W, 0x02, 2, 0x3456},
		{MMIO_W, 0x04, 4, 0x789abcde},
		{MMIO_W, 0x08, 8, 0x0123456789abcdef},
		{MMIO_R, 0x11, 1, READ(0x11)},
		{MMIO_R, 0x22, 2, READ(0x22)},
		{MMIO_R, 0x34, 4, READ(0x34)},
		{MMIO_R, 0x48, 8, READ(0x48)},
		{MMIO_R, 0x50, 4, READ(0x50)},
		{MMIO_W, 0x50, 4, READ(0x50) + 1},
		{MMIO_W, 0x71, 1, 0xd4},
		{MMIO_W, 0x72, 2, 0xb2c3},
		{MMIO_W, 0x74, 1, 0xa1},
		{MMIO_W, 0xffc, 4, 0x55667788},
		{MMIO_W, 0x60, 8, 0x6867666564636261},
		{MMIO_W, 0x68, 8, 0x706f6e6d6c6b6a69},
	};
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_LONG, mmio));

	rig_set_ram(r, 0xa000, "abcdefghijklmnop", 16);
	rig_run_until_done(r, 1);
	check_log(r, want, ARRAY_SIZE(want));
	g_assert_cmphex(rig_ram(r, 0x1000, 8), ==, READ(0x11) & 0xff);
	g_assert_cmphex(rig_ram(r, 0x1008, 8), ==, READ(0x22) & 0xffff);
	g_assert_cmphex(rig_ram(r, 0x1010, 8), ==, READ(0x34) & 0xffffffff);
	g_assert_cmphex(rig_ram(r, 0x1018, 8), ==, READ(0x48));
	/* The part of the last store that lay beyond the device's page. */
	g_assert_cmphex(rig_ram(r, 0xd1000, 4), ==, 0x11223344);
	rig_free(r);
}

static void test_counts(void)
{
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_LONG, mmio));
	uint64_t n[KVM_EXITS_N];

	rig_run_until_done(r, 1);
	kvm_exit_counts(r->accel, 0, n);
	/* One is the report; a misaligned access is one exit. */
	g_assert_cmpuint(n[KVM_EXITS_IO], ==, 1);
	g_assert_cmpuint(n[KVM_EXITS_MMIO], ==, 14);
	g_assert_cmpuint(n[KVM_EXITS_OTHER], ==, 0);
	rig_free(r);
}

static void test_start(void)
{
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_PROTECTED, start));

	rig_run_until_done(r, 1);
	g_assert_cmphex(rig_ram(r, 0x1000, 4), ==, 0x51515151);
	g_assert_cmphex(rig_ram(r, 0x1004, 4), ==, 0x0b0b0b0b);
	g_assert_cmphex(rig_ram(r, 0x1008, 4), ==, 0xf000);
	g_assert_cmphex(rig_ram(r, 0x100c, 2), ==, 0x10);
	g_assert_cmphex(rig_ram(r, 0x1010, 2), ==, 0x18);
	g_assert_cmphex(rig_ram(r, 0x1014, 4), ==, 0x11);
	rig_free(r);
}

int main(int argc, char **argv)
{
	rig_test_init(&argc, &argv);
	g_test_add_func("/kvm/ports", test_ports);
	g_test_add_func("/kvm/mmio", test_mmio);
	g_test_add_func("/kvm/counts", test_counts);
	g_test_add_func("/kvm/start", test_start);
	return g_test_run();
}
