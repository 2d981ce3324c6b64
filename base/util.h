/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * util.h - the few macros and checked sums that every folder needs.
 */
#ifndef BASE_UTIL_H
#define BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The structure of type @type whose member @member is at @ptr. */
#define container_of(ptr, type, member) \
	((type *)((char *)(uintptr_t)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/*
 * What each register access of a guest runs through before and behind the device, laid out one after the other from the
 * start of a page: after an exit the processor has forgotten where every page of code is, and finding one again
 * costs as much as the device. @n is the place in the row; the first is page-aligned.
 */
#define __access_path(n) __attribute__((hot, section(".text.sorted.access." #n)))

#define __must_check        __attribute__((warn_unused_result))
#define __printf(fmt, args) __attribute__((format(printf, fmt, args)))

#define KiB (UINT64_C(1) << 10)
#define MiB (UINT64_C(1) << 20)
#define GiB (UINT64_C(1) << 30)

#define NSEC_PER_SEC  INT64_C(1000000000)
#define NSEC_PER_MSEC INT64_C(1000000)
#define NSEC_PER_USEC INT64_C(1000)

/* @a must be a power of two. */
static inline uint64_t align_down(uint64_t v, uint64_t a)
{
	return v & ~(a - 1);
}

/* @a must be a power of two and @v at most 2^64 - @a. */
static inline uint64_t align_up(uint64_t v, uint64_t a)
{
	return align_down(v + a - 1, a);
}

static inline bool is_power_of_2(uint64_t v)
{
	return v && !(v & (v - 1));
}

/* True when [@off, @off + @len) lies within [0, @size), without overflow. */
static inline bool range_fits(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

/* The @size (1, 2, 4 or 8) low bytes of all ones: what an unclaimed read returns. */
static inline uint64_t ones(unsigned size)
{
	return size >= 8 ? UINT64_MAX : (UINT64_C(1) << (size * 8)) - 1;
}

/* A statistics counter: one thread adds, any thread reads. */
static inline void counter_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint64_t counter_get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#endif
