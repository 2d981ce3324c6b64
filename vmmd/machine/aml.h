/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * aml.h - writes the little AML that differs from VM to VM. ACPI Specification 6.4, section 20.2 (encoding) and 6.4 (resource
 * descriptors). Everything else is compiled from dsdt-pc.asl.
 */
#ifndef VMMD_MACHINE_AML_H
#define VMMD_MACHINE_AML_H

#include <glib.h>

#include "base/util.h"

/* Objects, appended to @out. A @path is like "\\_SB.PCI0" or "C001". */
void aml_name(GByteArray *out, const char *path); /* NameOp; its value follows */
void aml_int(GByteArray *out, uint64_t v);
void aml_string(GByteArray *out, const char *s);
void aml_path(GByteArray *out, const char *path); /* a reference */

/*
 * Blocks with a length in front: begin returns where it starts, end puts the length there. Scopes and devices take a path, packages
 * their number of elements, buffers nothing (their size is computed).
 */
guint aml_scope_begin(GByteArray *out, const char *path);
guint aml_device_begin(GByteArray *out, const char *path);
guint aml_method_begin(GByteArray *out, const char *path, uint8_t args);
guint aml_if_begin(GByteArray *out); /* its condition follows */
guint aml_package_begin(GByteArray *out, uint8_t elements);
void aml_return(GByteArray *out); /* its value follows */
void aml_end(GByteArray *out, guint begin);

/* A resource template from @res, end tag added. */
void aml_resources(GByteArray *out, const GByteArray *res);
void aml_res_bus(GByteArray *res, uint16_t first, uint16_t last);
void aml_res_io(GByteArray *res, uint16_t base, uint8_t len);
void aml_res_io_window(GByteArray *res, uint16_t first, uint16_t last);
/* From @first up to @end, which may be the same. */
void aml_res_mem_window(GByteArray *res, uint32_t first, uint32_t end, bool cacheable);
void aml_res_mem64_window(GByteArray *res, uint64_t first, uint64_t end);
void aml_res_memory(GByteArray *res, uint32_t base, uint32_t len);

#endif
