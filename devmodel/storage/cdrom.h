/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cdrom.h - between atapi.c, which executes the packet commands of a CD-ROM drive, and
 * atapi-data.c, which makes their replies.
 */
#ifndef DEVMODEL_STORAGE_CDROM_H
#define DEVMODEL_STORAGE_CDROM_H

#include "devmodel/storage/drive.h"

/* Media events (MMC-5, table 296). */
enum { MEDIA_NO_CHANGE, MEDIA_EJECT_REQUEST, MEDIA_NEW, MEDIA_REMOVAL };

/* A medium that the guest can see: one is in and the tray is closed. */
bool cdrom_loaded(const struct drive *d);
uint32_t cdrom_blocks(const struct drive *d); /* 0: not loaded */

static inline uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)get_be16(p) << 16 | get_be16(p + 2);
}

static inline void put_be16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, v >> 16);
	put_be16(p + 2, v);
}

/*
 * Each fills the zeroed buf with the reply to d->hw->cdb and returns its length, 0: a field of the
 * CDB is not supported.
 */
uint32_t cdrom_identify(struct drive *d);
uint32_t cdrom_inquiry(struct drive *d);
uint32_t cdrom_mode_sense(struct drive *d);
uint32_t cdrom_read_capacity(struct drive *d);
uint32_t cdrom_read_toc(struct drive *d);
uint32_t cdrom_read_subchannel(struct drive *d);
uint32_t cdrom_get_configuration(struct drive *d);
uint32_t cdrom_event_status(struct drive *d);
uint32_t cdrom_disc_information(struct drive *d);
uint32_t cdrom_track_information(struct drive *d);
uint32_t cdrom_mechanism_status(struct drive *d);
uint32_t cdrom_request_sense(struct drive *d);

#endif
