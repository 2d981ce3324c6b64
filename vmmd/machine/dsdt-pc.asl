/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The i440FX machine to an ACPI operating system. What differs from VM to VM is the values 0xFF below, which acpi-tables.c
 * replaces, and comes from the SSDT that acpi-ssdt.c writes: the processors, PCI0's _CRS, and its _PRT over the links
 * below. Nothing here refers to the SSDT: SeaBIOS reads the DSDT as far as it can without External.
 */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "VMMD", "VMMDPC", 1)
{
	#include "dsdt-values.asl"

	/* PIIX4 PM1a_CNT.SLP_TYP of soft-off, 82371AB section 7.1.2. */
	Name (\_S5, Package () { 0, 0, 0, 0 })

	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A03"))
			Name (_UID, 0)

			Device (ISA)
			{
				Name (_ADR, 0x00010000)
				/* PIRQRCA..D, 82371SB section 2.2.5: bit 7 disables, bits 3..0 the IRQ. */
				OperationRegion (PIRQ, PCI_Config, 0x60, 4)
				Field (PIRQ, ByteAcc, NoLock, Preserve) { PRQA, 8, PRQB, 8, PRQC, 8, PRQD, 8 }

				#include "dsdt-isa.asl"
			}

			#include "dsdt-board.asl"
		}

		#include "dsdt-links.asl"
		#define LINK LNKA
		#define LUID 0
		#define LREG \_SB.PCI0.ISA.PRQA
		#include "dsdt-link.asl"
		#undef LINK
		#undef LUID
		#undef LREG
		#define LINK LNKB
		#define LUID 1
		#define LREG \_SB.PCI0.ISA.PRQB
		#include "dsdt-link.asl"
		#undef LINK
		#undef LUID
		#undef LREG
		#define LINK LNKC
		#define LUID 2
		#define LREG \_SB.PCI0.ISA.PRQC
		#include "dsdt-link.asl"
		#undef LINK
		#undef LUID
		#undef LREG
		#define LINK LNKD
		#define LUID 3
		#define LREG \_SB.PCI0.ISA.PRQD
		#include "dsdt-link.asl"
		#undef LINK
		#undef LUID
		#undef LREG
	}

	/* No general-purpose event is in use; the scope says where they would be. */
	Scope (\_GPE)
	{
		Name (_HID, "ACPI0006")
	}
}
