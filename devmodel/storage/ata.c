/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk: the commands of the General feature set and those around it, ATA/ATAPI-7 chapter 6, ACS-2
 * chapter 7.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "devmodel/storage/disk.h"

#define ST_OK      (ATA_DRDY | ATA_DSC)
#define MAX_BUF    (DRIVE_BUF / DRIVE_SECTOR)
#define RANGE_SIZE 8 /* of TRIM: 48 bits of address, 16 of length */
#define SMART_MID  0x4f
#define SMART_HIGH 0xc2

/* Flags of a row of the table, beside CMD_DMA, CMD_FUA and CMD_NCQ. */
enum { EXT = 0x0100, WRITE = 0x0200, MULTI = 0x0400 };

struct command {
	void (*run)(struct drive *d, unsigned tag, unsigned flags);
	unsigned flags;
};

/* ---- registers ---- */

static uint64_t get_lba48(const struct ata_regs *r)
{
	return r->lba[0] | r->lba[1] << 8 | r->lba[2] << 16 | (uint64_t)r->hob_lba[0] << 24 |
	       (uint64_t)r->hob_lba[1] << 32 | (uint64_t)r->hob_lba[2] << 40;
}

static void set_lba48(struct ata_regs *r, uint64_t lba)
{
	for (unsigned i = 0; i < 3; i++) {
		r->lba[i] = (uint8_t)(lba >> (8 * i));
		r->hob_lba[i] = (uint8_t)(lba >> (24 + 8 * i));
	}
}

static void set_lba28(struct ata_regs *r, uint64_t lba)
{
	for (unsigned i = 0; i < 3; i++)
		r->lba[i] = (uint8_t)(lba >> (8 * i));
	r->device = (r->device & 0xf0) | (lba >> 24 & 0x0f);
}

static uint32_t get_lba28(const struct ata_regs *r)
{
	return r->lba[0] | r->lba[1] << 8 | r->lba[2] << 16 | (uint32_t)(r->device & 0x0f) << 24;
}

/* Cylinder, head, sector (from 1) of the current translation; false: there is no such place. */
static bool get_chs(const struct drive *d, uint64_t *lba)
{
	const struct ata_regs *r = &d->hw->regs;
	unsigned cylinder = r->lba[1] | r->lba[2] << 8, head = r->device & 0x0f, sector = r->lba[0];

	if (!sector || sector > d->hw->sectors || head >= d->hw->heads)
		return false;
	*lba = ((uint64_t)cylinder * d->hw->heads + head) * d->hw->sectors + sector - 1;
	return true;
}

static void set_chs(struct drive *d, uint64_t lba)
{
	struct ata_regs *r = &d->hw->regs;
	uint64_t cylinder = lba / (d->hw->heads * d->hw->sectors);

	r->lba[0] = (uint8_t)(lba % d->hw->sectors + 1);
	r->lba[1] = (uint8_t)cylinder;
	r->lba[2] = (uint8_t)(cylinder >> 8);
	r->device = (uint8_t)((r->device & 0xf0) | (lba / d->hw->sectors % d->hw->heads));
}

static bool get_lba(const struct drive *d, unsigned flags, uint64_t *lba)
{
	const struct ata_regs *r = &d->hw->regs;

	if (flags & EXT)
		*lba = get_lba48(r);
	else if (r->device & ATA_DEV_LBA)
		*lba = get_lba28(r);
	else
		return get_chs(d, lba);
	return true;
}

/* Sectors: 0 stands for the greatest number. */
static uint32_t get_count(const struct ata_regs *r, unsigned flags)
{
	uint32_t n = flags & EXT ? r->count | (uint32_t)r->hob_count << 8 : r->count;

	return n ? n : flags & EXT ? 0x10000 : 0x100;
}

/* ---- ends ---- */

static void ok(struct drive *d, unsigned tag)
{
	drive_end(d, tag, ST_OK, 0);
}

static void refuse(struct drive *d, unsigned tag, uint8_t error)
{
	drive_end(d, tag, ST_OK | ATA_ERR, error);
}

static void run_ok(struct drive *d, unsigned tag, unsigned flags)
{
	ok(d, tag);
}

/* Where it has failed, in the form in which the command gave its address. */
static void set_failed_lba(struct drive *d, const struct drive_cmd_hw *h)
{
	struct ata_regs *r = &d->hw->regs;
	uint64_t lba = h->offset / drive_block_size(d);

	switch (h->op) {
	case BLK_READ:
	case BLK_WRITE: break;
	default: return;
	}
	if (h->flags & CMD_NCQ || h->ext)
		set_lba48(r, lba);
	else if (r->device & ATA_DEV_LBA)
		set_lba28(r, lba);
	else
		set_chs(d, lba);
}

/* The log of ACS-2, section A.14.2; the other queued commands are gone with this one. */
static void fail_queued(struct drive *d, unsigned tag, uint8_t error)
{
	struct drive_hw *hw = d->hw;
	const struct ata_regs *r = &hw->regs;
	uint8_t log[DRIVE_NCQ_LOG] = {(uint8_t)tag, 0, ST_OK | ATA_ERR, error, r->lba[0], r->lba[1],
		r->lba[2], ATA_DEV_LBA, r->hob_lba[0], r->hob_lba[1], r->hob_lba[2]};

	memcpy(hw->ncq_log, log, sizeof(log));
	hw->aborted = true;
	drive_drop_others(d, tag);
	refuse(d, tag, error);
}

static uint8_t error_of(const struct drive_cmd_hw *h, int err)
{
	switch (err) {
	case -ERANGE: return ATA_IDNF;
	case -EIO:
	case -EILSEQ:
	case -ENODATA: return h->op == BLK_READ ? ATA_UNC : ATA_ABRT;
	default: return ATA_ABRT;
	}
}

static void disk_failed(struct drive *d, unsigned tag, int err)
{
	const struct drive_cmd_hw h = d->hw->cmds[tag];

	set_failed_lba(d, &h);
	if (h.flags & CMD_NCQ)
		fail_queued(d, tag, error_of(&h, err));
	else
		refuse(d, tag, error_of(&h, err));
}

/* ---- reading and writing ---- */

/* What is not on the disk is refused before anything is moved. */
static bool get_range(struct drive *d, unsigned tag, unsigned flags, uint64_t *lba, uint32_t *n)
{
	*n = get_count(&d->hw->regs, flags);
	if (get_lba(d, flags, lba) && range_fits(*lba, *n, disk_sectors(d)))
		return true;
	refuse(d, tag, ATA_IDNF);
	return false;
}

static void begin_transfer(
	struct drive *d, unsigned tag, unsigned flags, uint64_t lba, uint32_t sectors)
{
	struct drive_cmd_hw *h = &d->hw->cmds[tag];
	uint32_t block = drive_block_size(d);

	h->flags = flags & CMD_ALL;
	h->ext = flags & EXT;
	if (!(flags & WRITE))
		h->flags &= ~CMD_FUA;
	else if (!d->hw->write_cache)
		h->flags |= CMD_FUA;
	d->hw->power = POWER_ACTIVE;
	d->hw->drq_block = flags & MULTI ? d->hw->multiple * block : block;
	drive_begin_medium(
		d, tag, flags & WRITE ? BLK_WRITE : BLK_READ, lba * block, sectors * block);
}

static void run_transfer(struct drive *d, unsigned tag, unsigned flags)
{
	uint64_t lba;
	uint32_t n;

	if (flags & MULTI && !d->hw->multiple)
		refuse(d, tag, ATA_ABRT);
	else if (get_range(d, tag, flags, &lba, &n))
		begin_transfer(d, tag, flags, lba, n);
}

/*
 * The number of sectors is in the feature registers, the tag in the count register (ACS-2, section
 * 7.23).
 */
static void run_queued(struct drive *d, unsigned tag, unsigned flags)
{
	struct ata_regs *r = &d->hw->regs;
	uint32_t n = r->feature | (uint32_t)r->hob_feature << 8;
	uint64_t lba = get_lba48(r);

	n = n ? n : 0x10000;
	if (d->host->link->data_register || r->count >> 3 != tag) {
		refuse(d, tag, ATA_ABRT);
		return;
	}
	if (!range_fits(lba, n, disk_sectors(d))) {
		d->hw->cmds[tag].flags = CMD_NCQ | CMD_DMA;
		fail_queued(d, tag, ATA_IDNF);
		return;
	}
	if (r->device & 0x80)
		flags |= CMD_FUA;
	r->status = ST_OK; /* released: the next command may come */
	begin_transfer(d, tag, flags, lba, n);
}

static void run_verify(struct drive *d, unsigned tag, unsigned flags)
{
	uint64_t lba;
	uint32_t n;

	if (get_range(d, tag, flags, &lba, &n))
		ok(d, tag);
}

static void run_flush(struct drive *d, unsigned tag, unsigned flags)
{
	drive_begin_medium(d, tag, BLK_FLUSH, 0, 0);
}

/* ---- DATA SET MANAGEMENT (ACS-2, section 7.9) ---- */

static void run_trim(struct drive *d, unsigned tag, unsigned flags)
{
	uint32_t n = get_count(&d->hw->regs, EXT);

	if (!disk_can_trim(d) || d->hw->regs.feature != 1 || n > DISK_TRIM_BLOCKS) {
		refuse(d, tag, ATA_ABRT);
		return;
	}
	d->hw->cmds[tag].flags = CMD_DMA;
	drive_begin_parameters(d, tag, n * DRIVE_SECTOR);
}

/* The first range that has a length: done ones lose theirs. */
static uint8_t *next_range(struct drive *d, uint64_t *lba, uint32_t *n)
{
	for (uint32_t at = 0; at + RANGE_SIZE <= d->hw->buf_len; at += RANGE_SIZE) {
		uint64_t v;

		memcpy(&v, d->hw->buf + at, sizeof(v));
		v = le64toh(v);
		*lba = v & 0xffffffffffff;
		*n = (uint32_t)(v >> 48);
		if (*n)
			return d->hw->buf + at;
	}
	return NULL;
}

static bool disk_range(struct drive *d, uint64_t *offset, uint64_t *len)
{
	uint64_t lba;
	uint32_t n;

	if (!next_range(d, &lba, &n))
		return false;
	*offset = lba * drive_block_size(d);
	*len = (uint64_t)n * drive_block_size(d);
	return true;
}

static void disk_parameters(struct drive *d, unsigned tag)
{
	uint64_t lba;
	uint32_t n;

	if (d->hw->cmds[tag].command != ATA_DATA_SET_MANAGEMENT)
		refuse(d, tag, ATA_ABRT);
	else if (next_range(d, &lba, &n))
		drive_begin_medium(d, tag, BLK_DISCARD, 0, 0);
	else
		ok(d, tag);
}

/* So many bytes of the first range are discarded. */
static void trimmed(struct drive *d, uint64_t bytes)
{
	uint32_t n, done = (uint32_t)(bytes / drive_block_size(d));
	uint64_t lba, v;
	uint8_t *p = next_range(d, &lba, &n);

	if (!p)
		return;
	done = MIN(done, n);
	v = htole64(((lba + done) & 0xffffffffffff) | (uint64_t)(n - done) << 48);
	memcpy(p, &v, sizeof(v));
}

static void disk_done(struct drive *d, unsigned tag)
{
	if (d->hw->cmds[tag].op == BLK_DISCARD) {
		trimmed(d, d->cmds[tag].io.len);
		disk_parameters(d, tag);
	} else {
		ok(d, tag);
	}
}

/* ---- information ---- */

static void reply(struct drive *d, unsigned tag, unsigned flags, uint32_t len)
{
	if (!len) {
		refuse(d, tag, ATA_ABRT);
		return;
	}
	d->hw->cmds[tag].flags = flags & CMD_DMA;
	d->hw->drq_block = DRIVE_SECTOR;
	drive_begin_reply(d, tag, len);
}

static void run_identify(struct drive *d, unsigned tag, unsigned flags)
{
	reply(d, tag, 0, disk_identify(d));
}

/*
 * A packet device answers like that too; its signature tells the guest what it is (section 6.15.2).
 */
static void run_read_log(struct drive *d, unsigned tag, unsigned flags)
{
	const struct ata_regs *r = &d->hw->regs;
	uint16_t page = (uint16_t)(r->lba[1] | r->hob_lba[1] << 8);
	uint32_t n = r->count | (uint32_t)r->hob_count << 8;

	reply(d, tag, flags, n && n <= MAX_BUF ? disk_read_log(d, r->lba[0], page, n) : 0);
}

static void smart_status(struct drive *d, unsigned tag)
{
	d->hw->regs.lba[1] = SMART_MID; /* these two: no threshold exceeded */
	d->hw->regs.lba[2] = SMART_HIGH;
	ok(d, tag);
}

static void smart_enable(struct drive *d, unsigned tag, bool on)
{
	d->hw->smart = on;
	ok(d, tag);
}

static void run_smart(struct drive *d, unsigned tag, unsigned flags)
{
	const struct ata_regs *r = &d->hw->regs;
	uint32_t n = get_count(r, 0);

	if (r->lba[1] != SMART_MID || r->lba[2] != SMART_HIGH ||
		(!d->hw->smart && r->feature != 0xd8)) {
		refuse(d, tag, ATA_ABRT);
		return;
	}
	switch (r->feature) {
	case 0xd0: reply(d, tag, 0, disk_smart_data(d)); break;
	case 0xd1: reply(d, tag, 0, disk_smart_thresholds(d)); break;
	case 0xd2:                    /* attribute autosave */
	case 0xd4: ok(d, tag); break; /* self-tests have nothing to find */
	case 0xd5: reply(d, tag, 0, n <= MAX_BUF ? disk_smart_log(d, r->lba[0], n) : 0); break;
	case 0xd8: smart_enable(d, tag, true); break;
	case 0xd9: smart_enable(d, tag, false); break;
	case 0xda: smart_status(d, tag); break;
	default: refuse(d, tag, ATA_ABRT); break;
	}
}

static void run_native_max(struct drive *d, unsigned tag, unsigned flags)
{
	struct ata_regs *r = &d->hw->regs;
	uint64_t last = disk_sectors(d) - 1;

	if (flags & EXT)
		set_lba48(r, last);
	else
		set_lba28(r, MIN(last, 0x0fffffff));
	ok(d, tag);
}

static void run_check_power(struct drive *d, unsigned tag, unsigned flags)
{
	static const uint8_t count[] = {
		[POWER_ACTIVE] = 0xff,
		[POWER_IDLE] = 0x80,
		[POWER_STANDBY] = 0,
		[POWER_SLEEP] = 0,
	};

	d->hw->regs.count = count[d->hw->power];
	ok(d, tag);
}

/* ---- settings ---- */

/* The value of a row's flags is the state it leads to. */
static void run_power(struct drive *d, unsigned tag, unsigned flags)
{
	d->hw->power = (uint8_t)flags;
	ok(d, tag);
}

static void run_set_multiple(struct drive *d, unsigned tag, unsigned flags)
{
	unsigned n = d->hw->regs.count;

	if (n > disk_max_multiple(d) || (n && !is_power_of_2(n))) {
		refuse(d, tag, ATA_ABRT);
		return;
	}
	d->hw->multiple = (uint8_t)n;
	ok(d, tag);
}

static void run_init_parameters(struct drive *d, unsigned tag, unsigned flags)
{
	const struct ata_regs *r = &d->hw->regs;

	if (!r->count) {
		refuse(d, tag, ATA_ABRT);
		return;
	}
	d->hw->heads = (r->device & 0x0f) + 1;
	d->hw->sectors = r->count;
	ok(d, tag);
}

bool drive_set_transfer_mode(struct drive *d, uint8_t mode)
{
	unsigned n = mode & 7;

	switch (mode & 0xf8) {
	case 0x00: return n <= 1; /* PIO default */
	case 0x08:
		if (n > 4)
			return false;
		d->hw->pio_mode = mode;
		return true;
	case 0x20:
		if (n > 2)
			return false;
		d->hw->dma_mode = mode;
		return true;
	case 0x40:
		if (!(DISK_UDMA_MODES & 1u << n))
			return false;
		d->hw->dma_mode = mode;
		return true;
	default: return false;
	}
}

static void set_write_cache(struct drive *d, unsigned tag, bool on)
{
	d->hw->write_cache = on;
	if (on)
		ok(d, tag);
	else
		drive_begin_medium(d, tag, BLK_FLUSH, 0, 0);
}

static void run_set_features(struct drive *d, unsigned tag, unsigned flags)
{
	const struct ata_regs *r = &d->hw->regs;

	switch (r->feature) {
	case 0x02: set_write_cache(d, tag, true); break;
	case 0x82: set_write_cache(d, tag, false); break;
	case 0x03:
		if (drive_set_transfer_mode(d, r->count))
			ok(d, tag);
		else
			refuse(d, tag, ATA_ABRT);
		break;
	case 0x55: /* read look-ahead off, on: there is none to notice */
	case 0xaa:
	case 0x66: /* keep settings at a software reset, or not: ours are kept */
	case 0xcc: ok(d, tag); break;
	default: refuse(d, tag, ATA_ABRT); break;
	}
}

static void run_diagnostic(struct drive *d, unsigned tag, unsigned flags)
{
	drive_set_signature(d);
	drive_end(d, tag, d->hw->regs.status, ATA_DIAG_PASSED);
}

/* ---- the table ---- */

#define RW(c, f) [c] = {run_transfer, f}

static const struct command commands[256] = {
	RW(ATA_READ_SECTORS, 0),
	RW(ATA_READ_SECTORS_NORETRY, 0),
	RW(ATA_READ_SECTORS_EXT, EXT),
	RW(ATA_READ_MULTIPLE, MULTI),
	RW(ATA_READ_MULTIPLE_EXT, MULTI | EXT),
	RW(ATA_READ_DMA, CMD_DMA),
	RW(ATA_READ_DMA_NORETRY, CMD_DMA),
	RW(ATA_READ_DMA_EXT, CMD_DMA | EXT),
	RW(ATA_WRITE_SECTORS, WRITE),
	RW(ATA_WRITE_SECTORS_NORETRY, WRITE),
	RW(ATA_WRITE_SECTORS_EXT, WRITE | EXT),
	RW(ATA_WRITE_MULTIPLE, WRITE | MULTI),
	RW(ATA_WRITE_MULTIPLE_EXT, WRITE | MULTI | EXT),
	RW(ATA_WRITE_MULTIPLE_FUA_EXT, WRITE | MULTI | EXT | CMD_FUA),
	RW(ATA_WRITE_DMA, WRITE | CMD_DMA),
	RW(ATA_WRITE_DMA_NORETRY, WRITE | CMD_DMA),
	RW(ATA_WRITE_DMA_EXT, WRITE | CMD_DMA | EXT),
	RW(ATA_WRITE_DMA_FUA_EXT, WRITE | CMD_DMA | EXT | CMD_FUA),
	[ATA_READ_FPDMA] = {run_queued, CMD_NCQ | CMD_DMA | EXT},
	[ATA_WRITE_FPDMA] = {run_queued, CMD_NCQ | CMD_DMA | EXT | WRITE},
	[ATA_READ_VERIFY] = {run_verify, 0},
	[ATA_READ_VERIFY_NORETRY] = {run_verify, 0},
	[ATA_READ_VERIFY_EXT] = {run_verify, EXT},
	[ATA_DATA_SET_MANAGEMENT] = {run_trim, 0},
	[ATA_FLUSH_CACHE] = {run_flush, 0},
	[ATA_FLUSH_CACHE_EXT] = {run_flush, 0},
	[ATA_RECALIBRATE] = {run_ok, 0},
	[ATA_SEEK] = {run_ok, 0},
	[ATA_IDENTIFY] = {run_identify, 0},
	[ATA_READ_LOG_EXT] = {run_read_log, 0},
	[ATA_READ_LOG_DMA_EXT] = {run_read_log, CMD_DMA},
	[ATA_SMART] = {run_smart, 0},
	[ATA_READ_NATIVE_MAX] = {run_native_max, 0},
	[ATA_READ_NATIVE_MAX_EXT] = {run_native_max, EXT},
	[ATA_SET_MULTIPLE] = {run_set_multiple, 0},
	[ATA_INIT_PARAMETERS] = {run_init_parameters, 0},
	[ATA_SET_FEATURES] = {run_set_features, 0},
	[ATA_SECURITY_FREEZE_LOCK] = {run_ok, 0}, /* it is frozen already */
	[ATA_DEVICE_DIAGNOSTIC] = {run_diagnostic, 0},
	[ATA_CHECK_POWER] = {run_check_power, 0},
	[ATA_CHECK_POWER_OLD] = {run_check_power, 0},
	[ATA_IDLE] = {run_power, POWER_IDLE},
	[ATA_IDLE_OLD] = {run_power, POWER_IDLE},
	[ATA_IDLE_IMMEDIATE] = {run_power, POWER_IDLE},
	[ATA_IDLE_IMMEDIATE_OLD] = {run_power, POWER_IDLE},
	[ATA_STANDBY] = {run_power, POWER_STANDBY},
	[ATA_STANDBY_OLD] = {run_power, POWER_STANDBY},
	[ATA_STANDBY_IMMEDIATE] = {run_power, POWER_STANDBY},
	[ATA_STANDBY_IMMEDIATE_OLD] = {run_power, POWER_STANDBY},
	[ATA_SLEEP] = {run_power, POWER_SLEEP},
	[ATA_SLEEP_OLD] = {run_power, POWER_SLEEP},
};

/* After a failed queued command only its log is read (SATA 3.0, section 13.6.4.2). */
static bool lets_pass(const struct drive *d, uint8_t command)
{
	return !d->hw->aborted || command == ATA_READ_LOG_EXT || command == ATA_READ_LOG_DMA_EXT;
}

/* In the sleep mode nothing but a reset is noticed (ATA/ATAPI-7, section 4.15.4). */
static void disk_start(struct drive *d, unsigned tag)
{
	const struct command *c = &commands[d->hw->regs.command];

	if (d->hw->power == POWER_SLEEP)
		d->hw->regs.status = 0;
	else if (c->run && lets_pass(d, d->hw->regs.command))
		c->run(d, tag, c->flags);
	else
		refuse(d, tag, ATA_ABRT);
}

static void disk_reset(struct drive *d, bool power_on)
{
	struct drive_hw *hw = d->hw;

	hw->power = POWER_ACTIVE;
	hw->aborted = false;
	if (!power_on)
		return;
	hw->heads = DISK_HEADS;
	hw->sectors = DISK_SECTORS;
	hw->multiple = (uint8_t)disk_max_multiple(d);
	hw->dma_mode = DISK_UDMA_DEFAULT;
	hw->pio_mode = 0x0c;
	hw->write_cache = d->medium && d->medium->info.write_cache;
	hw->smart = true;
}

const struct drive_ops drive_disk_ops = {
	.kind = DRIVE_DISK,
	.model = "VMMD HARDDISK",
	.block = DRIVE_SECTOR,
	.signature = {1, 1, 0, 0},
	.start = disk_start,
	.parameters = disk_parameters,
	.done = disk_done,
	.failed = disk_failed,
	.range = disk_range,
	.reset = disk_reset,
};
