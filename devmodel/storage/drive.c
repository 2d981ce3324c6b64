/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the data of a command moves: steps on the loop, DRQ blocks at the data register. See drive.h.
 */
#include "devmodel/storage/drive.h"

#include <errno.h>
#include <string.h>

#include "base/qs.h"

/* ---- small things ---- */

uint32_t drive_block_size(const struct drive *d)
{
	return d->medium ? MAX(d->ops->block, d->medium->info.logical_block) : d->ops->block;
}

bool drive_to_guest(const struct drive *d, unsigned tag)
{
	const struct drive_cmd_hw *h = &d->hw->cmds[tag];

	return h->phase == PHASE_COPY_IN || (h->phase == PHASE_MEDIUM && h->op == BLK_READ);
}

/* Data goes through guest memory, not through the data register. */
static bool is_mapped(const struct drive *d, const struct drive_cmd_hw *h)
{
	return !d->host->link->data_register || (h->flags & CMD_DMA);
}

static void set_ready(struct drive *d, unsigned tag)
{
	const struct drive_link_ops *link = d->host->link;

	/* Else drive_kick() makes it so, when the guest's driver has started its bus master. */
	if (is_mapped(d, &d->hw->cmds[tag]) && link->can_map && !link->can_map(d))
		return;
	d->ready |= 1u << tag;
	storage_kick(d->host);
}

static void enter_phase(struct drive *d, unsigned tag, enum drive_phase phase)
{
	struct drive_cmd_hw *h = &d->hw->cmds[tag];

	h->phase = phase;
	if (!(h->flags & CMD_NCQ))
		d->hw->regs.status = ATA_BSY;
	set_ready(d, tag);
}

static void check_stopped(struct drive *d)
{
	if (!d->stopping || d->in_flight)
		return;
	d->stopping = false;
	if (!d->leaving)
		d->host->link->stopped(d);
}

/* ---- beginnings and the end ---- */

void drive_start(struct drive *d, unsigned tag)
{
	struct drive_cmd_hw *h = &d->hw->cmds[tag];
	struct ata_regs *r = &d->hw->regs;

	*h = (struct drive_cmd_hw){.command = r->command};
	r->status = ATA_BSY;
	r->error = 0;
	d->ops->start(d, tag);
}

void drive_end(struct drive *d, unsigned tag, uint8_t status, uint8_t error)
{
	struct drive_cmd_hw h = d->hw->cmds[tag];

	d->hw->cmds[tag] = (struct drive_cmd_hw){.phase = PHASE_FREE};
	d->ready &= ~(1u << tag);
	d->hw->regs.status = status;
	d->hw->regs.error = error;
	d->host->link->end(d, tag, &h);
}

/* The next DRQ block of what is in buf. */
static void set_drq(struct drive *d, enum drive_phase phase, bool irq)
{
	struct drive_hw *hw = d->hw;
	uint32_t n = MIN(hw->buf_len - hw->buf_pos, hw->drq_block);

	hw->cmds[0].phase = phase;
	hw->drq_end = hw->buf_pos + n;
	hw->regs.status = ATA_DRDY | ATA_DSC | ATA_DRQ;
	if (d->ops->drq)
		d->ops->drq(d, n);
	d->host->link->drq(d, irq);
}

static void fill_from_guest(struct drive *d, unsigned tag, uint32_t len, bool irq)
{
	d->hw->buf_len = len;
	d->hw->buf_pos = 0;
	set_drq(d, PHASE_PIO_OUT, irq);
}

static uint32_t buffer_step(const struct drive *d, const struct drive_cmd_hw *h)
{
	return MIN(h->left, DRIVE_BUF);
}

void drive_begin_medium(
	struct drive *d, unsigned tag, enum blk_op op, uint64_t offset, uint32_t len)
{
	struct drive_cmd_hw *h = &d->hw->cmds[tag];

	h->op = op;
	h->offset = offset;
	h->left = len;
	if (op == BLK_READ)
		h->flags |= CMD_TO_GUEST;
	else if (op == BLK_WRITE)
		h->flags |= CMD_TO_HOST;
	/*
	 * The first block is asked for without an interrupt: ATA/ATAPI-7 volume 2, PIO data-out
	 * protocol.
	 */
	if (op == BLK_WRITE && !is_mapped(d, h))
		fill_from_guest(d, tag, buffer_step(d, h), false);
	else
		enter_phase(d, tag, PHASE_MEDIUM);
}

void drive_begin_reply(struct drive *d, unsigned tag, uint32_t len)
{
	struct drive_cmd_hw *h = &d->hw->cmds[tag];

	h->flags |= CMD_TO_GUEST;
	d->hw->buf_len = len;
	d->hw->buf_pos = 0;
	if (is_mapped(d, h))
		enter_phase(d, tag, PHASE_COPY_IN);
	else
		set_drq(d, PHASE_PIO_IN, true);
}

void drive_begin_parameters(struct drive *d, unsigned tag, uint32_t len)
{
	struct drive_cmd_hw *h = &d->hw->cmds[tag];

	h->flags |= CMD_TO_HOST;
	h->op = BLK_OPS;
	d->hw->buf_len = len;
	if (is_mapped(d, h))
		enter_phase(d, tag, PHASE_COPY_OUT);
	else
		fill_from_guest(d, tag, len, false);
}

/* ---- the data register ---- */

/* All of a DRQ block was read. */
static void block_read(struct drive *d)
{
	struct drive_hw *hw = d->hw;
	struct drive_cmd_hw *h = &hw->cmds[0];

	if (hw->buf_pos < hw->buf_len) {
		set_drq(d, PHASE_PIO_IN, true);
		return;
	}
	h->done += hw->buf_len;
	if (h->left)
		enter_phase(d, 0, PHASE_MEDIUM);
	else
		d->ops->done(d, 0);
}

static void block_written(struct drive *d)
{
	struct drive_hw *hw = d->hw;

	if (hw->buf_pos < hw->buf_len)
		set_drq(d, PHASE_PIO_OUT, true);
	else if (hw->cmds[0].op == BLK_WRITE)
		enter_phase(d, 0, PHASE_MEDIUM);
	else
		d->ops->parameters(d, 0);
}

uint32_t drive_data_read(struct drive *d, unsigned size)
{
	struct drive_hw *hw = d->hw;
	uint32_t v = 0;

	if (hw->cmds[0].phase != PHASE_PIO_IN)
		return (uint32_t)ones(size);
	size = MIN(size, hw->drq_end - hw->buf_pos);
	memcpy(&v, hw->buf + hw->buf_pos, size);
	hw->buf_pos += size;
	if (hw->buf_pos == hw->drq_end)
		block_read(d);
	return v;
}

void drive_data_write(struct drive *d, unsigned size, uint32_t value)
{
	struct drive_hw *hw = d->hw;

	if (hw->cmds[0].phase != PHASE_PIO_OUT)
		return;
	size = MIN(size, hw->drq_end - hw->buf_pos);
	memcpy(hw->buf + hw->buf_pos, &value, size);
	hw->buf_pos += size;
	if (hw->buf_pos == hw->drq_end)
		block_written(d);
}

/* ---- steps: on the loop, inside a qs section ---- */

/* The buffer to the guest or back; a list that is shorter than a reply gets its beginning. */
static void step_copy(struct drive *d, unsigned tag, bool to_guest)
{
	const struct drive_link_ops *link = d->host->link;
	struct drive_hw *hw = d->hw;
	struct drive_cmd *c = &d->cmds[tag];
	uint32_t done = 0;
	struct giov v;
	int err = 0;

	while (done < hw->buf_len) {
		err = link->map(d, tag, done, hw->buf_len - done, c->segs, DRIVE_SEGS, &v);
		if (err < 0)
			break;
		if (to_guest)
			giov_write(&v, 0, hw->buf + done, v.size);
		else
			giov_read(&v, 0, hw->buf + done, v.size);
		link->moved(d, tag, done, (uint32_t)v.size);
		done += (uint32_t)v.size;
	}
	if (err == -EAGAIN)
		return;
	hw->cmds[tag].done = done;
	if (err < 0 && !(to_guest && done && err == -ENODATA))
		d->ops->failed(d, tag, -EFAULT);
	else if (to_guest)
		d->ops->done(d, tag);
	else
		d->ops->parameters(d, tag);
}

/* As much of what is left as one request takes. */
static uint32_t request_limit(const struct drive *d, uint32_t left)
{
	uint32_t max = d->medium->info.max_transfer;

	return max ? MIN(left, (uint32_t)align_down(max, drive_block_size(d))) : left;
}

static int map_payload(struct drive *d, unsigned tag, uint32_t n)
{
	struct drive_cmd_hw *h = &d->hw->cmds[tag];
	struct drive_cmd *c = &d->cmds[tag];
	uint32_t whole;
	int err;

	err = d->host->link->map(d, tag, h->done, n, c->segs, DRIVE_SEGS, &c->io.data);
	if (err < 0)
		return err;
	whole = (uint32_t)align_down(c->io.data.size, drive_block_size(d));
	if (!whole)
		return -ENODATA; /* or one block in more pieces than we take */
	return giov_slice(&c->io.data, 0, whole, c->segs, DRIVE_SEGS, &c->io.data);
}

static int make_transfer(struct drive *d, unsigned tag)
{
	struct drive_cmd_hw *h = &d->hw->cmds[tag];
	struct drive_cmd *c = &d->cmds[tag];
	uint32_t n = request_limit(d, h->left);
	int err;

	if (is_mapped(d, h)) {
		err = map_payload(d, tag, n);
		if (err < 0)
			return err;
	} else {
		n = h->op == BLK_WRITE ? d->hw->buf_len : buffer_step(d, h);
		c->io.data = giov_from_buf(c->segs, d->hw->buf, n);
	}
	c->io.offset = h->offset;
	c->io.len = c->io.data.size;
	return 0;
}

static int make_discard(struct drive *d, unsigned tag)
{
	struct drive_cmd *c = &d->cmds[tag];
	uint32_t max = d->medium->info.max_discard;

	if (!d->ops->range || !d->ops->range(d, &c->io.offset, &c->io.len))
		return -EINVAL;
	if (max)
		c->io.len = MIN(c->io.len, align_down(max, drive_block_size(d)));
	return 0;
}

static int make_request(struct drive *d, unsigned tag)
{
	struct drive_cmd_hw *h = &d->hw->cmds[tag];
	struct blk_req *io = &d->cmds[tag].io;
	int err = 0;

	if (!d->medium)
		return -ENOMEDIUM;
	*io = (struct blk_req){.op = h->op, .flags = h->flags & CMD_FUA ? BLK_F_FUA : 0};
	if (h->op == BLK_READ || h->op == BLK_WRITE)
		err = make_transfer(d, tag);
	else if (h->op == BLK_DISCARD)
		err = make_discard(d, tag);
	return err < 0 ? err : blk_check(&d->medium->info, io);
}

static void request_done(struct blk_req *io);

static void step_medium(struct drive *d, unsigned tag)
{
	struct drive_cmd *c = &d->cmds[tag];
	int err = make_request(d, tag);

	if (err == -EAGAIN)
		return;
	if (err < 0) {
		d->ops->failed(d, tag, err == -ENODATA ? -EFAULT : err);
		return;
	}
	c->io.done = request_done;
	c->medium = d->medium;
	c->medium->refs++;
	c->medium->commit = true;
	d->in_flight++;
	blk_submit(d->medium->queue, &c->io);
}

void drive_work(struct drive *d)
{
	uint32_t due;

	/* A command whose last owner's request is still under way waits for that. */
	while ((due = d->ready & ~d->orphans)) {
		unsigned tag = (unsigned)__builtin_ctz(due);

		d->ready &= ~(1u << tag);
		switch (d->hw->cmds[tag].phase) {
		case PHASE_MEDIUM: step_medium(d, tag); break;
		case PHASE_COPY_IN: step_copy(d, tag, true); break;
		case PHASE_COPY_OUT: step_copy(d, tag, false); break;
		}
	}
}

/* ---- what comes back ---- */

static void transferred_mapped(struct drive *d, unsigned tag, uint32_t n)
{
	struct drive_cmd_hw *h = &d->hw->cmds[tag];

	d->host->link->moved(d, tag, h->done, n);
	h->done += n;
	if (h->left)
		set_ready(d, tag);
	else
		d->ops->done(d, tag);
}

static void transferred_buffer(struct drive *d, uint32_t n)
{
	struct drive_hw *hw = d->hw;
	struct drive_cmd_hw *h = &hw->cmds[0];

	if (h->op == BLK_READ) {
		hw->buf_len = n;
		hw->buf_pos = 0;
		set_drq(d, PHASE_PIO_IN, true);
		return;
	}
	h->done += n;
	if (h->left)
		fill_from_guest(d, 0, buffer_step(d, h), true);
	else
		d->ops->done(d, 0);
}

static void succeeded(struct drive *d, unsigned tag)
{
	struct drive_cmd_hw *h = &d->hw->cmds[tag];
	uint32_t n = (uint32_t)d->cmds[tag].io.len;

	switch (h->op) {
	case BLK_READ:
	case BLK_WRITE:
		h->offset += n;
		h->left -= n;
		if (is_mapped(d, h))
			transferred_mapped(d, tag, n);
		else
			transferred_buffer(d, n);
		break;
	default:
		d->ops->done(d, tag);
		break; /* of a discard the drive knows whether another range follows */
	}
}

static void request_done(struct blk_req *io)
{
	struct drive_cmd *c = container_of(io, struct drive_cmd, io);
	struct drive *d = c->drive;
	struct storage *s = d->host;
	unsigned tag = (unsigned)(c - d->cmds);

	storage_enter(s);
	medium_put(c->medium);
	c->medium = NULL;
	d->in_flight--;
	if (d->orphans & 1u << tag)
		d->orphans &= ~(1u << tag);
	else if (io->result < 0)
		d->ops->failed(d, tag, io->result);
	else
		succeeded(d, tag);
	check_stopped(d);
	storage_leave(s);
}

/* ---- dropping ---- */

void drive_forget(struct drive *d)
{
	d->ready = 0;
	d->stopping = false;
	for (unsigned i = 0; i < DRIVE_TAGS; i++) {
		if (d->cmds[i].medium)
			d->orphans |= 1u << i;
	}
	if (d->in_flight && d->medium)
		medium_cancel(d->medium);
}

void drive_drop_others(struct drive *d, unsigned tag)
{
	for (unsigned i = 0; i < DRIVE_TAGS; i++) {
		if (i == tag)
			continue;
		d->hw->cmds[i] = (struct drive_cmd_hw){.phase = PHASE_FREE};
		d->ready &= ~(1u << i);
		if (d->cmds[i].medium)
			d->orphans |= 1u << i;
	}
}

void drive_stop(struct drive *d)
{
	drive_drop_others(d, DRIVE_TAGS);
	d->stopping = true;
	if (d->in_flight && d->medium)
		medium_cancel(d->medium);
	check_stopped(d);
}

void drive_kick(struct drive *d)
{
	for (unsigned i = 0; i < DRIVE_TAGS; i++) {
		const struct drive_cmd_hw *h = &d->hw->cmds[i];

		bool under_way = d->cmds[i].medium && !(d->orphans & 1u << i);

		if (!under_way && (h->phase == PHASE_MEDIUM || h->phase >= PHASE_COPY_IN))
			d->ready |= 1u << i;
	}
	if (d->ready)
		storage_kick(d->host);
}

void drive_set_signature(struct drive *d)
{
	struct ata_regs *r = &d->hw->regs;
	const uint8_t *sig = d->ops->signature;

	*r = (struct ata_regs){.device = r->device & ATA_DEV_UNIT,
		.count = sig[0],
		.lba = {sig[1], sig[2], sig[3]},
		.status = d->ops->kind == DRIVE_DISK ? ATA_DRDY | ATA_DSC : 0,
		.error = ATA_DIAG_PASSED};
}

void drive_reset(struct drive *d, bool power_on)
{
	struct drive_hw *hw = d->hw;

	if (power_on)
		*hw = (struct drive_hw){.kind = (uint8_t)d->ops->kind, .tray_open = hw->tray_open};
	hw->buf_len = hw->buf_pos = hw->drq_end = 0;
	hw->drq_block = DRIVE_SECTOR;
	drive_set_signature(d);
	d->ops->reset(d, power_on);
}
