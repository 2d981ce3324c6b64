/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef API_VERSION_H
#define API_VERSION_H

/* Of this release, e.g. "0.1.0". */
extern const char vmmd_version[];

#endif
