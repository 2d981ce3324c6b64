/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vectors: what MSI and MSI-X have in common (section 6.8). What a signal of a vector's eventfd
 * becomes depends on who listens:
 *
 *	enabled and unmasked	the accelerator, by an irqfd on the vector's own GSI: "wired"
 *	else			nobody: it stays in the eventfd until the pending bit is wanted, or until it is wired
 *
 * Everything here is under vector_lock, which is an irq lock: interrupts come from any thread, and
 * from under the device's lock. msix.c and msi.c say which vectors are active and what their
 * messages are; they call pci_vectors_update() whenever that may have changed.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "devmodel/pci/internal.h"
#include "devmodel/pci/trace.gen.h"

/* ---- the kind that is enabled; the specification forbids to enable both ---- */

static bool active(struct pci_dev *p, unsigned v)
{
	return p->msix_on ? pci_msix_active(p, v) : pci_msi_active(p, v);
}

static struct accel_msi message(struct pci_dev *p, unsigned v)
{
	return p->msix_on ? pci_msix_message(p, v) : pci_msi_message(p, v);
}

/* The pending bit of a vector: with MSI, several may share a message. */
static unsigned pending_bit(struct pci_dev *p, unsigned v)
{
	return p->msix_on ? v : pci_msi_number(p, v);
}

bool pci_vector_pending(const struct pci_dev *p, unsigned n)
{
	return p->pci_hw.pba[n / 8] >> (n % 8) & 1;
}

static void set_pending(struct pci_dev *p, unsigned n, bool on)
{
	uint8_t bit = 1u << (n % 8), *byte = &p->pci_hw.pba[n / 8];

	*byte = on ? *byte | bit : *byte & ~bit;
}

/* ---- eventfds ---- */

static bool take_signal(const struct pci_vector *vec)
{
	uint64_t n;

	return vec->eventfd >= 0 && read(vec->eventfd, &n, sizeof(n)) == sizeof(n);
}

void pci_vectors_drop(struct pci_dev *p)
{
	for (unsigned v = 0; v < p->nvectors; v++)
		take_signal(&p->vectors[v]);
}

/* Brings the pending bit of a vector to which nobody listens up to date. */
static void collect(struct pci_dev *p, unsigned v)
{
	if (!p->vectors[v].wired && take_signal(&p->vectors[v]))
		set_pending(p, pending_bit(p, v), true);
}

void pci_vectors_collect(struct pci_dev *p)
{
	for (unsigned v = 0; v < p->nvectors; v++)
		collect(p, v);
}

static void connect_irqfd(struct pci_dev *p, struct pci_vector *vec, bool on)
{
	struct accel *a = p->dev.bus->accel;
	int err = a->ops->irqfd(a, vec->gsi, vec->eventfd, -1, on);

	if (err < 0)
		bus_accel_failed(p->dev.bus, "irqfd", -err);
	else
		vec->wired = on;
}

static void commit_routes(struct pci_dev *p)
{
	struct accel *a = p->dev.bus->accel;
	int err = a->ops->route_commit(a);

	if (err < 0)
		bus_accel_failed(p->dev.bus, "interrupt routes", -err);
}

/* Routes are changed in one go, and before a vector that uses them is connected. */
static void set_routes(struct pci_dev *p, unsigned first, unsigned n)
{
	struct accel *a = p->dev.bus->accel;
	bool staged = false;

	for (unsigned v = first; v < first + n; v++) {
		struct pci_vector *vec = &p->vectors[v];

		if (vec->wired && !active(p, v))
			connect_irqfd(p, vec, false);
		if (vec->eventfd >= 0 && active(p, v)) {
			struct accel_msi msi = message(p, v);

			a->ops->route_set(a, vec->gsi, &msi);
			staged = true;
		}
	}
	if (staged)
		commit_routes(p);
}

/* A signal that comes meanwhile waits in its eventfd. */
void pci_vectors_update(struct pci_dev *p, unsigned first, unsigned n)
{
	set_routes(p, first, n);
	for (unsigned v = first; v < first + n; v++) {
		struct pci_vector *vec = &p->vectors[v];
		unsigned bit = pending_bit(p, v);

		if (!active(p, v))
			continue;
		collect(p, v);
		if (vec->eventfd >= 0 && !vec->wired)
			connect_irqfd(p, vec, true);
		if (pci_vector_pending(p, bit)) {
			struct accel_msi msi = message(p, v);

			set_pending(p, bit, false);
			(void)bus_msi_send(p->dev.bus, &msi);
		}
	}
}

/* With a route and an eventfd of its own, not wired yet. */
static int open_vector(struct pci_dev *p, struct pci_vector *vec)
{
	struct accel *a = p->dev.bus->accel;
	int gsi = a->ops->gsi_alloc(a), fd;

	if (gsi < 0)
		return gsi;
	fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (fd < 0) {
		int err = -errno;

		a->ops->gsi_free(a, gsi);
		return err;
	}
	vec->gsi = gsi;
	vec->eventfd = fd;
	return 0;
}

int pci_vector_fd(struct pci_dev *p, unsigned v)
{
	struct pci_vector *vec;
	int ret = 0;

	if (v >= p->nvectors)
		return -EINVAL;
	pci_vectors_lock(p);
	vec = &p->vectors[v];
	if (vec->eventfd < 0) {
		ret = open_vector(p, vec);
		if (!ret)
			pci_vectors_update(p, v, 1);
	}
	if (!ret)
		ret = vec->eventfd;
	pci_vectors_unlock(p);
	return ret;
}

void pci_vector_raise(struct pci_dev *p, unsigned v)
{
	struct accel_msi msi;
	bool now;

	pci_vectors_lock(p);
	now = active(p, v);
	msi = message(p, v);
	if (!now)
		set_pending(p, pending_bit(p, v), true);
	pci_vectors_unlock(p);
	trace_pci_vector_raise(p->dev.id, v, !now);
	/* A message to nowhere is the guest's own choice of address. */
	if (now)
		(void)bus_msi_send(p->dev.bus, &msi);
}

/* ---- life ---- */

void pci_vectors_init(struct pci_dev *p, unsigned n)
{
	if (!p->nvectors)
		pthread_mutex_init(&p->vector_lock, NULL);
	if (n <= p->nvectors)
		return;
	p->vectors = g_renew(struct pci_vector, p->vectors, n);
	for (unsigned v = p->nvectors; v < n; v++)
		p->vectors[v] = (struct pci_vector){.gsi = -1, .eventfd = -1};
	p->nvectors = n;
}

void pci_vectors_reset(struct pci_dev *p)
{
	if (!p->nvectors)
		return;
	pci_vectors_lock(p);
	pci_msi_load(p);
	pci_msix_load(p);
	pci_msix_clear(p);
	pci_vectors_update(p, 0, p->nvectors);
	pci_vectors_drop(p);
	memset(p->pci_hw.pba, 0, sizeof(p->pci_hw.pba));
	pci_vectors_unlock(p);
}

void pci_dev_pre_save(struct dev *d)
{
	struct pci_dev *p = to_pci_dev(d);

	if (!p->nvectors)
		return;
	pci_vectors_lock(p);
	pci_vectors_collect(p);
	pci_msi_show_pending(p);
	pci_vectors_unlock(p);
}

int pci_vectors_check(const struct pci_dev *p)
{
	for (unsigned v = p->nvectors; v < PCI_MSIX_MAX; v++) {
		if (pci_vector_pending(p, v))
			return -EINVAL;
	}
	return pci_msix_check(p) < 0 ? -EINVAL : pci_msi_check(p);
}

/* Signals from before the load mean nothing any more. */
void pci_vectors_post_load(struct pci_dev *p)
{
	if (!p->nvectors)
		return;
	pci_vectors_lock(p);
	pci_msi_load(p);
	pci_msix_load(p);
	pci_vectors_drop(p);
	pci_vectors_update(p, 0, p->nvectors);
	pci_msi_show_pending(p);
	pci_vectors_unlock(p);
}

void pci_vectors_done(struct pci_dev *p)
{
	struct accel *a = p->dev.bus->accel;

	if (!p->nvectors)
		return;
	for (unsigned v = 0; v < p->nvectors; v++) {
		struct pci_vector *vec = &p->vectors[v];

		if (vec->wired)
			connect_irqfd(p, vec, false);
		if (vec->gsi >= 0)
			a->ops->gsi_free(a, vec->gsi);
		fd_close(&vec->eventfd);
	}
	pci_msix_unmap(p);
	g_free(p->vectors);
	p->vectors = NULL;
	p->nvectors = 0;
	pthread_mutex_destroy(&p->vector_lock);
}
