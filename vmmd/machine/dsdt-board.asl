/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both machines have beside PCI and ISA devices: included in the scope of the root bus. */
Device (FWCF)
{
	Name (_HID, "QEMU0002")
	Name (_STA, 0x0B)
	Name (_CRS, ResourceTemplate () { IO (Decode16, 0x0510, 0x0510, 1, 12) })
}

Device (HPET)
{
	Name (_HID, EisaId ("PNP0103"))
	Name (_UID, 0)
	Method (_STA) { Return (PRES (\VHPT)) }
	Name (_CRS, ResourceTemplate () { Memory32Fixed (ReadOnly, 0xFED00000, 0x00000400) })
}
