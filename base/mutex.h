/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mutex.h - a mutual exclusion lock of four bytes whose common case is inline.
 *
 * For locks that each register access of a guest takes: after an exit every page of code is cold, and
 * a call into the C library to take a free lock costs more than the device behind it. Everywhere else
 * pthread_mutex_t is the lock to use. Not recursive, not fair; whoever locked it unlocks it.
 */
#ifndef BASE_MUTEX_H
#define BASE_MUTEX_H

#include "base/util.h"

enum { MUTEX_FREE, MUTEX_LOCKED, MUTEX_WAITED_FOR };

/* Zeroes are a free lock. */
struct mutex {
	uint32_t state; /* atomic, futex: MUTEX_… */
};

/* The cases in which somebody else has it, or waits for it. */
void mutex_wait(struct mutex *m);
void mutex_wake(struct mutex *m);

static inline void mutex_lock(struct mutex *m)
{
	uint32_t expected = MUTEX_FREE;

	if (unlikely(!__atomic_compare_exchange_n(
		    &m->state, &expected, MUTEX_LOCKED, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		mutex_wait(m);
}

static inline void mutex_unlock(struct mutex *m)
{
	if (unlikely(__atomic_exchange_n(&m->state, MUTEX_FREE, __ATOMIC_RELEASE) ==
		     MUTEX_WAITED_FOR))
		mutex_wake(m);
}

#endif
