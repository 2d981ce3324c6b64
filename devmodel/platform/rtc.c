/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real-time clock with 128 bytes of battery-backed memory, Motorola MC146818A data sheet; century
 * byte at 0x32 as ACPI's FADT says.
 *
 * While the clock runs, time of day is the RTC clock of the host shifted by what the guest has set:
 * nothing is counted. Likewise the three flags of register C are brought up to date when somebody
 * looks; the timer is armed only for an event that would raise the interrupt line.
 */
#include "devmodel/platform/platform.h"

#include <string.h>

#include "devmodel/platform/irq-gate.h"

#define RTC_PORT    0x70
#define RTC_GSI     8
#define RTC_SIZE    128
#define RTC_INDEX   0x7f /* bit 7 of the index port masks NMIs */
#define SEC_PER_DAY 86400
#define NEVER       INT64_MAX

/*
 * UIP is set from t_BUC before an update cycle to its end (table 6, time base 32.768 kHz); the new
 * second shows at that end.
 */
#define UPDATE_NS ((244 + 1984) * NSEC_PER_USEC)

/* Registers. */
enum {
	RTC_SEC = 0x00,
	RTC_SEC_ALARM = 0x01,
	RTC_MIN = 0x02,
	RTC_MIN_ALARM = 0x03,
	RTC_HOUR = 0x04,
	RTC_HOUR_ALARM = 0x05,
	RTC_WDAY = 0x06,
	RTC_MDAY = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_A = 0x0a,
	RTC_B = 0x0b,
	RTC_C = 0x0c,
	RTC_D = 0x0d,
	RTC_CENTURY = 0x32,
};

#define A_UIP      0x80
#define A_DV_32K   0x20
#define A_DV_RESET 0x60 /* both bits: the divider is held in reset */
#define A_RATE     0x0f
#define B_SET      0x80
#define B_PIE      0x40
#define B_AIE      0x20
#define B_UIE      0x10
#define B_SQWE     0x08
#define B_BINARY   0x04
#define B_24H      0x02
#define C_IRQF     0x80
#define C_PF       0x40
#define C_AF       0x20
#define C_UF       0x10
#define D_VALID    0x80
#define HOUR_PM    0x80
#define ALARM_ANY  0xc0 /* both bits: matches always */

struct rtc_hw {
	uint64_t shift;    /* guest's seconds = seconds of our clock + shift, modulo 2^64 */
	uint64_t flags_at; /* ns of our clock up to which the flags of register C are known */
	uint32_t phase;    /* ns of our clock's second at which the guest's begins */
	uint8_t index;
	uint8_t wday_shift;     /* days the guest's day of the week is ahead of its date */
	uint8_t cmos[RTC_SIZE]; /* time of day in it holds while the clock stands */
	uint8_t pad[2];
};

struct rtc {
	struct dev dev;
	struct rtc_hw hw; /* [s] */
	struct irq_gate gate;
	struct irq irq; /* [c] into the gate */
	struct dev_timer timer;
	struct region region;
};

/* Broken-down time as a calendar has it: month 1..12, wday 0 = Sunday. */
struct calendar {
	int64_t year;
	unsigned month, mday, wday, hour, min, sec;
};

static struct rtc *rtc(struct dev *d)
{
	return container_of(d, struct rtc, dev);
}

static int64_t now(struct rtc *r)
{
	return dev_clock(&r->dev, VM_CLOCK_RTC);
}

static bool divider_runs(const struct rtc *r)
{
	return (r->hw.cmos[RTC_A] & A_DV_RESET) != A_DV_RESET;
}

static bool clock_runs(const struct rtc *r)
{
	return divider_runs(r) && !(r->hw.cmos[RTC_B] & B_SET);
}

/* ---- calendar -------------------------------------------------------------------------------- */

static int64_t div_floor(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/*
 * Days since 1970-01-01 of a date of the Gregorian calendar; years begin in March here, so that
 * leap days come last.
 */
static int64_t days_of_date(int64_t year, unsigned month, unsigned mday)
{
	int64_t y = month <= 2 ? year - 1 : year, era = div_floor(y, 400), yoe = y - era * 400;
	int64_t mp = month > 2 ? month - 3 : month + 9;
	int64_t doy = (153 * mp + 2) / 5 + (int64_t)mday - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_of_days(int64_t days, struct calendar *c)
{
	int64_t era = div_floor(days + 719468, 146097), doe = days + 719468 - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	c->mday = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	c->month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
	c->year = yoe + era * 400 + (c->month <= 2);
	c->wday = (unsigned)(days - div_floor(days + 4, 7) * 7 + 4);
}

/* ---- encoding of the registers --------------------------------------------------------------- */

static uint8_t encode(const struct rtc *r, unsigned v)
{
	return (uint8_t)(r->hw.cmos[RTC_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}

static unsigned decode(const struct rtc *r, uint8_t v)
{
	return r->hw.cmos[RTC_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 0x0f);
}

static uint8_t encode_hour(const struct rtc *r, unsigned hour)
{
	unsigned half = hour % 12 ? hour % 12 : 12;

	if (r->hw.cmos[RTC_B] & B_24H)
		return encode(r, hour);
	return (uint8_t)(encode(r, half) | (hour >= 12 ? HOUR_PM : 0));
}

static unsigned decode_hour(const struct rtc *r, uint8_t v)
{
	if (r->hw.cmos[RTC_B] & B_24H)
		return decode(r, v);
	return decode(r, v & ~HOUR_PM) % 12 + (v & HOUR_PM ? 12 : 0);
}

/* ---- time of day ----------------------------------------------------------------------------- */

/* The guest's second that contains @ns of our clock. */
static int64_t guest_second(const struct rtc *r, int64_t ns)
{
	return (int64_t)((uint64_t)div_floor(ns - r->hw.phase, NSEC_PER_SEC) + r->hw.shift);
}

/* How far into that second, ns. */
static int64_t into_second(const struct rtc *r, int64_t ns)
{
	ns -= r->hw.phase;
	return ns - div_floor(ns, NSEC_PER_SEC) * NSEC_PER_SEC;
}

/* Writes the time at @ns into the registers. */
static void time_to_registers(struct rtc *r, int64_t ns)
{
	int64_t sec = guest_second(r, ns), days = div_floor(sec, SEC_PER_DAY);
	unsigned day_sec = (unsigned)(sec - days * SEC_PER_DAY);
	uint8_t *cmos = r->hw.cmos;
	struct calendar c;

	date_of_days(days, &c);
	cmos[RTC_SEC] = encode(r, day_sec % 60);
	cmos[RTC_MIN] = encode(r, day_sec / 60 % 60);
	cmos[RTC_HOUR] = encode_hour(r, day_sec / 3600);
	cmos[RTC_WDAY] = encode(r, (c.wday + r->hw.wday_shift) % 7 + 1);
	cmos[RTC_MDAY] = encode(r, c.mday);
	cmos[RTC_MONTH] = encode(r, c.month);
	cmos[RTC_YEAR] = encode(r, (unsigned)(c.year % 100));
	cmos[RTC_CENTURY] = encode(r, (unsigned)(c.year / 100 % 100));
}

/* The clock goes on from what the registers say; nonsense in them gives some time. */
static void registers_to_time(struct rtc *r, int64_t ns)
{
	const uint8_t *cmos = r->hw.cmos;
	int64_t year = decode(r, cmos[RTC_CENTURY]) % 100 * 100 + decode(r, cmos[RTC_YEAR]) % 100;
	unsigned month = CLAMP(decode(r, cmos[RTC_MONTH]), 1, 12);
	int64_t days = days_of_date(year, month, decode(r, cmos[RTC_MDAY]));
	int64_t sec = days * SEC_PER_DAY + decode_hour(r, cmos[RTC_HOUR]) * 3600 +
		      decode(r, cmos[RTC_MIN]) * 60 + decode(r, cmos[RTC_SEC]);
	unsigned wday = (decode(r, cmos[RTC_WDAY]) + 6) % 7; /* 0 = Sunday */
	struct calendar c;

	r->hw.shift = 0;
	r->hw.shift = (uint64_t)sec - (uint64_t)guest_second(r, ns);
	date_of_days(div_floor(sec, SEC_PER_DAY), &c);
	r->hw.wday_shift = (uint8_t)((wday + 7 - c.wday) % 7);
}

/* ---- events ---------------------------------------------------------------------------------- */

static int64_t next_update(const struct rtc *r, int64_t after)
{
	return clock_runs(r) ? after + NSEC_PER_SEC - into_second(r, after) : NEVER;
}

/*
 * The periodic interrupt divides the second; rates 1 and 2 are those of 8 and 9 at this time base.
 */
static int64_t next_periodic(const struct rtc *r, int64_t after)
{
	unsigned rate = r->hw.cmos[RTC_A] & A_RATE;
	int64_t per_second, into = into_second(r, after), edge;

	if (!rate || !divider_runs(r))
		return NEVER;
	per_second = 32768 >> (rate <= 2 ? rate + 6 : rate - 1);
	edge = into * per_second / NSEC_PER_SEC + 1;
	return after - into + (edge * NSEC_PER_SEC + per_second - 1) / per_second;
}

#define ANY (-1)

/* What an alarm register asks for: a number, or ANY. */
static int alarm_value(const struct rtc *r, unsigned reg)
{
	uint8_t v = r->hw.cmos[reg];

	if ((v & ALARM_ANY) == ALARM_ANY)
		return ANY;
	return (int)(reg == RTC_HOUR_ALARM ? decode_hour(r, v) : decode(r, v));
}

/*
 * The first second of the day, or of the day after, behind @sec that the alarm registers name.
 * Steps by hours, then minutes, then seconds; -1 when there is none.
 */
static int alarm_second(const struct rtc *r, int sec)
{
	int hour = alarm_value(r, RTC_HOUR_ALARM), min = alarm_value(r, RTC_MIN_ALARM);
	int second = alarm_value(r, RTC_SEC_ALARM), t = sec + 1;

	if (hour > 23 || min > 59 || second > 59)
		return -1;
	while (t <= sec + SEC_PER_DAY) {
		if (hour != ANY && t / 3600 % 24 != hour)
			t += 3600 - t % 3600;
		else if (min != ANY && t / 60 % 60 != min)
			t += 60 - t % 60;
		else if (second != ANY && t % 60 != second)
			t++;
		else
			return t;
	}
	return -1;
}

static int64_t next_alarm(const struct rtc *r, int64_t after)
{
	int64_t sec = guest_second(r, after);
	int day_sec = (int)(sec - div_floor(sec, SEC_PER_DAY) * SEC_PER_DAY), at;

	if (!clock_runs(r))
		return NEVER;
	at = alarm_second(r, day_sec);
	return at < 0 ? NEVER : after - into_second(r, after) + (at - day_sec) * NSEC_PER_SEC;
}

/* Flags of register C; the enable bits of register B are at the same places. */
static const struct {
	uint8_t flag;
	int64_t (*next)(const struct rtc *r, int64_t after);
} events[] = {
	{C_PF, next_periodic},
	{C_AF, next_alarm},
	{C_UF, next_update},
};

/* Sets the flags of what has happened since somebody looked. */
static void sync_flags(struct rtc *r)
{
	int64_t from = (int64_t)r->hw.flags_at, to = now(r);

	for (unsigned i = 0; i < ARRAY_SIZE(events); i++) {
		if (events[i].next(r, from) <= to)
			r->hw.cmos[RTC_C] |= events[i].flag;
	}
	r->hw.flags_at = (uint64_t)to;
}

/* The line, and when it would next go up. */
static void update_irq(struct rtc *r)
{
	uint8_t *c = &r->hw.cmos[RTC_C], enabled = r->hw.cmos[RTC_B] & (B_PIE | B_AIE | B_UIE);
	int64_t first = NEVER;

	*c = *c & enabled ? *c | C_IRQF : *c & ~C_IRQF;
	irq_set(&r->irq, *c & C_IRQF);
	for (unsigned i = 0; i < ARRAY_SIZE(events); i++) {
		if (enabled & ~*c & events[i].flag)
			first = MIN(first, events[i].next(r, (int64_t)r->hw.flags_at));
	}
	if (first != NEVER && !(*c & C_IRQF))
		dev_timer_set(&r->timer, first);
	else
		dev_timer_cancel(&r->timer);
}

static void timer_fired(struct dev *d)
{
	sync_flags(rtc(d));
	update_irq(rtc(d));
}

/* ---- registers ------------------------------------------------------------------------------- */

static bool is_time(unsigned reg)
{
	return reg == RTC_CENTURY || (reg <= RTC_YEAR && (reg >= RTC_WDAY || reg % 2 == 0));
}

/* When the divider leaves reset, the first update comes half a second later. */
static void write_a(struct rtc *r, uint8_t value)
{
	bool ran = clock_runs(r), divided = divider_runs(r);
	int64_t at = now(r);

	if (ran && (value & A_DV_RESET) == A_DV_RESET)
		time_to_registers(r, at);
	r->hw.cmos[RTC_A] = value & ~A_UIP;
	if (!divided && divider_runs(r))
		r->hw.phase = (uint32_t)((at + NSEC_PER_SEC / 2) % NSEC_PER_SEC);
	if (!ran && clock_runs(r))
		registers_to_time(r, at);
}

/* Setting SET stops updates and clears UIE. */
static void write_b(struct rtc *r, uint8_t value)
{
	bool ran = clock_runs(r);

	if (value & B_SET) {
		if (ran)
			time_to_registers(r, now(r));
		value &= ~B_UIE;
	}
	r->hw.cmos[RTC_B] = value;
	if (!ran && clock_runs(r))
		registers_to_time(r, now(r));
}

/* A running clock can be set too, one register at a time. */
static void write_time(struct rtc *r, unsigned reg, uint8_t value)
{
	int64_t at = now(r);

	if (!clock_runs(r)) {
		r->hw.cmos[reg] = value;
		return;
	}
	time_to_registers(r, at);
	r->hw.cmos[reg] = value;
	registers_to_time(r, at);
}

static void write_register(struct rtc *r, unsigned reg, uint8_t value)
{
	sync_flags(r);
	if (reg == RTC_A)
		write_a(r, value);
	else if (reg == RTC_B)
		write_b(r, value);
	else if (is_time(reg))
		write_time(r, reg, value);
	else if (reg != RTC_C && reg != RTC_D)
		r->hw.cmos[reg] = value;
	update_irq(r);
}

static uint8_t read_c(struct rtc *r)
{
	uint8_t value;

	sync_flags(r);
	update_irq(r);
	value = r->hw.cmos[RTC_C];
	r->hw.cmos[RTC_C] = 0;
	update_irq(r);
	return value;
}

static uint8_t read_register(struct rtc *r, unsigned reg)
{
	int64_t at = now(r);

	if (reg == RTC_C)
		return read_c(r);
	if (is_time(reg) && clock_runs(r))
		time_to_registers(r, at);
	if (reg == RTC_A && clock_runs(r) && into_second(r, at) >= NSEC_PER_SEC - UPDATE_NS)
		return r->hw.cmos[RTC_A] | A_UIP;
	return r->hw.cmos[reg];
}

static uint64_t rtc_read(struct dev *d, struct region *region, uint64_t offset, unsigned size)
{
	struct rtc *r = rtc(d);

	return offset ? read_register(r, r->hw.index) : ones(size);
}

static void rtc_write(
	struct dev *d, struct region *region, uint64_t offset, unsigned size, uint64_t value)
{
	struct rtc *r = rtc(d);

	if (offset)
		write_register(r, r->hw.index, (uint8_t)value);
	else
		r->hw.index = value & RTC_INDEX;
}

static const struct region_ops rtc_region = {
	.read = rtc_read,
	.write = rtc_write,
	.min = 1,
	.max = 1,
};

void rtc_set_cmos(struct dev *d, unsigned index, uint8_t value)
{
	dev_lock(d);
	if (index < RTC_SIZE)
		write_register(rtc(d), index, value);
	dev_unlock(d);
}

void rtc_disconnect(struct dev *d, bool disconnect)
{
	irq_gate_set(&rtc(d)->gate, !disconnect);
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool rtc_realize(struct dev *d, GError **error)
{
	struct rtc *r = rtc(d);

	irq_gate_init(&r->gate, gsi_source(d->bus->gsi, RTC_GSI));
	r->irq = irq_gate_pin(&r->gate);
	dev_timer_init(&r->timer, d, VM_CLOCK_RTC, timer_fired);
	r->hw.cmos[RTC_A] = A_DV_32K | 6; /* 1024 Hz, as every BIOS leaves it */
	r->hw.cmos[RTC_B] = B_24H;
	r->hw.cmos[RTC_D] = D_VALID;
	r->hw.flags_at = (uint64_t)now(r);
	region_init_io(&r->region, d, &rtc_region, "rtc", BUS_PIO, 2);
	return region_map(d->bus, &r->region, RTC_PORT, REGION_PRIO_DEVICE) == 0;
}

/*
 * The battery keeps time, memory and format; the RESET pin clears interrupts (page 11 of the data
 * sheet).
 */
static void rtc_reset(struct dev *d, enum reset_kind kind)
{
	struct rtc *r = rtc(d);

	r->hw.index = 0;
	r->hw.cmos[RTC_B] &= ~(B_PIE | B_AIE | B_UIE | B_SQWE);
	r->hw.cmos[RTC_C] = 0;
	r->hw.flags_at = (uint64_t)now(r);
	update_irq(r);
}

static void rtc_unrealize(struct dev *d)
{
	dev_lock(d);
	if (rtc(d)->timer.dev)
		dev_timer_cancel(&rtc(d)->timer);
	dev_unlock(d);
	irq_gate_done(&rtc(d)->gate);
}

static void rtc_pre_save(struct dev *d)
{
	if (clock_runs(rtc(d)))
		time_to_registers(rtc(d), now(rtc(d)));
}

/* Another host's clock may be behind: then nothing has happened yet. */
static int rtc_post_load(struct dev *d)
{
	struct rtc *r = rtc(d);

	r->hw.cmos[RTC_A] &= ~A_UIP;
	r->hw.cmos[RTC_D] = D_VALID;
	r->hw.flags_at = MIN(r->hw.flags_at, (uint64_t)now(r));
	update_irq(r);
	return 0;
}

static const struct state_field rtc_fields[] = {
	ST_U(struct rtc_hw, shift),
	ST_MAX(struct rtc_hw, flags_at, INT64_MAX),
	ST_MAX(struct rtc_hw, phase, NSEC_PER_SEC - 1),
	ST_MAX(struct rtc_hw, index, RTC_INDEX),
	ST_MAX(struct rtc_hw, wday_shift, 6),
	ST_BYTES(struct rtc_hw, cmos),
	ST_PAD(struct rtc_hw, pad),
	ST_END,
};

static const struct state_desc rtc_state = {
	.name = "rtc",
	.version = 1,
	.size = sizeof(struct rtc_hw),
	.fields = rtc_fields,
};

const struct dev_ops rtc_ops = {
	.name = "rtc",
	.doc = "real-time clock and CMOS memory, MC146818A",
	.size = sizeof(struct rtc),
	.realize = rtc_realize,
	.reset = rtc_reset,
	.unrealize = rtc_unrealize,
	.pre_save = rtc_pre_save,
	.post_load = rtc_post_load,
	.state =
		(const struct dev_part[]){
			{&rtc_state, offsetof(struct rtc, hw)},
			{.desc = NULL},
		},
};
