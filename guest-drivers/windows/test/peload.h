/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads x64 PE images into this Linux process: sections with the protection that their headers
 * ask for, relocated, imports bound to other images' exports.  Test code: the images are our own
 * builds, so a damaged one ends the test.
 */
#ifndef GUEST_DRIVERS_WINDOWS_TEST_PELOAD_H
#define GUEST_DRIVERS_WINDOWS_TEST_PELOAD_H

struct peload;

/* Windows' x64 calling convention, for every function on the border. */
#define WINDOWS __attribute__((ms_abi))

/* Maps path.  Each import must be an export of exporter, of whichever DLL it claims to come. */
struct peload *peload_new(const char *path, struct peload *exporter);
void peload_free(struct peload *image);

/* The entry point of the image. */
void *peload_entry(struct peload *image);

/* The export of that name, NULL if there is none. */
void *peload_export(struct peload *image, const char *name);

/* Takes the discardable sections away, as the kernel does after DriverEntry. */
void peload_discard(struct peload *image);

#endif
