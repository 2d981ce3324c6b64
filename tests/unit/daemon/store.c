/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store on a model of a disk that loses power or fails at every step of a save.
 *
 * The model keeps what the system calls made (memory) and what a power cut leaves (disk). Data
 * reaches the disk by fsync of its file, names by fsync of the folder. A file system may also write
 * names earlier than it must, so each cut is looked at twice: with the names as of the last fsync,
 * and with those of memory.
 */
#include "vmmd/daemon/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INODES   16
#define NAMES    8
#define FIRST_FD 1000
#define DIR_FD   999

struct inode {
	GString *memory, *disk;
};

struct name {
	char *name; /* NULL: free */
	int inode;
};

static struct {
	struct inode inode[INODES];
	struct name memory[NAMES], disk[NAMES];
	int n_inodes, step, fail_at, fail_errno;
	bool power_lost;
} model;

/* One step of the sequence; -1 when it is the one that fails, and after the power is gone. */
static int step(void)
{
	if (model.power_lost) {
		errno = EIO;
		return -1;
	}
	if (model.step++ != model.fail_at)
		return 0;
	errno = model.fail_errno;
	model.power_lost = !model.fail_errno;
	return -1;
}

static struct name *find(struct name *names, const char *name)
{
	for (int i = 0; i < NAMES; i++) {
		if (names[i].name && strcmp(names[i].name, name) == 0)
			return &names[i];
	}
	return NULL;
}

static void set_name(const char *name, int inode)
{
	struct name *n = find(model.memory, name);

	for (int i = 0; !n && i < NAMES; i++) {
		if (!model.memory[i].name)
			n = &model.memory[i];
	}
	g_assert_nonnull(n);
	g_free(n->name);
	*n = (struct name){.name = g_strdup(name), .inode = inode};
}

static int model_open(int dir, const char *name, int flags, mode_t mode)
{
	struct name *n = find(model.memory, name);

	g_assert_cmpint(flags & (O_CREAT | O_TRUNC | O_WRONLY), ==, O_CREAT | O_TRUNC | O_WRONLY);
	if (step() < 0)
		return -1;
	if (!n) {
		g_assert_cmpint(model.n_inodes, <, INODES);
		model.inode[model.n_inodes] = (struct inode){
			g_string_new(NULL), g_string_new(NULL)};
		set_name(name, model.n_inodes);
		return FIRST_FD + model.n_inodes++;
	}
	g_string_truncate(model.inode[n->inode].memory, 0);
	return FIRST_FD + n->inode;
}

/* In pieces, as the manual allows. */
static ssize_t model_write(int fd, const void *buf, size_t n)
{
	if (step() < 0)
		return -1;
	n = MIN(n, 10);
	g_string_append_len(model.inode[fd - FIRST_FD].memory, buf, (gssize)n);
	return (ssize_t)n;
}

static void sync_names(void)
{
	for (int i = 0; i < NAMES; i++) {
		g_free(model.disk[i].name);
		model.disk[i] = model.memory[i];
		model.disk[i].name = g_strdup(model.memory[i].name);
	}
}

static int model_fsync(int fd)
{
	if (step() < 0)
		return -1;
	if (fd == DIR_FD)
		sync_names();
	else
		g_string_assign(
			model.inode[fd - FIRST_FD].disk, model.inode[fd - FIRST_FD].memory->str);
	return 0;
}

static int model_close(int fd)
{
	return 0;
}

static int model_rename(int dir, const char *from, const char *to)
{
	struct name *n = find(model.memory, from);

	if (step() < 0)
		return -1;
	g_assert_nonnull(n);
	set_name(to, n->inode);
	g_clear_pointer(&n->name, g_free);
	return 0;
}

static int model_unlink(int dir, const char *name)
{
	struct name *n = find(model.memory, name);

	if (step() < 0)
		return -1;
	if (n) {
		g_clear_pointer(&n->name, g_free);
		return 0;
	}
	errno = ENOENT;
	return -1;
}

static const struct store_io model_io = {
	.open = model_open,
	.write = model_write,
	.fsync = model_fsync,
	.close = model_close,
	.rename = model_rename,
	.unlink = model_unlink,
};

static struct store store = {.io = &model_io, .dir = DIR_FD};

static void model_reset(void)
{
	for (int i = 0; i < model.n_inodes; i++) {
		g_string_free(model.inode[i].memory, TRUE);
		g_string_free(model.inode[i].disk, TRUE);
	}
	for (int i = 0; i < NAMES; i++) {
		g_free(model.memory[i].name);
		g_free(model.disk[i].name);
	}
	memset(&model, 0, sizeof(model));
	model.fail_at = -1;
}

static bool save(const char *text, GError **error)
{
	return store_save(&store, "a", text, strlen(text), error);
}

/* What the store has after a power cut, or NULL. */
static const char *after_cut(const struct name *names)
{
	struct name *n = find((struct name *)(uintptr_t)names, "a.json");

	return n ? model.inode[n->inode].disk->str : NULL;
}

/* What a process sees that goes on. */
static const char *in_memory(void)
{
	struct name *n = find(model.memory, "a.json");

	return n ? model.inode[n->inode].memory->str : NULL;
}

static const char old_text[] = "the old definition";
static const char new_text[] = "a new definition, which is longer";

/* @before NULL: there is none. */
static void prepare(const char *before)
{
	model_reset();
	if (before)
		g_assert_true(save(before, NULL));
	model.step = 0;
}

static int count_steps(const char *before)
{
	prepare(before);
	g_assert_true(save(new_text, NULL));
	g_assert_cmpint(model.step, >=, 7);
	return model.step;
}

static void assert_one_of(const char *text, const char *a, const char *b)
{
	if (g_strcmp0(text, a) != 0)
		g_assert_cmpstr(text, ==, b);
}

/*
 * Power goes at any step: the old text or the new, and never the old once the new was acknowledged.
 */
static void power_cuts(const char *before)
{
	int steps = count_steps(before);

	g_assert_cmpstr(after_cut(model.disk), ==, new_text);
	g_assert_cmpstr(after_cut(model.memory), ==, new_text);
	for (int at = 0; at < steps; at++) {
		prepare(before);
		model.fail_at = at;
		g_assert_false(save(new_text, NULL));
		assert_one_of(after_cut(model.disk), before, new_text);
		assert_one_of(after_cut(model.memory), before, new_text);
	}
}

static void test_power(void)
{
	power_cuts(NULL);
	power_cuts(old_text);
}

/* A step fails: the old text is what there is, also after a power cut, and nothing is left over. */
static void failures(const char *before, int err)
{
	int steps = count_steps(before);

	for (int at = 0; at < steps; at++) {
		g_autoptr(GError) e = NULL;
		/* The fsync of the folder: the new name is there, and may not last. */
		bool last = at == steps - 1;

		prepare(before);
		model.fail_at = at;
		model.fail_errno = err;
		g_assert_false(save(new_text, &e));
		g_assert_error(e, VMMD_ERROR, VMMD_ERROR_HOST);
		g_assert_nonnull(strstr(e->message, g_strerror(err)));
		g_assert_cmpstr(in_memory(), ==, last ? new_text : before);
		assert_one_of(after_cut(model.disk), before, last ? new_text : before);
		g_assert_null(find(model.memory, ".a.tmp"));
	}
}

static void test_failures(void)
{
	failures(NULL, ENOSPC);
	failures(old_text, ENOSPC);
	failures(old_text, EIO);
}

static void test_remove(void)
{
	prepare(old_text);
	g_assert_true(store_remove(&store, "a", NULL));
	g_assert_null(after_cut(model.disk));
	g_assert_true(store_remove(&store, "a", NULL));
	for (int at = 0; at < 2; at++) {
		prepare(old_text);
		model.fail_at = at;
		g_assert_false(store_remove(&store, "a", NULL));
		assert_one_of(after_cut(model.disk), old_text, NULL);
	}
	model_reset();
}

/* ---- on a real folder ---- */

struct fixture {
	char *parent, *dir;
	struct store store;
	GString *seen;
};

static void setup(struct fixture *f, const void *data)
{
	GError *e = NULL;

	f->parent = g_dir_make_tmp("store-XXXXXX", NULL);
	f->dir = g_build_filename(f->parent, "deep", "vms", NULL);
	f->seen = g_string_new(NULL);
	g_assert_true(store_open(&f->store, f->dir, &e));
	g_assert_no_error(e);
}

static void teardown(struct fixture *f, const void *data)
{
	g_autofree char *command = g_strdup_printf("rm -r '%s'", f->parent);

	store_close(&f->store);
	g_assert_cmpint(system(command), ==, 0);
	g_string_free(f->seen, TRUE);
	g_free(f->dir);
	g_free(f->parent);
}

static void see(void *opaque, const char *name, const char *text, size_t len, const GError *error)
{
	g_assert_true(!text == (error != NULL));
	if (text)
		g_assert_cmpuint(strlen(text), ==, len);
	g_string_append_printf(opaque, "%s=%s;", name, text ? text : error->message);
}

static void put_file(struct fixture *f, const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(f->dir, name, NULL);

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void test_load(struct fixture *f, const void *data)
{
	g_autofree char *fifo = g_build_filename(f->dir, "e.json", NULL);
	g_autofree char *link = g_build_filename(f->dir, "f.json", NULL);
	g_autofree char *tmp = g_build_filename(f->dir, ".b.tmp", NULL);

	g_assert_true(store_save(&f->store, "b", "2", 1, NULL));
	g_assert_true(store_save(&f->store, "a", "1", 1, NULL));
	g_assert_true(store_save(&f->store, "a", "one", 3, NULL));
	put_file(f, ".b.tmp", "half");
	put_file(f, "README", "not a definition");
	g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
	g_assert_cmpint(symlink("a.json", link), ==, 0);
	g_assert_true(store_load(&f->store, see, f->seen, NULL));
	g_assert_true(
		g_str_has_prefix(f->seen->str, "a=one;b=2;e=e.json is not a definition: no regular "
					       "file of at most 2 MiB;f=cannot open f.json: "));
	g_assert_false(g_file_test(tmp, G_FILE_TEST_EXISTS));
}

static void test_large(struct fixture *f, const void *data)
{
	g_autofree char *path = g_build_filename(f->dir, "big.json", NULL);

	put_file(f, "big.json", "");
	g_assert_cmpint(truncate(path, (off_t)(STORE_TEXT_MAX + 1)), ==, 0);
	g_assert_true(store_load(&f->store, see, f->seen, NULL));
	g_assert_cmpstr(f->seen->str, ==,
		"big=big.json is not a definition: no regular file of at most 2 MiB;");
}

static void test_one_owner(struct fixture *f, const void *data)
{
	struct store other;
	g_autoptr(GError) e = NULL;

	g_assert_false(store_open(&other, f->dir, &e));
	g_assert_error(e, VMMD_ERROR, VMMD_ERROR_STATE);
	store_close(&f->store);
	g_assert_true(store_open(&other, f->dir, NULL));
	store_close(&other);
}

#define TEST(name, fn) g_test_add("/store/" name, struct fixture, NULL, setup, fn, teardown)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/store/power", test_power);
	g_test_add_func("/store/failures", test_failures);
	g_test_add_func("/store/remove", test_remove);
	TEST("load", test_load);
	TEST("large", test_large);
	TEST("one-owner", test_one_owner);
	return g_test_run();
}
