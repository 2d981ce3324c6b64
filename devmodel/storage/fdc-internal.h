/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc-internal.h - between the files of the floppy disk controller.
 *
 *	fdc.c           registers, the commands that move no data, reset
 *	fdc-transfer.c  those that do: their data between host and buffer, buffer and medium
 *	fdc-media.c     drives, media and their requests, quiesce
 *
 * A command goes through phases (82077AA, section 5):
 *
 *	COMMAND ─┬─► RESULT ─► COMMAND           no data
 *	         ├─► MEDIUM ⇄ DMA or PIO ─► RESULT  read: a piece of it, then its bytes
 *	         └─► DMA or PIO ─► MEDIUM … ─► RESULT  write, format: all bytes, then the medium
 *
 * MEDIUM and DMA run on the main loop (fdc_work()). Each medium has one request and its own buffer,
 * so that a reset need not wait for it: then nobody looks at its result.
 */
#ifndef DEVMODEL_STORAGE_FDC_INTERNAL_H
#define DEVMODEL_STORAGE_FDC_INTERNAL_H

#include "devmodel/storage/fdc.h"

#define FDC_DRIVES 4 /* that commands can name */
#define FDC_SECTOR 512
#define FDC_TRACK  36                           /* sectors of one, at most */
#define FDC_BUF    (2 * FDC_TRACK * FDC_SECTOR) /* of both sides */

enum fdc_phase {
	FDC_COMMAND, /* the next byte of a command is expected */
	FDC_MEDIUM,  /* a request is due or under way */
	FDC_DMA,
	FDC_PIO, /* the host moves bytes through the FIFO */
	FDC_RESULT,
	FDC_PHASES
};

/* What a command does with data. */
enum fdc_kind { FDC_READ, FDC_WRITE, FDC_FORMAT, FDC_VERIFY, FDC_KINDS };

/* Status registers (section 6). */
#define ST0_SEEK     0x20
#define ST0_CHECK    0x10 /* recalibrate found no track 0 */
#define ST0_ABNORMAL 0x40
#define ST0_INVALID  0x80
#define ST0_POLL     0xc0 /* ready changed: after reset */
#define ST1_END      0x80 /* end of cylinder: no terminal count came */
#define ST1_DATA     0x20
#define ST1_NO_DATA  0x04
#define ST1_PROTECT  0x02
#define ST1_NO_MARK  0x01
#define ST2_DATA     0x20
#define ST2_WRONG    0x10 /* cylinder */

#define DOR_GATE  0x08 /* interrupt and DMA are connected */
#define DOR_RUN   0x04 /* not reset */
#define DOR_DRIVE 0x03

struct fdc_transfer_hw {
	uint16_t total;       /* bytes of the data phase, at most FDC_BUF */
	uint16_t pos;         /* bytes that host and buffer have exchanged */
	uint8_t done;         /* sectors of the medium that are done */
	uint8_t first, other; /* sectors on the side it begins with, and then on the other one */
	uint8_t sector;       /* it begins with */
	uint8_t cylinder;     /* of the medium */
	uint8_t kind;         /* enum fdc_kind */
	bool tc;              /* the terminal count came */
	bool beyond;          /* it asks for sectors behind the last one */
};

struct fdc_hw {
	struct fdc_transfer_hw t;
	uint8_t dor, tdr, rate;  /* [g] */
	uint8_t specify[2];      /* [g] SRT and HUT, HLT and ND */
	uint8_t config, precomp; /* [g] CONFIGURE */
	uint8_t perpendicular;   /* [g] */
	uint8_t phase;           /* enum fdc_phase */
	uint8_t cmd[9], cmd_len; /* [g] bytes that have come */
	uint8_t result[10];      /* of RESULT */
	uint8_t result_len, result_pos;
	uint8_t pcn[FDC_DRIVES]; /* cylinder of each drive */
	uint8_t seek_st0[FDC_DRIVES];
	/* Drives of which SENSE INTERRUPT STATUS has not told, a bit each. */
	uint8_t seeks;
	uint8_t polls; /* results of polling after a reset, not told yet */
	uint8_t id;    /* sector whose ID comes by next, less 1 */
	bool lock, irq;
	bool changed[FDC_BAYS]; /* disk change lines */
	uint8_t buf[FDC_BUF];
};

struct fdc_format;

/* A blk for as long as a request may be in it. */
struct fdc_medium {
	struct fdc *fdc;
	struct blk *blk;
	struct blk_queue *queue;
	const struct fdc_format *format;
	bool readonly, drained;
	bool busy;                 /* lock: the request is under way */
	bool closing;              /* lock: taken out */
	struct loop_call end_call; /* cancels what is parked; closes it */
	void (*closed)(void *opaque, struct blk *old);
	void *opaque;
	struct blk_req io;
	struct iovec seg;
	uint8_t data[FDC_TRACK * FDC_SECTOR];
};

struct fdc_bay {
	enum fdc_type type;
	struct fdc_medium *medium;  /* lock; NULL: none */
	struct fdc_medium *leaving; /* main: not closed yet */
};

struct fdc {
	struct dev dev;
	struct fdc_hw hw;    /* [s] */
	struct isa_dma *dma; /* [c] may be NULL */
	struct irq irq;
	struct fdc_bay bays[FDC_BAYS];
	struct fdc_medium *waits; /* whose request the command waits for */
	uint8_t sectors;          /* of that request */
	bool stopped;             /* quiesced */
	struct async_group *quiescing;
	unsigned draining; /* main */
	struct loop_call work_call, drain_call;
	struct region regs, dir;
};

struct fdc_format {
	uint8_t cylinders, heads, sectors;
	uint8_t rates[FDC_TYPES]; /* rate + 1 in each type of drive, 0: does not fit */
};

static inline struct fdc *to_fdc(struct dev *d)
{
	return container_of(d, struct fdc, dev);
}

/* The bytes that host and buffer can exchange now end here. */
static inline unsigned fdc_data_end(const struct fdc_transfer_hw *t)
{
	return t->kind == FDC_READ ? t->done * (unsigned)FDC_SECTOR : t->total;
}

/* ---- fdc.c: lock held ---- */

void fdc_set_irq(struct fdc *f, bool level);
/* The next phase: the loop goes on with it. */
void fdc_enter(struct fdc *f, enum fdc_phase phase);
/* @n bytes of hw.result are to be read. */
void fdc_reply(struct fdc *f, unsigned n);
/* The medium in the drive that the command names, or NULL. */
struct fdc_medium *fdc_medium_of(struct fdc *f);
/* The rate that is selected is that of the medium: else no address mark is found. */
bool fdc_rate_fits(struct fdc *f);
/* Cylinder of the medium under the heads: drives of 80 step twice for one of 40. */
unsigned fdc_cylinder(struct fdc *f);
void fdc_step_to(struct fdc *f, unsigned drive, uint8_t cylinder);

/* ---- fdc-transfer.c: lock held ---- */

void fdc_start_read(struct fdc *f);
void fdc_start_track(struct fdc *f);
void fdc_start_write(struct fdc *f);
void fdc_start_verify(struct fdc *f);
void fdc_start_format(struct fdc *f);
/* Ends such a command: these status bits, and what follows the last sector. */
void fdc_end(struct fdc *f, uint8_t st0, uint8_t st1, uint8_t st2);
uint8_t fdc_pio_read(struct fdc *f);
void fdc_pio_write(struct fdc *f, uint8_t value);
/* MEDIUM or DMA goes on. Loop. */
void fdc_step(struct fdc *f);
/* The request for @n sectors has ended, read ones at @data. */
void fdc_moved(struct fdc *f, unsigned n, int err, const uint8_t *data);

/* ---- fdc-media.c: lock held ---- */

/*
 * Hands @n sectors from @lba on to the medium; writes them from @data (NULL: reads). fdc_moved()
 * follows.
 */
void fdc_submit(struct fdc *f, struct fdc_medium *m, uint32_t lba, unsigned n, const uint8_t *data);
void fdc_work(struct fdc *f);
/* The command is gone: nobody waits for its request. */
void fdc_forget(struct fdc *f);

/* Parts of dev_ops; and set-up, end. */
void fdc_media_init(struct fdc *f);
void fdc_media_done(struct fdc *f);
void fdc_quiesce(struct dev *d, struct async_group *g);
void fdc_resume(struct dev *d);

#endif
