/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * history.h - the last bytes of an endless stream, by their position in it.
 *
 *	0 …………………………………… history_start() …… head
 *	          gone                    kept
 */
#ifndef CHAR_HISTORY_H
#define CHAR_HISTORY_H

#include <sys/uio.h>

#include "base/util.h"

struct history {
	uint8_t *buf;
	size_t size;
	uint64_t head; /* bytes that were ever added */
};

void history_init(struct history *h, size_t size); /* bytes kept, at least 1 */
void history_done(struct history *h);              /* idempotent */

/* Adds bytes, which push out the oldest. */
void history_add(struct history *h, const uint8_t *bytes, size_t n);

/* Position of the oldest byte that is kept. */
uint64_t history_start(const struct history *h);

/* What is kept from position @from (start … head) on as at most two pieces at @iov; their number. */
unsigned history_get(const struct history *h, uint64_t from, struct iovec iov[2]);

#endif
