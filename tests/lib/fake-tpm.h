/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake-tpm.h - a TPM that answers a command with its bytes turned round, when a test says so.
 */
#ifndef TESTS_LIB_FAKE_TPM_H
#define TESTS_LIB_FAKE_TPM_H

#include "devmodel/tpm/tpm.h"

struct fake_tpm {
	struct tpm_backend backend;
	struct loop *loop;
	struct loop_call call;
	bool hold; /* responses wait for fake_tpm_complete() */
	uint8_t *buf;
	size_t n;
	uint8_t locality; /* of the last command */
	unsigned starts, commands, cancels;
	ssize_t fail; /* what the next commands end with, if not 0 */
};

struct fake_tpm *fake_tpm_new(struct loop *loop);
/* False: there is no command. */
bool fake_tpm_complete(struct fake_tpm *f);

#endif
