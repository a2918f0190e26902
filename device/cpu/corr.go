package cpu

import (
	"math"

	"voxgrad/device"
)

// correlation is the one engine behind convolutions, transposed convolutions
// and the input gradients of both: every output is a sum over a box of taps
// along three axes. (A transposed stride s is s³ such correlations, one for each
// class of output positions modulo s.)
//
// A piece of work is one block of output voxels and a few panels of 16 output
// channels. It packs the block's input with its halo, some channels at a time,
// and runs the kernel over tiles of 6 voxels × 16 channels; along W the taps
// and channels of the packed input are one contiguous run.
type correlation struct {
	in, out []float32
	is, os  device.Shape
	axes    [3]axis
	weights []float32 // from packWeights
	inBlock int       // input channels at a time
	bias    []float32 // nil or os.C values
	add     bool
	act     device.Act
}

// pieces is the least number of pieces of work worth having, for balance.
const pieces = 32

func (b *Backend) correlate(j *correlation) {
	taps := j.axes[0].taps * j.axes[1].taps * j.axes[2].taps
	panels := ceil(j.os.C, panel)
	cut := newCut(j.is.N, j.axes, j.inBlock, blockVoxels, float64(taps*j.inBlock*panels)/4)
	// Groups of panels share a packed halo; with few blocks make more groups.
	group := even(panels, max(1, panels*cut.total/pieces))
	groups := ceil(panels, group)
	b.forScratch(cut.total*groups, func(s *scratch, i int) {
		blk := cut.block(i / groups)
		first := i % groups * group
		b.correlateBlock(j, s, &blk, taps, first, min(first+group, panels))
	})
}

func (b *Backend) correlateBlock(j *correlation, s *scratch, blk *block, taps, p0, p1 int) {
	voxels := blk.voxels()
	tiles := ceil(voxels, tileRows)
	yoff := s.ints(0, tiles*tileRows)
	j.outputs(yoff, blk)
	tail := p1*panel > j.os.C // the last panel is not full: it goes through tmp
	var tmp []float32
	var tmpoff []int
	if tail {
		tmp, tmpoff = s.floats(1, voxels*panel), s.ints(1, tiles*tileRows)
		for v := range tmpoff {
			tmpoff[v] = min(v, voxels-1) * panel
		}
	}

	a := &s.corr
	*a = corrArgs{tiles: tiles, bias: s.floats(2, panel)}
	a.xoff = s.ints(2, tiles*tileRows)
	a.x = s.floats(0, blk.haloVoxels()*j.inBlock)
	if taps > 0 {
		a.taps = s.ints(3, j.axes[0].taps*j.axes[1].taps)
	}
	for c0 := 0; c0 < j.is.C; c0 += j.inBlock {
		c := min(j.inBlock, j.is.C-c0)
		if taps > 0 {
			blk.pack(a.x, j.in, j.is, c0, c, b.simd)
		}
		j.inputs(a, blk, c)
		a.floor = float32(math.Inf(-1))
		if j.act == device.ReLU && c0+c == j.is.C {
			a.floor = 0
		}
		for p := p0; p < p1; p++ {
			lanes := min(panel, j.os.C-p*panel)
			a.w = j.weights[taps*(c0*ceil(j.os.C, panel)+p*c)*panel:]
			a.y, a.yoff, a.add = j.out[p*panel:], yoff, 0
			if c0 > 0 || j.add {
				a.add = 1
			}
			if lanes < panel {
				a.y, a.yoff, a.add = tmp, tmpoff, 0
				if c0 > 0 {
					a.add = 1
				}
			}
			clear(a.bias)
			if j.bias != nil {
				copy(a.bias, j.bias[p*panel:])
			}
			b.corr(a)
		}
	}
	if tail {
		j.storeTail(tmp, yoff[:voxels], (p1-1)*panel)
	}
}

// outputs fills the table of the block's output voxels; spare entries repeat
// the last one.
func (j *correlation) outputs(yoff []int, blk *block) {
	v := 0
	at := func(k, i int) int { return j.axes[k].first + (blk.from[k]+i)*j.axes[k].stride }
	for d := range blk.size[0] {
		for h := range blk.size[1] {
			line := ((blk.n*j.os.D+at(0, d))*j.os.H + at(1, h)) * j.os.W
			for w := range blk.size[2] {
				yoff[v] = (line + at(2, w)) * j.os.C
				v++
			}
		}
	}
	for ; v < len(yoff); v++ {
		yoff[v] = yoff[v-1]
	}
}

// inputs fills the tables of voxels and taps in the packed halo of c channels.
func (j *correlation) inputs(a *corrArgs, blk *block, c int) {
	v := 0
	for d := range blk.size[0] {
		for h := range blk.size[1] {
			line := (d*j.axes[0].step*blk.extent[1] + h*j.axes[1].step) * blk.extent[2]
			for w := range blk.size[2] {
				a.xoff[v] = (line + w*j.axes[2].step) * c
				v++
			}
		}
	}
	for ; v < len(a.xoff); v++ {
		a.xoff[v] = a.xoff[v-1]
	}
	for t := range a.taps {
		a.taps[t] = (t/j.axes[1].taps*blk.extent[1] + t%j.axes[1].taps) * blk.extent[2] * c
	}
	a.run = j.axes[2].taps * c
}

// storeTail moves the panel that starts at channel c0 from tmp to the output.
func (j *correlation) storeTail(tmp []float32, yoff []int, c0 int) {
	lanes := j.os.C - c0
	for v, at := range yoff {
		from, to := tmp[v*panel:][:lanes], j.out[at+c0:][:lanes]
		if j.add {
			for l, x := range from {
				to[l] += x
			}
		} else {
			copy(to, from)
		}
	}
}

// inputBlock is how many of c input channels a correlation with the given
// number of taps handles at a time: the kernel's sum should be long, the halo
// should stay in cache.
func inputBlock(c, taps int) int {
	return even(c, min(192, max(48, 1296/max(1, taps))))
}
