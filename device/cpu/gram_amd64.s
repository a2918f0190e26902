//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// func gramAVX2(a *gramArgs)
//
//	for each 8 of n:                         R8 -> y, DI -> c, R14 left
//	  Y0..Y7 = c, 4 × 8
//	  for each row:                          SI -> x, DX -> y, CX left
//	    Y0..Y7 += 4 of x · 8 of y
//
// R10, R11 and R12 the bytes of the steps of x, y and c, R13 three of c's.

#define GRAM(X, A, B) \
	VFMADD231PD Y8, X, A; \
	VFMADD231PD Y9, X, B

TEXT ·gramAVX2(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), AX
	MOVQ gramArgs_y(AX), R8
	MOVQ gramArgs_c(AX), DI
	MOVQ gramArgs_xStep(AX), R10
	MOVQ gramArgs_yStep(AX), R11
	MOVQ gramArgs_cStep(AX), R12
	MOVQ gramArgs_n(AX), R14
	SHLQ $3, R10
	SHLQ $3, R11
	SHLQ $3, R12
	LEAQ (R12)(R12*2), R13

block:
	MOVQ gramArgs_x(AX), SI
	MOVQ R8, DX
	MOVQ gramArgs_rows(AX), CX
	VMOVUPD (DI), Y0
	VMOVUPD 32(DI), Y1
	VMOVUPD (DI)(R12*1), Y2
	VMOVUPD 32(DI)(R12*1), Y3
	VMOVUPD (DI)(R12*2), Y4
	VMOVUPD 32(DI)(R12*2), Y5
	VMOVUPD (DI)(R13*1), Y6
	VMOVUPD 32(DI)(R13*1), Y7

row:
	VMOVUPD      (DX), Y8
	VMOVUPD      32(DX), Y9
	VBROADCASTSD (SI), Y10
	VBROADCASTSD 8(SI), Y11
	VBROADCASTSD 16(SI), Y12
	VBROADCASTSD 24(SI), Y13
	GRAM(Y10, Y0, Y1)
	GRAM(Y11, Y2, Y3)
	GRAM(Y12, Y4, Y5)
	GRAM(Y13, Y6, Y7)
	ADDQ R10, SI
	ADDQ R11, DX
	DECQ CX
	JNZ  row

	VMOVUPD Y0, (DI)
	VMOVUPD Y1, 32(DI)
	VMOVUPD Y2, (DI)(R12*1)
	VMOVUPD Y3, 32(DI)(R12*1)
	VMOVUPD Y4, (DI)(R12*2)
	VMOVUPD Y5, 32(DI)(R12*2)
	VMOVUPD Y6, (DI)(R13*1)
	VMOVUPD Y7, 32(DI)(R13*1)
	ADDQ $64, R8
	ADDQ $64, DI
	SUBQ $8, R14
	JG   block
	VZEROUPPER
	RET
