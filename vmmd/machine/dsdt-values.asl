/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What acpi-tables.c replaces, and what both machines use of it: included in the root scope. */
Name (VCOM, 0xFF) /* bit n: COMn+1 exists */
Name (VPAN, 0xFF) /* pvpanic exists */
Name (VHPT, 0xFF) /* HPET exists */
Name (VFDC, 0xFF) /* floppy controller exists */

/* _STA of a device that is there if Arg0 is not 0. */
Method (PRES, 1)
{
	If (Arg0) { Return (0x0F) }
	Return (Zero)
}
