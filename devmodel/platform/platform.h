/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * platform.h - the small devices of a PC: configuration memory, clock, debug ports.
 */
#ifndef DEVMODEL_PLATFORM_PLATFORM_H
#define DEVMODEL_PLATFORM_PLATFORM_H

#include "devmodel/bus/bus.h"

struct chardev;

/* Ends with NULL. */
extern const struct dev_ops *const platform_devices[];

extern const struct dev_ops fw_cfg_ops;         /* 0x510..0x51b, with DMA */
extern const struct dev_ops rtc_ops;            /* MC146818, 0x70..0x71, GSI 8 */
extern const struct dev_ops port92_ops;         /* fast A20 and reset */
extern const struct dev_ops isa_debugcon_ops;   /* property iobase, default 0x402 */
extern const struct dev_ops isa_debug_exit_ops; /* properties iobase 0xf4, iosize 4 */
extern const struct dev_ops pvpanic_ops;        /* 0x505 */

/* ---- fw_cfg: QEMU firmware configuration device, docs/specs/fw_cfg.rst of QEMU ---- */

#define FW_CFG_MAX_FILES 64
#define FW_CFG_MAX_NAME  56 /* bytes with the terminating zero */

/* Fixed selectors. */
enum {
	FW_CFG_SIGNATURE = 0x00,
	FW_CFG_ID = 0x01,
	FW_CFG_UUID = 0x02,
	FW_CFG_RAM_SIZE = 0x03,
	FW_CFG_NOGRAPHIC = 0x04,
	FW_CFG_NB_CPUS = 0x05,
	FW_CFG_KERNEL_ADDR = 0x07,
	FW_CFG_KERNEL_SIZE = 0x08,
	FW_CFG_INITRD_ADDR = 0x0a,
	FW_CFG_INITRD_SIZE = 0x0b,
	FW_CFG_BOOT_MENU = 0x0e,
	FW_CFG_MAX_CPUS = 0x0f,
	FW_CFG_KERNEL_DATA = 0x11,
	FW_CFG_INITRD_DATA = 0x12,
	FW_CFG_CMDLINE_ADDR = 0x13,
	FW_CFG_CMDLINE_SIZE = 0x14,
	FW_CFG_CMDLINE_DATA = 0x15,
	FW_CFG_SETUP_ADDR = 0x16,
	FW_CFG_SETUP_SIZE = 0x17,
	FW_CFG_SETUP_DATA = 0x18,
	FW_CFG_FILE_DIR = 0x19,
	FW_CFG_FILE_FIRST = 0x20,
};

/*
 * Items are copied. Set-up, or between reset and run (lock taken inside). -ENOSPC, -EEXIST (replace instead),
 * -ENAMETOOLONG.
 */
int fw_cfg_add(struct dev *d, uint16_t key, const void *data, size_t n);
int fw_cfg_add_u16(struct dev *d, uint16_t key, uint16_t v);
int fw_cfg_add_u32(struct dev *d, uint16_t key, uint32_t v);
int fw_cfg_add_file(struct dev *d, const char *name, const void *data, size_t n);
/* A file again, with another content of any size: boot order and tables rebuilt at reset. */
int fw_cfg_replace_file(struct dev *d, const char *name, const void *data, size_t n);

/*
 * @fn runs whenever the guest selects the file @name, on its vCPU's thread with the device's lock held, and may change
 * the content, though not the size: what depends on registers that firmware has programmed since the reset. One file; @name is static. Set-up.
 */
typedef void fw_cfg_refresh_fn(void *opaque, uint8_t *data, size_t n);
void fw_cfg_on_select(struct dev *d, const char *name, fw_cfg_refresh_fn *fn, void *opaque);

/*
 * A file of @n bytes that the guest writes by DMA, zeroes until then and after a reset: @written is told its new
 * contents. On a vCPU's thread with fw_cfg's lock held: it only notes them.
 */
int fw_cfg_add_writable(struct dev *d, const char *name, uint32_t n,
	void (*written)(void *opaque, const uint8_t *data, uint32_t n), void *opaque);

/* ---- RTC ---- */

/* A byte of battery-backed memory (memory size, boot order): set-up and reset. */
void rtc_set_cmos(struct dev *d, unsigned index, uint8_t value);
/* Its interrupt goes nowhere (hpet_set_legacy()), or to IRQ 8 again. Any thread, device locks held or not. */
void rtc_disconnect(struct dev *d, bool disconnect);

/* ---- debug console ---- */

/* Output goes to @chr, borrowed; NULL drops it. Before realize. */
void isa_debugcon_set_chardev(struct dev *d, struct chardev *chr);

#endif
