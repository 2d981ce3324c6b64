/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests on a thread of their own, as in a VM: the test is the guest's CPU and the main loop;
 * between its commands come resets of the link, drives that are pulled, state that is saved and
 * loaded.
 */
#include <string.h>

#include "devmodel/storage/ata.h"
#include "tests/device/storage-rig.h"

#define DISK_SIZE MiB
#define SECTOR    512
#define ABAR      0xfebf0000u
#define PORT      (ABAR + 0x100)
#define LIST      0x10000
#define TABLES    0x20000
#define DATA      0x100000
#define ROUNDS    200
#define DEADLINE  (20 * NSEC_PER_SEC)

enum {
	IS = 0x10,
	IE = 0x14,
	PCMD = 0x18,
	SSTS = 0x28,
	SCTL = 0x2c,
	SERR = 0x30,
	SACT = 0x34,
	CI = 0x38
};

struct threads {
	struct rig *r;
	struct loop *io;
	struct dev *d;
	struct fake_blk *disk;
	struct drive_conf conf;
	int64_t deadline;
};

static uint32_t get(struct threads *t, unsigned reg)
{
	return (uint32_t)rig_read(t->r, BUS_MMIO, PORT + reg, 4);
}

static void set(struct threads *t, unsigned reg, uint32_t v)
{
	rig_write(t->r, BUS_MMIO, PORT + reg, 4, v);
}

static void turn(struct threads *t)
{
	g_assert_cmpint(loop_now(), <, t->deadline);
	rig_poll(t->r);
}

static void wait_bits(struct threads *t, unsigned reg, uint32_t mask, uint32_t want)
{
	t->deadline = loop_now() + DEADLINE;
	while ((get(t, reg) & mask) != want)
		turn(t);
}

static void start_port(struct threads *t)
{
	unsigned devfn = to_pci_dev(t->d)->devfn;

	rig_cfg_write(t->r, devfn, PCI_BAR0 + 5 * 4, 4, ABAR);
	rig_cfg_write(t->r, devfn, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
	wait_bits(t, SSTS, UINT32_MAX, 0x133);
	set(t, PCMD, 0);
	wait_bits(t, PCMD, 0x8000, 0);
	set(t, 0x00, LIST);
	set(t, 0x08, LIST + 0x400);
	set(t, SERR, UINT32_MAX);
	set(t, IS, UINT32_MAX);
	set(t, IE, UINT32_MAX);
	set(t, PCMD, 0x11);
}

static uint64_t lba_of(unsigned slot, unsigned round)
{
	return (slot * 61 + round * 7) % (DISK_SIZE / SECTOR - 8);
}

static void put_command(struct threads *t, unsigned slot, unsigned round)
{
	uint64_t lba = lba_of(slot, round), table = TABLES + slot * 0x1000;
	const uint8_t fis[20] = {0x27, 0x80, ATA_READ_FPDMA, 8, (uint8_t)lba, (uint8_t)(lba >> 8),
		0, ATA_DEV_LBA, [12] = (uint8_t)(slot << 3)};
	const uint32_t header[3] = {5 | 1 << 16, 0, (uint32_t)table};
	const uint32_t prd[4] = {DATA + slot * 0x1000, 0, 0, 8 * SECTOR - 1};

	storage_put_ram(t->r, table, fis, sizeof(fis));
	storage_put_ram(t->r, table + 0x80, prd, sizeof(prd));
	storage_put_ram(t->r, LIST + slot * 32, header, sizeof(header));
}

static void issue_all(struct threads *t, unsigned round)
{
	for (unsigned slot = 0; slot < 32; slot++)
		put_command(t, slot, round);
	set(t, SACT, UINT32_MAX);
	for (unsigned slot = 0; slot < 32; slot += 8)
		set(t, CI, 0xffu << slot);
}

static void check_all(struct threads *t, unsigned round)
{
	wait_bits(t, CI, UINT32_MAX, 0);
	wait_bits(t, SACT, UINT32_MAX, 0);
	for (unsigned slot = 0; slot < 32; slot++)
		storage_assert_ram(t->r, DATA + slot * 0x1000,
			t->disk->data + lba_of(slot, round) * SECTOR, 8 * SECTOR);
	set(t, IS, UINT32_MAX);
}

static void came_back(void *opaque, struct blk *old)
{
	*(bool *)opaque = true;
}

/* The drive goes with all its commands, and comes again. */
static void replug(struct threads *t)
{
	bool back = false;

	g_assert_true(storage_detach(t->d, 0, came_back, &back, NULL));
	t->deadline = loop_now() + DEADLINE;
	while (!back)
		turn(t);
	g_assert_true(storage_attach_disk(t->d, 0, &t->disk->blk, &t->conf, NULL));
	start_port(t);
}

static void comreset(struct threads *t)
{
	set(t, PCMD, 0x10);
	set(t, SCTL, 0x301);
	set(t, SCTL, 0x300);
	start_port(t);
}

static struct threads begin(void)
{
	struct threads t = {.r = rig_new()};

	t.io = loop_new("io", NULL);
	g_assert_true(loop_thread_start(t.io, NULL));
	prop_defaults(&drive_props, &t.conf);
	t.disk = storage_disk_new(t.r, DISK_SIZE);
	t.d = dev_new(t.r->bus, &ich9_ahci_ops, "ahci");
	to_pci_dev(t.d)->bus = t.r->pci;
	storage_set_loop(t.d, t.io);
	g_assert_true(dev_realize(t.d, NULL));
	g_assert_true(storage_attach_disk(t.d, 0, &t.disk->blk, &t.conf, NULL));
	bus_reset(t.r->bus, RESET_COLD);
	start_port(&t);
	return t;
}

static void end(struct threads *t)
{
	storage_rig_quiesce(t->r);
	loop_thread_join(t->io);
	storage_remove(t->r, t->d);
	loop_iterate(t->io, 0);
	fake_blk_free(t->disk);
	loop_free(t->io);
	prop_clear(&drive_props, &t->conf);
	rig_free(t->r);
}

static void test_queue(void)
{
	struct threads t = begin();

	for (unsigned round = 0; round < ROUNDS; round++) {
		issue_all(&t, round);
		check_all(&t, round);
	}
	end(&t);
}

/* In the middle of the commands; those that were dropped are issued again, as a driver does. */
static void test_disturbed(void)
{
	struct threads t = begin();

	for (unsigned round = 0; round < ROUNDS; round++) {
		issue_all(&t, round);
		switch (round % 4) {
		case 0: storage_save_and_load(t.r); break;
		case 1:
			comreset(&t);
			issue_all(&t, round);
			break;
		case 2:
			replug(&t);
			issue_all(&t, round);
			break;
		case 3:
			storage_rig_quiesce(t.r);
			bus_reset(t.r->bus, RESET_WARM);
			bus_resume(t.r->bus);
			start_port(&t);
			issue_all(&t, round);
			break;
		}
		check_all(&t, round);
	}
	end(&t);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/storage-threads/queue", test_queue);
	g_test_add_func("/storage-threads/disturbed", test_disturbed);
	return g_test_run();
}
