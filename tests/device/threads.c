/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads that do what vCPUs do, while the map changes under them: BARs move, memory is shadowed, functions come and
 * go. Run with a thread sanitizer it also says whether all that is in order.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/qs.h"
#include "tests/device/rig.h"

#define VCPUS  3
#define ROUNDS 3000

#define IO_BASE  0xc000
#define MEM_BASE 0xe0000000u
#define SHADOW   0xc0000

struct vcpu {
	struct rig *r;
	pthread_t thread;
	uint32_t seed;
	int *stop;                  /* atomic */
	uint64_t accesses, answers; /* port reads: all, and those that found the function */
};

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Where the registers may be or not: what answers is one of the functions, or nobody. */
static void read_port(struct vcpu *v)
{
	unsigned offset = next_random(&v->seed) % 8 * 4;
	uint64_t got = rig_read(
		v->r, BUS_PIO, IO_BASE + next_random(&v->seed) % 4 * 0x100 + offset, 4);

	v->accesses++;
	if (got == 0xffffffff)
		return;
	g_assert_cmphex(got, ==, 0x20000000 + offset);
	v->answers++;
}

static void read_memory(struct vcpu *v)
{
	unsigned offset = next_random(&v->seed) % 0x100 * 4;
	uint64_t got = rig_read(v->r, BUS_MMIO, MEM_BASE + offset, 4);

	if (got != 0xffffffff)
		g_assert_cmphex(got, ==, 0x10000000 + offset);
}

/* RAM or the ROM over it, and the register in the middle of the page: never half of one. */
static void read_shadow(struct vcpu *v)
{
	uint64_t got = rig_read(v->r, BUS_MMIO, SHADOW + next_random(&v->seed) % 512 * 8, 8);

	g_assert_true(got == 0 || got == UINT64_MAX || got == 0x5a5a5a5a5a5a5a5a);
}

static void use_config(struct vcpu *v)
{
	unsigned devfn = PCI_DEVFN(2 + next_random(&v->seed) % 3, 0);
	uint32_t id = rig_cfg_read(v->r, devfn, 0, 4);

	g_assert_true(id == 0x00051b36 || id == 0xffffffff);
	if (next_random(&v->seed) % 4 == 0)
		rig_cfg_write(
			v->r, devfn, PCI_BAR0 + 4, 4, IO_BASE + next_random(&v->seed) % 4 * 0x100);
}

static void use_vectors(struct vcpu *v)
{
	unsigned vector = next_random(&v->seed) % PCI_PROBE_VECTORS;

	rig_write(v->r, BUS_MMIO, MEM_BASE + PCI_PROBE_TABLE + vector * 16, 8, 0xfee00000);
	rig_write(v->r, BUS_MMIO, MEM_BASE + PCI_PROBE_TABLE + vector * 16 + 12, 4,
		next_random(&v->seed) & 1);
	rig_read(v->r, BUS_MMIO, MEM_BASE + PCI_PROBE_PBA, 8);
	rig_write(v->r, BUS_PIO, IO_BASE, 1, next_random(&v->seed) & 1);
}

static void *run_vcpu(void *opaque)
{
	static void (*const steps[])(struct vcpu * v) = {
		read_port, read_memory, read_shadow, use_config, use_vectors};
	struct vcpu *v = opaque;

	qs_thread_init();
	while (!__atomic_load_n(v->stop, __ATOMIC_ACQUIRE)) {
		for (unsigned i = 0; i < 20; i++)
			steps[next_random(&v->seed) % ARRAY_SIZE(steps)](v);
		sched_yield();
	}
	qs_thread_done();
	return NULL;
}

static void move_bars(struct rig *r, unsigned i)
{
	unsigned devfn = PCI_DEVFN(2 + i % 3, 0);

	rig_cfg_write(r, devfn, PCI_BAR0, 4, MEM_BASE + i % 3 * 0x10000);
	rig_cfg_write(r, devfn, PCI_BAR0 + 4, 4, IO_BASE + i % 5 * 0x100);
	rig_cfg_write(
		r, devfn, PCI_COMMAND, 2, i % 7 ? PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER : 0);
	rig_cfg_write(r, devfn, 0x42, 2, i % 2 ? 0x8000 : 0xc000);
}

static void shadow(struct rig *r, struct region *rom, struct region *reg, unsigned i)
{
	bus_lock(r->bus);
	if (i % 2)
		g_assert_cmpint(region_map(r->bus, rom, SHADOW, REGION_PRIO_OVERLAY), ==, 0);
	else
		region_unmap(r->bus, rom);
	if (i % 3)
		g_assert_cmpint(
			region_map(r->bus, reg, SHADOW + 0x100, REGION_PRIO_OVERLAY + 1), ==, 0);
	else
		region_unmap(r->bus, reg);
	bus_unlock(r->bus);
}

static void replug(struct rig *r, unsigned i)
{
	static const char *const ids[] = {"a", "b", "c"};
	struct dev *d = bus_find_dev(r->bus, ids[i % 3]);

	dev_free(d);
	pci_probe_new(r, ids[i % 3], 2 + i % 3);
}

static void change_under_way(void)
{
	static const struct gmem_block_conf conf = {.name = "rom", .size = 4096};
	struct rig *r = rig_new();
	struct gmem_block *block = gmem_block_new(&conf, NULL);
	struct probe *p = probe_new(r, "p");
	struct region_ops silent = {.min = 1, .max = 8};
	struct region rom, reg;
	struct vcpu vcpus[VCPUS] = {0};
	uint64_t accesses = 0, answers = 0;
	uint8_t bytes[4096];
	int stop = 0;

	memset(bytes, 0x5a, sizeof(bytes));
	g_assert_cmpint(gmem_block_load(block, 0, bytes, sizeof(bytes)), ==, 0);
	region_init_mem(&rom, "rom", block, 0, 4096, true);
	region_init_io(&reg, DEV(p), &silent, "reg", BUS_MMIO, 0x80);
	pci_probe_new(r, "a", 2);
	pci_probe_new(r, "b", 3);
	pci_probe_new(r, "c", 4);
	for (unsigned i = 0; i < VCPUS; i++) {
		vcpus[i].r = r;
		vcpus[i].seed = g_test_rand_int();
		vcpus[i].stop = &stop;
		g_assert_cmpint(pthread_create(&vcpus[i].thread, NULL, run_vcpu, &vcpus[i]), ==, 0);
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		move_bars(r, i);
		shadow(r, &rom, &reg, i);
		if (i % 8 == 7)
			replug(r, i / 8);
		if (i % 16 == 3)
			pci_vector_fd(pci_bus_dev(r->pci, PCI_DEVFN(2 + i % 3, 0)), i % 40);
		sched_yield();
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < VCPUS; i++) {
		g_assert_cmpint(pthread_join(vcpus[i].thread, NULL), ==, 0);
		accesses += vcpus[i].accesses;
		answers += vcpus[i].answers;
	}
	g_test_message("%" G_GUINT64_FORMAT " port reads, %" G_GUINT64_FORMAT " answered", accesses,
		answers);
	g_assert_cmpuint(answers, >, 0);
	g_assert_cmpuint(answers, <, accesses);
	g_assert_cmpuint(r->events, ==, 0);
	shadow(r, &rom, &reg, 0);
	bus_synchronize(r->bus);
	gmem_block_unref(block);
	rig_free(r);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/threads/change-under-way", change_under_way);
	return g_test_run();
}
