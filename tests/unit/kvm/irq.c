/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupts from outside into a halted guest: MSI routes, pins of the IOAPIC and of the 8259A, acknowledgement, NMI. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/kvm/kvmrig.h"

GUEST(interrupts);
GUEST(ioapic);
GUEST(pic);
GUEST(pic_handlers);

/* In rig.test. */
#define TAKEN  0 /* interrupts that the guest has reported */
#define VECTOR 1 /* of the last one */
#define LOWER  2 /* this pin plus one goes low when the guest reports */

static void take_interrupt(struct rig *r, struct rig_access *a)
{
	g_assert_true(a->space == BUS_PIO && a->write && a->offset == RIG_IRQ_PORT - RIG_PORTS);
	if (r->test[LOWER])
		r->accel->ops->gsi_set(r->accel, (unsigned)r->test[LOWER] - 1, false);
	r->test[VECTOR] = a->value;
	__atomic_fetch_add(&r->test[TAKEN], 1, __ATOMIC_RELEASE);
}

static uint64_t taken(struct rig *r)
{
	return __atomic_load_n(&r->test[TAKEN], __ATOMIC_ACQUIRE);
}

static void expect(struct rig *r, uint64_t n, unsigned vector)
{
	rig_wait(r, taken(r) >= n || rig_atomic(&r->events[0]));
	g_assert_cmpstr(r->detail, ==, "");
	g_assert_cmpuint(taken(r), ==, n);
	g_assert_cmphex(r->test[VECTOR], ==, vector);
}

static struct rig *start(const struct rig_conf *conf)
{
	struct rig *r = rig_new(conf);

	rig_run(r);
	rig_wait(r, rig_atomic(&r->done));
	return r;
}

static struct accel_msi message(unsigned vector)
{
	return (struct accel_msi){.addr = 0xfee00000, .data = vector};
}

static void test_msi_send(void)
{
	struct rig *r = start(RIG_CONF(ACCEL_CPU_LONG, interrupts, .access = take_interrupt));

	for (unsigned i = 0; i < 20; i++) {
		struct accel_msi m = message(0x30 + i);

		g_assert_cmpint(r->accel->ops->msi_send(r->accel, &m), ==, 0);
		expect(r, i + 1, 0x30 + i);
	}
	rig_free(r);
}

#define ROUTES 8

/* Eight routes, one call to the kernel; then each eventfd brings its own vector, and none costs an exit but the guest's. */
static void test_routes(void)
{
	struct rig *r = start(RIG_CONF(ACCEL_CPU_LONG, interrupts, .access = take_interrupt));
	const struct accel_ops *ops = r->accel->ops;
	unsigned before = spy_count(KVM_SET_GSI_ROUTING), gsi[ROUTES];
	int fd[ROUTES];

	for (unsigned i = 0; i < ROUTES; i++) {
		struct accel_msi m = message(0x40 + i);
		int n = ops->gsi_alloc(r->accel);

		g_assert_cmpint(n, >=, GSI_PINS);
		gsi[i] = (unsigned)n;
		ops->route_set(r->accel, gsi[i], &m);
	}
	g_assert_cmpint(ops->route_commit(r->accel), ==, 0);
	g_assert_cmpint(ops->route_commit(r->accel), ==, 0);
	g_assert_cmpuint(spy_count(KVM_SET_GSI_ROUTING), ==, before + 1);
	for (unsigned i = 0; i < ROUTES; i++) {
		fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		g_assert_cmpint(ops->irqfd(r->accel, gsi[i], fd[i], -1, true), ==, 0);
	}
	for (unsigned i = 0; i < 4 * ROUTES; i++) {
		g_assert_cmpint(eventfd_write(fd[i % ROUTES], 1), ==, 0);
		expect(r, i + 1, 0x40 + i % ROUTES);
	}

	/* A route that changes takes effect with the commit. */
	ops->route_set(
		r->accel, gsi[3], &(const struct accel_msi){.addr = 0xfee00000, .data = 0x55});
	g_assert_cmpint(ops->route_commit(r->accel), ==, 0);
	g_assert_cmpint(eventfd_write(fd[3], 1), ==, 0);
	expect(r, 4 * ROUTES + 1, 0x55);

	/* Disconnected, it only counts. */
	g_assert_cmpint(ops->irqfd(r->accel, gsi[3], fd[3], -1, false), ==, 0);
	g_assert_cmpint(eventfd_write(fd[3], 1), ==, 0);
	g_assert_cmpint(eventfd_write(fd[4], 1), ==, 0);
	expect(r, 4 * ROUTES + 2, 0x44);

	for (unsigned i = 0; i < ROUTES; i++) {
		ops->gsi_free(r->accel, gsi[i]);
		close(fd[i]);
	}
	g_assert_cmpint(ops->gsi_alloc(r->accel), ==, (int)gsi[0]);
	rig_free(r);
}

static void test_gsi_numbers(void)
{
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_LONG, interrupts));
	const struct accel_ops *ops = r->accel->ops;
	int last = GSI_PINS - 1, n;

	while ((n = ops->gsi_alloc(r->accel)) >= 0) {
		struct accel_msi m = message(0x40);

		g_assert_cmpint(n, ==, last + 1);
		last = n;
		ops->route_set(r->accel, (unsigned)n, &m);
	}
	g_assert_cmpint(n, ==, -ENOSPC);
	g_assert_cmpint(last, ==, 1023);
	g_assert_cmpint(ops->route_commit(r->accel), ==, 0);
	rig_free(r);
}

/* Waits for an interrupt of @vector beyond the first @n. */
static void expect_more(struct rig *r, uint64_t n, unsigned vector)
{
	rig_wait(r, (taken(r) > n && r->test[VECTOR] == vector) || rig_atomic(&r->events[0]));
	g_assert_cmpstr(r->detail, ==, "");
}

/*
 * A level pin interrupts until the device lowers it, then no more: the edge that follows is the last one seen. Software KVM
 * acknowledges as it delivers, so one more may be under way when the device lowers the pin.
 */
static void test_ioapic(void)
{
	struct rig *r = start(RIG_CONF(ACCEL_CPU_LONG, ioapic, .access = take_interrupt));
	const struct accel_ops *ops = r->accel->ops;

	for (unsigned i = 0; i < 10; i++) {
		uint64_t before = taken(r);

		r->test[LOWER] = 10 + 1;
		g_assert_cmpint(ops->gsi_set(r->accel, 10, true), ==, 0);
		expect_more(r, before, 0x31);
		g_assert_cmpint(ops->gsi_set(r->accel, 5, true), ==, 0);
		expect_more(r, before + 1, 0x32);
		g_assert_cmpuint(taken(r), <=, before + 3);
		g_assert_cmpint(ops->gsi_set(r->accel, 5, false), ==, 0);
	}
	/* Nothing lowers it: again and again. */
	r->test[LOWER] = 0;
	g_assert_cmpint(ops->gsi_set(r->accel, 10, true), ==, 0);
	rig_wait(r, taken(r) >= 50);
	g_assert_cmpint(ops->gsi_set(r->accel, 10, false), ==, 0);
	rig_free(r);
}

/* With a resample eventfd the guest's EOI lowers the pin and tells the device. */
static void test_resample(void)
{
	struct rig *r = start(RIG_CONF(ACCEL_CPU_LONG, ioapic, .access = take_interrupt));
	const struct accel_ops *ops = r->accel->ops;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
	    ack = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	eventfd_t n;

	g_assert_cmpint(ops->irqfd(r->accel, 10, fd, ack, true), ==, 0);
	for (unsigned i = 0; i < 10; i++) {
		g_assert_cmpint(eventfd_write(fd, 1), ==, 0);
		expect(r, i + 1, 0x31);
		rig_wait(r, eventfd_read(ack, &n) == 0);
	}
	g_assert_cmpint(ops->irqfd(r->accel, 10, fd, ack, false), ==, 0);
	close(fd);
	close(ack);
	rig_free(r);
}

static void test_pic(void)
{
	static const uint16_t vectors[][2] = {{0x09 * 4, 0}, {0x74 * 4, 0x10}};
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_RESET, pic, .access = take_interrupt));
	const struct accel_ops *ops = r->accel->ops;

	/* The program again at F000:0 in RAM, where interrupts return to; its handlers at 0E00:0. */
	rig_set_ram(r, 0xf0000, guest_pic, (size_t)(guest_pic_end - guest_pic));
	rig_set_ram(r, 0xe000, guest_pic_handlers,
		(size_t)(guest_pic_handlers_end - guest_pic_handlers));
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
		rig_set_ram(r, vectors[i][0], (const uint16_t[]){vectors[i][1], 0x0e00}, 4);
	rig_run(r);
	rig_wait(r, rig_atomic(&r->done));
	for (unsigned i = 0; i < 10; i++) {
		unsigned gsi = i % 2 ? 12 : 1;

		g_assert_cmpint(ops->gsi_set(r->accel, gsi, true), ==, 0);
		expect(r, i + 1, i % 2 ? 0x74 : 0x09);
		g_assert_cmpint(ops->gsi_set(r->accel, gsi, false), ==, 0);
	}
	rig_free(r);
}

/* Gate 2 is that of vector 0x22. */
static void test_nmi(void)
{
	struct rig *r = rig_new(RIG_CONF(ACCEL_CPU_LONG, interrupts, .access = take_interrupt));
	uint64_t gate = rig_ram(r, 0x8000 + 0x22 * 16, 8);

	rig_set_ram(r, 0x8000 + 2 * 16, &gate, sizeof(gate));
	rig_run(r);
	rig_wait(r, rig_atomic(&r->done));
	for (unsigned i = 0; i < 3; i++) {
		g_assert_cmpint(r->accel->ops->nmi(r->accel), ==, 0);
		expect(r, i + 1, 0x22);
	}
	rig_free(r);
}

int main(int argc, char **argv)
{
	rig_test_init(&argc, &argv);
	g_test_add_func("/kvm/irq/msi-send", test_msi_send);
	g_test_add_func("/kvm/irq/routes", test_routes);
	g_test_add_func("/kvm/irq/gsi-numbers", test_gsi_numbers);
	g_test_add_func("/kvm/irq/ioapic", test_ioapic);
	g_test_add_func("/kvm/irq/resample", test_resample);
	g_test_add_func("/kvm/irq/pic", test_pic);
	g_test_add_func("/kvm/irq/nmi", test_nmi);
	return g_test_run();
}
