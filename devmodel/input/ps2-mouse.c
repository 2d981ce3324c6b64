/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <string.h>

#include "devmodel/input/ps2.h"

/* Commands. */
enum {
	MOUSE_SCALING_1 = 0xe6,
	MOUSE_SCALING_2 = 0xe7,
	MOUSE_RESOLUTION = 0xe8,
	MOUSE_STATUS = 0xe9,
	MOUSE_STREAM = 0xea,
	MOUSE_READ = 0xeb,
	MOUSE_END_WRAP = 0xec,
	MOUSE_WRAP = 0xee,
	MOUSE_REMOTE = 0xf0,
	MOUSE_IDENTIFY = 0xf2,
	MOUSE_RATE = 0xf3,
	MOUSE_ENABLE = 0xf4,
	MOUSE_DISABLE = 0xf5,
	MOUSE_DEFAULTS = 0xf6,
	MOUSE_RESEND = 0xfe,
	MOUSE_RESET = 0xff,
};

#define PACKET_ALWAYS      0x08
#define PACKET_X_NEGATIVE  0x10
#define PACKET_Y_NEGATIVE  0x20
#define COUNTS_MAX         255  /* of one packet */
#define PENDING_MAX        4096 /* counts kept while the host does not read */
#define DEFAULT_RATE       100
#define DEFAULT_RESOLUTION 2
#define WHEEL_MAX          7 /* clicks in one packet */
#define BUTTONS            0x1f
#define PLAIN_BUTTONS      0x07
#define SIDE_BUTTONS_SHIFT 1 /* from where they are in BUTTONS to their place in byte 4 */

/* ---- packets ---- */

static int pending(uint16_t counts)
{
	return (int16_t)counts;
}

static uint16_t moved(uint16_t counts, int by)
{
	return (uint16_t)CLAMP(pending(counts) + by, -PENDING_MAX, PENDING_MAX);
}

/* Takes what one packet can carry: @max of them. */
static int take(uint16_t *counts, int max)
{
	int n = CLAMP(pending(*counts), -max, max);

	*counts = (uint16_t)(pending(*counts) - n);
	return n;
}

/* Scaling 2:1 makes slow movement slower and fast movement faster; in stream mode only. */
static int scale(const struct ps2_mouse_hw *m, int n)
{
	static const int8_t slow[] = {0, 1, 1, 3, 6, 9};
	int size = ABS(n);

	if (!m->scaling_2 || m->remote)
		return n;
	size = size < (int)ARRAY_SIZE(slow) ? slow[size] : MIN(2 * size, COUNTS_MAX);
	return n < 0 ? -size : size;
}

/* The wheel has eight bits, of which an Explorer gives four to itself and two to buttons. */
static uint8_t wheel_byte(struct ps2_mouse_hw *m)
{
	uint8_t wheel = (uint8_t)take(&m->wheel, WHEEL_MAX);

	if (m->id != PS2_MOUSE_EXPLORER)
		return wheel;
	return (wheel & 0x0f) | (m->buttons & ~PLAIN_BUTTONS) << SIDE_BUTTONS_SHIFT;
}

static void put_packet(struct ps2_mouse_hw *m)
{
	int dx = scale(m, take(&m->dx, COUNTS_MAX)), dy = scale(m, take(&m->dy, COUNTS_MAX));

	ps2_put(&m->queue,
		(uint8_t)(PACKET_ALWAYS | (m->buttons & PLAIN_BUTTONS) |
			  (dx < 0 ? PACKET_X_NEGATIVE : 0) | (dy < 0 ? PACKET_Y_NEGATIVE : 0)));
	ps2_put(&m->queue, (uint8_t)dx);
	ps2_put(&m->queue, (uint8_t)dy);
	if (m->id != PS2_MOUSE_PLAIN)
		ps2_put(&m->queue, wheel_byte(m));
	m->reported_buttons = m->buttons;
}

/* One packet at a time: what moves meanwhile goes into the next. */
static void report(struct ps2_mouse_hw *m)
{
	bool news = m->dx || m->dy || m->wheel || m->buttons != m->reported_buttons;

	if (news && m->enabled && !m->remote && !m->wrap && !m->queue.len)
		put_packet(m);
}

/* What this kind of mouse does not have it does not report either. */
static unsigned buttons_of(const struct ps2_mouse_hw *m)
{
	return m->id == PS2_MOUSE_EXPLORER ? BUTTONS : PLAIN_BUTTONS;
}

void ps2_mouse_move(struct ps2_mouse_hw *m, int dx, int dy, int wheel, unsigned buttons)
{
	m->dx = moved(m->dx, CLAMP(dx, -PENDING_MAX, PENDING_MAX));
	m->dy = moved(m->dy, CLAMP(dy, -PENDING_MAX, PENDING_MAX));
	if (m->id != PS2_MOUSE_PLAIN)
		m->wheel = moved(m->wheel, CLAMP(wheel, -PENDING_MAX, PENDING_MAX));
	m->buttons = (uint8_t)(buttons & buttons_of(m));
	report(m);
}

bool ps2_mouse_read(struct ps2_mouse_hw *m, uint8_t *ret)
{
	if (!ps2_get(&m->queue, ret))
		return false;
	if (*ret != PS2_RESEND)
		m->last = *ret;
	report(m);
	return true;
}

/* ---- commands ---- */

static void set_defaults(struct ps2_mouse_hw *m)
{
	uint8_t buttons = m->buttons, last = m->last, id = m->id;

	*m = (struct ps2_mouse_hw){
		.last = last,
		.id = id,
		.buttons = buttons,
		.reported_buttons = buttons,
		.rate = DEFAULT_RATE,
		.resolution = DEFAULT_RESOLUTION,
	};
}

void ps2_mouse_reset(struct ps2_mouse_hw *m, bool bat)
{
	*m = (struct ps2_mouse_hw){.last = 0};
	set_defaults(m);
	if (bat) {
		ps2_put(&m->queue, PS2_BAT_OK);
		ps2_put(&m->queue, PS2_MOUSE_PLAIN);
	}
}

static void put_status(struct ps2_mouse_hw *m)
{
	ps2_put(&m->queue, (uint8_t)((m->remote ? 0x40 : 0) | (m->enabled ? 0x20 : 0) |
				     (m->scaling_2 ? 0x10 : 0) | (m->buttons & 1) << 2 |
				     (m->buttons & 4) >> 1 | (m->buttons & 2) >> 1));
	ps2_put(&m->queue, m->resolution);
	ps2_put(&m->queue, m->rate);
}

/* Modes and switches, which are acknowledged and nothing else; false for other commands. */
static bool set_mode(struct ps2_mouse_hw *m, uint8_t c)
{
	switch (c) {
	case MOUSE_SCALING_1:
	case MOUSE_SCALING_2: m->scaling_2 = c == MOUSE_SCALING_2; break;
	case MOUSE_STREAM:
	case MOUSE_REMOTE: m->remote = c == MOUSE_REMOTE; break;
	case MOUSE_END_WRAP:
	case MOUSE_WRAP: m->wrap = c == MOUSE_WRAP; break;
	case MOUSE_ENABLE:
	case MOUSE_DISABLE: m->enabled = c == MOUSE_ENABLE; break;
	case MOUSE_DEFAULTS: set_defaults(m); break;
	case MOUSE_RESOLUTION:
	case MOUSE_RATE: m->argument_of = c; break;
	default: return false;
	}
	ps2_put(&m->queue, PS2_ACK);
	return true;
}

static void command(struct ps2_mouse_hw *m, uint8_t c)
{
	if (set_mode(m, c))
		return;
	switch (c) {
	case MOUSE_STATUS:
		ps2_put(&m->queue, PS2_ACK);
		put_status(m);
		break;
	case MOUSE_READ:
		ps2_put(&m->queue, PS2_ACK);
		put_packet(m);
		break;
	case MOUSE_IDENTIFY:
		ps2_put(&m->queue, PS2_ACK);
		ps2_put(&m->queue, m->id);
		break;
	case MOUSE_RESEND: ps2_put(&m->queue, m->last); break;
	case MOUSE_RESET:
		ps2_mouse_reset(m, false);
		ps2_put(&m->queue, PS2_ACK);
		ps2_put(&m->queue, PS2_BAT_OK);
		ps2_put(&m->queue, PS2_MOUSE_PLAIN);
		break;
	default: ps2_put(&m->queue, PS2_RESEND); break;
	}
}

static void set_rate(struct ps2_mouse_hw *m, uint8_t rate)
{
	static const uint8_t wheel[] = {200, 100, 80}, explorer[] = {200, 200, 80};

	m->knock[0] = m->knock[1];
	m->knock[1] = m->knock[2];
	m->knock[2] = m->rate = rate;
	if (memcmp(m->knock, wheel, sizeof(wheel)) == 0)
		m->id = PS2_MOUSE_WHEEL;
	else if (memcmp(m->knock, explorer, sizeof(explorer)) == 0)
		m->id = PS2_MOUSE_EXPLORER;
}

static void argument(struct ps2_mouse_hw *m, uint8_t of, uint8_t arg)
{
	bool ok = of == MOUSE_RATE || arg <= 3;

	if (of == MOUSE_RATE)
		set_rate(m, arg);
	else if (ok)
		m->resolution = arg;
	ps2_put(&m->queue, ok ? PS2_ACK : PS2_RESEND);
}

/* A command ends a packet that is under way: its rest is lost, as on the wire. */
void ps2_mouse_write(struct ps2_mouse_hw *m, uint8_t byte)
{
	uint8_t waiting = m->argument_of;

	m->argument_of = 0;
	m->queue.len = 0;
	if (m->wrap && byte != MOUSE_END_WRAP && byte != MOUSE_RESET)
		ps2_put(&m->queue, byte);
	else if (waiting)
		argument(m, waiting, byte);
	else
		command(m, byte);
}

const struct state_field ps2_mouse_fields[] = {
	ST_STRUCT(struct ps2_mouse_hw, queue, ps2_queue_fields),
	ST_U(struct ps2_mouse_hw, dx),
	ST_U(struct ps2_mouse_hw, dy),
	ST_U(struct ps2_mouse_hw, wheel),
	ST_U(struct ps2_mouse_hw, argument_of),
	ST_U(struct ps2_mouse_hw, last),
	ST_MAX(struct ps2_mouse_hw, buttons, BUTTONS),
	ST_MAX(struct ps2_mouse_hw, reported_buttons, BUTTONS),
	ST_U(struct ps2_mouse_hw, rate),
	ST_BYTES(struct ps2_mouse_hw, knock),
	ST_MAX(struct ps2_mouse_hw, id, PS2_MOUSE_EXPLORER),
	ST_MAX(struct ps2_mouse_hw, resolution, 3),
	ST_BOOL(struct ps2_mouse_hw, scaling_2),
	ST_BOOL(struct ps2_mouse_hw, remote),
	ST_BOOL(struct ps2_mouse_hw, wrap),
	ST_BOOL(struct ps2_mouse_hw, enabled),
	ST_END,
};
