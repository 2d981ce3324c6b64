/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the command line comes from. */
#ifndef BENCH_GUEST_CONFIG_H
#define BENCH_GUEST_CONFIG_H

#include <stdint.h>

#define CONFIG_FILE "opt/org.vmmd/bench" /* fw_cfg */
#define CONFIG_MAX  4096

/*
 * The PVH command line if @start_info (0 under firmware) has one, else the fw_cfg file CONFIG_FILE,
 * else "start". The result may be written to.
 */
char *config_command_line(uintptr_t start_info);

#endif
