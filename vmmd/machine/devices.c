/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "devmodel/platform/platform.h"
#include "virtio-backends/block/drivers.h"
#include "virtio-backends/char/drivers.h"
#include "virtio-backends/devices/devices.h"
#include "virtio-backends/net/drivers.h"
#include "vmmd/machine/machine-internal.h"

/* The fd of a file of the spec, handed over: the spec does not close it any more. */
static int take_fd(const struct prop_file *f)
{
	int fd = f->fd;

	((struct prop_file *)(uintptr_t)f)->fd = -1;
	return fd;
}

/* ---- character devices ---- */

static struct chardev *open_stdio(const char *id, GError **error)
{
	int in = dup(STDIN_FILENO), out = dup(STDOUT_FILENO);

	if (in >= 0 && out >= 0)
		return chardev_fd_new(id, out, in, error);
	fd_close(&in);
	fd_close(&out);
	err_set_errno(error, errno, "standard input or output is closed");
	return NULL;
}

static struct chardev *open_pty(
	struct machine *m, const char *id, const struct spec_chardev *c, GError **error)
{
	g_autofree char *name = NULL;
	struct chardev *chr = chardev_pty_new(id, c->history, &name, error);

	if (chr)
		g_ptr_array_add(m->ptys, g_strdup_printf("%s=%s", id, name));
	return chr;
}

struct chardev *machine_add_chardev(
	struct machine *m, const char *id, const struct spec_chardev *c, GError **error)
{
	struct chardev *chr = NULL;

	switch ((enum spec_chardev_type)c->type) {
	case SPEC_CHR_NULL: chr = chardev_null_new(id); break;
	case SPEC_CHR_PTY: chr = open_pty(m, id, c, error); break;
	case SPEC_CHR_SOCKET:
		chr = chardev_socket_new(id, take_fd(&c->listen), c->history, error);
		break;
	case SPEC_CHR_FILE: chr = chardev_fd_new(id, take_fd(&c->path), -1, error); break;
	case SPEC_CHR_STDIO: chr = open_stdio(id, error); break;
	}
	if (chr)
		g_ptr_array_add(m->chardevs, chr);
	return chr;
}

/* ---- PCI devices in general ---- */

/* A virtio function on the root bus, not realized yet. */
static struct dev *new_virtio(
	struct machine *m, const struct dev_ops *ops, const char *id, struct prop_pci addr)
{
	struct dev *d = dev_new(m->bus, ops, id);
	struct virtio_pci *vp = VIRTIO_PCI(to_pci_dev(d));

	vp->pci.bus = m->pci;
	vp->pci.addr = addr;
	vp->loop = m->env.io;
	return d;
}

static void set_uint(struct dev *d, const char *name, uint64_t v)
{
	g_autoptr(GError) error = NULL;

	if (!prop_set_uint(prop_find(d->ops->props, name), d, v, &error))
		g_error("%s.%s: %s", d->ops->name, name, error->message);
}

/* ---- disks ---- */

static enum blk_error_policy policy(int spec)
{
	static const enum blk_error_policy of_spec[] = {
		[SPEC_ERROR_REPORT] = BLK_ERROR_REPORT,
		[SPEC_ERROR_STOP] = BLK_ERROR_STOP,
		[SPEC_ERROR_IGNORE] = BLK_ERROR_IGNORE,
		[SPEC_ERROR_ENOSPC] = BLK_ERROR_ENOSPC,
	};

	return of_spec[spec];
}

static enum blk_cache cache_mode(int spec)
{
	static const enum blk_cache of_spec[] = {
		[SPEC_CACHE_NONE] = BLK_CACHE_NONE,
		[SPEC_CACHE_WRITEBACK] = BLK_CACHE_WRITEBACK,
		[SPEC_CACHE_WRITETHROUGH] = BLK_CACHE_WRITETHROUGH,
		[SPEC_CACHE_UNSAFE] = BLK_CACHE_UNSAFE,
	};

	return of_spec[spec];
}

static struct blk *open_disk(struct machine *m, const struct spec_disk *s, GError **error)
{
	struct blk_file_conf conf = {
		.id = s->id,
		.cache = cache_mode(s->cache),
		.readonly = s->readonly,
		.logical_block = s->logical_block,
		.physical_block = s->physical_block,
		.read_error = policy(s->read_error),
		.write_error = policy(s->write_error),
		.loop = m->env.main,
		.error_event = m->env.block_error,
		.opaque = m->env.opaque,
	};

	if (s->driver == SPEC_DISK_NULL)
		return blk_null_new(s->id, s->size, s->readonly, m->env.main);
	conf.fd = take_fd(&s->file);
	return blk_file_new(&conf, error);
}

static bool add_disk(struct machine *m, const struct spec_disk *s, GError **error)
{
	struct blk *blk = open_disk(m, s, error);
	struct dev *d;

	if (!blk)
		return false;
	g_ptr_array_add(m->disks, blk);
	d = new_virtio(m, &virtio_blk_pci_ops, s->id, s->addr);
	virtio_blk_set_backend(d, blk);
	set_uint(d, "num-queues", s->queues);
	set_uint(d, "queue-size", s->queue_size);
	if (s->serial && !prop_set_text(prop_find(d->ops->props, "serial"), d, s->serial, error)) {
		dev_free(d);
		return false;
	}
	return dev_realize(d, error);
}

/* ---- NICs ---- */

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
		return net_fd_new(s->id, take_fd(&s->backend->fd), m->env.main, error);
	return open_user_net(m, s, error);
}

static bool add_nic(struct machine *m, const struct spec_nic *s, GError **error)
{
	struct net *net = open_net(m, s, error);
	g_autofree char *mac = NULL;
	struct dev *d;

	if (!net)
		return false;
	g_ptr_array_add(m->nets, net);
	d = new_virtio(m, &virtio_net_pci_ops, s->id, s->addr);
	virtio_net_set_backend(d, net);
	set_uint(d, "queue-size", s->queue_size);
	set_uint(d, "mtu", s->mtu);
	mac = g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", s->mac[0], s->mac[1], s->mac[2],
		s->mac[3], s->mac[4], s->mac[5]);
	if (!prop_set_text(prop_find(d->ops->props, "mac"), d, mac, error)) {
		dev_free(d);
		return false;
	}
	return dev_realize(d, error);
}

/* ---- consoles, rng, others ---- */

static bool add_console(struct machine *m, const struct spec_console *s, GError **error)
{
	struct chardev *c = NULL;
	struct dev *d;

	if (s->chardev) {
		c = machine_add_chardev(m, s->id, s->chardev, error);
		if (!c)
			return false;
	}
	d = new_virtio(m, &virtio_console_pci_ops, s->id, s->addr);
	virtio_console_set_backend(d, c);
	return dev_realize(d, error);
}

static bool add_rng(struct machine *m, GError **error)
{
	return dev_realize(new_virtio(m, &virtio_rng_pci_ops, "rng0", m->spec->rng->addr), error);
}

static bool set_properties(struct dev *d, char **props, GError **error)
{
	for (; props && *props; props++) {
		g_auto(GStrv) nv = g_strsplit(*props, "=", 2);
		const struct prop *p = d->ops->props ? prop_find(d->ops->props, nv[0]) : NULL;

		if (!p)
			return err_set(error, VMMD_ERROR_INVALID, "%s: %s has no such property",
				nv[0], d->ops->name);
		if (!prop_set_text(p, d, nv[1] ? nv[1] : "on", error))
			return false;
	}
	return true;
}

static bool is_virtio(const struct dev_ops *ops)
{
	for (size_t i = 0; virtio_devices[i]; i++) {
		if (virtio_devices[i] == ops)
			return true;
	}
	return false;
}

/* What a VM may have once and by its own key of the spec only. */
static bool is_builtin(struct machine *m, const struct dev_ops *ops)
{
	return bus_find_dev(m->bus, ops->name) != NULL;
}

static bool add_other(struct machine *m, const struct spec_device *s, GError **error)
{
	const struct dev_ops *ops = machine_find_device(s->type);
	struct chardev *c = NULL;
	struct dev *d;

	if (!ops)
		return err_set(error, VMMD_ERROR_INVALID, "type: there is no device '%s'", s->type);
	if (is_builtin(m, ops))
		return err_set(error, VMMD_ERROR_INVALID,
			"type: the machine has its one %s already", s->type);
	if (ops != &isa_debugcon_ops && s->chardev)
		return err_set(error, VMMD_ERROR_INVALID, "chardev: %s has none", s->type);
	if (s->chardev) {
		c = machine_add_chardev(m, s->id, s->chardev, error);
		if (!c)
			return false;
	}
	d = is_virtio(ops) ? new_virtio(m, ops, s->id, s->addr) : dev_new(m->bus, ops, s->id);
	if (!set_properties(d, s->props, error)) {
		dev_free(d);
		return false;
	}
	if (ops == &isa_debugcon_ops)
		isa_debugcon_set_chardev(d, c);
	return dev_realize(d, error);
}

/* ---- all ---- */

static bool add_disk_at(struct machine *m, size_t i, GError **error)
{
	return add_disk(m, m->spec->disks[i], error);
}

static bool add_nic_at(struct machine *m, size_t i, GError **error)
{
	return add_nic(m, m->spec->nics[i], error);
}

static bool add_console_at(struct machine *m, size_t i, GError **error)
{
	return add_console(m, m->spec->consoles[i], error);
}

static bool add_other_at(struct machine *m, size_t i, GError **error)
{
	return add_other(m, m->spec->devices[i], error);
}

/* The objects of one list of the spec, whose name leads every error. */
static bool add_list(struct machine *m, const char *list, size_t n,
	bool (*add)(struct machine *m, size_t i, GError **error), GError **error)
{
	for (size_t i = 0; i < n; i++) {
		if (!add(m, i, error)) {
			g_prefix_error(error, "/%s/%zu: ", list, i);
			return false;
		}
	}
	return true;
}

bool machine_build_devices(struct machine *m, GError **error)
{
	const struct vm_spec *s = m->spec;

	return add_list(m, "disks", s->n_disks, add_disk_at, error) &&
	       add_list(m, "nics", s->n_nics, add_nic_at, error) &&
	       add_list(m, "consoles", s->n_consoles, add_console_at, error) &&
	       (!s->rng || add_rng(m, error)) &&
	       add_list(m, "devices", s->n_devices, add_other_at, error);
}
