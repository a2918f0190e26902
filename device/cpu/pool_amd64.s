//go:build !purego

#include "textflag.h"

// Both kernels go along a line of pooled voxels and n channels of each, n a
// multiple of 8. The four input lines start at SI, R9, R10, R11 (i, j = 00, 01,
// 10, 11); each holds two voxels (k) a stride apart.
// AX byte offset of the channel, R13 its end, DX bytes between voxels, CX voxels left.

#define MORE(M) \
	VMOVUPS M, Y1; \
	VCMPPS  $3, Y1, Y1, Y2; \
	VORPS   Y2, Y15, Y15; \
	VMAXPS  Y1, Y0, Y0

// func maxPoolAVX2(y, x *float32, plane, line, voxels, n, stride int)
//	y = the maximum of eight; Y15 collects where one of them is NaN.
// R8 the second voxel of a pair as an offset.
TEXT ·maxPoolAVX2(SB), NOSPLIT, $0-56
	MOVQ y+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ plane+16(FP), R10
	MOVQ line+24(FP), R9
	MOVQ voxels+32(FP), CX
	MOVQ n+40(FP), R13
	MOVQ stride+48(FP), DX
	SHLQ $2, R13
	SHLQ $2, DX
	LEAQ (SI)(R10*4), R10
	LEAQ (R10)(R9*4), R11
	LEAQ (SI)(R9*4), R9

voxel:
	XORL AX, AX

channel:
	LEAQ    (AX)(DX*1), R8
	VXORPS  Y15, Y15, Y15
	VMOVUPS (SI)(AX*1), Y0
	VCMPPS  $3, Y0, Y0, Y15
	MORE((SI)(R8*1))
	MORE((R9)(AX*1))
	MORE((R9)(R8*1))
	MORE((R10)(AX*1))
	MORE((R10)(R8*1))
	MORE((R11)(AX*1))
	MORE((R11)(R8*1))
	VORPS   Y15, Y0, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ    $32, AX
	CMPQ    AX, R13
	JLT     channel
	ADDQ    DX, DI
	LEAQ    (SI)(DX*2), SI
	LEAQ    (R9)(DX*2), R9
	LEAQ    (R10)(DX*2), R10
	LEAQ    (R11)(DX*2), R11
	DECQ    CX
	JNZ     voxel
	VZEROUPPER
	RET

// P the input line, X the offset in it; R15 leads from the input to its gradient.
#define FIRST(P, X) \
	VCMPPS  $0, (P)(X*1), Y0, Y2; \
	VANDPS  Y2, Y3, Y4; \
	VANDNPS Y3, Y2, Y3; \
	VANDPS  Y1, Y4, Y4; \
	LEAQ    (P)(R15*1), BX; \
	VANDPS  (BX)(X*1), Y14, Y5; \
	VADDPS  Y5, Y4, Y4; \
	VMOVUPS Y4, (BX)(X*1)

// func maxPoolGradAVX2(dx, dy, x, y *float32, plane, line, voxels, n, stride int, keep uint32)
//	dx = (dy for the first of the eight that equals y, else 0) + (dx, where the bits of keep are set)
// Y0 y, Y1 dy, Y3 set where none was found yet, Y14 keep; R12 dy, DI y.
TEXT ·maxPoolGradAVX2(SB), NOSPLIT, $0-76
	MOVQ dx+0(FP), R15
	MOVQ dy+8(FP), R12
	MOVQ x+16(FP), SI
	MOVQ y+24(FP), DI
	MOVQ plane+32(FP), R10
	MOVQ line+40(FP), R9
	MOVQ voxels+48(FP), CX
	MOVQ n+56(FP), R13
	MOVQ stride+64(FP), DX
	VBROADCASTSS keep+72(FP), Y14
	SUBQ SI, R15
	SHLQ $2, R13
	SHLQ $2, DX
	LEAQ (SI)(R10*4), R10
	LEAQ (R10)(R9*4), R11
	LEAQ (SI)(R9*4), R9

voxel:
	XORL AX, AX

channel:
	LEAQ     (AX)(DX*1), R8
	VMOVUPS  (DI)(AX*1), Y0
	VMOVUPS  (R12)(AX*1), Y1
	VPCMPEQD Y3, Y3, Y3
	FIRST(SI, AX)
	FIRST(SI, R8)
	FIRST(R9, AX)
	FIRST(R9, R8)
	FIRST(R10, AX)
	FIRST(R10, R8)
	FIRST(R11, AX)
	FIRST(R11, R8)
	ADDQ     $32, AX
	CMPQ     AX, R13
	JLT      channel
	ADDQ     DX, DI
	ADDQ     DX, R12
	LEAQ     (SI)(DX*2), SI
	LEAQ     (R9)(DX*2), R9
	LEAQ     (R10)(DX*2), R10
	LEAQ     (R11)(DX*2), R11
	DECQ     CX
	JNZ      voxel
	VZEROUPPER
	RET
