/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firmware's image below 4 GiB, and flash memory with UEFI variables below that. */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devmodel/platform/pflash.h"
#include "virtio-backends/block/drivers.h"
#include "vmmd/machine/machine-internal.h"

/* A VM's own copy of an image, so that a changed file changes no running guest. NULL with @error set. */
static struct gmem_block *load_image(const char *key, const struct prop_file *file, GError **error)
{
	struct gmem_block_conf conf = {.name = key, .kind = GMEM_PRIVATE};
	const char *name = file->path ? file->path : "this";
	struct gmem_block *block = NULL;
	g_autofree uint8_t *image = NULL;
	struct stat st;

	if (fstat(file->fd, &st) < 0) {
		err_set_errno(error, errno, "/boot/%s: cannot look at %s", key, name);
		return NULL;
	}
	conf.size = (uint64_t)st.st_size;
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || conf.size % PFLASH_BLOCK ||
		conf.size > FIRMWARE_MAX) {
		err_set(error, VMMD_ERROR_INVALID,
			"/boot/%s: an image has a multiple of 4 KiB and at most 16 MiB, %s has "
			"%" PRIu64 " bytes",
			key, name, conf.size);
		return NULL;
	}
	image = g_malloc(conf.size);
	if (pread(file->fd, image, conf.size, 0) != st.st_size)
		err_set(error, VMMD_ERROR_HOST, "/boot/%s: cannot read all of %s", key, name);
	else
		block = gmem_block_new(&conf, error);
	if (block)
		gmem_block_load(block, 0, image, conf.size);
	return block;
}

bool machine_load_firmware(struct machine *m, GError **error)
{
	const struct prop_file *file = &m->spec->boot->firmware;
	uint64_t size;

	if (file->fd < 0)
		return true;
	m->firmware = load_image("firmware", file, error);
	if (!m->firmware)
		return false;
	size = gmem_block_size(m->firmware);
	region_init_mem(&m->firmware_high, "firmware", m->firmware, 0, size, true);
	region_map(m->bus, &m->firmware_high, 4 * GiB - size, REGION_PRIO_DEVICE);
	return true;
}

bool machine_add_vars(struct machine *m, GError **error)
{
	const struct prop_file *file = &m->spec->boot->vars;
	struct blk_file_conf conf = {
		.id = "vars",
		.cache = BLK_CACHE_WRITEBACK,
		.read_error = BLK_ERROR_REPORT,
		.write_error = BLK_ERROR_REPORT,
		.loop = m->env.main,
		.error_event = m->env.block_error,
		.opaque = m->env.opaque,
	};
	uint64_t size;
	struct dev *d;

	if (file->fd < 0)
		return true;
	m->vars = load_image("vars", file, error);
	if (!m->vars)
		return false;
	conf.fd = machine_take_fd(file);
	m->vars_blk = blk_file_new(&conf, error);
	if (!m->vars_blk) {
		g_prefix_error(error, "/boot/vars: ");
		return false;
	}
	size = gmem_block_size(m->vars);
	d = dev_new(m->bus, &pflash_ops, "vars");
	machine_set_uint(d, "base", 4 * GiB - gmem_block_size(m->firmware) - size);
	machine_set_uint(d, "size", size);
	pflash_set_contents(d, m->vars, m->vars_blk);
	return dev_realize(d, error);
}
