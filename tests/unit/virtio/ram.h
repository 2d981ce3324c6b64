/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ram.h - guest memory for the tests of this folder: two blocks that touch in guest physical memory, a hole, a read-only block.
 *
 *	0x00000000 low 4 MiB   0x00400000 high 12 MiB   (hole)   0x02000000 rom 64 KiB
 */
#ifndef TESTS_VIRTIO_RAM_H
#define TESTS_VIRTIO_RAM_H

#include "base/gmem.h"

#define RAM_LOW      (4 * MiB)
#define RAM_SIZE     (16 * MiB)
#define RAM_HOLE     RAM_SIZE
#define RAM_ROM      (32 * MiB)
#define RAM_ROM_SIZE (64 * KiB)

struct test_ram {
	struct gmem *gmem;
	struct gmem_block *low, *high, *rom;
};

void ram_init(struct test_ram *m);
void ram_done(struct test_ram *m);
/* Commits the map again, without the high block if @high is false. */
void ram_commit(struct test_ram *m, bool high);

/* A small, fast, seeded random generator: the seed of a failing run is in its output. */
struct rnd {
	uint64_t s;
};
uint32_t rnd_next(struct rnd *r);
uint32_t rnd_below(struct rnd *r, uint32_t n); /* n not 0 */
bool rnd_one_in(struct rnd *r, uint32_t n);

#endif
