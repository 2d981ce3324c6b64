/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/charout.h"

#include <string.h>

/* The oldest bytes that lie together. */
static size_t peek(struct charout *o, uint8_t *copy)
{
	size_t n;

	pthread_mutex_lock(&o->lock);
	n = MIN(o->len, CHAROUT_SIZE - o->head);
	memcpy(copy, o->buf + o->head, n);
	pthread_mutex_unlock(&o->lock);
	return n;
}

/* True when somebody waits for the room that this made. */
static bool drop(struct charout *o, size_t n)
{
	bool waits;

	pthread_mutex_lock(&o->lock);
	o->head = (unsigned)(o->head + n) % CHAROUT_SIZE;
	o->len -= (unsigned)n;
	waits = o->waiting;
	o->waiting = false;
	pthread_mutex_unlock(&o->lock);
	return waits;
}

/* A copy is written without the lock: the system call behind it does not hold up a vCPU. */
static void drain(struct charout *o)
{
	uint8_t copy[CHAROUT_SIZE];
	bool waits = false;
	size_t n;

	while ((n = peek(o, copy))) {
		ssize_t taken = chardev_write(o->chr, copy, n);

		if (!taken)
			break;
		/* An error of the host takes them all: a guest does not stop for it. */
		waits |= drop(o, taken < 0 ? n : (size_t)taken);
	}
	if (waits && o->room)
		o->room(o->opaque);
}

static void drain_call(struct loop_call *c)
{
	drain(container_of(c, struct charout, call));
}

void charout_init(struct charout *o, struct chardev *chr, struct loop *loop,
	void (*room)(void *opaque), void *opaque)
{
	*o = (struct charout){
		.chr = chr, .loop = loop, .room = room, .opaque = opaque, .call.fn = drain_call};
	pthread_mutex_init(&o->lock, NULL);
}

void charout_done(struct charout *o)
{
	if (!o->loop)
		return;
	o->room = NULL;
	loop_call_cancel(o->loop, &o->call);
	if (o->chr)
		drain(o);
	pthread_mutex_destroy(&o->lock);
}

size_t charout_put(struct charout *o, const uint8_t *buf, size_t n)
{
	size_t taken;

	if (!o->chr)
		return n;
	pthread_mutex_lock(&o->lock);
	taken = MIN(n, CHAROUT_SIZE - o->len);
	for (size_t i = 0; i < taken; i++)
		o->buf[(o->head + o->len++) % CHAROUT_SIZE] = buf[i];
	pthread_mutex_unlock(&o->lock);
	loop_post(o->loop, &o->call);
	return taken;
}

bool charout_has_room(struct charout *o, size_t n)
{
	bool has;

	if (!o->chr)
		return true;
	pthread_mutex_lock(&o->lock);
	has = CHAROUT_SIZE - o->len >= n;
	o->waiting |= !has;
	pthread_mutex_unlock(&o->lock);
	return has;
}

void charout_writable(struct charout *o)
{
	drain(o);
}
