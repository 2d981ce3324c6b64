/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tpm-internal.h - what both interfaces build on: one command at a time on its way to the back-end
 * and back.
 */
#ifndef DEVMODEL_TPM_TPM_INTERNAL_H
#define DEVMODEL_TPM_TPM_INTERNAL_H

#include "devmodel/tpm/tpm.h"

#define TPM_BUF    3968 /* bytes of a command or response: what the CRB has room for */
#define TPM_HEADER 10   /* tag, size, code; big-endian */

struct tpm_hw {
	uint16_t len;     /* bytes of buf that mean something */
	uint8_t locality; /* that the command is executed for */
	bool busy;        /* the TPM has it */
	uint8_t buf[TPM_BUF];
};

extern const struct state_field tpm_fields[];

/* Begins every interface's structure. */
struct tpm {
	struct dev dev;
	struct tpm_backend *backend; /* [c] */
	struct tpm_hw *hw;           /* [c] lock: in the interface's */
	/* The response is in hw: lock held. */
	void (*done)(struct tpm *t);
	uint8_t io[TPM_BUF]; /* main: the command while the back-end has it */
	bool starting;       /* lock: the back-end has to be started first */
	bool sent;           /* main: the back-end has a command */
	struct async_group *quiescing;
	struct loop_call work_call, cancel_call;
};

static inline struct tpm *to_tpm(struct dev *d)
{
	return container_of(d, struct tpm, dev);
}

/* Size field of a header. */
static inline uint32_t tpm_size(const uint8_t *buf)
{
	return (uint32_t)buf[2] << 24 | (uint32_t)buf[3] << 16 | (uint32_t)buf[4] << 8 | buf[5];
}

/* Parts of dev_ops of the same names. */
bool tpm_realize(struct tpm *t, struct tpm_hw *hw, void (*done)(struct tpm *t), GError **error);
void tpm_reset(struct tpm *t);
void tpm_quiesce(struct dev *d, struct async_group *g);
int tpm_post_load(struct tpm *t);
void tpm_unrealize(struct dev *d);

/* Lock held. Executes buf[0..len); a malformed one is answered as the TPM would. */
void tpm_execute(struct tpm *t, uint8_t locality);
void tpm_cancel(struct tpm *t);

#endif
