/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An accelerator for a machine whose CPUs do nothing. The levels of interrupt pins are looked at where they are made, in
 * the bank of GSIs; what is left are the irqfds, which are read on the loop.
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "base/error.h"
#include "vmmd/qtest/internal.h"

#define GSIS 1024 /* pins and routes */

struct line {
	struct qtest *q;
	unsigned gsi;
	bool allocated;                 /* lock */
	struct accel_msi staged, route; /* lock: set, committed */
	int fd;                         /* lock: of the irqfd, -1: none */
	struct loop_fd poll;            /* loop thread: what is polled of it */
	struct irq pin;                 /* of GSIs that are pins */
};

struct qtest {
	struct accel accel;
	struct loop *loop;
	struct irq_sink *pic, *ioapic; /* [c] may be NULL */
	struct bus *bus;               /* NULL until vcpus_create or qtest_serve */
	pthread_mutex_t lock;
	struct line lines[GSIS];
	struct loop_call sync_call;
	struct loop_call pause_call;
	void (*paused)(void *opaque);
	void *paused_opaque;
};

static struct qtest *to_qtest(struct accel *a)
{
	return container_of(a, struct qtest, accel);
}

static void lock(struct qtest *q)
{
	pthread_mutex_lock(&q->lock);
}

static void unlock(struct qtest *q)
{
	pthread_mutex_unlock(&q->lock);
}

/* ---- CPUs that there are none of ---- */

static bool qtest_irqchip_create(struct accel *a, GError **error)
{
	return true;
}

static bool qtest_vcpus_create(
	struct accel *a, const struct accel_cpus *cpus, struct bus *bus, GError **error)
{
	to_qtest(a)->bus = bus;
	return true;
}

static void qtest_run(struct accel *a)
{
}

static void all_paused(struct loop_call *c)
{
	struct qtest *q = container_of(c, struct qtest, pause_call);
	void (*fn)(void *opaque) = q->paused;

	q->paused = NULL;
	fn(q->paused_opaque);
}

static void qtest_pause(struct accel *a, void (*fn)(void *opaque), void *opaque)
{
	struct qtest *q = to_qtest(a);

	g_assert(!q->paused);
	q->paused = fn;
	q->paused_opaque = opaque;
	loop_post(q->loop, &q->pause_call);
}

static int qtest_reset(struct accel *a, const struct accel_cpu_start *start)
{
	return 0;
}

static int qtest_save(struct accel *a, GByteArray *out)
{
	return 0;
}

static bool qtest_load(struct accel *a, const uint8_t *buf, size_t len, GError **error)
{
	if (len)
		return err_set(error, VMMD_ERROR_UNSUPPORTED,
			"the qtest accelerator has no CPUs to load the state of");
	return true;
}

static int qtest_nmi(struct accel *a)
{
	return -ENOTSUP;
}

/* Memory is what the bus has told gmem; nobody runs in it. */
static int qtest_memory_commit(struct accel *a, const struct accel_slot *slots, size_t n)
{
	return 0;
}

/* As base/accel.h says of an accelerator's own: GSI 0 is input 2 of the IOAPIC. */
static int qtest_gsi_set(struct accel *a, unsigned gsi, bool level)
{
	struct qtest *q = to_qtest(a);

	if (q->pic && gsi < 16)
		q->pic->set(q->pic, gsi, level);
	if (q->ioapic && gsi != 2)
		q->ioapic->set(q->ioapic, gsi ? gsi : 2, level);
	return 0;
}

/* Only messages to a local APIC come here (bus_msi_send), and there is none. */
static int qtest_msi_send(struct accel *a, const struct accel_msi *msi)
{
	return 0;
}

static int qtest_ioeventfd(struct accel *a, const struct accel_ioeventfd *e, bool assign)
{
	return -ENOTSUP;
}

static int qtest_dirty_log(struct accel *a, bool on)
{
	return 0;
}

static int qtest_dirty_sync(struct accel *a)
{
	return 0;
}

/* ---- routes ---- */

static int qtest_gsi_alloc(struct accel *a)
{
	struct qtest *q = to_qtest(a);
	int gsi = GSI_PINS;

	lock(q);
	while (gsi < GSIS && q->lines[gsi].allocated)
		gsi++;
	if (gsi < GSIS)
		q->lines[gsi].allocated = true;
	unlock(q);
	return gsi < GSIS ? gsi : -ENOSPC;
}

static void qtest_gsi_free(struct accel *a, unsigned gsi)
{
	struct qtest *q = to_qtest(a);

	lock(q);
	q->lines[gsi].allocated = false;
	unlock(q);
}

static void qtest_route_set(struct accel *a, unsigned gsi, const struct accel_msi *msi)
{
	struct qtest *q = to_qtest(a);

	lock(q);
	q->lines[gsi].staged = *msi;
	unlock(q);
}

static int qtest_route_commit(struct accel *a)
{
	struct qtest *q = to_qtest(a);

	lock(q);
	for (unsigned gsi = GSI_PINS; gsi < GSIS; gsi++)
		q->lines[gsi].route = q->lines[gsi].staged;
	unlock(q);
	return 0;
}

/* ---- irqfds ---- */

static void deliver(struct qtest *q, struct line *l, struct accel_msi route)
{
	if (!q->bus)
		return;
	if (l->gsi >= GSI_PINS) {
		/* A message to nowhere is the guest's own choice of address. */
		(void)bus_msi_send(q->bus, &route);
		return;
	}
	if (!l->pin.sink)
		l->pin = gsi_source(q->bus->gsi, l->gsi);
	irq_pulse(&l->pin);
}

/* Under the lock a signal is taken only while the irqfd is connected: else it belongs to whoever disconnected it. */
static void signalled(struct loop_fd *f, uint32_t events)
{
	struct line *l = container_of(f, struct line, poll);
	struct accel_msi route;
	bool taken;
	uint64_t n;

	lock(l->q);
	taken = l->fd == f->fd && read(f->fd, &n, sizeof(n)) == sizeof(n);
	route = l->route;
	unlock(l->q);
	if (taken)
		deliver(l->q, l, route);
}

/* Brings what is polled up to what is connected. Loop thread. */
static int poll_line(struct line *l, int fd)
{
	if (l->poll.added && l->poll.fd == fd)
		return 0;
	loop_fd_del(l->q->loop, &l->poll);
	l->poll = (struct loop_fd){.fd = fd, .ready = signalled};
	return fd < 0 ? 0 : loop_fd_add(l->q->loop, &l->poll, EPOLLIN);
}

static void sync_lines(struct loop_call *c)
{
	struct qtest *q = container_of(c, struct qtest, sync_call);

	for (unsigned gsi = 0; gsi < GSIS; gsi++) {
		struct line *l = &q->lines[gsi];
		int fd, err;

		lock(q);
		fd = l->fd;
		unlock(q);
		err = poll_line(l, fd);
		if (err < 0 && q->bus)
			bus_accel_failed(q->bus, "irqfd", -err);
	}
}

static int qtest_irqfd(struct accel *a, unsigned gsi, int fd, int resample, bool assign)
{
	struct qtest *q = to_qtest(a);
	struct line *l;
	int err = 0;

	if (gsi >= GSIS)
		return -EINVAL;
	if (resample >= 0)
		return -ENOTSUP; /* nobody acknowledges an interrupt here */
	l = &q->lines[gsi];
	lock(q);
	if (assign && l->fd >= 0)
		err = -EBUSY;
	else if (!assign && l->fd != fd)
		err = -ENOENT;
	else
		l->fd = assign ? fd : -1;
	unlock(q);
	if (err)
		return err;
	if (loop_is_current(q->loop))
		return poll_line(l, assign ? fd : -1);
	loop_post(q->loop, &q->sync_call);
	return 0;
}

/* ---- life ---- */

static void qtest_free(struct accel *a)
{
	struct qtest *q = to_qtest(a);

	loop_call_cancel(q->loop, &q->sync_call);
	loop_call_cancel(q->loop, &q->pause_call);
	for (unsigned gsi = 0; gsi < GSIS; gsi++)
		loop_fd_del(q->loop, &q->lines[gsi].poll);
	pthread_mutex_destroy(&q->lock);
	g_free(q);
}

static const struct accel_ops qtest_ops = {
	.name = "qtest",
	.irqchip_create = qtest_irqchip_create,
	.vcpus_create = qtest_vcpus_create,
	.run = qtest_run,
	.pause = qtest_pause,
	.reset = qtest_reset,
	.save = qtest_save,
	.load = qtest_load,
	.nmi = qtest_nmi,
	.free = qtest_free,
	.memory_commit = qtest_memory_commit,
	.gsi_set = qtest_gsi_set,
	.msi_send = qtest_msi_send,
	.gsi_alloc = qtest_gsi_alloc,
	.gsi_free = qtest_gsi_free,
	.route_set = qtest_route_set,
	.route_commit = qtest_route_commit,
	.irqfd = qtest_irqfd,
	.ioeventfd = qtest_ioeventfd,
	.dirty_log = qtest_dirty_log,
	.dirty_sync = qtest_dirty_sync,
};

struct accel *qtest_accel_new(struct loop *loop)
{
	struct qtest *q = g_new0(struct qtest, 1);

	q->accel.ops = &qtest_ops;
	q->loop = loop;
	q->sync_call.fn = sync_lines;
	q->pause_call.fn = all_paused;
	pthread_mutex_init(&q->lock, NULL);
	for (unsigned gsi = 0; gsi < GSIS; gsi++) {
		q->lines[gsi].q = q;
		q->lines[gsi].gsi = gsi;
		q->lines[gsi].fd = q->lines[gsi].poll.fd = -1;
	}
	return &q->accel;
}

void qtest_accel_wire(struct accel *a, struct irq_sink *pic, struct irq_sink *ioapic)
{
	to_qtest(a)->pic = pic;
	to_qtest(a)->ioapic = ioapic;
}

struct loop *qtest_accel_attach(struct accel *a, struct bus *bus)
{
	to_qtest(a)->bus = bus;
	return to_qtest(a)->loop;
}
