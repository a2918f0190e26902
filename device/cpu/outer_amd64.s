//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// func outerAVX2(a *outerArgs)
//
//	for each tile of 6 rows j:                 accumulators Y0..Y11 = 6 × 16
//	  for each line of voxels:                 BX -> line offsets, CX left
//	    for each of n voxels:                  AX element index, DX left
//	      Y12, Y13 = 16 values of panel dy at SI
//	      for r in 0..5: Y(2r), Y(2r+1) += x[row r][AX] · Y12, Y13
//	  add the tile to acc
//
// DI args; R8..R13 the six rows' addresses; SI dy; R15 bytes between voxels' x
// over 4. 0(SP) tiles left, 8(SP) -> joff, 16(SP) -> acc. The sum of one call starts at
// zero, so long sums are taken in short pieces.

#define ROW(P, A, B, T) \
	VBROADCASTSS (P)(AX*4), T; \
	VFMADD231PS  Y12, T, A; \
	VFMADD231PS  Y13, T, B

#define ADDTO(D, A, B) \
	VADDPS  D(BX), A, A; \
	VADDPS  (D+32)(BX), B, B; \
	VMOVUPS A, D(BX); \
	VMOVUPS B, (D+32)(BX)

TEXT ·outerAVX2(SB), NOSPLIT, $24-8
	MOVQ a+0(FP), DI
	MOVQ outerArgs_tiles(DI), AX
	MOVQ AX, 0(SP)
	MOVQ outerArgs_joff(DI), AX
	MOVQ AX, 8(SP)
	MOVQ outerArgs_acc(DI), AX
	MOVQ AX, 16(SP)
	MOVQ outerArgs_step(DI), R15

tile:
	MOVQ   8(SP), BX
	MOVQ   outerArgs_x(DI), AX
	MOVQ   0(BX), R8
	MOVQ   8(BX), R9
	MOVQ   16(BX), R10
	MOVQ   24(BX), R11
	MOVQ   32(BX), R12
	MOVQ   40(BX), R13
	LEAQ   (AX)(R8*4), R8
	LEAQ   (AX)(R9*4), R9
	LEAQ   (AX)(R10*4), R10
	LEAQ   (AX)(R11*4), R11
	LEAQ   (AX)(R12*4), R12
	LEAQ   (AX)(R13*4), R13
	ADDQ   $48, BX
	MOVQ   BX, 8(SP)
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
	MOVQ   outerArgs_dy(DI), SI
	MOVQ   outerArgs_lines(DI), BX
	MOVQ   (outerArgs_lines+8)(DI), CX

line:
	MOVQ (BX), AX
	ADDQ $8, BX
	MOVQ outerArgs_n(DI), DX

	PCALIGN $32
voxel:
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
	JNZ  voxel
	DECQ CX
	JNZ  line

	MOVQ 16(SP), BX
	ADDTO(0, Y0, Y1)
	ADDTO(64, Y2, Y3)
	ADDTO(128, Y4, Y5)
	ADDTO(192, Y6, Y7)
	ADDTO(256, Y8, Y9)
	ADDTO(320, Y10, Y11)
	ADDQ $384, BX
	MOVQ BX, 16(SP)
	DECQ 0(SP)
	JNZ  tile
	VZEROUPPER
	RET
