package emu

// The fastest form of the most frequent instructions on this machine.
var (
	fmaF32Fast lane32 = fmaF32
	addF32Fast lane32 = addF32
	subF32Fast lane32 = subF32
	mulF32Fast lane32 = mulF32
	add32Fast  lane32 = add[uint32]
	mad32Fast  lane32 = madLo[uint32]
	add64Fast  lane64 = add[uint64]

	productFast = product // of mma

	// Copies of the lanes m.
	merge32 = merge[uint32]
	merge64 = merge[uint64]
)
