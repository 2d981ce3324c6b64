/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/daemon/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/json.h"
#include "api/prop-json.h"
#include "base/fdpass.h"

#define LOG_MAX    (1 * MiB)
#define LOG_KEEP   (64 * KiB)
#define LOG_OLD    RUNDIR_LOG ".1"
#define STATUS_MAX 4096

static char *dir_path(const char *run, const char *name)
{
	return g_build_filename(run, "vms", name, NULL);
}

int rundir_open(const char *run, const char *name, bool make, GError **error)
{
	g_autofree char *path = dir_path(run, name);
	int dir;

	if (make && g_mkdir_with_parents(path, 0700) < 0) {
		err_set_errno(error, errno, "cannot make the folder %s", path);
		return -1;
	}
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		err_set_errno(error, errno, "cannot open the folder %s", path);
	return dir;
}

void rundir_remove(const char *run, const char *name)
{
	g_autofree char *path = dir_path(run, name);
	DIR *d = opendir(path);
	struct dirent *e;

	if (!d)
		return;
	/* There are no folders in it. */
	while ((e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	rmdir(path);
}

/* ---- sockets ---- */

static void address(struct sockaddr_un *sa, int dir, const char *file)
{
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	g_snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%s", dir, file);
}

int rundir_bind(int dir, const char *file, GError **error)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa;

	address(&sa, dir, file);
	unlinkat(dir, file, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	err_set_errno(error, errno, "cannot make the socket %s", file);
	fd_close(&fd);
	return -1;
}

int rundir_connect(int dir, const char *file)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;
	struct sockaddr_un sa;

	address(&sa, dir, file);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	err = -errno;
	fd_close(&fd);
	return err;
}

/* ---- files ---- */

bool rundir_write(int dir, const char *file, const char *text, size_t len, GError **error)
{
	int fd = openat(dir, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600),
	    err;

	if (fd < 0)
		return err_set_errno(error, errno, "cannot write %s", file);
	err = fd_write_all(fd, text, len);
	fd_close(&fd);
	return err == 0 || err_set_errno(error, -err, "cannot write %s", file);
}

char *rundir_read_tail(int dir, const char *file, size_t max, size_t *ret_len)
{
	int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		text = g_malloc0(max + 1);
		n = pread(fd, text, max, st.st_size > (off_t)max ? st.st_size - (off_t)max : 0);
		*ret_len = n > 0 ? (size_t)n : 0;
	}
	fd_close(&fd);
	return text;
}

struct op_exit *rundir_read_status(int dir)
{
	g_autoptr(json_object) json = NULL;
	g_autofree char *text = NULL;
	size_t len = 0;

	text = rundir_read_tail(dir, RUNDIR_STATUS, STATUS_MAX, &len);
	if (!text || !json_parse(text, len, &json, NULL) || !json)
		return NULL;
	return prop_decode(&op_exit_table, json, PROP_DECODE_LENIENT, NULL);
}

/* ---- the log ---- */

int rundir_open_log(int dir, GError **error)
{
	int fd;

	renameat(dir, RUNDIR_LOG, dir, LOG_OLD);
	fd = openat(dir, RUNDIR_LOG, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		err_set_errno(error, errno, "cannot make the log");
	return fd;
}

/* The VM process writes on meanwhile; what it writes between the two steps is lost, no more. */
void rundir_trim_log(int dir)
{
	g_autofree char *text = NULL;
	struct stat st;
	size_t len = 0;
	int fd;

	if (fstatat(dir, RUNDIR_LOG, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size <= (off_t)LOG_MAX)
		return;
	text = rundir_read_tail(dir, RUNDIR_LOG, LOG_KEEP, &len);
	fd = openat(dir, RUNDIR_LOG, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (text && fd >= 0 && rundir_write(dir, LOG_OLD, text, len, NULL))
		(void)!ftruncate(fd, 0);
	fd_close(&fd);
}

char *rundir_last_words(int dir)
{
	g_autofree char *text = NULL, *valid = NULL;
	size_t len = 0;
	char *line;

	text = rundir_read_tail(dir, RUNDIR_LOG, 1024, &len);
	if (!text)
		return NULL;
	valid = g_utf8_make_valid(text, (gssize)len);
	g_strchomp(valid);
	line = strrchr(valid, '\n');
	line = line ? line + 1 : valid;
	return *line ? g_strdup(line) : NULL;
}
