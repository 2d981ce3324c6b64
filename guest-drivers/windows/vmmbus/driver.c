/* SPDX-License-Identifier: BSD-2-Clause */
/* Entry, exit, and the IRPs that only pass through. */
#include "guest-drivers/windows/vmmbus/vmmbus.h"

DRIVER_INITIALIZE DriverEntry;

NTSTATUS vmmbus_complete(IRP *irp, NTSTATUS status)
{
	irp->IoStatus.Status = status;
	IoCompleteRequest(irp, IO_NO_INCREMENT);
	return status;
}

NTSTATUS vmmbus_pass(struct vmmbus_device *device, IRP *irp)
{
	NTSTATUS status;

	IoSkipCurrentIrpStackLocation(irp);
	status = IoCallDriver(device->lower, irp);
	IoReleaseRemoveLock(&device->lock, irp);
	return status;
}

static NTSTATUS NTAPI vmmbus_forward(DEVICE_OBJECT *self, IRP *irp)
{
	struct vmmbus_device *device = self->DeviceExtension;
	NTSTATUS status = IoAcquireRemoveLock(&device->lock, irp);

	if (!NT_SUCCESS(status))
		return vmmbus_complete(irp, status);
	return vmmbus_pass(device, irp);
}

/* Opening the device gives nothing to do, but PnP tools open what they show. */
PAGED_CODE_SECTION static NTSTATUS NTAPI vmmbus_open_close(DEVICE_OBJECT *self, IRP *irp)
{
	UNREFERENCED_PARAMETER(self);
	irp->IoStatus.Information = 0;
	return vmmbus_complete(irp, STATUS_SUCCESS);
}

PAGED_CODE_SECTION static VOID NTAPI vmmbus_unload(DRIVER_OBJECT *driver)
{
	UNREFERENCED_PARAMETER(driver);
	controller_log("vmmbus unloaded");
}

INIT_CODE NO_GUARD NTSTATUS NTAPI DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *registry_path)
{
	UNREFERENCED_PARAMETER(registry_path);
	guard_seed();

	for (unsigned int i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
		driver->MajorFunction[i] = vmmbus_forward;
	driver->MajorFunction[IRP_MJ_CREATE] = vmmbus_open_close;
	driver->MajorFunction[IRP_MJ_CLEANUP] = vmmbus_open_close;
	driver->MajorFunction[IRP_MJ_CLOSE] = vmmbus_open_close;
	driver->MajorFunction[IRP_MJ_PNP] = vmmbus_pnp;
	driver->MajorFunction[IRP_MJ_POWER] = vmmbus_power;
	driver->DriverExtension->AddDevice = vmmbus_add_device;
	driver->DriverUnload = vmmbus_unload;

	controller_greet();
	return STATUS_SUCCESS;
}
