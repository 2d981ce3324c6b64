/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "api/json.h"
#include "api/prop-json.h"
#include "api/vmspec-tables.h"

bool spec_invalid(GError **error, const char *what)
{
	return err_set(error, VMMD_ERROR_INVALID, "%s", what);
}

bool spec_check_name(const char *what, const char *name, GError **error)
{
	size_t n = strlen(name);
	bool ok = n && n <= VM_NAME_MAX && g_ascii_isalnum(name[0]);

	for (size_t i = 1; ok && i < n; i++)
		ok = g_ascii_isalnum(name[i]) || strchr("._-", name[i]);
	if (ok)
		return true;
	return err_set(error, VMMD_ERROR_INVALID,
		"%s must be 1 to %d of A-Z a-z 0-9 . _ -, beginning with a letter or digit", what,
		VM_NAME_MAX);
}

bool vm_name_check(const char *name, GError **error)
{
	return spec_check_name("name", name, error);
}

bool spec_check_id(const char *id, GError **error)
{
	return !id || spec_check_name("id", id, error);
}

bool spec_check_queues(uint32_t queue_size, GError **error)
{
	if (!is_power_of_2(queue_size))
		return spec_invalid(error, "queue-size must be a power of two");
	return true;
}

/* Aliases come last: they are read and never written (see vm_spec_normalize). */
#define MACHINE_ALIAS_PC  (SPEC_MACHINE_Q35 + 1)
#define MACHINE_ALIAS_Q35 (SPEC_MACHINE_Q35 + 2)
static const char *const machines[] = {
	[SPEC_MACHINE_PC] = "pc-1.0",
	[SPEC_MACHINE_Q35] = "q35-1.0",
	[MACHINE_ALIAS_PC] = "pc",
	[MACHINE_ALIAS_Q35] = "q35",
	NULL,
};

static const char *const accels[] = {[SPEC_ACCEL_KVM] = "kvm", [SPEC_ACCEL_QTEST] = "qtest", NULL};
static const char *const actions[] = {
	[SPEC_ACTION_RESET] = "reset",
	[SPEC_ACTION_SHUTDOWN] = "shutdown",
	[SPEC_ACTION_PAUSE] = "pause",
	[SPEC_ACTION_NONE] = "none",
	NULL,
};

static bool check_vm(const void *obj, GError **error)
{
	const struct vm_spec *s = obj;

	if (s->vnc && !s->display)
		return spec_invalid(error, "vnc needs a display");
	return vm_name_check(s->name, error);
}

static const struct prop vm_props[] = {
	{.name = "name",
		.type = PROP_TYPE_STR,
		.offset = offsetof(struct vm_spec, name),
		.max = VM_NAME_MAX,
		.flags = PROP_REQUIRED,
		.doc = "name of the VM, unique on its host: letters, digits, '.', '_', '-'"},
	PROP_UUID("uuid", struct vm_spec, uuid, "absent: random, then kept"),
	PROP_ENUM("machine", struct vm_spec, machine, machines, SPEC_MACHINE_PC,
		"machine type with its version; a name without version stands for its newest"),
	PROP_ENUM("accel", struct vm_spec, accel, accels, SPEC_ACCEL_KVM, "what runs the CPUs"),
	PROP_OBJECT("memory", struct vm_spec, memory, &spec_memory_table, 0, "guest memory"),
	PROP_OBJECT("cpus", struct vm_spec, cpus, &spec_cpus_table, 0, "virtual CPUs"),
	PROP_LIST("numa", struct vm_spec, numa, n_numa, &spec_numa_table,
		"NUMA nodes; absent: no NUMA"),
	PROP_OBJECT(
		"boot", struct vm_spec, boot, &spec_boot_table, 0, "what the machine starts with"),
	PROP_OBJECT("features", struct vm_spec, features, &spec_features_table, 0,
		"what the machine has beside its devices"),
	PROP_OBJECT("smbios", struct vm_spec, smbios, &spec_smbios_table, 0,
		"what the machine says of itself"),
	PROP_LIST("controllers", struct vm_spec, controllers, n_controllers, &spec_controller_table,
		"what disks and USB devices are connected to; those that are needed are made"),
	PROP_LIST("disks", struct vm_spec, disks, n_disks, &spec_disk_table, "disks"),
	PROP_LIST("nics", struct vm_spec, nics, n_nics, &spec_nic_table, "network interfaces"),
	PROP_LIST("serials", struct vm_spec, serials, n_serials, &spec_serial_table,
		"serial ports, COM1 first"),
	PROP_LIST("consoles", struct vm_spec, consoles, n_consoles, &spec_console_table,
		"virtio consoles"),
	PROP_OBJECT("rng", struct vm_spec, rng, &spec_rng_table, 0,
		"virtio source of random numbers; absent: none"),
	PROP_LIST("inputs", struct vm_spec, inputs, n_inputs, &spec_input_table,
		"USB input devices, beside the PS/2 keyboard and mouse"),
	PROP_OBJECT("display", struct vm_spec, display, &spec_display_table, 0,
		"VGA display; absent: none"),
	PROP_OBJECT("vnc", struct vm_spec, vnc, &spec_vnc_table, 0, "serves the display by VNC"),
	PROP_LIST("sounds", struct vm_spec, sounds, n_sounds, &spec_sound_table, "sound devices"),
	PROP_OBJECT("tpm", struct vm_spec, tpm, &spec_tpm_table, 0,
		"trusted platform module; absent: none"),
	PROP_LIST("fw-cfg", struct vm_spec, fw_cfg, n_fw_cfg, &spec_fw_cfg_table,
		"files for firmware and guest"),
	PROP_LIST(
		"devices", struct vm_spec, devices, n_devices, &spec_device_table, "other devices"),
	PROP_ENUM("on-reboot", struct vm_spec, on_reboot, actions, SPEC_ACTION_RESET,
		"when the guest resets itself"),
	PROP_ENUM("on-crash", struct vm_spec, on_crash, actions, SPEC_ACTION_SHUTDOWN,
		"when the guest reports a panic"),
	PROP_BOOL("autostart", struct vm_spec, autostart, false, "start it with the host"),
	PROP_END,
};

const struct prop_table vm_spec_table = {
	.name = "vm",
	.doc = "A virtual machine: everything that is configured about it",
	.size = sizeof(struct vm_spec),
	.props = vm_props,
	.check = check_vm,
};

void vm_spec_normalize(struct vm_spec *spec)
{
	static const enum spec_machine versions[] = {
		[SPEC_MACHINE_PC] = SPEC_MACHINE_PC,
		[SPEC_MACHINE_Q35] = SPEC_MACHINE_Q35,
		[MACHINE_ALIAS_PC] = SPEC_MACHINE_PC,
		[MACHINE_ALIAS_Q35] = SPEC_MACHINE_Q35,
	};

	spec->machine = versions[spec->machine];
}

struct vm_spec *vm_spec_decode(struct json_object *json, GError **error)
{
	struct vm_spec *spec = prop_decode(&vm_spec_table, json, 0, error);

	if (spec)
		vm_spec_normalize(spec);
	return spec;
}

struct vm_spec *vm_spec_parse(const char *text, size_t len, GError **error)
{
	g_autoptr(json_object) json = NULL;

	return json_parse(text, len, &json, error) ? vm_spec_decode(json, error) : NULL;
}

struct json_object *vm_spec_encode(const struct vm_spec *spec)
{
	return prop_encode(&vm_spec_table, spec, PROP_ENCODE_BRIEF);
}

void vm_spec_free(struct vm_spec *spec)
{
	prop_object_free(&vm_spec_table, spec);
}
