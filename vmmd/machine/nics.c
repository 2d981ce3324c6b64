/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network interfaces: what they are connected to, and the device by which the guest sees them. */
#include <string.h>

#include "devmodel/net/net-devices.h"
#include "virtio-backends/devices/devices.h"
#include "virtio-backends/net/drivers.h"
#include "vmmd/machine/machine-internal.h"

static struct net *open_user_net(struct machine *m, const struct spec_nic *s, GError **error)
{
	const struct spec_net_backend *b = s->backend;
	g_autofree struct net_user_forward *forwards = g_new0(
		struct net_user_forward, b->n_forwards);
	struct net_user_conf conf = {
		.network = b->network,
		.hostname = b->hostname,
		.restrict_out = b->restrict_,
		.forwards = forwards,
		.n_forwards = (unsigned)b->n_forwards,
		.uid = m->env.uid,
		.gid = m->env.gid,
		.loop = m->env.main,
	};

	for (size_t i = 0; i < b->n_forwards; i++)
		forwards[i] = (struct net_user_forward){
			.udp = strcmp(b->forwards[i]->protocol, "udp") == 0,
			.host_address = b->forwards[i]->host_address,
			.host_port = b->forwards[i]->host_port,
			.guest_port = b->forwards[i]->guest_port,
		};
	return net_user_new(s->id, m->env.slirp, &conf, error);
}

static struct net *open_net(struct machine *m, const struct spec_nic *s, GError **error)
{
	if (!s->backend)
		return net_null_new(s->id);
	if (s->backend->type == SPEC_NET_FD)
		return net_fd_new(s->id, machine_take_fd(&s->backend->fd), m->env.main, error);
	return open_user_net(m, s, error);
}

/* ---- fronts ---- */

static void connect_virtio(
	struct machine *m, const struct spec_nic *s, struct dev *d, struct net *net)
{
	VIRTIO_PCI(to_pci_dev(d))->loop = m->env.io;
	virtio_net_set_backend(d, net);
	machine_set_uint(d, "queue-size", s->queue_size);
	machine_set_uint(d, "packed", s->packed);
	machine_set_uint(d, "mtu", s->mtu);
}

static void connect_e1000(
	struct machine *m, const struct spec_nic *s, struct dev *d, struct net *net)
{
	e1000_set_backend(d, net);
}

static void connect_e1000e(
	struct machine *m, const struct spec_nic *s, struct dev *d, struct net *net)
{
	e1000e_set_backend(d, net);
}

static void connect_rtl8139(
	struct machine *m, const struct spec_nic *s, struct dev *d, struct net *net)
{
	rtl8139_set_backend(d, net);
}

/* The device of each model, and what connects it. */
static const struct {
	const struct dev_ops *ops;
	void (*connect)(
		struct machine *m, const struct spec_nic *s, struct dev *d, struct net *net);
} models[] = {
	[SPEC_NIC_VIRTIO] = {&virtio_net_pci_ops, connect_virtio},
	[SPEC_NIC_E1000] = {&e1000_ops, connect_e1000},
	[SPEC_NIC_E1000E] = {&e1000e_ops, connect_e1000e},
	[SPEC_NIC_RTL8139] = {&rtl8139_ops, connect_rtl8139},
};

bool machine_add_nic(struct machine *m, size_t i, GError **error)
{
	const struct spec_nic *s = m->spec->nics[i];
	g_autofree char *mac = NULL;
	struct net *net;
	struct dev *d;

	net = open_net(m, s, error);
	if (!net)
		return false;
	g_ptr_array_add(m->nets, net);
	d = machine_new_pci(m, models[s->model].ops, s->id, PLACE_OF(s));
	mac = g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", s->mac[0], s->mac[1], s->mac[2],
		s->mac[3], s->mac[4], s->mac[5]);
	models[s->model].connect(m, s, d, net);
	return machine_set_rom(d, &s->rom, error) && machine_set_text(d, "mac", mac, error) &&
	       dev_realize(d, error);
}
