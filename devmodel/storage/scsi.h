/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scsi.h - a SCSI logical unit over a disk: SPC-3, SBC-3 and MMC-5 as far as operating systems use them. For
 * every transport: USB mass storage, virtio-scsi, ATAPI.
 *
 *	scsi_start() ─┬─► SCSI_DATA ─► scsi_data(piece) ─► … ─┬─► SCSI_DONE: status, sense
 *	              ├─► SCSI_WAIT ─► step() ─► … ───────────┤
 *	              └─► SCSI_DONE ◄─────────────────────────┘
 *
 * The transport lends a task, hands over the CDB, and then moves the data in pieces as they suit it: all at once
 * (virtio-scsi), or through a buffer of its own (USB). A piece of a medium access is whole blocks, and not more than
 * info.max_transfer; that of a parameter list or a response is as long as the transport likes. Nothing is allocated, nothing waits.
 *
 * One loop owns a unit, its tasks and its disk's queue. CDB, parameter lists and payload are the guest's.
 */
#ifndef DEVMODEL_STORAGE_SCSI_H
#define DEVMODEL_STORAGE_SCSI_H

#include "base/block.h"
#include "base/error.h"
#include "base/state.h"

#define SCSI_CDB      16
#define SCSI_SENSE    18  /* fixed format, SPC-3 section 4.5.3 */
#define SCSI_RESPONSE 256 /* greatest response or parameter list, bytes */

enum scsi_status { SCSI_GOOD = 0x00, SCSI_CHECK_CONDITION = 0x02 };

enum scsi_type { SCSI_TYPE_DISK = 0x00, SCSI_TYPE_CDROM = 0x05 };

enum scsi_dir { SCSI_DIR_NONE, SCSI_DIR_IN, SCSI_DIR_OUT }; /* IN: towards the guest */

enum scsi_step {
	SCSI_DONE,      /* status and sense say how it ended */
	SCSI_DATA,      /* left bytes are to be moved in direction dir */
	SCSI_WAIT,      /* step() is called later, on the unit's loop, with one of the others */
	SCSI_CANCELLED, /* to step() only: what scsi_cancel() gave up is over */
};

/* What of a task the guest has determined. */
struct scsi_task_hw {
	uint8_t cdb[SCSI_CDB];
	uint8_t op;     /* what data are: internal to scsi.c */
	uint8_t dir;    /* enum scsi_dir */
	uint8_t status; /* enum scsi_status */
	uint8_t pad[1];
	uint32_t pos;    /* in response: passed */
	uint64_t offset; /* of the next piece on the medium, bytes */
	uint64_t left;   /* bytes still to be moved */
	uint8_t sense[SCSI_SENSE];
	uint8_t pad2[6];
	uint8_t response[SCSI_RESPONSE];
};

/* For the table of whoever has tasks in its state. */
extern const struct state_field scsi_task_fields[];
/* Whether a loaded task can be gone on with: 0 or -EINVAL. */
int scsi_task_check(const struct scsi_task_hw *hw);

struct scsi_unit;

struct scsi_task {
	struct scsi_unit *unit;                              /* set by scsi_start() */
	void (*step)(struct scsi_task *t, enum scsi_step s); /* set by the transport */
	struct scsi_task_hw hw;
	struct blk_req io;
	bool waiting;   /* the disk has it; the task is not used for another command meanwhile */
	bool cancelled; /* and nobody wants to know how it ends */
};

struct scsi_unit_hw {
	uint8_t sense[SCSI_SENSE]; /* what REQUEST SENSE gives and clears */
	bool unit_attention;       /* sense is reported by the next command that may */
	bool locked;               /* PREVENT ALLOW MEDIUM REMOVAL */
	bool ejected;     /* START STOP UNIT has opened the tray, or stopped a removable disk */
	bool write_cache; /* mode page 8, WCE */
	bool media_event; /* MMC: a new medium was not reported yet */
	uint8_t pad[1];
};

extern const struct state_field scsi_unit_fields[];

struct scsi_unit_conf {
	enum scsi_type type;
	bool removable;
	const char *vendor, *product, *revision; /* at most 8, 16, 4 characters; borrowed */
	const char *serial;                      /* or NULL; borrowed */
};

struct scsi_unit {
	struct scsi_unit_conf conf; /* [c] */
	struct blk *blk;            /* [c] */
	struct blk_queue *queue;    /* [c] on the owner's loop */
	struct blk_info info;       /* as of scsi_unit_refresh() */
	struct scsi_unit_hw hw;     /* [s] */
};

/* Opens a queue of @blk (borrowed) on @loop; as after scsi_unit_reset(). Main thread, as for done. Errors: the disk refuses. */
bool scsi_unit_init(struct scsi_unit *u, const struct scsi_unit_conf *conf, struct blk *blk,
	struct loop *loop, GError **error);
/* Closes it. No task waits. Idempotent. */
void scsi_unit_done(struct scsi_unit *u);

/* Power-on or a reset by the transport: unit attention 29h/00h. Tasks are the transport's to cancel. */
void scsi_unit_reset(struct scsi_unit *u);

/* The disk has another size or medium: CAPACITY DATA HAS CHANGED, or for removable media 28h/00h. */
void scsi_unit_refresh(struct scsi_unit *u);

/* Block size that the guest sees, bytes. */
uint32_t scsi_block_size(const struct scsi_unit *u);

/*
 * Begins the command in @cdb (@n bytes, 1..SCSI_CDB) of the unit; what it reports stays in the task, and is what
 * REQUEST SENSE gives too. @t is not waiting. Loop thread, as for scsi_data().
 */
enum scsi_step scsi_start(struct scsi_unit *u, struct scsi_task *t, const uint8_t *cdb, size_t n);

/* Moves the next @piece: at most t->hw.left bytes, not none. It stays valid until SCSI_WAIT is over. */
enum scsi_step scsi_data(struct scsi_task *t, const struct giov *piece);

/*
 * Gives a task up (reset of the transport): one that waits gets step(SCSI_CANCELLED) when the disk has let go of it, its hw is
 * left alone from now on.
 */
void scsi_cancel(struct scsi_task *t);

/* What a task that was loaded, and is not done, does next: what waited when it was saved is begun again. */
enum scsi_step scsi_resume(struct scsi_unit *u, struct scsi_task *t);

/* CHECK CONDITION with this sense, for what transports judge themselves (a LUN that is not there). */
void scsi_fail(struct scsi_task *t, uint8_t key, uint16_t asc_ascq);

#define SCSI_KEY_NOT_READY       0x2
#define SCSI_KEY_MEDIUM_ERROR    0x3
#define SCSI_KEY_HARDWARE_ERROR  0x4
#define SCSI_KEY_ILLEGAL_REQUEST 0x5
#define SCSI_KEY_UNIT_ATTENTION  0x6
#define SCSI_KEY_DATA_PROTECT    0x7
#define SCSI_KEY_ABORTED_COMMAND 0xb

#define SCSI_ASC_LUN_NOT_SUPPORTED 0x2500

#endif
