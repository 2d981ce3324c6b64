/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AHCI as drivers use it: SeaBIOS polling one command at a time, Linux and Windows' storahci with a
 * queue of 32; errors and their recovery, hot-plug, resets, state.
 */
#include <errno.h>
#include <string.h>

#include "devmodel/storage/ata.h"
#include "tests/device/storage-rig.h"

#define DISK_SIZE (64 * MiB)
#define SECTOR    512
#define ABAR      0xfebf0000u
#define GSI       19 /* INTA of slot 3 */

/* Guest memory. */
#define LIST   0x10000
#define RX     0x10400
#define TABLES 0x20000 /* 4 KiB each */
#define DATA   0x100000

/* Registers. */
enum { CAP = 0x00, GHC = 0x04, HIS = 0x08, PI = 0x0c };
enum {
	CLB = 0x00,
	FB = 0x08,
	IS = 0x10,
	IE = 0x14,
	PCMD = 0x18,
	TFD = 0x20,
	SIG = 0x24,
	SSTS = 0x28,
	SCTL = 0x2c,
	SERR = 0x30,
	SACT = 0x34,
	CI = 0x38
};

#define IE_ALL  0xfdc000ffu
#define TFES    0x40000000u
#define START   0x0011 /* FRE, ST */
#define RUNNING 0x8000

struct ahci {
	struct rig *r;
	struct dev *d;
	struct fake_blk *disk, *cd;
	struct drive_conf conf;
	unsigned port;
};

/* ---- the machine ---- */

static uint32_t get(struct ahci *t, unsigned reg)
{
	return (uint32_t)rig_read(t->r, BUS_MMIO, ABAR + reg, 4);
}

static void set(struct ahci *t, unsigned reg, uint32_t v)
{
	rig_write(t->r, BUS_MMIO, ABAR + reg, 4, v);
}

static uint32_t pget(struct ahci *t, unsigned reg)
{
	return get(t, 0x100 + t->port * 0x80 + reg);
}

static void pset(struct ahci *t, unsigned reg, uint32_t v)
{
	set(t, 0x100 + t->port * 0x80 + reg, v);
}

static bool irq(struct ahci *t)
{
	return fake_accel_level(t->r->fake, GSI);
}

/* What a driver's probe does to a port. */
static void start_port(struct ahci *t)
{
	pset(t, CLB, LIST);
	pset(t, CLB + 4, 0);
	pset(t, FB, RX);
	pset(t, FB + 4, 0);
	pset(t, SERR, UINT32_MAX);
	pset(t, IS, UINT32_MAX);
	pset(t, PCMD, START);
	pset(t, IE, IE_ALL);
	set(t, HIS, UINT32_MAX);
	set(t, GHC, 0x80000002);
	g_assert_cmphex(pget(t, PCMD) & 0xc000, ==, 0xc000);
}

static void place(struct ahci *t)
{
	unsigned devfn = to_pci_dev(t->d)->devfn;

	rig_cfg_write(t->r, devfn, PCI_BAR0 + 5 * 4, 4, ABAR);
	rig_cfg_write(t->r, devfn, PCI_BAR0 + 4 * 4, 4, 0xc000);
	rig_cfg_write(t->r, devfn, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
}

static struct ahci ahci_new(void)
{
	struct ahci t = {.r = rig_new()};
	g_autoptr(GError) error = NULL;

	prop_defaults(&drive_props, &t.conf);
	t.disk = storage_disk_new(t.r, DISK_SIZE);
	t.cd = storage_disk_new(t.r, MiB);
	t.d = dev_new(t.r->bus, &ich9_ahci_ops, "ahci");
	to_pci_dev(t.d)->bus = t.r->pci;
	to_pci_dev(t.d)->addr = (struct prop_pci){3, 0};
	dev_realize(t.d, &error);
	g_assert_no_error(error);
	storage_attach_disk(t.d, 0, &t.disk->blk, &t.conf, &error);
	g_assert_no_error(error);
	storage_attach_cdrom(t.d, 1, &t.cd->blk, &t.conf, &error);
	g_assert_no_error(error);
	bus_reset(t.r->bus, RESET_COLD);
	place(&t);
	start_port(&t);
	return t;
}

static void ahci_free(struct ahci *t)
{
	storage_remove(t->r, t->d);
	fake_blk_free(t->disk);
	fake_blk_free(t->cd);
	prop_clear(&drive_props, &t->conf);
	rig_free(t->r);
}

/* ---- commands ---- */

struct request {
	uint8_t command;
	uint16_t feature, count;
	uint64_t lba;
	uint8_t device;
	bool write;
	const uint8_t *cdb;
	uint32_t bytes; /* in all of its regions */
	unsigned regions;
};

static uint64_t data_of(unsigned slot)
{
	return DATA + slot * 0x40000;
}

/* A command table with regions of equal length that lie apart by twice that. */
static void put_table(struct ahci *t, unsigned slot, const struct request *q)
{
	uint64_t table = TABLES + slot * 0x1000;
	uint8_t fis[20] = {0x27, 0x80, q->command, (uint8_t)q->feature, (uint8_t)q->lba,
		(uint8_t)(q->lba >> 8), (uint8_t)(q->lba >> 16), ATA_DEV_LBA | q->device,
		(uint8_t)(q->lba >> 24), (uint8_t)(q->lba >> 32), (uint8_t)(q->lba >> 40),
		(uint8_t)(q->feature >> 8), (uint8_t)q->count, (uint8_t)(q->count >> 8)};
	uint32_t header[8] = {5 | (q->write ? 0x40 : 0) | (q->cdb ? 0x20 : 0) | q->regions << 16, 0,
		(uint32_t)table};

	storage_put_ram(t->r, table, fis, sizeof(fis));
	if (q->cdb)
		storage_put_ram(t->r, table + 0x40, q->cdb, 12);
	for (unsigned i = 0; i < q->regions; i++) {
		uint32_t n = q->bytes / q->regions;
		uint32_t prd[4] = {(uint32_t)data_of(slot) + i * 2 * n, 0, 0, n - 1};

		storage_put_ram(t->r, table + 0x80 + i * sizeof(prd), prd, sizeof(prd));
	}
	storage_put_ram(t->r, LIST + slot * 32, header, sizeof(header));
}

static void wait_slots(struct ahci *t, uint32_t slots)
{
	for (unsigned i = 0; (pget(t, CI) | pget(t, SACT)) & slots && !(pget(t, IS) & TFES); i++) {
		g_assert_cmpuint(i, <, STORAGE_TURNS);
		rig_poll(t->r);
	}
}

/* One command in slot 0, by interrupt: PxIS, which is cleared. */
static uint32_t run(struct ahci *t, struct request q)
{
	uint32_t is;

	put_table(t, 0, &q);
	pset(t, CI, 1);
	wait_slots(t, 1);
	is = pget(t, IS);
	g_assert_true(irq(t));
	pset(t, IS, is);
	set(t, HIS, 1u << t->port);
	g_assert_false(irq(t));
	return is;
}

static struct request identify(void)
{
	return (struct request){.command = ATA_IDENTIFY, .bytes = SECTOR, .regions = 1};
}

static struct request read_dma(uint64_t lba, uint16_t sectors, unsigned regions)
{
	return (struct request){.command = ATA_READ_DMA_EXT,
		.lba = lba,
		.count = sectors,
		.bytes = sectors * SECTOR,
		.regions = regions};
}

static struct request queued(unsigned slot, uint64_t lba, uint16_t sectors, bool write)
{
	return (struct request){.command = write ? ATA_WRITE_FPDMA : ATA_READ_FPDMA,
		.lba = lba,
		.feature = sectors,
		.count = (uint16_t)(slot << 3),
		.write = write,
		.bytes = sectors * SECTOR,
		.regions = 1};
}

static void issue_queued(struct ahci *t, unsigned slot, uint64_t lba, uint16_t sectors, bool write)
{
	struct request q = queued(slot, lba, sectors, write);

	put_table(t, slot, &q);
	pset(t, SACT, 1u << slot);
}

/* The recovery of section 6.2.2: stop, wait, clear, start. */
static void restart_port(struct ahci *t)
{
	pset(t, PCMD, 0x10);
	for (unsigned i = 0; pget(t, PCMD) & RUNNING; i++) {
		g_assert_cmpuint(i, <, STORAGE_TURNS);
		rig_poll(t->r);
	}
	g_assert_cmphex(pget(t, CI), ==, 0);
	g_assert_cmphex(pget(t, SACT), ==, 0);
	pset(t, SERR, UINT32_MAX);
	pset(t, IS, UINT32_MAX);
	pset(t, PCMD, START);
}

/* ---- tests: registers ---- */

static void test_registers(void)
{
	struct ahci t = ahci_new();
	unsigned devfn = to_pci_dev(t.d)->devfn;

	g_assert_cmphex(rig_cfg_read(t.r, devfn, PCI_VENDOR_ID, 4), ==, 0x29228086);
	g_assert_cmphex(rig_cfg_read(t.r, devfn, PCI_REVISION, 4), ==, 0x01060102);
	g_assert_cmphex(get(&t, CAP), ==, 0xc1341f05);
	g_assert_cmphex(get(&t, PI), ==, 0x3f);
	g_assert_cmphex(get(&t, 0x10), ==, 0x00010301);
	g_assert_cmphex(pget(&t, SSTS), ==, 0x133);
	g_assert_cmphex(pget(&t, SIG), ==, 0x00000101);
	g_assert_cmphex(pget(&t, TFD), ==, 0x0150);
	t.port = 1;
	g_assert_cmphex(pget(&t, SIG), ==, 0xeb140101);
	t.port = 2;
	g_assert_cmphex(pget(&t, SSTS), ==, 0);
	g_assert_cmphex(pget(&t, SIG), ==, UINT32_MAX);
	g_assert_cmphex(pget(&t, TFD), ==, 0x7f);
	/* The same by the index and data pair. */
	rig_write(t.r, BUS_PIO, 0xc010, 4, 0x100 + SSTS);
	g_assert_cmphex(rig_read(t.r, BUS_PIO, 0xc014, 4), ==, 0x133);
	ahci_free(&t);
}

static void test_identify(void)
{
	struct ahci t = ahci_new();
	uint8_t fis[0x70];
	uint16_t id[256];
	uint32_t header[2];

	g_assert_cmphex(run(&t, identify()), ==, 0x02); /* PIO setup FIS only */
	g_assert_cmphex(pget(&t, TFD), ==, 0x0050);
	storage_get_ram(t.r, DATA, id, sizeof(id));
	g_assert_cmphex(id[75], ==, 31);
	g_assert_cmphex(id[76] & 0x0100, ==, 0x0100);
	g_assert_cmphex(id[93], ==, 0);
	storage_get_ram(t.r, RX, fis, sizeof(fis));
	g_assert_cmphex(fis[0x20], ==, 0x5f);
	g_assert_cmphex(fis[0x22], ==, 0x58);
	g_assert_cmphex(fis[0x20 + 15], ==, 0x50);
	g_assert_cmphex(fis[0x40], ==, 0x34); /* the signature's */
	g_assert_cmphex(fis[0x42], ==, 0x50);
	storage_get_ram(t.r, LIST, header, sizeof(header));
	g_assert_cmpuint(header[1], ==, SECTOR);
	ahci_free(&t);
}

/* ---- tests: one at a time ---- */

static void test_dma(void)
{
	struct ahci t = ahci_new();
	unsigned rises = fake_accel_rises(t.r->fake, GSI);
	uint8_t buf[4 * SECTOR], fis[20];
	struct request q = {.command = ATA_WRITE_DMA_EXT,
		.lba = 9,
		.count = 4,
		.write = true,
		.bytes = sizeof(buf),
		.regions = 2};

	g_assert_cmphex(run(&t, read_dma(0x1f000, 16, 4)), ==, 0x01);
	for (unsigned i = 0; i < 4; i++)
		storage_assert_ram(
			t.r, DATA + i * 4096, t.disk->data + 0x1f000 * SECTOR + i * 2048, 2048);
	g_assert_cmpuint(fake_blk_submitted(t.disk, BLK_READ), ==, 1);
	g_assert_cmpuint(fake_accel_rises(t.r->fake, GSI) - rises, ==, 1);
	storage_get_ram(t.r, RX + 0x40, fis, sizeof(fis));
	g_assert_cmphex(fis[0] | fis[1] << 8 | fis[2] << 16, ==, 0x504034);

	memset(buf, 0x3c, sizeof(buf));
	storage_put_ram(t.r, DATA, buf, sizeof(buf) / 2);
	storage_put_ram(t.r, DATA + sizeof(buf), buf, sizeof(buf) / 2);
	g_assert_cmphex(run(&t, q), ==, 0x01);
	g_assert_cmpmem(buf, sizeof(buf), t.disk->data + 9 * SECTOR, sizeof(buf));
	ahci_free(&t);
}

/*
 * Several slots with commands that are not queued: one after the other, one interrupt each at most.
 */
static void test_slots_in_turn(void)
{
	struct ahci t = ahci_new();

	for (unsigned i = 0; i < 8; i++) {
		struct request q = read_dma(i * 100, 2, 1);

		put_table(&t, i, &q);
	}
	pset(&t, CI, 0xff);
	wait_slots(&t, 0xff);
	for (unsigned i = 0; i < 8; i++)
		storage_assert_ram(t.r, data_of(i), t.disk->data + i * 100 * SECTOR, 2 * SECTOR);
	g_assert_cmphex(pget(&t, IS), ==, 0x01);
	ahci_free(&t);
}

/* ---- tests: queued ---- */

static void test_ncq(void)
{
	struct ahci t = ahci_new();
	uint8_t sdb[8];

	for (unsigned i = 0; i < 32; i++)
		issue_queued(&t, i, i * 1000, 8, false);
	fake_blk_hold(t.disk, true);
	pset(&t, CI, UINT32_MAX);
	storage_turn(t.r);
	g_assert_cmpuint(fake_blk_in_flight(t.disk), ==, 32);
	g_assert_cmpuint(t.disk->commits, ==, 1); /* one batch for one doorbell */
	g_assert_cmphex(pget(&t, CI), ==, 0);
	g_assert_cmphex(pget(&t, SACT), ==, UINT32_MAX);
	g_assert_cmphex(pget(&t, TFD), ==, 0x50);
	for (unsigned i = 0; i < 3; i++)
		fake_blk_complete(t.disk);
	storage_turn(t.r);
	g_assert_cmphex(pget(&t, SACT), ==, ~7u);
	g_assert_cmphex(pget(&t, IS), ==, 0x08);
	g_assert_true(irq(&t));
	storage_get_ram(t.r, RX + 0x58, sdb, sizeof(sdb));
	g_assert_cmphex(sdb[0] | sdb[1] << 8 | sdb[2] << 16, ==, 0x5040a1);
	g_assert_cmphex(sdb[4], ==, 4);
	while (fake_blk_complete(t.disk))
		continue;
	wait_slots(&t, UINT32_MAX);
	for (unsigned i = 0; i < 32; i++)
		storage_assert_ram(t.r, data_of(i), t.disk->data + i * 1000 * SECTOR, 8 * SECTOR);
	ahci_free(&t);
}

/* While queued commands run, one that is not waits. */
static void test_ncq_then_flush(void)
{
	struct ahci t = ahci_new();
	struct request flush = {.command = ATA_FLUSH_CACHE_EXT};

	fake_blk_hold(t.disk, true);
	issue_queued(&t, 3, 77, 1, true);
	pset(&t, CI, 1u << 3);
	put_table(&t, 4, &flush);
	pset(&t, CI, 1u << 4);
	storage_turn(t.r);
	g_assert_cmphex(pget(&t, CI), ==, 1u << 4);
	g_assert_cmpuint(fake_blk_submitted(t.disk, BLK_FLUSH), ==, 0);
	fake_blk_complete(t.disk);
	storage_turn(t.r);
	g_assert_cmpuint(fake_blk_submitted(t.disk, BLK_FLUSH), ==, 1);
	fake_blk_complete(t.disk);
	wait_slots(&t, 0x18);
	g_assert_cmphex(pget(&t, IS), ==, 0x09);
	ahci_free(&t);
}

/*
 * Serial ATA 3.0 section 13.6.4: one fails, all are dropped, the log tells which; then they are
 * tried again.
 */
static void test_ncq_error(void)
{
	struct ahci t = ahci_new();
	struct request log = {.command = ATA_READ_LOG_EXT,
		.lba = 0x10,
		.count = 1,
		.bytes = SECTOR,
		.regions = 1};
	uint8_t page[SECTOR], sum = 0;

	fake_blk_hold(t.disk, true);
	for (unsigned i = 0; i < 4; i++)
		issue_queued(&t, i, 0x12340 + i, 1, false);
	pset(&t, CI, 0xf);
	storage_turn(t.r);
	fake_blk_complete(t.disk);
	fake_blk_fail(t.disk, BLK_READ, 1, -EIO, false);
	fake_blk_complete(t.disk);
	storage_turn(t.r);
	g_assert_cmphex(pget(&t, IS) & TFES, ==, TFES);
	g_assert_cmphex(pget(&t, TFD), ==, 0x4051);
	g_assert_cmphex(pget(&t, SACT), ==, 0xe);
	/* The list stops only when nothing writes to the guest's memory any more. */
	pset(&t, PCMD, 0x10);
	storage_turn(t.r);
	g_assert_cmphex(pget(&t, PCMD) & RUNNING, ==, RUNNING);
	while (fake_blk_complete(t.disk))
		continue;
	fake_blk_hold(t.disk, false);
	restart_port(&t);

	g_assert_cmphex(run(&t, identify()) & TFES, ==, TFES); /* first the log */
	restart_port(&t);
	g_assert_cmphex(run(&t, log), ==, 0x02);
	storage_get_ram(t.r, DATA, page, sizeof(page));
	for (unsigned i = 0; i < SECTOR; i++)
		sum += page[i];
	g_assert_cmphex(sum, ==, 0);
	g_assert_cmphex(page[0], ==, 1);
	g_assert_cmphex(page[2], ==, 0x51);
	g_assert_cmphex(page[3], ==, ATA_UNC);
	g_assert_cmphex(page[4] | page[5] << 8 | page[6] << 16, ==, 0x12341);
	for (unsigned i = 1; i < 4; i++)
		issue_queued(&t, i, 0x12340 + i, 1, false);
	pset(&t, CI, 0xe);
	wait_slots(&t, 0xe);
	storage_assert_ram(t.r, data_of(1), t.disk->data + 0x12341 * SECTOR, SECTOR);
	ahci_free(&t);
}

/* ---- tests: errors ---- */

static void test_error(void)
{
	struct ahci t = ahci_new();

	fake_blk_fail(t.disk, BLK_READ, 1, -EIO, false);
	g_assert_cmphex(run(&t, read_dma(5, 1, 1)), ==, TFES | 1);
	g_assert_cmphex(pget(&t, TFD), ==, 0x4051);
	g_assert_cmphex(pget(&t, CI), ==, 1);
	pset(&t, CI, 2); /* nothing is taken until the port was restarted */
	storage_turn(t.r);
	g_assert_cmphex(pget(&t, CI), ==, 3);
	restart_port(&t);
	g_assert_cmphex(run(&t, read_dma(5, 1, 1)), ==, 1);
	storage_assert_ram(t.r, DATA, t.disk->data + 5 * SECTOR, SECTOR);
	ahci_free(&t);
}

/* Lists and tables outside of memory, FIS of another kind, too few regions. */
static void test_hostile(void)
{
	struct ahci t = ahci_new();
	struct request q = read_dma(0, 4, 1);
	uint32_t bad_table[8] = {5 | 1 << 16, 0, 0xf0000000};
	uint32_t bad_prd[4] = {0xe0000000, 0, 0, SECTOR - 1};
	uint8_t bad_fis = 0x46;

	storage_put_ram(t.r, LIST, bad_table, sizeof(bad_table));
	pset(&t, CI, 1);
	storage_turn(t.r);
	g_assert_cmphex(pget(&t, IS), ==, 1u << 29);
	restart_port(&t);

	put_table(&t, 0, &q);
	storage_put_ram(t.r, TABLES, &bad_fis, 1);
	pset(&t, CI, 1);
	storage_turn(t.r);
	g_assert_cmphex(pget(&t, IS), ==, 1u << 27);
	restart_port(&t);

	put_table(&t, 0, &q);
	storage_put_ram(t.r, TABLES + 0x80, bad_prd, sizeof(bad_prd));
	pset(&t, CI, 1);
	wait_slots(&t, 1);
	g_assert_cmphex(pget(&t, IS), ==, 1u << 29 | TFES | 1);
	restart_port(&t);

	q.bytes = 2 * SECTOR;
	g_assert_cmphex(run(&t, q), ==, TFES | 1);
	restart_port(&t);
	pset(&t, CLB, 0xf0000000);
	pset(&t, CI, 1);
	storage_turn(t.r);
	g_assert_cmphex(pget(&t, IS), ==, 1u << 29);
	pset(&t, CLB, LIST);
	restart_port(&t);
	g_assert_cmphex(run(&t, identify()), ==, 0x02);
	ahci_free(&t);
}

/* A table of many small regions: several requests, one end. */
static void test_many_regions(void)
{
	struct ahci t = ahci_new();
	struct request q = read_dma(0, 1, 1);
	uint32_t prd[4] = {0, 0, 0, 1};
	uint32_t header;

	put_table(&t, 0, &q);
	for (unsigned i = 0; i < 1024; i++) {
		prd[0] = (uint32_t)DATA + i * 4;
		storage_put_ram(t.r, TABLES + 0x80 + i * sizeof(prd), prd, sizeof(prd));
	}
	q.count = 4;
	header = 5 | 1024u << 16;
	storage_put_ram(t.r, LIST, &header, sizeof(header));
	header = 4;
	storage_put_ram(t.r, TABLES + 12, &header, 1);
	pset(&t, CI, 1);
	wait_slots(&t, 1);
	g_assert_cmphex(pget(&t, IS), ==, 1);
	g_assert_cmpuint(fake_blk_submitted(t.disk, BLK_READ), ==, 4);
	for (unsigned i = 0; i < 1024; i++)
		storage_assert_ram(t.r, DATA + i * 4, t.disk->data + i * 2, 2);
	ahci_free(&t);
}

/* ---- tests: resets ---- */

static void comreset(struct ahci *t)
{
	pset(t, SCTL, 0x301);
	g_assert_cmphex(pget(t, SSTS), ==, 0);
	pset(t, SCTL, 0x300);
}

/* The signature comes when the last request has come back. */
static void test_comreset(void)
{
	struct ahci t = ahci_new();

	fake_blk_hold(t.disk, true);
	issue_queued(&t, 0, 0, 8, false);
	pset(&t, CI, 1);
	storage_turn(t.r);
	pset(&t, PCMD, 0x10);
	comreset(&t);
	storage_turn(t.r);
	g_assert_cmphex(pget(&t, TFD) & ATA_BSY, ==, ATA_BSY);
	g_assert_cmphex(pget(&t, SSTS), ==, 0);
	fake_blk_complete(t.disk);
	fake_blk_hold(t.disk, false);
	storage_turn(t.r);
	g_assert_cmphex(pget(&t, SSTS), ==, 0x133);
	g_assert_cmphex(pget(&t, TFD), ==, 0x0150);
	g_assert_cmphex(pget(&t, SERR), ==, 1u << 26);
	g_assert_cmphex(pget(&t, IS), ==, 1u << 6);
	g_assert_true(irq(&t));
	pset(&t, SERR, UINT32_MAX);
	set(&t, HIS, 1);
	g_assert_false(irq(&t));
	start_port(&t);
	g_assert_cmphex(run(&t, identify()), ==, 0x02);
	ahci_free(&t);
}

/* As Linux' ahci_do_softreset(). */
static void test_software_reset(void)
{
	struct ahci t = ahci_new();
	uint8_t fis[20] = {0x27, [15] = 0x04};
	uint32_t header[8] = {5 | 0x500, 0, TABLES};

	storage_put_ram(t.r, LIST, header, sizeof(header));
	storage_put_ram(t.r, TABLES, fis, sizeof(fis));
	pset(&t, CI, 1);
	wait_slots(&t, 1);
	g_assert_cmphex(pget(&t, TFD) & ATA_BSY, ==, ATA_BSY);
	header[0] = 5;
	fis[15] = 0;
	storage_put_ram(t.r, LIST, header, sizeof(header));
	storage_put_ram(t.r, TABLES, fis, sizeof(fis));
	pset(&t, CI, 1);
	wait_slots(&t, 1);
	g_assert_cmphex(pget(&t, TFD), ==, 0x0150);
	g_assert_cmphex(pget(&t, SIG), ==, 0x00000101);
	g_assert_cmphex(pget(&t, SERR), ==, 0);
	g_assert_cmphex(run(&t, identify()), ==, 0x02);
	ahci_free(&t);
}

static void test_host_reset(void)
{
	struct ahci t = ahci_new();

	fake_blk_hold(t.disk, true);
	issue_queued(&t, 0, 0, 8, false);
	pset(&t, CI, 1);
	storage_turn(t.r);
	set(&t, GHC, 0x80000001);
	storage_turn(t.r);
	g_assert_cmphex(get(&t, GHC), ==, 0x80000001);
	fake_blk_complete(t.disk);
	fake_blk_hold(t.disk, false);
	storage_turn(t.r);
	g_assert_cmphex(get(&t, GHC), ==, 0x80000000);
	g_assert_cmphex(pget(&t, SSTS), ==, 0x133);
	g_assert_cmphex(pget(&t, CI) | pget(&t, SACT) | pget(&t, IE), ==, 0);
	start_port(&t);
	g_assert_cmphex(run(&t, identify()), ==, 0x02);
	ahci_free(&t);
}

/* ---- tests: hot-plug ---- */

static void note_left(void *opaque, struct blk *old)
{
	*(struct blk **)opaque = old;
}

static void test_hotplug(void)
{
	struct ahci t = ahci_new();
	struct blk *left = NULL;

	g_assert_true(storage_detach(t.d, 0, note_left, &left, NULL));
	g_assert_cmphex(pget(&t, SSTS), ==, 0);
	g_assert_cmphex(pget(&t, SERR), ==, 1u << 16);
	g_assert_cmphex(pget(&t, IS), ==, 1u << 22);
	g_assert_cmphex(pget(&t, TFD), ==, 0x7f);
	g_assert_true(irq(&t));
	storage_turn(t.r);
	g_assert_true(left == &t.disk->blk);
	pset(&t, SERR, UINT32_MAX);
	set(&t, HIS, 1);
	g_assert_false(irq(&t));
	g_assert_true(storage_attach_disk(t.d, 0, &t.disk->blk, &t.conf, NULL));
	g_assert_cmphex(pget(&t, SSTS), ==, 0x133);
	g_assert_cmphex(pget(&t, SERR), ==, 1u << 26 | 1u << 16);
	g_assert_true(irq(&t));
	comreset(&t);
	storage_turn(t.r);
	restart_port(&t);
	set(&t, HIS, 1);
	g_assert_cmphex(run(&t, identify()), ==, 0x02);
	ahci_free(&t);
}

/* ---- tests: interrupts, state ---- */

static void test_msi(void)
{
	struct ahci t = ahci_new();
	unsigned devfn = to_pci_dev(t.d)->devfn, cap = 0;
	struct request q = identify();

	for (cap = rig_cfg_read(t.r, devfn, PCI_CAP_PTR, 1);
		cap && rig_cfg_read(t.r, devfn, cap, 1) != PCI_CAP_MSI;)
		cap = rig_cfg_read(t.r, devfn, cap + 1, 1);
	g_assert_cmpuint(cap, !=, 0);
	rig_cfg_write(t.r, devfn, cap + 4, 4, 0xfee00000);
	rig_cfg_write(t.r, devfn, cap + 12, 2, 0x41);
	rig_cfg_write(t.r, devfn, cap + 2, 2, 1);
	for (unsigned i = 1; i <= 3; i++) {
		put_table(&t, 0, &q);
		pset(&t, CI, 1);
		wait_slots(&t, 1);
		g_assert_cmpuint(fake_accel_msis(t.r->fake), ==, i);
		g_assert_false(irq(&t));
		pset(&t, IS, pget(&t, IS));
		set(&t, HIS, 1);
	}
	g_assert_cmphex(fake_accel_msi(t.r->fake, 0).data, ==, 0x41);
	ahci_free(&t);
}

/* Parked in the middle of a queue: saved, loaded, and all of it arrives. */
static void test_state(void)
{
	struct ahci t = ahci_new();

	fake_blk_fail(t.disk, BLK_READ, 5, -EIO, true);
	for (unsigned i = 0; i < 8; i++)
		issue_queued(&t, i, i * 50, 4, false);
	pset(&t, CI, 0xff);
	storage_turn(t.r);
	g_assert_cmpuint(fake_blk_parked(t.disk), ==, 5);
	g_assert_cmphex(pget(&t, SACT), ==, 0x1f);
	storage_save_and_load(t.r);
	wait_slots(&t, 0xff);
	for (unsigned i = 0; i < 8; i++)
		storage_assert_ram(t.r, data_of(i), t.disk->data + i * 50 * SECTOR, 4 * SECTOR);
	g_assert_cmpuint(fake_blk_parked(t.disk), ==, 0);
	ahci_free(&t);
}

/* ---- tests: CD-ROM ---- */

static void test_cdrom(void)
{
	struct ahci t = ahci_new();
	uint8_t inquiry[12] = {0x12, 0, 0, 0, 36}, ready[12] = {0}, sense[12] = {0x03, 0, 0, 0, 18};
	uint8_t read10[12] = {0x28, 0, 0, 0, 0, 5, 0, 0, 3}, buf[36];
	struct request q = {.command = ATA_PACKET, .feature = 1, .bytes = 36, .regions = 1};

	t.port = 1;
	start_port(&t);
	q.cdb = inquiry;
	g_assert_cmphex(run(&t, q), ==, 1);
	storage_get_ram(t.r, DATA, buf, sizeof(buf));
	g_assert_cmphex(buf[0] | buf[1] << 8, ==, 0x8005);
	q.cdb = ready;
	q.regions = 0;
	g_assert_cmphex(run(&t, q), ==, TFES | 1); /* unit attention: power on */
	g_assert_cmphex(pget(&t, TFD), ==, 0x6441);
	restart_port(&t);
	q.cdb = sense;
	q.regions = 1;
	q.bytes = 18;
	g_assert_cmphex(run(&t, q), ==, 1);
	storage_get_ram(t.r, DATA, buf, 18);
	g_assert_cmphex(buf[2] | buf[12] << 8, ==, 0x2906);
	q.cdb = read10;
	q.bytes = 3 * 2048;
	q.feature = 0; /* PIO by name: the same for us */
	g_assert_cmphex(run(&t, q), ==, 1);
	storage_assert_ram(t.r, DATA, t.cd->data + 5 * 2048, 3 * 2048);
	ahci_free(&t);
}

/* ---- tests: whatever a guest writes ---- */

static void test_random(void)
{
	struct ahci t = ahci_new();
	static const uint32_t values[] = {
		0, 1, UINT32_MAX, START, 0x10, LIST, TABLES, 0x301, 0x300};

	for (unsigned i = 0; i < 32; i++)
		issue_queued(&t, i, i, 1, i & 1);
	for (unsigned i = 0; i < 100000; i++) {
		unsigned reg = (unsigned)g_test_rand_int_range(0, 0x110) * 4;
		uint32_t v = g_test_rand_bit() ? values[g_test_rand_int_range(0, 9)]
					       : (uint32_t)g_test_rand_int();

		if (g_test_rand_bit())
			reg = 0x100 + (unsigned)g_test_rand_int_range(0, 0x40) * 4;
		if (g_test_rand_int_range(0, 8))
			set(&t, reg, v);
		else
			get(&t, reg);
		if (i % 16 == 0)
			rig_poll(t.r);
		if (i % 20000 == 0)
			storage_save_and_load(t.r);
	}
	set(&t, GHC, 0x80000001);
	storage_turn(t.r);
	g_assert_cmphex(get(&t, GHC), ==, 0x80000000);
	start_port(&t);
	g_assert_cmphex(run(&t, identify()), ==, 0x02);
	g_assert_cmpuint(t.r->events, ==, 0);
	ahci_free(&t);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ahci/registers", test_registers);
	g_test_add_func("/ahci/identify", test_identify);
	g_test_add_func("/ahci/dma", test_dma);
	g_test_add_func("/ahci/slots-in-turn", test_slots_in_turn);
	g_test_add_func("/ahci/ncq", test_ncq);
	g_test_add_func("/ahci/ncq-then-flush", test_ncq_then_flush);
	g_test_add_func("/ahci/ncq-error", test_ncq_error);
	g_test_add_func("/ahci/error", test_error);
	g_test_add_func("/ahci/hostile", test_hostile);
	g_test_add_func("/ahci/many-regions", test_many_regions);
	g_test_add_func("/ahci/comreset", test_comreset);
	g_test_add_func("/ahci/software-reset", test_software_reset);
	g_test_add_func("/ahci/host-reset", test_host_reset);
	g_test_add_func("/ahci/hotplug", test_hotplug);
	g_test_add_func("/ahci/msi", test_msi);
	g_test_add_func("/ahci/state", test_state);
	g_test_add_func("/ahci/cdrom", test_cdrom);
	g_test_add_func("/ahci/random", test_random);
	return g_test_run();
}
