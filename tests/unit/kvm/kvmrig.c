/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/kvm/kvmrig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/qs.h"

#define PAGE_TABLES 0x2000
#define GDT         0x6000
#define IDT         0x8000
#define STACK_TOP   0xf000
#define IRQ_STUBS   0x18000
#define TSS         0x20000
#define TSS_BITMAP  0x68
#define TSS_SIZE    (TSS_BITMAP + 8192 + 1)
#define FIRMWARE    0xffff0000
#define RESET_ENTRY 0xfff0

GUEST(irq_stubs);

/* ---- device ---- */

static uint64_t access_device(struct dev *d, struct rig_access a)
{
	struct rig_dev *rd = container_of(d, struct rig_dev, dev);
	struct rig *r = rd->rig;

	if (a.write && a.space == BUS_PIO && a.offset == RIG_DONE - RIG_PORTS) {
		__atomic_fetch_add(&r->done, 1, __ATOMIC_RELEASE);
		return 0;
	}
	/*
	 * What a read gives unless the test has its own way: bytes that tell where they come from.
	 */
	if (!a.write)
		a.value = 0x1122334455667788 + a.offset;
	if (rd->access)
		rd->access(r, &a);
	else if (rd->n < RIG_LOG)
		rd->log[rd->n++] = a;
	return a.value;
}

static uint64_t dev_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return access_device(d, (struct rig_access){r->space, false, offset, size, 0}) & ones(size);
}

static void dev_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	access_device(d, (struct rig_access){r->space, true, offset, size, value});
}

static const struct region_ops port_ops = {
	.read = dev_read, .write = dev_write, .min = 1, .max = 4};
static const struct region_ops page_ops = {
	.read = dev_read, .write = dev_write, .min = 1, .max = 8};

static bool dev_realize_rig(struct dev *d, GError **error)
{
	struct rig_dev *rd = container_of(d, struct rig_dev, dev);

	region_init_io(&rd->ports, d, &port_ops, "ports", BUS_PIO, 0x100);
	region_init_io(&rd->page, d, &page_ops, "page", BUS_MMIO, 0x1000);
	g_assert_cmpint(region_map(d->bus, &rd->ports, RIG_PORTS, REGION_PRIO_DEVICE), ==, 0);
	g_assert_cmpint(region_map(d->bus, &rd->page, RIG_MMIO, REGION_PRIO_DEVICE), ==, 0);
	return true;
}

static void dev_reset_rig(struct dev *d, enum reset_kind kind)
{
}

static const struct dev_ops rig_dev_ops = {
	.name = "rig",
	.doc = "what a test's program talks to",
	.size = sizeof(struct rig_dev),
	.realize = dev_realize_rig,
	.reset = dev_reset_rig,
	.state_none = "no guest-visible state",
};

/* ---- memory ---- */

uint64_t rig_ram(struct rig *r, uint64_t addr, unsigned size)
{
	uint64_t v = 0;

	g_assert_cmpint(gmem_read(r->gmem, GPA(addr), &v, size), ==, 0);
	return v;
}

void rig_set_ram(struct rig *r, uint64_t addr, const void *src, size_t n)
{
	g_assert_cmpint(gmem_write(r->gmem, GPA(addr), src, n), ==, 0);
}

static void set64(struct rig *r, uint64_t addr, uint64_t v)
{
	rig_set_ram(r, addr, &v, sizeof(v));
}

/* Identity map of the first GiB and, for the APICs, of the fourth; ring 3 may use it. */
static void make_page_tables(struct rig *r)
{
	const uint64_t pdpt = PAGE_TABLES + 0x1000, low = PAGE_TABLES + 0x2000,
		       high = PAGE_TABLES + 0x3000;

	set64(r, PAGE_TABLES, pdpt | 7);
	set64(r, pdpt, low | 7);
	set64(r, pdpt + 3 * 8, high | 7);
	for (uint64_t i = 0; i < 512; i++) {
		set64(r, low + i * 8, i << 21 | 0x87);
		set64(r, high + i * 8, (3 * GiB + (i << 21)) | 0x97);
	}
}

/*
 * 0x10, 0x18 flat 32-bit code and data (LONG: 64-bit code); 0x28, 0x30 the same for ring 3, 64-bit;
 * 0x40 TSS.
 */
static void make_gdt(struct rig *r, bool is64)
{
	set64(r, GDT + 0x10, is64 ? 0x00af9b000000ffff : 0x00cf9b000000ffff);
	set64(r, GDT + 0x18, 0x00cf93000000ffff);
	set64(r, GDT + 0x28, 0x00cff3000000ffff);
	set64(r, GDT + 0x30, 0x00affb000000ffff);
	set64(r, GDT + 0x40,
		UINT64_C(0x0000890000000000) | (uint64_t)(TSS & 0xffffff) << 16 | (TSS_SIZE - 1));
	set64(r, TSS + 4, STACK_TOP); /* rsp0 */
	set64(r, TSS + 0x60, (uint64_t)TSS_BITMAP << 48);
	set64(r, TSS + TSS_SIZE - 1, 0xff); /* behind a bitmap of zeroes */
}

/* 64-bit gates of vectors 0x20 to 0x5f to the stubs of guests.S. */
static void make_idt(struct rig *r)
{
	rig_set_ram(r, IRQ_STUBS, guest_irq_stubs, (size_t)(guest_irq_stubs_end - guest_irq_stubs));
	for (unsigned v = 0x20; v < 0x60; v++) {
		uint64_t to = IRQ_STUBS + (v - 0x20) * 16;

		set64(r, IDT + v * 16,
			(to & 0xffff) | 0x10 << 16 | UINT64_C(0x8e) << 40 | to >> 16 << 48);
	}
}

static void load_firmware(struct rig *r)
{
	static const uint8_t jump[] = {0xe9, 0x0d, 0x00}; /* to 0x10000, that is 0 */
	size_t n = (size_t)(r->program_end - r->program);

	g_assert_cmpint(gmem_block_load(r->rom, 0, r->program, n), ==, 0);
	g_assert_cmpint(gmem_block_load(r->rom, RESET_ENTRY, jump, sizeof(jump)), ==, 0);
}

static void load_program(struct rig *r)
{
	if (r->start.mode == ACCEL_CPU_RESET) {
		load_firmware(r);
		return;
	}
	rig_set_ram(r, RIG_PROGRAM, r->program, (size_t)(r->program_end - r->program));
	make_gdt(r, r->start.mode == ACCEL_CPU_LONG);
	make_idt(r);
	make_page_tables(r);
}

/* ---- machine ---- */

static void on_event(void *opaque, enum accel_event e, unsigned vcpu, const char *detail)
{
	struct rig *r = opaque;

	g_strlcpy(r->detail, detail, sizeof(r->detail));
	__atomic_fetch_add(&r->events[e], 1, __ATOMIC_RELEASE);
}

static struct gmem_block *block_new(const char *name, uint64_t size)
{
	struct gmem_block *b = gmem_block_new(
		&(const struct gmem_block_conf){.name = name, .size = size}, NULL);

	g_assert_nonnull(b);
	return b;
}

static void map_memory(struct rig *r)
{
	r->ram = block_new("ram", RIG_RAM);
	r->rom = block_new("rom", 64 * KiB);
	region_init_mem(&r->ram_region, "ram", r->ram, 0, RIG_RAM, false);
	region_init_mem(&r->rom_region, "rom", r->rom, 0, 64 * KiB, true);
	g_assert_cmpint(region_map(r->bus, &r->ram_region, 0, REGION_PRIO_BACKGROUND), ==, 0);
	g_assert_cmpint(
		region_map(r->bus, &r->rom_region, FIRMWARE, REGION_PRIO_BACKGROUND), ==, 0);
}

static void add_device(struct rig *r, const struct rig_conf *conf)
{
	struct dev *d = dev_new(r->bus, &rig_dev_ops, "rig0");

	r->dev = container_of(d, struct rig_dev, dev);
	r->dev->rig = r;
	r->dev->access = conf->access;
	g_assert_true(dev_realize(d, NULL));
}

struct rig *rig_new(const struct rig_conf *conf)
{
	static const struct accel_cpus one = {1, 1, 1, 1};
	struct kvm_conf kvm = {.fd = -1,
		.pit = true,
		.irqchip = true,
		.thread_setup = conf->thread_setup,
		.smm = conf->smm};
	struct rig *r = g_new0(struct rig, 1);
	GError *error = NULL;

	r->program = conf->program;
	r->program_end = conf->end;
	r->start = (struct accel_cpu_start){.mode = conf->mode,
		.rip = RIG_PROGRAM,
		.rsp = STACK_TOP,
		.rbx = 0x0b0b0b0b,
		.rsi = 0x51515151,
		.cr3 = PAGE_TABLES,
		.gdt = GDT};

	qs_thread_init();
	r->loop = kvm.loop = loop_new("main", &error);
	g_assert_no_error(error);
	r->clocks = clocks_new_stepped(0);
	r->gmem = gmem_new();
	r->accel = kvm_new(&kvm, &error);
	g_assert_no_error(error);
	r->accel->event = on_event;
	r->accel->event_opaque = r;
	r->bus = bus_new(r->accel, r->gmem, r->clocks, r->loop);
	map_memory(r);
	add_device(r, conf);
	g_assert_cmpint(bus_commit(r->bus), ==, 0);
	g_assert_true(r->accel->ops->irqchip_create(r->accel, &error));
	g_assert_true(r->accel->ops->vcpus_create(
		r->accel, conf->cpus ? conf->cpus : &one, r->bus, &error));
	g_assert_no_error(error);
	rig_reset(r);
	return r;
}

void rig_free(struct rig *r)
{
	rig_pause(r);
	bus_free(r->bus);
	r->accel->ops->free(r->accel);
	gmem_free(r->gmem);
	gmem_block_unref(r->ram);
	gmem_block_unref(r->rom);
	clocks_free(r->clocks);
	loop_free(r->loop);
	g_free(r);
	qs_flush();
	qs_thread_done();
}

void rig_run(struct rig *r)
{
	r->accel->ops->run(r->accel);
}

static void paused(void *opaque)
{
	*(bool *)opaque = true;
}

void rig_stuck(struct rig *r, const char *waits_for, const char *file, int line)
{
	int64_t end = loop_now() + NSEC_PER_SEC;
	struct kvm_sregs sregs = {};
	struct kvm_regs regs = {};
	uint64_t n[KVM_EXITS_N];
	bool stopped = false;

	r->accel->ops->pause(r->accel, paused, &stopped);
	while (!stopped && loop_now() < end)
		loop_iterate(r->loop, 1);
	if (stopped) {
		spy_ioctl(spy.vcpu_fd[0], KVM_GET_REGS, &regs);
		spy_ioctl(spy.vcpu_fd[0], KVM_GET_SREGS, &sregs);
	}
	kvm_exit_counts(r->accel, 0, n);
	g_printerr("%s:%d: waited in vain for %s\n%s, cs 0x%x rip 0x%llx rflags 0x%llx cr2 0x%llx; "
		   "exits: %" G_GUINT64_FORMAT " io, %" G_GUINT64_FORMAT " other; event: %s\n",
		file, line, waits_for, stopped ? "stopped" : "does not stop", sregs.cs.selector,
		regs.rip, regs.rflags, sregs.cr2, n[KVM_EXITS_IO], n[KVM_EXITS_OTHER], r->detail);
	abort();
}

void rig_pause(struct rig *r)
{
	bool stopped = false;

	r->accel->ops->pause(r->accel, paused, &stopped);
	rig_wait(r, stopped);
}

void rig_reset(struct rig *r)
{
	g_assert_cmpint(r->accel->ops->reset(r->accel, &r->start), ==, 0);
	load_program(r);
}

void rig_run_until_done(struct rig *r, unsigned n)
{
	rig_run(r);
	rig_wait(r, rig_atomic(&r->done) >= n || rig_atomic(&r->events[ACCEL_INTERNAL_ERROR]));
	g_assert_cmpstr(r->detail, ==, "");
	rig_pause(r);
}

void rig_test_init(int *argc, char ***argv)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		printf("1..0 # SKIP /dev/kvm: %s\n", strerror(errno));
		exit(0);
	}
	close(fd);
	g_test_init(argc, argv, NULL);
}
