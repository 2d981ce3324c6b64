/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of CD-ROM drives: MMC-5 chapter 6, for a medium that is one data track. */
#include "devmodel/storage/scsi-internal.h"

#define PROFILE_CDROM  0x0008
#define PROFILE_DVDROM 0x0010
#define CD_BLOCKS_MAX  (80 * 60 * 75) /* more than that is a DVD */
#define LEAD_OUT       0xaa
#define CD_LEAD_IN     150 /* frames before block 0 */

/* Minutes, seconds, frames, or a block number. */
static void put_address(uint8_t *r, uint32_t lba, bool msf)
{
	uint32_t frames = lba + CD_LEAD_IN;

	if (!msf) {
		scsi_put32(r, lba);
		return;
	}
	r[1] = (uint8_t)MIN(frames / (75 * 60), 255);
	r[2] = (uint8_t)(frames / 75 % 60);
	r[3] = (uint8_t)(frames % 75);
}

static void put_track(uint8_t *r, uint8_t track, uint32_t lba, bool msf)
{
	r[1] = 0x14; /* data */
	r[2] = track;
	put_address(r + 4, lba, msf);
}

static enum scsi_step read_toc(struct scsi_task *t)
{
	const uint8_t *cdb = t->hw.cdb;
	uint32_t end = (uint32_t)MIN(scsi_blocks(t->unit), UINT32_MAX);
	unsigned format = cdb[2] & 0xf, first = cdb[6];
	uint8_t *r = t->hw.response;
	bool msf = cdb[1] & 2;
	size_t n = 4;

	/* older drivers: in the two high bits of the last byte */
	if (!format)
		format = cdb[9] >> 6;
	r[2] = 1; /* first and last track or session */
	r[3] = 1;
	if (format > 1 || (format == 0 && first > 1 && first != LEAD_OUT))
		return scsi_illegal(t, SCSI_ASC_CDB);
	if (format == 1 || first <= 1) {
		put_track(r + n, 1, 0, msf);
		n += 8;
	}
	if (format == 0) {
		put_track(r + n, LEAD_OUT, end, msf);
		n += 8;
	}
	scsi_put16(r, (uint32_t)n - 2);
	return scsi_respond(t, n, scsi_get16(cdb + 7));
}

static uint32_t profile(const struct scsi_unit *u)
{
	if (!scsi_has_medium(u))
		return 0;
	return scsi_blocks(u) > CD_BLOCKS_MAX ? PROFILE_DVDROM : PROFILE_CDROM;
}

/* Feature header: persistent and current, section 5.2.2. */
static uint8_t *put_feature(uint8_t *r, uint32_t code, uint8_t size)
{
	scsi_put16(r, code);
	r[2] = 0x03;
	r[3] = size;
	return r + 4;
}

static enum scsi_step get_configuration(struct scsi_task *t)
{
	static const uint16_t profiles[] = {PROFILE_DVDROM, PROFILE_CDROM};
	uint32_t current = profile(t->unit), start = scsi_get16(t->hw.cdb + 2);
	uint8_t *r = t->hw.response, *p = r + 8;
	bool one = (t->hw.cdb[1] & 3) == 2;

	scsi_put16(r + 6, current);
	if (start == 0) { /* profile list */
		p = put_feature(p, 0, 4 * ARRAY_SIZE(profiles));
		for (unsigned i = 0; i < ARRAY_SIZE(profiles); i++, p += 4) {
			scsi_put16(p, profiles[i]);
			p[2] = profiles[i] == current;
		}
	}
	if (start <= 1 && (!one || start == 1)) { /* core: an ATAPI or SCSI drive */
		p = put_feature(p, 1, 8);
		scsi_put32(p, 1);
		p[4] = 1;
		p += 8;
	}
	if (start <= 3 && (!one || start == 3)) { /* removable medium: a tray, lock and eject */
		p = put_feature(p, 3, 4);
		p[0] = 0x29;
		p += 4;
	}
	scsi_put32(r, (uint32_t)(p - r) - 4);
	return scsi_respond(t, (size_t)(p - r), scsi_get16(t->hw.cdb + 7));
}

#define EVENT_MEDIA     0x04
#define EVENT_NEW_MEDIA 0x02
#define MEDIA_PRESENT   0x02
#define MEDIA_TRAY_OPEN 0x01

/* Polled only, section 6.6. */
static enum scsi_step get_event_status(struct scsi_task *t)
{
	struct scsi_unit *u = t->unit;
	uint8_t *r = t->hw.response;
	size_t alloc = scsi_get16(t->hw.cdb + 7);

	if (!(t->hw.cdb[1] & 1))
		return scsi_illegal(t, SCSI_ASC_CDB);
	r[3] = 1 << EVENT_MEDIA;
	if (!(t->hw.cdb[4] & 1 << EVENT_MEDIA)) {
		r[2] = 0x80; /* no event of a class that was asked for */
		scsi_put16(r, 2);
		return scsi_respond(t, 4, alloc);
	}
	scsi_put16(r, 6);
	r[2] = EVENT_MEDIA;
	r[4] = u->hw.media_event && scsi_has_medium(u) ? EVENT_NEW_MEDIA : 0;
	r[5] = (uint8_t)((scsi_has_medium(u) ? MEDIA_PRESENT : 0) |
			 (u->hw.ejected ? MEDIA_TRAY_OPEN : 0));
	u->hw.media_event = false;
	return scsi_respond(t, 8, alloc);
}

static enum scsi_step read_disc_information(struct scsi_task *t)
{
	uint8_t *r = t->hw.response;

	scsi_put16(r, 32);
	r[2] = 0x0e; /* complete, last session complete */
	r[3] = 1;    /* first track, sessions, first and last track of the last */
	r[4] = 1;
	r[5] = 1;
	r[6] = 1;
	r[7] = 0x20; /* unrestricted use */
	return scsi_respond(t, 34, scsi_get16(t->hw.cdb + 7));
}

static enum scsi_step mechanism_status(struct scsi_task *t)
{
	t->hw.response[1] = t->unit->hw.ejected ? 0x10 : 0; /* door open */
	return scsi_respond(t, 8, scsi_get16(t->hw.cdb + 8));
}

/* As fast as it can, whatever is asked for. */
static enum scsi_step set_speed(struct scsi_task *t)
{
	return scsi_good(t);
}

const struct scsi_command scsi_mmc_commands[] = {
	{0x43, SCSI_FOR_CDROM | SCSI_F_MEDIUM, read_toc},
	{0x46, SCSI_FOR_CDROM | SCSI_F_QUIET, get_configuration},
	{0x4a, SCSI_FOR_CDROM | SCSI_F_QUIET, get_event_status},
	{0x51, SCSI_FOR_CDROM | SCSI_F_MEDIUM, read_disc_information},
	{0xbb, SCSI_FOR_CDROM, set_speed},
	{0xbd, SCSI_FOR_CDROM, mechanism_status},
	{.start = NULL},
};
