/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * storage.h - IDE (82371SB, PIIX3) and AHCI (ICH9) controllers, and the drives in their bays.
 *
 *	controller (a PCI function)	bays		numbered
 *	piix3-ide, piix4-ide		4		STORAGE_IDE_BAY(channel, unit)
 *	ich9-ahci			6		the port
 *
 * A drive is a disk or a CD-ROM drive; it speaks ATA or ATAPI, whichever controller it sits in. A
 * disk has its blk for as long as it is attached, a CD-ROM drive has one while a medium is in. A
 * blk is lent: the owner gets it back through the callback of storage_detach() or storage_eject(),
 * or when the controller is freed.
 *
 * Everything here: main thread, no lock held, after dev_realize() of the controller. Drives
 * attached before the first reset are simply there; later ones are hot-plugged, which only AHCI can
 * (IDE: while the guest's driver is not bound).
 */
#ifndef DEVMODEL_STORAGE_STORAGE_H
#define DEVMODEL_STORAGE_STORAGE_H

#include "base/block.h"
#include "devmodel/pci/pci.h"

/* Ends with NULL. */
extern const struct dev_ops *const storage_devices[];

extern const struct dev_ops piix3_ide_ops;
extern const struct dev_ops
	piix4_ide_ops; /* 82371AB: the same, and timing registers for Ultra DMA */
extern const struct dev_ops ich9_ahci_ops;

#define STORAGE_IDE_BAY(channel, unit) ((channel)*2 + (unit))
#define STORAGE_IDE_BAYS               4
#define STORAGE_AHCI_BAYS              6

/* What a drive says of itself. Strings are printable ASCII. */
struct drive_conf {
	char *model;       /* at most 40 bytes; NULL: "VMMD HARDDISK", "VMMD CD-ROM" */
	char *serial;      /* at most 20; NULL: "VM" and the number of the bay */
	char *firmware;    /* revision, at most 8; NULL: "1.0" */
	uint64_t wwn;      /* IEEE world wide name, 0: none */
	uint16_t rotation; /* revolutions a minute, 0: not told, 1: solid state */
	bool discard;      /* offer TRIM if the disk can */
};

/*
 * Properties of a drive over struct drive_conf, for -device ide-hd and ide-cd, and prop_defaults().
 */
extern const struct prop_table drive_props;

/*
 * The loop on which requests are submitted and completed; without this call the bus's main loop.
 * Between dev_new() and dev_realize().
 */
void storage_set_loop(struct dev *d, struct loop *loop);

/*
 * Puts a drive into the empty @bay; @conf is copied. @blk is the disk, or the medium (NULL: none).
 * Errors: no such bay, taken, strings too long, the disk too small (none or less than one block),
 * its blocks not 512 or 4096 bytes, its queue cannot be opened.
 */
bool storage_attach_disk(struct dev *d, unsigned bay, struct blk *blk,
	const struct drive_conf *conf, GError **error);
bool storage_attach_cdrom(struct dev *d, unsigned bay, struct blk *blk,
	const struct drive_conf *conf, GError **error);

/*
 * Pulls the drive: the guest sees an empty bay at once. @fn (may be NULL) runs later on the main
 * loop, when nothing of the drive is in flight any more, with the blk (NULL: there was none); until
 * then the bay cannot be used again. Errors: empty.
 */
bool storage_detach(struct dev *d, unsigned bay, void (*fn)(void *opaque, struct blk *old),
	void *opaque, GError **error);

/*
 * Opens the tray of a CD-ROM drive and takes the medium out, @fn as above. What is being read is
 * finished first; reads that follow fail with "medium not present, tray open". If the guest has
 * locked it: with @force it comes out all the same, else the guest is told that somebody has
 * pressed the button (GET EVENT STATUS NOTIFICATION) and VMMD_ERROR_STATE is the result. With no
 * medium the tray opens and there is nothing to call @fn for.
 */
bool storage_eject(struct dev *d, unsigned bay, bool force,
	void (*fn)(void *opaque, struct blk *old), void *opaque, GError **error);

/*
 * Puts @blk (not NULL) into the tray of a CD-ROM drive without medium, and closes it; the guest
 * gets a unit attention and a media event. Errors: no CD-ROM drive, there is a medium or the last
 * one is still being taken out, @blk is no multiple of 2048 bytes or its queue cannot be opened.
 */
bool storage_insert(struct dev *d, unsigned bay, struct blk *blk, GError **error);

/* For query operations. */
struct storage_status {
	bool present, cdrom;
	bool tray_open, locked; /* CD-ROM */
	struct blk *blk;        /* NULL: no medium */
};
void storage_get_status(struct dev *d, unsigned bay, struct storage_status *ret);

/*
 * Direct boot, where no firmware does it: IDE decodes its legacy ports on both channels (IDETIM).
 * After bus_reset(). Bus lock held.
 */
void piix_ide_enable(struct dev *d);

#endif
