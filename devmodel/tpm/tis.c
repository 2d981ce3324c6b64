/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FIFO interface of a TPM, TCG PC Client Platform TPM Profile 1.05 section 6.5 (TIS 1.3): five
 * localities of 4 KiB each, of which one at a time has the TPM.
 *
 *	IDLE ─commandReady─► READY ─bytes─► RECEPTION ─tpmGo─► EXECUTION ─response─► COMPLETION
 *	                       ▲◄──────────────commandReady: given up, or read───────────┘
 *
 * Not modelled: interrupts (the capabilities say so), locality 4's hash sequence.
 */
#include <errno.h>
#include <string.h>

#include "devmodel/tpm/tpm-internal.h"

#define LOCALITIES 5
#define NOBODY     0xff

/* Registers (table 17). */
#define REG_ACCESS     0x000
#define REG_CAPABILITY 0x014
#define REG_STS        0x018
#define REG_FIFO       0x024
#define REG_ID         0x030
#define REG_XFIFO      0x080 /* and up to 0x0bf */
#define REG_DID_VID    0xf00
#define REG_RID        0xf04

#define ACCESS_VALID   0x80
#define ACCESS_ACTIVE  0x20
#define ACCESS_SEIZED  0x10
#define ACCESS_SEIZE   0x08
#define ACCESS_PENDING 0x04
#define ACCESS_REQUEST 0x02
#define ACCESS_NOT_EST 0x01 /* no dynamic launch was made */

#define STS_VALID     0x80
#define STS_READY     0x40
#define STS_GO        0x20
#define STS_DATA      0x10
#define STS_EXPECT    0x08
#define STS_SELF_TEST 0x04
#define STS_RETRY     0x02
#define STS_CANCEL    (1u << 24)
#define STS_FAMILY_2  (1u << 26)

#define CAPABILITY (3u << 28 | 3u << 9) /* TIS 1.3 for TPM 2.0, 64 bytes at a time */
#define ID_FIFO    0x00002000u          /* FIFO interface, five localities not told */
#define DID_VID    0x00011014u

enum tis_state { TIS_IDLE, TIS_READY, TIS_RECEPTION, TIS_EXECUTION, TIS_COMPLETION, TIS_STATES };

struct tis_hw {
	struct tpm_hw tpm;
	uint16_t pos;     /* bytes of the response that were read */
	uint8_t state;    /* enum tis_state */
	uint8_t active;   /* locality, or NOBODY */
	uint8_t requests; /* localities that wait, a bit each */
	uint8_t seized;   /* that were pushed aside */
	uint8_t abort;    /* the command's end leads to this state and to no response, if not 0 */
	uint8_t pad;
};

struct tis {
	struct tpm tpm; /* first */
	struct tis_hw hw;
	struct region region;
};

static struct tis *to_tis(struct dev *d)
{
	return container_of(to_tpm(d), struct tis, tpm);
}

/* ---- localities ---- */

enum { ABORT_NOT, ABORT_TO_IDLE, ABORT_TO_READY, ABORTS };

/* A command or response that nobody wants any more. */
static void give_up(struct tis *s, bool ready)
{
	if (s->hw.state == TIS_EXECUTION) {
		s->hw.abort = ready ? ABORT_TO_READY : ABORT_TO_IDLE;
		tpm_cancel(&s->tpm);
		return;
	}
	s->hw.state = ready ? TIS_READY : TIS_IDLE;
	s->hw.tpm.len = s->hw.pos = 0;
}

static void set_active(struct tis *s, uint8_t locality)
{
	give_up(s, false);
	s->hw.active = locality;
	if (locality != NOBODY)
		s->hw.requests &= ~(1u << locality);
}

/* The highest of those that wait is next (section 6.5.2.4). */
static void relinquish(struct tis *s)
{
	unsigned waiting = s->hw.requests;

	set_active(s, waiting ? (uint8_t)(31 - __builtin_clz(waiting)) : NOBODY);
}

static uint8_t read_access(const struct tis *s, unsigned l)
{
	uint8_t bit = (uint8_t)(1u << l), v = ACCESS_VALID | ACCESS_NOT_EST;

	if (s->hw.active == l)
		v |= ACCESS_ACTIVE;
	if (s->hw.seized & bit)
		v |= ACCESS_SEIZED;
	if (s->hw.requests & bit)
		v |= ACCESS_REQUEST;
	if (s->hw.requests & ~bit)
		v |= ACCESS_PENDING;
	return v;
}

/* One bit at a time, says the specification; here they are looked at in this order. */
static void write_access(struct tis *s, unsigned l, uint8_t value)
{
	uint8_t bit = (uint8_t)(1u << l);

	if (value & ACCESS_ACTIVE) {
		s->hw.requests &= ~bit;
		if (s->hw.active == l)
			relinquish(s);
	}
	if (value & ACCESS_SEIZED)
		s->hw.seized &= ~bit;
	if ((value & ACCESS_SEIZE) && s->hw.active != NOBODY && l > s->hw.active) {
		s->hw.seized |= 1u << s->hw.active;
		set_active(s, (uint8_t)l);
	}
	if (value & ACCESS_REQUEST) {
		if (s->hw.active == NOBODY)
			set_active(s, (uint8_t)l);
		else if (s->hw.active != l)
			s->hw.requests |= bit;
	}
}

/* ---- commands ---- */

/* More bytes of the command are to come. */
static bool expects(const struct tis *s)
{
	const struct tpm_hw *h = &s->hw.tpm;

	return h->len < TPM_HEADER || (h->len < TPM_BUF && h->len < tpm_size(h->buf));
}

static unsigned burst(const struct tis *s)
{
	switch (s->hw.state) {
	case TIS_READY:
	case TIS_RECEPTION: return TPM_BUF - s->hw.tpm.len;
	case TIS_COMPLETION: return s->hw.tpm.len - s->hw.pos;
	default: return 0;
	}
}

static uint32_t read_sts(const struct tis *s)
{
	uint32_t v = STS_FAMILY_2 | burst(s) << 8 | STS_VALID | STS_SELF_TEST;

	switch (s->hw.state) {
	case TIS_READY: return v | STS_READY;
	case TIS_RECEPTION: return v | (expects(s) ? STS_EXPECT : 0);
	case TIS_COMPLETION: return v | (burst(s) ? STS_DATA : 0);
	default: return v;
	}
}

static void write_sts(struct tis *s, uint32_t value)
{
	if (value & STS_CANCEL)
		tpm_cancel(&s->tpm);
	if (value & STS_READY) {
		give_up(s, true);
	} else if ((value & STS_GO) && s->hw.state == TIS_RECEPTION && !expects(s)) {
		s->hw.state = TIS_EXECUTION;
		tpm_execute(&s->tpm, s->hw.active);
	} else if ((value & STS_RETRY) && s->hw.state == TIS_COMPLETION) {
		s->hw.pos = 0;
	}
}

static void done(struct tpm *t)
{
	struct tis *s = container_of(t, struct tis, tpm);

	s->hw.state = TIS_COMPLETION;
	s->hw.pos = 0;
	if (s->hw.abort)
		give_up(s, s->hw.abort == ABORT_TO_READY);
	s->hw.abort = ABORT_NOT;
}

/* What is more than the command has room for is dropped. */
static void fifo_put(struct tis *s, uint8_t value)
{
	struct tpm_hw *h = &s->hw.tpm;

	if (s->hw.state == TIS_READY) {
		h->len = 0;
		s->hw.state = TIS_RECEPTION;
	}
	if (s->hw.state == TIS_RECEPTION && expects(s))
		h->buf[h->len++] = value;
}

static uint8_t fifo_get(struct tis *s)
{
	if (s->hw.state != TIS_COMPLETION || s->hw.pos == s->hw.tpm.len)
		return 0xff;
	return s->hw.tpm.buf[s->hw.pos++];
}

/* ---- registers ---- */

static bool is_fifo(unsigned reg)
{
	return reg == REG_FIFO || (reg >= REG_XFIFO && reg < REG_XFIFO + 0x40);
}

static uint32_t read_fifo(struct tis *s, unsigned size)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint32_t)fifo_get(s) << (8 * i);
	return v;
}

static uint32_t read_register(const struct tis *s, unsigned locality, unsigned reg)
{
	switch (reg) {
	case REG_ACCESS: return read_access(s, locality);
	case REG_CAPABILITY: return CAPABILITY;
	case REG_STS: return s->hw.active == locality ? read_sts(s) : UINT32_MAX;
	case REG_ID: return ID_FIFO;
	case REG_DID_VID: return DID_VID;
	case REG_RID: return 1;
	default: return 0;
	}
}

static uint64_t tis_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct tis *s = to_tis(d);
	unsigned locality = (unsigned)offset >> 12, reg = offset & 0xfff;

	if (is_fifo(reg & ~3u))
		return s->hw.active == locality ? read_fifo(s, size) : UINT32_MAX;
	return read_register(s, locality, reg & ~3u) >> 8 * (reg & 3);
}

static void tis_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct tis *s = to_tis(d);
	unsigned locality = (unsigned)offset >> 12, reg = offset & 0xfff;

	if (reg == REG_ACCESS) {
		write_access(s, locality, (uint8_t)value);
		return;
	}
	if (s->hw.active != locality)
		return;
	if ((reg & ~3u) == REG_STS)
		write_sts(s, (uint32_t)value << 8 * (reg & 3));
	for (unsigned i = 0; is_fifo(reg & ~3u) && i < size; i++)
		fifo_put(s, (uint8_t)(value >> (8 * i)));
}

static const struct region_ops region_ops = {
	.read = tis_read, .write = tis_write, .min = 1, .max = 4};

/* ---- life ---- */

static bool realize(struct dev *d, GError **error)
{
	struct tis *s = to_tis(d);

	if (!tpm_realize(&s->tpm, &s->hw.tpm, done, error))
		return false;
	region_init_io(&s->region, d, &region_ops, "tpm-tis", BUS_MMIO, LOCALITIES << 12);
	return region_map(d->bus, &s->region, TPM_BASE, REGION_PRIO_DEVICE) == 0;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct tis *s = to_tis(d);

	tpm_reset(&s->tpm);
	s->hw.pos = 0;
	s->hw.state = TIS_IDLE;
	s->hw.active = NOBODY;
	s->hw.requests = s->hw.seized = s->hw.abort = 0;
}

static int post_load(struct dev *d)
{
	return tpm_post_load(to_tpm(d));
}

static const struct state_field fields[] = {
	ST_STRUCT(struct tis_hw, tpm, tpm_fields),
	ST_MAX(struct tis_hw, pos, TPM_BUF),
	ST_MAX(struct tis_hw, state, TIS_STATES - 1),
	ST_U(struct tis_hw, active),
	ST_MAX(struct tis_hw, requests, (1 << LOCALITIES) - 1),
	ST_MAX(struct tis_hw, seized, (1 << LOCALITIES) - 1),
	ST_MAX(struct tis_hw, abort, ABORTS - 1),
	ST_PAD(struct tis_hw, pad),
	ST_END,
};

static int check(const void *hw)
{
	const struct tis_hw *h = hw;

	if (h->pos > h->tpm.len || h->tpm.busy != (h->state == TIS_EXECUTION))
		return -EINVAL;
	return h->active != NOBODY && h->active >= LOCALITIES ? -EINVAL : 0;
}

static const struct state_desc state = {
	.name = "tpm-tis",
	.version = 1,
	.size = sizeof(struct tis_hw),
	.fields = fields,
	.check = check,
};

const struct dev_ops tpm_tis_ops = {
	.name = "tpm-tis",
	.doc = "TPM 2.0 with FIFO interface (TIS 1.3)",
	.size = sizeof(struct tis),
	.realize = realize,
	.reset = reset,
	.quiesce = tpm_quiesce,
	.unrealize = tpm_unrealize,
	.post_load = post_load,
	.state =
		(const struct dev_part[]){
			{&state, offsetof(struct tis, hw)},
			{.desc = NULL},
		},
};
