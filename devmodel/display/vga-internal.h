/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga-internal.h - what the files of the VGA share.
 *
 *	vga.c         PCI function, address decoding, life
 *	vga-regs.c    ports 0x3b0 to 0x3df: sequencer, CRTC, graphics and attribute controllers, DAC
 *	vga-vbe.c     Bochs VBE: what is beyond the IBM VGA
 *	vga-memory.c  the window at 0xa0000
 *	vga-render.c  a picture of all that, graphics modes
 *	vga-text.c    text modes
 *	edid.c        what the monitor says about itself
 *
 * Sources: IBM, "Personal System/2 Hardware Interface Technical Reference, Video Subsystem"; the FreeVGA project's documents;
 * QEMU, docs/specs/standard-vga; Bochs, "VBE display API".
 *
 * Display memory. Byte n of plane p is at 4 * n + p of the device's memory: four planes at one address are one word. Addresses of
 * chain 4 are packed, byte n of the window is at n, and so a doubleword of the CRTC is one word too; programs cannot tell it from
 * the original, where chain 4 uses every fourth address only, unless they change between chained and not without clearing. So
 * 256-colour modes are linear memory, and no access of theirs needs us.
 */
#ifndef DEVMODEL_DISPLAY_VGA_INTERNAL_H
#define DEVMODEL_DISPLAY_VGA_INTERNAL_H

#include "base/display.h"
#include "devmodel/display/vga.h"

#define VGA_EDID_SIZE   128
#define VGA_WINDOW      UINT64_C(0xa0000)
#define VGA_WINDOW_SIZE 0x20000u
#define VGA_BANK        0x10000u

/* ---- registers ---- */

enum { SEQ_RESET, SEQ_CLOCKING, SEQ_MAP_MASK, SEQ_FONT, SEQ_MEMORY, SEQ_REGS };

#define CLOCKING_8_DOTS 0x01
#define CLOCKING_HALF   0x08 /* each dot lasts two clocks */
#define CLOCKING_OFF    0x20
#define MEMORY_PLANAR   0x04 /* clear: even addresses are planes 0 and 2, odd ones 1 and 3 */
#define MEMORY_CHAIN_4  0x08

enum {
	CRTC_H_TOTAL,
	CRTC_H_END,
	CRTC_V_TOTAL = 0x06,
	CRTC_OVERFLOW,
	CRTC_PRESET_ROW,
	CRTC_MAX_SCAN,
	CRTC_CURSOR_START,
	CRTC_CURSOR_END,
	CRTC_START_HIGH,
	CRTC_START_LOW,
	CRTC_CURSOR_HIGH,
	CRTC_CURSOR_LOW,
	CRTC_V_SYNC_START,
	CRTC_V_SYNC_END,
	CRTC_V_END,
	CRTC_OFFSET,
	CRTC_UNDERLINE,
	CRTC_MODE = 0x17,
	CRTC_LINE_COMPARE,
	CRTC_REGS
};

#define MAX_SCAN_ROWS   0x1f
#define MAX_SCAN_DOUBLE 0x80
#define CURSOR_OFF      0x20
#define PROTECT         0x80 /* of CRTC_V_SYNC_END: registers 0 to 7 are read-only */
#define UNDERLINE_DWORD 0x40
#define MODE_A13_IS_RA0 0x01 /* the three are in force while clear */
#define MODE_A14_IS_RA1 0x02
#define MODE_BYTE       0x40
#define MODE_A0_IS_A15  0x20

enum {
	GC_SET,
	GC_SET_ENABLE,
	GC_COMPARE,
	GC_ROTATE,
	GC_READ_MAP,
	GC_MODE,
	GC_MISC,
	GC_DONT_CARE,
	GC_BIT_MASK,
	GC_REGS
};

#define GC_WRITE_MODE 0x03
#define GC_READ_MODE  0x08
#define GC_ODD_EVEN   0x10
#define GC_SHIFT_CGA  0x20
#define GC_SHIFT_256  0x40
#define GC_CHAIN_OE   0x02

enum { ATTR_MODE = 0x10, ATTR_OVERSCAN, ATTR_PLANES, ATTR_PAN, ATTR_COLOUR, ATTR_REGS };

#define ATTR_GRAPHICS  0x01
#define ATTR_LINE_9TH  0x04
#define ATTR_BLINK     0x08
#define ATTR_PAN_SPLIT 0x20
#define ATTR_P54       0x80
#define ATTR_INDEX     0x1f
#define ATTR_ON        0x20 /* of the index: the palette is the display's, not the CPU's */

#define MISC_COLOUR 0x01 /* CRTC at 0x3d4, else 0x3b4 */
#define MISC_RAM    0x02
#define MISC_CLOCK  0x0c

enum {
	VBE_ID,
	VBE_XRES,
	VBE_YRES,
	VBE_BPP,
	VBE_ENABLE,
	VBE_BANK,
	VBE_VIRT_WIDTH,
	VBE_VIRT_HEIGHT,
	VBE_X_OFFSET,
	VBE_Y_OFFSET,
	VBE_MEMORY_64K, /* read-only: the last one stands for memory in units of 64 KiB */
	VBE_REGS
};

#define VBE_ENABLED   0x01
#define VBE_GETCAPS   0x02
#define VBE_DAC_8BIT  0x20
#define VBE_NOCLEAR   0x80
#define VBE_ID_FIRST  0xb0c0
#define VBE_ID_LATEST 0xb0c5

struct vga_hw {
	uint16_t vbe[VBE_REGS - 1]; /* [g] */
	uint16_t vbe_index;         /* [g] */
	uint8_t misc, feature, enable;
	uint8_t seq_index, seq[SEQ_REGS];
	uint8_t crtc_index, crtc[CRTC_REGS];
	uint8_t gc_index, gc[GC_REGS];
	uint8_t attr_index, attr[ATTR_REGS];
	bool attr_data; /* the next byte to 0x3c0 is data */
	bool dac_reading;
	uint8_t dac_mask, dac_index, dac_part; /* entry, and which of its colours is next */
	uint8_t dac_new[3];                    /* colours of an entry that is being written */
	uint8_t dac[256][3];
	uint8_t latch[4]; /* the planes' bytes as last read by the CPU */
	uint8_t pad;
};

struct vga {
	struct pci_dev pci;
	struct vga_hw hw;        /* [s] */
	uint64_t vram_size;      /* [c] property: bytes, a power of two */
	uint32_t xres, yres;     /* [c] properties: what the monitor prefers */
	struct gmem_block *vram; /* [c] */
	uint8_t edid[VGA_EDID_SIZE];
	struct region framebuffer, mmio; /* BAR 0 and 2 */
	struct region mono, ports;       /* 0x3b0 to 0x3bb, 0x3c0 to 0x3df */
	struct region vbe;               /* 0x1ce to 0x1d0 */
	struct region window,
		linear;          /* by register access; the part of it that is plain memory now */
	struct display *display; /* [c] may be NULL */
	struct display_source source;
};

#define to_vga(d) container_of((d), struct vga, pci.dev)

/* ---- vga-regs.c: lock held ---- */

void vga_regs_reset(struct vga_hw *hw);
uint8_t vga_port_read(struct vga *v, uint16_t port);
void vga_port_write(struct vga *v, uint16_t port, uint8_t value);

/* A number of ten bits: eight in register @low, two more in the overflow register. */
static inline unsigned vga_crtc_10(
	const struct vga_hw *hw, unsigned low, unsigned bit8, unsigned bit9)
{
	uint8_t over = hw->crtc[CRTC_OVERFLOW];

	return hw->crtc[low] | (over >> bit8 & 1) << 8 | (over >> bit9 & 1) << 9;
}

/* Visible lines. */
static inline unsigned vga_crtc_lines(const struct vga_hw *hw)
{
	return vga_crtc_10(hw, CRTC_V_END, 1, 6) + 1;
}

/* Dots of a character, 8 or 9. */
static inline unsigned vga_char_dots(const struct vga_hw *hw)
{
	return hw->seq[SEQ_CLOCKING] & CLOCKING_8_DOTS ? 8 : 9;
}

/* ---- vga-vbe.c: lock held ---- */

void vga_vbe_reset(struct vga_hw *hw);
/* Whether registers that were loaded could have been written: 0 or -EINVAL. */
int vga_vbe_check(const struct vga_hw *hw);
uint16_t vga_vbe_read(struct vga *v, unsigned index);
void vga_vbe_write(struct vga *v, unsigned index, uint16_t value);
bool vga_vbe_enabled(const struct vga_hw *hw);
/* Modes of 8 bits a pixel and more: memory is linear. */
bool vga_vbe_linear(const struct vga_hw *hw);
/* Bytes from one line to the next; of each plane with 4 bits a pixel. */
uint32_t vga_vbe_pitch(const struct vga_hw *hw);
/* Bytes of a pixel, 0 with 4 bits a pixel. */
unsigned vga_vbe_pixel_bytes(const struct vga_hw *hw);

/* ---- vga-memory.c: lock held ---- */

extern const struct region_ops vga_window_ops;

/*
 * Whether the first 64 KiB of the window are plain memory in the present mode, and then in @ret_offset where in the device's
 * memory.
 */
bool vga_window_linear(const struct vga *v, uint64_t *ret_offset);

/* ---- vga-render.c: main loop, no lock held ---- */

void vga_refresh(struct display_source *s);

#define VGA_FONT_SIZE  8192u /* 256 characters of 32 lines */
#define VGA_COLUMNS    257u  /* one more than can be shown: panning shows part of it */
#define VGA_PAN_MAX    16u   /* pixels */
#define VGA_BLINK_SLOW 32    /* frames from on to on: characters */
#define VGA_BLINK_FAST 16    /* the cursor */

/* A character as the display fetches it. */
struct vga_cell {
	uint8_t code, attr;
	bool cursor;
};

/* What is drawn: a copy of the registers, and what follows from them. */
struct vga_frame {
	struct vga_hw hw;
	const struct gmem_block *vram;
	uint32_t width, height; /* of the picture, pixels */
	unsigned scale; /* pixels of the picture that one of display memory takes in a line */
	bool cursor_on, blink_on;
	uint32_t palette[256]; /* 0x00RRGGBB */
	uint8_t *line_buffer;  /* one line as display memory has it */
	/* Draws @n pixels of line @y from the left edge of display memory's line. */
	void (*line)(struct vga_frame *f, unsigned y, uint32_t *out, unsigned n);

	/* vga-text.c */
	uint8_t fonts[2]
		     [VGA_FONT_SIZE]; /* for characters without and with bit 3 of their attribute */
	struct vga_cell cells[VGA_COLUMNS]; /* of one row */
	uint32_t cells_of;                  /* address of that row; UINT32_MAX none */
};

/* Where a scan line begins, in units of the CRTC's address counter, and which line of its row it is. */
struct vga_scan {
	uint32_t address;
	unsigned row_line;
	unsigned pan; /* pixels that are left out at the left */
};

struct vga_scan vga_scan_line(const struct vga_frame *f, unsigned y);
/* What the planes hold at counter @address, seen from line @row_line of a row: plane 0 in the lowest byte. */
uint32_t vga_fetch(const struct vga_frame *f, uint32_t address, unsigned row_line);

void vga_text_init(struct vga_frame *f);
void vga_text_line(struct vga_frame *f, unsigned y, uint32_t *out, unsigned n);

/* ---- edid.c ---- */

/* The monitor's EDID 1.4, for one that likes @xres × @yres pixels at 60 Hz. */
void vga_edid_fill(uint8_t edid[VGA_EDID_SIZE], uint32_t xres, uint32_t yres);

#endif
