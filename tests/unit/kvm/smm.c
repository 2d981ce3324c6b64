/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System management mode: an SMI, and memory that is there in this mode only. Skipped where KVM has
 * none.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/unit/kvm/kvmrig.h"

#define SEGMENT 0xa0000
#define HIDDEN  0x200000 /* where in RAM the memory is that the segment shows in this mode */
#define HANDLER 0x38000
#define BEFORE  0x10 /* ports */
#define AFTER   0x14
#define DURING  0x18
#define SMI     0x20

GUEST(smi);
GUEST(smi_handler);

enum { SAW_BEFORE, SAW_DURING, SAW_AFTER, SMIS };

static void on_access(struct rig *r, struct rig_access *a)
{
	switch (a->offset) {
	case BEFORE: r->test[SAW_BEFORE] = a->value; break;
	case DURING: r->test[SAW_DURING] = a->value; break;
	case AFTER: r->test[SAW_AFTER] = a->value; break;
	case SMI:
		r->test[SMIS]++;
		g_assert_cmpint(r->accel->ops->smi(r->accel, false), ==, 0);
		break;
	}
}

static bool kvm_has_smm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	bool has = fd >= 0 && ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM) > 0;

	if (fd >= 0)
		close(fd);
	return has;
}

static void interrupt_and_view(void)
{
	static const uint32_t open_word = 0x11111111, hidden_word = 0x22222222;
	struct region segment;
	struct rig *r;

	if (!kvm_has_smm()) {
		g_test_skip("this KVM has no system management mode");
		return;
	}
	r = rig_new(RIG_CONF(ACCEL_CPU_PROTECTED, smi, .access = on_access, .smm = true));
	rig_set_ram(r, SEGMENT, &open_word, sizeof(open_word));
	rig_set_ram(r, HIDDEN, &hidden_word, sizeof(hidden_word));
	rig_set_ram(
		r, HANDLER, guest_smi_handler, (size_t)(guest_smi_handler_end - guest_smi_handler));
	bus_lock(r->bus);
	region_init_mem(&segment, "segment", r->ram, HIDDEN, 4 * KiB, false);
	segment.view = REGION_VIEW_SMM;
	g_assert_cmpint(region_map(r->bus, &segment, SEGMENT, REGION_PRIO_OVERLAY), ==, 0);
	bus_unlock(r->bus);
	rig_run_until_done(r, 1);
	rig_pause(r);
	g_assert_cmphex(r->test[SAW_BEFORE], ==, open_word);
	g_assert_cmphex(r->test[SAW_DURING], ==, hidden_word);
	g_assert_cmphex(r->test[SAW_AFTER], ==, open_word);
	g_assert_cmpuint(r->test[SMIS], ==, 1);
	g_assert_cmpuint(rig_atomic(&r->events[ACCEL_INTERNAL_ERROR]), ==, 0);
	rig_free(r);
}

/* Asked for where there is none: an error that names what is missing. */
static void refused(void)
{
	g_autoptr(GError) error = NULL;

	if (kvm_has_smm()) {
		g_test_skip("this KVM has system management mode");
		return;
	}
	g_assert_null(kvm_new(&(struct kvm_conf){.fd = -1, .irqchip = true, .smm = true}, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_UNSUPPORTED);
	g_assert_nonnull(strstr(error->message, "KVM_CAP_X86_SMM"));
}

int main(int argc, char **argv)
{
	rig_test_init(&argc, &argv);
	g_test_add_func("/kvm-smm/interrupt-and-view", interrupt_and_view);
	g_test_add_func("/kvm-smm/refused", refused);
	return g_test_run();
}
