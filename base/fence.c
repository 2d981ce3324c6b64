/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/fence.h"

#include <errno.h>
#include <glib.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

enum { UNKNOWN, ABSENT, PRESENT };

static int answer; /* atomic */

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

/* Two threads that ask at once both announce the process, which does no harm. */
bool fence_init(void)
{
	int known = __atomic_load_n(&answer, __ATOMIC_ACQUIRE);

	if (known == UNKNOWN) {
		known = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) ? ABSENT : PRESENT;
		__atomic_store_n(&answer, known, __ATOMIC_RELEASE);
	}
	return known == PRESENT;
}

void fence_heavy(void)
{
	/* The light side has full fences of its own when the kernel cannot make them, and then so must we. */
	if (!fence_init())
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	else if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) < 0)
		g_error("membarrier: %s, after it was announced", err_text(errno));
}
