/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * echo.h - the device's half of the programs echo and echo_ring0: gives numbers, wants each back once, in order.
 */
#ifndef TESTS_UNIT_KVM_ECHO_H
#define TESTS_UNIT_KVM_ECHO_H

#include "tests/unit/kvm/kvmrig.h"

#define ECHO_COUNT 0x1000 /* in RAM: numbers that the guest has taken */

/* In rig.test. */
#define ECHO_GIVEN 0 /* the last number */
#define ECHO_OWED  1 /* it has not come back yet */
#define ECHO_WRONG 2 /* what came out of turn */

static inline void echo_access(struct rig *r, struct rig_access *a)
{
	if (a->offset != (a->space == BUS_PIO ? 0x50 : 0x550) || a->size != 4)
		r->test[ECHO_WRONG]++;
	if (a->write) {
		if (!r->test[ECHO_OWED] || a->value != (uint32_t)r->test[ECHO_GIVEN])
			r->test[ECHO_WRONG]++;
		r->test[ECHO_OWED] = false;
		return;
	}
	if (r->test[ECHO_OWED])
		r->test[ECHO_WRONG]++;
	r->test[ECHO_OWED] = true;
	a->value = __atomic_add_fetch(&r->test[ECHO_GIVEN], 1, __ATOMIC_RELEASE);
}

static inline uint64_t echo_given(struct rig *r)
{
	return __atomic_load_n(&r->test[ECHO_GIVEN], __ATOMIC_ACQUIRE);
}

#endif
