/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory slots: read-only, changed under a running guest, dirty log; doorbells that end in the kernel. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/kvm/kvmrig.h"

GUEST(rom);
GUEST(watch);
GUEST(doorbells);
GUEST(dirty_pages);
GUEST(spin);

static void test_rom(void)
{
	static const uint32_t content = 0x600dc0de;
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_PROTECTED, rom));
	uint64_t n[KVM_EXITS_N];
	uint32_t after;

	g_assert_cmpint(gmem_block_load(r->rom, 0x8000, &content, sizeof(content)), ==, 0);
	rig_run_until_done(r, 1);
	g_assert_cmphex(rig_ram(r, 0x1000, 4), ==, content);
	g_assert_cmpint(gmem_read(r->gmem, GPA(0xffff8000), &after, sizeof(after)), ==, 0);
	g_assert_cmphex(after, ==, content);
	/* The store is an exit that finds nobody, the load is none. */
	kvm_exit_counts(r->accel, 0, n);
	g_assert_cmpuint(n[KVM_EXITS_MMIO], ==, 1);
	rig_free(r);
}

/* ---- changes under a running guest ---- */

#define SEEN 0 /* in rig.test: the last value that the guest has shown */

static void take_seen(struct rig *r, struct rig_access *a)
{
	__atomic_store_n(&r->test[SEEN], a->value, __ATOMIC_RELEASE);
}

static bool sees(struct rig *r, uint32_t value)
{
	return __atomic_load_n(&r->test[SEEN], __ATOMIC_ACQUIRE) == value;
}

static struct gmem_block *filled_block(uint32_t value)
{
	const struct gmem_block_conf conf = {.name = "overlay", .size = 64 * KiB};
	struct gmem_block *b = gmem_block_new(&conf, NULL);

	g_assert_nonnull(b);
	g_assert_cmpint(gmem_block_load(b, 0, &value, sizeof(value)), ==, 0);
	return b;
}

/*
 * Each change takes the RAM apart and puts it together again, the RAM from which the vCPUs fetch their program: they must
 * never see it gone.
 */
static void change_memory(const struct accel_cpus *cpus, unsigned rounds)
{
	struct rig *r = rig_new(
		RIG_CONF(ACCEL_CPU_PROTECTED, watch, .access = take_seen, .cpus = cpus));
	struct gmem_block *a = filled_block(0xaaaa), *b = filled_block(0xbbbb);
	struct region over_a, over_b,
		hole = {.kind = REGION_HOLE, .space = BUS_MMIO, .size = 64 * KiB};
	const uint32_t under = 0xcccc;

	region_init_mem(&over_a, "a", a, 0, 64 * KiB, false);
	region_init_mem(&over_b, "b", b, 0, 64 * KiB, true);
	rig_set_ram(r, 0xa0000, &under, sizeof(under));
	rig_run(r);
	for (unsigned i = 0; i < rounds; i++) {
		static const uint32_t value[] = {0xaaaa, 0xbbbb, 0xffffffff, 0xcccc};
		struct region *over[] = {&over_a, &over_b, &hole, NULL};
		struct region *old = over[(i + 3) % 4], *new = over[i % 4];

		bus_lock(r->bus);
		if (old)
			region_unmap(r->bus, old);
		if (new)
			g_assert_cmpint(
				region_map(r->bus, new, 0xa0000, REGION_PRIO_OVERLAY), ==, 0);
		bus_unlock(r->bus);
		rig_wait(r, sees(r, value[i % 4]) || rig_atomic(&r->events[0]) ||
				    rig_atomic(&r->events[1]));
		g_assert_cmpstr(r->detail, ==, "");
	}
	rig_free(r);
	gmem_block_unref(a);
	gmem_block_unref(b);
}

static void test_change(void)
{
	change_memory(&(const struct accel_cpus){1, 1, 1, 1}, 200);
}

/* The second one waits to be started, inside KVM. */
static void test_change_smp(void)
{
	change_memory(&(const struct accel_cpus){2, 1, 2, 1}, 40);
}

/* ---- dirty log ---- */

static void test_dirty(void)
{
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_PROTECTED, dirty_pages));
	const struct accel_ops *ops = r->accel->ops;
	uint64_t bits[RIG_RAM / GMEM_PAGE_SIZE / 64] = {};

	g_assert_cmpint(gmem_dirty_start(r->gmem), ==, 0);
	g_assert_cmpint(ops->dirty_log(r->accel, true), ==, 0);
	rig_run_until_done(r, 1);
	g_assert_cmpint(ops->dirty_sync(r->accel), ==, 0);
	gmem_dirty_take(r->ram, bits);
	/* Below 1 MiB KVM may say so of pages that were read, such as the program's. */
	for (unsigned page = 0x100; page < RIG_RAM / GMEM_PAGE_SIZE; page++) {
		bool dirty = bits[page / 64] >> page % 64 & 1;

		if (dirty != (page < 0x200 && page % 16 == 0))
			g_test_message("page 0x%x", page);
		g_assert_cmpint(dirty, ==, page < 0x200 && page % 16 == 0);
	}
	/* Taken is taken. */
	g_assert_cmpint(ops->dirty_sync(r->accel), ==, 0);
	g_assert_cmpuint(gmem_dirty_take(r->ram, bits), ==, 0);
	g_assert_cmpint(ops->dirty_log(r->accel, false), ==, 0);
	gmem_dirty_stop(r->gmem);
	rig_free(r);
}

/* Takes what is logged into @bits: true when page 1, with the counter, is there. */
static bool counter_is_dirty(struct rig *r, uint64_t *bits)
{
	g_assert_cmpint(r->accel->ops->dirty_sync(r->accel), ==, 0);
	gmem_dirty_take(r->ram, bits);
	return bits[0] & 2;
}

/* A log that is switched on while the guest writes sees each later write, again after each sync. */
static void test_dirty_running(void)
{
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_LONG, spin));
	const struct accel_ops *ops = r->accel->ops;
	uint64_t bits[RIG_RAM / GMEM_PAGE_SIZE / 64] = {};

	rig_run(r);
	rig_wait(r, rig_atomic(&r->done));
	g_assert_cmpint(gmem_dirty_start(r->gmem), ==, 0);
	g_assert_cmpint(ops->dirty_log(r->accel, true), ==, 0);
	for (unsigned i = 0; i < 20; i++) {
		bits[0] = 0;
		rig_wait(r, counter_is_dirty(r, bits));
	}
	gmem_dirty_stop(r->gmem);
	rig_free(r);
}

/* ---- doorbells ---- */

static int ring(struct rig *r, struct accel_ioeventfd e)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	e.fd = fd;
	g_assert_cmpint(r->accel->ops->ioeventfd(r->accel, &e, true), ==, 0);
	return fd;
}

/* How often it rang. */
static void check_ring(int fd, uint64_t times)
{
	eventfd_t n = 0;

	if (eventfd_read(fd, &n) < 0)
		n = 0;
	g_assert_cmpuint(n, ==, times);
	close(fd);
}

static void test_doorbells(void)
{
	static const struct {
		uint64_t offset, value;
		unsigned size;
	} left[] = {{0x60, 3, 1}, {0x70, 8, 4}, {0x900, 8, 4}};
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_PROTECTED, doorbells));
	int two = ring(r, (struct accel_ioeventfd){.addr = 0x560, .len = 2, .pio = true});
	int seven = ring(r, (struct accel_ioeventfd){0x570, 4, true, true, 7, -1});
	int any = ring(r, (struct accel_ioeventfd){.addr = RIG_MMIO + 0x800});
	int mem_seven = ring(r, (struct accel_ioeventfd){RIG_MMIO + 0x900, 4, false, true, 7, -1});
	const struct accel_ioeventfd gone = {.addr = 0x560, .len = 2, .pio = true, .fd = two};
	uint64_t n[KVM_EXITS_N];

	rig_run_until_done(r, 1);
	g_assert_cmpuint(r->dev->n, ==, ARRAY_SIZE(left));
	for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
		g_assert_cmphex(r->dev->log[i].offset, ==, left[i].offset);
		g_assert_cmphex(r->dev->log[i].value & ones(left[i].size), ==, left[i].value);
		g_assert_cmpuint(r->dev->log[i].size, ==, left[i].size);
	}
	kvm_exit_counts(r->accel, 0, n);
	g_assert_cmpuint(n[KVM_EXITS_IO], ==, 2 + 1);
	g_assert_cmpuint(n[KVM_EXITS_MMIO], ==, 1);

	/* Disconnected, the first one exits too. */
	g_assert_cmpint(r->accel->ops->ioeventfd(r->accel, &gone, false), ==, 0);
	rig_reset(r);
	rig_run_until_done(r, 2);
	g_assert_cmpuint(r->dev->n, ==, 2 * ARRAY_SIZE(left) + 1);
	check_ring(two, 1);
	check_ring(seven, 2);
	check_ring(any, 6);
	check_ring(mem_seven, 2);
	rig_free(r);
}

int main(int argc, char **argv)
{
	rig_test_init(&argc, &argv);
	g_test_add_func("/kvm/memory/rom", test_rom);
	g_test_add_func("/kvm/memory/change", test_change);
	g_test_add_func("/kvm/memory/change-smp", test_change_smp);
	g_test_add_func("/kvm/memory/dirty", test_dirty);
	g_test_add_func("/kvm/memory/dirty-running", test_dirty_running);
	g_test_add_func("/kvm/doorbells", test_doorbells);
	return g_test_run();
}
