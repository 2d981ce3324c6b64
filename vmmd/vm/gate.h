/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate.h - the bounded rate of what a guest can cause without end.
 *
 * The first time something is told at once. What follows within the interval is told together when that is over: whoever passes
 * the gate keeps what there is to tell beside it, where the latest replaces or adds to what came before. So nobody who listens is
 * flooded, and the last word is never lost.
 *
 * Embedded in its owner. All of it on the thread of the loop.
 */
#ifndef VMMD_VM_GATE_H
#define VMMD_VM_GATE_H

#include "base/loop.h"

struct gate {
	void (*tell)(struct gate *g);
	struct loop *loop;
	int64_t interval; /* ns */
	struct loop_timer timer;
	bool closed;  /* told less than an interval ago */
	bool waiting; /* there is more to tell */
};

/* @tell must not pass the same gate. */
void gate_init(
	struct gate *g, struct loop *loop, int64_t interval_ns, void (*tell)(struct gate *g));
/* There is something to tell: now, or when the interval is over. */
void gate_pass(struct gate *g);
/* What cannot wait: tells now, together with what waits; the interval begins anew. */
void gate_push(struct gate *g);
/* Tells what waits, if anything does: before the end of whoever would tell it. */
void gate_flush(struct gate *g);
/* Forgets what waits. */
void gate_done(struct gate *g);

#endif
