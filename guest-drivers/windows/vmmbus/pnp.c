/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plug and play.  The device has no state of its own in Windows, so everything but start and
 * remove succeeds and goes down the stack.
 */
#include "guest-drivers/windows/vmmbus/vmmbus.h"

#define MINUTES_BEFORE_BLAMED 1
#define IRPS_ON_THE_WAY       64

PAGED_CODE_SECTION NTSTATUS NTAPI vmmbus_add_device(DRIVER_OBJECT *driver, DEVICE_OBJECT *physical)
{
	struct vmmbus_device *device;
	DEVICE_OBJECT *self;
	NTSTATUS status;

	PAGED_CODE();
	if (!controller_present())
		return STATUS_NO_SUCH_DEVICE;
	status = IoCreateDevice(driver, sizeof(*device), NULL, FILE_DEVICE_BUS_EXTENDER,
		FILE_DEVICE_SECURE_OPEN, FALSE, &self);
	if (!NT_SUCCESS(status))
		return status;

	device = self->DeviceExtension;
	device->self = self;
	device->physical = physical;
	IoInitializeRemoveLock(
		&device->lock, VMMBUS_POOL_TAG, MINUTES_BEFORE_BLAMED, IRPS_ON_THE_WAY);
	device->lower = IoAttachDeviceToDeviceStack(self, physical);
	if (!device->lower) {
		IoDeleteDevice(self);
		return STATUS_NO_SUCH_DEVICE;
	}

	/* Power IRPs come at the IRQL that the drivers below can take. */
	self->Flags |= device->lower->Flags & (DO_POWER_PAGABLE | DO_BUFFERED_IO | DO_DIRECT_IO);
	self->Flags &= ~DO_DEVICE_INITIALIZING;
	return STATUS_SUCCESS;
}

/* The firmware must describe the very window that DriverEntry has used. */
PAGED_CODE_SECTION static BOOLEAN window_matches(const CM_RESOURCE_LIST *resources)
{
	const CM_PARTIAL_RESOURCE_LIST *list;

	if (!resources || resources->Count != 1)
		return FALSE;
	list = &resources->List[0].PartialResourceList;
	for (ULONG i = 0; i < list->Count; i++) {
		const CM_PARTIAL_RESOURCE_DESCRIPTOR *resource = &list->PartialDescriptors[i];

		if (resource->Type == CmResourceTypePort &&
			resource->u.Port.Start.QuadPart == HYBRID_PORT &&
			resource->u.Port.Length == HYBRID_WINDOW)
			return TRUE;
	}
	return FALSE;
}

PAGED_CODE_SECTION static NTSTATUS start_device(struct vmmbus_device *device, IRP *irp)
{
	IO_STACK_LOCATION *stack = IoGetCurrentIrpStackLocation(irp);
	NTSTATUS status = STATUS_UNSUCCESSFUL;

	if (IoForwardIrpSynchronously(device->lower, irp))
		status = irp->IoStatus.Status;
	if (NT_SUCCESS(status) &&
		!window_matches(stack->Parameters.StartDevice.AllocatedResourcesTranslated))
		status = STATUS_DEVICE_CONFIGURATION_ERROR;

	controller_log(NT_SUCCESS(status) ? "vmmbus started" : "vmmbus failed to start");
	vmmbus_complete(irp, status);
	IoReleaseRemoveLock(&device->lock, irp);
	return status;
}

PAGED_CODE_SECTION static NTSTATUS remove_device(struct vmmbus_device *device, IRP *irp)
{
	NTSTATUS status;

	controller_log("vmmbus removed");
	irp->IoStatus.Status = STATUS_SUCCESS;
	IoSkipCurrentIrpStackLocation(irp);
	status = IoCallDriver(device->lower, irp);
	IoReleaseRemoveLockAndWait(&device->lock, irp);
	IoDetachDevice(device->lower);
	IoDeleteDevice(device->self);
	return status;
}

PAGED_CODE_SECTION NTSTATUS NTAPI vmmbus_pnp(DEVICE_OBJECT *self, IRP *irp)
{
	struct vmmbus_device *device = self->DeviceExtension;
	NTSTATUS status;

	PAGED_CODE();
	status = IoAcquireRemoveLock(&device->lock, irp);
	if (!NT_SUCCESS(status))
		return vmmbus_complete(irp, status);

	switch (IoGetCurrentIrpStackLocation(irp)->MinorFunction) {
	case IRP_MN_START_DEVICE: return start_device(device, irp);
	case IRP_MN_REMOVE_DEVICE: return remove_device(device, irp);
	case IRP_MN_QUERY_STOP_DEVICE:
	case IRP_MN_CANCEL_STOP_DEVICE:
	case IRP_MN_STOP_DEVICE:
	case IRP_MN_QUERY_REMOVE_DEVICE:
	case IRP_MN_CANCEL_REMOVE_DEVICE:
	case IRP_MN_SURPRISE_REMOVAL: irp->IoStatus.Status = STATUS_SUCCESS; break;
	default: break; /* what we do not handle goes down with the status it came with */
	}
	return vmmbus_pass(device, irp);
}
