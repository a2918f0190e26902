//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// func corrAVX2(a *corrArgs)
//
// One panel:
//
//	for each tile of 6 rows:                   accumulators Y0..Y11 = 6 × 16
//	  for each tap:                            BX -> tap offsets, CX left
//	    for each of run elements:              AX element index, DX left
//	      Y12, Y13 = 16 weights at SI
//	      for r in 0..5: Y(2r), Y(2r+1) += x[row r][AX] · Y12, Y13
//	  epilogue: add the bias or the old y, max with floor, store
//
// DI args; R8..R13 the six rows' addresses (x, then y); SI weights; R15 step.
// 0(SP) tiles left, 8(SP) -> xoff, 16(SP) -> yoff. Each FMA pair needs one
// broadcast; the 12 accumulators cover twice the latency of two FMA ports.
// In the last tile missing rows repeat the last one: all six are read before
// any is stored, so repeats store the same value.

#define ROW(P, A, B, T) \
	VBROADCASTSS (P)(AX*4), T; \
	VFMADD231PS  Y12, T, A; \
	VFMADD231PS  Y13, T, B

#define ADDRESSES(TABLE) \
	MOVQ 0(TABLE), R8; \
	MOVQ 8(TABLE), R9; \
	MOVQ 16(TABLE), R10; \
	MOVQ 24(TABLE), R11; \
	MOVQ 32(TABLE), R12; \
	MOVQ 40(TABLE), R13; \
	LEAQ (AX)(R8*4), R8; \
	LEAQ (AX)(R9*4), R9; \
	LEAQ (AX)(R10*4), R10; \
	LEAQ (AX)(R11*4), R11; \
	LEAQ (AX)(R12*4), R12; \
	LEAQ (AX)(R13*4), R13

#define CLEAR \
	VXORPS Y0, Y0, Y0; \
	VXORPS Y1, Y1, Y1; \
	VXORPS Y2, Y2, Y2; \
	VXORPS Y3, Y3, Y3; \
	VXORPS Y4, Y4, Y4; \
	VXORPS Y5, Y5, Y5; \
	VXORPS Y6, Y6, Y6; \
	VXORPS Y7, Y7, Y7; \
	VXORPS Y8, Y8, Y8; \
	VXORPS Y9, Y9, Y9; \
	VXORPS Y10, Y10, Y10; \
	VXORPS Y11, Y11, Y11

#define ADDOLD(P, A, B) \
	VADDPS (P), A, A; \
	VADDPS 32(P), B, B

#define ADDBIAS(A, B) \
	VADDPS Y12, A, A; \
	VADDPS Y13, B, B

// VMAXPS returns its second source where one is NaN: that is the sum, so NaN stays.
#define STORE(P, A, B) \
	VMAXPS  A, Y14, A; \
	VMAXPS  B, Y14, B; \
	VMOVUPS A, (P); \
	VMOVUPS B, 32(P)

TEXT ·corrAVX2(SB), NOSPLIT, $24-8
	MOVQ a+0(FP), DI
	MOVQ corrArgs_tiles(DI), AX
	MOVQ AX, 0(SP)
	MOVQ corrArgs_xoff(DI), AX
	MOVQ AX, 8(SP)
	MOVQ corrArgs_yoff(DI), AX
	MOVQ AX, 16(SP)
	MOVQ corrArgs_step(DI), R15

tile:
	MOVQ 8(SP), BX
	MOVQ corrArgs_x(DI), AX
	ADDRESSES(BX)
	ADDQ $48, BX
	MOVQ BX, 8(SP)
	CLEAR
	MOVQ corrArgs_w(DI), SI
	MOVQ corrArgs_taps(DI), BX
	MOVQ (corrArgs_taps+8)(DI), CX
	TESTQ CX, CX
	JZ   epilogue

tap:
	MOVQ (BX), AX
	ADDQ $8, BX
	MOVQ corrArgs_run(DI), DX

	PCALIGN $32
element:
	VMOVUPS (SI), Y12
	VMOVUPS 32(SI), Y13
	ROW(R8, Y0, Y1, Y14)
	ROW(R9, Y2, Y3, Y15)
	ROW(R10, Y4, Y5, Y14)
	ROW(R11, Y6, Y7, Y15)
	ROW(R12, Y8, Y9, Y14)
	ROW(R13, Y10, Y11, Y15)
	ADDQ R15, AX
	ADDQ $64, SI
	DECQ DX
	JNZ  element

	DECQ CX
	JNZ  tap

epilogue:
	MOVQ 16(SP), BX
	MOVQ corrArgs_y(DI), AX
	ADDRESSES(BX)
	ADDQ $48, BX
	MOVQ BX, 16(SP)
	CMPQ corrArgs_add(DI), $0
	JE   bias
	ADDOLD(R8, Y0, Y1)
	ADDOLD(R9, Y2, Y3)
	ADDOLD(R10, Y4, Y5)
	ADDOLD(R11, Y6, Y7)
	ADDOLD(R12, Y8, Y9)
	ADDOLD(R13, Y10, Y11)
	JMP  store

bias:
	MOVQ    corrArgs_bias(DI), AX
	VMOVUPS (AX), Y12
	VMOVUPS 32(AX), Y13
	ADDBIAS(Y0, Y1)
	ADDBIAS(Y2, Y3)
	ADDBIAS(Y4, Y5)
	ADDBIAS(Y6, Y7)
	ADDBIAS(Y8, Y9)
	ADDBIAS(Y10, Y11)

store:
	VBROADCASTSS corrArgs_floor(DI), Y14
	STORE(R8, Y0, Y1)
	STORE(R9, Y2, Y3)
	STORE(R10, Y4, Y5)
	STORE(R11, Y6, Y7)
	STORE(R12, Y8, Y9)
	STORE(R13, Y10, Y11)
	DECQ 0(SP)
	JNZ  tile
	VZEROUPPER
	RET
