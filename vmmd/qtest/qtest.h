/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qtest.h - the accelerator without a CPU: a program at the other end of a socket drives registers and memory, looks at
 * interrupt lines and steps time. Protocol: docs/qtest.md.
 */
#ifndef VMMD_QTEST_QTEST_H
#define VMMD_QTEST_QTEST_H

#include "base/accel.h"

struct bus;
struct irq_sink;
struct loop;

/* Clocks given to the bus must be stepped ones. Message-signalled interrupts become memory writes. Cannot fail. */
struct accel *qtest_accel_new(struct loop *loop);

/*
 * The machine's own interrupt controllers (devmodel/platform/irqchip.h), which GSIs drive from now on. Set-up; they live until
 * no device drives a pin any more.
 */
void qtest_accel_wire(struct accel *a, struct irq_sink *pic, struct irq_sink *ioapic);

/*
 * Serves the line protocol on the connected stream socket @fd (owned from now on) over @bus, on the accelerator's loop, until
 * the peer closes it; then @closed is called. Lines longer than 16 MiB end the connection. @log_fd: -1, or where each line is
 * written too.
 */
struct qtest_server *qtest_serve(struct accel *a, struct bus *bus, int fd, int log_fd,
	void (*closed)(void *opaque), void *opaque);
void qtest_server_free(struct qtest_server *s);

#endif
