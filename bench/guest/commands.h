/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of main.c's table that live in files of their own; README.md describes each. */
#ifndef BENCH_GUEST_COMMANDS_H
#define BENCH_GUEST_COMMANDS_H

#include "command.h"

void cmd_pio(const struct args *a); /* access.c */
void cmd_mmio(const struct args *a);

void cmd_pci(const struct args *a); /* pci.c */

void cmd_blk_info(const struct args *a); /* blk.c */
void cmd_blk_read(const struct args *a);
void cmd_blk_write(const struct args *a);
void cmd_blk_flush(const struct args *a);

void cmd_net_tx(const struct args *a); /* net.c */
void cmd_net_rx(const struct args *a);
void cmd_net_echo(const struct args *a);

void cmd_garbage(const struct args *a); /* garbage.c */

void cmd_rng(const struct args *a); /* rng.c */

void cmd_reset(const struct args *a); /* power.c */
void cmd_poweroff(const struct args *a);

/* Which command of the line to go on with: 0, or after `reset` the one behind it. */
unsigned int power_resumes_at(void);

#endif
