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
		used := min(panel, out-p*panel)
		to := dst[len(taps)*(c0*panels+p*c)*panel:][:len(taps)*c*panel]
		if used < panel {
			clear(to)
		}
		for _, t := range taps {
			from := w[t*cin*cout:][:cin*cout]
			if swap {
				for l := range used {
					column := from[(p*panel+l)*cout+c0:][:c]
					for k, v := range column {
						to[k*panel+l] = v
					}
				}
			} else {
				for k := range c {
					copy(to[k*panel:][:used], from[(c0+k)*cout+p*panel:])
				}
			}
			to = to[c*panel:]
		}
	})
}

// packedLen is the number of floats packWeights writes.
func packedLen(taps, in, out int) int { return taps * in * ceil(out, panel) * panel }

// packPairs arranges the weights of output channels [o0, o0+2·pairs) for the
// dot-product kernel: blocks of inBlock input channels, in each the pairs, in each what dotArgs
// says. width is the number of taps along W, which with the channels make one run.
func packPairs(dst, w []float32, taps []int, width, cin, cout, inBlock int, swap bool, o0, pairs int) {
	in, out := cin, cout
	if swap {
		in, out = cout, cin
	}
	at := func(t, i, o int) float32 {
		switch {
		case o >= out:
			return 0
		case swap:
			return w[(t*cin+o)*cout+i]
		}
		return w[(t*cin+i)*cout+o]
	}
	for c0 := 0; c0 < in; c0 += inBlock {
		c := min(inBlock, in-c0)
		for q := range pairs {
			for t := 0; t < len(taps); t += width {
				line := dst[:pairLen(width, width, c)]
				dst = dst[len(line):]
				clear(line)
				for j := range width * c {
					for o := range 2 {
						line[(j/vector*2+o)*vector+j%vector] = at(taps[t+j/c], c0+j%c, o0+2*q+o)
					}
				}
			}
		}
	}
}

// pairLen is the number of floats of one pair for c input channels.
func pairLen(taps, width, c int) int { return taps / width * ceil(width*c, vector) * 2 * vector }
