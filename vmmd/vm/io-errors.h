/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io-errors.h - tells of failed requests to the images of disks: in the log, and to clients as event.block-io-error.
 *
 * A guest can make requests fail as fast as its disk is. So at most one event a second is told for each disk and operation, with
 * the number of requests that it stands for; one that stops the VM is told at once. Main loop.
 */
#ifndef VMMD_VM_IO_ERRORS_H
#define VMMD_VM_IO_ERRORS_H

struct blk_error_event;
struct io_errors;
struct machine;
struct op_io_error;

/* For the disks of @m, which outlives it. @tell gets each event, borrowed, with @opaque. Cannot fail. */
struct io_errors *io_errors_new(
	struct machine *m, void (*tell)(void *opaque, const struct op_io_error *e), void *opaque);
void io_errors_add(struct io_errors *errors, const struct blk_error_event *e);
/* Tells what has not been told yet. NULL is fine. */
void io_errors_flush(struct io_errors *errors);

#endif
