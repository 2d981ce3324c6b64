/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack protector's two symbols for kernel drivers: the compiler expects a C library to have
 * them.  A smashed stack stops the machine with the code Windows' own check uses.
 */
#include <ntddk.h>

#include "guest-drivers/windows/kernel/kernel.h"

#define DRIVER_OVERRAN_STACK_BUFFER 0xf7

extern ULONG_PTR __stack_chk_guard;
extern DECLSPEC_NORETURN void __stack_chk_fail(void);

/* Until guard_seed: a value with bytes that end strings. */
ULONG_PTR __stack_chk_guard = (ULONG_PTR)0xff0d0a00aff0d0a0ull;

void __stack_chk_fail(void)
{
	KeBugCheckEx(DRIVER_OVERRAN_STACK_BUFFER, 0, __stack_chk_guard, ~__stack_chk_guard, 0);
}

INIT_CODE NO_GUARD void guard_seed(void)
{
	ULONG low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	__stack_chk_guard ^= (ULONG_PTR)low << 8 ^ high ^ (ULONG_PTR)&low;
}
