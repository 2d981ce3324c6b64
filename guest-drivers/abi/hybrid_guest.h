/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver's side of the hybrid controller, shared by the Linux module, the Windows bus driver
 * and the tests: everything about the protocol that is not about an operating system.
 *
 * The caller supplies the two port accesses and serialises calls on one controller.  Nothing here
 * sleeps or allocates; any IRQL, any context in which a port may be touched.  What the host
 * answers is checked: an answer that this version does not know counts as a refusal.
 */
#ifndef GUEST_DRIVERS_ABI_HYBRID_GUEST_H
#define GUEST_DRIVERS_ABI_HYBRID_GUEST_H

#include "guest-drivers/abi/hybrid.h"

/* Port access at HYBRID_REG_* reg with its width of 1, 2 or 4 bytes. */
struct hybrid_io {
	uint32_t (*read)(void *opaque, unsigned int reg, unsigned int width);
	void (*write)(void *opaque, unsigned int reg, unsigned int width, uint32_t value);
	void *opaque;
};

/* What a greeting found.  build and version are the host's. */
struct hybrid_host {
	int present; /* the magic and a version were there; otherwise the rest is 0 */
	uint16_t version;
	uint32_t build;
	uint16_t answer; /* enum hybrid_answer, or a later value, which is a refusal */
};

static inline int hybrid_welcome(const struct hybrid_host *host)
{
	return host->present && host->answer == HYBRID_ANSWER_WELCOME;
}

/*
 * Looks for the controller and, if it is there, greets it as product and build.  Nothing is
 * written to a port before the magic was read, so this is safe on any machine.
 */
static inline struct hybrid_host hybrid_greet(
	const struct hybrid_io *io, enum hybrid_product product, uint32_t build)
{
	struct hybrid_host host = {0};

	if (io->read(io->opaque, HYBRID_REG_MAGIC, 4) != HYBRID_MAGIC_VALUE)
		return host;
	host.version = (uint16_t)io->read(io->opaque, HYBRID_REG_VERSION, 2);
	if (host.version == 0)
		return host;

	host.present = 1;
	host.build = io->read(io->opaque, HYBRID_REG_HOST_BUILD, 4);
	io->write(io->opaque, HYBRID_REG_PRODUCT, 2, product);
	io->write(io->opaque, HYBRID_REG_BUILD, 4, build);
	host.answer = (uint16_t)io->read(io->opaque, HYBRID_REG_ANSWER, 2);
	return host;
}

/* One line of text, cut at the host's limit, to the host's log.  Only once it is present. */
static inline void hybrid_log(const struct hybrid_io *io, const char *line)
{
	unsigned int n;

	for (n = 0; n < HYBRID_LOG_LINE && line[n] != '\0' && line[n] != '\n'; n++)
		io->write(io->opaque, HYBRID_REG_LOG, 1, (uint8_t)line[n]);
	io->write(io->opaque, HYBRID_REG_LOG, 1, '\n');
}

/* HYBRID_STATE_* of one device; 0 if there is none of that number. */
static inline uint16_t hybrid_state(
	const struct hybrid_io *io, enum hybrid_class device_class, unsigned int index)
{
	uint16_t state;

	io->write(io->opaque, HYBRID_REG_SELECT, 2, HYBRID_SELECT(device_class, index));
	state = (uint16_t)io->read(io->opaque, HYBRID_REG_STATE, 2);
	return state & HYBRID_STATE_PRESENT ? state : 0;
}

static inline const char *hybrid_answer_name(uint16_t answer)
{
	switch (answer) {
	case HYBRID_ANSWER_NONE: return "none";
	case HYBRID_ANSWER_WELCOME: return "welcome";
	case HYBRID_ANSWER_REFUSED_PRODUCT: return "refused-product";
	case HYBRID_ANSWER_REFUSED_BUILD: return "refused-build";
	case HYBRID_ANSWER_REFUSED_POLICY: return "refused-policy";
	default: return "refused-unknown";
	}
}

#endif
