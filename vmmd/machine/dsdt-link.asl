/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One interrupt link: LINK is its name, LUID its number, LREG the router's register for it. */
Device (LINK)
{
	Name (_HID, EisaId ("PNP0C0F"))
	Name (_UID, LUID)
	Method (_PRS) { Return (PRSB) }
	Method (_STA) { Return (IQST (LREG)) }
	Method (_CRS) { Return (IQCR (LREG)) }
	Method (_DIS) { LREG |= 0x80 }
	Method (_SRS, 1) { CreateDWordField (Arg0, 0x05, PRRI) LREG = PRRI }
}
