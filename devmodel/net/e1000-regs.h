/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000-regs.h - registers and descriptors of the 82540EM and the 82574L.
 *
 * Sources: "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual" (317453;
 * "manual" in comments), chapters 3 and 13; "Intel 82574 GbE Controller Family Datasheet" (319523;
 * "82574"), chapters 7 and 10.
 */
#ifndef DEVMODEL_NET_E1000_REGS_H
#define DEVMODEL_NET_E1000_REGS_H

/* Bits that only one of the two knows are marked with its name. */

#define CTRL_FD         0x00000001u
#define CTRL_GIO_MASTER 0x00000004u /* 82574: asks for no more requests on the bus */
#define CTRL_SLU        0x00000040u
#define CTRL_SPEED_1000 0x00000200u
#define CTRL_FRCSPD     0x00000800u
#define CTRL_FRCDPLX    0x00001000u
#define CTRL_RST        0x04000000u
#define CTRL_VME        0x40000000u
#define CTRL_PHY_RST    0x80000000u

#define STATUS_FD         0x00000001u
#define STATUS_LU         0x00000002u
#define STATUS_SPEED_1000 0x00000080u
#define STATUS_PHYRA      0x00000400u /* 82574: PHY reset asserted; write 0 to clear */
#define STATUS_GIO_MASTER 0x00080000u /* 82574 */

/* Manual section 13.4.3. */
#define EECD_SK      0x00000001u
#define EECD_CS      0x00000002u
#define EECD_DI      0x00000004u
#define EECD_DO      0x00000008u
#define EECD_FWE     0x00000010u /* flash writes disabled: 01b in bits 5:4 */
#define EECD_REQ     0x00000040u
#define EECD_GNT     0x00000080u
#define EECD_PRES    0x00000100u
#define EECD_AUTO_RD 0x00000200u /* 82574: configuration was read */

#define EERD_START 0x00000001u
#define EERD_DONE  0x00000010u /* 82540EM; address in bits 15:8 */
#define EERW_DONE  0x00000002u /* 82574, also of EEWR; address in bits 15:2 */

#define CTRL_EXT_EE_RST 0x00002000u
#define CTRL_EXT_EIAME  0x01000000u /* 82574 */
#define CTRL_EXT_IAME   0x08000000u /* 82574 */

/* Manual section 13.4.7. */
#define MDIC_REG(v)   ((v) >> 16 & 0x1f)
#define MDIC_PHY(v)   ((v) >> 21 & 0x1f)
#define MDIC_OP(v)    ((v) >> 26 & 3)
#define MDIC_OP_WRITE 1
#define MDIC_OP_READ  2
#define MDIC_READY    0x10000000u
#define MDIC_INT      0x20000000u
#define MDIC_ERROR    0x40000000u

/* Interrupt causes, manual section 13.4.17; those from bit 20 on ICR in 82574 chapter 10. */
#define ICR_TXDW     0x00000001u
#define ICR_TXQE     0x00000002u
#define ICR_LSC      0x00000004u
#define ICR_RXDMT0   0x00000010u
#define ICR_RXO      0x00000040u
#define ICR_RXT0     0x00000080u
#define ICR_MDAC     0x00000200u
#define ICR_SRPD     0x00010000u
#define ICR_RXQ0     0x00100000u
#define ICR_TXQ0     0x00400000u
#define ICR_OTHER    0x01000000u
#define ICR_ASSERTED 0x80000000u
#define ICR_VECTORS  5 /* causes with an entry in IVAR, from RXQ0 on */

#define IVAR_VALID 0x8u

#define RCTL_EN        0x00000002u
#define RCTL_UPE       0x00000008u
#define RCTL_MPE       0x00000010u
#define RCTL_LPE       0x00000020u
#define RCTL_LBM       0x000000c0u
#define RCTL_RDMTS(v)  ((v) >> 8 & 3)
#define RCTL_DTYP_PS   0x00000400u /* 82574: packet split descriptors */
#define RCTL_MO(v)     ((v) >> 12 & 3)
#define RCTL_BAM       0x00008000u
#define RCTL_BSIZE(v)  ((v) >> 16 & 3)
#define RCTL_VFE       0x00040000u
#define RCTL_CFIEN     0x00080000u
#define RCTL_CFI       0x00100000u
#define RCTL_BSEX      0x02000000u
#define RCTL_SECRC     0x04000000u
#define RCTL_FLXBUF(v) ((v) >> 27 & 0xf) /* 82574: KiB */

#define TCTL_EN 0x00000002u

#define RXCSUM_PCSS   0x000000ffu
#define RXCSUM_IPOFL  0x00000100u
#define RXCSUM_TUOFL  0x00000200u
#define RXCSUM_IPPCSE 0x00001000u /* 82574 */
#define RXCSUM_PCSD   0x00002000u /* 82574: RSS hash instead of checksum */

#define RFCTL_EXSTEN 0x00008000u /* 82574 */
#define MRQC_RSS     0x00000001u /* 82574, bits 1:0 */

#define RDTR_FPD 0x80000000u
#define TIDV_FPD 0x80000000u

#define RAH_ASEL 0x00030000u
#define RAH_AV   0x80000000u

#define SWSM_SMBI    0x00000001u
#define SWSM_SWESMBI 0x00000002u

/* ---- descriptors ---- */

#define DESC_SIZE    16
#define DESC_PS_SIZE 32

/* Transmit, manual section 3.3: the command byte, and what the second word's top half holds. */
#define TXD_EOP          0x01
#define TXD_IC           0x04 /* legacy: insert checksum */
#define TXD_TSE          0x04 /* data, context: segmentation */
#define TXD_RS           0x08
#define TXD_RPS          0x10 /* legacy */
#define TXD_DEXT         0x20
#define TXD_VLE          0x40
#define TXD_IDE          0x80
#define TXD_DTYP_CONTEXT 0
#define TXD_DTYP_DATA    1
#define TXD_STATUS       12 /* offset of the status byte */
#define TXD_DD           0x01
#define POPTS_IXSM       0x01
#define POPTS_TXSM       0x02
#define TUCMD_TCP        0x01
#define TUCMD_IP         0x02

/*
 * Receive, manual section 3.2.3: status and errors; the extended formats of the 82574 have them in
 * one word (section 7.1.5).
 */
#define RXS_DD     0x01u
#define RXS_EOP    0x02u
#define RXS_IXSM   0x04u
#define RXS_VP     0x08u
#define RXS_UDPCS  0x10u /* 82574 */
#define RXS_TCPCS  0x20u
#define RXS_IPCS   0x40u
#define RXS_PIF    0x80u
#define RXE_TCPE   0x20u
#define RXE_IPE    0x40u
#define RXX_ERRORS 24 /* bit of the extended word at which the error byte begins */

#endif
