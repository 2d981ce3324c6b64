/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drive.h - between a controller and its drives: one place for the commands, one for moving their
 * data.
 *
 *	guest ──registers, FIS──► controller ──drive_start()──► drive (ata.c, atapi.c)
 *	                              ▲  │                         │ drive_begin_…()
 *	         end, drq, stopped ───┘  └──map: guest memory──► drive.c: steps ──► struct blk
 *
 * A drive has DRIVE_TAGS commands; all but NCQ uses one at a time. A command runs through phases:
 *
 *	FREE ──start──► MEDIUM ⇄ PIO_IN ─────┐     read: by the buffer, or straight into memory
 *	          ├───► PIO_OUT ⇄ MEDIUM ────┤     write
 *	          ├───► PIO_IN or COPY_IN ───┤     the buffer to the guest: IDENTIFY, INQUIRY …
 *	          └───► PIO_OUT or COPY_OUT ─┴─► end    parameters from the guest: TRIM, CDB
 *
 * MEDIUM and COPY run on the controller's loop: drive_work() takes the next step of every command
 * in `ready`. Which of buffer or guest memory is used is the link's affair: a link without data
 * register has map() for everything, IDE for DMA.
 *
 * Reset and abort do not wait: a request that is still under way becomes an orphan, whose result
 * nobody looks at. Until the last one is back the drive is `stopping`, for a request writes into
 * guest memory that the guest believes to be its own again.
 *
 * Everything here is called with the controller's lock held, on any thread, except where said. The
 * registers, CDBs and lists of a guest are hostile; they are in drive_hw by the time they are
 * looked at.
 */
#ifndef DEVMODEL_STORAGE_DRIVE_H
#define DEVMODEL_STORAGE_DRIVE_H

#include "devmodel/storage/ata.h"
#include "devmodel/storage/storage.h"

#define DRIVE_TAGS     32
#define DRIVE_BUF      8192 /* bytes: what a data register holds, and all short transfers */
#define DRIVE_SEGS     256  /* of guest memory in one request */
#define DRIVE_SECTOR   512
#define DRIVE_CD_BLOCK 2048
#define DRIVE_CDB      12
#define DRIVE_DRQ_MAX  0xfffe /* bytes of a DRQ block: what a packet device's byte count holds */
#define DRIVE_NCQ_LOG  14
#define STORAGE_BAYS   6

enum drive_phase {
	PHASE_FREE,
	PHASE_MEDIUM,   /* the next request is due or under way */
	PHASE_PIO_IN,   /* DRQ: the guest reads buf[buf_pos..drq_end) */
	PHASE_PIO_OUT,  /* DRQ: the guest writes it */
	PHASE_COPY_IN,  /* buf[0..buf_len) goes to guest memory as soon as that is mapped */
	PHASE_COPY_OUT, /* guest memory comes to buf[0..buf_len) */
	PHASE_LAST = PHASE_COPY_OUT,
};

enum {
	CMD_DMA = 0x01,      /* what the guest called it; else PIO */
	CMD_TO_GUEST = 0x02, /* has data, in this direction */
	CMD_TO_HOST = 0x04,
	CMD_FUA = 0x08,
	CMD_NCQ = 0x10,
	CMD_PACKET = 0x20,
	CMD_ALL = 0x3f,
};

struct drive_cmd_hw {
	uint64_t offset; /* on the medium, of the next request, bytes */
	uint32_t left;   /* bytes that requests still have to move */
	uint32_t done;   /* bytes that the guest has had or given */
	uint8_t phase;   /* enum drive_phase */
	uint8_t op;      /* enum blk_op, of PHASE_MEDIUM */
	uint8_t flags;   /* CMD_… */
	uint8_t command; /* enum ata_command */
	bool ext;        /* it had a 48-bit address */
	uint8_t pad[3];
};

/* What the guest can change in a drive of either kind. */
struct drive_hw {
	uint8_t kind;               /* enum drive_kind */
	uint8_t multiple;           /* sectors of a READ MULTIPLE block, 0: off */
	uint8_t heads, sectors;     /* of the current CHS translation */
	uint8_t pio_mode, dma_mode; /* SET FEATURES 03h: 8 + n; 20h + n or 40h + n, 0: none */
	uint8_t power;              /* enum drive_power */
	bool write_cache, smart;
	bool aborted; /* an NCQ command has failed: only READ LOG EXT of page 10h is taken */
	uint8_t ncq_log[DRIVE_NCQ_LOG]; /* what that page begins with */
	struct ata_regs regs;
	struct drive_cmd_hw cmds[DRIVE_TAGS];

	uint32_t buf_len, buf_pos, drq_end; /* buf_pos ≤ drq_end ≤ buf_len */
	uint32_t drq_block;                 /* greatest length of a DRQ block, not 0 */
	uint8_t buf[DRIVE_BUF];

	/* packet devices */
	uint8_t cdb[DRIVE_CDB];
	uint8_t sense_key, asc, ascq;
	uint8_t attention;   /* additional sense code of a unit attention that is due, 0: none */
	uint8_t media_event; /* to be told by GET EVENT STATUS NOTIFICATION, 0: none */
	bool tray_open, locked;
	uint8_t pad2[5];
};

enum drive_kind { DRIVE_NONE, DRIVE_DISK, DRIVE_CDROM, DRIVE_KINDS };
enum drive_power { POWER_ACTIVE, POWER_IDLE, POWER_STANDBY, POWER_SLEEP };

extern const struct state_field drive_fields[];

struct drive;
struct storage;

/*
 * What a kind of drive is. All of it ends in drive_end() or one of drive_begin_…(), but where said.
 */
struct drive_ops {
	enum drive_kind kind;
	const char *model;    /* by default */
	uint32_t block;       /* of the medium, at least: bytes */
	uint8_t signature[4]; /* count, lba low, mid, high after reset */
	/* regs hold a command. */
	void (*start)(struct drive *d, unsigned tag);
	/* buf[0..buf_len) came from the guest. */
	void (*parameters)(struct drive *d, unsigned tag);
	/* All data was moved. */
	void (*done)(struct drive *d, unsigned tag);
	/*
	 * The medium has said @err (negative), or there was no guest memory (-EFAULT), no medium
	 * (-ENOMEDIUM).
	 */
	void (*failed)(struct drive *d, unsigned tag, int err);
	/*
	 * BLK_DISCARD only: the next range of those in buf; false: there is none. Only looks. May
	 * be NULL.
	 */
	bool (*range)(struct drive *d, uint64_t *offset, uint64_t *len);
	/* DRQ is about to be set for @n bytes: registers that tell. Only that. May be NULL. */
	void (*drq)(struct drive *d, uint32_t n);
	/* Own part of drive_hw, after power-on or a software reset. Only that. */
	void (*reset)(struct drive *d, bool power_on);
};

extern const struct drive_ops drive_disk_ops;
extern const struct drive_ops drive_cdrom_ops;

/* What a controller gives its drives. */
struct drive_link_ops {
	bool data_register; /* PIO data goes through one */
	/*
	 * Guest memory behind bytes [@off, @off + @n) of the data of command @tag, as many as @room
	 * segments hold; inside a qs section. 0; -EAGAIN: not yet, drive_kick() will come;
	 * -ENODATA: the guest's list ends before @off + 1; -EFAULT.
	 */
	int (*map)(struct drive *d, unsigned tag, uint64_t off, uint32_t n, struct iovec *segs,
		unsigned room, struct giov *ret);
	/* False: map() would say -EAGAIN, so that nobody need be woken for it. NULL: never. */
	bool (*can_map)(struct drive *d);
	/* These bytes were moved: counts them, and marks what was written to as dirty. */
	void (*moved)(struct drive *d, unsigned tag, uint64_t off, uint32_t n);
	/* DRQ was set with buf[buf_pos..drq_end) (data register only). */
	void (*drq)(struct drive *d, bool irq);
	/* The command is over, regs tell how; @tag is free. */
	void (*end)(struct drive *d, unsigned tag, const struct drive_cmd_hw *c);
	/* After drive_stop(): nothing is under way any more. Maybe from within it. */
	void (*stopped)(struct drive *d);
	/* A drive came or went while the guest runs; from storage_attach…(), storage_detach(). */
	void (*plugged)(struct storage *s, unsigned bay); /* NULL: not seen */
	/* On the loop, before the steps: takes new commands from guest memory. May be NULL. */
	void (*fetch)(struct storage *s);
};

/* A back-end for as long as requests of ours may be in it. */
struct medium {
	struct storage *host;
	struct drive *drive;
	struct blk *blk;
	struct blk_queue *queue;
	struct blk_info info; /* lock */
	struct blk_listener listener;
	unsigned refs;   /* lock: requests under way, and cancel_call */
	bool commit;     /* lock: something was submitted */
	bool cancelling; /* lock: cancel_call is queued */
	bool closing;    /* lock: taken out; with the last reference close_call comes */
	bool drained;    /* main: blk_drain_begin() was called */
	struct loop_call cancel_call; /* loop */
	struct loop_call close_call;  /* main loop */
	void (*closed)(void *opaque, struct blk *old);
	void *opaque;
	struct medium *next; /* main: of the controller */
};

struct drive_cmd {
	struct blk_req io;
	struct drive *drive;
	struct medium *medium; /* of io, while it is under way: else NULL */
	struct iovec segs[DRIVE_SEGS];
};

struct drive {
	const struct drive_ops *ops;
	struct storage *host;
	unsigned bay;
	struct drive_hw *hw; /* in the controller's */
	struct drive_conf conf;
	struct medium *medium; /* NULL: none */
	uint32_t ready;        /* tags whose next step is due */
	uint32_t orphans;      /* tags with a request that nobody waits for */
	unsigned in_flight;    /* requests, orphans included */
	bool stopping;         /* link->stopped() is owed */
	unsigned media;        /* main: its struct medium, those being closed included */
	bool leaving;          /* main: detached, freed with the last of them */
	void (*detached)(void *opaque, struct blk *old);
	void *opaque;
	struct blk *left;            /* main: what detached() is told */
	struct loop_call leave_call; /* main loop */
	struct drive_cmd cmds[DRIVE_TAGS];
};

/* Begins every controller. */
struct storage {
	struct pci_dev pci;                /* first */
	const struct drive_link_ops *link; /* [c] */
	struct loop *loop;                 /* [c] */
	unsigned n_bays;                   /* [c] */
	struct drive_hw *hw;               /* [c] of n_bays */
	struct drive *bays[STORAGE_BAYS];  /* lock; written by the main thread */
	struct drive *gone[STORAGE_BAYS];  /* main: detached, not freed yet */
	struct medium *media;              /* main */
	bool stopped;                      /* lock: quiesced, no step is taken */
	bool live;                         /* lock: was reset, so what comes now is hot-plugged */
	bool working, again;               /* lock: the loop is at it; once more */
	struct loop_call work_call;        /* loop */
	struct loop_call stop_call;        /* loop: all earlier work has passed */
	struct loop_call drain_call;       /* main loop */
	struct async_group *quiescing;     /* main */
	unsigned draining;                 /* main */
};

#define TO_STORAGE(d) container_of(to_pci_dev(d), struct storage, pci)

/* ---- for controllers ---- */

/* After pci_dev_init(). @hw: n_bays of them. */
void storage_init(
	struct storage *s, const struct drive_link_ops *link, struct drive_hw *hw, unsigned n_bays);
/* Parts of dev_ops of the same names. */
void storage_done(struct storage *s);
void storage_reset(struct storage *s);
void storage_quiesce(struct dev *d, struct async_group *g);
void storage_resume(struct dev *d);
int storage_post_load(struct storage *s);
/* Steps or new commands are due. */
void storage_kick(struct storage *s);

/* ---- between drive.c and storage.c ---- */

/*
 * Bracket what comes to us on the loop: qs section and lock; then the steps that are due, and their
 * commit.
 */
void storage_enter(struct storage *s);
void storage_leave(struct storage *s);
void drive_work(struct drive *d);
/*
 * What is under way belongs to nobody any more: reset, or another state was loaded. drive_hw is
 * left alone.
 */
void drive_forget(struct drive *d);
/* A reference less. */
void medium_put(struct medium *m);
/* What is parked comes back with -ECANCELED. */
void medium_cancel(struct medium *m);

/* ---- for controllers: commands ---- */

/*
 * drive_hw.regs (and cdb with PACKET on a link without data register) hold a command; @tag is free.
 */
void drive_start(struct drive *d, unsigned tag);
/* What waited for map() may find something now. */
void drive_kick(struct drive *d);
/* Drops every command; link->stopped() when nothing is under way any more. */
void drive_stop(struct drive *d);
/* Registers and settings as after power-on, or as after a software reset. No command is active. */
void drive_reset(struct drive *d, bool power_on);
void drive_set_signature(struct drive *d);
/* The data register: @size 1, 2 or 4. Without DRQ reads give all ones and writes vanish. */
uint32_t drive_data_read(struct drive *d, unsigned size);
void drive_data_write(struct drive *d, unsigned size, uint32_t value);

/* ---- for ata.c and atapi.c: what a command does next ---- */

/* Ends command @tag. */
void drive_end(struct drive *d, unsigned tag, uint8_t status, uint8_t error);
/* Requests of @op from @offset on for @len bytes of the medium, their data from or to the guest. */
void drive_begin_medium(
	struct drive *d, unsigned tag, enum blk_op op, uint64_t offset, uint32_t len);
/* buf[0..@len) to the guest; 1..DRIVE_BUF. */
void drive_begin_reply(struct drive *d, unsigned tag, uint32_t len);
/* @len bytes (1..DRIVE_BUF) from the guest into buf, then ops->parameters. */
void drive_begin_parameters(struct drive *d, unsigned tag, uint32_t len);
/* Every command but @tag (DRIVE_TAGS: none is spared) is dropped; their requests become orphans. */
void drive_drop_others(struct drive *d, unsigned tag);
uint32_t drive_block_size(const struct drive *d); /* of the medium in it, bytes */
/*
 * The direction in which command @tag moves data now: into guest memory, which then has to be
 * writable.
 */
bool drive_to_guest(const struct drive *d, unsigned tag);
/* SET FEATURES 03h. False: there is no such mode. */
bool drive_set_transfer_mode(struct drive *d, uint8_t mode);

/* ---- of atapi.c, for storage.c ---- */

/*
 * The button of the tray: opens it. False, and a media event for the guest, when it is locked and
 * not @force.
 */
bool cdrom_button(struct drive *d, bool force);
/* A medium was put in and the tray closed. */
void cdrom_inserted(struct drive *d);

#endif
