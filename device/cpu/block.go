package cpu

import "voxgrad/device"

// Sizes of what one piece of work keeps in a core's second-level cache.
const (
	haloFloats  = 52 << 10 // input block with its halo
	blockVoxels = 384      // outputs of a correlation block
	lineVoxels  = 64       // longest run along W
)

// axis is one axis of a correlation: output i of n reads input positions
// i·step + off + t, t in [0, taps), and is stored at position first + i·stride.
type axis struct {
	n, taps, step, off int
	first, stride      int
}

// extent is the number of input positions that outputs in a row of n read.
func (a axis) extent(n int) int { return max(0, (n-1)*a.step+a.taps) }

// cut is a partition of the outputs of N samples into blocks of equal size,
// smaller at the far ends. It depends on shapes alone.
type cut struct {
	axes  [3]axis
	size  [3]int // outputs of a full block
	count [3]int // blocks along each axis
	total int    // over all samples
}

// newCut finds the block with the least work: outputs rounded up to whole
// tiles, plus what packing the halo of chans channels costs. tile is the cost of one output,
// in packed floats.
func newCut(samples int, axes [3]axis, chans, maxVoxels int, tile float64) cut {
	c := cut{axes: axes}
	w := even(axes[2].n, lineVoxels)
	best := -1.0
	for d := 1; d <= min(axes[0].n, 16); d++ {
		for h := 1; h <= min(axes[1].n, 16); h++ {
			voxels := d * h * w
			halo := axes[0].extent(d) * axes[1].extent(h) * axes[2].extent(w) * chans
			if d*h > 1 && (voxels > maxVoxels || halo > haloFloats) {
				continue
			}
			blocks := float64(ceil(axes[0].n, d) * ceil(axes[1].n, h))
			tiles := float64(ceil(voxels, tileRows)*tileRows) * tile
			cost := blocks * (tiles + float64(halo) + 16*tile)
			if best < 0 || cost < best {
				best, c.size = cost, [3]int{d, h, w}
			}
		}
	}
	c.total = samples
	for i, a := range axes {
		c.count[i] = ceil(a.n, c.size[i])
		c.total *= c.count[i]
	}
	return c
}

// block is one piece of a cut: sample, first output, number of outputs, and the
// extent of the input it reads.
type block struct {
	n             int
	from, size    [3]int
	extent, start [3]int // of the input; start may be negative
}

func (c *cut) block(i int) block {
	var b block
	for k := 2; k >= 0; k-- {
		a := c.axes[k]
		b.from[k] = i % c.count[k] * c.size[k]
		b.size[k] = min(c.size[k], a.n-b.from[k])
		b.extent[k] = a.extent(b.size[k])
		b.start[k] = b.from[k]*a.step + a.off
		i /= c.count[k]
	}
	b.n = i
	return b
}

func (b *block) voxels() int { return b.size[0] * b.size[1] * b.size[2] }

func (b *block) haloVoxels() int { return b.extent[0] * b.extent[1] * b.extent[2] }

// pack copies channels [c0, c0+c) of the block's input to dst, dense, with
// zeros outside the grid.
func (b *block) pack(dst, src []float32, s device.Shape, c0, c int, simd bool) {
	left := min(max(0, -b.start[2]), b.extent[2])
	right := max(left, min(b.extent[2], s.W-b.start[2]))
	for d := range b.extent[0] {
		zd := b.start[0] + d
		for h := range b.extent[1] {
			zh := b.start[1] + h
			line := dst[(d*b.extent[1]+h)*b.extent[2]*c:][:b.extent[2]*c]
			if zd < 0 || zd >= s.D || zh < 0 || zh >= s.H {
				clear(line)
				continue
			}
			clear(line[:left*c])
			clear(line[right*c:])
			if left == right {
				continue
			}
			from := src[(((b.n*s.D+zd)*s.H+zh)*s.W+b.start[2]+left)*s.C+c0:]
			gather(line[left*c:right*c], from, c, s.C, simd)
		}
	}
}

// ceil is a/b rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }

// even is the size of the pieces when n is cut evenly into pieces of at most most.
func even(n, most int) int { return ceil(n, ceil(n, most)) }
