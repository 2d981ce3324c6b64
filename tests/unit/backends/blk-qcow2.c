/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/backends/blk-qcow2.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

bool have_qemu_img(void)
{
	g_autofree char *path = g_find_program_in_path("qemu-img");

	return path;
}

int qemu_img(const char *fmt, ...)
{
	g_autofree char *arguments = NULL, *command = NULL;
	g_autoptr(GError) error = NULL;
	int status = -1;
	va_list ap;

	va_start(ap, fmt);
	arguments = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	command = g_strdup_printf("qemu-img %s", arguments);
	g_autofree char *out = NULL, *err = NULL;

	g_spawn_command_line_sync(command, &out, &err, &status, &error);
	g_assert_no_error(error);
	g_assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status))
		g_test_message("%s: %d %s %s", command, WEXITSTATUS(status), out, err);
	return WEXITSTATUS(status);
}

struct node *image_file(const char *path, bool readonly)
{
	struct blk_file_conf conf = {.id = "file",
		.fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC),
		.cache = BLK_CACHE_WRITEBACK,
		.readonly = readonly,
		.grows = true};
	g_autoptr(GError) error = NULL;
	struct node *n = file_node_new(&conf, &error);

	g_assert_no_error(error);
	return n;
}

bool image_try(struct image *im, struct node *file, struct node *backing, GError **error)
{
	struct blk_qcow2_conf conf = {.name = "image",
		.file = file,
		.backing = backing,
		.l2_cache = 1,
		.refcount_cache = 1};
	struct disk_conf disk = {.id = "disk0"};
	struct blk_info info;
	struct node *n;

	*im = (struct image){.file = node_ref(file), .others = file->refs - 2};
	n = qcow2_node_new(&conf, error);
	if (!n) {
		node_unref(im->file);
		return false;
	}
	im->loop = loop_new("main", NULL);
	disk.loop = im->loop;
	im->blk = disk_new(&disk, n);
	g_assert_cmpint(blk_queue_open(im->blk, im->loop, &im->q), ==, 0);
	blk_get_info(im->blk, &info);
	im->size = info.size;
	return true;
}

void image_open(struct image *im, struct node *file, struct node *backing)
{
	g_autoptr(GError) error = NULL;
	bool opened = image_try(im, file, backing, &error);

	g_assert_no_error(error);
	g_assert_true(opened);
}

void image_close(struct image *im)
{
	blk_queue_close(im->q);
	blk_free(im->blk);
	while (__atomic_load_n(&im->file->refs, __ATOMIC_ACQUIRE) > im->others + 1) {
		loop_iterate(im->loop, 0);
		sched_yield();
	}
	node_unref(im->file);
	loop_free(im->loop);
}

int image_io(struct image *im, enum blk_op op, uint64_t offset, void *buf, uint64_t len)
{
	return do_io(im->loop, im->q, op, offset, buf, len);
}
