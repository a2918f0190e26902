//go:build !purego

#include "textflag.h"

// All kernels here go through rows of n channels, stride elements apart:
// CX rows left, AX byte offset of the channel in float32, R13 its end, DX bytes
// between rows. Sums are float64 in memory, four channels at a time: they stay in L1.

// func sumsAVX2(s *float64, x *float32, rows, n, stride int)
//	s[c] += x                                          R8 s, SI x
TEXT ·sumsAVX2(SB), NOSPLIT, $0-40
	MOVQ s+0(FP), R8
	MOVQ x+8(FP), SI
	MOVQ rows+16(FP), CX
	MOVQ n+24(FP), R13
	MOVQ stride+32(FP), DX
	SHLQ $2, R13
	SHLQ $2, DX

row:
	XORL AX, AX

channel:
	VCVTPS2PD (SI)(AX*1), Y0
	VADDPD    (R8)(AX*2), Y0, Y0
	VMOVUPD   Y0, (R8)(AX*2)
	ADDQ      $16, AX
	CMPQ      AX, R13
	JLT       channel
	ADDQ      DX, SI
	DECQ      CX
	JNZ       row
	VZEROUPPER
	RET

// func momentsAVX2(s1, s2 *float64, x, shift *float32, rows, n, stride int)
//	d = x − shift[c]; s1[c] += d; s2[c] += d²          R8 s1, R9 s2, SI x, R10 shift
TEXT ·momentsAVX2(SB), NOSPLIT, $0-56
	MOVQ s1+0(FP), R8
	MOVQ s2+8(FP), R9
	MOVQ x+16(FP), SI
	MOVQ shift+24(FP), R10
	MOVQ rows+32(FP), CX
	MOVQ n+40(FP), R13
	MOVQ stride+48(FP), DX
	SHLQ $2, R13
	SHLQ $2, DX

row:
	XORL AX, AX

channel:
	VCVTPS2PD   (SI)(AX*1), Y0
	VCVTPS2PD   (R10)(AX*1), Y1
	VSUBPD      Y1, Y0, Y0
	VADDPD      (R8)(AX*2), Y0, Y2
	VMOVUPD     (R9)(AX*2), Y3
	VFMADD231PD Y0, Y0, Y3
	VMOVUPD     Y2, (R8)(AX*2)
	VMOVUPD     Y3, (R9)(AX*2)
	ADDQ        $16, AX
	CMPQ        AX, R13
	JLT         channel
	ADDQ        DX, SI
	DECQ        CX
	JNZ         row
	VZEROUPPER
	RET

// func gradSumsAVX2(s1, s2 *float64, dy, x, mean *float32, rows, n, stride int)
//	s1[c] += dy; s2[c] += dy·(x − mean[c])             R8 s1, R9 s2, DI dy, SI x, R10 mean
TEXT ·gradSumsAVX2(SB), NOSPLIT, $0-64
	MOVQ s1+0(FP), R8
	MOVQ s2+8(FP), R9
	MOVQ dy+16(FP), DI
	MOVQ x+24(FP), SI
	MOVQ mean+32(FP), R10
	MOVQ rows+40(FP), CX
	MOVQ n+48(FP), R13
	MOVQ stride+56(FP), DX
	SHLQ $2, R13
	SHLQ $2, DX

row:
	XORL AX, AX

channel:
	VCVTPS2PD   (DI)(AX*1), Y4
	VCVTPS2PD   (SI)(AX*1), Y0
	VCVTPS2PD   (R10)(AX*1), Y1
	VSUBPD      Y1, Y0, Y0
	VADDPD      (R8)(AX*2), Y4, Y2
	VMOVUPD     (R9)(AX*2), Y3
	VFMADD231PD Y0, Y4, Y3
	VMOVUPD     Y2, (R8)(AX*2)
	VMOVUPD     Y3, (R9)(AX*2)
	ADDQ        $16, AX
	CMPQ        AX, R13
	JLT         channel
	ADDQ        DX, DI
	ADDQ        DX, SI
	DECQ        CX
	JNZ         row
	VZEROUPPER
	RET

// func normApplyAVX2(y, x, mean, scale, beta *float32, rows, n, stride int)
//	y = (x − mean[c])·scale[c] + beta[c]               DI y, SI x, R8 mean, R9 scale, R10 beta
TEXT ·normApplyAVX2(SB), NOSPLIT, $0-64
	MOVQ y+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ mean+16(FP), R8
	MOVQ scale+24(FP), R9
	MOVQ beta+32(FP), R10
	MOVQ rows+40(FP), CX
	MOVQ n+48(FP), R13
	MOVQ stride+56(FP), DX
	SHLQ $2, R13
	SHLQ $2, DX

row:
	XORL AX, AX

channel:
	VMOVUPS     (SI)(AX*1), Y0
	VSUBPS      (R8)(AX*1), Y0, Y0
	VMOVUPS     (R9)(AX*1), Y1
	VFMADD213PS (R10)(AX*1), Y1, Y0
	VMOVUPS     Y0, (DI)(AX*1)
	ADDQ        $32, AX
	CMPQ        AX, R13
	JLT         channel
	ADDQ        DX, DI
	ADDQ        DX, SI
	DECQ        CX
	JNZ         row
	VZEROUPPER
	RET

// func normGradAVX2(dx, dy, x, mean, k0, k1, k2 *float32, rows, n, stride int, keep uint32)
//	d = k0[c]·dy − k1[c]·(x − mean[c]) − k2[c]
//	dx = d + (dx, where the bits of keep are set)
// DI dx, SI dy, R8 x, R9 mean, R10 k0, R11 k1, R12 k2, Y15 keep
TEXT ·normGradAVX2(SB), NOSPLIT, $0-84
	MOVQ dx+0(FP), DI
	MOVQ dy+8(FP), SI
	MOVQ x+16(FP), R8
	MOVQ mean+24(FP), R9
	MOVQ k0+32(FP), R10
	MOVQ k1+40(FP), R11
	MOVQ k2+48(FP), R12
	MOVQ rows+56(FP), CX
	MOVQ n+64(FP), R13
	MOVQ stride+72(FP), DX
	VBROADCASTSS keep+80(FP), Y15
	SHLQ $2, R13
	SHLQ $2, DX

row:
	XORL AX, AX

channel:
	VMOVUPS      (R8)(AX*1), Y1
	VSUBPS       (R9)(AX*1), Y1, Y1
	VMOVUPS      (SI)(AX*1), Y0
	VMULPS       (R10)(AX*1), Y0, Y0
	VFNMADD231PS (R11)(AX*1), Y1, Y0
	VSUBPS       (R12)(AX*1), Y0, Y0
	VANDPS       (DI)(AX*1), Y15, Y2
	VADDPS       Y2, Y0, Y0
	VMOVUPS      Y0, (DI)(AX*1)
	ADDQ         $32, AX
	CMPQ         AX, R13
	JLT          channel
	ADDQ         DX, DI
	ADDQ         DX, SI
	ADDQ         DX, R8
	DECQ         CX
	JNZ          row
	VZEROUPPER
	RET
