/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device.h - what a device is: ops, properties, state, a lock, and its life.
 *
 *	dev_new ─► (properties) ─► dev_realize ─► reset ─┬─► quiesce ─► resume ─┐
 *	                                                 └──────────◄──────────┘ ... ─► quiesce ─► dev_free
 *
 * A device never touches another: it owns regions (bus.h), drives its pins (irq.h), and talks to back-ends
 * over base/ interfaces. The core takes the device's lock around register access, timers (dev_timer) and
 * calls posted to it; so a device's functions run one at a time, whichever thread they are on. Order of locks:
 * bus < device < irq; no lock is shared between devices.
 *
 * struct dev is the first member of every device structure. What the guest can change sits in separate structs
 * X_hw inside it, described by ops->state; marks on members: [c] constant after realize, [g] guest-written, [s] saved,
 * [q] owned by a queue's thread.
 */
#ifndef DEVMODEL_BUS_DEVICE_H
#define DEVMODEL_BUS_DEVICE_H

#include <glib.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mutex.h"
#include "base/prop.h"
#include "base/state.h"
#include "devmodel/bus/irq.h"

struct bus;
struct dev;

enum reset_kind {
	RESET_COLD, /* power-on: everything to its data-sheet value */
	RESET_WARM, /* system reset line: what the data sheet keeps is kept */
};

/* Counts down what an asynchronous operation waits for; embedded in the operation. See async_group below. */
struct async_group;

/* One X_hw inside the device structure: its own, or that of a core it builds on (PCI, virtio). */
struct dev_part {
	const struct state_desc *desc;
	size_t offset;
};

struct dev_ops {
	const char *name; /* stable: VmSpec, -device, log, state */
	const char *doc;  /* one line for docs/devices.md, with the data sheet's name */
	size_t size;      /* of the device structure, struct dev first */
	const struct prop_table *props; /* over the device structure; may be NULL */

	/*
	 * Checks the configuration, adds regions, takes pins. May fail; then dev_free() is called and unrealize runs. Bus lock
	 * held.
	 */
	bool (*realize)(struct dev *d, GError **error);
	/* Own state and pins only. Quiesced, all vCPUs stopped; bus lock and lock held. */
	void (*reset)(struct dev *d, enum reset_kind kind);
	/*
	 * Starts to finish or park everything in flight, then async_done(@g) exactly once, from any thread; may be NULL when a
	 * device has nothing asynchronous. Lock held.
	 */
	void (*quiesce)(struct dev *d, struct async_group *g);
	void (*resume)(struct dev *d); /* lock held; may be NULL */
	/*
	 * Gives up what realize took, also when that failed half-way; cannot fail. Quiesced, its io regions are unmapped and no vCPU is in
	 * them any more. Bus lock held. May be NULL.
	 */
	void (*unrealize)(struct dev *d);
	/* Before state is saved: bring what is saved up to date. Quiesced, lock held. May be NULL. */
	void (*pre_save)(struct dev *d);
	/*
	 * After the state of all devices was loaded: derive caches, re-drive pins, map. Bus lock and lock held. May be NULL. 0 or
	 * -errno (refused).
	 */
	int (*post_load)(struct dev *d);

	const struct dev_part *state; /* ends with a NULL desc; NULL only with state_none */
	const char *state_none;       /* why there is none, e.g. "no guest-visible state" */
};

struct dev {
	const struct dev_ops *ops; /* [c] */
	struct bus *bus;           /* [c] */
	char *id;                  /* [c] unique on its bus */
	struct mutex lock;
	bool begun;    /* realize was called: unrealize is due */
	bool realized; /* lock; the guest can reach it */
	struct ratelimit guest_error_limit;
	uint64_t guest_errors; /* atomic; shown in statistics */
	int guest_error_busy;  /* atomic: a thread is logging one */
	struct dev *next;      /* of the bus, in order of realize */
};

#define DEV(x) (&(x)->dev)

/* Allocates ops->size zeroed bytes, sets defaults. @id is copied. The bus owns it once realized. Main thread. */
struct dev *dev_new(struct bus *bus, const struct dev_ops *ops, const char *id);
/* Realizes and adds to the bus, which then owns it. On failure the device is freed. Main thread, bus not locked. */
bool dev_realize(struct dev *d, GError **error);
/* Unmaps its io regions, takes it off its bus, unrealizes. Quiesced, main thread, bus not locked. NULL is fine. */
void dev_free(struct dev *d);

static inline void dev_lock(struct dev *d)
{
	mutex_lock(&d->lock);
}

static inline void dev_unlock(struct dev *d)
{
	mutex_unlock(&d->lock);
}

/*
 * The guest did what the specification forbids: counts it, and logs it at a bounded rate. Not an error of ours. Any
 * thread.
 */
void dev_guest_error(struct dev *d, const char *fmt, ...) __printf(2, 3);

/* ---- timers with the device's lock ---- */

struct dev_timer {
	struct dev *dev;
	struct timer timer;
	void (*fn)(struct dev *d); /* lock held */
	int64_t deadline;          /* lock; -1 not armed. Save this one. */
};

void dev_timer_init(
	struct dev_timer *t, struct dev *d, enum clock_type type, void (*fn)(struct dev *d));
/*
 * All three with the lock held. After dev_timer_cancel() the callback does not run, even if it was due; it may be called for
 * a zeroed timer that was never initialised (half-built devices).
 */
void dev_timer_set(struct dev_timer *t, int64_t deadline_ns);
void dev_timer_cancel(struct dev_timer *t);
int64_t dev_clock(struct dev *d, enum clock_type type);

/* ---- waiting for many without blocking ---- */

/*
 * async_begin() with a callback, async_add() for each party, async_done() by each when it has finished, from any
 * thread; async_end() closes the adding. @fn runs once on @loop when all are done.
 */
struct async_group {
	int pending; /* atomic */
	struct loop *loop;
	void (*fn)(struct async_group *g);
	struct loop_call call;
};

void async_begin(struct async_group *g, struct loop *loop, void (*fn)(struct async_group *g));
void async_add(struct async_group *g);
void async_done(struct async_group *g);
void async_end(struct async_group *g);

#endif
