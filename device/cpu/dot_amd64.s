//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// Eight words from the byte offset 32 − 4k have the first k set.
DATA ·dotMask+0(SB)/8, $0xffffffffffffffff
DATA ·dotMask+8(SB)/8, $0xffffffffffffffff
DATA ·dotMask+16(SB)/8, $0xffffffffffffffff
DATA ·dotMask+24(SB)/8, $0xffffffffffffffff
DATA ·dotMask+32(SB)/8, $0
DATA ·dotMask+40(SB)/8, $0
DATA ·dotMask+48(SB)/8, $0
DATA ·dotMask+56(SB)/8, $0
GLOBL ·dotMask(SB), RODATA|NOPTR, $64

// func dotAVX2(a *dotArgs)
//
//	for each tile of 6 voxels:                 accumulators Y0..Y11 = 6 × 2 × 8 lanes
//	  for each tap:                            BX -> tap offsets, CX left
//	    for each 8 of run input elements:      AX element index, DX left
//	      Y12, Y13 = 8 weights of either output at SI
//	      for r in 0..5: Y(2r), Y(2r+1) += x[voxel r][AX..] · Y12, Y13
//	  add up the lanes and store
//
// DI args; R8..R13 the six voxels' addresses; Y15 the mask of the last, partial 8.
// 0(SP) tiles left, 8(SP) -> xoff, 16(SP) -> out.

#define VOXELS \
	MOVQ   8(SP), BX; \
	MOVQ   dotArgs_x(DI), AX; \
	MOVQ   0(BX), R8; \
	MOVQ   8(BX), R9; \
	MOVQ   16(BX), R10; \
	MOVQ   24(BX), R11; \
	MOVQ   32(BX), R12; \
	MOVQ   40(BX), R13; \
	LEAQ   (AX)(R8*4), R8; \
	LEAQ   (AX)(R9*4), R9; \
	LEAQ   (AX)(R10*4), R10; \
	LEAQ   (AX)(R11*4), R11; \
	LEAQ   (AX)(R12*4), R12; \
	LEAQ   (AX)(R13*4), R13; \
	ADDQ   $48, BX; \
	MOVQ   BX, 8(SP); \
	LEAQ   ·dotMask+32(SB), AX; \
	MOVQ   dotArgs_run(DI), DX; \
	ANDQ   $7, DX; \
	SHLQ   $2, DX; \
	SUBQ   DX, AX; \
	VMOVUPS (AX), Y15; \
	MOVQ   dotArgs_w(DI), SI; \
	MOVQ   dotArgs_taps(DI), BX; \
	MOVQ   (dotArgs_taps+8)(DI), CX

#define STORETILE \
	MOVQ 16(SP), BX; \
	REDUCE(0, Y0, Y1, Y2, Y3, X0); \
	REDUCE(16, Y4, Y5, Y6, Y7, X4); \
	REDUCE(32, Y8, Y9, Y10, Y11, X8); \
	ADDQ $48, BX; \
	MOVQ BX, 16(SP)

#define PAIR(A, B) \
	VFMADD231PS Y12, Y14, A; \
	VFMADD231PS Y13, Y14, B

#define WHOLE(P, A, B) \
	VMOVUPS (P)(AX*4), Y14; \
	PAIR(A, B)

#define PART(P, A, B) \
	VMASKMOVPS (P)(AX*4), Y15, Y14; \
	PAIR(A, B)

// Voxels (A, B) and (C, D): four sums at D(BX).
#define REDUCE(O, A, B, C, D, X) \
	VHADDPS      B, A, A; \
	VHADDPS      D, C, C; \
	VHADDPS      C, A, A; \
	VEXTRACTF128 $1, A, X15; \
	VADDPS       X15, X, X; \
	VMOVUPS      X, O(BX)

TEXT ·dotAVX2(SB), NOSPLIT, $24-8
	MOVQ a+0(FP), DI
	MOVQ dotArgs_tiles(DI), AX
	MOVQ AX, 0(SP)
	MOVQ dotArgs_xoff(DI), AX
	MOVQ AX, 8(SP)
	MOVQ dotArgs_out(DI), AX
	MOVQ AX, 16(SP)

tile:
	VOXELS
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11

tap:
	MOVQ (BX), AX
	ADDQ $8, BX
	MOVQ dotArgs_run(DI), DX
	SUBQ $8, DX
	JLT  few

	PCALIGN $32
eight:
	VMOVUPS (SI), Y12
	VMOVUPS 32(SI), Y13
	WHOLE(R8, Y0, Y1)
	WHOLE(R9, Y2, Y3)
	WHOLE(R10, Y4, Y5)
	WHOLE(R11, Y6, Y7)
	WHOLE(R12, Y8, Y9)
	WHOLE(R13, Y10, Y11)
	ADDQ $8, AX
	ADDQ $64, SI
	SUBQ $8, DX
	JGE  eight

few:
	ADDQ $8, DX
	JZ   next
	VMOVUPS (SI), Y12
	VMOVUPS 32(SI), Y13
	PART(R8, Y0, Y1)
	PART(R9, Y2, Y3)
	PART(R10, Y4, Y5)
	PART(R11, Y6, Y7)
	PART(R12, Y8, Y9)
	PART(R13, Y10, Y11)
	ADDQ $64, SI

next:
	DECQ CX
	JNZ  tap

	STORETILE
	DECQ 0(SP)
	JNZ  tile
	VZEROUPPER
	RET

// func dotAVX512(a *dotArgs): dotAVX2 with both outputs' lanes in one register, of the same bits.

#define WIDE(P, A) \
	VBROADCASTF64X4 (P)(AX*4), Z14; \
	VFMADD231PS     Z12, Z14, A

#define WIDEPART(P, A) \
	VMASKMOVPS    (P)(AX*4), Y15, Y14; \
	VINSERTF64X4  $1, Y14, Z14, Z14; \
	VFMADD231PS   Z12, Z14, A

TEXT ·dotAVX512(SB), NOSPLIT, $24-8
	MOVQ a+0(FP), DI
	MOVQ dotArgs_tiles(DI), AX
	MOVQ AX, 0(SP)
	MOVQ dotArgs_xoff(DI), AX
	MOVQ AX, 8(SP)
	MOVQ dotArgs_out(DI), AX
	MOVQ AX, 16(SP)

tile:
	VOXELS
	VPXORD Z0, Z0, Z0
	VPXORD Z2, Z2, Z2
	VPXORD Z4, Z4, Z4
	VPXORD Z6, Z6, Z6
	VPXORD Z8, Z8, Z8
	VPXORD Z10, Z10, Z10

tap:
	MOVQ (BX), AX
	ADDQ $8, BX
	MOVQ dotArgs_run(DI), DX
	SUBQ $8, DX
	JLT  few

	PCALIGN $32
eight:
	VMOVUPS (SI), Z12
	WIDE(R8, Z0)
	WIDE(R9, Z2)
	WIDE(R10, Z4)
	WIDE(R11, Z6)
	WIDE(R12, Z8)
	WIDE(R13, Z10)
	ADDQ $8, AX
	ADDQ $64, SI
	SUBQ $8, DX
	JGE  eight

few:
	ADDQ $8, DX
	JZ   next
	VMOVUPS (SI), Z12
	WIDEPART(R8, Z0)
	WIDEPART(R9, Z2)
	WIDEPART(R10, Z4)
	WIDEPART(R11, Z6)
	WIDEPART(R12, Z8)
	WIDEPART(R13, Z10)
	ADDQ $64, SI

next:
	DECQ CX
	JNZ  tap

	VEXTRACTF64X4 $1, Z0, Y1
	VEXTRACTF64X4 $1, Z2, Y3
	VEXTRACTF64X4 $1, Z4, Y5
	VEXTRACTF64X4 $1, Z6, Y7
	VEXTRACTF64X4 $1, Z8, Y9
	VEXTRACTF64X4 $1, Z10, Y11
	STORETILE
	DECQ 0(SP)
	JNZ  tile
	VZEROUPPER
	RET
