/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * files.h - the files of a spec become descriptors before the sandbox closes: passed by number, or opened by path.
 */
#ifndef VMMD_VM_FILES_H
#define VMMD_VM_FILES_H

#include "api/vmspec.h"

/* "/disks/0/file=7": descriptor 7 is that file of the spec. */
struct vm_file {
	char *pointer;
	int fd;
	bool used;
};

/* Appends to @files (struct vm_file). Errors: not of that form, not an open descriptor. */
bool vm_file_parse(GArray *files, const char *arg, GError **error);

/*
 * Fills the fds of all files of @spec: those in @files from there, the others by opening their path. Absent firmware is SeaBIOS, unless
 * a kernel is entered directly; absent ROMs are those of the packages seabios (display) and ipxe-qemu (NICs with a bootindex). Errors name the file's pointer: missing, no permission, a pointer that the spec does not have.
 */
bool vm_files_open(struct vm_spec *spec, GArray *files, GError **error);

#endif
