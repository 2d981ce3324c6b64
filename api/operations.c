/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/operations.h"

#include <string.h>

#include "api/json.h"
#include "api/prop-json.h"
#include "base/input.h"

#define TABLE(id, n, s, text)                  \
	const struct prop_table id##_table = { \
		.name = (n), .doc = (text), .size = sizeof(s), .props = id##_props}

#define COUNTER(n, s, f, text) PROP_U64(n, s, f, 0, UINT64_MAX, 0, text)
#define NUMBER(n, s, f, text)  PROP_U32(n, s, f, 0, UINT32_MAX, 0, text)

/* ---- scope host ---- */

#define PROP_VM_NAME(s)                                                             \
	{                                                                           \
		.name = "name", .type = PROP_TYPE_STR, .offset = offsetof(s, name), \
		.max = VM_NAME_MAX, .flags = PROP_REQUIRED, .doc = "name of the VM" \
	}

static const struct prop op_name_props[] = {
	PROP_VM_NAME(struct op_name),
	PROP_END,
};
TABLE(op_name, "vm-name", struct op_name, "Which VM");

static const struct prop op_start_props[] = {
	PROP_VM_NAME(struct op_start),
	PROP_U32("timeout", struct op_start, timeout, 1, 3600, 60,
		"seconds after which a VM that has not begun to run is ended again"),
	PROP_END,
};
TABLE(op_start, "vm-start", struct op_start, "Which VM to start, and how");

static const struct prop op_shutdown_props[] = {
	PROP_VM_NAME(struct op_shutdown),
	PROP_U32("deadline", struct op_shutdown, deadline, 0, 86400, 0,
		"seconds after which a guest that has not shut down is stopped; 0: never"),
	PROP_BOOL("wait", struct op_shutdown, wait, false, "answer when the VM has ended"),
	PROP_END,
};
TABLE(op_shutdown, "vm-shutdown", struct op_shutdown, "Which VM to shut down, and how");

static const char *const vm_states[] = {
	[OP_VM_STOPPED] = "stopped",
	[OP_VM_STARTING] = "starting",
	[OP_VM_RUNNING] = "running",
	[OP_VM_PAUSED] = "paused",
	[OP_VM_STOPPING] = "stopping",
	[OP_VM_CRASHED] = "crashed",
	[OP_VM_QUARANTINED] = "quarantined",
	NULL,
};

static const struct prop op_vm_props[] = {
	PROP_VM_NAME(struct op_vm),
	PROP_ENUM("state", struct op_vm, state, vm_states, OP_VM_STOPPED, "what it does now"),
	NUMBER("pid", struct op_vm, pid, "its process; 0: none"),
	NUMBER("cpus", struct op_vm, cpus, "virtual CPUs"),
	PROP_SIZE("memory", struct op_vm, memory, 0, UINT64_MAX, 0, "bytes of guest memory"),
	PROP_STR("reason", struct op_vm, reason, 0, NULL, "why it is in this state"),
	PROP_OBJECT(
		"spec", struct op_vm, spec, &vm_spec_table, 0, "its definition; absent in lists"),
	PROP_END,
};
TABLE(op_vm, "vm-info", struct op_vm, "A VM and what it does");

static const struct prop op_vm_list_props[] = {
	PROP_LIST("vms", struct op_vm_list, vms, n_vms, &op_vm_table, "the VMs by name"),
	PROP_END,
};
TABLE(op_vm_list, "vm-list", struct op_vm_list, "All VMs of the host");

static const struct prop op_host_props[] = {
	PROP_STR("version", struct op_host, version, 0, NULL, "version of the daemon"),
	PROP_STR("accel", struct op_host, accel, 0, NULL, "what runs guest code: kvm, or none"),
	PROP_STR("accel-reason", struct op_host, accel_reason, 0, NULL, "why it is that one"),
	NUMBER("cpus", struct op_host, cpus, "CPUs of the host that are online"),
	PROP_SIZE(
		"memory", struct op_host, memory, 0, UINT64_MAX, 0, "bytes of memory of the host"),
	PROP_STR("kernel", struct op_host, kernel, 0, NULL, "release of the host's kernel"),
	NUMBER("vms", struct op_host, vms, "VMs that are defined"),
	NUMBER("running", struct op_host, running, "VMs that have a process"),
	PROP_END,
};
TABLE(op_host, "host", struct op_host, "The daemon and its host");

/* ---- scope vm ---- */

static const char *const run_states[] = {
	[OP_RUN_STARTING] = "starting",
	[OP_RUN_RUNNING] = "running",
	[OP_RUN_PAUSED] = "paused",
	[OP_RUN_EXITING] = "exiting",
	NULL,
};

static const struct prop op_status_props[] = {
	PROP_ENUM("state", struct op_status, state, run_states, OP_RUN_STARTING,
		"what the VM does now"),
	PROP_STR("reason", struct op_status, reason, 0, NULL, "why it is paused or exits"),
	NUMBER("pid", struct op_status, pid, "its process"),
	PROP_END,
};
TABLE(op_status, "vm-status", struct op_status, "State of a VM process");

static const struct prop op_reason_props[] = {
	PROP_STR("reason", struct op_reason, reason, 0, NULL, "why"),
	PROP_END,
};
TABLE(op_reason, "reason", struct op_reason, "Why something happened");

static const char *const exit_states[] = {
	[OP_EXIT_SHUTDOWN] = "shutdown",
	[OP_EXIT_CRASHED] = "crashed",
	[OP_EXIT_ERROR] = "error",
	NULL,
};

static const struct prop op_exit_props[] = {
	{.name = "state",
		.type = PROP_TYPE_ENUM,
		.offset = offsetof(struct op_exit, state),
		.names = exit_states,
		.flags = PROP_REQUIRED,
		.doc = "how it ended"},
	PROP_STR("reason", struct op_exit, reason, 0, NULL, "why"),
	PROP_END,
};
TABLE(op_exit, "vm-exit", struct op_exit, "How a VM process ended");

static const struct prop op_screenshot_part_props[] = {
	PROP_U64("offset", struct op_screenshot_part, offset, 0, UINT64_MAX, 0,
		"first byte wanted of the last picture; 0: takes a new one"),
	PROP_END,
};
TABLE(op_screenshot_part, "screenshot-part", struct op_screenshot_part,
	"Which part of a screenshot");

static const struct prop op_screenshot_props[] = {
	PROP_SIZE("size", struct op_screenshot, size, 0, UINT64_MAX, 0, "bytes of the whole PNG"),
	PROP_STR("png", struct op_screenshot, png, 0, NULL, "the part, in base64"),
	PROP_END,
};
TABLE(op_screenshot, "screenshot", struct op_screenshot, "A part of a screenshot");

static const struct prop op_keys_props[] = {
	PROP_STRS("keys", struct op_keys, keys,
		"names as QEMU and libvirt have them: ctrl, alt, delete, ret, a, f1, …"),
	PROP_U32("hold-time", struct op_keys, hold_time, 0, 60000, 100,
		"ms for which they are down"),
	PROP_END,
};
TABLE(op_keys, "keys", struct op_keys, "Keys that are pressed together");

static const struct prop op_pointer_props[] = {
	PROP_U16("x", struct op_pointer, x, 0, INPUT_ABS_MAX, 0,
		"0 at the left, 32767 at the right"),
	PROP_U16("y", struct op_pointer, y, 0, INPUT_ABS_MAX, 0,
		"0 at the top, 32767 at the bottom"),
	PROP_STRS("buttons", struct op_pointer, buttons,
		"those that are down: left, right, middle, side, extra; wheel-up and wheel-down "
		"turn the wheel by a click"),
	PROP_END,
};
TABLE(op_pointer, "pointer", struct op_pointer, "Where the pointer goes");

static const struct prop op_vnc_password_props[] = {
	PROP_STR("password", struct op_vnc_password, password, 8, NULL, "absent: nobody is let in"),
	PROP_END,
};
TABLE(op_vnc_password, "vnc-password", struct op_vnc_password, "What VNC viewers have to know");

static const struct prop op_io_error_props[] = {
	PROP_STR("disk", struct op_io_error, disk, 0, NULL, "id of the disk"),
	PROP_STR(
		"operation", struct op_io_error, operation, 0, NULL, "read, write, flush, discard"),
	PROP_STR("error", struct op_io_error, error, 0, NULL, "what the host said"),
	PROP_STR("action", struct op_io_error, action, 0, NULL, "report, stop, ignore"),
	COUNTER("count", struct op_io_error, count,
		"such failures since the last event for this operation of the disk"),
	PROP_END,
};
TABLE(op_io_error, "io-error", struct op_io_error, "Failed requests to a disk's image");

static const struct prop op_cpu_stats_props[] = {
	NUMBER("id", struct op_cpu_stats, id, "number of the CPU"),
	COUNTER("exits", struct op_cpu_stats, exits, "returns from guest mode"),
	COUNTER("io-exits", struct op_cpu_stats, io_exits, "of these for a port"),
	COUNTER("mmio-exits", struct op_cpu_stats, mmio_exits, "of these for device memory"),
	PROP_END,
};
static TABLE(op_cpu_stats, "cpu-stats", struct op_cpu_stats, "Counters of a virtual CPU");

static const struct prop op_disk_stats_props[] = {
	PROP_STR("id", struct op_disk_stats, id, 0, NULL, "id of the disk"),
	COUNTER("reads", struct op_disk_stats, reads, "read requests"),
	COUNTER("read-bytes", struct op_disk_stats, read_bytes, "bytes read"),
	COUNTER("read-ns", struct op_disk_stats, read_ns, "nanoseconds they took, summed"),
	COUNTER("read-errors", struct op_disk_stats, read_errors, "reads that failed"),
	COUNTER("writes", struct op_disk_stats, writes, "write requests"),
	COUNTER("written-bytes", struct op_disk_stats, written_bytes, "bytes written"),
	COUNTER("write-ns", struct op_disk_stats, write_ns, "nanoseconds they took, summed"),
	COUNTER("write-errors", struct op_disk_stats, write_errors, "writes that failed"),
	COUNTER("flushes", struct op_disk_stats, flushes, "flush requests"),
	COUNTER("flush-ns", struct op_disk_stats, flush_ns, "nanoseconds they took, summed"),
	COUNTER("flush-errors", struct op_disk_stats, flush_errors, "flushes that failed"),
	COUNTER("discards", struct op_disk_stats, discards, "discard and write-zeroes requests"),
	COUNTER("discarded-bytes", struct op_disk_stats, discarded_bytes, "bytes of these"),
	PROP_END,
};
static TABLE(op_disk_stats, "disk-stats", struct op_disk_stats, "Counters of a disk");

static const struct prop op_nic_stats_props[] = {
	PROP_STR("id", struct op_nic_stats, id, 0, NULL, "id of the NIC"),
	COUNTER("rx-frames", struct op_nic_stats, rx_frames, "frames to the guest"),
	COUNTER("rx-bytes", struct op_nic_stats, rx_bytes, "bytes of these"),
	COUNTER("rx-drops", struct op_nic_stats, rx_drops, "frames the guest had no room for"),
	COUNTER("tx-frames", struct op_nic_stats, tx_frames, "frames from the guest"),
	COUNTER("tx-bytes", struct op_nic_stats, tx_bytes, "bytes of these"),
	COUNTER("tx-drops", struct op_nic_stats, tx_drops, "frames the host had no room for"),
	PROP_END,
};
static TABLE(op_nic_stats, "nic-stats", struct op_nic_stats, "Counters of a NIC");

static const struct prop op_device_stats_props[] = {
	PROP_STR("id", struct op_device_stats, id, 0, NULL, "id of the device"),
	COUNTER("guest-errors", struct op_device_stats, guest_errors,
		"times the guest did what the specification of the device forbids"),
	PROP_END,
};
static TABLE(op_device_stats, "device-stats", struct op_device_stats, "Counters of a device");

static const struct prop op_stats_props[] = {
	COUNTER("guest-ns", struct op_stats, guest_ns, "guest time, nanoseconds"),
	PROP_LIST("cpus", struct op_stats, cpus, n_cpus, &op_cpu_stats_table, "virtual CPUs"),
	PROP_LIST("disks", struct op_stats, disks, n_disks, &op_disk_stats_table, "disks"),
	PROP_LIST("nics", struct op_stats, nics, n_nics, &op_nic_stats_table, "NICs"),
	PROP_LIST("devices", struct op_stats, devices, n_devices, &op_device_stats_table,
		"devices that counted something"),
	PROP_END,
};
TABLE(op_stats, "vm-stats", struct op_stats, "Counters of a VM since its start");

/* ---- the rows ---- */

const struct operation host_operations[] = {
#define HOST_OP(id, n, m, pa, st, par, res, ro, fl, text) \
	{.name = (n),                                     \
		.method = (m),                            \
		.path = (pa),                             \
		.status = (st),                           \
		.params = (par),                          \
		.result = (res),                          \
		.role = (ro),                             \
		.flags = (fl),                            \
		.doc = (text),                            \
		.handler = offsetof(struct host_handlers, id)},
#include "api/operations.def"
	{.name = NULL},
};

const struct operation vm_operations[] = {
#define VM_OP(id, n, par, res, fl, text) \
	{.name = (n),                    \
		.params = (par),         \
		.result = (res),         \
		.flags = (fl),           \
		.doc = (text),           \
		.handler = offsetof(struct vm_handlers, id)},
#include "api/operations.def"
	{.name = NULL},
};

#define VM_EVENT(id, n, par, text) \
	const struct op_event vm_event_##id = {.name = (n), .params = (par), .doc = (text)};
#include "api/operations.def"

const struct op_event *const vm_events[] = {
#define VM_EVENT(id, ...) &vm_event_##id,
#include "api/operations.def"
	NULL,
};

/* ---- calls ---- */

static op_handler *handler_of(const struct op_service *s, const struct operation *op)
{
	return *(op_handler *const *)((const char *)s->handlers + op->handler);
}

const struct operation *op_find(const struct operation *ops, const char *name)
{
	for (; ops->name; ops++) {
		if (strcmp(ops->name, name) == 0)
			return ops;
	}
	return NULL;
}

/* An operation without parameters takes an empty object. */
static const struct prop no_props[] = {PROP_END};
static const struct prop_table no_params = {
	.name = "params", .doc = "no parameters", .size = 1, .props = no_props};

static const struct prop_table *params_table(const struct operation *op)
{
	return op->params ? op->params : &no_params;
}

static void answer(struct op_call *call, struct json_object *result, const GError *error)
{
	prop_object_free(params_table(call->op), g_steal_pointer(&call->params));
	call->done(call, result, error);
}

void op_return(struct op_call *call, const void *result)
{
	const struct prop_table *t = call->op->result;
	g_autoptr(json_object) json = t ? prop_encode(t, result, 0) : NULL;

	answer(call, json, NULL);
}

void op_fail(struct op_call *call, GError *error)
{
	answer(call, NULL, error);
	g_error_free(error);
}

void op_fail_with(struct op_call *call, enum vmmd_error code, const char *fmt, ...)
{
	va_list ap;
	GError *e;

	va_start(ap, fmt);
	e = g_error_new_valist(VMMD_ERROR, code, fmt, ap);
	va_end(ap);
	op_fail(call, e);
}

void op_invoke(const struct op_service *s, const struct operation *op, struct op_call *call,
	struct json_object *params)
{
	GError *e = NULL;

	call->op = op;
	call->params = NULL;
	if (call->role < op->role) {
		op_fail_with(call, VMMD_ERROR_PERMISSION, "%s is not permitted to you", op->name);
		return;
	}
	call->params = prop_decode(params_table(op), params, 0, &e);
	if (!call->params) {
		op_fail(call, e);
		return;
	}
	handler_of(s, op)(s->process, call);
}
