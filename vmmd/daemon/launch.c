/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/daemon/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/json.h"
#include "base/fdpass.h"
#include "vmmd/daemon/rundir.h"

struct launch *launch_new(const struct launch_conf *conf, struct vm_spec *spec)
{
	struct launch *l = g_new0(struct launch, 1);

	*l = (struct launch){.conf = conf, .spec = spec, .pidfd = -1, .ready = -1, .dir = -1};
	return l;
}

void launch_free(struct launch *l)
{
	vm_spec_free(l->spec);
	g_clear_error(&l->error);
	fd_close(&l->pidfd);
	fd_close(&l->ready);
	fd_close(&l->dir);
	g_free(l);
}

/* ---- chardevs ---- */

/* Calls @fn for each serial port and console. */
static bool foreach_chardev(struct vm_spec *spec,
	bool (*fn)(const char *pointer, const char *id, struct spec_chardev *c, void *opaque,
		GError **error),
	void *opaque, GError **error)
{
	bool ok = true;

	for (size_t i = 0; ok && i < spec->n_serials; i++) {
		g_autofree char *pointer = g_strdup_printf("/serials/%zu/chardev", i);

		ok = fn(pointer, spec->serials[i]->id, spec->serials[i]->chardev, opaque, error);
	}
	for (size_t i = 0; ok && i < spec->n_consoles; i++) {
		g_autofree char *pointer = g_strdup_printf("/consoles/%zu/chardev", i);

		ok = fn(pointer, spec->consoles[i]->id, spec->consoles[i]->chardev, opaque, error);
	}
	return ok;
}

const char *launch_console_id(const struct vm_spec *spec)
{
	for (size_t i = 0; i < spec->n_serials; i++) {
		if (spec->serials[i]->chardev->type == SPEC_CHR_SOCKET)
			return spec->serials[i]->id;
	}
	for (size_t i = 0; i < spec->n_consoles; i++) {
		if (spec->consoles[i]->chardev->type == SPEC_CHR_SOCKET)
			return spec->consoles[i]->id;
	}
	return NULL;
}

char *launch_console_file(const char *id)
{
	return g_strconcat(id, ".console", NULL);
}

/* ---- what the daemon takes ---- */

static bool check_path(const char *pointer, const struct prop *p, struct prop_file *file, int flags,
	void *opaque, GError **error)
{
	if (!file->path || (p->flags & PROP_LISTEN) || g_path_is_absolute(file->path))
		return true;
	return err_set(error, VMMD_ERROR_INVALID, "%s: must be an absolute path", pointer);
}

static bool check_chardev(
	const char *pointer, const char *id, struct spec_chardev *c, void *opaque, GError **error)
{
	if (c->type != SPEC_CHR_STDIO)
		return true;
	return err_set(error, VMMD_ERROR_UNSUPPORTED,
		"%s/type: stdio is for VMs that are started by hand", pointer);
}

bool launch_check(struct vm_spec *spec, GError **error)
{
	return vm_spec_foreach_file(spec, check_path, NULL, error) &&
	       foreach_chardev(spec, check_chardev, NULL, error);
}

/* ---- what is handed over ---- */

/* Descriptors that the process inherits under their own numbers, and the options that tell them. */
struct handover {
	struct launch *launch;
	GPtrArray *argv;
	GArray *fds; /* of int; closed here once the process has them */
};

/* Takes over @fd. */
static void hand(struct handover *h, const char *option, int fd)
{
	g_array_append_val(h->fds, fd);
	g_ptr_array_add(h->argv, g_strdup(option));
	g_ptr_array_add(h->argv, g_strdup_printf("%d", fd));
}

static void hand_file(struct handover *h, const char *pointer, int fd)
{
	g_array_append_val(h->fds, fd);
	g_ptr_array_add(h->argv, g_strdup("--file"));
	g_ptr_array_add(h->argv, g_strdup_printf("%s=%d", pointer, fd));
}

/*
 * O_NONBLOCK, so that a FIFO in place of an image does not hang the opener; what is no file or
 * device is then refused.
 */
static int open_file(const char *path, int flags, GError **error)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	struct stat st;

	if (fd < 0 && errno == EINVAL && (flags & O_DIRECT)) {
		err_set(error, VMMD_ERROR_UNSUPPORTED,
			"the file system of %s has no direct I/O: use another cache mode than none",
			path);
		return -1;
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		err_set_errno(error, errno, "cannot open %s", path);
	} else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode) && !S_ISCHR(st.st_mode)) {
		err_set(error, VMMD_ERROR_INVALID, "%s is neither a file nor a device", path);
	} else if (fcntl(fd, F_SETFL, flags & ~O_CREAT) < 0) {
		err_set_errno(error, errno, "cannot prepare %s", path);
	} else {
		return fd;
	}
	fd_close(&fd);
	return -1;
}

static bool open_spec_file(const char *pointer, const struct prop *p, struct prop_file *file,
	int flags, void *opaque, GError **error)
{
	int fd;

	/* Sockets are for the VM process to make or to connect. */
	if (!file->path || (p->flags & (PROP_LISTEN | PROP_CONNECT)))
		return true;
	fd = open_file(file->path, flags, error);
	if (fd >= 0) {
		hand_file(opaque, pointer, fd);
		return true;
	}
	g_prefix_error(error, "%s: ", pointer);
	return false;
}

static bool make_console(
	const char *pointer, const char *id, struct spec_chardev *c, void *opaque, GError **error)
{
	struct handover *h = opaque;
	g_autofree char *file = launch_console_file(id),
			*at = g_strconcat(pointer, "/listen", NULL);
	int fd;

	if (c->type != SPEC_CHR_SOCKET)
		return true;
	fd = rundir_bind(h->launch->dir, file, error);
	if (fd < 0)
		return false;
	hand_file(h, at, fd);
	g_free(c->listen.path);
	c->listen.path = g_build_filename(
		h->launch->conf->run, "vms", h->launch->spec->name, file, NULL);
	return true;
}

/*
 * The spec as the process shall see it, in memory, and in the run folder for a daemon that lost its
 * store.
 */
static bool hand_spec(struct handover *h, GError **error)
{
	g_autoptr(json_object) json = vm_spec_encode(h->launch->spec);
	g_autofree char *text = NULL;
	size_t len = 0;
	int fd = memfd_create("vmspec", MFD_CLOEXEC), err;

	text = json_text(json, &len);
	if (fd < 0)
		return err_set_errno(error, errno, "cannot hand over the spec");
	hand(h, "--spec-fd", fd);
	err = fd_write_all(fd, text, len);
	if (err < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_set_errno(error, err < 0 ? -err : errno, "cannot hand over the spec");
	return rundir_write(h->launch->dir, RUNDIR_SPEC, text, len, error);
}

static bool hand_status(struct handover *h, GError **error)
{
	int fd = openat(h->launch->dir, RUNDIR_STATUS,
		O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_set_errno(error, errno, "cannot make " RUNDIR_STATUS);
	hand(h, "--status-fd", fd);
	return true;
}

static bool hand_control(struct handover *h, GError **error)
{
	int fd = rundir_bind(h->launch->dir, RUNDIR_CONTROL, error);

	if (fd < 0)
		return false;
	hand(h, "--control-listen-fd", fd);
	return true;
}

/* Where it cannot be opened the VM process tries itself, and knows best what to say. */
static void hand_kvm(struct handover *h)
{
	int fd = -1;

	if (h->launch->spec->accel == SPEC_ACCEL_KVM)
		fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		hand(h, "--kvm-fd", fd);
}

static bool hand_ready(struct handover *h, GError **error)
{
	int fd[2], err;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return err_set_errno(error, errno, "cannot make a pipe");
	h->launch->ready = fd[0];
	hand(h, "--ready-fd", fd[1]);
	err = fd_set_nonblock(fd[0], true);
	return err == 0 || err_set_errno(error, -err, "cannot prepare a pipe");
}

static bool prepare(struct handover *h, GError **error)
{
	struct launch *l = h->launch;

	l->dir = rundir_open(l->conf->run, l->spec->name, true, error);
	if (l->dir < 0 || !vm_spec_foreach_file(l->spec, open_spec_file, h, error) ||
		!foreach_chardev(l->spec, make_console, h, error))
		return false;
	hand_kvm(h);
	return hand_spec(h, error) && hand_status(h, error) && hand_control(h, error) &&
	       hand_ready(h, error);
}

/* ---- the process ---- */

static void add_options(struct handover *h)
{
	const struct launch_conf *conf = h->launch->conf;

	g_ptr_array_add(h->argv, g_strdup(conf->vmm));
	g_ptr_array_add(h->argv, g_strdup("--name"));
	g_ptr_array_add(h->argv, g_strdup(h->launch->spec->name));
	if (conf->set_user) {
		g_ptr_array_add(h->argv, g_strdup("--uid"));
		g_ptr_array_add(h->argv, g_strdup_printf("%u", conf->uid));
		g_ptr_array_add(h->argv, g_strdup("--gid"));
		g_ptr_array_add(h->argv, g_strdup_printf("%u", conf->gid));
	}
	if (conf->log_level) {
		g_ptr_array_add(h->argv, g_strdup("--log-level"));
		g_ptr_array_add(h->argv, g_strdup(conf->log_level));
	}
}

/* What systemd told the daemon is not for its VMs. */
static char **environment(void)
{
	static const char *const ours[] = {"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID",
		"LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC", "JOURNAL_STREAM"};
	char **env = g_get_environ();

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		env = g_environ_unsetenv(env, ours[i]);
	return env;
}

static int spawn_attributes(posix_spawnattr_t *a)
{
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	return posix_spawnattr_setsigdefault(a, &all) ?:
	       posix_spawnattr_setsigmask(a, &none) ?:
	       posix_spawnattr_setflags(a,
		       POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
}

/*
 * All descriptors of the daemon are close-on-exec; a dup2() onto itself takes that away from those
 * handed over.
 */
static int spawn_actions(posix_spawn_file_actions_t *f, const GArray *fds, int log)
{
	int err = posix_spawn_file_actions_addopen(f, 0, "/dev/null", O_RDONLY, 0) ?:
		  posix_spawn_file_actions_addopen(f, 1, "/dev/null", O_WRONLY, 0) ?:
		  posix_spawn_file_actions_adddup2(f, log, 2) ?:
		  posix_spawn_file_actions_addchdir_np(f, "/");

	for (guint i = 0; !err && i < fds->len; i++) {
		int fd = g_array_index(fds, int, i);

		err = posix_spawn_file_actions_adddup2(f, fd, fd);
	}
	return err;
}

/* 0 or a positive errno. */
static int spawn(struct handover *h, int log)
{
	g_auto(GStrv) env = environment();
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int err;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	err = spawn_attributes(&attr) ?: spawn_actions(&actions, h->fds, log);
	if (!err)
		err = posix_spawn(&h->launch->pid, h->launch->conf->vmm, &actions, &attr,
			(char **)h->argv->pdata, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

static bool start(struct handover *h, GError **error)
{
	struct launch *l = h->launch;
	int log = rundir_open_log(l->dir, error), err;

	if (log < 0)
		return false;
	g_ptr_array_add(h->argv, NULL);
	err = spawn(h, log);
	fd_close(&log);
	if (err)
		return err_set_errno(error, err, "cannot run %s", l->conf->vmm);
	l->pidfd = (int)syscall(SYS_pidfd_open, l->pid, 0);
	if (l->pidfd >= 0)
		return true;
	err_set_errno(error, errno, "cannot watch the process of the VM");
	kill(l->pid, SIGKILL);
	waitpid(l->pid, NULL, 0);
	return false;
}

static void close_fd(gpointer fd)
{
	fd_close(fd);
}

void launch_run(struct launch *l)
{
	struct handover h = {
		.launch = l,
		.argv = g_ptr_array_new_with_free_func(g_free),
		.fds = g_array_new(FALSE, FALSE, sizeof(int)),
	};

	g_array_set_clear_func(h.fds, close_fd);
	add_options(&h);
	if (prepare(&h, &l->error))
		start(&h, &l->error);
	g_array_unref(h.fds);
	g_ptr_array_unref(h.argv);
}
