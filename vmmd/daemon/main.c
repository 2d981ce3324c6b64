/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmmd: the host daemon. Keeps definitions, starts VM processes, and serves the API; VMs live on
 * when it ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "api/control-server.h"
#include "api/paths.h"
#include "api/version.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/qs.h"
#include "vmmd/daemon/handlers.h"
#include "vmmd/daemon/server.h"

#define ADOPT_MS 6000 /* more than a VM process gets for its status */
#define TRIM_S   60
#define VM_USER  "vmmd-vm"

struct options {
	char *socket, *rpc_socket, *state_dir, *run_dir, *vmm, *group, *vm_user, *vm_log_level;
	int request_s, stop_s;
	gboolean verbose, version;
};

struct daemon {
	struct options options;
	struct launch_conf launch;
	struct registry registry;
	struct server *server;
	struct loop *loop; /* of the JSON-RPC socket, embedded in the main context */
	struct control_server *rpc;
	struct op_service ops;
	GMainLoop *main;
};

/* ---- options ---- */

static bool parse_options(struct options *o, int *argc, char ***argv, GError **error)
{
	const GOptionEntry entries[] = {
		{"socket", 0, 0, G_OPTION_ARG_FILENAME, &o->socket,
			"serve REST on this Unix socket", "PATH"},
		{"rpc-socket", 0, 0, G_OPTION_ARG_FILENAME, &o->rpc_socket,
			"serve JSON-RPC, a text a line, on this one; default: rpc.sock beside the "
			"other",
			"PATH"},
		{"state-dir", 0, 0, G_OPTION_ARG_FILENAME, &o->state_dir, "keep definitions here",
			"DIR"},
		{"run-dir", 0, 0, G_OPTION_ARG_FILENAME, &o->run_dir,
			"keep what running VMs need here", "DIR"},
		{"vmm", 0, 0, G_OPTION_ARG_FILENAME, &o->vmm, "the program that runs a VM", "PATH"},
		{"group", 0, 0, G_OPTION_ARG_STRING, &o->group, "give the sockets to this group",
			"NAME"},
		{"vm-user", 0, 0, G_OPTION_ARG_STRING, &o->vm_user,
			"run VM processes as this user; default for root: " VM_USER, "NAME"},
		{"vm-log-level", 0, 0, G_OPTION_ARG_STRING, &o->vm_log_level,
			"error, warning, notice, info or debug", "LEVEL"},
		{"request-timeout", 0, 0, G_OPTION_ARG_INT, &o->request_s,
			"give a request this long to arrive; default 30", "SECONDS"},
		{"stop-timeout", 0, 0, G_OPTION_ARG_INT, &o->stop_s,
			"kill a VM that has not stopped after this long; default 10", "SECONDS"},
		{"verbose", 'v', 0, G_OPTION_ARG_NONE, &o->verbose, "log more", NULL},
		{"version", 0, 0, G_OPTION_ARG_NONE, &o->version, "print the version", NULL},
		{0},
	};
	g_autoptr(GOptionContext)
		context = g_option_context_new("- the daemon of the virtual machines of this host");
	g_autoptr(GError) e = NULL;

	g_option_context_add_main_entries(context, entries, NULL);
	g_option_context_set_description(context,
		"Definitions are kept in DIR/vms; VMs run in processes of their own and live on "
		"when the\n"
		"daemon ends, a new one finds them again. Sockets that systemd passes are used "
		"instead of\n"
		"--socket and --rpc-socket, by their names vmmd.socket and vmmd-rpc.socket.\n"
		"\n"
		"Exit status: 0 ended by a signal, 1 cannot start.\n");
	if (!g_option_context_parse(context, argc, argv, &e))
		return err_set(error, VMMD_ERROR_INVALID, "%s: see vmmd --help", e->message);
	if (o->request_s < 1 || o->stop_s < 1)
		return err_set(error, VMMD_ERROR_INVALID, "time-outs are at least 1 second");
	if (*argc > 1)
		return err_set(error, VMMD_ERROR_INVALID,
			"unexpected argument '%s': see vmmd --help", (*argv)[1]);
	return true;
}

/* Beside this program in the build tree, else where it is installed. */
static char *find_vmm(void)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *dir = self ? g_path_get_dirname(self) : g_strdup(".");
	g_autofree char *beside = g_build_filename(dir, "vmmd-vm", NULL);

	return access(beside, X_OK) == 0 ? g_steal_pointer(&beside)
					 : g_strdup(VMMD_LIBEXECDIR "/vmmd-vm");
}

/* What was left out; paths become absolute, because VM processes run elsewhere. */
static void complete_path(char **path, char *otherwise)
{
	g_autofree char *given = *path ? *path : otherwise;

	if (*path)
		g_free(otherwise);
	*path = g_canonicalize_filename(given, NULL);
}

static void complete_options(struct options *o)
{
	g_autofree char *dir = NULL;

	complete_path(&o->state_dir, api_state_dir());
	complete_path(&o->run_dir, api_run_dir());
	complete_path(&o->socket, g_build_filename(o->run_dir, API_SOCKET, NULL));
	dir = g_path_get_dirname(o->socket);
	complete_path(&o->rpc_socket, g_build_filename(dir, API_RPC_SOCKET, NULL));
	complete_path(&o->vmm, find_vmm());
}

/* Root gives VM processes to their own account where there is one, else they choose nobody. */
static bool find_vm_user(struct daemon *d, GError **error)
{
	const char *name = d->options.vm_user;
	struct passwd *pw = name || geteuid() == 0 ? getpwnam(name ? name : VM_USER) : NULL;

	if (name && !pw)
		return err_set(error, VMMD_ERROR_NOT_FOUND, "--vm-user: there is no user %s", name);
	d->launch = (struct launch_conf){
		.run = d->options.run_dir,
		.vmm = d->options.vmm,
		.set_user = pw,
		.uid = pw ? pw->pw_uid : 0,
		.gid = pw ? pw->pw_gid : 0,
		.log_level = d->options.vm_log_level,
		.stop_s = (unsigned)d->options.stop_s,
	};
	return true;
}

/* ---- sockets ---- */

/*
 * A socket that nobody serves any more is a leftover; one that somebody serves is not ours to take.
 */
static bool clear_way(const struct sockaddr_un *sa, GError **error)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool served = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0;
	struct stat st;

	fd_close(&fd);
	if (served)
		return err_set(error, VMMD_ERROR_STATE, "another daemon serves %s", sa->sun_path);
	if (lstat(sa->sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(sa->sun_path);
	return true;
}

static bool give_to_group(const char *path, const char *group, GError **error)
{
	struct group *gr = group ? getgrnam(group) : NULL;

	if (group && !gr)
		return err_set(error, VMMD_ERROR_NOT_FOUND, "--group: there is no group %s", group);
	if ((gr && chown(path, (uid_t)-1, gr->gr_gid) < 0) || chmod(path, 0660) < 0)
		return err_set_errno(error, errno, "cannot set who may use %s", path);
	return true;
}

/*
 * A bound socket; nobody can connect before it is listened on, so its permissions are right in
 * time.
 */
static int make_socket(const char *path, const char *group, GError **error)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	g_autofree char *dir = g_path_get_dirname(path);
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		err_set(error, VMMD_ERROR_INVALID, "the path of a socket has at most %zu bytes: %s",
			sizeof(sa.sun_path) - 1, path);
		return -1;
	}
	g_strlcpy(sa.sun_path, path, sizeof(sa.sun_path));
	if (g_mkdir_with_parents(dir, 0755) < 0) {
		err_set_errno(error, errno, "cannot make the folder %s", dir);
		return -1;
	}
	if (!clear_way(&sa, error))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0) {
		if (give_to_group(path, group, error))
			return fd;
	} else {
		err_set_errno(error, errno, "cannot make the socket %s", path);
	}
	fd_close(&fd);
	return -1;
}

/* The socket that systemd passes as @unit, or one of our own at @path. */
static int get_socket(const char *unit, const char *path, const char *group, GError **error)
{
	g_auto(GStrv) names = NULL;
	int n = sd_listen_fds_with_names(0, &names);

	for (int i = 0; i < n; i++) {
		if (strcmp(names[i], unit) == 0)
			return SD_LISTEN_FDS_START + i;
	}
	return make_socket(path, group, error);
}

static bool serve_rest(struct daemon *d, GError **error)
{
	int fd = get_socket("vmmd.socket", d->options.socket, d->options.group, error);

	if (fd >= 0)
		d->server = server_new(fd, &d->registry, (unsigned)d->options.request_s, error);
	return d->server;
}

static bool serve_rpc(struct daemon *d, GError **error)
{
	int fd = get_socket("vmmd-rpc.socket", d->options.rpc_socket, d->options.group, error);
	GSource *source;

	if (fd < 0)
		return false;
	d->loop = loop_new("rpc", error);
	if (!d->loop) {
		fd_close(&fd);
		return false;
	}
	source = loop_source_new(d->loop);
	g_source_attach(source, NULL);
	g_source_unref(source);
	d->ops = (struct op_service){
		.ops = host_operations, .handlers = &host_handlers, .process = &d->registry};
	d->rpc = control_server_new(d->loop, fd, &d->ops, error);
	return d->rpc;
}

/* ---- life ---- */

/* Every VM takes a handful of descriptors, every client one. */
static void raise_limits(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &l) < 0)
			log_warning("cannot raise the limit of open files");
	}
}

static gboolean on_signal(gpointer data)
{
	g_main_loop_quit(((struct daemon *)data)->main);
	return G_SOURCE_CONTINUE;
}

static void trim_one(struct instance *i, void *opaque)
{
	instance_trim(i);
}

static gboolean trim(gpointer data)
{
	registry_foreach(&((struct daemon *)data)->registry, trim_one, NULL);
	return G_SOURCE_CONTINUE;
}

static gboolean out_of_patience(gpointer data)
{
	*(bool *)data = true;
	return G_SOURCE_REMOVE;
}

/* Clients see the states of running VMs from their first request on. */
static void await_adoption(struct daemon *d)
{
	bool late = false;
	guint timer = g_timeout_add(ADOPT_MS, out_of_patience, &late);

	while (d->registry.adopting && !late)
		g_main_context_iteration(NULL, TRUE);
	if (!late)
		g_source_remove(timer);
}

static bool start(struct daemon *d, GError **error)
{
	if (g_mkdir_with_parents(d->options.run_dir, 0755) < 0)
		return err_set_errno(error, errno, "cannot make the folder %s", d->options.run_dir);
	if (!find_vm_user(d, error) ||
		!registry_open(&d->registry, d->options.state_dir, &d->launch, error))
		return false;
	await_adoption(d);
	if (!serve_rpc(d, error) || !serve_rest(d, error))
		return false;
	registry_autostart(&d->registry);
	return true;
}

int main(int argc, char **argv)
{
	static struct daemon d = {.options = {.request_s = 30, .stop_s = 10}};
	g_autoptr(GError) e = NULL;

	signal(SIGPIPE, SIG_IGN);
	umask(0022); /* folders that others must pass; what is secret is made so */
	qs_thread_init();
	if (!parse_options(&d.options, &argc, &argv, &e)) {
		fprintf(stderr, "vmmd: %s\n", e->message);
		return 1;
	}
	if (d.options.version) {
		printf("vmmd %s\n", vmmd_version);
		return 0;
	}
	complete_options(&d.options);
	log_open("vmmd", NULL, d.options.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTICE);
	raise_limits();
	d.main = g_main_loop_new(NULL, FALSE);
	g_unix_signal_add(SIGTERM, on_signal, &d);
	g_unix_signal_add(SIGINT, on_signal, &d);
	g_timeout_add_seconds(TRIM_S, trim, &d);
	if (!start(&d, &e)) {
		log_error("%s", e->message);
		return 1;
	}
	log_notice("vmmd %s serves %s", vmmd_version, d.options.socket);
	sd_notify(0, "READY=1");
	g_main_loop_run(d.main);
	sd_notify(0, "STOPPING=1");
	/*
	 * What is acknowledged is durable and VMs are on their own, so there is nothing to put in
	 * order.
	 */
	return 0;
}
