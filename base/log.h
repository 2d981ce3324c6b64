/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h - the log of a process: journald with fields, or stderr where there is no journal.
 *
 * Only vmmd/ logs above debug; libraries return errors instead. Any thread. A line carries VM= (set
 * once per process) and, where given, DEV=. Guest misbehaviour goes through dev_guest_error() of
 * devmodel/bus/device.h, which bounds its rate; no other path lets a guest write to the log.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/util.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/*
 * Opens the log before any sandbox: connects to the journal if stderr is its stream ($JOURNAL_STREAM),
 * else writes to stderr. @program names the process, @vm (NULL in the daemon) its VM; both are copied.
 * Lines less urgent than @max are dropped.
 */
void log_open(const char *program, const char *vm, enum log_level max);

/* One line, without newline. Control characters of the message are shown as \xNN. */
void log_msg(enum log_level level, const char *dev, const char *fmt, ...) __printf(3, 4);

/*
 * From a signal handler: one line of printable text, as a warning, where the log goes. Async-signal-safe. At most 256 bytes;
 * the caller bounds its rate.
 */
void log_signal(const char *text, size_t n);

#define log_error(...)   log_msg(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)
#define log_warning(...) log_msg(LOG_LEVEL_WARNING, NULL, __VA_ARGS__)
#define log_notice(...)  log_msg(LOG_LEVEL_NOTICE, NULL, __VA_ARGS__)
#define log_info(...)    log_msg(LOG_LEVEL_INFO, NULL, __VA_ARGS__)
#define log_debug(...)   log_msg(LOG_LEVEL_DEBUG, NULL, __VA_ARGS__)

/*
 * A token bucket for lines that a guest or a client can cause: at most @burst at once, refilled at one
 * per @interval_ns. ratelimit_ok() is true when a line may be written and then stores in @ret_missed how many
 * were refused since the last one. Not locked: the caller holds the lock of what the limit belongs to.
 */
struct ratelimit {
	int64_t interval_ns;
	unsigned burst;
	unsigned tokens;
	uint64_t missed;
	int64_t last;
};

#define RATELIMIT_INIT(per_ns, n)                                    \
	{                                                            \
		.interval_ns = (per_ns), .burst = (n), .tokens = (n) \
	}
bool ratelimit_ok(struct ratelimit *rl, int64_t now_ns, uint64_t *ret_missed);

#endif
