/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/input.h"

#include <errno.h>

struct input {
	struct input_handler *handlers;
	unsigned rank;                  /* of the handler added or activated last; atomic */
	unsigned leds;                  /* atomic */
	struct input_handler *keyboard; /* who was told that the keys in down are down */
	uint8_t down[INPUT_KEY_MAX + 1];
	unsigned buttons;
	unsigned x, y; /* the last position */
	bool placed;   /* there is one */
};

struct input *input_new(void)
{
	return g_new0(struct input, 1);
}

void input_free(struct input *i)
{
	g_free(i);
}

/* ---- handlers ---- */

static bool has_keys(const struct input_handler *h)
{
	return h->key;
}

static bool has_pointer(const struct input_handler *h)
{
	return h->rel || h->abs;
}

/* The highest of those that have what @has asks for, or NULL. */
static struct input_handler *find(const struct input *i, bool (*has)(const struct input_handler *h))
{
	struct input_handler *best = NULL;
	unsigned best_rank = 0;

	for (struct input_handler *h = i->handlers; h; h = h->next) {
		unsigned rank = __atomic_load_n(&h->rank, __ATOMIC_RELAXED);

		if (has(h) && rank > best_rank) {
			best = h;
			best_rank = rank;
		}
	}
	return best;
}

void input_activate(struct input *i, struct input_handler *h)
{
	unsigned rank = __atomic_add_fetch(&i->rank, 1, __ATOMIC_RELAXED);

	__atomic_store_n(&h->rank, rank, __ATOMIC_RELAXED);
}

void input_add(struct input *i, struct input_handler *h)
{
	input_activate(i, h);
	h->next = i->handlers;
	i->handlers = h;
}

void input_remove(struct input *i, struct input_handler *h)
{
	struct input_handler **p = &i->handlers;

	while (*p && *p != h)
		p = &(*p)->next;
	if (*p)
		*p = h->next;
	if (i->keyboard == h)
		i->keyboard = NULL;
}

void input_set_leds(struct input *i, unsigned leds)
{
	__atomic_store_n(&i->leds, leds, __ATOMIC_RELAXED);
}

unsigned input_leds(const struct input *i)
{
	return __atomic_load_n(&i->leds, __ATOMIC_RELAXED);
}

/* ---- keys ---- */

static void release_keys(struct input *i)
{
	for (unsigned code = 0; code <= INPUT_KEY_MAX; code++) {
		if (i->down[code] && i->keyboard)
			i->keyboard->key(i->keyboard, code, false);
		i->down[code] = false;
	}
}

int input_key(struct input *i, unsigned code, bool down)
{
	struct input_handler *h = find(i, has_keys);

	if (!code || code > INPUT_KEY_MAX)
		return -EINVAL;
	if (h != i->keyboard) {
		release_keys(i);
		i->keyboard = h;
	}
	if (h && (down || i->down[code])) {
		i->down[code] = down;
		h->key(h, code, down);
	}
	return 0;
}

/* ---- pointer ---- */

static unsigned to_position(int64_t nominal)
{
	return (unsigned)(CLAMP(nominal, 0, INPUT_NOMINAL_SIDE - 1) * INPUT_ABS_MAX /
			  (INPUT_NOMINAL_SIDE - 1));
}

/* Rounded, so that to_position() and back is the same. */
static int to_nominal(unsigned position)
{
	return (int)((position * (INPUT_NOMINAL_SIDE - 1) + INPUT_ABS_MAX / 2) / INPUT_ABS_MAX);
}

void input_move(struct input *i, int dx, int dy, int wheel, unsigned buttons)
{
	struct input_handler *h = find(i, has_pointer);

	i->buttons = buttons;
	if (h && h->rel) {
		h->rel(h, dx, dy, wheel, buttons);
	} else if (h) {
		if (dx)
			i->x = to_position((int64_t)to_nominal(i->x) + dx);
		if (dy)
			i->y = to_position((int64_t)to_nominal(i->y) + dy);
		h->abs(h, i->x, i->y, wheel, buttons);
	}
}

void input_point(struct input *i, unsigned x, unsigned y, int wheel, unsigned buttons)
{
	struct input_handler *h = find(i, has_pointer);
	unsigned old_x = i->x, old_y = i->y;
	bool known = i->placed;

	i->x = MIN(x, INPUT_ABS_MAX);
	i->y = MIN(y, INPUT_ABS_MAX);
	i->placed = true;
	i->buttons = buttons;
	if (h && h->abs)
		h->abs(h, i->x, i->y, wheel, buttons);
	else if (h)
		h->rel(h, known ? to_nominal(i->x) - to_nominal(old_x) : 0,
			known ? to_nominal(i->y) - to_nominal(old_y) : 0, wheel, buttons);
}

void input_release_all(struct input *i)
{
	release_keys(i);
	if (i->buttons)
		input_move(i, 0, 0, 0, 0);
}

bool input_is_absolute(const struct input *i)
{
	const struct input_handler *h = find(i, has_pointer);

	return h && h->abs;
}
