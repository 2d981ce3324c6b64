/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audio.h - emulated sound devices. Nothing is heard: what a guest plays is dropped, what it
 * records is silence, both at the pace of the virtual clock, so that drivers come up and programs
 * that play do not wait for ever.
 *
 *	ich9-intel-hda	High Definition Audio controller of Intel's ICH9 (8086:293e), with
 *			one codec at address 0: line out and line in, stereo
 *
 * A PCI function: the machine sets pci_dev.bus before realize.
 */
#ifndef DEVMODEL_AUDIO_AUDIO_H
#define DEVMODEL_AUDIO_AUDIO_H

#include "devmodel/pci/pci.h"

/* Ends with NULL. */
extern const struct dev_ops *const audio_devices[];

extern const struct dev_ops ich9_intel_hda_ops;

#endif
