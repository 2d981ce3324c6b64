/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSI-X, PCI 3.0 section 6.8.2. What a signal of a vector's eventfd becomes depends on who listens:
 *
 *	enabled and unmasked	the accelerator, by an irqfd on the vector's own GSI: "wired"
 *	else			nobody: it stays in the eventfd until the pending bit is wanted, or until it is wired
 *
 * Everything here is under msix_lock, which is an irq lock: interrupts come from any thread, and from under the
 * device's lock. The control register is read as it is: who changes it calls here afterwards.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "devmodel/pci/internal.h"
#include "devmodel/pci/trace.gen.h"

#define CAP_SIZE      12
#define CAP_TABLE     4
#define CAP_PBA       8
#define ENTRY_DATA    8
#define ENTRY_CONTROL 12
#define ENTRY_MASKED  0x1
#define VECTORS_MASK  0x07ff /* of Message Control: vectors - 1 */

/* Writable bits of an entry's words: address (of a 32-bit word), upper address, data, mask bit. */
static const uint32_t entry_writable[] = {0xfffffffc, 0xffffffff, 0xffffffff, ENTRY_MASKED};

static void lock(struct pci_dev *p)
{
	pthread_mutex_lock(&p->msix_lock);
}

static void unlock(struct pci_dev *p)
{
	pthread_mutex_unlock(&p->msix_lock);
}

static uint32_t entry_get32(const struct pci_dev *p, unsigned v, unsigned offset)
{
	uint32_t w;

	memcpy(&w, p->pci_hw.msix + v * PCI_MSIX_ENTRY + offset, sizeof(w));
	return le32toh(w);
}

static void entry_set32(struct pci_dev *p, unsigned v, unsigned offset, uint32_t w)
{
	w = htole32(w);
	memcpy(p->pci_hw.msix + v * PCI_MSIX_ENTRY + offset, &w, sizeof(w));
}

static struct accel_msi message(const struct pci_dev *p, unsigned v)
{
	return (struct accel_msi){
		.addr = (uint64_t)entry_get32(p, v, 4) << 32 | entry_get32(p, v, 0),
		.data = entry_get32(p, v, ENTRY_DATA),
	};
}

static bool pending(const struct pci_dev *p, unsigned v)
{
	return p->pci_hw.pba[v / 8] >> (v % 8) & 1;
}

static void set_pending(struct pci_dev *p, unsigned v, bool on)
{
	uint8_t bit = 1u << (v % 8), *byte = &p->pci_hw.pba[v / 8];

	*byte = on ? *byte | bit : *byte & ~bit;
}

/* The upper byte of Message Control, with the two bits that matter. */
static uint8_t control(const struct pci_dev *p)
{
	return __atomic_load_n(&p->pci_hw.cfg[p->msix_cap + MSIX_CONTROL + 1], __ATOMIC_RELAXED);
}

bool pci_msix_enabled(struct pci_dev *p)
{
	return p->nvectors && control(p) & MSIX_ENABLE >> 8;
}

/* True when the vector's messages are sent, and not held back. */
static bool active(struct pci_dev *p, unsigned v)
{
	return pci_msix_enabled(p) && !(control(p) & MSIX_FUNC_MASK >> 8) &&
	       !(entry_get32(p, v, ENTRY_CONTROL) & ENTRY_MASKED);
}

/* ---- eventfds ---- */

static bool take_signal(const struct pci_vector *vec)
{
	uint64_t n;

	return vec->eventfd >= 0 && read(vec->eventfd, &n, sizeof(n)) == sizeof(n);
}

/* Brings the pending bit of a vector to which nobody listens up to date. */
static void collect(struct pci_dev *p, unsigned v)
{
	if (!p->vectors[v].wired && take_signal(&p->vectors[v]))
		set_pending(p, v, true);
}

static void collect_all(struct pci_dev *p)
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

/*
 * Makes the vectors [@first, @first + @n) what the registers say. Routes are changed in one go, and before a vector that
 * uses them is connected; a signal that comes meanwhile waits in its eventfd.
 */
static void update(struct pci_dev *p, unsigned first, unsigned n)
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
	for (unsigned v = first; v < first + n; v++) {
		struct pci_vector *vec = &p->vectors[v];

		if (!active(p, v))
			continue;
		collect(p, v);
		if (vec->eventfd >= 0 && !vec->wired)
			connect_irqfd(p, vec, true);
		if (pending(p, v)) {
			struct accel_msi msi = message(p, v);

			set_pending(p, v, false);
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
	lock(p);
	vec = &p->vectors[v];
	if (vec->eventfd < 0) {
		ret = open_vector(p, vec);
		if (!ret)
			update(p, v, 1);
	}
	if (!ret)
		ret = vec->eventfd;
	unlock(p);
	return ret;
}

void pci_msix_raise(struct pci_dev *p, unsigned v)
{
	struct accel_msi msi;
	bool now;

	if (v >= p->nvectors)
		return;
	lock(p);
	now = active(p, v);
	msi = message(p, v);
	if (!now)
		set_pending(p, v, true);
	unlock(p);
	trace_pci_msix_raise(p->dev.id, v, !now);
	/* A message to nowhere is the guest's own choice of address. */
	if (now)
		(void)bus_msi_send(p->dev.bus, &msi);
}

/* ---- registers ---- */

static uint64_t table_read(
	struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct pci_dev *p = to_pci_dev(d);
	uint64_t value = 0;

	lock(p);
	memcpy(&value, p->pci_hw.msix + offset, size);
	unlock(p);
	return le64toh(value);
}

static void table_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct pci_dev *p = to_pci_dev(d);
	unsigned v = offset / PCI_MSIX_ENTRY;
	struct accel_msi msi;

	lock(p);
	for (unsigned i = offset % PCI_MSIX_ENTRY; size; i += 4, size -= 4, value >>= 32)
		entry_set32(p, v, i, (uint32_t)value & entry_writable[i / 4]);
	msi = message(p, v);
	trace_pci_msix_route(
		p->dev.id, v, msi.addr, msi.data, entry_get32(p, v, ENTRY_CONTROL) & ENTRY_MASKED);
	update(p, v, 1);
	unlock(p);
}

/* Section 6.8.2: whole words and double words only. */
static const struct region_ops table_ops = {
	.read = table_read,
	.write = table_write,
	.min = 4,
	.max = 8,
};

static uint64_t pba_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct pci_dev *p = to_pci_dev(d);
	uint64_t value = 0;

	lock(p);
	collect_all(p);
	memcpy(&value, p->pci_hw.pba + offset, size);
	unlock(p);
	return le64toh(value);
}

static const struct region_ops pba_ops = {
	.read = pba_read,
	.min = 4,
	.max = 8,
};

void pci_msix_control_changed(struct pci_dev *p)
{
	lock(p);
	update(p, 0, p->nvectors);
	unlock(p);
}

/* ---- life ---- */

static size_t table_size(unsigned n)
{
	return (size_t)n * PCI_MSIX_ENTRY;
}

static size_t pba_size(unsigned n)
{
	return align_up(n, 64) / 8;
}

static bool layout_ok(
	const struct pci_dev *p, unsigned n, unsigned bar, uint32_t table, uint32_t pba)
{
	return n >= 1 && n <= PCI_MSIX_MAX && bar < PCI_BARS && p->bars[bar].region &&
	       table % 8 == 0 && pba % 8 == 0 &&
	       range_fits(table, table_size(n), p->bars[bar].size) &&
	       range_fits(pba, pba_size(n), p->bars[bar].size) &&
	       (table + table_size(n) <= pba || pba + pba_size(n) <= table);
}

int pci_msix_init(struct pci_dev *p, unsigned n, unsigned bar, uint32_t table_off, uint32_t pba_off)
{
	int cap;

	if (!layout_ok(p, n, bar, table_off, pba_off))
		return -EINVAL;
	cap = pci_cap_add(p, PCI_CAP_MSIX, CAP_SIZE);
	if (cap < 0)
		return cap;
	pci_set16(p, cap + MSIX_CONTROL, n - 1);
	pci_set32(p, cap + CAP_TABLE, table_off | bar);
	pci_set32(p, cap + CAP_PBA, pba_off | bar);
	p->wmask[cap + MSIX_CONTROL + 1] = (MSIX_ENABLE | MSIX_FUNC_MASK) >> 8;

	p->msix_cap = cap;
	p->msix_bar = bar;
	p->msix_table_off = table_off;
	p->msix_pba_off = pba_off;
	p->nvectors = n;
	pthread_mutex_init(&p->msix_lock, NULL);
	p->vectors = g_new(struct pci_vector, n);
	for (unsigned v = 0; v < n; v++) {
		p->vectors[v] = (struct pci_vector){.gsi = -1, .eventfd = -1};
		entry_set32(p, v, ENTRY_CONTROL, ENTRY_MASKED);
	}
	region_init_io(
		&p->msix_table_region, &p->dev, &table_ops, "msix-table", BUS_MMIO, table_size(n));
	region_init_io(&p->msix_pba_region, &p->dev, &pba_ops, "msix-pba", BUS_MMIO, pba_size(n));
	return 0;
}

void pci_msix_reset(struct pci_dev *p)
{
	if (!p->nvectors)
		return;
	lock(p);
	memset(p->pci_hw.msix, 0, sizeof(p->pci_hw.msix));
	for (unsigned v = 0; v < p->nvectors; v++)
		entry_set32(p, v, ENTRY_CONTROL, ENTRY_MASKED);
	update(p, 0, p->nvectors);
	for (unsigned v = 0; v < p->nvectors; v++)
		take_signal(&p->vectors[v]);
	memset(p->pci_hw.pba, 0, sizeof(p->pci_hw.pba));
	unlock(p);
}

void pci_dev_pre_save(struct dev *d)
{
	struct pci_dev *p = to_pci_dev(d);

	if (!p->nvectors)
		return;
	lock(p);
	collect_all(p);
	unlock(p);
}

static bool all_zero(const uint8_t *p, size_t n)
{
	while (n && !*p) {
		p++;
		n--;
	}
	return n == 0;
}

static bool entries_ok(const struct pci_dev *p)
{
	for (unsigned v = 0; v < p->nvectors; v++) {
		for (unsigned i = 0; i < ARRAY_SIZE(entry_writable); i++) {
			if (entry_get32(p, v, i * 4) & ~entry_writable[i])
				return false;
		}
	}
	return true;
}

static bool capability_ok(const struct pci_dev *p)
{
	for (unsigned i = p->msix_cap; i < p->msix_cap + CAP_SIZE; i++) {
		if ((p->pci_hw.cfg[i] ^ p->initial[i]) & ~p->wmask[i])
			return false;
	}
	return true;
}

int pci_msix_check(const struct pci_dev *p)
{
	const struct pci_hw *hw = &p->pci_hw;
	size_t used = table_size(p->nvectors);

	if (!all_zero(hw->msix + used, sizeof(hw->msix) - used) || !entries_ok(p) ||
		(p->nvectors && !capability_ok(p)))
		return -EINVAL;
	for (unsigned v = p->nvectors; v < PCI_MSIX_MAX; v++) {
		if (pending(p, v))
			return -EINVAL;
	}
	return 0;
}

/* Signals from before the load mean nothing any more. */
void pci_msix_post_load(struct pci_dev *p)
{
	if (!p->nvectors)
		return;
	lock(p);
	for (unsigned v = 0; v < p->nvectors; v++)
		take_signal(&p->vectors[v]);
	update(p, 0, p->nvectors);
	unlock(p);
}

void pci_msix_done(struct pci_dev *p)
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
	region_unmap(p->dev.bus, &p->msix_table_region);
	region_unmap(p->dev.bus, &p->msix_pba_region);
	g_free(p->vectors);
	p->vectors = NULL;
	p->nvectors = 0;
	pthread_mutex_destroy(&p->msix_lock);
}
