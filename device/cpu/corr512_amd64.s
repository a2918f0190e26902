//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// func corrAVX512(a *corrArgs)
//
//	for each tile of 8 rows:                   accumulators Z0..Z23 = 8 × 3 panels of 16
//	  for each tap:                            BX -> tap offsets, 0(SP) left
//	    for each of run elements:              AX element index, CX left
//	      Z24..Z26 = 16 weights of each panel at SI, DX bytes apart
//	      for r in 0..7: Z(3r..3r+2) += x[row r][AX] · Z24..Z26
//	  epilogue, panel by panel: add the bias or the old y, max with floor, store
//
// With one or two panels the others' accumulators are left alone. Each output's sum is taken as
// corrAVX2 takes it, to the bit.
//
// DI args; R8..R15 the eight rows' addresses (x, then y); SI weights.
// 8(SP) tiles left, 16(SP) -> xoff, 24(SP) -> yoff.

#define ROW1(P, A) \
	VFMADD231PS.BCST (P)(AX*4), Z24, A

#define ROW2(P, A, B, T) \
	VBROADCASTSS (P)(AX*4), T; \
	VFMADD231PS  Z24, T, A; \
	VFMADD231PS  Z25, T, B

#define ROW3(P, A, B, C, T) \
	ROW2(P, A, B, T); \
	VFMADD231PS  Z26, T, C

// NEXT goes on to the next element, or to the next tap.
#define NEXT(LOOP) \
	ADDQ corrArgs_step(DI), AX; \
	ADDQ $64, SI; \
	DECQ CX; \
	JNZ  LOOP; \
	JMP  next

#define ADDRESSES(TABLE, P0, P1, P2, P3, P4, P5, P6, P7) \
	MOVQ 0(TABLE), P0; \
	MOVQ 8(TABLE), P1; \
	MOVQ 16(TABLE), P2; \
	MOVQ 24(TABLE), P3; \
	MOVQ 32(TABLE), P4; \
	MOVQ 40(TABLE), P5; \
	MOVQ 48(TABLE), P6; \
	MOVQ 56(TABLE), P7; \
	LEAQ (AX)(P0*4), P0; \
	LEAQ (AX)(P1*4), P1; \
	LEAQ (AX)(P2*4), P2; \
	LEAQ (AX)(P3*4), P3; \
	LEAQ (AX)(P4*4), P4; \
	LEAQ (AX)(P5*4), P5; \
	LEAQ (AX)(P6*4), P6; \
	LEAQ (AX)(P7*4), P7; \
	ADDQ $64, TABLE

#define CLEAR(A, B, C) \
	VPXORD A, A, A; \
	VPXORD B, B, B; \
	VPXORD C, C, C

#define ADDOLD(P, A) VADDPS (P)(AX*1), A, A

#define ADDBIAS(A) VADDPS Z24, A, A

// VMAXPS returns its second source where one is NaN: that is the sum, so NaN stays.
#define STORE(P, A) \
	VMAXPS  A, Z25, A; \
	VMOVUPS A, (P)(AX*1)

// EIGHT does something for a panel's eight rows.
#define EIGHT(DO, A0, A1, A2, A3, A4, A5, A6, A7) \
	DO(R8, A0); \
	DO(R9, A1); \
	DO(R10, A2); \
	DO(R11, A3); \
	DO(R12, A4); \
	DO(R13, A5); \
	DO(R14, A6); \
	DO(R15, A7)

#define BIAS(P, A) ADDBIAS(A)

// PANEL finishes a panel, AX bytes into y and BX into the bias, and goes on to the next one.
#define PANEL(NAME, END, A0, A1, A2, A3, A4, A5, A6, A7) \
	CMPQ    corrArgs_add(DI), $0; \
	JE      NAME; \
	EIGHT(ADDOLD, A0, A1, A2, A3, A4, A5, A6, A7); \
	JMP     END; \
NAME: \
	VMOVUPS (BX), Z24; \
	EIGHT(BIAS, A0, A1, A2, A3, A4, A5, A6, A7); \
END: \
	EIGHT(STORE, A0, A1, A2, A3, A4, A5, A6, A7); \
	ADDQ    $64, BX; \
	ADDQ    DX, AX; \
	DECQ    CX; \
	JZ      done

TEXT ·corrAVX512(SB), NOSPLIT, $32-8
	MOVQ a+0(FP), DI
	MOVQ corrArgs_tiles(DI), AX
	MOVQ AX, 8(SP)
	MOVQ corrArgs_xoff(DI), AX
	MOVQ AX, 16(SP)
	MOVQ corrArgs_yoff(DI), AX
	MOVQ AX, 24(SP)

tile:
	MOVQ 16(SP), BX
	MOVQ corrArgs_x(DI), AX
	ADDRESSES(BX, R8, R9, R10, R11, R12, R13, R14, R15)
	MOVQ BX, 16(SP)
	CLEAR(Z0, Z1, Z2)
	CLEAR(Z3, Z4, Z5)
	CLEAR(Z6, Z7, Z8)
	CLEAR(Z9, Z10, Z11)
	CLEAR(Z12, Z13, Z14)
	CLEAR(Z15, Z16, Z17)
	CLEAR(Z18, Z19, Z20)
	CLEAR(Z21, Z22, Z23)
	MOVQ corrArgs_w(DI), SI
	MOVQ corrArgs_wStep(DI), DX
	SHLQ $2, DX
	MOVQ corrArgs_taps(DI), BX
	MOVQ (corrArgs_taps+8)(DI), CX
	MOVQ CX, 0(SP)
	TESTQ CX, CX
	JZ   epilogue

tap:
	MOVQ (BX), AX
	ADDQ $8, BX
	MOVQ corrArgs_run(DI), CX
	CMPQ corrArgs_panels(DI), $2
	JL   one
	JE   two

	PCALIGN $32
three:
	VMOVUPS (SI), Z24
	VMOVUPS (SI)(DX*1), Z25
	VMOVUPS (SI)(DX*2), Z26
	ROW3(R8, Z0, Z1, Z2, Z27)
	ROW3(R9, Z3, Z4, Z5, Z28)
	ROW3(R10, Z6, Z7, Z8, Z27)
	ROW3(R11, Z9, Z10, Z11, Z28)
	ROW3(R12, Z12, Z13, Z14, Z27)
	ROW3(R13, Z15, Z16, Z17, Z28)
	ROW3(R14, Z18, Z19, Z20, Z27)
	ROW3(R15, Z21, Z22, Z23, Z28)
	NEXT(three)

	PCALIGN $32
two:
	VMOVUPS (SI), Z24
	VMOVUPS (SI)(DX*1), Z25
	ROW2(R8, Z0, Z1, Z27)
	ROW2(R9, Z3, Z4, Z28)
	ROW2(R10, Z6, Z7, Z27)
	ROW2(R11, Z9, Z10, Z28)
	ROW2(R12, Z12, Z13, Z27)
	ROW2(R13, Z15, Z16, Z28)
	ROW2(R14, Z18, Z19, Z27)
	ROW2(R15, Z21, Z22, Z28)
	NEXT(two)

	PCALIGN $32
one:
	VMOVUPS (SI), Z24
	ROW1(R8, Z0)
	ROW1(R9, Z3)
	ROW1(R10, Z6)
	ROW1(R11, Z9)
	ROW1(R12, Z12)
	ROW1(R13, Z15)
	ROW1(R14, Z18)
	ROW1(R15, Z21)
	NEXT(one)

next:
	DECQ 0(SP)
	JNZ  tap

epilogue:
	MOVQ 24(SP), BX
	MOVQ corrArgs_y(DI), AX
	ADDRESSES(BX, R8, R9, R10, R11, R12, R13, R14, R15)
	MOVQ BX, 24(SP)
	MOVQ corrArgs_bias(DI), BX
	MOVQ corrArgs_yStep(DI), DX
	SHLQ $2, DX
	MOVQ corrArgs_panels(DI), CX
	VBROADCASTSS corrArgs_floor(DI), Z25
	XORL AX, AX
	PANEL(bias0, store0, Z0, Z3, Z6, Z9, Z12, Z15, Z18, Z21)
	PANEL(bias1, store1, Z1, Z4, Z7, Z10, Z13, Z16, Z19, Z22)
	PANEL(bias2, store2, Z2, Z5, Z8, Z11, Z14, Z17, Z20, Z23)

done:
	DECQ 8(SP)
	JNZ  tile
	VZEROUPPER
	RET

// func combineAVX512(a *combineArgs): combineAVX2 with one register for a unit.

#define SOURCE(I, R, C) \
	MOVQ         (combineArgs_off+8*I)(BX), R; \
	LEAQ         (SI)(R*4), R; \
	VBROADCASTSS (combineArgs_coef+4*I)(BX), C

#define TERM(R, C) \
	VFMADD231PS (R), C, Z0; \
	ADDQ DX, R

TEXT ·combineAVX512(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), BX
	MOVQ combineArgs_src(BX), SI
	MOVQ combineArgs_dst(BX), DI
	MOVQ combineArgs_units(BX), CX
	MOVQ combineArgs_dstStep(BX), AX
	SHLQ $2, AX
	MOVQ combineArgs_srcStep(BX), DX
	SHLQ $2, DX
	SOURCE(0, R8, Z8)
	SOURCE(1, R9, Z9)
	SOURCE(2, R10, Z10)
	SOURCE(3, R11, Z11)
	SOURCE(4, R12, Z12)
	SOURCE(5, R13, Z13)
	MOVQ combineArgs_base(BX), R15
	VBROADCASTSS combineArgs_floor(BX), Z14
	MOVQ combineArgs_baseStep(BX), BX
	SHLQ $2, BX
	TESTQ CX, CX
	JLE  end

unit:
	VPXORD Z0, Z0, Z0
	TERM(R8, Z8)
	TERM(R9, Z9)
	TERM(R10, Z10)
	TERM(R11, Z11)
	TERM(R12, Z12)
	TERM(R13, Z13)
	VADDPS  (R15), Z0, Z0
	VMAXPS  Z0, Z14, Z0
	ADDQ BX, R15
	VMOVUPS Z0, (DI)
	ADDQ AX, DI
	DECQ CX
	JNZ  unit

end:
	VZEROUPPER
	RET
