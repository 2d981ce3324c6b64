/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ata.h - registers and codes of ATA/ATAPI-7 (volume 1, T13/1532D) and ACS-2 (T13/2015-D), as the
 * drives and both controllers use them.
 */
#ifndef DEVMODEL_STORAGE_ATA_H
#define DEVMODEL_STORAGE_ATA_H

#include <stdint.h>

/* Status register (ATA/ATAPI-7, section 5.14). */
enum {
	ATA_ERR = 0x01, /* CHK of a packet device */
	ATA_DRQ = 0x08,
	ATA_DSC = 0x10, /* seek complete; SERV of a packet device */
	ATA_DF = 0x20,
	ATA_DRDY = 0x40,
	ATA_BSY = 0x80,
};

/* Error register (section 5.9). */
enum {
	ATA_ABRT = 0x04,
	ATA_IDNF = 0x10,
	ATA_UNC = 0x40,
	ATA_ICRC = 0x80,
};
#define ATA_DIAG_PASSED 0x01 /* of EXECUTE DEVICE DIAGNOSTIC */

/* Interrupt reason of a packet device, in the count register (section 5.8). */
enum { ATAPI_CD = 0x01, ATAPI_IO = 0x02 };

/* Device register (section 5.7). */
enum { ATA_DEV_UNIT = 0x10, ATA_DEV_LBA = 0x40, ATA_DEV_OBSOLETE = 0xa0 };

/* Device control register (section 5.8). */
enum { ATA_NIEN = 0x02, ATA_SRST = 0x04, ATA_HOB = 0x80 };

enum ata_command {
	ATA_NOP = 0x00,
	ATA_DATA_SET_MANAGEMENT = 0x06,
	ATA_DEVICE_RESET = 0x08,
	ATA_RECALIBRATE = 0x10,
	ATA_READ_SECTORS = 0x20,
	ATA_READ_SECTORS_NORETRY = 0x21,
	ATA_READ_SECTORS_EXT = 0x24,
	ATA_READ_DMA_EXT = 0x25,
	ATA_READ_NATIVE_MAX_EXT = 0x27,
	ATA_READ_MULTIPLE_EXT = 0x29,
	ATA_READ_LOG_EXT = 0x2f,
	ATA_WRITE_SECTORS = 0x30,
	ATA_WRITE_SECTORS_NORETRY = 0x31,
	ATA_WRITE_SECTORS_EXT = 0x34,
	ATA_WRITE_DMA_EXT = 0x35,
	ATA_WRITE_MULTIPLE_EXT = 0x39,
	ATA_WRITE_DMA_FUA_EXT = 0x3d,
	ATA_READ_VERIFY = 0x40,
	ATA_READ_VERIFY_NORETRY = 0x41,
	ATA_READ_VERIFY_EXT = 0x42,
	ATA_READ_LOG_DMA_EXT = 0x47,
	ATA_READ_FPDMA = 0x60,
	ATA_WRITE_FPDMA = 0x61,
	ATA_SEEK = 0x70,
	ATA_DEVICE_DIAGNOSTIC = 0x90,
	ATA_INIT_PARAMETERS = 0x91,
	ATA_STANDBY_IMMEDIATE_OLD = 0x94,
	ATA_IDLE_IMMEDIATE_OLD = 0x95,
	ATA_STANDBY_OLD = 0x96,
	ATA_IDLE_OLD = 0x97,
	ATA_CHECK_POWER_OLD = 0x98,
	ATA_SLEEP_OLD = 0x99,
	ATA_PACKET = 0xa0,
	ATA_IDENTIFY_PACKET = 0xa1,
	ATA_SMART = 0xb0,
	ATA_READ_MULTIPLE = 0xc4,
	ATA_WRITE_MULTIPLE = 0xc5,
	ATA_SET_MULTIPLE = 0xc6,
	ATA_READ_DMA = 0xc8,
	ATA_READ_DMA_NORETRY = 0xc9,
	ATA_WRITE_DMA = 0xca,
	ATA_WRITE_DMA_NORETRY = 0xcb,
	ATA_WRITE_MULTIPLE_FUA_EXT = 0xce,
	ATA_STANDBY_IMMEDIATE = 0xe0,
	ATA_IDLE_IMMEDIATE = 0xe1,
	ATA_STANDBY = 0xe2,
	ATA_IDLE = 0xe3,
	ATA_CHECK_POWER = 0xe5,
	ATA_SLEEP = 0xe6,
	ATA_FLUSH_CACHE = 0xe7,
	ATA_FLUSH_CACHE_EXT = 0xea,
	ATA_IDENTIFY = 0xec,
	ATA_SET_FEATURES = 0xef,
	ATA_SECURITY_FREEZE_LOCK = 0xf5,
	ATA_READ_NATIVE_MAX = 0xf8,
};

/*
 * The command block registers of one device as 48-bit commands see them: what a guest writes before
 * a command and reads after it, the layout of both directions of a register FIS without its header.
 * hob_ fields are the "previous content" of the two-deep registers.
 */
struct ata_regs {
	uint8_t command, feature, count, device;
	uint8_t lba[3], hob_feature;
	uint8_t hob_lba[3], hob_count;
	uint8_t status, error, pad[2];
};

#endif
