/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm.h - the life of one VM in its process: start, pause, reset, end.
 *
 *	             ┌────────────── resume ──────────────┐
 *	             ▼                                    │
 *	STARTING ─► RUNNING ─► vCPUs stop ─► devices quiesce ─┬─► PAUSED
 *	             ▲                                        ├─► reset ─► RUNNING or PAUSED
 *	             └────────────────────────────────────────┤
 *	                                                      └─► EXITING
 *
 * A change of state is asynchronous: nothing waits, everything runs on the main loop. What is asked for while one is under way is
 * joined to it, the stronger goal wins (exit over reset over pause). Devices that do not quiesce before a deadline (a disk of the
 * host hangs) hold up a pause or reset, never an exit.
 */
#ifndef VMMD_VM_VM_H
#define VMMD_VM_VM_H

#include "api/operations.h"
#include "vmmd/machine/machine.h"
#include "vmmd/vm/gate.h"

struct control_server;

enum vm_goal { VM_GOAL_NONE, VM_GOAL_PAUSE, VM_GOAL_RESET, VM_GOAL_EXIT };

struct vm {
	const char *name;
	struct vm_spec *spec;
	struct machine *machine;
	struct loop *main, *io;
	struct control_server *control; /* NULL: nobody controls it from outside */

	enum op_run_state state;
	char *reason; /* of the pause */
	struct op_exit exit;
	int exit_status; /* of the process */

	/* The change under way. */
	enum vm_goal goal;
	char *goal_reason;
	bool stopped;   /* vCPUs stopped and devices quiet */
	bool run_after; /* of a reset */
	struct async_group quiescing;
	struct loop_timer deadline;
	GSList *waiting; /* struct op_call: answered when the change is complete */

	GBytes *screenshot; /* the last one: it is read in parts */

	/* What the guest causes, told at a bounded rate. */
	struct io_errors *io_errors;
	struct gate panics;
	const char *panic; /* the latest */

	/* What vCPU threads noted; lock. */
	pthread_mutex_t lock;
	unsigned noted; /* bit of enum bus_request, see vm.c */
	unsigned exit_detail, panic_detail;
	char cpu_detail[160];
	struct loop_call noted_call;
};

/* @vm is zeroed, name, spec and loops set. Binds the functions that machine.c calls into @env. */
void vm_init(struct vm *vm, struct machine_env *env);

/* Power on. Errors: machine_prepare(). */
bool vm_start(struct vm *vm, GError **error);

/*
 * Asks for a change with @why (copied). @call, if any, is answered when it is complete or has failed. Main loop.
 */
void vm_request(struct vm *vm, enum vm_goal goal, const char *why, struct op_call *call);
/* Ends with this result: vm_request() for VM_GOAL_EXIT. */
void vm_request_exit(
	struct vm *vm, enum op_exit_state state, const char *why, struct op_call *call);
void vm_resume(struct vm *vm);

/* control-display.c */
op_handler op_screenshot, op_send_key, op_pointer, op_vnc_password;

/* The handlers of scope vm, for the control server. */
extern const struct vm_handlers vm_control_handlers;

#endif
