/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tpm.h - a trusted platform module 2.0 at 0xfed40000, by either of its interfaces (TCG PC Client
 * Platform TPM Profile 1.05, section 6), and what executes its commands: swtpm, a process of its
 * own.
 *
 *	guest ──registers──► tpm-tis, tpm-crb ──tpm.c──► struct tpm_backend ──socket──► swtpm
 *
 * A command is copied into a buffer of ours, its length checked, and handed on; until the response
 * has come the interface is busy. The TPM keeps its own state: what is saved here are the
 * registers.
 */
#ifndef DEVMODEL_TPM_TPM_H
#define DEVMODEL_TPM_TPM_H

#include "devmodel/bus/bus.h"

/* Ends with NULL. */
extern const struct dev_ops *const tpm_devices[];

extern const struct dev_ops tpm_tis_ops; /* FIFO interface (TIS 1.3), five localities */
extern const struct dev_ops tpm_crb_ops; /* command response buffer, locality 0 */

#define TPM_BASE UINT64_C(0xfed40000)
/* Where commands and responses of tpm-crb lie, for the ACPI table TPM2. */
#define TPM_CRB_CONTROL (TPM_BASE + 0x40)

/* ---- back-end: everything on the main loop ---- */

struct tpm_backend;

struct tpm_backend_ops {
	/*
	 * Power off and on: _TPM_Init. What is under way is dropped: no done(). Commands that
	 * follow wait for it.
	 */
	void (*start)(struct tpm_backend *b);
	/*
	 * Executes the @n bytes at @buf, for which the response is read into the same place (at
	 * most @room); done() later. One at a time.
	 */
	void (*submit)(
		struct tpm_backend *b, uint8_t locality, uint8_t *buf, size_t n, size_t room);
	/* The command should end soon; done() comes all the same. */
	void (*cancel)(struct tpm_backend *b);
	/* Nothing is called any more. */
	void (*free)(struct tpm_backend *b);
};

struct tpm_backend {
	const struct tpm_backend_ops *ops;
	/* Set by the front: bytes of the response, or -errno. */
	void (*done)(void *opaque, ssize_t n);
	void *opaque;
};

void tpm_backend_free(struct tpm_backend *b); /* NULL is fine */

/*
 * swtpm at the other end of @fd, its control channel (a connected Unix stream socket, owned from
 * now on). A channel of its own for commands is passed to it. Errors: no socket pair. When the
 * process goes away every command fails.
 */
struct tpm_backend *swtpm_new(struct loop *loop, int fd, GError **error);

/* Borrowed; freed after the device. Of either interface, before realize. */
void tpm_set_backend(struct dev *d, struct tpm_backend *b);

#endif
