/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bus.h - the system bus: two address spaces made of regions, and everything that hangs on them.
 *
 * A region is a piece of address space that a device, or memory, answers. Regions overlap; the
 * higher priority wins, then the later one. bus_commit() flattens them into an immutable table,
 * swapped whole:
 *
 *	io regions ──► dispatch tables (pio, mmio): sorted, searched by vCPUs inside a qs section without a lock
 *	ram, rom   ──► gmem map (device access) and accelerator slots (vCPU access)
 *	doorbells  ──► accelerator ioeventfds
 *
 * An access is clipped and checked by the bus before a device sees it: a handler gets an offset
 * below its region's size and a size that its ops declare. Unclaimed reads return all ones,
 * unclaimed writes vanish.
 *
 * Threads: dispatch from any vCPU; set-up on the main thread; changes while the guest runs (BARs,
 * PAM) inside bus_lock()/bus_unlock(), which commits. Order of locks: bus < device < irq, so a
 * device does not change the map from its own handlers: only those whose regions are marked
 * `unlocked` (PCI configuration space) do.
 */
#ifndef DEVMODEL_BUS_BUS_H
#define DEVMODEL_BUS_BUS_H

#include "base/accel.h"
#include "base/clock.h"
#include "base/gmem.h"
#include "devmodel/bus/device.h"
#include "devmodel/bus/irq.h"

enum bus_space { BUS_PIO, BUS_MMIO, BUS_SPACES };

struct dispatch;
struct layout;
struct region;

struct region_ops {
	/*
	 * @offset + @size is within the region, @size is 1, 2, 4 or 8 and divides @offset unless
	 * `misaligned`. Device lock held unless `unlocked`. NULL: reads give all ones, writes
	 * vanish.
	 */
	uint64_t (*read)(struct dev *d, struct region *r, uint64_t offset, unsigned size);
	void (*write)(
		struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value);
	/*
	 * Widths the device decodes, powers of two. A wider or misaligned access is split into
	 * aligned ones of at most max, ascending, under one lock; what is then narrower than min is
	 * answered by the bus: reads all ones, writes vanish. A device that decodes bytes says min
	 * 1.
	 */
	uint8_t min, max;
	bool unlocked; /* the handlers lock for themselves */
	bool misaligned; /* accesses of these widths come as they are, wherever in the region they begin */
};

enum region_kind { REGION_IO, REGION_RAM, REGION_ROM, REGION_HOLE };

/*
 * Who sees a region. A CPU in system management mode has a view of memory of its own; devices have
 * the normal one, and so has what exits to dispatch. So only memory and holes are for one view.
 */
enum region_view { REGION_VIEW_ALL, REGION_VIEW_NORMAL, REGION_VIEW_SMM };

/* A doorbell inside a region; @fd is borrowed and stays open while it is listed. */
struct region_doorbell {
	uint64_t offset;
	unsigned len; /* as in struct accel_ioeventfd */
	bool match;
	uint64_t data;
	int fd;
};

struct region {
	const char *name; /* static or owned by the device */
	enum region_kind kind;
	enum bus_space space;
	enum region_view view;
	uint64_t base, size;
	int priority; /* higher wins; 0 devices, negative background */
	bool mapped;

	struct dev *dev; /* REGION_IO */
	const struct region_ops *ops;
	void *opaque; /* the device's own */

	struct gmem_block *block; /* REGION_RAM, REGION_ROM: borrowed */
	uint64_t block_offset;

	const struct region_doorbell *doorbells;
	unsigned n_doorbells;

	struct region *next; /* mapped: the next one in order of precedence */
};

/* Priorities that folders agree on. */
enum {
	REGION_PRIO_BACKGROUND = -100, /* RAM below 4 GiB under everything else */
	REGION_PRIO_PCI = 0,
	REGION_PRIO_DEVICE = 10,  /* fixed legacy addresses win over BARs */
	REGION_PRIO_OVERLAY = 20, /* PAM shadows, VGA window, SMRAM */
};

/* What a guest can ask the machine for. */
enum bus_request {
	BUS_REQUEST_RESET,    /* 0xCF9, keyboard controller, ACPI reset register, triple fault */
	BUS_REQUEST_SHUTDOWN, /* ACPI S5 */
	BUS_REQUEST_SUSPEND,  /* ACPI S3 */
	BUS_REQUEST_PANIC,    /* pvpanic; detail: its event bits */
	BUS_REQUEST_EXIT,     /* isa-debug-exit; detail: exit status of the process */
	BUS_REQUEST_WATCHDOG,
};

struct bus {
	struct accel *accel;   /* [c] */
	struct gmem *gmem;     /* [c] */
	struct clocks *clocks; /* [c] */
	struct loop *loop;     /* [c] main loop */
	struct gsi_bank *gsi;  /* [c] */

	pthread_mutex_t lock;
	struct region *regions; /* mapped ones, in order of precedence */
	bool dirty;             /* a commit is due */
	bool live;              /* bus_commit() was called: from then on bus_unlock() commits */
	struct dev *devs;
	struct dispatch *tables[BUS_SPACES]; /* atomic */
	uint64_t generation;                 /* atomic: of the tables; no two buses share one */
	struct layout *layout;               /* memory and doorbells as last handed on */

	/*
	 * What the machine does about a request of the guest; called on any thread, only notes it
	 * and wakes the main loop.
	 */
	void (*request)(struct bus *b, enum bus_request what, unsigned detail);
	void *machine;
};

/*
 * A bus over @accel (borrowed). @loop runs timers' and back-ends' callbacks. Owned by the machine.
 * The machine sets request.
 */
struct bus *bus_new(
	struct accel *accel, struct gmem *gmem, struct clocks *clocks, struct loop *loop);
/*
 * Frees the devices that are left, last realized first. All vCPUs paused; the accelerator is freed
 * afterwards, and memory slots and doorbells are left to that.
 */
void bus_free(struct bus *b);

/* ---- regions: bus lock held, or set-up ---- */

/* Fills @r for an io region of @d; not mapped yet. @ops NULL: only to hold other regions. */
void region_init_io(struct region *r, struct dev *d, const struct region_ops *ops, const char *name,
	enum bus_space space, uint64_t size);
/* RAM, or with @rom memory that the guest cannot write. */
void region_init_mem(struct region *r, const char *name, struct gmem_block *block, uint64_t offset,
	uint64_t size, bool rom);
/*
 * Of an initialised ROM: @ops->write of @d gets what the guest writes to it; reads stay those of memory, but for a few that
 * exit, which get @ops->read.
 */
void region_handle_writes(struct region *r, struct dev *d, const struct region_ops *ops);

/*
 * Maps or moves it. -EINVAL when it would leave its space (64 KiB of ports, 2^52 bytes of memory):
 * it is then unmapped.
 */
int region_map(struct bus *b, struct region *r, uint64_t base, int priority);
void region_unmap(struct bus *b, struct region *r); /* idempotent */

/*
 * Brackets changes while vCPUs run. Nothing else may be locked. bus_unlock() commits what has
 * changed: new tables are in force when it returns, and a region that was unmapped is no longer
 * being called once bus_synchronize() returns. What the accelerator then refuses ends in
 * bus_accel_failed().
 */
void bus_lock(struct bus *b);
void bus_unlock(struct bus *b);

/*
 * Set-up: flattens and hands over everything now; takes the bus lock. 0 or -errno of the
 * accelerator.
 */
int bus_commit(struct bus *b);

/* Waits until no vCPU is inside a table older than the last commit. Main thread, no locks. */
void bus_synchronize(struct bus *b);

/* ---- dispatch: vCPU threads and qtest, inside a qs section ---- */

/* @size 1, 2 or 4 for ports, 1 to 8 for memory. */
uint64_t bus_read(struct bus *b, enum bus_space space, uint64_t addr, unsigned size);
void bus_write(struct bus *b, enum bus_space space, uint64_t addr, unsigned size, uint64_t value);

/*
 * What a CPU sees at @addr: RAM, ROM or registers, any length; registers in accesses of their own
 * widths. qtest and debuggers. -EFAULT when some byte was answered by nobody (read as ones) or
 * refused (a write to ROM); the rest is done.
 */
int bus_mem_read(struct bus *b, uint64_t addr, void *buf, size_t n);
int bus_mem_write(struct bus *b, uint64_t addr, const void *buf, size_t n);

/* ---- all devices: main thread ---- */

struct dev *bus_find_dev(struct bus *b, const char *id);
/* Every device's quiesce; @g belongs to the caller, between its async_begin() and async_end(). */
void bus_quiesce(struct bus *b, struct async_group *g);
void bus_resume(struct bus *b);
/*
 * vCPUs stopped, devices quiesced. Resets each device, which lowers its pins. After a reset of the
 * accelerator's interrupt controllers that follows, gsi_redrive() tells them which lines are high
 * all the same.
 */
void bus_reset(struct bus *b, enum reset_kind kind);

/* State of all devices, in order of realize, each framed by its id. Quiesced. */
void bus_save(struct bus *b, GByteArray *out);
/*
 * Untrusted; the same devices in any order. After an error some devices have loaded: bus_reset()
 * them, or end.
 */
bool bus_load(struct bus *b, const uint8_t *buf, size_t len, GError **error);

/*
 * Sends a message-signalled interrupt: to the accelerator at 0xFEExxxxx, else a 32-bit write into
 * RAM; -EFAULT or -EACCES where there is none: the message is lost. Any thread registered with qs.
 */
int bus_msi_send(struct bus *b, const struct accel_msi *msi);

/*
 * The accelerator refused what a running guest needs (-@err): ACCEL_INTERNAL_ERROR with @what. Any
 * thread.
 */
void bus_accel_failed(struct bus *b, const char *what, int err);

#endif
