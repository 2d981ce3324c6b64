/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hybrid controller: how a guest's driver and the VMM agree to move a disk or a NIC from its
 * emulated front to its paravirtual one.  This header is the whole ABI.  The VMM, the Linux
 * module, the Windows bus driver and the tests include it; docs/hybrid-abi.md draws the protocol.
 *
 * The controller is an ACPI device (HYBRID_ACPI_HID) with a window of HYBRID_WINDOW bytes of x86
 * I/O space at HYBRID_PORT.  The DSDT reserves the window in the device's _CRS.  The address is
 * fixed so that a boot driver may use it before the operating system has read any ACPI table.
 *
 * Why port 0x08e0.  It lies in the part of I/O space where no BAR is ever placed: SeaBIOS starts
 * PCI I/O at 0x1000 or 0xc000, OVMF at 0x6000 or 0xc000, Linux never goes below 0x1000.  It lies
 * in the first 256 bytes of a 1 KiB block, so it is no alias of an ISA or VGA port where only
 * ten address bits are decoded.  And it is clear of what a PC machine has below 0x1000: ISA
 * devices up to 0x03ff, debug ports 0x00e9, 0x0400..0x0403 and 0x0500..0x0505, ELCR 0x04d0,
 * fw_cfg 0x0510..0x051b, ICH9 power management 0x0600..0x067f, SMBus 0x0700..0x073f, memory and
 * NVDIMM hotplug 0x0a00..0x0a1b, IPMI 0x0ca2, ICH9 PCI hotplug 0x0cc0..0x0cd7 and CPU hotplug
 * 0x0cd8..0x0cf7, PCI configuration 0x0cf8..0x0cff; and of those above: Xen's unplug ports do not
 * exist here, VMware's backdoor is 0x5658, Bochs' shutdown and debugger ports are 0x8900 and
 * 0x8a00, PIIX4 has its power management at 0x0600 or 0xb000, its hotplug at 0xae00 and 0xaf00
 * and its events at 0xafe0.  PMBASE and BARs are the guest's to program; should one be laid over
 * the window, the window wins.
 *
 * Access rules, for every register
 *   - It is read and written at its own offset with its own width.  Any other access reads as
 *     ones, writes nothing, and is counted as an error of the guest.
 *   - Reading has no side effect.
 *   - Writing a read-only register, a reserved byte, or a value not named here changes nothing
 *     but HYBRID_REG_RESULT, and that only where the register's description says so.
 *   - Little endian.  Every single access is atomic; a sequence (product then build, select then
 *     state) belongs to one driver, which serialises it.
 *   - Later versions add registers, bits and values; none ever changes its meaning, and reserved
 *     bytes read as zero.  So a driver needs no negotiation: it uses what HYBRID_REG_VERSION says
 *     is there.  A break with this would get another HID.
 *
 * Reset: a system reset and every start of the machine (also the one that resumes from S4) give
 * all writable registers their reset value, 0.  Resume from S3 is no reset: the registers and
 * the fronts stay, and nothing needs to be asked again.
 *
 * Every byte that the guest writes is hostile to the host; every byte that the host answers is to
 * be checked by the driver.
 */
#ifndef GUEST_DRIVERS_ABI_HYBRID_H
#define GUEST_DRIVERS_ABI_HYBRID_H

#ifdef __KERNEL__
#include <linux/stddef.h>
#include <linux/types.h>
#else
#include <stddef.h>
#include <stdint.h>
#endif

#define HYBRID_ACPI_HID "VMMD0001"
#define HYBRID_PORT     0x08e0
#define HYBRID_WINDOW   32

/* The window.  Nobody maps it: the struct states offsets and widths, the asserts pin them. */
struct hybrid_window {
	uint32_t magic;      /* 0x00 RO HYBRID_MAGIC_VALUE: the controller is there */
	uint16_t version;    /* 0x04 RO highest protocol version of the host, at least 1 */
	uint16_t product;    /* 0x06 RW enum hybrid_product, written before build */
	uint32_t build;      /* 0x08 RW HYBRID_BUILD() of the driver; writing it is the greeting */
	uint32_t host_build; /* 0x0c RO HYBRID_BUILD() of the VMM, for the driver's log */
	uint16_t answer;     /* 0x10 RO enum hybrid_answer to the last greeting */
	uint16_t result;     /* 0x12 RO enum hybrid_result of the last request */
	uint16_t select;     /* 0x14 RW HYBRID_SELECT() of the device meant by the next two */
	uint16_t state;      /* 0x16 RO HYBRID_STATE_* of the selected device */
	uint16_t unplug;     /* 0x18 RW HYBRID_UNPLUG_*; reads as the classes granted this boot */
	uint16_t reserved;   /* 0x1a */
	uint8_t log;         /* 0x1c WO one byte of log text; reads as 0 */
	uint8_t os_mark;     /* 0x1d RW HYBRID_OS_STARTED; reads as 1 once marked, else 0 */
	uint16_t reserved2;  /* 0x1e */
};

#define HYBRID_REG_MAGIC      0x00
#define HYBRID_REG_VERSION    0x04
#define HYBRID_REG_PRODUCT    0x06
#define HYBRID_REG_BUILD      0x08
#define HYBRID_REG_HOST_BUILD 0x0c
#define HYBRID_REG_ANSWER     0x10
#define HYBRID_REG_RESULT     0x12
#define HYBRID_REG_SELECT     0x14
#define HYBRID_REG_STATE      0x16
#define HYBRID_REG_UNPLUG     0x18
#define HYBRID_REG_LOG        0x1c
#define HYBRID_REG_OS_MARK    0x1d

#define HYBRID_MAGIC_VALUE 0x444d4d56u /* the bytes "VMMD" */
#define HYBRID_VERSION     1

/* Builds are ordered.  A new build of a driver is what earns a failed takeover a new try. */
#define HYBRID_BUILD(major, minor, patch) \
	((uint32_t)(major) << 24 | (uint32_t)(minor) << 16 | (uint32_t)(patch))

/*
 * Greeting: product, then build, then read the answer.  A driver may greet as often as it likes,
 * at any time; the last greeting counts, and takes nothing back that was granted before.
 */
enum hybrid_product {
	HYBRID_PRODUCT_NONE = 0,
	HYBRID_PRODUCT_LINUX = 1,   /* guest-drivers/linux */
	HYBRID_PRODUCT_WINDOWS = 2, /* guest-drivers/windows */
	HYBRID_PRODUCT_TEST = 3,    /* bare-metal test and bench guests */
};

/*
 * Everything but WELCOME is a refusal: the driver leaves the devices as they are and may only
 * write its log.  A driver treats an answer that it does not know as a refusal.
 */
enum hybrid_answer {
	HYBRID_ANSWER_NONE = 0,            /* nobody has greeted since reset */
	HYBRID_ANSWER_WELCOME = 1,         /* requests will be heard */
	HYBRID_ANSWER_REFUSED_PRODUCT = 2, /* unknown product */
	HYBRID_ANSWER_REFUSED_BUILD = 3,   /* this build is on the host's blacklist */
	HYBRID_ANSWER_REFUSED_POLICY = 4,  /* this VM's policy has no takeover by a driver */
};

/*
 * Requests, heard only after WELCOME.  A class mask moves every device of the classes; with
 * HYBRID_UNPLUG_SELECTED, which stands alone, only the one selected.  A request is all or
 * nothing: if one device cannot move, none does.  It is carried out at once or the result is
 * PENDING while outstanding I/O drains; the driver polls.  A device that already is on its
 * paravirtual front counts as moved, so asking twice is harmless.  The CD-ROM never moves.
 *
 * A request comes too late once the running system (not the firmware: what counts is the time
 * after the OS-started mark) has had an answer to IDENTIFY from the emulated disk, or has made
 * the emulated NIC a bus master.  From then on it may hold partition tables, cached writes or
 * ring addresses of a device that would vanish under it, or see one disk twice; the front then
 * changes at the next reset, not before.
 */
#define HYBRID_UNPLUG_DISKS    0x0001u
#define HYBRID_UNPLUG_NICS     0x0002u
#define HYBRID_UNPLUG_SELECTED 0x8000u
#define HYBRID_UNPLUG_KNOWN    (HYBRID_UNPLUG_DISKS | HYBRID_UNPLUG_NICS | HYBRID_UNPLUG_SELECTED)

enum hybrid_result {
	HYBRID_RESULT_NONE = 0,      /* no request since reset */
	HYBRID_RESULT_DONE = 1,      /* paravirtual fronts are live, emulated ones gone */
	HYBRID_RESULT_PENDING = 2,   /* being carried out; another request is BUSY */
	HYBRID_RESULT_STRANGER = 3,  /* no greeting, or it was refused */
	HYBRID_RESULT_UNKNOWN = 4,   /* an unknown bit, or SELECTED with others: nothing done */
	HYBRID_RESULT_TOO_LATE = 5,  /* the system already uses an emulated front */
	HYBRID_RESULT_NO_DEVICE = 6, /* nothing is selected, or the class is empty */
	HYBRID_RESULT_POLICY = 7,    /* a named device is not to move, see its state */
	HYBRID_RESULT_BUSY = 8,      /* the request before is still pending and goes on */
	HYBRID_RESULT_FAILED = 9,    /* the host could not drain or plug; nothing has moved */
};

/*
 * Devices are numbered from 0 without gaps in each class, in the order of the VM's definition.
 * Selecting what does not exist is no error: its state reads as 0, without HYBRID_STATE_PRESENT.
 */
enum hybrid_class {
	HYBRID_CLASS_NONE = 0,
	HYBRID_CLASS_DISK = 1,
	HYBRID_CLASS_NIC = 2,
};

#define HYBRID_DEVICES_MAX                 256
#define HYBRID_SELECT(device_class, index) ((uint16_t)((device_class) << 8 | (uint8_t)(index)))

#define HYBRID_STATE_PRESENT  0x0001u /* there is such a device */
#define HYBRID_STATE_PV       0x0002u /* its paravirtual front is live; clear: the emulated one */
#define HYBRID_STATE_USED     0x0004u /* the system uses the emulated front: too late this boot */
#define HYBRID_STATE_DRIVEN   0x0008u /* the paravirtual front reached DRIVER_OK this boot */
#define HYBRID_STATE_PROVEN   0x0010u /* it did so in this or an earlier boot: proof is kept */
#define HYBRID_STATE_TRIAL    0x0020u /* live paravirtual front whose boot has yet to succeed */
#define HYBRID_STATE_RETURNED 0x0040u /* a takeover failed; emulated until a reason to retry */
#define HYBRID_STATE_NEVER    0x0100u /* policy: never moves */
#define HYBRID_STATE_DRIVER   0x0200u /* policy: moves only when a driver asks */

/*
 * Log: text for the host's log, byte by byte, a newline ends a line.  Open to every driver that
 * has found the magic, refused ones too.  The host cuts lines at HYBRID_LOG_LINE bytes, replaces
 * what is not printable ASCII, and drops lines above its rate limit.
 */
#define HYBRID_LOG_LINE 255

/*
 * OS-started mark: written by the AML _INI of the controller, which operating systems run and
 * firmware does not.  Proof, failure and time limits count from the first mark after reset.
 * Other values are ignored; the mark cannot be taken back.
 */
#define HYBRID_OS_STARTED 0x4f

#define HYBRID_ASSERT_REG(reg, member, width)                                                  \
	_Static_assert(offsetof(struct hybrid_window, member) == (reg), #member " has moved"); \
	_Static_assert(sizeof(((struct hybrid_window *)0)->member) == (width), #member " width")

HYBRID_ASSERT_REG(HYBRID_REG_MAGIC, magic, 4);
HYBRID_ASSERT_REG(HYBRID_REG_VERSION, version, 2);
HYBRID_ASSERT_REG(HYBRID_REG_PRODUCT, product, 2);
HYBRID_ASSERT_REG(HYBRID_REG_BUILD, build, 4);
HYBRID_ASSERT_REG(HYBRID_REG_HOST_BUILD, host_build, 4);
HYBRID_ASSERT_REG(HYBRID_REG_ANSWER, answer, 2);
HYBRID_ASSERT_REG(HYBRID_REG_RESULT, result, 2);
HYBRID_ASSERT_REG(HYBRID_REG_SELECT, select, 2);
HYBRID_ASSERT_REG(HYBRID_REG_STATE, state, 2);
HYBRID_ASSERT_REG(HYBRID_REG_UNPLUG, unplug, 2);
HYBRID_ASSERT_REG(HYBRID_REG_LOG, log, 1);
HYBRID_ASSERT_REG(HYBRID_REG_OS_MARK, os_mark, 1);
_Static_assert(sizeof(struct hybrid_window) == HYBRID_WINDOW, "the window has grown");
_Static_assert((HYBRID_PORT & (HYBRID_WINDOW - 1)) == 0, "the window is aligned to its size");

#undef HYBRID_ASSERT_REG

#endif
