/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MC146818A: time of day, formats, update cycle, alarm, periodic interrupt, memory. */
#include "devmodel/platform/platform.h"
#include "tests/lib/board.h"

#define INDEX 0x70
#define DATA  0x71
#define IRQ   8

enum {
	SEC = 0x00,
	SEC_ALARM,
	MIN,
	MIN_ALARM,
	HOUR,
	HOUR_ALARM,
	WDAY,
	MDAY,
	MONTH,
	YEAR,
	A,
	B,
	C,
	D,
	CENTURY = 0x32,
};

#define SET    0x80
#define PIE    0x40
#define AIE    0x20
#define UIE    0x10
#define BIN    0x04
#define H24    0x02
#define IRQF   0x80
#define ANY    0xc0
#define SECOND NSEC_PER_SEC

static struct dev *rtc_init(struct board *b)
{
	board_init(b);
	return board_add(b, &rtc_ops, "rtc");
}

static uint8_t get(struct board *b, unsigned reg)
{
	board_outb(b, INDEX, (uint8_t)reg);
	return board_inb(b, DATA);
}

static void set(struct board *b, unsigned reg, uint8_t v)
{
	board_outb(b, INDEX, (uint8_t)reg);
	board_outb(b, DATA, v);
}

struct when {
	uint8_t century, year, month, mday, wday, hour, min, sec;
};

static void expect_time(struct board *b, struct when w)
{
	g_assert_cmphex(get(b, CENTURY), ==, w.century);
	g_assert_cmphex(get(b, YEAR), ==, w.year);
	g_assert_cmphex(get(b, MONTH), ==, w.month);
	g_assert_cmphex(get(b, MDAY), ==, w.mday);
	g_assert_cmphex(get(b, WDAY), ==, w.wday);
	g_assert_cmphex(get(b, HOUR), ==, w.hour);
	g_assert_cmphex(get(b, MIN), ==, w.min);
	g_assert_cmphex(get(b, SEC), ==, w.sec);
}

static void write_time(struct board *b, struct when w)
{
	set(b, CENTURY, w.century);
	set(b, YEAR, w.year);
	set(b, MONTH, w.month);
	set(b, MDAY, w.mday);
	set(b, WDAY, w.wday);
	set(b, HOUR, w.hour);
	set(b, MIN, w.min);
	set(b, SEC, w.sec);
}

/* ---- time of day ---- */

static void host_time(void)
{
	struct board b;

	rtc_init(&b);
	expect_time(&b, (struct when){0x20, 0x00, 0x02, 0x28, 2, 0x23, 0x59, 0x59});
	board_step(&b, SECOND);
	expect_time(&b, (struct when){0x20, 0x00, 0x02, 0x29, 3, 0x00, 0x00, 0x00});
	board_step(&b, 86400 * SECOND);
	expect_time(&b, (struct when){0x20, 0x00, 0x03, 0x01, 4, 0x00, 0x00, 0x00});
	g_assert_cmphex(get(&b, D), ==, 0x80);
	board_done(&b);
}

static void formats(void)
{
	struct board b;

	rtc_init(&b);
	set(&b, B, H24 | BIN);
	expect_time(&b, (struct when){20, 0, 2, 28, 2, 23, 59, 59});
	set(&b, B, BIN);
	expect_time(&b, (struct when){20, 0, 2, 28, 2, 0x80 | 11, 59, 59});
	set(&b, B, 0);
	expect_time(&b, (struct when){0x20, 0, 2, 0x28, 2, 0x91, 0x59, 0x59});
	board_step(&b, SECOND);
	g_assert_cmphex(get(&b, HOUR), ==, 0x12);
	board_step(&b, 12 * 3600 * SECOND);
	g_assert_cmphex(get(&b, HOUR), ==, 0x92);
	board_step(&b, 3600 * SECOND);
	g_assert_cmphex(get(&b, HOUR), ==, 0x81);
	board_done(&b);
}

static struct when when_of(GDateTime *t)
{
	int year = g_date_time_get_year(t);

	return (struct when){
		.century = (uint8_t)(year / 100),
		.year = (uint8_t)(year % 100),
		.month = (uint8_t)g_date_time_get_month(t),
		.mday = (uint8_t)g_date_time_get_day_of_month(t),
		.wday = (uint8_t)(g_date_time_get_day_of_week(t) % 7 + 1),
		.hour = (uint8_t)g_date_time_get_hour(t),
		.min = (uint8_t)g_date_time_get_minute(t),
		.sec = (uint8_t)g_date_time_get_second(t),
	};
}

/* Days all over the calendar, set and passed, against another calendar. */
static void calendar(void)
{
	struct board b;

	rtc_init(&b);
	for (int year = 1; year < 9999; year += 33) {
		for (unsigned month = 1; month <= 12; month++) {
			g_autoptr(GDateTime)
				t = g_date_time_new_utc(year, (int)month, 28, 23, 59, 58);
			g_autoptr(GDateTime) next = g_date_time_add_seconds(t, 3 * 86400 + 2);

			set(&b, B, SET | H24 | BIN);
			write_time(&b, when_of(t));
			set(&b, B, H24 | BIN);
			expect_time(&b, when_of(t));
			board_step(&b, (3 * 86400 + 2) * SECOND);
			expect_time(&b, when_of(next));
		}
	}
	board_done(&b);
}

/* While SET is 1 the registers are memory, and time stands; the phase of the second goes on. */
static void set_stops(void)
{
	const struct when w = {0x19, 0x99, 0x12, 0x31, 6, 0x23, 0x59, 0x58};
	struct board b;

	rtc_init(&b);
	board_step(&b, SECOND / 4);
	set(&b, B, SET | H24);
	g_assert_cmphex(get(&b, SEC), ==, 0x59);
	board_step(&b, 10 * SECOND);
	g_assert_cmphex(get(&b, SEC), ==, 0x59);
	write_time(&b, w);
	set(&b, MONTH, 0xff);
	g_assert_cmphex(get(&b, MONTH), ==, 0xff);
	set(&b, MONTH, w.month);
	board_step(&b, SECOND);
	expect_time(&b, w);
	set(&b, B, H24);
	expect_time(&b, w);
	board_step(&b, SECOND * 3 / 4 - 1);
	g_assert_cmphex(get(&b, SEC), ==, 0x58);
	board_step(&b, 1);
	g_assert_cmphex(get(&b, SEC), ==, 0x59);
	board_step(&b, SECOND);
	expect_time(&b, (struct when){0x20, 0x00, 0x01, 0x01, 7, 0, 0, 0});
	board_done(&b);
}

static void set_while_running(void)
{
	struct board b;

	rtc_init(&b);
	set(&b, HOUR, 0x07);
	set(&b, MIN, 0x30);
	set(&b, WDAY, 5);
	expect_time(&b, (struct when){0x20, 0x00, 0x02, 0x28, 5, 0x07, 0x30, 0x59});
	board_step(&b, SECOND);
	expect_time(&b, (struct when){0x20, 0x00, 0x02, 0x28, 5, 0x07, 0x31, 0x00});
	set(&b, CENTURY, 0x19);
	board_step(&b, 86400 * SECOND);
	expect_time(&b, (struct when){0x19, 0x00, 0x03, 0x01, 6, 0x07, 0x31, 0x00});
	board_done(&b);
}

/* Nonsense in the registers gives some time, and it goes on. */
static void nonsense(void)
{
	struct board b;

	rtc_init(&b);
	for (unsigned v = 0; v < 256; v++) {
		uint8_t before, after;

		set(&b, B, (uint8_t)(SET | (v & 6)));
		for (unsigned reg = SEC; reg <= YEAR; reg++)
			set(&b, reg, (uint8_t)v);
		set(&b, CENTURY, (uint8_t)v);
		set(&b, B, BIN | H24);
		before = get(&b, SEC);
		board_step(&b, SECOND);
		after = get(&b, SEC);
		g_assert_cmpuint(before, <, 60);
		g_assert_cmpuint(after, ==, (before + 1) % 60);
		g_assert_cmpuint(get(&b, MONTH) - 1, <, 12);
		g_assert_cmpuint(get(&b, MDAY) - 1, <, 31);
		g_assert_cmpuint(get(&b, WDAY) - 1, <, 7);
	}
	board_done(&b);
}

/* The divider in reset stops the clock; half a second after it is let go the first update comes. */
static void divider_reset(void)
{
	struct board b;

	rtc_init(&b);
	board_step(&b, SECOND / 10);
	set(&b, A, 0x70);
	board_step(&b, 7 * SECOND);
	g_assert_cmphex(get(&b, SEC), ==, 0x59);
	set(&b, SEC, 0x10);
	set(&b, A, 0x26);
	g_assert_cmphex(get(&b, SEC), ==, 0x10);
	board_step(&b, SECOND / 2 - 1);
	g_assert_cmphex(get(&b, SEC), ==, 0x10);
	board_step(&b, 1);
	g_assert_cmphex(get(&b, SEC), ==, 0x11);
	board_step(&b, SECOND - 1);
	g_assert_cmphex(get(&b, SEC), ==, 0x11);
	board_step(&b, 1);
	g_assert_cmphex(get(&b, SEC), ==, 0x12);
	board_done(&b);
}

/* UIP rises 244 us before an update cycle, which takes 1984 us. */
static void update_in_progress(void)
{
	struct board b;

	rtc_init(&b);
	g_assert_cmphex(get(&b, A), ==, 0x26);
	board_step(&b, SECOND - (244 + 1984) * NSEC_PER_USEC - 1);
	g_assert_cmphex(get(&b, A), ==, 0x26);
	board_step(&b, 1);
	g_assert_cmphex(get(&b, A), ==, 0xa6);
	set(&b, A, 0xa6);
	set(&b, B, SET | H24);
	g_assert_cmphex(get(&b, A), ==, 0x26);
	set(&b, B, H24);
	board_step(&b, (244 + 1984) * NSEC_PER_USEC);
	g_assert_cmphex(get(&b, A), ==, 0x26);
	board_done(&b);
}

/* ---- interrupts ---- */

static void update_ended(void)
{
	struct board b;

	rtc_init(&b);
	set(&b, HOUR_ALARM, 0x12);
	board_step(&b, SECOND / 2);
	get(&b, C);
	set(&b, B, UIE | H24);
	board_step(&b, SECOND / 2 - 1);
	g_assert_false(board_irq(&b, IRQ));
	board_step(&b, 1);
	g_assert_true(board_irq(&b, IRQ));
	board_step(&b, 5 * SECOND);
	g_assert_cmpuint(board_irq_edges(&b, IRQ), ==, 1);
	g_assert_cmphex(get(&b, C) & ~0x40, ==, IRQF | 0x10);
	g_assert_false(board_irq(&b, IRQ));
	g_assert_cmphex(get(&b, C), ==, 0);
	board_step(&b, SECOND);
	g_assert_true(board_irq(&b, IRQ));
	/* SET clears UIE and with it the interrupt */
	set(&b, B, SET | UIE | H24);
	g_assert_cmphex(get(&b, B), ==, SET | H24);
	g_assert_false(board_irq(&b, IRQ));
	board_done(&b);
}

/*
 * The flags are set whether or not their interrupts are enabled; enabling one that is set raises
 * the line.
 */
static void flags_without_interrupts(void)
{
	struct board b;

	rtc_init(&b);
	set(&b, SEC_ALARM, ANY);
	set(&b, MIN_ALARM, ANY);
	set(&b, HOUR_ALARM, ANY);
	set(&b, A, 0x20);
	get(&b, C);
	board_step(&b, SECOND - 1);
	g_assert_cmphex(get(&b, C), ==, 0);
	board_step(&b, 1);
	g_assert_cmphex(get(&b, C), ==, 0x30);
	board_step(&b, SECOND);
	set(&b, B, UIE | H24);
	g_assert_true(board_irq(&b, IRQ));
	g_assert_cmphex(get(&b, C), ==, IRQF | 0x30);
	board_done(&b);
}

/* All rates: 2 and 1 are 128 and 256 Hz, the others 32768 Hz >> (rate - 1). */
static void periodic(void)
{
	struct board b;

	rtc_init(&b);
	for (unsigned rate = 1; rate < 16; rate++) {
		unsigned hz = 32768 >> (rate < 3 ? rate + 6 : rate - 1), before;

		set(&b, A, 0x20);
		board_step(&b, SECOND - clock_now(b.clocks, VM_CLOCK_RTC) % SECOND);
		get(&b, C);
		set(&b, A, (uint8_t)(0x20 | rate));
		set(&b, B, PIE | H24);
		before = board_irq_edges(&b, IRQ);
		for (unsigned i = 0; i < MIN(hz, 300); i++) {
			int64_t at = (INT64_C(1) * (i + 1) * SECOND + hz - 1) / hz;
			int64_t past = clock_now(b.clocks, VM_CLOCK_RTC) % SECOND;

			board_step(&b, at - past - 1);
			g_assert_false(board_irq(&b, IRQ));
			board_step(&b, 1);
			g_assert_true(board_irq(&b, IRQ));
			g_assert_cmphex(get(&b, C) & (IRQF | 0x40), ==, IRQF | 0x40);
		}
		g_assert_cmpuint(board_irq_edges(&b, IRQ) - before, ==, MIN(hz, 300));
		set(&b, B, H24);
	}
	board_done(&b);
}

static void alarm_at(uint8_t mode, uint8_t hour, uint8_t min, uint8_t sec, int64_t after)
{
	struct board b;

	rtc_init(&b);
	board_step(&b, SECOND); /* midnight */
	set(&b, B, mode);
	set(&b, SEC_ALARM, sec);
	set(&b, MIN_ALARM, min);
	set(&b, HOUR_ALARM, hour);
	get(&b, C);
	set(&b, B, mode | AIE);
	board_step(&b, after * SECOND - 1);
	g_assert_false(board_irq(&b, IRQ));
	board_step(&b, 1);
	g_assert_true(board_irq(&b, IRQ));
	g_assert_cmphex(get(&b, C) & (IRQF | 0x20), ==, IRQF | 0x20);
	board_done(&b);
}

static void alarms(void)
{
	alarm_at(H24, 0x00, 0x00, 0x01, 1);
	alarm_at(H24, 0x00, 0x00, 0x00, 86400);
	alarm_at(H24, 0x23, 0x59, 0x59, 86399);
	alarm_at(H24, 0x13, 0x45, 0x10, 13 * 3600 + 45 * 60 + 10);
	alarm_at(H24 | BIN, 13, 45, 10, 13 * 3600 + 45 * 60 + 10);
	alarm_at(0, 0x81, 0x45, 0x10, 13 * 3600 + 45 * 60 + 10);
	alarm_at(BIN, 0x80 | 12, 0, 0, 12 * 3600);
	alarm_at(H24, ANY, ANY, ANY, 1);
	alarm_at(H24, ANY, ANY, 0x30, 30);
	alarm_at(H24, ANY, 0x05, 0x00, 300);
	alarm_at(H24, 0x02, ANY, 0xff, 7200);
	alarm_at(H24, ANY, 0x02, ANY, 120);
}

static void alarm_never(void)
{
	static const uint8_t wrong[][3] = {{0x24, ANY, ANY}, {ANY, 0x60, ANY}, {ANY, ANY, 0x60},
		{ANY, ANY, 0xbf}, {0x7f, 0x00, 0x00}};
	struct board b;

	rtc_init(&b);
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		set(&b, HOUR_ALARM, wrong[i][0]);
		set(&b, MIN_ALARM, wrong[i][1]);
		set(&b, SEC_ALARM, wrong[i][2]);
		get(&b, C);
		set(&b, B, AIE | H24);
		board_step(&b, 2 * 86400 * SECOND);
		g_assert_false(board_irq(&b, IRQ));
	}
	/* an alarm needs updates */
	set(&b, HOUR_ALARM, ANY);
	set(&b, MIN_ALARM, ANY);
	set(&b, SEC_ALARM, ANY);
	set(&b, B, SET | AIE | H24);
	get(&b, C);
	board_step(&b, 10 * SECOND);
	g_assert_false(board_irq(&b, IRQ));
	set(&b, B, AIE | H24);
	board_step(&b, SECOND);
	g_assert_true(board_irq(&b, IRQ));
	board_done(&b);
}

/* ---- memory, life ---- */

static void memory(void)
{
	struct board b;
	struct dev *d = rtc_init(&b);

	for (unsigned i = 0x0e; i < 0x80; i++) {
		if (i != CENTURY)
			set(&b, i | 0x80, (uint8_t)(i * 3));
	}
	rtc_set_cmos(d, 0x5f, 0x42);
	rtc_set_cmos(d, 0x80, 0x42);
	for (unsigned i = 0x0e; i < 0x80; i++) {
		if (i != CENTURY)
			g_assert_cmphex(get(&b, i), ==, i == 0x5f ? 0x42 : (uint8_t)(i * 3));
	}
	set(&b, C, 0xff);
	set(&b, D, 0x00);
	g_assert_cmphex(get(&b, C) & 0x8f, ==, 0);
	g_assert_cmphex(get(&b, D), ==, 0x80);
	g_assert_cmphex(board_inb(&b, INDEX), ==, 0xff);
	board_done(&b);
}

/* The RESET pin: interrupts off, flags cleared, the rest is on battery, over a power cycle too. */
static void resets(void)
{
	struct board b;

	rtc_init(&b);
	set(&b, 0x40, 0x99);
	set(&b, HOUR, 0x05);
	set(&b, B, PIE | AIE | UIE | 0x08 | BIN | H24);
	board_step(&b, SECOND);
	g_assert_true(board_irq(&b, IRQ));
	board_reset(&b, RESET_COLD);
	g_assert_false(board_irq(&b, IRQ));
	g_assert_cmphex(get(&b, B), ==, BIN | H24);
	g_assert_cmphex(get(&b, C), ==, 0);
	g_assert_cmphex(get(&b, 0x40), ==, 0x99);
	g_assert_cmpuint(get(&b, HOUR), ==, 6);
	board_step(&b, SECOND);
	g_assert_false(board_irq(&b, IRQ));
	board_done(&b);
}

static void saved(void)
{
	struct board b;

	rtc_init(&b);
	set(&b, HOUR, 0x05);
	set(&b, WDAY, 7);
	set(&b, A, 0x27);
	set(&b, B, PIE | H24);
	set(&b, 0x22, 0x22);
	board_step(&b, SECOND / 512 - NSEC_PER_USEC);
	board_save_and_load(&b);
	g_assert_false(board_irq(&b, IRQ));
	board_step(&b, NSEC_PER_USEC);
	g_assert_true(board_irq(&b, IRQ));
	board_save_and_load(&b);
	g_assert_true(board_irq(&b, IRQ));
	expect_time(&b, (struct when){0x20, 0x00, 0x02, 0x28, 7, 0x05, 0x59, 0x59});
	g_assert_cmphex(get(&b, 0x22), ==, 0x22);
	set(&b, B, SET | H24);
	board_save_and_load(&b);
	board_step(&b, SECOND);
	expect_time(&b, (struct when){0x20, 0x00, 0x02, 0x28, 7, 0x05, 0x59, 0x59});
	board_done(&b);
}

/* Legacy replacement routing of the HPET takes its interrupt away; the flags go on. */
static void disconnected(void)
{
	struct board b;
	struct dev *d;

	board_init(&b);
	d = board_add(&b, &rtc_ops, "rtc");
	rtc_disconnect(d, true);
	set(&b, B, UIE | H24);
	board_step(&b, SECOND);
	g_assert_false(board_irq(&b, IRQ));
	rtc_disconnect(d, false);
	g_assert_true(board_irq(&b, IRQ));
	rtc_disconnect(d, true);
	g_assert_false(board_irq(&b, IRQ));
	g_assert_cmphex(get(&b, C) & 0x90, ==, 0x90);
	rtc_disconnect(d, false);
	g_assert_false(board_irq(&b, IRQ));
	board_done(&b);
}

static void random_writes(void)
{
	struct board b;

	rtc_init(&b);
	board_poke(&b, 100000);
	board_reset(&b, RESET_COLD);
	g_assert_false(board_irq(&b, IRQ));
	board_done(&b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/rtc/host-time", host_time);
	g_test_add_func("/rtc/formats", formats);
	g_test_add_func("/rtc/calendar", calendar);
	g_test_add_func("/rtc/set-stops", set_stops);
	g_test_add_func("/rtc/set-while-running", set_while_running);
	g_test_add_func("/rtc/nonsense", nonsense);
	g_test_add_func("/rtc/divider-reset", divider_reset);
	g_test_add_func("/rtc/update-in-progress", update_in_progress);
	g_test_add_func("/rtc/update-ended", update_ended);
	g_test_add_func("/rtc/flags-without-interrupts", flags_without_interrupts);
	g_test_add_func("/rtc/periodic", periodic);
	g_test_add_func("/rtc/alarms", alarms);
	g_test_add_func("/rtc/alarm-never", alarm_never);
	g_test_add_func("/rtc/memory", memory);
	g_test_add_func("/rtc/resets", resets);
	g_test_add_func("/rtc/saved", saved);
	g_test_add_func("/rtc/disconnected", disconnected);
	g_test_add_func("/rtc/random-writes", random_writes);
	return g_test_run();
}
