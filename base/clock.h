/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.h - the three clocks of a VM and the timers on them.
 *
 *	CLOCK_VIRTUAL	guest time: ns since power-on, stands still while the VM is paused
 *	CLOCK_HOST	CLOCK_MONOTONIC of the host: never stands still (time-outs towards the host)
 *	CLOCK_RTC	wall-clock ns since the Unix epoch that the guest's RTC shows
 *
 * Two ways to drive them: from a loop (timerfd, real time) or stepped by hand (qtest, unit tests: time
 * is 0 at start and moves only by clock_step()). Devices do not see the difference. Timer callbacks run on the
 * loop's thread, or in clock_step(), in order of deadline; devices use dev_timer (devmodel/bus/device.h), which
 * adds the device's lock.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <glib.h>

#include "base/util.h"

struct loop;
struct clocks;

enum clock_type { VM_CLOCK_VIRTUAL, VM_CLOCK_HOST, VM_CLOCK_RTC, VM_CLOCKS };

/* Clocks driven by @loop. The virtual clock begins paused at 0. Errors: no timerfd. */
struct clocks *clocks_new(struct loop *loop, GError **error);
/* Clocks stepped by hand; the rtc begins at @rtc_epoch_ns. */
struct clocks *clocks_new_stepped(int64_t rtc_epoch_ns);
void clocks_free(struct clocks *c); /* no timer may be armed */

/* Now, ns. Any thread; cheap (no system call on x86 Linux). */
int64_t clock_now(struct clocks *c, enum clock_type type);

/* Starts and stops the virtual clock (resume, pause). Idempotent. Main thread. */
void clocks_run(struct clocks *c);
void clocks_pause(struct clocks *c);

/* Sets the virtual clock (restoring a saved VM) or the offset of the rtc. Paused only. */
void clocks_set_virtual(struct clocks *c, int64_t ns);
void clocks_set_rtc(struct clocks *c, int64_t epoch_ns);

/* Stepped clocks: moves to @to_ns (never back), running due timers in order. */
void clock_step_to(struct clocks *c, int64_t to_ns);
/* Deadline of the earliest armed virtual timer, or -1. */
int64_t clock_next_deadline(struct clocks *c);

/*
 * A one-shot timer, embedded in its owner. timer_set() arms or moves it to absolute @deadline_ns of its clock; the
 * callback may arm it again. Any thread; timer_cancel() does not wait for a callback that already runs (see
 * dev_timer for a race-free one).
 */
struct timer {
	struct clocks *clocks;
	enum clock_type type;
	void (*fn)(void *opaque);
	void *opaque;
	int64_t deadline;
	unsigned pos; /* in the heap, 0 = not armed */
};

void timer_init(
	struct timer *t, struct clocks *c, enum clock_type type, void (*fn)(void *), void *opaque);
void timer_set(struct timer *t, int64_t deadline_ns);
void timer_cancel(struct timer *t);
bool timer_armed(struct timer *t);

#endif
