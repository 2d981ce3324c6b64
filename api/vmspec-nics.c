/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <string.h>

#include "api/vmspec-tables.h"

static bool check_forward(const void *obj, GError **error)
{
	const struct spec_forward *f = obj;
	struct in_addr a;

	if (strcmp(f->protocol, "tcp") != 0 && strcmp(f->protocol, "udp") != 0)
		return spec_invalid(error, "protocol must be one of tcp, udp");
	if (f->host_address && inet_pton(AF_INET, f->host_address, &a) != 1)
		return spec_invalid(error, "host-address must be an IPv4 address");
	return true;
}

#define PROP_PORT(n, f, text)                                                                   \
	{                                                                                       \
		.name = (n), .type = PROP_TYPE_U16, .offset = offsetof(struct spec_forward, f), \
		.min = 1, .max = UINT16_MAX, .flags = PROP_REQUIRED, .doc = (text)              \
	}

static const struct prop forward_props[] = {
	PROP_STR("protocol", struct spec_forward, protocol, 3, "tcp", "tcp or udp"),
	PROP_STR("host-address", struct spec_forward, host_address, 15, NULL,
		"IPv4 address of the host to listen on; absent: 127.0.0.1"),
	PROP_PORT("host-port", host_port, "port of the host to listen on"),
	PROP_PORT("guest-port", guest_port, "port of the guest to connect to"),
	PROP_END,
};

static const struct prop_table forward_table = {
	.name = "forward",
	.doc = "A port of the host that leads into the guest",
	.size = sizeof(struct spec_forward),
	.props = forward_props,
	.check = check_forward,
};

static const char *const net_types[] = {[SPEC_NET_USER] = "user", [SPEC_NET_FD] = "fd", NULL};

/* User-mode networking takes .2, .3 and leases from .15, so 32 addresses are the least. */
#define NET_PREFIX_MIN 8
#define NET_PREFIX_MAX 27

static bool check_network(const char *cidr, GError **error)
{
	g_auto(GStrv) part = g_strsplit(cidr, "/", 2);
	struct in_addr a;
	guint64 prefix;

	if (!part[0] || !part[1] || inet_pton(AF_INET, part[0], &a) != 1 ||
		!g_ascii_string_to_unsigned(
			part[1], 10, NET_PREFIX_MIN, NET_PREFIX_MAX, &prefix, NULL))
		return spec_invalid(
			error, "network must be like 10.0.2.0/24, with a prefix from 8 to 27");
	if (ntohl(a.s_addr) & (UINT32_MAX >> prefix))
		return spec_invalid(error, "network has bits set beyond its prefix");
	return true;
}

static bool check_hostname(const char *name, GError **error)
{
	for (const char *p = name; p && *p; p++) {
		if (!g_ascii_isalnum(*p) && (*p != '-' || p == name))
			return spec_invalid(error, "hostname must be letters, digits and hyphens");
	}
	return true;
}

static bool check_net_backend(const void *obj, GError **error)
{
	const struct spec_net_backend *b = obj;

	if (b->type != SPEC_NET_FD && b->fd.path)
		return spec_invalid(error, "fd is for type fd");
	if (b->type != SPEC_NET_USER &&
		(b->network || b->restrict_ || b->n_forwards || b->hostname))
		return spec_invalid(
			error, "network, restrict, forwards and hostname are for type user");
	return (!b->network || check_network(b->network, error)) &&
	       check_hostname(b->hostname, error);
}

static const struct prop net_backend_props[] = {
	PROP_ENUM("type", struct spec_net_backend, type, net_types, SPEC_NET_USER,
		"user: NAT through an unprivileged process; fd: a descriptor that is passed"),
	PROP_FILE("fd", struct spec_net_backend, fd, PROP_READWRITE,
		"fd: tap or datagram socket, passed"),
	PROP_STR("network", struct spec_net_backend, network, 18, NULL,
		"user: IPv4 network of the guest; absent: 10.0.2.0/24"),
	PROP_BOOL("restrict", struct spec_net_backend, restrict_, false,
		"user: no way out but the forwards"),
	PROP_LIST("forwards", struct spec_net_backend, forwards, n_forwards, &forward_table,
		"user: ports of the host that lead into the guest"),
	PROP_STR("hostname", struct spec_net_backend, hostname, 63, NULL,
		"user: name that DHCP gives to the guest"),
	PROP_END,
};

static const struct prop_table net_backend_table = {
	.name = "net-backend",
	.doc = "What a NIC is connected to",
	.size = sizeof(struct spec_net_backend),
	.props = net_backend_props,
	.check = check_net_backend,
};

static const char *const nic_models[] = {
	[SPEC_NIC_VIRTIO] = "virtio",
	[SPEC_NIC_E1000] = "e1000",
	[SPEC_NIC_E1000E] = "e1000e",
	[SPEC_NIC_RTL8139] = "rtl8139",
	NULL,
};

static bool check_nic(const void *obj, GError **error)
{
	const struct spec_nic *n = obj;

	if (n->mtu && n->mtu < 68)
		return spec_invalid(error, "mtu must be 0 or at least 68");
	if (n->mtu && n->model != SPEC_NIC_VIRTIO)
		return spec_invalid(error, "mtu is for model virtio");
	return spec_check_id(n->id, error) && spec_check_queues(n->queue_size, error);
}

static const struct prop nic_props[] = {
	PROP_STR("id", struct spec_nic, id, VM_NAME_MAX, NULL,
		"its name within the VM; absent: net0, net1, …"),
	PROP_ENUM("model", struct spec_nic, model, nic_models, SPEC_NIC_VIRTIO,
		"what the guest sees; e1000 is Intel's 82540EM, e1000e its 82574L"),
	PROP_MAC(
		"mac", struct spec_nic, mac, "MAC address; absent: 52:54:00 and random, then kept"),
	PROP_OBJECT("backend", struct spec_nic, backend, &net_backend_table, 0,
		"what it is connected to"),
	SPEC_PROP_ADDR(struct spec_nic),
	SPEC_PROP_ROOT_PORT(struct spec_nic),
	SPEC_PROP_BOOTINDEX(struct spec_nic),
	PROP_FILE("rom", struct spec_nic, rom, 0,
		"option ROM; absent: iPXE for its model where it has a bootindex, else none"),
	PROP_U16("mtu", struct spec_nic, mtu, 0, UINT16_MAX, 0,
		"virtio: largest packet offered to the guest, bytes; 0: not offered"),
	PROP_U32("queues", struct spec_nic, queues, 1, SPEC_QUEUES_MAX, 1,
		"virtio: pairs of queues"),
	PROP_U32("queue-size", struct spec_nic, queue_size, SPEC_QUEUE_SIZE_MIN,
		SPEC_QUEUE_SIZE_MAX, 256, "entries of each queue, a power of two"),
	PROP_BOOL("packed", struct spec_nic, packed, false,
		"virtio: packed rings are offered too; old drivers take split ones"),
	PROP_END,
};

const struct prop_table spec_nic_table = {
	.name = "nic",
	.doc = "A network interface",
	.size = sizeof(struct spec_nic),
	.props = nic_props,
	.check = check_nic,
};
