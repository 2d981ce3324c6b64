/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <errno.h>
#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fdpass.h"

/* Longest line that is written; the rest is cut. */
#define LINE_MAX_BYTES 1024

static struct {
	char *program;
	char *vm;
	enum log_level max;
	int journal;           /* datagram socket, or -1: stderr */
	char signal_head[256]; /* what stands before the text of a line from a signal handler */
} log_to = {.max = LOG_LEVEL_NOTICE, .journal = -1, .signal_head = "vmmd: warning: "};

/* Whether stderr is the stream that systemd connected to the journal (systemd.exec(5), $JOURNAL_STREAM). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static int journal_connect(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		fd_close(&fd);
	return fd;
}

/* The text comes last, so that a handler has only to append it and a newline. */
static void make_signal_head(void)
{
	char *head = log_to.signal_head;
	size_t size = sizeof(log_to.signal_head);

	if (log_to.journal >= 0)
		snprintf(head, size,
			"PRIORITY=4\nSYSLOG_IDENTIFIER=%.64s\n%s%.64s%sMESSAGE=", log_to.program,
			log_to.vm ? "VM=" : "", log_to.vm ? log_to.vm : "", log_to.vm ? "\n" : "");
	else
		snprintf(head, size, "%.64s: %.64s%swarning: ", log_to.program,
			log_to.vm ? log_to.vm : "", log_to.vm ? ": " : "");
}

void log_signal(const char *text, size_t n)
{
	char buf[sizeof(log_to.signal_head) + 257];
	size_t head = strlen(log_to.signal_head);

	n = MIN(n, (size_t)256);
	memcpy(buf, log_to.signal_head, head);
	memcpy(buf + head, text, n);
	buf[head + n] = '\n';
	if (write(log_to.journal >= 0 ? log_to.journal : STDERR_FILENO, buf, head + n + 1) < 0)
		return;
}

void log_open(const char *program, const char *vm, enum log_level max)
{
	g_free(log_to.program);
	g_free(log_to.vm);
	log_to.program = g_strdup(program);
	log_to.vm = g_strdup(vm);
	log_to.max = max;
	fd_close(&log_to.journal);
	if (stderr_is_journal())
		log_to.journal = journal_connect();
	make_signal_head();
}

/* Copies @src to @dst (LINE_MAX_BYTES) with control characters shown, so that no guest or client text forges lines. */
static size_t escape(char *dst, const char *src)
{
	size_t n = 0;

	for (; *src && n + 5 < LINE_MAX_BYTES; src++) {
		unsigned char c = (unsigned char)*src;

		if (c >= 0x20 && c != 0x7f)
			dst[n++] = (char)c;
		else
			n += (size_t)snprintf(dst + n, 5, "\\x%02x", c);
	}
	dst[n] = '\0';
	return n;
}

static void write_journal(enum log_level level, const char *dev, const char *line)
{
	/* syslog priorities 3 (err) to 7 (debug) are in the order of enum log_level. */
	char buf[LINE_MAX_BYTES + 512];
	int n = snprintf(buf, sizeof(buf), "PRIORITY=%u\nSYSLOG_IDENTIFIER=%s\nMESSAGE=%s\n",
		3 + level, log_to.program, line);

	if (log_to.vm && n < (int)sizeof(buf))
		n += snprintf(buf + n, sizeof(buf) - (size_t)n, "VM=%s\n", log_to.vm);
	if (dev && n < (int)sizeof(buf))
		n += snprintf(buf + n, sizeof(buf) - (size_t)n, "DEV=%s\n", dev);
	/* A full or vanished journal loses the line: the log never blocks the data path. */
	if (send(log_to.journal, buf, MIN((size_t)n, sizeof(buf)), MSG_NOSIGNAL) < 0)
		return;
}

static void write_stderr(enum log_level level, const char *dev, const char *line)
{
	static const char *const words[] = {"error: ", "warning: ", "", "", "debug: "};
	char buf[LINE_MAX_BYTES + 256];
	int n = snprintf(buf, sizeof(buf), "%s: %s%s%s%s%s%s\n",
		log_to.program ? log_to.program : "vmmd", log_to.vm ? log_to.vm : "",
		log_to.vm ? ": " : "", dev ? dev : "", dev ? ": " : "", words[level], line);

	/* One write, so that lines of several threads and processes do not mix. */
	if (n > 0 && write(STDERR_FILENO, buf, MIN((size_t)n, sizeof(buf) - 1)) < 0)
		return;
}

void log_msg(enum log_level level, const char *dev, const char *fmt, ...)
{
	char raw[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
	va_list ap;

	if (level > log_to.max)
		return;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	escape(line, raw);
	if (log_to.journal >= 0)
		write_journal(level, dev, line);
	else
		write_stderr(level, dev, line);
}

bool ratelimit_ok(struct ratelimit *rl, int64_t now_ns, uint64_t *ret_missed)
{
	int64_t due = rl->interval_ns > 0 ? (now_ns - rl->last) / rl->interval_ns : 0;

	if (due > 0) {
		rl->tokens = due >= (int64_t)rl->burst ? rl->burst
						       : MIN(rl->burst, rl->tokens + (unsigned)due);
		rl->last += due * rl->interval_ns;
	}
	if (!rl->tokens) {
		rl->missed++;
		return false;
	}
	rl->tokens--;
	*ret_missed = rl->missed;
	rl->missed = 0;
	return true;
}
