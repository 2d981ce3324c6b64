/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/platform/hpet.h"
#include "devmodel/platform/i8257.h"
#include "devmodel/platform/irqchip.h"
#include "devmodel/platform/pflash.h"
#include "devmodel/platform/platform.h"
#include "devmodel/platform/vmgenid.h"

const struct dev_ops *const platform_devices[] = {
	&fw_cfg_ops,
	&rtc_ops,
	&hpet_ops,
	&i8257_ops,
	&i8259_ops,
	&i8254_ops,
	&ioapic_ops,
	&port92_ops,
	&isa_debugcon_ops,
	&isa_debug_exit_ops,
	&pvpanic_ops,
	&pflash_ops,
	&vmgenid_ops,
	NULL,
};
