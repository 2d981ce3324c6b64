/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nanoseconds of a register access to IDE and AHCI, bus included: the median of several rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/device/storage-rig.h"

#define ACCESSES 200000
#define ROUNDS   9
#define ABAR     0xfebf0000u
#define PORT     (ABAR + 0x100)

struct access {
	const char *name;
	enum bus_space space;
	uint64_t addr;
	unsigned size;
	bool write;
	uint32_t value;
};

static const struct access accesses[] = {
	{"IDE alternate status, read", BUS_PIO, 0x3f6, 1, false, 0},
	{"IDE status, read", BUS_PIO, 0x1f7, 1, false, 0},
	{"IDE sector count, write", BUS_PIO, 0x1f2, 1, true, 8},
	{"IDE device, write", BUS_PIO, 0x1f6, 1, true, 0xe0},
	{"IDE bus master status, read", BUS_PIO, 0xc402, 1, false, 0},
	{"AHCI IS, read", BUS_MMIO, ABAR + 8, 4, false, 0},
	{"AHCI PxIS, write", BUS_MMIO, PORT + 0x10, 4, true, 1},
	{"AHCI PxCI, read", BUS_MMIO, PORT + 0x38, 4, false, 0},
	{"AHCI PxTFD, read", BUS_MMIO, PORT + 0x20, 4, false, 0},
};

/* Of this thread: what others do on the machine does not count. */
static int64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static double round_ns(struct rig *r, const struct access *a)
{
	int64_t start = cpu_ns();

	for (unsigned i = 0; i < ACCESSES; i++) {
		if (a->write)
			rig_write(r, a->space, a->addr, a->size, a->value);
		else
			rig_read(r, a->space, a->addr, a->size);
	}
	return (double)(cpu_ns() - start) / ACCESSES;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static struct dev *add(struct rig *r, const struct dev_ops *ops, struct fake_blk *disk)
{
	struct dev *d = dev_new(r->bus, ops, ops->name);
	const struct drive_conf conf = {.discard = true};

	to_pci_dev(d)->bus = r->pci;
	g_assert_true(dev_realize(d, NULL));
	g_assert_true(storage_attach_disk(d, 0, &disk->blk, &conf, NULL));
	return d;
}

int main(void)
{
	struct rig *r = rig_new();
	struct fake_blk *disks[] = {storage_disk_new(r, MiB), storage_disk_new(r, MiB)};
	struct dev *ide = add(r, &piix3_ide_ops, disks[0]);
	struct dev *ahci = add(r, &ich9_ahci_ops, disks[1]);

	bus_reset(r->bus, RESET_COLD);
	bus_lock(r->bus);
	piix_ide_enable(ide);
	bus_unlock(r->bus);
	rig_cfg_write(r, to_pci_dev(ide)->devfn, PCI_BAR0 + 4 * 4, 4, 0xc400);
	rig_cfg_write(r, to_pci_dev(ide)->devfn, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MASTER);
	rig_cfg_write(r, to_pci_dev(ahci)->devfn, PCI_BAR0 + 5 * 4, 4, ABAR);
	rig_cfg_write(r, to_pci_dev(ahci)->devfn, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
	for (unsigned i = 0; i < ARRAY_SIZE(accesses); i++) {
		double ns[ROUNDS];

		for (unsigned k = 0; k < ROUNDS; k++)
			ns[k] = round_ns(r, &accesses[i]);
		qsort(ns, ROUNDS, sizeof(ns[0]), compare);
		printf("%-28s %5.1f ns\n", accesses[i].name, ns[ROUNDS / 2]);
	}
	storage_remove(r, ide);
	storage_remove(r, ahci);
	fake_blk_free(disks[0]);
	fake_blk_free(disks[1]);
	rig_free(r);
	return 0;
}
