/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Task file and device selection: ATA/ATAPI-7 volume 1 chapter 5, volume 2 chapters 8 and 9. */
#include "devmodel/storage/ide.h"

#include <endian.h>
#include <errno.h>

#define NO_DEVICE \
	0x7f /* DD7 is pulled down: nobody is never busy (ATA/ATAPI-7 volume 2, section 5.2.1) */

/* Command block registers. */
enum { REG_DATA, REG_FEATURE, REG_COUNT, REG_LBA, REG_DEVICE = 6, REG_COMMAND = 7 };

/* Bus master registers and their bits. */
enum { BM_COMMAND = 0, BM_STATUS = 2, BM_TABLE = 4 };
enum { BM_START = 0x01, BM_TO_MEMORY = 0x08 };
enum { BM_ACTIVE = 0x01, BM_ERROR = 0x02, BM_INTERRUPT = 0x04, BM_CAPABLE = 0x60 };

#define PRD_SIZE      8
#define PRD_BATCH     64
#define PRD_TABLE_MAX (64 * KiB) /* it does not cross such a boundary */
#define PRD_LAST      0x80000000u

struct prd {
	uint32_t addr, count;
};

static struct drive *unit(struct ide_channel *ch, unsigned n)
{
	return ch->host->bays[STORAGE_IDE_BAY(ch->index, n)];
}

static struct drive *selected(struct ide_channel *ch)
{
	return unit(ch, ch->hw->unit);
}

/* ---- interrupts ---- */

void ide_drive_irq(struct ide_channel *ch)
{
	irq_set(&ch->irq, ch->hw->line);
}

static void update_irq(struct ide_channel *ch)
{
	struct ide_channel_hw *hw = ch->hw;
	bool line = selected(ch) && hw->intrq[hw->unit] && !(hw->control & ATA_NIEN);

	if (line == hw->line)
		return;
	if (line)
		hw->bm_status |= BM_INTERRUPT;
	hw->line = line;
	ide_drive_irq(ch);
}

void ide_interrupt(struct ide_channel *ch, struct drive *d)
{
	ch->hw->intrq[d->bay % IDE_UNITS] = true;
	update_irq(ch);
}

static void clear_intrq(struct ide_channel *ch)
{
	ch->hw->intrq[ch->hw->unit] = false;
	update_irq(ch);
}

/* ---- reset ---- */

static void finish_reset(struct ide_channel *ch, unsigned n)
{
	struct drive *d = unit(ch, n);

	if (ch->hw->control & ATA_SRST || !(ch->hw->resetting & 1u << n))
		return;
	if (d && d->in_flight)
		return;
	ch->hw->resetting &= ~(1u << n);
	if (d)
		drive_reset(d, false);
}

void ide_stopped(struct ide_channel *ch, struct drive *d)
{
	finish_reset(ch, d->bay % IDE_UNITS);
}

void ide_plugged(struct ide_channel *ch, unsigned n)
{
	ch->hw->intrq[n] = false;
	ch->hw->resetting &= ~(1u << n);
	update_irq(ch);
}

/* Until what is under way has come back the drive is busy. */
static void begin_reset(struct ide_channel *ch, unsigned n)
{
	struct drive *d = unit(ch, n);

	ch->hw->resetting |= 1u << n;
	ch->hw->intrq[n] = false;
	if (!d)
		return;
	d->hw->regs.status = ATA_BSY;
	drive_stop(d);
}

static void software_reset(struct ide_channel *ch)
{
	for (unsigned n = 0; n < IDE_UNITS; n++) {
		begin_reset(ch, n);
		if (unit(ch, n))
			unit(ch, n)->hw->regs.device = 0;
	}
	ch->hw->unit = 0;
	update_irq(ch);
}

void ide_write_control(struct ide_channel *ch, uint8_t value)
{
	bool was = ch->hw->control & ATA_SRST;

	ch->hw->control = value & (ATA_NIEN | ATA_SRST | ATA_HOB);
	if (value & ATA_SRST) {
		if (!was)
			software_reset(ch);
	} else {
		for (unsigned n = 0; n < IDE_UNITS; n++)
			finish_reset(ch, n);
	}
	update_irq(ch);
}

void ide_reset(struct ide_channel *ch)
{
	*ch->hw = (struct ide_channel_hw){.bm_status = 0};
	irq_set(&ch->irq, false);
}

/* ---- the command register ---- */

/* Both devices execute it, device 0 answers (ATA/ATAPI-7 section 6.9). */
static void diagnostic(struct ide_channel *ch)
{
	for (unsigned n = 0; n < IDE_UNITS; n++) {
		struct drive *d = unit(ch, n);

		if (!d)
			continue;
		d->hw->regs.device = 0;
		drive_set_signature(d);
	}
	ch->hw->unit = 0;
	ch->hw->intrq[0] = true;
	update_irq(ch);
}

static bool is_busy(const struct drive *d)
{
	return d->hw->regs.status & (ATA_BSY | ATA_DRQ);
}

static void write_command(struct ide_channel *ch, uint8_t command)
{
	struct drive *d = selected(ch);

	if (!d || ch->hw->resetting & 1u << ch->hw->unit)
		return;
	if (command == ATA_DEVICE_RESET && d->ops == &drive_cdrom_ops) {
		begin_reset(ch, ch->hw->unit);
		finish_reset(ch, ch->hw->unit);
		update_irq(ch);
		return;
	}
	if (is_busy(d))
		return;
	clear_intrq(ch);
	d->hw->regs.command = command;
	if (command == ATA_DEVICE_DIAGNOSTIC)
		diagnostic(ch);
	else
		drive_start(d, 0);
}

/* ---- the other registers ---- */

/* Both devices hear what is written; each remembers the previous content. */
static void write_both(struct ide_channel *ch, unsigned reg, uint8_t v)
{
	for (unsigned n = 0; n < IDE_UNITS; n++) {
		struct drive *d = unit(ch, n);
		struct ata_regs *r;

		if (!d)
			continue;
		r = &d->hw->regs;
		switch (reg) {
		case REG_FEATURE:
			r->hob_feature = r->feature;
			r->feature = v;
			break;
		case REG_COUNT:
			r->hob_count = r->count;
			r->count = v;
			break;
		case REG_DEVICE: r->device = v; break;
		default:
			r->hob_lba[reg - REG_LBA] = r->lba[reg - REG_LBA];
			r->lba[reg - REG_LBA] = v;
			break;
		}
	}
}

static void write_register(struct ide_channel *ch, unsigned reg, uint8_t v)
{
	struct drive *d = selected(ch);

	ch->hw->control &= ~ATA_HOB;
	if (reg == REG_COMMAND) {
		write_command(ch, v);
		return;
	}
	if (d && is_busy(d))
		return;
	write_both(ch, reg, v);
	if (reg == REG_DEVICE) {
		ch->hw->unit = !!(v & ATA_DEV_UNIT);
		update_irq(ch);
	}
}

static uint8_t status(struct ide_channel *ch)
{
	const struct drive *d = selected(ch);

	if (d)
		return d->hw->regs.status;
	return unit(ch, !ch->hw->unit) ? 0 : NO_DEVICE;
}

/*
 * Device 0 answers for a device 1 that is not there (ATA/ATAPI-7 section 9.16), but its status is
 * 0.
 */
static uint8_t read_register(struct ide_channel *ch, unsigned reg)
{
	const struct drive *d = selected(ch) ? selected(ch) : unit(ch, !ch->hw->unit);
	bool hob = ch->hw->control & ATA_HOB;
	const struct ata_regs *r;

	if (!d)
		return NO_DEVICE;
	r = &d->hw->regs;
	switch (reg) {
	case REG_FEATURE: return hob ? r->hob_feature : r->error;
	case REG_COUNT: return hob ? r->hob_count : r->count;
	case REG_DEVICE: return r->device | ATA_DEV_OBSOLETE;
	default: return hob ? r->hob_lba[reg - REG_LBA] : r->lba[reg - REG_LBA];
	}
}

static uint8_t read_byte(struct ide_channel *ch, unsigned reg)
{
	if (reg != REG_COMMAND)
		return read_register(ch, reg);
	if (ch->hw->intrq[ch->hw->unit])
		clear_intrq(ch);
	return status(ch);
}

uint8_t ide_read_control(struct ide_channel *ch)
{
	return status(ch);
}

uint32_t ide_read(struct ide_channel *ch, unsigned offset, unsigned size)
{
	uint32_t v = 0;

	if (offset == REG_DATA)
		return selected(ch) ? drive_data_read(selected(ch), size) : (uint32_t)ones(size);
	for (unsigned i = 0; i < size; i++)
		v |= (uint32_t)read_byte(ch, offset + i) << (8 * i);
	return v;
}

void ide_write(struct ide_channel *ch, unsigned offset, unsigned size, uint32_t value)
{
	if (offset == REG_DATA) {
		if (selected(ch))
			drive_data_write(selected(ch), size, value);
		return;
	}
	for (unsigned i = 0; i < size; i++)
		write_register(ch, offset + i, (uint8_t)(value >> (8 * i)));
}

/* ---- bus master ---- */

uint8_t ide_bm_read(struct ide_channel *ch, unsigned offset)
{
	switch (offset) {
	case BM_COMMAND: return ch->hw->bm_command;
	case BM_STATUS: return ch->hw->bm_status;
	case BM_TABLE ... BM_TABLE + 3:
		return (uint8_t)(ch->hw->prd_table >> (8 * (offset - BM_TABLE)));
	default: return 0;
	}
}

static void write_bm_command(struct ide_channel *ch, uint8_t v)
{
	struct ide_channel_hw *hw = ch->hw;
	uint8_t changed = hw->bm_command ^ v;

	hw->bm_command = v & (BM_START | BM_TO_MEMORY);
	if (!(changed & BM_START))
		return;
	if (!(v & BM_START)) {
		hw->bm_status &= ~BM_ACTIVE;
		return;
	}
	hw->bm_status |= BM_ACTIVE;
	if (!selected(ch))
		return;
	hw->bm_base = selected(ch)->hw->cmds[0].done;
	drive_kick(selected(ch));
}

void ide_bm_write(struct ide_channel *ch, unsigned offset, uint8_t v)
{
	struct ide_channel_hw *hw = ch->hw;
	unsigned shift = 8 * (offset - BM_TABLE);

	switch (offset) {
	case BM_COMMAND: write_bm_command(ch, v); break;
	case BM_STATUS:
		hw->bm_status &= ~(v & (BM_ERROR | BM_INTERRUPT));
		hw->bm_status = (hw->bm_status & ~BM_CAPABLE) | (v & BM_CAPABLE);
		break;
	case BM_TABLE ... BM_TABLE + 3:
		hw->prd_table = (hw->prd_table & ~(0xffu << shift)) | (uint32_t)v << shift;
		if (offset == BM_TABLE)
			hw->prd_table &= ~3u;
		break;
	}
}

/* ---- physical region descriptors ---- */

struct prd_walk {
	struct ide_channel *ch;
	uint64_t off, end; /* the bytes of interest */
	uint64_t pos;      /* of the next descriptor's region */
	bool last;         /* that was the last descriptor */
	/* For the part [@gpa, @gpa + @n) of a region that is of interest: 0 or -errno. */
	int (*piece)(struct prd_walk *w, uint64_t gpa, uint32_t n);
	struct iovec *segs;
	unsigned room, used;
	size_t size;
	bool to_guest;
};

static int walk_region(struct prd_walk *w, const struct prd *p)
{
	uint32_t n = le32toh(p->count) & 0xfffe, skip;
	uint64_t end;

	n = n ? n : 64 * KiB;
	end = w->pos + n;
	w->last = le32toh(p->count) & PRD_LAST;
	if (end > w->off) {
		skip = w->off > w->pos ? (uint32_t)(w->off - w->pos) : 0;
		n = (uint32_t)(MIN(end, w->end) - w->pos) - skip;
		w->pos = end;
		return w->piece(w, (le32toh(p->addr) & ~1u) + (uint64_t)skip, n);
	}
	w->pos = end;
	return 0;
}

/* A table ends with its last descriptor, or at the boundary that it must not cross. */
static int walk_table(struct prd_walk *w)
{
	uint64_t table = w->ch->hw->prd_table;
	uint64_t table_end = align_down(table, PRD_TABLE_MAX) + PRD_TABLE_MAX;
	struct gmem *gmem = w->ch->host->pci.dev.bus->gmem;
	struct prd batch[PRD_BATCH];
	int err = 0;

	while (table < table_end && w->pos < w->end && !w->last) {
		unsigned n = (unsigned)MIN(PRD_BATCH, (table_end - table) / PRD_SIZE);

		/* The table may lie at the end of memory. */
		while (n && gmem_read(gmem, GPA(table), batch, n * PRD_SIZE) < 0)
			n /= 2;
		if (!n)
			return -EFAULT;
		for (unsigned i = 0; i < n && w->pos < w->end && !w->last && !err; i++)
			err = walk_region(w, &batch[i]);
		if (err < 0)
			return err;
		table += n * PRD_SIZE;
	}
	return 0;
}

static int add_piece(struct prd_walk *w, uint64_t gpa, uint32_t n)
{
	struct gmem *gmem = w->ch->host->pci.dev.bus->gmem;
	int err = giov_add_gpa(gmem, GPA(gpa), n, w->to_guest, w->segs, w->room, &w->used);

	if (err == 0)
		w->size += n;
	return err;
}

bool ide_can_map(const struct ide_channel *ch)
{
	return ch->hw->bm_command & BM_START && pci_may_dma(&ch->host->pci);
}

/*
 * The direction is that of the drive's command, whatever the bus master was told. A table that is
 * too short stops the bus master, and the drive waits with its transfer until the driver loses
 * patience; a region outside of memory is an error that the controller reports (82371SB section
 * 2.7.2).
 */
int ide_map(struct ide_channel *ch, struct drive *d, uint64_t off, uint32_t n, struct iovec *segs,
	unsigned room, struct giov *ret)
{
	struct ide_channel_hw *hw = ch->hw;
	struct prd_walk w = {.ch = ch,
		.piece = add_piece,
		.segs = segs,
		.room = room,
		.to_guest = drive_to_guest(d, 0)};
	int err;

	if (!ide_can_map(ch) || off < hw->bm_base)
		return -EAGAIN;
	w.off = off - hw->bm_base;
	w.end = w.off + n;
	err = walk_table(&w);
	if (err < 0 && !(err == -E2BIG && w.size)) {
		hw->bm_status = (hw->bm_status | BM_ERROR) & ~BM_ACTIVE;
		dev_guest_error(&ch->host->pci.dev, "channel %u: descriptor at %08x: no memory",
			ch->index, hw->prd_table);
		return -EFAULT;
	}
	if (!w.size) {
		hw->bm_status &= ~BM_ACTIVE;
		return -EAGAIN;
	}
	ch->at_end = w.last && w.pos == w.off + w.size;
	*ret = giov_from_segs(segs, w.used, w.size);
	return 0;
}

static int mark_piece(struct prd_walk *w, uint64_t gpa, uint32_t n)
{
	gmem_dirty_mark(w->ch->host->pci.dev.bus->gmem, GPA(gpa), n);
	return 0;
}

void ide_moved(struct ide_channel *ch, struct drive *d, uint64_t off, uint32_t n)
{
	struct prd_walk w = {.ch = ch, .piece = mark_piece};

	if (ch->at_end)
		ch->hw->bm_status &= ~BM_ACTIVE;
	if (!gmem_dirty_on(ch->host->pci.dev.bus->gmem) || off < ch->hw->bm_base)
		return;
	w.off = off - ch->hw->bm_base;
	w.end = w.off + n;
	/*
	 * The guest may have changed its table: what cannot be read now was not written to through
	 * it either.
	 */
	(void)walk_table(&w);
}

const struct state_field ide_channel_fields[] = {
	ST_U(struct ide_channel_hw, prd_table),
	ST_U(struct ide_channel_hw, bm_base),
	ST_MAX(struct ide_channel_hw, bm_command, BM_START | BM_TO_MEMORY),
	ST_MAX(struct ide_channel_hw, bm_status, BM_ACTIVE | BM_ERROR | BM_INTERRUPT | BM_CAPABLE),
	ST_U(struct ide_channel_hw, control),
	ST_MAX(struct ide_channel_hw, unit, IDE_UNITS - 1),
	ST_ARRAY(struct ide_channel_hw, intrq, 1),
	ST_MAX(struct ide_channel_hw, resetting, (1u << IDE_UNITS) - 1),
	ST_BOOL(struct ide_channel_hw, line),
	ST_END,
};
