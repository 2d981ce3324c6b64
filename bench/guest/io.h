/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Port, device memory and time stamp access. Everything here runs at ring 3. */
#ifndef BENCH_GUEST_IO_H
#define BENCH_GUEST_IO_H

#include <stddef.h>
#include <stdint.h>

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

/* String forms: one exit for many bytes. */
static inline void outs(uint16_t port, const void *src, size_t n)
{
	__asm__ volatile("rep outsb" : "+S"(src), "+c"(n) : "d"(port) : "memory");
}

static inline void ins(uint16_t port, void *dst, size_t n)
{
	__asm__ volatile("rep insb" : "+D"(dst), "+c"(n) : "d"(port) : "memory");
}

/* A single plain mov each, the form every emulator of device memory decodes. */
#define IO_MMIO(bits, reg)                                                            \
	static inline uint##bits##_t mmio_read##bits(uintptr_t addr)                  \
	{                                                                             \
		uint##bits##_t v;                                                     \
                                                                                      \
		__asm__ volatile("mov (%1), %0" : "=" reg(v) : "r"(addr) : "memory"); \
		return v;                                                             \
	}                                                                             \
                                                                                      \
	static inline void mmio_write##bits(uintptr_t addr, uint##bits##_t v)         \
	{                                                                             \
		__asm__ volatile("mov %0, (%1)" : : reg(v), "r"(addr) : "memory");    \
	}

IO_MMIO(8, "q")
IO_MMIO(16, "r")
IO_MMIO(32, "r")

/* Not before earlier loads and instructions are done (SDM 18.17: lfence orders rdtsc). */
static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* Order all earlier accesses to memory before all later ones, for the device too. */
static inline void full_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif
