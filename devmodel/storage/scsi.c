/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tasks and units: how a command begins, moves its data and ends. What commands do is in scsi-*.c. */
#include <errno.h>
#include <string.h>

#include "base/loop.h"
#include "devmodel/storage/scsi-internal.h"

/* ---- sense (SPC-3 section 4.5) ---- */

void scsi_make_sense(uint8_t sense[SCSI_SENSE], uint8_t key, uint16_t asc_ascq)
{
	memset(sense, 0, SCSI_SENSE);
	sense[0] = 0x70; /* current, fixed format */
	sense[2] = key;
	sense[7] = SCSI_SENSE - 8;
	scsi_put16(sense + 12, asc_ascq);
}

void scsi_fail(struct scsi_task *t, uint8_t key, uint16_t asc_ascq)
{
	scsi_make_sense(t->hw.sense, key, asc_ascq);
	memcpy(t->unit->hw.sense, t->hw.sense, SCSI_SENSE);
	t->hw.status = SCSI_CHECK_CONDITION;
	t->hw.left = 0;
}

enum scsi_step scsi_illegal(struct scsi_task *t, uint16_t asc_ascq)
{
	scsi_fail(t, SCSI_KEY_ILLEGAL_REQUEST, asc_ascq);
	return SCSI_DONE;
}

enum scsi_step scsi_not_ready(struct scsi_task *t)
{
	scsi_fail(t, SCSI_KEY_NOT_READY,
		t->unit->conf.type == SCSI_TYPE_CDROM ? SCSI_ASC_TRAY_OPEN : SCSI_ASC_NO_MEDIUM);
	return SCSI_DONE;
}

static void fail_errno(struct scsi_task *t, int err)
{
	bool read = t->io.op == BLK_READ;

	switch (err) {
	case -EINVAL: scsi_fail(t, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_CDB); break;
	case -ERANGE: scsi_fail(t, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LBA); break;
	case -EROFS: scsi_fail(t, SCSI_KEY_DATA_PROTECT, SCSI_ASC_WRITE_PROTECTED); break;
	case -ENOSPC: scsi_fail(t, SCSI_KEY_DATA_PROTECT, SCSI_ASC_NO_SPACE); break;
	case -ECANCELED: scsi_fail(t, SCSI_KEY_ABORTED_COMMAND, 0); break;
	case -ENOMEM: scsi_fail(t, SCSI_KEY_HARDWARE_ERROR, SCSI_ASC_INTERNAL); break;
	default:
		scsi_fail(t, SCSI_KEY_MEDIUM_ERROR,
			read ? SCSI_ASC_READ_ERROR : SCSI_ASC_WRITE_ERROR);
		break;
	}
}

static void raise_attention(struct scsi_unit *u, uint16_t asc_ascq)
{
	scsi_make_sense(u->hw.sense, SCSI_KEY_UNIT_ATTENTION, asc_ascq);
	u->hw.unit_attention = true;
}

/* ---- ends of commands ---- */

enum scsi_step scsi_good(struct scsi_task *t)
{
	t->hw.status = SCSI_GOOD;
	t->hw.left = 0;
	return SCSI_DONE;
}

enum scsi_step scsi_respond(struct scsi_task *t, size_t n, size_t alloc)
{
	t->hw.op = SCSI_OP_RESPONSE;
	t->hw.dir = SCSI_DIR_IN;
	t->hw.left = MIN(n, alloc);
	return t->hw.left ? SCSI_DATA : SCSI_DONE;
}

enum scsi_step scsi_want_parameters(struct scsi_task *t, size_t n)
{
	if (n > SCSI_RESPONSE)
		return scsi_illegal(t, SCSI_ASC_LIST_LENGTH);
	t->hw.op = SCSI_OP_PARAMETERS;
	t->hw.dir = SCSI_DIR_OUT;
	t->hw.left = n;
	return n ? SCSI_DATA : SCSI_DONE;
}

/* ---- the medium ---- */

bool scsi_has_medium(const struct scsi_unit *u)
{
	return !u->hw.ejected;
}

uint32_t scsi_block_size(const struct scsi_unit *u)
{
	return u->conf.type == SCSI_TYPE_CDROM ? 2048 : u->info.logical_block;
}

uint64_t scsi_blocks(const struct scsi_unit *u)
{
	return u->info.size / scsi_block_size(u);
}

static void io_done(struct blk_req *io)
{
	struct scsi_task *t = container_of(io, struct scsi_task, io);

	t->waiting = false;
	if (t->cancelled) {
		t->cancelled = false;
		t->step(t, SCSI_CANCELLED);
		return;
	}
	if (io->result < 0) {
		fail_errno(t, io->result);
	} else if (io->op == BLK_READ || io->op == BLK_WRITE) {
		t->hw.offset += io->len;
		t->hw.left -= io->len;
	} else {
		t->hw.left = 0;
	}
	t->step(t, t->hw.left ? SCSI_DATA : SCSI_DONE);
}

static enum scsi_step submit(struct scsi_task *t)
{
	struct scsi_unit *u = t->unit;
	int err = blk_check(&u->info, &t->io);

	t->io.done = io_done;
	if (err == -EOPNOTSUPP)
		return scsi_illegal(t, SCSI_ASC_OPCODE);
	if (err) {
		fail_errno(t, err);
		return SCSI_DONE;
	}
	t->waiting = true;
	blk_submit(u->queue, &t->io);
	blk_commit(u->queue);
	return SCSI_WAIT;
}

/* ---- block commands (SBC-3) ---- */

/* LBA and length by the size of the CDB, SPC-3 section 4.3. */
static void get_range(const uint8_t *cdb, uint64_t *ret_lba, uint32_t *ret_n)
{
	switch (cdb[0] >> 5) {
	case 0:
		*ret_lba = scsi_get32(cdb) & 0x1fffff;
		*ret_n = cdb[4] ? cdb[4] : 256;
		break;
	case 4:
		*ret_lba = scsi_get64(cdb + 2);
		*ret_n = scsi_get32(cdb + 10);
		break;
	case 5:
		*ret_lba = scsi_get32(cdb + 2);
		*ret_n = scsi_get32(cdb + 6);
		break;
	default:
		*ret_lba = scsi_get32(cdb + 2);
		*ret_n = scsi_get16(cdb + 7);
		break;
	}
}

static bool in_range(const struct scsi_unit *u, uint64_t lba, uint32_t n)
{
	return range_fits(lba, n, scsi_blocks(u));
}

static enum scsi_step start_access(struct scsi_task *t, enum scsi_op op)
{
	uint32_t size = scsi_block_size(t->unit), n;
	uint64_t lba;

	get_range(t->hw.cdb, &lba, &n);
	if (!in_range(t->unit, lba, n))
		return scsi_illegal(t, SCSI_ASC_LBA);
	t->hw.op = (uint8_t)op;
	t->hw.dir = op == SCSI_OP_READ ? SCSI_DIR_IN : SCSI_DIR_OUT;
	t->hw.offset = lba * size;
	t->hw.left = (uint64_t)n * size;
	return n ? SCSI_DATA : SCSI_DONE;
}

static enum scsi_step start_read(struct scsi_task *t)
{
	return start_access(t, SCSI_OP_READ);
}

static enum scsi_step start_write(struct scsi_task *t)
{
	if (t->unit->info.readonly) {
		scsi_fail(t, SCSI_KEY_DATA_PROTECT, SCSI_ASC_WRITE_PROTECTED);
		return SCSI_DONE;
	}
	return start_access(t, SCSI_OP_WRITE);
}

/* Without comparing data: whether the range is there is all that can be said without reading it. */
static enum scsi_step start_verify(struct scsi_task *t)
{
	uint64_t lba;
	uint32_t n;

	get_range(t->hw.cdb, &lba, &n);
	if (t->hw.cdb[1] & 0x06) /* BYTCHK */
		return scsi_illegal(t, SCSI_ASC_CDB);
	return in_range(t->unit, lba, n) ? scsi_good(t) : scsi_illegal(t, SCSI_ASC_LBA);
}

static enum scsi_step start_flush(struct scsi_task *t)
{
	t->io = (struct blk_req){.op = BLK_FLUSH};
	return submit(t);
}

static enum scsi_step read_capacity_10(struct scsi_task *t)
{
	uint64_t last = scsi_blocks(t->unit) - 1;

	scsi_put32(t->hw.response, (uint32_t)MIN(last, UINT32_MAX));
	scsi_put32(t->hw.response + 4, scsi_block_size(t->unit));
	return scsi_respond(t, 8, 8);
}

#define READ_CAPACITY_16 0x10 /* service action */

static enum scsi_step service_action_in(struct scsi_task *t)
{
	const struct scsi_unit *u = t->unit;
	uint8_t *r = t->hw.response;

	if ((t->hw.cdb[1] & 0x1f) != READ_CAPACITY_16)
		return scsi_illegal(t, SCSI_ASC_CDB);
	scsi_put64(r, scsi_blocks(u) - 1);
	scsi_put32(r + 8, scsi_block_size(u));
	r[13] = (uint8_t)__builtin_ctz(u->info.physical_block / u->info.logical_block);
	r[14] = u->info.can_discard && !u->info.readonly ? 0x80 : 0; /* LBPME */
	return scsi_respond(t, 32, scsi_get32(t->hw.cdb + 10));
}

static enum scsi_step start_unmap(struct scsi_task *t)
{
	if (!t->unit->info.can_discard)
		return scsi_illegal(t, SCSI_ASC_OPCODE);
	return scsi_want_parameters(t, scsi_get16(t->hw.cdb + 7));
}

/* SBC-3 section 5.28: of descriptors we take one (block limits page). */
static enum scsi_step unmap(struct scsi_task *t)
{
	const uint8_t *list = t->hw.response;
	uint32_t size = scsi_block_size(t->unit), n;
	uint64_t lba;

	if (t->hw.pos < 8)
		return scsi_illegal(t, SCSI_ASC_LIST_LENGTH);
	if (!scsi_get16(list + 2))
		return scsi_good(t);
	if (scsi_get16(list + 2) != 16 || t->hw.pos < 24)
		return scsi_illegal(t, SCSI_ASC_PARAMETERS);
	lba = scsi_get64(list + 8);
	n = scsi_get32(list + 16);
	if (!in_range(t->unit, lba, n))
		return scsi_illegal(t, SCSI_ASC_LBA);
	if (!n)
		return scsi_good(t);
	t->io = (struct blk_req){
		.op = BLK_DISCARD, .offset = lba * size, .len = (uint64_t)n * size};
	return submit(t);
}

/* Removable media come and go by this; other disks do not mind. */
static enum scsi_step start_stop(struct scsi_task *t)
{
	struct scsi_unit *u = t->unit;
	bool load_eject = t->hw.cdb[4] & 2, start = t->hw.cdb[4] & 1;

	if (!u->conf.removable || !load_eject || t->hw.cdb[4] >> 4)
		return scsi_good(t);
	if (!start && u->hw.locked)
		return scsi_illegal(t, SCSI_ASC_REMOVAL);
	if (u->hw.ejected && start) {
		u->hw.media_event = true;
		raise_attention(u, SCSI_ASC_MEDIUM_CHANGED);
	}
	u->hw.ejected = !start;
	return scsi_good(t);
}

static enum scsi_step prevent_allow(struct scsi_task *t)
{
	t->unit->hw.locked = t->hw.cdb[4] & 1;
	return scsi_good(t);
}

static enum scsi_step test_unit_ready(struct scsi_task *t)
{
	return scsi_good(t);
}

const struct scsi_command scsi_block_commands[] = {
	{0x00, SCSI_FOR_ANY | SCSI_F_MEDIUM, test_unit_ready},
	{0x08, SCSI_FOR_DISK | SCSI_F_MEDIUM, start_read},
	{0x0a, SCSI_FOR_DISK | SCSI_F_MEDIUM, start_write},
	{0x1b, SCSI_FOR_ANY, start_stop},
	{0x1e, SCSI_FOR_ANY, prevent_allow},
	{0x25, SCSI_FOR_ANY | SCSI_F_MEDIUM, read_capacity_10},
	{0x28, SCSI_FOR_ANY | SCSI_F_MEDIUM, start_read},
	{0x2a, SCSI_FOR_DISK | SCSI_F_MEDIUM, start_write},
	{0x2f, SCSI_FOR_ANY | SCSI_F_MEDIUM, start_verify},
	{0x35, SCSI_FOR_ANY | SCSI_F_MEDIUM, start_flush},
	{0x42, SCSI_FOR_DISK | SCSI_F_MEDIUM, start_unmap, unmap},
	{0x88, SCSI_FOR_DISK | SCSI_F_MEDIUM, start_read},
	{0x8a, SCSI_FOR_DISK | SCSI_F_MEDIUM, start_write},
	{0x8f, SCSI_FOR_DISK | SCSI_F_MEDIUM, start_verify},
	{0x91, SCSI_FOR_DISK | SCSI_F_MEDIUM, start_flush},
	{0x9e, SCSI_FOR_DISK | SCSI_F_MEDIUM, service_action_in},
	{0xa8, SCSI_FOR_ANY | SCSI_F_MEDIUM, start_read},
	{0xaa, SCSI_FOR_DISK | SCSI_F_MEDIUM, start_write},
	{.start = NULL},
};

/* ---- tasks ---- */

static const struct scsi_command *find_in(
	const struct scsi_command *c, uint8_t opcode, unsigned type)
{
	while (c->start && (c->opcode != opcode || !(c->flags & type)))
		c++;
	return c->start ? c : NULL;
}

static const struct scsi_command *find_command(const struct scsi_unit *u, uint8_t opcode)
{
	unsigned type = u->conf.type == SCSI_TYPE_CDROM ? SCSI_FOR_CDROM : SCSI_FOR_DISK;
	const struct scsi_command *c = find_in(scsi_block_commands, opcode, type);

	if (!c)
		c = find_in(scsi_primary_commands, opcode, type);
	return c ? c : find_in(scsi_mmc_commands, opcode, type);
}

enum scsi_step scsi_start(struct scsi_unit *u, struct scsi_task *t, const uint8_t *cdb, size_t n)
{
	const struct scsi_command *c = find_command(u, cdb[0]);

	t->unit = u;
	t->hw = (struct scsi_task_hw){.status = SCSI_GOOD};
	memcpy(t->hw.cdb, cdb, MIN(n, SCSI_CDB));
	if (c && c->flags & SCSI_F_QUIET)
		return c->start(t);
	if (u->hw.unit_attention) {
		u->hw.unit_attention = false;
		memcpy(t->hw.sense, u->hw.sense, SCSI_SENSE);
		t->hw.status = SCSI_CHECK_CONDITION;
		return SCSI_DONE;
	}
	memset(u->hw.sense, 0, SCSI_SENSE);
	if (!c)
		return scsi_illegal(t, SCSI_ASC_OPCODE);
	if (c->flags & SCSI_F_MEDIUM && !scsi_has_medium(u))
		return scsi_not_ready(t);
	return c->start(t);
}

static enum scsi_step move_response(struct scsi_task *t, const struct giov *piece)
{
	size_t n = MIN(piece->size, t->hw.left);

	giov_write(piece, 0, t->hw.response + t->hw.pos, n);
	t->hw.pos += (uint32_t)n;
	t->hw.left -= n;
	return t->hw.left ? SCSI_DATA : SCSI_DONE;
}

static enum scsi_step move_parameters(struct scsi_task *t, const struct giov *piece)
{
	size_t n = MIN(piece->size, t->hw.left);
	const struct scsi_command *c;

	giov_read(piece, 0, t->hw.response + t->hw.pos, n);
	t->hw.pos += (uint32_t)n;
	t->hw.left -= n;
	if (t->hw.left)
		return SCSI_DATA;
	c = find_command(t->unit, t->hw.cdb[0]);
	return c && c->parameters ? c->parameters(t) : SCSI_DONE;
}

/* FUA (SBC-3 section 5.8) is bit 3 of byte 1 of all but the shortest CDBs. */
static bool wants_fua(const struct scsi_task *t)
{
	return !t->unit->hw.write_cache || (t->hw.cdb[0] >> 5 && t->hw.cdb[1] & 0x08);
}

static enum scsi_step move_blocks(struct scsi_task *t, const struct giov *piece)
{
	bool write = t->hw.op == SCSI_OP_WRITE;

	t->io = (struct blk_req){
		.op = write ? BLK_WRITE : BLK_READ,
		.flags = write && wants_fua(t) ? BLK_F_FUA : 0,
		.offset = t->hw.offset,
		.len = piece->size,
		.data = *piece,
	};
	return submit(t);
}

enum scsi_step scsi_data(struct scsi_task *t, const struct giov *piece)
{
	switch (t->hw.op) {
	case SCSI_OP_RESPONSE: return move_response(t, piece);
	case SCSI_OP_PARAMETERS: return move_parameters(t, piece);
	case SCSI_OP_READ:
	case SCSI_OP_WRITE: return move_blocks(t, piece);
	default: return SCSI_DONE;
	}
}

void scsi_cancel(struct scsi_task *t)
{
	if (!t->waiting)
		return;
	t->cancelled = true;
	blk_cancel_parked(t->unit->queue);
}

enum scsi_step scsi_resume(struct scsi_unit *u, struct scsi_task *t)
{
	const struct scsi_command *c = find_command(u, t->hw.cdb[0]);

	t->unit = u;
	if (t->hw.left)
		return SCSI_DATA;
	if (!c || (t->hw.op && t->hw.op != SCSI_OP_PARAMETERS))
		return SCSI_DONE;
	if (t->hw.op)
		return c->parameters ? c->parameters(t) : SCSI_DONE;
	return c->start(t);
}

int scsi_task_check(const struct scsi_task_hw *hw)
{
	static const uint8_t dirs[] = {[SCSI_OP_NONE] = SCSI_DIR_NONE,
		[SCSI_OP_RESPONSE] = SCSI_DIR_IN,
		[SCSI_OP_PARAMETERS] = SCSI_DIR_OUT,
		[SCSI_OP_READ] = SCSI_DIR_IN,
		[SCSI_OP_WRITE] = SCSI_DIR_OUT};
	bool buffered = hw->op == SCSI_OP_RESPONSE || hw->op == SCSI_OP_PARAMETERS;

	if (hw->dir != dirs[hw->op] || (!hw->op && hw->left))
		return -EINVAL;
	return !buffered || range_fits(hw->pos, hw->left, SCSI_RESPONSE) ? 0 : -EINVAL;
}

/* ---- units ---- */

bool scsi_unit_init(struct scsi_unit *u, const struct scsi_unit_conf *conf, struct blk *blk,
	struct loop *loop, GError **error)
{
	int err;

	*u = (struct scsi_unit){.conf = *conf, .blk = blk};
	blk_get_info(blk, &u->info);
	if (conf->type == SCSI_TYPE_CDROM && 2048 % u->info.logical_block)
		return err_set(error, VMMD_ERROR_INVALID,
			"disk %s: its blocks of %u bytes are too large for a CD-ROM", blk->id,
			u->info.logical_block);
	if (!scsi_blocks(u))
		return err_set(error, VMMD_ERROR_INVALID, "disk %s is empty", blk->id);
	if (conf->type == SCSI_TYPE_CDROM)
		u->info.readonly = true;
	err = blk_queue_open(blk, loop, &u->queue);
	if (err < 0)
		return err_set_errno(error, -err, "a queue of disk %s", blk->id);
	scsi_unit_reset(u);
	return true;
}

void scsi_unit_done(struct scsi_unit *u)
{
	blk_queue_close(u->queue);
	u->queue = NULL;
}

void scsi_unit_reset(struct scsi_unit *u)
{
	u->hw = (struct scsi_unit_hw){.write_cache = u->info.write_cache, .media_event = true};
	raise_attention(u, SCSI_ASC_POWER_ON);
}

void scsi_unit_refresh(struct scsi_unit *u)
{
	blk_get_info(u->blk, &u->info);
	if (u->conf.type == SCSI_TYPE_CDROM)
		u->info.readonly = true;
	u->hw.media_event = u->conf.removable;
	raise_attention(u, u->conf.removable ? SCSI_ASC_MEDIUM_CHANGED : SCSI_ASC_CAPACITY);
}

const struct state_field scsi_task_fields[] = {
	ST_BYTES(struct scsi_task_hw, cdb),
	ST_MAX(struct scsi_task_hw, op, SCSI_OPS - 1),
	ST_MAX(struct scsi_task_hw, dir, SCSI_DIR_OUT),
	ST_MAX(struct scsi_task_hw, status, SCSI_CHECK_CONDITION),
	ST_PAD(struct scsi_task_hw, pad),
	ST_MAX(struct scsi_task_hw, pos, SCSI_RESPONSE),
	ST_U(struct scsi_task_hw, offset),
	ST_U(struct scsi_task_hw, left),
	ST_BYTES(struct scsi_task_hw, sense),
	ST_PAD(struct scsi_task_hw, pad2),
	ST_BYTES(struct scsi_task_hw, response),
	ST_END,
};

const struct state_field scsi_unit_fields[] = {
	ST_BYTES(struct scsi_unit_hw, sense),
	ST_BOOL(struct scsi_unit_hw, unit_attention),
	ST_BOOL(struct scsi_unit_hw, locked),
	ST_BOOL(struct scsi_unit_hw, ejected),
	ST_BOOL(struct scsi_unit_hw, write_cache),
	ST_BOOL(struct scsi_unit_hw, media_event),
	ST_PAD(struct scsi_unit_hw, pad),
	ST_END,
};
