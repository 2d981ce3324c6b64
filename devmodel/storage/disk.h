/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk.h - between ata.c, which executes the commands of a disk, and ata-data.c, which knows what
 * it says of itself.
 */
#ifndef DEVMODEL_STORAGE_DISK_H
#define DEVMODEL_STORAGE_DISK_H

#include "devmodel/storage/drive.h"

#define DISK_HEADS        16 /* of the default translation */
#define DISK_SECTORS      63
#define DISK_TRIM_BLOCKS  8 /* of 512 bytes, of one DATA SET MANAGEMENT */
#define DISK_UDMA_MODES   0x3f
#define DISK_UDMA_DEFAULT 0x45 /* as SET FEATURES counts it */

uint64_t disk_sectors(const struct drive *d);
uint32_t disk_cylinders(const struct drive *d, unsigned heads, unsigned sectors);
unsigned disk_max_multiple(const struct drive *d);
bool disk_can_trim(const struct drive *d);

/* Each fills buf and returns its length. */
uint32_t disk_identify(struct drive *d);
uint32_t disk_smart_data(struct drive *d);
uint32_t disk_smart_thresholds(struct drive *d);
/*
 * General purpose log @log, @pages pages (1 to 16) from @page on: 0: there is none. Any page of 10h
 * ends the state `aborted`.
 */
uint32_t disk_read_log(struct drive *d, uint8_t log, uint16_t page, unsigned pages);
/* SMART log @log: 0: there is none. */
uint32_t disk_smart_log(struct drive *d, uint8_t log, unsigned pages);

/*
 * Shared with packet devices: word @w of IDENTIFY data, @n words of text from @s padded with
 * spaces; the checksum in word 255.
 */
void identify_word(struct drive *d, unsigned w, uint16_t v);
void identify_text(struct drive *d, unsigned w, unsigned n, const char *s);
void identify_names(struct drive *d);
void identify_modes(struct drive *d);
void identify_seal(struct drive *d);

#endif
