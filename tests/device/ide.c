/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IDE as drivers use it: SeaBIOS and Windows' atapi by PIO, Linux's ata_piix by bus master DMA;
 * with disks that fail, hold and park, resets in the middle of a transfer, and state saved there.
 */
#include <errno.h>
#include <string.h>

#include "devmodel/storage/ata.h"
#include "tests/device/storage-rig.h"

#define DISK_SIZE (64 * MiB)
#define SECTOR    512
#define CMD       0x1f0
#define CTL       0x3f6
#define BM        0xc000
#define PRDS      0x10000
#define DATA      0x20000
#define MULTIPLE  16
#define SLAVE_CMD 0x170
#define IRQ       14

struct ide {
	struct rig *r;
	struct dev *d;
	struct fake_blk *disk;
	struct fake_blk *cd;
	struct drive_conf conf;
};

/* ---- the machine ---- */

static void reset_all(struct ide *t)
{
	bus_reset(t->r->bus, RESET_COLD);
	bus_lock(t->r->bus);
	piix_ide_enable(t->d);
	bus_unlock(t->r->bus);
	rig_cfg_write(t->r, to_pci_dev(t->d)->devfn, PCI_BAR0 + 4 * 4, 4, BM);
	rig_cfg_write(t->r, to_pci_dev(t->d)->devfn, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MASTER);
}

static struct ide ide_new(void)
{
	struct ide t = {.r = rig_new()};
	g_autoptr(GError) error = NULL;

	prop_defaults(&drive_props, &t.conf);
	t.disk = storage_disk_new(t.r, DISK_SIZE);
	t.d = dev_new(t.r->bus, &piix3_ide_ops, "ide");
	to_pci_dev(t.d)->bus = t.r->pci;
	to_pci_dev(t.d)->addr = (struct prop_pci){3, 0};
	dev_realize(t.d, &error);
	g_assert_no_error(error);
	storage_attach_disk(t.d, STORAGE_IDE_BAY(0, 0), &t.disk->blk, &t.conf, &error);
	g_assert_no_error(error);
	reset_all(&t);
	return t;
}

static void ide_free(struct ide *t)
{
	storage_remove(t->r, t->d);
	fake_blk_free(t->disk);
	fake_blk_free(t->cd);
	prop_clear(&drive_props, &t->conf);
	rig_free(t->r);
}

static uint32_t in(struct ide *t, unsigned port, unsigned size)
{
	return (uint32_t)rig_read(t->r, BUS_PIO, port, size);
}

static uint8_t inb(struct ide *t, unsigned port)
{
	return (uint8_t)in(t, port, 1);
}

static void outb(struct ide *t, unsigned port, uint8_t v)
{
	rig_write(t->r, BUS_PIO, port, 1, v);
}

static bool irq(struct ide *t)
{
	return fake_accel_level(t->r->fake, IRQ);
}

static uint8_t alt_status(struct ide *t)
{
	return inb(t, CTL);
}

/* Until BSY is clear: the alternate status, which leaves the interrupt pending. */
static uint8_t wait_idle(struct ide *t)
{
	unsigned turns = 0;

	while (alt_status(t) & ATA_BSY) {
		g_assert_cmpuint(turns++, <, STORAGE_TURNS);
		rig_poll(t->r);
	}
	return alt_status(t);
}

/* ---- commands ---- */

struct request {
	uint8_t command;
	uint16_t feature;
	uint32_t count;
	uint64_t lba;
	uint8_t device; /* beside LBA and the address's upper bits */
	bool ext;
};

static void write_two(struct ide *t, unsigned reg, uint8_t high, uint8_t low, bool ext)
{
	if (ext)
		outb(t, CMD + reg, high);
	outb(t, CMD + reg, low);
}

static void issue(struct ide *t, struct request q)
{
	uint8_t device = ATA_DEV_LBA | q.device;

	outb(t, CMD + 6, q.ext ? device : device | (q.lba >> 24 & 0xf));
	write_two(t, 1, (uint8_t)(q.feature >> 8), (uint8_t)q.feature, q.ext);
	write_two(t, 2, (uint8_t)(q.count >> 8), (uint8_t)q.count, q.ext);
	write_two(t, 3, (uint8_t)(q.lba >> 24), (uint8_t)q.lba, q.ext);
	write_two(t, 4, (uint8_t)(q.lba >> 32), (uint8_t)(q.lba >> 8), q.ext);
	write_two(t, 5, (uint8_t)(q.lba >> 40), (uint8_t)(q.lba >> 16), q.ext);
	outb(t, CMD + 7, q.command);
}

/* Status when it is over; it clears the interrupt. */
static uint8_t run(struct ide *t, struct request q)
{
	issue(t, q);
	wait_idle(t);
	return inb(t, CMD + 7);
}

static void read_block(struct ide *t, uint8_t *buf, size_t n)
{
	for (size_t i = 0; i < n; i += 2) {
		uint16_t v = (uint16_t)in(t, CMD, 2);

		memcpy(buf + i, &v, MIN(2, n - i));
	}
}

static void write_block(struct ide *t, const uint8_t *buf, size_t n)
{
	for (size_t i = 0; i < n; i += 4) {
		uint32_t v;

		memcpy(&v, buf + i, 4);
		rig_write(t->r, BUS_PIO, CMD, 4, v);
	}
}

/*
 * Reads @n blocks of @block bytes; an interrupt announces each. Returns the status after the last.
 */
static uint8_t pio_in(struct ide *t, struct request q, uint8_t *buf, size_t block, unsigned n)
{
	issue(t, q);
	while (n--) {
		uint8_t s = wait_idle(t);

		g_assert_true(irq(t));
		g_assert_cmphex(inb(t, CMD + 7), ==, s);
		g_assert_false(irq(t));
		if (!(s & ATA_DRQ))
			return s;
		read_block(t, buf, block);
		buf += block;
	}
	return wait_idle(t);
}

static uint8_t pio_out(
	struct ide *t, struct request q, const uint8_t *buf, size_t block, unsigned n)
{
	issue(t, q);
	g_assert_false(irq(t));
	while (n--) {
		if (!(wait_idle(t) & ATA_DRQ))
			break;
		write_block(t, buf, block);
		buf += block;
		wait_idle(t);
		g_assert_true(irq(t));
		inb(t, CMD + 7);
	}
	return alt_status(t);
}

/* ---- bus master ---- */

struct prd {
	uint32_t addr, count;
};

static void put_prds(struct ide *t, const struct prd *p, unsigned n)
{
	storage_put_ram(t->r, PRDS, p, n * sizeof(*p));
	rig_write(t->r, BUS_PIO, BM + 4, 4, PRDS);
	outb(t, BM + 2, 0x06);
}

/* As libata does it: table, command, start; then the bus master's status. */
static uint8_t dma(struct ide *t, struct request q, bool read)
{
	outb(t, BM, read ? 8 : 0);
	issue(t, q);
	outb(t, BM, (uint8_t)((read ? 8 : 0) | 1));
	wait_idle(t);
	g_assert_true(irq(t));
	return inb(t, BM + 2);
}

/* ---- tests: identification ---- */

static uint16_t word(const uint8_t *id, unsigned w)
{
	return (uint16_t)(id[w * 2] | id[w * 2 + 1] << 8);
}

static void assert_text(const uint8_t *id, unsigned w, unsigned words, const char *text)
{
	g_autofree char *s = g_malloc0(words * 2 + 1);

	for (unsigned i = 0; i < words * 2; i++)
		s[i] = (char)id[(w * 2 + i) ^ 1];
	g_assert_cmpstr(g_strchomp(s), ==, text);
}

static void test_identify(void)
{
	struct ide t = ide_new();
	uint8_t id[SECTOR], sum = 0;

	g_assert_cmphex(
		pio_in(&t, (struct request){.command = ATA_IDENTIFY}, id, SECTOR, 1), ==, 0x50);
	assert_text(id, 27, 20, "VMMD HARDDISK");
	assert_text(id, 10, 10, "VM00000");
	assert_text(id, 23, 4, "1.0");
	g_assert_cmphex(word(id, 49) & 0x0300, ==, 0x0300);
	g_assert_cmpuint(word(id, 60) | word(id, 61) << 16, ==, DISK_SIZE / SECTOR);
	g_assert_cmpuint(word(id, 100) | word(id, 101) << 16, ==, DISK_SIZE / SECTOR);
	g_assert_cmpuint(word(id, 47) & 0xff, ==, MULTIPLE);
	g_assert_cmphex(word(id, 88), ==, 0x203f); /* UDMA 5 chosen */
	g_assert_cmphex(word(id, 169), ==, 1);
	g_assert_cmphex(word(id, 76), ==, 0); /* parallel */
	for (unsigned i = 0; i < SECTOR; i++)
		sum += id[i];
	g_assert_cmphex(sum, ==, 0);
	ide_free(&t);
}

/* What is told about a disk with 4 KiB blocks and a name of its own. */
static void test_properties(void)
{
	struct ide t = ide_new();
	struct fake_blk *big = fake_blk_new(t.r->loop, MiB);
	struct drive_conf conf = {.model = "MODEL OF FORTY BYTES",
		.serial = "S-1",
		.firmware = "FW 8",
		.wwn = 0x5000c50012345678,
		.rotation = 1};
	uint8_t id[SECTOR];

	big->info.logical_block = big->info.physical_block = 4096;
	g_assert_true(storage_attach_disk(t.d, STORAGE_IDE_BAY(0, 1), &big->blk, &conf, NULL));
	g_assert_cmphex(pio_in(&t, (struct request){.command = ATA_IDENTIFY, .device = 0x10}, id,
				SECTOR, 1),
		==, 0x50);
	assert_text(id, 27, 20, "MODEL OF FORTY BYTES");
	assert_text(id, 10, 10, "S-1");
	assert_text(id, 23, 4, "FW 8");
	g_assert_cmphex(word(id, 108), ==, 0x5000);
	g_assert_cmphex(word(id, 111), ==, 0x5678);
	g_assert_cmphex(word(id, 84) & 0x0100, ==, 0x0100);
	g_assert_cmphex(word(id, 106), ==, 0x5000);
	g_assert_cmpuint(word(id, 117), ==, 2048);
	g_assert_cmpuint(word(id, 60), ==, MiB / 4096);
	g_assert_cmpuint(word(id, 217), ==, 1);
	g_assert_cmpuint(word(id, 169), ==, 0);
	ide_free(&t);
	fake_blk_free(big);
}

static void test_conf_errors(void)
{
	struct ide t = ide_new();
	struct fake_blk *tiny = fake_blk_new(t.r->loop, SECTOR);
	struct drive_conf conf = {.serial = "123456789012345678901"};
	g_autoptr(GError) error = NULL;

	g_assert_false(storage_attach_disk(t.d, 1, &tiny->blk, &conf, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_INVALID);
	g_clear_error(&error);
	conf.serial = "a\nb";
	g_assert_false(storage_attach_disk(t.d, 1, &tiny->blk, &conf, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_INVALID);
	g_clear_error(&error);
	g_assert_false(storage_attach_disk(t.d, 0, &tiny->blk, &t.conf, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_EXISTS);
	g_clear_error(&error);
	g_assert_false(storage_attach_disk(t.d, 4, &tiny->blk, &t.conf, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_INVALID);
	g_clear_error(&error);
	tiny->info.logical_block = 2048;
	g_assert_false(storage_attach_disk(t.d, 1, &tiny->blk, &t.conf, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_INVALID);
	g_clear_error(&error);
	g_assert_false(storage_eject(t.d, 0, true, NULL, NULL, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_INVALID);
	ide_free(&t);
	fake_blk_free(tiny);
}

/* SeaBIOS' way of finding drives, and what libata sees in empty places. */
static void test_presence(void)
{
	struct ide t = ide_new();

	g_assert_cmphex(inb(&t, SLAVE_CMD + 7), ==, 0x7f);
	g_assert_cmphex(inb(&t, SLAVE_CMD + 3), ==, 0x7f);
	outb(&t, CMD + 6, 0xa0);
	outb(&t, CMD + 2, 0x55);
	outb(&t, CMD + 3, 0xaa);
	g_assert_cmphex(inb(&t, CMD + 2), ==, 0x55);
	g_assert_cmphex(inb(&t, CMD + 3), ==, 0xaa);
	outb(&t, CMD + 6, 0xb0);
	g_assert_cmphex(inb(&t, CMD + 6), ==, 0xb0);
	g_assert_cmphex(inb(&t, CMD + 7), ==, 0);
	outb(&t, CMD + 7, ATA_IDENTIFY);
	storage_turn(t.r);
	g_assert_cmphex(inb(&t, CMD + 7), ==, 0);
	g_assert_false(irq(&t));
	ide_free(&t);
}

/* Ports are decoded only while the chip's timing register says so. */
static void test_decode(void)
{
	struct ide t = ide_new();
	unsigned devfn = to_pci_dev(t.d)->devfn;

	rig_cfg_write(t.r, devfn, 0x40, 2, 0x0000);
	g_assert_cmphex(inb(&t, CMD + 7), ==, 0xff);
	g_assert_cmphex(inb(&t, SLAVE_CMD + 7), ==, 0x7f);
	rig_cfg_write(t.r, devfn, 0x40, 2, 0x8000);
	g_assert_cmphex(inb(&t, CMD + 7), ==, 0x50);
	g_assert_cmphex(rig_cfg_read(t.r, devfn, PCI_VENDOR_ID, 4), ==, 0x70108086);
	g_assert_cmphex(rig_cfg_read(t.r, devfn, PCI_REVISION, 4), ==, 0x01018000);
	ide_free(&t);
}

/* ---- tests: reading and writing ---- */

static void test_pio_read(void)
{
	struct ide t = ide_new();
	g_autofree uint8_t *buf = g_malloc(40 * SECTOR);
	struct request q = {.command = ATA_READ_SECTORS, .lba = 1000, .count = 40};

	g_assert_cmphex(pio_in(&t, q, buf, SECTOR, 40), ==, 0x50);
	g_assert_cmpmem(buf, 40 * SECTOR, t.disk->data + 1000 * SECTOR, 40 * SECTOR);
	g_assert_false(irq(&t));
	/* 8 KiB at a time, whatever the DRQ blocks are. */
	g_assert_cmpuint(fake_blk_submitted(t.disk, BLK_READ), ==, 3);

	q = (struct request){
		.command = ATA_READ_MULTIPLE_EXT, .lba = 70000, .count = 40, .ext = true};
	g_assert_cmphex(pio_in(&t, q, buf, 2 * MULTIPLE / 2 * SECTOR, 2), ==, 0x58);
	read_block(&t, buf + 32 * SECTOR, 8 * SECTOR);
	g_assert_cmphex(wait_idle(&t), ==, 0x50);
	g_assert_cmpmem(buf, 40 * SECTOR, t.disk->data + 70000 * SECTOR, 40 * SECTOR);
	ide_free(&t);
}

static void test_pio_write(void)
{
	struct ide t = ide_new();
	g_autofree uint8_t *buf = g_malloc(40 * SECTOR);
	struct request q = {.command = ATA_WRITE_SECTORS, .lba = 5, .count = 40};

	memset(buf, 0x5a, 40 * SECTOR);
	g_assert_cmphex(pio_out(&t, q, buf, SECTOR, 40), ==, 0x50);
	g_assert_cmpmem(buf, 40 * SECTOR, t.disk->data + 5 * SECTOR, 40 * SECTOR);
	memset(buf, 0xa5, 40 * SECTOR);
	q.command = ATA_WRITE_MULTIPLE;
	q.count = 32;
	g_assert_cmphex(pio_out(&t, q, buf, MULTIPLE * SECTOR, 2), ==, 0x50);
	g_assert_cmpmem(buf, 32 * SECTOR, t.disk->data + 5 * SECTOR, 32 * SECTOR);
	ide_free(&t);
}

/* CHS: 16 heads of 63 sectors until INITIALIZE DEVICE PARAMETERS says otherwise. */
static void test_chs(void)
{
	struct ide t = ide_new();
	uint8_t buf[SECTOR];

	outb(&t, CMD + 6, 0xa0 | 3); /* head 3 */
	outb(&t, CMD + 2, 1);
	outb(&t, CMD + 3, 7);
	outb(&t, CMD + 4, 2);
	outb(&t, CMD + 5, 0);
	outb(&t, CMD + 7, ATA_READ_SECTORS);
	g_assert_cmphex(wait_idle(&t), ==, 0x58);
	read_block(&t, buf, SECTOR);
	g_assert_cmpmem(buf, SECTOR, t.disk->data + ((2 * 16 + 3) * 63 + 6) * SECTOR, SECTOR);
	outb(&t, CMD + 3, 0); /* there is no sector 0 */
	outb(&t, CMD + 7, ATA_READ_SECTORS);
	g_assert_cmphex(wait_idle(&t), ==, 0x51);
	g_assert_cmphex(inb(&t, CMD + 1), ==, ATA_IDNF);
	outb(&t, CMD + 2, 32);
	outb(&t, CMD + 6, 0xa0 | 7);
	outb(&t, CMD + 7, ATA_INIT_PARAMETERS);
	g_assert_cmphex(wait_idle(&t), ==, 0x50);
	outb(&t, CMD + 6, 0xa0 | 3);
	outb(&t, CMD + 2, 1);
	outb(&t, CMD + 3, 7);
	outb(&t, CMD + 7, ATA_READ_SECTORS);
	g_assert_cmphex(wait_idle(&t), ==, 0x58);
	read_block(&t, buf, SECTOR);
	g_assert_cmpmem(buf, SECTOR, t.disk->data + ((2 * 8 + 3) * 32 + 6) * SECTOR, SECTOR);
	ide_free(&t);
}

/* A transfer over scattered memory in one request of the disk and with one interrupt. */
static void test_dma_read(void)
{
	struct ide t = ide_new();
	const struct prd prds[] = {
		{DATA, 0x1000}, {DATA + 0x5000, 0x0600}, {DATA + 0x7002, 0x80000a00}};
	unsigned rises = fake_accel_rises(t.r->fake, IRQ);

	put_prds(&t, prds, 3);
	g_assert_cmphex(
		dma(&t, (struct request){.command = ATA_READ_DMA, .lba = 77, .count = 16}, true),
		==, 0x04);
	g_assert_cmphex(inb(&t, CMD + 7), ==, 0x50);
	g_assert_false(irq(&t));
	storage_assert_ram(t.r, DATA, t.disk->data + 77 * SECTOR, 0x1000);
	storage_assert_ram(t.r, DATA + 0x5000, t.disk->data + 77 * SECTOR + 0x1000, 0x600);
	storage_assert_ram(t.r, DATA + 0x7002, t.disk->data + 77 * SECTOR + 0x1600, 0xa00);
	g_assert_cmpuint(fake_blk_submitted(t.disk, BLK_READ), ==, 1);
	g_assert_cmpuint(t.disk->commits, ==, 1);
	g_assert_cmpuint(fake_accel_rises(t.r->fake, IRQ) - rises, ==, 1);
	outb(&t, BM, 0);
	outb(&t, BM + 2, 0x04);
	g_assert_cmphex(inb(&t, BM + 2), ==, 0);
	ide_free(&t);
}

static void test_dma_write(void)
{
	struct ide t = ide_new();
	const struct prd prds[] = {{DATA, 0}, {DATA + 0x10000, 0x80000000}}; /* 64 KiB each */
	g_autofree uint8_t *buf = g_malloc(128 * KiB);
	struct request q = {
		.command = ATA_WRITE_DMA_EXT, .lba = 0x12345, .count = 256, .ext = true};

	for (unsigned i = 0; i < 128 * KiB; i++)
		buf[i] = (uint8_t)(i * 7 + (i >> 8));
	storage_put_ram(t.r, DATA, buf, 128 * KiB);
	put_prds(&t, prds, 2);
	g_assert_cmphex(dma(&t, q, false), ==, 0x04);
	g_assert_cmpmem(buf, 128 * KiB, t.disk->data + 0x12345 * SECTOR, 128 * KiB);
	ide_free(&t);
}

/* The driver may start the bus master first, or take its time. */
static void test_dma_order(void)
{
	struct ide t = ide_new();
	const struct prd prd = {DATA, 0x80000200};

	put_prds(&t, &prd, 1);
	issue(&t, (struct request){.command = ATA_READ_DMA, .lba = 1, .count = 1});
	storage_turn(t.r);
	g_assert_cmphex(alt_status(&t), ==, ATA_BSY);
	storage_save_and_load(t.r);
	outb(&t, BM, 9);
	g_assert_cmphex(inb(&t, BM + 2), ==, 0x01);
	wait_idle(&t);
	g_assert_true(irq(&t));
	g_assert_cmphex(inb(&t, BM + 2), ==, 0x04);
	storage_assert_ram(t.r, DATA, t.disk->data + SECTOR, SECTOR);
	ide_free(&t);
}

/* 82371SB section 2.7.2: table longer, shorter than the transfer, outside of memory. */
static void test_dma_tables(void)
{
	struct ide t = ide_new();
	struct prd prd = {DATA, 0x80000400};

	put_prds(&t, &prd, 1);
	g_assert_cmphex(
		dma(&t, (struct request){.command = ATA_READ_DMA, .count = 1}, true), ==, 0x05);
	inb(&t, CMD + 7);
	outb(&t, BM, 0);
	g_assert_cmphex(inb(&t, BM + 2), ==, 0x04);

	put_prds(&t, &prd, 1);
	outb(&t, BM, 8);
	issue(&t, (struct request){.command = ATA_READ_DMA, .count = 3});
	outb(&t, BM, 9);
	storage_turn(t.r);
	g_assert_false(irq(&t));
	g_assert_cmphex(inb(&t, BM + 2), ==, 0x00);
	g_assert_cmphex(alt_status(&t) & ATA_BSY, ==, ATA_BSY);
	storage_assert_ram(t.r, DATA, t.disk->data, 2 * SECTOR);
	outb(&t, BM, 0);
	outb(&t, CTL, ATA_SRST);
	outb(&t, CTL, 0);
	g_assert_cmphex(wait_idle(&t), ==, 0x50);

	prd.addr = 0xf0000000;
	put_prds(&t, &prd, 1);
	g_assert_cmphex(
		dma(&t, (struct request){.command = ATA_READ_DMA, .count = 1}, true), ==, 0x06);
	g_assert_cmphex(inb(&t, CMD + 7), ==, 0x51);
	outb(&t, BM, 0);
	outb(&t, BM + 2, 0x06);
	g_assert_cmphex(inb(&t, BM + 2), ==, 0);
	ide_free(&t);
}

/*
 * What the disk reads is not written to read-only memory, even if the bus master was told the other
 * direction.
 */
static void test_dma_to_rom(void)
{
	struct ide t = ide_new();
	static const struct gmem_block_conf conf = {.name = "rom", .size = 4096};
	struct gmem_block *block = gmem_block_new(&conf, NULL);
	const struct prd prd = {0x2000000, 0x80000200};
	struct region rom;

	region_init_mem(&rom, "rom", block, 0, 4096, true);
	bus_lock(t.r->bus);
	g_assert_cmpint(region_map(t.r->bus, &rom, 0x2000000, 0), ==, 0);
	bus_unlock(t.r->bus);
	put_prds(&t, &prd, 1);
	g_assert_cmphex(
		dma(&t, (struct request){.command = ATA_READ_DMA, .lba = 1, .count = 1}, false), ==,
		0x06);
	g_assert_cmphex(rig_ram32(t.r, 0x2000000), ==, 0);
	g_assert_cmphex(inb(&t, CMD + 7), ==, 0x51);
	put_prds(&t, &prd, 1);
	g_assert_cmphex(
		dma(&t, (struct request){.command = ATA_WRITE_DMA, .lba = 1, .count = 1}, true), ==,
		0x04);
	g_assert_cmphex(t.disk->data[SECTOR], ==, 0);
	bus_lock(t.r->bus);
	region_unmap(t.r->bus, &rom);
	bus_unlock(t.r->bus);
	ide_free(&t);
	gmem_block_unref(block);
}

/*
 * More pieces than one request has: several requests, one interrupt; a table without end stops at
 * its boundary.
 */
static void test_dma_hostile(void)
{
	struct ide t = ide_new();
	g_autofree struct prd *prds = g_new0(struct prd, 8192);

	for (unsigned i = 0; i < 8192; i++)
		prds[i] = (struct prd){DATA + i * 4, 2};
	put_prds(&t, prds, 8192);
	outb(&t, BM, 8);
	issue(&t, (struct request){.command = ATA_READ_DMA, .count = 33});
	outb(&t, BM, 9);
	for (unsigned i = 0; i < 200; i++)
		rig_poll(t.r);
	g_assert_cmphex(inb(&t, BM + 2), ==, 0);
	g_assert_cmpuint(fake_blk_submitted(t.disk, BLK_READ), ==, 32);
	g_assert_cmpuint(rig_ram32(t.r, DATA) & 0xffff, ==, t.disk->data[0] | t.disk->data[1] << 8);
	outb(&t, CTL, ATA_SRST);
	outb(&t, CTL, 0);
	g_assert_cmphex(wait_idle(&t), ==, 0x50);
	ide_free(&t);
}

/* ---- tests: errors ---- */

static void test_errors(void)
{
	struct ide t = ide_new();
	struct request q = {
		.command = ATA_READ_SECTORS, .lba = 0x123456 % (DISK_SIZE / SECTOR), .count = 1};
	const struct prd prd = {DATA, 0x80000200};
	uint8_t buf[SECTOR];

	fake_blk_fail(t.disk, BLK_READ, 1, -EIO, false);
	g_assert_cmphex(pio_in(&t, q, buf, SECTOR, 1), ==, 0x51);
	g_assert_cmphex(inb(&t, CMD + 1), ==, ATA_UNC);
	g_assert_cmphex(inb(&t, CMD + 3) | inb(&t, CMD + 4) << 8 | inb(&t, CMD + 5) << 16, ==,
		q.lba & 0xffffff);
	g_assert_cmphex(pio_in(&t, q, buf, SECTOR, 1), ==, 0x50); /* the driver's retry */

	fake_blk_fail(t.disk, BLK_WRITE, 1, -EIO, false);
	put_prds(&t, &prd, 1);
	q.command = ATA_WRITE_DMA;
	g_assert_cmphex(dma(&t, q, false) & 0x04, ==, 0x04);
	g_assert_cmphex(inb(&t, CMD + 7), ==, 0x51);
	g_assert_cmphex(inb(&t, CMD + 1), ==, ATA_ABRT);

	q = (struct request){
		.command = ATA_READ_SECTORS, .lba = DISK_SIZE / SECTOR - 1, .count = 2};
	g_assert_cmphex(run(&t, q), ==, 0x51);
	g_assert_cmphex(inb(&t, CMD + 1), ==, ATA_IDNF);
	g_assert_cmphex(run(&t, (struct request){.command = 0x9a}), ==, 0x51);
	g_assert_cmphex(inb(&t, CMD + 1), ==, ATA_ABRT);
	g_assert_cmphex(
		run(&t, (struct request){.command = ATA_READ_FPDMA, .ext = true}), ==, 0x51);
	g_assert_cmphex(run(&t, (struct request){.command = 0xf1}), ==, 0x51); /* it is frozen */
	ide_free(&t);
}

static void test_readonly(void)
{
	struct ide t = ide_new();
	uint8_t buf[SECTOR] = {0};
	struct request q = {.command = ATA_WRITE_SECTORS, .lba = 1, .count = 1};

	t.disk->info.readonly = true;
	blk_notify_resized(&t.disk->blk);
	g_assert_cmphex(pio_out(&t, q, buf, SECTOR, 1), ==, 0x51);
	g_assert_cmphex(inb(&t, CMD + 1), ==, ATA_ABRT);
	ide_free(&t);
}

/*
 * Parked by the policy "stop": the state is saved with it, and both ways of going on end in the
 * guest's data.
 */
static void test_parked(void)
{
	struct ide t = ide_new();
	const struct prd prd = {DATA, 0x80000200};

	for (unsigned loaded = 0; loaded < 2; loaded++) {
		fake_blk_fail(t.disk, BLK_READ, 1, -ENOSPC, true);
		put_prds(&t, &prd, 1);
		issue(&t, (struct request){.command = ATA_READ_DMA, .lba = 9 + loaded, .count = 1});
		outb(&t, BM, 9);
		storage_turn(t.r);
		g_assert_cmpuint(fake_blk_parked(t.disk), ==, 1);
		g_assert_cmphex(alt_status(&t), ==, ATA_BSY);
		if (loaded) {
			storage_save_and_load(t.r);
		} else {
			storage_rig_quiesce(t.r);
			bus_resume(t.r->bus);
			blk_unpark(&t.disk->blk);
		}
		g_assert_cmphex(wait_idle(&t), ==, 0x50);
		g_assert_true(irq(&t));
		inb(&t, CMD + 7);
		outb(&t, BM, 0);
		storage_assert_ram(t.r, DATA, t.disk->data + (9 + loaded) * SECTOR, SECTOR);
		g_assert_cmpuint(fake_blk_parked(t.disk), ==, 0);
	}
	ide_free(&t);
}

/* ---- tests: reset ---- */

/*
 * Busy until what is under way has come back: it writes into memory that the driver takes for its
 * own again.
 */
static void test_reset_in_flight(void)
{
	struct ide t = ide_new();
	const struct prd prd = {DATA, 0x80000200};

	fake_blk_hold(t.disk, true);
	put_prds(&t, &prd, 1);
	issue(&t, (struct request){.command = ATA_READ_DMA, .count = 1});
	outb(&t, BM, 9);
	storage_turn(t.r);
	outb(&t, CTL, ATA_SRST);
	outb(&t, CTL, 0);
	storage_turn(t.r);
	g_assert_cmphex(alt_status(&t), ==, ATA_BSY);
	outb(&t, CMD + 7, ATA_IDENTIFY);
	g_assert_cmphex(alt_status(&t), ==, ATA_BSY);
	g_assert_true(fake_blk_complete(t.disk));
	g_assert_cmphex(wait_idle(&t), ==, 0x50);
	g_assert_false(irq(&t));
	g_assert_cmphex(inb(&t, CMD + 1), ==, 0x01);
	g_assert_cmphex(inb(&t, CMD + 2), ==, 0x01);
	g_assert_cmphex(inb(&t, CMD + 3), ==, 0x01);
	g_assert_cmphex(inb(&t, CMD + 4), ==, 0x00);
	fake_blk_hold(t.disk, false);
	g_assert_cmphex(run(&t, (struct request){.command = ATA_FLUSH_CACHE}), ==, 0x50);
	ide_free(&t);
}

/*
 * A machine's reset with a parked request: the drive is usable at once, the old request ends
 * unseen.
 */
static void test_machine_reset_parked(void)
{
	struct ide t = ide_new();
	struct prd prd = {DATA, 0x80000200};

	fake_blk_fail(t.disk, BLK_READ, 1, -EIO, true);
	put_prds(&t, &prd, 1);
	issue(&t, (struct request){.command = ATA_READ_DMA, .count = 1});
	outb(&t, BM, 9);
	storage_turn(t.r);
	storage_rig_quiesce(t.r);
	reset_all(&t);
	g_assert_cmphex(alt_status(&t), ==, 0x50);
	bus_resume(t.r->bus);
	put_prds(&t, &prd, 1);
	g_assert_cmphex(
		dma(&t, (struct request){.command = ATA_READ_DMA, .lba = 3, .count = 1}, true), ==,
		0x04);
	storage_assert_ram(t.r, DATA, t.disk->data + 3 * SECTOR, SECTOR);
	g_assert_cmpuint(fake_blk_parked(t.disk), ==, 0);
	ide_free(&t);
}

/* PIO half-way is state. */
static void test_state_in_pio(void)
{
	struct ide t = ide_new();
	uint8_t buf[4 * SECTOR];
	struct request q = {.command = ATA_READ_SECTORS, .lba = 11, .count = 4};

	issue(&t, q);
	wait_idle(&t);
	read_block(&t, buf, 700);
	wait_idle(&t);
	storage_save_and_load(t.r);
	read_block(&t, buf + 700, sizeof(buf) - 700);
	g_assert_cmpmem(buf, sizeof(buf), t.disk->data + 11 * SECTOR, sizeof(buf));
	g_assert_cmphex(alt_status(&t), ==, 0x50);

	q.command = ATA_WRITE_SECTORS;
	memset(buf, 0x77, sizeof(buf));
	issue(&t, q);
	write_block(&t, buf, 1000);
	storage_save_and_load(t.r);
	write_block(&t, buf + 1000, sizeof(buf) - 1000);
	g_assert_cmphex(wait_idle(&t), ==, 0x50);
	g_assert_cmpmem(buf, sizeof(buf), t.disk->data + 11 * SECTOR, sizeof(buf));
	ide_free(&t);
}

/* ---- tests: other commands ---- */

static void test_settings(void)
{
	struct ide t = ide_new();
	uint8_t id[SECTOR], buf[SECTOR] = {1};
	struct request write = {.command = ATA_WRITE_SECTORS, .count = 1};

	g_assert_cmphex(
		run(&t, (struct request){.command = ATA_SET_FEATURES, .feature = 3, .count = 0x22}),
		==, 0x50);
	g_assert_cmphex(
		run(&t, (struct request){.command = ATA_SET_FEATURES, .feature = 3, .count = 0x47}),
		==, 0x51);
	g_assert_cmphex(
		run(&t, (struct request){.command = ATA_SET_FEATURES, .feature = 0x82}), ==, 0x50);
	g_assert_cmpuint(fake_blk_submitted(t.disk, BLK_FLUSH), ==, 1);
	pio_in(&t, (struct request){.command = ATA_IDENTIFY}, id, SECTOR, 1);
	g_assert_cmphex(word(id, 63), ==, 0x0407);
	g_assert_cmphex(word(id, 88), ==, 0x003f);
	g_assert_cmphex(word(id, 85) & 0x20, ==, 0);
	g_assert_cmphex(word(id, 128), ==, 9);
	g_assert_cmphex(pio_out(&t, write, buf, SECTOR, 1), ==, 0x50);
	g_assert_cmphex(
		run(&t, (struct request){.command = ATA_SET_FEATURES, .feature = 0x02}), ==, 0x50);
	g_assert_cmphex(
		run(&t, (struct request){.command = ATA_SET_MULTIPLE, .count = 3}), ==, 0x51);
	g_assert_cmphex(
		run(&t, (struct request){.command = ATA_SET_MULTIPLE, .count = 0}), ==, 0x50);
	g_assert_cmphex(
		run(&t, (struct request){.command = ATA_READ_MULTIPLE, .count = 1}), ==, 0x51);
	ide_free(&t);
}

static void test_power(void)
{
	struct ide t = ide_new();

	g_assert_cmphex(run(&t, (struct request){.command = ATA_STANDBY_IMMEDIATE}), ==, 0x50);
	g_assert_cmphex(run(&t, (struct request){.command = ATA_CHECK_POWER}), ==, 0x50);
	g_assert_cmphex(inb(&t, CMD + 2), ==, 0);
	g_assert_cmphex(
		run(&t, (struct request){.command = ATA_READ_VERIFY, .count = 1}), ==, 0x50);
	g_assert_cmphex(run(&t, (struct request){.command = ATA_SLEEP}), ==, 0x50);
	issue(&t, (struct request){.command = ATA_CHECK_POWER});
	storage_turn(t.r);
	g_assert_false(irq(&t));
	outb(&t, CTL, ATA_SRST);
	outb(&t, CTL, 0);
	g_assert_cmphex(wait_idle(&t), ==, 0x50);
	g_assert_cmphex(run(&t, (struct request){.command = ATA_CHECK_POWER}), ==, 0x50);
	g_assert_cmphex(inb(&t, CMD + 2), ==, 0xff);
	ide_free(&t);
}

static void test_native_max_and_smart(void)
{
	struct ide t = ide_new();
	uint8_t buf[SECTOR], sum = 0;
	struct request smart = {.command = ATA_SMART, .feature = 0xd0, .lba = 0xc24f00, .count = 1};

	g_assert_cmphex(run(&t, (struct request){.command = ATA_READ_NATIVE_MAX}), ==, 0x50);
	g_assert_cmphex(inb(&t, CMD + 3) | inb(&t, CMD + 4) << 8 | inb(&t, CMD + 5) << 16, ==,
		DISK_SIZE / SECTOR - 1);
	g_assert_cmphex(pio_in(&t, smart, buf, SECTOR, 1), ==, 0x50);
	for (unsigned i = 0; i < SECTOR; i++)
		sum += buf[i];
	g_assert_cmphex(sum, ==, 0);
	smart.feature = 0xda;
	g_assert_cmphex(run(&t, smart), ==, 0x50);
	g_assert_cmphex(inb(&t, CMD + 4), ==, 0x4f);
	g_assert_cmphex(inb(&t, CMD + 5), ==, 0xc2);
	smart.feature = 0xd9;
	g_assert_cmphex(run(&t, smart), ==, 0x50);
	smart.feature = 0xd0;
	g_assert_cmphex(run(&t, smart), ==, 0x51);
	ide_free(&t);
}

static void test_trim(void)
{
	struct ide t = ide_new();
	const struct prd prd = {DATA, 0x80000200};
	uint64_t ranges[64] = {[0] = 100 | UINT64_C(50) << 48, [5] = 1000 | UINT64_C(65535) << 48};
	struct request q = {
		.command = ATA_DATA_SET_MANAGEMENT, .feature = 1, .count = 1, .ext = true};

	t.disk->info.max_discard = 16 * MiB;
	blk_notify_resized(&t.disk->blk);
	storage_put_ram(t.r, DATA, ranges, sizeof(ranges));
	put_prds(&t, &prd, 1);
	g_assert_cmphex(dma(&t, q, false), ==, 0x04);
	g_assert_cmphex(inb(&t, CMD + 7), ==, 0x50);
	g_assert_cmpuint(fake_blk_submitted(t.disk, BLK_DISCARD), ==, 3);
	for (unsigned i = 0; i < 50 * SECTOR; i++)
		g_assert_cmphex(t.disk->data[100 * SECTOR + i], ==, 0);
	g_assert_cmphex(t.disk->data[99 * SECTOR + 4], !=, 0);
	q.feature = 0;
	g_assert_cmphex(run(&t, q), ==, 0x51);
	ide_free(&t);
}

static void test_diagnostic(void)
{
	struct ide t = ide_new();

	outb(&t, CMD + 6, 0xb0);
	outb(&t, CMD + 6, 0xa0);
	outb(&t, CMD + 7, ATA_DEVICE_DIAGNOSTIC);
	g_assert_true(irq(&t));
	g_assert_cmphex(inb(&t, CMD + 7), ==, 0x50);
	g_assert_cmphex(inb(&t, CMD + 1), ==, 1);
	ide_free(&t);
}

/* nIEN keeps the line low, the request waits; another selected device hides it. */
static void test_interrupts(void)
{
	struct ide t = ide_new();

	outb(&t, CTL, ATA_NIEN);
	issue(&t, (struct request){.command = ATA_FLUSH_CACHE});
	wait_idle(&t);
	g_assert_false(irq(&t));
	outb(&t, CTL, 0);
	g_assert_true(irq(&t));
	outb(&t, CMD + 6, 0xb0);
	g_assert_false(irq(&t));
	outb(&t, CMD + 6, 0xa0);
	g_assert_true(irq(&t));
	storage_save_and_load(t.r);
	g_assert_true(irq(&t));
	inb(&t, CMD + 7);
	g_assert_false(irq(&t));
	ide_free(&t);
}

static void note_left(void *opaque, struct blk *old)
{
	*(struct blk **)opaque = old;
}

/* Pulled with a request under way: the guest sees nobody, the disk comes back when it is free. */
static void test_detach(void)
{
	struct ide t = ide_new();
	struct blk *left = NULL;
	const struct prd prd = {DATA, 0x80000200};
	g_autoptr(GError) error = NULL;

	fake_blk_hold(t.disk, true);
	put_prds(&t, &prd, 1);
	issue(&t, (struct request){.command = ATA_READ_DMA, .count = 1});
	outb(&t, BM, 9);
	storage_turn(t.r);
	g_assert_true(storage_detach(t.d, 0, note_left, &left, NULL));
	g_assert_cmphex(inb(&t, CMD + 7), ==, 0x7f);
	storage_turn(t.r);
	g_assert_null(left);
	g_assert_false(storage_attach_disk(t.d, 0, &t.disk->blk, &t.conf, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_EXISTS);
	fake_blk_complete(t.disk);
	storage_turn(t.r);
	g_assert_true(left == &t.disk->blk);
	fake_blk_hold(t.disk, false);
	g_assert_true(storage_attach_disk(t.d, 0, &t.disk->blk, &t.conf, NULL));
	g_assert_cmphex(run(&t, (struct request){.command = ATA_FLUSH_CACHE}), ==, 0x50);
	ide_free(&t);
}

/* ---- tests: whatever a guest writes ---- */

static void test_random(void)
{
	struct ide t = ide_new();
	static const uint16_t ports[] = {CMD, CTL, SLAVE_CMD, 0x376, BM};

	fake_blk_fail(t.disk, BLK_WRITE, 100, -EIO, false);
	for (unsigned i = 0; i < 100000; i++) {
		unsigned port = ports[g_test_rand_int_range(0, ARRAY_SIZE(ports))];
		unsigned size = 1u << g_test_rand_int_range(0, 3);

		if (port == CMD || port == SLAVE_CMD)
			port += (unsigned)g_test_rand_int_range(0, 8);
		else if (port == BM)
			port += (unsigned)g_test_rand_int_range(0, 16);
		if (g_test_rand_int_range(0, 8))
			rig_write(t.r, BUS_PIO, port, size, (uint32_t)g_test_rand_int());
		else
			rig_read(t.r, BUS_PIO, port, size);
		if (i % 16 == 0)
			rig_poll(t.r);
		if (i % 20000 == 0)
			storage_save_and_load(t.r);
	}
	outb(&t, CTL, ATA_SRST);
	outb(&t, CTL, 0);
	g_assert_cmphex(wait_idle(&t), ==, 0x50);
	fake_blk_fail(t.disk, BLK_WRITE, 0, 0, false);
	g_assert_cmphex(run(&t, (struct request){.command = ATA_FLUSH_CACHE}), ==, 0x50);
	g_assert_cmpuint(t.r->events, ==, 0);
	ide_free(&t);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ide/identify", test_identify);
	g_test_add_func("/ide/properties", test_properties);
	g_test_add_func("/ide/conf-errors", test_conf_errors);
	g_test_add_func("/ide/presence", test_presence);
	g_test_add_func("/ide/decode", test_decode);
	g_test_add_func("/ide/pio-read", test_pio_read);
	g_test_add_func("/ide/pio-write", test_pio_write);
	g_test_add_func("/ide/chs", test_chs);
	g_test_add_func("/ide/dma-read", test_dma_read);
	g_test_add_func("/ide/dma-write", test_dma_write);
	g_test_add_func("/ide/dma-order", test_dma_order);
	g_test_add_func("/ide/dma-tables", test_dma_tables);
	g_test_add_func("/ide/dma-to-rom", test_dma_to_rom);
	g_test_add_func("/ide/dma-hostile", test_dma_hostile);
	g_test_add_func("/ide/errors", test_errors);
	g_test_add_func("/ide/readonly", test_readonly);
	g_test_add_func("/ide/parked", test_parked);
	g_test_add_func("/ide/reset-in-flight", test_reset_in_flight);
	g_test_add_func("/ide/machine-reset-parked", test_machine_reset_parked);
	g_test_add_func("/ide/state-in-pio", test_state_in_pio);
	g_test_add_func("/ide/settings", test_settings);
	g_test_add_func("/ide/power", test_power);
	g_test_add_func("/ide/native-max-and-smart", test_native_max_and_smart);
	g_test_add_func("/ide/trim", test_trim);
	g_test_add_func("/ide/diagnostic", test_diagnostic);
	g_test_add_func("/ide/interrupts", test_interrupts);
	g_test_add_func("/ide/detach", test_detach);
	g_test_add_func("/ide/random", test_random);
	return g_test_run();
}
