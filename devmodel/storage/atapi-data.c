/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a CD-ROM drive answers: SPC-3 (T10/1416-D), MMC-5 (T10/1675-D). One data track in one
 * session.
 */
#include <string.h>

#include "devmodel/storage/cdrom.h"
#include "devmodel/storage/disk.h"

#define CD_MAX_BLOCKS (80 * 60 * 75) /* of 80 minutes; what is larger is a DVD */
#define LEAD_OUT      0xaa
#define DATA_TRACK    0x14 /* ADR 1, data, no copy */
#define LAST_FEATURE  0x0107

enum { PROFILE_NONE = 0x0000, PROFILE_CD = 0x0008, PROFILE_DVD = 0x0010 };

uint32_t cdrom_identify(struct drive *d)
{
	memset(d->hw->buf, 0, DRIVE_SECTOR);
	identify_word(
		d, 0, 0x85c0); /* packet, CD-ROM, removable, DRQ within 50 us, CDB of 12 bytes */
	identify_names(d);
	identify_word(d, 49, 0x0f00);
	identify_word(d, 50, 0x4000);
	identify_word(d, 53, 0x0006);
	identify_modes(d);
	identify_word(d, 71, 30); /* ns */
	identify_word(d, 72, 30);
	identify_word(d, 80, 0x00f0); /* ATA/ATAPI-4 to 7 */
	identify_word(d, 82, 0x4218); /* NOP, DEVICE RESET, PACKET, power management */
	identify_word(d, 83, 0x4000);
	identify_word(d, 84, 0x4000);
	identify_word(d, 85, 0x4218);
	identify_word(d, 87, 0x4000);
	if (!d->host->link->data_register)
		identify_word(d, 76, 0x000e); /* 1.5, 3 and 6 Gb/s */
	identify_seal(d);
	return DRIVE_SECTOR;
}

/* SPC-3 section 6.4.2. No vital product data. */
uint32_t cdrom_inquiry(struct drive *d)
{
	static const char vendor[8] = "VMMD    ";
	uint8_t *buf = d->hw->buf;

	if (d->hw->cdb[1] & 0x03 || d->hw->cdb[2])
		return 0;
	buf[0] = 0x05; /* CD/DVD */
	buf[1] = 0x80; /* removable */
	buf[2] = 0x05; /* SPC-3 */
	buf[3] = 0x02; /* response format */
	buf[4] = 36 - 5;
	memcpy(buf + 8, vendor, sizeof(vendor));
	memset(buf + 16, ' ', 20);
	memcpy(buf + 16, d->conf.model, strnlen(d->conf.model, 16));
	memcpy(buf + 32, d->conf.firmware, strnlen(d->conf.firmware, 4));
	return 36;
}

/* SPC-3 section 4.5.3, fixed format. */
uint32_t cdrom_request_sense(struct drive *d)
{
	uint8_t *buf = d->hw->buf;

	buf[0] = 0x70;
	buf[2] = d->hw->sense_key;
	buf[7] = 18 - 8;
	buf[12] = d->hw->asc;
	buf[13] = d->hw->ascq;
	return 18;
}

/* ---- mode pages (MMC-5 section 7) ---- */

static const uint8_t page_error_recovery[] = {0x01, 0x06, 0, 5, 0, 0, 0, 0};
static const uint8_t page_power[] = {0x1a, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
/* Reads CD-R, CD-RW, DVD-ROM; tray, lock, eject; 64 x 176 kB/s (0x2c00 / 176). */
static const uint8_t page_capabilities[] = {0x2a, 0x12, 0x0b, 0x00, 0x70, 0x60, 0x29, 0x00, 0x2c,
	0x00, 0x00, 0x02, 0x02, 0x00, 0x2c, 0x00, 0x00, 0x00, 0x00, 0x00};

static const struct {
	const uint8_t *data;
	uint8_t size;
} pages[] = {
	{page_error_recovery, sizeof(page_error_recovery)},
	{page_power, sizeof(page_power)},
	{page_capabilities, sizeof(page_capabilities)},
};

uint32_t cdrom_mode_sense(struct drive *d)
{
	const uint8_t *cdb = d->hw->cdb;
	uint8_t *buf = d->hw->buf, wanted = cdb[2] & 0x3f;
	uint32_t len = 8;

	if (cdb[2] >> 6 == 3) /* saved values */
		return 0;
	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
		if (wanted != 0x3f && wanted != pages[i].data[0])
			continue;
		memcpy(buf + len, pages[i].data, pages[i].size);
		if (cdb[2] >> 6 == 1) /* changeable ones: none */
			memset(buf + len + 2, 0, pages[i].size - 2);
		else if (pages[i].data[0] == 0x2a)
			buf[len + 6] |= d->hw->locked ? 0x02 : 0;
		len += pages[i].size;
	}
	if (len == 8)
		return 0;
	put_be16(buf, len - 2);
	return len;
}

/* ---- the medium ---- */

uint32_t cdrom_read_capacity(struct drive *d)
{
	put_be32(d->hw->buf, cdrom_blocks(d) - 1);
	put_be32(d->hw->buf + 4, DRIVE_CD_BLOCK);
	return 8;
}

/* As minutes, seconds and frames, where block 0 is at 2 seconds. */
static void put_address(uint8_t *p, uint32_t lba, bool msf)
{
	if (!msf) {
		put_be32(p, lba);
		return;
	}
	lba += 150;
	p[0] = 0;
	p[1] = (uint8_t)(lba / (75 * 60));
	p[2] = (uint8_t)(lba / 75 % 60);
	p[3] = (uint8_t)(lba % 75);
}

static uint32_t toc_tracks(struct drive *d, bool msf)
{
	uint8_t *p = d->hw->buf + 4, first = d->hw->cdb[6];

	if (first > 1 && first != LEAD_OUT)
		return 0;
	if (first <= 1) {
		p[1] = DATA_TRACK;
		p[2] = 1;
		put_address(p + 4, 0, msf);
		p += 8;
	}
	p[1] = DATA_TRACK;
	p[2] = LEAD_OUT;
	put_address(p + 4, cdrom_blocks(d), msf);
	return (uint32_t)(p + 8 - d->hw->buf);
}

static uint32_t toc_sessions(struct drive *d, bool msf)
{
	uint8_t *p = d->hw->buf + 4;

	p[1] = DATA_TRACK;
	p[2] = 1;
	put_address(p + 4, 0, msf);
	return 12;
}

/* The raw entries of the lead-in: first and last track, lead-out, track 1. */
static uint32_t toc_full(struct drive *d)
{
	uint8_t *p = d->hw->buf + 4;
	static const uint8_t points[] = {0xa0, 0xa1, 0xa2, 1};

	for (unsigned i = 0; i < ARRAY_SIZE(points); i++, p += 11) {
		p[0] = 1;
		p[1] = DATA_TRACK;
		p[3] = points[i];
		if (points[i] == 0xa0 || points[i] == 0xa1)
			p[8] = 1;
		else
			put_address(p + 7, points[i] == 1 ? 0 : cdrom_blocks(d), true);
	}
	return (uint32_t)(p - d->hw->buf);
}

/* MMC-5 section 6.25. The format was once in the control byte. */
uint32_t cdrom_read_toc(struct drive *d)
{
	const uint8_t *cdb = d->hw->cdb;
	unsigned format = cdb[2] & 0x0f ? cdb[2] & 0x0f : cdb[9] >> 6;
	bool msf = cdb[1] & 0x02;
	uint32_t len;

	switch (format) {
	case 0: len = toc_tracks(d, msf); break;
	case 1: len = toc_sessions(d, msf); break;
	case 2: len = toc_full(d); break;
	default: len = 0; break;
	}
	if (!len)
		return 0;
	put_be16(d->hw->buf, len - 2);
	d->hw->buf[2] = d->hw->buf[3] = 1;
	return len;
}

/* Where audio plays: it does not. */
uint32_t cdrom_read_subchannel(struct drive *d)
{
	uint8_t *buf = d->hw->buf;

	if (!(d->hw->cdb[2] & 0x40))
		return 4;
	if (d->hw->cdb[3] != 1)
		return 0;
	put_be16(buf + 2, 12);
	buf[4] = 0x01;
	buf[5] = DATA_TRACK;
	buf[6] = buf[7] = 1;
	return 16;
}

uint32_t cdrom_disc_information(struct drive *d)
{
	uint8_t *buf = d->hw->buf;

	if (d->hw->cdb[1] & 0x07)
		return 0;
	put_be16(buf, 34 - 2);
	buf[2] = 0x0e; /* last session complete, disc finalized */
	buf[3] = buf[4] = buf[5] = buf[6] =
		1;     /* first track, sessions, first and last track in it */
	buf[7] = 0x20; /* unrestricted use */
	return 34;
}

uint32_t cdrom_track_information(struct drive *d)
{
	uint8_t *buf = d->hw->buf;

	put_be16(buf, 36 - 2);
	buf[2] = buf[3] = 1;
	buf[5] = 0x04; /* data track */
	buf[6] = 0x01; /* mode 1 */
	put_be32(buf + 24, cdrom_blocks(d));
	return 36;
}

/* ---- configuration (MMC-5 section 5) ---- */

static uint16_t current_profile(const struct drive *d)
{
	uint32_t blocks = cdrom_blocks(d);

	return !blocks ? PROFILE_NONE : blocks > CD_MAX_BLOCKS ? PROFILE_DVD : PROFILE_CD;
}

/* A feature descriptor is four bytes and what follows; the profile list is made apart. */
static const struct {
	uint16_t code;
	uint8_t flags; /* version and persistent; 01h, current, where the profile is @profile */
	uint16_t profile;
	uint8_t size;
	uint8_t data[8];
} features[] = {
	{0x0001, 0x0b, 0, 8, {0, 0, 0, 2, 1}},                  /* core: ATAPI */
	{0x0002, 0x07, 0, 4, {0}},                              /* morphing */
	{0x0003, 0x03, 0, 4, {0x29}},                           /* tray, eject, lock */
	{0x0010, 0x00, 0xffff, 8, {0, 0, 0x08, 0, 0, 1, 0, 0}}, /* random readable */
	{0x001e, 0x08, PROFILE_CD, 4, {0}},                     /* CD read */
	{0x001f, 0x00, PROFILE_DVD, 0, {0}},                    /* DVD read */
};

static uint8_t *put_profiles(struct drive *d, uint8_t *p)
{
	static const uint16_t profiles[] = {PROFILE_DVD, PROFILE_CD};

	p[2] = 0x03;
	p[3] = 4 * ARRAY_SIZE(profiles);
	p += 4;
	for (unsigned i = 0; i < ARRAY_SIZE(profiles); i++, p += 4) {
		put_be16(p, profiles[i]);
		p[2] = profiles[i] == current_profile(d);
	}
	return p;
}

static uint8_t *put_feature(struct drive *d, uint8_t *p, unsigned i)
{
	uint16_t now = current_profile(d);
	bool current = features[i].profile == 0xffff ? now : features[i].profile == now;

	put_be16(p, features[i].code);
	p[2] = (uint8_t)(features[i].flags | (features[i].profile && current));
	p[3] = features[i].size;
	memcpy(p + 4, features[i].data, features[i].size);
	return p + 4 + features[i].size;
}

/* All features from the one asked for on, the current ones of those, or that one. */
uint32_t cdrom_get_configuration(struct drive *d)
{
	uint8_t *buf = d->hw->buf, *p = buf + 8;
	unsigned rt = d->hw->cdb[1] & 0x03, first = get_be16(d->hw->cdb + 2);

	if (rt == 3 || first > LAST_FEATURE)
		return 0;
	if (!first)
		p = put_profiles(d, p);
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		uint8_t *end;

		if (features[i].code < first || (rt == 2 && features[i].code != first))
			continue;
		end = put_feature(d, p, i);
		if (rt == 1 && !(p[2] & 1))
			memset(p, 0, (size_t)(end - p));
		else
			p = end;
	}
	put_be32(buf, (uint32_t)(p - buf) - 4);
	put_be16(buf + 6, current_profile(d));
	return (uint32_t)(p - buf);
}

/* ---- events (MMC-5 section 6.6) ---- */

uint32_t cdrom_event_status(struct drive *d)
{
	struct drive_hw *hw = d->hw;
	uint8_t *buf = hw->buf;

	if (!(hw->cdb[1] & 1)) /* to be told later is not offered */
		return 0;
	buf[3] = 1 << 4; /* media events are supported */
	if (!(hw->cdb[4] & 1 << 4)) {
		put_be16(buf, 2);
		buf[2] = 0x80; /* none of the classes asked for */
		return 4;
	}
	put_be16(buf, 6);
	buf[2] = 4;
	buf[4] = hw->media_event;
	buf[5] = (uint8_t)((cdrom_loaded(d) ? 0x02 : 0) | (hw->tray_open ? 0x01 : 0));
	hw->media_event = MEDIA_NO_CHANGE;
	return 8;
}

uint32_t cdrom_mechanism_status(struct drive *d)
{
	uint8_t *buf = d->hw->buf;

	buf[1] = d->hw->tray_open ? 0x10 : 0;
	return 8;
}
