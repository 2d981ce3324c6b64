/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine-internal.h - what the files of this folder share.
 *
 *	machine.c     memory, accelerator, order of construction
 *	pc.c q35.c    the chips of each machine type
 *	board.c	      ports and devices that both have
 *	devices.c     consoles and other devices of the spec
 *	firmware.c    its image and its variables
 *	chardevs.c controllers.c disks.c nics.c    devices that have back-ends, a table from the spec's words to functions in each
 *	start.c	      reset: tables, direct boot
 *	fwcfg.c bootorder.c   what firmware is told
 *	direct.c      what firmware would have set up, for a direct boot
 *	acpi*.c aml.c dsdt*.asl smbios.c
 *	boot*.c	      kernels
 */
#ifndef VMMD_MACHINE_MACHINE_INTERNAL_H
#define VMMD_MACHINE_MACHINE_INTERNAL_H

#include "base/error.h"
#include "devmodel/pci/pci.h"
#include "vmmd/machine/boot.h"
#include "vmmd/machine/machine.h"

#define PCI_HOLE_START (UINT64_C(3) * GiB)  /* RAM below 4 GiB ends here at the latest */
#define PCI_HOLE_END   UINT64_C(0xfec00000) /* IOAPIC, LAPIC, firmware from here on */
#define PCI_IO_FIRST   0xc000u              /* BARs of a direct boot */
#define VGA_START      UINT64_C(0xa0000)
#define VGA_SIZE       UINT64_C(0x20000)
#define TABLES_START   UINT64_C(0xe0000) /* ACPI tables of a direct boot */
#define SMBIOS_START   UINT64_C(0xf0000) /* and its SMBIOS, up to the end of */
#define TABLES_SIZE    UINT64_C(0x20000)
#define FIRMWARE_MAX   (16 * MiB)

struct acpi_chipset;
struct acpi_tables;
struct smbios_tables;

/* What differs between the machines. */
struct machine_type {
	const struct acpi_chipset *acpi;
	struct prop_pci isa_bridge;
	/* RAM below 4 GiB ends here at the latest when there are @size bytes of it. */
	uint64_t (*low_end)(uint64_t size);
	/* Where configuration space is in memory, as firmware has set it; NULL: nowhere. Any thread. */
	uint64_t (*ecam)(const struct machine *m);
	/* Chipset and its fixed devices; m->pci is there afterwards. */
	bool (*build)(struct machine *m, GError **error);
	unsigned pam0; /* register of the host bridge: the first of seven that open the BIOS area */
	uint64_t direct_mem;      /* BARs of a direct boot are not below it */
	uint32_t hpet_intcap;     /* inputs of the IOAPIC for its timers */
	const uint8_t *pirq_irqs; /* the ISA interrupt of each link after a direct boot */
	/* Interrupt routing and the addresses of the chipset's registers as firmware leaves them: direct boot. */
	void (*direct)(struct machine *m);
	void (*power_button)(struct machine *m);
};

extern const struct machine_type machine_pc, machine_q35;

/* System management mode: asked for, or needed by secure firmware. */
bool machine_has_smm(const struct machine *m);

/* Firmware, before the host bridge, and where it keeps its variables, if it does; errors begin with the key. */
bool machine_load_firmware(struct machine *m, GError **error);
bool machine_add_vars(struct machine *m, GError **error);

/* Devices that every machine has, and its serial ports. */
bool machine_build_board(struct machine *m, GError **error);
bool machine_build_devices(struct machine *m, GError **error);

/* A new device of @ops, realized; on failure NULL. */
struct dev *machine_add(
	struct machine *m, const struct dev_ops *ops, const char *id, GError **error);

/* A chardev of the spec, owned by the machine. NULL with @error set. */
struct chardev *machine_add_chardev(
	struct machine *m, const char *id, const struct spec_chardev *c, GError **error);

/* The object of the spec with that index; its back-end is the machine's. Errors begin with the key that they are about. */
bool machine_add_root_port(
	struct machine *m, size_t i, GError **error); /* nothing for other controllers */
bool machine_add_controller(
	struct machine *m, size_t i, GError **error); /* nothing for root ports */
bool machine_add_disk(struct machine *m, size_t i, GError **error);
bool machine_add_nic(struct machine *m, size_t i, GError **error);
/* The VNC server; without one the helper is there for screenshots. */
bool machine_add_vnc(struct machine *m, size_t i, GError **error);

/* The fd of a file of the spec, handed over: the spec does not close it any more. */
int machine_take_fd(const struct prop_file *f);

/* Where a function is: behind a root port, or (NULL) on the root bus. */
struct machine_place {
	const char *root_port;
	struct prop_pci addr;
};

#define PLACE_OF(s) ((struct machine_place){(s)->root_port, (s)->addr})

/* A function there, not realized yet. */
struct dev *machine_new_pci(
	struct machine *m, const struct dev_ops *ops, const char *id, struct machine_place place);
struct dev *machine_new_virtio(
	struct machine *m, const struct dev_ops *ops, const char *id, struct machine_place place);

/* A device of any kind: the place is for functions only. */
struct dev *machine_new_dev(
	struct machine *m, const struct dev_ops *ops, const char *id, struct machine_place place);

/* One of the chipset's functions at its fixed place, realized; on failure NULL. */
struct dev *machine_add_function(struct machine *m, const struct dev_ops *ops, unsigned slot,
	unsigned function, GError **error);

/* A property that the device has, with a value that it takes. */
void machine_set_uint(struct dev *d, const char *name, uint64_t v);
/* The same with a value that may be refused: then @d is freed. NULL leaves the default. */
bool machine_set_text(struct dev *d, const char *name, const char *text, GError **error);

/* A controller of the spec by its id, which vm_spec_complete() has checked. */
const struct spec_controller *machine_controller_spec(const struct machine *m, const char *id);

/* An option ROM, if there is one; on failure @d is freed. */
bool machine_set_rom(struct dev *d, const struct prop_file *file, GError **error);

/* What the firmware is told about the machine and by the operator; once. */
bool machine_fill_fw_cfg(struct machine *m, GError **error);
/* What it is told again with each reset: tables, boot order; battery-backed memory. */
bool machine_fill_tables(struct machine *m, GError **error);
void machine_fill_cmos(struct machine *m);
struct dev *machine_fdc(const struct machine *m); /* the floppy controller, or NULL */
int machine_add_boot_order(struct machine *m);
void machine_cmos_boot_order(struct machine *m);
#define MACHINE_ROM_FILE   "genroms/rom%zu"
#define MACHINE_KERNEL_ROM "genroms/linuxboot_dma.bin"
/* The kernel, if firmware is to enter it. */
bool machine_add_kernel(struct machine *m, GError **error);

/* Owned by the caller. @firmware: it adds what it says of itself. */
struct acpi_tables *machine_acpi(const struct machine *m);
struct smbios_tables *machine_smbios(const struct machine *m, bool firmware);

/* RAM as the guest may use it; with @tables the place of a direct boot's tables is taken out. The number of entries. */
unsigned machine_memory_map(
	const struct machine *m, bool tables, struct boot_memory map[BOOT_MAP_MAX]);

/* First byte of the 32-bit PCI memory window. */
uint32_t machine_pci_window(const struct machine *m);
unsigned machine_com_ports(const struct machine *m);

/*
 * Places BARs, routes interrupts, enables functions, opens the BIOS area for writing: the state in which firmware hands over. After
 * bus_reset().
 */
bool machine_direct_setup(struct machine *m, GError **error);

#endif
