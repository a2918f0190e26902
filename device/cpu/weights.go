package cpu

import "voxgrad/internal/par"

// packWeights arranges weights w [.. taps .., cin, cout] for the correlation
// kernel: blocks of inBlock input channels, in each the panels of 16 output
// channels, in each [tap][channel][16], zeros in lanes past the last channel.
// taps lists the positions in w to use, in the kernel's order. If swap is set,
// input and output channels change roles, as an adjoint needs.
func packWeights(dst, w []float32, taps []int, cin, cout, inBlock int, swap bool) {
	in, out := cin, cout
	if swap {
		in, out = cout, cin
	}
	panels := ceil(out, panel)
	par.For(ceil(in, inBlock)*panels, func(i int) {
		c0, p := i/panels*inBlock, i%panels
		c := min(inBlock, in-c0)
		lanes := min(panel, out-p*panel)
		to := dst[len(taps)*(c0*panels+p*c)*panel:][:len(taps)*c*panel]
		if lanes < panel {
			clear(to)
		}
		for _, t := range taps {
			from := w[t*cin*cout:][:cin*cout]
			if swap {
				for l := range lanes {
					column := from[(p*panel+l)*cout+c0:][:c]
					for k, v := range column {
						to[k*panel+l] = v
					}
				}
			} else {
				for k := range c {
					copy(to[k*panel:][:lanes], from[(c0+k)*cout+p*panel:])
				}
			}
			to = to[c*panel:]
		}
	})
}

// packedLen is the number of floats packWeights writes.
func packedLen(taps, in, out int) int { return taps * in * ceil(out, panel) * panel }
