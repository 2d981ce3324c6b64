/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Floppy disk controller 82077AA, Intel order number 290166, in PC/AT mode (status registers A and
 * B are not decoded). Heads move and sectors come by at once; the FIFO's threshold and all timings
 * are held and have no effect. Not modelled: SCAN (invalid here), deleted data marks (no sector has
 * one), tape.
 */
#include "devmodel/storage/fdc-internal.h"

#include <errno.h>
#include <string.h>

const struct dev_ops *const fdc_devices[] = {&isa_fdc_ops, NULL};

#define FDC_IRQ 6

/* Registers, from 0x3f2 on; DIR and CCR are at 0x3f7. */
enum { REG_DOR, REG_TDR, REG_MSR, REG_FIFO, REGS };

#define MSR_READY   0x80
#define MSR_TO_HOST 0x40
#define MSR_NON_DMA 0x20
#define MSR_BUSY    0x10
#define DSR_RESET   0x80
#define RATE_MASK   0x03
#define DIR_CHANGED 0x80

#define CONFIG_SEEK    0x40 /* implied */
#define CONFIG_NO_FIFO 0x20
#define CONFIG_NO_POLL 0x10
#define CONFIG_SAVED   0x7f
#define PERP_SAVED     0x3f
#define PERP_GAPS      0x03
#define PERP_WRITE     0x80 /* OW: the drives' bits count */
#define ST3_PROTECTED  0x40
#define ST3_FIXED      0x28
#define ST3_TRACK_0    0x10

/* ---- lines ---- */

void fdc_set_irq(struct fdc *f, bool level)
{
	f->hw.irq = level;
	irq_set(&f->irq, level && (f->hw.dor & DOR_GATE));
}

static struct fdc_bay *bay_of(struct fdc *f, unsigned drive)
{
	return drive < FDC_BAYS && f->bays[drive].type ? &f->bays[drive] : NULL;
}

static unsigned cmd_drive(const struct fdc *f)
{
	return f->hw.cmd[1] & DOR_DRIVE;
}

struct fdc_medium *fdc_medium_of(struct fdc *f)
{
	struct fdc_bay *bay = bay_of(f, cmd_drive(f));

	return bay ? bay->medium : NULL;
}

bool fdc_rate_fits(struct fdc *f)
{
	struct fdc_bay *bay = bay_of(f, cmd_drive(f));

	return bay->medium->format->rates[bay->type] == f->hw.rate + 1;
}

unsigned fdc_cylinder(struct fdc *f)
{
	struct fdc_bay *bay = bay_of(f, cmd_drive(f));
	uint8_t pcn = f->hw.pcn[cmd_drive(f)];

	return bay->type == FDC_1200 && bay->medium->format->cylinders <= 42 ? pcn / 2 : pcn;
}

/* Steps tell a drive with a medium that somebody has noticed the change. */
void fdc_step_to(struct fdc *f, unsigned drive, uint8_t cylinder)
{
	struct fdc_bay *bay = bay_of(f, drive);

	if (bay && bay->medium && f->hw.pcn[drive] != cylinder)
		f->hw.changed[drive] = false;
	f->hw.pcn[drive] = cylinder;
}

/* ---- phases ---- */

void fdc_enter(struct fdc *f, enum fdc_phase phase)
{
	f->hw.phase = phase;
	if (f->dma)
		isa_dma_request(f->dma, phase == FDC_DMA);
	if (phase == FDC_MEDIUM || phase == FDC_DMA)
		loop_post(f->dev.bus->loop, &f->work_call);
}

static void expect_command(struct fdc *f)
{
	f->hw.cmd_len = 0;
	fdc_enter(f, FDC_COMMAND);
}

void fdc_reply(struct fdc *f, unsigned n)
{
	f->hw.result_len = (uint8_t)n;
	f->hw.result_pos = 0;
	fdc_enter(f, FDC_RESULT);
}

static void reply_byte(struct fdc *f, uint8_t v)
{
	f->hw.result[0] = v;
	fdc_reply(f, 1);
}

/* ---- reset ---- */

/* Section 2.1.2: the pin, DOR and DSR do the same but for what LOCK keeps (section 5.2.9). */
static void soft_reset(struct fdc *f)
{
	struct fdc_hw *h = &f->hw;

	fdc_forget(f);
	if (!h->lock) {
		h->config = CONFIG_NO_FIFO;
		h->precomp = 0;
	}
	h->perpendicular &= ~PERP_GAPS;
	memset(h->pcn, 0, sizeof(h->pcn));
	h->seeks = 0;
	h->polls = 0;
	expect_command(f);
	fdc_set_irq(f, false);
}

/* Polling finds that all drives have become ready (section 5.2.4). */
static void leave_reset(struct fdc *f)
{
	if (f->hw.config & CONFIG_NO_POLL)
		return;
	f->hw.polls = FDC_DRIVES;
	fdc_set_irq(f, true);
}

/* ---- commands without data ---- */

static void specify(struct fdc *f)
{
	memcpy(f->hw.specify, f->hw.cmd + 1, sizeof(f->hw.specify));
	expect_command(f);
}

static void sense_drive(struct fdc *f)
{
	struct fdc_medium *m = fdc_medium_of(f);
	uint8_t st3 = ST3_FIXED | (f->hw.cmd[1] & 0x07);

	if (m && m->readonly)
		st3 |= ST3_PROTECTED;
	if (bay_of(f, cmd_drive(f)) && !f->hw.pcn[cmd_drive(f)])
		st3 |= ST3_TRACK_0;
	reply_byte(f, st3);
}

/* A seek ends with an interrupt, of which SENSE INTERRUPT STATUS tells. */
static void seek_done(struct fdc *f, uint8_t st0)
{
	unsigned drive = cmd_drive(f);

	f->hw.polls = 0;
	f->hw.seek_st0[drive] = (uint8_t)(st0 | drive);
	f->hw.seeks |= 1u << drive;
	expect_command(f);
	fdc_set_irq(f, true);
}

static void recalibrate(struct fdc *f)
{
	fdc_step_to(f, cmd_drive(f), 0);
	seek_done(f, bay_of(f, cmd_drive(f)) ? ST0_SEEK : ST0_SEEK | ST0_CHECK | ST0_ABNORMAL);
}

static void seek(struct fdc *f)
{
	fdc_step_to(f, cmd_drive(f), f->hw.cmd[2]);
	seek_done(f, ST0_SEEK | (f->hw.cmd[1] & 0x04));
}

/* Section 5.2.8: bit 6 of the command steps in. */
static void relative_seek(struct fdc *f)
{
	int to = f->hw.pcn[cmd_drive(f)];

	to += f->hw.cmd[0] & 0x40 ? f->hw.cmd[2] : -f->hw.cmd[2];
	fdc_step_to(f, cmd_drive(f), (uint8_t)CLAMP(to, 0, UINT8_MAX));
	seek_done(f, ST0_SEEK | (f->hw.cmd[1] & 0x04));
}

static void reply_interrupt(struct fdc *f, uint8_t st0, unsigned drive)
{
	f->hw.result[0] = st0;
	f->hw.result[1] = f->hw.pcn[drive];
	fdc_reply(f, 2);
}

static void sense_interrupt(struct fdc *f)
{
	struct fdc_hw *h = &f->hw;
	unsigned drive;

	fdc_set_irq(f, false);
	if (h->polls) {
		drive = FDC_DRIVES - h->polls--;
		reply_interrupt(f, (uint8_t)(ST0_POLL | drive), drive);
	} else if (h->seeks) {
		drive = (unsigned)__builtin_ctz(h->seeks);
		h->seeks &= ~(1u << drive);
		reply_interrupt(f, h->seek_st0[drive], drive);
		fdc_set_irq(f, h->seeks);
	} else {
		reply_byte(f, ST0_INVALID);
	}
}

/*
 * Section 5.2.6; the sector that was last read or written is not remembered: EOT of that command.
 */
static void dump_registers(struct fdc *f)
{
	const struct fdc_hw *h = &f->hw;
	uint8_t *r = f->hw.result;

	memcpy(r, h->pcn, FDC_DRIVES);
	r[4] = h->specify[0];
	r[5] = h->specify[1];
	r[6] = (uint8_t)(h->t.first + h->t.other);
	r[7] = (uint8_t)(h->lock << 7 | h->perpendicular);
	r[8] = h->config;
	r[9] = h->precomp;
	fdc_reply(f, 10);
}

static void version(struct fdc *f)
{
	reply_byte(f, 0x90);
}

static void perpendicular(struct fdc *f)
{
	uint8_t v = f->hw.cmd[1], keep = v & PERP_WRITE ? 0 : PERP_SAVED & ~PERP_GAPS;

	f->hw.perpendicular = (f->hw.perpendicular & keep) | (v & PERP_SAVED & ~keep);
	expect_command(f);
}

static void configure(struct fdc *f)
{
	f->hw.config = f->hw.cmd[2] & CONFIG_SAVED;
	f->hw.precomp = f->hw.cmd[3];
	expect_command(f);
}

static void lock(struct fdc *f)
{
	f->hw.lock = f->hw.cmd[0] & 0x80;
	reply_byte(f, (uint8_t)(f->hw.lock << 4));
}

static void invalid(struct fdc *f)
{
	reply_byte(f, ST0_INVALID);
}

/* The next ID field that comes by. */
static void read_id(struct fdc *f)
{
	struct fdc_medium *m = fdc_medium_of(f);
	unsigned head = f->hw.cmd[1] >> 2 & 1;

	memset(f->hw.cmd + 2, 0, sizeof(f->hw.cmd) - 2);
	f->hw.t = (struct fdc_transfer_hw){.pos = 0};
	if (!m || !fdc_rate_fits(f) || head >= m->format->heads ||
		fdc_cylinder(f) >= m->format->cylinders) {
		fdc_end(f, ST0_ABNORMAL, ST1_NO_MARK, 0);
		return;
	}
	f->hw.id = (uint8_t)((f->hw.id + 1) % m->format->sectors);
	f->hw.cmd[2] = (uint8_t)fdc_cylinder(f);
	f->hw.cmd[3] = (uint8_t)head;
	f->hw.cmd[4] = (uint8_t)(f->hw.id + 1);
	f->hw.cmd[5] = 2;
	fdc_end(f, 0, 0, 0);
}

/* Sections 5.1 and 5.2: bits of the first byte that name the command, bytes of it. */
static const struct command {
	uint8_t code, mask, len;
	bool seeks; /* CONFIGURE may make it seek */
	void (*run)(struct fdc *f);
} commands[] = {
	{0x06, 0x1f, 9, true, fdc_start_read},
	{0x05, 0x3f, 9, true, fdc_start_write},
	{0x09, 0x3f, 9, true, fdc_start_write},
	{0x02, 0x9f, 9, true, fdc_start_track},
	{0x16, 0x1f, 9, true, fdc_start_verify},
	{0x0d, 0xbf, 6, false, fdc_start_format},
	{0x0a, 0xbf, 2, false, read_id},
	{0x07, 0xff, 2, false, recalibrate},
	{0x08, 0xff, 1, false, sense_interrupt},
	{0x03, 0xff, 3, false, specify},
	{0x04, 0xff, 2, false, sense_drive},
	{0x0f, 0xff, 3, false, seek},
	{0x8f, 0xbf, 3, false, relative_seek},
	{0x0e, 0xff, 1, false, dump_registers},
	{0x10, 0xff, 1, false, version},
	{0x12, 0xff, 2, false, perpendicular},
	{0x13, 0xff, 4, false, configure},
	{0x14, 0x7f, 1, false, lock},
};

static const struct command *find_command(uint8_t code)
{
	static const struct command none = {.len = 1, .run = invalid};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if ((code & commands[i].mask) == commands[i].code)
			return &commands[i];
	}
	return &none;
}

static void command_byte(struct fdc *f, uint8_t value)
{
	struct fdc_hw *h = &f->hw;
	const struct command *c;

	h->cmd[h->cmd_len++] = value;
	c = find_command(h->cmd[0]);
	if (h->cmd_len < c->len)
		return;
	if (c->seeks && (h->config & CONFIG_SEEK))
		fdc_step_to(f, cmd_drive(f), h->cmd[2]);
	c->run(f);
}

/* ---- registers ---- */

static uint8_t read_msr(const struct fdc *f)
{
	const struct fdc_hw *h = &f->hw;
	bool to_host = h->t.kind == FDC_READ;

	if (!(h->dor & DOR_RUN))
		return 0;
	switch (h->phase) {
	case FDC_COMMAND: return MSR_READY | (h->cmd_len ? MSR_BUSY : 0) | h->seeks;
	case FDC_PIO:
		return MSR_READY | (to_host ? MSR_TO_HOST : 0) | MSR_NON_DMA | MSR_BUSY | h->seeks;
	case FDC_RESULT: return MSR_READY | MSR_TO_HOST | MSR_BUSY | h->seeks;
	default: return MSR_BUSY | h->seeks;
	}
}

static uint8_t read_result(struct fdc *f)
{
	uint8_t v = f->hw.result[f->hw.result_pos++];

	/* The interrupt of a seek lasts until it is sensed, that of a result until it is read. */
	if (!f->hw.seeks && !f->hw.polls)
		fdc_set_irq(f, false);
	if (f->hw.result_pos == f->hw.result_len)
		expect_command(f);
	return v;
}

static uint8_t read_fifo(struct fdc *f)
{
	if (f->hw.phase == FDC_RESULT)
		return read_result(f);
	return f->hw.phase == FDC_PIO ? fdc_pio_read(f) : 0;
}

static void write_fifo(struct fdc *f, uint8_t value)
{
	if (!(f->hw.dor & DOR_RUN))
		return;
	if (f->hw.phase == FDC_COMMAND)
		command_byte(f, value);
	else if (f->hw.phase == FDC_PIO)
		fdc_pio_write(f, value);
	else
		dev_guest_error(&f->dev, "a byte is written that no command expects");
}

static void write_dor(struct fdc *f, uint8_t value)
{
	uint8_t changed = f->hw.dor ^ value;

	f->hw.dor = value;
	fdc_set_irq(f, f->hw.irq);
	if (!(changed & DOR_RUN))
		return;
	if (value & DOR_RUN)
		leave_reset(f);
	else
		soft_reset(f);
}

/* A reset by it ends by itself. */
static void write_dsr(struct fdc *f, uint8_t value)
{
	f->hw.rate = value & RATE_MASK;
	if (!(value & DSR_RESET) || !(f->hw.dor & DOR_RUN))
		return;
	soft_reset(f);
	leave_reset(f);
}

static uint64_t regs_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct fdc *f = to_fdc(d);

	switch (offset) {
	case REG_DOR: return f->hw.dor;
	case REG_TDR: return f->hw.tdr;
	case REG_MSR: return read_msr(f);
	default: return read_fifo(f);
	}
}

static void regs_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct fdc *f = to_fdc(d);

	switch (offset) {
	case REG_DOR: write_dor(f, (uint8_t)value); break;
	case REG_TDR: f->hw.tdr = value & 0x03; break;
	case REG_MSR: write_dsr(f, (uint8_t)value); break;
	default: write_fifo(f, (uint8_t)value); break;
	}
}

static uint64_t dir_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct fdc *f = to_fdc(d);
	unsigned drive = f->hw.dor & DOR_DRIVE;

	return bay_of(f, drive) && f->hw.changed[drive] ? DIR_CHANGED : 0;
}

static void ccr_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	to_fdc(d)->hw.rate = value & RATE_MASK;
}

static const struct region_ops regs_ops = {
	.read = regs_read, .write = regs_write, .min = 1, .max = 1};
static const struct region_ops dir_ops = {.read = dir_read, .write = ccr_write, .min = 1, .max = 1};

/* ---- life ---- */

void fdc_set_dma(struct dev *d, struct isa_dma *channel)
{
	to_fdc(d)->dma = channel;
}

static void dma_ready(void *opaque)
{
	struct fdc *f = opaque;

	loop_post(f->dev.bus->loop, &f->work_call);
}

static bool realize(struct dev *d, GError **error)
{
	struct fdc *f = to_fdc(d);

	f->irq = gsi_source(d->bus->gsi, FDC_IRQ);
	fdc_media_init(f);
	if (f->dma) {
		f->dma->opaque = f;
		f->dma->ready = dma_ready;
	}
	region_init_io(&f->regs, d, &regs_ops, "fdc", BUS_PIO, REGS);
	region_init_io(&f->dir, d, &dir_ops, "fdc-dir", BUS_PIO, 1);
	return region_map(d->bus, &f->regs, 0x3f2, REGION_PRIO_DEVICE) == 0 &&
	       region_map(d->bus, &f->dir, 0x3f7, REGION_PRIO_DEVICE) == 0;
}

/* The DOR is as firmware would set it; rates begin with 250 kbit/s (section 2.1.7). */
static void reset(struct dev *d, enum reset_kind kind)
{
	struct fdc *f = to_fdc(d);

	fdc_forget(f);
	memset(&f->hw, 0, sizeof(f->hw));
	f->hw.dor = DOR_GATE | DOR_RUN;
	f->hw.rate = 2;
	f->hw.changed[0] = f->hw.changed[1] = true;
	soft_reset(f);
}

static void unrealize(struct dev *d)
{
	struct fdc *f = to_fdc(d);

	fdc_media_done(f);
	if (f->dma && f->dma->opaque == f) {
		isa_dma_request(f->dma, false);
		f->dma->ready = NULL;
	}
	irq_set(&f->irq, false);
}

/* What waits for the medium asks for it again, if that is there. */
static int post_load(struct dev *d)
{
	struct fdc *f = to_fdc(d);
	const struct fdc_hw *h = &f->hw;

	fdc_forget(f);
	if (h->phase == FDC_DMA && !f->dma)
		return -EINVAL;
	fdc_set_irq(f, h->irq);
	fdc_enter(f, h->phase);
	return 0;
}

static const struct state_field transfer_fields[] = {
	ST_MAX(struct fdc_transfer_hw, total, FDC_BUF),
	ST_MAX(struct fdc_transfer_hw, pos, FDC_BUF),
	ST_U(struct fdc_transfer_hw, done),
	ST_MAX(struct fdc_transfer_hw, first, FDC_TRACK),
	ST_MAX(struct fdc_transfer_hw, other, FDC_TRACK),
	ST_MAX(struct fdc_transfer_hw, sector, FDC_TRACK),
	ST_U(struct fdc_transfer_hw, cylinder),
	ST_MAX(struct fdc_transfer_hw, kind, FDC_KINDS - 1),
	ST_BOOL(struct fdc_transfer_hw, tc),
	ST_BOOL(struct fdc_transfer_hw, beyond),
	ST_END,
};

static const struct state_field fields[] = {
	ST_STRUCT(struct fdc_hw, t, transfer_fields),
	ST_U(struct fdc_hw, dor),
	ST_MAX(struct fdc_hw, tdr, 0x03),
	ST_MAX(struct fdc_hw, rate, RATE_MASK),
	ST_BYTES(struct fdc_hw, specify),
	ST_MAX(struct fdc_hw, config, CONFIG_SAVED),
	ST_U(struct fdc_hw, precomp),
	ST_MAX(struct fdc_hw, perpendicular, PERP_SAVED),
	ST_MAX(struct fdc_hw, phase, FDC_PHASES - 1),
	ST_BYTES(struct fdc_hw, cmd),
	ST_MAX(struct fdc_hw, cmd_len, 9),
	ST_BYTES(struct fdc_hw, result),
	ST_MAX(struct fdc_hw, result_len, 10),
	ST_MAX(struct fdc_hw, result_pos, 10),
	ST_BYTES(struct fdc_hw, pcn),
	ST_BYTES(struct fdc_hw, seek_st0),
	ST_MAX(struct fdc_hw, seeks, (1 << FDC_DRIVES) - 1),
	ST_MAX(struct fdc_hw, polls, FDC_DRIVES),
	ST_MAX(struct fdc_hw, id, FDC_TRACK - 1),
	ST_BOOL(struct fdc_hw, lock),
	ST_BOOL(struct fdc_hw, irq),
	{.name = "changed",
		.type = ST_TYPE_ARRAY,
		.offset = offsetof(struct fdc_hw, changed),
		.size = FDC_BAYS,
		.elem_size = 1,
		.count = FDC_BAYS,
		.max = 1},
	ST_BYTES(struct fdc_hw, buf),
	ST_END,
};

/* Bytes and sectors that a transfer in this phase counts lie in the buffer and on the track. */
static bool transfer_sound(const struct fdc_hw *h)
{
	const struct fdc_transfer_hw *t = &h->t;
	unsigned sectors = t->first + t->other, moved = t->done * (unsigned)FDC_SECTOR;

	if (t->pos > t->total)
		return false;
	if (t->kind == FDC_FORMAT)
		return t->total == 4u * h->cmd[3] && t->done <= t->pos / 4;
	if (!t->sector || !t->first || t->sector + t->first - 1u > FDC_TRACK)
		return false;
	if (t->total % FDC_SECTOR || t->total > sectors * FDC_SECTOR || moved > t->total)
		return false;
	if (t->kind == FDC_VERIFY)
		return h->phase == FDC_MEDIUM;
	return t->kind == FDC_READ ? t->pos <= moved : moved <= t->pos;
}

static int check(const void *hw)
{
	const struct fdc_hw *h = hw;
	bool transfers = h->phase == FDC_MEDIUM || h->phase == FDC_DMA || h->phase == FDC_PIO;

	if (h->phase == FDC_COMMAND && h->cmd_len && h->cmd_len >= find_command(h->cmd[0])->len)
		return -EINVAL;
	if (h->phase == FDC_RESULT && h->result_pos >= h->result_len)
		return -EINVAL;
	if (transfers && !transfer_sound(h))
		return -EINVAL;
	return h->phase == FDC_PIO && h->t.pos >= fdc_data_end(&h->t) ? -EINVAL : 0;
}

static const struct state_desc state = {
	.name = "fdc",
	.version = 1,
	.size = sizeof(struct fdc_hw),
	.fields = fields,
	.check = check,
};

const struct dev_ops isa_fdc_ops = {
	.name = "isa-fdc",
	.doc = "floppy disk controller, 82077AA",
	.size = sizeof(struct fdc),
	.realize = realize,
	.reset = reset,
	.quiesce = fdc_quiesce,
	.resume = fdc_resume,
	.unrealize = unrealize,
	.post_load = post_load,
	.state =
		(const struct dev_part[]){
			{&state, offsetof(struct fdc, hw)},
			{.desc = NULL},
		},
};
