/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scsi-internal.h - between scsi.c and the files with commands. */
#ifndef DEVMODEL_STORAGE_SCSI_INTERNAL_H
#define DEVMODEL_STORAGE_SCSI_INTERNAL_H

#include "devmodel/storage/scsi.h"

/* What the data of a task are. */
enum scsi_op {
	SCSI_OP_NONE,
	SCSI_OP_RESPONSE,
	SCSI_OP_PARAMETERS,
	SCSI_OP_READ,
	SCSI_OP_WRITE,
	SCSI_OPS
};

#define SCSI_FOR_DISK  0x01
#define SCSI_FOR_CDROM 0x02
#define SCSI_FOR_ANY   (SCSI_FOR_DISK | SCSI_FOR_CDROM)
#define SCSI_F_MEDIUM  0x04 /* not without a medium */
#define SCSI_F_QUIET   0x08 /* neither hindered by a unit attention nor reports it */

struct scsi_command {
	uint8_t opcode;
	uint8_t flags;
	enum scsi_step (*start)(struct scsi_task *t);
	/* SCSI_OP_PARAMETERS: the list is in t->hw.response, t->hw.pos bytes. */
	enum scsi_step (*parameters)(struct scsi_task *t);
};

/* Each ends with start == NULL. */
extern const struct scsi_command scsi_block_commands[];
extern const struct scsi_command scsi_primary_commands[];
extern const struct scsi_command scsi_mmc_commands[];

#define SCSI_ASC_WRITE_ERROR     0x0c00
#define SCSI_ASC_READ_ERROR      0x1100
#define SCSI_ASC_LIST_LENGTH     0x1a00
#define SCSI_ASC_OPCODE          0x2000
#define SCSI_ASC_LBA             0x2100
#define SCSI_ASC_CDB             0x2400
#define SCSI_ASC_PARAMETERS      0x2600
#define SCSI_ASC_WRITE_PROTECTED 0x2700
#define SCSI_ASC_NO_SPACE        0x2707
#define SCSI_ASC_MEDIUM_CHANGED  0x2800
#define SCSI_ASC_POWER_ON        0x2900
#define SCSI_ASC_CAPACITY        0x2a09
#define SCSI_ASC_SAVING          0x3900
#define SCSI_ASC_NO_MEDIUM       0x3a00
#define SCSI_ASC_TRAY_EMPTY      0x3a01
#define SCSI_ASC_TRAY_OPEN       0x3a02
#define SCSI_ASC_INTERNAL        0x4400
#define SCSI_ASC_REMOVAL         0x5302

/* Big-endian fields. */
static inline uint32_t scsi_get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t scsi_get32(const uint8_t *p)
{
	return scsi_get16(p) << 16 | scsi_get16(p + 2);
}

static inline uint64_t scsi_get64(const uint8_t *p)
{
	return (uint64_t)scsi_get32(p) << 32 | scsi_get32(p + 4);
}

static inline void scsi_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void scsi_put32(uint8_t *p, uint32_t v)
{
	scsi_put16(p, v >> 16);
	scsi_put16(p + 2, v);
}

static inline void scsi_put64(uint8_t *p, uint64_t v)
{
	scsi_put32(p, (uint32_t)(v >> 32));
	scsi_put32(p + 4, (uint32_t)v);
}

/* Ends of a start function: done well, failed (CHECK CONDITION), @n bytes of t->hw.response of which the guest takes @alloc. */
enum scsi_step scsi_good(struct scsi_task *t);
enum scsi_step scsi_illegal(struct scsi_task *t, uint16_t asc_ascq);
enum scsi_step scsi_not_ready(struct scsi_task *t);
enum scsi_step scsi_respond(struct scsi_task *t, size_t n, size_t alloc);
/* A parameter list of @n bytes is to come. */
enum scsi_step scsi_want_parameters(struct scsi_task *t, size_t n);

bool scsi_has_medium(const struct scsi_unit *u);
uint64_t scsi_blocks(const struct scsi_unit *u);
void scsi_make_sense(uint8_t sense[SCSI_SENSE], uint8_t key, uint16_t asc_ascq);

#endif
