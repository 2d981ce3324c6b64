/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/chardev.h"

#include <errno.h>

int chardev_attach(
	struct chardev *c, struct loop *loop, const struct chardev_front *front, void *opaque)
{
	int err;

	if (c->front)
		return -EBUSY;
	c->loop = loop;
	c->front = front;
	c->opaque = opaque;
	err = c->ops->attach(c, loop);
	if (err < 0)
		c->front = NULL;
	return err;
}

void chardev_detach(struct chardev *c)
{
	if (!c->front)
		return;
	c->ops->detach(c);
	c->front = NULL;
	c->opaque = NULL;
	c->loop = NULL;
}

ssize_t chardev_write(struct chardev *c, const uint8_t *buf, size_t n)
{
	return c->ops->write(c, buf, n);
}

void chardev_accept_input(struct chardev *c)
{
	c->ops->accept_input(c);
}

void chardev_free(struct chardev *c)
{
	if (!c)
		return;
	chardev_detach(c);
	c->ops->free(c);
}
