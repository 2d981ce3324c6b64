/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interval timer 8254, Intel order number 231164, and system control port B (0x61) with the gate
 * and the output of its counter 2. Output 0 is IRQ 0; gates 0 and 1 are high.
 *
 * Nothing is counted: a counter is the clocks that have passed since it was loaded. A new count of
 * modes 2 and 3 is loaded at once and not at the end of the period. Nobody listens to the speaker.
 */
#include "devmodel/platform/irqchip.h"

#include "devmodel/platform/irq-gate.h"

#define COUNTERS 3

/* Control word. */
#define CW_COUNTER   0xc0
#define CW_READ_BACK 0xc0
#define CW_ACCESS    0x30
#define CW_MODE      0x0e
#define CW_BCD       0x01
/* Of a read-back command; bits 1 to 3 name counters. */
#define RB_NO_COUNT  0x20
#define RB_NO_STATUS 0x10
#define STATUS_OUT   0x80
#define STATUS_NULL  0x40

enum { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };

/* Port B. */
#define B_GATE    0x01
#define B_SPEAKER 0x02
#define B_REFRESH 0x10
#define B_OUT     0x20

#define REFRESH_NS 15085 /* a row of memory each; the bit toggles with it */

/* Counter 0 interrupts not more often, whatever its count: what comes in between is lost. */
#define PERIOD_MIN_NS (50 * NSEC_PER_USEC)

struct counter_hw {
	uint64_t at;     /* clock at which it was loaded; while it stands: clocks counted */
	uint32_t count;  /* 1 to 0x10000: what was loaded */
	uint16_t latch;  /* of a latch command */
	uint8_t access;  /* [g] ACCESS_… */
	uint8_t mode;    /* [g] 0 to 5 */
	uint8_t low;     /* [g] first half of a count that is written */
	uint8_t status;  /* latched */
	uint8_t latched; /* halves of latch that were not read: ACCESS_… */
	bool bcd;        /* [g] */
	bool gate;
	bool running;   /* counts now */
	bool loaded;    /* a count has come since the control word */
	bool triggered; /* modes 1, 5: by the gate */
	bool high_next; /* flip-flops: the second half comes next */
	bool write_high;
	bool status_latched;
	uint8_t pad[5];
};

struct i8254_hw {
	struct counter_hw counters[COUNTERS];
	uint64_t seen; /* clock up to which edges of output 0 were told */
	bool speaker;  /* [g] */
	uint8_t pad[7];
};

struct i8254 {
	struct dev dev;
	struct i8254_hw hw; /* [s] */
	struct irq_gate gate;
	struct irq irq; /* [c] into the gate */
	struct dev_timer timer;
	struct region regs, port_b;
};

static struct i8254 *i8254(struct dev *d)
{
	return container_of(d, struct i8254, dev);
}

void i8254_disconnect(struct dev *d, bool disconnect)
{
	irq_gate_set(&i8254(d)->gate, !disconnect);
}

/* ---- clocks ---- */

static uint64_t clock_of(int64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * I8254_HZ / NSEC_PER_SEC);
}

/* The first ns of a clock. */
static int64_t ns_of(uint64_t clock)
{
	return (int64_t)(((unsigned __int128)clock * NSEC_PER_SEC + I8254_HZ - 1) / I8254_HZ);
}

static uint64_t now(struct i8254 *s)
{
	return clock_of(dev_clock(&s->dev, VM_CLOCK_VIRTUAL));
}

static uint64_t elapsed(const struct counter_hw *c, uint64_t at)
{
	if (!c->running)
		return c->at;
	return at > c->at ? at - c->at : 0;
}

/* ---- what a counter shows (data sheet, "mode definitions") ---- */

static uint32_t modulus(const struct counter_hw *c)
{
	return c->bcd ? 10000 : 0x10000;
}

static uint16_t to_bcd(uint32_t v)
{
	return (uint16_t)(v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12);
}

static uint32_t from_bcd(uint16_t v)
{
	return (v & 15u) + (v >> 4 & 15u) * 10 + (v >> 8 & 15u) * 100 + (v >> 12) * 1000u;
}

static uint16_t value_of(const struct counter_hw *c, uint64_t at)
{
	uint32_t even = MAX(c->count & ~1u, 2), v;
	uint64_t d = elapsed(c, at);

	switch (c->mode) {
	case 2: v = (uint32_t)(c->count - d % c->count); break;
	case 3: v = (uint32_t)(even - 2 * d % even); break;
	default: v = (uint32_t)((c->count + modulus(c) - d % modulus(c)) % modulus(c)); break;
	}
	v %= modulus(c);
	return c->bcd ? to_bcd(v) : (uint16_t)v;
}

static bool output_of(const struct counter_hw *c, uint64_t at)
{
	uint64_t d = elapsed(c, at);

	switch (c->mode) {
	case 0: return c->loaded && d >= c->count;
	case 1: return !c->triggered || d >= c->count;
	case 2: return !c->loaded || !c->gate || d % c->count != c->count - 1;
	case 3: return !c->loaded || !c->gate || d % c->count < (c->count + 1) / 2;
	default: return !c->loaded || !(c->mode == 4 || c->triggered) || d != c->count;
	}
}

/* ---- interrupts of output 0 ---- */

/* The clock of its next rising edge behind @after; 0: none. */
static uint64_t next_edge(const struct counter_hw *c, uint64_t after)
{
	uint64_t once = c->at + c->count + (c->mode == 4);

	if (!c->loaded || !c->running)
		return 0;
	switch (c->mode) {
	case 0:
	case 4: return once > after ? once : 0;
	case 2:
	case 3:
		return after < c->at ? c->at + c->count
				     : after + c->count - (after - c->at) % c->count;
	default: return 0; /* nothing triggers it */
	}
}

static void arm(struct i8254 *s)
{
	const struct counter_hw *c = &s->hw.counters[0];
	uint64_t edge = next_edge(c, s->hw.seen);

	if (edge && ns_of(edge) - ns_of(s->hw.seen) < PERIOD_MIN_NS && c->mode != 0 && c->mode != 4)
		edge = next_edge(c, clock_of(ns_of(s->hw.seen) + PERIOD_MIN_NS));
	if (edge)
		dev_timer_set(&s->timer, ns_of(edge));
	else
		dev_timer_cancel(&s->timer);
}

/* Tells the edge that has come since somebody looked: one, if there were more. */
static void catch_up(struct i8254 *s)
{
	const struct counter_hw *c = &s->hw.counters[0];
	uint64_t at = now(s), edge = next_edge(c, s->hw.seen);

	s->hw.seen = at;
	if (!edge || edge > at)
		return;
	irq_set(&s->irq, true);
	if (c->mode != 0)
		irq_set(&s->irq, false);
}

static void timer_fired(struct dev *d)
{
	catch_up(i8254(d));
	arm(i8254(d));
}

/* ---- loading and gates ---- */

static void load(struct i8254 *s, struct counter_hw *c, uint16_t value)
{
	uint32_t count = c->bcd ? from_bcd(value) % modulus(c) : value;

	c->count = count ? count : modulus(c);
	c->loaded = true;
	if (c->mode == 1 || c->mode == 5)
		return; /* with the next trigger */
	c->running = c->gate;
	c->at = c->running ? now(s) : 0;
	if (c->mode == 0 && c == &s->hw.counters[0])
		irq_set(&s->irq, false);
}

/* Data sheet, "gate pin operations summary". */
static void set_gate(struct i8254 *s, struct counter_hw *c, bool gate)
{
	uint64_t at = now(s);

	if (c->gate == gate)
		return;
	c->gate = gate;
	if (!c->loaded)
		return;
	if (gate && (c->mode == 1 || c->mode == 5)) {
		c->triggered = c->running = true;
		c->at = at;
	} else if (gate && (c->mode == 2 || c->mode == 3)) {
		c->running = true;
		c->at = at;
	} else if (c->mode != 1 && c->mode != 5) {
		c->at = gate ? at - MIN(at, c->at) : elapsed(c, at);
		c->running = gate;
	}
}

/* ---- registers ---- */

static void latch_count(struct counter_hw *c, uint64_t at)
{
	if (c->latched)
		return;
	c->latch = value_of(c, at);
	c->latched = c->access;
}

static void latch_status(struct counter_hw *c, uint64_t at)
{
	if (c->status_latched)
		return;
	c->status = (uint8_t)((output_of(c, at) ? STATUS_OUT : 0) | (c->loaded ? 0 : STATUS_NULL) |
			      c->access << 4 | c->mode << 1 | c->bcd);
	c->status_latched = true;
}

static void read_back(struct i8254 *s, uint8_t value)
{
	uint64_t at = now(s);

	for (unsigned n = 0; n < COUNTERS; n++) {
		if (!(value & 2u << n))
			continue;
		if (!(value & RB_NO_COUNT))
			latch_count(&s->hw.counters[n], at);
		if (!(value & RB_NO_STATUS))
			latch_status(&s->hw.counters[n], at);
	}
}

/* Modes 6 and 7 are 2 and 3. */
static void write_control(struct i8254 *s, uint8_t value)
{
	struct counter_hw *c = &s->hw.counters[value >> 6];
	uint8_t mode = (value & CW_MODE) >> 1;

	if ((value & CW_ACCESS) == 0) {
		latch_count(c, now(s));
		return;
	}
	*c = (struct counter_hw){
		.access = (value & CW_ACCESS) >> 4,
		.mode = mode > 5 ? mode - 4 : mode,
		.bcd = value & CW_BCD,
		.count = value & CW_BCD ? 10000 : 0x10000,
		.gate = c->gate,
	};
	if (c == &s->hw.counters[0])
		irq_set(&s->irq, false);
}

static void write_counter(struct i8254 *s, struct counter_hw *c, uint8_t value)
{
	switch (c->access) {
	case ACCESS_LOW: load(s, c, value); break;
	case ACCESS_HIGH: load(s, c, (uint16_t)(value << 8)); break;
	default:
		if (c->write_high)
			load(s, c, (uint16_t)(value << 8 | c->low));
		else
			c->low = value;
		/* The first half stops mode 0. */
		if (!c->write_high && c->mode == 0 && c->running) {
			c->at = elapsed(c, now(s));
			c->running = false;
		}
		c->write_high = !c->write_high;
	}
}

static uint8_t read_latch(struct counter_hw *c)
{
	bool high = c->latched == ACCESS_HIGH;

	c->latched = c->latched == ACCESS_BOTH ? ACCESS_HIGH : 0;
	return (uint8_t)(high ? c->latch >> 8 : c->latch);
}

static uint8_t read_counter(struct i8254 *s, struct counter_hw *c)
{
	uint16_t v;

	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	if (c->latched)
		return read_latch(c);
	v = value_of(c, now(s));
	if (c->access == ACCESS_BOTH)
		c->high_next = !c->high_next;
	return (uint8_t)(c->access == ACCESS_HIGH || (c->access == ACCESS_BOTH && !c->high_next)
				 ? v >> 8
				 : v);
}

static uint64_t regs_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct i8254 *s = i8254(d);

	return offset < COUNTERS ? read_counter(s, &s->hw.counters[offset]) : 0;
}

static void regs_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct i8254 *s = i8254(d);

	catch_up(s);
	if (offset < COUNTERS)
		write_counter(s, &s->hw.counters[offset], (uint8_t)value);
	else if ((value & CW_COUNTER) == CW_READ_BACK)
		read_back(s, (uint8_t)value);
	else
		write_control(s, (uint8_t)value);
	arm(s);
}

static uint64_t port_b_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct i8254 *s = i8254(d);
	const struct counter_hw *c = &s->hw.counters[2];
	int64_t ns = dev_clock(d, VM_CLOCK_VIRTUAL);

	return (c->gate ? B_GATE : 0) | (s->hw.speaker ? B_SPEAKER : 0) |
	       (ns / REFRESH_NS % 2 ? B_REFRESH : 0) | (output_of(c, clock_of(ns)) ? B_OUT : 0);
}

static void port_b_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct i8254 *s = i8254(d);

	s->hw.speaker = value & B_SPEAKER;
	set_gate(s, &s->hw.counters[2], value & B_GATE);
}

static const struct region_ops regs_ops = {
	.read = regs_read, .write = regs_write, .min = 1, .max = 1};
static const struct region_ops port_b_ops = {
	.read = port_b_read, .write = port_b_write, .min = 1, .max = 1};

/* ---- life ---- */

static bool realize(struct dev *d, GError **error)
{
	struct i8254 *s = i8254(d);

	irq_gate_init(&s->gate, gsi_source(d->bus->gsi, 0));
	s->irq = irq_gate_pin(&s->gate);
	dev_timer_init(&s->timer, d, VM_CLOCK_VIRTUAL, timer_fired);
	region_init_io(&s->regs, d, &regs_ops, "pit", BUS_PIO, 4);
	region_init_io(&s->port_b, d, &port_b_ops, "port-b", BUS_PIO, 1);
	return region_map(d->bus, &s->regs, 0x40, REGION_PRIO_DEVICE) == 0 &&
	       region_map(d->bus, &s->port_b, 0x61, REGION_PRIO_DEVICE) == 0;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct i8254 *s = i8254(d);

	s->hw = (struct i8254_hw){.seen = now(s)};
	for (unsigned n = 0; n < COUNTERS; n++)
		s->hw.counters[n] = (struct counter_hw){
			.access = ACCESS_BOTH, .mode = 3, .count = 0x10000, .gate = n < 2};
	irq_set(&s->irq, false);
	arm(s);
}

static void unrealize(struct dev *d)
{
	struct i8254 *s = i8254(d);

	dev_lock(d);
	dev_timer_cancel(&s->timer);
	dev_unlock(d);
	irq_gate_done(&s->gate);
}

static int post_load(struct dev *d)
{
	struct i8254 *s = i8254(d);
	const struct counter_hw *c = &s->hw.counters[0];

	irq_set(&s->irq, c->mode == 0 && output_of(c, s->hw.seen));
	arm(s);
	return 0;
}

static const struct state_field counter_fields[] = {
	ST_MAX(struct counter_hw, at, UINT64_C(1) << 53),
	ST_RANGE(struct counter_hw, count, 1, 0x10000),
	ST_U(struct counter_hw, latch),
	ST_RANGE(struct counter_hw, access, ACCESS_LOW, ACCESS_BOTH),
	ST_MAX(struct counter_hw, mode, 5),
	ST_U(struct counter_hw, low),
	ST_U(struct counter_hw, status),
	ST_MAX(struct counter_hw, latched, ACCESS_BOTH),
	ST_BOOL(struct counter_hw, bcd),
	ST_BOOL(struct counter_hw, gate),
	ST_BOOL(struct counter_hw, running),
	ST_BOOL(struct counter_hw, loaded),
	ST_BOOL(struct counter_hw, triggered),
	ST_BOOL(struct counter_hw, high_next),
	ST_BOOL(struct counter_hw, write_high),
	ST_BOOL(struct counter_hw, status_latched),
	ST_PAD(struct counter_hw, pad),
	ST_END,
};

static const struct state_field fields[] = {
	ST_STRUCTS(struct i8254_hw, counters, counter_fields),
	ST_MAX(struct i8254_hw, seen, UINT64_C(1) << 53),
	ST_BOOL(struct i8254_hw, speaker),
	ST_PAD(struct i8254_hw, pad),
	ST_END,
};

static const struct state_desc state = {
	.name = "i8254", .version = 1, .size = sizeof(struct i8254_hw), .fields = fields};

const struct dev_ops i8254_ops = {
	.name = "i8254",
	.doc = "interval timer 8254, and the speaker's port",
	.size = sizeof(struct i8254),
	.realize = realize,
	.reset = reset,
	.unrealize = unrealize,
	.post_load = post_load,
	.state =
		(const struct dev_part[]){
			{&state, offsetof(struct i8254, hw)},
			{.desc = NULL},
		},
};
