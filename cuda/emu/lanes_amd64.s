//go:build !purego

#include "textflag.h"

// The NaN that instructions make.
DATA nan<>+0(SB)/4, $0x7fffffff
GLOBL nan<>(SB), RODATA|NOPTR, $4

// CANON replaces the NaNs of Y2 by that one. Y7 holds it.
#define CANON \
	VCMPPS $3, Y2, Y2, Y3;       \
	VBLENDVPS Y3, Y7, Y2, Y2

#define FMA8(off) \
	VMOVUPS off(SI), Y0;         \
	VMOVUPS off(DX), Y1;         \
	VMOVUPS off(CX), Y2;         \
	VFMADD231PS Y1, Y0, Y2;      \
	CANON;                       \
	VMOVUPS Y2, off(DI)

// func fmaLanes(d, a, b, c *reg32)
TEXT ·fmaLanes(SB), NOSPLIT, $0-32
	MOVQ d+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	MOVQ c+24(FP), CX
	VBROADCASTSS nan<>(SB), Y7
	FMA8(0)
	FMA8(32)
	FMA8(64)
	FMA8(96)
	VZEROUPPER
	RET

#define BIN8(op, off) \
	VMOVUPS off(SI), Y0;         \
	VMOVUPS off(DX), Y1;         \
	op Y1, Y0, Y2;               \
	CANON;                       \
	VMOVUPS Y2, off(DI)

#define BIN(op) \
	MOVQ d+0(FP), DI;            \
	MOVQ a+8(FP), SI;            \
	MOVQ b+16(FP), DX;           \
	VBROADCASTSS nan<>(SB), Y7;  \
	BIN8(op, 0);                 \
	BIN8(op, 32);                \
	BIN8(op, 64);                \
	BIN8(op, 96);                \
	VZEROUPPER;                  \
	RET

// func addLanes(d, a, b *reg32)
TEXT ·addLanes(SB), NOSPLIT, $0-24
	BIN(VADDPS)

// func subLanes(d, a, b *reg32)
TEXT ·subLanes(SB), NOSPLIT, $0-24
	BIN(VSUBPS)

// func mulLanes(d, a, b *reg32)
TEXT ·mulLanes(SB), NOSPLIT, $0-24
	BIN(VMULPS)

#define ADDI8(op, off) \
	VMOVDQU off(SI), Y0;         \
	op off(DX), Y0, Y0;          \
	VMOVDQU Y0, off(DI)

// func addIntLanes(d, a, b *reg32)
TEXT ·addIntLanes(SB), NOSPLIT, $0-24
	MOVQ d+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	ADDI8(VPADDD, 0)
	ADDI8(VPADDD, 32)
	ADDI8(VPADDD, 64)
	ADDI8(VPADDD, 96)
	VZEROUPPER
	RET

#define MADI8(off) \
	VMOVDQU off(SI), Y0;         \
	VPMULLD off(DX), Y0, Y0;     \
	VPADDD off(CX), Y0, Y0;      \
	VMOVDQU Y0, off(DI)

// func madIntLanes(d, a, b, c *reg32)
TEXT ·madIntLanes(SB), NOSPLIT, $0-32
	MOVQ d+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	MOVQ c+24(FP), CX
	MADI8(0)
	MADI8(32)
	MADI8(64)
	MADI8(96)
	VZEROUPPER
	RET

// func addWideLanes(d, a, b *reg64)
TEXT ·addWideLanes(SB), NOSPLIT, $0-24
	MOVQ d+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	ADDI8(VPADDQ, 0)
	ADDI8(VPADDQ, 32)
	ADDI8(VPADDQ, 64)
	ADDI8(VPADDQ, 96)
	ADDI8(VPADDQ, 128)
	ADDI8(VPADDQ, 160)
	ADDI8(VPADDQ, 192)
	ADDI8(VPADDQ, 224)
	VZEROUPPER
	RET

// A bit for each of 8 lanes.
DATA bit<>+0(SB)/8, $0x0000000200000001
DATA bit<>+8(SB)/8, $0x0000000800000004
DATA bit<>+16(SB)/8, $0x0000002000000010
DATA bit<>+24(SB)/8, $0x0000008000000040
GLOBL bit<>(SB), RODATA|NOPTR, $32

// MERGE8 stores 8 lanes of s into d where the low bits of AX are set.
#define MERGE8(off) \
	VMOVD AX, X0;                \
	VPBROADCASTD X0, Y0;         \
	VPAND Y1, Y0, Y0;            \
	VPCMPEQD Y1, Y0, Y0;         \
	VMOVDQU off(SI), Y2;         \
	VPMASKMOVD Y2, Y0, off(DI);  \
	SHRL $8, AX

// func mergeLanes(d, s *reg32, m uint32)
TEXT ·mergeLanes(SB), NOSPLIT, $0-20
	MOVQ d+0(FP), DI
	MOVQ s+8(FP), SI
	MOVL m+16(FP), AX
	VMOVDQU bit<>(SB), Y1
	MERGE8(0)
	MERGE8(32)
	MERGE8(64)
	MERGE8(96)
	VZEROUPPER
	RET

#define MERGE4(off) \
	VMOVD AX, X0;                \
	VPBROADCASTQ X0, Y0;         \
	VPAND Y1, Y0, Y0;            \
	VPCMPEQQ Y1, Y0, Y0;         \
	VMOVDQU off(SI), Y2;         \
	VPMASKMOVQ Y2, Y0, off(DI);  \
	SHRL $4, AX

// func mergeWideLanes(d, s *reg64, m uint32)
TEXT ·mergeWideLanes(SB), NOSPLIT, $0-20
	MOVQ d+0(FP), DI
	MOVQ s+8(FP), SI
	MOVL m+16(FP), AX
	VPMOVZXDQ bit<>(SB), Y1
	MERGE4(0)
	MERGE4(32)
	MERGE4(64)
	MERGE4(96)
	MERGE4(128)
	MERGE4(160)
	MERGE4(192)
	MERGE4(224)
	VZEROUPPER
	RET

// func productRows(sum *[16 * 8]float64, a *[16 * 16]float64, b *[16 * 8]float64, k int)
TEXT ·productRows(SB), NOSPLIT, $0-32
	MOVQ sum+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	MOVQ k+24(FP), CX
	MOVQ $16, R8

row:
	VMOVUPD (DI), Y0
	VMOVUPD 32(DI), Y1
	MOVQ SI, R9
	MOVQ DX, R10
	MOVQ CX, R11

term:
	VBROADCASTSD (R9), Y2
	VFMADD231PD (R10), Y2, Y0
	VFMADD231PD 32(R10), Y2, Y1
	ADDQ $8, R9
	ADDQ $64, R10
	DECQ R11
	JNZ term
	VMOVUPD Y0, (DI)
	VMOVUPD Y1, 32(DI)
	ADDQ $64, DI
	ADDQ $128, SI
	DECQ R8
	JNZ row
	VZEROUPPER
	RET
