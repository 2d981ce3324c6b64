/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The i440FX machine to an ACPI operating system. What differs from VM to VM comes from the SSDT that acpi.c writes:
 * \VCOM (bit n: COMn+1 exists), \VPAN (pvpanic exists), the processors, PCI0's _CRS, and its _PRT over the links
 * below.
 */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "VMMD", "VMMDPC", 1)
{
	External (\VCOM, IntObj)
	External (\VPAN, IntObj)

	/* PIIX4 PM1a_CNT.SLP_TYP of soft-off, 82371AB section 7.1.2. */
	Name (\_S5, Package () { 0, 0, 0, 0 })

	/* _STA of a device that is there if Arg0 is not 0. */
	Method (PRES, 1)
	{
		If (Arg0) { Return (0x0F) }
		Return (Zero)
	}

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

				Device (RTC)
				{
					Name (_HID, EisaId ("PNP0B00"))
					Name (_CRS, ResourceTemplate ()
					{
						IO (Decode16, 0x0070, 0x0070, 1, 2)
						IRQNoFlags () { 8 }
					})
				}
				Device (KBD)
				{
					Name (_HID, EisaId ("PNP0303"))
					Name (_CRS, ResourceTemplate ()
					{
						IO (Decode16, 0x0060, 0x0060, 1, 1)
						IO (Decode16, 0x0064, 0x0064, 1, 1)
						IRQNoFlags () { 1 }
					})
				}
				Device (MOU)
				{
					Name (_HID, EisaId ("PNP0F13"))
					Name (_CRS, ResourceTemplate () { IRQNoFlags () { 12 } })
				}
				Device (COM1)
				{
					Name (_HID, EisaId ("PNP0501"))
					Name (_UID, 1)
					Method (_STA) { Return (PRES (\VCOM & 1)) }
					Name (_CRS, ResourceTemplate ()
					{
						IO (Decode16, 0x03F8, 0x03F8, 1, 8)
						IRQNoFlags () { 4 }
					})
				}
				Device (COM2)
				{
					Name (_HID, EisaId ("PNP0501"))
					Name (_UID, 2)
					Method (_STA) { Return (PRES (\VCOM & 2)) }
					Name (_CRS, ResourceTemplate ()
					{
						IO (Decode16, 0x02F8, 0x02F8, 1, 8)
						IRQNoFlags () { 3 }
					})
				}
				Device (COM3)
				{
					Name (_HID, EisaId ("PNP0501"))
					Name (_UID, 3)
					Method (_STA) { Return (PRES (\VCOM & 4)) }
					Name (_CRS, ResourceTemplate ()
					{
						IO (Decode16, 0x03E8, 0x03E8, 1, 8)
						IRQNoFlags () { 4 }
					})
				}
				Device (COM4)
				{
					Name (_HID, EisaId ("PNP0501"))
					Name (_UID, 4)
					Method (_STA) { Return (PRES (\VCOM & 8)) }
					Name (_CRS, ResourceTemplate ()
					{
						IO (Decode16, 0x02E8, 0x02E8, 1, 8)
						IRQNoFlags () { 3 }
					})
				}
				Device (PANC)
				{
					Name (_HID, "QEMU0001")
					Method (_STA) { Return (PRES (\VPAN)) }
					Name (_CRS, ResourceTemplate () { IO (Decode16, 0x0505, 0x0505, 1, 1) })
					OperationRegion (PEOR, SystemIO, 0x0505, 1)
					Field (PEOR, ByteAcc, NoLock, Preserve) { PEPT, 8 }
					Method (RDPT) { Return (PEPT) }
					Method (WRPT, 1) { PEPT = Arg0 }
				}
			}

			Device (FWCF)
			{
				Name (_HID, "QEMU0002")
				Name (_STA, 0x0B)
				Name (_CRS, ResourceTemplate () { IO (Decode16, 0x0510, 0x0510, 1, 12) })
			}
		}

		/* Interrupt links. PRR is the router's register for this link. */
		Name (PRSB, ResourceTemplate () { Interrupt (, Level, ActiveHigh, Shared) { 5, 10, 11 } })
		Method (IQST, 1)
		{
			If (Arg0 & 0x80) { Return (0x09) }
			Return (0x0B)
		}
		Method (IQCR, 1, Serialized)
		{
			Name (PRR0, ResourceTemplate () { Interrupt (, Level, ActiveHigh, Shared) { 0 } })
			CreateDWordField (PRR0, 0x05, PRRI)
			If (Arg0 < 0x80) { PRRI = Arg0 }
			Return (PRR0)
		}
		Device (LNKA)
		{
			Name (_HID, EisaId ("PNP0C0F"))
			Name (_UID, 0)
			Method (_PRS) { Return (PRSB) }
			Method (_STA) { Return (IQST (\_SB.PCI0.ISA.PRQA)) }
			Method (_CRS) { Return (IQCR (\_SB.PCI0.ISA.PRQA)) }
			Method (_DIS) { \_SB.PCI0.ISA.PRQA |= 0x80 }
			Method (_SRS, 1) { CreateDWordField (Arg0, 0x05, PRRI) \_SB.PCI0.ISA.PRQA = PRRI }
		}
		Device (LNKB)
		{
			Name (_HID, EisaId ("PNP0C0F"))
			Name (_UID, 1)
			Method (_PRS) { Return (PRSB) }
			Method (_STA) { Return (IQST (\_SB.PCI0.ISA.PRQB)) }
			Method (_CRS) { Return (IQCR (\_SB.PCI0.ISA.PRQB)) }
			Method (_DIS) { \_SB.PCI0.ISA.PRQB |= 0x80 }
			Method (_SRS, 1) { CreateDWordField (Arg0, 0x05, PRRI) \_SB.PCI0.ISA.PRQB = PRRI }
		}
		Device (LNKC)
		{
			Name (_HID, EisaId ("PNP0C0F"))
			Name (_UID, 2)
			Method (_PRS) { Return (PRSB) }
			Method (_STA) { Return (IQST (\_SB.PCI0.ISA.PRQC)) }
			Method (_CRS) { Return (IQCR (\_SB.PCI0.ISA.PRQC)) }
			Method (_DIS) { \_SB.PCI0.ISA.PRQC |= 0x80 }
			Method (_SRS, 1) { CreateDWordField (Arg0, 0x05, PRRI) \_SB.PCI0.ISA.PRQC = PRRI }
		}
		Device (LNKD)
		{
			Name (_HID, EisaId ("PNP0C0F"))
			Name (_UID, 3)
			Method (_PRS) { Return (PRSB) }
			Method (_STA) { Return (IQST (\_SB.PCI0.ISA.PRQD)) }
			Method (_CRS) { Return (IQCR (\_SB.PCI0.ISA.PRQD)) }
			Method (_DIS) { \_SB.PCI0.ISA.PRQD |= 0x80 }
			Method (_SRS, 1) { CreateDWordField (Arg0, 0x05, PRRI) \_SB.PCI0.ISA.PRQD = PRRI }
		}
	}

	/* No general-purpose event is in use; the scope says where they would be. */
	Scope (\_GPE)
	{
		Name (_HID, "ACPI0006")
	}
}
