/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parallel NOR flash with the Intel basic command set (JEDEC JESD68.01 "Common Flash Interface", JEP137 command set 0003; Intel
 * 28F320J3 data sheet 290667, section 11), 8 bits wide.
 *
 *	array		memory: a vCPU reads and executes it without exits	any write ─► command
 *	status, id, query	registers cover it				0xff ─► array
 *
 * A program command clears bits, an erase sets those of a block; both are done at once, so the status is always "ready". Not modelled:
 * write buffer and block locks; the query table tells of neither.
 */
#include "devmodel/platform/pflash.h"

#include <inttypes.h>
#include <string.h>

#include "base/block.h"

/* Section 11, table 17. */
#define CMD_READ_ARRAY    0xff
#define CMD_READ_ID       0x90
#define CMD_READ_QUERY    0x98
#define CMD_READ_STATUS   0x70
#define CMD_CLEAR_STATUS  0x50
#define CMD_PROGRAM       0x40
#define CMD_PROGRAM_ALT   0x10
#define CMD_ERASE         0x20
#define CMD_ERASE_CONFIRM 0xd0

#define STATUS_READY         0x80
#define STATUS_ERASE_ERROR   0x20
#define STATUS_PROGRAM_ERROR 0x10

#define MANUFACTURER 0x89
#define DEVICE       0x16
#define QUERY_SIZE   0x31

#define PIECE (64 * KiB) /* of one write to the disk */

enum pflash_mode { MODE_ARRAY, MODE_STATUS, MODE_ID, MODE_QUERY, MODE_MAX = MODE_QUERY };
enum pflash_next { NEXT_COMMAND, NEXT_DATA, NEXT_ERASE, NEXT_MAX = NEXT_ERASE };

struct pflash_hw {
	uint8_t mode;   /* what reads give */
	uint8_t next;   /* what the next write is */
	uint8_t status; /* [g] errors; always ready */
};

struct pflash {
	struct dev dev;
	struct pflash_hw hw;         /* [s] bus lock and lock */
	uint64_t base, size;         /* [c] */
	struct gmem_block *contents; /* [c] */
	struct gmem_block *own;      /* [c] contents that were not given */
	struct region array, regs;
	uint8_t query[QUERY_SIZE]; /* [c] */

	struct blk *blk; /* [c] */
	struct blk_queue *queue;
	uint64_t dirty_start, dirty_end; /* lock: not written back yet; empty when equal */
	bool writing;                    /* main loop */
	struct blk_req req;
	struct iovec seg;
	uint8_t piece[PIECE];
	struct loop_call write_back;
	struct async_group *quiescing; /* lock */
};

static struct pflash *to_pflash(struct dev *d)
{
	return container_of(d, struct pflash, dev);
}

/* ---- writing back: main loop ---- */

/* The next piece into the bounce buffer; 0 when there is none. */
static uint64_t take_dirty(struct pflash *s, uint64_t *ret_offset)
{
	uint64_t n;

	dev_lock(&s->dev);
	*ret_offset = s->dirty_start;
	n = MIN(s->dirty_end - s->dirty_start, PIECE);
	s->dirty_start += n;
	if (n)
		gmem_block_read(s->contents, *ret_offset, s->piece, n);
	dev_unlock(&s->dev);
	return n;
}

static void write_back(struct pflash *s);

static void written(struct blk_req *r)
{
	struct pflash *s = container_of(r, struct pflash, req);

	s->writing = false;
	write_back(s);
}

static void write_back(struct pflash *s)
{
	struct async_group *g;
	uint64_t offset, n;

	if (s->writing)
		return;
	n = take_dirty(s, &offset);
	if (n) {
		s->writing = true;
		s->req = (struct blk_req){.op = BLK_WRITE,
			.offset = offset,
			.len = n,
			.data = giov_from_buf(&s->seg, s->piece, n),
			.done = written};
		blk_submit(s->queue, &s->req);
		blk_commit(s->queue);
		return;
	}
	dev_lock(&s->dev);
	g = g_steal_pointer(&s->quiescing);
	dev_unlock(&s->dev);
	if (g)
		async_done(g);
}

static void write_back_call(struct loop_call *c)
{
	write_back(container_of(c, struct pflash, write_back));
}

/* Whole blocks, so that any disk can take them. */
static void mark_dirty(struct pflash *s, uint64_t offset, uint64_t n)
{
	uint64_t start = align_down(offset, PFLASH_BLOCK), end = align_up(offset + n, PFLASH_BLOCK);

	if (!s->blk)
		return;
	if (s->dirty_start != s->dirty_end) {
		start = MIN(start, s->dirty_start);
		end = MAX(end, s->dirty_end);
	}
	s->dirty_start = start;
	s->dirty_end = end;
	loop_post(s->dev.bus->loop, &s->write_back);
}

/* ---- commands: bus lock and lock held ---- */

static void set_mode(struct pflash *s, enum pflash_mode mode)
{
	s->hw.mode = mode;
	if (mode == MODE_ARRAY)
		region_unmap(s->dev.bus, &s->regs);
	else if (!s->regs.mapped)
		region_map(s->dev.bus, &s->regs, s->base, REGION_PRIO_DEVICE + 1);
}

static void program(struct pflash *s, uint64_t offset, uint8_t value)
{
	uint8_t old;

	gmem_block_read(s->contents, offset, &old, 1);
	value &= old;
	if (value == old)
		return;
	gmem_block_load(s->contents, offset, &value, 1);
	mark_dirty(s, offset, 1);
}

static void erase(struct pflash *s, uint64_t offset)
{
	uint8_t ones[PFLASH_BLOCK];

	memset(ones, 0xff, sizeof(ones));
	offset = align_down(offset, PFLASH_BLOCK);
	gmem_block_load(s->contents, offset, ones, sizeof(ones));
	mark_dirty(s, offset, sizeof(ones));
}

static void command(struct pflash *s, uint8_t value)
{
	switch (value) {
	case CMD_READ_ARRAY: set_mode(s, MODE_ARRAY); break;
	case CMD_READ_ID: set_mode(s, MODE_ID); break;
	case CMD_READ_QUERY: set_mode(s, MODE_QUERY); break;
	case CMD_READ_STATUS: set_mode(s, MODE_STATUS); break;
	case CMD_CLEAR_STATUS: s->hw.status = 0; break;
	case CMD_PROGRAM:
	case CMD_PROGRAM_ALT:
		s->hw.next = NEXT_DATA;
		set_mode(s, MODE_STATUS);
		break;
	case CMD_ERASE:
		s->hw.next = NEXT_ERASE;
		set_mode(s, MODE_STATUS);
		break;
	default: dev_guest_error(&s->dev, "unknown flash command 0x%02x", value); break;
	}
}

static void write_byte(struct pflash *s, uint64_t offset, uint8_t value)
{
	enum pflash_next what = s->hw.next;

	s->hw.next = NEXT_COMMAND;
	if (what == NEXT_DATA)
		program(s, offset, value);
	else if (what == NEXT_ERASE && value == CMD_ERASE_CONFIRM)
		erase(s, offset);
	else if (what == NEXT_ERASE) /* a sequence error, section 11.5 */
		s->hw.status |= STATUS_ERASE_ERROR | STATUS_PROGRAM_ERROR;
	else
		command(s, value);
}

/* ---- registers ---- */

static uint8_t read_byte(struct pflash *s, uint64_t offset)
{
	uint8_t v = 0;

	switch ((enum pflash_mode)s->hw.mode) {
	case MODE_ARRAY: gmem_block_read(s->contents, offset, &v, 1); break;
	case MODE_STATUS: v = STATUS_READY | s->hw.status; break;
	case MODE_ID:
		v = offset % PFLASH_BLOCK == 0   ? MANUFACTURER
		    : offset % PFLASH_BLOCK == 1 ? DEVICE
						 : 0;
		break;
	case MODE_QUERY: v = offset < QUERY_SIZE ? s->query[offset] : 0; break;
	}
	return v;
}

static uint64_t pflash_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct pflash *s = to_pflash(d);
	uint64_t v;

	dev_lock(d);
	v = read_byte(s, offset);
	dev_unlock(d);
	return v;
}

static void pflash_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct pflash *s = to_pflash(d);

	bus_lock(d->bus);
	dev_lock(d);
	write_byte(s, offset, (uint8_t)value);
	dev_unlock(d);
	bus_unlock(d->bus);
}

static const struct region_ops pflash_region = {
	.read = pflash_read,
	.write = pflash_write,
	.min = 1,
	.max = 1,
	.unlocked = true,
};

/* ---- life ---- */

/* JESD68.01 section 4.3: identification, system interface, geometry. */
static void fill_query(struct pflash *s)
{
	const uint32_t blocks = (uint32_t)(s->size / PFLASH_BLOCK) - 1;
	const uint8_t table[] = {
		[0x10] = 'Q',
		'R',
		'Y',
		[0x13] = 0x03,
		0x00,                /* Intel standard command set */
		[0x15] = QUERY_SIZE, /* its extended table: there is none */
		[0x1b] = 0x45,
		0x55, /* 4.5 to 5.5 V */
		[0x1f] = 0x01,
		0x00,
		0x01,
		0x00, /* typical times: 2 µs a byte, 2 ms a block */
		[0x23] = 0x01,
		0x00,
		0x01,
		0x00, /* at most twice that */
		[0x27] = (uint8_t)(63 - __builtin_clzll(s->size)),
		[0x28] = 0x00,
		0x00, /* 8 bits */
		[0x2a] = 0x00,
		0x00,          /* no write buffer */
		[0x2c] = 0x01, /* one region of blocks */
		[0x2d] = (uint8_t)blocks,
		(uint8_t)(blocks >> 8),
		[0x2f] = (uint8_t)(PFLASH_BLOCK >> 8),
		(uint8_t)(PFLASH_BLOCK >> 16),
	};

	_Static_assert(sizeof(table) == QUERY_SIZE, "query table");
	memcpy(s->query, table, sizeof(table));
}

void pflash_set_contents(struct dev *d, struct gmem_block *contents, struct blk *blk)
{
	struct pflash *s = to_pflash(d);

	s->contents = contents;
	s->blk = blk;
}

static bool make_contents(struct pflash *s, GError **error)
{
	const struct gmem_block_conf conf = {.name = "pflash", .size = s->size};
	g_autofree uint8_t *ones = NULL;

	if (s->contents)
		return true;
	s->own = s->contents = gmem_block_new(&conf, error);
	if (!s->own)
		return false;
	ones = g_malloc(s->size);
	memset(ones, 0xff, s->size);
	gmem_block_load(s->own, 0, ones, s->size);
	return true;
}

static bool open_disk(struct pflash *s, GError **error)
{
	struct blk_info info;
	int err;

	if (!s->blk)
		return true;
	blk_get_info(s->blk, &info);
	if (info.size != s->size || info.readonly || PFLASH_BLOCK % info.logical_block)
		return err_set(error, VMMD_ERROR_INVALID,
			"its file must be writable and have the size of the flash, %" PRIu64
			" bytes",
			s->size);
	err = blk_queue_open(s->blk, s->dev.bus->loop, &s->queue);
	return err == 0 || err_set_errno(error, -err, "its file cannot be written to");
}

static bool pflash_realize(struct dev *d, GError **error)
{
	struct pflash *s = to_pflash(d);

	if (!s->size || s->size % PFLASH_BLOCK || s->base % PFLASH_BLOCK)
		return err_set(error, VMMD_ERROR_INVALID, "base and size must be multiples of %u",
			PFLASH_BLOCK);
	if (!make_contents(s, error) || !open_disk(s, error))
		return false;
	fill_query(s);
	s->write_back.fn = write_back_call;
	region_init_mem(&s->array, "pflash", s->contents, 0, s->size, true);
	region_handle_writes(&s->array, d, &pflash_region);
	region_init_io(&s->regs, d, &pflash_region, "pflash-registers", BUS_MMIO, s->size);
	if (region_map(d->bus, &s->array, s->base, REGION_PRIO_DEVICE) < 0)
		return err_set(error, VMMD_ERROR_INVALID, "base and size are out of range");
	return true;
}

static void pflash_reset(struct dev *d, enum reset_kind kind)
{
	struct pflash *s = to_pflash(d);

	s->hw = (struct pflash_hw){.mode = MODE_ARRAY};
	set_mode(s, MODE_ARRAY);
}

static void pflash_quiesce(struct dev *d, struct async_group *g)
{
	struct pflash *s = to_pflash(d);

	if (!s->blk) {
		async_done(g);
		return;
	}
	s->quiescing = g;
	loop_post(d->bus->loop, &s->write_back);
}

static void pflash_unrealize(struct dev *d)
{
	struct pflash *s = to_pflash(d);

	region_unmap(d->bus, &s->regs);
	region_unmap(d->bus, &s->array);
	if (s->write_back.fn)
		loop_call_cancel(d->bus->loop, &s->write_back);
	blk_queue_close(g_steal_pointer(&s->queue));
	g_clear_pointer(&s->own, gmem_block_unref);
}

static int pflash_post_load(struct dev *d)
{
	struct pflash *s = to_pflash(d);

	set_mode(s, (enum pflash_mode)s->hw.mode);
	return 0;
}

static const struct prop pflash_props[] = {
	PROP_U64("base", struct pflash, base, 0, UINT64_MAX, 0xff000000,
		"address of its first byte"),
	PROP_SIZE("size", struct pflash, size, PFLASH_BLOCK, 64 * MiB, 64 * KiB,
		"bytes, a multiple of 4096"),
	PROP_END,
};

static const struct prop_table pflash_table = {
	.name = "pflash",
	.doc = "flash memory",
	.size = sizeof(struct pflash),
	.props = pflash_props,
};

static const struct state_field pflash_fields[] = {
	ST_MAX(struct pflash_hw, mode, MODE_MAX),
	ST_MAX(struct pflash_hw, next, NEXT_MAX),
	ST_MAX(struct pflash_hw, status, STATUS_ERASE_ERROR | STATUS_PROGRAM_ERROR),
	ST_END,
};

static const struct state_desc pflash_state = {
	.name = "pflash",
	.version = 1,
	.size = sizeof(struct pflash_hw),
	.fields = pflash_fields,
};

static const struct dev_part pflash_parts[] = {
	{&pflash_state, offsetof(struct pflash, hw)},
	{},
};

const struct dev_ops pflash_ops = {
	.name = "pflash",
	.doc = "NOR flash with the Intel command set (CFI), for UEFI variables",
	.size = sizeof(struct pflash),
	.props = &pflash_table,
	.realize = pflash_realize,
	.reset = pflash_reset,
	.quiesce = pflash_quiesce,
	.unrealize = pflash_unrealize,
	.post_load = pflash_post_load,
	.state = pflash_parts,
};
