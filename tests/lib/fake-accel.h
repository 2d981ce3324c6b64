/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake-accel.h - an accelerator that runs nothing and records everything it is told.
 *
 * Tests look at what came (memory slots, levels, messages, doorbells) and play the guest's part:
 * ring a doorbell, let connected irqfds arrive. Any thread; the recording is locked.
 */
#ifndef TESTS_LIB_FAKE_ACCEL_H
#define TESTS_LIB_FAKE_ACCEL_H

#include <pthread.h>

#include "base/accel.h"

#define FAKE_PINS       24
#define FAKE_GSIS       512
#define FAKE_SLOTS      64
#define FAKE_MSIS       256
#define FAKE_IOEVENTFDS 128

struct fake_gsi {
	bool level;
	unsigned rises; /* changes from low to high */
	bool allocated;
	struct accel_msi staged, route; /* set, committed */
	int irqfd, resample;            /* -1 none */
};

struct fake_accel {
	struct accel accel;
	pthread_mutex_t lock;
	struct accel_slot slots[FAKE_SLOTS];
	size_t n_slots;
	struct accel_slot smm_slots[FAKE_SLOTS];
	size_t n_smm_slots;
	unsigned smis, smis_to_all;
	unsigned memory_commits, route_commits;
	struct fake_gsi gsi[FAKE_GSIS];
	struct accel_msi msi[FAKE_MSIS]; /* the first that were sent */
	unsigned n_msi;                  /* all that were sent */
	struct accel_ioeventfd ioeventfds[FAKE_IOEVENTFDS];
	unsigned n_ioeventfds;
	unsigned resets, nmis;
	bool running, irqchip, dirty_logging;
	struct accel_cpus cpus;
	struct accel_cpu_start start; /* of the last reset */
	void (*paused)(void *opaque);
	void *paused_opaque;

	/* set by tests */
	int memory_error;  /* what memory_commit returns next, once */
	bool no_ioeventfd; /* -ENOTSUP, as under qtest */
};

struct fake_accel *fake_accel_new(void);
/* Also accel.ops->free. */
void fake_accel_free(struct fake_accel *f);

bool fake_accel_level(struct fake_accel *f, unsigned gsi);
unsigned fake_accel_rises(struct fake_accel *f, unsigned gsi);

/* How many messages were sent, and the @i-th of them (below FAKE_MSIS). */
unsigned fake_accel_msis(struct fake_accel *f);
struct accel_msi fake_accel_msi(struct fake_accel *f, unsigned i);

/*
 * What the kernel would do by itself: takes the signals of connected irqfds (a message for a route,
 * a pulse for a pin) and finishes a pause.
 */
void fake_accel_poll(struct fake_accel *f);

/*
 * The guest writes: signals the matching doorbell and returns true, or false where the write would
 * exit.
 */
bool fake_accel_doorbell(
	struct fake_accel *f, bool pio, uint64_t addr, unsigned size, uint64_t value);

#endif
