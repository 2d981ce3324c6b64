/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A codec with one way out and one in, HDA chapter 7:
 *
 *	root 0 ── audio function group 1 ─┬─ DAC 2 ──► pin 3, line out
 *	                                  └─ ADC 4 ◄── pin 5, line in
 */
#include <string.h>

#include "devmodel/audio/hda.h"

#define ADDRESS 0

enum { ROOT, GROUP, DAC, LINE_OUT, ADC, LINE_IN };

/* Parameters, HDA section 7.3.4. */
enum {
	P_VENDOR = 0x00,
	P_REVISION = 0x02,
	P_NODES = 0x04,
	P_FUNCTION = 0x05,
	P_GROUP_CAPS = 0x08,
	P_WIDGET = 0x09,
	P_PCM = 0x0a,
	P_FORMATS = 0x0b,
	P_PIN = 0x0c,
	P_AMP_IN = 0x0d,
	P_CONNECTIONS = 0x0e,
	P_POWER = 0x0f,
	P_AMP_OUT = 0x12,
	PARAMS = 0x13,
};

#define NODES(first, n) ((first) << 16 | (n))
#define RATES           0x001e07ff /* 8 to 384 kHz but the rarest; 8 to 32 bits */
#define PCM             0x00000001
#define STATES          0x0000000f /* D0 to D3 */
#define AMP             0x80034a4a /* mutes; 75 steps of 1 dB, 0 dB at the top */
#define AMP_0DB         0x4a

/* Widget capabilities, section 7.3.4.6. */
#define W_TYPE(t)  ((uint32_t)(t) << 20)
#define W_STEREO   0x0001
#define W_AMP_IN   0x0002
#define W_AMP_OUT  0x0004
#define W_AMP_OWN  0x0008
#define W_FORMAT   0x0010
#define W_LIST     0x0100
#define W_POWER    0x0400
#define TYPE_DAC   0
#define TYPE_ADC   1
#define TYPE_PIN   4
#define PIN_DETECT 0x04
#define PIN_OUT    0x10
#define PIN_IN     0x20
#define PRESENT    0x80000000u

static const uint32_t params[HDA_NODES][PARAMS] = {
	[ROOT] = {[P_VENDOR] = 0x1af40022, [P_REVISION] = 0x00100101, [P_NODES] = NODES(GROUP, 1)},
	[GROUP] = {[P_NODES] = NODES(DAC, 4),
		[P_FUNCTION] = 1, /* audio */
		[P_GROUP_CAPS] = 0x00000808,
		[P_PCM] = RATES,
		[P_FORMATS] = PCM,
		[P_POWER] = STATES},
	[DAC] = {[P_WIDGET] = W_TYPE(TYPE_DAC) | W_STEREO | W_AMP_OUT | W_AMP_OWN | W_FORMAT |
			      W_POWER,
		[P_PCM] = RATES,
		[P_FORMATS] = PCM,
		[P_POWER] = STATES,
		[P_AMP_OUT] = AMP},
	[LINE_OUT] = {[P_WIDGET] = W_TYPE(TYPE_PIN) | W_STEREO | W_LIST,
		[P_PIN] = PIN_OUT | PIN_DETECT,
		[P_CONNECTIONS] = 1},
	[ADC] = {[P_WIDGET] = W_TYPE(TYPE_ADC) | W_STEREO | W_AMP_IN | W_AMP_OWN | W_FORMAT |
			      W_LIST | W_POWER,
		[P_PCM] = RATES,
		[P_FORMATS] = PCM,
		[P_POWER] = STATES,
		[P_AMP_IN] = AMP,
		[P_CONNECTIONS] = 1},
	[LINE_IN] = {[P_WIDGET] = W_TYPE(TYPE_PIN) | W_STEREO, [P_PIN] = PIN_IN | PIN_DETECT},
};

/* The one entry of each connection list. */
static const uint8_t connected[HDA_NODES] = {[LINE_OUT] = DAC, [ADC] = LINE_IN};

/* Configuration default, section 7.3.3.31: jacks at the back, 1/8 inch; green out, blue in. */
static const uint32_t config_default[HDA_NODES] = {[LINE_OUT] = 0x01014010, [LINE_IN] = 0x01813020};

#define SUBSYSTEM 0x1af40022

const struct state_field hda_node_fields[] = {
	ST_U(struct hda_node_hw, config),
	ST_U(struct hda_node_hw, format),
	ST_BYTES(struct hda_node_hw, amp),
	ST_U(struct hda_node_hw, stream),
	ST_U(struct hda_node_hw, pin),
	ST_U(struct hda_node_hw, power),
	ST_U(struct hda_node_hw, unsolicited),
	ST_END,
};

void hda_codec_reset(struct hda *h)
{
	for (unsigned n = 0; n < HDA_NODES; n++)
		h->hw.node[n] = (struct hda_node_hw){.config = config_default[n],
			.amp = {AMP_0DB, AMP_0DB},
			.pin = n == LINE_OUT  ? 0x40
			       : n == LINE_IN ? 0x20
					      : 0};
}

/* Verbs with 16 bits of payload, by their four bits. */
enum { V_SET_FORMAT = 0x2, V_SET_AMP = 0x3, V_GET_FORMAT = 0xa, V_GET_AMP = 0xb };

/* Verbs with 8 bits of payload. */
enum {
	V_SET_POWER = 0x705,
	V_SET_STREAM = 0x706,
	V_SET_PIN = 0x707,
	V_SET_UNSOLICITED = 0x708,
	V_SET_CONFIG = 0x71c, /* to 0x71f: a byte each */
	V_RESET = 0x7ff,
	V_GET_PARAM = 0xf00,
	V_GET_LIST = 0xf02,
	V_GET_POWER = 0xf05,
	V_GET_STREAM = 0xf06,
	V_GET_PIN = 0xf07,
	V_GET_UNSOLICITED = 0xf08,
	V_GET_SENSE = 0xf09,
	V_GET_CONFIG = 0xf1c,
	V_GET_SUBSYSTEM = 0xf20,
};

static bool is_converter(unsigned n)
{
	return n == DAC || n == ADC;
}

static bool is_pin(unsigned n)
{
	return n == LINE_OUT || n == LINE_IN;
}

/* Payload of V_SET_AMP, section 7.3.3.7: bit 15 output, 14 input, 13 left, 12 right. */
static void set_amp(struct hda_node_hw *node, unsigned n, unsigned payload)
{
	if (!is_converter(n) || !(payload & (n == DAC ? 0x8000 : 0x4000)))
		return;
	for (unsigned side = 0; side < 2; side++) {
		if (payload & (0x2000u >> side))
			node->amp[side] = (uint8_t)payload;
	}
}

static uint32_t get_amp(const struct hda_node_hw *node, unsigned n, unsigned payload)
{
	bool left = payload & 0x2000, output = payload & 0x8000;

	return is_converter(n) && output == (n == DAC) ? node->amp[!left] : 0;
}

static bool long_verb(struct hda *h, unsigned n, unsigned verb, unsigned payload, uint32_t *ret)
{
	struct hda_node_hw *node = &h->hw.node[n];

	*ret = 0;
	switch (verb) {
	case V_SET_FORMAT:
		if (is_converter(n))
			node->format = (uint16_t)payload;
		return true;
	case V_SET_AMP: set_amp(node, n, payload); return true;
	case V_GET_FORMAT: *ret = node->format; return true;
	case V_GET_AMP: *ret = get_amp(node, n, payload); return true;
	default: return false;
	}
}

static void set(struct hda *h, unsigned n, unsigned verb, uint8_t payload)
{
	struct hda_node_hw *node = &h->hw.node[n];
	unsigned shift = 8 * (verb % 4);

	switch (verb) {
	case V_SET_POWER:
		if (params[n][P_POWER])
			node->power = payload & 0xf;
		break;
	case V_SET_STREAM:
		if (is_converter(n))
			node->stream = payload;
		break;
	case V_SET_PIN:
		if (is_pin(n))
			node->pin = payload & (n == LINE_OUT ? 0x40 : 0x20);
		break;
	case V_SET_UNSOLICITED: node->unsolicited = payload & 0xbf; break;
	case V_SET_CONFIG:
	case V_SET_CONFIG + 1:
	case V_SET_CONFIG + 2:
	case V_SET_CONFIG + 3:
		node->config = (node->config & ~(0xffu << shift)) | (uint32_t)payload << shift;
		break;
	case V_RESET:
		if (n == GROUP)
			hda_codec_reset(h);
		break;
	default: break;
	}
}

/* What is not known is answered with 0, section 7.3.1. */
static uint32_t get(const struct hda *h, unsigned n, unsigned verb, uint8_t payload)
{
	const struct hda_node_hw *node = &h->hw.node[n];

	switch (verb) {
	case V_GET_PARAM: return payload < PARAMS ? params[n][payload] : 0;
	case V_GET_LIST: return payload ? 0 : connected[n];
	case V_GET_POWER: return node->power | (uint32_t)node->power << 4;
	case V_GET_STREAM: return node->stream;
	case V_GET_PIN: return node->pin;
	case V_GET_UNSOLICITED: return node->unsolicited;
	case V_GET_SENSE: return is_pin(n) ? PRESENT : 0;
	case V_GET_CONFIG: return node->config;
	case V_GET_SUBSYSTEM: return n == GROUP ? SUBSYSTEM : 0;
	default: return 0;
	}
}

bool hda_codec_command(struct hda *h, uint32_t command, uint32_t *ret_response)
{
	unsigned n = command >> 20 & 0xff, verb = command >> 8 & 0xfff;
	uint8_t payload = (uint8_t)command;

	*ret_response = 0;
	if (command >> 28 != ADDRESS)
		return false;
	if (n >= HDA_NODES || long_verb(h, n, command >> 16 & 0xf, command & 0xffff, ret_response))
		return true;
	set(h, n, verb, payload);
	*ret_response = get(h, n, verb, payload);
	return true;
}
