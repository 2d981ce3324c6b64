/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/vm/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"

/* Packages seabios, ipxe-qemu and qemu-system-data. */
#define DEFAULT_FIRMWARE "/usr/share/seabios/bios-256k.bin"
#define VGA_ROM          "/usr/share/seabios/vgabios-stdvga.bin"
#define KERNEL_ROM       "/usr/share/qemu/linuxboot_dma.bin"
#define ROM_DIR          "/usr/lib/ipxe/qemu/"

bool vm_file_parse(GArray *files, const char *arg, GError **error)
{
	const char *eq = strrchr(arg, '=');
	struct vm_file f = {};
	char *end = NULL;
	uint64_t fd;

	if (*arg != '/' || !eq || !g_ascii_isdigit(eq[1]))
		return err_set(error, VMMD_ERROR_INVALID,
			"--file takes POINTER=FD like /disks/0/file=7, not '%s'", arg);
	fd = g_ascii_strtoull(eq + 1, &end, 10);
	if (*end || fd > INT32_MAX || fd_set_cloexec((int)fd, true) < 0)
		return err_set(error, VMMD_ERROR_INVALID, "--file %s: %s is not an open descriptor",
			arg, eq + 1);
	f.pointer = g_strndup(arg, (gsize)(eq - arg));
	f.fd = (int)fd;
	g_array_append_val(files, f);
	return true;
}

static int unix_socket(const char *path, struct sockaddr_un *ret, GError **error)
{
	int fd = -1;

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (g_strlcpy(ret->sun_path, path, sizeof(ret->sun_path)) >= sizeof(ret->sun_path))
		err_set(error, VMMD_ERROR_INVALID, "the path of a socket has at most %zu bytes",
			sizeof(ret->sun_path) - 1);
	else if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		err_set_errno(error, errno, "no socket can be made");
	return fd;
}

static int listen_at(const char *path, GError **error)
{
	struct sockaddr_un sa;
	int fd = unix_socket(path, &sa, error);

	if (fd < 0 || (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(fd, 1) == 0))
		return fd;
	err_set_errno(error, errno, "cannot listen at %s", path);
	fd_close(&fd);
	return -1;
}

/* Of Unix sockets a connection is there at once, or refused: the other end need not accept it yet. */
static int connect_to(const char *path, GError **error)
{
	struct sockaddr_un sa;
	int fd = unix_socket(path, &sa, error);

	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	err_set_errno(error, errno, "cannot connect to %s", path);
	fd_close(&fd);
	return -1;
}

static bool open_path(const struct prop *p, struct prop_file *file, int flags, GError **error)
{
	if (p->flags & (PROP_LISTEN | PROP_CONNECT)) {
		file->fd = p->flags & PROP_LISTEN ? listen_at(file->path, error)
						  : connect_to(file->path, error);
		return file->fd >= 0;
	}
	file->fd = open(file->path, flags | O_CLOEXEC | O_NOCTTY, 0600);
	if (file->fd < 0 && errno == EINVAL && (flags & O_DIRECT))
		return err_set(error, VMMD_ERROR_UNSUPPORTED,
			"the file system of %s has no direct I/O: use another cache mode than none",
			file->path);
	return file->fd >= 0 || err_set_errno(error, errno, "cannot open %s", file->path);
}

static bool fill(const char *pointer, const struct prop *p, struct prop_file *file, int flags,
	void *opaque, GError **error)
{
	GArray *files = opaque;

	for (guint i = 0; i < files->len; i++) {
		struct vm_file *f = &g_array_index(files, struct vm_file, i);

		if (strcmp(f->pointer, pointer) == 0) {
			file->fd = f->fd;
			f->used = true;
			if (!(p->flags & PROP_LISTEN) || listen(f->fd, 1) == 0)
				return true;
			return err_set_errno(
				error, errno, "%s: descriptor %d cannot listen", pointer, f->fd);
		}
	}
	if (!file->path || open_path(p, file, flags, error))
		return true;
	g_prefix_error(error, "%s: ", pointer);
	return false;
}

static bool has(GArray *files, const char *pointer)
{
	for (guint i = 0; i < files->len; i++) {
		if (strcmp(g_array_index(files, struct vm_file, i).pointer, pointer) == 0)
			return true;
	}
	return false;
}

static void default_file(struct prop_file *f, const char *path)
{
	if (f->fd < 0 && !f->path)
		f->path = g_strdup(path);
}

static void default_files(struct vm_spec *spec, GArray *files)
{
	static const char *const nic_roms[] = {
		[SPEC_NIC_VIRTIO] = ROM_DIR "efi-virtio.rom",
		[SPEC_NIC_E1000] = ROM_DIR "efi-e1000.rom",
		[SPEC_NIC_E1000E] = ROM_DIR "efi-e1000e.rom",
		[SPEC_NIC_RTL8139] = ROM_DIR "efi-rtl8139.rom",
	};
	struct spec_boot *b = spec->boot;
	bool direct = b->kernel_entry == SPEC_KERNEL_DIRECT &&
		      (b->kernel.path || has(files, "/boot/kernel"));

	if (!direct && !has(files, "/boot/firmware"))
		default_file(&b->firmware, DEFAULT_FIRMWARE);
	if (b->kernel_entry == SPEC_KERNEL_FIRMWARE && !b->vars.path &&
		!has(files, "/boot/kernel-rom"))
		default_file(&b->kernel_rom, KERNEL_ROM);
	if (spec->display && !has(files, "/display/rom"))
		default_file(&spec->display->rom, VGA_ROM);
	for (size_t i = 0; i < spec->n_nics; i++) {
		g_autofree char *pointer = g_strdup_printf("/nics/%zu/rom", i);

		if (spec->nics[i]->bootindex && !has(files, pointer))
			default_file(&spec->nics[i]->rom, nic_roms[spec->nics[i]->model]);
	}
}

bool vm_files_open(struct vm_spec *spec, GArray *files, GError **error)
{
	default_files(spec, files);
	if (!vm_spec_foreach_file(spec, fill, files, error))
		return false;
	for (guint i = 0; i < files->len; i++) {
		const struct vm_file *f = &g_array_index(files, struct vm_file, i);

		if (!f->used)
			return err_set(error, VMMD_ERROR_INVALID,
				"--file %s: the spec has no such file", f->pointer);
	}
	return true;
}
