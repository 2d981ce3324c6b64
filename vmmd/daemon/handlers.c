/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/daemon/handlers.h"

#include <sys/utsname.h>
#include <unistd.h>

#include "api/version.h"
#include "vmmd/daemon/registry.h"

/* ---- the host ---- */

static void count(struct instance *i, void *opaque)
{
	struct op_host *h = opaque;

	h->vms++;
	h->running += instance_has_process(i);
}

static void op_host_info(void *process, struct op_call *call)
{
	struct op_host h = {0};
	struct utsname kernel;
	g_autofree char *reason = NULL;

	if (uname(&kernel) == 0)
		h.kernel = kernel.release;
	h.version = (char *)(uintptr_t)vmmd_version;
	h.accel = (char *)(uintptr_t)host_accel(&reason);
	h.accel_reason = reason;
	h.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	h.memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	registry_foreach(process, count, &h);
	op_return(call, &h);
}

/* ---- definitions ---- */

static void add_to_list(struct instance *i, void *opaque)
{
	struct op_vm vm;

	if (i->busy)
		return;
	instance_info(i, false, &vm);
	g_ptr_array_add(opaque, g_memdup2(&vm, sizeof(vm)));
}

static void op_vm_list(void *process, struct op_call *call)
{
	g_autoptr(GPtrArray) vms = g_ptr_array_new_with_free_func(g_free);
	struct op_vm_list list;

	registry_foreach(process, add_to_list, vms);
	list = (struct op_vm_list){.vms = (struct op_vm **)vms->pdata, .n_vms = vms->len};
	op_return(call, &list);
}

static void op_vm_define(void *process, struct op_call *call)
{
	registry_define(process, call->params, call);
}

static void op_vm_delete(void *process, struct op_call *call)
{
	registry_delete(process, ((const struct op_name *)call->params)->name, call);
}

/* ---- one VM ---- */

/* NULL: the call has been answered. */
static struct instance *find(void *process, const char *name, struct op_call *call)
{
	GError *e = NULL;
	struct instance *i = registry_find(process, name, &e);

	if (!i)
		op_fail(call, e);
	return i;
}

static void with_name(
	void *process, struct op_call *call, void (*fn)(struct instance *i, struct op_call *call))
{
	struct instance *i = find(process, ((const struct op_name *)call->params)->name, call);

	if (i)
		fn(i, call);
}

static void answer_get(struct instance *i, struct op_call *call)
{
	struct op_vm vm;

	instance_info(i, true, &vm);
	op_return(call, &vm);
}

static void op_vm_get(void *process, struct op_call *call)
{
	with_name(process, call, answer_get);
}

static void op_vm_start(void *process, struct op_call *call)
{
	const struct op_start *p = call->params;
	struct instance *i = find(process, p->name, call);

	if (i)
		instance_start(i, p->timeout, call);
}

static void op_vm_shutdown(void *process, struct op_call *call)
{
	const struct op_shutdown *p = call->params;
	struct instance *i = find(process, p->name, call);

	if (i)
		instance_shutdown(i, p->deadline, p->wait, call);
}

static void op_vm_stop(void *process, struct op_call *call)
{
	with_name(process, call, instance_stop);
}

static void op_vm_reset(void *process, struct op_call *call)
{
	with_name(process, call, instance_reset);
}

static void op_vm_pause(void *process, struct op_call *call)
{
	with_name(process, call, instance_pause);
}

static void op_vm_resume(void *process, struct op_call *call)
{
	with_name(process, call, instance_resume);
}

/*
 * A plain request, one that does not ask for a WebSocket, gets so far: it is told what is wrong
 * with it, or how to come.
 */
static void answer_console(struct instance *i, struct op_call *call)
{
	GError *e = NULL;

	if (!instance_console(i, &e))
		op_fail(call, e);
	else
		op_fail_with(
			call, VMMD_ERROR_INVALID, "the console is a WebSocket: ask for an upgrade");
}

static void op_vm_console(void *process, struct op_call *call)
{
	with_name(process, call, answer_console);
}

const struct host_handlers host_handlers = {
#define HOST_OP(id, ...) .id = op_##id,
#include "api/operations.def"
};
