/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/daemon/instance.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/json.h"
#include "api/prop-json.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "vmmd/daemon/console.h"
#include "vmmd/daemon/rundir.h"
#include "vmmd/daemon/work.h"

#define CALL_MS      30000 /* for what a VM process must do on its own */
#define STATUS_MS    5000
#define RECONNECT_MS 1000
#define READY_MAX    4096 /* bytes of what it says when it has started */
#define READY_READ   512
#define WAITING_MAX  64

struct instance *instance_new(
	const struct launch_conf *conf, const char *name, struct vm_spec *spec, const char *fault)
{
	struct instance *i = g_new0(struct instance, 1);

	i->conf = conf;
	i->name = g_strdup(name);
	i->spec = spec;
	i->fault = g_strdup(fault);
	i->state = spec ? OP_VM_STOPPED : OP_VM_QUARANTINED;
	i->reason = g_strdup(fault);
	i->dir = i->pidfd = i->ready_fd = -1;
	return i;
}

void instance_free(struct instance *i)
{
	fd_close(&i->dir);
	vm_spec_free(i->spec);
	g_free(i->fault);
	g_free(i->reason);
	g_free(i->start_fault);
	g_free(i->name);
	g_free(i);
}

bool instance_has_process(const struct instance *i)
{
	return i->pidfd >= 0 || i->launching || i->reconnect;
}

void instance_info(const struct instance *i, bool with_spec, struct op_vm *ret)
{
	*ret = (struct op_vm){
		.name = i->name,
		.state = (int)i->state,
		.reason = i->reason,
		.pid = i->is_child || i->confirmed ? (uint32_t)i->pid : 0,
		.cpus = i->spec ? i->spec->cpus->count : 0,
		.memory = i->spec ? i->spec->memory->size : 0,
		.spec = with_spec ? i->spec : NULL,
	};
}

static void set_state(struct instance *i, enum op_vm_state state, const char *reason)
{
	char *copy = g_strdup(reason);

	i->state = state;
	g_free(i->reason);
	i->reason = copy;
}

/* ---- answers ---- */

static void answer_info(struct instance *i, struct op_call *call)
{
	struct op_vm vm;

	instance_info(i, true, &vm);
	op_return(call, &vm);
}

static bool refuse_unless(struct instance *i, bool possible, struct op_call *call, const char *what)
{
	if (possible)
		return false;
	op_fail_with(call, VMMD_ERROR_STATE, "%s %s", i->name, what);
	return true;
}

/* Answers when the process has ended. */
static void answer_at_end(struct instance *i, struct op_call *call)
{
	if (!call)
		return;
	if (!refuse_unless(i, g_slist_length(i->end_calls) < WAITING_MAX, call,
		    "is waited for by too many already"))
		i->end_calls = g_slist_append(i->end_calls, call);
}

static void fail_start(struct instance *i, enum vmmd_error code, const char *why)
{
	struct op_call *call = g_steal_pointer(&i->start_call);

	if (call)
		op_fail_with(call, code, "cannot start %s: %s", i->name, why);
	else
		log_error("cannot start %s: %s", i->name, why);
}

static void settle(struct instance *i)
{
	void (*fn)(struct instance *, void *) = g_steal_pointer(&i->settled);

	if (fn)
		fn(i, i->settled_opaque);
}

/* ---- signals to the process ---- */

/* By pidfd, so that it can never be another process which has its number now. */
static void send_signal(struct instance *i, int sig)
{
	if ((i->is_child || i->confirmed) &&
		syscall(SYS_pidfd_send_signal, i->pidfd, sig, NULL, 0) < 0 && errno != ESRCH)
		log_error("cannot end %s: %s", i->name, g_strerror(errno));
}

/* The first reason is the one that is told when the process has ended. */
static void start_failed(struct instance *i, const char *why)
{
	if (!i->start_fault)
		i->start_fault = g_strdup(why);
	send_signal(i, SIGKILL);
}

static gboolean kill_now(gpointer data)
{
	struct instance *i = data;

	i->kill_timer = 0;
	log_warning("%s does not end and is killed", i->name);
	send_signal(i, SIGKILL);
	return G_SOURCE_REMOVE;
}

static void kill_after(struct instance *i, unsigned ms)
{
	if (!i->kill_timer)
		i->kill_timer = g_timeout_add(ms, kill_now, i);
}

/* ---- the control socket ---- */

static void connect_later(struct instance *i);
static void ask_to_stop(struct instance *i);
static bool read_ready(struct instance *i);
static void ended(struct instance *i);

static void take_status(struct instance *i, int run_state, const char *reason)
{
	if (i->state == OP_VM_STOPPING || i->state == OP_VM_STARTING)
		return;
	switch ((enum op_run_state)run_state) {
	case OP_RUN_PAUSED: set_state(i, OP_VM_PAUSED, reason); break;
	case OP_RUN_EXITING: break; /* soon its pidfd says so */
	case OP_RUN_STARTING:
	case OP_RUN_RUNNING: set_state(i, OP_VM_RUNNING, i->fault); break;
	}
}

static void on_event(void *opaque, const struct op_event *event, const void *params)
{
	struct instance *i = opaque;
	const struct op_reason *why = event->params == &op_reason_table ? params : NULL;

	if (event == &vm_event_paused)
		take_status(i, OP_RUN_PAUSED, why->reason);
	else if (event == &vm_event_resumed || event == &vm_event_started)
		take_status(i, OP_RUN_RUNNING, NULL);
	log_info("%s: %s%s%s", i->name, event->name, why && why->reason ? ": " : "",
		why && why->reason ? why->reason : "");
}

/* Mostly its process is about to end, which its pidfd will tell. */
static void on_closed(void *opaque, const GError *error)
{
	struct instance *i = opaque;

	log_debug("%s: %s", i->name, error->message);
	g_clear_pointer(&i->control, control_client_free);
	connect_later(i);
}

static const struct control_client_ops control_ops = {.event = on_event, .closed = on_closed};

static void started(struct instance *i)
{
	struct op_call *call = g_steal_pointer(&i->start_call);

	g_clear_handle_id(&i->start_timer, g_source_remove);
	if (call)
		answer_info(i, call);
	log_notice("%s runs, process %d", i->name, (int)i->pid);
}

static void on_status(void *opaque, const void *result, const GError *error)
{
	struct instance *i = opaque;
	const struct op_status *s = result;

	i->confirmed |= !error;
	if (i->state == OP_VM_STARTING && !error) {
		set_state(i, OP_VM_RUNNING, NULL);
		take_status(i, s->state, s->reason);
		started(i);
	} else if (i->state == OP_VM_STARTING) {
		start_failed(i, error->message);
	} else if (i->state == OP_VM_STOPPING && !error && !i->kill_timer) {
		ask_to_stop(i); /* it could not be asked before */
	} else if (!error) {
		take_status(i, s->state, s->reason);
	} else if (i->state == OP_VM_RUNNING) {
		set_state(i, OP_VM_RUNNING, error->message);
	}
	settle(i);
}

static const struct operation *vm_op(const char *name)
{
	const struct operation *op = op_find(vm_operations, name);

	g_assert(op);
	return op;
}

static gboolean process_ended(gint fd, GIOCondition condition, gpointer data)
{
	struct instance *i = data;

	i->exit_watch = 0;
	ended(i);
	return G_SOURCE_REMOVE;
}

static void watch_process(struct instance *i, pid_t pid, int pidfd, bool is_child)
{
	i->pid = pid;
	i->pidfd = pidfd;
	i->is_child = is_child;
	i->exit_watch = g_unix_fd_add(pidfd, G_IO_IN, process_ended, i);
}

/*
 * The process that listens on the control socket, for one that another daemon started. It may have
 * ended since, and its number be another's: only when it has answered on this connection is its
 * pidfd trusted. 0 or -errno.
 */
static int find_process(struct instance *i, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int pidfd;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	pidfd = (int)syscall(SYS_pidfd_open, cred.pid, 0);
	if (pidfd < 0)
		return -errno;
	watch_process(i, cred.pid, pidfd, false);
	return 0;
}

/* 0 or -errno. */
static int connect_control(struct instance *i)
{
	int fd = rundir_connect(i->dir, RUNDIR_CONTROL), err = fd;

	if (fd >= 0)
		err = i->pidfd < 0 ? find_process(i, fd) : 0;
	if (err < 0) {
		fd_close(&fd);
		return err;
	}
	i->control = control_client_new(fd, &control_ops, i);
	control_client_call(i->control, vm_op("status"), STATUS_MS, on_status, i);
	return 0;
}

/*
 * A VM process listens as long as it lives. Any other error is ours, or it is behind with
 * accepting.
 */
static bool is_gone(int err)
{
	return err == -ECONNREFUSED || err == -ENOENT || err == -ESRCH;
}

/* Of our own child the kernel tells us the end; one that is not has ended when nobody listens. */
static gboolean connect_again(gpointer data)
{
	struct instance *i = data;
	int err = connect_control(i);

	if (err < 0 && (i->is_child || !is_gone(err)))
		return G_SOURCE_CONTINUE;
	i->reconnect = 0;
	if (err < 0)
		ended(i);
	return G_SOURCE_REMOVE;
}

static void connect_later(struct instance *i)
{
	if (!i->reconnect)
		i->reconnect = g_timeout_add(RECONNECT_MS, connect_again, i);
}

/* ---- the end of the process ---- */

/* What the kernel knows; "" for the child of another daemon. Free with g_free(). */
static char *reap(struct instance *i)
{
	siginfo_t info = {0};

	if (!i->is_child || waitid(P_PIDFD, (id_t)i->pidfd, &info, WEXITED | WNOHANG) < 0 ||
		!info.si_pid)
		return g_strdup("");
	if (info.si_code == CLD_EXITED)
		return g_strdup_printf(" with status %d", info.si_status);
	return g_strdup_printf(" by signal %d (%s)", info.si_status, strsignal(info.si_status));
}

static struct op_exit *exit_new(enum op_exit_state state, const char *reason)
{
	struct op_exit *e = prop_object_new(&op_exit_table);

	e->state = (int)state;
	e->reason = g_strdup(reason);
	return e;
}

static void keep_exit(struct instance *i, const struct op_exit *e)
{
	g_autoptr(json_object) json = prop_encode(&op_exit_table, e, 0);
	g_autofree char *text = NULL;
	g_autoptr(GError) error = NULL;
	size_t len;

	text = json_text(json, &len);
	if (!rundir_write(i->dir, RUNDIR_STATUS, text, len, &error))
		log_error("%s: %s", i->name, error->message);
}

/* How it ended, for one that left no word of it. */
static struct op_exit *guess_exit(struct instance *i, const char *how)
{
	g_autofree char *words = NULL, *text = NULL;

	if (i->stop_asked)
		return exit_new(OP_EXIT_SHUTDOWN, "it did not end by itself and was killed");
	words = rundir_last_words(i->dir);
	text = g_strdup_printf(
		"its process ended%s%s%s", how, words ? ": " : "", words ? words : "");
	return exit_new(OP_EXIT_CRASHED, text);
}

/* A start that failed leaves the VM stopped, with the reason; for the next daemon too. */
static struct op_exit *failed_start(struct instance *i, struct op_exit *own)
{
	const char *why = i->start_fault ?: own->reason ?: "it ended at once";
	struct op_exit *e = exit_new(OP_EXIT_SHUTDOWN, why);

	prop_object_free(&op_exit_table, own);
	return e;
}

/* What it said before it ended, and was not read yet: it may have ended because of it. */
static void drain(struct instance *i)
{
	if (i->control)
		control_client_drain(i->control);
	for (unsigned n = 0; i->ready_fd >= 0 && n < READY_MAX / READY_READ && read_ready(i); n++)
		continue;
}

static struct op_exit *final_state(struct instance *i, bool was_starting)
{
	g_autofree char *how = reap(i);
	struct op_exit *own = rundir_read_status(i->dir), *e = own ? own : guess_exit(i, how);

	if (was_starting)
		e = failed_start(i, e);
	if (e != own)
		keep_exit(i, e);
	return e;
}

static void clear_process(struct instance *i)
{
	struct control_client *control = g_steal_pointer(&i->control);

	g_clear_handle_id(&i->exit_watch, g_source_remove);
	g_clear_handle_id(&i->reconnect, g_source_remove);
	g_clear_handle_id(&i->ready_watch, g_source_remove);
	g_clear_handle_id(&i->start_timer, g_source_remove);
	g_clear_handle_id(&i->kill_timer, g_source_remove);
	g_clear_handle_id(&i->deadline, g_source_remove);
	fd_close(&i->ready_fd);
	fd_close(&i->pidfd);
	if (i->ready_line)
		g_string_free(g_steal_pointer(&i->ready_line), TRUE);
	i->stop_asked = i->is_child = i->confirmed = false;
	control_client_free(control);
}

static void set_ended(struct instance *i, const struct op_exit *e)
{
	if (i->fault)
		set_state(i, OP_VM_QUARANTINED, i->fault);
	else
		set_state(
			i, e->state == OP_EXIT_SHUTDOWN ? OP_VM_STOPPED : OP_VM_CRASHED, e->reason);
}

static void answer_ended(struct instance *i)
{
	GSList *calls = g_steal_pointer(&i->end_calls);

	for (GSList *c = calls; c; c = c->next)
		answer_info(i, c->data);
	g_slist_free(calls);
	settle(i);
}

static void ended(struct instance *i)
{
	bool was_starting = i->state == OP_VM_STARTING;
	struct op_exit *e;

	drain(i);
	e = final_state(i, was_starting);
	log_notice("%s has ended: %s", i->name, e->reason ? e->reason : "no reason given");
	set_ended(i, e);
	clear_process(i);
	if (i->console)
		console_end(g_steal_pointer(&i->console), e->reason);
	if (was_starting)
		fail_start(i, VMMD_ERROR_HOST, e->reason);
	g_clear_pointer(&i->start_fault, g_free);
	prop_object_free(&op_exit_table, e);
	answer_ended(i);
}

/* ---- start ---- */

static gboolean start_timed_out(gpointer data)
{
	struct instance *i = data;
	g_autofree char *why = g_strdup_printf(
		"it has not begun to run within %u s", i->start_timeout);

	i->start_timer = 0;
	start_failed(i, why);
	return G_SOURCE_REMOVE;
}

/* "running", or "error: " and a sentence; after that its process ends by itself. */
static void take_ready_line(struct instance *i, const char *line)
{
	if (strcmp(line, "running") == 0) {
		if (!i->stop_asked && connect_control(i) < 0)
			start_failed(i, "its control socket does not answer");
		return;
	}
	if (!i->start_fault && g_str_has_prefix(line, "error: "))
		i->start_fault = g_utf8_make_valid(line + strlen("error: "), -1);
	kill_after(i, STATUS_MS);
}

/* False: no more is to come. */
static bool read_ready(struct instance *i)
{
	char buf[READY_READ], *end;
	ssize_t n = read(i->ready_fd, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0 || i->ready_line->len > READY_MAX) {
		kill_after(i, STATUS_MS); /* it ends, or has to */
		return false;
	}
	g_string_append_len(i->ready_line, buf, n);
	end = strchr(i->ready_line->str, '\n');
	if (!end)
		return true;
	*end = '\0';
	take_ready_line(i, i->ready_line->str);
	return false;
}

static gboolean on_ready(gint fd, GIOCondition condition, gpointer data)
{
	struct instance *i = data;

	if (read_ready(i))
		return G_SOURCE_CONTINUE;
	i->ready_watch = 0;
	fd_close(&i->ready_fd);
	return G_SOURCE_REMOVE;
}

struct start_job {
	struct instance *instance;
	struct launch *launch;
};

static void run_launch(void *data)
{
	launch_run(((struct start_job *)data)->launch);
}

static void launch_failed(struct instance *i, const GError *error)
{
	struct op_exit *e = exit_new(OP_EXIT_SHUTDOWN, error->message);

	if (i->dir >= 0)
		keep_exit(i, e);
	prop_object_free(&op_exit_table, e);
	set_state(i, OP_VM_STOPPED, error->message);
	i->stop_asked = false;
	fail_start(i, (enum vmmd_error)error->code, error->message);
	answer_ended(i);
}

static void launched(void *data)
{
	struct start_job *job = data;
	struct instance *i = job->instance;
	struct launch *l = job->launch;

	i->launching = false;
	fd_close(&i->dir);
	i->dir = l->dir;
	l->dir = -1;
	if (l->error) {
		launch_failed(i, l->error);
	} else {
		watch_process(i, l->pid, l->pidfd, true);
		i->ready_fd = l->ready;
		l->pidfd = l->ready = -1;
		i->ready_line = g_string_new(NULL);
		i->ready_watch = g_unix_fd_add(i->ready_fd, G_IO_IN, on_ready, i);
		i->start_timer = g_timeout_add_seconds(i->start_timeout, start_timed_out, i);
		if (i->stop_asked)
			start_failed(i, "it was stopped");
	}
	launch_free(l);
	g_free(job);
}

static struct vm_spec *copy_spec(const struct vm_spec *spec)
{
	g_autoptr(json_object) json = vm_spec_encode(spec);
	struct vm_spec *copy = vm_spec_decode(json, NULL);

	/* What was encoded decodes, and what was complete stays so. */
	g_assert(copy && vm_spec_complete(copy, NULL));
	return copy;
}

void instance_start(struct instance *i, unsigned timeout_s, struct op_call *call)
{
	struct start_job *job;

	if (call &&
		(refuse_unless(i, i->spec, call, "is quarantined: its definition cannot be read") ||
			refuse_unless(i, !instance_has_process(i), call, "runs already")))
		return;
	set_state(i, OP_VM_STARTING, NULL);
	i->start_call = call;
	i->start_timeout = timeout_s;
	i->launching = true;
	job = g_new0(struct start_job, 1);
	job->instance = i;
	job->launch = launch_new(i->conf, copy_spec(i->spec));
	work_run(run_launch, launched, job);
}

/* ---- stop ---- */

/* It stops, or is killed when its time is over; what it answers does not matter. */
static void on_stop_reply(void *opaque, const void *result, const GError *error)
{
	struct instance *i = opaque;

	if (error)
		log_debug("%s: stop: %s", i->name, error->message);
}

static void ask_to_stop(struct instance *i)
{
	unsigned stop_ms = i->conf->stop_s * 1000;

	if (i->control)
		control_client_call(i->control, vm_op("stop"), stop_ms, on_stop_reply, i);
	else
		send_signal(i, SIGTERM);
	kill_after(i, stop_ms);
}

void instance_stop(struct instance *i, struct op_call *call)
{
	if (call && refuse_unless(i, instance_has_process(i), call, "does not run"))
		return;
	answer_at_end(i, call);
	if (i->stop_asked)
		return;
	i->stop_asked = true;
	if (i->state == OP_VM_STARTING) {
		if (!i->launching)
			start_failed(i, "it was stopped");
		return;
	}
	set_state(i, OP_VM_STOPPING, NULL);
	ask_to_stop(i);
}

/* ---- what the VM process does for us ---- */

struct forward {
	struct instance *instance;
	struct op_call *call;
	int state;         /* enum op_run_state after success, -1: as it is */
	unsigned deadline; /* s, of a shutdown */
	bool wait;
};

static void on_forwarded(void *opaque, const void *result, const GError *error)
{
	struct forward *f = opaque;
	struct instance *i = f->instance;

	if (error) {
		op_fail(f->call, g_error_copy(error));
	} else {
		if (f->state >= 0)
			take_status(i, f->state, "by request");
		answer_info(i, f->call);
	}
	g_free(f);
}

static bool refuse_forward(struct instance *i, struct op_call *call)
{
	return refuse_unless(i, instance_has_process(i), call, "does not run") ||
	       refuse_unless(i, i->state != OP_VM_STARTING, call, "is still starting") ||
	       refuse_unless(i, i->state != OP_VM_STOPPING, call, "is stopping") ||
	       refuse_unless(i, i->control, call, "does not answer on its control socket");
}

static void forward(struct instance *i, const char *op, int after, struct op_call *call)
{
	struct forward *f;

	if (refuse_forward(i, call))
		return;
	f = g_new0(struct forward, 1);
	*f = (struct forward){.instance = i, .call = call, .state = after};
	control_client_call(i->control, vm_op(op), CALL_MS, on_forwarded, f);
}

void instance_reset(struct instance *i, struct op_call *call)
{
	forward(i, "reset", -1, call);
}

void instance_pause(struct instance *i, struct op_call *call)
{
	forward(i, "pause", OP_RUN_PAUSED, call);
}

void instance_resume(struct instance *i, struct op_call *call)
{
	if (!refuse_forward(i, call) &&
		!refuse_unless(i, i->state == OP_VM_PAUSED, call, "is not paused"))
		forward(i, "resume", OP_RUN_RUNNING, call);
}

static gboolean deadline_passed(gpointer data)
{
	struct instance *i = data;

	i->deadline = 0;
	log_warning("%s has not shut down in time and is stopped", i->name);
	instance_stop(i, NULL);
	return G_SOURCE_REMOVE;
}

static void on_shutdown(void *opaque, const void *result, const GError *error)
{
	struct forward *f = opaque;
	struct instance *i = f->instance;

	if (error) {
		op_fail(f->call, g_error_copy(error));
	} else {
		set_state(i, i->state, "asked to shut down");
		if (f->deadline && !i->deadline)
			i->deadline = g_timeout_add_seconds(f->deadline, deadline_passed, i);
		if (f->wait)
			answer_at_end(i, f->call);
		else
			answer_info(i, f->call);
	}
	g_free(f);
}

void instance_shutdown(struct instance *i, unsigned deadline_s, bool wait, struct op_call *call)
{
	struct forward *f;

	if (refuse_forward(i, call) ||
		refuse_unless(i, i->state != OP_VM_PAUSED, call,
			"is paused: a guest that stands still cannot shut down"))
		return;
	f = g_new0(struct forward, 1);
	*f = (struct forward){.instance = i, .call = call, .deadline = deadline_s, .wait = wait};
	control_client_call(i->control, vm_op("shutdown"), CALL_MS, on_shutdown, f);
}

/* ---- adoption ---- */

void instance_adopt(
	struct instance *i, void (*settled)(struct instance *i, void *opaque), void *opaque)
{
	int err;

	i->settled = settled;
	i->settled_opaque = opaque;
	i->dir = rundir_open(i->conf->run, i->name, false, NULL);
	err = i->dir < 0 ? -ENOENT : connect_control(i);
	if (err == 0) {
		log_notice("%s runs already, process %d", i->name, (int)i->pid);
		set_state(i, OP_VM_RUNNING, i->fault);
		return;
	}
	if (!is_gone(err)) {
		set_state(i, OP_VM_RUNNING, "its process does not answer");
		connect_later(i);
	} else if (i->dir >= 0) {
		/* It ended while no daemon looked on. */
		struct op_exit *e = final_state(i, false);

		set_ended(i, e);
		prop_object_free(&op_exit_table, e);
	}
	settle(i);
}

/* ---- the rest ---- */

struct console *instance_console(struct instance *i, GError **error)
{
	const char *id = i->spec ? launch_console_id(i->spec) : NULL;
	g_autofree char *file = NULL;

	if (i->pidfd < 0 || i->dir < 0) {
		err_set(error, VMMD_ERROR_STATE, "%s does not run", i->name);
		return NULL;
	}
	if (!id) {
		err_set(error, VMMD_ERROR_STATE,
			"%s has no console: its spec needs \"serials\": [{\"chardev\": {\"type\": "
			"\"socket\"}}]",
			i->name);
		return NULL;
	}
	file = launch_console_file(id);
	if (!i->console)
		i->console = console_new(i->dir, file);
	return i->console;
}

void instance_trim(struct instance *i)
{
	if (i->pidfd >= 0)
		rundir_trim_log(i->dir);
}
