/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VM generation ID: its files, the address that firmware gives back, a new one while the guest
 * runs.
 */
#include "devmodel/platform/vmgenid.h"

#include <string.h>

#include "base/qs.h"
#include "devmodel/platform/platform.h"
#include "tests/lib/board.h"

#define COMMAND 0x1000 /* of fw_cfg's DMA, in RAM */
#define DATA    0x2000
#define PLACE   0x8028 /* where the loader has put the GUID */
#define GPE     9

#define DMA_READ   0x02
#define DMA_SKIP   0x04
#define DMA_SELECT 0x08
#define DMA_WRITE  0x10

static void put32(struct board *b, uint64_t at, uint32_t v)
{
	v = GUINT32_TO_BE(v);
	g_assert_cmpint(gmem_write(b->gmem, GPA(at), &v, sizeof(v)), ==, 0);
}

/* One DMA command; its answer. */
static uint32_t dma(struct board *b, uint32_t control, uint32_t n)
{
	uint32_t answer;

	put32(b, COMMAND, control);
	put32(b, COMMAND + 4, n);
	put32(b, COMMAND + 8, 0);
	put32(b, COMMAND + 12, DATA);
	board_outl(b, 0x518, GUINT32_TO_BE(COMMAND));
	g_assert_cmpint(gmem_read(b->gmem, GPA(COMMAND), &answer, sizeof(answer)), ==, 0);
	return GUINT32_FROM_BE(answer);
}

/* The selector of a file, as firmware finds it. */
static uint16_t key_of(struct board *b, const char *name)
{
	struct {
		uint32_t size;
		uint16_t key, reserved;
		char name[56];
	} entry;
	uint32_t n;

	g_assert_cmpuint(dma(b, FW_CFG_FILE_DIR << 16 | DMA_SELECT | DMA_READ, 4), ==, 0);
	g_assert_cmpint(gmem_read(b->gmem, GPA(DATA), &n, sizeof(n)), ==, 0);
	for (n = GUINT32_FROM_BE(n); n; n--) {
		g_assert_cmpuint(dma(b, DMA_READ, sizeof(entry)), ==, 0);
		g_assert_cmpint(gmem_read(b->gmem, GPA(DATA), &entry, sizeof(entry)), ==, 0);
		if (strcmp(entry.name, name) == 0)
			return GUINT16_FROM_BE(entry.key);
	}
	g_assert_not_reached();
}

static void write_pointer(struct board *b, uint64_t addr)
{
	uint32_t key = key_of(b, VMGENID_ADDR_FILE);

	addr = GUINT64_TO_LE(addr);
	g_assert_cmpint(gmem_write(b->gmem, GPA(DATA), &addr, sizeof(addr)), ==, 0);
	g_assert_cmpuint(dma(b, key << 16 | DMA_SELECT | DMA_WRITE, 8), ==, 0);
}

static struct dev *start(struct board *b)
{
	struct dev *fw_cfg, *d;

	board_init(b);
	fw_cfg = board_add(b, &fw_cfg_ops, "fw_cfg");
	d = dev_new(b->bus, &vmgenid_ops, "genid");
	g_assert_true(prop_set_text(prop_find(vmgenid_ops.props, "guid"), d,
		"00112233-4455-6677-8899-aabbccddeeff", NULL));
	vmgenid_wire(d, fw_cfg, gsi_source(b->bus->gsi, GPE));
	board_realize(b, d);
	return d;
}

static const uint8_t begins[] = {0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa,
	0xbb, 0xcc, 0xdd, 0xee, 0xff};
static const uint8_t other[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const uint8_t other_bytes[] = {4, 3, 2, 1, 6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16};

static void expect(struct board *b, uint64_t at, const uint8_t *bytes)
{
	uint8_t got[16];

	g_assert_cmpint(gmem_read(b->gmem, GPA(at), got, sizeof(got)), ==, 0);
	g_assert_cmpmem(got, 16, bytes, 16);
}

static void expect_file(struct board *b, const uint8_t *bytes)
{
	uint32_t key = key_of(b, VMGENID_GUID_FILE);

	g_assert_cmpuint(dma(b, key << 16 | DMA_SELECT | DMA_READ, VMGENID_SIZE), ==, 0);
	expect(b, DATA + VMGENID_OFFSET, bytes);
}

static void changes(void)
{
	static const uint8_t nothing[16];
	struct board b;
	struct dev *d = start(&b);

	expect_file(&b, begins);
	/* the firmware has not told where it is */
	vmgenid_set(d, other);
	g_assert_cmpuint(board_irq_edges(&b, GPE), ==, 0);
	expect_file(&b, other_bytes);
	write_pointer(&b, PLACE);
	board_save_and_load(&b);
	expect(&b, PLACE, nothing);
	vmgenid_set(d, other);
	g_assert_cmpuint(board_irq_edges(&b, GPE), ==, 1);
	expect(&b, PLACE, other_bytes);
	/* a reset forgets the place */
	board_reset(&b, RESET_WARM);
	vmgenid_set(d, other);
	g_assert_cmpuint(board_irq_edges(&b, GPE), ==, 1);
	board_done(&b);
}

static void hostile(void)
{
	struct board b;
	struct dev *d = start(&b);
	uint32_t key = key_of(&b, VMGENID_ADDR_FILE), guid = key_of(&b, VMGENID_GUID_FILE);

	/* more than it holds, behind its end, and a file that is none to write */
	g_assert_cmpuint(dma(&b, key << 16 | DMA_SELECT | DMA_WRITE, 9), ==, 1);
	g_assert_cmpuint(dma(&b, DMA_SKIP, 4), ==, 0);
	g_assert_cmpuint(dma(&b, DMA_WRITE, 5), ==, 1);
	g_assert_cmpuint(dma(&b, DMA_WRITE, UINT32_MAX), ==, 1);
	g_assert_cmpuint(dma(&b, guid << 16 | DMA_SELECT | DMA_WRITE, 8), ==, 1);
	expect_file(&b, begins);
	write_pointer(&b, UINT64_MAX - 3);
	vmgenid_set(d, other);
	write_pointer(&b, 0xfee00000);
	vmgenid_set(d, other);
	g_assert_cmpuint(board_irq_edges(&b, GPE), ==, 0);
	g_assert_cmpuint(d->guest_errors, ==, 2);
	board_done(&b);
}

static void alone(void)
{
	struct board b;

	board_init(&b);
	board_refuse(&b, dev_new(b.bus, &vmgenid_ops, "genid"), "fw_cfg");
	board_done(&b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/vmgenid/changes", changes);
	g_test_add_func("/vmgenid/hostile", hostile);
	g_test_add_func("/vmgenid/alone", alone);
	return g_test_run();
}
