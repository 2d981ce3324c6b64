/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/net/net-devices.h"

const struct dev_ops *const net_devices[] = {&e1000_ops, &e1000e_ops, &rtl8139_ops, NULL};
