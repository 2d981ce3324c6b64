/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hangs on the ISA bridge of either machine: included in its scope. Uses \VCOM, \VPAN and PRES. */
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
Device (FDC0)
{
	Name (_HID, EisaId ("PNP0700"))
	Method (_STA) { Return (PRES (\VFDC)) }
	Name (_CRS, ResourceTemplate ()
	{
		IO (Decode16, 0x03F2, 0x03F2, 0, 4)
		IO (Decode16, 0x03F7, 0x03F7, 0, 1)
		IRQNoFlags () { 6 }
		DMA (Compatibility, NotBusMaster, Transfer8) { 2 }
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
