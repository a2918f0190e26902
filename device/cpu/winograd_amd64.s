//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// The passes of Winograd's transforms, see passArgs: each takes two, three or four vectors, a step apart,
// to as many others. AX args, R8 src, R9 dst, R10 and R11 the bytes of their steps, R12 and R13 the
// fourth vectors, BX, CX and R15 what is left of n, count and rows, R14 and 0(SP) the row's src and dst.

#define BEGIN \
	MOVQ a+0(FP), AX; \
	MOVQ passArgs_src(AX), R14; \
	MOVQ passArgs_dst(AX), R9; \
	MOVQ R9, 0(SP); \
	MOVQ passArgs_srcStep(AX), R10; \
	MOVQ passArgs_dstStep(AX), R11; \
	MOVQ passArgs_rows(AX), R15; \
	SHLQ $2, R10; \
	SHLQ $2, R11

#define ROWS \
	MOVQ R14, R8; \
	MOVQ 0(SP), R9; \
	MOVQ passArgs_count(AX), CX

#define VECTORS \
	MOVQ passArgs_n(AX), BX; \
	MOVQ R8, SI; \
	MOVQ R9, DI; \
	LEAQ (SI)(R10*2), R12; \
	ADDQ R10, R12; \
	LEAQ (DI)(R11*2), R13; \
	ADDQ R11, R13

#define END(VECTOR, COUNT, ROW) \
	ADDQ $32, SI; \
	ADDQ $32, R12; \
	ADDQ $32, DI; \
	ADDQ $32, R13; \
	SUBQ $8, BX; \
	JG   VECTOR; \
	MOVQ passArgs_srcNext(AX), DX; \
	LEAQ (R8)(DX*4), R8; \
	MOVQ passArgs_dstNext(AX), DX; \
	LEAQ (R9)(DX*4), R9; \
	DECQ CX; \
	JNZ  COUNT; \
	MOVQ passArgs_srcRow(AX), DX; \
	LEAQ (R14)(DX*4), R14; \
	MOVQ passArgs_dstRow(AX), DX; \
	SHLQ $2, DX; \
	ADDQ DX, 0(SP); \
	DECQ R15; \
	JNZ  ROW; \
	VZEROUPPER; \
	RET

#define LOAD3 \
	VMOVUPS (SI), Y0; \
	VMOVUPS (SI)(R10*1), Y1; \
	VMOVUPS (SI)(R10*2), Y2

#define STORE3(A, B, C) \
	VMOVUPS A, (DI); \
	VMOVUPS B, (DI)(R11*1); \
	VMOVUPS C, (DI)(R11*2)

DATA ·half+0(SB)/4, $0.5
GLOBL ·half(SB), RODATA|NOPTR, $4

// func winoInAVX2(a *passArgs): a − c, b + c, c − b, b − d
TEXT ·winoInAVX2(SB), NOSPLIT, $8-8
	BEGIN
row:
	ROWS
count:
	VECTORS
vector:
	LOAD3
	VSUBPS  Y2, Y0, Y4
	VADDPS  Y2, Y1, Y5
	VSUBPS  Y1, Y2, Y6
	VSUBPS  (R12), Y1, Y7
	STORE3(Y4, Y5, Y6)
	VMOVUPS Y7, (R13)
	END(vector, count, row)

// func winoInHeadAVX2(a *passArgs): without the last
TEXT ·winoInHeadAVX2(SB), NOSPLIT, $8-8
	BEGIN
row:
	ROWS
count:
	VECTORS
vector:
	LOAD3
	VSUBPS  Y2, Y0, Y4
	VADDPS  Y2, Y1, Y5
	VSUBPS  Y1, Y2, Y6
	STORE3(Y4, Y5, Y6)
	END(vector, count, row)

// func winoInTailAVX2(a *passArgs): without the first
TEXT ·winoInTailAVX2(SB), NOSPLIT, $8-8
	BEGIN
row:
	ROWS
count:
	VECTORS
vector:
	VMOVUPS (SI)(R10*1), Y1
	VMOVUPS (SI)(R10*2), Y2
	VADDPS  Y2, Y1, Y5
	VSUBPS  Y1, Y2, Y6
	VSUBPS  (R12), Y1, Y7
	VMOVUPS Y5, (DI)(R11*1)
	VMOVUPS Y6, (DI)(R11*2)
	VMOVUPS Y7, (R13)
	END(vector, count, row)

// func winoOutAVX2(a *passArgs): (a + b) + c, (b − c) − d
TEXT ·winoOutAVX2(SB), NOSPLIT, $8-8
	BEGIN
row:
	ROWS
count:
	VECTORS
vector:
	LOAD3
	VADDPS  Y1, Y0, Y4
	VSUBPS  Y2, Y1, Y5
	VADDPS  Y2, Y4, Y4
	VSUBPS  (R12), Y5, Y5
	VMOVUPS Y4, (DI)
	VMOVUPS Y5, (DI)(R11*1)
	END(vector, count, row)

// func winoOutHeadAVX2(a *passArgs): where d is 0
TEXT ·winoOutHeadAVX2(SB), NOSPLIT, $8-8
	BEGIN
row:
	ROWS
count:
	VECTORS
vector:
	LOAD3
	VADDPS  Y1, Y0, Y4
	VSUBPS  Y2, Y1, Y5
	VADDPS  Y2, Y4, Y4
	VMOVUPS Y4, (DI)
	VMOVUPS Y5, (DI)(R11*1)
	END(vector, count, row)

// func winoOutTailAVX2(a *passArgs): where a is 0
TEXT ·winoOutTailAVX2(SB), NOSPLIT, $8-8
	BEGIN
row:
	ROWS
count:
	VECTORS
vector:
	VMOVUPS (SI)(R10*1), Y1
	VMOVUPS (SI)(R10*2), Y2
	VADDPS  Y2, Y1, Y4
	VSUBPS  Y2, Y1, Y5
	VSUBPS  (R12), Y5, Y5
	VMOVUPS Y4, (DI)
	VMOVUPS Y5, (DI)(R11*1)
	END(vector, count, row)

// func winoBackAVX2(a *passArgs): a, a + b, a − b, −b
TEXT ·winoBackAVX2(SB), NOSPLIT, $8-8
	BEGIN
	VXORPS Y15, Y15, Y15
row:
	ROWS
count:
	VECTORS
vector:
	VMOVUPS (SI), Y0
	VMOVUPS (SI)(R10*1), Y1
	VADDPS  Y1, Y0, Y4
	VSUBPS  Y1, Y0, Y5
	VSUBPS  Y1, Y15, Y6
	STORE3(Y0, Y4, Y5)
	VMOVUPS Y6, (R13)
	END(vector, count, row)

// func winoBackHeadAVX2(a *passArgs): without the last
TEXT ·winoBackHeadAVX2(SB), NOSPLIT, $8-8
	BEGIN
row:
	ROWS
count:
	VECTORS
vector:
	VMOVUPS (SI), Y0
	VMOVUPS (SI)(R10*1), Y1
	VADDPS  Y1, Y0, Y4
	VSUBPS  Y1, Y0, Y5
	STORE3(Y0, Y4, Y5)
	END(vector, count, row)

// func winoBackTailAVX2(a *passArgs): without the first
TEXT ·winoBackTailAVX2(SB), NOSPLIT, $8-8
	BEGIN
	VXORPS Y15, Y15, Y15
row:
	ROWS
count:
	VECTORS
vector:
	VMOVUPS (SI), Y0
	VMOVUPS (SI)(R10*1), Y1
	VADDPS  Y1, Y0, Y4
	VSUBPS  Y1, Y0, Y5
	VSUBPS  Y1, Y15, Y6
	VMOVUPS Y4, (DI)(R11*1)
	VMOVUPS Y5, (DI)(R11*2)
	VMOVUPS Y6, (R13)
	END(vector, count, row)

// func winoWeightsAVX2(a *passArgs): a, ((a + c) + b)/2, ((a + c) − b)/2, c
TEXT ·winoWeightsAVX2(SB), NOSPLIT, $8-8
	BEGIN
	VBROADCASTSS ·half(SB), Y15
row:
	ROWS
count:
	VECTORS
vector:
	LOAD3
	VADDPS  Y2, Y0, Y4
	VADDPS  Y1, Y4, Y5
	VSUBPS  Y1, Y4, Y6
	VMULPS  Y15, Y5, Y5
	VMULPS  Y15, Y6, Y6
	STORE3(Y0, Y5, Y6)
	VMOVUPS Y2, (R13)
	END(vector, count, row)

// func winoWeightsBackAVX2(a *passArgs): a + (b + c)/2, (b − c)/2, d + (b + c)/2
TEXT ·winoWeightsBackAVX2(SB), NOSPLIT, $8-8
	BEGIN
	VBROADCASTSS ·half(SB), Y15
row:
	ROWS
count:
	VECTORS
vector:
	LOAD3
	VADDPS  Y2, Y1, Y4
	VSUBPS  Y2, Y1, Y5
	VMULPS  Y15, Y4, Y4
	VMULPS  Y15, Y5, Y5
	VADDPS  Y4, Y0, Y6
	VADDPS  (R12), Y4, Y7
	STORE3(Y6, Y5, Y7)
	END(vector, count, row)

// PAIR is a pass of pairArgs. AX args; R8, R9 and R10 the row's x, y and dst, SI, DX and DI the voxel's, R11, R12 and R13 the
// bytes from voxel to voxel; CX and R15 what is left of count and rows, R14 the byte offset in a voxel's BX.
#define PAIR \
	MOVQ a+0(FP), AX; \
	MOVQ pairArgs_x(AX), R8; \
	MOVQ pairArgs_y(AX), R9; \
	MOVQ pairArgs_dst(AX), R10; \
	MOVQ pairArgs_xNext(AX), R11; \
	MOVQ pairArgs_yNext(AX), R12; \
	MOVQ pairArgs_dstNext(AX), R13; \
	MOVQ pairArgs_rows(AX), R15; \
	MOVQ pairArgs_n(AX), BX; \
	SHLQ $2, R11; \
	SHLQ $2, R12; \
	SHLQ $2, R13; \
	SHLQ $2, BX

#define PAIRROW \
	MOVQ R8, SI; \
	MOVQ R9, DX; \
	MOVQ R10, DI; \
	MOVQ pairArgs_count(AX), CX

#define PAIREND(BYTES, VECTOR, VOXEL, ROW) \
	ADDQ $BYTES, R14; \
	CMPQ R14, BX; \
	JLT  VECTOR; \
	ADDQ R11, SI; \
	ADDQ R12, DX; \
	ADDQ R13, DI; \
	DECQ CX; \
	JNZ  VOXEL; \
	MOVQ pairArgs_xRow(AX), CX; \
	LEAQ (R8)(CX*4), R8; \
	MOVQ pairArgs_yRow(AX), CX; \
	LEAQ (R9)(CX*4), R9; \
	MOVQ pairArgs_dstRow(AX), CX; \
	LEAQ (R10)(CX*4), R10; \
	DECQ R15; \
	JNZ  ROW; \
	VZEROUPPER; \
	RET

// func winoPairAVX2(a *pairArgs): x ± y
TEXT ·winoPairAVX2(SB), NOSPLIT, $0-8
	PAIR
	VBROADCASTSS pairArgs_sign(AX), Y15
row:
	PAIRROW
voxel:
	XORL R14, R14
vector:
	VXORPS  (DX)(R14*1), Y15, Y0
	VADDPS  (SI)(R14*1), Y0, Y0
	VMOVUPS Y0, (DI)(R14*1)
	PAIREND(32, vector, voxel, row)

// func winoPairAVX512(a *pairArgs): x ± y
TEXT ·winoPairAVX512(SB), NOSPLIT, $0-8
	PAIR
	VPBROADCASTD pairArgs_sign(AX), Z15
row:
	PAIRROW
voxel:
	XORL R14, R14
vector:
	VPXORD  (DX)(R14*1), Z15, Z0
	VADDPS  (SI)(R14*1), Z0, Z0
	VMOVUPS Z0, (DI)(R14*1)
	PAIREND(64, vector, voxel, row)

// The same passes sixteen channels at a time.

#define END16(VECTOR, COUNT, ROW) \
	ADDQ $64, SI; \
	ADDQ $64, R12; \
	ADDQ $64, DI; \
	ADDQ $64, R13; \
	SUBQ $16, BX; \
	JG   VECTOR; \
	MOVQ passArgs_srcNext(AX), DX; \
	LEAQ (R8)(DX*4), R8; \
	MOVQ passArgs_dstNext(AX), DX; \
	LEAQ (R9)(DX*4), R9; \
	DECQ CX; \
	JNZ  COUNT; \
	MOVQ passArgs_srcRow(AX), DX; \
	LEAQ (R14)(DX*4), R14; \
	MOVQ passArgs_dstRow(AX), DX; \
	SHLQ $2, DX; \
	ADDQ DX, 0(SP); \
	DECQ R15; \
	JNZ  ROW; \
	VZEROUPPER; \
	RET

// func winoInAVX512(a *passArgs)
TEXT ·winoInAVX512(SB), NOSPLIT, $8-8
	BEGIN
row:
	ROWS
count:
	VECTORS
vector:
	VMOVUPS (SI)(R10*1), Z1
	VMOVUPS (SI)(R10*2), Z2
	VMOVUPS (SI), Z0
	VSUBPS  Z2, Z0, Z4
	VADDPS  Z2, Z1, Z5
	VSUBPS  Z1, Z2, Z6
	VSUBPS  (R12), Z1, Z7
	VMOVUPS Z4, (DI)
	VMOVUPS Z5, (DI)(R11*1)
	VMOVUPS Z6, (DI)(R11*2)
	VMOVUPS Z7, (R13)
	END16(vector, count, row)

// func winoInHeadAVX512(a *passArgs)
TEXT ·winoInHeadAVX512(SB), NOSPLIT, $8-8
	BEGIN
row:
	ROWS
count:
	VECTORS
vector:
	VMOVUPS (SI)(R10*1), Z1
	VMOVUPS (SI)(R10*2), Z2
	VMOVUPS (SI), Z0
	VSUBPS  Z2, Z0, Z4
	VADDPS  Z2, Z1, Z5
	VSUBPS  Z1, Z2, Z6
	VMOVUPS Z4, (DI)
	VMOVUPS Z5, (DI)(R11*1)
	VMOVUPS Z6, (DI)(R11*2)
	END16(vector, count, row)

// func winoInTailAVX512(a *passArgs)
TEXT ·winoInTailAVX512(SB), NOSPLIT, $8-8
	BEGIN
row:
	ROWS
count:
	VECTORS
vector:
	VMOVUPS (SI)(R10*1), Z1
	VMOVUPS (SI)(R10*2), Z2
	VADDPS  Z2, Z1, Z5
	VSUBPS  Z1, Z2, Z6
	VSUBPS  (R12), Z1, Z7
	VMOVUPS Z5, (DI)(R11*1)
	VMOVUPS Z6, (DI)(R11*2)
	VMOVUPS Z7, (R13)
	END16(vector, count, row)

// func winoBackAVX512(a *passArgs)
TEXT ·winoBackAVX512(SB), NOSPLIT, $8-8
	BEGIN
	VPXORD Z15, Z15, Z15
row:
	ROWS
count:
	VECTORS
vector:
	VMOVUPS (SI), Z0
	VMOVUPS (SI)(R10*1), Z1
	VADDPS  Z1, Z0, Z4
	VSUBPS  Z1, Z0, Z5
	VSUBPS  Z1, Z15, Z6
	VMOVUPS Z0, (DI)
	VMOVUPS Z4, (DI)(R11*1)
	VMOVUPS Z5, (DI)(R11*2)
	VMOVUPS Z6, (R13)
	END16(vector, count, row)

// func finishAVX2(a *finishArgs)
//
// AX args; SI sum; DI and R8 the voxel's y and base, R10 and R11 the bytes to the next one's; CX voxels left, R14 the byte offset
// in a voxel's BX.
TEXT ·finishAVX2(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), AX
	MOVQ finishArgs_y(AX), DI
	MOVQ finishArgs_sum(AX), SI
	MOVQ finishArgs_base(AX), R8
	MOVQ finishArgs_yNext(AX), R10
	MOVQ finishArgs_baseNext(AX), R11
	MOVQ finishArgs_n(AX), BX
	MOVQ finishArgs_count(AX), CX
	VBROADCASTSS finishArgs_floor(AX), Y15
	SHLQ $2, R10
	SHLQ $2, R11
	SHLQ $2, BX

voxel:
	XORL R14, R14

eight:
	VMOVUPS (SI)(R14*1), Y0
	VADDPS  (R8)(R14*1), Y0, Y0
	VMAXPS  Y0, Y15, Y0 // NaN stays
	VMOVUPS Y0, (DI)(R14*1)
	ADDQ    $32, R14
	CMPQ    R14, BX
	JLT     eight
	ADDQ    BX, SI
	ADDQ    R10, DI
	ADDQ    R11, R8
	DECQ    CX
	JNZ     voxel
	VZEROUPPER
	RET
