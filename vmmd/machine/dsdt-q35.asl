/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Q35 machine to an ACPI operating system; dsdt-pc.asl says what comes from elsewhere. Interrupts of PCI go to the links
 * below while the PICs are in use, and to the IOAPIC's pins 16 to 23 afterwards: _PRT, in the SSDT, asks \PICF.
 */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "VMMD", "VMMDQ35", 1)
{
	#include "dsdt-values.asl"

	/* ICH9 PM1_CNT.SLP_TYP of soft-off, ICH9 data sheet section 13.8.3.2: a machine without S3 leaves it at 0. */
	Name (\_S5, Package () { 0, 0, 0, 0 })

	Name (PICF, 0)
	Method (\_PIC, 1) { PICF = Arg0 }

	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A08"))
			Name (_CID, EisaId ("PNP0A03"))
			Name (_UID, 0)

			/* PCI Firmware Specification 3.2, section 4.5.1: all but native hot plug of conventional PCI (bit 1). */
			Method (_OSC, 4)
			{
				CreateDWordField (Arg3, 0, CDW1)
				If (Arg0 != ToUUID ("33DB4D5B-1FF7-401C-9657-7441C03DD766"))
				{
					CDW1 |= 4
					Return (Arg3)
				}
				CreateDWordField (Arg3, 8, CDW3)
				Local0 = CDW3 & 0x1D
				If (Arg1 != 1) { CDW1 |= 8 }
				If (Local0 != CDW3) { CDW1 |= 0x10 }
				CDW3 = Local0
				Return (Arg3)
			}

			Device (ISA)
			{
				Name (_ADR, 0x001F0000)
				/* PIRQA..D_ROUT and PIRQE..H_ROUT, ICH9 data sheet sections 13.1.17 and 13.1.19. */
				OperationRegion (PIRQ, PCI_Config, 0x60, 12)
				Field (PIRQ, ByteAcc, NoLock, Preserve)
				{
					PRQA, 8, PRQB, 8, PRQC, 8, PRQD, 8,
					Offset (8),
					PRQE, 8, PRQF, 8, PRQG, 8, PRQH, 8
				}

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
		#define LINK LNKE
		#define LUID 4
		#define LREG \_SB.PCI0.ISA.PRQE
		#include "dsdt-link.asl"
		#undef LINK
		#undef LUID
		#undef LREG
		#define LINK LNKF
		#define LUID 5
		#define LREG \_SB.PCI0.ISA.PRQF
		#include "dsdt-link.asl"
		#undef LINK
		#undef LUID
		#undef LREG
		#define LINK LNKG
		#define LUID 6
		#define LREG \_SB.PCI0.ISA.PRQG
		#include "dsdt-link.asl"
		#undef LINK
		#undef LUID
		#undef LREG
		#define LINK LNKH
		#define LUID 7
		#define LREG \_SB.PCI0.ISA.PRQH
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
