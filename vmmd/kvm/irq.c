/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmmd/kvm/kvm-internal.h"
#include "vmmd/kvm/trace.gen.h"

#define ROUTES_MAX_ENTRIES (KVM_MAX_ROUTES + 16)
#define ROUTE_NOWHERE      0 /* no type of the kernel's: left out of what it gets */

void kvm_irq_init(struct kvm *k)
{
	pthread_mutex_init(&k->route_lock, NULL);
	k->routes = g_new0(struct kvm_irq_routing_entry, KVM_MAX_ROUTES);
	k->route_used = g_new0(bool, KVM_MAX_ROUTES);
}

void kvm_irq_done(struct kvm *k)
{
	g_free(k->routes);
	g_free(k->route_used);
	pthread_mutex_destroy(&k->route_lock);
}

static void add_pin(struct kvm_irq_routing *r, unsigned gsi, unsigned chip, unsigned pin)
{
	r->entries[r->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = {.irqchip = chip, .pin = pin},
	};
}

/*
 * The pins: GSI 0..15 to both PICs, 0..23 to the IOAPIC, where the timer's GSI 0 is on pin 2 (the MADT's interrupt
 * source override says so to the guest) and nothing drives GSI 2.
 */
static void add_pins(struct kvm_irq_routing *r)
{
	for (unsigned gsi = 0; gsi < GSI_PINS; gsi++) {
		if (gsi < 8 && gsi != 2)
			add_pin(r, gsi, KVM_IRQCHIP_PIC_MASTER, gsi);
		else if (gsi >= 8 && gsi < 16)
			add_pin(r, gsi, KVM_IRQCHIP_PIC_SLAVE, gsi - 8);
		if (gsi != 2)
			add_pin(r, gsi, KVM_IRQCHIP_IOAPIC, gsi ? gsi : 2);
	}
}

static int commit_locked(struct kvm *k)
{
	g_autofree struct kvm_irq_routing *r = g_malloc0(
		sizeof(*r) + ROUTES_MAX_ENTRIES * sizeof(r->entries[0]));
	int err;

	add_pins(r);
	for (unsigned gsi = GSI_PINS; gsi < k->n_routes; gsi++) {
		if (k->route_used[gsi] && k->routes[gsi].type == KVM_IRQ_ROUTING_MSI)
			r->entries[r->nr++] = k->routes[gsi];
	}
	err = kvm_ioctl(k->vm_fd, KVM_SET_GSI_ROUTING, r);
	trace_kvm_routes(r->nr, err);
	if (!err)
		k->routes_changed = false;
	return err;
}

int kvm_pit_connect(struct accel *a, bool connected)
{
	struct kvm *k = to_kvm(a);
	struct kvm_pit_state2 pit = {};
	int err = kvm_ioctl(k->vm_fd, KVM_GET_PIT2, &pit);

	if (err < 0)
		return err;
	pit.flags = connected ? 0 : KVM_PIT_FLAGS_HPET_LEGACY;
	return kvm_ioctl(k->vm_fd, KVM_SET_PIT2, &pit);
}

bool kvm_irqchip_create(struct accel *a, GError **error)
{
	struct kvm *k = to_kvm(a);
	struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
	int err;

	err = kvm_ioctl(k->vm_fd, KVM_CREATE_IRQCHIP, NULL);
	if (err < 0)
		return kvm_step_failed(
			&k->accel, error, -err, "KVM cannot create its interrupt controllers");
	if (k->conf.pit) {
		err = kvm_ioctl(k->vm_fd, KVM_CREATE_PIT2, &pit);
		if (err < 0)
			return kvm_step_failed(
				&k->accel, error, -err, "KVM cannot create its interval timer");
	}
	err = commit_locked(k);
	if (err < 0)
		return kvm_step_failed(&k->accel, error, -err, "KVM refuses the interrupt routes");
	return true;
}

int kvm_gsi_set(struct accel *a, unsigned gsi, bool level)
{
	struct kvm_irq_level l = {.irq = gsi, .level = level};

	return kvm_ioctl(to_kvm(a)->vm_fd, KVM_IRQ_LINE, &l);
}

int kvm_msi_send(struct accel *a, const struct accel_msi *msi)
{
	struct kvm_msi m = {
		.address_lo = (uint32_t)msi->addr,
		.address_hi = (uint32_t)(msi->addr >> 32),
		.data = msi->data,
	};
	int r = kvm_ioctl(to_kvm(a)->vm_fd, KVM_SIGNAL_MSI, &m);

	return r < 0 ? r : 0;
}

int kvm_gsi_alloc(struct accel *a)
{
	struct kvm *k = to_kvm(a);
	int ret = -ENOSPC;

	pthread_mutex_lock(&k->route_lock);
	for (unsigned gsi = GSI_PINS; gsi < KVM_MAX_ROUTES; gsi++) {
		if (k->route_used[gsi])
			continue;
		k->route_used[gsi] = true;
		k->routes[gsi] = (struct kvm_irq_routing_entry){.gsi = gsi};
		k->n_routes = MAX(k->n_routes, gsi + 1);
		ret = (int)gsi;
		break;
	}
	pthread_mutex_unlock(&k->route_lock);
	return ret;
}

void kvm_gsi_free(struct accel *a, unsigned gsi)
{
	struct kvm *k = to_kvm(a);

	pthread_mutex_lock(&k->route_lock);
	k->route_used[gsi] = false;
	k->routes_changed = true;
	pthread_mutex_unlock(&k->route_lock);
}

/* The kernel takes every message for one to a local APIC, whatever its address (Intel SDM volume 3, section 11.11.1). */
static bool is_apic_message(const struct accel_msi *msi)
{
	return msi->addr >> 20 == 0xfee;
}

void kvm_route_set(struct accel *a, unsigned gsi, const struct accel_msi *msi)
{
	struct kvm *k = to_kvm(a);
	struct kvm_irq_routing_entry e = {
		.gsi = gsi,
		.type = is_apic_message(msi) ? KVM_IRQ_ROUTING_MSI : ROUTE_NOWHERE,
		.u.msi = {.address_lo = (uint32_t)msi->addr,
			.address_hi = (uint32_t)(msi->addr >> 32),
			.data = msi->data},
	};

	pthread_mutex_lock(&k->route_lock);
	if (memcmp(&k->routes[gsi], &e, sizeof(e)) != 0) {
		k->routes[gsi] = e;
		k->routes_changed = true;
	}
	pthread_mutex_unlock(&k->route_lock);
}

int kvm_route_commit(struct accel *a)
{
	struct kvm *k = to_kvm(a);
	int err = 0;

	pthread_mutex_lock(&k->route_lock);
	if (k->routes_changed)
		err = commit_locked(k);
	pthread_mutex_unlock(&k->route_lock);
	return err;
}

int kvm_irqfd(struct accel *a, unsigned gsi, int fd, int resample, bool assign)
{
	struct kvm_irqfd f = {
		.fd = (uint32_t)fd, .gsi = gsi, .flags = assign ? 0 : KVM_IRQFD_FLAG_DEASSIGN};

	if (assign && resample >= 0) {
		f.flags |= KVM_IRQFD_FLAG_RESAMPLE;
		f.resamplefd = (uint32_t)resample;
	}
	return kvm_ioctl(to_kvm(a)->vm_fd, KVM_IRQFD, &f);
}

int kvm_ioeventfd(struct accel *a, const struct accel_ioeventfd *e, bool assign)
{
	struct kvm_ioeventfd f = {
		.addr = e->addr,
		.len = e->len,
		.fd = e->fd,
		.datamatch = e->data,
		.flags = (e->pio ? KVM_IOEVENTFD_FLAG_PIO : 0) |
			 (e->match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0) |
			 (assign ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
	};

	return kvm_ioctl(to_kvm(a)->vm_fd, KVM_IOEVENTFD, &f);
}
