/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide.h - one IDE channel: the command block and control registers of two drives, and its bus
 * master (Programming Interface for Bus Master IDE Controller, revision 1.0; 82371SB section 2.7).
 */
#ifndef DEVMODEL_STORAGE_IDE_H
#define DEVMODEL_STORAGE_IDE_H

#include "devmodel/storage/drive.h"

#define IDE_CHANNELS 2
#define IDE_UNITS    2

struct ide_channel_hw {
	uint32_t prd_table; /* [g] */
	uint32_t
		bm_base; /* bytes of the command that were moved before bus mastering was started */
	uint8_t bm_command, bm_status; /* [g] */
	uint8_t control;               /* [g] device control register */
	uint8_t unit;                  /* [g] selected */
	bool intrq[IDE_UNITS];
	uint8_t resetting; /* units whose reset is due when nothing of theirs is under way */
	bool line;         /* INTRQ as the bus master has seen it */
};

struct ide_channel {
	struct storage *host;      /* [c] */
	unsigned index;            /* [c] */
	struct ide_channel_hw *hw; /* [c] */
	struct irq irq;            /* [c] */
	bool at_end;               /* the last map() has reached the end of the table */
};

extern const struct state_field ide_channel_fields[];

/*
 * Command block at @offset 0..7, @size 1, 2 or 4; alternate status and device control. Lock held,
 * as for all of it.
 */
uint32_t ide_read(struct ide_channel *ch, unsigned offset, unsigned size);
void ide_write(struct ide_channel *ch, unsigned offset, unsigned size, uint32_t value);
uint8_t ide_read_control(struct ide_channel *ch);
void ide_write_control(struct ide_channel *ch, uint8_t value);

/* Bus master registers, @offset 0..7. */
uint8_t ide_bm_read(struct ide_channel *ch, unsigned offset);
void ide_bm_write(struct ide_channel *ch, unsigned offset, uint8_t value);

/* After power-on; the drives were reset. */
void ide_reset(struct ide_channel *ch);
/* The pin as the state says. */
void ide_drive_irq(struct ide_channel *ch);

/* Of struct drive_link_ops. */
bool ide_can_map(const struct ide_channel *ch);
int ide_map(struct ide_channel *ch, struct drive *d, uint64_t off, uint32_t n, struct iovec *segs,
	unsigned room, struct giov *ret);
void ide_moved(struct ide_channel *ch, struct drive *d, uint64_t off, uint32_t n);
void ide_interrupt(struct ide_channel *ch, struct drive *d);
void ide_stopped(struct ide_channel *ch, struct drive *d);
/* Unit @n came or went. Nobody tells the guest; what the unit owed is void. */
void ide_plugged(struct ide_channel *ch, unsigned n);

#endif
