/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/vmspec.h"

#include <arpa/inet.h>
#include <string.h>

#include "api/json.h"
#include "api/prop-json.h"

static bool invalid(GError **error, const char *what)
{
	return err_set(error, VMMD_ERROR_INVALID, "%s", what);
}

/*
 * A letter or digit, then also '.', '_', '-'; at most VM_NAME_MAX bytes. Such a name is also a safe
 * file name.
 */
static bool check_name(const char *what, const char *name, GError **error)
{
	size_t n = strlen(name);
	bool ok = n && n <= VM_NAME_MAX && g_ascii_isalnum(name[0]);

	for (size_t i = 1; ok && i < n; i++)
		ok = g_ascii_isalnum(name[i]) || strchr("._-", name[i]);
	if (ok)
		return true;
	return err_set(error, VMMD_ERROR_INVALID,
		"%s must be 1 to %d of A-Z a-z 0-9 . _ -, beginning with a letter or digit", what,
		VM_NAME_MAX);
}

bool vm_name_check(const char *name, GError **error)
{
	return check_name("name", name, error);
}

static bool check_id(const char *id, GError **error)
{
	return !id || check_name("id", id, error);
}

/* ---- memory, cpus, boot ---- */

static bool check_memory(const void *obj, GError **error)
{
	const struct spec_memory *m = obj;

	if (m->size % MiB)
		return invalid(error, "size must be a multiple of 1M");
	if (m->page_size && m->page_size != 2 * MiB && m->page_size != GiB)
		return invalid(error, "page-size must be 0, 2M or 1G");
	if (m->page_size && m->size % m->page_size)
		return invalid(error, "size must be a multiple of page-size");
	return true;
}

static const struct prop memory_props[] = {
	PROP_SIZE("size", struct spec_memory, size, VM_MEMORY_MIN, VM_MEMORY_MAX, 512 * MiB,
		"bytes of guest memory, a multiple of 1M"),
	PROP_BOOL("shared", struct spec_memory, shared, false,
		"back it with a file descriptor that other processes can map (vhost-user)"),
	PROP_SIZE("page-size", struct spec_memory, page_size, 0, GiB, 0,
		"bytes of the huge pages to take it from: 2M or 1G; 0: ordinary memory"),
	PROP_BOOL("prealloc", struct spec_memory, prealloc, false,
		"touch all of it before the guest starts"),
	PROP_END,
};

static const struct prop_table memory_table = {
	.name = "memory",
	.doc = "Guest memory",
	.size = sizeof(struct spec_memory),
	.props = memory_props,
	.check = check_memory,
};

static bool check_cpus(const void *obj, GError **error)
{
	const struct spec_cpus *c = obj;
	uint64_t all = (uint64_t)c->sockets * c->cores * c->threads;

	if (all && all < c->count)
		return invalid(error, "sockets × cores × threads must be at least count");
	if (all > VM_CPUS_MAX)
		return err_set(error, VMMD_ERROR_INVALID,
			"sockets × cores × threads must be at most %d", VM_CPUS_MAX);
	return true;
}

static const struct prop cpus_props[] = {
	PROP_U32("count", struct spec_cpus, count, 1, VM_CPUS_MAX, 1, "virtual CPUs at start"),
	PROP_U32("sockets", struct spec_cpus, sockets, 0, VM_CPUS_MAX, 0,
		"sockets of a full machine; 0: derived"),
	PROP_U32("cores", struct spec_cpus, cores, 0, VM_CPUS_MAX, 0,
		"cores of a socket; 0: derived"),
	PROP_U32("threads", struct spec_cpus, threads, 0, VM_CPUS_MAX, 0,
		"threads of a core; 0: derived"),
	PROP_END,
};

static const struct prop_table cpus_table = {
	.name = "cpus",
	.doc = "Virtual CPUs and their topology",
	.size = sizeof(struct spec_cpus),
	.props = cpus_props,
	.check = check_cpus,
};

static bool check_boot(const void *obj, GError **error)
{
	const struct spec_boot *b = obj;

	if (b->initrd.path && !b->kernel.path)
		return invalid(error, "initrd needs a kernel");
	if (b->cmdline && !b->kernel.path)
		return invalid(error, "cmdline needs a kernel");
	return true;
}

static const struct prop boot_props[] = {
	PROP_FILE("firmware", struct spec_boot, firmware, 0,
		"firmware image, mapped below 4 GiB; absent: SeaBIOS, unless there is a kernel"),
	PROP_FILE("kernel", struct spec_boot, kernel, 0,
		"bzImage, or ELF with a PVH note, entered directly without firmware"),
	PROP_FILE("initrd", struct spec_boot, initrd, 0, "initial RAM disk for the kernel"),
	PROP_STR("cmdline", struct spec_boot, cmdline, 4095, NULL, "command line for the kernel"),
	PROP_END,
};

static const struct prop_table boot_table = {
	.name = "boot",
	.doc = "What the machine starts with",
	.size = sizeof(struct spec_boot),
	.props = boot_props,
	.check = check_boot,
};

/* ---- character streams ---- */

static const char *const chardev_types[] = {
	[SPEC_CHR_NULL] = "null",
	[SPEC_CHR_PTY] = "pty",
	[SPEC_CHR_SOCKET] = "socket",
	[SPEC_CHR_FILE] = "file",
	[SPEC_CHR_STDIO] = "stdio",
	NULL,
};

static bool check_chardev(const void *obj, GError **error)
{
	const struct spec_chardev *c = obj;

	if (c->type == SPEC_CHR_FILE && !c->path.path)
		return invalid(error, "type file needs a path");
	if (c->type != SPEC_CHR_FILE && c->path.path)
		return invalid(error, "path is for type file");
	if (c->type != SPEC_CHR_SOCKET && c->listen.path)
		return invalid(error, "listen is for type socket");
	return true;
}

static const struct prop chardev_props[] = {
	PROP_ENUM("type", struct spec_chardev, type, chardev_types, SPEC_CHR_NULL,
		"where the stream goes"),
	PROP_FILE("path", struct spec_chardev, path, PROP_APPEND, "file: what it is appended to"),
	PROP_FILE("listen", struct spec_chardev, listen, PROP_LISTEN,
		"socket: path of a Unix socket that serves one client at a time; the daemon has "
		"one of "
		"its own"),
	PROP_SIZE("history", struct spec_chardev, history, 0, 16 * MiB, 64 * KiB,
		"socket, pty: bytes of output kept for who connects later"),
	PROP_END,
};

static const struct prop_table chardev_table = {
	.name = "chardev",
	.doc = "The host's end of a character stream",
	.size = sizeof(struct spec_chardev),
	.props = chardev_props,
	.check = check_chardev,
};

/* ---- disks ---- */

static const char *const disk_buses[] = {[SPEC_DISK_VIRTIO] = "virtio", NULL};
static const char *const disk_drivers[] = {
	[SPEC_DISK_FILE] = "file", [SPEC_DISK_NULL] = "null", NULL};
static const char *const disk_formats[] = {[SPEC_FORMAT_RAW] = "raw", NULL};
static const char *const cache_modes[] = {
	[SPEC_CACHE_NONE] = "none",
	[SPEC_CACHE_WRITEBACK] = "writeback",
	[SPEC_CACHE_WRITETHROUGH] = "writethrough",
	[SPEC_CACHE_UNSAFE] = "unsafe",
	NULL,
};
static const char *const error_policies[] = {
	[SPEC_ERROR_REPORT] = "report",
	[SPEC_ERROR_STOP] = "stop",
	[SPEC_ERROR_IGNORE] = "ignore",
	[SPEC_ERROR_ENOSPC] = "enospc",
	NULL,
};

#define QUEUES_MAX     64
#define QUEUE_SIZE_MIN 2
#define QUEUE_SIZE_MAX 1024
#define BLOCK_MAX      (32 * KiB)

static bool check_block_sizes(const struct spec_disk *d, GError **error)
{
	if (d->logical_block && d->logical_block != 512 && d->logical_block != 4096)
		return invalid(error, "logical-block must be 0, 512 or 4096");
	if (d->physical_block && (!is_power_of_2(d->physical_block) || d->physical_block < 512))
		return invalid(error, "physical-block must be 0 or a power of two from 512");
	if (d->physical_block && d->physical_block < d->logical_block)
		return invalid(error, "physical-block must be at least logical-block");
	return true;
}

static bool check_serial(const char *serial, GError **error)
{
	for (; serial && *serial; serial++) {
		if (!g_ascii_isgraph(*serial))
			return invalid(error, "serial must be printable ASCII without spaces");
	}
	return true;
}

static bool check_queues(uint32_t queue_size, GError **error)
{
	if (!is_power_of_2(queue_size))
		return invalid(error, "queue-size must be a power of two");
	return true;
}

static bool check_disk(const void *obj, GError **error)
{
	const struct spec_disk *d = obj;

	if (d->driver == SPEC_DISK_FILE && !d->file.path)
		return invalid(error, "driver file needs a file");
	if (d->driver == SPEC_DISK_NULL && (d->file.path || !d->size))
		return invalid(error, "driver null needs a size and takes no file");
	if (d->driver == SPEC_DISK_FILE && d->size)
		return invalid(error, "size is for driver null");
	if (d->size % 4096)
		return invalid(error, "size must be a multiple of 4096");
	return check_id(d->id, error) && check_serial(d->serial, error) &&
	       check_queues(d->queue_size, error) && check_block_sizes(d, error);
}

static const struct prop disk_props[] = {
	PROP_STR("id", struct spec_disk, id, VM_NAME_MAX, NULL,
		"its name within the VM; absent: disk0, disk1, …"),
	PROP_ENUM(
		"bus", struct spec_disk, bus, disk_buses, SPEC_DISK_VIRTIO, "what the guest sees"),
	PROP_ENUM("driver", struct spec_disk, driver, disk_drivers, SPEC_DISK_FILE,
		"what holds its bytes; null reads zeroes and forgets writes, for benchmarks"),
	PROP_ENUM("format", struct spec_disk, format, disk_formats, SPEC_FORMAT_RAW,
		"format of the file"),
	PROP_FILE("file", struct spec_disk, file, PROP_READWRITE,
		"image file or block device of the host"),
	PROP_SIZE(
		"size", struct spec_disk, size, 0, UINT64_C(1) << 50, 0, "driver null: its bytes"),
	PROP_BOOL("readonly", struct spec_disk, readonly, false, "the guest cannot write it"),
	PROP_ENUM("cache", struct spec_disk, cache, cache_modes, SPEC_CACHE_WRITEBACK,
		"none: past the host's page cache; writethrough: every write durable; unsafe: "
		"flushes ignored"),
	PROP_STR("serial", struct spec_disk, serial, 20, NULL,
		"serial number that the guest sees; absent: derived from uuid and id"),
	PROP_ENUM("read-error", struct spec_disk, read_error, error_policies, SPEC_ERROR_REPORT,
		"when a read fails: tell the guest, stop the VM, or ignore; enospc: stop only when "
		"the host is full"),
	PROP_ENUM("write-error", struct spec_disk, write_error, error_policies, SPEC_ERROR_ENOSPC,
		"the same for writes"),
	PROP_U32("bootindex", struct spec_disk, bootindex, 0, 255, 0,
		"lower boots first; 0: not booted from"),
	PROP_U32("queues", struct spec_disk, queues, 1, QUEUES_MAX, 1, "request queues"),
	PROP_U32("queue-size", struct spec_disk, queue_size, QUEUE_SIZE_MIN, QUEUE_SIZE_MAX, 256,
		"entries of each queue, a power of two"),
	PROP_PCI("addr", struct spec_disk, addr,
		"PCI slot, hexadecimal; absent: the next free one, then kept"),
	PROP_U32("logical-block", struct spec_disk, logical_block, 0, 4096, 0,
		"bytes of its blocks, 512 or 4096; 0: what the host's device says"),
	PROP_U32("physical-block", struct spec_disk, physical_block, 0, BLOCK_MAX, 0,
		"bytes that are best written at once; 0: what the host's device says"),
	PROP_END,
};

static const struct prop_table disk_table = {
	.name = "disk",
	.doc = "A disk",
	.size = sizeof(struct spec_disk),
	.props = disk_props,
	.check = check_disk,
};

/* ---- network ---- */

static bool check_forward(const void *obj, GError **error)
{
	const struct spec_forward *f = obj;
	struct in_addr a;

	if (strcmp(f->protocol, "tcp") != 0 && strcmp(f->protocol, "udp") != 0)
		return invalid(error, "protocol must be one of tcp, udp");
	if (f->host_address && inet_pton(AF_INET, f->host_address, &a) != 1)
		return invalid(error, "host-address must be an IPv4 address");
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
		return invalid(
			error, "network must be like 10.0.2.0/24, with a prefix from 8 to 27");
	if (ntohl(a.s_addr) & (UINT32_MAX >> prefix))
		return invalid(error, "network has bits set beyond its prefix");
	return true;
}

static bool check_hostname(const char *name, GError **error)
{
	for (const char *p = name; p && *p; p++) {
		if (!g_ascii_isalnum(*p) && (*p != '-' || p == name))
			return invalid(error, "hostname must be letters, digits and hyphens");
	}
	return true;
}

static bool check_net_backend(const void *obj, GError **error)
{
	const struct spec_net_backend *b = obj;

	if (b->type != SPEC_NET_FD && b->fd.path)
		return invalid(error, "fd is for type fd");
	if (b->type != SPEC_NET_USER &&
		(b->network || b->restrict_ || b->n_forwards || b->hostname))
		return invalid(error, "network, restrict, forwards and hostname are for type user");
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

static bool check_nic(const void *obj, GError **error)
{
	const struct spec_nic *n = obj;

	if (n->mtu && n->mtu < 68)
		return invalid(error, "mtu must be 0 or at least 68");
	return check_id(n->id, error) && check_queues(n->queue_size, error);
}

static const struct prop nic_props[] = {
	PROP_STR("id", struct spec_nic, id, VM_NAME_MAX, NULL,
		"its name within the VM; absent: net0, net1, …"),
	PROP_MAC(
		"mac", struct spec_nic, mac, "MAC address; absent: 52:54:00 and random, then kept"),
	PROP_OBJECT("backend", struct spec_nic, backend, &net_backend_table, 0,
		"what it is connected to"),
	PROP_PCI("addr", struct spec_nic, addr,
		"PCI slot, hexadecimal; absent: the next free one, then kept"),
	PROP_U32("bootindex", struct spec_nic, bootindex, 0, 255, 0,
		"lower boots first; 0: not booted from"),
	PROP_U16("mtu", struct spec_nic, mtu, 0, UINT16_MAX, 0,
		"largest packet offered to the guest, bytes; 0: not offered"),
	PROP_U32("queues", struct spec_nic, queues, 1, QUEUES_MAX, 1, "pairs of queues"),
	PROP_U32("queue-size", struct spec_nic, queue_size, QUEUE_SIZE_MIN, QUEUE_SIZE_MAX, 256,
		"entries of each queue, a power of two"),
	PROP_END,
};

static const struct prop_table nic_table = {
	.name = "nic",
	.doc = "A virtio network interface",
	.size = sizeof(struct spec_nic),
	.props = nic_props,
	.check = check_nic,
};

/* ---- serial ports, consoles, random numbers ---- */

static bool check_serial_port(const void *obj, GError **error)
{
	return check_id(((const struct spec_serial *)obj)->id, error);
}

static const struct prop serial_props[] = {
	PROP_STR("id", struct spec_serial, id, VM_NAME_MAX, NULL,
		"its name within the VM; absent: serial0, …"),
	PROP_OBJECT(
		"chardev", struct spec_serial, chardev, &chardev_table, 0, "where its stream goes"),
	PROP_END,
};

static const struct prop_table serial_table = {
	.name = "serial",
	.doc = "A 16550 serial port: COM1, COM2, …",
	.size = sizeof(struct spec_serial),
	.props = serial_props,
	.check = check_serial_port,
};

static bool check_console(const void *obj, GError **error)
{
	return check_id(((const struct spec_console *)obj)->id, error);
}

static const struct prop console_props[] = {
	PROP_STR("id", struct spec_console, id, VM_NAME_MAX, NULL,
		"its name within the VM; absent: console0, …"),
	PROP_OBJECT("chardev", struct spec_console, chardev, &chardev_table, 0,
		"where its stream goes"),
	PROP_PCI("addr", struct spec_console, addr,
		"PCI slot, hexadecimal; absent: the next free one, then kept"),
	PROP_END,
};

static const struct prop_table console_table = {
	.name = "console",
	.doc = "A virtio console",
	.size = sizeof(struct spec_console),
	.props = console_props,
	.check = check_console,
};

static const struct prop rng_props[] = {
	PROP_PCI("addr", struct spec_rng, addr,
		"PCI slot, hexadecimal; absent: the next free one, then kept"),
	PROP_END,
};

static const struct prop_table rng_table = {
	.name = "rng",
	.doc = "A virtio source of random numbers",
	.size = sizeof(struct spec_rng),
	.props = rng_props,
};

/* ---- the rest ---- */

static bool check_fw_cfg(const void *obj, GError **error)
{
	const struct spec_fw_cfg *f = obj;

	if (!g_str_has_prefix(f->name, "opt/"))
		return invalid(error, "name must begin with opt/");
	if (!f->string == !f->file.path)
		return invalid(error, "needs one of string and file");
	return true;
}

static const struct prop fw_cfg_props[] = {
	{.name = "name",
		.type = PROP_TYPE_STR,
		.offset = offsetof(struct spec_fw_cfg, name),
		.max = 55,
		.flags = PROP_REQUIRED,
		.doc = "its name, opt/…"},
	PROP_STR("string", struct spec_fw_cfg, string, 4096, NULL, "its content"),
	PROP_FILE("file", struct spec_fw_cfg, file, 0, "a file with its content"),
	PROP_END,
};

static const struct prop_table fw_cfg_table = {
	.name = "fw-cfg",
	.doc = "A file that firmware and guest read through fw_cfg",
	.size = sizeof(struct spec_fw_cfg),
	.props = fw_cfg_props,
	.check = check_fw_cfg,
};

static bool check_device(const void *obj, GError **error)
{
	const struct spec_device *d = obj;

	return check_name("type", d->type, error) && check_id(d->id, error);
}

static const struct prop device_props[] = {
	{.name = "type",
		.type = PROP_TYPE_STR,
		.offset = offsetof(struct spec_device, type),
		.max = VM_NAME_MAX,
		.flags = PROP_REQUIRED,
		.doc = "name of the device as in docs/devices.md"},
	PROP_STR("id", struct spec_device, id, VM_NAME_MAX, NULL,
		"its name within the VM; absent: dev0, …"),
	PROP_OBJECT("chardev", struct spec_device, chardev, &chardev_table, 0,
		"where its stream goes, if it has one"),
	PROP_PCI("addr", struct spec_device, addr, "PCI slot, hexadecimal, if it is a PCI device"),
	PROP_EXTRA(struct spec_device, props, "a property of the device"),
	PROP_END,
};

static const struct prop_table device_table = {
	.name = "device",
	.doc = "Any other device, by name",
	.size = sizeof(struct spec_device),
	.props = device_props,
	.check = check_device,
};

/* ---- the VM ---- */

/* The alias comes last: it is read and never written (see vm_spec_normalize). */
static const char *const machines[] = {[SPEC_MACHINE_PC] = "pc-1.0", "pc", NULL};
#define MACHINE_ALIAS_PC (SPEC_MACHINE_PC + 1)

static const char *const accels[] = {[SPEC_ACCEL_KVM] = "kvm", [SPEC_ACCEL_QTEST] = "qtest", NULL};
static const char *const actions[] = {
	[SPEC_ACTION_RESET] = "reset",
	[SPEC_ACTION_SHUTDOWN] = "shutdown",
	[SPEC_ACTION_PAUSE] = "pause",
	[SPEC_ACTION_NONE] = "none",
	NULL,
};

static bool check_vm(const void *obj, GError **error)
{
	return vm_name_check(((const struct vm_spec *)obj)->name, error);
}

static const struct prop vm_props[] = {
	{.name = "name",
		.type = PROP_TYPE_STR,
		.offset = offsetof(struct vm_spec, name),
		.max = VM_NAME_MAX,
		.flags = PROP_REQUIRED,
		.doc = "name of the VM, unique on its host: letters, digits, '.', '_', '-'"},
	PROP_UUID("uuid", struct vm_spec, uuid, "absent: random, then kept"),
	PROP_ENUM("machine", struct vm_spec, machine, machines, SPEC_MACHINE_PC,
		"machine type with its version; a name without version stands for its newest"),
	PROP_ENUM("accel", struct vm_spec, accel, accels, SPEC_ACCEL_KVM, "what runs the CPUs"),
	PROP_OBJECT("memory", struct vm_spec, memory, &memory_table, 0, "guest memory"),
	PROP_OBJECT("cpus", struct vm_spec, cpus, &cpus_table, 0, "virtual CPUs"),
	PROP_OBJECT("boot", struct vm_spec, boot, &boot_table, 0, "what the machine starts with"),
	PROP_LIST("disks", struct vm_spec, disks, n_disks, &disk_table, "disks"),
	PROP_LIST("nics", struct vm_spec, nics, n_nics, &nic_table, "network interfaces"),
	PROP_LIST("serials", struct vm_spec, serials, n_serials, &serial_table,
		"serial ports, COM1 first"),
	PROP_LIST("consoles", struct vm_spec, consoles, n_consoles, &console_table,
		"virtio consoles"),
	PROP_OBJECT("rng", struct vm_spec, rng, &rng_table, 0,
		"virtio source of random numbers; absent: none"),
	PROP_LIST("fw-cfg", struct vm_spec, fw_cfg, n_fw_cfg, &fw_cfg_table,
		"files for firmware and guest"),
	PROP_LIST("devices", struct vm_spec, devices, n_devices, &device_table, "other devices"),
	PROP_ENUM("on-reboot", struct vm_spec, on_reboot, actions, SPEC_ACTION_RESET,
		"when the guest resets itself"),
	PROP_ENUM("on-crash", struct vm_spec, on_crash, actions, SPEC_ACTION_SHUTDOWN,
		"when the guest reports a panic"),
	PROP_BOOL("autostart", struct vm_spec, autostart, false, "start it with the host"),
	PROP_END,
};

const struct prop_table vm_spec_table = {
	.name = "vm",
	.doc = "A virtual machine: everything that is configured about it",
	.size = sizeof(struct vm_spec),
	.props = vm_props,
	.check = check_vm,
};

void vm_spec_normalize(struct vm_spec *spec)
{
	if (spec->machine == MACHINE_ALIAS_PC)
		spec->machine = SPEC_MACHINE_PC;
}

struct vm_spec *vm_spec_decode(struct json_object *json, GError **error)
{
	struct vm_spec *spec = prop_decode(&vm_spec_table, json, 0, error);

	if (spec)
		vm_spec_normalize(spec);
	return spec;
}

struct vm_spec *vm_spec_parse(const char *text, size_t len, GError **error)
{
	g_autoptr(json_object) json = NULL;

	return json_parse(text, len, &json, error) ? vm_spec_decode(json, error) : NULL;
}

struct json_object *vm_spec_encode(const struct vm_spec *spec)
{
	return prop_encode(&vm_spec_table, spec, PROP_ENCODE_BRIEF);
}

void vm_spec_free(struct vm_spec *spec)
{
	prop_object_free(&vm_spec_table, spec);
}
