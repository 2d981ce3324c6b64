/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands of the 82077AA that move data (section 5.1): what of the medium, and what of the host.
 */
#include "devmodel/storage/fdc-internal.h"

#include <errno.h>
#include <string.h>

/* Bytes of a command. */
enum { CMD_CODE, CMD_DRIVE, CMD_C, CMD_H, CMD_R, CMD_N, CMD_EOT };
/* And of FORMAT TRACK. */
enum { FORMAT_N = 2, FORMAT_SECTORS, FORMAT_GAP, FORMAT_FILL };
/* Of an ID, as FORMAT TRACK takes it from the host. */
enum { ID_C, ID_H, ID_R, ID_N, ID_BYTES };

#define CODE_MULTITRACK 0x80 /* goes on with the other side */
#define VERIFY_COUNT    0x80 /* in byte 1: byte 8 says how many sectors */
#define SIZE_512        2
#define ND              0x01 /* SPECIFY: no DMA */

static unsigned head_of(const struct fdc *f)
{
	return f->hw.cmd[CMD_DRIVE] >> 2 & 1;
}

static unsigned sectors_of(const struct fdc_transfer_hw *t)
{
	return t->first + t->other;
}

/* ---- the end ---- */

/*
 * C, H, R behind the first @k sectors (table 6-2): the next sector, on the other side with MT, or
 * on the next cylinder.
 */
static void next_id(const struct fdc *f, unsigned k, uint8_t *chr)
{
	const struct fdc_transfer_hw *t = &f->hw.t;
	bool multi = f->hw.cmd[CMD_CODE] & CODE_MULTITRACK;

	memcpy(chr, f->hw.cmd + CMD_C, 3);
	if (k < t->first || t->beyond || !t->first) {
		chr[2] = (uint8_t)(chr[2] + k);
	} else if (multi && !head_of(f) && k < sectors_of(t) + !t->other) {
		chr[1] ^= 1;
		chr[2] = (uint8_t)(1 + k - t->first);
	} else {
		chr[0]++;
		chr[1] ^= multi && head_of(f);
		chr[2] = 1;
	}
}

/* Sectors that the host has had at least a part of. */
static unsigned sectors_moved(const struct fdc_transfer_hw *t)
{
	return t->kind == FDC_VERIFY ? t->done : (t->pos + FDC_SECTOR - 1u) / FDC_SECTOR;
}

void fdc_end(struct fdc *f, uint8_t st0, uint8_t st1, uint8_t st2)
{
	struct fdc_hw *h = &f->hw;
	unsigned k = h->t.kind == FDC_FORMAT ? 0 : sectors_moved(&h->t);
	bool other = h->t.first && k > h->t.first;

	h->result[0] = (uint8_t)(st0 | ((h->cmd[CMD_DRIVE] & 0x07) ^ (other ? 0x04 : 0)));
	h->result[1] = st1;
	h->result[2] = st2;
	next_id(f, k, h->result + 3);
	h->result[6] = h->cmd[CMD_N];
	h->polls = 0;
	fdc_set_irq(f, false);
	fdc_reply(f, 7);
	fdc_set_irq(f, true);
}

/* Everything was moved. Without DMA there is no terminal count, and the last byte is one. */
static void finish(struct fdc *f)
{
	const struct fdc_transfer_hw *t = &f->hw.t;
	bool counted = t->tc || t->kind == FDC_VERIFY || (f->hw.specify[1] & ND);

	if (t->beyond && !t->tc)
		fdc_end(f, ST0_ABNORMAL, ST1_NO_DATA, 0);
	else if (counted)
		fdc_end(f, 0, 0, 0);
	else
		fdc_end(f, ST0_ABNORMAL, ST1_END, 0);
}

/* ---- data between host and buffer ---- */

static void enter_data(struct fdc *f)
{
	if (f->hw.specify[1] & ND) {
		fdc_enter(f, FDC_PIO);
		fdc_set_irq(f, true);
	} else if (f->dma) {
		fdc_enter(f, FDC_DMA);
	} else {
		/* Nothing answers DREQ: the FIFO runs over (section 6.2, ST1 bit 4). */
		fdc_end(f, ST0_ABNORMAL, 0x10, 0);
	}
}

/*
 * All bytes up to there have been moved, or the terminal count has come: what is left of a sector
 * to be written is zeroes.
 */
static void data_done(struct fdc *f)
{
	struct fdc_transfer_hw *t = &f->hw.t;

	if (t->kind == FDC_WRITE)
		memset(f->hw.buf + t->pos, 0, sectors_moved(t) * FDC_SECTOR - t->pos);
	if (t->kind != FDC_READ)
		fdc_enter(f, FDC_MEDIUM);
	else if (t->tc || t->done == t->total / FDC_SECTOR)
		finish(f);
	else
		fdc_enter(f, FDC_MEDIUM);
}

uint8_t fdc_pio_read(struct fdc *f)
{
	struct fdc_transfer_hw *t = &f->hw.t;
	uint8_t v;

	if (t->kind != FDC_READ)
		return 0;
	v = f->hw.buf[t->pos++];
	if (t->pos == fdc_data_end(t)) {
		fdc_set_irq(f, false);
		data_done(f);
	}
	return v;
}

void fdc_pio_write(struct fdc *f, uint8_t value)
{
	struct fdc_transfer_hw *t = &f->hw.t;

	if (t->kind == FDC_READ)
		return;
	f->hw.buf[t->pos++] = value;
	if (t->pos == fdc_data_end(t)) {
		fdc_set_irq(f, false);
		data_done(f);
	}
}

static void dma_step(struct fdc *f)
{
	struct fdc_transfer_hw *t = &f->hw.t;
	unsigned end = fdc_data_end(t);
	size_t n;

	while (t->pos < end && !t->tc) {
		n = isa_dma_transfer(
			f->dma, t->kind == FDC_READ, f->hw.buf + t->pos, end - t->pos, &t->tc);
		if (!n)
			return; /* until the channel is unmasked */
		t->pos = (uint16_t)(t->pos + n);
	}
	data_done(f);
}

/* ---- data between buffer and medium ---- */

/* Sector @k of the transfer on the medium. */
static uint32_t lba_of(const struct fdc *f, const struct fdc_format *m, unsigned k)
{
	const struct fdc_transfer_hw *t = &f->hw.t;
	unsigned head = k < t->first ? head_of(f) : head_of(f) ^ 1;
	unsigned sector = k < t->first ? t->sector - 1u + k : k - t->first;

	return ((uint32_t)t->cylinder * m->heads + head) * m->sectors + sector;
}

/* Sectors that are wanted now: reads by DMA only as far as the channel counts. */
static unsigned wanted(struct fdc *f)
{
	const struct fdc_transfer_hw *t = &f->hw.t;
	size_t end;

	if (t->kind == FDC_WRITE)
		return sectors_moved(t);
	if (t->kind == FDC_VERIFY || (f->hw.specify[1] & ND) || !f->dma)
		return t->total / FDC_SECTOR;
	end = t->pos + isa_dma_left(f->dma);
	return (unsigned)MIN(t->total / FDC_SECTOR, (end + FDC_SECTOR - 1) / FDC_SECTOR);
}

/* The next sectors that follow each other on one side. */
static void sectors_step(struct fdc *f, struct fdc_medium *m)
{
	const struct fdc_transfer_hw *t = &f->hw.t;
	unsigned side_end = t->done < t->first ? t->first : sectors_of(t);
	unsigned n = MIN(MAX(wanted(f), t->done + 1u), side_end) - t->done;
	const uint8_t *data = t->kind == FDC_WRITE ? f->hw.buf + t->done * FDC_SECTOR : NULL;

	fdc_submit(f, m, lba_of(f, m->format, t->done), n, data);
}

/* One sector for each ID that the host has given. */
static void format_step(struct fdc *f, struct fdc_medium *m)
{
	const struct fdc_transfer_hw *t = &f->hw.t;
	const uint8_t *id = f->hw.buf + t->done * ID_BYTES;
	uint8_t fill[FDC_SECTOR];
	uint32_t track = ((uint32_t)t->cylinder * m->format->heads + head_of(f)) *
			 m->format->sectors;

	if (id[ID_C] != t->cylinder || id[ID_H] != head_of(f) || id[ID_N] != SIZE_512 ||
		!id[ID_R] || id[ID_R] > m->format->sectors) {
		dev_guest_error(&f->dev, "formats a track as this medium cannot be formatted");
		fdc_end(f, ST0_ABNORMAL, ST1_NO_DATA, 0);
		return;
	}
	memset(fill, f->hw.cmd[FORMAT_FILL], sizeof(fill));
	fdc_submit(f, m, track + id[ID_R] - 1, 1, fill);
}

static bool medium_done(const struct fdc_transfer_hw *t)
{
	if (t->kind == FDC_FORMAT)
		return t->done == t->pos / ID_BYTES;
	return t->done == (t->kind == FDC_WRITE ? sectors_moved(t) : t->total / FDC_SECTOR);
}

/* A state that was loaded may name what this medium does not have. */
static bool on_medium(const struct fdc *f, const struct fdc_medium *m)
{
	const struct fdc_transfer_hw *t = &f->hw.t;
	const struct fdc_format *g = m->format;

	return t->cylinder < g->cylinders && head_of(f) < g->heads &&
	       t->sector + t->first <= g->sectors + 1u && t->other <= g->sectors &&
	       (!t->other || g->heads == 2) && !(m->readonly && t->kind <= FDC_FORMAT && t->kind);
}

static void medium_step(struct fdc *f)
{
	struct fdc_medium *m = fdc_medium_of(f);

	if (medium_done(&f->hw.t))
		finish(f);
	else if (!m || !on_medium(f, m))
		fdc_end(f, ST0_ABNORMAL, ST1_NO_MARK, 0);
	else if (m->busy)
		return; /* its end calls again */
	else if (f->hw.t.kind == FDC_FORMAT)
		format_step(f, m);
	else
		sectors_step(f, m);
}

void fdc_step(struct fdc *f)
{
	if (f->hw.phase == FDC_MEDIUM)
		medium_step(f);
	else if (f->hw.phase == FDC_DMA)
		dma_step(f);
}

void fdc_moved(struct fdc *f, unsigned n, int err, const uint8_t *data)
{
	struct fdc_transfer_hw *t = &f->hw.t;

	if (err < 0) {
		fdc_end(f, ST0_ABNORMAL, err == -EROFS ? ST1_PROTECT : ST1_DATA,
			err == -EROFS ? 0 : ST2_DATA);
		return;
	}
	if (t->kind == FDC_READ)
		memcpy(f->hw.buf + t->done * FDC_SECTOR, data, n * FDC_SECTOR);
	t->done = (uint8_t)(t->done + n);
	if (t->kind == FDC_READ && t->done >= wanted(f))
		enter_data(f);
	else
		fdc_enter(f, FDC_MEDIUM);
}

/* ---- the beginning ---- */

/* The medium for @kind, or NULL: the command has ended. */
static struct fdc_medium *open_medium(struct fdc *f, enum fdc_kind kind)
{
	struct fdc_medium *m = fdc_medium_of(f);

	f->hw.t = (struct fdc_transfer_hw){.kind = (uint8_t)kind};
	if (!m || !fdc_rate_fits(f) || head_of(f) >= m->format->heads ||
		fdc_cylinder(f) >= m->format->cylinders) {
		fdc_end(f, ST0_ABNORMAL, ST1_NO_MARK, 0);
		return NULL;
	}
	if (m->readonly && (kind == FDC_WRITE || kind == FDC_FORMAT)) {
		fdc_end(f, ST0_ABNORMAL, ST1_PROTECT, 0);
		return NULL;
	}
	f->hw.t.cylinder = (uint8_t)fdc_cylinder(f);
	return m;
}

/* IDs on this track are those that the command gives. */
static bool id_found(struct fdc *f, const struct fdc_format *g, uint8_t sector)
{
	const uint8_t *cmd = f->hw.cmd;

	if (cmd[CMD_C] != f->hw.t.cylinder) {
		fdc_end(f, ST0_ABNORMAL, ST1_NO_DATA, ST2_WRONG);
		return false;
	}
	if (cmd[CMD_H] != head_of(f) || !sector || sector > g->sectors || cmd[CMD_N] != SIZE_512) {
		fdc_end(f, ST0_ABNORMAL, ST1_NO_DATA, 0);
		return false;
	}
	return true;
}

/* From @sector to EOT on this side, and with MT from 1 to EOT on side 1. */
static bool plan(struct fdc *f, enum fdc_kind kind, uint8_t sector)
{
	struct fdc_medium *m = open_medium(f, kind);
	struct fdc_transfer_hw *t = &f->hw.t;
	unsigned eot = f->hw.cmd[CMD_EOT], last;

	if (!m || !id_found(f, m->format, sector))
		return false;
	t->beyond = eot < sector || eot > m->format->sectors;
	last = t->beyond ? m->format->sectors : eot;
	t->sector = sector;
	t->first = (uint8_t)(last - sector + 1);
	if ((f->hw.cmd[CMD_CODE] & CODE_MULTITRACK) && !head_of(f) && m->format->heads == 2 &&
		!t->beyond)
		t->other = (uint8_t)eot;
	t->total = (uint16_t)(sectors_of(t) * FDC_SECTOR);
	return true;
}

void fdc_start_read(struct fdc *f)
{
	if (plan(f, FDC_READ, f->hw.cmd[CMD_R]))
		fdc_enter(f, FDC_MEDIUM);
}

/* READ TRACK: as many sectors as EOT says, from the index on, whatever their IDs. */
void fdc_start_track(struct fdc *f)
{
	if (plan(f, FDC_READ, 1))
		fdc_enter(f, FDC_MEDIUM);
}

void fdc_start_write(struct fdc *f)
{
	if (plan(f, FDC_WRITE, f->hw.cmd[CMD_R]))
		enter_data(f);
}

void fdc_start_verify(struct fdc *f)
{
	unsigned bytes = f->hw.cmd[8] * FDC_SECTOR;

	if (!plan(f, FDC_VERIFY, f->hw.cmd[CMD_R]))
		return;
	if ((f->hw.cmd[CMD_DRIVE] & VERIFY_COUNT) && bytes)
		f->hw.t.total = (uint16_t)MIN(f->hw.t.total, bytes);
	fdc_enter(f, FDC_MEDIUM);
}

void fdc_start_format(struct fdc *f)
{
	unsigned sectors = f->hw.cmd[FORMAT_SECTORS];
	struct fdc_medium *m = open_medium(f, FDC_FORMAT);

	if (!m)
		return;
	if (!sectors || f->hw.cmd[FORMAT_N] != SIZE_512) {
		fdc_end(f, ST0_ABNORMAL, ST1_NO_DATA, 0);
		return;
	}
	f->hw.t.total = (uint16_t)(sectors * ID_BYTES);
	enter_data(f);
}
