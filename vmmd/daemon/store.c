/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/daemon/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fdpass.h"

#define SUFFIX     ".json"
#define TMP_SUFFIX ".tmp"

static int host_open(int dir, const char *name, int flags, mode_t mode)
{
	return openat(dir, name, flags, mode);
}

static int host_rename(int dir, const char *from, const char *to)
{
	return renameat(dir, from, dir, to);
}

static int host_unlink(int dir, const char *name)
{
	return unlinkat(dir, name, 0);
}

const struct store_io store_host_io = {
	.open = host_open,
	.write = write,
	.fsync = fsync,
	.close = close,
	.rename = host_rename,
	.unlink = host_unlink,
};

bool store_open(struct store *s, const char *path, GError **error)
{
	*s = (struct store){.io = &store_host_io, .dir = -1};
	if (g_mkdir_with_parents(path, 0700) < 0)
		return err_set_errno(error, errno, "cannot make the folder %s", path);
	s->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return err_set_errno(error, errno, "cannot open the folder %s", path);
	if (flock(s->dir, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (errno == EWOULDBLOCK)
		err_set(error, VMMD_ERROR_STATE, "another vmmd keeps its VMs in %s", path);
	else
		err_set_errno(error, errno, "cannot lock the folder %s", path);
	store_close(s);
	return false;
}

void store_close(struct store *s)
{
	fd_close(&s->dir);
}

/* ---- writing ---- */

static char *file_name(const char *name)
{
	return g_strconcat(name, SUFFIX, NULL);
}

static char *tmp_name(const char *name)
{
	return g_strconcat(".", name, TMP_SUFFIX, NULL);
}

static int write_all(const struct store_io *io, int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = io->write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENOSPC;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A complete, synced file called @tmp. 0 or -errno. */
static int write_file(struct store *s, const char *tmp, const char *text, size_t len)
{
	int fd = s->io->open(s->dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), err;

	if (fd < 0)
		return -errno;
	err = write_all(s->io, fd, text, len);
	if (!err && s->io->fsync(fd) < 0)
		err = -errno;
	/* What close() says after a good fsync() cannot take the text back. */
	s->io->close(fd);
	return err;
}

bool store_save(struct store *s, const char *name, const char *text, size_t len, GError **error)
{
	g_autofree char *file = file_name(name), *tmp = tmp_name(name);
	int err = write_file(s, tmp, text, len);

	if (!err && s->io->rename(s->dir, tmp, file) < 0)
		err = -errno;
	if (err) {
		s->io->unlink(s->dir, tmp);
		return err_set_errno(error, -err, "cannot keep the definition of %s", name);
	}
	if (s->io->fsync(s->dir) < 0)
		return err_set_errno(
			error, errno, "the definition of %s may not survive a power cut", name);
	return true;
}

bool store_remove(struct store *s, const char *name, GError **error)
{
	g_autofree char *file = file_name(name);

	if (s->io->unlink(s->dir, file) < 0 && errno != ENOENT)
		return err_set_errno(error, errno, "cannot remove the definition of %s", name);
	if (s->io->fsync(s->dir) < 0)
		return err_set_errno(
			error, errno, "the definition of %s may come back after a power cut", name);
	return true;
}

/* ---- reading ---- */

static char *read_file(struct store *s, const char *file, size_t *ret_len, GError **error)
{
	int fd = openat(s->dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	char *text = NULL;

	if (fd < 0 || fstat(fd, &st) < 0) {
		err_set_errno(error, errno, "cannot open %s", file);
	} else if (!S_ISREG(st.st_mode) || st.st_size > (off_t)STORE_TEXT_MAX) {
		err_set(error, VMMD_ERROR_INVALID,
			"%s is not a definition: no regular file of at most %u MiB", file,
			(unsigned)(STORE_TEXT_MAX / MiB));
	} else {
		int err;

		*ret_len = (size_t)st.st_size;
		text = g_malloc0(*ret_len + 1);
		err = fd_read_all(fd, text, *ret_len);
		if (err < 0) {
			g_clear_pointer(&text, g_free);
			err_set_errno(error, -err, "cannot read %s", file);
		}
	}
	fd_close(&fd);
	return text;
}

static void load_file(struct store *s, const char *file, store_load_fn *fn, void *opaque)
{
	g_autofree char *name = g_strndup(file, strlen(file) - strlen(SUFFIX)), *text = NULL;
	g_autoptr(GError) e = NULL;
	size_t len = 0;

	text = read_file(s, file, &len, &e);
	fn(opaque, name, text, len, e);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of texts; temporary files are removed on the way. NULL: the folder cannot be read. */
static GPtrArray *list_files(struct store *s)
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	GPtrArray *files;

	if (!d) {
		fd_close(&fd);
		return NULL;
	}
	files = g_ptr_array_new_with_free_func(g_free);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.' && g_str_has_suffix(e->d_name, TMP_SUFFIX))
			s->io->unlink(s->dir, e->d_name);
		else if (e->d_name[0] != '.' && g_str_has_suffix(e->d_name, SUFFIX))
			g_ptr_array_add(files, g_strdup(e->d_name));
	}
	closedir(d);
	g_ptr_array_sort(files, compare_names);
	return files;
}

bool store_load(struct store *s, store_load_fn *fn, void *opaque, GError **error)
{
	g_autoptr(GPtrArray) files = list_files(s);

	if (!files)
		return err_set_errno(error, errno, "cannot read the folder of definitions");
	for (guint i = 0; i < files->len; i++)
		load_file(s, g_ptr_array_index(files, i), fn, opaque);
	return true;
}
