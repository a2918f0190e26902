//go:build !purego

#include "textflag.h"

DATA ·eightBlocks+0(SB)/4, $0
DATA ·eightBlocks+4(SB)/4, $1
DATA ·eightBlocks+8(SB)/4, $2
DATA ·eightBlocks+12(SB)/4, $3
DATA ·eightBlocks+16(SB)/4, $4
DATA ·eightBlocks+20(SB)/4, $5
DATA ·eightBlocks+24(SB)/4, $6
DATA ·eightBlocks+28(SB)/4, $7
GLOBL ·eightBlocks(SB), RODATA|NOPTR, $32

DATA ·three+0(SB)/8, $3.0
GLOBL ·three(SB), RODATA|NOPTR, $8

#define BROADCAST(V, X, Y) \
	MOVL $V, AX; \
	VMOVD AX, X; \
	VPBROADCASTD X, Y

// The products of eight 32-bit lanes C and M, in halves HI and LO. Even and odd lanes
// are multiplied apart. ODD is spoiled.
#define PRODUCT(C, M, ODD, LO, HI) \
	VPSRLQ   $32, C, ODD; \
	VPMULUDQ M, C, LO; \
	VPMULUDQ M, ODD, ODD; \
	VPSRLQ   $32, LO, HI; \
	VPBLENDD $0xAA, ODD, HI, HI; \
	VPSLLQ   $32, ODD, ODD; \
	VPBLENDD $0xAA, ODD, LO, LO

// func philoxAVX2(words *uint32, key uint64, first uint32, groups int)
//
// The words of groups × 8 blocks of Philox4x32-10 from counter first on, see rng.Philox. Word k
// of eight blocks is in Yk, the key in Y4 and Y5.
TEXT ·philoxAVX2(SB), NOSPLIT, $0-32
	MOVQ words+0(FP), DI
	MOVQ key+8(FP), R10
	MOVQ R10, R11
	SHRQ $32, R11
	MOVL first+16(FP), R8
	MOVQ groups+24(FP), CX
	BROADCAST(0xD2511F53, X6, Y6)
	BROADCAST(0xCD9E8D57, X7, Y7)
	BROADCAST(0x9E3779B9, X8, Y8)
	BROADCAST(0xBB67AE85, X9, Y9)

group:
	VMOVD        R10, X4
	VPBROADCASTD X4, Y4
	VMOVD        R11, X5
	VPBROADCASTD X5, Y5
	VMOVD        R8, X0
	VPBROADCASTD X0, Y0
	VPADDD       ·eightBlocks(SB), Y0, Y0
	VPXOR        Y1, Y1, Y1
	VPXOR        Y2, Y2, Y2
	VPXOR        Y3, Y3, Y3
	ADDL         $8, R8
	MOVL         $10, DX

round:
	PRODUCT(Y0, Y6, Y10, Y11, Y14)
	PRODUCT(Y2, Y7, Y12, Y13, Y15)
	VPXOR   Y15, Y1, Y0
	VPXOR   Y4, Y0, Y0
	VPXOR   Y14, Y3, Y2
	VPXOR   Y5, Y2, Y2
	VMOVDQA Y13, Y1
	VMOVDQA Y11, Y3
	VPADDD  Y8, Y4, Y4
	VPADDD  Y9, Y5, Y5
	DECL    DX
	JNZ     round

	// From words of blocks to blocks of words.
	VPUNPCKLDQ   Y1, Y0, Y10
	VPUNPCKHDQ   Y1, Y0, Y11
	VPUNPCKLDQ   Y3, Y2, Y12
	VPUNPCKHDQ   Y3, Y2, Y13
	VPUNPCKLQDQ  Y12, Y10, Y0
	VPUNPCKHQDQ  Y12, Y10, Y1
	VPUNPCKLQDQ  Y13, Y11, Y2
	VPUNPCKHQDQ  Y13, Y11, Y3
	VMOVDQU      X0, (DI)
	VMOVDQU      X1, 16(DI)
	VMOVDQU      X2, 32(DI)
	VMOVDQU      X3, 48(DI)
	VEXTRACTI128 $1, Y0, 64(DI)
	VEXTRACTI128 $1, Y1, 80(DI)
	VEXTRACTI128 $1, Y2, 96(DI)
	VEXTRACTI128 $1, Y3, 112(DI)
	ADDQ         $128, DI
	DECQ         CX
	JNZ          group
	VZEROUPPER
	RET

// func normalsAVX2(z *float32, words *uint32, n int, table *[32][10]float64)
//
// z[i] = rng.Normal32(words[i]), in the same steps: m = 2w+1, the row of its octave, and a chain of
// multiply-adds. One number at a time; neighbours overlap in the pipeline.
TEXT ·normalsAVX2(SB), NOSPLIT, $0-32
	MOVQ   z+0(FP), DI
	MOVQ   words+8(FP), SI
	MOVQ   n+16(FP), CX
	MOVQ   table+24(FP), R9
	VMOVSD ·three(SB), X4
	VXORPD X5, X5, X5

number:
	MOVL        (SI), AX
	LEAL        1(AX)(AX*1), BX
	BSRL        BX, DX
	MOVL        $1024, R8
	SUBL        DX, R8
	SHLQ        $52, R8
	VMOVQ       R8, X2
	VCVTSI2SDQ  BX, X5, X1
	VMULSD      X2, X1, X1
	VSUBSD      X4, X1, X1
	LEAQ        (DX)(DX*4), DX
	SHLQ        $4, DX
	ADDQ        R9, DX
	VMOVSD      72(DX), X0
	VFMADD213SD 64(DX), X1, X0
	VFMADD213SD 56(DX), X1, X0
	VFMADD213SD 48(DX), X1, X0
	VFMADD213SD 40(DX), X1, X0
	VFMADD213SD 32(DX), X1, X0
	VFMADD213SD 24(DX), X1, X0
	VFMADD213SD 16(DX), X1, X0
	VFMADD213SD 8(DX), X1, X0
	VFMADD213SD (DX), X1, X0
	SHRL        $31, AX
	SHLQ        $63, AX
	VMOVQ       AX, X3
	VXORPD      X3, X0, X0
	VCVTSD2SS   X0, X5, X0
	VMOVSS      X0, (DI)
	ADDQ        $4, SI
	ADDQ        $4, DI
	DECQ        CX
	JNZ         number
	VZEROUPPER
	RET
