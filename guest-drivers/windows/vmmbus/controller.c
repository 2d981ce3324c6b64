/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The controller's ports.  Port instructions are inline: HAL exports no READ_PORT_* for x64, and
 * one form for both architectures is one import list less.
 */
#include "guest-drivers/windows/vmmbus/vmmbus.h"
#include "guest-drivers/windows/vmmbus/version.h"

int __cdecl _snprintf(char *buffer, size_t size, const char *format, ...);

static struct {
	KSPIN_LOCK lock; /* a log line stays in one piece */
	struct hybrid_host host;
} controller;

static uint32_t port_read(void *opaque, unsigned int reg, unsigned int width)
{
	USHORT port = (USHORT)(HYBRID_PORT + reg);
	uint32_t value = 0;

	UNREFERENCED_PARAMETER(opaque);
	switch (width) {
	case 1: __asm__ volatile("inb %w1, %b0" : "+a"(value) : "Nd"(port)); break;
	case 2: __asm__ volatile("inw %w1, %w0" : "+a"(value) : "Nd"(port)); break;
	default: __asm__ volatile("inl %w1, %0" : "=a"(value) : "Nd"(port)); break;
	}
	return value;
}

static void port_write(void *opaque, unsigned int reg, unsigned int width, uint32_t value)
{
	USHORT port = (USHORT)(HYBRID_PORT + reg);

	UNREFERENCED_PARAMETER(opaque);
	switch (width) {
	case 1: __asm__ volatile("outb %b0, %w1" : : "a"(value), "Nd"(port)); break;
	case 2: __asm__ volatile("outw %w0, %w1" : : "a"(value), "Nd"(port)); break;
	default: __asm__ volatile("outl %0, %w1" : : "a"(value), "Nd"(port)); break;
	}
}

static const struct hybrid_io controller_io = {.read = port_read, .write = port_write};

INIT_CODE static void report_greeting(void)
{
	RTL_OSVERSIONINFOW os = {.dwOSVersionInfoSize = sizeof(os)};
	char line[HYBRID_LOG_LINE + 1] = "";

	if (!NT_SUCCESS(RtlGetVersion(&os)))
		os.dwMajorVersion = 0;
	_snprintf(line, sizeof(line) - 1,
		"vmmbus " VMMBUS_VERSION_STRING " on Windows %lu.%lu.%lu: %s", os.dwMajorVersion,
		os.dwMinorVersion, os.dwBuildNumber, hybrid_answer_name(controller.host.answer));
	controller_log(line);
}

INIT_CODE BOOLEAN controller_greet(void)
{
	KeInitializeSpinLock(&controller.lock);
	controller.host = hybrid_greet(&controller_io, HYBRID_PRODUCT_WINDOWS, VMMBUS_BUILD);
	if (!controller.host.present)
		return FALSE;
	report_greeting();
	return TRUE;
}

BOOLEAN controller_present(void)
{
	return controller.host.present != 0;
}

void controller_log(const char *line)
{
	KIRQL irql;

	if (!controller_present())
		return;
	KeAcquireSpinLock(&controller.lock, &irql);
	hybrid_log(&controller_io, line);
	KeReleaseSpinLock(&controller.lock, irql);
}
