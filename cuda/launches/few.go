package launches

import "strings"

// fewSided reports whether the kernel is of a convolution between few channels and many: kernels/conv_few.cu and conv_few_grad.cu.
func (l Launch) fewSided() bool {
	for _, k := range []string{"wide_to_few_", "few_to_wide_", "few_grad_"} {
		if strings.HasPrefix(l.Kernel, k) {
			return true
		}
	}
	return false
}

// fewArithmetic is what such a kernel does of these arguments; of its tiles the empty voxels and channels are executed too.
func (l *Launch) fewArithmetic(args []any) {
	if strings.HasSuffix(l.Kernel, "_mma") {
		l.fewOnCores(args)
		return
	}
	at := func(i int) int { return args[i].(int) }
	ceil := func(n, d int) int { return (n + d - 1) / d }
	name, stored := strings.CutSuffix(l.Kernel, "_bf16")
	each := 4 // channels of the many in 16 bytes
	if stored {
		each = 8
	}
	first, depth := 5, 8 // the first number among the arguments
	switch {
	case strings.HasPrefix(name, "few_grad_"):
		first = 4
	case strings.HasPrefix(name, "few_to_wide_"):
		depth = 32 / each
	}
	few, wide, d, h, w := at(first), at(first+1), at(first+4), at(first+5), at(first+6)
	inSample := ceil(d, depth) * ceil(h, 8) * ceil(w, 8) // tiles
	ofTile := float64(depth*64) * 2 * 27
	channels := int(name[len(name)-1] - '0') // of the few, that a block has
	tiles, blocks := l.Grid.X, float64(l.Grid.X*l.Grid.Y)
	switch {
	case strings.HasPrefix(name, "few_grad_"):
		tiles = at(12)
		lines := l.Block.X / at(11)
		l.executed = ofTile * float64(tiles*channels*l.Grid.Y*l.Grid.Z) * float64(l.Block.X) / float64(lines)
	case strings.HasPrefix(name, "few_to_wide_"):
		l.executed = ofTile * blocks * float64(l.Block.X/64*each*channels*ceil(few, channels))
	default:
		chunks := ceil(wide, 2*each)
		l.executed = ofTile * blocks * float64(channels*each*ceil(wide, each))
		l.Rounds, l.Copied = blocks*float64(l.Block.X/32*chunks), int64(blocks)*int64(chunks)*2000*16
	}
	l.Flops = 2 * 27 * float64(few*wide) * float64(d*h*w) * float64(tiles) / float64(inSample)
}

// fewOnCores is fewArithmetic of kernels/conv_few_mma.cu and conv_few_mma_grad.cu, whose tiles have 16×8×8 voxels; planes beyond the grid are left out.
func (l *Launch) fewOnCores(args []any) {
	at := func(i int) int { return args[i].(int) }
	ceil := func(n, d int) int { return (n + d - 1) / d }
	const product = 2 * 16 * 8 * 16 // operations of a warp's
	first, tiles := map[string]int{"wide_to_few_mma": 6, "few_to_wide_mma": 4, "few_grad_mma": 4}[l.Kernel], l.Grid.X
	if l.Kernel == "few_grad_mma" {
		tiles = at(11)
	}
	few, wide, d, h, w := at(first), at(first+1), at(first+4), at(first+5), at(first+6)
	deep, chunks := ceil(d, 8), ceil(wide, 32)
	columns := tiles / deep // of tiles, of all samples
	switch l.Kernel {
	case "wide_to_few_mma":
		planes := columns * (d + 2*(deep-1)) // with the halo between tiles
		l.executed, l.Rounds = product*28*float64(planes*6*chunks), float64(planes*6)
		l.Copied = int64(tiles*chunks) * 14 * 32 * 16
	case "few_to_wide_mma":
		pairs := columns * (4*(deep-1) + ceil(d-8*(deep-1), 2)) // of planes
		l.executed, l.Rounds = product*32*float64(pairs*8*chunks), float64(pairs*8*l.Grid.Y)
		l.Copied = int64(tiles*l.Grid.Y) * (1536*16 + 1800*8)
	default:
		l.executed, l.Rounds = product*16*float64(columns*d*8*l.Grid.Y), float64(tiles*l.Grid.Y*8)
		l.Copied = int64(tiles*l.Grid.Y) * 200 * 18 * 4
	}
	l.Flops = 2 * 27 * float64(few*wide) * float64(d*h*w) * float64(columns/(ceil(h, 8)*ceil(w, 16)))
}
