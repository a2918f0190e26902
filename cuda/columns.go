package cuda

import (
	"math"

	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// columns is how a kernel shares a tensor seen as a matrix, rows of c channels; see
// kernels/columns.cuh. It depends on the shape alone.
type columns struct {
	width  int // channels a thread handles at once: 4 or 1
	tx, ty int
	groups int // of tx·width channels
	per    int // rows of a block
	parts  int // blocks side by side
}

// maxParts bounds the partial results that a second kernel adds.
const maxParts = 1024

// columnsOf splits rows of c channels so that a thread has about each rows, more
// if that makes too many blocks.
func columnsOf(rows, c, width, each, most int) columns {
	vectors := c / width
	l := columns{width: width, groups: ceil(vectors, threads)}
	l.tx = ceil(vectors, l.groups)
	l.ty = threads / l.tx
	l.per = ceil(rows, min(ceil(rows, l.ty*each), most))
	l.parts = ceil(rows, l.per)
	return l
}

// summed is the split for sums over columns, streamed the one without sums.
func summed(s device.Shape, width int) columns {
	return columnsOf(s.Rows(), s.C, width, 8, maxParts)
}

func streamed(s device.Shape, width int) columns {
	return columnsOf(s.Rows(), s.C, width, 8, 1<<30)
}

func (l columns) launch() driver.Launch {
	return driver.Launch{Grid: driver.Dim{X: l.parts, Y: l.groups, Z: 1}, Block: driver.D1(threads)}
}

// shares is the launch of a kernel whose blocks have a part of n each, and one partial
// result.
func (o *op) shares(n, each int) driver.Launch {
	l := PerElement(n, each)
	l.Grid.X = min(l.Grid.X, maxParts)
	return l
}

// doubles is a workspace for one float64 per part and each of n sums.
func (o *op) doubles(n int, l columns) driver.Ptr { return o.workspace(2 * n * l.parts) }

// widthOf is 4 if that divides all channel numbers, else 1.
func widthOf(channels ...int) int {
	for _, c := range channels {
		if c%4 != 0 {
			return 1
		}
	}
	return 4
}

// entry is the name of a kernel for vectors of width floats.
func entry(name string, width int) string {
	if width == 4 {
		return name + "_v4"
	}
	return name + "_v1"
}

// numbered is n, the threads of a kernel that finds its place from a number of 32 bits.
func (o *op) numbered(n int) uint32 {
	o.must(n <= math.MaxUint32, "%d vectors are more than a kernel can count", n)
	return uint32(n)
}
