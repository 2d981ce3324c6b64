/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/version.h"

const char vmmd_version[] = VMMD_VERSION;
