/* SPDX-License-Identifier: BSD-2-Clause */
/* vmmbus through its life, each case on a fresh machine.  Ports and log are checked by the caller. */
#include "guest-drivers/abi/hybrid.h"
#include "guest-drivers/windows/test/ntsim.h"

#define CASE(name)                                                                \
	void NTAPI name(const struct ntsim_host *host, PDRIVER_INITIALIZE entry); \
	void NTAPI name(const struct ntsim_host *host, PDRIVER_INITIALIZE entry)

static const POWER_STATE working = {.SystemState = PowerSystemWorking};
static const POWER_STATE sleeping = {.SystemState = PowerSystemSleeping3};

static CM_RESOURCE_LIST window_at(ULONG port, ULONG length)
{
	CM_RESOURCE_LIST list = {.Count = 1};
	CM_PARTIAL_RESOURCE_LIST *partial = &list.List[0].PartialResourceList;

	partial->Count = 1;
	partial->PartialDescriptors[0].Type = CmResourceTypePort;
	partial->PartialDescriptors[0].u.Port.Start.QuadPart = port;
	partial->PartialDescriptors[0].u.Port.Length = length;
	return list;
}

static NTSTATUS start_at(ULONG port, ULONG length)
{
	CM_RESOURCE_LIST resources = window_at(port, length);

	return ntsim_pnp(IRP_MN_START_DEVICE, STATUS_NOT_SUPPORTED, &resources);
}

/* A machine with the driver loaded and its device added. */
static void add(const struct ntsim_host *host, PDRIVER_INITIALIZE entry)
{
	ntsim_init(host);
	CHECK(ntsim_load(entry) == STATUS_SUCCESS);
	CHECK(ntsim.extension.AddDevice(&ntsim.driver, &ntsim.bus_device) == STATUS_SUCCESS);
	CHECK(ntsim.attached);
	CHECK(!(ntsim.top->Flags & DO_DEVICE_INITIALIZING));
	CHECK(ntsim.top->Flags & DO_POWER_PAGABLE);
}

static void add_and_start(const struct ntsim_host *host, PDRIVER_INITIALIZE entry)
{
	add(host, entry);
	CHECK(start_at(HYBRID_PORT, HYBRID_WINDOW) == STATUS_SUCCESS);
	CHECK(ntsim.locks == 0);
	ntsim.n_seen = 0;
}

/* Without the controller: loads, refuses devices, unloads. */
CASE(case_absent)
{
	ntsim_init(host);
	CHECK(ntsim_load(entry) == STATUS_SUCCESS);
	CHECK(ntsim.extension.AddDevice(&ntsim.driver, &ntsim.bus_device) == STATUS_NO_SUCH_DEVICE);
	CHECK(!ntsim.top);
	ntsim.driver.DriverUnload(&ntsim.driver);
}

/* The bus starts first. */
CASE(case_start)
{
	add(host, entry);
	CHECK(start_at(HYBRID_PORT, HYBRID_WINDOW) == STATUS_SUCCESS);
	CHECK(ntsim.n_seen == 1 && ntsim.seen[0].minor == IRP_MN_START_DEVICE);
	CHECK(ntsim.locks == 0);
}

CASE(case_wrong_window)
{
	add(host, entry);
	CHECK(start_at(HYBRID_PORT, HYBRID_WINDOW / 2) == STATUS_DEVICE_CONFIGURATION_ERROR);
	CHECK(start_at(HYBRID_PORT + 2, HYBRID_WINDOW) == STATUS_DEVICE_CONFIGURATION_ERROR);
	CHECK(ntsim_pnp(IRP_MN_START_DEVICE, STATUS_NOT_SUPPORTED, NULL) ==
		STATUS_DEVICE_CONFIGURATION_ERROR);
	CHECK(ntsim.locks == 0);
}

CASE(case_lower_fails)
{
	add(host, entry);
	ntsim.bus_status = STATUS_INSUFFICIENT_RESOURCES;
	CHECK(start_at(HYBRID_PORT, HYBRID_WINDOW) == STATUS_INSUFFICIENT_RESOURCES);
	CHECK(ntsim.locks == 0);
}

/* What the driver does not handle reaches the bus, whose answer stands. */
CASE(case_pass)
{
	static const UCHAR minors[] = {IRP_MN_QUERY_REMOVE_DEVICE, IRP_MN_CANCEL_REMOVE_DEVICE,
		IRP_MN_QUERY_CAPABILITIES, IRP_MN_QUERY_STOP_DEVICE, IRP_MN_STOP_DEVICE};

	add_and_start(host, entry);
	for (unsigned int i = 0; i < ARRAYSIZE(minors); i++) {
		CHECK(ntsim_pnp(minors[i], STATUS_NOT_SUPPORTED, NULL) == STATUS_SUCCESS);
		CHECK(ntsim.n_seen == i + 1 && ntsim.seen[i].minor == minors[i]);
		CHECK(ntsim.locks == 0);
	}
	ntsim.bus_status = STATUS_NOT_SUPPORTED;
	CHECK(ntsim_pnp(IRP_MN_QUERY_INTERFACE, STATUS_SUCCESS, NULL) == STATUS_NOT_SUPPORTED);
}

/* A system power IRP is over only when the device power IRP is, each at its own pace. */
CASE(case_sleep)
{
	add_and_start(host, entry);
	ntsim.bus_defers = TRUE;
	CHECK(ntsim_power(IRP_MN_SET_POWER, SystemPowerState, sleeping) == STATUS_PENDING);
	CHECK(ntsim.n_seen == 1 && ntsim.locks == 1);
	ntsim_resume();
	CHECK(ntsim.n_seen == 2 && ntsim.seen[1].power_type == DevicePowerState);
	CHECK(ntsim.seen[1].power_state.DeviceState == PowerDeviceD3);
	CHECK(ntsim.power == PowerDeviceD3 && ntsim_last() == STATUS_PENDING);
	ntsim_resume();
	CHECK(ntsim_last() == STATUS_SUCCESS && ntsim.locks == 0);

	CHECK(ntsim_power(IRP_MN_SET_POWER, SystemPowerState, working) == STATUS_PENDING);
	ntsim_resume();
	CHECK(ntsim.n_seen == 4 && ntsim.seen[3].power_state.DeviceState == PowerDeviceD0);
	CHECK(ntsim.power == PowerDeviceD3);
	ntsim_resume();
	CHECK(ntsim.power == PowerDeviceD0);
	CHECK(ntsim_last() == STATUS_SUCCESS && ntsim.locks == 0);
}

CASE(case_sleep_fails)
{
	add_and_start(host, entry);
	ntsim.bus_status = STATUS_DEVICE_BUSY;
	CHECK(ntsim_power(IRP_MN_SET_POWER, SystemPowerState, sleeping) == STATUS_DEVICE_BUSY);
	CHECK(ntsim.n_seen == 1 && ntsim.locks == 0);
	CHECK(ntsim_power(IRP_MN_QUERY_POWER, SystemPowerState, sleeping) == STATUS_DEVICE_BUSY);
	CHECK(ntsim.n_seen == 2 && ntsim.locks == 0);
}

CASE(case_remove)
{
	add_and_start(host, entry);
	CHECK(ntsim_pnp(IRP_MN_SURPRISE_REMOVAL, STATUS_NOT_SUPPORTED, NULL) == STATUS_SUCCESS);
	CHECK(ntsim_pnp(IRP_MN_REMOVE_DEVICE, STATUS_NOT_SUPPORTED, NULL) == STATUS_SUCCESS);
	CHECK(ntsim.n_seen == 2 && ntsim.removed && !ntsim.attached && !ntsim.top);
	ntsim.driver.DriverUnload(&ntsim.driver);
}
