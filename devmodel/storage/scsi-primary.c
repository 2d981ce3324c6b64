/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of every unit: SPC-3 chapters 6 and 7, SBC-3 chapter 6. */
#include <string.h>

#include "devmodel/storage/scsi-internal.h"

/* ---- INQUIRY ---- */

#define EVPD         0x01
#define INQUIRY_SIZE 36
#define VPD_HEADER   4
#define DESCRIPTOR   4        /* header of an identification descriptor */
#define UNMAP_MAX    0x400000 /* blocks of one descriptor, where the disk has no limit */

static void put_text(uint8_t *dst, const char *text, size_t n)
{
	size_t len = text ? strnlen(text, n) : 0;

	memset(dst, ' ', n);
	if (len)
		memcpy(dst, text, len);
}

static size_t standard_inquiry(const struct scsi_unit *u, uint8_t *r)
{
	r[0] = (uint8_t)u->conf.type;
	r[1] = u->conf.removable ? 0x80 : 0;
	r[2] = 5; /* SPC-3 */
	r[3] = 2; /* response format */
	r[4] = INQUIRY_SIZE - 5;
	r[7] = 0x02; /* command queuing */
	put_text(r + 8, u->conf.vendor, 8);
	put_text(r + 16, u->conf.product, 16);
	put_text(r + 32, u->conf.revision, 4);
	return INQUIRY_SIZE;
}

static size_t vpd_serial(const struct scsi_unit *u, uint8_t *r)
{
	size_t n = u->conf.serial ? strnlen(u->conf.serial, 64) : 0;

	memcpy(r, u->conf.serial, n);
	return n;
}

/* T10 vendor identification: unique with the serial number, section 7.6.3.4. */
static size_t vpd_identification(const struct scsi_unit *u, uint8_t *r)
{
	size_t serial = vpd_serial(u, r + DESCRIPTOR + 24);

	r[0] = 2; /* ASCII */
	r[1] = 1;
	r[3] = (uint8_t)(24 + serial);
	put_text(r + DESCRIPTOR, u->conf.vendor, 8);
	put_text(r + DESCRIPTOR + 8, u->conf.product, 16);
	return DESCRIPTOR + 24 + serial;
}

static uint32_t in_blocks(const struct scsi_unit *u, uint32_t bytes)
{
	return bytes / scsi_block_size(u);
}

/* Counted from the page's header on, as in SBC-3 section 6.6.4. */
static size_t vpd_block_limits(const struct scsi_unit *u, uint8_t *r)
{
	const struct blk_info *info = &u->info;
	uint8_t *page = r - VPD_HEADER;

	scsi_put16(page + 6, info->physical_block / info->logical_block);
	scsi_put32(page + 8, in_blocks(u, info->max_transfer));
	scsi_put32(page + 12, in_blocks(u, info->opt_io));
	if (info->can_discard) {
		scsi_put32(
			page + 20, info->max_discard ? in_blocks(u, info->max_discard) : UNMAP_MAX);
		scsi_put32(page + 24, 1); /* descriptors */
		scsi_put32(page + 28, MAX(in_blocks(u, info->discard_align), 1));
	}
	return 0x3c;
}

static size_t vpd_characteristics(const struct scsi_unit *u, uint8_t *r)
{
	scsi_put16(r, 1); /* does not rotate */
	return 0x3c;
}

static size_t vpd_provisioning(const struct scsi_unit *u, uint8_t *r)
{
	r[1] = u->info.can_discard ? 0x80 : 0; /* LBPU: UNMAP */
	return 4;
}

static size_t vpd_pages(const struct scsi_unit *u, uint8_t *r);

static const struct {
	uint8_t page;
	bool disks_only;
	size_t (*fill)(const struct scsi_unit *u, uint8_t *r);
} vpd[] = {
	{0x00, false, vpd_pages},
	{0x80, false, vpd_serial},
	{0x83, false, vpd_identification},
	{0xb0, true, vpd_block_limits},
	{0xb1, true, vpd_characteristics},
	{0xb2, true, vpd_provisioning},
};

static bool vpd_offered(const struct scsi_unit *u, unsigned i)
{
	return u->conf.type == SCSI_TYPE_DISK || !vpd[i].disks_only;
}

static size_t vpd_pages(const struct scsi_unit *u, uint8_t *r)
{
	size_t n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(vpd); i++) {
		if (vpd_offered(u, i))
			r[n++] = vpd[i].page;
	}
	return n;
}

static enum scsi_step inquiry(struct scsi_task *t)
{
	const uint8_t *cdb = t->hw.cdb;
	uint8_t *r = t->hw.response;
	size_t alloc = scsi_get16(cdb + 3);

	if (!(cdb[1] & EVPD))
		return cdb[2] ? scsi_illegal(t, SCSI_ASC_CDB)
			      : scsi_respond(t, standard_inquiry(t->unit, r), alloc);
	for (unsigned i = 0; i < ARRAY_SIZE(vpd); i++) {
		size_t n;

		if (vpd[i].page != cdb[2] || !vpd_offered(t->unit, i))
			continue;
		n = vpd[i].fill(t->unit, r + VPD_HEADER);
		r[0] = (uint8_t)t->unit->conf.type;
		r[1] = cdb[2];
		scsi_put16(r + 2, (uint32_t)n);
		return scsi_respond(t, VPD_HEADER + n, alloc);
	}
	return scsi_illegal(t, SCSI_ASC_CDB);
}

/* ---- sense, units ---- */

/* Pending sense, which this clears, else the state of the medium. */
static enum scsi_step request_sense(struct scsi_task *t)
{
	struct scsi_unit *u = t->unit;

	if (!u->hw.sense[0])
		scsi_make_sense(u->hw.sense, 0, 0);
	memcpy(t->hw.response, u->hw.sense, SCSI_SENSE);
	memset(u->hw.sense, 0, SCSI_SENSE);
	u->hw.unit_attention = false;
	return scsi_respond(t, SCSI_SENSE, t->hw.cdb[4]);
}

/* One: number 0. */
static enum scsi_step report_luns(struct scsi_task *t)
{
	uint32_t alloc = scsi_get32(t->hw.cdb + 6);

	if (alloc < 16 || t->hw.cdb[2] > 2)
		return scsi_illegal(t, SCSI_ASC_CDB);
	scsi_put32(t->hw.response, 8);
	return scsi_respond(t, 16, alloc);
}

/* ---- modes ---- */

#define PAGE_ERRORS       0x01
#define PAGE_CACHING      0x08
#define PAGE_CONTROL      0x0a
#define PAGE_CAPABILITIES 0x2a
#define PAGE_ALL          0x3f
#define CACHE_WCE         0x04

enum page_control { PC_CURRENT, PC_CHANGEABLE, PC_DEFAULT, PC_SAVED };

static size_t page_errors(const struct scsi_unit *u, enum page_control pc, uint8_t *r)
{
	r[0] = pc == PC_CHANGEABLE ? 0 : 0x80; /* automatic write reallocation */
	return 10;
}

static size_t page_caching(const struct scsi_unit *u, enum page_control pc, uint8_t *r)
{
	bool on = pc == PC_DEFAULT ? u->info.write_cache : u->hw.write_cache;

	if (pc == PC_CHANGEABLE)
		on = u->info.write_cache;
	r[0] = on ? CACHE_WCE : 0;
	return 18;
}

static size_t page_control_mode(const struct scsi_unit *u, enum page_control pc, uint8_t *r)
{
	r[1] = pc == PC_CHANGEABLE ? 0 : 0x10; /* unrestricted reordering */
	return 10;
}

/* MMC-5 annex E.3: reads CDs and DVDs, has a tray that can be locked. */
static size_t page_capabilities(const struct scsi_unit *u, enum page_control pc, uint8_t *r)
{
	if (pc == PC_CHANGEABLE)
		return 20;
	r[0] = 0x3b;
	r[2] = 0x71;
	r[3] = 0x60;
	r[4] = (uint8_t)(0x29 | (u->hw.locked ? 0x02 : 0));
	scsi_put16(r + 6, 16 * 176); /* kB/s: greatest and current speed */
	scsi_put16(r + 8, 2);
	scsi_put16(r + 10, 512); /* kB of buffer */
	scsi_put16(r + 12, 16 * 176);
	return 20;
}

static const struct {
	uint8_t page, types;
	size_t (*fill)(const struct scsi_unit *u, enum page_control pc, uint8_t *r);
} mode_pages[] = {
	{PAGE_ERRORS, SCSI_FOR_ANY, page_errors},
	{PAGE_CACHING, SCSI_FOR_DISK, page_caching},
	{PAGE_CONTROL, SCSI_FOR_DISK, page_control_mode},
	{PAGE_CAPABILITIES, SCSI_FOR_CDROM, page_capabilities},
};

static size_t put_pages(const struct scsi_unit *u, uint8_t wanted, enum page_control pc, uint8_t *r)
{
	unsigned type = u->conf.type == SCSI_TYPE_CDROM ? SCSI_FOR_CDROM : SCSI_FOR_DISK;
	size_t n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(mode_pages); i++) {
		size_t len;

		if (!(mode_pages[i].types & type) ||
			(wanted != PAGE_ALL && wanted != mode_pages[i].page))
			continue;
		len = mode_pages[i].fill(u, pc, r + n + 2);
		r[n] = mode_pages[i].page;
		r[n + 1] = (uint8_t)len;
		n += 2 + len;
	}
	return n;
}

static size_t put_block_descriptor(const struct scsi_unit *u, uint8_t *r)
{
	uint64_t blocks = scsi_blocks(u);

	scsi_put32(r, (uint32_t)MIN(blocks, UINT32_MAX));
	scsi_put32(r + 4, scsi_block_size(u));
	return 8;
}

static enum scsi_step mode_sense(struct scsi_task *t, bool ten, size_t alloc)
{
	const struct scsi_unit *u = t->unit;
	const uint8_t *cdb = t->hw.cdb;
	uint8_t *r = t->hw.response, page = cdb[2] & 0x3f;
	enum page_control pc = cdb[2] >> 6;
	size_t header = ten ? 8 : 4, n = header, pages;

	if (pc == PC_SAVED)
		return scsi_illegal(t, SCSI_ASC_SAVING);
	/* not on request, and not for MMC */
	if (!(cdb[1] & 0x08) && u->conf.type == SCSI_TYPE_DISK) {
		n += put_block_descriptor(u, r + n);
		r[header - 1] = 8;
	}
	pages = put_pages(u, page, pc, r + n);
	if (!pages)
		return scsi_illegal(t, SCSI_ASC_CDB);
	n += pages;
	/* write protection, and that DPO and FUA are understood */
	r[ten ? 3 : 2] = u->conf.type == SCSI_TYPE_CDROM ? 0
							 : (uint8_t)(0x10 | u->info.readonly << 7);
	if (ten)
		scsi_put16(r, (uint32_t)n - 2);
	else
		r[0] = (uint8_t)(n - 1);
	return scsi_respond(t, n, alloc);
}

static enum scsi_step mode_sense_6(struct scsi_task *t)
{
	return mode_sense(t, false, t->hw.cdb[4]);
}

static enum scsi_step mode_sense_10(struct scsi_task *t)
{
	return mode_sense(t, true, scsi_get16(t->hw.cdb + 7));
}

static enum scsi_step mode_select_6(struct scsi_task *t)
{
	return scsi_want_parameters(t, t->hw.cdb[4]);
}

static enum scsi_step mode_select_10(struct scsi_task *t)
{
	return scsi_want_parameters(t, scsi_get16(t->hw.cdb + 7));
}

/* Takes the write cache's switch from the caching page; what else could be changed is what it is. */
static enum scsi_step set_modes(struct scsi_task *t, size_t header, size_t descriptors)
{
	struct scsi_unit *u = t->unit;
	const uint8_t *list = t->hw.response;
	size_t n = t->hw.pos, i = header + descriptors;

	if (n < header || i > n)
		return scsi_illegal(t, SCSI_ASC_LIST_LENGTH);
	while (n - i >= 2) {
		uint8_t page = list[i] & 0x3f;
		size_t len = list[i + 1];

		if (!len || len > n - i - 2)
			return scsi_illegal(t, SCSI_ASC_LIST_LENGTH);
		if (page == PAGE_CACHING && u->conf.type == SCSI_TYPE_DISK)
			u->hw.write_cache = u->info.write_cache && list[i + 2] & CACHE_WCE;
		i += 2 + len;
	}
	return i == n ? scsi_good(t) : scsi_illegal(t, SCSI_ASC_LIST_LENGTH);
}

static enum scsi_step set_modes_6(struct scsi_task *t)
{
	return set_modes(t, 4, t->hw.response[3]);
}

static enum scsi_step set_modes_10(struct scsi_task *t)
{
	return set_modes(t, 8, scsi_get16(t->hw.response + 6));
}

const struct scsi_command scsi_primary_commands[] = {
	{0x03, SCSI_FOR_ANY | SCSI_F_QUIET, request_sense},
	{0x12, SCSI_FOR_ANY | SCSI_F_QUIET, inquiry},
	{0x15, SCSI_FOR_ANY, mode_select_6, set_modes_6},
	{0x1a, SCSI_FOR_ANY, mode_sense_6},
	{0x55, SCSI_FOR_ANY, mode_select_10, set_modes_10},
	{0x5a, SCSI_FOR_ANY, mode_sense_10},
	{0xa0, SCSI_FOR_ANY | SCSI_F_QUIET, report_luns},
	{.start = NULL},
};
