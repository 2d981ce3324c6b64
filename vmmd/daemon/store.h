/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store.h - named texts that survive everything: one file each, replaced atomically.
 *
 *	DIR/NAME.json	the text
 *	DIR/.NAME.tmp	one that was being written; removed at the next start
 *
 * A text that store_save() has acknowledged is there after a power cut at any later instant;
 * before, either the old or the new one is, never a mixture: written to a temporary file, synced,
 * renamed, and the folder synced. A full disk leaves the old text. Functions block: the daemon
 * calls them on worker threads, one at a time for one name.
 */
#ifndef VMMD_DAEMON_STORE_H
#define VMMD_DAEMON_STORE_H

#include <glib.h>
#include <sys/types.h>

#include "base/error.h"

#define STORE_TEXT_MAX (2 * MiB)

/*
 * The system calls with which the store writes; tests replace them. All as in the manual: -1 and
 * errno.
 */
struct store_io {
	int (*open)(int dir, const char *name, int flags, mode_t mode);
	ssize_t (*write)(int fd, const void *buf, size_t n);
	int (*fsync)(int fd);
	int (*close)(int fd);
	int (*rename)(int dir, const char *from, const char *to);
	int (*unlink)(int dir, const char *name);
};

extern const struct store_io store_host_io;

struct store {
	const struct store_io *io;
	int dir; /* owned */
};

/*
 * Opens the folder @path, making it and its parents. Errors: cannot be made or opened, another
 * process has it.
 */
bool store_open(struct store *s, const char *path, GError **error);
void store_close(struct store *s);

/*
 * @name is a safe file name. Errors: the host's, and then the old text, or none, is what there is.
 */
bool store_save(struct store *s, const char *name, const char *text, size_t len, GError **error);

/* On return it is gone for good. Removing what is not there is no error. */
bool store_remove(struct store *s, const char *name, GError **error);

/*
 * Calls @fn for each text, in the order of their names; @error instead of @text for one that cannot
 * be read. Removes temporary files.
 */
typedef void store_load_fn(
	void *opaque, const char *name, const char *text, size_t len, const GError *error);
bool store_load(struct store *s, store_load_fn *fn, void *opaque, GError **error);

#endif
