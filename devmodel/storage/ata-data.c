/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a disk says of itself: IDENTIFY DEVICE (ACS-2, section 7.12), SMART, logs. */
#include <string.h>

#include "devmodel/storage/disk.h"

#define LBA28_MAX      0x0fffffffu
#define MAX_CYLINDERS  16383
#define LOG_PAGE       512
#define LOG_DIRECTORY  0x00
#define LOG_NCQ_ERROR  0x10
#define SMART_REVISION 0x0010
#define SMART_ATTRS    2 /* offsets in SMART data, 12 bytes each */

uint64_t disk_sectors(const struct drive *d)
{
	return d->medium ? d->medium->info.size / drive_block_size(d) : 0;
}

uint32_t disk_cylinders(const struct drive *d, unsigned heads, unsigned sectors)
{
	return (uint32_t)MIN(disk_sectors(d) / (heads * sectors), MAX_CYLINDERS);
}

unsigned disk_max_multiple(const struct drive *d)
{
	return MIN(DRIVE_BUF / drive_block_size(d), 16);
}

bool disk_can_trim(const struct drive *d)
{
	return d->conf.discard && d->medium && d->medium->info.can_discard &&
	       !d->medium->info.readonly;
}

/* ---- IDENTIFY ---- */

void identify_word(struct drive *d, unsigned w, uint16_t v)
{
	d->hw->buf[w * 2] = (uint8_t)v;
	d->hw->buf[w * 2 + 1] = (uint8_t)(v >> 8);
}

static void identify_dword(struct drive *d, unsigned w, uint32_t v)
{
	identify_word(d, w, (uint16_t)v);
	identify_word(d, w + 1, (uint16_t)(v >> 16));
}

/* The first character of each pair is in the high byte (section 3.3.10). */
void identify_text(struct drive *d, unsigned w, unsigned n, const char *s)
{
	for (unsigned i = 0; i < n * 2; i++) {
		d->hw->buf[(w * 2 + i) ^ 1] = *s ? (uint8_t)*s : ' ';
		if (*s)
			s++;
	}
}

void identify_names(struct drive *d)
{
	identify_text(d, 10, 10, d->conf.serial);
	identify_text(d, 23, 4, d->conf.firmware);
	identify_text(d, 27, 20, d->conf.model);
}

/* Mode @n of a kind that counts from @base as the chosen bit of the high byte. */
static uint16_t chosen_mode(uint8_t mode, uint8_t base)
{
	return (mode & 0xf8) == base ? (uint16_t)(0x100 << (mode & 7)) : 0;
}

/* Words 63 to 68 and 88, and the cable with 80 conductors of a parallel device (93). */
void identify_modes(struct drive *d)
{
	const struct drive_hw *hw = d->hw;

	identify_word(d, 63, 0x07 | chosen_mode(hw->dma_mode, 0x20));
	identify_word(d, 64, 0x03); /* PIO 3 and 4 */
	for (unsigned w = 65; w <= 68; w++)
		identify_word(d, w, 120); /* ns per word */
	identify_word(d, 88, DISK_UDMA_MODES | chosen_mode(hw->dma_mode, 0x40));
	if (d->host->link->data_register)
		identify_word(d, 93, 0x6001);
}

/* Signature and checksum (word 255): the sum of all bytes is 0. */
void identify_seal(struct drive *d)
{
	uint8_t sum = 0;

	d->hw->buf[510] = 0xa5;
	for (unsigned i = 0; i < 511; i++)
		sum += d->hw->buf[i];
	d->hw->buf[511] = (uint8_t)-sum;
}

static void identify_geometry(struct drive *d)
{
	const struct drive_hw *hw = d->hw;
	uint32_t cylinders = disk_cylinders(d, hw->heads, hw->sectors);
	uint64_t total = disk_sectors(d);

	identify_word(d, 1, (uint16_t)disk_cylinders(d, DISK_HEADS, DISK_SECTORS));
	identify_word(d, 3, DISK_HEADS);
	identify_word(d, 6, DISK_SECTORS);
	identify_word(d, 54, (uint16_t)cylinders);
	identify_word(d, 55, hw->heads);
	identify_word(d, 56, hw->sectors);
	identify_dword(d, 57, cylinders * hw->heads * hw->sectors);
	identify_dword(d, 60, (uint32_t)MIN(total, LBA28_MAX));
	identify_dword(d, 100, (uint32_t)total);
	identify_dword(d, 102, (uint32_t)(total >> 32));
}

/* Words 106, 117, 118 and 209: sizes of blocks, which begin at 0. */
static void identify_blocks(struct drive *d)
{
	uint32_t logical = drive_block_size(d);
	unsigned exp = (unsigned)__builtin_ctz(
		MAX(d->medium->info.physical_block, logical) / logical);

	identify_word(d, 106,
		(uint16_t)(0x4000 | (exp ? 0x2000 | exp : 0) | (logical > 512 ? 0x1000 : 0)));
	if (logical > 512)
		identify_dword(d, 117, logical / 2);
	identify_word(d, 209, 0x4000);
}

/* Words 82 to 87: supported, then enabled. */
static void identify_features(struct drive *d)
{
	const struct drive_hw *hw = d->hw;
	uint16_t wwn = d->conf.wwn ? 0x0100 : 0;

	identify_word(d, 82, 0x402b); /* NOP, write cache, power management, security, SMART */
	identify_word(d, 83, 0x7400); /* FLUSH CACHE, its EXT, 48-bit addresses */
	identify_word(d, 84, 0x4060 | wwn); /* WRITE FUA EXT, general purpose logging */
	identify_word(d, 85, 0x4008 | (hw->write_cache ? 0x20 : 0) | (hw->smart ? 1 : 0));
	identify_word(d, 86, 0x3400);
	identify_word(d, 87, 0x4060 | wwn);
	for (unsigned i = 0; i < 4; i++)
		identify_word(d, 108 + i, (uint16_t)(d->conf.wwn >> (48 - 16 * i)));
	identify_word(d, 128, 0x0009); /* security: supported, frozen */
}

static void identify_sata(struct drive *d)
{
	identify_word(d, 75, DRIVE_TAGS - 1);
	identify_word(d, 76, 0x010e);  /* 1.5, 3 and 6 Gb/s, NCQ */
	identify_word(d, 222, 0x107f); /* serial, up to SATA 3.0 */
}

uint32_t disk_identify(struct drive *d)
{
	struct drive_hw *hw = d->hw;

	memset(hw->buf, 0, DRIVE_SECTOR);
	identify_word(d, 0, 0x0040); /* not removable */
	identify_names(d);
	identify_word(d, 47, (uint16_t)(0x8000 | disk_max_multiple(d)));
	identify_word(d, 49, 0x2f00); /* standard standby timer, IORDY, LBA, DMA */
	identify_word(d, 50, 0x4000);
	identify_word(d, 53, 0x0007);
	identify_word(d, 59, hw->multiple ? 0x0100 | hw->multiple : 0);
	identify_word(d, 80, 0x03f0); /* ATA/ATAPI-4 to ACS-2 */
	identify_geometry(d);
	identify_modes(d);
	identify_features(d);
	identify_blocks(d);
	if (disk_can_trim(d)) {
		identify_word(d, 105, DISK_TRIM_BLOCKS);
		identify_word(d, 169, 1);
	}
	identify_word(d, 217, d->conf.rotation);
	if (!d->host->link->data_register)
		identify_sata(d);
	identify_seal(d);
	return DRIVE_SECTOR;
}

/* ---- SMART and logs ---- */

static void checksum(uint8_t page[LOG_PAGE])
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < LOG_PAGE - 1; i++)
		sum += page[i];
	page[LOG_PAGE - 1] = (uint8_t)-sum;
}

/* Attributes that never get worse: id, flags, value, worst; thresholds far below. */
static const struct {
	uint8_t id, flags;
} attributes[] = {{1, 0x03}, {3, 0x03}, {4, 0x02}, {5, 0x03}, {9, 0x03}, {12, 0x03}, {190, 0x03}};

uint32_t disk_smart_data(struct drive *d)
{
	uint8_t *buf = d->hw->buf;

	memset(buf, 0, LOG_PAGE);
	buf[0] = (uint8_t)SMART_REVISION;
	for (unsigned i = 0; i < ARRAY_SIZE(attributes); i++) {
		uint8_t *a = buf + SMART_ATTRS + i * 12;

		a[0] = attributes[i].id;
		a[1] = attributes[i].flags;
		a[3] = a[4] = 100;
	}
	buf[362] = 0x02; /* off-line data collection completed */
	checksum(buf);
	return LOG_PAGE;
}

uint32_t disk_smart_thresholds(struct drive *d)
{
	uint8_t *buf = d->hw->buf;

	memset(buf, 0, LOG_PAGE);
	buf[0] = (uint8_t)SMART_REVISION;
	for (unsigned i = 0; i < ARRAY_SIZE(attributes); i++) {
		buf[SMART_ATTRS + i * 12] = attributes[i].id;
		buf[SMART_ATTRS + i * 12 + 1] = 6;
	}
	checksum(buf);
	return LOG_PAGE;
}

/* Log 00h: version, then how many pages each log has. */
static void log_directory(uint8_t *buf)
{
	buf[0] = 1;
	buf[LOG_NCQ_ERROR * 2] = 1;
}

static void log_ncq_error(struct drive *d)
{
	memcpy(d->hw->buf, d->hw->ncq_log, DRIVE_NCQ_LOG);
	checksum(d->hw->buf);
	d->hw->aborted = false;
}

uint32_t disk_read_log(struct drive *d, uint8_t log, uint16_t page, unsigned pages)
{
	bool ncq = log == LOG_NCQ_ERROR && !d->host->link->data_register;

	if (page || (log != LOG_DIRECTORY && !ncq))
		return 0;
	memset(d->hw->buf, 0, pages * LOG_PAGE);
	if (ncq)
		log_ncq_error(d);
	else if (!d->host->link->data_register)
		log_directory(d->hw->buf);
	else
		d->hw->buf[0] = 1;
	return pages * LOG_PAGE;
}

/* The directory, the summary error log (01h) and the self-test log (06h), both empty. */
uint32_t disk_smart_log(struct drive *d, uint8_t log, unsigned pages)
{
	if (log != LOG_DIRECTORY && log != 0x01 && log != 0x06)
		return 0;
	memset(d->hw->buf, 0, pages * LOG_PAGE);
	d->hw->buf[0] = 1;
	if (log == LOG_DIRECTORY)
		d->hw->buf[0x01 * 2] = d->hw->buf[0x06 * 2] = 1;
	else
		checksum(d->hw->buf);
	return pages * LOG_PAGE;
}
