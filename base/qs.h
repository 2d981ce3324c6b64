/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qs.h - quiescent states: immutable tables are swapped whole, the old one is freed after every reader
 * has passed.
 *
 *	reader (vCPU or I/O thread)		writer (any thread)
 *	qs_enter();				old = atomic_exchange(&table, new);
 *	t = atomic_load(&table); use t		qs_defer(old, free_table);
 *	qs_leave();
 *
 * A reader section may not block for long (no KVM_RUN, no epoll_wait inside) and may nest. Readers never
 * wait for writers. A thread registers once (qs_thread_init) before its first section.
 */
#ifndef BASE_QS_H
#define BASE_QS_H

#include "base/fence.h"
#include "base/util.h"

/* Registers, unregisters the calling thread. Every thread that enters sections does both. */
void qs_thread_init(void);
void qs_thread_done(void);

/* The part of a thread's record that sections touch: a cache line of its own, written by its thread and read by all. */
struct qs_reader {
	_Alignas(64) uint64_t count; /* atomic: beginnings and ends of sections, odd inside */
	unsigned nesting;
	bool cheap_fence; /* fence_init(), once the thread is registered */
};

extern __thread struct qs_reader qs_self;

/* What a thread does that has no cheap fence; one that is not registered ends here. */
void qs_enter_slow(void);

/* Begin and end of a reader section of the calling thread. */
static inline void qs_enter(void)
{
	if (qs_self.nesting++)
		return;
	__atomic_store_n(&qs_self.count, qs_self.count + 1, __ATOMIC_RELAXED);
	if (likely(qs_self.cheap_fence))
		fence_light(true);
	else
		qs_enter_slow();
}

static inline void qs_leave(void)
{
	if (--qs_self.nesting == 0)
		__atomic_store_n(&qs_self.count, qs_self.count + 1, __ATOMIC_RELEASE);
}

/*
 * Calls @fn(@ptr) once every reader section that is open now has ended; on the thread of a later
 * qs_defer() or qs_flush(), never inside this call while the caller itself is in a section. Any thread.
 */
void qs_defer(void *ptr, void (*fn)(void *ptr));

/*
 * Waits until everything deferred before has been called. Not inside a section. Set-up and tear-down
 * only: it may sleep.
 */
void qs_flush(void);

#endif
