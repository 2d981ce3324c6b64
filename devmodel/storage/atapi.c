/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CD-ROM drive: the ATA commands of a packet device (ATA/ATAPI-7 volume 1) and the packet
 * commands of MMC-5 and SPC-3.
 */
#include <errno.h>
#include <string.h>

#include "devmodel/storage/cdrom.h"

#define MAX_READ_BLOCKS 0x1fffff /* their bytes are counted in 32 bits */

/* Sense keys (SPC-3, table 27). */
enum { NO_SENSE, NOT_READY = 2, MEDIUM_ERROR = 3, ILLEGAL_REQUEST = 5, UNIT_ATTENTION = 6 };

/* Additional sense: code, qualifier (SPC-3, table 28). */
#define ASC_NONE           0x0000
#define ASC_READ_ERROR     0x1100
#define ASC_OPCODE         0x2000
#define ASC_OUT_OF_RANGE   0x2100
#define ASC_FIELD          0x2400
#define ASC_MEDIUM_CHANGED 0x2800
#define ASC_RESET          0x2900
#define ASC_NO_MEDIUM      0x3a01
#define ASC_TRAY_OPEN      0x3a02
#define ASC_LOCKED         0x5302

enum {
	MEDIUM = 0x01, /* needs one */
	CALM = 0x02,   /* goes through with a unit attention pending */
};

bool cdrom_loaded(const struct drive *d)
{
	return d->medium && !d->hw->tray_open;
}

uint32_t cdrom_blocks(const struct drive *d)
{
	return cdrom_loaded(d) ? (uint32_t)MIN(d->medium->info.size / DRIVE_CD_BLOCK, UINT32_MAX)
			       : 0;
}

/* ---- ends ---- */

/* Status phase: interrupt reason command and input (ATA/ATAPI-7 section 4.10). */
static void end_packet(struct drive *d, unsigned tag, uint8_t status, uint8_t error)
{
	d->hw->regs.count = ATAPI_CD | ATAPI_IO;
	drive_end(d, tag, status, error);
}

static void good(struct drive *d, unsigned tag)
{
	d->hw->sense_key = NO_SENSE;
	d->hw->asc = d->hw->ascq = 0;
	end_packet(d, tag, ATA_DRDY | ATA_DSC, 0);
}

static void check_condition(struct drive *d, unsigned tag, uint8_t key, uint16_t asc)
{
	d->hw->sense_key = key;
	d->hw->asc = (uint8_t)(asc >> 8);
	d->hw->ascq = (uint8_t)asc;
	end_packet(d, tag, ATA_DRDY | ATA_ERR, (uint8_t)(key << 4 | ATA_ABRT));
}

static void bad_field(struct drive *d, unsigned tag)
{
	check_condition(d, tag, ILLEGAL_REQUEST, ASC_FIELD);
}

static void not_ready(struct drive *d, unsigned tag)
{
	check_condition(d, tag, NOT_READY, d->hw->tray_open ? ASC_TRAY_OPEN : ASC_NO_MEDIUM);
}

static void cdrom_done(struct drive *d, unsigned tag)
{
	if (d->hw->cmds[tag].flags & CMD_PACKET)
		good(d, tag);
	else
		drive_end(d, tag, ATA_DRDY | ATA_DSC, 0);
}

static void cdrom_failed(struct drive *d, unsigned tag, int err)
{
	switch (err) {
	case -ENOMEDIUM:
	case -ECANCELED: not_ready(d, tag); break;
	case -ERANGE: check_condition(d, tag, ILLEGAL_REQUEST, ASC_OUT_OF_RANGE); break;
	case -EFAULT: drive_end(d, tag, ATA_DRDY | ATA_ERR, ATA_ABRT); break;
	default: check_condition(d, tag, MEDIUM_ERROR, ASC_READ_ERROR); break;
	}
}

/* ---- the tray ---- */

bool cdrom_button(struct drive *d, bool force)
{
	if (d->hw->locked && !force) {
		d->hw->media_event = MEDIA_EJECT_REQUEST;
		return false;
	}
	if (d->medium)
		d->hw->media_event = MEDIA_REMOVAL;
	d->hw->locked = false;
	d->hw->tray_open = true;
	return true;
}

static void media_arrived(struct drive *d)
{
	d->hw->media_event = MEDIA_NEW;
	d->hw->attention = ASC_MEDIUM_CHANGED >> 8;
}

void cdrom_inserted(struct drive *d)
{
	d->hw->tray_open = false;
	media_arrived(d);
}

/*
 * START STOP UNIT (MMC-5 section 6.42): with LoEj the tray opens or closes, what lies in it stays
 * there.
 */
static void run_start_stop(struct drive *d, unsigned tag)
{
	bool start = d->hw->cdb[4] & 1, load = d->hw->cdb[4] & 2;

	if (!load) {
		good(d, tag);
	} else if (!start && d->hw->locked && cdrom_loaded(d)) {
		check_condition(d, tag, ILLEGAL_REQUEST, ASC_LOCKED);
	} else {
		if (start && d->hw->tray_open && d->medium)
			media_arrived(d);
		if (!start && cdrom_loaded(d))
			d->hw->media_event = MEDIA_REMOVAL;
		d->hw->tray_open = !start;
		good(d, tag);
	}
}

static void run_prevent(struct drive *d, unsigned tag)
{
	d->hw->locked = d->hw->cdb[4] & 1;
	good(d, tag);
}

/* ---- replies ---- */

static void reply(struct drive *d, unsigned tag, uint32_t len, uint32_t allocated)
{
	if (!len)
		bad_field(d, tag);
	else if (!allocated)
		good(d, tag);
	else
		drive_begin_reply(d, tag, MIN(len, allocated));
}

static void run_request_sense(struct drive *d, unsigned tag)
{
	uint32_t len;

	if (d->hw->attention && d->hw->sense_key == NO_SENSE) {
		d->hw->sense_key = UNIT_ATTENTION;
		d->hw->asc = d->hw->attention;
		d->hw->ascq = 0;
		d->hw->attention = 0;
	}
	len = cdrom_request_sense(d);
	d->hw->sense_key = NO_SENSE;
	d->hw->asc = d->hw->ascq = 0;
	reply(d, tag, len, d->hw->cdb[4]);
}

static void run_good(struct drive *d, unsigned tag)
{
	good(d, tag);
}

/* ---- reading ---- */

static void begin_read(struct drive *d, unsigned tag, uint32_t lba, uint32_t n)
{
	if (!range_fits(lba, n, cdrom_blocks(d)))
		check_condition(d, tag, ILLEGAL_REQUEST, ASC_OUT_OF_RANGE);
	else if (n > MAX_READ_BLOCKS)
		bad_field(d, tag);
	else if (!n)
		good(d, tag);
	else
		drive_begin_medium(
			d, tag, BLK_READ, (uint64_t)lba * DRIVE_CD_BLOCK, n * DRIVE_CD_BLOCK);
}

static void run_read10(struct drive *d, unsigned tag)
{
	begin_read(d, tag, get_be32(d->hw->cdb + 2), get_be16(d->hw->cdb + 7));
}

static void run_read12(struct drive *d, unsigned tag)
{
	begin_read(d, tag, get_be32(d->hw->cdb + 2), get_be32(d->hw->cdb + 6));
}

/*
 * User data only, of a mode 1 or any sector; without it nothing is transferred (MMC-5 section
 * 6.17).
 */
static void run_read_cd(struct drive *d, unsigned tag)
{
	const uint8_t *cdb = d->hw->cdb;
	uint32_t n = get_be32(cdb + 5) & 0xffffff;
	unsigned type = cdb[1] >> 2 & 7;

	if (type != 0 && type != 2)
		bad_field(d, tag);
	else if ((cdb[9] & 0xf8) == 0)
		begin_read(d, tag, get_be32(cdb + 2), 0);
	else if ((cdb[9] & 0xfe) == 0x10 && !(cdb[10] & 7))
		begin_read(d, tag, get_be32(cdb + 2), n);
	else
		bad_field(d, tag);
}

static void run_seek(struct drive *d, unsigned tag)
{
	begin_read(d, tag, get_be32(d->hw->cdb + 2), 0);
}

/* The parameters are taken and change nothing: no page has changeable values. */
static void run_mode_select(struct drive *d, unsigned tag)
{
	uint32_t n = get_be16(d->hw->cdb + 7);

	if (n > DRIVE_BUF)
		bad_field(d, tag);
	else if (!n)
		good(d, tag);
	else
		drive_begin_parameters(d, tag, n);
}

/* ---- packet commands ---- */

struct packet_command {
	void (*run)(struct drive *d, unsigned tag);
	uint32_t (*data)(struct drive *d); /* without run: the reply */
	uint8_t flags;
	uint8_t allocation,
		bytes; /* where the allocation length is in the CDB; no bytes: without limit */
};

static const struct packet_command packet_commands[256] = {
	[0x00] = {.run = run_good, .flags = MEDIUM}, /* TEST UNIT READY */
	[0x03] = {.run = run_request_sense, .flags = CALM},
	[0x12] = {.data = cdrom_inquiry, .flags = CALM, .allocation = 3, .bytes = 2},
	[0x1b] = {.run = run_start_stop},
	[0x1e] = {.run = run_prevent},
	[0x25] = {.data = cdrom_read_capacity, .flags = MEDIUM},
	[0x28] = {.run = run_read10, .flags = MEDIUM},
	[0x2b] = {.run = run_seek, .flags = MEDIUM},
	[0x35] = {.run = run_good}, /* SYNCHRONIZE CACHE */
	[0x42] = {.data = cdrom_read_subchannel, .flags = MEDIUM, .allocation = 7, .bytes = 2},
	[0x43] = {.data = cdrom_read_toc, .flags = MEDIUM, .allocation = 7, .bytes = 2},
	[0x46] = {.data = cdrom_get_configuration, .flags = CALM, .allocation = 7, .bytes = 2},
	[0x4a] = {.data = cdrom_event_status, .flags = CALM, .allocation = 7, .bytes = 2},
	[0x51] = {.data = cdrom_disc_information, .flags = MEDIUM, .allocation = 7, .bytes = 2},
	[0x52] = {.data = cdrom_track_information, .flags = MEDIUM, .allocation = 7, .bytes = 2},
	[0x55] = {.run = run_mode_select},
	[0x5a] = {.data = cdrom_mode_sense, .allocation = 7, .bytes = 2},
	[0xa8] = {.run = run_read12, .flags = MEDIUM},
	[0xbb] = {.run = run_good}, /* SET CD SPEED */
	[0xbd] = {.data = cdrom_mechanism_status, .allocation = 8, .bytes = 2},
	[0xbe] = {.run = run_read_cd, .flags = MEDIUM},
};

static uint32_t allocation(const struct drive *d, const struct packet_command *c)
{
	return c->bytes ? get_be16(d->hw->cdb + c->allocation) : DRIVE_BUF;
}

static void run_packet(struct drive *d, unsigned tag)
{
	const struct packet_command *c = &packet_commands[d->hw->cdb[0]];

	d->hw->cmds[tag].flags |= CMD_PACKET | (d->hw->regs.feature & 1 ? CMD_DMA : 0);
	d->hw->buf_len = 0;
	if (!c->run && !c->data) {
		check_condition(d, tag, ILLEGAL_REQUEST, ASC_OPCODE);
	} else if (d->hw->attention && !(c->flags & CALM)) {
		check_condition(d, tag, UNIT_ATTENTION, (uint16_t)(d->hw->attention << 8));
		d->hw->attention = 0;
	} else if (c->flags & MEDIUM && !cdrom_loaded(d)) {
		not_ready(d, tag);
	} else if (c->run) {
		memset(d->hw->buf, 0, DRIVE_SECTOR);
		c->run(d, tag);
	} else {
		memset(d->hw->buf, 0, DRIVE_SECTOR);
		reply(d, tag, c->data(d), allocation(d, c));
	}
}

/* ---- ATA commands ---- */

static void end_ata(struct drive *d, unsigned tag, bool taken)
{
	drive_end(d, tag, ATA_DRDY | ATA_DSC | (taken ? 0 : ATA_ERR), taken ? 0 : ATA_ABRT);
}

/*
 * The most that one DRQ block may have; an even number where others follow (ATA/ATAPI-7 section
 * 6.24.4).
 */
static void set_byte_limit(struct drive *d)
{
	const struct ata_regs *r = &d->hw->regs;
	uint32_t limit = (uint32_t)(r->lba[1] | r->lba[2] << 8) & 0xfffe;

	d->hw->drq_block = limit ? limit : DRIVE_DRQ_MAX;
}

static void start_packet(struct drive *d, unsigned tag)
{
	set_byte_limit(d);
	if (d->hw->regs.feature & 2) /* overlapped */
		end_ata(d, tag, false);
	else if (d->host->link->data_register)
		drive_begin_parameters(d, tag, DRIVE_CDB);
	else
		run_packet(d, tag);
}

static void cdrom_parameters(struct drive *d, unsigned tag)
{
	if (d->hw->cmds[tag].flags & CMD_PACKET) {
		good(d, tag);
		return;
	}
	memcpy(d->hw->cdb, d->hw->buf, DRIVE_CDB);
	d->hw->cmds[tag].flags = 0;
	run_packet(d, tag);
}

/*
 * Says what it is, so that a driver sees by IDENTIFY DEVICE too that it is not a disk (ATA/ATAPI-7
 * section 6.16.6).
 */
static void refuse_with_signature(struct drive *d, unsigned tag)
{
	drive_set_signature(d);
	end_ata(d, tag, false);
}

static void start_identify(struct drive *d, unsigned tag)
{
	d->hw->drq_block = DRIVE_SECTOR;
	drive_begin_reply(d, tag, cdrom_identify(d));
}

static void start_set_features(struct drive *d, unsigned tag)
{
	const struct ata_regs *r = &d->hw->regs;

	end_ata(d, tag, r->feature == 0x03 && drive_set_transfer_mode(d, r->count));
}

static void start_check_power(struct drive *d, unsigned tag)
{
	d->hw->regs.count = 0xff;
	end_ata(d, tag, true);
}

static void cdrom_start(struct drive *d, unsigned tag)
{
	switch (d->hw->regs.command) {
	case ATA_PACKET: start_packet(d, tag); break;
	case ATA_IDENTIFY_PACKET: start_identify(d, tag); break;
	case ATA_IDENTIFY:
	case ATA_READ_SECTORS: refuse_with_signature(d, tag); break;
	case ATA_DEVICE_RESET:
	case ATA_DEVICE_DIAGNOSTIC:
		drive_set_signature(d);
		drive_end(d, tag, d->hw->regs.status, ATA_DIAG_PASSED);
		break;
	case ATA_SET_FEATURES: start_set_features(d, tag); break;
	case ATA_CHECK_POWER: start_check_power(d, tag); break;
	case ATA_IDLE_IMMEDIATE:
	case ATA_STANDBY_IMMEDIATE:
	case ATA_SLEEP:
	case ATA_FLUSH_CACHE: end_ata(d, tag, true); break;
	default: end_ata(d, tag, false); break;
	}
}

/* Interrupt reason and byte count of a DRQ block. */
static void cdrom_drq(struct drive *d, uint32_t n)
{
	const struct drive_cmd_hw *h = &d->hw->cmds[0];
	struct ata_regs *r = &d->hw->regs;

	if (h->command != ATA_PACKET)
		return;
	r->count = !(h->flags & CMD_PACKET) ? ATAPI_CD : h->phase == PHASE_PIO_IN ? ATAPI_IO : 0;
	if (!(h->flags & CMD_PACKET))
		return;
	r->lba[1] = (uint8_t)n;
	r->lba[2] = (uint8_t)(n >> 8);
}

static void cdrom_reset(struct drive *d, bool power_on)
{
	struct drive_hw *hw = d->hw;

	hw->sense_key = NO_SENSE;
	hw->asc = hw->ascq = 0;
	if (!power_on)
		return;
	hw->locked = false;
	hw->dma_mode = 0x42;
	hw->pio_mode = 0x0c;
	hw->attention = ASC_RESET >> 8;
	hw->media_event = d->medium ? MEDIA_NEW : MEDIA_NO_CHANGE;
}

const struct drive_ops drive_cdrom_ops = {
	.kind = DRIVE_CDROM,
	.model = "VMMD CD-ROM",
	.block = DRIVE_CD_BLOCK,
	.signature = {1, 1, 0x14, 0xeb},
	.start = cdrom_start,
	.parameters = cdrom_parameters,
	.done = cdrom_done,
	.failed = cdrom_failed,
	.drq = cdrom_drq,
	.reset = cdrom_reset,
};
