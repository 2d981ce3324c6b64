/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/daemon/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/prop-json.h"
#include "base/fdpass.h"

struct fixture {
	char *run;
	int dir;
};

static void setup(struct fixture *f, const void *data)
{
	g_autofree char *parent = g_dir_make_tmp("rundir-XXXXXX", NULL);
	/* Longer than a socket address. */
	g_autofree char *deep = g_strnfill(150, 'd');
	GError *e = NULL;

	f->run = g_build_filename(parent, deep, NULL);
	f->dir = rundir_open(f->run, "a", true, &e);
	g_assert_no_error(e);
}

static void teardown(struct fixture *f, const void *data)
{
	g_autofree char *vms = g_build_filename(f->run, "vms", NULL),
			*parent = g_path_get_dirname(f->run);

	fd_close(&f->dir);
	rundir_remove(f->run, "a");
	g_assert_cmpint(rmdir(vms), ==, 0);
	g_assert_cmpint(rmdir(f->run), ==, 0);
	g_assert_cmpint(rmdir(parent), ==, 0);
	g_free(f->run);
}

static void test_missing(struct fixture *f, const void *data)
{
	g_autoptr(GError) e = NULL;

	g_assert_cmpint(rundir_open(f->run, "b", false, &e), ==, -1);
	g_assert_error(e, VMMD_ERROR, VMMD_ERROR_NOT_FOUND);
	rundir_remove(f->run, "b");
}

static void test_sockets(struct fixture *f, const void *data)
{
	GError *e = NULL;
	int fd, client;

	g_assert_cmpint(rundir_connect(f->dir, "s"), ==, -ENOENT);
	fd = rundir_bind(f->dir, "s", &e);
	g_assert_no_error(e);
	g_assert_cmpint(rundir_connect(f->dir, "s"), ==, -ECONNREFUSED);
	g_assert_cmpint(listen(fd, 0), ==, 0);
	client = rundir_connect(f->dir, "s");
	g_assert_cmpint(client, >=, 0);
	/* The backlog is full. */
	g_assert_cmpint(rundir_connect(f->dir, "s"), ==, -EAGAIN);
	close(client);
	close(fd);
	/* What was left behind is no obstacle. */
	fd = rundir_bind(f->dir, "s", &e);
	g_assert_no_error(e);
	close(fd);
}

static void put(struct fixture *f, const char *text)
{
	g_assert_true(rundir_write(f->dir, RUNDIR_STATUS, text, strlen(text), NULL));
}

static void test_status(struct fixture *f, const void *data)
{
	static const char *const bad[] = {"", "{", "null", "[]", "{\"reason\":\"x\"}",
		"{\"state\":\"dancing\"}", "{\"state\":1}"};
	struct op_exit *e;

	g_assert_null(rundir_read_status(f->dir));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		put(f, bad[i]);
		g_assert_null(rundir_read_status(f->dir));
	}
	put(f, "{\"state\":\"crashed\",\"reason\":\"oh\",\"from-the-future\":1}");
	e = rundir_read_status(f->dir);
	g_assert_cmpint(e->state, ==, OP_EXIT_CRASHED);
	g_assert_cmpstr(e->reason, ==, "oh");
	prop_object_free(&op_exit_table, e);
}

static off_t size_of(struct fixture *f, const char *file)
{
	struct stat st;

	return fstatat(f->dir, file, &st, 0) < 0 ? -1 : st.st_size;
}

static void test_log(struct fixture *f, const void *data)
{
	GError *e = NULL;
	int log = rundir_open_log(f->dir, &e);
	g_autofree char *noise = g_strnfill(1 << 20, 'x'), *words = NULL;

	g_assert_no_error(e);
	g_assert_null(rundir_last_words(f->dir));
	g_assert_cmpint(fd_write_all(log, "first\nvmmd-vm: it broke\n\n", 25), ==, 0);
	words = rundir_last_words(f->dir);
	g_assert_cmpstr(words, ==, "vmmd-vm: it broke");
	rundir_trim_log(f->dir);
	g_assert_cmpint(size_of(f, RUNDIR_LOG), ==, 25);
	/* A log that grew too long is cut under its writer, who writes on at its new end. */
	g_assert_cmpint(fd_write_all(log, noise, 1 << 20), ==, 0);
	g_assert_cmpint(fd_write_all(log, "last\n", 5), ==, 0);
	rundir_trim_log(f->dir);
	g_assert_cmpint(size_of(f, RUNDIR_LOG), ==, 0);
	g_assert_cmpint(size_of(f, RUNDIR_LOG ".1"), ==, 65536);
	g_assert_cmpint(fd_write_all(log, "on\n", 3), ==, 0);
	g_assert_cmpint(size_of(f, RUNDIR_LOG), ==, 3);
	close(log);
	/* The next start keeps it aside. */
	log = rundir_open_log(f->dir, &e);
	g_assert_cmpint(size_of(f, RUNDIR_LOG), ==, 0);
	g_assert_cmpint(size_of(f, RUNDIR_LOG ".1"), ==, 3);
	close(log);
}

/* The folder is the daemon's, but nothing in it is followed anywhere else. */
static void test_links(struct fixture *f, const void *data)
{
	size_t len;

	g_assert_cmpint(symlinkat("/etc/hostname", f->dir, RUNDIR_STATUS), ==, 0);
	g_assert_null(rundir_read_tail(f->dir, RUNDIR_STATUS, 100, &len));
	g_assert_false(rundir_write(f->dir, RUNDIR_STATUS, "x", 1, NULL));
	g_assert_cmpint(mkfifoat(f->dir, RUNDIR_SPEC, 0600), ==, 0);
	g_assert_null(rundir_read_tail(f->dir, RUNDIR_SPEC, 100, &len));
}

#define TEST(name, fn) g_test_add("/rundir/" name, struct fixture, NULL, setup, fn, teardown)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	TEST("missing", test_missing);
	TEST("sockets", test_sockets);
	TEST("status", test_status);
	TEST("log", test_log);
	TEST("links", test_links);
	return g_test_run();
}
