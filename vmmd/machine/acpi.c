/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/machine/acpi.h"

#include <stdio.h>
#include <string.h>

#include "devmodel/chipset/chipset.h"
#include "vmmd/machine/aml.h"

#include "vmmd/machine/dsdt_pc.hex"

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

/* Generic address structure, section 5.2.3.2. */
struct acpi_gas {
	uint8_t space, width, offset, access;
	uint64_t address;
} __attribute__((packed));

/* Fixed ACPI description table, section 5.2.9, as of revision 3. */
struct acpi_fadt {
	struct acpi_header head;
	uint32_t facs, dsdt;
	uint8_t int_model, profile;
	uint16_t sci_int;
	uint32_t smi_cmd;
	uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
	uint32_t pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
	uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_len, gpe1_len, gpe1_base,
		cst_cnt;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_arch;
	uint8_t reserved;
	uint32_t flags;
	struct acpi_gas reset_reg;
	uint8_t reset_value, arm_arch[2], minor;
	uint64_t x_facs, x_dsdt;
	struct acpi_gas x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt, x_pm_tmr, x_gpe0,
		x_gpe1;
} __attribute__((packed));

struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t ext_checksum, reserved[3];
} __attribute__((packed));

_Static_assert(sizeof(struct acpi_header) == 36, "ACPI table header");
_Static_assert(sizeof(struct acpi_fadt) == 244, "FADT revision 3");
_Static_assert(sizeof(struct acpi_rsdp) == 36, "RSDP revision 2");

/* FADT flags, table 5.10. */
#define FADT_WBINVD           (1u << 0)
#define FADT_PROC_C1          (1u << 2)
#define FADT_SLP_BUTTON       (1u << 5) /* control method: that is, none */
#define FADT_RTC_S4           (1u << 7)
#define FADT_RESET_REG        (1u << 10)
#define FADT_PLATFORM_CLOCK   (1u << 15)
#define BOOT_ARCH_LEGACY      (1u << 0)
#define BOOT_ARCH_8042        (1u << 1)
#define MPS_LEVEL_ACTIVE_HIGH 0x000d

static void put(GByteArray *out, const void *p, size_t n)
{
	g_byte_array_append(out, p, (guint)n);
}

static uint8_t sum(const uint8_t *p, uint32_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

/* ---- framing ---- */

/* Starts a table; returns where. */
static uint32_t table_begin(struct acpi_tables *t, const char *signature, uint8_t revision)
{
	struct acpi_header h = {
		.revision = revision,
		.oem_id = {'V', 'M', 'M', 'D', ' ', ' '},
		.oem_table_id = {'V', 'M', 'M', 'D', 'P', 'C', ' ', ' '},
		.oem_revision = 1,
		.creator_id = {'V', 'M', 'M', 'D'},
		.creator_revision = 1,
	};
	uint32_t start = t->tables->len;

	memcpy(h.signature, signature, 4);
	put(t->tables, &h, sizeof(h));
	return start;
}

static void add_checksum(
	struct acpi_tables *t, bool in_rsdp, uint32_t at, uint32_t start, uint32_t len)
{
	struct acpi_checksum c = {.in_rsdp = in_rsdp, .at = at, .start = start, .len = len};

	g_array_append_val(t->checksums, c);
}

static void table_end(struct acpi_tables *t, uint32_t start)
{
	struct acpi_header *h = (void *)(t->tables->data + start);

	h->length = t->tables->len - start;
	add_checksum(t, false, start + (uint32_t)offsetof(struct acpi_header, checksum), start,
		h->length);
}

static uint8_t *bytes_of(const struct acpi_tables *t, bool in_rsdp)
{
	return (in_rsdp ? t->rsdp : t->tables)->data;
}

/* The place holds the target's offset until an address is added to it. */
static void add_pointer(
	struct acpi_tables *t, bool in_rsdp, uint32_t at, uint8_t size, uint32_t target)
{
	struct acpi_pointer p = {.in_rsdp = in_rsdp, .at = at, .size = size};
	uint64_t offset = target;

	memcpy(bytes_of(t, in_rsdp) + at, &offset, size);
	g_array_append_val(t->pointers, p);
}

/* ---- tables ---- */

/* Section 5.2.10; firmware and OS write into it. */
static uint32_t add_facs(struct acpi_tables *t)
{
	struct {
		char signature[4];
		uint32_t length;
		uint8_t rest[56];
	} facs = {.signature = {'F', 'A', 'C', 'S'}, .length = 64};
	uint32_t start = t->tables->len;

	put(t->tables, &facs, sizeof(facs));
	return start;
}

static uint32_t add_dsdt(struct acpi_tables *t)
{
	uint32_t start = t->tables->len;

	put(t->tables, dsdt_pc_aml_code, sizeof(dsdt_pc_aml_code));
	((struct acpi_header *)(void *)(t->tables->data + start))->checksum = 0;
	table_end(t, start);
	return start;
}

static struct acpi_gas io_register(uint16_t port, uint8_t bytes)
{
	return (struct acpi_gas){.space = 1,
		.width = (uint8_t)(bytes * 8),
		.access = bytes == 4 ? 3 : bytes,
		.address = port};
}

static uint32_t add_fadt(struct acpi_tables *t, uint32_t facs, uint32_t dsdt)
{
	struct acpi_fadt f = {
		.sci_int = ACPI_SCI_GSI,
		.pm1a_evt = PIIX4_PM_BASE,
		.pm1a_cnt = PIIX4_PM_BASE + 4,
		.pm_tmr = PIIX4_PM_BASE + 8,
		.gpe0 = PIIX4_GPE0_BASE,
		.pm1_evt_len = 4,
		.pm1_cnt_len = 2,
		.pm_tmr_len = 4,
		.gpe0_len = 4,
		.c2_latency = 0xfff, /* above 100: no C2 */
		.c3_latency = 0xfff, /* above 1000: no C3 */
		.century = 0x32,
		.boot_arch = BOOT_ARCH_LEGACY | BOOT_ARCH_8042,
		/* No SMI_CMD: the machine is in ACPI mode from the start. */
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_RTC_S4 |
			 FADT_RESET_REG | FADT_PLATFORM_CLOCK,
		.reset_reg = io_register(0xcf9, 1),
		.reset_value = 0x06,
		.x_pm1a_evt = io_register(PIIX4_PM_BASE, 4),
		.x_pm1a_cnt = io_register(PIIX4_PM_BASE + 4, 2),
		.x_pm_tmr = io_register(PIIX4_PM_BASE + 8, 4),
		.x_gpe0 = io_register(PIIX4_GPE0_BASE, 4),
	};
	uint32_t start = table_begin(t, "FACP", 3);

	put(t->tables, (uint8_t *)&f + sizeof(f.head), sizeof(f) - sizeof(f.head));
	add_pointer(t, false, start + (uint32_t)offsetof(struct acpi_fadt, facs), 4, facs);
	add_pointer(t, false, start + (uint32_t)offsetof(struct acpi_fadt, dsdt), 4, dsdt);
	add_pointer(t, false, start + (uint32_t)offsetof(struct acpi_fadt, x_dsdt), 8, dsdt);
	table_end(t, start);
	return start;
}

/* Processor entries: 8-bit ids as type 0, larger ones as x2APIC, type 9 (sections 5.2.12.2 and .12). */
static void madt_add_cpu(GByteArray *out, uint32_t uid, uint32_t apic_id)
{
	const struct {
		uint8_t type, len, uid, apic_id;
		uint32_t flags;
	} __attribute__((packed)) small = {0, 8, (uint8_t)uid, (uint8_t)apic_id, 1};
	const struct {
		uint8_t type, len;
		uint16_t reserved;
		uint32_t apic_id, flags, uid;
	} __attribute__((packed)) large = {9, 16, 0, apic_id, 1, uid};

	if (apic_id < 255)
		put(out, &small, sizeof(small));
	else
		put(out, &large, sizeof(large));
}

static void madt_add_override(GByteArray *out, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	const struct {
		uint8_t type, len, bus, irq;
		uint32_t gsi;
		uint16_t flags;
	} __attribute__((packed)) o = {2, 10, 0, irq, gsi, flags};

	put(out, &o, sizeof(o));
}

/* Section 5.2.12. */
static uint32_t add_madt(struct acpi_tables *t, const struct acpi_conf *conf)
{
	static const uint8_t level_irqs[] = {5, ACPI_SCI_GSI, 10, 11};
	const struct {
		uint32_t lapic, flags;
	} head = {0xfee00000, 1 /* PC/AT PICs too */};
	const struct {
		uint8_t type, len, id, reserved;
		uint32_t address, gsi_base;
	} __attribute__((packed)) ioapic = {1, 12, 0, 0, 0xfec00000, 0};
	const struct {
		uint8_t type, len, uid;
		uint16_t flags;
		uint8_t lint;
	} __attribute__((packed)) nmi = {4, 6, 0xff, 0, 1};
	uint32_t start = table_begin(t, "APIC", 3);

	put(t->tables, &head, sizeof(head));
	for (unsigned i = 0; i < conf->cpus.count; i++)
		madt_add_cpu(t->tables, i, accel_apic_id(&conf->cpus, i));
	put(t->tables, &ioapic, sizeof(ioapic));
	madt_add_override(t->tables, 0, 2, 0);
	for (size_t i = 0; i < ARRAY_SIZE(level_irqs); i++)
		madt_add_override(t->tables, level_irqs[i], level_irqs[i], MPS_LEVEL_ACTIVE_HIGH);
	put(t->tables, &nmi, sizeof(nmi));
	table_end(t, start);
	return start;
}

/* Windows ACPI emulated devices table: the RTC loses no interrupts, the PM timer is good in one read. */
static uint32_t add_waet(struct acpi_tables *t)
{
	const uint32_t flags = 3;
	uint32_t start = table_begin(t, "WAET", 1);

	put(t->tables, &flags, sizeof(flags));
	table_end(t, start);
	return start;
}

static void ssdt_pci_resources(GByteArray *out, const struct acpi_conf *conf)
{
	g_autoptr(GByteArray) res = g_byte_array_new();

	aml_res_bus(res, 0, 255);
	aml_res_io(res, 0xcf8, 8);
	aml_res_io_window(res, 0x0000, 0x0cf7);
	aml_res_io_window(res, 0x0d00, 0xffff);
	aml_res_mem_window(res, 0x000a0000, 0x000bffff, true);
	aml_res_mem_window(res, conf->pci_window_first, 0xfebfffff, false);
	aml_name(out, "_CRS");
	aml_resources(out, res);
}

/* Pin p of slot s is PIRQ (s + p - 1) % 4: PCI section 2.2.6, wired so into PIIX3's router. */
static void ssdt_pci_routing(GByteArray *out)
{
	static const char *const links[] = {"\\_SB.LNKA", "\\_SB.LNKB", "\\_SB.LNKC", "\\_SB.LNKD"};
	guint all, one;

	aml_name(out, "_PRT");
	all = aml_package_begin(out, PCI_SLOTS * 4);
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		for (unsigned pin = 0; pin < 4; pin++) {
			one = aml_package_begin(out, 4);
			aml_int(out, slot << 16 | 0xffff);
			aml_int(out, pin);
			aml_path(out, links[(slot + pin + 3) % 4]);
			aml_int(out, 0);
			aml_end(out, one);
		}
	}
	aml_end(out, all);
}

static void ssdt_cpus(GByteArray *out, unsigned count)
{
	guint scope = aml_scope_begin(out, "\\_SB"), dev;

	for (unsigned i = 0; i < count; i++) {
		char name[8];

		snprintf(name, sizeof(name), "C%03X", i);
		dev = aml_device_begin(out, name);
		aml_name(out, "_HID");
		aml_string(out, "ACPI0007");
		aml_name(out, "_UID");
		aml_int(out, i);
		aml_end(out, dev);
	}
	aml_end(out, scope);
}

static uint32_t add_ssdt(struct acpi_tables *t, const struct acpi_conf *conf)
{
	uint32_t start = table_begin(t, "SSDT", 2);
	guint scope;

	aml_name(t->tables, "\\VCOM");
	aml_int(t->tables, conf->com_ports);
	aml_name(t->tables, "\\VPAN");
	aml_int(t->tables, conf->pvpanic);
	scope = aml_scope_begin(t->tables, "\\_SB.PCI0");
	ssdt_pci_resources(t->tables, conf);
	ssdt_pci_routing(t->tables);
	aml_end(t->tables, scope);
	ssdt_cpus(t->tables, conf->cpus.count);
	table_end(t, start);
	return start;
}

/* RSDT with 4-byte entries, XSDT with 8-byte ones (sections 5.2.7 and 5.2.8). */
static uint32_t add_root(struct acpi_tables *t, const char *signature, uint8_t entry,
	const uint32_t *tables, size_t n)
{
	static const uint64_t zero;
	uint32_t start = table_begin(t, signature, 1);

	for (size_t i = 0; i < n; i++) {
		put(t->tables, &zero, entry);
		add_pointer(t, false, t->tables->len - entry, entry, tables[i]);
	}
	table_end(t, start);
	return start;
}

static void add_rsdp(struct acpi_tables *t, uint32_t rsdt, uint32_t xsdt)
{
	const struct acpi_rsdp r = {
		.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
		.oem_id = {'V', 'M', 'M', 'D', ' ', ' '},
		.revision = 2,
		.length = sizeof(r),
	};

	put(t->rsdp, &r, sizeof(r));
	add_pointer(t, true, offsetof(struct acpi_rsdp, rsdt), 4, rsdt);
	add_pointer(t, true, offsetof(struct acpi_rsdp, xsdt), 8, xsdt);
	add_checksum(t, true, offsetof(struct acpi_rsdp, checksum), 0, 20);
	add_checksum(t, true, offsetof(struct acpi_rsdp, ext_checksum), 0, sizeof(r));
}

struct acpi_tables *acpi_build(const struct acpi_conf *conf)
{
	struct acpi_tables *t = g_new0(struct acpi_tables, 1);
	uint32_t roots[4], facs, dsdt, rsdt, xsdt;

	t->tables = g_byte_array_new();
	t->rsdp = g_byte_array_new();
	t->pointers = g_array_new(FALSE, FALSE, sizeof(struct acpi_pointer));
	t->checksums = g_array_new(FALSE, FALSE, sizeof(struct acpi_checksum));
	facs = add_facs(t);
	dsdt = add_dsdt(t);
	roots[0] = add_fadt(t, facs, dsdt);
	roots[1] = add_ssdt(t, conf);
	roots[2] = add_madt(t, conf);
	roots[3] = add_waet(t);
	rsdt = add_root(t, "RSDT", 4, roots, ARRAY_SIZE(roots));
	xsdt = add_root(t, "XSDT", 8, roots, ARRAY_SIZE(roots));
	add_rsdp(t, rsdt, xsdt);
	return t;
}

void acpi_free(struct acpi_tables *t)
{
	if (!t)
		return;
	g_byte_array_unref(t->tables);
	g_byte_array_unref(t->rsdp);
	g_array_unref(t->pointers);
	g_array_unref(t->checksums);
	g_free(t);
}

void acpi_place(struct acpi_tables *t, uint32_t tables_gpa)
{
	for (guint i = 0; i < t->pointers->len; i++) {
		const struct acpi_pointer *p = &g_array_index(t->pointers, struct acpi_pointer, i);
		uint8_t *at = bytes_of(t, p->in_rsdp) + p->at;
		uint64_t address = 0;

		memcpy(&address, at, p->size);
		address += tables_gpa;
		memcpy(at, &address, p->size);
	}
	for (guint i = 0; i < t->checksums->len; i++) {
		const struct acpi_checksum *c = &g_array_index(
			t->checksums, struct acpi_checksum, i);
		uint8_t *data = bytes_of(t, c->in_rsdp);

		data[c->at] = 0;
		data[c->at] = (uint8_t)-sum(data + c->start, c->len);
	}
}

/* ---- fw_cfg table loader: entries of 128 bytes, executed in order ---- */

enum { LOADER_ALLOCATE = 1, LOADER_ADD_POINTER = 2, LOADER_ADD_CHECKSUM = 3 };
enum { LOADER_ZONE_HIGH = 1, LOADER_ZONE_FSEG = 2 };

struct loader_entry {
	uint32_t command;
	union {
		struct {
			char file[56];
			uint32_t align;
			uint8_t zone;
		} __attribute__((packed)) alloc;
		struct {
			char dest[56], src[56];
			uint32_t offset;
			uint8_t size;
		} __attribute__((packed)) pointer;
		struct {
			char file[56];
			uint32_t offset, start, length;
		} __attribute__((packed)) checksum;
		uint8_t pad[124];
	};
} __attribute__((packed));

_Static_assert(sizeof(struct loader_entry) == 128, "table loader entry");

static const char *loader_file(bool in_rsdp)
{
	return in_rsdp ? ACPI_FILE_RSDP : ACPI_FILE_TABLES;
}

static void loader_alloc(GByteArray *out, bool rsdp, uint32_t align, uint8_t zone)
{
	struct loader_entry e = {
		.command = LOADER_ALLOCATE, .alloc = {.align = align, .zone = zone}};

	g_strlcpy(e.alloc.file, loader_file(rsdp), sizeof(e.alloc.file));
	put(out, &e, sizeof(e));
}

/* The loader adds the address of @src to what stands in @dest, the target's offset. */
static void loader_pointer(GByteArray *out, const struct acpi_pointer *p)
{
	struct loader_entry e = {
		.command = LOADER_ADD_POINTER, .pointer = {.offset = p->at, .size = p->size}};

	g_strlcpy(e.pointer.dest, loader_file(p->in_rsdp), sizeof(e.pointer.dest));
	g_strlcpy(e.pointer.src, ACPI_FILE_TABLES, sizeof(e.pointer.src));
	put(out, &e, sizeof(e));
}

static void loader_checksum(GByteArray *out, const struct acpi_checksum *c)
{
	struct loader_entry e = {
		.command = LOADER_ADD_CHECKSUM,
		.checksum = {.offset = c->at, .start = c->start, .length = c->len},
	};

	g_strlcpy(e.checksum.file, loader_file(c->in_rsdp), sizeof(e.checksum.file));
	put(out, &e, sizeof(e));
}

GByteArray *acpi_loader_script(const struct acpi_tables *t)
{
	GByteArray *out = g_byte_array_new();

	loader_alloc(out, true, 16, LOADER_ZONE_FSEG);
	loader_alloc(out, false, 64, LOADER_ZONE_HIGH);
	for (guint i = 0; i < t->pointers->len; i++)
		loader_pointer(out, &g_array_index(t->pointers, struct acpi_pointer, i));
	for (guint i = 0; i < t->checksums->len; i++)
		loader_checksum(out, &g_array_index(t->checksums, struct acpi_checksum, i));
	return out;
}
