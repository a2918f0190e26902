//go:build !purego

#include "textflag.h"

// The kernels here go over n > 0 elements, a multiple of 8: AX byte offset, CX its end.

// func reluGradAVX2(dx, dy, y *float32, n int, keep uint32)
//	dx = (dy where y > 0, else 0) + (dx, where the bits of keep are set)
// DI dx, SI dy, R8 y, Y14 zero, Y15 keep
TEXT ·reluGradAVX2(SB), NOSPLIT, $0-36
	MOVQ dx+0(FP), DI
	MOVQ dy+8(FP), SI
	MOVQ y+16(FP), R8
	MOVQ n+24(FP), CX
	VBROADCASTSS keep+32(FP), Y15
	VXORPS Y14, Y14, Y14
	SHLQ $2, CX
	XORL AX, AX

eight:
	VMOVUPS (R8)(AX*1), Y0
	VCMPPS  $0x1e, Y14, Y0, Y0 // y > 0, false for NaN
	VANDPS  (SI)(AX*1), Y0, Y0
	VANDPS  (DI)(AX*1), Y15, Y1
	VADDPS  Y1, Y0, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ    $32, AX
	CMPQ    AX, CX
	JLT     eight
	VZEROUPPER
	RET

// func addAVX2(d, s *float32, n int)
//	d += s                                             DI d, SI s
TEXT ·addAVX2(SB), NOSPLIT, $0-24
	MOVQ d+0(FP), DI
	MOVQ s+8(FP), SI
	MOVQ n+16(FP), CX
	SHLQ $2, CX
	XORL AX, AX

eight:
	VMOVUPS (DI)(AX*1), Y0
	VADDPS  (SI)(AX*1), Y0, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ    $32, AX
	CMPQ    AX, CX
	JLT     eight
	VZEROUPPER
	RET

// func subAVX2(d, s *float32, n int)
//	d −= s                                             DI d, SI s
TEXT ·subAVX2(SB), NOSPLIT, $0-24
	MOVQ d+0(FP), DI
	MOVQ s+8(FP), SI
	MOVQ n+16(FP), CX
	SHLQ $2, CX
	XORL AX, AX

eight:
	VMOVUPS (DI)(AX*1), Y0
	VSUBPS  (SI)(AX*1), Y0, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ    $32, AX
	CMPQ    AX, CX
	JLT     eight
	VZEROUPPER
	RET

// func blendAVX2(to, near, far *float32, n int, wide, narrow float32)
//	to = wide·near + narrow·far                        DI to, SI near, R8 far
TEXT ·blendAVX2(SB), NOSPLIT, $0-40
	MOVQ to+0(FP), DI
	MOVQ near+8(FP), SI
	MOVQ far+16(FP), R8
	MOVQ n+24(FP), CX
	VBROADCASTSS wide+32(FP), Y14
	VBROADCASTSS narrow+36(FP), Y15
	SHLQ $2, CX
	XORL AX, AX

eight:
	VMULPS      (SI)(AX*1), Y14, Y0
	VMOVUPS     (R8)(AX*1), Y1
	VFMADD231PS Y1, Y15, Y0
	VMOVUPS     Y0, (DI)(AX*1)
	ADDQ        $32, AX
	CMPQ        AX, CX
	JLT         eight
	VZEROUPPER
	RET

// func collectAVX2(to, a, b, p, q *float32, n int, wide, narrow float32)
//	to = wide·(a + b) + narrow·(p + q)                 DI to, SI a, R8 b, R9 p, R10 q
TEXT ·collectAVX2(SB), NOSPLIT, $0-56
	MOVQ to+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), R8
	MOVQ p+24(FP), R9
	MOVQ q+32(FP), R10
	MOVQ n+40(FP), CX
	VBROADCASTSS wide+48(FP), Y14
	VBROADCASTSS narrow+52(FP), Y15
	SHLQ $2, CX
	XORL AX, AX

eight:
	VMOVUPS     (SI)(AX*1), Y0
	VADDPS      (R8)(AX*1), Y0, Y0
	VMOVUPS     (R9)(AX*1), Y1
	VADDPS      (R10)(AX*1), Y1, Y1
	VMULPS      Y14, Y0, Y0
	VFMADD231PS Y1, Y15, Y0
	VMOVUPS     Y0, (DI)(AX*1)
	ADDQ        $32, AX
	CMPQ        AX, CX
	JLT         eight
	VZEROUPPER
	RET
