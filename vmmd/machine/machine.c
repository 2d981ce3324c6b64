/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/block.h"
#include "base/chardev.h"
#include "base/display.h"
#include "base/input.h"
#include "base/net.h"
#include "base/qs.h"
#include "devmodel/audio/audio.h"
#include "devmodel/chipset/chipset.h"
#include "devmodel/display/vga.h"
#include "devmodel/input/input.h"
#include "devmodel/net/net-devices.h"
#include "devmodel/platform/platform.h"
#include "devmodel/serial/serial.h"
#include "devmodel/storage/fdc.h"
#include "devmodel/storage/storage.h"
#include "devmodel/usb/usb-devices.h"
#include "virtio-backends/devices/devices.h"
#include "virtio-backends/display/vnc.h"
#include "vmmd/kvm/kvm.h"
#include "vmmd/machine/machine-internal.h"
#include "vmmd/qtest/qtest.h"

const struct dev_ops *const *const machine_device_tables[] = {chipset_devices, platform_devices,
	serial_devices, storage_devices, fdc_devices, net_devices, audio_devices, display_devices,
	input_devices, usb_devices, virtio_devices, NULL};

const struct dev_ops *machine_find_device(const char *name)
{
	for (size_t t = 0; machine_device_tables[t]; t++) {
		for (size_t i = 0; machine_device_tables[t][i]; i++) {
			if (strcmp(machine_device_tables[t][i]->name, name) == 0)
				return machine_device_tables[t][i];
		}
	}
	return NULL;
}

/* ---- accelerator ---- */

static void on_request(struct bus *b, enum bus_request what, unsigned detail)
{
	struct machine *m = b->machine;

	m->env.request(m->env.opaque, what, detail);
}

static bool make_accel(struct machine *m, GError **error)
{
	const struct kvm_conf kvm = {
		.fd = m->env.kvm_fd,
		.loop = m->env.main,
		.pit = true,
		.irqchip = true,
		.smm = machine_has_smm(m),
		.thread_setup = m->env.vcpu_thread_setup,
	};

	if (m->spec->accel == SPEC_ACCEL_QTEST) {
		m->accel = qtest_accel_new(m->env.main);
		m->clocks = clocks_new_stepped(0);
	} else {
		m->accel = kvm_new(&kvm, error);
		if (!m->accel)
			return false;
		m->clocks = clocks_new(m->env.main, error);
	}
	if (!m->clocks)
		return false;
	m->accel->event = m->env.cpu_event;
	m->accel->event_opaque = m->env.opaque;
	return true;
}

/* ---- memory ---- */

static bool make_ram(struct machine *m, GError **error)
{
	const struct spec_memory *mem = m->spec->memory;
	const struct gmem_block_conf conf = {
		.name = "ram",
		.size = mem->size,
		.kind = mem->shared ? GMEM_SHARED : GMEM_PRIVATE,
		.page_size = mem->page_size,
		.prealloc = mem->prealloc,
	};

	m->ram = gmem_block_new(&conf, error);
	if (!m->ram)
		return false;
	m->low_size = MIN(mem->size, m->type->low_end(mem->size));
	m->high_size = mem->size - m->low_size;
	region_init_mem(&m->ram_low, "ram-low", m->ram, 0, m->low_size, false);
	region_map(m->bus, &m->ram_low, 0, REGION_PRIO_BACKGROUND);
	if (m->high_size) {
		region_init_mem(&m->ram_high, "ram-high", m->ram, m->low_size, m->high_size, false);
		region_map(m->bus, &m->ram_high, 4 * GiB, REGION_PRIO_BACKGROUND);
	}
	m->vga_hole = (struct region){
		.name = "vga-hole", .kind = REGION_HOLE, .space = BUS_MMIO, .size = VGA_SIZE};
	region_map(m->bus, &m->vga_hole, VGA_START, REGION_PRIO_BACKGROUND + 1);
	return true;
}

/* ---- life ---- */

struct dev *machine_add(
	struct machine *m, const struct dev_ops *ops, const char *id, GError **error)
{
	struct dev *d = dev_new(m->bus, ops, id);

	return dev_realize(d, error) ? d : NULL;
}

static void free_blk(gpointer p)
{
	blk_free(p);
}

static void free_net(gpointer p)
{
	net_free(p);
}

static void free_chardev(gpointer p)
{
	chardev_free(p);
}

bool machine_has_smm(const struct machine *m)
{
	int smm = m->spec->features->smm;

	return smm == SPEC_ON || (smm == SPEC_AUTO && m->spec->boot->secure);
}

/* What can be said and not be had yet. */
static bool check_supported(const struct vm_spec *s, GError **error)
{
	static const uint8_t no_genid[sizeof(s->features->genid)];
	const struct {
		const char *key;
		bool wanted;
	} missing[] = {
		{"/memory/max", s->memory->max > s->memory->size},
		{"/cpus/max", s->cpus->max > s->cpus->count},
		{"/boot/secure", s->boot->secure},
		{"/features/smm", s->features->smm == SPEC_ON},
		{"/features/genid", memcmp(s->features->genid, no_genid, sizeof(no_genid)) != 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(missing); i++) {
		if (missing[i].wanted)
			return err_set(error, VMMD_ERROR_UNSUPPORTED,
				"%s: this build cannot do that", missing[i].key);
	}
	return true;
}

/* Memory slots before the interrupt controllers: base/accel.h says why. */
static bool build(struct machine *m, GError **error)
{
	int err;

	if (!check_supported(m->spec, error) || !make_accel(m, error))
		return false;
	m->gmem = gmem_new();
	m->bus = bus_new(m->accel, m->gmem, m->clocks, m->env.main);
	m->bus->machine = m;
	m->bus->request = on_request;
	if (!make_ram(m, error) || !machine_load_firmware(m, error) || !m->type->build(m, error) ||
		!machine_add_vars(m, error) || !machine_build_board(m, error) ||
		!machine_build_devices(m, error) || !machine_fill_fw_cfg(m, error))
		return false;
	err = bus_commit(m->bus);
	if (err < 0 && m->spec->accel == SPEC_ACCEL_KVM)
		return kvm_step_failed(
			m->accel, error, -err, "KVM refuses the layout of memory or doorbells");
	if (err < 0)
		return err_set_errno(error, -err, "the accelerator refuses the layout of memory");
	return m->accel->ops->irqchip_create(m->accel, error);
}

static const struct machine_type *const types[] = {
	[SPEC_MACHINE_PC] = &machine_pc,
	[SPEC_MACHINE_Q35] = &machine_q35,
};

struct machine *machine_new(
	const struct vm_spec *spec, const struct machine_env *env, GError **error)
{
	struct machine *m = g_new0(struct machine, 1);

	m->type = types[spec->machine];
	m->spec = spec;
	m->env = *env;
	m->input = input_new();
	m->disks = g_ptr_array_new_with_free_func(free_blk);
	m->nets = g_ptr_array_new_with_free_func(free_net);
	m->chardevs = g_ptr_array_new_with_free_func(free_chardev);
	m->ptys = g_ptr_array_new_with_free_func(g_free);
	m->cpus = (struct accel_cpus){
		.count = spec->cpus->count,
		.sockets = spec->cpus->sockets,
		.cores = spec->cpus->cores,
		.threads = spec->cpus->threads,
	};
	if (build(m, error))
		return m;
	machine_free(m);
	return NULL;
}

bool machine_create_cpus(struct machine *m, GError **error)
{
	return m->accel->ops->vcpus_create(m->accel, &m->cpus, m->bus, error);
}

void machine_free(struct machine *m)
{
	if (!m)
		return;
	/* Fronts before their back-ends; vCPU threads end before the bus that they call. */
	if (m->bus)
		bus_free(m->bus);
	if (m->pit_call.fn)
		loop_call_cancel(m->env.main, &m->pit_call);
	vnc_free(m->vnc);
	display_free(m->display);
	input_free(m->input);
	g_ptr_array_unref(m->disks);
	g_ptr_array_unref(m->nets);
	g_ptr_array_unref(m->chardevs);
	g_ptr_array_unref(m->ptys);
	if (m->accel)
		m->accel->ops->free(m->accel);
	if (m->gmem)
		gmem_free(m->gmem);
	gmem_block_unref(m->ram);
	gmem_block_unref(m->firmware);
	gmem_block_unref(m->vars);
	blk_free(m->vars_blk);
	if (m->clocks)
		clocks_free(m->clocks);
	g_free(m);
}

void machine_power_button(struct machine *m)
{
	m->type->power_button(m);
}

struct chardev *machine_chardev(struct machine *m, const char *id)
{
	for (guint i = 0; i < m->chardevs->len; i++) {
		struct chardev *c = g_ptr_array_index(m->chardevs, i);

		if (strcmp(c->id, id) == 0)
			return c;
	}
	return NULL;
}
