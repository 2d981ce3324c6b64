/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of a port (section 3.3), its command list and received FIS area (chapter 4), errors and
 * resets (chapters 6, 10).
 */
#include "devmodel/storage/ahci.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Section 3.3. */
enum {
	PX_CLB = 0x00,
	PX_CLBU = 0x04,
	PX_FB = 0x08,
	PX_FBU = 0x0c,
	PX_IS = 0x10,
	PX_IE = 0x14,
	PX_CMD = 0x18,
	PX_TFD = 0x20,
	PX_SIG = 0x24,
	PX_SSTS = 0x28,
	PX_SCTL = 0x2c,
	PX_SERR = 0x30,
	PX_SACT = 0x34,
	PX_CI = 0x38,
};

/* PxIS. */
#define IS_DHRS     (1u << 0)  /* register FIS */
#define IS_PSS      (1u << 1)  /* PIO setup FIS */
#define IS_SDBS     (1u << 3)  /* set device bits FIS */
#define IS_PCS      (1u << 6)  /* shows SERR_X */
#define IS_PRCS     (1u << 22) /* shows SERR_N */
#define IS_IFS      (1u << 27) /* interface fatal error */
#define IS_HBFS     (1u << 29) /* host bus fatal error */
#define IS_TFES     (1u << 30) /* task file error */
#define IE_WRITABLE 0xfdc000ffu

/* PxCMD. */
#define CMD_ST        (1u << 0)
#define CMD_SUD       (1u << 1)
#define CMD_POD       (1u << 2)
#define CMD_CLO       (1u << 3)
#define CMD_FRE       (1u << 4)
#define CMD_CCS_SHIFT 8
#define CMD_CCS       (0x1fu << CMD_CCS_SHIFT)
#define CMD_FR        (1u << 14)
#define CMD_CR        (1u << 15)
#define CMD_WRITABLE  (CMD_ST | CMD_FRE | 3u << 24) /* and ATAPI, DLAE */

/* PxSCTL, PxSSTS, PxSERR. */
#define SCTL_DET      0xfu
#define SCTL_RESET    1u
#define SCTL_OFFLINE  4u
#define SCTL_WRITABLE 0xfffu
#define SSTS_UP       0x133u     /* active, 6 Gb/s, communication established */
#define SERR_N        (1u << 16) /* PhyRdy changed */
#define SERR_X        (1u << 26) /* exchanged: COMINIT was received */

#define SIG_NONE 0xffffffffu
#define TFD_NONE 0x7fu

/* Command list and table (section 4.2). */
#define HEADER_SIZE  32
#define HEADER_ATAPI (1u << 5)
#define HEADER_CLEAR (1u << 10) /* clear busy upon R_OK */
#define TABLE_ACMD   0x40
#define TABLE_PRDT   0x80
#define PRD_SIZE     16
#define PRD_BATCH    32
#define PRD_COUNT    0x3fffffu

/* FIS (Serial ATA 3.0 chapter 10) and where they are received (section 4.2.1). */
enum { FIS_H2D = 0x27, FIS_D2H = 0x34, FIS_SDB = 0xa1, FIS_PIO = 0x5f };
enum { RX_PIO = 0x20, RX_D2H = 0x40, RX_SDB = 0x58 };
#define FIS_COMMAND 0x80
#define FIS_IRQ     0x40
#define FIS_TO_HOST 0x20

struct header {
	uint32_t flags, moved, table, table_high;
	uint32_t reserved[4];
};

struct prd {
	uint32_t addr, addr_high, reserved, count;
};

_Static_assert(
	sizeof(struct header) == HEADER_SIZE && sizeof(struct prd) == PRD_SIZE, "as in memory");

static struct drive *drive_of(const struct ahci_port *p)
{
	return p->host->bays[p->index];
}

static struct gmem *memory(const struct ahci_port *p)
{
	return p->host->pci.dev.bus->gmem;
}

/* ---- interrupts ---- */

static uint32_t interrupt_status(const struct ahci_port *p)
{
	const struct ahci_port_hw *hw = p->hw;

	return hw->is | (hw->serr & SERR_X ? IS_PCS : 0) | (hw->serr & SERR_N ? IS_PRCS : 0);
}

uint32_t ahci_port_pending(const struct ahci_port *p)
{
	return interrupt_status(p) & p->hw->ie;
}

static void notify(struct ahci_port *p, uint32_t bits)
{
	p->hw->is |= bits;
	p->update(p);
}

/* The port takes no command until ST was cleared and set (section 6.2.2). */
static void halt(struct ahci_port *p, uint32_t bits)
{
	p->hw->flags |= PORT_HALTED;
	notify(p, bits);
}

static void guest_fault(struct ahci_port *p, uint32_t bits, const char *what)
{
	dev_guest_error(&p->host->pci.dev, "port %u: %s", p->index, what);
	halt(p, bits);
}

/* ---- received FIS ---- */

static void receive(struct ahci_port *p, unsigned at, const uint8_t *fis, size_t n)
{
	if (!(p->hw->cmd & CMD_FRE))
		return;
	if (gmem_write(memory(p), GPA(p->hw->fb + at), fis, n) < 0)
		dev_guest_error(&p->host->pci.dev, "port %u: received FIS: no memory at %" PRIx64,
			p->index, p->hw->fb);
}

static void fill_fis(uint8_t fis[20], uint8_t type, uint8_t flags, const struct ata_regs *r)
{
	const uint8_t bytes[20] = {type, flags, r->status, r->error, r->lba[0], r->lba[1],
		r->lba[2], r->device, r->hob_lba[0], r->hob_lba[1], r->hob_lba[2], 0, r->count,
		r->hob_count};

	memcpy(fis, bytes, sizeof(bytes));
}

static void receive_d2h(struct ahci_port *p, const struct drive *d, bool irq)
{
	uint8_t fis[20];

	fill_fis(fis, FIS_D2H, irq ? FIS_IRQ : 0, &d->hw->regs);
	receive(p, RX_D2H, fis, sizeof(fis));
}

/* Of all the blocks of a PIO data-in command the last one's: its initial status still has DRQ. */
static void receive_pio(struct ahci_port *p, const struct drive *d, uint32_t moved)
{
	uint8_t fis[20];

	fill_fis(fis, FIS_PIO, FIS_IRQ | FIS_TO_HOST, &d->hw->regs);
	fis[2] |= ATA_DRQ;
	fis[15] = d->hw->regs.status;
	fis[16] = (uint8_t)MIN(moved, DRIVE_SECTOR);
	fis[17] = (uint8_t)(MIN(moved, DRIVE_SECTOR) >> 8);
	receive(p, RX_PIO, fis, sizeof(fis));
}

static void receive_sdb(struct ahci_port *p, const struct drive *d, uint32_t done)
{
	uint8_t fis[8] = {FIS_SDB, FIS_IRQ, d->hw->regs.status & 0x77, d->hw->regs.error};
	uint32_t sact = htole32(done);

	memcpy(fis + 4, &sact, sizeof(sact));
	receive(p, RX_SDB, fis, sizeof(fis));
}

/* ---- the link ---- */

static void show_signature(struct ahci_port *p, struct drive *d)
{
	const struct ata_regs *r = &d->hw->regs;

	p->hw->sig = r->count | r->lba[0] << 8 | r->lba[1] << 16 | (uint32_t)r->lba[2] << 24;
	receive_d2h(p, d, false);
}

/* The drive's signature; before it, COMINIT where the link was down. */
static void link_up(struct ahci_port *p)
{
	struct drive *d = drive_of(p);

	if (!d || (p->hw->sctl & SCTL_DET) == SCTL_OFFLINE)
		return;
	if (p->hw->ssts != SSTS_UP)
		p->hw->serr |= SERR_X;
	p->hw->ssts = SSTS_UP;
	show_signature(p, d);
}

static void link_down(struct ahci_port *p)
{
	p->hw->ssts = 0;
	p->hw->sig = SIG_NONE;
}

/* What waits for the last request to come back. */
void ahci_port_stopped(struct ahci_port *p)
{
	struct ahci_port_hw *hw = p->hw;
	struct drive *d = drive_of(p);
	uint8_t was = hw->flags;

	if (d && d->in_flight)
		return;
	hw->flags &= ~(PORT_STOPPING | PORT_RESETTING);
	if (was & PORT_STOPPING)
		hw->cmd &= ~(CMD_CR | CMD_CCS);
	if (was & PORT_RESETTING && d) {
		drive_reset(d, false);
		link_up(p);
	}
	p->update(p);
}

static void drop_commands(struct ahci_port *p, uint8_t flag)
{
	struct drive *d = drive_of(p);

	p->hw->active = 0;
	p->hw->flags = (p->hw->flags & ~PORT_HALTED) | flag;
	if (d)
		drive_stop(d);
	else
		ahci_port_stopped(p);
}

bool ahci_port_resetting(const struct ahci_port *p)
{
	return p->hw->flags & PORT_RESETTING;
}

/*
 * COMRESET (section 10.4.2): the line is quiet until DET goes back to 0, and then until nothing is
 * under way.
 */
static void write_sctl(struct ahci_port *p, uint32_t v)
{
	uint32_t was = p->hw->sctl & SCTL_DET, det = v & SCTL_DET;

	p->hw->sctl = v & SCTL_WRITABLE;
	if (det == was)
		return;
	if (det == SCTL_RESET || det == SCTL_OFFLINE) {
		link_down(p);
		if (det == SCTL_OFFLINE)
			p->hw->ssts = 4;
		if (drive_of(p))
			drive_of(p)->hw->regs.status = ATA_BSY;
		p->hw->flags &= ~PORT_SRST;
		drop_commands(p, 0);
	} else if (!det) {
		drop_commands(p, PORT_RESETTING);
	}
}

void ahci_port_plugged(struct ahci_port *p)
{
	struct ahci_port_hw *hw = p->hw;

	link_down(p);
	hw->active = 0;
	hw->serr |= SERR_N;
	hw->flags &= ~PORT_SRST;
	if (drive_of(p))
		link_up(p);
	else
		ahci_port_stopped(p);
	p->update(p);
}

void ahci_port_reset(struct ahci_port *p, bool power_on)
{
	const struct ahci_port_hw *old = p->hw;

	*p->hw = (struct ahci_port_hw){
		.clb = power_on ? 0 : old->clb, .fb = power_on ? 0 : old->fb, .sig = SIG_NONE};
	ahci_port_forget(p);
	if (power_on)
		link_up(p);
	else
		drop_commands(p, PORT_RESETTING);
}

void ahci_port_forget(struct ahci_port *p)
{
	memset(p->slots, 0, sizeof(p->slots));
}

/* ---- commands ---- */

static bool read_header(struct ahci_port *p, unsigned slot, struct header *h)
{
	if (gmem_read(memory(p), GPA(p->hw->clb + slot * HEADER_SIZE), h, sizeof(*h)) < 0)
		return false;
	p->slots[slot] = (struct ahci_slot){
		.table = (le32toh(h->table) & ~0x7fu) | (uint64_t)le32toh(h->table_high) << 32,
		.entries = le32toh(h->flags) >> 16,
		.packet = le32toh(h->flags) & HEADER_ATAPI,
		.valid = true};
	return true;
}

/*
 * Serial ATA section 13.15: the drive is reset when SRST goes, with a signature as after COMRESET.
 */
static void control_fis(struct ahci_port *p, struct drive *d, bool srst)
{
	bool was = p->hw->flags & PORT_SRST;

	if (srst && !was) {
		d->hw->regs.status = ATA_BSY;
		drop_commands(p, PORT_SRST);
	} else if (!srst && was) {
		p->hw->flags &= ~PORT_SRST;
		d->hw->regs.status = ATA_BSY;
		drop_commands(p, PORT_RESETTING);
	}
}

static void load_registers(struct ata_regs *r, const uint8_t *fis)
{
	*r = (struct ata_regs){.command = fis[2],
		.feature = fis[3],
		.lba = {fis[4], fis[5], fis[6]},
		.device = fis[7],
		.hob_lba = {fis[8], fis[9], fis[10]},
		.hob_feature = fis[11],
		.count = fis[12],
		.hob_count = fis[13],
		.status = r->status};
}

static bool is_queued(uint8_t command)
{
	return command == ATA_READ_FPDMA || command == ATA_WRITE_FPDMA;
}

static void start(struct ahci_port *p, struct drive *d, unsigned slot, const uint8_t *fis)
{
	struct ahci_port_hw *hw = p->hw;

	load_registers(&d->hw->regs, fis);
	hw->active |= 1u << slot;
	hw->cmd = (hw->cmd & ~CMD_CCS) | slot << CMD_CCS_SHIFT;
	/* A queued command is the drive's from here on (section 5.6.4). */
	if (is_queued(fis[2]))
		hw->ci &= ~(1u << slot);
	drive_start(d, slot);
}

static bool read_packet(struct ahci_port *p, struct drive *d, unsigned slot)
{
	return gmem_read(memory(p), GPA(p->slots[slot].table + TABLE_ACMD), d->hw->cdb,
		       DRIVE_CDB) == 0;
}

/* Queued commands run beside each other, any other by itself. */
static bool may_run(const struct ahci_port *p, const struct drive *d, uint8_t command)
{
	uint32_t active = p->hw->active;

	return !active ||
	       (is_queued(command) && d->hw->cmds[__builtin_ctz(active)].flags & CMD_NCQ);
}

/* False: nothing more of this port now. */
static bool issue(struct ahci_port *p, struct drive *d, unsigned slot)
{
	struct header h;
	uint8_t fis[20];

	if (!read_header(p, slot, &h) ||
		gmem_read(memory(p), GPA(p->slots[slot].table), fis, sizeof(fis)) < 0) {
		guest_fault(p, IS_HBFS, "no memory behind the command list or table");
		return false;
	}
	if (fis[0] != FIS_H2D) {
		guest_fault(p, IS_IFS, "not a register FIS");
		return false;
	}
	if (fis[1] & 0x0f) /* there is no port multiplier to answer */
		return false;
	if (!(fis[1] & FIS_COMMAND)) {
		if (le32toh(h.flags) & HEADER_CLEAR || !(fis[15] & ATA_SRST))
			p->hw->ci &= ~(1u << slot);
		control_fis(p, d, fis[15] & ATA_SRST);
		return !(fis[15] & ATA_SRST);
	}
	if (!may_run(p, d, fis[2]))
		return false;
	if (p->slots[slot].packet && !read_packet(p, d, slot)) {
		guest_fault(p, IS_HBFS, "no memory behind the command table");
		return false;
	}
	start(p, d, slot, fis);
	return true;
}

static bool takes_commands(const struct ahci_port *p, const struct drive *d)
{
	return d && p->hw->cmd & CMD_CR && !(p->hw->flags & ~PORT_SRST) && p->hw->ssts == SSTS_UP &&
	       pci_may_dma(&p->host->pci);
}

/* In order of the slots, beginning behind the one that was last issued (section 5.5). */
void ahci_port_fetch(struct ahci_port *p)
{
	struct drive *d = drive_of(p);
	uint32_t due = p->hw->ci & ~p->hw->active;
	unsigned last = (p->hw->cmd & CMD_CCS) >> CMD_CCS_SHIFT;

	if (!due)
		return;
	for (unsigned i = 1; i <= DRIVE_TAGS; i++) {
		unsigned slot = (last + i) % DRIVE_TAGS;

		if (!takes_commands(p, d))
			return;
		if (due & 1u << slot && !issue(p, d, slot))
			return;
	}
}

/* ---- physical region descriptors ---- */

struct prd_walk {
	struct ahci_port *p;
	struct ahci_slot *slot;
	uint64_t off, end; /* the bytes of interest */
	/* For the part [@gpa, @gpa + @n) of a region that is of interest: 0 or -errno. */
	int (*piece)(struct prd_walk *w, uint64_t gpa, uint32_t n);
	struct iovec *segs;
	unsigned room, used;
	size_t size;
	bool to_guest;
};

static int walk_region(struct prd_walk *w, const struct prd *prd)
{
	uint64_t gpa = (le32toh(prd->addr) & ~1u) | (uint64_t)le32toh(prd->addr_high) << 32;
	uint32_t n = (le32toh(prd->count) & PRD_COUNT) + 1;
	uint64_t pos = w->slot->pos, from = MAX(pos, w->off), to = MIN(pos + n, w->end);

	return from < to ? w->piece(w, gpa + (from - pos), (uint32_t)(to - from)) : 0;
}

/* From the entry where the last walk has ended, if that is before what is wanted. */
static int walk_table(struct prd_walk *w)
{
	struct ahci_slot *s = w->slot;
	struct prd batch[PRD_BATCH];

	if (w->off < s->pos)
		s->pos = s->entry = 0;
	while (s->entry < s->entries && s->pos < w->end) {
		unsigned n = MIN(PRD_BATCH, s->entries - s->entry);
		uint64_t addr = s->table + TABLE_PRDT + (uint64_t)s->entry * PRD_SIZE;

		if (gmem_read(memory(w->p), GPA(addr), batch, n * PRD_SIZE) < 0)
			return -EFAULT;
		for (unsigned i = 0; i < n; i++) {
			uint32_t len = (le32toh(batch[i].count) & PRD_COUNT) + 1;
			int err = walk_region(w, &batch[i]);

			if (err < 0)
				return err;
			if (s->pos + len > w->end)
				return 0; /* the next walk begins with it */
			s->pos += len;
			s->entry++;
		}
	}
	return 0;
}

static bool valid_slot(struct ahci_port *p, unsigned slot)
{
	struct header h;

	return p->slots[slot].valid || read_header(p, slot, &h);
}

static int add_piece(struct prd_walk *w, uint64_t gpa, uint32_t n)
{
	int err = giov_add_gpa(memory(w->p), GPA(gpa), n, w->to_guest, w->segs, w->room, &w->used);

	if (err == 0)
		w->size += n;
	return err;
}

int ahci_port_map(struct ahci_port *p, unsigned slot, uint64_t off, uint32_t n, struct iovec *segs,
	unsigned room, struct giov *ret)
{
	struct prd_walk w = {.p = p,
		.slot = &p->slots[slot],
		.off = off,
		.end = off + n,
		.piece = add_piece,
		.segs = segs,
		.room = room,
		.to_guest = drive_to_guest(drive_of(p), slot)}; /* whatever the header says */
	int err = -EFAULT;

	if (!pci_may_dma(&p->host->pci))
		return -EAGAIN;
	if (valid_slot(p, slot))
		err = walk_table(&w);
	if (err < 0 && !(err == -E2BIG && w.size)) {
		dev_guest_error(&p->host->pci.dev, "port %u: slot %u: no memory behind a region",
			p->index, slot);
		p->hw->is |= IS_HBFS;
		return -EFAULT;
	}
	if (!w.size)
		return -ENODATA;
	*ret = giov_from_segs(segs, w.used, w.size);
	return 0;
}

static int mark_piece(struct prd_walk *w, uint64_t gpa, uint32_t n)
{
	gmem_dirty_mark(memory(w->p), GPA(gpa), n);
	return 0;
}

void ahci_port_moved(struct ahci_port *p, unsigned slot, uint64_t off, uint32_t n)
{
	struct prd_walk w = {
		.p = p, .slot = &p->slots[slot], .off = off, .end = off + n, .piece = mark_piece};

	if (!gmem_dirty_on(memory(p)) || !valid_slot(p, slot))
		return;
	/*
	 * The guest may have changed its table: what cannot be read now was not written to through
	 * it either.
	 */
	(void)walk_table(&w);
}

/* ---- ends ---- */

static void end_queued(struct ahci_port *p, struct drive *d, unsigned slot)
{
	bool failed = d->hw->regs.status & ATA_ERR;

	receive_sdb(p, d, failed ? 0 : 1u << slot);
	if (failed) {
		halt(p, IS_SDBS | IS_TFES);
		return;
	}
	p->hw->sact &= ~(1u << slot);
	notify(p, IS_SDBS);
}

/* The header's count of bytes that were moved (section 4.2.2). */
static void write_moved(struct ahci_port *p, unsigned slot, uint32_t moved)
{
	uint32_t v = htole32(moved);

	if (gmem_write(memory(p), GPA(p->hw->clb + slot * HEADER_SIZE + 4), &v, sizeof(v)) < 0)
		dev_guest_error(
			&p->host->pci.dev, "port %u: no memory behind the command list", p->index);
}

static void end_single(
	struct ahci_port *p, struct drive *d, unsigned slot, const struct drive_cmd_hw *h)
{
	bool failed = d->hw->regs.status & ATA_ERR;
	bool pio_in = (h->flags & (CMD_TO_GUEST | CMD_DMA | CMD_PACKET)) == CMD_TO_GUEST;

	if (h->flags & (CMD_TO_GUEST | CMD_TO_HOST))
		write_moved(p, slot, h->done);
	if (pio_in && !failed)
		receive_pio(p, d, h->done);
	else
		receive_d2h(p, d, true);
	if (failed) {
		halt(p, IS_DHRS | IS_TFES);
		return;
	}
	p->hw->ci &= ~(1u << slot);
	notify(p, pio_in ? IS_PSS : IS_DHRS);
	if (p->hw->ci)
		storage_kick(p->host);
}

void ahci_port_end(
	struct ahci_port *p, struct drive *d, unsigned slot, const struct drive_cmd_hw *h)
{
	p->hw->active &= ~(1u << slot);
	if (h->flags & CMD_NCQ)
		end_queued(p, d, slot);
	else
		end_single(p, d, slot, h);
}

/* ---- registers ---- */

static uint32_t task_file(const struct ahci_port *p)
{
	const struct drive *d = drive_of(p);

	return d ? d->hw->regs.status | (uint32_t)d->hw->regs.error << 8 : TFD_NONE;
}

uint32_t ahci_port_read(struct ahci_port *p, unsigned offset)
{
	const struct ahci_port_hw *hw = p->hw;

	switch (offset) {
	case PX_CLB: return (uint32_t)hw->clb;
	case PX_CLBU: return (uint32_t)(hw->clb >> 32);
	case PX_FB: return (uint32_t)hw->fb;
	case PX_FBU: return (uint32_t)(hw->fb >> 32);
	case PX_IS: return interrupt_status(p);
	case PX_IE: return hw->ie;
	case PX_CMD: return hw->cmd | CMD_SUD | CMD_POD | (hw->cmd & CMD_FRE ? CMD_FR : 0);
	case PX_TFD: return task_file(p);
	case PX_SIG: return hw->sig;
	case PX_SSTS: return hw->ssts;
	case PX_SCTL: return hw->sctl;
	case PX_SERR: return hw->serr;
	case PX_SACT: return hw->sact;
	case PX_CI: return hw->ci;
	default: return 0;
	}
}

/*
 * Section 3.3.7: while the list runs only its end can be asked for; CLO makes a busy drive look
 * idle.
 */
static void write_cmd(struct ahci_port *p, uint32_t v)
{
	struct ahci_port_hw *hw = p->hw;
	uint32_t was = hw->cmd;

	hw->cmd = (hw->cmd & ~CMD_WRITABLE) | (v & CMD_WRITABLE);
	if (v & CMD_CLO && drive_of(p))
		drive_of(p)->hw->regs.status &= (uint8_t) ~(ATA_BSY | ATA_DRQ);
	if (v & CMD_ST && !(was & CMD_ST)) {
		hw->cmd |= CMD_CR;
		hw->flags &= ~PORT_HALTED;
	} else if (!(v & CMD_ST) && was & CMD_ST) {
		hw->ci = hw->sact = 0;
		drop_commands(p, PORT_STOPPING);
	}
	/* The signature may have come before there was a place for it. */
	if (v & CMD_FRE && !(was & CMD_FRE) && hw->ssts == SSTS_UP)
		receive_d2h(p, drive_of(p), false);
}

void ahci_port_write(struct ahci_port *p, unsigned offset, uint32_t v)
{
	struct ahci_port_hw *hw = p->hw;

	switch (offset) {
	case PX_CLB: hw->clb = (hw->clb & ~(uint64_t)UINT32_MAX) | (v & ~0x3ffu); break;
	case PX_CLBU: hw->clb = (uint32_t)hw->clb | (uint64_t)v << 32; break;
	case PX_FB: hw->fb = (hw->fb & ~(uint64_t)UINT32_MAX) | (v & ~0xffu); break;
	case PX_FBU: hw->fb = (uint32_t)hw->fb | (uint64_t)v << 32; break;
	case PX_IS: hw->is &= ~v; break;
	case PX_IE: hw->ie = v & IE_WRITABLE; break;
	case PX_CMD: write_cmd(p, v); break;
	case PX_SCTL: write_sctl(p, v); break;
	case PX_SERR: hw->serr &= ~v; break;
	case PX_SACT: hw->sact |= hw->cmd & CMD_ST ? v : 0; return;
	case PX_CI:
		if (!(hw->cmd & CMD_ST))
			return;
		hw->ci |= v;
		storage_kick(p->host);
		return;
	default: return;
	}
	p->update(p);
}

const struct state_field ahci_port_fields[] = {
	ST_U(struct ahci_port_hw, clb),
	ST_U(struct ahci_port_hw, fb),
	ST_U(struct ahci_port_hw, is),
	ST_U(struct ahci_port_hw, ie),
	ST_U(struct ahci_port_hw, cmd),
	ST_U(struct ahci_port_hw, sctl),
	ST_U(struct ahci_port_hw, ssts),
	ST_U(struct ahci_port_hw, serr),
	ST_U(struct ahci_port_hw, sig),
	ST_U(struct ahci_port_hw, sact),
	ST_U(struct ahci_port_hw, ci),
	ST_U(struct ahci_port_hw, active),
	ST_MAX(struct ahci_port_hw, flags, 0x0f),
	ST_PAD(struct ahci_port_hw, pad),
	ST_END,
};
