/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/fence.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_membarrier; /* after once */

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

static void announce(void)
{
	has_membarrier = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

bool fence_init(void)
{
	pthread_once(&once, announce);
	return has_membarrier;
}

void fence_heavy(void)
{
	/* The light side has full fences of its own when the kernel cannot make them, and then so must we. */
	if (!fence_init() || membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) < 0)
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
