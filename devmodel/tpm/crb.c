/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command response buffer interface of a TPM, TCG PC Client Platform TPM Profile 1.05 section 6.4,
 * for locality 0. One buffer is both command and response. Not modelled: interrupts, other
 * localities.
 */
#include <errno.h>
#include <string.h>

#include "devmodel/tpm/tpm-internal.h"

/* Registers (table 25). */
#define REG_LOC_STATE 0x00
#define REG_LOC_CTRL  0x08
#define REG_LOC_STS   0x0c
#define REG_ID        0x30
#define REG_ID_HIGH   0x34
#define REG_REQ       0x40
#define REG_STS       0x44
#define REG_CANCEL    0x48
#define REG_START     0x4c
#define REG_CMD_SIZE  0x58
#define REG_CMD_LOW   0x5c
#define REG_RSP_SIZE  0x64
#define REG_RSP_LOW   0x68
#define REG_DATA      0x80
#define SIZE          0x1000

#define LOC_ASSIGNED   0x02
#define LOC_VALID      0x80
#define LOC_REQUEST    0x1
#define LOC_RELINQUISH 0x2
#define LOC_GRANTED    0x1
#define REQ_READY      0x1
#define REQ_IDLE       0x2
#define STS_IDLE       0x2
#define INVOKE         0x1

/* CRB, its version 0, 64 bytes at a time, CRB can be and is selected. */
#define ID_LOW  (1u | 0u << 4 | 3u << 11 | 1u << 14 | 1u << 17)
#define ID_HIGH 0x00011014u /* vendor and device */

_Static_assert(REG_DATA + TPM_BUF == SIZE, "the buffer ends with the locality");

struct crb_hw {
	struct tpm_hw tpm;
	bool assigned; /* locality 0 has the TPM */
	bool idle;     /* no command can be given */
};

struct crb {
	struct tpm tpm; /* first */
	struct crb_hw hw;
	struct region region;
};

static struct crb *to_crb(struct dev *d)
{
	return container_of(to_tpm(d), struct crb, tpm);
}

static uint32_t read_register(const struct crb *s, unsigned reg)
{
	switch (reg) {
	case REG_LOC_STATE: return LOC_VALID | (s->hw.assigned ? LOC_ASSIGNED : 0);
	case REG_LOC_STS: return s->hw.assigned ? LOC_GRANTED : 0;
	case REG_ID: return ID_LOW;
	case REG_ID_HIGH: return ID_HIGH;
	case REG_STS: return s->hw.idle ? STS_IDLE : 0;
	case REG_START: return s->hw.tpm.busy ? INVOKE : 0;
	case REG_CMD_SIZE:
	case REG_RSP_SIZE: return TPM_BUF;
	case REG_CMD_LOW:
	case REG_RSP_LOW: return (uint32_t)TPM_BASE + REG_DATA;
	default: return 0;
	}
}

static uint64_t crb_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	const struct crb *s = to_crb(d);
	uint32_t v = 0;

	if (offset < REG_DATA)
		return read_register(s, (unsigned)offset & ~3u) >> 8 * (offset & 3);
	memcpy(&v, s->hw.tpm.buf + offset - REG_DATA, size);
	return v;
}

/* The length is in the header; one that does not fit is refused as a command. */
static void invoke(struct crb *s)
{
	uint32_t n = tpm_size(s->hw.tpm.buf);

	if (s->hw.tpm.busy || s->hw.idle || !s->hw.assigned)
		return;
	s->hw.tpm.len = (uint16_t)MIN(n, TPM_BUF);
	tpm_execute(&s->tpm, 0);
}

static void write_loc_ctrl(struct crb *s, uint32_t value)
{
	if (value & LOC_REQUEST)
		s->hw.assigned = true;
	else if (value & LOC_RELINQUISH)
		s->hw.assigned = false;
}

/* Not while a command is executed (section 6.4.2.2). */
static void write_request(struct crb *s, uint32_t value)
{
	if (s->hw.tpm.busy)
		return;
	if (value & REQ_READY)
		s->hw.idle = false;
	else if (value & REQ_IDLE)
		s->hw.idle = true;
}

static void crb_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct crb *s = to_crb(d);
	uint32_t v = (uint32_t)value;

	switch (offset) {
	case REG_LOC_CTRL: write_loc_ctrl(s, v); return;
	case REG_REQ: write_request(s, v); return;
	case REG_CANCEL:
		if (v & INVOKE)
			tpm_cancel(&s->tpm);
		return;
	case REG_START:
		if (v & INVOKE)
			invoke(s);
		return;
	default: break;
	}
	if (offset >= REG_DATA && !s->hw.tpm.busy)
		memcpy(s->hw.tpm.buf + offset - REG_DATA, &v, size);
}

static void done(struct tpm *t)
{
	/* REG_START shows it. */
}

static const struct region_ops region_ops = {
	.read = crb_read, .write = crb_write, .min = 1, .max = 4};

/* ---- life ---- */

static bool realize(struct dev *d, GError **error)
{
	struct crb *s = to_crb(d);

	if (!tpm_realize(&s->tpm, &s->hw.tpm, done, error))
		return false;
	region_init_io(&s->region, d, &region_ops, "tpm-crb", BUS_MMIO, SIZE);
	return region_map(d->bus, &s->region, TPM_BASE, REGION_PRIO_DEVICE) == 0;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct crb *s = to_crb(d);

	tpm_reset(&s->tpm);
	s->hw.assigned = false;
	s->hw.idle = true;
}

static int post_load(struct dev *d)
{
	return tpm_post_load(to_tpm(d));
}

static const struct state_field fields[] = {
	ST_STRUCT(struct crb_hw, tpm, tpm_fields),
	ST_BOOL(struct crb_hw, assigned),
	ST_BOOL(struct crb_hw, idle),
	ST_END,
};

static const struct state_desc state = {
	.name = "tpm-crb", .version = 1, .size = sizeof(struct crb_hw), .fields = fields};

const struct dev_ops tpm_crb_ops = {
	.name = "tpm-crb",
	.doc = "TPM 2.0 with command response buffer",
	.size = sizeof(struct crb),
	.realize = realize,
	.reset = reset,
	.quiesce = tpm_quiesce,
	.unrealize = tpm_unrealize,
	.post_load = post_load,
	.state =
		(const struct dev_part[]){
			{&state, offsetof(struct crb, hw)},
			{.desc = NULL},
		},
};
