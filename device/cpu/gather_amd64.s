//go:build !purego

#include "textflag.h"

// func gatherAVX2(dst, src *float32, pieces, n, stride int)
//
//	for each piece:                    DI dst, SI src, CX left
//	  copy n floats, 8 at a time; the last 8 may overlap those before
//	  prefetch the piece 8 further on
//
// n ≥ 8. R9 bytes between pieces in src, R10 bytes of the last vector's start,
// AX byte offset in the piece, R11 -> the piece to prefetch.
TEXT ·gatherAVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ pieces+16(FP), CX
	MOVQ n+24(FP), R10
	MOVQ stride+32(FP), R9
	SHLQ $2, R9
	SHLQ $2, R10
	MOVQ R10, R8           // bytes of a piece
	SUBQ $32, R10
	LEAQ (SI)(R9*8), R11

piece:
	XORL AX, AX
	CMPQ R10, $0
	JE   last

vector:
	VMOVUPS     (SI)(AX*1), Y0
	PREFETCHT0  (R11)(AX*1)
	VMOVUPS     Y0, (DI)(AX*1)
	ADDQ        $32, AX
	CMPQ        AX, R10
	JLT         vector

last:
	VMOVUPS    (SI)(R10*1), Y0
	PREFETCHT0 (R11)(R10*1)
	VMOVUPS    Y0, (DI)(R10*1)
	ADDQ       R8, DI
	ADDQ       R9, SI
	ADDQ       R9, R11
	DECQ       CX
	JNZ        piece
	VZEROUPPER
	RET
