/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * operations.h - what can be asked of vmmd (scope host) and of a VM process (scope vm).
 *
 *	REST, JSON-RPC ──► op_invoke() ──► handler ──► op_return() or op_fail() ──► answer
 *
 * Operations are rows of operations.def. From them come the REST routes, the JSON-RPC methods, the
 * OpenAPI document, docs/api.md and vmctl's sub-commands; this folder holds no handlers. A process
 * binds the rows of its scope through the struct of handlers below, which it fills from the same
 * rows, so that a missing handler does not compile:
 *
 *	#define HOST_OP(id, ...) .id = op_##id,
 *	static const struct host_handlers handlers = {
 *	#include "api/operations.def"
 *	};
 *
 * Everything runs on the thread of the process's main loop. A handler may answer at once or later;
 * it answers exactly once, and never blocks.
 */
#ifndef API_OPERATIONS_H
#define API_OPERATIONS_H

#include "api/vmspec.h"
#include "base/error.h"

struct json_object;
struct op_call;

typedef void op_handler(void *process, struct op_call *call);

/* Who may call: each includes those before it. */
enum op_role { OP_VIEWER, OP_OPERATOR, OP_ADMIN };

#define OP_LONG   0x1 /* may take seconds: clients show that they wait */
#define OP_STREAM 0x2 /* turns its connection into a stream: REST only */

struct operation {
	const char *name;          /* JSON-RPC method: "vm.start" */
	const char *method, *path; /* REST: "POST", "/v1/vms/{name}/start"; NULL in scope vm */
	unsigned status;           /* HTTP status of success */
	const struct prop_table *params, *result; /* NULL: none */
	enum op_role role;
	unsigned flags;
	const char *doc; /* a sentence without full stop */
	size_t handler;  /* offset in the scope's struct of handlers */
};

/* Rows end with a NULL name. */
extern const struct operation host_operations[];
extern const struct operation vm_operations[];

/* One member a row, each an op_handler *. */
struct host_handlers {
#define HOST_OP(id, ...) op_handler *id;
#include "api/operations.def"
};

struct vm_handlers {
#define VM_OP(id, ...) op_handler *id;
#include "api/operations.def"
};

/* What a process tells without being asked: a JSON-RPC notification. */
struct op_event {
	const char *name;
	const struct prop_table *params; /* NULL: none */
	const char *doc;
};

#define VM_EVENT(id, ...) extern const struct op_event vm_event_##id;
#include "api/operations.def"

/* Ends with NULL. */
extern const struct op_event *const vm_events[];

/* ---- calls ---- */

struct op_service {
	const struct operation *ops;
	const void *handlers; /* struct host_handlers or vm_handlers, as @ops says */
	void *process;        /* first argument of every handler */
};

/*
 * One call in progress; embedded in what a transport keeps about a request. From op_invoke() to
 * @done the call belongs to the handler.
 */
struct op_call {
	enum op_role role; /* of the caller, set by the transport */
	/*
	 * Set by the transport; exactly one of @result and @error, or neither, is given. Borrowed.
	 */
	void (*done)(struct op_call *call, struct json_object *result, const GError *error);

	const struct operation *op;
	void *params; /* a structure of op->params, or NULL */
};

/* The operation called @name, or NULL. */
const struct operation *op_find(const struct operation *ops, const char *name);

/*
 * Checks the role, decodes @params (borrowed; NULL: none given) and calls the handler; a call that
 * does not get so far is answered here. @call->done may run before this returns.
 */
void op_invoke(const struct op_service *s, const struct operation *op, struct op_call *call,
	struct json_object *params);

/* Answers. @result is a structure of op->result (borrowed), NULL where that is NULL. */
void op_return(struct op_call *call, const void *result);
/* Answers with an error, which is taken over. */
void op_fail(struct op_call *call, GError *error);
void op_fail_with(struct op_call *call, enum vmmd_error code, const char *fmt, ...) __printf(3, 4);

/* ---- parameters and results, scope host ---- */

struct op_name {
	char *name;
};

struct op_start {
	char *name;
	uint32_t timeout; /* s */
};

struct op_shutdown {
	char *name;
	uint32_t deadline; /* s; 0: none */
	bool wait;
};

enum op_vm_state {
	OP_VM_STOPPED,
	OP_VM_STARTING,
	OP_VM_RUNNING,
	OP_VM_PAUSED,
	OP_VM_STOPPING,
	OP_VM_CRASHED,     /* it ended as it should not have: see reason */
	OP_VM_QUARANTINED, /* its definition cannot be read: see reason */
};

struct op_vm {
	char *name;
	int state;    /* enum op_vm_state */
	char *reason; /* why it is in that state, where there is something to say */
	uint32_t pid; /* of its process, 0: none */
	uint32_t cpus;
	uint64_t memory; /* bytes */
	struct vm_spec *spec;
};

struct op_vm_list {
	struct op_vm **vms;
	size_t n_vms;
};

struct op_host {
	char *version;
	char *accel, *accel_reason;
	uint32_t cpus;
	uint64_t memory; /* bytes */
	char *kernel;
	uint32_t vms, running;
};

extern const struct prop_table op_name_table, op_start_table, op_shutdown_table;
extern const struct prop_table op_vm_table, op_vm_list_table, op_host_table;

/* ---- parameters and results, scope vm ---- */

enum op_run_state { OP_RUN_STARTING, OP_RUN_RUNNING, OP_RUN_PAUSED, OP_RUN_EXITING };

struct op_status {
	int state;    /* enum op_run_state */
	char *reason; /* of a pause or exit */
	uint32_t pid;
};

struct op_reason {
	char *reason;
};

enum op_exit_state {
	OP_EXIT_SHUTDOWN, /* the guest powered off, or the host stopped it */
	OP_EXIT_CRASHED,  /* the guest panicked, or a vCPU could not go on */
	OP_EXIT_ERROR,    /* it never ran, or the process met an error of its own */
};

/* Also the content of status.json, which a VM process leaves behind. */
struct op_exit {
	int state; /* enum op_exit_state */
	char *reason;
};

struct op_io_error {
	char *disk, *operation, *error, *action;
	uint64_t count;
};

struct op_cpu_stats {
	uint32_t id;
	uint64_t exits, io_exits, mmio_exits;
};

struct op_disk_stats {
	char *id;
	uint64_t reads, read_bytes, read_ns, read_errors;
	uint64_t writes, written_bytes, write_ns, write_errors;
	uint64_t flushes, flush_ns, flush_errors, discards, discarded_bytes;
};

struct op_nic_stats {
	char *id;
	uint64_t rx_frames, rx_bytes, rx_drops, tx_frames, tx_bytes, tx_drops;
};

struct op_device_stats {
	char *id;
	uint64_t guest_errors;
};

struct op_stats {
	uint64_t guest_ns;
	struct op_cpu_stats **cpus;
	size_t n_cpus;
	struct op_disk_stats **disks;
	size_t n_disks;
	struct op_nic_stats **nics;
	size_t n_nics;
	struct op_device_stats **devices;
	size_t n_devices;
};

#define OP_KEYS_MAX 16

struct op_screenshot_part {
	uint64_t offset; /* 0: a new picture, else of the last one */
};

struct op_screenshot {
	uint64_t size; /* of the whole file, bytes */
	char *png;     /* base64 */
};

struct op_keys {
	char **keys;
	uint32_t hold_time; /* ms */
};

struct op_pointer {
	uint16_t x, y; /* 0..INPUT_ABS_MAX */
	char **buttons;
};

struct op_vnc_password {
	char *password; /* NULL: nobody is let in */
};

extern const struct prop_table op_screenshot_part_table, op_screenshot_table, op_keys_table;
extern const struct prop_table op_pointer_table, op_vnc_password_table;
extern const struct prop_table op_status_table, op_reason_table, op_exit_table, op_io_error_table;
extern const struct prop_table op_stats_table;

#endif
