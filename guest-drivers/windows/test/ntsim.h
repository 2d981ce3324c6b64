/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small simulation of the Windows kernel for driver tests: what our drivers import, by the rules
 * that the documentation of each function gives, with the breaking of a rule as failure.
 *
 * It is built by mingw against the same DDK headers as the drivers, so that both agree on every
 * structure, and loaded into the Linux test process beside the driver.  One driver, one device
 * stack, one thread.
 *
 *	test case ──► top of the stack (driver under test) ──► bottom (ntsim's bus driver)
 */
#ifndef GUEST_DRIVERS_WINDOWS_TEST_NTSIM_H
#define GUEST_DRIVERS_WINDOWS_TEST_NTSIM_H

#include <ntddk.h>

/* What the Linux side gives. */
struct ntsim_host {
	void(NTAPI *fail)(const char *file, int line, const char *what); /* does not return */
	void(NTAPI *discard)(void); /* the driver's INIT section */
};

extern const struct ntsim_host *ntsim_host;

#define CHECK(condition)                                                  \
	do {                                                              \
		if (!(condition))                                         \
			ntsim_host->fail(__FILE__, __LINE__, #condition); \
	} while (0)

/* One IRP as the bus driver saw it. */
struct ntsim_seen {
	UCHAR major, minor;
	POWER_STATE_TYPE power_type;
	POWER_STATE power_state;
};

struct ntsim {
	DRIVER_OBJECT driver;
	DRIVER_EXTENSION extension;
	DRIVER_OBJECT bus_driver;
	DEVICE_OBJECT bus_device;
	DEVICE_OBJECT *top;  /* the driver's device, NULL when it is deleted */
	NTSTATUS bus_status; /* with which the bus driver completes */
	BOOLEAN bus_defers;  /* bus driver pends power IRPs until ntsim_resume() */
	IRP *deferred;
	struct ntsim_seen seen[16]; /* IRPs at the bus driver */
	unsigned int n_seen;
	int locks;                /* remove lock references held, the removal's own apart */
	BOOLEAN removed;          /* the remove lock refuses */
	DEVICE_POWER_STATE power; /* last told by PoSetPowerState */
	BOOLEAN attached;
	KIRQL irql;
};

extern struct ntsim ntsim;

/* A machine as at power on, with a bus driver and no device of the driver under test. */
void ntsim_init(const struct ntsim_host *host);

/* DriverEntry, then the INIT section goes. */
NTSTATUS ntsim_load(PDRIVER_INITIALIZE entry);

/* An IRP for the top of the stack; its status on completion, STATUS_PENDING if it has not. */
NTSTATUS ntsim_pnp(UCHAR minor, NTSTATUS initial, CM_RESOURCE_LIST *resources);
NTSTATUS ntsim_power(UCHAR minor, POWER_STATE_TYPE type, POWER_STATE state);

/* The status of the last ntsim_pnp or ntsim_power IRP, STATUS_PENDING while it is on its way. */
NTSTATUS ntsim_last(void);

/* The bus driver completes the IRP that it pended. */
void ntsim_resume(void);

#endif
