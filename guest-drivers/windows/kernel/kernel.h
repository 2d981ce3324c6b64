/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every Windows kernel driver of ours needs beyond mingw's DDK headers: where code lives,
 * and the seed of the stack protector.
 */
#ifndef GUEST_DRIVERS_WINDOWS_KERNEL_KERNEL_H
#define GUEST_DRIVERS_WINDOWS_KERNEL_KERNEL_H

/* Freed once DriverEntry has returned; only DriverEntry may call into it. */
#define INIT_CODE __attribute__((section("INIT"), noinline))

/* Pageable: for PASSIVE_LEVEL only, and never on the path of a power IRP. */
#define PAGED_CODE_SECTION __attribute__((section("PAGE"), noinline))

/* For a function that changes the guard while it runs. */
#define NO_GUARD __attribute__((no_stack_protector))

/* Makes the guard unpredictable.  The first thing DriverEntry does, itself NO_GUARD. */
void guard_seed(void);

#endif
