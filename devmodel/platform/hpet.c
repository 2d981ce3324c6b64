/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * High Precision Event Timers, IA-PC HPET specification 1.0a (October 2004); section numbers are
 * its.
 *
 * Nothing is counted: the main counter is the virtual clock in ticks of 10 ns, shifted. Matches of
 * the comparators are worked off up to the tick `seen` when somebody looks or the next one is due.
 * Messages (FSB delivery) are not offered.
 */
#include "devmodel/platform/hpet.h"

#include <errno.h>

#define TICK_NS   10
#define PERIOD_FS 10000000u /* section 2.3.4: the low half of the capabilities says what it is */

/* Registers (section 2.3.3). */
#define REG_ID      0x000
#define REG_CONFIG  0x010
#define REG_STATUS  0x020
#define REG_COUNTER 0x0f0
#define REG_TIMERS  0x100 /* 0x20 for each */
#define TIMER_STEP  0x20
#define TIMER_CONF  0x00
#define TIMER_COMP  0x08

#define CONF_ENABLE 0x1
#define CONF_LEGACY 0x2

/* Timer configuration (section 2.3.8). */
#define TN_LEVEL       0x0002
#define TN_ENABLE      0x0004
#define TN_PERIODIC    0x0008
#define TN_CAN_PERIOD  0x0010
#define TN_CAN_64      0x0020
#define TN_VAL_SET     0x0040
#define TN_32          0x0100
#define TN_ROUTE       0x3e00
#define TN_ROUTE_SHIFT 9
#define TN_WRITABLE    (TN_LEVEL | TN_ENABLE | TN_PERIODIC | TN_VAL_SET | TN_32 | TN_ROUTE)

/*
 * A periodic timer interrupts not more often, whatever its period: what comes in between is lost.
 */
#define PERIOD_MIN_TICKS (50 * NSEC_PER_USEC / TICK_NS)

struct hpet_timer_hw {
	uint64_t comparator; /* [g] */
	uint64_t period;     /* [g] added to it with each match */
	uint64_t config;     /* [g] without the capabilities */
};

struct hpet_hw {
	uint64_t config;  /* [g] */
	uint64_t status;  /* interrupts of level-triggered timers */
	uint64_t counter; /* while it stands; else what is added to the clock's ticks */
	uint64_t seen;    /* count up to which matches were worked off */
	struct hpet_timer_hw timers[HPET_TIMERS];
};

struct hpet {
	struct dev dev;
	struct hpet_hw hw; /* [s] */
	uint32_t intcap;   /* [c] */
	struct irq irqs[HPET_TIMERS][GSI_PINS];
	struct irq *level[HPET_TIMERS]; /* what it holds high, NULL: nothing */
	void (*legacy)(void *opaque, bool on);
	void *opaque;
	struct dev_timer timer;
	struct region region;
};

static struct hpet *hpet(struct dev *d)
{
	return container_of(d, struct hpet, dev);
}

void hpet_set_legacy(struct dev *d, void (*fn)(void *opaque, bool on), void *opaque)
{
	hpet(d)->legacy = fn;
	hpet(d)->opaque = opaque;
}

/* ---- the counter ---- */

static uint64_t clock_ticks(struct hpet *h)
{
	return (uint64_t)dev_clock(&h->dev, VM_CLOCK_VIRTUAL) / TICK_NS;
}

static bool counts(const struct hpet *h)
{
	return h->hw.config & CONF_ENABLE;
}

static uint64_t count(struct hpet *h)
{
	return counts(h) ? clock_ticks(h) + h->hw.counter : h->hw.counter;
}

/* ---- interrupts ---- */

/*
 * The line of a timer (section 2.2.4): inputs of the IOAPIC are GSIs, but for its input 2, where
 * GSI 0 is. Legacy replacement: timer 0 as the 8254, timer 1 as the RTC.
 */
static struct irq *line_of(struct hpet *h, unsigned n)
{
	static const uint8_t legacy[] = {0, 8};
	unsigned input = (h->hw.timers[n].config & TN_ROUTE) >> TN_ROUTE_SHIFT;

	if ((h->hw.config & CONF_LEGACY) && n < ARRAY_SIZE(legacy))
		return &h->irqs[n][legacy[n]];
	return &h->irqs[n][input == 2 ? 0 : input];
}

static void drive_level(struct hpet *h, unsigned n)
{
	const struct hpet_timer_hw *t = &h->hw.timers[n];
	bool high = counts(h) && (t->config & TN_ENABLE) && (h->hw.status & 1u << n);
	struct irq *line = high ? line_of(h, n) : NULL;

	if (h->level[n] == line)
		return;
	if (h->level[n])
		irq_set(h->level[n], false);
	if (line)
		irq_set(line, true);
	h->level[n] = line;
}

static void matched(struct hpet *h, unsigned n)
{
	const struct hpet_timer_hw *t = &h->hw.timers[n];

	if (t->config & TN_LEVEL) {
		h->hw.status |= 1u << n;
		drive_level(h, n);
	} else if (t->config & TN_ENABLE) {
		irq_pulse(line_of(h, n));
	}
}

/* ---- comparators ---- */

static uint64_t mask_of(const struct hpet_timer_hw *t)
{
	return t->config & TN_32 ? UINT32_MAX : UINT64_MAX;
}

static bool is_periodic(const struct hpet_timer_hw *t)
{
	return (t->config & TN_PERIODIC) && t->period;
}

/*
 * How many ticks behind `seen` the next match is; 0: as many as the counter has, which nobody lives
 * to see.
 */
static uint64_t distance(const struct hpet *h, const struct hpet_timer_hw *t)
{
	uint64_t left = (t->comparator - h->hw.seen) & mask_of(t);

	return left || !(t->config & TN_32) ? left : mask_of(t) + 1;
}

/* Behind a match the comparator of a periodic timer is ahead of @now (section 2.3.9.2.2). */
static void advance(struct hpet_timer_hw *t, uint64_t now)
{
	uint64_t late = (now - t->comparator) & mask_of(t), step = t->period;

	if (step < PERIOD_MIN_TICKS)
		late += PERIOD_MIN_TICKS;
	t->comparator = (t->comparator + (late / step + 1) * step) & mask_of(t);
}

/* Works off the matches up to now. A comparator that was passed more than once has matched once. */
static void catch_up(struct hpet *h)
{
	uint64_t now = count(h), passed = now - h->hw.seen;

	for (unsigned n = 0; n < HPET_TIMERS; n++) {
		struct hpet_timer_hw *t = &h->hw.timers[n];
		uint64_t next = distance(h, t);

		if (!next || next > passed)
			continue;
		if (is_periodic(t))
			advance(t, now);
		matched(h, n);
	}
	h->hw.seen = now;
}

/* For the next match that somebody would notice. After catch_up(). */
static void arm(struct hpet *h)
{
	uint64_t next = UINT64_MAX, at;

	for (unsigned n = 0; counts(h) && n < HPET_TIMERS; n++) {
		const struct hpet_timer_hw *t = &h->hw.timers[n];
		uint64_t d = distance(h, t);

		if (d && (t->config & TN_ENABLE) && !(h->hw.status & 1u << n))
			next = MIN(next, d);
	}
	if (__builtin_add_overflow(next, h->hw.seen - h->hw.counter, &at) ||
		at > INT64_MAX / TICK_NS)
		dev_timer_cancel(&h->timer);
	else
		dev_timer_set(&h->timer, (int64_t)at * TICK_NS);
}

static void timer_fired(struct dev *d)
{
	catch_up(hpet(d));
	arm(hpet(d));
}

/* ---- registers ---- */

static uint64_t timer_capabilities(const struct hpet *h)
{
	return (uint64_t)h->intcap << 32 | TN_CAN_64 | TN_CAN_PERIOD;
}

static uint64_t read_timer(struct hpet *h, const struct hpet_timer_hw *t, unsigned reg)
{
	switch (reg) {
	case TIMER_CONF: return t->config | timer_capabilities(h);
	case TIMER_COMP: catch_up(h); return t->comparator;
	default: return 0; /* FSB route: not offered */
	}
}

static uint64_t read_register(struct hpet *h, unsigned reg)
{
	unsigned n = (reg - REG_TIMERS) / TIMER_STEP;

	switch (reg) {
	case REG_ID: return (uint64_t)PERIOD_FS << 32 | HPET_ID;
	case REG_CONFIG: return h->hw.config;
	case REG_STATUS: catch_up(h); return h->hw.status;
	case REG_COUNTER: return count(h);
	default: break;
	}
	if (reg < REG_TIMERS || n >= HPET_TIMERS)
		return 0;
	return read_timer(h, &h->hw.timers[n], reg % TIMER_STEP);
}

/* The counter goes on from where it stands, or stands where it is. */
static void write_config(struct hpet *h, uint64_t value)
{
	uint64_t now = count(h), changed = h->hw.config ^ value;

	h->hw.config = value & (CONF_ENABLE | CONF_LEGACY);
	h->hw.counter = counts(h) ? now - clock_ticks(h) : now;
	if ((changed & CONF_LEGACY) && h->legacy)
		h->legacy(h->opaque, value & CONF_LEGACY);
}

/* An input that it cannot be routed to leaves the old one (section 2.3.8, Tn_INT_ROUTE_CNF). */
static void write_timer_config(struct hpet *h, unsigned n, uint64_t value)
{
	struct hpet_timer_hw *t = &h->hw.timers[n];

	if (!(h->intcap & 1u << ((value & TN_ROUTE) >> TN_ROUTE_SHIFT)))
		value = (value & ~(uint64_t)TN_ROUTE) | (t->config & TN_ROUTE);
	t->config = value & TN_WRITABLE;
	t->comparator &= mask_of(t);
	t->period &= mask_of(t);
	if (!(t->config & TN_LEVEL))
		h->hw.status &= ~(UINT64_C(1) << n);
}

/*
 * In periodic mode a write is the period, and with VAL_SET also the next match; that bit counts
 * once.
 */
static void write_comparator(struct hpet_timer_hw *t, uint64_t value, uint64_t written)
{
	value &= mask_of(t);
	if (t->config & TN_PERIODIC)
		t->period = (t->period & ~written) | (value & written);
	if (!(t->config & TN_PERIODIC) || (t->config & TN_VAL_SET))
		t->comparator = (t->comparator & ~written) | (value & written);
	t->config &= ~(uint64_t)TN_VAL_SET;
	t->comparator &= mask_of(t);
	t->period &= mask_of(t);
}

static void write_timer(struct hpet *h, unsigned n, unsigned reg, uint64_t value, uint64_t written)
{
	struct hpet_timer_hw *t = &h->hw.timers[n];

	if (reg == TIMER_CONF)
		write_timer_config(h, n, (t->config & ~written) | (value & written));
	else if (reg == TIMER_COMP)
		write_comparator(t, value, written);
}

/* The counter is written while it stands; what is written while it runs is lost (section 2.3.7). */
static void write_counter(struct hpet *h, uint64_t value, uint64_t written)
{
	if (counts(h)) {
		dev_guest_error(&h->dev, "the main counter is written while it runs");
		return;
	}
	h->hw.counter = (h->hw.counter & ~written) | (value & written);
	h->hw.seen = h->hw.counter;
}

/* @written: the bits of the register that the access covers, where @value has them too. */
static void write_register(struct hpet *h, unsigned reg, uint64_t value, uint64_t written)
{
	unsigned n = (reg - REG_TIMERS) / TIMER_STEP;

	catch_up(h);
	if (reg == REG_CONFIG)
		write_config(h, (h->hw.config & ~written) | (value & written));
	else if (reg == REG_STATUS)
		h->hw.status &= ~(value & written);
	else if (reg == REG_COUNTER)
		write_counter(h, value, written);
	else if (reg >= REG_TIMERS && n < HPET_TIMERS)
		write_timer(h, n, reg % TIMER_STEP, value, written);
	for (n = 0; n < HPET_TIMERS; n++)
		drive_level(h, n);
	arm(h);
}

static uint64_t hpet_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return read_register(hpet(d), (unsigned)offset & ~7u) >> 8 * (offset & 7);
}

static void hpet_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	unsigned shift = 8 * (offset & 7);

	write_register(hpet(d), (unsigned)offset & ~7u, value << shift, ones(size) << shift);
}

/* Section 2.3.2: 32 or 64 bits, aligned. */
static const struct region_ops hpet_region = {
	.read = hpet_read,
	.write = hpet_write,
	.min = 4,
	.max = 8,
};

/* ---- life ---- */

static bool hpet_realize(struct dev *d, GError **error)
{
	struct hpet *h = hpet(d);

	for (unsigned n = 0; n < HPET_TIMERS; n++) {
		for (unsigned gsi = 0; gsi < GSI_PINS; gsi++)
			h->irqs[n][gsi] = gsi_source(d->bus->gsi, gsi);
	}
	dev_timer_init(&h->timer, d, VM_CLOCK_VIRTUAL, timer_fired);
	region_init_io(&h->region, d, &hpet_region, "hpet", BUS_MMIO, HPET_SIZE);
	return region_map(d->bus, &h->region, HPET_BASE, REGION_PRIO_DEVICE) == 0;
}

/* Section 2.3.9.1: comparators begin with all ones. */
static void hpet_reset(struct dev *d, enum reset_kind kind)
{
	struct hpet *h = hpet(d);
	bool legacy = h->hw.config & CONF_LEGACY;
	unsigned route = h->intcap ? (unsigned)__builtin_ctz(h->intcap) : 0;

	h->hw = (struct hpet_hw){.config = 0};
	for (unsigned n = 0; n < HPET_TIMERS; n++) {
		h->hw.timers[n] = (struct hpet_timer_hw){
			.comparator = UINT64_MAX,
			.config = (uint64_t)route << TN_ROUTE_SHIFT,
		};
		drive_level(h, n);
	}
	arm(h);
	if (legacy && h->legacy)
		h->legacy(h->opaque, false);
}

static void hpet_unrealize(struct dev *d)
{
	struct hpet *h = hpet(d);

	dev_lock(d);
	dev_timer_cancel(&h->timer);
	h->hw.status = 0;
	for (unsigned n = 0; n < HPET_TIMERS; n++)
		drive_level(h, n);
	dev_unlock(d);
}

static bool may_route(const struct hpet *h, const struct hpet_timer_hw *t)
{
	unsigned input = (t->config & TN_ROUTE) >> TN_ROUTE_SHIFT;

	return !h->intcap ? !input : h->intcap & 1u << input;
}

static int hpet_post_load(struct dev *d)
{
	struct hpet *h = hpet(d);

	for (unsigned n = 0; n < HPET_TIMERS; n++) {
		if (!may_route(h, &h->hw.timers[n]))
			return -EINVAL;
	}
	if (h->legacy)
		h->legacy(h->opaque, h->hw.config & CONF_LEGACY);
	for (unsigned n = 0; n < HPET_TIMERS; n++)
		drive_level(h, n);
	arm(h);
	return 0;
}

static const struct state_field timer_fields[] = {
	ST_U(struct hpet_timer_hw, comparator),
	ST_U(struct hpet_timer_hw, period),
	ST_MAX(struct hpet_timer_hw, config, TN_WRITABLE),
	ST_END,
};

static const struct state_field hpet_fields[] = {
	ST_MAX(struct hpet_hw, config, CONF_ENABLE | CONF_LEGACY),
	ST_MAX(struct hpet_hw, status, (1 << HPET_TIMERS) - 1),
	ST_U(struct hpet_hw, counter),
	ST_U(struct hpet_hw, seen),
	ST_STRUCTS(struct hpet_hw, timers, timer_fields),
	ST_END,
};

/* What the registers cannot hold. */
static int hpet_check(const void *hw)
{
	const struct hpet_hw *h = hw;

	for (unsigned n = 0; n < HPET_TIMERS; n++) {
		const struct hpet_timer_hw *t = &h->timers[n];

		if ((t->config & ~(uint64_t)TN_WRITABLE) || (t->comparator & ~mask_of(t)) ||
			(t->period & ~mask_of(t)))
			return -EINVAL;
		if (!(t->config & TN_LEVEL) && (h->status & 1u << n))
			return -EINVAL;
	}
	return 0;
}

static const struct state_desc hpet_state = {
	.name = "hpet",
	.version = 1,
	.size = sizeof(struct hpet_hw),
	.fields = hpet_fields,
	.check = hpet_check,
};

static const struct prop hpet_props[] = {
	PROP_U32("intcap", struct hpet, intcap, 0, 0xffffff, 0x4,
		"inputs of the IOAPIC that timers can be routed to, a bit each"),
	PROP_END,
};

static const struct prop_table hpet_table = {
	.name = "hpet",
	.doc = "high precision event timers",
	.size = sizeof(struct hpet),
	.props = hpet_props,
};

const struct dev_ops hpet_ops = {
	.name = "hpet",
	.doc = "high precision event timers, IA-PC HPET 1.0a",
	.size = sizeof(struct hpet),
	.props = &hpet_table,
	.realize = hpet_realize,
	.reset = hpet_reset,
	.unrealize = hpet_unrealize,
	.post_load = hpet_post_load,
	.state =
		(const struct dev_part[]){
			{&hpet_state, offsetof(struct hpet, hw)},
			{.desc = NULL},
		},
};
