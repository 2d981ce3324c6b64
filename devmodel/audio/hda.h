/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hda.h - the parts of the High Definition Audio controller. "High Definition Audio Specification",
 * revision 1.0a ("HDA" in comments); Intel I/O Controller Hub 9 data sheet, chapter 18.
 *
 *	hda.c		registers, command and response rings, interrupts, life
 *	hda-stream.c	buffer descriptor lists and the pace of the streams
 *	hda-codec.c	the codec's nodes and verbs
 *
 * Everything is under the device's lock.
 */
#ifndef DEVMODEL_AUDIO_HDA_H
#define DEVMODEL_AUDIO_HDA_H

#include "devmodel/pci/pci.h"

#define HDA_INPUTS  4
#define HDA_STREAMS 8 /* inputs, then outputs */

/* HDA section 3.3: offsets. */
enum {
	H_GCAP = 0x00,
	H_VMAJ = 0x03,
	H_OUTPAY = 0x04,
	H_INPAY = 0x06,
	H_GCTL = 0x08,
	H_WAKEEN = 0x0c,
	H_STATESTS = 0x0e,
	H_GSTS = 0x10,
	H_OUTSTRMPAY = 0x18,
	H_INSTRMPAY = 0x1a,
	H_INTCTL = 0x20,
	H_INTSTS = 0x24,
	H_WALCLK = 0x30,
	H_SSYNC = 0x38,
	H_CORBBASE = 0x40,
	H_CORBWP = 0x48,
	H_CORBRP = 0x4a,
	H_CORBCTL = 0x4c,
	H_CORBSTS = 0x4d,
	H_CORBSIZE = 0x4e,
	H_RIRBBASE = 0x50,
	H_RIRBWP = 0x58,
	H_RINTCNT = 0x5a,
	H_RIRBCTL = 0x5c,
	H_RIRBSTS = 0x5d,
	H_RIRBSIZE = 0x5e,
	H_ICOI = 0x60,
	H_ICII = 0x64,
	H_ICIS = 0x68,
	H_DPBASE = 0x70,
	H_STREAM = 0x80,
	H_STREAM_STEP = 0x20,
	H_SIZE = H_STREAM + HDA_STREAMS * H_STREAM_STEP,
};

/* In a stream's registers. */
enum {
	S_CTL = 0x00,
	S_STS = 0x03,
	S_LPIB = 0x04,
	S_CBL = 0x08,
	S_LVI = 0x0c,
	S_FIFOS = 0x10,
	S_FMT = 0x12,
	S_BDPL = 0x18,
};

#define S_CTL_SRST   0x01
#define S_CTL_RUN    0x02
#define S_STS_BCIS   0x04 /* with S_CTL bit 2 it interrupts; so do bits 3 and 4 */
#define S_STS_DESE   0x10
#define S_STS_EVENTS 0x1c
#define S_STS_READY  0x20

/* Where a stream is. */
struct hda_stream_hw {
	uint64_t since;   /* virtual ns at which it began to run */
	uint64_t moved;   /* bytes since then */
	uint64_t address; /* of the buffer that it is in */
	uint32_t length;  /* of that; 0: none was read yet */
	uint32_t offset;  /* in that */
	uint32_t lpib;
	uint8_t next; /* entry of the list to be read next */
	bool ioc;     /* interrupt when this one is complete */
	uint8_t pad[2];
};

#define HDA_NODES 6

struct hda_node_hw {
	uint32_t config; /* configuration default */
	uint16_t format;
	uint8_t amp[2]; /* left, right */
	uint8_t stream, pin, power, unsolicited;
};

struct hda_hw {
	uint8_t reg[H_SIZE]; /* [g] */
	uint64_t wall_base;  /* virtual ns at which WALCLK was 0 */
	uint32_t raised;     /* INTSTS as it was when the interrupt was given last */
	uint8_t pad[4];
	struct hda_stream_hw stream[HDA_STREAMS];
	struct hda_node_hw node[HDA_NODES];
};

struct hda {
	struct pci_dev pci;
	struct hda_hw hw; /* [s] */
	struct region mem;
	struct dev_timer timer; /* next event of a stream */
};

static inline uint16_t hda_get16(const struct hda *h, unsigned offset)
{
	return (uint16_t)(h->hw.reg[offset] | h->hw.reg[offset + 1] << 8);
}

static inline uint32_t hda_get32(const struct hda *h, unsigned offset)
{
	return hda_get16(h, offset) | (uint32_t)hda_get16(h, offset + 2) << 16;
}

static inline uint64_t hda_get64(const struct hda *h, unsigned offset)
{
	return hda_get32(h, offset) | (uint64_t)hda_get32(h, offset + 4) << 32;
}

static inline void hda_set16(struct hda *h, unsigned offset, uint16_t v)
{
	h->hw.reg[offset] = (uint8_t)v;
	h->hw.reg[offset + 1] = (uint8_t)(v >> 8);
}

static inline void hda_set32(struct hda *h, unsigned offset, uint32_t v)
{
	hda_set16(h, offset, (uint16_t)v);
	hda_set16(h, offset + 2, (uint16_t)(v >> 16));
}

static inline uint64_t hda_now(struct hda *h)
{
	return (uint64_t)dev_clock(&h->pci.dev, VM_CLOCK_VIRTUAL);
}

/* ---- hda-stream.c ---- */

static inline unsigned hda_stream_reg(unsigned n)
{
	return H_STREAM + n * H_STREAM_STEP;
}

/* S_CTL of stream @n was @before. */
void hda_stream_control(struct hda *h, unsigned n, uint8_t before);
/* Brings all that run to where they are now, and arms the timer. */
void hda_streams_update(struct hda *h);
void hda_streams_rearm(struct hda *h);
/* Bytes a second that S_FMT @format means; 0: nothing that can be played. HDA section 3.7.1. */
uint32_t hda_format_rate(uint16_t format);

/* ---- hda-codec.c ---- */

void hda_codec_reset(struct hda *h);
/* What the codec says to a command: HDA section 7.3. False: nobody is at that address. */
bool hda_codec_command(struct hda *h, uint32_t command, uint32_t *ret_response);

extern const struct state_field hda_node_fields[];
extern const struct state_field hda_stream_fields[];

#endif
