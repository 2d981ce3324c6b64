/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mass storage over each kind of controller: Bulk-Only Transport 1.0, and the commands that systems send. */
#include <string.h>

#include "tests/device/usb-driver.h"
#include "tests/lib/fake-blk.h"

#define IN    0x81
#define OUT   0x02
#define BLOCK 512u
#define SIZE  (4 * MiB)

struct disk {
	struct usb_driver u;
	struct fake_blk *blk;
	struct dev *dev;
	uint32_t tag;
	uint32_t residue; /* of the last status */
};

static void disk_init_as(struct disk *d, const void *driver, bool cdrom)
{
	*d = (struct disk){.tag = 0x1000};
	usb_driver_init(&d->u, driver);
	d->blk = fake_blk_new(d->u.r->loop, SIZE);
	for (size_t i = 0; i < SIZE; i++)
		d->blk->data[i] = (uint8_t)(i * 7 + (i >> 9) * 13);
	d->dev = dev_new(d->u.r->bus, &usb_storage_ops, "disk");
	usb_storage_set_backend(d->dev, &d->blk->blk);
	g_assert_true(prop_set_text(
		prop_find(usb_storage_ops.props, "cdrom"), d->dev, cdrom ? "on" : "off", NULL));
	g_assert_true(dev_realize(d->dev, NULL));
	usb_insert(&d->u, d->dev);
}

static void disk_init(struct disk *d, const void *driver)
{
	disk_init_as(d, driver, false);
}

static void disk_done(struct disk *d)
{
	rig_poll(d->u.r);
	dev_free(d->dev);
	fake_blk_free(d->blk);
	usb_driver_done(&d->u);
}

/* ---- the transport ---- */

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static enum usb_result send_cbw(
	struct disk *d, const void *cdb, size_t cdb_len, bool in, uint32_t n)
{
	uint8_t cbw[31] = {'U', 'S', 'B', 'C'};

	put32(cbw + 4, ++d->tag);
	put32(cbw + 8, n);
	cbw[12] = in ? 0x80 : 0;
	cbw[14] = (uint8_t)cdb_len;
	memcpy(cbw + 15, cdb, cdb_len);
	return usb_pipe(&d->u, OUT, cbw, sizeof(cbw), NULL);
}

static unsigned get_csw(struct disk *d)
{
	uint8_t csw[13];
	size_t n;
	uint32_t tag;

	g_assert_cmpint(usb_pipe(&d->u, IN, csw, sizeof(csw), &n), ==, USB_ACK);
	g_assert_cmpmem(csw, 4, "USBS", 4);
	memcpy(&tag, csw + 4, sizeof(tag));
	memcpy(&d->residue, csw + 8, sizeof(d->residue));
	g_assert_cmphex(tag, ==, d->tag);
	return csw[12];
}

/* A command with its data, as a driver does it that gets all that it asks for. Returns the status. */
static unsigned command(
	struct disk *d, const void *cdb, size_t cdb_len, bool in, void *data, size_t n)
{
	size_t done;

	g_assert_cmpint(send_cbw(d, cdb, cdb_len, in, (uint32_t)n), ==, USB_ACK);
	if (n) {
		g_assert_cmpint(usb_pipe(&d->u, in ? IN : OUT, data, n, &done), ==, USB_ACK);
		g_assert_cmpuint(done, ==, n);
	}
	return get_csw(d);
}

#define COMMAND(d, in, data, n, ...)                                                           \
	command(d, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), in, \
		data, n)

static void expect_sense(struct disk *d, uint8_t key, uint16_t asc)
{
	uint8_t sense[18];

	g_assert_cmpuint(COMMAND(d, true, sense, 18, 0x03, 0, 0, 0, 18, 0), ==, 0);
	g_assert_cmphex(sense[0], ==, 0x70);
	g_assert_cmphex(sense[2], ==, key);
	g_assert_cmphex(sense[12] << 8 | sense[13], ==, asc);
}

/* The first command after power-on is told of it. */
static void become_ready(struct disk *d)
{
	g_assert_cmpuint(COMMAND(d, false, NULL, 0, 0, 0, 0, 0, 0, 0), ==, 1);
	expect_sense(d, 6, 0x2900);
	g_assert_cmpuint(COMMAND(d, false, NULL, 0, 0, 0, 0, 0, 0, 0), ==, 0);
}

static unsigned access10(
	struct disk *d, uint8_t opcode, uint32_t lba, uint16_t blocks, void *data, size_t n)
{
	const uint8_t cdb[10] = {opcode, 0, (uint8_t)(lba >> 24), (uint8_t)(lba >> 16),
		(uint8_t)(lba >> 8), (uint8_t)lba, 0, (uint8_t)(blocks >> 8), (uint8_t)blocks};

	return command(d, cdb, sizeof(cdb), opcode == 0x28, data, n);
}

/* ---- tests ---- */

static void identity(gconstpointer driver)
{
	const struct usb_setup max_lun = {0xa1, 0xfe, 0, 0, 1};
	uint8_t buf[64];
	struct disk d;

	disk_init(&d, driver);
	usb_must(&d.u, &max_lun, buf);
	g_assert_cmpuint(buf[0], ==, 0);
	g_assert_cmpuint(COMMAND(&d, true, buf, 36, 0x12, 0, 0, 0, 36, 0), ==, 0);
	g_assert_cmpmem(buf, 8, "\0\0\5\2\x1f\0\0\2", 8);
	g_assert_cmpmem(buf + 8, 28, "VMMD    USB HARDDISK    1.0 ", 28);
	become_ready(&d);
	g_assert_cmpuint(COMMAND(&d, true, buf, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), ==, 0);
	g_assert_cmpmem(buf, 8, "\0\0\x1f\xff\0\0\2\0", 8);
	g_assert_cmpuint(
		COMMAND(&d, true, buf, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0),
		==, 0);
	g_assert_cmpmem(buf, 16, "\0\0\0\0\0\0\x1f\xff\0\0\2\0\0\0\x80\0", 16);
	g_assert_cmpuint(COMMAND(&d, true, buf, 16, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0), ==, 0);
	g_assert_cmpmem(buf, 16, "\0\0\0\x8\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	g_assert_cmpuint(COMMAND(&d, true, buf, 4, 0x1a, 0, 0x3f, 0, 4, 0), ==, 0);
	g_assert_cmphex(buf[2] & 0x80, ==, 0);
	disk_done(&d);
}

static void read_and_write(gconstpointer driver)
{
	g_autofree uint8_t *buf = g_malloc(128 * KiB);
	struct disk d;

	disk_init(&d, driver);
	become_ready(&d);
	g_assert_cmpuint(access10(&d, 0x28, 3, 1, buf, BLOCK), ==, 0);
	g_assert_cmpmem(buf, BLOCK, d.blk->data + 3 * BLOCK, BLOCK);
	/* more than the device's buffer, and not a multiple of it */
	g_assert_cmpuint(access10(&d, 0x28, 11, 131, buf, 131 * BLOCK), ==, 0);
	g_assert_cmpmem(buf, 131 * BLOCK, d.blk->data + 11 * BLOCK, 131 * BLOCK);
	g_assert_cmpuint(d.residue, ==, 0);
	for (unsigned i = 0; i < 131 * BLOCK; i++)
		buf[i] = (uint8_t)(i * 31 + 5);
	g_assert_cmpuint(access10(&d, 0x2a, 1000, 131, buf, 131 * BLOCK), ==, 0);
	g_assert_cmpmem(buf, 131 * BLOCK, d.blk->data + 1000 * BLOCK, 131 * BLOCK);
	g_assert_cmpuint(COMMAND(&d, false, NULL, 0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0), ==, 0);
	g_assert_cmpuint(fake_blk_submitted(d.blk, BLK_FLUSH), ==, 1);
	g_assert_cmpuint(access10(&d, 0x2f, 0, 8, NULL, 0), ==, 0);
	/* 16-byte CDBs */
	g_assert_cmpuint(
		COMMAND(&d, true, buf, BLOCK, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0),
		==, 0);
	g_assert_cmpmem(buf, BLOCK, d.blk->data + 7 * BLOCK, BLOCK);
	memset(buf, 0x5a, BLOCK);
	g_assert_cmpuint(
		COMMAND(&d, false, buf, BLOCK, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0),
		==, 0);
	g_assert_cmphex(d.blk->data[9 * BLOCK + 5], ==, 0x5a);
	disk_done(&d);
}

/* INQUIRY's vital product data, modes and what MODE SELECT changes, UNMAP. */
static void pages(gconstpointer driver)
{
	uint8_t buf[64], write_through[24] = {[3] = 8, [12] = 8, [13] = 10};
	uint8_t unmap[24] = {0, 22, 0, 16, [15] = 40, [19] = 2};
	struct disk d;

	disk_init(&d, driver);
	become_ready(&d);
	g_assert_cmpuint(COMMAND(&d, true, buf, 10, 0x12, 1, 0, 0, 10, 0), ==, 0);
	g_assert_cmpmem(buf, 10, "\0\0\0\6\0\x80\x83\xb0\xb1\xb2", 10);
	g_assert_cmpuint(COMMAND(&d, true, buf, 16, 0x12, 1, 0x80, 0, 16, 0), ==, 0);
	g_assert_cmpmem(buf, 4, "\0\x80\0\xc", 4);
	g_assert_cmpuint(COMMAND(&d, true, buf, 64, 0x12, 1, 0xb0, 0, 64, 0), ==, 0);
	g_assert_cmpmem(buf, 4, "\0\xb0\0\x3c", 4);
	g_assert_cmpmem(buf + 20, 12, "\0\x40\0\0\0\0\0\1\0\0\0\1", 12);
	g_assert_cmpuint(COMMAND(&d, true, buf, 4, 0x12, 1, 0x77, 0, 4, 0), ==, 1);
	expect_sense(&d, 5, 0x2400);
	/* the caching page: on, changeable, off after MODE SELECT */
	g_assert_cmpuint(COMMAND(&d, true, buf, 32, 0x1a, 0, 8, 0, 32, 0), ==, 0);
	g_assert_cmpmem(buf, 15, "\x1f\0\x10\x8\0\0\x20\0\0\0\2\0\x8\x12\4", 15);
	g_assert_cmpuint(COMMAND(&d, true, buf, 32, 0x1a, 0, 0x48, 0, 32, 0), ==, 0);
	g_assert_cmphex(buf[14], ==, 4);
	g_assert_cmpuint(COMMAND(&d, false, write_through, 24, 0x15, 0x10, 0, 0, 24, 0), ==, 0);
	g_assert_cmpuint(COMMAND(&d, true, buf, 32, 0x1a, 0, 8, 0, 32, 0), ==, 0);
	g_assert_cmphex(buf[14], ==, 0);
	write_through[13] = 60;
	g_assert_cmpuint(COMMAND(&d, false, write_through, 24, 0x15, 0x10, 0, 0, 24, 0), ==, 1);
	expect_sense(&d, 5, 0x1a00);
	g_assert_cmpuint(COMMAND(&d, false, unmap, 24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0), ==, 0);
	g_assert_cmpuint(fake_blk_submitted(d.blk, BLK_DISCARD), ==, 1);
	g_assert_cmphex(d.blk->data[39 * BLOCK + 3], !=, 0);
	g_assert_cmphex(d.blk->data[40 * BLOCK + 3], ==, 0);
	g_assert_cmphex(d.blk->data[41 * BLOCK + 3], ==, 0);
	disk_done(&d);
}

static void errors(gconstpointer driver)
{
	uint8_t buf[8 * BLOCK];
	struct disk d;

	disk_init(&d, driver);
	become_ready(&d);
	/* beyond the end: the data are made up, the status says so */
	g_assert_cmpuint(access10(&d, 0x28, SIZE / BLOCK - 1, 2, buf, 2 * BLOCK), ==, 1);
	g_assert_cmpuint(d.residue, ==, 2 * BLOCK);
	expect_sense(&d, 5, 0x2100);
	g_assert_cmpuint(COMMAND(&d, false, NULL, 0, 0xff, 0, 0, 0, 0, 0), ==, 1);
	expect_sense(&d, 5, 0x2000);
	expect_sense(&d, 0, 0);
	fake_blk_fail(d.blk, BLK_READ, 1, -EIO, false);
	g_assert_cmpuint(access10(&d, 0x28, 0, 8, buf, sizeof(buf)), ==, 1);
	expect_sense(&d, 3, 0x1100);
	fake_blk_fail(d.blk, BLK_WRITE, 1, -ENOSPC, false);
	g_assert_cmpuint(access10(&d, 0x2a, 0, 8, buf, sizeof(buf)), ==, 1);
	expect_sense(&d, 7, 0x2707);
	d.blk->info.readonly = true;
	fake_blk_resize(d.blk, SIZE / 2);
	g_assert_cmpuint(COMMAND(&d, false, NULL, 0, 0, 0, 0, 0, 0, 0), ==, 1);
	expect_sense(&d, 6, 0x2a09);
	g_assert_cmpuint(access10(&d, 0x2a, 0, 8, buf, sizeof(buf)), ==, 1);
	expect_sense(&d, 7, 0x2700);
	g_assert_cmpuint(COMMAND(&d, true, buf, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), ==, 0);
	g_assert_cmpmem(buf, 4, "\0\0\xf\xff", 4);
	disk_done(&d);
}

/* Section 6.7: what the host expects of READ(10) and WRITE(10) of one block, or of TEST UNIT READY. */
static void thirteen_cases(gconstpointer driver)
{
	static const struct {
		uint8_t opcode;
		bool in;
		uint16_t n;
		uint8_t status;
		uint16_t residue;
	} cases[] = {
		{0x00, true, 0, 0, 0},       /* 1: Hn = Dn */
		{0x28, true, 0, 2, 0},       /* 2: Hn < Di */
		{0x2a, false, 0, 2, 0},      /* 3: Hn < Do */
		{0x00, true, 512, 0, 512},   /* 4: Hi > Dn */
		{0x28, true, 1000, 0, 488},  /* 5: Hi > Di */
		{0x28, true, 512, 0, 0},     /* 6: Hi = Di */
		{0x28, true, 100, 2, 100},   /* 7: Hi < Di */
		{0x2a, true, 512, 2, 512},   /* 8: Hi <> Do */
		{0x00, false, 512, 0, 512},  /* 9: Ho > Dn */
		{0x28, false, 512, 2, 512},  /* 10: Ho <> Di */
		{0x2a, false, 1000, 0, 488}, /* 11: Ho > Do */
		{0x2a, false, 512, 0, 0},    /* 12: Ho = Do */
		{0x2a, false, 100, 2, 100},  /* 13: Ho < Do */
	};
	struct disk d;

	disk_init(&d, driver);
	become_ready(&d);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const uint8_t cdb[10] = {cases[i].opcode, [8] = 1};
		uint8_t buf[1000];

		memset(buf, 0xee, sizeof(buf));
		g_assert_cmpuint(
			command(&d, cdb, 10, cases[i].in, buf, cases[i].n), ==, cases[i].status);
		g_assert_cmpuint(d.residue, ==, cases[i].residue);
		if (i == 4)
			g_assert_cmpmem(buf, 512, d.blk->data, 512);
		if (i == 4 || i == 3)
			g_assert_cmphex(buf[511 + (i == 4)], ==, 0);
	}
	g_assert_cmphex(d.blk->data[0], ==, 0xee);
	disk_done(&d);
}

/* Section 6.6: after a wrapper that is none only reset recovery helps. */
static void invalid_wrapper(gconstpointer driver)
{
	const struct usb_setup reset = {0x21, 0xff, 0, 0, 0};
	uint8_t bad[31] = {'U', 'S', 'B', 'X'}, csw[13];
	struct disk d;

	disk_init(&d, driver);
	become_ready(&d);
	g_assert_cmpint(usb_pipe(&d.u, OUT, bad, sizeof(bad), NULL), ==, USB_STALL);
	g_assert_cmpint(usb_pipe(&d.u, IN, csw, sizeof(csw), NULL), ==, USB_STALL);
	usb_clear_halt(&d.u, IN);
	g_assert_cmpint(usb_pipe(&d.u, IN, csw, sizeof(csw), NULL), ==, USB_STALL);
	usb_must(&d.u, &reset, NULL);
	usb_clear_halt(&d.u, IN);
	usb_clear_halt(&d.u, OUT);
	g_assert_cmpuint(COMMAND(&d, false, NULL, 0, 0, 0, 0, 0, 0, 0), ==, 0);
	disk_done(&d);
}

/* A disk that takes its time: NAK meanwhile, state saved in between, and nothing is done twice or lost. */
static void slow_disk(gconstpointer driver)
{
	const uint8_t read_cdb[10] = {0x28, [5] = 5, [8] = 4},
		      write_cdb[10] = {0x2a, [5] = 9, [8] = 2};
	uint8_t buf[4 * BLOCK];
	size_t n;
	struct disk d;

	disk_init(&d, driver);
	become_ready(&d);
	fake_blk_hold(d.blk, true);
	g_assert_cmpint(send_cbw(&d, read_cdb, 10, true, sizeof(buf)), ==, USB_ACK);
	g_assert_cmpint(usb_poll(&d.u, IN, buf, sizeof(buf), &n, 5), ==, USB_NAK);
	g_assert_cmpuint(n, ==, 0);
	g_assert_cmpuint(fake_blk_submitted(d.blk, BLK_READ), ==, 1);
	g_assert_true(fake_blk_complete(d.blk));
	g_assert_cmpint(usb_pipe(&d.u, IN, buf, sizeof(buf), &n), ==, USB_ACK);
	g_assert_cmpmem(buf, n, d.blk->data + 5 * BLOCK, sizeof(buf));
	g_assert_cmpuint(get_csw(&d), ==, 0);
	memset(buf, 0x77, sizeof(buf));
	g_assert_cmpint(send_cbw(&d, write_cdb, 10, false, 2 * BLOCK), ==, USB_ACK);
	g_assert_cmpint(usb_pipe(&d.u, OUT, buf, 2 * BLOCK, &n), ==, USB_ACK);
	g_assert_cmphex(d.blk->data[9 * BLOCK], !=, 0x77);
	fake_blk_hold(d.blk, false);
	g_assert_true(fake_blk_complete(d.blk));
	g_assert_cmpuint(get_csw(&d), ==, 0);
	g_assert_cmphex(d.blk->data[9 * BLOCK], ==, 0x77);
	disk_done(&d);
}

/* An error that stops the VM: the request is parked, state is saved and loaded, and the command goes on. */
static void parked(gconstpointer driver)
{
	const uint8_t read_cdb[10] = {0x28, [5] = 5, [8] = 4},
		      write_cdb[10] = {0x2a, [5] = 9, [8] = 2};
	uint8_t buf[4 * BLOCK];
	size_t n;
	struct disk d;

	disk_init(&d, driver);
	become_ready(&d);
	fake_blk_fail(d.blk, BLK_READ, 1, -ENOSPC, true);
	g_assert_cmpint(send_cbw(&d, read_cdb, 10, true, sizeof(buf)), ==, USB_ACK);
	g_assert_cmpint(usb_poll(&d.u, IN, buf, sizeof(buf), &n, 5), ==, USB_NAK);
	g_assert_cmpuint(fake_blk_parked(d.blk), ==, 1);
	usb_save_and_load(&d.u);
	g_assert_cmpint(usb_pipe(&d.u, IN, buf, sizeof(buf), &n), ==, USB_ACK);
	g_assert_cmpmem(buf, n, d.blk->data + 5 * BLOCK, sizeof(buf));
	g_assert_cmpuint(get_csw(&d), ==, 0);
	fake_blk_fail(d.blk, BLK_WRITE, 1, -ENOSPC, true);
	memset(buf, 0x77, sizeof(buf));
	g_assert_cmpint(send_cbw(&d, write_cdb, 10, false, 2 * BLOCK), ==, USB_ACK);
	g_assert_cmpint(usb_pipe(&d.u, OUT, buf, 2 * BLOCK, &n), ==, USB_ACK);
	usb_step(&d.u, 3);
	g_assert_cmpuint(fake_blk_parked(d.blk), ==, 1);
	usb_save_and_load(&d.u);
	g_assert_cmpuint(get_csw(&d), ==, 0);
	g_assert_cmphex(d.blk->data[10 * BLOCK], ==, 0x77);
	/* a flush has no data by which one would see it wait */
	fake_blk_fail(d.blk, BLK_FLUSH, 1, -EIO, true);
	g_assert_cmpint(send_cbw(&d, "\x35\0\0\0\0\0\0\0\0", 10, false, 0), ==, USB_ACK);
	usb_step(&d.u, 3);
	g_assert_cmpuint(fake_blk_parked(d.blk), ==, 1);
	usb_save_and_load(&d.u);
	g_assert_cmpuint(get_csw(&d), ==, 0);
	g_assert_cmpuint(fake_blk_submitted(d.blk, BLK_FLUSH), ==, 2);
	disk_done(&d);
}

/* Reset while the disk works: what it then says is nobody's. */
static void reset_during_io(gconstpointer driver)
{
	const struct usb_setup reset = {0x21, 0xff, 0, 0, 0};
	const uint8_t read_cdb[10] = {0x28, [5] = 5, [8] = 4};
	uint8_t buf[4 * BLOCK];
	struct disk d;

	disk_init(&d, driver);
	become_ready(&d);
	fake_blk_hold(d.blk, true);
	g_assert_cmpint(send_cbw(&d, read_cdb, 10, true, sizeof(buf)), ==, USB_ACK);
	g_assert_cmpint(usb_poll(&d.u, IN, buf, sizeof(buf), NULL, 5), ==, USB_NAK);
	usb_must(&d.u, &reset, NULL);
	usb_clear_halt(&d.u, IN);
	usb_clear_halt(&d.u, OUT);
	fake_blk_hold(d.blk, false);
	g_assert_true(fake_blk_complete(d.blk));
	g_assert_cmpuint(access10(&d, 0x28, 6, 1, buf, BLOCK), ==, 0);
	g_assert_cmpmem(buf, BLOCK, d.blk->data + 6 * BLOCK, BLOCK);
	disk_done(&d);
}

static void cdrom(gconstpointer driver)
{
	uint8_t buf[4096];
	struct disk d;

	disk_init_as(&d, driver, true);
	g_assert_cmpuint(COMMAND(&d, true, buf, 36, 0x12, 0, 0, 0, 36, 0), ==, 0);
	g_assert_cmpmem(buf, 2, "\5\x80", 2);
	become_ready(&d);
	g_assert_cmpuint(COMMAND(&d, true, buf, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), ==, 0);
	g_assert_cmpmem(buf, 8, "\0\0\7\xff\0\0\x8\0", 8);
	g_assert_cmpuint(access10(&d, 0x28, 16, 2, buf, 4096), ==, 0);
	g_assert_cmpmem(buf, 4096, d.blk->data + 16 * 2048, 4096);
	g_assert_cmpuint(COMMAND(&d, true, buf, 20, 0x43, 0, 0, 0, 0, 0, 0, 0, 20, 0), ==, 0);
	g_assert_cmpmem(buf, 20, "\0\x12\1\1\0\x14\1\0\0\0\0\0\0\x14\xaa\0\0\0\x8\0", 20);
	g_assert_cmpuint(COMMAND(&d, true, buf, 8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0), ==, 0);
	g_assert_cmpmem(buf, 8, "\0\6\4\x10\2\2\0\0", 8);
	/* locked, then let go */
	g_assert_cmpuint(COMMAND(&d, false, NULL, 0, 0x1e, 0, 0, 0, 1, 0), ==, 0);
	g_assert_cmpuint(COMMAND(&d, false, NULL, 0, 0x1b, 0, 0, 0, 2, 0), ==, 1);
	expect_sense(&d, 5, 0x5302);
	g_assert_cmpuint(COMMAND(&d, false, NULL, 0, 0x1e, 0, 0, 0, 0, 0), ==, 0);
	g_assert_cmpuint(COMMAND(&d, false, NULL, 0, 0x1b, 0, 0, 0, 2, 0), ==, 0);
	g_assert_cmpuint(COMMAND(&d, false, NULL, 0, 0, 0, 0, 0, 0, 0), ==, 1);
	expect_sense(&d, 2, 0x3a02);
	g_assert_cmpuint(COMMAND(&d, false, NULL, 0, 0x1b, 0, 0, 0, 3, 0), ==, 0);
	g_assert_cmpuint(COMMAND(&d, false, NULL, 0, 0, 0, 0, 0, 0, 0), ==, 1);
	expect_sense(&d, 6, 0x2800);
	/* writing is no command of it */
	g_assert_cmpuint(access10(&d, 0x2a, 0, 1, buf, 2048), ==, 1);
	expect_sense(&d, 5, 0x2000);
	disk_done(&d);
}

/* Any CDB and any wrapper: the device answers, and a good command after a reset works. */
static void random_commands(gconstpointer driver)
{
	const struct usb_setup reset = {0x21, 0xff, 0, 0, 0};
	static const uint16_t sizes[] = {0, 8, 18, 36, 512, 1024};
	struct disk d;

	disk_init(&d, driver);
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t n = sizes[g_test_rand_int_range(0, ARRAY_SIZE(sizes))];
		uint8_t cdb[16], buf[1024] = {0};
		bool in = g_test_rand_bit();

		for (unsigned k = 0; k < sizeof(cdb); k++)
			cdb[k] = g_test_rand_bit() ? 0 : (uint8_t)g_test_rand_int();
		g_assert_cmpint(send_cbw(&d, cdb, 16, in, n), ==, USB_ACK);
		if (n)
			g_assert_cmpint(usb_pipe(&d.u, in ? IN : OUT, buf, n, NULL), ==, USB_ACK);
		g_assert_cmpuint(get_csw(&d), <=, 2);
		if (i % 50 == 0)
			usb_save_and_load(&d.u);
	}
	usb_must(&d.u, &reset, NULL);
	disk_done(&d);
}

static void no_disk(void)
{
	struct rig *r = rig_new();
	g_autoptr(GError) error = NULL;

	g_assert_false(dev_realize(dev_new(r->bus, &usb_storage_ops, "x"), &error));
	g_assert_nonnull(strstr(error->message, "no disk"));
	rig_free(r);
}

static void add(const char *name, void (*fn)(gconstpointer))
{
	static const struct usb_driver_ops *const drivers[] = {&uhci_driver, &xhci_driver};

	for (unsigned i = 0; i < ARRAY_SIZE(drivers); i++) {
		g_autofree char *path = g_strdup_printf(
			"/usb-storage/%s/%s", drivers[i]->name, name);

		g_test_add_data_func(path, drivers[i], fn);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/usb-storage/no-disk", no_disk);
	add("identity", identity);
	add("read-and-write", read_and_write);
	add("pages", pages);
	add("errors", errors);
	add("thirteen-cases", thirteen_cases);
	add("invalid-wrapper", invalid_wrapper);
	add("slow-disk", slow_disk);
	add("parked", parked);
	add("reset-during-io", reset_during_io);
	add("cdrom", cdrom);
	add("random-commands", random_commands);
	return g_test_run();
}
