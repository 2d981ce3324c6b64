/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACPI tables of fixed structure; section numbers are those of the ACPI Specification 6.4. */
#include <string.h>

#include "devmodel/chipset/chipset.h"
#include "vmmd/machine/acpi-internal.h"

#include "vmmd/machine/dsdt_pc.hex"
#include "vmmd/machine/dsdt_q35.hex"

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

_Static_assert(sizeof(struct acpi_fadt) == 244, "FADT revision 3");

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

#define MADT_ENABLED (1u << 0)
#define SRAT_ENABLED (1u << 0)

/* Section 5.2.10; firmware and OS write into it. */
uint32_t acpi_add_facs(struct acpi_tables *t)
{
	struct {
		char signature[4];
		uint32_t length;
		uint8_t rest[56];
	} facs = {.signature = {'F', 'A', 'C', 'S'}, .length = 64};
	uint32_t start = t->tables->len;

	acpi_put(t->tables, &facs, sizeof(facs));
	return start;
}

/* PCI section 2.2.6, wired so into PIIX3's router. */
static unsigned pc_pirq(unsigned slot, unsigned pin)
{
	return (slot + pin + 2) % 4;
}

const struct acpi_chipset acpi_pc = {
	.dsdt = dsdt_pc_aml_code,
	.dsdt_size = sizeof(dsdt_pc_aml_code),
	.pm_base = PIIX4_PM_BASE,
	.gpe0_base = PIIX4_GPE0_BASE,
	.gpe0_len = 4,
	.level_irqs = 1u << 5 | 1u << ACPI_SCI_GSI | 1u << 10 | 1u << 11,
	.pirq = pc_pirq,
};

const struct acpi_chipset acpi_q35 = {
	.dsdt = dsdt_q35_aml_code,
	.dsdt_size = sizeof(dsdt_q35_aml_code),
	.pm_base = ICH9_PM_BASE,
	.gpe0_base = ICH9_PM_BASE + ICH9_GPE0_OFF,
	.gpe0_len = 16,
	.level_irqs = 1u << 5 | 1u << ACPI_SCI_GSI | 1u << 10 | 1u << 11,
	.pirq = ich9_pirq,
	.pirq_gsi = 16,
};

/* The value of Name (@seg, 0xff) in @aml, as iasl writes it: NameOp, the name, BytePrefix (section 20.2). */
static void set_byte(uint8_t *aml, size_t size, const char *seg, uint8_t value)
{
	const uint8_t pattern[] = {0x08, (uint8_t)seg[0], (uint8_t)seg[1], (uint8_t)seg[2],
		(uint8_t)seg[3], 0x0a, 0xff};
	uint8_t *at = memmem(aml, size, pattern, sizeof(pattern));

	g_assert(at); /* our own AML */
	at[sizeof(pattern) - 1] = value;
}

uint32_t acpi_add_dsdt(struct acpi_tables *t, const struct acpi_conf *conf)
{
	const struct acpi_chipset *c = conf->chipset;
	uint32_t start = t->tables->len;
	uint8_t *dsdt;

	acpi_put(t->tables, c->dsdt, c->dsdt_size);
	dsdt = t->tables->data + start;
	set_byte(dsdt, c->dsdt_size, "VCOM", (uint8_t)conf->com_ports);
	set_byte(dsdt, c->dsdt_size, "VPAN", conf->pvpanic);
	set_byte(dsdt, c->dsdt_size, "VHPT", conf->hpet != 0);
	set_byte(dsdt, c->dsdt_size, "VFDC", conf->fdc);
	((struct acpi_header *)(void *)dsdt)->checksum = 0;
	acpi_table_end(t, start);
	return start;
}

static struct acpi_gas io_register(uint16_t port, uint8_t bytes)
{
	return (struct acpi_gas){.space = 1,
		.width = (uint8_t)(bytes * 8),
		.access = bytes == 4 ? 3 : bytes,
		.address = port};
}

uint32_t acpi_add_fadt(
	struct acpi_tables *t, const struct acpi_conf *conf, uint32_t facs, uint32_t dsdt)
{
	const struct acpi_chipset *c = conf->chipset;
	struct acpi_fadt f = {
		.sci_int = ACPI_SCI_GSI,
		.pm1a_evt = c->pm_base,
		.pm1a_cnt = c->pm_base + 4,
		.pm_tmr = c->pm_base + 8,
		.gpe0 = c->gpe0_base,
		.pm1_evt_len = 4,
		.pm1_cnt_len = 2,
		.pm_tmr_len = 4,
		.gpe0_len = c->gpe0_len,
		.c2_latency = 0xfff, /* above 100: no C2 */
		.c3_latency = 0xfff, /* above 1000: no C3 */
		.century = 0x32,
		.boot_arch = BOOT_ARCH_LEGACY | BOOT_ARCH_8042,
		/* No SMI_CMD: the machine is in ACPI mode from the start. */
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_RTC_S4 |
			 FADT_RESET_REG | FADT_PLATFORM_CLOCK,
		.reset_reg = io_register(0xcf9, 1),
		.reset_value = 0x06,
		.x_pm1a_evt = io_register(c->pm_base, 4),
		.x_pm1a_cnt = io_register(c->pm_base + 4, 2),
		.x_pm_tmr = io_register(c->pm_base + 8, 4),
		.x_gpe0 = io_register(c->gpe0_base, c->gpe0_len),
	};
	uint32_t start = acpi_table_begin(t, "FACP", 3);

	acpi_put(t->tables, (uint8_t *)&f + sizeof(f.head), sizeof(f) - sizeof(f.head));
	acpi_add_pointer(t, false, start + (uint32_t)offsetof(struct acpi_fadt, facs), 4, facs);
	acpi_add_pointer(t, false, start + (uint32_t)offsetof(struct acpi_fadt, dsdt), 4, dsdt);
	acpi_add_pointer(t, false, start + (uint32_t)offsetof(struct acpi_fadt, x_dsdt), 8, dsdt);
	acpi_table_end(t, start);
	return start;
}

/* Processor entries: 8-bit ids as type 0, larger ones as x2APIC, type 9 (sections 5.2.12.2 and .12). */
static void madt_add_cpu(GByteArray *out, uint32_t uid, uint32_t apic_id, uint32_t flags)
{
	const struct {
		uint8_t type, len, uid, apic_id;
		uint32_t flags;
	} __attribute__((packed)) small = {0, 8, (uint8_t)uid, (uint8_t)apic_id, flags};
	const struct {
		uint8_t type, len;
		uint16_t reserved;
		uint32_t apic_id, flags, uid;
	} __attribute__((packed)) large = {9, 16, 0, apic_id, flags, uid};

	if (apic_id < 255)
		acpi_put(out, &small, sizeof(small));
	else
		acpi_put(out, &large, sizeof(large));
}

static void madt_add_override(GByteArray *out, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	const struct {
		uint8_t type, len, bus, irq;
		uint32_t gsi;
		uint16_t flags;
	} __attribute__((packed)) o = {2, 10, 0, irq, gsi, flags};

	acpi_put(out, &o, sizeof(o));
}

/* Section 5.2.12. */
uint32_t acpi_add_madt(struct acpi_tables *t, const struct acpi_conf *conf)
{
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
	uint32_t start = acpi_table_begin(t, "APIC", 3);

	acpi_put(t->tables, &head, sizeof(head));
	for (unsigned i = 0; i < conf->cpus.count; i++)
		madt_add_cpu(t->tables, i, accel_apic_id(&conf->cpus, i), MADT_ENABLED);
	acpi_put(t->tables, &ioapic, sizeof(ioapic));
	madt_add_override(t->tables, 0, 2, 0);
	for (uint8_t irq = 0; irq < 16; irq++) {
		if (conf->chipset->level_irqs >> irq & 1)
			madt_add_override(t->tables, irq, irq, MPS_LEVEL_ACTIVE_HIGH);
	}
	acpi_put(t->tables, &nmi, sizeof(nmi));
	acpi_table_end(t, start);
	return start;
}

/* Windows ACPI emulated devices table: the RTC loses no interrupts, the PM timer is good in one read. */
uint32_t acpi_add_waet(struct acpi_tables *t, const struct acpi_conf *conf)
{
	const uint32_t flags = 3;
	uint32_t start = acpi_table_begin(t, "WAET", 1);

	acpi_put(t->tables, &flags, sizeof(flags));
	acpi_table_end(t, start);
	return start;
}

/* IA-PC HPET specification 1.0a, section 3.2.4. */
uint32_t acpi_add_hpet(struct acpi_tables *t, const struct acpi_conf *conf)
{
	const struct {
		uint32_t id;
		struct acpi_gas base;
		uint8_t number;
		uint16_t min_tick;
		uint8_t protection;
	} __attribute__((packed)) h = {
		.id = conf->hpet_id,
		.base = {.address = conf->hpet},
	};
	uint32_t start = acpi_table_begin(t, "HPET", 1);

	acpi_put(t->tables, &h, sizeof(h));
	acpi_table_end(t, start);
	return start;
}

/* PCI Firmware Specification 3.2, section 4.1.2. */
uint32_t acpi_add_mcfg(struct acpi_tables *t, const struct acpi_conf *conf)
{
	const struct {
		uint64_t reserved, base;
		uint16_t segment;
		uint8_t first_bus, last_bus;
		uint32_t reserved2;
	} __attribute__((packed)) m = {
		.base = conf->ecam,
		.last_bus = (uint8_t)(conf->ecam_buses - 1),
	};
	uint32_t start = acpi_table_begin(t, "MCFG", 1);

	acpi_put(t->tables, &m, sizeof(m));
	acpi_table_end(t, start);
	return start;
}

/* Processor affinity, section 5.2.16.1 (8-bit APIC ids) and .3 (x2APIC). */
static void srat_add_cpu(GByteArray *out, uint32_t apic_id, uint32_t node)
{
	const struct {
		uint8_t type, len, node_low, apic_id;
		uint32_t flags;
		uint8_t eid, node_high[3];
		uint32_t clock;
	} __attribute__((packed)) small = {0, 16, (uint8_t)node, (uint8_t)apic_id, SRAT_ENABLED};
	const struct {
		uint8_t type, len;
		uint16_t reserved;
		uint32_t node, apic_id, flags, clock, reserved2;
	} __attribute__((packed)) large = {2, 24, 0, node, apic_id, SRAT_ENABLED};

	if (apic_id < 255)
		acpi_put(out, &small, sizeof(small));
	else
		acpi_put(out, &large, sizeof(large));
}

/* Section 5.2.16.2. */
static void srat_add_memory(GByteArray *out, const struct acpi_memory *m)
{
	const struct {
		uint8_t type, len;
		uint32_t node;
		uint16_t reserved;
		uint64_t base, size;
		uint32_t reserved2, flags;
		uint64_t reserved3;
	} __attribute__((packed)) e = {1, 40, m->node, 0, m->start, m->size, 0, SRAT_ENABLED};

	_Static_assert(sizeof(e) == 40, "SRAT memory affinity");
	acpi_put(out, &e, sizeof(e));
}

/* Section 5.2.16. */
uint32_t acpi_add_srat(struct acpi_tables *t, const struct acpi_conf *conf)
{
	const struct {
		uint32_t one;
		uint64_t reserved;
	} __attribute__((packed)) head = {.one = 1};
	uint32_t start = acpi_table_begin(t, "SRAT", 3);

	acpi_put(t->tables, &head, sizeof(head));
	for (unsigned i = 0; i < conf->cpus.count; i++)
		srat_add_cpu(t->tables, accel_apic_id(&conf->cpus, i), conf->cpu_nodes[i]);
	for (size_t i = 0; i < conf->n_memory; i++)
		srat_add_memory(t->tables, &conf->memory[i]);
	acpi_table_end(t, start);
	return start;
}
