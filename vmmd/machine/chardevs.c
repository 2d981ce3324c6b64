/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What serial ports and consoles are connected to. */
#include <errno.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "virtio-backends/char/drivers.h"
#include "vmmd/machine/machine-internal.h"

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
		chr = chardev_socket_new(id, machine_take_fd(&c->listen), c->history, error);
		break;
	case SPEC_CHR_FILE: chr = chardev_fd_new(id, machine_take_fd(&c->path), -1, error); break;
	case SPEC_CHR_STDIO: chr = open_stdio(id, error); break;
	}
	if (chr)
		g_ptr_array_add(m->chardevs, chr);
	return chr;
}
