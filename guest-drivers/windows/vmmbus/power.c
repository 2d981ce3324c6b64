/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Power.  We own the device's power policy: each system power IRP, once the drivers below have
 * had it, makes us request the matching device power IRP, and is completed when that one is.
 *
 *	system set ─► down ─► system_set_done ─► request device set ─► device_set_done ─► complete
 *
 * From Windows Vista on the power manager needs no PoStartNextPowerIrp, and IoCallDriver serves
 * power IRPs too; older systems are not supported.  Nothing here is pageable.
 */
#include "guest-drivers/windows/vmmbus/vmmbus.h"

static VOID NTAPI device_set_done(
	DEVICE_OBJECT *self, UCHAR minor, POWER_STATE state, VOID *context, IO_STATUS_BLOCK *result)
{
	struct vmmbus_device *device = self->DeviceExtension;
	IRP *system_irp = context;

	UNREFERENCED_PARAMETER(minor);
	UNREFERENCED_PARAMETER(state);
	vmmbus_complete(system_irp, result->Status);
	IoReleaseRemoveLock(&device->lock, system_irp);
}

static NTSTATUS NTAPI system_set_done(DEVICE_OBJECT *self, IRP *irp, VOID *context)
{
	struct vmmbus_device *device = context;
	IO_STACK_LOCATION *stack = IoGetCurrentIrpStackLocation(irp);
	POWER_STATE wanted = {.DeviceState = PowerDeviceD3};
	NTSTATUS status = irp->IoStatus.Status;

	UNREFERENCED_PARAMETER(self);
	if (stack->Parameters.Power.State.SystemState == PowerSystemWorking)
		wanted.DeviceState = PowerDeviceD0;
	if (NT_SUCCESS(status)) {
		status = PoRequestPowerIrp(
			device->self, IRP_MN_SET_POWER, wanted, device_set_done, irp, NULL);
		if (status == STATUS_PENDING)
			return STATUS_MORE_PROCESSING_REQUIRED;
		irp->IoStatus.Status = status;
	}
	IoReleaseRemoveLock(&device->lock, irp);
	return STATUS_CONTINUE_COMPLETION;
}

/* The bus has powered the device up: now it may be said so. */
static NTSTATUS NTAPI device_up_done(DEVICE_OBJECT *self, IRP *irp, VOID *context)
{
	struct vmmbus_device *device = context;
	POWER_STATE on = {.DeviceState = PowerDeviceD0};

	UNREFERENCED_PARAMETER(self);
	if (NT_SUCCESS(irp->IoStatus.Status))
		PoSetPowerState(device->self, DevicePowerState, on);
	IoReleaseRemoveLock(&device->lock, irp);
	return STATUS_CONTINUE_COMPLETION;
}

/* Sends irp down with a completion routine, which lets go of the remove lock. */
static NTSTATUS send_down(struct vmmbus_device *device, IRP *irp, PIO_COMPLETION_ROUTINE done)
{
	IoMarkIrpPending(irp);
	IoCopyCurrentIrpStackLocationToNext(irp);
	IoSetCompletionRoutine(irp, done, device, TRUE, TRUE, TRUE);
	IoCallDriver(device->lower, irp);
	return STATUS_PENDING;
}

static NTSTATUS set_power(struct vmmbus_device *device, IRP *irp)
{
	IO_STACK_LOCATION *stack = IoGetCurrentIrpStackLocation(irp);

	if (stack->Parameters.Power.Type == SystemPowerState)
		return send_down(device, irp, system_set_done);
	if (stack->Parameters.Power.State.DeviceState == PowerDeviceD0)
		return send_down(device, irp, device_up_done);

	/* Down: said before the drivers below take the power away. */
	PoSetPowerState(device->self, DevicePowerState, stack->Parameters.Power.State);
	irp->IoStatus.Status = STATUS_SUCCESS;
	return vmmbus_pass(device, irp);
}

NTSTATUS NTAPI vmmbus_power(DEVICE_OBJECT *self, IRP *irp)
{
	struct vmmbus_device *device = self->DeviceExtension;
	NTSTATUS status = IoAcquireRemoveLock(&device->lock, irp);

	if (!NT_SUCCESS(status))
		return vmmbus_complete(irp, status);
	if (IoGetCurrentIrpStackLocation(irp)->MinorFunction == IRP_MN_SET_POWER)
		return set_power(device, irp);
	return vmmbus_pass(device, irp);
}
