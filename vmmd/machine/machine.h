/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine.h - a VmSpec made into a machine: memory, accelerator, bus, devices, back-ends. The only place that sees both devices
 * and back-ends.
 *
 *	machine_new ─► (sandbox) ─► machine_create_cpus ─► machine_prepare ─► (accel run) …
 *		… pause ─► quiesce ─► machine_prepare ─► run … ─► machine_free
 *
 * Who runs and when is vmmd/vm/vm.c's business. Everything here is on the main thread.
 */
#ifndef VMMD_MACHINE_MACHINE_H
#define VMMD_MACHINE_MACHINE_H

#include "api/vmspec.h"
#include "devmodel/bus/bus.h"

struct blk;
struct blk_error_event;
struct chardev;
struct display;
struct input;
struct machine_type;
struct vnc;

struct machine_env {
	struct loop *main; /* timers, character devices, control */
	struct loop *io;   /* virtqueues; its thread is started by the caller after the sandbox */
	int kvm_fd;        /* of /dev/kvm, or -1: open it */
	const char *slirp; /* path of vmmd-slirp */
	const char *vnc;   /* path of vmmd-vnc */
	uid_t uid;         /* helpers become this user; (uid_t)-1: stay */
	gid_t gid;
	int (*vcpu_thread_setup)(unsigned vcpu);

	/* Any thread: note it and wake the main loop. */
	void (*request)(void *opaque, enum bus_request what, unsigned detail);
	void (*cpu_event)(void *opaque, enum accel_event e, unsigned vcpu, const char *detail);
	/* Main loop. */
	void (*block_error)(void *opaque, const struct blk_error_event *e);
	void *opaque;
};

struct machine {
	const struct machine_type *type; /* [c] */
	const struct vm_spec *spec;      /* [c] borrowed, complete, its files open */
	struct machine_env env;          /* [c] */
	struct gmem *gmem;
	struct gmem_block *ram, *firmware, *vars;
	struct blk *vars_blk; /* what UEFI variables are kept in */
	struct accel *accel;
	struct clocks *clocks;
	struct bus *bus;
	struct pci_bus *pci;
	struct dev *host, *isa, *pm, *fw_cfg, *rtc, *dma,
		*i8042; /* host and ISA bridge, ACPI registers */
	struct loop_call pit_call;
	bool hpet_legacy; /* atomic: the HPET takes the place of PIT and RTC */
	struct region ram_low, ram_high, vga_hole, firmware_high;
	uint64_t low_size, high_size; /* of RAM below and above 4 GiB */
	struct accel_cpus cpus;
	struct input *input;     /* keys and pointers from who looks at it */
	struct display *display; /* NULL: none */
	struct vnc *vnc;         /* who shows it */
	GPtrArray *disks;        /* struct blk, of the disks and media that there are */
	GPtrArray *nets;         /* struct net, in order of spec->nics */
	GPtrArray *chardevs;     /* struct chardev, all */
	GPtrArray *ptys;         /* char *: "serial0=/dev/pts/3" */
};

/*
 * Builds all but the vCPUs, without starting a thread: memory is reserved, images are looked at, helpers started. @spec outlives
 * the machine. Errors name the object of the spec.
 */
struct machine *machine_new(
	const struct vm_spec *spec, const struct machine_env *env, GError **error);

/* The vCPUs, each with its thread, waiting. Once, in the sandbox that they are to live in. */
bool machine_create_cpus(struct machine *m, GError **error);

/*
 * Power-on or reset: every device reset, firmware or kernel in place, vCPU 0 at its start. Paused and quiesced. Errors: a boot image
 * that is not one, or has become unreadable.
 */
bool machine_prepare(struct machine *m, enum reset_kind kind, GError **error);

/* Paused, quiesced, the I/O thread has ended. NULL is fine. */
void machine_free(struct machine *m);

/* Presses the power button: a guest with ACPI shuts down. */
void machine_power_button(struct machine *m);

/* Every kind of device that a machine can have: the registration tables of all folders; ends with NULL. */
extern const struct dev_ops *const *const machine_device_tables[];
const struct dev_ops *machine_find_device(const char *name); /* or NULL */

/* The character device of a serial port or console, for screens of text; NULL. */
struct chardev *machine_chardev(struct machine *m, const char *id);

#endif
