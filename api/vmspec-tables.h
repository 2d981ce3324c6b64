/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmspec-tables.h - the property tables of the objects in a VmSpec, and the checks that they share.
 *
 *	vmspec.c           the VM itself
 *	vmspec-machine.c   memory, CPUs, boot, features, SMBIOS
 *	vmspec-disks.c     controllers and disks
 *	vmspec-nics.c      network interfaces
 *	vmspec-devices.c   character streams and all other devices
 */
#ifndef API_VMSPEC_TABLES_H
#define API_VMSPEC_TABLES_H

#include "api/vmspec.h"
#include "base/error.h"

extern const struct prop_table spec_memory_table, spec_cpus_table, spec_numa_table, spec_boot_table,
	spec_features_table, spec_smbios_table, spec_controller_table, spec_disk_table,
	spec_nic_table, spec_chardev_table, spec_serial_table, spec_console_table, spec_rng_table,
	spec_input_table, spec_display_table, spec_vnc_table, spec_sound_table, spec_tpm_table,
	spec_fw_cfg_table, spec_device_table;

bool spec_invalid(GError **error, const char *what);
/*
 * A letter or digit, then also '.', '_', '-'; at most VM_NAME_MAX bytes. Such a name is also a safe
 * file name.
 */
bool spec_check_name(const char *what, const char *name, GError **error);
bool spec_check_id(const char *id, GError **error); /* NULL is fine */
bool spec_check_queues(uint32_t queue_size, GError **error);

#define SPEC_QUEUES_MAX     64
#define SPEC_QUEUE_SIZE_MIN 2
#define SPEC_QUEUE_SIZE_MAX 1024

/* Properties that several objects have. */
#define SPEC_PROP_ID(s, text) PROP_STR("id", s, id, VM_NAME_MAX, NULL, text)
#define SPEC_PROP_ADDR(s) \
	PROP_PCI("addr", s, addr, "PCI slot, hexadecimal; absent: the next free one, then kept")
#define SPEC_PROP_ROOT_PORT(s)                                 \
	PROP_STR("root-port", s, root_port, VM_NAME_MAX, NULL, \
		"id of the PCI Express root port that it is plugged into; absent: the root bus")
#define SPEC_PROP_CONTROLLER(s)                                                                   \
	PROP_STR("controller", s, controller, VM_NAME_MAX, NULL,                                  \
		"id of its controller; absent: the first with a place free, made where there is " \
		"none")
#define SPEC_PROP_UNIT(s, text) PROP_U32("unit", s, unit, 0, SPEC_UNIT_ANY, SPEC_UNIT_ANY, text)
#define SPEC_PROP_BOOTINDEX(s) \
	PROP_U32("bootindex", s, bootindex, 0, 255, 0, "lower boots first; 0: not booted from")

#endif
