/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/vm/vm.h"

#include <stdio.h>
#include <string.h>

#include "api/control-server.h"
#include "base/block.h"
#include "base/error.h"
#include "base/log.h"
#include "virtio-backends/block/drivers.h"
#include "vmmd/vm/io-errors.h"

/* How long devices may take to finish what is in flight, ns. */
#define QUIESCE_LIMIT (30 * NSEC_PER_SEC)
#define EXIT_LIMIT    (5 * NSEC_PER_SEC)

#define PANIC_INTERVAL NSEC_PER_SEC

/* Bits of vm->noted beyond those of enum bus_request. */
enum { NOTED_TRIPLE_FAULT = 16, NOTED_CPU_ERROR = 17 };

static void tell(struct vm *vm, const struct op_event *event, const void *params)
{
	if (vm->control)
		control_server_event(vm->control, event, params);
}

static void tell_reason(struct vm *vm, const struct op_event *event, const char *reason)
{
	struct op_reason r = {.reason = (char *)(uintptr_t)reason};

	tell(vm, event, &r);
}

static void set_text(char **where, const char *text)
{
	char *copy = g_strdup(text);

	g_free(*where);
	*where = copy;
}

/* ---- a change of state, step by step ---- */

static void answer_waiting(struct vm *vm, const char *failure)
{
	GSList *calls = g_slist_reverse(vm->waiting);

	vm->waiting = NULL;
	for (GSList *i = calls; i; i = i->next) {
		if (failure)
			op_fail_with(i->data, VMMD_ERROR_HOST, "%s", failure);
		else
			op_return(i->data, NULL);
	}
	g_slist_free(calls);
}

static void go(struct vm *vm)
{
	struct machine *m = vm->machine;

	vm->stopped = false;
	vm->state = OP_RUN_RUNNING;
	set_text(&vm->reason, NULL);
	clocks_run(m->clocks);
	bus_resume(m->bus);
	for (guint i = 0; i < m->disks->len; i++)
		blk_unpark(g_ptr_array_index(m->disks, i));
	m->accel->ops->run(m->accel);
}

static void finish_pause(struct vm *vm)
{
	vm->state = OP_RUN_PAUSED;
	set_text(&vm->reason, vm->goal_reason);
	log_info("paused: %s", vm->goal_reason);
	tell_reason(vm, &vm_event_paused, vm->goal_reason);
}

static void finish_reset(struct vm *vm)
{
	g_autoptr(GError) error = NULL;

	if (!machine_prepare(vm->machine, RESET_WARM, &error)) {
		log_error("cannot reset: %s", error->message);
		vm_request_exit(vm, OP_EXIT_ERROR, error->message, NULL);
		return;
	}
	log_info("reset: %s", vm->goal_reason);
	tell_reason(vm, &vm_event_reset, vm->goal_reason);
	if (vm->run_after)
		go(vm);
	else
		vm->state = OP_RUN_PAUSED;
}

static void finish_exit(struct vm *vm)
{
	vm->state = OP_RUN_EXITING;
	log_info("ends: %s", vm->exit.reason);
	answer_waiting(vm, NULL);
	io_errors_flush(vm->io_errors);
	gate_flush(&vm->panics);
	tell(vm, &vm_event_exiting, &vm->exit);
	loop_quit(vm->main);
}

static void finish(struct vm *vm)
{
	enum vm_goal goal = vm->goal;

	loop_timer_cancel(vm->main, &vm->deadline);
	if (goal == VM_GOAL_EXIT) {
		finish_exit(vm);
		return;
	}
	vm->goal = VM_GOAL_NONE;
	if (goal == VM_GOAL_RESET)
		finish_reset(vm);
	else
		finish_pause(vm);
	if (vm->goal == VM_GOAL_NONE)
		answer_waiting(vm, NULL);
}

static void on_quiet(struct async_group *g)
{
	struct vm *vm = container_of(g, struct vm, quiescing);

	clocks_pause(vm->machine->clocks);
	vm->stopped = true;
	if (vm->goal != VM_GOAL_NONE)
		finish(vm);
}

static void on_cpus_stopped(void *opaque)
{
	struct vm *vm = opaque;

	async_begin(&vm->quiescing, vm->main, on_quiet);
	bus_quiesce(vm->machine->bus, &vm->quiescing);
	async_end(&vm->quiescing);
}

/* Something of the host does not come back. An exit goes on without it; the rest goes on waiting, and says so. */
static void on_deadline(struct loop_timer *t)
{
	struct vm *vm = container_of(t, struct vm, deadline);

	if (vm->goal == VM_GOAL_EXIT) {
		log_warning("ends although requests to the host are still in flight");
		finish_exit(vm);
		return;
	}
	log_warning("requests to the host are in flight for %d s, still waiting",
		(int)(QUIESCE_LIMIT / NSEC_PER_SEC));
	answer_waiting(vm,
		"requests to the host's disks or network do not finish; still waiting for them");
}

void vm_request(struct vm *vm, enum vm_goal goal, const char *why, struct op_call *call)
{
	bool under_way = vm->goal != VM_GOAL_NONE;

	if (call)
		vm->waiting = g_slist_prepend(vm->waiting, call);
	if (vm->state == OP_RUN_EXITING || goal < vm->goal)
		return;
	if (goal == VM_GOAL_RESET && !under_way)
		vm->run_after = vm->state != OP_RUN_PAUSED || vm->goal == VM_GOAL_RESET;
	vm->goal = goal;
	set_text(&vm->goal_reason, why);
	if (!under_way || goal == VM_GOAL_EXIT)
		loop_timer_set(vm->main, &vm->deadline,
			loop_now() + (goal == VM_GOAL_EXIT ? EXIT_LIMIT : QUIESCE_LIMIT));
	if (vm->stopped)
		finish(vm);
	else if (!under_way)
		vm->machine->accel->ops->pause(vm->machine->accel, on_cpus_stopped, vm);
}

void vm_request_exit(struct vm *vm, enum op_exit_state state, const char *why, struct op_call *call)
{
	/* The first reason is the one that counts. */
	if (vm->goal != VM_GOAL_EXIT) {
		vm->exit.state = (int)state;
		set_text(&vm->exit.reason, why);
		if (state != OP_EXIT_SHUTDOWN)
			vm->exit_status = 1;
	}
	vm_request(vm, VM_GOAL_EXIT, why, call);
}

void vm_resume(struct vm *vm)
{
	if (vm->state != OP_RUN_PAUSED || vm->goal != VM_GOAL_NONE)
		return;
	go(vm);
	log_info("resumed");
	tell(vm, &vm_event_resumed, NULL);
}

/* ---- what the guest and the vCPUs ask for ---- */

static void act(struct vm *vm, int action, const char *why, enum op_exit_state exit_state)
{
	switch ((enum spec_on_exit)action) {
	case SPEC_ACTION_RESET: vm_request(vm, VM_GOAL_RESET, why, NULL); break;
	case SPEC_ACTION_SHUTDOWN: vm_request_exit(vm, exit_state, why, NULL); break;
	case SPEC_ACTION_PAUSE: vm_request(vm, VM_GOAL_PAUSE, why, NULL); break;
	case SPEC_ACTION_NONE: break;
	}
}

static void note(struct vm *vm, unsigned bit)
{
	vm->noted |= 1u << bit;
	loop_post(vm->main, &vm->noted_call);
}

static void on_bus_request(void *opaque, enum bus_request what, unsigned detail)
{
	struct vm *vm = opaque;

	pthread_mutex_lock(&vm->lock);
	if (what == BUS_REQUEST_EXIT)
		vm->exit_detail = detail;
	if (what == BUS_REQUEST_PANIC)
		vm->panic_detail = detail;
	note(vm, what);
	pthread_mutex_unlock(&vm->lock);
}

static void on_cpu_event(void *opaque, enum accel_event e, unsigned vcpu, const char *detail)
{
	struct vm *vm = opaque;

	pthread_mutex_lock(&vm->lock);
	snprintf(vm->cpu_detail, sizeof(vm->cpu_detail), "vCPU %u: %s", vcpu, detail);
	note(vm, e == ACCEL_TRIPLE_FAULT ? NOTED_TRIPLE_FAULT : NOTED_CPU_ERROR);
	pthread_mutex_unlock(&vm->lock);
}

static void tell_panic(struct gate *g)
{
	struct vm *vm = container_of(g, struct vm, panics);

	log_warning("%s", vm->panic);
	tell_reason(vm, &vm_event_guest_panicked, vm->panic);
}

static void on_panic(struct vm *vm, unsigned events)
{
	/* pvpanic events, bit 0: panicked, bit 1: a crash kernel was started (QEMU's docs/specs/pvpanic). */
	bool goes_on = events & 2;

	vm->panic = goes_on ? "the guest crashed and loads its crash kernel" : "the guest panicked";
	gate_pass(&vm->panics);
	if (!goes_on)
		act(vm, vm->spec->on_crash, vm->panic, OP_EXIT_CRASHED);
}

static void on_debug_exit(struct vm *vm, unsigned status)
{
	g_autofree char *why = g_strdup_printf("the guest asked for exit status %u", status);

	if (vm->goal != VM_GOAL_EXIT)
		vm->exit_status = (int)status;
	vm_request_exit(vm, OP_EXIT_SHUTDOWN, why, NULL);
}

static void on_noted(struct loop_call *c)
{
	struct vm *vm = container_of(c, struct vm, noted_call);
	char detail[sizeof(vm->cpu_detail)];
	unsigned noted, exit_detail, panic_detail;

	pthread_mutex_lock(&vm->lock);
	noted = vm->noted;
	vm->noted = 0;
	exit_detail = vm->exit_detail;
	panic_detail = vm->panic_detail;
	memcpy(detail, vm->cpu_detail, sizeof(detail));
	pthread_mutex_unlock(&vm->lock);

	if (noted & 1u << BUS_REQUEST_EXIT)
		on_debug_exit(vm, exit_detail);
	if (noted & 1u << BUS_REQUEST_PANIC)
		on_panic(vm, panic_detail);
	if (noted & 1u << NOTED_CPU_ERROR) {
		log_error("%s", detail);
		vm_request(vm, VM_GOAL_PAUSE, detail, NULL);
	}
	if (noted & 1u << BUS_REQUEST_SHUTDOWN) {
		tell_reason(vm, &vm_event_shutdown, "the guest powered off");
		vm_request_exit(vm, OP_EXIT_SHUTDOWN, "the guest powered off", NULL);
	}
	if (noted & 1u << NOTED_TRIPLE_FAULT)
		act(vm, vm->spec->on_reboot, "triple fault", OP_EXIT_SHUTDOWN);
	if (noted & 1u << BUS_REQUEST_RESET)
		act(vm, vm->spec->on_reboot, "the guest asked for it", OP_EXIT_SHUTDOWN);
	if (noted & 1u << BUS_REQUEST_WATCHDOG)
		act(vm, vm->spec->on_crash, "the watchdog expired", OP_EXIT_CRASHED);
}

static void tell_io_error(void *opaque, const struct op_io_error *e)
{
	tell(opaque, &vm_event_block_io_error, e);
}

static void on_block_error(void *opaque, const struct blk_error_event *e)
{
	struct vm *vm = opaque;

	io_errors_add(vm->io_errors, e);
	if (e->parked) {
		g_autofree char *why = g_strdup_printf("disk %s: %s", e->id, err_text(e->error));

		vm_request(vm, VM_GOAL_PAUSE, why, NULL);
	}
}

/* ---- life ---- */

void vm_init(struct vm *vm, struct machine_env *env)
{
	pthread_mutex_init(&vm->lock, NULL);
	vm->state = OP_RUN_STARTING;
	vm->noted_call.fn = on_noted;
	vm->deadline.fn = on_deadline;
	env->request = on_bus_request;
	env->cpu_event = on_cpu_event;
	env->block_error = on_block_error;
	env->opaque = vm;
}

bool vm_start(struct vm *vm, GError **error)
{
	if (!machine_prepare(vm->machine, RESET_COLD, error))
		return false;
	gate_init(&vm->panics, vm->main, PANIC_INTERVAL, tell_panic);
	vm->io_errors = io_errors_new(vm->machine, tell_io_error, vm);
	go(vm);
	tell(vm, &vm_event_started, NULL);
	return true;
}
