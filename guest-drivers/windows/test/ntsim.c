/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest-drivers/windows/test/ntsim.h"

#define DEVICE_ROOM 1024
#define STACK_SIZE  2
#define IRPS        8

/* An IRP in flight; those of PoRequestPowerIrp call back. */
struct flight {
	IRP irp;
	IO_STACK_LOCATION stack[STACK_SIZE];
	REQUEST_POWER_COMPLETE *callback;
	VOID *context;
	BOOLEAN completed;
};

const struct ntsim_host *ntsim_host;
struct ntsim ntsim;

static struct flight flights[IRPS];
static unsigned int n_flights;
static struct flight *last;
static UCHAR room[DEVICE_ROOM] __attribute__((aligned(16)));

/* ---- what the compiler wants of a C library ---- */

void *sim_memcpy(void *to, const void *from, SIZE_T n);

void *sim_memcpy(void *to, const void *from, SIZE_T n)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return to;
}

static void zero(void *to, SIZE_T n)
{
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0) : "memory");
}

/* ---- IRPs ---- */

NTSTATUS sim_IofCallDriver(DEVICE_OBJECT *device, IRP *irp);
VOID sim_IofCompleteRequest(IRP *irp, CCHAR boost);

static struct flight *flight_of(IRP *irp)
{
	return CONTAINING_RECORD(irp, struct flight, irp);
}

static IO_STACK_LOCATION *current(IRP *irp)
{
	return irp->Tail.Overlay.CurrentStackLocation;
}

NTSTATUS sim_IofCallDriver(DEVICE_OBJECT *device, IRP *irp)
{
	IO_STACK_LOCATION *stack;
	NTSTATUS status;

	CHECK(!flight_of(irp)->completed);
	CHECK(irp->CurrentLocation > 1);
	irp->CurrentLocation--;
	stack = --irp->Tail.Overlay.CurrentStackLocation;
	stack->DeviceObject = device;
	status = device->DriverObject->MajorFunction[stack->MajorFunction](device, irp);
	/* A dispatch routine marks what it leaves pending, and nothing else. */
	if (device == ntsim.top && stack->CompletionRoutine == NULL)
		CHECK(status != STATUS_PENDING || stack->Control & SL_PENDING_RETURNED);
	return status;
}

VOID sim_IofCompleteRequest(IRP *irp, CCHAR boost)
{
	struct flight *flight = flight_of(irp);

	UNREFERENCED_PARAMETER(boost);
	CHECK(!flight->completed);
	CHECK(irp->IoStatus.Status != STATUS_PENDING);
	while (irp->CurrentLocation <= irp->StackCount) {
		IO_STACK_LOCATION *stack = current(irp);
		DEVICE_OBJECT *device;

		irp->PendingReturned = (stack->Control & SL_PENDING_RETURNED) != 0;
		irp->CurrentLocation++;
		irp->Tail.Overlay.CurrentStackLocation++;
		device = irp->CurrentLocation <= irp->StackCount ? current(irp)->DeviceObject
								 : NULL;
		if (stack->CompletionRoutine) {
			PIO_COMPLETION_ROUTINE routine = stack->CompletionRoutine;

			stack->CompletionRoutine = NULL;
			if (routine(device, irp, stack->Context) == STATUS_MORE_PROCESSING_REQUIRED)
				return;
		}
	}
	flight->completed = TRUE;
	if (flight->callback)
		flight->callback(ntsim.top, flight->stack[STACK_SIZE - 1].MinorFunction,
			flight->stack[STACK_SIZE - 1].Parameters.Power.State, flight->context,
			&irp->IoStatus);
}

static struct flight *flight_new(UCHAR major, UCHAR minor, NTSTATUS status)
{
	struct flight *flight = &flights[n_flights++];
	IO_STACK_LOCATION *top = &flight->stack[STACK_SIZE - 1];

	CHECK(n_flights <= IRPS);
	zero(flight, sizeof(*flight));
	flight->irp.StackCount = STACK_SIZE;
	flight->irp.CurrentLocation = STACK_SIZE + 1;
	flight->irp.Tail.Overlay.CurrentStackLocation = &flight->stack[STACK_SIZE];
	flight->irp.IoStatus.Status = status;
	top->MajorFunction = major;
	top->MinorFunction = minor;
	return flight;
}

static NTSTATUS flight_status(const struct flight *flight)
{
	return flight->completed ? flight->irp.IoStatus.Status : STATUS_PENDING;
}

static NTSTATUS launch(struct flight *flight)
{
	NTSTATUS status = sim_IofCallDriver(ntsim.top, &flight->irp);

	CHECK(status == STATUS_PENDING || flight->completed);
	return flight_status(flight);
}

NTSTATUS ntsim_pnp(UCHAR minor, NTSTATUS initial, CM_RESOURCE_LIST *resources)
{
	last = flight_new(IRP_MJ_PNP, minor, initial);
	last->stack[STACK_SIZE - 1].Parameters.StartDevice.AllocatedResourcesTranslated = resources;
	return launch(last);
}

NTSTATUS ntsim_power(UCHAR minor, POWER_STATE_TYPE type, POWER_STATE state)
{
	last = flight_new(IRP_MJ_POWER, minor, STATUS_NOT_SUPPORTED);
	last->stack[STACK_SIZE - 1].Parameters.Power.Type = type;
	last->stack[STACK_SIZE - 1].Parameters.Power.State = state;
	return launch(last);
}

NTSTATUS ntsim_last(void)
{
	return flight_status(last);
}

/* ---- the bus driver below ---- */

static NTSTATUS NTAPI bus_dispatch(DEVICE_OBJECT *self, IRP *irp)
{
	IO_STACK_LOCATION *stack = current(irp);

	CHECK(self == &ntsim.bus_device);
	CHECK(ntsim.n_seen < ARRAYSIZE(ntsim.seen));
	ntsim.seen[ntsim.n_seen++] = (struct ntsim_seen){
		.major = stack->MajorFunction,
		.minor = stack->MinorFunction,
		.power_type = stack->Parameters.Power.Type,
		.power_state = stack->Parameters.Power.State,
	};
	if (ntsim.bus_defers && stack->MajorFunction == IRP_MJ_POWER) {
		CHECK(!ntsim.deferred);
		stack->Control |= SL_PENDING_RETURNED;
		ntsim.deferred = irp;
		return STATUS_PENDING;
	}
	irp->IoStatus.Status = ntsim.bus_status;
	sim_IofCompleteRequest(irp, IO_NO_INCREMENT);
	return ntsim.bus_status;
}

void ntsim_resume(void)
{
	IRP *irp = ntsim.deferred;

	CHECK(irp);
	ntsim.deferred = NULL;
	irp->IoStatus.Status = ntsim.bus_status;
	sim_IofCompleteRequest(irp, IO_NO_INCREMENT);
}

void ntsim_init(const struct ntsim_host *host)
{
	ntsim_host = host;
	zero(&ntsim, sizeof(ntsim));
	n_flights = 0;
	ntsim.driver.DriverExtension = &ntsim.extension;
	for (unsigned int i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
		ntsim.bus_driver.MajorFunction[i] = bus_dispatch;
	ntsim.bus_device.DriverObject = &ntsim.bus_driver;
	ntsim.bus_device.Flags = DO_POWER_PAGABLE;
}

NTSTATUS ntsim_load(PDRIVER_INITIALIZE entry)
{
	NTSTATUS status = entry(&ntsim.driver, NULL);

	ntsim_host->discard();
	return status;
}

/* ---- exports: devices ---- */

NTSTATUS NTAPI sim_IoCreateDevice(DRIVER_OBJECT *driver, ULONG extension, UNICODE_STRING *name,
	DEVICE_TYPE type, ULONG characteristics, BOOLEAN exclusive, DEVICE_OBJECT **ret);
NTSTATUS NTAPI sim_IoCreateDevice(DRIVER_OBJECT *driver, ULONG extension, UNICODE_STRING *name,
	DEVICE_TYPE type, ULONG characteristics, BOOLEAN exclusive, DEVICE_OBJECT **ret)
{
	DEVICE_OBJECT *device = (DEVICE_OBJECT *)room;

	UNREFERENCED_PARAMETER(name);
	UNREFERENCED_PARAMETER(exclusive);
	CHECK(!ntsim.top);
	CHECK(sizeof(*device) + extension <= sizeof(room));
	zero(room, sizeof(room));
	device->DriverObject = driver;
	device->DeviceExtension = device + 1;
	device->DeviceType = type;
	device->Characteristics = characteristics;
	device->Flags = DO_DEVICE_INITIALIZING;
	ntsim.top = device;
	*ret = device;
	return STATUS_SUCCESS;
}

DEVICE_OBJECT *NTAPI sim_IoAttachDeviceToDeviceStack(DEVICE_OBJECT *source, DEVICE_OBJECT *target);
DEVICE_OBJECT *NTAPI sim_IoAttachDeviceToDeviceStack(DEVICE_OBJECT *source, DEVICE_OBJECT *target)
{
	CHECK(source == ntsim.top && target == &ntsim.bus_device && !ntsim.attached);
	ntsim.attached = TRUE;
	return target;
}

VOID NTAPI sim_IoDetachDevice(DEVICE_OBJECT *lower);
VOID NTAPI sim_IoDetachDevice(DEVICE_OBJECT *lower)
{
	CHECK(lower == &ntsim.bus_device && ntsim.attached);
	ntsim.attached = FALSE;
}

VOID NTAPI sim_IoDeleteDevice(DEVICE_OBJECT *device);
VOID NTAPI sim_IoDeleteDevice(DEVICE_OBJECT *device)
{
	CHECK(device == ntsim.top);
	CHECK(!ntsim.attached);
	CHECK(ntsim.locks == 0);
	ntsim.top = NULL;
}

BOOLEAN NTAPI sim_IoForwardIrpSynchronously(DEVICE_OBJECT *device, IRP *irp);
BOOLEAN NTAPI sim_IoForwardIrpSynchronously(DEVICE_OBJECT *device, IRP *irp)
{
	IO_STACK_LOCATION *own = current(irp), *next = own - 1;

	CHECK(device == &ntsim.bus_device);
	sim_memcpy(next, own, FIELD_OFFSET(IO_STACK_LOCATION, CompletionRoutine));
	next->Control = 0;
	/* The bus driver completes at once; what that does to the IRP is undone for its owner. */
	irp->CurrentLocation--;
	irp->Tail.Overlay.CurrentStackLocation--;
	ntsim.seen[ntsim.n_seen++] = (struct ntsim_seen){
		.major = next->MajorFunction,
		.minor = next->MinorFunction,
	};
	irp->IoStatus.Status = ntsim.bus_status;
	irp->CurrentLocation++;
	irp->Tail.Overlay.CurrentStackLocation++;
	return TRUE;
}

/* ---- exports: remove lock ---- */

VOID NTAPI sim_IoInitializeRemoveLockEx(
	IO_REMOVE_LOCK *lock, ULONG tag, ULONG minutes, ULONG high, ULONG size);
VOID NTAPI sim_IoInitializeRemoveLockEx(
	IO_REMOVE_LOCK *lock, ULONG tag, ULONG minutes, ULONG high, ULONG size)
{
	UNREFERENCED_PARAMETER(lock);
	UNREFERENCED_PARAMETER(tag);
	UNREFERENCED_PARAMETER(minutes);
	UNREFERENCED_PARAMETER(high);
	CHECK(size == sizeof(IO_REMOVE_LOCK));
	ntsim.locks = 0;
	ntsim.removed = FALSE;
}

NTSTATUS NTAPI sim_IoAcquireRemoveLockEx(
	IO_REMOVE_LOCK *lock, VOID *tag, PCSTR file, ULONG line, ULONG size);
NTSTATUS NTAPI sim_IoAcquireRemoveLockEx(
	IO_REMOVE_LOCK *lock, VOID *tag, PCSTR file, ULONG line, ULONG size)
{
	UNREFERENCED_PARAMETER(lock);
	UNREFERENCED_PARAMETER(tag);
	UNREFERENCED_PARAMETER(file);
	UNREFERENCED_PARAMETER(line);
	UNREFERENCED_PARAMETER(size);
	if (ntsim.removed)
		return STATUS_DELETE_PENDING;
	ntsim.locks++;
	return STATUS_SUCCESS;
}

VOID NTAPI sim_IoReleaseRemoveLockEx(IO_REMOVE_LOCK *lock, VOID *tag, ULONG size);
VOID NTAPI sim_IoReleaseRemoveLockEx(IO_REMOVE_LOCK *lock, VOID *tag, ULONG size)
{
	UNREFERENCED_PARAMETER(lock);
	UNREFERENCED_PARAMETER(tag);
	UNREFERENCED_PARAMETER(size);
	CHECK(ntsim.locks > 0);
	ntsim.locks--;
}

VOID NTAPI sim_IoReleaseRemoveLockAndWaitEx(IO_REMOVE_LOCK *lock, VOID *tag, ULONG size);
VOID NTAPI sim_IoReleaseRemoveLockAndWaitEx(IO_REMOVE_LOCK *lock, VOID *tag, ULONG size)
{
	ntsim.removed = TRUE;
	sim_IoReleaseRemoveLockEx(lock, tag, size);
	CHECK(ntsim.locks == 0); /* with one thread a wait would never end */
}

/* ---- exports: power ---- */

NTSTATUS NTAPI sim_PoRequestPowerIrp(DEVICE_OBJECT *device, UCHAR minor, POWER_STATE state,
	REQUEST_POWER_COMPLETE *callback, VOID *context, IRP **ret);
NTSTATUS NTAPI sim_PoRequestPowerIrp(DEVICE_OBJECT *device, UCHAR minor, POWER_STATE state,
	REQUEST_POWER_COMPLETE *callback, VOID *context, IRP **ret)
{
	struct flight *flight = flight_new(IRP_MJ_POWER, minor, STATUS_NOT_SUPPORTED);

	CHECK(device == ntsim.top && !ret);
	flight->stack[STACK_SIZE - 1].Parameters.Power.Type = DevicePowerState;
	flight->stack[STACK_SIZE - 1].Parameters.Power.State = state;
	flight->callback = callback;
	flight->context = context;
	launch(flight);
	return STATUS_PENDING;
}

POWER_STATE NTAPI sim_PoSetPowerState(
	DEVICE_OBJECT *device, POWER_STATE_TYPE type, POWER_STATE state);
POWER_STATE NTAPI sim_PoSetPowerState(
	DEVICE_OBJECT *device, POWER_STATE_TYPE type, POWER_STATE state)
{
	POWER_STATE previous = {.DeviceState = ntsim.power};

	CHECK(device == ntsim.top && type == DevicePowerState);
	ntsim.power = state.DeviceState;
	return previous;
}

/* ---- exports: the rest ---- */

KIRQL NTAPI sim_KeAcquireSpinLockRaiseToDpc(KSPIN_LOCK *lock);
KIRQL NTAPI sim_KeAcquireSpinLockRaiseToDpc(KSPIN_LOCK *lock)
{
	KIRQL old = ntsim.irql;

	CHECK(*lock == 0 && old <= DISPATCH_LEVEL);
	*lock = 1;
	ntsim.irql = DISPATCH_LEVEL;
	return old;
}

VOID NTAPI sim_KeReleaseSpinLock(KSPIN_LOCK *lock, KIRQL irql);
VOID NTAPI sim_KeReleaseSpinLock(KSPIN_LOCK *lock, KIRQL irql)
{
	CHECK(*lock == 1 && ntsim.irql == DISPATCH_LEVEL);
	*lock = 0;
	ntsim.irql = irql;
}

VOID NTAPI sim_KeBugCheckEx(ULONG code, ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d);
VOID NTAPI sim_KeBugCheckEx(ULONG code, ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d)
{
	UNREFERENCED_PARAMETER(code);
	UNREFERENCED_PARAMETER(a);
	UNREFERENCED_PARAMETER(b);
	UNREFERENCED_PARAMETER(c);
	UNREFERENCED_PARAMETER(d);
	ntsim_host->fail(__FILE__, __LINE__, "the driver stops the machine");
}

NTSTATUS NTAPI sim_RtlGetVersion(RTL_OSVERSIONINFOW *version);
NTSTATUS NTAPI sim_RtlGetVersion(RTL_OSVERSIONINFOW *version)
{
	CHECK(version->dwOSVersionInfoSize == sizeof(*version));
	version->dwMajorVersion = 6;
	version->dwMinorVersion = 1;
	version->dwBuildNumber = 7601;
	return STATUS_SUCCESS;
}

static SIZE_T put_number(char *to, ULONG value)
{
	char digits[10];
	SIZE_T n = 0, length = 0;

	do
		digits[n++] = (char)('0' + value % 10);
	while (value /= 10);
	while (n)
		to[length++] = digits[--n];
	return length;
}

/* Knows %lu and %s, which is what our drivers use; other conversions fail the test. */
int __cdecl sim_snprintf(char *buffer, SIZE_T size, const char *format, ...);
int __cdecl sim_snprintf(char *buffer, SIZE_T size, const char *format, ...)
{
	__builtin_va_list arguments;
	SIZE_T length = 0;

	__builtin_va_start(arguments, format);
	for (; *format; format++) {
		CHECK(length + 10 < size);
		if (*format != '%') {
			buffer[length++] = *format;
		} else if (*++format == 's') {
			const char *text = __builtin_va_arg(arguments, const char *);

			while (*text && length + 10 < size)
				buffer[length++] = *text++;
		} else {
			CHECK(*format == 'l' && *++format == 'u');
			length += put_number(buffer + length, __builtin_va_arg(arguments, ULONG));
		}
	}
	__builtin_va_end(arguments);
	buffer[length] = '\0';
	return (int)length;
}
