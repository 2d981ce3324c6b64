/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt controllers of a PC: two 8259A, Intel order number 231468, the second one at input 2 of
 * the first; edge/level control registers as 82371SB has them (order number 290550, section 2.5.5).
 *
 * An edge stays latched when its line falls before it is acknowledged. Not modelled: 8080 mode,
 * buffered mode, a single controller, level mode by ICW1: a PC has none of them.
 */
#include <pthread.h>

#include "devmodel/platform/irqchip.h"

#define CHIPS    2
#define PINS     8
#define CASCADE  2 /* input of the first */
#define SPURIOUS 7

#define ICW1      0x10
#define ICW1_ICW4 0x01
#define ICW4_AEOI 0x02
#define ICW4_SFNM 0x10
#define OCW3      0x08
#define OCW3_POLL 0x04
#define OCW3_RR   0x02
#define OCW3_RIS  0x01
#define OCW3_ESMM 0x40
#define OCW3_SMM  0x20

/* What the next byte at the data port is. */
enum { NEXT_MASK, NEXT_ICW2, NEXT_ICW3, NEXT_ICW4, NEXTS };

struct chip_hw {
	uint8_t irr, isr, imr; /* imr [g] */
	uint8_t lines;         /* inputs */
	uint8_t elcr;          /* [g] inputs that are level-triggered */
	uint8_t base;          /* [g] ICW2 */
	uint8_t lowest;        /* input of the lowest priority */
	uint8_t next;
	bool icw4; /* is going to come */
	bool auto_eoi, auto_rotate, fully_nested, special_mask;
	bool read_isr, poll;
};

struct i8259_hw {
	struct chip_hw chips[CHIPS];
};

struct i8259 {
	struct dev dev;
	pthread_mutex_t lock; /* an irq lock, also of the registers */
	struct i8259_hw hw;   /* lock [s] */
	struct irq_sink sink;
	struct irq intr;
	struct region regs[CHIPS], elcr;
};

static const uint8_t elcr_writable[CHIPS] = {0xf8, 0xde};

static struct i8259 *i8259(struct dev *d)
{
	return container_of(d, struct i8259, dev);
}

struct irq_sink *i8259_inputs(struct dev *d)
{
	return &i8259(d)->sink;
}

void i8259_set_output(struct dev *d, struct irq intr)
{
	i8259(d)->intr = intr;
}

/* ---- priorities ---- */

/* Of the inputs in @set the first in order of priority, counted from the highest; PINS: none. */
static unsigned first_of(const struct chip_hw *c, uint8_t set)
{
	unsigned place = 0;

	while (place < PINS && !(set & 1u << ((c->lowest + 1 + place) % PINS)))
		place++;
	return place;
}

/* The input to be served next, or -1. In service they hold back what is not above them. */
static int pending(const struct chip_hw *c, bool first)
{
	uint8_t in_service = c->isr;
	unsigned place = first_of(c, c->irr & ~c->imr);

	if (c->special_mask)
		in_service &= ~c->imr;
	if (c->fully_nested && first)
		in_service &= ~(1u << CASCADE);
	if (place == PINS || place >= first_of(c, in_service))
		return -1;
	return (int)((c->lowest + 1 + place) % PINS);
}

/* ---- lines ---- */

static void set_line(struct chip_hw *c, unsigned n, bool level)
{
	uint8_t bit = (uint8_t)(1u << n);

	if (c->elcr & bit)
		c->irr = level ? c->irr | bit : c->irr & ~bit;
	else if (level && !(c->lines & bit))
		c->irr |= bit;
	c->lines = level ? c->lines | bit : c->lines & ~bit;
}

static void update(struct i8259 *s)
{
	set_line(&s->hw.chips[0], CASCADE, pending(&s->hw.chips[1], false) >= 0);
	/* The cascade is no edge: what the second one takes back is not pending any more. */
	if (!(s->hw.chips[0].lines & 1u << CASCADE))
		s->hw.chips[0].irr &= ~(1u << CASCADE);
	irq_set(&s->intr, pending(&s->hw.chips[0], true) >= 0);
}

static void input(struct irq_sink *sink, unsigned n, bool level)
{
	struct i8259 *s = container_of(sink, struct i8259, sink);

	if (n >= CHIPS * PINS || n == CASCADE)
		return;
	pthread_mutex_lock(&s->lock);
	set_line(&s->hw.chips[n / PINS], n % PINS, level);
	update(s);
	pthread_mutex_unlock(&s->lock);
}

/* ---- acknowledge and end of interrupt ---- */

static void end(struct chip_hw *c, unsigned n, bool rotate)
{
	c->isr &= ~(1u << n);
	if (rotate)
		c->lowest = (uint8_t)n;
}

/* The edge is used up, unless it is the other controller's, which has more to tell. */
static void take(struct chip_hw *c, unsigned n)
{
	if (!(c->elcr & 1u << n))
		c->irr &= ~(1u << n);
	c->isr |= 1u << n;
	if (c->auto_eoi)
		end(c, n, c->auto_rotate);
}

/* Vector of what is pending, which is then in service. */
static uint8_t acknowledge(struct i8259 *s, unsigned chip)
{
	struct chip_hw *c = &s->hw.chips[chip];
	int n = pending(c, !chip);

	if (n < 0)
		return c->base | SPURIOUS;
	take(c, (unsigned)n);
	if (!chip && n == CASCADE)
		return acknowledge(s, 1);
	return (uint8_t)(c->base | n);
}

uint8_t i8259_acknowledge(struct dev *d)
{
	struct i8259 *s = i8259(d);
	uint8_t vector;

	pthread_mutex_lock(&s->lock);
	vector = acknowledge(s, 0);
	s->hw.chips[0].lines &= ~(1u << CASCADE);
	update(s);
	pthread_mutex_unlock(&s->lock);
	return vector;
}

/* ---- registers ---- */

/* ICW1: all but the triggering begins anew (data sheet, "initialization sequence"). */
static void initialize(struct chip_hw *c, uint8_t value)
{
	*c = (struct chip_hw){
		.elcr = c->elcr,
		.lines = c->lines,
		.irr = c->lines & c->elcr,
		.base = c->base,
		.lowest = PINS - 1,
		.next = NEXT_ICW2,
		.icw4 = value & ICW1_ICW4,
	};
}

static void write_ocw2(struct chip_hw *c, uint8_t value)
{
	unsigned n = value & 7, first = first_of(c, c->isr);
	bool specific = value & 0x40, eoi = value & 0x20, rotate = value & 0x80;

	if (eoi && !specific && first == PINS)
		return;
	if (!specific)
		n = (c->lowest + 1 + first) % PINS;
	if (eoi)
		end(c, n, rotate);
	else if (specific && rotate)
		c->lowest = (uint8_t)n;
	else if (!specific)
		c->auto_rotate = rotate;
}

static void write_ocw3(struct chip_hw *c, uint8_t value)
{
	c->poll = value & OCW3_POLL;
	if (value & OCW3_RR)
		c->read_isr = value & OCW3_RIS;
	if (value & OCW3_ESMM)
		c->special_mask = value & OCW3_SMM;
}

static void write_command(struct chip_hw *c, uint8_t value)
{
	if (value & ICW1)
		initialize(c, value);
	else if (value & OCW3)
		write_ocw3(c, value);
	else
		write_ocw2(c, value);
}

static void write_data(struct chip_hw *c, uint8_t value)
{
	switch (c->next) {
	case NEXT_MASK: c->imr = value; return;
	case NEXT_ICW2:
		c->base = value & 0xf8;
		c->next = NEXT_ICW3;
		return;
	case NEXT_ICW3: c->next = c->icw4 ? NEXT_ICW4 : NEXT_MASK; return;
	default:
		c->auto_eoi = value & ICW4_AEOI;
		c->fully_nested = value & ICW4_SFNM;
		c->next = NEXT_MASK;
	}
}

/* A poll acknowledges: bit 7 and the input, or 0. */
static uint8_t poll(struct i8259 *s, unsigned chip)
{
	struct chip_hw *c = &s->hw.chips[chip];
	int n = pending(c, !chip);

	c->poll = false;
	if (n < 0)
		return 0;
	take(c, (unsigned)n);
	update(s);
	return (uint8_t)(0x80 | n);
}

static uint8_t read_register(struct i8259 *s, unsigned chip, uint64_t offset)
{
	const struct chip_hw *c = &s->hw.chips[chip];

	if (c->poll)
		return poll(s, chip);
	if (offset)
		return c->imr;
	return c->read_isr ? c->isr : c->irr;
}

static uint64_t regs_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct i8259 *s = i8259(d);
	uint8_t v;

	pthread_mutex_lock(&s->lock);
	v = read_register(s, r == &s->regs[1], offset);
	pthread_mutex_unlock(&s->lock);
	return v;
}

static void regs_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct i8259 *s = i8259(d);
	struct chip_hw *c = &s->hw.chips[r == &s->regs[1]];

	pthread_mutex_lock(&s->lock);
	if (offset)
		write_data(c, (uint8_t)value);
	else
		write_command(c, (uint8_t)value);
	update(s);
	pthread_mutex_unlock(&s->lock);
}

static uint64_t elcr_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return __atomic_load_n(&i8259(d)->hw.chips[offset].elcr, __ATOMIC_RELAXED);
}

/* A line that is high is a request as soon as it is level-triggered. */
static void elcr_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct i8259 *s = i8259(d);
	struct chip_hw *c = &s->hw.chips[offset];

	pthread_mutex_lock(&s->lock);
	c->elcr = (uint8_t)value & elcr_writable[offset];
	c->irr = (c->irr & ~c->elcr) | (c->lines & c->elcr);
	update(s);
	pthread_mutex_unlock(&s->lock);
}

static const struct region_ops regs_ops = {
	.read = regs_read, .write = regs_write, .min = 1, .max = 1, .unlocked = true};
static const struct region_ops elcr_ops = {
	.read = elcr_read, .write = elcr_write, .min = 1, .max = 1, .unlocked = true};

/* ---- life ---- */

static bool realize(struct dev *d, GError **error)
{
	struct i8259 *s = i8259(d);

	pthread_mutex_init(&s->lock, NULL);
	s->sink.set = input;
	region_init_io(&s->regs[0], d, &regs_ops, "pic-1", BUS_PIO, 2);
	region_init_io(&s->regs[1], d, &regs_ops, "pic-2", BUS_PIO, 2);
	region_init_io(&s->elcr, d, &elcr_ops, "elcr", BUS_PIO, 2);
	return region_map(d->bus, &s->regs[0], 0x20, REGION_PRIO_DEVICE) == 0 &&
	       region_map(d->bus, &s->regs[1], 0xa0, REGION_PRIO_DEVICE) == 0 &&
	       region_map(d->bus, &s->elcr, 0x4d0, REGION_PRIO_DEVICE) == 0;
}

/* Lines are inputs: gsi_redrive() tells them again. */
static void reset(struct dev *d, enum reset_kind kind)
{
	struct i8259 *s = i8259(d);

	pthread_mutex_lock(&s->lock);
	for (unsigned chip = 0; chip < CHIPS; chip++)
		s->hw.chips[chip] = (struct chip_hw){.lowest = PINS - 1};
	update(s);
	pthread_mutex_unlock(&s->lock);
}

static void unrealize(struct dev *d)
{
	pthread_mutex_destroy(&i8259(d)->lock);
}

static int post_load(struct dev *d)
{
	struct i8259 *s = i8259(d);

	pthread_mutex_lock(&s->lock);
	update(s);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static const struct state_field chip_fields[] = {
	ST_U(struct chip_hw, irr),
	ST_U(struct chip_hw, isr),
	ST_U(struct chip_hw, imr),
	ST_U(struct chip_hw, lines),
	ST_MAX(struct chip_hw, elcr, 0xfe),
	ST_MAX(struct chip_hw, base, 0xf8),
	ST_MAX(struct chip_hw, lowest, PINS - 1),
	ST_MAX(struct chip_hw, next, NEXTS - 1),
	ST_BOOL(struct chip_hw, icw4),
	ST_BOOL(struct chip_hw, auto_eoi),
	ST_BOOL(struct chip_hw, auto_rotate),
	ST_BOOL(struct chip_hw, fully_nested),
	ST_BOOL(struct chip_hw, special_mask),
	ST_BOOL(struct chip_hw, read_isr),
	ST_BOOL(struct chip_hw, poll),
	ST_END,
};

static const struct state_field fields[] = {
	ST_STRUCTS(struct i8259_hw, chips, chip_fields),
	ST_END,
};

static const struct state_desc state = {
	.name = "i8259", .version = 1, .size = sizeof(struct i8259_hw), .fields = fields};

const struct dev_ops i8259_ops = {
	.name = "i8259",
	.doc = "interrupt controllers, two 8259A with ELCR",
	.size = sizeof(struct i8259),
	.realize = realize,
	.reset = reset,
	.unrealize = unrealize,
	.post_load = post_load,
	.state =
		(const struct dev_part[]){
			{&state, offsetof(struct i8259, hw)},
			{.desc = NULL},
		},
};
