/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib.h"
#include "layout.h"
#include "out.h"

void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n) : : "memory");
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++) {
		if (*x != *y)
			return *x - *y;
	}
	return 0;
}

size_t strlen(const char *s)
{
	const char *e = s;

	while (*e)
		e++;
	return e - s;
}

bool str_eq(const char *a, const char *b)
{
	size_t n = strlen(a);

	return n == strlen(b) && !memcmp(a, b, n);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

bool str_number(const char *s, uint64_t *ret)
{
	unsigned int base = 10;
	uint64_t v = 0;

	if (s[0] == '0' && s[1] == 'x') {
		base = 16;
		s += 2;
	}
	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned int d = digit(*s);

		if (d >= base || v > (UINT64_MAX - d) / base)
			return false;
		v = v * base + d;
	}
	*ret = v;
	return true;
}

static uintptr_t pool_next = GUEST_POOL;

void *pool_alloc(size_t size, size_t align)
{
	uintptr_t p = (pool_next + align - 1) & ~(uintptr_t)(align - 1);

	if (size > GUEST_POOL_END - p)
		fail("out of memory: %lu bytes wanted", size);
	pool_next = p + size;
	return memset((void *)p, 0, size);
}

void pool_reset(void)
{
	pool_next = GUEST_POOL;
}

void rng_seed(struct rng *r, uint64_t seed)
{
	r->s = seed ? seed : 0x9e3779b97f4a7c15;
}

uint64_t rng_next(struct rng *r)
{
	r->s ^= r->s >> 12;
	r->s ^= r->s << 25;
	r->s ^= r->s >> 27;
	return r->s * 0x2545f4914f6cdd1d;
}

void samples_init(struct samples *s, size_t max)
{
	s->v = pool_alloc(max * sizeof(*s->v), sizeof(*s->v));
	s->max = max;
	s->n = 0;
}

void samples_add(struct samples *s, uint64_t cycles)
{
	if (s->n < s->max)
		s->v[s->n++] = cycles > UINT32_MAX ? UINT32_MAX : cycles;
}

static void sift_down(uint32_t *v, size_t i, size_t n)
{
	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		uint32_t t = v[i];

		if (child + 1 < n && v[child + 1] > v[child])
			child++;
		if (t >= v[child])
			return;
		v[i] = v[child];
		v[child] = t;
	}
}

static void heap_sort(uint32_t *v, size_t n)
{
	for (size_t i = n / 2; i-- > 0;)
		sift_down(v, i, n);
	while (n-- > 1) {
		uint32_t t = v[0];

		v[0] = v[n];
		v[n] = t;
		sift_down(v, 0, n);
	}
}

void samples_report(struct samples *s, const char *command, const char *what)
{
	out("%s.%s.n=%lu\n", command, what, s->n);
	if (!s->n)
		return;
	heap_sort(s->v, s->n);
	out("%s.%s.min=%u\n", command, what, s->v[0]);
	out("%s.%s.median=%u\n", command, what, s->v[s->n / 2]);
	out("%s.%s.p99=%u\n", command, what, s->v[s->n * 99 / 100]);
	out("%s.%s.max=%u\n", command, what, s->v[s->n - 1]);
}
