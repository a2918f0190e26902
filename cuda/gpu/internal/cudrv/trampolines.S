//go:build cuda && linux && amd64

// Each driver function that gorgonia.org/cu calls, as a jump through a slot. The
// jump leaves registers and stack as they are, so no parameter list is needed.
#include "symbols.h"

#ifndef __x86_64__
#error "the trampolines are written for amd64"
#endif

	.text
#define TRAMPOLINE(name) \
	.globl name; .hidden name; .type name, @function; .p2align 4; \
	name: jmp *cudrv_slot_##name(%rip); \
	.size name, . - name;
SYMBOLS(TRAMPOLINE)

	.data
	.p2align 3
#define SLOT(name) \
	.globl cudrv_slot_##name; .hidden cudrv_slot_##name; \
	cudrv_slot_##name: .quad cudrv_closed;
SYMBOLS(SLOT)

	.section .note.GNU-stack, "", @progbits
