/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmmd-vm: the process of one VM. Opens everything, gives up everything, runs.
 *
 *	options, spec ─► files ─► machine ─► sandbox ─► threads, each with its filter ─► power on ─► main loop ─► end
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/control-server.h"
#include "api/json.h"
#include "api/prop-json.h"
#include "base/error.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "base/qs.h"
#include "base/sandbox.h"
#include "virtio-backends/char/drivers.h"
#include "vmmd/kvm/kvm.h"
#include "vmmd/qtest/qtest.h"
#include "vmmd/vm/files.h"
#include "vmmd/vm/seccomp.h"
#include "vmmd/vm/vm.h"

#define SPEC_MAX      (1 * MiB)
#define NOBODY        65534
#define STATUS_MAX    4096
#define LAST_WORDS_MS 2000 /* for readers of consoles, at the end */
/* The heap grows once for a whole machine; only what is touched of it is memory. */
#define HEAP_STEP (512 * KiB)

static const char usage[] =
	"usage: vmmd-vm --spec FILE [options]\n"
	"Runs the VM that a VmSpec (JSON) describes until it powers off.\n"
	"\n"
	"  --spec FILE            the spec; - is standard input\n"
	"  --spec-fd N            the spec, from descriptor N\n"
	"  --file POINTER=N       descriptor N is that file of the spec, e.g. /disks/0/file=7\n"
	"  --name NAME            name in the log; default: that of the spec\n"
	"  --kvm-fd N             descriptor of /dev/kvm\n"
	"  --control PATH         serve JSON-RPC 2.0 on a Unix socket\n"
	"  --control-listen-fd N  the same on a bound socket\n"
	"  --ready-fd N           write \"running\" or \"error: …\" there\n"
	"  --status-fd N          write how the VM ended there, as JSON\n"
	"  --uid N, --gid N       become this user, when root; default 65534\n"
	"  --slirp PATH           program for user networking; default: beside this one\n"
	"  --vnc PATH             program that shows the display; default: beside this one\n"
	"  --qtest SOCKET         connect there and let a program drive the devices (unix:PATH); "
	"implies accel qtest\n"
	"  --qtest-log FILE       write the qtest protocol there\n"
	"  --log-level LEVEL      error, warning, notice, info, debug; default notice\n"
	"  --no-sandbox           keep every privilege: for debuggers only\n"
	"  --check                look at everything, start nothing\n"
	"  --version, --help\n"
	"\n"
	"Exit status: 0 the VM ended as it should, 1 it did not, or what the guest gave to "
	"isa-debug-exit.\n";

struct options {
	const char *spec_path, *name, *control_path, *slirp, *vnc, *qtest, *qtest_log;
	int spec_fd, kvm_fd, control_fd, ready_fd, status_fd;
	uid_t uid;
	gid_t gid;
	enum log_level level;
	bool no_sandbox, check;
	GArray *files; /* struct vm_file */
};

/* ---- options ---- */

static bool parse_fd(const char *name, const char *text, int *ret, GError **error)
{
	char *end = NULL;
	uint64_t v = g_ascii_strtoull(text, &end, 10);

	if (!g_ascii_isdigit(*text) || *end || v > INT32_MAX || fd_set_cloexec((int)v, true) < 0)
		return err_set(error, VMMD_ERROR_INVALID, "--%s: %s is not an open descriptor",
			name, text);
	*ret = (int)v;
	return true;
}

static bool parse_id(const char *name, const char *text, uint32_t *ret, GError **error)
{
	char *end = NULL;
	uint64_t v = g_ascii_strtoull(text, &end, 10);

	if (!g_ascii_isdigit(*text) || *end || v >= UINT32_MAX)
		return err_set(
			error, VMMD_ERROR_INVALID, "--%s: %s is not a numeric id", name, text);
	*ret = (uint32_t)v;
	return true;
}

static bool parse_level(const char *text, enum log_level *ret, GError **error)
{
	static const char *const names[] = {"error", "warning", "notice", "info", "debug"};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], text) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return err_set(error, VMMD_ERROR_INVALID, "--log-level: there is no level '%s'", text);
}

enum {
	OPT_SPEC = 1,
	OPT_SPEC_FD,
	OPT_FILE,
	OPT_NAME,
	OPT_KVM_FD,
	OPT_CONTROL,
	OPT_CONTROL_FD,
	OPT_READY_FD,
	OPT_STATUS_FD,
	OPT_UID,
	OPT_GID,
	OPT_SLIRP,
	OPT_VNC,
	OPT_QTEST,
	OPT_QTEST_LOG,
	OPT_LOG_LEVEL,
	OPT_NO_SANDBOX,
	OPT_CHECK,
	OPT_VERSION,
	OPT_HELP,
};

static const struct option long_options[] = {
	{"spec", required_argument, NULL, OPT_SPEC},
	{"spec-fd", required_argument, NULL, OPT_SPEC_FD},
	{"file", required_argument, NULL, OPT_FILE},
	{"name", required_argument, NULL, OPT_NAME},
	{"kvm-fd", required_argument, NULL, OPT_KVM_FD},
	{"control", required_argument, NULL, OPT_CONTROL},
	{"control-listen-fd", required_argument, NULL, OPT_CONTROL_FD},
	{"ready-fd", required_argument, NULL, OPT_READY_FD},
	{"status-fd", required_argument, NULL, OPT_STATUS_FD},
	{"uid", required_argument, NULL, OPT_UID},
	{"gid", required_argument, NULL, OPT_GID},
	{"slirp", required_argument, NULL, OPT_SLIRP},
	{"vnc", required_argument, NULL, OPT_VNC},
	{"qtest", required_argument, NULL, OPT_QTEST},
	{"qtest-log", required_argument, NULL, OPT_QTEST_LOG},
	{"log-level", required_argument, NULL, OPT_LOG_LEVEL},
	{"no-sandbox", no_argument, NULL, OPT_NO_SANDBOX},
	{"check", no_argument, NULL, OPT_CHECK},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, OPT_HELP},
	{},
};

static bool set_option(struct options *o, int opt, const char *arg, GError **error)
{
	switch (opt) {
	case OPT_SPEC: o->spec_path = arg; return true;
	case OPT_SPEC_FD: return parse_fd("spec-fd", arg, &o->spec_fd, error);
	case OPT_FILE: return vm_file_parse(o->files, arg, error);
	case OPT_NAME: o->name = arg; return true;
	case OPT_KVM_FD: return parse_fd("kvm-fd", arg, &o->kvm_fd, error);
	case OPT_CONTROL: o->control_path = arg; return true;
	case OPT_CONTROL_FD: return parse_fd("control-listen-fd", arg, &o->control_fd, error);
	case OPT_READY_FD: return parse_fd("ready-fd", arg, &o->ready_fd, error);
	case OPT_STATUS_FD: return parse_fd("status-fd", arg, &o->status_fd, error);
	case OPT_UID: return parse_id("uid", arg, &o->uid, error);
	case OPT_GID: return parse_id("gid", arg, &o->gid, error);
	case OPT_SLIRP: o->slirp = arg; return true;
	case OPT_VNC: o->vnc = arg; return true;
	case OPT_QTEST: o->qtest = arg; return true;
	case OPT_QTEST_LOG: o->qtest_log = arg; return true;
	case OPT_LOG_LEVEL: return parse_level(arg, &o->level, error);
	case OPT_NO_SANDBOX: o->no_sandbox = true; return true;
	case OPT_CHECK: o->check = true; return true;
	case OPT_VERSION: puts("vmmd-vm " VMMD_VERSION); exit(0);
	case OPT_HELP: fputs(usage, stdout); exit(0);
	default: return err_set(error, VMMD_ERROR_INVALID, "see vmmd-vm --help");
	}
}

static bool parse_options(struct options *o, int argc, char **argv, GError **error)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (!set_option(o, opt, optarg, error))
			return false;
	}
	if (optind < argc)
		return err_set(error, VMMD_ERROR_INVALID,
			"unexpected argument '%s': see vmmd-vm --help", argv[optind]);
	if (!o->spec_path && o->spec_fd < 0)
		return err_set(error, VMMD_ERROR_INVALID, "no --spec given: see vmmd-vm --help");
	return true;
}

/* ---- the spec ---- */

static struct vm_spec *read_spec(const struct options *o, GError **error)
{
	static char text[SPEC_MAX + 1]; /* only what is read of it costs memory */
	bool standard_input = o->spec_path && strcmp(o->spec_path, "-") == 0;
	int fd = o->spec_fd;
	size_t n = 0;
	ssize_t r;

	if (o->spec_path)
		fd = standard_input ? STDIN_FILENO : open(o->spec_path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err_set_errno(error, errno, "cannot open the spec %s", o->spec_path);
		return NULL;
	}
	while ((r = read(fd, text + n, sizeof(text) - n)) > 0)
		n += (size_t)r;
	if (!standard_input)
		close(fd);
	if (r < 0 || n > SPEC_MAX) {
		err_set(error, VMMD_ERROR_INVALID,
			"the spec cannot be read, or has more than 1 MiB");
		return NULL;
	}
	return vm_spec_parse(text, n, error);
}

static bool has_user_network(const struct vm_spec *spec)
{
	for (size_t i = 0; i < spec->n_nics; i++) {
		const struct spec_net_backend *b = spec->nics[i]->backend;

		if (b && b->type == SPEC_NET_USER)
			return true;
	}
	return false;
}

/* Helpers lie where we lie, in the build as when installed. */
static char *default_helper(const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	g_autofree char *dir = NULL;

	if (n < 0)
		return g_strdup(name);
	self[n] = '\0';
	dir = g_path_get_dirname(self);
	return g_build_filename(dir, name, NULL);
}

static int unix_socket(const char *path, bool serve, GError **error)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_strlcpy(sa.sun_path, path, sizeof(sa.sun_path));
	if (strlen(path) < sizeof(sa.sun_path) && fd >= 0 &&
		(serve ? bind(fd, (struct sockaddr *)&sa, sizeof(sa))
		       : connect(fd, (struct sockaddr *)&sa, sizeof(sa))) == 0)
		return fd;
	err_set_errno(error, errno, "cannot %s the socket %s", serve ? "make" : "connect to", path);
	fd_close(&fd);
	return -1;
}

/* ---- the process ---- */

struct process {
	struct options options;
	struct vm vm;
	struct op_service service; /* of the control socket */
	struct loop_fd signals;
	struct loop_call io_enter;
	int io_entered; /* result of the I/O thread's sandbox */
	struct qtest_server *qtest;
	unsigned sandbox;
};

static void on_signal(struct loop_fd *f, uint32_t events)
{
	struct process *p = container_of(f, struct process, signals);
	struct signalfd_siginfo info;

	if (read(f->fd, &info, sizeof(info)) == sizeof(info))
		vm_request_exit(&p->vm, OP_EXIT_SHUTDOWN, "ended by a signal", NULL);
}

/* Before any thread: all inherit the mask. */
static bool take_signals(struct process *p, GError **error)
{
	sigset_t set;
	int err;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p->signals = (struct loop_fd){
		.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_signal};
	if (p->signals.fd < 0)
		return err_set_errno(error, errno, "cannot take signals");
	err = loop_fd_add(p->vm.main, &p->signals, EPOLLIN);
	return err == 0 || err_set_errno(error, -err, "cannot take signals");
}

static void io_thread_enter(struct loop_call *c)
{
	struct process *p = container_of(c, struct process, io_enter);
	int err = vm_seccomp_enter(VM_ROLE_IO);

	if (err < 0) {
		log_error("the I/O thread cannot enter its sandbox: %s", err_text(-err));
		vm_request_exit(
			&p->vm, OP_EXIT_ERROR, "the I/O thread cannot enter its sandbox", NULL);
	}
}

static int vcpu_thread_enter(unsigned vcpu)
{
	return vm_seccomp_enter(VM_ROLE_VCPU);
}

static bool enter_sandbox(struct process *p, GError **error)
{
	const struct sandbox_conf conf = {.uid = p->options.uid, .gid = p->options.gid};
	g_autofree char *words = NULL;

	if (p->options.no_sandbox) {
		log_warning("runs without sandbox");
		return true;
	}
	if (!sandbox_enter(&conf, &p->sandbox, error))
		return false;
	words = sandbox_describe(p->sandbox | SANDBOX_SECCOMP);
	log_info("sandbox: %s", words);
	return true;
}

/* Threads begin here, each with its filter first. */
static bool start_threads(struct process *p, GError **error)
{
	int err;

	if (!p->options.no_sandbox) {
		err = vm_seccomp_init();
		if (err < 0)
			return err_set_errno(error, -err, "cannot prepare the system call filters");
		p->io_enter.fn = io_thread_enter;
		loop_post(p->vm.io, &p->io_enter);
	}
	if (!machine_create_cpus(p->vm.machine, error) || !loop_thread_start(p->vm.io, error))
		return false;
	err = p->options.no_sandbox ? 0 : vm_seccomp_enter(VM_ROLE_MAIN);
	return err == 0 || err_set_errno(error, -err, "cannot load the system call filter");
}

static void on_qtest_closed(void *opaque)
{
	struct process *p = opaque;

	vm_request_exit(&p->vm, OP_EXIT_SHUTDOWN, "the qtest client has gone", NULL);
}

static bool open_control(struct process *p, GError **error)
{
	struct options *o = &p->options;

	if (o->control_path && o->control_fd < 0) {
		o->control_fd = unix_socket(o->control_path, true, error);
		if (o->control_fd < 0)
			return false;
	}
	if (o->control_fd >= 0) {
		p->service = (struct op_service){
			.ops = vm_operations, .handlers = &vm_control_handlers, .process = &p->vm};
		p->vm.control = control_server_new(p->vm.main, o->control_fd, &p->service, error);
		return p->vm.control;
	}
	return true;
}

static bool open_qtest(struct process *p, GError **error)
{
	const struct options *o = &p->options;
	int fd, log_fd = -1;

	if (!o->qtest)
		return true;
	if (o->qtest_log)
		log_fd = open(o->qtest_log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	fd = unix_socket(
		g_str_has_prefix(o->qtest, "unix:") ? o->qtest + 5 : o->qtest, false, error);
	if (fd < 0)
		return false;
	p->qtest = qtest_serve(
		p->vm.machine->accel, p->vm.machine->bus, fd, log_fd, on_qtest_closed, p);
	return true;
}

static bool build(struct process *p, GError **error)
{
	struct options *o = &p->options;
	struct machine_env env = {
		.kvm_fd = o->kvm_fd,
		.slirp = o->slirp,
		.vnc = o->vnc,
		.uid = o->uid,
		.gid = o->gid,
		.vcpu_thread_setup = o->no_sandbox ? NULL : vcpu_thread_enter,
	};

	p->vm.main = loop_new("main", error);
	p->vm.io = p->vm.main ? loop_new("io", error) : NULL;
	if (!p->vm.io || !take_signals(p, error))
		return false;
	env.main = p->vm.main;
	env.io = p->vm.io;
	vm_init(&p->vm, &env);
	p->vm.machine = machine_new(p->vm.spec, &env, error);
	if (!p->vm.machine)
		return false;
	for (guint i = 0; i < p->vm.machine->ptys->len; i++)
		log_notice("%s", (char *)g_ptr_array_index(p->vm.machine->ptys, i));
	if (p->vm.spec->accel == SPEC_ACCEL_KVM && kvm_is_software())
		log_notice("this processor has no VT-x or AMD-V: kernels run about a thousand "
			   "times slower");
	return open_control(p, error) && open_qtest(p, error);
}

static bool start(struct process *p, GError **error)
{
	struct options *o = &p->options;

	p->vm.spec = read_spec(o, error);
	if (!p->vm.spec)
		return false;
	if (o->qtest)
		p->vm.spec->accel = SPEC_ACCEL_QTEST;
	if (!o->slirp && has_user_network(p->vm.spec))
		o->slirp = default_helper("vmmd-slirp");
	if (!o->vnc && p->vm.spec->display)
		o->vnc = default_helper("vmmd-vnc");
	p->vm.name = o->name ? o->name : p->vm.spec->name;
	log_open("vmmd-vm", p->vm.name, o->level);
	if (!vm_spec_complete(p->vm.spec, error) || !vm_files_open(p->vm.spec, o->files, error) ||
		!build(p, error))
		return false;
	return o->check ||
	       (enter_sandbox(p, error) && start_threads(p, error) && vm_start(&p->vm, error));
}

/* One line for who started us. Its reader may be gone: then nobody needs it. */
static void tell_ready(int fd, const GError *error)
{
	g_autofree char *line = error ? g_strdup_printf("error: %s\n", error->message)
				      : g_strdup("running\n");

	if (fd >= 0 && fd_write_all(fd, line, strlen(line)) < 0)
		log_debug("nobody waits for the start");
	if (fd >= 0)
		close(fd);
}

static void write_status(const struct process *p, const struct op_exit *e)
{
	g_autoptr(json_object) json = NULL;
	g_autofree char *text = NULL;
	size_t n;

	if (p->options.status_fd < 0)
		return;
	json = prop_encode(&op_exit_table, e, 0);
	text = json_text(json, &n);
	if (n > STATUS_MAX || pwrite(p->options.status_fd, text, n, 0) != (ssize_t)n ||
		ftruncate(p->options.status_fd, (off_t)n) < 0)
		log_error("cannot write how the VM ended");
}

/*
 * What the guest said last, a panic perhaps, may still be on its way to whoever reads its serial
 * ports. Those of the I/O thread look after themselves as long as that runs.
 */
static void finish_chardevs(const struct vm *vm)
{
	for (guint i = 0; i < vm->machine->chardevs->len; i++) {
		struct chardev *c = g_ptr_array_index(vm->machine->chardevs, i);

		if (c->loop == vm->main)
			chardev_finish(c, LAST_WORDS_MS);
	}
}

static void file_clear(gpointer f)
{
	g_free(((struct vm_file *)f)->pointer);
}

int main(int argc, char **argv)
{
	struct process p = {
		.options = {.spec_fd = -1,
			.kvm_fd = -1,
			.control_fd = -1,
			.ready_fd = -1,
			.status_fd = -1,
			.uid = geteuid() == 0 ? NOBODY : (uid_t)-1,
			.gid = NOBODY,
			.level = LOG_LEVEL_NOTICE},
	};
	g_autoptr(GError) error = NULL;
	struct op_exit failed = {.state = OP_EXIT_ERROR};

	mallopt(M_TOP_PAD, HEAP_STEP);
	p.options.files = g_array_new(FALSE, FALSE, sizeof(struct vm_file));
	g_array_set_clear_func(p.options.files, file_clear);
	qs_thread_init();
	if (!parse_options(&p.options, argc, argv, &error) || !start(&p, &error)) {
		fprintf(stderr, "vmmd-vm: %s\n", error->message);
		tell_ready(p.options.ready_fd, error);
		failed.reason = error->message;
		write_status(&p, &failed);
		return 1;
	}
	if (p.options.check)
		return 0;
	tell_ready(p.options.ready_fd, NULL);
	loop_run(p.vm.main);
	write_status(&p, &p.vm.exit);
	finish_chardevs(&p.vm);
	/* The kernel takes back memory, threads and descriptors faster and surer than we could one by one. */
	_exit(p.vm.exit_status);
}
