/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mutex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPINS 100 /* sections are shorter than a sleep */

static bool try_lock(struct mutex *m)
{
	uint32_t expected = MUTEX_FREE;

	return __atomic_compare_exchange_n(
		&m->state, &expected, MUTEX_LOCKED, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/*
 * Who sleeps says so first, and keeps saying so when it gets the lock: others may sleep too, and one wake-up too many
 * is harmless.
 */
void mutex_wait(struct mutex *m)
{
	for (unsigned i = 0; i < SPINS; i++) {
		if (__atomic_load_n(&m->state, __ATOMIC_RELAXED) == MUTEX_FREE && try_lock(m))
			return;
		__builtin_ia32_pause();
	}
	/* The call returns early when the word has changed, or for a signal: the exchange decides. */
	while (__atomic_exchange_n(&m->state, MUTEX_WAITED_FOR, __ATOMIC_ACQUIRE) != MUTEX_FREE)
		syscall(SYS_futex, &m->state, FUTEX_WAIT_PRIVATE, MUTEX_WAITED_FOR, NULL, NULL, 0);
}

void mutex_wake(struct mutex *m)
{
	syscall(SYS_futex, &m->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
