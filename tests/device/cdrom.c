/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CD-ROM drive as slave of an IDE channel: packets by PIO in blocks as Linux, SeaBIOS and Windows
 * ask for them, by DMA, sense data, tables of contents, and media that come, go and are locked
 * while they are read.
 */
#include <errno.h>
#include <string.h>

#include "devmodel/storage/ata.h"
#include "tests/device/storage-rig.h"

#define CD_SIZE (4 * MiB)
#define BLOCK   2048
#define CMD     0x170
#define CTL     0x376
#define BM      0xc008
#define PRDS    0x10000
#define DATA    0x20000
#define IRQ     15
#define BAY     STORAGE_IDE_BAY(1, 1)
#define SLAVE   0xb0

struct cd {
	struct rig *r;
	struct dev *d;
	struct fake_blk *disc, *other;
	struct drive_conf conf;
	uint8_t reply[64 * KiB];
	size_t replied;
	unsigned blocks; /* DRQ blocks of the last command */
};

/* ---- the machine ---- */

static struct cd *cd_new(void)
{
	struct cd *t = g_new0(struct cd, 1);
	g_autoptr(GError) error = NULL;

	t->r = rig_new();
	prop_defaults(&drive_props, &t->conf);
	t->disc = storage_disk_new(t->r, CD_SIZE);
	t->other = storage_disk_new(t->r, CD_SIZE / 2);
	t->d = dev_new(t->r->bus, &piix3_ide_ops, "ide");
	to_pci_dev(t->d)->bus = t->r->pci;
	dev_realize(t->d, &error);
	g_assert_no_error(error);
	storage_attach_cdrom(t->d, BAY, &t->disc->blk, &t->conf, &error);
	g_assert_no_error(error);
	bus_reset(t->r->bus, RESET_COLD);
	bus_lock(t->r->bus);
	piix_ide_enable(t->d);
	bus_unlock(t->r->bus);
	rig_cfg_write(t->r, to_pci_dev(t->d)->devfn, PCI_BAR0 + 4 * 4, 4, BM - 8);
	rig_cfg_write(t->r, to_pci_dev(t->d)->devfn, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MASTER);
	rig_write(t->r, BUS_PIO, CMD + 6, 1, SLAVE);
	return t;
}

static void cd_free(struct cd *t)
{
	storage_remove(t->r, t->d);
	fake_blk_free(t->disc);
	fake_blk_free(t->other);
	prop_clear(&drive_props, &t->conf);
	rig_free(t->r);
	g_free(t);
}

static uint8_t inb(struct cd *t, unsigned port)
{
	return (uint8_t)rig_read(t->r, BUS_PIO, port, 1);
}

static void outb(struct cd *t, unsigned port, uint8_t v)
{
	rig_write(t->r, BUS_PIO, port, 1, v);
}

static bool irq(struct cd *t)
{
	return fake_accel_level(t->r->fake, IRQ);
}

static uint8_t wait_idle(struct cd *t)
{
	for (unsigned i = 0; inb(t, CTL) & ATA_BSY; i++) {
		g_assert_cmpuint(i, <, STORAGE_TURNS);
		rig_poll(t->r);
	}
	return inb(t, CTL);
}

/* ---- packets ---- */

static void send_packet(struct cd *t, const uint8_t cdb[12], uint16_t limit, bool dma)
{
	outb(t, CMD + 6, SLAVE);
	outb(t, CMD + 1, dma);
	outb(t, CMD + 4, (uint8_t)limit);
	outb(t, CMD + 5, (uint8_t)(limit >> 8));
	outb(t, CMD + 7, ATA_PACKET);
	g_assert_cmphex(wait_idle(t) & ATA_DRQ, ==, ATA_DRQ);
	g_assert_cmphex(inb(t, CMD + 2) & 3, ==, 1); /* command, to the device */
	g_assert_false(irq(t));
	for (unsigned i = 0; i < 12; i += 2)
		rig_write(t->r, BUS_PIO, CMD, 2, cdb[i] | cdb[i + 1] << 8);
}

/*
 * Takes blocks until the status phase; each has an interrupt, a reason and a length within the
 * limit.
 */
static uint8_t take_blocks(struct cd *t, uint16_t limit)
{
	t->replied = 0;
	t->blocks = 0;
	for (;;) {
		uint8_t s = wait_idle(t);
		unsigned n;

		g_assert_true(irq(t));
		g_assert_cmphex(inb(t, CMD + 7), ==, s);
		g_assert_false(irq(t));
		if (!(s & ATA_DRQ)) {
			g_assert_cmphex(inb(t, CMD + 2) & 3, ==, 3);
			return s;
		}
		g_assert_cmphex(inb(t, CMD + 2) & 3, ==, 2);
		n = inb(t, CMD + 4) | inb(t, CMD + 5) << 8;
		g_assert_cmpuint(n, >, 0);
		g_assert_cmpuint(n, <=, limit);
		t->blocks++;
		for (unsigned i = 0; i < n; i += 2) {
			uint16_t v = (uint16_t)rig_read(t->r, BUS_PIO, CMD, 2);

			memcpy(t->reply + t->replied + i, &v, MIN(2, n - i));
		}
		t->replied += n;
	}
}

#define CDB(...) ((const uint8_t[12]){__VA_ARGS__})

static uint8_t packet(struct cd *t, const uint8_t cdb[12])
{
	send_packet(t, cdb, 0xfffe, false);
	return take_blocks(t, 0xfffe);
}

/* Sense key, code and qualifier of the last failure. */
static uint32_t sense(struct cd *t)
{
	g_assert_cmphex(packet(t, CDB(0x03, 0, 0, 0, 18)), ==, 0x50);
	g_assert_cmpuint(t->replied, ==, 18);
	return t->reply[2] << 16 | t->reply[12] << 8 | t->reply[13];
}

static uint32_t failure(struct cd *t, const uint8_t cdb[12])
{
	g_assert_cmphex(packet(t, cdb), ==, 0x41);
	g_assert_cmphex(inb(t, CMD + 1) & ATA_ABRT, ==, ATA_ABRT);
	return sense(t);
}

static void clear_attention(struct cd *t)
{
	g_assert_cmphex(failure(t, CDB(0)), ==, 0x062900);
	g_assert_cmphex(packet(t, CDB(0)), ==, 0x50);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* ---- tests: identity ---- */

static void test_identify(void)
{
	struct cd *t = cd_new();
	uint16_t id[256];

	outb(t, CMD + 7, ATA_IDENTIFY);
	g_assert_cmphex(wait_idle(t), ==, 0x51);
	g_assert_cmphex(inb(t, CMD + 4) | inb(t, CMD + 5) << 8, ==, 0xeb14);
	outb(t, CMD + 7, ATA_IDENTIFY_PACKET);
	g_assert_cmphex(wait_idle(t), ==, 0x58);
	for (unsigned i = 0; i < 256; i++)
		id[i] = (uint16_t)rig_read(t->r, BUS_PIO, CMD, 2);
	g_assert_cmphex(id[0], ==, 0x85c0);
	g_assert_cmphex(id[27], ==, 'V' << 8 | 'M');
	g_assert_cmphex(wait_idle(t), ==, 0x50);
	outb(t, CMD + 7, ATA_DEVICE_RESET);
	g_assert_cmphex(wait_idle(t), ==, 0x00);
	g_assert_cmphex(inb(t, CMD + 4) | inb(t, CMD + 5) << 8, ==, 0xeb14);
	cd_free(t);
}

static void test_inquiry(void)
{
	struct cd *t = cd_new();

	g_assert_cmphex(packet(t, CDB(0x12, 0, 0, 0, 96)), ==, 0x50);
	g_assert_cmpuint(t->replied, ==, 36);
	g_assert_cmphex(t->reply[0] | t->reply[1] << 8, ==, 0x8005);
	g_assert_cmpmem(t->reply + 8, 19, "VMMD    VMMD CD-ROM", 19);
	g_assert_cmphex(packet(t, CDB(0x12, 0, 0, 0, 5)), ==, 0x50);
	g_assert_cmpuint(t->replied, ==, 5); /* an odd number of bytes */
	g_assert_cmphex(failure(t, CDB(0x12, 1, 0x80, 0, 96)), ==, 0x052400);
	/* The attention of the power-on is still there, and told once. */
	clear_attention(t);
	g_assert_cmphex(failure(t, CDB(0xff)), ==, 0x052000);
	g_assert_cmphex(sense(t), ==, 0);
	cd_free(t);
}

/* ---- tests: reading ---- */

static void test_read(void)
{
	struct cd *t = cd_new();

	clear_attention(t);
	g_assert_cmphex(packet(t, CDB(0x25)), ==, 0x50);
	g_assert_cmpuint(be32(t->reply), ==, CD_SIZE / BLOCK - 1);
	g_assert_cmpuint(be32(t->reply + 4), ==, BLOCK);
	/* SeaBIOS asks for one block at a time, Linux for as much as goes. */
	send_packet(t, CDB(0x28, 0, 0, 0, 0, 16, 0, 0, 9), BLOCK, false);
	g_assert_cmphex(take_blocks(t, BLOCK), ==, 0x50);
	g_assert_cmpuint(t->blocks, ==, 9);
	g_assert_cmpmem(t->reply, t->replied, t->disc->data + 16 * BLOCK, 9 * BLOCK);
	g_assert_cmphex(packet(t, CDB(0xa8, 0, 0, 0, 0, 3, 0, 0, 0, 9)), ==, 0x50);
	g_assert_cmpuint(t->blocks, ==, 3);
	g_assert_cmpmem(t->reply, t->replied, t->disc->data + 3 * BLOCK, 9 * BLOCK);
	g_assert_cmphex(packet(t, CDB(0xbe, 0, 0, 0, 0, 1, 0, 0, 1, 0x10)), ==, 0x50);
	g_assert_cmpmem(t->reply, t->replied, t->disc->data + BLOCK, BLOCK);
	g_assert_cmphex(packet(t, CDB(0x28)), ==, 0x50); /* no blocks */
	g_assert_cmpuint(t->replied, ==, 0);
	g_assert_cmphex(failure(t, CDB(0x28, 0, 0, 0, 7, 0xff, 0, 0, 2)), ==, 0x052100);
	g_assert_cmphex(failure(t, CDB(0xbe, 0, 0, 0, 0, 1, 0, 0, 1, 0xf8)), ==, 0x052400);
	fake_blk_fail(t->disc, BLK_READ, 1, -EIO, false);
	g_assert_cmphex(failure(t, CDB(0x28, 0, 0, 0, 0, 1, 0, 0, 1)), ==, 0x031100);
	g_assert_cmphex(packet(t, CDB(0x28, 0, 0, 0, 0, 1, 0, 0, 1)), ==, 0x50);
	cd_free(t);
}

static void test_dma(void)
{
	struct cd *t = cd_new();
	const uint32_t prd[2] = {DATA, 0x80000000 | 8 * BLOCK};

	clear_attention(t);
	storage_put_ram(t->r, PRDS, prd, sizeof(prd));
	rig_write(t->r, BUS_PIO, BM + 4, 4, PRDS);
	outb(t, BM, 8);
	send_packet(t, CDB(0x28, 0, 0, 0, 0, 100, 0, 0, 8), 0, true);
	outb(t, BM, 9);
	g_assert_cmphex(wait_idle(t), ==, 0x50);
	g_assert_true(irq(t));
	g_assert_cmphex(inb(t, BM + 2), ==, 0x04);
	g_assert_cmphex(inb(t, CMD + 2) & 3, ==, 3);
	inb(t, CMD + 7);
	storage_assert_ram(t->r, DATA, t->disc->data + 100 * BLOCK, 8 * BLOCK);
	g_assert_cmpuint(fake_blk_submitted(t->disc, BLK_READ), ==, 1);
	/* A short reply by DMA. */
	outb(t, BM, 0);
	send_packet(t, CDB(0x12, 0, 0, 0, 36), 0, true);
	outb(t, BM, 9);
	g_assert_cmphex(wait_idle(t), ==, 0x50);
	g_assert_cmphex(rig_ram32(t->r, DATA), ==, 0x02058005);
	cd_free(t);
}

/* ---- tests: tables ---- */

static void test_toc(void)
{
	struct cd *t = cd_new();
	uint32_t end = CD_SIZE / BLOCK;

	clear_attention(t);
	g_assert_cmphex(packet(t, CDB(0x43, 0, 0, 0, 0, 0, 0, 0, 100)), ==, 0x50);
	g_assert_cmpuint(t->replied, ==, 20);
	g_assert_cmphex(be32(t->reply), ==, 0x00120101);
	g_assert_cmphex(be32(t->reply + 4), ==, 0x00140100);
	g_assert_cmpuint(be32(t->reply + 8), ==, 0);
	g_assert_cmphex(be32(t->reply + 12), ==, 0x0014aa00);
	g_assert_cmpuint(be32(t->reply + 16), ==, end);
	g_assert_cmphex(packet(t, CDB(0x43, 2, 0, 0, 0, 0, 0xaa, 0, 100)), ==, 0x50);
	end += 150;
	g_assert_cmphex(be32(t->reply + 8), ==, end / 4500 << 16 | end / 75 % 60 << 8 | end % 75);
	g_assert_cmphex(packet(t, CDB(0x43, 0, 1, 0, 0, 0, 0, 0, 12)), ==, 0x50);
	g_assert_cmphex(be32(t->reply), ==, 0x000a0101);
	g_assert_cmphex(packet(t, CDB(0x43, 2, 2, 0, 0, 0, 1, 0, 48)), ==, 0x50);
	g_assert_cmpuint(t->replied, ==, 48);
	g_assert_cmphex(failure(t, CDB(0x43, 0, 5, 0, 0, 0, 0, 0, 12)), ==, 0x052400);
	cd_free(t);
}

static void test_configuration(void)
{
	struct cd *t = cd_new();
	unsigned features = 0;

	g_assert_cmphex(packet(t, CDB(0x46, 0, 0, 0, 0, 0, 0, 1, 0)), ==, 0x50);
	g_assert_cmpuint(be32(t->reply) + 4, ==, t->replied);
	g_assert_cmphex(t->reply[7], ==, 0x08); /* a CD is in */
	for (size_t at = 8; at < t->replied; at += 4 + t->reply[at + 3])
		features++;
	g_assert_cmpuint(features, ==, 7);
	g_assert_cmphex(packet(t, CDB(0x46, 2, 0, 0x1e, 0, 0, 0, 1, 0)), ==, 0x50);
	g_assert_cmphex(be32(t->reply + 8), ==, 0x001e0904);
	clear_attention(t);
	g_assert_cmphex(packet(t, CDB(0x51, 0, 0, 0, 0, 0, 0, 0, 34)), ==, 0x50);
	g_assert_cmphex(be32(t->reply), ==, 0x00200e01);
	g_assert_cmphex(packet(t, CDB(0x52, 1, 0, 0, 0, 1, 0, 0, 36)), ==, 0x50);
	g_assert_cmpuint(be32(t->reply + 24), ==, CD_SIZE / BLOCK);
	g_assert_cmphex(packet(t, CDB(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8)), ==, 0x50);
	g_assert_cmpuint(t->replied, ==, 8);
	cd_free(t);
}

static void test_mode_sense(void)
{
	struct cd *t = cd_new();

	clear_attention(t);
	g_assert_cmphex(packet(t, CDB(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128)), ==, 0x50);
	g_assert_cmpuint(t->replied, ==, 28);
	g_assert_cmphex(be32(t->reply + 8), ==, 0x2a120b00);
	g_assert_cmphex(t->reply[14], ==, 0x29);
	g_assert_cmphex(packet(t, CDB(0x1e, 0, 0, 0, 1)), ==, 0x50);
	g_assert_cmphex(packet(t, CDB(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128)), ==, 0x50);
	g_assert_cmphex(t->reply[14], ==, 0x2b); /* locked */
	g_assert_cmphex(packet(t, CDB(0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 128)), ==, 0x50);
	g_assert_cmpuint(t->replied, ==, 48);
	g_assert_cmphex(failure(t, CDB(0x5a, 0, 0x0e, 0, 0, 0, 0, 0, 128)), ==, 0x052400);
	g_assert_cmphex(failure(t, CDB(0x5a, 0, 0xea, 0, 0, 0, 0, 0, 128)), ==, 0x052400);
	cd_free(t);
}

/* ---- tests: media ---- */

static void note_back(void *opaque, struct blk *old)
{
	*(struct blk **)opaque = old;
}

static unsigned media_event(struct cd *t)
{
	g_assert_cmphex(packet(t, CDB(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8)), ==, 0x50);
	g_assert_cmphex(t->reply[2], ==, 4);
	return t->reply[4] << 8 | t->reply[5];
}

static void test_change(void)
{
	struct cd *t = cd_new();
	struct blk *back = NULL;
	struct storage_status status;
	g_autoptr(GError) error = NULL;

	clear_attention(t);
	g_assert_cmphex(media_event(t), ==, 0x0202); /* since power-on: a medium is in */
	g_assert_cmphex(media_event(t), ==, 0x0002);
	g_assert_true(storage_eject(t->d, BAY, false, note_back, &back, NULL));
	g_assert_cmphex(failure(t, CDB(0)), ==, 0x023a02);
	storage_turn(t->r);
	g_assert_true(back == &t->disc->blk);
	g_assert_cmphex(media_event(t), ==, 0x0301);
	g_assert_false(storage_insert(t->d, STORAGE_IDE_BAY(0, 0), &t->other->blk, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_NOT_FOUND);
	g_assert_true(storage_insert(t->d, BAY, &t->other->blk, NULL));
	g_assert_cmphex(media_event(t), ==, 0x0202);
	g_assert_cmphex(failure(t, CDB(0)), ==, 0x062800);
	g_assert_cmphex(packet(t, CDB(0x25)), ==, 0x50);
	g_assert_cmpuint(be32(t->reply), ==, CD_SIZE / 2 / BLOCK - 1);
	storage_get_status(t->d, BAY, &status);
	g_assert_true(status.cdrom && !status.tray_open && status.blk == &t->other->blk);
	cd_free(t);
}

static void test_lock(void)
{
	struct cd *t = cd_new();
	struct blk *back = NULL;
	g_autoptr(GError) error = NULL;

	clear_attention(t);
	media_event(t);
	g_assert_cmphex(packet(t, CDB(0x1e, 0, 0, 0, 1)), ==, 0x50);
	g_assert_false(storage_eject(t->d, BAY, false, note_back, &back, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_STATE);
	g_assert_cmphex(media_event(t), ==, 0x0102); /* the button was pressed */
	g_assert_cmphex(failure(t, CDB(0x1b, 0, 0, 0, 2)), ==, 0x055302);
	g_assert_cmphex(packet(t, CDB(0x1e)), ==, 0x50);
	/* The guest opens its tray; the medium lies in it. */
	g_assert_cmphex(packet(t, CDB(0x1b, 0, 0, 0, 2)), ==, 0x50);
	g_assert_cmphex(failure(t, CDB(0)), ==, 0x023a02);
	g_assert_cmphex(packet(t, CDB(0x1b, 0, 0, 0, 3)), ==, 0x50);
	g_assert_cmphex(failure(t, CDB(0)), ==, 0x062800);
	g_assert_cmphex(packet(t, CDB(0)), ==, 0x50);
	g_assert_cmphex(packet(t, CDB(0x1e, 0, 0, 0, 1)), ==, 0x50);
	g_assert_true(storage_eject(t->d, BAY, true, note_back, &back, NULL));
	storage_turn(t->r);
	g_assert_true(back == &t->disc->blk);
	cd_free(t);
}

/* Taken out while it is read: the request under way ends, the next block is not there any more. */
static void test_change_under_load(void)
{
	struct cd *t = cd_new();
	struct blk *back = NULL;
	g_autoptr(GError) error = NULL;

	clear_attention(t);
	for (unsigned round = 0; round < 20; round++) {
		struct fake_blk *in = round % 2 ? t->other : t->disc;
		struct fake_blk *next = round % 2 ? t->disc : t->other;

		fake_blk_hold(in, true);
		back = NULL;
		send_packet(t, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 16), 0xfffe, false);
		storage_turn(t->r);
		g_assert_true(storage_eject(t->d, BAY, true, note_back, &back, NULL));
		storage_turn(t->r);
		g_assert_null(back);
		g_assert_false(storage_insert(t->d, BAY, &next->blk, &error));
		g_assert_error(error, VMMD_ERROR, VMMD_ERROR_STATE);
		g_clear_error(&error);
		fake_blk_complete(in);
		fake_blk_hold(in, false);
		g_assert_cmphex(take_blocks(t, 0xfffe), ==, 0x41);
		g_assert_cmpuint(t->replied, ==, 4 * BLOCK);
		g_assert_cmphex(sense(t), ==, 0x023a02);
		storage_turn(t->r);
		g_assert_true(back == &in->blk);
		g_assert_true(storage_insert(t->d, BAY, &next->blk, NULL));
		g_assert_cmphex(failure(t, CDB(0)), ==, 0x062800);
		g_assert_cmphex(packet(t, CDB(0x28, 0, 0, 0, 0, 1, 0, 0, 1)), ==, 0x50);
		g_assert_cmpmem(t->reply, t->replied, next->data + BLOCK, BLOCK);
	}
	cd_free(t);
}

/* A parked request does not keep the medium. */
static void test_change_parked(void)
{
	struct cd *t = cd_new();
	struct blk *back = NULL;

	clear_attention(t);
	fake_blk_fail(t->disc, BLK_READ, 1, -EIO, true);
	send_packet(t, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0xfffe, false);
	storage_turn(t->r);
	g_assert_cmpuint(fake_blk_parked(t->disc), ==, 1);
	g_assert_true(storage_eject(t->d, BAY, true, note_back, &back, NULL));
	g_assert_cmphex(take_blocks(t, 0xfffe), ==, 0x41);
	g_assert_cmphex(sense(t), ==, 0x023a02);
	storage_turn(t->r);
	g_assert_true(back == &t->disc->blk);
	cd_free(t);
}

/* Half a block read, a CDB half sent: state. */
static void test_state(void)
{
	struct cd *t = cd_new();
	uint16_t first;

	clear_attention(t);
	send_packet(t, CDB(0x28, 0, 0, 0, 0, 7, 0, 0, 2), 0x400, false);
	wait_idle(t);
	first = (uint16_t)rig_read(t->r, BUS_PIO, CMD, 2);
	g_assert_cmpmem(&first, 2, t->disc->data + 7 * BLOCK, 2);
	storage_save_and_load(t->r);
	for (unsigned i = 1; i < 0x200; i++) {
		uint16_t v = (uint16_t)rig_read(t->r, BUS_PIO, CMD, 2);

		g_assert_cmpmem(&v, 2, t->disc->data + 7 * BLOCK + i * 2, 2);
	}
	g_assert_cmphex(take_blocks(t, 0x400), ==, 0x50);
	g_assert_cmpuint(t->replied, ==, 2 * BLOCK - 0x400);

	outb(t, CMD + 7, ATA_PACKET);
	wait_idle(t);
	rig_write(t->r, BUS_PIO, CMD, 4, 0x25);
	storage_save_and_load(t->r);
	rig_write(t->r, BUS_PIO, CMD, 4, 0);
	rig_write(t->r, BUS_PIO, CMD, 4, 0);
	g_assert_cmphex(take_blocks(t, 0xfffe), ==, 0x50);
	g_assert_cmpuint(be32(t->reply), ==, CD_SIZE / BLOCK - 1);
	cd_free(t);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cdrom/identify", test_identify);
	g_test_add_func("/cdrom/inquiry", test_inquiry);
	g_test_add_func("/cdrom/read", test_read);
	g_test_add_func("/cdrom/dma", test_dma);
	g_test_add_func("/cdrom/toc", test_toc);
	g_test_add_func("/cdrom/configuration", test_configuration);
	g_test_add_func("/cdrom/mode-sense", test_mode_sense);
	g_test_add_func("/cdrom/change", test_change);
	g_test_add_func("/cdrom/lock", test_lock);
	g_test_add_func("/cdrom/change-under-load", test_change_under_load);
	g_test_add_func("/cdrom/change-parked", test_change_parked);
	g_test_add_func("/cdrom/state", test_state);
	return g_test_run();
}
