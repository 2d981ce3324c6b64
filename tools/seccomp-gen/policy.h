/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.h - a system call policy as text, and as rules.
 *
 *	# comment
 *	include ../thread.policy		relative to this file
 *	futex					the call, whatever its arguments
 *	ioctl int1 == KVM_RUN|KVM_IRQ_LINE	only with one of these values
 *	mmap arg2 & PROT_EXEC == 0		a mask; its own alternatives are ORed together
 *	tgkill int0 == self && int2 == 6	all conditions of a line; several lines are alternatives
 *	clone3 return ENOSYS			refused quietly: the C library has another way
 *
 * argN is argument N as a 64-bit register, intN its low half, for arguments that the kernel takes as 32-bit integers. `self`
 * is the process id at the time the filter is loaded. What no line allows traps (SECCOMP_RET_TRAP). The filter tests calls
 * in the order in which the text names them first.
 */
#ifndef TOOLS_SECCOMP_GEN_POLICY_H
#define TOOLS_SECCOMP_GEN_POLICY_H

#include <glib.h>
#include <seccomp.h>

#include "base/util.h"

#define POLICY_ARGS 6

struct rule {
	int call;        /* number on x86-64 */
	uint32_t action; /* SCMP_ACT_… */
	unsigned n;
	struct scmp_arg_cmp args[POLICY_ARGS];
};

struct policy {
	GArray *rules;    /* struct rule, in order of the text, no duplicates */
	GPtrArray *files; /* names of the files read */
};

/* False: reported on stderr as FILE:LINE: …; the policy is to be freed all the same. */
bool policy_read(struct policy *p, const char *file);
void policy_free(struct policy *p);

#endif
