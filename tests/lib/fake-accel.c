/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/fake-accel.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct fake_accel *fake_lock(struct accel *a)
{
	struct fake_accel *f = container_of(a, struct fake_accel, accel);

	pthread_mutex_lock(&f->lock);
	return f;
}

static void fake_unlock(struct fake_accel *f)
{
	pthread_mutex_unlock(&f->lock);
}

static bool fake_irqchip_create(struct accel *a, GError **error)
{
	struct fake_accel *f = fake_lock(a);

	f->irqchip = true;
	fake_unlock(f);
	return true;
}

static bool fake_vcpus_create(
	struct accel *a, const struct accel_cpus *cpus, struct bus *bus, GError **error)
{
	struct fake_accel *f = fake_lock(a);

	f->cpus = *cpus;
	fake_unlock(f);
	return true;
}

static void fake_run(struct accel *a)
{
	struct fake_accel *f = fake_lock(a);

	f->running = true;
	fake_unlock(f);
}

static void fake_pause(struct accel *a, void (*fn)(void *opaque), void *opaque)
{
	struct fake_accel *f = fake_lock(a);

	g_assert_null(f->paused);
	f->paused = fn;
	f->paused_opaque = opaque;
	fake_unlock(f);
}

static int fake_reset(struct accel *a, const struct accel_cpu_start *start)
{
	struct fake_accel *f = fake_lock(a);

	f->resets++;
	f->start = *start;
	fake_unlock(f);
	return 0;
}

static int fake_save(struct accel *a, GByteArray *out)
{
	return 0;
}

static bool fake_load(struct accel *a, const uint8_t *buf, size_t len, GError **error)
{
	return true;
}

static int fake_nmi(struct accel *a)
{
	struct fake_accel *f = fake_lock(a);

	f->nmis++;
	fake_unlock(f);
	return 0;
}

static int fake_memory_commit(struct accel *a, const struct accel_slot *slots, size_t n)
{
	struct fake_accel *f = fake_lock(a);
	int err = f->memory_error;

	f->memory_error = 0;
	if (!err) {
		g_assert_cmpuint(n, <=, FAKE_SLOTS);
		for (size_t i = 1; i < n; i++)
			g_assert_cmpuint(
				slots[i - 1].gpa.v + slots[i - 1].size, <=, slots[i].gpa.v);
		memcpy(f->slots, slots, n * sizeof(*slots));
		f->n_slots = n;
		f->memory_commits++;
	}
	fake_unlock(f);
	return err;
}

static int fake_smm_memory_commit(struct accel *a, const struct accel_slot *slots, size_t n)
{
	struct fake_accel *f = fake_lock(a);

	g_assert_cmpuint(n, <=, FAKE_SLOTS);
	memcpy(f->smm_slots, slots, n * sizeof(*slots));
	f->n_smm_slots = n;
	fake_unlock(f);
	return 0;
}

static int fake_smi(struct accel *a, bool all)
{
	struct fake_accel *f = fake_lock(a);

	f->smis++;
	f->smis_to_all += all;
	fake_unlock(f);
	return 0;
}

static void set_level_locked(struct fake_gsi *g, bool level)
{
	g->rises += level && !g->level;
	g->level = level;
}

static int fake_gsi_set(struct accel *a, unsigned gsi, bool level)
{
	struct fake_accel *f = fake_lock(a);

	g_assert_cmpuint(gsi, <, FAKE_PINS);
	set_level_locked(&f->gsi[gsi], level);
	fake_unlock(f);
	return 0;
}

static void record_msi_locked(struct fake_accel *f, const struct accel_msi *msi)
{
	if (f->n_msi < FAKE_MSIS)
		f->msi[f->n_msi] = *msi;
	f->n_msi++;
}

static int fake_msi_send(struct accel *a, const struct accel_msi *msi)
{
	struct fake_accel *f = fake_lock(a);

	record_msi_locked(f, msi);
	fake_unlock(f);
	return 0;
}

static int fake_gsi_alloc(struct accel *a)
{
	struct fake_accel *f = fake_lock(a);
	int gsi = FAKE_PINS;

	while (gsi < FAKE_GSIS && f->gsi[gsi].allocated)
		gsi++;
	if (gsi < FAKE_GSIS)
		f->gsi[gsi].allocated = true;
	fake_unlock(f);
	return gsi < FAKE_GSIS ? gsi : -ENOSPC;
}

/* The GSI @gsi, which somebody must have allocated. */
static struct fake_gsi *route_locked(struct fake_accel *f, unsigned gsi)
{
	g_assert_cmpuint(gsi, >=, FAKE_PINS);
	g_assert_cmpuint(gsi, <, FAKE_GSIS);
	g_assert_true(f->gsi[gsi].allocated);
	return &f->gsi[gsi];
}

static void fake_gsi_free(struct accel *a, unsigned gsi)
{
	struct fake_accel *f = fake_lock(a);

	g_assert_cmpint(route_locked(f, gsi)->irqfd, ==, -1);
	f->gsi[gsi] = (struct fake_gsi){.irqfd = -1, .resample = -1};
	fake_unlock(f);
}

static void fake_route_set(struct accel *a, unsigned gsi, const struct accel_msi *msi)
{
	struct fake_accel *f = fake_lock(a);

	route_locked(f, gsi)->staged = *msi;
	fake_unlock(f);
}

static int fake_route_commit(struct accel *a)
{
	struct fake_accel *f = fake_lock(a);

	for (unsigned i = FAKE_PINS; i < FAKE_GSIS; i++)
		f->gsi[i].route = f->gsi[i].staged;
	f->route_commits++;
	fake_unlock(f);
	return 0;
}

static int fake_irqfd(struct accel *a, unsigned gsi, int fd, int resample, bool assign)
{
	struct fake_accel *f = fake_lock(a);
	struct fake_gsi *g = &f->gsi[gsi];
	int err = 0;

	g_assert_cmpuint(gsi, <, FAKE_GSIS);
	if (assign && g->irqfd >= 0)
		err = -EBUSY;
	else if (!assign && g->irqfd != fd)
		err = -ENOENT;
	if (!err) {
		g->irqfd = assign ? fd : -1;
		g->resample = assign ? resample : -1;
	}
	fake_unlock(f);
	return err;
}

static bool same_doorbell(const struct accel_ioeventfd *x, const struct accel_ioeventfd *y)
{
	return x->addr == y->addr && x->len == y->len && x->pio == y->pio && x->match == y->match &&
	       (!x->match || x->data == y->data);
}

static int fake_ioeventfd(struct accel *a, const struct accel_ioeventfd *e, bool assign)
{
	struct fake_accel *f = fake_lock(a);
	unsigned i = 0;
	int err = 0;

	while (i < f->n_ioeventfds && !same_doorbell(&f->ioeventfds[i], e))
		i++;
	if (f->no_ioeventfd)
		err = -ENOTSUP;
	else if (assign && i < f->n_ioeventfds)
		err = -EEXIST;
	else if (assign && i == FAKE_IOEVENTFDS)
		err = -ENOSPC;
	else if (assign)
		f->ioeventfds[f->n_ioeventfds++] = *e;
	else if (i == f->n_ioeventfds)
		err = -ENOENT;
	else
		f->ioeventfds[i] = f->ioeventfds[--f->n_ioeventfds];
	fake_unlock(f);
	return err;
}

static int fake_dirty_log(struct accel *a, bool on)
{
	struct fake_accel *f = fake_lock(a);

	f->dirty_logging = on;
	fake_unlock(f);
	return 0;
}

static int fake_dirty_sync(struct accel *a)
{
	return 0;
}

static void fake_free(struct accel *a)
{
	struct fake_accel *f = container_of(a, struct fake_accel, accel);

	pthread_mutex_destroy(&f->lock);
	g_free(f);
}

static const struct accel_ops fake_ops = {
	.name = "fake",
	.irqchip_create = fake_irqchip_create,
	.vcpus_create = fake_vcpus_create,
	.run = fake_run,
	.pause = fake_pause,
	.reset = fake_reset,
	.save = fake_save,
	.load = fake_load,
	.nmi = fake_nmi,
	.free = fake_free,
	.memory_commit = fake_memory_commit,
	.smm_memory_commit = fake_smm_memory_commit,
	.smi = fake_smi,
	.gsi_set = fake_gsi_set,
	.msi_send = fake_msi_send,
	.gsi_alloc = fake_gsi_alloc,
	.gsi_free = fake_gsi_free,
	.route_set = fake_route_set,
	.route_commit = fake_route_commit,
	.irqfd = fake_irqfd,
	.ioeventfd = fake_ioeventfd,
	.dirty_log = fake_dirty_log,
	.dirty_sync = fake_dirty_sync,
};

struct fake_accel *fake_accel_new(void)
{
	struct fake_accel *f = g_new0(struct fake_accel, 1);

	f->accel.ops = &fake_ops;
	pthread_mutex_init(&f->lock, NULL);
	for (unsigned i = 0; i < FAKE_GSIS; i++)
		f->gsi[i].irqfd = f->gsi[i].resample = -1;
	return f;
}

void fake_accel_free(struct fake_accel *f)
{
	if (f)
		fake_free(&f->accel);
}

bool fake_accel_level(struct fake_accel *f, unsigned gsi)
{
	bool level;

	fake_lock(&f->accel);
	level = f->gsi[gsi].level;
	fake_unlock(f);
	return level;
}

unsigned fake_accel_rises(struct fake_accel *f, unsigned gsi)
{
	unsigned rises;

	fake_lock(&f->accel);
	rises = f->gsi[gsi].rises;
	fake_unlock(f);
	return rises;
}

unsigned fake_accel_msis(struct fake_accel *f)
{
	unsigned n;

	fake_lock(&f->accel);
	n = f->n_msi;
	fake_unlock(f);
	return n;
}

struct accel_msi fake_accel_msi(struct fake_accel *f, unsigned i)
{
	struct accel_msi msi;

	fake_lock(&f->accel);
	g_assert_cmpuint(i, <, MIN(f->n_msi, FAKE_MSIS));
	msi = f->msi[i];
	fake_unlock(f);
	return msi;
}

static bool take_signal(int fd)
{
	uint64_t n;

	return fd >= 0 && read(fd, &n, sizeof(n)) == sizeof(n);
}

void fake_accel_poll(struct fake_accel *f)
{
	void (*paused)(void *opaque);

	fake_lock(&f->accel);
	for (unsigned i = 0; i < FAKE_GSIS; i++) {
		struct fake_gsi *g = &f->gsi[i];

		if (!take_signal(g->irqfd))
			continue;
		if (i < FAKE_PINS)
			g->rises++;
		else
			record_msi_locked(f, &g->route);
	}
	paused = f->paused;
	f->paused = NULL;
	if (paused)
		f->running = false;
	fake_unlock(f);
	if (paused)
		paused(f->paused_opaque);
}

bool fake_accel_doorbell(
	struct fake_accel *f, bool pio, uint64_t addr, unsigned size, uint64_t value)
{
	static const uint64_t one = 1;
	bool rung = false;

	fake_lock(&f->accel);
	for (unsigned i = 0; i < f->n_ioeventfds && !rung; i++) {
		const struct accel_ioeventfd *e = &f->ioeventfds[i];

		if (e->pio != pio || e->addr != addr || (e->len && e->len != size) ||
			(e->match && e->data != value))
			continue;
		g_assert_cmpint(write(e->fd, &one, sizeof(one)), ==, sizeof(one));
		rung = true;
	}
	fake_unlock(f);
	return rung;
}
