/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * internal.h - what the files of the qtest accelerator share.
 *
 *	server.c    the connection: lines in, replies and interrupt lines out
 *	commands.c  what a line does
 *	accel.c     the accelerator's own duties
 */
#ifndef VMMD_QTEST_INTERNAL_H
#define VMMD_QTEST_INTERNAL_H

#include <pthread.h>

#include "base/loop.h"
#include "devmodel/bus/bus.h"
#include "vmmd/qtest/qtest.h"

struct qtest_server {
	struct bus *bus;   /* [c] */
	struct loop *loop; /* [c] */
	struct loop_fd conn;
	bool open;
	int log_fd;
	int64_t start; /* of the log's time stamps */
	void (*closed)(void *opaque);
	void *opaque;

	GByteArray *in;
	guint scanned; /* bytes of in that are known to hold no line end */

	pthread_mutex_t lock; /* an irq lock, the innermost */
	GByteArray *out;      /* lock */
	guint sent;           /* lock: bytes of out that are gone */
	struct loop_call flush_call;

	bool intercepting;
	struct irq inputs[GSI_PINS]; /* what set_irq_in drives; wired on first use */
};

/* The loop of an accelerator made by qtest_accel_new(); also tells it its bus. */
struct loop *qtest_accel_attach(struct accel *a, struct bus *bus);

/* Carries out one line, which it may change, and replies. Loop thread. */
void qtest_execute(struct qtest_server *s, char *line);

/* One line to the peer, without its newline; any thread. Order is kept, whatever is sent. */
void qtest_send(struct qtest_server *s, const char *fmt, ...) __printf(2, 3);
/* The same for text of any length, of which @n bytes are at @text. */
void qtest_send_bytes(struct qtest_server *s, const char *text, size_t n);

#endif
