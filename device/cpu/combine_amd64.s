//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// func combineAVX2(a *combineArgs)
//
//	for each unit: Y0, Y1 = six sources · Y8 … Y13, plus base at R15, not below Y14
//
// R8..R13 the six sources, DI the destination, CX units left.

#define SOURCE(I, R, C) \
	MOVQ         (combineArgs_off+8*I)(BX), R; \
	LEAQ         (SI)(R*4), R; \
	VBROADCASTSS (combineArgs_coef+4*I)(BX), C

#define TERM(R, C) \
	VFMADD231PS (R), C, Y0; \
	VFMADD231PS 32(R), C, Y1; \
	ADDQ DX, R

TEXT ·combineAVX2(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), BX
	MOVQ combineArgs_src(BX), SI
	MOVQ combineArgs_dst(BX), DI
	MOVQ combineArgs_units(BX), CX
	MOVQ combineArgs_dstStep(BX), AX
	SHLQ $2, AX
	MOVQ combineArgs_srcStep(BX), DX
	SHLQ $2, DX
	SOURCE(0, R8, Y8)
	SOURCE(1, R9, Y9)
	SOURCE(2, R10, Y10)
	SOURCE(3, R11, Y11)
	SOURCE(4, R12, Y12)
	SOURCE(5, R13, Y13)
	MOVQ combineArgs_base(BX), R15
	VBROADCASTSS combineArgs_floor(BX), Y14
	MOVQ combineArgs_baseStep(BX), BX
	SHLQ $2, BX
	TESTQ CX, CX
	JLE  done

unit:
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	TERM(R8, Y8)
	TERM(R9, Y9)
	TERM(R10, Y10)
	TERM(R11, Y11)
	TERM(R12, Y12)
	TERM(R13, Y13)
	VADDPS  (R15), Y0, Y0
	VADDPS  32(R15), Y1, Y1
	VMAXPS  Y0, Y14, Y0 // NaN stays
	VMAXPS  Y1, Y14, Y1
	ADDQ BX, R15
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	ADDQ AX, DI
	DECQ CX
	JNZ  unit

done:
	VZEROUPPER
	RET
