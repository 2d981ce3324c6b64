/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A saved state from anywhere: refused, or a state like any other. */
#include <stdlib.h>
#include <string.h>

#include "tests/device/rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GByteArray) once = g_byte_array_new(), twice = g_byte_array_new();
	g_autoptr(GError) error = NULL;
	struct rig *r = rig_new();

	probe_new(r, "p");
	pci_probe_new(r, "a", 2);
	if (bus_load(r->bus, data, size, &error)) {
		must(!error);
		bus_save(r->bus, once);
		must(bus_load(r->bus, once->data, once->len, NULL));
		bus_save(r->bus, twice);
		must(once->len == twice->len && memcmp(once->data, twice->data, once->len) == 0);
	} else {
		must(error && error->message[0]);
		bus_reset(r->bus, RESET_COLD);
		must(rig_cfg_read(r, PCI_DEVFN(2, 0), PCI_VENDOR_ID, 4) == 0x00051b36);
	}
	must(!r->events);
	rig_free(r);
	return 0;
}
