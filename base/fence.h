/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fence.h - asymmetric fences: two threads that each write one word and then read the other's need a
 * full barrier between. Where one side runs all the time and the other hardly ever, the rare one pays
 * for both: membarrier(2) lets every running thread of the process pass a full barrier.
 *
 *	often				rarely
 *	store A				store B
 *	fence_light(cheap)		fence_heavy()
 *	load B				load A
 *
 * At least one of them sees what the other wrote.
 */
#ifndef BASE_FENCE_H
#define BASE_FENCE_H

#include "base/util.h"

/*
 * Announces the process to the kernel, once; any thread, before its first fence. The answer, which never changes, goes
 * to fence_light(): false where the kernel has no membarrier(2) (before Linux 4.14, or a sandbox of
 * others denies it), and light fences are then full ones. A caller keeps it beside what it writes.
 */
bool fence_init(void);

static inline void fence_light(bool cheap)
{
	if (likely(cheap))
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	else
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Some microseconds, and an interrupt to every processor that runs a thread of this process. */
void fence_heavy(void);

#endif
