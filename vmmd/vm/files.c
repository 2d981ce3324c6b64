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

#define DEFAULT_FIRMWARE "/usr/share/seabios/bios-256k.bin"

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

static int listen_at(const char *path, GError **error)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		err_set(error, VMMD_ERROR_INVALID, "the path of a socket has at most %zu bytes",
			sizeof(sa.sun_path) - 1);
		return -1;
	}
	g_strlcpy(sa.sun_path, path, sizeof(sa.sun_path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(fd, 1) == 0)
		return fd;
	err_set_errno(error, errno, "cannot listen at %s", path);
	fd_close(&fd);
	return -1;
}

static bool open_path(const struct prop *p, struct prop_file *file, int flags, GError **error)
{
	if (p->flags & PROP_LISTEN) {
		file->fd = listen_at(file->path, error);
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

bool vm_files_open(struct vm_spec *spec, GArray *files, GError **error)
{
	struct spec_boot *b = spec->boot;

	if (!b->firmware.path && !b->kernel.path && !has(files, "/boot/firmware") &&
		!has(files, "/boot/kernel"))
		b->firmware.path = g_strdup(DEFAULT_FIRMWARE);
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
