/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command.h"
#include "commands.h"
#include "config.h"
#include "cpu.h"
#include "out.h"
#include "virtio.h"

#define BLK_PARAMS                                                           \
	"n=1000 qd=1 bytes=4096 order=rand verify=no seed=1 first=0 span=0 " \
	"errors=fail " VIRTIO_PARAMS

/* From boot.S, at ring 3. @start_info is 0 under firmware. */
_Noreturn void guest_main(uintptr_t start_info);

static void cmd_start(const struct args *a)
{
	(void)a; /* boot.S has written the mark that is waited for */
}

static void cmd_halt(const struct args *a)
{
	(void)a;
	out("halted\n");
	cpu_halt();
}

/* Not one exit to the host: only an interrupt of its own takes the processor back. */
static void cmd_spin(const struct args *a)
{
	(void)a;
	out("spinning\n");
	for (;;)
		__asm__ volatile("");
}

static void cmd_serial(const struct args *a)
{
	(void)a;
	out_to_serial();
}

static void cmd_tsc(const struct args *a)
{
	(void)a;
	out("tsc_khz=%u\n", cpu_tsc_khz());
}

static const struct command commands[] = {
	{"start", "", cmd_start},
	{"halt", "", cmd_halt},
	{"spin", "", cmd_spin},
	{"serial", "", cmd_serial},
	{"tsc", "", cmd_tsc},
	{"pio", "n=20000 port=0x80 dir=out", cmd_pio},
	{"mmio", "n=20000 addr=0xfee00030 dir=in", cmd_mmio},
	{"pci", "", cmd_pci},
	{"blk-info", VIRTIO_PARAMS, cmd_blk_info},
	{"blk-read", BLK_PARAMS, cmd_blk_read},
	{"blk-write", BLK_PARAMS, cmd_blk_write},
	{"blk-flush", VIRTIO_PARAMS, cmd_blk_flush},
	{"rng", "n=16 bytes=64 " VIRTIO_PARAMS, cmd_rng},
	{"net-tx", "n=10000 bytes=60 batch=32 " VIRTIO_PARAMS, cmd_net_tx},
	{"net-rx", "n=1000 ms=5000 " VIRTIO_PARAMS, cmd_net_rx},
	{"net-echo", "n=1000 ms=5000 " VIRTIO_PARAMS, cmd_net_echo},
	{"garbage", "seed=1 n=100 type=blk " VIRTIO_PARAMS, cmd_garbage},
	{"reset", "by=cf9", cmd_reset},
	{"poweroff", "port=0x604 type=0", cmd_poweroff},
	{0},
};

_Noreturn void guest_main(uintptr_t start_info)
{
	cpu_init();
	out("\n"); /* after boot.S's X */
	command_run_line(commands, config_command_line(start_info), power_resumes_at());
	done();
}
