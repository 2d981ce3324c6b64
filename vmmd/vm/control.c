/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operations of scope vm. Results are borrowed for the call of op_return(), so they live on the stack. */
#include <unistd.h>

#include "base/block.h"
#include "base/net.h"
#include "virtio-backends/block/drivers.h"
#include "virtio-backends/net/drivers.h"
#include "vmmd/kvm/kvm.h"
#include "vmmd/vm/vm.h"

static void op_status(void *process, struct op_call *call)
{
	struct vm *vm = process;
	const struct op_status s = {
		.state = (int)vm->state, .reason = vm->reason, .pid = (uint32_t)getpid()};

	op_return(call, &s);
}

static void op_pause(void *process, struct op_call *call)
{
	vm_request(process, VM_GOAL_PAUSE, "asked for", call);
}

static void op_resume(void *process, struct op_call *call)
{
	struct vm *vm = process;

	if (vm->state != OP_RUN_PAUSED || vm->goal != VM_GOAL_NONE) {
		op_fail_with(call, VMMD_ERROR_STATE, "the VM is not paused");
		return;
	}
	vm_resume(vm);
	op_return(call, NULL);
}

static void op_shutdown(void *process, struct op_call *call)
{
	struct vm *vm = process;

	machine_power_button(vm->machine);
	op_return(call, NULL);
}

static void op_reset(void *process, struct op_call *call)
{
	vm_request(process, VM_GOAL_RESET, "asked for", call);
}

static void op_stop(void *process, struct op_call *call)
{
	vm_request_exit(process, OP_EXIT_SHUTDOWN, "stopped from outside", call);
}

/* ---- statistics ---- */

static void disk_stats(struct blk *b, struct op_disk_stats *d)
{
	struct blk_stats s;

	blk_get_stats(b, &s);
	*d = (struct op_disk_stats){
		.id = b->id,
		.reads = s.ops[BLK_READ],
		.read_bytes = s.bytes[BLK_READ],
		.read_ns = s.ns[BLK_READ],
		.read_errors = s.errors[BLK_READ],
		.writes = s.ops[BLK_WRITE],
		.written_bytes = s.bytes[BLK_WRITE],
		.write_ns = s.ns[BLK_WRITE],
		.write_errors = s.errors[BLK_WRITE],
		.flushes = s.ops[BLK_FLUSH],
		.flush_ns = s.ns[BLK_FLUSH],
		.flush_errors = s.errors[BLK_FLUSH],
		.discards = s.ops[BLK_DISCARD],
		.discarded_bytes = s.bytes[BLK_DISCARD],
	};
}

static void nic_stats(struct net *n, struct op_nic_stats *d)
{
	struct net_stats s;

	net_get_stats(n, &s);
	*d = (struct op_nic_stats){
		.id = n->id,
		.rx_frames = s.rx_frames,
		.rx_bytes = s.rx_bytes,
		.rx_drops = s.rx_drops,
		.tx_frames = s.tx_frames,
		.tx_bytes = s.tx_bytes,
		.tx_drops = s.tx_drops,
	};
}

static void cpu_stats(struct machine *m, unsigned i, struct op_cpu_stats *d)
{
	uint64_t exits[KVM_EXITS_N] = {};

	if (m->spec->accel == SPEC_ACCEL_KVM)
		kvm_exit_counts(m->accel, i, exits);
	*d = (struct op_cpu_stats){
		.id = i, .io_exits = exits[KVM_EXITS_IO], .mmio_exits = exits[KVM_EXITS_MMIO]};
	for (unsigned r = 0; r < KVM_EXITS_N; r++)
		d->exits += exits[r];
}

/* An array of pointers to the elements of another, as lists of results are. */
static void **pointers_to(void *array, size_t n, size_t size)
{
	void **p = g_new0(void *, n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = (char *)array + i * size;
	return p;
}

static void op_stats(void *process, struct op_call *call)
{
	struct machine *m = ((struct vm *)process)->machine;
	g_autofree struct op_disk_stats *disks = g_new0(struct op_disk_stats, m->disks->len + 1);
	g_autofree struct op_nic_stats *nics = g_new0(struct op_nic_stats, m->nets->len + 1);
	g_autoptr(GArray) devices = g_array_new(FALSE, TRUE, sizeof(struct op_device_stats));
	g_autofree struct op_cpu_stats *cpus = g_new0(struct op_cpu_stats, m->cpus.count);
	struct op_stats s = {.guest_ns = (uint64_t)clock_now(m->clocks, VM_CLOCK_VIRTUAL)};

	for (unsigned i = 0; i < m->cpus.count; i++)
		cpu_stats(m, i, &cpus[i]);
	for (guint i = 0; i < m->disks->len; i++)
		disk_stats(g_ptr_array_index(m->disks, i), &disks[i]);
	for (guint i = 0; i < m->nets->len; i++)
		nic_stats(g_ptr_array_index(m->nets, i), &nics[i]);
	for (struct dev *d = m->bus->devs; d; d = d->next) {
		struct op_device_stats ds = {.id = d->id,
			.guest_errors = __atomic_load_n(&d->guest_errors, __ATOMIC_RELAXED)};

		g_array_append_val(devices, ds);
	}
	s.n_cpus = m->cpus.count;
	s.n_disks = m->disks->len;
	s.n_nics = m->nets->len;
	s.n_devices = devices->len;
	s.cpus = (struct op_cpu_stats **)pointers_to(cpus, s.n_cpus, sizeof(*cpus));
	s.disks = (struct op_disk_stats **)pointers_to(disks, s.n_disks, sizeof(*disks));
	s.nics = (struct op_nic_stats **)pointers_to(nics, s.n_nics, sizeof(*nics));
	s.devices = (struct op_device_stats **)pointers_to(
		devices->data, s.n_devices, sizeof(struct op_device_stats));
	op_return(call, &s);
	g_free(s.cpus);
	g_free(s.disks);
	g_free(s.nics);
	g_free(s.devices);
}

const struct vm_handlers vm_control_handlers = {
#define VM_OP(id, ...) .id = op_##id,
#include "api/operations.def"
};
