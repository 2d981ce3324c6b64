/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmmbus: the boot-start WDM driver of vmmd's hybrid controller.
 *
 * DriverEntry runs before Windows enumerates any bus, so it greets the host there, at the fixed
 * ports of guest-drivers/abi/hybrid.h.  Later ACPI reports the controller and AddDevice puts the
 * driver on its device stack, where it is the function driver and the power policy owner.
 *
 *	DriverEntry ── greet, log ──► (Windows enumerates ACPI) ──► AddDevice ──► START … REMOVE
 *
 * On a machine without the controller DriverEntry succeeds and nothing else happens: a disk that
 * moves to another hypervisor starts there without a failed service.
 */
#ifndef GUEST_DRIVERS_WINDOWS_VMMBUS_VMMBUS_H
#define GUEST_DRIVERS_WINDOWS_VMMBUS_VMMBUS_H

#include <ntddk.h>

#include "guest-drivers/abi/hybrid_guest.h"
#include "guest-drivers/windows/kernel/kernel.h"

#define VMMBUS_POOL_TAG 0x626d6d56 /* "Vmmb" */

/* The extension of our device object. */
struct vmmbus_device {
	DEVICE_OBJECT *self;
	DEVICE_OBJECT *physical; /* the ACPI driver's */
	DEVICE_OBJECT *lower;    /* next in the stack */
	IO_REMOVE_LOCK lock;     /* held by every IRP that is on its way through us */
};

/* controller.c: the one controller of the machine. */

/* Greets the host and logs the outcome.  From DriverEntry; false if there is no controller. */
BOOLEAN controller_greet(void);

/* True once controller_greet has found the controller. */
BOOLEAN controller_present(void);

/* One line to the host's log; any IRQL up to DISPATCH_LEVEL.  Nothing without a controller. */
void controller_log(const char *line);

/* driver.c */

/* Completes irp with status and returns it. */
NTSTATUS vmmbus_complete(IRP *irp, NTSTATUS status);

/* Sends irp down unchanged and lets go of the remove lock that the caller took for it. */
NTSTATUS vmmbus_pass(struct vmmbus_device *device, IRP *irp);

/* pnp.c, power.c */
DRIVER_ADD_DEVICE vmmbus_add_device;
DRIVER_DISPATCH vmmbus_pnp;
DRIVER_DISPATCH vmmbus_power;

#endif
