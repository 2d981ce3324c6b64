/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What interrupt links share. A router's register: bit 7 disables, bits 3..0 are the IRQ. */
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
