/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * instance.h - one VM of the host: its definition, and its process while it has one.
 *
 *	           start              "running"              pause
 *	STOPPED ──────────► STARTING ───────────► RUNNING ◄─────────► PAUSED
 *	   ▲                    │                    │       resume
 *	   │                    ▼                    ▼
 *	   └──────────── its process ends ◄───── STOPPING
 *	CRASHED: the same, but it should not have ended
 *
 * The process is another program that may be slow, stuck or malicious: everything towards it is
 * asynchronous with a time limit, and its end is known from its pidfd, not from what it says. It
 * belongs to no daemon in particular: one that was started later adopts it. Main thread.
 */
#ifndef VMMD_DAEMON_INSTANCE_H
#define VMMD_DAEMON_INSTANCE_H

#include "api/control-client.h"
#include "api/operations.h"
#include "vmmd/daemon/launch.h"

struct console;

struct instance {
	const struct launch_conf *conf; /* [c] */
	char *name;                     /* [c] */
	struct vm_spec *spec;           /* NULL: its definition cannot be read */
	char *fault;                    /* why it cannot */
	const char *busy; /* "is being defined": the store works on it; NULL: it does not */

	enum op_vm_state state;
	char *reason;

	/* Its process. */
	int dir;   /* run folder, -1: it has none */
	int pidfd; /* -1: no process */
	pid_t pid;
	bool is_child;  /* of this daemon: to be reaped */
	bool confirmed; /* it has answered, so pidfd is surely its own */
	guint exit_watch;
	struct control_client *control;
	guint reconnect;
	struct console *console;

	/* Its start. */
	bool launching; /* a worker prepares it */
	struct op_call *start_call;
	unsigned start_timeout; /* s */
	char *start_fault;      /* what went wrong */
	int ready_fd;
	guint ready_watch, start_timer;
	GString *ready_line;

	/* Its end. */
	bool stop_asked;
	guint kill_timer, deadline;
	GSList *end_calls; /* struct op_call: answered when the process has ended */
	void (*settled)(struct instance *i, void *opaque); /* see instance_adopt() */
	void *settled_opaque;
};

/*
 * Takes over @spec, which is complete; or, with @spec NULL, one whose definition cannot be read
 * because of @fault.
 */
struct instance *instance_new(
	const struct launch_conf *conf, const char *name, struct vm_spec *spec, const char *fault);
/* It has no process and nobody waits for it. */
void instance_free(struct instance *i);

bool instance_has_process(const struct instance *i);

/* What the API tells about it: borrowed until it changes. */
void instance_info(const struct instance *i, bool with_spec, struct op_vm *ret);

/*
 * Looks for a process in the run folder that an earlier daemon started. @settled runs once, when
 * the state is known; maybe before this returns.
 */
void instance_adopt(
	struct instance *i, void (*settled)(struct instance *i, void *opaque), void *opaque);

/*
 * Each answers @call once, now or later. @call of instance_start() may be NULL: nobody asked,
 * failures are logged.
 */
void instance_start(struct instance *i, unsigned timeout_s, struct op_call *call);
void instance_shutdown(struct instance *i, unsigned deadline_s, bool wait, struct op_call *call);
void instance_stop(struct instance *i, struct op_call *call);
void instance_reset(struct instance *i, struct op_call *call);
void instance_pause(struct instance *i, struct op_call *call);
void instance_resume(struct instance *i, struct op_call *call);

/*
 * The hub of its console, for clients to join. NULL with @error set: it does not run, or has none.
 */
struct console *instance_console(struct instance *i, GError **error);

/* Keeps its log within bounds; called now and then. */
void instance_trim(struct instance *i);

#endif
