/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a freestanding program has to bring along: memory, strings, random numbers, statistics. */
#ifndef BENCH_GUEST_LIB_H
#define BENCH_GUEST_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
bool str_eq(const char *a, const char *b);

/* The decimal or 0x number that @s is; false if it is not one. */
bool str_number(const char *s, uint64_t *ret);

/*
 * Zeroed memory of the pool. Never freed one by one: pool_reset() gives everything back, between
 * two commands. The guest fails when the pool is exhausted.
 */
void *pool_alloc(size_t size, size_t align);
void pool_reset(void);

/* xorshift64*: the same sequence for the same seed; a seed of 0 is replaced. */
struct rng {
	uint64_t s;
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);

/* Samples in TSC cycles, kept whole so that percentiles are exact. */
struct samples {
	uint32_t *v;
	size_t n, max;
};

void samples_init(struct samples *s, size_t max);
void samples_add(struct samples *s, uint64_t cycles);
/* Print COMMAND.WHAT.n, .min, .median, .p99 and .max. Sorts the samples. */
void samples_report(struct samples *s, const char *command, const char *what);

#endif
